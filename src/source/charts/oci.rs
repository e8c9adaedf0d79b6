//! OCI registries: tags, manifests and blobs of the distribution API, with its token flow.
//!
//! <https://github.com/opencontainers/distribution-spec/blob/main/spec.md>,
//! <https://distribution.github.io/distribution/spec/auth/token/>. A chart is a manifest whose config has Helm's media type and one of whose
//! layers is the package; `+` in versions is `_` in tags. A token is asked for when the registry asks for it, and kept for the run.

use serde::Deserialize;

use super::challenge::{self, Challenge};
use super::client::{Answer, Get, get, masked};
use super::repository::MAX_PACKAGE;
use super::store::{Endpoint, Package, Store, wrong};
use crate::cloud::{ChartError, ChartErrorKind, Digest};
use crate::helm::repository::{choose_tag, is_version, tag_of};
use crate::source::web::encrypted;

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
const LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const LEGACY_LAYER: &str = "application/tar+gzip";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The largest manifest in bytes, as the specification recommends.
const MAX_MANIFEST: u64 = 4 << 20;
/// The largest token or page of tags in bytes.
const MAX_JSON: u64 = 8 << 20;
/// The most pages of tags.
const MAX_PAGES: usize = 1_000;
/// The most layers of a manifest.
const MAX_LAYERS: usize = 1_000;

/// `oci://host[:port]/repository[:tag][@digest]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciReference {
    /// Host and port.
    pub host: String,
    /// `charts/keystone`
    pub repository: String,
    /// The tag, with `+` as it is in versions.
    pub tag: Option<String>,
    /// `sha256:...` of the manifest.
    pub digest: Option<String>,
}

