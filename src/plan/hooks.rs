//! Which of an app's Helm hooks are due, and in which order. Pure.
//!
//! Events and order follow Helm 4.3 (<https://helm.sh/docs/topics/charts_hooks/>): by weight, then by name, then by kind
//! in install order (the order in which a render has them), one after another. Deviation: on install and upgrade a hook
//! that completed is remembered by the digest of its text and of the ConfigMaps and Secrets it refers to, and is not run
//! again while that digest stays; Helm runs unchanged hooks again at each upgrade (`spec.hooks.rerun: always`). Rollback,
//! delete and test hooks run each time, as in Helm. Install, upgrade or rollback is decided by what the inventory
//! remembers, not by a release history.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::AppMemory;
pub use super::operation::Operation;
use super::operation::step;
pub use super::references::Reference;
use super::references::references;
use crate::cloud::spec::{OnRollback, Rerun};
use crate::cloud::{Digest, Hook, HookEvent, Object, ObjectId, RenderedApp, RenderedCloud};

/// Before or after the app's objects are applied, or deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Before.
    Pre,
    /// After they are applied, not after they are ready; or after they are deleted.
    Post,
}

impl When {
    /// `pre` or `post`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pre => "pre",
            Self::Post => "post",
        }
    }
}

/// A hook that is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DueHook {
    /// Its object.
    pub id: ObjectId,
    /// When.
    pub when: When,
    /// The event it runs for.
    pub event: HookEvent,
    /// The digest of its text and of what it refers to in Git.
    pub digest: String,
    /// Its weight.
    pub weight: i64,
    /// What it refers to that Git does not have: its live content counts too, if the syncer may read it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub live: Vec<Reference>,
    /// The digest it succeeded with: it runs only if what it refers to in the cluster differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unless: Option<String>,
    /// Added to the digest on its object, where each operation runs it anew; empty otherwise.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub run: String,
    /// It failed in this very operation, and why: it waits for a newer revision or `retune sync`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

impl DueHook {
    /// The digest by which its completion is remembered, given the digests of what it refers to in the cluster.
    #[must_use]
    pub fn full_digest(&self, live: &[String]) -> String {
        if live.is_empty() {
            return self.digest.clone();
        }
        Digest::of_parts(std::iter::once(&self.digest).chain(live)).to_string()
    }

    /// What its object's annotation says: the digest, before or after, and which run.
    #[must_use]
    pub fn mark(&self, full: &str) -> String {
        let (when, run) = (self.when.as_str(), &self.run);
        if run.is_empty() { format!("{full}.{when}") } else { format!("{full}.{when}.{run}") }
    }
}

/// The events of an operation: before and after.
fn events(operation: Operation, on_rollback: OnRollback) -> [(When, HookEvent); 2] {
    match operation {
        Operation::Install => [(When::Pre, HookEvent::PreInstall), (When::Post, HookEvent::PostInstall)],
        Operation::Rollback if on_rollback == OnRollback::Rollback => {
            [(When::Pre, HookEvent::PreRollback), (When::Post, HookEvent::PostRollback)]
        }
        Operation::Upgrade | Operation::Rollback => {
            [(When::Pre, HookEvent::PreUpgrade), (When::Post, HookEvent::PostUpgrade)]
        }
        Operation::Delete => [(When::Pre, HookEvent::PreDelete), (When::Post, HookEvent::PostDelete)],
    }
}

/// The hooks of an event in the order in which they run.
#[must_use]
pub fn of_event(hooks: &[Hook], event: HookEvent) -> Vec<&Hook> {
    let mut hooks: Vec<&Hook> = hooks.iter().filter(|h| h.events.contains(&event)).collect();
    hooks.sort_by(|a, b| a.weight.cmp(&b.weight).then_with(|| a.object.id.name.cmp(&b.object.id.name)));
    hooks
}

/// The hooks that an operation makes due, in the order in which they run. `inherited` are completions of apps that Git
/// has no more: a renamed app's hooks do not run again.
#[must_use]
pub fn due(
    app: &RenderedApp,
    cloud: &RenderedCloud,
    operation: Operation,
    memory: &AppMemory,
    inherited: &BTreeMap<String, String>,
) -> Vec<DueHook> {
    if app.hooks.is_empty() {
        return Vec::new();
    }
    let policy = &app.policy.hooks;
    let record = memory.operation.begun(operation, &app.digest.to_string());
    let remembers = match operation {
        Operation::Install => true,
        Operation::Upgrade => policy.rerun == Rerun::Changed,
        Operation::Rollback => policy.on_rollback == OnRollback::Upgrade && policy.rerun == Rerun::Changed,
        Operation::Delete => false,
    };
    let referable = referable(app, cloud);
    let mut out = Vec::new();
    for (when, event) in events(operation, policy.on_rollback) {
        for hook in of_event(&app.hooks, event) {
            if policy.skip.iter().any(|s| s.matches(&hook.object.id)) {
                continue;
            }
            let (digest, live) = digest(&hook.object, &referable);
            let this = step(&hook.object.id, when);
            let other = step(&hook.object.id, if when == When::Pre { When::Post } else { When::Pre });
            let id_key = key(&hook.object.id);
            // What ran for this operation's other event, or is running, does not count as remembered.
            let fresh = !record.is_done(&this, None) && !record.is_done(&other, None);
            let remembered = memory
                .hooks
                .get(&id_key)
                .or_else(|| inherited.get(&id_key))
                .filter(|_| remembers && fresh && record.failure(&this).is_none());
            if remembered == Some(&digest) && live.is_empty() {
                continue;
            }
            // With references in the cluster the digest in the record has their content; they are not read again.
            let known = if live.is_empty() { Some(digest.as_str()) } else { None };
            if record.is_done(&this, known) {
                continue;
            }
            out.push(DueHook {
                id: hook.object.id.clone(),
                when,
                event,
                digest,
                weight: hook.weight,
                unless: remembered.filter(|_| !live.is_empty()).cloned(),
                live,
                run: run(remembers, &record),
                failed: record.failure(&this).map(str::to_owned),
            });
        }
    }
    out
}

