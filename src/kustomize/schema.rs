//! Which lists strategic merge patches merge, and by which keys: Kubernetes' OpenAPI v1.21.2, or a schema of the user's.
//!
//! Follows `kyaml/openapi`. A custom schema (`openapi: {path: ...}`) takes the place of the built-in one altogether, so
//! that core kinds lose their merge keys unless the file has them too.

use std::collections::HashMap;

use super::scope::{self, Scopes};
use super::tables::{
    Row,
    merge_keys::{DEFINITIONS, ROWS},
};
use crate::yaml::Node;

/// How deep `$ref` may lead from one definition to the next.
const MAX_REFS: usize = 64;

/// The schemas in force for a build.
#[derive(Debug)]
pub struct Schema {
    builtin: bool,
    custom: Option<Custom>,
}

impl Default for Schema {
    fn default() -> Self {
        Self { builtin: true, custom: None }
    }
}

#[derive(Debug)]
struct Custom {
    with_builtin: bool,
    definitions: HashMap<String, Node>,
    kinds: HashMap<(String, String), String>,
    scopes: Scopes,
}

impl Schema {
    /// A schema document of the user's, read as YAML or JSON. `with_builtin` keeps the built-in kinds besides, which
    /// the original does if it had to ask for a kind's scope before it met the `openapi` field.
    #[must_use]
    pub fn custom(document: &Node, with_builtin: bool) -> Self {
        let mut custom = Custom {
            with_builtin,
            definitions: HashMap::new(),
            kinds: HashMap::new(),
            scopes: Scopes::new(),
        };
        let entries = |key: &str| document.get(key).and_then(Node::as_map).map_or(&[][..], |m| &m.entries);
        for e in entries("definitions") {
            let Some(name) = e.key.text() else { continue };
            let kinds = e.value.get("x-kubernetes-group-version-kind").and_then(Node::as_seq);
            for kind in kinds.unwrap_or_default().iter().filter_map(type_meta) {
                custom.kinds.insert(kind, name.to_owned());
            }
            custom.definitions.insert(name.to_owned(), e.value.clone());
        }
        for e in entries("paths") {
            let operation = e.value.get("get").and_then(|get| get.get("x-kubernetes-group-version-kind"));
            let Some(kind) = operation.and_then(type_meta) else { continue };
            if e.key.text().is_some_and(|path| path.contains("namespaces/{namespace}")) {
                custom.scopes.insert(kind, true);
            } else {
                custom.scopes.entry(kind).or_insert(false);
            }
        }
        Self { builtin: with_builtin, custom: Some(custom) }
    }

    /// What a custom schema's paths say about the scope of kinds; for [`scope::learn`].
    #[must_use]
    pub fn scopes(&self) -> Scopes {
        self.custom.as_ref().map(|c| c.scopes.clone()).unwrap_or_default()
    }

    /// The schema of a kind.
    #[must_use]
    pub fn of_kind(&self, api_version: &str, kind: &str) -> Option<View<'_>> {
        if self.builtin
            && let Some(known) = scope::builtin(api_version, kind)
        {
            return Some(View::builtin(known.row));
        }
        let custom = self.custom.as_ref()?;
        let name = custom.kinds.get(&(api_version.to_owned(), kind.to_owned()))?;
        Some(View(At::Custom(custom, custom.definitions.get(name)?)))
    }
}

fn type_meta(node: &Node) -> Option<(String, String)> {
    let text = |key: &str| node.get(key).and_then(Node::text);
    let version = text("version")?;
    let api_version = match text("group") {
        Some(group) if !group.is_empty() => format!("{group}/{version}"),
        _ => version.to_owned(),
    };
    Some((api_version, text("kind")?.to_owned()))
}

/// A place in a schema.
#[derive(Clone, Copy)]
pub struct View<'a>(At<'a>);

#[derive(Clone, Copy)]
enum At<'a> {
    /// In the built-in schema.
    Builtin(&'static Row),
    /// In the built-in schema, where nothing below is merged.
    Leaf,
    /// In a custom schema.
    Custom(&'a Custom, &'a Node),
}

impl<'a> View<'a> {
    fn builtin(row: u16) -> Self {
        match ROWS.get(usize::from(row)) {
            Some(row) if !row.fields.is_empty() || row.elements != 0 || row.merge.is_some() => {
                Self(At::Builtin(row))
            }
            _ => Self(At::Leaf),
        }
    }

