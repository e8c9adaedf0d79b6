//! A chart as it was loaded: metadata, default values, templates, files, subcharts.

use std::sync::Arc;

use crate::files::base_name;

use super::metadata::Metadata;
use super::values::Defaults;

/// A file of a chart, its path from the chart's folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// `templates/deployment.yaml`
    pub name: String,
    /// The bytes, without a byte order mark.
    pub data: Arc<[u8]>,
}

/// A chart. Immutable once loaded; a render works on its own copy of what it changes.
#[derive(Debug, Clone)]
pub struct Chart {
    /// Chart.yaml.
    pub metadata: Metadata,
    /// values.yaml: the defaults.
    pub values: Defaults,
    /// values.schema.json.
    pub schema: Option<Arc<[u8]>>,
    /// The files under `templates/`.
    pub templates: Vec<File>,
    /// Everything else that is not special: what `.Files` sees, `crds/` included.
    pub files: Vec<File>,
    /// The charts in `charts/`, sorted by file name where Helm leaves the order to chance.
    pub dependencies: Vec<Chart>,
    /// What Helm would have logged while loading.
    pub warnings: Vec<String>,
}

impl Chart {
    /// The chart's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The chart's version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.metadata.version
    }

    /// The names of dependencies in Chart.yaml for which `charts/` has no chart.
    #[must_use]
    pub fn missing_dependencies(&self) -> Vec<String> {
        self.metadata
            .dependencies
            .iter()
            .flatten()
            .filter(|d| !self.dependencies.iter().any(|c| c.name() == d.name))
            .map(|d| d.name.clone())
            .collect()
    }

    /// All warnings of loading, subcharts' included.
    #[must_use]
    pub fn all_warnings(&self) -> Vec<String> {
        let mut out = self.warnings.clone();
        out.extend(self.dependencies.iter().flat_map(Self::all_warnings));
        out
    }
}

/// Whether a file of `crds/` counts as a manifest.
#[must_use]
pub(super) fn is_crd_file(name: &str) -> bool {
    let ext = base_name(name).rsplit_once('.').map_or("", |(_, ext)| ext);
    name.starts_with("crds/") && ["yaml", "yml", "json"].iter().any(|e| ext.eq_ignore_ascii_case(e))
}
