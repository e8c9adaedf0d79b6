//! `buildMetadata`: where resources came from and what changed them.

/// The annotation that says where a resource came from.
pub const ORIGIN_KEY: &str = "config.kubernetes.io/origin";
