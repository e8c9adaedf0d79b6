//! Genestack's post-renderer convention: the chart's output is the file `all.yaml` that a kustomization lists. It stands in
//! every folder beside the app's kustomization (base, aio, ...), and nowhere in the repository. So does `inputs.yaml`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::files::{ContentId, EntryKind, FileTree, TreeError};

const NAME: &str = "all.yaml";
/// The file with the app's live inputs ([`super::inputs`]).
pub(super) const INPUTS: &str = "inputs.yaml";

/// A tree with the chart's output in it.
pub(super) struct AllYaml<'a> {
    tree: &'a dyn FileTree,
    /// The folder that holds the app's kustomizations.
    parent: String,
    name: &'static str,
    text: Arc<[u8]>,
    read: AtomicBool,
}

impl<'a> AllYaml<'a> {
    /// `kustomization` is the folder that is built.
    pub(super) fn new(tree: &'a dyn FileTree, kustomization: &str, text: String) -> Self {
        Self::named(tree, kustomization, NAME, text)
    }

    /// The same for a file of another name.
    pub(super) fn named(
        tree: &'a dyn FileTree,
        kustomization: &str,
        name: &'static str,
        text: String,
    ) -> Self {
        let parent = kustomization.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
        Self { tree, parent, name, text: text.into_bytes().into(), read: AtomicBool::new(false) }
    }

    /// Whether a kustomization listed it.
    pub(super) fn was_read(&self) -> bool {
        self.read.load(Ordering::Relaxed)
    }

    /// Whether the path is the virtual file.
    pub(super) fn is(&self, path: &str) -> bool {
        let Some((dir, _)) = path.rsplit_once('/').filter(|(_, name)| *name == self.name) else {
            return false;
        };
        dir.rsplit_once('/').map_or("", |(parent, _)| parent) == self.parent
    }
}

impl FileTree for AllYaml<'_> {
    fn resolve(&self, path: &str) -> Result<Option<(String, EntryKind)>, TreeError> {
        if self.is(path) { Ok(Some((path.to_owned(), EntryKind::File))) } else { self.tree.resolve(path) }
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        if self.is(path) {
            self.read.store(true, Ordering::Relaxed);
            return Ok(Arc::clone(&self.text));
        }
        self.tree.read(path)
    }

    fn list(&self, path: &str) -> Result<Vec<(String, EntryKind)>, TreeError> {
        self.tree.list(path)
    }

    fn content_id(&self, path: &str) -> Result<ContentId, TreeError> {
        self.tree.content_id(path)
    }
}

/// The template that each line of the text came from, by Helm's `# Source:` comments.
pub(super) fn source_at(text: &str, line: u32) -> Option<&str> {
    let before = text.lines().take(line as usize);
    before.filter_map(|l| l.strip_prefix("# Source: ")).last()
}
