//! Reading and writing retune's own objects: `CloudSync`, `Inventory`, the per-cloud key, the cluster's identity.

use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::client::{Call, Client, MERGE_PATCH, Purpose};
use super::crd::{CloudSync, CloudSyncSpec, CloudSyncStatus, GROUP, Inventory, VERSION};
use super::discovery::{Resource, escape};
use super::error::{ApiError, ErrorKind};
use super::{MANAGER, SYSTEM_NAMESPACE};

/// The label on an `Inventory` that names its cloud.
pub const LABEL_INVENTORY: &str = "retune.dev/inventory-of";

/// The `CloudSync` kind.
#[must_use]
pub fn cloudsync_resource() -> Resource {
    own_resource("CloudSync", "cloudsyncs")
}

fn own_resource(kind: &str, plural: &str) -> Resource {
    Resource {
        group: GROUP.into(),
        version: VERSION.into(),
        kind: kind.into(),
        plural: plural.into(),
        namespaced: true,
        watchable: true,
    }
}

fn own_path(plural: &str, name: &str) -> String {
    format!("/apis/{GROUP}/{VERSION}/namespaces/{SYSTEM_NAMESPACE}/{plural}/{}", escape(name))
}

fn own_collection(plural: &str) -> String {
    format!("/apis/{GROUP}/{VERSION}/namespaces/{SYSTEM_NAMESPACE}/{plural}")
}

/// The uid of the namespace kube-system: the cluster's identity.
///
/// # Errors
/// As [`Client::request`].
pub async fn cluster_uid(client: &Client) -> Result<String, ApiError> {
    let namespace: Value = client.get("/api/v1/namespaces/kube-system").await?;
    Ok(namespace["metadata"]["uid"].as_str().unwrap_or_default().to_owned())
}

/// One cloud's `CloudSync`, `None` if there is none.
///
/// # Errors
/// As [`Client::request`]; [`ErrorKind::NotServing`] when retune's CRDs are not installed.
pub async fn get_cloudsync(client: &Client, name: &str) -> Result<Option<CloudSync>, ApiError> {
    client.get_opt(&own_path("cloudsyncs", name)).await
}

/// Creates a `CloudSync`; somebody else's that came first is an error.
///
/// # Errors
/// As [`Client::request`].
pub async fn create_cloudsync(
    client: &Client,
    name: &str,
    spec: &CloudSyncSpec,
) -> Result<CloudSync, ApiError> {
    let body = json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": "CloudSync",
        "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE}, "spec": spec});
    let what = || format!("create CloudSync {name}");
    write(client, &what, Call::json(Method::POST, &own_collection("cloudsyncs"), body.to_string())).await
}

/// Changes fields of a `CloudSync`'s spec (JSON merge patch: `null` removes).
///
/// # Errors
/// As [`Client::request`].
pub async fn patch_cloudsync_spec(client: &Client, name: &str, spec: &Value) -> Result<CloudSync, ApiError> {
    let what = || format!("change CloudSync {name}");
    let path = own_path("cloudsyncs", name);
    write(client, &what, Call::patch(&path, MERGE_PATCH, json!({"spec": spec}).to_string())).await
}

/// Sets a `CloudSync`'s finalizers, if it is still the one that was looked at.
///
/// # Errors
/// As [`Client::request`].
pub async fn set_cloudsync_finalizers(
    client: &Client,
    name: &str,
    version: &str,
    finalizers: &[String],
) -> Result<(), ApiError> {
    let what = || format!("finalizers of CloudSync {name}");
    let patch = json!({"metadata": {"finalizers": finalizers, "resourceVersion": version}});
    let path = own_path("cloudsyncs", name);
    client.request(Purpose::Own, &what, Call::patch(&path, MERGE_PATCH, patch.to_string())).await.map(|_| ())
}

/// The names of all clouds of this cluster, as they stand on labels; none where retune is not installed.
///
/// # Errors
/// As [`Client::request`].
pub async fn cloud_names(client: &Client) -> Result<std::collections::BTreeSet<String>, ApiError> {
    let found = client.get_opt::<Value>(&own_collection("cloudsyncs")).await?.unwrap_or_default();
    let items = found["items"].as_array().cloned().unwrap_or_default();
    let name = |c: &Value| c["spec"]["cloud"].as_str().or(c["metadata"]["name"].as_str()).map(str::to_owned);
    Ok(items.iter().filter_map(name).collect())
}

