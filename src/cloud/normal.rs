//! The normal form of a manifest, so that equal meaning gives equal text (DESIGN §9).
//!
//! - map entries that are `null` go away (server-side apply reads them as "not set");
//! - empty `metadata.labels`, `annotations`, `ownerReferences` and `finalizers` go away;
//! - fields that the server alone writes go away: `metadata.{creationTimestamp,managedFields,generation,resourceVersion,selfLink,uid}`
//!   (an exported object would otherwise conflict with itself for ever), and `status` of the kinds built into Kubernetes;
//! - a Secret's `stringData` is folded into `data` as base64 and wins over it, as the API server does;
//! - `metadata.namespace` is the settled one.

use base64::Engine as _;
use serde_json::{Map, Value};

use super::object::{ObjectId, split_api_version};
use super::scope;

/// The deepest nesting that is accepted; the API server's own limit for JSON is far above what manifests use.
pub const MAX_DEPTH: usize = 128;

/// Why a manifest is not an object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NormalError {
    /// The document is a list, a string, ...
    #[error("this document is not a Kubernetes object but {what}")]
    NotAnObject {
        /// What it is instead.
        what: &'static str,
    },
    /// `apiVersion`, `kind` or `metadata.name` is missing or not a string.
    #[error("{field} is {problem}")]
    Field {
        /// The field's path.
        field: String,
        /// `missing`, `not a string`, ...
        problem: String,
    },
    /// Nested too deeply.
    #[error("nested more than {MAX_DEPTH} levels deep")]
    TooDeep,
}

