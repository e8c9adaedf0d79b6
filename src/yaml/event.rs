//! What the grammar says of a text, before any meaning is given to scalars: events with places, and grammar errors.

use std::borrow::Cow;

use super::resolve::Dialect;
use super::{Error, Pos, Style};

/// One event with the place where it starts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Event<'t> {
    pub(crate) kind: Kind<'t>,
    pub(crate) mark: Mark,
}

/// What a node carries besides its content; boxed, because nearly none has any.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Properties<'t> {
    pub(crate) anchor: Option<&'t str>,
    /// Long form, `tag:yaml.org,2002:int`.
    pub(crate) tag: Option<Cow<'t, str>>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind<'t> {
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(&'t str),
    Scalar {
        properties: Option<Box<Properties<'t>>>,
        text: Cow<'t, str>,
        style: Style,
        /// To be resolved by its text: written plain without a tag, or tagged `!`.
        implicit: bool,
    },
    SequenceStart {
        properties: Option<Box<Properties<'t>>>,
        flow: bool,
    },
    SequenceEnd,
    MappingStart {
        properties: Option<Box<Properties<'t>>>,
        flow: bool,
    },
    MappingEnd,
}

/// A place, counted from 0; the index counts characters from the start of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Mark {
    pub(crate) index: u32,
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Mark {
    pub(crate) fn pos(self, lines_before: u32) -> Pos {
        Pos { line: lines_before + self.line + 1, column: self.column + 1 }
    }
}

/// Who refused the text; go-yaml counts lines differently for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Reader,
    Scanner,
    Parser,
}

/// A grammar error as libyaml keeps it: what and where, and in the course of what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GrammarError {
    pub(crate) by: Refusal,
    pub(crate) problem: Cow<'static, str>,
    pub(crate) mark: Mark,
    /// Where the construct began that could not be finished.
    pub(crate) context: Mark,
}

impl GrammarError {
    /// Words and counts lines as the dialect's `fail` does: go-yaml numbers some lines one too low, and none where it
    /// takes line 1 for "unknown". The place kept beside is the true one.
    pub(crate) fn into_error(self, dialect: Dialect, lines_before: u32) -> Error {
        let scanner = u32::from(self.by == Refusal::Scanner);
        let (problem, context) = match self.by {
            Refusal::Reader => (0, 0),
            _ => (self.mark.line, self.context.line),
        };
        let shown = match dialect {
            Dialect::V2 if problem != 0 => problem + scanner,
            Dialect::V2 => context,
            Dialect::V3 if context != 0 => context + scanner,
            Dialect::V3 if problem != 0 => problem + scanner,
            Dialect::V3 => 0,
        };
        let shown = if shown == 0 { 0 } else { shown + lines_before };
        Error { pos: self.mark.pos(lines_before), message: self.problem.into_owned(), shown }
    }
}
