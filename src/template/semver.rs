//! Versions and constraints as `Masterminds/semver` v3 reads and compares them.
//!
//! Used by sprig's `semver` and `semverCompare`, and by Helm for chart versions, dependency ranges and `kubeVersion`.
//! Two rules that are easily got wrong: a pre-release satisfies a constraint only if one of the constraints of the
//! same `||` group names a pre-release, and a missing or `x` part makes a comparison "dirty", with rules of its own
//! per operator. Upstream: <https://github.com/Masterminds/semver> (v3.5.0).

use std::cmp::Ordering;
use std::fmt;

/// The longest version text that is read, in bytes.
const MAX_VERSION: usize = 256;
/// The longest constraint text that is read, in bytes.
const MAX_CONSTRAINT: usize = 512;
/// The most `||` groups in a constraint.
const MAX_GROUPS: usize = 32;

/// Why a version or a constraint was not understood. The texts are the original's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SemverError {
    /// Not of the form `MAJOR[.MINOR[.PATCH]][-PRE][+META]`.
    #[error("invalid semantic version")]
    Invalid,
    /// A numeric part of a pre-release starts with 0.
    #[error("version segment starts with 0")]
    LeadingZero,
    /// An empty or malformed pre-release.
    #[error("invalid prerelease string")]
    Prerelease,
    /// A number beyond 64 bits.
    #[error("error parsing version segment: strconv.ParseUint: parsing {0}: value out of range")]
    Range(String),
    /// Longer than 256 bytes.
    #[error("version string is too long (max 256 bytes)")]
    VersionTooLong,
    /// Longer than 512 bytes.
    #[error("constraint string is too long (max 512 bytes)")]
    ConstraintTooLong,
    /// More than 32 groups.
    #[error("too many constraint groups (max 32)")]
    TooManyGroups,
    /// Not a constraint. Holds the quoted group.
    #[error("improper constraint: {0}")]
    Improper(String),
    /// The version inside a constraint was not understood.
    #[error("constraint parser error")]
    Parser,
}

/// A version: `v1.2` is read as 1.2.0, the original text is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Major.
    pub major: u64,
    /// Minor, 0 if it was not written.
    pub minor: u64,
    /// Patch, 0 if it was not written.
    pub patch: u64,
    /// The pre-release without its `-`; empty if there is none.
    pub pre: String,
    /// The build metadata without its `+`; empty if there is none.
    pub metadata: String,
    /// The text as it was given.
    pub original: String,
}

impl Version {
    /// Reads a version leniently, as `semver.NewVersion` does.
    ///
    /// # Errors
    /// If the text is not a version.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        if text.len() > MAX_VERSION {
            return Err(SemverError::VersionTooLong);
        }
        let parts = Parts::scan(text, |c| c.is_ascii_digit()).ok_or(SemverError::Invalid)?;
        if parts.len != text.len() {
            return Err(SemverError::Invalid);
        }
        let number = |s: &str| match s {
            "" => Ok(0),
            s => s.parse::<u64>().map_err(|_| SemverError::Range(quote(s))),
        };
        let (major, minor, patch) = (number(parts.major)?, number(parts.minor)?, number(parts.patch)?);
        if !parts.pre.is_empty() {
            for part in parts.pre.split('.') {
                if part.len() > 1 && part.starts_with('0') && part.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(SemverError::LeadingZero);
                }
            }
        }
        Ok(Self {
            major,
            minor,
            patch,
            pre: parts.pre.to_owned(),
            metadata: parts.metadata.to_owned(),
            original: text.to_owned(),
        })
    }

    /// -1, 0 or 1 as the original's `Compare`; metadata does not count.
    #[must_use]
    pub fn compare(&self, other: &Self) -> i64 {
        self.order(other) as i64
    }

    /// The order of two versions; metadata does not count.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        (self.major, self.minor, self.patch).cmp(&(other.major, other.minor, other.patch)).then_with(
            || match (self.pre.is_empty(), other.pre.is_empty()) {
                (true, true) => Ordering::Equal,
                (true, false) => Ordering::Greater,
                (false, true) => Ordering::Less,
                (false, false) => order_prerelease(&self.pre, &other.pre),
            },
        )
    }

    fn prefix(&self) -> &'static str {
        if self.original.starts_with('v') { "v" } else { "" }
    }

    fn renamed(mut self, prefix: &str) -> Self {
        self.original = format!("{prefix}{self}");
        self
    }

    /// The next patch version; of a pre-release, its release. `None` at the end of 64 bits.
    #[must_use]
    pub fn next_patch(&self) -> Option<Self> {
        let patch = if self.pre.is_empty() { self.patch.checked_add(1)? } else { self.patch };
        let next = Self { patch, pre: String::new(), metadata: String::new(), ..self.clone() };
        Some(next.renamed(self.prefix()))
    }

    /// The next minor version. `None` at the end of 64 bits.
    #[must_use]
    pub fn next_minor(&self) -> Option<Self> {
        let minor = self.minor.checked_add(1)?;
        let next = Self { minor, patch: 0, pre: String::new(), metadata: String::new(), ..self.clone() };
        Some(next.renamed(self.prefix()))
    }

    /// The next major version. `None` at the end of 64 bits.
    #[must_use]
    pub fn next_major(&self) -> Option<Self> {
        let major = self.major.checked_add(1)?;
        let next =
            Self { major, minor: 0, patch: 0, pre: String::new(), metadata: String::new(), ..self.clone() };
        Some(next.renamed(self.prefix()))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)?;
        if !self.pre.is_empty() {
            write!(f, "-{}", self.pre)?;
        }
        if !self.metadata.is_empty() {
            write!(f, "+{}", self.metadata)?;
        }
        Ok(())
    }
}

