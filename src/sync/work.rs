//! What the engine does with jobs: starting what may start, and taking in what they report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{Engine, Message, SLOTS, Timer};
use super::fight::Decision;
use super::index::Standing;
use super::memory::ShardWrite;
use crate::apply::job::{Applied, Done, recreatable};
use crate::cloud::ObjectId;
use crate::cluster::client::Client;
use crate::cluster::error::{ApiError, Backoff, ErrorKind, jitter};
use crate::cluster::{fields, state};
use crate::health;
use crate::plan::Verb;

/// How many inventory writes are in flight at most.
const INVENTORY_SLOTS: usize = 8;

/// How long the inventory may wait while objects are being applied.
const FLUSH_WHILE_APPLYING: Duration = Duration::from_secs(15);

/// Writes shards one after another.
pub(super) async fn write_shards(
    client: Client,
    cloud: Arc<str>,
    writes: Vec<ShardWrite>,
) -> Vec<(ShardWrite, Result<(), ApiError>)> {
    let mut out = Vec::with_capacity(writes.len());
    for write in writes {
        let result = if write.delete {
            state::delete_inventory(&client, &write.name).await
        } else {
            state::merge_inventory(&client, &cloud, &write.name, &write.spec).await
        };
        out.push((write, result));
    }
    out
}

impl Engine {
    /// An object is to be applied; `urgent` before what a run has queued.
    pub(super) fn want(&mut self, id: &ObjectId, urgent: bool) {
        let Some(known) = self.index.objects.get_mut(id) else { return };
        if known.deleting {
            return;
        }
        known.wanted = true;
        if !known.busy && !known.queued {
            known.queued = true;
            if urgent { self.urgent.push_back(id.clone()) } else { self.queue.push_back(id.clone()) }
        }
    }

    /// The inventory has something to write: soon, together with what else comes.
    pub(super) fn dirty(&mut self) {
        if self.flush_at.is_none() {
            let at = Instant::now() + Duration::from_secs(1);
            self.flush_at = Some(at);
            self.after(Duration::from_secs(1), Timer::Flush);
            self.after(FLUSH_WHILE_APPLYING + Duration::from_secs(1), Timer::Flush);
        }
    }

    /// Starts everything that may start now.
    pub(super) fn pump(&mut self) {
        if !self.stopping {
            self.advance();
            self.dispatch();
        }
        self.flush_inventory();
        self.flush_status();
    }

    fn may_write(&mut self) -> bool {
        if self.steering.suspend {
            return false;
        }
        if !self.leadership.holds() {
            self.after(Duration::from_millis(300), Timer::Pump);
            return false;
        }
        if let Some(until) = self.brake {
            if Instant::now() < until {
                return false;
            }
            self.brake = None;
        }
        true
    }

    fn dispatch(&mut self) {
        if self.urgent.is_empty() && self.queue.is_empty() && self.deletions.is_empty() || !self.may_write() {
            return;
        }
        // While the server fails, one request at a time asks whether it is back.
        let slots = if self.brake_backoff.attempts() > 0 { 1 } else { SLOTS };
        while self.in_flight < slots {
            let Some(id) = self.urgent.pop_front().or_else(|| self.queue.pop_front()) else { break };
            self.start_apply(&id);
        }
        while self.in_flight < slots {
            let Some(action) = self.deletions.pop_front() else { break };
            self.start_delete(&action.id, false);
        }
    }

    fn start_apply(&mut self, id: &ObjectId) {
        let Some(known) = self.index.objects.get_mut(id) else { return };
        known.queued = false;
        if known.busy {
            return;
        }
        known.wanted = false;
        let Some((app, object)) = self.desired.as_ref().and_then(|d| d.object(id)) else { return };
        let in_run = self.active.as_ref().is_some_and(|a| a.run.is_outstanding(id));
        let changed = known.digest != Some(object.digest);
        if changed && !in_run {
            // Its turn in the run comes (dependencies, phases); a correction to text that was never applied does not.
            return;
        }
        let correction = !changed;
        if correction && known.standing == Standing::InSync && known.own.is_some() && !in_run {
            // Somebody put it back meanwhile.
            return;
        }
        if correction && !in_run {
            if let Decision::Wait { until } = self.fights.ask(id, Instant::now()) {
                self.report.fighting(id, &known.standing);
                self.timers.push(std::cmp::Reverse((until, Timer::Retry(id.clone()))));
                return;
            }
        } else if changed {
            self.fights.settle(id);
        }
        known.busy = true;
        let policy_forces =
            self.desired.as_ref().and_then(|d| d.cloud.app(app)).is_none_or(|a| a.policy.force_conflicts);
        let force = self.steering.force && policy_forces;
        let yielded = self.desired.as_ref().and_then(|d| d.yielded(id)).cloned();
        let job =
            self.target.clone().apply(object.clone(), Arc::clone(app), correction && force, force, yielded);
        self.in_flight += 1;
        if let Some(active) = &mut self.active {
            active.writes += 1;
            active.first_write.get_or_insert_with(Instant::now);
        }
        self.jobs.spawn(async move { Message::Object(job.await) });
    }

