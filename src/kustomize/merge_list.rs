//! The merged lists of strategic merge: elements are matched by one or several keys, or by value.
//!
//! Follows `kyaml/yaml/walk/associative_sequence.go` step by step, because its order and its treatment of elements
//! without keys come from those steps:
//! - rows of key values are collected, the patch's first; with several keys, rows that agree where both have a value
//!   become one, so a missing secondary key is a wildcard;
//! - the merged elements in row order come first; then each element of the target takes the place of its row, or is
//!   moved to the end if there are several keys;
//! - therefore `$patch: replace` inside an element that the target has changes nothing.
//!
//! Lists are index lists into one arena, since elements stand in several lists at once.

use super::error::Error;
use super::fieldspec::wrong_kind;
use super::merge::{Outcome, Walker};
use super::scalar::is_nil_or_empty;
use super::schema::View;
use crate::yaml::{Node, Value};

/// Merges a patch's list into a target's.
pub(crate) fn merge<'s>(
    walker: &mut Walker<'s>,
    target: Vec<Node>,
    patch: Vec<Node>,
    keys: &[&str],
    elements: Option<View<'s>>,
) -> Result<Vec<Node>, Error> {
    let mut target = target;
    if patch.is_empty() && has_distinct_keys(&target, keys) {
        for node in &mut target {
            walker.walk(Some(node), None, elements)?;
        }
        return Ok(target);
    }
    let split = target.len();
    let mut nodes = target;
    nodes.extend(patch);
    let lists = Lists { target: (0..split).collect(), patch: Some((split..nodes.len()).collect()), nodes };
    lists.run(walker, keys, elements)
}

/// Walks a list that takes the target's place.
pub(crate) fn merge_self<'s>(
    walker: &mut Walker<'s>,
    list: Vec<Node>,
    keys: &[&str],
    elements: Option<View<'s>>,
) -> Result<Vec<Node>, Error> {
    let target = (0..list.len()).collect();
    Lists { target, patch: None, nodes: list }.run(walker, keys, elements)
}

/// Whether every element has the first key, and all differ in it: then a walk changes no order and drops nothing.
fn has_distinct_keys(list: &[Node], keys: &[&str]) -> bool {
    let Some(first) = keys.first() else { return false };
    let mut values = Vec::with_capacity(list.len());
    for node in list {
        match node.get(first) {
            Some(value) if !is_nil_or_empty(value) => match value.text() {
                Some(text) if !text.is_empty() => values.push(text),
                _ => return false,
            },
            _ => return false,
        }
    }
    values.sort_unstable();
    values.windows(2).all(|w| w[0] != w[1])
}

type Row = Vec<String>;

struct Lists {
    nodes: Vec<Node>,
    target: Vec<usize>,
    /// `None`: the target's list meets itself.
    patch: Option<Vec<usize>>,
}

