//! What a syncer is told: `CloudSync.spec`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `CloudSync.spec`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudSyncSpec {
    /// Where the desired state is.
    #[serde(default)]
    pub source: SourceSpec,
    /// `base`, `aio` or another folder name under each app's kustomize folder; empty: as `retune.yaml` says, else `base`.
    #[serde(default)]
    pub profile: String,
    /// How often the remote is asked, e.g. `60s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<String>,
    /// Nothing is applied, corrected or deleted while this is true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// A revision held live whatever the branch says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<Pin>,
    /// By app: a revision held live for it alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pins: BTreeMap<String, Pin>,
    /// By target (`keystone`, or `Deployment.apps openstack/keystone-api`): an expiring "hands off".
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub holds: BTreeMap<String, Hold>,
    /// Consents to guarded plans.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<Approval>,
    /// The latest request of `retune sync`; a new `id` asks once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<SyncRequest>,
    /// What happens to drift: `correct` (default), `report` or `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<String>,
    /// Whether applies take fields from other managers: true unless set to false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_conflicts: Option<bool>,
    /// How often every kind's metadata is listed once to prove that no watch missed anything, e.g. `1h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit_interval: Option<String>,
    /// The latest request of `retune test`; a new `id` asks once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestRequest>,
    /// The latest request of `retune rotate`; a new `id` asks once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate: Option<RotateRequest>,
    /// By app: adopt it, or undo its adoption. The syncer takes an entry out when it is done.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub adopt: BTreeMap<String, AdoptRequest>,
    /// What happens to the cloud when this object is deleted: `keep` (default) or `delete`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_delete: Option<String>,
    /// The name of the cloud on labels; the object's own name unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
}

/// Where the desired state is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceSpec {
    /// A path or URL of a Git repository.
    #[serde(default)]
    pub repo: String,
    /// A branch, tag or commit.
    #[serde(default)]
    pub branch: String,
    /// The folder in the repository that holds `retune.yaml`.
    #[serde(default)]
    pub path: String,
}

/// A pinned revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pin {
    /// The commit.
    pub revision: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Who.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// "Hands off" an app or an object, until a time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hold {
    /// RFC 3339 time at which it ends.
    pub until: String,
    /// Why.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Who.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// At its end: `resume` (default) shows what is pending for [`Hold::notice`] and then does it; `ask` waits for
    /// `retune release`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<String>,
    /// How long what is pending is shown before it is done, e.g. `5m`; a minute unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

/// A consent to one guarded plan, by its digest; used once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// The digest that the plan shows, or its first twelve digits at least.
    pub digest: String,
    /// Who.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
    /// RFC 3339 time after which it counts no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// "Sync now".
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncRequest {
    /// Any text that differs from the last request's.
    pub id: String,
    /// This app alone; all unless set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// "Run the test hooks of an app."
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestRequest {
    /// Any text that differs from the last request's.
    pub id: String,
    /// The app.
    pub app: String,
    /// Who.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// "Make other values for a generated Secret": answered by a plan, carried out once that is approved.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotateRequest {
    /// Any text that differs from the last request's.
    pub id: String,
    /// `namespace/name`.
    pub secret: String,
    /// These keys; all that are drawn unless set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
    /// Who.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}

/// "Take over an app that helm or kubectl made", or give it back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AdoptRequest {
    /// Any text that differs from the last request's for the app; the outcome has it, too.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// The digest of the app's render that was looked at: if Git's is another by now, nothing is done. Empty: whatever it is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub render: String,
    /// Give it back to those it was adopted from.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub undo: bool,
    /// Take all its install and upgrade hooks as done, whatever Helm's release says.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hooks_done: bool,
    /// Delete Helm's release Secrets once it is adopted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub remove_releases: bool,
    /// Who.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub by: String,
}
