//! The requests about hooks' objects, as jobs: create or find, read what they refer to, delete, and what a failed one said.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::{ANNOTATION_DIGEST, LABEL_HOOK, waits};
use crate::apply::job::{Target, recreatable};
use crate::cloud::spec::Recreate;
use crate::cloud::{Digest, Hook, HookDeletePolicy, ObjectId};
use crate::cluster::client::{APPLY_PATCH, Call, Purpose};
use crate::cluster::discovery::Resource;
use crate::cluster::error::{ApiError, Backoff, ErrorKind, jitter};
use crate::cluster::meta::{Meta, Uid};
use crate::cluster::{LABEL_APP, LABEL_CLOUD, logs, objects, time};
use crate::health::{Health, Verdict};
use crate::plan::hooks::{Reference, key, references_of};
use crate::plan::mask::Mask;

/// How long a hook's old object may take to be gone, and its kind to be served.
const GONE_WITHIN: Duration = Duration::from_secs(120);
/// How long the API server keeps Events, less a margin: evidence of an object that is gone.
const EVENTS_LAST: i64 = 55 * 60;

/// Whether a policy deletes a hook's object. CRDs never go: every object of their kind would.
pub(super) fn deletes(hook: &Hook, policy: HookDeletePolicy) -> bool {
    !hook.object.id.is("apiextensions.k8s.io", "CustomResourceDefinition")
        && (hook.delete_policies.contains(&policy)
            || (hook.delete_policies.is_empty() && policy == HookDeletePolicy::BeforeHookCreation))
}

/// A hook to be created.
pub(in crate::sync) struct Start {
    pub(super) target: Target,
    pub(super) app: Arc<str>,
    pub(super) hook: Hook,
    pub(super) mark: String,
    pub(super) noted: Option<i64>,
    pub(super) recreate: Recreate,
    pub(super) given_up: Arc<AtomicBool>,
}

impl Start {
    /// Creates the object, the old one deleted first. One that has this mark is taken as it is.
    pub(super) async fn run(self) -> Result<(Uid, Option<Verdict>), ApiError> {
        let mut backoff = Backoff::new(Duration::from_millis(20), Duration::from_secs(10));
        let begun = tokio::time::Instant::now();
        loop {
            match self.attempt().await {
                Err(error)
                    if error.kind.is_retried()
                        && begun.elapsed() < GONE_WITHIN
                        && !self.given_up.load(Ordering::Relaxed) =>
                {
                    tokio::time::sleep(backoff.next(jitter()).max(error.retry_after.unwrap_or_default()))
                        .await;
                }
                other => return other,
            }
        }
    }

    async fn attempt(&self) -> Result<(Uid, Option<Verdict>), ApiError> {
        let (id, target) = (&self.hook.object.id, &self.target);
        let resource = target.resource(id, self.hook.object.version())?;
        match objects::get(&target.client, &resource, id).await? {
            Some(live) => {
                let uid = live
                    .pointer("/metadata/uid")
                    .and_then(Value::as_str)
                    .and_then(Uid::parse)
                    .unwrap_or_default();
                let mark = live
                    .pointer("/metadata/annotations")
                    .and_then(|a| a.get(ANNOTATION_DIGEST))
                    .and_then(Value::as_str);
                if live.pointer("/metadata/deletionTimestamp").is_some() {
                    return Err(self.not_yet("its old object is still being deleted"));
                }
                if mark == Some(&*self.mark) {
                    return Ok((uid, Some(crate::health::judge_hook(&live))));
                }
                // An unchanged object that Helm would apply again without running it is left so too, but what must run
                // runs: retune's digest covers more than the text.
                let must_go = deletes(&self.hook, HookDeletePolicy::BeforeHookCreation)
                    || (waits(id) && mark.is_some_and(|m| base(m) != base(&self.mark)));
                if must_go {
                    self.delete_old(&resource, uid).await?;
                }
            }
            None => self.refuse_to_guess().await?,
        }
        if self.given_up.load(Ordering::Relaxed) {
            return Err(self.error(ErrorKind::Invalid, "a newer plan took over before it was created"));
        }
        match self.create(&resource).await {
            Err(error) if error.kind == ErrorKind::Immutable && self.may_recreate() => {
                if let Some(meta) = objects::get_meta(&target.client, &resource, id).await? {
                    self.delete_old(&resource, meta.uid).await?;
                }
                self.create(&resource).await
            }
            other => other,
        }
    }

