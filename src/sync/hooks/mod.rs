//! What the engine does with Helm hooks: one after another per app, each waited for by its watch, its completion
//! remembered in the inventory.
//!
//! A hook's object carries the cloud's label (so that the kind's watch shows it), the label `retune.dev/hook` and the
//! annotation `retune.dev/hook-digest`; it has no owner annotation, is in no inventory and is never corrected or pruned.
//! Order, events and delete policies are Helm 4.3's (`pkg/action/hooks.go`): only Jobs and Pods are waited for, an old
//! object goes before the new one is created where the policy says so, and the objects of an event's succeeded hooks go
//! together at its end, the last one first. CRDs as hooks are never deleted.
//!
//! That no hook runs twice rests on the inventory's [operation](crate::plan::operation): a hook's start is written before
//! its object is created and its end before its object may be deleted. A syncer that was killed finds the object by its
//! mark and waits for it. If the object is gone and the server's Events show that it existed, nobody knows whether it did
//! its work: the hook fails and says so.
//!
//! | module | subject |
//! |---|---|
//! | `requests` | creating, reading and deleting hooks' objects |
//! | `kept` | delete hooks in the inventory |
//! | `left` | what becomes of objects that succeeded hooks leave |
//! | `limit` | how long a hook may take |

mod kept;
mod left;
mod limit;
mod requests;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::engine::{Engine, Message};
use crate::cloud::{Hook, HookDeletePolicy, ObjectId};
use crate::cluster::error::ApiError;
use crate::cluster::meta::Uid;
use crate::cluster::time;
use crate::health::{Health, Verdict};
use crate::plan::hooks::{DueHook, When, key};
use crate::plan::operation::step;

pub(super) use left::{Leftovers, UNKNOWN_DELETE_HOOKS};
pub(super) use requests::{Ending, Start, read_live};

/// The label on a hook's object.
pub const LABEL_HOOK: &str = "retune.dev/hook";
/// The mark of the hook that the object was made for: its digest, before or after, and which run.
pub const ANNOTATION_DIGEST: &str = "retune.dev/hook-digest";

/// What hooks are run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Purpose {
    /// The app's operation.
    Sync,
    /// `retune test`.
    Test,
    /// An object that vanished.
    Restore,
}

/// An app's hooks that are being run, by what they are run for.
pub(super) type RunKey = (Arc<str>, Purpose);

/// The runs under way.
pub(super) type HookRuns = BTreeMap<RunKey, HookRun>;

/// The hooks of an app that are being run.
#[derive(Debug)]
pub(super) struct HookRun {
    /// Which run this is: reports of an earlier one do not count.
    serial: u64,
    queue: VecDeque<DueHook>,
    current: Option<Current>,
    /// What succeeded, in its order.
    ran: Vec<Ran>,
    noting: Option<Noting>,
    /// Tells jobs of this run that it was given up: nothing is created any more.
    given_up: Arc<AtomicBool>,
}

impl Drop for HookRun {
    fn drop(&mut self) {
        self.given_up.store(true, Ordering::Relaxed);
    }
}

/// What the inventory is being told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noting {
    /// That the current hook is about to be created.
    Start,
    /// That the last one succeeded.
    End,
}

#[derive(Debug)]
struct Current {
    due: DueHook,
    hook: Hook,
    /// The digest it will be remembered by.
    full: String,
    /// What is written on its object.
    mark: String,
    /// When its start was noted by a syncer before this one.
    noted: Option<i64>,
    /// Known once it is created.
    uid: Option<Uid>,
    /// A verdict that came before the answer to its creation.
    early: Option<(Uid, Verdict)>,
}

#[derive(Debug)]
struct Ran {
    hook: Hook,
    uid: Option<Uid>,
}

/// What a job about a hook reports.
#[derive(Debug)]
pub(super) struct HookNews {
    pub(super) run: RunKey,
    pub(super) serial: u64,
    pub(super) event: HookEvent,
}

