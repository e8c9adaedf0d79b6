//! Reads `retune.yaml`, `apps/*.yaml`, `helm-chart-versions.yaml` and `retune.lock`, and tells everything that is wrong with them at once.
//!
//! Files are read by the reader that Helm and kustomize use for their configuration (go-yaml v2) and checked against the
//! published schemas; values inside of them are therefore read exactly as Helm reads a values file.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::graph::{self, GraphError};
use super::layers::{Overlay, SubTree};
use super::lock::{ChartLock, LOCK_FILE, Lock};
use super::problem::{Problem, ProblemKind, nearest};
use super::spec::{App, ChartVersions, Cloud, Upstream};
use super::{schema, walk};
use crate::files::{EntryKind, FileTree, TreeError};
use crate::yaml::{self, Limits, Node, Pos};

/// The cloud's own file.
pub const CLOUD_FILE: &str = "retune.yaml";
/// The folder of the apps' files.
pub const APPS_DIR: &str = "apps";
/// The charts' versions.
pub const VERSIONS_FILE: &str = "helm-chart-versions.yaml";

/// The most apps that a cloud may have.
pub const MAX_APPS: usize = 5_000;

/// Configuration files are small: 1 MiB, nested at most 64 levels deep, few aliases.
const LIMITS: Limits = Limits { depth: 64, alias_nodes: 10_000, bytes: 1 << 20 };

/// A repository as its configuration files describe it.
#[derive(Debug, Clone)]
pub struct Repository {
    /// `retune.yaml`
    pub cloud: Cloud,
    /// The apps by name, those of other profiles and disabled ones included.
    pub apps: BTreeMap<String, LoadedApp>,
    /// Chart versions by chart name.
    pub chart_versions: BTreeMap<String, String>,
    /// `retune.lock`, the upstream's entries included.
    pub lock: Lock,
    cloud_node: Node,
}

/// One app's file.
#[derive(Debug, Clone)]
pub struct LoadedApp {
    /// What it says.
    pub app: App,
    /// Its path.
    pub file: String,
    node: Node,
}

impl LoadedApp {
    /// Where a field stands; the nearest field around it if it is not set.
    #[must_use]
    pub fn pos(&self, path: &[&str]) -> Pos {
        pos_of(&self.node, path)
    }

    /// A problem with this file.
    #[must_use]
    pub fn problem(&self, kind: ProblemKind, path: &[&str], message: impl Into<String>) -> Problem {
        Problem::new(kind, &self.file, message).at(self.pos(path)).of_app(&self.app.metadata.name)
    }
}

/// The trees that make up a cloud: the site's repository, and the upstream that it completes, if it names one.
#[derive(Clone, Copy)]
pub struct Layers<'a> {
    /// The repository that retune follows.
    pub site: &'a dyn FileTree,
    /// The tree of `spec.upstream.url` at its commit; fetched by the source room.
    pub upstream: Option<&'a dyn FileTree>,
}

/// The composed tree of a cloud.
pub struct Composed<'a> {
    site: &'a dyn FileTree,
    upstream: Option<Box<dyn FileTree + 'a>>,
}

