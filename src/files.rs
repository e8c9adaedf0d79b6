//! The read-only file tree that the renderers read: a folder, a Git tree, a chart archive or a map in memory.
//!
//! Paths are `/`-separated and relative to the tree's root, without `.` or `..` segments and without a leading or
//! trailing slash; the root itself is `""`. [`clean`] and [`join`] make such paths from what users write.
//! Symbolic links are the tree's business: [`FileTree::resolve`] follows them and never leaves the root.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

/// What a path names, links followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A folder.
    Dir,
}

/// Why a tree could not answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum TreeError {
    /// Nothing is at that path.
    #[error("{path}: no such file or directory")]
    NotFound {
        /// The path that was asked for.
        path: String,
    },
    /// The path names a folder where a file was expected, or the other way round.
    #[error("{path}: {what}")]
    WrongKind {
        /// The path that was asked for.
        path: String,
        /// "is a directory" or "not a directory".
        what: &'static str,
    },
    /// A link that leaves the root, a loop, an unreadable or oversized object, a Git LFS pointer, ...
    #[error("{path}: {reason}")]
    Refused {
        /// The path that was asked for.
        path: String,
        /// What is wrong, and what to do about it.
        reason: String,
    },
}

/// Names the bytes of a file without giving them: equal ids, equal bytes. Different ids say nothing; a Git tree answers
/// with blob ids, a folder with SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ContentId {
    /// SHA-256 of the bytes.
    Sha256([u8; 32]),
    /// A Git blob's SHA-1 id.
    GitBlob([u8; 20]),
}

/// The last name of a path.
#[must_use]
pub(crate) fn base_name(path: &str) -> &str {
    &path[memchr::memrchr(b'/', path.as_bytes()).map_or(0, |slash| slash + 1)..]
}

/// A folder of a tree that stays open while its files are read.
pub struct OpenFolder<'t> {
    /// As [`FileTree::list`] gives them.
    pub entries: Vec<(String, EntryKind)>,
    /// Reads the file of that name, which must be one of the entries.
    pub read: Box<dyn Fn(&str) -> Result<Arc<[u8]>, TreeError> + 't>,
}

impl<'t> OpenFolder<'t> {
    /// A folder that stays closed: each file is read by its path.
    pub(crate) fn by_paths(tree: &'t (impl FileTree + ?Sized), path: &str) -> Result<Self, TreeError> {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let read = move |name: &str| tree.read(&format!("{prefix}{name}"));
        Ok(Self { entries: tree.list(path)?, read: Box::new(read) })
    }
}

/// A read-only tree of files.
pub trait FileTree: Send + Sync {
    /// The path with every symbolic link followed, and what it names; `None` if nothing is there.
    fn resolve(&self, path: &str) -> Result<Option<(String, EntryKind)>, TreeError>;

    /// The bytes of a file (links followed).
    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError>;

    /// The names in a folder with what each names (links followed; dangling links are left out), in byte order.
    fn list(&self, path: &str) -> Result<Vec<(String, EntryKind)>, TreeError>;

    /// An id of the file's bytes (links followed), for caches; cheaper than reading where the tree knows one.
    fn content_id(&self, path: &str) -> Result<ContentId, TreeError> {
        Ok(ContentId::Sha256(Sha256::digest(self.read(path)?).into()))
    }

    /// A folder, opened once to read many of its files: each as [`FileTree::read`] of its path would give it.
    fn open_folder(&self, path: &str) -> Result<OpenFolder<'_>, TreeError> {
        OpenFolder::by_paths(self, path)
    }

    /// What the path names, links followed.
    fn kind(&self, path: &str) -> Result<Option<EntryKind>, TreeError> {
        Ok(self.resolve(path)?.map(|(_, kind)| kind))
    }
}

/// A tree in memory.
#[derive(Debug, Clone, Default)]
pub struct MemTree {
    files: BTreeMap<String, Arc<[u8]>>,
    dirs: BTreeSet<String>,
}