/// What happened.
#[derive(Debug)]
pub(super) enum HookEvent {
    /// Digests of what the current hook refers to in the cluster: before it starts, or after it succeeded.
    Read(Vec<String>, bool),
    /// Its object was created or found: its uid and, if it was there, how it stands.
    Started(Result<(Uid, Option<Verdict>), ApiError>),
    /// It failed; why, with its log and events, its object deleted if policy says so.
    Failed(ObjectId, String),
    /// Objects of succeeded hooks were deleted.
    Cleaned(Vec<String>),
}

/// Whether Helm waits for hooks of a kind to complete; all others are done once they are created.
pub(super) fn waits(id: &ObjectId) -> bool {
    id.is("batch", "Job") || id.is("", "Pod")
}

impl Engine {
    /// Starts the hooks of an app that are due before or after its objects.
    pub(super) fn run_hooks(&mut self, app: &Arc<str>, when: When) {
        let due: VecDeque<DueHook> = self
            .active
            .as_ref()
            .and_then(|a| a.run.app(app))
            .map(|r| r.plan.hooks.iter().filter(|h| h.when == when).cloned().collect())
            .unwrap_or_default();
        self.begin_hooks((Arc::clone(app), Purpose::Sync), due);
    }

    pub(super) fn begin_hooks(&mut self, run: RunKey, queue: VecDeque<DueHook>) {
        self.hook_serial += 1;
        let serial = self.hook_serial;
        let given_up = Arc::new(AtomicBool::new(false));
        self.hooks.insert(
            run.clone(),
            HookRun { serial, queue, current: None, ran: Vec::new(), noting: None, given_up },
        );
        self.next_hook(&run);
    }

    /// A plan is made anew: what waits for hooks of the one before waits no more. Their objects go on.
    pub(super) fn drop_hooks(&mut self) {
        self.hooks.retain(|(_, purpose), _| *purpose != Purpose::Sync);
    }

    /// The text of a hook: the revision's, or of an app that Git has no more what the inventory kept.
    fn hook_text(&self, app: &str, id: &ObjectId) -> Option<Hook> {
        let rendered = self.desired.as_ref().and_then(|d| d.app(app));
        let hooks = match rendered {
            Some(app) => app.hooks.as_slice(),
            None => self.memory.apps.get(app)?.delete_hooks.as_deref()?,
        };
        hooks.iter().find(|h| h.object.id == *id).cloned()
    }

    fn hook_job(&mut self, run: &RunKey, work: impl Future<Output = HookEvent> + Send + 'static) {
        let Some(serial) = self.hooks.get(run).map(|r| r.serial) else { return };
        let run = run.clone();
        self.jobs.spawn(async move { Message::Hook(HookNews { run, serial, event: work.await }) });
    }

    fn next_hook(&mut self, run: &RunKey) {
        let app = Arc::clone(&run.0);
        let Some(state) = self.hooks.get_mut(run) else { return };
        let Some(due) = state.queue.pop_front() else {
            self.hooks_over(run);
            return;
        };
        let id = due.id.clone();
        let Some(hook) = self.hook_text(&app, &id) else {
            self.hooks_failed(run, &id, format!("hook {id} is not part of the revision any more"));
            return;
        };
        if let Some(message) = due.failed.clone() {
            self.hooks_failed(
                run,
                &id,
                format!("{message}; it runs again with the next revision, or by `retune sync`"),
            );
            return;
        }
        if waits(&id) {
            self.ensure_watch(&Arc::clone(&id.group), &Arc::clone(&id.kind));
        }
        let references = due.live.clone();
        let (full, mark) = (due.digest.clone(), String::new());
        let current = Current { due, hook, full, mark, noted: None, uid: None, early: None };
        if let Some(state) = self.hooks.get_mut(run) {
            state.current = Some(current);
        }
        if references.is_empty() {
            self.note_hook(run, &[]);
        } else {
            let (target, namespace) = (self.target.clone(), id.namespace.clone());
            self.hook_job(run, async move {
                HookEvent::Read(requests::read_live(&target, namespace.as_deref(), &references).await, false)
            });
        }
    }

