//! A schema document: which parts of it have a name of their own (`$id`, `$anchor`), and how references are resolved in it.

use std::collections::{BTreeMap, HashSet};
use std::rc::Rc;

use crate::template::stack::roomy;
use crate::template::strconv;

use super::address::{self, Fragment};
use super::draft::{Draft, Holds, SUBSCHEMAS};
use super::json::Json;

/// The rules that a part of a document is written by.
#[derive(Debug, Clone)]
pub(super) struct Dialect {
    pub(super) draft: Draft,
    /// Vocabularies that a metaschema of one's own names; else the draft's.
    pub(super) vocabularies: Option<Rc<[String]>>,
}

impl Dialect {
    pub(super) fn has(&self, vocabulary: &str) -> bool {
        if vocabulary == "core" || self.draft < Draft::D2019 {
            return true;
        }
        match &self.vocabularies {
            Some(named) => named.iter().any(|v| v == vocabulary),
            None => self.draft.default_vocabularies().contains(&vocabulary),
        }
    }
}

/// A part with a URL of its own; the whole document is one.
#[derive(Debug, Clone)]
pub(super) struct Resource {
    pub(super) pointer: String,
    pub(super) id: String,
    pub(super) dialect: Dialect,
    anchors: BTreeMap<String, String>,
    dynamic: Vec<String>,
}

impl Resource {
    /// Anchors that `$dynamicRef` may be sent to, with their pointers.
    pub(super) fn dynamic_anchors(&self) -> impl Iterator<Item = (&str, &str)> {
        let dynamic = |name: &&String| self.dynamic.contains(*name);
        self.anchors
            .iter()
            .filter(move |(name, _)| dynamic(name))
            .map(|(name, at)| (name.as_str(), at.as_str()))
    }
}

/// A document.
#[derive(Debug, Clone)]
pub(super) struct Root {
    pub(super) url: Rc<str>,
    pub(super) document: Rc<Json>,
    /// By pointer; sorted, so that of two equal names always the same is told.
    pub(super) resources: BTreeMap<String, Resource>,
    pub(super) processed: HashSet<String>,
}

/// What finding resources needs of the outside: the draft of a `$schema`, its vocabularies.
pub(super) trait Dialects {
    fn draft(&mut self, url: &str, pointer: &str, schema: &Json, fallback: Draft) -> Result<Draft, String>;
    fn vocabularies(&mut self, schema: &Json, draft: Draft) -> Result<Option<Rc<[String]>>, String>;
}

fn quoted(text: &str) -> String {
    strconv::quote(text.as_bytes())
}

/// The name a schema gives itself, without its fragment.
fn id_of(draft: Draft, schema: &Json) -> &str {
    if draft < Draft::D2019 && schema.as_object().is_some_and(|o| o.contains_key("$ref")) {
        // Beside $ref nothing counts.
        return "";
    }
    address::split(schema.text(draft.id_keyword()).unwrap_or_default()).0
}

impl Root {
    pub(super) fn new(url: Rc<str>, document: Rc<Json>) -> Self {
        Self { url, document, resources: BTreeMap::new(), processed: HashSet::new() }
    }

    /// The resource that a part belongs to.
    pub(super) fn resource(&self, pointer: &str) -> Option<&Resource> {
        self.owner(pointer).and_then(|at| self.resources.get(at))
    }