impl Lists {
    fn run<'s>(
        mut self,
        walker: &mut Walker<'s>,
        keys: &[&str],
        elements: Option<View<'s>>,
    ) -> Result<Vec<Node>, Error> {
        let (keys, mut rows): (Vec<&str>, _) = if keys.is_empty() {
            (vec![""], self.primitive_rows())
        } else {
            (keys.to_vec(), self.rows(keys))
        };
        if keys.len() > 1 {
            unite(&mut rows);
        }
        let mut items = Vec::with_capacity(rows.len());
        let mut valid_keys: Vec<&str> = Vec::new();
        let present = keys_present(&rows);
        for row in &rows {
            let (row_keys, values) = valid(&present, row, &keys);
            valid_keys = row_keys;
            let merged = self.walk_row(walker, &valid_keys, &values, elements)?;
            let is_gone = |at: usize| is_nil_or_empty_map(&self.nodes[at]);
            let Some(at) = merged.filter(|at| !is_gone(*at)) else {
                let mut target = std::mem::take(&mut self.target);
                self.set_element(&mut target, None, &valid_keys, &values)?;
                self.target = target;
                continue;
            };
            self.fill_keys(at, &valid_keys, &values);
            self.set_element(&mut items, Some(at), &valid_keys, &values)?;
        }
        if !rows.is_empty() {
            self.append_target(&mut items, &valid_keys)?;
            self.target = items;
        }
        Ok(self.finish())
    }

    /// The key values of all elements, the patch's first, each combination once.
    fn rows(&self, keys: &[&str]) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for at in self.patch.iter().flatten().chain(&self.target) {
            let value = |key: &&str| match self.nodes[*at].get(key) {
                Some(v) if !is_nil_or_empty(v) => v.text().unwrap_or("").to_owned(),
                _ => String::new(),
            };
            let row: Row = keys.iter().map(value).collect();
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows
    }

    fn primitive_rows(&self) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for at in self.patch.iter().flatten().chain(&self.target) {
            let row = vec![self.nodes[*at].text().unwrap_or("").to_owned()];
            if !rows.contains(&row) {
                rows.push(row);
            }
        }
        rows
    }

    fn walk_row<'s>(
        &mut self,
        walker: &mut Walker<'s>,
        keys: &[&str],
        values: &[&str],
        elements: Option<View<'s>>,
    ) -> Result<Option<usize>, Error> {
        // Keys without a value do not take part in the search, unless none has one.
        let present: Vec<(&str, &str)> =
            keys.iter().copied().zip(values.iter().copied()).filter(|(_, v)| !v.is_empty()).collect();
        let wanted = if present.is_empty() {
            keys.iter().copied().zip(values.iter().copied()).collect()
        } else {
            present
        };
        let own = self.find(&self.target, &wanted);
        let Some(patch) = &self.patch else {
            let Some(own) = own else { return Ok(None) };
            return Ok(match walker.walk_self(&mut self.nodes[own], elements)? {
                Outcome::Gone => None,
                _ => Some(own),
            });
        };
        let theirs = self.find(patch, &wanted);
        let mut target_node = own.map(|at| std::mem::replace(&mut self.nodes[at], Node::null()));
        // With several keys two rows may lead to one element of the patch.
        let mut patch_node = theirs.map(|at| self.nodes[at].clone());
        let done = walker.walk(target_node.as_mut(), patch_node.as_mut(), elements);
        if let (Some(at), Some(node)) = (own, target_node) {
            self.nodes[at] = node;
        }
        Ok(match done? {
            Outcome::Gone | Outcome::TargetNull => None,
            Outcome::Target => own,
            Outcome::Patch => patch_node.map(|node| {
                self.nodes.push(node);
                self.nodes.len() - 1
            }),
        })
    }

    fn find(&self, list: &[usize], wanted: &[(&str, &str)]) -> Option<usize> {
        let is_primitive = wanted.first().is_none_or(|(key, _)| key.is_empty());
        list.iter().copied().find(|at| {
            let node = &self.nodes[*at];
            if is_primitive {
                let value = wanted.first().map_or("", |(_, v)| v);
                return node.text().unwrap_or("") == value;
            }
            node.as_map().is_some_and(|map| {
                wanted
                    .iter()
                    .all(|(key, value)| map.get(key).is_some_and(|v| v.text().unwrap_or("") == *value))
            })
        })
    }

    /// A merged element gets the keys that its row has and it has not.
    fn fill_keys(&mut self, at: usize, keys: &[&str], values: &[&str]) {
        let Value::Mapping(map) = &mut self.nodes[at].value else { return };
        for (key, value) in keys.iter().zip(values) {
            if !value.is_empty() && map.get(key).is_none() {
                super::scalar::set_untyped(map, key, value);
            }
        }
    }

    /// Puts an element in the place of those that match, or at the end; without an element, drops those that match.
    fn set_element(
        &self,
        list: &mut Vec<usize>,
        element: Option<usize>,
        keys: &[&str],
        values: &[&str],
    ) -> Result<(), Error> {
        let sets_mappings = !keys[0].is_empty() && values.first().is_some_and(|v| !v.is_empty());
        let mut out = Vec::with_capacity(list.len() + 1);
        let mut found_any = false;
        for &at in list.iter() {
            let node = &self.nodes[at];
            if is_nil_or_empty_map(node) {
                continue;
            }
            if sets_mappings && node.as_map().is_none() {
                out.push(at);
                continue;
            }
            let mut found = false;
            for (j, key) in keys.iter().enumerate() {
                // A key beyond the values counts as its predecessor did.
                if let Some(value) = values.get(j) {
                    found = field_matches(node, key, value)?;
                }
                if !found {
                    break;
                }
            }
            if !found {
                if !values.is_empty() {
                    out.push(at);
                }
                continue;
            }
            found_any = true;
            out.extend(element);
        }
        if let Some(element) = element
            && !found_any
            && !self.nodes[element].is_null()
        {
            out.push(element);
        }
        *list = out;
        Ok(())
    }

    /// Every element of the target takes its row's place in `items`.
    fn append_target(&mut self, items: &mut Vec<usize>, keys: &[&str]) -> Result<(), Error> {
        for at in std::mem::take(&mut self.target) {
            let node = &self.nodes[at];
            if keys[0].is_empty() {
                let text = node.text().unwrap_or("").to_owned();
                self.set_element(items, Some(at), &[""], &[&text])?;
                continue;
            }
            let mut values: Vec<String> = Vec::with_capacity(keys.len());
            for key in keys {
                if node.is_null() {
                    items.push(at);
                    continue;
                }
                let Some(map) = node.as_map() else { return Err(wrong_kind("MappingNode", node)) };
                match map.get(key) {
                    Some(value) => values.push(value.text().unwrap_or("").to_owned()),
                    None => items.push(at),
                }
            }
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            if keys.len() > 1 {
                self.set_element(items, None, keys, &values)?;
            }
            self.set_element(items, Some(at), keys, &values)?;
        }
        Ok(())
    }

    fn finish(self) -> Vec<Node> {
        let Self { mut nodes, target, .. } = self;
        let mut left = vec![0_u32; nodes.len()];
        for at in &target {
            left[*at] += 1;
        }
        let mut take = |at: usize| {
            left[at] -= 1;
            if left[at] == 0 { std::mem::replace(&mut nodes[at], Node::null()) } else { nodes[at].clone() }
        };
        target.into_iter().map(&mut take).collect()
    }
}

