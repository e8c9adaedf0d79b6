//! `retune check DIR`: is this repository right? Reads and renders everything, without a cluster; only charts that are locked and not in
//! the cache are fetched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::folder::{self, UpstreamArgs};
use super::ui::{Format, OutputArgs};
use super::{CommandError, Exit, Ui};
use crate::cloud::{
    Composed, Layers, Offline, Options, Problem, ProblemKind, check_reach, load, lock, render_loaded, rules,
};
use crate::files::FileTree;

/// Arguments of `retune check`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads retune.yaml, apps/*.yaml and rules/*.yaml, renders every app in every profile, holds every object against the rules, \
and reports what is wrong with file, line and column. Nothing is applied and no cluster is asked; the network only for \
remote bases that are pinned to a commit (never with --offline). Kinds that no CRD of the repository defines count as \
namespaced. Live inputs (spec.inputs) that are not given have placeholders. Charts of repositories come from the cache or are fetched as retune.lock says (--offline: cache only).

Examples:
  retune check .
  retune check --profile aio -o json . | jq '.problems[].file'

Exit codes: 0 nothing found, 1 findings, 2 the folder cannot be read.")]
pub(super) struct Args {
    /// The folder that holds retune.yaml.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Check only this profile; can be given more than once. If left out: all of them.
    #[arg(long, value_name = "PROFILE")]
    profile: Vec<String>,
    #[command(flatten)]
    upstream: UpstreamArgs,
    #[cfg(feature = "syncer")]
    #[command(flatten)]
    charts: super::charts::FolderChartArgs,
    #[command(flatten)]
    inputs: super::inputs::InputArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What `-o json` prints.
#[derive(Debug, Default, Serialize)]
struct Report {
    problems: Vec<Problem>,
    /// Per profile that renders.
    profiles: BTreeMap<String, Counts>,
}

#[derive(Debug, Serialize)]
struct Counts {
    apps: usize,
    objects: usize,
    digest: String,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let tree = folder::open(&args.dir)?;
    let upstream = args.upstream.open()?;
    let remote = folder::remotes(args.upstream.offline);
    let layers = Layers { site: &tree, upstream: upstream.as_ref().map(|t| t as &dyn FileTree) };
    #[cfg(feature = "syncer")]
    let store = args.charts.store(args.upstream.offline)?;
    let inputs = args.inputs.open(true)?;
    let options = Options {
        inputs: &inputs,
        #[cfg(feature = "syncer")]
        charts: Some(&store),
        seed: Some(folder::PREVIEW_SEED),
        threads: folder::threads(),
        remote: remote.as_ref().map(folder::as_remote),
        ..Options::new(&Offline)
    };
    let mut report = report(layers, &args.profile, &options);
    if matches!(tree.kind(lock::LOCK_FILE), Ok(None)) {
        report.problems = folded(report.problems, &args.dir);
    }
    if args.output.output == Format::Json {
        ui.json(&report)?;
    } else {
        folder::print(&report.problems, Some(&args.dir), ui)?;
        for (profile, counts) in &report.profiles {
            let Counts { apps, objects, .. } = counts;
            let name = ui.paint(ui.styles().name, profile);
            ui.line(&format!("{name}: {apps} apps, {objects} objects"))?;
        }
    }
    Ok(if report.problems.is_empty() { Exit::Success } else { Exit::Negative })
}

/// Without any `retune.lock`, one finding for all charts instead of one for each app.
fn folded(problems: Vec<Problem>, dir: &Path) -> Vec<Problem> {
    let (locks, mut rest): (Vec<_>, Vec<_>) =
        problems.into_iter().partition(|p| p.kind == ProblemKind::Lock && p.app.is_some());
    let apps: BTreeSet<&str> = locks.iter().filter_map(|p| p.app.as_deref()).collect();
    if apps.len() < 2 {
        rest.extend(locks);
        rest.sort();
        return rest;
    }
    let names = apps.iter().copied().collect::<Vec<_>>().join(", ");
    let message = format!(
        "there is none, so the charts of {} apps could not be rendered and no rule was held against an object ({names}); all else was checked",
        apps.len()
    );
    let hint = format!(
        "run `retune lock {}` where the network reaches the chart repositories and commit the file, or give a folder of charts with --chart-source '*=FOLDER'",
        dir.display()
    );
    rest.push(Problem::new(ProblemKind::Lock, lock::LOCK_FILE, message).hint(hint));
    rest
}

fn report(layers: Layers<'_>, profiles: &[String], options: &Options<'_>) -> Report {
    let mut report = Report::default();
    let composed = match Composed::new(layers) {
        Ok(composed) => composed,
        Err(problems) => return Report { problems, ..report },
    };
    let repository = match load(&composed) {
        Ok(repository) => repository,
        Err(problems) => return Report { problems, ..report },
    };
    let rules = match rules::load(&*composed.tree()) {
        Ok(rules) => rules,
        Err(problems) => return Report { problems, ..report },
    };
    let profiles = if profiles.is_empty() { &repository.cloud.spec.profiles } else { profiles };
    let mut clouds = Vec::new();
    for profile in profiles {
        match render_loaded(&composed, &repository, profile, options) {
            Ok(cloud) => {
                report.problems.extend(rules::check(&cloud, &rules));
                let objects = cloud.apps.iter().map(|a| a.objects.len() + a.hooks.len()).sum();
                let counts = Counts { apps: cloud.apps.len(), objects, digest: cloud.digest.to_string() };
                report.profiles.insert(profile.clone(), counts);
                clouds.push(cloud);
            }
            Err(problems) => report.problems.extend(problems),
        }
    }
    if clouds.len() == profiles.len() {
        report.problems.extend(check_reach(&repository, &clouds));
    }
    report.problems.sort();
    report.problems.dedup();
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_lock_there_is_one_finding_for_all_charts_beside_the_others() {
        let of = |app: &str, kind| Problem::new(kind, &format!("apps/{app}.yaml"), "x").of_app(app);
        let (a, b) = (of("a", ProblemKind::Lock), of("b", ProblemKind::Lock));
        let other = of("c", ProblemKind::BadValue);
        let found = folded(vec![a.clone(), a.clone(), b, other.clone()], Path::new("dir"));
        assert_eq!(found[0], other);
        assert_eq!(found.len(), 2);
        let said = found[1].to_string();
        assert!(said.starts_with("retune.lock: there is none, so the charts of 2 apps"), "{said}");
        assert!(said.contains("(a, b)") && said.contains("`retune lock dir`"), "{said}");
        assert_eq!(folded(vec![a.clone()], Path::new("dir")), [a]);
    }
}
