//! What `check` and `render` share: a folder as a cloud's repository, and problems as text.

use std::io;
use std::path::{Path, PathBuf};

use super::{CommandError, Ui};
use crate::cloud::{Problem, Severity};
use crate::kustomize::Remote;
use crate::source::disk::DiskTree;

/// Opens a repository's folder.
pub(super) fn open(dir: &Path) -> Result<DiskTree, CommandError> {
    DiskTree::open(dir).map_err(|error| {
        let hint = match error.kind() {
            io::ErrorKind::NotFound => "name a folder that exists",
            _ => "name the folder that holds retune.yaml",
        };
        CommandError::user(format!("{}: {error}", dir.display())).hint(hint)
    })
}

/// The upstream folder that `--upstream` names.
#[derive(Debug, clap::Args)]
pub(super) struct UpstreamArgs {
    /// A folder that stands for the upstream repository that retune.yaml names.
    #[arg(long, value_name = "DIR")]
    pub(super) upstream: Option<PathBuf>,
    /// Ask nobody: remote bases of kustomizations are refused, charts come from the cache or a folder.
    #[arg(long)]
    pub(super) offline: bool,
}

impl UpstreamArgs {
    pub(super) fn open(&self) -> Result<Option<DiskTree>, CommandError> {
        self.upstream.as_deref().map(open).transpose()
    }
}

/// What reaches remote bases for one command; nothing with `--offline`.
#[cfg(feature = "syncer")]
pub(super) fn remotes(offline: bool) -> Option<crate::source::remote::RemoteBases> {
    (!offline).then(|| crate::source::remote::RemoteBases::scratch(None))
}

/// The remotes as the renderers ask them.
#[cfg(feature = "syncer")]
pub(super) fn as_remote(remotes: &crate::source::remote::RemoteBases) -> &dyn Remote {
    remotes
}

/// Without the network there is nothing to reach.
#[cfg(not(feature = "syncer"))]
pub(super) fn remotes(_: bool) -> Option<std::convert::Infallible> {
    None
}

/// As [`remotes`].
#[cfg(not(feature = "syncer"))]
pub(super) fn as_remote(remotes: &std::convert::Infallible) -> &dyn Remote {
    match *remotes {}
}

/// Prints problems as `DIR/file:line:column: error: app x: what; hint`, one a line, so that editors can jump to them.
pub(super) fn print(problems: &[Problem], dir: Option<&Path>, ui: &mut Ui) -> Result<(), CommandError> {
    for problem in problems {
        let place = match dir {
            Some(dir) if dir != Path::new(".") => dir.join(problem.place()).display().to_string(),
            _ => problem.place(),
        };
        let (style, word) = match problem.severity {
            Severity::Error => (ui.styles().error, "error"),
            Severity::Warning => (ui.styles().warning, "warning"),
        };
        let app = problem.app.as_ref().map(|a| format!("app {a}: ")).unwrap_or_default();
        let hint = problem.hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default();
        let line = format!("{place}: {}: {app}{}{hint}", ui.paint(style, word), problem.message);
        ui.line(&line)?;
    }
    Ok(())
}

/// Problems as one error.
pub(super) fn failed(problems: &[Problem], dir: &Path) -> CommandError {
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    CommandError::user(format!(
        "the repository {} cannot be rendered\n  {}",
        dir.display(),
        lines.join("\n  ")
    ))
    .hint("`retune check` reports the same with its own exit code")
}

/// What random text is derived from in a preview; never in a cluster.
pub(super) const PREVIEW_SEED: [u8; 32] = *b"preview: not the key of a cloud!";

/// How many apps may be rendered at the same time here.
pub(super) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}
