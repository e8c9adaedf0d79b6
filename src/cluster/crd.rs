//! retune's own custom resources, `CloudSync` and `Inventory` (`retune.dev/v1alpha1`): their types and definitions.
//!
//! A `CloudSync` is what the syncer is told (source, pin, suspend, approvals) and what it says (status). An `Inventory`
//! is what the syncer remembers of one app: everything that decides anything is in it, so that losing every local file
//! changes no decision. Both are plain namespaced objects in `retune-system`, governed by the cluster's RBAC.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::plan::operation::OperationRecord;
use crate::plan::secrets::SecretRecord;

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

/// What came of a rotation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RotationStatus {
    /// The request's.
    pub id: String,
    /// `namespace/name`.
    pub secret: String,
    /// `planned`, `rotating`, `done`, `refused` or `failed`.
    pub state: String,
    /// What an approval must name.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub digest: String,
    /// What changes and whom it reaches (at most 200 lines).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub plan: Vec<String>,
    /// What to do, or what went wrong.
    #[serde(default)]
    pub message: String,
}

/// A generated Secret that is not as it should be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretStatus {
    /// `namespace/name`.
    pub secret: String,
    /// The app.
    #[serde(default)]
    pub app: String,
    /// `lost`, `waiting`, `refused`, `expiring` or `expired` (a certificate), or `orphan`.
    pub state: String,
    /// What is known, and what to do.
    #[serde(default)]
    pub message: String,
}

/// An app that is to be adopted, or what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdoptionStatus {
    /// The app.
    pub app: String,
    /// The request's, once there was one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// `exists`: it waits to be adopted; `waits`: nothing of it exists, it waits for the others; `adopting`, `adopted`, `undoing`,
    /// `undone`, `refused`.
    pub state: String,
    /// What there is to know.
    #[serde(default)]
    pub message: String,
}

/// What came of a test.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestStatus {
    /// The request's.
    pub id: String,
    /// The app.
    pub app: String,
    /// `running`, `passed` or `failed`.
    pub state: String,
    /// The hooks that succeeded, in their order.
    #[serde(default)]
    pub passed: Vec<String>,
    /// Why it failed, with the last lines of the log.
    #[serde(default)]
    pub message: String,
}

/// An object that stays although Git has it no more.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrphanStatus {
    /// `group/kind/namespace/name`.
    pub object: String,
    /// The app it belonged to.
    #[serde(default)]
    pub app: String,
}

/// A hook or an object on its way out that somebody should know of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteStatus {
    /// The app.
    #[serde(default)]
    pub app: String,
    /// The object.
    pub object: String,
    /// What there is to know.
    pub message: String,
}

