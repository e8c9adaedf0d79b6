//! Strategic merge as kustomize does it: `kyaml/yaml/merge2` over `kyaml/yaml/walk`, lists grow at the front.
//!
//! Takes a target and a patch, changes the target in place. What is easily got wrong:
//! - the whole target is walked, also where the patch says nothing: a key with an empty value (`a:`) is dropped there
//!   and `a: null` stays; of two elements with one key in a merged list the last remains;
//! - a part that only the patch has is walked against itself, which drops its nulls and obeys its directives;
//! - `$patch` knows `delete`, `replace` and `merge`; other directives are ordinary keys.

use super::error::Error;
use super::fieldspec::{kind_name, tag_in, untagged_key};
use super::merge_list;
use super::schema::{Schema, View};
use super::share::Shares;
use crate::yaml::{Entry, Mapping, Node, Style, Tag, Value};

/// How deep objects may nest. The readers refuse deeper documents; patches cannot add to the depth.
const MAX_DEPTH: usize = 1000;

/// Merges `patch` into `target`. `false` means that the patch deletes the target as a whole.
///
/// # Errors
/// If target and patch differ in kind (mapping, list, scalar) somewhere, or a directive is unknown. The message names
/// the field.
pub fn merge(target: &mut Node, patch: Node, schema: &Schema) -> Result<bool, Error> {
    let mut patch = patch;
    let mut walker = Walker { schema, shares: Shares::default(), path: Vec::new() };
    let done = walker.walk(Some(target), Some(&mut patch), None);
    let Walker { shares, path, .. } = walker;
    let kept = match done {
        Ok(Outcome::Gone) => false,
        Ok(Outcome::Target | Outcome::TargetNull) => true,
        Ok(Outcome::Patch) => {
            *target = patch;
            true
        }
        Err(e) if path.is_empty() => return Err(e),
        Err(e) => return Err(e.context(format!("field {}", path.join(".")))),
    };
    shares.settle(target);
    Ok(kept)
}

/// What stands in the place of the two nodes after the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing.
    Gone,
    /// The target's node, changed in place.
    Target,
    /// The target's explicit null, which stays.
    TargetNull,
    /// The patch's node.
    Patch,
}

enum Directive {
    Delete,
    Replace,
    Merge,
}

pub(crate) struct Walker<'s> {
    pub(crate) schema: &'s Schema,
    pub(crate) shares: Shares,
    /// Fields on the way; left as it is where an error occurs.
    path: Vec<String>,
}

const DIRECTIVE: &str = "$patch";

fn is_missing_or_null(node: Option<&Node>) -> bool {
    node.is_none_or(Node::is_null)
}

impl<'s> Walker<'s> {
    fn enter(&self) -> Result<(), Error> {
        if self.path.len() > MAX_DEPTH {
            return Err(Error::new(format!("the object nests deeper than {MAX_DEPTH} levels")));
        }
        Ok(())
    }

