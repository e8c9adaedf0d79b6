//! The ledger's file and the thread that writes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

use super::record::{DriftRecord, Entry, SyncRecord, What};
use super::seal::Seal;
use crate::cloud::ObjectId;
use crate::cluster::time;

const ENTRIES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");
/// redb's own default is 1 GiB.
const CACHE_BYTES: usize = 4 << 20;
/// The oldest entries go when there are more.
const MAX_ENTRIES: u64 = 20_000;

/// Why a ledger cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// Another process has it.
    #[error("{path}: another retune uses this data folder; give each its own with --data DIR")]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("{path}: {message}")]
    Broken {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// The handle that the syncer writes through; dropping it ends the thread after what it was given.
#[derive(Debug)]
pub struct Ledger {
    to: Option<SyncSender<What>>,
    writer: Option<std::thread::JoinHandle<()>>,
    /// The newest sync when the file was opened.
    newest: Option<SyncRecord>,
}

impl Ledger {
    /// A ledger that keeps nothing.
    #[must_use]
    pub fn none() -> Self {
        Self { to: None, writer: None, newest: None }
    }

    /// Opens or creates the file. A damaged one is put aside: losing it loses history only.
    ///
    /// # Errors
    /// When another process has it, or the folder cannot be written.
    pub fn open(path: &Path, cloud_key: &[u8; 32]) -> Result<Self, LedgerError> {
        let broken = |message: String| LedgerError::Broken { path: path.to_owned(), message };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|e| broken(e.to_string()))?;
        }
        let open = || Database::builder().set_cache_size(CACHE_BYTES).create(path);
        let database = match open() {
            Ok(database) => database,
            Err(redb::DatabaseError::DatabaseAlreadyOpen) => {
                return Err(LedgerError::InUse { path: path.to_owned() });
            }
            Err(error) => {
                let aside = path.with_extension("damaged");
                tracing::warn!(file = %path.display(), %error, aside = %aside.display(), "the ledger is damaged: it is put aside and a new one begun");
                std::fs::rename(path, &aside).map_err(|e| broken(e.to_string()))?;
                open().map_err(|e| broken(e.to_string()))?
            }
        };
        let seal = Seal::new(cloud_key).ok_or_else(|| broken("no key can be derived".into()))?;
        let newest = newest_sync(&database, &seal).map_err(|e| broken(e.to_string()))?;
        let (to, from) = sync_channel(1_024);
        let shown = path.to_owned();
        let writer = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || write_all(&database, &seal, &from, &shown))
            .map_err(|e| broken(e.to_string()))?;
        Ok(Self { to: Some(to), writer: Some(writer), newest })
    }

    /// How far the resourceVersions of this cluster had come at the end of the newest sync that is recorded; 0 if none is.
    #[must_use]
    pub fn highest(&self, cluster: &str) -> u64 {
        self.newest.as_ref().filter(|sync| sync.cluster == cluster).map_or(0, |sync| sync.resource_version)
    }

    /// The live inputs of the newest sync of this cluster that is recorded, by source, and its revision.
    #[must_use]
    pub fn last_inputs(&self, cluster: &str) -> (String, BTreeMap<String, String>) {
        let newest = self.newest.as_ref().filter(|sync| sync.cluster == cluster);
        newest.map(|sync| (sync.revision.short().to_owned(), sync.values.clone())).unwrap_or_default()
    }

    /// A sync came to its end.
    pub fn sync(&self, record: &SyncRecord) {
        self.send(What::Sync(record.clone()));
    }

    /// A drift was corrected (with how long that took), or reported.
    pub fn drift(&self, id: &ObjectId, reason: &str, took: Option<Duration>) {
        let ms = took.map(|t| t.as_secs_f64() * 1e3);
        self.send(What::Drift(DriftRecord { object: id.to_string(), reason: reason.to_owned(), ms }));
    }

    /// A revision could not be had or rendered.
    pub fn failed(&self, revision: &str, message: &str) {
        self.send(What::Failed { revision: revision.to_owned(), message: message.to_owned() });
    }

    fn send(&self, what: What) {
        if let Some(to) = &self.to
            && to.try_send(what).is_err()
        {
            tracing::warn!("the ledger cannot keep up: an entry is lost");
        }
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.to = None;
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn write_all(database: &Database, seal: &Seal, from: &Receiver<What>, path: &Path) {
    while let Ok(first) = from.recv() {
        // What has come meanwhile is one transaction.
        let mut batch = vec![first];
        while batch.len() < 256
            && let Ok(next) = from.try_recv()
        {
            batch.push(next);
        }
        if let Err(error) = append(database, seal, batch) {
            tracing::warn!(file = %path.display(), %error, "the ledger could not be written (disk full?); history is lost, nothing else");
        }
    }
}

fn append(database: &Database, seal: &Seal, batch: Vec<What>) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(ENTRIES)?;
        let mut next = table.last()?.map_or(0, |(key, _)| key.value() + 1);
        for what in batch {
            let entry = Entry { time: time::now(), what };
            let text = serde_json::to_vec(&entry).unwrap_or_default();
            if let Some(sealed) = seal.seal(&text) {
                table.insert(next, sealed.as_slice())?;
                next += 1;
            }
        }
        let first = table.first()?.map_or(next, |(key, _)| key.value());
        if next - first > MAX_ENTRIES {
            table.retain_in(..next - MAX_ENTRIES, |_, _| false)?;
        }
    }
    transaction.commit()?;
    Ok(())
}

