//! The readers: text in, trees out.

use super::compose::Composer;
use super::resolve::{Dialect, Resolved, resolve_tagged};
use super::{Entry, Error, Limits, Mapping, Node, Scalar, Style, Tag, Value, emit, num};

/// Reads resources as kustomize does: go-yaml v3 behind kyaml's document splitting.
///
/// `\r\n` counts as `\n`; the text is cut at lines that start with `---` (after which only blanks or a comment may
/// follow) and each piece gives its first document; empty documents are dropped. Anchors, aliases and merge keys are
/// expanded, duplicate keys kept. Places count from the start of the whole text.
///
/// # Errors
/// What go-yaml v3 refuses, in its words, and what exceeds the limits.
pub fn read_v3(text: &str, limits: &Limits) -> Result<Vec<Node>, Error> {
    let unix;
    let mut text = text;
    if text.contains("\r\n") {
        unix = text.replace("\r\n", "\n");
        text = &unix;
    }
    let mut nodes = Vec::new();
    let mut deferred = Ok(());
    for (piece, first_line) in split_documents(text)? {
        let mut composer = Composer::new(piece, Dialect::V3, limits)?;
        composer.start_at(first_line);
        if let Some(node) = composer.document()?
            && !node.is_null()
        {
            nodes.push(node);
        }
        deferred = deferred.and(composer.finish());
    }
    deferred.map(|()| nodes)
}

/// kyaml's cut at `\n---.*\n`: each piece with the number of lines before it.
fn split_documents(text: &str) -> Result<Vec<(&str, u32)>, Error> {
    let mut pieces = Vec::new();
    let (mut start, mut first_line) = (0, 0);
    let mut search = 0;
    while let Some(found) = text[search..].find("\n---") {
        let at = search + found;
        let Some(length) = text[at + 1..].find('\n') else { break };
        let separator = &text[at + 1..at + 1 + length];
        let rest = separator[3..].trim();
        let lines = text[start..=at].bytes().filter(|&b| b == b'\n').count() as u32;
        if !rest.is_empty() && !rest.starts_with('#') {
            let pos = super::Pos { line: first_line + lines + 1, column: 1 };
            return Err(Error::at(pos, format!("invalid document separator: {}", separator.trim())));
        }
        // The break before the separator belongs to the piece.
        pieces.push((&text[start..=at], first_line));
        start = at + 1 + length + 1;
        first_line += lines + 1;
        // The break that ends a separator cannot begin the next one.
        search = start;
    }
    pieces.push((&text[start..], first_line));
    Ok(pieces)
}

/// Reads every document of a stream as go-yaml v3 does, without kyaml's splitting; empty documents are kept as null.
///
/// # Errors
/// What go-yaml v3 refuses, in its words, and what exceeds the limits.
pub fn read_v3_stream(text: &str, limits: &Limits) -> Result<Vec<Node>, Error> {
    read_all(text, Dialect::V3, limits)
}

/// Reads every document as go-yaml v2 does: YAML 1.1 booleans, dates as strings, anchors and merge keys expanded.
///
/// Duplicate keys are kept; the last one counts, and keys that a merge brings stand where the merge stood.
///
/// # Errors
/// What go-yaml v2 refuses, in its words, and what exceeds the limits.
pub fn read_v2(text: &str, limits: &Limits) -> Result<Vec<Node>, Error> {
    read_all(text, Dialect::V2, limits)
}

fn read_all(text: &str, dialect: Dialect, limits: &Limits) -> Result<Vec<Node>, Error> {
    let mut composer = Composer::new(text, dialect, limits)?;
    let mut nodes = Vec::new();
    while let Some(node) = composer.document()? {
        nodes.push(node);
    }
    composer.finish()?;
    Ok(nodes)
}

/// Reads the first document as `sigs.k8s.io/yaml.YAMLToJSON` does: string keys in bytewise order, the last of repeated
/// keys, numbers as JSON spells them. An empty text is null. Later documents are not looked at.
///
/// # Errors
/// What go-yaml v2 or the conversion to JSON refuses, and what exceeds the limits.
pub fn read_v2_json(text: &str, limits: &Limits) -> Result<Node, Error> {
    let mut composer = Composer::new(text, Dialect::V2, limits)?;
    match composer.document()? {
        Some(node) => jsonable(node),
        None => Ok(Node::null()),
    }
}

