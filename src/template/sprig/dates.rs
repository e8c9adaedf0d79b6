//! Dates: the time that `now` gives is the host's, so that a render can be repeated.

use super::args::{A, Entry, FuncResult, S, fixed, text};
use super::duration::{Duration, rounded};
use super::gotime::{TIME, Time, ZERO, Zone};
use super::host::Host;
use super::layout;
use crate::template::exec::Exec;
use crate::template::types::{IntKind, Type};
use crate::template::value::Value;

fn now(exec: &Exec) -> Time {
    let (seconds, nanoseconds) = exec.host::<Host>().map_or((0, 0), Host::time);
    Time::new(seconds, nanoseconds)
}

fn in_zone(exec: &Exec, layout: &str, date: &Value, zone: &str) -> Value {
    let time = match date {
        Value::Int(IntKind::Int | IntKind::I64 | IntKind::I32, n) => Time::new(*n, 0),
        other => Time::of(other).unwrap_or_else(|| now(exec)),
    };
    let zone = Zone::load(zone).unwrap_or(Zone::Utc);
    layout::format(&time.within(zone), layout).into()
}

fn time_of(v: &Value) -> Time {
    Time::of(v).unwrap_or_else(|| Time::new(ZERO, 0))
}

fn modify(_: &mut Exec, a: &[Value]) -> FuncResult {
    Ok(Duration::parse(&text(&a[0])).map_or_else(|_| a[1].clone(), |d| time_of(&a[1]).add(d).value()))
}

fn must_modify(_: &mut Exec, a: &[Value]) -> FuncResult {
    Ok(time_of(&a[1]).add(Duration::parse(&text(&a[0]))?).value())
}

fn ago(exec: &mut Exec, a: &[Value]) -> FuncResult {
    let now = now(exec);
    let time = match &a[0] {
        Value::Int(IntKind::Int | IntKind::I64, n) => Time::new(*n, 0),
        other => Time::of(other).unwrap_or_else(|| now.clone()),
    };
    Ok(now.since(&time).round(Duration(1_000_000_000)).text().into())
}

fn duration_round(exec: &mut Exec, a: &[Value]) -> FuncResult {
    let nanoseconds = match &a[0] {
        Value::Str(s) => Duration::parse(s).map_or(0, |d| d.0),
        Value::Int(IntKind::I64, n) => *n,
        other => Time::of(other).map_or(0, |t| now(exec).since(&t).0),
    };
    Ok(rounded(nanoseconds).into())
}

const DAY: &str = "2006-01-02";
const DATED: &[Type] = &[S, TIME];

pub(super) const TABLE: &[Entry] = &[
    ("now", fixed(&[], TIME), |x, _| Ok(now(x).value())),
    ("ago", fixed(&[A], S), ago),
    ("date", fixed(&[S, A], S), |x, a| Ok(in_zone(x, &text(&a[0]), &a[1], "Local"))),
    ("dateInZone", fixed(&[S, A, S], S), |x, a| Ok(in_zone(x, &text(&a[0]), &a[1], &text(&a[2])))),
    ("date_in_zone", fixed(&[S, A, S], S), |x, a| Ok(in_zone(x, &text(&a[0]), &a[1], &text(&a[2])))),
    ("htmlDate", fixed(&[A], S), |x, a| Ok(in_zone(x, DAY, &a[0], "Local"))),
    ("htmlDateInZone", fixed(&[A, S], S), |x, a| Ok(in_zone(x, DAY, &a[0], &text(&a[1])))),
    ("dateModify", fixed(DATED, TIME), modify),
    ("date_modify", fixed(DATED, TIME), modify),
    ("mustDateModify", fixed(DATED, TIME), must_modify),
    ("must_date_modify", fixed(DATED, TIME), must_modify),
    ("durationRound", fixed(&[A], S), duration_round),
    ("toDate", fixed(&[S, S], TIME), |_, a| {
        let read = layout::parse(&text(&a[0]), &text(&a[1]));
        Ok(read.unwrap_or_else(|_| Time::new(ZERO, 0)).value())
    }),
    ("mustToDate", fixed(&[S, S], TIME), |_, a| Ok(layout::parse(&text(&a[0]), &text(&a[1]))?.value())),
    ("unixEpoch", fixed(&[TIME], S), |_, a| Ok(time_of(&a[0]).seconds.to_string().into())),
];
