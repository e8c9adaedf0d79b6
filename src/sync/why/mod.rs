//! `retune why`: what an app waits for, down to the bottom. Reads only, with the rights of whoever asks.
//!
//! App, object, pod, (init) container, and then the Job, Service or volume that this one waits for, with the last log lines
//! and events. What cannot be read is told as such and never ends the explanation. Secret values do not leave: the Secrets
//! that the app and its pods refer to are read for this alone.
//!
//! | module | subject |
//! |---|---|
//! | [`entrypoint`] | what an init container of OpenStack-Helm waits for (pure) |
//! | [`pods`] | what a pod's status says (pure) |
//! | [`text`] | the explanation as lines, and what is masked in it (pure) |

pub mod entrypoint;
pub mod pods;
pub mod text;

use std::collections::{BTreeSet, HashSet};
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use self::entrypoint::{Dependency, dependencies};
use self::text::Hidden;
use super::memory::parse_key;
use crate::cloud::ObjectId;
use crate::cloud::object::split_api_version;
use crate::cluster::LABEL_APP;
use crate::cluster::client::Client;
use crate::cluster::crd::{CloudSyncStatus, Inventory, UNREADY, UnreadyStatus};
use crate::cluster::discovery::{Discovery, Resource};
use crate::cluster::error::{ApiError, ErrorKind};
use crate::cluster::objects::{self, selector};
use crate::cluster::{LABEL_CLOUD, logs, state};
use crate::health::{self, Health};
use crate::plan::references::{Reference, references};

/// How many reasons an explanation has at most.
const REASONS: usize = 120;
/// How deep it goes.
const DEPTH: usize = 12;
/// How many objects that are alike (pods of one workload) are followed.
const ALIKE: usize = 2;

/// One step of an explanation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reason {
    /// `app keystone`, `Deployment.apps openstack/keystone-api`, `init container init`.
    pub what: String,
    /// How it stands.
    pub why: String,
    /// The last lines of its log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// The last Events about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<Reason>,
}

impl Reason {
    fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), ..Self::default() }
    }
}

/// An explanation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Explanation {
    /// The app.
    pub reason: Reason,
    /// What limits the explanation: what may not be read, what was left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Explains what an app waits for. `None`: the cloud has no such app.
///
/// # Errors
/// When the inventory or the server's kinds cannot be read; everything else is told in the explanation.
pub async fn explain(
    client: &Client,
    cloud: &str,
    status: &CloudSyncStatus,
    app: &str,
) -> Result<Option<Explanation>, ApiError> {
    let inventory = state::list_inventory(client, cloud).await?;
    let known = inventory.iter().any(|i| i.spec.app == app) || status.not_ready.iter().any(|a| a.name == app);
    if !known {
        return Ok(None);
    }
    let discovery = Discovery::fetch(client).await?;
    let mut explainer = Explainer {
        client,
        discovery: &discovery,
        cloud,
        status,
        inventory: &inventory,
        seen: HashSet::new(),
        left: REASONS,
        secrets: BTreeSet::new(),
        notes: Vec::new(),
    };
    let mut reason = explainer.app(app, 0).await;
    let mask = explainer.mask().await;
    mask.reason(&mut reason);
    let notes = explainer.notes.iter().map(|n| mask.values.text(n)).collect();
    Ok(Some(Explanation { reason, notes }))
}

/// The namespace and name in `Secret openstack/db key password`.
fn secret_of(source: &str) -> Option<(String, String)> {
    let (namespace, name) = source.strip_prefix("Secret ")?.split(' ').next()?.split_once('/')?;
    Some((namespace.to_owned(), name.to_owned()))
}

struct Explainer<'a> {
    client: &'a Client,
    discovery: &'a Discovery,
    cloud: &'a str,
    status: &'a CloudSyncStatus,
    inventory: &'a [Inventory],
    seen: HashSet<String>,
    left: usize,
    /// Secrets that were met, by namespace and name.
    secrets: BTreeSet<(String, String)>,
    notes: Vec<String>,
}

type Told<'b> = Pin<Box<dyn Future<Output = Reason> + 'b>>;