fn order_prerelease(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a.split('.'), b.split('.'));
    loop {
        let (l, r) = match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (l, r) => (l.unwrap_or(""), r.unwrap_or("")),
        };
        if l == r {
            continue;
        }
        if l.is_empty() {
            return Ordering::Less;
        }
        if r.is_empty() {
            return Ordering::Greater;
        }
        // Numbers sort before words; equal numbers written differently cannot occur (no leading zeros).
        return match (l.parse::<u64>(), r.parse::<u64>()) {
            (Err(_), Err(_)) => l.cmp(r),
            (Ok(_), Err(_)) => Ordering::Less,
            (Err(_), Ok(_)) => Ordering::Greater,
            (Ok(l), Ok(r)) if l > r => Ordering::Greater,
            (Ok(_), Ok(_)) => Ordering::Less,
        };
    }
}

/// The parts of a version text at the start of a string.
struct Parts<'a> {
    major: &'a str,
    minor: &'a str,
    patch: &'a str,
    pre: &'a str,
    metadata: &'a str,
    len: usize,
}

impl<'a> Parts<'a> {
    fn scan(text: &'a str, segment: impl Fn(char) -> bool) -> Option<Self> {
        let mut at = usize::from(text.starts_with('v'));
        let run = |from: usize, ok: &dyn Fn(char) -> bool| {
            text[from..].find(|c: char| !ok(c)).map_or(text.len(), |n| from + n)
        };
        let end = run(at, &segment);
        if end == at {
            return None;
        }
        let major = &text[at..end];
        at = end;
        let mut more = [""; 2];
        for slot in &mut more {
            if !text[at..].starts_with('.') {
                break;
            }
            let end = run(at + 1, &segment);
            if end == at + 1 {
                break;
            }
            *slot = &text[at + 1..end];
            at = end;
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let tail = |at: usize, lead: char| -> Option<usize> {
            if !text[at..].starts_with(lead) {
                return None;
            }
            let mut end = run(at + 1, &word);
            if end == at + 1 {
                return None;
            }
            while text[end..].starts_with('.') {
                let next = run(end + 1, &word);
                if next == end + 1 {
                    break;
                }
                end = next;
            }
            Some(end)
        };
        let (mut pre, mut metadata) = ("", "");
        if let Some(end) = tail(at, '-') {
            pre = &text[at + 1..end];
            at = end;
        }
        if let Some(end) = tail(at, '+') {
            metadata = &text[at + 1..end];
            at = end;
        }
        Some(Self { major, minor: more[0], patch: more[1], pre, metadata, len: at })
    }

    /// With the wildcards a constraint may have. The original's character class holds `|` too.
    fn constraint(text: &'a str) -> Option<Self> {
        Self::scan(text, |c| c.is_ascii_digit() || matches!(c, '|' | 'x' | 'X' | '*'))
    }
}

/// The operators of a constraint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Op {
    TildeOrEqual,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

#[derive(Debug, Clone)]
struct Term {
    op: Op,
    version: Version,
    dirty: bool,
    minor_dirty: bool,
    patch_dirty: bool,
}

/// A constraint: groups joined by `||`, each a list of comparisons that must all hold.
///
/// ```
/// use retune::template::semver::{Constraint, Version};
/// let c = Constraint::parse(">=1.2, <2").unwrap();
/// assert!(c.check(&Version::parse("v1.9.3").unwrap()));
/// assert!(!c.check(&Version::parse("1.9.3-rc.1").unwrap()));
/// ```
#[derive(Debug, Clone)]
pub struct Constraint {
    groups: Vec<(Vec<Term>, bool)>,
}

impl Constraint {
    /// Reads a constraint.
    ///
    /// # Errors
    /// If the text is not a constraint.
    pub fn parse(text: &str) -> Result<Self, SemverError> {
        if text.len() > MAX_CONSTRAINT {
            return Err(SemverError::ConstraintTooLong);
        }
        let text = rewrite_ranges(text);
        let ors: Vec<&str> = text.split("||").collect();
        if ors.len() > MAX_GROUPS {
            return Err(SemverError::TooManyGroups);
        }
        let mut groups = Vec::with_capacity(ors.len());
        for group in ors {
            let terms = parse_group(group)?;
            let pre = terms.iter().any(|t| !t.version.pre.is_empty());
            groups.push((terms, pre));
        }
        Ok(Self { groups })
    }

