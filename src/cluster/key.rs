//! The per-cloud key outside of its cluster: sealed with age (<https://age-encryption.org/v1>), for a passphrase or for recipients.
//!
//! The file holds one line, `retune-cloud-key-v1 CLOUD BASE64`, encrypted; `age -d` and `rage -d` open it too.

use std::io::{Read as _, Write as _};

use age::secrecy::SecretString;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// What the line begins with.
const MAGIC: &str = "retune-cloud-key-v1";
/// The longest file that is read.
pub const MAX_FILE: usize = 64 << 10;
/// The most work that a file may ask for to derive its key from a passphrase (2^20, about a second).
const MAX_WORK: u8 = 20;

/// Who can open an export.
pub enum Lock {
    /// Whoever knows a passphrase.
    Passphrase(String),
    /// The owners of these age keys (`age1...`).
    Recipients(Vec<String>),
}

/// What opens an export.
pub enum Opener {
    /// The passphrase.
    Passphrase(String),
    /// The text of an identity file (`AGE-SECRET-KEY-1...`).
    Identity(String),
}

/// Seals a cloud's key; armored text.
///
/// # Errors
/// What is wrong with a recipient.
pub fn seal(cloud: &str, key: &[u8; 32], lock: &Lock) -> Result<String, String> {
    let encryptor = match lock {
        Lock::Passphrase(text) => age::Encryptor::with_user_passphrase(SecretString::from(text.clone())),
        Lock::Recipients(names) => {
            let recipients: Vec<age::x25519::Recipient> = names
                .iter()
                .map(|name| name.parse().map_err(|e| format!("{name:?} is no age recipient (age1...): {e}")))
                .collect::<Result<_, String>>()?;
            age::Encryptor::with_recipients(recipients.iter().map(|r| r as &dyn age::Recipient))
                .map_err(|e| e.to_string())?
        }
    };
    let text = format!("{MAGIC} {cloud} {}\n", STANDARD.encode(key));
    let wrong = |e: std::io::Error| e.to_string();
    let armor =
        age::armor::ArmoredWriter::wrap_output(Vec::new(), age::armor::Format::AsciiArmor).map_err(wrong)?;
    let mut writer = encryptor.wrap_output(armor).map_err(wrong)?;
    writer.write_all(text.as_bytes()).map_err(wrong)?;
    let bytes = writer.finish().and_then(age::armor::ArmoredWriter::finish).map_err(wrong)?;
    String::from_utf8(bytes).map_err(|e| e.to_string())
}

/// Opens an export: the cloud's name and its key.
///
/// # Errors
/// Why it cannot be opened.
pub fn open(sealed: &[u8], opener: &Opener) -> Result<(String, [u8; 32]), String> {
    let reader = age::armor::ArmoredReader::new(sealed);
    let decryptor = age::Decryptor::new(reader).map_err(|e| format!("not an age file: {e}"))?;
    let mut text = String::new();
    let closed = |e: age::DecryptError| match (e, opener) {
        (age::DecryptError::NoMatchingKeys, Opener::Passphrase(_)) => {
            "it was sealed for age recipients: give --identity FILE".to_owned()
        }
        (age::DecryptError::NoMatchingKeys, Opener::Identity(_)) => {
            "it was sealed for another identity, or with a passphrase: give --passphrase-file FILE".to_owned()
        }
        (age::DecryptError::DecryptionFailed, _) => "the passphrase is another one".to_owned(),
        (e, _) => e.to_string(),
    };
    match opener {
        Opener::Passphrase(pass) => {
            let mut identity = age::scrypt::Identity::new(SecretString::from(pass.clone()));
            identity.set_max_work_factor(MAX_WORK);
            let reader =
                decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(closed)?;
            reader.take(MAX_FILE as u64).read_to_string(&mut text)
        }
        Opener::Identity(file) => {
            let identities: Vec<age::x25519::Identity> = file
                .lines()
                .map(str::trim)
                .filter(|l| !l.is_empty() && !l.starts_with('#'))
                .map(|l| l.parse().map_err(|e: &str| format!("the identity file cannot be read: {e}")))
                .collect::<Result<_, String>>()?;
            let all = identities.iter().map(|i| i as &dyn age::Identity);
            let reader = decryptor.decrypt(all).map_err(closed)?;
            reader.take(MAX_FILE as u64).read_to_string(&mut text)
        }
    }
    .map_err(|e| format!("it is damaged: {e}"))?;
    let parts: Vec<&str> = text.split_whitespace().collect();
    let [MAGIC, cloud, key] = parts.as_slice() else {
        return Err("it holds no key of a cloud; `retune key export` writes such files".to_owned());
    };
    let bytes = STANDARD.decode(key).ok().and_then(|b| b.try_into().ok());
    Ok(((*cloud).to_owned(), bytes.ok_or("the key in it is not 32 bytes")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 32] = [7; 32];

    #[test]
    fn an_export_opens_with_its_identity_and_no_other() {
        use age::secrecy::ExposeSecret as _;
        let (own, other) = (age::x25519::Identity::generate(), age::x25519::Identity::generate());
        let sealed = seal("prod", &KEY, &Lock::Recipients(vec![own.to_public().to_string()])).unwrap();
        assert!(sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
        assert!(!sealed.contains(&STANDARD.encode(KEY)));
        let file = |i: &age::x25519::Identity| {
            Opener::Identity(format!("# a key\n{}\n", i.to_string().expose_secret()))
        };
        assert_eq!(open(sealed.as_bytes(), &file(&own)).unwrap(), ("prod".to_owned(), KEY));
        assert!(open(sealed.as_bytes(), &file(&other)).unwrap_err().contains("another identity"));
        assert!(open(sealed.as_bytes(), &Opener::Passphrase("x".into())).unwrap_err().contains("--identity"));
        assert!(open(b"nothing", &file(&own)).unwrap_err().contains("not an age file"));
    }

    #[test]
    fn an_export_opens_with_its_passphrase_and_no_other() {
        let sealed = seal("prod", &KEY, &Lock::Passphrase("correct horse".into())).unwrap();
        let with = |text: &str| open(sealed.as_bytes(), &Opener::Passphrase(text.into()));
        assert_eq!(with("correct horse").unwrap(), ("prod".to_owned(), KEY));
        assert!(with("wrong").unwrap_err().contains("passphrase is another one"));
    }

    #[test]
    fn a_wrong_recipient_is_named() {
        let error = seal("prod", &KEY, &Lock::Recipients(vec!["bob".into()])).unwrap_err();
        assert!(error.contains("\"bob\" is no age recipient"));
    }
}
