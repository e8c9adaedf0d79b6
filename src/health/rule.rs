//! The language of the rules: a list of cases, the first whose tests all hold decides.
//!
//! | test | holds when |
//! |---|---|
//! | `condition: T` with `status`, `reason` | the object has a condition of that type with one of those (any, if left out); one that speaks of an older generation does not count |
//! | `field: /a/b` with `is` | the field is set and not empty, and is one of those (any, if left out) |
//! | `less: [a, b]` | a < b, as numbers: `/a/b` (0 if not set), `/a/b ?? 1`, `7`, sums and differences of them |
//! | `differ: [/a, /b]` | the fields are different |
//! | `some: /list` with `where` | an element for which all of `where` hold; `it` in the message. An element's conditions are its own `conditions` |
//!
//! `absent: true` and `not: true` turn a test round. In a message `{/a/b}` is a field, `{Ready}` a condition's reason and
//! message, `{=a - b}` a number, `{it/a}` and `{it:Accepted}` a field and a condition of the element.

use serde::Deserialize;
use serde_json::Value;

use super::generic::condition_text;
use super::{Health, Verdict};

/// The rules of some kinds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rules {
    /// The API group; empty for the core group.
    pub group: String,
    /// The kinds.
    pub kinds: Vec<String>,
    /// The cases, in their order.
    pub rules: Vec<Case>,
}

/// One case.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// All of these must hold.
    #[serde(default)]
    pub when: Vec<Test>,
    /// Then this is the verdict.
    pub verdict: Health,
    /// For people.
    #[serde(default)]
    pub message: String,
}

/// One test.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Test {
    condition: Option<String>,
    #[serde(default)]
    status: Vec<String>,
    #[serde(default)]
    reason: Vec<String>,
    field: Option<String>,
    #[serde(default)]
    is: Vec<String>,
    less: Option<[String; 2]>,
    differ: Option<[String; 2]>,
    some: Option<String>,
    #[serde(default, rename = "where")]
    inner: Vec<Test>,
    #[serde(default)]
    absent: bool,
    #[serde(default)]
    not: bool,
}

impl Rules {
    /// The verdict of the first case that applies.
    #[must_use]
    pub fn judge(&self, object: &Value) -> Option<Verdict> {
        self.rules.iter().find_map(|case| {
            let mut it = None;
            if !case.when.iter().all(|test| test.holds(object, object, &mut it)) {
                return None;
            }
            let message = fill(&case.message, object, it);
            Some(Verdict { health: case.verdict, message })
        })
    }

    /// What is wrong with them: nothing tested, two tests in one, a last case that may not apply.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut out = Vec::new();
        let place = format!("{} {}", self.group, self.kinds.join(","));
        if self.rules.last().is_none_or(|case| !case.when.is_empty()) {
            out.push(format!("{place}: the last case must apply always"));
        }
        for (at, case) in self.rules.iter().enumerate() {
            let mut tests: Vec<&Test> = case.when.iter().collect();
            tests.extend(case.when.iter().flat_map(|t| &t.inner));
            for test in tests {
                let subjects = [
                    test.condition.is_some(),
                    test.field.is_some(),
                    test.less.is_some(),
                    test.differ.is_some(),
                    test.some.is_some(),
                ];
                if subjects.iter().filter(|s| **s).count() != 1 {
                    out.push(format!(
                        "{place}: case {at}: a test has one of condition, field, less, differ, some"
                    ));
                }
                for term in test.less.iter().flatten() {
                    if number(&Value::Null, term).is_none() {
                        out.push(format!("{place}: case {at}: {term:?} is not a number or a field"));
                    }
                }
            }
            if (case.verdict == Health::Ready) != case.message.is_empty() {
                out.push(format!("{place}: case {at}: ready has no message, every other verdict has one"));
            }
        }
        out
    }
}

impl Test {
    fn holds<'v>(&self, root: &'v Value, scope: &'v Value, it: &mut Option<&'v Value>) -> bool {
        let found = if let Some(kind) = &self.condition {
            condition(root, scope, kind).is_some_and(|c| {
                let one = |list: &[String], field: &str| {
                    let have = c[field].as_str().unwrap_or_default();
                    list.is_empty() || list.iter().any(|want| names(want, have))
                };
                one(&self.status, "status") && one(&self.reason, "reason")
            })
        } else if let Some(path) = &self.field {
            let text = text(scope, path);
            !text.is_empty() && (self.is.is_empty() || self.is.iter().any(|want| names(want, &text)))
        } else if let Some([a, b]) = &self.less {
            number(scope, a).zip(number(scope, b)).is_some_and(|(a, b)| a < b)
        } else if let Some([a, b]) = &self.differ {
            text(scope, a) != text(scope, b)
        } else if let Some(path) = &self.some {
            let list = scope.pointer(path).and_then(Value::as_array);
            let item = list
                .into_iter()
                .flatten()
                .find(|item| self.inner.iter().all(|test| test.holds(root, item, &mut None)));
            if item.is_some() {
                *it = item;
            }
            item.is_some()
        } else {
            false
        };
        found != (self.absent || self.not)
    }
}

