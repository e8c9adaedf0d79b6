//! Requests for managed objects: server-side apply, read, delete with preconditions.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::client::{APPLY_PATCH, Call, Client, JSON_PATCH, Purpose};
use super::discovery::Resource;
use super::error::ApiError;
use super::meta::{Meta, Uid};
use super::{ANNOTATION_OWNER, LABEL_APP, LABEL_CLOUD, MANAGER};
use crate::cloud::ObjectId;

/// The second manager to whom retune hands over what it yields.
pub const HANDOFF: &str = "retune-handoff";

/// Whose an object is, as written on it.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    /// The cloud's name, for the label.
    pub cloud: &'a str,
    /// The cloud's id, for the owner annotation.
    pub cloud_id: &'a str,
    /// The app's name.
    pub app: &'a str,
}

/// The value of the owner annotation: the cloud's id and the object's own identity.
#[must_use]
pub fn owner_value(cloud_id: &str, id: &ObjectId) -> String {
    format!("{cloud_id}/{}/{}/{}/{}", id.group, id.kind, id.namespace.as_deref().unwrap_or(""), id.name)
}

/// Writes retune's labels and annotation into a body.
pub fn decorate(body: &mut Value, id: &ObjectId, mark: Mark<'_>) {
    let owner = owner_value(mark.cloud_id, id);
    let Some(object) = body.as_object_mut() else { return };
    let meta = object.entry("metadata").or_insert_with(|| json!({}));
    let Some(meta) = meta.as_object_mut() else { return };
    for (field, key, value) in [
        ("labels", LABEL_CLOUD, mark.cloud),
        ("labels", LABEL_APP, mark.app),
        ("annotations", ANNOTATION_OWNER, owner.as_str()),
    ] {
        let map = meta.entry(field).or_insert_with(|| json!({}));
        if !map.is_object() {
            *map = json!({});
        }
        if let Some(map) = map.as_object_mut() {
            map.insert(key.to_owned(), Value::from(value));
        }
    }
    if let Some(namespace) = &id.namespace {
        meta.insert("namespace".into(), Value::from(&**namespace));
    }
}

/// How to apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApplyOptions {
    /// Take fields from other managers; without it the server answers 409 and names them.
    pub force: bool,
    /// Ask what would happen, change nothing.
    pub dry_run: bool,
}

/// One server-side apply as `retune`; the answer's metadata is the new baseline.
///
/// # Errors
/// As [`Client::request`].
pub async fn apply(
    client: &Client,
    resource: &Resource,
    id: &ObjectId,
    body: Bytes,
    options: ApplyOptions,
) -> Result<Meta, ApiError> {
    let path = apply_path(resource, id, MANAGER, options);
    let what = || format!("apply {id}");
    let answer = client.request(Purpose::Apply, &what, Call::patch(&path, APPLY_PATCH, body).meta()).await?;
    Meta::read(&what(), &answer)
}

/// Applies a few fields as the second manager to whom retune hands over what it yields.
///
/// # Errors
/// [`super::ErrorKind::Conflict`] when the object changed since its resourceVersion was read.
pub async fn hand_over(
    client: &Client,
    resource: &Resource,
    id: &ObjectId,
    body: Bytes,
) -> Result<Meta, ApiError> {
    let options = ApplyOptions { force: true, dry_run: false };
    let path = apply_path(resource, id, HANDOFF, options);
    let what = || format!("hand over fields of {id}");
    let answer = client.request(Purpose::Apply, &what, Call::patch(&path, APPLY_PATCH, body).meta()).await?;
    Meta::read(&what(), &answer)
}

/// Removes fields by name; the answer's metadata is the new baseline.
///
/// # Errors
/// [`super::ErrorKind::Invalid`] when the object changed since its resourceVersion was read.
pub async fn remove_fields(
    client: &Client,
    resource: &Resource,
    id: &ObjectId,
    patch: Bytes,
) -> Result<Meta, ApiError> {
    let mut path = resource.object(id.namespace.as_deref().unwrap_or(""), &id.name);
    path.push_str("?fieldManager=retune");
    let what = || format!("remove fields of {id}");
    let answer = client.request(Purpose::Apply, &what, Call::patch(&path, JSON_PATCH, patch).meta()).await?;
    Meta::read(&what(), &answer)
}

/// A JSON merge patch of what tools write about themselves, on the object or through a subresource; the answer is the whole object.
///
/// # Errors
/// [`super::ErrorKind::Conflict`] when the object changed since its resourceVersion was read.
pub async fn merge_records(
    client: &Client,
    resource: &Resource,
    id: &ObjectId,
    subresource: Option<&str>,
    patch: &Value,
) -> Result<Value, ApiError> {
    let mut path = resource.object(id.namespace.as_deref().unwrap_or(""), &id.name);
    if let Some(subresource) = subresource {
        path.push('/');
        path.push_str(subresource);
    }
    path.push_str("?fieldManager=");
    path.push_str(super::adoption::RECORDER);
    let what = || format!("write the marks of {id}");
    let call = Call::patch(&path, super::client::MERGE_PATCH, patch.to_string());
    let answer = client.request(Purpose::Apply, &what, call).await?;
    serde_json::from_slice(&answer).map_err(|e| ApiError::unreadable(what(), e.to_string()))
}

