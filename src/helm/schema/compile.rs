//! From documents to nodes: every schema that can be reached, its keywords read once.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use crate::goregex;
use crate::template::strconv;

use super::address::{self, Fragment};
use super::check;
use super::documents::Documents;
use super::draft::{self, Draft};
use super::format::Format;
use super::json::Json;
use super::node::{Additional, Dependency, Items, Node, Place, Types};
use super::root::{Dialect, Resource, Root};

/// The most schemas one document may give, with all it refers to.
const MOST_NODES: usize = 100_000;

fn quoted(text: &str) -> String {
    strconv::quote(text.as_bytes())
}

/// Nodes, and what they were made of.
#[derive(Default)]
pub(super) struct Compiler {
    pub(super) documents: Documents,
    pub(super) nodes: Vec<Node>,
    known: HashMap<(Rc<str>, String), usize>,
    roots: HashMap<Rc<str>, Rc<Root>>,
    /// Formats hold in every draft: so it is for metaschemas.
    assert_formats: bool,
    /// Compiles the metaschemas.
    meta: Option<Box<Compiler>>,
}

impl Compiler {
    /// The node of a document, and all nodes it needs.
    ///
    /// # Errors
    /// Why the schema is none, in Go's words.
    pub(super) fn compile(&mut self, url: &str) -> Result<usize, String> {
        let root = self.root(url)?;
        let first = self.enqueue(&root.url, String::new());
        let mut next = self.nodes.iter().position(|node| !node.compiled).unwrap_or(self.nodes.len());
        while next < self.nodes.len() {
            if self.nodes.len() > MOST_NODES {
                return Err(format!("values.schema.json: more than {MOST_NODES} schemas"));
            }
            self.compile_node(next)?;
            next += 1;
        }
        Ok(first)
    }

    fn enqueue(&mut self, url: &Rc<str>, pointer: String) -> usize {
        let next = self.nodes.len();
        let index = *self.known.entry((Rc::clone(url), pointer.clone())).or_insert(next);
        if index == next {
            self.nodes.push(Node { url: Rc::clone(url), pointer, ..Node::default() });
        }
        index
    }

    fn root(&mut self, url: &str) -> Result<Rc<Root>, String> {
        if let Some(known) = self.roots.get(url) {
            return Ok(Rc::clone(known));
        }
        let document = self.documents.load(url)?;
        let mut root = Root::new(url.into(), Rc::clone(&document));
        let dialect = Dialect { draft: draft::LATEST, vocabularies: None };
        root.collect(&mut self.documents, &document, url, "", &dialect)?;
        if !url.starts_with("http://json-schema.org/") && !url.starts_with("https://json-schema.org/") {
            self.check_against_metaschema(&root, &document, "")?;
        }
        let root = Rc::new(root);
        self.roots.insert(Rc::clone(&root.url), Rc::clone(&root));
        Ok(root)
    }

    /// Holds a schema against the metaschema of its draft.
    fn check_against_metaschema(&mut self, root: &Root, schema: &Json, pointer: &str) -> Result<(), String> {
        let Some(resource) = root.resource(pointer) else { return Ok(()) };
        let meta =
            self.meta.get_or_insert_with(|| Box::new(Self { assert_formats: true, ..Self::default() }));
        let mut of = BTreeMap::new();
        for resource in root.resources.values() {
            let draft = resource.dialect.draft;
            if let Entry::Vacant(place) = of.entry(draft) {
                place.insert(meta.compile(draft.url())?);
            }
        }
        let first = of.get(&resource.dialect.draft).copied().unwrap_or_default();
        let dialects =
            root.resources.iter().filter_map(|(at, r)| Some((at.as_str(), *of.get(&r.dialect.draft)?)));
        let failure = check::check(&meta.nodes, first, schema, Some(dialects.collect()))?;
        match failure {
            None => Ok(()),
            Some(failure) => {
                let at = quoted(&address::location(&root.url, pointer));
                Err(format!("{at} is not valid against metaschema: {}", failure.text()))
            }
        }
    }

    /// Makes sure that a part that no keyword leads to is known as a schema.
    fn ensure(&mut self, url: &str, pointer: &str) -> Result<Rc<Root>, String> {
        let root = self.root(url)?;
        if root.processed.contains(pointer) {
            return Ok(root);
        }
        let document = Rc::clone(&root.document);
        let schema = address::look_up(&document, url, pointer)?;
        let mut more = Root::clone(&root);
        more.add(&mut self.documents, schema, pointer)?;
        self.check_against_metaschema(&more, schema, pointer)?;
        let more = Rc::new(more);
        self.roots.insert(Rc::clone(&more.url), Rc::clone(&more));
        Ok(more)
    }