    /// Whether nothing at or below this place is merged.
    #[must_use]
    pub fn is_leaf(&self) -> bool {
        matches!(self.0, At::Leaf)
    }

    /// The schema of a field, `additionalProperties` included.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<Self> {
        match self.0 {
            At::Leaf => Some(Self(At::Leaf)),
            At::Builtin(row) => {
                let find = |name: &str| row.fields.binary_search_by(|(f, _)| (*f).cmp(name)).ok();
                let at = find(name).or_else(|| find("*"));
                Some(at.map_or(Self(At::Leaf), |at| Self::builtin(row.fields[at].1)))
            }
            At::Custom(custom, node) => {
                let field = node.get("properties").and_then(|p| p.get(name));
                let field =
                    field.or_else(|| node.get("additionalProperties").filter(|a| a.as_map().is_some()));
                custom.resolve(field?)
            }
        }
    }

    /// The schema of a list's elements.
    #[must_use]
    pub fn elements(&self) -> Option<Self> {
        match self.0 {
            At::Leaf => Some(Self(At::Leaf)),
            At::Builtin(row) => Some(Self::builtin(row.elements)),
            At::Custom(custom, node) => {
                let kind = node.get("type")?;
                let is_array = match kind.as_seq() {
                    Some([one]) => one.text() == Some("array"),
                    Some(_) => false,
                    None => kind.text() == Some("array"),
                };
                if is_array { custom.resolve(node.get("items")?) } else { None }
            }
        }
    }

    /// The keys by which a list here is merged (none: a set of scalars); `None`: it is replaced.
    #[must_use]
    pub fn merge_keys(&self) -> Option<Vec<&'a str>> {
        match self.0 {
            At::Leaf => None,
            At::Builtin(row) => row.merge.map(<[&str]>::to_vec),
            At::Custom(_, node) => {
                let strategy = node.get("x-kubernetes-patch-strategy").and_then(Node::text)?;
                if !strategy.split(',').any(|s| s == "merge") {
                    return None;
                }
                if let Some(keys) = node.get("x-kubernetes-list-map-keys").and_then(Node::as_seq) {
                    return Some(keys.iter().filter_map(Node::text).collect());
                }
                Some(node.get("x-kubernetes-patch-merge-key").and_then(Node::text).into_iter().collect())
            }
        }
    }
}

impl Custom {
    /// Follows `$ref`; a reference to nothing, or a ring of them, is no schema.
    fn resolve<'a>(&'a self, mut node: &'a Node) -> Option<View<'a>> {
        for _ in 0..MAX_REFS {
            let Some(target) = node.get("$ref").and_then(Node::text) else {
                return Some(View(At::Custom(self, node)));
            };
            let name = target.strip_prefix("#/definitions/")?;
            match self.definitions.get(name) {
                Some(found) => node = found,
                // Definitions of the built-in schema can be referred to if it was read besides.
                None if self.with_builtin => {
                    let at = DEFINITIONS.binary_search_by(|(own, _)| (*own).cmp(name)).ok();
                    return Some(at.map_or(View(At::Leaf), |at| View::builtin(DEFINITIONS[at].1)));
                }
                None => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at<'a>(view: View<'a>, path: &[&str]) -> View<'a> {
        path.iter().fold(
            view,
            |v, name| {
                if *name == "[]" { v.elements().unwrap() } else { v.field(name).unwrap() }
            },
        )
    }

    #[test]
    fn lists_of_core_kinds_have_the_published_keys() {
        let schema = Schema::default();
        let deployment = schema.of_kind("apps/v1", "Deployment").unwrap();
        let pod = at(deployment, &["spec", "template", "spec"]);
        assert_eq!(at(pod, &["containers"]).merge_keys(), Some(vec!["name"]));
        assert_eq!(
            at(pod, &["containers", "[]", "ports"]).merge_keys(),
            Some(vec!["containerPort", "protocol"])
        );
        assert_eq!(at(pod, &["containers", "[]", "volumeMounts"]).merge_keys(), Some(vec!["mountPath"]));
        assert_eq!(at(pod, &["tolerations"]).merge_keys(), None);
        assert_eq!(at(deployment, &["metadata", "finalizers"]).merge_keys(), Some(vec![]));
        assert!(schema.of_kind("example.com/v1", "Thing").is_none());
    }
}
