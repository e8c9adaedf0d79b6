//! The formatting of single numbers and texts under flags, width and precision: Go's `fmt/format.go`.

use super::Printer;
use crate::template::strconv::chars::{decode_rune, is_print, rune_count};
use crate::template::strconv::{can_backquote, format_float, quote_rune, quote_with};

impl Printer<'_> {
    fn padding(&mut self, n: usize) {
        let byte = if self.flags.zero && !self.flags.minus { b'0' } else { b' ' };
        self.write(&vec![byte; n]);
    }

    /// Writes with padding to the width, counted in characters.
    pub(super) fn pad(&mut self, text: &[u8]) {
        let Some(width) = self.flags.width.filter(|&w| w > 0) else { return self.write(text) };
        let missing = width.saturating_sub(rune_count(text));
        if self.flags.minus {
            self.write(text);
            self.padding(missing);
        } else {
            self.padding(missing);
            self.write(text);
        }
    }

    fn pad_without_zeros(&mut self, text: &[u8]) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text);
        self.flags.zero = zero;
    }

    /// An integer in base 2, 8, 10 or 16.
    pub(super) fn integer(&mut self, magnitude: u64, negative: bool, base: u32, verb: char, upper: bool) {
        let flags = self.flags;
        let mut digits = match base {
            2 => format!("{magnitude:b}"),
            8 => format!("{magnitude:o}"),
            16 if upper => format!("{magnitude:X}"),
            16 => format!("{magnitude:x}"),
            _ => magnitude.to_string(),
        };
        let mut wanted = 0;
        if let Some(precision) = flags.precision {
            wanted = precision;
            if precision == 0 && magnitude == 0 {
                let zero = std::mem::take(&mut self.flags.zero);
                self.padding(flags.width.unwrap_or(0));
                self.flags.zero = zero;
                return;
            }
        } else if let (true, false, Some(width)) = (flags.zero, flags.minus, flags.width) {
            wanted = width.saturating_sub(usize::from(negative || flags.plus || flags.space));
        }
        if wanted > digits.len() {
            digits.insert_str(0, &"0".repeat(wanted - digits.len()));
        }
        if flags.sharp {
            match base {
                2 => digits.insert_str(0, "0b"),
                8 if !digits.starts_with('0') => digits.insert(0, '0'),
                16 => digits.insert_str(0, if upper { "0X" } else { "0x" }),
                _ => {}
            }
        }
        if verb == 'O' {
            digits.insert_str(0, "0o");
        }
        if negative {
            digits.insert(0, '-');
        } else if flags.plus {
            digits.insert(0, '+');
        } else if flags.space {
            digits.insert(0, ' ');
        }
        self.pad_without_zeros(digits.as_bytes());
    }

    /// `%U`
    pub(super) fn unicode(&mut self, code: u64) {
        let precision = self.flags.precision.filter(|&p| p > 4).unwrap_or(4);
        let digits = format!("{code:X}");
        let mut text = format!("U+{}{digits}", "0".repeat(precision.saturating_sub(digits.len())));
        let shown = u32::try_from(code).ok().and_then(char::from_u32).filter(|&c| is_print(c));
        if let Some(c) = shown.filter(|_| self.flags.sharp) {
            text.push_str(&format!(" '{c}'"));
        }
        self.pad_without_zeros(text.as_bytes());
    }

    /// `%c`
    pub(super) fn character(&mut self, code: u64) {
        let c = u32::try_from(code).ok().and_then(char::from_u32).unwrap_or('\u{FFFD}');
        self.pad(c.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// `%q` of a number.
    pub(super) fn quoted_character(&mut self, code: u64) {
        self.pad(quote_rune(code, self.flags.plus).as_bytes());
    }

    fn truncated<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else { return text };
        let mut at = 0;
        for _ in 0..precision {
            at += decode_rune(&text[at..]).1;
        }
        &text[..at]
    }

    /// `%s`
    pub(super) fn text(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        self.pad(text);
    }

    /// `%q` of a text.
    pub(super) fn quoted(&mut self, text: &[u8]) {
        let text = self.truncated(text);
        let mut out = String::with_capacity(text.len() + 2);
        match std::str::from_utf8(text) {
            Ok(plain) if self.flags.sharp && can_backquote(text) => {
                out.push('`');
                out.push_str(plain);
                out.push('`');
            }
            _ => quote_with(&mut out, text, b'"', self.flags.plus),
        }
        self.pad(out.as_bytes());
    }

    /// `%x` and `%X` of a text or bytes.
    pub(super) fn hex_bytes(&mut self, bytes: &[u8], upper: bool) {
        let flags = self.flags;
        let bytes = &bytes[..flags.precision.map_or(bytes.len(), |p| p.min(bytes.len()))];
        if bytes.is_empty() {
            return self.padding(flags.width.unwrap_or(0));
        }
        let prefix = if upper { "0X" } else { "0x" };
        let digits = if upper { b"0123456789ABCDEF" } else { b"0123456789abcdef" };
        let mut text = Vec::with_capacity(bytes.len() * 2 + 2);
        for (i, b) in bytes.iter().enumerate() {
            if flags.space && i > 0 {
                text.push(b' ');
            }
            if flags.sharp && (i == 0 || flags.space) {
                text.extend_from_slice(prefix.as_bytes());
            }
            text.extend([digits[usize::from(b >> 4)], digits[usize::from(b & 15)]]);
        }
        // Unlike `pad`, Go pads here with zeros on the left if asked, and never on the right.
        let missing = flags.width.unwrap_or(0).saturating_sub(text.len());
        if !flags.minus {
            self.padding(missing);
        }
        self.write(&text);
        if flags.minus {
            self.padding(missing);
        }
    }

    /// A float by a verb of `FormatFloat`, with the verb's own precision unless one is given.
    pub(super) fn float(&mut self, value: f64, bits: u32, verb: char, precision: Option<usize>) {
        let flags = self.flags;
        let precision = flags.precision.or(precision);
        let mut number = format_float(value, verb, precision, bits);
        let sign = match number.as_bytes()[0] {
            sign @ (b'-' | b'+') => {
                number.remove(0);
                sign
            }
            _ => b'+',
        };
        let sign = if flags.space && sign == b'+' && !flags.plus { b' ' } else { sign };
        if number.starts_with(['I', 'N']) {
            let signless = number == "NaN" && !flags.space && !flags.plus;
            if !signless {
                number.insert(0, char::from(sign));
            }
            return self.pad_without_zeros(number.as_bytes());
        }
        if flags.sharp && verb != 'b' {
            number = with_point(&number, verb, precision);
        }
        if flags.plus || sign != b'+' {
            if let (true, false, Some(width)) = (flags.zero, flags.minus, flags.width) {
                if width > number.len() + 1 {
                    self.write(&[sign]);
                    self.padding(width - number.len() - 1);
                    return self.write(number.as_bytes());
                }
            }
            number.insert(0, char::from(sign));
        }
        self.pad(number.as_bytes());
    }
}

