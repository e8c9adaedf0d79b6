//! How fast a first sync writes, next to a loop that does nothing but PATCH.
//!
//! Both sides are timed by the server's own clock: from the first PATCH received to the last one answered, in the audit log.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use http::Request;
use serde_json::{Value, json};

use crate::Finding;
use crate::api;
use crate::cloud::{Cloud, Shape, app_objects};
use crate::statistics::{median, rounded};
use crate::support::{Request as Logged, control_plane};

const SHAPE: Shape = Shape { apps: 10, maps: 100, deployments: 20 };
const IN_FLIGHT: usize = 16;
const PAIRS: usize = 5;

pub(crate) fn run() -> Vec<Finding> {
    let plane = control_plane();
    let mut ratios = Vec::new();
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for pair in 0..PAIRS {
        // The labels and annotations that retune adds are part of the work: the loop sends them too.
        let namespace = plane.namespace("bare");
        let cloud = Cloud::new("thr", SHAPE);
        let (a, b);
        if pair % 2 == 0 {
            a = with_retune(&cloud);
            b = with_loop(&namespace, &cloud.namespace);
        } else {
            b = with_loop(&namespace, &cloud.namespace);
            a = with_retune(&cloud);
        }
        eprintln!("   pair {pair}: retune {a:.3} s, loop {b:.3} s");
        ours.push(rounded(a));
        bare.push(rounded(b));
        ratios.push(rounded(b / a));
    }
    let ratio = median(&ratios);
    vec![Finding {
        subject: "throughput",
        bar: "median of loop seconds / retune seconds >= 0.8",
        met: ratio >= 0.8,
        numbers: json!({
            "objects": SHAPE.objects(), "in_flight": IN_FLIGHT, "retune_seconds": ours, "loop_seconds": bare,
            "ratios": ratios, "median_ratio": ratio,
            "retune_objects_per_second": rounded(SHAPE.objects() as f64 / median(&ours)),
            "loop_objects_per_second": rounded(SHAPE.objects() as f64 / median(&bare)),
        }),
    }]
}

/// Controllers still work on what was written last; the next side should not pay for it.
fn calm() {
    std::thread::sleep(Duration::from_secs(4));
}

fn with_retune(cloud: &Cloud) -> f64 {
    calm();
    let log = control_plane().audit();
    let retune = cloud.start();
    cloud.synced(&cloud.repo.head(), Duration::from_secs(300));
    let writes = log.writes_to_managed(&cloud.user);
    let patches: Vec<Logged> = writes.into_iter().filter(|r| r.namespace == cloud.namespace).collect();
    drop(retune);
    assert_eq!(patches.len(), SHAPE.objects(), "one PATCH per object");
    span(&patches)
}

fn with_loop(namespace: &str, cloud: &str) -> f64 {
    calm();
    let plane = control_plane();
    let user = format!("loop-{namespace}");
    let kubeconfig = plane.kubeconfig_of(&user);
    let log = plane.audit();
    api::runtime().block_on(async {
        let client = api::client(&kubeconfig).await;
        let mut objects: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
        for app in 0..SHAPE.apps {
            objects.insert(app, app_objects(app, SHAPE, "0"));
        }
        // ConfigMaps of all apps first, then Deployments, as retune's own order has it inside each app.
        let (maps, deployments): (Vec<Value>, Vec<Value>) = objects
            .into_iter()
            .flat_map(|(app, list)| list.into_iter().map(move |object| marked(object, app, cloud, namespace)))
            .partition(|object| object["kind"] == "ConfigMap");
        let requests = maps.into_iter().chain(deployments).map(|object| patch(&object, namespace));
        let answers: Vec<bool> = futures::stream::iter(requests)
            .map(|request| {
                let client = client.clone();
                async move { client.request_text(request).await.is_ok() }
            })
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        assert!(answers.iter().all(|ok| *ok), "the loop's PATCHes succeed");
    });
    let patches = log.writes_to_managed(&user);
    assert_eq!(patches.len(), SHAPE.objects(), "one PATCH per object");
    span(&patches)
}

/// What retune adds to each object (DESIGN §9), of the same length.
fn marked(mut object: Value, app: usize, cloud: &str, namespace: &str) -> Value {
    let (kind, name) = (object["kind"].clone(), object["metadata"]["name"].clone());
    let (kind, name) = (kind.as_str().unwrap_or_default(), name.as_str().unwrap_or_default());
    object["metadata"]["namespace"] = json!(namespace);
    object["metadata"]["labels"] =
        json!({"bare.example/cloud": cloud, "bare.example/app": crate::cloud::app_name(app)});
    object["metadata"]["annotations"] = json!({"bare.example/owner": format!("00000000-0000-0000-0000-000000000000/apps/{kind}/{namespace}/{name}")});
    object
}

pub(crate) fn patch(object: &Value, namespace: &str) -> Request<Vec<u8>> {
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let collection = match object["kind"].as_str() {
        Some("ConfigMap") => format!("/api/v1/namespaces/{namespace}/configmaps"),
        Some("Service") => format!("/api/v1/namespaces/{namespace}/services"),
        _ => format!("/apis/apps/v1/namespaces/{namespace}/deployments"),
    };
    Request::patch(format!("{collection}/{name}?fieldManager=bare&force=true"))
        .header("content-type", "application/apply-patch+yaml")
        .body(object.to_string().into_bytes())
        .expect("a valid request")
}

/// Seconds from the first request received to the last response.
fn span(requests: &[Logged]) -> f64 {
    let first = requests.iter().map(|r| seconds(&r.received)).fold(f64::INFINITY, f64::min);
    let last = requests.iter().map(|r| seconds(&r.at)).fold(0.0, f64::max);
    last - first
}

/// Seconds of the day of an RFC 3339 time with microseconds.
pub(crate) fn seconds(time: &str) -> f64 {
    let clock = time.split('T').nth(1).expect("RFC 3339").trim_end_matches('Z');
    let parts: Vec<f64> = clock.split(':').map(|part| part.parse().expect("numbers")).collect();
    parts[0] * 3600.0 + parts[1] * 60.0 + parts[2]
}

/// A moment of this machine's clock, which is the server's too, as [`seconds`] has it.
pub(crate) fn of_day(at: std::time::SystemTime) -> f64 {
    at.duration_since(std::time::UNIX_EPOCH).expect("the clock is past 1970").as_secs_f64() % 86_400.0
}
