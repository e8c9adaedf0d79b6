//! Reads what an app declares under `spec.secrets`, and tells everything that is wrong with it by file, line and column.

use core::net::IpAddr;
use std::collections::{BTreeMap, BTreeSet};

use super::spec::{Alphabet, KeyRef, KeySpec, RandomText, SecretSpec};
use super::template::Template;
use super::{GeneratedSecret, Generator, KeyAt, MAX_SECRETS, SecretAt, is_key};
use crate::cloud::graph::{self, GraphError};
use crate::cloud::load::LoadedApp;
use crate::cloud::object::Origin;
use crate::cloud::problem::{Problem, ProblemKind, nearest};

/// The Secrets that an app declares.
///
/// # Errors
/// Everything that is wrong with them.
pub fn declared(app: &LoadedApp) -> Result<Vec<GeneratedSecret>, Vec<Problem>> {
    let spec = &app.app.spec;
    let mut reader = Reader { app, problems: Vec::new() };
    if spec.secrets.len() > MAX_SECRETS {
        let message = format!("spec.secrets: {} Secrets; an app may have {MAX_SECRETS}", spec.secrets.len());
        return Err(vec![app.problem(ProblemKind::Limit, &["spec", "secrets"], message)]);
    }
    let out: Vec<GeneratedSecret> =
        spec.secrets.iter().filter_map(|(name, secret)| reader.secret(name, secret)).collect();
    if reader.problems.is_empty() { Ok(out) } else { Err(reader.problems) }
}