    /// Whether a version satisfies the constraint.
    #[must_use]
    pub fn check(&self, version: &Version) -> bool {
        self.groups.iter().any(|(terms, pre)| terms.iter().all(|t| t.check(version, *pre)))
    }
}

/// Whether `version` is a version in the range `constraint`; false if either is not understood. Helm's rule for
/// dependencies and `kubeVersion`.
#[must_use]
pub fn is_compatible(constraint: &str, version: &str) -> bool {
    match (Version::parse(version), Constraint::parse(constraint)) {
        (Ok(v), Ok(c)) => c.check(&v),
        _ => false,
    }
}

fn parse_group(group: &str) -> Result<Vec<Term>, SemverError> {
    let improper = || SemverError::Improper(quote(group));
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}');
    let mut rest = group.trim_start_matches(blank);
    let mut out = Vec::new();
    loop {
        let end = rest.find(|c: char| !matches!(c, '=' | '!' | '<' | '>' | '~' | '^')).unwrap_or(rest.len());
        let op = match &rest[..end] {
            "" | "=" => Op::TildeOrEqual,
            "!=" => Op::NotEqual,
            ">" => Op::Greater,
            "<" => Op::Less,
            ">=" | "=>" => Op::GreaterEqual,
            "<=" | "=<" => Op::LessEqual,
            "~" | "~>" => Op::Tilde,
            "^" => Op::Caret,
            _ => return Err(improper()),
        };
        rest = rest[end..].trim_start_matches(blank);
        let parts = Parts::constraint(rest).ok_or_else(improper)?;
        out.push(Term::new(op, &rest[..parts.len], &parts)?);
        rest = &rest[parts.len..];
        let next = rest.trim_start_matches(blank);
        if next.is_empty() {
            return Ok(out);
        }
        if let Some(after) = next.strip_prefix(',') {
            rest = after.trim_start_matches(blank);
        } else if next.len() < rest.len() {
            rest = next;
        } else {
            return Err(improper());
        }
    }
}

impl Term {
    fn new(op: Op, text: &str, parts: &Parts<'_>) -> Result<Self, SemverError> {
        let wild = |s: &str| s.is_empty() || matches!(s, "x" | "X" | "*");
        let pre = if parts.pre.is_empty() { String::new() } else { format!("-{}", parts.pre) };
        let (mut dirty, mut minor_dirty, mut patch_dirty) = (false, false, false);
        let text = if wild(parts.major) {
            dirty = true;
            format!("0.0.0{pre}")
        } else if wild(parts.minor) {
            (dirty, minor_dirty) = (true, true);
            format!("{}.0.0{pre}", parts.major)
        } else if wild(parts.patch) {
            (dirty, patch_dirty) = (true, true);
            format!("{}.{}.0{pre}", parts.major, parts.minor)
        } else {
            text.to_owned()
        };
        let version = Version::parse(&text).map_err(|_| SemverError::Parser)?;
        Ok(Self { op, version, dirty, minor_dirty, patch_dirty })
    }

