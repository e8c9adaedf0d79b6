//! `toToml` and `fromToml` as BurntSushi/toml v1.6 writes and reads: keys sorted, plain values before tables, tables
//! indented by two blanks a level, floats always with a point or exponent.
//!
//! Reading goes through the `toml` crate; its error texts are its own. Dates become their text.

use std::rc::Rc;

use crate::template::strconv::format_float;
use crate::template::types::{Kind, Type};
use crate::template::value::{Map, Value};

/// How deep values may be nested that are written.
const DEEPEST: usize = 500;

/// `toml.Marshal` into an indented document.
///
/// # Errors
/// Go's text for what TOML cannot hold.
pub(super) fn to_toml(value: &Value) -> Result<String, String> {
    let mut out = String::new();
    entry(&mut out, &[], value)?;
    Ok(out)
}

fn too_deep(depth: usize) -> Result<(), String> {
    if depth > DEEPEST { Err(format!("toml: values more than {DEEPEST} levels deep")) } else { Ok(()) }
}

/// What decides where a value is written.
#[derive(PartialEq)]
enum Shape {
    Nothing,
    Plain,
    Table,
    Tables,
}

fn shape(value: &Value, depth: usize) -> Result<Shape, String> {
    too_deep(depth)?;
    Ok(match &*value.bare() {
        Value::Nil => Shape::Nothing,
        Value::Map(m) if m.is_nil() => Shape::Nothing,
        Value::Map(_) => Shape::Table,
        Value::List(list) if !list.is_nil() && !list.items().is_empty() => {
            let mut all = true;
            for item in list.items() {
                match shape(item, depth + 1)? {
                    Shape::Nothing => return Err("toml: cannot encode array with nil element".to_owned()),
                    Shape::Table => {}
                    _ => all = false,
                }
            }
            if all { Shape::Tables } else { Shape::Plain }
        }
        _ => Shape::Plain,
    })
}

fn newline(out: &mut String) {
    if !out.is_empty() {
        out.push('\n');
    }
}

fn indent(out: &mut String, key: &[&str]) {
    (1..key.len()).for_each(|_| out.push_str("  "));
}

fn push_path(out: &mut String, key: &[&str]) {
    for (i, part) in key.iter().enumerate() {
        if i > 0 {
            out.push('.');
        }
        push_key(out, part);
    }
}

