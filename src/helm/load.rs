//! Loading a chart from a file tree or a packaged archive.
//!
//! Special names: Chart.yaml, values.yaml, values.schema.json, Chart.lock, requirements.yaml and .lock (API version v1),
//! `templates/`, `charts/`. Everything else is a file for `.Files`. `.helmignore` is heeded in folders, not in archives.
//! Upstream: `pkg/chart/v2/loader`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::files::{self, EntryKind, FileTree, OpenFolder};
use crate::template::semver;
use crate::yaml::{self, Limits, Node};

use super::archive::{self, MAX_CHART_BYTES, RawFile};
use super::chart::{Chart, File};
use super::error::Error;
use super::ignore::{HELM_IGNORE, Rules};
use super::metadata::Metadata;
use super::values::Defaults;

/// How deep charts may be nested in `charts/` folders and archives.
const MAX_NESTING: usize = 32;
/// The most files of a chart's folder.
const MAX_FILES: usize = 100_000;
/// How deep folders of a chart may be nested (symbolic links can make circles).
const MAX_DEPTH: usize = 64;

impl Chart {
    /// Loads the chart in a folder of a tree, or the packaged chart (`.tgz`) that the path names.
    ///
    /// # Errors
    /// There is no chart, it is malformed, or it is too large.
    pub fn load(tree: &dyn FileTree, path: &str) -> Result<Self, Error> {
        match tree.kind(path).map_err(|e| Error::Tree(e.to_string()))? {
            Some(EntryKind::Dir) => {
                let files = read_folder(tree, path)?;
                if !files.iter().any(|(name, _)| name == "Chart.yaml") {
                    let why = "Chart.yaml file is missing: name a folder that holds a chart";
                    return Err(Error::Chart(at(path, why)));
                }
                from_files(files, 0).map_err(|e| Error::Chart(at(path, &e)))
            }
            Some(EntryKind::File) => {
                let bytes = tree.read(path).map_err(|e| Error::Tree(e.to_string()))?;
                Self::load_archive(&bytes).map_err(|e| Error::Chart(format!("{path}: {e}")))
            }
            None => Err(Error::Tree(format!("path {path:?} not found"))),
        }
    }

    /// Loads a packaged chart.
    ///
    /// # Errors
    /// The bytes are not a chart's archive.
    pub fn load_archive(bytes: &[u8]) -> Result<Self, Error> {
        archive::read(bytes).and_then(|files| from_files(files, 0)).map_err(Error::Chart)
    }

    /// Loads the chart in a folder and takes its `file://` dependencies from the tree, as `helm dependency build` would
    /// put them into `charts/`: each replaces what `charts/` has of that name. Their own dependencies are not looked at. What is
    /// not in the tree but in `charts/` stays: a published archive still names the folder it was packed from.
    ///
    /// # Errors
    /// As [`Chart::load`]; a dependency is not there, or its version is not in the wanted range.
    pub fn load_and_vendor(tree: &dyn FileTree, path: &str) -> Result<Self, Error> {
        let mut chart = Self::load(tree, path)?;
        for dependency in chart.metadata.dependencies.clone().iter().flatten() {
            let Some(target) = dependency.repository.strip_prefix("file://") else { continue };
            let fail = |why: String| {
                Error::Chart(format!(
                    "{path}: dependency {:?} at {:?}: {why}",
                    dependency.name, dependency.repository
                ))
            };
            let joined = files::join(path, target);
            let in_tree = joined.as_deref().is_some_and(|f| matches!(tree.kind(f), Ok(Some(_))));
            if !in_tree && chart.dependencies.iter().any(|c| c.name() == dependency.name) {
                continue;
            }
            let folder = joined.ok_or_else(|| {
                fail("it lies outside the repository; move it inside or vendor it in charts/".into())
            })?;
            let vendored = Self::load(tree, &folder).map_err(|e| fail(e.to_string()))?;
            if !semver::is_compatible(&dependency.version, vendored.version()) {
                return Err(fail(format!(
                    "version {} does not satisfy the constraint {:?}; change the range in Chart.yaml",
                    vendored.version(),
                    dependency.version
                )));
            }
            chart.dependencies.retain(|c| c.name() != vendored.name());
            chart.dependencies.push(vendored);
        }
        Ok(chart)
    }
}