    fn compile_node(&mut self, index: usize) -> Result<(), String> {
        let (url, pointer) = (Rc::clone(&self.nodes[index].url), self.nodes[index].pointer.clone());
        let root = self.ensure(&url, &pointer)?;
        let schema = address::look_up(&root.document, &url, &pointer)?;
        let Some(resource) = root.resource(&pointer) else { return Ok(()) };
        let mut node = Node { draft: Some(resource.dialect.draft), compiled: true, ..Node::default() };
        node.resource = self.enqueue(&url, resource.pointer.clone());
        if resource.dialect.draft >= Draft::D2020 && node.resource == index {
            for (name, at) in resource.dynamic_anchors() {
                let target = self.enqueue(&url, at.to_owned());
                node.dynamic_anchors.push((name.to_owned(), target));
            }
        }
        match schema {
            Json::Bool(b) => node.constant = Some(*b),
            Json::Object(members) if members.is_empty() => node.constant = Some(true),
            Json::Object(members) => {
                Site { compiler: self, members, root: &root, resource, pointer: &pointer }
                    .keywords(&mut node)?;
            }
            _ => {}
        }
        (node.url, node.pointer) = (url, pointer);
        self.nodes[index] = node;
        Ok(())
    }
}

/// A schema that is being compiled.
struct Site<'a> {
    compiler: &'a mut Compiler,
    members: &'a BTreeMap<String, Json>,
    root: &'a Root,
    resource: &'a Resource,
    pointer: &'a str,
}

