//! Helm's record of a release, read only: what belonged to it, and which of its hooks succeeded.
//!
//! Helm keeps each revision of a release as a Secret of type `helm.sh/release.v1` in the release's namespace; its
//! `data.release` is base64 of gzip of JSON, once more in base64 as Secret data is (`pkg/storage/driver/util.go` of Helm 4.3).

use std::io::Read;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::client::Client;
use super::discovery::escape;
use super::error::ApiError;

/// The largest release that is read, unpacked.
const MAX_RELEASE: u64 = 64 << 20;

/// A revision of a release.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Release {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Its namespace.
    #[serde(default)]
    pub namespace: String,
    /// Which revision.
    #[serde(default)]
    pub version: u64,
    #[serde(default)]
    info: Info,
    #[serde(default)]
    chart: Chart,
    /// The objects, as YAML documents.
    #[serde(default)]
    pub manifest: String,
    /// The hooks.
    #[serde(default)]
    pub hooks: Vec<ReleaseHook>,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Info {
    #[serde(default)]
    status: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct Chart {
    #[serde(default)]
    metadata: ChartMetadata,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct ChartMetadata {
    #[serde(default)]
    name: String,
    #[serde(default)]
    version: String,
}

/// A hook of a release.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct ReleaseHook {
    /// Its object, as YAML.
    #[serde(default)]
    pub manifest: String,
    #[serde(default)]
    last_run: LastRun,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct LastRun {
    #[serde(default)]
    phase: String,
}

impl ReleaseHook {
    /// Whether its last run succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.last_run.phase == "Succeeded"
    }

    /// How its last run ended; empty when it was never run.
    #[must_use]
    pub fn phase(&self) -> &str {
        &self.last_run.phase
    }
}

/// `openstack/keystone revision 12 (keystone-2026.1.8, deployed)`
impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let chart = &self.chart.metadata;
        write!(
            f,
            "{}/{} revision {} ({}-{}, {})",
            self.namespace, self.name, self.version, chart.name, chart.version, self.info.status
        )
    }
}

/// Reads the `data.release` of a release Secret, base64 of the Secret taken off.
///
/// # Errors
/// What is wrong with it.
pub fn decode(data: &[u8]) -> Result<Release, String> {
    let inner = STANDARD.decode(data).map_err(|e| format!("its data.release is not base64: {e}"))?;
    let mut text = Vec::new();
    // Helm 2 and early releases of 3 did not pack.
    if inner.starts_with(&[0x1f, 0x8b]) {
        flate2::read::GzDecoder::new(&inner[..])
            .take(MAX_RELEASE + 1)
            .read_to_end(&mut text)
            .map_err(|e| format!("its data.release cannot be unpacked: {e}"))?;
    } else {
        text = inner;
    }
    if text.len() as u64 > MAX_RELEASE {
        return Err(format!("it is larger than {MAX_RELEASE} bytes unpacked"));
    }
    serde_json::from_slice(&text).map_err(|e| format!("it is not a release: {e}"))
}

/// A release as its Secrets tell it: the revision that is deployed, else the newest, and the names of all its Secrets.
#[derive(Debug, Clone)]
pub struct Found {
    /// The revision.
    pub release: Release,
    /// The Secrets of all revisions.
    pub secrets: Vec<String>,
}

/// Reads a release.
///
/// # Errors
/// As [`Client::request`]; a Secret that cannot be read as a release is [`super::ErrorKind::Invalid`].
pub async fn find(client: &Client, namespace: &str, name: &str) -> Result<Option<Found>, ApiError> {
    let selector = escape(&format!("owner=helm,name={name}"));
    let path = format!("/api/v1/namespaces/{}/secrets?labelSelector={selector}&limit=500", escape(namespace));
    let list: Value = client.get(&path).await?;
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let version = |s: &Value| text(&s["metadata"]["labels"]["version"]).parse::<u64>().unwrap_or(0);
    let secrets: Vec<&Value> = items.iter().filter(|s| s["type"] == "helm.sh/release.v1").collect();
    let deployed = |s: &&&Value| s["metadata"]["labels"]["status"] == "deployed";
    let newest = secrets.iter().max_by_key(|s| version(s));
    let Some(chosen) = secrets.iter().filter(deployed).max_by_key(|s| version(s)).or(newest) else {
        return Ok(None);
    };
    let what = format!("Secret {namespace}/{}", text(&chosen["metadata"]["name"]));
    let data = STANDARD
        .decode(chosen["data"]["release"].as_str().unwrap_or_default())
        .map_err(|e| ApiError::unreadable(what.clone(), e.to_string()))?;
    let release = decode(&data).map_err(|e| ApiError::unreadable(what, e))?;
    Ok(Some(Found { release, secrets: secrets.iter().map(|s| text(&s["metadata"]["name"])).collect() }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_release_is_read_as_helm_writes_it() {
        let json = br#"{"name":"web","namespace":"n","version":3,"info":{"status":"deployed"},"chart":{"metadata":{"name":"web","version":"1.2.3"}},
            "manifest":"---\nkind: X\n","hooks":[{"manifest":"kind: Job","last_run":{"phase":"Succeeded"}},{"manifest":"kind: Pod","last_run":{}}]}"#;
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(json).unwrap();
        let release = decode(STANDARD.encode(gz.finish().unwrap()).as_bytes()).unwrap();
        assert_eq!(release.to_string(), "n/web revision 3 (web-1.2.3, deployed)");
        assert!(release.hooks[0].succeeded() && !release.hooks[1].succeeded());
        assert!(decode(b"!").is_err() && decode(STANDARD.encode("{").as_bytes()).is_err());
    }
}
