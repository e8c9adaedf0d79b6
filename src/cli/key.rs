//! `retune key`: the per-cloud key, out of its cluster and back, encrypted.

use std::path::{Path, PathBuf};

use super::live::{self, CloudArgs};
use super::{CommandError, Exit, Ui};
use crate::cluster::key::{self, Lock, MAX_FILE, Opener};
use crate::cluster::state;

/// The environment variable with the passphrase.
const PASSPHRASE: &str = "RETUNE_KEY_PASSPHRASE";

/// Arguments of `retune key`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Debug, clap::Subcommand)]
enum KeyCommand {
    /// Write the per-cloud key, encrypted with age, for recipients or for a passphrase.
    Export(ExportArgs),
    /// Put an exported key into a cluster that has none.
    Import(ImportArgs),
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
The key (Secret retune-key-CLOUD in retune-system) is what charts' random text, the ledger's encryption and the sealed hooks of the inventory are derived
from. Without it the random text of charts changes and the ledger cannot be read. The file can be opened with `age -d` as well.
Give --recipient, or a passphrase by --passphrase-file or RETUNE_KEY_PASSPHRASE.

Examples:
  retune key export --cloud prod --recipient age1... --output prod.key.age
  RETUNE_KEY_PASSPHRASE=... retune key export --cloud prod > prod.key.age")]
struct ExportArgs {
    #[command(flatten)]
    cloud: CloudArgs,
    /// An age public key (age1...) that can open it; may be given several times.
    #[arg(long, value_name = "AGE1", conflicts_with = "passphrase_file")]
    recipient: Vec<String>,
    /// A file whose first line is the passphrase; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Where to write it; standard output if left out.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "\
A key that is there is never overwritten: if it is the same one nothing happens, another one is an error.

Examples:
  retune key import --cloud prod --identity key.txt prod.key.age")]
struct ImportArgs {
    /// The exported file.
    file: PathBuf,
    #[command(flatten)]
    cloud: CloudArgs,
    /// The file with the age secret key (AGE-SECRET-KEY-1...).
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    identity: Option<PathBuf>,
    /// A file whose first line is the passphrase; `-` for standard input.
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    match args.command {
        KeyCommand::Export(args) => export(&args, ui),
        KeyCommand::Import(args) => import(&args, ui),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    use std::io::Read as _;
    let wrong = |e: std::io::Error| CommandError::config(format!("{}: {e}", path.display()));
    let mut bytes = Vec::new();
    let limit = MAX_FILE as u64 + 1;
    if path == Path::new("-") {
        std::io::stdin().take(limit).read_to_end(&mut bytes).map_err(wrong)?;
    } else {
        std::fs::File::open(path).and_then(|f| f.take(limit).read_to_end(&mut bytes)).map_err(wrong)?;
    }
    if bytes.len() > MAX_FILE {
        return Err(CommandError::config(format!("{}: longer than {MAX_FILE} bytes", path.display())));
    }
    Ok(bytes)
}

fn passphrase(file: Option<&Path>) -> Result<Option<String>, CommandError> {
    let text = match file {
        Some(path) => String::from_utf8(read(path)?)
            .map_err(|_| CommandError::config(format!("{}: not text", path.display())))?,
        None => match std::env::var(PASSPHRASE) {
            Ok(text) => text,
            Err(_) => return Ok(None),
        },
    };
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.is_empty() {
        return Err(CommandError::cli("the passphrase is empty"));
    }
    Ok(Some(line))
}

fn export(args: &ExportArgs, ui: &mut Ui) -> Result<Exit, CommandError> {
    let lock = if args.recipient.is_empty() {
        Lock::Passphrase(passphrase(args.passphrase_file.as_deref())?.ok_or_else(|| {
            CommandError::cli("nobody is named who could open the file")
                .hint(format!("give --recipient age1..., --passphrase-file FILE, or {PASSPHRASE}"))
        })?)
    } else {
        Lock::Recipients(args.recipient.clone())
    };
    let cloud = &args.cloud.cloud;
    let key = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        state::existing_cloud_key(&client, cloud).await.map_err(live::api)
    })?
    .ok_or_else(|| {
        CommandError::user(format!("cloud {cloud} has no key in this cluster"))
            .hint("name the cloud with --cloud; the key is made by the first `retune run`")
    })?;
    let sealed = key::seal(cloud, &key, &lock).map_err(CommandError::user)?;
    let Some(path) = &args.output else {
        ui.line(sealed.trim_end())?;
        return Ok(Exit::Success);
    };
    std::fs::write(path, &sealed).map_err(|e| CommandError::config(format!("{}: {e}", path.display())))?;
    ui.line(&format!("the key of cloud {cloud} is in {}, encrypted", path.display()))?;
    Ok(Exit::Success)
}

fn import(args: &ImportArgs, ui: &mut Ui) -> Result<Exit, CommandError> {
    let opener = match &args.identity {
        Some(path) => Opener::Identity(
            String::from_utf8(read(path)?)
                .map_err(|_| CommandError::config(format!("{}: not text", path.display())))?,
        ),
        None => Opener::Passphrase(passphrase(args.passphrase_file.as_deref())?.ok_or_else(|| {
            CommandError::cli("nothing is given that opens the file")
                .hint(format!("give --identity FILE, --passphrase-file FILE, or {PASSPHRASE}"))
        })?),
    };
    let wrong = |text: String| CommandError::user(format!("{}: {text}", args.file.display()));
    let (name, key) = key::open(&read(&args.file)?, &opener).map_err(wrong)?;
    let cloud = &args.cloud.cloud;
    if name != *cloud {
        return Err(CommandError::refused(format!(
            "{} holds the key of cloud {name}, and this is for cloud {cloud}",
            args.file.display()
        ))
        .hint(format!("give --cloud {name}")));
    }
    let line = live::block_on(async {
        let client = args.cloud.connect.connect().await?;
        match state::existing_cloud_key(&client, cloud).await.map_err(live::api)? {
            Some(there) if there == key => Ok(format!("cloud {cloud} has this key already: nothing to do")),
            Some(_) => Err(CommandError::refused(format!("cloud {cloud} has another key in this cluster; it is kept"))
                .hint(format!(
                    "if the imported one is right, delete Secret retune-system/{} first: charts' random text and the ledger change with the key",
                    state::key_name(cloud)
                ))),
            None => {
                state::put_cloud_key(&client, cloud, &key).await.map_err(live::api)?;
                Ok(format!("the key of cloud {cloud} is back in its cluster"))
            }
        }
    })?;
    ui.line(&line)?;
    Ok(Exit::Success)
}
