use base64::Engine as _;

use super::*;
use crate::cloud::object::Origin;
use crate::cloud::secrets::SecretAt;
#[cfg(feature = "syncer")]
use crate::cloud::secrets::spec::CertificateSpec;
use crate::cloud::secrets::spec::{Algorithm, KeyFormat, PrivateKeySpec, PublicKeySpec, SecretSpec};
use crate::cloud::secrets::template::Template;
use crate::template::sprig::pki::PrivateKey;

fn secret(name: &str, keys: Vec<(&str, Generator)>) -> GeneratedSecret {
    GeneratedSecret {
        at: SecretAt::new("ns", name),
        app: "app".into(),
        kind: "Opaque".into(),
        keys: keys.into_iter().map(|(k, g)| (k.to_owned(), g)).collect(),
        fernet_keys: None,
        origin: Origin { file: "apps/app.yaml".into(), line: 1 },
    }
}

fn made(secret: &GeneratedSecret, seed: u8) -> BTreeMap<String, SecretBytes> {
    generate(secret, &BTreeMap::new(), &BTreeMap::new(), &[seed; 32], 1_795_345_200).unwrap()
}

fn text(value: &SecretBytes) -> String {
    String::from_utf8(value.0.clone()).unwrap()
}

fn key_spec(algorithm: Algorithm, format: KeyFormat) -> Generator {
    Generator::PrivateKey(PrivateKeySpec {
        algorithm,
        bits: Some(2048).filter(|_| algorithm == Algorithm::Rsa),
        format,
    })
}

fn public(of: &str, format: KeyFormat) -> Generator {
    Generator::PublicKey(PublicKeySpec { of: of.into(), format })
}

#[test]
fn random_values_have_their_length_and_alphabet_and_differ_by_key_and_seed() {
    let random = || Generator::Random { length: 40, characters: "abc1".chars().collect() };
    let s = secret(
        "s",
        vec![("a", random()), ("b", random()), ("id", Generator::Uuid), ("f", Generator::FernetKey)],
    );
    let (one, again, other) = (made(&s, 1), made(&s, 1), made(&s, 2));
    assert_eq!(one, again);
    assert_ne!(one["a"], one["b"]);
    assert_ne!(one["a"], other["a"]);
    assert_eq!(text(&one["a"]).len(), 40);
    assert!(text(&one["a"]).chars().all(|c| "abc1".contains(c)));
    let id = text(&one["id"]);
    assert_eq!((id.len(), &id[14..15]), (36, "4"));
    let key = base64::engine::general_purpose::URL_SAFE.decode(text(&one["f"])).unwrap();
    assert_eq!((key.len(), text(&one["f"]).len()), (32, 44), "what the Python library calls a fernet key");
}

#[test]
fn bytes_are_written_in_their_encoding() {
    let bytes = |encoding| Generator::Bytes { length: 16, encoding };
    let s = secret(
        "s",
        vec![("b", bytes(Encoding::Base64)), ("h", bytes(Encoding::Hex)), ("r", bytes(Encoding::Raw))],
    );
    let values = made(&s, 3);
    assert_eq!(STANDARD.decode(text(&values["b"])).unwrap().len(), 16);
    assert_eq!(text(&values["h"]).len(), 32);
    assert_eq!(values["r"].0.len(), 16);
}

#[test]
fn only_missing_keys_are_made_and_composed_text_takes_what_exists() {
    let template = Template::parse("mysql://{{user}}:{{password}}@db", "ns", "s").unwrap();
    let s = secret(
        "s",
        vec![
            ("user", Generator::Text("nova".into())),
            ("password", Generator::Random { length: 8, characters: vec!['a', 'b'] }),
            ("url", Generator::Template(template)),
        ],
    );
    let have = BTreeMap::from([("password".to_owned(), SecretBytes(b"kept".to_vec()))]);
    let values = generate(&s, &have, &BTreeMap::new(), &[1; 32], 0).unwrap();
    assert_eq!(values.keys().collect::<Vec<_>>(), ["url", "user"]);
    assert_eq!(text(&values["url"]), "mysql://nova:kept@db");
    assert!(!format!("{values:?}").contains("kept"), "no log shows a value");
}

#[test]
fn what_is_made_of_another_secret_waits_for_it_by_name() {
    let at = KeyAt::new("ns", "other", "password");
    let s = secret("s", vec![("p", Generator::Copy(at.clone()))]);
    assert!(s.needs(["p"].into_iter()).into_iter().eq([at.clone()]));
    let missing = generate(&s, &BTreeMap::new(), &BTreeMap::new(), &[1; 32], 0).unwrap_err();
    assert_eq!(missing.to_string(), "Secret ns/other has no key password");
    let others = BTreeMap::from([(at, SecretBytes(b"x".to_vec()))]);
    assert_eq!(text(&generate(&s, &BTreeMap::new(), &others, &[1; 32], 0).unwrap()["p"]), "x");
}

