//! `retune rollback REV`: another revision becomes live.

use std::path::PathBuf;

use serde_json::json;

use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Ui};
use crate::cluster::state;
use crate::source::git::{Author, GitError, GitSource, Revision, Rollback, Settings};

/// Arguments of `retune rollback`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
With --pin, the revision is made live at once and held, whatever the branch says, until `retune resume`: auto-sync honours it, and it
survives restarts. Any commit of the repository can be pinned, synced before or not; what it does not have is pruned under the same guards.
Without --pin, a commit with the files of that revision is made on top of the branch that the cloud follows, several commits back at
once, and the branch is moved there (a remote one by a push): the syncer then follows it as any commit. History only grows. With --branch
the commit goes to a new branch, for a pull request. If the cloud is a folder of the repository, only that folder goes back.

Examples:
  retune rollback HEAD~3 --reason 'login fails since 2026.1.9'
  retune rollback 4f2a9c81d0 --branch rollback-keystone
  retune rollback HEAD~2 --pin --reason 'login fails since 2026.1.9'
  retune rollback 4f2a9c81d0 --pin --cloud lab")]
pub(super) struct Args {
    /// A commit, its beginning, a tag, a branch, or one of these with ~N.
    revision: String,
    /// Hold the revision live until `retune resume`.
    #[arg(long)]
    pin: bool,
    /// Why, for those who look: in the pin, or in the commit's message.
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
    /// Make the commit on this new branch, in place of the followed one.
    #[arg(long, value_name = "NAME", conflicts_with = "pin")]
    branch: Option<String>,
    /// Certificates to trust for an HTTPS remote, PEM.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Where mirrors of remote repositories are kept. [default: ~/.local/state/retune/CLOUD]
    #[arg(long, alias = "data", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    cloud: CloudArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let cloud = args.cloud.cloud.clone();
    let state_dir = live::state_dir(args.state_dir.clone(), &cloud)?.join("git-cli");
    let line = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let found = live::cloudsync(&client, &cloud).await?;
        let spec = found.spec.source;
        let (wanted, ca_file) = (args.revision.clone(), args.ca_file.clone());
        let folder = spec.path.clone();
        let commit = (!args.pin).then(|| (args.reason.clone(), args.branch.clone()));
        let (target, made) = tokio::task::spawn_blocking(move || {
            let source = open(&spec.repo, &spec.branch, state_dir, ca_file)?;
            let target = resolve(&source, &wanted)?;
            let made = match commit {
                None => None,
                Some((reason, branch)) => {
                    Some(commit_back(&source, &target, &folder, &reason, branch.as_deref())?)
                }
            };
            Ok::<_, CommandError>((target, made))
        })
        .await
        .map_err(CommandError::internal)??;
        let short = target.commit.short().to_owned();
        if let Some(made) = made {
            let of = format!("{} has the files of {short} ({})", made.commit.short(), target.subject);
            return Ok(match &args.branch {
                Some(branch) => {
                    format!("{of}, on the new branch {branch}: nothing changes until it is merged")
                }
                None => format!("{of} and is the branch's head: cloud {cloud} follows; see `retune status`"),
            });
        }
        let revision = target.commit.as_str();
        let pin = json!({"pin": {"revision": revision, "reason": args.reason, "by": live::whoami()}});
        state::patch_cloudsync_spec(&client, &cloud, &pin).await.map_err(live::api)?;
        Ok(format!("cloud {cloud} is pinned to {short} ({}); `retune resume` ends it", target.subject))
    })?;
    ui.line(&line)?;
    Ok(Exit::Success)
}

fn user(error: GitError) -> CommandError {
    CommandError::user(error.to_string())
}

/// Commits the target's files on top of the branch, or on a new one.
fn commit_back(
    source: &GitSource,
    target: &Revision,
    folder: &str,
    reason: &str,
    branch: Option<&str>,
) -> Result<Revision, CommandError> {
    let author = Author::of_user(crate::cluster::time::now_seconds(), source.location()).map_err(user)?;
    let mut message =
        format!("Roll back to {}\n\nThe files are those of {}", target.commit.short(), target.commit);
    message.push_str(&format!(" ({}).\n", target.subject));
    if !reason.is_empty() {
        message.push_str(&format!("\n{reason}\n"));
    }
    let rollback = Rollback { target: &target.commit, folder, message: &message, author: &author, branch };
    source.roll_back(&rollback).map_err(user)
}

pub(super) fn open(
    repo: &str,
    branch: &str,
    state_dir: PathBuf,
    ca_file: Option<PathBuf>,
) -> Result<GitSource, CommandError> {
    let settings = Settings {
        location: repo.to_owned(),
        reference: crate::sync::follow::reference(branch),
        state_dir,
        ca_file,
        ..Settings::default()
    };
    GitSource::open(settings).map_err(user)
}

/// A revision of the repository that the cloud follows; `HEAD` is the branch it follows.
pub(super) fn resolve(source: &GitSource, wanted: &str) -> Result<Revision, CommandError> {
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
    let found = line.len();
    line.into_iter().nth(back).ok_or_else(|| {
        CommandError::user(format!("{wanted}: {base} has only {} commits before it", found.saturating_sub(1)))
    })
}
