//! Starting a syncer: connection, `CloudSync`, key, ledger, Lease, inventory; then the engine, again after a lost Lease.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::control;
use super::engine::{Ended, Engine, Start};
use super::follow::{Follow, FollowOptions, RenderSeed};
use crate::apply::job::Target;
use crate::cloud::Digest;
use crate::cluster::client::{Client, ConnectOptions};
use crate::cluster::crd::{CloudSync, CloudSyncSpec, SourceSpec};
use crate::cluster::discovery::Discovery;
use crate::cluster::error::{ApiError, Backoff, ErrorKind, jitter};
use crate::cluster::{install, lease, state};
use crate::ledger::{Ledger, LedgerError};

/// What `retune run` was started with.
#[derive(Debug, Clone)]
pub struct SyncerOptions {
    /// How to reach the cluster.
    pub connect: ConnectOptions,
    /// The cloud's name: of the `CloudSync`, and on labels.
    pub cloud: String,
    /// The source; without it an existing `CloudSync` says.
    pub source: Option<SourceSpec>,
    /// The profile; without it an existing `CloudSync` says, else `retune.yaml`, else `base`.
    pub profile: Option<String>,
    /// How often a remote is asked.
    pub interval: Option<String>,
    /// Where the ledger, mirrors and this syncer's identity are.
    pub state_dir: PathBuf,
    /// Certificates to trust for HTTPS remotes.
    pub ca_file: Option<PathBuf>,
    /// How charts of repositories are got.
    pub charts: crate::source::charts::Settings,
    /// Whether missing CRDs are installed.
    pub install: bool,
    /// End after one sync.
    pub once: bool,
}

