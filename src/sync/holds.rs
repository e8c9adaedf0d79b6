//! Holds: "hands off" an app or an object until a time, declared in the `CloudSync` or by an annotation on the object.
//!
//! A hold ends in two steps. When its time is over, what is pending is made into a plan and shown (log, Event, status)
//! while hands still stay off; after its notice (a minute unless it says otherwise) that is done, or with `then: ask` when
//! somebody says `retune release`. Nothing pending: it ends at once. A hold whose time ended while no syncer ran is shown
//! first, too: the notice begins when there is somebody to show it.
//!
//! | annotation | meaning |
//! |---|---|
//! | `retune.dev/hold-until` | RFC 3339 time; the object is held until then. One that cannot be read holds nothing, and is told |
//! | `retune.dev/hold-reason` | why, for those who look |

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use serde_json::json;

use super::control::duration;
use super::engine::{Engine, Message, Timer};
use crate::cloud::ObjectId;
use crate::cluster::crd::{self, HoldStatus};
use crate::cluster::meta::Meta;
use crate::cluster::{fields, state, time};
use crate::plan::hold::{Held, Hold, Target};
use crate::plan::{self, Plan};

/// The annotation that holds its object.
pub const ANNOTATION_UNTIL: &str = "retune.dev/hold-until";
/// The annotation that says why.
pub const ANNOTATION_REASON: &str = "retune.dev/hold-reason";
/// How long what is pending is shown before it is done.
const NOTICE: Duration = Duration::from_secs(60);
/// How many pending actions the status and Events list for a hold.
const LISTED: usize = 20;

/// One hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    hold: Hold,
    until: i64,
    notice: Duration,
    ask: bool,
    /// When what is pending was shown, seconds since the epoch.
    shown: Option<i64>,
}

/// The holds of a cloud. Told the time; asks no clock.
#[derive(Debug, Default)]
pub(super) struct Holds {
    declared: BTreeMap<String, Entry>,
    annotated: HashMap<ObjectId, Entry>,
    /// From the status of a syncer before this one: holds that were in force, and when they were shown.
    before: HashMap<String, Option<i64>>,
    /// What could not be read, told once.
    told: BTreeSet<String>,
    pending: HashMap<String, Vec<String>>,
}

/// What becomes of holds as time passes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// Its time is over: what is pending is to be shown.
    Show(String),
    /// It ends.
    End(String),
}

impl Holds {
    pub(super) fn new(status: &[HoldStatus]) -> Self {
        let before = status
            .iter()
            .map(|h| {
                let shown = (h.state != "held").then(|| fields::epoch_seconds(&h.acts)).flatten();
                (h.target.clone(), shown)
            })
            .collect();
        Self { before, ..Self::default() }
    }

    /// Takes what the `CloudSync` declares; gives what began, and what cannot be read.
    fn declare(&mut self, spec: &BTreeMap<String, crd::Hold>) -> (Vec<String>, Vec<String>) {
        let (mut began, mut bad) = (Vec::new(), Vec::new());
        let mut now = BTreeMap::new();
        for (key, hold) in spec {
            let read = key.parse::<Target>().map_err(|e| e.to_string()).and_then(|target| {
                let until = fields::epoch_seconds(&hold.until)
                    .ok_or_else(|| format!("until {:?} is not an RFC 3339 time", hold.until))?;
                Ok((target, until))
            });
            let (target, until) = match read {
                Ok(read) => read,
                Err(why) => {
                    let line = format!("spec.holds {key:?}: {why}; it holds nothing");
                    if self.told.insert(line.clone()) {
                        bad.push(line);
                    }
                    continue;
                }
            };
            let reason = match (hold.reason.as_str(), hold.by.as_str()) {
                (reason, "") => reason.to_owned(),
                ("", by) => format!("by {by}"),
                (reason, by) => format!("{reason} (by {by})"),
            };
            let hold_of = Hold { target, until: hold.until.clone(), reason };
            let notice = hold.notice.as_deref().and_then(duration).unwrap_or(NOTICE);
            let old = self.declared.get(key);
            // One that is prolonged begins anew.
            let shown = old.filter(|e| e.until == until).and_then(|e| e.shown);
            if old.is_none() {
                began.push(format!("{key} {hold_of}"));
            }
            let ask = hold.then.as_deref() == Some("ask");
            now.insert(key.clone(), Entry { hold: hold_of, until, notice, ask, shown });
        }
        self.declared = now;
        (began, bad)
    }

