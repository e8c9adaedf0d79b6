//! How long a hook may take: `spec.hooks.timeout`, or the app's timeout. A hook that takes longer has failed, as in Helm;
//! its object stays unless the policy `hook-failed` deletes it.

use std::sync::Arc;
use std::time::Duration;

use super::{RunKey, time};
use crate::cloud::ObjectId;
use crate::cloud::duration::Seconds;
use crate::sync::engine::{Engine, Timer};

/// For apps that Git has no more.
const DEFAULT: Seconds = Seconds(30 * 60);

impl Engine {
    fn hook_limit(&self, app: &str) -> Seconds {
        let policy = self.desired.as_ref().and_then(|d| d.app(app)).map(|a| &a.policy);
        policy.map_or(DEFAULT, |p| p.hooks.timeout.unwrap_or(p.timeout))
    }

    /// The current hook's object is there: its time runs, from when a syncer before this one noted it.
    pub(super) fn time_hook(&mut self, run: &RunKey) {
        let limit = self.hook_limit(&run.0).duration();
        let Some(state) = self.hooks.get(run) else { return };
        let Some(current) = &state.current else { return };
        let since = current.noted.map_or(0, |noted| (time::now_seconds() - noted).max(0));
        let left = limit.saturating_sub(Duration::from_secs(u64::try_from(since).unwrap_or(0)));
        let timer = Timer::HookTimeout(Arc::clone(&run.0), state.serial, current.due.id.clone());
        self.after(left.max(Duration::from_millis(100)), timer);
    }

    /// A hook's time is over, if it is still running.
    pub(in crate::sync) fn hook_timeout(&mut self, app: &Arc<str>, serial: u64, id: &ObjectId) {
        let running = self.hooks.iter().find(|((of, _), state)| {
            of == app && state.serial == serial && state.current.as_ref().is_some_and(|c| c.due.id == *id)
        });
        let Some((run, _)) = running else { return };
        let (run, limit) = (run.clone(), self.hook_limit(app));
        let why = format!(
            "it did not finish within {limit} (spec.hooks.timeout of the app, else its spec.timeout)"
        );
        self.hook_failed(&run, why);
    }
}
