//! What is there of an app that retune never applied: its objects and their owners, its Helm release, which of its hooks are done.
//! Reads only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use serde_json::Value;

use super::follow::Desired;
use super::hooks::read_live;
use super::memory::entry_key;
use crate::apply::job::Target;
use crate::cloud::object::split_api_version;
use crate::cloud::{Digest, Interner, Object, ObjectId, Origin, RenderedApp, normal};
use crate::cluster::adopted::{Kept, Record};
use crate::cluster::adoption::{Before, RELEASE_NAME, RELEASE_NAMESPACE};
use crate::cluster::error::{ApiError, ErrorKind};
use crate::cluster::meta::Meta;
use crate::cluster::objects::{self, owner_value};
use crate::cluster::release::{self, Found, Release};
use crate::cluster::{adopted, state, watch};
use crate::plan::hooks::{completions, key};
use crate::yaml;

/// How many objects are read at the same time.
const LOOKS: usize = 8;
/// From how many objects of a kind its metadata is listed rather than got one by one.
const LIST_FROM: usize = 6;

/// What was found of an object: `None` is absent or this cloud's own; else the other engine that owns it, if one does.
pub(super) type Seen = Option<Option<String>>;

/// Looks which objects exist and are not this cloud's own.
///
/// # Errors
/// As a list's or read's: what cannot be looked at is not "nothing is there".
pub(super) async fn look(
    target: &Target,
    ids: Vec<(ObjectId, Arc<str>)>,
) -> Result<Vec<(ObjectId, Seen)>, ApiError> {
    let mut kinds: BTreeMap<(Arc<str>, Arc<str>), Vec<(ObjectId, Arc<str>)>> = BTreeMap::new();
    for (id, version) in ids {
        kinds.entry((Arc::clone(&id.group), Arc::clone(&id.kind))).or_default().push((id, version));
    }
    let mut clouds = None;
    let mut out = Vec::new();
    for ((group, kind), ids) in kinds {
        let found: Vec<(ObjectId, Option<Meta>)> = match target.discovery.preferred(&group, &kind) {
            // Its CRD is part of this very revision: there are none.
            None => ids.into_iter().map(|(id, _)| (id, None)).collect(),
            Some(resource) if resource.watchable && ids.len() >= LIST_FROM => {
                let wanted: BTreeSet<&ObjectId> = ids.iter().map(|(id, _)| id).collect();
                let mut listed: BTreeMap<ObjectId, Meta> = BTreeMap::new();
                for meta in lenient(watch::list_meta(&target.client, resource, "").await, Vec::new())? {
                    let id = super::scan::id_of(resource, &meta);
                    if wanted.contains(&id) {
                        listed.insert(id, meta);
                    }
                }
                ids.into_iter().map(|(id, _)| (id.clone(), listed.remove(&id))).collect()
            }
            Some(_) => {
                futures::stream::iter(ids)
                    .map(|(id, version)| async move {
                        match target.resource(&id, &version) {
                            Ok(resource) => {
                                let found = objects::get_meta(&target.client, &resource, &id).await;
                                lenient(found, None).map(|meta| (id, meta))
                            }
                            Err(_) => Ok((id, None)),
                        }
                    })
                    .buffer_unordered(LOOKS)
                    .try_collect()
                    .await?
            }
        };
        for (id, meta) in found {
            let Some(meta) = meta.filter(|m| !m.deleting && !is_ours(target, &id, m)) else {
                out.push((id, None));
                continue;
            };
            let owner = owner(target, &id, &meta, &mut clouds).await?;
            // A namespace is often made by hand first, and taking it over adds labels only.
            let seen = (owner.is_some() || !id.is("", "Namespace")).then_some(owner);
            out.push((id, seen));
        }
    }
    Ok(out)
}

/// What may not be read cannot be applied either, which says so; a kind that went away has no objects.
fn lenient<T>(result: Result<T, ApiError>, nothing: T) -> Result<T, ApiError> {
    match result {
        Err(error)
            if matches!(error.kind, ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::NotServing) =>
        {
            Ok(nothing)
        }
        other => other,
    }
}

fn is_ours(target: &Target, id: &ObjectId, meta: &Meta) -> bool {
    meta.own.is_some() && meta.owner.as_deref() == Some(&owner_value(&target.cloud_id, id))
}

