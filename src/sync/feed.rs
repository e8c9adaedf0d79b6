//! A watch of the engine's own, beside those of the kinds that are managed: its notices, and its end with its owner.

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::cluster::client::Client;
use crate::cluster::watch::{self, Notice, WatchSpec};

/// How many notices wait to be read; then the watch waits.
const WAITING: usize = 256;

/// A task that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watching(pub(super) AbortHandle);

impl Drop for Watching {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// A watch that is begun once, if at all.
#[derive(Debug)]
pub(super) struct Feed<T> {
    sender: mpsc::Sender<Notice<T>>,
    notices: mpsc::Receiver<Notice<T>>,
    watch: Option<Watching>,
}

impl<T> Default for Feed<T> {
    fn default() -> Self {
        let (sender, notices) = mpsc::channel(WAITING);
        Self { sender, notices, watch: None }
    }
}

impl<T: Send + 'static> Feed<T> {
    /// Begins it.
    pub(super) fn begin(&mut self, client: &Client, spec: WatchSpec<T>) {
        let task = tokio::spawn(watch::run(client.clone(), spec, self.sender.clone()));
        self.watch = Some(Watching(task.abort_handle()));
    }

    /// Whether it was begun.
    pub(super) fn runs(&self) -> bool {
        self.watch.is_some()
    }

    /// Ends it.
    pub(super) fn stop(&mut self) {
        self.watch = None;
    }

    /// The next notice; never any before it is begun.
    pub(super) async fn recv(&mut self) -> Option<Notice<T>> {
        self.notices.recv().await
    }

    /// Where others may send what belongs to the same story.
    pub(super) fn sender(&self) -> mpsc::Sender<Notice<T>> {
        self.sender.clone()
    }
}
