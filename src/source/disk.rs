//! A folder on disk as a [`FileTree`].
//!
//! The root may be any folder, `/` included. Symbolic links are followed step by step and never leave the root: an
//! absolute target, or one that climbs out, is refused unless it names something under the root's own real path. The tree does not
//! cache; files may change between calls, and each answer is true when it is given.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use crate::files::{EntryKind, FileTree, OpenFolder, TreeError};

#[cfg(target_os = "linux")]
use super::whole::Opener;
use super::whole::{ShortRead, read_open};

/// What a [`DiskTree`] is willing to read.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The largest file, in bytes.
    pub file_bytes: u64,
    /// The most entries in one folder.
    pub dir_entries: usize,
    /// The most symbolic links on the way to one path.
    pub links: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { file_bytes: 64 << 20, dir_entries: 100_000, links: 40 }
    }
}

/// A folder on disk.
#[derive(Debug, Clone)]
pub struct DiskTree {
    root: PathBuf,
    limits: Limits,
}

impl DiskTree {
    /// The tree under a folder that exists.
    ///
    /// # Errors
    /// If the folder cannot be found or is not a folder.
    pub fn open(root: impl AsRef<Path>) -> io::Result<Self> {
        Self::with_limits(root, Limits::default())
    }

    /// The tree under a folder, with limits of one's own.
    ///
    /// # Errors
    /// If the folder cannot be found or is not a folder.
    pub fn with_limits(root: impl AsRef<Path>, limits: Limits) -> io::Result<Self> {
        let root = fs::canonicalize(root.as_ref())?;
        if !fs::metadata(&root)?.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotADirectory, "not a directory"));
        }
        Ok(Self { root, limits })
    }

    /// The root's real path.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    fn locate(&self, path: &str) -> Result<Option<(String, fs::Metadata)>, TreeError> {
        let refused = |reason: String| TreeError::Refused { path: path.to_owned(), reason };
        let mut todo: Vec<String> =
            path.split('/').filter(|p| !p.is_empty()).rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        let mut meta = fs::symlink_metadata(&self.root).map_err(|e| refused(e.to_string()))?;
        while let Some(part) = todo.pop() {
            match part.as_str() {
                "." => continue,
                ".." => {
                    if done.pop().is_none() {
                        return Err(refused("a symbolic link on this path leaves the tree".to_owned()));
                    }
                    continue;
                }
                _ => {}
            }
            if part.contains('\0') {
                return Err(refused("a path cannot contain a zero byte".to_owned()));
            }
            let here = self.root.join(done.join("/")).join(&part);
            meta = match fs::symlink_metadata(&here) {
                Ok(meta) => meta,
                Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                    return Ok(None);
                }
                Err(e) => return Err(refused(e.to_string())),
            };
            if !meta.is_symlink() {
                done.push(part);
                continue;
            }
            links += 1;
            if links > self.limits.links {
                return Err(refused(format!("more than {} symbolic links: a loop?", self.limits.links)));
            }
            let target = fs::read_link(&here).map_err(|e| refused(e.to_string()))?;
            let target = if target.is_absolute() {
                match target.strip_prefix(&self.root) {
                    Ok(inside) => {
                        done.clear();
                        inside.to_path_buf()
                    }
                    Err(_) => {
                        return Err(refused(format!(
                            "the symbolic link points to {}, outside of {}; copy the file into the tree",
                            target.display(),
                            self.root.display()
                        )));
                    }
                }
            } else {
                target
            };
            for component in target.components().rev() {
                match component {
                    Component::Normal(name) => match name.to_str() {
                        Some(name) => todo.push(name.to_owned()),
                        None => return Err(refused("the link's target is not UTF-8".to_owned())),
                    },
                    Component::ParentDir => todo.push("..".to_owned()),
                    Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
                }
            }
        }
        // `..` may have led back to a folder whose metadata is not the last one read.
        if !meta.is_file() {
            meta =
                fs::symlink_metadata(self.root.join(done.join("/"))).map_err(|e| refused(e.to_string()))?;
        }
        Ok(Some((done.join("/"), meta)))
    }

    /// A file or folder with no symbolic link on its way, which is nearly all of them: opened in one step. `None` if there
    /// is one, or if anything else is unusual.
    #[cfg(target_os = "linux")]
    fn open_straight(&self, path: &str) -> Option<fs::File> {
        use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
        if !path.is_empty() && path.split('/').any(|part| matches!(part, "" | "." | "..")) {
            return None;
        }
        // Not waiting for whoever writes to a pipe of that name.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        openat2(CWD, self.root.join(path), flags, Mode::empty(), resolve).ok().map(fs::File::from)
    }

    /// A folder of files and folders, with no symbolic link on its way or in it, and what is in it.
    #[cfg(target_os = "linux")]
    fn open_folder_straight(&self, path: &str) -> Option<(rustix::fs::Dir, Vec<(String, EntryKind)>)> {
        use rustix::fs::{Dir, FileType};
        let mut out = Vec::new();
        let mut dir = Dir::new(self.open_straight(path)?).ok()?;
        for entry in &mut dir {
            let entry = entry.ok()?;
            let kind = match (entry.file_name().to_bytes(), entry.file_type()) {
                (b"." | b"..", _) => continue,
                (_, FileType::RegularFile) => EntryKind::File,
                (_, FileType::Directory) => EntryKind::Dir,
                _ => return None,
            };
            if out.len() >= self.limits.dir_entries {
                return None;
            }
            out.push((entry.file_name().to_str().ok()?.to_owned(), kind));
        }
        out.sort_by(|a, b| a.0.cmp(&b.0));
        Some((dir, out))
    }

    #[cfg(target_os = "linux")]
    fn list_straight(&self, path: &str) -> Option<Vec<(String, EntryKind)>> {
        self.open_folder_straight(path).map(|(_, entries)| entries)
    }

    #[cfg(not(target_os = "linux"))]
    fn list_straight(&self, _: &str) -> Option<Vec<(String, EntryKind)>> {
        None
    }

    #[cfg(not(target_os = "linux"))]
    fn open_straight(&self, _: &str) -> Option<fs::File> {
        None
    }

    /// The bytes of a file that has no symbolic link on its way.
    fn read_straight(&self, path: &str) -> Option<Arc<[u8]>> {
        let file = self.open_straight(path)?;
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        read_open(file, self.limits.file_bytes, ShortRead::MayGoOn).ok()?
    }

    fn expect(&self, path: &str) -> Result<(PathBuf, fs::Metadata), TreeError> {
        match self.locate(path)? {
            Some((real, meta)) => Ok((self.root.join(real), meta)),
            None => Err(TreeError::NotFound { path: path.to_owned() }),
        }
    }
}

