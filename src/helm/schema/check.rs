//! Holding a value against a compiled schema, keyword after keyword in the order of Helm's validator: the order is seen in
//! the messages.

use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;

use crate::template::stack::roomy;

use super::address;
use super::draft::Draft;
use super::json::Json;
use super::node::{Node, type_of};
use super::words::{Failure, Kind};

/// Steps that a check may take. An honest schema takes thousands; one that doubles its work at each level never ends.
const MOST_STEPS: u32 = 2_000_000;
/// How deep schemas and values may be nested in each other.
const DEEPEST: u32 = 2_000;
/// Failures that may be found, also in branches of `anyOf` that another branch makes up for.
const MOST_FAILURES: u32 = 100_000;

/// Checks a value; gives what is wrong with it.
///
/// For a schema that is held against its metaschema, `dialects` says which metaschema holds at which pointer.
///
/// # Errors
/// The check was given up.
pub(super) fn check(
    nodes: &[Node],
    first: usize,
    value: &Json,
    dialects: Option<HashMap<&str, usize>>,
) -> Result<Option<Failure>, String> {
    let limits =
        Limits { steps: Cell::new(MOST_STEPS), failures: Cell::new(MOST_FAILURES), spent: Cell::new(false) };
    let run = Run { nodes, dialects, limits };
    let failure = run.whole(first, value, first, false);
    if run.limits.spent.get() {
        return Err(format!(
            "values.schema.json: the check was given up after {MOST_STEPS} steps, {DEEPEST} levels or {MOST_FAILURES} faults"
        ));
    }
    Ok(failure)
}

struct Limits {
    steps: Cell<u32>,
    failures: Cell<u32>,
    spent: Cell<bool>,
}

/// What is the same for all steps of a check.
pub(super) struct Run<'r> {
    pub(super) nodes: &'r [Node],
    dialects: Option<HashMap<&'r str, usize>>,
    limits: Limits,
}

impl Run<'_> {
    /// A value from its top, apart from what surrounds it.
    pub(super) fn whole(&self, node: usize, value: &Json, meta: usize, quiet: bool) -> Option<Failure> {
        let scope = Scope { node, keyword: "", value: 0, depth: 0, parent: None };
        let run = Checker {
            run: self,
            value,
            at: &At::Top,
            node,
            scope: &scope,
            left: Left::new(value, &self.nodes[node], false),
            failures: Vec::new(),
            quiet,
            meta,
        };
        let failure = run.check().err()?;
        let kind = Kind::Schema(self.nodes[node].location());
        let causes = if matches!(failure.kind, Kind::Group) { failure.causes } else { vec![failure] };
        Some(Failure { at: String::new(), kind, causes })
    }
}

/// Where in the value a check is.
pub(super) enum At<'p> {
    Top,
    Key(&'p At<'p>, &'p str),
    Item(&'p At<'p>, usize),
}

impl At<'_> {
    pub(super) fn pointer(&self) -> String {
        let mut out = String::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut String) {
        match self {
            Self::Top => {}
            Self::Key(parent, key) => {
                roomy(|| parent.write(out));
                out.push('/');
                out.push_str(&address::escape(key));
            }
            Self::Item(parent, index) => {
                roomy(|| parent.write(out));
                let _ = write!(out, "/{index}");
            }
        }
    }
}

/// The schemas a check came through.
pub(super) struct Scope<'s> {
    node: usize,
    /// The keyword of the reference that led here, if one did.
    keyword: &'static str,
    /// Schemas with equal numbers look at one value.
    value: u32,
    depth: u32,
    parent: Option<&'s Scope<'s>>,
}

impl Scope<'_> {
    /// The scope of the same schema and value, if there is one: a reference that leads back to itself.
    fn cycle(&self) -> Option<&Self> {
        let same_value = |scope: &&Scope<'_>| scope.value == self.value;
        std::iter::successors(self.parent, |scope| scope.parent)
            .take_while(same_value)
            .find(|scope| scope.node == self.node)
    }

    fn keyword_location(&self, nodes: &[Node]) -> String {
        let mut parts = Vec::new();
        let mut scope = self;
        while let Some(parent) = scope.parent {
            if scope.keyword.is_empty() {
                let (own, outer) = (nodes[scope.node].location(), nodes[parent.node].location());
                parts.push(own.get(outer.len()..).unwrap_or_default().to_owned());
            } else {
                parts.push(format!("/{}", scope.keyword));
            }
            scope = parent;
        }
        parts.reverse();
        parts.concat()
    }
}

