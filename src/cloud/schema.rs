//! The published JSON Schemas, generated from [`super::spec`].

use std::sync::OnceLock;

use serde_json::Value;

use super::lock::ChartLock;
use super::rules::spec::RuleFile;
use super::spec::{App, ChartVersions, Cloud};

/// The schema of `retune.yaml`.
pub fn cloud() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(Cloud).to_value())
}

/// The schema of `apps/<app>.yaml`.
pub fn app() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(App).to_value())
}

/// The schema of `helm-chart-versions.yaml`.
pub fn chart_versions() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(ChartVersions).to_value())
}

/// The schema of `rules/*.yaml`.
pub fn rules() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(RuleFile).to_value())
}

/// The schema of `retune.lock`.
pub fn chart_lock() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| schemars::schema_for!(ChartLock).to_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `walk` understands, and what says nothing about validity.
    const KNOWN: &[&str] = &[
        "$ref",
        "anyOf",
        "oneOf",
        "enum",
        "const",
        "type",
        "minItems",
        "items",
        "properties",
        "additionalProperties",
        "required",
        "pattern",
        "$schema",
        "$defs",
        "title",
        "description",
        "default",
        "minimum",
        "maximum",
        "format",
    ];

    fn keywords(schema: &Value, unknown: &mut Vec<String>) {
        let Some(map) = schema.as_object() else { return };
        for (key, value) in map {
            if !KNOWN.contains(&key.as_str()) {
                unknown.push(key.clone());
            }
            match key.as_str() {
                "properties" | "$defs" => {
                    value.as_object().unwrap().values().for_each(|v| keywords(v, unknown));
                }
                "items" | "additionalProperties" => keywords(value, unknown),
                "anyOf" | "oneOf" => value.as_array().unwrap().iter().for_each(|v| keywords(v, unknown)),
                _ => {}
            }
        }
    }

    #[test]
    fn the_schemas_use_no_keyword_that_the_loader_does_not_check() {
        for schema in [cloud(), app(), chart_versions(), rules(), chart_lock()] {
            let mut unknown = Vec::new();
            keywords(schema, &mut unknown);
            assert_eq!(unknown, Vec::<String>::new());
        }
    }
}
