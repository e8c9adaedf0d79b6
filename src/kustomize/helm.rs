//! `helmCharts`: what kustomize hands to Helm, and what it does with Helm's output.
//!
//! The room knows no Helm; [`Helm`] is implemented over the native engine. Values are merged here, as the original does
//! before it calls `helm template`.

use super::error::{Context as _, Error};
use super::kustomization::from_yaml;
use super::loader::Loader;
use super::merge;
use super::read;
use super::resmap::ResMap;
use super::schema::Schema;
use super::transform::Files;
use super::types::{HelmChart, HelmGlobals};
use crate::files::{EntryKind, FileTree};
use crate::yaml::{self, Limits, Node};

/// Renders charts.
pub trait Helm: Send + Sync {
    /// What `helm template` prints for the request.
    fn template(&self, request: &Request<'_>) -> Result<String, Error>;
}

/// One `helm template` call.
pub struct Request<'a> {
    /// The tree that holds the chart and the kustomization.
    pub tree: &'a dyn FileTree,
    /// The chart's folder in the tree; `None` if it must be fetched from `chart.repo`.
    pub chart_path: Option<&'a str>,
    /// The entry, defaults filled in.
    pub chart: &'a HelmChart,
    /// Values texts in the order of `-f`.
    pub values: Vec<String>,
}

/// What the command line says about Helm.
#[derive(Clone, Copy, Default)]
pub struct HelmOptions<'a> {
    /// `--enable-helm`.
    pub enabled: bool,
    /// The engine.
    pub engine: Option<&'a dyn Helm>,
    /// `--helm-kube-version`.
    pub kube_version: &'a str,
    /// `--helm-api-versions`.
    pub api_versions: &'a [String],
    /// `--helm-debug`.
    pub debug: bool,
}

/// A chart whose entry has been checked.
pub struct Inflation<'t> {
    chart: HelmChart,
    home: String,
    loader: Loader<'t>,
}

const MERGES: [&str; 3] = ["merge", "override", "replace"];

impl<'t> Inflation<'t> {
    /// Checks an entry before any generator runs, as the original does.
    pub fn configure(
        mut chart: HelmChart,
        globals: &HelmGlobals,
        options: &HelmOptions<'_>,
        loader: &Loader<'t>,
    ) -> Result<Self, Error> {
        let line = chart.line;
        if !options.enabled {
            return Err(Error::new("must specify --enable-helm").at_line(line));
        }
        if chart.kube_version.is_empty() {
            options.kube_version.clone_into(&mut chart.kube_version);
        }
        if chart.api_versions.is_empty() {
            chart.api_versions = options.api_versions.to_vec();
        }
        chart.debug |= options.debug;
        if chart.name.is_empty() {
            return Err(Error::new("chart name cannot be empty").at_line(line));
        }
        let home = if globals.chart_home.is_empty() { "charts" } else { globals.chart_home.as_str() };
        let mut home = loader.join(home)?;
        if !chart.version.is_empty() && !chart.repo.is_empty() {
            home = format!("{home}/{}-{}", chart.name, chart.version);
        }
        for file in &chart.additional_values_files {
            loader.load(file).context(|| "could not load additionalValuesFile")?;
        }
        if chart.values_merge.is_empty() {
            "override".clone_into(&mut chart.values_merge);
        }
        if !MERGES.contains(&chart.values_merge.as_str()) {
            return Err(Error::new("valuesMerge must be one of [merge override replace]").at_line(line));
        }
        Ok(Self { chart, home, loader: loader.clone() })
    }

    /// Renders the chart.
    pub fn generate(&self, options: &HelmOptions<'_>) -> Result<ResMap, Error> {
        let engine = options.engine.ok_or_else(|| {
            Error::unsupported("helmCharts: this build has no Helm engine").at_line(self.chart.line)
        })?;
        let path = format!("{}/{}", self.home, self.chart.name);
        let here = matches!(self.loader.tree().kind(&path), Ok(Some(EntryKind::Dir)));
        if !here && self.chart.repo.is_empty() {
            return Err(Error::new(format!("no repo specified for pull, no chart found at '{path}'"))
                .at_line(self.chart.line)
                .hint("put the chart there, or name its repository with 'repo'"));
        }
        let values = self.values(&path)?;
        let request = Request {
            tree: self.loader.tree(),
            chart_path: here.then_some(path.as_str()),
            chart: &self.chart,
            values,
        };
        let text = engine.template(&request)?;
        let name = format!("chart {}", self.chart.name);
        let mut out = ResMap::new();
        for mut res in read::resources(text.as_bytes(), &name)? {
            res.build.helm_generated = true;
            out.append(res)?;
        }
        Ok(out)
    }

    fn values(&self, chart: &str) -> Result<Vec<String>, Error> {
        let inline = self.chart.values_inline.as_ref();
        let inline = inline.filter(|v| v.as_map().is_some_and(|m| !m.entries.is_empty()));
        let first = match inline {
            Some(inline) if self.chart.values_merge == "replace" => to_yaml(inline)?,
            Some(inline) => {
                let (text, name) = self.own_values(chart)?;
                let nodes = yaml::read_v3(&text, &Limits::default()).map_err(|e| {
                    from_yaml(&e).at(&name, 0).context("could not parse values file into rnode")
                })?;
                let file = nodes.into_iter().next().unwrap_or_else(Node::mapping);
                let (mut target, patch) = match self.chart.values_merge.as_str() {
                    "merge" => (inline.clone(), file),
                    _ => (file, inline.clone()),
                };
                merge::merge(&mut target, patch, &Schema::default()).context(|| "could not merge values")?;
                to_yaml(&target)?
            }
            None => self.own_values(chart)?.0,
        };
        let mut out = vec![first];
        for file in &self.chart.additional_values_files {
            let (bytes, _) = self.loader.load(file)?;
            out.push(String::from_utf8_lossy(&bytes).into_owned());
        }
        Ok(out)
    }

    /// The values file, by default the chart's own.
    fn own_values(&self, chart: &str) -> Result<(String, String), Error> {
        let (bytes, name) = if self.chart.values_file.is_empty() {
            self.loader.load(&format!("/{chart}/values.yaml"))?
        } else {
            self.loader.load(&self.chart.values_file)?
        };
        Ok((String::from_utf8_lossy(&bytes).into_owned(), name))
    }
}

fn to_yaml(node: &Node) -> Result<String, Error> {
    yaml::emit::to_yaml(node).map_err(|e| from_yaml(&e))
}
