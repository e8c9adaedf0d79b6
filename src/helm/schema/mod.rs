//! `values.schema.json`: the values of every chart that takes part, checked against its schema.
//!
//! A validator of our own, because messages are to be those of the original's library (santhosh-tekuri/jsonschema v6) to
//! the byte and no crate has its words, its order, its exact numbers and Go's patterns. In order: `json` reads a
//! document, `root` finds what has a name in it, `compile` makes `node`s, `check` and `keywords` hold a value against
//! them, `words` tells what they found. `documents`, `draft`, `address`, `format` and `times` are what
//! they need.
//!
//! A `$ref` over `http(s)://` or `file://` is refused, because a render reads nothing but its inputs; an unresolved
//! `urn:` accepts anything, as in Helm.

mod address;
mod check;
mod compile;
mod documents;
mod draft;
mod format;
mod json;
mod keywords;
mod node;
mod root;
mod times;
mod words;

use std::fmt::Write as _;

use crate::template::Value;

use super::coalesce::Table;
use super::error::Error;
use super::instance::Instance;
use json::Json;

/// Where Helm's validator finds the schema.
const URL: &str = "file:///values.schema.json";

/// Checks coalesced values against the schemas of a chart and of its subcharts.
pub(super) fn validate(chart: &Instance<'_>, values: &Table) -> Result<(), Error> {
    let mut messages = String::new();
    check(chart, values, &mut messages);
    if messages.is_empty() { Ok(()) } else { Err(Error::Schema(messages)) }
}

fn check(chart: &Instance<'_>, values: &Table, out: &mut String) {
    if let Some(schema) = &chart.chart.schema
        && let Err(message) = check_one(schema, &(&Value::Map(std::rc::Rc::clone(values))).into())
    {
        let _ = write!(out, "{}:\n{message}", chart.name);
    }
    for child in &chart.children {
        match values.get(&child.name) {
            None | Some(Value::Nil) => {}
            Some(Value::Map(table)) => check(child, &table, out),
            Some(other) => {
                let _ = writeln!(
                    out,
                    "{}:\ninvalid type for values: expected object (map), got {}",
                    child.name,
                    other.type_name()
                );
            }
        }
    }
}

/// One schema. Violations end with a line break; a schema that is none does not, as in Helm.
fn check_one(schema: &[u8], values: &Json) -> Result<(), String> {
    let mut compiler = compile::Compiler::default();
    compiler.documents.add(URL, json::parse(schema)?);
    let first = compiler.compile(URL)?;
    match check::check(&compiler.nodes, first, values, None)? {
        None => Ok(()),
        Some(failure) => {
            let text = failure.text();
            let head = format!("jsonschema validation failed with '{URL}#'\n");
            Err(format!("{}\n", text.strip_prefix(&head).unwrap_or(&text)))
        }
    }
}

#[cfg(test)]
mod tests;
