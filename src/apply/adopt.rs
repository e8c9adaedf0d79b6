//! Adoption of one object, and its undoing, as requests.

use bytes::Bytes;
use serde_json::Value;

use super::job::{Target, restless};
use crate::cloud::ObjectId;
use crate::cluster::adoption::{self, Before};
use crate::cluster::discovery::Resource;
use crate::cluster::error::{ApiError, ErrorKind};
use crate::cluster::meta::Meta;
use crate::cluster::objects;

/// How often a request is made anew because the object changed meanwhile.
const TRIES: usize = 10;

/// Where annotations are written that must not count as a change of a Deployment.
const STATUS: Option<&str> = Some("status");

impl Target {
    /// Before the first apply of an object that helm or kubectl made: its annotations, where the server would count its generation
    /// up if the apply itself brought them.
    pub(super) async fn annotate(
        &self,
        resource: &Resource,
        id: &ObjectId,
        body: &Value,
    ) -> Result<(), ApiError> {
        if !adoption::counts_annotations(&id.group, &id.kind) {
            return Ok(());
        }
        for _ in 0..TRIES {
            let Some(live) = objects::get(&self.client, resource, id).await? else { return Ok(()) };
            let Some(patch) = adoption::annotate(&live, body) else { return Ok(()) };
            match objects::merge_records(&self.client, resource, id, STATUS, &patch).await {
                Err(error) if error.kind == ErrorKind::Conflict => {}
                other => return other.map(|_| ()),
            }
        }
        Err(restless(id, "adopted"))
    }

    /// After the first apply: what Git states of an object that helm or kubectl made is retune's alone from now on.
    pub(super) async fn make_own(
        &self,
        resource: &Resource,
        id: &ObjectId,
        body: &Value,
        meta: Meta,
    ) -> Result<Meta, ApiError> {
        if !adoption::is_unsettled(&meta.entries) {
            return Ok(meta);
        }
        for _ in 0..TRIES {
            let Some(live) = objects::get(&self.client, resource, id).await? else { return Ok(meta) };
            let Some(patch) = adoption::take(&live, body) else { return Ok(meta) };
            match objects::remove_fields(&self.client, resource, id, Bytes::from(patch.to_string())).await {
                // The test of the version failed.
                Err(error) if matches!(error.kind, ErrorKind::Invalid | ErrorKind::Conflict) => {}
                other => return other,
            }
        }
        Err(restless(id, "adopted"))
    }

    /// Gives an object back to those it was adopted from: retune's marks off, their records on, their fields theirs. An object
    /// that is gone, or that has nothing of retune any more, is left as it is. Whether there was something to do.
    ///
    /// # Errors
    /// As the server's answers; an object that changes all the time.
    pub async fn give_back(&self, id: &ObjectId, version: &str, before: &Before) -> Result<bool, ApiError> {
        let resource = self.resource(id, version)?;
        for _ in 0..TRIES {
            let Some(mut live) = objects::get(&self.client, &resource, id).await? else { return Ok(false) };
            let another = !before.uid.is_empty() && live["metadata"]["uid"] != before.uid.as_str();
            if !adoption::is_marked(&live) || live["metadata"]["deletionTimestamp"].is_string() {
                return Ok(false);
            }
            let nothing = Before::default();
            let before = if another { &nothing } else { before };
            if adoption::counts_annotations(&id.group, &id.kind) {
                let patch = adoption::unannotate(&live, before);
                match objects::merge_records(&self.client, &resource, id, STATUS, &patch).await {
                    Err(error) if error.kind == ErrorKind::Conflict => continue,
                    Err(error) => return Err(error),
                    Ok(now) => live = now,
                }
            }
            let patch = adoption::unmark(&live, before);
            match objects::merge_records(&self.client, &resource, id, None, &patch).await {
                Err(error) if error.kind == ErrorKind::Conflict => continue,
                Err(error) => return Err(error),
                Ok(now) => live = now,
            }
            let Some(patch) = adoption::give_back(&live, before) else { return Ok(true) };
            match objects::remove_fields(&self.client, &resource, id, Bytes::from(patch.to_string())).await {
                Err(error) if matches!(error.kind, ErrorKind::Invalid | ErrorKind::Conflict) => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(true),
            }
        }
        Err(restless(id, "given back"))
    }
}
