//! Objects that succeeded hooks leave behind: whether they are still there, and what a later deletion must know.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use super::{Ending, HookEvent, HookNews, Purpose, kept, waits};
use crate::cloud::{HookEvent as Event, ObjectId};
use crate::cluster::meta::Uid;
use crate::plan::hooks::{When, key, plain};
use crate::plan::operation::Operation;
use crate::sync::engine::{Engine, Message};

/// Told of an app that is removed and whose delete hooks are not in the inventory.
pub(in crate::sync) const UNKNOWN_DELETE_HOOKS: &str = "it is removed without delete hooks: the inventory does not have them (it was lost and rebuilt from labels, \
     they were too large for it, or the app was never applied whole). If its chart has pre-delete or post-delete hooks, do their work by hand";

/// What is seen of hooks' objects.
#[derive(Debug, Default)]
pub(in crate::sync) struct Leftovers {
    /// Those that watches have shown.
    seen: HashMap<ObjectId, Uid>,
    /// Those of finished hooks that are gone, with their app and what is told of them.
    gone: BTreeMap<ObjectId, (Arc<str>, String)>,
}

impl Leftovers {
    /// A hook's object is there.
    pub(in crate::sync) fn shown(&mut self, id: &ObjectId, uid: Uid) {
        self.seen.insert(id.clone(), uid);
        self.gone.remove(id);
    }

    /// A hook ran anew.
    pub(super) fn back(&mut self, id: &ObjectId, uid: Option<Uid>) {
        self.gone.remove(id);
        if let Some(uid) = uid {
            self.seen.insert(id.clone(), uid);
        }
    }

    /// It could not be restored.
    pub(super) fn failed(&mut self, id: &ObjectId, message: String) {
        if let Some((_, told)) = self.gone.get_mut(id) {
            *told = message;
        }
    }

    /// A kind is listed anew.
    pub(in crate::sync) fn relisted(&mut self, group: &str, kind: &str) {
        self.seen.retain(|id, _| !id.is(group, kind));
    }

    /// Objects of finished hooks that are gone: app, object, what is told.
    pub(in crate::sync) fn gone(&self) -> impl Iterator<Item = (&Arc<str>, &ObjectId, &str)> {
        self.gone.iter().map(|(id, (app, told))| (app, id, told.as_str()))
    }

    /// Forgets what is told of an app.
    pub(in crate::sync) fn forget(&mut self, app: &str) {
        self.gone.retain(|_, (of, _)| &**of != app);
    }
}

impl Engine {
    /// A hook's object is gone that nobody waits for.
    pub(super) fn hook_object_gone(&mut self, id: &ObjectId, uid: Uid) {
        if self.leftovers.seen.get(id).is_some_and(|seen| *seen != uid) {
            return;
        }
        self.leftovers.seen.remove(id);
        self.hook_vanished(id);
    }

    /// A kind's whole state has been told: finished hooks' objects that were not named are gone.
    pub(in crate::sync) fn hooks_listed(&mut self, group: &str, kind: &str) {
        let missing: Vec<ObjectId> = self
            .memory
            .apps
            .values()
            .flat_map(|record| &record.hooks_left)
            .filter_map(|k| crate::sync::memory::parse_key(k))
            .filter(|id| id.is(group, kind) && !self.leftovers.seen.contains_key(id))
            .collect();
        for id in missing {
            self.hook_vanished(&id);
        }
    }

    /// The object of a finished hook is gone: the hook stays done, and it is told; or the object is restored.
    fn hook_vanished(&mut self, id: &ObjectId) {
        let id_key = key(id);
        let Some(app) =
            self.memory.apps.iter().find(|(_, r)| r.hooks_left.contains(&id_key)).map(|(a, _)| Arc::clone(a))
        else {
            return;
        };
        let Some(rendered) = self.desired.as_ref().and_then(|d| d.app(&app)).cloned() else { return };
        let Some(hook) = rendered.hooks.iter().find(|h| h.object.id == *id) else {
            // The revision does not have it any more.
            return;
        };
        if self.leftovers.gone.contains_key(id) || self.hooks.contains_key(&(Arc::clone(&app), Purpose::Sync))
        {
            return;
        }
        let restore = rendered.policy.hooks.restore;
        let told = if restore {
            "the object of this finished hook is gone: it is created again, and so runs again (spec.hooks.restore)"
        } else {
            "the object of this finished hook is gone (its TTL, or by hand); the hook counts as done. Pods whose init \
             containers look for it wait; spec.hooks.restore of the app creates it again"
        };
        tracing::warn!(%app, hook = %id, "{told}");
        self.leftovers.gone.insert(id.clone(), (Arc::clone(&app), told.to_owned()));
        self.report.due = true;
        let run = (Arc::clone(&app), Purpose::Restore);
        if restore && !self.steering.suspend && !self.hooks.contains_key(&run) {
            let post = hook
                .events
                .iter()
                .any(|e| matches!(e, Event::PostInstall | Event::PostUpgrade | Event::PostRollback));
            let when = if post { When::Post } else { When::Pre };
            let due = plain(hook, when, hook.events.first().copied().unwrap_or(Event::PostInstall));
            self.begin_hooks(run, VecDeque::from([due]));
        }
    }

