//! JSON as Go's `encoding/json` writes it, from and to our tree.

use super::emit::{decode_binary, quoted_in_flow, rewritten};
use super::resolve::{Dialect, Resolved, resolve_tagged};
use super::{Entry, Error, Limits, Mapping, Node, Scalar, Style, Tag, Value, num, time};

/// Compact JSON with keys sorted bytewise, as `json.Marshal` of the decoded node prints it.
///
/// `escape_html` writes `<`, `>` and `&` as `\u003c`, ..., which Go does unless told otherwise.
///
/// # Errors
/// Keys that are not strings, scalars that contradict their tag, infinities.
pub fn to_json(node: &Node, escape_html: bool) -> Result<String, Error> {
    let mut out = String::new();
    write(&mut out, node, Form { html: escape_html, rewrite: false }, true)?;
    Ok(out)
}

/// As [`to_json`] with escaped HTML, but of the node as kustomize's `MarshalJSON` has it: written by go-yaml v3 in the
/// style in which it stood, and read again. This is what goes into name hashes.
///
/// # Errors
/// As [`to_json`], and block scalars that begin with a tab.
pub fn to_json_as_kustomize(node: &Node) -> Result<String, Error> {
    let mut out = String::new();
    write(&mut out, node, Form { html: true, rewrite: true }, true)?;
    Ok(out)
}

#[derive(Clone, Copy)]
struct Form {
    html: bool,
    rewrite: bool,
}

fn write(out: &mut String, node: &Node, form: Form, top: bool) -> Result<(), Error> {
    match &node.value {
        Value::Scalar(scalar) => write_scalar(out, scalar, node, form)?,
        Value::Sequence(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(out, item, form, false)?;
            }
            out.push(']');
        }
        Value::Mapping(mapping) => {
            out.push('{');
            for (i, (key, value)) in sorted(mapping, top)?.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                quote_into(out, key, form.html);
                out.push(':');
                write(out, value, form, false)?;
            }
            out.push('}');
        }
    }
    Ok(())
}

fn sorted(mapping: &Mapping, top: bool) -> Result<Vec<(&str, &Node)>, Error> {
    let mut entries = Vec::with_capacity(mapping.entries.len());
    for Entry { key, value } in &mapping.entries {
        match &key.value {
            Value::Scalar(Scalar { tag: Tag::Str, text, .. }) => entries.push((&**text, value)),
            Value::Scalar(Scalar { tag: Tag::Null, .. }) if top => {}
            Value::Scalar(Scalar { text, .. }) if top => entries.push((&**text, value)),
            _ => return Err(Error::at(key.pos, "json: unsupported type: map[interface {}]interface {}")),
        }
    }
    entries.sort_by(|a, b| a.0.cmp(b.0));
    if let Some(pair) = entries.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let message = format!("mapping key {} already defined", quote(pair[0].0, false));
        return Err(Error::at(pair[1].1.pos, message));
    }
    Ok(entries)
}

fn write_scalar(out: &mut String, scalar: &Scalar, node: &Node, form: Form) -> Result<(), Error> {
    let html = form.html;
    if form.rewrite && quoted_in_flow(scalar) {
        quote_into(out, &scalar.text, html);
        return Ok(());
    }
    if form.rewrite && scalar.tag == Tag::Str {
        quote_into(out, &rewritten(scalar, node.pos)?, html);
        return Ok(());
    }
    if let Tag::Str | Tag::Other(_) = scalar.tag {
        quote_into(out, &scalar.text, html);
        return Ok(());
    }
    if scalar.tag == Tag::Binary {
        quote_into(out, &decode_binary(&scalar.text, node.pos)?, html);
        return Ok(());
    }
    let resolved = resolve_tagged(&scalar.tag, &scalar.text, Dialect::V3).map_err(|message| Error {
        pos: node.pos,
        message,
        shown: 0,
    })?;
    match resolved {
        Resolved::Null => out.push_str("null"),
        Resolved::Bool(b) => out.push_str(if b { "true" } else { "false" }),
        Resolved::Int(n) => out.push_str(&n.to_string()),
        Resolved::Uint(n) => out.push_str(&n.to_string()),
        Resolved::Float(x) => match num::format_json(x) {
            Some(text) => out.push_str(&text),
            None => {
                let message = format!("json: unsupported value: {}", num::format_g(x));
                return Err(Error::at(node.pos, message));
            }
        },
        Resolved::Timestamp(t) => {
            quote_into(out, &time::to_json(&t).map_err(|m| Error::at(node.pos, m))?, html);
        }
        Resolved::Str => quote_into(out, &scalar.text, html),
    }
    Ok(())
}