fn push_key(out: &mut String, key: &str) {
    let bare = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
    if bare { out.push_str(key) } else { push_quoted(out, key) }
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\0'..='\x1f' | '\x7f' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

/// A value under its key path; the empty path is the document.
fn entry(out: &mut String, key: &[&str], value: &Value) -> Result<(), String> {
    let bare = value.bare();
    match (shape(value, key.len())?, &*bare) {
        (Shape::Nothing, Value::Nil) if key.is_empty() => {
            Err("reflect: call of reflect.Value.Type on zero Value".to_owned())
        }
        (Shape::Nothing, _) => Ok(()),
        (Shape::Table, Value::Map(map)) => {
            if key.len() == 1 {
                newline(out);
            }
            if !key.is_empty() {
                indent(out, key);
                out.push('[');
                push_path(out, key);
                out.push(']');
                newline(out);
            }
            table(out, key, map)
        }
        (Shape::Tables, Value::List(_)) if key.is_empty() => Err("strings: negative Repeat count".to_owned()),
        (Shape::Tables, Value::List(list)) => {
            for item in list.items() {
                newline(out);
                indent(out, key);
                out.push_str("[[");
                push_path(out, key);
                out.push_str("]]");
                newline(out);
                if let Value::Map(map) = &*item.bare() {
                    table(out, key, map)?;
                }
            }
            Ok(())
        }
        _ => {
            if let Some(name) = key.last() {
                indent(out, key);
                push_key(out, name);
                out.push_str(" = ");
            }
            element(out, &bare, key.len())?;
            if !key.is_empty() {
                newline(out);
            }
            Ok(())
        }
    }
}

/// The entries of a table: plain values first, then sub-tables.
fn table(out: &mut String, key: &[&str], map: &Map) -> Result<(), String> {
    let entries = map.entries();
    for tables in [false, true] {
        for (name, value) in entries.iter() {
            let shape = shape(value, key.len())?;
            if shape != Shape::Nothing && matches!(shape, Shape::Table | Shape::Tables) == tables {
                let path: Vec<&str> = key.iter().copied().chain([&**name]).collect();
                entry(out, &path, value)?;
            }
        }
    }
    Ok(())
}

/// A value on a line, tables inline.
fn element(out: &mut String, value: &Value, depth: usize) -> Result<(), String> {
    too_deep(depth)?;
    match value {
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Int(_, n) => out.push_str(&n.to_string()),
        Value::Uint(_, n) => out.push_str(&n.to_string()),
        Value::Float(f) if f.is_nan() => out.push_str("nan"),
        Value::Float(f) if f.is_infinite() => out.push_str(if *f < 0.0 { "-inf" } else { "+inf" }),
        Value::Float(f) => {
            let text = format_float(*f, 'g', None, 64);
            out.push_str(&text);
            if !text.contains(['e', '.']) {
                out.push_str(".0");
            }
        }
        Value::Str(_) | Value::Raw(_) => push_quoted(out, &value.text().unwrap_or_default()),
        Value::Bytes(bytes) => {
            let items: Vec<String> = bytes.iter().map(ToString::to_string).collect();
            out.push_str(&format!("[{}]", items.join(", ")));
        }
        Value::List(list) => {
            out.push('[');
            for (i, item) in list.items().iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                element(out, &item.bare(), depth + 1)?;
            }
            out.push(']');
        }
        Value::Map(map) => {
            out.push('{');
            let entries = map.entries();
            let (mut plain, mut tables) = (Vec::new(), Vec::new());
            for (name, value) in entries.iter() {
                match shape(value, depth)? {
                    Shape::Nothing => {}
                    Shape::Plain => plain.push((name, value)),
                    Shape::Table | Shape::Tables => tables.push((name, value)),
                }
            }
            for (i, (name, value)) in plain.into_iter().chain(tables).enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                push_key(out, name);
                out.push_str(" = ");
                element(out, &value.bare(), depth + 1)?;
            }
            out.push('}');
        }
        Value::Object(object) => match (object.json(), object.string()) {
            (Some(value), _) => element(out, &value, depth + 1)?,
            (None, Some(text)) => push_quoted(out, &text),
            (None, None) => return Err(format!("toml: unsupported type: {}", value.type_name())),
        },
        other => {
            let what = if other.kind() == Kind::Func { "func" } else { &other.type_name() };
            return Err(format!("toml: unsupported type: {what}"));
        }
    }
    Ok(())
}

/// `toml.Unmarshal` into a map.
///
/// # Errors
/// The text is not TOML.
pub(super) fn from_toml(text: &str) -> Result<Value, String> {
    let table: toml::Table = text.parse().map_err(|e: toml::de::Error| {
        let line = e.span().map_or(0, |s| text[..s.start.min(text.len())].matches('\n').count()) + 1;
        format!("toml: line {line}: {}", e.message().replace('\n', " "))
    })?;
    Ok(from_table(&table))
}

fn from_table(table: &toml::Table) -> Value {
    let entries = table.iter().map(|(k, v)| (Rc::from(k.as_str()), from_value(v)));
    Value::typed_map(Type::DICT, entries.collect())
}

fn from_value(value: &toml::Value) -> Value {
    use toml::Value as T;
    match value {
        T::String(s) => Value::str(s.as_str()),
        T::Integer(n) => Value::int64(*n),
        T::Float(f) => Value::Float(*f),
        T::Boolean(b) => Value::Bool(*b),
        T::Datetime(d) => Value::str(d.to_string()),
        T::Array(items) => {
            let tables = !items.is_empty() && items.iter().all(toml::Value::is_table);
            let ty = if tables { Type::DICTS } else { Type::LIST };
            Value::typed_list(ty, items.iter().map(from_value).collect())
        }
        T::Table(table) => from_table(table),
    }
}
