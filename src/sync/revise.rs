//! What the engine does with revisions: plan, approvals, the run and its end.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::engine::{ActiveRun, Ended, Engine, Message, Timer};
use super::follow::{Desired, News};
use super::index::{Standing, Tracked};
use crate::apply::run::{Order, Readiness, Run, State};
use crate::cloud::ObjectId;
use crate::cluster::client::Client;
use crate::cluster::discovery::{Discovery, Resource};
use crate::cluster::error::ApiError;
use crate::cluster::meta::Meta;
use crate::cluster::objects::owner_value;
use crate::cluster::{LABEL_CLOUD, watch};
use crate::plan::{self, Facts, Live, Plan, Remembered, Verb};

/// What is in the cluster before the inventory knows anything.
#[derive(Debug)]
pub(super) struct Scan {
    /// Objects that carry this cloud's label and an annotation that names them.
    pub(super) ours: Vec<(ObjectId, Meta)>,
    /// Objects of the revision that exist and that retune never applied.
    pub(super) existing: Vec<ObjectId>,
}

impl Engine {
    /// A revision, or why there is none.
    pub(super) fn on_news(&mut self, news: News) {
        match news {
            News::Desired(desired) => {
                self.report.source_ok(&desired.revision.id);
                if self
                    .desired
                    .as_ref()
                    .is_some_and(|d| d.cloud.digest == desired.cloud.digest && d.policies_equal(&desired))
                    && self.active.is_none()
                {
                    // The same objects under another commit: nothing to do but to say so.
                    self.desired = Some(desired);
                    self.after_same_revision();
                    return;
                }
                self.desired = Some(Arc::clone(&desired));
                self.planned = false;
                self.plan_again();
            }
            News::Failing { revision, message } => {
                tracing::warn!(%message, "the last good revision stays enforced");
                self.report.source_failing(revision.as_deref(), &message);
                self.ledger.failed(revision.as_deref().unwrap_or(""), &message);
                self.request_done();
                if self.once {
                    self.ended = Some(Ended::Once(false));
                    self.stopping = true;
                }
            }
            News::Checked => {
                self.report.source_checked();
                self.carry_out_request();
            }
        }
        self.pump_status_soon();
    }

    fn pump_status_soon(&mut self) {
        self.after(std::time::Duration::from_millis(500), Timer::Status);
    }

    fn after_same_revision(&mut self) {
        if let Some(desired) = &self.desired {
            tracing::info!(revision = %desired.revision.short(), objects = self.index.objects.len(), "nothing to do: the same objects");
            self.report.enforced(&desired.revision.id);
            self.report.due = true;
        }
        self.request_done();
        if self.once {
            let ready = self.unready.values().all(HashSet::is_empty);
            self.ended = Some(Ended::Once(ready));
            self.stopping = true;
        }
    }

    /// Makes the plan anew from what is really there, and starts it. Unstarted work of the plan before is dropped; writes
    /// in flight finish and are taken in.
    pub(super) fn plan_again(&mut self) {
        let Some(desired) = self.desired.clone() else { return };
        if self.memory.apps.is_empty() && !self.scanned {
            self.scan(&desired);
            return;
        }
        self.queue.clear();
        self.urgent.clear();
        self.deletions.clear();
        self.hooks.clear();
        for known in self.index.objects.values_mut() {
            known.queued = false;
            known.wanted = false;
        }
        let facts = self.facts();
        let plan = plan::make(&desired.cloud, &facts);
        let uses_approval = plan.withheld.is_empty() && plan.approval.is_some();
        if uses_approval && let Some(digest) = plan.approval {
            tracing::info!(approval = %digest, "an approval is used");
            self.consuming = Some((desired, plan));
            self.consume(&digest.to_string());
            return;
        }
        self.start(desired, plan);
    }

    /// The approval is recorded as used: the plan may start.
    pub(super) fn on_consumed(&mut self, result: Result<(), ApiError>) {
        let Some((desired, plan)) = self.consuming.take() else { return };
        match result {
            Ok(()) if self.desired.as_ref().is_some_and(|d| Arc::ptr_eq(d, &desired)) => {
                self.start(desired, plan)
            }
            Ok(()) => self.plan_again(),
            Err(error) => {
                tracing::warn!(%error, "the approval could not be recorded as used: nothing guarded is done");
                self.report.forget_used(plan.approval.map(|d| d.to_string()));
                let again = plan::make(&desired.cloud, &Facts { approved: Vec::new(), ..self.facts() });
                self.start(desired, again);
            }
        }
    }

