//! The commit that `retune rollback REV` makes: the tree of an old revision on top of the branch, several commits back at
//! once (DESIGN §9), so that history only grows.

use git2::{Buf, ErrorCode, Oid, Signature, Time};

use super::error::{GitError, classify};
use super::http::Service;
use super::location::{Location, Reference};
use super::source::{CommitId, GitSource, Revision};

/// Who makes the commit, and when.
#[derive(Debug, Clone)]
pub struct Author {
    /// Name.
    pub name: String,
    /// E-mail address.
    pub email: String,
    /// Seconds since 1970.
    pub time: i64,
}

impl GitSource {
    /// Commits the tree of `target` on top of the followed branch and moves the branch there: in place for a local
    /// repository, by a push for a remote one.
    ///
    /// # Errors
    /// If no branch is followed, the branch moved meanwhile, already has that tree, is checked out, or the push is refused.
    pub fn roll_back(&self, target: &CommitId, message: &str, author: &Author) -> Result<Revision, GitError> {
        let location = self.location().to_string();
        let invalid = |what: String| GitError::Invalid { what: format!("{location}: {what}") };
        let branch = match self.reference() {
            Reference::Branch(name) => format!("refs/heads/{name}"),
            Reference::Head => self.head_branch()?,
            other => return Err(invalid(format!("{other} is followed; only a branch can be rolled back"))),
        };
        let tip = self.poll()?;
        let new = {
            let repository = self.shared().lock();
            let failed = |e: git2::Error| classify(&location, &e);
            let old = repository.find_commit(target.oid()).map_err(|_| GitError::NoSuchRevision {
                location: location.clone(),
                wanted: format!("commit {target}"),
            })?;
            let parent = repository.find_commit(tip.commit.oid()).map_err(failed)?;
            if old.tree_id() == parent.tree_id() {
                return Err(invalid(format!("the branch already has the files of {}", target.short())));
            }
            let who =
                Signature::new(&author.name, &author.email, &Time::new(author.time, 0)).map_err(failed)?;
            let tree = old.tree().map_err(failed)?;
            repository.commit(None, &who, &who, message, &tree, &[&parent]).map_err(failed)?
        };
        match self.location() {
            Location::Local(_) => self.move_local(&branch, tip.commit.oid(), new)?,
            Location::Http(url) => self.push(url, &branch, tip.commit.oid(), new)?,
        }
        self.revision(&new.to_string())
    }

    fn head_branch(&self) -> Result<String, GitError> {
        let repository = self.shared().lock();
        let head = repository.find_reference("HEAD");
        let target = head.ok().and_then(|h| h.symbolic_target().ok().flatten().map(str::to_owned));
        target.ok_or_else(|| GitError::Invalid { what: format!("{}: HEAD names no branch", self.location()) })
    }

    fn move_local(&self, branch: &str, old: Oid, new: Oid) -> Result<(), GitError> {
        let location = self.location().to_string();
        let repository = self.shared().lock();
        let head = repository.find_reference("HEAD").ok();
        let checked_out = head.and_then(|h| h.symbolic_target().ok().flatten().map(|t| t == branch));
        if !repository.is_bare() && checked_out == Some(true) {
            // What `receive.denyCurrentBranch` protects: a work tree that no longer fits its branch.
            return Err(GitError::PushRefused {
                location,
                reason: format!(
                    "{branch} is checked out there; run `git merge --ff-only {new}` in that work tree, or follow a bare repository"
                ),
            });
        }
        match repository.reference_matching(branch, new, true, old, "retune: rollback") {
            Ok(_) => Ok(()),
            Err(e) if e.code() == ErrorCode::Modified => Err(GitError::PushRefused {
                location,
                reason: "the branch moved meanwhile; try again".to_owned(),
            }),
            Err(e) => Err(classify(&location, &e)),
        }
    }

    fn push(&self, url: &str, branch: &str, old: Oid, new: Oid) -> Result<(), GitError> {
        let pack = {
            let repository = self.shared().lock();
            let failed = |e: git2::Error| classify(url, &e);
            // The old revision's files are there already: the commit alone is new.
            let mut builder = repository.packbuilder().map_err(failed)?;
            builder.insert_object(new, None).map_err(failed)?;
            let mut pack = Buf::new();
            builder.write_buf(&mut pack).map_err(failed)?;
            pack.to_vec()
        };
        let remote = self.remote(url)?;
        let offer = remote.advertisement(Service::ReceivePack)?;
        if offer.refs.get(branch) != Some(&old) {
            let reason = "the branch moved meanwhile; try again".to_owned();
            return Err(GitError::PushRefused { location: url.to_owned(), reason });
        }
        remote.push(&offer, branch, old, new, &pack)
    }
}
