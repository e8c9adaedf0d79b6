//! An app's chart: where it is, which values it gets, what becomes of its output.
//!
//! Value layers, lowest first: the chart's defaults, `helm-configs/<app>/*.yaml`, `helm-configs/global_overrides/*.yaml`, the site
//! repository's `helm-configs/<app>/*.yaml` if there are two repositories, `spec.values.files`, `spec.values.inline`, live inputs. Maps merge, lists
//! replace, `null` deletes a default. `.Release.IsInstall` is true and `.Release.Revision` 1 in every render, `now` is the commit's time
//! (DESIGN §9). Charts of repositories come through [`super::remote`].

use std::sync::Arc;

use serde_json::{Map, Value};

use super::load::tree_problem;
use super::manifests::{self, Document};
use super::object::Origin;
use super::problem::{Problem, ProblemKind};
use super::remote::ChartError;
use super::rendered::{HookDeletePolicy, HookEvent, HookMeta};
use super::sources::Context;
use super::vendor::{add_dependencies, remote_problem};
use super::volatile;
use crate::files::{EntryKind, FileTree, clean};
use crate::helm::{self, Chart, KubeVersion, Randomness, Release, ReleaseOptions, repository, values};
use crate::template::semver;
use crate::yaml;

/// Values for every chart.
const GLOBAL: &str = "helm-configs/global_overrides";

/// A chart's output.
pub(super) struct Output {
    pub(super) release: Release,
    /// Whether its templates asked for the time: then the commit's time is one of its inputs.
    pub(super) asks_time: bool,
}

/// Loads and renders the app's chart.
pub(super) fn render(context: &Context<'_>) -> Result<Output, Vec<Problem>> {
    let one = |problem: Problem| vec![problem];
    let spec = &context.app.app.spec;
    let name = &context.app.app.metadata.name;
    let (chart, path) = load(context).map_err(one)?;
    let failed = |e: &helm::Error| one(chart_problem(context, &path, e));
    let values = merged_values(context)?;
    let Some(namespace) = &spec.namespace else {
        let message = "spec.namespace is missing; a chart's release needs one";
        return Err(one(context.app.problem(ProblemKind::MissingField, &["spec"], message)));
    };
    let release_name = spec.chart.as_ref().and_then(|c| c.release_name.as_ref()).unwrap_or(name);
    let mut options = ReleaseOptions::new(release_name, namespace);
    let capabilities = &context.repository.cloud.spec.capabilities;
    if let Some(version) = &capabilities.kube_version {
        options.kube_version = KubeVersion::parse(version).map_err(|e| {
            let message = format!("spec.capabilities.kubeVersion: {e}");
            one(Problem::new(ProblemKind::BadValue, super::load::CLOUD_FILE, message))
        })?;
    }
    options.api_versions.clone_from(&capabilities.api_versions);
    options.now = (context.time, 0);
    let text = serde_json::to_vec(&values).unwrap_or_default();
    let asks = volatile::asks(&chart, &[&text]);
    if asks.random && context.seed.is_none() {
        let problem = context.app.problem(ProblemKind::Unsupported, &["spec", "chart"], volatile::NO_KEY);
        return Err(one(problem));
    }
    options.randomness = Randomness::Stable {
        seed: context.seed.unwrap_or_default(),
        scope: context.repository.cloud.metadata.name.clone(),
    };
    let release = helm::render(&chart, &options, &values).map_err(|e| failed(&e))?;
    Ok(Output { asks_time: release.asked_time, release })
}

/// Where an app's chart is.
enum Place<'a> {
    /// A folder or archive of the tree.
    Tree(String),
    /// A chart repository: its name or URL, the chart's name, the version.
    Repository(&'a str, &'a str, &'a str),
}

/// The chart, and what messages call it.
fn load(context: &Context<'_>) -> Result<(Arc<Chart>, String), Problem> {
    match locate(context)? {
        Place::Tree(path) => {
            let mut chart =
                Chart::load_and_vendor(context.tree, &path).map_err(|e| chart_problem(context, &path, &e))?;
            pinned(context, &chart, &path)?;
            add_dependencies(context, &mut chart, &path)?;
            Ok((Arc::new(chart), path))
        }
        Place::Repository(repository, name, version) => {
            let fetched = context
                .remotes
                .fetch(repository, name, version)
                .map_err(|e| remote_problem(context, "repository", &e))?;
            let label = format!("{name} {} of {repository}", fetched.chart.version());
            Ok((fetched.chart, label))
        }
    }
}

