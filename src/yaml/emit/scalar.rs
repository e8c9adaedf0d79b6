//! What the emitter must know of a scalar before it can choose a style: go-yaml v2's scalar analysis and style choice.

use crate::yaml::Style;
use crate::yaml::resolve::{Dialect, Resolved, resolve};

/// Whose printing is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Emitter {
    /// go-yaml v2 behind `sigs.k8s.io/yaml`.
    V2,
    /// go-yaml v3's encoder.
    V3,
}

/// Which styles a text can take, and whether it breaks lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Analysis {
    pub(super) multiline: bool,
    plain: bool,
    single_quoted: bool,
    pub(super) block: bool,
}

/// The bytes that make an ASCII text anything but simple, wherever they stand.
const fn notable() -> [bool; 256] {
    let mut t = [false; 256];
    let mut i = 0;
    while i < 256 {
        t[i] = i < 0x20 || i >= 0x7F || matches!(i as u8, b' ' | b':' | b'#');
        i += 1;
    }
    t
}
static NOTABLE: [bool; 256] = notable();

fn indicator(first: u8) -> bool {
    matches!(
        first,
        b'#' | b','
            | b'['
            | b']'
            | b'{'
            | b'}'
            | b'&'
            | b'*'
            | b'!'
            | b'|'
            | b'>'
            | b'\''
            | b'"'
            | b'%'
            | b'@'
            | b'`'
    )
}

pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What may be written unescaped. Characters beyond the basic plane may not.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}') && c != '\u{FEFF}'
}

/// Analyses a scalar for block context (the emitter has flow context only for empty collections).
pub(super) fn analyze(text: &str, emitter: Emitter) -> Analysis {
    let bytes = text.as_bytes();
    let Some(&first) = bytes.first() else {
        return Analysis { multiline: false, plain: true, single_quoted: true, block: false };
    };
    let second_blank = |at: usize| at >= bytes.len() || matches!(bytes[at], b' ' | b'\t');
    let mut block_indicator = text.starts_with("---")
        || text.starts_with("...")
        || indicator(first)
        || matches!(first, b'?' | b':' | b'-') && second_blank(1);
    if !bytes.iter().any(|&b| NOTABLE[b as usize]) {
        return Analysis { multiline: false, plain: !block_indicator, single_quoted: true, block: true };
    }

    let (mut line_breaks, mut special, mut break_space, mut space_break) = (false, false, false, false);
    let mut tabs = false;
    let (mut previous_space, mut previous_break, mut after_blank) = (false, false, true);
    for (i, c) in text.char_indices() {
        if i > 0 {
            match c {
                ':' if second_blank(i + 1) => block_indicator = true,
                '#' if after_blank => block_indicator = true,
                _ => {}
            }
        }
        if c == '\t' && emitter == Emitter::V3 {
            tabs = true;
        } else {
            special |= !is_printable(c);
        }
        let breaks = is_break(c);
        if c == ' ' {
            break_space |= previous_break;
        } else if breaks {
            line_breaks = true;
            space_break |= previous_space;
        }
        previous_space = c == ' ';
        previous_break = breaks;
        after_blank = breaks || matches!(c, ' ' | '\t' | '\0');
    }
    let last = text.chars().next_back().unwrap_or('x');
    let start = text.chars().next().unwrap_or('x');
    let edge = start == ' ' || is_break(start) || last == ' ' || is_break(last);
    let unquotable = break_space || space_break || special || tabs;
    Analysis {
        multiline: line_breaks,
        plain: !(edge || unquotable || line_breaks || block_indicator),
        single_quoted: !unquotable,
        block: !(last == ' ' || space_break || special),
    }
}

/// The style that go-yaml gives a string.
pub(super) fn style_of(text: &str, analysis: &Analysis, simple_key: bool, emitter: Emitter) -> Style {
    let dialect = if emitter == Emitter::V3 { Dialect::V3 } else { Dialect::V2 };
    // v3 reads `yes` as a string, but quotes it for those who do not.
    let old_bool = emitter == Emitter::V3 && matches!(resolve(text, Dialect::V2), Resolved::Bool(_));
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if !old_bool && resolve(text, dialect) == Resolved::Str && !is_base60(text.as_bytes()) {
        Style::Plain
    } else {
        Style::DoubleQuoted
    };
    settle(wanted, text, analysis, simple_key)
}

/// What becomes of a wanted style where it is impossible.
pub(super) fn settle(wanted: Style, text: &str, analysis: &Analysis, simple_key: bool) -> Style {
    let mut style = wanted;
    if simple_key && analysis.multiline {
        style = Style::DoubleQuoted;
    }
    if style == Style::Plain && (!analysis.plain || text.is_empty() && simple_key) {
        style = Style::SingleQuoted;
    }
    if style == Style::SingleQuoted && !analysis.single_quoted {
        style = Style::DoubleQuoted;
    }
    if style == Style::Literal && (!analysis.block || simple_key) {
        style = Style::DoubleQuoted;
    }
    style
}

/// YAML 1.1's base 60 numbers, which go-yaml does not read but quotes:
/// `^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$`
fn is_base60(s: &[u8]) -> bool {
    let Some(first) = s.first() else { return false };
    if !(first.is_ascii_digit() || matches!(first, b'+' | b'-')) || !s.contains(&b':') {
        return false;
    }
    let mut i = usize::from(!first.is_ascii_digit());
    if !s.get(i).is_some_and(u8::is_ascii_digit) {
        return false;
    }
    while s.get(i).is_some_and(|c| c.is_ascii_digit() || *c == b'_') {
        i += 1;
    }
    let mut groups = 0;
    while s.get(i) == Some(&b':') {
        let digits = s[i + 1..].iter().take(3).take_while(|c| c.is_ascii_digit()).count();
        if digits == 0 || digits > 2 || digits == 2 && s[i + 1] > b'5' {
            return false;
        }
        groups += 1;
        i += 1 + digits;
    }
    if s.get(i) == Some(&b'.') {
        i += 1;
        while s.get(i).is_some_and(|c| c.is_ascii_digit() || *c == b'_') {
            i += 1;
        }
    }
    groups > 0 && i == s.len()
}