/// Replaces a `CloudSync`'s status.
///
/// # Errors
/// As [`Client::request`].
pub async fn put_cloudsync_status(
    client: &Client,
    name: &str,
    status: &CloudSyncStatus,
) -> Result<(), ApiError> {
    let what = || format!("status of CloudSync {name}");
    let path = format!("{}/status?fieldManager={MANAGER}", own_path("cloudsyncs", name));
    // Absent fields of a merge patch stay: fields that are empty now are named as null.
    let mut patch = serde_json::to_value(CloudSyncStatus::default()).unwrap_or_default();
    for field in [
        "cluster",
        "cloudId",
        "seenRevision",
        "revision",
        "syncedRevision",
        "readyRevision",
        "ready",
        "notReady",
        "withheld",
        "pinned",
        "holds",
        "drift",
        "drifted",
        "yielded",
        "overridden",
        "fights",
        "hooks",
        "deleting",
        "orphans",
        "adoption",
        "test",
        "secrets",
        "rotation",
        "handledRequest",
        "usedApprovals",
        "conditions",
    ] {
        patch[field] = Value::Null;
    }
    if let (Some(into), Ok(Value::Object(now))) = (patch.as_object_mut(), serde_json::to_value(status)) {
        into.extend(now);
    }
    let call = Call::patch(&path, MERGE_PATCH, json!({"status": patch}).to_string());
    client.request(Purpose::Own, &what, call).await.map(|_| ())
}

async fn write<T: serde::de::DeserializeOwned>(
    client: &Client,
    what: &(dyn Fn() -> String + Sync),
    call: Call<'_>,
) -> Result<T, ApiError> {
    let body = client.request(Purpose::Own, what, call).await?;
    serde_json::from_slice(&body).map_err(|e| ApiError::unreadable(what(), e.to_string()))
}

#[derive(Deserialize)]
struct InventoryList {
    metadata: ListMeta,
    #[serde(default)]
    items: Option<Vec<Inventory>>,
}
#[derive(Deserialize)]
struct ListMeta {
    #[serde(default, rename = "continue")]
    token: String,
}

/// Every shard of a cloud's inventory.
///
/// # Errors
/// Any page's error: a list is whole or it is an error.
pub async fn list_inventory(client: &Client, cloud: &str) -> Result<Vec<Inventory>, ApiError> {
    let mut out = Vec::new();
    let mut token = String::new();
    loop {
        let selector = escape(&format!("{LABEL_INVENTORY}={cloud}"));
        // A shard has up to a thousand entries: few per page.
        let mut path = format!("{}?labelSelector={selector}&limit=50", own_collection("inventories"));
        if !token.is_empty() {
            path.push_str(&format!("&continue={}", escape(&token)));
        }
        let page: InventoryList = client.get(&path).await?;
        out.extend(page.items.unwrap_or_default());
        token = page.metadata.token;
        if token.is_empty() {
            return Ok(out);
        }
    }
}

/// Merges into a shard's spec, creating the shard if it is not there.
///
/// # Errors
/// As [`Client::request`].
pub async fn merge_inventory(client: &Client, cloud: &str, name: &str, spec: &Value) -> Result<(), ApiError> {
    let what = || format!("inventory {name}");
    let path = own_path("inventories", name);
    let patch = json!({"spec": spec}).to_string();
    match client.request(Purpose::Own, &what, Call::patch(&path, MERGE_PATCH, patch)).await {
        Err(error) if error.kind == ErrorKind::NotFound => {}
        other => return other.map(|_| ()),
    }
    let mut spec = spec.clone();
    strip_nulls(&mut spec);
    let body = json!({"apiVersion": format!("{GROUP}/{VERSION}"), "kind": "Inventory", "metadata": {"name": name,
        "namespace": SYSTEM_NAMESPACE, "labels": {LABEL_INVENTORY: cloud}}, "spec": spec});
    let collection = own_collection("inventories");
    let call = Call::json(Method::POST, &collection, body.to_string());
    client.request(Purpose::Own, &what, call).await.map(|_| ())
}

