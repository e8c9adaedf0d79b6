//! `metadata.managedFields`: who owns which field of an object. Pure.
//!
//! The API server keeps, per field manager, operation and subresource, the set of fields that manager last set
//! (`fieldsV1`, <https://kubernetes.io/docs/reference/using-api/server-side-apply/#fieldsv1>). Whoever changes a field
//! that retune applied takes it out of retune's set; so the hash of retune's own set, its time and the generation
//! tell drift from metadata alone. Measured, row by row, in `tests/it/drift.rs`.

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::MANAGER;
use crate::plan::operators::{self, Contested, Held, Taken};
use crate::plan::yields::keyed;

/// One entry of `managedFields`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The field manager.
    #[serde(default)]
    pub manager: String,
    /// `Apply` or `Update`.
    #[serde(default)]
    pub operation: String,
    /// The subresource the write went through, empty for the object itself.
    #[serde(default)]
    pub subresource: String,
    /// When; `kubectl scale` leaves none.
    #[serde(default)]
    pub time: Option<String>,
    /// The owned fields, as the server wrote them.
    #[serde(default, rename = "fieldsV1")]
    pub fields: Option<Box<RawValue>>,
}

/// The fingerprint of a manager's own field set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OwnSet {
    /// The first eight bytes of the SHA-256 of the `fieldsV1` text.
    pub hash: u64,
    /// The entry's time, seconds since the epoch.
    pub time: i64,
}

/// The entry that server-side apply as `retune` left.
#[must_use]
pub fn own_entry(entries: &[Entry]) -> Option<&Entry> {
    entries.iter().find(|e| e.manager == MANAGER && e.operation == "Apply" && e.subresource.is_empty())
}

/// The entries of a whole live object.
#[must_use]
pub fn entries_of(live: &Value) -> Vec<Entry> {
    live.pointer("/metadata/managedFields")
        .cloned()
        .and_then(|entries| serde_json::from_value(entries).ok())
        .unwrap_or_default()
}

/// An entry's field set; null when there is none.
#[must_use]
pub fn parsed(entry: Option<&Entry>) -> Value {
    entry.and_then(|e| e.fields.as_ref()).and_then(|f| serde_json::from_str(f.get()).ok()).unwrap_or_default()
}

/// Two field sets as one.
#[must_use]
pub fn merged(one: &Value, other: &Value) -> Value {
    match (one, other) {
        (Value::Object(a), Value::Object(b)) => {
            let mut out = a.clone();
            for (key, value) in b {
                let both = match a.get(key) {
                    Some(found) => merged(found, value),
                    None => value.clone(),
                };
                out.insert(key.clone(), both);
            }
            Value::Object(out)
        }
        (Value::Null, other) => other.clone(),
        (one, _) => one.clone(),
    }
}

/// The contested fields of a body that operators have taken, by the object's entries.
#[must_use]
pub fn taken(body: &Value, rules: &[Contested], entries: &[Entry]) -> Vec<Taken> {
    if rules.is_empty() {
        return Vec::new();
    }
    let own = parsed(own_entry(entries));
    let others: Vec<(&str, Value)> = entries
        .iter()
        .filter(|e| !(e.manager == MANAGER && e.operation == "Apply"))
        .map(|e| (e.manager.as_str(), parsed(Some(e))))
        .collect();
    let held: Vec<Held<'_>> = others.iter().map(|(manager, fields)| Held { manager, fields }).collect();
    operators::taken(body, rules, &own, &held)
}

/// The fingerprint of retune's own entry.
#[must_use]
pub fn own_set(entries: &[Entry]) -> Option<OwnSet> {
    let entry = own_entry(entries)?;
    let text = entry.fields.as_ref().map_or("", |f| f.get());
    let digest = Sha256::digest(text.as_bytes());
    let mut first = [0_u8; 8];
    first.copy_from_slice(&digest[..8]);
    let time = entry.time.as_deref().and_then(epoch_seconds).unwrap_or(0);
    Some(OwnSet { hash: u64::from_be_bytes(first), time })
}

