//! What users write for a repository and for what to follow in it.

use std::fmt;
use std::path::{Path, PathBuf};

use super::credentials::Credentials;
use super::error::GitError;

/// Where a repository is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A folder: a bare repository, or one with a work tree.
    Local(PathBuf),
    /// `http://` or `https://`, without credentials.
    Http(String),
}

impl Location {
    /// Reads a path, `file://`, `http://` or `https://`. Credentials in the URL are taken out and given apart.
    ///
    /// # Errors
    /// If it is empty or another scheme.
    pub fn parse(text: &str) -> Result<(Self, Option<Credentials>), GitError> {
        let invalid = |what: String| GitError::Invalid { what };
        let unsupported =
            |what: &str| GitError::Unsupported { location: text.to_owned(), what: what.to_owned() };
        if text.is_empty() {
            return Err(invalid("the repository's location is empty".to_owned()));
        }
        if let Some(path) = text.strip_prefix("file://") {
            let path = path.strip_prefix("localhost").unwrap_or(path);
            if !path.starts_with('/') {
                return Err(invalid(format!(
                    "{text}: a file:// URL needs an absolute path (file:///srv/cloud.git)"
                )));
            }
            return Ok((Self::Local(PathBuf::from(percent_decode(path))), None));
        }
        if let Some((scheme, rest)) = text.split_once("://") {
            let scheme = scheme.to_ascii_lowercase();
            return match scheme.as_str() {
                "http" | "https" => {
                    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                    let (user, host) = match authority.rsplit_once('@') {
                        Some((user, host)) => (Some(user), host),
                        None => (None, authority),
                    };
                    if host.is_empty() {
                        return Err(invalid(format!("{scheme}://{path}: the URL has no host")));
                    }
                    let path = path.trim_end_matches('/');
                    let credentials = user.map(|user| {
                        let (name, password) = user.split_once(':').unwrap_or((user, ""));
                        Credentials::basic(&percent_decode(name), &percent_decode(password))
                    });
                    Ok((Self::Http(format!("{scheme}://{host}{path}")), credentials))
                }
                "ssh" | "git+ssh" => {
                    Err(unsupported("SSH is not supported yet; use https:// or a local path"))
                }
                "git" => Err(unsupported("git:// is neither encrypted nor authenticated; use https://")),
                _ => Err(unsupported("unknown scheme; use a path, file://, http:// or https://")),
            };
        }
        // `git@host:path`, but not `C:\...` or a path with a colon in a later segment.
        let head = text.split('/').next().unwrap_or_default();
        if head.contains(':') && head.contains('@') && !Path::new(text).exists() {
            return Err(unsupported("SSH is not supported yet; use https:// or a local path"));
        }
        Ok((Self::Local(PathBuf::from(text)), None))
    }

    /// A location that is relative to this one, as in `.gitmodules` (`../other.git`).
    #[must_use]
    pub fn join(&self, relative: &str) -> String {
        let base = self.to_string();
        let mut base = base.trim_end_matches('/').to_owned();
        let mut rest = relative;
        loop {
            if let Some(more) = rest.strip_prefix("../") {
                base.truncate(base.rfind('/').unwrap_or(0));
                rest = more;
            } else if let Some(more) = rest.strip_prefix("./") {
                rest = more;
            } else {
                return format!("{base}/{rest}");
            }
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Http(url) => f.write_str(url),
        }
    }
}

fn percent_decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
        match (bytes[at], hex.and_then(|h| u8::from_str_radix(h, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// What to follow in a repository.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Reference {
    /// The branch that the repository's HEAD names.
    #[default]
    Head,
    /// A branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// What `git fetch` finds for a name: a full name, else a tag, else a branch.
    Named(String),
    /// A commit, by its full id.
    Commit(super::source::CommitId),
}

impl Reference {
    /// The full names that the ref may have, the first that exists counts; none for HEAD and commits.
    #[must_use]
    pub fn full_names(&self) -> Vec<String> {
        match self {
            Self::Branch(name) => vec![format!("refs/heads/{name}")],
            Self::Tag(name) => vec![format!("refs/tags/{name}")],
            // gitrevisions(7)
            Self::Named(name) => {
                let places = ["refs/", "refs/tags/", "refs/heads/", "refs/remotes/"];
                let full = name.starts_with("refs/").then(|| name.clone());
                full.into_iter().chain(places.iter().map(|place| format!("{place}{name}"))).collect()
            }
            Self::Head | Self::Commit(_) => Vec::new(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Head => f.write_str("HEAD"),
            Self::Branch(name) => write!(f, "branch {name:?}"),
            Self::Tag(name) => write!(f, "tag {name:?}"),
            Self::Named(name) => write!(f, "branch or tag {name:?}"),
            Self::Commit(id) => write!(f, "commit {id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Location {
        Location::parse(text).unwrap().0
    }

    #[test]
    fn paths_and_urls_are_told_apart() {
        assert_eq!(parse("../cloud"), Location::Local("../cloud".into()));
        assert_eq!(parse("file:///srv/a%20b.git"), Location::Local("/srv/a b.git".into()));
        assert_eq!(parse("https://host/x/y.git/"), Location::Http("https://host/x/y.git".into()));
        for bad in ["", "ssh://git@host/x", "git@host:x/y.git", "git://host/x", "file://rel/x", "https:///x"]
        {
            assert!(Location::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn credentials_in_a_url_are_taken_out_and_never_shown() {
        let (location, credentials) = Location::parse("https://me:p%40ss@host/x.git").unwrap();
        assert_eq!(location.to_string(), "https://host/x.git");
        assert!(!format!("{credentials:?}").contains("p@ss"));
        assert!(credentials.is_some());
    }

    #[test]
    fn relative_submodule_urls_start_at_the_repository() {
        assert_eq!(parse("https://h/a/b.git").join("../c.git"), "https://h/a/c.git");
        assert_eq!(parse("/srv/a/b").join("./c"), "/srv/a/b/c");
    }
}
