//! Generated Secrets in a plan: what is to be made, what is lost, and what a rotation changes and whom it reaches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;

use crate::cloud::inputs::InputSource;
use crate::cloud::secrets::{GeneratedSecret, SecretAt, SecretBytes};
use crate::cloud::{Digest, ObjectId, RenderedCloud, graph};

/// What is remembered of a generated Secret once it exists: never its values.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct SecretRecord {
    /// The uid.
    #[serde(default)]
    pub uid: String,
    /// The declared keys that it had.
    #[serde(default)]
    pub keys: Vec<String>,
}

/// How a declared Secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Need {
    /// It has all its keys.
    Nothing,
    /// It never existed: to be made.
    Create,
    /// It lacks keys that it never had: only they are made, the others are kept.
    Add(Vec<String>),
    /// It (no keys named), or keys of it, existed and are gone: never made again by themselves.
    Lost(Vec<String>),
}

/// Compares a declaration with what exists and what is remembered.
#[must_use]
pub fn need(
    secret: &GeneratedSecret,
    live: Option<&BTreeMap<String, SecretBytes>>,
    record: Option<&SecretRecord>,
) -> Need {
    let Some(live) = live else {
        return if record.is_some() { Need::Lost(Vec::new()) } else { Need::Create };
    };
    // The numbers of a key repository change as it is rotated.
    let number = |key: &str| secret.fernet_keys.is_some() && key.parse::<u64>().is_ok();
    let repository = live.keys().any(|k| number(k));
    let missing: Vec<&String> =
        secret.keys.keys().filter(|k| !(live.contains_key(*k) || repository && number(k))).collect();
    let remembered = |key: &&&String| record.is_some_and(|r| r.keys.contains(key));
    let lost: Vec<String> = missing.iter().filter(remembered).map(|k| (**k).clone()).collect();
    if !lost.is_empty() {
        Need::Lost(lost)
    } else if missing.is_empty() {
        Need::Nothing
    } else {
        Need::Add(missing.into_iter().cloned().collect())
    }
}

/// What to do about something lost, for people.
#[must_use]
pub fn lost_message(at: &SecretAt, app: &str, keys: &[String]) -> String {
    let what = match keys {
        [] => "was generated and is gone".to_owned(),
        keys => format!("has lost its generated keys {}", keys.join(", ")),
    };
    format!(
        "Secret {at} of app {app} {what}. It is not made again by itself: what was set up with its values (a database, a message \
         broker) still expects them. Restore it from a backup (kubectl apply -f BACKUP); or have new values made: `retune rotate {at}` \
         shows what depends on it and asks for an approval"
    )
}

/// One declared Secret's part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SecretAction {
    /// The Secret.
    pub secret: SecretAt,
    /// The app.
    pub app: Arc<str>,
    /// `generate`, `add-keys` or `lost`.
    pub verb: &'static str,
    /// The keys it is about, each with what would be made.
    pub keys: Vec<String>,
}

impl SecretAction {
    /// The action that a need asks for.
    #[must_use]
    pub fn of(secret: &GeneratedSecret, need: &Need) -> Option<Self> {
        let (verb, keys) = match need {
            Need::Nothing => return None,
            Need::Create => ("generate", secret.keys.keys().cloned().collect()),
            Need::Add(keys) => ("add-keys", keys.clone()),
            Need::Lost(keys) => ("lost", keys.clone()),
        };
        let told = |key: String| match secret.keys.get(&key) {
            Some(generator) => format!("{key} ({})", generator.told()),
            None => key,
        };
        let keys = keys.into_iter().map(told).collect();
        Some(Self { secret: secret.at.clone(), app: Arc::clone(&secret.app), verb, keys })
    }

