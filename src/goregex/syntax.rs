//! What Go's `regexp/syntax` refuses, with its words: a check of a pattern before the `regex` crate compiles it.
//!
//! Not checked here: the names of Unicode classes and the size limits (the crate has its own).

/// A refusal: what is wrong, and the part of the pattern that Go shows.
type Refusal<'p> = (&'static str, &'p str);

const BAD_RANGE: &str = "invalid character class range";
const BAD_ESCAPE: &str = "invalid escape sequence";

/// Go's error for a pattern it does not take: `WORDS: `PART``.
pub(super) fn check(pattern: &str) -> Result<(), String> {
    walk(pattern).map_err(|(words, part)| format!("error parsing regexp: {words}: `{part}`"))
}

fn before<'p>(whole: &'p str, rest: &str) -> &'p str {
    &whole[..whole.len() - rest.len()]
}

fn walk(pattern: &str) -> Result<(), Refusal<'_>> {
    // For each open group: whether there is something a repetition can apply to.
    let mut operands = vec![false];
    let mut rest = pattern;
    let mut last_repeat: Option<&str> = None;
    while let Some(c) = rest.chars().next() {
        let mut repeat = None;
        let after = &rest[c.len_utf8()..];
        let mut operand = true;
        match c {
            '(' if after.starts_with('?') => {
                let (next, opens) = flags(rest)?;
                rest = next;
                if opens {
                    operands.push(false);
                }
                last_repeat = None;
                continue;
            }
            '(' => {
                operands.push(false);
                (rest, operand) = (after, false);
            }
            '|' => (rest, operand) = (after, false),
            ')' => {
                operands.pop();
                if operands.is_empty() {
                    return Err(("unexpected )", pattern));
                }
                rest = after;
            }
            '[' => rest = class(rest)?,
            '*' | '+' | '?' => {
                repeat = Some(rest);
                rest = repetition(rest, after, last_repeat, &operands)?;
            }
            '{' => match counts(rest) {
                None => rest = after,
                Some((low, high, after)) => {
                    let fits = |n: u64| n <= 1000;
                    if !fits(low) || high.is_some_and(|h| !fits(h) || h < low) {
                        return Err(("invalid repeat count", before(rest, after)));
                    }
                    repeat = Some(rest);
                    rest = repetition(rest, after, last_repeat, &operands)?;
                }
            },
            '\\' => {
                let next = after.chars().next();
                match next {
                    Some('A' | 'b' | 'B' | 'z' | 'd' | 'D' | 's' | 'S' | 'w' | 'W') => rest = &after[1..],
                    Some('C') => return Err((BAD_ESCAPE, &rest[..2])),
                    Some('Q') => {
                        let (literal, after) = after[1..].split_once("\\E").unwrap_or((&after[1..], ""));
                        rest = after;
                        operand = !literal.is_empty() || operands.last() == Some(&true);
                    }
                    Some('p' | 'P') => rest = unicode_class(rest)?,
                    _ => rest = escape(rest)?.1,
                }
            }
            _ => rest = after,
        }
        if let Some(last) = operands.last_mut() {
            *last = operand;
        }
        last_repeat = repeat;
    }
    if operands.len() > 1 { Err(("missing closing )", pattern)) } else { Ok(()) }
}

/// What follows a repetition, with its `?`.
fn repetition<'p>(
    op: &'p str,
    after: &'p str,
    last: Option<&'p str>,
    operands: &[bool],
) -> Result<&'p str, Refusal<'p>> {
    let after = after.strip_prefix('?').unwrap_or(after);
    if let Some(last) = last {
        return Err(("invalid nested repetition operator", before(last, after)));
    }
    if operands.last() != Some(&true) {
        return Err(("missing argument to repetition operator", before(op, after)));
    }
    Ok(after)
}

/// `{n}`, `{n,}`, `{n,m}`; anything else is literal.
fn counts(text: &str) -> Option<(u64, Option<u64>, &str)> {
    let number = |text: &str| -> Option<(u64, usize)> {
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        if digits == 0 || (digits > 1 && text.starts_with('0')) {
            return None;
        }
        Some((text[..digits].parse().unwrap_or(u64::MAX), digits))
    };
    let body = text.strip_prefix('{')?;
    let (low, width) = number(body)?;
    let body = &body[width..];
    if let Some(rest) = body.strip_prefix('}') {
        return Some((low, Some(low), rest));
    }
    let body = body.strip_prefix(',')?;
    if let Some(rest) = body.strip_prefix('}') {
        return Some((low, None, rest));
    }
    let (high, width) = number(body)?;
    Some((low, Some(high), body[width..].strip_prefix('}')?))
}

