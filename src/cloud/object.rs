//! One rendered Kubernetes object: its identity, its normalised text and where it came from.
//!
//! Ten thousand of them stay in memory while a cloud is enforced, so an [`Object`] keeps compact JSON text and shared
//! strings, never a tree.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::normal::{self, NormalError};

/// A SHA-256 digest, written `sha256:<hex>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digest of several parts; each is preceded by its length, so that parts cannot run into each other.
    pub fn of_parts<I, B>(parts: I) -> Self
    where
        I: IntoIterator<Item = B>,
        B: AsRef<[u8]>,
    {
        let mut hash = Sha256::new();
        for part in parts {
            let part = part.as_ref();
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        Self(hash.finalize().into())
    }

    /// The raw bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first twelve hexadecimal digits, for people.
    #[must_use]
    pub fn short(&self) -> String {
        self.0[..6].iter().map(|b| format!("{b:02x}")).collect()
    }
}

impl AsRef<[u8]> for Digest {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not `sha256:` and 64 hexadecimal digits.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not a digest (sha256: and 64 hexadecimal digits)")]
pub struct BadDigest(String);

impl std::str::FromStr for Digest {
    type Err = BadDigest;

    fn from_str(text: &str) -> Result<Self, BadDigest> {
        let bad = || BadDigest(text.to_owned());
        let hex = text.strip_prefix("sha256:").filter(|h| h.len() == 64).ok_or_else(bad)?;
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        let mut out = [0; 32];
        for (i, byte) in out.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(out))
    }
}

impl Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What makes an object that object: group, kind, namespace, name. The version does not count; the group does (two
/// operators of an OpenStack cloud define `User`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectId {
    /// The API group; empty for the core group.
    pub group: Arc<str>,
    /// The kind.
    pub kind: Arc<str>,
    /// The namespace; `None` for cluster-scoped kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Arc<str>>,
    /// The name.
    pub name: Arc<str>,
}

impl ObjectId {
    /// An identity from plain text.
    #[must_use]
    pub fn new(group: &str, kind: &str, namespace: Option<&str>, name: &str) -> Self {
        Self {
            group: group.into(),
            kind: kind.into(),
            namespace: namespace.map(Into::into),
            name: name.into(),
        }
    }

    /// Whether group and kind are these.
    #[must_use]
    pub fn is(&self, group: &str, kind: &str) -> bool {
        &*self.group == group && &*self.kind == kind
    }
}

/// `Deployment.apps openstack/keystone-api`, `Namespace openstack`.
impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        match &self.namespace {
            Some(namespace) => write!(f, " {namespace}/{}", self.name),
            None => write!(f, " {}", self.name),
        }
    }
}

/// Where an object came from: a file of the repository, or a template of a chart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// The path in the repository, or `<chart>/templates/<file>`.
    pub file: Arc<str>,
    /// The line of the object's first field, from 1; 0 if not known.
    pub line: u32,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { f.write_str(&self.file) } else { write!(f, "{}:{}", self.file, self.line) }
    }
}

/// One object as it is to be applied.
#[derive(Debug, Clone)]
pub struct Object {
    /// Its identity, namespace settled.
    pub id: ObjectId,
    /// `apps/v1`, `v1`.
    pub api_version: Arc<str>,
    /// Compact JSON, keys sorted, normalised (see [`normal`]).
    pub body: Arc<str>,
    /// The digest of `body`.
    pub digest: Digest,
    /// Where it came from.
    pub origin: Origin,
}

impl Object {
    /// Normalises a manifest and makes the object of it. `namespace` is the settled namespace: `None` for cluster-scoped kinds.
    ///
    /// # Errors
    /// If the manifest has no apiVersion, kind or name, or a field that cannot be normalised.
    pub fn build(
        mut manifest: serde_json::Value,
        namespace: Option<&str>,
        origin: Origin,
        names: &mut Interner,
    ) -> Result<Self, NormalError> {
        let head = normal::Head::of(&manifest)?;
        let (group, _) = split_api_version(&head.api_version);
        let id = ObjectId {
            group: names.get(group),
            kind: names.get(&head.kind),
            namespace: namespace.map(|n| names.get(n)),
            name: head.name.as_str().into(),
        };
        let api_version = names.get(&head.api_version);
        normal::normalise(&mut manifest, &id)?;
        let body = normal::compact(&manifest);
        Ok(Self { id, api_version, digest: Digest::of(body.as_bytes()), body: body.into(), origin })
    }

    /// The body as a tree; made anew on each call.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("the body was written by `compact`")
    }

    /// The version part of `api_version`.
    #[must_use]
    pub fn version(&self) -> &str {
        split_api_version(&self.api_version).1
    }
}

/// `apps/v1` into `apps` and `v1`; `v1` into the empty group and `v1`.
#[must_use]
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Shares equal strings between objects.
#[derive(Debug, Default)]
pub struct Interner(std::collections::HashSet<Arc<str>>);

impl Interner {
    /// The shared copy of a string.
    pub fn get(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.0.get(text) {
            return Arc::clone(known);
        }
        let new: Arc<str> = text.into();
        self.0.insert(Arc::clone(&new));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn origin() -> Origin {
        Origin { file: "a.yaml".into(), line: 3 }
    }

    #[test]
    fn the_group_is_part_of_the_identity_and_the_version_is_not() {
        let mut names = Interner::default();
        let mut id = |api: &str| {
            let manifest = json!({"apiVersion": api, "kind": "User", "metadata": {"name": "keystone"}});
            Object::build(manifest, Some("openstack"), origin(), &mut names).unwrap().id
        };
        assert_ne!(id("k8s.mariadb.com/v1alpha1"), id("rabbitmq.com/v1beta1"));
        assert_eq!(id("rabbitmq.com/v1beta1"), id("rabbitmq.com/v1"));
        assert_eq!(id("rabbitmq.com/v1").to_string(), "User.rabbitmq.com openstack/keystone");
    }

    #[test]
    fn digests_survive_their_text_form() {
        let digest = Digest::of(b"x");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("sha256:zz".parse::<Digest>().is_err());
        assert_ne!(Digest::of_parts(["ab", "c"]), Digest::of_parts(["a", "bc"]));
    }
}
