//! Whether a text matches, for the patterns that charts ask most: sequences of ASCII characters and classes such as
//! `^[0-9]+$` or `[0-9]+\.[0-9]+`. Compiling one costs more than all the matching of a render.

/// The most parts of a pattern.
const MOST: usize = 48;

/// A character, or one of a class; once, or once and more.
struct Part {
    /// The ASCII characters, as bits.
    any_of: u128,
    repeats: bool,
}

/// A pattern that is a sequence.
struct Sequence {
    parts: Vec<Part>,
    from_start: bool,
    to_end: bool,
}

/// Whether a text matches a pattern; `None` if the pattern is none of these.
pub(super) fn is_match(pattern: &str, text: &str) -> Option<bool> {
    Some(read(pattern)?.matches(text))
}

fn read(pattern: &str) -> Option<Sequence> {
    let (from_start, rest) = pattern.strip_prefix('^').map_or((false, pattern), |rest| (true, rest));
    let mut rest = rest.as_bytes();
    let (mut parts, mut to_end) = (Vec::with_capacity(8), false);
    while let [first, after @ ..] = rest {
        let any_of = match (first, after) {
            (b'$', []) => {
                to_end = true;
                break;
            }
            (b'[', _) => {
                let end = memchr::memchr(b']', after)?;
                let class = class(&after[..end])?;
                rest = &after[end + 1..];
                class
            }
            (b'\\', [escaped, after @ ..]) if escaped.is_ascii_punctuation() => {
                rest = after;
                1 << escaped
            }
            (c, _) if c.is_ascii_alphanumeric() || b" _-/:,@=".contains(c) => {
                rest = after;
                1 << c
            }
            _ => return None,
        };
        let repeats = rest.first() == Some(&b'+');
        rest = &rest[usize::from(repeats)..];
        if parts.len() == MOST || matches!(rest, [b'+' | b'*' | b'?' | b'{', ..]) {
            return None;
        }
        parts.push(Part { any_of, repeats });
    }
    (!parts.is_empty()).then_some(Sequence { parts, from_start, to_end })
}

/// Letters, digits, `_` and ranges of them.
fn class(mut chars: &[u8]) -> Option<u128> {
    let word = |c: &u8| c.is_ascii_alphanumeric() || *c == b'_';
    let mut any_of = 0;
    while let [from, after @ ..] = chars {
        let to = match after {
            [b'-', to, after @ ..] => {
                chars = after;
                to
            }
            _ => {
                chars = after;
                from
            }
        };
        if !word(from) || !word(to) || from > to {
            return None;
        }
        any_of = (*from..=*to).fold(any_of, |any_of, c| any_of | 1 << c);
    }
    (any_of != 0).then_some(any_of)
}

impl Part {
    fn takes(&self, c: u8) -> bool {
        c.is_ascii() && self.any_of >> c & 1 != 0
    }
}

impl Sequence {
    /// Follows all ways at once: a bit for each number of parts that may be done.
    fn matches(&self, text: &str) -> bool {
        let done = 1_u64 << self.parts.len();
        let mut ways = 1_u64;
        for c in text.bytes() {
            if !self.to_end && ways & done != 0 {
                return true;
            }
            let mut next = u64::from(!self.from_start);
            for (i, part) in self.parts.iter().enumerate() {
                if part.takes(c) {
                    let again = if part.repeats { ways & 1 << (i + 1) } else { 0 };
                    next |= (ways >> i & 1) << (i + 1) | again;
                }
            }
            ways = next;
        }
        ways & done != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simple_pattern_matches_what_the_compiled_one_does() {
        let patterns = [
            "^[0-9]+$",
            r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+",
            "ab",
            "^a+b",
            "[a-c]+[b-d]x$",
            "^x$",
            "a[_0-9A-F]+",
            r"\$a+\]",
            "a+a+a",
        ];
        let texts = [
            "",
            "0",
            "a",
            "x",
            "ab",
            "aab",
            "aaa",
            "xab1",
            "10.0.0.1",
            "x10.0.0.1y",
            "10..0.1",
            "1.2.3",
            "007\n",
            "cdx",
            "abcdx",
            "é7",
            "a_0Fz",
            "$aa]",
            "7é",
            "aéb",
        ];
        for pattern in patterns {
            let compiled = crate::goregex::shared(pattern).expect("a pattern");
            for text in texts {
                assert_eq!(is_match(pattern, text), Some(compiled.is_match(text)), "{pattern} on {text:?}");
            }
        }
    }

    #[test]
    fn other_patterns_are_left_to_the_compiler() {
        for pattern in [
            "",
            "^",
            "$",
            "^$",
            "a*",
            "a?",
            "a{2}",
            "a++",
            "a+?",
            "(a)",
            "a|b",
            ".",
            r"\d",
            r"\",
            "[^a]",
            "[]",
            "[z-a]",
            "[a-]",
            "[[:alpha:]]",
            "a$b",
            "a^",
            "é",
            "[é]",
            "[a",
            r"[\]]",
            "(?i)a",
        ] {
            assert_eq!(is_match(pattern, "a"), None, "{pattern}");
        }
    }
}
