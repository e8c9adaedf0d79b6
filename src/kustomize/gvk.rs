//! What names an object: group, version, kind, name, namespace, and how kustomize compares and prints them.
//!
//! Follows `kyaml/resid`: an empty namespace equals `default`; kinds that the built-in OpenAPI knows as cluster-scoped
//! share one pseudo namespace.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use super::scope;

/// The effective namespace of cluster-scoped objects.
pub const NOT_A_NAMESPACE: &str = "_non_namespaceable_";
/// The effective namespace of objects that name none.
pub const DEFAULT_NAMESPACE: &str = "default";

/// Group, version and kind; as a selector, an empty part matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Gvk {
    /// API group, empty for the core group.
    pub group: String,
    /// API version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// Group and version of an `apiVersion`.
#[must_use]
pub fn parse_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

impl Gvk {
    /// From its three parts.
    #[must_use]
    pub fn new(group: &str, version: &str, kind: &str) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// A view on it.
    #[must_use]
    pub fn view(&self) -> GvkView<'_> {
        GvkView { group: &self.group, version: &self.version, kind: &self.kind }
    }
}

/// A borrowed [`Gvk`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct GvkView<'a> {
    /// API group.
    pub group: &'a str,
    /// API version.
    pub version: &'a str,
    /// Kind.
    pub kind: &'a str,
}

impl<'a> GvkView<'a> {
    /// From an object's `apiVersion` and `kind`.
    #[must_use]
    pub fn of(api_version: &'a str, kind: &'a str) -> Self {
        let (group, version) = parse_api_version(api_version);
        Self { group, version, kind }
    }

    /// Whether a selector with possibly empty parts selects this.
    #[must_use]
    pub fn is_selected(&self, selector: &Gvk) -> bool {
        (selector.group.is_empty() || selector.group == self.group)
            && (selector.version.is_empty() || selector.version == self.version)
            && (selector.kind.is_empty() || selector.kind == self.kind)
    }

    /// `group/version`, or only the version in the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// Whether the OpenAPI document says that objects of this kind have no namespace.
    #[must_use]
    pub fn is_cluster_scoped(&self) -> bool {
        scope::is_cluster_scoped(self.group, self.version, self.kind)
    }

    /// An owned copy.
    #[must_use]
    pub fn to_gvk(self) -> Gvk {
        Gvk::new(self.group, self.version, self.kind)
    }

    /// `group_version_kind` without empty parts, as file names of `-o DIR` use it.
    #[must_use]
    pub fn joined(&self) -> String {
        [self.group, self.version, self.kind]
            .into_iter()
            .filter(|s| !s.is_empty())
            .collect::<Vec<_>>()
            .join("_")
    }

    /// The order that field-spec lists and name-reference tables are kept in: some kinds first, some last, then text.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        kind_rank(self.kind)
            .cmp(&kind_rank(other.kind))
            .then_with(|| self.stable_text().cmp(&other.stable_text()))
    }

    /// `group_version_kind` with marks for what is empty.
    #[must_use]
    pub fn stable_text(&self) -> String {
        let or = |s: &'a str, mark: &'static str| if s.is_empty() { mark } else { s };
        format!("{}_{}_{}", or(self.group, "~G"), or(self.version, "~V"), or(self.kind, "~K"))
    }
}

impl fmt::Display for GvkView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}.{}.{}",
            or(self.kind, "[noKind]"),
            or(self.version, "[noVer]"),
            or(self.group, "[noGrp]")
        )
    }
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

fn or<'a>(s: &'a str, empty: &'a str) -> &'a str {
    if s.is_empty() { empty } else { s }
}

/// The kinds that legacy order puts first.
pub const ORDER_FIRST: [&str; 22] = [
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// The kinds that legacy order puts last.
pub const ORDER_LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

fn kind_rank(kind: &str) -> usize {
    if let Some(at) = ORDER_FIRST.iter().position(|k| *k == kind) {
        at
    } else if let Some(at) = ORDER_LAST.iter().position(|k| *k == kind) {
        ORDER_FIRST.len() + 1 + at
    } else {
        ORDER_FIRST.len()
    }
}

/// An object's identity; as a selector, an empty part matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct ResId {
    /// Group, version, kind.
    pub gvk: Gvk,
    /// Name.
    pub name: String,
    /// Namespace as written.
    pub namespace: String,
}

