//! The record of an adoption: what each object of an app was before, so that it can be undone.
//!
//! One Secret per app, `retune-adopted-CLOUD.APP` in `retune-system`, `data.record` gzip of JSON: an annotation of kubectl may hold
//! a whole Secret. It is written before the first object of the app is touched and never overwritten for an object that it knows.

use std::collections::BTreeMap;
use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::SYSTEM_NAMESPACE;
use super::adoption::Before;
use super::client::{Call, Client, Purpose};
use super::discovery::escape;
use super::error::{ApiError, ErrorKind};

/// The largest record, packed: a Secret holds 1 MiB.
const MAX_PACKED: usize = 700 << 10;
/// The largest record, unpacked.
const MAX_RECORD: u64 = 64 << 20;
/// Larger annotations are left out when the record would not fit.
const LARGE: usize = 4 << 10;

/// What an app's objects were before it was adopted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// By `group/kind/namespace/name`.
    pub objects: BTreeMap<String, Kept>,
    /// The Helm releases that they belonged to: namespace and name.
    #[serde(default)]
    pub releases: Vec<(String, String)>,
}

/// One object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// The API version that it was read at.
    pub version: String,
    /// What it was.
    #[serde(flatten)]
    pub before: Before,
}

impl Record {
    /// Adds what this one does not know: what was recorded first counts, as long as the object is the same.
    pub fn add(&mut self, other: Self) {
        for (key, kept) in other.objects {
            let known = self.objects.get(&key).is_some_and(|k| k.before.uid == kept.before.uid);
            if !known {
                self.objects.insert(key, kept);
            }
        }
        self.releases.extend(other.releases);
        self.releases.sort();
        self.releases.dedup();
    }

    fn pack(&self) -> Result<Vec<u8>, String> {
        let json = serde_json::to_vec(self).map_err(|e| e.to_string())?;
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gz.write_all(&json).and_then(|()| gz.finish()).map_err(|e| e.to_string())
    }

    fn unpack(bytes: &[u8]) -> Result<Self, String> {
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(bytes)
            .take(MAX_RECORD)
            .read_to_end(&mut text)
            .map_err(|e| e.to_string())?;
        serde_json::from_slice(&text).map_err(|e| e.to_string())
    }
}

fn name(cloud: &str, app: &str) -> String {
    format!("retune-adopted-{cloud}.{app}")
}

fn path(cloud: &str, app: &str) -> String {
    format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets/{}", escape(&name(cloud, app)))
}

/// The record of an app, if it was adopted.
///
/// # Errors
/// As [`Client::request`]; a Secret that cannot be read as a record.
pub async fn read(client: &Client, cloud: &str, app: &str) -> Result<Option<Record>, ApiError> {
    let Some(secret) = client.get_opt::<Value>(&path(cloud, app)).await? else { return Ok(None) };
    let unreadable =
        |e: String| ApiError::unreadable(format!("Secret {SYSTEM_NAMESPACE}/{}", name(cloud, app)), e);
    let packed = STANDARD
        .decode(secret["data"]["record"].as_str().unwrap_or_default())
        .map_err(|e| unreadable(e.to_string()))?;
    Record::unpack(&packed).map(Some).map_err(unreadable)
}

/// Writes the record of an app.
///
/// # Errors
/// As [`Client::request`]; a record too large for a Secret even without kubectl's annotations.
pub async fn write(client: &Client, cloud: &str, app: &str, record: &Record) -> Result<(), ApiError> {
    let name = name(cloud, app);
    let too_large = |text: String| ApiError::unreadable(format!("record the adoption of app {app}"), text);
    let mut packed = record.pack().map_err(too_large)?;
    if packed.len() > MAX_PACKED {
        let mut smaller = record.clone();
        for kept in smaller.objects.values_mut() {
            kept.before.annotations.retain(|_, v| v.as_str().is_none_or(|t| t.len() < LARGE));
        }
        packed = smaller.pack().map_err(too_large)?;
        tracing::warn!(%app, "the record of the adoption leaves out large last-applied annotations: an undoing does not put them back, and kubectl writes them anew");
    }
    if packed.len() > MAX_PACKED {
        return Err(too_large(format!("{} bytes do not fit into a Secret; split the app", packed.len())));
    }
    let body = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE, "labels": {"retune.dev/adopted": cloud}},
        "data": {"record": STANDARD.encode(packed)}})
    .to_string();
    let what = || format!("record the adoption of app {app} in Secret {name}");
    let collection = format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets");
    match client.request(Purpose::Own, &what, Call::json(Method::POST, &collection, body.clone())).await {
        Err(error) if error.kind == ErrorKind::Conflict => {
            let path = path(cloud, app);
            client.request(Purpose::Own, &what, Call::json(Method::PUT, &path, body)).await.map(|_| ())
        }
        other => other.map(|_| ()),
    }
}

/// Deletes a Secret by namespace and name, if it is there.
///
/// # Errors
/// As [`Client::request`].
pub async fn delete_secret(client: &Client, namespace: &str, name: &str) -> Result<(), ApiError> {
    let path = format!("/api/v1/namespaces/{}/secrets/{}", escape(namespace), escape(name));
    let what = || format!("delete Secret {namespace}/{name}");
    let mut call = Call::get(&path);
    call.method = Method::DELETE;
    match client.request(Purpose::Own, &what, call).await {
        Err(error) if error.kind != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Deletes the record of an app.
///
/// # Errors
/// As [`Client::request`].
pub async fn forget(client: &Client, cloud: &str, app: &str) -> Result<(), ApiError> {
    delete_secret(client, SYSTEM_NAMESPACE, &name(cloud, app)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_first_counts_while_the_object_is_the_same() {
        let one = |uid: &str, version: &str| {
            let before = Before { uid: uid.into(), ..Before::default() };
            let objects = [("k".to_owned(), Kept { version: version.into(), before })].into();
            Record { objects, releases: vec![("n".into(), "web".into())] }
        };
        let mut record = one("a", "v1");
        record.add(one("a", "v2"));
        assert_eq!(record, one("a", "v1"));
        record.add(one("b", "v2"));
        assert_eq!(record, one("b", "v2"));
        assert_eq!(Record::unpack(&record.pack().unwrap()).unwrap(), record);
    }
}
