//! Plain YAML, read line by line: no tokens, no tree, only what stands there, told to a [`Sink`].
//!
//! Values files and rendered manifests are mostly plain: `key: value`, `- item`, block scalars, quotes on one line. That is
//! all this reader knows; on everything else, be it wrong or merely rare, it gives up (`None`), and the readers judge the
//! document as ever. What it takes, go-yaml v2 takes and means the same by
//! (`what_is_read_as_plain_is_what_the_reader_takes`; the fuzz target `plain`).

use std::borrow::Cow;

use super::Limits;
use super::eight::{equal, find, unequal};
use super::resolve::{Dialect, Resolved, resolve};

mod check;
mod json;
#[cfg(test)]
mod tests;

pub use check::is_plain;
pub use json::read_plain_json;

/// How deep collections may be nested.
const MAX_DEPTH: usize = 60;
/// The longest key: far below what a simple key may have.
const MAX_KEY: usize = 200;

/// What is told of a document, in its order. `None` ends the reading.
pub trait Sink {
    /// The next key of the innermost mapping; its value follows.
    fn key(&mut self, key: &str) -> Option<()>;
    /// A value, or an item of a sequence.
    fn scalar(&mut self, scalar: &Scalar<'_>) -> Option<()>;
    /// A collection begins.
    fn open(&mut self, is_mapping: bool) -> Option<()>;
    /// The innermost collection ends.
    fn close(&mut self) -> Option<()>;
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
    /// What it means; `None` for what this reader does not know (folded block scalars).
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
            Self::Double(inner) => Meaning::Text(match memchr::memchr(b'\\', inner.as_bytes()) {
                Some(_) => Cow::Owned(unescaped(inner)),
                None => Cow::Borrowed(inner),
            }),
            Self::Single(inner) => Meaning::Text(Cow::Borrowed(inner)),
            Self::Block(block) => Meaning::Text(Cow::Owned(block.text()?)),
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
    /// Whether this reader knows what it means.
    fn has_meaning(&self) -> bool {
        !self.folded && self.lines.ends_with('\n')
    }

    fn text(&self) -> Option<String> {
        if !self.has_meaning() {
            return None;
        }
        let mut out = String::with_capacity(self.lines.len());
        for line in self.lines.split_inclusive('\n') {
            out.push_str(line.get(self.indent..).filter(|rest| !rest.is_empty()).unwrap_or("\n"));
        }
        if self.chomp != Some(b'+') {
            out.truncate(out.trim_end_matches('\n').len());
            if self.chomp.is_none() {
                out.push('\n');
            }
        }
        Some(out)
    }
}

/// Reads a text whose first document is a plain mapping; nothing but comments may follow it.
pub fn read_plain(text: &str, limits: &Limits, sink: &mut impl Sink) -> Option<()> {
    if text.len() > limits.bytes || !is_printable(text) {
        return None;
    }
    let mut lines = Lines { text, at: 0 };
    let mut blocks = Blocks { open: Vec::with_capacity(16), sink };
    let mut marked = false;
    while let Some((column, content)) = lines.next() {
        if is_blank(content) {
            continue;
        }
        if blocks.open.is_empty() {
            if column > 0 {
                return None;
            }
            if content == "---" && !marked {
                marked = true;
                continue;
            }
            plain_key(content)?;
            blocks.push(0, true)?;
        } else if column == 0 && content == "..." {
            while let Some((_, content)) = lines.next() {
                if !is_blank(content) {
                    return None;
                }
            }
            break;
        }
        blocks.line(column, content, &mut lines)?;
    }
    if blocks.open.is_empty() {
        return None;
    }
    blocks.close_to(None)
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

/// Whether the content of a line is nothing or a comment.
fn is_blank(content: &str) -> bool {
    matches!(content.as_bytes(), [] | [b'#', ..])
}

/// The lines of a text.
struct Lines<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lines<'t> {
    /// The next line: the column at which its content stands, and this.
    fn next(&mut self) -> Option<(usize, &'t str)> {
        let start = self.at;
        if start >= self.text.len() {
            return None;
        }
        let content = self.indented(start);
        let end = self.line_end(content);
        self.at = (end + 1).min(self.text.len());
        Some((content - start, &self.text[content..end]))
    }

    /// Where a line's content starts.
    fn indented(&self, start: usize) -> usize {
        find(self.text.as_bytes(), start, |bytes| unequal(bytes, b' '))
    }

    /// Where the line ends that goes on at an offset.
    fn line_end(&self, at: usize) -> usize {
        memchr::memchr(b'\n', &self.text.as_bytes()[at..]).map_or(self.text.len(), |length| at + length)
    }

    /// What a block scalar holds, whose header stands in a collection at that column: its lines and their indentation.
    fn block_scalar(&mut self, parent: usize) -> Option<(&'t str, usize)> {
        let start = self.at;
        let mut indent = None;
        let mut blank = 0;
        while self.at < self.text.len() {
            let content = self.indented(self.at);
            let spaces = content - self.at;
            match (self.text.as_bytes().get(content), indent) {
                // A tab where the indentation would be.
                (Some(b'\t'), indent) if indent.is_none_or(|indent| spaces < indent) => return None,
                (None | Some(b'\n'), _) => blank = blank.max(spaces),
                (_, Some(indent)) if spaces < indent => break,
                (_, Some(_)) => {}
                (_, None) if spaces <= parent || blank > spaces => return None,
                (_, None) => indent = Some(spaces),
            }
            self.at = self.line_end(content) + 1;
        }
        self.at = self.at.min(self.text.len());
        indent.map(|indent| (&self.text[start..self.at], indent))
    }
}

/// Whether a byte may be in a plain key, unless it is the colon that ends it.
const IN_KEY: [bool; 256] = {
    let mut is = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        is[byte] = b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-' | b'+');
        byte += 1;
    }
    is
};