    fn check(&self, v: &Version, include_pre: bool) -> bool {
        if !v.pre.is_empty() && !include_pre {
            return false;
        }
        let c = &self.version;
        match self.op {
            Op::TildeOrEqual if self.dirty => self.tilde(v),
            Op::TildeOrEqual => v.order(c).is_eq(),
            Op::NotEqual => self.not_equal(v),
            Op::Greater => self.greater(v),
            Op::Less => v.order(c).is_lt(),
            Op::GreaterEqual => v.order(c).is_ge(),
            Op::LessEqual if !self.dirty => v.order(c).is_le(),
            Op::LessEqual => {
                !(v.major > c.major || v.major == c.major && v.minor > c.minor && !self.minor_dirty)
            }
            Op::Tilde => self.tilde(v),
            Op::Caret => self.caret(v),
        }
    }

    fn not_equal(&self, v: &Version) -> bool {
        let c = &self.version;
        if self.dirty {
            if c.major != v.major {
                return true;
            }
            if c.minor != v.minor && !self.minor_dirty {
                return true;
            }
            if self.minor_dirty {
                return false;
            }
            if c.patch != v.patch && !self.patch_dirty {
                return true;
            }
            if self.patch_dirty {
                return (!v.pre.is_empty() || !c.pre.is_empty()) && !order_prerelease(&v.pre, &c.pre).is_eq();
            }
        }
        !v.order(c).is_eq()
    }

    fn greater(&self, v: &Version) -> bool {
        let c = &self.version;
        if !self.dirty {
            return v.order(c).is_gt();
        }
        match v.major.cmp(&c.major) {
            Ordering::Greater => true,
            Ordering::Less => false,
            Ordering::Equal if self.minor_dirty => false,
            Ordering::Equal if self.patch_dirty => v.minor > c.minor,
            Ordering::Equal => v.order(c).is_gt(),
        }
    }

    fn tilde(&self, v: &Version) -> bool {
        let c = &self.version;
        if v.order(c).is_lt() {
            return false;
        }
        if (c.major, c.minor, c.patch) == (0, 0, 0) && !self.minor_dirty && !self.patch_dirty {
            return true;
        }
        v.major == c.major && (v.minor == c.minor || self.minor_dirty)
    }

    fn caret(&self, v: &Version) -> bool {
        let c = &self.version;
        if v.order(c).is_lt() {
            return false;
        }
        if c.major > 0 || self.minor_dirty {
            return v.major == c.major;
        }
        if v.major > 0 {
            return false;
        }
        if c.minor > 0 || self.patch_dirty {
            return v.minor == c.minor;
        }
        v.minor == 0 && c.patch == v.patch
    }
}

/// `1.2 - 1.4` becomes `>= 1.2, <= 1.4 `.
fn rewrite_ranges(text: &str) -> String {
    let blank = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}');
    let mut out = String::new();
    let mut rest = text;
    'next: while !rest.is_empty() {
        for (at, _) in rest.char_indices() {
            let here = rest[at..].trim_start_matches(blank);
            let Some(low) = Parts::constraint(here) else { continue };
            let after = &here[low.len..];
            let dash = after.trim_start_matches(blank);
            if dash.len() == after.len() {
                continue;
            }
            let Some(after) = dash.strip_prefix('-') else { continue };
            let high_text = after.trim_start_matches(blank);
            if high_text.len() == after.len() {
                continue;
            }
            let Some(high) = Parts::constraint(high_text) else { continue };
            out.push_str(&rest[..at]);
            out.push_str(&format!(">= {}, <= {} ", &here[..low.len], &high_text[..high.len]));
            rest = high_text[high.len..].trim_start_matches(blank);
            continue 'next;
        }
        break;
    }
    out.push_str(rest);
    out
}

