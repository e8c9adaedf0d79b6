//! From events to trees: anchors, aliases and merge keys are expanded here, for both dialects.

use std::collections::HashMap;

use super::event::{Event, Kind, Properties};
use super::parse::Parser;
use super::resolve::{Dialect, Resolved, explicit_tag, resolve};
use super::{Entry, Error, Limits, Mapping, Node, Pos, Scalar, Style, Tag, Value};

/// Reads documents one after the other.
pub(crate) struct Composer<'t> {
    parser: Parser<'t>,
    /// Lines of the whole text before the piece that is read.
    lines_before: u32,
    dialect: Dialect,
    limits: Limits,
    anchors: HashMap<Box<str>, Anchor>,
    depth: usize,
    /// go-yaml's counters for its alias ratio.
    decoded: usize,
    from_aliases: usize,
    /// How many flow collections are open.
    flow: usize,
    /// The first error that go-yaml finds only when it decodes what it has read.
    deferred: Option<Error>,
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
            parser: Parser::new(text, dialect),
            lines_before: 0,
            dialect,
            limits: *limits,
            anchors: HashMap::new(),
            depth: 0,
            decoded: 0,
            from_aliases: 0,
            flow: 0,
            deferred: None,
        })
    }

    /// Counts lines from here on: the text is a piece of a larger one.
    pub(crate) fn start_at(&mut self, lines_before: u32) {
        self.lines_before = lines_before;
    }

    /// The next document; `None` at the end of the stream.
    pub(crate) fn document(&mut self) -> Result<Option<Node>, Error> {
        match self.event()?.kind {
            Kind::DocumentStart => {}
            _ => return Ok(None),
        }
        if self.dialect == Dialect::V2 {
            self.anchors.clear();
        }
        let event = self.event()?;
        let node = self.node(event)?;
        // DocumentEnd, which may bring the error that follows the document.
        self.event()?;
        if self.dialect == Dialect::V2 {
            self.finish()?;
        }
        Ok(Some(node))
    }

    /// The next document, if it is a plain mapping: of its entries only those with a wanted key are built, the rest is passed
    /// over. `None` if it holds what has to be built to be judged (aliases, tags, merges, odd keys) or an error: then
    /// [`Composer::document`] of a new composer says what it is.
    pub(crate) fn fields(&mut self, wanted: impl Fn(&str) -> bool) -> Option<Node> {
        if self.event().ok()?.kind != Kind::DocumentStart {
            return None;
        }
        let start = self.event().ok()?;
        let Kind::MappingStart { properties: None, .. } = start.kind else { return None };
        let mut entries = Vec::new();
        loop {
            let key = self.event().ok()?;
            match &key.kind {
                Kind::MappingEnd => break,
                Kind::Scalar { text, .. } if plain_key(&key.kind) => {
                    if wanted(text) {
                        let key = self.node(key).ok()?;
                        let event = self.event().ok()?;
                        entries.push(Entry { key, value: self.node(event).ok()? });
                    } else {
                        self.pass_over()?;
                    }
                }
                _ => return None,
            }
        }
        self.event().ok()?;
        self.finish().ok()?;
        Some(Node { value: Value::Mapping(Mapping { entries }), pos: start.mark.pos(self.lines_before) })
    }

    /// Passes over a value that the conversion to JSON is sure to take.
    fn pass_over(&mut self) -> Option<()> {
        // For each open collection whether it is a mapping whose next scalar is a key.
        let mut open: Vec<Option<bool>> = Vec::new();
        let deepest = FAMILIAR_DEPTH.min(self.limits.depth.saturating_sub(1));
        loop {
            let event = self.event().ok()?;
            let key = matches!(open.last(), Some(Some(true)));
            match &event.kind {
                Kind::Scalar { .. } if key && !plain_key(&event.kind) => return None,
                Kind::Scalar { .. } if key => {
                    *open.last_mut()? = Some(false);
                    continue;
                }
                Kind::Scalar { properties: None, text, implicit, .. } => {
                    if *implicit
                        && matches!(resolve(text, self.dialect), Resolved::Float(x) if !x.is_finite())
                    {
                        return None;
                    }
                }
                Kind::MappingEnd | Kind::SequenceEnd => {
                    open.pop();
                }
                Kind::MappingStart { properties: None, .. } if !key && open.len() < deepest => {
                    open.push(Some(true));
                    continue;
                }
                Kind::SequenceStart { properties: None, .. } if !key && open.len() < deepest => {
                    open.push(None);
                    continue;
                }
                _ => return None,
            }
            // A value is complete.
            match open.last_mut() {
                None => return Some(()),
                Some(Some(key)) => *key = true,
                Some(None) => {}
            }
        }
    }

    /// Brings up what is wrong with aliases and merge keys. go-yaml v2 looks for it after each document, v3 (as
    /// kustomize uses it) after the last.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.deferred.take().map_or(Ok(()), Err)
    }

    /// Keeps an error for `finish`; null stands for what could not be made.
    fn defer(&mut self, pos: Pos, message: String, shown: u32) -> Node {
        self.deferred.get_or_insert(Error { pos, message, shown });
        Node { pos, ..Node::null() }
    }

    fn event(&mut self) -> Result<Event<'t>, Error> {
        self.parser.next().map_err(|e| e.into_error(self.dialect, self.lines_before))
    }

    fn node(&mut self, event: Event<'t>) -> Result<Node, Error> {
        let pos = event.mark.pos(self.lines_before);
        self.decoded += 1;
        match event.kind {
            Kind::Scalar { properties, text, style, implicit } => {
                let tag = self.scalar_tag(tag_of(properties.as_deref()), &text, style, implicit);
                let text: Box<str> = text.into();
                let style = self.style_kept(&tag, &text, style, properties.is_some());
                let node = Node { value: Value::Scalar(Scalar { text, tag, style }), pos };
                if let Some(name) = anchor_of(properties.as_deref()) {
                    self.anchors.insert(name.into(), Anchor::Node(node.clone(), 1));
                }
                Ok(node)
            }
            Kind::Alias(name) => self.alias(name, pos),
            Kind::SequenceStart { properties, flow } => {
                self.collection(anchor_of(properties.as_deref()), flow, pos, |this| {
                    let mut items = Vec::new();
                    loop {
                        let event = this.event()?;
                        if event.kind == Kind::SequenceEnd {
                            return Ok(Value::Sequence(items));
                        }
                        items.push(this.node(event)?);
                    }
                })
            }
            Kind::MappingStart { properties, flow } => {
                self.collection(anchor_of(properties.as_deref()), flow, pos, Self::mapping)
            }
            _ => Err(Error::at(pos, "did not find expected node content")),
        }
    }

    fn collection(
        &mut self,
        anchor: Option<&str>,
        flow: bool,
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
        self.flow += usize::from(flow);
        let value = read(self)?;
        self.flow -= usize::from(flow);
        self.depth -= 1;
        let node = Node { value, pos };
        // A name that was given again inside is that one's: `a: &n {b: &n {c: d}}`.
        if let Some(name) = anchor
            && matches!(self.anchors.get(name), Some(Anchor::Open))
        {
            self.anchors.insert(name.into(), Anchor::Node(node.clone(), self.decoded - before + 1));
        }
        Ok(node)
    }

    fn mapping(&mut self) -> Result<Value, Error> {
        let mut entries = Vec::new();
        let mut merges = Vec::new();
        loop {
            let event = self.event()?;
            if event.kind == Kind::MappingEnd {
                break;
            }
            let merge = self.is_merge(&event.kind);
            let key = self.node(event)?;
            let event = self.event()?;
            let alias = matches!(event.kind, Kind::Alias(_));
            let value = self.node(event)?;
            if !merge {
                entries.push(Entry { key, value });
                continue;
            }
            let value = match merged(value, alias) {
                Ok(value) => value,
                Err(error) => {
                    self.deferred.get_or_insert(error);
                    continue;
                }
            };
            if self.dialect == Dialect::V2 {
                // Keys of a merge overwrite those before it and are overwritten by those after it.
                entries.extend(value.into_iter().rev().flatten());
            } else if merges.is_empty() {
                merges = value;
            } else {
                self.defer(key.pos, "duplicate merge key".into(), 0);
            }
        }
        for mut entry in merges.into_iter().flatten() {
            if let Value::Scalar(scalar) = &mut entry.value.value
                && matches!(scalar.tag, Tag::Null | Tag::Timestamp)
                && self.flow == 0
            {
                // It stands in a block mapping now: see `style_kept`.
                scalar.style = Style::Plain;
            }
            let name = entry.key.text();
            if name.is_none() || !entries.iter().any(|e| e.key.text() == name) {
                entries.push(entry);
            }
        }
        Ok(Value::Mapping(Mapping { entries }))
    }

    fn is_merge(&self, kind: &Kind<'_>) -> bool {
        match kind {
            Kind::Scalar { properties, text, implicit, style } if text == "<<" => {
                match (tag_of(properties.as_deref()), self.dialect) {
                    (Some(tag), _) if tag != "!" => tag == "tag:yaml.org,2002:merge",
                    (_, Dialect::V2) => *implicit,
                    (_, Dialect::V3) => *style == Style::Plain,
                }
            }
            _ => false,
        }
    }

    /// The style to remember. kustomize writes its resources before it decodes them for output, and in a flow
    /// collection go-yaml v3 quotes an empty null (`{a: }` comes out as `a: ""`) and a timestamp with colons, which
    /// makes strings of them. A null or timestamp in single quotes stands for that.
    fn style_kept(&self, tag: &Tag, text: &str, style: Style, properties: bool) -> Style {
        if self.dialect == Dialect::V2 {
            return style;
        }
        match tag {
            Tag::Null if self.flow > 0 && text.is_empty() => Style::SingleQuoted,
            Tag::Timestamp if self.flow > 0 && text.contains(':') && !properties => Style::SingleQuoted,
            Tag::Null | Tag::Timestamp => Style::Plain,
            _ => style,
        }
    }

    fn scalar_tag(&self, tag: Option<&str>, text: &str, style: Style, implicit: bool) -> Tag {
        match tag {
            // `! 12`: a string for v2; v3 does as if it were not there.
            Some("!") if self.dialect == Dialect::V2 => return Tag::Str,
            Some("!") | None => {}
            Some(tag) => return explicit_tag(tag),
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
                return Ok(self.defer(pos, format!("anchor '{name}' value contains itself"), 0));
            }
            Some(Anchor::Node(..)) if self.deferred.is_some() => return Ok(Node::null()),
            Some(Anchor::Node(node, nodes)) => (node, *nodes),
        };
        self.decoded += nodes;
        self.from_aliases += nodes;
        let excessive = self.from_aliases > 100
            && self.decoded > 1000
            && self.from_aliases as f64 / self.decoded as f64 > allowed_alias_ratio(self.decoded);
        if excessive || self.from_aliases > self.limits.alias_nodes {
            return Ok(self.defer(pos, "document contains excessive aliasing".into(), pos.line));
        }
        Ok(node.clone())
    }
}