    fn facts(&self) -> Facts {
        let objects = self
            .index
            .objects
            .iter()
            .filter(|(_, k)| !k.deleting)
            .map(|(id, k)| {
                let live = match &k.standing {
                    Standing::Unknown => Live::Unknown,
                    Standing::InSync => Live::InSync,
                    Standing::Absent => Live::Absent,
                    Standing::Drifted(why) => Live::Drifted(why.to_string()),
                };
                (
                    id.clone(),
                    Remembered { app: Arc::clone(&k.app), digest: k.digest, uid: k.uid, keep: k.keep, live },
                )
            })
            .collect();
        let apps = self.memory.apps.iter().map(|(app, r)| (Arc::clone(app), r.facts())).collect();
        Facts {
            objects,
            apps,
            empty_crds: HashSet::new(),
            existing: self.existing.clone(),
            prune_frozen: self.prune_frozen,
            approved: self.approved(),
        }
    }

    /// Starts a plan.
    fn start(&mut self, desired: Arc<Desired>, plan: Plan) {
        let plan = Arc::new(plan);
        self.planned = true;
        self.report.plan(&plan);
        if !plan.withheld.is_empty()
            && let Some(digest) = plan.approval
        {
            tracing::warn!(actions = plan.withheld.len(), approve = %digest, "withheld until approved: retune approve {digest}");
            for held in plan.withheld.iter().take(20) {
                tracing::warn!(object = %held.action.id, app = %held.app, "withheld: {} {}", held.action.verb.as_str(), held.guard);
            }
        }
        // Watches begin with the first plan: drift found by them can then be blamed field by field.
        let kinds: BTreeSet<_> = desired
            .cloud
            .objects()
            .map(|o| (Arc::clone(&o.id.group), Arc::clone(&o.id.kind)))
            .chain(self.index.objects.keys().map(|id| (Arc::clone(&id.group), Arc::clone(&id.kind))))
            .collect();
        for (group, kind) in kinds {
            self.ensure_watch(&group, &kind);
        }
        // What is not as desired makes its app unready.
        self.unready.clear();
        for app in &desired.cloud.apps {
            let set = self.unready.entry(Arc::clone(&app.name)).or_default();
            for object in &app.objects {
                let ready = self.index.objects.get(&object.id).is_some_and(|k| {
                    (k.health == crate::health::Health::Ready
                        || super::observe::desired_ignores(Some(&desired), &app.name, &object.id))
                        && k.digest == Some(object.digest)
                        && k.standing != Standing::Absent
                });
                if !ready {
                    set.insert(object.id.clone());
                }
            }
        }
        let run = Run::new(&plan);
        for action in plan.apps.iter().flat_map(|a| &a.applies).filter(|a| a.verb == Verb::Correct) {
            // Found by the plan: told as drift when corrected.
            self.report.drift_seen(&action.id, action.reason.clone(), Instant::now());
        }
        if let Some(before) = self.active.take()
            && !before.run.is_over()
        {
            tracing::info!(revision = %desired.revision.short(), "a newer plan takes over");
        }
        self.active = Some(ActiveRun {
            run,
            plan,
            seen: desired.seen,
            app_started: HashMap::new(),
            applied_told: false,
            first_write: None,
            writes: 0,
            conflicts: Vec::new(),
        });
        self.advance();
    }

    fn readiness(&self, app: &str) -> Readiness {
        let Some(desired) = self.desired.as_ref().and_then(|d| d.cloud.app(app)) else {
            return Readiness::Ready;
        };
        if self.unready.get(app).is_none_or(HashSet::is_empty) {
            return Readiness::Ready;
        }
        // Reached once with this very render: stays a satisfied dependency.
        match self.memory.apps.get(app) {
            Some(record) if record.ready_render == Some(desired.digest) => Readiness::Ready,
            _ => Readiness::Waiting,
        }
    }

    fn established(&self, id: &ObjectId) -> bool {
        self.index.objects.get(id).is_some_and(|k| k.health == crate::health::Health::Ready)
            && self.target.discovery.serves_definition(&id.name)
    }

