//! What an app is made of: plain manifests, a kustomization, a chart, or a chart whose output a kustomization completes.

use std::sync::Arc;

use super::load::{Composed, LoadedApp, Repository, tree_problem};
use super::manifests::{self, Document};
use super::object::Origin;
use super::problem::{Problem, ProblemKind};
use crate::files::{EntryKind, FileTree, clean};
use crate::{kustomize, yaml};

/// What the render of one app may look at.
pub(super) struct Context<'a> {
    /// Both layers as one tree; remembers what is read.
    pub(super) tree: &'a dyn FileTree,
    #[expect(dead_code, reason = "value layers of charts are read from the layers one by one")]
    pub(super) composed: &'a Composed<'a>,
    #[expect(dead_code, reason = "chart versions and sources")]
    pub(super) repository: &'a Repository,
    pub(super) profile: &'a str,
    pub(super) app: &'a LoadedApp,
}

/// What came out.
pub(super) struct Rendered {
    pub(super) documents: Vec<Document>,
}

/// Renders one app.
pub(super) fn render(context: &Context<'_>) -> Result<Rendered, Vec<Problem>> {
    let spec = &context.app.app.spec;
    let one = |problem: Problem| vec![problem];
    if spec.chart.is_some() {
        let message = "spec.chart: Helm charts are not supported by this version of retune";
        return Err(one(context.app.problem(ProblemKind::Unsupported, &["spec", "chart"], message)));
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
        return Ok(Rendered { documents: manifests::read(context.tree, &path)? });
    }
    match kustomization(context).map_err(one)? {
        Some(path) => Ok(Rendered { documents: build(context, &path)? }),
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

/// Builds a kustomization; files outside of its own folder may be named, as long as they are in the repository.
fn build(context: &Context<'_>, path: &str) -> Result<Vec<Document>, Vec<Problem>> {
    let options = kustomize::Options::default();
    let built =
        kustomize::build(context.tree, path, &options).map_err(|e| vec![kustomize_problem(path, &e)])?;
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
    Ok(documents)
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
