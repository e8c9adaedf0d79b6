//! The comparison that makes a plan.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use super::guard::{self, Guard};
use super::operation::Operation;
use super::order::{self, Phase};
use super::{Action, AppMemory, AppPlan, Facts, Left, Live, Plan, Verb, Withheld, adopt, hold, hooks};
use crate::cloud::{AppState, ObjectId, RenderedApp, RenderedCloud};

/// Compares desired with live.
///
/// An object costs an action when its rendered digest differs from the applied one, or when it drifted. An object
/// that moved between apps is adopted. What Git has no more is pruned, unless policy keeps it or a guard holds it.
#[must_use]
pub fn make(desired: &RenderedCloud, facts: &Facts) -> Plan {
    let mut apps: Vec<AppPlan> = Vec::with_capacity(desired.apps.len());
    let mut wanted: HashMap<&ObjectId, &Arc<str>> = HashMap::new();
    // A pending app's objects are not rendered: what it had stays, and what it takes from others.
    let mut pending: BTreeSet<&str> = BTreeSet::new();
    let mut awaited: HashMap<&ObjectId, &Arc<str>> = HashMap::new();
    let mut unclear: Option<&Arc<str>> = None;
    let mut unchanged = 0;
    let gone_apps = || facts.apps.iter().filter(|(app, _)| desired.app(app).is_none());
    // A renamed app's hooks have run under its old name.
    let inherited: BTreeMap<String, String> =
        gone_apps().flat_map(|(_, memory)| memory.hooks.clone()).collect();
    for app in &desired.apps {
        let mut plan = AppPlan {
            app: Arc::clone(&app.name),
            depends_on: app.depends_on.clone(),
            applies: Vec::new(),
            operation: None,
            hooks: Vec::new(),
            prunes: Vec::new(),
            removed: false,
            incomplete: false,
            unadopted: false,
            pending: Vec::new(),
        };
        if let AppState::Pending(missing) = &app.state {
            plan.pending.clone_from(missing);
            pending.insert(&app.name);
            match &app.outline {
                Some(ids) => awaited.extend(ids.iter().map(|id| (id, &app.name))),
                None => unclear = unclear.or(Some(&app.name)),
            }
        }
        for object in &app.objects {
            wanted.insert(&object.id, &app.name);
            match verb(app, object, facts) {
                Some((verb, reason)) => plan.applies.push(Action {
                    id: object.id.clone(),
                    verb,
                    phase: order::phase(&object.id),
                    reason,
                    digest: Some(object.digest),
                    uid: None,
                }),
                None => unchanged += 1,
            }
        }
        plan.applies.sort_by_key(|a| a.phase);
        if app.state == AppState::Ready {
            let memory = adopt::memory_of(app, facts);
            plan.operation = memory.operation.operation(memory.render, &memory.past_renders, app.digest);
            if let Some(operation) = plan.operation {
                plan.hooks = hooks::due(app, desired, operation, &memory, &inherited);
            }
        }
        apps.push(plan);
    }

    let mut prunes: BTreeMap<Arc<str>, Vec<Action>> = BTreeMap::new();
    let mut gone: Vec<_> = facts
        .objects
        .iter()
        .filter(|(id, known)| !wanted.contains_key(id) && !pending.contains(&*known.app))
        .collect();
    gone.sort_by(|a, b| a.0.cmp(b.0));
    let mut left = Vec::new();
    for (id, known) in gone {
        let to = awaited.get(id).copied();
        let is_there = !matches!(known.live, Live::Absent | Live::Deleting);
        if let Some(name) = to.or(unclear).filter(|_| is_there) {
            let (app, certain) = (Arc::clone(&known.app), to.is_some());
            left.push(Left { app, id: id.clone(), to: Arc::clone(name), certain });
            continue;
        }
        let app = desired.app(&known.app);
        let kept = kept(id, known.keep, app.map(|a| &**a));
        let verb = if known.live == Live::Deleting {
            Verb::Prune
        } else if kept.is_some() || known.live == Live::Absent {
            Verb::Release
        } else {
            Verb::Prune
        };
        let reason = match (kept, &known.live) {
            (_, Live::Deleting) => DELETING.to_owned(),
            (_, Live::Absent) => "gone already".to_owned(),
            (Some(why), _) => why.to_owned(),
            (None, _) => "not in Git any more".to_owned(),
        };
        prunes.entry(Arc::clone(&known.app)).or_default().push(Action {
            id: id.clone(),
            verb,
            phase: order::phase(id),
            reason,
            digest: None,
            uid: known.uid,
        });
    }
    let mut withheld = Vec::new();
    hold_deletions(desired, facts, &mut prunes, &mut withheld);
    hold_shrinking(&mut apps, facts, &mut withheld);
    for (app, mut actions) in prunes {
        actions.sort_by_cached_key(|a| order::deletion_key(&a.id));
        match apps.iter_mut().find(|a| a.app == app) {
            Some(plan) => plan.prunes = actions,
            None => apps.push(removed(app, actions)),
        }
    }
    // Of these nothing is left but their record, and what a deletion that was cut short has still to do.
    for (app, _) in gone_apps() {
        let has_more = withheld.iter().any(|w| w.app == *app) || left.iter().any(|l| l.app == *app);
        if !apps.iter().any(|a| a.app == *app) && !has_more {
            apps.push(removed(Arc::clone(app), Vec::new()));
        }
    }
    let adoptable = adopt::withhold(&mut apps, &mut withheld, facts);
    let held = hold::take(&mut apps, &mut withheld, &facts.holds);
    let approval = guard::approval_digest(&withheld);
    let mut plan = Plan { apps, withheld, secrets: Vec::new(), held, left, approval, unchanged };
    if plan.approval.is_some_and(|digest| facts.approved.contains(&digest)) && !facts.prune_frozen {
        release(&mut plan, adoptable);
    }
    complete_removals(&mut plan, facts);
    plan
}

