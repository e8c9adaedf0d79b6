//! The engine's watches of live inputs: one per kind and namespace (by name if a single object is needed there), one per node selector.
//! Only the keys that apps use are kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::{Change, Shared, read};
use crate::cloud::inputs::{Hidden, InputSource};
use crate::cluster::ErrorKind;
use crate::cluster::crd::InputStatus;
use crate::cluster::watch::{self, Digest, Event, Notice, WatchSpec};
use crate::sync::engine::Engine;
use crate::sync::feed::Watching;
use crate::sync::follow::Order;

/// How many inputs the status lists.
const LISTED: usize = 200;

/// Which watch.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sync) enum Key {
    /// Objects of a kind in a namespace.
    Objects(&'static str, String),
    /// Nodes by label selector.
    Nodes(String),
}

impl Key {
    fn of(source: &InputSource) -> Self {
        match (source, read::object(source)) {
            (InputSource::Nodes { selector, .. }, _) => Self::Nodes(selector.clone()),
            (_, Some((kind, namespace, _))) => Self::Objects(kind, namespace.to_owned()),
            (_, None) => Self::Nodes(String::new()),
        }
    }
}

/// What is kept of an object.
#[derive(Debug)]
pub(in crate::sync) enum Kept {
    /// The values that apps use of it.
    Values(Vec<(InputSource, Result<Hidden, String>)>),
    /// A node's address.
    Node(Option<String>),
}

/// A watch's event.
pub(in crate::sync) type InputNotice = (Key, Event<Kept>);

#[derive(Debug)]
struct InputWatch {
    /// Ends with its entry.
    _watching: Watching,
    wants: BTreeSet<InputSource>,
    /// Those named since the watch began to tell its whole state again.
    named: Option<BTreeSet<InputSource>>,
    nodes: BTreeMap<String, Option<String>>,
}

/// What the engine has of live inputs.
#[derive(Debug)]
pub(in crate::sync) struct LiveInputs {
    pub(in crate::sync) store: Shared,
    sender: mpsc::Sender<InputNotice>,
    pub(in crate::sync) notices: mpsc::Receiver<InputNotice>,
    watches: BTreeMap<Key, InputWatch>,
    /// A render waits for values that are not known yet.
    asked: bool,
}

impl LiveInputs {
    pub(in crate::sync) fn new(store: Shared) -> Self {
        let (sender, notices) = mpsc::channel(256);
        Self { store, sender, notices, watches: BTreeMap::new(), asked: false }
    }

    /// Ends the watches.
    pub(in crate::sync) fn stop(&mut self) {
        self.watches.clear();
    }

    fn knows_all(&self) -> bool {
        self.watches.values().flat_map(|w| &w.wants).all(|source| !self.store.is_unknown(source))
    }
}

fn digest(key: &Key, wants: &BTreeSet<InputSource>) -> Digest<Kept> {
    let nodes = matches!(key, Key::Nodes(_));
    let wants: Vec<InputSource> = wants.iter().cloned().collect();
    Arc::new(move |object| {
        let object: serde_json::Value = serde_json::from_str(object.get()).ok()?;
        if nodes {
            return Some(Kept::Node(read::address(&object)));
        }
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let own = wants.iter().filter(|s| read::object(s).is_some_and(|(_, _, n)| n == name));
        Some(Kept::Values(own.map(|s| (s.clone(), read::value(s, &object))).collect()))
    })
}

impl Engine {
    /// A render needs these: they are watched from now on, and it is ordered again once all are known.
    pub(in crate::sync) fn ask_inputs(&mut self, sources: &BTreeSet<InputSource>) {
        self.inputs.asked = true;
        let mut by_key: BTreeMap<Key, BTreeSet<InputSource>> = BTreeMap::new();
        for source in sources {
            by_key.entry(Key::of(source)).or_default().insert(source.clone());
        }
        for (key, more) in by_key {
            let before = self.inputs.watches.remove(&key);
            let mut wants = before.as_ref().map(|w| w.wants.clone()).unwrap_or_default();
            if more.is_subset(&wants) {
                self.inputs.watches.extend(before.map(|w| (key, w)));
                continue;
            }
            drop(before);
            wants.extend(more);
            self.watch_inputs(key, wants);
        }
        self.order_render(false);
    }

    fn watch_inputs(&mut self, key: Key, wants: BTreeSet<InputSource>) {
        let (kind, namespace, selector) = match &key {
            Key::Objects(kind, namespace) => (*kind, namespace.clone(), String::new()),
            Key::Nodes(selector) => ("Node", String::new(), selector.clone()),
        };
        let Some(resource) = self.target.discovery.preferred("", kind).cloned() else {
            for source in &wants {
                self.inputs.store.set(source, Err(format!("the server does not serve {kind}")));
            }
            return;
        };
        let names: BTreeSet<&str> = wants.iter().filter_map(read::object).map(|(_, _, name)| name).collect();
        let field_selector = match (names.first(), names.len()) {
            (Some(name), 1) => format!("metadata.name={name}"),
            _ => String::new(),
        };
        let spec =
            WatchSpec { resource, namespace, selector, field_selector, digest: Some(digest(&key, &wants)) };
        let (client, out, name) = (self.target.client.clone(), self.inputs.sender.clone(), key.clone());
        let task = tokio::spawn(async move {
            let (events, mut inbox) = mpsc::channel::<Notice<Kept>>(64);
            let pass_on = async move {
                while let Some(notice) = inbox.recv().await {
                    if out.send((name.clone(), notice.event)).await.is_err() {
                        return;
                    }
                }
            };
            tokio::join!(watch::run(client, spec, events), pass_on);
        });
        let watch = InputWatch {
            _watching: Watching(task.abort_handle()),
            wants,
            named: None,
            nodes: BTreeMap::new(),
        };
        self.inputs.watches.insert(key, watch);
    }

