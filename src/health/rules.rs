//! The rules of the kinds that Kubernetes ships.

use serde_json::Value;

use super::Verdict;
use super::generic::{condition, condition_true};

fn number(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or(0)
}

fn wanted(object: &Value) -> i64 {
    object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1)
}

fn observed(object: &Value) -> Option<Verdict> {
    object
        .pointer("/status/observedGeneration")
        .is_none()
        .then(|| Verdict::progressing("its controller has not looked at it yet"))
}

/// Replicas updated, old ones gone, all available; failed when the progress deadline passed.
pub(super) fn deployment(object: &Value) -> Verdict {
    if let Some(verdict) = observed(object) {
        return verdict;
    }
    if let Some(("False", message)) = condition(object, "Progressing")
        && message.starts_with("ProgressDeadlineExceeded")
    {
        return Verdict::failed(message);
    }
    let want = wanted(object);
    let (replicas, updated) = (number(object, "/status/replicas"), number(object, "/status/updatedReplicas"));
    let (ready, available) =
        (number(object, "/status/readyReplicas"), number(object, "/status/availableReplicas"));
    if updated < want {
        Verdict::progressing(format!("{updated} of {want} replicas are updated"))
    } else if replicas > updated {
        Verdict::progressing(format!("{} old replicas are still there", replicas - updated))
    } else if available < want {
        Verdict::progressing(format!("{available} of {want} replicas are available ({ready} ready)"))
    } else {
        Verdict::ready()
    }
}

/// All replicas ready and on the current revision, partitions respected.
pub(super) fn stateful_set(object: &Value) -> Verdict {
    let want = wanted(object);
    if object.pointer("/spec/updateStrategy/type").and_then(Value::as_str) == Some("OnDelete") {
        return Verdict::ready();
    }
    if let Some(verdict) = observed(object) {
        return verdict;
    }
    let (ready, updated) =
        (number(object, "/status/readyReplicas"), number(object, "/status/updatedReplicas"));
    let partition = number(object, "/spec/updateStrategy/rollingUpdate/partition");
    if ready < want {
        return Verdict::progressing(format!("{ready} of {want} replicas are ready"));
    }
    if partition > 0 {
        let need = (want - partition).max(0);
        if updated < need {
            return Verdict::progressing(format!(
                "{updated} of {need} replicas above the partition are updated"
            ));
        }
        return Verdict::ready();
    }
    let revision = |name: &str| object.pointer(name).and_then(Value::as_str).unwrap_or_default();
    if revision("/status/currentRevision") != revision("/status/updateRevision") {
        return Verdict::progressing(format!("{updated} of {want} replicas are updated"));
    }
    Verdict::ready()
}

/// One updated, available pod per scheduled node.
pub(super) fn daemon_set(object: &Value) -> Verdict {
    if let Some(verdict) = observed(object) {
        return verdict;
    }
    let want = number(object, "/status/desiredNumberScheduled");
    let (updated, available) =
        (number(object, "/status/updatedNumberScheduled"), number(object, "/status/numberAvailable"));
    let on_delete = object.pointer("/spec/updateStrategy/type").and_then(Value::as_str) == Some("OnDelete");
    if updated < want && !on_delete {
        Verdict::progressing(format!("{updated} of {want} pods are updated"))
    } else if available < want {
        Verdict::progressing(format!("{available} of {want} pods are available"))
    } else {
        Verdict::ready()
    }
}

/// All replicas available.
pub(super) fn replica_set(object: &Value) -> Verdict {
    let want = wanted(object);
    if let Some(("True", message)) = condition(object, "ReplicaFailure") {
        return Verdict::failed(message);
    }
    let available = number(object, "/status/availableReplicas");
    if available < want {
        return Verdict::progressing(format!("{available} of {want} replicas are available"));
    }
    Verdict::ready()
}

/// Complete; failed when it gave up. A suspended Job waits for nobody.
pub(super) fn job(object: &Value) -> Verdict {
    if let Some(("True", message)) = condition(object, "Failed") {
        return Verdict::failed(message);
    }
    if let Some(("True", _)) = condition(object, "Complete") {
        return Verdict::ready();
    }
    if let Some(("True", _)) = condition(object, "Suspended") {
        return Verdict::ready();
    }
    let (active, failed) = (number(object, "/status/active"), number(object, "/status/failed"));
    let tries = if failed > 0 { format!(", {failed} failed so far") } else { String::new() };
    Verdict::progressing(format!("{active} pods are running{tries}"))
}

/// Running and ready, or succeeded.
pub(super) fn pod(object: &Value) -> Verdict {
    match object.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default() {
        "Succeeded" => Verdict::ready(),
        "Failed" => {
            let message =
                object.pointer("/status/message").and_then(Value::as_str).unwrap_or("the pod failed");
            Verdict::failed(message)
        }
        _ => match stuck_container(object) {
            Some(message) => Verdict::failed(message),
            None => match condition(object, "PodScheduled") {
                Some(("False", message)) => Verdict::progressing(format!("is not scheduled: {message}")),
                _ => condition_true(object, "Ready"),
            },
        },
    }
}

/// A container that waits for a reason that does not go away by itself.
fn stuck_container(object: &Value) -> Option<String> {
    for list in ["/status/initContainerStatuses", "/status/containerStatuses"] {
        for container in object.pointer(list).and_then(Value::as_array).into_iter().flatten() {
            let reason =
                container.pointer("/state/waiting/reason").and_then(Value::as_str).unwrap_or_default();
            if matches!(
                reason,
                "CrashLoopBackOff" | "ImagePullBackOff" | "InvalidImageName" | "CreateContainerConfigError"
            ) {
                let name = container["name"].as_str().unwrap_or_default();
                let message =
                    container.pointer("/state/waiting/message").and_then(Value::as_str).unwrap_or_default();
                return Some(format!("container {name}: {reason} {message}").trim_end().to_owned());
            }
        }
    }
    None
}

/// Bound. A claim that waits for its first consumer is ready: it binds when a pod comes.
pub(super) fn volume_claim(object: &Value) -> Verdict {
    match object.pointer("/status/phase").and_then(Value::as_str).unwrap_or_default() {
        "Bound" => Verdict::ready(),
        "Lost" => Verdict::failed("its volume is lost"),
        phase => Verdict::progressing(format!("is {}", if phase.is_empty() { "not bound" } else { phase })),
    }
}

/// A load balancer has an address; other services are ready at once.
pub(super) fn service(object: &Value) -> Verdict {
    let kind = object.pointer("/spec/type").and_then(Value::as_str).unwrap_or_default();
    let empty = |pointer: &str| object.pointer(pointer).and_then(Value::as_array).is_none_or(Vec::is_empty);
    if kind == "LoadBalancer" && empty("/status/loadBalancer/ingress") && empty("/spec/externalIPs") {
        return Verdict::progressing("has no load balancer address yet");
    }
    Verdict::ready()
}

/// Active.
pub(super) fn namespace(object: &Value) -> Verdict {
    match object.pointer("/status/phase").and_then(Value::as_str).unwrap_or("Active") {
        "Active" => Verdict::ready(),
        phase => Verdict::progressing(format!("is {phase}")),
    }
}

/// The controller has computed it.
pub(super) fn disruption_budget(object: &Value) -> Verdict {
    observed(object).unwrap_or_else(Verdict::ready)
}

/// Established; failed when its names collide.
pub(super) fn definition(object: &Value) -> Verdict {
    if let Some(("False", message)) = condition(object, "NamesAccepted") {
        return Verdict::failed(message);
    }
    condition_true(object, "Established")
}