#[test]
fn key_pairs_are_written_for_tls_and_for_ssh_and_their_halves_fit() {
    for algorithm in [Algorithm::Ed25519, Algorithm::Rsa, Algorithm::Ecdsa] {
        let s = secret(
            "s",
            vec![
                ("pem", key_spec(algorithm, KeyFormat::Pem)),
                ("pem.pub", public("pem", KeyFormat::Pem)),
                ("pem.ssh", public("pem", KeyFormat::Openssh)),
            ],
        );
        let values = made(&s, 5);
        let key = PrivateKey::from_pem(&text(&values["pem"])).unwrap();
        let info = crate::template::sprig::pki::pem("PUBLIC KEY", &key.public_info().unwrap());
        assert_eq!(text(&values["pem.pub"]), info);
        let line = ssh_key::PublicKey::from_openssh(&text(&values["pem.ssh"])).unwrap();
        assert!(line.algorithm().as_str().contains(match algorithm {
            Algorithm::Ed25519 => "ed25519",
            Algorithm::Rsa => "rsa",
            Algorithm::Ecdsa => "nistp256",
        }));
    }
    for algorithm in [Algorithm::Ed25519, Algorithm::Rsa] {
        let s = secret(
            "s",
            vec![
                ("id", key_spec(algorithm, KeyFormat::Openssh)),
                ("id.pub", public("id", KeyFormat::Openssh)),
            ],
        );
        let values = made(&s, 6);
        let private = ssh_key::PrivateKey::from_openssh(text(&values["id"])).unwrap();
        assert_eq!(private.public_key().to_openssh().unwrap(), text(&values["id.pub"]).trim_end());
    }
}

#[cfg(feature = "syncer")]
fn certificate(common_name: &str, is_ca: bool) -> CertificateSpec {
    CertificateSpec {
        private_key: "tls.key".into(),
        common_name: common_name.into(),
        dns_names: if is_ca { vec![] } else { vec!["api.example.org".into(), "*.example.org".into()] },
        ip_addresses: if is_ca { vec![] } else { vec!["10.0.0.1".into()] },
        days: 30,
        renew_before: None,
        is_ca,
        signed_by: None,
    }
}

/// As a TLS client checks it: signature, names, days, usage, authority.
#[cfg(feature = "syncer")]
#[test]
fn a_certificate_is_signed_by_its_authority_for_its_names_and_days() {
    use std::time::Duration;

    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier as _;
    use rustls::pki_types::{CertificateDer, UnixTime, pem::PemObject as _};

    let ca = secret(
        "ca",
        vec![
            ("tls.key", key_spec(Algorithm::Ecdsa, KeyFormat::Pem)),
            ("tls.crt", Generator::Certificate(Box::new(certificate("authority", true)), None)),
        ],
    );
    let ca_values = made(&ca, 7);
    let signer = (KeyAt::new("ns", "ca", "tls.crt"), KeyAt::new("ns", "ca", "tls.key"));
    let now = 1_795_345_200;
    // Its end is read back, and two thirds of its life are over before it is told.
    let [end] = crate::cloud::secrets::expiry::ends(&ca, &ca_values).try_into().unwrap();
    assert_eq!((end.key.as_str(), end.ends), ("tls.crt", now + 30 * 86_400));
    assert!((now + 19 * 86_400..=now + 20 * 86_400).contains(&end.renew), "{}", end.renew);
    let der = |value: &SecretBytes| CertificateDer::from_pem_slice(&value.0).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = rustls::RootCertStore::empty();
    roots.add(der(&ca_values["tls.crt"])).unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(roots.into(), provider).build().unwrap();
    for algorithm in [Algorithm::Ed25519, Algorithm::Rsa] {
        let leaf = secret(
            "leaf",
            vec![
                ("tls.key", key_spec(algorithm, KeyFormat::Pem)),
                (
                    "tls.crt",
                    Generator::Certificate(Box::new(certificate("leaf", false)), Some(signer.clone())),
                ),
            ],
        );
        let others = BTreeMap::from([
            (signer.0.clone(), ca_values["tls.crt"].clone()),
            (signer.1.clone(), ca_values["tls.key"].clone()),
        ]);
        let values = generate(&leaf, &BTreeMap::new(), &others, &[8; 32], now).unwrap();
        let cert = der(&values["tls.crt"]);
        let valid = |name: &str, at: i64| {
            let at = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(at).unwrap()));
            verifier.verify_server_cert(&cert, &[], &name.to_owned().try_into().unwrap(), &[], at).is_ok()
        };
        for name in ["api.example.org", "other.example.org", "10.0.0.1"] {
            assert!(valid(name, now), "{name}");
        }
        assert!(!valid("example.com", now) && !valid("10.0.0.2", now));
        assert!(!valid("api.example.org", now + 31 * 86_400) && !valid("api.example.org", now - 400));
        let info = PrivateKey::from_pem(&text(&values["tls.key"])).unwrap().public_info().unwrap();
        assert!(cert.windows(info.len()).any(|w| w == info), "it is the certificate of this very key");
    }
}

#[test]
fn a_fernet_repository_rotates_as_keystone_does() {
    let value = |text: &str| SecretBytes(text.as_bytes().to_vec());
    let have: BTreeMap<String, SecretBytes> =
        [("0", "staged"), ("1", "old"), ("2", "primary")].map(|(k, v)| (k.to_owned(), value(v))).into();
    let changes = rotate_fernet(&have, 3, &[9; 32]);
    assert_eq!(changes["3"], Some(value("staged")), "what was staged is the primary");
    assert_eq!(changes["1"], None, "the oldest goes");
    assert_ne!(changes["0"], Some(value("staged")));
    assert!(!changes.contains_key("2"), "the last primary still decrypts");
}

#[test]
fn declarations_are_read_from_their_file_format() {
    let spec: SecretSpec = serde_json::from_value(serde_json::json!({"fernetKeys": 3, "keys": {
        "a": {"random": {"alphabet": "url-safe"}}, "b": {"privateKey": {}}}}))
    .unwrap();
    assert_eq!(spec.keys["a"].random.as_ref().unwrap().length, 32);
    assert_eq!(spec.keys["b"].private_key.as_ref().unwrap().algorithm, Algorithm::Ed25519);
}
