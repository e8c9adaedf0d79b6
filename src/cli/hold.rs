//! `retune hold` and `retune release`: hands off an app or an object, until a time.

use serde_json::json;

use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Ui};
use crate::cluster::client::Client;
use crate::cluster::crd::{Hold, Inventory};
use crate::cluster::{state, time};
use crate::plan::hold::Target;
use crate::sync::control::duration;
use crate::sync::memory::parse_key;

/// Arguments of `retune hold`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Nothing of the target is written, corrected or pruned and its hooks do not run until the hold ends; drift is still seen and told, and what a commit
would change is shown as held. When the time is over, what is pending is shown (status, Event, log) for --notice and then done; with --then ask it
waits for `retune release`. The hold is a field of the CloudSync (spec.holds): it survives restarts. Holding again prolongs.
An object is held by kubectl alone with the annotation retune.dev/hold-until=RFC3339 (and retune.dev/hold-reason).

Examples:
  retune hold mariadb-operator --for 2h --reason 'upgrade by the runbook'
  retune hold deployment/keystone-api --for 30m --reason 'debugging' --then ask
  retune hold Deployment.apps/openstack/keystone-api --for 30m --reason 'debugging'")]
pub(super) struct Args {
    /// An app, or an object: KIND[.GROUP]/[NAMESPACE/]NAME.
    target: String,
    /// How long, e.g. 30m or 2h.
    #[arg(long = "for", value_name = "TIME")]
    time: String,
    /// Why, for those who look.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// What happens at its end.
    #[arg(long, value_enum, default_value_t = Then::Resume, value_name = "WHAT")]
    then: Then,
    /// How long what is pending is shown before it is done.
    #[arg(long, value_name = "TIME", default_value = "1m")]
    notice: String,
    #[command(flatten)]
    cloud: CloudArgs,
}

/// What happens at the end of a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Then {
    /// What is pending is shown, then done.
    Resume,
    /// What is pending is shown and waits for `retune release`.
    Ask,
}

/// Arguments of `retune release`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Prints what the hold has kept from being done and ends it: that is done at once. With --show it is only printed.
A hold by annotation ends when its annotation is removed with kubectl.")]
pub(super) struct ReleaseArgs {
    /// The app or object, as `retune hold` took it or `retune status` shows it.
    target: String,
    /// Only print what is pending.
    #[arg(long)]
    show: bool,
    #[command(flatten)]
    cloud: CloudArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let wrong = |option: &str, text: &str| {
        CommandError::cli(format!("{option} {text}: not a time such as 30m or 2h"))
    };
    let seconds = duration(&args.time).ok_or_else(|| wrong("--for", &args.time))?.as_secs();
    duration(&args.notice).ok_or_else(|| wrong("--notice", &args.notice))?;
    let until =
        time::rfc3339(time::now_seconds().saturating_add(i64::try_from(seconds).unwrap_or(i64::MAX / 2)));
    let cloud = args.cloud.cloud.clone();
    let target = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        live::cloudsync(&client, &cloud).await?;
        let target = resolve(&client, &cloud, &args.target).await?.to_string();
        let hold = Hold {
            until: until.clone(),
            reason: args.reason.clone(),
            by: live::whoami(),
            then: (args.then == Then::Ask).then(|| "ask".to_owned()),
            notice: (args.notice != "1m").then(|| args.notice.clone()),
        };
        // Fields of a hold before it that are not set now are taken away.
        let mut hold = json!(hold);
        for field in ["then", "notice"] {
            if hold.get(field).is_none() {
                hold[field] = serde_json::Value::Null;
            }
        }
        let patch = json!({"holds": {target.as_str(): hold}});
        let after = state::patch_cloudsync_spec(&client, &cloud, &patch).await.map_err(live::api)?;
        if !after.spec.holds.contains_key(&target) {
            return Err(CommandError::refused(
                "the cluster's CloudSync kind does not know holds yet: nothing is held",
            )
            .hint("run `retune install` with this version"));
        }
        if live::leader(&client, &cloud).await?.is_none() {
            ui.note("no syncer is running; the hold counts when one starts")?;
        }
        Ok(target)
    })?;
    ui.line(&format!("{target} is held until {until}; `retune release '{target}'` ends it earlier"))?;
    Ok(Exit::Success)
}

