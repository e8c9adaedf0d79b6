//! What the engine tells: the `CloudSync`'s status, Events, and the drift it has under way.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{ActiveRun, Engine, Message, Timer};
use super::follow::RevisionInfo;
use super::index::Standing;
use crate::cloud::ObjectId;
use crate::cloud::spec::DriftMode;
use crate::cluster::crd::{
    AppStatus, CloudSyncStatus, Condition, DriftStatus, DriftedStatus, FightStatus, NoteStatus, OrphanStatus,
    PinnedStatus, WithheldStatus, YieldedStatus,
};
use crate::cluster::error::ApiError;
use crate::cluster::events::{self, EventNote};
use crate::cluster::{state, time};
use crate::plan::Plan;

/// How many drifts the status lists.
const DRIFTS: usize = 10;
/// How many apps and actions the status lists.
const LISTED: usize = 50;

/// What is told.
#[derive(Debug)]
pub(super) struct Report {
    /// The status as it was last written or is being written.
    pub(super) status: CloudSyncStatus,
    written: CloudSyncStatus,
    /// It is to be written.
    pub(super) due: bool,
    /// Apps that are removed and whose delete hooks nobody knows.
    pub(super) unknown_delete_hooks: std::collections::BTreeSet<std::sync::Arc<str>>,
    pub(super) in_flight: bool,
    last_write: Option<Instant>,
    /// Drift seen and not yet corrected.
    drifting: HashMap<ObjectId, (String, Instant)>,
    recent: VecDeque<DriftStatus>,
    timed_out: BTreeSet<Arc<str>>,
    /// By object: who changes what, whose it is, since when.
    fights: BTreeMap<ObjectId, (String, String, String)>,
    left: BTreeMap<ObjectId, Vec<(String, String)>>,
    overridden: BTreeMap<ObjectId, Vec<String>>,
    withheld: bool,
    /// Corrections since the start.
    pub(super) corrections: u64,
    pub(super) corrected_since_event: u64,
    /// Drift reported and not corrected.
    pub(super) reported: u64,
    /// Drift that only the audit found: must stay 0.
    pub(super) audit_missed: u64,
    events: Vec<EventNote>,
    source: Result<(), String>,
}

impl Report {
    pub(super) fn new(status: &CloudSyncStatus) -> Self {
        Self {
            status: status.clone(),
            written: status.clone(),
            due: true,
            unknown_delete_hooks: std::collections::BTreeSet::new(),
            in_flight: false,
            last_write: None,
            drifting: HashMap::new(),
            recent: status.drift.iter().cloned().collect(),
            timed_out: BTreeSet::new(),
            fights: BTreeMap::new(),
            left: BTreeMap::new(),
            overridden: BTreeMap::new(),
            reported: status.reported,
            withheld: status.withheld.is_some(),
            corrections: status.corrections,
            corrected_since_event: 0,
            audit_missed: 0,
            events: Vec::new(),
            source: Ok(()),
        }
    }

    /// Notes a drift that is going to be corrected; the first sight counts.
    pub(super) fn drift_seen(&mut self, id: &ObjectId, reason: String, at: Instant) {
        self.drifting.entry(id.clone()).or_insert((reason, at));
    }

    /// The drift that a correction has ended.
    pub(super) fn drift_taken(&mut self, id: &ObjectId) -> Option<(String, Instant)> {
        self.drifting.remove(id)
    }

    /// A line for the status.
    pub(super) fn drift(&mut self, id: &ObjectId, message: &str) {
        self.recent.push_back(DriftStatus {
            object: id.to_string(),
            message: message.chars().take(500).collect(),
            time: time::now(),
        });
        while self.recent.len() > DRIFTS {
            self.recent.pop_front();
        }
    }

