//! The entries of a map, in the order in which Go's templates and printers walk it: keys bytewise.
//!
//! Nearly all maps of a chart's values have few entries: these are a sorted list, in the memory that they need, in which
//! looking up is comparing a few lengths. Beyond [`FEW`] it is a B-tree, so that no template can make inserting slow.

use std::collections::{BTreeMap, btree_map};
use std::rc::Rc;
use std::{slice, vec};

use super::value::Value;

/// How many entries a list may have.
const FEW: usize = 32;

/// One entry: its key and its value.
type Entry = (Rc<str>, Value);

/// The entries of a map with string keys, sorted.
#[derive(Clone)]
pub struct Entries(Shape);

#[derive(Clone)]
enum Shape {
    /// At most [`FEW`], sorted by key.
    Few(Vec<Entry>),
    #[expect(clippy::box_collection, reason = "the few maps that are large leave the others smaller")]
    Many(Box<BTreeMap<Rc<str>, Value>>),
}

fn place_of(key: &str, entries: &[Entry]) -> Option<usize> {
    entries.iter().position(|(k, _)| **k == *key)
}

impl Entries {
    /// No entries.
    #[must_use]
    pub const fn new() -> Self {
        Self(Shape::Few(Vec::new()))
    }

    /// How many entries there are.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.0 {
            Shape::Few(entries) => entries.len(),
            Shape::Many(entries) => entries.len(),
        }
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value under a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        match &self.0 {
            Shape::Few(entries) => place_of(key, entries).map(|at| &entries[at].1),
            Shape::Many(entries) => entries.get(key),
        }
    }

    /// The same to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Value> {
        match &mut self.0 {
            Shape::Few(entries) => place_of(key, entries).map(|at| &mut entries[at].1),
            Shape::Many(entries) => entries.get_mut(key),
        }
    }

    /// The key that is held, and its value.
    #[must_use]
    pub fn get_key_value(&self, key: &str) -> Option<(&Rc<str>, &Value)> {
        match &self.0 {
            Shape::Few(entries) => {
                let (key, value) = &entries[place_of(key, entries)?];
                Some((key, value))
            }
            Shape::Many(entries) => entries.get_key_value(key),
        }
    }

    /// Whether the key is there.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// Sets an entry; gives the value that was there.
    pub fn insert(&mut self, key: Rc<str>, value: Value) -> Option<Value> {
        let entries = match &mut self.0 {
            Shape::Few(entries) => entries,
            Shape::Many(entries) => return entries.insert(key, value),
        };
        // Most maps are built in order.
        let place = match entries.last() {
            Some((last, _)) if *last >= key => entries.binary_search_by(|(k, _)| k.cmp(&key)),
            _ => Err(entries.len()),
        };
        match place {
            Ok(at) => return Some(std::mem::replace(&mut entries[at].1, value)),
            Err(at) if entries.len() < FEW => entries.insert(at, (key, value)),
            Err(_) => {
                let mut many: BTreeMap<_, _> = std::mem::take(entries).into_iter().collect();
                many.insert(key, value);
                self.0 = Shape::Many(Box::new(many));
            }
        }
        None
    }

    /// Takes an entry out.
    pub fn remove(&mut self, key: &str) -> Option<Value> {
        match &mut self.0 {
            Shape::Few(entries) => place_of(key, entries).map(|at| entries.remove(at).1),
            Shape::Many(entries) => entries.remove(key),
        }
    }

    /// The entries in order.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        match &self.0 {
            Shape::Few(entries) => Iter::Few(entries.iter()),
            Shape::Many(entries) => Iter::Many(entries.iter()),
        }
    }

    /// The keys in order.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &Rc<str>> {
        self.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &Value> {
        self.iter().map(|(_, value)| value)
    }

    /// The values themselves in the order of their keys.
    pub fn into_values(self) -> impl ExactSizeIterator<Item = Value> {
        self.into_iter().map(|(_, value)| value)
    }
}

impl Default for Entries {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<Entry> for Entries {
    /// Of several entries with one key the last counts.
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut entries: Vec<Entry> = entries.into_iter().collect();
        if entries.len() > FEW {
            let many: BTreeMap<_, _> = entries.into_iter().collect();
            return Self(Shape::Many(Box::new(many)));
        }
        if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    std::mem::swap(&mut later.1, &mut kept.1);
                }
                same
            });
        }
        Self(Shape::Few(entries))
    }
}