/// The manager that owns a finalizer: whoever put it there.
#[must_use]
pub fn finalizer_manager(entries: &[Entry], finalizer: &str) -> Option<String> {
    let value = format!("v:{}", Value::from(finalizer));
    entries
        .iter()
        .find(|e| {
            e.fields
                .as_ref()
                .and_then(|f| serde_json::from_str::<Value>(f.get()).ok())
                .is_some_and(|f| f["f:metadata"]["f:finalizers"].get(&value).is_some())
        })
        .map(|e| e.manager.clone())
}

/// Seconds since the epoch of an RFC 3339 time (`2026-11-22T11:00:00Z`, or with another offset).
#[must_use]
pub fn epoch_seconds(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// A field that retune applied and no longer owns, and who does.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lost {
    /// The path, e.g. `spec.template.spec.containers[name=api].image`.
    pub field: String,
    /// Who owns it now; `None` when it was removed (a removal leaves no owner).
    pub taken_by: Option<Taker>,
}

/// Who took a field.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Taker {
    /// The field manager.
    pub manager: String,
    /// `Apply` or `Update`.
    pub operation: String,
    /// The subresource, when the write went through one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub subresource: String,
    /// When, if the server knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

impl std::fmt::Display for Taker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({}", self.manager, self.operation)?;
        if !self.subresource.is_empty() {
            write!(f, ", {}", self.subresource)?;
        }
        if let Some(time) = &self.time {
            write!(f, ", {time}")?;
        }
        f.write_str(")")
    }
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.taken_by {
            Some(taker) => write!(f, "{} taken by {taker}", self.field),
            None => write!(f, "{} removed", self.field),
        }
    }
}

/// How deep a body or a field set is followed.
const MAX_DEPTH: usize = 64;
/// How many lost fields a report lists.
const MAX_LOST: usize = 20;

/// A step of a path into an object.
#[derive(Debug, Clone)]
enum Step {
    Field(String),
    /// A list element, by the JSON text of its key as `fieldsV1` has it (`{"name":"api"}`).
    Key(String),
}

/// The fields of `desired` (the body retune applied) that retune's own set does not hold, and who holds them.
#[must_use]
pub fn lost(desired: &Value, entries: &[Entry]) -> Vec<Lost> {
    let sets: Vec<(usize, Value)> = entries
        .iter()
        .enumerate()
        .filter_map(|(i, e)| Some((i, serde_json::from_str(e.fields.as_ref()?.get()).ok()?)))
        .collect();
    let own_index = entries
        .iter()
        .position(|e| e.manager == MANAGER && e.operation == "Apply" && e.subresource.is_empty());
    let own = own_index.and_then(|i| sets.iter().find(|(n, _)| *n == i)).map(|(_, set)| set);
    let mut paths = Vec::new();
    let mut path = Vec::new();
    if let Value::Object(fields) = desired {
        for (name, value) in fields {
            match (name.as_str(), value) {
                ("apiVersion" | "kind", _) => {}
                ("metadata", Value::Object(meta)) => {
                    path.push(Step::Field(name.clone()));
                    let node = own.and_then(|o| o.get("f:metadata"));
                    for (key, value) in
                        meta.iter().filter(|(k, _)| !matches!(k.as_str(), "name" | "namespace"))
                    {
                        visit(key, value, node, &mut path, &mut paths, 2);
                    }
                    path.pop();
                }
                _ => visit(name, value, own, &mut path, &mut paths, 1),
            }
        }
    }
    paths.truncate(MAX_LOST);
    paths
        .into_iter()
        .map(|steps| {
            let taker = sets
                .iter()
                .filter(|(i, _)| Some(*i) != own_index)
                .filter(|(_, set)| holds(set, &steps))
                // The latest write is the one that took the field.
                .max_by_key(|(i, _)| entries[*i].time.as_deref().and_then(epoch_seconds).unwrap_or(i64::MAX))
                .map(|(i, _)| {
                    let e = &entries[*i];
                    Taker {
                        manager: e.manager.clone(),
                        operation: e.operation.clone(),
                        subresource: e.subresource.clone(),
                        time: e.time.clone(),
                    }
                });
            Lost { field: display(&steps), taken_by: taker }
        })
        .collect()
}

fn visit(
    name: &str,
    value: &Value,
    parent: Option<&Value>,
    path: &mut Vec<Step>,
    out: &mut Vec<Vec<Step>>,
    depth: usize,
) {
    if depth > MAX_DEPTH || out.len() >= MAX_LOST {
        return;
    }
    path.push(Step::Field(name.to_owned()));
    let node = parent.and_then(|p| p.get(format!("f:{name}")));
    visit_value(value, node, path, out, depth);
    path.pop();
}

