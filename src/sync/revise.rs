//! What the engine does with revisions: plan, approvals, the start of a run.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;

use super::engine::{ActiveRun, Ended, Engine, Timer};
use super::follow::{Desired, News};
use super::index::Standing;
use crate::apply::run::Run;
use crate::cloud::spec::DriftMode;
use crate::cluster::error::ApiError;
use crate::plan::{self, Facts, Live, Plan, Remembered, Verb};

impl Engine {
    /// A revision, or why there is none.
    pub(super) fn on_news(&mut self, news: News) {
        if self.tearing_down {
            return;
        }
        match news {
            News::Desired(desired) => {
                self.report.source_ok(&desired.revision.id);
                let desired = self.beside_scalers(desired);
                if self
                    .desired
                    .as_ref()
                    .is_some_and(|d| d.cloud.digest == desired.cloud.digest && d.policies_equal(&desired))
                    && self.active.is_none()
                {
                    // The same objects under another commit: nothing to do but to say so.
                    self.desired = Some(desired);
                    self.keep_inputs();
                    self.keep_nodes();
                    self.after_same_revision();
                    return;
                }
                self.desired = Some(Arc::clone(&desired));
                self.keep_inputs();
                self.keep_nodes();
                self.planned = false;
                self.app_retries.clear();
                self.carried_out = true;
                self.plan_again();
            }
            News::Failing { revision, message } => {
                tracing::warn!(%message, "the last good revision stays enforced");
                self.report.source_failing(revision.as_deref(), &message);
                self.ledger.failed(revision.as_deref().unwrap_or(""), &message);
                self.request_done();
                if self.once {
                    self.ended = Some(Ended::Once(false));
                    self.stopping = true;
                }
            }
            News::Inputs(sources) => self.ask_inputs(&sources),
            News::Checked => {
                self.report.source_checked();
                self.carry_out_request();
            }
        }
        self.pump_status_soon();
    }

    fn pump_status_soon(&mut self) {
        self.after(std::time::Duration::from_millis(500), Timer::Status);
    }

    fn after_same_revision(&mut self) {
        if let Some(desired) = &self.desired {
            tracing::info!(revision = %desired.revision.short(), objects = self.index.objects.len(), "nothing to do: the same objects");
            self.report.enforced(&desired.revision.id);
            self.report.due = true;
            self.declare_secrets(&Arc::clone(desired));
        }
        self.request_done();
        if self.once {
            self.ended = Some(Ended::Once(true));
            self.stopping = true;
        }
    }

    /// Makes the plan anew from what is really there, and starts it. Unstarted work of the plan before is dropped; writes
    /// in flight finish and are taken in.
    pub(super) fn plan_again(&mut self) {
        let Some(desired) = self.desired.clone().filter(|_| self.surroundings_known()) else { return };
        if self.memory.apps.is_empty() && !self.scanned {
            self.scan();
            return;
        }
        if self.counts_instances_first(&desired)
            || self.measures_first(&desired)
            || self.examines_first(&desired)
        {
            return;
        }
        self.prepare_adoptions(&desired);
        self.queue.clear();
        self.urgent.clear();
        self.deletions.clear();
        self.drop_hooks();
        self.parked.clear();
        for known in self.index.objects.values_mut() {
            known.queued = false;
            known.wanted = false;
        }
        let facts = self.facts();
        let plan = plan::make(&desired.cloud, &facts);
        if !facts.objects.is_empty() || plan.actions().next().is_some() {
            self.inputs.store.outline();
        }
        for left in &plan.left {
            tracing::info!(app = %left.app, object = %left.id, "{}", left.why());
        }
        let uses_approval = plan.withheld.iter().all(|w| w.guard.is_final()) && plan.approval.is_some();
        if uses_approval && let Some(digest) = plan.approval {
            if self.prepares_first(&desired, &plan) {
                return;
            }
            tracing::info!(approval = %digest, "an approval is used");
            self.consuming = Some((desired, plan));
            self.consume(&digest.to_string());
            return;
        }
        self.start(desired, plan);
    }

    /// Makes the plan anew for one app and starts that part of it; only while no run is under way.
    pub(super) fn plan_app(&mut self, app: &str) {
        let Some(desired) = self.desired.clone().filter(|_| self.active.is_none() && self.planned) else {
            return;
        };
        let mut plan = plan::make(&desired.cloud, &Facts { approved: Vec::new(), ..self.facts() });
        for other in plan.apps.iter_mut().filter(|a| *a.app != *app) {
            other.applies.clear();
            other.hooks.clear();
            other.prunes.clear();
        }
        self.start(desired, plan);
    }

    /// The approval is recorded as used: the plan may start.
    pub(super) fn on_consumed(&mut self, result: Result<(), ApiError>) {
        let Some((desired, plan)) = self.consuming.take() else { return };
        match result {
            Ok(()) if self.desired.as_ref().is_some_and(|d| Arc::ptr_eq(d, &desired)) => {
                self.start(desired, plan)
            }
            Ok(()) => self.plan_again(),
            Err(error) => {
                tracing::warn!(%error, "the approval could not be recorded as used: nothing guarded is done");
                self.report.forget_used(plan.approval.map(|d| d.to_string()));
                let again = plan::make(&desired.cloud, &Facts { approved: Vec::new(), ..self.facts() });
                self.start(desired, again);
            }
        }
    }

