//! A compiled schema: its keywords, with other schemas by their index.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::draft::Draft;
use super::format::Format;
use super::json::{Json, Number};

/// A schema, if there is one.
pub(super) type Place = Option<usize>;
/// A pattern as it is written, and compiled.
pub(super) type Pattern = (String, Arc<regex::Regex>);

/// `items` before 2020-12.
#[derive(Default)]
pub(super) enum Items {
    #[default]
    Free,
    All(usize),
    Each(Vec<usize>),
}

/// `additionalProperties`, `additionalItems`.
#[derive(Default)]
pub(super) enum Additional {
    #[default]
    Free,
    Allowed(bool),
    Schema(usize),
}

/// One member of `dependencies`.
pub(super) enum Dependency {
    Names(Vec<String>),
    Schema(usize),
}

/// `type`: a set of names.
#[derive(Default, Clone, Copy)]
pub(super) struct Types(u8);

const TYPES: [&str; 7] = ["null", "boolean", "number", "integer", "string", "array", "object"];

/// A value's type; whole numbers are numbers too.
pub(super) fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

impl Types {
    pub(super) fn read(value: &Json) -> Self {
        let bit = |value: &Json| match value {
            Json::String(name) => TYPES.iter().position(|t| t == name).map_or(0, |at| 1 << at),
            _ => 0,
        };
        match value {
            Json::Array(items) => Self(items.iter().fold(0, |all, item| all | bit(item))),
            one => Self(bit(one)),
        }
    }

    pub(super) fn names(self) -> Vec<&'static str> {
        TYPES.iter().enumerate().filter(|(at, _)| self.0 & (1 << at) != 0).map(|(_, name)| *name).collect()
    }

    pub(super) fn fits(self, value: &Json) -> bool {
        let names = || self.names();
        self.0 == 0
            || names().contains(&type_of(value))
            || matches!(value, Json::Number(n) if names().contains(&"integer") && n.is_integer())
    }
}

/// A schema.
#[derive(Default)]
pub(super) struct Node {
    pub(super) compiled: bool,
    pub(super) url: Rc<str>,
    pub(super) pointer: String,
    /// None before it is compiled, and for what is no schema.
    pub(super) draft: Option<Draft>,
    pub(super) resource: usize,
    pub(super) dynamic_anchors: Vec<(String, usize)>,
    /// A schema that accepts all or nothing.
    pub(super) constant: Option<bool>,

    pub(super) reference: Place,
    pub(super) recursive_reference: Place,
    pub(super) recursive_anchor: bool,
    pub(super) dynamic_reference: Option<(usize, Option<String>)>,
    pub(super) dynamic_anchor: Option<String>,
    pub(super) types: Types,
    pub(super) values: Option<Vec<Json>>,
    pub(super) value: Option<Json>,
    pub(super) format: Option<Format>,
    pub(super) not: Place,
    pub(super) all_of: Vec<usize>,
    pub(super) any_of: Vec<usize>,
    pub(super) one_of: Vec<usize>,
    pub(super) condition: Place,
    pub(super) then: Place,
    pub(super) otherwise: Place,

    pub(super) min_properties: Option<usize>,
    pub(super) max_properties: Option<usize>,
    pub(super) required: Vec<String>,
    pub(super) properties: HashMap<String, usize>,
    pub(super) pattern_properties: Vec<(Pattern, usize)>,
    pub(super) property_names: Place,
    pub(super) additional_properties: Additional,
    pub(super) dependencies: Vec<(String, Dependency)>,
    pub(super) dependent_required: Vec<(String, Vec<String>)>,
    pub(super) dependent_schemas: Vec<(String, usize)>,
    pub(super) unevaluated_properties: Place,

    pub(super) min_items: Option<usize>,
    pub(super) max_items: Option<usize>,
    pub(super) unique_items: bool,
    pub(super) contains: Place,
    pub(super) min_contains: Option<usize>,
    pub(super) max_contains: Option<usize>,
    pub(super) items: Items,
    pub(super) additional_items: Additional,
    pub(super) prefix_items: Vec<usize>,
    /// `items` since 2020-12.
    pub(super) items_after: Place,
    pub(super) unevaluated_items: Place,

    pub(super) min_length: Option<usize>,
    pub(super) max_length: Option<usize>,
    pub(super) pattern: Option<Pattern>,

    pub(super) minimum: Option<Number>,
    pub(super) maximum: Option<Number>,
    pub(super) exclusive_minimum: Option<Number>,
    pub(super) exclusive_maximum: Option<Number>,
    pub(super) multiple_of: Option<Number>,
}

impl Node {
    pub(super) fn location(&self) -> String {
        super::address::location(&self.url, &self.pointer)
    }

    /// Whether this is of that draft or a later one.
    pub(super) fn since(&self, draft: Draft) -> bool {
        self.draft >= Some(draft)
    }

    /// Whether no property is left for `unevaluatedProperties` of a schema around this one.
    pub(super) fn all_properties_evaluated(&self) -> bool {
        !matches!(self.additional_properties, Additional::Free)
    }

    /// How many items are not left for `unevaluatedItems`.
    pub(super) fn items_evaluated(&self) -> usize {
        let all = if self.since(Draft::D2020) {
            self.items_after.is_some()
        } else {
            !matches!(self.additional_items, Additional::Free) || matches!(self.items, Items::All(_))
        };
        match &self.items {
            _ if all => usize::MAX,
            Items::Each(list) => list.len(),
            _ => self.prefix_items.len(),
        }
    }
}
