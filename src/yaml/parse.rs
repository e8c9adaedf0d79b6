//! Tokens to events: YAML's grammar as libyaml's state machine has it.

use std::borrow::Cow;

use super::Style;
use super::event::{Event, GrammarError, Kind, Mark, Properties, Refusal};
use super::resolve::Dialect;
use super::scan::{Result, Scanner, TokenKind};

/// Where in the grammar the next event is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the start of the stream, where a document may begin without `---`.
    ImplicitDocumentStart,
    DocumentStart,
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockSequenceFirstEntry,
    BlockSequenceEntry,
    IndentlessSequenceEntry,
    BlockMappingFirstKey,
    BlockMappingKey,
    BlockMappingValue,
    FlowSequenceFirstEntry,
    FlowSequenceEntry,
    FlowSequenceEntryMappingKey,
    FlowSequenceEntryMappingValue,
    FlowSequenceEntryMappingEnd,
    FlowMappingFirstKey,
    FlowMappingKey,
    FlowMappingValue,
    FlowMappingEmptyValue,
    End,
}

/// Reads text event by event.
#[derive(Debug)]
pub(crate) struct Parser<'t> {
    scanner: Scanner<'t>,
    state: State,
    states: Vec<State>,
    /// Where the open collections began, for errors.
    marks: Vec<Mark>,
    /// Handle and prefix.
    tag_directives: Vec<(Cow<'t, str>, Cow<'t, str>)>,
}

impl<'t> Parser<'t> {
    pub(crate) fn new(text: &'t str, dialect: Dialect) -> Self {
        Self {
            scanner: Scanner::new(text, dialect),
            state: State::ImplicitDocumentStart,
            states: Vec::with_capacity(16),
            marks: Vec::with_capacity(16),
            tag_directives: Vec::new(),
        }
    }

