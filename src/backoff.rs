//! Waiting before trying again: for the API server, Git remotes and chart repositories.

use std::time::Duration;

/// Capped exponential backoff with full jitter on the upper half. Deterministic given the random numbers it is fed.
#[derive(Debug, Clone)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    /// The first delay is about `base`; none exceeds `cap`.
    #[must_use]
    pub fn new(base: Duration, cap: Duration) -> Self {
        Self { base, cap, attempt: 0 }
    }

    /// How many delays have been handed out since the start or the last reset.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.attempt
    }

    /// The next delay; `random` is any number, uniformly drawn.
    pub fn next(&mut self, random: u64) -> Duration {
        let full = self.base.saturating_mul(1_u32 << self.attempt.min(16)).min(self.cap);
        self.attempt = self.attempt.saturating_add(1);
        let half = full / 2;
        let span = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_micros(random % span)
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.attempt = 0;
    }
}

/// A number for jitter; not for secrets.
#[must_use]
pub fn jitter() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::collections::hash_map::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_grows_to_its_cap_and_starts_over() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        let delays: Vec<_> = (0..10).map(|_| backoff.next(0)).collect();
        assert_eq!(delays[0], Duration::from_millis(50));
        assert!(delays.windows(2).all(|w| w[0] <= w[1]));
        assert_eq!(delays[9], Duration::from_millis(2500));
        assert!(backoff.next(u64::MAX) < Duration::from_secs(5));
        backoff.reset();
        assert_eq!(backoff.next(0), Duration::from_millis(50));
    }
}