    /// Notes a fight; whether it is news.
    pub(super) fn fighting(&mut self, id: &ObjectId, why: &str) -> bool {
        self.due = true;
        if let Some((what, ..)) = self.fights.get_mut(id) {
            why.clone_into(what);
            return false;
        }
        tracing::warn!(object = %id, rival = %why, "the same object is changed again and again: corrections back off; settle it in Git, or by spec.drift.ignore of its app");
        self.events.push(EventNote { warning: true, reason: "Fight", note: format!("{id}: {why}") });
        self.fights.insert(id.clone(), (why.to_owned(), String::new(), time::now()));
        true
    }

    /// Names the rival of a fight.
    pub(super) fn rival(&mut self, id: &ObjectId, who: &str) {
        if let Some((_, rival, _)) = self.fights.get_mut(id) {
            tracing::warn!(object = %id, rival = %who, "the rival is another retune: let one of them leave the object");
            who.clone_into(rival);
            self.due = true;
        }
    }

    /// A fight is over.
    pub(super) fn settled(&mut self, id: &ObjectId, why: &str) {
        if self.fights.remove(id).is_some() {
            tracing::info!(object = %id, "the fight is settled: {why}");
            self.events.push(EventNote {
                warning: false,
                reason: "FightSettled",
                note: format!("{id}: {why}"),
            });
            self.due = true;
        }
    }

    /// What operators have of an object.
    pub(super) fn left(&mut self, id: &ObjectId, fields: Vec<(String, String)>) {
        let changed = if fields.is_empty() {
            self.left.remove(id).is_some()
        } else {
            self.left.insert(id.clone(), fields.clone()) != Some(fields)
        };
        self.due |= changed;
    }

    /// What admission wrote over the applied values.
    pub(super) fn overridden(&mut self, id: &ObjectId, fields: Vec<String>) {
        if fields.is_empty() {
            self.overridden.remove(id);
        } else if self.overridden.insert(id.clone(), fields.clone()).as_ref() != Some(&fields) {
            tracing::warn!(object = %id, fields = %fields.join(", "), "admission keeps other values than Git's; not fought for");
            self.due = true;
        }
    }

    /// An object is managed no more.
    pub(super) fn forget(&mut self, id: &ObjectId) {
        self.left.remove(id);
        self.overridden.remove(id);
    }

    pub(super) fn timed_out(&mut self, app: &Arc<str>) {
        self.timed_out.insert(Arc::clone(app));
    }

    pub(super) fn is_timed_out(&self, app: &str) -> bool {
        self.timed_out.contains(app)
    }

    pub(super) fn any_timed_out(&self) -> bool {
        !self.timed_out.is_empty()
    }

    /// An Event to be written with the next ones.
    pub(super) fn note(&mut self, warning: bool, reason: &'static str, note: String) {
        self.events.push(EventNote { warning, reason, note });
    }

    pub(super) fn is_withheld(&self) -> bool {
        self.withheld
    }

    pub(super) fn forget_used(&mut self, digest: Option<String>) {
        self.status.used_approvals.retain(|d| Some(d) != digest.as_ref());
    }

    pub(super) fn source_ok(&mut self, revision: &str) {
        self.status.seen_revision = revision.to_owned();
        self.source = Ok(());
    }

    pub(super) fn source_checked(&mut self) {
        if self.source.is_err() {
            self.source = Ok(());
            self.due = true;
        }
    }

    pub(super) fn source_failing(&mut self, revision: Option<&str>, message: &str) {
        if let Some(revision) = revision {
            self.status.seen_revision = revision.to_owned();
        }
        self.source = Err(message.chars().take(2_000).collect());
        self.due = true;
    }

    pub(super) fn plan(&mut self, plan: &Plan) {
        self.withheld = !plan.withheld.is_empty();
        self.status.withheld = self.withheld.then(|| WithheldStatus {
            digest: plan.approval.map(|digest| digest.to_string()).unwrap_or_default(),
            actions: plan
                .withheld
                .iter()
                .take(LISTED)
                .map(|w| format!("{} {} (app {}): {}", w.action.verb.as_str(), w.action.id, w.app, w.guard))
                .collect(),
        });
        self.timed_out.clear();
        if self.withheld {
            self.due = true;
        }
    }

