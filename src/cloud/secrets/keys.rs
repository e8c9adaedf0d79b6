//! Key pairs and certificates of generated Secrets: the same code that writes them for charts, and OpenSSH's format.

use core::net::IpAddr;

use super::spec::{Algorithm, CertificateSpec, KeyFormat, PrivateKeySpec};
use crate::template::sprig::Draw;
use crate::template::sprig::pki::{self, PrivateKey, Request};

/// The size of an RSA key that does not say.
const RSA_BITS: u32 = 3072;
/// A certificate is valid from a little before it is made: not all clocks agree.
const BEFORE: i64 = 300;

/// A new private key.
pub(super) fn private(spec: &PrivateKeySpec, draw: &mut Draw) -> Result<Vec<u8>, String> {
    let key = match spec.algorithm {
        Algorithm::Ed25519 => PrivateKey::ed25519(draw),
        Algorithm::Ecdsa => PrivateKey::p256(draw),
        Algorithm::Rsa => {
            let bits = spec.bits.unwrap_or(RSA_BITS);
            PrivateKey::rsa(draw, usize::try_from(bits).map_err(|e| e.to_string())?)?
        }
    };
    match spec.format {
        KeyFormat::Pem => Ok(key.to_pem()?.into_bytes()),
        KeyFormat::Openssh => {
            let ssh = ssh_key::PrivateKey::new(ssh_pair(&key)?, "").map_err(|e| e.to_string())?;
            let text = ssh.to_openssh(ssh_key::LineEnding::LF).map_err(|e| e.to_string())?;
            Ok(text.as_bytes().to_vec())
        }
    }
}

fn ssh_pair(key: &PrivateKey) -> Result<ssh_key::private::KeypairData, String> {
    use ssh_key::private::{EcdsaKeypair, Ed25519Keypair, KeypairData, RsaKeypair};
    Ok(match key {
        PrivateKey::Ed25519(key) => KeypairData::Ed25519(Ed25519Keypair::from_seed(key.as_bytes())),
        PrivateKey::Rsa(key) => {
            KeypairData::Rsa(RsaKeypair::try_from((**key).clone()).map_err(|e| e.to_string())?)
        }
        PrivateKey::P256(key) => {
            let secret = p256::SecretKey::from(key.clone());
            KeypairData::Ecdsa(EcdsaKeypair::NistP256 {
                public: secret.public_key().into(),
                private: secret.into(),
            })
        }
    })
}

/// A private key in either format.
fn read(text: &[u8]) -> Result<PrivateKey, String> {
    let text = std::str::from_utf8(text).map_err(|_| "the private key is not text".to_owned())?;
    if !text.contains("OPENSSH PRIVATE KEY") {
        return PrivateKey::from_pem(text).map_err(|e| format!("the private key cannot be read: {e}"));
    }
    let bad = |e: ssh_key::Error| format!("the private key cannot be read: {e}");
    let ssh = ssh_key::PrivateKey::from_openssh(text).map_err(bad)?;
    match ssh.key_data() {
        ssh_key::private::KeypairData::Ed25519(pair) => {
            Ok(PrivateKey::Ed25519(ed25519_dalek::SigningKey::from_bytes(&pair.private.to_bytes())))
        }
        ssh_key::private::KeypairData::Rsa(pair) => {
            // The crate's own conversion gives the first prime twice, which `rsa` refuses.
            let number = |m: &ssh_key::Mpint| {
                m.as_positive_bytes()
                    .map(rsa::BigUint::from_bytes_be)
                    .ok_or("the private key has a negative number")
            };
            let primes = vec![number(&pair.private.p)?, number(&pair.private.q)?];
            let (n, e, d) = (number(&pair.public.n)?, number(&pair.public.e)?, number(&pair.private.d)?);
            let key = rsa::RsaPrivateKey::from_components(n, e, d, primes);
            Ok(PrivateKey::Rsa(Box::new(key.map_err(|e| format!("the private key cannot be read: {e}"))?)))
        }
        _ => Err("the private key is neither Ed25519 nor RSA".to_owned()),
    }
}

/// The public half of a private key.
pub(super) fn public(private: &[u8], format: KeyFormat) -> Result<Vec<u8>, String> {
    let key = read(private)?;
    match format {
        KeyFormat::Pem => Ok(pki::pem("PUBLIC KEY", &key.public_info()?).into_bytes()),
        KeyFormat::Openssh => {
            let ssh = ssh_key::PrivateKey::new(ssh_pair(&key)?, "").map_err(|e| e.to_string())?;
            let line = ssh.public_key().to_openssh().map_err(|e| e.to_string())?;
            Ok(format!("{}\n", line.trim_end()).into_bytes())
        }
    }
}

/// A certificate; `signer` is an authority's certificate and private key.
pub(super) fn certificate(
    spec: &CertificateSpec,
    private: &[u8],
    signer: Option<(&[u8], &[u8])>,
    draw: &mut Draw,
    now: i64,
) -> Result<Vec<u8>, String> {
    let key = read(private)?;
    let addresses: Vec<IpAddr> = spec
        .ip_addresses
        .iter()
        .map(|a| a.parse().map_err(|_| format!("{a:?} is not an IP address")))
        .collect::<Result<_, _>>()?;
    let request = Request {
        common_name: &spec.common_name,
        dns_names: &spec.dns_names,
        addresses: &addresses,
        from: now - BEFORE,
        to: now + i64::from(spec.days) * 86_400,
        is_ca: spec.is_ca,
    };
    let signer = match signer {
        None => None,
        Some((certificate, key)) => {
            let text =
                std::str::from_utf8(certificate).map_err(|_| "the authority's certificate is not text")?;
            Some((text, read(key)?))
        }
    };
    let text = pki::certificate(&request, &key, signer.as_ref().map(|(text, key)| (*text, key)), draw)?;
    Ok(text.into_bytes())
}
