//! HTTP chart repositories: the index, then the package that it names.
//!
//! As Helm: the first of an entry's `urls` counts, relative ones stand below the repository's URL, and credentials go to the
//! repository's own scheme, host and port only, unless `pass_credentials_all` says otherwise. Upstream: `pkg/repo/v1/chartrepo.go`.

use std::sync::Arc;

use super::client::{Get, get, masked};
use super::oci::{self, OciReference};
use super::store::{Endpoint, Package, Store, wrong};
use crate::cloud::{ChartError, ChartErrorKind, ChartRef, Digest};
use crate::helm::repository::{Index, MAX_INDEX_BYTES, resolve_url};
use crate::source::web::encrypted;

/// The largest package in bytes; Helm's limit for an unpacked chart.
pub(super) const MAX_PACKAGE: u64 = 100 << 20;

/// Gets the index.
pub(super) fn index(store: &Store, at: &Endpoint) -> Result<Index, ChartError> {
    let url = resolve_url(&at.url, "index.yaml");
    let request = Get {
        url: &url,
        accept: "*/*",
        authorization: authorization(at, &url)?,
        limit: MAX_INDEX_BYTES as u64,
        as_stored: false,
    };
    let answer = get(&at.agent, &store.settings.retry, &request)?;
    let answer = answer.ok(&url, at.access.credentials.as_ref()).map_err(|mut e| {
        if e.kind == ChartErrorKind::Wrong {
            e.hint =
                Some("is this the URL of a chart repository (the folder that holds index.yaml)?".to_owned());
        }
        e
    })?;
    Index::parse(&answer.body).map_err(|e| wrong(format!("{}: {e}", masked(&url))))
}

/// Gets a package in the version that is meant, from the cache if the index says its digest.
pub(super) fn package(
    store: &Store,
    at: &Endpoint,
    index: &Arc<Index>,
    chart: &ChartRef,
    version: &str,
) -> Result<Package, ChartError> {
    let base = masked(&at.url);
    let entry = index.get(&chart.name, version).map_err(|e| wrong(format!("{base}: {e}")))?;
    let Some(reference) = entry.urls.first() else {
        return Err(wrong(format!("{base}: the index has no URL for {} {}", chart.name, entry.version)));
    };
    let url = resolve_url(&at.url, reference);
    if let Some(reference) = url.strip_prefix("oci://") {
        let reference = OciReference::parse(&format!("oci://{reference}"))?;
        let registry = store.endpoint(&format!("oci://{}", reference.host), None)?;
        return oci::pull(store, &registry, &reference, &entry.version);
    }
    if !url.starts_with("http://") && !url.starts_with("https://") {
        return Err(wrong(format!(
            "{base}: the index names {}, which is neither http(s) nor oci",
            masked(&url)
        )));
    }
    let said = match entry.digest.trim() {
        "" => None,
        text => {
            let text = text.trim_start_matches("sha256:").to_ascii_lowercase();
            let parsed = format!("sha256:{text}").parse::<Digest>();
            Some(parsed.map_err(|e| {
                wrong(format!("{base}: the index entry of {} {}: {e}", chart.name, entry.version))
            })?)
        }
    };
    if let Some(digest) = &said
        && let Some(bytes) = store.cached(digest)?
    {
        return Ok(Package { version: entry.version.clone(), digest: *digest, bytes });
    }
    let bytes = download(store, at, &url)?;
    let digest = Digest::of(&bytes);
    if let Some(said) = said
        && said != digest
    {
        return Err(wrong(format!(
            "{}: the package has the digest {digest}, the index of {base} says {said}",
            masked(&url)
        ))
        .hint("the repository is inconsistent (a package replaced without a new index?); tell its owner"));
    }
    Ok(Package { version: entry.version.clone(), digest, bytes })
}

/// Gets the package at a URL: Helm's `helm template https://host/chart-1.2.3.tgz`.
pub(super) fn direct(store: &Store, at: &Endpoint) -> Result<Package, ChartError> {
    if store.settings.offline {
        return Err(ChartError::new(
            ChartErrorKind::Offline,
            format!("{}: not asked offline", masked(&at.url)),
        ));
    }
    let bytes = download(store, at, &at.url)?;
    Ok(Package { version: String::new(), digest: Digest::of(&bytes), bytes })
}

fn download(store: &Store, at: &Endpoint, url: &str) -> Result<Vec<u8>, ChartError> {
    let request = Get {
        url,
        accept: "application/gzip,application/octet-stream,*/*",
        authorization: authorization(at, url)?,
        limit: MAX_PACKAGE,
        as_stored: true,
    };
    let answer = get(&at.agent, &store.settings.retry, &request)?;
    Ok(answer.ok(url, request.authorization.and(at.access.credentials.as_ref()))?.body)
}

/// The credentials that may go to a URL.
fn authorization<'a>(at: &'a Endpoint, url: &str) -> Result<Option<&'a str>, ChartError> {
    let Some(credentials) = &at.access.credentials else { return Ok(None) };
    if !(at.access.pass_credentials || same_origin(&at.url, url)) {
        return Ok(None);
    }
    if !encrypted(url) {
        let message = format!("{}: credentials are not sent over unencrypted http://", masked(url));
        return Err(wrong(message).hint("use https://"));
    }
    Ok(Some(credentials.header()))
}

/// Scheme, host and port.
fn same_origin(a: &str, b: &str) -> bool {
    let origin = |url: &str| {
        let (scheme, rest) = url.split_once("://")?;
        let host = rest.split(['/', '?', '#']).next()?;
        let host = host.rsplit_once('@').map_or(host, |(_, h)| h).to_ascii_lowercase();
        let scheme = scheme.to_ascii_lowercase();
        Some((scheme, host))
    };
    origin(a).is_some() && origin(a) == origin(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_host_and_port_make_an_origin() {
        assert!(same_origin("https://h:1/a", "https://H:1/b?x"));
        assert!(!same_origin("https://h:1/a", "https://h:2/a"));
        assert!(!same_origin("https://h/a", "http://h/a"));
        assert!(!same_origin("https://h/a", "https://h.evil/a"));
        assert!(!same_origin("https://h", "https://h@evil"));
    }
}
