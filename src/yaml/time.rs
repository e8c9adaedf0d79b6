//! Timestamps as go-yaml accepts them and `encoding/json` prints them.
//!
//! go-yaml tries four layouts with Go's `time.Parse`; this follows that parser, including one-digit fields, a comma
//! before the fraction and fractions of any length. The result is printed as Go's RFC 3339 with nanoseconds.

/// A parsed timestamp: fields as written, offset in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timestamp {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    nanos: u32,
    offset: i32,
}

/// Reads a timestamp in one of go-yaml's four layouts.
pub(crate) fn parse(text: &str) -> Option<Timestamp> {
    let s = text.as_bytes();
    if s.len() < 5 || !s[..4].iter().all(u8::is_ascii_digit) || s[4] != b'-' {
        return None;
    }
    let year = s[..4].iter().fold(0, |n, c| n * 10 + u32::from(c - b'0'));
    let (month, rest) = number(&s[5..])?;
    let (day, rest) = number(rest.strip_prefix(b"-")?)?;
    if !(1..=12).contains(&month) || day < 1 || day > days_in(month, year) {
        return None;
    }
    let mut t = Timestamp { year, month, day, hour: 0, minute: 0, second: 0, nanos: 0, offset: 0 };
    let Some((&separator, rest)) = rest.split_first() else { return Some(t) };
    if !matches!(separator, b'T' | b't' | b' ') {
        return None;
    }
    // A blank in the layout stands for any number of blanks, as in time.Parse.
    let rest = if separator == b' ' { rest.trim_ascii_start() } else { rest };
    let (hour, rest) = number(rest)?;
    let (minute, rest) = number(rest.strip_prefix(b":")?)?;
    let (second, rest) = number(rest.strip_prefix(b":")?)?;
    if hour >= 24 || minute >= 60 || second >= 60 {
        return None;
    }
    (t.hour, t.minute, t.second) = (hour, minute, second);
    let mut rest = rest;
    if rest.len() >= 2 && matches!(rest[0], b'.' | b',') && rest[1].is_ascii_digit() {
        let digits = rest[1..].iter().take_while(|c| c.is_ascii_digit()).count();
        t.nanos = (0..9).fold(0, |n, i| n * 10 + if i < digits { u32::from(rest[1 + i] - b'0') } else { 0 });
        rest = &rest[1 + digits..];
    }
    if separator == b' ' {
        return rest.is_empty().then_some(t);
    }
    match rest {
        b"Z" => Some(t),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] => {
            let two = |a: &u8, b: &u8| match (a.is_ascii_digit(), b.is_ascii_digit()) {
                (true, true) => Some(u32::from(a - b'0') * 10 + u32::from(b - b'0')),
                _ => None,
            };
            let (hours, minutes) = (two(h1, h2)?, two(m1, m2)?);
            if hours > 24 || minutes > 60 {
                return None;
            }
            let seconds = (hours * 3600 + minutes * 60) as i32;
            t.offset = if *sign == b'-' { -seconds } else { seconds };
            Some(t)
        }
        _ => None,
    }
}

/// One or two digits.
fn number(s: &[u8]) -> Option<(u32, &[u8])> {
    let digit = |i: usize| s.get(i).filter(|c| c.is_ascii_digit()).map(|c| u32::from(c - b'0'));
    let first = digit(0)?;
    Some(match digit(1) {
        Some(second) => (first * 10 + second, &s[2..]),
        None => (first, &s[1..]),
    })
}

fn days_in(month: u32, year: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// What `encoding/json` makes of it, without the quotes: RFC 3339, trailing zeros of the fraction dropped.
///
/// # Errors
/// Go's own text if the zone's hours do not fit.
pub(crate) fn to_json(t: &Timestamp) -> Result<String, String> {
    use std::fmt::Write as _;
    if t.offset.unsigned_abs() >= 24 * 3600 {
        return Err("json: error calling MarshalJSON for type time.Time: Time.MarshalJSON: timezone hour outside of range [0,23]".into());
    }
    let mut out =
        format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}", t.year, t.month, t.day, t.hour, t.minute, t.second);
    if t.nanos != 0 {
        let fraction = format!("{:09}", t.nanos);
        let _ = write!(out, ".{}", fraction.trim_end_matches('0'));
    }
    if t.offset == 0 {
        out.push('Z');
    } else {
        let a = t.offset.unsigned_abs() / 60;
        let _ = write!(out, "{}{:02}:{:02}", if t.offset < 0 { '-' } else { '+' }, a / 60, a % 60);
    }
    Ok(out)
}
