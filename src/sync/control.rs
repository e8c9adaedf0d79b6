//! What the engine does with changes of its `CloudSync`: suspend, pin, approvals, requests.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::mpsc;

use super::engine::{Ended, Engine, Message, Steering, Timer};
use super::follow::Order;
use crate::cloud::Digest;
use crate::cloud::spec::DriftMode;
use crate::cluster::client::Client;
use crate::cluster::crd::{Approval, CloudSync};
use crate::cluster::watch::{self, Event, Notice, WatchSpec};
use crate::cluster::{SYSTEM_NAMESPACE, fields, state, time};

/// How often everything is listed once, unless the `CloudSync` says otherwise.
const AUDIT: Duration = Duration::from_secs(3_600);

/// A change of the `CloudSync`.
#[derive(Debug)]
pub enum Change {
    /// As it is now.
    Is(Box<CloudSync>),
    /// It was deleted.
    Gone,
}

/// Watches one `CloudSync` and tells its changes.
pub async fn watch_cloudsync(client: Client, name: String, out: mpsc::Sender<Change>) {
    let (notices, mut inbox) = mpsc::channel::<Notice<Box<CloudSync>>>(16);
    let digest: watch::Digest<Box<CloudSync>> =
        Arc::new(|object| serde_json::from_str::<CloudSync>(object.get()).ok().map(Box::new));
    let spec = WatchSpec {
        resource: state::cloudsync_resource(),
        namespace: SYSTEM_NAMESPACE.to_owned(),
        selector: String::new(),
        field_selector: format!("metadata.name={name}"),
        digest: Some(digest),
    };
    let task = tokio::spawn(watch::run(client, spec, notices));
    let mut named = false;
    while let Some(notice) = inbox.recv().await {
        let change = match notice.event {
            Event::Restarted => {
                named = false;
                continue;
            }
            Event::Applied(_, Some(cloudsync)) => {
                named = true;
                Change::Is(cloudsync)
            }
            Event::Deleted(_) => Change::Gone,
            Event::Synced if !named => Change::Gone,
            _ => continue,
        };
        if out.send(change).await.is_err() {
            break;
        }
    }
    task.abort();
}

/// `90s`, `5m`, `1h30m`.
#[must_use]
pub fn duration(text: &str) -> Option<Duration> {
    let mut total = 0_u64;
    let mut number = String::new();
    for c in text.trim().chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let n: u64 = number.parse().ok()?;
        number.clear();
        total += n * match c {
            'h' => 3_600,
            'm' => 60,
            's' => 1,
            _ => return None,
        };
    }
    if !number.is_empty() {
        total += number.parse::<u64>().ok()?;
    }
    (total > 0).then(|| Duration::from_secs(total))
}

impl Engine {
    pub(super) fn on_control(&mut self, change: Change) {
        match change {
            Change::Gone => {
                tracing::warn!(cloudsync = %self.name, "the CloudSync was deleted: nothing of the cloud is touched, and nothing is kept in tune any more");
                self.ended.get_or_insert(Ended::CloudSyncGone);
                self.stopping = true;
            }
            Change::Is(cloudsync) => {
                self.steer(*cloudsync);
            }
        }
    }

