//! Data that `tests/tools/openapi` writes from what kustomize v5.8.1 embeds: merge keys and scope of Kubernetes' OpenAPI
//! v1.21.2, and the default transformer configuration.

pub(crate) mod config;
pub(crate) mod merge_keys;
pub(crate) mod scope;

/// What strategic merge needs to know of one schema. Row numbers index [`merge_keys::ROWS`].
pub(crate) struct Row {
    /// Keys if the list is merged (none for a set of scalars); `None` if it is replaced.
    pub(crate) merge: Option<&'static [&'static str]>,
    /// Fields that lead to a merged list, with their rows, in byte order.
    pub(crate) fields: &'static [(&'static str, u16)],
    /// The row of a list's elements.
    pub(crate) elements: u16,
}

/// A kind with a schema.
pub(crate) struct Kind {
    pub(crate) api_version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) row: u16,
}

/// A field spec of the default configuration.
pub(crate) struct DefaultSpec {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) path: &'static str,
    pub(crate) create: bool,
}

/// A kind that others refer to by name, and the fields that do.
pub(crate) struct DefaultReference {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) referrers: &'static [DefaultSpec],
}
