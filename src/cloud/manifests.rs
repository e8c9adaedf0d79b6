//! Plain manifests: every `.yaml`, `.yml` and `.json` file under a folder, in path order, read as kubectl reads them
//! (go-yaml v2 behind `sigs.k8s.io/yaml`). Keys that are set twice are refused, because kubectl's server does.

use std::sync::Arc;

use serde_json::Value;

use super::load::tree_problem;
use super::object::Origin;
use super::problem::{Problem, ProblemKind};
use super::rendered::HookMeta;
use crate::files::{EntryKind, FileTree};
use crate::yaml::{self, Limits, Node, Value as Yaml};

/// The most files that one app's folder may hold.
const MAX_FILES: usize = 20_000;
/// The deepest folder below the app's own; also what ends a loop of links.
const MAX_DIRS: usize = 32;

/// A rendered document with its place, and what makes a hook of it.
pub(super) type Document = (Value, Origin, Option<HookMeta>);

/// Reads a file, or every manifest under a folder.
pub(super) fn read(tree: &dyn FileTree, path: &str) -> Result<Vec<Document>, Vec<Problem>> {
    let mut files = Vec::new();
    match tree.kind(path) {
        Ok(Some(EntryKind::File)) => files.push(path.to_owned()),
        Ok(Some(EntryKind::Dir)) => collect(tree, path, 0, &mut files).map_err(|p| vec![p])?,
        Ok(None) => return Err(vec![Problem::new(ProblemKind::File, path, "no such file or directory")]),
        Err(error) => return Err(vec![tree_problem(path, &error)]),
    }
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    for file in &files {
        match tree.read(file).map_err(|e| vec![tree_problem(file, &e)]).and_then(|bytes| parse(file, &bytes))
        {
            Ok(found) => documents.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(documents) } else { Err(problems) }
}

fn collect(tree: &dyn FileTree, dir: &str, depth: usize, files: &mut Vec<String>) -> Result<(), Problem> {
    if depth > MAX_DIRS {
        let message = format!("folders are nested more than {MAX_DIRS} deep; is there a loop of links?");
        return Err(Problem::new(ProblemKind::Limit, dir, message));
    }
    for (name, kind) in tree.list(dir).map_err(|e| tree_problem(dir, &e))? {
        let path = if dir.is_empty() { name.clone() } else { format!("{dir}/{name}") };
        match kind {
            _ if name.starts_with('.') => {}
            EntryKind::Dir => collect(tree, &path, depth + 1, files)?,
            EntryKind::File
                if matches!(&*name, "kustomization.yaml" | "kustomization.yml" | "Kustomization") =>
            {
                return Err(Problem::new(
                    ProblemKind::BadValue,
                    &path,
                    "a kustomization in a folder of plain manifests",
                )
                .hint("name its folder in spec.kustomize.path instead of spec.manifests"));
            }
            EntryKind::File => {
                let ending = name.rsplit('.').next().unwrap_or_default();
                if matches!(ending, "yaml" | "yml" | "json") {
                    files.push(path);
                }
            }
        }
        if files.len() > MAX_FILES {
            return Err(Problem::new(ProblemKind::Limit, dir, format!("more than {MAX_FILES} files")));
        }
    }
    Ok(())
}

/// The documents of one file; lists of objects are taken apart, empty documents left out.
pub(super) fn parse(file: &str, bytes: &[u8]) -> Result<Vec<Document>, Vec<Problem>> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| vec![Problem::new(ProblemKind::Syntax, file, "the file is not UTF-8 text")])?;
    let syntax = |e: yaml::Error| vec![Problem::new(ProblemKind::Syntax, file, e.message).at(e.pos)];
    let limits = Limits::default();
    let mut problems = Vec::new();
    let nodes = yaml::read_v2(text, &limits).map_err(syntax)?;
    nodes.iter().for_each(|node| duplicates(node, file, &mut problems));
    if !problems.is_empty() {
        return Err(problems);
    }
    let name: Arc<str> = file.into();
    let mut out = Vec::new();
    for (sorted, node) in yaml::read_v2_json_all(text, &limits).map_err(syntax)?.iter().zip(&nodes) {
        if sorted.is_null() {
            continue;
        }
        let text = yaml::json::to_json(sorted, false).map_err(syntax)?;
        let value: Value = serde_json::from_str(&text)
            .map_err(|e| vec![Problem::new(ProblemKind::Syntax, file, e.to_string()).at(node.pos)])?;
        let origin = Origin { file: Arc::clone(&name), line: node.pos.line };
        flatten(value, origin, Some(node), &mut out);
    }
    Ok(out)
}

/// `kind: List` and its like (`ConfigMapList`, ...) are their items.
fn flatten(value: Value, origin: Origin, node: Option<&Node>, out: &mut Vec<Document>) {
    let is_list = value.get("kind").and_then(Value::as_str).is_some_and(|k| k.ends_with("List"))
        && value.get("items").is_some_and(Value::is_array);
    if !is_list {
        out.push((value, origin, None));
        return;
    }
    let places = node.and_then(|n| n.get("items")).and_then(Node::as_seq).unwrap_or_default();
    if let Value::Object(mut map) = value
        && let Some(Value::Array(items)) = map.remove("items")
    {
        for (i, item) in items.into_iter().enumerate() {
            let line = places.get(i).map_or(origin.line, |n| n.pos.line);
            out.push((item, Origin { file: Arc::clone(&origin.file), line }, None));
        }
    }
}

fn duplicates(node: &Node, file: &str, problems: &mut Vec<Problem>) {
    match &node.value {
        Yaml::Scalar(_) => {}
        Yaml::Sequence(items) => items.iter().for_each(|n| duplicates(n, file, problems)),
        Yaml::Mapping(map) => {
            let mut seen = std::collections::HashMap::new();
            for entry in &map.entries {
                let key = entry.key.text().unwrap_or_default();
                if let Some(line) = seen.insert(key, entry.key.pos.line) {
                    let message = format!("{key:?} is set twice, first in line {line}");
                    problems.push(
                        Problem::new(ProblemKind::Duplicate, file, message)
                            .at(entry.key.pos)
                            .hint("remove one of them"),
                    );
                }
                duplicates(&entry.value, file, problems);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_know_their_lines_and_lists_are_taken_apart() {
        let text = "# head\na: 1\n---\n---\nkind: List\nitems:\n- b: 2\n- c: 3\n";
        let documents = parse("x.yaml", text.as_bytes()).unwrap();
        let lines: Vec<u32> = documents.iter().map(|(_, o, _)| o.line).collect();
        assert_eq!(lines, [2, 7, 8]);
        assert_eq!(documents[2].0, serde_json::json!({"c": 3}));
    }

    #[test]
    fn a_key_set_twice_is_refused_with_both_lines() {
        let error = parse("x.yaml", b"a:\n  b: 1\n  b: 2\n").unwrap_err();
        assert_eq!(
            error[0].to_string(),
            "x.yaml:3:3: \"b\" is set twice, first in line 2; remove one of them"
        );
    }
}
