//! The rule for kinds without one of their own: the conditions that Kubernetes' API conventions suggest.

use serde_json::Value;

use super::Verdict;

/// A condition of an object: status, reason and message.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<(&'a str, String)> {
    let list = object.pointer("/status/conditions")?.as_array()?;
    let found = list.iter().find(|c| c["type"] == kind)?;
    let text = |name: &str| found[name].as_str().unwrap_or_default();
    let message = match (text("reason"), text("message")) {
        ("", message) => message.to_owned(),
        (reason, "") => reason.to_owned(),
        (reason, message) => format!("{reason}: {message}"),
    };
    Some((found["status"].as_str().unwrap_or_default(), message))
}

/// Ready once that condition is true.
pub(super) fn condition_true(object: &Value, kind: &str) -> Verdict {
    match condition(object, kind) {
        Some(("True", _)) => Verdict::ready(),
        Some((_, message)) => Verdict::progressing(format!("{kind} is not true yet: {message}")),
        None => Verdict::progressing(format!("has no condition {kind} yet")),
    }
}

/// `Stalled`, `Reconciling`, then `Ready` or `Available`; an object that reports none of them is ready once observed.
pub(super) fn judge(object: &Value) -> Verdict {
    if let Some(("True", message)) = condition(object, "Stalled") {
        return Verdict::failed(message);
    }
    if let Some(("True", message)) = condition(object, "Reconciling") {
        return Verdict::progressing(message);
    }
    for kind in ["Ready", "Available"] {
        match condition(object, kind) {
            Some(("True", _)) => return Verdict::ready(),
            Some((_, message)) => return Verdict::progressing(format!("{kind} is not true yet: {message}")),
            None => {}
        }
    }
    Verdict::ready()
}
