//! `spec.drift`: the app's rules together with the cloud's, and the check that every path can match.

use super::fieldpath::FieldPath;
use super::load::{CLOUD_FILE, LoadedApp, Repository};
use super::object::Object;
use super::problem::{Problem, ProblemKind, nearest};
use super::rendered::RenderedCloud;
use super::spec::{Drift, Selector};

/// The drift policy of an app: its own rules first, then the cloud's; its own mode, else the cloud's.
pub(super) fn merged(app: Option<&Drift>, cloud: Option<&Drift>) -> Drift {
    let mut out = app.cloned().unwrap_or_default();
    if let Some(cloud) = cloud {
        out.mode = out.mode.or(cloud.mode);
        out.rules.extend(cloud.rules.iter().cloned());
        out.ignore.extend(cloud.ignore.iter().cloned());
        out.yields.extend(cloud.yields.iter().cloned());
    }
    out
}

struct Written<'a> {
    list: &'static str,
    rule: usize,
    at: usize,
    objects: &'a Selector,
    path: &'a str,
}

fn written(drift: &Drift) -> impl Iterator<Item = Written<'_>> {
    let ignored = drift.ignore.iter().enumerate().flat_map(|(rule, r)| {
        r.paths.iter().enumerate().map(move |(at, path)| Written {
            list: "ignore",
            rule,
            at,
            objects: &r.objects,
            path,
        })
    });
    let yielded = drift.yields.iter().enumerate().flat_map(|(rule, r)| {
        r.paths.iter().enumerate().map(move |(at, path)| Written {
            list: "yields",
            rule,
            at,
            objects: &r.objects,
            path,
        })
    });
    ignored.chain(yielded)
}

/// Paths that are malformed, in the apps' files and in `retune.yaml`.
pub(super) fn check_syntax(repository: &Repository, problems: &mut Vec<Problem>) {
    for app in repository.apps.values() {
        for w in app.app.spec.drift.iter().flat_map(written) {
            if let Err(wrong) = FieldPath::parse(w.path) {
                problems.push(in_app(app, &w, &wrong));
            }
        }
    }
    for w in repository.cloud.spec.defaults.drift.iter().flat_map(written) {
        if let Err(wrong) = FieldPath::parse(w.path) {
            problems.push(in_cloud(repository, &w, &wrong));
        }
    }
}

/// Paths that cannot match the objects that their rule is for.
pub(super) fn check_places(
    repository: &Repository,
    app: &LoadedApp,
    objects: &[Object],
    problems: &mut Vec<Problem>,
) {
    for w in app.app.spec.drift.iter().flat_map(written) {
        match places(&w, objects) {
            Err(wrong) => problems.push(in_app(app, &w, &wrong)),
            Ok(Some(object)) => {
                let message = format!("{}: no such element in {object}", w.path);
                problems.push(
                    in_app(app, &w, &message)
                        .hint("correct it or remove it: what Git does not state is not retune's"),
                );
            }
            Ok(None) => {}
        }
    }
    for w in repository.cloud.spec.defaults.drift.iter().flat_map(written) {
        if let Err(wrong) = places(&w, objects) {
            problems.push(in_cloud(repository, &w, &wrong));
        }
    }
}

/// Warnings about rules that mean no object, or a field that none of the objects meant has, in none of the profiles: a
/// misspelt name would leave nothing to anybody.
#[must_use]
pub fn check_reach(repository: &Repository, clouds: &[RenderedCloud]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for app in repository.apps.values() {
        let name = app.app.metadata.name.as_str();
        let objects: Vec<&Object> =
            clouds.iter().filter_map(|c| c.app(name)).flat_map(|a| a.objects.iter()).collect();
        if objects.is_empty() {
            // Another profile's, or disabled.
            continue;
        }
        for w in app.app.spec.drift.iter().flat_map(written) {
            problems.extend(
                reach(&w, &objects).map(|(message, hint)| in_app(app, &w, &message).hint(hint).warning()),
            );
        }
    }
    let objects: Vec<&Object> = clouds.iter().flat_map(RenderedCloud::objects).collect();
    for w in repository.cloud.spec.defaults.drift.iter().flat_map(written) {
        let found = reach(&w, &objects);
        problems.extend(found.map(|(message, hint)| in_cloud(repository, &w, &message).hint(hint).warning()));
    }
    problems
}

/// What is wrong when a path means nothing, and what to do.
fn reach(w: &Written<'_>, objects: &[&Object]) -> Option<(String, String)> {
    let path = FieldPath::parse(w.path).ok()?;
    let mut end = None;
    let mut meant = false;
    for object in objects.iter().filter(|o| w.objects.matches(&o.id)) {
        meant = true;
        let body = object.json();
        if !path.places(&body).is_ok_and(|places| places.is_empty()) {
            return None;
        }
        if end.is_none() {
            end = path
                .ends_at(&body)
                .map(|(key, known)| (key.to_owned(), nearest(key, known.iter().copied()).map(str::to_owned)));
        }
    }
    if !meant {
        let hint = "correct its `objects` or remove the rule".to_owned();
        return Some((format!("{}: no object is meant", w.path), hint));
    }
    let remove = "correct it or remove it: what Git does not state is not retune's";
    match end {
        Some((key, near)) => {
            let hint = near.map_or_else(|| remove.to_owned(), |near| format!("did you mean {near:?}?"));
            Some((format!("{}: no object that is meant has {key:?} there", w.path), hint))
        }
        None => Some((format!("{}: no object that is meant has it", w.path), remove.to_owned())),
    }
}

/// The first object, when the path names an element of a list and none of the objects meant has it.
fn places(w: &Written<'_>, objects: &[Object]) -> Result<Option<String>, String> {
    let Ok(path) = FieldPath::parse(w.path) else { return Ok(None) };
    let mut first = None;
    for object in objects.iter().filter(|o| w.objects.matches(&o.id)) {
        if !path.places(&object.json()).map_err(|e| format!("{e} (in {})", object.id))?.is_empty() {
            return Ok(None);
        }
        first.get_or_insert_with(|| object.id.to_string());
    }
    Ok(first.filter(|_| path.names_an_element()))
}

fn in_app(app: &LoadedApp, w: &Written<'_>, message: &str) -> Problem {
    let path = ["spec", "drift", w.list, &w.rule.to_string(), "paths", &w.at.to_string()];
    app.problem(ProblemKind::BadValue, &path, format!("spec.drift.{}: {message}", w.list))
}

fn in_cloud(repository: &Repository, w: &Written<'_>, message: &str) -> Problem {
    let path = ["spec", "defaults", "drift", w.list, &w.rule.to_string(), "paths", &w.at.to_string()];
    Problem::new(ProblemKind::BadValue, CLOUD_FILE, format!("spec.defaults.drift.{}: {message}", w.list))
        .at(repository.pos(&path))
}
