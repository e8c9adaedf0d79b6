//! Labels and annotations of nodes: applied to the nodes that exist, corrected and blamed, taken away when Git drops them.
//!
//! One watch of all nodes, begun when `retune.yaml` has `spec.nodes` (or the status says that nodes were labelled before). A node that
//! appears later comes by the watch. Nothing creates or deletes a node.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{Ended, Engine, Message, Timer};
use super::feed::Feed;
use super::fight::Decision;
use crate::cloud::ObjectId;
use crate::cloud::nodes::{NodeRule, Wanted};
use crate::cloud::spec::DriftMode;
use crate::cluster::ErrorKind;
use crate::cluster::crd::NodeStatus;
use crate::cluster::error::ApiError;
use crate::cluster::fields::Entry;
use crate::cluster::meta::Uid;
use crate::cluster::nodes;
use crate::cluster::watch::{Event, Notice, WatchSpec};
use crate::plan::nodes::{NodeChange, NodeFacts, body, change};

/// How many nodes the status lists.
const LISTED: usize = 100;

/// One node.
#[derive(Debug)]
struct Known {
    uid: Uid,
    facts: NodeFacts,
    /// The resourceVersion of the facts.
    rv: u64,
    /// The resourceVersion that our last apply gave: older news is none.
    applied_rv: u64,
    /// What was last seen to be as declared, or applied.
    settled: Option<Wanted>,
    /// Why it differs now, and since when.
    drift: Option<(String, Instant)>,
    busy: bool,
    /// The last refusal.
    error: Option<String>,
}

/// The nodes of the cluster.
#[derive(Debug, Default)]
pub(super) struct NodeLabels {
    pub(super) feed: Feed<NodeFacts>,
    rules: Arc<[NodeRule]>,
    known: BTreeMap<String, Known>,
    named: Option<HashSet<String>>,
    told: bool,
    /// Nodes to be looked at when something may be written.
    due: BTreeSet<String>,
    contradictions: BTreeSet<String>,
}

impl NodeLabels {
    /// Whether nothing is left to be done (a single sync may end).
    pub(super) fn at_rest(&self) -> bool {
        !self.feed.runs() || self.told && self.due.is_empty() && self.known.values().all(|k| !k.busy)
    }
}

fn id(node: &str) -> ObjectId {
    ObjectId::new("", "Node", None, node)
}

impl Engine {
    /// The rules of the revision that is enforced now.
    pub(super) fn keep_nodes(&mut self) {
        let Some(desired) = &self.desired else { return };
        let rules = Arc::clone(&desired.cloud.nodes);
        if rules.is_empty() && !self.labels.feed.runs() && self.report.status.nodes.is_empty() {
            return;
        }
        if !self.labels.feed.runs() {
            let Some(resource) = self.target.discovery.preferred("", "Node").cloned() else { return };
            self.labels
                .feed
                .begin(&self.target.client, WatchSpec::whole(resource, nodes::digest(&self.name)));
        }
        if self.labels.rules != rules {
            self.labels.rules = rules;
            // A change of Git settles a fight.
            for name in self.labels.known.keys() {
                self.fights.settle(&id(name));
            }
            self.labels.due = self.labels.known.keys().cloned().collect();
        }
    }

    pub(super) fn on_labels(&mut self, notice: Notice<NodeFacts>) {
        match notice.event {
            Event::Restarted => self.labels.named = Some(HashSet::new()),
            Event::Applied(meta, Some(facts)) if !meta.deleting => {
                if let Some(named) = &mut self.labels.named {
                    named.insert(meta.name.clone());
                }
                let known = self.labels.known.entry(meta.name.clone()).or_insert_with(|| Known {
                    uid: meta.uid,
                    facts: NodeFacts::default(),
                    rv: 0,
                    applied_rv: 0,
                    settled: None,
                    drift: None,
                    busy: false,
                    error: None,
                });
                if known.uid != meta.uid {
                    (known.uid, known.settled) = (meta.uid, None);
                }
                if meta.rv < known.applied_rv {
                    return;
                }
                (known.facts, known.rv) = (facts, meta.rv);
                self.judge_node(&meta.name, &meta.entries);
            }
            Event::Applied(meta, _) | Event::Deleted(meta) => {
                if self.labels.known.remove(&meta.name).is_some() {
                    self.report.due = true;
                }
            }
            Event::Synced => {
                if let Some(named) = self.labels.named.take() {
                    self.labels.known.retain(|name, _| named.contains(name));
                }
                self.labels.told = true;
                self.report.due = true;
            }
            Event::Failing(error) => {
                tracing::warn!(%error, "the watch of nodes fails; it goes on trying");
                self.labels.told |= matches!(error.kind, ErrorKind::Denied | ErrorKind::Invalid);
            }
            Event::Recovered => {}
        }
    }

    /// Whether a node is as declared, and who changed it if it was.
    fn judge_node(&mut self, name: &str, entries: &[Entry]) {
        let Some(known) = self.labels.known.get_mut(name) else { return };
        let (found, contradictions) = change(&self.labels.rules, name, &known.facts);
        for text in contradictions {
            let text = format!("node {name}: {text}");
            if self.labels.contradictions.insert(text.clone()) {
                tracing::warn!("retune.yaml: spec.nodes: two rules differ: {text}");
            }
        }
        let Some(found) = found else {
            let (wanted, _) = crate::cloud::nodes::wanted(&self.labels.rules, name, &known.facts.labels);
            let news = known.settled.is_none() || known.error.is_some() || known.drift.is_some();
            (known.settled, known.error) = (Some(wanted), None);
            // Our own write may be told before it is answered; the answer tells of the correction.
            if !known.busy {
                known.drift = None;
            }
            self.labels.due.remove(name);
            self.report.due |= news;
            return;
        };
        if known.settled.as_ref() == Some(&found.wanted) && known.drift.is_none() && !known.busy {
            let uid = known.uid.to_string();
            let lost = nodes::lost(&self.name, &body(name, &uid, &found.wanted), entries);
            let by: Vec<String> = lost.iter().take(5).map(ToString::to_string).collect();
            let reason = if by.is_empty() { found.changes.join("; ") } else { by.join("; ") };
            known.drift = Some((reason, Instant::now()));
        }
        if !known.busy {
            self.labels.due.insert(name.to_owned());
        }
    }

