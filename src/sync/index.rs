//! The live index: a few dozen bytes per object, and the verdict on each event. Pure.
//!
//! The baseline of an object is what the server answered to retune's own apply. `docs/engine.md` and
//! `tests/it/drift.rs` have every way of changing a field and the verdict it must give.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::cloud::{Digest, ObjectId};
use crate::cluster::fields::OwnSet;
use crate::cluster::leftovers::any_former;
use crate::cluster::meta::{Meta, Uid};
use crate::health::{Health, Verdict as HealthVerdict};

/// How an object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// No watch has told yet.
    Unknown,
    /// As last applied.
    InSync,
    /// Not as last applied; why.
    Drifted(Box<str>),
    /// Not there.
    Absent,
}

/// What is known of one managed object.
#[derive(Debug)]
pub struct Tracked {
    /// The app it was applied for.
    pub app: Arc<str>,
    /// The API version it was applied at.
    pub version: Arc<str>,
    /// The digest last applied; `None` before the first apply, or when it is not known.
    pub digest: Option<Digest>,
    /// The uid after that apply.
    pub uid: Option<Uid>,
    /// retune's own field set after that apply.
    pub own: Option<OwnSet>,
    /// The generation after that apply, or after the last look that found it in sync.
    pub generation: i64,
    /// The newest resourceVersion seen.
    pub rv: u64,
    /// How it stands.
    pub standing: Standing,
    /// Its readiness, and what it waits for.
    pub health: Health,
    /// What it waits for or what is wrong.
    pub message: Option<Box<str>>,
    /// Health verdicts of older resourceVersions do not count (they speak of the state before our apply).
    pub health_from: u64,
    /// The resourceVersion of the last health verdict.
    pub health_rv: u64,
    /// Whether a tool of earlier days owns some of its fields; `None` when that is not known.
    pub former: Option<bool>,
    /// Never deleted.
    pub keep: bool,
    /// It was deleted by retune and is waited for to be gone.
    pub deleting: bool,
    /// A write or a look is in flight.
    pub busy: bool,
    /// A write is wanted as soon as none is in flight.
    pub wanted: bool,
    /// It stands in a queue.
    pub queued: bool,
    /// The newest event that came while a write was in flight, and whether it said that the object is gone.
    pub held: Option<(Box<Meta>, bool)>,
    /// When retune last applied it, by the local clock.
    pub applied_at: Option<Instant>,
    /// The last relist that named it.
    pub round: u32,
    /// The inventory shard that holds it.
    pub shard: u16,
}

impl Tracked {
    /// An object that is about to be applied for the first time.
    #[must_use]
    pub fn new(app: Arc<str>, version: Arc<str>) -> Self {
        Self {
            app,
            version,
            digest: None,
            uid: None,
            own: None,
            generation: 0,
            rv: 0,
            standing: Standing::Unknown,
            health: Health::Progressing,
            message: None,
            health_from: 0,
            health_rv: 0,
            former: None,
            keep: false,
            deleting: false,
            busy: false,
            wanted: false,
            queued: false,
            held: None,
            applied_at: None,
            round: 0,
            shard: 0,
        }
    }

    /// Takes the answer to our own apply as the new baseline.
    pub fn set_baseline(&mut self, digest: Digest, version: Arc<str>, meta: &Meta, waits_for_status: bool) {
        let unchanged = self.uid == Some(meta.uid) && self.rv == meta.rv;
        self.digest = Some(digest);
        self.version = version;
        self.uid = Some(meta.uid);
        self.own = meta.own;
        self.former = Some(any_former(&meta.entries));
        self.generation = meta.generation;
        self.standing = Standing::InSync;
        self.applied_at = Some(Instant::now());
        if !waits_for_status {
            self.health = Health::Ready;
            self.message = None;
        } else if !unchanged && self.health_from < meta.rv {
            // The event of this very write brings the verdict, unless it came before this answer.
            if self.health_rv < meta.rv {
                self.health = Health::Progressing;
                self.message = Some("was applied just now".into());
            }
            self.health_from = meta.rv;
        }
        self.rv = self.rv.max(meta.rv);
    }

    /// Takes a health verdict seen at a resourceVersion. Whether readiness changed.
    pub fn set_health(&mut self, rv: u64, verdict: HealthVerdict) -> bool {
        if rv < self.health_from {
            return false;
        }
        let before = self.health;
        self.health_rv = rv;
        self.health = verdict.health;
        self.message = (!verdict.message.is_empty()).then(|| verdict.message.into());
        before != self.health
    }
}

