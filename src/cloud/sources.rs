//! What an app is made of: plain manifests, a kustomization, a chart, or a chart whose output a kustomization completes.

use super::load::{Composed, LoadedApp, Repository, tree_problem};
use super::manifests::{self, Document};
use super::problem::{Problem, ProblemKind};
use crate::files::{EntryKind, FileTree, clean};

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

fn build(context: &Context<'_>, path: &str) -> Result<Vec<Document>, Vec<Problem>> {
    let message = format!("{path}: kustomizations are not supported by this version of retune");
    Err(vec![context.app.problem(ProblemKind::Unsupported, &["spec"], message)])
}
