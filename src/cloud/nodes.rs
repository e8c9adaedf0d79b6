//! `spec.nodes` of `retune.yaml`: the labels and annotations that nodes have.
//!
//! Nodes are made by whoever runs the machines; retune creates and deletes none. A rule is about a node by name, or about all that a
//! label selector matches; several rules may meet on a node.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::load::{CLOUD_FILE, Repository};
use super::problem::{Problem, ProblemKind};
use crate::kustomize::labelselector::LabelSelector;

/// The most rules, and the most labels and annotations of a rule.
const MAX_RULES: usize = 1_000;

/// Labels and annotations of nodes. One of `name` and `selector`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeRule {
    /// The node's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// All nodes with these labels, as kubectl takes a selector; the empty text means all nodes. Not by labels that spec.nodes sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Labels that they have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations that they have.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What a node is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Wanted {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

impl Wanted {
    /// Whether it is to have nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.annotations.is_empty()
    }
}

impl NodeRule {
    fn matches(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let selected = || {
            let selector = self.selector.as_deref().and_then(|text| LabelSelector::parse(text).ok());
            selector.is_some_and(|s| s.matches(labels))
        };
        match &self.name {
            Some(wanted) => wanted == name,
            None => selected(),
        }
    }
}

/// What the rules say of one node. Where two rules say different things, the first counts and the key is told.
#[must_use]
pub fn wanted(rules: &[NodeRule], name: &str, labels: &BTreeMap<String, String>) -> (Wanted, Vec<String>) {
    let (mut out, mut contradictions) = (Wanted::default(), Vec::new());
    let mut add = |into: &mut BTreeMap<String, String>, from: &BTreeMap<String, String>, what: &str| {
        for (key, value) in from {
            let first = into.entry(key.clone()).or_insert_with(|| value.clone());
            if first != value {
                contradictions.push(format!("{what} {key}: {first:?} and {value:?}; the first counts"));
            }
        }
    };
    for rule in rules.iter().filter(|r| r.matches(name, labels)) {
        add(&mut out.labels, &rule.labels, "label");
        add(&mut out.annotations, &rule.annotations, "annotation");
    }
    (out, contradictions)
}

/// What can be told to be wrong without the nodes.
pub(super) fn check(repository: &Repository, problems: &mut Vec<Problem>) {
    let rules = &repository.cloud.spec.nodes;
    if rules.len() > MAX_RULES {
        let message = format!("spec.nodes: {} rules; a cloud may have {MAX_RULES}", rules.len());
        let problem = Problem::new(ProblemKind::Limit, CLOUD_FILE, message);
        problems.push(problem.at(repository.pos(&["spec", "nodes"])));
    }
    let set: BTreeSet<&str> = rules.iter().flat_map(|r| r.labels.keys()).map(String::as_str).collect();
    for (index, rule) in rules.iter().enumerate() {
        let index = index.to_string();
        let mut wrong = |field: &str, message: String| {
            let problem = Problem::new(ProblemKind::BadValue, CLOUD_FILE, format!("spec.nodes: {message}"));
            problems.push(problem.at(repository.pos(&["spec", "nodes", &index, field])));
        };
        match (&rule.name, &rule.selector) {
            (Some(_), Some(_)) => wrong("selector", "a rule has name or selector, not both".to_owned()),
            (None, None) => {
                wrong("", "a rule needs name or selector; selector: \"\" means all nodes".to_owned())
            }
            (Some(_), None) => {}
            (None, Some(selector)) => match LabelSelector::parse(selector) {
                Err(message) => wrong("selector", format!("selector {selector:?}: {message}")),
                Ok(parsed) => {
                    if let Some(key) = parsed.keys().find(|key| set.contains(key)) {
                        wrong(
                            "selector",
                            format!(
                                "the selector is by {key}, which spec.nodes sets itself; select by name or by another label"
                            ),
                        );
                    }
                }
            },
        }
        if rule.labels.is_empty() && rule.annotations.is_empty() {
            wrong("", "a rule has neither labels nor annotations".to_owned());
        }
        for (field, keys) in [("labels", &rule.labels), ("annotations", &rule.annotations)] {
            for (key, value) in keys {
                if !is_qualified(key) {
                    wrong(
                        field,
                        format!("{key:?} is not a key of {field}; a name with an optional DNS prefix is"),
                    );
                }
                if field == "labels" && !is_label_value(value) {
                    wrong(
                        field,
                        format!("{value:?} is not a label's value: at most 63 letters, digits, -, _ and ."),
                    );
                }
                if key.starts_with("retune.dev/") {
                    wrong(field, format!("{key}: retune.dev/ is retune's own"));
                }
            }
        }
    }
}

fn is_label_value(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let ends = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    let bytes = text.as_bytes();
    bytes.len() <= 63 && bytes.iter().all(|b| inner(*b)) && ends(bytes.first()) && ends(bytes.last())
}

fn is_qualified(key: &str) -> bool {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    let dns = |p: &str| {
        !p.is_empty()
            && p.len() <= 253
            && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b))
    };
    prefix.is_none_or(dns) && !name.is_empty() && is_label_value(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_node_gets_what_every_rule_about_it_says() {
        let rules = [
            NodeRule { name: Some("n1".into()), labels: map(&[("a", "1")]), ..NodeRule::default() },
            NodeRule {
                selector: Some("pool=x".into()),
                annotations: map(&[("b", "2")]),
                ..NodeRule::default()
            },
            NodeRule { selector: Some(String::new()), labels: map(&[("a", "3")]), ..NodeRule::default() },
        ];
        let (one, contradictions) = wanted(&rules, "n1", &map(&[("pool", "x")]));
        assert_eq!(one, Wanted { labels: map(&[("a", "1")]), annotations: map(&[("b", "2")]) });
        assert_eq!(contradictions, ["label a: \"1\" and \"3\"; the first counts"]);
        let (other, contradictions) = wanted(&rules, "n2", &map(&[("pool", "y")]));
        assert_eq!(other, Wanted { labels: map(&[("a", "3")]), ..Wanted::default() });
        assert!(contradictions.is_empty());
        assert!(wanted(&rules[1..2], "n3", &BTreeMap::new()).0.is_empty());
    }

    #[test]
    fn keys_and_values_are_held_to_the_api_servers_rules() {
        assert!(is_qualified("openstack-control-plane") && is_qualified("kube-ovn/role"));
        assert!(
            !is_qualified("a/b/c") && !is_qualified("") && !is_qualified("A.b/c ") && !is_qualified("/x")
        );
        assert!(
            is_label_value("")
                && is_label_value("a.b-c_d")
                && !is_label_value("-a")
                && !is_label_value("a b")
        );
    }
}
