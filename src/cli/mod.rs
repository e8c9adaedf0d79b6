//! The command line: one module per command, one error type, one way to write to the terminal.
//!
//! # Exit codes
//! | code | meaning |
//! |---|---|
//! | 0 | done; for `diff` and `drift`: nothing differs; for `check`: nothing found |
//! | 1 | the answer is "no": `diff` shows changes, `check` has findings |
//! | 2 | error: wrong arguments, a broken repository, an unusable configuration |
//! | 3 | refused: a guard withheld the action, or another writer holds the cloud |
//! | 4 | unavailable: the cluster or a remote did not answer; trying again may help |
//! | 70 | a defect in retune |
//! | 141 | the reader of the output went away (as a shell reports SIGPIPE) |
//!
//! `kustomize build` and `helm template` end as the originals do, with 1 on any error.
//!
//! Each command module has `Args` (clap) and `run(args, &mut Ui) -> Result<Exit, CommandError>`. Without the feature
//! `syncer` only the commands that work on folders are built.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub mod error;
pub mod ui;

#[cfg(feature = "syncer")]
mod adopt;
#[cfg(feature = "syncer")]
mod approve;
#[cfg(feature = "syncer")]
mod charts;
mod check;
mod completions;
#[cfg(feature = "syncer")]
mod diff;
#[cfg(feature = "syncer")]
mod drift;
mod folder;
mod helm;
mod helm_files;
mod helm_folder;
#[cfg(feature = "syncer")]
mod history;
#[cfg(feature = "syncer")]
mod hold;
mod inputs;
#[cfg(feature = "syncer")]
mod install;
#[cfg(feature = "age")]
mod key;
mod kustomize;
#[cfg(feature = "syncer")]
mod live;
#[cfg(feature = "syncer")]
mod lock;
#[cfg(feature = "syncer")]
mod pin;
mod render;
#[cfg(feature = "syncer")]
mod resume;
#[cfg(feature = "syncer")]
mod rollback;
#[cfg(feature = "syncer")]
mod rotate;
#[cfg(feature = "syncer")]
mod run;
mod schema;
#[cfg(feature = "syncer")]
mod status;
#[cfg(feature = "syncer")]
mod suspend;
#[cfg(feature = "syncer")]
mod sync;
#[cfg(feature = "syncer")]
mod test;
#[cfg(feature = "syncer")]
mod why;

pub use error::{CommandError, ErrorKind};
pub use ui::{ColorChoice, Format, OutputArgs, Ui};

/// How a command that did its work ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, nothing to report: 0.
    Success,
    /// Done, and the answer is "no": 1 (`diff` shows changes, `check` has findings).
    Negative,
}

/// Keeps a live Kubernetes cloud in tune with its Git repository.
#[derive(Debug, Parser)]
#[command(name = "retune", version, propagate_version = true, after_help = EXIT_CODES)]
struct Cli {
    /// When to use colour; NO_COLOR turns it off where this is `auto`.
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, value_name = "WHEN")]
    color: ColorChoice,

    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 done, 1 the answer is no (diff: changes, check: findings), 2 error, \
3 refused by a guard, 4 unavailable (try again), 70 defect in retune.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Keep a cloud in tune: follow the repository, apply, correct drift.
    #[cfg(feature = "syncer")]
    Run(run::Args),
    /// Sync now: ask the running syncer, or do it here when there is none.
    #[cfg(feature = "syncer")]
    Sync(sync::Args),
    /// Run an app's test hooks. Exit code 0: passed, 1: failed.
    #[cfg(feature = "syncer")]
    Test(test::Args),
    /// Show what a sync would change. Exit code 0: nothing, 1: changes.
    #[cfg(feature = "syncer")]
    Diff(diff::Args),
    /// Show how the cluster differs from what was applied, and whose each field is. Exit code 0: nothing drifted, 1: something.
    #[cfg(feature = "syncer")]
    Drift(drift::Args),
    /// Show how a cloud stands.
    #[cfg(feature = "syncer")]
    Status(status::Args),
    /// Explain what an app waits for, down to the bottom.
    #[cfg(feature = "syncer")]
    Why(why::Args),
    /// Show past syncs and drift from the ledger.
    #[cfg(feature = "syncer")]
    History(history::Args),
    /// Make another revision live.
    #[cfg(feature = "syncer")]
    Rollback(rollback::Args),
    /// Hold one app at a revision of its own.
    #[cfg(feature = "syncer")]
    Pin(pin::Args),
    /// Hands off an app or an object, until a time.
    #[cfg(feature = "syncer")]
    Hold(hold::Args),
    /// End a hold: what is pending is done.
    #[cfg(feature = "syncer")]
    Release(hold::ReleaseArgs),
    /// End a pin or a suspension: follow the branch again.
    #[cfg(feature = "syncer")]
    Resume(resume::Args),
    /// Stop applying, correcting and deleting until resumed.
    #[cfg(feature = "syncer")]
    Suspend(suspend::Args),
    /// Take over apps that helm and kubectl made, one at a time or all; and give them back.
    #[cfg(feature = "syncer")]
    Adopt(adopt::Args),
    /// Approve withheld actions by their digest.
    #[cfg(feature = "syncer")]
    Approve(approve::Args),
    /// Make other values for a generated Secret: a plan first.
    #[cfg(feature = "syncer")]
    Rotate(rotate::Args),
    /// Export and import the per-cloud key, encrypted.
    #[cfg(feature = "age")]
    Key(key::Args),
    /// Export and import the per-cloud key (not in this build: it needs the feature `age`).
    #[cfg(all(feature = "syncer", not(feature = "age")))]
    Key(NoAge),
    /// Install retune's CRDs and roles in a cluster.
    #[cfg(feature = "syncer")]
    Install(install::Args),
    /// Check a repository, without a cluster.
    Check(check::Args),
    /// Write retune.lock: the versions and digests of all charts that come from repositories.
    #[cfg(feature = "syncer")]
    Lock(lock::Args),
    /// Print what a repository means, as manifests.
    Render(render::Args),
    /// Print the JSON Schema of a configuration file.
    Schema(schema::Args),
    /// Build kustomizations as the original does.
    Kustomize(kustomize::Args),
    /// Charts, as Helm renders them.
    Helm(helm::Args),
    /// Print a completion script for a shell.
    Completions(completions::Args),
}

