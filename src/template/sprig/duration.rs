//! Go's `time.Duration`: text in both directions, and Helm's `duration*` helpers.

use std::any::Any;
use std::rc::Rc;

use super::args::{A, Entry, F, FuncResult, I64, S, fixed};
use crate::template::error::FuncError;
use crate::template::func::Func;
use crate::template::types::{IntKind, Kind, Named, Type};
use crate::template::value::{Object, Value};
use crate::yaml::num;

static NAMED: Named =
    Named { name: "time.Duration", kind: Kind::Int(IntKind::I64), underlying: Some(Type::INT64) };
pub(super) const DURATION: Type = Type::Named(&NAMED);

/// A `time.Duration` in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Duration(pub(super) i64);

const SECOND: i64 = 1_000_000_000;

impl Duration {
    pub(super) fn value(self) -> Value {
        Value::Object(Rc::new(self))
    }

    /// The duration in a value, if it is one.
    pub(super) fn of(v: &Value) -> Option<Self> {
        match v {
            Value::Object(o) => o.as_any().downcast_ref::<Self>().copied(),
            _ => None,
        }
    }

    fn per(self, unit: i64) -> f64 {
        (self.0 / unit) as f64 + (self.0 % unit) as f64 / unit as f64
    }

    /// `Duration.String`: `1h2m3.5s`, `1.5ms`, `0s`.
    pub(super) fn text(self) -> String {
        let n = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let fraction = |n: u64, unit: u64| {
            let digits = format!("{:0width$}", n % unit, width = unit.ilog10() as usize);
            match digits.trim_end_matches('0') {
                "" => format!("{}", n / unit),
                digits => format!("{}.{digits}", n / unit),
            }
        };
        match n {
            0 => "0s".to_owned(),
            1..1_000 => format!("{sign}{n}ns"),
            1_000..1_000_000 => format!("{sign}{}µs", fraction(n, 1_000)),
            1_000_000..1_000_000_000 => format!("{sign}{}ms", fraction(n, 1_000_000)),
            _ => {
                let seconds = n / 1_000_000_000;
                let rest = fraction(n % 60_000_000_000, 1_000_000_000);
                match (seconds / 3600, seconds / 60 % 60) {
                    (0, 0) => format!("{sign}{rest}s"),
                    (0, m) => format!("{sign}{m}m{rest}s"),
                    (h, m) => format!("{sign}{h}h{m}m{rest}s"),
                }
            }
        }
    }

    /// `time.ParseDuration`.
    pub(super) fn parse(source: &str) -> Result<Self, String> {
        let invalid =
            || format!("time: invalid duration {}", crate::template::strconv::quote(source.as_bytes()));
        let (negative, mut rest) = match source.strip_prefix(['-', '+']) {
            Some(rest) => (source.starts_with('-'), rest),
            None => (false, source),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        let mut total = 0_u64;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            let (whole, after) = rest.split_at(end);
            let (fraction, after) = match after.strip_prefix('.') {
                Some(after) => {
                    after.split_at(after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len()))
                }
                None => ("", after),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let end = after.find(|c: char| c == '.' || c.is_ascii_digit()).unwrap_or(after.len());
            let (name, after) = after.split_at(end);
            let quoted = |s: &str| crate::template::strconv::quote(s.as_bytes());
            let unit: u64 = match name {
                "ns" => 1,
                "us" | "µs" | "μs" => 1_000,
                "ms" => 1_000_000,
                "s" => 1_000_000_000,
                "m" => 60_000_000_000,
                "h" => 3_600_000_000_000,
                "" => return Err(format!("time: missing unit in duration {}", quoted(source))),
                other => {
                    return Err(format!(
                        "time: unknown unit {} in duration {}",
                        quoted(other),
                        quoted(source)
                    ));
                }
            };
            let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().map_err(|_| invalid())? };
            let mut part = whole.checked_mul(unit).filter(|n| *n <= 1 << 63).ok_or_else(invalid)?;
            if !fraction.is_empty() {
                let (mut n, mut scale) = (0_u64, 1_f64);
                for digit in fraction.bytes().take(18) {
                    n = n * 10 + u64::from(digit - b'0');
                    scale *= 10.0;
                }
                let nanoseconds = n as f64 * (unit as f64 / scale);
                part += nanoseconds as u64;
            }
            total = total.checked_add(part).filter(|n| *n <= 1 << 63).ok_or_else(invalid)?;
            rest = after;
        }
        match (negative, i64::try_from(total)) {
            (false, Ok(n)) => Ok(Self(n)),
            (true, _) => Ok(Self(0_i64.wrapping_sub_unsigned(total))),
            (false, Err(_)) => Err(invalid()),
        }
    }

    /// `Duration.Round`: half away from zero.
    pub(super) fn round(self, to: Self) -> Self {
        if to.0 <= 0 {
            return self;
        }
        let rest = self.0 % to.0;
        let down = self.0 - rest;
        let up = rest.unsigned_abs() * 2 >= to.0.unsigned_abs();
        match (up, self.0 < 0) {
            (false, _) => Self(down),
            (true, true) => Self(down.checked_sub(to.0).unwrap_or(i64::MIN)),
            (true, false) => Self(down.checked_add(to.0).unwrap_or(i64::MAX)),
        }
    }
}

