//! What the engine does with the watches' notices: verdicts, drift, readiness, absence.

use std::sync::Arc;
use std::time::Instant;

use super::engine::{Engine, Timer, WatchState};
use super::index::{Standing, Verdict, verdict};
use super::scan::id_of;
use crate::cloud::ObjectId;
use crate::cloud::spec::DriftMode;
use crate::cluster::discovery::Resource;
use crate::cluster::meta::Meta;
use crate::cluster::objects::owner_value;
use crate::cluster::watch::{self, Event, Notice, WatchSpec};
use crate::cluster::{ErrorKind, LABEL_CLOUD};
use crate::health::{self, Health};

/// Whether an app's `spec.health.ignore` names an object: it is applied, and not waited for.
pub(super) fn desired_ignores(desired: Option<&super::follow::Desired>, app: &str, id: &ObjectId) -> bool {
    desired
        .and_then(|d| d.app(app))
        .is_some_and(|a| a.policy.health.ignore.iter().any(|selector| selector.matches(id)))
}

impl Engine {
    /// Watches a kind, unless it is watched already or not served yet.
    pub(super) fn ensure_watch(&mut self, group: &Arc<str>, kind: &Arc<str>) {
        let key = (Arc::clone(group), Arc::clone(kind));
        if self.watches.contains_key(&key) {
            return;
        }
        let Some(resource) = self.target.discovery.preferred(group, kind).cloned() else {
            // Its CRD may be part of this very revision.
            return;
        };
        if !resource.watchable {
            return;
        }
        let digest = self.digest_of(group, kind);
        let ours = format!("{LABEL_CLOUD}={}", self.name);
        let spec = WatchSpec { digest, ..WatchSpec::all(resource, &ours) };
        if key.0.as_ref() == "apps" && key.1.as_ref() == "DaemonSet" {
            self.watch_nodes();
        }
        let task = tokio::spawn(watch::run(self.target.client.clone(), spec, self.notices.clone()));
        self.watches
            .insert(key, WatchState { handle: task.abort_handle(), synced: false, failing: false, round: 0 });
    }

    pub(super) fn on_notice(&mut self, notice: Notice<health::Verdict>) {
        let Notice { resource, event } = notice;
        let key = (Arc::clone(&resource.group), Arc::clone(&resource.kind));
        match event {
            Event::Restarted => {
                if let Some(watch) = self.watches.get_mut(&key) {
                    watch.round += 1;
                    watch.synced = false;
                }
                self.leftovers.relisted(&key.0, &key.1);
                self.orphans.relisted(&key.0, &key.1);
            }
            Event::Applied(meta, verdict) => {
                let round = self.watches.get(&key).map_or(0, |w| w.round);
                self.on_object(&id_of(&resource, &meta), meta, verdict, round);
            }
            Event::Deleted(meta) => self.on_gone(&id_of(&resource, &meta), meta),
            Event::Synced => self.on_synced(&resource),
            Event::Failing(error) => {
                if let Some(watch) = self.watches.get_mut(&key) {
                    watch.failing = true;
                }
                self.unpark(&key);
                if error.kind == ErrorKind::NotFound || error.kind == ErrorKind::NotServing {
                    // The kind is served no more (its CRD is gone): watched again once it is back.
                    if let Some(watch) = self.watches.remove(&key) {
                        watch.handle.abort();
                    }
                    self.discover();
                }
                tracing::warn!(kind = %resource.kind, group = %resource.group, %error, "a watch fails; it goes on trying");
            }
            Event::Recovered => {
                if let Some(watch) = self.watches.get_mut(&key) {
                    watch.failing = false;
                }
                tracing::info!(kind = %resource.kind, group = %resource.group, "a watch stands again")
            }
        }
    }

    fn on_object(&mut self, id: &ObjectId, meta: Box<Meta>, verdict: Option<health::Verdict>, round: u32) {
        let Some(known) = self.index.objects.get_mut(id) else {
            if !meta.deleting && meta.own_annotations.contains_key(super::hooks::ANNOTATION_DIGEST) {
                self.leftovers.shown(id, meta.uid);
            }
            if self.hooks.is_empty() || !self.on_hook_event(id, meta.uid, verdict.as_ref()) {
                self.on_stranger(id, &meta);
            }
            return;
        };
        known.round = round;
        self.hold_annotation(id, &meta);
        let Some(known) = self.index.objects.get_mut(id) else { return };
        let is_it = known.uid.is_none() || known.uid == Some(meta.uid);
        if let Some(verdict) = verdict.filter(|v| is_it && !self.ask_daemons(id, v))
            && let Some(known) = self.index.objects.get_mut(id)
        {
            let was_established = known.health == Health::Ready;
            if known.set_health(meta.rv, verdict) {
                let established = !was_established && known.health == Health::Ready;
                self.refresh_ready(id);
                if established && id.is("apiextensions.k8s.io", "CustomResourceDefinition") {
                    self.discover();
                }
            }
        }
        let Some(known) = self.index.objects.get_mut(id) else { return };
        if known.busy {
            known.held = Some((meta, false));
            return;
        }
        self.judge(id, &meta);
    }

