//! A plain document as JSON.

use serde_json::{Map, Value};

use super::{Limits, Meaning, Scalar, Sink, read_plain};

/// The first document of a text as JSON whose numbers are all `float64`, if it is a plain mapping.
#[must_use]
pub fn read_plain_json(text: &str, limits: &Limits) -> Option<Value> {
    let mut builder = Builder::default();
    read_plain(text, limits, &mut builder)?;
    builder.done
}

/// A collection that is open.
enum Open {
    Mapping(Map<String, Value>),
    Sequence(Vec<Value>),
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    /// The keys of the open mappings whose values are awaited.
    keys: Vec<String>,
    done: Option<Value>,
}

impl Builder {
    fn add(&mut self, value: Value) -> Option<()> {
        match self.open.last_mut() {
            Some(Open::Mapping(map)) => {
                map.insert(self.keys.pop()?, value);
            }
            Some(Open::Sequence(items)) => items.push(value),
            None => self.done = Some(value),
        }
        Some(())
    }
}

impl Sink for Builder {
    fn key(&mut self, key: &str) -> Option<()> {
        self.keys.push(key.to_owned());
        Some(())
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> Option<()> {
        let value = match scalar.meaning()? {
            Meaning::Null => Value::Null,
            Meaning::Bool(b) => Value::Bool(b),
            Meaning::Number(n) => Value::from(n),
            Meaning::Text(text) => Value::String(text.into_owned()),
        };
        self.add(value)
    }

    fn open(&mut self, is_mapping: bool) -> Option<()> {
        self.open.push(if is_mapping { Open::Mapping(Map::new()) } else { Open::Sequence(Vec::new()) });
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        let value = match self.open.pop()? {
            Open::Mapping(map) => Value::Object(map),
            Open::Sequence(items) => Value::Array(items),
        };
        self.add(value)
    }
}
