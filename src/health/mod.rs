//! One object in, its readiness out. Pure.
//!
//! The rules follow kstatus' published behaviour (<https://github.com/kubernetes-sigs/cli-utils/blob/master/pkg/kstatus/README.md>)
//! for the kinds that Kubernetes ships, with these deviations:
//! - a Job is ready when it completed; while it runs it is progressing (kstatus calls a started Job current);
//! - a Service of type LoadBalancer without an address is progressing, as in kstatus.
//!
//! Every rule's examples are files under `fixtures/health/`, one object and its verdict each, run by
//! `tests/it/health.rs`.

mod generic;
mod rules;

use serde::{Deserialize, Serialize};
use serde_json::Value;

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

/// Whether objects of a kind have more to wait for than being applied: these kinds are watched whole.
#[must_use]
pub fn has_rule(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(
            kind,
            "Pod" | "PersistentVolumeClaim" | "Service" | "ReplicationController" | "Namespace"
        ),
        "apps" => matches!(kind, "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet"),
        "batch" => kind == "Job",
        "policy" => kind == "PodDisruptionBudget",
        "apiextensions.k8s.io" => kind == "CustomResourceDefinition",
        "apiregistration.k8s.io" => kind == "APIService",
        // Kinds the API server ships that are ready once they are there.
        "rbac.authorization.k8s.io"
        | "storage.k8s.io"
        | "scheduling.k8s.io"
        | "networking.k8s.io"
        | "node.k8s.io"
        | "admissionregistration.k8s.io"
        | "coordination.k8s.io"
        | "discovery.k8s.io"
        | "flowcontrol.apiserver.k8s.io"
        | "autoscaling"
        | "resource.k8s.io"
        | "events.k8s.io"
        | "authentication.k8s.io"
        | "authorization.k8s.io"
        | "certificates.k8s.io" => false,
        // Custom resources: the generic rule reads their conditions.
        _ => true,
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
            Some("Failed") => rules::pod(object),
            _ => Verdict::progressing(judge(object).message),
        },
        _ => Verdict::ready(),
    }
}

/// The verdict on a live object.
#[must_use]
pub fn judge(object: &Value) -> Verdict {
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
    let api_version = text("/apiVersion");
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    if let Some(generation) = object.pointer("/metadata/generation").and_then(Value::as_i64)
        && let Some(observed) = object.pointer("/status/observedGeneration").and_then(Value::as_i64)
        && observed < generation
    {
        return Verdict::progressing(format!("generation {generation} is not observed yet (at {observed})"));
    }
    match (group, text("/kind")) {
        ("apps", "Deployment") => rules::deployment(object),
        ("apps", "StatefulSet") => rules::stateful_set(object),
        ("apps", "DaemonSet") => rules::daemon_set(object),
        ("apps", "ReplicaSet") | ("", "ReplicationController") => rules::replica_set(object),
        ("batch", "Job") => rules::job(object),
        ("", "Pod") => rules::pod(object),
        ("", "PersistentVolumeClaim") => rules::volume_claim(object),
        ("", "Service") => rules::service(object),
        ("", "Namespace") => rules::namespace(object),
        ("policy", "PodDisruptionBudget") => rules::disruption_budget(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => rules::definition(object),
        ("apiregistration.k8s.io", "APIService") => generic::condition_true(object, "Available"),
        (group, kind) if has_rule(group, kind) => generic::judge(object),
        _ => Verdict::ready(),
    }
}