/// The identifying fields of a manifest, as written.
#[derive(Debug, Clone)]
pub struct Head {
    /// `apiVersion`
    pub api_version: String,
    /// `kind`
    pub kind: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.namespace`, if it is set and not empty.
    pub namespace: Option<String>,
}

impl Head {
    /// Reads the identifying fields.
    ///
    /// # Errors
    /// If one is missing or has the wrong type.
    pub fn of(manifest: &Value) -> Result<Self, NormalError> {
        let what = match manifest {
            Value::Object(_) => "",
            Value::Array(_) => "a list",
            Value::Null => "empty",
            Value::String(_) => "a string",
            Value::Number(_) | Value::Bool(_) => "a single value",
        };
        let Some(object) = manifest.as_object() else { return Err(NormalError::NotAnObject { what }) };
        let metadata = match object.get("metadata") {
            Some(Value::Object(metadata)) => Some(metadata),
            None | Some(Value::Null) => None,
            Some(_) => {
                return Err(NormalError::Field { field: "metadata".into(), problem: "not a map".into() });
            }
        };
        let name = match metadata.and_then(|m| m.get("name")) {
            None | Some(Value::Null) if metadata.is_some_and(|m| m.contains_key("generateName")) => {
                return Err(NormalError::Field {
                    field: "metadata.generateName".into(),
                    problem: "not supported: an object without a fixed name cannot be kept in tune; set metadata.name"
                        .into(),
                });
            }
            other => string("metadata.name", other)?,
        };
        let namespace = match metadata.and_then(|m| m.get("namespace")) {
            None | Some(Value::Null) => None,
            other => Some(string("metadata.namespace", other)?).filter(|n| !n.is_empty()),
        };
        Ok(Self {
            api_version: string("apiVersion", object.get("apiVersion"))?,
            kind: string("kind", object.get("kind"))?,
            name,
            namespace,
        })
    }
}

fn string(field: &str, value: Option<&Value>) -> Result<String, NormalError> {
    let problem = match value {
        Some(Value::String(text)) if !text.is_empty() => return Ok(text.clone()),
        Some(Value::String(_)) => "empty",
        None | Some(Value::Null) => "missing",
        Some(_) => "not a string; put it in quotes",
    };
    Err(NormalError::Field { field: field.to_owned(), problem: problem.to_owned() })
}

/// Brings a manifest into the normal form.
///
/// # Errors
/// If a Secret's `stringData` holds something else than text, or the manifest is nested too deeply.
pub fn normalise(manifest: &mut Value, id: &ObjectId) -> Result<(), NormalError> {
    strip_nulls(manifest, 0)?;
    let Some(object) = manifest.as_object_mut() else { return Ok(()) };
    let api_version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let group = split_api_version(api_version).0.to_owned();
    if scope::built_in(&group, &id.kind).is_some() {
        object.remove("status");
    }
    if group.is_empty() && &*id.kind == "Secret" {
        fold_string_data(object)?;
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        for field in
            ["creationTimestamp", "managedFields", "generation", "resourceVersion", "selfLink", "uid"]
        {
            metadata.remove(field);
        }
        for field in ["labels", "annotations", "ownerReferences", "finalizers"] {
            let empty = match metadata.get(field) {
                Some(Value::Object(map)) => map.is_empty(),
                Some(Value::Array(list)) => list.is_empty(),
                _ => false,
            };
            if empty {
                metadata.remove(field);
            }
        }
        match &id.namespace {
            Some(namespace) => metadata.insert("namespace".into(), Value::String(namespace.to_string())),
            None => metadata.remove("namespace"),
        };
    }
    Ok(())
}

fn strip_nulls(value: &mut Value, depth: usize) -> Result<(), NormalError> {
    if depth > MAX_DEPTH {
        return Err(NormalError::TooDeep);
    }
    match value {
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.values_mut().try_for_each(|v| strip_nulls(v, depth + 1))
        }
        Value::Array(list) => list.iter_mut().try_for_each(|v| strip_nulls(v, depth + 1)),
        _ => Ok(()),
    }
}

fn fold_string_data(secret: &mut Map<String, Value>) -> Result<(), NormalError> {
    let Some(string_data) = secret.remove("stringData") else { return Ok(()) };
    let wrong =
        |field: &str, problem: &str| NormalError::Field { field: field.into(), problem: problem.into() };
    let Value::Object(string_data) = string_data else { return Err(wrong("stringData", "not a map")) };
    let data = secret.entry("data").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(data) = data else { return Err(wrong("data", "not a map")) };
    for (key, value) in string_data {
        let Value::String(text) = value else {
            return Err(wrong(&format!("stringData.{key}"), "not a string; put it in quotes"));
        };
        let encoded = base64::engine::general_purpose::STANDARD.encode(text);
        data.insert(key, Value::String(encoded));
    }
    Ok(())
}

/// Compact JSON with sorted keys, whatever order the map type of `serde_json` keeps.
#[must_use]
pub fn compact(value: &Value) -> String {
    sorted(value).to_string()
}

/// As [`compact`], on several lines, for files that people read.
#[must_use]
pub fn pretty(value: &Value) -> String {
    format!("{:#}", sorted(value))
}

/// A copy whose maps were filled in key order.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            Value::Object(entries.into_iter().map(|(k, v)| (k.clone(), sorted(v))).collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(sorted).collect()),
        scalar => scalar.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn normal(mut manifest: Value, namespace: Option<&str>) -> String {
        let head = Head::of(&manifest).unwrap();
        let group = split_api_version(&head.api_version).0.to_owned();
        normalise(&mut manifest, &ObjectId::new(&group, &head.kind, namespace, &head.name)).unwrap();
        compact(&manifest)
    }

    #[test]
    fn nulls_empty_metadata_and_the_servers_own_fields_go_away() {
        let manifest = json!({
            "status": {}, "kind": "ConfigMap", "apiVersion": "v1", "data": {"b": "2", "a": null},
            "metadata": {"name": "x", "labels": {}, "annotations": null, "creationTimestamp": null, "uid": "u"},
        });
        assert_eq!(
            normal(manifest, Some("ns")),
            r#"{"apiVersion":"v1","data":{"b":"2"},"kind":"ConfigMap","metadata":{"name":"x","namespace":"ns"}}"#
        );
    }

    #[test]
    fn empty_maps_outside_of_metadata_mean_something_and_stay() {
        let manifest = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"},
            "spec": {"volumes": [{"name": "v", "emptyDir": {}}]}});
        assert!(normal(manifest, Some("ns")).contains(r#""emptyDir":{}"#));
    }

    #[test]
    fn a_custom_resource_keeps_its_status() {
        let manifest =
            json!({"apiVersion": "x.io/v1", "kind": "X", "metadata": {"name": "x"}, "status": {"a": 1}});
        assert!(normal(manifest, None).contains("status"));
    }

    #[test]
    fn string_data_is_folded_into_data_and_wins() {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"},
            "data": {"a": "eA==", "b": "eQ=="}, "stringData": {"a": "hello"}});
        assert!(normal(secret, Some("n")).contains(r#""data":{"a":"aGVsbG8=","b":"eQ=="}"#));
        let mut bad =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": 1}});
        let error = normalise(&mut bad, &ObjectId::new("", "Secret", None, "s")).unwrap_err();
        assert_eq!(error.to_string(), "stringData.p is not a string; put it in quotes");
    }

    #[test]
    fn what_is_not_an_object_is_told_by_field() {
        let text = |v: Value| Head::of(&v).unwrap_err().to_string();
        assert_eq!(text(json!([1])), "this document is not a Kubernetes object but a list");
        assert_eq!(text(json!({"apiVersion": "v1", "kind": "X"})), "metadata.name is missing");
        assert!(
            text(json!({"metadata": {"generateName": "x-"}}))
                .starts_with("metadata.generateName is not supported")
        );
        assert_eq!(text(json!({"metadata": {"name": 1}})), "metadata.name is not a string; put it in quotes");
    }

    #[test]
    fn keys_are_sorted_at_every_level() {
        let value: Value =
            serde_json::from_str(r#"{"b":{"z":1,"a":[{"y":1,"x":2}]},"a":"\u00e9\n"}"#).unwrap();
        assert_eq!(compact(&value), "{\"a\":\"é\\n\",\"b\":{\"a\":[{\"x\":2,\"y\":1}],\"z\":1}}");
    }
}