impl OciReference {
    /// Reads a reference.
    ///
    /// # Errors
    /// It is none.
    pub fn parse(text: &str) -> Result<Self, ChartError> {
        let bad = |why: &str| {
            wrong(format!("{text:?} is not a reference such as oci://host/path/chart:1.2.3: {why}"))
        };
        let rest = text.strip_prefix("oci://").ok_or_else(|| bad("it does not start with oci://"))?;
        let (host, path) = rest.split_once('/').ok_or_else(|| bad("it names no chart"))?;
        let (path, digest) = match path.split_once('@') {
            Some((path, digest)) => (path, Some(digest.to_owned())),
            None => (path, None),
        };
        let (path, tag) = match path.rsplit_once(':') {
            Some((path, tag)) => (path, Some(tag.replace('_', "+"))),
            None => (path, None),
        };
        let legal = |part: &str| {
            !part.is_empty()
                && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b))
                && part != "."
                && part != ".."
        };
        if host.is_empty()
            || host.contains('@')
            || !host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b))
        {
            return Err(bad("the host is not one"));
        }
        if !path.split('/').all(legal) {
            return Err(bad("a repository has lower-case letters, digits, dots, dashes and underscores"));
        }
        Ok(Self { host: host.to_owned(), repository: path.to_owned(), tag, digest })
    }

    fn url(&self, at: &Endpoint, what: &str) -> String {
        let scheme = if at.plain_http { "http" } else { "https" };
        // As the container tools do.
        let host = if self.host == "docker.io" { "registry-1.docker.io" } else { &self.host };
        format!("{scheme}://{host}/v2/{}/{what}", self.repository)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    #[serde(default)]
    media_type: String,
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Vec<Descriptor>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    #[serde(default)]
    media_type: String,
    digest: String,
    #[serde(default)]
    size: u64,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Token {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
}

/// Pulls a chart in the version that is meant; an empty version is the newest release.
pub(super) fn pull(
    store: &Store,
    at: &Endpoint,
    reference: &OciReference,
    version: &str,
) -> Result<Package, ChartError> {
    let shown = format!("oci://{}/{}", reference.host, reference.repository);
    let version = match (&reference.tag, version) {
        (Some(tag), "") => tag.clone(),
        (Some(tag), version) if tag != version => {
            return Err(wrong(format!("chart reference and version mismatch: {version} is not {tag}")));
        }
        (_, "") if reference.digest.is_some() => String::new(),
        (_, version) if is_version(version) => version.to_owned(),
        (_, version) => {
            let name = reference.repository.rsplit('/').next().unwrap_or_default();
            choose_tag(name, &tags(store, at, reference)?, version)
                .map_err(|e| wrong(format!("{shown}: {e}")))?
        }
    };
    let by = reference.digest.clone().unwrap_or_else(|| tag_of(&version));
    let url = reference.url(at, &format!("manifests/{by}"));
    let accept = format!("{MANIFEST}, application/vnd.docker.distribution.manifest.v2+json");
    let answer = ask(store, at, reference, &url, &accept, MAX_MANIFEST)?;
    let found = Digest::of(&answer.body).to_string();
    let promised = reference.digest.as_deref().or_else(|| answer.header("docker-content-digest"));
    if promised.is_some_and(|p| p.starts_with("sha256:") && p != found) {
        return Err(wrong(format!(
            "{}: the manifest has the digest {found}, not {}",
            masked(&url),
            promised.unwrap_or_default()
        )));
    }
    let layer = chart_layer(&answer.body).map_err(|e| wrong(format!("{}: {e}", masked(&url))))?;
    let digest: Digest =
        layer.digest.parse().map_err(|e| wrong(format!("{}: the layer: {e}", masked(&url))))?;
    if layer.size > MAX_PACKAGE {
        return Err(wrong(format!(
            "{}: the package is larger than the limit of {MAX_PACKAGE} bytes",
            masked(&url)
        )));
    }
    if let Some(bytes) = store.cached(&digest)? {
        return Ok(Package { version, digest, bytes });
    }
    let url = reference.url(at, &format!("blobs/{digest}"));
    let blob = ask(store, at, reference, &url, "*/*", MAX_PACKAGE)?.body;
    let got = Digest::of(&blob);
    if got != digest {
        return Err(wrong(format!(
            "{}: the bytes have the digest {got}: the registry or something before it is broken",
            masked(&url)
        )));
    }
    Ok(Package { version, digest, bytes: blob })
}

/// The layer that holds the package.
fn chart_layer(manifest: &[u8]) -> Result<Descriptor, String> {
    let manifest: Manifest = serde_json::from_slice(manifest).map_err(|e| format!("not a manifest: {e}"))?;
    if manifest.layers.len() > MAX_LAYERS {
        return Err(format!("the manifest has more than {MAX_LAYERS} layers"));
    }
    let Some(config) = manifest.config else {
        return Err(format!("not a chart's manifest but {:?}", manifest.media_type));
    };
    if config.media_type != CONFIG {
        return Err(format!("not a chart: its config is {:?}, a chart's is {CONFIG:?}", config.media_type));
    }
    let mut layers = manifest.layers.into_iter();
    layers
        .find(|l| l.media_type == LAYER || l.media_type == LEGACY_LAYER)
        .ok_or_else(|| format!("the manifest has no layer of the media type {LAYER:?}"))
}

/// All tags of a repository.
fn tags(store: &Store, at: &Endpoint, reference: &OciReference) -> Result<Vec<String>, ChartError> {
    let mut url = reference.url(at, "tags/list");
    let mut all = Vec::new();
    for _ in 0..MAX_PAGES {
        let answer = ask(store, at, reference, &url, "application/json", MAX_JSON)?;
        let page: Tags = serde_json::from_slice(&answer.body)
            .map_err(|e| wrong(format!("{}: not a list of tags: {e}", masked(&url))))?;
        all.extend(page.tags.unwrap_or_default());
        let Some(next) = answer.header("link").and_then(next_page) else { return Ok(all) };
        let origin: String = url.split('/').take(3).collect::<Vec<_>>().join("/");
        match next {
            next if next.starts_with('/') => url = format!("{origin}{next}"),
            next if next.starts_with(&format!("{origin}/")) => next.clone_into(&mut url),
            _ => return Err(wrong(format!("{}: the next page of tags is on another host", masked(&url)))),
        }
    }
    Err(wrong(format!("{}: more than {MAX_PAGES} pages of tags", masked(&url))))
}

/// `</v2/x/tags/list?last=a>; rel="next"`
fn next_page(link: &str) -> Option<&str> {
    let (target, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.replace(['"', ' '], "").contains("rel=next").then_some(target)
}

/// Asks, with a token if the registry wants one.
fn ask(
    store: &Store,
    at: &Endpoint,
    reference: &OciReference,
    url: &str,
    accept: &str,
    limit: u64,
) -> Result<Answer, ChartError> {
    let scope = format!("repository:{}:pull", reference.repository);
    let key = (reference.host.clone(), scope.clone());
    let retry = &store.settings.retry;
    let mut authorization = store.token(&key);
    let mut asked = false;
    loop {
        let request = Get { url, accept, authorization: authorization.as_deref(), limit, as_stored: true };
        let answer = get(&at.agent, retry, &request)?;
        if answer.status != 401 || asked {
            return answer.ok(url, at.access.credentials.as_ref()).map_err(|mut e| {
                if e.kind == ChartErrorKind::Wrong && e.hint.is_none() {
                    e.hint = Some("check the chart's name and version, and that the repository is oci://host/path without the chart's name".into());
                }
                e
            });
        }
        asked = true;
        let headers = answer.headers.get_all("www-authenticate").iter().filter_map(|v| v.to_str().ok());
        let challenges: Vec<Challenge> = headers.flat_map(challenge::parse).collect();
        authorization = Some(answer_challenge(store, at, &challenges, &scope, url)?);
        store.keep_token(key.clone(), authorization.clone().unwrap_or_default());
    }
}

fn answer_challenge(
    store: &Store,
    at: &Endpoint,
    challenges: &[Challenge],
    scope: &str,
    url: &str,
) -> Result<String, ChartError> {
    let place = masked(url);
    let allowed = |to: &str| {
        if encrypted(to) || at.plain_http {
            return Ok(());
        }
        Err(wrong(format!("{}: credentials are not sent over unencrypted http://", masked(to))))
    };
    let bearer = challenges.iter().find(|c| matches!(c, Challenge::Bearer { .. }));
    if let Some(Challenge::Bearer { realm, service, scope: wanted }) = bearer {
        if !realm.starts_with("http://") && !realm.starts_with("https://") {
            return Err(wrong(format!("{place}: the registry's token service is not a URL")));
        }
        let mut query: Vec<String> = service.iter().map(|s| format!("service={}", encoded(s))).collect();
        query.push(format!("scope={}", encoded(wanted.as_deref().unwrap_or(scope))));
        let joint = if realm.contains('?') { '&' } else { '?' };
        let url = format!("{realm}{joint}{}", query.join("&"));
        allowed(&url)?;
        let request = Get {
            url: &url,
            accept: "application/json",
            authorization: at.access.credentials.as_ref().map(|c| c.header()),
            limit: MAX_JSON,
            as_stored: false,
        };
        let answer =
            get(&at.agent, &store.settings.retry, &request)?.ok(&url, at.access.credentials.as_ref())?;
        // The decoder's own words could repeat the token.
        let token: Token = serde_json::from_slice(&answer.body)
            .map_err(|_| wrong(format!("{}: the token service's answer is not JSON", masked(&url))))?;
        let token = if token.token.is_empty() { token.access_token } else { token.token };
        if token.is_empty() {
            return Err(wrong(format!("{}: the token service gives no token", masked(&url))));
        }
        return Ok(format!("Bearer {token}"));
    }
    match (&at.access.credentials, challenges.contains(&Challenge::Basic)) {
        (Some(credentials), true) => {
            allowed(url)?;
            Ok(credentials.header().to_owned())
        }
        (None, true) => Err(ChartError::new(ChartErrorKind::Denied, format!("{place}: access denied (HTTP 401)"))
            .hint("give credentials with --registry-config (what `helm registry login` writes) or --repository-config")),
        (_, false) => Err(ChartError::new(
            ChartErrorKind::Denied,
            format!("{place}: access denied (HTTP 401), and the registry asks for a kind of authentication that retune does not know"),
        )),
    }
}

/// A query's value.
fn encoded(text: &str) -> String {
    let keep = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/,".contains(&b);
    text.bytes().map(|b| if keep(b) { (b as char).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_have_host_repository_tag_and_digest() {
        let parsed = OciReference::parse("oci://reg:5000/charts/keystone:1.2.3_b1").unwrap();
        assert_eq!((parsed.host.as_str(), parsed.repository.as_str()), ("reg:5000", "charts/keystone"));
        assert_eq!(parsed.tag.as_deref(), Some("1.2.3+b1"));
        let parsed = OciReference::parse("oci://reg/a@sha256:00").unwrap();
        assert_eq!((parsed.tag, parsed.digest.as_deref()), (None, Some("sha256:00")));
        for bad in [
            "reg/a",
            "oci://reg",
            "oci://reg/",
            "oci://reg/A",
            "oci://reg/a//b",
            "oci://reg/../b",
            "oci://u:p@reg/a",
        ] {
            assert!(OciReference::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_manifest_must_be_a_charts() {
        let manifest = |config: &str, layer: &str| {
            format!(
                r#"{{"config":{{"mediaType":"{config}","digest":"sha256:0"}},"layers":[{{"mediaType":"x/prov","digest":"sha256:1"}},{{"mediaType":"{layer}","digest":"sha256:2","size":3}}]}}"#
            )
        };
        assert_eq!(chart_layer(manifest(CONFIG, LAYER).as_bytes()).unwrap().digest, "sha256:2");
        assert_eq!(chart_layer(manifest(CONFIG, LEGACY_LAYER).as_bytes()).unwrap().size, 3);
        let error = |text: String| chart_layer(text.as_bytes()).map(|_| ()).unwrap_err();
        assert!(error(manifest("application/vnd.oci.image.config.v1+json", LAYER)).contains("not a chart"));
        assert!(error(manifest(CONFIG, "other")).contains("no layer"));
        assert!(
            error(r#"{"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#.into())
                .contains("image.index")
        );
        assert!(error("<html>".into()).contains("not a manifest"));
    }

    #[test]
    fn pages_of_tags_are_followed_by_their_link() {
        assert_eq!(
            next_page(r#"</v2/a/tags/list?last=b&n=2>; rel="next""#),
            Some("/v2/a/tags/list?last=b&n=2")
        );
        assert_eq!(next_page("</x>; rel=prev"), None);
        assert_eq!(encoded("a b&c"), "a%20b%26c");
    }
}
