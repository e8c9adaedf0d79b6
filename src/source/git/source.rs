//! One followed repository: what its reference points to, any commit's files, its history.
//!
//! Blocking; callers put it on a thread of their own. Nothing here forgets a revision that was read before: a failed poll
//! changes nothing.

use std::fmt;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::{ErrorCode, Oid, Repository, RepositoryInitOptions};
use sha2::{Digest as _, Sha256};

use super::credentials::Credentials;
use super::error::{GitError, classify};
use super::http::{Advertisement, Remote, Service, Wanted};
use super::location::{Location, Reference};
use super::tree::{GitTree, Shared, Submodule};
use super::watch::RefWatch;
use crate::source::web::host;

/// How deep submodules may contain submodules.
const MAX_SUBMODULE_DEPTH: usize = 8;
/// How many known commits a fetch tells the server about.
const MAX_HAVES: usize = 256;

/// A commit's full id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId(Box<str>);

impl CommitId {
    /// 40 hexadecimal digits.
    ///
    /// # Errors
    /// If the text is anything else.
    pub fn parse(text: &str) -> Result<Self, GitError> {
        if text.len() == 40 && text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Ok(Self(text.to_ascii_lowercase().into()));
        }
        let what = format!("{text:?} is not a full commit id (40 hexadecimal digits)");
        Err(GitError::Invalid { what })
    }

    /// The digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first ten digits, for people.
    #[must_use]
    pub fn short(&self) -> &str {
        &self.0[..10]
    }

    pub(super) fn oid(&self) -> Oid {
        Oid::from_str(&self.0).expect("40 hexadecimal digits are an id")
    }
}

impl From<Oid> for CommitId {
    fn from(oid: Oid) -> Self {
        Self(oid.to_string().into())
    }
}

impl TryFrom<String> for CommitId {
    type Error = GitError;

    fn try_from(text: String) -> Result<Self, GitError> {
        Self::parse(&text)
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> Self {
        id.0.into()
    }
}

impl fmt::Display for CommitId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A commit and who made it.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Revision {
    /// The commit.
    pub commit: CommitId,
    /// The author's name and address: `Ada <ada@example.org>`.
    pub author: String,
    /// The first line of the message.
    pub subject: String,
    /// When it was committed, in seconds since 1970.
    pub time: i64,
    /// Its parents.
    pub parents: Vec<CommitId>,
}

/// How to get at a repository.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// A path, `file://` or `http(s)://`; credentials in a URL count if none are given below.
    pub location: String,
    /// What to follow.
    pub reference: Reference,
    /// Where mirrors of remote repositories are kept.
    pub state_dir: PathBuf,
    /// Credentials for HTTP.
    pub credentials: Option<Credentials>,
    /// Certificates to trust besides the system's, in PEM form.
    pub ca_file: Option<PathBuf>,
    /// Fetch without history, for whoever only reads files.
    pub shallow: bool,
    /// How long each request may take in all.
    pub timeout: Option<Duration>,
    /// The largest pack in bytes, if less than usual.
    pub max_pack: Option<u64>,
}

/// A followed repository.
pub struct GitSource {
    settings: Settings,
    location: Location,
    credentials: Option<Credentials>,
    git_dir: PathBuf,
    repository: Shared,
}

impl GitSource {
    /// Opens a local repository, or the mirror of a remote one (which may be empty until the first [`GitSource::poll`]).
    ///
    /// # Errors
    /// If the location is wrong or unsupported, or the local repository cannot be opened. A remote is not contacted.
    pub fn open(settings: Settings) -> Result<Self, GitError> {
        let (location, in_url) = Location::parse(&settings.location)?;
        let credentials = settings.credentials.clone().or(in_url);
        let repository = match &location {
            Location::Local(path) => open_local(path)?,
            Location::Http(url) => open_mirror(&mirror_path(&settings.state_dir, url))?,
        };
        let git_dir = repository.path().to_path_buf();
        Ok(Self { settings, location, credentials, git_dir, repository: Shared::new(repository) })
    }

