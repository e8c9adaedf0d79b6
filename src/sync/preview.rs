//! A plan made without a syncer: for `diff`. Reads only.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::follow::{Desired, FollowOptions, Once, render_once};
use super::index::{Index, Verdict, verdict};
use super::memory::Memory;
use super::ownership::Claims;
use super::scan::id_of;
use crate::apply::job::Target;
use crate::cloud::ObjectId;
use crate::cluster::client::Client;
use crate::cluster::crd::CloudSync;
use crate::cluster::discovery::Discovery;
use crate::cluster::error::ApiError;
use crate::cluster::meta::Meta;
use crate::cluster::{LABEL_CLOUD, state, watch};
use crate::plan::nodes::{NodeChange, change};
use crate::plan::{self, Facts, Live, Plan, Remembered};

/// A plan and what it was made from.
pub struct Preview {
    /// The plan.
    pub plan: Plan,
    /// What is done to the labels and annotations of nodes.
    pub nodes: Vec<NodeChange>,
    /// The revision.
    pub desired: Desired,
    /// Where it would be applied.
    pub target: Target,
}

/// Why there is no preview.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// The API server.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The source or the render.
    #[error("{0}")]
    Source(String),
}

/// What there is: the revision, what the inventory remembers, the metadata of what is in the cluster.
pub(super) struct Seen {
    pub(super) desired: Desired,
    pub(super) target: Target,
    pub(super) index: Index,
    pub(super) memory: Memory,
    pub(super) metas: HashMap<ObjectId, Meta>,
}

/// Looks at the source, the inventory and the metadata of every object in it.
pub(super) async fn look(
    client: Client,
    cloud: &str,
    cloudsync: Option<&CloudSync>,
    options: FollowOptions,
) -> Result<Seen, PreviewError> {
    let discovery = Arc::new(Discovery::fetch(&client).await?);
    let desired = loop {
        let (served, again) = (Arc::clone(&discovery), options.clone());
        let once = tokio::task::spawn_blocking(move || render_once(again, served))
            .await
            .map_err(|e| PreviewError::Source(e.to_string()))?
            .map_err(PreviewError::Source)?;
        match once {
            Once::Desired(desired) => break *desired,
            Once::Inputs(sources) => {
                super::inputs::once::fetch(&client, &discovery, &sources, &options.inputs).await?;
            }
        }
    };
    let scalers = super::surroundings::scalers(&client, &discovery).await?;
    let desired = desired.beside(&scalers).unwrap_or(desired);
    let inventory = match cloudsync {
        Some(_) => state::list_inventory(&client, cloud).await?,
        None => Vec::new(),
    };
    let mut index = Index::default();
    let memory = Memory::load(&inventory, &mut index);
    let cloud_id = cloudsync.map(|c| c.status.cloud_id.clone()).unwrap_or_default();
    let target = Target {
        client: client.clone(),
        discovery: Arc::clone(&discovery),
        cloud: cloud.into(),
        cloud_id: cloud_id.as_str().into(),
    };
    let kinds: BTreeSet<_> =
        index.objects.keys().map(|id| (Arc::clone(&id.group), Arc::clone(&id.kind))).collect();
    let selector = format!("{LABEL_CLOUD}={cloud}");
    let mut metas: HashMap<ObjectId, Meta> = HashMap::new();
    for (group, kind) in kinds {
        let Some(resource) = discovery.preferred(&group, &kind) else { continue };
        for meta in watch::list_meta(&client, resource, &selector).await? {
            metas.insert(id_of(resource, &meta), meta);
        }
    }
    Ok(Seen { desired, target, index, memory, metas })
}

