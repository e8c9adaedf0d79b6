//! An explanation as text, and what must not be in it. Pure.

use serde_json::Value;

use super::Reason;
use crate::cluster::logs::event_line;
use crate::plan::mask::Mask;

/// How many Events are told.
const EVENTS: usize = 5;

/// What must not be shown of an explanation.
#[derive(Debug, Default)]
pub struct Hidden {
    /// Secret values.
    pub values: Mask,
    /// How many Secrets could not be read: logs are left out then.
    pub unread: usize,
}

impl Hidden {
    /// Masks an explanation, whole.
    pub fn reason(&self, reason: &mut Reason) {
        reason.why = self.values.text(&reason.why);
        if self.unread > 0 && !reason.log.is_empty() {
            reason.log = vec!["(left out: not all Secrets of the app may be read)".to_owned()];
        }
        for line in reason.log.iter_mut().chain(&mut reason.events) {
            *line = self.values.text(line);
        }
        for inner in &mut reason.because {
            self.reason(inner);
        }
    }
}

/// The last Events as lines, warnings first: `Warning FailedScheduling (3x): ...`. They come oldest first.
#[must_use]
pub fn events(items: &[Value]) -> Vec<String> {
    let (warnings, others): (Vec<_>, Vec<_>) = items.iter().rev().partition(|e| e["type"] == "Warning");
    let line = |e: &Value| format!("{} {}", e["type"].as_str().unwrap_or_default(), event_line(e));
    warnings.into_iter().chain(others).take(EVENTS).map(line).collect()
}

/// The explanation as indented lines.
#[must_use]
pub fn lines(reason: &Reason) -> Vec<String> {
    let mut out = Vec::new();
    write(reason, 0, &mut out);
    out
}

fn write(reason: &Reason, depth: usize, out: &mut Vec<String>) {
    let pad = "  ".repeat(depth);
    out.push(format!("{pad}{}: {}", reason.what, reason.why));
    out.extend(reason.events.iter().map(|e| format!("{pad}  event: {e}")));
    out.extend(reason.log.iter().map(|l| format!("{pad}  log: {l}")));
    for inner in &reason.because {
        write(inner, depth + 1, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_log_is_left_out_when_not_all_that_it_may_hold_is_known() {
        let hidden = Hidden { unread: 1, ..Hidden::default() };
        let mut reason = Reason { log: vec!["anything".into()], ..Reason::default() };
        hidden.reason(&mut reason);
        assert!(reason.log[0].starts_with("(left out"));
    }

    #[test]
    fn warnings_come_first_and_a_tree_is_indented() {
        let event =
            |kind: &str, reason: &str| json!({"type": kind, "reason": reason, "message": "m", "count": 2});
        let all = [event("Warning", "Failed"), event("Normal", "Pulled")];
        assert_eq!(events(&all), ["Warning Failed (2x): m", "Normal Pulled (2x): m"]);
        let inner = Reason {
            what: "pod n/x".into(),
            why: "Pending".into(),
            log: vec!["one".into()],
            ..Reason::default()
        };
        let outer = Reason {
            what: "app a".into(),
            why: "progressing".into(),
            because: vec![inner],
            ..Reason::default()
        };
        assert_eq!(lines(&outer), ["app a: progressing", "  pod n/x: Pending", "    log: one"]);
    }
}
