//! Whose field it is, against the real server: ignored paths, autoscalers, operators, drift policies, rivals.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::engine::{SOON, TestCloud, app_file, config_map, deployment};
use crate::support::{Retune, control_plane, eventually};

fn kubectl(args: &[&str]) {
    control_plane().kubectl(args);
}

/// Every state that a watch of one kind told, in its order.
pub(crate) struct History {
    child: Child,
    events: Arc<Mutex<Vec<Value>>>,
}

impl History {
    pub(crate) fn of(path: &str) -> Self {
        let mut child = control_plane()
            .kubectl_command()
            .args(["get", "--raw", &format!("{path}?watch=1")])
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        let events = Arc::new(Mutex::new(Vec::new()));
        let (into, out) = (Arc::clone(&events), child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                if let Ok(event) = serde_json::from_str(&line) {
                    into.lock().expect("nobody panics with it").push(event);
                }
            }
        });
        Self { child, events }
    }

    /// The values that a field of an object had, one after another, equal neighbours once.
    pub(crate) fn values(&self, name: &str, pointer: &str) -> Vec<Value> {
        let events = self.events.lock().expect("nobody panics with it");
        let mut out: Vec<Value> = events
            .iter()
            .filter(|e| e["type"] != "DELETED" && e.pointer("/object/metadata/name") == Some(&json!(name)))
            .map(|e| e["object"].pointer(pointer).cloned().unwrap_or_default())
            .collect();
        out.dedup();
        out
    }
}

