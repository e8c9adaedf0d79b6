//! Apps whose objects exist although retune never applied any of them: withheld, app by app, until they are adopted. Pure.
//!
//! A cloud that `helm upgrade --install` and `kubectl apply` made is taken over app by app (`retune adopt`), or all at once by
//! approving what the first sync withholds: it is one door. An app that was never applied, and objects of which exist, is
//! neither applied nor waited for: whoever made it keeps it ready. Until a cloud's first sync, apps of which nothing exists are
//! withheld as well while there is something to adopt.
//!
//! An app that exists is *installed*: its first operation is an upgrade from a render that nobody knows
//! ([`installed_before`]), and the hooks that Helm's release says succeeded are done.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::guard::Guard;
use super::hooks::DueHook;
use super::operation::Operation;
use super::{AppMemory, AppPlan, Facts, Plan, Withheld};
use crate::cloud::{Digest, RenderedApp};

/// Stands for the render that was live before an app was adopted: with it in the inventory, install hooks never run.
#[must_use]
pub fn installed_before() -> Digest {
    Digest::of(b"retune.dev/installed-before-adoption")
}

/// Whether retune has ever begun to apply an app.
fn is_managed(app: &str, facts: &Facts, with_objects: &BTreeSet<&str>) -> bool {
    with_objects.contains(app)
        || facts.apps.get(app).is_some_and(|m| m.render.is_some() || m.operation.kind.is_some())
}

/// What is remembered of an app; of one that exists and was never applied, that it is installed.
pub(super) fn memory_of<'f>(app: &RenderedApp, facts: &'f Facts) -> Cow<'f, AppMemory> {
    let known = facts.apps.get(&app.name);
    let hooks = facts.installed.get(&app.name);
    let exists = hooks.is_some() || app.objects.iter().any(|o| facts.existing.contains_key(&o.id));
    let begun = known.is_some_and(|m| m.render.is_some() || m.operation.kind.is_some());
    if exists && !begun && !facts.objects.values().any(|o| o.app == app.name) {
        let mut memory = known.cloned().unwrap_or_default();
        memory.render = Some(installed_before());
        memory.hooks.extend(hooks.cloned().unwrap_or_default());
        return Cow::Owned(memory);
    }
    known.map_or_else(|| Cow::Owned(AppMemory::default()), Cow::Borrowed)
}

/// What goes with apps that are withheld because they are to be adopted.
#[derive(Debug, Default)]
pub(super) struct Adoptable(BTreeMap<Arc<str>, (Option<Operation>, Vec<DueHook>)>);

impl Adoptable {
    /// Puts it back, unless the app has something that stays withheld.
    pub(super) fn release(self, plan: &mut Plan) {
        for (name, (operation, hooks)) in self.0 {
            let refused = plan.withheld.iter().any(|w| w.app == name);
            if let Some(app) = plan.apps.iter_mut().find(|a| a.app == name && !refused) {
                (app.operation, app.hooks, app.unadopted) = (operation, hooks, false);
            }
        }
    }
}

/// Moves what is to be adopted, and what belongs to others, out of the plan.
pub(super) fn withhold(apps: &mut [AppPlan], withheld: &mut Vec<Withheld>, facts: &Facts) -> Adoptable {
    let mut out = Adoptable::default();
    if facts.existing.is_empty() {
        return out;
    }
    let with_objects: BTreeSet<&str> = facts.objects.values().map(|o| &*o.app).collect();
    let is_open = |app: &AppPlan| !app.removed && !is_managed(&app.app, facts, &with_objects);
    let owner = |app: &AppPlan| app.applies.iter().find_map(|a| facts.existing.get(&a.id)?.clone());
    let exists = |app: &AppPlan| {
        app.applies.iter().find(|a| facts.existing.contains_key(&a.id)).map(|a| a.id.to_string())
    };
    let waits = |app: &AppPlan| is_open(app) && !facts.adopting.contains(&app.app);
    // One that cannot be adopted holds nobody up.
    let first =
        apps.iter().filter(|a| waits(a) && owner(a).is_none()).find_map(exists).filter(|_| facts.first);
    for app in apps {
        let (owner, own) = (owner(app), exists(app));
        // Withheld as a whole: for its owner's sake, its own, or another app's.
        let whole = match (&owner, &own) {
            (Some(owner), _) if is_open(app) => Some(Guard::DependsOn(format!("an object of {owner}"))),
            (_, Some(own)) if waits(app) => Some(Guard::DependsOn(format!("taking over {own}"))),
            (_, None) if waits(app) => first.as_ref().map(|f| Guard::DependsOn(format!("taking over {f}"))),
            _ => None,
        };
        for action in std::mem::take(&mut app.applies) {
            let guard = match (facts.existing.get(&action.id), &whole) {
                (Some(Some(owner)), _) => Guard::Foreign(owner.clone()),
                // The whole app waits for that owner: no approval frees a part of it.
                (_, Some(_)) if owner.is_some() => Guard::Foreign(owner.clone().unwrap_or_default()),
                (Some(None), Some(_)) => Guard::Takeover,
                (None, Some(guard)) => guard.clone(),
                (_, None) => {
                    app.applies.push(action);
                    continue;
                }
            };
            withheld.push(Withheld { app: Arc::clone(&app.app), action, guard });
        }
        if whole.is_some() {
            app.unadopted = true;
            let kept = (app.operation.take(), std::mem::take(&mut app.hooks));
            out.0.insert(Arc::clone(&app.app), kept);
        }
    }
    out
}
