//! Which text names a Git repository, and which part of it: scheme, host, repository, folder inside, ref.

use std::collections::BTreeMap;

use super::error::Error;

/// A folder in a Git repository at a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepoSpec {
    /// The text as written.
    pub raw: String,
    /// Scheme, user and host with the separator that follows: `https://github.com/`, `git@host:`, `file://`.
    pub host: String,
    /// Path of the repository on the host.
    pub repo: String,
    /// Folder in the repository, `""` for its root.
    pub path: String,
    /// Branch, tag or commit; empty for the default branch.
    pub reference: String,
    /// Seconds to wait for the clone.
    pub timeout_seconds: u64,
    /// Whether submodules are fetched.
    pub submodules: bool,
}

/// What go-getter, which the original once used, took for "this is Git".
const FORCED: &str = "git::";
const DEFAULT_TIMEOUT: u64 = 27;
const SCHEMES: [&str; 4] = ["ssh://", "https://", "http://", "file://"];

impl RepoSpec {
    /// Reads a repository URL; an error means "this is a path, not a repository".
    pub fn parse(text: &str) -> Result<Self, Error> {
        if text.starts_with('/') {
            return Err(Error::new(format!("uri looks like abs path: {text}")));
        }
        let (rest, query) = text.split_once('?').unwrap_or((text, ""));
        let (host, rest) = extract_host(rest)?;
        let all = host.starts_with("file://");
        let (repo, path) = split_marked(rest)
            .or_else(|| split_default(rest, all))
            .filter(|(repo, _)| !repo.is_empty())
            .ok_or_else(|| Error::new("failed to parse repo path segment"))?;
        if exits(&path) {
            return Err(Error::new(format!("url path exits repo: {rest}")));
        }
        let path = path.strip_prefix('/').unwrap_or(&path).to_owned();
        let mut spec = Self {
            raw: text.to_owned(),
            host,
            repo,
            path,
            reference: String::new(),
            timeout_seconds: DEFAULT_TIMEOUT,
            submodules: true,
        };
        spec.apply(query);
        Ok(spec)
    }

    /// What `git fetch` is given.
    #[must_use]
    pub fn clone_spec(&self) -> String {
        format!("{}{}", self.host, self.repo)
    }

    /// Whether it is a repository on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.host.starts_with("file://")
    }

    /// Whether the text has the prefix `git::`, which the original cuts off with a warning.
    #[must_use]
    pub fn is_forced(text: &str) -> bool {
        strip_ignoring_case(text, FORCED).is_some()
    }

    /// Go's `url.ParseQuery`: one pair that cannot be read, and none counts; of repeated keys the first does.
    fn apply(&mut self, query: &str) {
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        for pair in query.split('&').filter(|p| !p.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (Some(key), Some(value), false) = (unescape(key), unescape(value), pair.contains(';')) else {
                return;
            };
            values.entry(key).or_insert(value);
        }
        let get = |key: &str| values.get(key).map_or("", String::as_str);
        if let Some(seconds) = seconds(get("timeout")).filter(|n| *n > 0) {
            self.timeout_seconds = seconds;
        }
        match get("submodules") {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => self.submodules = true,
            "0" | "f" | "F" | "false" | "FALSE" | "False" => self.submodules = false,
            _ => {}
        }
        self.reference = if get("ref").is_empty() { get("version") } else { get("ref") }.to_owned();
    }
}

/// `61` or Go's form of a duration (`1m1s`, `1.5h`), in seconds, rounded up.
fn seconds(text: &str) -> Option<u64> {
    if let Ok(n) = text.strip_prefix('+').unwrap_or(text).parse::<u32>() {
        return Some(n.into());
    }
    let (mut rest, mut total) = (text.strip_prefix('+').unwrap_or(text), 0.0);
    while !rest.is_empty() {
        let (number, after) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit() && c != '.')?);
        let (unit, after) =
            after.split_at(after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len()));
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            "us" | "µs" | "μs" => 1e-6,
            "ns" => 1e-9,
            _ => return None,
        };
        total += number.parse::<f64>().ok()? * scale;
        rest = after;
    }
    // A day is more than any server is waited for.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and a day")]
    Some(total.ceil().clamp(0.0, 86_400.0) as u64)
}

fn unescape(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = || u8::from_str_radix(text.get(at + 1..at + 3)?, 16).ok();
        match bytes[at] {
            b'+' => out.push(b' '),
            b'%' => {
                out.push(hex()?);
                at += 2;
            }
            byte => out.push(byte),
        }
        at += 1;
    }
    Some(String::from_utf8_lossy(&out).into_owned())
}

fn strip_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

