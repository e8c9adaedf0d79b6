//! The inventory as it is kept in memory and written to its shards. Pure: gives merge patches, takes what was read.
//!
//! One record per app. An object's entry lives in the shard it was first put in; a shard takes at most
//! [`SHARD_ENTRIES`]. Additions are written before their objects, everything else is coalesced after.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;
use std::sync::Arc;

use serde_json::{Value, json};

use super::index::{Index, Standing, Tracked};
use crate::cloud::{Digest, Hook, ObjectId};
use crate::cluster::crd::{Inventory, InventoryEntry};
use crate::cluster::fields::OwnSet;
use crate::cluster::meta::Uid;
use crate::health::Health;
use crate::plan::AppMemory;
use crate::plan::operation::OperationRecord;
use crate::plan::secrets::SecretRecord;

/// The most entries of one shard.
pub const SHARD_ENTRIES: usize = 1_000;
/// How many past renders are remembered.
const PAST_RENDERS: usize = 20;

/// What is remembered of one app.
#[derive(Debug, Default)]
pub struct AppRecord {
    /// The revision last applied for it.
    pub revision: String,
    /// The digest of the render last applied whole.
    pub render: Option<Digest>,
    /// The digest of the render it was last ready with.
    pub ready_render: Option<Digest>,
    /// Renders that were live before, newest last.
    pub past_renders: Vec<String>,
    /// Completed hooks.
    pub hooks: BTreeMap<String, String>,
    /// Jobs and Pods of completed hooks that are still to be there.
    pub hooks_left: BTreeSet<String>,
    /// The operation under way.
    pub operation: OperationRecord,
    /// The delete hooks of the render last applied, if they are known.
    pub delete_hooks: Option<Vec<Hook>>,
    /// The same as the inventory keeps them.
    pub delete_hooks_sealed: String,
    /// The apps it depends on.
    pub depends_on: Vec<String>,
    /// Generated Secrets that exist, by `namespace/name`.
    secrets: BTreeMap<String, SecretRecord>,
    /// Those that are remembered no more: named in the next writes.
    secrets_gone: BTreeSet<String>,
    /// Entries per shard.
    shards: Vec<usize>,
    /// Whether the head (all but the entries) must be written.
    dirty_head: bool,
    /// Entries that must be written or, if the index no longer has them, removed.
    dirty: BTreeSet<ObjectId>,
    /// Where removed entries were.
    removed: Vec<(u16, ObjectId)>,
}

impl AppRecord {
    /// Notes that a render is live from now on.
    pub fn set_render(&mut self, render: Digest, revision: &str) {
        if self.render != Some(render) || self.revision != revision {
            if let Some(before) = self.render.filter(|b| *b != render) {
                let text = before.to_string();
                self.past_renders.retain(|p| *p != text);
                self.past_renders.push(text);
                let excess = self.past_renders.len().saturating_sub(PAST_RENDERS);
                self.past_renders.drain(..excess);
            }
            // The revision alone is not worth a write per app: it is written with the next real change.
            self.dirty_head |= self.render != Some(render);
            self.render = Some(render);
            self.revision = revision.to_owned();
        }
    }

    /// What the plan needs to know.
    #[must_use]
    pub fn facts(&self) -> AppMemory {
        AppMemory {
            render: self.render,
            ready_render: self.ready_render,
            past_renders: self.past_renders.clone(),
            hooks: self.hooks.clone(),
            operation: self.operation.clone(),
            delete_hooks: self.delete_hooks.clone(),
            depends_on: self.depends_on.clone(),
        }
    }

    /// The operation, to be changed; it is written soon.
    pub fn operation_mut(&mut self) -> &mut OperationRecord {
        self.dirty_head = true;
        &mut self.operation
    }

    /// Generated Secrets that exist, by `namespace/name`.
    #[must_use]
    pub fn secrets(&self) -> &BTreeMap<String, SecretRecord> {
        &self.secrets
    }

    /// Remembers that a generated Secret exists.
    pub fn set_secret(&mut self, name: String, record: SecretRecord) {
        self.secrets_gone.remove(&name);
        self.dirty_head |= self.secrets.insert(name, record.clone()) != Some(record);
    }