impl Drop for History {
    fn drop(&mut self) {
        // It may have ended with its server.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn with_drift(cloud: &TestCloud, app: &str, drift: &str) -> String {
    let text = format!("{}  drift:\n{drift}", app_file(&cloud.name, app, &[]));
    cloud.commit_and_wait(&format!("apps/{app}.yaml"), &text)
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn ignored_elements_of_lists_are_left_alone_by_drift_plan_and_apply() {
    let cloud = TestCloud::new("ignore", &[("one", &[], &deployment("web", 1))]);
    let retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    with_drift(
        &cloud,
        "one",
        "    ignore:\n    - objects: {kind: Deployment}\n      paths: [\"/spec/template/spec/containers/[name=main]/image\", /spec/template/spec/containers/0/resources]\n",
    );
    cloud.settled();
    let log = control_plane().audit();
    let ns = cloud.name.as_str();
    kubectl(&["set", "image", "deployment/web", "main=example.org/other:2", "-n", ns]);
    kubectl(&["set", "resources", "deployment/web", "-c", "main", "--requests=cpu=7m", "-n", ns]);
    cloud.settled();
    let asked = cloud.about_managed(&log);
    assert!(
        asked.iter().all(|r| r.starts_with("get ")),
        "looked at (its generation changed), not written: {asked:?}"
    );

    let image = |cloud: &TestCloud| {
        let live = cloud.get("deployment", "web").expect("it is there");
        live["spec"]["template"]["spec"]["containers"][0].clone()
    };
    cloud.commit_and_wait("manifests/one/objects.yaml", &deployment("web", 2));
    cloud.settled();
    assert_eq!(image(&cloud)["image"], "example.org/other:2", "apply of another field");
    assert_eq!(image(&cloud)["resources"]["requests"]["cpu"], "7m");
    assert_eq!(cloud.get("deployment", "web").expect("there")["spec"]["replicas"], 2);

    let mark = retune.mark();
    kubectl(&["scale", "deployment", "web", "-n", ns, "--replicas=5"]);
    retune.wait_for(mark, SOON, |l| l.contains("drift corrected"));
    assert_eq!(image(&cloud)["image"], "example.org/other:2", "correction of another field");
    let (code, out, err) = cloud.retune("diff", &[]);
    assert_eq!(code, 0, "nothing differs: {out}{err}");
    assert!(out.contains("spec.template.spec.containers[name=main].image"), "{out}");

    // Taken back: Git's value again, and the second manager holds nothing any more.
    cloud.commit_and_wait("apps/one.yaml", &app_file(ns, "one", &[]));
    cloud.settled();
    assert_eq!(image(&cloud)["image"], "example.org/x:1");
    let live = cloud.get("deployment", "web").expect("it is there").to_string();
    assert!(!live.contains("retune-handoff"), "{live}");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_part_of_a_list_that_the_server_keeps_as_one_value_is_refused_by_name() {
    let cloud = TestCloud::new("atomic", &[("one", &[], &deployment("web", 1))]);
    let args = deployment("web", 1).replace("\"name\":\"main\"", "\"args\":[\"a\",\"b\"],\"name\":\"main\"");
    let drift =
        "  drift:\n    ignore:\n    - paths: [\"/spec/template/spec/containers/[name=main]/args/1\"]\n";
    let app = app_file(&cloud.name, "one", &[]) + drift;
    cloud.repo.commit("Args", &[("manifests/one/objects.yaml", &args), ("apps/one.yaml", &app)]);
    let _retune = cloud.start();
    eventually("the status names the list", SOON, || {
        let found = cloud.cloudsync()?.to_string();
        found.contains("containers[name=main].args as one value").then_some(())
    });
}

fn scaler(name: &str, target: &str, min: u32) -> String {
    let spec = json!({"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
        "minReplicas": min, "maxReplicas": 9,
        "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]});
    let object = json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": name}, "spec": spec});
    format!("---\n{object}\n")
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn replicas_move_only_where_the_autoscaler_or_on_its_removal_git_says() {
    // `with`: created by the same revision; `after`, `before`: by hand, after and before its Deployment.
    let first = deployment("with", 1) + &scaler("with", "with", 3) + &deployment("after", 1);
    let cloud = TestCloud::new("hpa", &[("one", &[], &first)]);
    let ns = cloud.name.as_str();
    let create = |text: &str| {
        control_plane().kubectl_with(&["create", "-n", ns, "-f", "-"], text);
    };
    let history = History::of(&format!("/apis/apps/v1/namespaces/{ns}/deployments"));
    let mut retune = cloud.start();
    let replicas = |name: &str, want: u64| {
        eventually(&format!("{name} has {want} replicas"), SOON, || {
            (history.values(name, "/spec/replicas").last() == Some(&json!(want))).then_some(())
        });
    };
    cloud.await_ready(&cloud.repo.head());
    replicas("with", 3);

    create(&scaler("after", "after", 3));
    create(&scaler("before", "before", 3));
    create(&scaler("alone", "nothing", 3));
    replicas("after", 3);
    let second = first.clone() + &deployment("before", 1);
    cloud.commit_and_wait("manifests/one/objects.yaml", &second);
    replicas("before", 3);

    // A commit, a correction and a restart leave the counts alone.
    let labelled =
        second.replace("\"metadata\":{\"name\":", "\"metadata\":{\"labels\":{\"x\":\"y\"},\"name\":");
    let revision = cloud.commit_and_wait("manifests/one/objects.yaml", &labelled);
    cloud.await_ready(&revision);
    for name in ["with", "before", "after"] {
        let mark = retune.mark();
        kubectl(&["set", "image", &format!("deployment/{name}"), "main=example.org/evil:1", "-n", ns]);
        retune.wait_for(mark, SOON, |l| l.contains("drift corrected"));
    }
    cloud.settled();
    retune.signal("TERM");
    assert!(retune.wait().success());
    retune = cloud.start();
    retune.wait_for(0, SOON, |l| l.contains("leading"));
    cloud.settled();
    for name in ["with", "before", "after"] {
        assert_eq!(history.values(name, "/spec/replicas"), [1, 3], "{name}");
    }

    // Removed: Git's count again, at once. One by Git, two by hand.
    kubectl(&["delete", "hpa", "before", "after", "-n", ns]);
    replicas("before", 1);
    replicas("after", 1);
    let without: String =
        labelled.split("---\n").filter(|d| !d.contains("Autoscaler")).collect::<Vec<_>>().join("---\n");
    cloud.commit_and_wait("manifests/one/objects.yaml", &without);
    replicas("with", 1);
    cloud.settled();
    for name in ["with", "before", "after"] {
        assert_eq!(history.values(name, "/spec/replicas"), [1, 3, 1], "{name}");
        let live = cloud.get("deployment", name).expect("it is there").to_string();
        assert!(!live.contains("retune-handoff"), "nothing is left with the second manager: {live}");
    }
    // And retune keeps them now.
    let mark = retune.mark();
    kubectl(&["scale", "deployment", "after", "-n", ns, "--replicas=5"]);
    retune.wait_for(mark, SOON, |l| l.contains("drift corrected"));
    replicas("after", 1);
}

/// A cut of the operator's own definition: what the test needs, with its group and kind.
fn mariadb_definition() -> Value {
    let primary = json!({"type": "object", "properties": {"primary": {"type": "object", "properties": {
        "podIndex": {"type": "integer"}, "automaticFailover": {"type": "boolean"}}}}});
    let spec = json!({"type": "object", "properties": {"replicas": {"type": "integer"}, "galera": primary, "replication": primary}});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "mariadbs.k8s.mariadb.com"},
        "spec": {"group": "k8s.mariadb.com", "scope": "Namespaced", "names": {"kind": "MariaDB", "plural": "mariadbs", "singular": "mariadb", "listKind": "MariaDBList"},
            "versions": [{"name": "v1alpha1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec,
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}})
}

fn mariadb(replicas: u32, label: &str) -> String {
    let object = json!({"apiVersion": "k8s.mariadb.com/v1alpha1", "kind": "MariaDB", "metadata": {"name": "db", "labels": {"x": label}},
        "spec": {"replicas": replicas, "galera": {"primary": {"podIndex": 0, "automaticFailover": true}}}});
    format!("---\n{object}\n")
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_failover_is_never_reversed_at_rest_or_during_a_sync_and_a_person_s_change_is() {
    let plane = control_plane();
    plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &mariadb_definition().to_string());
    kubectl(&["wait", "--for=condition=established", "crd/mariadbs.k8s.mariadb.com", "--timeout=60s"]);
    let cloud = TestCloud::new("failover", &[("db", &[], &mariadb(3, "a"))]);
    let ns = cloud.name.as_str();
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": "2026-11-22T11:00:00Z"}]}}).to_string();
    let history = History::of(&format!("/apis/k8s.mariadb.com/v1alpha1/namespaces/{ns}/mariadbs"));
    let index = || history.values("db", "/spec/galera/primary/podIndex");
    let mut retune = cloud.start();
    eventually("it is applied", SOON, || cloud.get("mariadb", "db").map(|_| ()));
    kubectl(&["patch", "mariadb", "db", "-n", ns, "--subresource=status", "--type=merge", "-p", &ready]);
    cloud.await_ready(&cloud.repo.head());
    cloud.settled();
    let moved = |to: u32, manager: &str| {
        let patch = json!({"spec": {"galera": {"primary": {"podIndex": to}}}}).to_string();
        let manager = format!("--field-manager={manager}");
        kubectl(&["patch", "mariadb", "db", "-n", ns, "--type=merge", &manager, "-p", &patch]);
    };

    // A person's change is drift like any other.
    let mark = retune.mark();
    moved(2, "kubectl-patch");
    retune.wait_for(mark, SOON, |l| l.contains("drift corrected"));
    // The watch that writes history down may be behind retune's log.
    eventually("it is put back", SOON, || (index() == [0, 2, 0]).then_some(()));

    // At rest: no request at all for the first, a look for the next.
    let (mark, log) = (retune.mark(), plane.audit());
    moved(1, "mariadb-operator");
    retune.wait_for(mark, SOON, |l| l.contains("left to its operator"));
    cloud.settled();
    assert_eq!(cloud.about_managed(&log), Vec::<String>::new());
    moved(2, "mariadb-operator");
    cloud.settled();

    // During a sync: the operator moves on while commits change the same object.
    for round in 0..12 {
        let to = round % 3;
        let committing =
            cloud.repo.commit("Change", &[("manifests/db/objects.yaml", &mariadb(3, &format!("r{round}")))]);
        moved(to, "mariadb-operator");
        cloud.await_status("syncedRevision", &committing);
    }
    // A drift of another field is corrected around it, and a restart keeps its hands off.
    let mark = retune.mark();
    kubectl(&["patch", "mariadb", "db", "-n", ns, "--type=merge", "-p", r#"{"spec":{"replicas":7}}"#]);
    retune.wait_for(mark, SOON, |l| l.contains("drift corrected"));
    retune.signal("TERM");
    assert!(retune.wait().success());
    let retune = cloud.start();
    retune.wait_for(0, SOON, |l| l.contains("leading"));
    cloud.settled();
    let mut written = vec![0, 2, 0, 1, 2];
    written.extend((0..12).map(|r| r % 3));
    eventually("the watch has seen all", SOON, || (index().len() >= written.len()).then_some(()));
    assert_eq!(index(), written, "nobody but the operator and that person moved it");
    assert_eq!(cloud.get("mariadb", "db").expect("there")["spec"]["replicas"], 3);
    let (_, out, err) = cloud.retune("drift", &[]);
    assert!(out.contains("spec.galera.primary.podIndex") && out.contains("mariadb-operator"), "{out}{err}");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn drift_is_corrected_reported_or_left_by_cloud_app_kind_and_object() {
    let maps = config_map("kept", "1") + &config_map("told", "1") + &config_map("free", "1");
    let cloud = TestCloud::new("policy", &[("one", &[], &maps), ("two", &[], &config_map("other", "1"))]);
    let ns = cloud.name.as_str();
    let retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    with_drift(
        &cloud,
        "one",
        "    rules:\n    - {objects: {kind: ConfigMap, name: kept}, mode: correct}\n    - {objects: {name: free}, mode: \"off\"}\n    mode: report\n",
    );
    let spoil = |name: &str| {
        kubectl(&["patch", "configmap", name, "-n", ns, "--type=merge", "-p", r#"{"data":{"a":"9"}}"#]);
    };
    let value = |name: &str| cloud.get("configmap", name).expect("there")["data"]["a"].clone();
    for name in ["free", "told"] {
        spoil(name);
    }
    let mark = retune.mark();
    spoil("kept");
    spoil("other");
    for name in ["kept", "other"] {
        retune.wait_for(mark, SOON, |l| l.contains("drift corrected") && l.contains(name));
    }
    eventually("the report is in the status", SOON, || {
        let status = cloud.cloudsync()?["status"].clone();
        (status["driftedObjects"] == 1 && status["reported"].as_u64() >= Some(1)).then_some(())
    });
    cloud.settled();
    assert_eq!([value("kept"), value("other"), value("told"), value("free")], ["1", "1", "9", "9"]);
    let (code, out, err) = cloud.retune("drift", &["-o", "json"]);
    assert_eq!(code, 1, "{out}{err}");
    let found: Value = serde_json::from_str(&out).expect("JSON");
    let drifted = found["drifted"].as_array().expect("a list");
    assert_eq!(drifted.len(), 1, "{out}");
    assert_eq!(drifted[0]["object"], format!("ConfigMap {ns}/told"));
    assert_eq!(drifted[0]["fields"][0]["field"], "data.a");
    assert_eq!(drifted[0]["fields"][0]["takenBy"]["manager"], "kubectl-patch");

    // A commit applies what it changes and leaves the rest; `correct` from the CloudSync counts for everything.
    cloud.commit_and_wait("manifests/one/objects.yaml", &maps.replacen("\"1\"", "\"2\"", 1));
    cloud.settled();
    assert_eq!([value("kept"), value("told")], ["2", "9"]);
    kubectl(&[
        "patch",
        "cloudsync",
        ns,
        "-n",
        "retune-system",
        "--type=merge",
        "-p",
        r#"{"spec":{"drift":"correct"}}"#,
    ]);
    eventually("everything is corrected", SOON, || {
        (value("told") == "1" && value("free") == "1").then_some(())
    });
    let (code, out, err) = cloud.retune("drift", &[]);
    assert_eq!(code, 0, "{out}{err}");
}

/// A rival that writes a field every 100 ms for so long; a kubectl a write would be slower than that.
fn rival(cloud: &TestCloud, name: &str, seconds: u64) -> (u64, Duration) {
    let script = format!(
        "end=$((SECONDS+{seconds})); i=0; while [ $SECONDS -lt $end ]; do i=$((i+1)); \
         curl -sf --max-time 5 --cacert \"$CA\" --cert \"$CERT\" --key \"$KEY\" -X PATCH -H 'Content-Type: application/merge-patch+json' \
         \"$SERVER/api/v1/namespaces/{}/configmaps/{name}?fieldManager=rival\" -d \"{{\\\"data\\\":{{\\\"a\\\":\\\"r$i\\\"}}}}\" >/dev/null || true; \
         sleep 0.1; done; echo $i",
        cloud.name
    );
    let dir = tempfile::tempdir().expect("a scratch folder");
    let plane = control_plane();
    let view = plane.kubectl(&["config", "view", "--raw", "--minify", "-o", "json"]);
    let config: Value = serde_json::from_str(&view).expect("JSON");
    let save = |pointer: &str, file: &str| {
        use base64::Engine as _;
        let text = config
            .pointer(&format!("{pointer}-data"))
            .and_then(Value::as_str)
            .map(|data| base64::engine::general_purpose::STANDARD.decode(data).expect("base64"));
        let path = dir.path().join(file);
        match text {
            Some(bytes) => std::fs::write(&path, bytes).expect("written"),
            None => {
                let from = config.pointer(pointer).and_then(Value::as_str).expect("data or a file");
                std::fs::copy(from, &path).expect("copied");
            }
        }
        path
    };
    let started = Instant::now();
    let output = Command::new("bash")
        .arg("-c")
        .arg(script)
        .env("CA", save("/clusters/0/cluster/certificate-authority", "ca"))
        .env("CERT", save("/users/0/user/client-certificate", "cert"))
        .env("KEY", save("/users/0/user/client-key", "key"))
        .env("SERVER", plane.server().trim())
        .output()
        .expect("bash runs");
    let writes = String::from_utf8_lossy(&output.stdout).trim().parse().expect("a number");
    (writes, started.elapsed())
}

/// How long the rival goes on: `RETUNE_RIVAL_SECONDS=1800` for the half hour of the bar.
fn rival_seconds() -> u64 {
    std::env::var("RETUNE_RIVAL_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(20)
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_rival_is_named_and_costs_few_writes_and_everything_else_goes_on() {
    let cloud =
        TestCloud::new("rival", &[("one", &[], &(config_map("fought", "1") + &config_map("calm", "1")))]);
    let ns = cloud.name.as_str();
    let retune: Retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.settled();
    let log = control_plane().audit();
    let seconds = rival_seconds();
    let (writes, _) = std::thread::scope(|scope| {
        let rival = scope.spawn(|| rival(&cloud, "fought", seconds));
        let named = eventually("the fight is told", SOON, || {
            let status = cloud.cloudsync()?["status"].clone();
            let fight = status["fights"].as_array()?.first()?.clone();
            let condition =
                status["conditions"].as_array()?.iter().find(|c| c["type"] == "Fighting")?.clone();
            (condition["status"] == "True").then_some(fight)
        });
        assert!(named["rival"].as_str().expect("text").contains("data.a taken by rival (Update"), "{named}");
        assert_eq!(named["object"], format!("ConfigMap {ns}/fought"));
        // Everything else is unaffected.
        let mark = retune.mark();
        kubectl(&["patch", "configmap", "calm", "-n", ns, "--type=merge", "-p", r#"{"data":{"a":"9"}}"#]);
        retune.wait_for(mark, SOON, |l| l.contains("drift corrected") && l.contains("calm"));
        let changed = config_map("fought", "1") + &config_map("calm", "2");
        cloud.commit_and_wait("manifests/one/objects.yaml", &changed);
        rival.join().expect("the rival ends")
    });
    let patches = cloud.about_managed(&log).iter().filter(|r| *r == "patch configmaps fought").count();
    assert!(writes > seconds * 3, "the rival wrote only {writes} times");
    assert!((5..=25).contains(&patches), "{patches} PATCHes against {writes} writes in {seconds} s");

    // Settled by a commit that changes the object.
    let settled = config_map("fought", "3") + &config_map("calm", "2");
    let mark = retune.mark();
    cloud.commit_and_wait("manifests/one/objects.yaml", &settled);
    retune.wait_for(mark, SOON, |l| l.contains("the fight is settled: Git says otherwise now"));
    eventually("the condition is gone", SOON, || {
        (!cloud.cloudsync()?["status"]["conditions"].to_string().contains("Fighting")).then_some(())
    });
}