impl<'a> Composed<'a> {
    /// Composes the layers as `retune.yaml` says.
    ///
    /// # Errors
    /// If the upstream is declared and not there, or `retune.yaml` cannot be read.
    pub fn new(layers: Layers<'a>) -> Result<Self, Vec<Problem>> {
        let (cloud, node) = read_cloud(layers.site)?;
        let site = layers.site;
        let Some(upstream) = cloud.spec.upstream else { return Ok(Self { site, upstream: None }) };
        let wrong = |field: &str, kind, message: &str| {
            vec![Problem::new(kind, CLOUD_FILE, message).at(pos_of(&node, &["spec", "upstream", field]))]
        };
        let upstream: Box<dyn FileTree + 'a> = match (&upstream, layers.upstream) {
            (Upstream { url: Some(_), path: Some(_), .. }, _) => {
                return Err(wrong(
                    "path",
                    ProblemKind::BadValue,
                    "spec.upstream has both url and path; keep one",
                ));
            }
            (Upstream { path: Some(path), .. }, _) => {
                let dir = crate::files::clean(path);
                match dir.map(|d| (site.kind(&d), d)) {
                    Some((Ok(Some(EntryKind::Dir)), dir)) if !dir.is_empty() => {
                        Box::new(SubTree::new(site, &dir))
                    }
                    _ => {
                        let message =
                            format!("spec.upstream.path: {path:?} is not a folder of this repository");
                        return Err(wrong("path", ProblemKind::File, &message));
                    }
                }
            }
            (Upstream { url: Some(_), commit: None, .. }, _) => {
                let message = "spec.upstream.url needs spec.upstream.commit: the site's commit alone decides the revision";
                return Err(wrong("url", ProblemKind::MissingField, message));
            }
            (Upstream { url: Some(_), .. }, Some(tree)) => Box::new(Borrowed(tree)),
            (Upstream { url: Some(url), .. }, None) => {
                let message = format!("the upstream repository {url} has not been fetched");
                let mut problems = wrong("url", ProblemKind::File, &message);
                problems[0].hint =
                    Some("render through `retune` with access to it, or give --upstream DIR".into());
                return Err(problems);
            }
            (Upstream { url: None, path: None, .. }, _) => {
                return Err(wrong("", ProblemKind::MissingField, "spec.upstream needs url or path"));
            }
        };
        Ok(Self { site, upstream: Some(upstream) })
    }

    /// Both layers as one tree.
    #[must_use]
    pub fn tree(&self) -> Box<dyn FileTree + '_> {
        match &self.upstream {
            Some(upstream) => Box::new(Overlay::new(&**upstream, self.site)),
            None => Box::new(Borrowed(self.site)),
        }
    }

    /// The lower layer: the upstream, or the repository itself if it stands alone.
    #[must_use]
    pub fn lower(&self) -> &dyn FileTree {
        self.upstream.as_deref().unwrap_or(self.site)
    }

    /// The upper layer, if there are two.
    #[must_use]
    pub fn upper(&self) -> Option<&dyn FileTree> {
        self.upstream.as_ref().map(|_| self.site)
    }
}

struct Borrowed<'a>(&'a dyn FileTree);

impl FileTree for Borrowed<'_> {
    fn resolve(&self, path: &str) -> Result<Option<(String, EntryKind)>, TreeError> {
        self.0.resolve(path)
    }

    fn read(&self, path: &str) -> Result<std::sync::Arc<[u8]>, TreeError> {
        self.0.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<(String, EntryKind)>, TreeError> {
        self.0.list(path)
    }

    fn content_id(&self, path: &str) -> Result<crate::files::ContentId, TreeError> {
        self.0.content_id(path)
    }
}

/// The upstream that a repository declares, for whoever has to fetch it.
///
/// # Errors
/// What is wrong with `retune.yaml`.
pub fn upstream_of(site: &dyn FileTree) -> Result<Option<Upstream>, Vec<Problem>> {
    Ok(read_cloud(site)?.0.spec.upstream)
}

