//! `strconv.Quote` and its relatives.

use super::chars::{decode_rune, is_print};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// `strconv.Quote` of a text.
#[must_use]
pub fn quote(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    quote_with(&mut out, text, b'"', false);
    out
}

/// Appends a text in quotes, escaped as a Go literal; `ascii` escapes everything above ASCII.
pub fn quote_with(out: &mut String, mut text: &[u8], mark: u8, ascii: bool) {
    out.push(char::from(mark));
    while let Some(&first) = text.first() {
        // The common case: a run that needs no escape.
        let plain = text.iter().position(|&b| b == mark || b == b'\\' || !(b' '..=b'~').contains(&b));
        let plain = plain.unwrap_or(text.len());
        if plain > 0 {
            out.push_str(std::str::from_utf8(&text[..plain]).unwrap_or_default());
            text = &text[plain..];
            continue;
        }
        match decode_rune(text) {
            (Some(c), width) => {
                escape_rune(out, c, mark, ascii);
                text = &text[width..];
            }
            (None, _) => {
                out.push_str("\\x");
                push_hex(out, u32::from(first), 2);
                text = &text[1..];
            }
        }
    }
    out.push(char::from(mark));
}

/// `strconv.QuoteRune` (or `QuoteRuneToASCII`). Numbers that are no character become U+FFFD.
#[must_use]
pub fn quote_rune(code: u64, ascii: bool) -> String {
    let c = u32::try_from(code).ok().and_then(char::from_u32).unwrap_or('\u{FFFD}');
    let mut out = String::from("'");
    escape_rune(&mut out, c, b'\'', ascii);
    out.push('\'');
    out
}

fn push_hex(out: &mut String, value: u32, digits: u32) {
    for i in (0..digits).rev() {
        out.push(char::from(HEX[((value >> (4 * i)) & 0xF) as usize]));
    }
}

fn escape_rune(out: &mut String, c: char, mark: u8, ascii: bool) {
    if c == char::from(mark) || c == '\\' {
        out.push('\\');
        out.push(c);
    } else if (c.is_ascii() || !ascii) && is_print(c) {
        out.push(c);
    } else {
        match c {
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x0b' => out.push_str("\\v"),
            c if c < ' ' || c == '\x7f' => {
                out.push_str("\\x");
                push_hex(out, c.into(), 2);
            }
            c if u32::from(c) < 0x10000 => {
                out.push_str("\\u");
                push_hex(out, c.into(), 4);
            }
            c => {
                out.push_str("\\U");
                push_hex(out, c.into(), 8);
            }
        }
    }
}

/// `strconv.CanBackquote`
#[must_use]
pub fn can_backquote(text: &[u8]) -> bool {
    match std::str::from_utf8(text) {
        Ok(text) => {
            !text.chars().any(|c| c == '\u{FEFF}' || (c < ' ' && c != '\t') || c == '`' || c == '\x7f')
        }
        Err(_) => false,
    }
}

/// `strconv.Unquote` of a literal in any of Go's three quotes. `None` is Go's "invalid syntax".
#[must_use]
pub fn unquote(literal: &str) -> Option<Vec<u8>> {
    let bytes = literal.as_bytes();
    let (&mark, inner) = bytes.split_first()?;
    match mark {
        b'`' => {
            let (last, body) = inner.split_last()?;
            if *last != b'`' || body.contains(&b'`') {
                return None;
            }
            Some(body.iter().copied().filter(|&b| b != b'\r').collect())
        }
        b'"' => {
            let (last, body) = inner.split_last()?;
            if *last == b'"' && !body.iter().any(|b| matches!(b, b'\\' | b'"' | b'\n')) {
                return Some(body.to_vec());
            }
            let mut out = Vec::with_capacity(inner.len());
            let mut rest = &literal[1..];
            while !rest.starts_with('"') {
                if rest.starts_with('\n') {
                    return None;
                }
                let (unit, tail) = unquote_char(rest, b'"')?;
                unit.push_to(&mut out);
                rest = tail;
            }
            (rest.len() == 1).then_some(out)
        }
        b'\'' => {
            let (unit, tail) = unquote_char(&literal[1..], b'\'')?;
            if tail != "'" || literal.as_bytes().get(1) == Some(&b'\n') {
                return None;
            }
            let mut out = Vec::new();
            unit.push_to(&mut out);
            Some(out)
        }
        _ => None,
    }
}

/// One unit of a literal: a character, or a byte written as `\x..` or in octal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// A character.
    Char(char),
    /// A byte.
    Byte(u8),
}

impl Unit {
    /// The number a character constant has.
    #[must_use]
    pub fn code(self) -> u32 {
        match self {
            Self::Char(c) => c.into(),
            Self::Byte(b) => b.into(),
        }
    }

    fn push_to(self, out: &mut Vec<u8>) {
        match self {
            Self::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Self::Byte(b) => out.push(b),
        }
    }
}

/// `strconv.UnquoteChar`: the first unit of a literal's inside, and the rest. `None` is "invalid syntax".
#[must_use]
pub fn unquote_char(text: &str, mark: u8) -> Option<(Unit, &str)> {
    let mut chars = text.chars();
    let c = chars.next()?;
    if c == char::from(mark) && matches!(mark, b'"' | b'\'') {
        return None;
    }
    if c != '\\' {
        return Some((Unit::Char(c), chars.as_str()));
    }
    let escape = chars.next()?;
    let rest = chars.as_str();
    let simple = |c| Some((Unit::Char(c), rest));
    let hex = |digits: usize| {
        let text = rest.get(..digits).filter(|t| t.bytes().all(|b| b.is_ascii_hexdigit()))?;
        Some((u32::from_str_radix(text, 16).ok()?, &rest[digits..]))
    };
    match escape {
        'a' => simple('\x07'),
        'b' => simple('\x08'),
        'f' => simple('\x0c'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\x0b'),
        '\\' => simple('\\'),
        '\'' | '"' if escape == char::from(mark) => simple(escape),
        'x' => hex(2).and_then(|(n, rest)| Some((Unit::Byte(u8::try_from(n).ok()?), rest))),
        'u' => hex(4).and_then(|(n, rest)| Some((Unit::Char(char::from_u32(n)?), rest))),
        'U' => hex(8).and_then(|(n, rest)| Some((Unit::Char(char::from_u32(n)?), rest))),
        '0'..='7' => {
            let more = rest.get(..2).filter(|t| t.bytes().all(|b| (b'0'..=b'7').contains(&b)))?;
            let n = u32::from_str_radix(&format!("{escape}{more}"), 8).ok()?;
            Some((Unit::Byte(u8::try_from(n).ok()?), &rest[2..]))
        }
        _ => None,
    }
}