    pub(super) fn enforced(&mut self, revision: &str) {
        self.status.revision = revision.to_owned();
        if !self.withheld {
            self.status.synced_revision = revision.to_owned();
        }
    }

    pub(super) fn applied(&mut self, revision: &RevisionInfo, active: &ActiveRun, failed: usize) {
        self.status.revision.clone_from(&revision.id);
        if failed == 0 && active.plan.withheld.is_empty() {
            self.status.synced_revision.clone_from(&revision.id);
        }
    }

    pub(super) fn over(&mut self, revision: &RevisionInfo, ready: bool, failed: &[String]) {
        if ready {
            self.status.ready_revision.clone_from(&revision.id);
        }
        for message in failed.iter().take(3) {
            self.events.push(EventNote { warning: true, reason: "ApplyFailed", note: message.clone() });
        }
    }

    pub(super) fn event(&mut self, good: bool, revision: &RevisionInfo, summary: &str) {
        self.events.push(EventNote {
            warning: !good,
            reason: if good { "Synced" } else { "SyncFailed" },
            note: format!("{} by {}: {summary} ({})", revision.short(), revision.author, revision.subject),
        });
    }

    fn condition(
        &self,
        kind: &str,
        status: bool,
        reason: &str,
        message: String,
        generation: i64,
    ) -> Condition {
        let status = if status { "True" } else { "False" };
        let since = self
            .written
            .conditions
            .iter()
            .find(|c| c.kind == kind && c.status == status)
            .map_or_else(time::now, |c| c.last_transition_time.clone());
        Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message.chars().take(4_000).collect(),
            last_transition_time: since,
            observed_generation: generation,
        }
    }
}

