//! Tags and directives.

use std::borrow::Cow;

use super::cursor::{is_word, width};
use super::event::Mark;
use super::scan::{Result, Scanner, TokenKind};

type Pair<'t> = (Cow<'t, str>, Cow<'t, str>);

/// `!`, `!local`, `!!int`, `!e!x`, `!<tag:...>`: handle and suffix. An empty handle means that the suffix is all.
pub(crate) fn tag<'t>(s: &mut Scanner<'t>) -> Result<Pair<'t>> {
    let start = s.cursor.mark;
    let pair = if s.cursor.peek(1) == b'<' {
        s.cursor.skip_ascii(2);
        let suffix = uri(s, "", start)?;
        if s.cursor.current() != b'>' {
            return Err(s.error(start, "did not find the expected '>'"));
        }
        s.cursor.skip_ascii(1);
        (Cow::Borrowed(""), suffix)
    } else {
        let handle = handle(s, false, start)?;
        if handle.len() > 1 && handle.ends_with('!') {
            (Cow::Borrowed(handle), uri(s, "", start)?)
        } else {
            let suffix = uri(s, handle, start)?;
            // `!` alone.
            if suffix.is_empty() {
                (Cow::Borrowed(""), Cow::Borrowed("!"))
            } else {
                (Cow::Borrowed("!"), suffix)
            }
        }
    };
    if !s.cursor.is_blank_break_or_end(0) {
        return Err(s.error(start, "did not find expected whitespace or line break"));
    }
    Ok(pair)
}

fn handle<'t>(s: &mut Scanner<'t>, directive: bool, start: Mark) -> Result<&'t str> {
    if s.cursor.current() != b'!' {
        return Err(s.error(start, "did not find expected '!'"));
    }
    let from = s.cursor.at;
    s.cursor.skip_ascii(1);
    s.word();
    if s.cursor.current() == b'!' {
        s.cursor.skip_ascii(1);
    } else if directive && s.cursor.at - from > 1 {
        return Err(s.error(start, "did not find expected '!'"));
    }
    Ok(s.cursor.slice(from, s.cursor.at))
}

/// A URI, `%`-escapes decoded, after what was read as a handle already.
fn uri<'t>(s: &mut Scanner<'t>, head: &str, start: Mark) -> Result<Cow<'t, str>> {
    let from = s.cursor.at;
    let mut bytes: Vec<u8> = head.bytes().skip(1).collect();
    let mut found = !head.is_empty();
    let mut plain = bytes.is_empty();
    loop {
        let b = s.cursor.current();
        if b == b'%' {
            plain = false;
            escape(s, start, &mut bytes)?;
        } else if is_word(b) || b";/?:@&=+$,.!~*'()[]".contains(&b) {
            bytes.push(b);
            s.cursor.skip_ascii(1);
        } else {
            break;
        }
        found = true;
    }
    if !found {
        return Err(s.error(start, "did not find expected tag URI"));
    }
    if plain {
        return Ok(Cow::Borrowed(s.cursor.slice(from, s.cursor.at)));
    }
    // Escapes make whole UTF-8 sequences, but overlong ones and surrogates among them.
    Ok(Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()))
}

/// One character written as `%XX` per byte.
fn escape(s: &mut Scanner<'_>, start: Mark, out: &mut Vec<u8>) -> Result<()> {
    let mut left = 0;
    loop {
        let digit = |b: u8| (b as char).to_digit(16);
        let (b'%', Some(high), Some(low)) =
            (s.cursor.current(), digit(s.cursor.peek(1)), digit(s.cursor.peek(2)))
        else {
            return Err(s.error(start, "did not find URI escaped octet"));
        };
        let octet = (high * 16 + low) as u8;
        if left == 0 {
            if octet & 0xC0 == 0x80 || octet >= 0xF8 {
                return Err(s.error(start, "found an incorrect leading UTF-8 octet"));
            }
            left = width(octet);
        } else if octet & 0xC0 != 0x80 {
            return Err(s.error(start, "found an incorrect trailing UTF-8 octet"));
        }
        out.push(octet);
        s.cursor.skip_ascii(3);
        left -= 1;
        if left == 0 {
            return Ok(());
        }
    }
}

/// `%YAML 1.1` or `%TAG !e! tag:example.com,2000:`, with its line.
pub(crate) fn directive<'t>(s: &mut Scanner<'t>) -> Result<TokenKind<'t>> {
    let start = s.cursor.mark;
    s.cursor.skip_ascii(1);
    let name = s.word();
    if name.is_empty() {
        return Err(s.error(start, "could not find expected directive name"));
    }
    if !s.cursor.is_blank_break_or_end(0) {
        return Err(s.error(start, "found unexpected non-alphabetical character"));
    }
    let kind = match name {
        "YAML" => {
            s.cursor.skip_blanks();
            let major = version_number(s, start)?;
            if s.cursor.current() != b'.' {
                return Err(s.error(start, "did not find expected digit or '.' character"));
            }
            s.cursor.skip_ascii(1);
            TokenKind::VersionDirective(major, version_number(s, start)?)
        }
        "TAG" => {
            s.cursor.skip_blanks();
            let handle = handle(s, true, start)?;
            if !s.cursor.is_blank(0) {
                return Err(s.error(start, "did not find expected whitespace"));
            }
            s.cursor.skip_blanks();
            let prefix = uri(s, "", start)?;
            if !s.cursor.is_blank_break_or_end(0) {
                return Err(s.error(start, "did not find expected whitespace or line break"));
            }
            TokenKind::TagDirective(Box::new((Cow::Borrowed(handle), prefix)))
        }
        _ => return Err(s.error(start, "found unknown directive name")),
    };
    s.cursor.skip_blanks();
    if s.cursor.current() == b'#' {
        s.cursor.skip_line_rest();
    }
    if !s.cursor.is_break_or_end(0) {
        return Err(s.error(start, "did not find expected comment or line break"));
    }
    s.cursor.line_break();
    Ok(kind)
}

fn version_number(s: &mut Scanner<'_>, start: Mark) -> Result<u8> {
    let mut number = 0;
    let mut digits = 0;
    while s.cursor.current().is_ascii_digit() {
        digits += 1;
        if digits > 2 {
            return Err(s.error(start, "found extremely long version number"));
        }
        number = number * 10 + (s.cursor.current() - b'0');
        s.cursor.skip_ascii(1);
    }
    if digits == 0 {
        return Err(s.error(start, "did not find expected version number"));
    }
    Ok(number)
}