/// The longest word that is no text, such as `false`.
const LONGEST_WORD: usize = 5;

/// The key of `key:` or `key: value`, if it is plain words and surely a text or stands in quotes, and what follows the
/// colon.
fn plain_key(content: &str) -> Option<(&str, &str)> {
    let bytes = content.as_bytes();
    if let [quote @ (b'"' | b'\''), inner @ ..] = bytes {
        let length = memchr::memchr(*quote, inner)?;
        let (key, rest) = (&content[1..=length], &content[length + 2..]);
        let rest = rest.strip_prefix(':').filter(|r| r.is_empty() || r.starts_with(' '))?;
        return (key.len() <= MAX_KEY && !key.contains(['\\', '\t'])).then_some((key, rest));
    }
    let mut length = 0;
    loop {
        length += bytes[length..].iter().position(|b| !IN_KEY[usize::from(*b)])?;
        match bytes[length..] {
            [b':'] | [b':', b' ', ..] => break,
            [b':', ..] => length += 1,
            [b' ', next, ..] if IN_KEY[usize::from(next)] => length += 1,
            _ => return None,
        }
    }
    if length > MAX_KEY || !(bytes[0].is_ascii_alphabetic() || bytes[0] == b'/') {
        return None;
    }
    let (key, rest) = (&content[..length], &content[length + 1..]);
    let is_text = length > LONGEST_WORD || matches!(resolve(key, Dialect::V2), Resolved::Str);
    is_text.then_some((key, rest))
}