impl MemTree {
    /// An empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file; its folders come into being.
    pub fn insert(&mut self, path: &str, bytes: impl Into<Arc<[u8]>>) {
        let path = clean(path).unwrap_or_else(|| path.to_owned());
        let mut dir = path.as_str();
        while let Some(cut) = dir.rfind('/') {
            dir = &dir[..cut];
            self.dirs.insert(dir.to_owned());
        }
        self.files.insert(path, bytes.into());
    }

    /// Every file's path, in byte order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }
}

impl<P: AsRef<str>, B: Into<Arc<[u8]>>> FromIterator<(P, B)> for MemTree {
    fn from_iter<T: IntoIterator<Item = (P, B)>>(iter: T) -> Self {
        let mut tree = Self::new();
        for (path, bytes) in iter {
            tree.insert(path.as_ref(), bytes);
        }
        tree
    }
}

impl FileTree for MemTree {
    fn resolve(&self, path: &str) -> Result<Option<(String, EntryKind)>, TreeError> {
        let kind = if self.files.contains_key(path) {
            EntryKind::File
        } else if path.is_empty() || self.dirs.contains(path) {
            EntryKind::Dir
        } else {
            return Ok(None);
        };
        Ok(Some((path.to_owned(), kind)))
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        match self.files.get(path) {
            Some(bytes) => Ok(Arc::clone(bytes)),
            None if self.dirs.contains(path) || path.is_empty() => {
                Err(TreeError::WrongKind { path: path.to_owned(), what: "is a directory" })
            }
            None => Err(TreeError::NotFound { path: path.to_owned() }),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<(String, EntryKind)>, TreeError> {
        if self.files.contains_key(path) {
            return Err(TreeError::WrongKind { path: path.to_owned(), what: "not a directory" });
        }
        if !path.is_empty() && !self.dirs.contains(path) {
            return Err(TreeError::NotFound { path: path.to_owned() });
        }
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let child = |full: &str| {
            full.strip_prefix(&prefix)
                .filter(|rest| !rest.is_empty() && !rest.contains('/'))
                .map(str::to_owned)
        };
        let mut out: BTreeMap<String, EntryKind> = BTreeMap::new();
        for dir in self.dirs.range(prefix.clone()..).take_while(|d| d.starts_with(&prefix)) {
            if let Some(name) = child(dir) {
                out.insert(name, EntryKind::Dir);
            }
        }
        for (file, _) in self.files.range(prefix.clone()..).take_while(|(f, _)| f.starts_with(&prefix)) {
            if let Some(name) = child(file) {
                out.insert(name, EntryKind::File);
            }
        }
        Ok(out.into_iter().collect())
    }
}

/// A tree path from what a user wrote; `None` if it climbs above the root.
///
/// ```
/// assert_eq!(retune::files::clean("a/./b/../c/").as_deref(), Some("a/c"));
/// assert_eq!(retune::files::clean("../a"), None);
/// ```
#[must_use]
pub fn clean(path: &str) -> Option<String> {
    let mut out: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                out.pop()?;
            }
            name => out.push(name),
        }
    }
    Some(out.join("/"))
}

/// `path` as seen from the folder `dir`; `None` if it climbs above the root.
///
/// ```
/// assert_eq!(retune::files::join("apps/keystone", "../../base").as_deref(), Some("base"));
/// ```
#[must_use]
pub fn join(dir: &str, path: &str) -> Option<String> {
    if path.starts_with('/') { clean(path) } else { clean(&format!("{dir}/{path}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_memory_tree_lists_files_and_folders_of_one_level() {
        let tree: MemTree = [("a/b.yaml", "1"), ("a/c/d.yaml", "2"), ("e", "3")]
            .into_iter()
            .map(|(p, b)| (p, b.as_bytes().to_vec()))
            .collect();
        assert_eq!(
            tree.list("a").unwrap(),
            vec![("b.yaml".into(), EntryKind::File), ("c".into(), EntryKind::Dir)]
        );
        assert_eq!(tree.list("").unwrap().len(), 2);
        assert!(tree.list("e").is_err());
        assert_eq!(&*tree.read("a/c/d.yaml").unwrap(), b"2");
    }
}