    fn may_recreate(&self) -> bool {
        waits(&self.hook.object.id) || recreatable(&self.hook.object.id, &self.recreate)
    }

    async fn delete_old(&self, resource: &Resource, uid: Uid) -> Result<(), ApiError> {
        let id = &self.hook.object.id;
        gone(objects::delete(&self.target.client, resource, id, uid, None).await)?;
        if objects::get_meta(&self.target.client, resource, id).await?.is_some() {
            return Err(self.not_yet("its old object is still being deleted"));
        }
        Ok(())
    }

    /// A syncer before this one noted that it creates the object, and it is not there: either it never came to that, or
    /// it ran and was deleted. The server's Events tell, while they are kept.
    async fn refuse_to_guess(&self) -> Result<(), ApiError> {
        let id = &self.hook.object.id;
        let Some(noted) = self.noted.filter(|_| waits(id)) else { return Ok(()) };
        let seen = logs::has_events_since(&self.target.client, id, noted - 1).await?;
        let unknown = "it was begun by a syncer that ended, and its object is gone: whether it did its work is not known. \
                       Look, then let it run again with `retune sync`";
        if seen || time::now_seconds() - noted > EVENTS_LAST {
            return Err(self.error(ErrorKind::Invalid, unknown));
        }
        Ok(())
    }