/// What a deletion that retune waits for is called.
const DELETING: &str = "is being deleted";

fn removed(app: Arc<str>, prunes: Vec<Action>) -> AppPlan {
    AppPlan {
        app,
        depends_on: Vec::new(),
        applies: Vec::new(),
        operation: None,
        hooks: Vec::new(),
        prunes,
        removed: true,
        incomplete: false,
        unadopted: false,
        pending: Vec::new(),
    }
}

/// Apps that Git has no more: their delete hooks, and who goes first.
///
/// Delete hooks run when something of the app is really deleted. An app all of whose objects moved to another one was
/// renamed, and one that is withheld waits with its hooks.
fn complete_removals(plan: &mut Plan, facts: &Facts) {
    let nothing = AppMemory::default();
    let names: Vec<Arc<str>> = plan.apps.iter().filter(|a| a.removed).map(|a| Arc::clone(&a.app)).collect();
    let memory = |app: &str| facts.apps.get(app).unwrap_or(&nothing);
    for app in plan.apps.iter_mut().filter(|a| a.removed) {
        let needs = |other: &&Arc<str>| memory(other).depends_on.iter().any(|d| **d == *app.app);
        app.depends_on = names.iter().filter(needs).cloned().collect();
        if plan.withheld.iter().any(|w| w.app == app.app) {
            continue;
        }
        let memory = memory(&app.app);
        let under_way = memory.operation.kind == Some(Operation::Delete);
        if under_way || app.prunes.iter().any(|a| a.verb == Verb::Prune) {
            app.operation = Some(Operation::Delete);
            if let Some(hooks) = &memory.delete_hooks {
                app.hooks = hooks::due_on_delete(hooks, memory);
            }
        }
    }
}

fn verb(app: &RenderedApp, object: &crate::cloud::Object, facts: &Facts) -> Option<(Verb, String)> {
    let Some(known) = facts.objects.get(&object.id) else {
        let exists = facts.existing.contains_key(&object.id);
        return Some((Verb::Create, if exists { "exists already" } else { "new in Git" }.to_owned()));
    };
    if known.live == Live::Deleting {
        return Some((Verb::Create, "is being deleted; created again once it is gone".to_owned()));
    }
    let Some(applied) = known.digest else {
        return Some((Verb::Create, "was never applied".to_owned()));
    };
    if known.app != app.name {
        return Some((Verb::Adopt, format!("moved here from app {}", known.app)));
    }
    if applied != object.digest {
        return Some((Verb::Update, "rendered text changed".to_owned()));
    }
    match &known.live {
        Live::Drifted(why) => Some((Verb::Correct, why.clone())),
        Live::Absent => Some((Verb::Correct, "deleted".to_owned())),
        Live::InSync | Live::Unknown | Live::Deleting => None,
    }
}

fn kept(id: &ObjectId, keep: bool, app: Option<&RenderedApp>) -> Option<&'static str> {
    if keep {
        return Some("kept: helm.sh/resource-policy or the app's policy says so");
    }
    let prune = &app?.policy.prune;
    if !prune.enabled {
        return Some("kept: pruning is off for its app");
    }
    prune.keep.iter().any(|s| s.matches(id)).then_some("kept: the app's prune.keep names it")
}

