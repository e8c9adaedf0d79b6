//! Dotted field paths of replacements and variables: `spec.containers.[name=a].env.0.value`, `a\.b`, `[a.b/c]`, `*`.
//!
//! Follows kyaml's `SmarterPathSplitter`, `PathGetter` (one node, exact `[k=v]`) and `PathMatcher` (many nodes, `[k=v]`
//! is a pattern, unanchored; `*` is every element of a list; a path may lead into YAML or JSON inside a string).

use std::borrow::Cow;

use super::error::Error;
use super::fieldspec::{split_path, wrong_kind};
use crate::yaml::{Entry, Limits, Mapping, Node, Scalar, Style, Tag, Value, read_v3_stream};

/// The tag of a scalar that was made and has no type yet.
fn untyped() -> Tag {
    Tag::Other("".into())
}

/// Whether a scalar was made by [`for_each`] with `create` and has no type yet.
#[must_use]
pub fn is_untyped(scalar: &Scalar) -> bool {
    matches!(&scalar.tag, Tag::Other(name) if name.is_empty())
}

/// Splits a path at dots that are neither escaped nor inside brackets.
#[must_use]
pub fn split(path: &str) -> Vec<String> {
    let parts = split_path(path, '.');
    let mut out = Vec::with_capacity(parts.len());
    let mut parts = parts.into_iter().map(Cow::into_owned);
    while let Some(part) = parts.next() {
        if !part.starts_with('[') || part.ends_with(']') {
            out.push(part);
            continue;
        }
        let mut joined = part;
        for next in parts.by_ref() {
            let is_end = next.ends_with(']');
            joined.push('.');
            joined.push_str(&next);
            if is_end {
                break;
            }
        }
        out.push(if joined.contains('=') { joined } else { joined.trim_matches(['[', ']']).to_owned() });
    }
    out
}

fn is_bracketed(part: &str) -> bool {
    part.starts_with('[') && part.ends_with(']')
}

fn index(part: &str) -> Option<usize> {
    part.parse::<i64>().ok().and_then(|i| usize::try_from(i).ok())
}

fn key_and_value(part: &str) -> Result<(&str, &str), Error> {
    let inner = part.strip_suffix(']').unwrap_or(part);
    let inner = inner.strip_prefix('[').unwrap_or(inner);
    inner.split_once('=').ok_or_else(|| {
        Error::new("list path element must contain fieldName=fieldValue for element to match")
            .hint(format!("'{part}' in the path has no '='"))
    })
}

/// The node at a path, if there is one.
///
/// # Errors
/// If a part does not fit the node it meets.
pub fn get<'a>(root: &'a Node, path: &[String]) -> Result<Option<&'a Node>, Error> {
    let mut node = root;
    for part in path.iter().map(|p| p.trim()).filter(|p| !p.is_empty()) {
        let Some(at) = step(node, part)? else { return Ok(None) };
        node = match &node.value {
            Value::Mapping(map) => &map.entries[at].value,
            Value::Sequence(list) => &list[at],
            Value::Scalar(_) => return Ok(None),
        };
    }
    Ok(Some(node))
}

/// As [`get`], to change.
///
/// # Errors
/// As [`get`].
pub fn get_mut<'a>(root: &'a mut Node, path: &[String]) -> Result<Option<&'a mut Node>, Error> {
    let mut node = root;
    for part in path.iter().map(|p| p.trim()).filter(|p| !p.is_empty()) {
        let Some(at) = step(node, part)? else { return Ok(None) };
        node = match &mut node.value {
            Value::Mapping(map) => &mut map.entries[at].value,
            Value::Sequence(list) => &mut list[at],
            Value::Scalar(_) => return Ok(None),
        };
    }
    Ok(Some(node))
}

/// Which child a part of a path leads to.
fn step(node: &Node, part: &str) -> Result<Option<usize>, Error> {
    let elements = || match &node.value {
        Value::Sequence(list) => Ok(list.as_slice()),
        _ if node.is_null() => Ok(&[][..]),
        _ => Err(wrong_kind("SequenceNode", node)),
    };
    if let Ok(at) = part.parse::<i64>() {
        let at =
            usize::try_from(at).map_err(|_| Error::new(format!("array index {at} cannot be negative")))?;
        let len = elements()?.len();
        return Ok((at < len).then_some(at));
    }
    if part == "-" {
        return Ok(elements()?.len().checked_sub(1));
    }
    if part == "*" {
        return Err(Error::new("wildcard is not supported here"));
    }
    if is_bracketed(part) {
        let (key, value) = key_and_value(part)?;
        return Ok(elements()?.iter().position(|e| {
            if key.is_empty() {
                e.text().unwrap_or("") == value
            } else {
                e.as_map().and_then(|m| m.get(key)).is_some_and(|v| v.text().unwrap_or("") == value)
            }
        }));
    }
    match &node.value {
        Value::Mapping(map) => Ok(map.entries.iter().position(|e| e.key.text() == Some(part))),
        _ if node.is_null() => Ok(None),
        _ => Err(wrong_kind("MappingNode", node)),
    }
}

