//! `retune resume`: ends a pin and a suspension.

use serde_json::json;

use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Ui};
use crate::cluster::state;

/// Arguments of `retune resume`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Removes spec.pin and spec.suspend of the CloudSync: the branch is followed again. Pins of apps stay; with APP, that app's pin alone is removed.")]
pub(super) struct Args {
    /// End this app's pin.
    app: Option<String>,
    #[command(flatten)]
    cloud: CloudArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let cloud = args.cloud.cloud.clone();
    let before = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let before = live::cloudsync(&client, &cloud).await?;
        let patch = match &args.app {
            None => json!({"pin": null, "suspend": null}),
            Some(app) if before.spec.pins.contains_key(app) => json!({"pins": {app.as_str(): null}}),
            Some(app) => {
                let pinned: Vec<&str> = before.spec.pins.keys().map(String::as_str).collect();
                let error = CommandError::user(format!("app {app} of cloud {cloud} is not pinned"));
                let list = if pinned.is_empty() {
                    "no app is".to_owned()
                } else {
                    format!("pinned are: {}", pinned.join(", "))
                };
                return Err(error.hint(list));
            }
        };
        state::patch_cloudsync_spec(&client, &cloud, &patch).await.map_err(live::api)?;
        Ok(before)
    })?;
    if let Some(app) = &args.app {
        ui.line(&format!("app {app} follows the cloud's revision again"))?;
        return Ok(Exit::Success);
    }
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
    if !before.spec.pins.is_empty() {
        let apps: Vec<&str> = before.spec.pins.keys().map(String::as_str).collect();
        ui.note(&format!("still pinned, each ended by `retune resume APP`: {}", apps.join(", ")))?;
    }
    Ok(Exit::Success)
}
