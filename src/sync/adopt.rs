//! What the engine does with apps that helm or kubectl made: it withholds them until they are adopted, adopts them one at a time,
//! and gives them back.
//!
//! Before a plan is made, objects that the inventory does not know are looked at (`Engine::examines_first`): those that exist and are
//! not this cloud's make their app one that is to be adopted ([`crate::plan::adopt`]). A request in `spec.adopt` first has the app's
//! objects recorded as they were ([`crate::cluster::adopted`]); then the plan lets the app in, and each object's first apply moves
//! what Git states to retune. Undoing holds the app, gives each object back, and forgets the app; both go on after a restart, for the
//! request stays until they are through.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;

use super::engine::{Engine, Message};
use super::follow::Desired;
use super::memory::parse_key;
use super::takeover::{self, Seen, Takeover};
use crate::cloud::{Digest, ObjectId};
use crate::cluster::adopted::{self, Kept};
use crate::cluster::crd::{AdoptRequest, AdoptionStatus, CloudSyncStatus};
use crate::cluster::error::ApiError;
use crate::cluster::release::Found;
use crate::cluster::state;
use crate::plan::hold::{Hold, Target};
use crate::plan::{Facts, Plan};

/// How long until something that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);
/// How many apps and outcomes the status lists.
const LISTED: usize = 50;

/// What is known of apps that are to be adopted.
#[derive(Debug, Default)]
pub(super) struct Adoption {
    /// The render whose objects were looked at.
    asked: Option<Digest>,
    asking: bool,
    seen: HashMap<ObjectId, Seen>,
    /// Apps that are recorded and may be adopted as soon as somebody says so.
    prepared: BTreeMap<Arc<str>, Prepared>,
    preparing: BTreeSet<Arc<str>>,
    /// Apps whose adoption is being undone.
    undoing: BTreeMap<Arc<str>, Hold>,
    returning: BTreeSet<Arc<str>>,
    /// Adopted apps whose Helm releases are being deleted.
    releasing: BTreeSet<Arc<str>>,
    /// Apps of the plan that are not retune's yet, and why they wait.
    pub(super) unadopted: BTreeMap<Arc<str>, AdoptionStatus>,
    /// What came of requests, newest last.
    outcomes: Vec<AdoptionStatus>,
    /// Requests that are over and may still stand in the spec.
    ended: BTreeMap<String, AdoptRequest>,
    /// How many of them are being taken out.
    clearing: usize,
}

#[derive(Debug)]
struct Prepared {
    hooks: BTreeMap<String, String>,
    notes: Vec<String>,
    objects: usize,
    releases: Vec<Found>,
    outside: usize,
}

/// What a job about an adoption reports.
#[derive(Debug)]
pub(super) enum AdoptionNews {
    /// What exists.
    Looked(Result<Vec<(ObjectId, Seen)>, ApiError>),
    /// An app was looked at and recorded.
    Prepared(Arc<str>, Result<Box<Takeover>, ApiError>),
    /// It was given back: how many objects; or why it was not.
    Returned(Arc<str>, Result<Result<usize, String>, ApiError>),
    /// Its Helm releases were deleted, as asked; what there is to tell of it.
    Released(Arc<str>, String, Result<(), ApiError>),
    /// The request was taken out of the `CloudSync`.
    Cleared(Result<(), ApiError>),
}

impl Adoption {
    /// As the last status had it.
    pub(super) fn load(status: &CloudSyncStatus) -> Self {
        let over = |a: &&AdoptionStatus| ["adopted", "undone", "refused"].contains(&a.state.as_str());
        Self { outcomes: status.adoption.iter().filter(over).cloned().collect(), ..Self::default() }
    }

    /// Whether something is under way whose end changes the plan.
    pub(super) fn is_busy(&self) -> bool {
        self.asking
            || !self.preparing.is_empty()
            || !self.undoing.is_empty()
            || !self.releasing.is_empty()
            || self.clearing > 0
    }

    /// Whether an adoption is being undone.
    pub(super) fn is_undoing(&self) -> bool {
        !self.undoing.is_empty()
    }

    /// The hold on an app whose adoption is being undone.
    pub(super) fn hold_of(&self, app: &str) -> Option<&Hold> {
        self.undoing.get(app)
    }

    /// What is known to have been installed by others: hooks that are done.
    pub(super) fn hooks_of(&self, app: &str) -> Option<&BTreeMap<String, String>> {
        self.prepared.get(app).map(|p| &p.hooks)
    }
}

