//! The two kinds of file that users write: `retune.yaml` (kind Cloud) and `apps/<app>.yaml` (kind App).
//!
//! These types are the one definition: the published JSON Schemas are generated from them, the loader ([`mod@super::load`]) checks
//! files against those schemas, and `docs/schema/` is a copy of them. A doc comment here is what an editor shows.

#![allow(
    rustdoc::invalid_html_tags,
    reason = "these texts are also the schemas' descriptions, where <app> is a placeholder"
)]

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use super::duration::Seconds;
pub use super::inputs::spec::Input;
pub use super::nodes::NodeRule;
pub use super::secrets::spec::SecretSpec;

/// The `apiVersion` of both kinds.
pub const API_VERSION: &str = "retune.dev/v1alpha1";

/// What a cloud, an app or a profile may be called: a DNS label, because it becomes a label's value and a file's name.
pub const NAME_PATTERN: &str = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$";

/// A commit: never an abbreviation or a branch.
pub const COMMIT_PATTERN: &str = r"^[0-9a-f]{40}$";

/// A chart repository's URL.
pub const CHART_REPOSITORY_PATTERN: &str = r"^(https?|oci)://.";

/// A JSON pointer to something inside of an object.
pub const POINTER_PATTERN: &str = r"^/";

/// `apiVersion: retune.dev/v1alpha1`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ApiVersion {
    /// The first version.
    #[serde(rename = "retune.dev/v1alpha1")]
    V1alpha1,
}

/// `kind: Cloud`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CloudKind {
    /// The only value.
    Cloud,
}

/// `kind: App`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AppKind {
    /// The only value.
    App,
}

/// `metadata` of both kinds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// Lower-case letters, digits and dashes; an app's file is called the same.
    #[schemars(regex(pattern = NAME_PATTERN))]
    pub name: String,
}

/// The cloud that a repository describes: what all its apps share. The file is `retune.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cloud {
    /// Always retune.dev/v1alpha1.
    pub api_version: ApiVersion,
    /// Always Cloud.
    pub kind: CloudKind,
    /// The cloud's name; it labels every object of the cloud.
    pub metadata: Metadata,
    /// What all apps share.
    #[serde(default)]
    pub spec: CloudSpec,
}

/// What all apps share.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CloudSpec {
    /// The profiles that the repository offers. If left out: base and aio.
    #[serde(default = "default_profiles")]
    #[schemars(length(min = 1), inner(regex(pattern = NAME_PATTERN)))]
    pub profiles: Vec<String>,
    /// The profile of a cloud that nobody names another for (`--profile`, `CloudSync.spec.profile`). If left out: base.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = NAME_PATTERN))]
    pub profile: Option<String>,
    /// Optional apps (those with `optional: true`) that this cloud has. Names of apps.
    #[serde(default)]
    pub enable: Vec<String>,
    /// Apps that this cloud leaves out, whatever they say. Names of apps.
    #[serde(default)]
    pub disable: Vec<String>,
    /// Policies for every app that does not set its own.
    #[serde(default)]
    pub defaults: Defaults,
    /// The repository that this one completes: its apps, kustomizations and values are the lower layer, files of this one replace or join them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// Chart repositories by a name that apps may use instead of the URL.
    #[serde(default)]
    pub chart_repositories: BTreeMap<String, ChartRepository>,
    /// Replacements for chart repositories, by their name or URL: a folder of this repository or another URL (air-gapped sites, tests).
    #[serde(default)]
    pub chart_sources: BTreeMap<String, String>,
    /// Labels and annotations that nodes have. Nodes that exist get them; none is created or deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeRule>,
    /// What charts are told about the cluster. Declared, so that the same commit renders the same bytes on any cluster.
    #[serde(default)]
    pub capabilities: Capabilities,
}

impl Default for CloudSpec {
    fn default() -> Self {
        Self {
            profiles: default_profiles(),
            profile: None,
            enable: Vec::new(),
            disable: Vec::new(),
            defaults: Defaults::default(),
            upstream: None,
            chart_repositories: BTreeMap::new(),
            chart_sources: BTreeMap::new(),
            nodes: Vec::new(),
            capabilities: Capabilities::default(),
        }
    }
}

fn default_profiles() -> Vec<String> {
    vec!["base".to_owned(), "aio".to_owned()]
}

/// A chart repository. Credentials and certificates are given to the command, never written here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChartRepository {
    /// An HTTP chart repository (https://...) or an OCI registry (oci://...).
    #[schemars(regex(pattern = CHART_REPOSITORY_PATTERN))]
    pub url: String,
    /// Whether an OCI registry is spoken to without TLS.
    #[serde(default)]
    pub plain_http: bool,
}

/// The upstream repository of a site repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Upstream {
    /// Where it is: a path, file:// or http(`load`)://. One of `url` and `path`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// A folder of this repository that holds it, for instance a submodule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The commit, all 40 hexadecimal digits: the site's commit alone decides the whole revision. Needed with `url`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = COMMIT_PATTERN))]
    pub commit: Option<String>,
}

