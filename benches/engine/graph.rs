//! Apps that depend on each other: a graph against a bare client that applies the same waves, and how soon a dependant
//! follows its dependency.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures::{StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use kube::Client;
use kube::api::{Api, ListParams, WatchEvent, WatchParams};
use retune::health::{Health, judge};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use crate::Finding;
use crate::api;
use crate::cloud::Cloud;
use crate::statistics::{median, percentile, rounded};
use crate::support::control_plane;
use crate::throughput::{of_day, patch, seconds};

const LONG: Duration = Duration::from_secs(600);
const CHAINS: usize = 20;
const LENGTH: usize = 10;
const ROUNDS: usize = 3;
const IN_FLIGHT: usize = 16;
/// How many pairs `dependency` has.
const PAIRS: usize = 500;

/// Objects before the workload, and the workload, whose pod takes `delay` to start.
fn objects(name: &str, delay: &str) -> Vec<Value> {
    let labels = json!({"name": name});
    let map = |n: usize| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("{name}-{n}")}, "data": {"value": "0"}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
        "spec": {"selector": labels, "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}]}});
    vec![map(0), map(1), service, workload(name, delay)]
}

fn workload(name: &str, delay: &str) -> Value {
    let labels = json!({"name": name});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": 1, "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels, "annotations": {"test.retune.dev/delay": delay}},
            "spec": {"containers": [{"name": "main", "image": "example.org/x:1"}]}}}})
}

fn app(chain: usize, place: usize) -> String {
    format!("app-{chain:02}-{place}")
}

/// When each Deployment of a namespace was first seen ready, by the wall clock.
type Ready = HashMap<String, SystemTime>;

/// Watches the Deployments of a namespace from now on.
async fn watch_ready(client: &Client, namespace: &str) -> watch::Receiver<Ready> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let list = deployments.list_metadata(&ListParams::default().limit(1)).await.expect("a list");
    let mut version = list.metadata.resource_version.expect("lists have a version");
    let (send, receive) = watch::channel(Ready::new());
    tokio::spawn(async move {
        loop {
            let params = WatchParams::default().timeout(290);
            let Ok(stream) = deployments.watch(&params, &version).await else { return };
            let mut stream = stream.boxed();
            while let Ok(Some(event)) = stream.try_next().await {
                let now = SystemTime::now();
                let (WatchEvent::Added(found) | WatchEvent::Modified(found)) = event else { continue };
                version = found.metadata.resource_version.clone().unwrap_or(version);
                let name = found.metadata.name.clone().unwrap_or_default();
                let mut body = serde_json::to_value(found).expect("JSON");
                (body["apiVersion"], body["kind"]) = (json!("apps/v1"), json!("Deployment"));
                if judge(&body).health == Health::Ready {
                    send.send_modify(|ready| {
                        ready.entry(name).or_insert(now);
                    });
                }
            }
            if send.is_closed() {
                return;
            }
        }
    });
    receive
}

async fn all_ready(ready: &mut watch::Receiver<Ready>, count: usize) -> SystemTime {
    let whole = tokio::time::timeout(LONG, ready.wait_for(|r| r.len() >= count)).await;
    let whole = whole.expect("all are ready in time").expect("the watch goes on");
    whole.values().copied().max().expect("there are some")
}

/// 200 apps of four objects in chains of ten.
pub(crate) fn run() -> Vec<Finding> {
    let (mut ours, mut bare, mut ratios, mut whole) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let with_bare = || with_bare(&control_plane().namespace("bare"));
        let (a, b);
        if round % 2 == 0 {
            a = with_retune();
            b = with_bare();
        } else {
            b = with_bare();
            a = with_retune();
        }
        eprintln!(
            "   round {round}: retune {:.2} s (from its start {:.2} s), bare client {b:.2} s",
            a.0, a.1
        );
        ours.push(rounded(a.0));
        whole.push(rounded(a.1));
        bare.push(rounded(b));
        ratios.push(rounded(a.0 / b));
    }
    let ratio = median(&ratios);
    vec![Finding {
        subject: "graph",
        bar: "median of retune seconds / bare client's seconds <= 1.2",
        met: ratio <= 1.2,
        numbers: json!({
            "apps": CHAINS * LENGTH, "objects": CHAINS * LENGTH * 4, "chains_of": LENGTH, "ratios": ratios, "median_ratio": ratio,
            "retune_seconds": ours, "retune_seconds_from_process_start": whole, "bare_seconds": bare,
        }),
    }]
}

