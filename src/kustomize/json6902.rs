//! JSON patches (RFC 6902) with the semantics of evanphx/json-patch v4, which differ from the RFC:
//!
//! - `replace` of a missing key of a mapping sets it, `copy` from one adds null; only lists must have their index;
//! - negative indexes count from the end, `-1` in `add` appends;
//! - what stands before the first `/` of a path is not looked at;
//! - afterwards the whole object has gone through JSON: numbers are floats in Go's shortest form, dates are strings.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::error::Error;
use crate::yaml::{Entry, Limits, Mapping, Node, Style, Tag, Value, json, num, read_v2_json};

/// How many nodes the `copy` operations of one patch may add. Copies of copies double a document each time.
const MAX_COPIED: usize = 1_000_000;
/// How deep a patched object may nest.
const MAX_DEPTH: usize = 256;

/// A parsed patch.
#[derive(Debug, Clone, Default)]
pub struct JsonPatch {
    operations: Vec<Operation>,
}

#[derive(Debug, Clone)]
struct Operation {
    kind: String,
    path: Option<String>,
    from: Option<String>,
    /// Null if absent: the two differ nowhere that counts.
    value: Node,
    /// The value as a patch that is JSON writes it: `test` compares texts.
    written: Option<Box<RawValue>>,
}

impl JsonPatch {
    /// Reads a patch: JSON if it begins with `[`, YAML otherwise.
    ///
    /// # Errors
    /// If the text is not a list of operations.
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.is_empty() {
            return Err(Error::new("empty json patch operations"));
        }
        let read = if text.starts_with('[') {
            json::from_json(text)
        } else {
            read_v2_json(text, &Limits::default())
        };
        let document = read
            .map_err(|e| Error::of(super::error::Kind::MalformedYaml, e.to_string()).at_line(e.pos.line))?;
        let list = match document.value {
            Value::Sequence(list) => list,
            _ if document.is_null() => Vec::new(),
            _ => return Err(Error::new("a JSON patch is a list of operations, found no list")),
        };
        let mut operations = list.into_iter().map(operation).collect::<Result<Vec<_>, _>>()?;
        if let Ok(written) = serde_json::from_str::<Vec<BTreeMap<String, Box<RawValue>>>>(text) {
            for (operation, mut written) in operations.iter_mut().zip(written) {
                operation.written = written.remove("value");
            }
        }
        Ok(Self { operations })
    }

    /// Whether it has no operation.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    /// Applies all operations to an object.
    ///
    /// # Errors
    /// If the object cannot become JSON or an operation does not fit; the message names the operation and its path.
    pub fn apply(&self, target: &mut Node) -> Result<(), Error> {
        let pos = target.pos;
        let yaml = |e: crate::yaml::Error| Error::new(e.to_string()).at_line(e.pos.line);
        let text = json::to_json(target, true).map_err(yaml)?;
        let mut root = json::from_json(&text).map_err(yaml)?;
        let mut copied = 0;
        for (at, operation) in self.operations.iter().enumerate() {
            operation.apply(&mut root, &mut copied).map_err(|e| {
                let path = operation.path.as_deref().unwrap_or("");
                e.context(format!("operation {} ({} {path})", at + 1, operation.kind))
            })?;
        }
        if root.as_map().is_none() {
            return Err(Error::new("the patch leaves something that is no object"));
        }
        round_trip(&mut root, 0)?;
        root.pos = pos;
        *target = root;
        Ok(())
    }
}

fn operation(node: Node) -> Result<Operation, Error> {
    let line = node.pos.line;
    let Value::Mapping(mut map) = node.value else {
        return Err(
            Error::new("an operation of a JSON patch is a mapping with op, path and value").at_line(line)
        );
    };
    let text = |key: &str| map.get(key).and_then(Node::as_str).map(str::to_owned);
    Ok(Operation {
        kind: text("op").unwrap_or_else(|| "unknown".to_owned()),
        path: text("path"),
        from: text("from"),
        value: map.remove("value").unwrap_or_else(Node::null),
        written: None,
    })
}

fn decode(part: &str) -> String {
    // One pass, so that `~01` is `~1`.
    let mut out = String::with_capacity(part.len());
    let mut chars = part.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('~', Some('1')) => {
                chars.next();
                out.push('/');
            }
            ('~', Some('0')) => {
                chars.next();
                out.push('~');
            }
            _ => out.push(c),
        }
    }
    out
}

