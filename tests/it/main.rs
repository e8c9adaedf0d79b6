//! Integration tests: one binary, a module per subject.

#[cfg(feature = "syncer")]
mod controlplane;
mod helm;
mod purity;
#[cfg(feature = "syncer")]
mod support;
