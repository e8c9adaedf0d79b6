//! `strconv.FormatFloat`: every verb, with a precision or the fewest digits that read back to the same number.

use std::fmt::Write as _;

/// Decimal digits and the place of the point: `0.d1d2d3... * 10^point`. No digits is zero.
struct Digits {
    digits: Vec<u8>,
    point: i32,
}

impl Digits {
    fn at(&self, i: i32) -> char {
        usize::try_from(i).ok().and_then(|i| self.digits.get(i)).map_or('0', |&d| char::from(d))
    }

    fn len(&self) -> i32 {
        i32::try_from(self.digits.len()).unwrap_or(i32::MAX)
    }
}

/// `strconv.FormatFloat(value, verb, precision, bits)`; `None` is Go's -1, the fewest digits. `bits` is 32 or 64.
#[must_use]
pub fn format_float(value: f64, verb: char, precision: Option<usize>, bits: u32) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value < 0.0 { "-Inf" } else { "+Inf" }.to_owned();
    }
    match verb {
        'b' => return binary(value, bits),
        'x' | 'X' => return hexadecimal(value, verb, precision, bits),
        _ => {}
    }
    let abs = value.abs();
    let precision = precision.map(|p| i32::try_from(p).unwrap_or(i32::MAX));
    let digits = digits(abs, verb, precision, bits);
    let mut out = String::with_capacity(24);
    if value.is_sign_negative() {
        out.push('-');
    }
    match verb {
        'e' | 'E' => exponent_form(&mut out, &digits, precision.unwrap_or((digits.len() - 1).max(0)), verb),
        'f' => point_form(&mut out, &digits, precision.unwrap_or((digits.len() - digits.point).max(0))),
        'g' | 'G' => {
            let mut wanted = precision.map_or(digits.len(), |p| p.max(1));
            let mut limit = wanted;
            if limit > digits.len() && digits.len() >= digits.point {
                limit = digits.len();
            }
            if precision.is_none() {
                limit = 6;
            }
            let exponent = digits.point - 1;
            if exponent < -4 || exponent >= limit {
                wanted = wanted.min(digits.len());
                exponent_form(&mut out, &digits, wanted - 1, if verb == 'g' { 'e' } else { 'E' });
            } else {
                if wanted > digits.point {
                    wanted = digits.len();
                }
                point_form(&mut out, &digits, (wanted - digits.point).max(0));
            }
        }
        _ => {
            out.clear();
            out.push('%');
            out.push(verb);
        }
    }
    out
}

/// The digits that a verb with a precision needs, correctly rounded (halves to even on the exact value, as Go does).
fn digits(abs: f64, verb: char, precision: Option<i32>, bits: u32) -> Digits {
    if abs == 0.0 {
        return Digits { digits: Vec::new(), point: 0 };
    }
    // An exact float64 has no more digits; all that follow are zeros, and Rust takes no precision above 65535.
    let precision = precision.map(|p| p.min(1100));
    let text = match (precision, verb) {
        (None, _) if bits == 32 => format!("{:e}", abs as f32),
        (None, _) => format!("{abs:e}"),
        (Some(p), 'f') => {
            let text = format!("{abs:.*}", p as usize);
            let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
            let point = i32::try_from(whole.len()).unwrap_or(i32::MAX);
            return trimmed(format!("{whole}{fraction}").into_bytes(), point);
        }
        (Some(p), 'e' | 'E') => format!("{abs:.*e}", p as usize),
        (Some(p), _) => format!("{abs:.*e}", (p.max(1) - 1) as usize),
    };
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).collect();
    trimmed(digits, exponent.parse::<i32>().unwrap_or(0) + 1)
}

/// Without zeros at either end, as Go's decimals are.
fn trimmed(mut digits: Vec<u8>, mut point: i32) -> Digits {
    while digits.last() == Some(&b'0') {
        digits.pop();
    }
    let zeros = digits.iter().take_while(|&&d| d == b'0').count();
    digits.drain(..zeros);
    point -= i32::try_from(zeros).unwrap_or(i32::MAX);
    if digits.is_empty() {
        point = 0;
    }
    Digits { digits, point }
}

