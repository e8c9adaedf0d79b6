//! What turns the labels and annotations of a node into those that `spec.nodes` of `retune.yaml` declares. Pure.
//!
//! Only fields of retune's own field manager are ever taken away; what others set stays, unless a rule names it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

use crate::cloud::nodes::{NodeRule, Wanted, wanted};

/// A node as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NodeFacts {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// The labels among them that are retune's for this cloud.
    pub own_labels: BTreeSet<String>,
    /// The annotations.
    pub own_annotations: BTreeSet<String>,
}

/// What is to be done with a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeChange {
    /// The node.
    pub node: String,
    /// Each label and annotation: `set label a=1`, `change label a=2 to 1`, `remove annotation b`.
    pub changes: Vec<String>,
    /// What it has afterwards of retune.
    #[serde(skip)]
    pub wanted: Wanted,
}

/// `node n1: set label a=1; remove annotation b`
impl fmt::Display for NodeChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {}: {}", self.node, self.changes.join("; "))
    }
}

/// What is to be done with a node, if anything is; contradictions of rules beside it.
#[must_use]
pub fn change(rules: &[NodeRule], node: &str, facts: &NodeFacts) -> (Option<NodeChange>, Vec<String>) {
    let (wanted, contradictions) = wanted(rules, node, &facts.labels);
    let mut changes = Vec::new();
    compare("label", &wanted.labels, &facts.labels, &facts.own_labels, &mut changes);
    compare("annotation", &wanted.annotations, &facts.annotations, &facts.own_annotations, &mut changes);
    let change = (!changes.is_empty()).then(|| NodeChange { node: node.to_owned(), changes, wanted });
    (change, contradictions)
}

fn compare(
    what: &str,
    wanted: &BTreeMap<String, String>,
    live: &BTreeMap<String, String>,
    own: &BTreeSet<String>,
    out: &mut Vec<String>,
) {
    for (key, value) in wanted {
        match live.get(key) {
            None => out.push(format!("set {what} {key}={value}")),
            Some(now) if now != value => out.push(format!("change {what} {key}={now} to {value}")),
            // Somebody else's, and as declared: taken over, so that it goes when Git drops it.
            Some(_) if !own.contains(key) => out.push(format!("own {what} {key}={value}")),
            Some(_) => {}
        }
    }
    out.extend(own.iter().filter(|key| !wanted.contains_key(*key)).map(|key| format!("remove {what} {key}")));
}

/// What is applied to a node: of a node of that uid only, so that none is ever created.
#[must_use]
pub fn body(node: &str, uid: &str, wanted: &Wanted) -> Value {
    let mut metadata = json!({"name": node, "uid": uid});
    for (field, map) in [("labels", &wanted.labels), ("annotations", &wanted.annotations)] {
        if !map.is_empty() {
            metadata[field] = json!(map);
        }
    }
    json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn a_node_costs_a_change_only_where_it_differs_and_keeps_what_others_set() {
        let rules = [NodeRule {
            name: Some("n".into()),
            labels: map(&[("a", "1"), ("b", "2"), ("c", "3")]),
            ..NodeRule::default()
        }];
        let mut facts = NodeFacts {
            labels: map(&[("a", "1"), ("b", "9"), ("c", "3"), ("old", "x"), ("others", "y")]),
            own_labels: ["a", "b", "old"].map(str::to_owned).into(),
            ..NodeFacts::default()
        };
        let (change_now, _) = change(&rules, "n", &facts);
        let change_now = change_now.unwrap();
        assert_eq!(change_now.to_string(), "node n: change label b=9 to 2; own label c=3; remove label old");
        let applied = body("n", "u", &change_now.wanted);
        assert_eq!(applied["metadata"]["labels"], json!({"a": "1", "b": "2", "c": "3"}));
        assert_eq!(applied["metadata"]["uid"], "u");
        facts.labels = map(&[("a", "1"), ("b", "2"), ("c", "3")]);
        facts.own_labels = ["a", "b", "c"].map(str::to_owned).into();
        assert_eq!(change(&rules, "n", &facts).0, None);
        // Removed from Git: only what is ours goes.
        let gone = change(&[], "n", &facts).0.unwrap();
        assert_eq!(gone.changes, ["remove label a", "remove label b", "remove label c"]);
        assert_eq!(body("n", "u", &gone.wanted)["metadata"], json!({"name": "n", "uid": "u"}));
    }
}
