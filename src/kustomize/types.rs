//! The configuration types of `types/` in the original: what kustomization.yaml and built-in plugins are made of.
//!
//! All are read by [`super::decode`]: field names without regard to case, absent means default.

use std::collections::BTreeMap;

use super::gvk::{Gvk, ResId};
use crate::yaml::Node;

/// Text to text, in byte order of the keys.
pub type StringMap = BTreeMap<String, String>;

/// A field in objects of some kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldSpec {
    /// Which kinds; empty parts match everything.
    pub gvk: Gvk,
    /// `/`-separated; `[]` after a name marks a sequence; `\/` is a slash.
    pub path: String,
    /// Whether missing parts of the path are made.
    pub create: bool,
}

/// A list of field specs that holds no two for the same field.
pub type FsSlice = Vec<FieldSpec>;

/// Which objects a patch or replacement is for: patterns, anchored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selector {
    /// Patterns for group, version, kind, name, namespace.
    pub id: ResId,
    /// A label selector over annotations.
    pub annotation_selector: String,
    /// A label selector.
    pub label_selector: String,
}

/// An entry of `patches`, `patchesJson6902`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patch {
    /// File with the patch.
    pub path: String,
    /// The patch itself.
    pub patch: String,
    /// Which objects; `None`: the object that the patch names.
    pub target: Option<Selector>,
    /// What the patch may change.
    pub options: PatchArgs,
    /// Line of the entry in its kustomization.
    pub line: u32,
}

/// What a patch may change besides content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PatchArgs {
    /// `metadata.name`.
    pub allow_name_change: bool,
    /// `kind`.
    pub allow_kind_change: bool,
}

/// An entry of `images`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Name (a pattern, as in the original) without tag.
    pub name: String,
    /// Replaces the name.
    pub new_name: String,
    /// Appended to the tag.
    pub tag_suffix: String,
    /// Replaces the tag.
    pub new_tag: String,
    /// Replaces tag and digest.
    pub digest: String,
}

/// An entry of `replicas`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replica {
    /// Any name that the object ever had.
    pub name: String,
    /// Number of replicas.
    pub count: i64,
}

/// An entry of `labels`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Label {
    /// The labels.
    pub pairs: StringMap,
    /// Also in selectors and templates.
    pub include_selectors: bool,
    /// Also in templates.
    pub include_templates: bool,
    /// Further fields.
    pub fields: FsSlice,
}

/// How a replacement reads or writes a part of a field.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldOptions {
    /// Splits the value.
    pub delimiter: String,
    /// Which part; negative: before the first; past the end: after the last.
    pub index: i64,
    /// Unused by the original.
    pub encoding: String,
    /// Make missing fields.
    pub create: bool,
}

/// Where a replacement takes its value from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceSelector {
    /// Exact, empty parts match everything.
    pub id: ResId,
    /// Default `metadata.name`.
    pub field_path: String,
    /// Part of the value.
    pub options: Option<FieldOptions>,
}

/// Where a replacement writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TargetSelector {
    /// Objects to write to.
    pub select: Option<Selector>,
    /// Objects to leave out.
    pub reject: Vec<Selector>,
    /// Fields; default `metadata.name`.
    pub field_paths: Vec<String>,
    /// Part of the value, create.
    pub options: Option<FieldOptions>,
}

/// An entry of `replacements` after its file, if any, was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replacement {
    /// Source object.
    pub source: Option<SourceSelector>,
    /// Targets.
    pub targets: Vec<TargetSelector>,
    /// A literal value instead of a source object.
    pub source_value: Option<String>,
}

/// An entry of `replacements` as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReplacementField {
    /// Inline.
    pub replacement: Replacement,
    /// Or in a file.
    pub path: String,
}

/// A target of a variable: exact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VarTarget {
    /// Group, version, kind (from `apiVersion` or the parts).
    pub gvk: Gvk,
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
}

/// An entry of `vars`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Var {
    /// `$(NAME)`.
    pub name: String,
    /// The object.
    pub obj_ref: VarTarget,
    /// The field, default `metadata.name`.
    pub field_path: String,
}

/// Options of generators.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeneratorOptions {
    /// Labels of what is generated.
    pub labels: Option<StringMap>,
    /// Annotations of what is generated.
    pub annotations: Option<StringMap>,
    /// No hash in the name.
    pub disable_name_suffix_hash: bool,
    /// Sets `immutable: true`.
    pub immutable: bool,
}

/// An entry of `configMapGenerator` or `secretGenerator`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeneratorArgs {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// `create`, `merge`, `replace`.
    pub behavior: String,
    /// `key=value`.
    pub literals: Vec<String>,
    /// `[key=]path`.
    pub files: Vec<String>,
    /// Env files.
    pub envs: Vec<String>,
    /// Options.
    pub options: Option<GeneratorOptions>,
    /// Type of a Secret.
    pub secret_type: String,
    /// Line of the entry in its kustomization.
    pub line: u32,
}

/// `sortOptions`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SortOptions {
    /// `legacy` or `fifo`.
    pub order: String,
    /// Own lists for legacy order.
    pub legacy: Option<LegacySortOptions>,
}

/// `sortOptions.legacySortOptions`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LegacySortOptions {
    /// Kinds that come first.
    pub order_first: Vec<String>,
    /// Kinds that come last.
    pub order_last: Vec<String>,
}

/// `helmGlobals`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct HelmGlobals {
    /// Folder with charts, default `charts`.
    pub chart_home: String,
    /// Helm's own configuration folder; not used by a native Helm.
    pub config_home: String,
}

/// An entry of `helmCharts`.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "they are Helm's flags")]
pub struct HelmChart {
    /// Chart name.
    pub name: String,
    /// Chart version.
    pub version: String,
    /// Chart repository.
    pub repo: String,
    /// Release name.
    pub release_name: String,
    /// Release namespace.
    pub namespace: String,
    /// More values files.
    pub additional_values_files: Vec<String>,
    /// Values file, default the chart's own.
    pub values_file: String,
    /// Values inline.
    pub values_inline: Option<Node>,
    /// `override`, `replace`, `merge`.
    pub values_merge: String,
    /// Also `crds/`.
    pub include_crds: bool,
    /// No hooks.
    pub skip_hooks: bool,
    /// More API versions.
    pub api_versions: Vec<String>,
    /// Kubernetes version.
    pub kube_version: String,
    /// Template for the release name.
    pub name_template: String,
    /// No test hooks.
    pub skip_tests: bool,
    /// Helm's debug output.
    pub debug: bool,
    /// Development versions too.
    pub devel: bool,
    /// Line of the entry in its kustomization.
    pub line: u32,
}
