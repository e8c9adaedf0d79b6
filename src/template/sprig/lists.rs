//! Lists: everything gives a new list, nothing changes its argument.

use super::args::{A, Entry, FuncResult, I, fixed, int, items, strings, strval, variadic};
use super::args::{B, NIL_POINTER};
use super::cast::to_int;
use crate::template::exec::Exec;
use crate::template::types::Type;
use crate::template::value::{List, Value};
use std::rc::Rc;

const LIST: Type = Type::LIST;
const LISTS: Type = Type::List(&Type::LIST);

fn push(_: &mut Exec, a: &[Value]) -> FuncResult {
    let mut list = items(&a[0], "Cannot push on type")?.into_owned();
    list.push(a[1].clone());
    Ok(Value::list(list))
}

fn prepend(_: &mut Exec, a: &[Value]) -> FuncResult {
    let mut list = items(&a[0], "Cannot prepend on type")?.into_owned();
    list.insert(0, a[1].clone());
    Ok(Value::list(list))
}

/// `[]interface{}(nil)`: what a Go function returns that leaves its result slice untouched.
fn nil_list() -> Value {
    Value::List(Rc::new(List::nil(LIST)))
}

fn chunk(_: &mut Exec, a: &[Value]) -> FuncResult {
    let list = items(&a[1], "Cannot chunk type")?;
    let size = match usize::try_from(int(&a[0])) {
        Ok(0) | Err(_) if list.is_empty() => return Ok(Value::typed_list(LISTS, Vec::new())),
        Ok(0) | Err(_) => return Err("runtime error: makeslice: len out of range".into()),
        Ok(size) => size,
    };
    Ok(Value::typed_list(LISTS, list.chunks(size).map(|c| Value::list(c.to_vec())).collect()))
}

fn last(_: &mut Exec, a: &[Value]) -> FuncResult {
    Ok(items(&a[0], "Cannot find last on type")?.last().cloned().unwrap_or_default())
}

fn first(_: &mut Exec, a: &[Value]) -> FuncResult {
    Ok(items(&a[0], "Cannot find first on type")?.first().cloned().unwrap_or_default())
}

fn rest(_: &mut Exec, a: &[Value]) -> FuncResult {
    let list = items(&a[0], "Cannot find rest on type")?;
    Ok(if list.is_empty() { nil_list() } else { Value::list(list[1..].to_vec()) })
}

fn initial(_: &mut Exec, a: &[Value]) -> FuncResult {
    let list = items(&a[0], "Cannot find initial on type")?;
    Ok(if list.is_empty() { nil_list() } else { Value::list(list[..list.len() - 1].to_vec()) })
}

fn sort_alpha(_: &mut Exec, a: &[Value]) -> FuncResult {
    let is_list = items(&a[0], "").is_ok();
    let mut list = if is_list { strings(&a[0])? } else { vec![strval(&a[0])?] };
    list.sort_by(|x, y| x.bytes().cmp(&y.bytes()));
    Ok(Value::typed_list(Type::STRINGS, list))
}

fn reverse(_: &mut Exec, a: &[Value]) -> FuncResult {
    let mut list = items(&a[0], "Cannot find reverse on type")?.into_owned();
    list.reverse();
    Ok(Value::list(list))
}

fn compact(_: &mut Exec, a: &[Value]) -> FuncResult {
    let list = items(&a[0], "Cannot compact on type")?;
    Ok(Value::list(list.iter().filter(|v| !super::defaults::is_empty(v)).cloned().collect()))
}

fn uniq(exec: &mut Exec, a: &[Value]) -> FuncResult {
    let list = items(&a[0], "Cannot find uniq on type")?;
    exec.charge(list.len() as u64 * list.len() as u64 / 64)?;
    let mut out: Vec<Value> = Vec::new();
    for item in &*list {
        if !out.iter().any(|seen| seen.deep_equal(item)) {
            out.push(item.clone());
        }
    }
    Ok(Value::list(out))
}

