//! `retune.lock`: which bytes every chart from a repository has. Written by `retune lock`, read by every render.
//!
//! An entry is found by repository, chart and the version as it was written (`1.2.3` or a range such as `^1.2`); it says which
//! version that was and the SHA-256 of the packaged chart. Mirrors (`spec.chartSources`) have the same entry: it is the same package.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::object::Digest;
use super::problem::{Problem, ProblemKind};
use super::spec::ApiVersion;
use crate::yaml;

/// The file beside `retune.yaml`.
pub const LOCK_FILE: &str = "retune.lock";

const HEAD: &str = "# Written by `retune lock`: the packages of all charts that come from chart repositories. Commit it; do not edit it.\n";

/// A chart as an app or a dependency asks for it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChartRef {
    /// The repository's URL without a slash at the end.
    pub repository: String,
    /// The chart's name.
    pub name: String,
    /// The version or range as it was written.
    pub version: String,
}

impl std::fmt::Display for ChartRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} of {}", self.name, self.version, self.repository)
    }
}

/// What is locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// The chart's version.
    pub version: String,
    /// SHA-256 of the packaged chart.
    pub digest: Digest,
}

/// The lock.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    charts: BTreeMap<ChartRef, Locked>,
}

/// `kind: ChartLock`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ChartLockKind {
    /// The only value.
    ChartLock,
}

/// `retune.lock`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChartLock {
    /// Always retune.dev/v1alpha1.
    pub api_version: ApiVersion,
    /// Always ChartLock.
    pub kind: ChartLockKind,
    /// One entry for each chart that comes from a repository.
    #[serde(default)]
    pub charts: Vec<LockedChart>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LockedChart {
    /// The repository's URL.
    pub repository: String,
    /// The chart's name.
    pub name: String,
    /// The range that was asked for, if it was another text than the version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wanted: Option<String>,
    /// The chart's version.
    pub version: String,
    /// SHA-256 of the packaged chart, for instance sha256:0123...
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: String,
}

impl Lock {
    /// What is locked for a chart.
    #[must_use]
    pub fn get(&self, chart: &ChartRef) -> Option<&Locked> {
        self.charts.get(chart)
    }

    /// Adds or replaces an entry.
    pub fn insert(&mut self, chart: ChartRef, locked: Locked) {
        self.charts.insert(chart, locked);
    }

    /// Takes over the entries of another lock; they win.
    pub fn extend(&mut self, other: Self) {
        self.charts.extend(other.charts);
    }

    /// The entries in order.
    pub fn iter(&self) -> impl Iterator<Item = (&ChartRef, &Locked)> {
        self.charts.iter()
    }

    /// Keeps some entries.
    pub fn retain(&mut self, keep: impl Fn(&ChartRef, &Locked) -> bool) {
        self.charts.retain(|chart, locked| keep(chart, locked));
    }

    /// Makes sense of the file's content; the entry's number tells the reader where.
    pub(super) fn of_file(file: ChartLock) -> Result<Self, Vec<Problem>> {
        let (mut lock, mut problems) = (Self::default(), Vec::new());
        for (i, entry) in file.charts.into_iter().enumerate() {
            let wrong = |what: String| {
                Problem::new(ProblemKind::BadValue, LOCK_FILE, format!("charts[{i}]: {what}"))
                    .hint("run `retune lock` to write the file anew")
            };
            let chart = ChartRef {
                repository: normal_url(&entry.repository),
                name: entry.name,
                version: entry.wanted.unwrap_or_else(|| entry.version.clone()),
            };
            match entry.digest.parse() {
                Ok(_) if lock.charts.contains_key(&chart) => {
                    problems.push(wrong(format!("{chart} is locked twice")))
                }
                Ok(digest) => lock.insert(chart, Locked { version: entry.version, digest }),
                Err(e) => problems.push(wrong(e.to_string())),
            }
        }
        if problems.is_empty() { Ok(lock) } else { Err(problems) }
    }

    /// The file's text: always the same for the same entries.
    ///
    /// # Errors
    /// If the entries cannot be written as YAML (a control character in a name).
    pub fn to_text(&self) -> Result<String, String> {
        let entry = |(chart, locked): (&ChartRef, &Locked)| LockedChart {
            repository: chart.repository.clone(),
            name: chart.name.clone(),
            wanted: (chart.version != locked.version).then(|| chart.version.clone()),
            version: locked.version.clone(),
            digest: locked.digest.to_string(),
        };
        let charts = self.charts.iter().map(entry).collect();
        let file = ChartLock { api_version: ApiVersion::V1alpha1, kind: ChartLockKind::ChartLock, charts };
        let json = serde_json::to_string(&file).map_err(|e| e.to_string())?;
        let node = yaml::json::from_json(&json).map_err(|e| e.to_string())?;
        Ok(format!("{HEAD}{}", yaml::emit::to_yaml(&node).map_err(|e| e.to_string())?))
    }

