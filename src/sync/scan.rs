//! What there is in the cluster: the lists before a cloud's first plan, and discovery.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::engine::{Engine, Message, Timer};
use crate::cloud::ObjectId;
use crate::cluster::client::Client;
use crate::cluster::discovery::{Discovery, Resource};
use crate::cluster::error::ApiError;
use crate::cluster::meta::Meta;
use crate::cluster::objects::owner_value;
use crate::cluster::{LABEL_CLOUD, watch};

/// What is in the cluster before the inventory knows anything.
#[derive(Debug)]
pub(super) struct Scan {
    /// Objects that carry this cloud's label and an annotation that names them.
    pub(super) ours: Vec<(ObjectId, Meta)>,
}

impl Engine {
    /// Looks what is there before the first plan of a cloud whose inventory is empty.
    pub(super) fn scan(&mut self) {
        if self.scanning {
            return;
        }
        self.scanning = true;
        let client = self.target.client.clone();
        let discovery = Arc::clone(&self.target.discovery);
        let (name, cloud_id) = (Arc::clone(&self.name), Arc::clone(&self.target.cloud_id));
        self.jobs.spawn(async move { Message::Scanned(scan(&client, &discovery, &name, &cloud_id).await) });
    }

    pub(super) fn on_scanned(&mut self, result: Result<Scan, ApiError>) {
        self.scanning = false;
        match result {
            Err(error) => {
                tracing::warn!(%error, "what is in the cluster could not be listed whole; it is listed again");
                let wait = self.inventory_backoff.next(crate::cluster::error::jitter());
                self.slow_replan(wait);
            }
            Ok(scan) => {
                self.inventory_backoff.reset();
                for (id, meta) in &scan.ours {
                    if !self.index.objects.contains_key(id)
                        && let Some(app) = meta.app.as_deref()
                    {
                        self.rebuild(id, app, meta);
                    }
                }
                self.scanned = true;
                self.plan_again();
            }
        }
    }

    fn slow_replan(&mut self, wait: std::time::Duration) {
        self.jobs.spawn(async move {
            tokio::time::sleep(wait).await;
            Message::Discovered(Err(ApiError::unreadable("listing", "again")))
        });
    }

    /// Asks discovery again, once at a time.
    pub(super) fn discover(&mut self) {
        if self.discovering {
            return;
        }
        self.discovering = true;
        let client = self.target.client.clone();
        self.jobs.spawn(async move { Message::Discovered(Discovery::fetch(&client).await) });
    }

    pub(super) fn on_discovered(&mut self, result: Result<Discovery, ApiError>) {
        match result {
            Ok(discovery) => {
                self.discovering = false;
                let discovery = Arc::new(discovery);
                self.target.discovery = Arc::clone(&discovery);
                self.follow.discovered(discovery);
                let kinds: BTreeSet<_> = self
                    .desired
                    .iter()
                    .flat_map(|d| {
                        d.cloud.objects().map(|o| (Arc::clone(&o.id.group), Arc::clone(&o.id.kind)))
                    })
                    .chain(self.index.objects.keys().map(|id| (Arc::clone(&id.group), Arc::clone(&id.kind))))
                    .collect();
                for (group, kind) in kinds {
                    self.ensure_watch(&group, &kind);
                }
                // A CRD that is established but not served yet: asked again soon.
                let waiting = self.index.objects.iter().any(|(id, k)| {
                    id.is("apiextensions.k8s.io", "CustomResourceDefinition")
                        && k.health == crate::health::Health::Ready
                        && !k.deleting
                        && !self.target.discovery.serves_definition(&id.name)
                });
                if waiting {
                    self.after(std::time::Duration::from_millis(100), Timer::Discover);
                }
                let retry: Vec<ObjectId> = self
                    .retries
                    .keys()
                    .filter(|id| self.target.discovery.preferred(&id.group, &id.kind).is_some())
                    .cloned()
                    .collect();
                for id in retry {
                    self.want(&id, true);
                }
            }
            Err(error) => {
                if self.discovering {
                    self.discovering = false;
                    tracing::warn!(%error, "discovery failed; it is asked again");
                    self.after(std::time::Duration::from_secs(1), Timer::Discover);
                }
                if !self.scanned
                    && self.desired.is_some()
                    && self.memory.apps.is_empty()
                    && self.active.is_none()
                {
                    self.plan_again();
                }
            }
        }
    }
}

/// Lists every kind by label.
pub(super) async fn scan(
    client: &Client,
    discovery: &Discovery,
    name: &str,
    cloud_id: &str,
) -> Result<Scan, ApiError> {
    use futures::{StreamExt, TryStreamExt};
    let selector = format!("{LABEL_CLOUD}={name}");
    let resources: Vec<Resource> = discovery.all().filter(|r| r.watchable).cloned().collect();
    let lists: Vec<Vec<(Resource, Meta)>> = futures::stream::iter(resources)
        .map(|resource| {
            let selector = &selector;
            async move {
                match watch::list_meta(client, &resource, selector).await {
                    Ok(list) => Ok(list.into_iter().map(|m| (resource.clone(), m)).collect()),
                    // A kind that went away, or that this user may not list, holds nothing of ours.
                    Err(error)
                        if matches!(
                            error.kind,
                            crate::cluster::ErrorKind::NotFound
                                | crate::cluster::ErrorKind::NotServing
                                | crate::cluster::ErrorKind::Denied
                        ) || error.status == 405 =>
                    {
                        Ok(Vec::new())
                    }
                    Err(error) => Err(error),
                }
            }
        })
        .buffer_unordered(8)
        .try_collect()
        .await?;
    let mut ours = Vec::new();
    for (resource, meta) in lists.into_iter().flatten() {
        let id = id_of(&resource, &meta);
        let orphan = meta.own_annotations.contains_key(super::teardown::ANNOTATION_ORPHAN);
        if !meta.deleting
            && !orphan
            && meta.own.is_some()
            && meta.owner.as_deref() == Some(&owner_value(cloud_id, &id))
        {
            ours.push((id, meta));
        }
    }
    Ok(Scan { ours })
}

pub(super) fn id_of(resource: &Resource, meta: &Meta) -> ObjectId {
    ObjectId {
        group: Arc::clone(&resource.group),
        kind: Arc::clone(&resource.kind),
        namespace: (!meta.namespace.is_empty()).then(|| meta.namespace.as_str().into()),
        name: meta.name.as_str().into(),
    }
}