    /// The schema that applies: what the parent says, or that of the kind that a node claims to be.
    fn schema_of(
        &self,
        given: Option<View<'s>>,
        target: Option<&Node>,
        patch: Option<&Node>,
    ) -> Option<View<'s>> {
        given.or_else(|| {
            [target, patch].into_iter().flatten().find_map(|node| {
                let map = node.as_map()?;
                let text = |key: &str| map.get(key).and_then(Node::text).filter(|t| !t.is_empty());
                self.schema.of_kind(text("apiVersion")?, text("kind")?)
            })
        })
    }

    pub(crate) fn walk(
        &mut self,
        target: Option<&mut Node>,
        patch: Option<&mut Node>,
        schema: Option<View<'s>>,
    ) -> Result<Outcome, Error> {
        self.enter()?;
        let first = [target.as_deref(), patch.as_deref()].into_iter().flatten().find(|n| !n.is_null());
        let Some(first) = first else { return self.walk_map(target, patch, None) };
        let expected = kind_name(first);
        if let (Some(t), Some(p)) = (target.as_deref(), patch.as_deref())
            && !t.is_null()
            && !p.is_null()
            && kind_name(p) != expected
        {
            return Err(Error::new(format!("wrong node kind: expected {expected} but got {}", kind_name(p)))
                .hint("the patch must have a mapping, list or scalar where the object has one"));
        }
        match &first.value {
            Value::Mapping(_) => {
                let schema = self.schema_of(schema, target.as_deref(), patch.as_deref());
                self.walk_map(target, patch, schema)
            }
            Value::Sequence(_) => match schema.and_then(|s| Some((s.merge_keys()?, s))) {
                Some((keys, schema)) => self.walk_list(target, patch, &keys, schema),
                None if patch.is_some() => Ok(Outcome::Patch),
                None => Ok(Outcome::Target),
            },
            Value::Scalar(_) if patch.is_some() => Ok(Outcome::Patch),
            Value::Scalar(_) => Ok(Outcome::Target),
        }
    }

    fn walk_map(
        &mut self,
        target: Option<&mut Node>,
        patch: Option<&mut Node>,
        schema: Option<View<'s>>,
    ) -> Result<Outcome, Error> {
        if is_missing_or_null(target.as_deref()) {
            let Some(patch) = patch else {
                // An explicit null stays; a key without a value does not.
                let is_explicit = target.and_then(|t| t.text()).is_some_and(|t| !t.is_empty());
                return Ok(if is_explicit { Outcome::TargetNull } else { Outcome::Gone });
            };
            if patch.is_null() {
                return Ok(Outcome::Patch);
            }
            // An unknown directive is an error only below, where the patch meets itself.
            if let Ok(Directive::Delete) = map_directive(patch) {
                return Ok(Outcome::Gone);
            }
            self.walk_self_fields(patch, schema)?;
            return Ok(Outcome::Patch);
        }
        let Some(target) = target else { return Ok(Outcome::Gone) };
        let Some(patch) = patch else {
            self.walk_target_fields(target, schema)?;
            return Ok(Outcome::Target);
        };
        if patch.is_null() {
            return Ok(Outcome::Gone);
        }
        match map_directive(patch)? {
            Directive::Delete => Ok(Outcome::Gone),
            Directive::Replace => {
                self.walk_self_fields(patch, schema)?;
                Ok(Outcome::Patch)
            }
            Directive::Merge => {
                self.merge_fields(target, patch, schema)?;
                Ok(Outcome::Target)
            }
        }
    }

    fn merge_fields(
        &mut self,
        target: &mut Node,
        patch: &mut Node,
        schema: Option<View<'s>>,
    ) -> Result<(), Error> {
        let (Value::Mapping(target), Value::Mapping(patch)) = (&mut target.value, &mut patch.value) else {
            return Ok(());
        };
        // Fields of the patch in byte order; what only the target has is walked where it stands.
        let mut keys: Vec<&str> = patch.entries.iter().filter_map(|e| e.key.text()).collect();
        keys.sort_unstable();
        keys.dedup();
        let keys: Vec<String> = keys.into_iter().map(str::to_owned).collect();
        self.walk_fields_of_target(target, schema, |key| {
            keys.binary_search_by(|k| k.as_str().cmp(key)).is_ok()
        })?;
        for key in keys {
            let below = schema.and_then(|s| s.field(&key));
            self.path.push(key);
            let key = self.path.last().cloned().unwrap_or_default();
            let from_patch = patch.get_mut(&key);
            let outcome = self.walk(target.get_mut(&key), from_patch, below)?;
            self.path.pop();
            self.set_field(target, patch, &key, outcome);
        }
        Ok(())
    }

    fn set_field(&mut self, target: &mut Mapping, patch: &mut Mapping, key: &str, outcome: Outcome) {
        match outcome {
            Outcome::Target | Outcome::TargetNull => {}
            Outcome::Gone => {
                target.remove(key);
            }
            Outcome::Patch => {
                let Some(from) = patch.entries.iter_mut().find(|e| e.key.text() == Some(key)) else { return };
                if from.value.is_null() {
                    target.remove(key);
                    return;
                }
                let is_plain = matches!(&from.key.value, Value::Scalar(s) if s.style == Style::Plain);
                let node = std::mem::replace(&mut from.value, Node::null());
                match target.get_mut(key) {
                    Some(field) => {
                        let mut value = node.value;
                        if let (Value::Scalar(old), Value::Scalar(new)) = (&field.value, &mut value) {
                            new.style = old.style;
                            new.tag = tag_in(old.style, std::mem::replace(&mut new.tag, Tag::Null));
                        }
                        self.shares.assign(field, value);
                    }
                    None => {
                        let key = if is_plain { untagged_key(key) } else { Node::str(key) };
                        target.entries.push(Entry { key, value: node });
                    }
                }
            }
        }
    }

    /// Walks a mapping that the patch says nothing about.
    fn walk_target_fields(&mut self, target: &mut Node, schema: Option<View<'s>>) -> Result<(), Error> {
        let Value::Mapping(map) = &mut target.value else { return Ok(()) };
        self.walk_fields_of_target(map, schema, |_| false)
    }

    fn walk_fields_of_target(
        &mut self,
        map: &mut Mapping,
        schema: Option<View<'s>>,
        is_patched: impl Fn(&str) -> bool,
    ) -> Result<(), Error> {
        let mut gone = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        let many = map.entries.len() > 1;
        for (at, e) in map.entries.iter_mut().enumerate() {
            let Some(key) = e.key.text() else { continue };
            if is_patched(key) {
                continue;
            }
            if matches!(&e.value.value, Value::Scalar(s) if !(s.text.is_empty() && e.value.is_null())) {
                continue;
            }
            // Only the first of several equal keys is seen.
            if many {
                if seen.contains(&key) {
                    continue;
                }
                seen.push(key);
            }
            let below = schema.and_then(|s| s.field(key));
            if below.is_some_and(|b| b.is_leaf()) && !may_hold_empty(&e.value) {
                continue;
            }
            self.path.push(key.to_owned());
            if self.walk(Some(&mut e.value), None, below)? == Outcome::Gone {
                gone.push(at);
            }
            self.path.pop();
        }
        for at in gone.into_iter().rev() {
            map.entries.remove(at);
        }
        Ok(())
    }

    /// Walks a part that takes the target's place as it is: nulls go, directives are obeyed.
    pub(crate) fn walk_self(&mut self, node: &mut Node, schema: Option<View<'s>>) -> Result<Outcome, Error> {
        self.enter()?;
        if node.is_null() {
            return Ok(Outcome::Patch);
        }
        match &mut node.value {
            Value::Scalar(_) => Ok(Outcome::Patch),
            Value::Mapping(_) => {
                if let Directive::Delete = map_directive(node)? {
                    return Ok(Outcome::Gone);
                }
                let schema = self.schema_of(schema, Some(node), None);
                self.walk_self_fields(node, schema)?;
                Ok(Outcome::Patch)
            }
            Value::Sequence(list) => {
                let Some((keys, schema)) = schema.and_then(|s| Some((s.merge_keys()?, s))) else {
                    return Ok(Outcome::Patch);
                };
                if let Directive::Delete = list_directive(list)? {
                    return Ok(Outcome::Gone);
                }
                let merged = merge_list::merge_self(self, std::mem::take(list), &keys, schema.elements())?;
                *list = merged;
                Ok(Outcome::Patch)
            }
        }
    }

    fn walk_self_fields(&mut self, node: &mut Node, schema: Option<View<'s>>) -> Result<(), Error> {
        let Value::Mapping(map) = &mut node.value else { return Ok(()) };
        let mut gone = Vec::new();
        for at in 0..map.entries.len() {
            let Some(key) = map.entries[at].key.text().map(str::to_owned) else { continue };
            if map.entries[..at].iter().any(|e| e.key.text() == Some(&key)) {
                continue;
            }
            let below = schema.and_then(|s| s.field(&key));
            self.path.push(key);
            let value = &mut map.entries[at].value;
            let outcome = self.walk_self(value, below)?;
            self.path.pop();
            if outcome == Outcome::Gone || value.is_null() {
                gone.push(at);
            }
        }
        for at in gone.into_iter().rev() {
            map.entries.remove(at);
        }
        Ok(())
    }

    fn walk_list(
        &mut self,
        target: Option<&mut Node>,
        patch: Option<&mut Node>,
        keys: &[&str],
        schema: View<'s>,
    ) -> Result<Outcome, Error> {
        let elements = schema.elements();
        if is_missing_or_null(target.as_deref()) {
            let Some(Value::Sequence(list)) = patch.map(|p| &mut p.value) else { return Ok(Outcome::Gone) };
            let merged = merge_list::merge_self(self, std::mem::take(list), keys, elements)?;
            *list = merged;
            return Ok(Outcome::Patch);
        }
        let Some(Value::Sequence(own)) = target.map(|t| &mut t.value) else { return Ok(Outcome::Gone) };
        let Some(patch) = patch else {
            let list = std::mem::take(own);
            *own = merge_list::merge(self, list, Vec::new(), keys, elements)?;
            return Ok(Outcome::Target);
        };
        let Value::Sequence(theirs) = &mut patch.value else { return Ok(Outcome::Gone) };
        match list_directive(theirs)? {
            Directive::Delete => Ok(Outcome::Gone),
            Directive::Replace => {
                let merged = merge_list::merge_self(self, std::mem::take(theirs), keys, elements)?;
                *theirs = merged;
                Ok(Outcome::Patch)
            }
            Directive::Merge => {
                let (list, patch) = (std::mem::take(own), std::mem::take(theirs));
                *own = merge_list::merge(self, list, patch, keys, elements)?;
                Ok(Outcome::Target)
            }
        }
    }
}

