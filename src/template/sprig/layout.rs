//! Go's time layouts: formatting, and reading texts by a layout with Go's errors.

use super::gotime::{DAYS, MONTHS, Time, Zone, days_from_civil, days_in};
use crate::template::strconv::quote;

/// One piece of a layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Std {
    LongMonth,
    Month,
    NumMonth,
    ZeroMonth,
    LongWeekDay,
    WeekDay,
    Day,
    UnderDay,
    ZeroDay,
    UnderYearDay,
    ZeroYearDay,
    Hour,
    Hour12,
    ZeroHour12,
    Minute,
    ZeroMinute,
    Second,
    ZeroSecond,
    LongYear,
    Year,
    Pm,
    PmLower,
    Tz,
    /// A numeric offset: `Z` for zero, colons, with minutes, with seconds.
    Offset {
        z: bool,
        colon: bool,
        minutes: bool,
        seconds: bool,
    },
    /// `.000`: that many digits.
    Fraction0(usize),
    /// `.999`: at most that many digits, zeros cut.
    Fraction9(usize),
}

const OFFSETS: [(&str, Std); 10] = {
    const fn o(z: bool, colon: bool, minutes: bool, seconds: bool) -> Std {
        Std::Offset { z, colon, minutes, seconds }
    }
    [
        ("-07:00:00", o(false, true, true, true)),
        ("-070000", o(false, false, true, true)),
        ("-07:00", o(false, true, true, false)),
        ("-0700", o(false, false, true, false)),
        ("-07", o(false, false, false, false)),
        ("Z07:00:00", o(true, true, true, true)),
        ("Z070000", o(true, false, true, true)),
        ("Z07:00", o(true, true, true, false)),
        ("Z0700", o(true, false, true, false)),
        ("Z07", o(true, false, false, false)),
    ]
};

/// The first piece of a layout: the text before it, the piece, its text, what follows.
fn next_chunk(layout: &str) -> Option<(&str, Std, &str, &str)> {
    let bytes = layout.as_bytes();
    for at in 0..bytes.len() {
        let rest = &bytes[at..];
        let found =
            |std: Std, len: usize| Some((&layout[..at], std, &layout[at..at + len], &layout[at + len..]));
        let starts = |s: &str| rest.starts_with(s.as_bytes());
        let lower_next = |n: usize| rest.get(n).is_some_and(u8::is_ascii_lowercase);
        match rest[0] {
            b'J' if starts("January") => return found(Std::LongMonth, 7),
            b'J' if starts("Jan") && !lower_next(3) => return found(Std::Month, 3),
            b'M' if starts("Monday") => return found(Std::LongWeekDay, 6),
            b'M' if starts("Mon") && !lower_next(3) => return found(Std::WeekDay, 3),
            b'M' if starts("MST") => return found(Std::Tz, 3),
            b'0' => match rest.get(1) {
                Some(b'1') => return found(Std::ZeroMonth, 2),
                Some(b'2') => return found(Std::ZeroDay, 2),
                Some(b'3') => return found(Std::ZeroHour12, 2),
                Some(b'4') => return found(Std::ZeroMinute, 2),
                Some(b'5') => return found(Std::ZeroSecond, 2),
                Some(b'6') => return found(Std::Year, 2),
                Some(b'0') if rest.get(2) == Some(&b'2') => return found(Std::ZeroYearDay, 3),
                _ => {}
            },
            b'1' if starts("15") => return found(Std::Hour, 2),
            b'1' => return found(Std::NumMonth, 1),
            b'2' if starts("2006") => return found(Std::LongYear, 4),
            b'2' => return found(Std::Day, 1),
            b'_' if starts("_2006") => {
                return Some((&layout[..=at], Std::LongYear, &layout[at + 1..at + 5], &layout[at + 5..]));
            }
            b'_' if starts("__2") => return found(Std::UnderYearDay, 3),
            b'_' if starts("_2") => return found(Std::UnderDay, 2),
            b'3' => return found(Std::Hour12, 1),
            b'4' => return found(Std::Minute, 1),
            b'5' => return found(Std::Second, 1),
            b'P' if starts("PM") => return found(Std::Pm, 2),
            b'p' if starts("pm") => return found(Std::PmLower, 2),
            b'-' | b'Z' => {
                if let Some((s, std)) = OFFSETS.iter().find(|(s, _)| starts(s)) {
                    return found(*std, s.len());
                }
            }
            b'.' | b',' => {
                if let Some(digit @ (b'0' | b'9')) = rest.get(1) {
                    let len = 1 + rest[1..].iter().take_while(|b| *b == digit).count();
                    if !rest.get(len).is_some_and(u8::is_ascii_digit) {
                        let std =
                            if *digit == b'0' { Std::Fraction0(len - 1) } else { Std::Fraction9(len - 1) };
                        return found(std, len);
                    }
                }
            }
            _ => {}
        }
    }
    None
}

