//! What stands in a line: keys, scalars, quotes, sequences in brackets. Places are offsets into the whole text.

use super::super::eight::{below, equal, find, unequal};
use super::super::resolve::may_be_word;
use super::{Dialect, Resolved, Scalar, Sink, resolve};

/// The longest key: far below what a simple key may have.
const MAX_KEY: usize = 200;
/// The longest word that is no text, such as `false`.
const LONGEST_WORD: usize = 5;
/// The most digits of a key that is a number.
const MAX_DIGITS: usize = 15;

/// Where the content of a line starts.
#[inline]
pub(super) fn indented(text: &str, line: usize) -> usize {
    find(text.as_bytes(), line, |bytes| unequal(bytes, b' '))
}

/// Where the blanks end that may stand at an offset.
#[inline]
pub(super) fn after_blanks(text: &str, mut at: usize) -> usize {
    while text.as_bytes().get(at) == Some(&b' ') {
        at += 1;
    }
    at
}

/// Where the line after the one starts in which an offset lies.
#[inline]
pub(super) fn next_line(text: &str, at: usize) -> usize {
    memchr::memchr(b'\n', &text.as_bytes()[at..]).map_or(text.len(), |length| at + length + 1)
}

/// Whether a line ends at an offset.
#[inline]
pub(super) fn is_end(text: &str, at: usize) -> bool {
    matches!(text.as_bytes().get(at), None | Some(b'\n'))
}

/// Whether a blank stands at an offset, or a line ends.
#[inline]
pub(super) fn is_gap(text: &str, at: usize) -> bool {
    matches!(text.as_bytes().get(at), None | Some(b'\n' | b' '))
}

/// The start of the next line, if nothing but blanks and a comment stands in the one that goes on at an offset.
#[inline]
pub(super) fn ends(text: &str, at: usize) -> Option<usize> {
    let end = after_blanks(text, at);
    match text.as_bytes().get(end) {
        None => Some(end),
        Some(b'\n') => Some(end + 1),
        Some(b'#') if end > at => Some(next_line(text, end)),
        Some(_) => None,
    }
}

/// Whether a byte may begin a plain scalar.
pub(super) const STARTS: [bool; 256] = {
    let mut is = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        is[byte] = b.is_ascii_alphanumeric()
            || matches!(b, b'/' | b'_' | b'.' | b'-' | b'(' | b'$' | b'+' | b'^' | b'<' | b'\\');
        byte += 1;
    }
    is
};

/// The key of `key:` or `key: value` at an offset, if it is plain words and surely becomes that text or stands in quotes,
/// and where the line goes on after the colon.
pub(super) fn key(text: &str, at: usize) -> Option<(&str, usize)> {
    let bytes = text.as_bytes();
    let first = bytes[at];
    if matches!(first, b'"' | b'\'') {
        let (key, end) = quoted_key(text, at)?;
        return (bytes.get(end) == Some(&b':') && is_gap(text, end + 1)).then_some((key, end + 1));
    }
    if !(first.is_ascii_alphanumeric() || first == b'/') {
        return None;
    }
    let end = end_of_plain(bytes, at);
    if bytes.get(end) != Some(&b':') || bytes[end - 1] == b' ' || end - at > MAX_KEY {
        return None;
    }
    let key = &text[at..end];
    let is_text = match first {
        b'0'..=b'9' => match resolve(key, Dialect::V2) {
            Resolved::Str => true,
            Resolved::Int(_) => {
                key.len() <= MAX_DIGITS
                    && (first != b'0' || key.len() == 1)
                    && key.bytes().all(|b| b.is_ascii_digit())
            }
            _ => false,
        },
        _ => {
            key.len() > LONGEST_WORD
                || !may_be_word(key.as_bytes())
                || matches!(resolve(key, Dialect::V2), Resolved::Str)
        }
    };
    is_text.then_some((key, end + 1))
}