/// Who else owns an object: another engine, or another cloud of retune's that still exists.
async fn owner(
    target: &Target,
    id: &ObjectId,
    meta: &Meta,
    clouds: &mut Option<BTreeSet<String>>,
) -> Result<Option<String>, ApiError> {
    if meta.gitops.is_some() {
        return Ok(meta.gitops.clone());
    }
    let Some(cloud) = meta.cloud.as_deref().filter(|c| **c != *target.cloud && meta.own.is_some()) else {
        return Ok(None);
    };
    // Labels and annotations are copied by controllers: it must name this very object.
    let names_it =
        meta.owner.as_deref().and_then(|o| o.split_once('/')).is_some_and(|(_, rest)| {
            owner_value("", id).trim_start_matches('/') == rest.trim_start_matches('/')
        });
    if !names_it {
        return Ok(None);
    }
    if clouds.is_none() {
        *clouds = Some(state::cloud_names(&target.client).await?);
    }
    let exists = clouds.as_ref().is_some_and(|c| c.contains(cloud));
    let app = meta.app.as_deref().unwrap_or_default();
    Ok(exists.then(|| format!("app {app} of retune's cloud {cloud}")))
}

/// What there is of one app.
#[derive(Debug)]
pub(super) struct Takeover {
    /// Objects that are another's, with their owners: the app cannot be adopted.
    pub(super) refused: Vec<String>,
    /// Its objects that exist and are nobody's, whole.
    pub(super) found: Vec<(ObjectId, Value)>,
    /// What they were, and their releases.
    pub(super) record: Record,
    /// The releases that were found.
    pub(super) releases: Vec<Found>,
    /// The hooks that are done, as the inventory remembers them.
    pub(super) done: BTreeMap<String, String>,
    /// What there is to know of hooks.
    pub(super) hooks: Vec<String>,
    /// Objects of the releases that Git does not have: they stay as they are.
    pub(super) outside: Vec<String>,
}

/// Looks at one app. `recorded` is what an adoption that was cut short has recorded already; with `assume` all hooks are done.
///
/// # Errors
/// As the server's answers.
pub(super) async fn examine(
    target: &Target,
    desired: &Desired,
    app: &RenderedApp,
    recorded: Option<Record>,
    assume: bool,
) -> Result<Takeover, ApiError> {
    let wanted: Vec<(ObjectId, String)> =
        app.objects.iter().map(|o| (o.id.clone(), o.version().to_owned())).collect();
    let mut live: Vec<(ObjectId, String, Value)> = futures::stream::iter(wanted)
        .map(|(id, version)| async move {
            // A kind that is not served has no objects.
            let Ok(resource) = target.resource(&id, &version) else { return Ok(None) };
            let found = objects::get(&target.client, &resource, &id).await?;
            Ok::<_, ApiError>(found.map(|live| (id, version, live)))
        })
        .buffer_unordered(LOOKS)
        .try_filter_map(|found| async move { Ok(found) })
        .try_collect()
        .await?;
    live.sort_by(|a, b| a.0.cmp(&b.0));
    let (mut refused, mut found) = (Vec::new(), Vec::new());
    let (mut record, mut clouds) = (Record::default(), None);
    for (id, version, live) in live {
        let meta = Meta::read(&format!("look at {id}"), live.to_string().as_bytes())?;
        if is_ours(target, &id, &meta) {
            continue;
        }
        if let Some(owner) = owner(target, &id, &meta, &mut clouds).await? {
            refused.push(format!("{id} belongs to {owner}"));
            continue;
        }
        let annotation = |name: &str| live["metadata"]["annotations"][name].as_str().map(str::to_owned);
        if let (Some(name), Some(namespace)) = (annotation(RELEASE_NAME), annotation(RELEASE_NAMESPACE)) {
            record.releases.push((namespace, name));
        }
        record.objects.insert(entry_key(&id), Kept { version, before: Before::of(&live) });
        found.push((id, live));
    }
    let mut all = recorded.unwrap_or_default();
    all.add(record);
    let record = all;
    let mut releases = Vec::new();
    for (namespace, name) in &record.releases {
        releases.extend(release::find(&target.client, namespace, name).await?);
    }
    let mut out = Takeover {
        refused,
        found,
        record,
        releases,
        done: BTreeMap::new(),
        hooks: Vec::new(),
        outside: Vec::new(),
    };
    judge_hooks(target, desired, app, assume, &mut out).await;
    for found in &out.releases {
        let namespace = &found.release.namespace;
        let outside = documents(&found.release.manifest)
            .into_iter()
            .filter_map(|value| object_of(target, value, namespace))
            .filter(|object| desired.object(&object.id).is_none());
        out.outside.extend(outside.map(|object| object.id.to_string()));
    }
    Ok(out)
}

