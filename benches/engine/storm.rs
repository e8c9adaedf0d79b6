//! A storm of drift: a fifth of the cloud is changed by others within seconds, and a commit comes in the middle.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures::StreamExt;
use serde_json::json;

use crate::Finding;
use crate::api;
use crate::cloud::{Cloud, Shape, app_objects, config_map, documents, map_name, objects_path};
use crate::statistics::{Random, percentile, rounded, seed};
use crate::support::{control_plane, eventually};
use crate::throughput::seconds;

const LONG: Duration = Duration::from_secs(600);
const SHAPE: Shape = Shape { apps: 10, maps: 500, deployments: 0 };
const CHANGED: usize = 1_000;
const WRITERS: usize = 8;
/// Commits without a storm, to compare with.
const CALM: usize = 5;

pub(crate) fn run() -> Vec<Finding> {
    let cloud = Cloud::new("storm", SHAPE);
    let plane = control_plane();
    let intruder = plane.kubeconfig_of("intruder");
    let _retune = cloud.start();
    cloud.synced(&cloud.repo.head(), LONG);
    cloud.settled(Duration::from_secs(5), LONG);

    // Objects 0 of an app are the commits'; the others are the storm's.
    let commit = |n: usize| {
        let app = n % SHAPE.apps;
        let mut objects = app_objects(app, SHAPE, "0");
        objects[0] = config_map(app, 0, &format!("commit-{n}"));
        cloud.repo.commit(&format!("Commit {n}"), &[(&objects_path(app), &documents(&objects))]);
        (map_name(app, 0), cloud.branch_moved())
    };
    let landed = |log: &crate::support::AuditLog, name: &str, from: f64| {
        eventually("the commit is written", LONG, || {
            let writes = log.writes_to_managed(&cloud.user);
            let first = writes.iter().filter(|w| w.name == name).map(|w| seconds(&w.at)).next()?;
            Some((first - from).max(0.0))
        })
    };
    let mut calm = Vec::new();
    for n in 0..CALM {
        let log = plane.audit();
        let (name, from) = commit(n);
        calm.push(landed(&log, &name, from));
        cloud.settled(Duration::from_secs(2), LONG);
    }

    let log = plane.audit();
    let mut random = Random::new(seed());
    let mut targets: Vec<String> =
        (0..SHAPE.apps).flat_map(|app| (1..SHAPE.maps).map(move |index| map_name(app, index))).collect();
    for at in (1..targets.len()).rev() {
        targets.swap(at, (random.unit() * (at + 1) as f64) as usize);
    }
    targets.truncate(CHANGED);
    let begun = Instant::now();
    let namespace = cloud.namespace.clone();
    let writers = std::thread::spawn({
        let targets = targets.clone();
        move || {
            api::runtime().block_on(async {
                let client = api::client(&intruder).await;
                futures::stream::iter(targets)
                    .for_each_concurrent(WRITERS, |name| {
                        let (client, namespace) = (client.clone(), namespace.clone());
                        async move {
                            api::intrude(&client, &namespace, &name, "drifted").await;
                        }
                    })
                    .await;
            });
            begun.elapsed().as_secs_f64()
        }
    });
    // In the middle of it: half of the changes are written.
    eventually("the storm is half over", LONG, || {
        let written = log.requests().iter().filter(|r| r.user == "intruder" && r.is_write()).count();
        (written >= CHANGED / 2).then_some(())
    });
    let (name, from) = commit(CALM);
    let during = landed(&log, &name, from);
    let storm_seconds = writers.join().expect("the writers succeed");
    cloud.settled(Duration::from_secs(5), LONG);

    let mut patches: BTreeMap<String, usize> = BTreeMap::new();
    let mut last = 0.0_f64;
    for write in log.writes_to_managed(&cloud.user) {
        last = last.max(seconds(&write.at));
        *patches.entry(write.name).or_default() += 1;
    }
    let first_change = log
        .requests()
        .iter()
        .filter(|r| r.user == "intruder" && r.is_write())
        .map(|r| seconds(&r.received))
        .fold(f64::INFINITY, f64::min);
    let list = plane.get(&["configmaps", "-n", &cloud.namespace]).expect("a list");
    let wrong: Vec<&str> = list["items"]
        .as_array()
        .expect("items")
        .iter()
        .filter(|m| m["data"]["value"] == "drifted")
        .filter_map(|m| m["metadata"]["name"].as_str())
        .collect();
    let not_once = targets.iter().filter(|name| patches.get(*name) != Some(&1)).count();
    let others = patches
        .keys()
        .filter(|name| **name != map_name(CALM % SHAPE.apps, 0) && !targets.contains(name))
        .count();
    let usual = percentile(&calm, 0.5);
    vec![Finding {
        subject: "drift storm",
        bar: "1,000 of 5,000 changed: all corrected, one PATCH each, the commit in the middle at most 1 s later than without",
        met: wrong.is_empty() && not_once == 0 && others == 0 && during - usual <= 1.0,
        numbers: json!({
            "changed": targets.len(), "storm_seconds": rounded(storm_seconds), "all_corrected_seconds": rounded(last - first_change),
            "not_corrected": wrong.len(), "not_exactly_one_patch": not_once, "written_besides": others,
            "commit_to_written_calm_seconds": rounded(usual), "commit_to_written_in_the_storm_seconds": rounded(during),
        }),
    }]
}
