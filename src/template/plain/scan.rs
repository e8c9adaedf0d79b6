//! The pieces of plain templates: blanks, words, strings, comments, delimiters. A piece is read from an offset; what comes
//! back is where it ends, or `None` for what is not plain.

use crate::yaml::eight::{eight, equal, find};

/// What a byte may be, as bits.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte as u8 {
            b' ' | b'\t' | b'\r' | b'\n' => SPACE | ENDS_CONSTANT | ENDS_WORD,
            b'|' | b')' => ENDS_CONSTANT | ENDS_WORD,
            b'}' => ENDS_CONSTANT,
            b'.' => ENDS_WORD,
            b'0'..=b'9' => WORD,
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => WORD | WORD_START,
            _ => 0,
        };
        byte += 1;
    }
    class
};
pub(super) const SPACE: u8 = 1;
pub(super) const WORD: u8 = 2;
pub(super) const WORD_START: u8 = 4;
/// It may follow a word (as two closing braces may).
const ENDS_WORD: u8 = 8;
/// It may follow a string, a number and the like.
const ENDS_CONSTANT: u8 = 16;

#[inline]
pub(super) fn is(byte: u8, class: u8) -> bool {
    CLASS[usize::from(byte)] & class != 0
}

/// The byte at an offset; 0, which nothing plain starts with, at the end.
#[inline]
pub(super) fn byte(text: &[u8], at: usize) -> u8 {
    text.get(at).copied().unwrap_or(0)
}

/// Where the blanks end.
#[inline]
pub(super) fn spaces(text: &[u8], at: usize) -> usize {
    // Most often it is one, or none.
    let at = at + usize::from(byte(text, at) == b' ');
    if is(byte(text, at), SPACE) { many_spaces(text, at) } else { at }
}

#[inline(never)]
fn many_spaces(text: &[u8], mut at: usize) -> usize {
    while is(byte(text, at), SPACE) {
        at += 1;
    }
    at
}

/// A word of letters, digits and underscores, which may be empty: its first eight bytes, the eight after them, and how many
/// there are. One of at most [`SHORT`] bytes is known by these alone.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Word {
    pub(super) head: u64,
    tail: u64,
    pub(super) length: usize,
}

const SHORT: usize = 16;

/// The head of a word that is at most eight bytes long.
pub(super) const fn head(word: &str) -> u64 {
    let (bytes, mut head, mut at) = (word.as_bytes(), 0, word.len());
    assert!(at <= 8, "it is the whole word");
    while at > 0 {
        at -= 1;
        head = head << 8 | bytes[at] as u64;
    }
    head
}

/// Marks the bytes that are no part of a word.
#[inline]
fn not_word(bytes: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = ONES << 7;
    let low = bytes & !HIGH;
    let within = |bytes: u64, from: u8, to: u8| {
        (bytes + ONES * u64::from(0x80 - from)) & !(bytes + ONES * u64::from(0x7f - to))
    };
    let letter = within(low | ONES << 5, b'a', b'z');
    let digit = within(low, b'0', b'9');
    let underscore = HIGH - (low ^ (ONES * u64::from(b'_')));
    !((letter | digit | underscore) & !bytes) & HIGH
}

/// How many bytes stand before the first that is marked.
#[inline]
fn before(marks: u64) -> usize {
    (marks.trailing_zeros() / 8) as usize
}

/// The first bytes of eight.
#[inline]
fn first(count: usize, bytes: u64) -> u64 {
    bytes & !(u64::MAX << (8 * count))
}

#[inline]
pub(super) fn word(text: &[u8], at: usize) -> Word {
    let Some(bytes) = eight(text, at) else { return last_word(text, at) };
    match not_word(bytes) {
        0 => long_word(text, at, bytes),
        marks => {
            let length = before(marks);
            Word { head: first(length, bytes), tail: 0, length }
        }
    }
}

