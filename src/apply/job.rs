//! The requests of a plan as jobs: each is a future that gives one [`Done`], and never retries by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde_json::Value;

use crate::cloud::spec::Recreate;
use crate::cloud::{Digest, Object, ObjectId};
use crate::cluster::client::Client;
use crate::cluster::discovery::{Discovery, Resource};
use crate::cluster::error::{ApiError, Cause, ErrorKind};
use crate::cluster::meta::{Meta, Uid};
use crate::cluster::objects::{self, ApplyOptions, Mark};
use crate::plan::guard;
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
    /// How long the server took.
    pub took: Duration,
    /// The new baseline.
    pub result: Result<Meta, ApiError>,
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
    /// Fields that are `yielded` are handed over first, if retune owns them; a new object gets them once.
    pub async fn apply(
        self,
        object: Object,
        app: Arc<str>,
        take: bool,
        force: bool,
        yielded: Option<Arc<Yielded>>,
    ) -> Done {
        let started = Instant::now();
        let mut conflicts = Vec::new();
        let prepared = match (self.resource(&object.id, object.version()), &yielded) {
            (Ok(resource), Some(yielded)) => {
                self.hand_over(&resource, yielded, &app).await.map(|()| resource)
            }
            (resource, _) => resource,
        };
        let result = match prepared {
            Err(error) => Err(error),
            Ok(resource) => {
                let body = Bytes::from(self.body(&object, &app).to_string());
                let options = ApplyOptions { force: take, dry_run: false };
                match objects::apply(&self.client, &resource, &object.id, body.clone(), options).await {
                    Err(error)
                        if error.kind == ErrorKind::Conflict
                            && force
                            && !take
                            && !error.causes.is_empty() =>
                    {
                        conflicts = error.causes;
                        let options = ApplyOptions { force: true, dry_run: false };
                        objects::apply(&self.client, &resource, &object.id, body, options).await
                    }
                    other => other,
                }
            }
        };
        let version: Arc<str> = object.version().into();
        let digest = object.digest;
        Done::Applied(Box::new(Applied {
            id: object.id,
            digest,
            version,
            conflicts,
            took: started.elapsed(),
            result,
        }))
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
            let entries: Vec<crate::cluster::fields::Entry> = live
                .pointer("/metadata/managedFields")
                .cloned()
                .and_then(|entries| serde_json::from_value(entries).ok())
                .unwrap_or_default();
            let own = crate::cluster::fields::own_entry(&entries)
                .and_then(|e| e.fields.as_ref())
                .and_then(|f| serde_json::from_str::<Value>(f.get()).ok())
                .unwrap_or_default();
            if !yields::holds_any(&own, &yielded.paths) {
                return Ok(());
            }
            let mut body = yields::extract(&live, &yielded.paths);
            body["apiVersion"] = Value::from(&*yielded.full.api_version);
            body["kind"] = Value::from(&*id.kind);
            // With the version: an old count must not be written over a newer one.
            body["metadata"]["name"] = Value::from(&*id.name);
            body["metadata"]["resourceVersion"] =
                live.pointer("/metadata/resourceVersion").cloned().unwrap_or_default();
            if let Some(namespace) = &id.namespace {
                body["metadata"]["namespace"] = Value::from(&**namespace);
            }
            match objects::hand_over(&self.client, resource, id, Bytes::from(body.to_string())).await {
                Err(error) if error.kind == ErrorKind::Conflict => {}
                other => return other,
            }
        }
        Err(ApiError {
            kind: ErrorKind::NotServing,
            what: format!("hand over fields of {id}"),
            message: "it changes faster than it can be handed over".into(),
            status: 0,
            causes: Vec::new(),
            retry_after: None,
        })
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