/// Properties and items that no keyword has looked at: what `unevaluated...` is about.
#[derive(Default)]
pub(super) struct Left<'v> {
    pub(super) properties: BTreeSet<&'v str>,
    pub(super) items: BTreeSet<usize>,
}

impl<'v> Left<'v> {
    fn new(value: &'v Json, node: &Node, wanted: bool) -> Self {
        let mut left = Self::default();
        match value {
            Json::Object(members) => {
                if (wanted || node.unevaluated_properties.is_some()) && !node.all_properties_evaluated() {
                    left.properties = members.keys().map(String::as_str).collect();
                }
            }
            Json::Array(items) if wanted || node.unevaluated_items.is_some() => {
                left.items = (node.items_evaluated().min(items.len())..items.len()).collect();
            }
            _ => {}
        }
        left
    }

    pub(super) fn is_empty(&self) -> bool {
        self.properties.is_empty() && self.items.is_empty()
    }

    fn merge(&mut self, other: &Self) {
        self.properties.retain(|p| other.properties.contains(p));
        self.items.retain(|i| other.items.contains(i));
    }
}

/// One schema against one value.
pub(super) struct Checker<'r, 'v, 's> {
    pub(super) run: &'r Run<'r>,
    pub(super) value: &'v Json,
    pub(super) at: &'s At<'s>,
    pub(super) node: usize,
    scope: &'s Scope<'s>,
    pub(super) left: Left<'v>,
    pub(super) failures: Vec<Failure>,
    /// Only whether there is a failure counts, not which.
    pub(super) quiet: bool,
    pub(super) meta: usize,
}

