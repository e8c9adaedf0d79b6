//! A tree that remembers every question and its answer, so that a render can be reused exactly when a later revision
//! would have answered all of them the same.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::object::Digest;
use crate::files::{ContentId, EntryKind, FileTree, TreeError};

/// The questions that a render asked, with their answers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reads {
    found: BTreeSet<(String, Option<(String, bool)>)>,
    lists: BTreeSet<(String, Digest)>,
    contents: Vec<(String, ContentId)>,
    /// The tree refused an answer, for a reason that cannot be asked again: the render is not reusable.
    refused: bool,
}

impl Reads {
    /// Whether another tree gives the same answers.
    pub(super) fn hold_in(&self, tree: &dyn FileTree) -> bool {
        !self.refused
            && self.contents.iter().all(|(path, id)| tree.content_id(path).is_ok_and(|now| now == *id))
            && self
                .lists
                .iter()
                .all(|(path, digest)| tree.list(path).is_ok_and(|l| list_digest(&l) == *digest))
            && self.found.iter().all(|(path, answer)| {
                tree.resolve(path).is_ok_and(|now| now.map(|(p, k)| (p, k == EntryKind::Dir)) == *answer)
            })
    }

    /// How many questions there were.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.found.len() + self.lists.len() + self.contents.len()
    }
}

/// The trees of a cloud: both layers as one, and each alone.
#[derive(Clone, Copy)]
pub(super) struct Trees<'a> {
    pub(super) tree: &'a dyn FileTree,
    pub(super) lower: &'a dyn FileTree,
    pub(super) upper: Option<&'a dyn FileTree>,
}

/// What was asked of each of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LayerReads {
    pub(super) tree: Reads,
    pub(super) lower: Reads,
    pub(super) upper: Option<Reads>,
}

impl LayerReads {
    /// Whether other trees give the same answers.
    pub(super) fn hold_in(&self, trees: &Trees<'_>) -> bool {
        let upper = match (&self.upper, trees.upper) {
            (Some(reads), Some(tree)) => reads.hold_in(tree),
            (None, None) => true,
            _ => false,
        };
        upper && self.tree.hold_in(trees.tree) && self.lower.hold_in(trees.lower)
    }
}

fn list_digest(list: &[(String, EntryKind)]) -> Digest {
    Digest::of_parts(list.iter().map(|(name, kind)| format!("{name}/{kind:?}")))
}

/// The recording tree.
pub(super) struct Recorder<'a> {
    tree: &'a dyn FileTree,
    reads: Mutex<Reads>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(tree: &'a dyn FileTree) -> Self {
        Self { tree, reads: Mutex::default() }
    }

    pub(super) fn finish(self) -> Reads {
        let mut reads = self.reads.into_inner().unwrap_or_else(PoisonError::into_inner);
        reads.contents.sort_by(|a, b| a.0.cmp(&b.0));
        reads.contents.dedup();
        reads
    }

    fn note(&self, write: impl FnOnce(&mut Reads)) {
        write(&mut self.reads.lock().unwrap_or_else(PoisonError::into_inner));
    }

    fn missing<T>(&self, path: &str, result: Result<T, TreeError>) -> Result<T, TreeError> {
        match &result {
            Ok(_) => {}
            // Missing, or of another kind: the path's own answer says whether it still is.
            Err(TreeError::NotFound { .. } | TreeError::WrongKind { .. }) => {
                self.resolve(path)?;
            }
            Err(TreeError::Refused { .. }) => self.note(|reads| reads.refused = true),
        }
        result
    }
}

impl FileTree for Recorder<'_> {
    fn resolve(&self, path: &str) -> Result<Option<(String, EntryKind)>, TreeError> {
        let answer = self.tree.resolve(path).inspect_err(|_| self.note(|reads| reads.refused = true))?;
        let kept = answer.as_ref().map(|(p, k)| (p.clone(), *k == EntryKind::Dir));
        self.note(|reads| {
            reads.found.insert((path.to_owned(), kept));
        });
        Ok(answer)
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        let bytes = self.missing(path, self.tree.read(path))?;
        let id = self.tree.content_id(path)?;
        self.note(|reads| reads.contents.push((path.to_owned(), id)));
        Ok(bytes)
    }

    fn list(&self, path: &str) -> Result<Vec<(String, EntryKind)>, TreeError> {
        let list = self.missing(path, self.tree.list(path))?;
        let digest = list_digest(&list);
        self.note(|reads| {
            reads.lists.insert((path.to_owned(), digest));
        });
        Ok(list)
    }

    fn content_id(&self, path: &str) -> Result<ContentId, TreeError> {
        let id = self.missing(path, self.tree.content_id(path))?;
        self.note(|reads| reads.contents.push((path.to_owned(), id)));
        Ok(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemTree;

    fn tree(files: &[(&str, &str)]) -> MemTree {
        files.iter().map(|(p, t)| (*p, t.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_render_holds_until_something_it_read_listed_or_missed_changes() {
        let first = tree(&[("a/x", "1"), ("a/y", "1"), ("b/z", "1")]);
        let recorder = Recorder::new(&first);
        recorder.read("a/x").unwrap();
        recorder.list("b").unwrap();
        assert!(recorder.read("a/none").is_err());
        let reads = recorder.finish();
        assert_eq!(reads.len(), 3);
        assert!(reads.hold_in(&first));
        assert!(reads.hold_in(&tree(&[("a/x", "1"), ("a/y", "changed, never read"), ("b/z", "changed")])));
        assert!(!reads.hold_in(&tree(&[("a/x", "2"), ("b/z", "1")])));
        assert!(!reads.hold_in(&tree(&[("a/x", "1"), ("b/z", "1"), ("b/new", "1")])));
        assert!(!reads.hold_in(&tree(&[("a/x", "1"), ("b/z", "1"), ("a/none", "1")])));
    }
}