/// Why a syncer cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The API server.
    #[error(transparent)]
    Api(#[from] ApiError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The `CloudSync` belongs to another cluster, or names no source.
    #[error("{0}")]
    Refused(String),
    /// The state folder.
    #[error("{path}: {message}")]
    State {
        /// The folder.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// Runs a syncer until it is told to stop.
///
/// # Errors
/// See [`StartError`]. An API server that does not answer is waited for.
pub async fn run(mut options: SyncerOptions, mut stop: watch::Receiver<bool>) -> Result<Ended, StartError> {
    let mut restored = false;
    loop {
        let ended = tokio::select! {
            ended = run_once(&options, stop.clone(), &mut restored) => ended?,
            // Told to stop before the engine runs: nothing is in flight.
            _ = stopped_early(stop.clone()) => return Ok(Ended::Stopped),
        };
        match ended {
            Ended::LeadershipLost => tracing::warn!("leadership was lost: waiting to become leader again"),
            // The command line had its say at the first start; what the object says now counts.
            Ended::Respecified => (options.source, options.profile, options.interval) = (None, None, None),
            other => return Ok(other),
        }
        if *stop.borrow_and_update() {
            return Ok(Ended::Stopped);
        }
    }
}

/// Two seconds after a stop that found no engine to end properly.
async fn stopped_early(mut stop: watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
}

/// One term of leadership. `restored` stays true once the cluster was seen to be restored: the next term prunes nothing until
/// all is compared.
async fn run_once(
    options: &SyncerOptions,
    mut stop: watch::Receiver<bool>,
    restored: &mut bool,
) -> Result<Ended, StartError> {
    let client = Client::connect(&options.connect).await?;
    let prepared = tokio::select! {
        prepared = prepare(options, &client) => prepared?,
        _ = stop.wait_for(|stop| *stop) => return Ok(Ended::Stopped),
    };
    let (mut leadership, lease_task) = lease::campaign(
        client.clone(),
        format!("retune-{}", options.cloud),
        identity(options)?,
        prepared.ledger.highest(&prepared.cluster),
    );
    tokio::select! {
        () = leadership.acquired() => {}
        _ = stop.wait_for(|stop| *stop) => {
            lease_task.release().await;
            return Ok(Ended::Stopped);
        }
    }
    tracing::info!(cloud = %options.cloud, server = client.server(), "leading");
    let watched = leadership.clone();
    *restored |= watched.restored();
    let ended = lead(options, client, leadership, prepared, *restored, stop).await;
    *restored |= watched.restored();
    lease_task.release().await;
    ended
}

struct Prepared {
    key: [u8; 32],
    cluster: String,
    ledger: Ledger,
}

/// Everything that needs no leadership. Waits for an API server that does not answer.
async fn prepare(options: &SyncerOptions, client: &Client) -> Result<Prepared, StartError> {
    let cluster = patiently("the cluster's identity", || state::cluster_uid(client)).await?;
    match patiently("retune's kinds", || state::get_cloudsync(client, &options.cloud)).await {
        Err(error) if error.kind == ErrorKind::NotServing || error.status == 404 => {
            ensure_installed(options, client).await?
        }
        Err(error) => return Err(error.into()),
        Ok(None) if options.install => ensure_installed(options, client).await?,
        Ok(_) => {}
    }
    let key = cloud_key(options, client).await?;
    let ledger = Ledger::open(&options.state_dir.join("ledger.redb"), &key)?;
    Ok(Prepared { key, cluster, ledger })
}

/// The per-cloud key. A new one is made only for a new cloud: where there is an inventory, another key would change the random
/// text of every chart.
async fn cloud_key(options: &SyncerOptions, client: &Client) -> Result<[u8; 32], StartError> {
    let cloud = &options.cloud;
    if let Some(key) = patiently("the per-cloud key", || state::existing_cloud_key(client, cloud)).await? {
        return Ok(key);
    }
    let inventory = patiently("the inventory", || state::list_inventory(client, cloud)).await?;
    if let Some(first) = inventory.first() {
        return Err(StartError::Refused(format!(
            "Secret retune-system/{} with the key of cloud {cloud} is gone, and the cloud has inventories ({}, ...). A new key would \
             change the random text of charts (passwords, certificates) and could not read the ledger: put the old one back with \
             `retune key import FILE --cloud {cloud}`, or from a backup of the Secret. If it is lost for good, delete the cloud's \
             Inventories (kubectl delete inventories -n retune-system -l {}={cloud}): the next start makes a new key and takes over what is there",
            state::key_name(cloud),
            first.metadata.name,
            state::LABEL_INVENTORY
        )));
    }
    Ok(patiently("the per-cloud key", || state::cloud_key(client, cloud)).await?)
}

async fn ensure_installed(options: &SyncerOptions, client: &Client) -> Result<(), StartError> {
    if !options.install {
        let text = "retune's CRDs are not installed in this cluster; run `retune install` first, or leave out --no-install";
        return Err(StartError::Refused(text.into()));
    }
    tracing::info!("installing retune's CRDs, namespace and roles");
    patiently("the installation", || install::install(client, None)).await?;
    Ok(())
}

/// Repeats a call while the server is unreachable or overloaded.
async fn patiently<T, F, Fut>(what: &str, call: F) -> Result<T, ApiError>
where
    F: Fn() -> Fut,
    Fut: Future<Output = Result<T, ApiError>>,
{
    let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
    loop {
        match call().await {
            Err(error) if matches!(error.kind, ErrorKind::Transient | ErrorKind::LostResponse) => {
                let wait = backoff.next(jitter()).max(error.retry_after.unwrap_or_default());
                tracing::warn!(%error, retry_ms = wait.as_millis() as u64, "the API server does not answer: {what} is asked again");
                tokio::time::sleep(wait).await;
            }
            other => return other,
        }
    }
}

/// A name for the Lease that survives a restart with the same state folder, so that a killed syncer's successor need not wait.
fn identity(options: &SyncerOptions) -> Result<String, StartError> {
    let path = options.state_dir.join("identity");
    if let Ok(text) = std::fs::read_to_string(&path)
        && !text.trim().is_empty()
    {
        return Ok(text.trim().to_owned());
    }
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let text = format!("{}_{:016x}", host.trim(), jitter());
    std::fs::write(&path, &text).map_err(|e| StartError::State { path, message: e.to_string() })?;
    Ok(text)
}

async fn lead(
    options: &SyncerOptions,
    client: Client,
    leadership: lease::Leadership,
    prepared: Prepared,
    restored: bool,
    stop: watch::Receiver<bool>,
) -> Result<Ended, StartError> {
    let Prepared { key, cluster, ledger } = prepared;
    let mut cloudsync = own_cloudsync(options, &client).await?;
    if !cloudsync.status.cluster.is_empty() && cloudsync.status.cluster != cluster {
        return Err(StartError::Refused(format!(
            "CloudSync {} belongs to the cluster whose kube-system has uid {}, and this is {cluster}: it was copied here. \
             Clear its status.cluster and status.cloudId if this cluster is to be kept in tune from now on",
            options.cloud, cloudsync.status.cluster
        )));
    }
    cloudsync.status.cluster = cluster;
    if cloudsync.status.cloud_id.is_empty() {
        let digest = Digest::of_parts([b"retune.dev/cloud-id".as_slice(), key.as_slice()]);
        cloudsync.status.cloud_id = digest.as_bytes()[..8].iter().map(|b| format!("{b:02x}")).collect();
    }
    let inventory = patiently("the inventory", || state::list_inventory(&client, &options.cloud)).await?;
    let discovery = Arc::new(patiently("discovery", || Discovery::fetch(&client)).await?);
    let spec = &cloudsync.spec;
    if spec.source.repo.is_empty() {
        return Err(StartError::Refused(format!(
            "CloudSync {} names no repository: give --repo, or set spec.source.repo",
            options.cloud
        )));
    }
    let follow = FollowOptions {
        repo: spec.source.repo.clone(),
        branch: spec.source.branch.clone(),
        path: spec.source.path.clone(),
        profile: spec.profile.clone(),
        pin: spec.pin.as_ref().map(|p| p.revision.clone()),
        pins: spec.pins.iter().map(|(app, p)| (app.clone(), p.revision.clone())).collect(),
        interval: spec.interval.as_deref().and_then(control::duration).unwrap_or(Duration::from_secs(60)),
        state_dir: options.state_dir.join("git"),
        ca_file: options.ca_file.clone(),
        seed: Some(RenderSeed(state::render_seed(&key))),
        charts: options.charts.clone(),
        inputs: Arc::default(),
    };
    if !inventory.is_empty() {
        follow.inputs.outline();
        let (revision, values) = ledger.last_inputs(&cloudsync.status.cluster);
        follow.inputs.remember(&revision, values);
    }
    let follow = Follow::start(follow, Arc::clone(&discovery)).map_err(StartError::Refused)?;
    let target = Target {
        client: client.clone(),
        discovery,
        cloud: options.cloud.as_str().into(),
        cloud_id: cloudsync.status.cloud_id.as_str().into(),
    };
    let (changes, control) = mpsc::channel(16);
    let watching = tokio::spawn(control::watch_cloudsync(client, options.cloud.clone(), changes));
    let engine = Engine::new(Start {
        name: options.cloud.as_str().into(),
        target,
        leadership,
        cloudsync,
        inventory,
        follow,
        ledger,
        key,
        once: options.once,
        restored,
    });
    let ended = engine.run(stop, control).await;
    watching.abort();
    Ok(ended)
}

/// The `CloudSync`: the existing one, brought in line with what was said on the command line, or a new one.
async fn own_cloudsync(options: &SyncerOptions, client: &Client) -> Result<CloudSync, StartError> {
    let name = &options.cloud;
    let existing = patiently("the CloudSync", || state::get_cloudsync(client, name)).await?;
    let Some(existing) = existing else {
        let Some(source) = options.source.clone() else {
            return Err(StartError::Refused(format!(
                "there is no CloudSync {name}: give --repo to create it"
            )));
        };
        let spec = CloudSyncSpec {
            source,
            profile: options.profile.clone().unwrap_or_default(),
            interval: options.interval.clone(),
            ..CloudSyncSpec::default()
        };
        tracing::info!(cloud = %name, repo = %spec.source.repo, "creating the CloudSync");
        return Ok(patiently("the CloudSync", || state::create_cloudsync(client, name, &spec)).await?);
    };
    let mut patch = json!({});
    if let Some(source) = options.source.as_ref().filter(|s| **s != existing.spec.source) {
        patch["source"] = json!(source);
    }
    if let Some(profile) = options.profile.as_ref().filter(|p| **p != existing.spec.profile) {
        patch["profile"] = json!(profile);
    }
    if let Some(interval) = options.interval.as_ref().filter(|i| Some(*i) != existing.spec.interval.as_ref())
    {
        patch["interval"] = json!(interval);
    }
    if patch.as_object().is_none_or(serde_json::Map::is_empty) {
        return Ok(existing);
    }
    tracing::info!(cloud = %name, change = %patch, "the CloudSync is brought in line with the command line");
    Ok(patiently("the CloudSync", || state::patch_cloudsync_spec(client, name, &patch)).await?)
}