    /// The verdict on an object's metadata, and what follows from it.
    pub(super) fn judge(&mut self, id: &ObjectId, meta: &Meta) {
        let Some(known) = self.index.objects.get_mut(id) else { return };
        if known.deleting {
            known.rv = known.rv.max(meta.rv);
            known.message = meta.deleting.then(|| super::teardown::waits_for(meta).into());
            self.report.due |= !meta.finalizers.is_empty();
            return;
        }
        if known.uid == Some(meta.uid) && meta.rv < known.rv && known.standing == Standing::Unknown {
            tracing::warn!(object = %id, "the cluster's state is older than the inventory: pruning is frozen until all is compared");
            self.prune_frozen = true;
        }
        known.former = Some(crate::cluster::leftovers::any_former(&meta.entries));
        match verdict(known, meta, Instant::now()) {
            Verdict::Old => {}
            Verdict::InSync => {
                known.rv = known.rv.max(meta.rv);
                if known.digest.is_some() && known.standing != Standing::InSync {
                    known.standing = Standing::InSync;
                    self.refresh_ready(id);
                }
            }
            Verdict::Look => {
                known.rv = meta.rv;
                known.busy = true;
                let version = Arc::clone(&known.version);
                self.look(id, version);
            }
            Verdict::Drift => {
                known.rv = meta.rv;
                let recreated = known.uid.is_some_and(|uid| uid != meta.uid);
                let claims = self.claims(id, meta);
                if !recreated && meta.own.is_some() && claims.lost.is_empty() && !claims.left.is_empty() {
                    self.leave(id, meta, &claims.left);
                } else {
                    self.drifted(id, claims.blame(recreated));
                }
            }
        }
    }

    /// Reads an object whole; a few at a time.
    pub(super) fn look(&mut self, id: &ObjectId, version: Arc<str>) {
        let job = self.target.clone().look(id.clone(), version);
        let looks = Arc::clone(&self.looks);
        self.jobs.spawn(async move {
            let _slot = looks.acquire().await;
            super::engine::Message::Object(job.await)
        });
    }

    /// An object is not as applied: noted, and corrected if policy says so.
    pub(super) fn drifted(&mut self, id: &ObjectId, reason: String) {
        let mode = self.drift_mode(id);
        let Some(known) = self.index.objects.get_mut(id) else { return };
        let news = known.standing != Standing::Drifted(reason.as_str().into());
        known.standing = Standing::Drifted(reason.as_str().into());
        self.refresh_ready(id);
        // An object that a run is about to apply anyway is no drift to speak of.
        if self.active.as_ref().is_some_and(|a| a.run.is_outstanding(id)) {
            self.want(id, true);
            return;
        }
        if mode != DriftMode::Correct || self.steering.suspend {
            if news && mode != DriftMode::Off {
                self.report_only(id, &reason);
            }
            return;
        }
        self.report.drift_seen(id, reason, Instant::now());
        self.want(id, true);
    }

    fn report_only(&mut self, id: &ObjectId, reason: &str) {
        tracing::warn!(object = %id, drift = %reason, "drift (reported, not corrected)");
        self.report.drift(id, &format!("not corrected: {reason}"));
        self.report.reported += 1;
        self.ledger.drift(id, reason, None);
        self.after(std::time::Duration::from_secs(1), Timer::Status);
    }

    /// What happens to an object's drift: a hold leaves it, else as policy says.
    pub(super) fn drift_mode(&self, id: &ObjectId) -> DriftMode {
        if self.held(id).is_some() { DriftMode::Report } else { self.drift_policy(id) }
    }

    /// What policy says of an object's drift: the `CloudSync` if it says anything, else Git.
    pub(super) fn drift_policy(&self, id: &ObjectId) -> DriftMode {
        self.steering.drift.or_else(|| self.desired.as_ref().map(|d| d.drift_mode(id))).unwrap_or_default()
    }