    /// Takes an object's annotations; whether its hold began (`Some(true)`) or was taken away (`Some(false)`).
    fn annotate(&mut self, id: &ObjectId, meta: &Meta, now: i64) -> Result<Option<bool>, String> {
        let Some(text) = meta.own_annotations.get(ANNOTATION_UNTIL) else {
            return Ok(self.annotated.remove(id).map(|_| false));
        };
        let Some(until) = fields::epoch_seconds(text) else {
            let gone = self.annotated.remove(id).is_some();
            let line = format!(
                "{id}: annotation {ANNOTATION_UNTIL} {text:?} is not an RFC 3339 time such as {}; it holds nothing",
                time::rfc3339(now + 7_200)
            );
            return if self.told.insert(line.clone()) { Err(line) } else { Ok(gone.then_some(false)) };
        };
        if self.annotated.get(id).is_some_and(|e| e.until == until) {
            return Ok(None);
        }
        if until <= now && !self.before.contains_key(&id.to_string()) {
            // Over before anybody saw it, or long ended.
            return Ok(self.annotated.remove(id).map(|_| false));
        }
        let reason = meta.own_annotations.get(ANNOTATION_REASON).cloned().unwrap_or_default();
        let hold = Hold { target: Target::Object(id.clone()), until: text.clone(), reason };
        let entry = Entry { hold, until, notice: NOTICE, ask: false, shown: None };
        Ok(self.annotated.insert(id.clone(), entry).is_none().then_some(true))
    }

    fn entries(&self) -> impl Iterator<Item = (String, &Entry)> {
        let annotated = self.annotated.iter().map(|(id, e)| (id.to_string(), e));
        self.declared.iter().map(|(k, e)| (k.clone(), e)).chain(annotated)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.declared.is_empty() && self.annotated.is_empty()
    }

    /// The hold that covers an object of an app.
    pub(super) fn of(&self, app: &str, id: &ObjectId) -> Option<&Hold> {
        if self.is_empty() {
            return None;
        }
        let by_annotation = self.annotated.get(id).map(|e| &e.hold);
        by_annotation.or_else(|| self.declared.values().map(|e| &e.hold).find(|h| h.covers(app, id)))
    }

    /// The hold of a whole app.
    pub(super) fn of_app(&self, app: &str) -> Option<&Hold> {
        self.declared
            .values()
            .map(|e| &e.hold)
            .find(|h| matches!(&h.target, Target::App(name) if **name == *app))
    }

    /// As the plan takes them.
    pub(super) fn facts(&self) -> Vec<Hold> {
        self.entries().map(|(_, e)| e.hold.clone()).collect()
    }

    /// What is to be shown or ended at a time.
    fn due(&self, now: i64) -> Vec<Due> {
        let mut out = Vec::new();
        for (key, entry) in self.entries() {
            match entry.shown {
                _ if entry.until > now => {}
                None => out.push(Due::Show(key)),
                Some(shown) if !entry.ask && acts(entry, shown) <= now => out.push(Due::End(key)),
                Some(_) => {}
            }
        }
        out
    }

    /// When [`Holds::due`] has something to say next.
    fn wake(&self, now: i64) -> Option<i64> {
        self.entries()
            .filter_map(|(_, e)| match e.shown {
                None => Some(e.until.max(now)),
                Some(_) if e.ask => None,
                Some(shown) => Some(acts(e, shown)),
            })
            .min()
    }

    fn entry(&mut self, key: &str) -> Option<&mut Entry> {
        if self.declared.contains_key(key) {
            return self.declared.get_mut(key);
        }
        let id = self.annotated.keys().find(|id| id.to_string() == key).cloned()?;
        self.annotated.get_mut(&id)
    }

    /// What is pending was shown. One that a syncer before this one showed keeps its time.
    fn shown(&mut self, key: &str, now: i64) {
        let before = self.before.remove(key).flatten();
        if let Some(entry) = self.entry(key) {
            let notice = i64::try_from(entry.notice.as_secs()).unwrap_or(i64::MAX);
            entry.shown = Some(before.map_or(now, |acts| acts.saturating_sub(notice).min(now)));
        }
    }

