//! Go's number texts: what `strconv` accepts and what it prints.
//!
//! Follows Go's `strconv` (ParseInt with base 0, ParseFloat, FormatFloat 'g' and 'e'/'f') and `encoding/json`'s float
//! form. Both YAML readers, the emitter, and the templates' `%v` rest on these.

/// An integer as `strconv.ParseInt(text, base, 64)` reads it; base 0 takes Go's prefixes (`0x`, `0o`, `0b`, `0`).
/// Underscores are not accepted (go-yaml strips them before).
#[must_use]
pub fn parse_int(text: &str, base: u32) -> Option<i64> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'+' => (false, &text[1..]),
        b'-' => (true, &text[1..]),
        _ => (false, text),
    };
    let magnitude = parse_uint(digits, base)?;
    if negative {
        if magnitude > 1 << 63 {
            return None;
        }
        Some((magnitude as i64).wrapping_neg())
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// A natural number as `strconv.ParseUint(text, base, 64)` reads it: no sign.
#[must_use]
pub fn parse_uint(text: &str, base: u32) -> Option<u64> {
    let mut digits = text.as_bytes();
    if digits.is_empty() {
        return None;
    }
    let mut radix = base;
    if base == 0 {
        radix = 10;
        if digits[0] == b'0' {
            let prefix = if digits.len() >= 3 { digits[1] | 0x20 } else { 0 };
            (radix, digits) = match prefix {
                b'b' => (2, &digits[2..]),
                b'o' => (8, &digits[2..]),
                b'x' => (16, &digits[2..]),
                _ => (8, &digits[1..]),
            };
        }
    }
    let mut n: u64 = 0;
    for &c in digits {
        let digit = (c as char).to_digit(36)?;
        if digit >= radix {
            return None;
        }
        n = n.checked_mul(u64::from(radix))?.checked_add(u64::from(digit))?;
    }
    Some(n)
}

/// A number as `strconv.ParseFloat(text, 64)` reads it. Texts out of range are refused, as Go's error does.
#[must_use]
pub fn parse_float(text: &str) -> Option<f64> {
    let body = text.strip_prefix(['+', '-']).unwrap_or(text);
    let negative = text.starts_with('-');
    let signed = |x: f64| if negative { -x } else { x };
    if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") {
        return Some(signed(f64::INFINITY));
    }
    if text.eq_ignore_ascii_case("nan") {
        return Some(f64::NAN);
    }
    let clean;
    let mut digits = body;
    if body.contains('_') {
        if !underscores_ok(body.as_bytes()) {
            return None;
        }
        clean = body.replace('_', "");
        digits = &clean;
    }
    if digits.len() > 2 && digits.as_bytes()[0] == b'0' && digits.as_bytes()[1] | 0x20 == b'x' {
        return parse_hex_float(&digits[2..]).map(signed);
    }
    if !digits.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'e' | b'E' | b'+' | b'-')) {
        return None;
    }
    let x: f64 = digits.parse().ok()?;
    // Rust takes a sign here that Go has consumed already.
    if digits.starts_with(['+', '-']) || x.is_infinite() {
        return None;
    }
    Some(signed(x))
}

/// Go's rule for `_` between digits; only texts with a base prefix may have them at all.
fn underscores_ok(s: &[u8]) -> bool {
    let mut seen = b'^';
    let mut i = 0;
    let mut hex = false;
    if s.len() >= 2 && s[0] == b'0' && matches!(s[1] | 0x20, b'b' | b'o' | b'x') {
        i = 2;
        seen = b'0';
        hex = s[1] | 0x20 == b'x';
    }
    while i < s.len() {
        if s[i].is_ascii_digit() || hex && s[i].is_ascii_hexdigit() {
            seen = b'0';
        } else if s[i] == b'_' {
            if seen != b'0' {
                return false;
            }
            seen = b'_';
        } else {
            if seen == b'_' {
                return false;
            }
            seen = b'!';
        }
        i += 1;
    }
    seen != b'_'
}

