//! What the engine does with CRDs that have left Git: whether they still have instances is asked before the plan is made, and
//! again right before the deletion. Deleting a CRD deletes every object of its kind, whoever made it.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;

use super::engine::{Engine, Message};
use super::follow::Desired;
use crate::cloud::ObjectId;
use crate::cluster::client::Client;
use crate::cluster::discovery::Discovery;
use crate::cluster::error::{ApiError, ErrorKind};
use crate::cluster::watch;

/// What is known of the CRDs that a plan would delete.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    /// What was asked for: the revision and the CRDs.
    asked: Option<(String, BTreeSet<Arc<str>>)>,
    asking: bool,
    /// Those without an instance.
    pub(super) empty: HashSet<Arc<str>>,
}

/// The answer to a count.
#[derive(Debug)]
pub(super) enum Counted {
    /// Before a plan: the CRDs that have no instance, or why that is not known.
    Planned(Result<HashSet<Arc<str>>, ApiError>),
    /// Right before a deletion.
    Deleting(ObjectId, Result<bool, ApiError>),
}

fn is_definition(id: &ObjectId) -> bool {
    id.is("apiextensions.k8s.io", "CustomResourceDefinition")
}

impl Engine {
    /// Whether the plan for this revision has to wait until the instances of CRDs that would go are counted.
    pub(super) fn counts_instances_first(&mut self, desired: &Desired) -> bool {
        let doomed: BTreeSet<Arc<str>> = self
            .index
            .objects
            .iter()
            .filter(|(id, known)| {
                is_definition(id) && !known.keep && !known.deleting && desired.object(id).is_none()
            })
            .map(|(id, _)| Arc::clone(&id.name))
            .collect();
        if doomed.is_empty() {
            self.definitions = Definitions::default();
            return false;
        }
        let question = Some((desired.revision.id.clone(), doomed.clone()));
        if self.definitions.asked == question {
            return self.definitions.asking;
        }
        self.definitions = Definitions { asked: question, asking: true, empty: HashSet::new() };
        let (client, discovery) = (self.target.client.clone(), Arc::clone(&self.target.discovery));
        self.jobs.spawn(async move {
            let mut empty = HashSet::new();
            for name in doomed {
                match has_instances(&client, &discovery, &name).await {
                    Ok(true) => {}
                    Ok(false) => {
                        empty.insert(name);
                    }
                    Err(error) => return Message::Counted(Counted::Planned(Err(error))),
                }
            }
            Message::Counted(Counted::Planned(Ok(empty)))
        });
        true
    }

    /// A CRD that was empty when the plan was made is looked at once more before it goes.
    pub(super) fn recounts(&mut self, id: &ObjectId) -> bool {
        if !is_definition(id) || !self.definitions.empty.contains(&id.name) {
            return false;
        }
        let (client, discovery) = (self.target.client.clone(), Arc::clone(&self.target.discovery));
        let id = id.clone();
        self.in_flight += 1;
        self.jobs.spawn(async move {
            let found = has_instances(&client, &discovery, &id.name).await;
            Message::Counted(Counted::Deleting(id, found))
        });
        true
    }

    pub(super) fn on_counted(&mut self, counted: Counted) {
        match counted {
            Counted::Planned(result) => {
                self.definitions.asking = false;
                match result {
                    Ok(empty) => self.definitions.empty = empty,
                    // None counts as empty then: each deletion of a CRD asks for approval.
                    Err(error) => {
                        tracing::warn!(%error, "instances of CRDs that left Git could not be counted: their deletion needs an approval");
                    }
                }
                self.plan_again();
            }
            Counted::Deleting(id, result) => {
                self.in_flight -= 1;
                if let Some(known) = self.index.objects.get_mut(&id) {
                    known.busy = false;
                }
                let still = self.active.as_ref().is_some_and(|a| a.run.is_outstanding(&id))
                    && self.desired.as_ref().is_some_and(|d| d.object(&id).is_none());
                match result {
                    Ok(false) if still => self.start_delete_now(&id, false),
                    Ok(false) => {}
                    Ok(true) => {
                        tracing::warn!(object = %id, "has instances now: its deletion is withheld");
                        self.definitions.empty.remove(&id.name);
                        self.plan_again();
                    }
                    Err(error) => {
                        tracing::warn!(object = %id, %error, "its instances could not be counted: its deletion is withheld");
                        self.definitions.empty.remove(&id.name);
                        self.plan_again();
                    }
                }
                if self.index.objects.get(&id).is_some_and(|known| !known.busy) {
                    self.take_in_held(&id);
                }
            }
        }
    }
}

/// Whether a CRD, by its name `plural.group`, has an instance. One that is not served has none that could be reached, which
/// does not mean that there is none: it counts as having some.
async fn has_instances(client: &Client, discovery: &Discovery, name: &str) -> Result<bool, ApiError> {
    let Some(resource) = discovery.definition(name) else { return Ok(true) };
    match watch::any(client, resource).await {
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::NotServing) => Ok(true),
        other => other,
    }
}