/// A message with the chart's path before it, unless the chart is the tree's root.
fn at(path: &str, message: &str) -> String {
    if path.is_empty() { message.to_owned() } else { format!("{path}: {message}") }
}

/// The files of a chart's folder in Helm's walking order: names of a folder sorted, folders entered where they stand.
fn read_folder(tree: &dyn FileTree, path: &str) -> Result<Vec<RawFile>, Error> {
    let refuse = |e: files::TreeError| Error::Tree(e.to_string());
    let ignore_path = join(path, HELM_IGNORE);
    let text = match tree.kind(&ignore_path).map_err(refuse)? {
        Some(EntryKind::File) => {
            String::from_utf8_lossy(&tree.read(&ignore_path).map_err(refuse)?).into_owned()
        }
        _ => String::new(),
    };
    let rules = Rules::parse(&text).map_err(|e| Error::Chart(format!("{ignore_path}: {e}")))?;
    let mut walk = Walk { tree, root: path, rules, left: MAX_CHART_BYTES, files: Vec::new() };
    walk.folder("", 0)?;
    Ok(walk.files)
}

struct Walk<'a> {
    tree: &'a dyn FileTree,
    root: &'a str,
    rules: Rules,
    left: u64,
    files: Vec<RawFile>,
}

impl Walk<'_> {
    fn folder(&mut self, inner: &str, depth: usize) -> Result<(), Error> {
        let full = join(self.root, inner);
        if depth > MAX_DEPTH {
            return Err(Error::Chart(format!(
                "{full}: folders are nested deeper than {MAX_DEPTH}: a link in a circle?"
            )));
        }
        let tree = self.tree;
        let OpenFolder { entries, read } = tree.open_folder(&full).map_err(|e| Error::Tree(e.to_string()))?;
        for (name, kind) in entries {
            let inner = join(inner, &name);
            match kind {
                EntryKind::Dir => {
                    if !self.rules.ignores(&inner, true) {
                        self.folder(&inner, depth + 1)?;
                    }
                }
                EntryKind::File => {
                    if !self.rules.ignores(&inner, false) {
                        let data =
                            read(&name).map_err(|e| Error::Tree(format!("error reading {inner}: {e}")))?;
                        self.file(inner, data)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, inner: String, data: Arc<[u8]>) -> Result<(), Error> {
        self.left = self.left.checked_sub(data.len() as u64).ok_or_else(|| {
            let full = join(self.root, &inner);
            Error::Chart(format!(
                "{full}: chart exceeds maximum decompressed size of {MAX_CHART_BYTES} bytes"
            ))
        })?;
        if self.files.len() >= MAX_FILES {
            return Err(Error::Chart(format!("{}: chart has more than {MAX_FILES} files", self.root)));
        }
        let data = match data.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) => Arc::from(rest),
            None => data,
        };
        self.files.push((inner, data));
        Ok(())
    }
}

fn join(dir: &str, name: &str) -> String {
    match (dir, name) {
        ("", name) => name.to_owned(),
        (dir, "") => dir.to_owned(),
        (dir, name) => [dir, "/", name].concat(),
    }
}

fn text<'d>(name: &str, data: &'d [u8]) -> Result<&'d str, String> {
    std::str::from_utf8(data).map_err(|_| format!("cannot load {name}: it is not UTF-8"))
}

fn document(name: &str, data: &[u8]) -> Result<Node, String> {
    yaml::read_v2_json(text(name, data)?, &Limits::default())
        .map_err(|e| format!("cannot load {name}: error converting YAML to JSON: {e}"))
}