    fn start_delete(&mut self, id: &ObjectId, recreate: bool) {
        let Some(known) = self.index.objects.get_mut(id) else { return };
        if known.busy {
            return;
        }
        let Some(uid) = known.uid.filter(|_| known.standing != Standing::Absent) else {
            if recreate {
                self.want(id, true)
            } else {
                self.forget(id)
            }
            return;
        };
        known.busy = true;
        let rv = (known.rv > 0 && !recreate).then_some(known.rv);
        let job = self.target.clone().delete(id.clone(), Arc::clone(&known.version), uid, rv, recreate);
        self.in_flight += 1;
        if let Some(active) = &mut self.active {
            active.writes += 1;
        }
        self.jobs.spawn(async move { Message::Object(job.await) });
    }

    pub(super) fn on_done(&mut self, done: Done) {
        let id = match &done {
            Done::Applied(applied) => applied.id.clone(),
            Done::Deleted { id, .. } | Done::Looked { id, .. } => id.clone(),
        };
        if let Some(known) = self.index.objects.get_mut(&id) {
            known.busy = false;
        }
        match done {
            Done::Applied(applied) => {
                self.in_flight -= 1;
                self.on_applied(*applied);
            }
            Done::Deleted { id, recreate, result } => {
                self.in_flight -= 1;
                self.on_deleted(&id, recreate, result);
            }
            Done::Looked { id, result } => self.on_looked(&id, result),
        }
        let Some(known) = self.index.objects.get_mut(&id) else { return };
        if known.busy {
            return;
        }
        if let Some((meta, gone)) = known.held.take() {
            if gone { self.on_gone(&id, meta) } else { self.judge(&id, &meta) }
        }
        // A write that was asked for meanwhile.
        if let Some(known) = self.index.objects.get_mut(&id)
            && known.wanted
            && !known.busy
            && !known.queued
        {
            known.queued = true;
            self.urgent.push_back(id);
        }
    }

    fn server_answers(&mut self) {
        if self.brake_backoff.attempts() > 0 {
            tracing::info!("the API server answers again");
            self.brake_backoff.reset();
        }
        self.brake = None;
    }

    fn on_applied(&mut self, applied: Applied) {
        let Applied { id, digest, version, conflicts, took, result } = applied;
        match result {
            Ok(meta) => {
                self.server_answers();
                self.retries.remove(&id);
                let waits = health::has_rule(&id.group, &id.kind);
                let Some(known) = self.index.objects.get_mut(&id) else { return };
                let correction = known.digest == Some(digest);
                let (uid_before, rv_before) = (known.uid, known.rv);
                known.set_baseline(digest, version, &meta, waits);
                let desired = self.desired.as_ref().and_then(|d| d.object(&id));
                let (is_known, is_desired) =
                    (desired.is_some(), desired.is_some_and(|(_, object)| object.digest == digest));
                if let Some((_, object)) = desired.filter(|_| is_desired) {
                    known.keep = keeps(object);
                }
                let app = Arc::clone(&known.app);
                self.memory.app(&app).touch(&id);
                self.dirty();
                self.refresh_ready(&id);
                for cause in &conflicts {
                    tracing::info!(object = %id, field = %cause.field, "took a field: {}", cause.message);
                }
                if let Some(active) = &mut self.active {
                    active
                        .conflicts
                        .extend(conflicts.iter().map(|c| format!("{id} {}: {}", c.field, c.message)));
                    if is_desired {
                        active.run.applied(&id);
                    }
                }
                if correction && uid_before == Some(meta.uid) && rv_before == meta.rv {
                    // The server found nothing to change: what looked different is its way to write the same.
                    self.report.drift_taken(&id);
                } else if correction {
                    self.corrected(&id, took, uid_before == Some(meta.uid));
                }
                if !is_desired && is_known {
                    self.want(&id, false);
                }
            }
            Err(error) => self.apply_failed(&id, error),
        }
    }

