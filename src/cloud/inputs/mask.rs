//! Values of Secrets that are part of a render, and texts without them.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use serde_json::Value;

/// What stands for a secret.
const MASKED: &str = "<masked>";
/// Shorter values are not masked in texts: they would blot out half of them.
const SHORTEST: usize = 4;

/// Values that must not be shown. Nothing prints them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets(Arc<[Arc<str>]>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.0.len())
    }
}

impl Secrets {
    /// Each value as it is, line by line, as JSON quotes it, and in base64.
    #[must_use]
    pub fn new(values: impl IntoIterator<Item = Arc<str>>) -> Self {
        let mut all: Vec<Arc<str>> = Vec::new();
        for value in values {
            all.push(base64::engine::general_purpose::STANDARD.encode(value.as_bytes()).into());
            let quoted = Value::from(&*value).to_string();
            all.push(quoted.trim_matches('"').into());
            all.extend(value.lines().map(|line| line.trim().into()));
            all.push(value);
        }
        all.retain(|v| v.len() >= SHORTEST);
        // A longer value first: a shorter one may be part of it.
        all.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        all.dedup();
        Self(all.into())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values, for whoever masks texts by himself.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|v| &**v)
    }

    /// A text without them.
    #[must_use]
    pub fn mask(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for value in self.iter() {
            if out.contains(value) {
                out = out.replace(value, MASKED);
            }
        }
        out
    }

    /// Masks the texts in an object, keys included.
    pub fn mask_object(&self, object: &mut Value) {
        match object {
            Value::String(text) => *text = self.mask(text),
            Value::Array(items) => items.iter_mut().for_each(|i| self.mask_object(i)),
            Value::Object(map) => map.values_mut().for_each(|v| self.mask_object(v)),
            _ => {}
        }
    }

    /// Masks an object of the cluster that may still have an earlier value: where the desired object has a secret, what stands
    /// there is masked, whatever it is.
    pub fn mask_live(&self, live: &mut Value, desired: &Value) {
        if self.is_empty() {
            return;
        }
        self.mask_like(live, desired);
        self.mask_object(live);
    }

    fn mask_like(&self, live: &mut Value, desired: &Value) {
        match (live, desired) {
            (Value::String(live), Value::String(desired)) => *live = self.mask_lines(live, desired),
            (Value::Array(live), Value::Array(desired)) => {
                live.iter_mut().zip(desired).for_each(|(l, d)| self.mask_like(l, d));
            }
            (Value::Object(live), Value::Object(desired)) => {
                for (key, value) in live {
                    if let Some(desired) = desired.get(key) {
                        self.mask_like(value, desired);
                    }
                }
            }
            _ => {}
        }
    }

    /// Lines that begin as a line with a secret does.
    fn mask_lines(&self, live: &str, desired: &str) -> String {
        let around: Vec<(&str, &str)> = desired
            .lines()
            .filter_map(|line| {
                let (at, value) =
                    self.iter().filter_map(|v| Some((line.find(v)?, v))).min_by_key(|(at, _)| *at)?;
                Some((&line[..at], &line[at + value.len()..]))
            })
            .collect();
        if around.is_empty() {
            return live.to_owned();
        }
        let mask = |line: &str| {
            let found = around.iter().find(|(before, _)| line.starts_with(before));
            found.map_or_else(
                || line.to_owned(),
                |(before, after)| {
                    let rest = &line[before.len()..];
                    format!("{before}{MASKED}{}", if rest.ends_with(after) { after } else { "" })
                },
            )
        };
        let mut out: String = live.lines().map(mask).collect::<Vec<_>>().join("\n");
        if live.ends_with('\n') {
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_value_is_masked_as_it_is_quoted_in_base64_and_inside_of_a_longer_one() {
        let secrets = Secrets::new(["hunter2\"x".into(), "hunter2".into(), "abc".into()]);
        let text = secrets.mask("hunter2\"x hunter2 abc aHVudGVyMg== {\"p\":\"hunter2\\\"x\"}");
        assert_eq!(text, "<masked> <masked> abc <masked> {\"p\":\"<masked>\"}");
        assert_eq!(format!("{secrets:?}").find("hunter2"), None);
    }

    #[test]
    fn what_a_value_was_before_is_masked_where_the_new_one_stands() {
        let secrets = Secrets::new(["newnew".into()]);
        let desired =
            json!({"data": {"conf": "[db]\nurl = mysql://a:newnew@h/a\nx = 1\n", "b": "1"}, "l": ["newnew"]});
        let mut live =
            json!({"data": {"conf": "[db]\nurl = mysql://a:oldold@h/a\nx = 2\n", "b": "2"}, "l": ["oldold"]});
        secrets.mask_live(&mut live, &desired);
        assert_eq!(
            live,
            json!({"data": {"conf": "[db]\nurl = mysql://a:<masked>@h/a\nx = 2\n", "b": "2"}, "l": ["<masked>"]})
        );
    }
}
