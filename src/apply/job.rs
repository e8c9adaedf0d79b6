//! The requests of a plan as jobs: each is a future that gives one [`Done`], and never retries by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::{Map, Value};

use crate::cloud::spec::Recreate;
use crate::cloud::{Digest, Object, ObjectId};
use crate::cluster::client::Client;
use crate::cluster::discovery::{Discovery, Resource};
use crate::cluster::error::{ApiError, Cause, ErrorKind};
use crate::cluster::meta::{Meta, Uid};
use crate::cluster::objects::{self, ApplyOptions, HANDOFF, Mark};
use crate::cluster::{fields, leftovers};
use crate::plan::guard;
use crate::plan::operators::Contested;
use crate::plan::yields::{self, Yielded};

/// What a job reports.
#[derive(Debug)]
pub enum Done {
    /// An apply.
    Applied(Box<Applied>),
    /// A deletion; "not found" is success.
    Deleted {
        /// The object.
        id: ObjectId,
        /// Whether it is to be applied again once it is gone (an immutable field changed).
        recreate: bool,
        /// The outcome: whether it is known to be gone (else its finalizers are still to run).
        result: Result<bool, ApiError>,
    },
    /// A look at the whole live object.
    Looked {
        /// The object.
        id: ObjectId,
        /// The object, `None` if there is none.
        result: Result<Option<Value>, ApiError>,
    },
}

/// An apply's outcome.
#[derive(Debug)]
pub struct Applied {
    /// The object.
    pub id: ObjectId,
    /// The digest that was sent.
    pub digest: Digest,
    /// The version it was sent at.
    pub version: Arc<str>,
    /// Fields taken from other managers, as the server listed them.
    pub conflicts: Vec<Cause>,
    /// Fields left to the operators that have taken them: path and manager.
    pub left: Vec<(String, String)>,
    /// How long the server took.
    pub took: Duration,
    /// The new baseline.
    pub result: Result<Meta, ApiError>,
}

/// What of an object is others'.
#[derive(Debug, Clone, Default)]
pub struct Others {
    /// Fields that are left out of what is applied.
    pub yielded: Option<Arc<Yielded>>,
    /// Fields that are left to an operator once it has taken them.
    pub contested: Arc<[Contested]>,
    /// A tool of earlier days may own fields together with retune: what Git drops is removed by name.
    pub former: bool,
    /// It was never applied before: what helm or kubectl own of it, and Git states, becomes retune's alone.
    pub adopt: bool,
}

/// Whose objects are applied, and where.
#[derive(Clone)]
pub struct Target {
    /// The server.
    pub client: Client,
    /// What it serves.
    pub discovery: Arc<Discovery>,
    /// The cloud's name.
    pub cloud: Arc<str>,
    /// The cloud's id.
    pub cloud_id: Arc<str>,
}

impl Target {
    /// The resource of an object at its version, or the error that it is not served yet.
    ///
    /// # Errors
    /// [`ErrorKind::NotServing`].
    pub fn resource(&self, id: &ObjectId, version: &str) -> Result<Resource, ApiError> {
        self.discovery.resource(&id.group, version, &id.kind).cloned().ok_or_else(|| ApiError {
            kind: ErrorKind::NotServing,
            what: format!("apply {id}"),
            message: format!(
                "the server does not serve {} in {}{}{version}; its CRD must be applied and established first",
                id.kind,
                id.group,
                if id.group.is_empty() { "" } else { "/" },
            ),
            status: 0,
            causes: Vec::new(),
            retry_after: None,
        })
    }

    /// The body to send: the rendered text with retune's marks.
    #[must_use]
    pub fn body(&self, object: &Object, app: &str) -> Value {
        let mut body = object.json();
        objects::decorate(&mut body, &object.id, Mark { cloud: &self.cloud, cloud_id: &self.cloud_id, app });
        body
    }