    /// The inventory learns that the current hook is about to be created, unless it turns out not to be due.
    fn note_hook(&mut self, run: &RunKey, live: &[String]) {
        let Some(current) = self.hooks.get_mut(run).and_then(|r| r.current.as_mut()) else { return };
        current.full = current.due.full_digest(live);
        current.mark = current.due.mark(&current.full);
        if current.due.unless.as_ref() == Some(&current.full) {
            tracing::info!(app = %run.0, hook = %current.due.id, "hook not run: neither it nor what it refers to has changed");
            if let Some(state) = self.hooks.get_mut(run) {
                state.current = None;
            }
            self.next_hook(run);
            return;
        }
        tracing::info!(app = %run.0, hook = %current.due.id, event = ?current.due.event, "hook begins");
        if run.1 != Purpose::Sync {
            self.create_hook(run);
            return;
        }
        let this = step(&current.due.id, current.due.when);
        let has_live = !current.due.live.is_empty();
        let record = self.memory.app(&run.0);
        if let Some(started) = record.operation.started.as_ref().filter(|s| s.step == this)
            && (started.mark == current.mark || has_live)
        {
            // A syncer before this one began it. (What it refers to may have changed since: it may write that itself.)
            current.mark.clone_from(&started.mark);
            current.noted = Some(started.at);
            self.create_hook(run);
            return;
        }
        record.operation_mut().hook_started(this, current.mark.clone(), time::now_seconds());
        self.note(run, Noting::Start);
    }

    fn note(&mut self, run: &RunKey, noting: Noting) {
        if let Some(state) = self.hooks.get_mut(run) {
            state.noting = Some(noting);
        }
        self.recording.insert(Arc::clone(&run.0));
    }

    /// The inventory has everything that was noted of an app.
    pub(super) fn hooks_noted(&mut self, app: &Arc<str>) {
        let run = (Arc::clone(app), Purpose::Sync);
        match self.hooks.get_mut(&run).and_then(|r| r.noting.take()) {
            Some(Noting::Start) => self.create_hook(&run),
            Some(Noting::End) => self.clean_up(&run),
            None => {}
        }
    }

    fn create_hook(&mut self, run: &RunKey) {
        let Some(state) = self.hooks.get(run) else { return };
        let Some(current) = &state.current else { return };
        let recreate = self.desired.as_ref().and_then(|d| d.app(&run.0)).map(|a| a.policy.recreate.clone());
        let start = Start {
            target: self.target.clone(),
            app: Arc::clone(&run.0),
            hook: current.hook.clone(),
            mark: current.mark.clone(),
            noted: current.noted,
            recreate: recreate.unwrap_or_default(),
            given_up: Arc::clone(&state.given_up),
        };
        self.report.due = true;
        self.hook_job(run, async move { HookEvent::Started(start.run().await) });
    }

    pub(super) fn on_hook_news(&mut self, news: HookNews) {
        let HookNews { run, serial, event } = news;
        if let HookEvent::Cleaned(keys) = &event {
            // Whatever became of the run.
            self.memory.app(&run.0).operation_mut().clean_up.retain(|k| !keys.contains(k));
            self.dirty();
        }
        let Some(state) = self.hooks.get_mut(&run).filter(|r| r.serial == serial) else { return };
        match event {
            HookEvent::Read(live, false) => self.note_hook(&run, &live),
            HookEvent::Read(live, true) => {
                if let Some(current) = &mut state.current {
                    current.full = current.due.full_digest(&live);
                }
                self.conclude(&run);
            }
            HookEvent::Started(Ok((uid, verdict))) => {
                let Some(current) = state.current.as_mut() else { return };
                current.uid = Some(uid);
                let early = current.early.take().filter(|(of, _)| *of == uid).map(|(_, verdict)| verdict);
                if !waits(&current.due.id) {
                    self.hook_succeeded(&run);
                } else {
                    self.time_hook(&run);
                    if let Some(verdict) = early.or(verdict) {
                        self.on_hook_verdict(&run, &verdict);
                    }
                }
            }
            HookEvent::Started(Err(error)) => {
                let origin =
                    state.current.as_ref().map(|c| c.hook.object.origin.to_string()).unwrap_or_default();
                self.hook_failed(&run, format!("{origin}: {error}"));
            }
            HookEvent::Failed(id, message) => self.hooks_failed(&run, &id, message),
            HookEvent::Cleaned(_) => self.finish_hooks(&run),
        }
    }

