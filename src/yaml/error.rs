//! What goes wrong while reading or writing YAML, and how much input is accepted.

use super::Pos;

/// A refusal to read or write, with its place. Displayed as go-yaml words it: `yaml: line 3: did not find ...`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Where; line 0 if the place is unknown.
    pub pos: Pos,
    /// What, in go-yaml's words where go-yaml has any.
    pub message: String,
    /// The line that go-yaml would name, which is often one less than the true one; 0 if it names none.
    pub(crate) shown: u32,
}

impl Error {
    /// An error at a place.
    #[must_use]
    pub fn at(pos: Pos, message: impl Into<String>) -> Self {
        Self { pos, message: message.into(), shown: pos.line }
    }

    /// An error that belongs to no place.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        Self::at(Pos::default(), message)
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.message.starts_with("json: ") {
            return f.write_str(&self.message);
        }
        if self.shown == 0 {
            write!(f, "yaml: {}", self.message)
        } else {
            write!(f, "yaml: line {}: {}", self.shown, self.message)
        }
    }
}

impl std::error::Error for Error {}

/// How much input the readers accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Nesting of collections.
    pub depth: usize,
    /// Nodes that aliases may add to one stream, on top of go-yaml's own ratio rule.
    pub alias_nodes: usize,
    /// Size of the text in bytes.
    pub bytes: usize,
}

impl Default for Limits {
    /// 256 levels, 4 million nodes from aliases, 256 MiB.
    ///
    /// go-yaml allows 10,000 levels. No Kubernetes object comes near 256, and everything that walks a tree
    /// recursively (dropping it included) stays far from the end of a 2 MiB stack.
    fn default() -> Self {
        Self { depth: 256, alias_nodes: 4_000_000, bytes: 256 << 20 }
    }
}
