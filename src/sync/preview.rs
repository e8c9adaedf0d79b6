//! A plan made without a syncer: for `diff`. Reads only.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::follow::{Desired, FollowOptions, render_once};
use super::index::{Index, Verdict, verdict};
use super::memory::Memory;
use super::scan::{id_of, scan};
use crate::apply::job::Target;
use crate::cloud::ObjectId;
use crate::cluster::client::Client;
use crate::cluster::crd::CloudSync;
use crate::cluster::discovery::Discovery;
use crate::cluster::error::ApiError;
use crate::cluster::meta::Meta;
use crate::cluster::{LABEL_CLOUD, fields, state, watch};
use crate::plan::{self, Facts, Live, Plan, Remembered};

/// A plan and what it was made from.
pub struct Preview {
    /// The plan.
    pub plan: Plan,
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
    let discovery = Arc::new(Discovery::fetch(&client).await?);
    let served = Arc::clone(&discovery);
    let desired = tokio::task::spawn_blocking(move || render_once(options, served))
        .await
        .map_err(|e| PreviewError::Source(e.to_string()))?
        .map_err(PreviewError::Source)?;
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
    let mut existing = Vec::new();
    if memory.apps.is_empty() {
        existing = scan(&client, &discovery, cloud, &cloud_id, Some(&desired)).await?.existing;
    }
    let kinds: BTreeSet<_> =
        index.objects.keys().map(|id| (Arc::clone(&id.group), Arc::clone(&id.kind))).collect();
    let selector = format!("{LABEL_CLOUD}={cloud}");
    let mut seen: HashMap<ObjectId, Meta> = HashMap::new();
    for (group, kind) in kinds {
        let Some(resource) = discovery.preferred(&group, &kind) else { continue };
        for meta in watch::list_meta(&client, resource, &selector).await? {
            seen.insert(id_of(resource, &meta), meta);
        }
    }
    let objects = index
        .objects
        .iter()
        .map(|(id, known)| {
            let live = match seen.get(id) {
                None => Live::Absent,
                Some(meta) => match verdict(known, meta, Instant::now()) {
                    Verdict::Drift => Live::Drifted(blame(&target, &desired, id, meta)),
                    // One cannot tell from here without a GET; the syncer looks.
                    Verdict::Look | Verdict::InSync | Verdict::Old => Live::InSync,
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
    let holds = cloudsync.map(|c| super::holds::declared(&c.spec.holds, &seen)).unwrap_or_default();
    let facts = Facts { objects, apps, existing, holds, ..Facts::default() };
    Ok(Preview { plan: plan::make(&desired.cloud, &facts), desired, target })
}

fn blame(target: &Target, desired: &Desired, id: &ObjectId, meta: &Meta) -> String {
    let body = desired.object(id).map(|(app, object)| target.body(object, app));
    let lost = body.map(|body| fields::lost(&body, &meta.entries)).unwrap_or_default();
    if lost.is_empty() {
        return "changed by someone".to_owned();
    }
    lost.iter().take(5).map(ToString::to_string).collect::<Vec<_>>().join("; ")
}
