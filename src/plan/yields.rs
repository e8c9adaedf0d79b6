//! Fields that Git states and someone else rightly owns: left out of what is applied, so that they are neither drift nor
//! fought for. Pure.
//!
//! - `spec.replicas` of what a HorizontalPodAutoscaler of the same cloud targets;
//! - paths that an app's `spec.drift.ignore` names (JSON pointers through maps; list elements cannot be named yet);
//! - `data` of Secrets and ConfigMaps that are shipped empty (filled at run time).
//!
//! An object is created with its fields as Git has them; then they are handed over (see [`crate::apply`]), because a
//! field that its only owner leaves out is reset by the server. HorizontalPodAutoscalers that are not in Git are not seen.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use crate::cloud::{Digest, Object, ObjectId, RenderedApp, RenderedCloud};

/// What of an object is yielded.
#[derive(Debug, Clone)]
pub struct Yielded {
    /// The object as Git has it.
    pub full: Object,
    /// The paths that are left out, as map keys from the root.
    pub paths: Vec<Vec<String>>,
    /// To whom, for people.
    pub to: Vec<String>,
}

/// The cloud without yielded fields, and what was yielded.
#[must_use]
pub fn split(cloud: &Arc<RenderedCloud>) -> (Arc<RenderedCloud>, HashMap<ObjectId, Arc<Yielded>>) {
    let scaled = autoscaled(cloud);
    let mut yielded = HashMap::new();
    let mut out: Option<RenderedCloud> = None;
    for (index, app) in cloud.apps.iter().enumerate() {
        let mut changed: Option<RenderedApp> = None;
        for (at, object) in app.objects.iter().enumerate() {
            let (paths, to) = paths_of(app, object, &scaled);
            if paths.is_empty() {
                continue;
            }
            let mut body = object.json();
            let present: Vec<Vec<String>> =
                paths.into_iter().filter(|path| remove(&mut body, path)).collect();
            if present.is_empty() {
                continue;
            }
            let text = body.to_string();
            let stripped =
                Object { digest: Digest::of(text.as_bytes()), body: text.into(), ..object.clone() };
            changed.get_or_insert_with(|| (**app).clone()).objects[at] = stripped;
            let entry = Yielded { full: object.clone(), paths: present, to };
            yielded.insert(object.id.clone(), Arc::new(entry));
        }
        if let Some(changed) = changed {
            out.get_or_insert_with(|| (**cloud).clone()).apps[index] = Arc::new(changed);
        }
    }
    (out.map_or_else(|| Arc::clone(cloud), Arc::new), yielded)
}

/// What autoscalers of the cloud target.
fn autoscaled(cloud: &RenderedCloud) -> HashMap<ObjectId, String> {
    let mut out = HashMap::new();
    for scaler in cloud.objects().filter(|o| o.id.is("autoscaling", "HorizontalPodAutoscaler")) {
        let body = scaler.json();
        let text = |field: &str| {
            body.pointer("/spec/scaleTargetRef")
                .and_then(|r| r.get(field))
                .and_then(Value::as_str)
                .unwrap_or_default()
        };
        let (group, _) = crate::cloud::object::split_api_version(text("apiVersion"));
        let id = ObjectId::new(group, text("kind"), scaler.id.namespace.as_deref(), text("name"));
        out.insert(id, scaler.id.to_string());
    }
    out
}

fn paths_of(
    app: &RenderedApp,
    object: &Object,
    scaled: &HashMap<ObjectId, String>,
) -> (Vec<Vec<String>>, Vec<String>) {
    let (mut paths, mut to) = (Vec::new(), Vec::new());
    if let Some(scaler) = scaled.get(&object.id) {
        paths.push(vec!["spec".to_owned(), "replicas".to_owned()]);
        to.push(scaler.clone());
    }
    for rule in app.policy.drift.ignore.iter().filter(|r| r.objects.matches(&object.id)) {
        for pointer in &rule.paths {
            paths.push(pointer.split('/').skip(1).map(|s| s.replace("~1", "/").replace("~0", "~")).collect());
            to.push(format!("spec.drift.ignore {pointer}"));
        }
    }
    let shipped_empty =
        (object.id.is("", "Secret") || object.id.is("", "ConfigMap")) && object.body.contains("\"data\":{}");
    if shipped_empty {
        paths.push(vec!["data".to_owned()]);
        to.push("whoever fills it".to_owned());
    }
    (paths, to)
}

/// Removes what is at a path; whether there was anything. The root and identity are never removed.
fn remove(body: &mut Value, path: &[String]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    if matches!(path.first().map(String::as_str), Some("apiVersion" | "kind")) || path == ["metadata"] {
        return false;
    }
    let mut node = body;
    for step in parents {
        match node.get_mut(step) {
            Some(next) => node = next,
            None => return false,
        }
    }
    node.as_object_mut().is_some_and(|map| map.remove(last).is_some())
}

/// What `from` has at the paths, alone in an otherwise empty tree.
#[must_use]
pub fn extract(from: &Value, paths: &[Vec<String>]) -> Value {
    let mut out = Value::Object(serde_json::Map::new());
    for path in paths {
        let Some((last, parents)) = path.split_last() else { continue };
        let found = path.iter().try_fold(from, |node, step| node.get(step));
        let Some(found) = found else { continue };
        let mut node = &mut out;
        for step in parents {
            node = &mut node[step.as_str()];
            if node.is_null() {
                *node = Value::Object(serde_json::Map::new());
            }
        }
        node[last.as_str()] = found.clone();
    }
    out
}

/// Whether a field set (`fieldsV1`) holds any of the paths.
#[must_use]
pub fn holds_any(set: &Value, paths: &[Vec<String>]) -> bool {
    paths.iter().any(|path| path.iter().try_fold(set, |node, step| node.get(format!("f:{step}"))).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_is_taken_out_and_found_alone() {
        let path = vec!["spec".to_owned(), "replicas".to_owned()];
        let mut body = json!({"kind": "Deployment", "spec": {"replicas": 3, "x": 1}});
        assert_eq!(extract(&body, std::slice::from_ref(&path)), json!({"spec": {"replicas": 3}}));
        assert!(remove(&mut body, &path));
        assert!(!remove(&mut body, &path));
        assert_eq!(body, json!({"kind": "Deployment", "spec": {"x": 1}}));
        assert!(!remove(&mut body, &["kind".to_owned()]));
    }

    #[test]
    fn a_field_set_tells_whether_a_path_is_owned() {
        let path = vec![vec!["spec".to_owned(), "replicas".to_owned()]];
        assert!(holds_any(&json!({"f:spec": {"f:replicas": {}}}), &path));
        assert!(!holds_any(&json!({"f:spec": {"f:template": {}}}), &path));
    }
}
