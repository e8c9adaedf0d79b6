//! Live inputs against the real control plane: a cloud that starts from nothing, a value that changes, vanishes and comes back, and
//! secrets that are never printed.

use serde_json::{Value, json};

use crate::engine::{SOON, TestCloud, config_map};
use crate::support::{control_plane, eventually};

const FIRST: &str = "hunter2-first";
const SECOND: &str = "hunter2-second";

/// `web` takes a Secret's key and a Service's address, `dep` depends on it, `other` and `plain` take nothing of it.
fn cloud() -> TestCloud {
    let cloud = TestCloud::new(
        "inputs",
        &[("dep", &["web"], &config_map("dep", "1")), ("other", &[], &config_map("other", "1"))],
    );
    let namespace = &cloud.name;
    let app = format!(
        "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {{name: web}}\nspec:\n  namespace: {namespace}\n  \
         chart: {{path: charts/web}}\n  inputs:\n    pw: {{secret: {{name: made-by-operator, key: password}}, values: [pw]}}\n    \
         nb: {{service: {{name: ovn-nb, value: address}}, text: 'tcp:$(value)', values: [ovn.nb]}}\n"
    );
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\ndata:\n  nb: {{ .Values.ovn.nb | quote }}\n  url: \
                    \"mysql://u:{{ .Values.pw }}@db\"\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: same}\ndata: {a: '1'}\n";
    let files = [
        ("apps/web.yaml", app.as_str()),
        ("charts/web/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("charts/web/values.yaml", "pw: ''\novn: {nb: ''}\n"),
        ("charts/web/templates/web.yaml", template),
    ];
    cloud.repo.commit("Add a chart", &files);
    cloud
}

fn apply(cloud: &TestCloud, object: &Value) {
    control_plane().kubectl_with(&["apply", "-n", &cloud.name, "-f", "-"], &object.to_string());
}

fn secret(cloud: &TestCloud, password: &str) {
    let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "made-by-operator"},
        "stringData": {"password": password, "other": "unused"}});
    apply(cloud, &object);
}

fn service(cloud: &TestCloud) {
    let object = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "ovn-nb"},
        "spec": {"ports": [{"port": 6641}], "selector": {"app": "ovn"}}});
    apply(cloud, &object);
}

fn url(cloud: &TestCloud) -> Option<String> {
    Some(cloud.get("configmap", "web")?["data"]["url"].as_str()?.to_owned())
}

/// The status of the app `web`, while it is not ready.
fn web(cloud: &TestCloud) -> Option<Value> {
    let found = cloud.cloudsync()?;
    found.pointer("/status/notReady")?.as_array()?.iter().find(|a| a["name"] == "web").cloned()
}

