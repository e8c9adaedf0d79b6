//! SIGKILL at random moments of installs, upgrades, hooks, rollbacks, deletions, adoptions and their undoing: every hook ran once
//! per revision, or says why nobody can know; what kubectl made is whole, and one owner's.
//!
//! Runs are counted from the audit log: a Job's creation is one run of its hook (its text names the revision).
//! `RETUNE_BENCH_KILLS` sets the number of kills (200).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Finding;
use crate::cloud::{Cloud, Shape};
use crate::statistics::{Random, rounded, seed};
use crate::support::{AuditLog, Retune, control_plane, eventually};

const SHAPE: Shape = Shape { apps: 1, maps: 2, deployments: 0 };
const LONG: Duration = Duration::from_secs(300);

/// A chart whose hooks carry the revision in their name: one creation each is right, two are one too many.
const CHART: &str = "apiVersion: v2\nname: hooked\nversion: 0.1.0\n";
const TEMPLATE: &str = r#"apiVersion: v1
kind: ConfigMap
metadata: {name: state}
data: {revision: {{ .Values.revision | quote }}}
{{- range $event := list "pre-install" "post-install" "pre-upgrade" "post-upgrade" "pre-rollback" "post-rollback" "pre-delete" "post-delete" }}
{{- range $policy := list "before-hook-creation" "hook-succeeded" }}
---
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $event }}-{{ trunc 6 $policy }}-{{ $.Values.revision }}
  annotations: {helm.sh/hook: {{ $event }}, helm.sh/hook-delete-policy: {{ $policy }}}
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: main, image: example.org/x:1}]}}
{{- end }}
{{- end }}
"#;

/// What kubectl made before retune came: an app to be adopted and given back.
const TAKEN: usize = 60;
const TAKEN_HOOK: &str = r#"apiVersion: batch/v1
kind: Job
metadata: {name: taken-hook, annotations: {helm.sh/hook: "post-install,post-upgrade"}}
spec:
  template: {spec: {restartPolicy: Never, containers: [{name: main, image: example.org/x:1}]}}
"#;

pub(crate) fn run() -> Vec<Finding> {
    let kills: usize = std::env::var("RETUNE_BENCH_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(200);
    let cloud = Cloud::new("hookkill", SHAPE);
    cloud.repo.write("charts/hooked/Chart.yaml", CHART);
    cloud.repo.write("charts/hooked/templates/all.yaml", TEMPLATE);
    commit(&cloud, 1);
    let log = control_plane().audit();
    let begun = Instant::now();
    let retune = cloud.start();
    cloud.synced(&cloud.repo.head(), LONG);
    let whole = begun.elapsed().as_secs_f64().max(1.0);
    drop(retune);
    make_taken(&cloud);
    let seed = seed();
    let mut random = Random::new(seed);
    // `floor`: the first revision since the app was last deleted; what was live before that is forgotten with it.
    let (mut newest, mut live, mut floor) = (1, 1, 1);
    let (mut gone, mut deletions) = (false, 0);
    let (mut adopted, mut adoptions) = (false, 0);
    let mut rollbacks: BTreeMap<usize, usize> = BTreeMap::new();
    for kill in 1..=kills {
        // A new revision, the one before it again (a rollback), or what was cut short goes on.
        let choice = random.unit();
        if choice < 0.4 {
            newest += 1;
            live = newest;
            if std::mem::take(&mut gone) {
                floor = live;
            }
            commit(&cloud, live);
        } else if choice < 0.5 && !gone {
            gone = true;
            deletions += 1;
            cloud.repo.remove("Remove the app", &["apps/hooked.yaml"]);
        } else if choice < 0.65 && live > floor && !gone {
            live -= 1;
            *rollbacks.entry(live).or_default() += 1;
            commit(&cloud, live);
        }
        let retune = cloud.start();
        if gone {
            approve(&cloud);
        } else if choice > 0.75 {
            adopted = !adopted;
            adoptions += 1;
            request_adoption(&cloud, kill, adopted);
        }
        std::thread::sleep(Duration::from_secs_f64(random.unit() * whole));
        retune.signal("KILL");
        if kill % 10 == 0 {
            eprintln!("   {kill} kills");
        }
    }
    if gone {
        newest += 1;
        commit(&cloud, newest);
    }
    let begun = Instant::now();
    let _retune = cloud.start();
    request_adoption(&cloud, kills + 1, true);
    let head = cloud.repo.head();
    // It converges, or says of a hook that nobody can know.
    let told = eventually("it converges or says why not", LONG, || {
        let found = control_plane().get(&["cloudsync", &cloud.name, "-n", "retune-system"])?;
        let synced = found.pointer("/status/syncedRevision")?.as_str() == Some(&head);
        let notes = found.pointer("/status/hooks").map(ToString::to_string).unwrap_or_default();
        let unknown =
            notes.contains("is not known") && found.pointer("/status/seenRevision")?.as_str() == Some(&head);
        (synced || unknown).then_some(notes)
    });
    let converged = begun.elapsed().as_secs_f64();
    cloud.settled(Duration::from_secs(5), LONG);

    let runs = runs(&log, &cloud.namespace);
    // A hook of an upgrade is due once per revision; one of a rollback once per rollback to it.
    let allowed = |name: &str| -> usize {
        let revision = name.rsplit('-').next().and_then(|r| r.parse().ok()).unwrap_or(0);
        if name == "taken-hook" {
            // kubectl made its app: the hooks of an upgrade are taken as done.
            0
        } else if name.contains("rollback") {
            rollbacks.get(&revision).copied().unwrap_or(0)
        } else {
            1
        }
    };
    let again: Vec<String> =
        runs.iter().filter(|(name, n)| **n > allowed(name)).map(|(name, n)| format!("{name}: {n}")).collect();
    let torn = torn(&cloud);
    vec![Finding {
        subject: "killed while hooks run",
        bar: "converges; every non-idempotent hook ran exactly once per revision or says why it cannot know",
        met: again.is_empty() && torn.is_empty(),
        numbers: json!({
            "kills": kills, "seed": seed, "revisions": newest, "rollbacks": rollbacks.values().sum::<usize>(), "deletions": deletions,
            "adoptions_and_undoings": adoptions, "adopted_torn": torn,
            "first_sync_seconds": rounded(whole), "last_sync_seconds": rounded(converged),
            "hooks_run": runs.values().sum::<usize>(), "ran_again": again, "told": told,
        }),
    }]
}

/// kubectl applies the objects, then Git has them as an app of a chart.
fn make_taken(cloud: &Cloud) {
    let plane = control_plane();
    let objects: Vec<String> = (0..TAKEN)
        .map(|i| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("taken-{i}"), "namespace": cloud.namespace},
                "data": {"a": "1"}})
            .to_string()
        })
        .collect();
    let all = objects.join("\n---\n");
    plane.kubectl_with(&["apply", "--server-side", "-f", "-"], &all);
    cloud.repo.write("charts/taken/Chart.yaml", "apiVersion: v2\nname: taken\nversion: 0.1.0\n");
    cloud.repo.write("charts/taken/templates/all.yaml", &format!("{all}\n---\n{TAKEN_HOOK}"));
    let app = format!(
        "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata:\n  name: taken\nspec:\n  namespace: {}\n  chart:\n    \
         path: charts/taken\n",
        cloud.namespace
    );
    cloud.repo.commit("What kubectl made", &[("apps/taken.yaml", &app)]);
}