/// Whether a walk could change something in a part that nothing merges into: a key without a value somewhere.
fn may_hold_empty(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(s) => s.text.is_empty() && node.is_null(),
        // Elements of replaced lists are not walked.
        Value::Sequence(_) => false,
        Value::Mapping(m) => m.entries.iter().any(|e| may_hold_empty(&e.value)),
    }
}

fn directive(text: &str) -> Result<Directive, Error> {
    match text {
        "delete" => Ok(Directive::Delete),
        "replace" => Ok(Directive::Replace),
        "merge" => Ok(Directive::Merge),
        other => Err(Error::new(format!("unknown patch strategy '{other}'"))
            .hint("'$patch' takes delete, replace or merge")),
    }
}

/// Takes `$patch` out of a mapping.
fn map_directive(node: &mut Node) -> Result<Directive, Error> {
    let Value::Mapping(map) = &mut node.value else { return Ok(Directive::Merge) };
    let Some(value) = map.get(DIRECTIVE) else { return Ok(Directive::Merge) };
    let line = value.pos.line;
    let found = directive(value.text().unwrap_or("")).map_err(|e| e.at_line(line))?;
    map.remove(DIRECTIVE);
    Ok(found)
}

/// Takes the elements with `$patch` out of a list, if the first of them holds nothing else.
fn list_directive(list: &mut Vec<Node>) -> Result<Directive, Error> {
    let Some(element) = list.iter().find_map(|n| n.as_map().filter(|m| m.get(DIRECTIVE).is_some())) else {
        return Ok(Directive::Merge);
    };
    if element.entries.len() > 1 {
        return Ok(Directive::Merge);
    }
    let Some(value) = element.get(DIRECTIVE) else { return Ok(Directive::Merge) };
    let text = value.text().unwrap_or("").to_owned();
    let found = directive(&text).map_err(|e| e.at_line(value.pos.line))?;
    list.retain(|n| {
        let is_empty = n.is_null() || n.as_map().is_some_and(|m| m.entries.is_empty());
        !is_empty && n.get(DIRECTIVE).and_then(Node::text) != Some(&text)
    });
    Ok(found)
}