fn extract_host(text: &str) -> Result<(String, &str), Error> {
    let text = strip_ignoring_case(text, FORCED).unwrap_or(text);
    let (scheme, text) = SCHEMES
        .iter()
        .find_map(|s| strip_ignoring_case(text, s).map(|rest| (*s, rest)))
        .unwrap_or(("", text));
    if scheme == "file://" {
        return Ok((scheme.to_owned(), text));
    }
    let (user, text) = extract_user(text);
    let lower = text.to_ascii_lowercase();
    let github = lower.starts_with("github.com/") || lower.starts_with("github.com:");
    let scp = scheme.is_empty() && (!user.is_empty() || github);
    if scheme.is_empty() && !scp {
        return Err(Error::new("failed to parse scheme"));
    }
    let slash = text.find('/');
    let colon = text.find(':').filter(|at| scp && *at > 0);
    let cut = match (slash, colon) {
        (None, _) if scp => text.find(':'),
        (Some(s), Some(c)) if c < s => Some(c),
        (s, _) => s,
    };
    let (host, rest) = cut.map_or((text, ""), |at| text.split_at(at + 1));
    if github {
        let host = if scheme.starts_with("ssh://") || !user.is_empty() {
            format!("{user}github.com:")
        } else {
            "https://github.com/".to_owned()
        };
        return Ok((host, rest));
    }
    if host.is_empty() {
        return Err(Error::new("failed to parse host segment"));
    }
    Ok((format!("{scheme}{user}{host}"), rest))
}

fn extract_user(text: &str) -> (&str, &str) {
    let Some(at) = text.find('@') else { return ("", text) };
    let name = &text[..at];
    let good = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if good { text.split_at(at + 1) } else { ("", text) }
}

fn split_marked(text: &str) -> Option<(String, String)> {
    if let Some(at) = text.find("_git/") {
        let (head, tail) = text.split_at(at + "_git/".len());
        let (name, path) = tail.split_once('/').unwrap_or((tail, ""));
        return Some((format!("{head}{name}"), path.to_owned()));
    }
    if let Some((repo, path)) = text.split_once("//") {
        return Some((repo.to_owned(), path.to_owned()));
    }
    let at = text.find(".git")? + ".git".len();
    Some((text[..at].to_owned(), text[at..].to_owned()))
}

fn split_default(text: &str, all: bool) -> Option<(String, String)> {
    if all {
        return Some((text.to_owned(), String::new()));
    }
    let segments: Vec<&str> = text.split('/').collect();
    (segments.len() >= 2).then(|| (segments[..2].join("/"), segments[2..].join("/")))
}

fn exits(path: &str) -> bool {
    let mut depth = 0_i32;
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => depth -= 1,
            _ => depth += 1,
        }
        if depth < 0 {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_are_told_from_paths() {
        for (text, clone, path, reference) in [
            ("github.com/a/b//c/d?ref=v1", "https://github.com/a/b", "c/d", "v1"),
            ("https://github.com/a/b/c?ref=v1&timeout=10", "https://github.com/a/b", "c", "v1"),
            ("git@github.com:a/b.git/c", "git@github.com:a/b.git", "c", ""),
            ("ssh://git@example.com:22/a/b//c", "ssh://git@example.com:22/a/b", "c", ""),
            ("git::https://example.com/a/b.git//c?version=x", "https://example.com/a/b.git", "c", "x"),
            ("file:///srv/repo.git//c", "file:///srv/repo.git", "c", ""),
        ] {
            let Ok(spec) = RepoSpec::parse(text) else { panic!("{text} is a repository") };
            let got = (spec.clone_spec(), spec.path, spec.reference);
            assert_eq!(got, (clone.to_owned(), path.to_owned(), reference.to_owned()), "{text}");
        }
        for text in [
            "https://me@dev.azure.com/org/project/_git/repo/a/b",
            "github.com:a/b/c",
            "org-1@github.com/a/b.git/c",
            "http://localhost:8080/x/y.git?ref=v1",
        ] {
            assert!(RepoSpec::parse(text).is_ok(), "{text}");
        }
        for text in
            ["../base", "base", "a/b/c", "a.yaml", "/abs", "https://host/a.yaml", "https://h/a/b//../c"]
        {
            assert!(RepoSpec::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_query_is_read_as_go_reads_it() {
        let with = |query: &str| RepoSpec::parse(&format!("https://h/a/b?{query}")).unwrap();
        assert_eq!(with("ref=a&ref=b&version=c").reference, "a");
        assert_eq!(with("ref=&version=c").reference, "c");
        assert_eq!(with("ref=feature%2Fx").reference, "feature/x");
        assert_eq!(with("ref=a&b=%zz").reference, "", "one bad escape and no parameter counts");
        for (text, seconds) in
            [("61", 61), ("61s", 61), ("1m30s", 90), ("0", 27), ("-5", 27), ("x", 27), ("1.5m", 90)]
        {
            assert_eq!(with(&format!("timeout={text}")).timeout_seconds, seconds, "{text}");
        }
        assert!(!with("submodules=0").submodules && with("submodules=no").submodules);
    }
}
