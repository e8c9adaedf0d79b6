//! The errors of parsing and executing, with Go's texts.

use std::fmt;
use std::rc::Rc;

/// A text that does not parse: `template: NAME:LINE: MESSAGE`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("template: {name}:{line}: {message}")]
pub struct ParseError {
    /// The name the text was parsed under: the file.
    pub name: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, in Go's words.
    pub message: String,
}

/// Why a function could not give a result.
#[derive(Debug, Clone)]
pub enum FuncError {
    /// A plain error with its text.
    Message(String),
    /// A template that the function executed failed (`include`, `tpl`).
    Exec(Box<ExecError>),
    /// An error of the function's own words around another: `WORDS: CAUSE`.
    Wrapped(String, Box<FuncError>),
}

/// An execution that failed. `Display` gives the whole chain in one line as Go does.
#[derive(Debug, Clone)]
pub struct ExecError {
    /// The template that was executing (a file or a `define`); empty if there was no such template.
    pub template: Rc<str>,
    /// Where: `FILE:LINE:COLUMN` (column in bytes from 0, as Go counts), and the expression as Go prints it back.
    pub at: Option<Box<At>>,
    /// What is wrong, without the cause.
    pub message: String,
    /// The error of the function that was called, if one was; printed after `message` and `: `.
    pub cause: Option<Box<FuncError>>,
}

/// A place in a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At {
    /// The name that the text was parsed under.
    pub file: Rc<str>,
    /// Line, from 1.
    pub line: usize,
    /// Byte offset in the line, from 0.
    pub column: usize,
    /// The expression, printed back from the tree.
    pub expression: String,
}

impl FuncError {
    /// A plain error.
    pub fn new(message: impl Into<String>) -> Self {
        Self::Message(message.into())
    }

    /// The execution error at the end of the chain, if a template failed.
    #[must_use]
    pub fn exec(&self) -> Option<&ExecError> {
        match self {
            Self::Message(_) => None,
            Self::Exec(e) => Some(e),
            Self::Wrapped(_, cause) => cause.exec(),
        }
    }
}

impl From<String> for FuncError {
    fn from(message: String) -> Self {
        Self::Message(message)
    }
}

impl From<&str> for FuncError {
    fn from(message: &str) -> Self {
        Self::Message(message.to_owned())
    }
}

impl From<ExecError> for FuncError {
    fn from(e: ExecError) -> Self {
        Self::Exec(Box::new(e))
    }
}

impl From<ParseError> for FuncError {
    fn from(e: ParseError) -> Self {
        Self::Message(e.to_string())
    }
}

impl fmt::Display for FuncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(m) => f.write_str(m),
            Self::Exec(e) => e.fmt(f),
            Self::Wrapped(words, cause) => write!(f, "{words}: {cause}"),
        }
    }
}

impl std::error::Error for FuncError {}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.at {
            Some(at) => {
                let name = super::strconv::quote(self.template.as_bytes());
                let At { file, line, column, expression } = &**at;
                write!(f, "template: {file}:{line}:{column}: executing {name} at <{expression}>: ")?;
            }
            None if self.template.is_empty() => f.write_str("template: ")?,
            None => write!(f, "template: {}: ", self.template)?,
        }
        f.write_str(&self.message)?;
        match &self.cause {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ExecError {}
