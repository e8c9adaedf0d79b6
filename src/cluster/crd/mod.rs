//! retune's own custom resources, `CloudSync` and `Inventory` (`retune.dev/v1alpha1`): their types and definitions.
//!
//! A `CloudSync` is what the syncer is told (source, pin, suspend, approvals) and what it says (status). An `Inventory`
//! is what the syncer remembers of one app: everything that decides anything is in it, so that losing every local file
//! changes no decision. Both are plain namespaced objects in `retune-system`, governed by the cluster's RBAC.
//!
//! | module | subject |
//! |---|---|
//! | `spec` | what the syncer is told |
//! | `status` | what it says |
//! | `inventory` | what it remembers |
//! | `definitions` | the `CustomResourceDefinition`s |

mod definitions;
mod inventory;
mod spec;
mod status;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use definitions::definitions;
pub use inventory::*;
pub use spec::*;
pub use status::*;

/// The API group of retune's resources.
pub const GROUP: &str = "retune.dev";
/// Their version.
pub const VERSION: &str = "v1alpha1";

/// The part of `metadata` that is read back from our own objects.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnMeta {
    /// The name.
    pub name: String,
    /// The namespace.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// The uid.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// The resourceVersion.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// The generation.
    #[serde(default)]
    pub generation: i64,
    /// Labels.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Finalizers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// Set once somebody deletes the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
}

/// One cloud and how it is kept in tune.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudSync {
    /// `metadata`.
    pub metadata: OwnMeta,
    /// What is wanted.
    #[serde(default)]
    pub spec: CloudSyncSpec,
    /// What is.
    #[serde(default)]
    pub status: CloudSyncStatus,
}
