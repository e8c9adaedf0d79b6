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
        let mut error = self;
        loop {
            match error {
                Self::Message(_) => return None,
                Self::Exec(e) => return Some(e),
                Self::Wrapped(_, cause) => error = cause,
            }
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

/// One link of a chain of errors: its own words, and what caused it.
enum Link<'e> {
    Func(&'e FuncError),
    Exec(&'e ExecError),
}

impl<'e> Link<'e> {
    /// Writes this link; gives the next one. A loop instead of recursion: includes may be nested very deep.
    fn write(self, f: &mut fmt::Formatter<'_>) -> Result<Option<Link<'e>>, fmt::Error> {
        match self {
            Self::Func(FuncError::Message(m)) => f.write_str(m).map(|()| None),
            Self::Func(FuncError::Exec(e)) => Ok(Some(Link::Exec(e))),
            Self::Func(FuncError::Wrapped(words, cause)) => {
                write!(f, "{words}: ")?;
                Ok(Some(Link::Func(cause)))
            }
            Self::Exec(e) => {
                match &e.at {
                    Some(at) => {
                        let name = super::strconv::quote(e.template.as_bytes());
                        let At { file, line, column, expression } = &**at;
                        write!(f, "template: {file}:{line}:{column}: executing {name} at <{expression}>: ")?;
                    }
                    None if e.template.is_empty() => f.write_str("template: ")?,
                    None => write!(f, "template: {}: ", e.template)?,
                }
                f.write_str(&e.message)?;
                let Some(cause) = &e.cause else { return Ok(None) };
                f.write_str(": ")?;
                Ok(Some(Link::Func(cause)))
            }
        }
    }

    fn write_chain(self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut link = Some(self);
        while let Some(this) = link {
            link = this.write(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for FuncError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Link::Func(self).write_chain(f)
    }
}

impl std::error::Error for FuncError {}

impl fmt::Display for ExecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Link::Exec(self).write_chain(f)
    }
}

impl std::error::Error for ExecError {}

impl Drop for ExecError {
    /// Takes the chain apart in a loop.
    fn drop(&mut self) {
        let mut cause = self.cause.take();
        while let Some(error) = cause {
            cause = match *error {
                FuncError::Message(_) => None,
                FuncError::Exec(mut e) => e.cause.take(),
                FuncError::Wrapped(_, inner) => Some(inner),
            };
        }
    }
}
