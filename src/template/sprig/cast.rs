//! spf13/cast 1.7 as sprig's numbers use it: whatever cannot be converted is 0.

use crate::template::value::Value;
use crate::yaml::num;

/// `cast.ToInt64`, which is also `cast.ToInt` on 64-bit machines.
pub(super) fn to_int(v: &Value) -> i64 {
    match v {
        Value::Bool(b) => i64::from(*b),
        Value::Int(_, n) => *n,
        Value::Uint(_, n) => *n as i64,
        Value::Float(f) => float_to_int(*f),
        Value::Float32(f) => float_to_int(f64::from(*f)),
        Value::Str(s) => parse_int(trim_zero_decimal(s)).unwrap_or(0),
        _ => 0,
    }
}

/// `cast.ToFloat64`.
pub(super) fn to_float(v: &Value) -> f64 {
    match v {
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Int(_, n) => *n as f64,
        Value::Uint(_, n) => *n as f64,
        Value::Float(f) => *f,
        Value::Float32(f) => f64::from(*f),
        Value::Str(s) => num::parse_float(s).unwrap_or(0.0),
        _ => 0.0,
    }
}

/// Go's conversion on amd64: out of range and NaN give the smallest integer.
fn float_to_int(f: f64) -> i64 {
    if f >= -9_223_372_036_854_775_808.0 && f < 9_223_372_036_854_775_808.0 { f as i64 } else { i64::MIN }
}

/// `strconv.ParseInt(s, 0, 64)`: base by prefix, underscores between digits.
fn parse_int(s: &str) -> Option<i64> {
    if !s.contains('_') {
        return num::parse_int(s, 0);
    }
    // An underscore stands between digits or after a base prefix, and only where there is a prefix or a leading zero.
    let digits = s.strip_prefix(['+', '-']).unwrap_or(s).as_bytes();
    let prefixed = digits.len() > 1 && digits[0] == b'0' && matches!(digits[1] | 0x20, b'b' | b'o' | b'x');
    let start = if prefixed { 2 } else { 0 };
    let alone = |at: usize| {
        let before = at.checked_sub(1).map(|b| digits[b]);
        let after = digits.get(at + 1);
        let opens = prefixed && at == start;
        (opens || before.is_some_and(|b| b.is_ascii_hexdigit())) && after.is_some_and(u8::is_ascii_hexdigit)
    };
    let fits = (start..digits.len()).filter(|at| digits[*at] == b'_').all(alone);
    if fits { num::parse_int(&s.replace('_', ""), 0) } else { None }
}

/// A trailing `.0…` is dropped.
fn trim_zero_decimal(s: &str) -> &str {
    let kept = s.trim_end_matches('0');
    match kept.strip_suffix('.') {
        Some(whole) if kept.len() < s.len() => whole,
        _ => s,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_become_integers_by_their_prefix() {
        for (text, n) in [
            ("010", 8),
            ("08", 0),
            ("0x1f", 31),
            ("12.000", 12),
            ("12.", 0),
            ("1_000", 1000),
            ("-3", -3),
            ("", 0),
        ] {
            assert_eq!(to_int(&Value::str(text)), n, "{text}");
        }
        assert_eq!(to_int(&Value::Float(-3.9)), -3);
    }
}