fn without(_: &mut Exec, a: &[Value]) -> FuncResult {
    let list = items(&a[0], "Cannot find without on type")?;
    let keep = |v: &&Value| !a[1..].iter().any(|omit| v.deep_equal(omit));
    Ok(Value::list(list.iter().filter(keep).cloned().collect()))
}

fn has(_: &mut Exec, a: &[Value]) -> FuncResult {
    if matches!(a[1], Value::Nil) {
        return Ok(false.into());
    }
    Ok(items(&a[1], "Cannot find has on type")?.iter().any(|v| v.deep_equal(&a[0])).into())
}

fn slice(_: &mut Exec, a: &[Value]) -> FuncResult {
    let list = items(&a[0], "list should be type of slice or array but")?;
    if list.is_empty() {
        return Ok(Value::Nil);
    }
    let len = i64::try_from(list.len()).unwrap_or(i64::MAX);
    let start = a.get(1).map_or(0, to_int);
    let end = a.get(2).map_or(len, to_int);
    let range = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    let part =
        range.and_then(|(s, e)| list.get(s..e)).ok_or("reflect.Value.Slice: slice index out of bounds")?;
    match &a[0] {
        Value::List(l) => Ok(Value::typed_list(l.go_type(), part.to_vec())),
        Value::Bytes(b) => {
            let start = usize::try_from(start).expect("checked");
            Ok(Value::Bytes(b[start..start + part.len()].into()))
        }
        _ => Ok(Value::list(part.to_vec())),
    }
}

fn concat(_: &mut Exec, a: &[Value]) -> FuncResult {
    let mut out = Vec::new();
    for list in a {
        match items(list, "") {
            Ok(list) => out.extend(list.iter().cloned()),
            Err(_) if matches!(list, Value::Nil) => return Err(NIL_POINTER.into()),
            Err(_) => return Err(format!("Cannot concat type {} as list", list.kind()).into()),
        }
    }
    Ok(if out.is_empty() { nil_list() } else { Value::list(out) })
}

pub(super) const TABLE: &[Entry] = &[
    ("list", variadic(&[A], LIST), |_, a| Ok(Value::list(a.to_vec()))),
    ("tuple", variadic(&[A], LIST), |_, a| Ok(Value::list(a.to_vec()))),
    ("append", fixed(&[A, A], LIST), push),
    ("push", fixed(&[A, A], LIST), push),
    ("mustAppend", fixed(&[A, A], LIST), push),
    ("mustPush", fixed(&[A, A], LIST), push),
    ("prepend", fixed(&[A, A], LIST), prepend),
    ("mustPrepend", fixed(&[A, A], LIST), prepend),
    ("chunk", fixed(&[I, A], LISTS), chunk),
    ("mustChunk", fixed(&[I, A], LISTS), chunk),
    ("first", fixed(&[A], A), first),
    ("mustFirst", fixed(&[A], A), first),
    ("last", fixed(&[A], A), last),
    ("mustLast", fixed(&[A], A), last),
    ("rest", fixed(&[A], LIST), rest),
    ("mustRest", fixed(&[A], LIST), rest),
    ("initial", fixed(&[A], LIST), initial),
    ("mustInitial", fixed(&[A], LIST), initial),
    ("sortAlpha", fixed(&[A], Type::STRINGS), sort_alpha),
    ("reverse", fixed(&[A], LIST), reverse),
    ("mustReverse", fixed(&[A], LIST), reverse),
    ("compact", fixed(&[A], LIST), compact),
    ("mustCompact", fixed(&[A], LIST), compact),
    ("uniq", fixed(&[A], LIST), uniq),
    ("mustUniq", fixed(&[A], LIST), uniq),
    ("without", variadic(&[A, A], LIST), without),
    ("mustWithout", variadic(&[A, A], LIST), without),
    ("has", fixed(&[A, A], B), has),
    ("mustHas", fixed(&[A, A], B), has),
    ("slice", variadic(&[A, A], A), slice),
    ("mustSlice", variadic(&[A, A], A), slice),
    ("concat", variadic(&[A], A), concat),
];