/// Which hooks are done: Helm's release says it of those with the same text. Without a release nobody can say, and an app that runs
/// has had them.
async fn judge_hooks(
    target: &Target,
    desired: &Desired,
    app: &RenderedApp,
    assume: bool,
    out: &mut Takeover,
) {
    let of_releases: BTreeMap<ObjectId, (Digest, &release::ReleaseHook)> = out
        .releases
        .iter()
        .flat_map(|f| f.release.hooks.iter().map(move |h| (&f.release, h)))
        .filter_map(|(release, hook): (&Release, _)| {
            let value = documents(&hook.manifest).into_iter().next()?;
            let object = object_of(target, value, &release.namespace)?;
            Some((object.id.clone(), (object.digest, hook)))
        })
        .collect();
    let texts: BTreeMap<&ObjectId, Digest> =
        app.hooks.iter().map(|h| (&h.object.id, h.object.digest)).collect();
    let mut done = BTreeMap::new();
    let mut notes = Vec::new();
    for due in completions(app, &desired.cloud) {
        let id = &due.id;
        let is_done = match of_releases.get(id) {
            _ if assume => {
                notes.push(format!("{id} is taken as done, as was asked for"));
                true
            }
            _ if out.releases.is_empty() => {
                notes.push(format!("{id} is taken as done: no Helm release says anything of it"));
                true
            }
            None => {
                notes.push(format!("{id} is not done: Helm's release does not have it"));
                false
            }
            Some((_, hook)) if !hook.succeeded() => {
                let phase = if hook.phase().is_empty() { "never run" } else { hook.phase() };
                notes.push(format!("{id} is not done: Helm's release says {phase}"));
                false
            }
            Some((digest, _)) if texts.get(id) != Some(digest) => {
                notes.push(format!("{id} is not done: its text is not the one that Helm ran"));
                false
            }
            Some(_) => {
                notes.push(format!("{id} is done: Helm's release says so"));
                true
            }
        };
        if is_done {
            let live = read_live(target, id.namespace.as_deref(), &due.live).await;
            done.insert(key(id), due.full_digest(&live));
        }
    }
    (out.done, out.hooks) = (done, notes);
}

/// The documents of a manifest that can be read.
fn documents(manifest: &str) -> Vec<Value> {
    let limits = yaml::Limits::default();
    let nodes = yaml::read_v2_json_all(manifest, &limits).unwrap_or_default();
    nodes
        .iter()
        .filter_map(|node| serde_json::from_str(&yaml::json::to_json(node, false).ok()?).ok())
        .filter(Value::is_object)
        .collect()
}

/// An object as Helm made it, in its release's namespace unless it says otherwise.
fn object_of(target: &Target, value: Value, namespace: &str) -> Option<Object> {
    let head = normal::Head::of(&value).ok()?;
    let (group, _) = split_api_version(&head.api_version);
    let resource = target.discovery.preferred(group, &head.kind);
    let namespace = match resource {
        Some(resource) if !resource.namespaced => None,
        _ => head.namespace.clone().or_else(|| Some(namespace.to_owned())),
    };
    let origin = Origin { file: "release".into(), line: 0 };
    Object::build(value, namespace.as_deref(), origin, &mut Interner::default()).ok()
}

/// Deletes the Secrets of releases none of whose objects is left to Helm.
///
/// # Errors
/// As the server's answers.
pub(super) async fn remove_releases(target: &Target, releases: &[Found]) -> Result<(), ApiError> {
    for found in releases {
        for secret in &found.secrets {
            adopted::delete_secret(&target.client, &found.release.namespace, secret).await?;
        }
    }
    Ok(())
}
