//! Which of an app's Helm hooks are due, and in which order. Pure.
//!
//! Events and order follow Helm 4 (<https://helm.sh/docs/topics/charts_hooks/>): by weight, then by name, one after
//! another. Deviation: a hook that completed is remembered by the digest of its text and of the ConfigMaps and Secrets it
//! refers to, and is not run again while that digest stays; Helm runs unchanged hooks again at each upgrade. Install,
//! upgrade or rollback is decided by what the inventory remembers, not by a release history. Delete and test hooks are
//! not run by a sync.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde_json::Value;

use crate::cloud::{Digest, Hook, HookEvent, Object, ObjectId, RenderedApp, RenderedCloud};

/// What happens to an app as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// It was never applied whole.
    Install,
    /// Its render differs from the one applied.
    Upgrade,
    /// Its render is one that was live before.
    Rollback,
}

/// Before or after the app's objects are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Before.
    Pre,
    /// After they are applied, not after they are ready.
    Post,
}

/// A hook that is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DueHook {
    /// Its object.
    pub id: ObjectId,
    /// When.
    pub when: When,
    /// The digest by which its completion is remembered.
    pub digest: String,
    /// Its weight.
    pub weight: i64,
}

/// The operation, or `None` when the render is the applied one.
#[must_use]
pub fn operation(applied: Option<Digest>, past: &[String], render: Digest) -> Option<Operation> {
    match applied {
        None => Some(Operation::Install),
        Some(applied) if applied == render => None,
        Some(_) if past.contains(&render.to_string()) => Some(Operation::Rollback),
        Some(_) => Some(Operation::Upgrade),
    }
}

/// The hooks that an operation makes due, in the order in which they run.
#[must_use]
pub fn due(
    app: &RenderedApp,
    cloud: &RenderedCloud,
    operation: Operation,
    done: &BTreeMap<String, String>,
) -> Vec<DueHook> {
    if app.hooks.is_empty() {
        return Vec::new();
    }
    let referable = referable(app, cloud);
    let mut out = Vec::new();
    for (when, event) in [(When::Pre, true), (When::Post, false)] {
        let wanted = match (operation, event) {
            (Operation::Install, true) => HookEvent::PreInstall,
            (Operation::Install, false) => HookEvent::PostInstall,
            (Operation::Upgrade, true) => HookEvent::PreUpgrade,
            (Operation::Upgrade, false) => HookEvent::PostUpgrade,
            (Operation::Rollback, true) => HookEvent::PreRollback,
            (Operation::Rollback, false) => HookEvent::PostRollback,
        };
        let mut hooks: Vec<&Hook> = app
            .hooks
            .iter()
            .filter(|h| h.events.contains(&wanted))
            .filter(|h| !app.policy.hooks.skip.iter().any(|s| s.matches(&h.object.id)))
            .collect();
        hooks.sort_by(|a, b| a.weight.cmp(&b.weight).then_with(|| a.object.id.name.cmp(&b.object.id.name)));
        for hook in hooks {
            let digest = digest(&hook.object, &referable);
            if done.get(&key(&hook.object.id)) != Some(&digest) {
                out.push(DueHook { id: hook.object.id.clone(), when, digest, weight: hook.weight });
            }
        }
    }
    out
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

fn digest(object: &Object, referable: &Referable<'_>) -> String {
    let mut names = Vec::new();
    references(&object.json(), "", &mut names, 0);
    names.sort();
    names.dedup();
    let namespace = object.id.namespace.as_deref().unwrap_or("");
    let mut parts = vec![object.digest.to_string()];
    for (kind, name) in &names {
        if let Some(digest) = referable.get(&(kind, namespace, name.as_str())) {
            parts.push(format!("{kind} {name} {digest}"));
        }
    }
    Digest::of_parts(parts).to_string()
}

/// How deep a hook's body is followed.
const MAX_DEPTH: usize = 64;

/// ConfigMaps and Secrets that a body names in the fields that pods have for them.
fn references(value: &Value, under: &str, out: &mut Vec<(&'static str, String)>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            let name = |field: &str| map.get(field).and_then(Value::as_str).map(str::to_owned);
            match under {
                "configMap" | "configMapRef" | "configMapKeyRef" => {
                    out.extend(name("name").map(|n| ("ConfigMap", n)))
                }
                "secret" => out.extend(name("secretName").or_else(|| name("name")).map(|n| ("Secret", n))),
                "secretRef" | "secretKeyRef" | "imagePullSecrets" => {
                    out.extend(name("name").map(|n| ("Secret", n)))
                }
                _ => {}
            }
            for (key, value) in map {
                references(value, key, out, depth + 1);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, under, out, depth + 1)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_upgrade_and_rollback_are_told_by_renders() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        assert_eq!(operation(None, &[], a), Some(Operation::Install));
        assert_eq!(operation(Some(a), &[], a), None);
        assert_eq!(operation(Some(a), &[], b), Some(Operation::Upgrade));
        assert_eq!(operation(Some(a), &[b.to_string()], b), Some(Operation::Rollback));
    }

    #[test]
    fn what_a_pod_names_is_found() {
        let body = serde_json::json!({"spec": {"template": {"spec": {
            "containers": [{"envFrom": [{"configMapRef": {"name": "env"}}],
                "env": [{"valueFrom": {"secretKeyRef": {"name": "db", "key": "x"}}}]}],
            "volumes": [{"configMap": {"name": "etc"}}, {"secret": {"secretName": "tls"}},
                {"projected": {"sources": [{"secret": {"name": "proj"}}]}}]}}}});
        let mut found = Vec::new();
        references(&body, "", &mut found, 0);
        found.sort();
        let names: Vec<&str> = found.iter().map(|(_, n)| n.as_str()).collect();
        assert_eq!(names, ["env", "etc", "db", "proj", "tls"]);
    }
}
