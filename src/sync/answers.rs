//! What the engine does with the server's answers to its requests for objects.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{Engine, Timer};
use super::index::Standing;
use super::work::deletion;
use crate::apply::job::{Applied, recreatable};
use crate::cloud::ObjectId;
use crate::cluster::error::{ApiError, Backoff, ErrorKind, jitter};
use crate::cluster::fields;
use crate::health;

/// The longest pause between two tries of an object that is refused for now.
const RETRY_CAP: Duration = Duration::from_secs(30);

impl Engine {
    fn server_answers(&mut self) {
        if self.brake_backoff.attempts() > 0 {
            tracing::info!("the API server answers again");
            self.brake_backoff.reset();
        }
        self.brake = None;
    }

    pub(super) fn on_applied(&mut self, applied: Applied) {
        let Applied { id, digest, version, conflicts, left, took, result } = applied;
        match result {
            Ok(meta) => {
                self.server_answers();
                self.retries.remove(&id);
                let waits = self.waits_for_status(&id.group, &id.kind);
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
                let version = Arc::clone(&known.version);
                self.adopted(&id, &version);
                self.memory.app(&app).touch(&id);
                self.dirty();
                self.refresh_ready(&id);
                for (field, manager) in &left {
                    tracing::info!(object = %id, %field, %manager, "left to its operator");
                }
                self.report.left(&id, left);
                self.note_overrides(&id, &meta);
                for cause in &conflicts {
                    tracing::info!(object = %id, field = %cause.field, "took a field: {}", cause.message);
                }
                if id.is("", "Namespace") {
                    self.namespace_is_there(&id.name);
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

    fn apply_failed(&mut self, id: &ObjectId, mut error: ApiError) {
        // The server may quote what it refuses.
        let app = self.desired.as_ref().and_then(|d| d.cloud.app(d.object(id)?.0));
        error.message = app.map_or(error.message.clone(), |a| a.secrets.mask(&error.message));
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
            ErrorKind::Immutable if self.may_recreate(id) => {
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
                    .or_insert_with(|| Backoff::new(Duration::from_millis(base), RETRY_CAP));
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
                self.object_failed(id, message);
                self.report.due = true;
            }
        }
    }

    fn may_recreate(&self, id: &ObjectId) -> bool {
        let desired = self.desired.as_ref();
        let policy = desired.and_then(|d| d.app(d.object(id)?.0)).map(|a| &a.policy.recreate);
        policy.is_some_and(|policy| recreatable(id, policy))
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
            text.push_str("; delete the object by hand if it may go, give it a new name, or let spec.recreate of its app name it");
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

    pub(super) fn on_deleted(&mut self, id: &ObjectId, recreate: bool, result: Result<bool, ApiError>) {
        match result {
            Ok(gone) => {
                self.server_answers();
                let Some(known) = self.index.objects.get_mut(id) else { return };
                if recreate {
                    known.own = None;
                    known.wanted = true;
                } else if gone || !self.watches.contains_key(&(Arc::clone(&id.group), Arc::clone(&id.kind))) {
                    self.deleted(id);
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

    pub(super) fn on_looked(&mut self, id: &ObjectId, result: Result<Option<serde_json::Value>, ApiError>) {
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
                let mut body = self.target.body(object, app);
                let contested = self.desired.as_ref().map(|d| d.contested(id)).unwrap_or_default();
                let taken = fields::taken(&body, &contested, &meta.entries);
                let places: Vec<_> = taken.iter().map(|t| t.place.clone()).collect();
                crate::plan::yields::remove(&mut body, &places);
                let differences = fields::differences(&body, &live);
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
