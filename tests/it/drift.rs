//! Every way of changing a field that `facts` on ownership lists, against the real server: the verdict, the blame, and
//! the number of requests.

use crate::engine::{SOON, TestCloud, config_map, deployment};
use crate::support::{Retune, control_plane};

struct Drift {
    cloud: TestCloud,
    retune: Retune,
}

impl Drift {
    fn new(prefix: &str) -> Self {
        let map = r#"{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"a": "1", "b": "2"}}"#;
        let text = format!("---\n{map}\n{}{}", deployment("web", 2), config_map("other", "1"));
        let cloud = TestCloud::new(prefix, &[("one", &[], &text)]);
        let retune = cloud.start();
        cloud.await_ready(&cloud.repo.head());
        cloud.settled();
        Self { cloud, retune }
    }

    /// Does something with kubectl, then: what retune asked of managed objects, and the lines it wrote about drift.
    fn after(&self, act: impl FnOnce(&str)) -> (Vec<String>, String) {
        let (log, mark) = (control_plane().audit(), self.retune.mark());
        act(&self.cloud.name);
        self.cloud.settled();
        let lines: Vec<String> = self
            .retune
            .output()
            .lines()
            .skip(mark)
            .filter(|l| l.contains("drift"))
            .map(str::to_owned)
            .collect();
        (self.cloud.about_managed(&log), lines.join("\n"))
    }

    fn data(&self, key: &str) -> String {
        let map = self.cloud.get("configmap", "conf").expect("it is there");
        map["data"][key].as_str().unwrap_or_default().to_owned()
    }
}

