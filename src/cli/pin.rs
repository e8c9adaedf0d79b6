//! `retune pin APP REV`: one app at a revision of its own.

use std::path::PathBuf;

use serde_json::json;

use super::live::{self, CloudArgs};
use super::rollback::{open, resolve};
use super::{CommandError, Exit, Ui, hold};
use crate::cluster::client::Client;
use crate::cluster::state;

/// Arguments of `retune pin`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The app is taken from that revision whatever the branch says, until `retune resume APP`; the rest of the cloud follows the branch. The same as
spec.pins of the CloudSync; it survives restarts, and guards hold as ever. `retune status` lists the apps that are not at the cloud's revision.

Examples:
  retune pin keystone HEAD~2 --reason 'login fails since 2026.1.9'
  retune pin nova 4f2a9c81d0 --cloud lab")]
pub(super) struct Args {
    /// The app.
    app: String,
    /// A commit, its beginning, a tag, a branch, or one of these with ~N.
    revision: String,
    /// Why, for those who look.
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
    /// Where mirrors of remote repositories are kept. [default: ~/.local/state/retune/CLOUD]
    #[arg(long, alias = "data", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// A PEM file of certificates to trust for https remotes, besides the system's.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    #[command(flatten)]
    cloud: CloudArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let cloud = args.cloud.cloud.clone();
    let (revision, subject) = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        pin(&client, &cloud, &args.app, &args.revision, &args.reason, args.state_dir, args.ca_file).await
    })?;
    let (app, short) = (&args.app, revision.get(..10).unwrap_or(&revision));
    ui.line(&format!("app {app} is pinned to {short} ({subject}); `retune resume {app}` ends it"))?;
    Ok(Exit::Success)
}

/// Declares a pin of an app; gives the commit's id and subject.
pub(super) async fn pin(
    client: &Client,
    cloud: &str,
    app: &str,
    wanted: &str,
    reason: &str,
    state_dir: Option<PathBuf>,
    ca_file: Option<PathBuf>,
) -> Result<(String, String), CommandError> {
    let found = live::cloudsync(client, cloud).await?;
    let inventory = state::list_inventory(client, cloud).await.map_err(live::api)?;
    if !inventory.iter().any(|i| i.spec.app == app) {
        return Err(
            CommandError::user(format!("cloud {cloud} has no app {app}")).hint(hold::apps(&inventory))
        );
    }
    let state_dir = live::state_dir(state_dir, cloud)?.join("git-cli");
    let (repo, branch) = (found.spec.source.repo.clone(), found.spec.source.branch.clone());
    let (wanted, ca_file) = (wanted.to_owned(), ca_file);
    let target =
        tokio::task::spawn_blocking(move || resolve(&open(&repo, &branch, state_dir, ca_file)?, &wanted))
            .await
            .map_err(CommandError::internal)??;
    let (revision, subject) = (target.commit.as_str().to_owned(), target.subject);
    let patch = json!({"pins": {app: {"revision": revision, "reason": reason, "by": live::whoami()}}});
    let after = state::patch_cloudsync_spec(client, cloud, &patch).await.map_err(live::api)?;
    if !after.spec.pins.contains_key(app) {
        return Err(CommandError::refused(
            "the cluster's CloudSync kind does not know pins of apps yet: nothing is pinned",
        )
        .hint("run `retune install` with this version"));
    }
    Ok((revision, subject))
}