    /// Where it is; never with credentials.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// What is followed.
    #[must_use]
    pub fn reference(&self) -> &Reference {
        &self.settings.reference
    }

    /// What the reference points to now. A remote is asked, and fetched from if it has something new.
    ///
    /// # Errors
    /// See [`GitError`]; what was read before stays readable.
    pub fn poll(&self) -> Result<Revision, GitError> {
        if let Location::Http(url) = &self.location {
            let known = match &self.settings.reference {
                Reference::Commit(id) => self.has(id),
                _ => false,
            };
            if !known {
                self.fetch(url)?;
            }
        }
        self.current()
    }

    /// What the reference pointed to at the last poll.
    ///
    /// # Errors
    /// If it does not exist (yet), or the repository is damaged.
    pub fn current(&self) -> Result<Revision, GitError> {
        let repository = self.repository.lock();
        let wanted = || self.settings.reference.to_string();
        // The ref first, then its object: a ref to an object that is gone is damage, not absence.
        let reference = match &self.settings.reference {
            Reference::Commit(id) => {
                let commit = repository.find_commit(id.oid());
                return commit.map(|c| describe(&c)).map_err(|e| self.missing(&e, wanted()));
            }
            Reference::Head => repository.head(),
            named => {
                let names = named.full_names();
                let found = names.iter().map(|n| repository.find_reference(n));
                let mut missing = Err(git2::Error::new(ErrorCode::NotFound, git2::ErrorClass::Reference, ""));
                for result in found {
                    missing = result;
                    if missing.is_ok() {
                        break;
                    }
                }
                missing
            }
        };
        let reference = reference.map_err(|e| self.missing(&e, wanted()))?;
        let commit = reference.peel_to_commit();
        commit.map(|c| describe(&c)).map_err(|e| GitError::Corrupt {
            location: self.location.to_string(),
            reason: format!("{} names no readable commit: {}", wanted(), e.message()),
        })
    }

    /// A commit by its id, its beginning, a branch or a tag. A remote is not asked.
    ///
    /// # Errors
    /// If there is none, or the beginning is not unique.
    pub fn revision(&self, rev: &str) -> Result<Revision, GitError> {
        if rev.is_empty() || rev.starts_with('-') || rev.contains([':', ' ']) {
            return Err(GitError::Invalid { what: format!("{rev:?} is no revision") });
        }
        let repository = self.repository.lock();
        let object = repository.revparse_single(rev).and_then(|o| o.peel_to_commit());
        object.map(|c| describe(&c)).map_err(|e| {
            if e.code() == ErrorCode::Ambiguous {
                return GitError::Invalid {
                    what: format!("{rev:?} begins more than one object's id; write more of it"),
                };
            }
            self.missing(&e, format!("revision {rev:?}"))
        })
    }

    /// The files of a commit, submodules in their places.
    ///
    /// # Errors
    /// If the commit is not there or damaged, or a submodule cannot be had.
    pub fn tree(&self, commit: &CommitId) -> Result<GitTree, GitError> {
        self.tree_at_depth(commit, 0)
    }

    /// The files of a commit; submodules are left out, and asking for their files is an error.
    ///
    /// # Errors
    /// If the commit is not there or damaged.
    pub fn tree_without_submodules(&self, commit: &CommitId) -> Result<GitTree, GitError> {
        let root = {
            let repository = self.repository.lock();
            let found = repository.find_commit(commit.oid());
            found.map(|c| c.tree_id()).map_err(|e| self.missing(&e, format!("commit {commit}")))?
        };
        Ok(GitTree::new(self.repository.clone(), root))
    }

    fn tree_at_depth(&self, commit: &CommitId, depth: usize) -> Result<GitTree, GitError> {
        let mut tree = self.tree_without_submodules(commit)?;
        let submodules = tree
            .submodules()
            .map_err(|e| GitError::Protocol { location: self.location.to_string(), reason: e.to_string() })?;
        if !submodules.is_empty() && depth >= MAX_SUBMODULE_DEPTH {
            let what = format!("submodules are nested more than {MAX_SUBMODULE_DEPTH} deep");
            return Err(GitError::Limit { location: self.location.to_string(), what });
        }
        for submodule in submodules {
            let source = self.submodule(&submodule)?;
            let id = CommitId::parse(&submodule.commit)?;
            tree = tree.mount(&submodule.path, source.tree_at_depth(&id, depth + 1)?);
        }
        Ok(tree)
    }

