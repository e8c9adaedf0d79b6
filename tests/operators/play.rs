//! Answers for the operators of the reference cloud, on a cluster where none of them runs; `main.rs` makes a program of it, and
//! tests start it beside themselves (`tests/it/support/operators.rs`).
//!
//! A test cluster has no MariaDB, no RabbitMQ and no cert-manager, and retune rightly waits for what they report. This
//! watches the CustomResourceDefinitions of the table `operators.yaml` (and the built-in kinds that it names), and each of their objects: after the
//! delay it writes the status that the real operator would write, and makes the Secret that it would make. `{name}`,
//! `{namespace}`, `{generation}`, `{random}` and `{spec.FIELD}` stand for what they say. An object annotated
//! `test.retune.dev/outcome: hang` gets no answer.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use futures::TryStreamExt;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt, watcher};
use serde::Deserialize;
use serde_json::{Map, Value, json};

pub(crate) type Problem = Box<dyn std::error::Error + Send + Sync>;

/// What an operator answers to objects of some kinds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    group: String,
    kinds: Vec<String>,
    /// For a kind that every API server has.
    builtin: Option<Builtin>,
    /// What the object's spec must say to be answered.
    #[serde(default)]
    only: Value,
    status: Value,
    secret: Option<Secret>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Builtin {
    version: String,
    plural: String,
}

/// The Secret that an operator makes beside an object.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Secret {
    name: String,
    r#type: String,
    data: BTreeMap<String, String>,
}

fn table() -> Result<Vec<Answer>, Problem> {
    Ok(retune::yaml::read_table(include_str!("operators.yaml"))?)
}

/// Plays all operators of the table on a cluster, until it is dropped.
pub(crate) async fn play(client: Client, delay: Duration) -> Result<(), Problem> {
    let answers = table()?;
    for answer in &answers {
        let Some(Builtin { version, plural }) = &answer.builtin else { continue };
        for kind in &answer.kinds {
            let kind = GroupVersionKind::gvk(&answer.group, version, kind);
            let resource = ApiResource::from_gvk_with_plural(&kind, plural);
            tokio::spawn(answer_all(client.clone(), resource, answer.clone(), delay));
        }
    }
    let definitions: Api<CustomResourceDefinition> = Api::all(client.clone());
    let mut playing = HashSet::new();
    let mut events =
        Box::pin(watcher(definitions, watcher::Config::default()).default_backoff().applied_objects());
    while let Some(definition) = events.try_next().await.or_else(seen)? {
        let (group, names) = (&definition.spec.group, &definition.spec.names);
        let Some(answer) = answers.iter().find(|a| &a.group == group && a.kinds.contains(&names.kind)) else {
            continue;
        };
        let Some(version) = definition.spec.versions.iter().find(|v| v.storage) else { continue };
        if !established(&definition) || !playing.insert((group.clone(), names.kind.clone())) {
            continue;
        }
        let kind = GroupVersionKind::gvk(group, &version.name, &names.kind);
        let resource = ApiResource::from_gvk_with_plural(&kind, &names.plural);
        tokio::spawn(answer_all(client.clone(), resource, answer.clone(), delay));
    }
    Ok(())
}

fn established(definition: &CustomResourceDefinition) -> bool {
    let conditions = definition.status.as_ref().and_then(|s| s.conditions.as_ref());
    conditions.is_some_and(|all| all.iter().any(|c| c.type_ == "Established" && c.status == "True"))
}

/// A watch that broke comes back by itself; what broke it is said.
fn seen<T>(error: watcher::Error) -> Result<Option<T>, Problem> {
    say(&error);
    Err(error.into())
}

/// One line on stderr.
#[allow(clippy::print_stderr, reason = "a program of the tests, not the product")]
fn say(error: &dyn std::fmt::Display) {
    eprintln!("operators: {error}");
}

/// Answers all objects of a kind, until the process ends.
async fn answer_all(client: Client, resource: ApiResource, answer: Answer, delay: Duration) {
    let all: Api<DynamicObject> = Api::all_with(client.clone(), &resource);
    let mut events = Box::pin(watcher(all, watcher::Config::default()).default_backoff().applied_objects());
    loop {
        match events.try_next().await {
            Ok(Some(object)) => {
                let (client, resource, answer) = (client.clone(), resource.clone(), answer.clone());
                tokio::spawn(async move {
                    if let Err(error) = respond(client, &resource, &answer, &object, delay).await {
                        say(&format!("{} {:?}: {error}", resource.kind, object.metadata.name));
                    }
                });
            }
            Ok(None) => return,
            Err(error) => say(&error), // the watch is taken up again with backoff
        }
    }
}