fn visit_value(
    value: &Value,
    node: Option<&Value>,
    path: &mut Vec<Step>,
    out: &mut Vec<Vec<Step>>,
    depth: usize,
) {
    let children = node.and_then(Value::as_object);
    match (value, node) {
        // Owned as a leaf (atomic, or a scalar).
        (_, Some(_)) if children.is_none_or(serde_json::Map::is_empty) => {}
        (Value::Object(fields), _) if !fields.is_empty() => {
            for (name, value) in fields {
                visit(name, value, node, path, out, depth + 1);
            }
        }
        (Value::Array(items), Some(node)) => {
            let keys: Vec<&str> =
                children.into_iter().flat_map(|c| c.keys()).filter_map(|k| k.strip_prefix("k:")).collect();
            let Some(shape) = keys.first().and_then(|k| serde_json::from_str::<Value>(k).ok()) else {
                // A set of scalars (`v:`) or an index list: each value is its own leaf.
                for item in items {
                    let key = format!("v:{item}");
                    if node.get(&key).is_none() {
                        path.push(Step::Key(item.to_string()));
                        out.push(path.clone());
                        path.pop();
                    }
                }
                return;
            };
            for item in items {
                let found = keys.iter().find(|k| {
                    serde_json::from_str::<Value>(k).ok().is_some_and(|key| {
                        key.as_object().is_some_and(|key| key.iter().all(|(n, v)| keyed(item, n, v)))
                    })
                });
                let text = match found {
                    Some(key) => (*key).to_owned(),
                    None => {
                        let names = shape.as_object().into_iter().flat_map(|s| s.keys());
                        let key: serde_json::Map<String, Value> =
                            names.map(|n| (n.clone(), item.get(n).cloned().unwrap_or(Value::Null))).collect();
                        Value::Object(key).to_string()
                    }
                };
                let child = node.get(format!("k:{text}"));
                path.push(Step::Key(text));
                match child {
                    Some(child) => visit_value(item, Some(child), path, out, depth + 1),
                    None => out.push(path.clone()),
                }
                path.pop();
            }
        }
        (_, None) => out.push(path.clone()),
        _ => {}
    }
}

fn holds(set: &Value, steps: &[Step]) -> bool {
    let mut node = set;
    for step in steps {
        let next = match step {
            Step::Field(name) => node.get(format!("f:{name}")),
            Step::Key(key) => node.get(format!("k:{key}")).or_else(|| node.get(format!("v:{key}"))),
        };
        match next {
            Some(next) => node = next,
            // A parent owned as one leaf holds all below it.
            None => return node.as_object().is_some_and(serde_json::Map::is_empty),
        }
    }
    true
}

fn display(steps: &[Step]) -> String {
    let mut out = String::new();
    for step in steps {
        match step {
            Step::Field(name) => {
                if name.contains(['.', '/']) {
                    out.push_str(&format!("[{name}]"));
                } else {
                    if !out.is_empty() {
                        out.push('.');
                    }
                    out.push_str(name);
                }
            }
            Step::Key(key) => match serde_json::from_str::<serde_json::Map<String, Value>>(key) {
                Ok(map) => {
                    let parts: Vec<String> = map
                        .iter()
                        .map(|(k, v)| {
                            format!("{k}={}", v.as_str().map_or_else(|| v.to_string(), str::to_owned))
                        })
                        .collect();
                    out.push_str(&format!("[{}]", parts.join(",")));
                }
                Err(_) => out.push_str(&format!("[{key}]")),
            },
        }
    }
    out
}

/// The paths at which `live` does not have what `desired` says. Lists of objects match by content, quantities by
/// value where both sides are plain numbers or strings of the same number; a difference that only the server's
/// normalisation makes costs one apply that changes nothing.
#[must_use]
pub fn differences(desired: &Value, live: &Value) -> Vec<String> {
    let mut out = Vec::new();
    compare(desired, live, "", &mut out, 0);
    out
}

