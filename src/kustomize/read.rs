//! Resource files: text to resources, lists unwrapped, what is not an object refused.

use std::sync::Arc;

use super::error::{Error, Kind};
use super::kustomization::from_yaml;
use super::resource::Resource;
use super::scalar::is_nil_or_empty;
use crate::yaml::{self, Limits, Node, Value};

/// The resources of a file, in order. `file` is its name for messages.
pub fn resources(bytes: &[u8], file: &str) -> Result<Vec<Resource>, Error> {
    let nodes = nodes(bytes).map_err(|e| e.at(file, 0))?;
    let file: Arc<str> = Arc::from(file);
    Ok(nodes.into_iter().map(|node| Resource { file: Arc::clone(&file), ..Resource::new(node) }).collect())
}

/// The objects of a text, lists unwrapped.
pub fn nodes(bytes: &[u8]) -> Result<Vec<Node>, Error> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        Error::of(Kind::MalformedYaml, "not valid UTF-8")
            .at_line(u32::try_from(line).unwrap_or(0))
            .hint("save the file as UTF-8")
    })?;
    let documents = yaml::read_v3(text, &Limits::default()).map_err(|e| from_yaml(&e))?;
    let documents = unwrap_single(documents);
    let mut queue: std::collections::VecDeque<Node> = checked(documents)?.into();
    let mut out = Vec::with_capacity(queue.len());
    while let Some(node) = queue.pop_front() {
        match list_items(&node)? {
            None => out.push(node),
            // Items of a list go to the end of the file, as in the original.
            Some(items) => queue.extend(items),
        }
    }
    Ok(out)
}

fn kind(node: &Node) -> &str {
    node.get("kind").and_then(Node::text).unwrap_or_default()
}

/// A file that is one `List` or `ResourceList` stands for its items.
fn unwrap_single(mut documents: Vec<Node>) -> Vec<Node> {
    let [only] = documents.as_mut_slice() else { return documents };
    if !matches!(kind(only), "List" | "ResourceList") {
        return documents;
    }
    match only.get_mut("items").map(|items| std::mem::replace(&mut items.value, Value::Sequence(Vec::new())))
    {
        Some(Value::Sequence(items)) => items.into_iter().filter(|n| !n.is_null()).collect(),
        Some(_) => Vec::new(),
        None if only.get("functionConfig").is_some() => Vec::new(),
        None => documents,
    }
}

/// Drops empty documents; the others must say what they are.
fn checked(nodes: Vec<Node>) -> Result<Vec<Node>, Error> {
    let mut out = Vec::with_capacity(nodes.len());
    for node in nodes {
        if is_nil_or_empty(&node) {
            continue;
        }
        check_identity(&node)?;
        out.push(node);
    }
    Ok(out)
}

/// Every object has a kind and, unless it is a list, a name.
pub fn check_identity(node: &Node) -> Result<(), Error> {
    let res = |message: &str, hint: &str| Err(Error::new(message).at_line(node.pos.line).hint(hint));
    let held = |n: Option<&Node>| n.is_some_and(|n| !is_nil_or_empty(n));
    if node.as_map().is_none() {
        return res(
            "missing Resource metadata",
            "a resource file holds objects with apiVersion, kind and metadata",
        );
    }
    let kind = kind(node);
    if kind.is_empty() || !held(node.get("kind")) {
        return res("missing kind in object", "every object needs a 'kind'");
    }
    if kind.ends_with("List") {
        return Ok(());
    }
    let name = node.get("metadata").and_then(|m| m.get("name"));
    if !held(name) || name.and_then(Node::text).is_none_or(str::is_empty) {
        return res(
            &format!("missing metadata.name in object of kind {kind}"),
            "every object needs a name; 'generateName' is not enough",
        );
    }
    Ok(())
}

/// The items of an object whose kind ends in `List`; `None` if it is an object of its own.
fn list_items(node: &Node) -> Result<Option<Vec<Node>>, Error> {
    let kind = kind(node);
    if !kind.ends_with("List") {
        return Ok(None);
    }
    let items = match node.get("items").map(|n| (&n.value, n)) {
        None => return Ok(None),
        Some((Value::Sequence(items), _)) => items,
        Some((_, n)) if n.is_null() => return Ok(Some(Vec::new())),
        Some((_, n)) => {
            return Err(Error::new(format!("expected array in {kind}/items")).at_line(n.pos.line));
        }
    };
    let mut out = Vec::with_capacity(items.len());
    for item in items {
        // The original passes each item through JSON, which settles its scalars.
        let json = yaml::json::to_json(item, true).map_err(|e| from_yaml(&e))?;
        let mut nodes = yaml::read_v3(&json, &Limits::default()).map_err(|e| from_yaml(&e))?;
        for node in &mut nodes {
            node.pos = item.pos;
        }
        out.extend(checked(nodes)?);
    }
    Ok(Some(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let all = resources(text.as_bytes(), "f.yaml").unwrap();
        all.iter().map(|r| format!("{}/{}", r.kind(), r.name())).collect()
    }

    #[test]
    fn items_of_a_list_go_to_the_end_of_the_file() {
        let text =
            "kind: AList\nitems:\n- {kind: A, metadata: {name: x}}\n---\nkind: B\nmetadata: {name: y}\n";
        assert_eq!(names(text), ["B/y", "A/x"]);
    }

    #[test]
    fn a_list_without_items_is_an_object() {
        assert_eq!(names("kind: AList\nmetadata: {name: x}\n"), ["AList/x"]);
    }

    #[test]
    fn an_object_without_a_name_is_refused_with_its_line() {
        let e = resources(b"a: 1\n", "f.yaml").unwrap_err();
        assert_eq!(e.to_string(), "f.yaml:1: missing kind in object");
        let e = resources(b"kind: A\nmetadata: {name: x}\n---\nkind: B\n", "f.yaml").unwrap_err();
        assert_eq!(e.to_string(), "f.yaml:4: missing metadata.name in object of kind B");
    }

    #[test]
    fn what_is_not_yaml_is_marked_as_such() {
        assert_eq!(resources(b"a: [", "f.yaml").unwrap_err().kind(), Kind::MalformedYaml);
    }
}