    /// Ends a hold; whether it was declared in the `CloudSync`.
    fn end(&mut self, key: &str) -> bool {
        self.pending.remove(key);
        self.before.remove(key);
        if self.declared.remove(key).is_some() {
            return true;
        }
        self.annotated.retain(|id, _| id.to_string() != key);
        false
    }

    fn take_pending(&mut self, held: &[Held]) {
        self.pending.clear();
        for item in held {
            self.pending.entry(item.hold.target.to_string()).or_default().push(item.what.to_string());
        }
    }

    fn status(&self, now: i64) -> Vec<HoldStatus> {
        let mut out: Vec<HoldStatus> = self
            .entries()
            .map(|(target, e)| {
                let (state, acts) = match e.shown {
                    _ if e.until > now => ("held", String::new()),
                    Some(_) if e.ask => ("asks", String::new()),
                    Some(shown) => ("ending", time::rfc3339(acts(e, shown))),
                    None => ("held", String::new()),
                };
                let mut pending = self.pending.get(&target).cloned().unwrap_or_default();
                let more = pending.len().saturating_sub(LISTED);
                pending.truncate(LISTED);
                if more > 0 {
                    pending.push(format!("and {more} more"));
                }
                HoldStatus {
                    from: if self.declared.contains_key(&target) { "CloudSync" } else { "annotation" }.into(),
                    state: state.into(),
                    until: e.hold.until.clone(),
                    reason: e.hold.reason.clone(),
                    acts,
                    pending,
                    target,
                }
            })
            .collect();
        out.sort_by(|a, b| a.target.cmp(&b.target));
        out.truncate(50);
        out
    }
}

/// The holds in force as far as they can be told without a syncer: declared ones, and annotations that are not over.
pub(super) fn declared(spec: &BTreeMap<String, crd::Hold>, seen: &HashMap<ObjectId, Meta>) -> Vec<Hold> {
    let mut holds = Holds::default();
    holds.declare(spec);
    for (id, meta) in seen {
        // One that cannot be read holds nothing; the syncer tells it.
        let _ = holds.annotate(id, meta, time::now_seconds());
    }
    holds.facts()
}

fn acts(entry: &Entry, shown: i64) -> i64 {
    shown.saturating_add(i64::try_from(entry.notice.as_secs()).unwrap_or(i64::MAX))
}

impl Engine {
    /// The hold that covers an object.
    pub(super) fn held(&self, id: &ObjectId) -> Option<&Hold> {
        if self.holds.is_empty() && !self.adoption.is_undoing() {
            return None;
        }
        let desired = self.desired.as_ref().and_then(|d| d.object(id)).map(|(app, _)| app);
        let app = desired.or_else(|| self.index.objects.get(id).map(|k| &k.app));
        if let Some(hold) = app.and_then(|app| self.adoption.hold_of(app)) {
            return Some(hold);
        }
        self.holds.of(app.map_or("", |app| app), id)
    }

    /// Takes the holds that the `CloudSync` declares.
    pub(super) fn declare_holds(&mut self) {
        let spec = std::mem::take(&mut self.cloudsync.spec.holds);
        let (began, bad) = self.holds.declare(&spec);
        self.cloudsync.spec.holds = spec;
        for line in began {
            tracing::info!(hold = %line, "hands off");
            self.report.note(false, "Held", line);
        }
        for line in bad {
            tracing::warn!(problem = %line, "a hold cannot be read");
            self.report.note(true, "HoldUnreadable", line);
        }
        // A Secret that waited for a hold's end is made.
        self.look_at_secrets(&|_| true);
        self.after(Duration::from_secs(1), Timer::Events);
        self.after(Duration::from_millis(50), Timer::Holds);
    }

