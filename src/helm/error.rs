//! The one error type of the room. Texts follow Helm's where Helm has one.

/// Why a chart could not be loaded or rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read.
    #[error("{0}")]
    Tree(String),
    /// The chart is not one, or one of its files is malformed.
    #[error("{0}")]
    Chart(String),
    /// Dependencies that Chart.yaml names are not in `charts/`.
    #[error(
        "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' to \
         fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
        .0.join(", ")
    )]
    MissingDependencies(Vec<String>),
    /// A dependency of the chart cannot be used.
    #[error("chart dependencies processing failed: {0}")]
    Dependencies(String),
    /// A values file or a `--set` flag was not understood.
    #[error("{0}")]
    Values(String),
    /// The values do not satisfy a chart's `values.schema.json`.
    #[error("values don't meet the specifications of the schema(s) in the following chart(s):\n{0}")]
    Schema(String),
    /// The release's name is not one.
    #[error(
        "release name check failed: release name {0:?}: invalid release name, must match regex \
         ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
    )]
    ReleaseName(String),
    /// The chart wants another Kubernetes version.
    #[error("chart requires kubeVersion: {constraint} which is incompatible with Kubernetes {version}")]
    KubeVersion {
        /// What Chart.yaml asks for.
        constraint: String,
        /// What the render's capabilities say.
        version: String,
    },
    /// A template does not parse, or failed while it ran. The text holds template, line and the chain of calls.
    #[error("{0}")]
    Template(String),
    /// A rendered file is not YAML.
    #[error("YAML parse error on {path}: {reason}")]
    Manifest {
        /// The template's path.
        path: String,
        /// What the YAML reader says.
        reason: String,
    },
    /// `--show-only` names a template that gave nothing.
    #[error("could not find template {0} in chart")]
    ShowOnly(String),
}

impl Error {
    /// Whether the chart's templates had been run when this happened; Helm then hints at `--debug`.
    #[must_use]
    pub fn is_render(&self) -> bool {
        matches!(self, Self::KubeVersion { .. } | Self::Template(_) | Self::Manifest { .. })
    }
}
