//! A plan and an object's change, for people. Secrets are masked here and only here; what this module gives are types
//! that can be printed and cannot be applied.

use std::fmt::Write as _;

use serde_json::Value;

use super::hooks::When;
use super::{Action, Plan};
use crate::cloud::ObjectId;

/// An object as it may be shown: YAML with secret values replaced. Not a manifest: it cannot be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown(String);

impl Shown {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Annotations whose values repeat the object (client-side apply's record), secrets included.
const SERVER_ANNOTATIONS: [&str; 2] =
    ["kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/revision"];
/// Metadata that the server writes.
const SERVER_METADATA: [&str; 8] = [
    "managedFields",
    "resourceVersion",
    "uid",
    "generation",
    "creationTimestamp",
    "selfLink",
    "ownerReferences",
    "deletionGracePeriodSeconds",
];

/// An object for display: what the server writes by itself is left out, secrets are masked.
#[must_use]
pub fn shown(id: &ObjectId, object: &Value) -> Shown {
    if object.is_null() {
        return Shown(String::new());
    }
    let mut object = object.clone();
    if let Some(map) = object.as_object_mut() {
        map.remove("status");
        if let Some(meta) = map.get_mut("metadata").and_then(Value::as_object_mut) {
            for field in SERVER_METADATA {
                meta.remove(field);
            }
            if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
                for name in SERVER_ANNOTATIONS {
                    annotations.remove(name);
                }
            }
        }
    }
    if id.is("", "Secret") {
        mask_secret(&mut object);
    }
    Shown(yaml(&object))
}

/// Replaces every value of a Secret by its length and a short digest, so that a change shows and the value does not.
/// The digest is of the value together with the object's place, so equal values of two Secrets do not look equal.
fn mask_secret(object: &mut Value) {
    let place = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    for field in ["data", "stringData"] {
        let Some(map) = object.get_mut(field).and_then(Value::as_object_mut) else { continue };
        for (key, value) in map.iter_mut() {
            let text = value.as_str().unwrap_or_default();
            let digest = crate::cloud::Digest::of_parts([place.as_str(), key.as_str(), text]);
            *value = Value::from(format!("<masked, {} characters, {}>", text.len(), &digest.short()[..6]));
        }
    }
}

/// Plain block YAML of a JSON value. For reading only: strings are quoted as JSON wherever a reader could doubt.
fn yaml(value: &Value) -> String {
    let mut out = String::new();
    write_yaml(value, 0, &mut out);
    out
}

/// How deep a shown object is followed; deeper parts are shown as JSON.
const MAX_DEPTH: usize = 64;

fn write_yaml(value: &Value, depth: usize, out: &mut String) {
    let pad = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() && depth < MAX_DEPTH => {
            for (key, value) in map {
                let _ = write!(out, "{pad}{}:", scalar(key));
                write_child(value, depth, out);
            }
        }
        Value::Array(items) if !items.is_empty() && depth < MAX_DEPTH => {
            for item in items {
                let mut inner = String::new();
                write_yaml(item, depth + 1, &mut inner);
                let body = inner.strip_prefix(&"  ".repeat(depth + 1)).unwrap_or(&inner);
                let _ = write!(out, "{pad}- {body}");
            }
        }
        Value::String(text) => {
            let _ = writeln!(out, "{pad}{}", scalar(text));
        }
        other => {
            let _ = writeln!(out, "{pad}{other}");
        }
    }
}

fn write_child(value: &Value, depth: usize, out: &mut String) {
    match value {
        Value::Object(map) if !map.is_empty() && depth + 1 < MAX_DEPTH => {
            out.push('\n');
            write_yaml(value, depth + 1, out);
        }
        Value::Array(items) if !items.is_empty() && depth + 1 < MAX_DEPTH => {
            out.push('\n');
            write_yaml(value, depth, out);
        }
        Value::String(text) if text.contains('\n') && !text.starts_with([' ', '\n']) => {
            out.push_str(if text.ends_with('\n') { " |\n" } else { " |-\n" });
            for line in text.lines() {
                let _ = writeln!(out, "{}{line}", "  ".repeat(depth + 1));
            }
        }
        Value::String(text) => {
            let _ = writeln!(out, " {}", scalar(text));
        }
        other => {
            let _ = writeln!(out, " {other}");
        }
    }
}

