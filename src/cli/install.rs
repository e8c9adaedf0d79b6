//! `retune install`: CRDs, namespace, roles, and on request the Deployment.

use super::live::{self, ConnectArgs};
use super::{CommandError, Exit, Ui};
use crate::cluster::install;

/// Arguments of `retune install`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Applies the CRDs CloudSync and Inventory, the namespace retune-system, a service account with the syncer's role, and a role
for people (retune-operator). With --image also a Deployment that runs the syncer. Applying it again changes nothing.
The syncer's role is broad: a cloud contains any kind, RBAC included. Its metadata watch of Secrets needs list and watch on them.

Examples:
  retune install
  retune install --print | kubectl diff -f -
  retune install --image registry.example.org/retune:0.1.0")]
pub(super) struct Args {
    #[command(flatten)]
    connect: ConnectArgs,
    /// Print the manifests instead of applying them.
    #[arg(long)]
    print: bool,
    /// Also apply a Deployment of this image.
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    if args.print {
        for manifest in install::manifests(args.image.as_deref()) {
            let text = serde_json::to_string(&manifest).map_err(CommandError::internal)?;
            let node = crate::yaml::json::from_json(&text).map_err(CommandError::internal)?;
            let yaml = crate::yaml::emit::to_yaml(&node).map_err(CommandError::internal)?;
            ui.line(&format!("---\n{}", yaml.trim_end()))?;
        }
        return Ok(Exit::Success);
    }
    let done = live::block_on(async {
        let client = args.connect.connect().await?;
        install::install(&client, args.image.as_deref()).await.map_err(live::api)
    })?;
    for what in done {
        ui.line(&format!("applied {what}"))?;
    }
    Ok(Exit::Success)
}
