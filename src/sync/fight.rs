//! Backing off from a rival that takes a field again and again. Pure: time is given.
//!
//! The first corrections are immediate. More than [`LIMIT`] of one object within [`WINDOW`] is a fight: from then on
//! each further correction waits twice as long as the one before, up to [`CAP`]. A fight is settled by a commit or an ignore
//! that changes what is applied ([`Fights::settle`]), or by the rival's silence: no new drift for the wait and a window.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::cloud::ObjectId;

/// Corrections of one object within [`WINDOW`] that are not yet a fight.
pub const LIMIT: u32 = 5;
/// The window in which they are counted.
pub const WINDOW: Duration = Duration::from_secs(60);
/// The longest wait.
pub const CAP: Duration = Duration::from_secs(300);
/// The first wait.
const FIRST: Duration = Duration::from_secs(1);

/// The fights that are going on, and corrections that may become one.
#[derive(Debug, Default)]
pub struct Fights {
    objects: HashMap<ObjectId, Fight>,
}

#[derive(Debug)]
struct Fight {
    since: Instant,
    count: u32,
    /// No correction before this; set once it is a fight.
    until: Option<Instant>,
    wait: Duration,
    /// Whether somebody wakes up at `until`.
    alarm: bool,
}

/// Whether a correction may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Now.
    Now,
    /// Not before then.
    Wait {
        /// When.
        until: Instant,
        /// Whether this is the first refusal of this wait: whoever asks is to ask again then, and nobody else needs to.
        first: bool,
    },
}

/// A fight that is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ongoing {
    /// When it began.
    pub since: Instant,
    /// Corrections so far.
    pub corrections: u32,
    /// The next correction, if it is still needed then.
    pub next: Instant,
}

impl Fight {
    fn new(now: Instant, count: u32) -> Self {
        Self { since: now, count, until: None, wait: FIRST, alarm: false }
    }

    /// When the rival has been silent for long enough.
    fn over(&self) -> Option<Instant> {
        self.until.map(|until| until + WINDOW + self.wait)
    }
}

impl Fights {
    /// Asks for a correction of an object; one that may be made now is counted.
    pub fn ask(&mut self, id: &ObjectId, now: Instant) -> Decision {
        let fight = self.objects.entry(id.clone()).or_insert_with(|| Fight::new(now, 0));
        if let (Some(until), Some(over)) = (fight.until, fight.over()) {
            if now < until {
                let first = !std::mem::replace(&mut fight.alarm, true);
                return Decision::Wait { until, first };
            }
            if now > over {
                *fight = Fight::new(now, 1);
                return Decision::Now;
            }
            fight.wait = (fight.wait * 2).min(CAP);
            fight.until = Some(now + fight.wait);
            fight.alarm = false;
            fight.count += 1;
            return Decision::Now;
        }
        if now.duration_since(fight.since) > WINDOW {
            *fight = Fight::new(now, 1);
            return Decision::Now;
        }
        fight.count += 1;
        if fight.count > LIMIT {
            let until = now + fight.wait;
            fight.until = Some(until);
            fight.alarm = true;
            return Decision::Wait { until, first: true };
        }
        Decision::Now
    }

    /// A commit changed the object, or it is gone: the fight is settled.
    pub fn settle(&mut self, id: &ObjectId) -> bool {
        self.objects.remove(id).is_some_and(|f| f.until.is_some())
    }

    /// The fight over an object, if there is one now.
    #[must_use]
    pub fn ongoing(&self, id: &ObjectId, now: Instant) -> Option<Ongoing> {
        let fight = self.objects.get(id)?;
        let next = fight.until.filter(|_| fight.over().is_some_and(|over| now < over))?;
        Some(Ongoing { since: fight.since, corrections: fight.count, next })
    }

    /// Forgets corrections that are too old to count; gives the fights that silence has settled, and when to sweep again.
    pub fn sweep(&mut self, now: Instant) -> (Vec<ObjectId>, Option<Instant>) {
        let mut settled = Vec::new();
        self.objects.retain(|id, f| match f.over() {
            Some(over) if now < over => true,
            Some(_) => {
                settled.push(id.clone());
                false
            }
            None => now.duration_since(f.since) <= WINDOW,
        });
        (settled, self.objects.values().filter_map(Fight::over).min())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map() -> ObjectId {
        ObjectId::new("", "ConfigMap", Some("n"), "x")
    }

    /// A rival that rewrites a field every 100 ms; the corrections made, each at its time.
    fn rivalry(fights: &mut Fights, start: Instant, seconds: u64) -> (Vec<Instant>, u32) {
        let (mut made, mut alarms) = (Vec::new(), 0);
        for tick in 0..seconds * 10 {
            let now = start + Duration::from_millis(100) * u32::try_from(tick).unwrap();
            match fights.ask(&map(), now) {
                Decision::Now => made.push(now),
                Decision::Wait { first, .. } => alarms += u32::from(first),
            }
        }
        (made, alarms)
    }

    #[test]
    fn a_rival_every_100_ms_for_half_an_hour_costs_at_most_20_corrections_after_detection() {
        let mut fights = Fights::default();
        let start = Instant::now();
        let (made, alarms) = rivalry(&mut fights, start, 1_800);
        let after = made.len() - LIMIT as usize;
        assert!((5..=20).contains(&after), "{after} corrections after detection");
        let widest = made.windows(2).map(|w| w[1] - w[0]).max().unwrap();
        assert!(
            widest >= CAP && widest <= CAP + Duration::from_secs(1),
            "capped at five minutes: {widest:?}"
        );
        // One timer a wait, not one an event.
        assert!(alarms <= 20, "{alarms} alarms");
        let other = ObjectId::new("", "ConfigMap", Some("n"), "y");
        assert_eq!(fights.ask(&other, start + Duration::from_secs(1_000)), Decision::Now);
        let end = start + Duration::from_secs(1_800);
        let ongoing = fights.ongoing(&map(), end).unwrap();
        assert!(ongoing.next > end && ongoing.since == start);
        assert_eq!(fights.ongoing(&other, end), None);
    }

    #[test]
    fn rare_corrections_are_immediate_and_silence_settles_a_fight() {
        let mut fights = Fights::default();
        let start = Instant::now();
        for minute in 0..20 {
            assert_eq!(fights.ask(&map(), start + Duration::from_secs(61 * minute)), Decision::Now);
        }
        let burst = start + Duration::from_secs(3_000);
        for _ in 0..=LIMIT {
            fights.ask(&map(), burst);
        }
        assert!(matches!(fights.ask(&map(), burst), Decision::Wait { first: false, .. }));
        let (settled, again) = fights.sweep(burst);
        assert!(settled.is_empty());
        let quiet = again.unwrap();
        assert_eq!(fights.sweep(quiet), (vec![map()], None));
        assert_eq!(fights.ongoing(&map(), quiet), None);
        assert_eq!(fights.ask(&map(), quiet), Decision::Now);
    }

    #[test]
    fn a_commit_settles_a_fight() {
        let mut fights = Fights::default();
        let now = Instant::now();
        for _ in 0..=LIMIT {
            fights.ask(&map(), now);
        }
        assert!(fights.settle(&map()));
        assert!(!fights.settle(&map()));
        assert_eq!(fights.ask(&map(), now), Decision::Now);
    }
}
