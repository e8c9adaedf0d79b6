//! What the API server answered when it did not do what was asked, as one enum with a retry rule per kind.
//!
//! Classified from the HTTP status, the `reason` and the `details.causes` of the `Status` object
//! (<https://github.com/kubernetes/apimachinery/blob/master/pkg/apis/meta/v1/types.go>), and from the transport's error.

use std::time::Duration;

use serde::Deserialize;

pub use crate::backoff::{Backoff, jitter};

/// The kinds of failure, each with its retry rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The server is overloaded, restarting or unreachable and did not take the request: retried with backoff,
    /// `Retry-After` honoured, never counted against an app.
    Transient,
    /// The kind is not served yet, its namespace does not exist yet, or an admission webhook does not answer yet:
    /// retried with backoff until the app's timeout.
    NotServing,
    /// Another field manager owns a field and the apply was not forced, or a precondition (uid, resourceVersion) does
    /// not hold: looked at again, never repeated blindly.
    Conflict,
    /// A field that cannot be changed in place: recreated only where policy allows.
    Immutable,
    /// Forbidden or unauthenticated, by RBAC, by quota or by a webhook: reported; retried slowly, since permission may come.
    Denied,
    /// The object itself is wrong: reported; retried only when the desired state changes.
    Invalid,
    /// The connection ended after the request was sent: the server may have done it. Safe to repeat for applies.
    LostResponse,
    /// The object is not there (for reads and deletes).
    NotFound,
    /// The watch's or list's position is no longer kept by the server (410): listed again.
    Expired,
}

impl ErrorKind {
    /// Whether the same request may succeed later without anyone changing the desired state.
    #[must_use]
    pub fn is_retried(self) -> bool {
        matches!(
            self,
            Self::Transient | Self::NotServing | Self::LostResponse | Self::Denied | Self::Conflict
        )
    }

    /// The word used in status, ledger and logs.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::NotServing => "not serving yet",
            Self::Conflict => "conflict",
            Self::Immutable => "immutable",
            Self::Denied => "denied",
            Self::Invalid => "invalid",
            Self::LostResponse => "lost response",
            Self::NotFound => "not found",
            Self::Expired => "expired",
        }
    }
}

/// A failed request: what was asked, what came back.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}: {}{message}", status_prefix(*.status))]
pub struct ApiError {
    /// The class, which decides what happens next.
    pub kind: ErrorKind,
    /// The verb and the object or path, e.g. `apply Deployment keystone/api`.
    pub what: String,
    /// The server's message, or the transport's.
    pub message: String,
    /// The HTTP status; 0 when there was no response.
    pub status: u16,
    /// The fields and reasons that the server listed (conflicts: one per field).
    pub causes: Vec<Cause>,
    /// How long the server asked us to wait.
    pub retry_after: Option<Duration>,
}

fn status_prefix(status: u16) -> String {
    if status == 0 { String::new() } else { format!("{status}: ") }
}

/// One entry of a Status' `details.causes`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Cause {
    /// The machine-readable reason, e.g. `FieldManagerConflict`, `FieldValueInvalid`.
    #[serde(default)]
    pub reason: String,
    /// The human-readable message; for conflicts it names the other manager.
    #[serde(default)]
    pub message: String,
    /// The field's path.
    #[serde(default)]
    pub field: String,
}

#[derive(Deserialize, Default)]
struct Status {
    #[serde(default)]
    message: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    details: Option<Details>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Details {
    #[serde(default)]
    causes: Vec<Cause>,
    #[serde(default)]
    retry_after_seconds: Option<u64>,
}

impl ApiError {
    /// From an HTTP answer that is not a success.
    #[must_use]
    pub fn from_response(what: String, status: u16, retry_after: Option<u64>, body: &[u8]) -> Self {
        let parsed: Status = serde_json::from_slice(body).unwrap_or_default();
        let details = parsed.details.unwrap_or_default();
        let message = if parsed.message.is_empty() {
            let text = String::from_utf8_lossy(body);
            text.chars().take(300).collect::<String>().trim().to_owned()
        } else {
            parsed.message
        };
        let kind = classify(status, &parsed.reason, &message, &details.causes);
        let retry_after = retry_after.or(details.retry_after_seconds).map(Duration::from_secs);
        Self { kind, what, message, status, causes: details.causes, retry_after }
    }

    /// From a failure of the transport. `sent` says whether the server may have acted.
    #[must_use]
    pub fn from_transport(
        what: String,
        error: &(dyn std::error::Error + 'static),
        may_have_acted: bool,
    ) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        let mut connect = message.contains("onnect error") || message.contains("onnection refused");
        while let Some(inner) = source {
            let text = inner.to_string();
            connect |= text.contains("onnect error") || text.contains("onnection refused");
            if !message.contains(&text) {
                message = format!("{message}: {text}");
            }
            source = inner.source();
        }
        let kind = if may_have_acted && !connect { ErrorKind::LostResponse } else { ErrorKind::Transient };
        Self { kind, what, message, status: 0, causes: Vec::new(), retry_after: None }
    }