    pub(super) fn facts(&self) -> Facts {
        let is_desired = |id| self.desired.as_ref().is_some_and(|d| d.object(id).is_some());
        let objects = self
            .index
            .objects
            .iter()
            .map(|(id, k)| {
                let corrected = || self.drift_policy(id) == DriftMode::Correct;
                let live = match &k.standing {
                    _ if k.deleting => Live::Deleting,
                    // Noted ahead of its turn, which never came, and no watch has seen it.
                    Standing::Unknown if k.digest.is_none() && k.uid.is_none() && !k.busy => {
                        let watch = self.watches.get(&(Arc::clone(&id.group), Arc::clone(&id.kind)));
                        let unseen = watch.is_some_and(|w| w.synced && w.round != k.round);
                        if unseen { Live::Absent } else { Live::Unknown }
                    }
                    // Told, not corrected: a change in Git is applied all the same.
                    Standing::Drifted(_) | Standing::Absent if is_desired(id) && !corrected() => Live::InSync,
                    Standing::Unknown => Live::Unknown,
                    Standing::InSync => Live::InSync,
                    Standing::Absent => Live::Absent,
                    Standing::Drifted(why) => Live::Drifted(why.to_string()),
                };
                (
                    id.clone(),
                    Remembered { app: Arc::clone(&k.app), digest: k.digest, uid: k.uid, keep: k.keep, live },
                )
            })
            .collect();
        let apps = self.memory.apps.iter().map(|(app, r)| (Arc::clone(app), r.facts())).collect();
        let mut facts = Facts {
            objects,
            apps,
            empty_crds: self.definitions.empty.clone(),
            shrinks: self.sizes.shrinks.clone(),
            prune_frozen: self.prune_frozen,
            approved: self.approved(),
            holds: self.holds.facts(),
            ..Facts::default()
        };
        self.adoption_facts(&mut facts);
        facts
    }

    /// Starts a plan.
    fn start(&mut self, desired: Arc<Desired>, plan: Plan) {
        let plan = Arc::new(plan);
        self.planned = true;
        self.report.plan(&plan);
        self.adoptions_of(&plan);
        self.declare_secrets(&desired);
        self.ask_rotation();
        if !plan.withheld.is_empty()
            && let Some(digest) = plan.approval
        {
            tracing::warn!(actions = plan.withheld.len(), approve = %digest, "withheld until approved: retune approve {digest}");
            for held in plan.withheld.iter().take(20) {
                tracing::warn!(object = %held.action.id, app = %held.app, "withheld: {} {}", held.action.verb.as_str(), held.guard);
            }
        }
        self.take_rules_in(&desired);
        self.tell_unknown_delete_hooks(&plan);
        // Watches begin with the first plan: drift found by them can then be blamed field by field.
        let kinds: BTreeSet<_> = desired
            .cloud
            .objects()
            .map(|o| (Arc::clone(&o.id.group), Arc::clone(&o.id.kind)))
            .chain(self.index.objects.keys().map(|id| (Arc::clone(&id.group), Arc::clone(&id.kind))))
            .collect();
        for (group, kind) in kinds {
            self.ensure_watch(&group, &kind);
        }
        self.look_after_hooks();
        // What is not as desired makes its app unready.
        self.unready.clear();
        self.ahead.clear();
        self.incomplete = plan.apps.iter().filter(|a| a.incomplete).map(|a| Arc::clone(&a.app)).collect();
        self.sizes.withheld = super::sizes::withheld(&plan);
        // What waits for consent is not as its revision says, and holds up nobody: the bigger one runs on.
        self.incomplete.extend(self.sizes.withheld.values().cloned());
        for app in desired.cloud.apps.iter().filter(|a| !self.adoption.unadopted.contains_key(&a.name)) {
            let set = self.unready.entry(Arc::clone(&app.name)).or_default();
            for object in &app.objects {
                let ready = self.index.objects.get(&object.id).is_some_and(|k| {
                    (k.health == crate::health::Health::Ready
                        || super::observe::desired_ignores(Some(&desired), &app.name, &object.id))
                        && (k.digest == Some(object.digest) || self.sizes.withheld.contains_key(&object.id))
                        && k.standing != Standing::Absent
                });
                if !ready && self.holds.of(&app.name, &object.id).is_none() {
                    set.insert(object.id.clone());
                }
            }
        }
        let run = Run::new(&plan);
        for action in plan.apps.iter().flat_map(|a| &a.applies).filter(|a| a.verb == Verb::Correct) {
            // Found by the plan: told as drift when corrected.
            self.report.drift_seen(&action.id, action.reason.clone(), Instant::now());
        }
        if let Some(before) = self.active.take()
            && !before.run.is_over()
        {
            tracing::info!(revision = %desired.revision.short(), "a newer plan takes over");
        }
        self.active = Some(ActiveRun {
            run,
            plan,
            seen: desired.seen,
            app_started: HashMap::new(),
            applied_told: false,
            first_write: None,
            writes: 0,
            conflicts: Vec::new(),
            ahead: HashSet::new(),
            stalled: false,
        });
        self.advance();
        if !self.holds.is_empty() {
            self.after(std::time::Duration::from_millis(50), Timer::Holds);
        }
    }
}
