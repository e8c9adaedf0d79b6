//! Words and case: Masterminds/goutils 1.1 and huandu/xstrings 1.5 as sprig uses them.
//!
//! goutils cuts by bytes and counts words by white space; xstrings splits words where case, digits and connectors change.

use super::args::{Entry, FuncResult, I, S, bytes, fixed, int, text};
use super::strings::is_space;
use crate::template::exec::Exec;
use crate::template::value::Value;

/// `unicode.ToUpper`: one character for one.
pub(super) fn upper(c: char) -> char {
    let mut up = c.to_uppercase();
    match (up.next(), up.next()) {
        (Some(u), None) => u,
        _ => c,
    }
}

/// `unicode.ToLower`: one character for one.
pub(super) fn lower(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

/// `unicode.ToTitle` of everything but the twelve digraphs that have a title case of their own.
fn title_case(c: char) -> char {
    match c {
        'Ǆ' | 'ǅ' | 'ǆ' => 'ǅ',
        'Ǉ' | 'ǈ' | 'ǉ' => 'ǈ',
        'Ǌ' | 'ǋ' | 'ǌ' => 'ǋ',
        'Ǳ' | 'ǲ' | 'ǳ' => 'ǲ',
        _ => upper(c),
    }
}

/// `strings.Title`: a letter after anything that is neither letter, digit nor underscore.
fn title(s: &str) -> String {
    let separates = |c: char| match c {
        '_' | '0'..='9' | 'a'..='z' | 'A'..='Z' => false,
        _ if c.is_ascii() => true,
        _ if c.is_alphabetic() || c.is_numeric() => false,
        _ => is_space(c),
    };
    let mut previous = ' ';
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        out.push(if separates(previous) { title_case(c) } else { c });
        previous = c;
    }
    out
}

fn untitle(s: &str) -> String {
    let mut next = true;
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        if is_space(c) {
            next = true;
            out.push(c);
        } else {
            out.push(if next { lower(c) } else { c });
            next = false;
        }
    }
    out
}

fn swapcase(s: &str) -> String {
    let mut after_space = true;
    let mut out = String::with_capacity(s.len());
    for c in s.chars() {
        if c.is_uppercase() || title_case(c) == c && lower(c) != c {
            out.push(lower(c));
            after_space = false;
        } else if c.is_lowercase() {
            out.push(if after_space { title_case(c) } else { upper(c) });
            after_space = false;
        } else {
            after_space = is_space(c);
            out.push(c);
        }
    }
    out
}

/// Looks at bytes, as goutils does: a multi-byte character gives its first byte as a Latin-1 character.
fn initials(s: &[u8]) -> String {
    let mut gap = true;
    let mut out = String::new();
    for b in s {
        let c = char::from(*b);
        if is_space(c) {
            gap = true;
        } else if gap {
            out.push(c);
            gap = false;
        }
    }
    out
}