impl Engine {
    /// Whether the plan has to wait until it is known which of the objects that are new to the inventory exist.
    pub(super) fn examines_first(&mut self, desired: &Desired) -> bool {
        if self.adoption.asking {
            return true;
        }
        if self.adoption.asked != Some(desired.cloud.digest) {
            self.adoption.asked = Some(desired.cloud.digest);
            self.adoption.seen.clear();
        }
        let unknown: Vec<(ObjectId, Arc<str>)> = desired
            .cloud
            .objects()
            .filter(|o| self.index.objects.get(&o.id).is_none_or(|k| k.digest.is_none()))
            .filter(|o| !self.adoption.seen.contains_key(&o.id))
            .map(|o| (o.id.clone(), o.version().into()))
            .collect();
        if unknown.is_empty() {
            return false;
        }
        self.adoption.asking = true;
        let target = self.target.clone();
        self.jobs.spawn(async move {
            Message::Adoption(AdoptionNews::Looked(takeover::look(&target, unknown).await))
        });
        true
    }

    /// What the plan needs to know of what exists.
    pub(super) fn adoption_facts(&self, facts: &mut Facts) {
        let applied = |id: &ObjectId| self.index.objects.get(id).is_some_and(|k| k.digest.is_some());
        facts.existing = self
            .adoption
            .seen
            .iter()
            .filter(|(id, _)| !applied(id))
            .filter_map(|(id, seen)| Some((id.clone(), seen.clone()?)))
            .collect();
        facts.first = self.report.status.synced_revision.is_empty();
        facts.installed =
            self.adoption.prepared.iter().map(|(app, p)| (Arc::clone(app), p.hooks.clone())).collect();
        facts.adopting = self
            .cloudsync
            .spec
            .adopt
            .iter()
            .filter(|(app, request)| !request.undo && self.adoption.prepared.contains_key(app.as_str()))
            .map(|(app, _)| app.as_str().into())
            .collect();
    }

    /// Takes the requests of the `CloudSync` in; whether there is something new in them.
    pub(super) fn take_adoptions(&mut self, before: &BTreeMap<String, AdoptRequest>) -> bool {
        let spec = &mut self.cloudsync.spec.adopt;
        self.adoption.ended.retain(|app, _| spec.contains_key(app));
        spec.retain(|app, request| self.adoption.ended.get(app) != Some(request));
        if spec == before {
            return false;
        }
        self.adoption.undoing = spec
            .iter()
            .filter(|(_, request)| request.undo)
            .map(|(app, request)| {
                let hold = Hold {
                    target: Target::App(app.as_str().into()),
                    until: "its adoption is undone".to_owned(),
                    reason: request.by.clone(),
                };
                (app.as_str().into(), hold)
            })
            .collect();
        self.report.due = true;
        true
    }

    /// Has apps recorded whose adoption was asked for, and ends requests that have come to nothing.
    pub(super) fn prepare_adoptions(&mut self, desired: &Arc<Desired>) {
        for (app, request) in self.cloudsync.spec.adopt.clone() {
            if request.undo {
                continue;
            }
            let Some(rendered) = desired.cloud.app(&app) else {
                let has: Vec<&str> = desired.cloud.apps.iter().map(|a| &*a.name).take(LISTED).collect();
                let why = format!("the revision has no app {app}; it has {}", has.join(", "));
                self.adoption_over(&app.into(), "refused", why);
                continue;
            };
            let bare = request.render.trim_start_matches("sha256:");
            if !rendered.digest.to_string().trim_start_matches("sha256:").starts_with(bare) {
                let why = format!(
                    "its render is {} by now: look at `retune adopt {app}` again",
                    rendered.digest.short()
                );
                self.adoption_over(&app.into(), "refused", why);
                continue;
            }
            if !self.adoption.prepared.contains_key(app.as_str()) {
                self.prepare(desired, &app.into());
            }
        }
    }

    /// Has the apps of an approved take-over recorded; whether the plan waits for that.
    pub(super) fn prepares_first(&mut self, desired: &Arc<Desired>, plan: &Plan) -> bool {
        let wanted: Vec<Arc<str>> = plan
            .apps
            .iter()
            .filter(|a| a.applies.iter().any(|x| self.adoption.seen.get(&x.id).is_some_and(Option::is_some)))
            .filter(|a| !self.adoption.prepared.contains_key(&a.app) && !self.is_begun(&a.app))
            .map(|a| Arc::clone(&a.app))
            .collect();
        for app in &wanted {
            self.prepare(desired, app);
        }
        !wanted.is_empty()
    }

    fn is_begun(&self, app: &str) -> bool {
        self.memory.apps.get(app).is_some_and(|r| r.render.is_some() || r.operation.kind.is_some())
    }