    /// Takes the spec in.
    pub(super) fn steer(&mut self, cloudsync: CloudSync) {
        let spec = &cloudsync.spec;
        let before = std::mem::take(&mut self.steering);
        let none = std::collections::BTreeMap::new();
        self.steering = Steering {
            suspend: spec.suspend,
            pin: spec.pin.as_ref().map(|p| p.revision.clone()),
            drift: match spec.drift.as_deref() {
                Some("report") => Some(DriftMode::Report),
                Some("off") => Some(DriftMode::Off),
                Some("correct") => Some(DriftMode::Correct),
                _ => None,
            },
            force: spec.force_conflicts.unwrap_or(true),
            request: spec.request.clone(),
            generation: cloudsync.metadata.generation,
            audit: spec.audit_interval.as_deref().and_then(duration).unwrap_or(AUDIT),
        };
        let approvals_changed = self.cloudsync.spec.approvals != spec.approvals;
        let source_changed =
            self.cloudsync.spec.source != spec.source || self.cloudsync.spec.profile != spec.profile;
        let holds_changed = if before.generation == 0 {
            !spec.holds.is_empty()
        } else {
            self.cloudsync.spec.holds != spec.holds
        };
        let pins_changed = before.generation != 0 && self.cloudsync.spec.pins != spec.pins;
        let interval_changed = self.cloudsync.spec.interval != spec.interval;
        let adopt_before = std::mem::take(&mut self.cloudsync.spec.adopt);
        let first = before.generation == 0;
        self.cloudsync.spec = cloudsync.spec;
        let adopts = self.take_adoptions(if first { &none } else { &adopt_before });
        self.cloudsync.metadata = cloudsync.metadata;
        self.mind_the_end();
        self.ask_test();
        self.ask_rotation();
        let now = &self.steering;
        if before.generation == now.generation && before.generation != 0 {
            return;
        }
        self.report.due = true;
        if source_changed && before.generation != 0 {
            tracing::info!(repo = %self.cloudsync.spec.source.repo, profile = %self.cloudsync.spec.profile, "another source or profile: beginning anew with it");
            self.ended.get_or_insert(Ended::Respecified);
            self.stopping = true;
            return;
        }
        if before.pin != now.pin {
            match &now.pin {
                Some(pin) => tracing::info!(%pin, "pinned"),
                None => tracing::info!("no pin: the branch is followed"),
            }
            self.follow.order(Order::Pin(now.pin.clone()));
        }
        if interval_changed && let Some(interval) = self.cloudsync.spec.interval.as_deref().and_then(duration)
        {
            self.follow.order(Order::Interval(interval));
        }
        if before.suspend != self.steering.suspend {
            tracing::info!(suspend = self.steering.suspend, "suspended or resumed");
            if !self.steering.suspend && before.generation != 0 {
                self.plan_again();
            }
        }
        if before.drift != self.steering.drift && before.generation != 0 {
            self.plan_again();
        }
        if pins_changed {
            let pins =
                self.cloudsync.spec.pins.iter().map(|(app, p)| (app.clone(), p.revision.clone())).collect();
            self.follow.order(Order::Pins(pins));
        }
        if holds_changed {
            self.declare_holds();
            if before.generation != 0 {
                self.plan_again();
            }
        }
        if let Some(request) = self.steering.request.clone()
            && self.report.status.handled_request != request.id
            && self.requested.as_ref() != Some(&request)
        {
            tracing::info!(request = %request.id, app = request.app.as_deref(), "a sync was asked for");
            self.requested = Some(request);
            self.carried_out = false;
            self.follow.order(Order::Now);
        }
        if approvals_changed && self.report.is_withheld() || adopts && !first {
            self.plan_again();
        }
        self.limit_approvals();
        self.after(Duration::from_millis(20), Timer::Status);
    }

    /// The source has answered a request: everything is compared anew, what failed or waits for a retry is tried now.
    pub(super) fn carry_out_request(&mut self) {
        if self.requested.is_none() {
            return;
        }
        self.brake = None;
        self.carried_out = true;
        if let Some(app) = self.requested.as_ref().and_then(|r| r.app.clone()) {
            self.carry_out_for_app(&app.into());
            return;
        }
        self.retries.clear();
        self.app_retries.clear();
        self.retry_hooks(None);
        if self.desired.is_some() && !self.steering.suspend {
            self.plan_again();
        } else {
            self.request_done();
        }
    }

    /// As [`Engine::carry_out_request`], for one app: what waits for a retry is tried now, what failed begins again.
    fn carry_out_for_app(&mut self, app: &Arc<str>) {
        if self.desired.is_none() || self.steering.suspend {
            self.request_done();
            return;
        }
        self.app_retries.remove(app);
        self.retry_hooks(Some(app));
        let waiting: Vec<_> = self
            .retries
            .keys()
            .filter(|id| self.index.objects.get(*id).is_some_and(|k| k.app == *app))
            .cloned()
            .collect();
        for id in waiting {
            self.retries.remove(&id);
            self.fights.settle(&id);
            self.want(&id, true);
        }
        self.retry_app(app);
        if self.active.is_none() {
            self.request_done();
        }
    }

