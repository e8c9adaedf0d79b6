//! `strconv.ParseInt`, `ParseUint` and `ParseFloat`.

/// Why a text is not a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Not a number at all.
    #[error("invalid syntax")]
    Syntax,
    /// A number that does not fit; the parse functions give the nearest one that does along with it.
    #[error("value out of range")]
    Range,
}

/// `strconv.ParseUint(text, base, 64)`. Base 0 takes the base from the prefix and allows underscores.
///
/// # Errors
/// See [`NumberError`].
pub fn parse_uint(text: &str, base: u32) -> Result<u64, NumberError> {
    let mut digits = text;
    let mut radix = base;
    if base == 0 {
        radix = 10;
        let bytes = text.as_bytes();
        if bytes.first() == Some(&b'0') {
            let prefix = if bytes.len() >= 3 { bytes[1].to_ascii_lowercase() } else { 0 };
            (radix, digits) = match prefix {
                b'b' => (2, &text[2..]),
                b'o' => (8, &text[2..]),
                b'x' => (16, &text[2..]),
                _ => (8, &text[1..]),
            };
        }
    }
    if text.is_empty() {
        return Err(NumberError::Syntax);
    }
    let mut n: u64 = 0;
    let mut underscores = false;
    for b in digits.bytes() {
        if b == b'_' && base == 0 {
            underscores = true;
            continue;
        }
        let digit = char::from(b).to_digit(36).filter(|&d| d < radix).ok_or(NumberError::Syntax)?;
        n = n
            .checked_mul(radix.into())
            .and_then(|n| n.checked_add(digit.into()))
            .ok_or(NumberError::Range)?;
    }
    if underscores && !underscores_fit(text) {
        return Err(NumberError::Syntax);
    }
    Ok(n)
}

/// `strconv.ParseInt(text, base, 64)`.
///
/// # Errors
/// See [`NumberError`].
pub fn parse_int(text: &str, base: u32) -> Result<i64, NumberError> {
    let (negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let n = parse_uint(digits, base)?;
    if negative {
        if n > 1 << 63 { Err(NumberError::Range) } else { Ok((n as i64).wrapping_neg()) }
    } else {
        i64::try_from(n).map_err(|_| NumberError::Range)
    }
}

/// `strconv.ParseFloat(text, 64)`: decimal and hexadecimal forms, underscores, `inf`, `infinity`, `nan` in any case.
///
/// # Errors
/// [`NumberError::Range`] if the number is too large; see [`NumberError`].
pub fn parse_float(text: &str) -> Result<f64, NumberError> {
    let (negative, body) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let signed = |f: f64| if negative { -f } else { f };
    let lower = body.to_ascii_lowercase();
    match lower.as_str() {
        "inf" | "infinity" => return Ok(signed(f64::INFINITY)),
        "nan" if body.len() == text.len() => return Ok(f64::NAN),
        _ => {}
    }
    if lower.contains('_') && !underscores_fit(text) {
        return Err(NumberError::Syntax);
    }
    let plain = lower.replace('_', "");
    let value = if let Some(hex) = plain.strip_prefix("0x") {
        hex_float(hex)?
    } else {
        let mut parts = plain.splitn(2, 'e');
        let mantissa = parts.next().unwrap_or_default();
        let exponent = parts.next();
        let digits = mantissa.bytes().filter(u8::is_ascii_digit).count();
        let rest = mantissa.len() - digits;
        let exponent_fits = exponent.is_none_or(|e| {
            let e = e.strip_prefix(['+', '-']).unwrap_or(e);
            !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit())
        });
        if digits == 0 || rest > usize::from(mantissa.contains('.')) || !exponent_fits {
            return Err(NumberError::Syntax);
        }
        plain.parse::<f64>().map_err(|_| NumberError::Syntax)?
    };
    if value.is_infinite() { Err(NumberError::Range) } else { Ok(signed(value)) }
}

/// A hexadecimal float without its `0x`: the binary exponent is required. Rounded to nearest, halves to even.
fn hex_float(text: &str) -> Result<f64, NumberError> {
    let (mantissa, exponent) = text.split_once('p').ok_or(NumberError::Syntax)?;
    let magnitude = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if magnitude.is_empty() || !magnitude.bytes().all(|b| b.is_ascii_digit()) {
        return Err(NumberError::Syntax);
    }
    let magnitude = magnitude.parse::<i32>().unwrap_or(100_000).min(100_000);
    let mut exponent = if exponent.starts_with('-') { -magnitude } else { magnitude };
    let (mut bits, mut lost, mut after_point, mut seen) = (0_u64, false, false, false);
    for b in mantissa.bytes() {
        if b == b'.' && !after_point {
            after_point = true;
            continue;
        }
        let digit = u64::from(char::from(b).to_digit(16).ok_or(NumberError::Syntax)?);
        seen = true;
        if bits >> 60 == 0 {
            bits = bits << 4 | digit;
            exponent -= if after_point { 4 } else { 0 };
        } else {
            lost |= digit != 0;
            exponent += if after_point { 0 } else { 4 };
        }
    }
    if !seen {
        return Err(NumberError::Syntax);
    }
    if bits == 0 {
        return Ok(0.0);
    }
    let shift = bits.leading_zeros();
    bits <<= shift;
    exponent -= shift.cast_signed();
    // The value is bits * 2^exponent with the top bit set: 53 bits fit a double, fewer if it is subnormal.
    let keep = (53.min(1138 + exponent)).clamp(0, 53);
    let drop = (64 - keep).cast_unsigned();
    let mut kept = if drop == 64 { 0 } else { bits >> drop };
    let rest = if drop == 64 { bits } else { bits & ((1 << drop) - 1) };
    let half = 1_u64 << (drop - 1);
    if rest > half || (rest == half && (lost || kept & 1 == 1)) {
        kept += 1;
    }
    let mut value = kept as f64;
    let mut scale = exponent + drop.cast_signed();
    while scale != 0 {
        let step = scale.clamp(-1000, 1000);
        value *= 2_f64.powi(step);
        scale -= step;
        if value == 0.0 || value.is_infinite() {
            break;
        }
    }
    Ok(value)
}

/// Underscores may stand between digits, and once after a base prefix.
fn underscores_fit(text: &str) -> bool {
    let text = text.strip_prefix(['+', '-']).unwrap_or(text).as_bytes();
    let prefix = if text.len() >= 2 && text[0] == b'0' { text[1].to_ascii_lowercase() } else { 0 };
    let (start, mut last) = if matches!(prefix, b'b' | b'o' | b'x') { (2, b'0') } else { (0, b'^') };
    for &b in &text[start..] {
        if b.is_ascii_digit() || (prefix == b'x' && b.is_ascii_hexdigit()) {
            last = b'0';
        } else if b == b'_' {
            if last != b'0' {
                return false;
            }
            last = b'_';
        } else {
            if last == b'_' {
                return false;
            }
            last = b'!';
        }
    }
    last != b'_'
}
