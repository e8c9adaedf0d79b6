//! Promises of the engine that no other module keeps an eye on: sources that vanish, lost ledgers, approvals by plain kubectl, a copied
//! `CloudSync`, conflicts that are not forced, signals.

use serde_json::{Value, json};

use crate::engine::{SOON, TestCloud, app_file, config_map};
use crate::support::{control_plane, eventually};

const OBJECTS: &str = "manifests/one/objects.yaml";

fn condition(cloud: &TestCloud, kind: &str) -> Option<Value> {
    let found = cloud.cloudsync()?;
    let conditions = found.pointer("/status/conditions")?.as_array()?.clone();
    conditions.into_iter().find(|c| c["type"] == kind)
}

fn patch_spec(cloud: &TestCloud, spec: &Value) {
    let patch = json!({"spec": spec}).to_string();
    let name = cloud.name.as_str();
    control_plane().kubectl(&[
        "patch",
        "cloudsync",
        name,
        "-n",
        "retune-system",
        "--type=merge",
        "-p",
        &patch,
    ]);
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_vanished_branch_and_a_force_push_never_stop_enforcement() {
    let cloud = TestCloud::new("vanish", &[("one", &[], &config_map("a", "1"))]);
    let first = cloud.repo.head();
    let retune = cloud.start();
    cloud.commit_and_wait(OBJECTS, &config_map("a", "2"));
    cloud.repo.git(&["checkout", "-q", "--detach"]);
    let from = retune.mark();
    cloud.repo.git(&["branch", "-q", "-D", "main"]);
    retune.wait_for(from, SOON, |line| line.contains("the last good revision stays enforced"));
    eventually("the condition says it", SOON, || {
        let found = condition(&cloud, "SourceReady")?;
        (found["status"] == "False" && found["message"].as_str()?.contains("main")).then_some(())
    });
    control_plane().kubectl(&["delete", "configmap", "a", "-n", &cloud.name]);
    eventually("drift is corrected meanwhile", SOON, || {
        (cloud.get("configmap", "a")?["data"]["a"] == "2").then_some(())
    });
    // It comes back on another line of history.
    cloud.repo.git(&["branch", "-q", "main", &first]);
    cloud.await_ready(&first);
    assert_eq!(cloud.get("configmap", "a").expect("there")["data"]["a"], "1");
    eventually("the condition is well again", SOON, || {
        (condition(&cloud, "SourceReady")?["status"] == "True").then_some(())
    });
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn losing_the_state_folder_loses_history_and_writes_nothing() {
    let cloud = TestCloud::new("lost", &[("one", &[], &(config_map("a", "1") + &config_map("b", "1")))]);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.settled();
    retune.signal("TERM");
    assert!(retune.wait().success());
    let log = control_plane().audit();
    let elsewhere = tempfile::tempdir().expect("a scratch folder");
    let retune = cloud.start_as(&cloud.user, elsewhere.path());
    retune.wait_for(0, SOON, |line| line.contains("nothing to do") || line.contains("synced"));
    cloud.settled();
    assert!(log.writes_to_managed(&cloud.user).is_empty(), "{:?}", cloud.about_managed(&log));
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_change_of_the_profile_or_source_on_the_cloudsync_is_followed() {
    let cloud = TestCloud::new("respec", &[("one", &[], &config_map("a", "1"))]);
    let first = cloud.repo.head();
    let _retune = cloud.start();
    cloud.await_ready(&first);
    cloud.repo.git(&["branch", "-q", "other"]);
    let second = cloud.commit_and_wait(OBJECTS, &config_map("a", "2"));
    patch_spec(&cloud, &json!({"source": {"branch": "other"}}));
    cloud.await_ready(&first);
    eventually("the other branch is live", SOON, || {
        (cloud.get("configmap", "a")?["data"]["a"] == "1").then_some(())
    });
    patch_spec(&cloud, &json!({"source": {"branch": "main"}}));
    cloud.await_ready(&second);
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_approval_by_plain_kubectl_counts_unless_it_has_expired() {
    let cloud = TestCloud::new(
        "consent",
        &[("one", &[], &config_map("a", "1")), ("two", &[], &config_map("b", "1"))],
    );
    let _retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.repo.remove("Drop an app", &["apps/two.yaml", "manifests/two/objects.yaml"]);
    let digest = eventually("the deletion is withheld", SOON, || {
        let found = cloud.cloudsync()?;
        Some(found.pointer("/status/withheld/digest")?.as_str()?.to_owned())
    });
    patch_spec(
        &cloud,
        &json!({"approvals": [{"digest": digest, "by": "ada", "expires": "2001-01-01T00:00:00Z"}]}),
    );
    // What comes later is done, so the expired approval has been seen.
    cloud.repo.commit("Change", &[(OBJECTS, &config_map("a", "2"))]);
    eventually("the rest goes on", SOON, || (cloud.get("configmap", "a")?["data"]["a"] == "2").then_some(()));
    assert!(cloud.get("configmap", "b").is_some(), "an expired approval counts for nothing");
    patch_spec(&cloud, &json!({"approvals": [{"digest": "sha256:0123456789ab", "by": "ada"}]}));
    eventually("one without an end is given one", SOON, || {
        let found = cloud.cloudsync()?;
        found.pointer("/spec/approvals/0/expires").map(|_| ())
    });
    assert!(cloud.get("configmap", "b").is_some(), "another digest counts for nothing");
    patch_spec(&cloud, &json!({"approvals": [{"digest": digest, "by": "ada"}]}));
    eventually("b is pruned once approved", SOON, || cloud.get("configmap", "b").is_none().then_some(()));
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_cloudsync_copied_from_another_cluster_is_refused() {
    let cloud = TestCloud::new("copied", &[("one", &[], &config_map("a", "1"))]);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    retune.signal("TERM");
    assert!(retune.wait().success());
    let patch = json!({"status": {"cluster": "00000000-0000-4000-8000-000000000000"}}).to_string();
    control_plane().kubectl(&[
        "patch",
        "cloudsync",
        &cloud.name,
        "-n",
        "retune-system",
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch,
    ]);
    let log = control_plane().audit();
    let mut retune = cloud.start();
    assert_eq!(retune.wait().code(), Some(3), "{}", retune.output());
    assert!(retune.output().contains("it was copied here"), "{}", retune.output());
    assert!(log.writes_to_managed(&cloud.user).is_empty());
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_conflict_is_listed_and_forced_unless_that_is_forbidden() {
    let cloud = TestCloud::new("conflict", &[("one", &[], &config_map("a", "1"))]);
    cloud.repo.write(
        "apps/two.yaml",
        &app_file(&cloud.name, "two", &[]).replace("spec:\n", "spec:\n  forceConflicts: false\n"),
    );
    cloud.repo.write("manifests/two/objects.yaml", &config_map("b", "1"));
    cloud.repo.commit("An app that takes nothing", &[]);
    let retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let plane = control_plane();
    for name in ["a", "b"] {
        // Somebody else states a field that Git will state later.
        let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": cloud.name},
            "data": {"shared": "theirs"}});
        plane.kubectl_with(
            &["apply", "--server-side", "--field-manager=them", "-f", "-"],
            &theirs.to_string(),
        );
    }
    let with = |name: &str| config_map(name, "1").replace("\"data\":{", "\"data\":{\"shared\":\"ours\",");
    let from = retune.mark();
    cloud.repo.commit("State it", &[(OBJECTS, &with("a")), ("manifests/two/objects.yaml", &with("b"))]);
    let line = retune.wait_for(from, SOON, |line| line.contains("them") && line.contains("data.shared"));
    assert!(line.contains("/a") || line.contains("/b"), "{line}");
    eventually("the first app takes the field", SOON, || {
        (cloud.get("configmap", "a")?["data"]["shared"] == "ours").then_some(())
    });
    eventually("the second app says who has it", SOON, || {
        let (_, out, _) = cloud.retune("status", &[]);
        (out.contains("them") && out.contains("two")).then_some(())
    });
    assert_eq!(cloud.get("configmap", "b").expect("there")["data"]["shared"], "theirs");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_second_sigterm_ends_at_once() {
    let cloud = TestCloud::new("signals", &[("one", &[], &config_map("a", "1"))]);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    retune.signal("TERM");
    retune.signal("TERM");
    let begun = std::time::Instant::now();
    let status = retune.wait();
    assert!(begun.elapsed() < std::time::Duration::from_secs(10));
    assert!(status.success() || status.code() == Some(143), "{status} {}", retune.output());
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_misspelt_field_fails_its_app_with_file_and_line_and_the_others_go_on() {
    let wrong = crate::engine::deployment("web", 1).replace("\"replicas\"", "\"replica\"");
    let cloud = TestCloud::new(
        "misspelt",
        &[("one", &[], &config_map("a", "1")), ("two", &[], &("\n".to_owned() + &wrong))],
    );
    let _retune = cloud.start();
    let status = eventually("the app has failed", SOON, || {
        let (_, out, _) = cloud.retune("status", &[]);
        out.contains("manifests/two/objects.yaml:3").then_some(out)
    });
    assert!(status.contains(".spec.replica") && status.contains("web"), "{status}");
    assert!(cloud.get("configmap", "a").is_some());
    let fixed = cloud
        .repo
        .commit("Spell it", &[("manifests/two/objects.yaml", &crate::engine::deployment("web", 1))]);
    cloud.await_ready(&fixed);
}