impl Engine {
    /// The status as it should be now.
    pub(super) fn make_status(&mut self) -> CloudSyncStatus {
        let mut status = self.report.status.clone();
        let generation = self.steering.generation;
        status.observed_generation = generation;
        status.corrections = self.report.corrections;
        self.status_of_ownership(&mut status);
        status.drift = self.report.recent.iter().cloned().collect();
        status.objects = u32::try_from(self.index.objects.len()).unwrap_or(u32::MAX);
        (status.hooks, status.deleting, status.orphans) = self.make_notes();
        status.left_out = self.left_out();
        status.holds = self.hold_status();
        status.pinned = self.pinned_status();
        status.secrets = self.secrets.status(LISTED);
        status.inputs = self.input_status();
        status.nodes = self.node_status();
        status.adoption = self.adoption_status();
        let mut not_ready = self.app_states();
        not_ready.extend(self.adoption.unadopted.values().map(|a| AppStatus {
            name: a.app.clone(),
            state: "unadopted".to_owned(),
            message: a.message.clone(),
            ..AppStatus::default()
        }));
        let failed: Vec<String> = not_ready
            .iter()
            .filter(|a| a.state == "failed")
            .map(|a| format!("{}: {}", a.name, a.message))
            .collect();
        if let Some(desired) = &self.desired {
            status.apps = u32::try_from(desired.cloud.apps.len()).unwrap_or(u32::MAX);
            if !self.planned {
                not_ready.clear();
            }
            status.ready_apps = status.apps - u32::try_from(not_ready.len()).unwrap_or(0).min(status.apps);
            status.ready = format!("{}/{}", status.ready_apps, status.apps);
        }
        let pending =
            not_ready.iter().find(|a| a.state == "pending").map(|a| format!("{}: {}", a.name, a.message));
        let ready = not_ready.is_empty() && self.planned;
        let waiting_for = not_ready
            .iter()
            .map(|a| format!("{} {}", a.name, a.state))
            .take(5)
            .collect::<Vec<_>>()
            .join(", ");
        not_ready.truncate(LISTED);
        status.not_ready = not_ready;
        let applied = self.planned && self.active.as_ref().is_none_or(|a| a.run.is_applied());
        let held = status.holds.iter().any(|h| !h.pending.is_empty());
        let synced =
            applied && failed.is_empty() && !held && !self.report.withheld && self.report.source.is_ok();
        // A run may end while an app that was ready before is on its way again: readiness comes after it.
        if ready && synced && self.active.is_none() {
            self.report.status.ready_revision.clone_from(&status.revision);
            status.ready_revision.clone_from(&status.revision);
        }
        let (reason, message) = if let Err(error) = &self.report.source {
            ("RenderFailed", format!("{} stays enforced: {error}", short(&status.revision)))
        } else if self.steering.suspend {
            ("Suspended", "nothing is applied, corrected or deleted".to_owned())
        } else if !failed.is_empty() {
            ("Failed", failed.join("; "))
        } else if self.report.withheld {
            let digest = status.withheld.as_ref().map(|w| w.digest.clone()).unwrap_or_default();
            let unadopted = self.adoption.unadopted.len();
            let message = match (unadopted, digest.as_str()) {
                (0, "") => "what others own is refused: see status.withheld".to_owned(),
                (0, digest) => format!("waits for an approval: retune approve {digest}"),
                (n, "") => format!("{n} apps are to be adopted: retune adopt"),
                (n, digest) => {
                    format!("{n} apps are to be adopted: retune adopt, or all with retune approve {digest}")
                }
            };
            ("Withheld", message)
        } else if let Some(first) = status.holds.iter().find(|h| !h.pending.is_empty()).filter(|_| applied) {
            let more = status.holds.iter().map(|h| h.pending.len()).sum::<usize>();
            ("Held", format!("{more} actions are held; {} until {}", first.target, first.until))
        } else if let Some(first) = pending.filter(|_| self.active.as_ref().is_some_and(|a| a.stalled)) {
            ("Pending", format!("apps wait for live inputs, and others for them: {first}"))
        } else if !applied {
            ("Applying", format!("applying {}", short(&status.seen_revision)))
        } else {
            ("Synced", format!("{} is applied", short(&status.revision)))
        };
        let report = &self.report;
        status.conditions = vec![
            report.condition("Synced", synced, reason, message, generation),
            report.condition(
                "Ready",
                ready,
                if ready { "Ready" } else { "Progressing" },
                if ready { "every app is ready".to_owned() } else { waiting_for },
                generation,
            ),
            report.condition(
                "SourceReady",
                report.source.is_ok(),
                if report.source.is_ok() { "Rendered" } else { "Failing" },
                report.source.as_ref().err().cloned().unwrap_or_default(),
                generation,
            ),
        ];
        if let Some((whole, reason, message)) = self.secrets.condition() {
            status.conditions.push(report.condition("SecretsPresent", whole, reason, message, generation));
        }
        if let Some((valid, reason, message)) = self.secrets.certificates() {
            status.conditions.push(report.condition("CertificatesValid", valid, reason, message, generation));
        }
        if !status.holds.is_empty() {
            let lines: Vec<String> = status
                .holds
                .iter()
                .take(5)
                .map(|h| format!("{} until {} ({}, {} pending)", h.target, h.until, h.state, h.pending.len()))
                .collect();
            let held = report.condition("Held", true, "HandsOff", lines.join("; "), generation);
            status.conditions.push(held);
        }
        if !status.fights.is_empty() {
            let lines: Vec<_> =
                status.fights.iter().take(5).map(|f| format!("{}: {}", f.object, f.rival)).collect();
            let fighting =
                report.condition("Fighting", true, "FieldTakenAgain", lines.join("; "), generation);
            status.conditions.push(fighting);
        }
        status
    }

