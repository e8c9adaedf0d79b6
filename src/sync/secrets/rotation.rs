//! `retune rotate`: a request in the `CloudSync`, a plan in its status, an approval of the plan's digest, then new values.

use std::sync::Arc;

use serde_json::json;

use super::Standing;
use super::job::rotate;
use crate::cloud::secrets::SecretAt;
use crate::cluster::crd::{RotateRequest, RotationStatus};
use crate::cluster::state;
use crate::plan::secrets::{Rotation, SecretRecord, rotation};
use crate::sync::engine::{Engine, Message};

/// How many lines of a plan the status has.
const LINES: usize = 200;

/// What became of a rotation.
pub(in crate::sync) type Rotated = Result<Vec<(SecretAt, SecretRecord)>, String>;

impl Engine {
    /// Answers the request for a rotation: with a plan, and once that is approved by carrying it out.
    pub(in crate::sync) fn ask_rotation(&mut self) {
        let Some(request) = self.cloudsync.spec.rotate.clone() else { return };
        if !self.planned || self.secrets.rotating || self.tearing_down {
            return;
        }
        let status = self.report.status.rotation.clone().unwrap_or_default();
        if status.id == request.id && matches!(status.state.as_str(), "done" | "refused" | "failed") {
            return;
        }
        let at = SecretAt::parse(&request.secret);
        let unknown = at
            .as_ref()
            .and_then(|at| self.secrets.declared.get(at))
            .is_some_and(|k| k.busy || k.standing == Standing::Unknown);
        if unknown {
            // The look under way asks again.
            return;
        }
        let planned = match (&at, &self.desired) {
            (Some(at), Some(desired)) => {
                let lost = self.secrets.declared.get(at).and_then(|k| match &k.standing {
                    Standing::Lost(keys) => Some(keys.clone()),
                    _ => None,
                });
                // One that is being carried out goes on with what it was.
                rotation(&desired.cloud, at, &request.keys, lost.as_deref())
            }
            _ => Err(format!("{:?} does not name a Secret: NAMESPACE/NAME", request.secret)),
        };
        match planned {
            Ok(plan) => self.plan_rotation(&request, &status, plan),
            Err(message) => self.answer_rotation(&request, "refused", String::new(), Vec::new(), message),
        }
    }

    fn plan_rotation(&mut self, request: &RotateRequest, status: &RotationStatus, plan: Rotation) {
        let digest = plan.digest(&request.id).to_string();
        let going = status.id == request.id && status.state == "rotating";
        if !going && (status.id != request.id || status.digest != digest) {
            let message = format!("nothing is changed yet: retune approve {digest}");
            tracing::info!(secret = %request.secret, approve = %digest, "a rotation is planned; it waits for its approval");
            self.answer_rotation(request, "planned", digest.clone(), plan.lines(), message);
        }
        let approved = self.is_approved(&digest);
        if !(approved || going) || self.steering.suspend || !self.leadership.holds() {
            return;
        }
        tracing::info!(secret = %request.secret, "rotating");
        self.secrets.rotating = true;
        self.answer_rotation(request, "rotating", digest.clone(), plan.lines(), "under way".to_owned());
        let rest = self.use_approval(&digest);
        let declared = self.secrets.declarations();
        let (target, name, status) = (self.target.clone(), self.name.to_string(), self.report.status.clone());
        let id = request.id.clone();
        let plan = Arc::new(plan);
        self.jobs.spawn(async move {
            let noted = async {
                state::put_cloudsync_status(&target.client, &name, &status).await?;
                state::patch_cloudsync_spec(&target.client, &name, &json!({"approvals": rest})).await
            };
            let result = match noted.await {
                Ok(_) => rotate(&target, &declared, &plan, &id).await,
                Err(error) => {
                    Err(format!("the approval could not be recorded as used, nothing is changed: {error}"))
                }
            };
            Message::Rotated(result)
        });
    }

    fn answer_rotation(
        &mut self,
        request: &RotateRequest,
        state: &str,
        digest: String,
        mut plan: Vec<String>,
        message: String,
    ) {
        plan.truncate(LINES);
        self.report.status.rotation = Some(RotationStatus {
            id: request.id.clone(),
            secret: request.secret.clone(),
            state: state.to_owned(),
            digest,
            plan,
            message,
        });
        self.report.due = true;
    }

    pub(in crate::sync) fn on_rotated(&mut self, result: Rotated) {
        self.secrets.rotating = false;
        let Some(mut status) = self.report.status.rotation.take() else { return };
        match result {
            Ok(changed) => {
                status.state = "done".to_owned();
                status.message = format!("{} Secrets have new values", changed.len());
                let note = format!("Secret {} was rotated ({})", status.secret, status.message);
                tracing::info!(secret = %status.secret, "{}", status.message);
                self.report.note(false, "SecretRotated", note);
                let line = |(at, _): &(SecretAt, SecretRecord)| format!("rotate   Secret {at}");
                self.secrets.told.extend(changed.iter().map(line));
                for (at, record) in changed {
                    let Some(known) = self.secrets.declared.get_mut(&at) else { continue };
                    known.standing = Standing::Present;
                    let app = Arc::clone(&known.secret.app);
                    self.record_secret(&at, &app, record);
                }
            }
            Err(message) => {
                tracing::error!(secret = %status.secret, "{message}");
                status.state = "failed".to_owned();
                status.message = format!("{message}; ask again with `retune rotate {}`", status.secret);
                self.report.note(true, "SecretRotationFailed", status.message.clone());
            }
        }
        self.report.status.rotation = Some(status);
        self.report.due = true;
        self.look_at_secrets(&|_| true);
    }
}
