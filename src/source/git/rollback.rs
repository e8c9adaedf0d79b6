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

impl Author {
    /// Who git says the user is: `GIT_AUTHOR_NAME` and `GIT_AUTHOR_EMAIL`, else `user.name` and `user.email` of the local
    /// repository's configuration, else of the user's.
    ///
    /// # Errors
    /// If neither says it.
    pub fn of_user(time: i64, location: &Location) -> Result<Self, GitError> {
        let config = match location {
            Location::Local(path) => git2::Repository::open(path).and_then(|r| r.config()),
            Location::Http(_) => git2::Config::open_default(),
        };
        let config = config.and_then(|mut c| c.snapshot()).ok();
        let find = |variable: &str, key: &str| {
            let set = std::env::var(variable).ok().filter(|text| !text.trim().is_empty());
            set.or_else(|| config.as_ref()?.get_str(key).ok().map(str::to_owned)).ok_or_else(|| {
                GitError::Invalid {
                    what: format!(
                        "git does not say who commits: set {key} with `git config --global {key} ...`, or {variable}"
                    ),
                }
            })
        };
        let name = find("GIT_AUTHOR_NAME", "user.name")?;
        Ok(Self { name, email: find("GIT_AUTHOR_EMAIL", "user.email")?, time })
    }
}

/// What a rollback commits, and where.
#[derive(Debug, Clone)]
pub struct Rollback<'a> {
    /// The revision whose files come back.
    pub target: &'a CommitId,
    /// Only this folder's files; empty for all.
    pub folder: &'a str,
    /// The commit's message.
    pub message: &'a str,
    /// Who commits.
    pub author: &'a Author,
    /// A branch to create at the new commit (for a pull request) in place of moving the followed one.
    pub branch: Option<&'a str>,
}

impl GitSource {
    /// Commits the files of an older revision on top of the followed branch and moves the branch there, or creates another
    /// at the commit: in place for a local repository, by a push for a remote one.
    ///
    /// # Errors
    /// If no branch is followed, the branch moved meanwhile, already has those files, is checked out, or the push is refused.
    pub fn roll_back(&self, rollback: &Rollback<'_>) -> Result<Revision, GitError> {
        let Rollback { target, folder, message, author, branch: to } = *rollback;
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
            let base = parent.tree().map_err(failed)?;
            let tree =
                with_folder(&repository, &base, &old.tree().map_err(failed)?, folder).map_err(failed)?;
            if tree == parent.tree_id() {
                return Err(invalid(format!("the branch already has the files of {}", target.short())));
            }
            let who =
                Signature::new(&author.name, &author.email, &Time::new(author.time, 0)).map_err(failed)?;
            let tree = repository.find_tree(tree).map_err(failed)?;
            repository.commit(None, &who, &who, message, &tree, &[&parent]).map_err(failed)?
        };
        let (branch, old) = match to {
            None => (branch, tip.commit.oid()),
            Some(name) => {
                let name = format!("refs/heads/{}", name.strip_prefix("refs/heads/").unwrap_or(name));
                if !git2::Reference::is_valid_name(&name) {
                    return Err(invalid(format!("{name} is no name for a branch")));
                }
                (name, Oid::ZERO_SHA1)
            }
        };
        match self.location() {
            Location::Local(_) => self.move_local(&branch, old, new)?,
            Location::Http(url) => self.push(url, &branch, old, tip.commit.oid(), new)?,
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
        let moved = if old.is_zero() {
            repository.reference(branch, new, false, "retune: rollback")
        } else {
            repository.reference_matching(branch, new, true, old, "retune: rollback")
        };
        match moved {
            Ok(_) => Ok(()),
            Err(e) if e.code() == ErrorCode::Exists => {
                Err(GitError::PushRefused { location, reason: format!("{branch} is there already") })
            }
            Err(e) if e.code() == ErrorCode::Modified => Err(GitError::PushRefused {
                location,
                reason: "the branch moved meanwhile; try again".to_owned(),
            }),
            Err(e) => Err(classify(&location, &e)),
        }
    }

    /// `old` is what the branch is at (zero for a new one), `tip` what the server has of the commit's history.
    fn push(&self, url: &str, branch: &str, old: Oid, tip: Oid, new: Oid) -> Result<(), GitError> {
        let pack = {
            let repository = self.shared().lock();
            let failed = |e: git2::Error| classify(url, &e);
            let mut walk = repository.revwalk().map_err(failed)?;
            walk.push(new).and_then(|()| walk.hide(tip)).map_err(failed)?;
            let mut builder = repository.packbuilder().map_err(failed)?;
            builder.insert_walk(&mut walk).map_err(failed)?;
            let mut pack = Buf::new();
            builder.write_buf(&mut pack).map_err(failed)?;
            pack.to_vec()
        };
        let remote = self.remote(url)?;
        let offer = remote.advertisement(Service::ReceivePack)?;
        if offer.refs.get(branch).copied() != (!old.is_zero()).then_some(old) {
            let reason = if old.is_zero() {
                format!("{branch} is there already")
            } else {
                "the branch moved meanwhile; try again".to_owned()
            };
            return Err(GitError::PushRefused { location: url.to_owned(), reason });
        }
        remote.push(&offer, branch, old, new, &pack)
    }
}

/// The tree `base` with one folder as it is in `old`; with the whole of `old` if no folder is named.
fn with_folder(
    repository: &git2::Repository,
    base: &git2::Tree<'_>,
    old: &git2::Tree<'_>,
    folder: &str,
) -> Result<Oid, git2::Error> {
    let folder = folder.trim_matches('/');
    if folder.is_empty() || folder == "." {
        return Ok(old.id());
    }
    let entry = old.get_path(std::path::Path::new(folder))?;
    let mut update = git2::build::TreeUpdateBuilder::new();
    update.upsert(folder, entry.id(), git2::FileMode::Tree);
    update.create_updated(repository, base)
}