    /// Applies one object. With `take` the fields of other managers are taken at once; otherwise a first, unforced
    /// apply lets the server list them, and `force` says whether they are then taken.
    ///
    /// Fields that are yielded are handed over first, if retune owns them; a new object gets them once. Fields that are contested
    /// are never taken from their operator.
    pub async fn apply(self, object: Object, app: Arc<str>, take: bool, force: bool, others: Others) -> Done {
        let started = Instant::now();
        let Others { yielded, contested, former, adopt } = others;
        let (mut conflicts, mut left) = (Vec::new(), Vec::new());
        let prepared = match (self.resource(&object.id, object.version()), &yielded) {
            (Ok(resource), Some(yielded)) => {
                self.hand_over(&resource, yielded, &app).await.map(|()| resource)
            }
            (resource, _) => resource,
        };
        let result = match prepared {
            Err(error) => Err(error),
            Ok(resource) => {
                let before = match former {
                    true => objects::get_meta(&self.client, &resource, &object.id).await.ok().flatten(),
                    false => None,
                };
                let take = take && contested.is_empty();
                let value = self.body(&object, &app);
                let body = Bytes::from(value.to_string());
                let options = ApplyOptions { force: take, dry_run: false };
                let annotated = match adopt {
                    true => self.annotate(&resource, &object.id, &value).await,
                    false => Ok(()),
                };
                let first = match annotated {
                    Ok(()) => {
                        objects::apply(&self.client, &resource, &object.id, body.clone(), options).await
                    }
                    Err(error) => Err(error),
                };
                let result = match first {
                    Err(error) if error.kind == ErrorKind::Conflict && !take && !error.causes.is_empty() => {
                        conflicts = error.causes.clone();
                        if !contested.is_empty() {
                            let around = self.apply_around(&resource, &object.id, &value, &contested, force);
                            around.await.map(|(meta, taken)| {
                                left = taken;
                                meta
                            })
                        } else if force {
                            let options = ApplyOptions { force: true, dry_run: false };
                            objects::apply(&self.client, &resource, &object.id, body, options).await
                        } else {
                            Err(error)
                        }
                    }
                    other => other,
                };
                match result {
                    Ok(meta) => match self.take_back(&resource, &object, yielded.as_deref(), meta).await {
                        Ok(meta) if adopt => self.make_own(&resource, &object.id, &value, meta).await,
                        Ok(meta) => self.drop_fields(&resource, &object.id, before, meta).await,
                        Err(error) => Err(error),
                    },
                    Err(error) => Err(error),
                }
            }
        };
        conflicts.retain(|c| !left.iter().any(|(path, _)| c.field.trim_start_matches('.') == path));
        let version: Arc<str> = object.version().into();
        let digest = object.digest;
        Done::Applied(Box::new(Applied {
            id: object.id,
            digest,
            version,
            conflicts,
            left,
            took: started.elapsed(),
            result,
        }))
    }

    /// Applies a body without the fields that operators have taken. With the resourceVersion that was looked at: whoever
    /// takes a field meanwhile is seen at the next look.
    async fn apply_around(
        &self,
        resource: &Resource,
        id: &ObjectId,
        body: &Value,
        contested: &[Contested],
        force: bool,
    ) -> Result<(Meta, Vec<(String, String)>), ApiError> {
        for _ in 0..10 {
            let mut body = body.clone();
            let live = objects::get_meta(&self.client, resource, id).await?;
            let taken =
                live.as_ref().map(|l| fields::taken(&body, contested, &l.entries)).unwrap_or_default();
            let places: Vec<_> = taken.iter().map(|t| t.place.clone()).collect();
            yields::remove(&mut body, &places);
            if let Some(live) = live {
                body["metadata"]["resourceVersion"] = Value::from(live.rv.to_string());
            }
            let options = ApplyOptions { force, dry_run: false };
            match objects::apply(&self.client, resource, id, Bytes::from(body.to_string()), options).await {
                Err(error) if error.kind == ErrorKind::Conflict && error.causes.is_empty() => {}
                other => {
                    let left = taken.iter().map(|t| (t.field(), t.manager.clone())).collect();
                    return other.map(|meta| (meta, left));
                }
            }
        }
        Err(restless(id, "applied"))
    }