    pub(super) fn on_gone(&mut self, id: &ObjectId, meta: Box<Meta>) {
        let Some(known) = self.index.objects.get_mut(id) else {
            if self.orphans.remove(id) {
                self.report.due = true;
            }
            self.on_hook_gone(id, meta.uid);
            return;
        };
        if known.uid.is_some_and(|uid| uid != meta.uid) && !known.deleting {
            return;
        }
        if known.busy {
            known.held = Some((meta, true));
            return;
        }
        self.absent(id, &meta);
    }

    /// An object is gone, or lost the label by which it is watched.
    pub(super) fn absent(&mut self, id: &ObjectId, last: &Meta) {
        let Some(known) = self.index.objects.get_mut(id) else { return };
        if known.deleting {
            self.deleted(id);
            return;
        }
        if known.digest.is_none() {
            return;
        }
        // Our answer may be newer than this news (the object came back by our own apply).
        if last.rv < known.rv && known.uid != Some(last.uid) {
            return;
        }
        known.rv = known.rv.max(last.rv);
        let lost_label = last.cloud.as_deref() != Some(&*self.name) && !last.deleting;
        known.standing = Standing::Absent;
        self.refresh_ready(id);
        let reason = if lost_label { self.claims(id, last).blame(false) } else { "deleted".to_owned() };
        self.missing(id, reason);
    }

    fn missing(&mut self, id: &ObjectId, reason: String) {
        let mode = self.drift_mode(id);
        if self.desired.as_ref().is_none_or(|d| d.object(id).is_none()) {
            // Before the first render it is not known whether it is still wanted; the plan decides.
            return;
        }
        if self.index.objects.get(id).is_some_and(|k| self.adoption.hold_of(&k.app).is_some()) {
            // It is given back: its label has gone.
            return;
        }
        if mode != DriftMode::Correct || self.steering.suspend {
            if mode != DriftMode::Off {
                self.report_only(id, &reason);
            }
            return;
        }
        self.report.drift_seen(id, reason, Instant::now());
        self.want(id, true);
    }