fn compare(desired: &Value, live: &Value, path: &str, out: &mut Vec<String>, depth: usize) {
    if depth > MAX_DEPTH || out.len() >= MAX_LOST {
        return;
    }
    match (desired, live) {
        (Value::Object(want), Value::Object(have)) => {
            for (name, value) in want {
                let at = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                match have.get(name) {
                    Some(found) => compare(value, found, &at, out, depth + 1),
                    // The server leaves out what is empty (`env: [{name: X, value: ""}]`, `hostNetwork: false`). Where it does
                    // not, a field that somebody removes leaves the field set, too, and is seen there.
                    None if is_empty(value) => {}
                    None => out.push(at),
                }
            }
        }
        (Value::Array(want), Value::Array(have)) => {
            for (i, item) in want.iter().enumerate() {
                let same = |found: &Value| {
                    let mut inner = Vec::new();
                    compare(item, found, path, &mut inner, depth + 1);
                    inner.is_empty()
                };
                if !have.get(i).is_some_and(same) && !have.iter().any(same) {
                    out.push(format!("{path}[{i}]"));
                }
            }
        }
        _ if desired == live => {}
        _ if is_quantity(path) && same_quantity(desired, live) => {}
        _ => out.push(path.to_owned()),
    }
}

/// What Go's `omitempty` leaves out.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.values().all(is_empty),
    }
}

/// Fields that hold resource quantities, which the server rewrites (`1000m` to `1`).
fn is_quantity(path: &str) -> bool {
    path.split('.').any(|step| {
        let step = step.split('[').next().unwrap_or(step);
        matches!(
            step,
            "limits"
                | "requests"
                | "hard"
                | "capacity"
                | "overhead"
                | "sizeLimit"
                | "divisor"
                | "averageValue"
                | "default"
                | "defaultRequest"
                | "max"
                | "min"
                | "podFixed"
        )
    })
}

fn same_quantity(a: &Value, b: &Value) -> bool {
    let read = |v: &Value| match v {
        Value::String(text) => quantity(text),
        Value::Number(number) => quantity(&number.to_string()),
        _ => None,
    };
    read(a).is_some_and(|a| read(b) == Some(a))
}

