//! Plain YAML, read line by line: no tokens, no tree, only what stands there, told to a [`Sink`].
//!
//! Values files and rendered manifests are mostly plain: `key: value`, `- item`, block scalars, quotes on one line. That is
//! all this reader knows; on everything else, be it wrong or merely rare, it gives up (`None`), and the readers judge the
//! document as ever. What it takes, go-yaml v2 takes and means the same by
//! (`what_is_read_as_plain_is_what_the_reader_takes`; the fuzz target `plain`).
//!
//! `line` knows what may stand in a line, `collections` which collections are open; `tree` builds from what it is told.

use std::borrow::Cow;

use super::Limits;
use super::resolve::{Dialect, Resolved, resolve};

mod collections;
mod json;
mod line;
mod node;
#[cfg(test)]
mod tests;
mod tree;

pub use json::read_plain_json;
pub use node::read_plain_v2_json;
pub use tree::{Make, build_plain};

/// What is told of a document, in its order. `None` ends the reading.
pub trait Sink {
    /// The next key of the innermost mapping; its value follows.
    fn key(&mut self, key: &str) -> Option<()>;
    /// A value, or an item of a sequence, or all of a document that has nothing but comments.
    fn scalar(&mut self, scalar: &Scalar<'_>) -> Option<()>;
    /// A collection begins.
    fn open(&mut self, is_mapping: bool) -> Option<()>;
    /// The innermost collection ends.
    fn close(&mut self) -> Option<()>;
    /// The collection that begins next is given a name.
    fn anchor(&mut self, _name: &str) -> Option<()> {
        None
    }
    /// A value, or an item of a sequence: what a name was given to.
    fn alias(&mut self, _name: &str) -> Option<()> {
        None
    }
    /// The entries of the mapping that a name was given to become the innermost mapping's.
    fn merge(&mut self, _name: &str) -> Option<()> {
        None
    }
}

/// A scalar as it is written.
#[derive(Debug)]
pub enum Scalar<'t> {
    /// No value.
    Empty,
    /// Without quotes: it may be a number, a boolean, null.
    Plain(&'t str),
    /// What stands in double quotes.
    Double(&'t str),
    /// What stands in single quotes.
    Single(&'t str),
    /// A block scalar.
    Block(Block<'t>),
}

/// A block scalar.
#[derive(Debug)]
pub struct Block<'t> {
    /// Its lines, indented.
    lines: &'t str,
    indent: usize,
    folded: bool,
    /// `-`, `+` or nothing.
    chomp: Option<u8>,
}

/// What a scalar means in JSON; numbers are `float64`.
#[derive(Debug, PartialEq)]
pub enum Meaning<'t> {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// Any number.
    Number(f64),
    /// A text.
    Text(Cow<'t, str>),
}

impl<'t> Scalar<'t> {
    /// What it means; `None` for what this reader does not know.
    #[must_use]
    pub fn meaning(&self) -> Option<Meaning<'t>> {
        Some(match self {
            Self::Empty => Meaning::Null,
            Self::Plain(text) => match resolve(text, Dialect::V2) {
                Resolved::Null => Meaning::Null,
                Resolved::Bool(b) => Meaning::Bool(b),
                Resolved::Int(n) => Meaning::Number(n as f64),
                Resolved::Uint(n) => Meaning::Number(n as f64),
                Resolved::Float(x) => Meaning::Number(x),
                Resolved::Timestamp(_) | Resolved::Str => Meaning::Text(Cow::Borrowed(text)),
            },
            _ => Meaning::Text(self.text()?),
        })
    }

    /// Its text; of what is written without quotes that which is written.
    fn text(&self) -> Option<Cow<'t, str>> {
        Some(match self {
            Self::Empty => Cow::Borrowed(""),
            Self::Plain(text) | Self::Single(text) => Cow::Borrowed(text),
            Self::Double(inner) => match memchr::memchr(b'\\', inner.as_bytes()) {
                Some(_) => Cow::Owned(unescaped(inner)),
                None => Cow::Borrowed(inner),
            },
            Self::Block(block) => Cow::Owned(block.text()?),
        })
    }
}

fn unescaped(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('n')) => out.push('\n'),
            (_, Some('t')) => out.push('\t'),
            (_, Some(other)) => out.push(other),
            (c, None) => out.push(c),
        }
    }
    out
}

impl Block<'_> {
    /// What it means; `None` if it ends without a line break, or is folded and has blank or further indented lines.
    fn text(&self) -> Option<String> {
        if !self.lines.ends_with('\n') {
            return None;
        }
        let mut out = String::with_capacity(self.lines.len());
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', self.lines.as_bytes()) {
            let line = self.lines.get(start + self.indent..=end).filter(|rest| !rest.is_empty());
            let line = line.unwrap_or("\n");
            if self.folded && line.starts_with([' ', '\t']) {
                return None;
            }
            out.push_str(line);
            start = end + 1;
        }
        if self.chomp != Some(b'+') {
            out.truncate(out.trim_end_matches('\n').len());
            if self.chomp.is_none() {
                out.push('\n');
            }
        }
        if self.folded {
            let end = out.trim_end_matches('\n').len();
            if out.starts_with('\n') || out[..end].contains("\n\n") {
                return None;
            }
            let folded = out[..end].replace('\n', " ");
            out.replace_range(..end, &folded);
        }
        Some(out)
    }
}

/// Reads a text whose first document is a plain mapping, or nothing at all; nothing but comments may follow it.
pub fn read_plain(text: &str, limits: &Limits, sink: &mut impl Sink) -> Option<()> {
    if text.len() > limits.bytes || !is_printable(text) {
        return None;
    }
    collections::read(text, sink)
}

/// Whether a text has neither control characters nor line breaks that are rare.
fn is_printable(text: &str) -> bool {
    let odd = |b: &u8| !matches!(b, b'\n' | b'\t' | b' '..=b'~');
    // Without an early end this takes many bytes at once.
    if !text.as_bytes().iter().fold(false, |any, b| any | odd(b)) {
        return true;
    }
    text.chars().all(|c| match c {
        '\n' | '\t' | ' '..='~' => true,
        '\u{2028}' | '\u{2029}' => false,
        c => matches!(c, '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fdff}'),
    })
}
