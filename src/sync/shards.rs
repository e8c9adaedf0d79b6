//! What the engine does with the inventory: when it is written, and what follows.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::engine::{Engine, Message, Timer};
use super::memory::ShardWrite;
use crate::cluster::client::Client;
use crate::cluster::error::{ApiError, jitter};
use crate::cluster::state;

/// How many inventory writes are in flight at most.
const INVENTORY_SLOTS: usize = 8;

/// How long the inventory may wait while objects are being applied.
const FLUSH_WHILE_APPLYING: Duration = Duration::from_secs(15);

/// Writes shards one after another.
pub(super) async fn write_shards(
    client: Client,
    cloud: Arc<str>,
    writes: Vec<ShardWrite>,
) -> Vec<(ShardWrite, Result<(), ApiError>)> {
    let mut out = Vec::with_capacity(writes.len());
    for write in writes {
        let result = if write.delete {
            state::delete_inventory(&client, &write.name).await
        } else {
            state::merge_inventory(&client, &cloud, &write.name, &write.spec).await
        };
        out.push((write, result));
    }
    out
}

impl Engine {
    /// The inventory has something to write: soon, together with what else comes.
    pub(super) fn dirty(&mut self) {
        if self.flush_at.is_none() {
            let at = Instant::now() + Duration::from_secs(1);
            self.flush_at = Some(at);
            self.after(Duration::from_secs(1), Timer::Flush);
            self.after(FLUSH_WHILE_APPLYING + Duration::from_secs(1), Timer::Flush);
        }
    }

    /// Starts inventory writes that are due.
    pub(super) fn flush_inventory(&mut self) {
        if !self.leadership.holds() || self.inventory_busy.len() >= INVENTORY_SLOTS {
            return;
        }
        // Additions first: objects wait for them.
        let recording: Vec<Arc<str>> =
            self.recording.iter().filter(|a| !self.inventory_busy.contains(*a)).cloned().collect();
        for app in recording {
            if self.inventory_busy.len() >= INVENTORY_SLOTS {
                return;
            }
            self.write_inventory(&app);
        }
        // Then what apps will add whose turn has not come; half of the slots stay free for those whose turn it is.
        while self.inventory_busy.len() < INVENTORY_SLOTS / 2
            && let Some(app) = self.ahead.pop_front()
        {
            self.recording.insert(Arc::clone(&app));
            if !self.inventory_busy.contains(&app) {
                self.write_inventory(&app);
            }
        }
        // While objects are being applied the shards rest: writing them costs the server more than a crash would (what was
        // applied and is not noted is applied again, which changes nothing).
        let applying = self.active.as_ref().is_some_and(|a| !a.run.is_applied()) && !self.steering.suspend;
        let settled = self.in_flight == 0 && !applying && self.active.is_some();
        let patience = if applying && !self.flush_urgent { FLUSH_WHILE_APPLYING } else { Duration::ZERO };
        let due =
            self.flush_urgent || settled || self.flush_at.is_some_and(|at| Instant::now() >= at + patience);
        if !self.memory.is_dirty() {
            self.flush_at = None;
            self.flush_urgent = false;
            return;
        }
        if !due {
            return;
        }
        let apps: Vec<Arc<str>> = self
            .memory
            .apps
            .iter()
            .filter(|(app, record)| record.is_dirty() && !self.inventory_busy.contains(*app))
            .map(|(app, _)| Arc::clone(app))
            .collect();
        for app in apps {
            if self.inventory_busy.len() >= INVENTORY_SLOTS {
                self.dirty();
                return;
            }
            self.write_inventory(&app);
        }
        self.flush_at = None;
        self.flush_urgent = false;
    }

    fn write_inventory(&mut self, app: &Arc<str>) {
        let writes = self.memory.take_writes(&self.name, Some(app), &self.index);
        self.inventory_busy.insert(Arc::clone(app));
        let (client, cloud) = (self.target.client.clone(), Arc::clone(&self.name));
        let app = Arc::clone(app);
        self.jobs.spawn(async move {
            let mut results = write_shards(client, cloud, writes).await;
            if results.is_empty() {
                // Nothing to write: tell the app all the same.
                let nothing = ShardWrite {
                    name: String::new(),
                    spec: serde_json::Value::Null,
                    ids: Vec::new(),
                    delete: false,
                    app,
                };
                results.push((nothing, Ok(())));
            }
            Message::Inventory(results)
        });
    }

    pub(super) fn on_inventory(&mut self, results: Vec<(ShardWrite, Result<(), ApiError>)>) {
        let Some(app) = results.first().map(|(w, _)| Arc::clone(&w.app)) else { return };
        self.inventory_busy.remove(&app);
        let mut failed = false;
        for (write, result) in results {
            match result {
                Ok(()) => {}
                Err(error) => {
                    tracing::warn!(inventory = %write.name, %error, "could not be written; written again");
                    failed = true;
                    self.memory.failed(write, &self.index);
                }
            }
        }
        if failed {
            let wait = self.inventory_backoff.next(jitter());
            self.inventory_busy.insert(Arc::clone(&app));
            // The app is free again after the wait.
            let app = Arc::clone(&app);
            self.jobs.spawn(async move {
                tokio::time::sleep(wait).await;
                let nothing = ShardWrite {
                    name: String::new(),
                    spec: serde_json::Value::Null,
                    ids: Vec::new(),
                    delete: false,
                    app,
                };
                Message::Inventory(vec![(nothing, Ok(()))])
            });
            self.dirty();
            return;
        }
        self.inventory_backoff.reset();
        let still_dirty = self.memory.apps.get(&app).is_some_and(super::memory::AppRecord::is_dirty);
        if self.recording.contains(&app) && !still_dirty {
            self.recording.remove(&app);
            if let Some(active) = &mut self.active {
                active.run.recorded(&app);
            }
            self.hooks_noted(&app);
        }
    }
}
