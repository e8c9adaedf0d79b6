//! Nodes as the original makes them. A scalar made without a tag has the type that its text reads as.

use super::types::StringMap;
use crate::yaml::{Entry, Mapping, Node, Scalar, Style, Tag, Value};

/// The type that a plain scalar with this text has.
#[must_use]
pub fn resolve(text: &str) -> Tag {
    crate::yaml::plain_tag_v3(text)
}

/// Null, or a mapping, sequence or scalar with nothing in it.
#[must_use]
pub fn is_nil_or_empty(node: &Node) -> bool {
    match &node.value {
        Value::Mapping(m) => m.entries.is_empty(),
        Value::Sequence(s) => s.is_empty(),
        Value::Scalar(_) => node.is_null(),
    }
}

/// A string that the original sets: quoted if its text would read as something else, so that a later text that comes
/// without a type stays a string, too.
#[must_use]
pub fn string(text: &str) -> Node {
    // The original asks go-yaml v2, which reads dates as strings.
    let plain = matches!(resolve(text), Tag::Str | Tag::Timestamp);
    let style = if plain { Style::Plain } else { Style::DoubleQuoted };
    Node::from(Value::Scalar(Scalar { text: text.into(), tag: Tag::Str, style }))
}

/// A mapping of strings with keys as the original makes them.
#[must_use]
pub fn string_map_node(map: &StringMap) -> Node {
    let entries = map.iter().map(|(k, v)| Entry { key: super::fieldspec::untagged_key(k), value: string(v) });
    Node::from(Value::Mapping(Mapping { entries: entries.collect() }))
}

/// Sets a scalar that has no tag of its own: its type is what its text reads as, unless the field was quoted before.
pub fn set_untyped(map: &mut Mapping, key: &str, text: &str) {
    let style = match map.get(key).map(|n| &n.value) {
        Some(Value::Scalar(s)) => s.style,
        _ => Style::Plain,
    };
    let tag = if style == Style::Plain { resolve(text) } else { Tag::Str };
    map.set(key, Node::from(Value::Scalar(Scalar { text: text.into(), tag, style })));
}
