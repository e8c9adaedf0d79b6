//! The resources of a layer in order, with an index by identity that is built when first asked for.
//!
//! The index covers current and former identities. Changing a resource through [`ResMap::edit_at`] keeps it;
//! [`ResMap::iter_mut`] drops it, and the next question builds it again.

use std::collections::HashMap;

use super::error::Error;
use super::gvk::{BuildFnv, IdView};
use super::memory::Behavior;
use super::resource::Resource;
use super::types::{FieldSpec, StringMap};
use crate::yaml::Node;

/// The resources of a layer in order.
#[derive(Debug, Clone, Default)]
pub struct ResMap {
    list: Vec<Resource>,
    index: Option<Index>,
    /// A change may have emptied a resource since the last look.
    may_hold_empties: bool,
}

#[derive(Debug, Clone, Default)]
struct Index(HashMap<u64, Vec<u32>, BuildFnv>);

impl Index {
    fn add(&mut self, at: usize, res: &Resource) {
        let at = u32::try_from(at).expect("fewer than 2^32 resources");
        for id in res.any_ids() {
            let slot = self.0.entry(id.key()).or_default();
            if !slot.contains(&at) {
                slot.push(at);
                if slot.len() > 1 {
                    slot.sort_unstable();
                }
            }
        }
    }

    fn remove(&mut self, at: usize, res: &Resource) {
        for id in res.any_ids() {
            if let Some(slot) = self.0.get_mut(&id.key()) {
                slot.retain(|i| *i as usize != at);
            }
        }
    }
}

impl ResMap {
    /// Nothing in it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of resources.
    #[must_use]
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// In order.
    pub fn iter(&self) -> std::slice::Iter<'_, Resource> {
        self.list.iter()
    }

    /// In order, to change. Drops the index.
    pub fn iter_mut(&mut self) -> std::slice::IterMut<'_, Resource> {
        self.index = None;
        self.may_hold_empties = true;
        self.list.iter_mut()
    }

    /// The resource at a position.
    #[must_use]
    pub fn get(&self, at: usize) -> &Resource {
        &self.list[at]
    }

    /// All resources, to change order or number. Drops the index.
    pub fn list_mut(&mut self) -> &mut Vec<Resource> {
        self.index = None;
        self.may_hold_empties = true;
        &mut self.list
    }

    /// The resources themselves.
    #[must_use]
    pub fn into_list(self) -> Vec<Resource> {
        self.list
    }

    /// Changes one resource and keeps the index right.
    pub fn edit_at<R>(&mut self, at: usize, change: impl FnOnce(&mut Resource) -> R) -> R {
        let res = &mut self.list[at];
        let Some(index) = &mut self.index else {
            let out = change(res);
            self.may_hold_empties |= res.is_empty();
            return out;
        };
        let before: Vec<u64> = res.any_ids().map(|id| id.key()).collect();
        let out = change(res);
        self.may_hold_empties |= res.is_empty();
        if !res.any_ids().map(|id| id.key()).eq(before.iter().copied()) {
            for key in before {
                if let Some(slot) = index.0.get_mut(&key) {
                    slot.retain(|i| *i as usize != at);
                }
            }
            index.add(at, res);
        }
        out
    }

    /// [`ResMap::edit_at`] for changes that the field specs confine to fields outside of the identity: the index is not
    /// asked. Field specs that do lead to the identity fall back to [`ResMap::edit_at`].
    pub fn edit_fields_at<R>(
        &mut self,
        at: usize,
        specs: &[FieldSpec],
        change: impl FnOnce(&mut Resource) -> R,
    ) -> R {
        if specs.iter().any(leads_to_identity) {
            return self.edit_at(at, change);
        }
        let res = &mut self.list[at];
        let out = change(res);
        self.may_hold_empties |= res.is_empty();
        out
    }

    fn index(&mut self) -> &mut Index {
        let list = &self.list;
        self.index.get_or_insert_with(|| {
            let mut index = Index::default();
            index.0.reserve(list.len());
            for (at, res) in list.iter().enumerate() {
                index.add(at, res);
            }
            index
        })
    }

    /// Positions of the resources whose current identity is `id`.
    pub fn matching_current(&mut self, id: &IdView<'_>) -> Vec<usize> {
        self.candidates(id).into_iter().filter(|at| self.list[*at].cur_id().same(id)).collect()
    }

    /// Positions of the resources that have or had the identity `id`.
    pub fn matching_any(&mut self, id: &IdView<'_>) -> Vec<usize> {
        self.candidates(id)
            .into_iter()
            .filter(|at| self.list[*at].any_ids().any(|own| own.same(id)))
            .collect()
    }

    fn candidates(&mut self, id: &IdView<'_>) -> Vec<usize> {
        let key = id.key();
        self.index().0.get(&key).map(|slot| slot.iter().map(|i| *i as usize).collect()).unwrap_or_default()
    }

    /// Appends; an equal current identity is an error.
    pub fn append(&mut self, res: Resource) -> Result<(), Error> {
        let twin = self.matching_current(&res.cur_id()).first().copied();
        if let Some(at) = twin {
            let id = res.cur_id().to_string();
            let other = &self.list[at];
            let mut e = Error::new(format!("may not add resource with an already registered id: {id}"));
            if !other.file.is_empty() {
                let line = other.node.pos.line;
                e = e.hint(format!(
                    "the same object was read from {}:{line} before; remove one of the two, or make this one a patch",
                    other.file
                ));
            }
            return Err(e.at(&res.file, res.node.pos.line));
        }
        self.push(res);
        Ok(())
    }

    /// Appends without asking.
    pub fn push(&mut self, res: Resource) {
        self.may_hold_empties |= res.is_empty();
        if let Some(index) = &mut self.index {
            index.add(self.list.len(), &res);
        }
        self.list.push(res);
    }

    /// Appends all; an equal current identity is an error.
    pub fn append_all(&mut self, other: Self) -> Result<(), Error> {
        other.list.into_iter().try_for_each(|res| self.append(res))
    }

    /// Adds what a generator made: new objects are appended, others replace or are merged, as their behaviour says.
    pub fn absorb_all(&mut self, other: Self) -> Result<(), Error> {
        other.list.into_iter().try_for_each(|res| self.append_replace_or_merge(res))
    }

    fn append_replace_or_merge(&mut self, mut res: Resource) -> Result<(), Error> {
        let matches = self.matching_any(&res.cur_id());
        let behavior = res.build.behavior.unwrap_or_default();
        match matches.as_slice() {
            [] => match behavior {
                Behavior::Merge | Behavior::Replace => {
                    Err(Error::new(format!("id {} does not exist; cannot merge or replace", res.cur_id()))
                        .hint("generate it with 'behavior: create' here, or list the base that has it under 'resources'"))
                }
                _ => self.append(res),
            },
            [at] => {
                let at = *at;
                match behavior {
                    Behavior::Replace => res.copy_merge_metadata_from(&self.list[at]),
                    Behavior::Merge => {
                        let old = &self.list[at];
                        let origin = old.annotation(super::origin::ORIGIN_KEY).map(str::to_owned);
                        res.copy_merge_metadata_from(old);
                        merge_data(&mut res, old, "data");
                        merge_data(&mut res, old, "binaryData");
                        if origin.is_some() {
                            res.set_annotation(super::origin::ORIGIN_KEY, origin.as_deref());
                        }
                    }
                    other => {
                        return Err(Error::new(format!(
                            "id {} exists; can not use behavior: '{}', behavior must be merge or replace",
                            res.cur_id(),
                            other.word()
                        )));
                    }
                }
                let same = self.matching_current(&res.cur_id());
                if same != [at] {
                    return Err(Error::new(format!("cannot find resource with id {} to replace", res.cur_id())));
                }
                self.edit_at(at, |slot| *slot = res);
                Ok(())
            }
            many => Err(Error::new(format!(
                "found {} objects that could accept merge of {}",
                many.len(),
                res.cur_id()
            ))),
        }
    }

    /// Drops resources that a transformer emptied.
    pub fn drop_empties(&mut self) {
        if !std::mem::take(&mut self.may_hold_empties) {
            return;
        }
        if self.list.iter().any(Resource::is_empty) {
            self.index = None;
            self.list.retain(|r| !r.is_empty());
        }
    }

    /// Keeps what `keep` says.
    pub fn retain(&mut self, keep: impl FnMut(&Resource) -> bool) {
        self.index = None;
        self.list.retain(keep);
    }

    /// Drops one resource.
    pub fn remove_at(&mut self, at: usize) -> Resource {
        if at + 1 == self.list.len() {
            if let Some(index) = &mut self.index {
                index.remove(at, &self.list[at]);
            }
        } else {
            self.index = None;
        }
        self.list.remove(at)
    }
}