/// From the first PATCH received, and from the start of the process, to the last Deployment seen ready.
fn with_retune() -> (f64, f64) {
    let mut apps = Vec::new();
    for chain in 0..CHAINS {
        for place in 0..LENGTH {
            let before = if place == 0 { Vec::new() } else { vec![app(chain, place - 1)] };
            apps.push((app(chain, place), before, objects(&app(chain, place), "1s")));
        }
    }
    let cloud = Cloud::of_apps("graph", &apps);
    let log = control_plane().audit();
    let runtime = api::runtime();
    let mut ready = runtime.block_on(async {
        let client = api::client(control_plane().kubeconfig()).await;
        watch_ready(&client, &cloud.namespace).await
    });
    let started = SystemTime::now();
    let _retune = cloud.start();
    let end = of_day(runtime.block_on(all_ready(&mut ready, CHAINS * LENGTH)));
    cloud.synced(&cloud.repo.head(), LONG);
    let writes = log.writes_to_managed(&cloud.user);
    let first = writes
        .iter()
        .filter(|r| r.namespace == cloud.namespace)
        .map(|r| seconds(&r.received))
        .fold(f64::INFINITY, f64::min);
    (end - first, end - of_day(started))
}

/// The same waves by a client that does nothing else: in each chain the three objects, then the workload, then, once that
/// is seen ready, the next.
fn with_bare(namespace: &str) -> f64 {
    let kubeconfig = control_plane().kubeconfig_of(&format!("bare-{namespace}"));
    api::runtime().block_on(async {
        let client = api::client(&kubeconfig).await;
        let mut ready = watch_ready(&client, namespace).await;
        let slots = Arc::new(Semaphore::new(IN_FLIGHT));
        let begun = SystemTime::now();
        let chains = (0..CHAINS).map(|chain| {
            let (client, slots, mut ready) = (client.clone(), Arc::clone(&slots), ready.clone());
            async move {
                for place in 0..LENGTH {
                    let name = app(chain, place);
                    let mut body = objects(&name, "1s");
                    let workload = body.pop().expect("the workload is last");
                    futures::future::join_all(body.iter().map(|o| apply(&client, &slots, o, namespace)))
                        .await;
                    apply(&client, &slots, &workload, namespace).await;
                    ready.wait_for(|r| r.contains_key(&name)).await.expect("the watch goes on");
                }
            }
        });
        futures::future::join_all(chains).await;
        of_day(all_ready(&mut ready, CHAINS * LENGTH).await) - of_day(begun)
    })
}

async fn apply(client: &Client, slots: &Semaphore, object: &Value, namespace: &str) {
    let _slot = slots.acquire().await.expect("never closed");
    client.request_text(patch(object, namespace)).await.expect("the bare client's PATCH succeeds");
}

/// A dependency turns ready → its dependant's first write reaches the server.
pub(crate) fn dependency() -> Vec<Finding> {
    // Twenty a second, after all of them are applied.
    let delay = |n: usize| format!("{}ms", 20_000 + n * 50);
    let mut apps = Vec::new();
    for n in 0..PAIRS {
        apps.push((format!("a-{n:03}"), Vec::new(), vec![workload(&format!("a-{n:03}"), &delay(n))]));
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("b-{n:03}")}, "data": {"value": "0"}});
        apps.push((format!("b-{n:03}"), vec![format!("a-{n:03}")], vec![map]));
    }
    let cloud = Cloud::of_apps("dep", &apps);
    let log = control_plane().audit();
    let runtime = api::runtime();
    let mut ready = runtime.block_on(async {
        let client = api::client(control_plane().kubeconfig()).await;
        watch_ready(&client, &cloud.namespace).await
    });
    let begun = Instant::now();
    let _retune = cloud.start();
    runtime.block_on(all_ready(&mut ready, PAIRS));
    cloud.synced(&cloud.repo.head(), LONG);
    let mut first: HashMap<String, f64> = HashMap::new();
    for write in log.writes_to_managed(&cloud.user).into_iter().filter(|w| w.namespace == cloud.namespace) {
        let at = first.entry(write.name.clone()).or_insert(f64::INFINITY);
        *at = at.min(seconds(&write.received));
    }
    let ready = ready.borrow();
    let mut early = HashSet::new();
    let samples: Vec<f64> = (0..PAIRS)
        .filter_map(|n| {
            let (a, b) = (ready.get(&format!("a-{n:03}"))?, first.get(&format!("b-{n:03}"))?);
            let waited = (b - of_day(*a)) * 1_000.0;
            // The measuring watch may be behind retune's by a few milliseconds; more would be a dependant that did not wait.
            if waited < -250.0 {
                early.insert(n);
            }
            Some(waited.max(0.0))
        })
        .collect();
    let at = |share: f64| if samples.is_empty() { f64::NAN } else { rounded(percentile(&samples, share)) };
    vec![Finding {
        subject: "dependency ready to dependant's first write",
        bar: "p99 of 500 <= 50 ms",
        met: samples.len() == PAIRS && early.is_empty() && at(0.99) <= 50.0,
        numbers: json!({
            "samples": samples.len(), "did_not_wait": early.len(), "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99),
            "max_ms": at(1.0), "seconds": rounded(begun.elapsed().as_secs_f64()),
        }),
    }]
}
