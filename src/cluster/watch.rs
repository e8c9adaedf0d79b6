//! One watch per kind, label-filtered, metadata only or whole, that never leaves a gap.
//!
//! The initial state is streamed (`sendInitialEvents`, Kubernetes 1.34 and later; before, or where it is refused, a
//! paginated list). A broken stream resumes at the last resourceVersion seen; when the server no longer has it (410)
//! everything is listed again between [`Event::Restarted`] and [`Event::Synced`], and only then is an object that was
//! not named absent. A failed or cut listing never is.
//! See <https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes>.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use futures::StreamExt;
use http_body_util::BodyExt;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::client::{ACCEPT_JSON, ACCEPT_META, ACCEPT_META_LIST, Call, Client, Purpose};
use super::discovery::Resource;
use super::error::{ApiError, Backoff, ErrorKind, jitter};
use super::meta::{Meta, resource_version};

/// The longest single event.
const MAX_EVENT: usize = 32 << 20;
/// Bookmarks come about once a minute: a stream silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(180);
/// Objects per page where the server does not stream lists.
const PAGE: usize = 500;

/// What a watch is of.
#[derive(Clone)]
pub struct WatchSpec<T> {
    /// The kind.
    pub resource: Resource,
    /// Only this namespace; empty for all.
    pub namespace: String,
    /// The label selector, e.g. `retune.dev/cloud=c`; empty for everything.
    pub selector: String,
    /// The field selector, e.g. `metadata.name=c`; empty for everything.
    pub field_selector: String,
    /// What is kept of each whole object; without it only metadata is asked for.
    pub digest: Option<Digest<T>>,
}

impl<T> WatchSpec<T> {
    /// The metadata of a kind's objects in all namespaces.
    #[must_use]
    pub fn all(resource: Resource, selector: &str) -> Self {
        Self {
            resource,
            namespace: String::new(),
            selector: selector.to_owned(),
            field_selector: String::new(),
            digest: None,
        }
    }

    /// A kind's objects in all namespaces, of each what the digest keeps.
    #[must_use]
    pub fn whole(resource: Resource, digest: Digest<T>) -> Self {
        Self { digest: Some(digest), ..Self::all(resource, "") }
    }
}

/// Reduces a whole object to what the watcher's owner keeps of it.
pub type Digest<T> = Arc<dyn Fn(&RawValue) -> Option<T> + Send + Sync>;

/// What a watch tells.
#[derive(Debug)]
pub enum Event<T> {
    /// The whole state follows, up to [`Event::Synced`].
    Restarted,
    /// An object as it is now.
    Applied(Box<Meta>, Option<T>),
    /// An object that is gone, or no longer matches the selector, as it last was.
    Deleted(Box<Meta>),
    /// The whole state has been told.
    Synced,
    /// The server does not answer, or not this kind; the watch goes on trying.
    Failing(ApiError),
    /// The stream stands again after [`Event::Failing`].
    Recovered,
}

/// A watch's event with the kind it is about.
#[derive(Debug)]
pub struct Notice<T> {
    /// The kind.
    pub resource: Resource,
    /// What happened.
    pub event: Event<T>,
}

#[derive(Deserialize)]
struct Frame<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(borrow)]
    object: &'a RawValue,
}

#[derive(Deserialize)]
struct Bookmark {
    metadata: BookmarkMeta,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BookmarkMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct StatusCode {
    #[serde(default)]
    code: u16,
}

/// Watches until the receiver is dropped or the task is aborted.
pub async fn run<T: Send + 'static>(client: Client, spec: WatchSpec<T>, out: mpsc::Sender<Notice<T>>) {
    let mut watcher = Watcher { client, spec, out, position: None, streaming_lists: true };
    let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(30));
    let mut failing = false;
    loop {
        let mut progressed = false;
        let result = watcher.round(&mut progressed, &mut failing).await;
        if progressed {
            backoff.reset();
        }
        let wait = match result {
            Ok(()) if progressed => Duration::ZERO,
            Ok(()) => backoff.next(jitter()),
            Err(Stop::Closed) => return,
            Err(Stop::Failed(error)) => {
                if error.kind == ErrorKind::Expired {
                    watcher.position = None;
                    continue;
                }
                if watcher.position.is_none() && error.kind == ErrorKind::Invalid && watcher.streaming_lists {
                    watcher.streaming_lists = false;
                    continue;
                }
                let wait = error.retry_after.unwrap_or_default().max(backoff.next(jitter()));
                // The first cut is ordinary (a server ends watches now and then); it is told when it repeats.
                if backoff.attempts() > 1 || error.status != 0 {
                    failing = true;
                    if watcher.send(Event::Failing(error)).await.is_err() {
                        return;
                    }
                }
                wait
            }
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        if watcher.out.is_closed() {
            return;
        }
    }
}

enum Stop {
    /// Nobody listens any more.
    Closed,
    Failed(ApiError),
}

