//! Live inputs of apps (`App.spec.inputs`): what is known of them, the watches that know it, and a single look without watches.
//!
//! The follower renders with what the [`Store`] has. What it does not know yet it asks for ([`super::follow::News::Inputs`]); the engine
//! starts the watches (`watches`) and lets it look again once all of them have told their state: the first plan of a start has every
//! value that exists. A changed value is an order to render again, and only the apps that use it are rendered. A value that
//! vanishes stays in force, and that is told. After a restart it is the one that the ledger has of the newest sync
//! (`Store::remember`); a Secret's is not written down, so its apps are pending until it is back.
//!
//! | module | subject |
//! |---|---|
//! | `read` | the value in an object (pure) |
//! | `watches` | the engine's watches |
//! | `once` | reading every input once, for `diff` |

pub(super) mod once;
pub(super) mod read;
pub(super) mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::cloud::inputs::{Hidden, InputSource, Inputs, Lookup};

/// One input's value.
#[derive(Debug, Clone, Default)]
struct Entry {
    /// The last value that was seen.
    value: Option<Hidden>,
    /// Why there is none now.
    missing: Option<String>,
    /// The revision of whose record the value is, if this syncer never saw it in the cluster.
    recorded: Option<Arc<str>>,
}

/// What is known of the inputs of a cloud; written by the watches, read by renders.
#[derive(Debug, Default)]
pub struct Store {
    entries: RwLock<BTreeMap<InputSource, Entry>>,
    /// Values that an earlier syncer recorded, by source, with the revision: for sources that are gone when they are first looked for.
    recorded: RwLock<BTreeMap<String, (Arc<str>, Hidden)>>,
    /// Whether something was applied that may move into a pending app: renders say what such an app would have.
    outlines: AtomicBool,
}

/// What news of an input change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Nothing.
    None,
    /// The apps that use it render otherwise.
    Render,
    /// It is gone, and its last value stays in force.
    Gone,
    /// It is back with the same value.
    Back,
}

impl Store {
    /// From now on pending apps are outlined.
    pub(super) fn outline(&self) {
        self.outlines.store(true, Ordering::Relaxed);
    }

    pub(super) fn outlines(&self) -> bool {
        self.outlines.load(Ordering::Relaxed)
    }

    /// Values of the newest sync that is recorded, by source.
    pub(super) fn remember(&self, revision: &str, values: BTreeMap<String, String>) {
        let revision: Arc<str> = revision.into();
        let mut recorded = self.recorded.write().unwrap_or_else(PoisonError::into_inner);
        let one = |(source, value): (String, String)| (source, (Arc::clone(&revision), Hidden(value.into())));
        *recorded = values.into_iter().map(one).collect();
    }

    /// Takes news of an input in.
    pub(super) fn set(&self, source: &InputSource, found: Result<Hidden, String>) -> Change {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        let known = entries.contains_key(source);
        let entry = entries.entry(source.clone()).or_default();
        if !known {
            let mut recorded = self.recorded.write().unwrap_or_else(PoisonError::into_inner);
            if let Some((revision, value)) = recorded.remove(&source.to_string()).filter(|_| found.is_err()) {
                *entry = Entry { value: Some(value), missing: None, recorded: Some(revision) };
            }
        }
        match found {
            Ok(value) if entry.value.as_ref() == Some(&value) => {
                entry.recorded = None;
                match entry.missing.take() {
                    Some(_) => Change::Back,
                    None => Change::None,
                }
            }
            Ok(value) => {
                *entry = Entry { value: Some(value), missing: None, recorded: None };
                Change::Render
            }
            Err(why) => {
                let before = entry.missing.replace(why);
                match (&entry.value, before) {
                    (Some(_), None) => Change::Gone,
                    (Some(_), Some(_)) => Change::None,
                    (None, before) if known && before == entry.missing => Change::None,
                    (None, _) => Change::Render,
                }
            }
        }
    }

