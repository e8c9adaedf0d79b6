//! Shell patterns as Go's `filepath.Match` reads them: `.helmignore` rules and `--show-only`.
//!
//! `*` and `?` stop at `/`, `[a-z]` and `[^a-z]` are classes, `\` escapes. A malformed pattern is an error even where
//! the match would already have failed.

/// A pattern that Go calls "syntax error in pattern".
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("syntax error in pattern")]
pub(super) struct BadPattern;

#[derive(Debug, Clone)]
enum Token {
    Star,
    Any,
    Literal(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

/// A compiled pattern.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    /// What every match begins with.
    prefix: String,
    /// What every match ends with.
    suffix: String,
    /// The pattern, the prefix included.
    tokens: Vec<Token>,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// If it is malformed: an unclosed or empty class, a trailing `\`.
    pub(super) fn new(pattern: &str) -> Result<Self, BadPattern> {
        let mut out = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            out.push(match c {
                '*' => Token::Star,
                '?' => Token::Any,
                '\\' => Token::Literal(chars.next().ok_or(BadPattern)?),
                '[' => {
                    let negated = chars.next_if_eq(&'^').is_some();
                    let mut ranges = Vec::new();
                    loop {
                        if !ranges.is_empty() && chars.next_if_eq(&']').is_some() {
                            break;
                        }
                        let low = class_char(&mut chars)?;
                        let high =
                            if chars.next_if_eq(&'-').is_some() { class_char(&mut chars)? } else { low };
                        ranges.push((low, high));
                        chars.peek().ok_or(BadPattern)?;
                    }
                    Token::Class { negated, ranges }
                }
                c => Token::Literal(c),
            });
        }
        let literal = |token: &Token| if let Token::Literal(c) = token { Some(*c) } else { None };
        let mut end: Vec<char> = out.iter().rev().map_while(literal).collect();
        end.reverse();
        let prefix = out.iter().map_while(literal).collect();
        Ok(Self { prefix, suffix: end.into_iter().collect(), tokens: out })
    }

    /// Whether the pattern matches the whole name.
    #[must_use]
    pub(super) fn matches(&self, name: &str) -> bool {
        if !name.starts_with(&self.prefix) || !name.ends_with(&self.suffix) {
            return false;
        }
        // The usual two-pointer match: on a mismatch the last star takes one character more. A star never takes `/`,
        // so an earlier star cannot help where the last one is stuck before a `/` of the same segment.
        let name: Vec<char> = name.chars().collect();
        let (mut at, mut token) = (0, 0);
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let ok = match self.tokens.get(token) {
                None => at == name.len(),
                Some(Token::Star) => {
                    retry = Some((at, token));
                    token += 1;
                    continue;
                }
                Some(t) => name.get(at).is_some_and(|c| t.matches(*c)),
            };
            if ok {
                if token == self.tokens.len() {
                    return true;
                }
                at += 1;
                token += 1;
                continue;
            }
            match retry {
                Some((from, star)) if from < name.len() && name[from] != '/' => {
                    retry = Some((from + 1, star));
                    at = from + 1;
                    token = star + 1;
                }
                _ => return false,
            }
        }
    }
}

fn class_char(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, BadPattern> {
    match chars.next().ok_or(BadPattern)? {
        '-' | ']' => Err(BadPattern),
        '\\' => chars.next().ok_or(BadPattern),
        c => Ok(c),
    }
}

impl Token {
    fn matches(&self, c: char) -> bool {
        match self {
            Self::Star => false,
            Self::Any => c != '/',
            Self::Literal(l) => *l == c,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_go() {
        for (pattern, name, expected) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*", "a/c", false),
            ("*c", "abc", true),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[^e-g]", "abf", false),
            ("a\\*b", "a*b", true),
            ("a?b", "a/b", false),
            ("[\\-x]", "-", true),
            ("a[^a]b", "a☺b", true),
            ("", "", true),
            ("*x", "xxx", true),
            ("templates/.?*", "templates/.x", true),
        ] {
            assert_eq!(Pattern::new(pattern).unwrap().matches(name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn malformed_patterns_are_refused() {
        for bad in ["[]a]", "[-]", "[x-]", "[-x]", "\\", "[a-b-c]", "[", "[^", "[a", "a["] {
            assert!(Pattern::new(bad).is_err(), "{bad}");
        }
    }
}
