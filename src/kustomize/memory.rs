//! What the build remembers about an object: former identities, what its name gets, how it was generated.
//!
//! The original keeps it in annotations under `internal.config.kubernetes.io/`.

/// How a generated object relates to one that exists.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Behavior {
    /// Nothing said: like create.
    #[default]
    Unspecified,
    /// Must not exist.
    Create,
    /// Takes the place of the existing object.
    Replace,
    /// Adds its data to the existing object.
    Merge,
}

impl Behavior {
    /// From a generator's `behavior`; anything unknown is unspecified, as in the original.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        match text {
            "create" => Self::Create,
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            _ => Self::Unspecified,
        }
    }

    /// The word that the original prints for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Merge => "merge",
        }
    }
}

/// A name that an object had before a transformer renamed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PrevId {
    /// Name.
    pub name: String,
    /// Effective namespace.
    pub namespace: String,
    /// Kind.
    pub kind: String,
}

/// What the build remembers about an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Build {
    /// Former identities, oldest first.
    pub prev: Vec<PrevId>,
    /// Prefixes applied, innermost first.
    pub prefixes: Vec<String>,
    /// Suffixes applied, innermost first.
    pub suffixes: Vec<String>,
    /// The name gets a hash at the end.
    pub needs_hash: bool,
    /// Set on generated objects.
    pub behavior: Option<Behavior>,
    /// As a patch: may change the name.
    pub allow_name_change: bool,
    /// As a patch: may change the kind.
    pub allow_kind_change: bool,
    /// Came from a Helm chart, which put the namespace in already.
    pub helm_generated: bool,
    /// Something refers to it by name.
    pub referred: bool,
}

impl Build {
    /// Whether the original would hold at least one internal annotation.
    #[must_use]
    pub fn is_noted(&self) -> bool {
        *self != Self::default()
    }
}