    /// Lets the run go on as far as it can.
    pub(super) fn advance(&mut self) {
        if self.steering.suspend {
            return;
        }
        let Some(mut active) = self.active.take() else { return };
        let orders = active.run.advance(&|app| self.readiness(app), &|id| self.established(id));
        self.active = Some(active);
        for order in orders {
            self.obey(order);
        }
        self.end_of_run();
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Record(app) => self.record(&app),
            Order::Apply(id) => {
                self.note_app_start(&id);
                self.want(&id, false);
            }
            Order::Delete(action) => {
                if self.index.objects.contains_key(&action.id) {
                    self.deletions.push_back(*action);
                } else if let Some(active) = &mut self.active {
                    active.run.applied(&action.id);
                }
            }
            Order::Release(id) => {
                tracing::info!(object = %id, "released: it stays in the cluster and is managed no more");
                self.forget(&id);
            }
            Order::Hooks(app, when) => self.run_hooks(&app, when),
            Order::AppApplied(app) => {
                let revision = self.desired.as_ref().map(|d| d.revision.id.clone()).unwrap_or_default();
                if let Some(digest) = self.desired.as_ref().and_then(|d| d.cloud.app(&app)).map(|a| a.digest)
                {
                    self.memory.app(&app).set_render(digest, &revision);
                    self.dirty();
                }
            }
            Order::AppReady(app) => {
                if let Some(digest) = self.desired.as_ref().and_then(|d| d.cloud.app(&app)).map(|a| a.digest)
                    && self.unready.get(&app).is_none_or(HashSet::is_empty)
                {
                    let record = self.memory.app(&app);
                    if record.render == Some(digest) {
                        record.set_ready(digest);
                        self.dirty();
                    }
                }
            }
        }
    }

    fn note_app_start(&mut self, id: &ObjectId) {
        let Some((app, timeout)) = self.desired.as_ref().and_then(|d| {
            let (app, _) = d.object(id)?;
            Some((Arc::clone(app), d.cloud.app(app)?.policy.timeout))
        }) else {
            return;
        };
        let Some(active) = &mut self.active else { return };
        if !active.app_started.contains_key(&app) {
            active.app_started.insert(Arc::clone(&app), Instant::now());
            self.after(timeout.duration(), Timer::AppTimeout(app));
        }
    }

    /// Puts an app's additions into the inventory before any of its objects is applied.
    fn record(&mut self, app: &Arc<str>) {
        let Some(desired) = self.desired.clone() else { return };
        let ids: Vec<ObjectId> = match self.active.as_ref().and_then(|a| a.run.app(app)) {
            Some(run) => run
                .plan
                .applies
                .iter()
                .filter(|a| matches!(a.verb, Verb::Create | Verb::Adopt))
                .map(|a| a.id.clone())
                .collect(),
            None => return,
        };
        for id in ids {
            let Some((_, object)) = desired.object(&id) else { continue };
            let before = self.index.objects.get(&id).map(|k| (Arc::clone(&k.app), k.shard));
            if let Some((old, shard)) = &before {
                if old == app {
                    self.memory.app(app).touch(&id);
                    continue;
                }
                self.memory.app(old).remove(&id, *shard);
                if let Some(set) = self.unready.get_mut(old) {
                    set.remove(&id);
                }
            }
            let record = self.memory.app(app);
            let shard = record.place();
            record.touch(&id);
            let known = self
                .index
                .objects
                .entry(id)
                .or_insert_with(|| Tracked::new(Arc::clone(app), object.version().into()));
            known.app = Arc::clone(app);
            known.shard = shard;
            if before.is_some() {
                // The label names the new app: it must be applied even if its text is the same.
                known.digest = None;
            }
        }
        self.recording.insert(Arc::clone(app));
    }

    /// An app did not become ready in time.
    pub(super) fn app_timeout(&mut self, app: &Arc<str>) {
        let Some(timeout) =
            self.desired.as_ref().and_then(|d| d.cloud.app(app)).map(|a| a.policy.timeout.duration())
        else {
            return;
        };
        let Some(active) = &mut self.active else { return };
        if active.app_started.get(app).is_none_or(|at| at.elapsed() < timeout) {
            return;
        }
        let Some(run) = active.run.apps.iter_mut().find(|a| a.plan.app == *app) else { return };
        if matches!(run.state, State::Done | State::Failed | State::Pruning) {
            return;
        }
        tracing::warn!(%app, seconds = timeout.as_secs(), "not ready within its timeout; it goes on, its dependants wait");
        self.report.timed_out(app);
        self.report.due = true;
    }

    /// Tells when everything is applied, and when everything is ready.
    fn end_of_run(&mut self) {
        let Some(active) = &mut self.active else { return };
        let Some(desired) = self.desired.clone() else { return };
        if active.run.is_applied() && !active.applied_told {
            active.applied_told = true;
            let failed: usize = active.run.apps.iter().map(|a| a.failed.len()).sum();
            let ms = active.seen.elapsed().as_secs_f64() * 1e3;
            tracing::info!(
                revision = %desired.revision.short(), plan = %active.plan.summary(), writes = active.writes,
                unchanged = active.plan.unchanged, failed, rendered_apps = desired.cloud.rendered,
                ms = (ms * 10.0).round() / 10.0,
                first_write_ms = active.first_write.map(|at| at.duration_since(active.seen).as_millis() as u64),
                "synced"
            );
            self.report.applied(&desired.revision, active, failed);
            self.report.due = true;
            if active.plan.withheld.is_empty() && failed == 0 && !self.existing.is_empty() {
                self.existing.clear();
            }
        }
        if !active.run.is_over() {
            return;
        }
        let failed: Vec<String> = active.run.apps.iter().flat_map(|a| a.failed.values().cloned()).collect();
        let ready = failed.is_empty() && self.unready.values().all(HashSet::is_empty);
        let record = crate::ledger::SyncRecord::of(
            &desired.revision,
            &active.plan,
            active.writes,
            &failed,
            active.seen.elapsed(),
            ready,
        );
        let (plan_empty, writes) = (active.plan.is_empty(), active.writes);
        let summary = active.plan.summary();
        let frozen_done = self.prune_frozen && failed.is_empty();
        let ms = active.seen.elapsed().as_millis() as u64;
        self.active = None;
        if !plan_empty || writes > 0 {
            tracing::info!(revision = %desired.revision.short(), ready, ms, "sync is over");
        }
        self.ledger.sync(&record);
        self.report.over(&desired.revision, ready, &failed);
        self.request_done();
        self.report.due = true;
        if writes > 0 {
            self.report.event(failed.is_empty(), &desired.revision, &summary);
            self.after(std::time::Duration::ZERO, Timer::Events);
        }
        if self.memory.is_dirty() {
            self.flush_at = Some(Instant::now());
        }
        let compared = self
            .index
            .objects
            .iter()
            .all(|(id, k)| k.digest.is_some() || k.deleting || desired.object(id).is_none());
        if frozen_done && compared {
            tracing::info!("all objects are compared: pruning is free again");
            self.prune_frozen = false;
            self.plan_again();
            return;
        }
        if self.once {
            self.ended = Some(Ended::Once(ready && !self.report.is_withheld()));
            self.stopping = true;
        }
    }

    /// Looks what is there before the first plan of a cloud whose inventory is empty.
    fn scan(&mut self, desired: &Arc<Desired>) {
        if self.scanning {
            return;
        }
        self.scanning = true;
        let first = self.cloudsync.status.synced_revision.is_empty();
        let client = self.target.client.clone();
        let discovery = Arc::clone(&self.target.discovery);
        let (name, cloud_id) = (Arc::clone(&self.name), Arc::clone(&self.target.cloud_id));
        let desired = Arc::clone(desired);
        self.jobs.spawn(async move {
            Message::Scanned(scan(&client, &discovery, &name, &cloud_id, first.then_some(&*desired)).await)
        });
    }

    pub(super) fn on_scanned(&mut self, result: Result<Scan, ApiError>) {
        self.scanning = false;
        match result {
            Err(error) => {
                tracing::warn!(%error, "what is in the cluster could not be listed whole; it is listed again");
                let wait = self.inventory_backoff.next(crate::cluster::error::jitter());
                self.slow_replan(wait);
            }
            Ok(scan) => {
                self.inventory_backoff.reset();
                for (id, meta) in &scan.ours {
                    if !self.index.objects.contains_key(id)
                        && let Some(app) = meta.app.as_deref()
                    {
                        self.rebuild(id, app, meta);
                    }
                }
                self.scanned = true;
                self.existing = if scan.ours.is_empty() { scan.existing } else { Vec::new() };
                self.plan_again();
            }
        }
    }

    fn slow_replan(&mut self, wait: std::time::Duration) {
        self.jobs.spawn(async move {
            tokio::time::sleep(wait).await;
            Message::Discovered(Err(ApiError::unreadable("listing", "again")))
        });
    }

    /// Asks discovery again, once at a time.
    pub(super) fn discover(&mut self) {
        if self.discovering {
            return;
        }
        self.discovering = true;
        let client = self.target.client.clone();
        self.jobs.spawn(async move { Message::Discovered(Discovery::fetch(&client).await) });
    }

    pub(super) fn on_discovered(&mut self, result: Result<Discovery, ApiError>) {
        match result {
            Ok(discovery) => {
                self.discovering = false;
                let discovery = Arc::new(discovery);
                self.target.discovery = Arc::clone(&discovery);
                self.follow.discovered(discovery);
                let kinds: BTreeSet<_> = self
                    .desired
                    .iter()
                    .flat_map(|d| {
                        d.cloud.objects().map(|o| (Arc::clone(&o.id.group), Arc::clone(&o.id.kind)))
                    })
                    .chain(self.index.objects.keys().map(|id| (Arc::clone(&id.group), Arc::clone(&id.kind))))
                    .collect();
                for (group, kind) in kinds {
                    self.ensure_watch(&group, &kind);
                }
                // A CRD that is established but not served yet: asked again soon.
                let waiting = self.index.objects.iter().any(|(id, k)| {
                    id.is("apiextensions.k8s.io", "CustomResourceDefinition")
                        && k.health == crate::health::Health::Ready
                        && !k.deleting
                        && !self.target.discovery.serves_definition(&id.name)
                });
                if waiting {
                    self.after(std::time::Duration::from_millis(100), Timer::Discover);
                }
                let retry: Vec<ObjectId> = self
                    .retries
                    .keys()
                    .filter(|id| self.target.discovery.preferred(&id.group, &id.kind).is_some())
                    .cloned()
                    .collect();
                for id in retry {
                    self.want(&id, true);
                }
            }
            Err(error) => {
                if self.discovering {
                    self.discovering = false;
                    tracing::warn!(%error, "discovery failed; it is asked again");
                    self.after(std::time::Duration::from_secs(1), Timer::Discover);
                }
                if !self.scanned
                    && self.desired.is_some()
                    && self.memory.apps.is_empty()
                    && self.active.is_none()
                {
                    self.plan_again();
                }
            }
        }
    }
}