    fn prepare(&mut self, desired: &Arc<Desired>, app: &Arc<str>) {
        let Some(rendered) = desired.cloud.app(app).cloned() else { return };
        if !self.adoption.preparing.insert(Arc::clone(app)) {
            return;
        }
        self.report.due = true;
        let (target, desired, app) = (self.target.clone(), Arc::clone(desired), Arc::clone(app));
        let assume = self.cloudsync.spec.adopt.get(&*app).is_some_and(|r| r.hooks_done);
        self.jobs.spawn(async move {
            let work = async {
                let recorded = adopted::read(&target.client, &target.cloud, &app).await?;
                let found = takeover::examine(&target, &desired, &rendered, recorded, assume).await?;
                if found.refused.is_empty() && !found.record.objects.is_empty() {
                    adopted::write(&target.client, &target.cloud, &app, &found.record).await?;
                }
                Ok(Box::new(found))
            };
            let result = work.await;
            Message::Adoption(AdoptionNews::Prepared(app, result))
        });
    }

    pub(super) fn on_adoption(&mut self, news: AdoptionNews) {
        match news {
            AdoptionNews::Looked(Ok(seen)) => {
                self.adoption.asking = false;
                self.adoption.seen.extend(seen);
                self.plan_again();
            }
            AdoptionNews::Looked(Err(error)) => {
                self.adoption.asking = false;
                tracing::warn!(%error, "what exists already could not be looked at; it is looked at again");
                let wait = self.inventory_backoff.next(crate::cluster::error::jitter());
                self.after(wait, super::engine::Timer::Replan);
            }
            AdoptionNews::Prepared(app, Ok(found)) => {
                self.adoption.preparing.remove(&app);
                self.on_prepared(&app, *found);
                self.plan_again();
            }
            AdoptionNews::Prepared(app, Err(error)) => {
                tracing::warn!(%app, %error, "what there is of an app could not be recorded: not adopted yet, tried again");
                self.after(AGAIN, super::engine::Timer::Adopt(app));
            }
            AdoptionNews::Returned(app, Ok(Ok(objects))) => self.on_returned(&app, objects),
            AdoptionNews::Returned(app, Ok(Err(why))) => {
                self.adoption.returning.remove(&app);
                self.adoption_over(&app, "refused", why);
                self.plan_again();
            }
            AdoptionNews::Returned(app, Err(error)) => {
                tracing::warn!(%app, %error, "could not be given back yet; tried again");
                self.after(AGAIN, super::engine::Timer::Adopt(app));
            }
            AdoptionNews::Released(app, message, result) => {
                self.adoption.releasing.remove(&app);
                let outcome = match result {
                    Ok(()) => "Helm's record of them is deleted".to_owned(),
                    Err(error) => {
                        tracing::warn!(%app, %error, "Helm's release Secrets could not be deleted");
                        format!(
                            "Helm's record of them could not be deleted ({error}): delete the Secrets with the label owner=helm by hand"
                        )
                    }
                };
                self.tell_adopted(&app, format!("{message}; {outcome}"));
            }
            AdoptionNews::Cleared(result) => {
                self.adoption.clearing = self.adoption.clearing.saturating_sub(1);
                if let Err(error) = result {
                    tracing::warn!(%error, "the request to adopt could not be taken out of the CloudSync: it is carried out again, which changes nothing");
                }
                if self.once {
                    self.plan_again();
                }
            }
        }
    }

    /// Something that failed is tried again.
    pub(super) fn adoption_again(&mut self, app: &Arc<str>) {
        self.adoption.preparing.remove(app);
        self.adoption.returning.remove(app);
        self.plan_again();
    }

    fn on_prepared(&mut self, app: &Arc<str>, found: Takeover) {
        if !found.refused.is_empty() {
            let why =
                format!("{}; let that owner go of it first: see docs/adoption.md", found.refused.join("; "));
            tracing::warn!(%app, %why, "not adopted");
            self.adoption.asked = None;
            self.adoption_over(app, "refused", why);
            return;
        }
        for note in &found.hooks {
            tracing::info!(%app, hook = %note, "adopted app");
        }
        let prepared = Prepared {
            hooks: found.done,
            notes: found.hooks,
            objects: found.record.objects.len(),
            releases: found.releases,
            outside: found.outside.len(),
        };
        self.adoption.prepared.insert(Arc::clone(app), prepared);
    }

