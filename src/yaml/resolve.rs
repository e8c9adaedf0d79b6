//! What a plain scalar means: go-yaml's resolution, in its v2 (YAML 1.1) and v3 dialects.

use super::{Tag, num, time};

/// Which go-yaml is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// `y`, `yes`, `on` are booleans; dates stay strings in untyped values.
    V2,
    /// Booleans are `true` and `false` only; `0o17`; dates are timestamps.
    V3,
}

/// A typed scalar.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Resolved {
    Null,
    Bool(bool),
    Int(i64),
    /// Only values above `i64::MAX`.
    Uint(u64),
    Float(f64),
    Timestamp(time::Timestamp),
    Str,
}

impl Resolved {
    pub(crate) fn tag(&self) -> Tag {
        match self {
            Self::Null => Tag::Null,
            Self::Bool(_) => Tag::Bool,
            Self::Int(_) | Self::Uint(_) => Tag::Int,
            Self::Float(_) => Tag::Float,
            Self::Timestamp(_) => Tag::Timestamp,
            Self::Str => Tag::Str,
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Timestamp(_) => "!!timestamp",
            Self::Str => "!!str",
        }
    }
}

/// Resolves an untagged plain scalar.
pub(crate) fn resolve(text: &str, dialect: Dialect) -> Resolved {
    resolve_as(text, dialect, true)
}

fn resolve_as(text: &str, dialect: Dialect, timestamps: bool) -> Resolved {
    let Some(&first) = text.as_bytes().first() else { return Resolved::Null };
    match first {
        b'y' | b'Y' | b'n' | b'N' | b't' | b'T' | b'f' | b'F' | b'o' | b'O' | b'~' => word(text, dialect),
        b'.' => match text {
            ".nan" | ".NaN" | ".NAN" => Resolved::Float(f64::NAN),
            ".inf" | ".Inf" | ".INF" => Resolved::Float(f64::INFINITY),
            _ => num::parse_float(text).map_or(Resolved::Str, Resolved::Float),
        },
        b'+' | b'-' | b'0'..=b'9' => number(text, dialect, timestamps),
        _ => Resolved::Str,
    }
}

/// Whether a text that begins with a letter may be a boolean or null: at most five letters are.
#[inline]
pub(crate) fn may_be_word(text: &[u8]) -> bool {
    let second = text.get(1).map_or(0, u8::to_ascii_lowercase);
    match text[0].to_ascii_lowercase() {
        b'y' | b'o' => text.len() <= 3,
        b'n' => text.len() <= 2 || text.len() == 4 && second == b'u',
        b't' => text.len() == 4 && second == b'r',
        b'f' => text.len() == 5 && second == b'a',
        _ => false,
    }
}

fn word(text: &str, dialect: Dialect) -> Resolved {
    if text.len() > 5 {
        return Resolved::Str;
    }
    match text {
        "true" | "True" | "TRUE" => return Resolved::Bool(true),
        "false" | "False" | "FALSE" => return Resolved::Bool(false),
        "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        _ => {}
    }
    if dialect == Dialect::V2 {
        match text {
            "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return Resolved::Bool(true),
            "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return Resolved::Bool(false),
            _ => {}
        }
    }
    Resolved::Str
}

