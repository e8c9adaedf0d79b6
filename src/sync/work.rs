//! What the engine does with jobs: starting what may start, and taking their reports to where they belong.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{Engine, Message, SLOTS, Timer};
use super::fight::Decision;
use super::index::Standing;
use crate::apply::job::Done;
use crate::apply::job::Others;
use crate::cloud::ObjectId;
use crate::plan::Verb;

impl Engine {
    /// An object is to be applied: `urgent` (drift, a retry) or for a run.
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

    /// Starts everything that may start now.
    pub(super) fn pump(&mut self) {
        if !self.stopping {
            self.advance();
            self.advance_test();
            self.advance_undoing();
            self.end_if_empty();
            self.dispatch();
        }
        self.tend_nodes();
        self.flush_inventory();
        self.flush_status();
    }

    pub(super) fn may_write(&mut self) -> bool {
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
            // By turns: neither does a storm of drift hold up a commit, nor the other way round.
            self.run_first = !self.run_first;
            let (first, second) = if self.run_first {
                (&mut self.queue, &mut self.urgent)
            } else {
                (&mut self.urgent, &mut self.queue)
            };
            let Some(id) = first.pop_front().or_else(|| second.pop_front()) else { break };
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
        if known.uid.is_some() && known.standing == Standing::Unknown && self.may_be_held(id) {
            self.parked.push(id.clone());
            return;
        }
        if self.keep_hands_off(id) {
            return;
        }
        let Some(known) = self.index.objects.get_mut(id) else { return };
        let Some((_, object)) = self.desired.as_ref().and_then(|d| d.object(id)) else { return };
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
            if let Decision::Wait { until, first } = self.fights.ask(id, Instant::now()) {
                if first {
                    self.fighting(id, until);
                }
                return;
            }
        }
        if changed && self.fights.settle(id) {
            self.report.settled(id, "Git says otherwise now");
        }
        let Some(known) = self.index.objects.get_mut(id) else { return };
        let Some((app, object)) = self.desired.as_ref().and_then(|d| d.object(id)) else { return };
        known.busy = true;
        let known_new = known.digest.is_none();
        let former = changed && known.digest.is_some() && known.former.unwrap_or(true);
        let policy_forces =
            self.desired.as_ref().and_then(|d| d.app(app)).is_none_or(|a| a.policy.force_conflicts);
        let force = self.steering.force && policy_forces;
        let others = self.desired.as_ref().map(|d| d.others(id)).unwrap_or_default();
        let others = Others { former, adopt: known_new, ..others };
        let job =
            self.target.clone().apply(object.clone(), Arc::clone(app), correction && force, force, others);
        self.in_flight += 1;
        if let Some(active) = &mut self.active {
            active.writes += 1;
            active.first_write.get_or_insert_with(Instant::now);
        }
        self.jobs.spawn(async move { Message::Object(job.await) });
    }

    /// Whether an object is held; a run that wanted it goes on without.
    fn keep_hands_off(&mut self, id: &ObjectId) -> bool {
        let Some(hold) = self.held(id).map(ToString::to_string) else { return false };
        let changes = self.index.objects.get(id).is_some_and(|k| {
            self.desired
                .as_ref()
                .and_then(|d| d.object(id))
                .is_some_and(|(_, object)| k.digest != Some(object.digest))
        });
        let app = self.active.as_mut().and_then(|a| a.run.skip(id, changes));
        if let Some(app) = app {
            tracing::info!(object = %id, %app, %hold, "left alone");
            if changes {
                self.incomplete.insert(app);
            }
        }
        self.refresh_ready(id);
        true
    }

    /// What waited for a kind's watch to tell of holds may go on.
    pub(super) fn unpark(&mut self, kind: &(Arc<str>, Arc<str>)) {
        let (go, stay): (Vec<_>, Vec<_>) = std::mem::take(&mut self.parked)
            .into_iter()
            .partition(|id| id.group == kind.0 && id.kind == kind.1);
        self.parked = stay;
        for id in go {
            self.want(&id, false);
        }
    }

    pub(super) fn start_delete(&mut self, id: &ObjectId, recreate: bool) {
        if self.keep_hands_off(id) {
            return;
        }
        let Some(known) = self.index.objects.get_mut(id) else { return };
        if known.busy {
            return;
        }
        if known.uid.is_none() || known.standing == Standing::Absent {
            if recreate {
                self.want(id, true)
            } else {
                self.forget(id)
            }
            return;
        }
        known.busy = true;
        if recreate || !self.recounts(id) {
            self.start_delete_now(id, recreate);
        }
    }

    /// The request itself, after all that is asked before it.
    pub(super) fn start_delete_now(&mut self, id: &ObjectId, recreate: bool) {
        let Some(known) = self.index.objects.get_mut(id) else { return };
        let Some(uid) = known.uid else { return };
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
        self.take_in_held(&id);
    }

    /// What came about an object while a request for it was under way.
    pub(super) fn take_in_held(&mut self, id: &ObjectId) {
        let Some(known) = self.index.objects.get_mut(id) else { return };
        if known.busy {
            return;
        }
        if let Some((meta, gone)) = known.held.take() {
            if gone { self.on_gone(id, meta) } else { self.judge(id, &meta) }
        }
        // A write that was asked for meanwhile.
        if let Some(known) = self.index.objects.get_mut(id)
            && known.wanted
            && !known.busy
            && !known.queued
        {
            known.queued = true;
            self.urgent.push_back(id.clone());
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
