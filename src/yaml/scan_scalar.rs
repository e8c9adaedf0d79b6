//! Scalars: plain, quoted, literal and folded, with line folding and escapes.

use std::borrow::Cow;

use super::event::Mark;
use super::scan::{Result, Scanner};

/// A scalar's text while it is read: a slice of the input until it differs from the input.
struct Text<'t> {
    from: usize,
    to: usize,
    own: Option<String>,
    input: &'t str,
}

impl<'t> Text<'t> {
    fn new(input: &'t str, from: usize) -> Self {
        Self { from, to: from, own: None, input }
    }

    /// Appends a piece of the input; adjacent pieces stay a slice.
    #[inline]
    fn extend(&mut self, from: usize, to: usize) {
        match &mut self.own {
            Some(own) => own.push_str(&self.input[from..to]),
            None if from == self.to => self.to = to,
            None => {
                let input = self.input;
                self.own().push_str(&input[from..to]);
            }
        }
    }

    /// The text as a string of its own, for what the input does not say literally.
    fn own(&mut self) -> &mut String {
        let (input, from, to) = (self.input, self.from, self.to);
        self.own.get_or_insert_with(|| {
            let mut own = String::with_capacity((to - from) * 2 + 16);
            own.push_str(&input[from..to]);
            own
        })
    }

    fn finish(self) -> Cow<'t, str> {
        match self.own {
            Some(own) => Cow::Owned(own),
            None => Cow::Borrowed(&self.input[self.from..self.to]),
        }
    }
}

/// The line breaks between two lines of a flow scalar.
#[derive(Default)]
struct Breaks {
    /// The first one; present means "at least one".
    first: Option<char>,
    more: String,
}

impl Breaks {
    fn push(&mut self, c: char) {
        match self.first {
            None => self.first = Some(c),
            Some(_) => self.more.push(c),
        }
    }

    /// One `\n` folds to a blank, more lose the first; LS and PS stay. An escaped break leaves only the later ones.
    fn fold_into(&mut self, out: &mut String) {
        match self.first.take() {
            Some('\n') if self.more.is_empty() => out.push(' '),
            Some('\n') => out.push_str(&self.more),
            Some(c) => {
                out.push(c);
                out.push_str(&self.more);
            }
            None => out.push_str(&self.more),
        }
        self.more.clear();
    }
}

const STOP: u8 = 1;
const FLOW: u8 = 2;

/// Bytes at which a run of plain text may end: everywhere, and in flow context.
static PLAIN: [u8; 256] = {
    let mut t = [0; 256];
    t[0] = STOP;
    t[b' ' as usize] = STOP;
    t[b'\t' as usize] = STOP;
    t[b'\n' as usize] = STOP;
    t[b'\r' as usize] = STOP;
    t[0xC2] = STOP;
    t[0xE2] = STOP;
    t[b':' as usize] = STOP;
    t[b',' as usize] = FLOW;
    t[b'?' as usize] = FLOW;
    t[b'[' as usize] = FLOW;
    t[b']' as usize] = FLOW;
    t[b'{' as usize] = FLOW;
    t[b'}' as usize] = FLOW;
    t
};

/// A plain scalar: its text and where it ends.
pub(crate) fn plain<'t>(s: &mut Scanner<'t>) -> Result<(Cow<'t, str>, Mark)> {
    let start = s.cursor.mark;
    let mut end = start;
    let mut text = Text::new(s.cursor.text, s.cursor.at);
    let mut breaks = Breaks::default();
    let mut leading_blanks = false;
    let mut blanks_from = s.cursor.at;
    let indent = s.indent + 1;
    let stops = if s.flow_level > 0 { STOP | FLOW } else { STOP };
    loop {
        if s.cursor.document_indicator() || s.cursor.current() == b'#' {
            break;
        }
        let from = s.cursor.at;
        let to = plain_run(s, stops);
        if to > from {
            if leading_blanks {
                breaks.fold_into(text.own());
                leading_blanks = false;
            } else if blanks_from < from {
                text.extend(blanks_from, from);
            }
            text.extend(from, to);
            s.cursor.skip_to(to);
            end = s.cursor.mark;
        }
        if !(s.cursor.is_blank(0) || s.cursor.is_break(0)) {
            break;
        }
        blanks_from = s.cursor.at;
        loop {
            if s.cursor.is_blank(0) {
                if leading_blanks && s.cursor.current() == b'\t' && (s.cursor.mark.column as i32) < indent {
                    return Err(s.error(start, "found a tab character that violates indentation"));
                }
                s.cursor.skip_ascii(1);
            } else if let Some(c) = s.cursor.line_break() {
                breaks.push(c);
                leading_blanks = true;
            } else {
                break;
            }
        }
        if s.flow_level == 0 && (s.cursor.mark.column as i32) < indent {
            break;
        }
    }
    if leading_blanks {
        s.simple_key_allowed = true;
    }
    Ok((text.finish(), end))
}

