//! The formats of times: `time`, `date-time`, `duration`, `period`.

use crate::template::sprig;

use super::format::{fail, integer, leading_digits, odd};

pub(super) fn duration(s: &str) -> Result<(), String> {
    let Some(s) = s.strip_prefix('P') else { return fail("must start with P") };
    if s.is_empty() {
        return fail("nothing after P");
    }
    if let Some(weeks) = s.strip_suffix('W') {
        return match weeks {
            "" => fail("no number in week"),
            _ if weeks.bytes().all(|b| b.is_ascii_digit()) => Ok(()),
            _ => fail("invalid week"),
        };
    }
    for (i, mut part) in s.split('T').enumerate() {
        if i > 0 && part.is_empty() {
            return fail("no time elements");
        }
        let Some(all) = ["YMD", "HMS"].get(i) else { return fail("more than one T") };
        let mut units = *all;
        while !part.is_empty() {
            let digits = leading_digits(part);
            if digits == 0 {
                return fail("missing number");
            }
            let Some(unit) = part[digits..].chars().next() else { return fail("missing unit") };
            let Some(at) = units.find(unit) else {
                // Go looks at the byte.
                let first = char::from(part.as_bytes()[digits]);
                let order = all.contains(unit);
                return fail(match order {
                    true => format!("unit {} out of order", odd(first)),
                    false => format!("invalid unit {}", odd(first)),
                });
            };
            units = &units[at + 1..];
            part = &part[digits + 1..];
        }
    }
    Ok(())
}

pub(super) fn period(s: &str) -> Result<(), String> {
    let Some((start, end)) = s.split_once('/') else { return fail("missing slash") };
    let told = |which: &'static str| move |e: String| format!("invalid {which}: {e}");
    if start.starts_with('P') {
        duration(start).map_err(told("start duration"))?;
        return date_time(end).map_err(told("end date-time"));
    }
    date_time(start).map_err(told("start date-time"))?;
    if end.starts_with('P') {
        duration(end).map_err(told("end duration"))
    } else {
        date_time(end).map_err(told("end date-time"))
    }
}

/// `12:30`, `12:30:00` and the like: whole numbers between colons.
fn clock(s: &[u8], parts: usize, place: &str) -> Result<Vec<i64>, String> {
    let mut numbers = Vec::new();
    for part in s.splitn(parts, |b| *b == b':') {
        let text = String::from_utf8_lossy(part);
        let n = integer(&text).map_err(|_| format!("invalid {place}"))?;
        if n < 0 {
            return fail(format!("non-positive {place}"));
        }
        numbers.push(n);
    }
    Ok(numbers)
}

pub(super) fn time(s: &str) -> Result<(), String> {
    let s = s.as_bytes();
    if s.len() < 9 {
        return fail("less than 9 characters long");
    }
    if s[2] != b':' || s[5] != b':' {
        return fail("missing colon in correct place");
    }
    let [mut hour, mut minute, second] = clock(&s[..8], 3, "hour/min/sec")?[..] else {
        return fail("missing hour/min/sec");
    };
    if hour > 23 || minute > 59 || second > 60 {
        return fail("hour/min/sec out of range");
    }
    let mut rest = &s[8..];
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return fail("no digits in second fraction");
        }
        rest = &fraction[digits..];
    }
    if !matches!(rest, b"z" | b"Z") {
        if rest.len() != 6 {
            return fail("offset must be 6 characters long");
        }
        let sign = match rest[0] {
            b'+' => -1,
            b'-' => 1,
            _ => return fail("offset must begin with plus/minus"),
        };
        if rest[3] != b':' {
            return fail("missing colon in offset in correct place");
        }
        let [hours, minutes] = clock(&rest[1..], 2, "hour/min in offset")?[..] else {
            return fail("invalid hour/min in offset");
        };
        if hours > 23 || minutes > 59 {
            return fail("hour/min in offset out of range");
        }
        let universal = hour * 60 + minute + sign * (hours * 60 + minutes);
        let universal = if universal < 0 { universal + 24 * 60 } else { universal };
        (hour, minute) = (universal / 60, universal % 60);
    }
    if second >= 60 && (hour != 23 || minute != 59) {
        return fail("invalid leap second");
    }
    Ok(())
}

pub(super) fn date_time(s: &str) -> Result<(), String> {
    if s.len() < 20 {
        return fail("less than 20 characters long");
    }
    if !matches!(s.as_bytes()[10], b't' | b'T') {
        return fail("11th character must be t or T");
    }
    let date = s.get(..10).unwrap_or_default();
    if let Some(fault) = sprig::date_fault(date) {
        return fail(format!("invalid date element: {fault}"));
    }
    time(s.get(11..).unwrap_or_default()).map_err(|e| format!("invalid time element: {e}"))
}
