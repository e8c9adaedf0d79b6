//! `vars`: `$(NAME)` in the fields of the configuration becomes the value of a field of another object.
//!
//! Follows `api/filters/refvar`. A field that is nothing but `$(NAME)` takes the value's type, mixed text is text; `$$`
//! is a dollar sign; unknown names stay as they are.

use std::collections::{BTreeMap, BTreeSet};

use super::error::Error;
use super::fieldspec::{self, Create};
use super::resmap::ResMap;
use super::types::FsSlice;
use crate::yaml::{Node, Scalar, Style, Tag, Value, num};

/// Replaces variables in all resources. Gives the names that were never met, sorted.
///
/// # Errors
/// If a field is not made of strings.
pub fn substitute(
    m: &mut ResMap,
    values: &BTreeMap<String, Node>,
    specs: &FsSlice,
) -> Result<Vec<String>, Error> {
    let mut met = BTreeSet::new();
    for at in 0..m.len() {
        m.edit_at(at, |res| {
            let gvk = res.gvk().to_gvk();
            specs.iter().try_for_each(|spec| {
                fieldspec::apply(&mut res.node, gvk.view(), spec, Create::Never, &mut |node| {
                    replace_in(node, values, &mut met)
                })
                .map_err(|e| e.at(&res.file, 0))
            })
        })?;
    }
    Ok(values.keys().filter(|name| !met.contains(*name)).cloned().collect())
}

fn is_string(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(s) if s.tag == Tag::Str)
}

fn replace_in(
    node: &mut Node,
    values: &BTreeMap<String, Node>,
    met: &mut BTreeSet<String>,
) -> Result<(), Error> {
    match &mut node.value {
        Value::Scalar(_) => {
            if is_string(node) {
                replace_text(node, values, met);
            }
            Ok(())
        }
        Value::Mapping(map) => {
            for e in &mut map.entries {
                if !is_string(&e.key) {
                    let key = e.key.text().unwrap_or("");
                    return Err(Error::new(format!("invalid map key: value='{key}'")).at_line(e.key.pos.line));
                }
                if is_string(&e.value) {
                    replace_text(&mut e.value, values, met);
                }
            }
            Ok(())
        }
        Value::Sequence(list) => {
            for item in list {
                if !is_string(item) {
                    return Err(Error::new("invalid value type expect a string").at_line(item.pos.line));
                }
                replace_text(item, values, met);
            }
            Ok(())
        }
    }
}

fn replace_text(node: &mut Node, values: &BTreeMap<String, Node>, met: &mut BTreeSet<String>) {
    let Value::Scalar(scalar) = &node.value else { return };
    if !scalar.text.contains('$') {
        return;
    }
    let new = replaced(&scalar.text, values, met);
    node.value = Value::Scalar(new);
}

fn text_scalar(text: String) -> Scalar {
    Scalar { text: text.into(), tag: Tag::Str, style: Style::Plain }
}

/// What a variable's value is as a scalar; `None` if it is no scalar.
fn primitive(value: &Node) -> Option<Scalar> {
    let Value::Scalar(scalar) = &value.value else { return None };
    let text = match scalar.tag {
        Tag::Int => num::parse_int(&scalar.text, 10)?.to_string(),
        Tag::Float => decimal(num::parse_float(&scalar.text)?),
        Tag::Bool => matches!(&*scalar.text, "true" | "True" | "TRUE").to_string(),
        _ => return Some(text_scalar(scalar.text.to_string())),
    };
    Some(Scalar { text: text.into(), tag: scalar.tag.clone(), style: Style::Plain })
}

/// A float without exponent.
fn decimal(x: f64) -> String {
    format!("{x}")
}

/// A float as Go's `%v` prints it: an exponent from 1e21 on.
fn in_text(scalar: &Scalar) -> String {
    match (&scalar.tag, num::parse_float(&scalar.text)) {
        (Tag::Float, Some(x)) if x != 0.0 && !(1e-4..1e21).contains(&x.abs()) => num::format_g(x),
        _ => scalar.text.to_string(),
    }
}

fn replaced(input: &str, values: &BTreeMap<String, Node>, met: &mut BTreeSet<String>) -> Scalar {
    let mut out = String::with_capacity(input.len());
    let mut rest = input;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(tail) = after.strip_prefix('$') {
            out.push('$');
            rest = tail;
        } else if let Some((name, tail)) = after.strip_prefix('(').and_then(|a| a.split_once(')')) {
            let whole = input.len() == name.len() + 3;
            match values.get(name).and_then(primitive) {
                Some(value) => {
                    met.insert(name.to_owned());
                    if whole {
                        return value;
                    }
                    out.push_str(&in_text(&value));
                }
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = tail;
        } else {
            out.push('$');
            rest = after;
        }
    }
    out.push_str(rest);
    text_scalar(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> BTreeMap<String, Node> {
        BTreeMap::from([
            ("S".to_owned(), Node::str("x")),
            ("N".to_owned(), Node::scalar(Tag::Int, "5")),
            ("M".to_owned(), Node::mapping()),
        ])
    }

    fn run(input: &str) -> (String, Tag) {
        let scalar = replaced(input, &values(), &mut BTreeSet::new());
        (scalar.text.to_string(), scalar.tag)
    }

    #[test]
    fn a_whole_field_takes_the_type_and_mixed_text_is_text() {
        assert_eq!(run("$(N)"), ("5".into(), Tag::Int));
        assert_eq!(run("a$(N)b$(S)"), ("a5bx".into(), Tag::Str));
    }

    #[test]
    fn dollars_escape_and_what_is_unknown_stays() {
        assert_eq!(run("$$(S)").0, "$(S)");
        assert_eq!(run("$(U) $(M) $(S $x $").0, "$(U) $(M) $(S $x $");
    }
}
