//! Dicts: maps are shared, so `set` and `unset` are seen by whoever else holds the map.
//!
//! `keys` and `values` are in Go's map order upstream, which is random; here by key.

use super::args::{A, B, D, Entry, FuncResult, S, bytes, fixed, key, map, strval, text, variadic};
use super::merge;
use crate::template::error::FuncError;
use crate::template::exec::Exec;
use crate::template::types::Type;
use crate::template::value::{Entries, List, Value};
use std::rc::Rc;

fn dict(_: &mut Exec, a: &[Value]) -> FuncResult {
    let mut entries = Entries::new();
    for pair in a.chunks(2) {
        entries.insert(key(&strval(&pair[0])?), pair.get(1).cloned().unwrap_or_else(|| "".into()));
    }
    Ok(Value::typed_map(Type::DICT, entries))
}

fn set(_: &mut Exec, a: &[Value]) -> FuncResult {
    map(&a[0])?.set(key(&a[1]), a[2].clone())?;
    Ok(a[0].clone())
}

fn unset(_: &mut Exec, a: &[Value]) -> FuncResult {
    map(&a[0])?.remove(&text(&a[1]));
    Ok(a[0].clone())
}

fn pluck(_: &mut Exec, a: &[Value]) -> FuncResult {
    let key = text(&a[0]);
    let mut out = Vec::new();
    for d in &a[1..] {
        out.extend(map(d)?.get(&key));
    }
    Ok(Value::list(out))
}

fn keys(_: &mut Exec, a: &[Value]) -> FuncResult {
    let mut out: Vec<Value> = Vec::new();
    for d in a {
        out.extend(map(d)?.entries().keys().map(|k| Value::Str(Rc::clone(k))));
    }
    Ok(Value::typed_list(Type::STRINGS, out))
}

fn pick(_: &mut Exec, a: &[Value]) -> FuncResult {
    let d = map(&a[0])?.entries();
    let wanted = a[1..].iter().filter_map(|k| d.get_key_value(&text(k)));
    Ok(Value::typed_map(Type::DICT, wanted.map(|(k, v)| (Rc::clone(k), v.clone())).collect()))
}

fn omit(_: &mut Exec, a: &[Value]) -> FuncResult {
    let d = map(&a[0])?.entries();
    let kept = d.iter().filter(|(k, _)| !a[1..].iter().any(|o| bytes(o) == k.as_bytes()));
    Ok(Value::typed_map(Type::DICT, kept.map(|(k, v)| (Rc::clone(k), v.clone())).collect()))
}

fn dig(_: &mut Exec, a: &[Value]) -> FuncResult {
    let [path @ .., default, root] = a else { return Err("dig needs at least three arguments".into()) };
    if path.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let conversion = |v: &Value, want: &str| {
        let have = if matches!(v, Value::Nil) { "nil".into() } else { v.type_name() };
        FuncError::new(format!("interface conversion: interface {{}} is {have}, not {want}"))
    };
    let as_dict = |v: &Value| match v {
        Value::Map(m) if m.go_type() == Type::DICT => Ok(Rc::clone(m)),
        other => Err(conversion(other, "map[string]interface {}")),
    };
    let mut here = as_dict(root)?;
    if let Some(key) = path.iter().find(|k| !k.is_string()) {
        return Err(conversion(key, "string"));
    }
    for (i, key) in path.iter().enumerate() {
        let Some(step) = here.get(&text(key)) else { return Ok(default.clone()) };
        if i + 1 == path.len() {
            return Ok(step);
        }
        here = as_dict(&step)?;
    }
    Ok(default.clone())
}

/// `deepCopy`. The original panics on nil.
fn copy_of(v: &Value) -> FuncResult {
    if matches!(v, Value::Nil) {
        return Err("reflect: call of reflect.Value.Type on zero Value".into());
    }
    deep_copy(v, 0)
}

/// How deep a value may be that is copied.
const DEEPEST: usize = 1_000;

/// mitchellh/copystructure: maps and slices anew, everything else shared.
pub(super) fn deep_copy(v: &Value, depth: usize) -> FuncResult {
    if depth > DEEPEST {
        return Err(format!("deepCopy error: more than {DEEPEST} levels deep").into());
    }
    Ok(match v {
        Value::Map(m) if m.is_nil() => v.clone(),
        Value::Map(m) => {
            let entries = m.entries();
            let copy = entries.iter().map(|(k, v)| Ok((Rc::clone(k), deep_copy(v, depth + 1)?)));
            Value::typed_map(m.go_type(), copy.collect::<Result<_, FuncError>>()?)
        }
        Value::List(l) if l.is_nil() => v.clone(),
        Value::List(l) => {
            let copy = l.items().iter().map(|v| deep_copy(v, depth + 1)).collect::<Result<_, FuncError>>()?;
            Value::List(Rc::new(List::new(l.go_type(), copy)))
        }
        Value::Object(o) => match o.underlying() {
            Some(inner @ (Value::Map(_) | Value::List(_))) => {
                let copy = deep_copy(&inner, depth + 1)?;
                o.with_underlying(copy).unwrap_or_else(|| v.clone())
            }
            _ => v.clone(),
        },
        other => other.clone(),
    })
}

fn merged(a: &[Value], overwrite: bool, must: bool) -> FuncResult {
    let mut target = a[0].clone();
    for source in &a[1..] {
        match merge::merge(&mut target, map(source)?, overwrite) {
            Ok(()) => {}
            Err(e) if must => return Err(e.into()),
            Err(_) => return Ok("".into()),
        }
    }
    Ok(target)
}

pub(super) const TABLE: &[Entry] = &[
    ("dict", variadic(&[A], D), dict),
    ("get", fixed(&[D, S], A), |_, a| Ok(map(&a[0])?.get(&text(&a[1])).unwrap_or_else(|| "".into()))),
    ("set", fixed(&[D, S, A], D), set),
    ("unset", fixed(&[D, S], D), unset),
    ("hasKey", fixed(&[D, S], B), |_, a| Ok(map(&a[0])?.contains(&text(&a[1])).into())),
    ("pluck", variadic(&[S, D], Type::LIST), pluck),
    ("keys", variadic(&[D], Type::STRINGS), keys),
    ("values", fixed(&[D], Type::LIST), |_, a| {
        Ok(Value::list(map(&a[0])?.entries().values().cloned().collect()))
    }),
    ("pick", variadic(&[D, S], D), pick),
    ("omit", variadic(&[D, S], D), omit),
    ("dig", variadic(&[A], A), dig),
    ("deepCopy", fixed(&[A], A), |_, a| copy_of(&a[0])),
    ("mustDeepCopy", fixed(&[A], A), |_, a| copy_of(&a[0])),
    ("merge", variadic(&[D, D], A), |_, a| merged(a, false, false)),
    ("mustMerge", variadic(&[D, D], A), |_, a| merged(a, false, true)),
    ("mergeOverwrite", variadic(&[D, D], A), |_, a| merged(a, true, false)),
    ("mustMergeOverwrite", variadic(&[D, D], A), |_, a| merged(a, true, true)),
];