/// A word of eight bytes, which are its head, or more.
fn long_word(text: &[u8], at: usize, head: u64) -> Word {
    let Some(bytes) = eight(text, at + 8) else { return last_word(text, at) };
    match not_word(bytes) {
        0 => Word { head, tail: bytes, length: word_end(text, at + SHORT) - at },
        marks => {
            let more = before(marks);
            Word { head, tail: first(more, bytes), length: 8 + more }
        }
    }
}

/// A word near the end of the text.
#[cold]
fn last_word(text: &[u8], at: usize) -> Word {
    let length = word_end(text, at) - at;
    let part = |from: usize| {
        let bytes = text.iter().skip(at + from).take(length.saturating_sub(from).min(8));
        bytes.rev().fold(0, |all, byte| all << 8 | u64::from(*byte))
    };
    Word { head: part(0), tail: part(8), length }
}

/// Where the word ends.
#[inline]
pub(super) fn word_end(text: &[u8], at: usize) -> usize {
    find(text, at, not_word)
}

impl Word {
    /// Where a table of that many places, a power of two, has it.
    #[inline]
    pub(super) fn place(self, count: usize) -> usize {
        let hash = (self.head ^ self.tail.rotate_left(29)).wrapping_mul(0x517c_c1b7_2722_0a95);
        (hash >> 40) as usize & (count - 1)
    }

    /// Whether this word, which stands at `at`, is another one, which stands at `there`.
    #[inline]
    pub(super) fn is(self, text: &[u8], at: usize, other: Self, there: usize) -> bool {
        let alike = self.head == other.head && self.tail == other.tail && self.length == other.length;
        alike && (self.length <= SHORT || text[at..at + self.length] == text[there..there + self.length])
    }
}

/// How many words [`Known`] has room for.
const KNOWN: usize = 256;

/// Words that were found to be functions before: what most actions start with is a few of them.
pub(super) struct Known(Box<[(u64, u64)]>);

impl Default for Known {
    fn default() -> Self {
        Self(Box::new([(0, 0); KNOWN]))
    }
}

impl Known {
    /// Whether the word is a function; `ask` tells it of those that are not known.
    #[inline]
    pub(super) fn has(&mut self, word: Word, ask: impl FnOnce() -> bool) -> bool {
        let place = &mut self.0[word.place(KNOWN)];
        if *place == (word.head, word.tail) && word.length <= SHORT {
            return true;
        }
        let has = ask();
        if has && word.length <= SHORT {
            *place = (word.head, word.tail);
        }
        has
    }
}

/// Whether a word may end here (a delimiter with one brace is left to the parser).
#[inline]
pub(super) fn ends_word(text: &[u8], at: usize) -> bool {
    let next = byte(text, at);
    is(next, ENDS_WORD) || next == b'}' && byte(text, at + 1) == b'}'
}

/// Whether a constant may end here.
#[inline]
pub(super) fn ends_constant(text: &[u8], at: usize) -> bool {
    is(byte(text, at), ENDS_CONSTANT)
}

/// A decimal number that is an `int`.
#[inline]
pub(super) fn number(text: &[u8], at: usize) -> Option<usize> {
    let mut end = at;
    while byte(text, end).is_ascii_digit() {
        end += 1;
    }
    let plain = end == at + 1 || end <= at + 18 && text[at] != b'0';
    plain.then_some(end)
}

/// A string in quotes of either kind; whether it means something else than what is written in it, and its end.
#[inline]
pub(super) fn string(text: &[u8], start: usize) -> Option<(bool, usize)> {
    let mut at = start + 1;
    if byte(text, start) == b'`' {
        let inner = text.get(at..)?;
        let inner = &inner[..memchr::memchr(b'`', inner)?];
        return Some((inner.contains(&b'\r'), at + inner.len() + 1));
    }
    let mut escaped = false;
    loop {
        at = find(text, at, |b| equal(b, b'"') | equal(b, b'\\') | equal(b, b'\n'));
        match byte(text, at) {
            b'"' => return Some((escaped, at + 1)),
            b'\\' => {
                let known = [b'a', b'b', b'f', b'n', b'r', b't', b'v', b'\\', b'"'];
                if !known.contains(text.get(at + 1)?) {
                    return None;
                }
                escaped = true;
                at += 2;
            }
            _ => return None,
        }
    }
}