/// How deep the values may be nested that [`Composer::fields`] passes over.
const FAMILIAR_DEPTH: usize = 100;

/// Whether it is a key that is text, or becomes it: no merge, nothing that JSON refuses.
fn plain_key(kind: &Kind<'_>) -> bool {
    match kind {
        Kind::Scalar { properties: None, text, implicit, .. } => {
            !*implicit || (text != "<<" && matches!(resolve(text, Dialect::V2), Resolved::Str))
        }
        _ => false,
    }
}

fn anchor_of<'t>(properties: Option<&Properties<'t>>) -> Option<&'t str> {
    properties.and_then(|p| p.anchor)
}

fn tag_of<'p>(properties: Option<&'p Properties<'_>>) -> Option<&'p str> {
    properties.and_then(|p| p.tag.as_deref())
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
fn merged(value: Node, alias: bool) -> Result<Vec<Vec<Entry>>, Error> {
    const WANT_MAP: &str = "map merge requires map or sequence of maps as the value";
    let pos = value.pos;
    match value.value {
        Value::Mapping(m) => Ok(vec![m.entries]),
        Value::Sequence(items) if !alias => items
            .into_iter()
            .map(|item| match item.value {
                Value::Mapping(m) => Ok(m.entries),
                _ => Err(Error { pos: item.pos, message: WANT_MAP.into(), shown: 0 }),
            })
            .collect(),
        _ => Err(Error { pos, message: WANT_MAP.into(), shown: 0 }),
    }
}
