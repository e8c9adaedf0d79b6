//! Whole files, with as few system calls as is safe: a chart is hundreds of small ones.

use std::cell::RefCell;
use std::fs;
use std::io::{self, Read as _};
use std::sync::Arc;

/// What a read that gives less than was asked for means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShortRead {
    /// Nothing: a network file system, or /proc, may give less than there is. Only a read that gives nothing is the end.
    MayGoOn,
    /// The file's end.
    IsEnd,
}

/// The bytes of an open file, unless there are more than the limit.
pub(crate) fn read_open(mut file: fs::File, limit: u64, short: ShortRead) -> io::Result<Option<Arc<[u8]>>> {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(BUFFER_BYTES, 0);
        let mut length = 0;
        while length < buffer.len() {
            let ended = match file.read(&mut buffer[length..]) {
                Ok(more) => {
                    length += more;
                    more == 0 || short == ShortRead::IsEnd && length < buffer.len()
                }
                Err(e) if e.kind() == io::ErrorKind::Interrupted => false,
                Err(e) => return Err(e),
            };
            if ended {
                return Ok((length as u64 <= limit).then(|| Arc::from(&buffer[..length])));
            }
        }
        let mut bytes = buffer.clone();
        file.take(limit.saturating_add(1).saturating_sub(length as u64)).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 <= limit).then(|| bytes.into()))
    })
}

/// Enough for nearly every file of a chart.
pub(crate) const BUFFER_BYTES: usize = 32 << 10;

thread_local! {
    /// Where files are read to before their length is known.
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Gives back this thread's buffer, after what is read in one go: a chart's folder.
pub(crate) fn give_back() {
    BUFFER.take();
}

/// Opens files of one folder by their names.
#[cfg(target_os = "linux")]
pub(crate) struct Opener {
    /// Whether the folder lies in a file system of which a short read is a file's end.
    local: bool,
    /// How files are opened.
    flags: rustix::fs::OFlags,
}

#[cfg(target_os = "linux")]
impl Opener {
    /// For an open folder. Links are followed unless the flags have `NOFOLLOW`.
    pub(crate) fn new(dir: impl rustix::fd::AsFd, flags: rustix::fs::OFlags) -> Self {
        // ext2 to ext4, XFS, Btrfs, tmpfs: the kernel's page cache gives all that is asked for, up to the file's end.
        const LOCAL: [u64; 4] = [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994];
        let kind = rustix::fs::fstatfs(dir).ok().and_then(|found| u64::try_from(found.f_type).ok());
        Self { local: kind.is_some_and(|kind| LOCAL.contains(&kind)), flags }
    }

    /// Opens a file of the folder. One that something else is mounted over, or that is a link, lies in another file system perhaps.
    pub(crate) fn open(&self, dir: impl rustix::fd::AsFd, name: &str) -> io::Result<(fs::File, ShortRead)> {
        use rustix::fs::{Mode, ResolveFlags, openat, openat2};
        if self.local {
            let here = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS;
            if let Ok(file) = openat2(&dir, name, self.flags, Mode::empty(), here) {
                return Ok((file.into(), ShortRead::IsEnd));
            }
        }
        let file = openat(dir, name, self.flags, Mode::empty())?;
        Ok((file.into(), ShortRead::MayGoOn))
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::fs::OFlags;

    #[test]
    fn a_file_that_gives_less_than_it_has_at_once_is_read_to_its_end() {
        // The kernel gives at most a page of it at once.
        let dir = fs::File::open("/proc/self").unwrap();
        let (file, short) = Opener::new(&dir, OFlags::RDONLY).open(&dir, "smaps").unwrap();
        assert_eq!(short, ShortRead::MayGoOn);
        let read = read_open(file, u64::MAX, short).unwrap().unwrap();
        assert!(read.len() > 8192 && read.ends_with(b"\n"), "{} bytes", read.len());
    }

    #[test]
    fn links_may_lead_to_where_a_short_read_is_no_end() {
        let folder = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/proc/self/smaps", folder.path().join("link")).unwrap();
        let dir = fs::File::open(folder.path()).unwrap();
        let (file, short) = Opener::new(&dir, OFlags::RDONLY).open(&dir, "link").unwrap();
        assert_eq!(short, ShortRead::MayGoOn);
        assert!(read_open(file, u64::MAX, short).unwrap().unwrap().len() > 8192);
        let not_followed = Opener::new(&dir, OFlags::RDONLY | OFlags::NOFOLLOW);
        assert!(not_followed.open(&dir, "link").is_err());
    }

    #[test]
    fn files_of_every_length_are_read_whole_both_ways() {
        let folder = tempfile::tempdir().unwrap();
        let dir = fs::File::open(folder.path()).unwrap();
        let opener = Opener::new(&dir, OFlags::RDONLY);
        for length in [0, 1, 4096, BUFFER_BYTES - 1, BUFFER_BYTES, BUFFER_BYTES + 1, 3 * BUFFER_BYTES] {
            let text: Vec<u8> = (0..length).map(|n| n as u8).collect();
            fs::write(folder.path().join("file"), &text).unwrap();
            let (file, short) = opener.open(&dir, "file").unwrap();
            assert_eq!(read_open(file, u64::MAX, short).unwrap().unwrap()[..], text);
            let file = fs::File::open(folder.path().join("file")).unwrap();
            assert_eq!(read_open(file, u64::MAX, ShortRead::MayGoOn).unwrap().unwrap()[..], text);
            let (file, short) = opener.open(&dir, "file").unwrap();
            let limit = length as u64;
            assert!(read_open(file, limit, short).unwrap().is_some());
            let (file, short) = opener.open(&dir, "file").unwrap();
            assert_eq!(read_open(file, limit.saturating_sub(1), short).unwrap().is_some(), length == 0);
        }
    }
}