/// Where the run of plain characters from here ends.
#[inline]
fn plain_run(s: &Scanner<'_>, stops: u8) -> usize {
    let bytes = s.cursor.bytes();
    let base = s.cursor.at;
    let mut to = base;
    while let Some(&b) = bytes.get(to) {
        if PLAIN[b as usize] & stops != 0 {
            match b {
                b':' if !s.cursor.is_blank_break_or_end(to + 1 - base) => {}
                0xC2 | 0xE2 if !s.cursor.break_at(to) => {}
                _ => break,
            }
        }
        to += 1;
    }
    to
}

/// A quoted scalar, its quotes taken off.
pub(crate) fn quoted<'t>(s: &mut Scanner<'t>, quote: u8) -> Result<Cow<'t, str>> {
    let start = s.cursor.mark;
    s.cursor.skip_ascii(1);
    let mut text = Text::new(s.cursor.text, s.cursor.at);
    let mut breaks = Breaks::default();
    loop {
        if s.cursor.document_indicator() {
            return Err(s.error(start, "found unexpected document indicator"));
        }
        if s.cursor.is_end() {
            return Err(s.error(start, "found unexpected end of stream"));
        }
        let mut leading_blanks = false;
        loop {
            let from = s.cursor.at;
            let to = quoted_run(s, quote);
            text.extend(from, to);
            s.cursor.skip_to(to);
            let b = s.cursor.current();
            if b == b'\'' && quote == b'\'' && s.cursor.peek(1) == b'\'' {
                text.own().push('\'');
                s.cursor.skip_ascii(2);
            } else if b == b'\\' && quote == b'"' {
                if s.cursor.is_break(1) {
                    text.own();
                    s.cursor.skip_ascii(1);
                    s.cursor.line_break();
                    leading_blanks = true;
                    break;
                }
                let c = escape(s, start)?;
                text.own().push(c);
            } else {
                break;
            }
        }
        if s.cursor.current() == quote {
            break;
        }
        let blanks_from = s.cursor.at;
        let mut blanks_to = blanks_from;
        loop {
            if s.cursor.is_blank(0) {
                s.cursor.skip_ascii(1);
                if !leading_blanks {
                    blanks_to = s.cursor.at;
                }
            } else if let Some(c) = s.cursor.line_break() {
                // After an escaped break there is no first one to fold.
                if leading_blanks && breaks.first.is_none() {
                    breaks.more.push(c);
                } else {
                    breaks.push(c);
                }
                leading_blanks = true;
            } else {
                break;
            }
        }
        if leading_blanks {
            breaks.fold_into(text.own());
        } else {
            text.extend(blanks_from, blanks_to);
        }
    }
    s.cursor.skip_ascii(1);
    Ok(text.finish())
}

/// Where the run of characters that stand for themselves ends.
#[inline]
fn quoted_run(s: &Scanner<'_>, quote: u8) -> usize {
    let bytes = s.cursor.bytes();
    let mut to = s.cursor.at;
    while let Some(&b) = bytes.get(to) {
        match b {
            b' ' | b'\t' | b'\n' | b'\r' => break,
            b'\\' if quote == b'"' => break,
            0xC2 | 0xE2 if s.cursor.break_at(to) => break,
            _ if b == quote => break,
            _ => to += 1,
        }
    }
    to
}

/// One escape sequence. go-yaml does not know `\/`.
fn escape(s: &mut Scanner<'_>, start: Mark) -> Result<char> {
    let (c, digits) = match s.cursor.peek(1) {
        b'0' => ('\0', 0),
        b'a' => ('\u{7}', 0),
        b'b' => ('\u{8}', 0),
        b't' | b'\t' => ('\t', 0),
        b'n' => ('\n', 0),
        b'v' => ('\u{b}', 0),
        b'f' => ('\u{c}', 0),
        b'r' => ('\r', 0),
        b'e' => ('\u{1b}', 0),
        b' ' => (' ', 0),
        b'"' => ('"', 0),
        b'\'' => ('\'', 0),
        b'\\' => ('\\', 0),
        b'N' => ('\u{85}', 0),
        b'_' => ('\u{a0}', 0),
        b'L' => ('\u{2028}', 0),
        b'P' => ('\u{2029}', 0),
        b'x' => ('\0', 2),
        b'u' => ('\0', 4),
        b'U' => ('\0', 8),
        _ => return Err(s.error(start, "found unknown escape character")),
    };
    s.cursor.skip_ascii(2);
    if digits == 0 {
        return Ok(c);
    }
    let mut value: u32 = 0;
    for k in 0..digits {
        let Some(digit) = (s.cursor.peek(k) as char).to_digit(16) else {
            return Err(s.error(start, "did not find expected hexdecimal number"));
        };
        value = value << 4 | digit;
    }
    let Some(c) = char::from_u32(value) else {
        return Err(s.error(start, "found invalid Unicode character escape code"));
    };
    s.cursor.skip_ascii(digits);
    Ok(c)
}

