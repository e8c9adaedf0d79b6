//! Which actions wait for an approval. Deletion is about data, not counts: a namespace takes everything in it, a CRD
//! every instance, a volume its bytes, a database resource its database.

use serde::Serialize;

use super::{Facts, Withheld};
use crate::cloud::{Digest, ObjectId};

/// Why an action is withheld.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Guard {
    /// Deletes a namespace with everything in it.
    Namespace,
    /// Deletes a CRD and so every object of its kind.
    Definition,
    /// Deletes a PersistentVolume or PersistentVolumeClaim.
    Volume,
    /// Deletes an object of a protected kind.
    Protected,
    /// Deletes a whole app.
    WholeApp,
    /// Deletes more than a tenth of the cloud at once.
    Share,
    /// Makes something smaller that holds data (see [`super::shrinking`]); what.
    Shrink(String),
    /// Would only work with, or belongs to, something that is withheld.
    DependsOn(String),
    /// Objects of the app exist and retune owns none of them yet: the app is to be adopted.
    Takeover,
    /// It belongs to another GitOps engine or another cloud; no approval changes that.
    Foreign(String),
    /// The inventory was lost or is older than the cluster: nothing is deleted until all is compared.
    Frozen,
}

impl Guard {
    /// Whether no approval sets it aside.
    #[must_use]
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Foreign(_))
    }
}

impl std::fmt::Display for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Namespace => f.write_str("deletes a namespace and everything in it"),
            Self::Definition => f.write_str("deletes a CRD and every object of its kind"),
            Self::Volume => f.write_str("deletes a volume"),
            Self::Protected => f.write_str("deletes an object of a protected kind"),
            Self::WholeApp => f.write_str("deletes a whole app"),
            Self::Share => f.write_str("deletes more than a tenth of the cloud"),
            Self::Shrink(what) => write!(f, "makes smaller what does not simply shrink: {what}"),
            Self::DependsOn(what) => write!(f, "depends on {what}, which is withheld"),
            Self::Takeover => f.write_str("exists already and was not applied by retune"),
            Self::Foreign(owner) => {
                write!(f, "belongs to {owner}, which must let go of it first: see docs/adoption.md")
            }
            Self::Frozen => f.write_str("the inventory was lost; pruning waits for a full comparison"),
        }
    }
}

/// API groups whose objects hold data or carry the cloud's network: never deleted without an approval.
pub const PROTECTED_GROUPS: [&str; 5] =
    ["k8s.mariadb.com", "rabbitmq.com", "ceph.rook.io", "kubeovn.io", "metallb.io"];

/// The largest number of deletions that is never "too many".
pub const FREE_DELETIONS: usize = 10;

/// Whether deletions of this number out of a cloud of that size need an approval.
#[must_use]
pub fn too_many(deletions: usize, objects: usize) -> bool {
    deletions > FREE_DELETIONS.max(objects / 10)
}

/// The guard on deleting one object, for its own sake.
#[must_use]
pub fn of_object(id: &ObjectId, facts: &Facts) -> Option<Guard> {
    match (&*id.group, &*id.kind) {
        ("", "Namespace") => Some(Guard::Namespace),
        ("apiextensions.k8s.io", "CustomResourceDefinition") if !facts.empty_crds.contains(&id.name) => {
            Some(Guard::Definition)
        }
        ("", "PersistentVolume" | "PersistentVolumeClaim") => Some(Guard::Volume),
        (group, _) if is_protected(group) => Some(Guard::Protected),
        _ => None,
    }
}

/// Whether a group is on the list, or below one of its names (`topology.rabbitmq.com`).
#[must_use]
pub fn is_protected(group: &str) -> bool {
    PROTECTED_GROUPS
        .iter()
        .any(|p| group == *p || group.strip_suffix(p).is_some_and(|rest| rest.ends_with('.')))
}

/// The digest that an approval names: over the guarded actions, uids included, whatever their order.
#[must_use]
pub fn approval_digest(withheld: &[Withheld]) -> Option<Digest> {
    let mut lines: Vec<String> = withheld
        .iter()
        .filter(|w| !w.guard.is_final())
        .map(|w| {
            let what = match &w.guard {
                // Consent to three becoming two is none to three becoming one.
                Guard::Shrink(what) => what.clone(),
                _ => w.action.uid.map(|u| u.to_string()).unwrap_or_default(),
            };
            format!("{} {} {} {what}", w.app, w.action.verb.as_str(), w.action.id)
        })
        .collect();
    lines.sort();
    (!lines.is_empty()).then(|| Digest::of_parts(lines))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletion_of_data_is_guarded_and_of_configuration_is_not() {
        let facts = Facts::default();
        let guard = |group: &str, kind: &str| of_object(&ObjectId::new(group, kind, Some("n"), "x"), &facts);
        assert_eq!(guard("", "Namespace"), Some(Guard::Namespace));
        assert_eq!(guard("", "PersistentVolumeClaim"), Some(Guard::Volume));
        assert_eq!(guard("k8s.mariadb.com", "MariaDB"), Some(Guard::Protected));
        assert_eq!(guard("topology.rabbitmq.com", "Queue"), Some(Guard::Protected));
        assert_eq!(guard("notrabbitmq.com", "Queue"), None);
        assert_eq!(guard("", "ConfigMap"), None);
        assert_eq!(guard("apps", "Deployment"), None);
    }

    #[test]
    fn a_crd_without_instances_is_free_to_go() {
        let id = ObjectId::new("apiextensions.k8s.io", "CustomResourceDefinition", None, "users.example.com");
        let mut facts = Facts::default();
        assert_eq!(of_object(&id, &facts), Some(Guard::Definition));
        facts.empty_crds.insert("users.example.com".into());
        assert_eq!(of_object(&id, &facts), None);
    }

    #[test]
    fn a_tenth_of_the_cloud_is_too_many_but_ten_never_are() {
        assert!(!too_many(10, 20));
        assert!(too_many(11, 20));
        assert!(!too_many(100, 1_000));
        assert!(too_many(101, 1_000));
    }
}
