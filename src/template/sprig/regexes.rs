//! Go's `regexp` (RE2 syntax) through the `regex` crate, with what differs translated.
//!
//! `\d`, `\w`, `\s`, `\b` are ASCII in Go and Unicode in the crate; `\Q...\E`, `\C` and `\z` are Go's own. Replacement
//! templates are expanded by Go's rules. Compiled patterns are kept for the thread.

use std::cell::RefCell;
use std::collections::HashMap;

use super::args::{B, Entry, FuncResult, I, S, fixed, int, text};
use crate::template::error::FuncError;
use crate::template::types::Type;
use crate::template::value::{List, Value};
use regex::{Captures, Regex};
use std::rc::Rc;

/// The most compiled patterns kept.
const KEPT: usize = 256;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
}

/// Go's syntax in the crate's.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut rest = pattern;
    let mut class = 0_usize;
    while let Some(c) = rest.chars().next() {
        if c == '\\' {
            let Some(e) = rest[1..].chars().next() else {
                out.push('\\');
                break;
            };
            rest = &rest[1 + e.len_utf8()..];
            match e {
                'Q' if class == 0 => {
                    let (literal, after) = rest.split_once("\\E").unwrap_or((rest, ""));
                    out.push_str(&regex::escape(literal));
                    rest = after;
                }
                'd' if class > 0 => out.push_str("0-9"),
                'w' if class > 0 => out.push_str("0-9A-Za-z_"),
                's' if class > 0 => out.push_str("\\t\\n\\x0C\\r "),
                'd' => out.push_str("[0-9]"),
                'D' => out.push_str("[^0-9]"),
                'w' => out.push_str("[0-9A-Za-z_]"),
                'W' => out.push_str("[^0-9A-Za-z_]"),
                's' => out.push_str("[\\t\\n\\x0C\\r ]"),
                'S' => out.push_str("[^\\t\\n\\x0C\\r ]"),
                'b' if class == 0 => out.push_str("(?-u:\\b)"),
                'B' if class == 0 => out.push_str("(?-u:\\B)"),
                'p' | 'P' | 'x' if rest.starts_with('{') => {
                    let end = rest.find('}').map_or(rest.len(), |n| n + 1);
                    out.extend(['\\', e]);
                    out.push_str(&rest[..end]);
                    rest = &rest[end..];
                }
                other => out.extend(['\\', other]),
            }
            // After a class such as \w a dash is itself, not the start of a range: `[\w-\.]`.
            if class > 0
                && matches!(e, 'd' | 'w' | 's' | 'D' | 'W' | 'S')
                && let Some(after) = rest.strip_prefix('-')
            {
                out.push_str("\\-");
                rest = after;
            }
            continue;
        }
        rest = &rest[c.len_utf8()..];
        match c {
            '[' if class == 0 => {
                class = 1;
                out.push('[');
                if let Some(after) = rest.strip_prefix('^') {
                    out.push('^');
                    rest = after;
                }
                if let Some(after) = rest.strip_prefix(']') {
                    out.push_str("\\]");
                    rest = after;
                }
            }
            // Only [:alpha:] and its like are nested in Go; everything else is a literal.
            '[' => match rest.strip_prefix(':').and_then(|r| r.find(":]")) {
                Some(end) => {
                    out.push('[');
                    out.push_str(&rest[..end + 3]);
                    rest = &rest[end + 3..];
                }
                None => out.push_str("\\["),
            },
            ']' if class > 0 => {
                class = 0;
                out.push(']');
            }
            // A brace that starts no repetition is itself: `${[^}]+}`.
            '{' if class == 0 && !is_repetition(rest) => out.push_str("\\{"),
            // Set operations of the crate that Go does not have.
            '&' | '~' if class > 0 => out.extend(['\\', c]),
            '-' if class > 0 && rest.starts_with('-') => out.push_str("\\-"),
            other => out.push(other),
        }
    }
    out
}

/// What follows `{` in `{2}`, `{2,}`, `{2,5}`.
fn is_repetition(rest: &str) -> bool {
    let digits = |s: &str| s.bytes().take_while(u8::is_ascii_digit).count();
    let first = digits(rest);
    let mut rest = &rest[first..];
    if let Some(after) = rest.strip_prefix(',') {
        rest = &after[digits(after)..];
    }
    first > 0 && rest.starts_with('}')
}

/// A compiled pattern with Go's meaning.
pub(crate) fn compile(pattern: &str) -> Result<Regex, FuncError> {
    COMPILED.with_borrow_mut(|kept| {
        if let Some(found) = kept.get(pattern) {
            return Ok(found.clone());
        }
        super::regex_syntax::check(pattern)?;
        let compiled = Regex::new(&translate(pattern)).map_err(|e| {
            let all = e.to_string();
            let why = all.lines().last().unwrap_or("").trim().trim_start_matches("error: ");
            FuncError::new(format!("error parsing regexp: {why}: `{pattern}`"))
        })?;
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(pattern.to_owned(), compiled.clone());
        Ok(compiled)
    })
}

/// `regexp.MustCompile`'s panic text around a compile error.
fn must(pattern: &str) -> Result<Regex, FuncError> {
    compile(pattern).map_err(|e| {
        let quoted = if pattern.contains('`') { format!("{pattern:?}") } else { format!("`{pattern}`") };
        format!("regexp: Compile({quoted}): {e}").into()
    })
}

type Compile = fn(&str) -> Result<Regex, FuncError>;

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

fn replace(a: &[Value], compile: Compile, literal: bool) -> FuncResult {
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
    ("regexMatch", fixed(&[S, S], B), |_, a| {
        Ok(compile(&text(&a[0])).is_ok_and(|re| re.is_match(&text(&a[1]))).into())
    }),
    ("mustRegexMatch", fixed(&[S, S], B), |_, a| Ok(compile(&text(&a[0]))?.is_match(&text(&a[1])).into())),
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