    /// Forgets what no app uses any more.
    pub(super) fn retain(&self, needed: &BTreeSet<InputSource>) {
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|source, _| needed.contains(source));
        // What the revision does not use is not fallen back on later.
        let needed: BTreeSet<String> = needed.iter().map(ToString::to_string).collect();
        let mut recorded = self.recorded.write().unwrap_or_else(PoisonError::into_inner);
        recorded.retain(|source, _| needed.contains(source));
    }

    /// Whether nobody has looked for it yet.
    pub(super) fn is_unknown(&self, source: &InputSource) -> bool {
        !self.entries.read().unwrap_or_else(PoisonError::into_inner).contains_key(source)
    }

    /// How an input stands: `read`, `missing` or `gone`, and why.
    pub(super) fn standing(&self, source: &InputSource) -> (&'static str, String) {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        match entries.get(source) {
            None => ("missing", "is not known yet".to_owned()),
            Some(Entry { value: Some(_), missing: Some(why), recorded: Some(revision) }) => {
                ("gone", format!("{why}; last known from the record of {revision}"))
            }
            Some(Entry { value: Some(_), missing: Some(why), .. }) => ("gone", why.clone()),
            Some(Entry { value: Some(_), .. }) => ("read", String::new()),
            Some(Entry { value: None, missing, .. }) => ("missing", missing.clone().unwrap_or_default()),
        }
    }
}

impl Inputs for Store {
    fn get(&self, _: &str, _: &str, source: &InputSource) -> Lookup {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        match entries.get(source) {
            Some(Entry { value: Some(value), .. }) => Lookup::Value(value.clone()),
            Some(Entry { value: None, missing, .. }) => Lookup::Missing(missing.clone().unwrap_or_default()),
            None => Lookup::Unknown,
        }
    }
}

/// The store as it is shared between the engine and the follower.
pub type Shared = Arc<Store>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::inputs::ObjectKey;

    #[test]
    fn a_value_that_vanishes_stays_and_is_told_once() {
        let store = Store::default();
        let key = ObjectKey { namespace: "n".into(), name: "s".into(), key: "k".into() };
        let source = InputSource::Secret(key);
        let value = |text: &str| Ok(Hidden(text.into()));
        assert_eq!(store.get("", "", &source), Lookup::Unknown);
        assert_eq!(store.set(&source, Err("does not exist".into())), Change::Render);
        assert_eq!(store.set(&source, Err("does not exist".into())), Change::None);
        assert_eq!(store.get("", "", &source), Lookup::Missing("does not exist".into()));
        assert_eq!(store.set(&source, value("1")), Change::Render);
        assert_eq!(store.set(&source, value("1")), Change::None);
        assert_eq!(store.set(&source, Err("does not exist".into())), Change::Gone);
        assert_eq!(store.set(&source, Err("has no key k".into())), Change::None);
        assert_eq!(store.get("", "", &source), Lookup::Value(Hidden("1".into())));
        assert_eq!(store.standing(&source).0, "gone");
        assert_eq!(store.set(&source, value("1")), Change::Back);
        assert_eq!(store.set(&source, value("2")), Change::Render);
        store.retain(&BTreeSet::new());
        assert!(store.is_unknown(&source));
    }

    #[test]
    fn a_recorded_value_counts_if_its_source_is_gone_at_the_first_look_and_no_later() {
        let key = |name: &str| ObjectKey { namespace: "n".into(), name: name.into(), key: "k".into() };
        let (gone, there, unused) = (key("gone"), key("there"), key("unused"));
        let [gone, there, unused] = [gone, there, unused].map(InputSource::ConfigMap);
        let store = Store::default();
        let recorded = [&gone, &there, &unused].map(|s| (s.to_string(), "old".to_owned()));
        store.remember("8f3ac0", recorded.into());
        assert_eq!(store.get("", "", &gone), Lookup::Unknown, "it is looked for first");
        assert_eq!(store.set(&gone, Err("does not exist".into())), Change::Gone);
        assert_eq!(store.get("", "", &gone), Lookup::Value(Hidden("old".into())));
        let told = "does not exist; last known from the record of 8f3ac0";
        assert_eq!(store.standing(&gone), ("gone", told.to_owned()));
        assert_eq!(store.set(&gone, Ok(Hidden("old".into()))), Change::Back);
        assert_eq!(store.set(&gone, Err("does not exist".into())), Change::Gone);
        assert_eq!(store.standing(&gone), ("gone", "does not exist".to_owned()), "it was seen since");

        assert_eq!(store.set(&there, Ok(Hidden("new".into()))), Change::Render);
        store.retain(&[gone, there].into());
        assert_eq!(store.set(&unused, Err("does not exist".into())), Change::Render);
        assert_eq!(store.get("", "", &unused), Lookup::Missing("does not exist".into()));
    }
}