    /// A kind's whole state has been told: what was not named is absent.
    fn on_synced(&mut self, resource: &Resource) {
        let key = (Arc::clone(&resource.group), Arc::clone(&resource.kind));
        let Some(watch) = self.watches.get_mut(&key) else { return };
        watch.synced = true;
        watch.failing = false;
        let round = watch.round;
        self.hooks_listed(&key.0, &key.1);
        self.report.due |= self.orphans.listed(&key.0, &key.1);
        self.unpark(&key);
        let missing: Vec<ObjectId> = self
            .index
            .objects
            .iter()
            .filter(|(id, k)| {
                id.group == key.0 && id.kind == key.1 && k.round != round && !k.busy && k.digest.is_some()
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in missing {
            let Some(known) = self.index.objects.get_mut(&id) else { continue };
            if known.deleting {
                self.deleted(&id);
                continue;
            }
            // Applied while the list was under way: its own event follows.
            if known.applied_at.is_some_and(|at| at.elapsed() < std::time::Duration::from_secs(5)) {
                continue;
            }
            known.standing = Standing::Absent;
            self.refresh_ready(&id);
            self.missing(&id, "deleted".to_owned());
        }
    }

    /// A labelled object that the inventory does not know. Ours only if the annotation names it and we applied it.
    fn on_stranger(&mut self, id: &ObjectId, meta: &Meta) {
        if meta.deleting || meta.own.is_none() {
            return;
        }
        if meta.owner.as_deref() != Some(&owner_value(&self.target.cloud_id, id)) {
            return;
        }
        let Some(app) = meta.app.as_deref() else { return };
        if let Some(from) = meta.own_annotations.get(super::teardown::ANNOTATION_ORPHAN) {
            self.orphans.insert(id, from);
            return;
        }
        // An app whose whole record is missing has lost its inventory. What a list shows, or what was noted and comes only after
        // it was taken for gone, is the write of a syncer that was killed with it in flight.
        let watch = self.watches.get(&(Arc::clone(&id.group), Arc::clone(&id.kind)));
        let late = watch.is_none_or(|w| !w.synced) || self.gone_unseen.remove(id);
        if !late && (self.memory.apps.contains_key(app) || self.scanned) {
            if self.orphans.insert(id, app) {
                tracing::info!(object = %id, "carries this cloud's marks and is not in its inventory: left alone");
                self.report.due = true;
            }
            return;
        }
        self.rebuild(id, app, meta);
        if self.planned {
            self.plan_again();
        }
    }

    /// Takes a lost object back into the inventory; nothing is pruned until all is compared.
    pub(super) fn rebuild(&mut self, id: &ObjectId, app: &str, meta: &Meta) {
        if !self.prune_frozen {
            tracing::warn!(object = %id, "objects of this cloud are not in its inventory: it is rebuilt from labels, and pruning is frozen until all is compared");
            self.prune_frozen = true;
        }
        let app: Arc<str> = app.into();
        let version = self
            .target
            .discovery
            .preferred(&id.group, &id.kind)
            .map_or_else(|| "v1".into(), |r| Arc::clone(&r.version));
        let mut known = super::index::Tracked::new(Arc::clone(&app), version);
        known.uid = Some(meta.uid);
        known.rv = meta.rv;
        known.keep = meta.keep;
        let record = self.memory.app(&app);
        known.shard = record.place();
        record.touch(id);
        self.index.objects.insert(id.clone(), known);
        self.ensure_watch(&Arc::clone(&id.group), &Arc::clone(&id.kind));
    }

    /// Takes an object out of inventory and index.
    pub(super) fn forget(&mut self, id: &ObjectId) {
        if let Some(known) = self.index.objects.remove(id) {
            self.memory.app(&known.app).remove(id, known.shard);
            if known.uid.is_none() && known.digest.is_none() {
                self.gone_unseen.insert(id.clone());
            }
            if let Some(set) = self.unready.get_mut(&known.app) {
                set.remove(id);
            }
        }
        self.retries.remove(id);
        self.settle_fight(id);
        self.report.forget(id);
        if let Some(active) = &mut self.active {
            active.run.applied(id);
        }
        self.dirty();
    }

    /// Brings an app's count of objects that are not ready up to date.
    pub(super) fn refresh_ready(&mut self, id: &ObjectId) {
        let Some(known) = self.index.objects.get(id) else { return };
        let Some((app, object)) = self.desired.as_ref().and_then(|d| d.object(id)) else { return };
        // What is held is told as held; nobody waits for it to become ready.
        let ready = (known.health == Health::Ready || desired_ignores(self.desired.as_deref(), app, id))
            && (known.digest == Some(object.digest) || self.sizes.withheld.contains_key(id))
            && !matches!(known.standing, Standing::Absent)
            || self.held(id).is_some();
        let set = self.unready.entry(Arc::clone(app)).or_default();
        if ready {
            set.remove(id);
        } else if !set.contains(id) {
            set.insert(id.clone());
        }
    }

    /// Lists every watched kind once and proves that no watch missed anything.
    pub(super) fn audit(&mut self) {
        let kinds: Vec<Resource> = self
            .watches
            .keys()
            .filter_map(|(group, kind)| self.target.discovery.preferred(group, kind).cloned())
            .collect();
        let client = self.target.client.clone();
        let selector = format!("{LABEL_CLOUD}={}", self.name);
        self.jobs.spawn(async move {
            let mut out = Vec::new();
            for resource in kinds {
                match watch::list_meta(&client, &resource, &selector).await {
                    Ok(list) => out.extend(list.into_iter().map(|meta| (id_of(&resource, &meta), meta))),
                    Err(error) => return super::engine::Message::Audited(Err(error)),
                }
            }
            super::engine::Message::Audited(Ok(out))
        });
        let every = self.steering.audit;
        self.after(every, Timer::Audit);
    }

    pub(super) fn on_audited(&mut self, result: Result<Vec<(ObjectId, Meta)>, crate::cluster::ApiError>) {
        let list = match result {
            Ok(list) => list,
            Err(error) => {
                tracing::warn!(%error, "the audit could not list everything; it comes again");
                return;
            }
        };
        let mut missed = 0;
        let mut named = std::collections::HashSet::with_capacity(list.len());
        for (id, meta) in list {
            if let Some(known) = self.index.objects.get(&id)
                && !known.busy
                && known.standing == Standing::InSync
                && matches!(verdict(known, &meta, Instant::now()), Verdict::Drift | Verdict::Look)
                && meta.rv > known.rv
            {
                missed += 1;
                self.judge(&id, &meta);
            }
            named.insert(id);
        }
        let absent: Vec<ObjectId> = self
            .index
            .objects
            .iter()
            .filter(|(id, k)| {
                k.standing == Standing::InSync
                    && !k.busy
                    && !named.contains(*id)
                    && self.watches.contains_key(&(Arc::clone(&id.group), Arc::clone(&id.kind)))
                    && k.applied_at.is_none_or(|at| at.elapsed() > std::time::Duration::from_secs(30))
            })
            .map(|(id, _)| id.clone())
            .collect();
        missed += absent.len();
        for id in absent {
            if let Some(known) = self.index.objects.get_mut(&id) {
                known.standing = Standing::Absent;
            }
            self.missing(&id, "deleted (found by the audit)".to_owned());
        }
        self.report.audit_missed += missed as u64;
        tracing::info!(objects = named.len(), missed, "audit");
    }
}
