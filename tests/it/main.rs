//! Integration tests: one binary, a module per subject.

// A helper that panics fails its test, which is what it is for.
#![allow(clippy::unwrap_used)]

#[cfg(feature = "syncer")]
mod adopt;
mod bombs;
mod cloud;
#[cfg(feature = "syncer")]
mod controlplane;
#[cfg(feature = "syncer")]
mod deletion;
#[cfg(feature = "syncer")]
mod drift;
#[cfg(feature = "syncer")]
mod engine;
mod health;
mod helm;
#[cfg(feature = "syncer")]
mod holds;
#[cfg(feature = "syncer")]
mod hooks;
#[cfg(feature = "syncer")]
mod hooks_helm;
#[cfg(feature = "syncer")]
mod inputs;
mod kustomize;
mod kustomize_fuzz;
#[cfg(feature = "syncer")]
mod leader;
#[cfg(feature = "syncer")]
mod nodes;
#[cfg(feature = "syncer")]
mod order;
#[cfg(feature = "syncer")]
mod ownership;
#[cfg(feature = "syncer")]
mod promises;
mod purity;
#[cfg(feature = "syncer")]
mod scenarios;
#[cfg(feature = "syncer")]
mod secrets;
#[cfg(feature = "syncer")]
mod source;
#[cfg(feature = "syncer")]
mod support;
mod template;
mod tools_cache;
#[cfg(feature = "syncer")]
mod verdicts;
#[cfg(feature = "syncer")]
mod why;
mod yaml;
