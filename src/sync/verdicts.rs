//! What the watches' tasks judge objects by: the shipped health rules, and the apps' own (`spec.health.rules`).
//!
//! A kind whose own rules change is watched anew, because only verdicts are kept of its objects.

use std::sync::{Arc, PoisonError, RwLock};

use serde_json::Value;

use super::engine::Engine;
use super::follow::Desired;
use crate::cluster::LABEL_APP;
use crate::cluster::watch::Digest;
use crate::health::own::OwnRules;
use crate::health::{self, Health, Verdict};

/// The apps' own rules, as the watches' tasks read them.
pub(super) type SharedRules = Arc<RwLock<Arc<OwnRules>>>;

fn read(shared: &SharedRules) -> Arc<OwnRules> {
    Arc::clone(&shared.read().unwrap_or_else(PoisonError::into_inner))
}

impl Engine {
    /// Whether objects of a kind have more to wait for than being applied.
    pub(super) fn waits_for_status(&self, group: &str, kind: &str) -> bool {
        health::has_rule(group, kind) || read(&self.own_rules).speak_of(group, kind)
    }

    /// Whether the app of an object has rules of its own for it.
    pub(super) fn has_own_rules(&self, id: &crate::cloud::ObjectId) -> bool {
        let app = self.index.objects.get(id).map(|k| Arc::clone(&k.app));
        app.is_some_and(|app| read(&self.own_rules).cases(&app, &id.group, &id.kind).is_some())
    }

    /// What is kept of a kind's whole objects; `None` where their metadata are enough.
    pub(super) fn digest_of(&self, group: &Arc<str>, kind: &Arc<str>) -> Option<Digest<Verdict>> {
        if !self.waits_for_status(group, kind) {
            return None;
        }
        let (shared, group, kind) = (Arc::clone(&self.own_rules), Arc::clone(group), Arc::clone(kind));
        let digest: Digest<Verdict> = Arc::new(move |object| {
            let value: Value = serde_json::from_str(object.get()).ok()?;
            let labels = value.pointer("/metadata/labels");
            if labels.and_then(|l| l.get(super::hooks::LABEL_HOOK)).is_some() {
                return Some(health::judge_hook(&value));
            }
            let rules = read(&shared);
            let app = labels.and_then(|l| l.get(LABEL_APP)).and_then(Value::as_str);
            Some(health::judge_with(&value, app.and_then(|app| rules.cases(app, &group, &kind))))
        });
        Some(digest)
    }

    /// Takes the rules of a revision in. Kinds of which they say something else are judged anew.
    pub(super) fn take_rules_in(&mut self, desired: &Desired) {
        let new = Arc::new(OwnRules::of(desired.cloud.apps.iter().map(|a| (&a.name, &a.policy.health))));
        let old = {
            let mut shared = self.own_rules.write().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *shared, Arc::clone(&new))
        };
        for (group, kind) in old.changed(&new) {
            let waits = self.waits_for_status(&group, &kind);
            for (id, known) in &mut self.index.objects {
                if id.is(&group, &kind) && known.digest.is_some() {
                    (known.health, known.message) = if waits {
                        (Health::Progressing, Some("its health rules are new; no event has told yet".into()))
                    } else {
                        (Health::Ready, None)
                    };
                }
            }
            let key = (Arc::from(group), Arc::from(kind));
            if let Some(watch) = self.watches.remove(&key) {
                watch.handle.abort();
                self.ensure_watch(&key.0, &key.1);
                if let Some(again) = self.watches.get_mut(&key) {
                    again.round = watch.round;
                }
            }
        }
    }
}