impl Object for Duration {
    fn go_type(&self) -> Type {
        DURATION
    }

    fn method(&self, name: &str) -> Option<Rc<Func>> {
        let this = *self;
        let (ty, value): (Type, Value) = match name {
            "String" => (S, this.text().into()),
            "Hours" => (F, this.per(3600 * SECOND).into()),
            "Minutes" => (F, this.per(60 * SECOND).into()),
            "Seconds" => (F, this.per(SECOND).into()),
            "Milliseconds" => (I64, Value::int64(this.0 / 1_000_000)),
            "Microseconds" => (I64, Value::int64(this.0 / 1_000)),
            "Nanoseconds" => (I64, Value::int64(this.0)),
            "Abs" => (DURATION, Self(this.0.checked_abs().unwrap_or(i64::MAX)).value()),
            "Round" | "Truncate" => {
                let round = name == "Round";
                return Some(Rc::new(Func::closure(name, fixed(&[DURATION], DURATION), move |_, a| {
                    let to = Self::of(&a[0]).unwrap_or(Self(0));
                    Ok(if round { this.round(to) } else { this.truncate(to) }.value())
                })));
            }
            _ => return None,
        };
        Some(Rc::new(Func::closure(name, fixed(&[], ty), move |_, _| Ok(value.clone()))))
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::int64(self.0))
    }

    fn string(&self) -> Option<String> {
        Some(self.text())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Duration {
    fn truncate(self, to: Self) -> Self {
        if to.0 <= 0 { self } else { Self(self.0 - self.0 % to.0) }
    }
}

fn from_float(seconds: f64) -> Result<Duration, String> {
    if !seconds.is_finite() {
        return Err(format!("invalid duration seconds: {}", num::format_g(seconds)));
    }
    let limit = i64::MAX as f64 / 1e9;
    if seconds.abs() > limit {
        return Err(format!("duration seconds overflow: {}", num::format_g(seconds)));
    }
    let nanoseconds = seconds * 1e9;
    Ok(Duration(nanoseconds as i64))
}

/// Helm's `asDuration`: durations, Go's duration texts, and numbers of seconds.
fn as_duration(v: &Value) -> Result<Duration, String> {
    if let Some(d) = Duration::of(v) {
        return Ok(d);
    }
    let overflow = |n: &dyn std::fmt::Display| format!("duration seconds overflow: {n}");
    match &*v.bare() {
        Value::Nil => Err("invalid duration".to_owned()),
        Value::Int(_, n) => n.checked_mul(SECOND).map(Duration).ok_or_else(|| overflow(n)),
        Value::Uint(_, n) => {
            let seconds = i64::try_from(*n).ok().and_then(|n| n.checked_mul(SECOND));
            seconds.map(Duration).ok_or_else(|| overflow(n))
        }
        Value::Float(f) => from_float(*f),
        Value::Float32(f) => from_float(f64::from(*f)),
        Value::Str(s) => {
            let trimmed = s.trim_matches(super::strings::is_space);
            if trimmed.is_empty() {
                return Err("empty duration".to_owned());
            }
            match (Duration::parse(trimmed), num::parse_float(trimmed)) {
                (Ok(d), _) => Ok(d),
                (Err(_), Some(f)) => from_float(f),
                (Err(_), None) => {
                    Err(format!("could not parse duration {}", crate::template::strconv::quote(s.as_bytes())))
                }
            }
        }
        _ => Err(format!("unsupported duration type {}", v.type_name())),
    }
}

fn or_zero(v: &Value) -> Duration {
    as_duration(v).unwrap_or(Duration(0))
}

fn to_multiple(a: &[Value], op: fn(Duration, Duration) -> Duration) -> FuncResult {
    let Ok(d) = as_duration(&a[0]) else { return Ok(Duration(0).value()) };
    Ok(as_duration(&a[1]).map_or(d, |m| op(d, m)).value())
}

/// sprig's `duration`: whole seconds as text or int64; everything else is 0.
fn duration(v: &Value) -> Duration {
    let seconds = match v {
        Value::Str(s) => s.parse::<i64>().unwrap_or(0),
        Value::Int(IntKind::I64, n) => *n,
        _ => 0,
    };
    Duration(seconds.wrapping_mul(SECOND))
}

/// sprig's `durationRound`: the largest unit that fits more than once.
pub(super) fn rounded(nanoseconds: i64) -> String {
    const HOUR: u64 = 3_600_000_000_000;
    let n = nanoseconds.unsigned_abs();
    for (unit, name) in [
        (HOUR * 24 * 365, "y"),
        (HOUR * 24 * 30, "mo"),
        (HOUR * 24, "d"),
        (HOUR, "h"),
        (HOUR / 60, "m"),
        (HOUR / 3600, "s"),
    ] {
        if n > unit {
            return format!("{}{name}", n / unit);
        }
    }
    "0s".to_owned()
}

pub(super) const TABLE: &[Entry] = &[
    ("duration", fixed(&[A], S), |_, a| Ok(duration(&a[0]).text().into())),
    ("mustToDuration", fixed(&[A], DURATION), |_, a| {
        as_duration(&a[0]).map(Duration::value).map_err(FuncError::from)
    }),
    ("durationSeconds", fixed(&[A], F), |_, a| Ok(or_zero(&a[0]).per(SECOND).into())),
    ("durationMilliseconds", fixed(&[A], I64), |_, a| Ok(Value::int64(or_zero(&a[0]).0 / 1_000_000))),
    ("durationMicroseconds", fixed(&[A], I64), |_, a| Ok(Value::int64(or_zero(&a[0]).0 / 1_000))),
    ("durationNanoseconds", fixed(&[A], I64), |_, a| Ok(Value::int64(or_zero(&a[0]).0))),
    ("durationMinutes", fixed(&[A], F), |_, a| Ok(or_zero(&a[0]).per(60 * SECOND).into())),
    ("durationHours", fixed(&[A], F), |_, a| Ok(or_zero(&a[0]).per(3600 * SECOND).into())),
    ("durationDays", fixed(&[A], F), |_, a| Ok((or_zero(&a[0]).per(3600 * SECOND) / 24.0).into())),
    ("durationWeeks", fixed(&[A], F), |_, a| Ok((or_zero(&a[0]).per(3600 * SECOND) / 24.0 / 7.0).into())),
    ("durationRoundTo", fixed(&[A, A], DURATION), |_, a| to_multiple(a, Duration::round)),
    ("durationTruncateTo", fixed(&[A, A], DURATION), |_, a| to_multiple(a, Duration::truncate)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_as_go_does() {
        for (source, shown) in [
            ("1h15m30.918s", "1h15m30.918s"),
            ("90m", "1h30m0s"),
            ("1500us", "1.5ms"),
            ("-1.5h", "-1h30m0s"),
            ("0", "0s"),
            ("100ns", "100ns"),
        ] {
            assert_eq!(Duration::parse(source).unwrap().text(), shown);
        }
        assert_eq!(Duration::parse("3x").unwrap_err(), "time: unknown unit \"x\" in duration \"3x\"");
        assert!(Duration::parse("1").unwrap_err().starts_with("time: missing unit"));
        assert_eq!(rounded(86_400_000_000_000 * 3), "3d");
    }
}
