//! Merge keys and patch strategies, after Kubernetes' published OpenAPI.

/// What is known about the kinds.
#[derive(Debug, Default)]
pub struct Schema {}