/// The key in quotes at an offset, and where they end.
pub(super) fn quoted_key(text: &str, at: usize) -> Option<(&str, usize)> {
    let bytes = text.as_bytes();
    let quote = bytes[at];
    let end = find(bytes, at + 1, |b| equal(b, quote) | equal(b, b'\\') | below(b, b' '));
    let key = &text[at + 1..end];
    (bytes.get(end) == Some(&quote) && key.len() <= MAX_KEY).then_some((key, end + 1))
}

/// Where a name ends that starts at an offset.
fn end_of_name(text: &str, at: usize) -> usize {
    let is_part = |b: &&u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    at + text.as_bytes()[at..].iter().take_while(is_part).count()
}

/// The name of an anchor or alias that starts at an offset and ends its line, and where the next line starts.
pub(super) fn name(text: &str, at: usize) -> Option<(&str, usize)> {
    let end = end_of_name(text, at);
    let is_name = end > at && is_end(text, end);
    is_name.then(|| (&text[at..end], (end + 1).min(text.len())))
}

/// The names in `[*name, *other]` from after the bracket, and where the next line starts.
pub(super) fn names(text: &str, mut at: usize) -> Option<(Vec<&str>, usize)> {
    let bytes = text.as_bytes();
    let mut names = Vec::new();
    loop {
        at = after_blanks(text, at);
        if bytes.get(at) != Some(&b'*') {
            return None;
        }
        let end = end_of_name(text, at + 1);
        if end == at + 1 {
            return None;
        }
        names.push(&text[at + 1..end]);
        at = after_blanks(text, end);
        match bytes.get(at)? {
            b',' => at += 1,
            b']' => return Some((names, ends(text, at + 1)?)),
            _ => return None,
        }
    }
}

/// Where the line after an empty mapping starts, from after its first brace: the other one may stand in a line of its own.
pub(super) fn empty(text: &str, at: usize) -> Option<usize> {
    let close = after_break(text, at);
    if text.as_bytes().get(close) == Some(&b'}') { ends(text, close + 1) } else { None }
}

/// How the end of a block scalar is cut whose header goes on at an offset, and where the next line starts.
pub(super) fn block_header(text: &str, at: usize) -> Option<(Option<u8>, usize)> {
    let chomp = text.as_bytes().get(at).copied().filter(|b| matches!(b, b'-' | b'+'));
    let end = after_blanks(text, at + usize::from(chomp.is_some()));
    is_end(text, end).then(|| (chomp, (end + 1).min(text.len())))
}

/// The scalar in quotes at an offset, and where they end.
pub(super) fn quoted(text: &str, start: usize, quote: u8) -> Option<(Scalar<'_>, usize)> {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    if quote == b'\'' {
        at = find(bytes, at, |b| equal(b, b'\'') | below(b, b' '));
        return match &bytes[at..] {
            // Two of them mean one.
            [b'\'', b'\'', ..] => None,
            [b'\'', ..] => Some((Scalar::Single(&text[start + 1..at]), at + 1)),
            _ => None,
        };
    }
    loop {
        at = find(bytes, at, |b| equal(b, b'"') | equal(b, b'\\') | below(b, b' '));
        match &bytes[at..] {
            [b'"', ..] => return Some((Scalar::Double(&text[start + 1..at]), at + 1)),
            [b'\\', b'n' | b't' | b'"' | b'\\', ..] => at += 2,
            _ => return None,
        }
    }
}

/// What stands in quotes that end in a later line, and where: each line break is a blank.
pub(super) fn quoted_lines(text: &str, start: usize, quote: u8) -> Option<(String, usize)> {
    let bytes = text.as_bytes();
    let mut inner = String::new();
    let (mut from, mut at) = (start + 1, start + 1);
    loop {
        at = find(bytes, at, |b| equal(b, quote) | equal(b, b'\\') | below(b, b' '));
        match bytes[at..] {
            [b'\'', b'\'', ..] => return None,
            [b, ..] if b == quote => {
                inner.push_str(&text[from..at]);
                return Some((inner, at + 1));
            }
            [b'\\', ..] if quote == b'\'' => at += 1,
            [b'\\', b'n' | b't' | b'"' | b'\\', ..] => at += 2,
            [b'\n', ..] => {
                inner.push_str(text[from..at].trim_end_matches(' '));
                inner.push(' ');
                let content = indented(text, at + 1);
                // In the first column a line may be something else.
                if content == at + 1 || is_end(text, content) {
                    return None;
                }
                (from, at) = (content, content);
            }
            _ => return None,
        }
    }
}

