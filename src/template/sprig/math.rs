//! Numbers: integers are int64 after spf13/cast, floats with decimals go through shopspring/decimal.

use super::args::{A, Entry, F, FuncResult, I, I64, S, display, fixed, int, text, variadic};
use super::cast::{to_float, to_int};
use super::decimal::Decimal;
use crate::template::exec::Exec;
use crate::template::types::Type;
use crate::template::value::Value;

/// The most numbers that `until`, `untilStep` and `seq` give.
const MOST: i64 = 10_000_000;

fn steps(exec: &mut Exec, start: i64, stop: i64, step: i64) -> Result<Vec<i64>, crate::template::FuncError> {
    let ends = (stop < start) == (step < 0) && step != 0;
    if !ends {
        return Ok(Vec::new());
    }
    let count = stop.abs_diff(start).div_ceil(step.unsigned_abs());
    if count > MOST.unsigned_abs() {
        return Err(format!("{count} numbers are more than the limit of {MOST}").into());
    }
    exec.charge(count)?;
    let numbers = (0..count).scan(start, |n, _| {
        let this = *n;
        *n = n.wrapping_add(step);
        Some(this)
    });
    Ok(numbers.collect())
}

fn ints(numbers: Vec<i64>) -> Value {
    Value::typed_list(Type::INTS, numbers.into_iter().map(Value::int).collect())
}

fn until(exec: &mut Exec, a: &[Value]) -> FuncResult {
    let count = int(&a[0]);
    Ok(ints(steps(exec, 0, count, if count < 0 { -1 } else { 1 })?))
}

fn until_step(exec: &mut Exec, a: &[Value]) -> FuncResult {
    Ok(ints(steps(exec, int(&a[0]), int(&a[1]), int(&a[2]))?))
}

fn seq(exec: &mut Exec, a: &[Value]) -> FuncResult {
    let n: Vec<i64> = a.iter().map(int).collect();
    let (start, end, step, increment) = match n[..] {
        [end] if end < 1 => (1, end, -1, -1),
        [end] => (1, end, 1, 1),
        [start, end] if end < start => (start, end, -1, -1),
        [start, end] => (start, end, 1, 1),
        [start, step, end] if end < start => {
            if step > 0 {
                return Ok("".into());
            }
            (start, end, step, -1)
        }
        [start, step, end] => (start, end, step, 1),
        _ => return Ok("".into()),
    };
    let numbers = steps(exec, start, end.wrapping_add(increment), step)?;
    Ok(numbers.iter().map(i64::to_string).collect::<Vec<_>>().join(" ").into())
}

fn divide(a: &[Value], op: fn(i64, i64) -> i64) -> FuncResult {
    match to_int(&a[1]) {
        0 => Err("runtime error: integer divide by zero".into()),
        by => Ok(Value::int64(op(to_int(&a[0]), by))),
    }
}

fn round(_: &mut Exec, a: &[Value]) -> FuncResult {
    let on = match a.get(2) {
        Some(Value::Float(f)) => *f,
        _ => 0.5,
    };
    let power = 10_f64.powi(int(&a[1]).clamp(-400, 400) as i32);
    let digit = power * to_float(&a[0]);
    let rounded = if digit.fract() >= on { digit.ceil() } else { digit.floor() };
    Ok((rounded / power).into())
}

fn to_decimal(_: &mut Exec, a: &[Value]) -> FuncResult {
    let shown = String::from_utf8_lossy(&display(&a[0])?).into_owned();
    Ok(Value::int64(i64::from_str_radix(&shown, 8).unwrap_or(0)))
}

fn decimal(
    first: Option<&Value>,
    rest: &[Value],
    op: fn(Decimal, &Decimal) -> Result<Decimal, String>,
) -> FuncResult {
    let mut sum = Decimal::from_float(first.map_or(0.0, to_float))?;
    for v in rest {
        sum = op(sum, &Decimal::from_float(to_float(v))?)?;
    }
    Ok(sum.to_float().into())
}

