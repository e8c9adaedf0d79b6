//! `retune diff`: what a sync would change.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use serde_json::Value;

use super::live::{self, CloudArgs};
use super::run::SourceArgs;
use super::{CommandError, Exit, Format, OutputArgs, Ui};
use crate::cloud::ObjectId;
use crate::cloud::inputs::Secrets;
use crate::cluster::{ErrorKind, objects, state};
use crate::plan::display::{self, diff, shown};
use crate::plan::nodes::NodeChange;
use crate::plan::{Action, Plan, Verb, yields};
use crate::sync::follow::RenderSeed;
use crate::sync::preview::{Preview, PreviewError, preview};

/// Arguments of `retune diff`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints the plan that a sync would execute, with a YAML diff per object: the live object against what a server-side dry-run apply gives. Secrets are masked.
Workloads whose pods a sync would replace are named at the end (`restarts: ...`). Reads only. Exit code 0: nothing differs, 1: there are changes, 2 or more: errors.

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
    /// Workloads whose pods are replaced.
    restarts: Vec<Restart>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    nodes: &'a [NodeChange],
    /// By object: each field that is left out of what is applied, and to whom.
    yielded: BTreeMap<String, Vec<(String, String)>>,
}

/// A workload whose pod template changes.
#[derive(Serialize)]
struct Restart {
    object: String,
    app: String,
    /// How many pods it has now.
    pods: u64,
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
        let mut restarts = Vec::new();
        for (app, action) in plan.actions() {
            let json = args.output.output == Format::Json;
            let shown = !args.summary && !json;
            if matches!(action.verb, Verb::Prune | Verb::Release) || !shown && !is_workload(&action.id) {
                continue;
            }
            let tried = tried(&made, app, &action.id).await?;
            restarts.extend(tried.restart(app, &action.id));
            if shown {
                let secrets = made.desired.cloud.app(app).map(|a| a.secrets.clone()).unwrap_or_default();
                print_action(&tried, &secrets, app, action, ui)?;
            }
        }
        if args.output.output == Format::Json {
            ui.json(&Output {
                revision: &made.desired.revision.id,
                digest: plan.digest().to_string(),
                summary: plan.summary(),
                plan,
                restarts,
                nodes: &made.nodes,
                yielded,
            })?;
        } else {
            let listing = display::listing(plan);
            if !listing.is_empty() {
                ui.line(listing.trim_end())?;
            }
            for change in &made.nodes {
                ui.line(&change.to_string())?;
            }
            for (object, fields) in &yielded {
                for (field, to) in fields {
                    ui.line(&format!("left to others: {object} {field}: {to}"))?;
                }
            }
            for Restart { object, app, pods } in &restarts {
                ui.line(&format!("restarts: {object} [{app}]: {pods} pods"))?;
            }
            ui.line(&format!("{}: {}", made.desired.revision.short(), plan.summary()))?;
        }
        Ok(if plan.is_empty() && made.nodes.is_empty() { Exit::Success } else { Exit::Negative })
    })
}

fn is_workload(id: &ObjectId) -> bool {
    &*id.group == "apps" && matches!(&*id.kind, "Deployment" | "StatefulSet" | "DaemonSet")
}

/// An object before and after a dry-run apply.
struct Tried {
    live: Value,
    after: Result<Value, String>,
}

impl Tried {
    /// Whether its pods are replaced.
    fn restart(&self, app: &str, id: &ObjectId) -> Option<Restart> {
        let after = self.after.as_ref().ok()?;
        let template = |object: &Value| object.pointer("/spec/template").cloned();
        let before = template(&self.live).filter(|_| is_workload(id))?;
        if Some(before) == template(after) {
            return None;
        }
        let counts = ["/status/replicas", "/status/currentNumberScheduled"];
        let pods = counts.iter().find_map(|path| self.live.pointer(path)?.as_u64()).unwrap_or(0);
        Some(Restart { object: id.to_string(), app: app.to_owned(), pods })
    }
}

fn print_action(
    tried: &Tried,
    secrets: &Secrets,
    app: &str,
    action: &Action,
    ui: &mut Ui,
) -> Result<(), CommandError> {
    let id = &action.id;
    let text = match &tried.after {
        Ok(after) => {
            let (mut before, mut masked) = (tried.live.clone(), after.clone());
            secrets.mask_live(&mut before, after);
            secrets.mask_object(&mut masked);
            diff(&shown(id, &before), &shown(id, &masked))
        }
        Err(refusal) => secrets.mask(&format!("the server would refuse it: {refusal}\n")),
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

/// One object: live, and after a dry-run apply; what cannot be tried is as it is in Git.
async fn tried(made: &Preview, app: &str, id: &ObjectId) -> Result<Tried, CommandError> {
    let Some((_, object)) = made.desired.object(id) else {
        return Ok(Tried { live: Value::Null, after: Ok(Value::Null) });
    };
    let body = made.target.body(object, app);
    let Ok(resource) = made.target.resource(id, object.version()) else {
        return Ok(Tried { live: Value::Null, after: Ok(body) });
    };
    let client = &made.target.client;
    let live = objects::get(client, &resource, id).await.map_err(live::api)?.unwrap_or(Value::Null);
    let text = bytes::Bytes::from(body.to_string());
    let after = match objects::apply_dry_run(client, &resource, id, text).await {
        Ok(after) => Ok(after),
        // Its namespace or CRD is part of the same plan.
        Err(error) if matches!(error.kind, ErrorKind::NotServing | ErrorKind::NotFound) => Ok(body),
        Err(error) => Err(error.to_string()),
    };
    Ok(Tried { live, after })
}