/// `1.8p3` after `0x`: mantissa in hex, mandatory binary exponent.
fn parse_hex_float(s: &str) -> Option<f64> {
    let at = s.find(['p', 'P'])?;
    let (mantissa, exponent) = (&s[..at], &s[at + 1..]);
    let exponent_digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if exponent_digits.is_empty() || !exponent_digits.bytes().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let mut exp: i64 = exponent_digits.parse().unwrap_or(100_000);
    if exponent.starts_with('-') {
        exp = -exp;
    }
    let (mut value, mut seen_dot, mut digits, mut sticky) = (0u64, false, 0usize, false);
    for c in mantissa.chars() {
        if c == '.' {
            if seen_dot {
                return None;
            }
            seen_dot = true;
            continue;
        }
        let d = u64::from(c.to_digit(16)?);
        digits += 1;
        if value >> 58 == 0 {
            value = value << 4 | d;
            if seen_dot {
                exp -= 4;
            }
        } else {
            sticky |= d != 0;
            if !seen_dot {
                exp += 4;
            }
        }
    }
    if digits == 0 {
        return None;
    }
    if sticky {
        value |= 1;
    }
    // Two exact steps keep the rounding to the final multiplication only for normal results.
    let exp = i32::try_from(exp.clamp(-3000, 3000)).ok()?;
    let x = (value as f64) * 2f64.powi(exp / 2) * 2f64.powi(exp - exp / 2);
    if x.is_infinite() { None } else { Some(x) }
}

/// Digits and decimal exponent of the shortest text that reads back as `x`: 0.0012 is ("12", -2) = 0.12e-2.
fn shortest(text: &str) -> (String, i32) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    (digits, exponent.parse::<i32>().unwrap_or(0) + 1)
}

/// `strconv.FormatFloat(x, 'g', -1, 64)`: what `%v` and both go-yaml versions print (they spell infinities otherwise).
#[must_use]
pub fn format_g(x: f64) -> String {
    if !x.is_finite() {
        return non_finite(x).into();
    }
    general(&format!("{:e}", x.abs()), x.is_sign_negative())
}

/// `strconv.FormatFloat(x, 'g', -1, 32)`: how `sigs.k8s.io/yaml` makes strings of float keys.
#[must_use]
pub fn format_g32(x: f64) -> String {
    let y = x as f32;
    if !y.is_finite() {
        return non_finite(f64::from(y)).into();
    }
    general(&format!("{:e}", y.abs()), y.is_sign_negative())
}

fn non_finite(x: f64) -> &'static str {
    if x.is_nan() {
        "NaN"
    } else if x > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    }
}

fn general(scientific: &str, negative: bool) -> String {
    let (digits, point) = shortest(scientific);
    let exp = point - 1;
    // Go decides with precision 6 whenever it prints the shortest form: 1000000 is 1e+06, 123456 is not.
    let exponential = exp < -4 || exp >= 6;
    if exponential {
        exponent_form(&digits, exp, negative, 2)
    } else {
        decimal_form(&digits, point, negative)
    }
}

fn exponent_form(digits: &str, exp: i32, negative: bool, width: usize) -> String {
    let mut out = String::with_capacity(digits.len() + 8);
    if negative {
        out.push('-');
    }
    out.push_str(&digits[..1]);
    if digits.len() > 1 {
        out.push('.');
        out.push_str(&digits[1..]);
    }
    out.push('e');
    out.push(if exp < 0 { '-' } else { '+' });
    let exp = exp.unsigned_abs().to_string();
    for _ in exp.len()..width {
        out.push('0');
    }
    out.push_str(&exp);
    out
}

fn decimal_form(digits: &str, point: i32, negative: bool) -> String {
    let mut out = String::with_capacity(digits.len() + 24);
    if negative {
        out.push('-');
    }
    if point <= 0 {
        out.push_str("0.");
        for _ in point..0 {
            out.push('0');
        }
        out.push_str(digits);
        return out;
    }
    let point = point as usize;
    if digits.len() <= point {
        out.push_str(digits);
        for _ in digits.len()..point {
            out.push('0');
        }
    } else {
        out.push_str(&digits[..point]);
        out.push('.');
        out.push_str(&digits[point..]);
    }
    out
}

/// The text `encoding/json` prints for a float64; `None` for infinities and NaN, which JSON does not have.
#[must_use]
pub fn format_json(x: f64) -> Option<String> {
    if !x.is_finite() {
        return None;
    }
    let (digits, point) = shortest(&format!("{:e}", x.abs()));
    let a = x.abs();
    Some(if a != 0.0 && !(1e-6..1e21).contains(&a) {
        exponent_form(&digits, point - 1, x.is_sign_negative(), 1)
    } else {
        decimal_form(&digits, point, x.is_sign_negative())
    })
}

/// What go-yaml prints for a float64: `format_g` with YAML's names for infinities and NaN.
#[must_use]
pub fn format_yaml(x: f64) -> String {
    if x.is_finite() {
        return format_g(x);
    }
    if x.is_nan() {
        ".nan".into()
    } else if x > 0.0 {
        ".inf".into()
    } else {
        "-.inf".into()
    }
}