/// What an event means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As last applied.
    InSync,
    /// Something retune applied is no longer so.
    Drift,
    /// Metadata alone cannot tell: one GET, compared at the owned paths.
    Look,
    /// Old news: at or below what our own write answered.
    Old,
}

/// After an apply of our own, updates of objects without a generation within this time are looked at: another apply
/// as `retune` in the same second would leave the same set and the same time.
pub const SAME_SECOND: Duration = Duration::from_millis(1_500);

/// The verdict on an object's event.
#[must_use]
pub fn verdict(known: &Tracked, meta: &Meta, now: Instant) -> Verdict {
    if known.digest.is_none() {
        // Never applied (or not known): the plan applies it.
        return Verdict::InSync;
    }
    if known.uid != Some(meta.uid) {
        return Verdict::Drift;
    }
    if meta.rv < known.rv {
        return Verdict::Old;
    }
    let (Some(own), Some(base)) = (meta.own, known.own) else { return Verdict::Drift };
    if own.hash != base.hash {
        return Verdict::Drift;
    }
    if own.time != base.time || meta.generation != known.generation {
        return Verdict::Look;
    }
    let just_applied = known.applied_at.is_some_and(|at| now.saturating_duration_since(at) < SAME_SECOND);
    if meta.generation == 0 && meta.rv > known.rv && just_applied {
        return Verdict::Look;
    }
    Verdict::InSync
}

/// All managed objects, and a reading of how many are not ready per app.
#[derive(Debug, Default)]
pub struct Index {
    /// By identity.
    pub objects: HashMap<ObjectId, Tracked>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(rv: u64, generation: i64, hash: u64, time: i64) -> Meta {
        let json = br#"{"metadata":{"name":"a","uid":"0a1b2c3d-0000-4000-8000-00000000ffff"}}"#;
        let mut meta = Meta::read("test", json).unwrap();
        meta.rv = rv;
        meta.generation = generation;
        meta.own = Some(OwnSet { hash, time });
        meta
    }

    fn applied(meta: &Meta) -> Tracked {
        let mut known = Tracked::new("app".into(), "v1".into());
        known.set_baseline(Digest::of(b"x"), "v1".into(), meta, false);
        known
    }

    #[test]
    fn the_verdict_follows_set_time_and_generation() {
        let known = applied(&meta(10, 2, 1, 100));
        let later = Instant::now() + Duration::from_secs(5);
        assert_eq!(verdict(&known, &meta(10, 2, 1, 100), later), Verdict::InSync);
        assert_eq!(verdict(&known, &meta(11, 2, 1, 100), later), Verdict::InSync);
        assert_eq!(verdict(&known, &meta(9, 2, 3, 100), later), Verdict::Old);
        assert_eq!(verdict(&known, &meta(11, 2, 9, 100), later), Verdict::Drift);
        assert_eq!(verdict(&known, &meta(11, 2, 1, 101), later), Verdict::Look);
        assert_eq!(verdict(&known, &meta(11, 3, 1, 100), later), Verdict::Look);
        let mut other = meta(11, 2, 1, 100);
        other.uid = Uid(9);
        assert_eq!(verdict(&known, &other, later), Verdict::Drift);
        other = meta(11, 2, 1, 100);
        other.own = None;
        assert_eq!(verdict(&known, &other, later), Verdict::Drift);
    }

    #[test]
    fn a_second_apply_as_retune_within_our_own_second_is_looked_at() {
        let known = applied(&meta(10, 0, 1, 100));
        let now = Instant::now();
        assert_eq!(verdict(&known, &meta(11, 0, 1, 100), now), Verdict::Look);
        assert_eq!(verdict(&known, &meta(10, 0, 1, 100), now), Verdict::InSync);
        assert_eq!(verdict(&known, &meta(11, 0, 1, 100), now + Duration::from_secs(3)), Verdict::InSync);
    }

    #[test]
    fn a_health_verdict_from_before_our_apply_does_not_count() {
        let mut known = applied(&meta(10, 1, 1, 100));
        known.set_baseline(Digest::of(b"y"), "v1".into(), &meta(20, 2, 1, 101), true);
        assert_eq!(known.health, Health::Progressing);
        let ready = HealthVerdict { health: Health::Ready, message: String::new() };
        assert!(!known.set_health(15, ready.clone()));
        assert!(known.set_health(20, ready));
        assert_eq!(known.health, Health::Ready);
    }
}
