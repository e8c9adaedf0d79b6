//! From events to trees: anchors, aliases and merge keys are expanded here, for both dialects.

use std::collections::HashMap;

use super::event::{Event, Events, Kind};
use super::resolve::{Dialect, Resolved, explicit_tag, resolve};
use super::{Entry, Error, Limits, Mapping, Node, Pos, Scalar, Style, Tag, Value};

/// Reads documents one after the other.
pub(crate) struct Composer<'t> {
    events: Events<'t>,
    dialect: Dialect,
    limits: Limits,
    anchors: HashMap<Box<str>, Anchor>,
    depth: usize,
    /// go-yaml's counters for its alias ratio.
    decoded: usize,
    from_aliases: usize,
}

/// What a name stands for.
enum Anchor {
    /// Its node is still being read: an alias to it would contain itself.
    Open,
    Node(Node, usize),
}

impl<'t> Composer<'t> {
    pub(crate) fn new(text: &'t str, dialect: Dialect, limits: &Limits) -> Result<Self, Error> {
        if text.len() > limits.bytes {
            let message =
                format!("document of {} bytes exceeds the limit of {} bytes", text.len(), limits.bytes);
            return Err(Error::new(message));
        }
        Ok(Self {
            events: Events::new(text, dialect),
            dialect,
            limits: *limits,
            anchors: HashMap::new(),
            depth: 0,
            decoded: 0,
            from_aliases: 0,
        })
    }

    /// Counts lines from here on: the text is a piece of a larger one.
    pub(crate) fn start_at(&mut self, lines_before: u32) {
        self.events.start_at(lines_before);
    }

    /// The next document; `None` at the end of the stream.
    pub(crate) fn document(&mut self) -> Result<Option<Node>, Error> {
        match self.events.next()?.kind {
            Kind::DocumentStart => {}
            _ => return Ok(None),
        }
        if self.dialect == Dialect::V2 {
            self.anchors.clear();
        }
        let event = self.events.next()?;
        let node = self.node(event)?;
        // DocumentEnd, which may bring the error that follows the document.
        self.events.next()?;
        Ok(Some(node))
    }

    fn node(&mut self, event: Event<'t>) -> Result<Node, Error> {
        let pos = event.pos;
        self.decoded += 1;
        match event.kind {
            Kind::Scalar { anchor, tag, text, style, implicit } => {
                let tag = self.scalar_tag(tag.as_deref(), &text, style, implicit);
                let text = text.into_owned().into_boxed_str();
                let node = Node { value: Value::Scalar(Scalar { text, tag, style }), pos };
                if let Some(name) = anchor {
                    self.anchors.insert(name.as_ref().into(), Anchor::Node(node.clone(), 1));
                }
                Ok(node)
            }
            Kind::Alias(name) => self.alias(&name, pos),
            Kind::SequenceStart { anchor, .. } => self.collection(anchor.as_deref(), pos, |this| {
                let mut items = Vec::new();
                loop {
                    let event = this.events.next()?;
                    if event.kind == Kind::SequenceEnd {
                        return Ok(Value::Sequence(items));
                    }
                    items.push(this.node(event)?);
                }
            }),
            Kind::MappingStart { anchor, .. } => self.collection(anchor.as_deref(), pos, Self::mapping),
            _ => Err(Error::at(pos, "did not find expected node content")),
        }
    }

    fn collection(
        &mut self,
        anchor: Option<&str>,
        pos: Pos,
        read: impl FnOnce(&mut Self) -> Result<Value, Error>,
    ) -> Result<Node, Error> {
        if self.depth >= self.limits.depth {
            return Err(Error::at(pos, format!("exceeded max depth of {}", self.limits.depth)));
        }
        if let Some(name) = anchor {
            self.anchors.insert(name.into(), Anchor::Open);
        }
        let before = self.decoded;
        self.depth += 1;
        let value = read(self)?;
        self.depth -= 1;
        let node = Node { value, pos };
        if let Some(name) = anchor {
            self.anchors.insert(name.into(), Anchor::Node(node.clone(), self.decoded - before + 1));
        }
        Ok(node)
    }