/// Reads a repository's configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(composed: &Composed<'_>) -> Result<Repository, Vec<Problem>> {
    let mut problems = Vec::new();
    let tree = composed.tree();
    let cloud = read_cloud(composed.site).map_err(|p| problems.extend(p)).ok();
    let mut broken = Vec::new();
    let apps = read_apps(&*tree, &mut broken, &mut problems);
    let mut chart_versions = BTreeMap::new();
    for layer in [Some(composed.lower()), composed.upper()].into_iter().flatten() {
        if matches!(layer.kind(VERSIONS_FILE), Ok(Some(_))) {
            match read::<ChartVersions>(layer, VERSIONS_FILE, schema::chart_versions()) {
                Ok((versions, _)) => chart_versions.extend(versions.charts),
                Err(found) => problems.extend(found),
            }
        }
    }
    let mut lock = Lock::default();
    for layer in [Some(composed.lower()), composed.upper()].into_iter().flatten() {
        match read_lock(layer) {
            Ok(found) => lock.extend(found),
            Err(found) => problems.extend(found),
        }
    }
    let repository =
        cloud.map(|(cloud, cloud_node)| Repository { cloud, apps, chart_versions, lock, cloud_node });
    if let Some(repository) = &repository {
        repository.check_names(&broken, &mut problems);
        super::ownership::check_syntax(repository, &mut problems);
        super::health::check(repository, &mut problems);
        repository.apps.values().for_each(|app| super::inputs::check(app, &mut problems));
        super::nodes::check(repository, &mut problems);
    }
    match repository {
        Some(repository) if problems.is_empty() => Ok(repository),
        _ => {
            problems.sort();
            problems.dedup();
            Err(problems)
        }
    }
}

/// Reads `retune.lock` of one layer; without the file nothing is locked.
///
/// # Errors
/// What is wrong with it.
pub fn read_lock(layer: &dyn FileTree) -> Result<Lock, Vec<Problem>> {
    if matches!(layer.kind(LOCK_FILE), Ok(None)) {
        return Ok(Lock::default());
    }
    Lock::of_file(read::<ChartLock>(layer, LOCK_FILE, schema::chart_lock())?.0)
}

fn read_cloud(tree: &dyn FileTree) -> Result<(Cloud, Node), Vec<Problem>> {
    if matches!(tree.kind(CLOUD_FILE), Ok(None)) {
        return Err(vec![
            Problem::new(ProblemKind::File, CLOUD_FILE, "no such file")
                .hint("a cloud's repository has retune.yaml at its root (see repo-layout/)"),
        ]);
    }
    read(tree, CLOUD_FILE, schema::cloud())
}

/// Reads the apps' files; the names of those that are wrong go to `broken`.
fn read_apps(
    tree: &dyn FileTree,
    broken: &mut Vec<String>,
    problems: &mut Vec<Problem>,
) -> BTreeMap<String, LoadedApp> {
    let mut apps = BTreeMap::new();
    // Git has no empty folders: without its last app a cloud is empty, not broken. What that deletes asks for approval.
    if matches!(tree.kind(APPS_DIR), Ok(None)) {
        return apps;
    }
    let entries = match tree.list(APPS_DIR) {
        Ok(entries) => entries,
        Err(error) => {
            problems.push(tree_problem(APPS_DIR, &error));
            return apps;
        }
    };
    if entries.len() > MAX_APPS {
        let message = format!("{} entries; a cloud may have {MAX_APPS} apps", entries.len());
        problems.push(Problem::new(ProblemKind::Limit, APPS_DIR, message));
        return apps;
    }
    for (name, kind) in entries {
        let file = format!("{APPS_DIR}/{name}");
        if name.starts_with('.') || !(name.ends_with(".yaml") || name.ends_with(".yml")) {
            continue;
        }
        let Some(stem) = name.strip_suffix(".yaml").filter(|_| kind == EntryKind::File) else {
            let message = "an app's file is called apps/<app>.yaml";
            problems.push(Problem::new(ProblemKind::File, &file, message).hint("rename it"));
            continue;
        };
        match read::<App>(tree, &file, schema::app()) {
            Ok((app, node)) if app.metadata.name == stem => {
                apps.insert(stem.to_owned(), LoadedApp { app, file, node });
            }
            Ok((app, node)) => {
                broken.push(stem.to_owned());
                let name = &app.metadata.name;
                let message = format!("metadata.name is {name:?}, but the file is called {stem}.yaml");
                problems.push(
                    Problem::new(ProblemKind::BadValue, &file, message)
                        .at(pos_of(&node, &["metadata", "name"]))
                        .hint("give both the same name"),
                );
            }
            Err(found) => {
                broken.push(stem.to_owned());
                problems.extend(found);
            }
        }
    }
    apps
}

