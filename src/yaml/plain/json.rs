//! A plain document as JSON.

use serde_json::Value;

use super::{Limits, Make, Meaning, Scalar, build_plain};

/// The first document of a text as JSON whose numbers are all `float64`, if it is a plain mapping or nothing.
#[must_use]
pub fn read_plain_json(text: &str, limits: &Limits) -> Option<Value> {
    build_plain(text, limits, Json)
}

struct Json;

impl Make for Json {
    type Key = String;
    type Node = Value;

    fn key(&mut self, key: &str) -> String {
        key.to_owned()
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> Option<Value> {
        Some(match scalar.meaning()? {
            Meaning::Null => Value::Null,
            Meaning::Bool(b) => Value::Bool(b),
            Meaning::Number(n) => Value::from(n),
            Meaning::Text(text) => Value::String(text.into_owned()),
        })
    }

    fn mapping(&mut self, entries: impl ExactSizeIterator<Item = (String, Value)>) -> Value {
        Value::Object(entries.collect())
    }

    fn sequence(&mut self, items: impl ExactSizeIterator<Item = Value>) -> Value {
        Value::Array(items.collect())
    }

    fn copy(&mut self, node: &Value) -> Option<Value> {
        Some(node.clone())
    }

    fn entries(&mut self, node: &Value) -> Option<Vec<(String, Value)>> {
        Some(node.as_object()?.clone().into_iter().collect())
    }
}