/// `Time.Format`.
pub(super) fn format(time: &Time, layout: &str) -> String {
    let w = time.wall();
    let mut out = String::new();
    let mut rest = layout;
    let hour12 = if w.hour.is_multiple_of(12) { 12 } else { w.hour % 12 };
    let year = |width: usize| {
        if w.year < 0 { format!("-{:0width$}", -w.year) } else { format!("{:0width$}", w.year) }
    };
    while let Some((before, std, text, after)) = next_chunk(rest) {
        out.push_str(before);
        rest = after;
        let piece = match std {
            Std::Year => format!("{:02}", w.year.max(0) % 100),
            Std::LongYear => year(4),
            Std::LongMonth => MONTHS[w.month as usize - 1].to_owned(),
            Std::Month => MONTHS[w.month as usize - 1][..3].to_owned(),
            Std::NumMonth => w.month.to_string(),
            Std::ZeroMonth => format!("{:02}", w.month),
            Std::LongWeekDay => DAYS[w.week_day].to_owned(),
            Std::WeekDay => DAYS[w.week_day][..3].to_owned(),
            Std::Day => w.day.to_string(),
            Std::UnderDay => format!("{:2}", w.day),
            Std::ZeroDay => format!("{:02}", w.day),
            Std::UnderYearDay => format!("{:3}", w.year_day),
            Std::ZeroYearDay => format!("{:03}", w.year_day),
            Std::Hour => format!("{:02}", w.hour),
            Std::Hour12 => hour12.to_string(),
            Std::ZeroHour12 => format!("{hour12:02}"),
            Std::Minute => w.minute.to_string(),
            Std::ZeroMinute => format!("{:02}", w.minute),
            Std::Second => w.second.to_string(),
            Std::ZeroSecond => format!("{:02}", w.second),
            Std::Pm => if w.hour >= 12 { "PM" } else { "AM" }.to_owned(),
            Std::PmLower => if w.hour >= 12 { "pm" } else { "am" }.to_owned(),
            Std::Offset { z: true, .. } if w.offset == 0 => "Z".to_owned(),
            Std::Offset { colon, minutes, seconds, .. } => offset(w.offset, colon, minutes, seconds),
            // A zone without a name is shown as its offset.
            Std::Tz if w.zone.is_empty() => offset(w.offset, false, true, false),
            Std::Tz => w.zone.clone(),
            Std::Fraction0(digits) => format!("{}{}", &text[..1], fraction(time.nanoseconds, digits)),
            Std::Fraction9(digits) => match fraction(time.nanoseconds, digits).trim_end_matches('0') {
                "" => String::new(),
                digits => format!("{}{digits}", &text[..1]),
            },
        };
        out.push_str(&piece);
    }
    out.push_str(rest);
    out
}

fn fraction(nanoseconds: u32, digits: usize) -> String {
    let all = format!("{nanoseconds:09}");
    all.chars().chain(std::iter::repeat('0')).take(digits).collect()
}

fn offset(seconds: i64, colon: bool, minutes: bool, with_seconds: bool) -> String {
    let n = seconds.abs();
    let sign = if seconds < 0 { '-' } else { '+' };
    let sep = if colon { ":" } else { "" };
    let mut out = format!("{sign}{:02}", n / 3600);
    if minutes {
        out.push_str(&format!("{sep}{:02}", n / 60 % 60));
    }
    if with_seconds {
        out.push_str(&format!("{sep}{:02}", n % 60));
    }
    out
}

/// Reads digits from the front.
fn digits(value: &mut &str, fixed: bool) -> Option<i64> {
    let b = value.as_bytes();
    let two = b.len() >= 2 && b[0].is_ascii_digit() && b[1].is_ascii_digit();
    let len = match (two, fixed, b.first()) {
        (true, ..) => 2,
        (false, false, Some(d)) if d.is_ascii_digit() => 1,
        _ => return None,
    };
    let n = value[..len].parse().ok();
    *value = &value[len..];
    n
}

