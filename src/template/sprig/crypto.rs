//! Passwords, ciphers and keys: `bcrypt`, `htpasswd`, `derivePassword`, `encryptAES`, `genPrivateKey`, `sha1sum`.

use aes::cipher::{BlockDecryptMut as _, BlockEncryptMut as _, KeyIvInit as _, block_padding::NoPadding};
use base64::Engine as _;
use hmac::{Hmac, Mac as _};
use sha1::{Digest as _, Sha1};

use super::args::{Entry, FuncResult, S, bytes, fixed, text};
use super::encoding::b64dec;
use super::host::draw;
use super::keys::PrivateKey;
use super::strings::hex;
use crate::template::exec::Exec;
use crate::template::types::{Type, UintKind};
use crate::template::value::Value;

/// bcrypt's cost in Go's library.
const COST: u32 = 10;

fn hashed(
    exec: &Exec,
    name: &str,
    a: &[Value],
    password: &Value,
) -> Result<String, crate::template::FuncError> {
    let password = bytes(password);
    if password.len() > 72 {
        let why = "bcrypt: password length exceeds 72 bytes";
        return Ok(format!("failed to encrypt string with bcrypt: {why}"));
    }
    let mut salt = [0; 16];
    draw(exec, name, a)?.fill(&mut salt);
    match bcrypt::hash_with_salt(password, COST, salt) {
        Ok(parts) => Ok(parts.format_for_version(bcrypt::Version::TwoA)),
        Err(e) => Ok(format!("failed to encrypt string with bcrypt: {e}")),
    }
}

fn htpasswd(exec: &mut Exec, a: &[Value]) -> FuncResult {
    let user = text(&a[0]);
    if user.contains(':') {
        return Ok(format!("invalid username: {user}").into());
    }
    Ok(format!("{user}:{}", hashed(exec, "htpasswd", a, &a[1])?).into())
}

/// The Master Password algorithm's templates by type.
fn password_templates(kind: &str) -> &'static [&'static str] {
    match kind {
        "maximum" => &["anoxxxxxxxxxxxxxxxxx", "axxxxxxxxxxxxxxxxxno"],
        "long" => &[
            "CvcvnoCvcvCvcv",
            "CvcvCvcvnoCvcv",
            "CvcvCvcvCvcvno",
            "CvccnoCvcvCvcv",
            "CvccCvcvnoCvcv",
            "CvccCvcvCvcvno",
            "CvcvnoCvccCvcv",
            "CvcvCvccnoCvcv",
            "CvcvCvccCvcvno",
            "CvcvnoCvcvCvcc",
            "CvcvCvcvnoCvcc",
            "CvcvCvcvCvccno",
            "CvccnoCvccCvcv",
            "CvccCvccnoCvcv",
            "CvccCvccCvcvno",
            "CvcvnoCvccCvcc",
            "CvcvCvccnoCvcc",
            "CvcvCvccCvccno",
            "CvccnoCvcvCvcc",
            "CvccCvcvnoCvcc",
            "CvccCvcvCvccno",
        ],
        "medium" => &["CvcnoCvc", "CvcCvcno"],
        "short" => &["Cvcn"],
        "basic" => &["aaanaaan", "aannaaan", "aaannaaa"],
        "pin" => &["nnnn"],
        _ => &[],
    }
}

fn password_characters(class: u8) -> &'static [u8] {
    match class {
        b'V' => b"AEIOU",
        b'C' => b"BCDFGHJKLMNPQRSTVWXYZ",
        b'v' => b"aeiou",
        b'c' => b"bcdfghjklmnpqrstvwxyz",
        b'A' => b"AEIOUBCDFGHJKLMNPQRSTVWXYZ",
        b'a' => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz",
        b'n' => b"0123456789",
        b'o' => b"@&%?,=[]_:-+*$#!'^~;()/.",
        _ => b"AEIOUaeiouBCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz0123456789!@#$%^&*()",
    }
}

