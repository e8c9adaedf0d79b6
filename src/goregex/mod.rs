//! Regular expressions as Go's `regexp` (RE2) reads them, on the `regex` crate.
//!
//! kustomize's selectors and sprig's functions share it. `syntax` refuses what Go refuses, with Go's words; then what differs is
//! translated: `\d`, `\w`, `\s`, `\b` are ASCII in Go and Unicode in the crate; `\Q...\E` is Go's own; inside a class `[`, `&&`, `--` and
//! `~~` have no meaning in Go. Compiled patterns are kept for the thread.

mod syntax;

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use regex::Regex;

/// The most compiled patterns kept.
const KEPT: usize = 256;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Arc<Regex>>> = RefCell::default();
}

/// A compiled pattern with Go's meaning.
///
/// # Errors
/// `error parsing regexp: ...`, as Go says it.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    shared(pattern).map(|compiled| (*compiled).clone())
}

/// The same, shared: a copy begins without what the original has learned of its automaton.
///
/// # Errors
/// As [`compile`].
pub fn shared(pattern: &str) -> Result<Arc<Regex>, String> {
    COMPILED.with_borrow_mut(|kept| {
        if let Some(found) = kept.get(pattern) {
            return Ok(Arc::clone(found));
        }
        syntax::check(pattern)?;
        let compiled = Regex::new(&translate(pattern)).map_err(|e| {
            let why = match &e {
                regex::Error::Syntax(text) => {
                    text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ")
                }
                _ => "expression is too large",
            };
            format!("error parsing regexp: {why}: `{pattern}`")
        })?;
        if kept.len() >= KEPT {
            kept.clear();
        }
        let compiled = Arc::new(compiled);
        kept.insert(pattern.to_owned(), Arc::clone(&compiled));
        Ok(compiled)
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_ascii_and_brackets_inside_them_literal() {
        assert!(!compile(r"^\w$").unwrap().is_match("é"));
        assert!(compile(r"^[\d-]+$").unwrap().is_match("1-2"));
        assert!(compile(r"^[[]$").unwrap().is_match("["));
        assert!(compile(r"^[&&a]$").unwrap().is_match("&"));
        assert!(compile(r"^\Qa.b\E$").unwrap().is_match("a.b"));
        assert!(compile("(").is_err());
    }

    #[test]
    fn what_go_does_not_take_is_refused_with_its_words() {
        assert_eq!(compile("a(b").unwrap_err(), "error parsing regexp: missing closing ): `a(b`");
        assert_eq!(
            compile("a**").unwrap_err(),
            "error parsing regexp: invalid nested repetition operator: `**`"
        );
        assert!(compile(r"(?=a)").is_err());
    }

    #[test]
    fn braces_and_dashes_without_a_meaning_are_themselves() {
        assert!(compile(r"^${[^}]+}$").is_ok());
        assert!(compile(r"^[\w-\.]+$").unwrap().is_match("a-b.c"));
        assert!(compile(r"^[]a]+$").unwrap().is_match("]a"));
    }
}