/// What missing fields at the end of a path become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Made {
    /// They are not made.
    No,
    /// A scalar.
    Scalar,
    /// A list.
    Sequence,
    /// A mapping.
    Mapping,
}

impl Made {
    /// As a value.
    #[must_use]
    pub fn like(node: &Node) -> Self {
        match node.value {
            Value::Scalar(_) => Self::Scalar,
            Value::Sequence(_) => Self::Sequence,
            Value::Mapping(_) => Self::Mapping,
        }
    }

    fn node(self, next: Option<&String>) -> Node {
        let value = match next.map(String::as_str) {
            Some(next) if is_bracketed(next) || index(next).is_some() => Value::Sequence(Vec::new()),
            Some(next) if !next.is_empty() => Value::Mapping(Mapping::default()),
            _ => match self {
                Self::No | Self::Scalar => {
                    Value::Scalar(Scalar { text: "".into(), tag: untyped(), style: Style::Plain })
                }
                Self::Sequence => Value::Sequence(Vec::new()),
                Self::Mapping => Value::Mapping(Mapping::default()),
            },
        };
        Node::from(value)
    }
}

/// Calls `visit` on every node that the path leads to, and counts them.
///
/// # Errors
/// If a part does not fit the node it meets, or `visit` fails.
pub fn for_each(
    node: &mut Node,
    path: &[String],
    made: Made,
    visit: &mut dyn FnMut(&mut Node) -> Result<(), Error>,
) -> Result<usize, Error> {
    let Some((part, rest)) = path.split_first() else {
        visit(node)?;
        return Ok(1);
    };
    if let Some(at) = index(part) {
        return at_index(node, at, rest, made, visit);
    }
    if is_bracketed(part) {
        return elements_matching(node, part, rest, made, visit);
    }
    if part == "*" {
        let mut count = 0;
        for element in elements_mut(node)? {
            count += for_each(element, rest, made, visit)?;
        }
        return Ok(count);
    }
    field(node, part, rest, made, visit)
}

fn elements_mut(node: &mut Node) -> Result<&mut [Node], Error> {
    if node.is_null() {
        return Ok(&mut []);
    }
    if node.as_seq().is_none() {
        return Err(wrong_kind("SequenceNode", node));
    }
    Ok(node.as_seq_mut().map_or(&mut [], |list| list.as_mut_slice()))
}

fn field(
    node: &mut Node,
    part: &str,
    rest: &[String],
    made: Made,
    visit: &mut dyn FnMut(&mut Node) -> Result<(), Error>,
) -> Result<usize, Error> {
    if node.is_null() {
        // What is made under null is lost, as in the original.
        if made == Made::No {
            return Ok(0);
        }
        return for_each(&mut made.node(rest.first()), rest, made, visit);
    }
    if part.is_empty() {
        // Two dots in a row: kyaml compares the node's own text then, which only a scalar has.
        return if node.text().is_some() { Ok(0) } else { Err(wrong_kind("ScalarNode", node)) };
    }
    let is_map = node.as_map().is_some();
    let Some(map) = node.as_map_mut().filter(|_| is_map) else { return Err(wrong_kind("MappingNode", node)) };
    if map.get(part).is_none() {
        if made == Made::No {
            return Ok(0);
        }
        map.entries.push(Entry { key: Node::str(part), value: made.node(rest.first()) });
    }
    let Some(field) = map.get_mut(part) else { return Ok(0) };
    if let (Value::Scalar(scalar), false) = (&field.value, rest.is_empty()) {
        // The string is read, but what is set in it is lost: only plain paths are written back (see replacement).
        let mut inner = parse_inner(&scalar.text)?;
        return for_each(&mut inner, rest, made, visit);
    }
    for_each(field, rest, made, visit)
}

/// Reads the YAML or JSON inside a string; the empty string is nothing that has fields.
///
/// # Errors
/// If it is not YAML.
pub fn parse_inner(text: &str) -> Result<Node, Error> {
    let nodes = read_v3_stream(text, &Limits::default()).map_err(|e| Error::new(e.to_string()))?;
    Ok(nodes.into_iter().next().unwrap_or_else(|| Node::str("")))
}

