//! Defaults and choices: empty is false, 0, "", an empty list or map, and nil.

use super::args::{A, B, Entry, FuncResult, fixed, variadic};
use crate::template::exec::Exec;
use crate::template::value::Value;

/// sprig's `empty`; a struct never is.
pub(super) fn is_empty(v: &Value) -> bool {
    !v.truth()
}

fn default(_: &mut Exec, a: &[Value]) -> FuncResult {
    Ok(a.get(1).filter(|given| !is_empty(given)).unwrap_or(&a[0]).clone())
}

pub(super) const TABLE: &[Entry] = &[
    ("default", variadic(&[A, A], A), default),
    ("empty", fixed(&[A], B), |_, a| Ok(is_empty(&a[0]).into())),
    ("coalesce", variadic(&[A], A), |_, a| Ok(a.iter().find(|v| !is_empty(v)).cloned().unwrap_or_default())),
    ("all", variadic(&[A], B), |_, a| Ok((!a.iter().any(is_empty)).into())),
    ("any", variadic(&[A], B), |_, a| Ok(a.iter().any(|v| !is_empty(v)).into())),
    ("ternary", fixed(&[A, A, B], A), |_, a| Ok(a[usize::from(!a[2].truth())].clone())),
    ("fail", fixed(&[super::args::S], super::args::S), |_, a| {
        Err(super::args::text(&a[0]).into_owned().into())
    }),
];
