//! `retune approve DIGEST`: consent to withheld actions.

use serde_json::json;

use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Ui};
use crate::cluster::crd::Approval;
use crate::cluster::{state, time};
use crate::sync::control;

/// Arguments of `retune approve`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The digest is the one that `retune status` shows; it covers every withheld action with the uids of what would be deleted. The approval expires,
is used once, and counts for exactly that plan: if anything guarded changes, the digest changes.
The same with kubectl: kubectl patch cloudsync NAME -n retune-system --type=merge -p '{\"spec\":{\"approvals\":[{\"digest\":\"sha256:...\"}]}}'")]
pub(super) struct Args {
    /// The digest, or its first twelve digits at least.
    digest: String,
    /// How long the approval counts.
    #[arg(long, value_name = "TIME", default_value = "1h")]
    expires: String,
    #[command(flatten)]
    cloud: CloudArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let lasts = control::duration(&args.expires).ok_or_else(|| {
        CommandError::cli(format!("--expires {}: not a time such as 30m or 2h", args.expires))
    })?;
    let cloud = args.cloud.cloud.clone();
    let line = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let found = live::cloudsync(&client, &cloud).await?;
        let rotation = found.status.rotation.iter().filter(|r| r.state == "planned");
        // What waits: digest, how many actions.
        let waits: Vec<(&str, usize)> = found
            .status
            .withheld
            .iter()
            .map(|w| (w.digest.as_str(), w.actions.len()))
            .chain(rotation.map(|r| (r.digest.as_str(), r.plan.len())))
            .collect();
        if waits.is_empty() {
            return Err(CommandError::refused(format!("cloud {cloud}: nothing is withheld")));
        }
        if waits.iter().all(|(digest, _)| digest.is_empty()) {
            return Err(CommandError::refused(format!("cloud {cloud}: what is withheld belongs to others"))
                .hint("they must let go of it first: see docs/adoption.md"));
        }
        let bare = args.digest.trim_start_matches("sha256:");
        let named = waits.iter().find(|(digest, _)| digest.trim_start_matches("sha256:").starts_with(bare));
        let Some((digest, actions)) = named.filter(|_| bare.len() >= 12) else {
            let digests: Vec<&str> = waits.iter().map(|(digest, _)| *digest).collect();
            return Err(CommandError::refused(format!("cloud {cloud}: what is withheld now has the digest {}", digests.join(" or ")))
                .hint("look at `retune status` again: the plan has changed, or the digest is shorter than twelve digits"));
        };
        let expires = time::now_seconds() + i64::try_from(lasts.as_secs()).unwrap_or(3_600);
        let mut approvals = found.spec.approvals.clone();
        approvals.push(Approval {
            digest: (*digest).to_owned(),
            by: live::whoami(),
            expires: Some(time::rfc3339(expires)),
        });
        state::patch_cloudsync_spec(&client, &cloud, &json!({"approvals": approvals}))
            .await
            .map_err(live::api)?;
        Ok(format!("approved {} actions of cloud {cloud}, until {}", actions, time::rfc3339(expires)))
    })?;
    ui.line(&line)?;
    Ok(Exit::Success)
}
