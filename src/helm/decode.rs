//! Decoding YAML into typed fields as `sigs.k8s.io/yaml` decodes it into a Go struct.

use std::collections::BTreeMap;

use crate::yaml::{Node, Tag, Value, num};

/// A mapping that is decoded field by field. `of` is the Go type's name for messages.
pub(super) struct Decode<'a> {
    node: &'a Node,
    of: &'static str,
}

impl<'a> Decode<'a> {
    /// Takes a mapping or null.
    pub(super) fn new(node: &'a Node, of: &'static str) -> Result<Self, String> {
        if node.as_map().is_none() && !node.is_null() {
            return Err(format!("json: cannot unmarshal {} into Go value of type {of}", json_kind(node)));
        }
        Ok(Self { node, of })
    }

    /// The field's node. Names match in any case; of several that match Go takes the last in byte order.
    pub(super) fn get(&self, field: &str) -> Option<&'a Node> {
        let map = self.node.as_map()?;
        let mut best: Option<(&str, &Node)> = None;
        for entry in &map.entries {
            let Some(key) = entry.key.text() else { continue };
            if key.eq_ignore_ascii_case(field) && best.is_none_or(|(b, _)| b <= key) {
                best = Some((key, &entry.value));
            }
        }
        best.map(|(_, node)| node).filter(|n| !n.is_null())
    }

    fn mismatch(&self, field: &str, node: &Node, want: &str) -> String {
        let kind = json_kind(node);
        let line = node.pos.line;
        format!(
            "line {line}: json: cannot unmarshal {kind} into Go struct field {}.{field} of type {want}",
            self.of
        )
    }

    /// A field of type `string`.
    pub(super) fn text(&self, field: &str, into: &mut String) -> Result<(), String> {
        if let Some(node) = self.get(field) {
            *into = text(node).ok_or_else(|| self.mismatch(field, node, "string"))?;
        }
        Ok(())
    }

    /// A field of type `bool`.
    pub(super) fn flag(&self, field: &str, into: &mut bool) -> Result<(), String> {
        if let Some(node) = self.get(field) {
            *into = match &node.value {
                Value::Scalar(s) if s.tag == Tag::Bool => &*s.text == "true",
                _ => return Err(self.mismatch(field, node, "bool")),
            };
        }
        Ok(())
    }

    /// A field of type `[]T`.
    pub(super) fn list(&self, field: &str) -> Result<Option<&'a [Node]>, String> {
        let Some(node) = self.get(field) else { return Ok(None) };
        node.as_seq().map(Some).ok_or_else(|| self.mismatch(field, node, "[]"))
    }

    /// A field of type `[]string`.
    pub(super) fn texts(&self, field: &str, into: &mut Vec<String>) -> Result<(), String> {
        if let Some(items) = self.list(field)? {
            *into = items
                .iter()
                .map(|n| match n.is_null() {
                    true => Ok(String::new()),
                    false => text(n).ok_or_else(|| self.mismatch(field, n, "string")),
                })
                .collect::<Result<_, _>>()?;
        }
        Ok(())
    }

    /// A field of type `map[string]string`.
    pub(super) fn text_map(&self, field: &str) -> Result<Option<BTreeMap<String, String>>, String> {
        let Some(node) = self.get(field) else { return Ok(None) };
        let map = node.as_map().ok_or_else(|| self.mismatch(field, node, "map[string]string"))?;
        let mut out = BTreeMap::new();
        for entry in &map.entries {
            let value = match entry.value.is_null() {
                true => String::new(),
                false => text(&entry.value).ok_or_else(|| self.mismatch(field, &entry.value, "string"))?,
            };
            out.insert(text(&entry.key).unwrap_or_default(), value);
        }
        Ok(Some(out))
    }
}

/// A scalar as text, the way it becomes one for a Go field of type `string`; `None` if it is not a scalar.
pub(super) fn text(node: &Node) -> Option<String> {
    let Value::Scalar(s) = &node.value else { return None };
    Some(match s.tag {
        Tag::Float => s.text.parse().map_or_else(|_| s.text.to_string(), num::format_g),
        _ => s.text.to_string(),
    })
}

/// What Go's JSON decoder calls it.
pub(super) fn json_kind(node: &Node) -> &'static str {
    match &node.value {
        Value::Sequence(_) => "array",
        Value::Mapping(_) => "object",
        Value::Scalar(s) => match s.tag {
            Tag::Bool => "bool",
            Tag::Int | Tag::Float => "number",
            _ => "string",
        },
    }
}