fn take<'a>(value: &mut &'a str, len: usize) -> Option<&'a str> {
    let head = value.get(..len)?;
    *value = &value[len..];
    Some(head)
}

/// The index of the name that the value starts with, whatever its case.
fn name(value: &mut &str, names: &[&str], short: bool) -> Option<i64> {
    let at = names.iter().position(|n| {
        let n = if short { &n[..3] } else { n };
        value.get(..n.len()).is_some_and(|head| head.eq_ignore_ascii_case(n))
    })?;
    let len = if short { 3 } else { names[at].len() };
    *value = &value[len..];
    Some(at as i64)
}

/// The length of a zone abbreviation, as Go's `parseTimeZone` accepts it.
fn zone_length(value: &str) -> Option<usize> {
    if value.len() < 3 {
        return None;
    }
    if value.starts_with("ChST") || value.starts_with("MeST") {
        return Some(4);
    }
    if let Some(rest) = value.strip_prefix("GMT") {
        return Some(3 + signed_hours(rest));
    }
    if value.starts_with(['+', '-']) {
        return Some(signed_hours(value)).filter(|n| *n > 0);
    }
    let b = value.as_bytes();
    match b.iter().take(6).take_while(|c| c.is_ascii_uppercase()).count() {
        5 if b[4] == b'T' => Some(5),
        4 if b[3] == b'T' || &b[..4] == b"WITA" => Some(4),
        3 => Some(3),
        _ => None,
    }
}

fn signed_hours(value: &str) -> usize {
    let Some(rest) = value.strip_prefix(['+', '-']) else { return 0 };
    let len = rest.bytes().take_while(u8::is_ascii_digit).count();
    match rest[..len].parse::<u32>() {
        Ok(n) if n <= 23 => 1 + len,
        _ => 0,
    }
}

#[derive(Default)]
struct Parts {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanoseconds: u32,
    pm: Option<bool>,
    utc: bool,
    offset: Option<i64>,
    zone: String,
}

/// Nanoseconds of `.ddd` (the point included) of that length.
fn nanoseconds(value: &mut &str, len: usize) -> Option<u32> {
    let text = take(value, len)?;
    let digits = text.strip_prefix(['.', ','])?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    format!("{digits:0<9}")[..9].parse().ok()
}

