//! Values of the keys that are missing, from 32 random bytes. The same bytes give the same values, so that tests can look.

use std::collections::BTreeMap;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

use super::spec::Encoding;
use super::{GeneratedSecret, Generator, KeyAt, MAX_VALUE, keys};
use crate::cloud::Digest;
use crate::template::sprig::Draw;

/// A secret value; no log shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(pub Vec<u8>);

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes(<masked, {} bytes>)", self.0.len())
    }
}

/// Why a value cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenerateError {
    /// What it is made of is not there (yet).
    #[error("Secret {}/{} has no key {}", .0.namespace, .0.secret, .0.key)]
    Missing(KeyAt),
    /// It would be larger than a Secret's value may be.
    #[error("the value would be longer than {MAX_VALUE} bytes")]
    TooLong,
    /// A key or certificate that it is made of cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// Keys that are made of each other.
    #[error("the keys {0} are made of each other")]
    Circle(String),
}

/// The values of those keys of a Secret that `have` lacks. `others` are values of other Secrets ([`GeneratedSecret::needs`]),
/// `entropy` is fresh randomness, `now` the time in seconds since 1970, for certificates.
///
/// # Errors
/// The first key that cannot be made; then nothing is.
pub fn generate(
    secret: &GeneratedSecret,
    have: &BTreeMap<String, SecretBytes>,
    others: &BTreeMap<KeyAt, SecretBytes>,
    entropy: &[u8; 32],
    now: i64,
) -> Result<BTreeMap<String, SecretBytes>, GenerateError> {
    let mut made: BTreeMap<String, SecretBytes> = BTreeMap::new();
    let mut left: Vec<(&String, &Generator)> =
        secret.keys.iter().filter(|(key, _)| !have.contains_key(*key)).collect();
    while !left.is_empty() {
        let before = left.len();
        let mut later = Vec::new();
        for (key, generator) in left {
            let own = |at: &KeyAt| at.at() == secret.at;
            let waits = |at: &KeyAt| {
                own(at)
                    && !made.contains_key(&*at.key)
                    && !have.contains_key(&*at.key)
                    && secret.keys.contains_key(&*at.key)
            };
            if generator.needs(&secret.at).iter().any(waits) {
                later.push((key, generator));
                continue;
            }
            let value = |at: &KeyAt| {
                let found =
                    if own(at) { have.get(&*at.key).or_else(|| made.get(&*at.key)) } else { others.get(at) };
                found.map(|v| v.0.as_slice())
            };
            let seed = Digest::of_parts([entropy.as_slice(), key.as_bytes()]);
            let bytes = one(secret, generator, &value, &mut Draw::from_seed(*seed.as_bytes()), now)?;
            if bytes.len() > MAX_VALUE {
                return Err(GenerateError::TooLong);
            }
            made.insert(key.clone(), SecretBytes(bytes));
        }
        if later.len() == before {
            let names: Vec<&str> = later.iter().map(|(key, _)| key.as_str()).collect();
            return Err(GenerateError::Circle(names.join(", ")));
        }
        left = later;
    }
    Ok(made)
}

fn one<'v>(
    secret: &GeneratedSecret,
    generator: &Generator,
    value: &dyn Fn(&KeyAt) -> Option<&'v [u8]>,
    draw: &mut Draw,
    now: i64,
) -> Result<Vec<u8>, GenerateError> {
    let get = |at: &KeyAt| value(at).ok_or_else(|| GenerateError::Missing(at.clone()));
    let beside = |key: &str| get(&KeyAt::new(&secret.at.namespace, &secret.at.name, key));
    Ok(match generator {
        Generator::Random { length, characters } => {
            let pick = |draw: &mut Draw| {
                let at = draw.below(characters.len().max(1) as u64);
                usize::try_from(at).ok().and_then(|at| characters.get(at)).copied().unwrap_or_default()
            };
            (0..*length).map(|_| pick(draw)).collect::<String>().into_bytes()
        }
        Generator::Uuid => crate::template::sprig::uuid_v4(draw).into_bytes(),
        Generator::FernetKey => fernet_key(draw),
        Generator::Bytes { length, encoding } => {
            let mut bytes = vec![0; *length];
            draw.fill(&mut bytes);
            match encoding {
                Encoding::Base64 => STANDARD.encode(bytes).into_bytes(),
                Encoding::Base64url => URL_SAFE.encode(bytes).into_bytes(),
                Encoding::Hex => bytes.iter().map(|b| format!("{b:02x}")).collect::<String>().into_bytes(),
                Encoding::Raw => bytes,
            }
        }
        Generator::PrivateKey(spec) => keys::private(spec, draw).map_err(GenerateError::Unusable)?,
        Generator::PublicKey(spec) => {
            keys::public(beside(&spec.of)?, spec.format).map_err(GenerateError::Unusable)?
        }
        Generator::Certificate(spec, signer) => {
            let signer = match signer {
                Some((certificate, key)) => Some((get(certificate)?, get(key)?)),
                None => None,
            };
            keys::certificate(spec, beside(&spec.private_key)?, signer, draw, now)
                .map_err(GenerateError::Unusable)?
        }
        Generator::Template(template) => template.fill(value)?,
        Generator::Text(text) => text.clone().into_bytes(),
        Generator::Copy(at) => get(at)?.to_vec(),
    })
}

fn fernet_key(draw: &mut Draw) -> Vec<u8> {
    let mut bytes = [0; 32];
    draw.fill(&mut bytes);
    URL_SAFE.encode(bytes).into_bytes()
}

/// One rotation of a fernet key repository, as `keystone-manage fernet_rotate` does it: the staged key 0 becomes the primary (the
/// highest number), a new key is staged, and the oldest goes when there are more than `most`. Gives each key that changes; `None`
/// is one that goes.
#[must_use]
pub fn rotate_fernet(
    have: &BTreeMap<String, SecretBytes>,
    most: u32,
    entropy: &[u8; 32],
) -> BTreeMap<String, Option<SecretBytes>> {
    let mut numbers: Vec<u64> = have.keys().filter_map(|k| k.parse().ok()).collect();
    numbers.sort_unstable();
    let mut out = BTreeMap::new();
    let next = numbers.last().map_or(1, |n| n.saturating_add(1));
    if let Some(staged) = have.get("0") {
        out.insert(next.to_string(), Some(staged.clone()));
        numbers.push(next);
    }
    let seed = Digest::of_parts([entropy.as_slice(), b"0"]);
    out.insert("0".to_owned(), Some(SecretBytes(fernet_key(&mut Draw::from_seed(*seed.as_bytes())))));
    numbers.retain(|n| *n != 0);
    // The staged key counts as one of them.
    let keep = usize::try_from(most).unwrap_or(usize::MAX).saturating_sub(1).max(1);
    let excess = numbers.len().saturating_sub(keep);
    for oldest in &numbers[..excess] {
        out.insert(oldest.to_string(), None);
    }
    out
}

#[cfg(test)]
#[path = "generate_tests.rs"]
mod tests;