    /// An error of our own reading of an answer.
    #[must_use]
    pub fn unreadable(what: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind: ErrorKind::Transient,
            what: what.into(),
            message: message.into(),
            status: 0,
            causes: Vec::new(),
            retry_after: None,
        }
    }
}

/// The class of an answer. 404 on an apply means that the kind or the namespace is not there (yet).
fn classify(status: u16, reason: &str, message: &str, causes: &[Cause]) -> ErrorKind {
    match status {
        404 if message.starts_with("namespaces ")
            || message.contains("could not find the requested resource") =>
        {
            ErrorKind::NotServing
        }
        404 => ErrorKind::NotFound,
        409 if reason == "AlreadyExists" => ErrorKind::Conflict,
        409 => ErrorKind::Conflict,
        410 => ErrorKind::Expired,
        429 | 502 | 503 | 504 => ErrorKind::Transient,
        401 | 403 if message.contains("is being terminated") => ErrorKind::NotServing,
        401 | 403 => ErrorKind::Denied,
        500 if message.contains("failed calling webhook") || message.contains("failed to call webhook") => {
            ErrorKind::NotServing
        }
        // A server-side apply of a field that the kind does not have comes as a 500. The schema of a CRD may follow in a
        // moment (it was changed in the same revision); that of Kubernetes' own kinds does not change.
        500 if message.contains("failed to create typed patch object") => {
            let version = message.split_once("; ").and_then(|(_, rest)| rest.split_once(", Kind="));
            let group =
                version.and_then(|(version, _)| version.split_once('/')).map_or("", |(group, _)| group);
            let built_in = !group.contains('.') || group.ends_with(".k8s.io");
            if built_in { ErrorKind::Invalid } else { ErrorKind::NotServing }
        }
        500.. => ErrorKind::Transient,
        422 => {
            let immutable = |text: &str| {
                text.contains("field is immutable")
                    || text.contains("Forbidden: updates to ")
                    || text.contains("may not be changed once set")
                    || text.contains("cannot change roleRef")
                    || text.contains("is immutable after creation")
            };
            if immutable(message) || causes.iter().any(|c| immutable(&c.message)) {
                ErrorKind::Immutable
            } else {
                ErrorKind::Invalid
            }
        }
        _ if message.contains("no endpoints available for service") => ErrorKind::NotServing,
        _ => ErrorKind::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(status: u16, body: &str) -> ErrorKind {
        ApiError::from_response("apply".into(), status, None, body.as_bytes()).kind
    }

    #[test]
    fn answers_are_classified_by_status_reason_and_message() {
        let cases = [
            (429, r#"{"message":"too many requests"}"#, ErrorKind::Transient),
            (500, r#"{"message":"etcdserver: request timed out"}"#, ErrorKind::Transient),
            (
                500,
                r#"{"message":"Internal error occurred: failed calling webhook \"webhook.cert-manager.io\": dial tcp: refused"}"#,
                ErrorKind::NotServing,
            ),
            (
                500,
                r#"{"message":"failed to create typed patch object (n/web; apps/v1, Kind=Deployment): .spec.replica: field not declared in schema"}"#,
                ErrorKind::Invalid,
            ),
            (
                500,
                r#"{"message":"failed to create typed patch object (n/x; k8s.mariadb.com/v1alpha1, Kind=MariaDB): .spec.nope: field not declared in schema"}"#,
                ErrorKind::NotServing,
            ),
            (404, r#"{"message":"namespaces \"keystone\" not found"}"#, ErrorKind::NotServing),
            (404, r#"{"message":"the server could not find the requested resource"}"#, ErrorKind::NotServing),
            (404, r#"{"message":"configmaps \"a\" not found"}"#, ErrorKind::NotFound),
            (409, r#"{"reason":"Conflict","message":"Apply failed with 1 conflict"}"#, ErrorKind::Conflict),
            (
                422,
                r#"{"message":"Job.batch \"j\" is invalid: spec.template: Invalid value: {}: field is immutable"}"#,
                ErrorKind::Immutable,
            ),
            (
                422,
                r#"{"message":"StatefulSet.apps \"s\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than"}"#,
                ErrorKind::Immutable,
            ),
            (
                422,
                r#"{"message":"ConfigMap \"A\" is invalid: metadata.name: Invalid value"}"#,
                ErrorKind::Invalid,
            ),
            (403, r#"{"message":"configmaps is forbidden: User \"x\" cannot patch"}"#, ErrorKind::Denied),
            (
                403,
                r#"{"message":"configmaps \"a\" is forbidden: unable to create new content in namespace x because it is being terminated"}"#,
                ErrorKind::NotServing,
            ),
            (410, "", ErrorKind::Expired),
        ];
        for (status, body, want) in cases {
            assert_eq!(kind(status, body), want, "{status} {body}");
        }
    }
}