/// `CloudSync.status`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudSyncStatus {
    /// The spec's generation that this status speaks of.
    #[serde(default)]
    pub observed_generation: i64,
    /// The uid of the cluster's kube-system namespace, which this cloud is bound to.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cluster: String,
    /// The id written into the owner annotation of every managed object.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub cloud_id: String,
    /// The newest revision seen at the source.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub seen_revision: String,
    /// The revision being enforced.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// The last revision that was applied whole.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub synced_revision: String,
    /// The last revision all of whose apps were ready.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ready_revision: String,
    /// Apps in all.
    #[serde(default)]
    pub apps: u32,
    /// Apps that are ready.
    #[serde(default)]
    pub ready_apps: u32,
    /// Managed objects.
    #[serde(default)]
    pub objects: u32,
    /// `3/4`, for the printer column.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ready: String,
    /// The apps that are not ready, with what they wait for (at most 50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_ready: Vec<AppStatus>,
    /// Guarded actions that wait for an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<WithheldStatus>,
    /// Hooks that failed, and objects of finished hooks that are gone (at most 50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<NoteStatus>,
    /// Objects that are being deleted, with the finalizers they wait for and who takes them off (at most 50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deleting: Vec<NoteStatus>,
    /// DaemonSets that are ready but for nodes that are not ready or cordoned (at most 50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<NoteStatus>,
    /// Objects that stay although Git has them no more: kept by policy (at most 50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub orphans: Vec<OrphanStatus>,
    /// Apps that exist and are not retune's yet, and what came of requests to adopt (at most 50 of each).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adoption: Vec<AdoptionStatus>,
    /// What came of the last `retune test`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<TestStatus>,
    /// Generated Secrets that are lost, wait, or that no app declares any more (at most 50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretStatus>,
    /// What came of the last `retune rotate`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotation: Option<RotationStatus>,
    /// The apps that are pinned to another revision than the cloud's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pinned: Vec<PinnedStatus>,
    /// The live inputs of apps; what is missing or gone first (at most 200).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<InputStatus>,
    /// The nodes that have labels or annotations of this cloud, or are to have some (at most 100).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeStatus>,
    /// The holds in force, with what they keep from being done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holds: Vec<HoldStatus>,
    /// Drift corrected since the syncer started.
    #[serde(default)]
    pub corrections: u64,
    /// The latest corrections and reports (at most 10).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<DriftStatus>,
    /// Drift that policy reports and does not correct, since the syncer started.
    #[serde(default)]
    pub reported: u64,
    /// Objects that are not as applied and stay so, by policy or because retune backs off (at most 50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drifted: Vec<DriftedStatus>,
    /// How many there are.
    #[serde(default)]
    pub drifted_objects: u32,
    /// Fields that Git states and others own (at most 50 objects).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub yielded: Vec<YieldedStatus>,
    /// Fields that the server keeps otherwise than Git says, because admission wrote over them (at most 50 objects).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub overridden: Vec<YieldedStatus>,
    /// Objects that a rival changes again and again (at most 50).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fights: Vec<FightStatus>,
    /// The `id` of the last request that was carried out.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub handled_request: String,
    /// Digests of approvals that were used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub used_approvals: Vec<String>,
    /// What kubectl wait and dashboards read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// One app that is not ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppStatus {
    /// The app.
    pub name: String,
    /// `applying`, `progressing`, `failed`, `waiting`, `pending`, `unadopted`.
    pub state: String,
    /// What it waits for, or what is wrong.
    #[serde(default)]
    pub message: String,
    /// The apps it waits for.
    #[serde(default, rename = "waitsFor", skip_serializing_if = "Vec::is_empty")]
    pub waits_for: Vec<String>,
    /// Its objects that are not ready, as the syncer judges them (at most [`UNREADY`]).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub objects: Vec<UnreadyStatus>,
}

/// How many objects that an app waits for its status names.
pub const UNREADY: usize = 5;

/// One object that its app waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadyStatus {
    /// The object.
    pub object: String,
    /// What it waits for or what is wrong.
    pub message: String,
}

/// A live input.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InputStatus {
    /// `Secret openstack/rabbitmq-default-user key password`.
    pub source: String,
    /// The apps that use it.
    #[serde(default)]
    pub apps: Vec<String>,
    /// `read`, `missing` (its apps are pending), `gone` (its last value stays in force).
    pub state: String,
    /// Why it has no value.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// A node that has labels or annotations of the cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// `in sync` or `differs`.
    pub state: String,
    /// The keys of the labels that are retune's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<String>,
    /// The keys of the annotations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub annotations: Vec<String>,
    /// What is different, or what the server refused.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// An app that is not at the cloud's revision.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedStatus {
    /// The app.
    pub app: String,
    /// Its revision.
    pub revision: String,
    /// Why and by whom, as the pin says.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// A hold in force.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HoldStatus {
    /// The app or object.
    pub target: String,
    /// `CloudSync` or `annotation`.
    pub from: String,
    /// `held`; `ending`: its time is over, what is pending is shown and done at `acts`; `asks`: its time is over, it
    /// waits for `retune release`.
    pub state: String,
    /// When its time is over.
    pub until: String,
    /// Why and by whom.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// When what is pending is done.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub acts: String,
    /// What it keeps from being done (at most 20).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pending: Vec<String>,
}

/// Guarded actions that wait for an approval.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WithheldStatus {
    /// What an approval must name.
    pub digest: String,
    /// Each action and its guard (at most 50).
    pub actions: Vec<String>,
}

/// One drift.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftStatus {
    /// The object.
    pub object: String,
    /// What happened, with blame.
    pub message: String,
    /// When it was seen.
    pub time: String,
}

/// An object that is not as applied and stays so.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DriftedStatus {
    /// The object.
    pub object: String,
    /// Its app.
    pub app: String,
    /// `report`, `suspended` or `fight`.
    pub why: String,
    /// What is different, with blame.
    pub message: String,
}

/// Fields of an object that are others'.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct YieldedStatus {
    /// The object.
    pub object: String,
    /// Each field and whose it is.
    pub fields: Vec<String>,
}

/// A fight over an object.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FightStatus {
    /// The object.
    pub object: String,
    /// Who changes what, and whose it is if that is another retune.
    pub rival: String,
    /// Corrections so far.
    pub corrections: u32,
    /// When it was seen to be one.
    pub since: String,
}

