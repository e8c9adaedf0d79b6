//! Private keys: RSA, ECDSA on P-256, Ed25519; made from a [`Draw`], read from and written to PEM.
//!
//! DSA keys are made by [`super::dsa`] and only printed: they sign no certificate in the original either.

use rsa::pkcs1::{DecodeRsaPrivateKey as _, EncodeRsaPrivateKey as _, EncodeRsaPublicKey as _};
use rsa::rand_core::{CryptoRng, RngCore};
use rsa::signature::{SignatureEncoding as _, Signer as _};

use super::der::{self, tag};
use super::host::Draw;
use super::pem;

/// A private key of one of the kinds that sign certificates.
pub(crate) enum PrivateKey {
    Rsa(Box<rsa::RsaPrivateKey>),
    P256(p256::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

/// Dotted object identifiers, encoded.
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const SHA256_WITH_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const PRIME256V1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const ECDSA_WITH_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

/// A draw as the key crates' older `rand_core` wants it.
pub(super) struct Source<'a>(pub(super) &'a mut Draw);

impl RngCore for Source<'_> {
    fn next_u32(&mut self) -> u32 {
        let mut b = [0; 4];
        self.0.fill(&mut b);
        u32::from_le_bytes(b)
    }
    fn next_u64(&mut self) -> u64 {
        let mut b = [0; 8];
        self.0.fill(&mut b);
        u64::from_le_bytes(b)
    }
    fn fill_bytes(&mut self, dest: &mut [u8]) {
        self.0.fill(dest);
    }
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), rsa::rand_core::Error> {
        self.0.fill(dest);
        Ok(())
    }
}

impl CryptoRng for Source<'_> {}

impl PrivateKey {
    pub(crate) fn rsa(draw: &mut Draw, bits: usize) -> Result<Self, String> {
        // No template can ask for so few. That it is known here keeps the crate's only logarithm, and with it the mathematical library,
        // out of each start of the binary.
        if bits < 1024 {
            return Err(format!("error generating rsa key: {bits} bits are too few"));
        }
        let key = rsa::RsaPrivateKey::new(&mut Source(draw), bits);
        Ok(Self::Rsa(Box::new(key.map_err(|e| format!("error generating rsa key: {e}"))?)))
    }

    pub(crate) fn p256(draw: &mut Draw) -> Self {
        Self::P256(p256::ecdsa::SigningKey::random(&mut Source(draw)))
    }

