//! `retune rollback REV`: another revision becomes live.

use std::path::PathBuf;

use serde_json::json;

use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Ui};
use crate::cluster::state;
use crate::source::git::{GitSource, Settings};

/// Arguments of `retune rollback`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --pin, the revision is made live at once and held, whatever the branch says, until `retune resume`: auto-sync honours it, and it
survives restarts. Any commit of the repository can be pinned, synced before or not; what it does not have is pruned under the same guards.
Without --pin, `git revert` and push is the way; making that commit is not built yet.

Examples:
  retune rollback HEAD~2 --pin --reason 'login fails since 2026.1.9'
  retune rollback 4f2a9c81d0 --pin --cloud lab")]
pub(super) struct Args {
    /// A commit, its beginning, a tag, a branch, or one of these with ~N.
    revision: String,
    /// Hold the revision live until `retune resume`.
    #[arg(long)]
    pin: bool,
    /// Why, for those who look.
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
    /// Where mirrors of remote repositories are kept. [default: ~/.local/state/retune/CLOUD]
    #[arg(long, alias = "data", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    cloud: CloudArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    if !args.pin {
        return Err(CommandError::cli(
            "rollback without --pin (a revert commit) is not supported by this version of retune",
        )
        .hint("use `git revert` and push, or `retune rollback REV --pin`"));
    }
    let cloud = args.cloud.cloud.clone();
    let state_dir = live::state_dir(args.state_dir, &cloud)?.join("git-cli");
    let (revision, subject) = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let found = live::cloudsync(&client, &cloud).await?;
        let (wanted, repo, branch) =
            (args.revision.clone(), found.spec.source.repo.clone(), found.spec.source.branch.clone());
        let (revision, subject) =
            tokio::task::spawn_blocking(move || resolve(&repo, &branch, &wanted, state_dir))
                .await
                .map_err(CommandError::internal)??;
        let pin = json!({"pin": {"revision": revision, "reason": args.reason, "by": live::whoami()}});
        state::patch_cloudsync_spec(&client, &cloud, &pin).await.map_err(live::api)?;
        Ok((revision, subject))
    })?;
    ui.line(&format!(
        "cloud {cloud} is pinned to {} ({subject}); `retune resume` ends it",
        revision.get(..10).unwrap_or(&revision)
    ))?;
    Ok(Exit::Success)
}

/// The full id of a revision of the repository that the cloud follows; `HEAD` is the branch it follows.
fn resolve(
    repo: &str,
    branch: &str,
    wanted: &str,
    state_dir: PathBuf,
) -> Result<(String, String), CommandError> {
    let user = |e: crate::source::git::GitError| CommandError::user(e.to_string());
    let settings = Settings {
        location: repo.to_owned(),
        reference: crate::sync::follow::reference(branch),
        state_dir,
        credentials: None,
        ca_file: None,
    };
    let source = GitSource::open(settings).map_err(user)?;
    let tip = source.poll().map_err(user)?;
    let (base, back) = match wanted.split_once('~') {
        Some((base, "")) => (base, 1),
        Some((base, n)) => {
            let n = n.parse().map_err(|_| CommandError::cli(format!("{wanted}: after ~ comes a number")))?;
            (base, n)
        }
        None => (wanted, 0),
    };
    let from = if base == "HEAD" { tip } else { source.revision(base).map_err(user)? };
    let line = source.history(&from.commit, back + 1).map_err(user)?;
    let found = line.get(back).ok_or_else(|| {
        CommandError::user(format!(
            "{wanted}: {base} has only {} commits before it",
            line.len().saturating_sub(1)
        ))
    })?;
    Ok((found.commit.as_str().to_owned(), found.subject.clone()))
}
