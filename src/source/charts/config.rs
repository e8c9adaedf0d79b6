//! Credentials and certificates of chart repositories, read from the files that `helm repo add` and `helm registry login` write.
//!
//! `repositories.yaml`: url, username, password, caFile, pass_credentials_all; besides Helm's fields `token` for a bearer token. Entries are
//! found by URL; their names mean nothing here, because a cloud's repository must not depend on the machine. Client certificates and
//! `insecure_skip_tls_verify` are refused. `registry/config.json` is Docker's format: `auths` by host.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde::Deserialize;

use crate::cloud::lock::normal_url;
use crate::cloud::{ChartError, ChartErrorKind};
use crate::source::git::Credentials;
use crate::yaml::{self, Limits};

/// The largest file that is read, in bytes.
const MAX_BYTES: u64 = 4 << 20;

/// What is known of a repository.
#[derive(Clone, Default)]
pub(super) struct Access {
    pub(super) credentials: Option<Credentials>,
    pub(super) ca_file: Option<PathBuf>,
    /// Whether credentials also go to other hosts that the index names.
    pub(super) pass_credentials: bool,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access").field("ca_file", &self.ca_file).finish_non_exhaustive()
    }
}

/// Both files.
#[derive(Debug, Default)]
pub(super) struct Config {
    repositories: BTreeMap<String, Access>,
    registries: BTreeMap<String, Credentials>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RepositoriesFile {
    #[serde(default)]
    repositories: Vec<RepositoryEntry>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RepositoryEntry {
    url: String,
    username: String,
    password: String,
    token: String,
    ca_file: String,
    cert_file: String,
    key_file: String,
    #[serde(rename = "insecure_skip_tls_verify")]
    insecure: bool,
    #[serde(rename = "pass_credentials_all")]
    pass_credentials: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RegistryFile {
    #[serde(default)]
    auths: BTreeMap<String, RegistryEntry>,
    #[serde(default)]
    creds_store: String,
    #[serde(default)]
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RegistryEntry {
    auth: String,
    username: String,
    password: String,
    identitytoken: String,
}

impl Config {
    pub(super) fn read(repositories: Option<&Path>, registries: Option<&Path>) -> Result<Self, ChartError> {
        let mut config = Self::default();
        if let Some(path) = repositories {
            config.read_repositories(path)?;
        }
        if let Some(path) = registries {
            config.read_registries(path)?;
        }
        Ok(config)
    }

    fn read_repositories(&mut self, path: &Path) -> Result<(), ChartError> {
        let wrong = |what: String| wrong(path, &what);
        let text = text(path)?;
        let json = yaml::read_v2_json(&text, &Limits::default())
            .and_then(|node| yaml::json::to_json(&node, false))
            .map_err(|e| wrong(format!("line {}: {}", e.pos.line, e.message)))?;
        // The decoder's own words could repeat a secret.
        let file: RepositoriesFile = serde_json::from_str(&json)
            .map_err(|_| wrong("not of the form of Helm's repositories.yaml".to_owned()))?;
        for entry in file.repositories {
            let refuse = |field: &str| {
                Err(wrong(format!("{}: {field} is not supported by this version of retune", entry.url)))
            };
            if entry.insecure {
                return refuse("insecure_skip_tls_verify (name the authority in caFile)");
            }
            if !entry.cert_file.is_empty() || !entry.key_file.is_empty() {
                return refuse("certFile and keyFile (client certificates)");
            }
            let credentials = match (entry.token.is_empty(), entry.username.is_empty()) {
                (false, _) => Some(Credentials::bearer(&entry.token)),
                (true, false) => Some(Credentials::basic(&entry.username, &entry.password)),
                (true, true) => None,
            };
            let access = Access {
                credentials,
                ca_file: (!entry.ca_file.is_empty()).then(|| PathBuf::from(&entry.ca_file)),
                pass_credentials: entry.pass_credentials,
            };
            self.repositories.insert(normal_url(&entry.url), access);
        }
        Ok(())
    }

    fn read_registries(&mut self, path: &Path) -> Result<(), ChartError> {
        let file: RegistryFile = serde_json::from_str(&text(path)?)
            .map_err(|_| wrong(path, "not of the form of Docker's config.json"))?;
        for (host, entry) in file.auths {
            if !entry.identitytoken.is_empty() {
                return Err(wrong(
                    path,
                    &format!(
                        "auths[{host:?}]: identity tokens are not supported; use a password or an access token"
                    ),
                ));
            }
            let pair = if entry.auth.is_empty() {
                (!entry.username.is_empty()).then_some((entry.username, entry.password))
            } else {
                let decoded = base64::engine::general_purpose::STANDARD.decode(entry.auth.trim()).ok();
                let decoded = decoded.and_then(|bytes| String::from_utf8(bytes).ok());
                let pair = decoded.as_deref().and_then(|t| t.split_once(':'));
                let Some((user, password)) = pair else {
                    return Err(wrong(path, &format!("auths[{host:?}].auth: not base64 of user:password")));
                };
                Some((user.to_owned(), password.trim_end_matches('\0').to_owned()))
            };
            match pair {
                Some((user, password)) => {
                    self.registries.insert(registry_host(&host), Credentials::basic(&user, &password));
                }
                // `docker login` with a helper leaves an empty entry.
                None if !file.creds_store.is_empty() || file.cred_helpers.contains_key(&host) => {
                    return Err(wrong(
                        path,
                        &format!("auths[{host:?}]: credential helpers are not run; log in without one"),
                    ));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// What is known of a repository, by its URL; of a registry also by its host.
    pub(super) fn access(&self, url: &str) -> Access {
        let mut access = self.repositories.get(&normal_url(url)).cloned().unwrap_or_default();
        if access.credentials.is_none()
            && let Some(rest) = url.strip_prefix("oci://")
        {
            access.credentials = self.registries.get(&registry_host(rest)).cloned();
        }
        access
    }
}

/// `https://index.docker.io/v1/` and `docker.io/x` are one host.
fn registry_host(text: &str) -> String {
    let host = crate::source::web::host(text);
    match host {
        "index.docker.io" | "registry-1.docker.io" => "docker.io".to_owned(),
        host => host.to_ascii_lowercase(),
    }
}

fn text(path: &Path) -> Result<String, ChartError> {
    let size = std::fs::metadata(path).map_err(|e| wrong(path, &e.to_string()))?.len();
    if size > MAX_BYTES {
        return Err(wrong(path, &format!("larger than {MAX_BYTES} bytes")));
    }
    std::fs::read_to_string(path).map_err(|e| wrong(path, &e.to_string()))
}

fn wrong(path: &Path, what: &str) -> ChartError {
    ChartError::new(ChartErrorKind::Wrong, format!("{}: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(repositories: &str, registries: &str) -> Result<Config, ChartError> {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("repositories.yaml"), dir.path().join("config.json"));
        std::fs::write(&a, repositories).unwrap();
        std::fs::write(&b, registries).unwrap();
        Config::read(Some(&a), Some(&b))
    }

    fn header(access: &Access) -> String {
        access.credentials.as_ref().map(|c| c.header().to_owned()).unwrap_or_default()
    }

    #[test]
    fn credentials_are_found_by_url_and_by_registry() {
        let config = config(
            "repositories:\n- {name: a, url: 'https://h/charts/', username: me, password: pw, caFile: /ca.pem}\n- {url: 'https://t', token: tok}\n",
            r#"{"auths":{"https://index.docker.io/v1/":{"auth":"bWU6cHc="},"reg:5000":{"username":"u","password":"p"}}}"#,
        )
        .unwrap();
        let access = config.access("https://h/charts");
        assert_eq!(
            (header(&access).as_str(), access.ca_file),
            ("Basic bWU6cHc=", Some(PathBuf::from("/ca.pem")))
        );
        assert_eq!(header(&config.access("https://t")), "Bearer tok");
        assert_eq!(header(&config.access("https://h/other")), "");
        assert_eq!(header(&config.access("oci://docker.io/org")), "Basic bWU6cHc=");
        assert_eq!(header(&config.access("oci://reg:5000/x")), "Basic dTpw");
    }

    #[test]
    fn what_is_not_supported_is_refused_and_secrets_are_not_repeated() {
        let empty = "{}";
        let error = |a: &str, b: &str| config(a, b).unwrap_err().to_string();
        assert!(
            error("repositories: [{url: u, insecure_skip_tls_verify: true}]", empty)
                .contains("insecure_skip")
        );
        assert!(error("repositories: [{url: u, certFile: c}]", empty).contains("client certificates"));
        assert!(
            error("repositories: []", r#"{"auths":{"h":{"identitytoken":"secret"}}}"#)
                .contains("identity tokens")
        );
        let words = error("repositories: [{url: u, password: [secret]}]", empty);
        assert!(words.contains("repositories.yaml") && !words.contains("secret"), "{words}");
        assert!(
            error("repositories: []", r#"{"auths":{"h":{}},"credsStore":"x"}"#)
                .contains("credential helpers")
        );
    }
}