    /// Takes the annotations of an object that has some, or had.
    pub(super) fn hold_annotation(&mut self, id: &ObjectId, meta: &Meta) {
        match self.holds.annotate(id, meta, time::now_seconds()) {
            Ok(None) => return,
            Ok(Some(true)) => {
                let line = self.held(id).map(|h| format!("{id} {h}")).unwrap_or_default();
                tracing::info!(hold = %line, "hands off, says its annotation");
                self.report.note(false, "Held", line);
                self.refresh_ready(id);
            }
            Ok(Some(false)) => {
                tracing::info!(object = %id, "the hold's annotation is gone");
                self.plan_again();
            }
            Err(line) => {
                tracing::warn!(problem = %line, "a hold cannot be read");
                self.report.note(true, "HoldUnreadable", line);
            }
        }
        self.report.due = true;
        self.after(Duration::from_secs(1), Timer::Events);
        self.after(Duration::from_millis(50), Timer::Holds);
    }

    /// Whether an object may have a hold by annotation that is not known yet: its kind's watch has just begun.
    pub(super) fn may_be_held(&self, id: &ObjectId) -> bool {
        self.watches
            .get(&(std::sync::Arc::clone(&id.group), std::sync::Arc::clone(&id.kind)))
            .is_some_and(|w| !w.synced && !w.failing)
    }

    /// What holds keep from being done, as of now.
    fn pending(&self) -> Option<Plan> {
        let desired = self.desired.as_ref()?;
        Some(plan::make(&desired.cloud, &self.facts()))
    }

    /// Lets time pass for the holds.
    pub(super) fn tick_holds(&mut self) {
        if self.holds.is_empty() || !self.planned || self.stopping {
            return;
        }
        let now = time::now_seconds();
        let mut due = self.holds.due(now);
        // What drifted while no syncer ran is known once the watches have told all; one that fails is not waited for.
        let settled = self.begun.elapsed() > Duration::from_secs(15)
            || self.watches.values().all(|w| w.synced || w.failing);
        if !due.is_empty() && !settled {
            self.after(Duration::from_millis(200), Timer::Holds);
            return;
        }
        if due.iter().any(|d| matches!(d, Due::Show(_)))
            && let Some(plan) = self.pending()
        {
            self.holds.take_pending(&plan.held);
        }
        let (mut ended, mut again) = (Vec::new(), false);
        for step in &mut due {
            let Due::Show(key) = step else { continue };
            let pending = self.holds.pending.get(key.as_str()).cloned().unwrap_or_default();
            if pending.is_empty() {
                *step = Due::End(std::mem::take(key));
                continue;
            }
            self.holds.shown(key, now);
            self.show_pending(&key.clone(), &pending);
        }
        for step in due {
            if let Due::End(key) = step {
                tracing::info!(hold = %key, "the hold ends");
                self.report.note(false, "HoldEnded", format!("{key}: hands on again"));
                if self.holds.end(&key) {
                    self.cloudsync.spec.holds.remove(&key);
                    ended.push(key);
                }
                self.report.due = true;
                self.after(Duration::from_secs(1), Timer::Events);
                again = true;
            }
        }
        if !ended.is_empty() {
            let holds: BTreeMap<&str, Option<()>> = ended.iter().map(|k| (k.as_str(), None)).collect();
            let patch = json!({"holds": holds});
            let (client, name) = (self.target.client.clone(), self.cloudsync.metadata.name.clone());
            self.jobs.spawn(async move {
                Message::Event(state::patch_cloudsync_spec(&client, &name, &patch).await.map(|_| ()))
            });
        }
        if again {
            self.look_at_secrets(&|_| true);
            self.plan_again();
        }
        if let Some(at) = self.holds.wake(time::now_seconds()) {
            let wait = Duration::from_secs(u64::try_from(at - time::now_seconds()).unwrap_or(0));
            self.after(wait.max(Duration::from_millis(200)), Timer::Holds);
        }
    }

    fn show_pending(&mut self, key: &str, pending: &[String]) {
        let entry = self.holds.entry(key);
        let what = match entry.map(|e| (e.ask, e.notice)) {
            Some((true, _)) => format!("waits for `retune release {key:?}`"),
            Some((false, notice)) => format!("is done in {} s", notice.as_secs()),
            None => return,
        };
        tracing::warn!(hold = %key, pending = pending.len(), "the time of the hold is over; what is pending {what}");
        for line in pending.iter().take(LISTED) {
            tracing::warn!(hold = %key, "pending: {line}");
        }
        let list = pending.iter().take(5).cloned().collect::<Vec<_>>().join("; ");
        let note = format!("{key}: its time is over; what is pending {what}: {list}");
        self.report.note(true, "HoldEnding", note);
        self.report.due = true;
        self.after(Duration::from_millis(200), Timer::Events);
    }

