//! From rendered files to manifests and hooks: documents, heads, hook annotations, order.
//!
//! Upstream: `pkg/release/v1/util`. Since Helm 4.2 a document keeps the line breaks at its end, so an extra blank line
//! stands after most of them in the output.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use memchr::memmem;

use crate::yaml::{self, Limits, Node};

use super::decode::Decode;
use super::error::Error;
use super::head::{Head, plain_head};

/// A rendered object that is applied with the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The template's path: `chart/templates/deployment.yaml`.
    pub source: String,
    /// The object's kind; empty if the document has none (only comments, say).
    pub kind: String,
    /// The object's API version.
    pub api_version: String,
    /// The object's name.
    pub name: String,
    /// The document as rendered.
    pub text: String,
}

/// A rendered object that runs at a point of a release's life instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// The template's path.
    pub source: String,
    /// The object's kind.
    pub kind: String,
    /// The object's name.
    pub name: String,
    /// When it runs.
    pub events: Vec<HookEvent>,
    /// Hooks of one event run in order of weight, then kind, then name.
    pub weight: i64,
    /// When it is deleted; empty means before it is created anew.
    pub delete_policies: Vec<String>,
    /// When its pods' logs are shown.
    pub output_log_policies: Vec<String>,
    /// The document as rendered.
    pub text: String,
}

/// A point in a release's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HookEvent {
    /// Before anything of the chart is created.
    PreInstall,
    /// After everything is created.
    PostInstall,
    /// Before the release is deleted.
    PreDelete,
    /// After the release is deleted.
    PostDelete,
    /// Before an upgrade's objects are applied.
    PreUpgrade,
    /// After an upgrade's objects are applied.
    PostUpgrade,
    /// Before a rollback's objects are applied.
    PreRollback,
    /// After a rollback's objects are applied.
    PostRollback,
    /// When `helm test` is run.
    Test,
}

impl HookEvent {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "pre-install" => Self::PreInstall,
            "post-install" => Self::PostInstall,
            "pre-delete" => Self::PreDelete,
            "post-delete" => Self::PostDelete,
            "pre-upgrade" => Self::PreUpgrade,
            "post-upgrade" => Self::PostUpgrade,
            "pre-rollback" => Self::PreRollback,
            "post-rollback" => Self::PostRollback,
            "test" | "test-success" => Self::Test,
            _ => return None,
        })
    }

    /// The annotation's word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreDelete => "pre-delete",
            Self::PostDelete => "post-delete",
            Self::PreUpgrade => "pre-upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::PreRollback => "pre-rollback",
            Self::PostRollback => "post-rollback",
            Self::Test => "test",
        }
    }
}

/// Where lines start that begin with `---`.
pub(super) fn separators(text: &str) -> impl Iterator<Item = usize> {
    static BEHIND_A_BREAK: LazyLock<memmem::Finder<'static>> =
        LazyLock::new(|| memmem::Finder::new("\n---").into_owned());
    let first = text.starts_with("---").then_some(0);
    first.into_iter().chain(BEHIND_A_BREAK.find_iter(text.as_bytes()).map(|at| at + 1))
}

/// Cuts a text at lines that start with `---` (whatever follows the dashes belongs to the next document), drops what is
/// blank.
#[must_use]
pub(super) fn split<'t>(text: &'t str) -> Vec<&'t str> {
    let text = text.trim_start();
    let mut out = Vec::new();
    let mut add = |doc: &'t str| {
        let doc = doc.trim_start();
        if !doc.is_empty() {
            out.push(doc);
        }
    };
    let mut start = 0;
    for line in separators(text) {
        add(&text[start..line]);
        start = line + 3;
        start += text[start..].bytes().take_while(|b| matches!(b, b' ' | b'\t')).count();
    }
    add(&text[start..]);
    out
}

