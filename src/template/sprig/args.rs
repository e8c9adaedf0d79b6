//! Shorthands for signatures, arguments and Go's ways of turning values into text.

use std::borrow::Cow;
use std::rc::Rc;

use crate::template::error::FuncError;
use crate::template::func::{Body, Signature};
use crate::template::types::Type;
use crate::template::value::{Map, Value};

/// One function: name, signature, body.
pub(super) type Entry = (&'static str, Signature, Body);
pub(super) type FuncResult = Result<Value, FuncError>;

pub(super) const A: Type = Type::Any;
pub(super) const B: Type = Type::Bool;
pub(super) const D: Type = Type::DICT;
pub(super) const F: Type = Type::Float64;
pub(super) const I: Type = Type::INT;
pub(super) const I64: Type = Type::INT64;
pub(super) const S: Type = Type::String;

pub(super) const fn fixed(params: &'static [Type], result: Type) -> Signature {
    Signature::fixed(params, result)
}

pub(super) const fn variadic(params: &'static [Type], result: Type) -> Signature {
    Signature::variadic(params, result)
}

/// The longest text that one value is printed as.
const LONGEST: usize = 64 << 20;

/// What Go says when a nil interface's type is asked for its kind.
pub(super) const NIL_POINTER: &str = "runtime error: invalid memory address or nil pointer dereference";

/// A `string` parameter as text.
pub(super) fn text(v: &Value) -> Cow<'_, str> {
    v.text().unwrap_or_default()
}

/// A `string` as the key of a map.
pub(super) fn key(v: &Value) -> Rc<str> {
    match v {
        Value::Str(key) => Rc::clone(key),
        _ => text(v).into(),
    }
}

/// A `string` parameter as bytes.
pub(super) fn bytes(v: &Value) -> &[u8] {
    v.bytes().unwrap_or_default()
}

/// An integer parameter.
pub(super) fn int(v: &Value) -> i64 {
    match v {
        Value::Int(_, n) => *n,
        _ => 0,
    }
}

/// A map parameter.
pub(super) fn map(v: &Value) -> Result<&Rc<Map>, FuncError> {
    v.as_map().ok_or_else(|| FuncError::new("not a map"))
}

/// The elements of a slice of any type; `Err` holds Go's panic text with `words` before the kind.
pub(super) fn items<'a>(v: &'a Value, words: &str) -> Result<Cow<'a, [Value]>, FuncError> {
    match v {
        Value::Nil => Err(NIL_POINTER.into()),
        Value::List(l) => Ok(Cow::Borrowed(l.items())),
        Value::Bytes(b) => Ok(Cow::Owned(b.iter().map(|b| byte(*b)).collect())),
        other => {
            let bare = other.bare();
            match &*bare {
                Value::List(l) if !matches!(other, Value::List(_)) => Ok(Cow::Owned(l.items().to_vec())),
                _ => Err(format!("{words} {}", other.kind()).into()),
            }
        }
    }
}

fn byte(b: u8) -> Value {
    Value::Uint(crate::template::types::UintKind::U8, u64::from(b))
}

/// `fmt.Sprintf("%v", v)`.
///
/// # Errors
/// The value is nested too deeply (a map that contains itself) or its text too long.
pub(super) fn display(v: &Value) -> Result<Vec<u8>, FuncError> {
    let mut out = Vec::new();
    crate::template::fmt::append(&mut out, v, LONGEST)?;
    Ok(out)
}

/// sprig's `strval`: strings and bytes as they are, errors and stringers by their text, the rest as `%v`.
pub(super) fn strval(v: &Value) -> FuncResult {
    Ok(match v {
        Value::Str(_) | Value::Raw(_) => v.clone(),
        Value::Bytes(b) => Value::from_bytes(b),
        _ => display(v)?.into(),
    })
}

/// sprig's `strslice`: what `join`, `toStrings` and `sortAlpha` work on.
pub(super) fn strings(v: &Value) -> Result<Vec<Value>, FuncError> {
    match v {
        Value::Nil => Ok(Vec::new()),
        _ => match items(v, "") {
            Ok(list) => list.iter().filter(|v| !matches!(v, Value::Nil)).map(strval).collect(),
            Err(_) => Ok(vec![strval(v)?]),
        },
    }
}