    fn mapping(&mut self) -> Result<Value, Error> {
        let mut entries = Vec::new();
        let mut merges = Vec::new();
        loop {
            let event = self.events.next()?;
            if event.kind == Kind::MappingEnd {
                break;
            }
            let merge = self.is_merge(&event.kind);
            let key = self.node(event)?;
            let event = self.events.next()?;
            let value = self.node(event)?;
            if !merge {
                entries.push(Entry { key, value });
            } else if self.dialect == Dialect::V2 {
                // Keys of a merge overwrite those before it and are overwritten by those after it.
                entries.extend(merged(value)?.into_iter().rev().flatten());
            } else if merges.is_empty() {
                merges = merged(value)?;
            } else {
                return Err(Error::at(key.pos, "duplicate merge key"));
            }
        }
        for entry in merges.into_iter().flatten() {
            let name = entry.key.text();
            if name.is_none() || !entries.iter().any(|e| e.key.text() == name) {
                entries.push(entry);
            }
        }
        Ok(Value::Mapping(Mapping { entries }))
    }

    fn is_merge(&self, kind: &Kind<'_>) -> bool {
        match kind {
            Kind::Scalar { tag, text, implicit, style, .. } if text == "<<" => {
                match (tag.as_deref(), self.dialect) {
                    (Some(tag), _) => tag == "tag:yaml.org,2002:merge",
                    (None, Dialect::V2) => *implicit,
                    (None, Dialect::V3) => *style == Style::Plain,
                }
            }
            _ => false,
        }
    }

    fn scalar_tag(&self, tag: Option<&str>, text: &str, style: Style, implicit: bool) -> Tag {
        if let Some(tag) = tag {
            return explicit_tag(tag);
        }
        match self.dialect {
            Dialect::V2 if !implicit => Tag::Str,
            Dialect::V3 if style != Style::Plain => Tag::Str,
            Dialect::V2 => match resolve(text, Dialect::V2) {
                // Untyped targets see the text.
                Resolved::Timestamp(_) => Tag::Str,
                other => other.tag(),
            },
            Dialect::V3 => resolve(text, Dialect::V3).tag(),
        }
    }

    fn alias(&mut self, name: &str, pos: Pos) -> Result<Node, Error> {
        let (node, nodes) = match self.anchors.get(name) {
            None => {
                return Err(Error { pos, message: format!("unknown anchor '{name}' referenced"), shown: 0 });
            }
            Some(Anchor::Open) => {
                return Err(Error {
                    pos,
                    message: format!("anchor '{name}' value contains itself"),
                    shown: 0,
                });
            }
            Some(Anchor::Node(node, nodes)) => (node, *nodes),
        };
        self.decoded += nodes;
        self.from_aliases += nodes;
        let excessive = self.from_aliases > 100
            && self.decoded > 1000
            && self.from_aliases as f64 / self.decoded as f64 > allowed_alias_ratio(self.decoded);
        if excessive || self.from_aliases > self.limits.alias_nodes {
            return Err(Error::at(pos, "document contains excessive aliasing"));
        }
        Ok(node.clone())
    }
}

/// go-yaml's rule against billion laughs: 99% of small documents may come from aliases, 10% of large ones.
fn allowed_alias_ratio(decoded: usize) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let decoded = decoded as f64;
    if decoded <= LOW {
        0.99
    } else if decoded >= HIGH {
        0.10
    } else {
        0.99 - 0.89 * ((decoded - LOW) / (HIGH - LOW))
    }
}

/// The entry lists that a merge value brings, those that take precedence first.
fn merged(value: Node) -> Result<Vec<Vec<Entry>>, Error> {
    const WANT_MAP: &str = "map merge requires map or sequence of maps as the value";
    let pos = value.pos;
    match value.value {
        Value::Mapping(m) => Ok(vec![m.entries]),
        Value::Sequence(items) => items
            .into_iter()
            .map(|item| match item.value {
                Value::Mapping(m) => Ok(m.entries),
                _ => Err(Error { pos: item.pos, message: WANT_MAP.into(), shown: 0 }),
            })
            .collect(),
        Value::Scalar(_) => Err(Error { pos, message: WANT_MAP.into(), shown: 0 }),
    }
}
