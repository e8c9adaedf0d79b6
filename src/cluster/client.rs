//! One connection to one API server: configuration as kubectl takes it, raw requests, counted.
//!
//! kube gives TLS, authentication (certificates, tokens, exec plugins, in-cluster service accounts) and connection
//! pooling; what is sent and what is made of the answer is ours.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::BodyExt;
use kube::client::Body;
use serde::de::DeserializeOwned;

use super::error::{ApiError, ErrorKind};

/// What `--kubeconfig`, `--context` and the environment say.
#[derive(Debug, Clone, Default)]
pub struct ConnectOptions {
    /// A kubeconfig file; without it `KUBECONFIG`, then `~/.kube/config`, then the pod's service account.
    pub kubeconfig: Option<PathBuf>,
    /// A context of that file instead of its current one.
    pub context: Option<String>,
}

/// Requests by verb since the start, for metrics, tests and benchmarks.
#[derive(Debug, Default)]
pub struct Counts {
    /// Server-side applies of managed objects.
    pub applies: AtomicU64,
    /// Deletions of managed objects.
    pub deletes: AtomicU64,
    /// Reads (GET of one object, lists).
    pub reads: AtomicU64,
    /// Watches opened.
    pub watches: AtomicU64,
    /// Writes of retune's own objects (CloudSync, Inventory, Lease, Events).
    pub own: AtomicU64,
    /// Requests repeated after a failure.
    pub retries: AtomicU64,
}

/// What a request is for, which decides where it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A server-side apply of a managed object.
    Apply,
    /// A deletion of a managed object.
    Delete,
    /// A read.
    Read,
    /// A write of retune's own objects.
    Own,
}

/// Metadata of one object.
pub const ACCEPT_META: &str = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
/// Metadata of a list.
pub const ACCEPT_META_LIST: &str = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io";
/// Whole objects.
pub const ACCEPT_JSON: &str = "application/json";

/// How long one request may take before it counts as lost.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(60);
/// The largest answer that is read: one list page or one object.
const MAX_ANSWER: usize = 256 << 20;

/// A client of one API server. Cheap to clone.
#[derive(Clone)]
pub struct Client {
    kube: kube::Client,
    counts: Arc<Counts>,
    server: Arc<str>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("server", &self.server).finish_non_exhaustive()
    }
}