    /// Remembers only those generated Secrets that `keep` names; whether any was forgotten.
    pub fn forget_secrets(&mut self, keep: &dyn Fn(&str) -> bool) -> bool {
        let gone: Vec<String> = self.secrets.keys().filter(|n| !keep(n)).cloned().collect();
        for name in &gone {
            self.secrets.remove(name);
            self.secrets_gone.insert(name.clone());
        }
        self.dirty_head |= !gone.is_empty();
        !gone.is_empty()
    }

    /// Notes that somebody else installed the app, and which hooks are done. Once it was applied, nothing.
    pub fn install(&mut self, hooks: &BTreeMap<String, String>) {
        if self.render.is_none() {
            self.render = Some(crate::plan::adopt::installed_before());
            let before = std::mem::replace(&mut self.hooks, hooks.clone());
            self.hooks.extend(before);
            self.dirty_head = true;
        }
    }

    /// Notes that a hook completed, and whether its object stays.
    pub fn hook_done(&mut self, key: String, digest: String, stays: bool) {
        if stays {
            self.hooks_left.insert(key.clone());
        } else {
            self.hooks_left.remove(&key);
        }
        self.hooks.insert(key, digest);
        self.dirty_head = true;
    }

    /// Keeps what a later deletion needs to know of the render that is live from now on.
    pub fn keep_for_deletion(&mut self, hooks: Vec<Hook>, sealed: Option<String>, depends_on: &[Arc<str>]) {
        let depends_on: Vec<String> = depends_on.iter().map(ToString::to_string).collect();
        self.dirty_head |= depends_on != self.depends_on;
        self.depends_on = depends_on;
        let same = |a: &Hook, b: &Hook| {
            a.object.digest == b.object.digest && a.weight == b.weight && a.events == b.events
        };
        let known = self
            .delete_hooks
            .as_deref()
            .is_some_and(|k| k.len() == hooks.len() && k.iter().zip(&hooks).all(|(a, b)| same(a, b)));
        if known && !self.delete_hooks_sealed.is_empty() {
            return;
        }
        self.dirty_head = true;
        self.delete_hooks_sealed = match sealed {
            _ if hooks.is_empty() => "none".to_owned(),
            Some(sealed) => sealed,
            None => String::new(),
        };
        self.delete_hooks = Some(hooks);
    }

    /// Nothing of the app is left: its record goes with the next write, but for deletions that are due.
    pub fn forget(&mut self) {
        let clean_up = std::mem::take(&mut self.operation.clean_up);
        *self = Self {
            shards: std::mem::take(&mut self.shards),
            dirty: std::mem::take(&mut self.dirty),
            removed: std::mem::take(&mut self.removed),
            secrets_gone: std::mem::take(&mut self.secrets_gone),
            dirty_head: true,
            ..Self::default()
        };
        self.operation.clean_up = clean_up;
    }

    /// Whether nothing is worth a record.
    fn is_bare(&self) -> bool {
        self.hooks.is_empty()
            && self.secrets.is_empty()
            && self.operation.kind.is_none()
            && self.operation.clean_up.is_empty()
            && self.delete_hooks.as_ref().is_none_or(Vec::is_empty)
    }

    /// Notes that a render was ready.
    pub fn set_ready(&mut self, render: Digest) {
        if self.ready_render != Some(render) {
            self.ready_render = Some(render);
            self.dirty_head = true;
        }
    }

    /// Notes that an entry changed.
    pub fn touch(&mut self, id: &ObjectId) {
        self.dirty.insert(id.clone());
    }

    /// Notes that an entry is gone from this app.
    pub fn remove(&mut self, id: &ObjectId, shard: u16) {
        self.dirty.remove(id);
        self.removed.push((shard, id.clone()));
        if let Some(count) = self.shards.get_mut(usize::from(shard)) {
            *count = count.saturating_sub(1);
        }
    }

