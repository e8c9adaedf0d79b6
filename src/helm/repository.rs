//! What Helm reads of chart repositories, without the network: `index.yaml`, lists of tags, Chart.lock, and which version is meant.
//!
//! Upstream: `pkg/repo/v1` (index and URLs), `pkg/registry` (tags), `internal/resolver` (Chart.lock). One difference: of several
//! versions that differ only after the `+`, Helm may take any (Go's sort is not stable from 13 entries on); here the first one
//! in the file is taken.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use super::decode::Decode;
use super::metadata::Dependency;
use crate::template::semver::{Constraint, Version};
use crate::yaml::{self, Limits};

/// The largest index in bytes; the largest public ones have about 25 MB.
pub const MAX_INDEX_BYTES: usize = 64 << 20;
/// The most versions in one index.
const MAX_VERSIONS: usize = 500_000;
/// The most dependencies of a Chart.lock.
const MAX_LOCKED: usize = 10_000;

/// A repository's `index.yaml`.
#[derive(Debug, Clone, Default)]
pub struct Index {
    /// Versions by chart, the newest first, as Helm sorts them.
    entries: BTreeMap<String, Vec<IndexEntry>>,
}

/// One version of a chart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexEntry {
    /// `version`
    pub version: String,
    /// `urls`: relative to the repository, or absolute.
    pub urls: Vec<String>,
    /// `digest`: SHA-256 in hexadecimal, with or without `sha256:`; empty if the index does not say.
    pub digest: String,
}

impl Index {
    /// Reads an index, JSON or YAML.
    ///
    /// # Errors
    /// What is wrong with it; entries that are no chart's version are left out, as Helm does.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.is_empty() {
            return Err("empty index.yaml file".to_owned());
        }
        let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
        let limits = Limits { bytes: MAX_INDEX_BYTES, ..Limits::default() };
        let root =
            yaml::read_v2_json(text, &limits).map_err(|e| format!("line {}: {}", e.pos.line, e.message))?;
        let fields = Decode::new(&root, "IndexFile")?;
        let mut api_version = String::new();
        fields.text("apiVersion", &mut api_version)?;
        if api_version.is_empty() {
            return Err("no API version specified: it is not a chart repository's index".to_owned());
        }
        let (mut entries, mut count) = (BTreeMap::new(), 0);
        for entry in fields.get("entries").and_then(|n| n.as_map()).map(|m| &m.entries).into_iter().flatten()
        {
            let Some(name) = entry.key.text() else { continue };
            let mut versions = Vec::new();
            for node in entry.value.as_seq().unwrap_or_default() {
                count += 1;
                if count > MAX_VERSIONS {
                    return Err(format!("it has more than {MAX_VERSIONS} versions"));
                }
                let mut version = IndexEntry::default();
                let fields = Decode::new(node, "ChartVersion")?;
                fields.text("version", &mut version.version)?;
                fields.texts("urls", &mut version.urls)?;
                fields.text("digest", &mut version.digest)?;
                if Version::parse(&version.version).is_ok() {
                    versions.push(version);
                }
            }
            versions.sort_by(|a, b| newest_first(&a.version, &b.version));
            entries.insert(name.to_owned(), versions);
        }
        Ok(Self { entries })
    }

    /// An index of one chart, for places that have none.
    #[must_use]
    pub fn of(name: &str, mut versions: Vec<IndexEntry>) -> Self {
        versions.retain(|v| Version::parse(&v.version).is_ok());
        versions.sort_by(|a, b| newest_first(&a.version, &b.version));
        Self { entries: BTreeMap::from([(name.to_owned(), versions)]) }
    }

    /// The version that is meant: the very text if it is there, else the newest in the range. An empty text is the newest
    /// release; pre-releases are only taken by ranges that name one.
    ///
    /// # Errors
    /// There is no such chart or version, or the range is not one.
    pub fn get(&self, name: &str, version: &str) -> Result<&IndexEntry, String> {
        let versions = self.entries.get(name).ok_or_else(|| format!("it has no chart {name:?}"))?;
        let constraint = range(version)?;
        if let Some(exact) = versions.iter().find(|v| !version.is_empty() && v.version == version) {
            return Ok(exact);
        }
        let fits = |v: &&IndexEntry| Version::parse(&v.version).is_ok_and(|v| constraint.check(&v));
        versions.iter().find(fits).ok_or_else(|| {
            let all: Vec<&str> = versions.iter().map(|v| v.version.as_str()).collect();
            none(name, version, &all)
        })
    }

    /// The names of its charts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }
}

