//! Charts that are not in the repository: what the render asks for, and who answers.
//!
//! The render is pure: it names repository, chart and version and gets a loaded chart from whoever implements [`Charts`] (the source
//! room: HTTP, OCI, folders, a cache on disk). What it got is remembered with the render, so that a locked chart with another digest renders
//! again and nothing else does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::load::Repository;
use super::lock::{ChartRef, LOCK_FILE, Locked, normal_url};
use super::object::Digest;
use super::problem::ProblemKind;
use super::spec::ChartRepository;
use crate::helm::Chart;

/// A chart that a render needs.
#[derive(Debug, Clone, Copy)]
pub struct ChartRequest<'a> {
    /// Repository, chart and version as the app or the chart's dependency says.
    pub chart: &'a ChartRef,
    /// The repository's name in `spec.chartRepositories`, if it was given by one.
    pub repository_name: Option<&'a str>,
    /// What `spec.chartRepositories` says of it.
    pub repository: Option<&'a ChartRepository>,
    /// The mirror that `spec.chartSources` names.
    pub mirror: Option<&'a str>,
    /// What `retune.lock` says.
    pub locked: Option<&'a Locked>,
}

/// A chart that came from elsewhere.
#[derive(Debug, Clone)]
pub struct FetchedChart {
    /// The chart, its dependencies inside.
    pub chart: Arc<Chart>,
    /// SHA-256 of the package, or of a folder's files.
    pub digest: Digest,
}

/// Who gets charts.
pub trait Charts: Send + Sync {
    /// Gets a chart.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    fn fetch(&self, request: &ChartRequest<'_>) -> Result<FetchedChart, ChartError>;

    /// The digest that [`Charts::fetch`] would give, as far as it can be told without asking anybody; for caches.
    fn identity(&self, request: &ChartRequest<'_>) -> Option<Digest>;

    /// Whether a repository is replaced here, whatever `spec.chartSources` says.
    fn replaces(&self, request: &ChartRequest<'_>) -> bool;
}

/// What sort of trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChartErrorKind {
    /// `retune.lock` has no entry.
    NotLocked,
    /// The bytes are others than the locked ones.
    Changed,
    /// It is not in the cache, and nobody may be asked.
    Offline,
    /// The repository does not answer now; trying again may help.
    Unreachable,
    /// The repository wants other credentials.
    Denied,
    /// There is no such chart, or what came is none; or the repository is not declared properly.
    Wrong,
}

/// Why a chart is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}{}", .hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default())]
pub struct ChartError {
    /// What sort.
    pub kind: ChartErrorKind,
    /// Chart, repository and what is wrong.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl ChartError {
    /// An error without advice.
    #[must_use]
    pub fn new(kind: ChartErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None }
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The chart is not in the lock.
    #[must_use]
    pub fn not_locked(chart: &ChartRef) -> Self {
        Self::new(ChartErrorKind::NotLocked, format!("chart {chart} is not in {LOCK_FILE}"))
            .hint(format!("run `retune lock` and commit {LOCK_FILE}"))
    }

    /// The bytes are not the locked ones.
    #[must_use]
    pub fn changed(chart: &ChartRef, locked: &Locked, found: &Digest, from: &str) -> Self {
        let message = format!(
            "chart {} {} of {}: the bytes have changed: {LOCK_FILE} has {}, {from} gives {found}",
            chart.name, locked.version, chart.repository, locked.digest
        );
        Self::new(ChartErrorKind::Changed, message).hint(
            "find out why a published version was replaced; `retune lock --update` accepts the new bytes",
        )
    }

    /// As a problem of the repository.
    pub(super) fn problem_kind(&self) -> ProblemKind {
        match self.kind {
            ChartErrorKind::NotLocked | ChartErrorKind::Changed => ProblemKind::Lock,
            ChartErrorKind::Unreachable => ProblemKind::Unreachable,
            ChartErrorKind::Offline | ChartErrorKind::Denied | ChartErrorKind::Wrong => ProblemKind::Chart,
        }
    }
}

/// The charts that a render got, by what it asked for.
pub(super) type ChartReads = BTreeMap<ChartRef, (String, Digest)>;

/// Asks for an app's charts and remembers the answers.
pub(super) struct Remotes<'a> {
    charts: Option<&'a dyn Charts>,
    repository: &'a Repository,
    reads: Mutex<ChartReads>,
}

impl<'a> Remotes<'a> {
    pub(super) fn new(charts: Option<&'a dyn Charts>, repository: &'a Repository) -> Self {
        Self { charts, repository, reads: Mutex::default() }
    }

