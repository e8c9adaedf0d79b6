//! `retune history`: the ledger.

use std::path::PathBuf;

use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Format, OutputArgs, Ui};
use crate::cluster::state;
use crate::ledger::{self, Entry, What};

/// Arguments of `retune history`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The ledger is a local file of the syncer, sealed with the cloud's key (read from the cluster). Losing it loses history, never correctness.
Run this where the syncer runs, with the same --state-dir.")]
pub(super) struct Args {
    /// How many entries, newest first.
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
    limit: usize,
    /// The syncer's state folder. [default: ~/.local/state/retune/CLOUD]
    #[arg(long, alias = "data", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(flatten)]
    cloud: CloudArgs,
    #[command(flatten)]
    output: OutputArgs,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let cloud = args.cloud.cloud.clone();
    let path = live::state_dir(args.state_dir, &cloud)?.join("ledger.redb");
    if !path.exists() {
        return Err(CommandError::user(format!("{}: there is no ledger", path.display()))
            .hint("run this where the syncer runs, with its --state-dir"));
    }
    let key = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        live::cloudsync(&client, &cloud).await?;
        state::existing_cloud_key(&client, &cloud).await.map_err(live::api)?.ok_or_else(|| {
            CommandError::user(format!(
                "there is no key of cloud {cloud} in this cluster, so its ledger cannot be opened"
            ))
            .hint("name the cluster whose syncer wrote it")
        })
    })?;
    let entries = read(&path, &key, args.limit)?;
    if args.output.output == Format::Json {
        ui.json(&entries)?;
        return Ok(Exit::Success);
    }
    for entry in &entries {
        ui.line(&line(entry))?;
    }
    Ok(Exit::Success)
}

/// Reads the file, or a copy of it while a syncer has it open. A copy caught in the middle of a write is taken again.
fn read(path: &std::path::Path, key: &[u8; 32], limit: usize) -> Result<Vec<Entry>, CommandError> {
    match ledger::read(path, key, limit) {
        Err(ledger::LedgerError::InUse { .. }) => {}
        other => return other.map_err(|e| CommandError::user(e.to_string())),
    }
    let mut last = None;
    for _ in 0..5 {
        let copy = path.with_extension(format!("copy-{}", std::process::id()));
        let result = std::fs::copy(path, &copy)
            .map_err(|e| CommandError::user(format!("{}: {e}", path.display())))
            .and_then(|_| ledger::read(&copy, key, limit).map_err(|e| CommandError::user(e.to_string())));
        let _ = std::fs::remove_file(&copy);
        match result {
            Ok(entries) => return Ok(entries),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| CommandError::user("the ledger cannot be read")))
}

fn line(entry: &Entry) -> String {
    match &entry.what {
        What::Sync(sync) => {
            let state = if !sync.failed.is_empty() {
                "failed"
            } else if sync.ready {
                "ready"
            } else {
                "not ready"
            };
            let withheld = if sync.withheld.is_empty() {
                String::new()
            } else {
                format!(", {} withheld", sync.withheld.len())
            };
            let inputs = match sync.inputs.len() {
                0 => String::new(),
                n => format!(", {n} live inputs"),
            };
            format!(
                "{}  sync   {}  {}: {}{withheld}{inputs}, {} writes, {} ms, {}  ({})",
                entry.time,
                sync.revision.short(),
                state,
                sync.summary,
                sync.writes,
                sync.ms,
                sync.revision.author,
                sync.revision.subject
            )
        }
        What::Drift(drift) => {
            let how = drift.ms.map_or_else(|| "reported".to_owned(), |ms| format!("corrected in {ms:.1} ms"));
            format!("{}  drift  {}: {} ({how})", entry.time, drift.object, drift.reason)
        }
        What::Failed { revision, message } => {
            format!(
                "{}  failed {}  {}",
                entry.time,
                revision.get(..10).unwrap_or(revision),
                message.lines().next().unwrap_or_default()
            )
        }
    }
}
