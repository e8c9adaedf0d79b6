//! Trees made of trees: a site repository over its upstream, a folder as a tree, a rendered chart beside a kustomization.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::files::{EntryKind, FileTree, TreeError, join};

/// Two trees as one: files of the upper one replace or join those of the lower one; folders merge.
///
/// Links are resolved inside the layer that holds them.
#[derive(Clone, Copy)]
pub struct Overlay<'a> {
    lower: &'a dyn FileTree,
    upper: &'a dyn FileTree,
}

impl<'a> Overlay<'a> {
    /// `upper` over `lower`.
    #[must_use]
    pub fn new(lower: &'a dyn FileTree, upper: &'a dyn FileTree) -> Self {
        Self { lower, upper }
    }
}

impl FileTree for Overlay<'_> {
    fn resolve(&self, path: &str) -> Result<Option<(String, EntryKind)>, TreeError> {
        match self.upper.resolve(path)? {
            Some(found) => Ok(Some(found)),
            None => self.lower.resolve(path),
        }
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        match self.upper.resolve(path)? {
            Some(_) => self.upper.read(path),
            None => self.lower.read(path),
        }
    }

    fn list(&self, path: &str) -> Result<Vec<(String, EntryKind)>, TreeError> {
        let upper = self.upper.resolve(path)?;
        let lower = self.lower.resolve(path)?;
        match (upper, lower) {
            (Some((_, EntryKind::Dir)), Some((_, EntryKind::Dir))) => {
                let mut all: BTreeMap<String, EntryKind> = self.lower.list(path)?.into_iter().collect();
                all.extend(self.upper.list(path)?);
                Ok(all.into_iter().collect())
            }
            (Some(_), _) => self.upper.list(path),
            (None, _) => self.lower.list(path),
        }
    }

    fn content_id(&self, path: &str) -> Result<crate::files::ContentId, TreeError> {
        match self.upper.resolve(path)? {
            Some(_) => self.upper.content_id(path),
            None => self.lower.content_id(path),
        }
    }
}

/// A folder of a tree as a tree of its own.
#[derive(Clone)]
pub struct SubTree<'a> {
    tree: &'a dyn FileTree,
    dir: String,
}

impl<'a> SubTree<'a> {
    /// The tree under `dir`.
    #[must_use]
    pub fn new(tree: &'a dyn FileTree, dir: &str) -> Self {
        Self { tree, dir: dir.to_owned() }
    }

    fn full(&self, path: &str) -> Result<String, TreeError> {
        join(&self.dir, path).ok_or_else(|| TreeError::Refused {
            path: path.to_owned(),
            reason: "leaves the folder".to_owned(),
        })
    }
}

impl FileTree for SubTree<'_> {
    fn resolve(&self, path: &str) -> Result<Option<(String, EntryKind)>, TreeError> {
        let Some((real, kind)) = self.tree.resolve(&self.full(path)?)? else { return Ok(None) };
        // A link may lead out of the folder but not out of the tree; then the path as asked for is the best name.
        let inside = if self.dir.is_empty() {
            Some(real.as_str())
        } else if real == self.dir {
            Some("")
        } else {
            real.strip_prefix(&format!("{}/", self.dir)).map(|r| r as &str)
        };
        Ok(Some((inside.map_or_else(|| path.to_owned(), str::to_owned), kind)))
    }

    fn read(&self, path: &str) -> Result<Arc<[u8]>, TreeError> {
        self.tree.read(&self.full(path)?)
    }

    fn list(&self, path: &str) -> Result<Vec<(String, EntryKind)>, TreeError> {
        self.tree.list(&self.full(path)?)
    }

    fn content_id(&self, path: &str) -> Result<crate::files::ContentId, TreeError> {
        self.tree.content_id(&self.full(path)?)
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
    fn the_sites_files_replace_and_join_the_upstreams() {
        let lower = tree(&[("apps/a.yaml", "1"), ("apps/b.yaml", "1"), ("x", "1")]);
        let upper = tree(&[("apps/b.yaml", "2"), ("apps/c.yaml", "2"), ("y", "2")]);
        let both = Overlay::new(&lower, &upper);
        let names = |path: &str| both.list(path).unwrap().into_iter().map(|(n, _)| n).collect::<Vec<_>>();
        assert_eq!(names("apps"), ["a.yaml", "b.yaml", "c.yaml"]);
        assert_eq!(names(""), ["apps", "x", "y"]);
        assert_eq!(&*both.read("apps/b.yaml").unwrap(), b"2");
        assert_eq!(&*both.read("apps/a.yaml").unwrap(), b"1");
        assert!(both.read("z").is_err());
    }

    #[test]
    fn a_folder_is_a_tree() {
        let all = tree(&[("vendor/up/apps/a.yaml", "1"), ("b", "2")]);
        let sub = SubTree::new(&all, "vendor/up");
        assert_eq!(sub.resolve("apps/a.yaml").unwrap(), Some(("apps/a.yaml".into(), EntryKind::File)));
        assert_eq!(sub.resolve("").unwrap(), Some((String::new(), EntryKind::Dir)));
        assert_eq!(sub.list("").unwrap(), [("apps".to_owned(), EntryKind::Dir)]);
        assert_eq!(sub.resolve("b").unwrap(), None);
    }
}
