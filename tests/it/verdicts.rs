//! What decides about readiness besides the shipped rules: users' rules in CEL, and nodes that do not count for DaemonSets.

use serde_json::{Value, json};

use crate::engine::{SOON, TestCloud, app_file, config_map};
use crate::order::app_status;
use crate::support::{control_plane, eventually};

#[cfg(feature = "cel")]
#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_users_rule_decides_when_an_app_is_ready_and_a_changed_rule_judges_anew() {
    let cloud = TestCloud::new(
        "celrule",
        &[
            ("db", &[], &config_map("result", "1")),
            ("web", &["db"], &config_map("web", "1")),
            ("other", &[], &config_map("other", "1")),
        ],
    );
    let with_rule = |condition: &str| {
        let rules = json!([{"group": "", "kinds": ["ConfigMap"], "rules": [
            {"when": condition, "verdict": "ready"},
            {"when": "self.metadata.annotations['state'] == 'broken'", "verdict": "failed", "message": "it is {/metadata/annotations/state}"},
            {"verdict": "progressing", "message": "nobody has marked it"}]}]);
        format!("{}  health: {{\"rules\": {rules}}}\n", app_file(&cloud.name, "db", &[]))
    };
    let rule = with_rule("self.metadata.annotations['state'] == 'done'");
    let first = cloud.repo.commit("Rules", &[("apps/db.yaml", &rule)]);
    let mut retune = cloud.start();
    let told = |state: &str, why: &str| {
        eventually(&format!("db is {state}: {why}"), SOON, || {
            app_status(&cloud, "db").filter(|(s, message)| s == state && message.contains(why))
        })
    };
    let annotate = |state: &str| {
        let mark = format!("state={state}");
        control_plane().kubectl(&["annotate", "--overwrite", "cm", "result", "-n", &cloud.name, &mark]);
    };
    told("progressing", "nobody has marked it");
    assert!(cloud.get("cm", "other").is_some(), "another app's ConfigMaps are not judged by it");
    assert!(cloud.get("cm", "web").is_none(), "its dependant waits");
    let (_, why, _) = cloud.retune("why", &["db"]);
    assert!(why.contains("ConfigMap") && why.matches("nobody has marked it").count() > 1, "{why}");
    annotate("broken");
    told("failed", "it is broken");
    annotate("done");
    cloud.await_ready(&first);
    assert!(cloud.get("cm", "web").is_some());

    // Another rule, the same objects: they are judged anew, and nothing is written.
    let log = control_plane().audit();
    let second = cloud.repo.commit("Other rules", &[("apps/db.yaml", &with_rule("has(self.data.never)"))]);
    told("progressing", "nobody has marked it");
    let third = cloud.repo.commit("The first rules", &[("apps/db.yaml", &rule)]);
    cloud.await_ready(&third);
    assert_ne!(second, third);
    assert_eq!(log.writes_to_managed(&cloud.user).len(), 0);

    // A restart knows the rule before it says ready.
    retune.signal("TERM");
    assert!(retune.wait().success());
    annotate("waiting");
    let _retune = cloud.start();
    told("progressing", "nobody has marked it");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_node_that_is_cordoned_is_listed_for_its_daemonset_and_not_waited_for() {
    let plane = control_plane();
    let labels = json!({"name": "agent"});
    let cloud =
        TestCloud::new("daemons", &[("agents", &[], ""), ("web", &["agents"], &config_map("web", "1"))]);
    let ns = cloud.name.as_str();
    let (good, bad) = (format!("good-{ns}"), format!("bad-{ns}"));
    for node in [&good, &bad] {
        let body = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels": {"pool": ns}},
            "spec": {"taints": [{"key": "test", "value": ns, "effect": "NoSchedule"}]}});
        plane.kubectl_with(&["create", "-f", "-"], &body.to_string());
    }
    let template = json!({"metadata": {"labels": labels}, "spec": {"nodeSelector": {"pool": ns},
        "tolerations": [{"operator": "Exists"}], "containers": [{"name": "main", "image": "example.org/x:1"}]}});
    let daemons = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "agent"},
        "spec": {"selector": {"matchLabels": labels}, "template": template}});
    let manifest = format!("---\n{daemons}\n");
    let revision = cloud.repo.commit("Agents", &[("manifests/agents/objects.yaml", &manifest)]);
    let retune = cloud.start();
    cloud.await_ready(&revision);

    let pod_of = |node: &str| {
        let list = plane.get(&["pods", "-n", ns]).expect("pods");
        let items = list["items"].as_array().expect("a list");
        let pod = items.iter().find(|p| p["spec"]["nodeName"] == node).expect("a pod for each node");
        pod["metadata"]["name"].as_str().expect("a name").to_owned()
    };
    let break_pod = |node: &str| {
        let broken = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}).to_string();
        plane.kubectl(&["patch", "pod", &pod_of(node), "-n", ns, "--subresource=status", "-p", &broken]);
    };
    break_pod(&bad);
    eventually("the agents are waited for", SOON, || app_status(&cloud, "agents"));
    plane.kubectl(&["cordon", &bad]);
    let left_out = eventually("the node is not waited for", SOON, || {
        let found = cloud.cloudsync()?;
        let note = found.pointer("/status/leftOut/0/message").and_then(Value::as_str)?.to_owned();
        app_status(&cloud, "agents").is_none().then_some(note)
    });
    assert_eq!(left_out, format!("not waited for: {bad} (cordoned)"));
    let (_, out, _) = cloud.retune("status", &[]);
    assert!(out.contains(&bad), "{out}");
    // At rest nothing is asked.
    cloud.settled();
    let log = plane.audit();
    cloud.settled();
    assert_eq!(cloud.about_managed(&log), Vec::<String>::new());

    // A pod that is missing on a good node is waited for.
    break_pod(&good);
    let told = eventually("the good node's pod is waited for", SOON, || app_status(&cloud, "agents")).1;
    assert!(told.contains("0 of 1") && told.contains(&bad), "{told}");
    plane.kubectl(&["uncordon", &bad]);
    eventually("every node counts again", SOON, || {
        app_status(&cloud, "agents").filter(|(_, message)| !message.contains(&bad))
    });
    drop(retune);
    plane.kubectl(&["delete", "node", &good, &bad]);
}
