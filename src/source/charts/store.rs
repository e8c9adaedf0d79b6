//! Who answers a render that needs a chart: overrides of the command line, then `retune.lock` with the cache, then the repository or
//! its mirror.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ureq::Agent;

use super::cache::Cache;
use super::client::{Retry, masked};
use super::config::{Access, Config};
use super::folder;
use super::oci::{self, OciReference};
use super::repository;
use crate::cloud::lock::normal_url;
use crate::cloud::{
    ChartError, ChartErrorKind, ChartRef, ChartRequest, Charts, Digest, FetchedChart, Locked,
};
use crate::helm::Chart;
use crate::helm::repository::Index;
use crate::source::git::Credentials;
use crate::source::web;

/// How charts are got.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Where packages are kept.
    pub cache_dir: PathBuf,
    /// Replacements for repositories: name or URL, and a folder or another URL.
    pub sources: Vec<(String, String)>,
    /// Helm's `repositories.yaml`.
    pub repository_config: Option<PathBuf>,
    /// Helm's `registry/config.json`.
    pub registry_config: Option<PathBuf>,
    /// Certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether nobody may be asked.
    pub offline: bool,
    /// How requests are repeated.
    pub retry: Retry,
}

/// A packaged chart.
#[derive(Debug, Clone)]
pub struct Package {
    /// The version that was chosen.
    pub version: String,
    /// Its SHA-256.
    pub digest: Digest,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A repository with what is needed to ask it.
pub(super) struct Endpoint {
    pub(super) url: String,
    pub(super) access: Access,
    pub(super) agent: Agent,
    pub(super) plain_http: bool,
}

/// One index, asked for once by whoever comes first.
type IndexCell = Arc<Mutex<Option<Arc<Index>>>>;

/// Gets charts. Shared between threads.
pub struct Store {
    pub(super) settings: Settings,
    config: Config,
    cache: Cache,
    agents: Mutex<HashMap<Vec<PathBuf>, Agent>>,
    indexes: Mutex<HashMap<String, IndexCell>>,
    tokens: Mutex<HashMap<(String, String), String>>,
}

impl Store {
    /// A store; nothing is asked yet.
    ///
    /// # Errors
    /// A file of the settings is missing or malformed.
    pub fn new(settings: Settings) -> Result<Self, ChartError> {
        let config =
            Config::read(settings.repository_config.as_deref(), settings.registry_config.as_deref())?;
        let store = Self {
            config,
            cache: Cache::new(&settings.cache_dir),
            agents: Mutex::default(),
            indexes: Mutex::default(),
            tokens: Mutex::default(),
            settings,
        };
        if let Some(ca_file) = &store.settings.ca_file {
            store.agent(&[ca_file])?;
        }
        Ok(store)
    }

    /// Forgets what repositories said: the next question asks them again. The cache stays.
    pub fn refresh(&self) {
        lock(&self.indexes).clear();
        lock(&self.tokens).clear();
    }

    /// A package of the cache.
    pub(super) fn cached(&self, digest: &Digest) -> Result<Option<Vec<u8>>, ChartError> {
        self.cache.get(digest).map_err(|e| cache_error(&e))
    }

    pub(super) fn token(&self, key: &(String, String)) -> Option<String> {
        lock(&self.tokens).get(key).cloned()
    }

    pub(super) fn keep_token(&self, key: (String, String), token: String) {
        lock(&self.tokens).insert(key, token);
    }

    fn agent(&self, ca_files: &[&PathBuf]) -> Result<Agent, ChartError> {
        let key: Vec<PathBuf> = ca_files.iter().map(|p| (*p).clone()).collect();
        let mut agents = lock(&self.agents);
        if let Some(agent) = agents.get(&key) {
            return Ok(agent.clone());
        }
        let paths: Vec<&Path> = key.iter().map(PathBuf::as_path).collect();
        let agent = web::agent_trusting(&paths).map_err(|e| wrong(format!("CA file: {e}")))?;
        agents.insert(key, agent.clone());
        Ok(agent)
    }