    /// For people.
    #[must_use]
    pub fn line(&self) -> String {
        match self.verb {
            "lost" => {
                let keys: Vec<String> =
                    self.keys.iter().map(|k| k.split(' ').next().unwrap_or_default().to_owned()).collect();
                format!("lost     {}", lost_message(&self.secret, &self.app, &keys))
            }
            verb => {
                format!("{verb:<8} Secret {}  (would be generated: {})", self.secret, self.keys.join(", "))
            }
        }
    }
}

/// One Secret of a rotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The Secret.
    pub secret: SecretAt,
    /// Its keys that get other values.
    pub keys: Vec<String>,
}

/// An object that names one of the Secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Its app.
    pub app: Arc<str>,
    /// The object.
    pub object: ObjectId,
    /// Whether its pods are restarted, so that they read the new values.
    pub restarts: bool,
}

/// A rotation: what it changes, and whom it reaches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// Secrets in the order in which they are changed.
    pub steps: Vec<Step>,
    /// Who names them.
    pub users: Vec<User>,
    /// Apps that take a changed key as an input: they are rendered anew, and what of them changes is applied.
    pub renders: Vec<Arc<str>>,
}

/// How deep an object's body is followed.
const MAX_DEPTH: usize = 64;

/// Plans a rotation of a Secret: of these keys, else of all that are drawn (and, with `lost`, of those that are gone).
/// What is composed of them, or signed by them, changes with them.
///
/// # Errors
/// What cannot be rotated, and why.
pub fn rotation(
    cloud: &RenderedCloud,
    at: &SecretAt,
    keys: &[String],
    lost: Option<&[String]>,
) -> Result<Rotation, String> {
    let all: BTreeMap<&SecretAt, &GeneratedSecret> =
        cloud.apps.iter().flat_map(|a| a.generated.iter()).map(|s| (&s.at, s)).collect();
    let Some(secret) = all.get(at) else {
        let names: Vec<String> = all.keys().filter(|a| a.name == at.name).map(ToString::to_string).collect();
        let hint = if names.is_empty() { String::new() } else { format!("; there is {}", names.join(", ")) };
        return Err(format!("no app declares Secret {at} in spec.secrets{hint}"));
    };
    if let Some(unknown) = keys.iter().find(|k| !secret.keys.contains_key(*k)) {
        let known: Vec<&str> = secret.keys.keys().map(String::as_str).collect();
        return Err(format!("Secret {at} declares no key {unknown}; it has {}", known.join(", ")));
    }
    let begin: BTreeSet<String> = match (keys, lost) {
        ([], Some([])) => secret.keys.keys().cloned().collect(),
        ([], Some(lost)) => lost.iter().cloned().collect(),
        ([], None) => secret.keys.iter().filter(|(_, g)| g.is_drawn()).map(|(k, _)| k.clone()).collect(),
        (keys, _) => keys.iter().cloned().collect(),
    };
    if begin.is_empty() {
        return Err(format!(
            "Secret {at} has nothing that is drawn: its values are fixed, copied or composed"
        ));
    }
    let mut changed: BTreeMap<&SecretAt, BTreeSet<String>> = BTreeMap::from([(&secret.at, begin)]);
    // Each round adds at least one key; there are finitely many.
    loop {
        let mut more: Vec<(&SecretAt, String)> = Vec::new();
        for (place, other) in &all {
            for (key, generator) in &other.keys {
                let known = |at: &SecretAt, key: &str| changed.get(at).is_some_and(|c| c.contains(key));
                let reached = generator.needs(place).iter().any(|n| known(&n.at(), &n.key));
                if reached && !known(place, key) {
                    more.push((*place, key.clone()));
                }
            }
        }
        if more.is_empty() {
            break;
        }
        for (place, key) in more {
            changed.entry(place).or_default().insert(key);
        }
    }
    let mut edges: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (place, keys) in &changed {
        let needs = all.get(place).map(|s| s.needs(keys.iter().map(String::as_str))).unwrap_or_default();
        let known = needs.iter().map(crate::cloud::secrets::KeyAt::at).filter(|n| changed.contains_key(n));
        edges.insert(place.to_string(), known.map(|n| n.to_string()).collect());
    }
    let order = graph::order(&edges).map_err(|_| "the Secrets are made of each other".to_owned())?;
    let steps: Vec<Step> = order
        .iter()
        .filter_map(|name| {
            let (place, keys) = changed.iter().find(|(place, _)| place.to_string() == *name)?;
            Some(Step { secret: (*place).clone(), keys: keys.iter().cloned().collect() })
        })
        .collect();
    let rotated: BTreeSet<&SecretAt> = changed.keys().copied().collect();
    let takes = |source: &InputSource| {
        let InputSource::Secret(key) = source else { return false };
        let at = SecretAt::new(&key.namespace, &key.name);
        changed.get(&at).is_some_and(|keys| keys.contains(&key.key))
    };
    let renders = cloud.apps.iter().filter(|a| a.inputs.iter().any(|i| takes(&i.source)));
    let renders = renders.map(|a| Arc::clone(&a.name)).collect();
    Ok(Rotation { users: users(cloud, &rotated), renders, steps })
}

