//! Holds against the real control plane: nothing of what is held is touched, everybody sees it, and at its end what is
//! pending is shown before it is done.

use serde_json::json;

use crate::engine::{SOON, TestCloud, config_map, deployment};
use crate::support::{control_plane, eventually};

fn value(cloud: &TestCloud, name: &str) -> Option<String> {
    Some(cloud.get("cm", name)?["data"]["a"].as_str()?.to_owned())
}

fn hold_status(cloud: &TestCloud) -> Option<serde_json::Value> {
    cloud.cloudsync()?.pointer("/status/holds/0").cloned()
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn nothing_of_a_held_app_is_touched_until_it_is_released() {
    let cloud = TestCloud::new(
        "hold",
        &[
            ("a", &[], &format!("{}{}", config_map("a", "1"), config_map("gone", "1"))),
            ("b", &["a"], &config_map("b", "1")),
        ],
    );
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let (code, stdout, stderr) = cloud.retune("hold", &["a", "--for", "2h", "--reason", "by the runbook"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    retune.wait_for(0, SOON, |l| l.contains("hands off"));
    let patch = json!({"data": {"a": "by hand"}}).to_string();
    control_plane().kubectl(&["patch", "cm", "a", "-n", &cloud.name, "--type", "merge", "-p", &patch]);
    retune.wait_for(0, SOON, |l| l.contains("drift (reported, not corrected)"));
    let pending = eventually("the status has what is pending", SOON, || {
        let pending = hold_status(&cloud)?["pending"].clone();
        (pending.as_array().map(Vec::len) == Some(1)).then_some(pending)
    });
    assert!(
        pending[0].as_str().is_some_and(|p| p.starts_with("correct") && p.contains("by kubectl")),
        "{pending}"
    );

    // Git drops one object and changes the other; b changes too, and waits only where it must.
    let files = [
        ("manifests/a/objects.yaml", config_map("a", "2")),
        ("manifests/b/objects.yaml", config_map("b", "2")),
    ];
    cloud.repo.commit("Change", &files.each_ref().map(|(file, text)| (*file, text.as_str())));
    eventually("the change and the deletion are held", SOON, || {
        (hold_status(&cloud)?["pending"].as_array()?.len() == 2).then_some(())
    });
    assert_eq!(value(&cloud, "a").as_deref(), Some("by hand"));
    assert!(cloud.get("cm", "gone").is_some());
    let (code, shown, _) = cloud.retune("diff", &["--summary"]);
    assert!(code == 1 && shown.contains("held     ") && shown.contains("by the runbook"), "{shown}");
    let (_, shown, _) = cloud.retune("status", &[]);
    assert!(shown.contains("held      a until ") && shown.contains("by the runbook"), "{shown}");
    let (_, shown, _) = cloud.retune("release", &["a", "--show"]);
    assert!(shown.contains("prune ") && shown.contains("a is held"), "{shown}");

    // It survives a restart.
    retune.signal("TERM");
    retune.wait();
    let retune = cloud.start();
    cloud.settled();
    assert_eq!(value(&cloud, "a").as_deref(), Some("by hand"));
    assert_eq!(value(&cloud, "b").as_deref(), Some("1"), "b waits for what is held of a");
    let (code, shown, stderr) = cloud.retune("release", &["a"]);
    assert_eq!(code, 0, "{shown}{stderr}");
    cloud.await_ready(&cloud.repo.head());
    assert_eq!(value(&cloud, "a").as_deref(), Some("2"));
    assert_eq!(value(&cloud, "b").as_deref(), Some("2"));
    eventually("it is pruned", SOON, || cloud.get("cm", "gone").is_none().then_some(()));
    drop(retune);
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn at_its_end_a_hold_shows_what_is_pending_before_it_is_done() {
    let cloud = TestCloud::new("hold", &[("a", &[], &deployment("api", 1))]);
    let retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let args = ["deployment/api", "--for", "8s", "--notice", "3s", "--reason", "scaling"];
    let (code, stdout, stderr) = cloud.retune("hold", &args);
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains(&format!("Deployment.apps {}/api is held until", cloud.name)), "{stdout}");
    retune.wait_for(0, SOON, |l| l.contains("hands off"));
    control_plane().kubectl(&["scale", "deployment", "api", "--replicas=0", "-n", &cloud.name]);
    let from = retune.mark();
    retune.wait_for(0, SOON, |l| l.contains("the time of the hold is over"));
    retune.wait_for(from, SOON, |l| l.contains("pending: correct") && l.contains("spec.replicas"));
    let replicas = || cloud.get("deployment", "api").map(|d| d["spec"]["replicas"].clone());
    assert_eq!(replicas(), Some(json!(0)), "shown first");
    let shown = retune.mark();
    retune.wait_for(shown, SOON, |l| l.contains("the hold ends"));
    eventually("it is corrected", SOON, || (replicas()? == 1).then_some(()));
    eventually("the hold is gone from the CloudSync", SOON, || {
        let spec = cloud.cloudsync()?["spec"].clone();
        spec["holds"].as_object().is_none_or(serde_json::Map::is_empty).then_some(())
    });
    let events = control_plane().kubectl(&["get", "events", "-n", "retune-system", "-o", "json"]);
    assert!(events.contains("HoldEnding"), "an Event shows the plan");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_annotation_holds_its_object_also_from_a_syncer_that_starts_later() {
    let cloud =
        TestCloud::new("hold", &[("a", &[], &format!("{}{}", config_map("a", "1"), config_map("b", "1")))]);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let plane = control_plane();
    let hold = [
        "annotate",
        "cm",
        "a",
        "-n",
        &cloud.name,
        "retune.dev/hold-reason=by hand",
        "retune.dev/hold-until=2099-01-01T00:00:00Z",
    ];
    plane.kubectl(&hold);
    retune.wait_for(0, SOON, |l| l.contains("hands off, says its annotation"));
    retune.signal("TERM");
    retune.wait();
    let both = format!("{}{}", config_map("a", "2"), config_map("b", "2"));
    cloud.repo.commit("Change", &[("manifests/a/objects.yaml", &both)]);
    let retune = cloud.start();
    eventually("what is not held is applied", SOON, || (value(&cloud, "b")? == "2").then_some(()));
    eventually("the hold is told", SOON, || {
        let hold = hold_status(&cloud)?;
        (hold["from"] == "annotation" && hold["pending"].as_array()?.len() == 1).then_some(())
    });
    assert_eq!(value(&cloud, "a").as_deref(), Some("1"));
    plane.kubectl(&["annotate", "cm", "a", "-n", &cloud.name, "retune.dev/hold-until-"]);
    cloud.await_ready(&cloud.repo.head());
    assert_eq!(value(&cloud, "a").as_deref(), Some("2"));
    let unreadable = ["annotate", "cm", "b", "-n", &cloud.name, "retune.dev/hold-until=2h"];
    plane.kubectl(&unreadable);
    retune.wait_for(0, SOON, |l| l.contains("is not an RFC 3339 time"));
}
