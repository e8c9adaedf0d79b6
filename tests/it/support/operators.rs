//! The operators of the reference cloud, played beside a test (`tests/operators/`).

#[path = "../../operators/play.rs"]
mod play;

use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use tokio::sync::oneshot;

/// Answers for operators on one cluster, until it is dropped.
pub(crate) struct Operators {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Operators {
    /// Begins to answer, each time after `delay`.
    pub(crate) fn start(kubeconfig: &Path, delay: Duration) -> Self {
        let (stop, stopped) = oneshot::channel();
        let kubeconfig = kubeconfig.to_path_buf();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let played = runtime.expect("a runtime").block_on(async {
                let file = Kubeconfig::read_from(&kubeconfig)?;
                let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await?;
                tokio::select! {
                    ended = play::play(Client::try_from(config)?, delay) => ended,
                    _ = stopped => Ok(()),
                }
            });
            if let Err(error) = played {
                // Whoever waits for an operator's answer fails with its own deadline; this says why.
                println!("the operators are played no more: {error}");
            }
        });
        Self { stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Operators {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // It may have ended by itself.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