/// Why a piece did not fit.
enum Misfit {
    Bad,
    Range(&'static str),
}

fn check(n: Option<i64>, range: std::ops::Range<i64>, what: &'static str) -> Result<i64, Misfit> {
    let n = n.ok_or(Misfit::Bad)?;
    if range.contains(&n) { Ok(n) } else { Err(Misfit::Range(what)) }
}

fn read_offset(value: &mut &str, colon: bool, minutes: bool, seconds: bool) -> Result<i64, Misfit> {
    let sign = match take(value, 1) {
        Some("+") => 1,
        Some("-") => -1,
        _ => return Err(Misfit::Bad),
    };
    let mut part = |separated: bool, wanted: bool| -> Result<i64, Misfit> {
        if !wanted {
            return Ok(0);
        }
        if separated && take(value, 1) != Some(":") {
            return Err(Misfit::Bad);
        }
        digits(value, true).ok_or(Misfit::Bad)
    };
    let (h, m, s) = (part(false, true)?, part(colon, minutes)?, part(colon, seconds)?);
    check(Some(h), 0..25, "time zone offset hour")?;
    check(Some(m), 0..61, "time zone offset minute")?;
    check(Some(s), 0..61, "time zone offset second")?;
    Ok(sign * ((h * 60 + m) * 60 + s))
}

fn read_piece(std: Std, value: &mut &str, after: &str, p: &mut Parts) -> Result<(), Misfit> {
    match std {
        Std::Year => {
            let two = take(value, 2).filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
            let n: i64 = two.and_then(|t| t.parse().ok()).ok_or(Misfit::Bad)?;
            p.year = if n >= 69 { 1900 + n } else { 2000 + n };
        }
        Std::LongYear => {
            let four = take(value, 4).filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
            p.year = four.and_then(|t| t.parse().ok()).ok_or(Misfit::Bad)?;
        }
        Std::Month | Std::LongMonth => {
            p.month = Some(name(value, &MONTHS, std == Std::Month).ok_or(Misfit::Bad)? + 1);
        }
        Std::NumMonth | Std::ZeroMonth => {
            p.month = Some(check(digits(value, std == Std::ZeroMonth), 1..13, "month")?);
        }
        Std::WeekDay | Std::LongWeekDay => {
            name(value, &DAYS, std == Std::WeekDay).ok_or(Misfit::Bad)?;
        }
        Std::Day | Std::UnderDay | Std::ZeroDay => {
            if std == Std::UnderDay {
                *value = value.strip_prefix(' ').unwrap_or(value);
            }
            p.day = Some(digits(value, std == Std::ZeroDay).ok_or(Misfit::Bad)?);
        }
        Std::UnderYearDay | Std::ZeroYearDay => {
            if std == Std::UnderYearDay {
                *value = value.trim_start_matches(' ');
            }
            let len = value.bytes().take(3).take_while(u8::is_ascii_digit).count();
            if len == 0 || std == Std::ZeroYearDay && len != 3 {
                return Err(Misfit::Bad);
            }
            p.year_day = take(value, len).and_then(|t| t.parse().ok());
        }
        Std::Hour => p.hour = check(digits(value, false), 0..24, "hour")?,
        Std::Hour12 | Std::ZeroHour12 => {
            p.hour = check(digits(value, std == Std::ZeroHour12), 0..13, "hour")?;
        }
        Std::Minute | Std::ZeroMinute => {
            p.minute = check(digits(value, std == Std::ZeroMinute), 0..60, "minute")?;
        }
        Std::Second | Std::ZeroSecond => {
            p.second = check(digits(value, std == Std::ZeroSecond), 0..60, "second")?;
            // A fraction may follow even if the layout has none.
            let b = value.as_bytes();
            let follows = b.len() >= 2 && matches!(b[0], b'.' | b',') && b[1].is_ascii_digit();
            let declared = matches!(next_chunk(after), Some((_, Std::Fraction0(_) | Std::Fraction9(_), ..)));
            if follows && !declared {
                let len = 1 + b[1..].iter().take_while(|c| c.is_ascii_digit()).count();
                p.nanoseconds = nanoseconds(value, len).ok_or(Misfit::Bad)?;
            }
        }
        Std::Pm | Std::PmLower => {
            let words = if std == Std::Pm { ["AM", "PM"] } else { ["am", "pm"] };
            let word = take(value, 2).ok_or(Misfit::Bad)?;
            p.pm = Some(words.iter().position(|w| *w == word).ok_or(Misfit::Bad)? == 1);
        }
        Std::Offset { z: true, .. } if value.starts_with('Z') => {
            *value = &value[1..];
            p.utc = true;
        }
        Std::Offset { colon, minutes, seconds, .. } => {
            p.offset = Some(read_offset(value, colon, minutes, seconds)?);
        }
        Std::Tz if value.starts_with("UTC") => {
            *value = &value[3..];
            p.utc = true;
        }
        Std::Tz => {
            let len = zone_length(value).ok_or(Misfit::Bad)?;
            p.zone = take(value, len).ok_or(Misfit::Bad)?.to_owned();
        }
        Std::Fraction0(len) => p.nanoseconds = nanoseconds(value, len + 1).ok_or(Misfit::Bad)?,
        Std::Fraction9(_) => {
            let b = value.as_bytes();
            if b.len() >= 2 && matches!(b[0], b'.' | b',') && b[1].is_ascii_digit() {
                let len = 1 + b[1..].iter().take_while(|c| c.is_ascii_digit()).count();
                p.nanoseconds = nanoseconds(value, len).ok_or(Misfit::Bad)?;
            }
        }
    }
    Ok(())
}

/// `time.ParseInLocation(layout, value, UTC)`.
///
/// # Errors
/// Go's text, which names the piece of the layout that did not fit.
pub(super) fn parse(layout: &str, value: &str) -> Result<Time, String> {
    let fail = |element: &str, at: &str, message: &str| {
        let (layout, value) = (quote(layout.as_bytes()), quote(value.as_bytes()));
        if message.is_empty() {
            let (element, at) = (quote(element.as_bytes()), quote(at.as_bytes()));
            format!("parsing time {value} as {layout}: cannot parse {at} as {element}")
        } else {
            format!("parsing time {value}{message}")
        }
    };
    let mut p = Parts::default();
    let (mut format, mut rest) = (layout, value);
    loop {
        let chunk = next_chunk(format);
        let before = chunk.map_or(format, |c| c.0);
        rest = skip(rest, before).map_err(|at| fail(before, at, ""))?;
        let Some((_, std, text, after)) = chunk else {
            if !rest.is_empty() {
                return Err(fail("", rest, &format!(": extra text: {}", quote(rest.as_bytes()))));
            }
            break;
        };
        format = after;
        let hold = rest;
        match read_piece(std, &mut rest, after, &mut p) {
            Ok(()) => {}
            Err(Misfit::Bad) => return Err(fail(text, hold, "")),
            Err(Misfit::Range(what)) => return Err(fail(text, rest, &format!(": {what} out of range"))),
        }
    }
    match p.pm {
        Some(true) if p.hour < 12 => p.hour += 12,
        Some(false) if p.hour == 12 => p.hour = 0,
        _ => {}
    }
    let days = days(&p).map_err(|what| fail("", rest, what))?;
    let second = p.hour * 3600 + p.minute * 60 + p.second;
    let zone = match (p.utc, p.offset) {
        (true, _) => Zone::Utc,
        (false, Some(0)) if p.zone.is_empty() => Zone::Utc,
        (false, Some(offset)) => Zone::Fixed { name: p.zone, offset },
        (false, None) if p.zone.is_empty() => Zone::Utc,
        // An abbreviation alone has no known offset, except GMT+n.
        (false, None) => {
            let hours = p.zone.strip_prefix("GMT").and_then(|h| h.parse::<i64>().ok()).unwrap_or(0);
            Zone::Fixed { name: p.zone, offset: hours * 3600 }
        }
    };
    Ok(Time::date(days, second, p.nanoseconds, zone))
}

/// Go's `skip`: blanks of the layout match any number of blanks.
fn skip<'a>(mut value: &'a str, mut prefix: &str) -> Result<&'a str, &'a str> {
    while let Some(c) = prefix.chars().next() {
        if c == ' ' {
            if !value.is_empty() && !value.starts_with(' ') {
                return Err(value);
            }
            prefix = prefix.trim_start_matches(' ');
            value = value.trim_start_matches(' ');
            continue;
        }
        value = value.strip_prefix(c).ok_or(value)?;
        prefix = &prefix[c.len_utf8()..];
    }
    Ok(value)
}

