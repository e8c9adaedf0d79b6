//! Remote bases in a cloud: only what a commit hash pins.
//!
//! One commit of the cloud's repository is one desired state (DESIGN §1), so nothing that a render reads may change
//! without a commit there. A base at a branch or tag, or a file behind a URL, may: it is refused with its file and line.

use std::sync::Arc;

use crate::files::FileTree;
use crate::kustomize::Remote;
use crate::kustomize::error::{Error, Kind};
use crate::kustomize::repospec::RepoSpec;

/// What reaches remotes, if anything does here.
pub(super) struct Pinned<'a>(pub(super) Option<&'a dyn Remote>);

impl Remote for Pinned<'_> {
    fn file(&self, url: &str) -> Result<Option<Arc<[u8]>>, Error> {
        // A repository that the original would only find out by asking for the file first.
        if RepoSpec::parse(url).is_ok_and(|spec| is_commit(&spec.reference)) {
            return Ok(None);
        }
        Err(refused(format!("{url}: what is behind a URL can change without a commit in this repository"))
            .hint("copy the file into the repository, or name a Git repository with ?ref= and a full commit hash"))
    }

    fn repository(&self, spec: &RepoSpec) -> Result<Arc<dyn FileTree>, Error> {
        let raw = &spec.raw;
        if spec.is_local() {
            return Err(refused(format!("{raw}: a folder of one machine is not part of a cloud"))
                .hint("copy the base into the repository, or name it by a URL"));
        }
        if !is_commit(&spec.reference) {
            let what = match spec.reference.as_str() {
                "" => "the default branch".to_owned(),
                name => format!("{name:?}"),
            };
            return Err(refused(format!("{raw}: {what} can move without a commit in this repository"))
                .hint("pin the base with ?ref= and the full commit hash (40 digits)"));
        }
        match self.0 {
            Some(remote) => remote.repository(spec),
            None => Err(refused(format!("{raw}: remote bases are not fetched here"))
                .hint("run it where the network may be used, or copy the base into the repository")),
        }
    }
}

fn refused(message: String) -> Error {
    Error::of(Kind::Remote, message)
}

fn is_commit(reference: &str) -> bool {
    reference.len() == 40 && reference.bytes().all(|b| b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemTree;

    /// Gives every repository the same files.
    struct Always;

    impl Remote for Always {
        fn file(&self, _: &str) -> Result<Option<Arc<[u8]>>, Error> {
            Err(Error::new("asked"))
        }

        fn repository(&self, _: &RepoSpec) -> Result<Arc<dyn FileTree>, Error> {
            Ok(Arc::new(MemTree::new()))
        }
    }

    #[test]
    fn only_a_full_commit_hash_is_accepted() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        let ask = |url: &str| {
            let remote = Pinned(Some(&Always));
            match remote.file(url) {
                Ok(None) => remote.repository(&RepoSpec::parse(url).unwrap()).map(|_| ()),
                Ok(Some(_)) => Ok(()),
                Err(e) => Err(e),
            }
        };
        assert!(ask(&format!("https://host/a/b//c?ref={sha}")).is_ok());
        for url in [
            "https://host/a/b//c",
            "https://host/a/b//c?ref=v1",
            "https://host/a/b//c?ref=0123456",
            "https://host/a.yaml",
        ] {
            assert!(ask(url).is_err(), "{url}");
        }
        let local = RepoSpec::parse(&format!("file:///srv/a//b?ref={sha}")).unwrap();
        assert!(Pinned(Some(&Always)).repository(&local).is_err());
        assert!(
            Pinned(None).repository(&RepoSpec::parse(&format!("github.com/a/b?ref={sha}")).unwrap()).is_err()
        );
    }
}
