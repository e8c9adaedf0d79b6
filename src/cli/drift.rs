//! `retune drift`: how the cluster differs from what was applied, and whose each field is.

use std::path::PathBuf;

use super::live::{self, CloudArgs};
use super::run::SourceArgs;
use super::{CommandError, Exit, Format, OutputArgs, Ui};
use crate::cluster::state;
use crate::sync::follow::RenderSeed;
use crate::sync::preview::PreviewError;
use crate::sync::survey::{Drifted, Field, survey};

/// Arguments of `retune drift`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Compares every managed object with what was applied: what is drifted and who changed it, what is left to others and to whom, what
admission keeps otherwise than Git, what kubectl or helm set earlier and Git does not have, which rivals are fought.
Reads only. Exit code 0: nothing is drifted, 1: something is, 2 or more: errors.

Examples:
  retune drift
  retune drift -o json | jq -r '.drifted[].object'")]
pub(super) struct Args {
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// Where mirrors of remote repositories are kept. [default: ~/.local/state/retune/CLOUD]
    #[arg(long, alias = "data", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let cloud = args.cloud.cloud.clone();
    let state_dir = live::state_dir(args.state_dir.clone(), &cloud)?;
    let found = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let cloudsync = live::cloudsync(&client, &cloud).await?;
        // What was applied, not what the branch has by now.
        let enforced = Some(cloudsync.status.revision.clone()).filter(|r| !r.is_empty());
        let key = state::existing_cloud_key(&client, &cloud).await.map_err(live::api)?;
        let seed = key.map(|key| RenderSeed(state::render_seed(&key)));
        let options =
            live::follow_options(&args.source, Some(&cloudsync), &cloud, enforced, &state_dir, seed)?;
        survey(client, &cloud, &cloudsync, options).await.map_err(|error| match error {
            PreviewError::Api(error) => live::api(error),
            PreviewError::Source(text) => CommandError::user(text),
        })
    })?;
    let exit = if found.drifted.is_empty() { Exit::Success } else { Exit::Negative };
    if args.output.output == Format::Json {
        ui.json(&found)?;
        return Ok(exit);
    }
    for drifted in &found.drifted {
        ui.line(&line(drifted))?;
        for lost in &drifted.fields {
            ui.line(&format!("  {lost}"))?;
        }
    }
    for fight in &found.fights {
        ui.line(&format!("fight: {} {} ({} corrections)", fight.object, fight.rival, fight.corrections))?;
    }
    let sections: [(&str, &[Field]); 3] = [
        ("left to others", &found.yielded),
        ("kept otherwise by the server", &found.overridden),
        ("not in Git, kept", &found.leftovers),
    ];
    for (title, fields) in sections {
        for f in fields {
            ui.line(&format!("{title}: {} {}: {}", f.object, f.field, f.owner))?;
        }
    }
    let revision = found.revision.get(..10).unwrap_or(&found.revision);
    ui.line(&format!(
        "{revision}: {} drifted, {} fields left to others, {} kept otherwise by the server, {} not in Git",
        found.drifted.len(),
        found.yielded.len(),
        found.overridden.len(),
        found.leftovers.len()
    ))?;
    Ok(exit)
}

fn line(drifted: &Drifted) -> String {
    let state = drifted.state.map(|s| format!(" {s}")).unwrap_or_default();
    let mode = format!("{:?}", drifted.mode).to_lowercase();
    format!("drifted: {} [{}, {mode}]{state}", drifted.object, drifted.app)
}
