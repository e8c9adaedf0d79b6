//! Where files come from while one kustomization is read: its folder, the load restrictions, cycles, remotes.
//!
//! A [`Loader`] stands at one kustomization root. Paths in messages are tree paths. Symbolic links are resolved by the
//! tree before restrictions are checked, as the original does. Remotes are reached only through [`Remote`].

use std::sync::Arc;

use super::error::{Error, Kind};
use super::repospec::RepoSpec;
use super::transform::Files;
use crate::files::{self, EntryKind, FileTree, TreeError};

/// Reaches what is not in the tree. `source` implements it; without one, a build that needs a remote fails.
pub trait Remote: Send + Sync {
    /// The file behind an http(s) URL; `Ok(None)` if what is there is rather a Git repository.
    fn file(&self, url: &str) -> Result<Option<Arc<[u8]>>, Error>;

    /// The tree of a Git repository at the given ref.
    fn repository(&self, spec: &RepoSpec) -> Result<Arc<dyn FileTree>, Error>;
}

/// A tree of the caller or one that a remote gave.
#[derive(Clone)]
enum Tree<'t> {
    Given(&'t dyn FileTree),
    Cloned(Arc<dyn FileTree>),
}

impl Tree<'_> {
    fn get(&self) -> &dyn FileTree {
        match self {
            Self::Given(tree) => *tree,
            Self::Cloned(tree) => tree.as_ref(),
        }
    }
}

/// What may be read from where.
#[derive(Clone)]
pub struct Loader<'t> {
    tree: Tree<'t>,
    root: String,
    /// Roots of the loaders that led here, outermost first, of the same tree.
    visited: Vec<String>,
    /// Raw specs of the repositories that led here.
    repositories: Vec<String>,
    restricted: bool,
    remote: Option<&'t dyn Remote>,
    /// What stands before a tree path in messages.
    shown: Arc<str>,
}

/// What an entry of `resources` names.
pub enum Target<'t> {
    /// A file: its bytes and its name for messages.
    File(Arc<[u8]>, String),
    /// A folder or repository with a kustomization.
    Dir(Box<Loader<'t>>),
}

impl<'t> Loader<'t> {
    /// A loader at the folder to build.
    pub fn new(
        tree: &'t dyn FileTree,
        path: &str,
        restricted: bool,
        remote: Option<&'t dyn Remote>,
        shown: &str,
    ) -> Result<Self, Error> {
        let base = Self {
            tree: Tree::Given(tree),
            root: String::new(),
            visited: Vec::new(),
            repositories: Vec::new(),
            restricted,
            remote,
            shown: shown.into(),
        };
        if let Ok(spec) = RepoSpec::parse(path) {
            return base.at_repository(spec);
        }
        let clean = files::clean(path).ok_or_else(|| not_found(path))?;
        match base.tree.get().resolve(&clean).map_err(|e| from_tree(&e))? {
            Some((root, EntryKind::Dir)) => Ok(Self { root, ..base }),
            Some((_, EntryKind::File)) => Err(Error::of(
                Kind::NotFound,
                format!("must build at directory: '{}' is a file", base.show(&clean)),
            )),
            None => Err(not_found(&base.show(&clean))),
        }
    }

    /// The folder's path in its tree.
    #[must_use]
    pub fn root(&self) -> &str {
        &self.root
    }

    /// The folder's path for messages.
    #[must_use]
    pub fn shown_root(&self) -> String {
        let shown = self.show(&self.root);
        if shown.is_empty() { ".".to_owned() } else { shown }
    }

    /// The tree that this loader reads.
    #[must_use]
    pub fn tree(&self) -> &dyn FileTree {
        self.tree.get()
    }

    fn show(&self, path: &str) -> String {
        format!("{}{path}", self.shown)
    }

    /// The tree path of what a kustomization writes as `path`.
    pub fn join(&self, path: &str) -> Result<String, Error> {
        files::join(&self.root, path)
            .ok_or_else(|| Error::of(Kind::NotFound, format!("'{path}' climbs above the top of the tree")))
    }