struct Reader<'a> {
    app: &'a LoadedApp,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn wrong(&mut self, path: &[&str], message: impl std::fmt::Display, hint: &str) {
        let mut full = vec!["spec", "secrets"];
        full.extend(path);
        let mut problem =
            self.app.problem(ProblemKind::BadValue, &full, format!("{}: {message}", full.join(".")));
        if !hint.is_empty() {
            problem = problem.hint(hint);
        }
        self.problems.push(problem);
    }

    fn secret(&mut self, name: &str, spec: &SecretSpec) -> Option<GeneratedSecret> {
        let before = self.problems.len();
        let lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.';
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !is_key(name) || !name.bytes().all(lower) || !name.starts_with(edge) || !name.ends_with(edge) {
            self.wrong(
                &[name],
                format!("{name:?} cannot be a Secret's name"),
                "use lower-case letters, digits, dashes and dots",
            );
        }
        let namespace =
            spec.namespace.as_deref().or(self.app.app.spec.namespace.as_deref()).unwrap_or_default();
        if namespace.is_empty() {
            self.wrong(&[name], "it has no namespace", "set spec.namespace of the app, or namespace here");
        }
        if spec.keys.is_empty() && spec.fernet_keys.is_none() {
            self.wrong(
                &[name],
                "it has no keys",
                "give each key a generator: keys: {password: {random: {}}}",
            );
        }
        if spec.keys.len() > MAX_SECRETS {
            self.wrong(&[name, "keys"], format!("more than {MAX_SECRETS} keys"), "");
        }
        let at = SecretAt::new(namespace, name);
        let mut keys = BTreeMap::new();
        for number in 0..spec.fernet_keys.unwrap_or(0) {
            keys.insert(number.to_string(), Generator::FernetKey);
        }
        for (key, how) in &spec.keys {
            if !is_key(key) {
                self.wrong(
                    &[name, "keys", key],
                    format!("{key:?} cannot be a key of a Secret"),
                    "use letters, digits, dashes, dots and underscores",
                );
            }
            if keys.contains_key(key) {
                self.wrong(&[name, "keys", key], "fernetKeys makes this key", "remove one of the two");
                continue;
            }
            if let Some(generator) = self.key(&at, key, how) {
                keys.insert(key.clone(), generator);
            }
        }
        if self.problems.len() > before {
            return None;
        }
        self.references(&at, &keys);
        let line = self.app.pos(&["spec", "secrets", name]).line;
        Some(GeneratedSecret {
            at,
            app: self.app.app.metadata.name.as_str().into(),
            kind: spec.kind.clone().unwrap_or_else(|| "Opaque".to_owned()),
            keys,
            fernet_keys: spec.fernet_keys,
            origin: Origin { file: self.app.file.as_str().into(), line },
        })
    }

    /// Keys of the same Secret that are named and not declared; keys made of each other.
    fn references(&mut self, at: &SecretAt, keys: &BTreeMap<String, Generator>) {
        let mut graph: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (key, generator) in keys {
            let own: Vec<KeyAt> = generator.needs(at).into_iter().filter(|n| n.at() == *at).collect();
            for need in &own {
                if !keys.contains_key(&*need.key) {
                    let hint = nearest(&need.key, keys.keys().map(String::as_str));
                    let hint = hint.map(|near| format!("did you mean {near:?}?")).unwrap_or_default();
                    self.wrong(
                        &[&at.name, "keys", key],
                        format!("there is no key {:?} in this Secret", need.key),
                        &hint,
                    );
                }
                let private = matches!(generator, Generator::PublicKey(_))
                    || matches!(generator, Generator::Certificate(spec, _) if spec.private_key == *need.key);
                let is_private = matches!(
                    keys.get(&*need.key),
                    None | Some(Generator::PrivateKey(_) | Generator::Copy(_))
                );
                if private && !is_private {
                    self.wrong(
                        &[&at.name, "keys", key],
                        format!("the key {:?} is no private key", need.key),
                        "give it the generator privateKey",
                    );
                }
            }
            graph.insert(key.clone(), own.iter().map(|n| n.key.to_string()).collect());
        }
        if let Err(errors) = graph::order(&graph) {
            for error in errors {
                if let GraphError::Cycle(path) = error {
                    let message = format!("the keys {} are made of each other", path.join(" -> "));
                    self.wrong(&[&at.name, "keys", &path[0]], message, "break the circle");
                }
            }
        }
    }

    fn key(&mut self, at: &SecretAt, key: &str, spec: &KeySpec) -> Option<Generator> {
        let path = [&*at.name, "keys", key];
        let there = |secret: &str, namespace: Option<&str>, key: &str| {
            KeyAt::new(namespace.unwrap_or(&at.namespace), secret, key)
        };
        let copy = |r: &KeyRef| there(&r.secret, r.namespace.as_deref(), &r.key);
        let mut found: Vec<Option<Generator>> = Vec::new();
        if let Some(random) = &spec.random {
            found.push(self.random(&path, random));
        }
        if spec.uuid.is_some() {
            found.push(Some(Generator::Uuid));
        }
        if spec.fernet_key.is_some() {
            found.push(Some(Generator::FernetKey));
        }
        if let Some(bytes) = &spec.bytes {
            let length = usize::try_from(bytes.length).unwrap_or(1);
            found.push(Some(Generator::Bytes { length, encoding: bytes.encoding }));
        }
        if let Some(private) = &spec.private_key {
            if private.bits.is_some() && private.algorithm != super::spec::Algorithm::Rsa {
                self.wrong(&path, "bits is for RSA keys", "remove it, or set algorithm: rsa");
            }
            found.push(Some(Generator::PrivateKey(private.clone())));
        }
        if let Some(public) = &spec.public_key {
            found.push(Some(Generator::PublicKey(public.clone())));
        }
        if let Some(certificate) = &spec.certificate {
            for ip in certificate.ip_addresses.iter().filter(|ip| ip.parse::<IpAddr>().is_err()) {
                self.wrong(&path, format!("{ip:?} is not an IP address"), "names go under dnsNames");
            }
            for name in certificate.dns_names.iter().filter(|n| !n.is_ascii() || n.is_empty()) {
                self.wrong(
                    &path,
                    format!("{name:?} is not a DNS name in ASCII"),
                    "write an international name as xn--...",
                );
            }
            if certificate.renew_before.is_some_and(|days| days >= certificate.days) {
                self.wrong(
                    &path,
                    format!("renewBefore is as long as the certificate is valid ({} days)", certificate.days),
                    "make it shorter than days",
                );
            }
            let signer = certificate.signed_by.as_ref().map(|s| {
                let at = |key: &str| there(&s.secret, s.namespace.as_deref(), key);
                (at(&s.certificate), at(&s.private_key))
            });
            found.push(Some(Generator::Certificate(Box::new(certificate.clone()), signer)));
        }
        if let Some(text) = &spec.template {
            found.push(match Template::parse(text, &at.namespace, &at.name) {
                Ok(template) => Some(Generator::Template(template)),
                Err(error) => {
                    self.wrong(&[&at.name, "keys", key, "template"], error, "");
                    None
                }
            });
        }
        if let Some(text) = &spec.text {
            if text.len() > super::MAX_VALUE {
                self.wrong(&path, format!("the text is longer than {} bytes", super::MAX_VALUE), "");
            }
            found.push(Some(Generator::Text(text.clone())));
        }
        if let Some(from) = &spec.copy {
            found.push(Some(Generator::Copy(copy(from))));
        }
        match found.len() {
            1 => found.pop().flatten(),
            0 => {
                self.wrong(&path, "it has no generator", "give it one: random: {}, uuid: {}, fernetKey: {}, bytes, privateKey, publicKey, certificate, template, text or copy");
                None
            }
            n => {
                self.wrong(&path, format!("it has {n} generators"), "keep one");
                None
            }
        }
    }

    fn random(&mut self, path: &[&str], spec: &RandomText) -> Option<Generator> {
        let all = |text: &str| text.chars().collect::<Vec<char>>();
        let letters = || ('A'..='Z').chain('a'..='z').chain('0'..='9');
        let characters: Vec<char> = match (&spec.characters, spec.alphabet) {
            (Some(own), alphabet) => {
                let own = all(own);
                let different: BTreeSet<char> = own.iter().copied().collect();
                if different.len() != own.len() || different.len() < 2 {
                    self.wrong(path, "characters needs at least two characters, each once", "");
                    return None;
                }
                if alphabet != Alphabet::default() {
                    self.wrong(path, "it has both alphabet and characters", "keep one");
                    return None;
                }
                own
            }
            (None, Alphabet::Alphanumeric) => letters().collect(),
            (None, Alphabet::Lowercase) => ('a'..='z').chain('0'..='9').collect(),
            (None, Alphabet::Hex) => all("0123456789abcdef"),
            (None, Alphabet::Digits) => ('0'..='9').collect(),
            (None, Alphabet::UrlSafe) => letters().chain("-_.~".chars()).collect(),
            (None, Alphabet::Printable) => ('!'..='~').filter(|c| !"\"'`\\".contains(*c)).collect(),
        };
        Some(Generator::Random { length: usize::try_from(spec.length).unwrap_or(1), characters })
    }
}

