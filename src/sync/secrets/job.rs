//! One declared Secret made sure of, and one rotation: requests, away from the engine's task.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use crate::apply::job::Target;
use crate::cloud::secrets::expiry::{CertificateEnd, ends};
use crate::cloud::secrets::generate::{GenerateError, generate, rotate_fernet};
use crate::cloud::secrets::{GeneratedSecret, KeyAt, SecretAt, SecretBytes};
use crate::cluster::client::Client;
use crate::cluster::error::{ApiError, ErrorKind};
use crate::cluster::secrets::{self, Found};
use crate::cluster::{objects, time};
use crate::plan::secrets::{Need, Rotation, SecretRecord, need};

/// The annotation on pod templates whose Secret was rotated: a change that makes their controller restart them.
const ANNOTATION_RESTART: &str = "retune.dev/secret-rotated";
/// How often a write that met another one is tried again at once.
const TRIES: usize = 4;

/// How a declared Secret was found, or what was made of it.
#[derive(Debug)]
pub(in crate::sync) enum Outcome {
    /// It is there; what was made, for the log; when its certificates end.
    Present(SecretRecord, Option<String>, Vec<CertificateEnd>),
    /// It, or keys of it, were there once and are gone.
    Lost(Vec<String>),
    /// It cannot be made yet.
    Waits(String),
    /// It cannot be made.
    Refused(String),
}

/// Fresh randomness.
fn entropy() -> Result<[u8; 32], String> {
    let mut bytes = [0_u8; 32];
    ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut bytes)
        .map_err(|_| "the system gives no random bytes".to_owned())?;
    Ok(bytes)
}

fn record(secret: &GeneratedSecret, found: &Found) -> SecretRecord {
    let keys = secret.keys.keys().filter(|k| found.values.contains_key(*k)).cloned().collect();
    SecretRecord { uid: found.uid.clone(), keys }
}

/// Values of other Secrets.
async fn others(client: &Client, needs: &BTreeSet<KeyAt>) -> Result<BTreeMap<KeyAt, SecretBytes>, ApiError> {
    let mut read: BTreeMap<SecretAt, Option<Found>> = BTreeMap::new();
    let mut out = BTreeMap::new();
    for need in needs {
        let at = need.at();
        if !read.contains_key(&at) {
            let found = secrets::read(client, &at).await?;
            read.insert(at.clone(), found);
        }
        let value = read.get(&at).and_then(Option::as_ref).and_then(|f| f.values.get(&*need.key));
        if let Some(value) = value {
            out.insert(need.clone(), value.clone());
        }
    }
    Ok(out)
}

type Changes = BTreeMap<String, Option<SecretBytes>>;

fn as_changes(values: BTreeMap<String, SecretBytes>) -> Changes {
    values.into_iter().map(|(k, v)| (k, Some(v))).collect()
}

