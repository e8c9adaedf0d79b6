//! What the commands share that get charts of repositories: where from, with which credentials, through which cache.

use std::path::PathBuf;

use super::CommandError;
use crate::cloud::{ChartError, ChartErrorKind};
use crate::source::charts::{Retry, Settings, Store};

/// Where charts come from.
#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct ChartArgs {
    /// Take the charts of a repository (its name in retune.yaml, or its URL; * for all others) from a folder of packaged or unpacked charts, or from a
    /// mirror; can be given more than once.
    #[arg(long, value_name = "NAME=PATH|URL", value_parser = pair, help_heading = "Charts")]
    chart_source: Vec<(String, String)>,
    /// Helm's repositories.yaml: user names, passwords (or `token`) and certificates of chart repositories, by URL.
    #[arg(long, value_name = "FILE", env = "HELM_REPOSITORY_CONFIG", help_heading = "Charts")]
    repository_config: Option<PathBuf>,
    /// Helm's registry/config.json (Docker's format): credentials of OCI registries.
    #[arg(long, value_name = "FILE", env = "HELM_REGISTRY_CONFIG", help_heading = "Charts")]
    registry_config: Option<PathBuf>,
}

impl ChartArgs {
    /// The settings of a store. Relative folders are made absolute: a syncer goes on reading them.
    pub(super) fn settings(&self, cache_dir: PathBuf, ca_file: Option<PathBuf>, offline: bool) -> Settings {
        let absolute = |source: &str| {
            let path = source.strip_prefix("file://").unwrap_or(source);
            match std::path::absolute(path) {
                Ok(path)
                    if !path.as_os_str().is_empty()
                        && (!source.contains("://") || source.starts_with("file://")) =>
                {
                    path.display().to_string()
                }
                _ => source.to_owned(),
            }
        };
        Settings {
            cache_dir,
            sources: self.chart_source.iter().map(|(name, to)| (name.clone(), absolute(to))).collect(),
            repository_config: self.repository_config.clone(),
            registry_config: self.registry_config.clone(),
            ca_file,
            offline,
            retry: Retry::default(),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), String> {
    // A URL may have an `=` in its query; what stands for it comes last.
    match text.rsplit_once('=') {
        Some((name, to)) if !name.is_empty() && !to.is_empty() => Ok((name.to_owned(), to.to_owned())),
        _ => Err("expected NAME=PATH or NAME=URL".to_owned()),
    }
}

/// The same for commands that have no state folder.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct FolderChartArgs {
    #[command(flatten)]
    charts: ChartArgs,
    /// Where packaged charts are kept. [default: $XDG_CACHE_HOME/retune/charts]
    #[arg(long, value_name = "DIR", help_heading = "Charts")]
    chart_cache: Option<PathBuf>,
    /// A PEM file of certificates to trust besides the system's.
    #[arg(long, value_name = "FILE", help_heading = "Charts")]
    ca_file: Option<PathBuf>,
}

impl FolderChartArgs {
    /// A store; offline it asks no repository, and charts that are neither in the cache nor in a folder are errors.
    pub(super) fn store(&self, offline: bool) -> Result<Store, CommandError> {
        let cache = cache_dir(self.chart_cache.clone())?;
        Store::new(self.charts.settings(cache, self.ca_file.clone(), offline)).map_err(failed)
    }
}

/// The default folder for packaged charts: `$XDG_CACHE_HOME/retune/charts`.
pub(super) fn cache_dir(given: Option<PathBuf>) -> Result<PathBuf, CommandError> {
    if let Some(given) = given {
        return Ok(given);
    }
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|p| p.is_absolute())
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cache")))
        .ok_or_else(|| {
            CommandError::config("neither XDG_CACHE_HOME nor HOME is set").hint("give --chart-cache DIR")
        })?;
    Ok(base.join("retune").join("charts"))
}

/// A chart's error with its exit code.
pub(super) fn failed(error: ChartError) -> CommandError {
    let ChartError { kind, message, hint } = error;
    let error = match kind {
        ChartErrorKind::Unreachable => CommandError::unavailable(message),
        _ => CommandError::user(message),
    };
    match hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
