//! What the engine does with Helm hooks: one after another per app, each waited for by its watch, its completion
//! remembered in the inventory.
//!
//! A hook's object carries the cloud's label (so that the kind's watch shows it), the label `retune.dev/hook` and the
//! annotation `retune.dev/hook-digest`; it has no owner annotation, is in no inventory and is never corrected or pruned.
//! A syncer that was killed finds the object of the same digest and waits for it instead of running it twice.
//! Jobs are waited for; other kinds are done once applied; Pods as hooks are refused. Delete and test hooks are not run.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::engine::{Engine, Message};
use crate::apply::job::Target;
use crate::cloud::{Hook, HookDeletePolicy, ObjectId};
use crate::cluster::client::{APPLY_PATCH, Call, Purpose};
use crate::cluster::error::{ApiError, Backoff, ErrorKind, jitter};
use crate::cluster::meta::Uid;
use crate::cluster::{LABEL_APP, LABEL_CLOUD, objects};
use crate::health::{Health, Verdict};
use crate::plan::hooks::{DueHook, When, key};

/// The label on a hook's object.
pub const LABEL_HOOK: &str = "retune.dev/hook";
/// The digest of the hook that the object was made for.
pub const ANNOTATION_DIGEST: &str = "retune.dev/hook-digest";
/// How long a hook's old object may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(120);

/// The hooks of an app that are being run.
#[derive(Debug)]
pub(super) struct HookRun {
    queue: VecDeque<DueHook>,
    current: Option<Current>,
}

#[derive(Debug)]
struct Current {
    due: DueHook,
    hook: Hook,
    /// Known once it is created.
    uid: Option<Uid>,
    /// A verdict that came before the answer to its creation.
    early: Option<(Uid, Verdict)>,
}