/// As [`read_v2_json`], but a mapping need only have the entries whose keys are wanted: what is not wanted is checked, not
/// kept.
///
/// # Errors
/// As [`read_v2_json`].
pub fn read_v2_json_fields(
    text: &str,
    limits: &Limits,
    wanted: impl Fn(&str) -> bool,
) -> Result<Node, Error> {
    match Composer::new(text, Dialect::V2, limits)?.fields(wanted) {
        // What is wrong with a wanted entry is said in the order of the whole document.
        Some(node) => jsonable(node).or_else(|_| read_v2_json(text, limits)),
        None => read_v2_json(text, limits),
    }
}

/// Reads a table that is shipped as YAML: short, flat, without aliases.
///
/// # Errors
/// What is wrong with it.
pub fn read_table<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, String> {
    let limits = Limits { depth: 16, alias_nodes: 0, bytes: 1 << 20 };
    let node = read_v2_json(text, &limits).map_err(|e| e.to_string())?;
    let json = super::json::to_json(&node, false).map_err(|e| e.to_string())?;
    serde_json::from_str(&json).map_err(|e| e.to_string())
}

/// As [`read_v2_json`], for every document of the stream; empty documents are null.
///
/// # Errors
/// As [`read_v2_json`].
pub fn read_v2_json_all(text: &str, limits: &Limits) -> Result<Vec<Node>, Error> {
    read_v2(text, limits)?.into_iter().map(jsonable).collect()
}

pub(super) fn jsonable(node: Node) -> Result<Node, Error> {
    let pos = node.pos;
    let value = match node.value {
        Value::Scalar(scalar) => Value::Scalar(json_scalar(scalar, pos)?),
        Value::Sequence(items) => Value::Sequence(items.into_iter().map(jsonable).collect::<Result<_, _>>()?),
        Value::Mapping(mapping) => {
            let mut entries = Vec::with_capacity(mapping.entries.len());
            for Entry { key, value } in mapping.entries {
                entries.push(Entry { key: json_key(key)?, value });
            }
            // Stable: of equal keys the last one stays. What the others hold must be decodable, but not fit for JSON.
            entries.sort_by(|a, b| a.key.text().cmp(&b.key.text()));
            let mut kept: Vec<Entry> = Vec::with_capacity(entries.len());
            for entry in entries {
                match kept.last_mut() {
                    Some(last) if last.key == entry.key => {
                        decodable(&last.value)?;
                        *last = entry;
                    }
                    _ => kept.push(entry),
                }
            }
            for entry in &mut kept {
                entry.value =
                    jsonable(std::mem::replace(&mut entry.value, Node::from(Value::Sequence(Vec::new()))))?;
            }
            Value::Mapping(Mapping { entries: kept })
        }
    };
    Ok(Node { value, pos })
}

/// Finds what go-yaml itself refuses in a value that a later key replaces.
fn decodable(node: &Node) -> Result<(), Error> {
    match &node.value {
        Value::Scalar(scalar) => {
            typed(scalar, node.pos)?;
            if scalar.tag == Tag::Binary {
                emit::decode_binary(&scalar.text, node.pos)?;
            }
            Ok(())
        }
        Value::Sequence(items) => items.iter().try_for_each(decodable),
        Value::Mapping(mapping) => mapping.entries.iter().try_for_each(|entry| {
            if entry.key.text().is_none() {
                return Err(invalid_key(&entry.key));
            }
            decodable(&entry.key)?;
            decodable(&entry.value)
        }),
    }
}

fn invalid_key(key: &Node) -> Error {
    let kind = if key.as_seq().is_some() { "[]interface {}" } else { "map[interface {}]interface {}" };
    Error { pos: key.pos, message: format!("invalid map key: {kind}"), shown: 0 }
}

fn typed(scalar: &Scalar, pos: super::Pos) -> Result<Resolved, Error> {
    resolve_tagged(&scalar.tag, &scalar.text, Dialect::V2).map_err(|m| Error { pos, message: m, shown: 0 })
}