fn abbreviate(s: &[u8], mut offset: usize, width: usize) -> Vec<u8> {
    if s.len() <= width {
        return s.to_vec();
    }
    offset = offset.min(s.len());
    if s.len() - offset < width - 3 {
        offset = s.len() - (width - 3);
    }
    if offset <= 4 {
        return [&s[..width - 3], b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + width - 3 < s.len() {
        let inner = if width - 3 < 4 { Vec::new() } else { abbreviate(&s[offset..], 0, width - 3) };
        return [b"...", &inner[..]].concat();
    }
    [b"...", &s[s.len() - (width - 3)..]].concat()
}

fn abbrev(_: &mut Exec, a: &[Value]) -> FuncResult {
    match usize::try_from(int(&a[0])) {
        Ok(width) if width >= 4 => Ok(abbreviate(bytes(&a[1]), 0, width).into()),
        _ => Ok(a[1].clone()),
    }
}

fn abbrevboth(_: &mut Exec, a: &[Value]) -> FuncResult {
    let (left, right) = (int(&a[0]), int(&a[1]));
    if right < 4 || left > 0 && right < 7 {
        return Ok(a[2].clone());
    }
    // A negative left edge is at most 4, and so means the left end.
    let left = usize::try_from(left).unwrap_or(0);
    Ok(abbreviate(bytes(&a[2]), left, usize::try_from(right).unwrap_or(usize::MAX)).into())
}

fn wrap(s: &[u8], width: i64, new_line: &[u8], break_words: bool) -> Vec<u8> {
    let width = usize::try_from(width).unwrap_or(1).max(1);
    let mut offset = 0;
    let mut out = Vec::with_capacity(s.len());
    while s.len() - offset > width {
        if s[offset] == b' ' {
            offset += 1;
            continue;
        }
        let space = s[offset..=offset + width].iter().rposition(|b| *b == b' ');
        let end = offset + width;
        if let Some(space) = space {
            out.extend(&s[offset..offset + space]);
            out.extend(new_line);
            offset += space + 1;
        } else if break_words {
            out.extend(&s[offset..end]);
            out.extend(new_line);
            offset = end;
        } else if let Some(space) = s[end..].iter().position(|b| *b == b' ') {
            out.extend(&s[offset..end + space]);
            out.extend(new_line);
            offset = end + space + 1;
        } else {
            out.extend(&s[offset..]);
            offset = s.len();
        }
    }
    out.extend(&s[offset..]);
    out
}

fn is_connector(c: char) -> bool {
    c == '-' || c == '_' || is_space(c)
}

fn pascal_case(s: &str) -> String {
    let mut out = String::with_capacity(s.len());
    let mut chars = s.chars();
    let mut current = loop {
        match chars.next() {
            None => return out,
            Some(c) if is_connector(c) => {
                if chars.as_str().is_empty() {
                    // xstrings writes a trailing connector twice: once as a connector, once as the last character.
                    out.push(c);
                    out.push(c);
                    return out;
                }
                out.push(c);
            }
            Some(c) => break c,
        }
    };
    let mut first_is_upper = current.is_uppercase();
    current = upper(current);
    for next in chars {
        let previous = current;
        current = next;
        if is_connector(current) && is_connector(previous) {
            out.push(previous);
            continue;
        }
        if is_connector(previous) {
            first_is_upper = current.is_uppercase();
            current = upper(current);
        } else {
            if first_is_upper {
                if current.is_uppercase() {
                    current = lower(current);
                } else {
                    first_is_upper = false;
                }
            }
            out.push(previous);
        }
    }
    out.push(current);
    out
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Word {
    /// The end.
    None,
    Number,
    Upper,
    Alphabet,
    Connector,
    Punctuation,
    Other,
}

/// xstrings' `isAlphabet`: letters with a case, or any letter of the scripts it lists; uncased letters are "other".
fn is_alphabet(c: char) -> bool {
    c.is_uppercase() || c.is_lowercase() || matches!(c, 'ǅ' | 'ǈ' | 'ǋ' | 'ǲ')
}

/// `unicode.IsPunct`.
fn is_punctuation(c: char) -> bool {
    matches!(c, '!'..='#' | '%'..='*' | ','..='/' | ':' | ';' | '?' | '@' | '['..=']' | '_' | '{' | '}'
        | '\u{a1}' | '\u{a7}' | '\u{ab}' | '\u{b6}' | '\u{b7}' | '\u{bb}' | '\u{bf}'
        | '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{2043}' | '\u{2045}'..='\u{2051}' | '\u{2053}'..='\u{205e}'
        | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}')
}

/// The next word, its kind, and what follows.
fn next_word(s: &str) -> (Word, &str, &str) {
    let Some(first) = s.chars().next() else { return (Word::None, "", "") };
    let after_first = &s[first.len_utf8()..];
    let while_ = |keep: &dyn Fn(char) -> bool| {
        let end = after_first.find(|c| !keep(c)).unwrap_or(after_first.len());
        first.len_utf8() + end
    };
    let (kind, end) = if is_connector(first) {
        (Word::Connector, while_(&is_connector))
    } else if is_punctuation(first) {
        (Word::Punctuation, while_(&is_punctuation))
    } else if first.is_uppercase() {
        let second = after_first.chars().next();
        let end = match second {
            Some(c) if c.is_uppercase() => {
                let end = while_(&char::is_uppercase);
                // "HTTPServer" is HTTP and Server: the last capital belongs to the next word.
                if s[end..].starts_with(is_alphabet) {
                    end - s[..end].chars().next_back().map_or(0, char::len_utf8)
                } else {
                    end
                }
            }
            Some(c) if is_alphabet(c) => while_(&|c| is_alphabet(c) && !c.is_uppercase()),
            _ => first.len_utf8(),
        };
        (Word::Upper, end)
    } else if is_alphabet(first) {
        (Word::Alphabet, while_(&|c| is_alphabet(c) && !c.is_uppercase()))
    } else if first.is_numeric() {
        (Word::Number, while_(&char::is_numeric))
    } else {
        let stops = |c: char| is_connector(c) || is_alphabet(c) || c.is_numeric() || is_punctuation(c);
        (Word::Other, while_(&|c| !stops(c)))
    };
    (kind, &s[..end], &s[end..])
}

fn push_lower(out: &mut String, kind: Word, word: &str, connector: char) {
    if kind != Word::Upper && kind != Word::Connector {
        out.push_str(word);
        return;
    }
    out.extend(word.chars().map(|c| if is_connector(c) { connector } else { lower(c) }));
}

/// xstrings' `camelCaseToLowerCase`.
fn lower_with(s: &str, connector: char) -> String {
    let mut out = String::with_capacity(s.len() + 8);
    let (mut kind, mut word, mut rest) = next_word(s);
    while !rest.is_empty() {
        if kind != Word::Connector {
            push_lower(&mut out, kind, word, connector);
        }
        let (previous, last) = (kind, word);
        (kind, word, rest) = next_word(rest);
        match previous {
            Word::Number => {
                while matches!(kind, Word::Alphabet | Word::Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::None | Word::Punctuation | Word::Connector) {
                    out.push(connector);
                }
            }
            Word::Connector => push_lower(&mut out, previous, last, connector),
            Word::Punctuation => {}
            _ if kind != Word::Number => {
                if !matches!(kind, Word::Connector | Word::Punctuation) {
                    out.push(connector);
                }
            }
            _ if rest.is_empty() => {}
            _ => {
                let number = word;
                (kind, word, rest) = next_word(rest);
                if kind != Word::Alphabet {
                    push_lower(&mut out, Word::Number, number, connector);
                    if !matches!(kind, Word::Connector | Word::Punctuation) {
                        out.push(connector);
                    }
                    continue;
                }
                out.push(connector);
                push_lower(&mut out, Word::Number, number, connector);
                while matches!(kind, Word::Alphabet | Word::Number) {
                    push_lower(&mut out, kind, word, connector);
                    (kind, word, rest) = next_word(rest);
                }
                if !matches!(kind, Word::None | Word::Connector | Word::Punctuation) {
                    out.push(connector);
                }
            }
        }
    }
    push_lower(&mut out, kind, word, connector);
    out
}

pub(super) const TABLE: &[Entry] = &[
    ("title", fixed(&[S], S), |_, a| Ok(title(&text(&a[0])).into())),
    ("untitle", fixed(&[S], S), |_, a| Ok(untitle(&text(&a[0])).into())),
    ("swapcase", fixed(&[S], S), |_, a| Ok(swapcase(&text(&a[0])).into())),
    ("initials", fixed(&[S], S), |_, a| Ok(initials(bytes(&a[0])).into())),
    ("abbrev", fixed(&[I, S], S), abbrev),
    ("abbrevboth", fixed(&[I, I, S], S), abbrevboth),
    ("wrap", fixed(&[I, S], S), |_, a| Ok(wrap(bytes(&a[1]), int(&a[0]), b"\n", false).into())),
    ("wrapWith", fixed(&[I, S, S], S), |_, a| {
        let sep = if bytes(&a[1]).is_empty() { b"\n" } else { bytes(&a[1]) };
        Ok(wrap(bytes(&a[2]), int(&a[0]), sep, true).into())
    }),
    ("snakecase", fixed(&[S], S), |_, a| Ok(lower_with(&text(&a[0]), '_').into())),
    ("kebabcase", fixed(&[S], S), |_, a| Ok(lower_with(&text(&a[0]), '-').into())),
    ("camelcase", fixed(&[S], S), |_, a| Ok(pascal_case(&text(&a[0])).into())),
];