    pub(crate) fn ed25519(draw: &mut Draw) -> Self {
        let mut seed = [0; 32];
        draw.fill(&mut seed);
        Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&seed))
    }

    /// The key in the PEM form that sprig gives its kind.
    pub(crate) fn to_pem(&self) -> Result<String, String> {
        match self {
            Self::Rsa(key) => {
                let der = key.to_pkcs1_der().map_err(|e| e.to_string())?;
                Ok(pem::encode("RSA PRIVATE KEY", der.as_bytes()))
            }
            Self::P256(key) => {
                let curve = der::value(tag::OID, PRIME256V1);
                let der = der::sequence(&[
                    &der::integer(&[1]),
                    &der::value(tag::OCTET_STRING, &key.to_bytes()),
                    &der::value(0xa0, &curve),
                    &der::value(0xa1, &der::bit_string(&self.public_bits()?)),
                ]);
                Ok(pem::encode("EC PRIVATE KEY", &der))
            }
            Self::Ed25519(key) => {
                let inner = der::value(tag::OCTET_STRING, key.as_bytes());
                let algorithm = der::sequence(&[&der::value(tag::OID, ED25519)]);
                let der =
                    der::sequence(&[&der::integer(&[0]), &algorithm, &der::value(tag::OCTET_STRING, &inner)]);
                Ok(pem::encode("PRIVATE KEY", &der))
            }
        }
    }

    /// sprig's `parsePrivateKeyPEM`.
    pub(crate) fn from_pem(text: &str) -> Result<Self, String> {
        let (label, der) = pem::decode(text).ok_or("no PEM data in input")?;
        if label == "PRIVATE KEY" {
            return Self::from_pkcs8(&der);
        }
        let kind = label
            .strip_suffix(" PRIVATE KEY")
            .ok_or_else(|| format!("no private key data in PEM block of type {label}"))?;
        match kind {
            "RSA" => rsa::RsaPrivateKey::from_pkcs1_der(&der)
                .map(|k| Self::Rsa(Box::new(k)))
                .map_err(|e| format!("parsing RSA private key from PEM: {e}")),
            "EC" => p256::SecretKey::from_sec1_der(&der)
                .map(|k| Self::P256(k.into()))
                .map_err(|e| format!("parsing EC private key from PEM: {e} (P-256 is supported)")),
            "DSA" => Err("a DSA key signs no certificate".to_owned()),
            other => Err(format!("invalid private key type {other}")),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self, String> {
        use rsa::pkcs8::DecodePrivateKey as _;
        if let Ok(key) = rsa::RsaPrivateKey::from_pkcs8_der(der) {
            return Ok(Self::Rsa(Box::new(key)));
        }
        if let Ok(key) = p256::SecretKey::from_pkcs8_der(der) {
            return Ok(Self::P256(key.into()));
        }
        ed25519_dalek::SigningKey::from_pkcs8_der(der)
            .map(Self::Ed25519)
            .map_err(|_| "decoding PEM as PKCS#8: not an RSA, P-256 or Ed25519 key".to_owned())
    }

    /// The public key's bits, as `SubjectPublicKeyInfo` holds them.
    pub(super) fn public_bits(&self) -> Result<Vec<u8>, String> {
        Ok(match self {
            Self::Rsa(key) => {
                let der = key.to_public_key().to_pkcs1_der().map_err(|e| e.to_string())?;
                der.as_bytes().to_vec()
            }
            Self::P256(key) => key.verifying_key().to_encoded_point(false).as_bytes().to_vec(),
            Self::Ed25519(key) => key.verifying_key().to_bytes().to_vec(),
        })
    }

    /// `SubjectPublicKeyInfo`.
    pub(crate) fn public_info(&self) -> Result<Vec<u8>, String> {
        let algorithm = match self {
            Self::Rsa(_) => {
                der::sequence(&[&der::value(tag::OID, RSA_ENCRYPTION), &der::value(tag::NULL, &[])])
            }
            Self::P256(_) => {
                der::sequence(&[&der::value(tag::OID, EC_PUBLIC_KEY), &der::value(tag::OID, PRIME256V1)])
            }
            Self::Ed25519(_) => der::sequence(&[&der::value(tag::OID, ED25519)]),
        };
        Ok(der::sequence(&[&algorithm, &der::bit_string(&self.public_bits()?)]))
    }

    /// The algorithm this key signs certificates with.
    pub(super) fn signature_algorithm(&self) -> Vec<u8> {
        match self {
            Self::Rsa(_) => {
                der::sequence(&[&der::value(tag::OID, SHA256_WITH_RSA), &der::value(tag::NULL, &[])])
            }
            Self::P256(_) => der::sequence(&[&der::value(tag::OID, ECDSA_WITH_SHA256)]),
            Self::Ed25519(_) => der::sequence(&[&der::value(tag::OID, ED25519)]),
        }
    }

    /// A signature; for the same key and text always the same.
    pub(super) fn sign(&self, text: &[u8]) -> Vec<u8> {
        match self {
            Self::Rsa(key) => {
                let signer = rsa::pkcs1v15::SigningKey::<rsa::sha2::Sha256>::new((**key).clone());
                signer.sign(text).to_vec()
            }
            Self::P256(key) => {
                let signature: p256::ecdsa::DerSignature = key.sign(text);
                signature.to_vec()
            }
            Self::Ed25519(key) => key.sign(text).to_bytes().to_vec(),
        }
    }
}
