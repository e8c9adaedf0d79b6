//! Renders by what they read: an app is rendered again only if an answer that its render got has changed.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use super::object::{Digest, Object};
use super::record::{LayerReads, Trees};
use super::remote::ChartReads;
use super::rendered::Hook;
use super::scope::{CrdScopes, Scopes};

/// How many renders of one app and profile are kept: the live one and the one before it, for a quick way back.
const KEPT: usize = 2;

/// What kinds were asked for, and what the answers were.
pub(super) type ScopeAnswers = BTreeMap<(String, String), Option<bool>>;

/// One app's render, namespaces settled.
#[derive(Debug)]
pub(super) struct AppRender {
    pub(super) inputs: Digest,
    pub(super) reads: LayerReads,
    /// The charts that it got from repositories.
    pub(super) charts: ChartReads,
    /// The commit's time, if it may have been used.
    pub(super) time: Option<i64>,
    pub(super) asked: ScopeAnswers,
    pub(super) crds: CrdScopes,
    pub(super) objects: Vec<Object>,
    pub(super) hooks: Vec<Hook>,
    pub(super) digest: Digest,
}

impl AppRender {
    /// Whether the scopes are still what the render was told.
    pub(super) fn scopes_hold(&self, scopes: &dyn Scopes) -> bool {
        self.asked.iter().all(|((group, kind), answer)| scopes.namespaced(group, kind) == *answer)
    }
}

/// By app and profile, the newest last.
type Entries = HashMap<(String, String), Vec<Arc<AppRender>>>;

/// Renders of earlier revisions. Shared between renders; may be dropped at any time at no other cost than time.
#[derive(Debug, Default)]
pub struct Cache {
    entries: Mutex<Entries>,
}

impl Cache {
    /// The render that the tree would give again, if it is known.
    pub(super) fn find(
        &self,
        app: &str,
        profile: &str,
        inputs: &Digest,
        trees: &Trees<'_>,
        time: i64,
        charts_hold: impl Fn(&ChartReads) -> bool,
    ) -> Option<Arc<AppRender>> {
        let known = {
            let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
            entries.get(&(app.to_owned(), profile.to_owned()))?.clone()
        };
        known.into_iter().rev().find(|entry| {
            entry.inputs == *inputs
                && entry.time.is_none_or(|t| t == time)
                && charts_hold(&entry.charts)
                && entry.reads.hold_in(trees)
        })
    }

    pub(super) fn put(&self, app: &str, profile: &str, render: &Arc<AppRender>) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let known = entries.entry((app.to_owned(), profile.to_owned())).or_default();
        known.retain(|e| {
            e.inputs != render.inputs
                || e.reads != render.reads
                || e.charts != render.charts
                || e.time != render.time
        });
        known.push(Arc::clone(render));
        if known.len() > KEPT {
            known.remove(0);
        }
    }

    /// Forgets the apps that a profile no longer has.
    pub(super) fn retain(&self, profile: &str, is_part: impl Fn(&str) -> bool) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|(app, of), _| of != profile || is_part(app));
    }
}