/// Reads one configuration file into its type; the tree is kept for places.
pub(super) fn read<T: DeserializeOwned>(
    tree: &dyn FileTree,
    file: &str,
    schema: &Value,
) -> Result<(T, Node), Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let bytes = tree.read(file).map_err(|e| one(tree_problem(file, &e)))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| one(Problem::new(ProblemKind::Syntax, file, "the file is not UTF-8 text")))?;
    let syntax = |e: &yaml::Error| one(Problem::new(ProblemKind::Syntax, file, e.message.clone()).at(e.pos));
    let mut documents = yaml::read_v2(text, &LIMITS).map_err(|e| syntax(&e))?;
    if documents.len() > 1 {
        let message = "the file has more than one document";
        return Err(one(Problem::new(ProblemKind::Syntax, file, message).at(documents[1].pos)));
    }
    let Some(node) = documents.pop() else {
        return Err(one(Problem::new(ProblemKind::Syntax, file, "the file is empty")));
    };
    let mut problems = Vec::new();
    walk::check(&node, schema, file, &mut problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let json = yaml::read_v2_json(text, &LIMITS).and_then(|n| yaml::json::to_json(&n, false));
    let value: T = serde_json::from_str(&json.map_err(|e| syntax(&e))?)
        .map_err(|e| one(Problem::new(ProblemKind::BadValue, file, e.to_string())))?;
    Ok((value, node))
}

/// A tree's refusal as a problem.
pub(super) fn tree_problem(file: &str, error: &TreeError) -> Problem {
    let message = match error {
        TreeError::NotFound { .. } => "no such file or directory".to_owned(),
        TreeError::WrongKind { what, .. } => (*what).to_owned(),
        TreeError::Refused { reason, .. } => reason.clone(),
    };
    Problem::new(ProblemKind::File, file, message)
}

/// The place of a field, or of the nearest field around it.
pub(super) fn pos_of(node: &Node, path: &[&str]) -> Pos {
    let (mut node, mut pos) = (node, node.pos);
    for part in path {
        if let Ok(index) = part.parse::<usize>() {
            match node.as_seq().and_then(|s| s.get(index)) {
                Some(item) => (node, pos) = (item, item.pos),
                None => break,
            }
            continue;
        }
        match node.as_map().and_then(|m| m.entries.iter().find(|e| e.key.text() == Some(part))) {
            Some(entry) => (node, pos) = (&entry.value, entry.key.pos),
            None => break,
        }
    }
    pos
}

impl Repository {
    /// Where a field of `retune.yaml` stands; the nearest field around it if it is not set.
    #[must_use]
    pub fn pos(&self, path: &[&str]) -> Pos {
        pos_of(&self.cloud_node, path)
    }

