//! What kustomize prints for a resource: its node decoded by go-yaml v3, made JSON, and written by `sigs.k8s.io/yaml`.

use std::borrow::Cow;

use super::scalar::{Emitter, Kinds, analyze, is_break};
use super::writer::Writer;
use super::{natural_sort_by, natural_sort_by_v3};
use crate::yaml::resolve::{Dialect, Resolved, resolve_tagged};
use crate::yaml::{
    Entry, Error, Limits, Mapping, Node, Pos, Scalar, Style, Tag, Value, json, read_v3_stream, time,
};

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

/// Prints a value as go-yaml v3's encoder with `SetIndent(2)` does (Helm's `toYamlPretty`).
///
/// # Errors
/// Keys that are no scalars, scalars that contradict their tag.
pub fn to_yaml_v3_indented(node: &Node) -> Result<String, Error> {
    let mut out = String::new();
    let mut writer = Writer::new_v3_indented(&mut out);
    write_v3(&mut writer, node)?;
    writer.finish()?;
    Ok(out)
}

fn write_v3(w: &mut Writer<'_>, node: &Node) -> Result<(), Error> {
    match &node.value {
        Value::Scalar(scalar) => {
            let plain = Scalar { style: Style::DoubleQuoted, ..scalar.clone() };
            return write_scalar(w, &plain, node.pos);
        }
        Value::Sequence(items) => {
            w.begin_seq();
            items.iter().try_for_each(|item| write_v3(w, item))?;
        }
        Value::Mapping(mapping) => {
            w.begin_map();
            let mut sorted = Vec::with_capacity(mapping.entries.len());
            for entry in &mapping.entries {
                let Some(key) = entry.key.text() else {
                    return Err(Error::at(entry.key.pos, "map keys that are no scalars cannot be printed"));
                };
                sorted.push((key, entry));
            }
            natural_sort_by_v3(&mut sorted, |(key, _)| key);
            for (key, entry) in sorted {
                w.key(key);
                write_v3(w, &entry.value)?;
            }
        }
    }
    w.end();
    Ok(())
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
            // Written as `''`.
            Value::Scalar(Scalar { tag: Tag::Null, text, .. }) if text.is_empty() => sorted.push(("", entry)),
            // kyaml does not find a null key again when it expands merges, and appends it a second time.
            Value::Scalar(Scalar { tag: Tag::Null, text, .. }) if top => {
                return Err(duplicate_key(text, entry.key.pos, entry.key.pos));
            }
            // The top level is decoded into string keys, whatever they are.
            Value::Scalar(Scalar { text, .. }) if top => sorted.push((&**text, entry)),
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
        return write_string(w, scalar, pos);
    }
    if quoted_in_flow(scalar) {
        w.string(&scalar.text);
        return Ok(());
    }
    if scalar.tag == Tag::Binary {
        w.string(&decode_binary(&scalar.text, pos)?);
        return Ok(());
    }
    match resolve_tagged(&scalar.tag, &scalar.text, Dialect::V3).map_err(|message| Error {
        pos,
        message,
        shown: 0,
    })? {
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

fn write_string(w: &mut Writer<'_>, scalar: &Scalar, pos: Pos) -> Result<(), Error> {
    w.string(&rewritten(scalar, pos)?);
    Ok(())
}

/// Whether kustomize's writing makes a string of this: see `style_kept` in the composer.
pub(crate) fn quoted_in_flow(scalar: &Scalar) -> bool {
    scalar.style == Style::SingleQuoted && matches!(scalar.tag, Tag::Null | Tag::Timestamp)
}

/// What is left of a string after kustomize has written it with go-yaml v3, in the style in which it stood, and read it
/// again. Only block scalars are changed by that.
pub(crate) fn rewritten(scalar: &Scalar, pos: Pos) -> Result<Cow<'_, str>, Error> {
    let block = match scalar.style {
        Style::Literal | Style::Folded => true,
        Style::Plain => scalar.text.contains('\n'),
        Style::SingleQuoted | Style::DoubleQuoted => false,
    };
    if block
        && scalar.text.starts_with('\t')
        && analyze(&scalar.text, Kinds::of(&scalar.text), Emitter::V3).block
    {
        // There is no indentation indicator, and a tab where the indentation is looked for.
        let message = "found a tab character where an indentation space is expected; quote the text";
        return Err(Error::at(pos, message));
    }
    if scalar.style == Style::Folded && scalar.text.contains('\n') {
        return refolded(&scalar.text).map(Cow::Owned);
    }
    Ok(Cow::Borrowed(&scalar.text))
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

/// What is left of a folded text after kustomize has written it with go-yaml v3 and read it again.
///
/// go-yaml doubles a break only if the first line of the text does not begin with a blank, and forgets that it must
/// not before a line that does: `>` with more-indented lines grows empty lines.
fn refolded(text: &str) -> Result<String, Error> {
    let blank = |c: char| matches!(c, ' ' | '\t');
    let analysis = analyze(text, Kinds::of(text), Emitter::V3);
    if !analysis.block {
        return Ok(text.to_owned());
    }
    let doubles = text.trim_start_matches(is_break).starts_with(|c| !blank(c));
    let mut out = String::from(">");
    if text.starts_with(|c| c == ' ' || is_break(c)) {
        out.push('2');
    }
    let mut from_end = text.chars().rev();
    match (from_end.next(), from_end.next()) {
        (Some(last), before) if is_break(last) => {
            out.push_str(if before.is_none_or(is_break) { "+" } else { "" })
        }
        _ => out.push('-'),
    }
    out.push('\n');
    let (mut breaks, mut leading_blank) = (true, true);
    for c in text.chars() {
        if is_break(c) {
            if !breaks && !leading_blank && c == '\n' && doubles {
                out.push('\n');
            }
            out.push(c);
            breaks = true;
            continue;
        }
        if breaks {
            out.push_str("  ");
            leading_blank = blank(c);
        }
        out.push(c);
        breaks = false;
    }
    let nodes = read_v3_stream(&out, &Limits::default())?;
    Ok(nodes.first().and_then(Node::text).unwrap_or_default().to_owned())
}