impl FileTree for DiskTree {
    #[cfg(target_os = "linux")]
    fn open_folder(&self, path: &str) -> Result<OpenFolder<'_>, TreeError> {
        use rustix::fs::OFlags;
        let Some((dir, entries)) = self.open_folder_straight(path) else {
            return OpenFolder::by_paths(self, path);
        };
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOFOLLOW;
        let opener = dir.fd().ok().map(|dir| Opener::new(dir, flags));
        let straight = move |name: &str| {
            // One name, and no link: it cannot lead out of the folder.
            if matches!(name, "" | "." | "..") || name.contains('/') {
                return None;
            }
            let (file, short) = opener.as_ref()?.open(dir.fd().ok()?, name).ok()?;
            read_open(file, self.limits.file_bytes, short).ok()?
        };
        let read = move |name: &str| match straight(name) {
            Some(bytes) => Ok(bytes),
            None => self.read(&format!("{prefix}{name}")),
        };
        Ok(OpenFolder { entries, read: Box::new(read) })
    }

    fn resolve(&self, path: &str) -> Result<Option<(String, EntryKind)>, TreeError> {
        match self.locate(path)? {
            None => Ok(None),
            Some((real, meta)) if meta.is_dir() => Ok(Some((real, EntryKind::Dir))),
            Some((real, meta)) if meta.is_file() => Ok(Some((real, EntryKind::File))),
            Some(_) => Err(TreeError::Refused {
                path: path.to_owned(),
                reason: "neither a file nor a directory".to_owned(),
            }),
        }
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        if let Some(bytes) = self.read_straight(path) {
            return Ok(bytes);
        }
        let (real, meta) = self.expect(path)?;
        let refused = |reason: String| TreeError::Refused { path: path.to_owned(), reason };
        if meta.is_dir() {
            return Err(TreeError::WrongKind { path: path.to_owned(), what: "is a directory" });
        }
        if !meta.is_file() {
            return Err(refused("neither a file nor a directory".to_owned()));
        }
        let limit = self.limits.file_bytes;
        let file = fs::File::open(&real).map_err(|e| refused(e.to_string()))?;
        let mut bytes = Vec::with_capacity(usize::try_from(meta.len().min(limit)).unwrap_or(0));
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|e| refused(e.to_string()))?;
        if bytes.len() as u64 > limit {
            return Err(refused(format!("larger than the limit of {limit} bytes")));
        }
        Ok(bytes.into())
    }

    fn list(&self, path: &str) -> Result<Vec<(String, EntryKind)>, TreeError> {
        if let Some(entries) = self.list_straight(path) {
            return Ok(entries);
        }
        let (real, meta) = self.expect(path)?;
        let refused = |reason: String| TreeError::Refused { path: path.to_owned(), reason };
        if !meta.is_dir() {
            return Err(TreeError::WrongKind { path: path.to_owned(), what: "not a directory" });
        }
        let mut out = Vec::new();
        for entry in fs::read_dir(&real).map_err(|e| refused(e.to_string()))? {
            let entry = entry.map_err(|e| refused(e.to_string()))?;
            let Ok(name) = entry.file_name().into_string() else {
                return Err(refused("contains a name that is not UTF-8".to_owned()));
            };
            let kind = entry.file_type().map_err(|e| refused(e.to_string()))?;
            let kind = if kind.is_file() {
                Some(EntryKind::File)
            } else if kind.is_dir() {
                Some(EntryKind::Dir)
            } else if kind.is_symlink() {
                let full = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
                // A link that may not be followed is an error only for whoever asks for it by name.
                self.resolve(&full).ok().flatten().map(|(_, kind)| kind)
            } else {
                None
            };
            if let Some(kind) = kind {
                out.push((name, kind));
            }
            if out.len() > self.limits.dir_entries {
                return Err(refused(format!("more than {} entries", self.limits.dir_entries)));
            }
        }
        out.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::super::whole::BUFFER_BYTES;
    use super::*;
    use std::os::unix::fs::symlink;

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("a/b")).unwrap();
        fs::write(dir.path().join("a/b/x.yaml"), "x").unwrap();
        dir
    }

    #[test]
    fn links_are_followed_inside_the_root_and_the_real_path_is_told() {
        let dir = folder();
        symlink("a/b", dir.path().join("l")).unwrap();
        symlink("../l/x.yaml", dir.path().join("a/y.yaml")).unwrap();
        symlink(dir.path().canonicalize().unwrap().join("a"), dir.path().join("abs")).unwrap();
        let tree = DiskTree::open(dir.path()).unwrap();
        assert_eq!(tree.resolve("a/y.yaml").unwrap(), Some(("a/b/x.yaml".into(), EntryKind::File)));
        assert_eq!(tree.resolve("abs/b").unwrap(), Some(("a/b".into(), EntryKind::Dir)));
        assert_eq!(&*tree.read("abs/y.yaml").unwrap(), b"x");
        assert_eq!(tree.list("l").unwrap(), vec![("x.yaml".into(), EntryKind::File)]);
    }

    #[test]
    fn an_open_folder_reads_what_the_paths_read() {
        let dir = folder();
        fs::write(dir.path().join("a/b/long"), vec![b'x'; BUFFER_BYTES + 7]).unwrap();
        fs::write(dir.path().join("a/b/too-long"), vec![b'x'; BUFFER_BYTES + 9]).unwrap();
        fs::write(dir.path().join("a/b/empty"), "").unwrap();
        let limits = Limits { file_bytes: BUFFER_BYTES as u64 + 8, ..Limits::default() };
        let tree = DiskTree::with_limits(dir.path(), limits).unwrap();
        for round in ["without a link", "with a link"] {
            let folder = tree.open_folder("a/b").unwrap();
            assert_eq!(folder.entries, tree.list("a/b").unwrap(), "{round}");
            for (name, _) in &folder.entries {
                let (open, path) = ((folder.read)(name), tree.read(&format!("a/b/{name}")));
                assert_eq!(
                    open.map_err(|e| e.to_string()),
                    path.map_err(|e| e.to_string()),
                    "{round}: {name}"
                );
            }
            assert!((folder.read)("too-long").unwrap_err().to_string().contains("larger than the limit"));
            assert_eq!((folder.read)("long").unwrap().len(), BUFFER_BYTES + 7);
            if round == "without a link" {
                symlink("x.yaml", dir.path().join("a/b/link")).unwrap();
            }
        }
        assert!(matches!(tree.open_folder("none"), Err(TreeError::NotFound { .. })));
    }

    #[test]
    fn links_that_leave_the_root_or_loop_are_refused_by_name() {
        let dir = folder();
        symlink("../../etc", dir.path().join("out")).unwrap();
        symlink("/etc/hosts", dir.path().join("abs")).unwrap();
        symlink("loop", dir.path().join("loop")).unwrap();
        let tree = DiskTree::open(dir.path()).unwrap();
        for path in ["out", "abs", "loop", "out/hosts"] {
            assert!(matches!(tree.resolve(path), Err(TreeError::Refused { .. })), "{path}");
        }
        assert_eq!(tree.list("").unwrap(), vec![("a".into(), EntryKind::Dir)]);
    }

    #[test]
    fn missing_paths_wrong_kinds_and_large_files_are_told_apart() {
        let dir = folder();
        let limits = Limits { file_bytes: 3, ..Limits::default() };
        fs::write(dir.path().join("big"), "1234").unwrap();
        let tree = DiskTree::with_limits(dir.path(), limits).unwrap();
        assert!(matches!(tree.read("none"), Err(TreeError::NotFound { .. })));
        assert_eq!(tree.resolve("a/b/x.yaml/deeper").unwrap(), None);
        assert!(matches!(tree.read("a"), Err(TreeError::WrongKind { .. })));
        assert!(matches!(tree.list("big"), Err(TreeError::WrongKind { .. })));
        let error = tree.read("big").unwrap_err().to_string();
        assert!(error.contains("larger than the limit of 3 bytes"), "{error}");
        assert!(DiskTree::open(dir.path().join("big")).is_err());
    }
}