    fn corrected(&mut self, id: &ObjectId, took: Duration, same_uid: bool) {
        if let Some((mut reason, since)) = self.report.drift_taken(id) {
            if reason == "deleted" && same_uid {
                // The watch says "deleted" for both; the uid tells.
                reason = format!("label {} removed", crate::cluster::LABEL_CLOUD);
            }
            let ms = since.elapsed().as_secs_f64() * 1e3;
            tracing::info!(object = %id, drift = %reason, ms = (ms * 10.0).round() / 10.0,
                write_ms = (took.as_secs_f64() * 1e4).round() / 10.0, "drift corrected");
            self.report.drift(id, &format!("corrected: {reason}"));
            self.report.corrections += 1;
            self.report.corrected_since_event += 1;
            self.ledger.drift(id, &reason, Some(since.elapsed()));
            self.after(Duration::from_secs(1), Timer::Status);
            if self.report.corrected_since_event == 1 {
                self.after(Duration::from_secs(5), Timer::Events);
            }
        }
    }

    fn apply_failed(&mut self, id: &ObjectId, error: ApiError) {
        let Some(known) = self.index.objects.get_mut(id) else { return };
        known.message = Some(format!("{}: {}", error.kind.as_str(), error.message).into());
        match error.kind {
            ErrorKind::Transient | ErrorKind::LostResponse => {
                self.slow_down(&error);
                if let Some(known) = self.index.objects.get_mut(id)
                    && !known.queued
                {
                    known.wanted = true;
                    known.queued = true;
                    self.urgent.push_front(id.clone());
                }
            }
            ErrorKind::Immutable if recreatable(id) => {
                self.server_answers();
                tracing::info!(object = %id, "a field cannot be changed in place: deleted and created again");
                self.start_delete(id, true);
            }
            ErrorKind::NotServing | ErrorKind::Denied => {
                self.server_answers();
                let base = if error.kind == ErrorKind::Denied { 5_000 } else { 100 };
                let backoff = self
                    .retries
                    .entry(id.clone())
                    .or_insert_with(|| Backoff::new(Duration::from_millis(base), Duration::from_secs(30)));
                let wait = backoff.next(jitter());
                if backoff.attempts() == 1 || backoff.attempts().is_power_of_two() {
                    tracing::warn!(object = %id, %error, retry_ms = wait.as_millis() as u64, attempt = backoff.attempts(), "retried");
                }
                self.after(wait, Timer::Retry(id.clone()));
                if error.status == 0 || error.message.contains("could not find the requested resource") {
                    self.discover();
                }
            }
            _ => {
                self.server_answers();
                let message = self.explain(id, &error);
                tracing::error!(object = %id, %error, "refused");
                if let Some(known) = self.index.objects.get_mut(id) {
                    known.message = Some(message.as_str().into());
                    known.health = health::Health::Failed;
                }
                self.refresh_ready(id);
                if let Some(active) = &mut self.active {
                    active.run.failed(id, message);
                }
                self.report.due = true;
            }
        }
    }

    /// The server's refusal with the place the object came from.
    fn explain(&self, id: &ObjectId, error: &ApiError) -> String {
        let origin = self
            .desired
            .as_ref()
            .and_then(|d| d.object(id))
            .map(|(_, object)| format!("{}: ", object.origin))
            .unwrap_or_default();
        let mut text = format!("{origin}{id}: {} ({})", error.message, error.kind.as_str());
        if error.kind == ErrorKind::Immutable {
            text.push_str("; delete the object by hand if it may go, or give it a new name");
        }
        text
    }

    /// The server does not answer as it should: everything waits a little, then one request asks.
    fn slow_down(&mut self, error: &ApiError) {
        use std::sync::atomic::Ordering;
        self.target.client.counts().retries.fetch_add(1, Ordering::Relaxed);
        if self.brake.is_none_or(|until| Instant::now() >= until) {
            let wait = self.brake_backoff.next(jitter()).max(error.retry_after.unwrap_or_default());
            if self.brake_backoff.attempts().is_power_of_two() {
                tracing::warn!(%error, wait_ms = wait.as_millis() as u64, "the API server does not answer as it should");
            }
            self.brake = Some(Instant::now() + wait);
            self.after(wait, Timer::Pump);
        }
    }

