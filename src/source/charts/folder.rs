//! A folder that stands for a chart repository: `<name>-<version>.tgz`, `<name>-<version>/` or `<name>/` in it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::store::wrong;
use crate::cloud::{ChartError, ChartRef, Digest, FetchedChart};
use crate::files::{EntryKind, FileTree, TreeError};
use crate::helm::Chart;
use crate::helm::repository::{Index, IndexEntry};
use crate::source::disk::DiskTree;

/// What was found.
pub(super) struct Found {
    pub(super) fetched: FetchedChart,
    /// The package, if it is one.
    pub(super) package: Option<Vec<u8>>,
}

/// Finds a chart. `exact` is the locked version, if there is one.
pub(super) fn find(folder: &Path, chart: &ChartRef, exact: Option<&str>) -> Result<Found, ChartError> {
    let tree = DiskTree::open(folder).map_err(|e| {
        wrong(format!("chart source {}: {e}", folder.display()))
            .hint("--chart-source NAME=PATH names a folder of charts")
    })?;
    let failed = |e: &TreeError| wrong(format!("{}: {e}", folder.display()));
    let name = &chart.name;
    let version = exact.unwrap_or(&chart.version);
    let mut looked = Vec::new();
    if let Some(package) = choose(&tree, name, version, &mut looked).map_err(|e| failed(&e))? {
        let bytes = tree.read(&package).map_err(|e| failed(&e))?;
        let loaded = Chart::load_archive(&bytes)
            .map_err(|e| wrong(format!("{}: {e}", folder.join(&package).display())))?;
        let fetched = FetchedChart { chart: Arc::new(loaded), digest: Digest::of(&bytes) };
        return Ok(Found { fetched, package: Some(bytes.to_vec()) });
    }
    for candidate in [format!("{name}-{version}"), name.clone()] {
        looked.push(format!("{candidate}/"));
        if tree.kind(&candidate).map_err(|e| failed(&e))? != Some(EntryKind::Dir) {
            continue;
        }
        let path = folder.join(&candidate);
        let loaded = Chart::load_and_vendor(&tree, &candidate)
            .map_err(|e| wrong(format!("{}: {e}", path.display())))?;
        let listed = Index::of(
            name,
            vec![IndexEntry { version: loaded.version().to_owned(), ..IndexEntry::default() }],
        );
        if listed.get(name, version).is_err() {
            return Err(wrong(format!(
                "{}: the chart there has version {}, wanted is {version}",
                path.display(),
                loaded.version()
            ))
            .hint("put the wanted version there, or pin the one that is there"));
        }
        let mut parts = Vec::new();
        contents(&loaded, &mut parts);
        let fetched = FetchedChart { chart: Arc::new(loaded), digest: Digest::of_parts(parts) };
        return Ok(Found { fetched, package: None });
    }
    Err(wrong(format!(
        "chart {name} {version}: not in {}, which stands for {}: looked for {}",
        folder.display(),
        chart.repository,
        looked.join(", ")
    ))
    .hint("put it there, packaged or unpacked"))
}

/// The package of the version that is meant.
fn choose(
    tree: &DiskTree,
    name: &str,
    version: &str,
    looked: &mut Vec<String>,
) -> Result<Option<String>, TreeError> {
    let exact = format!("{name}-{version}.tgz");
    looked.push(exact.clone());
    if tree.kind(&exact)? == Some(EntryKind::File) {
        return Ok(Some(exact));
    }
    let of = |file: &str| Some(file.strip_prefix(name)?.strip_prefix('-')?.strip_suffix(".tgz")?.to_owned());
    let packages = tree.list("")?.into_iter().filter(|(_, kind)| *kind == EntryKind::File);
    let versions = packages.filter_map(|(file, _)| of(&file));
    let entries = versions.map(|version| IndexEntry { version, ..IndexEntry::default() }).collect();
    let index = Index::of(name, entries);
    Ok(index.get(name, version).ok().map(|found| format!("{name}-{}.tgz", found.version)))
}

/// Everything that decides what a chart renders to.
fn contents(chart: &Chart, parts: &mut Vec<Vec<u8>>) {
    parts.push(format!("{:?} {}", chart.metadata, chart.dependencies.len()).into_bytes());
    parts.push(serde_json::to_vec(chart.values.json()).unwrap_or_default());
    parts.push(chart.schema.as_deref().unwrap_or_default().to_vec());
    for file in chart.templates.iter().chain(&chart.files) {
        parts.extend([file.name.clone().into_bytes(), file.data.to_vec()]);
    }
    chart.dependencies.iter().for_each(|d| contents(d, parts));
}

/// A path that a user wrote as a source: `file://` is a path too.
pub(super) fn path_of(source: &str) -> Option<PathBuf> {
    match source.strip_prefix("file://") {
        Some(path) => Some(PathBuf::from(path)),
        None if source.contains("://") => None,
        None => Some(PathBuf::from(source)),
    }
}