/// A Kubernetes condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// `Ready`, `Synced`, `SourceReady`, `Withheld`, ...
    #[serde(rename = "type")]
    pub kind: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// One word.
    pub reason: String,
    /// For people.
    pub message: String,
    /// When the status last changed.
    pub last_transition_time: String,
    /// The spec's generation this speaks of.
    #[serde(default)]
    pub observed_generation: i64,
}

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

/// The custom resource definitions, as JSON.
#[must_use]
pub fn definitions() -> Vec<Value> {
    vec![cloudsync_definition(), inventory_definition()]
}

fn text() -> Value {
    json!({"type": "string"})
}
fn count() -> Value {
    json!({"type": "integer", "format": "int64"})
}
fn list(of: &Value) -> Value {
    json!({"type": "array", "items": of})
}

fn cloudsync_definition() -> Value {
    let flag = || json!({"type": "boolean"});
    let adopt = json!({"type": "object", "properties": {"id": text(), "render": text(), "by": text(), "undo": flag(),
        "hooksDone": flag(), "removeReleases": flag()}});
    let spec = json!({"type": "object", "properties": {
        "source": {"type": "object", "properties": {"repo": text(), "branch": text(), "path": text()}},
        "profile": text(), "interval": text(), "suspend": {"type": "boolean"}, "cloud": text(),
        "pin": {"type": "object", "required": ["revision"],
            "properties": {"revision": text(), "reason": text(), "by": text()}},
        "pins": {"type": "object", "additionalProperties": {"type": "object", "required": ["revision"],
            "properties": {"revision": text(), "reason": text(), "by": text()}}},
        "holds": {"type": "object", "additionalProperties": {"type": "object", "required": ["until"], "properties": {
            "until": {"type": "string", "format": "date-time"}, "reason": text(), "by": text(), "notice": text(),
            "then": {"type": "string", "enum": ["resume", "ask"]}}}},
        "approvals": list(&json!({"type": "object", "required": ["digest"], "properties": {
            "digest": {"type": "string", "minLength": 12}, "by": text(), "expires": {"type": "string", "format": "date-time"}}})),
        "request": {"type": "object", "required": ["id"], "properties": {"id": text(), "app": text(), "by": text()}},
        "test": {"type": "object", "required": ["id", "app"], "properties": {"id": text(), "app": text(), "by": text()}},
        "rotate": {"type": "object", "required": ["id", "secret"], "properties": {"id": text(), "secret": text(),
            "keys": list(&text()), "by": text()}},
        "onDelete": {"type": "string", "enum": ["keep", "delete"]}, "adopt": {"type": "object", "additionalProperties": adopt},
        "drift": {"type": "string", "enum": ["correct", "report", "off"]},
        "forceConflicts": {"type": "boolean"}, "auditInterval": text()}});
    let note = json!({"type": "object", "properties": {"app": text(), "object": text(), "message": text()}});
    let unready = json!({"type": "object", "properties": {"object": text(), "message": text()}});
    let mut status = json!({"type": "object", "properties": {
        "observedGeneration": count(), "cluster": text(), "cloudId": text(), "seenRevision": text(), "revision": text(),
        "syncedRevision": text(), "readyRevision": text(), "apps": count(), "readyApps": count(), "objects": count(),
        "ready": text(), "corrections": count(), "handledRequest": text(), "usedApprovals": list(&text()),
        "notReady": list(&json!({"type": "object", "properties": {"name": text(), "state": text(), "message": text(),
            "waitsFor": list(&text()), "objects": list(&unready)}})),
        "pinned": list(&json!({"type": "object", "properties": {"app": text(), "revision": text(), "reason": text()}})),
        "holds": list(&json!({"type": "object", "properties": {"target": text(), "from": text(), "state": text(), "until": text(),
            "reason": text(), "acts": text(), "pending": list(&text())}})),
        "hooks": list(&note), "deleting": list(&note), "leftOut": list(&note),
        "secrets": list(&json!({"type": "object", "properties": {"secret": text(), "app": text(), "state": text(), "message": text()}})),
        "rotation": {"type": "object", "properties": {"id": text(), "secret": text(), "state": text(), "digest": text(),
            "plan": list(&text()), "message": text()}},
        "orphans": list(&json!({"type": "object", "properties": {"object": text(), "app": text()}})),
        "test": {"type": "object", "properties": {"id": text(), "app": text(), "state": text(), "passed": list(&text()),
            "message": text()}},
        "withheld": {"type": "object", "properties": {"digest": text(), "actions": list(&text())}},
        "drift": list(&json!({"type": "object", "properties": {"object": text(), "message": text(), "time": text()}})),
        "conditions": list(&json!({"type": "object", "required": ["type", "status"], "properties": {
            "type": text(), "status": text(), "reason": text(), "message": text(),
            "lastTransitionTime": {"type": "string", "format": "date-time"}, "observedGeneration": count()}}))}});
    // Apart: the macro's depth is bounded.
    status["properties"]["nodes"] =
        list(&json!({"type": "object", "properties": {"name": text(), "state": text(),
        "labels": list(&text()), "annotations": list(&text()), "message": text()}}));
    status["properties"]["inputs"] =
        list(&json!({"type": "object", "properties": {"source": text(), "apps": list(&text()),
        "state": text(), "message": text()}}));
    status["properties"]["reported"] = count();
    status["properties"]["driftedObjects"] = count();
    status["properties"]["adoption"] = list(
        &json!({"type": "object", "properties": {"app": text(), "id": text(), "state": text(), "message": text()}}),
    );
    status["properties"]["drifted"] = list(
        &json!({"type": "object", "properties": {"object": text(), "app": text(), "why": text(), "message": text()}}),
    );
    let fields = json!({"type": "object", "properties": {"object": text(), "fields": list(&text())}});
    status["properties"]["yielded"] = list(&fields);
    status["properties"]["overridden"] = list(&fields);
    status["properties"]["fights"] = list(
        &json!({"type": "object", "properties": {"object": text(), "rival": text(), "corrections": count(), "since": text()}}),
    );
    definition(
        "CloudSync",
        "cloudsyncs",
        "cloudsync",
        &json!({"type": "object", "properties": {"spec": spec, "status": status}}),
        true,
        &json!([
        {"name": "Revision", "type": "string", "jsonPath": ".status.revision"},
        {"name": "Ready", "type": "string", "jsonPath": ".status.ready"},
        {"name": "Synced", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Synced\")].status"},
        {"name": "Message", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Synced\")].message"},
        {"name": "Pin", "type": "string", "jsonPath": ".spec.pin.revision", "priority": 1},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]),
    )
}