    /// The next event; `StreamEnd` again and again at the end.
    pub(crate) fn next(&mut self) -> Result<Event<'t>> {
        match self.state {
            State::ImplicitDocumentStart => self.document_start(true),
            State::DocumentStart => self.document_start(false),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(true, false),
            State::BlockSequenceFirstEntry => {
                self.enter()?;
                self.block_sequence_entry()
            }
            State::BlockSequenceEntry => self.block_sequence_entry(),
            State::IndentlessSequenceEntry => self.indentless_sequence_entry(),
            State::BlockMappingFirstKey => {
                self.enter()?;
                self.block_mapping_key()
            }
            State::BlockMappingKey => self.block_mapping_key(),
            State::BlockMappingValue => self.block_mapping_value(),
            State::FlowSequenceFirstEntry => {
                self.enter()?;
                self.flow_sequence_entry(true)
            }
            State::FlowSequenceEntry => self.flow_sequence_entry(false),
            State::FlowSequenceEntryMappingKey => self.flow_pair_key(),
            State::FlowSequenceEntryMappingValue => self.flow_pair_value(),
            State::FlowSequenceEntryMappingEnd => {
                self.state = State::FlowSequenceEntry;
                let (_, mark, _) = self.peek()?;
                Ok(Event { kind: Kind::MappingEnd, mark })
            }
            State::FlowMappingFirstKey => {
                self.enter()?;
                self.flow_mapping_key(true)
            }
            State::FlowMappingKey => self.flow_mapping_key(false),
            State::FlowMappingValue => self.flow_mapping_value(false),
            State::FlowMappingEmptyValue => self.flow_mapping_value(true),
            State::End => Ok(Event { kind: Kind::StreamEnd, mark: self.scanner.cursor.mark }),
        }
    }

    /// What the next token is, where it starts and ends.
    #[inline]
    fn peek(&mut self) -> Result<(Next, Mark, Mark)> {
        let token = self.scanner.peek()?;
        Ok((Next::of(&token.kind), token.start, token.end))
    }

    #[inline]
    fn skip(&mut self) {
        self.scanner.take();
    }

    /// Takes the token that opens a collection and remembers its place.
    fn enter(&mut self) -> Result<()> {
        let (_, start, _) = self.peek()?;
        self.marks.push(start);
        self.skip();
        Ok(())
    }

    fn pop_state(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    /// An error in the collection that was entered last.
    fn unfinished(&mut self, problem: &'static str, mark: Mark) -> GrammarError {
        let context = self.marks.pop().unwrap_or_default();
        GrammarError { by: Refusal::Parser, problem: problem.into(), mark, context }
    }

    fn error(problem: &'static str, mark: Mark) -> GrammarError {
        GrammarError { by: Refusal::Parser, problem: problem.into(), mark, context: Mark::default() }
    }

    fn empty(mark: Mark) -> Event<'t> {
        let kind =
            Kind::Scalar { properties: None, text: Cow::Borrowed(""), style: Style::Plain, implicit: true };
        Event { kind, mark }
    }

    fn document_start(&mut self, implicit: bool) -> Result<Event<'t>> {
        let (mut next, mut mark, _) = self.peek()?;
        if !implicit {
            while next == Next::DocumentEnd {
                self.skip();
                (next, mark, _) = self.peek()?;
            }
        }
        if next == Next::StreamEnd {
            self.state = State::End;
            self.skip();
            return Ok(Event { kind: Kind::StreamEnd, mark });
        }
        if implicit && !matches!(next, Next::Directive | Next::DocumentStart) {
            self.directives()?;
            self.states.push(State::DocumentEnd);
            self.state = State::BlockNode;
            return Ok(Event { kind: Kind::DocumentStart, mark });
        }
        self.directives()?;
        let (next, start, _) = self.peek()?;
        if next != Next::DocumentStart {
            return Err(Self::error("did not find expected <document start>", start));
        }
        self.states.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        self.skip();
        Ok(Event { kind: Kind::DocumentStart, mark })
    }

    fn directives(&mut self) -> Result<()> {
        let mut version = false;
        loop {
            let token = self.scanner.peek()?;
            let mark = token.start;
            match &token.kind {
                TokenKind::VersionDirective(major, minor) => {
                    if version {
                        return Err(Self::error("found duplicate %YAML directive", mark));
                    }
                    if (*major, *minor) != (1, 1) {
                        return Err(Self::error("found incompatible YAML document", mark));
                    }
                    version = true;
                }
                TokenKind::TagDirective(directive) => {
                    if self.tag_directives.iter().any(|(handle, _)| *handle == directive.0) {
                        return Err(Self::error("found duplicate %TAG directive", mark));
                    }
                    let directive = directive.as_ref().clone();
                    self.tag_directives.push(directive);
                }
                _ => break,
            }
            self.skip();
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if !self.tag_directives.iter().any(|(known, _)| known == handle) {
                self.tag_directives.push((handle.into(), prefix.into()));
            }
        }
        Ok(())
    }

    fn document_content(&mut self) -> Result<Event<'t>> {
        let (next, mark, _) = self.peek()?;
        match next {
            Next::Directive | Next::DocumentStart | Next::DocumentEnd | Next::StreamEnd => {
                self.pop_state();
                Ok(Self::empty(mark))
            }
            _ => self.node(true, false),
        }
    }

    fn document_end(&mut self) -> Result<Event<'t>> {
        let (next, mark, _) = self.peek()?;
        if next == Next::DocumentEnd {
            self.skip();
        }
        self.tag_directives.clear();
        self.state = State::DocumentStart;
        Ok(Event { kind: Kind::DocumentEnd, mark })
    }

    fn node(&mut self, block: bool, indentless: bool) -> Result<Event<'t>> {
        let (mut next, start, _) = self.peek()?;
        let mut mark = start;
        let mut properties: Option<Box<Properties<'t>>> = None;
        if matches!(next, Next::Alias | Next::Anchor | Next::Tag) {
            if next == Next::Alias {
                self.pop_state();
                let Some(TokenKind::Alias(name)) = self.scanner.take().map(|t| t.kind) else {
                    return Err(Self::error("did not find expected node content", mark));
                };
                return Ok(Event { kind: Kind::Alias(name), mark });
            }
            properties = Some(Box::new(self.properties()?));
            (next, mark, _) = self.peek()?;
        }
        // `!` alone says nothing of the type.
        let tagged = properties.as_ref().is_some_and(|p| p.tag.is_some());
        let bang = properties.as_ref().is_some_and(|p| p.tag.as_deref() == Some("!"));
        let (kind, state) = match next {
            Next::BlockEntry if indentless => {
                (Kind::SequenceStart { properties, flow: false }, State::IndentlessSequenceEntry)
            }
            Next::Scalar => {
                self.pop_state();
                let Some(TokenKind::Scalar(text, style)) = self.scanner.take().map(|t| t.kind) else {
                    return Err(Self::error("did not find expected node content", mark));
                };
                let implicit = !tagged && style == Style::Plain || bang;
                let kind = Kind::Scalar { properties, text, style, implicit };
                return Ok(Event { kind, mark: start });
            }
            Next::FlowSequenceStart => {
                (Kind::SequenceStart { properties, flow: true }, State::FlowSequenceFirstEntry)
            }
            Next::FlowMappingStart => {
                (Kind::MappingStart { properties, flow: true }, State::FlowMappingFirstKey)
            }
            Next::BlockSequenceStart if block => {
                (Kind::SequenceStart { properties, flow: false }, State::BlockSequenceFirstEntry)
            }
            Next::BlockMappingStart if block => {
                (Kind::MappingStart { properties, flow: false }, State::BlockMappingFirstKey)
            }
            _ if properties.is_some() => {
                self.pop_state();
                let text = Cow::Borrowed("");
                let kind = Kind::Scalar { properties, text, style: Style::Plain, implicit: !tagged };
                return Ok(Event { kind, mark: start });
            }
            _ => {
                let problem = Cow::Borrowed("did not find expected node content");
                return Err(GrammarError { by: Refusal::Parser, problem, mark, context: start });
            }
        };
        self.state = state;
        Ok(Event { kind, mark: start })
    }

    /// An anchor and a tag, in either order.
    fn properties(&mut self) -> Result<Properties<'t>> {
        let (_, start, _) = self.peek()?;
        let mut properties = Properties::default();
        let mut tag = None;
        loop {
            let (next, mark, _) = self.peek()?;
            match next {
                Next::Anchor if properties.anchor.is_none() => {
                    if let Some(TokenKind::Anchor(name)) = self.scanner.take().map(|t| t.kind) {
                        properties.anchor = Some(name);
                    }
                }
                Next::Tag if tag.is_none() => {
                    if let Some(TokenKind::Tag(pair)) = self.scanner.take().map(|t| t.kind) {
                        tag = Some((pair, mark));
                    }
                }
                _ => break,
            }
        }
        if let Some((pair, mark)) = tag {
            let (handle, suffix) = *pair;
            let full = if handle.is_empty() {
                suffix
            } else {
                let Some((_, prefix)) = self.tag_directives.iter().find(|(known, _)| *known == handle) else {
                    let problem = Cow::Borrowed("found undefined tag handle");
                    return Err(GrammarError { by: Refusal::Parser, problem, mark, context: start });
                };
                Cow::Owned(format!("{prefix}{suffix}"))
            };
            properties.tag = (!full.is_empty()).then_some(full);
        }
        Ok(properties)
    }

    fn block_sequence_entry(&mut self) -> Result<Event<'t>> {
        let (next, start, end) = self.peek()?;
        match next {
            Next::BlockEntry => {
                self.skip();
                let (next, _, _) = self.peek()?;
                if matches!(next, Next::BlockEntry | Next::BlockEnd) {
                    self.state = State::BlockSequenceEntry;
                    return Ok(Self::empty(end));
                }
                self.states.push(State::BlockSequenceEntry);
                self.node(true, false)
            }
            Next::BlockEnd => self.leave(Kind::SequenceEnd, start),
            _ => Err(self.unfinished("did not find expected '-' indicator", start)),
        }
    }

    /// Takes the token that closes a collection.
    fn leave(&mut self, kind: Kind<'t>, mark: Mark) -> Result<Event<'t>> {
        self.pop_state();
        self.marks.pop();
        self.skip();
        Ok(Event { kind, mark })
    }

    fn indentless_sequence_entry(&mut self) -> Result<Event<'t>> {
        let (next, start, end) = self.peek()?;
        if next != Next::BlockEntry {
            self.pop_state();
            return Ok(Event { kind: Kind::SequenceEnd, mark: start });
        }
        self.skip();
        let (next, _, _) = self.peek()?;
        if matches!(next, Next::BlockEntry | Next::Key | Next::Value | Next::BlockEnd) {
            self.state = State::IndentlessSequenceEntry;
            return Ok(Self::empty(end));
        }
        self.states.push(State::IndentlessSequenceEntry);
        self.node(true, false)
    }

    fn block_mapping_key(&mut self) -> Result<Event<'t>> {
        let (next, start, end) = self.peek()?;
        match next {
            Next::Key => {
                self.skip();
                self.block_mapping_part(end, State::BlockMappingValue)
            }
            Next::BlockEnd => self.leave(Kind::MappingEnd, start),
            _ => Err(self.unfinished("did not find expected key", start)),
        }
    }

    fn block_mapping_value(&mut self) -> Result<Event<'t>> {
        let (next, start, end) = self.peek()?;
        if next != Next::Value {
            self.state = State::BlockMappingKey;
            return Ok(Self::empty(start));
        }
        self.skip();
        self.block_mapping_part(end, State::BlockMappingKey)
    }

    /// What stands behind `?` or `:`, maybe nothing.
    fn block_mapping_part(&mut self, mark: Mark, then: State) -> Result<Event<'t>> {
        let (next, _, _) = self.peek()?;
        if matches!(next, Next::Key | Next::Value | Next::BlockEnd) {
            self.state = then;
            return Ok(Self::empty(mark));
        }
        self.states.push(then);
        self.node(true, true)
    }

    fn flow_sequence_entry(&mut self, first: bool) -> Result<Event<'t>> {
        let (mut next, mut mark, _) = self.peek()?;
        if next != Next::FlowSequenceEnd {
            if !first {
                if next != Next::FlowEntry {
                    return Err(self.unfinished("did not find expected ',' or ']'", mark));
                }
                self.skip();
                (next, mark, _) = self.peek()?;
            }
            if next == Next::Key {
                self.state = State::FlowSequenceEntryMappingKey;
                self.skip();
                return Ok(Event { kind: Kind::MappingStart { properties: None, flow: true }, mark });
            }
            if next != Next::FlowSequenceEnd {
                self.states.push(State::FlowSequenceEntry);
                return self.node(false, false);
            }
        }
        self.leave(Kind::SequenceEnd, mark)
    }

    /// The key of `[key: value]`.
    fn flow_pair_key(&mut self) -> Result<Event<'t>> {
        let (next, _, end) = self.peek()?;
        if matches!(next, Next::Value | Next::FlowEntry | Next::FlowSequenceEnd) {
            // The token is skipped here, `:` or not.
            self.skip();
            self.state = State::FlowSequenceEntryMappingValue;
            return Ok(Self::empty(end));
        }
        self.states.push(State::FlowSequenceEntryMappingValue);
        self.node(false, false)
    }

    fn flow_pair_value(&mut self) -> Result<Event<'t>> {
        let (next, mark, _) = self.peek()?;
        if next == Next::Value {
            self.skip();
            let (next, _, _) = self.peek()?;
            if !matches!(next, Next::FlowEntry | Next::FlowSequenceEnd) {
                self.states.push(State::FlowSequenceEntryMappingEnd);
                return self.node(false, false);
            }
        }
        self.state = State::FlowSequenceEntryMappingEnd;
        Ok(Self::empty(mark))
    }

    fn flow_mapping_key(&mut self, first: bool) -> Result<Event<'t>> {
        let (mut next, mut mark, _) = self.peek()?;
        if next != Next::FlowMappingEnd {
            if !first {
                if next != Next::FlowEntry {
                    return Err(self.unfinished("did not find expected ',' or '}'", mark));
                }
                self.skip();
                (next, mark, _) = self.peek()?;
            }
            if next == Next::Key {
                self.skip();
                let (next, mark, _) = self.peek()?;
                if matches!(next, Next::Value | Next::FlowEntry | Next::FlowMappingEnd) {
                    self.state = State::FlowMappingValue;
                    return Ok(Self::empty(mark));
                }
                self.states.push(State::FlowMappingValue);
                return self.node(false, false);
            }
            if next != Next::FlowMappingEnd {
                self.states.push(State::FlowMappingEmptyValue);
                return self.node(false, false);
            }
        }
        self.leave(Kind::MappingEnd, mark)
    }

    fn flow_mapping_value(&mut self, empty: bool) -> Result<Event<'t>> {
        let (next, mut mark, _) = self.peek()?;
        if !empty && next == Next::Value {
            self.skip();
            let next;
            (next, mark, _) = self.peek()?;
            if !matches!(next, Next::FlowEntry | Next::FlowMappingEnd) {
                self.states.push(State::FlowMappingKey);
                return self.node(false, false);
            }
        }
        self.state = State::FlowMappingKey;
        Ok(Self::empty(mark))
    }
}

