//! `retune sync`: now.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::live::{self, CloudArgs};
use super::run::{SourceArgs, sync_once};
use super::{CommandError, Exit, Ui};
use crate::cluster::{state, time};
use crate::sync::engine::Ended;

/// Arguments of `retune sync`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
While a syncer runs, it does the work: the request is set on the CloudSync and its progress followed. When none runs, this process takes the Lease,
syncs once, and gives it back.
With --app, that app alone: what failed or waits for a retry of it is tried now (only while a syncer runs). With --rev as well, the app is pinned to
that revision, as `retune pin` does, until `retune resume APP`.

Examples:
  retune sync
  retune sync --app keystone
  retune sync --app keystone --rev HEAD~1")]
pub(super) struct Args {
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// This app alone.
    #[arg(long, value_name = "APP")]
    app: Option<String>,
    /// Pin the app to this revision first.
    #[arg(long, value_name = "REV", requires = "app")]
    rev: Option<String>,
    /// How long to wait until everything is applied and ready.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    timeout: String,
    /// The state folder when this process does the work. [default: ~/.local/state/retune/CLOUD]
    #[arg(long, alias = "data", value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let timeout = crate::sync::control::duration(&args.timeout).ok_or_else(|| {
        CommandError::cli(format!("--timeout {}: not a time such as 30s or 10m", args.timeout))
    })?;
    let cloud = args.cloud.cloud.clone();
    let leader = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        live::leader(&client, &cloud).await
    })?;
    if let Some(leader) = leader {
        if args.source.repo.is_some() {
            return Err(CommandError::refused(format!(
                "the syncer {leader} leads cloud {cloud}: --repo cannot be changed from here"
            ))
            .hint("leave --repo out, or change spec.source of the CloudSync"));
        }
        return ask(&args, &leader, timeout, ui);
    }
    if let Some(app) = &args.app {
        return Err(CommandError::unavailable(format!(
            "no syncer runs for cloud {cloud}: app {app} cannot be synced alone"
        ))
        .hint("start `retune run`, or sync the whole cloud with `retune sync`"));
    }
    match sync_once(&args.cloud, &args.source, args.state_dir, true)? {
        Ended::Once(true) => Ok(Exit::Success),
        Ended::Once(false) => Err(CommandError::refused(
            "not everything is applied and ready; see the log above and `retune status`",
        )),
        other => Err(CommandError::unavailable(format!("the sync ended early: {other:?}"))),
    }
}

fn ask(args: &Args, leader: &str, timeout: Duration, ui: &mut Ui) -> Result<Exit, CommandError> {
    let cloud = &args.cloud.cloud;
    ui.note(&format!("asking the syncer {leader}"))?;
    let mut last = String::new();
    live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let found = live::cloudsync(&client, cloud).await?;
        if let Some(app) = &args.app {
            let inventory = state::list_inventory(&client, cloud).await.map_err(live::api)?;
            let known = inventory.iter().any(|i| i.spec.app == *app)
                || found.status.not_ready.iter().any(|a| a.name == *app);
            if !known {
                return Err(CommandError::user(format!("cloud {cloud} has no app {app}"))
                    .hint(super::hold::apps(&inventory)));
            }
            if let Some(rev) = &args.rev {
                let (revision, subject) = super::pin::pin(
                    &client,
                    cloud,
                    app,
                    rev,
                    "retune sync --rev",
                    args.state_dir.clone(),
                    args.source.ca_file.clone(),
                )
                .await?;
                ui.note(&format!(
                    "app {app} is pinned to {revision} ({subject}); `retune resume {app}` ends it"
                ))?;
            }
        }
        let id = format!("{}-{}", time::now_micro(), std::process::id());
        let patch = json!({"request": {"id": id, "by": live::whoami(), "app": args.app}});
        state::patch_cloudsync_spec(&client, cloud, &patch).await.map_err(live::api)?;
        let begun = Instant::now();
        loop {
            let status = live::cloudsync(&client, cloud).await?.status;
            let condition = status.conditions.iter().find(|c| c.kind == "Synced");
            let line = condition.map(|c| format!("{}: {}", c.reason, c.message)).unwrap_or_default();
            if line != last {
                ui.note(&line)?;
                last = line;
            }
            if let Some(app) = args.app.as_deref().filter(|_| status.handled_request == id) {
                return match status.not_ready.iter().find(|a| a.name == app) {
                    None => {
                        ui.line(&format!("app {app} is ready"))?;
                        Ok(Exit::Success)
                    }
                    Some(app) => {
                        Err(CommandError::refused(format!("app {} {}: {}", app.name, app.state, app.message))
                            .hint(format!("`retune why {}` follows it to the bottom", app.name)))
                    }
                };
            }
            if status.handled_request == id {
                let synced = condition.is_some_and(|c| c.status == "True");
                return if synced {
                    ui.line(&format!(
                        "cloud {cloud} is at {}, {} apps ready",
                        status.revision, status.ready
                    ))?;
                    Ok(Exit::Success)
                } else {
                    Err(CommandError::refused(last))
                };
            }
            if begun.elapsed() > timeout {
                return Err(CommandError::unavailable(format!("not done within {}: {last}", args.timeout)));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    })
}