/// Where the blanks end that may stand at an offset in brackets, and a line break among them.
fn after_break(text: &str, at: usize) -> usize {
    let end = after_blanks(text, at);
    if text.as_bytes().get(end) != Some(&b'\n') {
        return end;
    }
    let content = indented(text, end + 1);
    // In the first column a line may be something else.
    if content > end + 1 { content } else { end }
}

/// Tells the scalars of a sequence in brackets, from after the first bracket; gives the next line's start.
pub(super) fn flow<S: Sink>(text: &str, mut at: usize, sink: &mut S) -> Option<usize> {
    let bytes = text.as_bytes();
    let is_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-' | b'~' | b'$');
    let mut empty = true;
    loop {
        at = after_break(text, at);
        let scalar;
        (scalar, at) = match bytes.get(at)? {
            quote @ (b'"' | b'\'') => quoted(text, at, *quote)?,
            b']' if empty => return ends(text, at + 1),
            _ => {
                let end = at + bytes[at..].iter().position(|b| !is_word(b))?;
                // By itself, as if its line ended here.
                let (word, _) = plain(&text[..end], at)?;
                (Scalar::Plain(&text[at..word]), end)
            }
        };
        empty = false;
        sink.scalar(&scalar)?;
        at = after_break(text, at);
        match bytes.get(at)? {
            b',' => at += 1,
            b']' => return ends(text, at + 1),
            _ => return None,
        }
    }
}

/// Where a plain scalar ends that may begin at an offset, and where its line does, or its comment begins: any text that is
/// not an infinite number.
pub(super) fn plain(text: &str, start: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let first = match bytes[start..] {
        [b'~', ..] => {
            let stop = find(bytes, start + 1, |b| unequal(b, b' '));
            let is_null = is_end(text, stop) || stop > start + 1 && bytes[stop] == b'#';
            return is_null.then_some((start + 1, stop));
        }
        [b'-', second, ..] => second,
        [first, ..] => first,
        [] => return None,
    };
    if !STARTS[usize::from(first)] {
        return None;
    }
    let (end, stop) = rest_of_plain(text, start)?;
    let scalar = &text[start..end];
    if matches!(scalar.as_bytes()[0], b'0'..=b'9' | b'.' | b'-' | b'+') {
        if scalar == "-" {
            return None;
        }
        // What has few digits and no exponent is finite.
        let short = scalar.len() < 100 && scalar.bytes().all(|b| matches!(b, b'0'..=b'9' | b'.' | b'-'));
        if !short && matches!(resolve(scalar, Dialect::V2), Resolved::Float(x) if !x.is_finite()) {
            return None;
        }
    }
    Some((end, stop))
}

/// The same for a line in which a plain scalar goes on.
pub(super) fn rest_of_plain(text: &str, start: usize) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let stop = end_of_plain(bytes, start);
    if !matches!(bytes.get(stop), None | Some(b'\n' | b'#')) {
        return None;
    }
    let mut end = stop;
    while end > start && bytes[end - 1] == b' ' {
        end -= 1;
    }
    Some((end, stop))
}

/// Where the first byte from an offset stands that is not part of a plain scalar: a tab, a line break, the colon of a key, or
/// what begins a comment.
#[inline]
fn end_of_plain(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    loop {
        at = find(bytes, at, |b| below(b, b' ') | equal(b, b':') | equal(b, b'#'));
        match bytes.get(at) {
            Some(b':') if !matches!(bytes.get(at + 1), None | Some(b' ' | b'\n')) => at += 1,
            Some(b'#') if at == start || bytes[at - 1] != b' ' => at += 1,
            _ => return at,
        }
    }
}
