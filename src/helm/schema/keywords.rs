//! The keywords of objects, arrays, texts and numbers, and those that combine schemas.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use super::check::{At, Checker};
use super::draft::Draft;
use super::json::{Json, Number};
use super::node::{Additional, Dependency, Items};
use super::words::Kind;

/// From this many items on equal ones are looked for by a key instead of pair by pair.
const MANY_ITEMS: usize = 20;

impl<'v> Checker<'_, 'v, '_> {
    pub(super) fn object(&mut self, members: &'v BTreeMap<String, Json>) {
        let node = self.node();
        let count = members.len();
        if let Some(min) = node.min_properties.filter(|min| count < *min) {
            self.fail(|| Kind::Count("minProperties", count, min));
        }
        if let Some(max) = node.max_properties.filter(|max| count > *max) {
            self.fail(|| Kind::Count("maxProperties", count, max));
        }
        if let Some(missing) = missing(members, &node.required) {
            self.fail(|| Kind::Required(missing));
        }
        if self.quiet && !self.failures.is_empty() {
            return;
        }
        for (property, dependency) in node.dependencies.iter().filter(|(name, _)| members.contains_key(name))
        {
            match dependency {
                Dependency::Names(names) => self.dependent(members, property, names),
                Dependency::Schema(schema) => {
                    let failure = self.same(*schema, "", false);
                    self.failures.extend(failure);
                }
            }
        }
        self.members(members);
        if !node.since(Draft::D6) {
            return;
        }
        if let Some(schema) = node.property_names {
            for name in members.keys() {
                let text = Json::String(name.clone());
                if let Some(mut failure) = self.run.whole(schema, &text, self.meta, self.quiet) {
                    failure.at = self.at.pointer();
                    failure.kind = Kind::PropertyName(name.clone());
                    self.failures.push(failure);
                }
            }
        }
        for (_, schema) in node.dependent_schemas.iter().filter(|(name, _)| members.contains_key(name)) {
            let failure = self.same(*schema, "", false);
            self.failures.extend(failure);
        }
        for (property, names) in node.dependent_required.iter().filter(|(name, _)| members.contains_key(name))
        {
            self.dependent(members, property, names);
        }
    }

    fn dependent(&mut self, members: &BTreeMap<String, Json>, property: &str, names: &[String]) {
        if let Some(missing) = missing(members, names) {
            self.fail(|| Kind::Dependent { property: property.to_owned(), missing });
        }
    }

    /// Every member against `properties`, `patternProperties` and `additionalProperties`.
    fn members(&mut self, members: &'v BTreeMap<String, Json>) {
        let node = self.node();
        let mut additional = Vec::new();
        for (name, value) in members {
            if self.quiet && !self.failures.is_empty() {
                return;
            }
            let at = At::Key(self.at, name);
            let mut evaluated = false;
            if let Some(schema) = node.properties.get(name) {
                evaluated = true;
                let failure = self.inside(*schema, value, &at);
                self.failures.extend(failure);
            }
            for ((_, pattern), schema) in &node.pattern_properties {
                if pattern.is_match(name) {
                    evaluated = true;
                    let failure = self.inside(*schema, value, &at);
                    self.failures.extend(failure);
                }
            }
            if !evaluated {
                match node.additional_properties {
                    Additional::Free => {}
                    Additional::Allowed(allowed) => {
                        evaluated = true;
                        if !allowed {
                            additional.push(name.clone());
                        }
                    }
                    Additional::Schema(schema) => {
                        evaluated = true;
                        let failure = self.inside(schema, value, &at);
                        self.failures.extend(failure);
                    }
                }
            }
            if evaluated {
                self.left.properties.remove(name.as_str());
            }
        }
        if !additional.is_empty() {
            self.fail(|| Kind::Additional(additional));
        }
    }

    fn item(&mut self, schema: usize, items: &[Json], index: usize) {
        let failure = self.inside(schema, &items[index], &At::Item(self.at, index));
        self.failures.extend(failure);
    }

    pub(super) fn array(&mut self, items: &'v [Json]) {
        let node = self.node();
        let count = items.len();
        if let Some(min) = node.min_items.filter(|min| count < *min) {
            self.fail(|| Kind::Count("minItems", count, min));
        }
        if let Some(max) = node.max_items.filter(|max| count > *max) {
            self.fail(|| Kind::Count("maxItems", count, max));
        }
        if node.unique_items
            && let Some((i, j)) = duplicates(items)
        {
            self.fail(|| Kind::Unique(i, j));
        }
        if node.since(Draft::D2020) {
            for index in 0..count {
                if let Some(schema) = node.prefix_items.get(index).copied().or(node.items_after) {
                    self.item(schema, items, index);
                }
            }
        } else {
            let evaluated = match &node.items {
                Items::Free => 0,
                Items::All(schema) => {
                    (0..count).for_each(|index| self.item(*schema, items, index));
                    count
                }
                Items::Each(schemas) => {
                    let each = schemas.iter().take(count).enumerate();
                    each.for_each(|(index, schema)| self.item(*schema, items, index));
                    schemas.len().min(count)
                }
            };
            match node.additional_items {
                Additional::Allowed(false) if evaluated < count => {
                    self.fail(|| Kind::AdditionalItems(count - evaluated));
                }
                Additional::Schema(schema) => {
                    (evaluated..count).for_each(|index| self.item(schema, items, index));
                }
                _ => {}
            }
        }
        if let Some(schema) = node.contains {
            self.contains(schema, items);
        }
    }

