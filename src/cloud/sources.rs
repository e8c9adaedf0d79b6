//! What an app is made of: plain manifests, a kustomization, a chart, or a chart whose output a kustomization completes.

use std::sync::Arc;

use super::allyaml::{self, AllYaml};
use super::chart;
use super::inputs::Resolved;
use super::load::{LoadedApp, Repository, tree_problem};
use super::manifests::{self, Document};
use super::object::Origin;
use super::pinned::Pinned;
use super::problem::{Problem, ProblemKind};
use super::remote::Remotes;
use super::volatile::Inflate;
use crate::files::{EntryKind, FileTree, clean};
use crate::{kustomize, yaml};

/// What the render of one app may look at.
pub(super) struct Context<'a> {
    /// Both layers as one tree; this and the next two remember what is read.
    pub(super) tree: &'a dyn FileTree,
    /// The lower layer alone: the upstream, or the repository itself.
    pub(super) lower: &'a dyn FileTree,
    /// The site's layer alone, if there are two.
    pub(super) upper: Option<&'a dyn FileTree>,
    /// The commit's time, in seconds since 1970.
    pub(super) time: i64,
    /// The secret that random text is derived from.
    pub(super) seed: Option<[u8; 32]>,
    /// What reaches remote bases.
    pub(super) remote: Option<&'a dyn kustomize::Remote>,
    pub(super) repository: &'a Repository,
    pub(super) profile: &'a str,
    pub(super) app: &'a LoadedApp,
    /// Charts that are not in the repository.
    pub(super) remotes: &'a Remotes<'a>,
    /// The app's live inputs; all are there.
    pub(super) inputs: &'a Resolved,
}

/// What came out.
pub(super) struct Rendered {
    pub(super) documents: Vec<Document>,
    /// Whether the commit's time may have been used.
    pub(super) asks_time: bool,
}

impl From<Vec<Document>> for Rendered {
    fn from(documents: Vec<Document>) -> Self {
        Self { documents, asks_time: false }
    }
}

/// Renders one app.
pub(super) fn render(context: &Context<'_>) -> Result<Rendered, Vec<Problem>> {
    let spec = &context.app.app.spec;
    let one = |problem: Problem| vec![problem];
    if spec.chart.is_some() {
        return with_chart(context);
    }
    if spec.values.is_some() {
        let message = "spec.values: the app has no chart that could take values";
        return Err(one(context.app.problem(ProblemKind::BadValue, &["spec", "values"], message)));
    }
    if let Some(path) = &spec.manifests {
        if spec.kustomize.is_some() {
            let message = "spec.manifests and spec.kustomize are both set";
            let problem = context.app.problem(ProblemKind::BadValue, &["spec", "manifests"], message);
            return Err(one(problem.hint("keep one")));
        }
        let path = inside(context, path, &["spec", "manifests"]).map_err(one)?;
        return Ok(manifests::read(context.tree, &path)?.into());
    }
    match kustomization(context).map_err(one)? {
        Some(path) => {
            let (documents, asks_time) = build_with_inputs(context, context.tree, &path)?;
            Ok(Rendered { documents, asks_time })
        }
        None => {
            let name = &context.app.app.metadata.name;
            let message = format!(
                "the app has nothing to apply: no spec.chart, no spec.manifests and no folder kustomize/{name}/{}",
                context.profile
            );
            Err(one(context.app.problem(ProblemKind::MissingField, &["spec"], message)))
        }
    }
}

/// A chart, alone or completed by a kustomization that lists its output as `all.yaml`.
fn with_chart(context: &Context<'_>) -> Result<Rendered, Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let spec = &context.app.app.spec;
    if spec.manifests.is_some() {
        let message =
            "spec.manifests: an app with a chart is completed by a kustomization, not by plain manifests";
        return Err(one(context.app.problem(ProblemKind::BadValue, &["spec", "manifests"], message)));
    }
    let output = chart::render(context)?;
    let release = &output.release;
    let (mut documents, asks_time) = match kustomization(context).map_err(one)? {
        None => {
            if let Some(name) = context.inputs.only_for_kustomize() {
                return Err(one(unused(context, name, "name a path of the chart's values in values")));
            }
            (chart::documents(release)?, false)
        }
        Some(path) => {
            let text = release.manifest_without_hooks();
            let tree = AllYaml::new(context.tree, &path, text.clone());
            let (mut documents, asks_time) = build_with_inputs(context, &tree, &path)?;
            if !tree.was_read() {
                let message = "the chart's output is not used: no kustomization lists all.yaml";
                let problem = Problem::new(ProblemKind::Kustomize, &path, message);
                return Err(one(problem.hint("add all.yaml to its resources")));
            }
            for (_, origin, _) in documents.iter_mut().filter(|(_, origin, _)| tree.is(&origin.file)) {
                if let Some(source) = allyaml::source_at(&text, origin.line) {
                    *origin = Origin { file: source.into(), line: 0 };
                }
            }
            (documents, asks_time)
        }
    };
    let skip_crds = spec.chart.as_ref().is_some_and(|c| c.skip_crds);
    documents.extend(chart::beside(release, skip_crds)?);
    Ok(Rendered { documents, asks_time: asks_time || output.asks_time })
}