fn locate<'a>(context: &'a Context<'_>) -> Result<Place<'a>, Problem> {
    let Some(chart) = &context.app.app.spec.chart else {
        return Err(context.app.problem(ProblemKind::MissingField, &["spec"], "the app has no chart"));
    };
    let problem =
        |field: &str, kind, message: String| context.app.problem(kind, &["spec", "chart", field], message);
    let exists =
        |path: &str| context.tree.kind(path).map(|kind| kind.is_some()).map_err(|e| tree_problem(path, &e));
    match (&chart.path, &chart.repository) {
        (Some(_), Some(_)) => Err(problem(
            "path",
            ProblemKind::BadValue,
            "spec.chart has both path and repository; keep one".to_owned(),
        )),
        (None, None) => Err(problem(
            "name",
            ProblemKind::MissingField,
            "spec.chart needs path (a folder or archive of this repository) or repository (a name of spec.chartRepositories or a URL)"
                .to_owned(),
        )),
        (Some(path), None) => {
            let found = clean(path).filter(|p| !p.is_empty());
            match found {
                Some(found) if exists(&found)? => Ok(Place::Tree(found)),
                _ => Err(problem("path", ProblemKind::File, format!("spec.chart.path: there is no {path}"))),
            }
        }
        (None, Some(repository)) => {
            let name = chart.name.as_ref().unwrap_or(&context.app.app.metadata.name);
            let wrong = |e: ChartError| remote_problem(context, "repository", &e);
            let version = version(context);
            let Some(folder) = context.remotes.folder(repository).map_err(wrong)? else {
                let Some(version) = version else {
                    let message = format!("no version of the chart {name} is pinned");
                    return Err(problem("repository", ProblemKind::MissingField, message)
                        .hint(format!("set spec.chart.version, or charts.{name} in helm-chart-versions.yaml")));
                };
                return Ok(Place::Repository(repository, name, version));
            };
            let folder = clean(folder).unwrap_or_default();
            let mut candidates = vec![format!("{folder}/{name}")];
            if let Some(version) = version {
                candidates.insert(0, format!("{folder}/{name}-{version}.tgz"));
                candidates.insert(1, format!("{folder}/{name}-{version}"));
            }
            for candidate in &candidates {
                if exists(candidate)? {
                    return Ok(Place::Tree(candidate.clone()));
                }
            }
            let message = format!(
                "the chart is not in the folder of spec.chartSources: looked for {}",
                candidates.join(", ")
            );
            Err(problem("repository", ProblemKind::File, message))
        }
    }
}

/// The version that the app or `helm-chart-versions.yaml` pins.
fn version<'a>(context: &'a Context<'_>) -> Option<&'a String> {
    let chart = context.app.app.spec.chart.as_ref()?;
    let name = chart.name.as_ref().unwrap_or(&context.app.app.metadata.name);
    chart.version.as_ref().or_else(|| context.repository.chart_versions.get(name))
}

fn pinned(context: &Context<'_>, chart: &Chart, path: &str) -> Result<(), Problem> {
    // A range is for charts of repositories; where a folder stands for one, its chart must be in the range.
    let fits = |wanted: &str| {
        wanted == chart.version()
            || !repository::is_version(wanted) && semver::is_compatible(wanted, chart.version())
    };
    match version(context) {
        Some(wanted) if !fits(wanted) => {
            let message = format!(
                "version {wanted} is pinned, but the chart at {path} has version {}",
                chart.version()
            );
            Err(context
                .app
                .problem(ProblemKind::Chart, &["spec", "chart"], message)
                .hint("pin the version that is there, or put the pinned one there"))
        }
        _ => Ok(()),
    }
}