    /// What there is to know of hooks, of objects on their way out, and of orphans.
    fn make_notes(&self) -> (Vec<NoteStatus>, Vec<NoteStatus>, Vec<OrphanStatus>) {
        let cut = |text: &str| text.chars().take(2_000).collect::<String>();
        let note = |app: &str, object: String, message: &str| NoteStatus {
            app: app.to_owned(),
            object,
            message: cut(message),
        };
        let failed = self.memory.apps.iter().flat_map(|(app, record)| {
            let one = |f: &crate::plan::operation::FailedStep| note(app, f.step.clone(), &f.message);
            record.operation.failed.iter().map(one).collect::<Vec<_>>()
        });
        let gone = self.leftovers.gone().map(|(app, id, told)| note(app, id.to_string(), told));
        let mut deleting: Vec<NoteStatus> = self
            .index
            .objects
            .iter()
            .filter(|(_, k)| k.deleting)
            .filter_map(|(id, k)| Some(note(&k.app, id.to_string(), k.message.as_deref()?)))
            .collect();
        deleting.sort_by(|a, b| a.object.cmp(&b.object));
        deleting.truncate(LISTED);
        let unknown = self
            .report
            .unknown_delete_hooks
            .iter()
            .map(|app| note(app, String::new(), super::hooks::UNKNOWN_DELETE_HOOKS));
        (failed.chain(gone).chain(unknown).take(LISTED).collect(), deleting, self.orphans.status(LISTED))
    }

    /// DaemonSets that count as ready although some of their nodes are not waited for.
    fn left_out(&self) -> Vec<NoteStatus> {
        let ready = |k: &&super::index::Tracked| k.health == crate::health::Health::Ready && !k.deleting;
        let mut out: Vec<NoteStatus> = self
            .index
            .objects
            .iter()
            .filter(|(id, k)| id.is("apps", "DaemonSet") && ready(k))
            .filter_map(|(id, k)| {
                let message = k.message.as_deref()?.to_owned();
                Some(NoteStatus { app: k.app.to_string(), object: id.to_string(), message })
            })
            .collect();
        out.sort_by(|a, b| a.object.cmp(&b.object));
        out.truncate(LISTED);
        out
    }

    /// The apps that are not at the cloud's revision.
    fn pinned_status(&self) -> Vec<PinnedStatus> {
        let Some(desired) = &self.desired else { return Vec::new() };
        let pins = desired.pins.iter().filter(|(_, info)| info.id != desired.revision.id);
        pins.take(LISTED)
            .map(|(app, info)| {
                let pin = self.cloudsync.spec.pins.get(&**app);
                let reason = pin.map(|p| match (p.reason.as_str(), p.by.as_str()) {
                    (reason, "") => reason.to_owned(),
                    ("", by) => format!("by {by}"),
                    (reason, by) => format!("{reason} (by {by})"),
                });
                PinnedStatus {
                    app: app.to_string(),
                    revision: info.id.clone(),
                    reason: reason.unwrap_or_default(),
                }
            })
            .collect()
    }

    /// What is drifted and stays so, what is others', what is fought over.
    fn status_of_ownership(&self, status: &mut CloudSyncStatus) {
        let report = &self.report;
        status.reported = report.reported;
        let mut drifted: Vec<DriftedStatus> = Vec::new();
        for (id, known) in &self.index.objects {
            let message = match &known.standing {
                Standing::Drifted(why) => why.to_string(),
                Standing::Absent => "deleted".to_owned(),
                Standing::InSync | Standing::Unknown => continue,
            };
            let why = match self.drift_policy(id) {
                DriftMode::Off => continue,
                DriftMode::Report => "report",
                DriftMode::Correct if self.steering.suspend => "suspended",
                DriftMode::Correct if report.fights.contains_key(id) => "fight",
                DriftMode::Correct => continue,
            };
            drifted.push(DriftedStatus {
                object: id.to_string(),
                app: known.app.to_string(),
                why: why.to_owned(),
                message,
            });
        }
        drifted.sort_by(|a, b| a.object.cmp(&b.object));
        status.drifted_objects = u32::try_from(drifted.len()).unwrap_or(u32::MAX);
        drifted.truncate(LISTED);
        status.drifted = drifted;
        let mut yielded: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let fixed = self.desired.iter().flat_map(|d| d.all_yielded()).map(|(id, y)| (id, &y.to));
        for (id, fields) in fixed.chain(&report.left) {
            let lines = fields.iter().map(|(path, to)| format!("{path}: {to}"));
            yielded.entry(id.to_string()).or_default().extend(lines);
        }
        let listed = |(object, fields)| YieldedStatus { object, fields };
        status.yielded = yielded.into_iter().take(LISTED).map(listed).collect();
        let overridden = report.overridden.iter().map(|(id, fields)| (id.to_string(), fields.clone()));
        status.overridden = overridden.take(LISTED).map(listed).collect();
        let now = Instant::now();
        let fight = |(id, (what, rival, since)): (&ObjectId, &(String, String, String))| {
            let ongoing = self.fights.ongoing(id, now)?;
            let rival = if rival.is_empty() { what.clone() } else { format!("{rival}: {what}") };
            Some(FightStatus {
                object: id.to_string(),
                rival,
                corrections: ongoing.corrections,
                since: since.clone(),
            })
        };
        status.fights = report.fights.iter().filter_map(fight).take(LISTED).collect();
    }