    fn owner<'p>(&self, mut pointer: &'p str) -> Option<&'p str> {
        loop {
            if self.resources.contains_key(pointer) {
                return Some(pointer);
            }
            pointer = &pointer[..pointer.rfind('/')?];
        }
    }

    /// The pointer of a reference into this document; nothing if it leads elsewhere.
    pub(super) fn resolve(&self, url: &str, fragment: &Fragment) -> Result<Option<String>, String> {
        let found = if url == &*self.url {
            self.resources.get("")
        } else {
            self.resources.values().find(|r| r.id == url)
        };
        found.map(|resource| self.pointer_in(resource, fragment)).transpose()
    }

    fn pointer_in(&self, resource: &Resource, fragment: &Fragment) -> Result<String, String> {
        match fragment {
            Fragment::Pointer(pointer) => Ok(format!("{}{pointer}", resource.pointer)),
            Fragment::Anchor(name) => resource.anchors.get(name).cloned().ok_or_else(|| {
                let reference = address::location(&resource.id, fragment.as_str());
                format!("anchor in {} not found in schema {}", quoted(&reference), quoted(&self.url))
            }),
        }
    }

    /// Finds the resources and anchors at and below `pointer`.
    pub(super) fn collect(
        &mut self,
        dialects: &mut impl Dialects,
        schema: &Json,
        base: &str,
        pointer: &str,
        fallback: &Dialect,
    ) -> Result<(), String> {
        if self.processed.contains(pointer) {
            return Ok(());
        }
        roomy(|| self.collect_new(dialects, schema, base, pointer, fallback))?;
        self.processed.insert(pointer.to_owned());
        Ok(())
    }

    fn collect_new(
        &mut self,
        dialects: &mut impl Dialects,
        schema: &Json,
        base: &str,
        pointer: &str,
        fallback: &Dialect,
    ) -> Result<(), String> {
        let fresh = |id: &str, dialect: &Dialect| Resource {
            pointer: pointer.to_owned(),
            id: id.to_owned(),
            dialect: dialect.clone(),
            anchors: BTreeMap::new(),
            dynamic: Vec::new(),
        };
        let Some(members) = schema.as_object() else {
            if pointer.is_empty() {
                self.resources.insert(String::new(), fresh(base, fallback));
            }
            return Ok(());
        };
        let mut named = schema.text("$schema").is_some();
        let mut draft = dialects.draft(&self.url, pointer, schema, fallback.draft)?;
        let mut id = id_of(draft, schema);
        if id.is_empty() && !pointer.is_empty() {
            // Only a resource chooses its draft.
            (draft, named) = (fallback.draft, false);
            id = id_of(draft, schema);
        }
        let base = if id.is_empty() {
            base.to_owned()
        } else {
            let at = || quoted(&address::location(&self.url, pointer));
            address::join(base, id).map_err(|_| format!("error in parsing id at {}", at()))?.0
        };
        if !id.is_empty() || pointer.is_empty() {
            if let Some(other) = self.resources.values().find(|r| r.id == base) {
                if other.pointer != pointer {
                    return Err(format!(
                        "duplicate id {} in {} at {} and {}",
                        quoted(&base),
                        quoted(&self.url),
                        quoted(pointer),
                        quoted(&other.pointer)
                    ));
                }
            } else {
                let dialect = if named {
                    Dialect { draft, vocabularies: dialects.vocabularies(schema, draft)? }
                } else {
                    fallback.clone()
                };
                self.resources.insert(pointer.to_owned(), fresh(&base, &dialect));
            }
        }
        let Some(owner) = self.resources.values().find(|r| r.id == base) else { return Ok(()) };
        let (owner, dialect) = (owner.pointer.clone(), owner.dialect.clone());
        self.collect_anchors(schema, pointer, &owner)?;
        for (keyword, holds, since) in SUBSCHEMAS {
            let Some(value) = members.get(*keyword).filter(|_| *since <= draft) else { continue };
            let at = format!("{pointer}/{keyword}");
            if matches!(holds, Holds::One | Holds::OneOrList) {
                self.collect(dialects, value, &base, &at, &dialect)?;
            }
            match value {
                Json::Array(items) if matches!(holds, Holds::List | Holds::OneOrList) => {
                    for (i, item) in items.iter().enumerate() {
                        self.collect(dialects, item, &base, &format!("{at}/{i}"), &dialect)?;
                    }
                }
                Json::Object(members) if *holds == Holds::Members => {
                    for (name, member) in members {
                        let at = format!("{at}/{}", address::escape(name));
                        self.collect(dialects, member, &base, &at, &dialect)?;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// A part that no keyword leads to, but a reference does.
    pub(super) fn add(
        &mut self,
        dialects: &mut impl Dialects,
        schema: &Json,
        pointer: &str,
    ) -> Result<(), String> {
        let Some(owner) = self.resource(pointer) else { return Ok(()) };
        let (base, dialect) = (owner.id.clone(), owner.dialect.clone());
        self.collect(dialects, schema, &base, pointer, &dialect)?;
        if !self.resources.contains_key(pointer)
            && let Some(owner) = self.owner(pointer)
        {
            self.collect_anchors(schema, pointer, owner)?;
        }
        Ok(())
    }

    fn collect_anchors(&mut self, schema: &Json, pointer: &str, owner: &str) -> Result<(), String> {
        let Some(resource) = self.resources.get_mut(owner) else { return Ok(()) };
        let draft = resource.dialect.draft;
        let mut names = Vec::new();
        if draft < Draft::D2019 {
            if schema.as_object().is_some_and(|o| o.contains_key("$ref")) {
                return Ok(());
            }
            if let Some(id) = schema.text(draft.id_keyword()) {
                let at = || quoted(&address::location(&self.url, pointer));
                let (_, fragment) = address::split_fragment(id)
                    .map_err(|_| format!("error in parsing anchor at {}", at()))?;
                if let Fragment::Anchor(name) = fragment {
                    names.push(name);
                }
            }
        } else {
            names.extend(schema.text("$anchor").map(str::to_owned));
        }
        if draft >= Draft::D2020
            && let Some(name) = schema.text("$dynamicAnchor")
        {
            names.push(name.to_owned());
            resource.dynamic.push(name.to_owned());
        }
        for name in names {
            if let Some(other) = resource.anchors.get(&name).filter(|other| *other != pointer) {
                let (anchor, url) = (quoted(&name), quoted(&self.url));
                let (first, second) = (quoted(other), quoted(pointer));
                return Err(format!("duplicate anchor {anchor} in {url} at {first} and {second}"));
            }
            resource.anchors.insert(name, pointer.to_owned());
        }
        Ok(())
    }
}
