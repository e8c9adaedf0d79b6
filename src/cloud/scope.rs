//! Is a kind namespaced? Answered in this order: CRDs of the same revision, the kinds built into Kubernetes
//! ([`built_in`]), then the cluster's discovery through [`Scopes`]. An unknown kind counts as namespaced.

use std::collections::BTreeMap;

use serde_json::Value;

use super::object::split_api_version;

/// Who knows whether kinds are namespaced.
pub trait Scopes: Send + Sync {
    /// Whether objects of that group and kind live in namespaces; `None` if not known here.
    fn namespaced(&self, group: &str, kind: &str) -> Option<bool>;
}

/// Knows nothing but the built-in kinds: for work without a cluster.
#[derive(Debug, Clone, Copy, Default)]
pub struct Offline;

impl Scopes for Offline {
    fn namespaced(&self, group: &str, kind: &str) -> Option<bool> {
        built_in(group, kind)
    }
}

/// The scopes that the CRDs of one revision declare.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CrdScopes(BTreeMap<(String, String), bool>);

impl CrdScopes {
    /// Takes note of a manifest if it is a CustomResourceDefinition.
    pub fn learn(&mut self, manifest: &Value) {
        let text = |pointer: &str| manifest.pointer(pointer).and_then(Value::as_str);
        let api_version = text("/apiVersion").unwrap_or_default();
        if text("/kind") != Some("CustomResourceDefinition")
            || split_api_version(api_version).0 != "apiextensions.k8s.io"
        {
            return;
        }
        if let (Some(group), Some(kind), Some(scope)) =
            (text("/spec/group"), text("/spec/names/kind"), text("/spec/scope"))
        {
            self.0.insert((group.to_owned(), kind.to_owned()), scope == "Namespaced");
        }
    }

    /// Adds what another part of the revision declares.
    pub fn merge(&mut self, other: &Self) {
        self.0.extend(other.0.iter().map(|(k, v)| (k.clone(), *v)));
    }

    /// Every declared kind: group, kind, namespaced.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str, bool)> {
        self.0.iter().map(|((group, kind), namespaced)| (group.as_str(), kind.as_str(), *namespaced))
    }
}

impl Scopes for CrdScopes {
    fn namespaced(&self, group: &str, kind: &str) -> Option<bool> {
        self.0.get(&(group.to_owned(), kind.to_owned())).copied()
    }
}

/// The scope of a kind that Kubernetes 1.36 serves itself (aggregated and custom kinds are not in it).
#[must_use]
pub fn built_in(group: &str, kind: &str) -> Option<bool> {
    let namespaced = match group {
        "" => match kind {
            "ComponentStatus" | "Namespace" | "Node" | "PersistentVolume" => false,
            "Binding"
            | "ConfigMap"
            | "Endpoints"
            | "Event"
            | "LimitRange"
            | "PersistentVolumeClaim"
            | "Pod"
            | "PodTemplate"
            | "ReplicationController"
            | "ResourceQuota"
            | "Secret"
            | "Service"
            | "ServiceAccount" => true,
            _ => return None,
        },
        "admissionregistration.k8s.io" => match kind {
            "MutatingAdmissionPolicy"
            | "MutatingAdmissionPolicyBinding"
            | "MutatingWebhookConfiguration"
            | "ValidatingAdmissionPolicy"
            | "ValidatingAdmissionPolicyBinding"
            | "ValidatingWebhookConfiguration" => false,
            _ => return None,
        },
        "apiextensions.k8s.io" if kind == "CustomResourceDefinition" => false,
        "apiregistration.k8s.io" if kind == "APIService" => false,
        "apps" => match kind {
            "ControllerRevision" | "DaemonSet" | "Deployment" | "ReplicaSet" | "StatefulSet" => true,
            _ => return None,
        },
        "authentication.k8s.io" => match kind {
            "SelfSubjectReview" | "TokenReview" => false,
            _ => return None,
        },
        "authorization.k8s.io" => match kind {
            "LocalSubjectAccessReview" => true,
            "SelfSubjectAccessReview" | "SelfSubjectRulesReview" | "SubjectAccessReview" => false,
            _ => return None,
        },
        "autoscaling" if kind == "HorizontalPodAutoscaler" => true,
        "batch" if matches!(kind, "CronJob" | "Job") => true,
        "certificates.k8s.io" => match kind {
            "CertificateSigningRequest" | "ClusterTrustBundle" => false,
            "PodCertificateRequest" => true,
            _ => return None,
        },
        "coordination.k8s.io" if matches!(kind, "Lease" | "LeaseCandidate") => true,
        "discovery.k8s.io" if kind == "EndpointSlice" => true,
        "events.k8s.io" if kind == "Event" => true,
        "flowcontrol.apiserver.k8s.io" if matches!(kind, "FlowSchema" | "PriorityLevelConfiguration") => {
            false
        }
        "networking.k8s.io" => match kind {
            "IPAddress" | "IngressClass" | "ServiceCIDR" => false,
            "Ingress" | "NetworkPolicy" => true,
            _ => return None,
        },
        "node.k8s.io" if kind == "RuntimeClass" => false,
        "policy" if kind == "PodDisruptionBudget" => true,
        "rbac.authorization.k8s.io" => match kind {
            "ClusterRole" | "ClusterRoleBinding" => false,
            "Role" | "RoleBinding" => true,
            _ => return None,
        },
        "resource.k8s.io" => match kind {
            "DeviceClass" | "DeviceTaintRule" | "ResourceSlice" => false,
            "ResourceClaim" | "ResourceClaimTemplate" => true,
            _ => return None,
        },
        "scheduling.k8s.io" if kind == "PriorityClass" => false,
        "scheduling.k8s.io" if kind == "Workload" => true,
        "storage.k8s.io" => match kind {
            "CSIDriver" | "CSINode" | "StorageClass" | "VolumeAttachment" | "VolumeAttributesClass" => false,
            "CSIStorageCapacity" => true,
            _ => return None,
        },
        _ => return None,
    };
    Some(namespaced)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn built_in_kinds_are_known_and_others_are_not() {
        assert_eq!(built_in("", "Namespace"), Some(false));
        assert_eq!(built_in("apps", "Deployment"), Some(true));
        assert_eq!(built_in("apiextensions.k8s.io", "CustomResourceDefinition"), Some(false));
        assert_eq!(built_in("apiextensions.k8s.io", "Other"), None);
        assert_eq!(built_in("apps", "Namespace"), None);
        assert_eq!(built_in("cert-manager.io", "Issuer"), None);
    }

    #[test]
    fn custom_kinds_are_learnt_from_the_revisions_own_crds() {
        let mut scopes = CrdScopes::default();
        scopes.learn(&json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "spec": {"group": "cert-manager.io", "scope": "Cluster", "names": {"kind": "ClusterIssuer"}},
        }));
        assert_eq!(scopes.namespaced("cert-manager.io", "ClusterIssuer"), Some(false));
        assert_eq!(scopes.namespaced("cert-manager.io", "Issuer"), None);
    }
}
