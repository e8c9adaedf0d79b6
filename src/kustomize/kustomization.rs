//! kustomization.yaml: what it may hold, how it is read, which old fields still work.
//!
//! Read as the original does: go-yaml v2, then JSON, then a strict struct whose field names match without regard to
//! case. Duplicate keys are accepted and the last one wins. Deprecated fields work and give the original's warnings.

use std::collections::BTreeMap;

use super::decode::{ConfigMapArgs, Decode, Mode, SecretArgs, decodes};
use super::error::{Error, Kind};
use super::types::{
    GeneratorArgs, GeneratorOptions, HelmChart, HelmGlobals, Image, Label, Patch, ReplacementField, Replica,
    SortOptions, StringMap, Var,
};
use crate::yaml::{self, Node, Value};

/// The names that are tried, in this order.
pub const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// Kind of the ordinary file.
pub const KUSTOMIZATION: &str = "Kustomization";
/// Kind of a component.
pub const COMPONENT: &str = "Component";

const KUSTOMIZATION_VERSION: &str = "kustomize.config.k8s.io/v1beta1";
const COMPONENT_VERSION: &str = "kustomize.config.k8s.io/v1alpha1";

/// `metadata` of a kustomization or of a plugin configuration.
#[derive(Debug, Clone, Default)]
pub struct ObjectMeta {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Labels.
    pub labels: StringMap,
    /// Annotations.
    pub annotations: StringMap,
}

decodes!(ObjectMeta, "metadata", {
    "name" => name, "namespace" => namespace, "labels" => labels, "annotations" => annotations,
});

/// What a kustomization file says, deprecated fields folded into their successors.
#[derive(Debug, Clone, Default)]
pub struct Kustomization {
    /// `kind`, defaulted.
    pub kind: String,
    /// `openapi`.
    pub openapi: StringMap,
    /// `namePrefix`.
    pub name_prefix: String,
    /// `nameSuffix`.
    pub name_suffix: String,
    /// `namespace`.
    pub namespace: String,
    /// `commonLabels`.
    pub common_labels: StringMap,
    /// `labels`.
    pub labels: Vec<Label>,
    /// `commonAnnotations`.
    pub common_annotations: StringMap,
    /// `patchesStrategicMerge`.
    pub patches_strategic_merge: Vec<String>,
    /// `patchesJson6902`.
    pub patches_json6902: Vec<Patch>,
    /// `patches`.
    pub patches: Vec<Patch>,
    /// `images`, then `imageTags`.
    pub images: Vec<Image>,
    /// `replacements`.
    pub replacements: Vec<ReplacementField>,
    /// `replicas`.
    pub replicas: Vec<Replica>,
    /// `vars`.
    pub vars: Vec<Var>,
    /// `sortOptions`.
    pub sort_options: Option<SortOptions>,
    /// `resources`, then `bases`.
    pub resources: Vec<String>,
    /// `components`.
    pub components: Vec<String>,
    /// `crds`.
    pub crds: Vec<String>,
    /// `configMapGenerator`.
    pub config_maps: Vec<GeneratorArgs>,
    /// `secretGenerator`.
    pub secrets: Vec<GeneratorArgs>,
    /// `helmGlobals`.
    pub helm_globals: Option<HelmGlobals>,
    /// `helmCharts`, then `helmChartInflationGenerator`.
    pub helm_charts: Vec<HelmChart>,
    /// `generatorOptions`.
    pub generator_options: Option<GeneratorOptions>,
    /// `configurations`.
    pub configurations: Vec<String>,
    /// `generators`.
    pub generators: Vec<String>,
    /// `transformers`.
    pub transformers: Vec<String>,
    /// `validators`.
    pub validators: Vec<String>,
    /// `buildMetadata`.
    pub build_metadata: Vec<String>,
    /// Where list entries of `resources` and the like stand: entry text to line.
    pub lines: BTreeMap<String, u32>,
}

/// An old-style chart.
#[derive(Debug, Default)]
struct OldChart {
    chart: HelmChart,
    chart_home: String,
    helm_home: String,
    unused: String,
    unused_list: Vec<String>,
}

decodes!(OldChart, "a helm chart inflation", {
    "chartName" => chart.name, "chartVersion" => chart.version, "chartRepoUrl" => chart.repo,
    "chartHome" => chart_home, "chartRepoName" => unused, "helmBin" => unused, "helmHome" => helm_home,
    "values" => chart.values_file, "valuesLocal" => chart.values_inline, "valuesMerge" => chart.values_merge,
    "releaseName" => chart.release_name, "releaseNamespace" => unused, "extraArgs" => unused_list,
});

