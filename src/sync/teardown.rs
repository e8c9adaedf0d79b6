//! The end: objects on their way out, what stays behind, and a `CloudSync` that takes its cloud with it.
//!
//! Deleting a `CloudSync` leaves the cloud as it is, unless `spec.onDelete` is `delete`: then it holds a finalizer, and
//! once it is being deleted every app is removed as if Git had it no more, with the same guards and approvals.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use super::engine::{Engine, Message};
use super::follow::{Desired, RevisionInfo};
use super::memory::{entry_key, parse_key};
use crate::cloud::{Digest, ObjectId, RenderedCloud};
use crate::cluster::crd::{CloudSyncStatus, OrphanStatus};
use crate::cluster::meta::Meta;
use crate::cluster::objects;
use crate::cluster::{fields, state};
use crate::plan::finalizers;

/// The finalizer of a `CloudSync` that takes its cloud with it.
pub const FINALIZER: &str = "retune.dev/cloud";
/// The annotation on an object that stays although Git has it no more; its value is the app it belonged to.
pub const ANNOTATION_ORPHAN: &str = "retune.dev/orphaned-from";

/// Objects that stay although Git has them no more: the app they belonged to, and whether a watch has shown them since
/// its kind was listed last.
#[derive(Debug, Default)]
pub(super) struct Orphans(BTreeMap<ObjectId, (String, bool)>);

impl Orphans {
    /// As the last status had them.
    pub(super) fn load(status: &CloudSyncStatus) -> Self {
        let one = |o: &OrphanStatus| Some((parse_key(&o.object)?, (o.app.clone(), false)));
        Self(status.orphans.iter().filter_map(one).collect())
    }

    /// Notes one; whether it is news.
    pub(super) fn insert(&mut self, id: &ObjectId, app: &str) -> bool {
        self.0.insert(id.clone(), (app.to_owned(), true)).is_none()
    }

    pub(super) fn remove(&mut self, id: &ObjectId) -> bool {
        self.0.remove(id).is_some()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &ObjectId> {
        self.0.keys()
    }

    /// A kind is listed anew.
    pub(super) fn relisted(&mut self, group: &str, kind: &str) {
        self.0.iter_mut().filter(|(id, _)| id.is(group, kind)).for_each(|(_, (_, shown))| *shown = false);
    }

    /// A kind's whole state has been told: those that were not named are gone. Whether there were any.
    pub(super) fn listed(&mut self, group: &str, kind: &str) -> bool {
        let before = self.0.len();
        self.0.retain(|id, (_, shown)| *shown || !id.is(group, kind));
        self.0.len() != before
    }

    /// For the status.
    pub(super) fn status(&self, most: usize) -> Vec<OrphanStatus> {
        let one = |(id, (app, _)): (&ObjectId, &(String, bool))| OrphanStatus {
            object: entry_key(id),
            app: app.clone(),
        };
        self.0.iter().take(most).map(one).collect()
    }
}

/// What an object that is being deleted waits for: each finalizer, and who takes it off.
pub(super) fn waits_for(meta: &Meta) -> String {
    if meta.finalizers.is_empty() {
        return "is being deleted".to_owned();
    }
    let told: Vec<String> = meta
        .finalizers
        .iter()
        .map(|f| finalizers::told(f, fields::finalizer_manager(&meta.entries, f).as_deref()))
        .collect();
    format!("is being deleted; waits for {}", told.join(", "))
}

impl Engine {
    /// An object that retune deleted is gone: out of the inventory, or created again if Git has it again.
    pub(super) fn deleted(&mut self, id: &ObjectId) {
        if self.desired.as_ref().is_none_or(|d| d.object(id).is_none()) {
            self.forget(id);
            return;
        }
        if let Some(known) = self.index.objects.get_mut(id) {
            (known.deleting, known.digest, known.uid, known.own) = (false, None, None, None);
            known.standing = super::index::Standing::Absent;
            known.message = None;
        }
        self.want(id, false);
    }

