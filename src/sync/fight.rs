//! Backing off from a rival that takes a field again and again. Pure: time is given.
//!
//! The first corrections are immediate. More than [`LIMIT`] of one object within [`WINDOW`] is a fight: from then on
//! each further correction waits twice as long as the one before, up to [`CAP`]. A rival that is silent for longer than
//! the wait plus a window settles it.

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
}

/// Whether a correction may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Now.
    Now,
    /// Not before then; `first` when this is the moment it became a fight or its wait grew.
    Wait {
        /// When.
        until: Instant,
    },
}

impl Fights {
    /// Asks for a correction of an object; one that may be made now is counted.
    pub fn ask(&mut self, id: &ObjectId, now: Instant) -> Decision {
        let fight = self.objects.entry(id.clone()).or_insert(Fight {
            since: now,
            count: 0,
            until: None,
            wait: FIRST,
        });
        if let Some(until) = fight.until {
            if now < until {
                return Decision::Wait { until };
            }
            if now.duration_since(until) > WINDOW + fight.wait {
                // Silent for long enough.
                *fight = Fight { since: now, count: 1, until: None, wait: FIRST };
                return Decision::Now;
            }
            fight.wait = (fight.wait * 2).min(CAP);
            fight.until = Some(now + fight.wait);
            fight.count += 1;
            return Decision::Now;
        }
        if now.duration_since(fight.since) > WINDOW {
            *fight = Fight { since: now, count: 1, until: None, wait: FIRST };
            return Decision::Now;
        }
        fight.count += 1;
        if fight.count > LIMIT {
            fight.until = Some(now + fight.wait);
            return Decision::Wait { until: now + fight.wait };
        }
        Decision::Now
    }

    /// A commit changed the object: the fight is settled.
    pub fn settle(&mut self, id: &ObjectId) {
        self.objects.remove(id);
    }

    /// The objects that are fought over now.
    pub fn ongoing(&self, now: Instant) -> impl Iterator<Item = &ObjectId> {
        self.objects
            .iter()
            .filter(move |(_, f)| f.until.is_some_and(|until| now < until + WINDOW + f.wait))
            .map(|(id, _)| id)
    }

    /// Forgets corrections that are too old to count.
    pub fn sweep(&mut self, now: Instant) {
        self.objects.retain(|_, f| match f.until {
            Some(until) => now < until + WINDOW + f.wait,
            None => now.duration_since(f.since) <= WINDOW,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rival_every_100_ms_for_half_an_hour_costs_few_corrections_after_detection() {
        let id = ObjectId::new("", "ConfigMap", Some("n"), "x");
        let mut fights = Fights::default();
        let start = Instant::now();
        let mut made = Vec::new();
        let mut next = start;
        for tick in 0..18_000_u32 {
            let now = start + Duration::from_millis(100) * tick;
            if now < next {
                continue;
            }
            match fights.ask(&id, now) {
                Decision::Now => made.push(now),
                Decision::Wait { until } => next = until,
            }
        }
        let after = made.len() - LIMIT as usize;
        assert!((1..=20).contains(&after), "{after} corrections after detection");
        assert_eq!(fights.ongoing(start + Duration::from_secs(1_800)).count(), 1);
    }

    #[test]
    fn rare_corrections_are_immediate_and_silence_settles_a_fight() {
        let id = ObjectId::new("", "ConfigMap", Some("n"), "x");
        let mut fights = Fights::default();
        let start = Instant::now();
        for minute in 0..20 {
            assert_eq!(fights.ask(&id, start + Duration::from_secs(61 * minute)), Decision::Now);
        }
        let burst = start + Duration::from_secs(3_000);
        for _ in 0..=LIMIT {
            fights.ask(&id, burst);
        }
        assert!(matches!(fights.ask(&id, burst), Decision::Wait { .. }));
        let quiet = burst + Duration::from_secs(600);
        fights.sweep(quiet);
        assert_eq!(fights.ongoing(quiet).count(), 0);
        assert_eq!(fights.ask(&id, quiet), Decision::Now);
    }
}