fn none(name: &str, version: &str, all: &[&str]) -> String {
    let shown = all.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    let more = if all.len() > 5 { ", ..." } else { "" };
    match all {
        [] => format!("it has no version of the chart {name:?}"),
        _ => format!("the chart {name:?} has no version {version:?}; it has {shown}{more}"),
    }
}

fn range(version: &str) -> Result<Constraint, String> {
    let text = if version.is_empty() { "*" } else { version };
    Constraint::parse(text).map_err(|e| format!("{version:?} is not a version or a range: {e}"))
}

/// What is no version goes last.
fn newest_first(a: &str, b: &str) -> Ordering {
    match (Version::parse(a), Version::parse(b)) {
        (Ok(a), Ok(b)) => b.order(&a),
        (a, b) => Reverse(a.is_ok()).cmp(&Reverse(b.is_ok())),
    }
}

/// Whether a text is one version and no range: then a registry is asked for its tag at once.
#[must_use]
pub fn is_version(text: &str) -> bool {
    Version::parse(text).is_ok()
}

/// The tag of a version in a registry: `+` is not allowed there.
#[must_use]
pub fn tag_of(version: &str) -> String {
    version.replace('+', "_")
}

/// The version among a registry's tags that is meant. Only tags that are strict versions count (`1.2.3`, not `v1.2.3` or `1.2`).
///
/// # Errors
/// There is none, or the range is not one.
pub fn choose_tag(name: &str, tags: &[String], version: &str) -> Result<String, String> {
    let strict = |tag: &String| {
        let text = tag.replace('_', "+");
        Version::parse(&text).ok().filter(|v| v.to_string() == text)
    };
    let mut versions: Vec<Version> = tags.iter().filter_map(strict).collect();
    versions.sort_by(|a, b| b.order(a));
    if let Some(exact) = versions.iter().find(|v| v.original == version) {
        return Ok(exact.original.clone());
    }
    let constraint = range(version)?;
    versions.iter().find(|v| constraint.check(v)).map(|v| v.original.clone()).ok_or_else(|| {
        let all: Vec<&str> = versions.iter().map(|v| v.original.as_str()).collect();
        none(name, version, &all)
    })
}

/// A chart's URL from its repository's and what the index says; the repository's query stays, as with Helm.
#[must_use]
pub fn resolve_url(base: &str, reference: &str) -> String {
    if has_scheme(reference) {
        return reference.to_owned();
    }
    let (base, query) = base.split_once('?').map_or((base, ""), |(b, q)| (b, q));
    let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
    let (host, path) = rest.split_once('/').map_or((rest, ""), |(h, p)| (h, p));
    let reference = reference.split(['?', '#']).next().unwrap_or_default();
    let (host, path) = match (reference.strip_prefix("//"), reference.strip_prefix('/')) {
        (Some(other), _) => {
            let (host, path) = other.split_once('/').map_or((other, ""), |(h, p)| (h, p));
            (host, path.to_owned())
        }
        (None, Some(path)) => (host, path.to_owned()),
        (None, None) => (host, format!("{}/{reference}", path.trim_end_matches('/'))),
    };
    let mut clean: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "." => {}
            ".." => {
                clean.pop();
            }
            part if part.is_empty() && clean.is_empty() => {}
            part => clean.push(part),
        }
    }
    let query = if query.is_empty() { String::new() } else { format!("?{query}") };
    format!("{scheme}://{host}/{}{query}", clean.join("/"))
}

fn has_scheme(reference: &str) -> bool {
    reference.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
    })
}

