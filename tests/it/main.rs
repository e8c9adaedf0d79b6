//! Integration tests: one binary, a module per subject.

#[cfg(feature = "syncer")]
mod controlplane;
#[cfg(feature = "syncer")]
mod support;
