//! Remote bases of kustomizations: files over HTTP(S) and folders of Git repositories, as kustomize v5.8.1 fetches them.
//!
//! `api/internal/git/cloner.go` of the original runs `git fetch --depth=1 URL REF` into a temporary folder and then
//! `git submodule update --init --recursive`; here our own client fetches one commit into a bare repository and the files
//! are read from its objects. What is fetched is kept for as long as the value lives: one build, or one process of the syncer.
//!
//! | written | done |
//! |---|---|
//! | `https://`, `http://` | a file if the server answers one, else a repository |
//! | `file://` | a repository on this machine, read in place; refused in the bases of a remote repository |
//! | `git@host:...`, `ssh://` | refused by name |

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tempfile::TempDir;

use super::git::{CommitId, Credentials, GitError, GitSource, GitTree, Location, Reference, Settings};
use super::web;
use super::web::host;
use crate::files::FileTree;
use crate::kustomize::Remote;
use crate::kustomize::error::{Error, Kind};
use crate::kustomize::repospec::RepoSpec;

/// The largest file in bytes.
const MAX_FILE: u64 = 64 << 20;
/// The largest pack in bytes.
const MAX_PACK: u64 = 1 << 30;
/// How long one file may take: what the original gives a Git command.
const FILE_TIMEOUT: Duration = Duration::from_secs(27);

/// One answer that several threads may ask for at once and one of them gets.
type Slot<T> = Arc<OnceLock<Result<T, Error>>>;

/// What names a repository's files: its URL, the ref, and whether submodules belong to them.
type Key = (String, String, bool);

/// Where repositories are fetched to.
enum Dir {
    /// A folder that is removed at the end, made when it is needed.
    Scratch(OnceLock<Result<TempDir, String>>),
    /// A folder that stays.
    Kept(PathBuf),
}

/// Reaches remote bases.
pub struct RemoteBases {
    dir: Dir,
    ca_file: Option<PathBuf>,
    /// Credentials, and the host (with its port) they belong to.
    credentials: Option<(String, Credentials)>,
    files: Mutex<HashMap<String, Slot<Option<Arc<[u8]>>>>>,
    trees: Mutex<HashMap<Key, Slot<GitTree>>>,
}

impl RemoteBases {
    /// For one command: what is fetched is gone afterwards.
    #[must_use]
    pub fn scratch(ca_file: Option<PathBuf>) -> Self {
        Self::new(Dir::Scratch(OnceLock::new()), ca_file)
    }

    /// For a process that renders again and again: commits stay in `dir`, which can be deleted at any time.
    #[must_use]
    pub fn kept(dir: PathBuf, ca_file: Option<PathBuf>) -> Self {
        Self::new(Dir::Kept(dir), ca_file)
    }

    fn new(dir: Dir, ca_file: Option<PathBuf>) -> Self {
        Self { dir, ca_file, credentials: None, files: Mutex::default(), trees: Mutex::default() }
    }

    /// Credentials for the host of a repository's URL; other hosts never see them.
    #[must_use]
    pub fn with_credentials(mut self, url: &str, credentials: Option<Credentials>) -> Self {
        self.credentials = credentials.map(|c| (host(url).to_owned(), c));
        self
    }

    fn dir(&self) -> Result<&Path, Error> {
        match &self.dir {
            Dir::Kept(dir) => Ok(dir),
            Dir::Scratch(made) => {
                let made = made.get_or_init(|| {
                    tempfile::Builder::new().prefix("retune-bases-").tempdir().map_err(|e| e.to_string())
                });
                match made {
                    Ok(dir) => Ok(dir.path()),
                    Err(e) => Err(failed(format!("a temporary folder for remote bases: {e}"))),
                }
            }
        }
    }

    fn credentials_for(&self, url: &str) -> Option<Credentials> {
        self.credentials.as_ref().filter(|(own, _)| own == host(url)).map(|(_, c)| c.clone())
    }