    /// An event about a hook's object; whether it was one that is waited for.
    pub(super) fn on_hook_event(&mut self, id: &ObjectId, uid: Uid, verdict: Option<&Verdict>) -> bool {
        let found = self.hooks.iter_mut().find(|(_, r)| r.current.as_ref().is_some_and(|c| c.due.id == *id));
        let Some((run, state)) = found else { return false };
        let run = run.clone();
        let (Some(verdict), Some(current)) = (verdict, state.current.as_mut()) else { return true };
        match current.uid {
            Some(known) if known == uid => self.on_hook_verdict(&run, verdict),
            Some(_) => {}
            // The old object's end, or the new one's beginning: judged once the uid is known.
            None => current.early = Some((uid, verdict.clone())),
        }
        true
    }

    /// A hook's object is gone.
    pub(super) fn on_hook_gone(&mut self, id: &ObjectId, uid: Uid) {
        let found = self.hooks.iter().find(|(_, r)| r.current.as_ref().is_some_and(|c| c.due.id == *id));
        match found {
            Some((run, state)) => {
                if state.current.as_ref().is_some_and(|c| c.uid == Some(uid)) {
                    let run = run.clone();
                    let why = format!(
                        "{id} was deleted by someone while it ran; whether it did its work is not known"
                    );
                    self.hook_failed(&run, why);
                }
            }
            None => self.hook_object_gone(id, uid),
        }
    }

    fn on_hook_verdict(&mut self, run: &RunKey, verdict: &Verdict) {
        match verdict.health {
            Health::Ready => self.hook_succeeded(run),
            Health::Failed => self.hook_failed(run, verdict.message.clone()),
            Health::Progressing | Health::Unknown => {}
        }
    }

    fn hook_succeeded(&mut self, run: &RunKey) {
        let Some(current) = self.hooks.get(run).and_then(|r| r.current.as_ref()) else { return };
        if current.due.live.is_empty() {
            self.conclude(run);
            return;
        }
        // What it refers to in the cluster it may have made itself: that is what it is remembered with.
        let (target, namespace) = (self.target.clone(), current.due.id.namespace.clone());
        let references = current.due.live.clone();
        self.hook_job(run, async move {
            HookEvent::Read(requests::read_live(&target, namespace.as_deref(), &references).await, true)
        });
    }

    /// The current hook succeeded and is remembered.
    fn conclude(&mut self, run: &RunKey) {
        let Some(state) = self.hooks.get_mut(run) else { return };
        let Some(current) = state.current.take() else { return };
        let id = current.due.id.clone();
        tracing::info!(app = %run.0, hook = %id, "hook succeeded");
        let goes = requests::deletes(&current.hook, HookDeletePolicy::HookSucceeded);
        let id_key = key(&id);
        if run.1 != Purpose::Test {
            let record = self.memory.app(&run.0);
            if run.1 == Purpose::Sync {
                let this = step(&id, current.due.when);
                record.operation_mut().hook_done(&this, &current.due.digest, goes.then(|| id_key.clone()));
            }
            record.hook_done(id_key, current.full, waits(&id) && !goes);
            self.leftovers.back(&id, current.uid);
        }
        state.ran.push(Ran { hook: current.hook, uid: current.uid });
        self.next_hook(run);
    }

    /// All hooks of the event succeeded: once the inventory knows, what policy says is deleted.
    fn hooks_over(&mut self, run: &RunKey) {
        let Some(state) = self.hooks.get(run) else { return };
        if state.ran.is_empty() {
            self.finish_hooks(run);
        } else if run.1 == Purpose::Sync {
            self.note(run, Noting::End);
        } else {
            self.clean_up(run);
        }
    }

    fn clean_up(&mut self, run: &RunKey) {
        let Some(state) = self.hooks.get(run) else { return };
        let ending =
            Ending::of(state.ran.iter().rev().map(|r| (&r.hook, r.uid)), HookDeletePolicy::HookSucceeded);
        if ending.is_empty() {
            self.finish_hooks(run);
            return;
        }
        let target = self.target.clone();
        self.hook_job(run, async move { HookEvent::Cleaned(ending.run(&target).await) });
    }