/// A string as Go quotes it in JSON.
#[must_use]
pub fn quote(text: &str, escape_html: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote_into(&mut out, text, escape_html);
    out
}

fn quote_into(out: &mut String, text: &str, html: bool) {
    use std::fmt::Write as _;
    out.push('"');
    let mut start = 0;
    for (i, c) in text.char_indices() {
        let plain = match c {
            '"' | '\\' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => false,
            '<' | '>' | '&' => !html,
            _ => true,
        };
        if plain {
            continue;
        }
        out.push_str(&text[start..i]);
        start = i + c.len_utf8();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            _ => {
                let _ = write!(out, "\\u{:04x}", c as u32);
            }
        }
    }
    out.push_str(&text[start..]);
    out.push('"');
}

/// Bytes as text, every byte that is not part of valid UTF-8 replaced by U+FFFD (Go replaces byte by byte).
pub(crate) fn lossy(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| '\u{FFFD}'));
    }
    out
}

/// What go-yaml v2 reads where Go's JSON has written this string.
pub(crate) fn read_back(text: &str) -> Result<String, Error> {
    let nodes = super::read_v2(&quote(text, true), &Limits::default())?;
    Ok(nodes.first().and_then(Node::text).unwrap_or_default().to_owned())
}

/// Reads JSON text into a tree: integers stay integers, everything else with a point or exponent is a float.
/// Objects keep their order; of repeated keys the last one wins.
///
/// # Errors
/// Text that is not one JSON value, with line and column.
pub fn from_json(text: &str) -> Result<Node, Error> {
    let value: OrderedNode = serde_json::from_str(text).map_err(|e| {
        let pos = super::Pos { line: e.line() as u32, column: e.column() as u32 };
        let full = e.to_string();
        let message = full.split(" at line ").next().unwrap_or_default();
        Error::at(pos, format!("invalid JSON: {message}"))
    })?;
    Ok(value.0)
}

/// A node that serde can build.
struct OrderedNode(Node);

impl<'de> serde::Deserialize<'de> for OrderedNode {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor).map(OrderedNode)
    }
}

struct NodeVisitor;

impl<'de> serde::de::Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, b: bool) -> Result<Node, E> {
        Ok(Node::scalar(Tag::Bool, if b { "true" } else { "false" }))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Node, E> {
        Ok(Node::scalar(Tag::Int, n.to_string()))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Node, E> {
        Ok(Node::scalar(Tag::Int, n.to_string()))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Node, E> {
        Ok(Node::scalar(Tag::Float, num::format_json(x).unwrap_or_default()))
    }

    fn visit_str<E>(self, s: &str) -> Result<Node, E> {
        let mut node = Node::str(s);
        if let Value::Scalar(scalar) = &mut node.value {
            scalar.style = Style::DoubleQuoted;
        }
        Ok(node)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::null())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(OrderedNode(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::from(Value::Sequence(items)))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut mapping = Mapping::default();
        let mut seen = std::collections::HashMap::new();
        while let Some((key, OrderedNode(value))) = map.next_entry::<String, _>()? {
            match seen.get(&key) {
                Some(&at) => {
                    let entry: &mut Entry = &mut mapping.entries[at];
                    entry.value = value;
                }
                None => {
                    seen.insert(key.clone(), mapping.entries.len());
                    mapping.entries.push(Entry { key: Node::str(key), value });
                }
            }
        }
        Ok(Node::from(Value::Mapping(mapping)))
    }
}
