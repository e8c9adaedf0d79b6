//! `retune lock DIR`: writes `retune.lock`, which says the bytes of every chart that comes from a repository.
//!
//! Every profile is rendered, and what the renders ask for is what the file gets: charts of apps, dependencies of charts in the
//! repository that are not vendored.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::charts::FolderChartArgs;
use super::folder::{self, UpstreamArgs};
use super::ui::{Format, OutputArgs};
use super::{CommandError, Exit, Ui};
use crate::cloud::load::read_lock;
use crate::cloud::lock::{Change, LOCK_FILE};
use crate::cloud::{Composed, Layers, Lock, Offline, Options, Problem, ProblemKind, load, render_loaded};
use crate::files::FileTree;
use crate::source::charts::Resolver;
use crate::source::charts::resolve::Update;

/// Arguments of `retune lock`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Renders every app in every profile, looks up the charts that come from repositories and are not locked yet, and writes retune.lock. What is locked
stays as it is, until --update. Entries that nothing asks for any more go. Commit the file: `run`, `render` and `check` take no chart that is not in it,
and none whose bytes are others.

Examples:
  retune lock                      after a version was changed in helm-chart-versions.yaml
  retune lock --update keystone    look a range up again, or accept that upstream replaced a package
  retune lock --check              in CI: is the file complete?

Exit codes: 0 done; with --check: 1 the file would change; 2 error, 4 a repository does not answer.")]
pub(super) struct Args {
    /// The folder that holds retune.yaml.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Look up locked charts again: those named, or all of them.
    #[arg(long, value_name = "CHART", num_args = 0.., conflicts_with = "check")]
    update: Option<Vec<String>>,
    /// Write nothing; exit code 1 if the file would change. Charts that are not locked are not looked up.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    upstream: UpstreamArgs,
    #[command(flatten)]
    charts: FolderChartArgs,
    #[command(flatten)]
    output: OutputArgs,
}

/// What `-o json` prints.
#[derive(Serialize)]
struct Report {
    changes: Vec<String>,
    problems: Vec<Problem>,
    charts: usize,
    written: bool,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let tree = folder::open(&args.dir)?;
    let upstream = args.upstream.open()?;
    let upstream = upstream.as_ref().map(|t| t as &dyn FileTree);
    let remote = folder::remotes(args.upstream.offline);
    let store = args.charts.store(args.upstream.offline)?;
    let composed =
        Composed::new(Layers { site: &tree, upstream }).map_err(|p| folder::failed(&p, &args.dir))?;
    let repository = load(&composed).map_err(|p| folder::failed(&p, &args.dir))?;
    let update = Update {
        all: args.update.as_ref().is_some_and(Vec::is_empty),
        names: args.update.iter().flatten().cloned().collect(),
        frozen: args.check,
    };
    let resolver = Resolver::new(&store, update);
    let options = Options {
        seed: Some(folder::PREVIEW_SEED),
        threads: folder::threads(),
        charts: Some(&resolver),
        remote: remote.as_ref().map(folder::as_remote),
        ..Options::new(&Offline)
    };
    let mut problems = Vec::new();
    for profile in &repository.cloud.spec.profiles {
        problems.extend(render_loaded(&composed, &repository, profile, &options).err().into_iter().flatten());
    }
    problems.sort();
    problems.dedup();
    let lower = match composed.upper() {
        Some(_) => read_lock(composed.lower()).map_err(|p| folder::failed(&p, &args.dir))?,
        None => Lock::default(),
    };
    let old = read_lock(&tree).map_err(|p| folder::failed(&p, &args.dir))?;
    let new = assemble(&old, &lower, resolver.finish(), problems.is_empty());
    let changes = old.changes(&new);
    // Without the charts the file would be incomplete; other findings are `retune check`'s business.
    let about_charts =
        |p: &&Problem| matches!(p.kind, ProblemKind::Chart | ProblemKind::Lock | ProblemKind::Unreachable);
    let missing: Vec<Problem> = problems.iter().filter(about_charts).cloned().collect();
    let write = missing.is_empty() && !args.check && !changes.is_empty();
    if write {
        let text = new.to_text().map_err(CommandError::internal)?;
        replace(&args.dir.join(LOCK_FILE), &text)?;
    }
    if args.output.output == Format::Json {
        let changes = changes.iter().map(ToString::to_string).collect();
        ui.json(&Report { changes, problems: problems.clone(), charts: new.iter().count(), written: write })?;
    } else {
        tell(&changes, &problems, &missing, &args, new.iter().count(), ui)?;
    }
    if args.check {
        let same = changes.is_empty() && missing.is_empty();
        return Ok(if same { Exit::Success } else { Exit::Negative });
    }
    if missing.is_empty() {
        return Ok(Exit::Success);
    }
    let text = format!("{LOCK_FILE} is not written: {} of the charts cannot be got or read", missing.len());
    Err(match missing.iter().all(|p| p.kind == ProblemKind::Unreachable) {
        true => CommandError::unavailable(text),
        false => CommandError::user(text),
    })
}

