//! Go's `time.Time` with its layouts, as an object that templates can ask.
//!
//! Zones come from the tz database that is compiled in; "Local" is UTC, because a render must not depend on where it runs.

use std::any::Any;
use std::cmp::Ordering;
use std::rc::Rc;

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneDatabase};

use super::args::{B, I, I64, S, fixed, int, text};
use super::duration::{DURATION, Duration};
use crate::template::func::Func;
use crate::template::types::{IntKind, Kind, Named, Type};
use crate::template::value::{Object, Value};

static NAMED: Named = Named { name: "time.Time", kind: Kind::Struct, underlying: None };
pub(super) const TIME: Type = Type::Named(&NAMED);
static MONTH: Named =
    Named { name: "time.Month", kind: Kind::Int(IntKind::Int), underlying: Some(Type::INT) };
static WEEKDAY: Named =
    Named { name: "time.Weekday", kind: Kind::Int(IntKind::Int), underlying: Some(Type::INT) };

pub(super) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(super) const DAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// A zone: of the database, or a fixed offset with the name that a text gave it.
#[derive(Clone, Debug)]
pub(super) enum Zone {
    Utc,
    Named(TimeZone),
    Fixed { name: String, offset: i64 },
}

/// A moment and the zone to show it in.
#[derive(Clone, Debug)]
pub(super) struct Time {
    /// Seconds since the Unix epoch.
    pub(super) seconds: i64,
    pub(super) nanoseconds: u32,
    pub(super) zone: Zone,
}

/// What a clock on the wall in the time's zone shows.
pub(super) struct Wall {
    pub(super) year: i64,
    pub(super) month: u32,
    pub(super) day: u32,
    pub(super) year_day: u32,
    pub(super) week_day: usize,
    pub(super) hour: u32,
    pub(super) minute: u32,
    pub(super) second: u32,
    pub(super) offset: i64,
    pub(super) zone: String,
}

/// Go's zero time: year 1.
pub(super) const ZERO: i64 = -62_135_596_800;

/// Days since the epoch of a day in the proleptic Gregorian calendar; the month may be outside 1 to 12.
pub(super) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, small(month), small(day))
}

fn small(n: i64) -> u32 {
    u32::try_from(n).unwrap_or(0)
}

pub(super) fn days_in(month: u32, year: i64) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Zone {
    /// `time.LoadLocation`.
    pub(super) fn load(name: &str) -> Option<Self> {
        match name {
            "" | "UTC" | "Local" => Some(Self::Utc),
            _ if name.contains("..") || name.starts_with(['/', '\\']) => None,
            _ => TimeZoneDatabase::bundled().get(name).ok().map(Self::Named),
        }
    }

    fn at(&self, seconds: i64) -> (i64, String) {
        match self {
            Self::Utc => (0, "UTC".to_owned()),
            Self::Fixed { name, offset } => (*offset, name.clone()),
            Self::Named(zone) => {
                let bounded = seconds.clamp(Timestamp::MIN.as_second(), Timestamp::MAX.as_second());
                let info = Timestamp::from_second(bounded).map(|t| {
                    let info = zone.to_offset_info(t);
                    (i64::from(info.offset().seconds()), info.abbreviation().to_owned())
                });
                info.unwrap_or((0, "UTC".to_owned()))
            }
        }
    }
}

impl Time {
    pub(super) fn new(seconds: i64, nanoseconds: u32) -> Self {
        Self { seconds, nanoseconds, zone: Zone::Utc }
    }

    /// `time.Date` in a zone; a wall clock time that a zone skips or repeats is resolved as Go does, by the offset before.
    pub(super) fn date(days: i64, second_of_day: i64, nanoseconds: u32, zone: Zone) -> Self {
        let local = days * 86_400 + second_of_day;
        let (offset, _) = zone.at(local);
        let mut seconds = local - offset;
        let (then, _) = zone.at(seconds);
        if then != offset {
            let other = local - then;
            if zone.at(other).0 == then {
                seconds = other;
            }
        }
        Self { seconds, nanoseconds, zone }
    }

    pub(super) fn value(self) -> Value {
        Value::Object(Rc::new(self))
    }

    /// The time in a value, if it is one.
    pub(super) fn of(v: &Value) -> Option<Self> {
        match v {
            Value::Object(o) => o.as_any().downcast_ref::<Self>().cloned(),
            _ => None,
        }
    }

    pub(super) fn within(mut self, zone: Zone) -> Self {
        self.zone = zone;
        self
    }

    pub(super) fn wall(&self) -> Wall {
        let (offset, zone) = self.zone.at(self.seconds);
        let local = self.seconds + offset;
        let (days, second) = (local.div_euclid(86_400), local.rem_euclid(86_400));
        let (year, month, day) = civil_from_days(days);
        Wall {
            year,
            month,
            day,
            year_day: small(days - days_from_civil(year, 1, 1) + 1),
            week_day: (days + 4).rem_euclid(7) as usize,
            hour: small(second / 3600),
            minute: small(second / 60 % 60),
            second: small(second % 60),
            offset,
            zone,
        }
    }

    pub(super) fn add(&self, d: Duration) -> Self {
        let total = i64::from(self.nanoseconds) + d.0 % 1_000_000_000;
        let seconds = self.seconds + d.0 / 1_000_000_000 + total.div_euclid(1_000_000_000);
        Self { seconds, nanoseconds: small(total.rem_euclid(1_000_000_000)), zone: self.zone.clone() }
    }