    fn fetch_file(&self, url: &str) -> Result<Option<Arc<[u8]>>, Error> {
        let (location, in_url) = Location::parse(url).map_err(|e| failed(e.to_string()))?;
        // Location cuts the slash at the end, which is nothing to a repository and may be something to a file.
        let plain = location.to_string();
        let asked = if url.ends_with('/') { format!("{plain}/") } else { plain.clone() };
        let agent = web::agent_within(self.ca_file.as_deref(), Some(FILE_TIMEOUT))
            .map_err(|e| failed(format!("the CA file: {e}")))?;
        let mut request = agent.get(&asked);
        // Over plain HTTP credentials in the URL are the user's choice; ours are not sent.
        let credentials =
            in_url.or_else(|| self.credentials_for(&plain).filter(|_| plain.starts_with("https://")));
        if let Some(credentials) = &credentials {
            request = request.header("Authorization", credentials.header());
        }
        let answer = request.call().map_err(|e| {
            failed(format!("{plain}: cannot be fetched: {e}"))
                .hint("is the URL right, and the network there?")
        })?;
        let status = answer.status();
        if !status.is_success() {
            if RepoSpec::parse(url).is_ok() {
                return Ok(None);
            }
            return Err(failed(format!("{plain}: HTTP {status}")).hint("check the URL"));
        }
        let mut bytes = Vec::new();
        let mut body = answer.into_body().into_reader().take(MAX_FILE + 1);
        body.read_to_end(&mut bytes).map_err(|e| failed(format!("{plain}: the answer breaks off: {e}")))?;
        if bytes.len() as u64 > MAX_FILE {
            return Err(failed(format!("{plain}: larger than the limit of {MAX_FILE} bytes")));
        }
        Ok(Some(bytes.into()))
    }

    fn fetch_tree(&self, spec: &RepoSpec) -> Result<GitTree, Error> {
        let url = spec.clone_spec();
        if !url.starts_with("https://") && !url.starts_with("http://") && !url.starts_with("file://") {
            return Err(Error::of(
                Kind::Unsupported,
                format!("{url}: SSH is not supported for remote bases"),
            )
            .hint("use the repository's https:// URL"));
        }
        let settings = Settings {
            location: url.clone(),
            reference: reference(&spec.reference),
            state_dir: self.dir()?.to_path_buf(),
            credentials: self.credentials_for(&url),
            ca_file: self.ca_file.clone(),
            shallow: true,
            timeout: Some(Duration::from_secs(spec.timeout_seconds)),
            max_pack: Some(MAX_PACK),
        };
        let get = || -> Result<GitTree, GitError> {
            let source = GitSource::open(settings)?;
            let commit = source.poll()?.commit;
            if spec.submodules { source.tree(&commit) } else { source.tree_without_submodules(&commit) }
        };
        get().map_err(|e| from_git(&e))
    }
}

impl Remote for RemoteBases {
    fn file(&self, url: &str) -> Result<Option<Arc<[u8]>>, Error> {
        let slot = slot(&self.files, url.to_owned());
        slot.get_or_init(|| self.fetch_file(url)).clone()
    }

    fn repository(&self, spec: &RepoSpec) -> Result<Arc<dyn FileTree>, Error> {
        let slot = slot(&self.trees, (spec.clone_spec(), spec.reference.clone(), spec.submodules));
        let tree = slot.get_or_init(|| self.fetch_tree(spec)).clone();
        // A failure of the moment is not kept.
        if tree.is_err() {
            let key = (spec.clone_spec(), spec.reference.clone(), spec.submodules);
            self.trees.lock().unwrap_or_else(PoisonError::into_inner).remove(&key);
        }
        Ok(Arc::new(tree?))
    }
}

fn slot<K: Eq + std::hash::Hash, T>(all: &Mutex<HashMap<K, Slot<T>>>, key: K) -> Slot<T> {
    Arc::clone(all.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
}

/// What `git fetch URL REF` takes.
fn reference(text: &str) -> Reference {
    match text {
        "" | "HEAD" => Reference::Head,
        _ => match CommitId::parse(text) {
            Ok(id) => Reference::Commit(id),
            Err(_) => Reference::Named(text.to_owned()),
        },
    }
}

fn failed(message: String) -> Error {
    Error::of(Kind::Remote, message)
}

fn from_git(error: &GitError) -> Error {
    let hint = match error {
        GitError::Unsupported { .. } => {
            return Error::of(Kind::Unsupported, error.to_string());
        }
        GitError::NoSuchRevision { .. } => {
            "check ref= in the URL; a commit is written with all its 40 digits"
        }
        GitError::NotARepository { .. } => {
            "check the URL; `//` separates the repository from the folder in it"
        }
        GitError::Unreachable { .. } => "try again, or give it more time with timeout= in the URL",
        GitError::Certificate { .. } => "SSL_CERT_FILE names a file of certificates to trust",
        GitError::Denied { .. } => "only what needs no login can be a remote base here",
        _ => return failed(error.to_string()),
    };
    failed(error.to_string()).hint(hint)
}