    /// Reads what an entry of `resources` names.
    pub fn target(&self, path: &str) -> Result<Target<'t>, Error> {
        if is_remote_file(path) {
            let remote = self.remote.ok_or_else(|| offline(path))?;
            if let Some(bytes) = remote.file(path)? {
                return Ok(Target::File(bytes, path.to_owned()));
            }
        } else if let Ok(joined) = self.join(path)
            && !path.is_empty()
            && let Some((resolved, EntryKind::File)) =
                self.tree.get().resolve(&joined).map_err(|e| from_tree(&e))?
        {
            self.check(&joined, &resolved)?;
            let bytes = self.tree.get().read(&resolved).map_err(|e| from_tree(&e))?;
            return Ok(Target::File(bytes, self.show(&joined)));
        }
        self.folder(path).map(|loader| Target::Dir(Box::new(loader)))
    }

    /// A loader at another kustomization.
    pub fn folder(&self, path: &str) -> Result<Self, Error> {
        if path.is_empty() {
            return Err(Error::new("new root cannot be empty").hint("name a file or folder"));
        }
        if let Ok(spec) = RepoSpec::parse(path) {
            if let Some(from) = self.repositories.last()
                && spec.is_local()
                && !RepoSpec::parse(from).is_ok_and(|from| from.is_local())
            {
                return Err(Error::of(
                    Kind::Restricted,
                    format!("{path}: a base that came over the network may not name files of this machine"),
                )
                .hint("name the repository by a URL that others can reach, too"));
            }
            if let Some(first) = self.repositories.iter().find(|raw| raw.starts_with(&spec.raw)) {
                return Err(Error::new(format!(
                    "cycle detected: URI '{}' referenced by previous URI '{first}'",
                    spec.raw
                )));
            }
            return self.at_repository(spec);
        }
        if path.starts_with('/') {
            return Err(Error::new(format!("new root '{path}' cannot be absolute"))
                .hint("write the path relative to the kustomization's folder"));
        }
        let joined = self.join(path)?;
        let (root, kind) = self
            .tree
            .get()
            .resolve(&joined)
            .map_err(|e| from_tree(&e))?
            .ok_or_else(|| not_found(&self.show(&joined)))?;
        if kind == EntryKind::File {
            return Err(Error::of(
                Kind::NotFound,
                format!("must build at directory: '{}' is a file", self.show(&joined)),
            ));
        }
        let trail = self.visited.iter().chain(std::iter::once(&self.root));
        if let Some(seen) = trail.clone().find(|seen| is_below(seen, &root)) {
            return Err(Error::new(format!(
                "cycle detected: candidate root '{}' contains visited root '{}'",
                self.show(&root),
                self.show(seen)
            ))
            .hint("a kustomization cannot include its own folder or one above it"));
        }
        Ok(Self { root, visited: trail.cloned().collect(), ..self.clone() })
    }

    fn at_repository(&self, spec: RepoSpec) -> Result<Self, Error> {
        let remote = self.remote.ok_or_else(|| offline(&spec.raw))?;
        let shown = format!("{}//", spec.clone_spec()).into();
        let tree = remote.repository(&spec)?;
        let path = files::clean(&spec.path)
            .ok_or_else(|| Error::new(format!("url path exits repo: {}", spec.raw)))?;
        let root = match tree.resolve(&path).map_err(|e| from_tree(&e))? {
            Some((root, EntryKind::Dir)) => root,
            Some(_) => {
                return Err(Error::new(format!("'{}' refers to a file; expecting directory", spec.raw)));
            }
            None => return Err(not_found(&spec.raw)),
        };
        let mut repositories = self.repositories.clone();
        repositories.push(spec.raw);
        Ok(Self {
            tree: Tree::Cloned(tree),
            root,
            visited: Vec::new(),
            repositories,
            restricted: true,
            remote: self.remote,
            shown,
        })
    }

    fn check(&self, asked: &str, resolved: &str) -> Result<(), Error> {
        let folder = resolved.rsplit_once('/').map_or("", |(dir, _)| dir);
        if self.restricted && !is_below(folder, &self.root) {
            return Err(Error::of(
                Kind::Restricted,
                format!(
                    "security; file '{}' is not in or below '{}'",
                    self.show(asked),
                    self.shown_root()
                ),
            )
            .hint("move the file below the kustomization, or allow it with --load-restrictor LoadRestrictionsNone"));
        }
        Ok(())
    }
}

