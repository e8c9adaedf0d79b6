//! What a pod's status says about why it is not ready. Pure.

use serde_json::Value;

/// The container that a pod waits for, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Focus {
    /// Its name.
    pub name: String,
    /// Whether it is an init container.
    pub init: bool,
    /// `CrashLoopBackOff: ...`, `exit code 1 (Error)`, `runs and is not ready`, `has not started`.
    pub why: String,
    /// Whether the log of the run before this one tells more.
    pub previous: bool,
    /// Whether it ever ran.
    pub ran: bool,
}

/// Whether a pod is ready, or came to its end well.
#[must_use]
pub fn is_ready(pod: &Value) -> bool {
    let condition =
        pod["status"]["conditions"].as_array().into_iter().flatten().find(|c| c["type"] == "Ready");
    pod["status"]["phase"] == "Succeeded" || condition.is_some_and(|c| c["status"] == "True")
}

/// Why a pod as a whole does not run: it is not scheduled, or being deleted; its phase otherwise.
#[must_use]
pub fn why(pod: &Value) -> String {
    let status = &pod["status"];
    let conditions = || status["conditions"].as_array().into_iter().flatten();
    if pod["metadata"]["deletionTimestamp"].is_string() {
        return "is being deleted".into();
    }
    if let Some(unscheduled) = conditions().find(|c| c["type"] == "PodScheduled" && c["status"] == "False") {
        return format!("is not scheduled: {}", text(&unscheduled["message"]));
    }
    let phase = status["phase"].as_str().unwrap_or("Unknown");
    match (status["reason"].as_str(), status["message"].as_str()) {
        (Some(reason), Some(message)) => format!("{phase}: {reason}: {message}"),
        (Some(reason), None) => format!("{phase}: {reason}"),
        _ => phase.to_owned(),
    }
}

/// The first container that holds the pod up: init containers in their order, then the others.
#[must_use]
pub fn focus(pod: &Value) -> Option<Focus> {
    let list = |field: &str| pod["spec"][field].as_array().cloned().unwrap_or_default();
    for container in list("initContainers") {
        let sidecar = container["restartPolicy"] == "Always";
        let status = status_of(pod, "initContainerStatuses", &container);
        let done = status.is_some_and(|s| {
            s["state"]["terminated"]["exitCode"] == 0 || sidecar && s["started"] == Value::Bool(true)
        });
        if !done {
            return Some(stand(&container, status, true));
        }
    }
    let waiting = |c: &&Value| {
        status_of(pod, "containerStatuses", c)
            .is_none_or(|s| s["ready"] != Value::Bool(true) && s["state"]["terminated"]["exitCode"] != 0)
    };
    let containers = list("containers");
    let first = containers.iter().find(waiting)?;
    Some(stand(first, status_of(pod, "containerStatuses", first), false))
}

fn status_of<'a>(pod: &'a Value, field: &str, container: &Value) -> Option<&'a Value> {
    pod["status"][field].as_array()?.iter().find(|s| s["name"] == container["name"])
}

fn stand(container: &Value, status: Option<&Value>, init: bool) -> Focus {
    let state = status.map(|s| &s["state"]);
    let before = status.map(|s| &s["lastState"]["terminated"]).filter(|t| t.is_object());
    let restarts = status.and_then(|s| s["restartCount"].as_u64()).unwrap_or(0);
    let mut why = match state {
        Some(state) if state["waiting"].is_object() => {
            let waiting = &state["waiting"];
            match (text(&waiting["reason"]), text(&waiting["message"])) {
                ("", _) => "has not started".to_owned(),
                (reason, "") => reason.to_owned(),
                (reason, message) => format!("{reason}: {message}"),
            }
        }
        Some(state) if state["terminated"].is_object() => ended(&state["terminated"]),
        Some(state) if state["running"].is_object() => {
            let what = if init { "still runs" } else { "runs and is not ready" };
            format!("{what}, since {}", text(&state["running"]["startedAt"]))
        }
        _ => "has not started".to_owned(),
    };
    if let Some(before) = before {
        why.push_str(&format!("; before: {}", ended(before)));
    }
    if restarts > 0 {
        why.push_str(&format!("; {restarts} restarts"));
    }
    let ran =
        before.is_some() || state.is_some_and(|s| s["running"].is_object() || s["terminated"].is_object());
    let previous = before.is_some() && state.is_some_and(|s| s["waiting"].is_object());
    Focus { name: text(&container["name"]).to_owned(), init, why, previous, ran }
}

fn ended(terminated: &Value) -> String {
    let code = terminated["exitCode"].as_i64().unwrap_or_default();
    match (text(&terminated["reason"]), text(&terminated["message"])) {
        ("", "") => format!("exit code {code}"),
        (reason, "") => format!("exit code {code} ({reason})"),
        (reason, message) => format!("exit code {code} ({reason}: {message})"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_first_init_container_that_is_not_done_holds_the_pod_up() {
        let pod = json!({"spec": {"initContainers": [{"name": "one"}, {"name": "two"}], "containers": [{"name": "main"}]},
            "status": {"phase": "Pending", "initContainerStatuses": [
                {"name": "one", "state": {"terminated": {"exitCode": 0}}},
                {"name": "two", "state": {"running": {"startedAt": "2026-11-22T11:00:00Z"}}}]}});
        let found = focus(&pod).unwrap();
        assert!(found.init && found.ran && found.name == "two");
        assert_eq!(found.why, "still runs, since 2026-11-22T11:00:00Z");
    }

    #[test]
    fn a_crash_loop_tells_the_run_before_and_a_pod_without_status_has_not_started() {
        let pod = json!({"spec": {"containers": [{"name": "main"}]}, "status": {"containerStatuses": [
            {"name": "main", "ready": false, "restartCount": 4, "lastState": {"terminated": {"exitCode": 1, "reason": "Error"}},
             "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}}}]}});
        let found = focus(&pod).unwrap();
        assert_eq!(found.why, "CrashLoopBackOff: back-off 40s; before: exit code 1 (Error); 4 restarts");
        assert!(found.previous);
        let bare = json!({"spec": {"containers": [{"name": "main"}]}, "status": {"phase": "Pending"}});
        assert_eq!(focus(&bare).unwrap().why, "has not started");
        let ready = json!({"spec": {"containers": [{"name": "main"}]}, "status": {"containerStatuses": [
            {"name": "main", "ready": true, "state": {"running": {}}}]}});
        assert_eq!(focus(&ready), None);
    }
}