/// What starting a hook gave.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) app: Arc<str>,
    pub(super) id: ObjectId,
    /// Its uid and, if it was there already, how it stands.
    pub(super) result: Result<(Uid, Option<Verdict>), ApiError>,
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
        self.hooks.insert(Arc::clone(app), HookRun { queue: due, current: None });
        self.next_hook(app);
    }

    fn next_hook(&mut self, app: &Arc<str>) {
        let Some(run) = self.hooks.get_mut(app) else { return };
        let Some(due) = run.queue.pop_front() else {
            self.hooks.remove(app);
            if let Some(active) = &mut self.active {
                active.run.hooks_done(app);
            }
            return;
        };
        let hook = self
            .desired
            .as_ref()
            .and_then(|d| d.cloud.app(app))
            .and_then(|a| a.hooks.iter().find(|h| h.object.id == due.id))
            .cloned();
        let Some(hook) = hook else {
            self.hooks.remove(app);
            return;
        };
        if due.id.is("", "Pod") {
            self.hook_failed(
                app,
                &due.id,
                format!(
                    "{}: {}: hooks of kind Pod are not supported by this version of retune; use a Job",
                    hook.object.origin, due.id
                ),
            );
            return;
        }
        tracing::info!(%app, hook = %due.id, "hook begins");
        self.ensure_watch(&Arc::clone(&due.id.group), &Arc::clone(&due.id.kind));
        let job = start_hook(self.target.clone(), Arc::clone(app), hook.clone(), due.digest.clone());
        if let Some(run) = self.hooks.get_mut(app) {
            run.current = Some(Current { due, hook, uid: None, early: None });
        }
        self.jobs.spawn(async move { Message::HookStarted(job.await) });
    }

    pub(super) fn on_hook_started(&mut self, started: Started) {
        let Started { app, id, result } = started;
        let Some(current) = self.hooks.get_mut(&app).and_then(|r| r.current.as_mut()) else { return };
        if current.due.id != id {
            return;
        }
        match result {
            Ok((uid, verdict)) => {
                current.uid = Some(uid);
                let early = current.early.take().filter(|(of, _)| *of == uid).map(|(_, verdict)| verdict);
                let verdict = early.or(verdict);
                if !id.is("batch", "Job") {
                    self.hook_succeeded(&app);
                } else if let Some(verdict) = verdict {
                    self.on_hook_verdict(&app, verdict);
                }
            }
            Err(error) => self.hook_failed(&app, &id, error.to_string()),
        }
    }

    /// An event about a hook's object; whether it was one.
    pub(super) fn on_hook_event(&mut self, id: &ObjectId, uid: Uid, verdict: Option<&Verdict>) -> bool {
        let Some(app) = self
            .hooks
            .iter()
            .find(|(_, r)| r.current.as_ref().is_some_and(|c| c.due.id == *id))
            .map(|(app, _)| Arc::clone(app))
        else {
            return false;
        };
        let (Some(verdict), Some(current)) =
            (verdict, self.hooks.get_mut(&app).and_then(|r| r.current.as_mut()))
        else {
            return true;
        };
        match current.uid {
            Some(known) if known == uid => self.on_hook_verdict(&app, verdict.clone()),
            Some(_) => {}
            // The old object's end, or the new one's beginning: judged once the uid is known.
            None => current.early = Some((uid, verdict.clone())),
        }
        true
    }

    /// A hook's object is gone while it was waited for.
    pub(super) fn on_hook_gone(&mut self, id: &ObjectId, uid: Uid) {
        let app = self
            .hooks
            .iter()
            .find(|(_, r)| r.current.as_ref().is_some_and(|c| c.due.id == *id && c.uid == Some(uid)))
            .map(|(app, _)| Arc::clone(app));
        if let Some(app) = app {
            self.hook_failed(
                &app,
                id,
                format!("{id}: was deleted by someone while it ran; whether it did its work is not known"),
            );
        }
    }

    fn on_hook_verdict(&mut self, app: &Arc<str>, verdict: Verdict) {
        match verdict.health {
            Health::Ready => self.hook_succeeded(app),
            Health::Failed => {
                let id = self.hooks.get(app).and_then(|r| r.current.as_ref()).map(|c| c.due.id.clone());
                if let Some(id) = id {
                    self.hook_failed(app, &id, format!("hook {id} failed: {}", verdict.message));
                }
            }
            Health::Progressing | Health::Unknown => {}
        }
    }

    fn hook_succeeded(&mut self, app: &Arc<str>) {
        let Some(current) = self.hooks.get_mut(app).and_then(|r| r.current.take()) else { return };
        tracing::info!(%app, hook = %current.due.id, "hook succeeded");
        self.memory.app(app).hook_done(key(&current.due.id), current.due.digest.clone());
        // At once: a crash from here on must not run it again.
        self.flush_urgent = true;
        self.clean_up(&current, HookDeletePolicy::HookSucceeded);
        self.next_hook(app);
    }

    fn hook_failed(&mut self, app: &Arc<str>, id: &ObjectId, message: String) {
        tracing::error!(%app, hook = %id, %message, "hook failed");
        if let Some(current) = self.hooks.remove(app).and_then(|r| r.current) {
            self.clean_up(&current, HookDeletePolicy::HookFailed);
        }
        if let Some(active) = &mut self.active {
            active.run.hooks_failed(app, id, message);
        }
        self.report.due = true;
    }

    fn clean_up(&mut self, current: &Current, policy: HookDeletePolicy) {
        if !current.hook.delete_policies.contains(&policy) {
            return;
        }
        let (Some(uid), target, id) = (current.uid, self.target.clone(), current.due.id.clone()) else {
            return;
        };
        let version = current.hook.object.version().to_owned();
        self.jobs.spawn(async move {
            let result = match target.resource(&id, &version) {
                Ok(resource) => objects::delete(&target.client, &resource, &id, uid, None).await,
                Err(error) => Err(error),
            };
            Message::Event(result.or_else(|e| if e.kind == ErrorKind::NotFound { Ok(()) } else { Err(e) }))
        });
    }

    /// What an app's hooks wait for, for the status.
    pub(super) fn hook_message(&self, app: &str) -> Option<String> {
        let current = self.hooks.get(app)?.current.as_ref()?;
        let when = if current.due.when == When::Pre { "before" } else { "after" };
        Some(format!("hook {} ({when} its objects) is running", current.due.id))
    }
}

