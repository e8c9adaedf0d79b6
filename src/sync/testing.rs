//! `retune test`: an app's test hooks, run on request and never by a sync.
//!
//! The request is `spec.test` of the `CloudSync` (a new `id` asks once), the answer `status.test`. The hooks are those of
//! the revision that is enforced, in Helm's order (`helm test`), and one that fails ends the test.

use std::collections::VecDeque;
use std::sync::Arc;

use super::engine::Engine;
use super::hooks::Purpose;
use crate::apply::run::State;
use crate::cloud::HookEvent;
use crate::cluster::crd::{TestRequest, TestStatus};
use crate::plan::hooks::{When, of_event, plain};

/// A test that was asked for.
#[derive(Debug, Default)]
pub(super) struct Testing {
    /// It waits for its app's sync, or runs.
    asked: Option<TestRequest>,
    runs: bool,
}

impl Engine {
    /// Notes a request that was not answered yet.
    pub(super) fn ask_test(&mut self) {
        let Some(request) = self.cloudsync.spec.test.clone() else { return };
        let answered =
            self.report.status.test.as_ref().is_some_and(|t| t.id == request.id && t.state != "running");
        let known = self.testing.asked.as_ref().is_some_and(|t| t.id == request.id);
        if !answered && !known {
            self.testing = Testing { asked: Some(request), runs: false };
        }
    }

    /// Starts the test that was asked for once nothing of its app is under way.
    pub(super) fn advance_test(&mut self) {
        if self.testing.runs || !self.planned {
            return;
        }
        let Some(request) = self.testing.asked.clone() else { return };
        let app: Arc<str> = request.app.as_str().into();
        let Some(rendered) = self.desired.as_ref().and_then(|d| d.app(&app)).cloned() else {
            self.answer_test("failed", Vec::new(), format!("the cloud has no app {app}"));
            return;
        };
        if self.steering.suspend {
            self.answer_test(
                "failed",
                Vec::new(),
                "the cloud is suspended: nothing is created; `retune resume` ends that".into(),
            );
            return;
        }
        let under_way = self.active.as_ref().and_then(|a| a.run.app(&app)).is_some_and(|r| {
            !matches!(r.state, State::Settling | State::Pruning | State::Done | State::Failed)
        });
        if under_way {
            return;
        }
        let skip = &rendered.policy.hooks.skip;
        let due: VecDeque<_> = of_event(&rendered.hooks, HookEvent::Test)
            .into_iter()
            .filter(|h| !skip.iter().any(|s| s.matches(&h.object.id)))
            .map(|h| {
                let mut due = plain(h, When::Post, HookEvent::Test);
                due.run = format!("test-{}", request.id);
                due
            })
            .collect();
        if due.is_empty() {
            self.answer_test("passed", Vec::new(), format!("app {app} has no test hooks"));
            return;
        }
        tracing::info!(%app, hooks = due.len(), "test begins");
        self.testing.runs = true;
        self.report.status.test = Some(TestStatus {
            id: request.id,
            app: request.app,
            state: "running".into(),
            ..TestStatus::default()
        });
        self.report.due = true;
        self.begin_hooks((app, Purpose::Test), due);
    }

    /// All test hooks succeeded, or one failed.
    pub(super) fn test_over(&mut self, app: &Arc<str>, passed: Vec<String>, failure: Option<String>) {
        let state = if failure.is_some() { "failed" } else { "passed" };
        tracing::info!(%app, state, "test is over");
        self.answer_test(state, passed, failure.unwrap_or_default());
    }

    fn answer_test(&mut self, state: &str, passed: Vec<String>, message: String) {
        let Some(request) = std::mem::take(&mut self.testing).asked else { return };
        self.report.status.test = Some(TestStatus {
            id: request.id,
            app: request.app,
            state: state.to_owned(),
            passed,
            message: message.chars().take(4_000).collect(),
        });
        self.report.due = true;
    }
}
