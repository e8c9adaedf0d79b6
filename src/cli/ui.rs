//! What commands write to: stdout for data, stderr for progress and errors, colour only where wanted.

use std::io::{self, BufWriter, IsTerminal as _, Write};

use clap::ValueEnum;
use clap::builder::styling::{AnsiColor, Style};
use serde::Serialize;

use super::error::CommandError;

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ColorChoice {
    /// On a terminal, unless `NO_COLOR` is set or the terminal is `dumb`.
    Auto,
    /// Always, in pipes too.
    Always,
    /// Never.
    Never,
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// The `-o` flag of every command that prints data.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct OutputArgs {
    /// How to print the data.
    #[arg(short = 'o', long = "output", value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    pub output: Format,
}

/// The styles that all commands share.
#[derive(Debug, Clone, Copy)]
pub struct Styles {
    /// The word "error".
    pub error: Style,
    /// The word "warning".
    pub warning: Style,
    /// The word "hint".
    pub hint: Style,
    /// Names of apps, objects, revisions.
    pub name: Style,
    /// Added lines, healthy states.
    pub good: Style,
    /// Removed lines, failed states.
    pub bad: Style,
    /// Changed or waiting.
    pub changed: Style,
    /// What matters less.
    pub dim: Style,
}

const STYLES: Styles = Styles {
    error: AnsiColor::Red.on_default().bold(),
    warning: AnsiColor::Yellow.on_default().bold(),
    hint: AnsiColor::Cyan.on_default().bold(),
    name: Style::new().bold(),
    good: AnsiColor::Green.on_default(),
    bad: AnsiColor::Red.on_default(),
    changed: AnsiColor::Yellow.on_default(),
    dim: Style::new().dimmed(),
};

/// The terminal or pipe a command talks to.
pub struct Ui {
    out: Box<dyn Write + Send>,
    color_out: bool,
    color_err: bool,
    terminal_out: bool,
    terminal_err: bool,
}

impl Ui {
    /// The process's own stdout and stderr.
    #[must_use]
    pub fn for_process(choice: ColorChoice) -> Self {
        let terminal_out = io::stdout().is_terminal();
        let terminal_err = io::stderr().is_terminal();
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
        let color = |terminal: bool| match choice {
            ColorChoice::Auto => terminal && !no_color && !dumb,
            ColorChoice::Always => true,
            ColorChoice::Never => false,
        };
        Self {
            out: Box::new(BufWriter::new(io::stdout())),
            color_out: color(terminal_out),
            color_err: color(terminal_err),
            terminal_out,
            terminal_err,
        }
    }

    /// Writes plain text somewhere else (tests).
    #[must_use]
    pub fn plain(out: Box<dyn Write + Send>) -> Self {
        Self { out, color_out: false, color_err: false, terminal_out: false, terminal_err: false }
    }

    /// The shared styles.
    #[must_use]
    pub fn styles(&self) -> &'static Styles {
        &STYLES
    }

    /// Whether stdout is a terminal: live progress and pagers only then.
    #[must_use]
    pub fn is_terminal(&self) -> bool {
        self.terminal_out
    }

    /// Whether stderr is a terminal.
    #[must_use]
    pub fn is_err_terminal(&self) -> bool {
        self.terminal_err
    }

    /// Whether stdout is coloured.
    #[must_use]
    pub fn color(&self) -> bool {
        self.color_out
    }

    /// Text in a style, for stdout.
    #[must_use]
    pub fn paint(&self, style: Style, text: &str) -> String {
        if self.color_out { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Text in a style, for stderr.
    #[must_use]
    pub fn paint_err(&self, style: Style, text: &str) -> String {
        if self.color_err { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// stdout, buffered; a closed pipe becomes [`super::ErrorKind::BrokenPipe`] through `?`.
    pub fn out(&mut self) -> &mut (dyn Write + Send) {
        &mut *self.out
    }

    /// One line of data on stdout.
    pub fn line(&mut self, text: &str) -> Result<(), CommandError> {
        self.out.write_all(text.as_bytes())?;
        self.out.write_all(b"\n")?;
        Ok(())
    }

    /// One pretty JSON document on stdout.
    pub fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), CommandError> {
        let text = serde_json::to_string_pretty(value).map_err(CommandError::internal)?;
        self.line(&text)
    }

    /// One line of progress or warning on stderr; what stdout holds so far goes out first.
    pub fn note(&mut self, text: &str) -> Result<(), CommandError> {
        self.flush()?;
        // stderr gone is no reason to stop the work.
        let _ = io::stderr().write_all(format!("{text}\n").as_bytes());
        Ok(())
    }

    /// A warning on stderr.
    pub fn warn(&mut self, text: &str) -> Result<(), CommandError> {
        let head = self.paint_err(STYLES.warning, "warning");
        self.note(&format!("{head}: {text}"))
    }

    /// Sends what is buffered.
    pub fn flush(&mut self) -> Result<(), CommandError> {
        Ok(self.out.flush()?)
    }
}
