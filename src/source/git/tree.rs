//! One commit's files, read from objects.
//!
//! Links resolve inside the tree or are refused, as in [`crate::source::disk`]. A submodule is a folder if its repository was given
//! ([`GitTree::mount`]), else an error that names it. A Git LFS pointer is refused, never taken for the file's content.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use git2::{ObjectType, Oid, Repository};

use crate::files::{ContentId, EntryKind, FileTree, TreeError};

/// The most symbolic links on the way to one path.
const MAX_LINKS: usize = 40;
/// The largest file in bytes.
const MAX_FILE: usize = 64 << 20;
/// How a Git LFS pointer starts (<https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md>).
const LFS: &[u8] = b"version https://git-lfs.github.com/spec/";

/// What a tree entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    File,
    Dir,
    Link,
    Submodule,
}

type Dir = BTreeMap<String, (Oid, Mode)>;

/// A repository handle that threads share.
#[derive(Clone)]
pub(super) struct Shared(Arc<Mutex<Repository>>);

impl Shared {
    pub(super) fn new(repository: Repository) -> Self {
        Self(Arc::new(Mutex::new(repository)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Repository> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files of one commit.
#[derive(Clone)]
pub struct GitTree {
    repository: Shared,
    root: Oid,
    dirs: Arc<Mutex<HashMap<Oid, Arc<Dir>>>>,
    mounts: Arc<BTreeMap<String, GitTree>>,
}

/// A submodule that a commit names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submodule {
    /// Its path in the tree.
    pub path: String,
    /// Its URL as `.gitmodules` has it.
    pub url: String,
    /// The commit that the tree pins.
    pub commit: String,
}

/// Where a walk along a path ended.
enum Found<'a> {
    Here { path: String, oid: Oid, mode: Mode },
    Mounted { path: String, tree: &'a GitTree, rest: String },
}

impl GitTree {
    pub(super) fn new(repository: Shared, root: Oid) -> Self {
        Self { repository, root, dirs: Arc::default(), mounts: Arc::default() }
    }

    /// The id of the root tree: equal ids, equal trees (submodules included, for their commits are part of it).
    #[must_use]
    pub fn id(&self) -> String {
        self.root.to_string()
    }

    /// The same tree with the files of a submodule in their place.
    #[must_use]
    pub fn mount(mut self, path: &str, tree: GitTree) -> Self {
        let mut mounts = (*self.mounts).clone();
        mounts.insert(path.to_owned(), tree);
        self.mounts = Arc::new(mounts);
        self
    }

    /// The submodules that `.gitmodules` declares and the tree pins.
    ///
    /// # Errors
    /// If `.gitmodules` cannot be read.
    pub fn submodules(&self) -> Result<Vec<Submodule>, TreeError> {
        if self.resolve(".gitmodules")?.is_none() {
            return Ok(Vec::new());
        }
        let bytes = self.read(".gitmodules")?;
        let text = String::from_utf8_lossy(&bytes);
        let (mut found, mut path, mut url) = (Vec::new(), None, None);
        for line in text.lines().map(str::trim).chain(["[end]"]) {
            if line.starts_with('[') {
                if let (Some(path), Some(url)) = (path.take(), url.take()) {
                    found.push((path, url));
                }
            } else if let Some((key, value)) = line.split_once('=') {
                let value = value.trim().trim_matches('"').to_owned();
                match key.trim() {
                    "path" => path = crate::files::clean(&value),
                    "url" => url = Some(value),
                    _ => {}
                }
            }
        }
        let mut out = Vec::new();
        for (path, url) in found {
            if let Some(Found::Here { oid, mode: Mode::Submodule, .. }) = self.walk(&path, true)? {
                out.push(Submodule { path, url, commit: oid.to_string() });
            }
        }
        Ok(out)
    }

    fn dir(&self, oid: Oid, path: &str) -> Result<Arc<Dir>, TreeError> {
        if let Some(known) = self.dirs.lock().unwrap_or_else(PoisonError::into_inner).get(&oid) {
            return Ok(Arc::clone(known));
        }
        let mut dir = Dir::new();
        {
            let repository = self.repository.lock();
            let tree = repository.find_tree(oid).map_err(|e| damaged(path, &e))?;
            for entry in &tree {
                let Ok(name) = entry.name() else {
                    return Err(refused(path, "contains a name that is not UTF-8"));
                };
                let mode = match (entry.kind(), entry.filemode()) {
                    (Some(ObjectType::Tree), _) => Mode::Dir,
                    (Some(ObjectType::Commit), _) => Mode::Submodule,
                    (_, 0o120_000) => Mode::Link,
                    _ => Mode::File,
                };
                dir.insert(name.to_owned(), (entry.id(), mode));
            }
        }
        let dir = Arc::new(dir);
        self.dirs.lock().unwrap_or_else(PoisonError::into_inner).insert(oid, Arc::clone(&dir));
        Ok(dir)
    }

    /// Follows a path; links too, except that `bare_submodules` stops at a submodule instead of refusing it.
    fn walk(&self, path: &str, bare_submodules: bool) -> Result<Option<Found<'_>>, TreeError> {
        let mut todo: Vec<String> =
            path.split('/').filter(|p| !p.is_empty()).rev().map(str::to_owned).collect();
        // The folders passed, root first, with their names.
        let mut way: Vec<(String, Oid)> = Vec::new();
        let mut here = (self.root, Mode::Dir);
        let mut links = 0;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                "." => continue,
                ".." => {
                    if way.pop().is_none() {
                        return Err(refused(path, "a symbolic link on this path leaves the repository"));
                    }
                    here = (way.last().map_or(self.root, |(_, oid)| *oid), Mode::Dir);
                    continue;
                }
                _ => {}
            }
            if here.1 != Mode::Dir {
                return Ok(None);
            }
            let Some((oid, mode)) = self.dir(here.0, path)?.get(&part).copied() else { return Ok(None) };
            match mode {
                Mode::File | Mode::Dir => {
                    way.push((part, oid));
                    here = (oid, mode);
                }
                Mode::Submodule => {
                    way.push((part, oid));
                    let at = way.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join("/");
                    if bare_submodules && todo.is_empty() {
                        return Ok(Some(Found::Here { path: at, oid, mode }));
                    }
                    if let Some(tree) = self.mounts.get(&at) {
                        todo.reverse();
                        return Ok(Some(Found::Mounted { path: at, tree, rest: todo.join("/") }));
                    }
                    let reason = format!("{at} is a Git submodule at {oid} that has not been fetched");
                    return Err(TreeError::Refused { path: path.to_owned(), reason });
                }
                Mode::Link => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(refused(path, "too many symbolic links: a loop?"));
                    }
                    let target = self.blob(oid, path)?;
                    let Ok(target) = std::str::from_utf8(&target) else {
                        return Err(refused(path, "the link's target is not UTF-8"));
                    };
                    if target.starts_with('/') {
                        let reason =
                            format!("the symbolic link points to {target}, outside of the repository");
                        return Err(TreeError::Refused { path: path.to_owned(), reason });
                    }
                    todo.extend(target.split('/').filter(|p| !p.is_empty()).rev().map(str::to_owned));
                }
            }
        }
        let real = way.iter().map(|(n, _)| n.as_str()).collect::<Vec<_>>().join("/");
        Ok(Some(Found::Here { path: real, oid: here.0, mode: here.1 }))
    }

    fn blob(&self, oid: Oid, path: &str) -> Result<Vec<u8>, TreeError> {
        let repository = self.repository.lock();
        let odb = repository.odb().map_err(|e| damaged(path, &e))?;
        let (size, _) = odb.read_header(oid).map_err(|e| damaged(path, &e))?;
        if size > MAX_FILE {
            let reason = format!("{size} bytes, larger than the limit of {MAX_FILE}");
            return Err(TreeError::Refused { path: path.to_owned(), reason });
        }
        Ok(repository.find_blob(oid).map_err(|e| damaged(path, &e))?.content().to_vec())
    }

    fn expect(&self, path: &str) -> Result<Found<'_>, TreeError> {
        self.walk(path, false)?.ok_or_else(|| TreeError::NotFound { path: path.to_owned() })
    }
}