fn is_nil_or_empty_map(node: &Node) -> bool {
    node.is_null() || node.as_map().is_some_and(|m| m.entries.is_empty())
}

/// Whether a field has a value; the empty value means any.
fn field_matches(node: &Node, key: &str, value: &str) -> Result<bool, Error> {
    if key.is_empty() {
        let Some(text) = node.text() else { return Err(wrong_kind("ScalarNode", node)) };
        return Ok(text == value);
    }
    let Some(map) = node.as_map() else { return Err(wrong_kind("MappingNode", node)) };
    Ok(map.get(key).is_some_and(|v| value.is_empty() || v.text().unwrap_or("") == value))
}

/// Rows that agree in at least one value, and nowhere differ where both have one, become the same row.
fn unite(rows: &mut [Row]) {
    for i in 0..rows.len() {
        let first = rows[i].clone();
        for j in 0..rows.len() {
            if let Some(united) = united(&first, &rows[j]) {
                rows[i].clone_from(&united);
                rows[j] = united;
            }
        }
    }
}

fn united(a: &Row, b: &Row) -> Option<Row> {
    let mut agrees = false;
    let mut out = Vec::with_capacity(a.len());
    for (a, b) in a.iter().zip(b) {
        if a == b {
            agrees = true;
        } else if !a.is_empty() && !b.is_empty() {
            return None;
        }
        out.push(if a.is_empty() { b.clone() } else { a.clone() });
    }
    agrees.then_some(out)
}

/// Which key positions have a value in any row.
fn keys_present(rows: &[Row]) -> Vec<bool> {
    let width = rows.first().map_or(0, Vec::len);
    (0..width).map(|i| rows.iter().any(|row| !row[i].is_empty())).collect()
}

/// Leaves out the keys that no row has a value for, unless that is all of them.
fn valid<'k, 'r>(present: &[bool], row: &'r Row, keys: &[&'k str]) -> (Vec<&'k str>, Vec<&'r str>) {
    if !present.contains(&true) {
        return (keys.to_vec(), row.iter().map(String::as_str).collect());
    }
    let kept = |i: &usize| present[*i];
    let indexes = || (0..keys.len()).filter(kept);
    (indexes().map(|i| keys[i]).collect(), indexes().map(|i| row[i].as_str()).collect())
}
