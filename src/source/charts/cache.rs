//! Packages on disk, named by their SHA-256: `sha256/<64 digits>.tgz`.
//!
//! A package is written beside its place and renamed into it, so that two processes (or a crash) leave either nothing or all of it, and it is
//! verified whenever it is read. The folder can be deleted at any time; nothing is deleted from it by retune except what is damaged
//! and leftovers of writes that were cut off.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::cloud::Digest;

/// A leftover of this age belongs to nobody.
const STALE: Duration = Duration::from_secs(3600);

/// The cache.
#[derive(Debug, Clone)]
pub struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// The cache in a folder, which comes into being with the first package.
    #[must_use]
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.join("sha256") }
    }

    /// Where a package is or would be.
    #[must_use]
    pub fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.to_string();
        self.dir.join(format!("{}.tgz", hex.trim_start_matches("sha256:")))
    }

    /// A package, if it is here and whole. One that is damaged is removed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn get(&self, digest: &Digest) -> io::Result<Option<Vec<u8>>> {
        let path = self.path(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(named(&path, &e)),
        };
        if Digest::of(&bytes) == *digest {
            return Ok(Some(bytes));
        }
        tracing::warn!(path = %path.display(), "a damaged package is removed from the chart cache");
        match fs::remove_file(&path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(named(&path, &e)),
            _ => Ok(None),
        }
    }

    /// Keeps a package.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn put(&self, bytes: &[u8]) -> io::Result<Digest> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let digest = Digest::of(bytes);
        let path = self.path(&digest);
        fs::create_dir_all(&self.dir).map_err(|e| named(&self.dir, &e))?;
        self.sweep();
        let temp =
            self.dir.join(format!(".part-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed)));
        let written = fs::File::create(&temp)
            .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&temp, &path));
        if let Err(e) = written {
            // The error that counts is the first one.
            let _ = fs::remove_file(&temp);
            return Err(named(&path, &e));
        }
        Ok(digest)
    }

    /// Removes what writers that are gone have left.
    fn sweep(&self) {
        for entry in fs::read_dir(&self.dir).into_iter().flatten().flatten() {
            let old = || entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
            if entry.file_name().to_string_lossy().starts_with(".part-")
                && old().is_some_and(|age| age > STALE)
            {
                // Another process may have been quicker.
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_kept_by_its_digest() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        assert!(cache.get(&Digest::of(b"x")).unwrap().is_none());
        let digest = cache.put(b"x").unwrap();
        assert_eq!(cache.get(&digest).unwrap().as_deref(), Some(&b"x"[..]));
        assert_eq!(cache.put(b"x").unwrap(), digest);
    }

    #[test]
    fn a_damaged_package_is_not_given_and_goes() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path());
        let digest = cache.put(b"whole").unwrap();
        fs::write(cache.path(&digest), b"hal").unwrap();
        assert!(cache.get(&digest).unwrap().is_none());
        assert!(!cache.path(&digest).exists());
    }

    #[test]
    fn many_writers_and_readers_of_one_package_only_ever_see_it_whole() {
        let dir = tempfile::tempdir().unwrap();
        let bytes = vec![7; 1 << 20];
        let digest = Digest::of(&bytes);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let cache = Cache::new(dir.path());
                    for _ in 0..10 {
                        cache.put(&bytes).unwrap();
                        let read = std::fs::read(cache.path(&digest)).unwrap();
                        assert!(read == bytes, "{} bytes", read.len());
                    }
                });
            }
        });
        let left: Vec<_> = fs::read_dir(dir.path().join("sha256")).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "no leftovers");
    }
}
