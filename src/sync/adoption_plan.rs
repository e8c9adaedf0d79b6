//! What adopting an app would change, app by app, made without a syncer: for `retune adopt`. Reads only (server-side dry runs).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::follow::{Desired, FollowOptions};
use super::preview::{PreviewError, look};
use super::takeover;
use crate::apply::job::{Target, recreatable};
use crate::cloud::{ObjectId, RenderedApp};
use crate::cluster::client::Client;
use crate::cluster::crd::CloudSync;
use crate::cluster::error::ErrorKind;
use crate::cluster::leftovers::leftovers;
use crate::cluster::{adopted, fields, objects};
use crate::plan::{self, Facts, Remembered};

/// How many fields of an object are listed.
const MAX_FIELDS: usize = 20;
/// How deep a difference is followed.
const MAX_DEPTH: usize = 64;

/// What adopting one app means.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppAdoption {
    /// The app.
    pub app: String,
    /// `exists`, `new` (nothing of it is there), `adopted`, `managed` (retune made it) or `refused`.
    pub state: &'static str,
    /// The digest of its render, which a request names.
    pub render: String,
    /// How many objects it has.
    pub objects: usize,
    /// How many of them exist and are not retune's.
    pub existing: usize,
    /// By manager: how many objects have fields of it.
    pub managers: BTreeMap<String, usize>,
    /// The Helm releases that they belong to.
    pub releases: Vec<String>,
    /// Objects that Git has otherwise than the cluster, and what that does.
    pub changes: Vec<Change>,
    /// Objects that are created.
    pub creates: Vec<String>,
    /// Workloads whose pods are restarted.
    pub restarts: Vec<String>,
    /// Fields that Git does not have: they stay, with their managers.
    pub leftovers: Vec<String>,
    /// Hooks, and whether they count as done.
    pub hooks: Vec<String>,
    /// Hooks that adopting the app runs.
    pub runs: Vec<String>,
    /// Why it cannot be adopted.
    pub refused: Vec<String>,
    /// Objects of its releases that Git does not have: they stay as they are.
    pub outside: Vec<String>,
}

/// One object that Git has otherwise.
#[derive(Debug, Serialize)]
pub struct Change {
    /// The object.
    pub object: String,
    /// What differs.
    pub fields: Vec<String>,
    /// What that does, if more than the fields.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub effect: String,
}

/// Looks at every app, or at those that are named.
///
/// # Errors
/// See [`PreviewError`]; a name that is no app.
pub async fn adoptions(
    client: Client,
    cloud: &str,
    cloudsync: Option<&CloudSync>,
    options: FollowOptions,
    only: &[String],
    assume: bool,
) -> Result<Vec<AppAdoption>, PreviewError> {
    let seen = look(client, cloud, cloudsync, options).await?;
    let (desired, target) = (&seen.desired, &seen.target);
    if let Some(unknown) = only.iter().find(|name| desired.cloud.app(name).is_none()) {
        let has: Vec<&str> = desired.cloud.apps.iter().map(|a| &*a.name).collect();
        let why = format!("the revision has no app {unknown}; it has {}", has.join(", "));
        return Err(PreviewError::Source(why));
    }
    let mut facts = Facts {
        first: cloudsync.is_none_or(|c| c.status.synced_revision.is_empty()),
        apps: seen.memory.apps.iter().map(|(app, r)| (Arc::clone(app), r.facts())).collect(),
        ..Facts::default()
    };
    for (id, known) in &seen.index.objects {
        let remembered = Remembered {
            app: Arc::clone(&known.app),
            digest: known.digest,
            uid: known.uid,
            keep: known.keep,
            live: plan::Live::InSync,
        };
        facts.objects.insert(id.clone(), remembered);
    }
    let managed: BTreeSet<&str> =
        seen.index.objects.values().filter(|k| k.digest.is_some()).map(|k| &*k.app).collect();
    let mut out = Vec::new();
    for app in desired.cloud.apps.iter().filter(|a| only.is_empty() || only.iter().any(|o| **o == *a.name)) {
        let recorded = adopted::read(&target.client, cloud, &app.name).await?;
        let was_adopted = recorded.is_some();
        let mut made = AppAdoption {
            app: app.name.to_string(),
            render: app.digest.to_string(),
            objects: app.objects.len(),
            ..AppAdoption::default()
        };
        if managed.contains(&*app.name) {
            made.state = if was_adopted { "adopted" } else { "managed" };
        } else {
            one(target, desired, app, recorded, assume, &facts, &mut made).await?;
        }
        out.push(made);
    }
    Ok(out)
}