#[derive(Debug, Default)]
struct Raw {
    api_version: String,
    metadata: ObjectMeta,
    k: Kustomization,
    bases: Vec<String>,
    image_tags: Vec<Image>,
    config_maps: Vec<ConfigMapArgs>,
    secrets: Vec<SecretArgs>,
    old_charts: Vec<OldChart>,
}

decodes!(Raw, "the kustomization", {
    "apiVersion" => api_version, "kind" => k.kind, "metadata" => metadata, "openapi" => k.openapi,
    "namePrefix" => k.name_prefix, "nameSuffix" => k.name_suffix, "namespace" => k.namespace,
    "commonLabels" => k.common_labels, "labels" => k.labels, "commonAnnotations" => k.common_annotations,
    "patchesStrategicMerge" => k.patches_strategic_merge, "patchesJson6902" => k.patches_json6902,
    "patches" => k.patches, "images" => k.images, "imageTags" => image_tags, "replacements" => k.replacements,
    "replicas" => k.replicas, "vars" => k.vars, "sortOptions" => k.sort_options, "resources" => k.resources,
    "components" => k.components, "crds" => k.crds, "bases" => bases, "configMapGenerator" => config_maps,
    "secretGenerator" => secrets, "helmGlobals" => k.helm_globals, "helmCharts" => k.helm_charts,
    "helmChartInflationGenerator" => old_charts, "generatorOptions" => k.generator_options,
    "configurations" => k.configurations, "generators" => k.generators, "transformers" => k.transformers,
    "validators" => k.validators, "buildMetadata" => k.build_metadata,
});

/// The deprecated fields in the order in which the original warns.
const DEPRECATED: [(&str, &str, bool); 6] = [
    ("bases", "resources", false),
    ("commonLabels", "labels", false),
    ("imageTags", "images", false),
    ("patchesJson6902", "patches", false),
    ("patchesStrategicMerge", "patches", false),
    ("vars", "replacements", true),
];

/// Fields whose entries are files, folders or inline documents; their lines are kept for messages.
const LISTS: [&str; 9] = [
    "resources",
    "bases",
    "components",
    "crds",
    "configurations",
    "generators",
    "transformers",
    "validators",
    "patchesStrategicMerge",
];

/// Reads a kustomization file. `folder` is for messages only. Gives warnings as the original prints them.
pub fn read(text: &str, file: &str, folder: &str) -> Result<(Kustomization, Vec<String>), Error> {
    let node = yaml::read_v2_json(text, &yaml::Limits::default())
        .map_err(|e| from_yaml(&e).at(file, 0).context("invalid Kustomization"))?;
    let raw = Raw::decode(&node, Mode::KUSTOMIZATION, "kustomization")
        .map_err(|e| e.at(file, 0).context("invalid Kustomization"))?;
    let warnings = warnings(&node);
    let empty = fields(&node)
        .all(|(key, value)| is(key, "apiVersion") || is(key, "kind") || matches!(value, None | Some(false)));
    let Raw { api_version, k: mut out, bases, image_tags, config_maps, secrets, old_charts, .. } = raw;
    if out.kind.is_empty() {
        KUSTOMIZATION.clone_into(&mut out.kind);
    }
    if empty {
        return Err(Error::new("kustomization.yaml is empty")
            .at(file, 0)
            .hint("list something under 'resources', or remove the file"));
    }
    if out.kind != KUSTOMIZATION && out.kind != COMPONENT {
        return Err(Error::new(format!("kind should be {KUSTOMIZATION} or {COMPONENT}"))
            .at(file, line_of(&node, "kind"))
            .context(format!("Failed to read kustomization file under {folder}")));
    }
    let wanted = if out.kind == COMPONENT { COMPONENT_VERSION } else { KUSTOMIZATION_VERSION };
    if !api_version.is_empty() && api_version != wanted {
        return Err(Error::new(format!("apiVersion for {} should be {wanted}", out.kind))
            .at(file, line_of(&node, "apiVersion"))
            .context(format!("Failed to read kustomization file under {folder}")));
    }
    out.resources.extend(bases);
    out.images.extend(image_tags);
    out.config_maps = config_maps.into_iter().map(|a| a.0).collect();
    out.secrets = secrets.into_iter().map(|a| a.0).collect();
    let mut globals = HelmGlobals::default();
    for old in old_charts {
        if !old.helm_home.is_empty() {
            globals.config_home = old.helm_home;
        }
        if !old.chart_home.is_empty() {
            globals.chart_home = old.chart_home;
        }
        out.helm_charts.push(old.chart);
    }
    if out.helm_globals.is_none() && globals != HelmGlobals::default() {
        out.helm_globals = Some(globals);
    }
    out.lines = lines(&node);
    Ok((out, warnings))
}