struct Watcher<T> {
    client: Client,
    spec: WatchSpec<T>,
    out: mpsc::Sender<Notice<T>>,
    /// The resourceVersion to resume at.
    position: Option<u64>,
    streaming_lists: bool,
}

impl<T: Send + 'static> Watcher<T> {
    async fn send(&self, event: Event<T>) -> Result<(), Stop> {
        let notice = Notice { resource: self.spec.resource.clone(), event };
        self.out.send(notice).await.map_err(|_| Stop::Closed)
    }

    /// One stream, to its end.
    async fn round(&mut self, progressed: &mut bool, failing: &mut bool) -> Result<(), Stop> {
        if self.position.is_none() && !self.streaming_lists {
            self.list_pages().await?;
            *progressed = true;
        }
        let starting = self.position.is_none();
        let mut query = format!(
            "{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={}",
            self.spec.resource.collection(&self.spec.namespace),
            1700 + jitter() % 200
        );
        self.add_selectors(&mut query);
        match self.position {
            Some(position) => query.push_str(&format!("&resourceVersion={position}")),
            None => query.push_str("&sendInitialEvents=true&resourceVersionMatch=NotOlderThan"),
        }
        let what = format!("watch {} {}", self.spec.resource.kind, self.spec.selector);
        let accept = if self.spec.digest.is_some() { ACCEPT_JSON } else { ACCEPT_META };
        let body = self.client.stream(&what, &query, accept).await.map_err(Stop::Failed)?;
        if std::mem::take(failing) {
            self.send(Event::Recovered).await?;
        }
        if starting {
            self.send(Event::Restarted).await?;
        }
        let mut stream = body.into_data_stream();
        let mut buffer = BytesMut::new();
        let mut initial = starting;
        loop {
            let chunk = match tokio::time::timeout(SILENCE, stream.next()).await {
                Err(_) => {
                    let error = ApiError::unreadable(
                        what,
                        format!("no event or bookmark for {} s", SILENCE.as_secs()),
                    );
                    return Err(Stop::Failed(error));
                }
                Ok(None) if initial => {
                    self.position = None;
                    return Err(Stop::Failed(ApiError::unreadable(
                        what,
                        "the stream ended within the initial list",
                    )));
                }
                Ok(None) => return Ok(()),
                Ok(Some(Err(error))) => {
                    if initial {
                        self.position = None;
                    }
                    return Err(Stop::Failed(ApiError::from_transport(what, &error, false)));
                }
                Ok(Some(Ok(chunk))) => chunk,
            };
            buffer.extend_from_slice(&chunk);
            if buffer.len() > MAX_EVENT {
                return Err(Stop::Failed(ApiError::unreadable(what, "an event exceeds 32 MiB")));
            }
            let mut start = 0;
            while let Some(end) = memchr(b'\n', &buffer[start..]) {
                let line = &buffer[start..start + end];
                start += end + 1;
                if line.is_empty() {
                    continue;
                }
                *progressed = true;
                let (event, position, ended) = self.read(&what, line)?;
                if let Some(event) = event {
                    self.send(event).await?;
                }
                if ended {
                    initial = false;
                    self.send(Event::Synced).await?;
                }
                // Within the initial list objects come in no order: their versions are no position.
                if !initial {
                    self.position = self.position.max(position);
                }
            }
            buffer.advance(start);
            if buffer.is_empty() && buffer.capacity() > 64 << 10 {
                buffer = BytesMut::new();
            }
        }
    }

    fn add_selectors(&self, query: &mut String) {
        use super::discovery::escape;
        if !self.spec.selector.is_empty() {
            query.push_str(&format!("&labelSelector={}", escape(&self.spec.selector)));
        }
        if !self.spec.field_selector.is_empty() {
            query.push_str(&format!("&fieldSelector={}", escape(&self.spec.field_selector)));
        }
    }

    /// One line: the event to tell, the position it gives, whether the initial list ended.
    fn read(&self, what: &str, line: &[u8]) -> Result<(Option<Event<T>>, Option<u64>, bool), Stop> {
        let failed = |message: String| Stop::Failed(ApiError::unreadable(what, message));
        let frame: Frame<'_> =
            serde_json::from_slice(line).map_err(|e| failed(format!("an event is not JSON: {e}")))?;
        match frame.kind {
            "BOOKMARK" => {
                let mark: Bookmark =
                    serde_json::from_str(frame.object.get()).map_err(|e| failed(e.to_string()))?;
                let ended =
                    mark.metadata.annotations.get("k8s.io/initial-events-end").is_some_and(|v| v == "true");
                Ok((None, Some(resource_version(&mark.metadata.resource_version)), ended))
            }
            "ERROR" => {
                let code = serde_json::from_str::<StatusCode>(frame.object.get()).map_or(500, |s| s.code);
                let body = frame.object.get().as_bytes();
                Err(Stop::Failed(ApiError::from_response(what.to_owned(), code, None, body)))
            }
            kind => {
                let meta = Meta::read(what, frame.object.get().as_bytes()).map_err(Stop::Failed)?;
                let position = Some(meta.rv);
                let event = if kind == "DELETED" {
                    Event::Deleted(Box::new(meta))
                } else {
                    let digest = self.spec.digest.as_ref().and_then(|d| d(frame.object));
                    Event::Applied(Box::new(meta), digest)
                };
                Ok((Some(event), position, false))
            }
        }
    }

    /// The initial state in pages, for servers that do not stream it.
    async fn list_pages(&mut self) -> Result<(), Stop> {
        self.send(Event::Restarted).await?;
        let mut token = String::new();
        loop {
            let page = list_page(&self.client, &self.spec, &token, PAGE).await.map_err(Stop::Failed)?;
            for object in page.items.iter().flatten() {
                let what = format!("list {}", self.spec.resource.kind);
                let meta = Meta::read(&what, object.get().as_bytes()).map_err(Stop::Failed)?;
                let digest = self.spec.digest.as_ref().and_then(|d| d(object));
                self.send(Event::Applied(Box::new(meta), digest)).await?;
            }
            token = page.metadata.token;
            if token.is_empty() {
                self.position = Some(resource_version(&page.metadata.resource_version));
                return self.send(Event::Synced).await;
            }
        }
    }
}