/// A token's kind without its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    StreamEnd,
    Directive,
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias,
    Anchor,
    Tag,
    Scalar,
}

impl Next {
    #[inline]
    fn of(kind: &TokenKind<'_>) -> Self {
        match kind {
            TokenKind::StreamEnd => Self::StreamEnd,
            TokenKind::VersionDirective(..) | TokenKind::TagDirective(_) => Self::Directive,
            TokenKind::DocumentStart => Self::DocumentStart,
            TokenKind::DocumentEnd => Self::DocumentEnd,
            TokenKind::BlockSequenceStart => Self::BlockSequenceStart,
            TokenKind::BlockMappingStart => Self::BlockMappingStart,
            TokenKind::BlockEnd => Self::BlockEnd,
            TokenKind::FlowSequenceStart => Self::FlowSequenceStart,
            TokenKind::FlowSequenceEnd => Self::FlowSequenceEnd,
            TokenKind::FlowMappingStart => Self::FlowMappingStart,
            TokenKind::FlowMappingEnd => Self::FlowMappingEnd,
            TokenKind::BlockEntry => Self::BlockEntry,
            TokenKind::FlowEntry => Self::FlowEntry,
            TokenKind::Key => Self::Key,
            TokenKind::Value => Self::Value,
            TokenKind::Alias(_) => Self::Alias,
            TokenKind::Anchor(_) => Self::Anchor,
            TokenKind::Tag(_) => Self::Tag,
            TokenKind::Scalar(..) => Self::Scalar,
        }
    }
}
