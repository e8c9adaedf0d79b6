//! What goes wrong with a repository, told apart by what helps.

/// Why a repository gave no answer. None of them ends the enforcement of the last good revision.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// What the user wrote is no location, reference or revision.
    #[error("{what}")]
    Invalid {
        /// What is wrong and what to write instead.
        what: String,
    },
    /// A kind of repository that retune does not read.
    #[error("{location}: {what}")]
    Unsupported {
        /// The repository.
        location: String,
        /// The feature, by name, and what to do.
        what: String,
    },
    /// Nothing is there, or it is not a repository.
    #[error("{location}: not a Git repository: {reason}")]
    NotARepository {
        /// The repository.
        location: String,
        /// libgit2's or the server's word.
        reason: String,
    },
    /// The repository is there, the branch, tag or commit is not (any more).
    #[error("{location}: there is no {wanted}")]
    NoSuchRevision {
        /// The repository.
        location: String,
        /// `branch "main"`, ...
        wanted: String,
    },
    /// The remote cannot be reached now.
    #[error("{location}: cannot be reached: {reason}")]
    Unreachable {
        /// The repository.
        location: String,
        /// The network's word.
        reason: String,
    },
    /// The server's certificate is not to be trusted.
    #[error("{location}: the server's certificate is not accepted: {reason}")]
    Certificate {
        /// The repository.
        location: String,
        /// rustls' word.
        reason: String,
    },
    /// The server wants other credentials.
    #[error("{location}: access denied (HTTP {status}): {hint}")]
    Denied {
        /// The repository.
        location: String,
        /// 401 or 403.
        status: u16,
        /// What to do.
        hint: &'static str,
    },
    /// The server said something that the protocol does not allow, or reported an error of its own.
    #[error("{location}: {reason}")]
    Protocol {
        /// The repository.
        location: String,
        /// What.
        reason: String,
    },
    /// An object is damaged or missing.
    #[error("{location}: damaged repository: {reason}; run `git fsck` there, or clone it anew")]
    Corrupt {
        /// The repository.
        location: String,
        /// libgit2's word.
        reason: String,
    },
    /// More than retune accepts.
    #[error("{location}: {what}")]
    Limit {
        /// The repository.
        location: String,
        /// Which limit.
        what: String,
    },
    /// The push was refused.
    #[error("{location}: the push was refused: {reason}")]
    PushRefused {
        /// The repository.
        location: String,
        /// The server's word.
        reason: String,
    },
    /// A file of the state folder cannot be written.
    #[error("{location}: {source}")]
    State {
        /// The path.
        location: String,
        /// The system's word.
        source: std::io::Error,
    },
}

impl GitError {
    /// Whether trying again later may help without anybody's doing.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Protocol { reason, .. } => reason.contains("HTTP 5") || reason.contains("HTTP 429"),
            _ => false,
        }
    }
}

/// libgit2's error about a repository, by class.
pub(super) fn classify(location: &str, error: &git2::Error) -> GitError {
    use git2::{ErrorClass, ErrorCode};
    let location = location.to_owned();
    let reason = error.message().to_owned();
    match (error.code(), error.class()) {
        (ErrorCode::Owner, _) => GitError::Unsupported {
            location,
            what: format!("{reason}; if you trust it: git config --global --add safe.directory PATH"),
        },
        (ErrorCode::NotFound, ErrorClass::Repository | ErrorClass::Os) => {
            GitError::NotARepository { location, reason }
        }
        (
            _,
            ErrorClass::Odb | ErrorClass::Zlib | ErrorClass::Indexer | ErrorClass::Object | ErrorClass::Tree,
        ) => GitError::Corrupt { location, reason },
        _ => GitError::Protocol { location, reason },
    }
}