/// The dependencies that a Chart.lock (or requirements.lock) pins.
///
/// # Errors
/// It is malformed.
pub fn read_chart_lock(bytes: &[u8]) -> Result<Vec<Dependency>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".to_owned())?;
    let root = yaml::read_v2_json(text, &Limits::default())
        .map_err(|e| format!("line {}: {}", e.pos.line, e.message))?;
    let items = Decode::new(&root, "Lock")?.list("dependencies")?.unwrap_or_default();
    if items.len() > MAX_LOCKED {
        return Err(format!("it has more than {MAX_LOCKED} dependencies"));
    }
    items.iter().map(Dependency::decode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const INDEX: &str = "apiVersion: v1\nentries:\n  a:\n  - {version: 1.2.0, urls: [a-1.2.0.tgz], digest: abc}\n  - {version: 1.10.0}\n  - \
                         {version: 2.0.0-rc.1}\n  - {version: 1.10.0+b2}\n  - {version: nonsense}\n  - {version: v1.3.0}\n  empty: []\n";

    #[test]
    fn versions_are_sorted_by_precedence_and_ranges_take_the_newest() {
        let index = Index::parse(INDEX.as_bytes()).unwrap();
        let got = |version: &str| index.get("a", version).map(|v| v.version.clone());
        assert_eq!(got("").unwrap(), "1.10.0");
        assert_eq!(got("~1.2").unwrap(), "1.2.0");
        assert_eq!(got("1.10.0+b2").unwrap(), "1.10.0+b2", "the very text");
        assert_eq!(got("1.10.0+other").unwrap(), "1.10.0", "else the nearest, as Helm");
        assert_eq!(got(">=1.0.0-0").unwrap(), "2.0.0-rc.1");
        assert_eq!(got("1.3.0").unwrap(), "v1.3.0");
        assert_eq!(index.get("a", "1.2.0").unwrap().urls, ["a-1.2.0.tgz"]);
    }

    #[test]
    fn what_is_not_there_is_named_with_what_is() {
        let index = Index::parse(INDEX.as_bytes()).unwrap();
        assert_eq!(index.get("b", "").unwrap_err(), "it has no chart \"b\"");
        assert_eq!(index.get("empty", "").unwrap_err(), "it has no version of the chart \"empty\"");
        let error = index.get("a", "9.9.9").unwrap_err();
        assert_eq!(
            error,
            "the chart \"a\" has no version \"9.9.9\"; it has 2.0.0-rc.1, 1.10.0, 1.10.0+b2, v1.3.0, 1.2.0"
        );
        assert!(index.get("a", "a b").unwrap_err().contains("not a version or a range"));
    }

    #[test]
    fn an_index_may_be_json_and_must_say_its_api_version() {
        assert!(
            Index::parse(br#"{"apiVersion":"v1","entries":{"a":[{"version":"1.0.0"}]}}"#)
                .unwrap()
                .get("a", "")
                .is_ok()
        );
        assert!(Index::parse(b"").unwrap_err().contains("empty"));
        assert!(Index::parse(b"entries: {}\n").unwrap_err().contains("no API version"));
        assert!(Index::parse(b"apiVersion: [\n").unwrap_err().contains("line"));
        assert!(Index::parse(b"<html></html>").is_err());
    }

    #[test]
    fn tags_are_strict_versions_with_an_underscore_for_the_plus() {
        let tags: Vec<String> =
            ["1.2.3", "v1.4.0", "1.3", "latest", "1.3.0_build.7", "2.0.0-alpha"].map(str::to_owned).to_vec();
        assert_eq!(choose_tag("c", &tags, "").unwrap(), "1.3.0+build.7");
        assert_eq!(tag_of("1.3.0+build.7"), "1.3.0_build.7");
        assert_eq!(choose_tag("c", &tags, "<1.3").unwrap(), "1.2.3");
        let error = choose_tag("c", &tags, "^1.4").unwrap_err();
        assert!(
            error.contains("has no version \"^1.4\"; it has 2.0.0-alpha, 1.3.0+build.7, 1.2.3"),
            "{error}"
        );
    }

    #[test]
    fn urls_are_resolved_against_the_repository() {
        let base = "https://h:8443/charts/?x=1";
        assert_eq!(resolve_url(base, "a-1.tgz"), "https://h:8443/charts/a-1.tgz?x=1");
        assert_eq!(resolve_url(base, "../a-1.tgz"), "https://h:8443/a-1.tgz?x=1");
        assert_eq!(resolve_url(base, "/dl/a-1.tgz"), "https://h:8443/dl/a-1.tgz?x=1");
        assert_eq!(resolve_url("http://h", "sub/a-1.tgz"), "http://h/sub/a-1.tgz");
        assert_eq!(resolve_url(base, "https://other/a.tgz"), "https://other/a.tgz");
        assert_eq!(resolve_url(base, "oci://reg/a:1.0.0"), "oci://reg/a:1.0.0");
        assert_eq!(resolve_url(base, "//other/a.tgz"), "https://other/a.tgz?x=1");
    }

    #[test]
    fn a_chart_lock_gives_its_versions() {
        let lock = "dependencies:\n- {name: db, repository: 'https://x', version: 1.2.3}\ndigest: sha256:0\ngenerated: \"2026-01-01\"\n";
        let read = read_chart_lock(lock.as_bytes()).unwrap();
        assert_eq!((read[0].name.as_str(), read[0].version.as_str()), ("db", "1.2.3"));
    }
}
