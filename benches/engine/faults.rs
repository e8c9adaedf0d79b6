//! The API server fails in each of its ways; retune must come back by itself, without a storm and with nothing lost.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Finding;
use crate::cloud::{Cloud, Shape, app_objects, documents, map_name, objects_path};
use crate::kill::created_twice;
use crate::proxy::{Mode, Proxy};
use crate::statistics::rounded;
use crate::support::{control_plane, eventually};

const SHAPE: Shape = Shape { apps: 5, maps: 60, deployments: 0 };
const LONG: Duration = Duration::from_secs(180);

pub(crate) fn run() -> Vec<Finding> {
    let plane = control_plane();
    let cloud = Cloud::new("faults", SHAPE);
    let log = plane.audit();
    let proxy = Proxy::start(plane.dir().expect("our own control plane"), &cloud.kubeconfig);
    let text = std::fs::read_to_string(&cloud.kubeconfig).expect("our own kubeconfig");
    let through = cloud.kubeconfig.with_extension("through-proxy");
    let server = plane.server();
    std::fs::write(&through, text.replace(&server, &format!("https://127.0.0.1:{}", proxy.port)))
        .expect("a kubeconfig");
    let retune = cloud.start_with(&through);
    cloud.synced(&cloud.repo.head(), LONG);
    cloud.settled(Duration::from_secs(5), LONG);

    let mut findings = vec![outage(&cloud, &proxy)];
    for (name, mode) in
        [("429", Mode::Answer(429)), ("500", Mode::Answer(500)), ("cut connections", Mode::Cut)]
    {
        findings.push(burst(&cloud, &proxy, name, mode));
    }
    let twice = created_twice(&log, &cloud.namespace);
    findings.push(Finding {
        subject: "faults: created twice",
        bar: "0",
        met: twice.is_empty(),
        numbers: json!(twice),
    });
    drop(retune);
    findings
}

fn counted(proxy: &Proxy) -> (u64, u64, u64) {
    let counts = &proxy.counts;
    (
        counts.connections.load(Ordering::Relaxed),
        counts.requests.load(Ordering::Relaxed),
        counts.injected.load(Ordering::Relaxed),
    )
}

/// Every ConfigMap gets this value by one commit.
fn commit(cloud: &Cloud, value: &str) -> String {
    let files: Vec<(String, String)> =
        (0..SHAPE.apps).map(|app| (objects_path(app), documents(&app_objects(app, SHAPE, value)))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    cloud.repo.commit(value, &files)
}

/// How many ConfigMaps have that value.
fn with_value(cloud: &Cloud, value: &str) -> usize {
    let list = control_plane().get(&["configmaps", "-n", &cloud.namespace]).expect("a list");
    list["items"]
        .as_array()
        .map_or(0, |items| items.iter().filter(|item| item["data"]["value"] == value).count())
}

/// The server is gone for a minute. Meanwhile a commit arrives, one object is changed and one deleted.
fn outage(cloud: &Cloud, proxy: &Proxy) -> Finding {
    let plane = control_plane();
    let before = counted(proxy);
    proxy.set(Mode::Gone);
    std::thread::sleep(Duration::from_secs(5));
    plane.kubectl(&["delete", "configmap", &map_name(1, 1), "-n", &cloud.namespace]);
    let drift = json!({"data": {"text": "drifted"}}).to_string();
    plane.kubectl(&[
        "patch",
        "configmap",
        &map_name(2, 2),
        "-n",
        &cloud.namespace,
        "--type=merge",
        "-p",
        &drift,
    ]);
    let revision = commit(cloud, "after the outage");
    std::thread::sleep(Duration::from_secs(55));
    let during = counted(proxy);
    proxy.set(Mode::Pass);
    let back = Instant::now();
    cloud.synced(&revision, LONG);
    let synced = back.elapsed().as_secs_f64();
    let all = eventually("all objects are as in Git", LONG, || {
        let map = plane.get(&["configmap", &map_name(2, 2), "-n", &cloud.namespace])?;
        let corrected = map["data"]["text"] != "drifted";
        (with_value(cloud, "after the outage") == SHAPE.objects() && corrected)
            .then(|| back.elapsed().as_secs_f64())
    });
    let attempts = during.0 - before.0;
    Finding {
        subject: "faults: server gone for a minute",
        bar: "recovers by itself within 60 s, at most 300 connection attempts in the minute, nothing lost",
        met: synced <= 60.0 && attempts <= 300,
        numbers: json!({
            "connection_attempts": attempts, "seconds_to_synced": rounded(synced), "seconds_to_all_right": rounded(all),
        }),
    }
}

/// For twenty seconds every second request fails in that way, while a commit changes every object.
fn burst(cloud: &Cloud, proxy: &Proxy, name: &'static str, mode: Mode) -> Finding {
    let before = counted(proxy);
    proxy.set(mode);
    let begun = Instant::now();
    let revision = commit(cloud, name);
    let (during, synced) = std::thread::scope(|scope| {
        let burst = scope.spawn(|| {
            std::thread::sleep(Duration::from_secs(20));
            proxy.set(Mode::Pass);
            counted(proxy)
        });
        cloud.synced(&revision, LONG);
        let synced = begun.elapsed().as_secs_f64();
        (burst.join().expect("the burst ends"), synced)
    });
    cloud.settled(Duration::from_secs(5), LONG);
    let right = with_value(cloud, name);
    let (requests, injected): (u64, u64) = (during.1 - before.1, during.2 - before.2);
    let bound = 10 * SHAPE.objects() as u64;
    let numbers: Value = json!({
        "requests": requests, "injected": injected, "connections": during.0 - before.0,
        "seconds_to_synced": rounded(synced), "objects_right": right, "objects": SHAPE.objects(),
    });
    let subject = match name {
        "429" => "faults: burst of 429",
        "500" => "faults: burst of 500",
        _ => "faults: cut connections",
    };
    Finding {
        subject,
        bar: "recovers by itself within 60 s, at most 10 requests per object, nothing lost",
        met: right == SHAPE.objects() && requests <= bound && synced <= 80.0 && injected > 0,
        numbers,
    }
}
