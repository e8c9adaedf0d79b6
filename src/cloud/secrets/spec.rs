//! `App.spec.secrets` as users write it. A doc comment here is what an editor shows.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A Secret that retune makes if it is not there. Its values are drawn once, are never in Git, and are never written over.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SecretSpec {
    /// Its namespace. If left out: the app's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The Secret's type. If left out: Opaque.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Its keys, each with one generator.
    #[serde(default)]
    pub keys: BTreeMap<String, KeySpec>,
    /// A key repository as Keystone wants it: the keys 0 (staged) up to this number less one (primary), each a fernet key. Rotated as `keystone-manage fernet_rotate` does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2, max = 50))]
    pub fernet_keys: Option<u32>,
}

/// How a key's value is made. Exactly one field.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySpec {
    /// Random text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random: Option<RandomText>,
    /// A random UUID (version 4): `uuid: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<NoOptions>,
    /// A fernet key (32 random bytes in URL-safe base64): `fernetKey: {}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fernet_key: Option<NoOptions>,
    /// Random bytes in an encoding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<RandomBytes>,
    /// A private key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private_key: Option<PrivateKeySpec>,
    /// The public half of a private key of the same Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKeySpec>,
    /// A certificate for a private key of the same Secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateSpec>,
    /// Text with other keys in it: `mysql+pymysql://nova:{{ password | urlencode }}@db/nova`. `{{ KEY }}` is a key of this Secret, `{{ SECRET/KEY }}` of another one in this namespace, `{{ NAMESPACE/SECRET/KEY }}` of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Text that is no secret, for instance a user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The value of another Secret's key, as it is when this one is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy: Option<KeyRef>,
}

/// A generator without options: `{}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}

/// Random text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RandomText {
    /// How many characters. If left out: 32.
    #[serde(default = "thirty_two")]
    #[schemars(range(min = 1, max = 4096))]
    pub length: u32,
    /// Which characters. If left out: alphanumeric.
    #[serde(default)]
    pub alphabet: Alphabet,
    /// These characters instead of an alphabet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub characters: Option<String>,
}

fn thirty_two() -> u32 {
    32
}

/// The characters of random text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Alphabet {
    /// `A-Z a-z 0-9`: needs no escaping anywhere.
    #[default]
    Alphanumeric,
    /// `a-z 0-9`
    Lowercase,
    /// `0-9 a-f`
    Hex,
    /// `0-9`
    Digits,
    /// `A-Z a-z 0-9 - _ . ~`: what a URL takes as it is.
    UrlSafe,
    /// All printable ASCII characters but space, quotes and backslash.
    Printable,
}

/// Random bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RandomBytes {
    /// How many, before they are encoded. If left out: 32.
    #[serde(default = "thirty_two")]
    #[schemars(range(min = 1, max = 4096))]
    pub length: u32,
    /// If left out: base64.
    #[serde(default)]
    pub encoding: Encoding,
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Encoding {
    /// Standard base64 with padding.
    #[default]
    Base64,
    /// URL-safe base64 with padding.
    Base64url,
    /// Hexadecimal.
    Hex,
    /// As they are.
    Raw,
}

/// A private key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrivateKeySpec {
    /// If left out: ed25519.
    #[serde(default)]
    pub algorithm: Algorithm,
    /// The size of an RSA key. If left out: 3072.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2048, max = 8192))]
    pub bits: Option<u32>,
    /// If left out: pem.
    #[serde(default)]
    pub format: KeyFormat,
}

/// What a key signs with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    /// Ed25519.
    #[default]
    Ed25519,
    /// RSA.
    Rsa,
    /// ECDSA on the curve P-256.
    Ecdsa,
}

/// How a key is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyFormat {
    /// PEM, as TLS wants it (private: PKCS#1, SEC1 or PKCS#8; public: SubjectPublicKeyInfo).
    #[default]
    Pem,
    /// As OpenSSH writes it.
    Openssh,
}

/// The public half of a private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PublicKeySpec {
    /// The key of this Secret that holds the private key.
    pub of: String,
    /// If left out: pem.
    #[serde(default)]
    pub format: KeyFormat,
}

/// A certificate, X.509 version 3, for servers and clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CertificateSpec {
    /// The key of this Secret that holds the private key.
    pub private_key: String,
    /// The subject's common name.
    pub common_name: String,
    /// Names that it is valid for.
    #[serde(default)]
    pub dns_names: Vec<String>,
    /// Addresses that it is valid for.
    #[serde(default)]
    pub ip_addresses: Vec<String>,
    /// How long it is valid. If left out: 365.
    #[serde(default = "one_year")]
    #[schemars(range(min = 1, max = 36500))]
    pub days: u32,
    /// How many days before its end the status, a condition, Events and the log begin to say that it is to be rotated. If left out: a third
    /// of its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 36500))]
    pub renew_before: Option<u32>,
    /// Whether it is an authority that signs others.
    #[serde(default)]
    pub is_ca: bool,
    /// The authority that signs it. If left out: it signs itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<SignerSpec>,
}

fn one_year() -> u32 {
    365
}

/// A certificate authority: a Secret with its certificate and private key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SignerSpec {
    /// The Secret.
    pub secret: String,
    /// Its namespace. If left out: this Secret's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The key with the certificate. If left out: tls.crt.
    #[serde(default = "tls_crt")]
    pub certificate: String,
    /// The key with the private key. If left out: tls.key.
    #[serde(default = "tls_key")]
    pub private_key: String,
}

fn tls_crt() -> String {
    "tls.crt".to_owned()
}

fn tls_key() -> String {
    "tls.key".to_owned()
}

/// A key of another Secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRef {
    /// The Secret.
    pub secret: String,
    /// Its namespace. If left out: this Secret's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The key.
    pub key: String,
}
