//! Secrets that retune generates: `App.spec.secrets`.
//!
//! Takes the declarations of an app and gives [`GeneratedSecret`]s; given what exists and 32 random bytes, [`fn@generate`] gives the values
//! of the keys that are missing. A value that exists is never made again. Pure: who reads and writes Secrets is the sync room.
//!
//! | module | subject |
//! |---|---|
//! | [`spec`] | what users write |
//! | [`template`] | composed text |
//! | [`mod@generate`], [`keys`] | values; keys and certificates |
//! | [`expiry`] | when certificates end |
//! | [`check`] | what is wrong with declarations, with file, line and column |

pub mod check;
pub mod expiry;
pub mod generate;
pub mod keys;
pub mod spec;
pub mod template;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use self::spec::{CertificateSpec, Encoding, PrivateKeySpec, PublicKeySpec};
use self::template::Template;
use super::object::Origin;
use super::rendered::RenderedCloud;

pub use generate::{GenerateError, SecretBytes, generate};

/// The most Secrets of one app, and the most keys of one Secret.
pub const MAX_SECRETS: usize = 500;
/// The longest value.
pub const MAX_VALUE: usize = 64 << 10;

/// A Secret, by namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct SecretAt {
    /// The namespace.
    pub namespace: Arc<str>,
    /// The name.
    pub name: Arc<str>,
}

impl SecretAt {
    /// A place from plain text.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }

    /// Reads `namespace/name`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        (is_key(namespace) && is_key(name)).then(|| Self::new(namespace, name))
    }
}

/// `openstack/keystone-db-password`
impl fmt::Display for SecretAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// A key of a Secret.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyAt {
    /// The Secret's namespace.
    pub namespace: Arc<str>,
    /// The Secret's name.
    pub secret: Arc<str>,
    /// The key.
    pub key: Arc<str>,
}

impl KeyAt {
    /// A place from plain text.
    #[must_use]
    pub fn new(namespace: &str, secret: &str, key: &str) -> Self {
        Self { namespace: namespace.into(), secret: secret.into(), key: key.into() }
    }

    /// The Secret.
    #[must_use]
    pub fn at(&self) -> SecretAt {
        SecretAt { namespace: Arc::clone(&self.namespace), name: Arc::clone(&self.secret) }
    }
}

/// How one key's value is made; what [`spec::KeySpec`] says, read and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Generator {
    /// Random text of these characters.
    Random {
        /// How many.
        length: usize,
        /// Of which.
        characters: Vec<char>,
    },
    /// A random UUID.
    Uuid,
    /// A fernet key.
    FernetKey,
    /// Random bytes.
    Bytes {
        /// How many.
        length: usize,
        /// How they are written.
        encoding: Encoding,
    },
    /// A private key.
    PrivateKey(PrivateKeySpec),
    /// The public half of a key of the same Secret.
    PublicKey(PublicKeySpec),
    /// A certificate, and the keys with its authority's certificate and private key.
    Certificate(Box<CertificateSpec>, Option<(KeyAt, KeyAt)>),
    /// Composed text.
    Template(Template),
    /// Text that is no secret.
    Text(String),
    /// Another key's value.
    Copy(KeyAt),
}

impl Generator {
    /// Whether a rotation makes another value by itself (and not only because what it is made of changed).
    #[must_use]
    pub fn is_drawn(&self) -> bool {
        !matches!(self, Self::Text(_) | Self::Copy(_) | Self::Template(_) | Self::PublicKey(_))
    }

    /// The keys that it is made of, those of its own Secret included.
    pub fn needs(&self, own: &SecretAt) -> Vec<KeyAt> {
        let beside = |key: &str| KeyAt::new(&own.namespace, &own.name, key);
        match self {
            Self::PublicKey(public) => vec![beside(&public.of)],
            Self::Certificate(spec, signer) => {
                let mut out = vec![beside(&spec.private_key)];
                out.extend(signer.iter().flat_map(|(certificate, key)| [certificate.clone(), key.clone()]));
                out
            }
            Self::Template(template) => template.keys().cloned().collect(),
            Self::Copy(at) => vec![at.clone()],
            Self::Random { .. }
            | Self::Uuid
            | Self::FernetKey
            | Self::Bytes { .. }
            | Self::PrivateKey(_)
            | Self::Text(_) => Vec::new(),
        }
    }

    /// What it makes, for people.
    #[must_use]
    pub fn told(&self) -> &'static str {
        match self {
            Self::Random { .. } => "random text",
            Self::Uuid => "a UUID",
            Self::FernetKey => "a fernet key",
            Self::Bytes { .. } => "random bytes",
            Self::PrivateKey(_) => "a private key",
            Self::PublicKey(_) => "a public key",
            Self::Certificate(..) => "a certificate",
            Self::Template(_) => "composed text",
            Self::Text(_) => "fixed text",
            Self::Copy(_) => "a copy",
        }
    }
}

/// One declared Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedSecret {
    /// Where it is.
    pub at: SecretAt,
    /// The app that declares it.
    pub app: Arc<str>,
    /// The Secret's type.
    pub kind: String,
    /// How each key's value is made.
    pub keys: BTreeMap<String, Generator>,
    /// How many keys its fernet repository has.
    pub fernet_keys: Option<u32>,
    /// Where it is declared.
    pub origin: Origin,
}

impl GeneratedSecret {
    /// The keys of other Secrets that values of these keys are made of.
    #[must_use]
    pub fn needs<'a>(&self, keys: impl Iterator<Item = &'a str>) -> BTreeSet<KeyAt> {
        keys.filter_map(|k| self.keys.get(k))
            .flat_map(|g| g.needs(&self.at))
            .filter(|at| at.at() != self.at)
            .collect()
    }
}

/// What may be a Secret's, a namespace's or a key's name, as far as templates and messages care.
#[must_use]
pub fn is_key(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && text != "."
        && !text.starts_with("..")
}

/// How a Secret comes to be that is not there: who generates it, or where to declare it.
#[must_use]
pub fn advice(cloud: &RenderedCloud, at: &SecretAt) -> String {
    match cloud.apps.iter().flat_map(|a| a.generated.iter()).find(|g| g.at == *at) {
        Some(declared) => format!(
            "it is generated for app {} ({}) once its namespace exists; if it was lost: `retune rotate {at}`",
            declared.app, declared.origin
        ),
        None => format!(
            "declare it in spec.secrets of an app, or make it by hand: kubectl create secret generic {} -n {} --from-literal=KEY=VALUE",
            at.name, at.namespace
        ),
    }
}