/// Whatever is asked of a command that this build does not have.
#[cfg(all(feature = "syncer", not(feature = "age")))]
#[derive(Debug, clap::Args)]
struct NoAge {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    _rest: Vec<String>,
}

impl Command {
    fn run(self, ui: &mut Ui) -> Result<Exit, CommandError> {
        match self {
            #[cfg(feature = "syncer")]
            Self::Run(args) => run::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Sync(args) => sync::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Test(args) => test::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Diff(args) => diff::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Drift(args) => drift::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Status(args) => status::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Why(args) => why::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::History(args) => history::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Rollback(args) => rollback::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Pin(args) => pin::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Hold(args) => hold::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Release(args) => hold::release(args, ui),
            #[cfg(feature = "syncer")]
            Self::Resume(args) => resume::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Suspend(args) => suspend::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Adopt(args) => adopt::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Approve(args) => approve::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Rotate(args) => rotate::run(args, ui),
            #[cfg(feature = "age")]
            Self::Key(args) => key::run(args, ui),
            #[cfg(all(feature = "syncer", not(feature = "age")))]
            Self::Key(NoAge { .. }) => {
                Err(CommandError::cli("this retune was built without age, and cannot encrypt a key")
                    .hint("build it with `cargo build --release --features age`"))
            }
            #[cfg(feature = "syncer")]
            Self::Install(args) => install::run(args, ui),
            Self::Check(args) => check::run(args, ui),
            #[cfg(feature = "syncer")]
            Self::Lock(args) => lock::run(args, ui),
            Self::Kustomize(args) => kustomize::run(args, ui),
            Self::Render(args) => render::run(args, ui),
            Self::Schema(args) => schema::run(args, ui),
            Self::Helm(args) => helm::run(args, ui),
            Self::Completions(args) => completions::run(args, &mut Cli::command(), ui),
        }
    }
}

/// One renderer's own part of the command line. Renderers are started once for each chart or kustomization, and the arguments of all the
/// other commands would be a sixth of such a start.
#[derive(Debug, Parser)]
#[command(name = "retune", version, propagate_version = true)]
struct RendererCli<C: Subcommand> {
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto)]
    color: ColorChoice,

    #[command(subcommand)]
    command: C,
}

#[derive(Debug, Subcommand)]
enum HelmOnly {
    Helm(helm::Args),
}

#[derive(Debug, Subcommand)]
enum KustomizeOnly {
    Kustomize(kustomize::Args),
}

impl Cli {
    /// The command line's meaning. What the renderers' part does not take, help and mistakes among it, is for the whole to answer.
    fn of(args: &[OsString]) -> Result<Self, clap::Error> {
        let renderer = match args.get(1).and_then(|name| name.to_str()) {
            Some("helm") => RendererCli::try_parse_from(args).ok().map(|cli| {
                let RendererCli { color, command: HelmOnly::Helm(args) } = cli;
                Self { color, command: Command::Helm(args) }
            }),
            Some("kustomize") => RendererCli::try_parse_from(args).ok().map(|cli| {
                let RendererCli { color, command: KustomizeOnly::Kustomize(args) } = cli;
                Self { color, command: Command::Kustomize(args) }
            }),
            _ => None,
        };
        renderer.map_or_else(|| Self::try_parse_from(args), Ok)
    }
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    run_with(std::env::args_os())
}

/// Runs a command line: the process's own, or one that a test made.
pub fn run_with(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let cli = match Cli::of(&args) {
        Ok(cli) => cli,
        Err(problem) => return error::end_of_clap(&problem, &args),
    };
    let mut ui = Ui::for_process(cli.color);
    let result = cli.command.run(&mut ui).and_then(|exit| {
        ui.flush()?;
        Ok(exit)
    });
    match result {
        Ok(Exit::Success) => ExitCode::SUCCESS,
        Ok(Exit::Negative) => ExitCode::from(1),
        Err(problem) => {
            // What was printed before the error still belongs to the reader; a failure to print it is the lesser news.
            let _ = ui.flush();
            problem.report(&mut ui);
            problem.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
        RendererCli::<HelmOnly>::command().debug_assert();
        RendererCli::<KustomizeOnly>::command().debug_assert();
    }

    #[test]
    fn the_renderers_command_line_means_what_the_whole_one_means() {
        let shown = |cli: Result<Cli, clap::Error>| cli.map(|c| format!("{c:?}")).map_err(|e| e.to_string());
        for line in [
            "helm template x chart --color never --set a=b -f c.yaml,d.yaml --api-versions v1 --show-only t.yaml",
            "helm template --color=always chart",
            "kustomize build --color auto --load-restrictor LoadRestrictionsNone dir",
            "kustomize build",
            "helm template",
            "helm template --nonsense",
            "helm --help",
            "helm --version",
            "kustomize build --help",
            "kustomize buidl",
        ] {
            let args: Vec<OsString> = format!("retune {line}").split(' ').map(OsString::from).collect();
            assert_eq!(shown(Cli::of(&args)), shown(Cli::try_parse_from(&args)), "{line}");
        }
    }
}
