//! What kustomize prints for a resource: its node decoded by go-yaml v3, made JSON, and written by `sigs.k8s.io/yaml`.

use super::natural_sort_by;
use super::writer::Writer;
use crate::yaml::resolve::{Dialect, Resolved, resolve_tagged};
use crate::yaml::{Entry, Error, Mapping, Node, Pos, Scalar, Tag, Value, json, time};

/// Prints a resource read with `read_v3` as kustomize prints it.
///
/// # Errors
/// What the original refuses at output: duplicate keys, keys that are not strings below the top level, scalars that
/// contradict their tag, infinities, invalid base64 in `!!binary`.
pub fn to_yaml(node: &Node) -> Result<String, Error> {
    let mut out = String::with_capacity(1024);
    append_yaml(node, &mut out)?;
    Ok(out)
}

/// As [`to_yaml`], appending to a text that is empty or ends in a line break.
///
/// # Errors
/// As [`to_yaml`].
pub fn append_yaml(node: &Node, out: &mut String) -> Result<(), Error> {
    let mut writer = Writer::new(out);
    write(&mut writer, node, true)?;
    writer.finish()
}

fn write(w: &mut Writer<'_>, node: &Node, top: bool) -> Result<(), Error> {
    match &node.value {
        Value::Scalar(scalar) => return write_scalar(w, scalar, node.pos),
        Value::Sequence(items) => {
            w.begin_seq();
            for item in items {
                write(w, item, false)?;
            }
        }
        Value::Mapping(mapping) => {
            w.begin_map();
            for (key, entry) in sorted_entries(mapping, top)? {
                w.key(key);
                write(w, &entry.value, false)?;
            }
        }
    }
    w.end();
    Ok(())
}

/// The entries in the order of printing.
fn sorted_entries(mapping: &Mapping, top: bool) -> Result<Vec<(&str, &Entry)>, Error> {
    let mut sorted = Vec::with_capacity(mapping.entries.len());
    for entry in &mapping.entries {
        match &entry.key.value {
            Value::Scalar(Scalar { tag: Tag::Str, text, .. }) => sorted.push((&**text, entry)),
            // The top level is decoded into string keys, whatever they are; null keys fall out.
            Value::Scalar(Scalar { tag, text, .. }) if top => {
                if *tag != Tag::Null {
                    sorted.push((&**text, entry));
                }
            }
            _ => {
                return Err(Error::at(
                    entry.key.pos,
                    "json: unsupported type: map[interface {}]interface {}",
                ));
            }
        }
    }
    natural_sort_by(&mut sorted, |(key, _)| key);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let (first, second) = (pair[0].1.key.pos, pair[1].1.key.pos);
        return Err(duplicate_key(pair[0].0, first, second));
    }
    Ok(sorted)
}

fn duplicate_key(key: &str, first: Pos, second: Pos) -> Error {
    let where_first = if first.line == 0 { String::new() } else { format!(" at line {}", first.line) };
    Error::at(second, format!("mapping key {} already defined{where_first}", json::quote(key, false)))
}

fn write_scalar(w: &mut Writer<'_>, scalar: &Scalar, pos: Pos) -> Result<(), Error> {
    if let Tag::Str | Tag::Other(_) = scalar.tag {
        w.string(&scalar.text);
        return Ok(());
    }
    if scalar.tag == Tag::Binary {
        w.string(&decode_binary(&scalar.text, pos)?);
        return Ok(());
    }
    match resolve_tagged(&scalar.tag, &scalar.text, Dialect::V3).map_err(|m| Error::at(pos, m))? {
        Resolved::Null => w.null(),
        Resolved::Bool(b) => w.bool(b),
        Resolved::Int(n) => w.int(n),
        Resolved::Uint(n) => w.uint(n),
        Resolved::Float(x) if x.is_finite() => w.float(x),
        Resolved::Float(x) => {
            return Err(Error::at(
                pos,
                format!("json: unsupported value: {}", crate::yaml::num::format_g(x)),
            ));
        }
        Resolved::Timestamp(t) => w.string(&time::to_json(&t).map_err(|m| Error::at(pos, m))?),
        Resolved::Str => w.string(&scalar.text),
    }
    Ok(())
}

/// The text of a `!!binary` scalar, each byte that is not UTF-8 replaced as Go's JSON does.
pub(crate) fn decode_binary(text: &str, pos: Pos) -> Result<String, Error> {
    use base64::Engine as _;
    let engine = base64::engine::general_purpose::STANDARD;
    // Go's decoder skips line breaks.
    let clean: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let bytes =
        engine.decode(&clean).map_err(|_| Error::at(pos, "!!binary value contains invalid base64 data"))?;
    Ok(json::lossy(&bytes))
}
