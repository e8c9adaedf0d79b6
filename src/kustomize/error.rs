//! The one error of this room: what is wrong, where, through which bases the build got there, what to do.

use std::fmt;

/// What sort of failure it is. The accumulator decides by it whether a `resources:` entry may still be a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A kustomization, patch, resource or option that is wrong.
    Invalid,
    /// Text that is not YAML.
    MalformedYaml,
    /// A file or folder that is not there.
    NotFound,
    /// A file outside the folder that the kustomization may read.
    Restricted,
    /// A feature that retune does not offer.
    Unsupported,
    /// A remote that is needed and cannot be had.
    Remote,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's path in the tree.
    pub file: String,
    /// The line from 1; 0 if the whole file is meant.
    pub line: u32,
}

/// A failed build.
#[derive(Debug, Clone)]
pub struct Error(Box<Inner>);

#[derive(Debug, Clone)]
struct Inner {
    kind: Kind,
    message: String,
    place: Option<Place>,
    /// Outermost last.
    contexts: Vec<String>,
    hint: Option<String>,
}

impl Error {
    /// An error of [`Kind::Invalid`].
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self::of(Kind::Invalid, message)
    }

    /// An error of a given kind.
    #[must_use]
    pub fn of(kind: Kind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner { kind, message: message.into(), place: None, contexts: Vec::new(), hint: None }))
    }

    /// Something kustomize offers and retune does not.
    #[must_use]
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::of(Kind::Unsupported, message)
    }

    /// Says where, unless an inner call said it already. Line 0 means the whole file.
    #[must_use]
    pub fn at(mut self, file: &str, line: u32) -> Self {
        match &mut self.0.place {
            Some(place) if place.file.is_empty() => file.clone_into(&mut place.file),
            Some(_) => {}
            None => self.0.place = Some(Place { file: file.to_owned(), line }),
        }
        self
    }

    /// Says the line in a file that an outer call will name with [`Error::at`].
    #[must_use]
    pub fn at_line(self, line: u32) -> Self {
        if self.0.place.is_some() { self } else { self.at("", line) }
    }

    /// Says what was being done.
    #[must_use]
    pub fn context(mut self, what: impl Into<String>) -> Self {
        self.0.contexts.push(what.into());
        self
    }

    /// Says what the user can do, unless an inner call said it already.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint.get_or_insert_with(|| hint.into());
        self
    }

    /// What sort of failure it is.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// Whether a remote is the matter: it cannot be had, or is of a kind that retune does not read.
    #[must_use]
    pub fn is_of_remote(&self) -> bool {
        self.0.kind == Kind::Remote || (self.0.kind == Kind::Unsupported && self.0.place.is_none())
    }

    /// The innermost message alone.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where, if known.
    #[must_use]
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref().filter(|p| !p.file.is_empty())
    }

    /// What the user can do, if known.
    #[must_use]
    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for context in self.0.contexts.iter().rev() {
            write!(f, "{context}: ")?;
        }
        if let Some(place) = &self.0.place {
            match (place.file.is_empty(), place.line) {
                (true, 0) => {}
                (true, line) => write!(f, "line {line}: ")?,
                (false, 0) => write!(f, "{}: ", place.file)?,
                (false, line) => write!(f, "{}:{line}: ", place.file)?,
            }
        }
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {}

/// Adds the doing to a failed result.
pub trait Context<T> {
    /// [`Error::context`], built only on failure.
    fn context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T, Error>;
}

impl<T> Context<T> for Result<T, Error> {
    fn context<S: Into<String>>(self, what: impl FnOnce() -> S) -> Result<T, Error> {
        self.map_err(|e| e.context(what()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_names_the_way_the_place_and_the_fault() {
        let e = Error::new("no 'name'")
            .at_line(3)
            .at("a.yaml", 0)
            .context("inner")
            .context("outer")
            .hint("add it");
        assert_eq!(e.to_string(), "outer: inner: a.yaml:3: no 'name'");
        assert_eq!(e.hint_text(), Some("add it"));
    }
}