    /// What another lock has otherwise, in the order of the charts.
    #[must_use]
    pub fn changes(&self, to: &Self) -> Vec<Change> {
        let mut out: Vec<Change> = to
            .iter()
            .filter_map(|(chart, new)| match self.get(chart) {
                None => Some(Change { chart: chart.clone(), old: None, new: Some(new.clone()) }),
                Some(old) if old == new => None,
                Some(old) => {
                    Some(Change { chart: chart.clone(), old: Some(old.clone()), new: Some(new.clone()) })
                }
            })
            .collect();
        let gone = self.iter().filter(|(chart, _)| to.get(chart).is_none());
        out.extend(gone.map(|(chart, old)| Change {
            chart: chart.clone(),
            old: Some(old.clone()),
            new: None,
        }));
        out.sort_by(|a, b| a.chart.cmp(&b.chart));
        out
    }
}

/// A difference between two locks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The chart.
    pub chart: ChartRef,
    /// What was locked.
    pub old: Option<Locked>,
    /// What is.
    pub new: Option<Locked>,
}

/// `+ keystone 1.2.3 (https://...) sha256:...`, as `retune lock` prints it.
impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ChartRef { repository, name, version } = &self.chart;
        let range = |locked: &Locked| match locked.version == *version {
            true => String::new(),
            false => format!(", asked for as {version:?}"),
        };
        match (&self.old, &self.new) {
            (None, Some(new)) => {
                write!(f, "+ {name} {} ({repository}{}) {}", new.version, range(new), new.digest)
            }
            (Some(old), None) => write!(f, "- {name} {} ({repository})", old.version),
            (Some(old), Some(new)) if old.version == new.version => write!(
                f,
                "~ {name} {} ({repository}): other bytes under the same version: {} -> {}",
                new.version, old.digest, new.digest
            ),
            (Some(old), Some(new)) => write!(
                f,
                "~ {name} {} -> {} ({repository}{}) {}",
                old.version,
                new.version,
                range(new),
                new.digest
            ),
            (None, None) => Ok(()),
        }
    }
}

/// A repository's URL as it is compared: without slashes at the end.
#[must_use]
pub fn normal_url(url: &str) -> String {
    url.trim().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chart(name: &str, version: &str) -> ChartRef {
        ChartRef {
            repository: "https://charts.example.org".into(),
            name: name.into(),
            version: version.into(),
        }
    }

    fn locked(version: &str, bytes: &[u8]) -> Locked {
        Locked { version: version.into(), digest: Digest::of(bytes) }
    }

    #[test]
    fn the_text_is_sorted_and_reads_back() {
        let mut lock = Lock::default();
        lock.insert(chart("b", "^1"), locked("1.4.0", b"b"));
        lock.insert(chart("a", "1.0.0"), locked("1.0.0", b"a"));
        let text = lock.to_text().unwrap();
        assert!(text.starts_with("# Written by `retune lock`"), "{text}");
        assert!(text.find("name: a").unwrap() < text.find("name: b").unwrap());
        assert_eq!(text.matches("wanted:").count(), 1);
        let json = yaml::json::to_json(&yaml::read_v2_json(&text, &yaml::Limits::default()).unwrap(), false)
            .unwrap();
        assert_eq!(Lock::of_file(serde_json::from_str(&json).unwrap()).unwrap(), lock);
    }

    #[test]
    fn changes_say_what_came_went_and_became_something_else() {
        let (mut old, mut new) = (Lock::default(), Lock::default());
        old.insert(chart("gone", "1.0.0"), locked("1.0.0", b"x"));
        old.insert(chart("range", "^1"), locked("1.0.0", b"x"));
        old.insert(chart("bytes", "1.0.0"), locked("1.0.0", b"x"));
        new.insert(chart("range", "^1"), locked("1.1.0", b"y"));
        new.insert(chart("bytes", "1.0.0"), locked("1.0.0", b"y"));
        new.insert(chart("new", "1.0.0"), locked("1.0.0", b"z"));
        let lines: Vec<String> = old.changes(&new).iter().map(ToString::to_string).collect();
        assert!(
            lines[0].starts_with("~ bytes 1.0.0") && lines[0].contains("other bytes under the same version")
        );
        assert!(lines[1].starts_with("- gone 1.0.0"), "{lines:?}");
        assert!(lines[2].starts_with("+ new 1.0.0"), "{lines:?}");
        assert!(
            lines[3].contains("range 1.0.0 -> 1.1.0") && lines[3].contains("asked for as \"^1\""),
            "{lines:?}"
        );
        assert!(old.changes(&old).is_empty());
    }
}