/// The `#` flag: a point in any case, and for `%g` the zeros that it would drop.
fn with_point(number: &str, verb: char, precision: Option<usize>) -> String {
    let mut missing = match verb {
        'v' | 'g' | 'G' | 'x' => precision.map_or(6, |p| i64::try_from(p).unwrap_or(i64::MAX)),
        _ => 0,
    };
    let hex = matches!(verb, 'x' | 'X');
    let tail_at = number.find(|c: char| matches!(c, 'p' | 'P') || (!hex && matches!(c, 'e' | 'E')));
    let (body, tail) = number.split_at(tail_at.unwrap_or(number.len()));
    let mut nonzero_seen = false;
    for c in body.chars().filter(|&c| c != '.') {
        nonzero_seen |= c != '0';
        missing -= i64::from(nonzero_seen);
    }
    let mut out = body.to_owned();
    if !body.contains('.') {
        if body == "0" {
            missing -= 1;
        }
        out.push('.');
    }
    for _ in 0..missing {
        out.push('0');
    }
    out + tail
}

#[cfg(test)]
mod tests {
    use crate::template::{Value, fmt::sprintf};

    #[test]
    fn a_precision_may_be_larger_than_rust_formats() {
        let text = |format: &[u8], value: Value| sprintf(format, &[value], 1 << 22).unwrap();
        let long = text(b"%.200000f", Value::Float(0.5));
        assert_eq!((long.len(), &long[..4], long.last()), (200_002, &b"0.50"[..], Some(&b'0')));
        assert_eq!(text(b"%.202020g", Value::Float(1e22)), b"10000000000000000000000");
        assert_eq!(text(b"%.70000e", Value::Float(-2.5)).len(), 70_007);
        assert_eq!(text(b"%.70000U", Value::int(65)).len(), 70_002);
        assert_eq!(text(b"%.6U", Value::int(65)), b"U+000041");
    }
}
