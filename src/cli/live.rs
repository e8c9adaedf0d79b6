//! What the commands that talk to a cluster share: connection arguments, the runtime, errors with their exit codes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::CommandError;
use crate::cluster::client::{Client, ConnectOptions};
use crate::cluster::crd::CloudSync;
use crate::cluster::error::{ApiError, ErrorKind};
use crate::cluster::{lease, state};
use crate::sync::follow::{FollowOptions, RenderSeed};
use crate::sync::start::StartError;

/// Which cluster.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct ConnectArgs {
    /// The kubeconfig file; else KUBECONFIG, then ~/.kube/config, then the pod's service account.
    #[arg(long, value_name = "FILE", help_heading = "Cluster")]
    kubeconfig: Option<PathBuf>,
    /// The context to use instead of the kubeconfig's current one.
    #[arg(long, value_name = "NAME", help_heading = "Cluster")]
    context: Option<String>,
}

impl ConnectArgs {
    pub(super) fn options(&self) -> ConnectOptions {
        ConnectOptions { kubeconfig: self.kubeconfig.clone(), context: self.context.clone() }
    }

    pub(super) async fn connect(&self) -> Result<Client, CommandError> {
        Client::connect(&self.options()).await.map_err(api)
    }
}

/// Which cloud of that cluster.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct CloudArgs {
    /// The cloud: the name of its CloudSync in namespace retune-system.
    #[arg(long, alias = "name", default_value = "default", value_name = "NAME")]
    pub(super) cloud: String,
    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

/// A single-threaded runtime for commands that ask a few questions.
pub(super) fn block_on<T>(work: impl Future<Output = Result<T, CommandError>>) -> Result<T, CommandError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| CommandError::internal(format!("no runtime: {e}")))?;
    runtime.block_on(work)
}

/// An API error with its exit code.
pub(super) fn api(error: ApiError) -> CommandError {
    let kind = error.kind;
    let error_text = error.to_string();
    match kind {
        ErrorKind::Transient | ErrorKind::LostResponse | ErrorKind::NotServing | ErrorKind::Expired => {
            CommandError::unavailable(error_text)
        }
        ErrorKind::Denied => {
            CommandError::refused(error_text).hint("see `retune install --print` for the roles")
        }
        _ => CommandError::user(error_text),
    }
}

/// A start error with its exit code.
pub(super) fn start(error: StartError) -> CommandError {
    match error {
        StartError::Api(error) => api(error),
        StartError::Refused(text) => CommandError::refused(text),
        other => CommandError::config(other.to_string()),
    }
}

/// The `CloudSync`, or the error that there is none.
pub(super) async fn cloudsync(client: &Client, cloud: &str) -> Result<CloudSync, CommandError> {
    match state::get_cloudsync(client, cloud).await {
        Ok(Some(found)) => Ok(found),
        Ok(None) => Err(CommandError::user(format!("there is no CloudSync {cloud} in retune-system"))
            .hint("name it with --cloud NAME; `kubectl get cloudsyncs -n retune-system` lists them; `retune run` creates one")),
        Err(error) if error.kind == ErrorKind::NotServing => {
            Err(CommandError::user("retune is not installed in this cluster").hint("run `retune install`"))
        }
        Err(error) => Err(api(error)),
    }
}

/// Whether a syncer leads this cloud now, and who.
pub(super) async fn leader(client: &Client, cloud: &str) -> Result<Option<String>, CommandError> {
    Ok(lease::holder(client, &format!("retune-{cloud}")).await.map_err(api)?.map(|h| h.identity))
}

/// What to render: the source of the command line, else the `CloudSync`'s.
pub(super) fn follow_options(
    source: &super::run::SourceArgs,
    found: Option<&CloudSync>,
    cloud: &str,
    pin: Option<String>,
    state_dir: &Path,
    seed: Option<RenderSeed>,
) -> Result<FollowOptions, CommandError> {
    let profile = source.profile.clone().or_else(|| found.map(|c| c.spec.profile.clone()));
    let ca_file = source.ca_file.clone();
    let own_source = source.repo.is_none();
    let pins = found
        .iter()
        .filter(|_| own_source)
        .flat_map(|c| &c.spec.pins)
        .map(|(app, p)| (app.clone(), p.revision.clone()))
        .collect();
    let charts = source.charts(state_dir);
    let source = source.spec().or_else(|| found.map(|c| c.spec.source.clone())).ok_or_else(|| {
        CommandError::user(format!("there is no CloudSync {cloud}"))
            .hint("give --repo, or name the cloud with --cloud")
    })?;
    Ok(FollowOptions {
        repo: source.repo,
        branch: source.branch,
        path: source.path,
        profile: profile.unwrap_or_default(),
        pin,
        pins,
        interval: Duration::from_secs(60),
        state_dir: state_dir.join("git-cli"),
        ca_file,
        seed,
        charts,
        inputs: Default::default(),
    })
}

/// Who asks, for the record: `user@host`.
pub(super) fn whoami() -> String {
    let user =
        std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).unwrap_or_else(|_| "unknown".into());
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{user}@{}", host.trim())
}

/// The default folder for ledgers, mirrors and identities: `$XDG_STATE_HOME/retune/CLOUD`.
pub(super) fn state_dir(given: Option<PathBuf>, cloud: &str) -> Result<PathBuf, CommandError> {
    if let Some(given) = given {
        return Ok(given);
    }
    let base = std::env::var_os("XDG_STATE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".local/state")))
        .ok_or_else(|| {
            CommandError::config("neither XDG_STATE_HOME nor HOME is set").hint("give --state-dir DIR")
        })?;
    Ok(base.join("retune").join(cloud))
}