/// Lists every kind by label, and (for a first sync) the revision's own kinds without.
pub(super) async fn scan(
    client: &Client,
    discovery: &Discovery,
    name: &str,
    cloud_id: &str,
    desired: Option<&Desired>,
) -> Result<Scan, ApiError> {
    use futures::{StreamExt, TryStreamExt};
    let selector = format!("{LABEL_CLOUD}={name}");
    let resources: Vec<Resource> = discovery.all().filter(|r| r.watchable).cloned().collect();
    let lists: Vec<Vec<(Resource, Meta)>> = futures::stream::iter(resources)
        .map(|resource| {
            let selector = &selector;
            async move {
                match watch::list_meta(client, &resource, selector).await {
                    Ok(list) => Ok(list.into_iter().map(|m| (resource.clone(), m)).collect()),
                    // A kind that went away, or that this user may not list, holds nothing of ours.
                    Err(error)
                        if matches!(
                            error.kind,
                            crate::cluster::ErrorKind::NotFound
                                | crate::cluster::ErrorKind::NotServing
                                | crate::cluster::ErrorKind::Denied
                        ) || error.status == 405 =>
                    {
                        Ok(Vec::new())
                    }
                    Err(error) => Err(error),
                }
            }
        })
        .buffer_unordered(8)
        .try_collect()
        .await?;
    let mut ours = Vec::new();
    for (resource, meta) in lists.into_iter().flatten() {
        let id = id_of(&resource, &meta);
        if !meta.deleting && meta.own.is_some() && meta.owner.as_deref() == Some(&owner_value(cloud_id, &id))
        {
            ours.push((id, meta));
        }
    }
    let mut existing = Vec::new();
    if let Some(desired) = desired.filter(|_| ours.is_empty()) {
        let kinds: BTreeSet<_> =
            desired.cloud.objects().map(|o| (Arc::clone(&o.id.group), Arc::clone(&o.id.kind))).collect();
        for (group, kind) in kinds {
            let Some(resource) = discovery.preferred(&group, &kind).filter(|r| r.watchable) else { continue };
            for meta in watch::list_meta(client, resource, "").await? {
                let id = id_of(resource, &meta);
                // A namespace is often made by hand first, and taking it over adds labels only.
                if desired.object(&id).is_some() && !id.is("", "Namespace") {
                    existing.push(id);
                }
            }
        }
        existing.sort();
    }
    Ok(Scan { ours, existing })
}

pub(super) fn id_of(resource: &Resource, meta: &Meta) -> ObjectId {
    ObjectId {
        group: Arc::clone(&resource.group),
        kind: Arc::clone(&resource.kind),
        namespace: (!meta.namespace.is_empty()).then(|| meta.namespace.as_str().into()),
        name: meta.name.as_str().into(),
    }
}
