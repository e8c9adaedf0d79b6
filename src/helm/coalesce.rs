//! Merging values with charts' defaults, parents over subcharts, globals downwards.
//!
//! Works on shared maps on purpose: where Helm leaves two charts holding the same map (a nested global), a template's
//! `set` in one is seen by the other, and so it is here. Upstream: `pkg/chart/common/util/coalesce.go`.
//!
//! Two modes. *Merging* keeps nulls (dependencies are processed so). *Coalescing* lets a null in the values delete a
//! chart's default, and drops nulls from charts' defaults.

use std::collections::BTreeSet;
use std::rc::Rc;

use serde_json::Value as Json;

use crate::template::{List, Map, Value, fmt};

use super::instance::Instance;

/// A table of values.
pub(super) type Table = Rc<Map>;

const GLOBAL: &str = "global";

/// A new empty table.
pub(super) fn new_table() -> Table {
    Rc::new(Map::new(crate::template::Type::DICT, crate::template::value::Entries::new()))
}

/// Values as templates hold them.
pub(super) fn from_json(json: &Json) -> Value {
    match json {
        Json::Null => Value::Nil,
        Json::Bool(b) => Value::Bool(*b),
        Json::Number(n) => match n.as_i64() {
            Some(i) => Value::int64(i),
            None => Value::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(s) => Value::str(s.as_str()),
        Json::Array(items) => Value::list(items.iter().map(from_json).collect()),
        Json::Object(map) => Value::Map(table_from_json(map)),
    }
}

/// A table from a JSON object.
pub(super) fn table_from_json(map: &serde_json::Map<String, Json>) -> Table {
    let entries = map.iter().map(|(k, v)| (Rc::from(k.as_str()), from_json(v))).collect();
    Rc::new(Map::new(crate::template::Type::DICT, entries))
}

/// A copy that shares no map or list with the original.
pub(super) fn deep_copy(value: &Value) -> Value {
    match value {
        Value::Map(map) => Value::Map(copy_table(map)),
        Value::List(list) if !list.is_nil() => {
            Value::List(Rc::new(List::new(list.go_type(), list.items().iter().map(deep_copy).collect())))
        }
        other => other.clone(),
    }
}

/// The same for a table.
pub(super) fn copy_table(map: &Map) -> Table {
    let entries = map.entries().iter().map(|(k, v)| (Rc::clone(k), deep_copy(v))).collect();
    Rc::new(Map::new(map.go_type(), entries))
}

/// The table at a dotted path.
pub(super) fn table_at(root: &Table, path: &str) -> Option<Table> {
    path.split('.').try_fold(Rc::clone(root), |table, key| table.get(key)?.as_map().cloned())
}

/// The value at a dotted path, if it is not a table.
pub(super) fn value_at(root: &Table, path: &str) -> Option<Value> {
    let (table, key) = match path.rsplit_once('.') {
        Some((table, key)) => (table_at(root, table)?, key),
        None => (Rc::clone(root), path),
    };
    table.get(key).filter(|v| v.as_map().is_none())
}

/// Coalesces values with a chart's and its subcharts' defaults. `values` is not changed.
pub(super) fn coalesce_values(
    chart: &Instance<'_>,
    values: &Table,
    warnings: &mut Vec<String>,
) -> Result<Table, String> {
    let dest = copy_table(values);
    Coalesce { merge: false, warnings }.chart(chart, &dest, "")?;
    Ok(dest)
}

/// The same, nulls kept.
pub(super) fn merge_values(
    chart: &Instance<'_>,
    values: &Table,
    warnings: &mut Vec<String>,
) -> Result<Table, String> {
    let dest = copy_table(values);
    Coalesce { merge: true, warnings }.chart(chart, &dest, "")?;
    Ok(dest)
}

/// Merges `source` into `dest`, which wins; nulls kept. Both may change.
pub(super) fn merge_tables(dest: &Table, source: &Table, warnings: &mut Vec<String>) {
    Coalesce { merge: true, warnings }.tables(dest, source, "", true);
}

struct Coalesce<'w> {
    merge: bool,
    warnings: &'w mut Vec<String>,
}

fn snapshot(map: &Map) -> Vec<(Rc<str>, Value)> {
    map.entries().iter().map(|(k, v)| (Rc::clone(k), v.clone())).collect()
}

fn put(map: &Map, key: &Rc<str>, value: Value) {
    // Values never hold a nil map, so this cannot fail.
    let _ = map.set(Rc::clone(key), value);
}

fn concat(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_owned() } else { format!("{prefix}.{name}") }
}

