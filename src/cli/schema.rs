//! `retune schema`: the JSON Schemas of the files that users write, for editors.

#![allow(rustdoc::invalid_html_tags, reason = "help texts, where <app> is a placeholder")]

use clap::ValueEnum;

use super::{CommandError, Exit, Ui};
use crate::cloud::{normal, schema};

/// Arguments of `retune schema`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
The schemas are also in docs/schema/. For editors with yaml-language-server, put this line at the top of a file:
  # yaml-language-server: $schema=../docs/schema/app.json")]
pub(super) struct Args {
    /// Which file's schema.
    #[arg(value_enum)]
    kind: Kind,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// retune.yaml
    Cloud,
    /// apps/<app>.yaml
    App,
    /// helm-chart-versions.yaml
    ChartVersions,
    /// rules/<name>.yaml
    Rules,
    /// retune.lock
    ChartLock,
}

pub(super) fn run(args: Args, ui: &mut Ui) -> Result<Exit, CommandError> {
    let schema = match args.kind {
        Kind::Cloud => schema::cloud(),
        Kind::App => schema::app(),
        Kind::ChartVersions => schema::chart_versions(),
        Kind::Rules => schema::rules(),
        Kind::ChartLock => schema::chart_lock(),
    };
    ui.line(&normal::pretty(schema))?;
    Ok(Exit::Success)
}