fn merged_values(context: &Context<'_>) -> Result<Map<String, Value>, Vec<Problem>> {
    let own = format!("helm-configs/{}", context.app.app.metadata.name);
    let mut all = Map::new();
    let mut problems = Vec::new();
    let mut add = |tree: &dyn FileTree, file: &str| match read_values(tree, file) {
        Ok(layer) => values::merge(&mut all, layer),
        Err(problem) => problems.push(problem),
    };
    let lower = context.lower;
    let mut layers: Vec<(&dyn FileTree, &str)> = vec![(lower, own.as_str()), (lower, GLOBAL)];
    if let Some(upper) = context.upper {
        layers.extend([(upper, GLOBAL), (upper, own.as_str())]);
    }
    for (tree, dir) in layers {
        for file in yaml_files(tree, dir).map_err(|p| vec![p])? {
            add(tree, &file);
        }
    }
    let spec = context.app.app.spec.values.as_ref();
    for (i, file) in spec.map(|v| v.files.as_slice()).unwrap_or_default().iter().enumerate() {
        match clean(file) {
            Some(path) => add(context.tree, &path),
            None => {
                let field = ["spec", "values", "files", &i.to_string()];
                let message = format!("spec.values.files: {file:?} leaves the repository");
                return Err(vec![context.app.problem(ProblemKind::BadValue, &field, message)]);
            }
        }
    }
    if let Some(Value::Object(inline)) = spec.map(|v| floats(&v.inline)) {
        values::merge(&mut all, inline);
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    context.inputs.set(&mut all, context.app)?;
    Ok(all)
}

/// Numbers as Helm has them after reading a file: `float64`.
fn floats(value: &Value) -> Value {
    match value {
        Value::Number(n) => n.as_f64().map_or_else(|| value.clone(), Value::from),
        Value::Array(list) => Value::Array(list.iter().map(floats).collect()),
        Value::Object(map) => Value::Object(map.iter().map(|(k, v)| (k.clone(), floats(v))).collect()),
        other => other.clone(),
    }
}

fn yaml_files(tree: &dyn FileTree, dir: &str) -> Result<Vec<String>, Problem> {
    let failed = |e| tree_problem(dir, &e);
    if tree.kind(dir).map_err(failed)? != Some(EntryKind::Dir) {
        return Ok(Vec::new());
    }
    let entries = tree.list(dir).map_err(failed)?;
    let is_values =
        |name: &str| !name.starts_with('.') && (name.ends_with(".yaml") || name.ends_with(".yml"));
    Ok(entries
        .into_iter()
        .filter(|(name, kind)| *kind == EntryKind::File && is_values(name))
        .map(|(name, _)| format!("{dir}/{name}"))
        .collect())
}

fn read_values(tree: &dyn FileTree, file: &str) -> Result<Map<String, Value>, Problem> {
    let bytes = tree.read(file).map_err(|e| tree_problem(file, &e))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| Problem::new(ProblemKind::Syntax, file, "the file is not UTF-8 text"))?;
    values::read_values(text).map_err(|reason| not_values(file, text, &reason))
}

/// What is wrong with a values file, with its place. Helm's words have a line too, often one less than the true one.
fn not_values(file: &str, text: &str, reason: &str) -> Problem {
    let problem = |message: &str| Problem::new(ProblemKind::Syntax, file, message);
    if let Err(error) = yaml::read_v2(text, &yaml::Limits::default()) {
        let last = u32::try_from(text.lines().count()).unwrap_or(u32::MAX);
        if error.pos.line > last {
            let problem = problem(&format!("{} before the file's end", error.message)).at_line(last);
            return problem.hint("close the bracket, brace or quote that is open there");
        }
        return problem(&error.message).at(error.pos);
    }
    let place = reason.split_once("line ").and_then(|(_, rest)| rest.split_once(": "));
    match place.and_then(|(line, what)| Some((line.parse().ok()?, what))) {
        Some((line, what)) if what.contains("cannot unmarshal") => {
            problem("values must be a map of names to values").at_line(line)
        }
        Some((line, what)) => problem(what).at_line(line),
        None => problem(reason),
    }
}

fn chart_problem(context: &Context<'_>, path: &str, error: &helm::Error) -> Problem {
    context.app.problem(ProblemKind::Chart, &["spec", "chart"], format!("chart {path}: {error}"))
}