impl Coalesce<'_> {
    fn chart(&mut self, chart: &Instance<'_>, dest: &Table, prefix: &str) -> Result<(), String> {
        self.defaults(chart, dest, prefix);
        for child in &chart.children {
            let name: Rc<str> = Rc::from(&*child.name);
            let table = match dest.get(&name) {
                None => {
                    let table = new_table();
                    put(dest, &name, Value::Map(Rc::clone(&table)));
                    table
                }
                Some(Value::Map(table)) => table,
                Some(other) => {
                    // The original prints the value with a verb for booleans.
                    let value = fmt::sprintf(b"%t", &[other], 1 << 16).unwrap_or_default();
                    return Err(format!(
                        "type mismatch on {name}: {}: the values of a subchart must be a table",
                        String::from_utf8_lossy(&value)
                    ));
                }
            };
            let prefix = concat(prefix, &chart.name);
            self.globals(&table, dest, &prefix);
            self.chart(child, &table, &prefix)?;
        }
        Ok(())
    }

    fn globals(&mut self, dest: &Table, source: &Table, prefix: &str) {
        let table = |from: &Table, side: &str| match from.get(GLOBAL) {
            None => Ok(new_table()),
            Some(Value::Map(map)) => Ok(map),
            Some(_) => Err(format!("warning: skipping globals because {side} {GLOBAL} is not a table.")),
        };
        let (below, above) = match (table(dest, "destination"), table(source, "source")) {
            (Ok(below), Ok(above)) => (below, above),
            (Err(warning), _) | (_, Err(warning)) => return self.warnings.push(warning),
        };
        for (key, value) in snapshot(&above) {
            let existing = below.get(&key);
            match (&value, existing) {
                (Value::Map(map), existing) => {
                    // A shallow copy: tables inside stay shared between parent and subchart, as in the original.
                    let copy = Rc::new(Map::new(map.go_type(), map.entries().clone()));
                    match existing {
                        None => put(&below, &key, Value::Map(copy)),
                        Some(Value::Map(old)) => {
                            self.tables(&copy, &old, &concat(prefix, &key), true);
                            put(&below, &key, Value::Map(copy));
                        }
                        Some(_) => self
                            .warnings
                            .push(format!("Conflict: cannot merge map onto non-map for {key:?}. Skipping.")),
                    }
                }
                (_, Some(Value::Map(_))) => self.warnings.push(format!("key {key} is table. Skipping")),
                _ => put(&below, &key, value),
            }
        }
        put(dest, &Rc::from(GLOBAL), Value::Map(below));
    }

    /// A chart's own defaults under what is there.
    fn defaults(&mut self, chart: &Instance<'_>, dest: &Table, prefix: &str) {
        let prefix = concat(prefix, &chart.name);
        for (key, value) in snapshot(&chart.values()) {
            match dest.get(&key) {
                Some(Value::Nil) if !self.merge => {
                    dest.remove(&key);
                }
                Some(Value::Map(table)) => match value {
                    Value::Map(source) => {
                        let merge = self.merge || chart.children.iter().any(|c| *c.name == *key);
                        if !merge {
                            clean_nils(&source);
                        }
                        self.tables(&table, &source, &concat(&prefix, &key), merge);
                    }
                    Value::Nil => {}
                    _ => {
                        self.warnings.push(format!("warning: skipped value for {prefix}.{key}: Not a table."))
                    }
                },
                Some(_) => {}
                None => {
                    if !self.merge {
                        match &value {
                            Value::Nil => continue,
                            Value::Map(map) => clean_nils(map),
                            _ => {}
                        }
                    }
                    put(dest, &key, value);
                }
            }
        }
    }

    fn tables(&mut self, dest: &Table, source: &Table, prefix: &str, merge: bool) {
        if Rc::ptr_eq(dest, source) {
            return;
        }
        let set_in_source: BTreeSet<Rc<str>> = source
            .entries()
            .iter()
            .filter(|(_, v)| !matches!(v, Value::Nil))
            .map(|(k, _)| Rc::clone(k))
            .collect();
        for (key, value) in snapshot(dest) {
            if matches!(value, Value::Nil) {
                put(source, &key, Value::Nil);
            }
        }
        for (key, value) in snapshot(source) {
            match dest.get(&key) {
                Some(Value::Nil) if !merge && set_in_source.contains(&key) => {
                    dest.remove(&key);
                }
                None => put(dest, &key, value),
                Some(existing) => match (&existing, &value) {
                    (Value::Map(below), Value::Map(above)) => {
                        self.tables(below, above, &concat(prefix, &key), merge);
                    }
                    (_, Value::Map(_)) => self.warnings.push(format!(
                        "warning: cannot overwrite table with non table for {}",
                        concat(prefix, &key)
                    )),
                    (Value::Map(_), other) if !matches!(other, Value::Nil) => self.warnings.push(format!(
                        "warning: destination for {} is a table. Ignoring non-table value",
                        concat(prefix, &key)
                    )),
                    _ => {}
                },
            }
        }
    }
}

fn clean_nils(map: &Map) {
    let mut nils = Vec::new();
    for (key, value) in map.entries().iter() {
        match value {
            Value::Nil => nils.push(Rc::clone(key)),
            Value::Map(inner) => clean_nils(inner),
            _ => {}
        }
    }
    for key in nils {
        map.remove(&key);
    }
}