/// Decodes what a file says about the chart.
fn decode(metadata: &mut Metadata, name: &str, data: &[u8]) -> Result<(), String> {
    // What is wrong is said by those who know where.
    if let Some(node) = yaml::read_plain_v2_json(text(name, data)?, &Limits::default())
        && metadata.decode(&node).is_ok()
    {
        return Ok(());
    }
    metadata.decode(&document(name, data)?).map_err(|e| format!("cannot load {name}: {e}"))
}

fn from_files(files: Vec<RawFile>, nesting: usize) -> Result<Chart, String> {
    if nesting > MAX_NESTING {
        return Err(format!("charts are nested deeper than {MAX_NESTING}"));
    }
    let mut metadata = None;
    let mut warnings = Vec::new();
    for (name, data) in &files {
        if name == "Chart.yaml" {
            let read = metadata.get_or_insert_with(Metadata::default);
            decode(read, name, data)?;
            if read.api_version.is_empty() {
                read.api_version = "v1".to_owned();
            }
        }
    }
    let mut metadata = metadata.ok_or("Chart.yaml file is missing")?;
    match &*metadata.api_version {
        "v1" | "v2" => {}
        "v3" => {
            return Err(
                "invalid chart apiVersion: v3 charts are an experiment of Helm's that it does not install"
                    .into(),
            );
        }
        _ => return Err(format!("unsupported chart version {:?} in Chart.yaml", metadata.api_version)),
    }
    let (mut values, mut schema) = (Defaults::default(), None);
    let (mut templates, mut others) = (Vec::new(), Vec::new());
    let mut charts: BTreeMap<String, Vec<RawFile>> = BTreeMap::new();
    for (name, data) in files {
        match &*name {
            "Chart.yaml" => {}
            "Chart.lock" => {
                document(&name, &data)?;
            }
            "values.yaml" => {
                values = Defaults::read(data).map_err(|e| format!("cannot load values.yaml: {e}"))?;
            }
            "values.schema.json" => schema = Some(data),
            "requirements.yaml" | "requirements.lock" => {
                let v1 = metadata.api_version == "v1";
                if !v1 {
                    let advice = if name == "requirements.yaml" { "Chart.yaml" } else { "Chart.lock" };
                    warnings.push(format!(
                        "{name}: since apiVersion \"v2\" this belongs into {advice}; migrate it to {advice}"
                    ));
                }
                if name == "requirements.yaml" {
                    decode(&mut metadata, &name, &data)?;
                } else {
                    document(&name, &data)?;
                }
                if v1 {
                    others.push(File { name, data });
                }
            }
            _ if name.starts_with("templates/") => templates.push(File { name, data }),
            _ if name.starts_with("charts/") && !name.ends_with(".prov") => {
                let mut inner = name;
                inner.drain(.."charts/".len());
                let top = inner.split('/').next().unwrap_or(&inner);
                match charts.get_mut(top) {
                    Some(files) => files.push((inner, data)),
                    None => {
                        charts.insert(top.to_owned(), vec![(inner, data)]);
                    }
                }
            }
            _ => others.push(File { name, data }),
        }
    }
    metadata.validate()?;
    let mut dependencies = Vec::new();
    for (top, files) in charts {
        if top.starts_with(['_', '.']) {
            continue;
        }
        let loaded = if top.ends_with(".tgz") {
            match files.first() {
                Some((name, data)) if *name == top => {
                    archive::read(data).and_then(|files| from_files(files, nesting + 1))
                }
                _ => Err(format!("expected the archive {top}, found a folder of that name")),
            }
        } else {
            let inside = files
                .into_iter()
                .filter_map(|(mut name, data)| {
                    let cut = name.find('/')? + 1;
                    name.drain(..cut);
                    Some((name, data))
                })
                .collect();
            from_files(inside, nesting + 1)
        };
        let loaded =
            loaded.map_err(|e| format!("error unpacking subchart {top} in {}: {e}", metadata.name))?;
        dependencies.push(loaded);
    }
    Ok(Chart { metadata, values, schema, templates, files: others, dependencies, warnings })
}
