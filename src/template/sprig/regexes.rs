//! Sprig's regular expressions: [`goregex`] compiles them; matches are walked and replacement templates expanded by Go's rules.

use super::args::{B, Entry, FuncResult, I, S, fixed, int, text};
use super::simple_pattern;
use crate::goregex;
use crate::template::error::FuncError;
use crate::template::types::Type;
use crate::template::value::{List, Value};
use regex::{Captures, Regex};
use std::rc::Rc;
use std::sync::Arc;

/// A compiled pattern with Go's meaning.
fn compile(pattern: &str) -> Result<Arc<Regex>, FuncError> {
    goregex::shared(pattern).map_err(FuncError::new)
}

/// `regexp.MustCompile`'s panic text around a compile error.
fn must(pattern: &str) -> Result<Arc<Regex>, FuncError> {
    compile(pattern).map_err(|e| {
        let quoted = if pattern.contains('`') { format!("{pattern:?}") } else { format!("`{pattern}`") };
        format!("regexp: Compile({quoted}): {e}").into()
    })
}

type Compile = fn(&str) -> Result<Arc<Regex>, FuncError>;

fn is_match(a: &[Value]) -> Result<bool, FuncError> {
    let (pattern, text) = (text(&a[0]), text(&a[1]));
    match simple_pattern::is_match(&pattern, &text) {
        Some(matches) => Ok(matches),
        None => Ok(compile(&pattern)?.is_match(&text)),
    }
}

fn find_all(a: &[Value], compile: Compile) -> FuncResult {
    let (re, s, n) = (compile(&text(&a[0]))?, text(&a[1]), int(&a[2]));
    let limit = usize::try_from(n).unwrap_or(usize::MAX);
    let found: Vec<&str> = matches(&re, &s).take(limit).map(|(from, to)| &s[from..to]).collect();
    Ok(match found.is_empty() {
        true => Value::List(Rc::new(List::nil(Type::STRINGS))),
        false => Value::strings(found),
    })
}

/// All matches as Go sees them: an empty match directly after a match is skipped.
fn matches<'a>(re: &'a Regex, s: &'a str) -> impl Iterator<Item = (usize, usize)> + 'a {
    let mut end_of_last = None;
    re.find_iter(s).map(|m| (m.start(), m.end())).filter(move |(from, to)| {
        let skip = from == to && end_of_last == Some(*from);
        end_of_last = Some(*to);
        !skip
    })
}

fn find(a: &[Value], compile: Compile) -> FuncResult {
    Ok(compile(&text(&a[0]))?.find(&text(&a[1])).map_or("", |m| m.as_str()).into())
}

/// Whether a pattern stands for itself: printable ASCII, blanks and line breaks without any operator.
fn is_plain(pattern: &str) -> bool {
    let plain = |b: u8| (b' '..=b'~').contains(&b) && !br"\.+*?()|[]{}^$#&-~".contains(&b) || b == b'\n';
    !pattern.is_empty() && pattern.bytes().all(plain)
}

fn replace(a: &[Value], compile: Compile, literal: bool) -> FuncResult {
    let (pattern, template) = (text(&a[0]), text(&a[2]));
    if is_plain(&pattern) && (literal || !template.contains('$')) {
        return Ok(text(&a[1]).replace(&*pattern, &template).into());
    }
    let (re, s, template) = (compile(&text(&a[0]))?, text(&a[1]), text(&a[2]));
    let mut out = String::with_capacity(s.len());
    let mut end_of_last = 0;
    for (i, found) in re.captures_iter(&s).enumerate() {
        let whole = found.get_match();
        if whole.is_empty() && i > 0 && whole.start() == end_of_last && whole.start() != 0 {
            continue;
        }
        out.push_str(&s[end_of_last..whole.start()]);
        if literal {
            out.push_str(&template);
        } else {
            expand(&template, &found, &mut out);
        }
        end_of_last = whole.end();
    }
    out.push_str(&s[end_of_last..]);
    Ok(out.into())
}

/// `Regexp.Expand`: `$1`, `$name` (as long as possible), `${name}`, `$$`; what is malformed stays.
fn expand(template: &str, found: &Captures<'_>, out: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (name, after) = match rest.strip_prefix('{') {
            Some(inner) => match inner.split_once('}') {
                Some((name, after)) => (name, after),
                None => ("", rest),
            },
            None => {
                let end = rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len());
                rest.split_at(end)
            }
        };
        if name.is_empty() || name.contains(|c: char| c != '_' && !c.is_alphanumeric()) {
            out.push('$');
            continue;
        }
        rest = after;
        let group = if name.bytes().all(|b| b.is_ascii_digit()) {
            name.parse().ok().and_then(|n: usize| found.get(n))
        } else {
            found.name(name)
        };
        out.push_str(group.map_or("", |m| m.as_str()));
    }
    out.push_str(rest);
}

/// `Regexp.Split`: empty matches at the ends do not split; `n` limits the pieces, 0 gives none.
fn split(a: &[Value], compile: Compile) -> FuncResult {
    let pattern = text(&a[0]);
    let (re, s, n) = (compile(&pattern)?, text(&a[1]), int(&a[2]));
    if n == 0 {
        return Ok(Value::List(Rc::new(List::nil(Type::STRINGS))));
    }
    if !pattern.is_empty() && s.is_empty() {
        return Ok(Value::strings([""]));
    }
    let limit = usize::try_from(n).unwrap_or(usize::MAX);
    let (mut from, mut to) = (0, 0);
    let mut out: Vec<&str> = Vec::new();
    for (start, end) in matches(&re, &s).take(limit) {
        if out.len() + 1 == limit {
            break;
        }
        to = start;
        if end != 0 {
            out.push(&s[from..to]);
        }
        from = end;
    }
    if to != s.len() {
        out.push(&s[from..]);
    }
    Ok(Value::strings(out))
}

/// `regexp.QuoteMeta`.
fn quote_meta(s: &str) -> String {
    let mut out = String::with_capacity(s.len() + 8);
    for c in s.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

const STRINGS: Type = Type::STRINGS;

pub(super) const TABLE: &[Entry] = &[
    ("regexMatch", fixed(&[S, S], B), |_, a| Ok(is_match(a).unwrap_or(false).into())),
    ("mustRegexMatch", fixed(&[S, S], B), |_, a| Ok(is_match(a)?.into())),
    ("regexFindAll", fixed(&[S, S, I], STRINGS), |_, a| find_all(a, must)),
    ("mustRegexFindAll", fixed(&[S, S, I], STRINGS), |_, a| find_all(a, compile)),
    ("regexFind", fixed(&[S, S], S), |_, a| find(a, must)),
    ("mustRegexFind", fixed(&[S, S], S), |_, a| find(a, compile)),
    ("regexReplaceAll", fixed(&[S, S, S], S), |_, a| replace(a, must, false)),
    ("mustRegexReplaceAll", fixed(&[S, S, S], S), |_, a| replace(a, compile, false)),
    ("regexReplaceAllLiteral", fixed(&[S, S, S], S), |_, a| replace(a, must, true)),
    ("mustRegexReplaceAllLiteral", fixed(&[S, S, S], S), |_, a| replace(a, compile, true)),
    ("regexSplit", fixed(&[S, S, I], STRINGS), |_, a| split(a, must)),
    ("mustRegexSplit", fixed(&[S, S, I], STRINGS), |_, a| split(a, compile)),
    ("regexQuoteMeta", fixed(&[S], S), |_, a| Ok(quote_meta(&text(&a[0])).into())),
];
