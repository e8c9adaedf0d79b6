//! What the emitter must know of a scalar before it can choose a style: go-yaml v2's scalar analysis and style choice.

use crate::yaml::Style;
use crate::yaml::resolve::{Dialect, Resolved, may_be_word, resolve};

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

/// What kinds of bytes a text has, apart from those that are simple wherever they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kinds(u8);

impl Kinds {
    /// Blanks, colons and number signs.
    const NOTABLE: u8 = 1;
    /// Line feeds.
    const BREAK: u8 = 2;
    /// Tabs and other control characters.
    const CONTROL: u8 = 4;
    /// From DEL on.
    const HIGH: u8 = 8;

    /// Those of a text; in long ones notable bytes are taken for granted.
    pub(super) fn of(text: &str) -> Self {
        /// Texts of this length are looked at many bytes at once.
        const LONG: usize = 64;
        let bytes = text.as_bytes();
        let odd = |b: &u8| !matches!(b, b'\n' | b' '..=b'~');
        if bytes.len() < LONG || bytes.iter().fold(false, |any, b| any | odd(b)) {
            return Self(bytes.iter().fold(0, |seen, b| seen | KINDS[usize::from(*b)]));
        }
        let breaks = memchr::memchr(b'\n', bytes).map_or(0, |_| Self::BREAK);
        Self(Self::NOTABLE | breaks)
    }

    fn any(self, kinds: u8) -> bool {
        self.0 & kinds != 0
    }

    /// Whether a text of these kinds is a word that is no boolean: it is written as it is.
    pub(super) fn is_word(self, text: &str) -> bool {
        let bytes = text.as_bytes();
        self.0 == 0 && bytes.first().is_some_and(u8::is_ascii_alphabetic) && !may_be_word(bytes)
    }

    /// Whether the text is ASCII without DEL.
    pub(super) fn is_ascii(self) -> bool {
        !self.any(Self::HIGH)
    }
}

const KINDS: [u8; 256] = {
    let mut kinds = [0; 256];
    let mut i = 0;
    while i < 256 {
        kinds[i] = match i as u8 {
            b' ' | b':' | b'#' => Kinds::NOTABLE,
            b'\n' => Kinds::BREAK,
            0..=0x1F => Kinds::CONTROL,
            0x7F.. => Kinds::HIGH,
            _ => 0,
        };
        i += 1;
    }
    kinds
};

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
pub(super) fn analyze(text: &str, kinds: Kinds, emitter: Emitter) -> Analysis {
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else {
        return Analysis { multiline: false, plain: true, single_quoted: true, block: false };
    };
    let second_blank = |at: usize| at >= bytes.len() || matches!(bytes[at], b' ' | b'\t');
    let mut block_indicator = text.starts_with("---")
        || text.starts_with("...")
        || indicator(first)
        || matches!(first, b'?' | b':' | b'-') && second_blank(1);
    if !kinds.any(u8::MAX) {
        return Analysis { multiline: false, plain: !block_indicator, single_quoted: true, block: true };
    }
    if !kinds.any(Kinds::CONTROL | Kinds::HIGH) {
        let pairs = |one, other| {
            bytes.iter().zip(&bytes[1..]).fold(false, |any, (a, b)| any | (*a == one) & (*b == other))
        };
        let multiline = kinds.any(Kinds::BREAK);
        let space_break = multiline && pairs(b' ', b'\n');
        // A line break is reason enough not to be plain.
        let mut plain = !multiline && !block_indicator && first != b' ' && last != b' ' && last != b':';
        if plain {
            plain = bytes.windows(2).all(|pair| !matches!(pair, b": " | b" #"));
        }
        return Analysis {
            multiline,
            plain,
            single_quoted: !(space_break || multiline && pairs(b'\n', b' ')),
            block: !(last == b' ' || space_break),
        };
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
    let wanted = if analysis.multiline && text.contains('\n') {
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