impl Client {
    /// Connects as kubectl would.
    ///
    /// # Errors
    /// When no usable configuration is found, or a named file or context does not exist.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ApiError> {
        // A second call finds the provider installed: both outcomes leave one in place.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let wrong = |what: &str, error: &dyn std::fmt::Display| ApiError {
            kind: ErrorKind::Invalid,
            what: what.to_owned(),
            message: error.to_string().lines().next().unwrap_or_default().to_owned(),
            status: 0,
            causes: Vec::new(),
            retry_after: None,
        };
        let kube_options =
            kube::config::KubeConfigOptions { context: options.context.clone(), cluster: None, user: None };
        // As kubectl: what is named, KUBECONFIG, ~/.kube/config, and only then the pod's service account.
        let (what, file) = match &options.kubeconfig {
            Some(path) => (
                format!("kubeconfig {}", path.display()),
                kube::config::Kubeconfig::read_from(path).map(Some),
            ),
            None => match std::env::var_os("KUBECONFIG").filter(|paths| !paths.is_empty()) {
                Some(paths) => {
                    let what = format!("KUBECONFIG={}", paths.to_string_lossy());
                    (what, kube::config::Kubeconfig::from_env())
                }
                None => {
                    let home = std::env::home_dir().unwrap_or_default().join(".kube/config");
                    let found = home.exists().then(|| kube::config::Kubeconfig::read_from(&home));
                    (format!("kubeconfig {}", home.display()), found.transpose())
                }
            },
        };
        let mut config = match file.map_err(|e| wrong(&what, &e))? {
            Some(file) => kube::Config::from_custom_kubeconfig(file, &kube_options)
                .await
                .map_err(|e| wrong(&what, &format!("{e}; name a context of this file with --context")))?,
            None if std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() && options.context.is_none() => {
                kube::Config::incluster().map_err(|e| wrong("the pod's service account", &e))?
            }
            None => {
                let text = "there is none: give --kubeconfig FILE, set KUBECONFIG, or run in a pod";
                return Err(wrong(&what, &text));
            }
        };
        config.default_retry = false;
        config.connect_timeout = Some(Duration::from_secs(10));
        config.headers.push((
            http::header::USER_AGENT,
            http::HeaderValue::from_static(concat!("retune/", env!("CARGO_PKG_VERSION"))),
        ));
        let server: Arc<str> = config.cluster_url.to_string().into();
        let kube = kube::Client::try_from(config).map_err(|e| wrong(&format!("API server {server}"), &e))?;
        Ok(Self { kube, counts: Arc::default(), server })
    }

    /// The API server's address.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// Requests counted so far.
    #[must_use]
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    fn count(&self, purpose: Purpose) {
        let counter = match purpose {
            Purpose::Apply => &self.counts.applies,
            Purpose::Delete => &self.counts.deletes,
            Purpose::Read => &self.counts.reads,
            Purpose::Own => &self.counts.own,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// One request, one answer, no retry. `what` goes into the error.
    ///
    /// # Errors
    /// Any answer that is not 2xx, and any failure of the transport, classified.
    pub async fn request(
        &self,
        purpose: Purpose,
        what: &(dyn Fn() -> String + Sync),
        call: Call<'_>,
    ) -> Result<Bytes, ApiError> {
        self.count(purpose);
        let acts = call.method != Method::GET;
        let request = call.into_request().map_err(|e| ApiError::unreadable(what(), e.to_string()))?;
        let exchange = async {
            let response =
                self.kube.send(request).await.map_err(|e| ApiError::from_transport(what(), &e, acts))?;
            let status = response.status();
            let retry_after = response
                .headers()
                .get(http::header::RETRY_AFTER)
                .and_then(|v| v.to_str().ok())
                .and_then(|v| v.parse().ok());
            let body = http_body_util::Limited::new(response.into_body(), MAX_ANSWER)
                .collect()
                .await
                .map_err(|e| ApiError::from_transport(what(), e.as_ref(), acts))?
                .to_bytes();
            if status.is_success() {
                Ok(body)
            } else {
                Err(ApiError::from_response(what(), status.as_u16(), retry_after, &body))
            }
        };
        match tokio::time::timeout(REQUEST_TIMEOUT, exchange).await {
            Ok(result) => result,
            Err(_) => Err(ApiError {
                kind: if acts { ErrorKind::LostResponse } else { ErrorKind::Transient },
                what: what(),
                message: format!("no answer within {} s", REQUEST_TIMEOUT.as_secs()),
                status: 0,
                causes: Vec::new(),
                retry_after: None,
            }),
        }
    }

    /// A GET read into `T`.
    ///
    /// # Errors
    /// As [`Client::request`]; an answer that is not a `T` is an error too.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let what = || format!("get {path}");
        let body = self.request(Purpose::Read, &what, Call::get(path)).await?;
        serde_json::from_slice(&body).map_err(|e| ApiError::unreadable(what(), e.to_string()))
    }

    /// A GET of which "not found" is an answer.
    ///
    /// # Errors
    /// As [`Client::get`], without [`ErrorKind::NotFound`].
    pub async fn get_opt<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, ApiError> {
        match self.get(path).await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// A streaming answer, for watches.
    ///
    /// # Errors
    /// As [`Client::request`].
    pub async fn stream(&self, what: &str, path: &str, accept: &str) -> Result<Body, ApiError> {
        self.counts.watches.fetch_add(1, Ordering::Relaxed);
        let mut call = Call::get(path);
        call.accept = accept;
        let request = call.into_request().map_err(|e| ApiError::unreadable(what, e.to_string()))?;
        let response = self
            .kube
            .send(request)
            .await
            .map_err(|e| ApiError::from_transport(what.to_owned(), &e, false))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response.into_body());
        }
        let body = http_body_util::Limited::new(response.into_body(), 1 << 20)
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        Err(ApiError::from_response(what.to_owned(), status.as_u16(), None, &body))
    }
}

/// The parts of a request.
#[derive(Debug)]
pub struct Call<'a> {
    /// GET, PATCH, ...
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    /// The `Accept` header.
    pub accept: &'a str,
    /// The `Content-Type` header, when there is a body.
    pub content_type: &'a str,
    /// The body; empty for none.
    pub body: Bytes,
}

impl<'a> Call<'a> {
    /// A GET of whole objects.
    #[must_use]
    pub fn get(path: &'a str) -> Self {
        Self { method: Method::GET, path, accept: ACCEPT_JSON, content_type: "", body: Bytes::new() }
    }

    /// Any call with a JSON body.
    #[must_use]
    pub fn json(method: Method, path: &'a str, body: impl Into<Bytes>) -> Self {
        Self { method, path, accept: ACCEPT_JSON, content_type: "application/json", body: body.into() }
    }

    /// A PATCH of the given type.
    #[must_use]
    pub fn patch(path: &'a str, content_type: &'a str, body: impl Into<Bytes>) -> Self {
        Self { method: Method::PATCH, path, accept: ACCEPT_JSON, content_type, body: body.into() }
    }

    /// Asks for metadata only.
    #[must_use]
    pub fn meta(mut self) -> Self {
        self.accept = ACCEPT_META;
        self
    }

    fn into_request(self) -> Result<Request<Body>, http::Error> {
        let mut builder =
            Request::builder().method(self.method).uri(self.path).header(http::header::ACCEPT, self.accept);
        if !self.body.is_empty() {
            builder = builder.header(http::header::CONTENT_TYPE, self.content_type);
        }
        builder.body(Body::from(self.body))
    }
}

/// The content type of server-side apply. YAML by name; JSON is YAML.
pub const APPLY_PATCH: &str = "application/apply-patch+yaml";
/// JSON merge patch.
pub const MERGE_PATCH: &str = "application/merge-patch+json";
/// A list of operations (RFC 6902).
pub const JSON_PATCH: &str = "application/json-patch+json";
