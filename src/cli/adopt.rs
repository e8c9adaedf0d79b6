//! `retune adopt`: take over apps that helm and kubectl made, and give them back.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::live::{self, CloudArgs};
use super::run::{SourceArgs, sync_once};
use super::{CommandError, Exit, Format, OutputArgs, Ui};
use crate::cluster::client::Client;
use crate::cluster::crd::AdoptionStatus;
use crate::cluster::{ErrorKind, state, time};
use crate::sync::adoption_plan::{AppAdoption, adoptions};
use crate::sync::follow::RenderSeed;
use crate::sync::preview::PreviewError;

/// Arguments of `retune adopt`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Shows, app by app, what is there of it, whose it is, and what adopting it changes: which fields, which pods restart, which hooks run. With --yes it is done:
the request is set on the CloudSync and followed; when no syncer runs, this process takes the Lease and syncs once. What Git states and the cluster has alike
is not written: only labels, annotations and managedFields change. Fields that Git does not have stay with their managers (`retune drift` lists them).
Objects of another retune cloud, of Flux or of Argo CD are refused by name. Helm's release Secrets stay unless --remove-releases is given.
--undo gives an app back: fields, labels and annotations are helm's and kubectl's again, the inventory forgets it, and its apps wait to be adopted anew.
Exit code 0: nothing to adopt, or done; 1: there are apps to adopt; 3: refused.

Examples:
  retune adopt
  retune adopt keystone
  retune adopt keystone --yes
  retune adopt keystone --undo --yes")]
pub(super) struct Args {
    /// The apps; all that exist and are not retune's yet unless named.
    apps: Vec<String>,
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    source: SourceArgs,
    /// Do it.
    #[arg(long)]
    yes: bool,
    /// Give the named apps back to those that they were adopted from.
    #[arg(long, requires = "apps", conflicts_with_all = ["remove_releases", "hooks_done"])]
    undo: bool,
    /// Delete the Secrets of Helm's releases once their apps are adopted; helm knows nothing of them then.
    #[arg(long)]
    remove_releases: bool,
    /// Take all install and upgrade hooks of the apps as done, whatever Helm's release says.
    #[arg(long)]
    hooks_done: bool,
    /// How long to wait for the outcome.
    #[arg(long, value_name = "TIME", default_value = "10m")]
    timeout: String,
    /// Where mirrors are kept, and the state when this process does the work. [default: ~/.local/state/retune/CLOUD]
    #[arg(long, alias = "data", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let timeout = crate::sync::control::duration(&args.timeout).ok_or_else(|| {
        CommandError::cli(format!("--timeout {}: not a time such as 30s or 10m", args.timeout))
    })?;
    if args.undo {
        return undo(&args, timeout, ui);
    }
    let plans = live::block_on(look(&args))?;
    let named = |p: &AppAdoption| !args.apps.is_empty() || p.state == "exists" || p.state == "refused";
    let shown: Vec<&AppAdoption> = plans.iter().filter(|p| named(p)).collect();
    let refused: Vec<&&AppAdoption> = shown.iter().filter(|p| p.state == "refused").collect();
    if args.output.output == Format::Json {
        ui.json(&shown)?;
    } else {
        for plan in &shown {
            print(plan, ui)?;
        }
        if shown.is_empty() {
            ui.line("nothing to adopt")?;
        }
    }
    let todo: Vec<(&str, &str)> = shown
        .iter()
        .filter(|p| p.state == "exists" || p.state == "new" && !args.apps.is_empty())
        .map(|p| (p.app.as_str(), p.render.as_str()))
        .collect();
    if !refused.is_empty() && (args.yes || todo.is_empty()) {
        let why: Vec<String> = refused.iter().flat_map(|p| p.refused.clone()).collect();
        return Err(CommandError::refused(why.join("; ")).hint(
            "that owner must let go of it first: see docs/adoption.md; other apps can be adopted by name",
        ));
    }
    if todo.is_empty() {
        return Ok(Exit::Success);
    }
    if !args.yes {
        ui.note("nothing was changed; --yes adopts what is shown")?;
        return Ok(Exit::Negative);
    }
    let id = request_id();
    let by = live::whoami();
    let request: Map<String, Value> = todo
        .iter()
        .map(|(app, render)| {
            let request = json!({"id": id, "render": render, "by": by, "hooksDone": args.hooks_done,
                "removeReleases": args.remove_releases, "undo": null});
            ((*app).to_owned(), request)
        })
        .collect();
    let apps: Vec<String> = todo.iter().map(|(app, _)| (*app).to_owned()).collect();
    carry_out(&args, Value::Object(request), &apps, &id, timeout, ui)
}

fn request_id() -> String {
    format!("{}-{}", time::now_micro().replace([':', '.'], "-"), std::process::id())
}

async fn look(args: &Args) -> Result<Vec<AppAdoption>, CommandError> {
    let cloud = &args.cloud.cloud;
    let state_dir = live::state_dir(args.state_dir.clone(), cloud)?;
    let client = args.cloud.connect.connect().await?;
    let found = match state::get_cloudsync(&client, cloud).await {
        Ok(found) => found,
        Err(error) if error.kind == ErrorKind::NotServing => None,
        Err(error) => return Err(live::api(error)),
    };
    let pin = found.as_ref().and_then(|c| c.spec.pin.as_ref()).map(|p| p.revision.clone());
    let key = state::existing_cloud_key(&client, cloud).await.map_err(live::api)?;
    let seed = RenderSeed(key.map_or(super::folder::PREVIEW_SEED, |key| state::render_seed(&key)));
    let pin = pin.filter(|_| args.source.repo.is_none());
    let options = live::follow_options(&args.source, found.as_ref(), cloud, pin, &state_dir, Some(seed))?;
    adoptions(client, cloud, found.as_ref(), options, &args.apps, args.hooks_done).await.map_err(|error| {
        match error {
            PreviewError::Api(error) => live::api(error),
            PreviewError::Source(text) => CommandError::user(text),
        }
    })
}

