//! mergo 1.0.1's `Merge` and `MergeWithOverwrite` on maps, as `merge` and `mergeOverwrite` use them.
//!
//! Without overwrite the left side wins, but an empty left value (false, 0, "", [], {}) counts as unset. With overwrite
//! the right side wins, also when it is empty. Maps that both sides have are merged in place, lists are replaced, and
//! a map that only the right side has is shared afterwards, not copied.

use std::rc::Rc;

use crate::template::value::{Map, Value};

/// How deep maps may be nested that are merged.
const DEEPEST: usize = 1_000;

/// Merges `source` into the map that `target` holds; a nil map becomes a new one.
pub(super) fn merge(target: &mut Value, source: &Rc<Map>, overwrite: bool) -> Result<(), String> {
    let nil_target = target.as_map().is_none_or(|m| m.is_nil());
    if nil_target {
        if source.is_nil() {
            return Ok(());
        }
        *target = Value::typed_map(source.go_type(), Default::default());
    }
    match target.as_map() {
        Some(map) => merge_maps(map, source, overwrite, 0),
        None => Ok(()),
    }
}

fn merge_maps(target: &Rc<Map>, source: &Rc<Map>, overwrite: bool, depth: usize) -> Result<(), String> {
    if Rc::ptr_eq(target, source) || target.is_nil() {
        return Ok(());
    }
    if depth > DEEPEST {
        return Err(format!("maps more than {DEEPEST} levels deep cannot be merged"));
    }
    let entries: Vec<(Rc<str>, Value)> =
        source.entries().iter().map(|(k, v)| (Rc::clone(k), v.clone())).collect();
    for (key, new) in entries {
        if new.is_nil() && !matches!(&new, Value::List(_) | Value::Map(_)) {
            if overwrite {
                target.set(key, new)?;
            }
            continue;
        }
        let old = target.get(&key);
        // By kind: a defined type over a map (`common.Values`) merges as the map it is.
        let both = match (old.as_ref().map(|v| v.bare()).as_deref(), &*new.bare()) {
            (Some(Value::Map(old)), Value::Map(new)) => Some((Rc::clone(old), Rc::clone(new))),
            _ => None,
        };
        if let Some((old, new)) = &both {
            merge_maps(old, new, overwrite, depth + 1)?;
        }
        let old_is_set = old.as_ref().is_some_and(|v| !is_empty(v));
        let kept = old_is_set && (both.is_some() || !overwrite);
        if !kept {
            target.set(key, new)?;
        }
    }
    Ok(())
}

/// mergo's `isEmptyValue`.
fn is_empty(v: &Value) -> bool {
    match v {
        Value::Func(_) => false,
        other => !other.truth(),
    }
}
