//! `retune status`: how a cloud stands.

use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Format, OutputArgs, Ui};

/// Arguments of `retune status`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Reads the CloudSync's status. The same with kubectl: kubectl get cloudsyncs -n retune-system
Exit code 0 whatever the cloud's state is; use `kubectl wait` or -o json to act on it.")]
pub(super) struct Args {
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let cloud = args.cloud.cloud.clone();
    let (found, leader) = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        let found = live::cloudsync(&client, &cloud).await?;
        let leader = live::leader(&client, &cloud).await?;
        Ok((found, leader))
    })?;
    if args.output.output == Format::Json {
        ui.json(&serde_json::json!({"cloud": cloud, "syncer": leader, "spec": found.spec, "status": found.status}))?;
        return Ok(Exit::Success);
    }
    let (spec, status) = (&found.spec, &found.status);
    let mut lines = vec![
        format!(
            "cloud     {cloud}  ({} of {}, profile {})",
            spec.source.branch,
            spec.source.repo,
            if spec.profile.is_empty() { "as retune.yaml says" } else { &spec.profile }
        ),
        format!("syncer    {}", leader.unwrap_or_else(|| "none is running".into())),
        format!(
            "revision  {}{}",
            or_none(&status.revision),
            if status.seen_revision == status.revision || status.seen_revision.is_empty() {
                String::new()
            } else {
                format!("  (seen: {})", status.seen_revision)
            }
        ),
    ];
    if let Some(pin) = &spec.pin {
        lines.push(format!("pinned    {} {}", pin.revision, pin.reason));
    }
    for pinned in &status.pinned {
        let reason = if pinned.reason.is_empty() { String::new() } else { format!(": {}", pinned.reason) };
        lines.push(format!(
            "          app {} is not at this revision but at {}{reason}",
            pinned.app, pinned.revision
        ));
    }
    if spec.suspend {
        lines.push("suspended yes: nothing is applied, corrected or deleted".into());
    }
    lines.push(format!("apps      {} ready, {} objects", or_none(&status.ready), status.objects));
    for condition in &status.conditions {
        let message =
            if condition.message.is_empty() { String::new() } else { format!(": {}", condition.message) };
        lines.push(format!(
            "{:<9} {} ({}){message}",
            condition.kind.to_lowercase(),
            condition.status,
            condition.reason
        ));
    }
    for app in &status.not_ready {
        lines.push(format!("  {} {}: {}", app.name, app.state, app.message));
    }
    if !status.nodes.is_empty() {
        let differ: Vec<_> = status.nodes.iter().filter(|n| n.state != "in sync").collect();
        lines.push(format!(
            "nodes     {} labelled or annotated, {} differ",
            status.nodes.len(),
            differ.len()
        ));
        lines.extend(differ.iter().map(|n| format!("  {} {}", n.name, n.message)));
    }
    let without: Vec<_> = status.inputs.iter().filter(|i| i.state != "read").collect();
    if !status.inputs.is_empty() {
        lines.push(format!(
            "inputs    {} live inputs, {} without a value now",
            status.inputs.len(),
            without.len()
        ));
    }
    for input in without {
        let what = if input.state == "gone" { "; its last value stays in force" } else { "" };
        lines.push(format!("  {} {}{what} ({})", input.source, input.message, input.apps.join(", ")));
    }
    for hold in &status.holds {
        let reason = if hold.reason.is_empty() { String::new() } else { format!(": {}", hold.reason) };
        let end = match hold.state.as_str() {
            "ending" => format!("its time is over; what is pending is done at {}", hold.acts),
            "asks" => format!("its time is over; it waits for: retune release '{}'", hold.target),
            _ => format!("until {}", hold.until),
        };
        lines.push(format!("held      {} {end}{reason} (by {})", hold.target, hold.from));
        lines.extend(hold.pending.iter().map(|p| format!("  {p}")));
    }
    for adoption in &status.adoption {
        lines.push(format!("adoption  {} {}: {}", adoption.app, adoption.state, adoption.message));
    }
    if let Some(withheld) = &status.withheld {
        lines.push(match withheld.digest.as_str() {
            "" => "withheld  no approval frees what others own".to_owned(),
            digest => format!("withheld  approve with: retune approve {digest}"),
        });
        lines.extend(withheld.actions.iter().map(|a| format!("  {a}")));
    }
    for (title, notes) in
        [("hooks", &status.hooks), ("deleting", &status.deleting), ("left out", &status.left_out)]
    {
        if !notes.is_empty() {
            lines.push(format!("{title:<9} {}", notes.len()));
            lines.extend(notes.iter().map(|n| format!("  {} ({}): {}", n.object, n.app, n.message)));
        }
    }
    if !status.orphans.is_empty() {
        lines.push(format!("orphans   {} stay although Git has them no more", status.orphans.len()));
        lines.extend(status.orphans.iter().map(|o| format!("  {} (from {})", o.object, o.app)));
    }
    if !status.secrets.is_empty() {
        lines.push(format!("secrets   {} to look at", status.secrets.len()));
        lines.extend(
            status.secrets.iter().map(|s| format!("  {} {} ({}): {}", s.secret, s.state, s.app, s.message)),
        );
    }
    if let Some(rotation) = &status.rotation {
        lines.push(format!("rotation  {} {}: {}", rotation.secret, rotation.state, rotation.message));
    }
    if let Some(test) = &status.test {
        lines.push(format!("test      {} {} {}", test.app, test.state, test.message));
    }
    if status.corrections > 0 || !status.drift.is_empty() {
        lines.push(format!("drift     {} corrected", status.corrections));
        lines.extend(status.drift.iter().map(|d| format!("  {} {} {}", d.time, d.object, d.message)));
    }
    for line in lines {
        ui.line(&line)?;
    }
    Ok(Exit::Success)
}

fn or_none(text: &str) -> &str {
    if text.is_empty() { "none" } else { text }
}
