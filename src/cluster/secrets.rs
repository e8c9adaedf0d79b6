//! Requests for generated Secrets: read, created, completed with what is missing. Values stay in [`SecretBytes`].
//!
//! A generated Secret is not applied: it has the label `retune.dev/generated` and no `retune.dev/cloud`, so no watch of managed
//! objects sees it, and nothing corrects or prunes it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};

use super::client::{Call, Client, MERGE_PATCH, Purpose};
use super::discovery::{Resource, escape};
use super::error::ApiError;
use crate::cloud::secrets::{GeneratedSecret, SecretAt, SecretBytes};

/// The label on Secrets that retune generated or found in the place of one: the cloud's name.
pub const LABEL_GENERATED: &str = "retune.dev/generated";
/// The annotation that names the app.
pub const ANNOTATION_FOR: &str = "retune.dev/generated-for";
/// The annotation with the id of the last rotation.
pub const ANNOTATION_ROTATION: &str = "retune.dev/rotation";

/// A Secret as it is.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its uid.
    pub uid: String,
    /// Its resourceVersion.
    pub version: String,
    /// The cloud that its label names.
    pub cloud: Option<String>,
    /// The last rotation.
    pub rotation: Option<String>,
    /// Whether the server refuses every change of it.
    pub immutable: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its values.
    pub values: BTreeMap<String, SecretBytes>,
}

/// The kind, for watches.
#[must_use]
pub fn resource(discovery: &super::discovery::Discovery) -> Option<Resource> {
    discovery.preferred("", "Secret").filter(|r| r.watchable).cloned()
}

fn path(at: &SecretAt) -> String {
    format!("/api/v1/namespaces/{}/secrets/{}", escape(&at.namespace), escape(&at.name))
}

fn found(body: &Value) -> Found {
    let meta = &body["metadata"];
    let text = |pointer: &Value| pointer.as_str().map(str::to_owned);
    let data = body["data"].as_object();
    Found {
        uid: text(&meta["uid"]).unwrap_or_default(),
        version: text(&meta["resourceVersion"]).unwrap_or_default(),
        cloud: text(&meta["labels"][LABEL_GENERATED]),
        rotation: text(&meta["annotations"][ANNOTATION_ROTATION]),
        immutable: body["immutable"] == Value::Bool(true),
        deleting: !meta["deletionTimestamp"].is_null(),
        values: data
            .into_iter()
            .flatten()
            .map(|(key, value)| {
                let bytes = STANDARD.decode(value.as_str().unwrap_or_default()).unwrap_or_default();
                (key.clone(), SecretBytes(bytes))
            })
            .collect(),
    }
}

/// The Secret, if there is one.
///
/// # Errors
/// As [`Client::request`].
pub async fn read(client: &Client, at: &SecretAt) -> Result<Option<Found>, ApiError> {
    Ok(client.get_opt::<Value>(&path(at)).await?.as_ref().map(found))
}

fn data(values: &BTreeMap<String, Option<SecretBytes>>) -> Value {
    let one = |(key, value): (&String, &Option<SecretBytes>)| {
        (key.clone(), value.as_ref().map_or(Value::Null, |v| Value::from(STANDARD.encode(&v.0))))
    };
    Value::Object(values.iter().map(one).collect())
}

fn marks(cloud: &str, secret: &GeneratedSecret, rotation: Option<&str>) -> Value {
    let mut annotations = json!({ANNOTATION_FOR: &*secret.app});
    if let Some(rotation) = rotation {
        annotations[ANNOTATION_ROTATION] = Value::from(rotation);
    }
    json!({"labels": {LABEL_GENERATED: cloud}, "annotations": annotations})
}

/// Creates it.
///
/// # Errors
/// As [`Client::request`]; [`super::ErrorKind::Conflict`] when it exists.
pub async fn create(
    client: &Client,
    cloud: &str,
    secret: &GeneratedSecret,
    values: &BTreeMap<String, Option<SecretBytes>>,
    rotation: Option<&str>,
) -> Result<Found, ApiError> {
    let mut metadata = marks(cloud, secret, rotation);
    metadata["name"] = Value::from(&*secret.at.name);
    metadata["namespace"] = Value::from(&*secret.at.namespace);
    let body = json!({"apiVersion": "v1", "kind": "Secret", "type": secret.kind, "metadata": metadata, "data": data(values)});
    let what = || format!("create Secret {}", secret.at);
    let path =
        format!("/api/v1/namespaces/{}/secrets?fieldManager=retune-secrets", escape(&secret.at.namespace));
    answer(client, &what, Call::json(Method::POST, &path, body.to_string())).await
}

/// Sets these keys (and removes those without a value) and the marks; only if it is still as it was read.
///
/// # Errors
/// As [`Client::request`]; [`super::ErrorKind::Conflict`] when it has changed.
pub async fn change(
    client: &Client,
    cloud: &str,
    secret: &GeneratedSecret,
    before: &Found,
    values: &BTreeMap<String, Option<SecretBytes>>,
    rotation: Option<&str>,
) -> Result<Found, ApiError> {
    let mut metadata = marks(cloud, secret, rotation);
    metadata["resourceVersion"] = Value::from(before.version.as_str());
    let mut body = json!({"metadata": metadata});
    if !values.is_empty() {
        body["data"] = data(values);
    }
    let what = || format!("change Secret {}", secret.at);
    let path = format!("{}?fieldManager=retune-secrets", path(&secret.at));
    answer(client, &what, Call::patch(&path, MERGE_PATCH, body.to_string())).await
}

async fn answer(
    client: &Client,
    what: &(dyn Fn() -> String + Sync),
    call: Call<'_>,
) -> Result<Found, ApiError> {
    let bytes = client.request(Purpose::Own, what, call).await?;
    let body: Value =
        serde_json::from_slice(&bytes).map_err(|e| ApiError::unreadable(what(), e.to_string()))?;
    Ok(found(&body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_decoded_and_no_debug_output_has_them() {
        let body = json!({"metadata": {"uid": "u", "resourceVersion": "7", "labels": {LABEL_GENERATED: "c"}},
            "data": {"password": STANDARD.encode("hunter2")}});
        let found = found(&body);
        assert_eq!(found.values["password"].0, b"hunter2");
        assert_eq!((found.cloud.as_deref(), found.version.as_str()), (Some("c"), "7"));
        assert!(!format!("{found:?}").contains("hunter2"));
    }
}