    fn on_deleted(&mut self, id: &ObjectId, recreate: bool, result: Result<bool, ApiError>) {
        match result {
            Ok(gone) => {
                self.server_answers();
                let Some(known) = self.index.objects.get_mut(id) else { return };
                if recreate {
                    known.own = None;
                    known.wanted = true;
                } else if gone || !self.watches.contains_key(&(Arc::clone(&id.group), Arc::clone(&id.kind))) {
                    self.forget(id);
                } else {
                    known.deleting = true;
                }
            }
            Err(error) if error.kind == ErrorKind::Conflict => {
                // It changed since it was looked at. A newer event brings its version; another uid is another object.
                let version = self.index.objects.get(id).map(|k| Arc::clone(&k.version)).unwrap_or_default();
                if recreate {
                    self.want(id, true);
                } else if let Some(known) = self.index.objects.get_mut(id) {
                    known.rv = 0;
                    known.busy = true;
                    self.look(id, version);
                }
            }
            Err(error) => {
                if matches!(error.kind, ErrorKind::Transient | ErrorKind::LostResponse) {
                    self.slow_down(&error);
                } else {
                    tracing::error!(object = %id, %error, "could not be deleted");
                }
                if let Some(known) = self.index.objects.get_mut(id) {
                    known.message = Some(error.to_string().into());
                }
                if error.kind.is_retried() && !recreate {
                    self.deletions.push_back(deletion(id));
                } else if recreate {
                    self.after(Duration::from_secs(1), Timer::Retry(id.clone()));
                } else if let Some(active) = &mut self.active {
                    active.run.failed(id, error.to_string());
                }
            }
        }
    }

    fn on_looked(&mut self, id: &ObjectId, result: Result<Option<serde_json::Value>, ApiError>) {
        let Some(known) = self.index.objects.get_mut(id) else { return };
        let pruning = self.active.as_ref().is_some_and(|a| a.run.is_outstanding(id))
            && self.desired.as_ref().is_none_or(|d| d.object(id).is_none());
        match result {
            Err(error) => {
                tracing::warn!(object = %id, %error, "could not be looked at; looked at again");
                known.standing = Standing::Drifted("could not be looked at".into());
                self.after(Duration::from_secs(2), Timer::Retry(id.clone()));
                if pruning {
                    self.deletions.push_back(deletion(id));
                }
            }
            Ok(None) if pruning => self.forget(id),
            Ok(None) => {
                known.standing = Standing::Absent;
                self.refresh_ready(id);
                self.report.drift_seen(id, "deleted".into(), Instant::now());
                self.want(id, true);
            }
            Ok(Some(live)) => {
                let text = live.to_string();
                let Ok(meta) = crate::cluster::meta::Meta::read("look", text.as_bytes()) else { return };
                known.rv = known.rv.max(meta.rv);
                if pruning {
                    if known.uid == Some(meta.uid) && !meta.deleting {
                        self.deletions.push_back(deletion(id));
                    } else if known.uid == Some(meta.uid) {
                        known.deleting = true;
                    } else {
                        self.forget(id);
                    }
                    return;
                }
                let Some((app, object)) = self.desired.as_ref().and_then(|d| d.object(id)) else { return };
                if known.digest != Some(object.digest) {
                    // The run applies it.
                    return;
                }
                let differences = fields::differences(&self.target.body(object, app), &live);
                if differences.is_empty() {
                    known.own = meta.own;
                    known.generation = meta.generation;
                    known.standing = Standing::InSync;
                    let app = Arc::clone(&known.app);
                    self.memory.app(&app).touch(id);
                    self.dirty();
                    self.refresh_ready(id);
                } else {
                    let reason = format!(
                        "{} changed by an apply as {}",
                        differences.join(", "),
                        crate::cluster::MANAGER
                    );
                    self.drifted(id, reason);
                }
            }
        }
    }