/// A Kubernetes quantity in billionths (<https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>).
fn quantity(text: &str) -> Option<i128> {
    let end =
        text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-' || c == '+')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let scale: i128 = match suffix {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => 1_000_000_000,
        "k" => 1_000_000_000_000,
        "M" => 1_000_000_000_000_000,
        "G" => 1_000_000_000_000_000_000,
        "T" => 1_000_000_000_000_000_000_000,
        "Ki" => 1_024_000_000_000,
        "Mi" => 1_048_576_000_000_000,
        "Gi" => 1_073_741_824_000_000_000,
        "Ti" => 1_099_511_627_776_000_000_000,
        _ => return None,
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.len() > 9 || whole.len() > 15 {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let fraction: i128 = if part.is_empty() { 0 } else { part.parse().ok()? };
    let unit = 10_i128.pow(u32::try_from(part.len()).ok()?);
    Some((whole * unit + fraction) * scale / unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_the_server_leaves_out_because_it_is_empty_is_no_difference() {
        let of = |env: Value| json!({"spec": {"initContainers": [{"name": "init", "env": [env]}]}});
        assert!(
            differences(&of(json!({"name": "JOBS", "value": ""})), &of(json!({"name": "JOBS"}))).is_empty()
        );
        assert_eq!(
            differences(&of(json!({"name": "JOBS", "value": "a"})), &of(json!({"name": "JOBS"}))).len(),
            1
        );
        assert!(differences(&json!({"spec": {"hostNetwork": false}}), &json!({"spec": {}})).is_empty());
    }

    fn entry(manager: &str, operation: &str, subresource: &str, time: Option<&str>, fields: &Value) -> Entry {
        Entry {
            manager: manager.into(),
            operation: operation.into(),
            subresource: subresource.into(),
            time: time.map(str::to_owned),
            fields: Some(RawValue::from_string(fields.to_string()).unwrap()),
        }
    }

    #[test]
    fn times_of_managed_fields_are_seconds_since_the_epoch() {
        assert_eq!(epoch_seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(epoch_seconds("2000-02-29T12:34:56Z"), Some(951_827_696));
        assert_eq!(epoch_seconds("2026-11-22T11:00:00Z"), Some(1_795_345_200));
        assert_eq!(epoch_seconds("yesterday"), None);
    }

    #[test]
    fn a_scaled_deployment_has_lost_its_replicas_to_the_scaler() {
        let desired = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "api", "labels": {"retune.dev/cloud": "c"}},
            "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "api", "image": "a:1"}]}}}});
        let own = json!({"f:metadata": {"f:labels": {"f:retune.dev/cloud": {}}}, "f:spec": {"f:template": {"f:spec":
            {"f:containers": {"k:{\"name\":\"api\"}": {".": {}, "f:name": {}, "f:image": {}}}}}}});
        let scaler = json!({"f:spec": {"f:replicas": {}}});
        let found = lost(
            &desired,
            &[
                entry("retune", "Apply", "", Some("2026-11-22T11:00:00Z"), &own),
                entry("kubectl", "Update", "scale", None, &scaler),
            ],
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].to_string(), "spec.replicas taken by kubectl (Update, scale)");
    }

    #[test]
    fn an_image_changed_by_another_manager_is_named_by_container() {
        let desired = json!({"spec": {"containers": [{"name": "api", "image": "a:1"}]}});
        let own = json!({"f:spec": {"f:containers": {"k:{\"name\":\"api\"}": {".": {}, "f:name": {}}}}});
        let other = json!({"f:spec": {"f:containers": {"k:{\"name\":\"api\"}": {"f:image": {}}}}});
        let found = lost(
            &desired,
            &[
                entry("retune", "Apply", "", Some("2026-11-22T11:00:00Z"), &own),
                entry("kubectl-set", "Update", "", Some("2026-11-22T11:00:05Z"), &other),
            ],
        );
        let text: Vec<String> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            text,
            ["spec.containers[name=api].image taken by kubectl-set (Update, 2026-11-22T11:00:05Z)"]
        );
    }

    #[test]
    fn a_removed_key_has_no_owner() {
        let desired = json!({"data": {"a": "1", "b": "2"}});
        let own = json!({"f:data": {"f:a": {}}});
        let found = lost(&desired, &[entry("retune", "Apply", "", None, &own)]);
        assert_eq!(found, [Lost { field: "data.b".into(), taken_by: None }]);
    }

    #[test]
    fn what_the_server_added_is_no_difference_and_a_changed_value_is() {
        let desired = json!({"spec": {"containers": [{"name": "a", "image": "x"}], "replicas": 1}});
        let live = json!({"spec": {"replicas": 1, "paused": false,
            "containers": [{"name": "sidecar"}, {"name": "a", "image": "x", "pullPolicy": "Always"}]}});
        assert!(differences(&desired, &live).is_empty());
        let changed = json!({"spec": {"replicas": 3, "containers": [{"name": "a", "image": "x"}]}});
        assert_eq!(differences(&desired, &changed), ["spec.replicas"]);
    }

    #[test]
    fn a_quantity_that_the_server_rewrote_is_no_difference() {
        let limits = |cpu: &str| json!({"resources": {"limits": {"cpu": cpu}}});
        assert!(differences(&limits("1000m"), &limits("1")).is_empty());
        assert!(differences(&limits("1024Mi"), &limits("1Gi")).is_empty());
        assert!(differences(&limits("0.5"), &limits("500m")).is_empty());
        assert_eq!(differences(&limits("1"), &limits("2")), ["resources.limits.cpu"]);
        assert_eq!(
            differences(&json!({"data": {"cpu": "1000m"}}), &json!({"data": {"cpu": "1"}})),
            ["data.cpu"]
        );
    }

    #[test]
    fn the_fingerprint_moves_with_the_set_and_with_the_time() {
        let set = json!({"f:data": {"f:a": {}}});
        let one = own_set(&[entry("retune", "Apply", "", Some("2026-11-22T11:00:00Z"), &set)]).unwrap();
        let later = own_set(&[entry("retune", "Apply", "", Some("2026-11-22T11:00:01Z"), &set)]).unwrap();
        assert_eq!(one.hash, later.hash);
        assert_eq!(later.time - one.time, 1);
        assert_eq!(own_set(&[entry("retune", "Update", "", None, &set)]), None);
        assert_eq!(own_set(&[entry("retune", "Apply", "status", None, &set)]), None);
    }
}
