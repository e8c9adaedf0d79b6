//! A chart's folder as Helm reads it: symbolic links are followed wherever they lead.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::files::{EntryKind, FileTree, OpenFolder, TreeError};
use crate::source::whole::{self, ShortRead};

/// A folder whose links are followed by the operating system.
pub(super) struct Folder {
    pub(super) root: PathBuf,
}

impl Folder {
    /// What is in a folder; links and their like are looked up by their paths.
    fn entries(
        path: &Path,
        names: impl Iterator<Item = std::io::Result<(String, Option<EntryKind>)>>,
    ) -> Result<Vec<(String, EntryKind)>, TreeError> {
        let refuse = |e: std::io::Error| refused(&path.to_string_lossy(), &e);
        let mut out = Vec::new();
        for entry in names {
            let (name, kind) = entry.map_err(refuse)?;
            let full = || path.join(&name);
            let kind = match kind {
                Some(kind) => Some(kind),
                // A link, or something that is no file: Helm refuses what it cannot read.
                None => kind_of(&fs::metadata(full()).map_err(|e| refused(&full().to_string_lossy(), &e))?),
            };
            let kind = kind.ok_or_else(|| TreeError::Refused {
                path: full().to_string_lossy().into_owned(),
                reason: "cannot load irregular file".to_owned(),
            })?;
            out.push((name, kind));
        }
        out.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(out)
    }

    fn at(&self, path: &str) -> PathBuf {
        if path.is_empty() { self.root.clone() } else { self.root.join(path) }
    }
}

fn kind_of(meta: &fs::Metadata) -> Option<EntryKind> {
    if meta.is_dir() {
        Some(EntryKind::Dir)
    } else if meta.is_file() {
        Some(EntryKind::File)
    } else {
        None
    }
}

fn refused(path: &str, error: &std::io::Error) -> TreeError {
    TreeError::Refused { path: path.to_owned(), reason: error.to_string() }
}

impl FileTree for Folder {
    fn resolve(&self, path: &str) -> Result<Option<(String, EntryKind)>, TreeError> {
        match fs::metadata(self.at(path)) {
            Ok(meta) => Ok(kind_of(&meta).map(|kind| (path.to_owned(), kind))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(refused(path, &e)),
        }
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        let file = fs::File::open(self.at(path));
        file.and_then(|file| all_of(file, ShortRead::MayGoOn)).map_err(|e| refused(path, &e))
    }

    fn list(&self, path: &str) -> Result<Vec<(String, EntryKind)>, TreeError> {
        self.open_folder(path).map(|folder| folder.entries)
    }

    fn open_folder(&self, path: &str) -> Result<OpenFolder<'_>, TreeError> {
        use rustix::fs::{CWD, Dir, FileType, Mode, OFlags, openat};
        use std::io::Error;
        let full = self.at(path);
        let refuse = |e: rustix::io::Errno| refused(path, &e.into());
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let opened = openat(CWD, &full, flags | OFlags::DIRECTORY, Mode::empty()).map_err(refuse)?;
        let mut dir = Dir::new(opened).map_err(refuse)?;
        let names = dir.by_ref().filter_map(|entry| match entry {
            Ok(entry) if matches!(entry.file_name().to_bytes(), b"." | b"..") => None,
            Ok(entry) => {
                let kind = match entry.file_type() {
                    FileType::RegularFile => Some(EntryKind::File),
                    FileType::Directory => Some(EntryKind::Dir),
                    _ => None,
                };
                Some(Ok((entry.file_name().to_string_lossy().into_owned(), kind)))
            }
            Err(e) => Some(Err(e.into())),
        });
        let entries = Self::entries(&full, names)?;
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let opener = dir.fd().map(|dir| whole::Opener::new(dir, flags)).map_err(refuse)?;
        let read = move |name: &str| {
            let file = dir.fd().map_err(Error::from).and_then(|dir| opener.open(dir, name));
            let bytes = file.and_then(|(file, short)| all_of(file, short));
            bytes.map_err(|e| refused(&format!("{prefix}{name}"), &e))
        };
        Ok(OpenFolder { entries, read: Box::new(read) })
    }
}

/// All of an open file.
fn all_of(file: fs::File, short: ShortRead) -> std::io::Result<Arc<[u8]>> {
    let bytes = whole::read_open(file, u64::MAX, short)?;
    bytes.ok_or_else(|| std::io::Error::from(std::io::ErrorKind::FileTooLarge))
}