impl Files for Loader<'_> {
    fn load(&self, path: &str) -> Result<(Arc<[u8]>, String), Error> {
        if is_remote_file(path) {
            let remote = self.remote.ok_or_else(|| offline(path))?;
            return match remote.file(path)? {
                Some(bytes) => Ok((bytes, path.to_owned())),
                None => Err(Error::of(Kind::Remote, format!("{path} is a git repository, not a file"))),
            };
        }
        let joined = self.join(path)?;
        match self.tree.get().resolve(&joined).map_err(|e| from_tree(&e))? {
            None => Err(not_found(&self.show(&joined))),
            Some((_, EntryKind::Dir)) => {
                Err(Error::of(Kind::NotFound, format!("'{}' must resolve to a file", self.show(&joined))))
            }
            Some((resolved, EntryKind::File)) => {
                self.check(&joined, &resolved)?;
                let bytes = self.tree.get().read(&resolved).map_err(|e| from_tree(&e))?;
                Ok((bytes, self.show(&joined)))
            }
        }
    }
}

/// Whether `path` is `folder` or inside it.
fn is_below(path: &str, folder: &str) -> bool {
    folder.is_empty() || path == folder || path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// Whether an entry is a URL that may be a file.
#[must_use]
pub fn is_remote_file(path: &str) -> bool {
    let starts = |scheme: &str| path.get(..scheme.len()).is_some_and(|p| p.eq_ignore_ascii_case(scheme));
    starts("http://") || starts("https://")
}

fn offline(what: &str) -> Error {
    Error::of(Kind::Remote, format!("'{what}' is remote, and this build has no access to remotes"))
        .hint("copy it into the tree and list the copy")
}

fn not_found(path: &str) -> Error {
    Error::of(Kind::NotFound, format!("{path}: no such file or directory"))
}

fn from_tree(e: &TreeError) -> Error {
    match e {
        TreeError::NotFound { .. } => Error::of(Kind::NotFound, e.to_string()),
        TreeError::WrongKind { .. } | TreeError::Refused { .. } => Error::new(e.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemTree;

    fn tree() -> MemTree {
        ["a/b/k.yaml", "a/x.yaml", "c/y.yaml"].into_iter().map(|p| (p, b"x: 1".to_vec())).collect()
    }

    fn at<'t>(tree: &'t MemTree, path: &str) -> Loader<'t> {
        Loader::new(tree, path, true, None, "").unwrap()
    }

    #[test]
    fn files_outside_the_root_are_refused_while_loading_is_restricted() {
        let tree = tree();
        let e = at(&tree, "a").load("../c/y.yaml").unwrap_err();
        assert_eq!(e.message(), "security; file 'c/y.yaml' is not in or below 'a'");
        let free = Loader::new(&tree, "a", false, None, "").unwrap();
        assert!(free.load("../c/y.yaml").is_ok());
    }

    #[test]
    fn a_base_that_holds_the_kustomization_itself_is_a_cycle() {
        let tree = tree();
        let e = at(&tree, "a/b").folder("..").err().unwrap();
        assert_eq!(e.message(), "cycle detected: candidate root 'a' contains visited root 'a/b'");
        let c = at(&tree, "a/b").folder("../../c").unwrap();
        assert!(c.folder("../a").is_err());
    }

    #[test]
    fn without_a_remote_a_url_is_a_clear_error() {
        let tree = tree();
        for url in ["https://example.com/x.yaml", "github.com/a/b//c?ref=v1", "git@github.com:a/b"] {
            let e = at(&tree, "a").target(url).err().unwrap();
            assert_eq!(e.kind(), Kind::Remote, "{url}");
        }
    }
}
