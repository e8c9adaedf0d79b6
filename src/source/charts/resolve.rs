//! Who answers `retune lock`: what is locked stays as it is, what is not is looked up and noted.
//!
//! The lock is made by rendering: whatever a render asks for is what the lock needs, however it came to ask.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::store::{Store, wrong};
use crate::cloud::{ChartError, ChartRequest, Charts, Digest, FetchedChart, Lock, Locked};

/// What is looked up again although it is locked.
#[derive(Debug, Clone, Default)]
pub struct Update {
    /// Everything.
    pub all: bool,
    /// Charts by name.
    pub names: BTreeSet<String>,
    /// Nothing is looked up: a chart that is not locked is an error.
    pub frozen: bool,
}

/// Looks charts up and notes them.
pub struct Resolver<'a> {
    store: &'a Store,
    update: Update,
    noted: Mutex<Lock>,
}

impl<'a> Resolver<'a> {
    /// A resolver with nothing noted.
    #[must_use]
    pub fn new(store: &'a Store, update: Update) -> Self {
        Self { store, update, noted: Mutex::default() }
    }

    /// What was asked for.
    #[must_use]
    pub fn finish(self) -> Lock {
        self.noted.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, request: &ChartRequest<'_>, locked: Locked) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.insert(request.chart.clone(), locked);
    }

    fn noted(&self, request: &ChartRequest<'_>) -> Option<Locked> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).get(request.chart).cloned()
    }
}

impl Charts for Resolver<'_> {
    fn fetch(&self, request: &ChartRequest<'_>) -> Result<FetchedChart, ChartError> {
        let chart = request.chart;
        // Another profile or app asked for the same: one answer for all.
        if let Some(noted) = self.noted(request) {
            return self.store.fetch(&ChartRequest { locked: Some(&noted), ..*request });
        }
        let again = self.update.all || self.update.names.contains(&chart.name);
        if let Some(locked) = request.locked.filter(|_| !again) {
            self.note(request, locked.clone());
            return self.store.fetch(request);
        }
        if self.update.frozen {
            return Err(ChartError::not_locked(chart));
        }
        let request = ChartRequest { locked: None, ..*request };
        if let Some(found) = self.store.in_folder(&request) {
            let found = found?;
            if found.package.is_none() {
                let message = format!("chart {chart}: an unpacked folder has no digest that could be locked");
                return Err(
                    wrong(message).hint("package it with `helm package`, or lock without --chart-source")
                );
            }
            let locked =
                Locked { version: found.fetched.chart.version().to_owned(), digest: found.fetched.digest };
            self.note(&request, locked);
            return Ok(found.fetched);
        }
        let at = self.store.endpoint(&self.store.location(&request), Some(&request))?;
        let package = self.store.download(&at, chart, &chart.version)?;
        let fetched = self.store.keep(chart, &package)?;
        self.note(&request, Locked { version: package.version.clone(), digest: package.digest });
        Ok(fetched)
    }

    fn identity(&self, _: &ChartRequest<'_>) -> Option<Digest> {
        None
    }

    fn replaces(&self, request: &ChartRequest<'_>) -> bool {
        self.store.replaces(request)
    }
}
