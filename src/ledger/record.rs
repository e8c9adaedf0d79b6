//! What a ledger entry holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cloud::RenderedCloud;
use crate::plan::Plan;

/// How many actions of a plan are recorded one by one.
const ACTIONS: usize = 500;
/// How many bytes of values of live inputs are recorded.
const VALUES: usize = 256 << 10;

/// Which commit, by whom.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionInfo {
    /// The commit's full id.
    pub id: String,
    /// Its author.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
    /// When it was committed, seconds since the epoch.
    pub time: i64,
}

impl RevisionInfo {
    /// The first ten digits.
    #[must_use]
    pub fn short(&self) -> &str {
        self.id.get(..10).unwrap_or(&self.id)
    }
}

/// One entry, with when it was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// RFC 3339.
    pub time: String,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
#[allow(clippy::large_enum_variant, reason = "one at a time, on its way to the file")]
pub enum What {
    /// A sync came to its end.
    Sync(SyncRecord),
    /// A drift was corrected or reported.
    Drift(DriftRecord),
    /// A revision could not be had or rendered.
    Failed {
        /// The commit, if it got so far.
        revision: String,
        /// What is wrong.
        message: String,
    },
}

/// One sync.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncRecord {
    /// The revision.
    pub revision: RevisionInfo,
    /// `2 create, 1 update`.
    pub summary: String,
    /// Each action: `update Deployment.apps openstack/api (rendered text changed)`; at most 500. Then the Secrets that were generated or
    /// rotated since the sync before, by their keys' names.
    pub actions: Vec<String>,
    /// Actions that were withheld.
    pub withheld: Vec<String>,
    /// Requests that wrote managed objects.
    pub writes: u64,
    /// Milliseconds from the revision being seen to everything ready, or given up.
    pub ms: u64,
    /// Whether every app was ready.
    pub ready: bool,
    /// What failed for good.
    pub failed: Vec<String>,
    /// The live inputs that the revision was rendered with: `Service kube-system/ovn-nb address: 10.96.0.12:6641 [neutron, octavia]`; of
    /// a Secret a digest that depends on the cloud's key.
    #[serde(default)]
    pub inputs: Vec<String>,
    /// The whole values of those that are no Secrets', by source: what a restart falls back on when the source is gone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub values: BTreeMap<String, String>,
    /// Which cluster (the uid of kube-system) and how far its resourceVersions had come: a lower one later means that the
    /// cluster was restored from a backup.
    #[serde(default)]
    pub cluster: String,
    /// See [`Self::cluster`].
    #[serde(default)]
    pub resource_version: u64,
}

impl SyncRecord {
    /// The record of a sync that is over.
    #[must_use]
    pub fn of(
        revision: &RevisionInfo,
        plan: &Plan,
        writes: u64,
        failed: &[String],
        took: Duration,
        ready: bool,
    ) -> Self {
        Self {
            revision: revision.clone(),
            summary: plan.summary(),
            actions: plan
                .actions()
                .take(ACTIONS)
                .map(|(app, a)| format!("{} [{app}]", crate::plan::display::line(a)))
                .collect(),
            withheld: plan
                .withheld
                .iter()
                .take(ACTIONS)
                .map(|w| format!("{}: {}", crate::plan::display::line(&w.action), w.guard))
                .collect(),
            writes,
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            ready,
            failed: failed.iter().take(ACTIONS).cloned().collect(),
            inputs: Vec::new(),
            values: BTreeMap::new(),
            cluster: String::new(),
            resource_version: 0,
        }
    }
}

/// The live inputs of a revision, for its entry.
#[must_use]
pub fn inputs(cloud: &RenderedCloud) -> Vec<String> {
    let mut apps: BTreeMap<(String, &str), BTreeSet<&str>> = BTreeMap::new();
    for app in &cloud.apps {
        for input in app.inputs.iter() {
            let value = input.record.as_deref().unwrap_or("missing");
            apps.entry((input.source.to_string(), value)).or_default().insert(&app.name);
        }
    }
    apps.into_iter()
        .take(ACTIONS)
        .map(|((source, value), apps)| {
            format!("{source}: {value} [{}]", apps.into_iter().collect::<Vec<_>>().join(", "))
        })
        .collect()
}

/// The whole values of live inputs that are no Secrets', by source, as far as 256 KiB reaches.
#[must_use]
pub fn values(cloud: &RenderedCloud) -> BTreeMap<String, String> {
    let mut room = VALUES;
    let mut out = BTreeMap::new();
    for input in cloud.apps.iter().flat_map(|a| a.inputs.iter()) {
        let Some(value) = &input.value else { continue };
        let source = input.source.to_string();
        if out.contains_key(&source) || value.len() > room {
            continue;
        }
        room -= value.len();
        out.insert(source, value.to_string());
    }
    out
}

/// One drift.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct DriftRecord {
    /// The object.
    pub object: String,
    /// What, by whom.
    pub reason: String,
    /// Milliseconds from seen to corrected; none when it was only reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ms: Option<f64>,
}