fn extreme(a: &[Value], better: fn(i64, i64) -> bool) -> Value {
    let mut best = to_int(&a[0]);
    for n in a[1..].iter().map(to_int) {
        if better(n, best) {
            best = n;
        }
    }
    Value::int64(best)
}

/// Go's `math.Max` and `math.Min` give NaN if either side is NaN; Rust's `max` and `min` do not.
fn extreme_float(a: &[Value], pick: fn(f64, f64) -> f64) -> Value {
    let all = a[1..].iter().map(to_float);
    all.fold(to_float(&a[0]), |x, y| if x.is_nan() || y.is_nan() { f64::NAN } else { pick(x, y) }).into()
}

fn atoi(_: &mut Exec, a: &[Value]) -> FuncResult {
    let s = text(&a[0]);
    let digits = s.strip_prefix(['+', '-']).unwrap_or(&s);
    let valid = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    Ok(Value::int(match s.parse::<i64>() {
        Ok(n) => n,
        // strconv.Atoi gives the nearest integer along with its range error, and sprig drops the error.
        Err(_) if valid && s.starts_with('-') => i64::MIN,
        Err(_) if valid => i64::MAX,
        Err(_) => 0,
    }))
}

pub(super) const TABLE: &[Entry] = &[
    ("atoi", fixed(&[S], I), atoi),
    ("int64", fixed(&[A], I64), |_, a| Ok(Value::int64(to_int(&a[0])))),
    ("int", fixed(&[A], I), |_, a| Ok(Value::int(to_int(&a[0])))),
    ("float64", fixed(&[A], F), |_, a| Ok(to_float(&a[0]).into())),
    ("toDecimal", fixed(&[A], I64), to_decimal),
    ("seq", variadic(&[I], S), seq),
    ("until", fixed(&[I], Type::INTS), until),
    ("untilStep", fixed(&[I, I, I], Type::INTS), until_step),
    ("add1", fixed(&[A], I64), |_, a| Ok(Value::int64(to_int(&a[0]).wrapping_add(1)))),
    ("add", variadic(&[A], I64), |_, a| Ok(Value::int64(a.iter().map(to_int).fold(0, i64::wrapping_add)))),
    ("sub", fixed(&[A, A], I64), |_, a| Ok(Value::int64(to_int(&a[0]).wrapping_sub(to_int(&a[1]))))),
    ("div", fixed(&[A, A], I64), |_, a| divide(a, i64::wrapping_div)),
    ("mod", fixed(&[A, A], I64), |_, a| divide(a, i64::wrapping_rem)),
    ("mul", variadic(&[A, A], I64), |_, a| Ok(Value::int64(a.iter().map(to_int).fold(1, i64::wrapping_mul)))),
    ("add1f", fixed(&[A], F), |_, a| decimal(a.first(), &[Value::int(1)], Decimal::add)),
    ("addf", variadic(&[A], F), |_, a| decimal(None, a, Decimal::add)),
    ("subf", variadic(&[A, A], F), |_, a| decimal(a.first(), &a[1..], Decimal::sub)),
    ("mulf", variadic(&[A, A], F), |_, a| decimal(a.first(), &a[1..], Decimal::mul)),
    ("divf", variadic(&[A, A], F), |_, a| decimal(a.first(), &a[1..], Decimal::div)),
    ("max", variadic(&[A, A], I64), |_, a| Ok(extreme(a, |n, best| n > best))),
    ("biggest", variadic(&[A, A], I64), |_, a| Ok(extreme(a, |n, best| n > best))),
    ("min", variadic(&[A, A], I64), |_, a| Ok(extreme(a, |n, best| n < best))),
    ("maxf", variadic(&[A, A], F), |_, a| Ok(extreme_float(a, f64::max))),
    ("minf", variadic(&[A, A], F), |_, a| Ok(extreme_float(a, f64::min))),
    ("ceil", fixed(&[A], F), |_, a| Ok(to_float(&a[0]).ceil().into())),
    ("floor", fixed(&[A], F), |_, a| Ok(to_float(&a[0]).floor().into())),
    ("round", variadic(&[A, I, F], F), round),
];