    /// The names in a list of `retune.yaml` that do not exist, apps that name unknown profiles or apps.
    ///
    /// Apps whose own files are `broken` exist: one mistake is not told twice.
    fn check_names(&self, broken: &[String], problems: &mut Vec<Problem>) {
        let exists = |name: &String| self.apps.contains_key(name) || broken.contains(name);
        let known = || self.apps.keys().map(String::as_str);
        let suggest = |problem: Problem, name: &str, all: Vec<&str>| match nearest(name, all.iter().copied())
        {
            Some(near) => problem.hint(format!("did you mean {near:?}?")),
            None => problem,
        };
        for (field, names) in [("enable", &self.cloud.spec.enable), ("disable", &self.cloud.spec.disable)] {
            for (i, name) in names.iter().enumerate().filter(|(_, n)| !exists(n)) {
                let problem = Problem::new(
                    ProblemKind::Graph,
                    CLOUD_FILE,
                    format!("spec.{field}: there is no app {name:?}"),
                )
                .at(pos_of(&self.cloud_node, &["spec", field, &i.to_string()]));
                problems.push(suggest(problem, name, known().collect()));
            }
        }
        let profiles: Vec<&str> = self.cloud.spec.profiles.iter().map(String::as_str).collect();
        if let Some(name) = self.cloud.spec.profile.as_deref().filter(|name| !profiles.contains(name)) {
            let message = format!("spec.profile: this cloud has no profile {name:?}");
            let problem = Problem::new(ProblemKind::BadValue, CLOUD_FILE, message)
                .at(pos_of(&self.cloud_node, &["spec", "profile"]));
            problems.push(suggest(problem, name, profiles.clone()));
        }
        for app in self.apps.values() {
            for (i, name) in app.app.spec.profiles.iter().flatten().enumerate() {
                if !profiles.contains(&name.as_str()) {
                    let message = format!("spec.profiles: this cloud has no profile {name:?}");
                    let path = ["spec", "profiles", &i.to_string()];
                    problems.push(suggest(
                        app.problem(ProblemKind::BadValue, &path, message),
                        name,
                        profiles.clone(),
                    ));
                }
            }
            for (i, name) in app.app.spec.depends_on.iter().enumerate() {
                if !exists(name) {
                    let message = format!("spec.dependsOn: there is no app {name:?}");
                    let path = ["spec", "dependsOn", &i.to_string()];
                    problems.push(suggest(
                        app.problem(ProblemKind::Graph, &path, message),
                        name,
                        known().collect(),
                    ));
                }
            }
        }
    }

    /// Whether an app is part of the cloud in a profile.
    #[must_use]
    pub fn has(&self, app: &App, profile: &str) -> bool {
        let name = &app.metadata.name;
        let spec = &self.cloud.spec;
        !spec.disable.contains(name)
            && (!app.spec.optional || spec.enable.contains(name))
            && app.spec.profiles.as_ref().is_none_or(|p| p.iter().any(|p| p == profile))
    }

    /// The apps of a profile, each after everything that it depends on, with what it depends on in this profile.
    ///
    /// # Errors
    /// If the profile does not exist or `dependsOn` goes in a circle.
    pub fn select(&self, profile: &str) -> Result<Vec<(&LoadedApp, Vec<String>)>, Vec<Problem>> {
        let profiles = &self.cloud.spec.profiles;
        if !profiles.iter().any(|p| p == profile) {
            let message = format!("this cloud has no profile {profile:?}; it has {}", profiles.join(", "));
            return Err(vec![
                Problem::new(ProblemKind::BadValue, CLOUD_FILE, message)
                    .at(pos_of(&self.cloud_node, &["spec", "profiles"])),
            ]);
        }
        let mut graph: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (name, app) in self.apps.iter().filter(|(_, a)| self.has(&a.app, profile)) {
            let is_part = |n: &&String| self.apps.get(*n).is_some_and(|a| self.has(&a.app, profile));
            graph.insert(name.clone(), app.app.spec.depends_on.iter().filter(is_part).cloned().collect());
        }
        match graph::order(&graph) {
            Ok(order) => Ok(order
                .into_iter()
                .filter_map(|name| {
                    let needs = graph.get(&name).cloned().unwrap_or_default();
                    self.apps.get(&name).map(|app| (app, needs))
                })
                .collect()),
            Err(errors) => Err(errors.into_iter().map(|e| self.graph_problem(e)).collect()),
        }
    }

    fn graph_problem(&self, error: GraphError) -> Problem {
        let (first, message) = match error {
            GraphError::Unknown { app, name } => (app, format!("spec.dependsOn: there is no app {name:?}")),
            GraphError::Cycle(path) => {
                (path[0].clone(), format!("spec.dependsOn goes in a circle: {}", path.join(" -> ")))
            }
        };
        match self.apps.get(&first) {
            Some(app) => app.problem(ProblemKind::Graph, &["spec", "dependsOn"], message),
            None => Problem::new(ProblemKind::Graph, APPS_DIR, message),
        }
    }
}
