//! What happens to an app as a whole (install, upgrade, rollback, delete), and what is remembered of it while it is under
//! way, so that a syncer that was killed runs no hook twice. Pure.
//!
//! The record lives in the app's `Inventory`. It is written before the first hook of an operation, with each hook's start
//! and end, and closed together with the digest of the render that is live from then on.

use serde::{Deserialize, Serialize};

use super::hooks::When;
use crate::cloud::{Digest, ObjectId};

/// What happens to an app as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// It was never applied whole.
    Install,
    /// Its render differs from the one applied.
    Upgrade,
    /// Its render is one that was live before.
    Rollback,
    /// Git has it no more.
    Delete,
}

/// An operation under way; the default is: none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OperationRecord {
    /// The how-manieth operation of the app this is, or the last one was.
    #[serde(default)]
    pub number: u32,
    /// What it is; `None` when it is over.
    #[serde(default)]
    pub kind: Option<Operation>,
    /// The render it leads to; empty for a deletion.
    #[serde(default)]
    pub to: String,
    /// How often failed hooks of it were asked to run again.
    #[serde(default)]
    pub attempt: u32,
    /// Hooks of it that succeeded.
    #[serde(default)]
    pub done: Vec<DoneStep>,
    /// The hook that is being run.
    #[serde(default)]
    pub started: Option<StartedStep>,
    /// Hooks of it that failed.
    #[serde(default)]
    pub failed: Vec<FailedStep>,
    /// Objects of succeeded hooks that are still to be deleted, by [`super::hooks::key`].
    #[serde(default)]
    pub clean_up: Vec<String>,
}

/// A hook that succeeded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DoneStep {
    /// Which, see [`step`].
    pub step: String,
    /// The digest it ran with.
    pub digest: String,
}

/// A hook whose object is being created or exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedStep {
    /// Which, see [`step`].
    pub step: String,
    /// What its object's annotation says.
    pub mark: String,
    /// When that was noted, seconds since the epoch.
    pub at: i64,
}

/// A hook that failed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedStep {
    /// Which, see [`step`].
    pub step: String,
    /// Why, with the last lines of its log.
    pub message: String,
}

/// A hook at its place before or after the objects: an object may be a hook of both.
#[must_use]
pub fn step(id: &ObjectId, when: When) -> String {
    format!("{}#{}", super::hooks::key(id), when.as_str())
}

impl OperationRecord {
    /// The operation that a render calls for, or `None` when it is the applied one and nothing is under way.
    ///
    /// An upgrade that did not come to its end and is taken back is a rollback: its hooks may have run. Something whose
    /// deletion began and that Git has again is installed.
    #[must_use]
    pub fn operation(&self, applied: Option<Digest>, past: &[String], render: Digest) -> Option<Operation> {
        if self.kind == Some(Operation::Delete) {
            return Some(Operation::Install);
        }
        match applied {
            None => Some(Operation::Install),
            Some(applied) if applied == render => self.kind.is_some().then_some(Operation::Rollback),
            Some(_) if past.contains(&render.to_string()) => Some(Operation::Rollback),
            Some(_) => Some(Operation::Upgrade),
        }
    }

    /// The record of an operation that begins, or that goes on (after a restart, or to a newer revision). What failed on
    /// the way to another render is tried again.
    #[must_use]
    pub fn begun(&self, kind: Operation, to: &str) -> Self {
        if self.kind != Some(kind) {
            // What is still to be deleted stays so, whatever comes next.
            let clean_up = self.clean_up.clone();
            let number = self.number.wrapping_add(1);
            return Self { number, kind: Some(kind), to: to.to_owned(), clean_up, ..Self::default() };
        }
        let mut next = self.clone();
        if next.to != to {
            next.to = to.to_owned();
            next.retry();
        }
        next
    }

    /// Lets failed hooks run again; whether there were any.
    pub fn retry(&mut self) -> bool {
        if self.failed.is_empty() {
            return false;
        }
        self.failed.clear();
        self.attempt = self.attempt.wrapping_add(1);
        true
    }

    /// It is over.
    pub fn finish(&mut self) {
        let clean_up = std::mem::take(&mut self.clean_up);
        *self = Self { number: self.number, clean_up, ..Self::default() };
    }

    /// Notes that a hook is about to be created.
    pub fn hook_started(&mut self, step: String, mark: String, at: i64) {
        self.started = Some(StartedStep { step, mark, at });
    }

    /// Notes that a hook succeeded; `clean_up` names its object if that is to be deleted.
    pub fn hook_done(&mut self, step: &str, digest: &str, clean_up: Option<String>) {
        self.started = None;
        self.failed.retain(|f| f.step != step);
        self.done.retain(|d| d.step != step);
        self.done.push(DoneStep { step: step.to_owned(), digest: digest.to_owned() });
        self.clean_up.extend(clean_up);
    }

    /// Notes that a hook failed.
    pub fn hook_failed(&mut self, step: &str, message: &str) {
        self.started = None;
        self.failed.retain(|f| f.step != step);
        self.failed.push(FailedStep { step: step.to_owned(), message: message.to_owned() });
    }

    /// Whether a hook succeeded in this operation, with that digest or (`None`) any.
    #[must_use]
    pub fn is_done(&self, step: &str, digest: Option<&str>) -> bool {
        self.kind.is_some()
            && self.done.iter().any(|d| d.step == step && digest.is_none_or(|want| d.digest == want))
    }

    /// Why a hook failed in this operation.
    #[must_use]
    pub fn failure(&self, step: &str) -> Option<&str> {
        self.failed.iter().find(|f| f.step == step).map(|f| f.message.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn install_upgrade_and_rollback_are_told_by_renders() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let none = OperationRecord::default();
        assert_eq!(none.operation(None, &[], a), Some(Operation::Install));
        assert_eq!(none.operation(Some(a), &[], a), None);
        assert_eq!(none.operation(Some(a), &[], b), Some(Operation::Upgrade));
        assert_eq!(none.operation(Some(a), &[b.to_string()], b), Some(Operation::Rollback));
    }

    #[test]
    fn an_upgrade_taken_back_halfway_is_a_rollback_and_a_deletion_taken_back_an_install() {
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        let upgrade = OperationRecord::default().begun(Operation::Upgrade, &b.to_string());
        assert_eq!(upgrade.operation(Some(a), &[], a), Some(Operation::Rollback));
        let rollback = upgrade.begun(Operation::Rollback, &a.to_string());
        assert_eq!(rollback.number, 2);
        assert_eq!(
            rollback.operation(Some(a), &[], a),
            Some(Operation::Rollback),
            "it goes on after a restart"
        );
        let delete = OperationRecord::default().begun(Operation::Delete, "");
        assert_eq!(delete.operation(Some(a), &[], a), Some(Operation::Install));
    }

    #[test]
    fn what_was_done_survives_a_newer_revision_and_what_failed_is_tried_again_by_it() {
        let mut record = OperationRecord::default().begun(Operation::Install, "r1");
        record.hook_done("x#pre", "d1", Some("x".into()));
        record.hook_failed("y#post", "no");
        assert_eq!(record.begun(Operation::Install, "r1"), record, "a restart changes nothing");
        let next = record.begun(Operation::Install, "r2");
        assert!(next.is_done("x#pre", Some("d1")) && next.failure("y#post").is_none());
        assert_eq!((next.number, next.attempt), (1, 1));
        let mut over = next;
        over.finish();
        assert!(!over.is_done("x#pre", None));
        assert_eq!(over.clean_up, ["x"], "deletions that are due survive the end");
    }
}