fn scalar(text: &str) -> String {
    let plain = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./@<>, ()".contains(&b))
        && text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '<')
        && !text.ends_with(' ')
        && !matches!(
            text.to_ascii_lowercase().as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n"
        );
    if plain { text.to_owned() } else { Value::from(text).to_string() }
}

/// A unified diff of two shown objects, without file headers; empty when they are equal.
#[must_use]
pub fn diff(before: &Shown, after: &Shown) -> String {
    if before == after {
        return String::new();
    }
    similar::TextDiff::from_lines(before.as_str(), after.as_str())
        .unified_diff()
        .context_radius(3)
        .to_string()
}

/// One line about an action: `update   Deployment.apps openstack/keystone-api   rendered text changed`.
#[must_use]
pub fn line(action: &Action) -> String {
    format!("{:<8} {}  ({})", action.verb.as_str(), action.id, action.reason)
}

/// The whole plan as lines, per app.
#[must_use]
pub fn listing(plan: &Plan) -> String {
    let mut out = String::new();
    for app in plan.apps.iter().filter(|a| {
        !a.applies.is_empty() || !a.prunes.is_empty() || !a.pending.is_empty() || !a.hooks.is_empty()
    }) {
        let _ = writeln!(out, "app {}{}", app.app, if app.removed { " (not in Git any more)" } else { "" });
        for input in &app.pending {
            let _ = writeln!(out, "  pending: {input}; what was applied stays as it is");
        }
        for hook in app.hooks.iter().filter(|h| h.when == When::Pre) {
            let _ = writeln!(out, "  hook     {}  (before, weight {})", hook.id, hook.weight);
        }
        for action in &app.applies {
            let _ = writeln!(out, "  {}", line(action));
        }
        for hook in app.hooks.iter().filter(|h| h.when == When::Post) {
            let _ = writeln!(out, "  hook     {}  (after, weight {})", hook.id, hook.weight);
        }
        for action in &app.prunes {
            let _ = writeln!(out, "  {}", line(action));
        }
    }
    for secret in &plan.secrets {
        let _ = writeln!(out, "{} [{}]", secret.line(), secret.app);
    }
    for left in &plan.left {
        let _ = writeln!(out, "left     {} [{}]: {}", left.id, left.app, left.why());
    }
    for held in &plan.held {
        let _ = writeln!(out, "held     {} [{}]: {}", held.what, held.app, held.hold);
    }
    let (refused, waiting): (Vec<_>, Vec<_>) = plan.withheld.iter().partition(|w| w.guard.is_final());
    if let Some(digest) = plan.approval {
        let _ = writeln!(out, "withheld until approved: retune approve {digest}");
    }
    for held in waiting {
        let _ = writeln!(out, "  {} [{}]: {}", line(&held.action), held.app, held.guard);
    }
    for held in refused {
        let _ = writeln!(out, "refused: {} [{}]: {}", line(&held.action), held.app, held.guard);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_secret_is_masked_and_a_change_still_shows() {
        let id = ObjectId::new("", "Secret", Some("n"), "db");
        let secret = |password: &str| json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "uid": "x"}, "data": {"password": password}});
        let (before, after) = (shown(&id, &secret("aHVudGVyMg==")), shown(&id, &secret("aHVudGVyMw==")));
        assert!(!before.as_str().contains("aHVudGVy"));
        assert!(before.as_str().contains("<masked, 12 characters, "));
        assert_ne!(before, after);
        assert!(diff(&before, &after).contains("-  password: <masked"));
    }

    #[test]
    fn an_object_is_shown_as_yaml_without_what_the_server_wrote() {
        let id = ObjectId::new("apps", "Deployment", Some("n"), "api");
        let object = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "api", "managedFields": [], "resourceVersion": "1"},
            "spec": {"on": "yes", "replicas": 1, "list": [{"a": 1, "b": [1]}, "x"], "text": "one\ntwo\n"}, "status": {}});
        let text = shown(&id, &object);
        assert_eq!(
            text.as_str(),
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: api\nspec:\n  list:\n  - a: 1\n    b:\n    - 1\n  - x\n  \"on\": \"yes\"\n  replicas: 1\n  text: |\n    one\n    two\n"
        );
    }
}