    /// Makes sure that leaving the yielded fields out resets nothing: an object that is not there is created with them, and if
    /// retune owns them they are applied at their live values by a second manager.
    async fn hand_over(&self, resource: &Resource, yielded: &Yielded, app: &str) -> Result<(), ApiError> {
        let id = &yielded.full.id;
        for _ in 0..10 {
            let live = match objects::get(&self.client, resource, id).await? {
                Some(live) => live,
                None => {
                    let body = Bytes::from(self.body(&yielded.full, app).to_string());
                    let options = ApplyOptions { force: true, dry_run: false };
                    objects::apply(&self.client, resource, id, body, options).await?;
                    continue;
                }
            };
            let entries = fields::entries_of(&live);
            let own = fields::parsed(fields::own_entry(&entries));
            if !yielded.places.iter().any(|place| yields::holds(&own, place)) {
                return Ok(());
            }
            // What the second manager holds already stays with it: an apply states the whole set.
            let before =
                fields::parsed(entries.iter().find(|e| e.manager == HANDOFF && e.operation == "Apply"));
            let held = fields::merged(&own, &before);
            let body = yields::extract(&live, &held, &yielded.places).map_err(|whole| ApiError {
                kind: ErrorKind::Invalid,
                what: format!("leave fields of {id} to others"),
                message: format!(
                    "the server keeps {whole} as one value: a part of it cannot be left to others; name {whole} itself in spec.drift.ignore"
                ),
                status: 0,
                causes: Vec::new(),
                retry_after: None,
            })?;
            match self.hand(resource, &yielded.full, body, &live["metadata"]["resourceVersion"]).await {
                Err(error) if error.kind == ErrorKind::Conflict => {}
                other => return other.map(|_| ()),
            }
        }
        Err(restless(id, "handed over"))
    }

    /// What the second manager holds and nobody yields any more is given back: it states nothing, or what is still yielded.
    async fn take_back(
        &self,
        resource: &Resource,
        object: &Object,
        yielded: Option<&Yielded>,
        meta: Meta,
    ) -> Result<Meta, ApiError> {
        let Some(entry) = meta.entries.iter().find(|e| e.manager == HANDOFF && e.operation == "Apply") else {
            return Ok(meta);
        };
        let held = fields::parsed(Some(entry));
        let places = yielded.map(|y| y.places.as_slice()).unwrap_or_default();
        if yields::only(&held, places) {
            return Ok(meta);
        }
        for _ in 0..10 {
            let Some(live) = objects::get(&self.client, resource, &object.id).await? else { return Ok(meta) };
            let body = yields::extract(&live, &held, places).unwrap_or_else(|_| Value::Object(Map::new()));
            match self.hand(resource, object, body, &live["metadata"]["resourceVersion"]).await {
                Err(error) if error.kind == ErrorKind::Conflict => {}
                other => return other,
            }
        }
        Err(restless(&object.id, "taken back"))
    }

    /// What retune owned before and Git has no more, and only tools of earlier days own now, is removed by name.
    async fn drop_fields(
        &self,
        resource: &Resource,
        id: &ObjectId,
        before: Option<Meta>,
        meta: Meta,
    ) -> Result<Meta, ApiError> {
        let Some(before) = before.filter(|b| leftovers::any_former(&b.entries)) else { return Ok(meta) };
        let places = leftovers::dropped(&fields::parsed(fields::own_entry(&before.entries)), &meta.entries);
        if places.is_empty() {
            return Ok(meta);
        }
        for _ in 0..10 {
            let Some(live) = objects::get(&self.client, resource, id).await? else { return Ok(meta) };
            let Some(patch) = leftovers::removal(&live, &places) else { return Ok(meta) };
            match objects::remove_fields(&self.client, resource, id, Bytes::from(patch.to_string())).await {
                // The test of the version failed.
                Err(error) if matches!(error.kind, ErrorKind::Invalid | ErrorKind::Conflict) => {}
                other => return other,
            }
        }
        Err(restless(id, "rid of fields that Git dropped"))
    }

