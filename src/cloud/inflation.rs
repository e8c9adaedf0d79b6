//! `helmCharts` of kustomizations, rendered by the native Helm engine.
//!
//! kustomize and helm do not know each other; this is the bridge that the command line and the render of a cloud pass
//! to [`kustomize::build`](crate::kustomize::build). It gives what `helm template` prints for the flags that kustomize
//! would call it with. Charts come from the tree; fetching them is the lock's business.

use crate::helm::{self, Chart, KubeVersion, OutputOptions, Randomness, ReleaseOptions, ValueFlags};
use crate::kustomize::error::{Error, Kind};
use crate::kustomize::helm::{Helm, Request};

/// The native engine with what a render may not take from the outside by itself.
#[derive(Debug, Clone)]
pub struct NativeHelm {
    /// Random functions.
    pub randomness: Randomness,
    /// What `now` gives: seconds and nanoseconds since 1970.
    pub now: (i64, u32),
}

impl Helm for NativeHelm {
    fn template(&self, request: &Request<'_>) -> Result<String, Error> {
        let entry = request.chart;
        let wrong =
            |e: String| Error::new(e).at_line(entry.line).context(format!("helm chart {}", entry.name));
        let Some(path) = request.chart_path else {
            return Err(Error::of(
                Kind::Remote,
                format!(
                    "chart {} of {} is not in the tree, and a build fetches nothing",
                    entry.name, entry.repo
                ),
            )
            .at_line(entry.line)
            .hint(format!(
                "put it below the chart home, as {}-{}/{}",
                entry.name, entry.version, entry.name
            )));
        };
        let chart = Chart::load(request.tree, path).map_err(|e| wrong(e.to_string()))?;
        let files = request.values.iter().map(|text| ("values".to_owned(), text.clone())).collect();
        let flags = ValueFlags { files, ..ValueFlags::default() };
        let values =
            flags.merge(&|path| Err(format!("{path}: not read"))).map_err(|e| wrong(e.to_string()))?;
        let kube_version = match entry.kube_version.as_str() {
            "" => KubeVersion::default(),
            text => KubeVersion::parse(text).map_err(|e| wrong(e.to_string()))?,
        };
        let name = match (entry.release_name.as_str(), entry.name_template.as_str()) {
            // `helm template --generate-name` calls every release so.
            ("", "") => "release-name".to_owned(),
            ("", text) => helm::name_from_template(text, &self.randomness, self.now)
                .map_err(|e| wrong(e.to_string()))?,
            (name, _) => name.to_owned(),
        };
        let namespace = if entry.namespace.is_empty() { "default" } else { entry.namespace.as_str() };
        let options = ReleaseOptions {
            kube_version,
            api_versions: entry.api_versions.clone(),
            randomness: self.randomness.clone(),
            now: self.now,
            ..ReleaseOptions::new(name, namespace)
        };
        let release = helm::render(&chart, &options, &values).map_err(|e| wrong(e.to_string()))?;
        let output = OutputOptions {
            include_crds: entry.include_crds,
            skip_tests: entry.skip_tests,
            no_hooks: entry.skip_hooks,
            show_only: Vec::new(),
        };
        release.to_template_output(&output).map_err(|e| wrong(e.to_string()))
    }
}
