//! What a syncer remembers of one app: `Inventory`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::OwnMeta;
use crate::plan::operation::OperationRecord;
use crate::plan::secrets::SecretRecord;

/// One shard of what retune remembers of one app.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Inventory {
    /// `metadata`.
    pub metadata: OwnMeta,
    /// The memory.
    #[serde(default)]
    pub spec: InventorySpec,
}

/// `Inventory.spec`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InventorySpec {
    /// The cloud's name.
    #[serde(default)]
    pub cloud: String,
    /// The app.
    #[serde(default)]
    pub app: String,
    /// The revision last applied for this app.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The digest of the app's render last applied whole; empty while an apply is under way.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub render: String,
    /// The digest of the render the app was last ready with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ready_render: String,
    /// Digests of renders that were live before, newest last (at most 20): an app that returns to one is rolled back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub past_renders: Vec<String>,
    /// How many entries there are, for the printer column.
    #[serde(default)]
    pub objects: u32,
    /// By `group/kind/namespace/name`.
    #[serde(default)]
    pub entries: BTreeMap<String, InventoryEntry>,
    /// Hooks that completed, by identity: the digest of their text and of what they refer to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<String, String>,
    /// Of these, the Jobs and Pods that are still to be there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks_left: Vec<String>,
    /// The operation under way, or the number of the last one.
    #[serde(default)]
    pub operation: OperationRecord,
    /// The delete hooks of the render last applied, sealed with a key derived from the per-cloud key; `none`, or empty
    /// when they are not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub delete_hooks: String,
    /// The apps it depended on when it was last applied: it goes before them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<String>,
    /// Generated Secrets that exist, by `namespace/name`: one that is gone is not made again by itself.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<String, SecretRecord>,
}

/// What is remembered of one object. All but the identity is empty between the inventory's write and the object's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InventoryEntry {
    /// The uid.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The version it was applied at (`v1`).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// The digest of the applied body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// The hash of the own field set after the apply, hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub set: String,
    /// The own entry's time, seconds since the epoch.
    #[serde(default)]
    pub time: i64,
    /// The generation after the apply.
    #[serde(default)]
    pub generation: i64,
    /// Set for objects that are never pruned: `keep`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub keep: String,
}
