//! The event source behind a type of our own: what the grammar says, before any meaning is given to scalars.

use std::borrow::Cow;

use libyaml_safer::{EventData, ScalarStyle};

use super::resolve::Dialect;
use super::{Error, Pos, Style};

/// One event with the place where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event<'t> {
    pub(crate) kind: Kind<'t>,
    pub(crate) pos: Pos,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind<'t> {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(Cow<'t, str>),
    Scalar {
        anchor: Option<Cow<'t, str>>,
        /// Long form; `!` alone is dropped by the parser.
        tag: Option<Cow<'t, str>>,
        text: Cow<'t, str>,
        style: Style,
        /// Resolved as a plain scalar: written plain without a tag, or tagged `!`.
        implicit: bool,
    },
    SequenceStart {
        anchor: Option<Cow<'t, str>>,
        tag: Option<Cow<'t, str>>,
    },
    SequenceEnd,
    MappingStart {
        anchor: Option<Cow<'t, str>>,
        tag: Option<Cow<'t, str>>,
    },
    MappingEnd,
}

/// Reads text event by event.
pub(crate) struct Events<'t> {
    parser: libyaml_safer::Parser<&'t [u8]>,
    dialect: Dialect,
    /// Lines of the whole text before the piece that is read.
    lines_before: u32,
}

impl<'t> Events<'t> {
    pub(crate) fn new(text: &'t str, dialect: Dialect) -> Self {
        let mut parser = libyaml_safer::Parser::new();
        parser.set_input(text.as_bytes());
        Self { parser, dialect, lines_before: 0 }
    }

    /// Counts lines from here on.
    pub(crate) fn start_at(&mut self, lines_before: u32) {
        self.lines_before = lines_before;
    }

    pub(crate) fn next(&mut self) -> Result<Event<'t>, Error> {
        let event = self.parser.parse().map_err(|e| self.error(&e))?;
        let mark = event.start_mark;
        let pos = Pos { line: self.lines_before + mark.line as u32 + 1, column: mark.column as u32 + 1 };
        let own = |s: Option<String>| s.map(Cow::Owned);
        let kind = match event.data {
            EventData::StreamStart { .. } => return self.next(),
            EventData::StreamEnd => Kind::StreamEnd,
            EventData::DocumentStart { .. } => Kind::DocumentStart,
            EventData::DocumentEnd { .. } => Kind::DocumentEnd,
            EventData::Alias { anchor } => Kind::Alias(Cow::Owned(anchor)),
            EventData::Scalar { anchor, tag, value, plain_implicit, style, .. } => Kind::Scalar {
                anchor: own(anchor),
                tag: own(tag),
                text: Cow::Owned(value),
                style: match style {
                    ScalarStyle::SingleQuoted => Style::SingleQuoted,
                    ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                    _ => Style::Plain,
                },
                implicit: plain_implicit,
            },
            EventData::SequenceStart { anchor, tag, .. } => {
                Kind::SequenceStart { anchor: own(anchor), tag: own(tag) }
            }
            EventData::SequenceEnd => Kind::SequenceEnd,
            EventData::MappingStart { anchor, tag, .. } => {
                Kind::MappingStart { anchor: own(anchor), tag: own(tag) }
            }
            EventData::MappingEnd => Kind::MappingEnd,
        };
        Ok(Event { kind, pos })
    }

    /// Words and counts lines as the dialect's `fail` does.
    fn error(&self, e: &libyaml_safer::Error) -> Error {
        let scanner = u32::from(e.kind() == libyaml_safer::ErrorKind::Scanner);
        let problem = e.problem_mark().map_or(0, |m| m.line as u32);
        let context = e.context_mark().map_or(0, |m| m.line as u32);
        let shown = match self.dialect {
            Dialect::V2 if problem != 0 => problem + scanner,
            Dialect::V2 => context,
            Dialect::V3 if context != 0 => context + scanner,
            Dialect::V3 if problem != 0 => problem + scanner,
            Dialect::V3 => 0,
        };
        let shown = if shown == 0 { 0 } else { shown + self.lines_before };
        let mark = e.problem_mark().or(e.context_mark());
        let pos = mark.map_or(Pos::default(), |m| Pos {
            line: self.lines_before + m.line as u32 + 1,
            column: m.column as u32 + 1,
        });
        Error { pos, message: e.problem().to_owned(), shown }
    }
}
