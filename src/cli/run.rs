//! `retune run`: the syncer.

use std::path::{Path, PathBuf};

use super::charts::ChartArgs;
use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Ui};
use crate::cluster::crd::SourceSpec;
use crate::source::charts;
use crate::sync::engine::Ended;
use crate::sync::start::{self, SyncerOptions};

/// Where the desired state is.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SourceArgs {
    /// The Git repository: a path, file:// or http(s)://. Without it the existing CloudSync says.
    #[arg(long, value_name = "PATH|URL", help_heading = "Source")]
    pub(super) repo: Option<String>,
    /// The branch, tag (tags/NAME) or commit to follow.
    #[arg(long, value_name = "REF", default_value = "main", help_heading = "Source")]
    pub(super) branch: String,
    /// The folder in the repository that holds retune.yaml.
    #[arg(long, value_name = "DIR", default_value = ".", help_heading = "Source")]
    pub(super) path: String,
    /// The profile: base, aio, ... [default: the CloudSync's, else what retune.yaml says, else base]
    #[arg(long, value_name = "NAME", help_heading = "Source")]
    pub(super) profile: Option<String>,
    /// A PEM file of certificates to trust for https remotes and chart repositories, besides the system's.
    #[arg(long, value_name = "FILE", help_heading = "Source")]
    pub(super) ca_file: Option<PathBuf>,
    #[command(flatten)]
    charts: ChartArgs,
}

impl SourceArgs {
    /// How charts are got; packages are kept in the state folder.
    pub(super) fn charts(&self, state_dir: &Path) -> charts::Settings {
        self.charts.settings(state_dir.join("charts"), self.ca_file.clone(), false)
    }

    /// As the `CloudSync` has it. Local paths are made absolute: the syncer may be restarted elsewhere.
    pub(super) fn spec(&self) -> Option<SourceSpec> {
        let repo = self.repo.clone()?;
        let local = !repo.contains("://");
        let repo = match std::fs::canonicalize(&repo) {
            Ok(path) if local => path.display().to_string(),
            _ => repo,
        };
        Some(SourceSpec { repo, branch: self.branch.clone(), path: self.path.clone() })
    }
}

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum LogFormat {
    /// One line for people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Arguments of `retune run`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Follows the repository, applies what changed, corrects drift as it happens. Without --repo it takes the CloudSync that exists; with it,
the CloudSync is created or brought in line. retune's CRDs are installed if they are missing.
Suspend, pin and approve through the CloudSync (`retune suspend`, `rollback --pin`, `approve`, or kubectl).
SIGTERM and SIGINT finish the writes in flight; a second one ends at once.

Examples:
  retune run --repo /srv/cloud --branch main --profile aio --cloud lab
  retune run --repo https://git.example.org/cloud.git --interval 30s --kubeconfig admin.kubeconfig")]
pub(super) struct Args {
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// How often a remote is asked, e.g. 30s (local repositories are followed at once). [default: 60s]
    #[arg(long, value_name = "TIME", help_heading = "Source")]
    interval: Option<String>,
    /// Where the ledger, mirrors and this syncer's identity are kept. [default: ~/.local/state/retune/CLOUD]
    #[arg(long, alias = "data", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Do not install retune's CRDs, namespace and roles if they are missing.
    #[arg(long)]
    no_install: bool,
    /// How to write logs.
    #[arg(long, value_enum, default_value = "text", value_name = "FORMAT")]
    log_format: LogFormat,
}

pub(super) fn run(args: Args, _ui: &mut Ui) -> Result<Exit, CommandError> {
    init_logs(args.log_format);
    if let Some(interval) = &args.interval
        && crate::sync::control::duration(interval).is_none()
    {
        return Err(CommandError::cli(format!("--interval {interval}: not a time such as 30s, 5m or 1h")));
    }
    let options = options(&args.cloud, &args.source, args.state_dir)?;
    match run_syncer(SyncerOptions { interval: args.interval, install: !args.no_install, ..options })? {
        Ended::CloudSyncGone => {
            Err(CommandError::refused("the CloudSync was deleted: the cloud is left as it is"))
        }
        _ => Ok(Exit::Success),
    }
}

/// What a syncer of this cloud is started with.
fn options(
    cloud: &CloudArgs,
    source: &SourceArgs,
    state_dir: Option<PathBuf>,
) -> Result<SyncerOptions, CommandError> {
    let state_dir = live::state_dir(state_dir, &cloud.cloud)?;
    Ok(SyncerOptions {
        connect: cloud.connect.options(),
        charts: source.charts(&state_dir),
        state_dir,
        source: source.spec(),
        profile: source.profile.clone(),
        ca_file: source.ca_file.clone(),
        interval: None,
        install: true,
        once: false,
        cloud: cloud.cloud.clone(),
    })
}

/// For commands that find no syncer: this process takes the Lease, syncs once with what is asked for in the `CloudSync`, and gives it back.
pub(super) fn sync_once(
    cloud: &CloudArgs,
    source: &SourceArgs,
    state_dir: Option<PathBuf>,
    install: bool,
) -> Result<Ended, CommandError> {
    init_logs(LogFormat::Text);
    run_syncer(SyncerOptions { install, once: true, ..options(cloud, source, state_dir)? })
}

/// Runs a syncer with signal handling on its own runtime.
fn run_syncer(options: SyncerOptions) -> Result<Ended, CommandError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(std::thread::available_parallelism().map_or(2, usize::from).min(4))
        .enable_all()
        .build()
        .map_err(|e| CommandError::internal(format!("no runtime: {e}")))?;
    let result = runtime.block_on(async {
        let (tell, stop) = tokio::sync::watch::channel(false);
        tokio::spawn(signals(tell));
        start::run(options, stop).await.map_err(live::start)
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}

/// The first signal ends in order, the second at once.
async fn signals(tell: tokio::sync::watch::Sender<bool>) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    let mut first = true;
    loop {
        // 128 and the signal's number, as a shell has it.
        let code = tokio::select! {
            Some(()) = term.recv() => 143,
            Some(()) = int.recv() => 130,
            else => return,
        };
        if !first {
            std::process::exit(code);
        }
        first = false;
        let _ = tell.send(true);
    }
}

/// Logs on stderr; `RETUNE_LOG` filters them (`retune=debug`).
fn init_logs(format: LogFormat) {
    use std::io::IsTerminal;
    let filter = tracing_subscriber::EnvFilter::try_from_env("RETUNE_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("retune=info,warn"));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A subscriber set before (by a test) stays.
    let _ = match format {
        LogFormat::Json => builder.json().try_init(),
        LogFormat::Text => {
            let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
            builder.with_ansi(std::io::stderr().is_terminal() && !no_color).try_init()
        }
    };
}
