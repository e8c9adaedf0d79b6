//! One object on its way through the build: its node, and what the build must remember about it.
//!
//! The original keeps this memory in annotations under `internal.config.kubernetes.io/`. Here it is a typed field ([`Build`]), and
//! [`Resource::edit`] reproduces what can be observed of the difference: whoever replaces or removes
//! `metadata.annotations` as a whole (a patch) makes the build forget.

use super::gvk::{DEFAULT_NAMESPACE, GvkView, IdView};
use super::memory::{Build, PrevId};
use super::scalar::{is_nil_or_empty, set_untyped, string_map_node};
use super::types::StringMap;
use crate::yaml::{Entry, Mapping, Node, Value};

/// An object in the build.
#[derive(Debug, Clone)]
pub struct Resource {
    /// The object.
    pub node: Node,
    /// What the build remembers.
    pub build: Build,
    /// Variables that name this object as their source.
    pub var_names: Vec<String>,
    /// The file it was read from, empty if it was made.
    pub file: std::sync::Arc<str>,
}

const MARK: &str = "internal.config.kubernetes.io/noted";

#[cfg(test)]
impl Resource {
    /// A ConfigMap that has a name.
    pub(super) fn for_tests(name: &str) -> Self {
        let mut r = Self::new(Node::mapping());
        if let Some(map) = r.node.as_map_mut() {
            map.set("apiVersion", Node::str("v1"));
        }
        r.set_kind("ConfigMap");
        r.set_name(name);
        r
    }
}

impl Resource {
    /// A resource that nothing is remembered of.
    #[must_use]
    pub fn new(node: Node) -> Self {
        Self { node, build: Build::default(), var_names: Vec::new(), file: std::sync::Arc::from("") }
    }

    /// Whether a transformer emptied it (it is then dropped).
    #[must_use]
    pub fn is_empty(&self) -> bool {
        is_nil_or_empty(&self.node)
    }

    /// `kind`.
    #[must_use]
    pub fn kind(&self) -> &str {
        top_text(&self.node, "kind")
    }

    /// `apiVersion`.
    #[must_use]
    pub fn api_version(&self) -> &str {
        top_text(&self.node, "apiVersion")
    }

    /// `metadata.name`.
    #[must_use]
    pub fn name(&self) -> &str {
        meta_text(&self.node, "name")
    }

    /// `metadata.namespace`.
    #[must_use]
    pub fn namespace(&self) -> &str {
        meta_text(&self.node, "namespace")
    }