    /// What is needed to ask a repository.
    pub(super) fn endpoint(
        &self,
        url: &str,
        request: Option<&ChartRequest<'_>>,
    ) -> Result<Endpoint, ChartError> {
        let access = self.config.access(url);
        let plain_http =
            request.and_then(|r| r.repository).is_some_and(|r| r.plain_http && normal_url(&r.url) == url);
        self.endpoint_with(url, access, plain_http)
    }

    fn endpoint_with(&self, url: &str, access: Access, plain_http: bool) -> Result<Endpoint, ChartError> {
        let ca_files: Vec<&PathBuf> = self.settings.ca_file.iter().chain(&access.ca_file).collect();
        let agent = self.agent(&ca_files)?;
        Ok(Endpoint { url: url.to_owned(), access, agent, plain_http })
    }

    fn index(&self, at: &Endpoint) -> Result<Arc<Index>, ChartError> {
        let cell = Arc::clone(lock(&self.indexes).entry(at.url.clone()).or_default());
        let mut known = lock(&cell);
        if let Some(index) = &*known {
            return Ok(Arc::clone(index));
        }
        let index = Arc::new(repository::index(self, at)?);
        *known = Some(Arc::clone(&index));
        Ok(index)
    }

    /// Gets a package from a repository, in the version that is meant.
    pub(super) fn download(
        &self,
        at: &Endpoint,
        chart: &ChartRef,
        version: &str,
    ) -> Result<Package, ChartError> {
        if self.settings.offline {
            let message = format!(
                "chart {chart} is not in the cache, and --offline forbids to ask {}",
                masked(&at.url)
            );
            return Err(ChartError::new(ChartErrorKind::Offline, message).hint(self.how_offline(chart)));
        }
        let package = if at.url.starts_with("oci://") {
            let reference = OciReference::parse(&format!("{}/{}", at.url, chart.name))?;
            oci::pull(self, at, &reference, version)
        } else {
            self.index(at).and_then(|index| repository::package(self, at, &index, chart, version))
        };
        package.map_err(|mut e| {
            e.message = format!("chart {} {version}: {}", chart.name, e.message);
            e
        })
    }

    fn how_offline(&self, chart: &ChartRef) -> String {
        format!(
            "run once with access to it, give a folder or mirror with --chart-source {}=PATH, or fill {}",
            chart.repository,
            self.settings.cache_dir.display()
        )
    }

    /// Gets a chart by its address, without lock: for `helm template`. `repository` is the URL of `--repo`; without it `chart` is an
    /// `oci://` reference or the URL of a package.
    ///
    /// # Errors
    /// What is wrong, and what to do.
    pub fn pull(
        &self,
        repository: Option<&str>,
        chart: &str,
        version: &str,
        credentials: Option<Credentials>,
        plain_http: bool,
        pass_credentials: bool,
    ) -> Result<Package, ChartError> {
        let access = |url: &str| {
            let mut access = self.config.access(url);
            if credentials.is_some() {
                access.credentials.clone_from(&credentials);
            }
            access.pass_credentials |= pass_credentials;
            access
        };
        let package = match repository {
            Some(url) => {
                let chart = ChartRef {
                    repository: normal_url(url),
                    name: chart.to_owned(),
                    version: version.to_owned(),
                };
                let at = self.endpoint_with(&chart.repository, access(url), plain_http)?;
                self.download(&at, &chart, version)?
            }
            None if chart.starts_with("oci://") => {
                let reference = OciReference::parse(chart)?;
                let at =
                    self.endpoint_with(&format!("oci://{}", reference.host), access(chart), plain_http)?;
                oci::pull(self, &at, &reference, version)?
            }
            None => repository::direct(self, &self.endpoint_with(chart, access(chart), plain_http)?)?,
        };
        self.cache.put(&package.bytes).map_err(|e| cache_error(&e))?;
        Ok(package)
    }

