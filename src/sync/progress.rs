//! What the engine does with a run under way: the orders it gives, timeouts, its end.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{Ended, Engine, Timer};
use super::follow::Desired;
use super::index::{Standing, Tracked};
use crate::apply::run::{Order, Readiness, State};
use crate::cloud::{AppState, ObjectId};
use crate::cluster::error::{Backoff, jitter};
use crate::ledger::{self, SyncRecord};
use crate::plan::Verb;
use crate::plan::hooks::{DueHook, key};

/// The first pause before a failed app is tried again by itself, and the longest.
const APP_RETRY: Duration = Duration::from_secs(15);
const APP_RETRY_CAP: Duration = Duration::from_secs(600);

impl Engine {
    pub(super) fn readiness(&self, app: &str) -> Readiness {
        let Some(desired) = self.desired.as_ref().and_then(|d| d.app(app)) else {
            return Readiness::Ready;
        };
        if matches!(desired.state, AppState::Pending(_)) {
            return Readiness::Waiting;
        }
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
        active.run.hold_back(self.apps_without_secrets());
        let orders = active.run.advance(&|app| self.readiness(app), &|id| self.established(id));
        self.active = Some(active);
        for order in orders {
            self.obey(order);
        }
        self.end_of_run();
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Record(app) => {
                let noted = self.active.as_ref().is_some_and(|a| a.ahead.contains(&app));
                if !noted {
                    self.record(&app);
                } else if let Some(at) = self.ahead.iter().position(|a| *a == app) {
                    self.ahead.remove(at);
                    self.recording.insert(app);
                }
            }
            Order::RecordAhead(app) => {
                self.note_additions(&app);
                if let Some(active) = &mut self.active {
                    active.ahead.insert(Arc::clone(&app));
                }
                self.ahead.push_back(app);
            }
            Order::Apply(id) => {
                self.note_app_start(&id);
                // What drifted and is found by the plan waits with other drift, not before the commit's own changes.
                let digest =
                    self.desired.as_ref().and_then(|d| d.object(&id)).map(|(_, object)| object.digest);
                let drift =
                    self.index.objects.get(&id).is_some_and(|k| k.digest.is_some() && k.digest == digest);
                self.want(&id, drift);
            }
            Order::Delete(action) => {
                if let Some(known) = self.index.objects.get(&action.id) {
                    // One that is on its way out already is waited for.
                    if !known.deleting {
                        self.deletions.push_back(*action);
                    }
                } else if let Some(active) = &mut self.active {
                    active.run.applied(&action.id);
                }
            }
            Order::Release(id) => {
                self.release(&id);
            }
            Order::Hooks(app, when) => self.run_hooks(&app, when),
            Order::AppRemoved(app) => self.app_removed(&app),
            // What is held is missing: the app is not as its revision says.
            Order::AppApplied(app) | Order::AppReady(app) if self.incomplete.contains(&app) => {
                tracing::info!(%app, "applied but for what is held");
            }
            Order::AppApplied(app) => {
                let revision = self.desired.as_ref().map(|d| d.revision.id.clone()).unwrap_or_default();
                if let Some(digest) = self.desired.as_ref().and_then(|d| d.app(&app)).map(|a| a.digest) {
                    let revision = self
                        .desired
                        .as_ref()
                        .and_then(|d| d.pins.get(&app))
                        .map_or(revision, |pinned| pinned.id.clone());
                    self.memory.app(&app).set_render(digest, &revision);
                    self.end_operation(&app);
                    self.adopted_app(&app);
                    self.dirty();
                }
            }
            Order::AppReady(app) if self.adoption.unadopted.contains_key(&app) => {}
            Order::AppReady(app) => {
                self.app_retries.remove(&app);
                if let Some(digest) = self.desired.as_ref().and_then(|d| d.app(&app)).map(|a| a.digest)
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
            Some((Arc::clone(app), d.app(app)?.policy.timeout))
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
        self.note_additions(app);
        self.recording.insert(Arc::clone(app));
    }

    fn note_additions(&mut self, app: &Arc<str>) {
        let Some(desired) = self.desired.clone() else { return };
        if let Some(hooks) = self.adoption.hooks_of(app) {
            self.memory.app(app).install(hooks);
        }
        let operation = self.active.as_ref().and_then(|a| a.run.app(app)).and_then(|r| {
            // Without hooks there is nothing to remember.
            r.plan.operation.filter(|_| !r.plan.hooks.is_empty() || r.plan.removed)
        });
        if let Some(operation) = operation {
            self.begin_operation(app, operation);
        }
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
    }

    /// An object failed for good: its app is tried again by itself, less and less often.
    pub(super) fn object_failed(&mut self, id: &ObjectId, message: String) {
        let Some(active) = &mut self.active else { return };
        active.run.failed(id, message);
        let Some(app) = self.index.objects.get(id).map(|k| Arc::clone(&k.app)) else { return };
        let timer = Timer::RetryApp(Arc::clone(&app));
        if self.timers.iter().any(|std::cmp::Reverse((_, t))| *t == timer) {
            return;
        }
        let backoff = self.app_retries.entry(app).or_insert_with(|| Backoff::new(APP_RETRY, APP_RETRY_CAP));
        let wait = backoff.next(jitter());
        self.after(wait, timer);
    }

    /// Tries a failed app again, with what is still to be done; an app under way is left alone.
    pub(super) fn retry_app(&mut self, app: &Arc<str>) {
        if self.steering.suspend {
            return;
        }
        let Some(desired) = self.desired.clone() else { return };
        let Some(active) = &mut self.active else {
            self.plan_app(app);
            return;
        };
        let objects = &self.index.objects;
        let still = |id: &ObjectId| {
            let object = desired.object(id).map(|(_, object)| object.digest);
            objects.get(id).is_none_or(|k| {
                k.digest != object || matches!(k.standing, Standing::Drifted(_) | Standing::Absent)
            })
        };
        let done = self.memory.apps.get(app).map(|r| &r.hooks);
        let due = |hook: &DueHook| done.and_then(|d| d.get(&key(&hook.id))) != Some(&hook.digest);
        if active.run.retry(app, &still, &due) {
            active.stalled = false;
            tracing::info!(%app, "tried again");
        }
    }

    /// An app did not become ready in time.
    pub(super) fn app_timeout(&mut self, app: &Arc<str>) {
        let Some(timeout) =
            self.desired.as_ref().and_then(|d| d.app(app)).map(|a| a.policy.timeout.duration())
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
        }
        if !active.run.is_over() {
            self.requested_app_done();
            self.stalled();
            return;
        }
        let failed: Vec<String> = active.run.apps.iter().flat_map(|a| a.failed.values().cloned()).collect();
        let ready = failed.is_empty()
            && self.unready.values().all(HashSet::is_empty)
            && self.adoption.unadopted.is_empty();
        let (plan_empty, writes) = (active.plan.is_empty(), active.writes);
        let summary = active.plan.summary();
        let frozen_done = self.prune_frozen && failed.is_empty();
        let ms = active.seen.elapsed().as_millis() as u64;
        self.write_down(&desired, &failed, ready);
        self.active = None;
        if !plan_empty || writes > 0 {
            tracing::info!(revision = %desired.revision.short(), ready, ms, "sync is over");
        }
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
        if self.once && !self.adoption.is_busy() {
            // Whether all is ready is looked at when the watches have told: a sync with nothing to do is over before.
            let done = failed.is_empty() && self.adoption.unadopted.is_empty() && !self.report.is_withheld();
            self.ended = Some(Ended::Once(done));
            self.after(super::engine::WATCHES_TELL, Timer::Pump);
            self.stopping = true;
        }
    }