/// A literal or folded scalar: its text and where it ends.
pub(crate) fn block<'t>(s: &mut Scanner<'t>) -> Result<(Cow<'t, str>, Mark)> {
    let start = s.cursor.mark;
    let literal = s.cursor.current() == b'|';
    s.cursor.skip_ascii(1);
    let (chomping, increment) = header(s, start)?;
    s.cursor.skip_blanks();
    if s.cursor.current() == b'#' {
        s.cursor.skip_line_rest();
    }
    if !s.cursor.is_break_or_end(0) {
        return Err(s.error(start, "did not find expected comment or line break"));
    }
    s.cursor.line_break();
    let mut end = s.cursor.mark;
    let mut indent = if increment > 0 { s.indent.max(0) + increment } else { 0 };
    let mut text = String::new();
    let mut leading_break: Option<char> = None;
    let mut trailing_breaks = String::new();
    block_breaks(s, &mut indent, &mut trailing_breaks, start, &mut end)?;
    let mut leading_blank = false;
    while s.cursor.mark.column as i32 == indent && !s.cursor.is_end() {
        let blank = s.cursor.is_blank(0);
        if !literal && !leading_blank && !blank && leading_break == Some('\n') {
            if trailing_breaks.is_empty() {
                text.push(' ');
            }
        } else {
            text.extend(leading_break);
        }
        text.push_str(&trailing_breaks);
        trailing_breaks.clear();
        leading_blank = blank;
        let from = s.cursor.at;
        s.cursor.skip_line_rest();
        text.push_str(s.cursor.slice(from, s.cursor.at));
        leading_break = s.cursor.line_break();
        block_breaks(s, &mut indent, &mut trailing_breaks, start, &mut end)?;
    }
    if chomping != Chomping::Strip {
        text.extend(leading_break);
    }
    if chomping == Chomping::Keep {
        text.push_str(&trailing_breaks);
    }
    Ok((Cow::Owned(text), end))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Clip,
    Strip,
    Keep,
}

/// The indicators behind `|` or `>`, in either order.
fn header(s: &mut Scanner<'_>, start: Mark) -> Result<(Chomping, i32)> {
    let mut chomping = Chomping::Clip;
    let mut increment = 0;
    for _ in 0..2 {
        match s.cursor.current() {
            b'+' if chomping == Chomping::Clip => chomping = Chomping::Keep,
            b'-' if chomping == Chomping::Clip => chomping = Chomping::Strip,
            b'0' if increment == 0 => {
                return Err(s.error(start, "found an indentation indicator equal to 0"));
            }
            b @ b'1'..=b'9' if increment == 0 => increment = i32::from(b - b'0'),
            _ => break,
        }
        s.cursor.skip_ascii(1);
    }
    Ok((chomping, increment))
}

/// Indentation and empty lines before a line of text. Finds the indentation out if it is 0.
fn block_breaks(
    s: &mut Scanner<'_>,
    indent: &mut i32,
    breaks: &mut String,
    start: Mark,
    end: &mut Mark,
) -> Result<()> {
    *end = s.cursor.mark;
    let mut deepest = 0;
    loop {
        let left =
            if *indent == 0 { usize::MAX } else { (*indent - s.cursor.mark.column as i32).max(0) as usize };
        let bytes = &s.cursor.bytes()[s.cursor.at..];
        let spaces = bytes.iter().take(left).take_while(|&&b| b == b' ').count();
        s.cursor.skip_ascii(spaces);
        let column = s.cursor.mark.column as i32;
        deepest = deepest.max(column);
        if (*indent == 0 || column < *indent) && s.cursor.current() == b'\t' {
            return Err(s.error(start, "found a tab character where an indentation space is expected"));
        }
        match s.cursor.line_break() {
            Some(c) => breaks.push(c),
            None => break,
        }
        *end = s.cursor.mark;
    }
    if *indent == 0 {
        *indent = deepest.max(s.indent + 1).max(1);
    }
    Ok(())
}
