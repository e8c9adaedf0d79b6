//! GET requests with limits, retries and masked addresses.

use std::io::Read;
use std::time::Duration;

use ureq::Agent;
use ureq::http::HeaderMap;

use crate::backoff::{Backoff, jitter};
use crate::cloud::{ChartError, ChartErrorKind};
use crate::source::git::Credentials;

/// The longest wait that a server may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// How often and how long a request is repeated.
#[derive(Debug, Clone, Copy)]
pub struct Retry {
    /// How many requests at most.
    pub attempts: u32,
    /// About how long after the first one.
    pub base: Duration,
    /// The longest wait.
    pub cap: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 4, base: Duration::from_millis(300), cap: Duration::from_secs(5) }
    }
}

/// A request.
pub(super) struct Get<'a> {
    pub(super) url: &'a str,
    pub(super) accept: &'a str,
    /// The `Authorization` header.
    pub(super) authorization: Option<&'a str>,
    /// The most bytes of the answer's body.
    pub(super) limit: u64,
    /// Whether the body must come as it is stored: packages are gzip themselves, and their digest is that of the stored bytes.
    pub(super) as_stored: bool,
}

/// An answer, of whatever status that is not worth repeating.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// A header's value.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The answer if its status is 200.
    pub(super) fn ok(self, url: &str, credentials: Option<&Credentials>) -> Result<Self, ChartError> {
        let place = masked(url);
        match self.status {
            200 => Ok(self),
            status @ (401 | 403) => {
                let hint = match credentials {
                    None => "give credentials with --repository-config or --registry-config (Helm's files)",
                    Some(_) => "the credentials that were given are not accepted or do not allow this",
                };
                Err(ChartError::new(
                    ChartErrorKind::Denied,
                    format!("{place}: access denied (HTTP {status})"),
                )
                .hint(hint))
            }
            status @ (404 | 410) => {
                Err(ChartError::new(ChartErrorKind::Wrong, format!("{place}: not found (HTTP {status})")))
            }
            status if transient(status) => {
                Err(ChartError::new(ChartErrorKind::Unreachable, format!("{place}: HTTP {status}")))
            }
            status => Err(ChartError::new(ChartErrorKind::Wrong, format!("{place}: HTTP {status}"))),
        }
    }
}

fn transient(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

/// An address without user, password, query and fragment: these may be secrets.
pub(super) fn masked(url: &str) -> String {
    let url = url.split(['?', '#']).next().unwrap_or_default();
    match url.split_once("://") {
        Some((scheme, rest)) => {
            let (host, path) = rest.split_once('/').map_or((rest, None), |(h, p)| (h, Some(p)));
            let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
            match path {
                Some(path) => format!("{scheme}://{host}/{path}"),
                None => format!("{scheme}://{host}"),
            }
        }
        None => url.to_owned(),
    }
}

/// Sends a request, again if that may help.
pub(super) fn get(agent: &Agent, retry: &Retry, request: &Get<'_>) -> Result<Answer, ChartError> {
    let mut backoff = Backoff::new(retry.base, retry.cap);
    loop {
        let last = backoff.attempts() + 1 >= retry.attempts;
        match once(agent, request) {
            Ok(answer) if transient(answer.status) && !last => {
                let asked =
                    answer.header("retry-after").and_then(|v| v.trim().parse().ok()).map(Duration::from_secs);
                let wait = backoff.next(jitter()).max(asked.unwrap_or_default().min(MAX_RETRY_AFTER));
                tracing::debug!(url = masked(request.url), status = answer.status, "asked again");
                std::thread::sleep(wait);
            }
            Ok(answer) => return Ok(answer),
            Err(error) if error.kind == ChartErrorKind::Unreachable && !last => {
                tracing::debug!(%error, "asked again");
                std::thread::sleep(backoff.next(jitter()));
            }
            Err(error) => return Err(error),
        }
    }
}

fn once(agent: &Agent, request: &Get<'_>) -> Result<Answer, ChartError> {
    let place = masked(request.url);
    let mut get = agent.get(request.url).header("Accept", request.accept);
    if request.as_stored {
        get = get.header("Accept-Encoding", "identity");
    }
    if let Some(authorization) = request.authorization {
        get = get.header("Authorization", authorization);
    }
    let response = get.call().map_err(|e| failed(&place, &e))?;
    let (parts, body) = response.into_parts();
    let mut bytes = Vec::new();
    body.into_reader().take(request.limit + 1).read_to_end(&mut bytes).map_err(|e| {
        ChartError::new(ChartErrorKind::Unreachable, format!("{place}: the answer broke off: {e}"))
    })?;
    if bytes.len() as u64 > request.limit {
        let message = format!("{place}: the answer is larger than the limit of {} bytes", request.limit);
        return Err(ChartError::new(ChartErrorKind::Wrong, message));
    }
    Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body: bytes })
}

fn failed(place: &str, error: &ureq::Error) -> ChartError {
    let reason = error.to_string();
    match error {
        ureq::Error::BadUri(_) => {
            ChartError::new(ChartErrorKind::Wrong, format!("{place}: not a URL: {reason}"))
        }
        ureq::Error::TooManyRedirects => {
            ChartError::new(ChartErrorKind::Wrong, format!("{place}: too many redirects"))
        }
        _ if reason.contains("certificate") || reason.contains("UnknownIssuer") => ChartError::new(
            ChartErrorKind::Wrong,
            format!("{place}: the server's certificate is not accepted: {reason}"),
        )
        .hint(
            "give the authority that signed it with --ca-file, or caFile in the file of --repository-config",
        ),
        _ => ChartError::new(ChartErrorKind::Unreachable, format!("{place}: cannot be reached: {reason}"))
            .hint("retune asks again later; charts that are in the cache need no repository"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_what_may_be_secret() {
        assert_eq!(masked("https://me:secret@host:1/a/b?token=x#y"), "https://host:1/a/b");
        assert_eq!(masked("https://host"), "https://host");
        assert_eq!(masked("oci://host/a@b"), "oci://host/a@b");
    }
}
