//! SIGKILL at random moments of syncs: nothing orphaned, nothing lost, nothing made twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::Finding;
use crate::cloud::{Cloud, Shape, app_objects, config_map, documents, map_name, objects_path, tally};
use crate::statistics::{Random, rounded, seed};
use crate::support::{AuditLog, control_plane};

const SHAPE: Shape = Shape { apps: 6, maps: 40, deployments: 5 };
const KILLS: usize = 50;
/// Objects that each revision adds and the next one removes: fewer than a guard would withhold.
const ROLLING: usize = 4;
const LONG: Duration = Duration::from_secs(300);

pub(crate) fn run() -> Vec<Finding> {
    let plane = control_plane();
    let cloud = Cloud::new("kill", SHAPE);
    let log = plane.audit();
    let started = Instant::now();
    let retune = cloud.start();
    cloud.synced(&cloud.repo.head(), LONG);
    let whole = started.elapsed().as_secs_f64();
    drop(retune);
    let seed = seed();
    let mut random = Random::new(seed);
    for kill in 1..=KILLS {
        // Some from the start of the process on, some while it runs: the commit comes before or after.
        let before = random.unit() < 0.5;
        if before {
            commit(&cloud, kill);
        }
        let retune = cloud.start();
        if !before {
            std::thread::sleep(Duration::from_secs_f64(random.unit() * whole));
            commit(&cloud, kill);
        }
        std::thread::sleep(Duration::from_secs_f64(random.unit() * whole * 1.2));
        retune.signal("KILL");
        if kill % 10 == 0 {
            eprintln!("   {kill} kills");
        }
    }
    let begun = Instant::now();
    let _retune = cloud.start();
    cloud.synced(&cloud.repo.head(), LONG);
    let converged = begun.elapsed().as_secs_f64();
    cloud.settled(Duration::from_secs(5), LONG);

    let wanted = desired(KILLS);
    let live = live(&cloud);
    let orphans: Vec<&String> = live.keys().filter(|name| !wanted.contains_key(*name)).collect();
    let lost: Vec<&String> = wanted.keys().filter(|name| !live.contains_key(*name)).collect();
    let wrong: Vec<&String> = wanted
        .iter()
        .filter(|(name, value)| live.get(*name).is_some_and(|l| l != *value))
        .map(|(n, _)| n)
        .collect();
    let writes = log.writes_to_managed(&cloud.user);
    let twice = created_twice(&log, &cloud.namespace);
    vec![Finding {
        subject: "killed at random moments",
        bar: "no orphan, nothing lost, converges, 0 duplicate creates, 50 kills",
        met: orphans.is_empty() && lost.is_empty() && wrong.is_empty() && twice.is_empty(),
        numbers: json!({
            "kills": KILLS, "seed": seed, "first_sync_seconds": rounded(whole), "last_sync_seconds": rounded(converged),
            "objects": wanted.len(), "orphans": orphans, "lost": lost, "wrong": wrong, "created_twice": twice,
            "writes": tally(&writes),
        }),
    }]
}

fn rolling(app: usize, revision: usize) -> Vec<Value> {
    (0..ROLLING).filter(|_| app == 0).map(|n| config_map(90 + n, revision, "rolling")).collect()
}

/// Half of the ConfigMaps change with each revision.
fn value_at(app: usize, revision: usize) -> String {
    let last = if app % 2 == revision % 2 { revision } else { revision.saturating_sub(1) };
    last.to_string()
}

fn commit(cloud: &Cloud, revision: usize) {
    let files: Vec<(String, String)> = (0..SHAPE.apps)
        .map(|app| {
            let mut objects = app_objects(app, SHAPE, &value_at(app, revision));
            objects.extend(rolling(app, revision));
            (objects_path(app), documents(&objects))
        })
        .collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    cloud.repo.commit(&format!("Revision {revision}"), &files);
}

/// Name and value of every ConfigMap of a revision; Deployments have no value.
fn desired(revision: usize) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for app in 0..SHAPE.apps {
        for index in 0..SHAPE.maps {
            all.insert(map_name(app, index), value_at(app, revision));
        }
        for index in 0..SHAPE.deployments {
            all.insert(format!("deployment-{app:02}-{index:04}"), String::new());
        }
        for object in rolling(app, revision) {
            all.insert(object["metadata"]["name"].as_str().unwrap_or_default().into(), "rolling".into());
        }
    }
    all
}

fn live(cloud: &Cloud) -> BTreeMap<String, String> {
    let list = control_plane().get(&["configmaps,deployments", "-n", &cloud.namespace]).expect("a list");
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items
        .iter()
        .map(|item| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_string();
            (text(&item["metadata"]["name"]), text(&item["data"]["value"]))
        })
        // Kubernetes puts this one into every namespace.
        .filter(|(name, _)| name != "kube-root-ca.crt")
        .collect()
}

/// Objects of a namespace that were created again without having been deleted, by whomever.
pub(crate) fn created_twice(log: &AuditLog, namespace: &str) -> Vec<String> {
    let mut there: BTreeSet<(String, String)> = BTreeSet::new();
    let mut twice = Vec::new();
    for write in log
        .requests()
        .into_iter()
        .filter(|r| r.is_write() && r.namespace == namespace && r.subresource.is_empty())
    {
        let object = (write.resource.clone(), write.name.clone());
        if write.verb == "delete" && write.code < 300 {
            there.remove(&object);
        } else if write.code == 201 && !there.insert(object.clone()) {
            twice.push(format!("{}/{}", object.0, object.1));
        }
    }
    twice
}