fn print(plan: &AppAdoption, ui: &mut Ui) -> Result<(), CommandError> {
    let AppAdoption { app, state, objects, existing, .. } = plan;
    let head = match *state {
        "new" => format!("{app}: nothing of it exists; {objects} objects are created"),
        "managed" => format!("{app}: is retune's; it was not adopted"),
        "adopted" => format!("{app}: is adopted; `retune adopt {app} --undo` gives it back"),
        "refused" => format!("{app}: cannot be adopted"),
        _ if plan.changes.is_empty() && plan.creates.is_empty() => {
            format!(
                "{app}: {existing} of {objects} objects exist, all as Git says: no field changes, no pod restarts"
            )
        }
        _ => format!(
            "{app}: {existing} of {objects} objects exist, {} change, {} are created, {} restart their pods",
            plan.changes.len(),
            plan.creates.len(),
            plan.restarts.len()
        ),
    };
    ui.line(&head)?;
    let managers: Vec<String> = plan.managers.iter().map(|(m, n)| format!("{m} on {n}")).collect();
    if !managers.is_empty() {
        ui.line(&format!("  from       {}", managers.join(", ")))?;
    }
    let outside = plan.outside.iter().map(|o| format!("{o}: of the release, not in Git: stays as it is"));
    let changes = plan.changes.iter().map(|c| {
        let effect = if c.effect.is_empty() { String::new() } else { format!("  ({})", c.effect) };
        format!("{} {}{effect}", c.object, c.fields.join(", "))
    });
    let lists: [(&str, Vec<String>); 8] = [
        ("refused", plan.refused.clone()),
        ("release", plan.releases.clone()),
        ("outside", outside.collect()),
        ("changes", changes.collect()),
        ("creates", plan.creates.clone()),
        ("kept", plan.leftovers.clone()),
        ("hook", plan.hooks.clone()),
        ("runs", plan.runs.clone()),
    ];
    for (title, lines) in lists {
        for line in lines {
            ui.line(&format!("  {title:<10} {line}"))?;
        }
    }
    Ok(())
}

fn undo(args: &Args, timeout: Duration, ui: &mut Ui) -> Result<Exit, CommandError> {
    if !args.yes {
        for app in &args.apps {
            ui.line(&format!("{app}: its fields, labels and annotations go back to those it was adopted from, and retune lets go of it"))?;
        }
        ui.note("nothing was changed; --yes does it")?;
        return Ok(Exit::Negative);
    }
    let (id, by) = (request_id(), live::whoami());
    let one = |app: &String| {
        let request = json!({"id": id, "undo": true, "by": by, "render": null, "hooksDone": null, "removeReleases": null});
        (app.clone(), request)
    };
    let request: Map<String, Value> = args.apps.iter().map(one).collect();
    carry_out(args, Value::Object(request), &args.apps, &id, timeout, ui)
}

/// Sets the request, has it carried out, and tells what came of it.
fn carry_out(
    args: &Args,
    request: Value,
    apps: &[String],
    id: &str,
    timeout: Duration,
    ui: &mut Ui,
) -> Result<Exit, CommandError> {
    let cloud = &args.cloud.cloud;
    let leader = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        live::cloudsync(&client, cloud).await?;
        state::patch_cloudsync_spec(&client, cloud, &json!({"adopt": request})).await.map_err(live::api)?;
        live::leader(&client, cloud).await
    })?;
    match &leader {
        Some(leader) => ui.note(&format!("asking the syncer {leader}"))?,
        None => {
            sync_once(&args.cloud, &args.source, args.state_dir.clone(), false)?;
        }
    }
    let timeout = if leader.is_some() { timeout } else { Duration::ZERO };
    live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let outcomes = outcomes(&client, cloud, apps, id, timeout).await?;
        let mut refused = Vec::new();
        for outcome in &outcomes {
            ui.line(&format!("{}: {}: {}", outcome.app, outcome.state, outcome.message))?;
            if outcome.state == "refused" {
                refused.push(format!("{}: {}", outcome.app, outcome.message));
            }
        }
        if refused.is_empty() { Ok(Exit::Success) } else { Err(CommandError::refused(refused.join("; "))) }
    })
}

async fn outcomes(
    client: &Client,
    cloud: &str,
    apps: &[String],
    id: &str,
    timeout: Duration,
) -> Result<Vec<AdoptionStatus>, CommandError> {
    let begun = Instant::now();
    loop {
        let status = live::cloudsync(client, cloud).await?.status;
        let ended = |a: &&AdoptionStatus| ["adopted", "undone", "refused"].contains(&a.state.as_str());
        let over: Vec<AdoptionStatus> =
            status.adoption.iter().filter(|a| a.id == id).filter(ended).cloned().collect();
        if over.len() >= apps.len() {
            return Ok(over);
        }
        if begun.elapsed() >= timeout {
            let missing: Vec<&str> =
                apps.iter().map(String::as_str).filter(|a| over.iter().all(|o| o.app != *a)).collect();
            let why: Vec<String> = status
                .not_ready
                .iter()
                .filter(|a| missing.contains(&a.name.as_str()))
                .map(|a| format!("{} {}: {}", a.name, a.state, a.message))
                .collect();
            return Err(CommandError::unavailable(format!(
                "{} not through yet: {}; the syncer goes on with it, and status.adoption of the CloudSync will have the outcome",
                missing.join(", "),
                why.join("; ")
            )));
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
