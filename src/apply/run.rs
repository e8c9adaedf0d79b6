//! One plan being executed: which app and which phase may go on. Pure; fed with what happened, asked what to start.
//!
//! Apps wait for the readiness of what they depend on; inside an app, phases follow each other as their objects are
//! applied (CRDs: established). An object that fails for good stops the later phases of its app and the apps that
//! depend on it, nothing else. Deletions of an app come after it is ready; removed apps go last. An app that waits costs
//! nothing but one inventory write ahead of its turn, so that its first object follows its last dependency at once.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::cloud::ObjectId;
use crate::plan::hooks::{DueHook, When};
use crate::plan::order::{self, PHASES, Phase};
use crate::plan::{Action, AppPlan, Plan, Verb};

/// How an app stands with regard to those that depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// All objects are current.
    Ready,
    /// Not yet.
    Waiting,
}

/// Where an app is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Waits for the apps it depends on.
    Waiting,
    /// Its additions are being written to the inventory, before any object is.
    Recording,
    /// The inventory knows its additions; the first phase may begin.
    Recorded,
    /// Its hooks that come before are run.
    PreHooks,
    /// Objects of this phase are being applied.
    Applying(Phase),
    /// Everything is applied; its hooks that come after are run.
    PostHooks,
    /// Everything is applied; waits until its objects are ready.
    Settling,
    /// What Git has no more is being deleted.
    Pruning,
    /// Nothing left to do.
    Done,
    /// An object failed for good.
    Failed,
}

/// One app of a run.
#[derive(Debug)]
pub struct AppRun {
    /// Its part of the plan.
    pub plan: AppPlan,
    /// Where it is.
    pub state: State,
    /// Objects of the current phase that are not applied yet, or deletions not done yet.
    pub outstanding: HashSet<ObjectId>,
    /// Objects that failed for good, with the message.
    pub failed: BTreeMap<ObjectId, String>,
    /// Its hooks have been ordered and not reported yet.
    pub hooks_running: bool,
    /// How many of its deletions have been ordered.
    pruned: usize,
    /// Its additions were ordered to be written to the inventory while it waits.
    ahead: bool,
    /// The inventory knows its additions although its turn has not come.
    noted: bool,
}

/// What to start.
#[derive(Debug, PartialEq, Eq)]
pub enum Order {
    /// Write the app's additions to the inventory, then tell [`Run::recorded`].
    Record(Arc<str>),
    /// The same for an app whose turn has not come: whenever there is time.
    RecordAhead(Arc<str>),
    /// Apply this object, then tell [`Run::applied`] or [`Run::failed`].
    Apply(ObjectId),
    /// Delete this object, then tell [`Run::applied`] or [`Run::failed`].
    Delete(Box<Action>),
    /// Forget this object.
    Release(ObjectId),
    /// Run the app's due hooks, then tell [`Run::hooks_done`] or [`Run::hooks_failed`].
    Hooks(Arc<str>, When),
    /// The app's objects are all applied and its hooks done.
    AppApplied(Arc<str>),
    /// The app is ready; its deletions follow.
    AppReady(Arc<str>),
    /// Nothing is left of an app that Git has no more; its record goes.
    AppRemoved(Arc<str>),
}

/// A plan being executed.
#[derive(Debug, Default)]
pub struct Run {
    /// In the plan's order.
    pub apps: Vec<AppRun>,
    index: HashMap<Arc<str>, usize>,
    /// Every object still outstanding, to its app.
    owners: HashMap<ObjectId, usize>,
    /// Apps whose generated Secrets are not there.
    held_back: HashSet<Arc<str>>,
}

impl Run {
    /// A run of a plan; nothing is started yet.
    #[must_use]
    pub fn new(plan: &Plan) -> Self {
        let mut run = Self::default();
        for app in &plan.apps {
            run.index.insert(Arc::clone(&app.app), run.apps.len());
            run.apps.push(AppRun {
                plan: app.clone(),
                state: State::Waiting,
                outstanding: HashSet::new(),
                failed: BTreeMap::new(),
                hooks_running: false,
                pruned: 0,
                ahead: false,
                noted: false,
            });
        }
        run
    }

