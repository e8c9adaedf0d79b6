//! How each app stands, for the status: what it waits for, down to the app that holds everything up.

use std::collections::HashMap;
use std::sync::Arc;

use super::engine::Engine;
use crate::apply::run::{Readiness, State};
use crate::cloud::{AppState, ObjectId};
use crate::cluster::crd::{AppStatus, UNREADY, UnreadyStatus};
use crate::health::Health;

/// How long the reason of a dependency may be inside another app's message.
const QUOTED: usize = 400;

impl Engine {
    /// The apps that are not ready, dependencies first, each with the reason.
    pub(super) fn app_states(&self) -> Vec<AppStatus> {
        let Some(desired) = &self.desired else { return Vec::new() };
        let mut out: Vec<AppStatus> = Vec::new();
        let mut at: HashMap<&str, usize> = HashMap::new();
        for app in &desired.cloud.apps {
            let Some((state, message, waits_for)) = self.app_state(&app.name, &at, &out) else { continue };
            at.insert(&app.name, out.len());
            let objects = match state {
                "waiting" | "pending" => Vec::new(),
                _ => self.unready_objects(&app.name),
            };
            out.push(AppStatus {
                name: app.name.to_string(),
                state: state.into(),
                message,
                waits_for,
                objects,
            });
        }
        out
    }

    /// The first objects of an app that are not ready.
    fn unready_objects(&self, app: &str) -> Vec<UnreadyStatus> {
        let mut ids: Vec<&ObjectId> = self.unready.get(app).into_iter().flatten().collect();
        ids.sort();
        ids.truncate(UNREADY);
        ids.into_iter()
            .map(|id| UnreadyStatus { object: id.to_string(), message: self.unready_message(id) })
            .collect()
    }

    fn unready_message(&self, id: &ObjectId) -> String {
        let known = self.index.objects.get(id);
        known.and_then(|k| k.message.as_deref()).unwrap_or("is not applied yet").to_owned()
    }

    fn app_state(
        &self,
        app: &Arc<str>,
        at: &HashMap<&str, usize>,
        before: &[AppStatus],
    ) -> Option<(&'static str, String, Vec<String>)> {
        // A Secret that is lost is missing as an input too: what to do about it is said first.
        if self.secrets.is_stuck(app)
            && let Some((state, message)) = self.secrets.trouble(app)
        {
            return Some((state, message, Vec::new()));
        }
        if let Some(AppState::Pending(missing)) =
            self.desired.as_ref().and_then(|d| d.cloud.app(app)).map(|a| &a.state)
        {
            return Some(("pending", missing.join("; "), Vec::new()));
        }
        let active = self.active.as_ref();
        let run = active.and_then(|a| a.run.app(app));
        let hook = self.hook_message(app);
        let waiting = self.unready.get(app).filter(|s| !s.is_empty());
        let mut errors: Vec<&str> =
            run.map(|r| r.failed.values().map(String::as_str).collect()).unwrap_or_default();
        if errors.is_empty() {
            errors.extend(self.hook_failure(app));
        }
        let incomplete = self.incomplete.contains(app);
        let secret = self.secrets.trouble(app);
        if waiting.is_none() && errors.is_empty() && hook.is_none() && !incomplete && secret.is_none() {
            return None;
        }
        let none = Vec::new();
        let mut objects: Vec<&ObjectId> = waiting.into_iter().flatten().collect();
        objects.sort();
        let detail = objects.first().map(|id| {
            let more =
                if objects.len() > 1 { format!(" and {} more", objects.len() - 1) } else { String::new() };
            format!("{id} {}{more}", self.unready_message(id))
        });
        let detail = detail.unwrap_or_default();
        let failed = |id: &&ObjectId| self.index.objects.get(*id).is_some_and(|k| k.health == Health::Failed);
        if let Some(error) = errors.first() {
            let retried = self.app_retries.get(app).map_or(0, crate::cluster::error::Backoff::attempts);
            let again =
                if retried > 0 { format!(" (tried again, {retried} times so far)") } else { String::new() };
            return Some(("failed", format!("{error}{again}"), none));
        }
        // One that waits for its turn may get its namespace, and so its Secrets, from the app it waits for.
        let turn = matches!(run.map(|r| &r.state), Some(State::Waiting));
        if let Some((state, message)) = secret.filter(|(state, _)| *state == "failed" || !turn) {
            return Some((state, message, none));
        }
        if incomplete && let Some(hold) = self.holds.of_app(app) {
            return Some(("held", hold.to_string(), none));
        }
        if let Some(hook) = hook {
            return Some(("applying", hook, none));
        }
        let state = run.map(|r| &r.state);
        // One that waits for its turn is not to blame for what a commit before it left.
        if matches!(state, Some(State::Waiting)) {
            let deps = self.waits_for(app);
            let why: Vec<String> = deps.iter().map(|d| reason(d, at, before)).collect();
            return Some(("waiting", format!("waits for {}", why.join(", ")), deps));
        }
        if objects.iter().any(failed) {
            return Some(("failed", detail, none));
        }
        if self.report.is_timed_out(app) {
            return Some(("failed", format!("not ready within its timeout: {detail}"), none));
        }
        if incomplete && objects.is_empty() && self.sizes.withheld.values().any(|a| a == app) {
            return Some(("withheld", "some of its changes wait for an approval".to_owned(), none));
        }
        if incomplete && objects.is_empty() {
            return Some(("held", "some of its objects are held".to_owned(), none));
        }
        let applying = matches!(
            state,
            Some(
                State::Recording | State::Recorded | State::PreHooks | State::Applying(_) | State::PostHooks
            )
        );
        Some((if applying { "applying" } else { "progressing" }, detail, none))
    }

    /// The dependencies that an app of the run still waits for.
    fn waits_for(&self, app: &str) -> Vec<String> {
        let Some(active) = &self.active else { return Vec::new() };
        let Some(run) = active.run.app(app) else { return Vec::new() };
        run.plan
            .depends_on
            .iter()
            .filter(|d| !active.run.is_app_applied(d) || self.readiness(d) != Readiness::Ready)
            .map(ToString::to_string)
            .collect()
    }
}

/// A dependency and why it is not ready: `db (failed: ...)`, or `api, which waits for db (failed: ...)`.
fn reason(name: &str, at: &HashMap<&str, usize>, before: &[AppStatus]) -> String {
    let Some(status) = at.get(name).and_then(|i| before.get(*i)) else { return name.to_owned() };
    let quoted: String = status.message.chars().take(QUOTED).collect();
    match (status.state.as_str(), quoted.as_str()) {
        ("waiting", message) => format!("{name}, which {message}"),
        (state, "") => format!("{name} ({state})"),
        (state, message) => format!("{name} ({state}: {message})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_waiting_apps_names_the_one_that_holds_everything_up() {
        let status = |name: &str, state: &str, message: &str| AppStatus {
            name: name.into(),
            state: state.into(),
            message: message.into(),
            waits_for: Vec::new(),
            objects: Vec::new(),
        };
        let before =
            [status("db", "failed", "no room"), status("api", "waiting", "waits for db (failed: no room)")];
        let at: HashMap<&str, usize> = [("db", 0), ("api", 1)].into();
        assert_eq!(reason("api", &at, &before), "api, which waits for db (failed: no room)");
        assert_eq!(reason("gone", &at, &before), "gone");
    }
}