    /// Group, version, kind.
    #[must_use]
    pub fn gvk(&self) -> GvkView<'_> {
        GvkView::of(self.api_version(), self.kind())
    }

    /// The identity now.
    #[must_use]
    pub fn cur_id(&self) -> IdView<'_> {
        let (mut api_version, mut kind, mut name, mut namespace) = ("", "", "", "");
        if let Some(map) = self.node.as_map() {
            for e in &map.entries {
                match e.key.text() {
                    Some("apiVersion") => api_version = scalar_text(&e.value),
                    Some("kind") => kind = scalar_text(&e.value),
                    Some("metadata") => {
                        if let Some(meta) = e.value.as_map() {
                            for e in &meta.entries {
                                match e.key.text() {
                                    Some("name") => name = value_text(&e.value),
                                    Some("namespace") => namespace = value_text(&e.value),
                                    _ => {}
                                }
                            }
                        }
                    }
                    _ => {}
                }
            }
        }
        IdView { gvk: GvkView::of(api_version, kind), name, namespace }
    }

    /// Former identities, oldest first; group and version are today's.
    pub fn prev_ids(&self) -> impl Iterator<Item = IdView<'_>> {
        let now = self.gvk();
        self.build.prev.iter().map(move |p| IdView {
            gvk: GvkView { kind: &p.kind, ..now },
            name: &p.name,
            namespace: &p.namespace,
        })
    }

    /// The identity in the file that it came from.
    #[must_use]
    pub fn org_id(&self) -> IdView<'_> {
        self.prev_ids().next().unwrap_or_else(|| self.cur_id())
    }

    /// Every identity it ever had: former ones first.
    pub fn any_ids(&self) -> impl Iterator<Item = IdView<'_>> {
        self.prev_ids().chain(std::iter::once_with(|| self.cur_id()))
    }

    /// Remembers today's identity before a change of name, namespace or kind.
    pub fn store_previous_id(&mut self) {
        let id = self.cur_id();
        let prev = PrevId {
            name: id.name.to_owned(),
            namespace: id.effective_namespace().to_owned(),
            kind: id.gvk.kind.to_owned(),
        };
        self.build.prev.push(prev);
    }

    /// Remembers an identity given by its original name, as the tests of name references do.
    pub fn set_original_name(&mut self, name: &str) {
        let kind = self.kind().to_owned();
        self.build.prev.push(PrevId { name: name.to_owned(), namespace: DEFAULT_NAMESPACE.to_owned(), kind });
    }

    /// Remembers a prefix; an empty one is nothing.
    pub fn add_name_prefix(&mut self, prefix: &str) {
        if !prefix.is_empty() {
            self.build.prefixes.push(prefix.to_owned());
        }
    }

    /// Remembers a suffix; an empty one is nothing.
    pub fn add_name_suffix(&mut self, suffix: &str) {
        if !suffix.is_empty() {
            self.build.suffixes.push(suffix.to_owned());
        }
    }

    /// Whether prefixes and suffixes end alike; lenient: a side without any fits everything.
    #[must_use]
    pub fn same_lineage(&self, other: &Self, lenient: bool) -> bool {
        let fits =
            |a: &[String], b: &[String]| (lenient && (a.is_empty() || b.is_empty())) || same_ending(a, b);
        fits(&self.build.prefixes, &other.build.prefixes) && fits(&self.build.suffixes, &other.build.suffixes)
    }

    /// Sets `metadata.name`.
    pub fn set_name(&mut self, name: &str) {
        set_untyped(self.metadata_mut(), "name", name);
    }

    /// Sets or (empty) removes `metadata.namespace`.
    pub fn set_namespace(&mut self, namespace: &str) {
        if namespace.is_empty() {
            if let Some(meta) = self.node.get_mut("metadata").and_then(Node::as_map_mut) {
                meta.remove("namespace");
            }
        } else {
            set_untyped(self.metadata_mut(), "namespace", namespace);
        }
    }

    /// Sets `kind`.
    pub fn set_kind(&mut self, kind: &str) {
        if let Some(map) = self.node.as_map_mut() {
            set_untyped(map, "kind", kind);
        }
    }

    /// Sets `apiVersion` and `kind`.
    pub fn set_gvk(&mut self, gvk: GvkView<'_>) {
        self.set_kind(gvk.kind);
        if let Some(map) = self.node.as_map_mut() {
            set_untyped(map, "apiVersion", &gvk.api_version());
        }
    }

    /// `metadata.labels` as text.
    #[must_use]
    pub fn labels(&self) -> StringMap {
        meta_map(&self.node, "labels")
    }

    /// `metadata.annotations` as text.
    #[must_use]
    pub fn annotations(&self) -> StringMap {
        meta_map(&self.node, "annotations")
    }

    /// One annotation.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.node.get("metadata")?.get("annotations")?.get(key)?.text()
    }

    /// Replaces `metadata.labels` (strings, sorted); an empty map removes it.
    pub fn set_labels(&mut self, map: &StringMap) {
        self.set_meta_map("labels", map);
    }

    /// Replaces `metadata.annotations` (strings, sorted); an empty map removes it.
    pub fn set_annotations(&mut self, map: &StringMap) {
        self.set_meta_map("annotations", map);
    }

    /// Sets or removes one annotation.
    pub fn set_annotation(&mut self, key: &str, value: Option<&str>) {
        let mut all = self.annotations();
        match value {
            Some(v) => all.insert(key.to_owned(), v.to_owned()),
            None => all.remove(key),
        };
        self.set_annotations(&all);
    }

    fn set_meta_map(&mut self, field: &str, map: &StringMap) {
        let meta = self.metadata_mut();
        meta.remove(field);
        if map.is_empty() {
            return;
        }
        meta.set(field, string_map_node(map));
    }

    /// `metadata`, made if absent.
    pub fn metadata_mut(&mut self) -> &mut Mapping {
        if !matches!(&self.node.value, Value::Mapping(_)) {
            self.node = Node::mapping();
        }
        let map = self.node.as_map_mut().expect("made a mapping above");
        if !matches!(map.get("metadata").map(|n| &n.value), Some(Value::Mapping(_))) {
            map.set("metadata", Node::mapping());
        }
        map.get_mut("metadata").and_then(Node::as_map_mut).expect("made a mapping above")
    }

    /// Runs a patch that may touch `metadata.annotations` as a whole.
    ///
    /// While something is remembered, the original's object has annotations, so `add /metadata/annotations/x` works on
    /// it; and a patch that replaces or removes them all makes the original forget names, hashes and behaviour.
    pub fn edit<E>(&mut self, patch: impl FnOnce(&mut Self) -> Result<(), E>) -> Result<(), E> {
        if !self.build.is_noted() {
            return patch(self);
        }
        let meta = self.metadata_mut();
        let had = match meta.get_mut("annotations").map(|n| &mut n.value) {
            Some(Value::Mapping(m)) => {
                m.entries.push(Entry { key: Node::str(MARK), value: Node::str("") });
                true
            }
            _ => {
                let mut m = Mapping::default();
                m.set(MARK, Node::str(""));
                meta.set("annotations", Node::from(Value::Mapping(m)));
                false
            }
        };
        let done = patch(self);
        let annotations =
            self.node.get_mut("metadata").and_then(|m| m.get_mut("annotations")).and_then(Node::as_map_mut);
        let kept = match annotations {
            Some(m) => {
                let kept = m.remove(MARK).is_some();
                if kept && !had && m.entries.is_empty() {
                    if let Some(meta) = self.node.get_mut("metadata").and_then(Node::as_map_mut) {
                        meta.remove("annotations");
                    }
                }
                kept
            }
            None => false,
        };
        if !kept {
            self.build = Build::default();
        }
        done
    }

    /// Takes over identity and metadata of the object that this one replaces or is merged into; own labels and
    /// annotations win. Only if both want a hash is one added.
    pub fn copy_merge_metadata_from(&mut self, other: &Self) {
        let mut labels = other.labels();
        labels.extend(self.labels());
        self.set_labels(&labels);
        let mut annotations = other.annotations();
        annotations.extend(self.annotations());
        self.set_annotations(&annotations);
        let name = other.name().to_owned();
        self.set_name(&name);
        let namespace = other.namespace().to_owned();
        self.set_namespace(&namespace);
        let wants_hash = self.build.needs_hash;
        self.build = other.build.clone();
        self.build.needs_hash &= wants_hash;
        self.var_names.clone_from(&other.var_names);
    }
}