/// What charts are told about the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Capabilities {
    /// `.Capabilities.KubeVersion`, for instance v1.36.3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_version: Option<String>,
    /// API versions besides Helm's default set, for instance monitoring.coreos.com/v1.
    #[serde(default)]
    pub api_versions: Vec<String>,
}

/// Policies for every app that does not set its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Defaults {
    /// How long an app may take to become ready. If left out: 30m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Seconds>,
    /// What happens to objects that an app no longer has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<Prune>,
    /// What happens when owned fields change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// What happens when a revision does not become ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// Whether fields that another manager owns are taken over. If left out: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_conflicts: Option<bool>,
}

/// One deployable unit. The file is `apps/<name>.yaml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct App {
    /// Always retune.dev/v1alpha1.
    pub api_version: ApiVersion,
    /// Always App.
    pub kind: AppKind,
    /// The app's name, equal to the file's.
    pub metadata: Metadata,
    /// What the app is made of.
    #[serde(default)]
    pub spec: AppSpec,
}

/// What an app is made of and how it is kept.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppSpec {
    /// Where its objects go when they do not say, and the chart's release namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Apps that must be ready before this one is applied.
    #[serde(default)]
    pub depends_on: Vec<String>,
    /// The profiles that have this app. If left out: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profiles: Option<Vec<String>>,
    /// Only part of the cloud if retune.yaml enables it.
    #[serde(default)]
    pub optional: bool,
    /// The Helm chart, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
    /// The kustomization. If left out: kustomize/<app>/<profile> if that exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<KustomizeSource>,
    /// A folder (or file) of plain manifests instead of a kustomization; all .yaml, .yml and .json files under it, in path order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifests: Option<String>,
    /// Values for the chart, above helm-configs/<app>/ and global_overrides/.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Values>,
    /// Secrets that are generated if they are not there, by name: made once, never written over, never in Git.
    #[serde(default)]
    pub secrets: BTreeMap<String, SecretSpec>,
    /// Values that are taken from the running cluster, by a name: keys of Secrets and ConfigMaps, addresses of Services and nodes. While
    /// one is missing the app is pending, and the rest of the cloud goes on without it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, Input>,
    /// How long the app may take to become ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Seconds>,
    /// What happens to objects that the app no longer has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<Prune>,
    /// What happens when owned fields change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// What counts as ready.
    #[serde(default)]
    pub health: Health,
    /// How the chart's hooks are run.
    #[serde(default)]
    pub hooks: Hooks,
    /// What may be deleted and created again when a field cannot be changed in place.
    #[serde(default)]
    pub recreate: Recreate,
    /// What happens when a revision does not become ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// What is backed up before an upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
    /// Whether fields that another manager owns are taken over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_conflicts: Option<bool>,
}

/// A Helm chart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Chart {
    /// The chart's name in its repository. If left out: the app's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The chart's folder or archive in this repository or a submodule. One of `path` and `repository`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A name of spec.chartRepositories in retune.yaml, an HTTP chart repository (https://...) or an OCI registry (oci://...).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// The chart's version, or a range for a chart of a repository. If left out: its entry in helm-chart-versions.yaml.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The release name. If left out: the app's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release_name: Option<String>,
    /// Whether the chart's crds/ folder is left out.
    #[serde(default)]
    pub skip_crds: bool,
}

/// Where the kustomization is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KustomizeSource {
    /// The folder; `{profile}` in it stands for the profile. For instance kustomize/keystone/{profile}.
    pub path: String,
}

/// Values for the chart.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Values {
    /// Files of the repository, the last one wins.
    #[serde(default)]
    pub files: Vec<String>,
    /// Values written here; they win over files. Read as Helm reads a values file.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub inline: serde_json::Value,
}

/// Names objects, for policies. A field left out matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selector {
    /// The API group; "" is the core group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Selector {
    /// Whether an object is meant.
    #[must_use]
    pub fn matches(&self, id: &super::object::ObjectId) -> bool {
        let is = |want: &Option<String>, have: &str| want.as_deref().is_none_or(|want| want == have);
        is(&self.group, &id.group)
            && is(&self.kind, &id.kind)
            && is(&self.namespace, id.namespace.as_deref().unwrap_or_default())
            && is(&self.name, &id.name)
    }
}

/// What happens to objects that an app no longer has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Prune {
    /// Whether they are deleted. If left out: true.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Objects that stay in any case.
    #[serde(default)]
    pub keep: Vec<Selector>,
    /// Further kinds whose deletion waits for an approval.
    #[serde(default)]
    pub protect: Vec<Selector>,
}

impl Default for Prune {
    fn default() -> Self {
        Self { enabled: true, keep: Vec::new(), protect: Vec::new() }
    }
}

fn yes() -> bool {
    true
}

