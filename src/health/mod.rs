//! One object in, its readiness out. Pure.
//!
//! The rules are data: a file a group under `rules/`, in the small language of [`rule`]. They follow kstatus' published behaviour
//! (<https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md>) for the kinds that Kubernetes ships; every
//! deviation is in `fixtures/health/deviations.json` with its reason. Rules of operators' kinds follow the conditions and phases
//! of their published types. Custom kinds without a rule are judged by their conditions. Users' own rules ([`own`]) come
//! before them; nodes that do not count for DaemonSets are in [`nodes`].
//!
//! Every rule's examples are files under `fixtures/health/examples/`, one object and its verdict each, run by `tests/it/health.rs`.

mod generic;
pub mod nodes;
pub mod own;
pub mod rule;

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use self::rule::Rules;
use crate::yaml;

/// How ready an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be; nothing is waited for.
    Ready,
    /// On its way.
    Progressing,
    /// It will not become ready by itself.
    Failed,
    /// No rule and no condition says.
    Unknown,
}

/// A verdict with what a person should know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// How ready.
    pub health: Health,
    /// What it waits for or what is wrong; empty when ready.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

impl Verdict {
    fn ready() -> Self {
        Self { health: Health::Ready, message: String::new() }
    }
    fn progressing(message: impl Into<String>) -> Self {
        Self { health: Health::Progressing, message: message.into() }
    }
    fn failed(message: impl Into<String>) -> Self {
        Self { health: Health::Failed, message: message.into() }
    }
}

/// The rules' files.
const FILES: [(&str, &str); 8] = [
    ("core", include_str!("rules/core.yaml")),
    ("apps", include_str!("rules/apps.yaml")),
    ("kubernetes", include_str!("rules/kubernetes.yaml")),
    ("mariadb", include_str!("rules/mariadb.yaml")),
    ("rabbitmq", include_str!("rules/rabbitmq.yaml")),
    ("cert-manager", include_str!("rules/cert-manager.yaml")),
    ("storage-network", include_str!("rules/storage-network.yaml")),
    ("gateway-monitoring", include_str!("rules/gateway-monitoring.yaml")),
];

/// Reads a file of rules.
///
/// # Errors
/// What is wrong with it.
pub fn read_rules(text: &str) -> Result<Vec<Rules>, String> {
    let rules: Vec<Rules> = yaml::read_table(text)?;
    let problems: Vec<String> = rules.iter().flat_map(Rules::problems).collect();
    if problems.is_empty() { Ok(rules) } else { Err(problems.join("; ")) }
}

/// The shipped rules by group and kind.
fn table() -> &'static HashMap<(String, String), Rules> {
    static TABLE: OnceLock<HashMap<(String, String), Rules>> = OnceLock::new();
    TABLE.get_or_init(|| {
        // Shipped with the program; a test reads every file and fails on any mistake.
        let all = FILES.iter().flat_map(|(_, text)| read_rules(text).unwrap_or_default());
        all.flat_map(|rules| {
            let key = |kind: &String| (rules.group.clone(), kind.clone());
            rules.kinds.iter().map(|kind| (key(kind), rules.clone())).collect::<Vec<_>>()
        })
        .collect()
    })
}

fn rules_of(group: &str, kind: &str) -> Option<&'static Rules> {
    table().get(&(group.to_owned(), kind.to_owned()))
}

/// Groups of the API server itself: a kind of theirs that has no rule is ready once it is there.
fn built_in(group: &str) -> bool {
    matches!(group, "" | "apps" | "batch" | "policy" | "autoscaling" | "extensions")
        || group.ends_with(".k8s.io")
            && !matches!(group, "gateway.networking.k8s.io" | "metrics.k8s.io" | "snapshot.storage.k8s.io")
            && !group.contains(".x-k8s.io")
}

/// Whether objects of a kind have more to wait for than being applied: these kinds are watched whole.
#[must_use]
pub fn has_rule(group: &str, kind: &str) -> bool {
    match rules_of(group, kind) {
        Some(rules) => rules.rules.iter().any(|case| case.verdict != Health::Ready),
        // Custom resources: the generic rule reads their conditions.
        None => !built_in(group),
    }
}

/// The verdict on a hook's object, as Helm has it: a Job is complete or failed, a Pod succeeded or failed (however long it
/// crashes or waits before), and anything else is done once it is there.
#[must_use]
pub fn judge_hook(object: &Value) -> Verdict {
    match (object["apiVersion"].as_str(), object["kind"].as_str()) {
        (Some("batch/v1"), Some("Job")) => judge(object),
        (Some("v1"), Some("Pod")) => match object.pointer("/status/phase").and_then(Value::as_str) {
            Some("Succeeded") => Verdict::ready(),
            Some("Failed") => rules_of("", "Pod")
                .and_then(|rules| rules.judge(object))
                .unwrap_or_else(|| Verdict::failed("the pod failed")),
            _ => Verdict::progressing(judge(object).message),
        },
        _ => Verdict::ready(),
    }
}

/// The verdict on a live object.
#[must_use]
pub fn judge(object: &Value) -> Verdict {
    judge_with(object, None)
}

/// The verdict on a live object of an app that has rules of its own for the kind.
#[must_use]
pub fn judge_with(object: &Value, own: Option<&own::Cases>) -> Verdict {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    if !text("/metadata/deletionTimestamp").is_empty() {
        let finalizers: Vec<&str> = object
            .pointer("/metadata/finalizers")
            .and_then(Value::as_array)
            .map(|list| list.iter().filter_map(Value::as_str).collect())
            .unwrap_or_default();
        return Verdict::progressing(if finalizers.is_empty() {
            "is being deleted".to_owned()
        } else {
            format!("is being deleted; waits for {}", finalizers.join(", "))
        });
    }
    if let Some(generation) = object.pointer("/metadata/generation").and_then(Value::as_i64)
        && let Some(observed) = object.pointer("/status/observedGeneration").and_then(Value::as_i64)
        && observed != generation
    {
        return Verdict::progressing(format!("generation {generation} is not observed yet (at {observed})"));
    }
    if let Some(verdict) = own.and_then(|own| own.judge(object)) {
        return verdict;
    }
    if let Some(verdict) = generic::first(object) {
        return verdict;
    }
    let api_version = text("/apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let kind = text("/kind");
    match rules_of(group, kind).and_then(|rules| rules.judge(object)) {
        Some(verdict) => verdict,
        None if built_in(group) => Verdict::ready(),
        None => generic::last(object),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_rules_is_readable_and_no_kind_has_two() {
        let mut seen = std::collections::HashSet::new();
        for (file, text) in FILES {
            let rules = read_rules(text).unwrap_or_else(|e| panic!("{file}: {e}"));
            for rules in rules {
                for kind in &rules.kinds {
                    assert!(
                        seen.insert((rules.group.clone(), kind.clone())),
                        "{file}: {kind} has rules twice"
                    );
                }
            }
        }
        assert!(seen.len() >= 60);
    }

    #[test]
    fn a_mistake_in_a_rule_is_told() {
        let bad = "- {group: a.b, kinds: [X], rules: [{when: [{status: [\"True\"]}], verdict: ready}]}";
        let error = read_rules(bad).unwrap_err();
        assert!(
            error.contains("the last case must apply always") && error.contains("one of condition"),
            "{error}"
        );
        assert!(read_rules("- {group: a.b, kinds: [X], rules: [{verdict: fine}]}").is_err());
    }
}