    /// Applies what is due, as far as writing is allowed.
    pub(super) fn tend_nodes(&mut self) {
        let ending = self.stopping && !matches!(self.ended, Some(Ended::Once(_)));
        if self.labels.due.is_empty() || ending || self.tearing_down || !self.may_write() {
            return;
        }
        for name in std::mem::take(&mut self.labels.due) {
            self.tend_node(&name);
        }
    }

    fn tend_node(&mut self, name: &str) {
        let Some(known) = self.labels.known.get_mut(name).filter(|k| !k.busy) else { return };
        let (Some(found), _) = change(&self.labels.rules, name, &known.facts) else {
            known.drift = None;
            return;
        };
        if let Some((reason, _)) = &known.drift {
            if self.steering.drift.is_some_and(|mode| mode != DriftMode::Correct) {
                if known.error.as_ref() != Some(reason) {
                    tracing::warn!(node = %name, drift = %reason, "drift (reported, not corrected)");
                    self.report.drift(&id(name), &format!("not corrected: {reason}"));
                    known.error = Some(reason.clone());
                    self.report.due = true;
                }
                return;
            }
            if let Decision::Wait { until, first } = self.fights.ask(&id(name), Instant::now()) {
                if first {
                    let reason = reason.clone();
                    self.report.fighting(&id(name), &reason);
                    self.timers.push(Reverse((until, Timer::Node(name.to_owned()))));
                    self.after(super::fight::WINDOW, Timer::Fights);
                }
                return;
            }
        }
        let Some(resource) = self.target.discovery.preferred("", "Node").cloned() else { return };
        known.busy = true;
        self.in_flight += 1;
        let text = body(name, &known.uid.to_string(), &found.wanted);
        let (client, cloud) = (self.target.client.clone(), Arc::clone(&self.name));
        self.jobs.spawn(async move {
            let result = nodes::apply(&client, &resource, &cloud, &found.node, &text).await;
            Message::Node(found, result)
        });
    }

    pub(super) fn on_node_applied(&mut self, found: NodeChange, result: Result<u64, ApiError>) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.report.due = true;
        let name = found.node.clone();
        let Some(known) = self.labels.known.get_mut(&name) else { return };
        known.busy = false;
        match result {
            Ok(rv) => {
                let drift = known.drift.take();
                (known.settled, known.error, known.applied_rv) = (Some(found.wanted), None, rv);
                if known.rv > rv && change(&self.labels.rules, &name, &known.facts).0.is_some() {
                    // Somebody was quick.
                    self.labels.due.insert(name.clone());
                }
                match drift {
                    Some((reason, since)) => {
                        let ms = since.elapsed().as_secs_f64() * 1e3;
                        tracing::info!(node = %name, drift = %reason, ms = (ms * 10.0).round() / 10.0, "drift corrected");
                        self.report.drift(&id(&name), &format!("corrected: {reason}"));
                        self.report.corrections += 1;
                        self.ledger.drift(&id(&name), &reason, Some(since.elapsed()));
                    }
                    None => {
                        tracing::info!(node = %name, changes = %found.changes.join("; "), "node labelled")
                    }
                }
            }
            // Gone, or another one of its name: the watch tells.
            Err(error) if matches!(error.kind, ErrorKind::Conflict | ErrorKind::NotFound) => {
                tracing::info!(node = %name, %error, "the node is another one now");
            }
            Err(error) => {
                tracing::warn!(node = %name, %error, "labels and annotations could not be applied; tried again");
                known.error = Some(error.to_string());
                self.after(Duration::from_secs(5), Timer::Node(name));
            }
        }
    }

    /// A node is looked at again.
    pub(super) fn node_again(&mut self, name: String) {
        if self.labels.known.contains_key(&name) {
            self.labels.due.insert(name);
        }
    }

    /// How the nodes stand, for the status: those that retune labels.
    pub(super) fn node_status(&self) -> Vec<NodeStatus> {
        if !self.labels.told {
            return self.report.status.nodes.clone();
        }
        let mut out = Vec::new();
        for (name, known) in &self.labels.known {
            let (found, _) = change(&self.labels.rules, name, &known.facts);
            let own = known.facts.own_labels.len() + known.facts.own_annotations.len();
            if own == 0 && found.is_none() {
                continue;
            }
            let message = match (&known.error, found) {
                (Some(error), _) => error.clone(),
                (None, Some(found)) => found.changes.join("; "),
                (None, None) => String::new(),
            };
            let state = if message.is_empty() { "in sync" } else { "differs" };
            out.push(NodeStatus {
                name: name.clone(),
                state: state.to_owned(),
                labels: known.facts.own_labels.iter().cloned().collect(),
                annotations: known.facts.own_annotations.iter().cloned().collect(),
                message: message.chars().take(1_000).collect(),
            });
        }
        out.sort_by_key(|n| n.state == "in sync");
        out.truncate(LISTED);
        out
    }
}
