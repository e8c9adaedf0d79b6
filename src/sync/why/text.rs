//! An explanation as text, and what must not be in it. Pure.

use base64::Engine as _;
use serde_json::Value;

use super::Reason;

/// What stands for a secret.
const MASKED: &str = "<masked>";
/// Shorter values are no secrets, and would blot out half of a log.
const SHORTEST: usize = 4;
/// How many Events are told.
const EVENTS: usize = 5;

/// The values that must not be shown.
#[derive(Debug, Default)]
pub struct Mask {
    values: Vec<String>,
    /// How many Secrets could not be read: logs are left out then.
    pub unread: usize,
}

impl Mask {
    /// Takes a Secret's values, as they are and in base64.
    pub fn learn(&mut self, secret: &Value) {
        for value in secret["data"].as_object().into_iter().flat_map(|m| m.values()).filter_map(Value::as_str)
        {
            let bytes = base64::engine::general_purpose::STANDARD.decode(value).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes).into_owned();
            for part in text.lines().chain([value]) {
                let part = part.trim();
                if part.len() >= SHORTEST {
                    self.values.push(part.to_owned());
                }
            }
        }
        // A longer value may contain a shorter one.
        self.values.sort_by_key(|v| std::cmp::Reverse(v.len()));
        self.values.dedup();
    }

    /// A text without the values, and without the password of a URL.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for value in &self.values {
            if out.contains(value.as_str()) {
                out = out.replace(value.as_str(), MASKED);
            }
        }
        let mut from = 0;
        while let Some(at) = out[from..].find("://").map(|n| from + n + 3) {
            let end = out[at..]
                .find(|c: char| c.is_whitespace() || "/\"'".contains(c))
                .map_or(out.len(), |n| at + n);
            from = at;
            if let Some(host) = out[at..end].rfind('@')
                && let Some(colon) = out[at..at + host].find(':')
            {
                out.replace_range(at + colon + 1..at + host, MASKED);
            }
        }
        out
    }

    /// Masks an explanation, whole.
    pub fn reason(&self, reason: &mut Reason) {
        reason.why = self.text(&reason.why);
        if self.unread > 0 && !reason.log.is_empty() {
            reason.log = vec!["(left out: not all Secrets of the app may be read)".to_owned()];
        }
        for line in reason.log.iter_mut().chain(&mut reason.events) {
            *line = self.text(line);
        }
        for inner in &mut reason.because {
            self.reason(inner);
        }
    }
}

/// The last Events as lines, warnings first: `Warning FailedScheduling (3x): ...`.
#[must_use]
pub fn events(items: &[Value]) -> Vec<String> {
    let when = |e: &Value| {
        let times = [&e["lastTimestamp"], &e["eventTime"], &e["metadata"]["creationTimestamp"]];
        times.into_iter().find_map(Value::as_str).unwrap_or_default().to_owned()
    };
    let mut items: Vec<&Value> = items.iter().collect();
    items.sort_by_key(|e| (e["type"] == "Warning", when(e)));
    let last = items.iter().rev().take(EVENTS);
    last.map(|e| {
        let text = |field: &str| e[field].as_str().unwrap_or_default();
        let count = e["count"].as_u64().filter(|n| *n > 1).map(|n| format!(" ({n}x)")).unwrap_or_default();
        let message: String = text("message").chars().take(300).collect();
        format!("{} {}{count}: {}", text("type"), text("reason"), message.trim())
    })
    .collect()
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
    fn secret_values_do_not_leave() {
        let mut mask = Mask::default();
        mask.learn(&json!({"data": {"password": "aHVudGVyMg==", "short": "YQ=="}}));
        assert_eq!(mask.text("login with hunter2 a (aHVudGVyMg==)"), "login with <masked> a (<masked>)");
        assert_eq!(mask.text("mysql://nova:other@db/nova"), "mysql://nova:<masked>@db/nova");
        assert_eq!(mask.text("http://db:3306/x and a:b"), "http://db:3306/x and a:b");
        mask.unread = 1;
        let mut reason = Reason { log: vec!["anything".into()], ..Reason::default() };
        mask.reason(&mut reason);
        assert!(reason.log[0].starts_with("(left out"));
    }

    #[test]
    fn warnings_come_first_and_a_tree_is_indented() {
        let event = |kind: &str, reason: &str, at: &str| json!({"type": kind, "reason": reason, "message": "m", "lastTimestamp": at, "count": 2});
        let all = [
            event("Normal", "Pulled", "2026-11-22T11:00:02Z"),
            event("Warning", "Failed", "2026-11-22T11:00:01Z"),
        ];
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