    fn contains(&mut self, schema: usize, items: &[Json]) {
        let node = self.node();
        let (mut matched, mut failures) = (Vec::new(), Vec::new());
        for (index, item) in items.iter().enumerate() {
            match self.inside(schema, item, &At::Item(self.at, index)) {
                Some(failure) => failures.push(failure),
                None => {
                    matched.push(index);
                    if node.since(Draft::D2020) {
                        self.left.items.remove(&index);
                    }
                }
            }
        }
        match node.min_contains {
            Some(min) if matched.len() < min => {
                let got = matched.clone();
                self.fail_for(failures, || Kind::MinContains(got, min));
            }
            None if matched.is_empty() => self.fail_for(failures, || Kind::Contains),
            _ => {}
        }
        if let Some(max) = node.max_contains.filter(|max| matched.len() > *max) {
            self.fail(|| Kind::MaxContains(matched, max));
        }
    }

    pub(super) fn string(&mut self, text: &str) {
        let node = self.node();
        if node.min_length.is_some() || node.max_length.is_some() {
            let count = text.chars().count();
            if let Some(min) = node.min_length.filter(|min| count < *min) {
                self.fail(|| Kind::Count("minLength", count, min));
            }
            if let Some(max) = node.max_length.filter(|max| count > *max) {
                self.fail(|| Kind::Count("maxLength", count, max));
            }
        }
        if let Some((want, pattern)) = &node.pattern
            && !pattern.is_match(text)
        {
            self.fail(|| Kind::Pattern { got: text.to_owned(), want: want.clone() });
        }
    }

    pub(super) fn number(&mut self, number: &Number) {
        let node = self.node();
        let bounds: [(_, &Option<Number>, fn(Ordering) -> bool); 4] = [
            ("minimum", &node.minimum, Ordering::is_ge),
            ("maximum", &node.maximum, Ordering::is_le),
            ("exclusiveMinimum", &node.exclusive_minimum, Ordering::is_gt),
            ("exclusiveMaximum", &node.exclusive_maximum, Ordering::is_lt),
        ];
        for (keyword, bound, holds) in bounds {
            if let Some(bound) = bound.as_ref().filter(|bound| !holds(number.compare(bound))) {
                self.fail(|| Kind::Bound(keyword, number.float(), bound.float()));
            }
        }
        if let Some(step) = node.multiple_of.as_ref().filter(|step| !number.is_multiple_of(step)) {
            self.fail(|| Kind::Bound("multipleOf", number.float(), step.float()));
        }
    }

    pub(super) fn conditions(&mut self) {
        let node = self.node();
        if let Some(schema) = node.not
            && self.same(schema, "", true).is_none()
        {
            self.fail(|| Kind::Not);
        }
        let mut failures = Vec::new();
        for schema in &node.all_of {
            failures.extend(self.same(*schema, "", false));
            if self.quiet && !failures.is_empty() {
                break;
            }
        }
        if !failures.is_empty() {
            self.fail_for(failures, || Kind::AllOf);
        }
        if !node.any_of.is_empty() {
            self.any_of(&node.any_of);
        }
        if !node.one_of.is_empty() {
            self.one_of(&node.one_of);
        }
        if let Some(condition) = node.condition {
            let branch = if self.same(condition, "", true).is_none() { node.then } else { node.otherwise };
            let failure = branch.and_then(|schema| self.same(schema, "", false));
            self.failures.extend(failure);
        }
    }

    fn any_of(&mut self, schemas: &[usize]) {
        let (mut matched, mut failures) = (false, Vec::new());
        for schema in schemas {
            match self.same(*schema, "", false) {
                Some(failure) => failures.push(failure),
                None => {
                    matched = true;
                    // What is evaluated by a later one counts too, if anyone asks.
                    if self.left.is_empty() {
                        break;
                    }
                }
            }
        }
        if !matched {
            self.fail_for(failures, || Kind::AnyOf);
        }
    }

    fn one_of(&mut self, schemas: &[usize]) {
        let (mut matched, mut failures) = (None, Vec::new());
        for (index, schema) in schemas.iter().enumerate() {
            match (self.same(*schema, "", matched.is_some()), matched) {
                (Some(failure), None) => failures.push(failure),
                (Some(_), Some(_)) => {}
                (None, None) => matched = Some(index),
                (None, Some(first)) => {
                    self.fail(|| Kind::OneOf(Some((first, index))));
                    break;
                }
            }
        }
        if matched.is_none() {
            self.fail_for(failures, || Kind::OneOf(None));
        }
    }

    pub(super) fn unevaluated(&mut self) {
        let node = self.node();
        if let (Some(schema), Json::Object(members)) = (node.unevaluated_properties, self.value) {
            for name in std::mem::take(&mut self.left.properties) {
                let failure = members.get(name).and_then(|v| self.inside(schema, v, &At::Key(self.at, name)));
                self.failures.extend(failure);
            }
        }
        if let (Some(schema), Json::Array(items)) = (node.unevaluated_items, self.value) {
            for index in std::mem::take(&mut self.left.items) {
                self.item(schema, items, index);
            }
        }
    }
}

/// Names that are asked for and not there; nothing if there are none.
fn missing(members: &BTreeMap<String, Json>, names: &[String]) -> Option<Vec<String>> {
    let missing: Vec<String> = names.iter().filter(|name| !members.contains_key(*name)).cloned().collect();
    (!missing.is_empty()).then_some(missing)
}

/// The first item that is the same as an earlier one, and that one.
fn duplicates(items: &[Json]) -> Option<(usize, usize)> {
    if items.len() <= MANY_ITEMS {
        return (1..items.len()).find_map(|i| (0..i).find(|j| items[i].same(&items[*j])).map(|j| (j, i)));
    }
    let mut seen = HashMap::with_capacity(items.len());
    items.iter().enumerate().find_map(|(i, item)| {
        let mut key = String::new();
        item.write_key(&mut key);
        let first = *seen.entry(key).or_insert(i);
        (first != i).then_some((first, i))
    })
}