    /// Whether nothing moves without help: every app is done, has failed, was given up, or waits for one that was.
    /// False while there is an app of which that cannot be said, and when all are done or failed ([`Run::is_over`]).
    #[must_use]
    pub fn is_stalled(&self, given_up: &dyn Fn(&str) -> bool) -> bool {
        let mut stuck: HashSet<&str> = HashSet::new();
        // Dependencies stand first, removed apps last.
        for app in &self.apps {
            let stays = match app.state {
                State::Done => continue,
                State::Failed => true,
                State::Waiting => {
                    app.plan.removed
                        || !app.plan.pending.is_empty()
                        || app.plan.depends_on.iter().any(|d| stuck.contains(&**d))
                }
                _ => given_up(&app.plan.app),
            };
            if !stays {
                return false;
            }
            stuck.insert(&app.plan.app);
        }
        !self.is_over()
    }

    /// An app that failed begins again, with the objects and hooks that `still` says are to be done. Whether it had failed.
    pub fn retry(
        &mut self,
        app: &str,
        still: &dyn Fn(&ObjectId) -> bool,
        due: &dyn Fn(&DueHook) -> bool,
    ) -> bool {
        let Some(app) = self.index.get(app).map(|i| &mut self.apps[*i]).filter(|a| a.state == State::Failed)
        else {
            return false;
        };
        app.plan.applies.retain(|a| still(&a.id));
        app.plan.hooks.retain(due);
        app.failed.clear();
        app.noted = true;
        app.state = State::Waiting;
        true
    }

