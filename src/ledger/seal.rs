//! Sealing entries and texts: AES-256-GCM under a key derived from the per-cloud key for one purpose, a random nonce before
//! each.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf;
use ring::rand::{SecureRandom, SystemRandom};

/// What keeps entries unreadable without the per-cloud key.
pub(crate) struct Seal {
    key: LessSafeKey,
    random: SystemRandom,
}

impl Seal {
    /// Derives the ledger's key.
    pub(super) fn new(cloud_key: &[u8; 32]) -> Option<Self> {
        Self::derive(cloud_key, b"retune.dev/ledger")
    }

    /// Derives the key of texts that the inventory keeps.
    pub(crate) fn of_inventory(cloud_key: &[u8; 32]) -> Option<Self> {
        Self::derive(cloud_key, b"retune.dev/inventory")
    }

    fn derive(cloud_key: &[u8; 32], purpose: &[u8]) -> Option<Self> {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, purpose);
        let secret = salt.extract(cloud_key);
        let material = secret.expand(&[b"entries v1"], &AES_256_GCM).ok()?;
        Some(Self { key: LessSafeKey::new(UnboundKey::from(material)), random: SystemRandom::new() })
    }

    /// Nonce and sealed text.
    pub(crate) fn seal(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0_u8; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = text.to_vec();
        self.key
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed)
            .ok()?;
        let mut out = nonce.to_vec();
        out.extend(sealed);
        Some(out)
    }

    /// The text, if it was sealed with this key and is whole.
    pub(crate) fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let mut text = rest.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.key.open_in_place(nonce, Aad::empty(), &mut text).ok()?;
        Some(opened.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_open_with_their_key_only_and_only_whole() {
        let seal = Seal::new(&[1; 32]).unwrap();
        let sealed = seal.seal(b"hello").unwrap();
        assert_eq!(seal.open(&sealed).unwrap(), b"hello");
        assert!(Seal::new(&[2; 32]).unwrap().open(&sealed).is_none());
        assert!(seal.open(&sealed[..sealed.len() - 1]).is_none());
        assert!(seal.open(b"short").is_none());
    }
}
