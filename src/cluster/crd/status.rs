//! What a syncer says: `CloudSync.status`.

use serde::{Deserialize, Serialize};

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
