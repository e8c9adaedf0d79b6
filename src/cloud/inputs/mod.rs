//! Live inputs: values that an app takes from the running cluster (`App.spec.inputs`).
//!
//! An input names what is read ([`InputSource`]) and where it goes: paths in the chart's values, set as `helm --set-string` sets them,
//! or the file `inputs.yaml` that stands beside the app's kustomization as `all.yaml` does: a ConfigMap for `replacements`, which
//! kustomize leaves out of its output (`config.kubernetes.io/local-config`). Who renders says what the values are ([`Inputs`]): the
//! syncer from its watches, `render` and `check` from their arguments. What is missing makes the app pending, never an empty text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value, json};

pub mod mask;
pub mod spec;

pub use mask::Secrets;

use self::spec::{Input, KeyInput, NodesValue, ServiceValue};
use super::load::LoadedApp;
use super::object::Digest;
use super::problem::{Problem, ProblemKind};
use crate::helm::strvals;
use crate::kustomize::labelselector::LabelSelector;

/// The most inputs that one app may have.
const MAX_INPUTS: usize = 200;
/// The longest value, in bytes: what an object of the API server can hold.
pub const MAX_VALUE: usize = 1 << 20;
/// What stands for the value in `text`.
const PLACE: &str = "$(value)";

/// What an input is read from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputSource {
    /// A key of a Secret.
    Secret(ObjectKey),
    /// A key of a ConfigMap.
    ConfigMap(ObjectKey),
    /// Something of a Service.
    Service {
        /// Its namespace.
        namespace: String,
        /// Its name.
        name: String,
        /// What of it.
        value: ServiceValue,
    },
    /// Something of the nodes that a label selector matches.
    Nodes {
        /// The selector.
        selector: String,
        /// What of them.
        value: NodesValue,
    },
}

/// A key of a namespaced object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectKey {
    /// The object's namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The key.
    pub key: String,
}

impl InputSource {
    /// Whether its value must not be shown.
    #[must_use]
    pub fn is_secret(&self) -> bool {
        matches!(self, Self::Secret(_))
    }
}

/// `Secret openstack/rabbitmq-default-user key password`, `nodes with kube-ovn/role=master: addresses`
impl fmt::Display for InputSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(k) => write!(f, "Secret {}/{} key {}", k.namespace, k.name, k.key),
            Self::ConfigMap(k) => write!(f, "ConfigMap {}/{} key {}", k.namespace, k.name, k.key),
            Self::Service { namespace, name, value } => {
                write!(f, "Service {namespace}/{name} {}", value.as_str())
            }
            Self::Nodes { selector, value } => write!(f, "nodes with {selector}: {}", value.as_str()),
        }
    }
}

/// A value that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(pub Arc<str>);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// What is known of an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Its value.
    Value(Hidden),
    /// There is none, and why: `does not exist`, `has no key password`.
    Missing(String),
    /// Nobody has looked yet.
    Unknown,
}

/// Who knows the inputs.
pub trait Inputs: Sync {
    /// What is known of an app's input.
    fn get(&self, app: &str, name: &str, source: &InputSource) -> Lookup;
}

/// Nobody knows any: every app with inputs is pending.
pub struct NoInputs;

impl Inputs for NoInputs {
    fn get(&self, _: &str, _: &str, _: &InputSource) -> Lookup {
        Lookup::Missing("is not known here; give it with --input or --inputs".to_owned())
    }
}

/// Every input has something that looks like a value and says that it is none, for where nothing is applied.
pub struct Placeholders;

/// What stands for an address where there is none: RFC 5737's documentation network.
const ADDRESS: &str = "192.0.2.1";