fn refused(path: &str, reason: &str) -> TreeError {
    TreeError::Refused { path: path.to_owned(), reason: reason.to_owned() }
}

fn damaged(path: &str, error: &git2::Error) -> TreeError {
    let reason = format!("damaged repository: {}; run `git fsck` there, or clone it anew", error.message());
    TreeError::Refused { path: path.to_owned(), reason }
}

fn not_a_file(path: &str) -> TreeError {
    TreeError::WrongKind { path: path.to_owned(), what: "is a directory" }
}

impl FileTree for GitTree {
    fn resolve(&self, path: &str) -> Result<Option<(String, EntryKind)>, TreeError> {
        Ok(match self.walk(path, false)? {
            None => None,
            Some(Found::Here { path, mode: Mode::Dir, .. }) => Some((path, EntryKind::Dir)),
            Some(Found::Here { path, .. }) => Some((path, EntryKind::File)),
            Some(Found::Mounted { path, tree, rest }) => tree
                .resolve(&rest)?
                .map(|(inner, kind)| (if inner.is_empty() { path } else { format!("{path}/{inner}") }, kind)),
        })
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        match self.expect(path)? {
            Found::Mounted { tree, rest, .. } => tree.read(&rest),
            Found::Here { mode: Mode::Dir, .. } => Err(not_a_file(path)),
            Found::Here { oid, .. } => {
                let bytes = self.blob(oid, path)?;
                if bytes.len() < 1024 && bytes.starts_with(LFS) {
                    let reason = "a Git LFS pointer; Git LFS is not supported, commit the file itself";
                    return Err(refused(path, reason));
                }
                Ok(bytes.into())
            }
        }
    }

    fn list(&self, path: &str) -> Result<Vec<(String, EntryKind)>, TreeError> {
        match self.expect(path)? {
            Found::Mounted { tree, rest, .. } => tree.list(&rest),
            Found::Here { mode: Mode::Dir, oid, path: real } => {
                let mut out = Vec::new();
                for (name, (_, mode)) in self.dir(oid, path)?.iter() {
                    let kind = match mode {
                        Mode::File => Some(EntryKind::File),
                        Mode::Dir | Mode::Submodule => Some(EntryKind::Dir),
                        Mode::Link => {
                            let full = if real.is_empty() { name.clone() } else { format!("{real}/{name}") };
                            // A link that may not be followed is an error only for whoever asks for it by name.
                            self.resolve(&full).ok().flatten().map(|(_, kind)| kind)
                        }
                    };
                    out.extend(kind.map(|kind| (name.clone(), kind)));
                }
                Ok(out)
            }
            Found::Here { .. } => {
                Err(TreeError::WrongKind { path: path.to_owned(), what: "not a directory" })
            }
        }
    }

    fn content_id(&self, path: &str) -> Result<ContentId, TreeError> {
        match self.expect(path)? {
            Found::Mounted { tree, rest, .. } => tree.content_id(&rest),
            Found::Here { mode: Mode::Dir, .. } => Err(not_a_file(path)),
            Found::Here { oid, .. } => {
                let mut id = [0; 20];
                id.copy_from_slice(&oid.as_bytes()[..20]);
                Ok(ContentId::GitBlob(id))
            }
        }
    }
}