fn at_index(
    node: &mut Node,
    at: usize,
    rest: &[String],
    made: Made,
    visit: &mut dyn FnMut(&mut Node) -> Result<(), Error>,
) -> Result<usize, Error> {
    let len = elements_mut(node)?.len();
    if len == at
        && made != Made::No
        && let Value::Sequence(list) = &mut node.value
    {
        list.push(made.node(rest.first()));
    }
    match elements_mut(node)?.get_mut(at) {
        Some(element) => for_each(element, rest, made, visit),
        None => Err(Error::new(format!("index {at} specified but only {len} elements found"))),
    }
}

fn elements_matching(
    node: &mut Node,
    part: &str,
    rest: &[String],
    made: Made,
    visit: &mut dyn FnMut(&mut Node) -> Result<(), Error>,
) -> Result<usize, Error> {
    let (key, pattern) = key_and_value(part)?;
    let regex = crate::goregex::compile(pattern).map_err(Error::new)?;
    let mut run = |node: &mut Node| -> Result<usize, Error> {
        let mut count = 0;
        for element in elements_mut(node)? {
            let subject =
                if key.is_empty() { Some(&*element) } else { element.as_map().and_then(|m| m.get(key)) };
            if subject.is_some_and(|s| regex.is_match(&shown(s))) {
                // An element that is matched by its own value is the end of the path.
                let rest = if key.is_empty() { &[][..] } else { rest };
                count += for_each(element, rest, made, visit)?;
            }
        }
        Ok(count)
    };
    let count = run(node)?;
    if count > 0 || made == Made::No {
        return Ok(count);
    }
    let Value::Sequence(list) = &mut node.value else { return Ok(0) };
    list.push(if key.is_empty() {
        Node::scalar(untyped(), pattern)
    } else {
        let value = Node::scalar(super::scalar::resolve(pattern), pattern);
        Node::from(Value::Mapping(Mapping { entries: vec![Entry { key: Node::str(key), value }] }))
    });
    let count = run(node)?;
    if count == 0 {
        return Err(Error::new(format!("the element made for '{part}' does not match its own pattern")));
    }
    Ok(count)
}

/// A node as go-yaml v3 prints it, which is what `[k=v]` patterns see: a quoted string has its quotes.
fn shown(node: &Node) -> String {
    super::yamltext::to_text(node).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read_v3;

    fn node(text: &str) -> Node {
        read_v3(text, &Limits::default()).unwrap().remove(0)
    }

    fn set(text: &str, path: &str, made: Made) -> Result<(usize, Node), String> {
        let mut root = node(text);
        let count = for_each(&mut root, &split(path), made, &mut |n| {
            *n = Node::str("X");
            Ok(())
        })
        .map_err(|e| e.to_string())?;
        Ok((count, root))
    }

    #[test]
    fn dots_in_brackets_and_escaped_dots_do_not_split() {
        assert_eq!(split("a.[n=x.y].b"), ["a", "[n=x.y]", "b"]);
        assert_eq!(split("a.[b.c/d]"), ["a", "b.c/d"]);
        assert_eq!(split(r"a\.b.c"), ["a.b", "c"]);
        assert_eq!(split("a.[n=x.[y.z"), ["a", "[n=x.[y.z"]);
    }

    #[test]
    fn a_getter_takes_indexes_keys_and_the_last_element() {
        let root = node("a: [{n: x, v: 1}, {n: y, v: 2}]");
        let text = |p: &str| get(&root, &split(p)).unwrap().and_then(Node::text).map(str::to_owned);
        assert_eq!(text("a.1.v").as_deref(), Some("2"));
        assert_eq!(text("a.[n=x].v").as_deref(), Some("1"));
        assert_eq!(text("a.-.v").as_deref(), Some("2"));
        assert_eq!(text("a.7.v"), None);
        assert!(get(&root, &split("a.*.v")).is_err());
        assert!(get(&root, &split("a.b")).is_err());
    }

    #[test]
    fn a_matcher_sees_every_element_that_fits_the_pattern() {
        let text = "a: [{n: x1, v: 1}, {n: x2, v: 2}, {n: y}]";
        assert_eq!(set(text, "a.[n=x].v", Made::No).unwrap().0, 2);
        assert_eq!(set(text, "a.*.n", Made::No).unwrap().0, 3);
        assert_eq!(set(text, "a.[n=z].v", Made::No).unwrap().0, 0);
        assert!(set(text, "a.9.v", Made::No).is_err());
    }

    #[test]
    fn create_makes_fields_lists_and_elements() {
        let (count, root) = set("a: {}", "a.b.[n=q].c.0", Made::Scalar).unwrap();
        assert_eq!(count, 1);
        assert_eq!(root, node("a: {b: [{n: q, c: [X]}]}"));
    }
}