/// A dry-run apply whose answer is the whole object, for `diff`.
///
/// # Errors
/// As [`Client::request`].
pub async fn apply_dry_run(
    client: &Client,
    resource: &Resource,
    id: &ObjectId,
    body: Bytes,
) -> Result<Value, ApiError> {
    let path = apply_path(resource, id, MANAGER, ApplyOptions { force: true, dry_run: true });
    let what = || format!("dry-run apply {id}");
    let answer = client.request(Purpose::Read, &what, Call::patch(&path, APPLY_PATCH, body)).await?;
    serde_json::from_slice(&answer).map_err(|e| ApiError::unreadable(what(), e.to_string()))
}

fn apply_path(resource: &Resource, id: &ObjectId, manager: &str, options: ApplyOptions) -> String {
    let mut path = resource.object(id.namespace.as_deref().unwrap_or(""), &id.name);
    path.push_str("?fieldManager=");
    path.push_str(manager);
    path.push_str("&fieldValidation=Strict");
    if options.force {
        path.push_str("&force=true");
    }
    if options.dry_run {
        path.push_str("&dryRun=All");
    }
    path
}

/// The whole live object, `None` if there is none.
///
/// # Errors
/// As [`Client::request`].
pub async fn get(client: &Client, resource: &Resource, id: &ObjectId) -> Result<Option<Value>, ApiError> {
    client.get_opt(&resource.object(id.namespace.as_deref().unwrap_or(""), &id.name)).await
}

/// The first `limit` whole objects of a kind with these labels; an empty namespace stands for all.
///
/// # Errors
/// As [`Client::request`].
pub async fn list(
    client: &Client,
    resource: &Resource,
    namespace: &str,
    labels: &str,
    limit: usize,
) -> Result<Vec<Value>, ApiError> {
    let labels = super::discovery::escape(labels);
    let path = format!("{}?labelSelector={labels}&limit={limit}", resource.collection(namespace));
    let mut list = super::logs::ask(client, &path).await?;
    let mut items = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
    // The items of a list do not say their kind; rules go by it.
    let version = match &*resource.group {
        "" => resource.version.to_string(),
        group => format!("{group}/{}", resource.version),
    };
    for item in &mut items {
        item["apiVersion"] = Value::from(version.as_str());
        item["kind"] = Value::from(&*resource.kind);
    }
    Ok(items)
}

/// `a=b,c=d` from a map of labels.
#[must_use]
pub fn selector(labels: &Value) -> String {
    let pairs = labels.as_object().into_iter().flatten();
    pairs.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())).collect::<Vec<_>>().join(",")
}

/// The live object's metadata, `None` if there is none.
///
/// # Errors
/// As [`Client::request`].
pub async fn get_meta(client: &Client, resource: &Resource, id: &ObjectId) -> Result<Option<Meta>, ApiError> {
    let path = resource.object(id.namespace.as_deref().unwrap_or(""), &id.name);
    let what = || format!("get {id}");
    match client.request(Purpose::Read, &what, Call::get(&path).meta()).await {
        Ok(body) => Meta::read(&what(), &body).map(Some),
        Err(error) if error.kind == super::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// A JSON merge patch of one object, as the manager of marks that are not part of a render.
///
/// # Errors
/// As [`Client::request`].
pub async fn merge(
    client: &Client,
    resource: &Resource,
    id: &ObjectId,
    patch: &Value,
) -> Result<(), ApiError> {
    let path = format!(
        "{}?fieldManager=retune-marks",
        resource.object(id.namespace.as_deref().unwrap_or(""), &id.name)
    );
    let what = || format!("mark {id}");
    let call = Call::patch(&path, super::client::MERGE_PATCH, patch.to_string()).meta();
    client.request(Purpose::Apply, &what, call).await.map(|_| ())
}

/// Deletes one object, if it is still the one that was looked at.
///
/// # Errors
/// [`super::ErrorKind::Conflict`] when uid or resourceVersion differ, [`super::ErrorKind::NotFound`] when it is gone already.
pub async fn delete(
    client: &Client,
    resource: &Resource,
    id: &ObjectId,
    uid: Uid,
    rv: Option<u64>,
) -> Result<(), ApiError> {
    let mut preconditions = json!({"uid": uid.to_string()});
    if let Some(rv) = rv {
        preconditions["resourceVersion"] = Value::from(rv.to_string());
    }
    // Background: dependants (a Deployment's pods) go with their owner, as kubectl delete does.
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background",
        "preconditions": preconditions});
    let path = resource.object(id.namespace.as_deref().unwrap_or(""), &id.name);
    let what = || format!("delete {id}");
    let call = Call::json(Method::DELETE, &path, options.to_string());
    client.request(Purpose::Delete, &what, call).await.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_marked_with_cloud_app_and_owner() {
        let id = ObjectId::new("", "ConfigMap", Some("ns"), "a");
        let mut body = json!({"kind": "ConfigMap", "metadata": {"name": "a", "labels": {"x": "y"}}});
        decorate(&mut body, &id, Mark { cloud: "c", cloud_id: "0123", app: "app" });
        assert_eq!(body["metadata"]["labels"]["x"], "y");
        assert_eq!(body["metadata"]["labels"]["retune.dev/cloud"], "c");
        assert_eq!(body["metadata"]["annotations"]["retune.dev/owner"], "0123//ConfigMap/ns/a");
        assert_eq!(body["metadata"]["namespace"], "ns");
    }
}
