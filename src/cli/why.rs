//! `retune why APP`: what an app waits for, down to the bottom.

use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Format, OutputArgs, Ui, hold};
use crate::cluster::state;
use crate::sync::why::{explain, text};

/// Arguments of `retune why`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Follows the app to the bottom: the apps it waits for, its objects that are not ready, their pods, the (init) container that holds them up, and the Job,
Service, claim, Secret or ConfigMap that this one waits for, with the last log lines and Events. Init containers of OpenStack-Helm are read: what
kubernetes-entrypoint waits for is named and followed.
Reads only, with your kubeconfig. Values of Secrets are masked; if Secrets of the app may not be read, logs are left out.
Exit code 0: the app is ready, 1: it is not.

Examples:
  retune why keystone
  retune why keystone -o json")]
pub(super) struct Args {
    /// The app.
    app: String,
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let cloud = args.cloud.cloud.clone();
    let (found, explanation) = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let found = live::cloudsync(&client, &cloud).await?;
        let Some(explanation) =
            explain(&client, &cloud, &found.status, &args.app).await.map_err(live::api)?
        else {
            let inventory = state::list_inventory(&client, &cloud).await.map_err(live::api)?;
            return Err(CommandError::user(format!("cloud {cloud} has no app {}", args.app))
                .hint(hold::apps(&inventory)));
        };
        if live::leader(&client, &cloud).await?.is_none() {
            ui.note("no syncer is running: its part of this is as old as its last status")?;
        }
        Ok((found, explanation))
    })?;
    let ready = !found.status.not_ready.iter().any(|a| a.name == args.app);
    if args.output.output == Format::Json {
        ui.json(&explanation)?;
    } else {
        for line in text::lines(&explanation.reason) {
            ui.line(&line)?;
        }
        for note in &explanation.notes {
            ui.note(note)?;
        }
    }
    Ok(if ready { Exit::Success } else { Exit::Negative })
}
