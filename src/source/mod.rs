//! Where trees come from: folders on disk ([`disk`]), Git repositories (`git`), remote bases of kustomizations (`remote`), later chart repositories.
//!
//! Gives the pure rooms [`FileTree`](crate::files::FileTree)s; knows nothing of what the files mean.

pub mod disk;

#[cfg(feature = "syncer")]
pub mod git;
#[cfg(feature = "syncer")]
pub mod remote;
#[cfg(feature = "syncer")]
pub mod web;