/// What is wrong between the Secrets of several apps: one declared twice, Secrets that are made of each other.
#[must_use]
pub fn across(all: &[&GeneratedSecret]) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<&SecretAt, &GeneratedSecret> = BTreeMap::new();
    let problem = |secret: &GeneratedSecret, kind, message: String| {
        Problem::new(kind, &secret.origin.file, message).at_line(secret.origin.line).of_app(&secret.app)
    };
    for secret in all {
        if let Some(other) = seen.insert(&secret.at, secret) {
            let message = format!(
                "Secret {} is declared twice: here and in {} (app {})",
                secret.at, other.origin, other.app
            );
            problems.push(
                problem(secret, ProblemKind::Duplicate, message)
                    .hint("keep one; others refer to it by its name"),
            );
        }
    }
    let mut graph: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (at, secret) in &seen {
        let needs = secret.needs(secret.keys.keys().map(String::as_str));
        for need in &needs {
            let Some(other) = seen.get(&need.at()) else { continue };
            if !other.keys.contains_key(&*need.key) {
                let message = format!(
                    "Secret {at} is made of key {} of Secret {}, which does not declare it ({})",
                    need.key, other.at, other.origin
                );
                let hint = nearest(&need.key, other.keys.keys().map(String::as_str));
                let hint = hint.map_or_else(
                    || "declare the key there".to_owned(),
                    |near| format!("did you mean {near:?}?"),
                );
                problems.push(problem(secret, ProblemKind::BadValue, message).hint(hint));
            }
        }
        let known = needs.iter().map(KeyAt::at).filter(|n| seen.contains_key(n));
        graph.insert(
            at.to_string(),
            known.map(|n| n.to_string()).collect::<BTreeSet<_>>().into_iter().collect(),
        );
    }
    for error in graph::order(&graph).err().into_iter().flatten() {
        let GraphError::Cycle(path) = error else { continue };
        let first = seen.values().find(|s| s.at.to_string() == path[0]);
        let message = format!("the Secrets {} are made of each other", path.join(" -> "));
        problems.extend(first.map(|s| problem(s, ProblemKind::Graph, message).hint("break the circle")));
    }
    problems
}