/// A word with a star at its begin or end, for any text there.
fn names(pattern: &str, text: &str) -> bool {
    match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => text.ends_with(end),
        (_, Some(start)) => text.starts_with(start),
        _ => pattern == text,
    }
}

/// A condition of the object, or of an element of a list in it, unless it speaks of an older generation.
fn condition<'v>(root: &'v Value, scope: &'v Value, kind: &str) -> Option<&'v Value> {
    let pointer = if std::ptr::eq(root, scope) { "/status/conditions" } else { "/conditions" };
    let found = scope.pointer(pointer)?.as_array()?.iter().find(|c| c["type"] == kind)?;
    let generation = root.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    let observed = found["observedGeneration"].as_i64();
    observed.is_none_or(|observed| observed == 0 || observed >= generation).then_some(found)
}

fn text(scope: &Value, path: &str) -> String {
    match scope.pointer(path) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Array(list)) if list.is_empty() => String::new(),
        Some(Value::Object(map)) if map.is_empty() => String::new(),
        Some(other) => other.to_string(),
    }
}

/// `/a/b`, `/a/b ?? 1`, `7`, and sums and differences of these.
fn number(scope: &Value, term: &str) -> Option<i64> {
    let mut total = 0_i64;
    let mut sign = 1;
    let mut words = term.split(' ').peekable();
    while let Some(word) = words.next() {
        let value = if word.starts_with('/') {
            let default = match words.peek() {
                Some(&"??") => {
                    words.next();
                    words.next()?.parse().ok()?
                }
                _ => 0,
            };
            scope.pointer(word).and_then(Value::as_i64).unwrap_or(default)
        } else {
            word.parse().ok()?
        };
        total = total.saturating_add(value.saturating_mul(sign));
        sign = match words.next() {
            Some("+") => 1,
            Some("-") => -1,
            None => return Some(total),
            Some(_) => return None,
        };
    }
    None
}

/// A message with its places filled in.
pub(super) fn fill(message: &str, object: &Value, it: Option<&Value>) -> String {
    let mut out = String::new();
    let mut rest = message;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let Some((place, behind)) = after.split_once('}') else { break };
        rest = behind;
        if let Some(term) = place.strip_prefix('=') {
            out.push_str(&number(object, term).unwrap_or(0).to_string());
        } else if place.starts_with('/') {
            out.push_str(&text(object, place));
        } else if let (Some(path), Some(it)) = (place.strip_prefix("it/"), it) {
            out.push_str(&text(it, &format!("/{path}")));
        } else if let (Some(kind), Some(it)) = (place.strip_prefix("it:"), it) {
            out.push_str(&condition(object, it, kind).map(condition_text).unwrap_or_default());
        } else {
            out.push_str(&condition(object, object, place).map(condition_text).unwrap_or_default());
        }
    }
    out.push_str(rest);
    out.trim_end_matches([' ', ':', ';']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_have_defaults_sums_and_differences() {
        let object = json!({"a": 5, "b": 2});
        assert_eq!(number(&object, "/a - /b"), Some(3));
        assert_eq!(number(&object, "/c ?? 7 - /b"), Some(5));
        assert_eq!(number(&object, "/c + 1"), Some(1));
        assert_eq!(number(&object, "a"), None);
        assert_eq!(number(&object, "/a * 2"), None);
    }

    #[test]
    fn a_condition_of_an_older_generation_does_not_count() {
        let object = |observed: i64| {
            json!({"metadata": {"generation": 3},
            "status": {"conditions": [{"type": "Ready", "status": "True", "observedGeneration": observed}]}})
        };
        assert!(condition(&object(3), &object(3), "Ready").is_none(), "another value's scope is an element");
        for (observed, counts) in [(3, true), (0, true), (2, false)] {
            let object = object(observed);
            assert_eq!(condition(&object, &object, "Ready").is_some(), counts);
        }
    }

    #[test]
    fn messages_are_filled_from_the_object_and_the_element() {
        let object = json!({"status": {"phase": "Down", "conditions": [{"type": "Ready", "reason": "Why", "message": "so"}]}});
        let it = json!({"name": "x", "conditions": [{"type": "Accepted", "reason": "No"}]});
        assert_eq!(
            fill("{it/name} {it:Accepted} {/status/phase} {Ready}", &object, Some(&it)),
            "x No Down Why: so"
        );
        assert_eq!(fill("is: {/status/none}", &object, None), "is");
    }
}