/// Makes the plan that a syncer would make now.
///
/// # Errors
/// See [`PreviewError`].
pub async fn preview(
    client: Client,
    cloud: &str,
    cloudsync: Option<&CloudSync>,
    options: FollowOptions,
) -> Result<Preview, PreviewError> {
    let Seen { desired, target, index, memory, metas } = look(client, cloud, cloudsync, options).await?;
    let unknown = desired
        .cloud
        .objects()
        .filter(|o| index.objects.get(&o.id).is_none_or(|k| k.digest.is_none()))
        .map(|o| (o.id.clone(), o.version().into()))
        .collect();
    let seen = super::takeover::look(&target, unknown).await?;
    let existing = seen.into_iter().filter_map(|(id, seen)| Some((id, seen?))).collect();
    let first = cloudsync.is_none_or(|c| c.status.synced_revision.is_empty());
    let suspended = cloudsync.is_some_and(|c| c.spec.drift.as_deref().is_some_and(|d| d != "correct"));
    let objects = index
        .objects
        .iter()
        .map(|(id, known)| {
            let corrected = desired.object(id).is_none()
                || !suspended && desired.drift_mode(id) == crate::cloud::spec::DriftMode::Correct;
            let live = match metas.get(id) {
                None if corrected => Live::Absent,
                // Told by `retune drift`, not corrected.
                None => Live::InSync,
                Some(meta) => match verdict(known, meta, Instant::now()) {
                    Verdict::Drift if corrected => {
                        let claims = Claims::of(&target, &desired, id, &meta.entries);
                        let recreated = known.uid.is_some_and(|uid| uid != meta.uid);
                        if !recreated && claims.lost.is_empty() && !claims.left.is_empty() {
                            Live::InSync
                        } else {
                            Live::Drifted(claims.blame(recreated))
                        }
                    }
                    // One cannot tell a look from here without a GET; the syncer looks.
                    _ => Live::InSync,
                },
            };
            let remembered = Remembered {
                app: Arc::clone(&known.app),
                digest: known.digest,
                uid: known.uid,
                keep: known.keep,
                live,
            };
            (id.clone(), remembered)
        })
        .collect();
    let apps = memory.apps.iter().map(|(app, r)| (Arc::clone(app), r.facts())).collect();
    let holds = cloudsync.map(|c| super::holds::declared(&c.spec.holds, &metas)).unwrap_or_default();
    let mut facts = Facts { objects, apps, existing, first, holds, ..Facts::default() };
    facts.shrinks = shrinking(&target, &desired, &facts).await?;
    let mut plan = plan::make(&desired.cloud, &facts);
    plan.secrets = super::secrets::preview(&target.client, &desired, &memory).await?;
    let labelled = cloudsync.is_some_and(|c| !c.status.nodes.is_empty());
    let nodes = node_changes(&target, cloud, &desired, labelled).await?;
    Ok(Preview { nodes, plan, desired, target })
}

/// What the labels and annotations of nodes differ in; `labelled`: nodes were labelled before.
async fn node_changes(
    target: &Target,
    cloud: &str,
    desired: &Desired,
    labelled: bool,
) -> Result<Vec<NodeChange>, ApiError> {
    let rules = &desired.cloud.nodes;
    let Some(resource) = target.discovery.preferred("", "Node").filter(|_| labelled || !rules.is_empty())
    else {
        return Ok(Vec::new());
    };
    let listed =
        watch::list_whole(&target.client, resource, "", &crate::cluster::nodes::digest(cloud)).await?;
    Ok(listed.into_iter().filter_map(|(meta, facts)| change(rules, &meta.name, &facts?).0).collect())
}

/// What the plan's updates would make smaller.
async fn shrinking(
    target: &Target,
    desired: &Desired,
    facts: &Facts,
) -> Result<HashMap<ObjectId, String>, ApiError> {
    let mut out = HashMap::new();
    for object in desired.cloud.objects().filter(|o| plan::shrinking::has_sizes(&o.id)) {
        let applied = facts.objects.get(&object.id).and_then(|k| k.digest);
        if applied.is_none_or(|digest| digest == object.digest) {
            continue;
        }
        if let Some(what) = super::sizes::measure(target, object).await? {
            out.insert(object.id.clone(), what);
        }
    }
    Ok(out)
}
