//! Why a pod did not do its work: the last lines of its log and its events. For failed hooks and `retune why`.
//!
//! What is read here may hold secrets; callers mask it ([`crate::plan::mask`]) before it leaves the process.

use std::time::Duration;

use serde_json::Value;

use super::client::{Call, Client, Purpose};
use super::discovery::escape;
use super::error::ApiError;
use super::fields::epoch_seconds;
use crate::cloud::ObjectId;

/// How many lines of a log are told.
const LINES: usize = 10;
/// How much of a log is read.
const BYTES: usize = 16 << 10;
/// How many events are told.
const EVENTS: usize = 5;
/// How long one question may take: a kubelet that does not answer must not hold anything up.
const PATIENCE: Duration = Duration::from_secs(5);

/// What a pod said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// The pod.
    pub pod: String,
    /// The container whose log it is.
    pub container: String,
    /// The last lines.
    pub lines: Vec<String>,
    /// Why there are none.
    pub no_log: Option<String>,
    /// Warnings about the pod or its owner, newest last: `FailedScheduling: 0/3 nodes are available`.
    pub events: Vec<String>,
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut parts = Vec::new();
        if !self.lines.is_empty() {
            parts.push(format!(
                "last lines of pod {} ({}): {}",
                self.pod,
                self.container,
                self.lines.join(" | ")
            ));
        }
        if let Some(why) = &self.no_log {
            parts.push(why.clone());
        }
        if !self.events.is_empty() {
            parts.push(format!("events: {}", self.events.join(" | ")));
        }
        f.write_str(&parts.join("; "))
    }
}

/// What the pods of a Job, or a Pod, said last. Never fails: what cannot be read is told as such.
pub async fn of_workload(client: &Client, id: &ObjectId) -> Told {
    let namespace = id.namespace.as_deref().unwrap_or("");
    let mut told = Told::default();
    let pods = if id.is("", "Pod") {
        let path = format!("/api/v1/namespaces/{namespace}/pods/{}", escape(&id.name));
        ask(client, &path).await.map(|pod| vec![pod])
    } else {
        let selector = escape(&format!("batch.kubernetes.io/job-name={}", id.name));
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}&limit=50");
        ask(client, &path).await.map(|list| list["items"].as_array().cloned().unwrap_or_default())
    };
    match pods {
        Err(error) => told.no_log = Some(format!("its pods could not be read: {error}")),
        Ok(pods) => {
            match pods.iter().max_by_key(|p| p["metadata"]["creationTimestamp"].as_str().map(str::to_owned)) {
                None => told.no_log = Some("it has no pod".into()),
                Some(pod) => of_pod(client, namespace, pod, &mut told).await,
            }
        }
    }
    told.events.extend(warnings_of(client, namespace, &id.name).await);
    told
}

/// The last lines of the container of a pod that matters most, and the pod's events.
pub async fn of_pod(client: &Client, namespace: &str, pod: &Value, told: &mut Told) {
    told.pod = pod["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    told.container = troubled(pod);
    match log(client, namespace, &told.pod, &told.container, false).await {
        Ok(lines) if lines.is_empty() => told.no_log = Some(format!("pod {} wrote nothing", told.pod)),
        Ok(lines) => told.lines = lines,
        Err(error) => {
            told.no_log = Some(format!("the log of pod {} could not be read: {}", told.pod, error.message))
        }
    }
    told.events.extend(warnings_of(client, namespace, &told.pod).await);
}

/// The container that failed, or waits, or else the first one; init containers come first.
#[must_use]
pub fn troubled(pod: &Value) -> String {
    let statuses = ["initContainerStatuses", "containerStatuses"];
    let all = || statuses.iter().flat_map(|f| pod["status"][f].as_array().into_iter().flatten());
    let failed = |s: &&Value| {
        ["state", "lastState"].iter().any(|f| s[f]["terminated"]["exitCode"].as_i64().is_some_and(|c| c != 0))
    };
    let runs = |s: &&Value| s["state"].get("running").is_some() && s["ready"] != Value::Bool(true);
    let found = all().find(failed).or_else(|| all().find(runs));
    let named =
        found.and_then(|s| s["name"].as_str()).or_else(|| pod["spec"]["containers"][0]["name"].as_str());
    named.unwrap_or_default().to_owned()
}

/// The last lines of one container's log; with `previous`, of the run before this one.
///
/// # Errors
/// As [`Client::request`]; a kubelet that does not answer within seconds is an error.
pub async fn log(
    client: &Client,
    namespace: &str,
    pod: &str,
    container: &str,
    previous: bool,
) -> Result<Vec<String>, ApiError> {
    let path = format!(
        "/api/v1/namespaces/{namespace}/pods/{}/log?container={}&tailLines={LINES}&limitBytes={BYTES}{}",
        escape(pod),
        escape(container),
        if previous { "&previous=true" } else { "" }
    );
    let mut call = Call::get(&path);
    call.accept = "*/*";
    let what = || format!("log of pod {namespace}/{pod}");
    let answer = tokio::time::timeout(PATIENCE, client.request(Purpose::Read, &what, call)).await;
    let bytes = answer.unwrap_or_else(|_| Err(ApiError::unreadable(what(), "no answer within 5 seconds")))?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().map(|l| l.chars().take(500).collect()).collect())
}

