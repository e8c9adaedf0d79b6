//! Which kinds have no namespace, after Kubernetes' published OpenAPI v1.21.2.
//!
//! Kinds that it does not name count as namespaced, unless a custom schema (`openapi: {path: ...}`) lists their paths.
//! What a custom schema says is in force on the thread that builds, for as long as the build's [`Learned`] lives.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::tables::scope::CLUSTER_SCOPED;
use super::tables::{Kind, merge_keys::KINDS};

/// `(apiVersion, kind)` to whether its objects have a namespace.
pub type Scopes = BTreeMap<(String, String), bool>;

thread_local! {
    static LEARNED: RefCell<Scopes> = const { RefCell::new(BTreeMap::new()) };
}

/// Whether objects of this kind certainly have no namespace.
#[must_use]
pub fn is_cluster_scoped(group: &str, version: &str, kind: &str) -> bool {
    if CLUSTER_SCOPED.binary_search(&(kind, group, version)).is_ok() {
        return true;
    }
    LEARNED.with_borrow(|learned| {
        if learned.is_empty() {
            return false;
        }
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        !is_builtin(&api_version, kind) && learned.get(&(api_version, kind.to_owned())) == Some(&false)
    })
}

/// The built-in schema's entry for a kind.
#[must_use]
pub(crate) fn builtin(api_version: &str, kind: &str) -> Option<&'static Kind> {
    let at = KINDS.binary_search_by(|k| (k.api_version, k.kind).cmp(&(api_version, kind))).ok()?;
    KINDS.get(at)
}

/// Whether the built-in OpenAPI document names this kind.
#[must_use]
pub fn is_builtin(api_version: &str, kind: &str) -> bool {
    builtin(api_version, kind).is_some()
}

/// Takes back what a build learned when it ends.
#[derive(Debug)]
pub struct Learned(Scopes);

/// Puts the scopes of a custom schema in force until the result is dropped.
#[must_use]
pub fn learn(scopes: Scopes) -> Learned {
    Learned(LEARNED.with_borrow_mut(|learned| std::mem::replace(learned, scopes)))
}

impl Drop for Learned {
    fn drop(&mut self) {
        LEARNED.with_borrow_mut(|learned| *learned = std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_the_published_api_are_known_and_others_are_namespaced() {
        assert!(is_cluster_scoped("", "v1", "Namespace"));
        assert!(is_cluster_scoped("rbac.authorization.k8s.io", "v1", "ClusterRole"));
        assert!(!is_cluster_scoped("", "v1", "ConfigMap"));
        assert!(!is_cluster_scoped("example.com", "v1", "ClusterThing"));
    }

    #[test]
    fn a_custom_schema_teaches_scopes_only_while_it_is_in_force() {
        let scopes = Scopes::from([(("example.com/v1".into(), "Thing".into()), false)]);
        let learned = learn(scopes);
        assert!(is_cluster_scoped("example.com", "v1", "Thing"));
        drop(learned);
        assert!(!is_cluster_scoped("example.com", "v1", "Thing"));
    }
}
