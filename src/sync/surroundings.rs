//! What is around the cloud and decides something about it without being part of it: autoscalers that are not in Git
//! target its workloads.
//!
//! One watch of all HorizontalPodAutoscalers, reduced to what they scale. The first plan waits until it has told its
//! whole state: a restart must not undo what an autoscaler set. Where the kind is not served or may not be watched, only
//! autoscalers of the repository count, and that is said once.

use std::collections::HashMap;
use std::sync::Arc;

use super::engine::Engine;
use super::feed::Feed;
use super::follow::Desired;
use super::scan::id_of;
use crate::cloud::ObjectId;
use crate::cluster::ErrorKind;
use crate::cluster::client::Client;
use crate::cluster::discovery::{Discovery, Resource};
use crate::cluster::error::ApiError;
use crate::cluster::watch::{self, Digest, Event, Notice, WatchSpec};
use crate::plan::yields::{Scalers, scale_target};

/// The group and kind of autoscalers.
const SCALER: (&str, &str) = ("autoscaling", "HorizontalPodAutoscaler");

/// What is kept of an autoscaler: what it scales.
pub(super) type Target = Option<ObjectId>;

/// What is known of the surroundings.
#[derive(Debug, Default)]
pub(super) struct Surroundings {
    pub(super) feed: Feed<Target>,
    /// By autoscaler.
    targets: HashMap<ObjectId, ObjectId>,
    /// Those named since the watch began to tell its whole state again.
    named: Option<Vec<ObjectId>>,
    known: bool,
    /// A plan waits for the whole state.
    waits: bool,
}

impl Surroundings {
    fn scalers(&self) -> Scalers {
        self.targets.iter().map(|(scaler, target)| (target.clone(), scaler.to_string())).collect()
    }
}

fn resource(discovery: &Discovery) -> Option<Resource> {
    discovery.preferred(SCALER.0, SCALER.1).filter(|r| r.watchable).cloned()
}

fn digest() -> Digest<Target> {
    Arc::new(|object| {
        let body: serde_json::Value = serde_json::from_str(object.get()).ok()?;
        let namespace = body.pointer("/metadata/namespace").and_then(serde_json::Value::as_str);
        let scaler = ObjectId::new(SCALER.0, SCALER.1, namespace, "");
        Some(scale_target(&scaler, &body))
    })
}

/// The autoscalers of the cluster, listed once: for `diff`.
///
/// # Errors
/// As a list's; a cluster without the kind has none.
pub(super) async fn scalers(client: &Client, discovery: &Discovery) -> Result<Scalers, ApiError> {
    let Some(resource) = resource(discovery) else { return Ok(Scalers::new()) };
    let listed = watch::list_whole(client, &resource, "", &digest()).await?;
    Ok(listed
        .into_iter()
        .filter_map(|(meta, target)| Some((target.flatten()?, id_of(&resource, &meta).to_string())))
        .collect())
}

impl Engine {
    /// Starts the watch.
    pub(super) fn watch_surroundings(&mut self) {
        let Some(resource) = resource(&self.target.discovery) else {
            self.surroundings.known = true;
            return;
        };
        self.surroundings.feed.begin(&self.target.client, WatchSpec::whole(resource, digest()));
    }

    /// Whether a plan may be made; if not, it is made once the surroundings are known.
    pub(super) fn surroundings_known(&mut self) -> bool {
        self.surroundings.waits |= !self.surroundings.known;
        self.surroundings.known
    }

    pub(super) fn on_surroundings(&mut self, notice: Notice<Target>) {
        let Notice { resource, event } = notice;
        let around = &mut self.surroundings;
        match event {
            Event::Restarted => around.named = Some(Vec::new()),
            Event::Applied(meta, target) => {
                let scaler = id_of(&resource, &meta);
                if let Some(named) = &mut around.named {
                    named.push(scaler.clone());
                }
                match target.flatten() {
                    Some(target) => around.targets.insert(scaler, target),
                    None => around.targets.remove(&scaler),
                };
                if around.named.is_none() {
                    self.beside();
                }
            }
            Event::Deleted(meta) => {
                around.targets.remove(&id_of(&resource, &meta));
                if around.named.is_none() {
                    self.beside();
                }
            }
            Event::Synced => {
                if let Some(named) = around.named.take() {
                    around.targets.retain(|scaler, _| named.contains(scaler));
                }
                self.surroundings_are_known();
            }
            Event::Failing(error) => {
                let never = matches!(
                    error.kind,
                    ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::NotServing | ErrorKind::Invalid
                );
                if never && !around.known {
                    tracing::warn!(%error, "autoscalers that are not in Git are not seen: list and watch on horizontalpodautoscalers is needed");
                    self.surroundings_are_known();
                }
            }
            Event::Recovered => {}
        }
    }

    /// A new revision beside the autoscalers that are known.
    pub(super) fn beside_scalers(&self, desired: Arc<Desired>) -> Arc<Desired> {
        desired.beside(&self.surroundings.scalers()).map_or(desired, Arc::new)
    }

    fn surroundings_are_known(&mut self) {
        self.surroundings.known = true;
        let changed = self.take_surroundings_in();
        if std::mem::take(&mut self.surroundings.waits) || changed {
            self.plan_again();
        }
    }

    fn beside(&mut self) {
        if self.take_surroundings_in() {
            self.plan_again();
        }
    }

    /// Lets the desired state know the autoscalers; whether that changes what is left to them.
    pub(super) fn take_surroundings_in(&mut self) -> bool {
        let Some(desired) = &self.desired else { return false };
        match desired.beside(&self.surroundings.scalers()) {
            Some(other) => {
                tracing::info!(
                    autoscalers = self.surroundings.targets.len(),
                    "what is left to autoscalers changed"
                );
                self.desired = Some(Arc::new(other));
                true
            }
            None => false,
        }
    }
}
