//! The order of kinds inside an app: what others need comes first.
//!
//! Namespaces, then CRDs (waited for until established), then everything that workloads refer to, then workloads, then
//! the configurations that make the API server call webhooks. Within a phase objects go in parallel; Helm's install
//! order (<https://github.com/helm/helm/blob/main/pkg/release/v1/util/kind_sorter.go>) has the same coarse shape.

use serde::Serialize;

use crate::cloud::ObjectId;

/// When an object is applied, inside its app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Namespaces.
    Namespace,
    /// CustomResourceDefinitions; the next phase waits until they are established.
    Definition,
    /// What workloads refer to: configuration, secrets, RBAC, services, volumes, classes, quotas.
    Prerequisite,
    /// What runs, and every custom resource.
    Workload,
    /// Webhook configurations and APIServices: from here on the API server calls what was just applied.
    Webhook,
}

/// All phases, in order.
pub const PHASES: [Phase; 5] =
    [Phase::Namespace, Phase::Definition, Phase::Prerequisite, Phase::Workload, Phase::Webhook];

/// The phase of a kind.
#[must_use]
pub fn phase(id: &ObjectId) -> Phase {
    match (&*id.group, &*id.kind) {
        ("", "Namespace") => Phase::Namespace,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => Phase::Definition,
        ("admissionregistration.k8s.io", _) | ("apiregistration.k8s.io", "APIService") => Phase::Webhook,
        ("", "Pod" | "ReplicationController") | ("apps" | "batch", _) | ("autoscaling" | "policy", _) => {
            Phase::Workload
        }
        ("", _)
        | (
            "rbac.authorization.k8s.io"
            | "storage.k8s.io"
            | "scheduling.k8s.io"
            | "networking.k8s.io"
            | "node.k8s.io"
            | "resource.k8s.io"
            | "flowcontrol.apiserver.k8s.io"
            | "discovery.k8s.io"
            | "coordination.k8s.io",
            _,
        ) => Phase::Prerequisite,
        _ => Phase::Workload,
    }
}

/// The order of deletion: objects of a lower stage are gone before those of the next one are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// What makes the API server call others.
    Webhook,
    /// Custom resources, while the operator that handles their finalizers still runs.
    Custom,
    /// What runs, and the way to it.
    Workload,
    /// What it referred to.
    Prerequisite,
    /// CustomResourceDefinitions.
    Definition,
    /// Namespaces.
    Namespace,
}

/// The stage in which a kind is deleted.
#[must_use]
pub fn stage(id: &ObjectId) -> Stage {
    match phase(id) {
        Phase::Webhook => Stage::Webhook,
        Phase::Workload if is_custom(&id.group) => Stage::Custom,
        Phase::Workload => Stage::Workload,
        Phase::Prerequisite if matches!(&*id.kind, "Service" | "Ingress" | "IngressClass") => Stage::Workload,
        Phase::Prerequisite => Stage::Prerequisite,
        Phase::Definition => Stage::Definition,
        Phase::Namespace => Stage::Namespace,
    }
}

fn is_custom(group: &str) -> bool {
    !matches!(group, "" | "apps" | "batch" | "autoscaling" | "policy")
}

/// Helm's order of deletion (`UninstallOrder` of the same file); kinds that it does not name come first.
const UNINSTALL_ORDER: [&str; 33] = [
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "APIService",
    "Ingress",
    "IngressClass",
    "Service",
    "CronJob",
    "Job",
    "StatefulSet",
    "HorizontalPodAutoscaler",
    "Deployment",
    "ReplicaSet",
    "ReplicationController",
    "Pod",
    "DaemonSet",
    "RoleBinding",
    "Role",
    "ClusterRoleBinding",
    "ClusterRole",
    "CustomResourceDefinition",
    "PersistentVolumeClaim",
    "PersistentVolume",
    "StorageClass",
    "ConfigMap",
    "Secret",
    "ServiceAccount",
    "PodDisruptionBudget",
    "PodSecurityPolicy",
    "LimitRange",
    "ResourceQuota",
    "NetworkPolicy",
    "Namespace",
    "PriorityClass",
];

/// By what deletions are sorted: stage, then Helm's order of kinds, then identity.
#[must_use]
pub fn deletion_key(id: &ObjectId) -> (Stage, usize, ObjectId) {
    let place = UNINSTALL_ORDER.iter().position(|k| *k == &*id.kind).map_or(0, |n| n + 1);
    (stage(id), place, id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first() {
        let phase_of = |group: &str, kind: &str| phase(&ObjectId::new(group, kind, None, "x"));
        let order = [
            phase_of("", "Namespace"),
            phase_of("apiextensions.k8s.io", "CustomResourceDefinition"),
            phase_of("", "ConfigMap"),
            phase_of("apps", "Deployment"),
            phase_of("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ];
        assert!(order.windows(2).all(|w| w[0] < w[1]));
        assert_eq!(phase_of("k8s.mariadb.com", "MariaDB"), Phase::Workload);
        assert_eq!(phase_of("rbac.authorization.k8s.io", "ClusterRole"), Phase::Prerequisite);
    }

    #[test]
    fn deletion_goes_the_other_way_and_custom_resources_go_before_their_operator() {
        let key = |group: &str, kind: &str| deletion_key(&ObjectId::new(group, kind, None, "x"));
        let order = [
            key("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
            key("k8s.mariadb.com", "MariaDB"),
            key("", "Service"),
            key("apps", "Deployment"),
            key("rbac.authorization.k8s.io", "ClusterRole"),
            key("", "ConfigMap"),
            key("apiextensions.k8s.io", "CustomResourceDefinition"),
            key("", "Namespace"),
        ];
        assert!(order.windows(2).all(|w| w[0] < w[1]));
    }
}
