//! `retune diff`: what a sync would change.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::live::{self, CloudArgs};
use super::run::SourceArgs;
use super::{CommandError, Exit, Format, OutputArgs, Ui};
use crate::cloud::ObjectId;
use crate::cluster::{ErrorKind, objects, state};
use crate::plan::display::{self, diff, shown};
use crate::plan::{Action, Plan, Verb, yields};
use crate::sync::follow::RenderSeed;
use crate::sync::preview::{Preview, PreviewError, preview};

/// Arguments of `retune diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints the plan that a sync would execute, with a YAML diff per object: the live object against what a server-side dry-run apply gives. Secrets are masked.
Reads only. Exit code 0: nothing differs, 1: there are changes, 2 or more: errors.

Examples:
  retune diff
  retune diff --repo . --branch feature-x --profile aio")]
pub(super) struct Args {
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// A revision instead of the branch's newest.
    #[arg(long, value_name = "REV")]
    rev: Option<String>,
    /// Only the plan, without the objects' diffs.
    #[arg(long)]
    summary: bool,
    /// Where mirrors of remote repositories are kept. [default: ~/.local/state/retune/CLOUD]
    #[arg(long, alias = "data", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

/// What `-o json` prints.
#[derive(Serialize)]
struct Output<'a> {
    revision: &'a str,
    digest: String,
    summary: String,
    plan: &'a Plan,
    /// By object: each field that is left out of what is applied, and to whom.
    yielded: BTreeMap<String, Vec<(String, String)>>,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let state_dir = live::state_dir(args.state_dir.clone(), &args.cloud.cloud)?;
    live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let cloud = &args.cloud.cloud;
        let found = match state::get_cloudsync(&client, cloud).await {
            Ok(found) => found,
            Err(error) if error.kind == ErrorKind::NotServing => None,
            Err(error) => return Err(live::api(error)),
        };
        let rev = args.rev.clone().or_else(|| {
            let pin = found.as_ref().and_then(|c| c.spec.pin.as_ref()).map(|p| p.revision.clone());
            pin.filter(|_| args.source.repo.is_none())
        });
        // A cloud that no syncer has led yet has no key: any other shows what its charts would give.
        let key = state::existing_cloud_key(&client, cloud).await.map_err(live::api)?;
        let seed = key.map_or(super::folder::PREVIEW_SEED, |key| state::render_seed(&key));
        let seed = Some(RenderSeed(seed));
        let options = live::follow_options(&args.source, found.as_ref(), cloud, rev, &state_dir, seed)?;
        let made = preview(client, cloud, found.as_ref(), options).await.map_err(|error| match error {
            PreviewError::Api(error) => live::api(error),
            PreviewError::Source(text) => CommandError::user(text),
        })?;
        let plan = &made.plan;
        let yielded = yields::listing(made.desired.all_yielded());
        if args.output.output == Format::Json {
            ui.json(&Output {
                revision: &made.desired.revision.id,
                digest: plan.digest().to_string(),
                summary: plan.summary(),
                plan,
                yielded,
            })?;
        } else {
            if !args.summary {
                for (app, action) in plan.actions() {
                    print_action(&made, app, action, ui).await?;
                }
            }
            let listing = display::listing(plan);
            if !listing.is_empty() {
                ui.line(listing.trim_end())?;
            }
            for (object, fields) in &yielded {
                for (field, to) in fields {
                    ui.line(&format!("left to others: {object} {field}: {to}"))?;
                }
            }
            ui.line(&format!("{}: {}", made.desired.revision.short(), plan.summary()))?;
        }
        Ok(if plan.is_empty() { Exit::Success } else { Exit::Negative })
    })
}

async fn print_action(made: &Preview, app: &str, action: &Action, ui: &mut Ui) -> Result<(), CommandError> {
    let id = &action.id;
    let text = match action.verb {
        Verb::Prune | Verb::Release => return Ok(()),
        Verb::Create | Verb::Update | Verb::Correct | Verb::Adopt => change(made, app, id).await?,
    };
    if text.is_empty() {
        return Ok(());
    }
    ui.line(&format!("--- {} [{app}]: {}", id, action.verb.as_str()))?;
    for line in text.lines() {
        let styles = ui.styles();
        let painted = match line.as_bytes().first() {
            Some(b'+') => ui.paint(styles.good, line),
            Some(b'-') => ui.paint(styles.bad, line),
            _ => line.to_owned(),
        };
        ui.line(&painted)?;
    }
    Ok(())
}

/// The diff of one object: live against a dry-run apply; what cannot be tried is shown as it is in Git.
async fn change(made: &Preview, app: &str, id: &ObjectId) -> Result<String, CommandError> {
    let Some((_, object)) = made.desired.object(id) else { return Ok(String::new()) };
    let body = made.target.body(object, app);
    let nothing = Value::Null;
    let Ok(resource) = made.target.resource(id, object.version()) else {
        return Ok(diff(&shown(id, &nothing), &shown(id, &body)));
    };
    let client = &made.target.client;
    let live = objects::get(client, &resource, id).await.map_err(live::api)?;
    let text = bytes::Bytes::from(body.to_string());
    let after = match objects::apply_dry_run(client, &resource, id, text).await {
        Ok(after) => after,
        // Its namespace or CRD is part of the same plan.
        Err(error) if matches!(error.kind, ErrorKind::NotServing | ErrorKind::NotFound) => body,
        Err(error) => return Ok(format!("the server would refuse it: {error}\n")),
    };
    Ok(diff(&shown(id, live.as_ref().unwrap_or(&nothing)), &shown(id, &after)))
}