fn strip_nulls(value: &mut Value) {
    if let Value::Object(map) = value {
        map.retain(|_, v| !v.is_null());
        map.values_mut().for_each(strip_nulls);
    }
}

/// Deletes a shard that holds nothing any more.
///
/// # Errors
/// As [`Client::request`].
pub async fn delete_inventory(client: &Client, name: &str) -> Result<(), ApiError> {
    let what = || format!("delete inventory {name}");
    let path = own_path("inventories", name);
    let mut call = Call::get(&path);
    call.method = Method::DELETE;
    match client.request(Purpose::Own, &what, call).await {
        Err(error) if error.kind != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// The per-cloud key, if it has been made: for those who only look.
///
/// # Errors
/// As [`Client::request`]; [`ErrorKind::Invalid`] if the Secret does not hold a key.
pub async fn existing_cloud_key(client: &Client, cloud: &str) -> Result<Option<[u8; 32]>, ApiError> {
    use base64::Engine as _;
    let name = key_name(cloud);
    let path = format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets/{}", escape(&name));
    let Some(secret) = client.get_opt::<Value>(&path).await? else { return Ok(None) };
    let bytes = secret["data"]["key"]
        .as_str()
        .and_then(|text| base64::engine::general_purpose::STANDARD.decode(text).ok());
    bytes.and_then(|b| b.try_into().ok()).map(Some).ok_or_else(|| ApiError {
        kind: ErrorKind::Invalid,
        what: format!("Secret {SYSTEM_NAMESPACE}/{name}"),
        message: "has no 32-byte data.key; delete the Secret and put the key back with `retune key import` (charts' \
                  random text and the ledger's encryption depend on it)"
            .into(),
        status: 0,
        causes: Vec::new(),
        retry_after: None,
    })
}

/// The name of the Secret with a cloud's key.
#[must_use]
pub fn key_name(cloud: &str) -> String {
    format!("retune-key-{cloud}")
}

/// What charts' random text is derived from: another key than the one that seals the ledger (DESIGN §9).
#[must_use]
pub fn render_seed(cloud_key: &[u8; 32]) -> [u8; 32] {
    *crate::cloud::Digest::of_parts([b"retune.dev/render-seed".as_slice(), cloud_key.as_slice()]).as_bytes()
}

/// Puts a key into the cluster where there is none.
///
/// # Errors
/// As [`Client::request`]; [`ErrorKind::Conflict`] when there is one.
pub async fn put_cloud_key(client: &Client, cloud: &str, key: &[u8; 32]) -> Result<(), ApiError> {
    use base64::Engine as _;
    let name = key_name(cloud);
    let body = json!({"apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": name, "namespace": SYSTEM_NAMESPACE},
        "data": {"key": base64::engine::general_purpose::STANDARD.encode(key)}});
    let what = || format!("create Secret {name}");
    let collection = format!("/api/v1/namespaces/{SYSTEM_NAMESPACE}/secrets");
    let call = Call::json(Method::POST, &collection, body.to_string());
    client.request(Purpose::Own, &what, call).await.map(|_| ())
}

/// The per-cloud key: 32 random bytes in the Secret `retune-key-CLOUD`, created once and never overwritten.
///
/// # Errors
/// As [`Client::request`]; a Secret without a usable key is an error that says so.
pub async fn cloud_key(client: &Client, cloud: &str) -> Result<[u8; 32], ApiError> {
    for _ in 0..3 {
        if let Some(key) = existing_cloud_key(client, cloud).await? {
            return Ok(key);
        }
        let mut key = [0_u8; 32];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut key)
            .map_err(|_| ApiError::unreadable("per-cloud key", "the system gives no random bytes"))?;
        match put_cloud_key(client, cloud, &key).await {
            Ok(()) => return Ok(key),
            Err(error) if error.kind == ErrorKind::Conflict => {}
            Err(error) => return Err(error),
        }
    }
    Err(ApiError::unreadable("per-cloud key", "the Secret comes and goes"))
}