    /// The inputs of the revision that is enforced; others are watched no more.
    pub(in crate::sync) fn keep_inputs(&mut self) {
        let Some(desired) = &self.desired else { return };
        let used = desired.cloud.apps.iter().flat_map(|a| a.inputs.iter());
        let needed: BTreeSet<InputSource> = used.map(|i| i.source.clone()).collect();
        self.inputs.watches.retain(|_, watch| watch.wants.iter().any(|source| needed.contains(source)));
        let watched: BTreeSet<InputSource> =
            self.inputs.watches.values().flat_map(|w| w.wants.iter().cloned()).collect();
        self.inputs.store.retain(&watched);
    }

    pub(in crate::sync) fn on_input(&mut self, notice: InputNotice) {
        let (key, event) = notice;
        let Some(watch) = self.inputs.watches.get_mut(&key) else { return };
        let mut news: Vec<(InputSource, Result<Hidden, String>)> = Vec::new();
        match event {
            Event::Restarted => {
                watch.named = Some(BTreeSet::new());
                watch.nodes.clear();
            }
            Event::Applied(meta, Some(Kept::Node(address))) => {
                watch.nodes.insert(meta.name, address);
            }
            Event::Applied(_, Some(Kept::Values(values))) => {
                if let Some(named) = &mut watch.named {
                    named.extend(values.iter().map(|(source, _)| source.clone()));
                }
                news = values;
            }
            Event::Applied(_, None) | Event::Recovered => {}
            Event::Deleted(meta) => {
                watch.nodes.remove(&meta.name);
                let is_it = |s: &&InputSource| read::object(s).is_some_and(|(_, _, name)| name == meta.name);
                let gone = watch.wants.iter().filter(is_it).cloned();
                news.extend(gone.map(|s| (s, Err(read::ABSENT.to_owned()))));
            }
            Event::Synced => {
                let named = watch.named.take().unwrap_or_default();
                let absent = watch.wants.iter().filter(|s| read::object(s).is_some() && !named.contains(s));
                news.extend(absent.map(|s| (s.clone(), Err(read::ABSENT.to_owned()))));
            }
            Event::Failing(error) => {
                let never =
                    matches!(error.kind, ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Invalid);
                if !never {
                    tracing::warn!(inputs = ?key, %error, "a watch of inputs fails; it goes on trying");
                    return;
                }
                let why = format!("may not be read: {error}");
                news.extend(watch.wants.iter().map(|s| (s.clone(), Err(why.clone()))));
            }
        }
        if matches!(key, Key::Nodes(_)) && watch.named.is_none() && news.is_empty() {
            for source in &watch.wants {
                if let InputSource::Nodes { value, .. } = source {
                    news.push((source.clone(), read::nodes(*value, &watch.nodes)));
                }
            }
        }
        let mut changed = false;
        for (source, found) in news {
            let why = found.as_ref().err().cloned().unwrap_or_default();
            match self.inputs.store.set(&source, found) {
                Change::None => {}
                Change::Render if why.is_empty() => {
                    tracing::info!(input = %source, "a live input has a new value");
                    changed = true;
                }
                Change::Render => changed = true,
                Change::Gone => {
                    tracing::warn!(input = %source, %why, "a live input is gone; its last value stays in force");
                    self.report.note(
                        true,
                        "InputGone",
                        format!("{source} {why}; its last value stays in force"),
                    );
                    self.after(std::time::Duration::ZERO, crate::sync::engine::Timer::Events);
                    self.report.due = true;
                }
                Change::Back => {
                    tracing::info!(input = %source, "a live input is back, unchanged");
                    self.report.due = true;
                }
            }
        }
        self.order_render(changed);
    }

    /// Lets the follower render with what is known, if it waits for that or something changed.
    fn order_render(&mut self, changed: bool) {
        if (self.inputs.asked || changed) && self.inputs.knows_all() {
            self.inputs.asked = false;
            self.follow.order(Order::Inputs);
        }
    }

    /// The inputs of the revision with their apps, for the status.
    pub(in crate::sync) fn input_status(&self) -> Vec<InputStatus> {
        let Some(desired) = &self.desired else { return Vec::new() };
        let mut apps: BTreeMap<&InputSource, BTreeSet<&str>> = BTreeMap::new();
        for app in &desired.cloud.apps {
            for input in app.inputs.iter() {
                apps.entry(&input.source).or_default().insert(&app.name);
            }
        }
        let mut out: Vec<InputStatus> = apps
            .into_iter()
            .map(|(source, apps)| {
                let (state, message) = self.inputs.store.standing(source);
                InputStatus {
                    source: source.to_string(),
                    apps: apps.into_iter().map(str::to_owned).collect(),
                    state: state.to_owned(),
                    message,
                }
            })
            .collect();
        // What is missing first, if not all fit.
        out.sort_by_key(|i| (i.state == "read", i.source.clone()));
        out.truncate(LISTED);
        out
    }
}