    /// The run's entry in the ledger.
    fn write_down(&mut self, desired: &Desired, failed: &[String], ready: bool) {
        let Some(active) = &self.active else { return };
        let took = active.seen.elapsed();
        let secrets = std::mem::take(&mut self.secrets.told);
        let mut record = SyncRecord::of(&desired.revision, &active.plan, active.writes, failed, took, ready);
        record.actions.extend(secrets);
        record.inputs = ledger::inputs(&desired.cloud);
        record.values = ledger::values(&desired.cloud);
        record.cluster.clone_from(&self.cloudsync.status.cluster);
        record.resource_version = self.leadership.highest();
        self.ledger.sync(&record);
    }

    /// A request for one app ends with that app, however the others stand.
    fn requested_app_done(&mut self) {
        let requested = self.requested.as_ref().filter(|_| self.carried_out);
        let Some(app) = requested.and_then(|r| r.app.as_deref()) else { return };
        let Some(active) = &self.active else { return };
        let over = active.run.app(app).is_none_or(|a| matches!(a.state, State::Done | State::Failed));
        if over || self.report.is_timed_out(app) {
            self.request_done();
        }
    }

    /// Nothing moves without help: whoever waits for the end of the sync is told so. What becomes ready later is taken up.
    fn stalled(&mut self) {
        let Some(active) = &mut self.active else { return };
        let failed = active.run.apps.iter().any(|a| a.state == State::Failed);
        let stuck = active.run.apps.iter().any(|a| self.secrets.is_stuck(&a.plan.app));
        let pending = active.run.apps.iter().filter(|a| !a.plan.pending.is_empty()).count();
        if active.stalled || !failed && !stuck && pending == 0 && !self.report.any_timed_out() {
            return;
        }
        let (report, secrets) = (&self.report, &self.secrets);
        if !active.run.is_stalled(&|app| report.is_timed_out(app) || secrets.is_stuck(app)) {
            return;
        }
        active.stalled = true;
        let failed: Vec<String> = active.run.apps.iter().flat_map(|a| a.failed.values().cloned()).collect();
        let waiting = active.run.apps.iter().filter(|a| a.state == State::Waiting).count();
        tracing::warn!(
            failed = failed.len(),
            pending,
            waiting = waiting - pending,
            "the sync stands still: apps that failed or wait for live inputs hold up those that depend on them"
        );
        if let Some(desired) = self.desired.clone() {
            self.report.over(&desired.revision, false, &failed);
            if pending > 0 {
                // It may stand for long, and what was done is worth an entry.
                self.write_down(&desired, &failed, false);
            }
        }
        self.request_done();
        self.report.due = true;
        self.after(Duration::ZERO, Timer::Events);
        if self.once {
            self.ended = Some(Ended::Once(false));
            self.stopping = true;
        }
    }
}
