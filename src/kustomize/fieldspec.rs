//! Walking a field spec through an object, and setting scalars as kyaml sets them.
//!
//! Follows `api/filters/fieldspec`: path parts are separated by `/`, `\/` is a slash in a name, `[]` marks a sequence
//! that is never created; sequences on the way are walked whether marked or not; null on the way ends the walk; a scalar
//! on the way is an error.

use std::borrow::Cow;

use super::error::Error;
use super::gvk::GvkView;
use super::share::{Shares, mark};
use super::types::FieldSpec;
use crate::yaml::{Entry, Mapping, Node, Scalar, Style, Tag, Value};

/// What a missing last field becomes if the field spec says `create`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// Nothing is ever made.
    Never,
    /// An empty scalar, for the setter to fill.
    Scalar,
    /// An empty mapping.
    Mapping,
}

/// Splits at `/`, where `\/` does not count and a leading `/` is nothing.
#[must_use]
pub fn split_path(path: &str, delimiter: char) -> Vec<Cow<'_, str>> {
    let mut parts: Vec<Cow<'_, str>> = path.split(delimiter).map(Cow::Borrowed).collect();
    if parts.len() > 1 && parts[0].is_empty() {
        parts.remove(0);
    }
    if !path.contains('\\') {
        return parts;
    }
    let mut out: Vec<Cow<'_, str>> = Vec::with_capacity(parts.len());
    for part in parts {
        match out.last_mut() {
            Some(last) if last.ends_with('\\') => {
                let joined = format!("{}{delimiter}{part}", &last[..last.len() - 1]);
                *last = Cow::Owned(joined);
            }
            _ => out.push(part),
        }
    }
    out
}

/// Whether the field spec is for objects of this kind.
#[must_use]
pub fn is_for(spec: &FieldSpec, gvk: GvkView<'_>) -> bool {
    gvk.is_selected(&spec.gvk)
}

/// Calls `set` on every node that the field spec leads to.
///
/// # Errors
/// If a scalar is in the way, or `set` fails; the message names field and object.
pub fn apply(
    root: &mut Node,
    gvk: GvkView<'_>,
    spec: &FieldSpec,
    create: Create,
    set: &mut dyn FnMut(&mut Node) -> Result<(), Error>,
) -> Result<(), Error> {
    if !is_for(spec, gvk) {
        return Ok(());
    }
    apply_unchecked(root, spec, create, set)
}

/// [`apply`] for a caller that knows that the kind fits.
///
/// # Errors
/// As [`apply`].
pub fn apply_unchecked(
    root: &mut Node,
    spec: &FieldSpec,
    create: Create,
    set: &mut dyn FnMut(&mut Node) -> Result<(), Error>,
) -> Result<(), Error> {
    let create = if spec.create { create } else { Create::Never };
    let path = split_path(&spec.path, '/');
    let done = walk(root, &path, create, set);
    done.map_err(|e| {
        let object = super::resource::Resource::new(root.clone());
        e.at_line(root.pos.line).context(format!(
            "considering field '{}' of object {}",
            spec.path,
            object.cur_id()
        ))
    })
}