    /// The holds for the status, with what is pending as of now.
    pub(super) fn hold_status(&mut self) -> Vec<HoldStatus> {
        if self.holds.is_empty() {
            return Vec::new();
        }
        if self.planned
            && let Some(plan) = self.pending()
        {
            self.holds.take_pending(&plan.held);
        }
        self.holds.status(time::now_seconds())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(key: &str, until: i64, then: Option<&str>) -> BTreeMap<String, crd::Hold> {
        let hold =
            crd::Hold { until: time::rfc3339(until), then: then.map(str::to_owned), ..crd::Hold::default() };
        [(key.to_owned(), hold)].into()
    }

    #[test]
    fn a_hold_is_shown_when_its_time_is_over_and_ends_after_its_notice() {
        let mut holds = Holds::default();
        holds.declare(&spec("keystone", 1_000, None));
        assert!(holds.due(999).is_empty());
        assert_eq!(holds.wake(0), Some(1_000));
        assert_eq!(holds.due(1_000), [Due::Show("keystone".into())]);
        holds.shown("keystone", 1_000);
        assert!(holds.due(1_059).is_empty());
        assert_eq!(holds.status(1_010)[0].state, "ending");
        assert_eq!(holds.due(1_060), [Due::End("keystone".into())]);
        assert!(holds.end("keystone") && holds.is_empty());
    }

    #[test]
    fn one_that_asks_never_ends_by_itself() {
        let mut holds = Holds::default();
        holds.declare(&spec("keystone", 1_000, Some("ask")));
        holds.shown("keystone", 1_000);
        assert!(holds.due(1_000_000).is_empty() && holds.wake(1_000_000).is_none());
        assert_eq!(holds.status(2_000)[0].state, "asks");
    }

    #[test]
    fn a_restart_during_the_notice_keeps_its_end_and_prolonging_begins_anew() {
        let mut first = Holds::default();
        first.declare(&spec("keystone", 1_000, None));
        first.shown("keystone", 1_000);
        let mut second = Holds::new(&first.status(1_010));
        second.declare(&spec("keystone", 1_000, None));
        second.shown("keystone", 1_030);
        assert_eq!(second.due(1_060), [Due::End("keystone".into())]);
        second.declare(&spec("keystone", 5_000, None));
        assert!(second.due(4_999).is_empty());
    }

    #[test]
    fn an_annotation_holds_its_object_until_its_time_and_an_unreadable_one_is_told() {
        let id = ObjectId::new("apps", "Deployment", Some("n"), "api");
        let meta = |value: &str| {
            let json = json!({"metadata": {"name": "api", "namespace": "n", "uid": "0a1b2c3d-0000-4000-8000-00000000ffff",
                "annotations": {ANNOTATION_UNTIL: value}}});
            Meta::read("test", json.to_string().as_bytes()).unwrap()
        };
        let mut holds = Holds::default();
        assert_eq!(holds.annotate(&id, &meta(&time::rfc3339(1_000)), 10), Ok(Some(true)));
        assert!(holds.of("app", &id).is_some());
        assert!(holds.of("app", &ObjectId::new("", "Secret", Some("n"), "api")).is_none());
        assert!(holds.annotate(&id, &meta("2h"), 10).unwrap_err().contains("RFC 3339"));
        assert!(holds.is_empty());
        // Long over and not in force when a syncer last wrote its status: nothing.
        assert_eq!(holds.annotate(&id, &meta(&time::rfc3339(5)), 10), Ok(None));
        assert!(holds.is_empty());
    }

    #[test]
    fn a_hold_that_cannot_be_read_is_told_once_and_holds_nothing() {
        let mut holds = Holds::default();
        let mut bad = spec("keystone", 1, None);
        bad.get_mut("keystone").unwrap().until = "tomorrow".into();
        assert_eq!(holds.declare(&bad).1.len(), 1);
        assert!(holds.declare(&bad).1.is_empty() && holds.is_empty());
    }
}