pub(super) fn release(args: ReleaseArgs, ui: &mut Ui) -> Result<Exit, CommandError> {
    let cloud = args.cloud.cloud.clone();
    let (target, pending) = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let found = live::cloudsync(&client, &cloud).await?;
        let target = match found.spec.holds.contains_key(&args.target) {
            true => args.target.clone(),
            false => resolve(&client, &cloud, &args.target).await?.to_string(),
        };
        let status = found.status.holds.iter().find(|h| h.target == target);
        if !found.spec.holds.contains_key(&target) {
            let by_annotation = status.is_some_and(|h| h.from == "annotation");
            let error = CommandError::user(format!("{target} is not held by the CloudSync {cloud}"));
            return Err(if by_annotation {
                error.hint("it is held by its annotation: kubectl annotate ... retune.dev/hold-until-")
            } else {
                error.hint("`retune status` lists the holds")
            });
        }
        let pending = status.map(|h| h.pending.clone()).unwrap_or_default();
        if !args.show {
            let patch = json!({"holds": {target.as_str(): null}});
            state::patch_cloudsync_spec(&client, &cloud, &patch).await.map_err(live::api)?;
        }
        Ok((target, pending))
    })?;
    for line in &pending {
        ui.line(line)?;
    }
    let what = if pending.is_empty() { "nothing is pending" } else { "that is pending" };
    ui.line(&if args.show {
        format!("{target} is held; {what}")
    } else {
        format!("{target} is released; {what}")
    })?;
    Ok(Exit::Success)
}

/// The app or object that a text names, among what the cloud has.
pub(super) async fn resolve(client: &Client, cloud: &str, text: &str) -> Result<Target, CommandError> {
    let inventory = state::list_inventory(client, cloud).await.map_err(live::api)?;
    pick(&inventory, text)
}

fn pick(inventory: &[Inventory], text: &str) -> Result<Target, CommandError> {
    let object = text.contains(['/', ' ']);
    if !object {
        return if inventory.iter().any(|i| i.spec.app == text) {
            Ok(Target::App(text.into()))
        } else {
            Err(CommandError::user(format!("the cloud has no app {text}")).hint(apps(inventory)))
        };
    }
    let (kind, name) = text.split_once([' ', '/']).unwrap_or((text, ""));
    let (kind, group) = kind.split_once('.').map_or((kind, None), |(kind, group)| (kind, Some(group)));
    let (namespace, name) =
        name.split_once('/').map_or((None, name), |(namespace, name)| (Some(namespace), name));
    let mut found: Vec<Target> = inventory
        .iter()
        .flat_map(|i| i.spec.entries.keys())
        .filter_map(|key| parse_key(key))
        .filter(|id| {
            let plural = kind.len() > 1
                && kind
                    .to_ascii_lowercase()
                    .strip_suffix('s')
                    .is_some_and(|k| id.kind.eq_ignore_ascii_case(k));
            (id.kind.eq_ignore_ascii_case(kind) || plural)
                && group.is_none_or(|g| *id.group == *g)
                && *id.name == *name
                && namespace.is_none_or(|n| id.namespace.as_deref() == Some(n))
        })
        .map(Target::Object)
        .collect();
    found.sort();
    found.dedup();
    match found.as_slice() {
        [one] => Ok(one.clone()),
        [] => Err(CommandError::user(format!("the cloud has no object {text}")).hint(
            "an object is named KIND[.GROUP]/[NAMESPACE/]NAME, e.g. deployment/openstack/keystone-api",
        )),
        several => Err(CommandError::user(format!(
            "{text} names several objects: {}",
            several.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        ))
        .hint("name one of them whole: KIND.GROUP/NAMESPACE/NAME")),
    }
}

/// The apps that there are, as a hint.
pub(super) fn apps(inventory: &[Inventory]) -> String {
    let mut names: Vec<&str> = inventory.iter().map(|i| i.spec.app.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    format!("its apps: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_found_by_what_people_write() {
        let mut shard = Inventory::default();
        shard.spec.app = "keystone".into();
        for key in [
            "apps/Deployment/openstack/api",
            "/Service/openstack/api",
            "/Service/other/api",
            "/Namespace//openstack",
        ] {
            shard.spec.entries.insert(key.into(), Default::default());
        }
        let pick = |text: &str| super::pick(std::slice::from_ref(&shard), text).map(|t| t.to_string());
        assert_eq!(pick("keystone").unwrap(), "keystone");
        assert_eq!(pick("deployment/api").unwrap(), "Deployment.apps openstack/api");
        assert_eq!(pick("deployments.apps/openstack/api").unwrap(), "Deployment.apps openstack/api");
        assert_eq!(pick("Deployment.apps openstack/api").unwrap(), "Deployment.apps openstack/api");
        assert_eq!(pick("namespace/openstack").unwrap(), "Namespace openstack");
        assert_eq!(pick("service/other/api").unwrap(), "Service other/api");
        for bad in ["service/api", "nova", "deployment/none"] {
            assert!(pick(bad).is_err(), "{bad}");
        }
    }
}
