//! Credentials for HTTP: from a file or the environment, never logged, never sent in the clear.

use std::fmt;
use std::path::Path;

use base64::Engine as _;

use super::error::GitError;

/// An `Authorization` header's value. Its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    header: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(***)")
    }
}

impl Credentials {
    /// User name and password (or token).
    #[must_use]
    pub fn basic(user: &str, password: &str) -> Self {
        let both = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        Self { header: format!("Basic {both}") }
    }

    /// A bearer token.
    #[must_use]
    pub fn bearer(token: &str) -> Self {
        Self { header: format!("Bearer {token}") }
    }

    /// Reads `user:password`, `Bearer <token>`, or a token alone (sent as the password of `git`, which GitHub, GitLab and Gitea
    /// accept). Surrounding space is ignored.
    ///
    /// # Errors
    /// If it is empty or has more than one line; the text itself is never repeated.
    pub fn parse(text: &str, from: &str) -> Result<Self, GitError> {
        let text = text.trim();
        let wrong = |what: &str| GitError::Invalid { what: format!("{from}: {what}") };
        if text.is_empty() {
            return Err(wrong("the credentials are empty"));
        }
        if text.contains(['\n', '\r']) || !text.is_ascii() {
            return Err(wrong("expected one line: user:password, a token, or `Bearer <token>`"));
        }
        if let Some(token) = text.strip_prefix("Bearer ") {
            return Ok(Self::bearer(token.trim()));
        }
        Ok(match text.split_once(':') {
            Some((user, password)) => Self::basic(user, password),
            None => Self::basic("git", text),
        })
    }

    /// Reads them from a file.
    ///
    /// # Errors
    /// If it cannot be read or parsed.
    pub fn from_file(path: &Path) -> Result<Self, GitError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| GitError::State { location: path.display().to_string(), source })?;
        Self::parse(&text, &path.display().to_string())
    }

    pub(in crate::source) fn header(&self) -> &str {
        &self.header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_a_token_and_a_bearer_are_told_apart() {
        let header = |text: &str| Credentials::parse(text, "x").unwrap().header;
        assert_eq!(header("me:secret\n"), "Basic bWU6c2VjcmV0");
        assert_eq!(header("tok"), "Basic Z2l0OnRvaw==");
        assert_eq!(header("Bearer abc"), "Bearer abc");
    }

    #[test]
    fn an_error_never_repeats_the_secret() {
        let error = Credentials::parse("secret\nmore", "creds").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
