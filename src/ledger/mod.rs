//! The durable record of every sync: a local file (redb) that can be lost. Losing it loses history, never correctness:
//! what decides anything is in `Inventory`.
//!
//! Records are appended by a thread of its own, so that no fsync holds up a sync; each is sealed with a key derived from
//! the per-cloud key (AES-256-GCM), so that the file is worth nothing without the cluster's Secret. The file is also the
//! lock that keeps two syncers from sharing a data folder.

mod record;
pub(crate) mod seal;
mod store;

pub use record::{DriftRecord, Entry, RevisionInfo, SyncRecord, What, inputs, values};
pub use store::{Ledger, LedgerError, read};