fn walk(
    node: &mut Node,
    path: &[Cow<'_, str>],
    create: Create,
    set: &mut dyn FnMut(&mut Node) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some((part, rest)) = path.split_first() else { return set(node) };
    if node.is_null() {
        return Ok(());
    }
    let line = node.pos.line;
    match &mut node.value {
        Value::Sequence(list) => list.iter_mut().try_for_each(|element| walk(element, path, create, set)),
        Value::Mapping(map) => walk_map(map, part, rest, create, set).map_err(|e| e.at_line(line)),
        Value::Scalar(_) => {
            Err(Error::new(format!("expected sequence or mapping node before '{part}', found a scalar"))
                .at_line(line))
        }
    }
}

fn walk_map(
    map: &mut Mapping,
    part: &str,
    rest: &[Cow<'_, str>],
    create: Create,
    set: &mut dyn FnMut(&mut Node) -> Result<(), Error>,
) -> Result<(), Error> {
    let (name, is_sequence) = match part.strip_suffix("[]") {
        Some(name) => (name, true),
        None => (part, false),
    };
    if name.is_empty() {
        return Err(Error::new("cannot set or create an empty field name"));
    }
    refuse_index(name)?;
    let create_here = if is_sequence { Create::Never } else { create };
    let made = match (create_here, rest.is_empty()) {
        (Create::Never, _) => None,
        (_, false) | (Create::Mapping, true) => Some(Value::Mapping(Mapping::default())),
        (Create::Scalar, true) => Some(empty_scalar()),
    };
    let field = match (map.get(name).is_some(), &made) {
        (false, None) => return Ok(()),
        (false, Some(value)) => {
            map.entries.push(Entry { key: Node::str(name), value: Node::from(value.clone()) });
            map.entries.last_mut().map(|e| &mut e.value)
        }
        (true, _) => map.get_mut(name),
    };
    let Some(field) = field else { return Ok(()) };
    if field.is_null() {
        // A null field counts as there, and becomes what was asked for; a marked sequence even without `create`.
        match made {
            Some(value @ Value::Mapping(_)) => field.value = value,
            None if is_sequence => field.value = Value::Sequence(Vec::new()),
            _ => {}
        }
    }
    walk(field, rest, create, set)
}

/// A number, `-`, `*` or `[k=v]` as a name means an element in kyaml's getter, which a mapping has not.
fn refuse_index(name: &str) -> Result<(), Error> {
    let is_index = name == "-" || name == "*" || name.parse::<i64>().is_ok();
    if is_index || (name.starts_with('[') && name.ends_with(']')) {
        return Err(Error::new(format!(
            "fieldName: {name}: wrong node kind: expected a sequence for an index but got a mapping"
        )));
    }
    Ok(())
}

fn empty_scalar() -> Value {
    Value::Scalar(Scalar { text: "".into(), tag: Tag::Str, style: Style::Plain })
}

/// The name of a node's kind, as the original prints it.
#[must_use]
pub fn kind_name(node: &Node) -> &'static str {
    match node.value {
        Value::Scalar(_) => "ScalarNode",
        Value::Sequence(_) => "SequenceNode",
        Value::Mapping(_) => "MappingNode",
    }
}

/// An error about a node that is not what it must be.
#[must_use]
pub fn wrong_kind(expected: &str, node: &Node) -> Error {
    Error::new(format!("wrong node kind: expected {expected} but got {}", kind_name(node)))
        .at_line(node.pos.line)
}

/// Sets a scalar to a text with a known type.
///
/// # Errors
/// If the node is a mapping or sequence.
pub fn set_scalar(node: &mut Node, text: &str, tag: Tag, shares: &mut Shares) -> Result<(), Error> {
    let Value::Scalar(old) = &node.value else { return Err(wrong_kind("ScalarNode", node)) };
    let value = Scalar { text: text.into(), tag: tag_in(old.style, tag), style: old.style };
    shares.assign(node, Value::Scalar(value));
    Ok(())
}

/// The type of a scalar that is written into a field: the field keeps its quotes, and in quotes a number or boolean is
/// text (case `patch-number-into-quoted-field`).
#[must_use]
pub fn tag_in(style: Style, tag: Tag) -> Tag {
    match tag {
        Tag::Int | Tag::Float | Tag::Bool | Tag::Timestamp if style != Style::Plain => Tag::Str,
        other => other,
    }
}

/// Sets a scalar without saying its type: quoted fields stay strings, plain ones become what the text reads as.
///
/// # Errors
/// If the node is a mapping or sequence.
pub fn set_scalar_untyped(node: &mut Node, text: &str, shares: &mut Shares) -> Result<(), Error> {
    let Value::Scalar(old) = &node.value else { return Err(wrong_kind("ScalarNode", node)) };
    let tag = if old.style == Style::Plain { super::scalar::resolve(text) } else { Tag::Str };
    set_scalar(node, text, tag, shares)
}

/// A key that the original makes without a tag: one that reads as a number or boolean becomes just that, and the object
/// cannot be printed then (case `labels-key-that-reads-as-a-number-refused`).
#[must_use]
pub fn untagged_key(key: &str) -> Node {
    Node::scalar(super::scalar::resolve(key), key)
}

/// Sets a key of a mapping to a string; the node it makes for a missing key joins `group`. A null instead of the
/// mapping stays null.
///
/// # Errors
/// If the node is a scalar or sequence.
pub fn set_entry(
    node: &mut Node,
    key: &str,
    text: &str,
    group: u32,
    shares: &mut Shares,
) -> Result<(), Error> {
    if node.is_null() {
        return Ok(());
    }
    let Value::Mapping(map) = &mut node.value else { return Err(wrong_kind("MappingNode", node)) };
    match map.get_mut(key) {
        Some(field) => shares.assign(field, Node::str(text).value),
        None => {
            let value = Node { pos: mark(group), ..Node::str(text) };
            map.entries.push(Entry { key: untagged_key(key), value });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(entries: Vec<(&str, Node)>) -> Node {
        let entries = entries.into_iter().map(|(k, v)| Entry { key: Node::str(k), value: v });
        Node::from(Value::Mapping(Mapping { entries: entries.collect() }))
    }

    fn visit(root: &mut Node, path: &str, create: bool) -> Result<usize, Error> {
        let spec = FieldSpec { path: path.into(), create, ..FieldSpec::default() };
        let mut seen = 0;
        apply(root, GvkView::default(), &spec, Create::Mapping, &mut |_| {
            seen += 1;
            Ok(())
        })?;
        Ok(seen)
    }

    #[test]
    fn escaped_slashes_belong_to_the_name() {
        assert_eq!(split_path("/a/b\\/c/d", '/'), ["a", "b/c", "d"]);
        assert_eq!(split_path("", '/'), [""]);
    }

    #[test]
    fn sequences_are_walked_whether_marked_or_not() {
        let list = || Node::from(Value::Sequence(vec![map(vec![("a", Node::str("x"))]), map(vec![])]));
        let mut root = map(vec![("l", list())]);
        assert_eq!(visit(&mut root, "l/a", false).unwrap(), 1);
        assert_eq!(visit(&mut root, "l[]/a", false).unwrap(), 1);
        assert_eq!(visit(&mut root, "l[]/a", true).unwrap(), 2);
    }

    #[test]
    fn create_makes_mappings_but_no_marked_sequence() {
        let mut root = map(vec![]);
        assert_eq!(visit(&mut root, "a/b", true).unwrap(), 1);
        assert!(root.get("a").unwrap().get("b").unwrap().as_map().is_some());
        assert_eq!(visit(&mut root, "l[]/b", true).unwrap(), 0);
        assert!(root.get("l").is_none());
    }

    #[test]
    fn a_null_sequence_that_is_marked_becomes_an_empty_one() {
        let mut root = map(vec![("l", Node::null()), ("m", Node::null())]);
        assert_eq!(visit(&mut root, "l[]/b", false).unwrap(), 0);
        assert!(root.get("l").unwrap().as_seq().is_some());
        assert_eq!(visit(&mut root, "m/b", false).unwrap(), 0);
        assert!(root.get("m").unwrap().is_null());
    }

    #[test]
    fn a_scalar_on_the_way_is_an_error_with_field_and_object() {
        let mut root = map(vec![("kind", Node::str("K")), ("a", Node::str("x"))]);
        let e = visit(&mut root, "a/b", false).unwrap_err().to_string();
        assert!(e.contains("considering field 'a/b' of object K.[noVer].[noGrp]"), "{e}");
        assert!(visit(&mut root, "a/0", false).is_err());
    }
}