    /// Watches the kinds of finished hooks' objects, and deletes what a syncer before this one had still to delete.
    pub(in crate::sync) fn look_after_hooks(&mut self) {
        let mut kinds = Vec::new();
        let mut endings = Vec::new();
        for (app, record) in &self.memory.apps {
            kinds.extend(record.hooks_left.iter().filter_map(|k| crate::sync::memory::parse_key(k)));
            let running = self.hooks.contains_key(&(Arc::clone(app), Purpose::Sync));
            if !record.operation.clean_up.is_empty() && !running {
                endings.push((Arc::clone(app), Ending::of_keys(&record.operation.clean_up)));
            }
        }
        kinds.retain(waits);
        kinds.extend(self.orphans.ids().cloned());
        for id in kinds {
            self.ensure_watch(&id.group, &id.kind);
        }
        for (app, ending) in endings {
            let target = self.target.clone();
            self.jobs.spawn(async move {
                let event = HookEvent::Cleaned(ending.run(&target).await);
                Message::Hook(HookNews { run: (app, Purpose::Sync), serial: 0, event })
            });
        }
    }

    /// An app's operation begins or goes on.
    pub(in crate::sync) fn begin_operation(&mut self, app: &Arc<str>, operation: Operation) {
        let to = self.desired.as_ref().and_then(|d| d.app(app)).map(|a| a.digest.to_string());
        let record = self.memory.app(app);
        let next = record.operation.begun(operation, &to.unwrap_or_default());
        if next != record.operation {
            *record.operation_mut() = next;
        }
    }

    /// Everything of an app's render is applied and its hooks are done.
    pub(in crate::sync) fn end_operation(&mut self, app: &Arc<str>) {
        let Some(desired) = self.desired.clone() else { return };
        let Some(rendered) = desired.app(app) else { return };
        let last = |h: &&crate::cloud::Hook| {
            h.events.contains(&Event::PreDelete) || h.events.contains(&Event::PostDelete)
        };
        let skip = &rendered.policy.hooks.skip;
        let hooks: Vec<_> = rendered
            .hooks
            .iter()
            .filter(last)
            .filter(|h| !skip.iter().any(|s| s.matches(&h.object.id)))
            .cloned()
            .collect();
        let sealed = if hooks.is_empty() { None } else { kept::seal(&hooks, &self.key) };
        if sealed.is_none() && !hooks.is_empty() {
            tracing::warn!(%app, "its delete hooks are too large to be kept in the inventory: they are not run when the app is deleted after a restart");
        }
        let record = self.memory.app(app);
        record.keep_for_deletion(hooks, sealed, &rendered.depends_on);
        if record.operation.kind.is_some() {
            record.operation_mut().finish();
        }
    }

    /// Says of apps that are being removed when nobody knows whether they had delete hooks.
    pub(in crate::sync) fn tell_unknown_delete_hooks(&mut self, plan: &crate::plan::Plan) {
        for removed in plan.apps.iter().filter(|a| a.removed && a.operation.is_some()) {
            let Some(record) = self.memory.apps.get(&removed.app) else { continue };
            if record.delete_hooks.is_some() || self.report.unknown_delete_hooks.contains(&removed.app) {
                continue;
            }
            tracing::warn!(app = %removed.app, "{UNKNOWN_DELETE_HOOKS}");
            self.report.unknown_delete_hooks.insert(Arc::clone(&removed.app));
            self.report.note(true, "DeleteHooksUnknown", format!("{}: {UNKNOWN_DELETE_HOOKS}", removed.app));
            self.report.due = true;
        }
    }

    /// Reads the delete hooks that the inventory keeps.
    pub(in crate::sync) fn open_kept_hooks(&mut self) {
        for (app, record) in &mut self.memory.apps {
            if record.delete_hooks.is_none() && !record.delete_hooks_sealed.is_empty() {
                record.delete_hooks = kept::open(&record.delete_hooks_sealed, &self.key);
                if record.delete_hooks.is_none() {
                    tracing::warn!(%app, "its delete hooks in the inventory cannot be read with this cloud's key: they are not run when the app is deleted");
                }
            }
        }
    }

    /// Nothing is left of an app that Git has no more.
    pub(in crate::sync) fn app_removed(&mut self, app: &Arc<str>) {
        if self.index.objects.values().any(|k| k.app == *app) {
            // Some of its objects wait for an approval.
            return;
        }
        tracing::info!(%app, "nothing is left of it");
        self.leftovers.forget(app);
        if let Some(record) = self.memory.apps.get_mut(app) {
            record.forget();
            self.dirty();
        }
    }
}
