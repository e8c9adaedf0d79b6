//! `retune test`: run an app's test hooks.

use std::time::{Duration, Instant};

use serde_json::json;

use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Format, OutputArgs, Ui};
use crate::cluster::crd::TestStatus;
use crate::cluster::{state, time};

/// Arguments of `retune test`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Runs the chart's hooks of the event `test`, of the revision that is enforced, in Helm's order; the first that fails ends the test. The syncer runs
them: the request is set on the CloudSync. Exit code 0: all passed (or there are none), 1: one failed; the last lines of its pod's log are shown.")]
pub(super) struct Args {
    /// The app.
    app: String,
    #[command(flatten)]
    cloud: CloudArgs,
    /// How long to wait for the outcome.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    timeout: String,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let timeout = crate::sync::control::duration(&args.timeout).ok_or_else(|| {
        CommandError::cli(format!("--timeout {}: not a time such as 30s or 10m", args.timeout))
    })?;
    let result = live::block_on(ask(&args, timeout))?;
    let passed = result.state == "passed";
    if args.output.output == Format::Json {
        ui.json(&result)?;
    } else {
        for hook in &result.passed {
            ui.line(&format!("passed  {hook}"))?;
        }
        if passed && result.passed.is_empty() {
            ui.line(&result.message)?;
        } else if !passed {
            ui.line(&format!("failed  {}", result.message))?;
        }
    }
    Ok(if passed { Exit::Success } else { Exit::Negative })
}

async fn ask(args: &Args, timeout: Duration) -> Result<TestStatus, CommandError> {
    let cloud = &args.cloud.cloud;
    let client = args.cloud.connect.connect().await?;
    live::cloudsync(&client, cloud).await?;
    if live::leader(&client, cloud).await?.is_none() {
        return Err(CommandError::unavailable(format!("no syncer leads cloud {cloud}: it runs the tests"))
            .hint("start one with `retune run`"));
    }
    let id = format!("{}-{}", time::now_micro().replace([':', '.'], "-"), std::process::id());
    let patch = json!({"test": {"id": id, "app": args.app, "by": live::whoami()}});
    state::patch_cloudsync_spec(&client, cloud, &patch).await.map_err(live::api)?;
    let begun = Instant::now();
    loop {
        let status = live::cloudsync(&client, cloud).await?.status;
        if let Some(test) = status.test.filter(|t| t.id == id && t.state != "running") {
            return Ok(test);
        }
        if begun.elapsed() > timeout {
            return Err(CommandError::unavailable(format!(
                "the test of {} is not over within {}; its outcome will be in status.test of the CloudSync",
                args.app, args.timeout
            )));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