/// Whether the shorter list ends the longer one; nothing fits only nothing.
fn same_ending(a: &[String], b: &[String]) -> bool {
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if short.is_empty() { long.is_empty() } else { long.ends_with(short) }
}

fn scalar_text(node: &Node) -> &str {
    node.text().unwrap_or("")
}

fn value_text(node: &Node) -> &str {
    if node.is_null() { "" } else { scalar_text(node) }
}

fn top_text<'a>(node: &'a Node, key: &str) -> &'a str {
    node.get(key).map_or("", scalar_text)
}

fn meta_text<'a>(node: &'a Node, key: &str) -> &'a str {
    node.get("metadata").and_then(|m| m.get(key)).map_or("", value_text)
}

fn meta_map(node: &Node, field: &str) -> StringMap {
    let Some(map) = node.get("metadata").and_then(|m| m.get(field)).and_then(Node::as_map) else {
        return StringMap::new();
    };
    map.entries.iter().map(|e| (scalar_text(&e.key).to_owned(), scalar_text(&e.value).to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn former_names_are_remembered_oldest_first() {
        let mut r = Resource::for_tests("a");
        r.store_previous_id();
        r.set_name("b");
        r.store_previous_id();
        r.set_name("c");
        assert_eq!(r.any_ids().map(|id| id.name).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(r.org_id().namespace, "default");
    }

    #[test]
    fn a_patch_that_replaces_all_annotations_makes_the_build_forget() {
        let mut r = Resource::for_tests("a");
        r.store_previous_id();
        r.edit(|r| {
            r.set_annotations(&StringMap::from([("x".into(), "y".into())]));
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(r.prev_ids().count(), 0);
        assert_eq!(r.annotation("x"), Some("y"));
    }

    #[test]
    fn a_patch_that_leaves_annotations_alone_changes_nothing() {
        let mut r = Resource::for_tests("a");
        r.store_previous_id();
        r.edit(|r| {
            assert!(r.node.get("metadata").unwrap().get("annotations").is_some());
            Ok::<(), ()>(())
        })
        .unwrap();
        assert_eq!(r.prev_ids().count(), 1);
        assert!(r.node.get("metadata").unwrap().get("annotations").is_none());
    }

    #[test]
    fn lineage_is_equal_endings_and_lenient_lineage_accepts_none() {
        let mut a = Resource::for_tests("a");
        let mut b = Resource::for_tests("b");
        a.add_name_prefix("x-");
        assert!(a.same_lineage(&b, true));
        assert!(!a.same_lineage(&b, false));
        b.add_name_prefix("y-");
        b.add_name_prefix("x-");
        assert!(a.same_lineage(&b, false));
    }
}