fn writes(cloud: &TestCloud, log: &crate::support::AuditLog) -> Vec<String> {
    log.writes_to_managed(&cloud.user)
        .iter()
        .map(|r| format!("{} {} {}", r.verb, r.resource, r.name))
        .collect()
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_cloud_starts_from_nothing_and_goes_on_when_its_inputs_appear() {
    let cloud = cloud();
    let mut retune = cloud.start();
    eventually("web is pending", SOON, || {
        let status = web(&cloud)?;
        let message = status["message"].as_str()?;
        (status["state"] == "pending"
            && message.contains("made-by-operator key password does not exist (input pw)")
            && message.contains("ovn-nb address does not exist (input nb)"))
        .then_some(())
    });
    eventually("the rest goes on", SOON, || cloud.get("configmap", "other"));
    assert!(cloud.get("configmap", "dep").is_none(), "what depends on it waits");
    retune.wait_for(0, SOON, |l| l.contains("the sync stands still"));
    let (_, shown, _) = cloud.retune("why", &["web"]);
    assert!(
        shown.contains("app web: pending") && shown.contains("/ovn-nb address: does not exist"),
        "{shown}"
    );
    let (_, shown, _) = cloud.retune("why", &["dep"]);
    assert!(shown.contains("app dep: waiting") && shown.contains("app web: pending"), "{shown}");
    let (code, shown, stderr) = cloud.retune("diff", &[]);
    assert!(code == 1 && shown.contains("pending: Secret "), "{shown}{stderr}");
    cloud.settled();

    // One of two: nothing is applied yet.
    secret(&cloud, FIRST);
    eventually("only the Service is missing", SOON, || {
        let message = web(&cloud)?["message"].as_str()?.to_owned();
        (!message.contains("password") && message.contains("ovn-nb")).then_some(())
    });
    assert!(cloud.get("configmap", "web").is_none());
    let appeared = std::time::Instant::now();
    service(&cloud);
    eventually("web is applied", SOON, || url(&cloud).filter(|u| *u == format!("mysql://u:{FIRST}@db")));
    let took = appeared.elapsed();
    assert!(took.as_secs() < 20, "event-driven, not at the next interval of 60 s: {took:?}");
    cloud.await_ready(&cloud.repo.head());
    let ip = cloud.get("service", "ovn-nb").expect("made above")["spec"]["clusterIP"].clone();
    let nb = cloud.get("configmap", "web").expect("seen above")["data"]["nb"].clone();
    assert_eq!(nb, format!("tcp:{}:6641", ip.as_str().expect("a cluster IP")));
    assert!(cloud.get("configmap", "dep").is_some());
    cloud.settled();

    // A change: only the object that has it, of the app that uses it.
    let log = control_plane().audit();
    secret(&cloud, SECOND);
    eventually("the new value is live", SOON, || url(&cloud).filter(|u| u.contains(SECOND)));
    cloud.settled();
    assert_eq!(writes(&cloud, &log), ["patch configmaps web"]);
    retune.wait_for(0, SOON, |l| l.contains("rendered_apps=1 "));

    // A restart writes nothing.
    retune.signal("TERM");
    assert!(retune.wait().success());
    let mut told = retune.output();
    let log = control_plane().audit();
    let mut retune = cloud.start();
    retune.wait_for(0, SOON, |l| l.contains("leading"));
    cloud.settled();
    assert_eq!(writes(&cloud, &log), Vec::<String>::new());

    // Nothing prints it: not the logs, the status, the diff of a drifted object, the history.
    let (_, shown, _) = cloud.retune("history", &["-o", "json"]);
    assert!(shown.contains("made-by-operator key password: digest "), "{shown}");
    told.push_str(&shown);
    told.push_str(&cloud.cloudsync().expect("there").to_string());
    let file = "charts/web/templates/web.yaml";
    let text = std::fs::read_to_string(cloud.repo.file(file)).expect("written above").replace("@db", "@db2");
    // The diff of a change that is not live yet: the old and the new line have the value.
    cloud.repo.git(&["checkout", "-q", "-b", "next"]);
    cloud.repo.commit("Change the line with the password", &[(file, text.as_str())]);
    let next = cloud.repo.head();
    cloud.repo.git(&["checkout", "-q", "main"]);
    let (code, shown, stderr) = cloud.retune("diff", &["--rev", &next]);
    assert!(code == 1 && shown.contains("mysql://u:<masked>@db2"), "{shown}{stderr}");
    told.push_str(&shown);

    // It vanishes: the last value stays enforced, and that is told.
    control_plane().kubectl(&["delete", "secret", "made-by-operator", "-n", &cloud.name]);
    retune.wait_for(0, SOON, |l| l.contains("a live input is gone"));
    eventually("the status says so", SOON, || {
        let inputs = cloud.cloudsync()?.pointer("/status/inputs")?.clone();
        inputs.as_array()?.iter().find(|i| i["state"] == "gone" && i["apps"] == json!(["web"])).cloned()
    });
    let patch = json!({"data": {"url": "by hand"}}).to_string();
    control_plane().kubectl(&["patch", "cm", "web", "-n", &cloud.name, "--type", "merge", "-p", &patch]);
    eventually("drift is corrected to the last value", SOON, || url(&cloud).filter(|u| u.contains(SECOND)));
    let (_, shown, _) = cloud.retune("status", &[]);
    assert!(shown.contains("its last value stays in force (web)"), "{shown}");
    told.push_str(&shown);
    retune.signal("TERM");
    assert!(retune.wait().success());
    told.push_str(&retune.output());
    assert!(!told.contains("hunter2"), "a secret was printed:\n{told}");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn after_a_restart_a_value_whose_source_is_gone_is_the_recorded_one_but_never_a_secrets() {
    let cloud = cloud();
    service(&cloud);
    secret(&cloud, FIRST);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let nb = || Some(cloud.get("configmap", "web")?["data"]["nb"].as_str()?.to_owned());
    let applied = nb().expect("applied");
    cloud.settled();
    retune.signal("TERM");
    assert!(retune.wait().success());

    control_plane().kubectl(&["delete", "service", "ovn-nb", "-n", &cloud.name]);
    let mut retune = cloud.start();
    retune.wait_for(0, SOON, |l| l.contains("a live input is gone"));
    let told = eventually("the status says so", SOON, || {
        let inputs = cloud.cloudsync()?.pointer("/status/inputs")?.clone();
        inputs.as_array()?.iter().find(|i| i["state"] == "gone").cloned()
    });
    let message = told["message"].as_str().expect("a message");
    let head = &cloud.repo.head()[..10];
    assert_eq!(message, format!("does not exist; last known from the record of {head}"), "{told}");
    let patch = json!({"data": {"nb": "by hand"}}).to_string();
    control_plane().kubectl(&["patch", "cm", "web", "-n", &cloud.name, "--type", "merge", "-p", &patch]);
    eventually("drift is corrected to the recorded value", SOON, || nb().filter(|nb| *nb == applied));
    retune.signal("TERM");
    assert!(retune.wait().success());

    // A Secret's value is nowhere but in the cluster.
    control_plane().kubectl(&["delete", "secret", "made-by-operator", "-n", &cloud.name]);
    let _retune = cloud.start();
    eventually("web is pending", SOON, || web(&cloud).filter(|w| w["state"] == "pending"));
    assert_eq!(nb(), Some(applied));
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_object_that_moves_into_a_pending_app_in_the_same_commit_is_not_pruned_first() {
    let both = config_map("moves", "1") + "---\n" + &config_map("goes", "1");
    let cloud = TestCloud::new("inputs", &[("old", &[], &both)]);
    let _retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let uid = |found: Value| found["metadata"]["uid"].clone();
    let before = uid(cloud.get("configmap", "moves").expect("applied"));

    let app = format!(
        "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {{name: late}}\nspec:\n  namespace: {}\n  chart: {{path: charts/late}}\n  \
         inputs:\n    pw: {{secret: {{name: made-by-operator, key: password}}, values: [pw]}}\n",
        cloud.name
    );
    let template =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: moves}\ndata: {pw: {{ .Values.pw | quote }}}\n";
    cloud.repo.commit(
        "Move an object, drop one, add one",
        &[
            ("apps/late.yaml", app.as_str()),
            ("charts/late/Chart.yaml", "apiVersion: v2\nname: late\nversion: 1.0.0\n"),
            ("charts/late/values.yaml", "pw: ''\n"),
            ("charts/late/templates/late.yaml", template),
            ("manifests/old/objects.yaml", &config_map("comes", "1")),
        ],
    );
    eventually("what is in no app goes", SOON, || cloud.get("configmap", "goes").is_none().then_some(()));
    let (_, shown, _) = cloud.retune("diff", &[]);
    assert!(
        shown.contains("/moves [old]: it moves to app late once that is not pending any more"),
        "{shown}"
    );
    cloud.settled();
    assert!(cloud.get("configmap", "comes").is_some());
    assert_eq!(cloud.get("configmap", "moves").map(uid), Some(before.clone()), "left, not pruned");

    secret(&cloud, FIRST);
    cloud.await_ready(&cloud.repo.head());
    let after = cloud.get("configmap", "moves").expect("still there");
    assert_eq!(after["metadata"]["labels"]["retune.dev/app"], "late");
    assert_eq!(after["data"]["pw"], FIRST);
    assert_eq!(uid(after), before, "it moved");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn addresses_of_nodes_are_an_input_and_a_missing_label_makes_the_app_pending() {
    let cloud = TestCloud::new("inputs", &[("other", &[], &config_map("other", "1"))]);
    let (namespace, label) = (&cloud.name, format!("test.example.org/{}", cloud.name));
    let app = format!(
        "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {{name: net}}\nspec:\n  namespace: {namespace}\n  inputs:\n    \
         masters: {{nodes: {{selector: {label}=yes}}}}\n    count: {{nodes: {{selector: {label}=yes, value: count}}}}\n"
    );
    let kustomization = "resources: [inputs.yaml, net.yaml]\nreplacements:\n- source: {kind: ConfigMap, name: inputs, fieldPath: data.masters}\n  \
                         targets: [{select: {name: net}, fieldPaths: [data.masters]}]\n- source: {kind: ConfigMap, name: inputs, fieldPath: data.count}\n  \
                         targets: [{select: {name: net}, fieldPaths: [data.count]}]\n";
    let files = [
        ("apps/net.yaml", app.as_str()),
        ("kustomize/net/base/kustomization.yaml", kustomization),
        (
            "kustomize/net/base/net.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: net}\ndata: {masters: '', count: ''}\n",
        ),
    ];
    cloud.repo.commit("Add an app", &files);
    let _retune = cloud.start();
    eventually("net is pending", SOON, || {
        let found = cloud.cloudsync()?;
        let apps = found.pointer("/status/notReady")?.as_array()?.clone();
        apps.into_iter()
            .find(|a| a["state"] == "pending" && a["message"].to_string().contains("there is no such node"))
    });
    let node = |name: &str, address: &str, labelled: bool| {
        let object = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
        control_plane().kubectl_with(&["apply", "-f", "-"], &object.to_string());
        // kwok writes the whole status once, and no more after that.
        eventually("the node is ready", SOON, || {
            let found = control_plane().get(&["node", name])?;
            let conditions = found["status"]["conditions"].as_array()?.clone();
            conditions.into_iter().find(|c| c["type"] == "Ready" && c["status"] == "True")
        });
        let status =
            json!({"status": {"addresses": [{"type": "InternalIP", "address": address}]}}).to_string();
        control_plane().kubectl(&[
            "patch",
            "node",
            name,
            "--subresource=status",
            "--type=merge",
            "-p",
            &status,
        ]);
        if labelled {
            control_plane().kubectl(&["label", "node", name, &format!("{label}=yes")]);
        }
    };
    let (one, two) = (format!("{namespace}-1"), format!("{namespace}-2"));
    node(&two, "10.77.0.2", true);
    let data = || cloud.get("configmap", "net").map(|m| m["data"].clone());
    eventually("one master", SOON, || {
        (data()? == json!({"masters": "10.77.0.2", "count": "1"})).then_some(())
    });
    node(&one, "10.77.0.1", true);
    eventually("two masters, in order", SOON, || {
        (data()? == json!({"masters": "10.77.0.1,10.77.0.2", "count": "2"})).then_some(())
    });
    control_plane().kubectl(&["label", "node", &two, &format!("{label}-")]);
    eventually("one again", SOON, || {
        (data()? == json!({"masters": "10.77.0.1", "count": "1"})).then_some(())
    });
    control_plane().kubectl(&["delete", "node", &one, &two]);
}