    fn finish_hooks(&mut self, run: &RunKey) {
        let Some(state) = self.hooks.remove(run) else { return };
        match run.1 {
            Purpose::Sync => {
                if let Some(active) = &mut self.active {
                    active.run.hooks_done(&run.0);
                }
            }
            Purpose::Test => {
                let passed = state.ran.iter().map(|r| r.hook.object.id.to_string()).collect();
                self.test_over(&run.0, passed, None);
            }
            Purpose::Restore => tracing::info!(app = %run.0, "the object of a finished hook was restored"),
        }
        self.report.due = true;
    }

    /// The current hook failed: its log and events are read, then policy deletes its object and those before it.
    fn hook_failed(&mut self, run: &RunKey, message: String) {
        let Some(state) = self.hooks.get_mut(run) else { return };
        let Some(current) = state.current.take() else { return };
        let failing = Ending::of(std::iter::once((&current.hook, current.uid)), HookDeletePolicy::HookFailed);
        let earlier = Ending::of(state.ran.iter().map(|r| (&r.hook, r.uid)), HookDeletePolicy::HookSucceeded);
        let target = self.target.clone();
        let app = self.desired.as_ref().and_then(|d| d.cloud.app(&run.0));
        let secrets = app.map(|a| a.secrets.clone()).unwrap_or_default();
        self.hook_job(run, async move {
            let id = current.due.id.clone();
            let told = requests::diagnose(&target, &current.hook).await;
            failing.run(&target).await;
            earlier.run(&target).await;
            let told = if told.is_empty() { String::new() } else { format!("; {told}") };
            HookEvent::Failed(id.clone(), secrets.mask(&format!("hook {id} failed: {message}{told}")))
        });
    }

    /// The app's hooks have failed for now.
    fn hooks_failed(&mut self, run: &RunKey, id: &ObjectId, message: String) {
        let Some(state) = self.hooks.remove(run) else { return };
        tracing::error!(app = %run.0, hook = %id, %message, "hook failed");
        match run.1 {
            Purpose::Sync => {
                let when = self.active.as_ref().and_then(|a| a.run.app(&run.0)).map(|r| {
                    let after = matches!(r.state, crate::apply::run::State::PostHooks);
                    if after { When::Post } else { When::Pre }
                });
                let this = step(id, when.unwrap_or(When::Pre));
                let record = self.memory.app(&run.0);
                if record.operation.failure(&this).is_none() {
                    record.operation_mut().hook_failed(&this, &message);
                }
                // At once: a restart must not run it again by itself.
                self.flush_urgent = true;
                if let Some(active) = &mut self.active {
                    active.run.hooks_failed(&run.0, id, message);
                }
            }
            Purpose::Test => {
                let passed = state.ran.iter().map(|r| r.hook.object.id.to_string()).collect();
                self.test_over(&run.0, passed, Some(message));
            }
            Purpose::Restore => self.leftovers.failed(id, message),
        }
        self.report.due = true;
    }

    /// Lets failed hooks run again: somebody asked for a sync.
    pub(super) fn retry_hooks(&mut self, only: Option<&str>) {
        let wanted = |app: &str| only.is_none_or(|o| o == app);
        for (_, record) in self.memory.apps.iter_mut().filter(|(app, _)| wanted(app)) {
            if !record.operation.failed.is_empty() {
                record.operation_mut().retry();
            }
        }
    }

    /// What an app's hooks wait for, for the status.
    pub(super) fn hook_message(&self, app: &str) -> Option<String> {
        let current = self.hooks.get(&(Arc::from(app), Purpose::Sync))?.current.as_ref()?;
        let when = if current.due.when == When::Pre { "before" } else { "after" };
        Some(format!("hook {} ({when} its objects) is running", current.due.id))
    }

    /// Why an app's hooks failed, until a newer revision or a request runs them again.
    pub(super) fn hook_failure(&self, app: &str) -> Option<&str> {
        self.memory.apps.get(app)?.operation.failed.first().map(|f| f.message.as_str())
    }
}