impl ResId {
    /// A view on it.
    #[must_use]
    pub fn view(&self) -> IdView<'_> {
        IdView { gvk: self.gvk.view(), name: &self.name, namespace: &self.namespace }
    }

    /// Whether every part is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for ResId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.view().fmt(f)
    }
}

/// A borrowed [`ResId`].
#[derive(Debug, Clone, Copy)]
pub struct IdView<'a> {
    /// Group, version, kind.
    pub gvk: GvkView<'a>,
    /// Name.
    pub name: &'a str,
    /// Namespace as written.
    pub namespace: &'a str,
}

impl<'a> IdView<'a> {
    /// The namespace that counts: `default` for none, a mark for cluster-scoped kinds.
    #[must_use]
    pub fn effective_namespace(&self) -> &'a str {
        if self.gvk.is_cluster_scoped() {
            NOT_A_NAMESPACE
        } else if self.namespace.is_empty() {
            DEFAULT_NAMESPACE
        } else {
            self.namespace
        }
    }

    /// Same object: group, version, kind, name and effective namespace agree.
    #[must_use]
    pub fn same(&self, other: &IdView<'_>) -> bool {
        self.same_without_namespace(other) && self.effective_namespace() == other.effective_namespace()
    }

    /// Group, version, kind and name agree.
    #[must_use]
    pub fn same_without_namespace(&self, other: &IdView<'_>) -> bool {
        self.name == other.name
            && self.gvk.kind == other.gvk.kind
            && self.gvk.group == other.gvk.group
            && self.gvk.version == other.gvk.version
    }

    /// Whether a selector with possibly empty parts selects this exactly (no patterns).
    #[must_use]
    pub fn is_selected_by(&self, selector: &ResId) -> bool {
        (selector.name.is_empty() || selector.name == self.name)
            && (selector.namespace.is_empty()
                || selector.view().effective_namespace() == self.effective_namespace())
            && self.gvk.is_selected(&selector.gvk)
    }

    /// An owned copy.
    #[must_use]
    pub fn to_id(&self) -> ResId {
        ResId { gvk: self.gvk.to_gvk(), name: self.name.to_owned(), namespace: self.namespace.to_owned() }
    }

    /// A hash over what [`IdView::same`] compares.
    #[must_use]
    pub fn key(&self) -> u64 {
        let mut h = Fnv::default();
        for part in [self.gvk.group, self.gvk.version, self.gvk.kind, self.name, self.effective_namespace()] {
            h.write(part.as_bytes());
            h.write_u8(0xff);
        }
        h.finish()
    }
}

impl fmt::Display for IdView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.gvk, or(self.name, "[noName]"), or(self.namespace, "[noNs]"))
    }
}

/// A small fast hash for the indexes of this room; every hit is compared in full afterwards.
#[derive(Debug, Clone, Copy)]
pub struct Fnv(u64);

/// Builds [`Fnv`] hashers for maps.
pub type BuildFnv = BuildHasherDefault<Fnv>;

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u64(&mut self, n: u64) {
        self.0 = (self.0 ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_prints_marks_for_what_is_empty() {
        let id = ResId { gvk: Gvk::new("", "v1", "ConfigMap"), name: "a".into(), namespace: String::new() };
        assert_eq!(id.to_string(), "ConfigMap.v1.[noGrp]/a.[noNs]");
    }

    #[test]
    fn no_namespace_is_the_default_namespace_and_cluster_scope_ignores_it() {
        let id = |kind: &str, ns: &str| ResId {
            gvk: Gvk::new("", "v1", kind),
            name: "a".into(),
            namespace: ns.into(),
        };
        assert!(id("ConfigMap", "").view().same(&id("ConfigMap", "default").view()));
        assert!(!id("ConfigMap", "").view().same(&id("ConfigMap", "x").view()));
        assert!(id("Namespace", "x").view().same(&id("Namespace", "y").view()));
    }

    #[test]
    fn equal_ids_have_equal_keys() {
        let a = ResId { gvk: Gvk::new("", "v1", "Secret"), name: "a".into(), namespace: "default".into() };
        let b = ResId { namespace: String::new(), ..a.clone() };
        assert_eq!(a.view().key(), b.view().key());
    }
}