    /// A plan is started: which apps it leaves alone, and which adoptions have nothing left to do.
    pub(super) fn adoptions_of(&mut self, plan: &Plan) {
        self.adoption.unadopted = plan
            .apps
            .iter()
            .filter(|a| a.unadopted)
            .map(|a| {
                let of: Vec<_> = plan.withheld.iter().filter(|w| w.app == a.app).collect();
                let refused = of.iter().find(|w| w.guard.is_final());
                let exists = |w: &&&crate::plan::Withheld| {
                    self.adoption.seen.get(&w.action.id).is_some_and(Option::is_some)
                };
                let (state, message) = match (refused, of.iter().filter(exists).count()) {
                    (Some(w), _) => ("refused", format!("{} {}", w.action.id, w.guard)),
                    (None, 0) => (
                        "waits",
                        format!("nothing of it exists; it waits until the others are adopted, or for `retune adopt {}`", a.app),
                    ),
                    (None, n) => (
                        "exists",
                        format!("{n} of {} objects exist: `retune adopt {}` shows what adopting it changes", of.len(), a.app),
                    ),
                };
                let status = AdoptionStatus {
                    app: a.app.to_string(),
                    id: String::new(),
                    state: state.to_owned(),
                    message,
                };
                (Arc::clone(&a.app), status)
            })
            .collect();
        let over: Vec<Arc<str>> = plan
            .apps
            .iter()
            .filter(|a| !a.unadopted && a.applies.is_empty() && a.hooks.is_empty())
            .filter(|a| self.cloudsync.spec.adopt.get(&*a.app).is_some_and(|r| !r.undo))
            .filter(|a| a.operation.is_none() && self.is_begun(&a.app))
            .map(|a| Arc::clone(&a.app))
            .collect();
        for app in over {
            self.adopted_app(&app);
        }
    }

    /// Everything of an app is applied: if that was its adoption, it is told, and Helm's record goes if that was asked for.
    pub(super) fn adopted_app(&mut self, app: &Arc<str>) {
        if self.adoption.releasing.contains(app) {
            return;
        }
        let request = self.cloudsync.spec.adopt.get(&**app).filter(|r| !r.undo).cloned();
        let prepared = self.adoption.prepared.remove(app);
        if request.is_none() && prepared.is_none() {
            return;
        }
        let Some(prepared) = prepared else {
            self.tell_adopted(app, "adopted".to_owned());
            return;
        };
        let remove = request.is_some_and(|r| r.remove_releases) && !prepared.releases.is_empty();
        let mut message = format!("{} objects adopted", prepared.objects);
        for found in &prepared.releases {
            message.push_str(&format!("; Helm's release {}", found.release));
            if remove && prepared.outside > 0 {
                message.push_str(" stays: it has objects that Git does not have");
            } else if !remove {
                message.push_str(" stays: `helm uninstall` would still delete its objects");
            }
        }
        let told: Vec<String> = prepared.notes.into_iter().filter(|n| !n.ends_with("says so")).collect();
        if !told.is_empty() {
            message.push_str(&format!("; hooks: {}", told.join(", ")));
        }
        if !remove || prepared.outside > 0 {
            self.tell_adopted(app, message);
            return;
        }
        // Told when it is done; killed before that, the request still stands.
        self.adoption.releasing.insert(Arc::clone(app));
        let (target, app) = (self.target.clone(), Arc::clone(app));
        self.jobs.spawn(async move {
            let result = takeover::remove_releases(&target, &prepared.releases).await;
            Message::Adoption(AdoptionNews::Released(app, message, result))
        });
    }

    fn tell_adopted(&mut self, app: &Arc<str>, message: String) {
        tracing::info!(%app, %message, "adopted");
        self.adoption_over(app, "adopted", message);
    }

    /// A request has come to its end: told in the status and taken out of the spec.
    fn adoption_over(&mut self, app: &Arc<str>, state: &str, message: String) {
        let request = self.cloudsync.spec.adopt.remove(&**app);
        self.adoption.undoing.remove(app);
        self.adoption.outcomes.retain(|o| o.app != **app);
        let excess = self.adoption.outcomes.len().saturating_sub(LISTED - 1);
        self.adoption.outcomes.drain(..excess);
        self.adoption.outcomes.push(AdoptionStatus {
            app: app.to_string(),
            id: request.as_ref().map(|r| r.id.clone()).unwrap_or_default(),
            state: state.to_owned(),
            message: message.chars().take(4_000).collect(),
        });
        self.report.due = true;
        self.report.note(state == "refused", "Adoption", format!("{app} {state}: {message}"));
        self.after(Duration::from_millis(20), super::engine::Timer::Events);
        if let Some(request) = request {
            self.adoption.ended.insert(app.to_string(), request);
            self.adoption.clearing += 1;
            let (client, name, app) = (self.target.client.clone(), self.name.to_string(), Arc::clone(app));
            self.jobs.spawn(async move {
                let patch = json!({"adopt": {&*app: null}});
                let done = state::patch_cloudsync_spec(&client, &name, &patch).await.map(|_| ());
                Message::Adoption(AdoptionNews::Cleared(done))
            });
        }
    }

