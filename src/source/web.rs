//! The HTTP client that Git and chart repositories share: rustls, the system's roots, a CA file of the user's.

use std::io;
use std::path::Path;
use std::time::Duration;

use ureq::Agent;
use ureq::config::RedirectAuthHeaders;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// An agent that verifies certificates against the system's roots (or the file that `SSL_CERT_FILE` names), and against those
/// in `ca_file` if given. Credentials are not sent on to another host. Proxies come from the usual variables.
///
/// # Errors
/// If `ca_file` cannot be read or holds no certificate.
pub fn agent(ca_file: Option<&Path>) -> io::Result<Agent> {
    agent_of(ca_file.as_slice(), None)
}

/// [`agent`], with a limit on the time that each request may take from its beginning to the end of the answer.
///
/// # Errors
/// As [`agent`].
pub fn agent_within(ca_file: Option<&Path>, timeout: Option<Duration>) -> io::Result<Agent> {
    agent_of(ca_file.as_slice(), timeout)
}

/// As [`agent`], with any number of CA files.
///
/// # Errors
/// As [`agent`].
pub fn agent_trusting(ca_files: &[&Path]) -> io::Result<Agent> {
    agent_of(ca_files, None)
}

fn agent_of(ca_files: &[&Path], timeout: Option<Duration>) -> io::Result<Agent> {
    let mut roots: Vec<Certificate<'static>> = rustls_native_certs::load_native_certs()
        .certs
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    for path in ca_files {
        let wrong =
            |what: String| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {what}", path.display()));
        let pem =
            std::fs::read(path).map_err(|e| io::Error::new(e.kind(), format!("{}: {e}", path.display())))?;
        let before = roots.len();
        for item in parse_pem(&pem) {
            if let PemItem::Certificate(certificate) = item.map_err(|e| wrong(e.to_string()))? {
                roots.push(certificate);
            }
        }
        if roots.len() == before {
            return Err(wrong("holds no certificate in PEM form".to_owned()));
        }
    }
    let config = Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(RootCerts::new_with_certs(&roots)).build())
        .user_agent(concat!("retune/", env!("CARGO_PKG_VERSION")))
        .http_status_as_error(false)
        .max_redirects(5)
        .redirect_auth_headers(RedirectAuthHeaders::SameHost)
        .timeout_global(timeout)
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_per_read(Some(Duration::from_secs(60)))
        .timeout_per_write(Some(Duration::from_secs(60)))
        .build();
    Ok(Agent::new_with_config(config))
}

/// Whether nobody on the way can read what is sent: TLS, or this machine.
pub(in crate::source) fn encrypted(url: &str) -> bool {
    let name = host(url);
    let name = name
        .rsplit_once(':')
        .map_or(name, |(n, port)| if port.bytes().all(|b| b.is_ascii_digit()) { n } else { name });
    url.starts_with("https://") || matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

/// Host and port.
pub(in crate::source) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}
