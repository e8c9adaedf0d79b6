//! Labels and annotations of nodes against the real control plane.

use serde_json::{Value, json};

use crate::engine::{SOON, TestCloud, config_map};
use crate::support::{control_plane, eventually};

fn retune_yaml(cloud: &TestCloud, nodes: &str) -> String {
    format!(
        "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {{name: {}}}\nspec:\n  profiles: [base]\n{nodes}",
        cloud.name
    )
}

fn make(name: &str, pool: &str) {
    let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"test.example.org/pool": pool}}});
    control_plane().kubectl_with(&["apply", "-f", "-"], &object.to_string());
}

fn meta(node: &str) -> Option<Value> {
    Some(control_plane().get(&["node", node])?["metadata"].clone())
}

fn label(node: &str, key: &str) -> Option<String> {
    Some(meta(node)?["labels"].get(key)?.as_str()?.to_owned())
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn nodes_that_exist_are_labelled_corrected_and_let_go_and_none_is_ever_created() {
    let cloud = TestCloud::new("nodes", &[("a", &[], &config_map("a", "1"))]);
    let (name, pool) = (&cloud.name, &cloud.name);
    let (one, two, never) = (format!("{name}-1"), format!("{name}-2"), format!("{name}-never"));
    make(&one, pool);
    let rules = format!(
        "  nodes:\n  - selector: test.example.org/pool={pool}\n    labels: {{openstack-control-plane: enabled}}\n    \
         annotations: {{ovn.openstack.org/int_bridge: br-int}}\n  - name: {never}\n    labels: {{a: b}}\n  - name: {one}\n    \
         labels: {{role: storage-node}}\n"
    );
    cloud.repo.commit("Label nodes", &[("retune.yaml", &retune_yaml(&cloud, &rules))]);
    let (code, shown, stderr) =
        cloud.retune("diff", &["--repo", &cloud.repo.path().to_string_lossy(), "--branch", "main"]);
    assert!(
        code == 1 && shown.contains(&format!("node {one}: set label openstack-control-plane=enabled")),
        "{shown}{stderr}"
    );
    let mut retune = cloud.start();
    let control_plane_label = |node: &str| label(node, "openstack-control-plane").filter(|v| v == "enabled");
    eventually("the node is labelled", SOON, || control_plane_label(&one));
    let found = meta(&one).expect("it exists");
    assert_eq!(found["annotations"]["ovn.openstack.org/int_bridge"], "br-int");
    assert_eq!(found["labels"]["role"], "storage-node");
    cloud.await_ready(&cloud.repo.head());

    // One that appears later.
    make(&two, pool);
    eventually("a new node is labelled", SOON, || control_plane_label(&two));
    assert_eq!(label(&two, "role"), None);

    // Drift, with blame.
    control_plane().kubectl(&["label", "node", &one, "openstack-control-plane=disabled", "--overwrite"]);
    eventually("a changed label is corrected", SOON, || control_plane_label(&one));
    let line = retune.wait_for(0, SOON, |l| l.contains("drift corrected") && l.contains(&one));
    assert!(line.contains("openstack-control-plane") && line.contains("kubectl"), "{line}");
    control_plane().kubectl(&["annotate", "node", &one, "ovn.openstack.org/int_bridge-"]);
    eventually("a removed annotation is back", SOON, || {
        (meta(&one)?["annotations"]["ovn.openstack.org/int_bridge"] == "br-int").then_some(())
    });
    eventually("the status names the drift", SOON, || {
        let drift = cloud.cloudsync()?.pointer("/status/drift")?.to_string();
        (drift.contains(&format!("Node {one}")) && drift.contains("corrected")).then_some(())
    });

    // A restart writes nothing.
    cloud.settled();
    retune.signal("TERM");
    assert!(retune.wait().success());
    let log = control_plane().audit();
    let mut retune = cloud.start();
    retune.wait_for(0, SOON, |l| l.contains("leading"));
    cloud.settled();
    let writes: Vec<String> =
        log.writes_to_managed(&cloud.user).iter().map(|r| format!("{} {}", r.verb, r.uri)).collect();
    assert_eq!(writes, Vec::<String>::new());

    // A node that is deleted is not created again, and one that is named and does not exist never was.
    control_plane().kubectl(&["delete", "node", &two]);
    retune.signal("TERM");
    assert!(retune.wait().success());

    // Git drops a rule while nobody runs: only what is retune's goes.
    control_plane().kubectl(&["label", "node", &one, "others=stay"]);
    cloud.repo.commit("Label no more", &[("retune.yaml", &retune_yaml(&cloud, ""))]);
    let retune = cloud.start();
    eventually("the labels are gone", SOON, || {
        let labels = meta(&one)?["labels"].clone();
        (labels.get("openstack-control-plane").is_none() && labels.get("role").is_none()).then_some(())
    });
    let found = meta(&one).expect("it exists");
    assert!(found["annotations"].get("ovn.openstack.org/int_bridge").is_none());
    assert_eq!(found["labels"]["others"], "stay");
    assert_eq!(found["labels"]["test.example.org/pool"], json!(pool));
    assert!(meta(&two).is_none() && meta(&never).is_none(), "no node is created");
    drop(retune);
    control_plane().kubectl(&["delete", "node", &one]);
}

#[test]
fn rules_that_cannot_be_meant_are_refused_with_their_place() {
    let repo = crate::support::Repo::with(&[
        (
            "retune.yaml",
            "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {name: c}\nspec:\n  nodes:\n  - labels: {a: b}\n  - {name: one, selector: two, labels: {a: b}}\n  \
             - {selector: a=b, labels: {c: d}}\n  - {name: two}\n  - {name: two, labels: {bad key: x, ok: '-x', retune.dev/cloud: c}}\n",
        ),
        (
            "apps/a.yaml",
            "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {name: a}\nspec: {namespace: ns, manifests: m.yaml}\n",
        ),
        ("m.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n"),
    ]);
    let output = crate::support::Retune::run(
        std::path::Path::new("/nowhere"),
        &["check", &repo.path().to_string_lossy()],
    );
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    for expected in [
        "retune.yaml:6:5: error: spec.nodes: a rule needs name or selector",
        "retune.yaml:7:17: error: spec.nodes: a rule has name or selector, not both",
        "the selector is by a, which spec.nodes sets itself",
        "retune.yaml:9:5: error: spec.nodes: a rule has neither labels nor annotations",
        "\"bad key\" is not a key of labels",
        "\"-x\" is not a label's value",
        "retune.dev/ is retune's own",
    ] {
        assert!(told.contains(expected), "{expected}\n{told}");
    }
    assert_eq!(output.status.code(), Some(1), "{told}");
}