    /// The shard that takes one more entry.
    pub fn place(&mut self) -> u16 {
        let index = match self.shards.iter().position(|n| *n < SHARD_ENTRIES) {
            Some(index) => index,
            None => {
                self.shards.push(0);
                self.shards.len() - 1
            }
        };
        self.shards[index] += 1;
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// How many shards it has.
    #[must_use]
    pub fn shard_count(&self) -> usize {
        self.shards.len()
    }

    /// Whether anything waits to be written.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.dirty_head || !self.dirty.is_empty() || !self.removed.is_empty()
    }

    /// How many objects the app has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().sum()
    }

    /// Whether the app has no objects.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The inventory of a cloud.
#[derive(Debug, Default)]
pub struct Memory {
    /// By app.
    pub apps: BTreeMap<Arc<str>, AppRecord>,
}

/// One merge patch to one shard.
#[derive(Debug, Clone)]
pub struct ShardWrite {
    /// The app.
    pub app: Arc<str>,
    /// The name of the `Inventory`.
    pub name: String,
    /// The patch of its spec.
    pub spec: Value,
    /// The entries in it, to be marked again if the write fails.
    pub ids: Vec<ObjectId>,
    /// Whether the shard is empty afterwards and is deleted instead.
    pub delete: bool,
}

/// `apps/Deployment/openstack/keystone-api`
#[must_use]
pub fn entry_key(id: &ObjectId) -> String {
    format!("{}/{}/{}/{}", id.group, id.kind, id.namespace.as_deref().unwrap_or(""), id.name)
}

