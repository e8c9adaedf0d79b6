//! `retune sync`: now.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::live::{self, CloudArgs};
use super::run::{LogFormat, SourceArgs, init_logs, run_syncer};
use super::{CommandError, Exit, Ui};
use crate::cluster::{state, time};
use crate::sync::engine::Ended;
use crate::sync::start::SyncerOptions;

/// Arguments of `retune sync`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
While a syncer runs, it does the work: the request is set on the CloudSync and its progress followed. When none runs, this process takes the Lease,
syncs once, and gives it back.")]
pub(super) struct Args {
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    source: SourceArgs,
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
    init_logs(LogFormat::Text);
    let state_dir = live::state_dir(args.state_dir, &cloud)?;
    let ended = run_syncer(SyncerOptions {
        connect: args.cloud.connect.options(),
        charts: args.source.charts(&state_dir),
        state_dir,
        source: args.source.spec(),
        profile: args.source.profile.clone(),
        ca_file: args.source.ca_file.clone(),
        interval: None,
        install: true,
        once: true,
        cloud,
    })?;
    match ended {
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
        live::cloudsync(&client, cloud).await?;
        let id = format!("{}-{}", time::now_micro(), std::process::id());
        let patch = json!({"request": {"id": id, "by": live::whoami()}});
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