    pub(super) fn since(&self, earlier: &Self) -> Duration {
        let n = i128::from(self.seconds - earlier.seconds) * 1_000_000_000 + i128::from(self.nanoseconds)
            - i128::from(earlier.nanoseconds);
        Duration(i64::try_from(n).unwrap_or(if n < 0 { i64::MIN } else { i64::MAX }))
    }

    fn add_date(&self, years: i64, months: i64, days: i64) -> Self {
        let w = self.wall();
        let day = days_from_civil(w.year + years, i64::from(w.month) + months, i64::from(w.day) + days);
        let second = i64::from(w.hour) * 3600 + i64::from(w.minute) * 60 + i64::from(w.second);
        Self::date(day, second, self.nanoseconds, self.zone.clone())
    }

    fn order(&self, other: &Self) -> Ordering {
        (self.seconds, self.nanoseconds).cmp(&(other.seconds, other.nanoseconds))
    }
}

/// A `time.Month` or `time.Weekday`.
struct Named12(&'static Named, i64, &'static str);

impl Object for Named12 {
    fn go_type(&self) -> Type {
        Type::Named(self.0)
    }
    fn method(&self, name: &str) -> Option<Rc<Func>> {
        let shown = self.2;
        (name == "String").then(|| Rc::new(Func::closure(name, fixed(&[], S), move |_, _| Ok(shown.into()))))
    }
    fn underlying(&self) -> Option<Value> {
        Some(Value::int(self.1))
    }
    fn string(&self) -> Option<String> {
        Some(self.2.to_owned())
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Object for Time {
    fn go_type(&self) -> Type {
        TIME
    }

    fn method(&self, name: &str) -> Option<Rc<Func>> {
        let this = self.clone();
        let nanoseconds = |unit: i64| {
            let fraction = i64::from(self.nanoseconds) / (1_000_000_000 / unit);
            Value::int64(self.seconds.wrapping_mul(unit).wrapping_add(fraction))
        };
        let w = self.wall();
        let month = || MONTHS[w.month as usize - 1];
        let (ty, value): (Type, Value) = match name {
            "Unix" => (I64, Value::int64(self.seconds)),
            "UnixMilli" => (I64, nanoseconds(1_000)),
            "UnixMicro" => (I64, nanoseconds(1_000_000)),
            "UnixNano" => (I64, nanoseconds(1_000_000_000)),
            "Year" => (I, Value::int(w.year)),
            "Month" => {
                let month = Named12(&MONTH, i64::from(w.month), month());
                (Type::Named(&MONTH), Value::Object(Rc::new(month)))
            }
            "Weekday" => {
                let day = Named12(&WEEKDAY, w.week_day as i64, DAYS[w.week_day]);
                (Type::Named(&WEEKDAY), Value::Object(Rc::new(day)))
            }
            "Day" => (I, Value::int(w.day.into())),
            "YearDay" => (I, Value::int(w.year_day.into())),
            "Hour" => (I, Value::int(w.hour.into())),
            "Minute" => (I, Value::int(w.minute.into())),
            "Second" => (I, Value::int(w.second.into())),
            "Nanosecond" => (I, Value::int(self.nanoseconds.into())),
            "IsZero" => (B, (self.seconds == ZERO && self.nanoseconds == 0).into()),
            "UTC" | "Local" => (TIME, this.within(Zone::Utc).value()),
            "String" => (S, this.text().into()),
            "Format" => {
                return Some(Rc::new(Func::closure(name, fixed(&[S], S), move |_, a| {
                    Ok(super::layout::format(&this, &text(&a[0])).into())
                })));
            }
            "Add" => {
                return Some(Rc::new(Func::closure(name, fixed(&[DURATION], TIME), move |_, a| {
                    Ok(this.add(Duration::of(&a[0]).unwrap_or(Duration(0))).value())
                })));
            }
            "AddDate" => {
                return Some(Rc::new(Func::closure(name, fixed(&[I, I, I], TIME), move |_, a| {
                    const MOST: i64 = 1_000_000;
                    let n: Vec<i64> = a.iter().map(|v| int(v).clamp(-MOST, MOST)).collect();
                    Ok(this.add_date(n[0], n[1], n[2]).value())
                })));
            }
            "Sub" | "Before" | "After" | "Equal" => {
                let name = name.to_owned();
                let result = if name == "Sub" { DURATION } else { B };
                return Some(Rc::new(Func::closure(&name.clone(), fixed(&[TIME], result), move |_, a| {
                    let other = Self::of(&a[0]).ok_or(super::args::NIL_POINTER)?;
                    Ok(match &*name {
                        "Sub" => this.since(&other).value(),
                        "Before" => this.order(&other).is_lt().into(),
                        "After" => this.order(&other).is_gt().into(),
                        _ => this.order(&other).is_eq().into(),
                    })
                })));
            }
            _ => return None,
        };
        Some(Rc::new(Func::closure(name, fixed(&[], ty), move |_, _| Ok(value.clone()))))
    }

    fn string(&self) -> Option<String> {
        Some(self.text())
    }

    fn json(&self) -> Option<Value> {
        Some(super::layout::format(self, "2006-01-02T15:04:05.999999999Z07:00").into())
    }

    fn equals(&self, other: &dyn Object) -> bool {
        other.as_any().downcast_ref::<Self>().is_some_and(|o| self.order(o).is_eq())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Time {
    /// `Time.String`, without the monotonic clock reading that Go appends to the current time.
    fn text(&self) -> String {
        super::layout::format(self, "2006-01-02 15:04:05.999999999 -0700 MST")
    }
}