/// The newest sync among the last thousand entries; entries of another key are not ours.
fn newest_sync(database: &Database, seal: &Seal) -> Result<Option<SyncRecord>, redb::Error> {
    let table = match database.begin_read()?.open_table(ENTRIES) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    for row in table.iter()?.rev().take(1_000) {
        let Some(text) = seal.open(row?.1.value()) else { return Ok(None) };
        if let Ok(Entry { what: What::Sync(record), .. }) = serde_json::from_slice(&text) {
            return Ok(Some(record));
        }
    }
    Ok(None)
}

/// The newest entries, newest first.
///
/// # Errors
/// When the file is not there, in use by a syncer, or sealed with another key.
pub fn read(path: &Path, cloud_key: &[u8; 32], limit: usize) -> Result<Vec<Entry>, LedgerError> {
    let broken = |message: String| LedgerError::Broken { path: path.to_owned(), message };
    let database = match Database::builder().set_cache_size(CACHE_BYTES).open(path) {
        Ok(database) => database,
        Err(redb::DatabaseError::DatabaseAlreadyOpen) => {
            return Err(LedgerError::InUse { path: path.to_owned() });
        }
        Err(error) => return Err(broken(error.to_string())),
    };
    let seal = Seal::new(cloud_key).ok_or_else(|| broken("no key can be derived".into()))?;
    let transaction = database.begin_read().map_err(|e| broken(e.to_string()))?;
    let table = match transaction.open_table(ENTRIES) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(Vec::new()),
        Err(error) => return Err(broken(error.to_string())),
    };
    let mut out = Vec::new();
    for row in table.iter().map_err(|e| broken(e.to_string()))?.rev().take(limit) {
        let (_, value) = row.map_err(|e| broken(e.to_string()))?;
        let text = seal.open(value.value()).ok_or_else(|| {
            broken("an entry does not open with this cloud's key (is it the ledger of another cloud?)".into())
        })?;
        out.push(serde_json::from_slice(&text).map_err(|e| broken(e.to_string()))?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_newest_first_and_by_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        let ledger = Ledger::open(&path, &[7; 32]).unwrap();
        ledger.failed("aaa", "first");
        ledger.drift(&ObjectId::new("", "ConfigMap", Some("n"), "x"), "data.a removed", None);
        assert!(matches!(Ledger::open(&path, &[7; 32]), Err(LedgerError::InUse { .. })));
        drop(ledger);
        let entries = read(&path, &[7; 32], 10).unwrap();
        assert_eq!(entries.len(), 2);
        assert!(matches!(&entries[0].what, What::Drift(d) if d.object == "ConfigMap n/x"));
        assert!(read(&path, &[8; 32], 10).is_err());
    }

    #[test]
    fn how_far_a_cluster_had_come_is_known_after_a_restart_and_for_that_cluster_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        let ledger = Ledger::open(&path, &[7; 32]).unwrap();
        assert_eq!(ledger.highest("one"), 0);
        ledger.sync(&SyncRecord { cluster: "one".into(), resource_version: 42, ..SyncRecord::default() });
        ledger.failed("aaa", "later");
        drop(ledger);
        let ledger = Ledger::open(&path, &[7; 32]).unwrap();
        assert_eq!((ledger.highest("one"), ledger.highest("two")), (42, 0));
    }

    #[test]
    fn a_damaged_file_is_put_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.redb");
        std::fs::write(&path, b"not a database").unwrap();
        drop(Ledger::open(&path, &[7; 32]).unwrap());
        assert!(path.with_extension("damaged").exists());
    }
}