async fn one(
    target: &Target,
    desired: &Desired,
    app: &RenderedApp,
    recorded: Option<adopted::Record>,
    assume: bool,
    facts: &Facts,
    made: &mut AppAdoption,
) -> Result<(), PreviewError> {
    let found = takeover::examine(target, desired, app, recorded, assume).await?;
    made.existing = found.found.len();
    made.state = match (found.refused.is_empty(), found.found.is_empty()) {
        (false, _) => "refused",
        (true, true) => "new",
        (true, false) => "exists",
    };
    made.releases = found.releases.iter().map(|f| f.release.to_string()).collect();
    for kept in found.record.objects.values() {
        for manager in kept.before.managers() {
            *made.managers.entry(manager).or_default() += 1;
        }
    }
    let mut facts = facts.clone();
    facts.existing = found.found.iter().map(|(id, _)| (id.clone(), None)).collect();
    facts.adopting.insert(Arc::clone(&app.name));
    if !found.found.is_empty() {
        facts.installed.insert(Arc::clone(&app.name), found.done);
    }
    let plan = plan::make(&desired.cloud, &facts);
    let hooks = plan.apps.iter().filter(|a| a.app == app.name).flat_map(|a| &a.hooks);
    made.runs = hooks.map(|h| h.id.to_string()).collect();
    (made.refused, made.hooks, made.outside) = (found.refused, found.hooks, found.outside);
    let live: BTreeMap<ObjectId, Value> = found.found.into_iter().collect();
    for object in &app.objects {
        match live.get(&object.id) {
            Some(live) => compare(target, app, object, live, made).await?,
            None if !facts.objects.contains_key(&object.id) => made.creates.push(object.id.to_string()),
            None => {}
        }
    }
    Ok(())
}

async fn compare(
    target: &Target,
    app: &RenderedApp,
    object: &crate::cloud::Object,
    live: &Value,
    made: &mut AppAdoption,
) -> Result<(), PreviewError> {
    let id = &object.id;
    let body = target.body(object, &app.name);
    let kept = leftovers(&body, &fields::entries_of(live));
    // What helm writes about itself goes with the adoption.
    let stays = |l: &crate::cluster::leftovers::Leftover| !l.field.contains("app.kubernetes.io/managed-by");
    made.leftovers
        .extend(kept.into_iter().filter(stays).map(|l| format!("{id} {} ({})", l.field, l.manager)));
    let resource = target.resource(id, object.version())?;
    let mut change = Change { object: id.to_string(), fields: Vec::new(), effect: String::new() };
    match objects::apply_dry_run(&target.client, &resource, id, Bytes::from(body.to_string())).await {
        Ok(after) => {
            let pods = "/spec/template";
            let workload =
                matches!(&*id.kind, "Deployment" | "StatefulSet" | "DaemonSet") && &*id.group == "apps";
            if workload && live.pointer(pods) != after.pointer(pods) {
                made.restarts.push(id.to_string());
                change.effect = "its pods are restarted".to_owned();
            }
            differ(live, &after, &mut String::new(), &mut change.fields, 0);
        }
        Err(error) if error.kind == ErrorKind::Immutable && recreatable(id, &app.policy.recreate) => {
            change.effect = format!("deleted and created again: {}", error.message);
        }
        Err(error) if matches!(error.kind, ErrorKind::Immutable | ErrorKind::Invalid | ErrorKind::Denied) => {
            change.effect = format!("the server refuses it: {}", error.message);
        }
        Err(error) => return Err(error.into()),
    }
    if !change.fields.is_empty() || !change.effect.is_empty() {
        made.changes.push(change);
    }
    Ok(())
}

/// The fields in which two states of an object differ, but for the server's and retune's own marks.
fn differ(before: &Value, after: &Value, path: &mut String, out: &mut Vec<String>, depth: usize) {
    if before == after || depth > MAX_DEPTH || out.len() >= MAX_FIELDS {
        return;
    }
    let server = [
        "metadata.managedFields",
        "metadata.resourceVersion",
        "metadata.generation",
        "metadata.labels.retune.dev/cloud",
        "metadata.labels.retune.dev/app",
        "metadata.annotations.retune.dev/owner",
    ];
    if server.contains(&path.as_str()) {
        return;
    }
    let step = |path: &mut String, name: &str| {
        let length = path.len();
        if length > 0 {
            path.push('.');
        }
        path.push_str(name);
        length
    };
    match (before, after) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for name in names {
                let length = step(path, name);
                let none = if path.as_str() == "metadata.labels" || path.as_str() == "metadata.annotations" {
                    Value::Object(serde_json::Map::new())
                } else {
                    Value::Null
                };
                differ(a.get(name).unwrap_or(&none), b.get(name).unwrap_or(&none), path, out, depth + 1);
                path.truncate(length);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (a, b)) in a.iter().zip(b).enumerate() {
                let name = match b.get("name").and_then(Value::as_str) {
                    Some(name) => format!("[name={name}]"),
                    None => format!("[{at}]"),
                };
                let length = path.len();
                path.push_str(&name);
                differ(a, b, path, out, depth + 1);
                path.truncate(length);
            }
        }
        _ => out.push(path.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn marks_and_the_servers_own_are_no_difference() {
        let before = json!({"metadata": {"name": "a", "generation": 1, "resourceVersion": "1"},
            "spec": {"containers": [{"name": "x", "image": "a:1"}], "replicas": 1}});
        let mut after = json!({"metadata": {"name": "a", "generation": 2, "resourceVersion": "2",
            "labels": {"retune.dev/cloud": "c", "retune.dev/app": "a"}, "annotations": {"retune.dev/owner": "o"}},
            "spec": {"containers": [{"name": "x", "image": "a:1"}], "replicas": 1}});
        let fields = |after: &Value| {
            let mut out = Vec::new();
            differ(&before, after, &mut String::new(), &mut out, 0);
            out
        };
        assert!(fields(&after).is_empty());
        after["spec"]["containers"][0]["image"] = json!("a:2");
        after["metadata"]["labels"]["tier"] = json!("x");
        assert_eq!(fields(&after), ["metadata.labels.tier", "spec.containers[name=x].image"]);
    }
}
