//! How the cloud differs from what was applied, field by field, made without a syncer: for `retune drift`. Reads only.

use std::sync::Arc;
use std::time::Instant;

use serde::Serialize;

use super::follow::FollowOptions;
use super::index::{Verdict, verdict};
use super::ownership::Claims;
use super::preview::{PreviewError, Seen, look};
use crate::cloud::ObjectId;
use crate::cloud::spec::DriftMode;
use crate::cluster::client::Client;
use crate::cluster::crd::{CloudSync, FightStatus};
use crate::cluster::fields::{self, Lost};
use crate::cluster::leftovers::{Leftover, leftovers};
use crate::cluster::{MANAGER, objects};
use crate::plan::yields;

/// How many objects are read whole at the same time.
const LOOKS: usize = 8;

/// How a cloud differs from what was applied.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    /// The revision it was compared with.
    pub revision: String,
    /// Objects that are not as applied.
    pub drifted: Vec<Drifted>,
    /// Fields that Git states and others own.
    pub yielded: Vec<Field>,
    /// Fields that the server keeps otherwise than Git says, because admission wrote over them.
    pub overridden: Vec<Field>,
    /// Fields that kubectl or helm set earlier and Git does not have: kept.
    pub leftovers: Vec<Field>,
    /// Objects that a rival changes again and again, as the syncer tells.
    pub fights: Vec<FightStatus>,
}

/// An object that is not as applied.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Drifted {
    /// The object.
    pub object: String,
    /// Its app.
    pub app: String,
    /// What happens to it.
    pub mode: DriftMode,
    /// What it is besides its fields: `deleted`, `recreated`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    /// The fields, with blame.
    pub fields: Vec<Lost>,
}

/// A field that is another's.
#[derive(Debug, Serialize)]
pub struct Field {
    /// The object.
    pub object: String,
    /// The path.
    pub field: String,
    /// Whose it is.
    pub owner: String,
}

/// Compares every object of the inventory with what was applied: by metadata, and whole where metadata cannot tell.
///
/// # Errors
/// See [`PreviewError`].
pub async fn survey(
    client: Client,
    cloud: &str,
    cloudsync: &CloudSync,
    options: FollowOptions,
) -> Result<Survey, PreviewError> {
    let seen = look(client, cloud, Some(cloudsync), options).await?;
    let forced = match cloudsync.spec.drift.as_deref() {
        Some("report") => Some(DriftMode::Report),
        Some("off") => Some(DriftMode::Off),
        Some("correct") => Some(DriftMode::Correct),
        _ => None,
    };
    let mut out = Survey {
        revision: seen.desired.revision.id.clone(),
        drifted: Vec::new(),
        yielded: Vec::new(),
        overridden: Vec::new(),
        leftovers: Vec::new(),
        fights: cloudsync.status.fights.clone(),
    };
    for (object, fields) in yields::listing(seen.desired.all_yielded()) {
        let field = |(field, owner)| Field { object: object.clone(), field, owner };
        out.yielded.extend(fields.into_iter().map(field));
    }
    let mut doubtful = Vec::new();
    let mut ids: Vec<&ObjectId> = seen.index.objects.keys().collect();
    ids.sort();
    for id in ids {
        let mode = forced.unwrap_or_else(|| seen.desired.drift_mode(id));
        one(&seen, id, mode, &mut out, &mut doubtful);
    }
    for part in doubtful.chunks(LOOKS) {
        let looks = part.iter().map(|(id, mode)| whole(&seen, id, *mode));
        for found in futures::future::join_all(looks).await {
            out.drifted.extend(found?);
        }
    }
    out.drifted.sort_by(|a, b| a.object.cmp(&b.object));
    Ok(out)
}

fn one(
    seen: &Seen,
    id: &ObjectId,
    mode: DriftMode,
    out: &mut Survey,
    doubtful: &mut Vec<(ObjectId, DriftMode)>,
) {
    let (Some(known), Some((app, object))) = (seen.index.objects.get(id), seen.desired.object(id)) else {
        return;
    };
    if known.digest.is_none() {
        return;
    }
    let drifted =
        |state, fields| Drifted { object: id.to_string(), app: app.to_string(), mode, state, fields };
    let Some(meta) = seen.metas.get(id) else {
        if mode != DriftMode::Off {
            out.drifted.push(drifted(Some("deleted"), Vec::new()));
        }
        return;
    };
    let field = |field, owner| Field { object: id.to_string(), field, owner };
    let claims = Claims::of(&seen.target, &seen.desired, id, &meta.entries);
    out.yielded.extend(claims.left.iter().map(|t| field(t.field(), format!("{}: {}", t.manager, t.why))));
    let is_override =
        |l: &Lost| l.taken_by.as_ref().is_some_and(|t| t.manager == MANAGER && t.operation == "Update");
    let (overridden, lost): (Vec<Lost>, Vec<Lost>) = claims.lost.into_iter().partition(is_override);
    out.overridden.extend(overridden.into_iter().map(|l| field(l.field, "admission".to_owned())));
    let body = seen.target.body(object, app);
    let kept = leftovers(&body, &meta.entries);
    out.leftovers.extend(kept.into_iter().map(|Leftover { field: path, manager }| field(path, manager)));
    if mode == DriftMode::Off || known.digest != Some(object.digest) {
        return;
    }
    match verdict(known, meta, Instant::now()) {
        Verdict::Drift if known.uid.is_some_and(|uid| uid != meta.uid) => {
            out.drifted.push(drifted(Some("recreated"), lost));
        }
        Verdict::Drift if !lost.is_empty() || meta.own.is_none() => out.drifted.push(drifted(None, lost)),
        Verdict::Look => doubtful.push((id.clone(), mode)),
        Verdict::Drift | Verdict::InSync | Verdict::Old => {}
    }
}

/// An object whose metadata does not tell.
async fn whole(seen: &Seen, id: &ObjectId, mode: DriftMode) -> Result<Option<Drifted>, PreviewError> {
    let Some((app, object)) = seen.desired.object(id) else { return Ok(None) };
    let resource = seen.target.resource(id, object.version())?;
    let Some(live) = objects::get(&seen.target.client, &resource, id).await? else { return Ok(None) };
    let mut body = seen.target.body(object, app);
    let taken = fields::taken(&body, &seen.desired.contested(id), &fields::entries_of(&live));
    let places: Vec<_> = taken.iter().map(|t| t.place.clone()).collect();
    yields::remove(&mut body, &places);
    let fields: Vec<Lost> =
        fields::differences(&body, &live).into_iter().map(|field| Lost { field, taken_by: None }).collect();
    if fields.is_empty() {
        return Ok(None);
    }
    let app = Arc::clone(app).to_string();
    Ok(Some(Drifted { object: id.to_string(), app, mode, state: None, fields }))
}
