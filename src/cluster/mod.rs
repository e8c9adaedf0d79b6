//! The only room that knows kube: clients, discovery, server-side apply, watches, retune's own custom resources, the
//! Lease.
//!
//! Requests are raw compact JSON; no dynamic object is held. The client library's silent retries are off: every retry
//! is ours, follows [`error::ErrorKind`] and is counted in [`client::Counts`]. Lists and watches of managed kinds ask
//! for metadata only (`PartialObjectMetadata`), which carries `managedFields`: see
//! <https://kubernetes.io/docs/reference/using-api/server-side-apply/#field-management>.

pub mod adopted;
pub mod adoption;
pub mod client;
pub mod crd;
pub mod discovery;
pub mod error;
pub mod events;
pub mod fields;
pub mod install;
#[cfg(feature = "age")]
pub mod key;
pub mod lease;
pub mod leftovers;
pub mod logs;
pub mod meta;
pub mod nodes;
pub mod objects;
pub mod release;
pub mod secrets;
pub mod state;
pub mod time;
pub mod watch;

pub use client::{Client, ConnectOptions};
pub use error::{ApiError, ErrorKind};

/// The field manager of everything retune applies.
pub const MANAGER: &str = "retune";
/// The label that names the cloud an object belongs to; the watches filter on it.
pub const LABEL_CLOUD: &str = "retune.dev/cloud";
/// The label that names the app an object belongs to.
pub const LABEL_APP: &str = "retune.dev/app";
/// The annotation that names the cloud's id and the very object it was written for (controllers copy labels and
/// annotations to other objects).
pub const ANNOTATION_OWNER: &str = "retune.dev/owner";
/// The namespace of retune's own objects.
pub const SYSTEM_NAMESPACE: &str = "retune-system";
