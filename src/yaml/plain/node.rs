//! A plain document as the tree that the readers make, without places.

use super::super::read::jsonable;
use super::super::{Entry, Mapping, Node, Style, Tag, Value};
use super::{Dialect, Limits, Make, Resolved, Scalar, build_plain, resolve};

/// As [`read_v2_json`](crate::yaml::read_v2_json) for a text that is plain, but nothing in the tree has a place. `None` also
/// for what cannot become JSON.
#[must_use]
pub fn read_plain_v2_json(text: &str, limits: &Limits) -> Option<Node> {
    jsonable(build_plain(text, limits, Nodes)?).ok()
}

struct Nodes;

impl Make for Nodes {
    type Key = Node;
    type Node = Node;

    fn key(&mut self, key: &str) -> Node {
        Node::str(key)
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> Option<Node> {
        let (tag, style) = match scalar {
            Scalar::Empty => return Some(Node::null()),
            Scalar::Plain(text) => (
                match resolve(text, Dialect::V2) {
                    Resolved::Timestamp(_) => Tag::Str,
                    other => other.tag(),
                },
                Style::Plain,
            ),
            Scalar::Single(_) => (Tag::Str, Style::SingleQuoted),
            Scalar::Block(_) => (Tag::Str, Style::Literal),
            Scalar::Double(_) => (Tag::Str, Style::DoubleQuoted),
        };
        let text = scalar.text()?.into();
        Some(Node::from(Value::Scalar(super::super::Scalar { text, tag, style })))
    }

    fn mapping(&mut self, entries: impl ExactSizeIterator<Item = (Node, Node)>) -> Node {
        let entries = entries.map(|(key, value)| Entry { key, value }).collect();
        Node::from(Value::Mapping(Mapping { entries }))
    }

    fn sequence(&mut self, items: impl ExactSizeIterator<Item = Node>) -> Node {
        Node::from(Value::Sequence(items.collect()))
    }

    fn copy(&mut self, node: &Node) -> Option<Node> {
        Some(node.clone())
    }

    fn entries(&mut self, node: &Node) -> Option<Vec<(Node, Node)>> {
        Some(node.as_map()?.entries.iter().map(|e| (e.key.clone(), e.value.clone())).collect())
    }
}
