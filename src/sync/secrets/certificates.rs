//! Generated certificates that near their end: told in the status, the condition `CertificatesValid`, an Event and the log, from
//! `renewBefore` on, once a day. They are not replaced by themselves: what is generated is made once, and `retune rotate` is how it
//! changes (the authority is kept, what uses it is restarted).

use std::time::Duration;

use super::{Known, Secrets, Standing};
use crate::cloud::secrets::expiry::CertificateEnd;
use crate::cluster::crd::SecretStatus;
use crate::cluster::time;
use crate::sync::engine::{Engine, Timer};

/// How often what is due is told again, and the longest sleep.
const DAY: i64 = 86_400;

fn told(known: &Known, end: &CertificateEnd, now: i64) -> String {
    let at = &known.secret.at;
    let word = if end.ends <= now { "ended" } else { "ends" };
    format!(
        "certificate {} of Secret {at} {word} {}: `retune rotate {at} --key {}` makes a new one once that is approved",
        end.key,
        time::rfc3339(end.ends),
        end.key
    )
}

impl Secrets {
    /// The certificates that are to be rotated.
    fn due(&self, now: i64) -> impl Iterator<Item = (&Known, &CertificateEnd)> {
        let there = self.declared.values().filter(|k| k.standing == Standing::Present);
        there.flat_map(|k| k.ends.iter().map(move |e| (k, e))).filter(move |(_, e)| e.renew <= now)
    }

    pub(super) fn certificate_status(&self) -> impl Iterator<Item = SecretStatus> {
        let now = time::now_seconds();
        self.due(now).map(move |(known, end)| SecretStatus {
            secret: known.secret.at.to_string(),
            app: known.secret.app.to_string(),
            state: if end.ends <= now { "expired" } else { "expiring" }.to_owned(),
            message: told(known, end, now),
        })
    }

    /// The condition `CertificatesValid`, if there are any: whether, one word, for people.
    pub(in crate::sync) fn certificates(&self) -> Option<(bool, &'static str, String)> {
        let count: usize = self.declared.values().map(|k| k.ends.len()).sum();
        if count == 0 {
            return None;
        }
        let now = time::now_seconds();
        let lines: Vec<String> = self.due(now).map(|(known, end)| told(known, end, now)).collect();
        let ended = self.due(now).any(|(_, end)| end.ends <= now);
        Some(match lines.as_slice() {
            [] => (true, "Valid", format!("{count} generated certificates, none near its end")),
            _ => (!ended, if ended { "Expired" } else { "Expiring" }, lines.join("; ")),
        })
    }

    /// When something changes next, or is told again; a day from now at the latest.
    fn next(&self, now: i64) -> Option<i64> {
        let times = self.declared.values().flat_map(|k| &k.ends).flat_map(|e| [e.renew, e.ends]);
        let next = times.filter(|t| *t > now).min();
        let again = self.due(now).next().map(|_| now + DAY);
        next.into_iter().chain(again).min().map(|t| t.min(now + DAY))
    }
}

impl Engine {
    /// Sets the clock for the next end, after a look at a Secret: what is due and was not told yet is told now.
    pub(super) fn look_at_certificates(&mut self, fresh: bool) {
        let now = time::now_seconds();
        let due = fresh && self.secrets.due(now).next().is_some();
        if let Some(next) = if due { Some(now) } else { self.secrets.next(now) } {
            self.wake_for_certificates(next, now);
        }
    }

    fn wake_for_certificates(&mut self, next: i64, now: i64) {
        if self.secrets.certificates_at.is_none_or(|at| next < at) {
            self.secrets.certificates_at = Some(next);
            let wait = u64::try_from(next - now).unwrap_or(0);
            self.after(Duration::from_secs(wait), Timer::Certificates);
        }
    }

    /// Time to tell which certificates are to be rotated.
    pub(in crate::sync) fn certificates_again(&mut self) {
        let now = time::now_seconds();
        // Another, earlier one was set meanwhile and has told.
        if self.secrets.certificates_at.is_none_or(|at| at > now) {
            return;
        }
        let lines: Vec<String> = self.secrets.due(now).map(|(known, end)| told(known, end, now)).collect();
        for line in lines {
            tracing::warn!("{line}");
            self.report.note(true, "CertificateEnds", line);
            self.after(Duration::ZERO, Timer::Events);
        }
        self.report.due = true;
        self.secrets.certificates_at = None;
        if let Some(next) = self.secrets.next(now) {
            self.wake_for_certificates(next, now);
        }
    }
}
