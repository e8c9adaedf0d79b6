//! How soon a change arrives: from a branch that moves, and from somebody else's write.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::Finding;
use crate::api::{self, Seen};
use crate::cloud::{Cloud, Shape, app_objects, config_map, documents, map_name, objects_path};
use crate::statistics::{Random, percentile, rounded, seed};
use crate::support::control_plane;

const LONG: Duration = Duration::from_secs(300);
const MOVES: usize = 50;
const DRIFTS: usize = 200;
const MISSED: Duration = Duration::from_secs(10);

/// A branch moves (its ref file is renamed into place) → a watch sees the object changed.
pub(crate) fn commit() -> Vec<Finding> {
    let shape = Shape { apps: 10, maps: 100, deployments: 20 };
    let cloud = Cloud::new("commit", shape);
    // The commits exist before the clock runs; only the branch moves.
    cloud.repo.git(&["checkout", "--quiet", "-b", "prepared"]);
    let revisions: Vec<String> = (0..MOVES)
        .map(|n| {
            let app = n % shape.apps;
            let mut objects = app_objects(app, shape, "0");
            objects[7] = config_map(app, 7, &format!("move-{n}"));
            cloud.repo.commit(&format!("Move {n}"), &[(&objects_path(app), &documents(&objects))])
        })
        .collect();
    cloud.repo.git(&["checkout", "--quiet", "main"]);
    let _retune = cloud.start();
    cloud.synced(&cloud.repo.head(), LONG);
    cloud.settled(Duration::from_secs(5), LONG);
    let refs = cloud.repo.file(".git/refs/heads");
    let mut random = Random::new(seed());
    let samples: Vec<f64> = api::runtime().block_on(async {
        let client = api::client(control_plane().kubeconfig()).await;
        let mut watch = api::watch_maps(&client, &cloud.namespace).await;
        let mut samples = Vec::new();
        for (n, revision) in revisions.iter().enumerate() {
            tokio::time::sleep(Duration::from_millis(200 + (random.unit() * 300.0) as u64)).await;
            std::fs::write(refs.join("main.lock"), format!("{revision}\n")).expect("a ref file");
            std::fs::rename(refs.join("main.lock"), refs.join("main")).expect("the ref moves");
            let moved = Instant::now();
            let wanted = format!("move-{n}");
            match await_value(&mut watch, &map_name(n % shape.apps, 7), &wanted).await {
                Some(at) => samples.push(at.saturating_duration_since(moved).as_secs_f64() * 1000.0),
                None => eprintln!("   move {n} was not seen within {MISSED:?}"),
            }
        }
        samples
    });
    let seen = samples.len();
    let p50 = if samples.is_empty() { f64::NAN } else { percentile(&samples, 0.5) };
    vec![Finding {
        subject: "ref moved to change seen",
        bar: "p50 of 50 <= 150 ms",
        met: seen == MOVES && p50 <= 150.0,
        numbers: distribution(&samples, MOVES),
    }]
}

/// Another writer's response → a watch sees the corrected value.
pub(crate) fn drift() -> Vec<Finding> {
    let shape = Shape { apps: 10, maps: 100, deployments: 20 };
    let cloud = Cloud::new("drift", shape);
    let plane = control_plane();
    let intruder = plane.kubeconfig_of("intruder");
    let _retune = cloud.start();
    cloud.synced(&cloud.repo.head(), LONG);
    cloud.settled(Duration::from_secs(5), LONG);
    let log = plane.audit();
    let mut random = Random::new(seed());
    let samples: Vec<f64> = api::runtime().block_on(async {
        let observer = api::client(plane.kubeconfig()).await;
        let intruder = api::client(&intruder).await;
        let mut watch = api::watch_maps(&observer, &cloud.namespace).await;
        let mut samples = Vec::new();
        for n in 0..DRIFTS {
            tokio::time::sleep(Duration::from_millis((random.unit() * 60.0) as u64)).await;
            // Each time another object: the same one again and again would be a fight, which retune gives up.
            let name = map_name(n % shape.apps, n / shape.apps);
            let answered = api::intrude(&intruder, &cloud.namespace, &name, "drifted").await;
            if await_value(&mut watch, &name, "drifted").await.is_none() {
                eprintln!("   the drift of {name} was not seen");
                continue;
            }
            match await_value(&mut watch, &name, "0").await {
                Some(at) => samples.push(at.saturating_duration_since(answered).as_secs_f64() * 1000.0),
                None => eprintln!("   {name} was not corrected within {MISSED:?}"),
            }
        }
        samples
    });
    cloud.settled(Duration::from_secs(5), LONG);
    let writes = log.writes_to_managed(&cloud.user).len();
    let seen = samples.len();
    let (p50, p99) = if samples.is_empty() {
        (f64::NAN, f64::NAN)
    } else {
        (percentile(&samples, 0.5), percentile(&samples, 0.99))
    };
    let mut numbers = distribution(&samples, DRIFTS);
    numbers["writes_to_managed"] = json!(writes);
    vec![Finding {
        subject: "drift to corrected",
        bar: "p50 <= 30 ms and p99 <= 250 ms of 200",
        met: seen == DRIFTS && p50 <= 30.0 && p99 <= 250.0,
        numbers,
    }]
}

async fn await_value(watch: &mut UnboundedReceiver<Seen>, name: &str, value: &str) -> Option<Instant> {
    let end = tokio::time::Instant::now() + MISSED;
    let mut others: HashMap<String, usize> = HashMap::new();
    loop {
        match tokio::time::timeout_at(end, watch.recv()).await {
            Ok(Some(seen)) if seen.name == name && seen.value.as_deref() == Some(value) => {
                return Some(seen.at);
            }
            Ok(Some(seen)) => *others.entry(seen.name).or_default() += 1,
            Ok(None) => panic!("the measuring watch ended"),
            Err(_) => {
                eprintln!("   meanwhile seen: {others:?}");
                return None;
            }
        }
    }
}

fn distribution(samples: &[f64], wanted: usize) -> serde_json::Value {
    let at = |share| if samples.is_empty() { None } else { Some(rounded(percentile(samples, share))) };
    json!({
        "samples": samples.len(), "missed": wanted - samples.len(),
        "p50_ms": at(0.5), "p90_ms": at(0.9), "p99_ms": at(0.99), "max_ms": at(1.0),
    })
}