impl Inputs for Placeholders {
    fn get(&self, _: &str, name: &str, source: &InputSource) -> Lookup {
        let text = match source {
            InputSource::Secret(_)
            | InputSource::ConfigMap(_)
            | InputSource::Nodes { value: NodesValue::Names, .. } => format!("input-{name}"),
            InputSource::Service { value: ServiceValue::ClusterIp, .. }
            | InputSource::Nodes { value: NodesValue::Addresses, .. } => ADDRESS.to_owned(),
            InputSource::Service { value: ServiceValue::Address, .. } => format!("{ADDRESS}:1"),
            InputSource::Service { value: ServiceValue::Port, .. }
            | InputSource::Nodes { value: NodesValue::Count, .. } => "1".to_owned(),
        };
        Lookup::Value(Hidden(text.into()))
    }
}

/// One input of a rendered app, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedInput {
    /// Its name in the app.
    pub name: Arc<str>,
    /// What it is read from.
    pub source: InputSource,
    /// The value, of a Secret a digest of it that depends on the cloud's key; `None` while it is missing.
    pub record: Option<String>,
    /// The whole value, unless it is a Secret's: a restart falls back on it.
    pub value: Option<Arc<str>>,
}

/// An app's inputs, looked up.
#[derive(Debug, Clone, Default)]
pub(super) struct Resolved {
    /// By name, with where they go.
    values: Vec<(String, Input, Hidden)>,
    /// What is not there, for people.
    pub(super) missing: Vec<String>,
    pub(super) used: Vec<UsedInput>,
    pub(super) unknown: BTreeSet<InputSource>,
    pub(super) secrets: Secrets,
}

impl Resolved {
    pub(super) fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Changes whenever a value does.
    pub(super) fn digest(&self) -> Digest {
        Digest::of_parts(self.values.iter().flat_map(|(name, _, value)| [name.as_str(), &value.0]))
    }

