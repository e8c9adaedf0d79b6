//! `eq`, `ne`, `lt` and the others: basic kinds compare with their own kind, integers of any signedness with each other.

use std::rc::Rc;

use super::error::FuncError;
use super::fmt;
use super::types::Kind;
use super::value::Value;

/// Go's `basicKind`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basic {
    None,
    Bool,
    Complex,
    Int,
    Float,
    String,
    Uint,
}

fn basic(value: &Value) -> Basic {
    match value.kind() {
        Kind::Bool => Basic::Bool,
        Kind::Int(_) => Basic::Int,
        Kind::Uint(_) => Basic::Uint,
        Kind::Float32 | Kind::Float64 => Basic::Float,
        Kind::Complex128 => Basic::Complex,
        Kind::String => Basic::String,
        _ => Basic::None,
    }
}

fn float(value: &Value) -> f64 {
    match value {
        Value::Float(f) => *f,
        Value::Float32(f) => f64::from(*f),
        _ => f64::NAN,
    }
}

fn incompatible(a: &Value, b: &Value) -> FuncError {
    FuncError::Message(format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name()))
}

/// Whether `first` equals any of the others.
pub(super) fn equal<'v>(
    first: &Value,
    others: impl ExactSizeIterator<Item = &'v Value>,
) -> Result<bool, FuncError> {
    if others.len() == 0 {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal_to(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal_to(first: &Value, other: &Value) -> Result<bool, FuncError> {
    match (first, other) {
        (Value::Str(a), Value::Str(b)) => return Ok(a == b),
        (Value::Bool(a), Value::Bool(b)) => return Ok(a == b),
        _ => {}
    }
    let (kind, other_kind) = (basic(first), basic(other));
    let (a, b) = (first.bare(), other.bare());
    if kind == other_kind && kind == Basic::None {
        return equal_composites(first, other);
    }
    Ok(match (&*a, &*b) {
        (Value::Bool(x), Value::Bool(y)) => x == y,
        (Value::Int(_, x), Value::Int(_, y)) => x == y,
        (Value::Uint(_, x), Value::Uint(_, y)) => x == y,
        (Value::Int(_, x), Value::Uint(_, y)) | (Value::Uint(_, y), Value::Int(_, x)) => {
            u64::try_from(*x).is_ok_and(|x| x == *y)
        }
        (Value::Complex(x, xi), Value::Complex(y, yi)) => x == y && xi == yi,
        (Value::Nil, _) | (_, Value::Nil) => false,
        _ if kind != other_kind => return Err(incompatible(first, other)),
        _ if kind == Basic::Float => float(&a) == float(&b),
        _ => a.bytes() == b.bytes(),
    })
}

/// Values that are no basic kind: nil compares with everything, pointers and structs with their kind.
fn equal_composites(first: &Value, other: &Value) -> Result<bool, FuncError> {
    let (k1, k2) = (first.kind(), other.kind());
    if k1 != k2 && k1 != Kind::Invalid && k2 != Kind::Invalid {
        let (t1, t2) = (first.type_name(), other.type_name());
        let args = [first.clone(), Value::str(&*t1), Value::str(&*t2), other.clone()];
        return Err(message(b"non-comparable types %s: %v, %s: %v", &args));
    }
    if first.is_nil() || other.is_nil() {
        return Ok(first.is_nil() == other.is_nil());
    }
    if !other.go_type().is_none_or(super::types::Type::comparable) {
        let args = [other.clone(), Value::str(&*other.type_name())];
        return Err(message(b"non-comparable type %s: %v", &args));
    }
    Ok(match (first, other) {
        (Value::Object(a), Value::Object(b)) if k1 == Kind::Ptr => Rc::ptr_eq(a, b),
        (Value::Object(a), Value::Object(b)) => a.go_type() == b.go_type() && a.equals(&**b),
        _ => false,
    })
}

fn message(format: &[u8], args: &[Value]) -> FuncError {
    match fmt::sprintf(format, args, 1 << 20) {
        Ok(text) => FuncError::Message(String::from_utf8_lossy(&text).into_owned()),
        Err(e) => e,
    }
}

/// Whether `first < other`.
pub(super) fn less(first: &Value, other: &Value) -> Result<bool, FuncError> {
    const INVALID: &str = "invalid type for comparison";
    let (kind, other_kind) = (basic(first), basic(other));
    if kind == Basic::None || other_kind == Basic::None {
        return Err(INVALID.into());
    }
    let (a, b) = (first.bare(), other.bare());
    Ok(match (&*a, &*b) {
        (Value::Int(_, x), Value::Int(_, y)) => x < y,
        (Value::Uint(_, x), Value::Uint(_, y)) => x < y,
        (Value::Int(_, x), Value::Uint(_, y)) => u64::try_from(*x).map_or(true, |x| x < *y),
        (Value::Uint(_, x), Value::Int(_, y)) => u64::try_from(*y).is_ok_and(|y| *x < y),
        _ if kind != other_kind => return Err(incompatible(first, other)),
        _ => match kind {
            Basic::Float => float(&a) < float(&b),
            Basic::String => a.bytes() < b.bytes(),
            _ => return Err(INVALID.into()),
        },
    })
}
