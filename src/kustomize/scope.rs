//! Which kinds have no namespace, after Kubernetes' published OpenAPI v1.21.2.

/// Whether objects of this kind certainly have no namespace.
#[must_use]
pub fn is_cluster_scoped(group: &str, version: &str, kind: &str) -> bool {
    matches!((group, version, kind), ("", "v1", "Namespace"))
}
