//! The API server's audit log: every completed request is one line, written before the answer leaves the server.

use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

use serde_json::Value;

/// One completed request.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// Who asked: the name in the client certificate, or the service account.
    pub(crate) user: String,
    /// The client's own name.
    pub(crate) user_agent: String,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; for other paths the HTTP method.
    pub(crate) verb: String,
    /// API group, empty for the core.
    pub(crate) group: String,
    /// Plural resource name, empty for paths that are none (`/version`, `/apis`).
    pub(crate) resource: String,
    /// `status`, `scale`, ... or empty.
    pub(crate) subresource: String,
    /// Namespace, or empty.
    pub(crate) namespace: String,
    /// Object name, or empty.
    pub(crate) name: String,
    /// HTTP status.
    pub(crate) code: u64,
    /// Path and query.
    pub(crate) uri: String,
    /// `ResponseStarted` (watches only), `ResponseComplete` or `Panic`.
    pub(crate) stage: String,
    /// When the server received it (RFC 3339, microseconds).
    pub(crate) received: String,
    /// When this stage was reached (RFC 3339, microseconds).
    pub(crate) at: String,
}

impl Request {
    /// Creates, updates, patches and deletes that the server carried out or would have (dry runs are none).
    pub(crate) fn is_write(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "update" | "patch" | "delete" | "deletecollection")
            && !self.uri.contains("dryRun=")
    }

    /// A long-running watch stream.
    pub(crate) fn is_watch(&self) -> bool {
        self.verb == "watch"
    }

    /// Leases, Events and objects of group `retune.dev`: what retune writes for itself.
    pub(crate) fn is_own_bookkeeping(&self) -> bool {
        self.resource == "leases" || self.resource == "events" || self.group == "retune.dev"
    }

    fn parse(line: &str) -> Self {
        let value: Value = serde_json::from_str(line).expect("the audit log is JSON lines");
        let text = |path: &str| value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_string();
        Self {
            user: text("/user/username"),
            user_agent: text("/userAgent"),
            verb: text("/verb"),
            group: text("/objectRef/apiGroup"),
            resource: text("/objectRef/resource"),
            subresource: text("/objectRef/subresource"),
            namespace: text("/objectRef/namespace"),
            name: text("/objectRef/name"),
            code: value.pointer("/responseStatus/code").and_then(Value::as_u64).unwrap_or_default(),
            uri: text("/requestURI"),
            stage: text("/stage"),
            received: text("/requestReceivedTimestamp"),
            at: text("/stageTimestamp"),
        }
    }
}

/// A place in the audit log, from which requests are read.
#[derive(Debug, Clone)]
pub(crate) struct AuditLog {
    path: PathBuf,
    offset: u64,
}

impl AuditLog {
    /// What is logged from now on.
    pub(crate) fn from_now(path: PathBuf) -> Self {
        let offset = std::fs::metadata(&path).expect("the audit log exists").len();
        Self { path, offset }
    }

    /// Every request since this place, in the order of their completion; a watch appears when it starts and when it ends.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let mut file = std::fs::File::open(&self.path).expect("the audit log can be read");
        file.seek(SeekFrom::Start(self.offset)).expect("the audit log only grows");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("the audit log is UTF-8");
        // A line that is being written has no newline yet.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        whole.lines().map(Request::parse).collect()
    }

    /// The requests of one user (the name that [`super::ControlPlane::kubeconfig_of`] was given).
    pub(crate) fn by_user(&self, user: &str) -> Vec<Request> {
        self.requests().into_iter().filter(|r| r.user == user).collect()
    }

    /// The writes of one user to objects that are not its own bookkeeping.
    pub(crate) fn writes_to_managed(&self, user: &str) -> Vec<Request> {
        self.by_user(user).into_iter().filter(|r| r.is_write() && !r.is_own_bookkeeping()).collect()
    }
}
