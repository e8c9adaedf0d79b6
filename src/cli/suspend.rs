//! `retune suspend`: hands off the whole cloud.

use serde_json::json;

use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Ui};
use crate::cluster::state;

/// Arguments of `retune suspend`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Sets spec.suspend of the CloudSync: nothing is applied, corrected or deleted until `retune resume`. Drift is still seen and told. It survives restarts.")]
pub(super) struct Args {
    #[command(flatten)]
    cloud: CloudArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let cloud = args.cloud.cloud.clone();
    live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        live::cloudsync(&client, &cloud).await?;
        state::patch_cloudsync_spec(&client, &cloud, &json!({"suspend": true})).await.map_err(live::api)
    })?;
    ui.line(&format!("cloud {cloud} is suspended; `retune resume` ends it"))?;
    Ok(Exit::Success)
}