fn days(p: &Parts) -> Result<i64, &'static str> {
    if let Some(n) = p.year_day {
        let leap = i64::from(days_in(2, p.year) - 28);
        if n < 1 || n > 365 + leap {
            return Err(": day-of-year out of range");
        }
        let days = days_from_civil(p.year, 1, 1) + n - 1;
        if let Some(month) = p.month {
            let (from, to) = (days_from_civil(p.year, month, 1), days_from_civil(p.year, month + 1, 1));
            if !(from..to).contains(&days) {
                return Err(": day-of-year does not match month");
            }
            if p.day.is_some_and(|d| from + d - 1 != days) {
                return Err(": day-of-year does not match day");
            }
        }
        return Ok(days);
    }
    let (month, day) = (p.month.unwrap_or(1), p.day.unwrap_or(1));
    if day < 1 || day > i64::from(days_in(u32::try_from(month).unwrap_or(1), p.year)) {
        return Err(": day out of range");
    }
    Ok(days_from_civil(p.year, month, day))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_and_read_by_layouts() {
        let t = Time::new(1_136_239_445, 123_456_000);
        assert_eq!(format(&t, "Mon Jan _2 15:04:05 2006 MST"), "Mon Jan  2 22:04:05 2006 UTC");
        assert_eq!(format(&t, "2006-01-02T15:04:05.999Z07:00"), "2006-01-02T22:04:05.123Z");
        let ny = t.within(Zone::load("America/New_York").unwrap());
        assert_eq!(format(&ny, "03:04PM -0700 MST 002"), "05:04PM -0500 EST 002");
        let read = parse("2006-01-02 15:04 -0700", "2024-02-29 23:59 +0130").unwrap();
        assert_eq!(format(&read.within(Zone::Utc), "2006-01-02T15:04:05Z"), "2024-02-29T22:29:00Z");
        assert_eq!(
            parse("2006-01-02", "2023-02-30").unwrap_err(),
            "parsing time \"2023-02-30\": day out of range"
        );
        assert_eq!(
            parse("2006-01-02", "x").unwrap_err(),
            "parsing time \"x\" as \"2006-01-02\": cannot parse \"x\" as \"2006\""
        );
    }
}