fn head(text: &str) -> Result<Head, String> {
    let limits = Limits::default();
    if let Some(head) = plain_head(text, &limits) {
        return Ok(head);
    }
    let wanted = |key: &str| ["apiVersion", "kind", "metadata"].iter().any(|w| w.eq_ignore_ascii_case(key));
    let node = yaml::read_v2_json_fields(text, &limits, wanted)
        .map_err(|e| format!("error converting YAML to JSON: {e}"))?;
    decode(&node).map_err(|e| format!("error unmarshaling JSON: while decoding JSON: {e}"))
}

fn decode(node: &Node) -> Result<Head, String> {
    let mut head = Head::default();
    let d = Decode::new(node, "SimpleHead")?;
    d.text("apiVersion", &mut head.api_version)?;
    d.text("kind", &mut head.kind)?;
    if let Some(metadata) = d.get("metadata") {
        let d = Decode::new(metadata, "SimpleHead.metadata")?;
        d.text("name", &mut head.name)?;
        head.annotations = d.text_map("annotations")?.unwrap_or_default();
    }
    Ok(head)
}

/// The documents of a file with their heads. One at the end has the file's own memory: most files hold one.
fn documents(path: &str, mut content: String) -> Result<Vec<(Head, String)>, Error> {
    let texts = split(&content);
    let Some((last, others)) = texts.split_last() else { return Ok(Vec::new()) };
    let mut documents = Vec::with_capacity(texts.len());
    let head = |text| head(text).map_err(|reason| Error::Manifest { path: path.to_owned(), reason });
    for text in others {
        documents.push((head(text)?, (*text).to_owned()));
    }
    let head = head(last)?;
    let at_end = content.ends_with(last).then(|| content.len() - last.len());
    let text = match at_end {
        Some(start) => {
            content.drain(..start);
            content
        }
        None => (*last).to_owned(),
    };
    documents.push((head, text));
    Ok(documents)
}

/// Rendered files, sorted by path, as manifests and hooks in install order.
pub(super) fn sort(
    files: BTreeMap<String, String>,
    warnings: &mut Vec<String>,
) -> Result<(Vec<Manifest>, Vec<Hook>), Error> {
    let (mut manifests, mut hooks) = (Vec::new(), Vec::new());
    for (path, content) in files {
        for (head, text) in documents(&path, content)? {
            let Some(events) = head.annotations.get("helm.sh/hook") else {
                manifests.push(Manifest {
                    source: path.clone(),
                    kind: head.kind,
                    api_version: head.api_version,
                    name: head.name,
                    text,
                });
                continue;
            };
            let parsed: Option<Vec<HookEvent>> =
                events.split(',').map(|e| HookEvent::parse(&e.trim().to_lowercase())).collect();
            let Some(parsed) = parsed else {
                warnings.push(format!("{path}: skipping unknown hooks {events:?}"));
                continue;
            };
            let list = |key: &str| match head.annotations.get(key) {
                Some(text) => text.split(',').map(|p| p.trim().to_lowercase()).collect(),
                None => Vec::new(),
            };
            hooks.push(Hook {
                source: path.clone(),
                events: parsed,
                weight: head.annotations.get("helm.sh/hook-weight").and_then(|w| w.parse().ok()).unwrap_or(0),
                delete_policies: list("helm.sh/hook-delete-policy"),
                output_log_policies: list("helm.sh/hook-output-log-policy"),
                kind: head.kind,
                name: head.name,
                text,
            });
        }
    }
    manifests.sort_by_cached_key(|m| rank_and_name(&m.kind));
    hooks.sort_by_cached_key(|h| rank_and_name(&h.kind));
    Ok((manifests, hooks))
}

/// The order in which Helm installs kinds; unknown ones come last, by name.
const INSTALL_ORDER: [&str; 38] = [
    "PriorityClass",
    "Namespace",
    "NetworkPolicy",
    "ResourceQuota",
    "LimitRange",
    "PodSecurityPolicy",
    "PodDisruptionBudget",
    "ServiceAccount",
    "Secret",
    "SecretList",
    "ConfigMap",
    "StorageClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "CustomResourceDefinition",
    "ClusterRole",
    "ClusterRoleList",
    "ClusterRoleBinding",
    "ClusterRoleBindingList",
    "Role",
    "RoleList",
    "RoleBinding",
    "RoleBindingList",
    "Service",
    "DaemonSet",
    "Pod",
    "ReplicationController",
    "ReplicaSet",
    "Deployment",
    "HorizontalPodAutoscaler",
    "StatefulSet",
    "Job",
    "CronJob",
    "IngressClass",
    "Ingress",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
];

