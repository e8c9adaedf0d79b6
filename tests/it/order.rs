//! Order against the real control plane: the graph, newer commits, retries, readiness that stays, `retune sync --app`.

use std::time::Duration;

use serde_json::{Value, json};

use crate::engine::{SOON, TestCloud, config_map, deployment};
use crate::support::{control_plane, eventually};

/// A Deployment whose pods come to the end that `docs/testing.md` has for the word.
pub(crate) fn deployment_of_outcome(name: &str, outcome: &str) -> String {
    let labels = json!({"name": name});
    let template = json!({"metadata": {"labels": labels, "annotations": {"test.retune.dev/outcome": outcome}},
        "spec": {"containers": [{"name": "main", "image": "example.org/x:1"}]}});
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}});
    format!("---\n{body}\n")
}

/// What the status says of an app that is not ready.
pub(crate) fn app_status(cloud: &TestCloud, app: &str) -> Option<(String, String)> {
    let found = cloud.cloudsync()?;
    let list = found.pointer("/status/notReady")?.as_array()?.clone();
    let status = list.iter().find(|a| a["name"] == app)?;
    let text = |field: &str| status[field].as_str().unwrap_or_default().to_owned();
    Some((text("state"), text("message")))
}

fn await_state(cloud: &TestCloud, app: &str, state: &str) -> String {
    eventually(&format!("app {app} is {state}"), SOON, || {
        app_status(cloud, app).filter(|(s, _)| s == state).map(|(_, message)| message)
    })
}

/// A rule of the server that refuses ConfigMaps named `refused` in a namespace as invalid, until it is dropped.
struct Refusing(String);