    /// An object stays in the cluster and is managed no more; it is marked, so that a later look does not take it for a
    /// lost one.
    pub(super) fn release(&mut self, id: &ObjectId) {
        let known = self
            .index
            .objects
            .get(id)
            .map(|k| (Arc::clone(&k.app), Arc::clone(&k.version), k.standing.clone()));
        self.forget(id);
        let Some((app, version, standing)) = known else { return };
        if standing == super::index::Standing::Absent {
            return;
        }
        tracing::info!(object = %id, %app, "released: it stays in the cluster and is managed no more");
        self.orphans.insert(id, &app);
        self.mark_orphan(id, &version, &serde_json::Value::from(&*app));
    }

    /// An orphan that Git has again is one no more.
    pub(super) fn adopted(&mut self, id: &ObjectId, version: &str) {
        if !self.orphans.remove(id) {
            return;
        }
        self.mark_orphan(id, version, &serde_json::Value::Null);
    }

    fn mark_orphan(&mut self, id: &ObjectId, version: &str, mark: &serde_json::Value) {
        self.report.due = true;
        let (target, id, version) = (self.target.clone(), id.clone(), version.to_owned());
        let patch = json!({"metadata": {"annotations": {ANNOTATION_ORPHAN: mark}}});
        self.jobs.spawn(async move {
            let result = match target.resource(&id, &version) {
                Ok(resource) => objects::merge(&target.client, &resource, &id, &patch).await,
                Err(error) => Err(error),
            };
            Message::Event(result)
        });
    }

    fn on_delete_deletes(&self) -> bool {
        self.cloudsync.spec.on_delete.as_deref() == Some("delete")
    }

    /// Keeps the finalizer in line with the spec, and begins the end when the `CloudSync` is being deleted.
    pub(super) fn mind_the_end(&mut self) {
        let meta = &self.cloudsync.metadata;
        let (held, ending) =
            (meta.finalizers.iter().any(|f| f == FINALIZER), meta.deletion_timestamp.is_some());
        let wanted = self.on_delete_deletes();
        if ending && wanted && held {
            if !self.tearing_down {
                self.tear_down();
            }
        } else if held != wanted && (held || !ending) {
            self.hold_end(wanted);
        }
    }

    fn hold_end(&mut self, hold: bool) {
        let mut list = self.cloudsync.metadata.finalizers.clone();
        list.retain(|f| f != FINALIZER);
        if hold {
            list.push(FINALIZER.to_owned());
        }
        self.cloudsync.metadata.finalizers.clone_from(&list);
        let (client, name) = (self.target.client.clone(), self.cloudsync.metadata.name.clone());
        let version = self.cloudsync.metadata.resource_version.clone();
        self.jobs.spawn(async move {
            Message::Event(state::set_cloudsync_finalizers(&client, &name, &version, &list).await)
        });
    }

    fn tear_down(&mut self) {
        tracing::warn!(cloud = %self.name, "the CloudSync is being deleted and spec.onDelete is delete: every app is removed; guarded deletions wait for an approval");
        self.tearing_down = true;
        let cloud = RenderedCloud {
            name: Arc::clone(&self.name),
            profile: self.cloudsync.spec.profile.as_str().into(),
            apps: Vec::new(),
            digest: Digest::of(b""),
            rendered: 0,
            nodes: [].into(),
            unknown: std::collections::BTreeSet::new(),
        };
        let revision = RevisionInfo { subject: "the end of the cloud".into(), ..RevisionInfo::default() };
        self.desired = Some(Arc::new(Desired::new(revision, Arc::new(cloud), Instant::now())));
        self.planned = false;
        self.plan_again();
    }

    /// Whether nothing of the cloud is left: then the `CloudSync` may go.
    pub(super) fn end_if_empty(&mut self) {
        let left =
            !self.index.objects.is_empty() || !self.memory.apps.is_empty() || !self.inventory_busy.is_empty();
        if self.tearing_down && !left && self.active.is_none() && self.planned {
            let held = self.cloudsync.metadata.finalizers.iter().any(|f| f == FINALIZER);
            if held {
                tracing::info!(cloud = %self.name, "nothing is left of the cloud");
                self.hold_end(false);
            }
        }
    }
}