    /// Starts giving an app back, once nothing of it is in flight.
    pub(super) fn advance_undoing(&mut self) {
        if self.adoption.undoing.is_empty() || !self.leadership.holds() {
            return;
        }
        let apps: Vec<Arc<str>> = self
            .adoption
            .undoing
            .keys()
            .filter(|app| !self.adoption.returning.contains(*app) && !self.inventory_busy.contains(*app))
            .filter(|app| !self.hooks.keys().any(|(of, _)| of == *app))
            .filter(|app| !self.index.objects.values().any(|k| k.app == **app && k.busy))
            .cloned()
            .collect();
        for app in apps {
            self.give_back(&app);
        }
    }

    fn give_back(&mut self, app: &Arc<str>) {
        tracing::info!(%app, "its adoption is undone");
        self.adoption.returning.insert(Arc::clone(app));
        let ours: Vec<(ObjectId, Arc<str>)> = self
            .index
            .objects
            .iter()
            .filter(|(_, k)| k.app == *app)
            .map(|(id, k)| (id.clone(), Arc::clone(&k.version)))
            .collect();
        let shards = self.memory.apps.get(app).map_or(0, super::memory::AppRecord::shard_count);
        let (target, app) = (self.target.clone(), Arc::clone(app));
        self.jobs.spawn(async move {
            let work = async {
                let (client, cloud) = (&target.client, &*target.cloud);
                let Some(record) = adopted::read(client, cloud, &app).await? else {
                    // Nothing left: an undoing that was cut short at its very end.
                    return Ok(if ours.is_empty() {
                        Ok(0)
                    } else {
                        Err(format!(
                            "app {app} was not adopted: there is no record of what its objects were before"
                        ))
                    });
                };
                let mut objects: BTreeMap<ObjectId, (String, Kept)> = ours
                    .into_iter()
                    .map(|(id, version)| (id, (version.to_string(), Kept::default())))
                    .collect();
                for (key, kept) in record.objects {
                    if let Some(id) = parse_key(&key) {
                        objects.insert(id, (kept.version.clone(), kept));
                    }
                }
                let mut given = 0;
                for (id, (version, kept)) in objects {
                    given += usize::from(target.give_back(&id, &version, &kept.before).await?);
                }
                for shard in 0..shards.max(1) {
                    state::delete_inventory(client, &format!("{cloud}.{app}.{shard}")).await?;
                }
                adopted::forget(client, cloud, &app).await?;
                Ok(Ok(given))
            };
            let result = work.await;
            Message::Adoption(AdoptionNews::Returned(app, result))
        });
    }

    fn on_returned(&mut self, app: &Arc<str>, objects: usize) {
        let ids: Vec<ObjectId> =
            self.index.objects.iter().filter(|(_, k)| k.app == *app).map(|(id, _)| id.clone()).collect();
        for id in &ids {
            self.index.objects.remove(id);
            self.retries.remove(id);
            self.settle_fight(id);
            self.report.forget(id);
        }
        self.adoption.seen.clear();
        self.adoption.asked = None;
        self.memory.apps.remove(app);
        self.recording.remove(app);
        self.unready.remove(app);
        self.adoption.prepared.remove(app);
        self.adoption.returning.remove(app);
        let message = format!("{objects} objects given back to those that they were adopted from");
        tracing::info!(%app, %message, "undone");
        self.adoption_over(app, "undone", message);
        self.plan_again();
    }

    /// For the status: apps that are not retune's yet, and what came of requests.
    pub(super) fn adoption_status(&self) -> Vec<AdoptionStatus> {
        let spec = &self.cloudsync.spec.adopt;
        let mut out: Vec<AdoptionStatus> = Vec::new();
        for (app, status) in self.adoption.unadopted.iter().take(LISTED) {
            if !spec.contains_key(&**app) {
                out.push(status.clone());
            }
        }
        for (app, request) in spec.iter().take(LISTED) {
            let state = if request.undo { "undoing" } else { "adopting" };
            let message = String::new();
            let (app, id) = (app.clone(), request.id.clone());
            out.push(AdoptionStatus { app, id, state: state.to_owned(), message });
        }
        out.extend(self.adoption.outcomes.iter().filter(|o| !spec.contains_key(&o.app)).cloned());
        out
    }
}