    /// Puts the values where the chart takes them.
    pub(super) fn set(&self, values: &mut Map<String, Value>, app: &LoadedApp) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        for (name, input, value) in &self.values {
            for path in &input.values {
                if let Err(wrong) = set(values, path, input, &value.0) {
                    let message = format!("spec.inputs.{name}: {path}: {wrong}");
                    problems.push(app.problem(
                        ProblemKind::BadValue,
                        &["spec", "inputs", name, "values"],
                        message,
                    ));
                }
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// The file `inputs.yaml`.
    pub(super) fn file(&self) -> String {
        let data: BTreeMap<&str, &str> =
            self.values.iter().map(|(name, _, value)| (name.as_str(), &*value.0)).collect();
        // JSON is YAML.
        json!({"apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "inputs", "annotations": {"config.kubernetes.io/local-config": "true"}}, "data": data})
        .to_string()
    }

    /// An input that no path of the chart's values takes.
    pub(super) fn only_for_kustomize(&self) -> Option<&str> {
        self.values.iter().find(|(_, input, _)| input.values.is_empty()).map(|(name, _, _)| name.as_str())
    }
}

fn set(values: &mut Map<String, Value>, path: &str, input: &Input, value: &str) -> Result<(), String> {
    let number = input.nodes.as_ref().is_some_and(|n| n.value == NodesValue::Count) && input.text.is_none();
    let mode = if number { strvals::Mode::Typed } else { strvals::Mode::Text };
    let mut text = format!("{path}=");
    for c in value.chars() {
        if !c.is_alphanumeric() {
            text.push('\\');
        }
        text.push(c);
    }
    strvals::parse_into(&text, &mode, values)
}

/// What an input is read from; the namespace is the app's unless it says.
fn source(app: &LoadedApp, input: &Input) -> Result<InputSource, &'static str> {
    let own = app.app.spec.namespace.as_deref();
    let namespace =
        |given: &Option<String>| given.as_deref().or(own).map(str::to_owned).ok_or("namespace is missing");
    let key = |r: &KeyInput| {
        Ok(ObjectKey { namespace: namespace(&r.namespace)?, name: r.name.clone(), key: r.key.clone() })
    };
    match (&input.secret, &input.config_map, &input.service, &input.nodes) {
        (Some(r), None, None, None) => key(r).map(InputSource::Secret),
        (None, Some(r), None, None) => key(r).map(InputSource::ConfigMap),
        (None, None, Some(s), None) => Ok(InputSource::Service {
            namespace: namespace(&s.namespace)?,
            name: s.name.clone(),
            value: s.value,
        }),
        (None, None, None, Some(n)) => {
            Ok(InputSource::Nodes { selector: n.selector.clone(), value: n.value })
        }
        (None, None, None, None) => Err("one of secret, configMap, service and nodes is needed"),
        _ => Err("more than one of secret, configMap, service and nodes is set; keep one"),
    }
}

/// What can be told to be wrong with an app's inputs without their values.
pub(super) fn check(app: &LoadedApp, problems: &mut Vec<Problem>) {
    let spec = &app.app.spec;
    if spec.inputs.len() > MAX_INPUTS {
        let message = format!("spec.inputs: {} inputs; an app may have {MAX_INPUTS}", spec.inputs.len());
        problems.push(app.problem(ProblemKind::Limit, &["spec", "inputs"], message));
    }
    for (name, input) in &spec.inputs {
        let mut wrong = |field: &str, message: &str| {
            let message = format!("spec.inputs.{name}: {message}");
            problems.push(app.problem(ProblemKind::BadValue, &["spec", "inputs", name, field], message));
        };
        if let Err(message) = source(app, input) {
            wrong("", message);
        }
        if spec.chart.is_none() && !input.values.is_empty() {
            wrong(
                "values",
                "the app has no chart that could take values; use inputs.yaml in its kustomization",
            );
        }
        if spec.manifests.is_some() {
            wrong("", "plain manifests take no inputs; make a kustomization of them");
        }
        if let Some(Err(message)) = input.nodes.as_ref().map(|n| LabelSelector::parse(&n.selector)) {
            wrong("nodes", &format!("selector: {message}"));
        }
        if input.text.as_ref().is_some_and(|t| !t.contains(PLACE)) {
            wrong("text", "text does not contain $(value)");
        }
        for path in &input.values {
            if let Err(message) = set(&mut Map::new(), path, input, "1") {
                wrong("values", &format!("{path}: {message}"));
            }
        }
    }
}

/// Looks an app's inputs up. The seed keys the digests of secrets.
pub(super) fn resolve(app: &LoadedApp, inputs: &dyn Inputs, seed: Option<[u8; 32]>) -> Resolved {
    let mut out = Resolved::default();
    let mut secrets = Vec::new();
    for (name, input) in &app.app.spec.inputs {
        // Told by `check`.
        let Ok(source) = source(app, input) else { continue };
        let found = inputs.get(&app.app.metadata.name, name, &source);
        let record = match &found {
            Lookup::Value(value) => Some(record(&source, &value.0, seed)),
            Lookup::Missing(_) | Lookup::Unknown => None,
        };
        let plain = match &found {
            Lookup::Value(Hidden(value)) if !source.is_secret() => Some(Arc::clone(value)),
            _ => None,
        };
        match found {
            Lookup::Value(Hidden(value)) => {
                if source.is_secret() {
                    secrets.push(Arc::clone(&value));
                }
                let value = match &input.text {
                    Some(text) => text.replace(PLACE, &value).into(),
                    None => value,
                };
                out.values.push((name.clone(), input.clone(), Hidden(value)));
            }
            Lookup::Missing(why) => out.missing.push(format!("{source} {why} (input {name})")),
            Lookup::Unknown => {
                out.missing.push(format!("{source} is not known yet (input {name})"));
                out.unknown.insert(source.clone());
            }
        }
        out.used.push(UsedInput { name: name.as_str().into(), source, record, value: plain });
    }
    out.secrets = Secrets::new(secrets);
    out
}

/// What may be written down of a value.
fn record(source: &InputSource, value: &str, seed: Option<[u8; 32]>) -> String {
    if source.is_secret() {
        let seed = seed.unwrap_or_default();
        let digest = Digest::of_parts([b"retune.dev/input".as_slice(), &seed, value.as_bytes()]);
        format!("digest {}", digest.short())
    } else {
        value.chars().take(200).collect()
    }
}

#[cfg(test)]
mod tests;