    async fn create(&self, resource: &Resource) -> Result<(Uid, Option<Verdict>), ApiError> {
        let id = &self.hook.object.id;
        let what = || format!("hook {id}");
        let mut body = self.hook.object.json();
        if let Some(meta) = body.get_mut("metadata").and_then(Value::as_object_mut) {
            for (field, key, value) in [
                ("labels", LABEL_CLOUD, &*self.target.cloud),
                ("labels", LABEL_APP, &*self.app),
                ("labels", LABEL_HOOK, "true"),
                ("annotations", ANNOTATION_DIGEST, &*self.mark),
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
        let call = Call::patch(&path, APPLY_PATCH, body.to_string());
        let answer = self.target.client.request(Purpose::Apply, &what, call).await?;
        let meta = Meta::read(&what(), &answer)?;
        let live: Value = serde_json::from_slice(&answer).unwrap_or_default();
        let verdict = crate::health::judge_hook(&live);
        // A new object's first verdict says nothing; one that was there already may be complete.
        Ok((meta.uid, (verdict.health != Health::Progressing).then_some(verdict)))
    }

    fn not_yet(&self, message: &str) -> ApiError {
        self.error(ErrorKind::NotServing, message)
    }

    fn error(&self, kind: ErrorKind, message: &str) -> ApiError {
        ApiError {
            kind,
            what: format!("hook {}", self.hook.object.id),
            message: message.into(),
            status: 0,
            causes: Vec::new(),
            retry_after: None,
        }
    }
}

/// The digest in a mark.
fn base(mark: &str) -> &str {
    mark.split('.').next().unwrap_or(mark)
}

fn gone(result: Result<(), ApiError>) -> Result<(), ApiError> {
    result.or_else(|e| if e.kind == ErrorKind::NotFound { Ok(()) } else { Err(e) })
}

/// Objects of hooks that policy deletes.
#[derive(Debug, Default)]
pub(in crate::sync) struct Ending {
    objects: Vec<(ObjectId, Option<String>, Option<Uid>)>,
}

impl Ending {
    /// Those that a policy deletes, in this order.
    pub(super) fn of<'a>(
        hooks: impl Iterator<Item = (&'a Hook, Option<Uid>)>,
        policy: HookDeletePolicy,
    ) -> Self {
        let objects = hooks
            .filter(|(hook, _)| deletes(hook, policy))
            .map(|(hook, uid)| (hook.object.id.clone(), Some(hook.object.version().to_owned()), uid))
            .collect();
        Self { objects }
    }

    /// Those that an earlier syncer left to be deleted.
    pub(in crate::sync) fn of_keys(keys: &[String]) -> Self {
        let parsed = keys.iter().filter_map(|k| crate::sync::memory::parse_key(k));
        Self { objects: parsed.map(|id| (id, None, None)).collect() }
    }

    pub(in crate::sync) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Deletes them one after another; gives the keys of those that are gone or going.
    pub(in crate::sync) async fn run(self, target: &Target) -> Vec<String> {
        let mut out = Vec::new();
        for (id, version, uid) in self.objects {
            match delete(target, &id, version.as_deref(), uid).await {
                Ok(()) => out.push(key(&id)),
                Err(error) => {
                    tracing::warn!(hook = %id, %error, "a hook's object could not be deleted; tried again with the next plan")
                }
            }
        }
        out
    }
}

async fn delete(
    target: &Target,
    id: &ObjectId,
    version: Option<&str>,
    uid: Option<Uid>,
) -> Result<(), ApiError> {
    let resource = match version {
        Some(version) => target.resource(id, version)?,
        None => match target.discovery.preferred(&id.group, &id.kind) {
            Some(resource) => resource.clone(),
            None => return Ok(()),
        },
    };
    let uid = match uid {
        Some(uid) => uid,
        None => match objects::get_meta(&target.client, &resource, id).await? {
            Some(meta) if meta.own_annotations.contains_key(ANNOTATION_DIGEST) => meta.uid,
            // Gone, or somebody else's by now.
            _ => return Ok(()),
        },
    };
    gone(objects::delete(&target.client, &resource, id, uid, None).await)
}

/// The digests of what a hook refers to in the cluster, in order; what is absent or may not be read has none.
pub(in crate::sync) async fn read_live(
    target: &Target,
    namespace: Option<&str>,
    references: &[Reference],
) -> Vec<String> {
    let mut out = Vec::with_capacity(references.len());
    for reference in references {
        let content = read(target, namespace, reference).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "what a hook refers to could not be read: a change of it will not be seen");
            None
        });
        let digest = content.map_or_else(
            || "absent".to_owned(),
            |v| {
                let parts =
                    ["data", "binaryData"].map(|f| v.get(f).map(Value::to_string).unwrap_or_default());
                Digest::of_parts(parts).to_string()
            },
        );
        out.push(format!("{} {} {digest}", reference.kind, reference.name));
    }
    out
}

async fn read(
    target: &Target,
    namespace: Option<&str>,
    reference: &Reference,
) -> Result<Option<Value>, ApiError> {
    let id = ObjectId::new("", reference.kind, namespace, &reference.name);
    match target.discovery.preferred("", reference.kind).cloned() {
        Some(resource) => objects::get(&target.client, &resource, &id).await,
        None => Ok(None),
    }
}

/// The last lines and events of a failed hook, what its Secrets hold masked; empty for kinds without pods. The log is left
/// out when one of its Secrets may not be read: what it holds could not be masked.
pub(super) async fn diagnose(target: &Target, hook: &Hook) -> String {
    let id = &hook.object.id;
    if !waits(id) {
        return String::new();
    }
    let mut told = logs::of_workload(&target.client, id).await;
    let mut mask = Mask::default();
    for reference in references_of(&hook.object).into_iter().filter(|r| r.kind == "Secret") {
        match read(target, id.namespace.as_deref(), &reference).await {
            Ok(Some(secret)) => mask.learn_secret(&secret),
            Ok(None) => {}
            Err(error) => {
                told.lines.clear();
                told.no_log = Some(format!(
                    "its log is left out, as Secret {} may not be read: {error}",
                    reference.name
                ));
            }
        }
    }
    mask.text(&told.to_string())
}