fn derive_password(_: &mut Exec, a: &[Value]) -> FuncResult {
    let counter = match &a[0] {
        Value::Uint(_, n) => u32::try_from(*n).unwrap_or(0),
        _ => 0,
    };
    let kind = text(&a[1]);
    let templates = password_templates(&kind);
    if templates.is_empty() {
        return Ok(format!("cannot find password template {kind}").into());
    }
    const SEED: &[u8] = b"com.lyndir.masterpassword";
    let sized = |s: &[u8]| [&u32::try_from(s.len()).unwrap_or(u32::MAX).to_be_bytes()[..], s].concat();
    let salt = [SEED, &sized(bytes(&a[3]))].concat();
    let params = scrypt::Params::new(15, 8, 2, 64).map_err(|e| format!("failed to derive password: {e}"))?;
    let mut key = [0; 64];
    scrypt::scrypt(bytes(&a[2]), &salt, &params, &mut key)
        .map_err(|e| format!("failed to derive password: {e}"))?;
    let mut mac = <Hmac<rsa::sha2::Sha256> as hmac::Mac>::new_from_slice(&key).map_err(|e| e.to_string())?;
    mac.update(&[SEED, &sized(bytes(&a[4])), &counter.to_be_bytes()].concat());
    let seed = mac.finalize().into_bytes();
    let template = templates[usize::from(seed[0]) % templates.len()];
    let password = template.bytes().zip(&seed[1..]).map(|(class, n)| {
        let characters = password_characters(class);
        char::from(characters[usize::from(*n) % characters.len()])
    });
    Ok(password.collect::<String>().into())
}

fn gen_private_key(exec: &mut Exec, a: &[Value]) -> FuncResult {
    let kind = text(&a[0]);
    let mut draw = draw(exec, "genPrivateKey", a)?;
    let key = match &*kind {
        "" | "rsa" => PrivateKey::rsa(&mut draw, 4096)?,
        "ecdsa" => PrivateKey::p256(&mut draw),
        "ed25519" => PrivateKey::ed25519(&mut draw),
        "dsa" => return Ok(super::dsa::pem(&mut draw).into()),
        other => return Ok(format!("Unknown type {other}").into()),
    };
    Ok(key.to_pem()?.into())
}

/// The password, cut or filled with zeros to 32 bytes.
fn aes_key(password: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    let len = password.len().min(32);
    key[..len].copy_from_slice(&password[..len]);
    key
}

fn encrypt_aes(exec: &mut Exec, a: &[Value]) -> FuncResult {
    let plain = bytes(&a[1]);
    if plain.is_empty() {
        return Ok("".into());
    }
    let padding = 16 - plain.len() % 16;
    let mut content = plain.to_vec();
    content.resize(plain.len() + padding, padding as u8);
    let mut iv = [0; 16];
    draw(exec, "encryptAES", a)?.fill(&mut iv);
    let cipher = cbc::Encryptor::<aes::Aes256>::new(&aes_key(bytes(&a[0])).into(), &iv.into());
    let encrypted = cipher.encrypt_padded_vec_mut::<NoPadding>(&content);
    Ok(base64::engine::general_purpose::STANDARD.encode([&iv[..], &encrypted].concat()).into())
}

fn decrypt_aes(_: &mut Exec, a: &[Value]) -> FuncResult {
    if bytes(&a[1]).is_empty() {
        return Ok("".into());
    }
    let crypt = b64dec(bytes(&a[1]))?;
    if crypt.len() < 16 {
        let len = crypt.len();
        return Err(format!("runtime error: slice bounds out of range [:16] with capacity {len}").into());
    }
    let (iv, body) = crypt.split_at(16);
    if body.len() % 16 != 0 {
        return Err("crypto/cipher: input not full blocks".into());
    }
    let iv: [u8; 16] = iv.try_into().map_err(|_| "not an initialisation vector")?;
    let cipher = cbc::Decryptor::<aes::Aes256>::new(&aes_key(bytes(&a[0])).into(), &iv.into());
    let plain = cipher.decrypt_padded_vec_mut::<NoPadding>(body).map_err(|e| e.to_string())?;
    let Some(padding) = plain.last().map(|b| usize::from(*b)) else {
        return Err("runtime error: index out of range [-1]".into());
    };
    match plain.len().checked_sub(padding) {
        Some(len) => Ok(Value::from_bytes(&plain[..len])),
        None => {
            let at = plain.len() as i64 - padding as i64;
            Err(format!("runtime error: slice bounds out of range [:{at}]").into())
        }
    }
}

const U32: Type = Type::Uint(UintKind::U32);

pub(super) const TABLE: &[Entry] = &[
    ("sha1sum", fixed(&[S], S), |_, a| Ok(hex(&Sha1::digest(bytes(&a[0]))))),
    ("bcrypt", fixed(&[S], S), |x, a| Ok(hashed(x, "bcrypt", a, &a[0])?.into())),
    ("htpasswd", fixed(&[S, S], S), htpasswd),
    ("derivePassword", fixed(&[U32, S, S, S, S], S), derive_password),
    ("genPrivateKey", fixed(&[S], S), gen_private_key),
    ("encryptAES", fixed(&[S, S], S), encrypt_aes),
    ("decryptAES", fixed(&[S, S], S), decrypt_aes),
];