fn exponent_form(out: &mut String, d: &Digits, precision: i32, verb: char) {
    out.push(d.at(0));
    if precision > 0 {
        out.push('.');
        out.extend((1..=precision).map(|i| d.at(i)));
    }
    let exponent = if d.digits.is_empty() { 0 } else { d.point - 1 };
    let sign = if exponent < 0 { '-' } else { '+' };
    let _ = write!(out, "{verb}{sign}{:02}", exponent.abs());
}

fn point_form(out: &mut String, d: &Digits, precision: i32) {
    if d.point > 0 {
        out.extend((0..d.point).map(|i| d.at(i)));
    } else {
        out.push('0');
    }
    if precision > 0 {
        out.push('.');
        out.extend((0..precision).map(|i| d.at(d.point + i)));
    }
}

/// Mantissa and exponent with the implicit bit made explicit, and the number of mantissa bits.
fn parts(value: f64, bits: u32) -> (u64, i32, u32) {
    let (raw, mantissa_bits, exponent_bits, bias) = if bits == 32 {
        (u64::from((value as f32).to_bits()), 23, 8, -127)
    } else {
        (value.to_bits(), 52, 11, -1023)
    };
    let mantissa = raw & ((1 << mantissa_bits) - 1);
    let exponent = (raw >> mantissa_bits) as i32 & ((1 << exponent_bits) - 1);
    if exponent == 0 {
        (mantissa, 1 + bias, mantissa_bits)
    } else {
        (mantissa | 1 << mantissa_bits, exponent + bias, mantissa_bits)
    }
}

fn binary(value: f64, bits: u32) -> String {
    let (mantissa, exponent, mantissa_bits) = parts(value, bits);
    let sign = if value.is_sign_negative() { "-" } else { "" };
    format!("{sign}{mantissa}p{:+}", exponent - mantissa_bits.cast_signed())
}

fn hexadecimal(value: f64, verb: char, precision: Option<usize>, bits: u32) -> String {
    let (mut mantissa, mut exponent, mantissa_bits) = parts(value, bits);
    if mantissa == 0 {
        exponent = 0;
    }
    mantissa <<= 60 - mantissa_bits;
    while mantissa != 0 && mantissa & (1 << 60) == 0 {
        mantissa <<= 1;
        exponent -= 1;
    }
    if let Some(p) = precision.filter(|&p| p < 15) {
        let shift = 4 * p;
        let extra = (mantissa << shift) & ((1 << 60) - 1);
        mantissa >>= 60 - shift;
        if extra | (mantissa & 1) > 1 << 59 {
            mantissa += 1;
        }
        mantissa <<= 60 - shift;
        if mantissa & (1 << 61) != 0 {
            mantissa >>= 1;
            exponent += 1;
        }
    }
    let upper = verb == 'X';
    let digit = |mantissa: u64| {
        let c = char::from_digit(((mantissa >> 60) & 15) as u32, 16).unwrap_or('0');
        if upper { c.to_ascii_uppercase() } else { c }
    };
    let mut out = String::new();
    if value.is_sign_negative() {
        out.push('-');
    }
    out.push('0');
    out.push(verb);
    out.push(if mantissa & (1 << 60) == 0 { '0' } else { '1' });
    mantissa <<= 4;
    match precision {
        None if mantissa != 0 => {
            out.push('.');
            while mantissa != 0 {
                out.push(digit(mantissa));
                mantissa <<= 4;
            }
        }
        Some(p) if p > 0 => {
            out.push('.');
            for _ in 0..p {
                out.push(digit(mantissa));
                mantissa <<= 4;
            }
        }
        _ => {}
    }
    out.push(if upper { 'P' } else { 'p' });
    out.push(if exponent < 0 { '-' } else { '+' });
    let _ = write!(out, "{:02}", exponent.abs());
    out
}