/// Go's `%q` for the plain texts that occur here.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(constraint: &str, version: &str) -> bool {
        Constraint::parse(constraint).unwrap().check(&Version::parse(version).unwrap())
    }

    #[test]
    fn versions_are_read_leniently_and_printed_in_full() {
        for (text, printed) in [
            ("1", "1.0.0"),
            ("v1.2", "1.2.0"),
            ("1.2.3-alpha.01x+build.5", "1.2.3-alpha.01x+build.5"),
            ("2026.1.8+db238e7c3", "2026.1.8+db238e7c3"),
        ] {
            assert_eq!(Version::parse(text).unwrap().to_string(), printed);
        }
        assert_eq!(Version::parse("1.2.3-01").unwrap_err(), SemverError::LeadingZero);
        for bad in ["", "x", "1.2.3.4", "1.2.3-", "1.2.3-a..b", "1.2.3+", " 1.2", "1.2.beta"] {
            assert_eq!(Version::parse(bad).unwrap_err(), SemverError::Invalid, "{bad}");
        }
        assert_eq!(
            Version::parse("99999999999999999999.0.0").unwrap_err().to_string(),
            "error parsing version segment: strconv.ParseUint: parsing \"99999999999999999999\": value out of range"
        );
    }

    #[test]
    fn versions_compare_by_numbers_then_by_prerelease() {
        let order = |a: &str, b: &str| Version::parse(a).unwrap().compare(&Version::parse(b).unwrap());
        for (a, b, expected) in [
            ("1.2.3", "1.5.1", -1),
            ("1.10.0", "1.9.0", 1),
            ("1.2.3+b1", "1.2.3+b2", 0),
            ("4.2-beta", "4.2", -1),
            ("4.2-beta.2", "4.2-beta.10", -1),
            ("4.2-beta.foo", "4.2-beta.2", 1),
            ("4.2-beta", "4.2-beta.2", -1),
            ("1.0.0-alpha", "1.0.0-beta", -1),
        ] {
            assert_eq!(order(a, b), expected, "{a} {b}");
        }
    }

    #[test]
    fn constraints_follow_their_operators() {
        for (constraint, version, expected) in [
            (">=1.19.0-0", "v1.37.0", true),
            (">=1.19-0", "1.20.1-gke.5", true),
            (">= 1.19", "1.20.1-gke.5", false),
            ("^1.2.x", "1.8.9", true),
            ("^0.2.3", "0.3.0", false),
            ("^0.0.3", "0.0.4", false),
            ("^0", "0.9.1", true),
            ("^0.0", "0.1.0", false),
            ("~1.2.3", "1.2.9", true),
            ("~1", "1.9.9", true),
            ("~1.2", "1.3.0", false),
            ("1.2", "1.2.9", true),
            ("1.2.3", "1.2.4", false),
            ("*", "5.0.0", true),
            ("*", "5.0.0-rc1", false),
            ("!=1.2", "1.2.5", false),
            ("!=1.2", "1.3.0", true),
            (">1.2", "1.2.9", false),
            (">1.2", "1.3.0", true),
            (">11", "11.1.0", false),
            ("<=1.2", "1.2.9", true),
            ("<1.2", "1.1.9", true),
            ("1.2 - 1.4.5", "1.4.6", false),
            ("1.2 - 1.4.5", "1.3.0", true),
            (">=1.0 <2.0 || >=3.0", "3.1.0", true),
            (">=1.0, <2.0", "2.0.0", false),
            ("=>1.0 =<2.0", "2.0.1", true),
            ("=>1.0 =<2.0", "2.1.0", false),
        ] {
            assert_eq!(check(constraint, version), expected, "{constraint} {version}");
        }
    }

    #[test]
    fn what_is_not_a_constraint_is_refused_with_the_group() {
        for bad in ["", "==1.0", ">=1.0,,<2", "foo", "1.2.3.4", "1.0 ||"] {
            assert!(matches!(Constraint::parse(bad), Err(SemverError::Improper(_))), "{bad}");
        }
        assert_eq!(Constraint::parse("==1").unwrap_err().to_string(), "improper constraint: \"==1\"");
        assert!(!is_compatible("", "1.0.0"));
    }
}
