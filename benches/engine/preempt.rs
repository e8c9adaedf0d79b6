//! A newer commit while an app waits for what never becomes ready, and while a hook hangs: how soon its first write
//! reaches the server.

use std::time::Duration;

use serde_json::{Value, json};

use crate::Finding;
use crate::cloud::Cloud;
use crate::statistics::{percentile, rounded};
use crate::support::{control_plane, eventually};
use crate::throughput::seconds;

const LONG: Duration = Duration::from_secs(120);
const COMMITS: usize = 20;

const CHART: &str = "apiVersion: v2\nname: hung\nversion: 0.1.0\n";
const TEMPLATE: &str = r#"apiVersion: v1
kind: ConfigMap
metadata: {name: hung}
data: {value: {{ .Values.value | quote }}}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: hangs-{{ .Values.value }}
  annotations: {helm.sh/hook: "post-install,post-upgrade"}
spec:
  template:
    metadata: {annotations: {test.retune.dev/outcome: hang}}
    spec: {restartPolicy: Never, containers: [{name: main, image: example.org/x:1}]}
"#;

fn map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": value}})
}

/// A Deployment whose pods never start.
fn never_ready() -> Value {
    let labels = json!({"name": "never"});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "never"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels, "annotations": {"test.retune.dev/outcome": "pending"}},
            "spec": {"containers": [{"name": "main", "image": "example.org/x:1"}]}}}})
}

pub(crate) fn run() -> Vec<Finding> {
    let hung = vec![map("hung", "0"), never_ready()];
    let cloud = Cloud::of_apps(
        "preempt",
        &[("hung".into(), Vec::new(), hung), ("later".into(), vec!["hung".into()], vec![map("later", "0")])],
    );
    let waits = samples(&cloud, "hung progressing", |value| {
        let text = format!("---\n{}\n---\n{}\n", map("hung", value), never_ready());
        cloud.repo.commit(&format!("Value {value}"), &[("kustomize/hung/base/objects.yaml", &text)]);
    });
    let cloud = Cloud::of_apps("preempt", &[("later".into(), Vec::new(), vec![map("later", "0")])]);
    cloud.repo.write("charts/hung/Chart.yaml", CHART);
    cloud.repo.write("charts/hung/templates/all.yaml", TEMPLATE);
    let hooks = samples(&cloud, "hung applying", |value| {
        let app = format!(
            "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata:\n  name: hung\nspec:\n  namespace: {}\n  chart:\n    \
             path: charts/hung\n  values:\n    inline:\n      value: \"{value}\"\n",
            cloud.namespace
        );
        cloud.repo.commit(&format!("Value {value}"), &[("apps/hung.yaml", &app)]);
    });
    [("newer commit during a hung wait", waits), ("newer commit during a hung hook", hooks)]
        .map(|(subject, samples)| Finding {
            subject,
            bar: "the newer commit's first write <= 500 ms after the branch moved, each of 20",
            met: samples.len() == COMMITS && percentile(&samples, 1.0) <= 500.0,
            numbers: json!({
                "samples": samples.len(), "p50_ms": rounded(percentile(&samples, 0.5)), "max_ms": rounded(percentile(&samples, 1.0)),
            }),
        })
        .into()
}

/// Commits again and again while the app `hung` is in that state; milliseconds from the branch's move to the first
/// PATCH of the ConfigMap `hung`.
fn samples(cloud: &Cloud, state: &str, commit: impl Fn(&str)) -> Vec<f64> {
    let plane = control_plane();
    commit("first");
    let _retune = cloud.start();
    let stuck = |value: &str| {
        eventually("it is applied and hangs", LONG, || {
            let live = plane.get(&["configmap", "hung", "-n", &cloud.namespace])?;
            let status = plane.get(&["cloudsync", &cloud.name, "-n", "retune-system"])?;
            let apps = status.pointer("/status/notReady")?.as_array()?.clone();
            let hangs = apps.iter().any(|a| {
                format!("{} {}", a["name"].as_str().unwrap_or(""), a["state"].as_str().unwrap_or("")) == state
            });
            (live["data"]["value"] == value && hangs).then_some(())
        });
    };
    stuck("first");
    let mut samples = Vec::new();
    for n in 0..COMMITS {
        let value = format!("v{n}");
        let log = plane.audit();
        commit(&value);
        let moved = cloud.branch_moved();
        stuck(&value);
        let writes = log.writes_to_managed(&cloud.user);
        let first = writes
            .iter()
            .filter(|w| w.name == "hung")
            .map(|w| seconds(&w.received))
            .fold(f64::INFINITY, f64::min);
        samples.push(((first - moved) * 1_000.0).max(0.0));
    }
    samples
}