    /// The charts that were given.
    pub(super) fn finish(self) -> ChartReads {
        self.reads.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether earlier answers would be given again.
    pub(super) fn hold(charts: Option<&dyn Charts>, repository: &Repository, reads: &ChartReads) -> bool {
        reads.iter().all(|(chart, (written, digest))| {
            let Some(charts) = charts else { return false };
            Named::of(repository, written).is_ok_and(|named| {
                charts.identity(&named.request(repository, chart)).as_ref() == Some(digest)
            })
        })
    }

    /// The folder of this repository that stands for a chart repository, if there is one and nothing else is to stand for it.
    pub(super) fn folder(&self, written: &str) -> Result<Option<&'a str>, ChartError> {
        let named = Named::of(self.repository, written)?;
        let chart = ChartRef { repository: named.url.clone(), name: String::new(), version: String::new() };
        let request = named.request(self.repository, &chart);
        if self.charts.is_some_and(|c| c.replaces(&request)) {
            return Ok(None);
        }
        Ok(named.mapped(self.repository).filter(|m| !m.contains("://")))
    }

    /// Gets a chart of a repository, which is a name of `spec.chartRepositories` or a URL.
    pub(super) fn fetch(&self, written: &str, name: &str, version: &str) -> Result<FetchedChart, ChartError> {
        let named = Named::of(self.repository, written)?;
        let chart =
            ChartRef { repository: named.url.clone(), name: name.to_owned(), version: version.to_owned() };
        let Some(charts) = self.charts else {
            return Err(ChartError::new(
                ChartErrorKind::Offline,
                format!("chart {chart}: this command fetches no charts"),
            )
            .hint(
                "put the chart into the repository and map its repository to the folder in spec.chartSources",
            ));
        };
        let fetched = charts.fetch(&named.request(self.repository, &chart))?;
        let mut reads = self.reads.lock().unwrap_or_else(PoisonError::into_inner);
        reads.insert(chart, (written.to_owned(), fetched.digest));
        Ok(fetched)
    }
}

/// A repository as it was written, and what it means.
struct Named<'a> {
    written: &'a str,
    name: Option<String>,
    url: String,
}

impl<'a> Named<'a> {
    fn of(repository: &Repository, written: &'a str) -> Result<Self, ChartError> {
        let known = &repository.cloud.spec.chart_repositories;
        // Dependencies of charts write names so.
        let bare = written.strip_prefix('@').or_else(|| written.strip_prefix("alias:")).unwrap_or(written);
        let (name, url) = match known.get_key_value(bare) {
            Some((name, found)) => (Some(name.clone()), found.url.as_str()),
            None => (None, written),
        };
        let url = normal_url(url);
        if url
            .split_once("://")
            .is_some_and(|(_, rest)| rest.split('/').next().is_some_and(|h| h.contains('@')))
        {
            return Err(ChartError::new(
                ChartErrorKind::Wrong,
                "credentials do not belong into a repository's URL",
            )
            .hint("give them with --repository-config or --registry-config"));
        }
        match url.split_once("://") {
            Some(("http" | "https" | "oci", host)) if !host.is_empty() => Ok(Self { written, name, url }),
            Some(_) => Err(ChartError::new(
                ChartErrorKind::Wrong,
                format!("chart repository {url:?}: a URL with http://, https:// or oci:// is expected"),
            )),
            None => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let has = if names.is_empty() {
                    "which names none".to_owned()
                } else {
                    format!("which has {}", names.join(", "))
                };
                Err(ChartError::new(
                    ChartErrorKind::Wrong,
                    format!("there is no chart repository {written:?} in spec.chartRepositories of retune.yaml, {has}"),
                )
                .hint("add it there, or write its URL"))
            }
        }
    }

    /// What `spec.chartSources` says of it.
    fn mapped<'r>(&self, repository: &'r Repository) -> Option<&'r str> {
        let sources = &repository.cloud.spec.chart_sources;
        let same = |key: &String| {
            key == self.written || Some(key) == self.name.as_ref() || normal_url(key) == self.url
        };
        sources.iter().find(|(key, _)| same(key)).map(|(_, to)| to.as_str())
    }

    fn request<'r>(&self, repository: &'r Repository, chart: &'r ChartRef) -> ChartRequest<'r> {
        let spec = &repository.cloud.spec;
        let by_url = || spec.chart_repositories.iter().find(|(_, r)| normal_url(&r.url) == self.url);
        let found = self.name.as_ref().and_then(|n| spec.chart_repositories.get_key_value(n)).or_else(by_url);
        ChartRequest {
            chart,
            repository_name: found.map(|(name, _)| name.as_str()),
            repository: found.map(|(_, r)| r),
            mirror: self.mapped(repository).filter(|m| m.contains("://")),
            locked: repository.lock.get(chart),
        }
    }
}
