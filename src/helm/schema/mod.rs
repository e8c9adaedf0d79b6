//! `values.schema.json`: the values of every chart that takes part, checked against its schema.
//!
//! Verdicts are those of the original's validator; the messages name the same places but not always in the same words.
//! Patterns are read as RE2 does (no look-around). A `$ref` over `http(s)://` or `file://` is refused, because a render
//! reads nothing but its inputs; an unresolved `urn:` accepts anything, as in Helm.

use std::fmt::Write as _;

use jsonschema::{PatternOptions, Retrieve, Uri};
use serde_json::Value as Json;

use crate::template::Value;

use super::coalesce::Table;
use super::error::Error;
use super::instance::Instance;

/// The most messages shown for one chart.
const MAX_MESSAGES: usize = 100;

/// Checks coalesced values against the schemas of a chart and of its subcharts.
pub(super) fn validate(chart: &Instance<'_>, values: &Table) -> Result<(), Error> {
    let mut messages = String::new();
    check(chart, values, &mut messages);
    if messages.is_empty() { Ok(()) } else { Err(Error::Schema(messages)) }
}

fn check(chart: &Instance<'_>, values: &Table, out: &mut String) {
    if let Some(schema) = &chart.chart.schema
        && let Err(message) = check_one(schema, values)
    {
        let _ = writeln!(out, "{}:\n{}", chart.name, message.trim_end());
    }
    for child in &chart.children {
        match values.get(&child.name) {
            None | Some(Value::Nil) => {}
            Some(Value::Map(table)) => check(child, &table, out),
            Some(other) => {
                let _ = writeln!(
                    out,
                    "{}:\ninvalid type for values: expected object (map), got {}",
                    child.name,
                    other.type_name()
                );
            }
        }
    }
}

fn check_one(schema: &[u8], values: &Table) -> Result<(), String> {
    let schema: Json =
        serde_json::from_slice(schema).map_err(|e| format!("values.schema.json: it is not JSON: {e}"))?;
    let validator = jsonschema::options()
        .with_base_uri("file:///values.schema.json")
        .with_retriever(NoNetwork)
        .with_pattern_options(PatternOptions::regex())
        .build(&schema)
        .map_err(|e| format!("values.schema.json: at '{}': {e}", e.instance_path()))?;
    let instance = to_json(&Value::Map(std::rc::Rc::clone(values)));
    let mut message = String::new();
    for error in validator.iter_errors(&instance).take(MAX_MESSAGES) {
        let _ = writeln!(message, "- at '{}': {error}", error.instance_path());
    }
    if message.is_empty() { Ok(()) } else { Err(message) }
}

/// Values as JSON. A whole float is an integer to every draft of the original's validator.
fn to_json(value: &Value) -> Json {
    match value {
        Value::Bool(b) => Json::Bool(*b),
        Value::Int(_, n) => Json::from(*n),
        Value::Float(f) if f.fract() == 0.0 && f.abs() < 9e15 => Json::from(*f as i64),
        Value::Float(f) => Json::from(*f),
        Value::List(list) => list.items().iter().map(to_json).collect(),
        Value::Map(map) => {
            Json::Object(map.entries().iter().map(|(k, v)| (k.to_string(), to_json(v))).collect())
        }
        other => other.text().map_or(Json::Null, |t| Json::String(t.into_owned())),
    }
}

struct NoNetwork;

impl Retrieve for NoNetwork {
    fn retrieve(&self, uri: &Uri<String>) -> Result<Json, Box<dyn std::error::Error + Send + Sync>> {
        if uri.scheme().as_str() == "urn" {
            return Ok(Json::Bool(true));
        }
        Err(format!("{uri}: a schema outside of values.schema.json is not fetched; copy it into its $defs")
            .into())
    }
}