/// What orders kinds.
fn rank_and_name(kind: &str) -> (usize, String) {
    match INSTALL_ORDER.iter().position(|k| *k == kind) {
        Some(rank) => (rank, String::new()),
        None => (INSTALL_ORDER.len(), kind.to_owned()),
    }
}

/// Helm's install order of two kinds.
#[must_use]
pub fn by_kind(a: &str, b: &str) -> Ordering {
    rank_and_name(a).cmp(&rank_and_name(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_at_dashes_and_keep_their_last_line_break() {
        assert_eq!(split("\n---\na: 1\n---\n\n  b: 2\n--- \n"), ["a: 1\n", "b: 2\n"]);
        assert_eq!(split("---apiVersion: v1\n----\nx"), ["apiVersion: v1\n", "-\nx"]);
        assert_eq!(split("a: |\n  ---\n"), ["a: |\n  ---\n"]);
        assert_eq!(split("  \n---\n---\n"), [""; 0]);
        assert_eq!(split("---"), [""; 0]);
    }

    #[test]
    fn hooks_are_told_from_manifests_and_kinds_are_ordered() {
        let hook = "kind: Job\nmetadata:\n  name: j\n  annotations:\n    helm.sh/hook: Pre-Install, post-upgrade\n    helm.sh/hook-weight: \"-5\"\n    helm.sh/hook-delete-policy: hook-succeeded\n";
        let files = BTreeMap::from([
            (
                "c/templates/a.yaml".to_owned(),
                format!("kind: Zed\n---\nkind: Service\n---\n{hook}---\n# note\n"),
            ),
            (
                "c/templates/b.yaml".to_owned(),
                "kind: Secret\nmetadata:\n  annotations:\n    x: true\n".to_owned(),
            ),
            (
                "c/templates/c.yaml".to_owned(),
                "kind: Pod\nmetadata: {annotations: {helm.sh/hook: sometime}}".to_owned(),
            ),
        ]);
        let mut warnings = Vec::new();
        let (manifests, hooks) = sort(files, &mut warnings).unwrap();
        assert_eq!(manifests.iter().map(|m| &*m.kind).collect::<Vec<_>>(), ["Secret", "Service", "", "Zed"]);
        assert_eq!(hooks.len(), 1);
        assert_eq!(hooks[0].events, [HookEvent::PreInstall, HookEvent::PostUpgrade]);
        assert_eq!((hooks[0].weight, &*hooks[0].name), (-5, "j"));
        assert_eq!(hooks[0].delete_policies, ["hook-succeeded"]);
        assert_eq!(warnings, ["c/templates/c.yaml: skipping unknown hooks \"sometime\""]);
    }

    #[test]
    fn a_document_before_a_last_separator_is_kept_as_it_is() {
        let text = "---\na: 1\n---\nb: 2\n---\n";
        let files = BTreeMap::from([("c/templates/a.yaml".to_owned(), text.to_owned())]);
        let (manifests, _) = sort(files, &mut Vec::new()).unwrap();
        assert_eq!(manifests.iter().map(|m| &*m.text).collect::<Vec<_>>(), ["a: 1\n", "b: 2\n"]);
    }

    #[test]
    fn what_is_not_yaml_is_refused_with_the_template() {
        let files = BTreeMap::from([("c/templates/a.yaml".to_owned(), "a: b: c\n".to_owned())]);
        let error = sort(files, &mut Vec::new()).unwrap_err().to_string();
        assert!(
            error.starts_with("YAML parse error on c/templates/a.yaml: error converting YAML to JSON: yaml:"),
            "{error}"
        );
        let files = BTreeMap::from([("c/templates/a.yaml".to_owned(), "just text\n".to_owned())]);
        assert!(sort(files, &mut Vec::new()).is_err());
    }
}