/// The chart's manifests as documents; the file of each is its template.
pub(super) fn documents(release: &Release) -> Result<Vec<Document>, Vec<Problem>> {
    let (mut out, mut problems) = (Vec::new(), Vec::new());
    for manifest in &release.manifests {
        match manifests::parse(&manifest.source, manifest.text.as_bytes()) {
            Ok(found) => out.extend(found.into_iter().map(|(value, origin, _)| (value, whole(origin), None))),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(out) } else { Err(problems) }
}

/// The chart's hooks and the files of its `crds/` folders: no kustomization sees them.
pub(super) fn beside(release: &Release, skip_crds: bool) -> Result<Vec<Document>, Vec<Problem>> {
    let (mut out, mut problems) = (Vec::new(), Vec::new());
    for crd in release.crds.iter().filter(|_| !skip_crds) {
        match manifests::parse(&crd.source, crd.text.as_bytes()) {
            Ok(found) => out.extend(found.into_iter().map(|(value, origin, _)| (keep(value), origin, None))),
            Err(found) => problems.extend(found),
        }
    }
    for hook in &release.hooks {
        let policies: Vec<HookDeletePolicy> = hook.delete_policies.iter().filter_map(|p| policy(p)).collect();
        let meta = HookMeta {
            events: hook.events.iter().map(|e| event(*e)).collect(),
            weight: hook.weight,
            delete_policies: if policies.is_empty() {
                vec![HookDeletePolicy::BeforeHookCreation]
            } else {
                policies
            },
        };
        match manifests::parse(&hook.source, hook.text.as_bytes()) {
            Ok(found) => out.extend(
                found.into_iter().map(|(value, origin, _)| (value, whole(origin), Some(meta.clone()))),
            ),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(out) } else { Err(problems) }
}

/// A line of rendered text is no line of the template.
fn whole(origin: Origin) -> Origin {
    Origin { line: 0, ..origin }
}

/// What a chart's `crds/` bring is never pruned.
fn keep(mut crd: Value) -> Value {
    if let Some(Value::Object(metadata)) = crd.get_mut("metadata") {
        let annotations = metadata.entry("annotations").or_insert_with(|| Value::Object(Map::new()));
        if annotations.is_null() {
            *annotations = Value::Object(Map::new());
        }
        if let Value::Object(annotations) = annotations {
            annotations.entry("helm.sh/resource-policy").or_insert_with(|| Value::from("keep"));
        }
    }
    crd
}

fn policy(word: &str) -> Option<HookDeletePolicy> {
    match word {
        "before-hook-creation" => Some(HookDeletePolicy::BeforeHookCreation),
        "hook-succeeded" => Some(HookDeletePolicy::HookSucceeded),
        "hook-failed" => Some(HookDeletePolicy::HookFailed),
        _ => None,
    }
}

fn event(event: helm::HookEvent) -> HookEvent {
    match event {
        helm::HookEvent::PreInstall => HookEvent::PreInstall,
        helm::HookEvent::PostInstall => HookEvent::PostInstall,
        helm::HookEvent::PreDelete => HookEvent::PreDelete,
        helm::HookEvent::PostDelete => HookEvent::PostDelete,
        helm::HookEvent::PreUpgrade => HookEvent::PreUpgrade,
        helm::HookEvent::PostUpgrade => HookEvent::PostUpgrade,
        helm::HookEvent::PreRollback => HookEvent::PreRollback,
        helm::HookEvent::PostRollback => HookEvent::PostRollback,
        helm::HookEvent::Test => HookEvent::Test,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemTree;

    fn said(text: &str) -> String {
        let tree: MemTree = [("v.yaml", text.as_bytes())].into_iter().collect();
        read_values(&tree, "v.yaml").unwrap_err().to_string()
    }

    #[test]
    fn a_broken_values_file_is_told_with_its_line() {
        let open = "before the file's end; close the bracket, brace or quote that is open there";
        let cases = [
            ("a: 1\nb: [\n", format!("v.yaml:2: did not find expected node content {open}")),
            ("a: 1\n---\nb: {c: 1\n", format!("v.yaml:3: did not find expected ',' or '}}' {open}")),
            ("a: 1\nb: [1,\nc: 2\nd: 3\n", "v.yaml:4:2: did not find expected ',' or ']'".to_owned()),
            ("a: 1\n  b: 2\n", "v.yaml:2:4: mapping values are not allowed in this context".to_owned()),
            ("a: 1\n---\n- x\n", "v.yaml:2: values must be a map of names to values".to_owned()),
            ("a: 1\n--- x\n", "v.yaml:2: invalid Yaml document separator: x".to_owned()),
        ];
        for (text, expected) in cases {
            assert_eq!(said(text), expected, "{text:?}");
        }
    }
}