/// The mapping or list that holds the last part of a path, and that part.
fn holder<'a>(root: &'a mut Node, path: &str) -> Option<(&'a mut Node, String)> {
    let mut parts: Vec<&str> = path.split('/').collect();
    if parts.len() < 2 {
        return None;
    }
    let key = decode(parts.pop()?);
    let mut node = root;
    for part in &parts[1..] {
        node = match &mut node.value {
            Value::Mapping(map) => map.get_mut(&decode(part))?,
            Value::Sequence(list) => {
                let at = index(list.len(), part).ok()?;
                list.get_mut(at)?
            }
            Value::Scalar(_) => return None,
        };
    }
    (!matches!(node.value, Value::Scalar(_))).then_some((node, key))
}

/// An index into a list of that length; negative ones count from the end.
fn index(len: usize, key: &str) -> Result<usize, Error> {
    let wrong = || Error::new(format!("Unable to access invalid index: {key}: invalid index referenced"));
    let at: i64 =
        key.parse().map_err(|_| Error::new(format!("value was not a proper array index: '{key}'")))?;
    let at = if at < 0 { at + i64::try_from(len).map_err(|_| wrong())? } else { at };
    usize::try_from(at).ok().filter(|at| *at < len).ok_or_else(wrong)
}

fn missing(path: &str) -> Error {
    Error::new(format!("does not apply: doc is missing path: {path}: missing value"))
        .hint("'add' makes only the last part of a path; add the parent first")
}

fn get(holder: &Node, key: &str) -> Result<Option<Node>, Error> {
    match &holder.value {
        Value::Mapping(map) => Ok(map.get(key).cloned()),
        Value::Sequence(list) => Ok(list.get(index(list.len(), key)?).cloned()),
        Value::Scalar(_) => Ok(None),
    }
}

fn add(holder: &mut Node, key: &str, value: Node) -> Result<(), Error> {
    match &mut holder.value {
        Value::Mapping(map) => map.set(key, value),
        Value::Sequence(list) if key == "-" => list.push(value),
        Value::Sequence(list) => list.insert(index(list.len() + 1, key)?, value),
        Value::Scalar(_) => {}
    }
    Ok(())
}

fn remove(holder: &mut Node, key: &str) -> Result<(), Error> {
    match &mut holder.value {
        Value::Mapping(map) => {
            if map.remove(key).is_none() {
                return Err(Error::new(format!("Unable to remove nonexistent key: {key}: missing value")));
            }
        }
        Value::Sequence(list) => {
            list.remove(index(list.len(), key)?);
        }
        Value::Scalar(_) => {}
    }
    Ok(())
}