/// What was asked for, without what the upstream's lock has just so. Entries that nobody asked for go, if everything could be asked.
fn assemble(old: &Lock, lower: &Lock, asked: Lock, complete: bool) -> Lock {
    let mut new = if complete { Lock::default() } else { old.clone() };
    new.extend(asked);
    new.retain(|chart, locked| lower.get(chart) != Some(locked));
    new
}

fn tell(
    changes: &[Change],
    problems: &[Problem],
    missing: &[Problem],
    args: &Args,
    count: usize,
    ui: &mut Ui,
) -> Result<(), CommandError> {
    for change in changes {
        let line = change.to_string();
        let style = match line.as_bytes().first() {
            Some(b'+') => ui.styles().good,
            Some(b'-') => ui.styles().bad,
            _ => ui.styles().warning,
        };
        let line = ui.paint(style, &line);
        ui.line(&line)?;
    }
    folder::print(missing, Some(&args.dir), ui)?;
    let others = problems.len() - missing.len();
    if others > 0 {
        ui.line(&format!(
            "{others} other findings: see `retune check`; entries that nothing asks for are kept"
        ))?;
    }
    let charts = if count == 1 { "1 chart".to_owned() } else { format!("{count} charts") };
    ui.line(&match (changes.is_empty() && missing.is_empty(), args.check) {
        (true, _) => format!("{LOCK_FILE}: {charts}, nothing changes"),
        (false, true) => format!("{LOCK_FILE} is not complete; run `retune lock` and commit it"),
        (false, false) => format!("{LOCK_FILE}: {charts}, {} changed", changes.len()),
    })
}

/// Writes the file beside its place and renames it: a lock is whole or the old one.
fn replace(path: &Path, text: &str) -> Result<(), CommandError> {
    let temp = path.with_extension(format!("lock.{}", std::process::id()));
    std::fs::write(&temp, text).and_then(|()| std::fs::rename(&temp, path)).map_err(|e| {
        // The error that counts is the first one.
        let _ = std::fs::remove_file(&temp);
        CommandError::user(format!("{}: {e}", path.display()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{ChartRef, Digest, Locked};

    fn lock(entries: &[(&str, &str)]) -> Lock {
        let mut lock = Lock::default();
        for (name, version) in entries {
            let chart =
                ChartRef { repository: "https://h".into(), name: (*name).into(), version: "^1".into() };
            lock.insert(chart, Locked { version: (*version).into(), digest: Digest::of(version.as_bytes()) });
        }
        lock
    }

    #[test]
    fn a_site_repeats_nothing_of_its_upstreams_lock_and_keeps_what_it_has_otherwise() {
        let upstream = lock(&[("same", "1.0.0"), ("other", "1.0.0")]);
        let asked = lock(&[("same", "1.0.0"), ("other", "1.1.0"), ("own", "1.0.0")]);
        let made = assemble(&Lock::default(), &upstream, asked, true);
        assert_eq!(made, lock(&[("other", "1.1.0"), ("own", "1.0.0")]));
    }

    #[test]
    fn entries_go_only_when_everything_could_be_asked() {
        let (old, asked) = (lock(&[("gone", "1.0.0"), ("kept", "1.0.0")]), lock(&[("kept", "1.1.0")]));
        assert_eq!(assemble(&old, &Lock::default(), asked.clone(), true), asked);
        let partly = assemble(&old, &Lock::default(), asked, false);
        assert_eq!(partly, lock(&[("gone", "1.0.0"), ("kept", "1.1.0")]));
    }
}