    /// Whether every app is done or failed.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.apps.iter().all(|a| matches!(a.state, State::Done | State::Failed))
    }

    /// Whether every object that could be applied is, and nothing is left but waiting for readiness and deleting.
    #[must_use]
    pub fn is_applied(&self) -> bool {
        self.apps.iter().all(|a| {
            a.plan.removed
                || matches!(a.state, State::Settling | State::Pruning | State::Done | State::Failed)
        })
    }

    /// The app of that name.
    #[must_use]
    pub fn app(&self, name: &str) -> Option<&AppRun> {
        self.index.get(name).map(|i| &self.apps[*i])
    }

    /// The dependencies that an app still waits for.
    pub fn waits_for<'a>(
        &'a self,
        app: &'a AppRun,
        ready: &'a dyn Fn(&str) -> Readiness,
    ) -> impl Iterator<Item = &'a Arc<str>> {
        app.plan.depends_on.iter().filter(move |d| ready(d) != Readiness::Ready)
    }

    /// The inventory knows the app's additions.
    pub fn recorded(&mut self, app: &str) {
        if let Some(app) = self.index.get(app).map(|i| &mut self.apps[*i]) {
            if app.state == State::Recording {
                app.state = State::Recorded;
            } else if app.ahead {
                app.noted = true;
            }
        }
    }

    /// The hooks that were ordered have all succeeded.
    pub fn hooks_done(&mut self, app: &str) {
        if let Some(app) = self.index.get(app).map(|i| &mut self.apps[*i]) {
            app.hooks_running = false;
        }
    }

    /// A hook failed.
    pub fn hooks_failed(&mut self, app: &str, id: &ObjectId, message: String) {
        if let Some(app) = self.index.get(app).map(|i| &mut self.apps[*i]) {
            app.hooks_running = false;
            app.failed.insert(id.clone(), message);
        }
    }

    /// Whether everything of an app is applied and its hooks are done (true for an app that the run does not know).
    #[must_use]
    pub fn is_app_applied(&self, app: &str) -> bool {
        self.app(app).is_none_or(|a| {
            !a.plan.incomplete && matches!(a.state, State::Settling | State::Pruning | State::Done)
        })
    }

    /// An object is as the plan wants it (applied, or deleted). Gives back the app's index if it was this run's business.
    pub fn applied(&mut self, id: &ObjectId) {
        if let Some(index) = self.owners.remove(id) {
            self.apps[index].outstanding.remove(id);
        }
    }

    /// An object is left alone because it is held; `changes`: the app is not as its revision says without it. Its app.
    pub fn skip(&mut self, id: &ObjectId, changes: bool) -> Option<Arc<str>> {
        let app = &mut self.apps[self.owners.remove(id)?];
        app.outstanding.remove(id);
        app.plan.incomplete |= changes;
        Some(Arc::clone(&app.plan.app))
    }

    /// An object failed for good.
    pub fn failed(&mut self, id: &ObjectId, message: String) {
        if let Some(index) = self.owners.remove(id) {
            let app = &mut self.apps[index];
            app.outstanding.remove(id);
            app.failed.insert(id.clone(), message);
        }
    }

    /// Whether an object is still to be applied or deleted by this run.
    #[must_use]
    pub fn is_outstanding(&self, id: &ObjectId) -> bool {
        self.owners.contains_key(id)
    }

    /// Names the apps whose generated Secrets are not there: nothing new of them is applied but their namespaces.
    /// Corrections go on.
    pub fn hold_back(&mut self, apps: HashSet<Arc<str>>) {
        self.held_back = apps;
    }

    fn waits_for_secrets(&self, index: usize) -> bool {
        let plan = &self.apps[index].plan;
        let news = || !plan.hooks.is_empty() || plan.applies.iter().any(|a| a.verb != Verb::Correct);
        self.held_back.contains(&plan.app) && !plan.removed && news()
    }

    /// What may start now. `ready` tells an app's readiness, `established` whether a CRD's kind is served.
    pub fn advance(
        &mut self,
        ready: &dyn Fn(&str) -> Readiness,
        established: &dyn Fn(&ObjectId) -> bool,
    ) -> Vec<Order> {
        let mut orders = Vec::new();
        let others_applied = self
            .apps
            .iter()
            .filter(|a| !a.plan.removed)
            .all(|a| matches!(a.state, State::Settling | State::Pruning | State::Done | State::Failed));
        for index in 0..self.apps.len() {
            // An app may pass several states at once.
            while self.step(index, ready, established, others_applied, &mut orders) {}
        }
        orders
    }

    /// One step of one app; whether it moved.
    fn step(
        &mut self,
        index: usize,
        ready: &dyn Fn(&str) -> Readiness,
        established: &dyn Fn(&ObjectId) -> bool,
        others_applied: bool,
        orders: &mut Vec<Order>,
    ) -> bool {
        let held_back = self.waits_for_secrets(index);
        let app = &mut self.apps[index];
        match app.state {
            State::Waiting if app.plan.removed => {
                let first = app.plan.depends_on.clone();
                let gone = |name: &str| self.app(name).is_none_or(|a| a.state == State::Done);
                if !others_applied || !first.iter().all(|name| gone(name)) {
                    return false;
                }
                let app = &mut self.apps[index];
                if app.plan.operation.is_some() {
                    app.state = State::Recording;
                    orders.push(Order::Record(Arc::clone(&app.plan.app)));
                    return false;
                }
                app.state = State::Settling;
            }
            // A live input is missing: nothing of it is known, and a new plan follows once it is there.
            State::Waiting if !app.plan.pending.is_empty() => return false,
            State::Waiting => {
                if app.plan.applies.is_empty() && app.plan.hooks.is_empty() {
                    app.state = State::Settling;
                    if app.plan.operation.is_some() {
                        // Its render differs by what is pruned or by hooks that are not due.
                        orders.push(Order::AppApplied(Arc::clone(&app.plan.app)));
                    }
                    return true;
                }
                let depends_on = app.plan.depends_on.clone();
                let waits =
                    depends_on.iter().any(|d| !self.is_app_applied(d) || ready(d) != Readiness::Ready);
                let app = &mut self.apps[index];
                let adds = |verb: Verb| app.plan.applies.iter().any(|a| a.verb == verb);
                if waits {
                    // An object that moves stays its old app's until its turn comes.
                    if !app.ahead
                        && !app.noted
                        && app.plan.hooks.is_empty()
                        && adds(Verb::Create)
                        && !adds(Verb::Adopt)
                    {
                        app.ahead = true;
                        orders.push(Order::RecordAhead(Arc::clone(&app.plan.app)));
                    }
                    return false;
                }
                if !app.plan.hooks.is_empty() || !app.noted && (adds(Verb::Create) || adds(Verb::Adopt)) {
                    app.state = State::Recording;
                    orders.push(Order::Record(Arc::clone(&app.plan.app)));
                    return false;
                }
                app.state = State::Recorded;
            }
            State::Recording => return false,
            State::Recorded => {
                let pre = app.plan.hooks.iter().any(|h| h.when == When::Pre);
                if held_back && (pre || app.plan.applies.iter().all(|a| a.phase != Phase::Namespace)) {
                    return false;
                }
                if app.plan.hooks.iter().any(|h| h.when == When::Pre) {
                    app.state = State::PreHooks;
                    app.hooks_running = true;
                    orders.push(Order::Hooks(Arc::clone(&app.plan.app), When::Pre));
                    return false;
                }
                if app.plan.removed {
                    app.state = State::Settling;
                    return true;
                }
                return self.begin_phase(index, Phase::Namespace, orders);
            }
            State::PreHooks | State::PostHooks => {
                if app.hooks_running {
                    return false;
                }
                if !app.failed.is_empty() {
                    app.state = State::Failed;
                } else if app.plan.removed {
                    if app.state == State::PreHooks {
                        app.state = State::Settling;
                    } else {
                        app.state = State::Done;
                        orders.push(Order::AppRemoved(Arc::clone(&app.plan.app)));
                    }
                } else if app.state == State::PreHooks {
                    return self.begin_phase(index, Phase::Namespace, orders);
                } else {
                    app.state = State::Settling;
                    orders.push(Order::AppApplied(Arc::clone(&app.plan.app)));
                }
            }
            State::Applying(phase) => {
                if !app.outstanding.is_empty() {
                    return false;
                }
                if !app.failed.is_empty() {
                    app.state = State::Failed;
                    return true;
                }
                if held_back && phase == Phase::Namespace {
                    return false;
                }
                if phase == Phase::Definition
                    && !app.plan.applies.iter().filter(|a| a.phase == phase).all(|a| established(&a.id))
                {
                    return false;
                }
                match PHASES.iter().find(|p| **p > phase) {
                    Some(next) => return self.begin_phase(index, *next, orders),
                    None => return self.all_applied(index, orders),
                }
            }
            State::Settling => {
                if !app.plan.removed && ready(&app.plan.app) != Readiness::Ready {
                    return false;
                }
                if !app.plan.removed {
                    orders.push(Order::AppReady(Arc::clone(&app.plan.app)));
                }
                app.state = State::Pruning;
            }
            State::Pruning => {
                if !app.outstanding.is_empty() {
                    return false;
                }
                // One stage after the other: what is deleted is gone before what it may need is deleted.
                let rest = app.plan.prunes.get(app.pruned..).unwrap_or_default();
                if let Some(first) = rest.first().filter(|_| app.failed.is_empty()) {
                    let stage = order::stage(&first.id);
                    for action in rest.iter().take_while(|a| order::stage(&a.id) == stage) {
                        app.pruned += 1;
                        if action.verb == Verb::Release {
                            orders.push(Order::Release(action.id.clone()));
                        } else {
                            app.outstanding.insert(action.id.clone());
                            self.owners.insert(action.id.clone(), index);
                            orders.push(Order::Delete(Box::new(action.clone())));
                        }
                    }
                } else if !app.failed.is_empty() {
                    app.state = State::Failed;
                } else if !app.plan.removed {
                    app.state = State::Done;
                } else if app.plan.hooks.iter().any(|h| h.when == When::Post) {
                    app.state = State::PostHooks;
                    app.hooks_running = true;
                    orders.push(Order::Hooks(Arc::clone(&app.plan.app), When::Post));
                    return false;
                } else {
                    app.state = State::Done;
                    orders.push(Order::AppRemoved(Arc::clone(&app.plan.app)));
                }
            }
            State::Done | State::Failed => return false,
        }
        true
    }

    /// The objects are applied: the hooks that come after, or readiness. Whether the app moved on by itself.
    fn all_applied(&mut self, index: usize, orders: &mut Vec<Order>) -> bool {
        let app = &mut self.apps[index];
        if app.plan.hooks.iter().any(|h| h.when == When::Post) {
            app.state = State::PostHooks;
            app.hooks_running = true;
            orders.push(Order::Hooks(Arc::clone(&app.plan.app), When::Post));
            return false;
        }
        app.state = State::Settling;
        orders.push(Order::AppApplied(Arc::clone(&app.plan.app)));
        true
    }

    fn begin_phase(&mut self, index: usize, phase: Phase, orders: &mut Vec<Order>) -> bool {
        let app = &mut self.apps[index];
        // The first phase that has anything in it.
        let Some(phase) = app.plan.applies.iter().map(|a| a.phase).filter(|p| *p >= phase).min() else {
            return self.all_applied(index, orders);
        };
        app.state = State::Applying(phase);
        for action in app.plan.applies.iter().filter(|a| a.phase == phase) {
            app.outstanding.insert(action.id.clone());
            self.owners.insert(action.id.clone(), index);
            orders.push(Order::Apply(action.id.clone()));
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn action(kind: &str, group: &str, name: &str, verb: Verb) -> Action {
        let id = ObjectId::new(group, kind, None, name);
        let phase = crate::plan::order::phase(&id);
        Action { id, verb, phase, reason: String::new(), digest: None, uid: None }
    }

    fn app(name: &str, depends_on: &[&str], applies: Vec<Action>, prunes: Vec<Action>) -> AppPlan {
        let depends_on = depends_on.iter().map(|d| Arc::from(*d)).collect();
        AppPlan {
            app: name.into(),
            depends_on,
            applies,
            operation: None,
            hooks: Vec::new(),
            prunes,
            removed: false,
            incomplete: false,
            unadopted: false,
            pending: Vec::new(),
        }
    }

    fn plan(apps: Vec<AppPlan>) -> Plan {
        Plan {
            apps,
            withheld: Vec::new(),
            secrets: Vec::new(),
            held: Vec::new(),
            left: Vec::new(),
            approval: None,
            unchanged: 0,
        }
    }

    fn names(orders: &[Order]) -> Vec<String> {
        orders
            .iter()
            .map(|o| match o {
                Order::Record(app) => format!("record {app}"),
                Order::RecordAhead(app) => format!("record {app} ahead"),
                Order::Apply(id) => format!("apply {}", id.name),
                Order::Delete(action) => format!("delete {}", action.id.name),
                Order::Release(id) => format!("release {}", id.name),
                Order::AppApplied(app) => format!("applied {app}"),
                Order::Hooks(app, when) => format!("hooks {app} {when:?}"),
                Order::AppReady(app) => format!("ready {app}"),
                Order::AppRemoved(app) => format!("removed {app}"),
            })
            .collect()
    }

    fn due(name: &str, when: When) -> crate::plan::hooks::DueHook {
        let id = ObjectId::new("batch", "Job", Some("n"), name);
        crate::plan::hooks::DueHook {
            id,
            when,
            event: crate::cloud::HookEvent::PreInstall,
            digest: name.into(),
            weight: 0,
            live: Vec::new(),
            unless: None,
            run: String::new(),
            failed: None,
        }
    }

    const NOT_READY: &dyn Fn(&str) -> Readiness = &|_| Readiness::Waiting;
    const READY: &dyn Fn(&str) -> Readiness = &|_| Readiness::Ready;
    const ESTABLISHED: &dyn Fn(&ObjectId) -> bool = &|_| true;

    #[test]
    fn the_inventory_knows_additions_before_any_object_is_applied() {
        let mut run =
            Run::new(&plan(vec![app("a", &[], vec![action("ConfigMap", "", "x", Verb::Create)], vec![])]));
        assert_eq!(names(&run.advance(NOT_READY, ESTABLISHED)), ["record a"]);
        assert!(run.advance(NOT_READY, ESTABLISHED).is_empty());
        run.recorded("a");
        assert_eq!(names(&run.advance(NOT_READY, ESTABLISHED)), ["apply x"]);
    }

    #[test]
    fn an_app_without_its_secrets_gets_its_namespace_and_corrections_and_nothing_else() {
        let applies = vec![
            action("Namespace", "", "ns", Verb::Update),
            action("Deployment", "apps", "dep", Verb::Update),
        ];
        let correction = vec![action("ConfigMap", "", "map", Verb::Correct)];
        let mut run =
            Run::new(&plan(vec![app("a", &[], applies.clone(), vec![]), app("b", &[], correction, vec![])]));
        run.hold_back(["a".into(), "b".into()].into());
        assert_eq!(names(&run.advance(NOT_READY, ESTABLISHED)), ["apply ns", "apply map"]);
        run.applied(&applies[0].id);
        assert!(run.advance(NOT_READY, ESTABLISHED).is_empty());
        run.hold_back(HashSet::new());
        assert_eq!(names(&run.advance(NOT_READY, ESTABLISHED)), ["apply dep"]);
    }

    #[test]
    fn phases_follow_each_other_and_wait_for_crds_to_be_established() {
        let applies = vec![
            action("CustomResourceDefinition", "apiextensions.k8s.io", "crd", Verb::Update),
            action("ConfigMap", "", "map", Verb::Update),
            action("Deployment", "apps", "dep", Verb::Update),
        ];
        let mut run = Run::new(&plan(vec![app("a", &[], applies.clone(), vec![])]));
        assert_eq!(names(&run.advance(NOT_READY, ESTABLISHED)), ["apply crd"]);
        run.applied(&applies[0].id);
        assert!(run.advance(NOT_READY, &|_| false).is_empty());
        assert_eq!(names(&run.advance(NOT_READY, ESTABLISHED)), ["apply map"]);
        run.applied(&applies[1].id);
        assert_eq!(names(&run.advance(NOT_READY, ESTABLISHED)), ["apply dep"]);
        run.applied(&applies[2].id);
        assert_eq!(names(&run.advance(NOT_READY, ESTABLISHED)), ["applied a"]);
    }

    #[test]
    fn a_dependant_starts_when_its_dependency_is_ready_and_others_do_not_wait() {
        let one = |name: &str| vec![action("ConfigMap", "", name, Verb::Update)];
        let mut run = Run::new(&plan(vec![
            app("db", &[], one("d"), vec![]),
            app("api", &["db"], one("a"), vec![]),
            app("other", &[], one("o"), vec![]),
        ]));
        assert_eq!(names(&run.advance(NOT_READY, ESTABLISHED)), ["apply d", "apply o"]);
        let id = ObjectId::new("", "ConfigMap", None, "d");
        run.applied(&id);
        assert_eq!(names(&run.advance(NOT_READY, ESTABLISHED)), ["applied db"]);
        let db_ready: &dyn Fn(&str) -> Readiness =
            &|name| if name == "db" { Readiness::Ready } else { Readiness::Waiting };
        assert_eq!(names(&run.advance(db_ready, ESTABLISHED)), ["ready db", "apply a"]);
    }

    #[test]
    fn an_object_that_failed_stops_its_apps_later_phases_only() {
        let applies = vec![
            action("ConfigMap", "", "map", Verb::Update),
            action("Deployment", "apps", "dep", Verb::Update),
        ];
        let mut run = Run::new(&plan(vec![
            app("a", &[], applies.clone(), vec![]),
            app("b", &[], vec![action("ConfigMap", "", "b", Verb::Update)], vec![]),
        ]));
        run.advance(NOT_READY, ESTABLISHED);
        run.failed(&applies[0].id, "invalid".into());
        assert!(run.advance(NOT_READY, ESTABLISHED).is_empty());
        assert_eq!(run.app("a").unwrap().state, State::Failed);
        assert_eq!(run.app("b").unwrap().state, State::Applying(Phase::Prerequisite));
    }

    #[test]
    fn hooks_frame_the_apply_and_dependants_wait_for_them() {
        let hook = |name: &str, when| due(name, when);
        let applies = vec![action("ConfigMap", "", "map", Verb::Update)];
        let mut one = app("one", &[], applies.clone(), vec![]);
        one.hooks = vec![hook("before", When::Pre), hook("after", When::Post)];
        let two = app("two", &["one"], vec![action("ConfigMap", "", "dependant", Verb::Update)], vec![]);
        let mut run = Run::new(&plan(vec![one, two]));
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["record one"]);
        run.recorded("one");
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["hooks one Pre"]);
        run.hooks_done("one");
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["apply map"]);
        run.applied(&applies[0].id);
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["hooks one Post"]);
        run.hooks_done("one");
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["applied one", "ready one", "apply dependant"]);
    }

    #[test]
    fn deletions_come_after_readiness() {
        let prune = action("ConfigMap", "", "old", Verb::Prune);
        let applies = vec![action("ConfigMap", "", "new", Verb::Update)];
        let mut run = Run::new(&plan(vec![app("a", &[], applies.clone(), vec![prune.clone()])]));
        run.advance(NOT_READY, ESTABLISHED);
        run.applied(&applies[0].id);
        assert_eq!(names(&run.advance(NOT_READY, ESTABLISHED)), ["applied a"]);
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["ready a", "delete old"]);
        assert!(!run.is_over());
        run.applied(&prune.id);
        run.advance(READY, ESTABLISHED);
        assert!(run.is_over());
    }

    #[test]
    fn an_app_that_git_has_no_more_goes_stage_by_stage_between_its_delete_hooks() {
        let prunes = vec![
            action("Deployment", "apps", "dep", Verb::Prune),
            action("ConfigMap", "", "map", Verb::Prune),
        ];
        let mut gone = app("gone", &[], vec![], prunes.clone());
        gone.removed = true;
        gone.operation = Some(crate::plan::operation::Operation::Delete);
        gone.hooks = vec![due("before", When::Pre), due("after", When::Post)];
        let mut first = app("first", &[], vec![], vec![action("Secret", "", "s", Verb::Prune)]);
        first.removed = true;
        gone.depends_on = vec!["first".into()];
        let mut run = Run::new(&plan(vec![gone, first]));
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["delete s"], "dependants go first");
        run.applied(&ObjectId::new("", "Secret", None, "s"));
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["removed first"]);
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["record gone"]);
        run.recorded("gone");
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["hooks gone Pre"]);
        run.hooks_done("gone");
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["delete dep"]);
        assert!(run.advance(READY, ESTABLISHED).is_empty());
        run.applied(&prunes[0].id);
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["delete map"]);
        run.applied(&prunes[1].id);
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["hooks gone Post"]);
        run.hooks_done("gone");
        assert_eq!(names(&run.advance(READY, ESTABLISHED)), ["removed gone"]);
        assert!(run.is_over());
    }
}