/// `(?flags)`, `(?flags:`, `(?P<name>`, `(?<name>`: what follows, and whether a group is opened.
fn flags(text: &str) -> Result<(&str, bool), Refusal<'_>> {
    let name_at = if text.len() > 4 && text[2..].starts_with("P<") {
        Some(4)
    } else if text.len() > 3 && text[2..].starts_with('<') {
        Some(3)
    } else {
        None
    };
    if let Some(at) = name_at {
        const BAD_NAME: &str = "invalid named capture";
        let Some(end) = text.find('>') else { return Err((BAD_NAME, text)) };
        let name = &text[at..end];
        if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
            return Err((BAD_NAME, &text[..=end]));
        }
        return Ok((&text[end + 1..], true));
    }
    let mut rest = &text[2..];
    let (mut negative, mut seen) = (false, false);
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        match c {
            'i' | 'm' | 's' | 'U' => seen = true,
            '-' if !negative => (negative, seen) = (true, false),
            ':' | ')' if !negative || seen => return Ok((rest, c == ':')),
            _ => break,
        }
    }
    Err(("invalid or unsupported Perl syntax", before(text, rest)))
}

/// An escape outside or inside a class: its character (0 if it has no single one) and what follows.
fn escape(text: &str) -> Result<(u32, &str), Refusal<'_>> {
    let after = &text[1..];
    let Some(c) = after.chars().next() else { return Err(("trailing backslash at end of expression", "")) };
    let mut rest = &after[c.len_utf8()..];
    let octal = |rest: &str| rest.starts_with(|c: char| ('0'..='7').contains(&c));
    match c {
        'a' | 'f' | 'n' | 'r' | 't' | 'v' => Ok((u32::from(c) & 0xF, rest)),
        '0'..='7' if c == '0' || octal(rest) => {
            let mut n = c.to_digit(8).unwrap_or(0);
            for _ in 0..2 {
                if octal(rest) {
                    n = n * 8 + rest[..1].parse::<u32>().unwrap_or(0);
                    rest = &rest[1..];
                }
            }
            Ok((n, rest))
        }
        'x' => {
            if let Some(body) = rest.strip_prefix('{') {
                let digits = body.bytes().take_while(u8::is_ascii_hexdigit).count();
                let n = u32::from_str_radix(&body[..digits], 16).ok().filter(|&n| n <= 0x0010_FFFF);
                if let (Some(n), Some(rest)) = (n, body[digits..].strip_prefix('}')) {
                    return Ok((n, rest));
                }
                let shown = body[digits..].chars().next().map_or(0, char::len_utf8);
                return Err((BAD_ESCAPE, before(text, &body[digits + shown..])));
            }
            let two: String = rest.chars().take(2).collect();
            match u32::from_str_radix(&two, 16) {
                Ok(n) if two.len() == 2 => Ok((n, &rest[2..])),
                _ => Err((BAD_ESCAPE, before(text, &rest[two.len()..]))),
            }
        }
        c if c.is_ascii() && !c.is_ascii_alphanumeric() => Ok((c.into(), rest)),
        _ => Err((BAD_ESCAPE, before(text, rest))),
    }
}

fn unicode_class(text: &str) -> Result<&str, Refusal<'_>> {
    let body = &text[2..];
    match body.chars().next() {
        None => Err((BAD_RANGE, text)),
        Some('{') => match text.find('}') {
            Some(end) => Ok(&text[end + 1..]),
            None => Err((BAD_RANGE, text)),
        },
        Some(c) => Ok(&body[c.len_utf8()..]),
    }
}

/// A class from its `[`: what follows its `]`.
fn class(text: &str) -> Result<&str, Refusal<'_>> {
    let mut rest = &text[1..];
    rest = rest.strip_prefix('^').unwrap_or(rest);
    let mut first = true;
    while first || !rest.starts_with(']') {
        first = false;
        if let Some(body) = rest.strip_prefix("[:") {
            if let Some(end) = body.find(":]") {
                let name = body[..end].strip_prefix('^').unwrap_or(&body[..end]);
                const NAMES: &str =
                    " alnum alpha ascii blank cntrl digit graph lower print punct space upper word xdigit ";
                if name.is_empty() || name.contains(' ') || !NAMES.contains(&format!(" {name} ")) {
                    return Err((BAD_RANGE, &rest[..end + 4]));
                }
                rest = &body[end + 2..];
                continue;
            }
        }
        if rest.starts_with("\\p") || rest.starts_with("\\P") {
            rest = unicode_class(rest)?;
            continue;
        }
        if rest.starts_with('\\') && rest[1..].starts_with(['d', 'D', 's', 'S', 'w', 'W']) {
            rest = &rest[2..];
            continue;
        }
        let range = rest;
        let (low, after) = class_char(rest, text)?;
        rest = after;
        if rest.len() >= 2 && rest.starts_with('-') && !rest[1..].starts_with(']') {
            let (high, after) = class_char(&rest[1..], text)?;
            rest = after;
            if high < low {
                return Err((BAD_RANGE, before(range, rest)));
            }
        }
    }
    Ok(&rest[1..])
}

fn class_char<'p>(text: &'p str, whole: &'p str) -> Result<(u32, &'p str), Refusal<'p>> {
    match text.chars().next() {
        None => Err(("missing closing ]", whole)),
        Some('\\') => escape(text),
        Some(c) => Ok((c.into(), &text[c.len_utf8()..])),
    }
}
