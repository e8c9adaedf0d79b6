//! retune keeps a live Kubernetes cloud in tune with its Git repository.
//!
//! The rooms, in the order in which a commit passes through them:
//!
//! | room | what it does | I/O |
//! |---|---|---|
//! | [`files`] | the read-only file tree that every renderer reads | none |
//! | [`goregex`] | regular expressions as Go reads them | none |
//! | [`yaml`] | reads YAML as go-yaml v2 and v3 do, writes it as `sigs.k8s.io/yaml` does | none |
//! | [`template`] | Go's text/template with sprig's functions | none |
//! | [`helm`] | charts and values in, manifests and hooks out | none |
//! | [`kustomize`] | kustomizations in, resources out | none |
//! | [`cloud`] | `retune.yaml`, apps, layering, the graph, one revision's render | none |
//! | [`plan`] | desired and live in, ordered actions out | none |
//! | [`health`] | one object in, its readiness out | none |
//! | [`source`] | folders, Git and chart repositories | files, network |
//! | `cluster` | the only room that knows `kube` | network |
//! | `backoff` | waiting before trying again | none |
//! | `apply`, `ledger`, `sync` | executing plans, remembering them, the loop | all |
//! | `cli`, `server` | the faces | all |
//!
//! Without the default feature `syncer` only the pure rooms and folders as a source are built.

pub mod cli;
pub mod cloud;
pub mod files;
pub mod goregex;
pub mod health;
pub mod helm;
pub mod kustomize;
pub mod plan;
pub mod source;
pub mod template;
pub mod yaml;

#[cfg(feature = "syncer")]
pub mod apply;
#[cfg(feature = "syncer")]
pub mod backoff;
#[cfg(feature = "syncer")]
pub mod cluster;
#[cfg(feature = "syncer")]
pub mod ledger;
#[cfg(feature = "syncer")]
pub mod sync;