impl<const N: usize> From<[Entry; N]> for Entries {
    fn from(entries: [Entry; N]) -> Self {
        entries.into_iter().collect()
    }
}

impl Extend<Entry> for Entries {
    fn extend<I: IntoIterator<Item = Entry>>(&mut self, entries: I) {
        for (key, value) in entries {
            self.insert(key, value);
        }
    }
}

/// The entries of a map in order.
pub enum Iter<'e> {
    /// Of a list.
    Few(slice::Iter<'e, Entry>),
    /// Of a tree.
    Many(btree_map::Iter<'e, Rc<str>, Value>),
}

impl<'e> Iterator for Iter<'e> {
    type Item = (&'e Rc<str>, &'e Value);

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Few(entries) => entries.next().map(|(key, value)| (key, value)),
            Self::Many(entries) => entries.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Few(entries) => entries.size_hint(),
            Self::Many(entries) => entries.size_hint(),
        }
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'e> IntoIterator for &'e Entries {
    type Item = (&'e Rc<str>, &'e Value);
    type IntoIter = Iter<'e>;

    fn into_iter(self) -> Iter<'e> {
        self.iter()
    }
}

/// The entries of a map that is taken apart, in order.
pub enum IntoIter {
    /// Of a list.
    Few(vec::IntoIter<Entry>),
    /// Of a tree.
    Many(btree_map::IntoIter<Rc<str>, Value>),
}

impl Iterator for IntoIter {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        match self {
            Self::Few(entries) => entries.next(),
            Self::Many(entries) => entries.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            Self::Few(entries) => entries.size_hint(),
            Self::Many(entries) => entries.size_hint(),
        }
    }
}

impl ExactSizeIterator for IntoIter {}

impl IntoIterator for Entries {
    type Item = Entry;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        match self.0 {
            Shape::Few(entries) => IntoIter::Few(entries.into_iter()),
            Shape::Many(entries) => IntoIter::Many(entries.into_iter()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers in no order, the same at each run.
    fn numbers(count: usize, below: u64) -> impl Iterator<Item = u64> {
        let step =
            |n: &u64| Some(n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407));
        std::iter::successors(Some(count as u64), step).map(move |n| (n >> 33) % below).take(count)
    }

    fn shown<'e>(entries: impl Iterator<Item = (&'e Rc<str>, &'e Value)>) -> Vec<(String, String)> {
        entries.map(|(k, v)| (k.to_string(), format!("{:?}", v.bytes()))).collect()
    }

    #[test]
    fn entries_are_those_of_a_sorted_map_at_every_size() {
        for (count, below) in [(0, 1), (1, 1), (20, 8), (40, 32), (60, 40), (400, 90), (900, 2000)] {
            let pairs: Vec<Entry> = numbers(count, below)
                .enumerate()
                .map(|(i, n)| (Rc::from(format!("k{n}")), Value::str(i.to_string())))
                .collect();
            let mut expected: BTreeMap<Rc<str>, Value> = BTreeMap::new();
            let mut entries = Entries::new();
            for (key, value) in pairs.iter().cloned() {
                let (old, wanted) =
                    (entries.insert(Rc::clone(&key), value.clone()), expected.insert(key, value));
                assert_eq!(
                    old.map(|v| v.bytes().map(<[u8]>::to_vec)),
                    wanted.map(|v| v.bytes().map(<[u8]>::to_vec))
                );
            }
            let collected: Entries = pairs.into_iter().collect();
            assert_eq!(shown(entries.iter()), shown(expected.iter()));
            assert_eq!(shown(collected.iter()), shown(expected.iter()));
            assert!(entries.keys().eq(expected.keys()) && entries.len() == expected.len());
            for n in 0..below {
                let key = format!("k{n}");
                assert_eq!(entries.contains_key(&key), expected.contains_key(&*key));
                assert_eq!(
                    entries.get_key_value(&key).map(|(k, _)| &**k),
                    expected.contains_key(&*key).then_some(&*key)
                );
                if n % 3 > 0 {
                    assert_eq!(entries.remove(&key).is_some(), expected.remove(&*key).is_some());
                } else if let Some(value) = entries.get_mut(&key) {
                    *value = Value::Nil;
                    expected.insert(key.into(), Value::Nil);
                }
            }
            assert_eq!(shown(entries.iter()), shown(expected.iter()));
            let taken: Vec<Entry> = entries.into_iter().collect();
            assert!(taken.iter().map(|(k, _)| k).eq(expected.keys()));
        }
    }
}
