//! What a chart of the repository lacks in `charts/`: its dependencies from chart repositories.

use super::load::tree_problem;
use super::problem::{Problem, ProblemKind};
use super::remote::ChartError;
use super::sources::Context;
use crate::files::EntryKind;
use crate::helm::{self, Chart, repository};
use crate::template::semver;

/// A chart that is not there, at the field that asks for it.
pub(super) fn remote_problem(context: &Context<'_>, field: &str, error: &ChartError) -> Problem {
    let problem = context.app.problem(error.problem_kind(), &["spec", "chart", field], error.message.clone());
    match &error.hint {
        Some(hint) => problem.hint(hint.clone()),
        None => problem,
    }
}

/// Adds what Chart.yaml takes from repositories and `charts/` lacks, in the versions that Chart.lock pins if there is one, as
/// `helm dependency build` does.
pub(super) fn add_dependencies(context: &Context<'_>, chart: &mut Chart, path: &str) -> Result<(), Problem> {
    let missing = chart.missing_dependencies();
    let wanted: Vec<_> = chart
        .metadata
        .dependencies
        .iter()
        .flatten()
        .filter(|d| {
            missing.contains(&d.name) && !d.repository.is_empty() && !d.repository.starts_with("file://")
        })
        .cloned()
        .collect();
    if wanted.is_empty() {
        return Ok(());
    }
    let file = if chart.metadata.api_version == "v1" { "requirements.lock" } else { "Chart.lock" };
    let file = format!("{path}/{file}");
    let wrong = |message: String| Problem::new(ProblemKind::Chart, &file, message);
    let locked = match context.tree.kind(&file).map_err(|e| tree_problem(&file, &e))? {
        Some(EntryKind::File) => {
            let bytes = context.tree.read(&file).map_err(|e| tree_problem(&file, &e))?;
            Some(repository::read_chart_lock(&bytes).map_err(wrong)?)
        }
        _ => None,
    };
    for dependency in wanted {
        let version = match &locked {
            None => dependency.version.clone(),
            Some(locked) => {
                let same = |l: &&helm::metadata::Dependency| {
                    l.name == dependency.name
                        && l.repository == dependency.repository
                        && semver::is_compatible(&dependency.version, &l.version)
                };
                match locked.iter().find(same) {
                    Some(found) => found.version.clone(),
                    None => {
                        let message = format!(
                            "out of sync with Chart.yaml: no version of {} in the range {:?} from {}",
                            dependency.name, dependency.version, dependency.repository
                        );
                        return Err(wrong(message).hint("run `helm dependency update` and commit the file"));
                    }
                }
            }
        };
        let fetched =
            context.remotes.fetch(&dependency.repository, &dependency.name, &version).map_err(|e| {
                let mut problem = remote_problem(context, "path", &e);
                problem.message = format!("dependency of {path}: {}", problem.message);
                problem
            })?;
        chart.dependencies.push((*fetched.chart).clone());
    }
    Ok(())
}