fn users(cloud: &RenderedCloud, secrets: &BTreeSet<&SecretAt>) -> Vec<User> {
    let mut out = Vec::new();
    for app in &cloud.apps {
        for object in app.objects.iter().chain(app.hooks.iter().map(|h| &h.object)) {
            let namespace = object.id.namespace.as_deref().unwrap_or_default();
            // Cheap first: most objects name none of them.
            let near = |at: &&&SecretAt| *at.namespace == *namespace && object.body.contains(&*at.name);
            if !secrets.iter().any(|at| near(&at)) {
                continue;
            }
            let mut names = BTreeSet::new();
            named(&object.json(), "", &mut names, 0);
            if secrets.iter().filter(near).any(|at| names.contains(&*at.name)) {
                let workload = matches!(
                    (&*object.id.group, &*object.id.kind),
                    ("apps", "Deployment" | "StatefulSet" | "DaemonSet")
                );
                out.push(User { app: Arc::clone(&app.name), object: object.id.clone(), restarts: workload });
            }
        }
    }
    out
}

/// The Secrets that a body names: in pods' fields, and in fields of custom resources that are called alike.
fn named(value: &Value, under: &str, out: &mut BTreeSet<String>, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    match value {
        Value::Object(map) => {
            let field = under.to_ascii_lowercase();
            let refers = field.ends_with("secretref")
                || field.ends_with("secretkeyref")
                || field.ends_with("credentialssecret")
                || field == "secret"
                || field == "imagepullsecrets";
            let text = |name: &str| map.get(name).and_then(Value::as_str).map(str::to_owned);
            out.extend(text("name").filter(|_| refers));
            out.extend(text("secretName"));
            for (key, value) in map {
                named(value, key, out, depth + 1);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| named(item, under, out, depth + 1)),
        _ => {}
    }
}

impl Rotation {
    /// What an approval names: this rotation, asked for by this request.
    #[must_use]
    pub fn digest(&self, request: &str) -> Digest {
        Digest::of_parts([request, &serde_json::to_string(self).unwrap_or_default()])
    }

    /// For people.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut out: Vec<String> = self
            .steps
            .iter()
            .enumerate()
            .map(|(i, step)| {
                let why = if i == 0 { "new values" } else { "follows" };
                format!("change   Secret {}  ({why}: {})", step.secret, step.keys.join(", "))
            })
            .collect();
        for user in &self.users {
            let what = if user.restarts { "restart" } else { "uses it" };
            out.push(format!("{what:<8} {} [{}]", user.object, user.app));
        }
        let render =
            |app| format!("render   app {app}  (takes it as an input: what of it changes is applied)");
        out.extend(self.renders.iter().map(render));
        if self.users.is_empty() && self.renders.is_empty() {
            out.push("no object of the cloud names it".to_owned());
        }
        out
    }
}

#[cfg(test)]
#[path = "secrets_tests.rs"]
mod tests;