/// A YAML error as an error of this room.
pub(super) fn from_yaml(e: &yaml::Error) -> Error {
    Error::of(Kind::MalformedYaml, e.message.clone()).at_line(e.pos.line)
}

fn is(key: &str, name: &str) -> bool {
    key.eq_ignore_ascii_case(name)
}

/// The top-level fields with whether they hold anything; `None` for null.
fn fields(node: &Node) -> impl Iterator<Item = (&str, Option<bool>)> {
    node.as_map().into_iter().flat_map(|m| &m.entries).map(|e| {
        let held = match &e.value.value {
            _ if e.value.is_null() => None,
            Value::Scalar(s) => Some(!s.text.is_empty()),
            _ => Some(true),
        };
        (e.key.text().unwrap_or_default(), held)
    })
}

fn warnings(node: &Node) -> Vec<String> {
    let present: Vec<&str> = fields(node).filter(|(_, held)| held.is_some()).map(|(key, _)| key).collect();
    DEPRECATED
        .iter()
        .filter(|(old, _, _)| present.iter().any(|key| is(key, old)))
        .map(|(old, new, experimental)| {
            let mark = if *experimental { "[EXPERIMENTAL] " } else { "" };
            format!(
                "# Warning: '{old}' is deprecated. Please use '{new}' instead. \
                 {mark}Run 'kustomize edit fix' to update your Kustomization automatically."
            )
        })
        .collect()
}

fn line_of(node: &Node, field: &str) -> u32 {
    let entry =
        node.as_map().and_then(|m| m.entries.iter().find(|e| e.key.text().is_some_and(|k| is(k, field))));
    entry.map_or(0, |e| e.key.pos.line)
}

fn lines(node: &Node) -> BTreeMap<String, u32> {
    let mut out = BTreeMap::new();
    for e in node.as_map().into_iter().flat_map(|m| &m.entries) {
        if LISTS.iter().any(|name| e.key.text().is_some_and(|k| is(k, name))) {
            for item in e.value.as_seq().unwrap_or_default() {
                if let Some(text) = item.text() {
                    out.entry(text.to_owned()).or_insert(item.pos.line);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<(Kustomization, Vec<String>), Error> {
        read(text, "a/kustomization.yaml", "a")
    }

    #[test]
    fn field_names_match_without_regard_to_case() {
        assert_eq!(parse("Namespace: x\n").unwrap().0.namespace, "x");
    }

    #[test]
    fn an_unknown_field_is_named_with_its_line_and_the_nearest_field() {
        let e = parse("namespace: x\nresorces: [a]\n").unwrap_err();
        assert_eq!(
            e.to_string(),
            "invalid Kustomization: a/kustomization.yaml:2: unknown field \"resorces\" in the kustomization"
        );
        assert_eq!(e.hint_text(), Some("did you mean 'resources'?"));
    }

    #[test]
    fn bases_come_after_resources_and_give_a_warning() {
        let (k, warnings) = parse("bases: [b]\nresources: [a]\n").unwrap();
        assert_eq!(k.resources, ["a", "b"]);
        assert_eq!(
            warnings,
            ["# Warning: 'bases' is deprecated. Please use 'resources' instead. \
              Run 'kustomize edit fix' to update your Kustomization automatically."]
        );
    }

    #[test]
    fn a_file_with_only_a_type_is_empty() {
        assert!(parse("kind: Kustomization\n").unwrap_err().message().contains("is empty"));
    }

    #[test]
    fn a_number_where_text_is_wanted_is_an_error() {
        assert!(
            parse("namePrefix: 1\n")
                .unwrap_err()
                .to_string()
                .contains("kustomization.yaml:1: field 'namePrefix'")
        );
    }

    #[test]
    fn the_last_of_two_equal_keys_wins() {
        assert_eq!(parse("namespace: x\nnamespace: z\n").unwrap().0.namespace, "z");
    }
}