/// All hooks of an app's installs and upgrades with the digests by which their completion is remembered, for an app that somebody
/// else installed.
#[must_use]
pub fn completions(app: &RenderedApp, cloud: &RenderedCloud) -> Vec<DueHook> {
    use HookEvent::{PostInstall, PostUpgrade, PreInstall, PreUpgrade};
    let referable = referable(app, cloud);
    let counts =
        |h: &&Hook| [PreInstall, PostInstall, PreUpgrade, PostUpgrade].iter().any(|e| h.events.contains(e));
    app.hooks
        .iter()
        .filter(counts)
        .map(|hook| {
            let (digest, live) = digest(&hook.object, &referable);
            DueHook { digest, live, ..plain(hook, When::Post, PostUpgrade) }
        })
        .collect()
}

/// The delete hooks of an app that Git has no more.
#[must_use]
pub fn due_on_delete(hooks: &[Hook], memory: &AppMemory) -> Vec<DueHook> {
    let record = memory.operation.begun(Operation::Delete, "");
    let mut out = Vec::new();
    for (when, event) in events(Operation::Delete, OnRollback::Rollback) {
        for hook in of_event(hooks, event) {
            let this = step(&hook.object.id, when);
            if record.is_done(&this, None) {
                continue;
            }
            out.push(DueHook {
                run: run(false, &record),
                failed: record.failure(&this).map(str::to_owned),
                ..plain(hook, when, event)
            });
        }
    }
    out
}

/// A hook on its own, for a test or to restore its object.
#[must_use]
pub fn plain(hook: &Hook, when: When, event: HookEvent) -> DueHook {
    DueHook {
        id: hook.object.id.clone(),
        when,
        event,
        digest: hook.object.digest.to_string(),
        weight: hook.weight,
        live: Vec::new(),
        unless: None,
        run: String::new(),
        failed: None,
    }
}

fn run(remembers: bool, record: &super::operation::OperationRecord) -> String {
    match (remembers, record.attempt) {
        (true, 0) => String::new(),
        (true, attempt) => format!("again{attempt}"),
        (false, 0) => record.number.to_string(),
        (false, attempt) => format!("{}.again{attempt}", record.number),
    }
}

/// The key by which a hook's completion is remembered.
#[must_use]
pub fn key(id: &ObjectId) -> String {
    format!("{}/{}/{}/{}", id.group, id.kind, id.namespace.as_deref().unwrap_or(""), id.name)
}

/// The digests of what hooks may refer to: ConfigMaps and Secrets by kind, namespace and name.
type Referable<'a> = HashMap<(&'a str, &'a str, &'a str), Digest>;

fn referable<'a>(app: &'a RenderedApp, cloud: &'a RenderedCloud) -> Referable<'a> {
    let objects = cloud.objects().chain(app.hooks.iter().map(|h| &h.object));
    objects
        .filter(|o| o.id.is("", "ConfigMap") || o.id.is("", "Secret"))
        .map(|o| ((&*o.id.kind, o.id.namespace.as_deref().unwrap_or(""), &*o.id.name), o.digest))
        .collect()
}

/// The digest of a hook's text and of what it refers to in Git, and what it refers to beyond that.
fn digest(object: &Object, referable: &Referable<'_>) -> (String, Vec<Reference>) {
    // Only pods read ConfigMaps and Secrets; other kinds' fields of the same name mean something else.
    let pods = object.id.is("", "Pod") || object.id.is("batch", "Job");
    let found = if pods { references_of(object) } else { Vec::new() };
    let namespace = object.id.namespace.as_deref().unwrap_or("");
    let mut parts = vec![object.digest.to_string()];
    let mut live = Vec::new();
    for reference in found {
        let Reference { kind, name, .. } = &reference;
        match referable.get(&(*kind, namespace, name.as_str())) {
            Some(digest) => parts.push(format!("{kind} {name} {digest}")),
            None => live.push(reference),
        }
    }
    (Digest::of_parts(parts).to_string(), live)
}

/// The ConfigMaps and Secrets that a hook's pods refer to.
#[must_use]
pub fn references_of(object: &Object) -> Vec<Reference> {
    let mut found = references(&object.json());
    found.retain(|r| r.kind != "PersistentVolumeClaim");
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reference_into_the_cluster_counts_however_many_there_are() {
        let sources: Vec<serde_json::Value> =
            (0..100).map(|n| serde_json::json!({"secretRef": {"name": format!("s{n}")}})).collect();
        let pod = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {"containers": [{"name": "main", "envFrom": sources}]}});
        let origin = crate::cloud::Origin { file: "test".into(), line: 1 };
        let mut names = crate::cloud::Interner::default();
        let object = Object::build(pod, Some("n"), origin, &mut names).unwrap();
        assert_eq!(digest(&object, &Referable::new()).1.len(), 100);
    }
}