async fn respond(
    client: Client,
    resource: &ApiResource,
    answer: &Answer,
    object: &DynamicObject,
    delay: Duration,
) -> Result<(), Problem> {
    let annotations = object.metadata.annotations.as_ref();
    let hangs = annotations.and_then(|a| a.get("test.retune.dev/outcome")).is_some_and(|o| o == "hang");
    let status = fill(&answer.status, object)?;
    let meant = answer.only.is_null() || holds(&object.data["spec"], &answer.only);
    if !meant
        || hangs
        || object.metadata.deletion_timestamp.is_some()
        || holds(&object.data["status"], &status)
    {
        return Ok(());
    }
    tokio::time::sleep(delay).await;
    let (name, namespace) =
        (object.metadata.name.as_deref().unwrap_or_default(), object.metadata.namespace.as_deref());
    if let Some(secret) = &answer.secret {
        make(client.clone(), secret, object).await?;
    }
    let api: Api<DynamicObject> = match namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, resource),
        None => Api::all_with(client, resource),
    };
    match api.patch_status(name, &PatchParams::default(), &Patch::Merge(json!({"status": status}))).await {
        Err(kube::Error::Api(gone)) if gone.code == 404 => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

async fn make(client: Client, secret: &Secret, object: &DynamicObject) -> Result<(), Problem> {
    let namespace = object.metadata.namespace.as_deref().unwrap_or("default");
    let mut data = Map::new();
    for (key, text) in &secret.data {
        data.insert(key.clone(), Value::String(fill_text(text, object)?));
    }
    let secret = serde_json::from_value(json!({
        "apiVersion": "v1", "kind": "Secret", "type": secret.r#type, "stringData": data,
        "metadata": {"name": fill_text(&secret.name, object)?, "namespace": namespace},
    }))?;
    let api: Api<k8s_openapi::api::core::v1::Secret> = Api::namespaced(client, namespace);
    match api.create(&PostParams::default(), &secret).await {
        Err(kube::Error::Api(there)) if there.code == 409 => Ok(()),
        other => Ok(other.map(drop)?),
    }
}

/// Whether `have` says all that `want` says; times of conditions aside.
fn holds(have: &Value, want: &Value) -> bool {
    match (have, want) {
        (Value::Object(have), Value::Object(want)) => want.iter().all(|(key, value)| {
            key == "lastTransitionTime" || have.get(key).is_some_and(|h| holds(h, value))
        }),
        (Value::Array(have), Value::Array(want)) => {
            have.len() == want.len() && have.iter().zip(want).all(|(h, w)| holds(h, w))
        }
        _ => have == want,
    }
}

/// The template with its placeholders filled; conditions get the time that the API asks for.
fn fill(template: &Value, object: &DynamicObject) -> Result<Value, Problem> {
    Ok(match template {
        Value::String(text) if text == "{generation}" => json!(object.metadata.generation.unwrap_or(0)),
        Value::String(text) => Value::String(fill_text(text, object)?),
        Value::Array(items) => Value::Array(items.iter().map(|i| fill(i, object)).collect::<Result<_, _>>()?),
        Value::Object(map) => {
            let mut filled = Map::new();
            for (key, value) in map {
                filled.insert(key.clone(), fill(value, object)?);
            }
            if map.contains_key("type") && map.contains_key("status") {
                filled.insert(
                    "lastTransitionTime".to_owned(),
                    json!(k8s_openapi::jiff::Timestamp::now().to_string()),
                );
            }
            Value::Object(filled)
        }
        other => other.clone(),
    })
}

fn fill_text(text: &str, object: &DynamicObject) -> Result<String, Problem> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(|| format!("`{text}` has no closing brace"))?;
        out.push_str(before);
        match name.strip_prefix("spec.") {
            Some(field) => {
                out.push_str(
                    object.data["spec"][field]
                        .as_str()
                        .ok_or_else(|| format!("the object has no spec.{field}"))?,
                );
            }
            None => match name {
                "name" => out.push_str(object.metadata.name.as_deref().unwrap_or_default()),
                "namespace" => out.push_str(object.metadata.namespace.as_deref().unwrap_or_default()),
                "random" => out.push_str(&random()?),
                _ => return Err(format!("`{{{name}}}` in operators.yaml is not known").into()),
            },
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

fn random() -> Result<String, Problem> {
    let mut bytes = [0_u8; 16];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| "no random numbers")?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}