impl<'a> IntoIterator for &'a ResMap {
    type Item = &'a Resource;
    type IntoIter = std::slice::Iter<'a, Resource>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Whether a field spec may write to what names an object.
fn leads_to_identity(spec: &FieldSpec) -> bool {
    let path = spec.path.trim_start_matches('/');
    match path.split_once('/') {
        Some(("metadata", rest)) => rest.starts_with("name"),
        Some(_) => false,
        None => matches!(path, "" | "apiVersion" | "kind" | "metadata"),
    }
}

/// The data map of a ConfigMap or Secret, as text.
fn data_map(node: &Node, field: &str) -> StringMap {
    let Some(map) = node.get(field).and_then(Node::as_map) else { return StringMap::new() };
    let text = |n: &Node| n.text().unwrap_or("").to_owned();
    map.entries.iter().map(|e| (text(&e.key), text(&e.value))).collect()
}

fn merge_data(res: &mut Resource, old: &Resource, field: &str) {
    let mut all = data_map(&old.node, field);
    all.extend(data_map(&res.node, field));
    if let Some(map) = res.node.as_map_mut() {
        map.remove(field);
        if !all.is_empty() {
            map.set(field, super::scalar::string_map_node(&all));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_may_be_added_once() {
        let mut m = ResMap::new();
        m.append(Resource::for_tests("a")).unwrap();
        m.append(Resource::for_tests("b")).unwrap();
        let e = m.append(Resource::for_tests("a")).unwrap_err();
        assert_eq!(
            e.message(),
            "may not add resource with an already registered id: ConfigMap.v1.[noGrp]/a.[noNs]"
        );
    }

    #[test]
    fn renaming_through_edit_at_keeps_old_and_new_name_findable() {
        let mut m = ResMap::new();
        m.append(Resource::for_tests("a")).unwrap();
        m.edit_at(0, |r| {
            r.store_previous_id();
            r.set_name("b");
        });
        assert_eq!(m.matching_any(&Resource::for_tests("a").cur_id()), [0]);
        assert_eq!(m.matching_current(&Resource::for_tests("a").cur_id()), [] as [usize; 0]);
        assert_eq!(m.matching_current(&Resource::for_tests("b").cur_id()), [0]);
    }

    #[test]
    fn a_merge_needs_something_to_merge_into() {
        let mut m = ResMap::new();
        let mut generated = Resource::for_tests("a");
        generated.build.behavior = Some(Behavior::Merge);
        let mut other = ResMap::new();
        other.push(generated);
        assert!(m.absorb_all(other).unwrap_err().message().contains("does not exist"));
    }
}
