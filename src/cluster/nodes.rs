//! Labels and annotations of nodes: what a node has, what of it is retune's, and the apply that changes it.
//!
//! Each cloud has a field manager of its own for nodes (`retune-nodes-CLOUD`), so that two clouds of one cluster do not take away
//! each other's. An apply names the uid of the node it was made for: a node that is gone is not created.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::MANAGER;
use super::client::{APPLY_PATCH, Call, Client, Purpose};
use super::discovery::Resource;
use super::error::ApiError;
use super::fields::{self, Entry, Lost};
use super::meta::Meta;
use super::watch::Digest;
use crate::plan::nodes::NodeFacts;

/// The field manager of a cloud's labels and annotations.
#[must_use]
pub fn manager(cloud: &str) -> String {
    format!("retune-nodes-{cloud}")
}

#[derive(Deserialize)]
struct Outer {
    metadata: Metadata,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Metadata {
    labels: std::collections::BTreeMap<String, String>,
    annotations: std::collections::BTreeMap<String, String>,
    managed_fields: Vec<Entry>,
}

/// What a watch keeps of a node.
#[must_use]
pub fn digest(cloud: &str) -> Digest<NodeFacts> {
    let manager = manager(cloud);
    std::sync::Arc::new(move |node: &RawValue| {
        let Outer { metadata } = serde_json::from_str(node.get()).ok()?;
        let own = metadata.managed_fields.iter().find(|e| is_own(e, &manager));
        let set: Value = own
            .and_then(|e| e.fields.as_ref())
            .and_then(|f| serde_json::from_str(f.get()).ok())
            .unwrap_or_default();
        let keys = |field: &str| -> BTreeSet<String> {
            let fields = set.pointer(&format!("/f:metadata/f:{field}")).and_then(Value::as_object);
            fields
                .into_iter()
                .flat_map(|m| m.keys())
                .filter_map(|k| k.strip_prefix("f:"))
                .map(str::to_owned)
                .collect()
        };
        Some(NodeFacts {
            own_labels: keys("labels"),
            own_annotations: keys("annotations"),
            labels: metadata.labels,
            annotations: metadata.annotations,
        })
    })
}

fn is_own(entry: &Entry, manager: &str) -> bool {
    entry.manager == manager && entry.operation == "Apply" && entry.subresource.is_empty()
}

/// Who took what of an applied body.
#[must_use]
pub fn lost(cloud: &str, body: &Value, entries: &[Entry]) -> Vec<Lost> {
    let manager = manager(cloud);
    let mut entries = entries.to_vec();
    // The comparison is by the name that retune has elsewhere.
    for entry in &mut entries {
        if is_own(entry, &manager) {
            entry.manager = MANAGER.to_owned();
        } else if is_own(entry, MANAGER) {
            entry.manager = format!("{MANAGER} (another)");
        }
    }
    fields::lost(body, &entries)
}

/// Applies labels and annotations to the node of that uid; gives the resourceVersion that it has then.
///
/// # Errors
/// [`super::ErrorKind::Conflict`] when the node is gone or another one.
pub async fn apply(
    client: &Client,
    resource: &Resource,
    cloud: &str,
    node: &str,
    body: &Value,
) -> Result<u64, ApiError> {
    let path = format!(
        "{}?fieldManager={}&fieldValidation=Strict&force=true",
        resource.object("", node),
        manager(cloud)
    );
    let what = || format!("apply labels and annotations of node {node}");
    let call = Call::patch(&path, APPLY_PATCH, body.to_string()).meta();
    let answer = client.request(Purpose::Apply, &what, call).await?;
    Ok(Meta::read(&what(), &answer)?.rv)
}
