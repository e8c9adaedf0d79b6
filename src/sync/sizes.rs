//! What the engine asks before a plan that changes sizes of data: the live objects, compared with what Git wants now
//! ([`crate::plan::shrinking`]).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::engine::{Engine, Message};
use super::follow::Desired;
use crate::apply::job::Target;
use crate::cloud::{Digest, Object, ObjectId};
use crate::cluster::error::{ApiError, ErrorKind};
use crate::cluster::objects;
use crate::plan::guard::Guard;
use crate::plan::{Plan, shrinking};

/// What is known of updates that would make data smaller.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    /// What was asked: the objects and what they would become.
    asked: BTreeMap<ObjectId, Digest>,
    asking: bool,
    /// Those that would become smaller: what.
    pub(super) shrinks: HashMap<ObjectId, String>,
    /// Those that the plan under way (or the last one) withholds, and their apps.
    pub(super) withheld: HashMap<ObjectId, Arc<str>>,
}

/// The answer to a question.
#[derive(Debug)]
pub(super) struct Answer {
    asked: BTreeMap<ObjectId, Digest>,
    found: Vec<(ObjectId, Result<Option<String>, ApiError>)>,
}

/// What a plan withholds because it would make data smaller, and the apps.
pub(super) fn withheld(plan: &Plan) -> HashMap<ObjectId, Arc<str>> {
    plan.withheld
        .iter()
        .filter(|w| matches!(w.guard, Guard::Shrink(_)))
        .map(|w| (w.action.id.clone(), Arc::clone(&w.app)))
        .collect()
}

/// What applying an object would make smaller.
///
/// # Errors
/// Those of the read. A kind that is not served has no objects.
pub(super) async fn measure(target: &Target, object: &Object) -> Result<Option<String>, ApiError> {
    let live = match target.resource(&object.id, object.version()) {
        Ok(resource) => objects::get(&target.client, &resource, &object.id).await,
        Err(error) => Err(error),
    };
    match live {
        Ok(live) => Ok(live.and_then(|live| shrinking::shrinks(&object.id, &live, &object.json()))),
        Err(error) if matches!(error.kind, ErrorKind::NotFound | ErrorKind::NotServing) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Engine {
    /// Whether the plan has to wait until the live sizes of what it would update are known.
    pub(super) fn measures_first(&mut self, desired: &Desired) -> bool {
        let changed: Vec<&Object> = desired
            .cloud
            .objects()
            .filter(|object| {
                shrinking::has_sizes(&object.id)
                    && self
                        .index
                        .objects
                        .get(&object.id)
                        .is_some_and(|known| known.digest.is_some_and(|applied| applied != object.digest))
            })
            .collect();
        let question: BTreeMap<ObjectId, Digest> =
            changed.iter().map(|object| (object.id.clone(), object.digest)).collect();
        if self.sizes.asked == question {
            return self.sizes.asking;
        }
        self.sizes.shrinks.clear();
        self.sizes.asking = !question.is_empty();
        self.sizes.asked.clone_from(&question);
        if changed.is_empty() {
            return false;
        }
        let (target, objects) = (self.target.clone(), changed.into_iter().cloned().collect::<Vec<_>>());
        self.jobs.spawn(async move {
            let mut found = Vec::with_capacity(objects.len());
            for object in objects {
                found.push((object.id.clone(), measure(&target, &object).await));
            }
            Message::Sized(Answer { asked: question, found })
        });
        true
    }

    pub(super) fn on_sized(&mut self, Answer { asked, found }: Answer) {
        if asked != self.sizes.asked {
            // The answer to a newer question is on its way.
            return;
        }
        self.sizes.asking = false;
        for (id, result) in found {
            match result {
                Ok(None) => {}
                Ok(Some(what)) => {
                    self.sizes.shrinks.insert(id, what);
                }
                // What is not known is not made smaller without consent.
                Err(error) => {
                    tracing::warn!(object = %id, %error, "its live size could not be read: its update needs an approval");
                    self.sizes.shrinks.insert(id, format!("its live size could not be read ({error})"));
                }
            }
        }
        self.plan_again();
    }
}
