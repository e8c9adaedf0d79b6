//! Classes of characters as Go's `unicode` has them (letters, digits, what is printable), and UTF-8 read as Go reads it.
//!
//! Above ASCII the tables are those of the `regex` crate, which may be a Unicode version away from Go's.

use std::sync::OnceLock;

use regex::Regex;

fn class_matches(class: &'static OnceLock<Regex>, pattern: &str, c: char) -> bool {
    let regex = class.get_or_init(|| Regex::new(pattern).expect("a constant pattern"));
    regex.is_match(c.encode_utf8(&mut [0; 4]))
}

/// `unicode.IsLetter`
#[must_use]
pub fn is_letter(c: char) -> bool {
    static CLASS: OnceLock<Regex> = OnceLock::new();
    if c.is_ascii() { c.is_ascii_alphabetic() } else { class_matches(&CLASS, r"^\p{L}$", c) }
}

/// `unicode.IsDigit`
#[must_use]
pub fn is_digit(c: char) -> bool {
    static CLASS: OnceLock<Regex> = OnceLock::new();
    if c.is_ascii() { c.is_ascii_digit() } else { class_matches(&CLASS, r"^\p{Nd}$", c) }
}

/// `strconv.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
#[must_use]
pub fn is_print(c: char) -> bool {
    static CLASS: OnceLock<Regex> = OnceLock::new();
    if c.is_ascii() {
        (' '..='~').contains(&c)
    } else {
        class_matches(&CLASS, r"^[\p{L}\p{M}\p{N}\p{P}\p{S}]$", c)
    }
}

/// `utf8.DecodeRune`: the first character and its length; `None` with length 1 for a byte that is not UTF-8 (Go gives
/// U+FFFD of width 1), `None` with length 0 at the end.
#[must_use]
pub fn decode_rune(bytes: &[u8]) -> (Option<char>, usize) {
    let Some(&first) = bytes.first() else { return (None, 0) };
    if first < 0x80 {
        return (Some(char::from(first)), 1);
    }
    let width = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return (None, 1),
    };
    let decoded = bytes.get(..width).and_then(|b| std::str::from_utf8(b).ok()).and_then(|s| s.chars().next());
    decoded.map_or((None, 1), |c| (Some(c), width))
}

/// `utf8.RuneCount`: bytes that are not UTF-8 count one each.
#[must_use]
pub fn rune_count(mut bytes: &[u8]) -> usize {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return text.chars().count();
    }
    let mut n = 0;
    while !bytes.is_empty() {
        bytes = &bytes[decode_rune(bytes).1..];
        n += 1;
    }
    n
}