/// Reads [`entry_key`].
#[must_use]
pub fn parse_key(key: &str) -> Option<ObjectId> {
    let mut parts = key.splitn(4, '/');
    let (group, kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    Some(ObjectId::new(group, kind, Some(namespace).filter(|n| !n.is_empty()), name))
}

fn entry(known: &Tracked) -> InventoryEntry {
    InventoryEntry {
        uid: known.uid.map(|u| u.to_string()).unwrap_or_default(),
        version: known.version.to_string(),
        digest: known.digest.map(|d| d.to_string()).unwrap_or_default(),
        set: known.own.map(|o| format!("{:016x}", o.hash)).unwrap_or_default(),
        time: known.own.map_or(0, |o| o.time),
        generation: known.generation,
        keep: if known.keep { "keep".into() } else { String::new() },
    }
}

/// The entry as a merge patch: what is empty now is named, or the old value would stay.
fn entry_patch(known: &Tracked) -> Value {
    let mut patch = json!({"uid": null, "version": null, "digest": null, "set": null, "keep": null});
    if let (Some(into), Ok(Value::Object(now))) = (patch.as_object_mut(), serde_json::to_value(entry(known)))
    {
        into.extend(now);
    }
    patch
}

impl Memory {
    /// Takes what was read at the start; returns what it makes of the index.
    #[must_use]
    pub fn load(shards: &[Inventory], index: &mut Index) -> Self {
        let mut memory = Self::default();
        for shard in shards {
            let spec = &shard.spec;
            let number: u16 =
                shard.metadata.name.rsplit('.').next().and_then(|n| n.parse().ok()).unwrap_or(0);
            let app: Arc<str> = spec.app.as_str().into();
            let record = memory.apps.entry(Arc::clone(&app)).or_default();
            while record.shards.len() <= usize::from(number) {
                record.shards.push(0);
            }
            record.shards[usize::from(number)] += spec.entries.len();
            if number == 0 {
                record.revision.clone_from(&spec.revision);
                record.render = Digest::from_str(&spec.render).ok();
                record.ready_render = Digest::from_str(&spec.ready_render).ok();
                record.past_renders.clone_from(&spec.past_renders);
                record.hooks.clone_from(&spec.hooks);
                record.hooks_left = spec.hooks_left.iter().cloned().collect();
                record.operation.clone_from(&spec.operation);
                record.depends_on.clone_from(&spec.depends_on);
                record.secrets.clone_from(&spec.secrets);
                record.delete_hooks_sealed.clone_from(&spec.delete_hooks);
                record.delete_hooks = (spec.delete_hooks == "none").then(Vec::new);
            }
            for (key, entry) in &spec.entries {
                let Some(id) = parse_key(key) else { continue };
                let mut known = Tracked::new(Arc::clone(&app), entry.version.as_str().into());
                known.digest = Digest::from_str(&entry.digest).ok();
                known.uid = Uid::parse(&entry.uid);
                known.own =
                    u64::from_str_radix(&entry.set, 16).ok().map(|hash| OwnSet { hash, time: entry.time });
                known.generation = entry.generation;
                known.keep = !entry.keep.is_empty();
                known.shard = number;
                known.standing = Standing::Unknown;
                if !crate::health::has_rule(&id.group, &id.kind) && known.digest.is_some() {
                    known.health = Health::Ready;
                }
                // An object in two apps' inventories (a crash while it moved) belongs to the one that applied it.
                match index.objects.get(&id) {
                    Some(other) if other.digest.is_some() => {
                        memory.app(&app).remove(&id, number);
                    }
                    Some(other) => {
                        let (other_app, other_shard) = (Arc::clone(&other.app), other.shard);
                        index.objects.insert(id.clone(), known);
                        if let Some(record) = memory.apps.get_mut(&other_app) {
                            record.remove(&id, other_shard);
                        }
                    }
                    None => {
                        index.objects.insert(id, known);
                    }
                }
            }
        }
        memory
    }

    /// The record of an app, new if there is none.
    pub fn app(&mut self, app: &Arc<str>) -> &mut AppRecord {
        self.apps.entry(Arc::clone(app)).or_default()
    }

    /// Whether anything waits to be written.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        self.apps.values().any(AppRecord::is_dirty)
    }

    /// Every write of one app, or of all. Nothing is dirty afterwards; a write that fails is given to [`Memory::failed`].
    pub fn take_writes(&mut self, cloud: &str, only: Option<&str>, index: &Index) -> Vec<ShardWrite> {
        let mut out = Vec::new();
        let mut empty = Vec::new();
        for (app, record) in &mut self.apps {
            if only.is_some_and(|o| o != &**app) || !record.is_dirty() {
                continue;
            }
            let mut shards: BTreeMap<u16, (serde_json::Map<String, Value>, Vec<ObjectId>)> = BTreeMap::new();
            if record.dirty_head {
                shards.entry(0).or_default();
            }
            for (shard, id) in std::mem::take(&mut record.removed) {
                let (entries, ids) = shards.entry(shard).or_default();
                entries.insert(entry_key(&id), Value::Null);
                ids.push(id);
            }
            for id in std::mem::take(&mut record.dirty) {
                if let Some(known) = index.objects.get(&id).filter(|k| k.app == *app) {
                    let (entries, ids) = shards.entry(known.shard).or_default();
                    entries.insert(entry_key(&id), entry_patch(known));
                    ids.push(id);
                }
            }
            record.dirty_head = false;
            let total = record.len();
            for (shard, (entries, ids)) in shards {
                let count = record.shards.get(usize::from(shard)).copied().unwrap_or(0);
                let mut spec = json!({"cloud": cloud, "app": &**app, "objects": count, "entries": entries});
                if shard == 0 {
                    spec["revision"] = json!(record.revision);
                    spec["render"] = json!(record.render.map(|d| d.to_string()).unwrap_or_default());
                    spec["readyRender"] =
                        json!(record.ready_render.map(|d| d.to_string()).unwrap_or_default());
                    spec["pastRenders"] = json!(record.past_renders);
                    spec["hooksLeft"] = json!(record.hooks_left);
                    spec["operation"] = json!(record.operation);
                    spec["deleteHooks"] = json!(record.delete_hooks_sealed);
                    spec["dependsOn"] = json!(record.depends_on);
                    if !record.secrets.is_empty() || !record.secrets_gone.is_empty() {
                        spec["secrets"] = json!(record.secrets);
                        for name in &record.secrets_gone {
                            spec["secrets"][name] = Value::Null;
                        }
                    }
                    if !record.hooks.is_empty() {
                        spec["hooks"] = json!(record.hooks);
                    }
                }
                let delete = count == 0 && (shard > 0 || (total == 0 && record.is_bare()));
                out.push(ShardWrite {
                    app: Arc::clone(app),
                    name: format!("{cloud}.{app}.{shard}"),
                    spec,
                    ids,
                    delete,
                });
            }
            if total == 0 && record.is_bare() {
                empty.push(Arc::clone(app));
            }
        }
        for app in empty {
            self.apps.remove(&app);
        }
        out
    }

    /// A write did not happen: its entries are dirty again.
    pub fn failed(&mut self, write: ShardWrite, index: &Index) {
        let record = self.app(&write.app);
        record.dirty_head = true;
        for id in write.ids {
            match index.objects.get(&id) {
                Some(known) if known.app == write.app => record.touch(&id),
                _ => {
                    let shard = write.name.rsplit('.').next().and_then(|n| n.parse().ok()).unwrap_or(0);
                    record.removed.push((shard, id));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(name: &str) -> ObjectId {
        ObjectId::new("", "ConfigMap", Some("n"), name)
    }

    fn add(memory: &mut Memory, index: &mut Index, app: &Arc<str>, name: &str) {
        let mut known = Tracked::new(Arc::clone(app), "v1".into());
        let record = memory.app(app);
        known.shard = record.place();
        record.touch(&id(name));
        index.objects.insert(id(name), known);
    }

    #[test]
    fn keys_are_read_back() {
        for id in [id("a"), ObjectId::new("rbac.authorization.k8s.io", "ClusterRole", None, "system:x")] {
            assert_eq!(parse_key(&entry_key(&id)).unwrap(), id);
        }
    }

    #[test]
    fn additions_are_written_and_read_back_and_a_failed_write_is_repeated() {
        let (mut memory, mut index) = (Memory::default(), Index::default());
        let app: Arc<str> = "web".into();
        add(&mut memory, &mut index, &app, "x");
        let writes = memory.take_writes("c", Some("web"), &index);
        assert_eq!(writes.len(), 1);
        assert_eq!(writes[0].name, "c.web.0");
        assert_eq!(writes[0].spec["objects"], 1);
        assert!(!memory.is_dirty());
        memory.failed(writes.into_iter().next().unwrap(), &index);
        let again = memory.take_writes("c", None, &index);
        assert!(again[0].spec["entries"]["/ConfigMap/n/x"].is_object());
        let mut shard = Inventory::default();
        shard.metadata.name = "c.web.0".into();
        // The server drops what a merge patch calls null.
        let mut stored = again[0].spec.clone();
        for entry in stored["entries"].as_object_mut().unwrap().values_mut() {
            entry.as_object_mut().unwrap().retain(|_, v| !v.is_null());
        }
        shard.spec = serde_json::from_value(stored).unwrap();
        let mut index = Index::default();
        let memory = Memory::load(&[shard], &mut index);
        assert_eq!(memory.apps["web"].len(), 1);
        assert!(index.objects[&id("x")].digest.is_none());
    }

    #[test]
    fn a_shard_takes_a_thousand_and_the_last_entry_deletes_it() {
        let (mut memory, mut index) = (Memory::default(), Index::default());
        let app: Arc<str> = "web".into();
        for i in 0..=SHARD_ENTRIES {
            add(&mut memory, &mut index, &app, &format!("m{i}"));
        }
        let writes = memory.take_writes("c", None, &index);
        assert_eq!(writes.iter().map(|w| w.ids.len()).collect::<Vec<_>>(), [SHARD_ENTRIES, 1]);
        let last = index.objects.iter().find(|(_, k)| k.shard == 1).map(|(id, _)| id.clone()).unwrap();
        index.objects.remove(&last);
        memory.app(&app).remove(&last, 1);
        let writes = memory.take_writes("c", None, &index);
        assert!(writes.len() == 1 && writes[0].delete && writes[0].name == "c.web.1");
    }

    #[test]
    fn past_renders_are_kept_without_the_present_one() {
        let mut record = AppRecord::default();
        let (a, b) = (Digest::of(b"a"), Digest::of(b"b"));
        record.set_render(a, "1");
        record.set_render(b, "2");
        record.set_render(a, "3");
        assert_eq!(record.past_renders, [a.to_string(), b.to_string()].map(|d| d).to_vec());
        assert_eq!(record.render, Some(a));
    }
}