impl Site<'_> {
    fn keywords(&mut self, node: &mut Node) -> Result<(), String> {
        let dialect = &self.resource.dialect;
        let draft = dialect.draft;
        node.reference = self.reference("$ref")?;
        if node.reference.is_some() && draft < Draft::D2019 {
            // Beside $ref nothing counts but, in Helm's validator, what came after draft 4.
            if draft >= Draft::D6 {
                node.value = self.members.get("const").cloned();
            }
            self.later_applicators(node, draft);
            return Ok(());
        }
        if dialect.has("applicator") {
            self.applicators(node, draft)?;
        }
        if dialect.has("validation") {
            self.validations(node, draft)?;
        }
        let formats = match draft {
            Draft::D2020 => dialect.has("format-assertion"),
            Draft::D2019 => dialect.has("format"),
            _ => true,
        };
        if formats || self.compiler.assert_formats {
            node.format = self.text("format").and_then(Format::named);
        }
        if draft >= Draft::D2019 {
            node.recursive_reference = self.reference("$recursiveRef")?;
            node.recursive_anchor = self.is_true("$recursiveAnchor");
        }
        if dialect.has(if draft == Draft::D2019 { "applicator" } else { "unevaluated" })
            && draft >= Draft::D2019
        {
            node.unevaluated_items = self.one("unevaluatedItems");
            node.unevaluated_properties = self.one("unevaluatedProperties");
        }
        if draft >= Draft::D2020 {
            if let Some(target) = self.reference("$dynamicRef")? {
                let (_, fragment) = address::split_fragment(self.text("$dynamicRef").unwrap_or_default())?;
                let anchor = if let Fragment::Anchor(name) = fragment { Some(name) } else { None };
                node.dynamic_reference = Some((target, anchor));
            }
            node.dynamic_anchor = self.text("$dynamicAnchor").map(str::to_owned);
        }
        Ok(())
    }

    fn applicators(&mut self, node: &mut Node, draft: Draft) -> Result<(), String> {
        node.all_of = self.list("allOf");
        node.any_of = self.list("anyOf");
        node.one_of = self.list("oneOf");
        node.not = self.one("not");
        if draft < Draft::D2020 {
            if let Some(Json::Array(_)) = self.members.get("items") {
                node.items = Items::Each(self.list("items"));
                node.additional_items = self.additional("additionalItems");
            } else if let Some(all) = self.one("items") {
                node.items = Items::All(all);
            }
        } else {
            node.prefix_items = self.list("prefixItems");
            node.items_after = self.one("items");
        }
        node.properties = self.map("properties").into_iter().collect();
        for (pattern, target) in self.map("patternProperties") {
            let compiled = self.pattern("patternProperties", &pattern)?;
            node.pattern_properties.push((compiled, target));
        }
        node.additional_properties = self.additional("additionalProperties");
        if let Some(Json::Object(all)) = self.members.get("dependencies") {
            for (name, value) in all {
                let dependency = match value {
                    Json::Array(items) => Dependency::Names(strings(items)),
                    _ => Dependency::Schema(self.below("dependencies", name)),
                };
                node.dependencies.push((name.clone(), dependency));
            }
        }
        self.later_applicators(node, draft);
        Ok(())
    }

    fn later_applicators(&mut self, node: &mut Node, draft: Draft) {
        if draft >= Draft::D6 {
            node.contains = self.one("contains");
            node.property_names = self.one("propertyNames");
        }
        if draft >= Draft::D7 {
            node.condition = self.one("if");
            let known = if let Some(Json::Bool(b)) = self.members.get("if") { Some(*b) } else { None };
            if node.condition.is_some() {
                node.then = if known == Some(false) { None } else { self.one("then") };
                node.otherwise = if known == Some(true) { None } else { self.one("else") };
            }
        }
        if draft >= Draft::D2019 {
            node.dependent_schemas = self.map("dependentSchemas");
        }
    }

    fn validations(&mut self, node: &mut Node, draft: Draft) -> Result<(), String> {
        node.types = self.members.get("type").map(Types::read).unwrap_or_default();
        if let Some(Json::Array(values)) = self.members.get("enum") {
            node.values = Some(values.clone());
        }
        node.multiple_of = self.number("multipleOf");
        (node.maximum, node.exclusive_maximum) = (self.number("maximum"), self.number("exclusiveMaximum"));
        if self.is_true("exclusiveMaximum") {
            node.exclusive_maximum = node.maximum.take();
        }
        (node.minimum, node.exclusive_minimum) = (self.number("minimum"), self.number("exclusiveMinimum"));
        if self.is_true("exclusiveMinimum") {
            node.exclusive_minimum = node.minimum.take();
        }
        (node.min_length, node.max_length) = (self.length("minLength"), self.length("maxLength"));
        (node.min_items, node.max_items) = (self.length("minItems"), self.length("maxItems"));
        (node.min_properties, node.max_properties) =
            (self.length("minProperties"), self.length("maxProperties"));
        node.unique_items = self.is_true("uniqueItems");
        if let Some(pattern) = self.text("pattern") {
            node.pattern = Some(self.pattern("pattern", pattern)?);
        }
        if let Some(Json::Array(names)) = self.members.get("required") {
            node.required = strings(names);
        }
        if draft >= Draft::D6 {
            node.value = self.members.get("const").cloned();
        }
        if draft >= Draft::D2019 {
            if node.contains.is_some() {
                (node.min_contains, node.max_contains) =
                    (self.length("minContains"), self.length("maxContains"));
            }
            if let Some(Json::Object(all)) = self.members.get("dependentRequired") {
                let lists = all.iter().filter_map(|(name, value)| match value {
                    Json::Array(items) => Some((name.clone(), strings(items))),
                    _ => None,
                });
                node.dependent_required = lists.collect();
            }
        }
        Ok(())
    }

    fn pattern(&self, keyword: &str, pattern: &str) -> Result<(String, Arc<regex::Regex>), String> {
        let compiled = goregex::shared(pattern).map_err(|e| {
            let at = format!("{}/{keyword}", address::location(&self.root.url, self.pointer));
            format!("invalid regex {} at {}: {e}", quoted(pattern), quoted(&at))
        })?;
        Ok((pattern.to_owned(), compiled))
    }

    fn reference(&mut self, keyword: &str) -> Result<Place, String> {
        let Some(reference) = self.text(keyword) else { return Ok(None) };
        let (url, fragment) = address::join(&self.resource.id, reference)?;
        if let Some(pointer) = self.root.resolve(&url, &fragment)? {
            return Ok(Some(self.compiler.enqueue(&self.root.url, pointer)));
        }
        let other = self.compiler.root(&url)?;
        let pointer = other.resolve(&url, &fragment)?.unwrap_or_default();
        Ok(Some(self.compiler.enqueue(&other.url, pointer)))
    }

    fn at(&mut self, pointer: String) -> usize {
        self.compiler.enqueue(&self.root.url, pointer)
    }

    fn below(&mut self, keyword: &str, token: &str) -> usize {
        self.at(format!("{}/{keyword}/{}", self.pointer, address::escape(token)))
    }

    fn one(&mut self, keyword: &str) -> Place {
        self.members.contains_key(keyword).then(|| self.at(format!("{}/{keyword}", self.pointer)))
    }

    fn list(&mut self, keyword: &str) -> Vec<usize> {
        let Some(Json::Array(items)) = self.members.get(keyword) else { return Vec::new() };
        (0..items.len()).map(|i| self.below(keyword, &i.to_string())).collect()
    }

    fn map(&mut self, keyword: &str) -> Vec<(String, usize)> {
        let Some(Json::Object(members)) = self.members.get(keyword) else { return Vec::new() };
        members.keys().map(|name| (name.clone(), self.below(keyword, name))).collect()
    }

    fn additional(&mut self, keyword: &str) -> Additional {
        match self.members.get(keyword) {
            Some(Json::Bool(allowed)) => Additional::Allowed(*allowed),
            _ => self.one(keyword).map_or(Additional::Free, Additional::Schema),
        }
    }

    fn text(&self, keyword: &str) -> Option<&str> {
        if let Some(Json::String(text)) = self.members.get(keyword) { Some(text) } else { None }
    }

    fn is_true(&self, keyword: &str) -> bool {
        matches!(self.members.get(keyword), Some(Json::Bool(true)))
    }

    fn number(&self, keyword: &str) -> Option<super::json::Number> {
        if let Some(Json::Number(n)) = self.members.get(keyword) { Some(n.clone()) } else { None }
    }

    fn length(&self, keyword: &str) -> Option<usize> {
        self.number(keyword)?.length()
    }
}

fn strings(items: &[Json]) -> Vec<String> {
    let text = |item: &Json| if let Json::String(text) = item { Some(text.clone()) } else { None };
    items.iter().filter_map(text).collect()
}