fn request_adoption(cloud: &Cloud, id: usize, adopt: bool) {
    let request = json!({"id": format!("{id}"), "undo": if adopt { json!(null) } else { json!(true) }});
    let patch = json!({"spec": {"adopt": {"taken": request}}}).to_string();
    let object = format!("cloudsync/{}", cloud.name);
    control_plane().kubectl(&["patch", "-n", "retune-system", &object, "--type=merge", "-p", &patch]);
}

/// Objects of the adopted app that are gone, changed, or not retune's alone.
fn torn(cloud: &Cloud) -> Vec<String> {
    let list = control_plane().get(&["configmaps", "-n", &cloud.namespace, "--show-managed-fields"]);
    let found: BTreeMap<String, serde_json::Value> = list
        .as_ref()
        .and_then(|l| l["items"].as_array())
        .into_iter()
        .flatten()
        .map(|o| (o["metadata"]["name"].as_str().unwrap_or_default().to_owned(), o.clone()))
        .collect();
    let whole = |name: &str| {
        found.get(name).is_some_and(|o| {
            let managers = o["metadata"]["managedFields"].as_array();
            o["data"]["a"] == "1" && managers.is_some_and(|m| m.len() == 1 && m[0]["manager"] == "retune")
        })
    };
    (0..TAKEN).map(|i| format!("taken-{i}")).filter(|name| !whole(name)).collect()
}

/// Approves what is withheld for the head, if that comes to be within a few seconds (a deletion that goes on needs none).
fn approve(cloud: &Cloud) {
    let plane = control_plane();
    let head = cloud.repo.head();
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        let found = plane.get(&["cloudsync", &cloud.name, "-n", "retune-system"]);
        let text = |path: &str| found.as_ref()?.pointer(path)?.as_str().map(str::to_owned);
        if text("/status/seenRevision").as_deref() == Some(&head)
            && let Some(digest) = text("/status/withheld/digest")
        {
            Retune::run(&cloud.kubeconfig, &["approve", "--cloud", &cloud.name, &digest]);
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn commit(cloud: &Cloud, revision: usize) {
    let app = format!(
        "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata:\n  name: hooked\nspec:\n  namespace: {}\n  chart:\n    \
         path: charts/hooked\n  values:\n    inline:\n      revision: \"{revision}\"\n",
        cloud.namespace
    );
    cloud.repo.commit(&format!("Revision {revision}"), &[("apps/hooked.yaml", &app)]);
}

/// How often each Job of the namespace was created.
fn runs(log: &AuditLog, namespace: &str) -> BTreeMap<String, usize> {
    let mut runs = BTreeMap::new();
    for write in log.requests() {
        if write.namespace == namespace && write.resource == "jobs" && write.code == 201 {
            *runs.entry(write.name).or_default() += 1;
        }
    }
    runs
}