    /// Writes the status if it differs from what was written: at once at the end of a sync, else at most once a second.
    pub(super) fn flush_status(&mut self) {
        if !self.report.due || self.report.in_flight || !self.leadership.holds() {
            return;
        }
        let busy = self.active.as_ref().is_some_and(|a| !a.run.is_over());
        let pause = Duration::from_secs(1);
        // A short sync is told once, at its end.
        let begins = busy && self.active.as_ref().is_some_and(|a| a.seen.elapsed() < pause);
        let just_written = |within| self.report.last_write.is_some_and(|at| at.elapsed() < within);
        if begins || just_written(if busy { pause } else { Duration::from_millis(100) }) {
            self.report.due = false;
            self.after(pause, Timer::Status);
            return;
        }
        self.report.due = false;
        let status = self.make_status();
        if status == self.report.written {
            return;
        }
        self.report.status = status.clone();
        self.report.in_flight = true;
        self.report.last_write = Some(Instant::now());
        let (client, name) = (self.target.client.clone(), self.cloudsync.metadata.name.clone());
        self.report.written = status.clone();
        self.jobs.spawn(async move {
            Message::Status(state::put_cloudsync_status(&client, &name, &status).await)
        });
    }

    pub(super) fn on_status(&mut self, result: Result<(), ApiError>) {
        self.report.in_flight = false;
        if let Err(error) = result {
            tracing::debug!(%error, "the status could not be written; written again");
            self.report.written = CloudSyncStatus::default();
            self.after(Duration::from_secs(1), Timer::Status);
        }
    }

    /// The last status before the end.
    pub(super) async fn write_status_now(&self) {
        let status = &self.report.status;
        if *status == self.report.written {
            return;
        }
        let name = &self.cloudsync.metadata.name;
        if let Err(error) = state::put_cloudsync_status(&self.target.client, name, status).await {
            tracing::debug!(%error, "the last status could not be written");
        }
    }

    /// Writes the Events that have come together.
    pub(super) fn write_events(&mut self) {
        if self.report.corrected_since_event > 0 {
            let n = std::mem::take(&mut self.report.corrected_since_event);
            let last = self
                .report
                .recent
                .back()
                .map(|d| format!("; last: {} {}", d.object, d.message))
                .unwrap_or_default();
            self.report.events.push(EventNote {
                warning: false,
                reason: "DriftCorrected",
                note: format!("{n} objects{last}"),
            });
        }
        let mut notes = std::mem::take(&mut self.report.events);
        notes.truncate(5);
        let (client, name, uid) = (
            self.target.client.clone(),
            self.cloudsync.metadata.name.clone(),
            self.cloudsync.metadata.uid.clone(),
        );
        self.jobs.spawn(async move {
            let mut last = Ok(());
            for note in &notes {
                last = events::write(&client, &name, &uid, note).await;
            }
            Message::Event(last)
        });
    }
}

fn short(revision: &str) -> &str {
    if revision.is_empty() { "no revision" } else { revision.get(..10).unwrap_or(revision) }
}
