//! Text to tokens, by libyaml's rules as go-yaml keeps them.
//!
//! Follows go-yaml's scanner (a port of libyaml's): the same tokens, the same refusals in the same words and places.
//! What is its own: it borrows from the text wherever a scalar stands there as it is meant. The two go-yaml versions
//! differ in how far they look ahead, which decides which of two errors comes first, and in the place of block ends.

use std::borrow::Cow;
use std::collections::VecDeque;

use super::cursor::{Cursor, is_word};
use super::event::{GrammarError, Mark, Refusal};
use super::resolve::Dialect;
use super::{Style, scan_scalar};

/// A piece of YAML's syntax.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token<'t> {
    pub(crate) kind: TokenKind<'t>,
    pub(crate) start: Mark,
    pub(crate) end: Mark,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TokenKind<'t> {
    StreamEnd,
    VersionDirective(u8, u8),
    /// Handle and prefix.
    TagDirective(Box<(Cow<'t, str>, Cow<'t, str>)>),
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
    Alias(&'t str),
    Anchor(&'t str),
    /// Handle and suffix.
    Tag(Box<(Cow<'t, str>, Cow<'t, str>)>),
    Scalar(Cow<'t, str>, Style),
}

/// A token that may turn out to begin a key, once a `:` follows in the same line.
#[derive(Debug, Clone, Copy, Default)]
struct SimpleKey {
    possible: bool,
    /// Its token waits for the `:`. go-yaml forgets that when an empty flow collection closes (`[]: x` is then refused
    /// by v2, which looks ahead by one token only).
    listed: bool,
    /// It stands where only a key can stand.
    required: bool,
    token_number: usize,
    mark: Mark,
}

/// go-yaml's own limit on nesting, in its words.
const MAX_DEPTH: usize = 10_000;
/// How many bytes go-yaml reads, and checks, at once.
const CHUNK: usize = 512;

pub(crate) type Result<T> = std::result::Result<T, GrammarError>;

/// Makes tokens on demand.
#[derive(Debug)]
pub(crate) struct Scanner<'t> {
    pub(crate) cursor: Cursor<'t>,
    tokens: VecDeque<Token<'t>>,
    /// Tokens handed out so far.
    parsed: usize,
    /// How many more tokens than the first must be known.
    lookahead: usize,
    v3: bool,
    pub(crate) indent: i32,
    indents: Vec<i32>,
    pub(crate) simple_key_allowed: bool,
    /// One for the block level, one for each flow level.
    simple_keys: Vec<SimpleKey>,
    pub(crate) flow_level: usize,
    ended: bool,
    /// The first token is known to be the next one.
    available: bool,
    /// The byte from which on the text is refused, and the error.
    refused_from: usize,
    refusal: Option<GrammarError>,
}

impl<'t> Scanner<'t> {
    pub(crate) fn new(text: &'t str, dialect: Dialect) -> Self {
        let text = text.strip_prefix('\u{FEFF}').unwrap_or(text);
        let v3 = dialect == Dialect::V3;
        let mut scanner = Self {
            cursor: Cursor::new(text),
            tokens: VecDeque::with_capacity(32),
            parsed: 0,
            lookahead: if v3 { 2 } else { 0 },
            v3,
            indent: -1,
            indents: Vec::with_capacity(16),
            simple_key_allowed: true,
            simple_keys: vec![SimpleKey::default()],
            flow_level: 0,
            ended: false,
            available: false,
            refused_from: usize::MAX,
            refusal: None,
        };
        if let Some(at) = first_refused(text) {
            let line = text[..at].bytes().filter(|&b| b == b'\n').count() as u32;
            let column = text[text[..at].rfind('\n').map_or(0, |n| n + 1)..at].chars().count() as u32;
            let mark = Mark { index: 0, line, column };
            let problem = Cow::Borrowed("control characters are not allowed");
            scanner.refused_from = at / CHUNK * CHUNK;
            scanner.refusal = Some(GrammarError { by: Refusal::Reader, problem, mark, context: mark });
        }
        scanner
    }

    /// The next token, left in place.
    #[inline]
    pub(crate) fn peek(&mut self) -> Result<&Token<'t>> {
        if !self.available {
            self.fetch_enough()?;
            self.available = true;
        }
        self.tokens.front().ok_or_else(|| self.error(self.cursor.mark, "did not find expected <stream-end>"))
    }

    /// Takes the token that `peek` showed.
    #[inline]
    pub(crate) fn take(&mut self) -> Option<Token<'t>> {
        self.parsed += 1;
        self.available = false;
        self.tokens.pop_front()
    }

    /// Scans until the first token is known for certain not to be preceded by a key or block start.
    #[inline]
    fn fetch_enough(&mut self) -> Result<()> {
        loop {
            if self.tokens.len() > self.lookahead || self.ended && !self.tokens.is_empty() {
                let parsed = self.parsed;
                let Some(level) =
                    self.simple_keys.iter().position(|k| k.possible && k.listed && k.token_number == parsed)
                else {
                    return Ok(());
                };
                if !self.key_is_valid(level)? {
                    return Ok(());
                }
            }
            self.fetch()?;
        }
    }

    pub(crate) fn error(&self, context: Mark, problem: &'static str) -> GrammarError {
        if self.cursor.at >= self.refused_from
            && let Some(refusal) = &self.refusal
        {
            return refusal.clone();
        }
        GrammarError { by: Refusal::Scanner, problem: problem.into(), mark: self.cursor.mark, context }
    }

    #[inline]
    fn push(&mut self, kind: TokenKind<'t>, start: Mark) {
        let end = self.cursor.mark;
        self.tokens.push_back(Token { kind, start, end });
    }

    fn push_at(&mut self, kind: TokenKind<'t>, mark: Mark, token_number: usize) {
        let token = Token { kind, start: mark, end: mark };
        match token_number.checked_sub(self.parsed) {
            Some(at) if at < self.tokens.len() => self.tokens.insert(at, token),
            _ => self.tokens.push_back(token),
        }
    }

    fn next_token_number(&self) -> usize {
        self.parsed + self.tokens.len()
    }

    /// Scans one token, or several: block starts and ends come along.
    fn fetch(&mut self) -> Result<()> {
        let scan_mark = self.cursor.mark;
        self.skip_to_token();
        if self.cursor.at >= self.refused_from
            && let Some(refusal) = self.refusal.clone()
        {
            return Err(refusal);
        }
        let column = self.cursor.mark.column as i32;
        self.unroll_indent(column, if self.v3 { scan_mark } else { self.cursor.mark });
        if self.cursor.is_end() {
            return self.fetch_stream_end();
        }
        let flow = self.flow_level > 0;
        let c = &self.cursor;
        let b = c.current();
        if c.mark.column == 0 {
            if b == b'%' {
                return self.fetch_directive();
            }
            if c.document_indicator() {
                return self.fetch_document_indicator();
            }
        }
        match b {
            b'[' => return self.fetch_flow_start(TokenKind::FlowSequenceStart),
            b'{' => return self.fetch_flow_start(TokenKind::FlowMappingStart),
            b']' => return self.fetch_flow_end(TokenKind::FlowSequenceEnd),
            b'}' => return self.fetch_flow_end(TokenKind::FlowMappingEnd),
            b',' => return self.fetch_flow_entry(),
            b'-' if c.is_blank_break_or_end(1) => return self.fetch_block_entry(),
            b'?' if flow || c.is_blank_break_or_end(1) => return self.fetch_key(),
            b':' if flow || c.is_blank_break_or_end(1) => return self.fetch_value(),
            b'*' | b'&' => return self.fetch_anchor(),
            b'!' => return self.fetch_tag(),
            b'|' | b'>' if !flow => {
                self.remove_simple_key()?;
                self.simple_key_allowed = true;
                let start = self.cursor.mark;
                let (text, end) = scan_scalar::block(self)?;
                let style = if b == b'|' { Style::Literal } else { Style::Folded };
                self.tokens.push_back(Token { kind: TokenKind::Scalar(text, style), start, end });
                return Ok(());
            }
            b'\'' | b'"' => {
                self.save_simple_key()?;
                self.simple_key_allowed = false;
                let start = self.cursor.mark;
                let text = scan_scalar::quoted(self, b)?;
                let style = if b == b'\'' { Style::SingleQuoted } else { Style::DoubleQuoted };
                self.push(TokenKind::Scalar(text, style), start);
                return Ok(());
            }
            _ => {}
        }
        let never = matches!(b, b'\t' | b'-' | b'?' | b':' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`');
        // `-` cannot stand before a break here: that was an entry.
        let plain = !never || b == b'-' && !c.is_blank(1) || !flow && matches!(b, b'?' | b':');
        if !plain {
            return Err(self.error(self.cursor.mark, "found character that cannot start any token"));
        }
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.cursor.mark;
        let (text, end) = scan_scalar::plain(self)?;
        self.tokens.push_back(Token { kind: TokenKind::Scalar(text, Style::Plain), start, end });
        Ok(())
    }

    /// Moves over blanks, comments and line breaks.
    fn skip_to_token(&mut self) {
        if self.v3 && matches!(self.cursor.current(), b' ' | b'\t' | b'#') {
            self.skip_line_comment();
        }
        let mut after_comment = false;
        loop {
            // Tabs are blanks only where no key can begin.
            let tabs = self.flow_level > 0 || !self.simple_key_allowed;
            let bytes = self.cursor.bytes();
            let n = bytes[self.cursor.at..].iter().take_while(|&&b| b == b' ' || tabs && b == b'\t').count();
            self.cursor.skip_ascii(n);
            if after_comment && self.cursor.current() == b'\t' {
                self.skip_to_next_comment();
            }
            if self.cursor.current() == b'#' {
                self.cursor.skip_line_rest();
                after_comment = self.v3;
            }
            if self.cursor.line_break().is_none() {
                return;
            }
            if self.flow_level == 0 {
                self.simple_key_allowed = true;
            }
        }
    }

    /// go-yaml v3 takes the comment behind a token together with the blanks before it, tabs included.
    fn skip_line_comment(&mut self) {
        let bytes = &self.cursor.bytes()[self.cursor.at..];
        let blanks = bytes.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let behind = self.tokens.back().is_some_and(|token| {
            token.end.line == self.cursor.mark.line && token.kind != TokenKind::BlockEntry
        });
        if behind && blanks < CHUNK && bytes.get(blanks) == Some(&b'#') {
            self.cursor.skip_ascii(blanks);
            self.cursor.skip_line_rest();
        }
    }

    /// go-yaml v3 gathers comments line by line and takes blanks and empty lines before the next one, tabs included.
    fn skip_to_next_comment(&mut self) {
        let bytes = &self.cursor.bytes()[self.cursor.at..];
        let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\n' | b'\r');
        if bytes.iter().take(CHUNK).find(|b| !blank(b)) != Some(&b'#') {
            return;
        }
        while self.cursor.current() != b'#' {
            if self.cursor.skip_blanks() == 0 {
                self.cursor.line_break();
            }
        }
    }

    /// Whether the key candidate of a level still is one.
    fn key_is_valid(&mut self, level: usize) -> Result<bool> {
        let key = self.simple_keys[level];
        if !key.possible {
            return Ok(false);
        }
        if key.mark.line < self.cursor.mark.line || key.mark.index + 1024 < self.cursor.mark.index {
            if key.required {
                return Err(self.error(key.mark, "could not find expected ':'"));
            }
            self.simple_keys[level].possible = false;
            return Ok(false);
        }
        Ok(true)
    }

    fn last_level(&self) -> usize {
        self.simple_keys.len() - 1
    }

    fn save_simple_key(&mut self) -> Result<()> {
        if !self.simple_key_allowed {
            return Ok(());
        }
        let mark = self.cursor.mark;
        let required = self.flow_level == 0 && self.indent == mark.column as i32;
        self.remove_simple_key()?;
        let level = self.last_level();
        let token_number = self.next_token_number();
        self.simple_keys[level] = SimpleKey { possible: true, listed: true, required, token_number, mark };
        Ok(())
    }

    fn remove_simple_key(&mut self) -> Result<()> {
        let level = self.last_level();
        let key = self.simple_keys[level];
        if key.possible && key.required {
            return Err(self.error(key.mark, "could not find expected ':'"));
        }
        self.simple_keys[level].possible = false;
        Ok(())
    }

    /// Opens a block collection if the column is deeper than the current one.
    fn roll_indent(&mut self, mark: Mark, kind: TokenKind<'t>, token_number: usize) -> Result<()> {
        let column = mark.column as i32;
        if self.flow_level > 0 || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.push_at(kind, mark, token_number);
        Ok(())
    }

    fn too_deep(&self) -> GrammarError {
        let context = self.simple_keys[self.last_level()].mark;
        let problem = format!("exceeded max depth of {MAX_DEPTH}");
        GrammarError { by: Refusal::Scanner, problem: problem.into(), mark: self.cursor.mark, context }
    }

    /// Closes the block collections deeper than a column.
    #[inline]
    fn unroll_indent(&mut self, column: i32, mark: Mark) {
        if self.flow_level > 0 {
            return;
        }
        while self.indent > column {
            self.tokens.push_back(Token { kind: TokenKind::BlockEnd, start: mark, end: mark });
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    fn fetch_stream_end(&mut self) -> Result<()> {
        // An end of text in mid-line counts as an end of line.
        if self.cursor.mark.column != 0 {
            self.cursor.mark.column = 0;
            self.cursor.mark.line += 1;
        }
        self.unroll_indent(-1, self.cursor.mark);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        self.ended = true;
        self.push(TokenKind::StreamEnd, self.cursor.mark);
        Ok(())
    }

    fn fetch_document_indicator(&mut self) -> Result<()> {
        self.unroll_indent(-1, self.cursor.mark);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.cursor.mark;
        let kind =
            if self.cursor.current() == b'-' { TokenKind::DocumentStart } else { TokenKind::DocumentEnd };
        self.cursor.skip_ascii(3);
        self.push(kind, start);
        Ok(())
    }

    fn fetch_flow_start(&mut self, kind: TokenKind<'t>) -> Result<()> {
        self.save_simple_key()?;
        let mark = self.cursor.mark;
        let token_number = self.next_token_number();
        self.simple_keys.push(SimpleKey { token_number, mark, ..SimpleKey::default() });
        self.flow_level += 1;
        if self.flow_level > MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.simple_key_allowed = true;
        self.cursor.skip_ascii(1);
        self.push(kind, mark);
        Ok(())
    }

    fn fetch_flow_end(&mut self, kind: TokenKind<'t>) -> Result<()> {
        self.remove_simple_key()?;
        if self.flow_level > 0 {
            self.flow_level -= 1;
            if let Some(inner) = self.simple_keys.pop()
                && let Some(outer) = self.simple_keys.last_mut()
                && outer.token_number == inner.token_number
            {
                outer.listed = false;
            }
        }
        self.simple_key_allowed = false;
        self.single(kind);
        Ok(())
    }

    /// A token of one character.
    fn single(&mut self, kind: TokenKind<'t>) {
        let start = self.cursor.mark;
        self.cursor.skip_ascii(1);
        self.push(kind, start);
    }

    fn fetch_flow_entry(&mut self) -> Result<()> {
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.single(TokenKind::FlowEntry);
        Ok(())
    }

    fn fetch_block_entry(&mut self) -> Result<()> {
        let mark = self.cursor.mark;
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error(mark, "block sequence entries are not allowed in this context"));
            }
            self.roll_indent(mark, TokenKind::BlockSequenceStart, self.next_token_number())?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = true;
        self.single(TokenKind::BlockEntry);
        Ok(())
    }

    fn fetch_key(&mut self) -> Result<()> {
        let mark = self.cursor.mark;
        if self.flow_level == 0 {
            if !self.simple_key_allowed {
                return Err(self.error(mark, "mapping keys are not allowed in this context"));
            }
            self.roll_indent(mark, TokenKind::BlockMappingStart, self.next_token_number())?;
        }
        self.remove_simple_key()?;
        self.simple_key_allowed = self.flow_level == 0;
        self.single(TokenKind::Key);
        Ok(())
    }

    fn fetch_value(&mut self) -> Result<()> {
        let level = self.last_level();
        if self.key_is_valid(level)? {
            let key = self.simple_keys[level];
            self.push_at(TokenKind::Key, key.mark, key.token_number);
            self.roll_indent(key.mark, TokenKind::BlockMappingStart, key.token_number)?;
            self.simple_keys[level].possible = false;
            self.simple_key_allowed = false;
        } else {
            let mark = self.cursor.mark;
            if self.flow_level == 0 {
                if !self.simple_key_allowed {
                    return Err(self.error(mark, "mapping values are not allowed in this context"));
                }
                self.roll_indent(mark, TokenKind::BlockMappingStart, self.next_token_number())?;
            }
            self.simple_key_allowed = self.flow_level == 0;
        }
        self.single(TokenKind::Value);
        Ok(())
    }

    fn fetch_anchor(&mut self) -> Result<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.cursor.mark;
        let alias = self.cursor.current() == b'*';
        self.cursor.skip_ascii(1);
        let name = self.word();
        let stop = self.cursor.current();
        let ends = self.cursor.is_blank_break_or_end(0)
            || matches!(stop, b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`');
        if name.is_empty() || !ends {
            return Err(self.error(start, "did not find expected alphabetic or numeric character"));
        }
        self.push(if alias { TokenKind::Alias(name) } else { TokenKind::Anchor(name) }, start);
        Ok(())
    }

    /// Letters, digits, `_` and `-`.
    pub(crate) fn word(&mut self) -> &'t str {
        let from = self.cursor.at;
        let n = self.cursor.bytes()[from..].iter().take_while(|&&b| is_word(b)).count();
        self.cursor.skip_ascii(n);
        self.cursor.slice(from, from + n)
    }

    fn fetch_tag(&mut self) -> Result<()> {
        self.save_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.cursor.mark;
        let tag = super::scan_tag::tag(self)?;
        self.push(TokenKind::Tag(Box::new(tag)), start);
        Ok(())
    }

    fn fetch_directive(&mut self) -> Result<()> {
        self.unroll_indent(-1, self.cursor.mark);
        self.remove_simple_key()?;
        self.simple_key_allowed = false;
        let start = self.cursor.mark;
        let kind = super::scan_tag::directive(self)?;
        self.push(kind, start);
        Ok(())
    }
}

/// The first character that YAML does not allow in a text: C0 and C1 controls but tab, breaks and NEL; DEL; U+FFFE/F.
fn first_refused(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut start = 0;
    for chunk in bytes.chunks(64) {
        // One test for the whole chunk, which compiles to a few vector instructions.
        let suspect = chunk
            .iter()
            .fold(false, |any, &b| any | (b >= 0x7F) | (b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r')));
        if suspect && let Some(i) = (start..start + chunk.len()).find(|&i| is_refused(&bytes[i..])) {
            return Some(i);
        }
        start += chunk.len();
    }
    None
}

fn is_refused(bytes: &[u8]) -> bool {
    match bytes[0] {
        b'\t' | b'\n' | b'\r' => false,
        0..=0x1F | 0x7F => true,
        // Continuation bytes are looked at with their first.
        0xC2 => matches!(bytes.get(1), Some(0x80..=0x84 | 0x86..=0x9F)),
        0xEF => bytes.get(1) == Some(&0xBF) && matches!(bytes.get(2), Some(0xBE | 0xBF)),
        _ => false,
    }
}