/// What a value on one line is.
enum Value<'t> {
    /// Nothing: it may follow on the next lines.
    None,
    /// A scalar.
    Scalar(Scalar<'t>),
    /// An empty collection; whether it is a mapping.
    Empty(bool),
    /// A sequence in brackets, from after the first.
    Flow(&'t str),
    /// The header of a block scalar: whether it is folded, and how its end is cut.
    Block(bool, Option<u8>),
}

/// A text without the blanks before it.
fn after_blanks(text: &str) -> &str {
    &text[text.bytes().take_while(|b| *b == b' ').count()..]
}

/// A text without the blanks after it.
fn before_blanks(text: &str) -> &str {
    &text[..text.len() - text.bytes().rev().take_while(|b| *b == b' ').count()]
}

/// Whether nothing but a comment follows a value.
fn ends(rest: &str) -> bool {
    let comment = after_blanks(rest);
    comment.is_empty() || comment.starts_with('#') && comment.len() < rest.len()
}

fn value(text: &str) -> Option<Value<'_>> {
    let text = before_blanks(after_blanks(text));
    let bytes = text.as_bytes();
    Some(match bytes {
        [] | [b'#', ..] => Value::None,
        [b'{', b'}', ..] | [b'[', b']', ..] if ends(&text[2..]) => Value::Empty(bytes[0] == b'{'),
        [b'|' | b'>', rest @ ..] => match rest {
            [] => Value::Block(bytes[0] == b'>', None),
            [chomp @ (b'-' | b'+')] => Value::Block(bytes[0] == b'>', Some(*chomp)),
            _ => return None,
        },
        [b'[', ..] => Value::Flow(&text[1..]),
        [b'"' | b'\'', ..] => {
            let (scalar, rest) = quoted(text)?;
            ends(rest).then_some(Value::Scalar(scalar))?
        }
        _ => Value::Scalar(Scalar::Plain(plain(text)?)),
    })
}

/// The scalar in quotes that a text starts with, and what follows.
fn quoted(text: &str) -> Option<(Scalar<'_>, &str)> {
    let bytes = text.as_bytes();
    let mut at = 1;
    if bytes[0] == b'\'' {
        at = find(bytes, at, |b| equal(b, b'\'') | equal(b, b'\t'));
        return match &bytes[at..] {
            // Two of them mean one.
            [b'\'', b'\'', ..] => None,
            [b'\'', ..] => Some((Scalar::Single(&text[1..at]), &text[at + 1..])),
            _ => None,
        };
    }
    loop {
        at = find(bytes, at, |b| equal(b, b'"') | equal(b, b'\\') | equal(b, b'\t'));
        match &bytes[at..] {
            [b'"', ..] => return Some((Scalar::Double(&text[1..at]), &text[at + 1..])),
            [b'\\', b'n' | b't' | b'"' | b'\\', ..] => at += 2,
            _ => return None,
        }
    }
}

/// The scalars of a sequence in brackets on one line, from after the first bracket.
fn flow<S: Sink>(mut rest: &str, sink: &mut S) -> Option<()> {
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-' | b'~');
    loop {
        rest = after_blanks(rest);
        let scalar;
        (scalar, rest) = match rest.as_bytes() {
            [b'"' | b'\'', ..] => quoted(rest)?,
            bytes => {
                let length = bytes.iter().position(|b| !is_word(b))?;
                let word = plain(&rest[..length])?;
                (Scalar::Plain(word), &rest[length..])
            }
        };
        sink.scalar(&scalar)?;
        rest = after_blanks(rest);
        match rest.as_bytes() {
            [b',', ..] => rest = &rest[1..],
            [b']', ..] => return ends(&rest[1..]).then_some(()),
            _ => return None,
        }
    }
}

/// A plain scalar without the comment after it: any text that is not an infinite number.
fn plain(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let (mut at, mut end) = (0, bytes.len());
    loop {
        at = find(bytes, at, |b| equal(b, b':') | equal(b, b'#') | equal(b, b'\t'));
        match &bytes[at..] {
            [] => break,
            [b':'] | [b':', b' ', ..] | [b'\t', ..] => return None,
            [b'#', ..] if at > 0 && bytes[at - 1] == b' ' => {
                end = at;
                break;
            }
            _ => at += 1,
        }
    }
    let text = before_blanks(&text[..end]);
    let bytes = text.as_bytes();
    let first = match bytes {
        [b'-', second, ..] => second,
        [b'-'] | [] => return None,
        [first, ..] => first,
    };
    let starts =
        first.is_ascii_alphanumeric() || matches!(first, b'/' | b'_' | b'.' | b'-' | b'(' | b'$' | b'+');
    if text == "~" {
        return Some(text);
    }
    if !starts {
        return None;
    }
    // Only these can begin a number, and what has few digits and no exponent is finite.
    let short = || text.len() < 100 && bytes.iter().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-'));
    if !(first.is_ascii_alphabetic() || short())
        && matches!(resolve(text, Dialect::V2), Resolved::Float(x) if !x.is_finite())
    {
        return None;
    }
    Some(text)
}