impl Refusing {
    fn new(namespace: &str) -> Self {
        let name = format!("refuse-{namespace}");
        let policy = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": name}, "spec": {"failurePolicy": "Fail",
            "matchConstraints": {"resourceRules": [{"apiGroups": [""], "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}]},
            "validations": [{"expression": "object.metadata.name != 'refused'", "reason": "Invalid", "message": "not today"}]}});
        let selector = json!({"matchLabels": {"kubernetes.io/metadata.name": namespace}});
        let binding = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": name}, "spec": {"policyName": name, "validationActions": ["Deny"],
                "matchResources": {"namespaceSelector": selector}}});
        let plane = control_plane();
        plane.kubectl_with(&["apply", "-f", "-"], &format!("{policy}\n---\n{binding}\n"));
        let probe = config_map("refused", "probe");
        eventually("the server refuses", SOON, || {
            let args = ["create", "-n", namespace, "--dry-run=server", "-f", "-"];
            (!plane.try_kubectl(&args, Some(&probe)).status.success()).then_some(())
        });
        Self(name)
    }

    fn end(self, namespace: &str) {
        let plane = control_plane();
        plane.kubectl(&["delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", &self.0]);
        let probe = config_map("refused", "probe");
        eventually("the server refuses no more", SOON, || {
            let args = ["create", "-n", namespace, "--dry-run=server", "-f", "-"];
            plane.try_kubectl(&args, Some(&probe)).status.success().then_some(())
        });
    }
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_failed_app_stops_only_its_dependants_which_say_for_whom_they_wait_and_sync_of_the_app_retries_now() {
    let cloud = TestCloud::new(
        "order",
        &[
            ("bad", &[], &config_map("refused", "1")),
            ("next", &["bad"], &config_map("next", "1")),
            ("last", &["next"], &config_map("last", "1")),
            ("free", &[], &config_map("free", "1")),
        ],
    );
    let refusing = Refusing::new(&cloud.name);
    let retune = cloud.start();
    let message = await_state(&cloud, "last", "waiting");
    assert!(message.starts_with("waits for next, which waits for bad (failed: "), "{message}");
    assert!(message.contains("not today"), "{message}");
    assert!(cloud.get("cm", "free").is_some());
    retune.wait_for(0, SOON, |l| l.contains("the sync stands still"));
    let log = control_plane().audit();
    let (code, _, stderr) = cloud.retune("sync", &["--app", "bad"]);
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("app bad failed") && stderr.contains("retune why bad"), "{stderr}");
    let tried = cloud.about_managed(&log);
    assert!(tried.iter().all(|r| r == "patch configmaps refused") && !tried.is_empty(), "{tried:?}");

    refusing.end(&cloud.name);
    let (code, stdout, stderr) = cloud.retune("sync", &["--app", "bad"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    cloud.await_ready(&cloud.repo.head());
    assert!(cloud.get("cm", "last").is_some());
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn waiting_costs_no_request_and_a_newer_commit_goes_first() {
    let cloud = TestCloud::new(
        "order",
        &[
            ("slow", &[], &deployment_of_outcome("slow", "hang")),
            ("after", &["slow"], &config_map("after", "1")),
            ("other", &[], &config_map("other", "1")),
        ],
    );
    let _retune = cloud.start();
    await_state(&cloud, "after", "waiting");
    cloud.settled();
    assert!(cloud.get("cm", "after").is_none());
    let log = control_plane().audit();
    cloud.repo.commit("Change", &[("manifests/other/objects.yaml", &config_map("other", "2"))]);
    eventually("the newer commit is applied while the other waits", SOON, || {
        (cloud.get("cm", "other")?["data"]["a"] == "2").then_some(())
    });
    // With a new commit, what was never applied is looked at again: somebody may have made it meanwhile.
    assert_eq!(cloud.about_managed(&log), ["get configmaps after", "patch configmaps other"]);
    let revision = cloud.repo.commit("Repair", &[("manifests/slow/objects.yaml", &deployment("slow", 1))]);
    cloud.await_ready(&revision);
    assert!(cloud.get("cm", "after").is_some());
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_dependency_that_was_ready_stays_satisfied_when_it_breaks_by_itself() {
    let cloud = TestCloud::new(
        "order",
        &[("base", &[], &deployment("base", 1)), ("web", &["base"], &config_map("web", "1"))],
    );
    let _retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    // A rollout of somebody else's that never ends: no field of retune's is touched.
    let patch =
        json!({"spec": {"template": {"metadata": {"annotations": {"test.retune.dev/outcome": "pending"}}}}});
    control_plane().kubectl(&["patch", "deployment", "base", "-n", &cloud.name, "-p", &patch.to_string()]);
    await_state(&cloud, "base", "progressing");
    cloud.commit_and_wait("manifests/web/objects.yaml", &config_map("web", "2"));
    assert_eq!(cloud.get("cm", "web").expect("it is there")["data"]["a"], "2");
    assert!(app_status(&cloud, "base").is_some(), "base is still not ready");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn what_a_webhook_that_does_not_serve_yet_refuses_is_retried_and_fails_no_app() {
    let cloud = TestCloud::new("order", &[("app", &[], &config_map("a", "1"))]);
    let hook = json!({"apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": format!("late-{}", cloud.name)},
        "webhooks": [{"name": "late.retune.dev", "sideEffects": "None", "admissionReviewVersions": ["v1"], "timeoutSeconds": 1,
            "clientConfig": {"service": {"name": "none", "namespace": cloud.name}},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": cloud.name}},
            "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}]}]});
    let plane = control_plane();
    plane.kubectl_with(&["apply", "-f", "-"], &hook.to_string());
    eventually("the webhook is called", SOON, || {
        let args = ["create", "-n", &cloud.name, "--dry-run=server", "-f", "-"];
        (!plane.try_kubectl(&args, Some(&config_map("probe", "1"))).status.success()).then_some(())
    });
    let retune = cloud.start();
    retune.wait_for(0, SOON, |l| l.contains("retried") && l.contains("attempt=4"));
    let (state, _) = eventually("the app is told", SOON, || app_status(&cloud, "app"));
    assert_eq!(state, "applying");
    plane.kubectl(&["delete", "validatingwebhookconfiguration", &format!("late-{}", cloud.name)]);
    cloud.await_ready(&cloud.repo.head());
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_app_that_exceeds_its_timeout_is_told_and_goes_on() {
    let cloud = TestCloud::new("order", &[("slow", &[], &deployment_of_outcome("slow", "hang"))]);
    let app = std::fs::read_to_string(cloud.repo.file("apps/slow.yaml")).expect("it is there");
    cloud.repo.commit("Limit", &[("apps/slow.yaml", &format!("{app}  timeout: 3s\n"))]);
    let _retune = cloud.start();
    let message = await_state(&cloud, "slow", "failed");
    assert!(message.starts_with("not ready within its timeout: Deployment.apps "), "{message}");
    let revision = cloud.repo.commit("Repair", &[("manifests/slow/objects.yaml", &deployment("slow", 1))]);
    cloud.await_ready(&revision);
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_app_can_be_pinned_to_another_revision_than_the_cloud() {
    let cloud =
        TestCloud::new("pin", &[("a", &[], &config_map("a", "1")), ("b", &[], &config_map("b", "1"))]);
    let first = cloud.repo.head();
    let _retune = cloud.start();
    cloud.await_ready(&first);
    let (code, stdout, stderr) = cloud.retune("pin", &["a", "HEAD", "--reason", "for a test"]);
    assert_eq!(code, 0, "{stdout}{stderr}");
    let both = [
        ("manifests/a/objects.yaml", config_map("a", "2")),
        ("manifests/b/objects.yaml", config_map("b", "2")),
    ];
    let second =
        cloud.repo.commit("Change both", &both.each_ref().map(|(file, text)| (*file, text.as_str())));
    cloud.await_ready(&second);
    let value = |name: &str| cloud.get("cm", name).expect("it is there")["data"]["a"].clone();
    assert_eq!((value("a"), value("b")), (json!("1"), json!("2")));
    let status = cloud.cloudsync().expect("it is there")["status"]["pinned"].clone();
    assert_eq!((&status[0]["app"], &status[0]["revision"]), (&json!("a"), &json!(first)), "{status}");
    let (_, shown, _) = cloud.retune("status", &[]);
    assert!(
        shown.contains("app a is not at this revision but at") && shown.contains("for a test"),
        "{shown}"
    );
    let (code, shown, _) = cloud.retune("diff", &[]);
    assert_eq!(code, 0, "diff honours the pin: {shown}");

    let (code, _, stderr) = cloud.retune("sync", &["--app", "b", "--rev", "HEAD~1"]);
    assert_eq!(code, 0, "{stderr}");
    eventually("b is at the first revision again", SOON, || (value("b") == "1").then_some(()));
    assert_eq!(cloud.retune("resume", &["b"]).0, 0);
    assert_eq!(cloud.retune("resume", &["a"]).0, 0);
    eventually("both follow the branch again", SOON, || {
        let pinned = cloud.cloudsync()?.pointer("/status/pinned").is_some_and(|p| *p != Value::Null);
        (value("a") == "2" && value("b") == "2" && !pinned).then_some(())
    });
    let (code, _, stderr) = cloud.retune("pin", &["nobody", "HEAD"]);
    assert!(
        code == 2 && stderr.contains("has no app nobody") && stderr.contains("its apps: a, b"),
        "{stderr}"
    );
}

/// What is asked for soon after is not yet undone by a slow machine.
const LONG: Duration = Duration::from_secs(120);

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_commit_that_takes_away_an_app_whose_turn_never_came_needs_no_approval() {
    let many: String = (0..12).map(|n| config_map(&format!("m{n}"), "1")).collect();
    let cloud = TestCloud::new(
        "order",
        &[("slow", &[], &deployment_of_outcome("slow", "hang")), ("after", &["slow"], &many)],
    );
    let _retune = cloud.start();
    await_state(&cloud, "after", "waiting");
    eventually("its additions are noted ahead", LONG, || {
        let name = format!("{}.after.0", cloud.name);
        control_plane().get(&["inventory", &name, "-n", "retune-system"])
    });
    cloud.repo.remove("Take it away", &["apps/after.yaml", "manifests/after"]);
    let revision = cloud.repo.commit("Repair", &[("manifests/slow/objects.yaml", &deployment("slow", 1))]);
    cloud.await_ready(&revision);
    let status = cloud.cloudsync().expect("it is there")["status"].clone();
    assert!(status.get("withheld").is_none(), "{status}");
}
