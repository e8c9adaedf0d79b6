//! Leadership by Lease: one syncer writes for a cloud at a time.
//!
//! The rules are client-go's (<https://pkg.go.dev/k8s.io/client-go/tools/leaderelection>): the holder renews every few
//! seconds; a candidate takes over when it has seen no renewal for the lease's duration *by its own clock*. Before a
//! write the holder checks [`Leadership::holds`], which turns false before anyone else may take over.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::SYSTEM_NAMESPACE;
use super::client::{Call, Client, MERGE_PATCH, Purpose};
use super::error::{ApiError, ErrorKind};

/// How long a lease counts after its renewal.
pub const DURATION: Duration = Duration::from_secs(15);
/// The holder stops writing this long after its last renewal.
const FENCE: Duration = Duration::from_secs(10);
/// How often the holder renews.
const RENEW: Duration = Duration::from_secs(4);
/// How often a candidate looks.
const LOOK: Duration = Duration::from_secs(2);

/// Whether this process may write now.
#[derive(Debug, Clone)]
pub struct Leadership {
    epoch: Instant,
    /// Milliseconds after `epoch` until which writes are allowed; 0 for never.
    until: Arc<AtomicU64>,
    state: watch::Receiver<bool>,
    /// The highest resourceVersion that the lease has had.
    highest: Arc<AtomicU64>,
    restored: Arc<AtomicBool>,
}

impl Leadership {
    /// The fencing check before each write.
    #[must_use]
    pub fn holds(&self) -> bool {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
            < self.until.load(Ordering::Acquire)
    }

    /// The highest resourceVersion seen on the lease: with each renewal it rises with the cluster's.
    #[must_use]
    pub fn highest(&self) -> u64 {
        self.highest.load(Ordering::Acquire)
    }

    /// Whether the cluster was seen to be older than it had been: its etcd was restored from a backup. A leader gives
    /// leadership up then, because what it remembers of the cluster is wrong.
    #[must_use]
    pub fn restored(&self) -> bool {
        self.restored.load(Ordering::Acquire)
    }

    /// Waits until this process leads.
    pub async fn acquired(&mut self) {
        // An error means that the loop ended with the process.
        let _ = self.state.wait_for(|leads| *leads).await;
    }

    /// Waits until leadership is lost.
    pub async fn lost(&mut self) {
        let _ = self.state.wait_for(|leads| !*leads).await;
    }
}

/// Who holds a lease, as another process sees it.
#[derive(Debug, Clone)]
pub struct Holder {
    /// `spec.holderIdentity`.
    pub identity: String,
    /// `spec.renewTime`, RFC 3339 with microseconds.
    pub renewed: String,
}

fn path(name: &str) -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/leases/{name}")
}

/// The current holder of a cloud's lease, if the lease was renewed within its duration by the wall clock.
///
/// # Errors
/// As [`Client::request`].
pub async fn holder(client: &Client, name: &str) -> Result<Option<Holder>, ApiError> {
    let Some(lease) = client.get_opt::<Value>(&path(name)).await? else { return Ok(None) };
    let spec = &lease["spec"];
    let identity = spec["holderIdentity"].as_str().unwrap_or_default().to_owned();
    let renewed = spec["renewTime"].as_str().unwrap_or_default().to_owned();
    let age = super::fields::epoch_seconds(&renewed).map_or(i64::MAX, |t| super::time::now_seconds() - t);
    let fresh = age <= i64::try_from(DURATION.as_secs()).unwrap_or(15);
    Ok((!identity.is_empty() && fresh).then_some(Holder { identity, renewed }))
}

/// Campaigns for, holds and renews the lease until the returned guard is dropped through [`LeaseTask::release`].
/// `highest` is a resourceVersion that the cluster has had before, or 0 (see [`Leadership::restored`]).
#[must_use]
pub fn campaign(client: Client, name: String, identity: String, highest: u64) -> (Leadership, LeaseTask) {
    let (tell, state) = watch::channel(false);
    let until = Arc::new(AtomicU64::new(0));
    let epoch = Instant::now();
    let (highest, restored) = (Arc::new(AtomicU64::new(highest)), Arc::new(AtomicBool::new(false)));
    let leadership = Leadership {
        epoch,
        until: Arc::clone(&until),
        state,
        highest: Arc::clone(&highest),
        restored: Arc::clone(&restored),
    };
    let (stop, stopped) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let mut campaign = Campaign {
            client,
            name,
            identity,
            epoch,
            until,
            tell,
            seen: None,
            highest,
            restored,
            given_up: false,
        };
        tokio::select! {
            () = campaign.run() => {}
            _ = stopped => campaign.release().await,
        }
    });
    (leadership, LeaseTask { stop: Some(stop), task })
}

/// The task behind a [`Leadership`].
#[derive(Debug)]
pub struct LeaseTask {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<()>,
}

impl LeaseTask {
    /// Gives the lease up, so that a successor need not wait for it to run out.
    pub async fn release(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = tokio::time::timeout(Duration::from_secs(5), &mut self.task).await;
    }
}

struct Campaign {
    client: Client,
    name: String,
    identity: String,
    epoch: Instant,
    until: Arc<AtomicU64>,
    tell: watch::Sender<bool>,
    /// Another's lease: its resourceVersion and when we first saw that version.
    seen: Option<(String, Instant)>,
    highest: Arc<AtomicU64>,
    restored: Arc<AtomicBool>,
    /// The cluster was restored while this process led.
    given_up: bool,
}

