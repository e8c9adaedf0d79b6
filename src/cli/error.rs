//! The one error type of the command line: what kind of trouble it is, what happened, and what to try.
//!
//! The kind alone decides the exit code (see the table in [`crate::cli`]), as in jj's `command_error.rs`.

use std::error::Error;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::process::ExitCode;

use super::ui::Ui;

/// Whose trouble an error is; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The input that the user named is missing or wrong: 2.
    User,
    /// A configuration (repository, `CloudSync`, kubeconfig, credentials) cannot be used: 2.
    Config,
    /// The arguments do not fit together: 2.
    Cli,
    /// A guard, a Lease or an unapproved plan forbids it: 3.
    Refused,
    /// The cluster or a remote did not answer, and may later: 4.
    Unavailable,
    /// The reader of the output is gone: 141, without a message.
    BrokenPipe,
    /// A defect in retune: 70.
    Internal,
}

impl ErrorKind {
    /// The documented exit code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::User | Self::Config | Self::Cli => 2,
            Self::Refused => 3,
            Self::Unavailable => 4,
            Self::Internal => 70,
            Self::BrokenPipe => 141,
        }
    }
}

/// An error that ends a command.
#[derive(Debug)]
pub struct CommandError {
    /// Whose trouble it is.
    pub kind: ErrorKind,
    /// What happened, with its causes as sources.
    pub error: Box<dyn Error + Send + Sync>,
    /// What to try, one sentence each.
    pub hints: Vec<String>,
    /// Replaces the kind's exit code in drop-in commands, which end as the original does.
    pub code: Option<u8>,
}

impl CommandError {
    /// An error of a kind.
    pub fn new(kind: ErrorKind, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, error: error.into(), hints: Vec::new(), code: None }
    }

    /// The input that the user named is missing or wrong.
    pub fn user(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::User, error)
    }

    /// A configuration cannot be used.
    pub fn config(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Config, error)
    }

    /// The arguments do not fit together.
    pub fn cli(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Cli, error)
    }

    /// Forbidden by a guard, a Lease or a missing approval.
    pub fn refused(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Refused, error)
    }

    /// Not reachable now.
    pub fn unavailable(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Unavailable, error)
    }

    /// A defect in retune.
    pub fn internal(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::new(ErrorKind::Internal, error)
    }

    /// Adds what to try.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Ends with this code whatever the kind (drop-in commands).
    #[must_use]
    pub fn with_code(mut self, code: u8) -> Self {
        self.code = Some(code);
        self
    }

    /// The process's exit code.
    #[must_use]
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code.unwrap_or_else(|| self.kind.code()))
    }

    /// Writes the error, its causes and its hints to stderr.
    pub fn report(&self, ui: &mut Ui) {
        if self.kind == ErrorKind::BrokenPipe {
            return;
        }
        let mut lines = String::new();
        let head = if self.kind == ErrorKind::Internal { "internal error" } else { "error" };
        lines.push_str(&format!("{}: {}\n", ui.paint_err(ui.styles().error, head), self.error));
        let mut cause = self.error.source();
        let mut last = self.error.to_string();
        while let Some(inner) = cause {
            let text = inner.to_string();
            if !last.ends_with(&text) {
                lines.push_str(&format!("  caused by: {text}\n"));
            }
            last = text;
            cause = inner.source();
        }
        for hint in &self.hints {
            lines.push_str(&format!("{}: {hint}\n", ui.paint_err(ui.styles().hint, "hint")));
        }
        // Nobody is left to tell when stderr is gone too.
        let _ = io::stderr().write_all(lines.as_bytes());
    }
}

impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        let kind =
            if error.kind() == io::ErrorKind::BrokenPipe { ErrorKind::BrokenPipe } else { ErrorKind::User };
        Self::new(kind, error)
    }
}

#[cfg(feature = "syncer")]
impl From<crate::source::git::GitError> for CommandError {
    fn from(error: crate::source::git::GitError) -> Self {
        use crate::source::git::GitError as E;
        let kind = match &error {
            _ if error.is_transient() => ErrorKind::Unavailable,
            E::Denied { .. } | E::Certificate { .. } | E::Unsupported { .. } => ErrorKind::Config,
            E::PushRefused { .. } => ErrorKind::Refused,
            _ => ErrorKind::User,
        };
        Self::new(kind, error)
    }
}

/// Prints clap's message (an error, the help or the version) and gives the exit code.
pub(super) fn end_of_clap(problem: &clap::Error, args: &[OsString]) -> ExitCode {
    match problem.print() {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::from(ErrorKind::BrokenPipe.code())
        }
        _ if problem.use_stderr() && is_drop_in(args) => ExitCode::from(1),
        _ if problem.use_stderr() => ExitCode::from(ErrorKind::Cli.code()),
        _ => ExitCode::SUCCESS,
    }
}

/// Whether the command line is one of those that stand for another program: wrong arguments end as they end there.
fn is_drop_in(args: &[OsString]) -> bool {
    let words: Vec<_> =
        args.iter().skip(1).filter_map(|a| a.to_str()).filter(|a| !a.starts_with('-')).take(2).collect();
    matches!(words.as_slice(), ["kustomize", "build"] | ["helm", "template"])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_arguments_of_drop_in_commands_end_as_in_the_originals() {
        let ends = |line: &str| {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            is_drop_in(&args)
        };
        assert!(ends("retune kustomize build --nonsense") && ends("retune helm template"));
        assert!(!ends("retune check --nonsense") && !ends("retune --nonsense"));
    }

    #[test]
    fn a_closed_pipe_is_not_an_error_to_talk_about() {
        let error = CommandError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(error.kind, ErrorKind::BrokenPipe);
        assert_eq!(error.kind.code(), 141);
    }
}
