//! Charts from chart repositories (HTTP), OCI registries and folders, behind a cache on disk.
//!
//! | module | subject |
//! |---|---|
//! | [`store`] | who answers a render ([`Store`]): overrides, lock, cache, repository, in this order |
//! | [`resolve`] | who answers `retune lock`: ranges become versions, versions become digests |
//! | `repository` | HTTP chart repositories: `index.yaml` and packages, as Helm v4.3 reads them |
//! | `oci`, `challenge` | OCI registries: the distribution API with its token flow |
//! | `folder` | a folder of unpacked or packaged charts that stands for a repository |
//! | [`cache`] | packages on disk by their SHA-256 |
//! | `config` | Helm's `repositories.yaml` and `registry/config.json`: credentials and certificates |
//! | `client` | GET with limits and retries |
//!
//! Nothing is taken that does not have the digest that `retune.lock` (or, while locking, the index or the manifest) says. Credentials go
//! to their own host only, never without TLS to another machine, and never into a message.

pub mod cache;
mod challenge;
mod client;
mod config;
mod folder;
mod oci;
mod repository;
pub mod resolve;
pub mod store;

pub use client::Retry;
pub use oci::OciReference;
pub use resolve::Resolver;
pub use store::{Package, Settings, Store};
