//! The metadata of one object, read once from an event or an answer and reduced to what the live index needs.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::ApiError;
use super::fields::{self, Entry, OwnSet};
use super::{ANNOTATION_OWNER, LABEL_APP, LABEL_CLOUD};
pub use crate::plan::Uid;

/// One object as a metadata event or answer shows it.
#[derive(Debug, Clone)]
pub struct Meta {
    /// `metadata.namespace`, empty for cluster-scoped objects.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: Uid,
    /// `metadata.resourceVersion`; comparable since Kubernetes 1.35, and in practice long before.
    pub rv: u64,
    /// `metadata.generation`, 0 for kinds that have none.
    pub generation: i64,
    /// The fingerprint of retune's own field set; `None` when retune never applied this object.
    pub own: Option<OwnSet>,
    /// The label `retune.dev/cloud`.
    pub cloud: Option<String>,
    /// The label `retune.dev/app`.
    pub app: Option<String>,
    /// The annotation `retune.dev/owner`.
    pub owner: Option<String>,
    /// Whether `metadata.deletionTimestamp` is set.
    pub deleting: bool,
    /// Another GitOps engine that owns it, by its marks.
    pub gitops: Option<String>,
    /// `metadata.finalizers`, for reports about deletions that hang.
    pub finalizers: Vec<String>,
    /// Whether an annotation says that it is never deleted.
    pub keep: bool,
    /// Annotations under `retune.dev/`, without the owner.
    pub own_annotations: BTreeMap<String, String>,
    /// All entries of `managedFields`; dropped once a verdict is made.
    pub entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Outer {
    metadata: RawMeta,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMeta {
    #[serde(default)]
    namespace: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    uid: String,
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    generation: i64,
    #[serde(default)]
    deletion_timestamp: Option<String>,
    #[serde(default)]
    finalizers: Vec<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    managed_fields: Vec<Entry>,
}

/// Reads a resourceVersion.
#[must_use]
pub fn resource_version(text: &str) -> u64 {
    text.parse().unwrap_or(0)
}

impl Meta {
    /// Reads the metadata of a whole object or of a `PartialObjectMetadata`.
    ///
    /// # Errors
    /// When the text is not an object with a name and a uid.
    pub fn read(what: &str, json: &[u8]) -> Result<Self, ApiError> {
        let Outer { metadata: mut raw } =
            serde_json::from_slice(json).map_err(|e| ApiError::unreadable(what, e.to_string()))?;
        let uid = Uid::parse(&raw.uid)
            .ok_or_else(|| ApiError::unreadable(what, format!("metadata.uid {:?} is not a uid", raw.uid)))?;
        Ok(Self {
            uid,
            rv: resource_version(&raw.resource_version),
            generation: raw.generation,
            own: fields::own_set(&raw.managed_fields),
            gitops: super::adoption::gitops_owner(
                &raw.name,
                &raw.labels,
                &raw.annotations,
                &raw.managed_fields,
            ),
            cloud: raw.labels.remove(LABEL_CLOUD),
            app: raw.labels.remove(LABEL_APP),
            owner: raw.annotations.remove(ANNOTATION_OWNER),
            keep: raw
                .annotations
                .get("helm.sh/resource-policy")
                .is_some_and(|v| v.trim().eq_ignore_ascii_case("keep"))
                || raw.annotations.get("retune.dev/prune").is_some_and(|v| v == "never"),
            deleting: raw.deletion_timestamp.is_some(),
            finalizers: raw.finalizers,
            own_annotations: raw
                .annotations
                .into_iter()
                .filter(|(k, _)| k.starts_with("retune.dev/"))
                .collect(),
            entries: raw.managed_fields,
            namespace: raw.namespace,
            name: raw.name,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uids_are_read_and_written_back() {
        let text = "0a1b2c3d-0000-4000-8000-00000000ffff";
        assert_eq!(Uid::parse(text).unwrap().to_string(), text);
        assert_eq!(Uid::parse("short"), None);
    }

    #[test]
    fn metadata_is_reduced_to_what_the_index_needs() {
        let json = br#"{"kind":"PartialObjectMetadata","metadata":{"name":"a","namespace":"n",
            "uid":"0a1b2c3d-0000-4000-8000-00000000ffff","resourceVersion":"42","generation":3,
            "labels":{"retune.dev/cloud":"c","retune.dev/app":"x","other":"y"},
            "annotations":{"retune.dev/owner":"o","retune.dev/hold":"2h"},
            "managedFields":[{"manager":"retune","operation":"Apply","time":"2026-11-22T11:00:00Z","fieldsV1":{"f:data":{}}}]}}"#;
        let meta = Meta::read("test", json).unwrap();
        assert_eq!((meta.rv, meta.generation, meta.cloud.as_deref()), (42, 3, Some("c")));
        assert_eq!(meta.own.unwrap().time, 1_795_345_200);
        assert_eq!(meta.own_annotations.len(), 1);
        assert!(Meta::read("test", b"{}").is_err());
    }
}