fn number(text: &str, dialect: Dialect, timestamps: bool) -> Resolved {
    match text {
        "+.inf" | "+.Inf" | "+.INF" => return Resolved::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Resolved::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if timestamps && let Some(t) = time::parse(text) {
        return Resolved::Timestamp(t);
    }
    let stripped;
    let mut plain = text;
    if text.contains('_') {
        stripped = text.replace('_', "");
        plain = &stripped;
    }
    if let Some(n) = num::parse_int(plain, 0) {
        return Resolved::Int(n);
    }
    if let Some(n) = num::parse_uint(plain, 0) {
        return Resolved::Uint(n);
    }
    if looks_like_float(plain.as_bytes())
        && let Some(x) = num::parse_float(plain)
    {
        return Resolved::Float(x);
    }
    // What is left has a prefix and a second sign (`0b-1`), which Go takes.
    let bases: &[(&str, &str, u32)] = match dialect {
        Dialect::V2 => &[("0b", "-0b", 2)],
        Dialect::V3 => &[("0b", "-0b", 2), ("0o", "-0o", 8)],
    };
    for (prefix, negative, base) in bases {
        if let Some(rest) = plain.strip_prefix(prefix) {
            if let Some(n) = num::parse_int(rest, *base) {
                return Resolved::Int(n);
            }
        } else if let Some(rest) = plain.strip_prefix(negative)
            && !rest.starts_with(['+', '-'])
            && let Some(n) = num::parse_int(&format!("-{rest}"), *base)
        {
            return Resolved::Int(n);
        }
    }
    Resolved::Str
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn looks_like_float(s: &[u8]) -> bool {
    let digits = |at: usize| s[at..].iter().take_while(|c| c.is_ascii_digit()).count();
    let mut i = usize::from(matches!(s.first(), Some(b'+' | b'-')));
    let whole = digits(i);
    i += whole;
    if s.get(i) == Some(&b'.') {
        let fraction = digits(i + 1);
        if whole == 0 && fraction == 0 {
            return false;
        }
        i += 1 + fraction;
    } else if whole == 0 {
        return false;
    }
    if matches!(s.get(i), Some(b'e' | b'E')) {
        i += 1 + usize::from(matches!(s.get(i + 1), Some(b'+' | b'-')));
        let exponent = if i <= s.len() { digits(i) } else { 0 };
        if exponent == 0 {
            return false;
        }
        i += exponent;
    }
    i == s.len()
}

/// Resolves a scalar that carries a tag (explicit, or given by the reader).
///
/// # Errors
/// go-yaml's text if the scalar cannot be what the tag says.
pub(crate) fn resolve_tagged(tag: &Tag, text: &str, dialect: Dialect) -> Result<Resolved, String> {
    let resolved = match tag {
        Tag::Str | Tag::Binary | Tag::Other(_) => return Ok(Resolved::Str),
        Tag::Timestamp => resolve_as(text, dialect, true),
        Tag::Null | Tag::Bool | Tag::Int | Tag::Float => resolve_as(text, dialect, false),
    };
    match (tag, resolved) {
        (Tag::Null, Resolved::Null)
        | (Tag::Bool, Resolved::Bool(_))
        | (Tag::Int, Resolved::Int(_) | Resolved::Uint(_))
        | (Tag::Float, Resolved::Float(_))
        | (Tag::Timestamp, Resolved::Timestamp(_)) => Ok(resolved),
        (Tag::Float, Resolved::Int(n)) => Ok(Resolved::Float(n as f64)),
        _ => Err(format!("cannot decode {} `{text}` as a {}", resolved.name(), tag_name(tag))),
    }
}

pub(crate) fn tag_name(tag: &Tag) -> &str {
    match tag {
        Tag::Null => "!!null",
        Tag::Bool => "!!bool",
        Tag::Int => "!!int",
        Tag::Float => "!!float",
        Tag::Str => "!!str",
        Tag::Timestamp => "!!timestamp",
        Tag::Binary => "!!binary",
        Tag::Other(name) => name,
    }
}

/// The tag of an explicit `!!x` (long form `tag:yaml.org,2002:x`).
pub(crate) fn explicit_tag(long: &str) -> Tag {
    match long.strip_prefix("tag:yaml.org,2002:") {
        Some("null") => Tag::Null,
        Some("bool") => Tag::Bool,
        Some("int") => Tag::Int,
        Some("float") => Tag::Float,
        Some("str") => Tag::Str,
        Some("timestamp") => Tag::Timestamp,
        Some("binary") => Tag::Binary,
        Some(other) => Tag::Other(format!("!!{other}").into()),
        None => Tag::Other(long.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_from_texts() {
        for word in ["y", "Yes", "NO", "n", "on", "OFF", "true", "False", "null", "NULL", "Null"] {
            assert!(may_be_word(word.as_bytes()) && resolve(word, Dialect::V2) != Resolved::Str, "{word}");
        }
        for text in ["name", "yaml", "type", "files", "only", "nodes", "x", "kind"] {
            assert!(!may_be_word(text.as_bytes()) && resolve(text, Dialect::V2) == Resolved::Str, "{text}");
        }
    }
}
