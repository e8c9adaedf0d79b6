//! Nodes that are not ready or cordoned do not count for DaemonSets ([`crate::health::nodes`]).
//!
//! One watch of all nodes, reduced to the reason why each does not count; it begins with the first DaemonSet of the cloud.
//! Only while some node does not count, an event of a DaemonSet that is not ready costs two reads: itself and its pods.
//! At rest nothing is asked.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::engine::{Engine, Message};
use super::feed::Feed;
use crate::cloud::ObjectId;
use crate::cluster::ErrorKind;
use crate::cluster::error::ApiError;
use crate::cluster::objects;
use crate::cluster::watch::{Digest, Event, Notice, WatchSpec};
use crate::health::nodes::{self, Excused};
use crate::health::{self, Health, Verdict};

/// The most pods of a DaemonSet that are looked at.
const PODS: usize = 10_000;

/// What is kept of a node: why it does not count.
pub(super) type Excuse = Option<&'static str>;

/// What is known of the cluster's nodes.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    pub(super) feed: Feed<Excuse>,
    excused: Arc<Excused>,
    /// Those named since the watch began to tell its whole state again.
    named: Option<Excused>,
    /// DaemonSets that are being read, and whether something happened meanwhile.
    reading: std::collections::HashMap<ObjectId, bool>,
}

/// What a DaemonSet's pods say of it.
#[derive(Debug)]
pub(super) struct Daemons {
    id: ObjectId,
    /// The resourceVersion that the verdict speaks of.
    rv: u64,
    verdict: Result<Option<Verdict>, ApiError>,
}

fn digest() -> Digest<Excuse> {
    Arc::new(|object| serde_json::from_str::<Value>(object.get()).ok().map(|node| nodes::excuse(&node)))
}

impl Engine {
    /// Starts the watch of nodes with the first DaemonSet.
    pub(super) fn watch_nodes(&mut self) {
        if self.nodes.feed.runs() {
            return;
        }
        let Some(resource) = self.target.discovery.preferred("", "Node").filter(|r| r.watchable).cloned()
        else {
            return;
        };
        self.nodes.feed.begin(&self.target.client, WatchSpec::whole(resource, digest()));
    }

    pub(super) fn on_node(&mut self, notice: Notice<Excuse>) {
        let around = &mut self.nodes;
        let before = Arc::clone(&around.excused);
        match notice.event {
            Event::Restarted => around.named = Some(Excused::new()),
            Event::Applied(meta, excuse) => {
                let excused = around.named.as_mut().unwrap_or_else(|| Arc::make_mut(&mut around.excused));
                match excuse.flatten() {
                    Some(why) => excused.insert(meta.name.to_string(), why),
                    None => excused.remove(&*meta.name),
                };
            }
            Event::Deleted(meta) => {
                Arc::make_mut(&mut around.excused).remove(&*meta.name);
            }
            Event::Synced => {
                if let Some(named) = around.named.take() {
                    around.excused = Arc::new(named);
                }
            }
            Event::Failing(error) => {
                if matches!(error.kind, ErrorKind::Denied | ErrorKind::NotFound | ErrorKind::Invalid) {
                    tracing::warn!(%error, "nodes are not seen, so every node counts for DaemonSets: list and watch on nodes is needed");
                }
            }
            Event::Recovered => {}
        }
        if self.nodes.named.is_none() && self.nodes.excused != before {
            tracing::info!(nodes = ?self.nodes.excused, "nodes that do not count for DaemonSets");
            let concerned: BTreeSet<ObjectId> = self
                .index
                .objects
                .iter()
                .filter(|(id, k)| {
                    id.is("apps", "DaemonSet") && (k.health != Health::Ready || k.message.is_some())
                })
                .map(|(id, _)| id.clone())
                .collect();
            for id in concerned {
                self.read_daemons(&id);
            }
        }
    }

    /// A verdict on a DaemonSet that nodes may change: its pods are read, and the verdict follows. Whether that is so.
    pub(super) fn ask_daemons(&mut self, id: &ObjectId, verdict: &Verdict) -> bool {
        let asks = id.is("apps", "DaemonSet")
            && verdict.health == Health::Progressing
            && !self.nodes.excused.is_empty()
            && !self.has_own_rules(id);
        if asks {
            self.read_daemons(id);
        }
        asks
    }

    fn read_daemons(&mut self, id: &ObjectId) {
        if let Some(again) = self.nodes.reading.get_mut(id) {
            *again = true;
            return;
        }
        let discovery = &self.target.discovery;
        let Some(resource) = discovery.preferred(&id.group, &id.kind).cloned() else { return };
        let Some(pods) = discovery.preferred("", "Pod").cloned() else { return };
        self.nodes.reading.insert(id.clone(), false);
        let (client, id, excused) = (self.target.client.clone(), id.clone(), Arc::clone(&self.nodes.excused));
        self.jobs.spawn(async move {
            let mut rv = 0;
            let work = async {
                let Some(live) = objects::get(&client, &resource, &id).await? else { return Ok(None) };
                rv = live
                    .pointer("/metadata/resourceVersion")
                    .and_then(Value::as_str)
                    .and_then(|rv| rv.parse().ok())
                    .unwrap_or(0);
                if excused.is_empty() || !nodes::may_matter(&live) {
                    return Ok(Some(health::judge(&live)));
                }
                let labels = objects::selector(&live["spec"]["selector"]["matchLabels"]);
                let namespace = id.namespace.as_deref().unwrap_or_default();
                let pods = objects::list(&client, &pods, namespace, &labels, PODS).await?;
                Ok(Some(nodes::judge_daemons(&live, &pods, &excused)))
            };
            let verdict = work.await;
            Message::Daemons(Daemons { id, rv, verdict })
        });
    }

    pub(super) fn on_daemons(&mut self, daemons: Daemons) {
        let Daemons { id, rv, verdict } = daemons;
        let again = self.nodes.reading.remove(&id).unwrap_or_default();
        match verdict {
            Ok(Some(verdict)) => {
                if let Some(known) = self.index.objects.get_mut(&id) {
                    if verdict.health == Health::Ready && !verdict.message.is_empty() {
                        tracing::info!(object = %id, "{}", verdict.message);
                    }
                    known.set_health(rv, verdict);
                    self.report.due = true;
                    self.refresh_ready(&id);
                }
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(object = %id, %error, "its pods could not be read: every node counts until its next event");
                if let Some(known) = self.index.objects.get_mut(&id) {
                    known.health = Health::Progressing;
                    known.message = Some("not all of its pods are ready; they could not be read".into());
                    self.refresh_ready(&id);
                }
            }
        }
        if again {
            self.read_daemons(&id);
        }
    }
}