fn kubectl(args: &[&str]) {
    control_plane().kubectl(args);
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_changed_value_is_corrected_with_one_patch_and_blamed_on_its_writer() {
    let t = Drift::new("drift-value");
    let (requests, lines) = t.after(|ns| {
        kubectl(&["patch", "configmap", "conf", "-n", ns, "--type=merge", "-p", r#"{"data":{"a":"9"}}"#]);
    });
    assert_eq!(requests, ["patch configmaps conf"]);
    assert!(lines.contains("data.a taken by kubectl-patch (Update, 20"), "{lines}");
    assert_eq!(t.data("a"), "1");

    let (requests, lines) = t.after(|ns| kubectl(&["scale", "deployment", "web", "-n", ns, "--replicas=5"]));
    assert_eq!(requests, ["patch deployments web"]);
    assert!(lines.contains("spec.replicas taken by kubectl (Update, scale)"), "{lines}");

    let (requests, lines) =
        t.after(|ns| kubectl(&["set", "image", "deployment/web", "main=example.org/evil:1", "-n", ns]));
    assert_eq!(requests, ["patch deployments web"]);
    assert!(
        lines.contains("spec.template.spec.containers[name=main].image taken by kubectl-set (Update, 20"),
        "{lines}"
    );
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn edit_replace_and_client_side_apply_are_corrected_and_blamed_by_their_names() {
    let t = Drift::new("drift-writers");
    let (requests, lines) = t.after(|ns| {
        let mut edit = control_plane().kubectl_command();
        edit.args(["edit", "configmap", "conf", "-n", ns])
            .env("KUBE_EDITOR", "sed -i 's/a: \"1\"/a: \"6\"/'");
        assert!(edit.output().expect("kubectl runs").status.success());
    });
    assert_eq!(requests, ["patch configmaps conf"]);
    assert!(lines.contains("data.a taken by kubectl-edit (Update, 20"), "{lines}");
    assert_eq!(t.data("a"), "1");

    let (requests, lines) = t.after(|ns| {
        let mut live = t.cloud.get("configmap", "conf").expect("it is there");
        live["data"]["a"] = "7".into();
        control_plane().kubectl_with(&["replace", "-n", ns, "-f", "-"], &live.to_string());
    });
    assert_eq!(requests, ["patch configmaps conf"]);
    assert!(lines.contains("data.a taken by kubectl-replace (Update, 20"), "{lines}");
    assert_eq!(t.data("a"), "1");

    let (requests, lines) = t.after(|ns| {
        let map = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"},
            "data": {"a": "8", "b": "2"}});
        control_plane().kubectl_with(&["apply", "-n", ns, "-f", "-"], &map.to_string());
    });
    assert_eq!(requests, ["patch configmaps conf"]);
    assert!(lines.contains("data.a taken by kubectl-client-side-apply (Update, 20"), "{lines}");
    assert_eq!(t.data("a"), "1");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_removed_key_a_removed_label_and_a_deletion_come_back_with_one_patch_each() {
    let t = Drift::new("drift-removed");
    let (requests, lines) = t.after(|ns| {
        kubectl(&[
            "patch",
            "configmap",
            "conf",
            "-n",
            ns,
            "--type=json",
            "-p",
            r#"[{"op":"remove","path":"/data/b"}]"#,
        ]);
    });
    assert_eq!(requests, ["patch configmaps conf"]);
    assert!(lines.contains("data.b removed"), "{lines}");
    assert_eq!(t.data("b"), "2");

    let (requests, lines) =
        t.after(|ns| kubectl(&["label", "configmap", "conf", "-n", ns, "retune.dev/cloud-"]));
    assert_eq!(requests, ["patch configmaps conf"]);
    assert!(lines.contains("label retune.dev/cloud removed"), "{lines}");

    let (requests, lines) = t.after(|ns| kubectl(&["delete", "configmap", "conf", "-n", ns]));
    assert_eq!(requests, ["patch configmaps conf"]);
    assert!(lines.contains("drift=deleted"), "{lines}");
    assert_eq!(t.data("a"), "1");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn what_others_own_is_no_drift_and_costs_nothing() {
    let t = Drift::new("drift-others");
    let (requests, lines) = t.after(|ns| {
        kubectl(&["patch", "configmap", "conf", "-n", ns, "--type=merge", "-p", r#"{"data":{"added":"9"}}"#]);
    });
    assert!(requests.is_empty() && lines.is_empty(), "a key that retune does not own: {requests:?} {lines}");
    assert_eq!(t.data("added"), "9");

    let (requests, lines) = t.after(|ns| {
        kubectl(&["patch", "configmap", "conf", "-n", ns, "--type=merge", "-p", r#"{"data":{"a":"1"}}"#]);
    });
    assert!(requests.is_empty() && lines.is_empty(), "the same value again: {requests:?} {lines}");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_rollout_restart_is_looked_at_once_and_left_alone() {
    let t = Drift::new("drift-restart");
    let (requests, lines) = t.after(|ns| kubectl(&["rollout", "restart", "deployment/web", "-n", ns]));
    assert_eq!(requests, ["get deployments web"]);
    assert!(lines.is_empty(), "{lines}");
    let live = t.cloud.get("deployment", "web").expect("it is there");
    let restarted = live.pointer("/spec/template/metadata/annotations").expect("kubectl's annotation stays");
    assert!(restarted.get("kubectl.kubernetes.io/restartedAt").is_some());
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_apply_as_retune_by_someone_else_is_looked_at_and_corrected() {
    let t = Drift::new("drift-imposter");
    let (requests, lines) = t.after(|ns| {
        let live = t.cloud.get("configmap", "conf").expect("it is there");
        let meta = &live["metadata"];
        let forged = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf", "namespace": ns,
            "labels": meta["labels"], "annotations": meta["annotations"]}, "data": {"a": "7", "b": "2"}});
        control_plane().kubectl_with(
            &["apply", "--server-side", "--field-manager=retune", "-f", "-"],
            &forged.to_string(),
        );
    });
    assert_eq!(requests, ["get configmaps conf", "patch configmaps conf"]);
    assert!(lines.contains("data.a changed by an apply as retune"), "{lines}");
    assert_eq!(t.data("a"), "1");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_identical_apply_by_someone_as_retune_moves_nothing() {
    let t = Drift::new("drift-identical");
    let (requests, lines) = t.after(|ns| {
        let live = t.cloud.get("configmap", "conf").expect("it is there");
        let meta = &live["metadata"];
        let same = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf", "namespace": ns,
            "labels": meta["labels"], "annotations": meta["annotations"]}, "data": live["data"]});
        control_plane().kubectl_with(&["apply", "--server-side", "--field-manager=retune", "-f", "-"], &same.to_string());
    });
    assert!(requests.is_empty() && lines.is_empty(), "{requests:?} {lines}");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn drift_while_the_syncer_is_down_is_corrected_at_its_start() {
    let mut t = Drift::new("drift-down");
    t.retune.signal("KILL");
    t.retune.wait();
    let ns = t.cloud.name.clone();
    kubectl(&["patch", "configmap", "conf", "-n", &ns, "--type=merge", "-p", r#"{"data":{"a":"9"}}"#]);
    kubectl(&["delete", "configmap", "other", "-n", &ns]);
    let log = control_plane().audit();
    t.retune = t.cloud.start();
    t.retune.wait_for(0, SOON, |l| l.contains("drift corrected") && l.contains("other"));
    t.retune.wait_for(0, SOON, |l| l.contains("drift corrected") && l.contains("conf"));
    t.cloud.settled();
    let writes = log.writes_to_managed(&t.cloud.user);
    assert_eq!(writes.len(), 2, "{writes:?}");
    assert_eq!(t.data("a"), "1");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_rival_is_fought_a_few_times_and_then_less_and_less() {
    let t = Drift::new("drift-fight");
    let log = control_plane().audit();
    let ns = t.cloud.name.clone();
    for i in 0..30 {
        let patch = format!(r#"{{"data":{{"a":"rival-{i}"}}}}"#);
        kubectl(&["patch", "configmap", "conf", "-n", &ns, "--type=merge", "-p", &patch]);
    }
    t.retune.wait_for(0, SOON, |l| l.contains("changed again and again") && l.contains("kubectl-patch"));
    let patches = t.cloud.about_managed(&log).len();
    assert!((5..=14).contains(&patches), "{patches} corrections of 30 changes");
    crate::support::eventually("the last word is Git's", SOON, || (t.data("a") == "1").then_some(()));
}
