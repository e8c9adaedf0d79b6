//! What is remembered and seen of each object: the plan's other half.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::operation::OperationRecord;
use crate::cloud::{Digest, Hook, ObjectId};

/// A Kubernetes uid, 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uid(pub u128);

impl Uid {
    /// Reads `c0ffee00-0000-4000-8000-000000000000`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let hex: String = text.chars().filter(|c| *c != '-').collect();
        if hex.len() == 32 { u128::from_str_radix(&hex, 16).ok().map(Self) } else { None }
    }
}

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let h = format!("{:032x}", self.0);
        write!(f, "{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
    }
}

impl std::fmt::Debug for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl Serialize for Uid {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// What the inventory remembers of one object.
#[derive(Debug, Clone)]
pub struct Remembered {
    /// The app it was applied for.
    pub app: Arc<str>,
    /// The digest last applied; `None` between the inventory's write and the object's.
    pub digest: Option<Digest>,
    /// The uid after that apply.
    pub uid: Option<Uid>,
    /// Whether it is never deleted (`helm.sh/resource-policy: keep` or policy when it was applied).
    pub keep: bool,
    /// What is seen of it.
    pub live: Live,
}

/// How an object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Live {
    /// As retune last applied it.
    InSync,
    /// Not as retune last applied it; why, with blame.
    Drifted(String),
    /// Not there.
    Absent,
    /// retune deleted it and waits for it to be gone.
    Deleting,
    /// Not known yet (a watch has not told its whole state).
    Unknown,
}

/// What the inventory remembers of one app.
#[derive(Debug, Clone, Default)]
pub struct AppMemory {
    /// The digest of the render last applied whole.
    pub render: Option<Digest>,
    /// The digest of the render it was last ready with.
    pub ready_render: Option<Digest>,
    /// Renders that were live before.
    pub past_renders: Vec<String>,
    /// Completed hooks: by identity, the digest.
    pub hooks: BTreeMap<String, String>,
    /// The operation under way, or the number of the last one.
    pub operation: OperationRecord,
    /// The delete hooks of the render last applied; `None` when they are not known (the inventory was lost).
    pub delete_hooks: Option<Vec<Hook>>,
    /// The apps it depended on when it was last applied.
    pub depends_on: Vec<String>,
}

/// Everything the plan needs besides the desired state.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// By identity.
    pub objects: HashMap<ObjectId, Remembered>,
    /// By app.
    pub apps: BTreeMap<Arc<str>, AppMemory>,
    /// CRDs (by name) known to have no instances.
    pub empty_crds: HashSet<Arc<str>>,
    /// Updates of this revision that would make something smaller that holds data: what.
    pub shrinks: HashMap<ObjectId, String>,
    /// Objects of the revision that exist and that retune never applied, with the other engine that owns them, if one does.
    pub existing: BTreeMap<ObjectId, Option<String>>,
    /// Nothing of this cloud was synced yet: while there is something to adopt, nothing else is created.
    pub first: bool,
    /// Apps that may be adopted.
    pub adopting: BTreeSet<Arc<str>>,
    /// Of apps that exist already: the hooks known to have succeeded, as [`AppMemory::hooks`].
    pub installed: BTreeMap<Arc<str>, BTreeMap<String, String>>,
    /// Pruning waits until a full comparison is done (a lost or restored inventory).
    pub prune_frozen: bool,
    /// Approved digests.
    pub approved: Vec<Digest>,
    /// "Hands off" in force.
    pub holds: Vec<super::hold::Hold>,
}
