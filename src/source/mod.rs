//! Where trees come from: folders on disk ([`disk`]), Git repositories (`git`), remote bases of kustomizations (`remote`); and where charts
//! come from: chart repositories, OCI registries and folders (`charts`).
//!
//! Gives the pure rooms [`FileTree`](crate::files::FileTree)s; knows nothing of what the files mean.

pub mod disk;
pub(crate) mod whole;

#[cfg(feature = "syncer")]
pub mod charts;
#[cfg(feature = "syncer")]
pub mod git;
#[cfg(feature = "syncer")]
pub mod remote;
#[cfg(feature = "syncer")]
pub mod web;