/// Reads a declared Secret and makes what is missing, unless it was there before, or its app is held.
///
/// # Errors
/// The API server.
pub(in crate::sync) async fn ensure(
    client: &Client,
    cloud: &str,
    secret: &GeneratedSecret,
    known: Option<&SecretRecord>,
    held: Option<&str>,
) -> Result<Outcome, ApiError> {
    for _ in 0..TRIES {
        let found = secrets::read(client, &secret.at).await?;
        if found.as_ref().is_some_and(|f| f.deleting) {
            return Ok(Outcome::Waits("is being deleted".to_owned()));
        }
        let missing = match need(secret, found.as_ref().map(|f| &f.values), known) {
            Need::Lost(keys) => return Ok(Outcome::Lost(keys)),
            Need::Nothing => Vec::new(),
            Need::Create => secret.keys.keys().cloned().collect(),
            Need::Add(keys) => keys,
        };
        if let Some(found) =
            found.as_ref().filter(|f| missing.is_empty() && f.cloud.as_deref() == Some(cloud))
        {
            return Ok(Outcome::Present(record(secret, found), None, ends(secret, &found.values)));
        }
        if let Some(hold) = held {
            return Ok(Outcome::Waits(format!("waits: app {} is {hold}", secret.app)));
        }
        if found.as_ref().is_some_and(|f| f.immutable && !missing.is_empty()) {
            let keys = missing.join(", ");
            return Ok(Outcome::Refused(format!(
                "is immutable and lacks {keys}: add them by hand in a new Secret of the same name, or take them out of spec.secrets"
            )));
        }
        let have = found.as_ref().map(|f| f.values.clone()).unwrap_or_default();
        let values = if missing.is_empty() {
            BTreeMap::new()
        } else {
            let needs = secret.needs(missing.iter().map(String::as_str));
            let others = others(client, &needs).await?;
            let entropy = match entropy() {
                Ok(entropy) => entropy,
                Err(message) => return Ok(Outcome::Refused(message)),
            };
            // A key repository that was rotated has other numbers than its declaration.
            let mut declared = secret.clone();
            declared.keys.retain(|k, _| missing.contains(k) || have.contains_key(k));
            match generate(&declared, &have, &others, &entropy, time::now_seconds()) {
                Ok(values) => values,
                Err(error @ GenerateError::Missing(_)) => {
                    return Ok(Outcome::Waits(format!("waits: {error} yet")));
                }
                Err(error) => return Ok(Outcome::Refused(format!("cannot be generated: {error}"))),
            }
        };
        let keys: Vec<String> = values.keys().cloned().collect();
        let changes = as_changes(values);
        let (result, told) = match &found {
            Some(found) => (
                secrets::change(client, cloud, secret, found, &changes, None).await,
                if keys.is_empty() {
                    "exists: it is kept as it is".to_owned()
                } else {
                    format!("exists and is kept; the missing keys {} are generated", keys.join(", "))
                },
            ),
            None => {
                let result = secrets::create(client, cloud, secret, &changes, None).await;
                (result, format!("generated: {}", keys.join(", ")))
            }
        };
        match result {
            Ok(found) => {
                let ends = ends(secret, &found.values);
                return Ok(Outcome::Present(record(secret, &found), Some(told), ends));
            }
            // Somebody was faster: what they made is kept.
            Err(error) if error.kind == ErrorKind::Conflict => {}
            Err(error) if error.status == 404 => {
                return Ok(Outcome::Waits(format!(
                    "waits: namespace {} does not exist yet",
                    secret.at.namespace
                )));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Outcome::Waits("is changed by somebody else again and again".to_owned()))
}

/// Carries a rotation out. Each Secret is marked with the request, so that one that was cut short changes nothing twice.
///
/// # Errors
/// What stopped it; what was changed before stays changed and is not changed again.
pub(in crate::sync) async fn rotate(
    target: &Target,
    declared: &BTreeMap<SecretAt, Arc<GeneratedSecret>>,
    rotation: &Rotation,
    request: &str,
) -> Result<Vec<(SecretAt, SecretRecord)>, String> {
    let mut out = Vec::new();
    for step in &rotation.steps {
        let Some(secret) = declared.get(&step.secret) else { continue };
        let record = rotate_one(&target.client, &target.cloud, secret, &step.keys, request).await?;
        out.push((step.secret.clone(), record));
    }
    for user in rotation.users.iter().filter(|u| u.restarts) {
        let patch =
            json!({"spec": {"template": {"metadata": {"annotations": {ANNOTATION_RESTART: request}}}}});
        let result = match target.resource(&user.object, "v1") {
            Ok(resource) => objects::merge(&target.client, &resource, &user.object, &patch).await,
            Err(error) => Err(error),
        };
        match result {
            Err(error) if error.kind != ErrorKind::NotFound => {
                return Err(format!(
                    "the Secrets are rotated, but {} is not restarted: {error}",
                    user.object
                ));
            }
            _ => {}
        }
    }
    Ok(out)
}

async fn rotate_one(
    client: &Client,
    cloud: &str,
    secret: &GeneratedSecret,
    keys: &[String],
    request: &str,
) -> Result<SecretRecord, String> {
    let mut last = String::new();
    for _ in 0..TRIES {
        let found = secrets::read(client, &secret.at).await.map_err(|e| e.to_string())?;
        if let Some(found) = found.as_ref().filter(|f| f.rotation.as_deref() == Some(request)) {
            return Ok(record(secret, found));
        }
        let number = |key: &String| secret.fernet_keys.is_some() && key.parse::<u64>().is_ok();
        let have = found.as_ref().map(|f| f.values.clone()).unwrap_or_default();
        let repository = secret.fernet_keys.filter(|_| keys.iter().any(number) && have.contains_key("0"));
        let kept: BTreeMap<String, SecretBytes> = have
            .iter()
            .filter(|(k, _)| !keys.contains(k) || repository.is_some() && number(k))
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        let mut declared = secret.clone();
        declared
            .keys
            .retain(|k, _| keys.contains(k) && !(repository.is_some() && number(k)) || kept.contains_key(k));
        let needs = declared.needs(keys.iter().map(String::as_str));
        let others = others(client, &needs).await.map_err(|e| e.to_string())?;
        let seed = entropy()?;
        let values = generate(&declared, &kept, &others, &seed, time::now_seconds())
            .map_err(|e| format!("Secret {}: {e}", secret.at))?;
        let mut changes = as_changes(values);
        if let Some(most) = repository {
            changes.extend(rotate_fernet(&have, most, &seed));
        }
        let result = match &found {
            Some(found) => secrets::change(client, cloud, secret, found, &changes, Some(request)).await,
            None => secrets::create(client, cloud, secret, &changes, Some(request)).await,
        };
        match result {
            Ok(found) => return Ok(record(secret, &found)),
            Err(error) if error.kind == ErrorKind::Conflict => last = error.to_string(),
            Err(error) => return Err(error.to_string()),
        }
    }
    Err(last)
}