    /// One apply as the second manager. With the version: an old count must not be written over a newer one.
    async fn hand(
        &self,
        resource: &Resource,
        object: &Object,
        mut body: Value,
        version: &Value,
    ) -> Result<Meta, ApiError> {
        let id = &object.id;
        body["apiVersion"] = Value::from(&*object.api_version);
        body["kind"] = Value::from(&*id.kind);
        body["metadata"]["name"] = Value::from(&*id.name);
        body["metadata"]["resourceVersion"] = version.clone();
        if let Some(namespace) = &id.namespace {
            body["metadata"]["namespace"] = Value::from(&**namespace);
        }
        objects::hand_over(&self.client, resource, id, Bytes::from(body.to_string())).await
    }

    /// Deletes one object if it still has that uid.
    pub async fn delete(
        self,
        id: ObjectId,
        version: Arc<str>,
        uid: Uid,
        rv: Option<u64>,
        recreate: bool,
    ) -> Done {
        let resource = self
            .discovery
            .resource(&id.group, &version, &id.kind)
            .or_else(|| self.discovery.preferred(&id.group, &id.kind))
            .cloned();
        let result = match resource {
            // A kind that is served no more has no objects.
            None => Ok(true),
            Some(resource) => match objects::delete(&self.client, &resource, &id, uid, rv).await {
                Err(error) if error.kind == ErrorKind::NotFound => Ok(true),
                other => other.map(|()| false),
            },
        };
        Done::Deleted { id, recreate, result }
    }

    /// Reads one whole live object.
    pub async fn look(self, id: ObjectId, version: Arc<str>) -> Done {
        let result = match self.resource(&id, &version) {
            Err(error) => Err(error),
            Ok(resource) => objects::get(&self.client, &resource, &id).await,
        };
        Done::Looked { id, result }
    }
}

/// An object that changed between each look and its write.
pub(super) fn restless(id: &ObjectId, what: &str) -> ApiError {
    ApiError {
        kind: ErrorKind::NotServing,
        what: format!("apply {id}"),
        message: format!("it changes faster than it can be {what}"),
        status: 0,
        causes: Vec::new(),
        retry_after: None,
    }
}

/// Whether an object may be deleted and created again when a field cannot be changed: Jobs and what the app's policy
/// names, never what holds data or carries the cloud.
#[must_use]
pub fn recreatable(id: &ObjectId, policy: &Recreate) -> bool {
    let holds_data = matches!(
        (&*id.group, &*id.kind),
        ("", "PersistentVolume" | "PersistentVolumeClaim" | "Namespace" | "Secret")
            | ("apps", "StatefulSet")
            | ("apiextensions.k8s.io", "CustomResourceDefinition")
    ) || guard::is_protected(&id.group);
    if holds_data {
        return false;
    }
    (policy.jobs && id.is("batch", "Job")) || policy.objects.iter().any(|s| s.matches(id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_are_recreated_and_what_policy_names_but_never_data() {
        let id = |group: &str, kind: &str| ObjectId::new(group, kind, Some("n"), "x");
        let all = Recreate { jobs: true, objects: vec![crate::cloud::spec::Selector::default()] };
        assert!(recreatable(&id("batch", "Job"), &Recreate::default()));
        assert!(!recreatable(&id("apps", "Deployment"), &Recreate::default()));
        assert!(!recreatable(&id("batch", "Job"), &Recreate { jobs: false, objects: Vec::new() }));
        assert!(recreatable(&id("apps", "Deployment"), &all));
        for (group, kind) in
            [("", "PersistentVolumeClaim"), ("apps", "StatefulSet"), ("k8s.mariadb.com", "MariaDB")]
        {
            assert!(!recreatable(&id(group, kind), &all), "{kind}");
        }
    }
}