/// A path that a user wrote, as a path of the tree.
fn inside(context: &Context<'_>, path: &str, field: &[&str]) -> Result<String, Problem> {
    clean(&path.replace("{profile}", context.profile)).ok_or_else(|| {
        let message = format!("{}: {path:?} leaves the repository", field.join("."));
        context.app.problem(ProblemKind::BadValue, field, message)
    })
}

/// The folder of the app's kustomization for the profile.
fn kustomization(context: &Context<'_>) -> Result<Option<String>, Problem> {
    let name = &context.app.app.metadata.name;
    let (path, declared) = match &context.app.app.spec.kustomize {
        Some(source) => (inside(context, &source.path, &["spec", "kustomize", "path"])?, true),
        None => (format!("kustomize/{name}/{}", context.profile), false),
    };
    match context.tree.kind(&path).map_err(|e| tree_problem(&path, &e))? {
        Some(EntryKind::Dir) => Ok(Some(path)),
        Some(EntryKind::File) => {
            Err(Problem::new(ProblemKind::File, &path, "a kustomization's folder is expected, not a file"))
        }
        None if declared => {
            let message = format!("spec.kustomize.path: there is no folder {path}");
            Err(context.app.problem(ProblemKind::File, &["spec", "kustomize", "path"], message))
        }
        None => {
            let parent = format!("kustomize/{name}");
            if context.tree.kind(&parent).map_err(|e| tree_problem(&parent, &e))?.is_none() {
                return Ok(None);
            }
            let message = format!(
                "the app has no kustomization for the profile {}: {path} is missing",
                context.profile
            );
            let hint = "add it, or name the profiles that the app has in spec.profiles";
            Err(context.app.problem(ProblemKind::File, &["spec"], message).hint(hint))
        }
    }
}

/// An input that goes nowhere.
fn unused(context: &Context<'_>, name: &str, hint: &str) -> Problem {
    let message = format!("spec.inputs.{name}: nothing uses it");
    context.app.problem(ProblemKind::BadValue, &["spec", "inputs", name], message).hint(hint)
}

/// Builds a kustomization with `inputs.yaml` beside it.
fn build_with_inputs(
    context: &Context<'_>,
    tree: &dyn FileTree,
    path: &str,
) -> Result<(Vec<Document>, bool), Vec<Problem>> {
    if context.inputs.is_empty() {
        return build(context, tree, path);
    }
    let tree = AllYaml::named(tree, path, allyaml::INPUTS, context.inputs.file());
    let built = build(context, &tree, path)?;
    match context.inputs.only_for_kustomize() {
        Some(name) if !tree.was_read() => {
            let hint = "add inputs.yaml to the kustomization's resources and use it in replacements";
            Err(vec![unused(context, name, hint)])
        }
        _ => Ok(built),
    }
}

/// Builds a kustomization, and says whether a chart in it may have asked for the time. Files outside of its own folder are
/// refused as kustomize does, unless they are in a base.
fn build(
    context: &Context<'_>,
    tree: &dyn FileTree,
    path: &str,
) -> Result<(Vec<Document>, bool), Vec<Problem>> {
    let cloud = &context.repository.cloud;
    let capabilities = &cloud.spec.capabilities;
    let helm = Inflate::new(context.seed, &cloud.metadata.name, context.time);
    let remote = Pinned(context.remote);
    let options = kustomize::Options {
        remote: Some(&remote),
        helm: kustomize::HelmOptions {
            enabled: true,
            engine: Some(&helm),
            kube_version: capabilities.kube_version.as_deref().unwrap_or_default(),
            api_versions: &capabilities.api_versions,
            debug: false,
        },
        ..kustomize::Options::default()
    };
    let built = kustomize::build(tree, path, &options).map_err(|e| vec![kustomize_problem(path, &e)])?;
    let mut documents = Vec::with_capacity(built.resources.len());
    for resource in built.resources.iter() {
        let generated = resource.file.is_empty();
        let file: Arc<str> = if generated { path.into() } else { Arc::clone(&resource.file) };
        let line = if generated { 0 } else { resource.node.pos.line };
        let wrong = |message: String| vec![Problem::new(ProblemKind::Object, &file, message).at_line(line)];
        let text = yaml::json::to_json(&resource.node, false).map_err(|e| wrong(e.to_string()))?;
        let value = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
        documents.push((value, Origin { file, line }, None));
    }
    Ok((documents, helm.asked_time()))
}

fn kustomize_problem(path: &str, error: &kustomize::Error) -> Problem {
    let kind = match error.kind() {
        kustomize::error::Kind::Unsupported => ProblemKind::Unsupported,
        _ => ProblemKind::Kustomize,
    };
    let problem = match error.place() {
        Some(place) => Problem::new(kind, &place.file, error.message()).at_line(place.line),
        None => Problem::new(kind, path, error.to_string()),
    };
    match error.hint_text() {
        Some(hint) => problem.hint(hint),
        None => problem,
    }
}
