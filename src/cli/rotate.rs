//! `retune rotate SECRET`: other values for a generated Secret, as a plan first.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::live::{self, CloudArgs};
use super::run::{SourceArgs, sync_once};
use super::{CommandError, Exit, Ui};
use crate::cluster::crd::RotationStatus;
use crate::cluster::{state, time};

/// How long the syncer has to answer with a plan.
const PATIENCE: Duration = Duration::from_secs(60);

/// Arguments of `retune rotate`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The syncer answers with a plan: which Secrets change (what is composed of the values or signed by them follows), which objects name them, which workloads
are restarted. Nothing changes until that plan is approved: retune approve DIGEST. The same command makes a Secret again that was generated and is lost.
Values are made anew as spec.secrets says; the old ones are gone, and what knows them (a database user, a message broker) has to learn the new ones: by
an object that reads the Secret (a User of an operator), or by hand.
While a syncer runs, it does the work. When none runs, this process takes the Lease, syncs once, and prints the plan; after the approval `retune sync`
carries it out, and the next sync renders the apps that take the values as inputs.
Exit code 0: planned, and with --wait carried out.

Examples:
  retune rotate openstack/keystone-db-password
  retune rotate openstack/nova-ssh-keypair --key id_ed25519
  retune rotate openstack/keystone-db-password --wait 10m")]
pub(super) struct Args {
    /// The Secret: NAMESPACE/NAME, or NAME if only one app declares it.
    secret: String,
    /// This key only; may be given several times.
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Wait for the approval and the rotation.
    #[arg(long, value_name = "TIME")]
    wait: Option<String>,
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// The state folder when this process does the work. [default: ~/.local/state/retune/CLOUD]
    #[arg(long, alias = "data", value_name = "DIR")]
    state_dir: Option<PathBuf>,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let wait = match &args.wait {
        None => None,
        Some(text) => Some(
            crate::sync::control::duration(text)
                .ok_or_else(|| CommandError::cli(format!("--wait {text}: not a time such as 30s or 10m")))?,
        ),
    };
    let cloud = args.cloud.cloud.clone();
    let (leader, secret, id) = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        live::cloudsync(&client, &cloud).await?;
        let leader = live::leader(&client, &cloud).await?;
        if leader.is_none() && wait.is_some() {
            return Err(CommandError::unavailable(format!(
                "no syncer runs for cloud {cloud}: nobody would carry the rotation out while --wait waits"
            ))
            .hint("leave --wait out: this process plans it, and after `retune approve` a `retune sync` carries it out"));
        }
        let secret = whole_name(&client, &cloud, &args.secret).await?;
        let id = format!("{}-{}", time::now_micro(), std::process::id());
        let patch = json!({"rotate": {"id": id, "secret": secret, "keys": args.key, "by": live::whoami()}});
        state::patch_cloudsync_spec(&client, &cloud, &patch).await.map_err(live::api)?;
        Ok((leader, secret, id))
    })?;
    if leader.is_none() {
        sync_once(&args.cloud, &args.source, args.state_dir, false)?;
    }
    let patience = if leader.is_some() { PATIENCE } else { Duration::ZERO };
    live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let begun = Instant::now();
        let mut shown = false;
        loop {
            let status = live::cloudsync(&client, &cloud).await?.status.rotation.unwrap_or_default();
            if status.id == id {
                if !shown && !status.plan.is_empty() {
                    shown = true;
                    status.plan.iter().try_for_each(|line| ui.line(line))?;
                    let then = if leader.is_some() {
                        String::new()
                    } else {
                        format!(", then: retune sync --cloud {cloud}")
                    };
                    ui.line(&format!(
                        "approve with: retune approve {} --cloud {cloud}{then}",
                        status.digest
                    ))?;
                    ui.flush()?;
                }
                if let Some(exit) = answered(&status, wait.is_none(), ui)? {
                    return Ok(exit);
                }
            }
            let patience = if status.id == id { wait.unwrap_or(patience) } else { patience };
            if begun.elapsed() > patience {
                return Err(CommandError::unavailable(format!(
                    "rotation of Secret {secret}: not done in time"
                )));
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    })
}

fn answered(
    status: &RotationStatus,
    plan_is_enough: bool,
    ui: &mut Ui,
) -> Result<Option<Exit>, CommandError> {
    match status.state.as_str() {
        "refused" | "failed" => Err(CommandError::refused(status.message.clone())),
        "done" => {
            ui.line(&status.message)?;
            Ok(Some(Exit::Success))
        }
        "planned" if plan_is_enough => Ok(Some(Exit::Success)),
        _ => Ok(None),
    }
}

/// `namespace/name`, found in the inventory if only the name is given.
async fn whole_name(
    client: &crate::cluster::client::Client,
    cloud: &str,
    name: &str,
) -> Result<String, CommandError> {
    if name.contains('/') {
        return Ok(name.to_owned());
    }
    let inventory = state::list_inventory(client, cloud).await.map_err(live::api)?;
    let mut found: Vec<&String> = inventory
        .iter()
        .flat_map(|i| i.spec.secrets.keys())
        .filter(|known| known.split_once('/').is_some_and(|(_, n)| n == name))
        .collect();
    found.dedup();
    match found.as_slice() {
        [one] => Ok((*one).clone()),
        [] => Err(CommandError::user(format!("cloud {cloud} has no generated Secret {name}"))
            .hint("name it as NAMESPACE/NAME; `retune status` names those that are lost")),
        many => {
            let names: Vec<&str> = many.iter().map(|n| n.as_str()).collect();
            Err(CommandError::user(format!("{name} is in several namespaces: {}", names.join(", "))))
        }
    }
}
