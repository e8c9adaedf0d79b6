//! Tells when a local repository's refs may have changed: `HEAD`, `packed-refs` and everything under `refs/`.

use std::path::Path;

use notify::event::EventKind;
use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use super::error::GitError;

/// Watches until it is dropped.
pub struct RefWatch {
    _watcher: RecommendedWatcher,
}

impl RefWatch {
    /// Watches a repository's folder and, for a linked work tree, the folder that it shares with the others.
    pub(super) fn start(
        git_dir: &Path,
        common: &Path,
        on_change: impl Fn() + Send + 'static,
    ) -> Result<Self, GitError> {
        let failed = |error: notify::Error| GitError::State {
            location: git_dir.display().to_string(),
            source: std::io::Error::other(error.to_string()),
        };
        let handler = move |event: notify::Result<Event>| {
            // An overflow or an error of the watch itself: better look once too often.
            let matters = event.as_ref().map_or(true, matters);
            if matters {
                on_change();
            }
        };
        let mut watcher = notify::recommended_watcher(handler).map_err(failed)?;
        watcher.watch(common, RecursiveMode::NonRecursive).map_err(failed)?;
        watcher.watch(&common.join("refs"), RecursiveMode::Recursive).map_err(failed)?;
        if git_dir != common {
            watcher.watch(git_dir, RecursiveMode::NonRecursive).map_err(failed)?;
        }
        Ok(Self { _watcher: watcher })
    }
}

/// Git writes `x.lock` and renames it to `x`: the rename is the change, the lock is not.
fn matters(event: &Event) -> bool {
    if event.need_rescan() {
        return true;
    }
    if matches!(event.kind, EventKind::Access(_) | EventKind::Other) {
        return false;
    }
    event.paths.iter().any(|path| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let is_ref = path.components().any(|c| c.as_os_str() == "refs");
        !name.ends_with(".lock") && (is_ref || matches!(name, "HEAD" | "packed-refs"))
    })
}
