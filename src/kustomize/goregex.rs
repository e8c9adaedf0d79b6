//! Regular expressions as Go's `regexp` (RE2) reads them, on the `regex` crate.
//!
//! Differences that are translated: `\d`, `\w`, `\s` and `\b` are ASCII in Go; inside a class `[`, `&&`, `--` and `~~`
//! have no meaning in Go; `\z` and `\Q..\E` exist in both or are spelled out here.

use regex::Regex;

/// Compiles a pattern with Go's meaning.
///
/// # Errors
/// The text of what is wrong with the pattern.
pub fn compile(pattern: &str) -> Result<Regex, String> {
    let translated = translate(pattern);
    Regex::new(&translated).map_err(|e| {
        let reason = match &e {
            regex::Error::Syntax(text) => {
                text.lines().last().unwrap_or_default().trim_start_matches("error: ")
            }
            _ => "compiled form is too large",
        };
        format!("error parsing regexp: {reason}: `{pattern}`")
    })
}

fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut chars = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = chars.next() {
        match (c, in_class) {
            ('\\', _) => match chars.next() {
                Some('Q') if !in_class => {
                    let mut literal = String::new();
                    while let Some(c) = chars.next() {
                        if c == '\\' && chars.peek() == Some(&'E') {
                            chars.next();
                            break;
                        }
                        literal.push(c);
                    }
                    out.push_str(&regex::escape(&literal));
                }
                Some(c) => escape(c, in_class, &mut out),
                None => out.push('\\'),
            },
            ('[', false) => {
                in_class = true;
                out.push('[');
                if chars.peek() == Some(&'^') {
                    out.extend(chars.next());
                }
                // A bracket that comes first is a member.
                if chars.peek() == Some(&']') {
                    chars.next();
                    out.push_str("\\]");
                }
            }
            ('[', true) => {
                let is_named = chars.peek() == Some(&':');
                out.push_str(if is_named { "[" } else { "\\[" });
                if is_named {
                    for c in chars.by_ref() {
                        out.push(c);
                        if c == ']' {
                            break;
                        }
                    }
                }
            }
            (']', true) => {
                in_class = false;
                out.push(']');
            }
            ('&' | '~', true) => {
                out.push('\\');
                out.push(c);
            }
            ('-', true) if chars.peek() == Some(&'-') => out.push_str("\\-"),
            _ => out.push(c),
        }
    }
    out
}

fn escape(c: char, in_class: bool, out: &mut String) {
    let (members, negated) = match c {
        'd' | 'D' => ("0-9", c == 'D'),
        'w' | 'W' => ("0-9A-Za-z_", c == 'W'),
        's' | 'S' => ("\\t\\n\\f\\r ", c == 'S'),
        'b' | 'B' if !in_class => {
            out.push_str("(?-u:\\");
            out.push(c);
            out.push(')');
            return;
        }
        _ => {
            out.push('\\');
            out.push(c);
            return;
        }
    };
    match (in_class, negated) {
        (true, false) => out.push_str(members),
        (_, true) => out.push_str(&format!("[^{members}]")),
        (false, false) => out.push_str(&format!("[{members}]")),
    }
}

/// A pattern that must match from end to end; plain text is compared without a machine.
#[derive(Debug, Clone)]
pub enum Anchored {
    /// Matches everything.
    Any,
    /// Matches one text.
    Text(String),
    /// Anything else.
    Pattern(Box<Regex>),
}

impl Anchored {
    /// From a selector's field; empty matches everything.
    ///
    /// # Errors
    /// As [`compile`].
    pub fn new(pattern: &str) -> Result<Self, String> {
        if pattern.is_empty() {
            Ok(Self::Any)
        } else if is_plain(pattern) {
            Ok(Self::Text(pattern.to_owned()))
        } else {
            Ok(Self::Pattern(Box::new(compile(&format!("^(?:{pattern})$"))?)))
        }
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Text(own) => own == text,
            Self::Pattern(regex) => regex.is_match(text),
        }
    }
}

/// Whether a pattern has no character with a meaning.
#[must_use]
pub fn is_plain(pattern: &str) -> bool {
    !pattern.contains(['\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'])
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
    fn a_selector_pattern_is_anchored_around_all_its_alternatives() {
        let p = Anchored::new("a|b").unwrap();
        assert!(p.matches("a") && p.matches("b") && !p.matches("ab"));
        assert!(Anchored::new("").unwrap().matches("anything"));
    }
}