    /// A submodule's repository: the one that `git submodule update` left beside a local repository if it has the commit, else its URL.
    fn submodule(&self, submodule: &Submodule) -> Result<Self, GitError> {
        let commit = CommitId::parse(&submodule.commit)?;
        if let Location::Local(_) = &self.location {
            let workdir = self.repository.lock().workdir().map(Path::to_path_buf);
            let beside = [
                Some(self.git_dir.join("modules").join(&submodule.path)),
                workdir.map(|w| w.join(&submodule.path)),
            ];
            for path in beside.into_iter().flatten().filter(|p| p.exists()) {
                let settings = Settings {
                    location: path.display().to_string(),
                    reference: Reference::Commit(commit.clone()),
                    ..self.settings.clone()
                };
                if let Ok(source) = Self::open(settings)
                    && source.has(&commit)
                {
                    return Ok(source);
                }
            }
        }
        let url = if submodule.url.starts_with("./") || submodule.url.starts_with("../") {
            self.location.join(&submodule.url)
        } else {
            submodule.url.clone()
        };
        self.dependency(&url, &commit)
    }

    /// Another repository that this one names (a submodule, an upstream), at a commit.
    ///
    /// # Errors
    /// If it cannot be had, or a remote repository names a local path.
    pub fn dependency(&self, url: &str, commit: &CommitId) -> Result<Self, GitError> {
        let (location, _) = Location::parse(url)?;
        if matches!((&self.location, &location), (Location::Http(_), Location::Local(_))) {
            return Err(GitError::Unsupported {
                location: self.location.to_string(),
                what: format!(
                    "names the local path {url} as a submodule or upstream; a remote repository may only name URLs"
                ),
            });
        }
        // Credentials belong to a host.
        let same_host = match (&self.location, &location) {
            (Location::Http(a), Location::Http(b)) => host(a) == host(b),
            _ => false,
        };
        let source = Self::open(Settings {
            location: url.to_owned(),
            reference: Reference::Commit(commit.clone()),
            credentials: self.credentials.clone().filter(|_| same_host),
            ..self.settings.clone()
        })?;
        source.poll()?;
        Ok(source)
    }

    /// The commits before and with `from`, newest first, along first parents.
    ///
    /// # Errors
    /// If `from` is not there or the repository is damaged.
    pub fn history(&self, from: &CommitId, limit: usize) -> Result<Vec<Revision>, GitError> {
        let repository = self.repository.lock();
        let mut next = Some(from.oid());
        let mut out = Vec::new();
        while let (Some(oid), true) = (next, out.len() < limit) {
            let commit = repository.find_commit(oid);
            let commit = commit.map_err(|e| self.missing(&e, format!("commit {oid}")))?;
            next = commit.parent_id(0).ok();
            out.push(describe(&commit));
        }
        Ok(out)
    }

    /// Whether `commit` is `of` or comes before it: part of that branch.
    ///
    /// # Errors
    /// If the repository is damaged.
    pub fn is_ancestor(&self, commit: &CommitId, of: &CommitId) -> Result<bool, GitError> {
        if commit == of {
            return Ok(true);
        }
        let repository = self.repository.lock();
        repository
            .graph_descendant_of(of.oid(), commit.oid())
            .map_err(|e| classify(&self.location.to_string(), &e))
    }

    /// Whether the commit is here.
    #[must_use]
    pub fn has(&self, commit: &CommitId) -> bool {
        self.repository.lock().find_commit(commit.oid()).is_ok()
    }