impl Operation {
    fn apply(&self, root: &mut Node, copied: &mut usize) -> Result<(), Error> {
        let path = || self.path.as_deref().ok_or_else(|| Error::new("operation missing path field"));
        let from = || self.from.as_deref().ok_or_else(|| Error::new("operation missing from field"));
        match self.kind.as_str() {
            "add" => {
                let (holder, key) = holder(root, path()?).ok_or_else(|| missing(path().unwrap_or("")))?;
                add(holder, &key, self.value.clone())
            }
            "remove" => {
                let (holder, key) = holder(root, path()?).ok_or_else(|| missing(path().unwrap_or("")))?;
                remove(holder, &key)
            }
            "replace" => {
                let path = path()?;
                if path.is_empty() {
                    if matches!(self.value.value, Value::Scalar(_)) {
                        return Err(Error::new("replace operation value must be object or array"));
                    }
                    *root = self.value.clone();
                    return Ok(());
                }
                let (holder, key) = holder(root, path).ok_or_else(|| missing(path))?;
                match &mut holder.value {
                    Value::Mapping(map) => map.set(&key, self.value.clone()),
                    Value::Sequence(list) => {
                        let at = index(list.len(), &key).map_err(|_| missing(path))?;
                        list[at] = self.value.clone();
                    }
                    Value::Scalar(_) => {}
                }
                Ok(())
            }
            "move" => {
                let from = from()?;
                let (source, key) = holder(root, from).ok_or_else(|| missing(from))?;
                let value = get(source, &key)?.unwrap_or_else(Node::null);
                remove(source, &key)?;
                let (target, key) = holder(root, path()?).ok_or_else(|| missing(path().unwrap_or("")))?;
                add(target, &key, value)
            }
            "copy" => {
                let from = from()?;
                let (source, key) = holder(root, from).ok_or_else(|| missing(from))?;
                let value = get(source, &key)?.unwrap_or_else(Node::null);
                *copied += count(&value);
                if *copied > MAX_COPIED {
                    return Err(Error::new(format!("copies add more than {MAX_COPIED} nodes")));
                }
                let (target, key) = holder(root, path()?).ok_or_else(|| missing(path().unwrap_or("")))?;
                add(target, &key, value)
            }
            "test" => {
                let path = path()?;
                let found = if path.is_empty() {
                    Some(root.clone())
                } else {
                    let (holder, key) = holder(root, path).ok_or_else(|| missing(path))?;
                    get(holder, &key)?
                };
                let fits = match found {
                    Some(found) if found.is_null() => self.value.is_null(),
                    Some(found) => match &self.written {
                        Some(written) => is_written(&found, written.get()),
                        None => equal(&found, &self.value),
                    },
                    None => self.value.is_null(),
                };
                if fits {
                    Ok(())
                } else {
                    Err(Error::new(format!("testing value {path} failed: test failed")))
                }
            }
            other => Err(Error::new(format!("Unexpected kind: {other}"))
                .hint("'op' is one of add, remove, replace, move, copy, test")),
        }
    }
}

fn count(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 1,
        Value::Sequence(list) => 1 + list.iter().map(count).sum::<usize>(),
        Value::Mapping(map) => 1 + map.entries.iter().map(|e| count(&e.value)).sum::<usize>(),
    }
}

/// Equal as JSON, whatever the order of keys.
fn equal(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::Scalar(_), Value::Scalar(_)) => match (json::to_json(a, true), json::to_json(b, true)) {
            (Ok(a), Ok(b)) => a == b,
            _ => false,
        },
        (Value::Sequence(a), Value::Sequence(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Mapping(a), Value::Mapping(b)) => {
            let same = |key: &Node, value: &Node| {
                key.text().and_then(|key| b.get(key)).is_some_and(|other| equal(value, other))
            };
            a.entries.len() == b.entries.len() && a.entries.iter().all(|e| same(&e.key, &e.value))
        }
        _ => false,
    }
}

/// Whether JSON text is a node's: scalars byte by byte (`1.0` is not `1`, and `<` is written `\u003c`), mappings in any order.
fn is_written(node: &Node, text: &str) -> bool {
    type Item = Option<Box<RawValue>>;
    let same = |node: &Node, item: &Item| match item {
        Some(item) => !node.is_null() && is_written(node, item.get()),
        None => node.is_null(),
    };
    match &node.value {
        Value::Scalar(_) => json::to_json(node, true).is_ok_and(|own| own == text),
        Value::Sequence(list) => serde_json::from_str::<Vec<Item>>(text)
            .is_ok_and(|items| items.len() == list.len() && list.iter().zip(&items).all(|(n, i)| same(n, i))),
        Value::Mapping(map) => serde_json::from_str::<BTreeMap<String, Item>>(text).is_ok_and(|items| {
            let entry =
                |e: &Entry| e.key.text().and_then(|k| items.get(k)).is_some_and(|i| same(&e.value, i));
            items.len() == map.entries.len() && map.entries.iter().all(entry)
        }),
    }
}

/// What unmarshalling JSON in Go and writing it with go-yaml v3 makes of an object.
fn round_trip(node: &mut Node, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH {
        return Err(Error::new(format!("the patched object nests deeper than {MAX_DEPTH} levels")));
    }
    match &mut node.value {
        Value::Sequence(list) => list.iter_mut().try_for_each(|n| round_trip(n, depth + 1)),
        Value::Mapping(Mapping { entries }) => {
            entries.iter_mut().try_for_each(|e| round_trip(&mut e.value, depth + 1))
        }
        Value::Scalar(scalar) => {
            match scalar.tag {
                Tag::Int | Tag::Float => {
                    if let Some(x) = num::parse_float(&scalar.text) {
                        scalar.text = num::format_yaml(x).into();
                        scalar.tag = super::scalar::resolve(&scalar.text);
                    }
                    scalar.style = Style::Plain;
                }
                Tag::Str => {
                    scalar.style = if scalar.text.contains('\n') {
                        Style::Literal
                    } else if is_quoted(&scalar.text) {
                        Style::DoubleQuoted
                    } else {
                        Style::Plain
                    };
                }
                _ => scalar.style = Style::Plain,
            }
            Ok(())
        }
    }
}

