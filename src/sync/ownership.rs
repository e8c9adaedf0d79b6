//! Fields that are others': what of an object's applied fields is lost, what of it is left to operators, and what the
//! server keeps otherwise than it was told.

use std::cmp::Reverse;
use std::time::Instant;

use crate::apply::job::Target;
use crate::cloud::ObjectId;
use crate::cluster::fields::{self, Entry, Lost};
use crate::cluster::meta::Meta;
use crate::cluster::{LABEL_APP, LABEL_CLOUD, MANAGER};
use crate::plan::operators::Taken;
use crate::plan::yields;

use super::engine::{Engine, Message, Timer};
use super::follow::Desired;
use super::index::Standing;

/// Who has what of an object's fields.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Fields that retune applied and others took or removed.
    pub(super) lost: Vec<Lost>,
    /// Fields that are left to operators that have taken them.
    pub(super) left: Vec<Taken>,
}

impl Claims {
    /// The claims on an object, by its field sets.
    pub(super) fn of(target: &Target, desired: &Desired, id: &ObjectId, entries: &[Entry]) -> Self {
        let Some((app, object)) = desired.object(id) else { return Self::default() };
        let mut body = target.body(object, app);
        let left = fields::taken(&body, &desired.contested(id), entries);
        let places: Vec<_> = left.iter().map(|t| t.place.clone()).collect();
        yields::remove(&mut body, &places);
        Self { lost: fields::lost(&body, entries), left }
    }

    /// The lost fields in words.
    pub(super) fn blame(&self, recreated: bool) -> String {
        if self.lost.is_empty() {
            return if recreated {
                "deleted and created again by someone".to_owned()
            } else {
                "retune's ownership of its fields is gone".to_owned()
            };
        }
        let mut text: Vec<String> = self.lost.iter().take(5).map(ToString::to_string).collect();
        if self.lost.len() > 5 {
            text.push(format!("{} more fields", self.lost.len() - 5));
        }
        let prefix = if recreated { "deleted and created again; " } else { "" };
        format!("{prefix}{}", text.join("; "))
    }
}

impl Engine {
    pub(super) fn claims(&self, id: &ObjectId, meta: &Meta) -> Claims {
        self.desired.as_ref().map(|d| Claims::of(&self.target, d, id, &meta.entries)).unwrap_or_default()
    }

    /// Only fields that operators may move have gone: the object is in sync without them.
    pub(super) fn leave(&mut self, id: &ObjectId, meta: &Meta, left: &[Taken]) {
        let Some(known) = self.index.objects.get_mut(id) else { return };
        known.own = meta.own;
        known.generation = meta.generation;
        known.standing = Standing::InSync;
        let app = std::sync::Arc::clone(&known.app);
        self.memory.app(&app).touch(id);
        self.dirty();
        self.refresh_ready(id);
        for taken in left {
            tracing::info!(object = %id, field = %taken.field(), manager = %taken.manager, why = %taken.why, "left to its operator");
        }
        self.report.left(id, left.iter().map(|t| (t.field(), t.manager.clone())).collect());
    }

    /// Corrections of an object wait for their rival.
    pub(super) fn fighting(&mut self, id: &ObjectId, until: Instant) {
        self.timers.push(Reverse((until, Timer::Retry(id.clone()))));
        let Some(known) = self.index.objects.get(id) else { return };
        let why = match &known.standing {
            Standing::Drifted(why) => why.to_string(),
            Standing::Absent => "deleted".to_owned(),
            _ => String::new(),
        };
        if self.report.fighting(id, &why) {
            // Another retune says on the object whose it is.
            let job = self.target.clone().look(id.clone(), std::sync::Arc::clone(&known.version));
            self.jobs.spawn(async move { Message::Rival(job.await) });
            self.after(super::fight::WINDOW, Timer::Fights);
        }
    }

    /// Who the rival is, when it is another cloud of retune's or another app.
    pub(super) fn on_rival(&mut self, done: crate::apply::job::Done) {
        let crate::apply::job::Done::Looked { id, result: Ok(Some(live)) } = done else { return };
        let label = |name: &str| {
            live.pointer("/metadata/labels").and_then(|l| l.get(name)).and_then(serde_json::Value::as_str)
        };
        let ours = self.index.objects.get(&id).map(|k| std::sync::Arc::clone(&k.app)).unwrap_or_default();
        let (cloud, app) = (label(LABEL_CLOUD).unwrap_or_default(), label(LABEL_APP).unwrap_or_default());
        let retune = fields::own_entry(&fields::entries_of(&live)).is_some();
        if retune && !cloud.is_empty() && (cloud != &*self.name || app != &*ours) {
            self.report.rival(&id, &format!("app {app} of retune's cloud {cloud}"));
        }
    }

    /// An object is gone: so is the fight over it.
    pub(super) fn settle_fight(&mut self, id: &ObjectId) {
        if self.fights.settle(id) {
            self.report.settled(id, "it is managed no more");
        }
    }

    /// Fights that the rival's silence has settled.
    pub(super) fn sweep_fights(&mut self) {
        let (settled, again) = self.fights.sweep(Instant::now());
        for id in settled {
            self.report.settled(&id, "the rival is silent");
        }
        if let Some(again) = again {
            self.timers.push(Reverse((again, Timer::Fights)));
        }
    }

    /// After an apply: what admission wrote over the applied values. The server books it as an update by the applier itself.
    pub(super) fn note_overrides(&mut self, id: &ObjectId, meta: &Meta) {
        let ours = |e: &Entry| e.manager == MANAGER && e.operation == "Update" && e.subresource.is_empty();
        let fields: Vec<String> = if meta.entries.iter().any(ours) {
            let by_admission = |l: &Lost| {
                l.taken_by.as_ref().is_some_and(|t| t.manager == MANAGER && t.operation == "Update")
            };
            self.claims(id, meta).lost.into_iter().filter(by_admission).map(|l| l.field).collect()
        } else {
            Vec::new()
        };
        self.report.overridden(id, fields);
    }
}
