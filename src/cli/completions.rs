//! `retune completions SHELL`.

use clap_complete::Shell;

use super::{CommandError, Exit, Ui};

/// Arguments of `retune completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: retune completions bash > /etc/bash_completion.d/retune")]
pub(super) struct Args {
    /// The shell to complete in.
    #[arg(value_enum)]
    shell: Shell,
}

pub(super) fn run(args: Args, command: &mut clap::Command, ui: &mut Ui) -> Result<Exit, CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "retune", &mut script);
    ui.out().write_all(&script)?;
    Ok(Exit::Success)
}
