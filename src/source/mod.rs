//! Where trees come from: folders on disk ([`disk`]), later Git and chart repositories.
//!
//! Gives the pure rooms [`FileTree`](crate::files::FileTree)s; knows nothing of what the files mean.

pub mod disk;