/// Moves guarded deletions, and what depends on them, out of the plan.
fn hold_deletions(
    desired: &RenderedCloud,
    facts: &Facts,
    prunes: &mut BTreeMap<Arc<str>, Vec<Action>>,
    withheld: &mut Vec<Withheld>,
) {
    let decides = |a: &&Action| a.verb == Verb::Prune && a.reason != DELETING;
    let deletions = prunes.values().flatten().filter(decides).count();
    let too_many = guard::too_many(deletions, facts.objects.len());
    let mut held_namespaces: BTreeSet<Arc<str>> = BTreeSet::new();
    let mut held_groups: BTreeMap<String, String> = BTreeMap::new();
    let mut reasons: HashMap<ObjectId, Guard> = HashMap::new();
    for (app, actions) in prunes.iter() {
        let rendered = desired.app(app);
        for action in actions.iter().filter(decides) {
            let protected =
                rendered.is_some_and(|r| r.policy.prune.protect.iter().any(|s| s.matches(&action.id)));
            let guard = if facts.prune_frozen {
                Some(Guard::Frozen)
            } else if let Some(guard) = guard::of_object(&action.id, facts) {
                Some(guard)
            } else if protected {
                Some(Guard::Protected)
            } else if rendered.is_none() {
                Some(Guard::WholeApp)
            } else if too_many {
                Some(Guard::Share)
            } else {
                None
            };
            let Some(guard) = guard else { continue };
            match guard {
                Guard::Namespace => {
                    held_namespaces.insert(Arc::clone(&action.id.name));
                }
                Guard::Definition => {
                    // `users.k8s.mariadb.com`: the group follows the plural.
                    if let Some((_, group)) = action.id.name.split_once('.') {
                        held_groups.insert(group.to_owned(), action.id.to_string());
                    }
                }
                _ => {}
            }
            reasons.insert(action.id.clone(), guard);
        }
    }
    for action in prunes.values().flatten().filter(decides) {
        if reasons.contains_key(&action.id) {
            continue;
        }
        if let Some(namespace) = action.id.namespace.as_ref().filter(|n| held_namespaces.contains(*n)) {
            reasons.insert(action.id.clone(), Guard::DependsOn(format!("Namespace {namespace}")));
        } else if let Some(definition) = held_groups.get(&*action.id.group) {
            reasons.insert(action.id.clone(), Guard::DependsOn(definition.clone()));
        }
    }
    for (app, actions) in prunes.iter_mut() {
        let (held, free): (Vec<_>, Vec<_>) =
            std::mem::take(actions).into_iter().partition(|a| reasons.contains_key(&a.id));
        *actions = free;
        for action in held {
            let guard = reasons[&action.id].clone();
            withheld.push(Withheld { app: Arc::clone(app), action, guard });
        }
    }
    prunes.retain(|_, actions| !actions.is_empty());
}

/// Moves updates that make data smaller out of the plan; the rest of their app goes on.
fn hold_shrinking(apps: &mut [AppPlan], facts: &Facts, withheld: &mut Vec<Withheld>) {
    if facts.shrinks.is_empty() {
        return;
    }
    for plan in apps {
        for action in std::mem::take(&mut plan.applies) {
            let smaller = matches!(action.verb, Verb::Update | Verb::Adopt);
            match facts.shrinks.get(&action.id).filter(|_| smaller) {
                Some(what) => {
                    let guard = Guard::Shrink(what.clone());
                    withheld.push(Withheld { app: Arc::clone(&plan.app), action, guard });
                }
                None => plan.applies.push(action),
            }
        }
    }
}

/// Puts approved actions back where they belong, and with them what goes with adopting their apps.
fn release(plan: &mut Plan, adoptable: adopt::Adoptable) {
    let (last, free): (Vec<_>, Vec<_>) =
        std::mem::take(&mut plan.withheld).into_iter().partition(|w| w.guard.is_final());
    plan.withheld = last;
    adoptable.release(plan);
    for held in free {
        let deletes = held.action.verb == Verb::Prune;
        let index = plan.apps.iter().position(|a| a.app == held.app).unwrap_or_else(|| {
            plan.apps.push(removed(Arc::clone(&held.app), Vec::new()));
            plan.apps.len() - 1
        });
        let app = &mut plan.apps[index];
        if deletes { app.prunes.push(held.action) } else { app.applies.push(held.action) }
    }
    for app in &mut plan.apps {
        app.applies.sort_by_key(|a| a.phase);
        app.prunes.sort_by_cached_key(|a| order::deletion_key(&a.id));
    }
}

/// Whether an action belongs to a phase that the next ones wait for beyond its apply (CRDs established).
#[must_use]
pub fn gates(phase: Phase) -> bool {
    phase == Phase::Definition
}

#[cfg(test)]
#[path = "make_tests.rs"]
mod tests;