/// Whether go-yaml v3 quotes a string because its text means something else.
fn is_quoted(text: &str) -> bool {
    const OLD_BOOLS: [&str; 16] =
        ["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "n", "N", "no", "No", "NO", "off", "Off", "OFF"];
    super::scalar::resolve(text) != Tag::Str || OLD_BOOLS.contains(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(object: &str, patch: &str) -> Result<String, String> {
        let mut node = json::from_json(object).unwrap();
        JsonPatch::parse(patch).and_then(|p| p.apply(&mut node)).map_err(|e| e.to_string())?;
        Ok(json::to_json(&node, false).unwrap())
    }

    #[test]
    fn lists_take_negative_indexes_and_the_dash() {
        let o = r#"{"a":[1,2]}"#;
        assert_eq!(patched(o, "- {op: add, path: /a/-, value: 3}").unwrap(), r#"{"a":[1,2,3]}"#);
        assert_eq!(patched(o, "- {op: add, path: /a/-1, value: 3}").unwrap(), r#"{"a":[1,2,3]}"#);
        assert_eq!(patched(o, "- {op: add, path: /a/-2, value: 3}").unwrap(), r#"{"a":[1,3,2]}"#);
        assert_eq!(patched(o, "- {op: remove, path: /a/-1}").unwrap(), r#"{"a":[1]}"#);
        assert!(patched(o, "- {op: add, path: /a/3, value: 3}").is_err());
        assert!(patched(o, "- {op: replace, path: /a/-, value: 3}").is_err());
    }

    #[test]
    fn a_missing_key_may_be_replaced_but_not_removed_or_passed_through() {
        assert_eq!(patched("{}", "- {op: replace, path: /b, value: 1}").unwrap(), r#"{"b":1}"#);
        assert_eq!(patched("{}", "- {op: copy, from: /b, path: /c}").unwrap(), r#"{"c":null}"#);
        assert!(patched("{}", "- {op: remove, path: /b}").is_err());
        assert!(
            patched("{}", "- {op: add, path: /b/c, value: 1}")
                .unwrap_err()
                .contains("operation 1 (add /b/c)")
        );
    }

    #[test]
    fn test_compares_as_json_and_stops_the_patch() {
        let o = r#"{"a":{"x":1,"z":[true]}}"#;
        assert!(patched(o, "- {op: test, path: /a, value: {z: [true], x: 1}}").is_ok());
        assert!(patched(o, "- {op: test, path: /a/x, value: \"1\"}").unwrap_err().contains("test failed"));
        assert!(patched(o, "- {op: test, path: /b, value: null}").is_ok());
    }

    #[test]
    fn escapes_move_and_json_text_work() {
        let o = r#"{"a/b":{"c~d":1}}"#;
        assert_eq!(
            patched(o, r#"[{"op":"move","from":"/a~1b/c~0d","path":"/e"}]"#).unwrap(),
            r#"{"a/b":{},"e":1}"#
        );
        assert!(JsonPatch::parse("[{op: add}]").is_err());
        assert!(JsonPatch::parse("op: add").is_err());
    }

    #[test]
    fn numbers_have_gone_through_floats() {
        let mut node = json::from_json(r#"{"n":12345678}"#).unwrap();
        JsonPatch::parse("- {op: add, path: /m, value: 1}").unwrap().apply(&mut node).unwrap();
        assert_eq!(node.get("n").unwrap().text(), Some("1.2345678e+07"));
    }

    #[test]
    fn copies_of_copies_are_stopped() {
        let many: String = (0..40).map(|_| "- {op: copy, from: /a, path: /a/-}\n").collect();
        let e = patched(r#"{"a":[1,2,3]}"#, &many).unwrap_err();
        assert!(e.contains("copies add more"), "{e}");
    }
}