    /// What the command line puts in the place of a repository.
    pub(super) fn source(&self, request: &ChartRequest<'_>) -> Option<&str> {
        let same =
            |key: &str| Some(key) == request.repository_name || normal_url(key) == request.chart.repository;
        let sources = || self.settings.sources.iter().rev();
        let found = sources().find(|(key, _)| same(key)).or_else(|| sources().find(|(key, _)| key == "*"));
        found.map(|(_, to)| to.as_str())
    }

    /// The repository's own URL, or its mirror's.
    pub(super) fn location(&self, request: &ChartRequest<'_>) -> String {
        let source = self.source(request).or(request.mirror);
        normal_url(source.unwrap_or(&request.chart.repository))
    }

    /// Gets a locked chart from the cache, else from its repository.
    pub(super) fn locked(
        &self,
        request: &ChartRequest<'_>,
        locked: &Locked,
    ) -> Result<FetchedChart, ChartError> {
        let chart = request.chart;
        if let Some(bytes) = self.cached(&locked.digest)? {
            return load(chart, &bytes, locked.digest);
        }
        let url = self.location(request);
        let package = self.download(&self.endpoint(&url, Some(request))?, chart, &locked.version)?;
        if package.digest != locked.digest {
            return Err(ChartError::changed(chart, locked, &package.digest, &masked(&url)));
        }
        self.keep(chart, &package)
    }

    /// Puts a package into the cache and loads it.
    pub(super) fn keep(&self, chart: &ChartRef, package: &Package) -> Result<FetchedChart, ChartError> {
        let fetched = load(chart, &package.bytes, package.digest)?;
        self.cache.put(&package.bytes).map_err(|e| cache_error(&e))?;
        Ok(fetched)
    }

    /// A chart of a folder that the command line names; a package must be the locked one.
    pub(super) fn in_folder(&self, request: &ChartRequest<'_>) -> Option<Result<folder::Found, ChartError>> {
        let path = folder::path_of(self.source(request)?)?;
        let found = folder::find(&path, request.chart, request.locked.map(|l| l.version.as_str()));
        Some(found.and_then(|found| match request.locked {
            Some(locked) if found.package.is_some() && found.fetched.digest != locked.digest => {
                let from = path.display().to_string();
                Err(ChartError::changed(request.chart, locked, &found.fetched.digest, &from))
            }
            _ => Ok(found),
        }))
    }
}

impl Charts for Store {
    fn fetch(&self, request: &ChartRequest<'_>) -> Result<FetchedChart, ChartError> {
        if let Some(found) = self.in_folder(request) {
            return Ok(found?.fetched);
        }
        match request.locked {
            Some(locked) => self.locked(request, locked),
            None => Err(ChartError::not_locked(request.chart)),
        }
    }

    fn identity(&self, request: &ChartRequest<'_>) -> Option<Digest> {
        match self.in_folder(request) {
            Some(found) => found.ok().map(|found| found.fetched.digest),
            None => request.locked.map(|locked| locked.digest),
        }
    }

    fn replaces(&self, request: &ChartRequest<'_>) -> bool {
        self.source(request).is_some()
    }
}

/// Loads a package; the chart in it must be the one that was asked for.
fn load(chart: &ChartRef, bytes: &[u8], digest: Digest) -> Result<FetchedChart, ChartError> {
    let loaded = Chart::load_archive(bytes).map_err(|e| wrong(format!("chart {chart}: the package: {e}")))?;
    if loaded.name() != chart.name {
        let message = format!("chart {chart}: the package holds the chart {:?}", loaded.name());
        return Err(wrong(message).hint("name the chart as its Chart.yaml does"));
    }
    Ok(FetchedChart { chart: Arc::new(loaded), digest })
}

pub(super) fn wrong(message: String) -> ChartError {
    ChartError::new(ChartErrorKind::Wrong, message)
}

fn cache_error(error: &std::io::Error) -> ChartError {
    wrong(format!("the chart cache: {error}")).hint("make it writable, or name another folder")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