impl<'r, 'v> Checker<'r, 'v, '_> {
    pub(super) fn node(&self) -> &'r Node {
        &self.run.nodes[self.node]
    }

    fn check(mut self) -> Result<Left<'v>, Failure> {
        let (node, limits) = (self.node(), &self.run.limits);
        limits.steps.set(limits.steps.get().saturating_sub(1));
        if limits.steps.get() == 0 || limits.failures.get() == 0 || self.scope.depth > DEEPEST {
            limits.spent.set(true);
        }
        if limits.spent.get() {
            return Ok(self.left);
        }
        match node.constant {
            Some(true) => return Ok(self.left),
            Some(false) => return Err(self.failure(|| Kind::False)),
            None => {}
        }
        if let Some(other) = self.scope.cycle() {
            return Err(self.failure(|| {
                let first = self.scope.keyword_location(self.run.nodes);
                Kind::RefCycle(Box::new((node.location(), first, other.keyword_location(self.run.nodes))))
            }));
        }
        let value = self.value;
        if !node.types.fits(value) {
            return Err(self.failure(|| Kind::Type { got: type_of(value), want: node.types.names() }));
        }
        if let Some(want) = node.value.as_ref().filter(|want| !want.same(value)) {
            return Err(self.failure(|| Kind::Const(want.clone())));
        }
        if let Some(want) = node.values.as_ref().filter(|want| !want.iter().any(|w| w.same(value))) {
            return Err(self.failure(|| Kind::Enum(want.clone())));
        }
        if let (Some(format), Json::String(text)) = (&node.format, value)
            && let Err(why) = format.check(text)
        {
            return Err(self.failure(|| Kind::Format { got: text.clone(), want: format.name(), why }));
        }
        if let Some(target) = node.reference {
            let failure = self.reference(target, "$ref");
            if !node.since(Draft::D2019) {
                return failure.map_or(Ok(self.left), Err);
            }
            self.failures.extend(failure);
        }
        match value {
            Json::Object(members) => self.object(members),
            Json::Array(items) => self.array(items),
            Json::String(text) => self.string(text),
            Json::Number(number) => self.number(number),
            _ => {}
        }
        if self.failures.is_empty() || !self.quiet {
            if node.since(Draft::D2019) {
                self.references();
            }
            self.conditions();
            if node.since(Draft::D2019) {
                self.unevaluated();
            }
        }
        match self.failures.len() {
            0 => Ok(self.left),
            1 => Err(self.failures.remove(0)),
            _ => {
                let causes = std::mem::take(&mut self.failures);
                let group = self.failure(|| Kind::Group);
                Err(Failure { causes, ..group })
            }
        }
    }

    pub(super) fn failure(&self, kind: impl FnOnce() -> Kind) -> Failure {
        let left = &self.run.limits.failures;
        left.set(left.get().saturating_sub(1));
        if self.quiet {
            return Failure::default();
        }
        Failure { at: self.at.pointer(), kind: kind(), causes: Vec::new() }
    }

    pub(super) fn fail(&mut self, kind: impl FnOnce() -> Kind) {
        let failure = self.failure(kind);
        self.failures.push(failure);
    }

    pub(super) fn fail_for(&mut self, causes: Vec<Failure>, kind: impl FnOnce() -> Kind) {
        let failure = self.failure(kind);
        self.failures.push(Failure { causes, ..failure });
    }

    /// Another schema against the same value.
    pub(super) fn same(&mut self, node: usize, keyword: &'static str, quiet: bool) -> Option<Failure> {
        let scope = Scope {
            node,
            keyword,
            value: self.scope.value,
            depth: self.scope.depth + 1,
            parent: Some(self.scope),
        };
        let left = Left::new(self.value, &self.run.nodes[node], !self.left.is_empty());
        let inner = Checker {
            run: self.run,
            value: self.value,
            at: self.at,
            node,
            scope: &scope,
            left,
            failures: Vec::new(),
            quiet: self.quiet || quiet,
            meta: self.meta,
        };
        match roomy(|| inner.by_its_dialect().check()) {
            Ok(left) => {
                self.left.merge(&left);
                None
            }
            Err(failure) => Some(failure),
        }
    }

    /// A schema against a value inside of this one.
    pub(super) fn inside(&self, node: usize, value: &Json, at: &At<'_>) -> Option<Failure> {
        let scope = Scope {
            node,
            keyword: "",
            value: self.scope.value + 1,
            depth: self.scope.depth + 1,
            parent: Some(self.scope),
        };
        let inner = Checker {
            run: self.run,
            value,
            at,
            node,
            scope: &scope,
            left: Left::new(value, &self.run.nodes[node], false),
            failures: Vec::new(),
            quiet: self.quiet,
            meta: self.meta,
        };
        roomy(|| inner.by_its_dialect().check()).err()
    }

    /// A schema inside of a schema may be written in another draft: its own metaschema holds.
    fn by_its_dialect(mut self) -> Self {
        if let Some(dialects) = &self.run.dialects
            && self.node == self.meta
            && let Some(own) = dialects.get(self.at.pointer().as_str())
        {
            (self.node, self.meta) = (*own, *own);
        }
        self
    }

    fn reference(&mut self, target: usize, keyword: &'static str) -> Option<Failure> {
        let failure = self.same(target, keyword, false)?;
        let causes = if matches!(failure.kind, Kind::Group) { failure.causes } else { vec![failure] };
        Some(Failure { causes, ..self.failure(|| Kind::Reference) })
    }

    fn scopes(&self) -> impl Iterator<Item = &Scope<'_>> {
        std::iter::successors(Some(self.scope), |scope| scope.parent)
    }

    fn references(&mut self) {
        let (node, nodes) = (self.node(), self.run.nodes);
        if let Some(mut target) = node.recursive_reference {
            if nodes[target].recursive_anchor {
                let open = |scope: &&Scope<'_>| nodes[nodes[scope.node].resource].recursive_anchor;
                target = self.scopes().filter(open).last().map_or(target, |scope| scope.node);
            }
            let failure = self.reference(target, "$recursiveRef");
            self.failures.extend(failure);
        }
        if let Some((target, anchor)) = &node.dynamic_reference {
            let mut target = *target;
            if let Some(anchor) = anchor
                && nodes[target].dynamic_anchor.as_ref() == Some(anchor)
            {
                let sent = |scope: &Scope<'_>| {
                    let anchors = &nodes[nodes[scope.node].resource].dynamic_anchors;
                    anchors.iter().find(|(name, _)| name == anchor).map(|(_, node)| *node)
                };
                target = self.scopes().filter_map(sent).last().unwrap_or(target);
            }
            let failure = self.reference(target, "$dynamicRef");
            self.failures.extend(failure);
        }
    }
}
