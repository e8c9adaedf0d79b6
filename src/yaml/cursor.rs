//! A place in the text that moves by characters and lines, and libyaml's character classes.

use super::event::Mark;

/// Reads bytes of a valid UTF-8 text and counts lines, columns and characters on the way. Past the end stands NUL,
/// which the text itself cannot contain.
#[derive(Debug)]
pub(crate) struct Cursor<'t> {
    pub(crate) text: &'t str,
    bytes: &'t [u8],
    /// Byte offset.
    pub(crate) at: usize,
    pub(crate) mark: Mark,
}

impl<'t> Cursor<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self { text, bytes: text.as_bytes(), at: 0, mark: Mark::default() }
    }

    /// The byte `n` bytes ahead.
    #[inline]
    pub(crate) fn peek(&self, n: usize) -> u8 {
        self.bytes.get(self.at + n).copied().unwrap_or(0)
    }

    #[inline]
    pub(crate) fn current(&self) -> u8 {
        self.peek(0)
    }

    #[inline]
    pub(crate) fn is_end(&self) -> bool {
        self.at >= self.bytes.len()
    }

    #[inline]
    pub(crate) fn is_blank(&self, n: usize) -> bool {
        matches!(self.peek(n), b' ' | b'\t')
    }

    /// A line break: CR, LF, NEL, LS, PS.
    #[inline]
    pub(crate) fn is_break(&self, n: usize) -> bool {
        match self.peek(n) {
            b'\n' | b'\r' => true,
            0xC2 => self.peek(n + 1) == 0x85,
            0xE2 => self.peek(n + 1) == 0x80 && matches!(self.peek(n + 2), 0xA8 | 0xA9),
            _ => false,
        }
    }

    #[inline]
    pub(crate) fn is_break_or_end(&self, n: usize) -> bool {
        self.peek(n) == 0 || self.is_break(n)
    }

    #[inline]
    pub(crate) fn is_blank_break_or_end(&self, n: usize) -> bool {
        self.is_blank(n) || self.is_break_or_end(n)
    }

    /// Moves over `n` ASCII characters of this line.
    #[inline]
    pub(crate) fn skip_ascii(&mut self, n: usize) {
        self.at += n;
        self.mark.index += n as u32;
        self.mark.column += n as u32;
    }

    /// Moves to a byte offset in this line.
    #[inline]
    pub(crate) fn skip_to(&mut self, to: usize) {
        let run = &self.bytes[self.at..to];
        let characters =
            if run.is_ascii() { run.len() } else { run.iter().filter(|&&b| b & 0xC0 != 0x80).count() };
        self.at = to;
        self.mark.index += characters as u32;
        self.mark.column += characters as u32;
    }

    /// Moves over blanks; says how many.
    #[inline]
    pub(crate) fn skip_blanks(&mut self) -> usize {
        let n = self.bytes[self.at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        self.skip_ascii(n);
        n
    }

    /// Moves over one line break, if there is one here, and says how it counts in folded text: `\n` for all but LS
    /// and PS, which stay what they are.
    #[inline]
    pub(crate) fn line_break(&mut self) -> Option<char> {
        let (bytes, characters, c) = match self.current() {
            b'\n' => (1, 1, '\n'),
            b'\r' if self.peek(1) == b'\n' => (2, 2, '\n'),
            b'\r' => (1, 1, '\n'),
            0xC2 if self.peek(1) == 0x85 => (2, 1, '\n'),
            0xE2 if self.peek(1) == 0x80 && self.peek(2) == 0xA8 => (3, 1, '\u{2028}'),
            0xE2 if self.peek(1) == 0x80 && self.peek(2) == 0xA9 => (3, 1, '\u{2029}'),
            _ => return None,
        };
        self.at += bytes;
        self.mark.index += characters;
        self.mark.line += 1;
        self.mark.column = 0;
        Some(c)
    }

    /// Moves to the end of this line, without its break.
    #[inline]
    pub(crate) fn skip_line_rest(&mut self) {
        let mut to = self.at;
        while let Some(&b) = self.bytes.get(to) {
            if LINE[b as usize] && self.break_at(to) {
                break;
            }
            to += 1;
        }
        self.skip_to(to);
    }

    /// Whether a line break starts at a byte offset.
    #[inline]
    pub(crate) fn break_at(&self, at: usize) -> bool {
        self.is_break(at - self.at)
    }

    /// Whether `---` or `...` stands here at the start of a line, with nothing attached.
    #[inline]
    pub(crate) fn document_indicator(&self) -> bool {
        self.mark.column == 0
            && matches!(self.current(), b'-' | b'.')
            && self.peek(1) == self.current()
            && self.peek(2) == self.current()
            && self.is_blank_break_or_end(3)
    }

    #[inline]
    pub(crate) fn slice(&self, from: usize, to: usize) -> &'t str {
        &self.text[from..to]
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &'t [u8] {
        self.bytes
    }
}

/// The bytes that may begin a line break.
static LINE: [bool; 256] = {
    let mut t = [false; 256];
    t[b'\n' as usize] = true;
    t[b'\r' as usize] = true;
    t[0xC2] = true;
    t[0xE2] = true;
    t
};

/// The length of the UTF-8 sequence that begins with a byte (1 at the end of the text).
#[inline]
pub(crate) fn width(first: u8) -> usize {
    match first {
        0..=0x7F => 1,
        0x80..=0xDF => 2,
        0xE0..=0xEF => 3,
        _ => 4,
    }
}

/// libyaml's "alphabetic" characters of anchors, tags and directives.
#[inline]
pub(crate) fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')
}