    /// Calls back whenever a ref of a local repository may have changed; `None` for a remote one, which has to be polled.
    ///
    /// # Errors
    /// If the system cannot watch the folder.
    pub fn watch(&self, on_change: impl Fn() + Send + 'static) -> Result<Option<RefWatch>, GitError> {
        match &self.location {
            Location::Http(_) => Ok(None),
            Location::Local(_) => {
                let (git_dir, common) = {
                    let repository = self.repository.lock();
                    (repository.path().to_path_buf(), repository.commondir().to_path_buf())
                };
                RefWatch::start(&git_dir, &common, on_change).map(Some)
            }
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.repository
    }

    pub(super) fn remote(&self, url: &str) -> Result<Remote, GitError> {
        let settings = &self.settings;
        let remote =
            Remote::new(url, self.credentials.clone(), settings.ca_file.as_deref(), settings.timeout)?;
        Ok(match settings.max_pack {
            Some(max) => remote.with_max_pack(max),
            None => remote,
        })
    }

    fn missing(&self, error: &git2::Error, wanted: String) -> GitError {
        let location = self.location.to_string();
        match error.code() {
            // A ref that points to an object that is gone is damage, not absence.
            ErrorCode::NotFound if error.class() != git2::ErrorClass::Odb => {
                GitError::NoSuchRevision { location, wanted }
            }
            ErrorCode::NotFound if wanted.starts_with("commit") => {
                GitError::NoSuchRevision { location, wanted }
            }
            ErrorCode::UnbornBranch => {
                GitError::NoSuchRevision { location, wanted: format!("commit yet ({wanted})") }
            }
            _ => classify(&location, error),
        }
    }

    /// Brings the mirror up to date with what is followed.
    fn fetch(&self, url: &str) -> Result<(), GitError> {
        let remote = self.remote(url)?;
        let offer = remote.advertisement(Service::UploadPack)?;
        let gone = |wanted: String| GitError::NoSuchRevision { location: url.to_owned(), wanted };
        // Without history if that is enough and the server can; a commit that it does not give alone is looked for
        // in the history of all branches and tags.
        let shallow = self.settings.shallow && offer.allows_shallow();
        let alone = match &self.settings.reference {
            Reference::Commit(id) => Some(id.oid()).filter(|oid| shallow && offer.gives(*oid)),
            _ => None,
        };
        let shallow =
            shallow && (alone.is_some() || !matches!(self.settings.reference, Reference::Commit(_)));
        // Ref to set in the mirror, and where to.
        let targets: Vec<(String, Oid)> = match &self.settings.reference {
            Reference::Head => {
                let oid = *offer.refs.get("HEAD").ok_or_else(|| gone("commit yet (HEAD)".to_owned()))?;
                let name = offer.head.clone().unwrap_or_else(|| "refs/heads/HEAD".to_owned());
                vec![(name, oid)]
            }
            Reference::Commit(_) if alone.is_some() => Vec::new(),
            Reference::Commit(_) => offer
                .refs
                .iter()
                .filter(|(name, _)| {
                    (name.starts_with("refs/heads/") || name.starts_with("refs/tags/"))
                        && !name.ends_with("^{}")
                })
                .map(|(name, oid)| (name.clone(), *oid))
                .collect(),
            named => {
                let found =
                    named.full_names().into_iter().find_map(|n| offer.refs.get(&n).map(|oid| (n, *oid)));
                vec![found.ok_or_else(|| gone(named.to_string()))?]
            }
        };
        // A handle of its own: nobody who reads the mirror waits for the network.
        let mirror = Repository::open(&self.git_dir).map_err(|e| classify(url, &e))?;
        let mut wants: Vec<Oid> = targets.iter().map(|(_, oid)| *oid).chain(alone).collect();
        // A commit that came without its history is fetched again when the history is needed.
        if shallow || !self.settings.shallow {
            wants.retain(|oid| !mirror.odb().is_ok_and(|odb| odb.exists(*oid)));
        }
        wants.sort();
        wants.dedup();
        if !wants.is_empty() {
            receive(&remote, &offer, &mirror, &wants, shallow, !self.settings.shallow)?;
        }
        for (name, oid) in &targets {
            mirror.reference(name, *oid, true, "retune: fetch").map_err(|e| classify(url, &e))?;
        }
        if let (Reference::Head, Some((name, _))) = (&self.settings.reference, targets.first()) {
            mirror.set_head(name).map_err(|e| classify(url, &e))?;
        }
        if let Reference::Commit(id) = &self.settings.reference
            && !self.has(id)
        {
            return Err(gone(format!("commit {id} on any branch or tag")));
        }
        Ok(())
    }
}

fn receive(
    remote: &Remote,
    offer: &Advertisement,
    mirror: &Repository,
    wants: &[Oid],
    shallow: bool,
    with_history: bool,
) -> Result<(), GitError> {
    let url = remote.url();
    let damaged = |e: git2::Error| classify(url, &e);
    let mut haves = Vec::new();
    // A commit without its history is nothing to build upon.
    if with_history {
        let mut walk = mirror.revwalk().map_err(damaged)?;
        // An empty mirror has nothing to push.
        if walk.push_glob("refs/*").is_ok() {
            haves.extend(walk.flatten().take(MAX_HAVES));
        }
    }
    let odb = mirror.odb().map_err(damaged)?;
    let mut writer = odb.packwriter().map_err(damaged)?;
    remote.fetch(offer, Wanted { wants, haves: &haves, shallow }, &mut writer)?;
    writer.flush().map_err(|source| GitError::State { location: url.to_owned(), source })?;
    writer.commit().map_err(damaged)?;
    drop(writer);
    let complete = wants.iter().all(|oid| odb.exists(*oid));
    if complete {
        Ok(())
    } else {
        Err(GitError::Protocol {
            location: url.to_owned(),
            reason: "the pack lacks what was asked for".to_owned(),
        })
    }
}

fn describe(commit: &git2::Commit<'_>) -> Revision {
    let author = commit.author();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let subject = text(commit.summary_bytes().unwrap_or_default());
    Revision {
        commit: commit.id().into(),
        author: format!("{} <{}>", text(author.name_bytes()), text(author.email_bytes())),
        subject,
        time: commit.time().seconds(),
        parents: commit.parent_ids().map(Into::into).collect(),
    }
}

fn mirror_path(state_dir: &Path, url: &str) -> PathBuf {
    let hash = Sha256::digest(url.as_bytes());
    let short: String = hash[..8].iter().map(|b| format!("{b:02x}")).collect();
    let name = url.rsplit('/').next().unwrap_or_default().trim_end_matches(".git");
    let name: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    state_dir.join("git").join(format!("{name}-{short}.git"))
}

fn open_mirror(path: &Path) -> Result<Repository, GitError> {
    let location = path.display().to_string();
    let state = |source| GitError::State { location: location.clone(), source };
    if path.exists() {
        if let Ok(repository) = Repository::open(path) {
            return Ok(repository);
        }
        // The mirror is only a copy: a damaged one is made anew.
        std::fs::remove_dir_all(path).map_err(state)?;
    }
    std::fs::create_dir_all(path).map_err(state)?;
    let mut options = RepositoryInitOptions::new();
    options.bare(true).external_template(false).initial_head("main");
    Repository::init_opts(path, &options).map_err(|e| classify(&location, &e))
}

fn open_local(path: &Path) -> Result<Repository, GitError> {
    let location = path.display().to_string();
    Repository::open(path).map_err(|error| {
        // libgit2 only says "unsupported extension"; the file says which and why.
        let config =
            ["config", ".git/config"].iter().find_map(|f| std::fs::read_to_string(path.join(f)).ok());
        let has = |key: &str, value: &str| {
            let lines = || config.iter().flat_map(|c| c.lines());
            lines()
                .filter_map(|l| l.split_once('='))
                .any(|(k, v)| k.trim().eq_ignore_ascii_case(key) && v.trim().eq_ignore_ascii_case(value))
        };
        let what = if has("objectformat", "sha256") {
            "a SHA-256 repository; retune reads SHA-1 repositories"
        } else if has("refstorage", "reftable") {
            "a reftable repository; run `git refs migrate --ref-format=files` there"
        } else {
            return classify(&location, &error);
        };
        GitError::Unsupported { location: location.clone(), what: what.to_owned() }
    })
}