    /// Starts inventory writes that are due.
    fn flush_inventory(&mut self) {
        if !self.leadership.holds() || self.inventory_busy.len() >= INVENTORY_SLOTS {
            return;
        }
        // Additions first: objects wait for them.
        let recording: Vec<Arc<str>> =
            self.recording.iter().filter(|a| !self.inventory_busy.contains(*a)).cloned().collect();
        for app in recording {
            if self.inventory_busy.len() >= INVENTORY_SLOTS {
                return;
            }
            self.write_inventory(&app);
        }
        // While objects are being applied the shards rest: writing them costs the server more than a crash would (what was
        // applied and is not noted is applied again, which changes nothing).
        let applying = self.active.as_ref().is_some_and(|a| !a.run.is_applied()) && !self.steering.suspend;
        let settled = self.in_flight == 0 && !applying && self.active.is_some();
        let patience = if applying && !self.flush_urgent { FLUSH_WHILE_APPLYING } else { Duration::ZERO };
        let due =
            self.flush_urgent || settled || self.flush_at.is_some_and(|at| Instant::now() >= at + patience);
        if !self.memory.is_dirty() {
            self.flush_at = None;
            self.flush_urgent = false;
            return;
        }
        if !due {
            return;
        }
        let apps: Vec<Arc<str>> = self
            .memory
            .apps
            .iter()
            .filter(|(app, record)| record.is_dirty() && !self.inventory_busy.contains(*app))
            .map(|(app, _)| Arc::clone(app))
            .collect();
        for app in apps {
            if self.inventory_busy.len() >= INVENTORY_SLOTS {
                self.dirty();
                return;
            }
            self.write_inventory(&app);
        }
        self.flush_at = None;
        self.flush_urgent = false;
    }

    fn write_inventory(&mut self, app: &Arc<str>) {
        let writes = self.memory.take_writes(&self.name, Some(app), &self.index);
        self.inventory_busy.insert(Arc::clone(app));
        let (client, cloud) = (self.target.client.clone(), Arc::clone(&self.name));
        let app = Arc::clone(app);
        self.jobs.spawn(async move {
            let mut results = write_shards(client, cloud, writes).await;
            if results.is_empty() {
                // Nothing to write: tell the app all the same.
                let nothing = ShardWrite {
                    name: String::new(),
                    spec: serde_json::Value::Null,
                    ids: Vec::new(),
                    delete: false,
                    app,
                };
                results.push((nothing, Ok(())));
            }
            Message::Inventory(results)
        });
    }

    pub(super) fn on_inventory(&mut self, results: Vec<(ShardWrite, Result<(), ApiError>)>) {
        let Some(app) = results.first().map(|(w, _)| Arc::clone(&w.app)) else { return };
        self.inventory_busy.remove(&app);
        let mut failed = false;
        for (write, result) in results {
            match result {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(inventory = %write.name, %error, "could not be written; written again");
                    failed = true;
                    self.memory.failed(write, &self.index);
                }
            }
        }
        if failed {
            let wait = self.inventory_backoff.next(jitter());
            self.inventory_busy.insert(Arc::clone(&app));
            // The app is free again after the wait.
            let app = Arc::clone(&app);
            self.jobs.spawn(async move {
                tokio::time::sleep(wait).await;
                let nothing = ShardWrite {
                    name: String::new(),
                    spec: serde_json::Value::Null,
                    ids: Vec::new(),
                    delete: false,
                    app,
                };
                Message::Inventory(vec![(nothing, Ok(()))])
            });
            self.dirty();
            return;
        }
        self.inventory_backoff.reset();
        let still_dirty = self.memory.apps.get(&app).is_some_and(super::memory::AppRecord::is_dirty);
        if self.recording.contains(&app) && !still_dirty {
            self.recording.remove(&app);
            if let Some(active) = &mut self.active {
                active.run.recorded(&app);
            }
        }
    }
}

/// A deletion of an object, as the queue holds it.
pub(super) fn deletion(id: &ObjectId) -> crate::plan::Action {
    crate::plan::Action {
        id: id.clone(),
        verb: Verb::Prune,
        phase: crate::plan::order::phase(id),
        reason: String::new(),
        digest: None,
        uid: None,
    }
}

/// `helm.sh/resource-policy: keep`, or retune's own annotation of the same meaning.
fn keeps(object: &crate::cloud::Object) -> bool {
    if !object.body.contains("resource-policy") && !object.body.contains("retune.dev/prune") {
        return false;
    }
    let body = object.json();
    let annotation = |name: &str| {
        body.pointer("/metadata/annotations")
            .and_then(|a| a.get(name))
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned)
    };
    annotation("helm.sh/resource-policy").is_some_and(|v| v.trim().eq_ignore_ascii_case("keep"))
        || annotation("retune.dev/prune").is_some_and(|v| v == "never")
}