/// Where the next `{{` is.
#[inline]
pub(super) fn left_delim(text: &[u8], at: usize) -> Option<usize> {
    if byte(text, at) == b'{' && byte(text, at + 1) == b'{' {
        return Some(at);
    }
    super::super::lexer::find_left_delim(&text[at..]).map(|length| at + length)
}

/// What follows a `{{` and its trim marker, if it has one.
#[inline]
pub(super) fn after_left_delim(text: &[u8], delim: usize) -> usize {
    let trims = byte(text, delim + 2) == b'-' && is(byte(text, delim + 3), SPACE);
    delim + if trims { 4 } else { 2 }
}

/// Whether a comment starts here.
#[inline]
pub(super) fn opens_comment(text: &[u8], at: usize) -> bool {
    byte(text, at) == b'/' && byte(text, at + 1) == b'*'
}

/// A comment with its delimiter.
pub(super) fn comment(text: &[u8], at: usize) -> Option<usize> {
    let inner = &text[at + 2..];
    let length = memchr::memchr_iter(b'*', inner).find(|star| inner.get(star + 1) == Some(&b'/'))?;
    let end = at + length + 4;
    let space = usize::from(is(byte(text, end), SPACE) && byte(text, end + 1) == b'-');
    right_delim(text, end + space)
}

/// `}}`, or `-}}` after a blank with the white space that it trims.
#[inline]
pub(super) fn right_delim(text: &[u8], at: usize) -> Option<usize> {
    match &text[at.min(text.len())..] {
        [b'}', b'}', ..] => Some(at + 2),
        [b'-', b'}', b'}', ..] if is(text[at - 1], SPACE) => Some(spaces(text, at + 3)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_known_by_its_bytes_wherever_it_stands() {
        let all = [
            "",
            "a",
            "Zz_09",
            "eight_by",
            "nine_byte",
            "sixteen_bytes_xy",
            "seventeen_bytes_x",
            "a_word_of_many_more_bytes_1",
        ];
        for one in all {
            for other in all {
                for (before, after) in
                    [("", ""), ("x ", ""), ("", ".more of it"), ("{{ ", " and a lot more }}")]
                {
                    let text = format!("{before}{one}{after} {other}");
                    let (at, there) = (before.len(), text.len() - other.len());
                    let (a, b) = (word(text.as_bytes(), at), word(text.as_bytes(), there));
                    assert_eq!((a.length, b.length), (one.len(), other.len()), "{text}");
                    assert_eq!(a.is(text.as_bytes(), at, b, there), one == other, "{text}");
                    if one.len() <= 8 {
                        assert_eq!(a.head, head(one));
                    }
                }
            }
        }
    }

    #[test]
    fn only_letters_digits_and_underscores_are_words() {
        for other in 0..=u8::MAX {
            for text in [[other; 9], [b'a', b'b', other, b'c', 0xff, b'd', other, 0, b'z']] {
                let length = text.iter().position(|b| !(b.is_ascii_alphanumeric() || *b == b'_'));
                assert_eq!(word_end(&text, 0), length.unwrap_or(9), "{other}");
                assert_eq!(word(&text, 0).length, length.unwrap_or(9), "{other}");
                assert_eq!(is(other, WORD), other.is_ascii_alphanumeric() || other == b'_');
            }
        }
    }

    #[test]
    fn known_functions_are_those_that_were_asked_for() {
        let mut known = Known::default();
        let all: Vec<String> = (0..2_000).map(|n| format!("{}{n}", "f".repeat(1 + n % 20))).collect();
        for _ in 0..2 {
            for (n, name) in all.iter().enumerate() {
                assert_eq!(known.has(word(name.as_bytes(), 0), || n % 3 > 0), n % 3 > 0, "{name}");
            }
        }
    }
}