/// An open block collection.
struct Open {
    column: usize,
    is_mapping: bool,
    /// Whether its last entry has no value yet.
    awaits: bool,
}

/// The open collections, the document's own mapping first.
struct Blocks<'s, S> {
    open: Vec<Open>,
    sink: &'s mut S,
}

impl<S: Sink> Blocks<'_, S> {
    fn push(&mut self, column: usize, is_mapping: bool) -> Option<()> {
        self.open.push(Open { column, is_mapping, awaits: false });
        self.sink.open(is_mapping)
    }

    /// Opens a collection where a value is awaited.
    fn nest(&mut self, column: usize, is_mapping: bool) -> Option<()> {
        let deep = self.open.len() >= MAX_DEPTH;
        let top = self.open.last_mut()?;
        if !top.awaits || deep {
            return None;
        }
        top.awaits = false;
        self.push(column, is_mapping)
    }

    /// The innermost collection goes on: an entry without a value has none.
    fn next_entry(&mut self) -> Option<&mut Open> {
        if self.open.last()?.awaits {
            self.sink.scalar(&Scalar::Empty)?;
        }
        self.open.last_mut()
    }

    fn close(&mut self) -> Option<()> {
        self.next_entry()?;
        self.open.pop();
        self.sink.close()
    }

    /// Closes the collections that stand further right; all of them for `None`.
    fn close_to(&mut self, column: Option<usize>) -> Option<()> {
        while self.open.last().is_some_and(|top| column.is_none_or(|column| top.column > column)) {
            self.close()?;
        }
        Some(())
    }

    /// A line whose content stands at that column.
    fn line(&mut self, mut column: usize, mut content: &str, lines: &mut Lines<'_>) -> Option<()> {
        self.close_to(Some(column))?;
        while matches!(content.as_bytes(), [b'-'] | [b'-', b' ', ..]) {
            let top = self.open.last()?;
            if top.column < column || top.is_mapping {
                self.nest(column, false)?;
            }
            self.next_entry()?.awaits = true;
            let item = after_blanks(&content[1..]);
            column += content.len() - item.len();
            content = item;
            if content.is_empty() {
                return Some(());
            }
        }
        let top = self.open.last()?;
        let rest = match plain_key(content) {
            Some((key, rest)) => {
                if top.column == column && !top.is_mapping {
                    self.close()?;
                }
                let top = self.open.last()?;
                if top.column < column {
                    self.nest(column, true)?;
                } else if !top.is_mapping || top.column != column {
                    return None;
                }
                self.next_entry()?;
                self.sink.key(key)?;
                rest
            }
            // An item of a sequence, or a value on a line of its own.
            None if top.awaits && top.column < column => content,
            None => return None,
        };
        let value = value(rest)?;
        let top = self.open.last_mut()?;
        top.awaits = matches!(value, Value::None);
        match value {
            Value::None => Some(()),
            Value::Scalar(scalar) => self.sink.scalar(&scalar),
            Value::Empty(is_mapping) => {
                self.sink.open(is_mapping)?;
                self.sink.close()
            }
            Value::Flow(rest) => {
                self.sink.open(false)?;
                flow(rest, self.sink)?;
                self.sink.close()
            }
            Value::Block(folded, chomp) => {
                let (lines, indent) = lines.block_scalar(top.column)?;
                self.sink.scalar(&Scalar::Block(Block { lines, indent, folded, chomp }))
            }
        }
    }
}
