//! Git as a source of trees, read straight from objects: no work tree, no child process, no hooks, no configuration of the
//! user.
//!
//! Objects and refs are libgit2's business (`git2`). The network is ours: [`http`] speaks the smart HTTP protocol (version 0,
//! <https://git-scm.com/docs/http-protocol>) over `ureq` with rustls, because libgit2's own transport needs OpenSSL and
//! registering another one with it needs `unsafe`.
//!
//! | module | subject |
//! |---|---|
//! | [`location`] | what users write: paths and URLs |
//! | [`source`] | one followed repository: poll, resolve, history |
//! | [`tree`] | one commit's files |
//! | [`watch`] | a local repository's refs changed |
//! | [`rollback`] | the commit that has an old revision's tree |
//! | [`http`], [`pkt`], [`credentials`] | the network |
//!
//! SHA-256 and reftable repositories are refused by name, as are SSH URLs and Git LFS pointers. A local repository is read in
//! place, a remote one from a bare mirror under the state folder that can be deleted at any time.

pub mod credentials;
pub mod error;
pub mod http;
pub mod location;
pub mod pkt;
pub mod rollback;
pub mod source;
pub mod tree;
pub mod watch;

pub use credentials::Credentials;
pub use error::GitError;
pub use location::{Location, Reference};
pub use rollback::{Author, Rollback};
pub use source::{CommitId, GitSource, Revision, Settings};
pub use tree::GitTree;
pub use watch::RefWatch;