fn inventory_definition() -> Value {
    // Atomic: the server keeps one owned field per entry instead of seven.
    let entry = json!({"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"uid": text(), "version": text(), "digest": text(), "set": text(),
        "time": count(), "generation": count(), "keep": text()}});
    let spec = json!({"type": "object", "properties": {
        "cloud": text(), "app": text(), "revision": text(), "render": text(), "readyRender": text(),
        "pastRenders": list(&text()), "objects": count(),
        "entries": {"type": "object", "additionalProperties": entry},
        "hooks": {"type": "object", "additionalProperties": text()},
        "secrets": {"type": "object", "additionalProperties": {"type": "object", "x-kubernetes-map-type": "atomic",
            "properties": {"uid": text(), "keys": list(&text())}}},
        "hooksLeft": list(&text()), "deleteHooks": text(), "dependsOn": list(&text()),
        "operation": {"type": "object", "properties": {"number": count(), "kind": text(), "to": text(), "attempt": count(),
            "done": list(&json!({"type": "object", "properties": {"step": text(), "digest": text()}})),
            "started": {"type": "object", "properties": {"step": text(), "mark": text(), "at": count()}},
            "failed": list(&json!({"type": "object", "properties": {"step": text(), "message": text()}})),
            "cleanUp": list(&text())}}}});
    definition(
        "Inventory",
        "inventories",
        "inventory",
        &json!({"type": "object", "properties": {"spec": spec}}),
        false,
        &json!([
        {"name": "Cloud", "type": "string", "jsonPath": ".spec.cloud"},
        {"name": "App", "type": "string", "jsonPath": ".spec.app"},
        {"name": "Objects", "type": "integer", "jsonPath": ".spec.objects"},
        {"name": "Revision", "type": "string", "jsonPath": ".spec.revision"}]),
    )
}

fn definition(
    kind: &str,
    plural: &str,
    singular: &str,
    schema: &Value,
    status: bool,
    columns: &Value,
) -> Value {
    let mut version = json!({"name": VERSION, "served": true, "storage": true,
        "schema": {"openAPIV3Schema": schema}, "additionalPrinterColumns": columns});
    if status {
        version["subresources"] = json!({"status": {}});
    }
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {"group": GROUP, "scope": "Namespaced", "versions": [version],
            "names": {"kind": kind, "plural": plural, "singular": singular, "listKind": format!("{kind}List"),
                "categories": ["retune"]}}})
}