/// What happens when a field that retune owns changes in the cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drift {
    /// If left out: correct.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<DriftMode>,
    /// Other modes for some objects; the first rule that names an object counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<DriftRule>,
    /// Fields that belong to somebody else.
    #[serde(default)]
    pub ignore: Vec<IgnoreRule>,
    /// Fields that Git states and an operator may move: once one of the named managers has taken such a field, it is left to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub yields: Vec<YieldRule>,
}

/// What to do with drift.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum DriftMode {
    /// Correct it at once and report it.
    #[default]
    Correct,
    /// Report it only.
    Report,
    /// Neither.
    Off,
}

/// Another mode for some objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DriftRule {
    /// The objects meant.
    pub objects: Selector,
    /// What happens to their drift.
    pub mode: DriftMode,
}

/// Fields that belong to somebody else: never applied after creation, compared or reported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IgnoreRule {
    /// The objects meant.
    #[serde(default)]
    pub objects: Selector,
    /// JSON pointers, for instance /spec/replicas or /data; a list's element by [name=...], its number from 0, or *.
    #[schemars(length(min = 1), inner(regex(pattern = POINTER_PATTERN)))]
    pub paths: Vec<String>,
}

/// Fields that an operator may move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct YieldRule {
    /// The objects meant.
    #[serde(default)]
    pub objects: Selector,
    /// Paths as in `ignore`.
    #[schemars(length(min = 1), inner(regex(pattern = POINTER_PATTERN)))]
    pub paths: Vec<String>,
    /// The field managers it is left to, as metadata.managedFields names them; a trailing * stands for any rest.
    #[schemars(length(min = 1))]
    pub to: Vec<String>,
}

/// What counts as ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Health {
    /// Objects that nobody waits for.
    #[serde(default)]
    pub ignore: Vec<Selector>,
    /// Rules for kinds of this app; they come before retune's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<HealthRules>,
}

/// When objects of some kinds are ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthRules {
    /// The API group; "" is the core group.
    pub group: String,
    /// The kinds.
    #[schemars(length(min = 1))]
    pub kinds: Vec<String>,
    /// The first rule whose condition holds decides; if none does, retune's own rules decide.
    #[schemars(length(min = 1))]
    pub rules: Vec<HealthRule>,
}

/// A verdict and when it is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HealthRule {
    /// A condition in CEL over `self`, the object; for instance self.status.phase == 'Running'. If left out: always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<String>,
    /// The verdict.
    pub verdict: HealthVerdict,
    /// What is waited for or wrong, for people; {/status/reason} stands for that field, {Ready} for that condition's reason and message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// How ready an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HealthVerdict {
    /// As it should be; nothing is waited for.
    Ready,
    /// On its way: waited for.
    Progressing,
    /// It will not become ready by itself.
    Failed,
    /// Nobody can say; the app is not ready.
    Unknown,
}

/// How the chart's hooks are run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hooks {
    /// Hook objects that are never created.
    #[serde(default)]
    pub skip: Vec<Selector>,
    /// Whether an upgrade runs hooks that have not changed since they succeeded. If left out: changed.
    #[serde(default)]
    pub rerun: Rerun,
    /// Which hooks run when the app's new render is one that was live before. If left out: rollback.
    #[serde(default)]
    pub on_rollback: OnRollback,
    /// How long one hook may take; then it fails. If left out: the app's timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Seconds>,
    /// Whether a succeeded hook's Job or Pod that vanished (TTL, by hand) is created, and so run, again. If left out: false, it is only reported.
    #[serde(default)]
    pub restore: bool,
}

/// Whether an upgrade runs hooks that have not changed since they succeeded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Rerun {
    /// Only hooks whose text, or a ConfigMap or Secret they refer to, changed.
    #[default]
    Changed,
    /// All of the event's hooks, at every upgrade, as Helm does.
    Always,
}

/// Which hooks run when the app's new render is one that was live before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnRollback {
    /// The rollback hooks of that render.
    #[default]
    Rollback,
    /// The upgrade hooks of that render.
    Upgrade,
}

/// What may be deleted and created again when the server refuses to change a field in place. Volumes, namespaces, CRDs,
/// StatefulSets, Secrets and the resources of databases, message brokers, storage and the network never are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Recreate {
    /// Whether Jobs are. If left out: true.
    #[serde(default = "yes")]
    pub jobs: bool,
    /// Further objects that are.
    #[serde(default)]
    pub objects: Vec<Selector>,
}

impl Default for Recreate {
    fn default() -> Self {
        Self { jobs: true, objects: Vec::new() }
    }
}

/// What happens when a revision does not become ready.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollback {
    /// Whether the app goes back to its last good revision by itself. If left out: false.
    #[serde(default)]
    pub automatic: bool,
}

/// What is backed up before an upgrade.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backup {
    /// The CronJobs or Backup resources to run, and to wait for.
    #[schemars(length(min = 1))]
    pub before: Vec<Selector>,
}

/// `helm-chart-versions.yaml`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChartVersions {
    /// Chart names and their versions.
    #[serde(default)]
    pub charts: BTreeMap<String, String>,
}