    /// A request was carried out, or cannot be now.
    pub(super) fn request_done(&mut self) {
        if let Some(request) = self.requested.take() {
            self.report.status.handled_request = request.id;
            self.report.due = true;
        }
    }

    /// The digests that are approved now: not expired, not used before.
    pub(super) fn approved(&self) -> Vec<Digest> {
        let Some(withheld) = &self.report.status.withheld else { return Vec::new() };
        let Ok(pending) = withheld.digest.parse::<Digest>() else { return Vec::new() };
        if self.is_approved(&withheld.digest) { vec![pending] } else { Vec::new() }
    }

    /// Whether there is an approval of a digest that has not expired and was not used before.
    pub(super) fn is_approved(&self, digest: &str) -> bool {
        let now = time::now_seconds();
        let valid = |a: &Approval| {
            // A time that cannot be read has passed.
            let expired = a
                .expires
                .as_deref()
                .is_some_and(|text| fields::epoch_seconds(text).is_none_or(|at| at < now));
            let bare = a.digest.strip_prefix("sha256:").unwrap_or(&a.digest);
            let names = bare.len() >= 12 && digest.trim_start_matches("sha256:").starts_with(bare);
            names && !expired && !self.report.status.used_approvals.iter().any(|used| used == digest)
        };
        self.cloudsync.spec.approvals.iter().any(valid)
    }

    /// An approval that does not say when it ends (plain kubectl), and is not used right now, ends in an hour.
    fn limit_approvals(&mut self) {
        let open = |a: &Approval| a.expires.is_none();
        if self.consuming.is_some() || !self.cloudsync.spec.approvals.iter().any(open) {
            return;
        }
        let end = time::rfc3339(time::now_seconds() + 3_600);
        let limited: Vec<Approval> = self
            .cloudsync
            .spec
            .approvals
            .iter()
            .map(|a| Approval { expires: a.expires.clone().or_else(|| Some(end.clone())), ..a.clone() })
            .collect();
        let (client, name) = (self.target.client.clone(), self.name.to_string());
        self.jobs.spawn(async move {
            let patch = json!({"approvals": limited});
            Message::Event(state::patch_cloudsync_spec(&client, &name, &patch).await.map(|_| ()))
        });
    }

    /// Records an approval as used and takes it out of the spec, before anything is done with it.
    pub(super) fn consume(&mut self, digest: &str) {
        let rest = self.use_approval(digest);
        let patch = json!({"approvals": rest});
        let (client, name) = (self.target.client.clone(), self.name.to_string());
        let status = self.report.status.clone();
        self.jobs.spawn(async move {
            let result = match state::put_cloudsync_status(&client, &name, &status).await {
                Ok(()) => state::patch_cloudsync_spec(&client, &name, &patch).await.map(|_| ()),
                Err(error) => Err(error),
            };
            Message::Consumed(result)
        });
    }

    /// Notes in the status that an approval is used; gives the approvals that are left for the spec.
    pub(super) fn use_approval(&mut self, digest: &str) -> Vec<Approval> {
        self.report.status.used_approvals.push(digest.to_owned());
        let excess = self.report.status.used_approvals.len().saturating_sub(50);
        self.report.status.used_approvals.drain(..excess);
        let bare = digest.trim_start_matches("sha256:");
        self.cloudsync
            .spec
            .approvals
            .iter()
            .filter(|a| !bare.starts_with(a.digest.trim_start_matches("sha256:")))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read() {
        assert_eq!(duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("1h30m"), Some(Duration::from_secs(5_400)));
        assert_eq!(duration("soon"), None);
        assert_eq!(duration(""), None);
    }
}