fn json_scalar(scalar: Scalar, pos: super::Pos) -> Result<Scalar, Error> {
    let plain = |tag, text: String| Scalar { text: text.into(), tag, style: Style::Plain };
    Ok(match (&scalar.tag, typed(&scalar, pos)?) {
        (Tag::Binary, _) => plain(Tag::Str, emit::decode_binary(&scalar.text, pos)?),
        (Tag::Str, _) => scalar,
        (_, Resolved::Str | Resolved::Timestamp(_)) => Scalar { tag: Tag::Str, ..scalar },
        (_, Resolved::Null) => plain(Tag::Null, "null".into()),
        (_, Resolved::Bool(b)) => plain(Tag::Bool, b.to_string()),
        (_, Resolved::Int(n)) => plain(Tag::Int, n.to_string()),
        (_, Resolved::Uint(n)) => plain(Tag::Int, n.to_string()),
        (_, Resolved::Float(x)) => match num::format_json(x) {
            // These would read as the integer 0, and as an integer that no float tag allows.
            Some(text) if text == "-0" || text.len() > 18 && num::parse_uint(&text, 10).is_some() => {
                plain(Tag::Float, text + ".0")
            }
            Some(text) => plain(Tag::Float, text),
            None => return Err(Error::at(pos, format!("json: unsupported value: {}", num::format_g(x)))),
        },
    })
}

fn json_key(key: Node) -> Result<Node, Error> {
    let pos = key.pos;
    let Value::Scalar(scalar) = &key.value else { return Err(invalid_key(&key)) };
    let scalar = scalar.clone();
    let text: Box<str> = match (&scalar.tag, typed(&scalar, pos)?) {
        (Tag::Binary, _) => emit::decode_binary(&scalar.text, pos)?.into(),
        (_, Resolved::Str | Resolved::Timestamp(_)) => scalar.text,
        (_, Resolved::Bool(b)) => b.to_string().into(),
        (_, Resolved::Int(n)) => n.to_string().into(),
        (_, Resolved::Float(x)) => match num::format_g32(x).as_str() {
            "+Inf" => ".inf".into(),
            "-Inf" => "-.inf".into(),
            "NaN" => ".nan".into(),
            text => text.into(),
        },
        (_, Resolved::Null) => {
            return Err(Error::at(pos, "unsupported map key of type: null; write the key in quotes"));
        }
        (_, Resolved::Uint(n)) => {
            return Err(Error::at(
                pos,
                format!("unsupported map key of type: uint64, key: {n}; write the key in quotes"),
            ));
        }
    };
    Ok(Node { value: Value::Scalar(Scalar { text, tag: Tag::Str, style: scalar.style }), pos })
}

/// Bytes as the text that the readers take: UTF-8 or UTF-16 with a byte order mark, UTF-8 without one.
///
/// # Errors
/// go-yaml's words for bytes that are not what they claim to be.
pub fn decode_bytes(bytes: &[u8]) -> Result<std::borrow::Cow<'_, str>, Error> {
    use std::borrow::Cow;
    let pair = |c: &[u8]| [c[0], c.get(1).copied().unwrap_or(0)];
    let wide: Vec<u16> = match bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] if !bytes.len().is_multiple_of(2) => {
            return Err(Error::new("incomplete UTF-16 character"));
        }
        [0xFF, 0xFE, rest @ ..] => rest.chunks(2).map(|c| u16::from_le_bytes(pair(c))).collect(),
        [0xFE, 0xFF, rest @ ..] => rest.chunks(2).map(|c| u16::from_be_bytes(pair(c))).collect(),
        _ => {
            return match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Cow::Borrowed(text)),
                Err(e) => {
                    let line = bytes[..e.valid_up_to()].iter().filter(|&&b| b == b'\n').count() as u32 + 1;
                    let message = if e.error_len().is_none() {
                        "incomplete UTF-8 octet sequence"
                    } else if matches!(bytes[e.valid_up_to()], 0xC2..=0xF4) {
                        "invalid trailing UTF-8 octet"
                    } else {
                        "invalid leading UTF-8 octet"
                    };
                    Err(Error { pos: super::Pos { line, column: 1 }, message: message.into(), shown: 0 })
                }
            };
        }
    };
    String::from_utf16(&wide).map(Cow::Owned).map_err(|_| Error::new("unexpected low surrogate area"))
}