impl Campaign {
    async fn run(&mut self) {
        let mut held_version: Option<String> = None;
        loop {
            let before = Instant::now();
            match self.step(held_version.as_deref()).await {
                // Given up for good: the engine is to start anew.
                Ok(Some(_)) if self.given_up => {}
                Ok(Some(version)) => {
                    self.note(&version);
                    held_version = Some(version);
                    let until = before + FENCE - self.epoch;
                    self.until.store(u64::try_from(until.as_millis()).unwrap_or(0), Ordering::Release);
                    self.tell.send_if_modified(|leads| !std::mem::replace(leads, true));
                }
                Ok(None) => {
                    held_version = None;
                    self.lost();
                }
                Err(error) => {
                    tracing::warn!(lease = %self.name, error = %error, "the lease could not be renewed");
                    if error.kind == ErrorKind::Conflict {
                        held_version = None;
                    }
                    if self.epoch.elapsed().as_millis() >= u128::from(self.until.load(Ordering::Acquire)) {
                        held_version = None;
                        self.lost();
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    continue;
                }
            }
            tokio::time::sleep(if held_version.is_some() { RENEW } else { LOOK }).await;
        }
    }

    /// Takes note of the lease's resourceVersion. Versions only rise, unless etcd was restored to the past.
    fn note(&mut self, version: &str) {
        let version = super::meta::resource_version(version);
        let highest = self.highest.fetch_max(version, Ordering::AcqRel);
        if version != 0 && version < highest {
            tracing::warn!(lease = %self.name, version, highest, "the cluster was restored to the past: everything is read anew");
            self.restored.store(true, Ordering::Release);
            self.highest.store(version, Ordering::Release);
            self.given_up = *self.tell.borrow();
            self.lost();
        }
    }

    fn lost(&mut self) {
        self.until.store(0, Ordering::Release);
        self.tell.send_if_modified(|leads| std::mem::replace(leads, false));
    }

    /// Renews with the version we wrote last, or looks and takes what is free. The version if we hold it now.
    async fn step(&mut self, held: Option<&str>) -> Result<Option<String>, ApiError> {
        let now = super::time::now_micro();
        let what = || format!("lease {}", self.name);
        if let Some(version) = held {
            let patch = json!({"metadata": {"resourceVersion": version},
                "spec": {"holderIdentity": self.identity, "renewTime": now}});
            return self
                .write(Call::patch(&path(&self.name), MERGE_PATCH, patch.to_string()))
                .await
                .map(Some);
        }
        let Some(lease) = self.client.get_opt::<Value>(&path(&self.name)).await? else {
            let collection = format!("/apis/coordination.k8s.io/v1/namespaces/{SYSTEM_NAMESPACE}/leases");
            let body = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {"name": self.name, "namespace": SYSTEM_NAMESPACE},
                "spec": {"holderIdentity": self.identity, "leaseDurationSeconds": DURATION.as_secs(),
                    "acquireTime": now, "renewTime": now, "leaseTransitions": 0}});
            return self.write(Call::json(Method::POST, &collection, body.to_string())).await.map(Some);
        };
        let version = lease["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned();
        if version.is_empty() {
            return Err(ApiError::unreadable(what(), "no resourceVersion"));
        }
        self.note(&version);
        let holder = lease["spec"]["holderIdentity"].as_str().unwrap_or_default();
        if !holder.is_empty() && holder != self.identity {
            let since = match &self.seen {
                Some((seen, since)) if *seen == version => *since,
                _ => {
                    if self.seen.is_none() {
                        tracing::info!(lease = %self.name, holder, "another syncer leads this cloud: waiting for its lease");
                    }
                    let now = Instant::now();
                    self.seen = Some((version.clone(), now));
                    now
                }
            };
            if since.elapsed() < DURATION {
                return Ok(None);
            }
        }
        let transitions = lease["spec"]["leaseTransitions"].as_i64().unwrap_or(0) + 1;
        let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"holderIdentity": self.identity,
            "leaseDurationSeconds": DURATION.as_secs(), "acquireTime": now, "renewTime": now, "leaseTransitions": transitions}});
        match self.write(Call::patch(&path(&self.name), MERGE_PATCH, patch.to_string())).await {
            Ok(version) => Ok(Some(version)),
            Err(error) if error.kind == ErrorKind::Conflict => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn write(&self, call: Call<'_>) -> Result<String, ApiError> {
        let what = || format!("lease {}", self.name);
        let body = self.client.request(Purpose::Own, &what, call).await?;
        let lease: Value =
            serde_json::from_slice(&body).map_err(|e| ApiError::unreadable(what(), e.to_string()))?;
        Ok(lease["metadata"]["resourceVersion"].as_str().unwrap_or_default().to_owned())
    }

    async fn release(&mut self) {
        let held = *self.tell.borrow();
        self.lost();
        if held {
            let patch = json!({"spec": {"holderIdentity": "", "leaseDurationSeconds": 1}});
            let what = || format!("release lease {}", self.name);
            let _ = self
                .client
                .request(Purpose::Own, &what, Call::patch(&path(&self.name), MERGE_PATCH, patch.to_string()))
                .await;
        }
    }
}
