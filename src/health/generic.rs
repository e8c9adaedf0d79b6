//! What holds for every kind: conditions that Kubernetes' API conventions suggest.

use serde_json::Value;

use super::Verdict;

/// A condition's reason and message.
pub(super) fn condition_text(condition: &Value) -> String {
    let text = |name: &str| condition[name].as_str().unwrap_or_default();
    match (text("reason"), text("message")) {
        ("", message) => message.to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    }
}

/// A condition of an object: status, and reason with message.
fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, String)> {
    let list = object.pointer("/status/conditions")?.as_array()?;
    let found = list.iter().find(|c| c["type"] == kind)?;
    Some((found["status"].as_str().unwrap_or_default(), condition_text(found)))
}

/// `Reconciling` and `Stalled`, before any rule of the kind: the first one listed decides.
pub(super) fn first(object: &Value) -> Option<Verdict> {
    let list = object.pointer("/status/conditions")?.as_array()?;
    list.iter().filter(|c| c["status"] == "True").find_map(|c| match c["type"].as_str() {
        Some("Stalled") => Some(Verdict::failed(condition_text(c))),
        Some("Reconciling") => Some(Verdict::progressing(condition_text(c))),
        _ => None,
    })
}

/// `Ready` or `Available`, for kinds without a rule; an object that reports neither is ready once observed.
pub(super) fn last(object: &Value) -> Verdict {
    for kind in ["Ready", "Available"] {
        match condition(object, kind) {
            Some(("True", _)) => return Verdict::ready(),
            Some((_, message)) => return Verdict::progressing(format!("{kind} is not true yet: {message}")),
            None => {}
        }
    }
    Verdict::ready()
}