/// A GET that gives up after seconds.
pub(crate) async fn ask(client: &Client, path: &str) -> Result<Value, ApiError> {
    tokio::time::timeout(PATIENCE, client.get::<Value>(path))
        .await
        .unwrap_or_else(|_| Err(ApiError::unreadable(path, "no answer within 5 seconds")))
}

/// The Events about an object, oldest first; `field` is `name` or `uid`.
///
/// # Errors
/// As [`Client::request`].
pub(crate) async fn events(
    client: &Client,
    namespace: &str,
    field: &str,
    is: &str,
) -> Result<Vec<Value>, ApiError> {
    let namespace = if namespace.is_empty() { "default" } else { namespace };
    let selector = escape(&format!("involvedObject.{field}={is}"));
    let path = format!("/api/v1/namespaces/{namespace}/events?fieldSelector={selector}&limit=200");
    let mut list = ask(client, &path).await?;
    let mut items = list["items"].as_array_mut().map(std::mem::take).unwrap_or_default();
    items.sort_by_key(seen_at);
    Ok(items)
}

fn seen_at(event: &Value) -> i64 {
    let times = [&event["lastTimestamp"], &event["eventTime"], &event["metadata"]["creationTimestamp"]];
    times.iter().filter_map(|t| epoch_seconds(t.as_str()?)).max().unwrap_or(0)
}

/// An Event as a line: `FailedScheduling: 0/3 nodes are available`, with how often it was seen.
pub(crate) fn event_line(event: &Value) -> String {
    let text = |field: &str| event[field].as_str().unwrap_or_default();
    let count = event["count"].as_u64().filter(|n| *n > 1).map(|n| format!(" ({n}x)")).unwrap_or_default();
    let message: String = text("message").chars().take(300).collect();
    format!("{}{count}: {}", text("reason"), message.trim())
}

/// The last warnings; none if they may not be read, because the log says more.
async fn warnings_of(client: &Client, namespace: &str, name: &str) -> Vec<String> {
    let mut events = events(client, namespace, "name", name).await.unwrap_or_default();
    events.retain(|e| e["type"] == "Warning");
    events.iter().skip(events.len().saturating_sub(EVENTS)).map(event_line).collect()
}

/// Whether the server has Events about an object since a time: evidence that it existed.
///
/// # Errors
/// As [`Client::request`].
pub async fn has_events_since(client: &Client, id: &ObjectId, seconds: i64) -> Result<bool, ApiError> {
    let events = events(client, id.namespace.as_deref().unwrap_or_default(), "name", &id.name).await?;
    Ok(events.iter().any(|e| e["involvedObject"]["kind"] == *id.kind && seen_at(e) >= seconds))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_failed_container_is_asked_first_and_init_containers_before_others() {
        let terminated = |code: i64| json!({"terminated": {"exitCode": code}});
        let pod = json!({"spec": {"containers": [{"name": "main"}]}, "status": {
            "initContainerStatuses": [{"name": "init", "state": terminated(1)}],
            "containerStatuses": [{"name": "main", "state": {"waiting": {}}}]}});
        assert_eq!(troubled(&pod), "init");
        let pod = json!({"spec": {"containers": [{"name": "main"}]}, "status": {}});
        assert_eq!(troubled(&pod), "main");
    }
}