/// The maps by which the engine knows what runs.
pub(super) type HookRuns = HashMap<Arc<str>, HookRun>;

/// Creates a hook's object, the old one deleted first. An object made for the same digest is taken as it is.
async fn start_hook(target: Target, app: Arc<str>, hook: Hook, digest: String) -> Started {
    let id = hook.object.id.clone();
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
    let begun = tokio::time::Instant::now();
    let result = loop {
        match try_start(&target, &app, &hook, &digest).await {
            Err(error) if error.kind.is_retried() && begun.elapsed() < GONE_WITHIN => {
                tokio::time::sleep(backoff.next(jitter()).max(error.retry_after.unwrap_or_default())).await;
            }
            other => break other,
        }
    };
    Started { app, id, result }
}

async fn try_start(
    target: &Target,
    app: &str,
    hook: &Hook,
    digest: &str,
) -> Result<(Uid, Option<Verdict>), ApiError> {
    let id = &hook.object.id;
    let what = || format!("hook {id}");
    let resource = target.resource(id, hook.object.version())?;
    if let Some(live) = objects::get(&target.client, &resource, id).await? {
        let uid =
            live.pointer("/metadata/uid").and_then(Value::as_str).and_then(Uid::parse).unwrap_or_default();
        let made_for = live
            .pointer("/metadata/annotations")
            .and_then(|a| a.get(ANNOTATION_DIGEST))
            .and_then(Value::as_str);
        let verdict = crate::health::judge(&live);
        let deleting = live.pointer("/metadata/deletionTimestamp").is_some();
        if made_for == Some(digest) && verdict.health != Health::Failed && !deleting {
            return Ok((uid, Some(verdict)));
        }
        if id.is("batch", "Job")
            || hook.delete_policies.contains(&HookDeletePolicy::BeforeHookCreation)
            || hook.delete_policies.is_empty()
        {
            if !deleting {
                objects::delete(&target.client, &resource, id, uid, None)
                    .await
                    .or_else(|e| if e.kind == ErrorKind::NotFound { Ok(()) } else { Err(e) })?;
            }
            if objects::get_meta(&target.client, &resource, id).await?.is_some() {
                return Err(ApiError {
                    kind: ErrorKind::NotServing,
                    what: what(),
                    message: "its old object is still being deleted".into(),
                    status: 0,
                    causes: Vec::new(),
                    retry_after: None,
                });
            }
        }
    }
    let mut body = hook.object.json();
    if let Some(meta) = body.get_mut("metadata").and_then(Value::as_object_mut) {
        for (field, key, value) in [
            ("labels", LABEL_CLOUD, &*target.cloud),
            ("labels", LABEL_APP, app),
            ("labels", LABEL_HOOK, "true"),
            ("annotations", ANNOTATION_DIGEST, digest),
        ] {
            if let Some(map) = meta.entry(field).or_insert_with(|| json!({})).as_object_mut() {
                map.insert(key.to_owned(), Value::from(value));
            }
        }
    }
    let path = format!(
        "{}?fieldManager=retune-hook&fieldValidation=Strict&force=true",
        resource.object(id.namespace.as_deref().unwrap_or(""), &id.name)
    );
    let call = Call::patch(&path, APPLY_PATCH, body.to_string()).meta();
    let answer = target.client.request(Purpose::Apply, &what, call).await?;
    let meta = crate::cluster::meta::Meta::read(&what(), &answer)?;
    Ok((meta.uid, None))
}
