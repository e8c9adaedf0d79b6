//! Kubernetes Events about a cloud (`events.k8s.io/v1`), in `retune-system`, about its `CloudSync`.

use http::Method;
use serde_json::json;

use super::client::{Call, Client, Purpose};
use super::crd::{GROUP, VERSION};
use super::error::ApiError;
use super::{SYSTEM_NAMESPACE, time};

/// One Event.
#[derive(Debug, Clone)]
pub struct EventNote {
    /// `Normal` or `Warning`.
    pub warning: bool,
    /// One word, e.g. `Synced`, `DriftCorrected`.
    pub reason: &'static str,
    /// For people; cut at 1,000 characters (the server's limit is 1,024).
    pub note: String,
}

/// Writes an Event about a `CloudSync`.
///
/// # Errors
/// As [`Client::request`].
pub async fn write(client: &Client, cloudsync: &str, uid: &str, event: &EventNote) -> Result<(), ApiError> {
    let note: String = event.note.chars().take(1_000).collect();
    let body = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event",
        "metadata": {"generateName": format!("{cloudsync}-"), "namespace": SYSTEM_NAMESPACE},
        "eventTime": time::now_micro(), "type": if event.warning { "Warning" } else { "Normal" },
        "reason": event.reason, "action": event.reason, "note": note,
        "reportingController": "retune.dev/retune", "reportingInstance": "retune",
        "regarding": {"apiVersion": format!("{GROUP}/{VERSION}"), "kind": "CloudSync", "name": cloudsync,
            "namespace": SYSTEM_NAMESPACE, "uid": uid}});
    let path = format!("/apis/events.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/events");
    let what = || "write an Event".to_owned();
    client.request(Purpose::Own, &what, Call::json(Method::POST, &path, body.to_string())).await.map(|_| ())
}