fn memchr(needle: u8, hay: &[u8]) -> Option<usize> {
    hay.iter().position(|b| *b == needle)
}

#[derive(Deserialize)]
struct Page {
    metadata: PageMeta,
    /// An empty list of metadata comes as `null`.
    #[serde(default)]
    items: Option<Vec<Box<RawValue>>>,
}
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PageMeta {
    #[serde(default)]
    resource_version: String,
    #[serde(default, rename = "continue")]
    token: String,
}

async fn list_page<T>(
    client: &Client,
    spec: &WatchSpec<T>,
    token: &str,
    limit: usize,
) -> Result<Page, ApiError> {
    use super::discovery::escape;
    let mut path = format!("{}?limit={limit}", spec.resource.collection(&spec.namespace));
    if !spec.selector.is_empty() {
        path.push_str(&format!("&labelSelector={}", escape(&spec.selector)));
    }
    if !token.is_empty() {
        path.push_str(&format!("&continue={}", escape(token)));
    }
    let what = || format!("list {}", spec.resource.kind);
    let mut call = Call::get(&path);
    call.accept = if spec.digest.is_some() { ACCEPT_JSON } else { ACCEPT_META_LIST };
    let body = client.request(Purpose::Read, &what, call).await?;
    serde_json::from_slice(&body).map_err(|e| ApiError::unreadable(what(), e.to_string()))
}

/// Whether a kind has any object at all.
///
/// # Errors
/// As [`Client::request`].
pub async fn any(client: &Client, resource: &Resource) -> Result<bool, ApiError> {
    let page = list_page(client, &WatchSpec::<()>::all(resource.clone(), ""), "", 1).await?;
    Ok(page.items.is_some_and(|items| !items.is_empty()))
}

/// All objects of a kind that match a selector, each with what `digest` keeps of it, in pages.
///
/// # Errors
/// Any page's error: a list is whole or it is an error.
pub async fn list_whole<T>(
    client: &Client,
    resource: &Resource,
    selector: &str,
    digest: &Digest<T>,
) -> Result<Vec<(Meta, Option<T>)>, ApiError> {
    let spec = WatchSpec { digest: Some(Arc::clone(digest)), ..WatchSpec::all(resource.clone(), selector) };
    let mut out = Vec::new();
    let mut token = String::new();
    loop {
        let page = list_page(client, &spec, &token, PAGE).await?;
        for object in page.items.iter().flatten() {
            let meta = Meta::read(&format!("list {}", resource.kind), object.get().as_bytes())?;
            out.push((meta, digest(object)));
        }
        token = page.metadata.token;
        if token.is_empty() {
            return Ok(out);
        }
    }
}

/// All objects of a kind that match a selector, metadata only, in pages: for the audit, `diff` and the rebuild.
///
/// # Errors
/// Any page's error: a list is whole or it is an error.
pub async fn list_meta(client: &Client, resource: &Resource, selector: &str) -> Result<Vec<Meta>, ApiError> {
    let spec = WatchSpec::<()>::all(resource.clone(), selector);
    let mut out = Vec::new();
    let mut token = String::new();
    loop {
        let page = list_page(client, &spec, &token, PAGE).await?;
        for object in page.items.iter().flatten() {
            out.push(Meta::read(&format!("list {}", resource.kind), object.get().as_bytes())?);
        }
        token = page.metadata.token;
        if token.is_empty() {
            return Ok(out);
        }
    }
}
