//! `retune resume`: ends a pin and a suspension.

use serde_json::json;

use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Ui};
use crate::cluster::state;

/// Arguments of `retune resume`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Removes spec.pin and spec.suspend of the CloudSync: the branch is followed again.")]
pub(super) struct Args {
    #[command(flatten)]
    cloud: CloudArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let cloud = args.cloud.cloud.clone();
    let before = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let before = live::cloudsync(&client, &cloud).await?;
        let patch = json!({"pin": null, "suspend": null});
        state::patch_cloudsync_spec(&client, &cloud, &patch).await.map_err(live::api)?;
        Ok(before)
    })?;
    let mut ended = Vec::new();
    if let Some(pin) = &before.spec.pin {
        ended.push(format!("the pin to {}", pin.revision));
    }
    if before.spec.suspend {
        ended.push("the suspension".to_owned());
    }
    if ended.is_empty() {
        ui.line(&format!("cloud {cloud} was neither pinned nor suspended"))?;
    } else {
        ui.line(&format!(
            "ended {}: cloud {cloud} follows {} again",
            ended.join(" and "),
            before.spec.source.branch
        ))?;
    }
    Ok(Exit::Success)
}
