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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemTree;
    use crate::kustomize::{self, HelmOptions, Options};

    fn tree(kustomization: &str) -> MemTree {
        [
            ("kustomization.yaml", kustomization),
            ("charts/c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\n"),
            ("charts/c/values.yaml", "a: 1\nb: {c: d}\n"),
            (
                "charts/c/templates/a.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n  namespace: {{ \
                 .Release.Namespace }}\ndata:\n  a: \"{{ .Values.a }}\"\n  b: {{ .Values.b | toJson | quote }}\n",
            ),
        ]
        .into_iter()
        .map(|(path, text)| (path, text.as_bytes().to_vec()))
        .collect()
    }

    fn build(kustomization: &str, enabled: bool) -> Result<String, Error> {
        let engine = NativeHelm {
            randomness: Randomness::Stable { seed: [0; 32], scope: String::new() },
            now: (7, 0),
        };
        let helm = HelmOptions { enabled, engine: Some(&engine), ..HelmOptions::default() };
        let options = Options { helm, ..Options::default() };
        kustomize::build(&tree(kustomization), "", &options)?.to_yaml()
    }

    #[test]
    fn inline_values_win_over_the_charts_and_the_namespace_is_helms() {
        let text =
            "namespace: x\nnamePrefix: p-\nhelmCharts:\n- {name: c, releaseName: r, valuesInline: {a: 5}}\n";
        let want = "apiVersion: v1\ndata:\n  a: \"5\"\n  b: '{\"c\":\"d\"}'\nkind: ConfigMap\nmetadata:\n  name: p-r\n  \
                    namespace: x\n";
        assert_eq!(build(text, true).unwrap(), want);
    }

    #[test]
    fn with_merge_the_values_file_wins() {
        let text =
            "helmCharts:\n- {name: c, releaseName: r, valuesMerge: merge, valuesInline: {a: 5, b: {e: f}}}\n";
        let printed = build(text, true).unwrap();
        assert!(printed.contains("a: \"1\"") && printed.contains("\"e\":\"f\""), "{printed}");
    }

    #[test]
    fn a_chart_that_is_not_in_the_tree_is_an_error_with_its_line() {
        let text = "helmCharts:\n- {name: d, repo: 'https://example.com', version: 1.0.0, releaseName: r, valuesInline: {a: 1}, valuesMerge: replace}\n";
        let e = build(text, true).unwrap_err();
        assert!(e.to_string().contains("kustomization.yaml:2: chart d"), "{e}");
    }

    #[test]
    fn charts_need_to_be_allowed() {
        let e = build("helmCharts:\n- {name: c}\n", false).unwrap_err();
        assert_eq!(e.to_string(), "kustomization.yaml:2: must specify --enable-helm");
    }
}