impl Explainer<'_> {
    /// Takes one of the explanation's steps; the reason to stop there instead, if there is one.
    fn stop(&mut self, what: &str, depth: usize) -> Option<Reason> {
        if !self.seen.insert(what.to_owned()) {
            return Some(Reason::new(what, "see above"));
        }
        if self.left == 0 || depth >= DEPTH {
            let note = format!("left out: more than {REASONS} reasons or {DEPTH} steps");
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
            return Some(Reason::new(what, "left out"));
        }
        self.left -= 1;
        None
    }

    fn app<'b>(&'b mut self, app: &'b str, depth: usize) -> Told<'b> {
        Box::pin(async move {
            let what = format!("app {app}");
            if let Some(stop) = self.stop(&what, depth) {
                return stop;
            }
            let Some(status) = self.status.not_ready.iter().find(|a| a.name == app).cloned() else {
                return Reason::new(what, "is ready");
            };
            let mut reason = Reason::new(what, format!("{}: {}", status.state, status.message));
            let inputs = self.status.inputs.iter().filter(|i| i.apps.iter().any(|a| a == app));
            for input in inputs {
                // Its value may be in a log.
                self.secrets.extend(secret_of(&input.source));
                if status.state == "pending" && input.state == "missing" {
                    reason.because.push(Reason::new(&input.source, &input.message));
                }
            }
            if status.state == "pending" {
                return reason;
            }
            if status.state == "waiting" {
                for dependency in &status.waits_for {
                    reason.because.push(self.app(dependency, depth + 1).await);
                }
                return reason;
            }
            for secret in self.status.secrets.iter().filter(|s| s.app == app && s.state != "orphan") {
                reason.because.push(Reason::new(format!("Secret {}", secret.secret), &secret.message));
            }
            reason.because.extend(self.objects_of(app, depth + 1).await);
            reason
        })
    }

    /// The objects (and hooks) of an app that are not ready: of objects the syncer's own word, which knows users' rules and the
    /// nodes that do not count; where it has told only the first of many, the rest by the shipped rules.
    async fn objects_of(&mut self, app: &str, depth: usize) -> Vec<Reason> {
        let ids: HashSet<ObjectId> = self
            .inventory
            .iter()
            .filter(|i| i.spec.app == app)
            .flat_map(|i| i.spec.entries.keys())
            .filter_map(|key| parse_key(key))
            .collect();
        let mut kinds: Vec<(Arc<str>, Arc<str>)> = ids
            .iter()
            .filter(|id| health::has_rule(&id.group, &id.kind))
            .map(|id| (Arc::clone(&id.group), Arc::clone(&id.kind)))
            .chain([("batch".into(), "Job".into()), ("".into(), "Pod".into())])
            .collect();
        kinds.sort();
        kinds.dedup();
        for id in ids.iter().filter(|id| id.is("", "Secret")) {
            let namespace = id.namespace.as_deref().unwrap_or_default();
            self.secrets.insert((namespace.to_owned(), id.name.to_string()));
        }
        let told: Vec<UnreadyStatus> = self
            .status
            .not_ready
            .iter()
            .find(|a| a.name == app)
            .map(|a| a.objects.clone())
            .unwrap_or_default();
        let mut out = Vec::new();
        for unready in &told {
            let Some(id) = ids.iter().find(|id| id.to_string() == unready.object) else {
                out.push(Reason::new(&unready.object, &unready.message));
                continue;
            };
            out.push(match self.get(id).await {
                Ok(Some((_, object))) => self.object(id, object, Some(&unready.message), depth).await,
                Ok(None) => Reason::new(&unready.object, &unready.message),
                Err(error) => {
                    Reason::new(&unready.object, format!("{} (may not be read: {error})", unready.message))
                }
            });
        }
        let labels = format!("{LABEL_CLOUD}={},{LABEL_APP}={app}", self.cloud);
        for (group, kind) in kinds {
            let Some(resource) = self.discovery.preferred(&group, &kind).cloned() else { continue };
            let list = match self.list(&resource, "", &labels).await {
                Ok(list) => list,
                Err(error) => {
                    self.notes.push(format!("{kind} objects of app {app} may not be read: {error}"));
                    continue;
                }
            };
            for object in list {
                let id = id_of(&resource, &object);
                let hook = !ids.contains(&id);
                if hook && object["metadata"]["labels"][super::hooks::LABEL_HOOK].is_null() {
                    // A controller copied the labels.
                    continue;
                }
                if !hook && (told.len() < UNREADY || told.iter().any(|u| u.object == id.to_string())) {
                    continue;
                }
                if health::judge(&object).health != Health::Ready {
                    out.push(self.object(&id, object, None, depth).await);
                }
            }
        }
        out
    }

    /// Explains one object; `told`: what the syncer says of it.
    fn object<'b>(
        &'b mut self,
        id: &'b ObjectId,
        object: Value,
        told: Option<&'b str>,
        depth: usize,
    ) -> Told<'b> {
        Box::pin(async move {
            let what = id.to_string();
            if let Some(stop) = self.stop(&what, depth) {
                return stop;
            }
            let why = told.map_or_else(|| health::judge(&object).message, str::to_owned);
            let mut reason = Reason::new(what, why);
            if reason.why.is_empty() {
                reason.why = "is not ready".into();
            }
            let namespace = id.namespace.as_deref().unwrap_or_default().to_owned();
            if id.is("", "Pod") {
                return self.pod(&object, depth).await;
            }
            let labels = match (&*id.group, &*id.kind) {
                ("batch", "Job") => format!("batch.kubernetes.io/job-name={}", id.name),
                ("apps", _) | ("", "ReplicationController") => {
                    selector(&object["spec"]["selector"]["matchLabels"])
                }
                _ => String::new(),
            };
            if labels.is_empty() {
                reason.because = self.children(&namespace, &object, depth + 1).await;
            } else {
                reason.because = self.pods(&namespace, &labels, depth + 1).await;
            }
            let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
            reason.events = self.events(&namespace, uid).await;
            reason
        })
    }

    /// What an operator made for its custom resource and is not ready.
    async fn children(&mut self, namespace: &str, owner: &Value, depth: usize) -> Vec<Reason> {
        let uid = owner["metadata"]["uid"].clone();
        let mut out = Vec::new();
        if namespace.is_empty() {
            return out;
        }
        let kinds = [
            ("apps", "StatefulSet"),
            ("apps", "Deployment"),
            ("batch", "Job"),
            ("", "PersistentVolumeClaim"),
            ("", "Pod"),
        ];
        for (group, kind) in kinds {
            let Some(resource) = self.discovery.preferred(group, kind).cloned() else { continue };
            let Ok(list) = self.list(&resource, namespace, "").await else { continue };
            for object in list {
                let owners = object["metadata"]["ownerReferences"].as_array().into_iter().flatten();
                if owners.clone().any(|o| o["uid"] == uid) && health::judge(&object).health != Health::Ready {
                    let id = id_of(&resource, &object);
                    out.push(self.object(&id, object, None, depth).await);
                }
            }
        }
        out
    }

    /// The pods of a workload that are not ready; a few of those that are alike.
    async fn pods(&mut self, namespace: &str, labels: &str, depth: usize) -> Vec<Reason> {
        let Some(resource) = self.discovery.preferred("", "Pod").cloned() else { return Vec::new() };
        let pods = match self.list(&resource, namespace, labels).await {
            Ok(pods) => pods,
            Err(error) => {
                return vec![Reason::new(format!("pods with {labels}"), format!("may not be read: {error}"))];
            }
        };
        if pods.is_empty() {
            return vec![Reason::new(format!("pods with {labels} in {namespace}"), "there are none")];
        }
        let mut unready: Vec<&Value> = pods.iter().filter(|p| !pods::is_ready(p)).collect();
        // The newest tell most.
        unready.sort_by_key(|p| {
            std::cmp::Reverse(p["metadata"]["creationTimestamp"].as_str().unwrap_or("").to_owned())
        });
        let mut out = Vec::new();
        for pod in unready.iter().take(ALIKE) {
            out.push(self.pod(pod, depth).await);
        }
        if unready.len() > ALIKE {
            out.push(Reason::new(format!("{} more pods", unready.len() - ALIKE), "are not ready either"));
        }
        out
    }

    async fn pod(&mut self, pod: &Value, depth: usize) -> Reason {
        let text =
            |pointer: &str| pod.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
        let mut reason = Reason::new(format!("pod {namespace}/{name}"), pods::why(pod));
        let node = text("/spec/nodeName");
        if !node.is_empty() {
            reason.why.push_str(&format!(" on node {node}"));
        }
        for Reference { kind, name, optional } in references(pod) {
            if kind == "Secret" {
                self.secrets.insert((namespace.clone(), name.clone()));
            }
            if let Some(missing) = self.reference(kind, &namespace, &name, optional).await {
                reason.because.push(missing);
            }
        }
        if let Some(focus) = pods::focus(pod) {
            let word = if focus.init { "init container" } else { "container" };
            let mut container = Reason::new(format!("{word} {}", focus.name), focus.why.clone());
            if focus.ran {
                match logs::log(self.client, &namespace, &name, &focus.name, focus.previous).await {
                    Ok(lines) if lines.is_empty() => container.log.push("(its log is empty)".into()),
                    Ok(lines) => container.log = lines,
                    Err(error) => {
                        container.log.push(format!("(its log cannot be read: {})", error.message.trim()))
                    }
                }
            }
            let field = if focus.init { "initContainers" } else { "containers" };
            let spec = pod["spec"][field].as_array().into_iter().flatten().find(|c| c["name"] == *focus.name);
            for dependency in spec.map(|c| dependencies(c, &namespace)).unwrap_or_default() {
                container.because.extend(Box::pin(self.dependency(dependency, depth + 1)).await);
            }
            reason.because.push(container);
        }
        reason.events = self.events(&namespace, &text("/metadata/uid")).await;
        reason
    }

    /// A Secret, ConfigMap or claim that a pod refers to and that holds it up.
    async fn reference(
        &mut self,
        kind: &'static str,
        namespace: &str,
        name: &str,
        optional: bool,
    ) -> Option<Reason> {
        let id = ObjectId::new("", kind, Some(namespace), name);
        if optional || self.seen.contains(&id.to_string()) {
            return None;
        }
        match self.get(&id).await {
            Ok(Some((_, object))) if kind == "PersistentVolumeClaim" => {
                let phase = object["status"]["phase"].as_str().unwrap_or("Pending");
                if phase == "Bound" {
                    return None;
                }
                let class = object["spec"]["storageClassName"].as_str().unwrap_or("the default one");
                let mut reason = Reason::new(id.to_string(), format!("is {phase}; storage class {class}"));
                reason.events =
                    self.events(namespace, object["metadata"]["uid"].as_str().unwrap_or_default()).await;
                self.seen.insert(id.to_string());
                Some(reason)
            }
            Ok(Some(_)) => None,
            Ok(None) => Some(Reason::new(id.to_string(), "is not there, and the pod refers to it")),
            Err(error) => {
                self.note_denied(&id, &error);
                None
            }
        }
    }

    /// Something that an init container waits for, unless it is there and ready.
    async fn dependency(&mut self, dependency: Dependency, depth: usize) -> Vec<Reason> {
        match dependency {
            Dependency::Local(what) => vec![Reason::new(what, "cannot be seen from outside the pod")],
            Dependency::Labelled { kind: "Pod", namespace, selector } => {
                self.pods(&namespace, &selector, depth).await
            }
            Dependency::Labelled { kind, namespace, selector } => {
                let Some(resource) = self.discovery.preferred("batch", kind).cloned() else {
                    return Vec::new();
                };
                let list = self.list(&resource, &namespace, &selector).await.unwrap_or_default();
                if list.is_empty() {
                    return vec![Reason::new(
                        format!("{kind} with {selector} in {namespace}"),
                        "is not there",
                    )];
                }
                let mut out = Vec::new();
                for object in list.into_iter().filter(|o| health::judge(o).health != Health::Ready) {
                    let id = id_of(&resource, &object);
                    out.push(self.object(&id, object, None, depth).await);
                }
                out
            }
            Dependency::Object { kind: "Service", namespace, name } => {
                self.service(&namespace, &name, depth).await.into_iter().collect()
            }
            Dependency::Object { kind, namespace, name } => {
                let group = if kind == "Job" { "batch" } else { "apps" };
                self.named(&ObjectId::new(group, kind, Some(&namespace), &name), depth)
                    .await
                    .into_iter()
                    .collect()
            }
            Dependency::Custom { api_version, kind, namespace, name } => {
                let (group, _) = split_api_version(&api_version);
                self.named(&ObjectId::new(group, &kind, Some(&namespace), &name), depth)
                    .await
                    .into_iter()
                    .collect()
            }
        }
    }

    async fn named(&mut self, id: &ObjectId, depth: usize) -> Option<Reason> {
        match self.get(id).await {
            Ok(Some((_, object))) if health::judge(&object).health == Health::Ready => None,
            Ok(Some((_, object))) => Some(self.object(id, object, None, depth).await),
            Ok(None) => Some(Reason::new(id.to_string(), "is not there, and is waited for")),
            Err(error) => Some(Reason::new(id.to_string(), format!("may not be read: {error}"))),
        }
    }

    /// A Service without an endpoint that is ready.
    async fn service(&mut self, namespace: &str, name: &str, depth: usize) -> Option<Reason> {
        let id = ObjectId::new("", "Service", Some(namespace), name);
        let service = match self.get(&id).await {
            Ok(Some((_, service))) => service,
            Ok(None) => return Some(Reason::new(id.to_string(), "is not there, and is waited for")),
            Err(error) => return Some(Reason::new(id.to_string(), format!("may not be read: {error}"))),
        };
        if let Some(slices) = self.discovery.preferred("discovery.k8s.io", "EndpointSlice").cloned() {
            let labels = format!("kubernetes.io/service-name={name}");
            let list = self.list(&slices, namespace, &labels).await.unwrap_or_default();
            let mut endpoints = list.iter().flat_map(|s| s["endpoints"].as_array().into_iter().flatten());
            if endpoints.any(|e| e["conditions"]["ready"] != Value::Bool(false)) {
                return None;
            }
        }
        if let Some(stop) = self.stop(&id.to_string(), depth) {
            return Some(stop);
        }
        let mut reason = Reason::new(id.to_string(), "has no endpoint that is ready");
        let labels = selector(&service["spec"]["selector"]);
        if labels.is_empty() {
            reason.why.push_str("; it selects no pods");
        } else {
            reason.because = self.pods(namespace, &labels, depth + 1).await;
        }
        Some(reason)
    }

    async fn get(&self, id: &ObjectId) -> Result<Option<(Resource, Value)>, ApiError> {
        let Some(resource) = self.discovery.preferred(&id.group, &id.kind).cloned() else { return Ok(None) };
        match logs::ask(self.client, &resource.object(id.namespace.as_deref().unwrap_or_default(), &id.name))
            .await
        {
            Ok(object) => Ok(Some((resource, object))),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, resource: &Resource, namespace: &str, labels: &str) -> Result<Vec<Value>, ApiError> {
        objects::list(self.client, resource, namespace, labels, 500).await
    }

    /// The last Events about an object, warnings before others.
    async fn events(&self, namespace: &str, uid: &str) -> Vec<String> {
        match logs::events(self.client, namespace, "uid", uid).await {
            Ok(events) => text::events(&events),
            Err(error) => vec![format!("(Events may not be read: {})", error.message.trim())],
        }
    }

    fn note_denied(&mut self, id: &ObjectId, error: &ApiError) {
        let note = format!("{id} may not be read: {}", error.message.trim());
        if !self.notes.contains(&note) {
            self.notes.push(note);
        }
    }

    /// Reads the Secrets that were met, for what must not be shown.
    async fn mask(&mut self) -> Hidden {
        let mut mask = Hidden::default();
        for (namespace, name) in std::mem::take(&mut self.secrets) {
            let id = ObjectId::new("", "Secret", Some(&namespace), &name);
            match self.get(&id).await {
                Ok(Some((_, secret))) => mask.values.learn_secret(&secret),
                Ok(None) => {}
                Err(error) => {
                    self.note_denied(&id, &error);
                    mask.unread += 1;
                }
            }
        }
        if mask.unread > 0 {
            let note = "Secrets that may not be read cannot be masked by value: logs are left out";
            self.notes.push(note.to_owned());
        }
        mask
    }
}

fn id_of(resource: &Resource, object: &Value) -> ObjectId {
    let text = |field: &str| object["metadata"][field].as_str();
    ObjectId::new(&resource.group, &resource.kind, text("namespace"), text("name").unwrap_or_default())
}
