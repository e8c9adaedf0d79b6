//! Key-value pairs for ConfigMaps and Secrets: env files, literals, files.

use super::error::{Context as _, Error};
use super::transform::Files;
use super::types::GeneratorArgs;

/// Longest line of an env file. The original's scanner stops reading there without a word, and so do we.
const MAX_ENV_LINE: usize = 64 * 1024;

/// The pairs of a generator in order: envs, literals, files. A key that comes twice is an error.
pub fn load(args: &GeneratorArgs, files: &dyn Files) -> Result<Vec<(String, Vec<u8>)>, Error> {
    let mut out = Vec::new();
    for path in &args.envs {
        let (bytes, name) = files.load(path).context(|| "env source files")?;
        env_lines(&bytes, &name, &mut out)?;
    }
    for literal in &args.literals {
        let (key, value) = literal.split_once('=').filter(|(key, _)| !key.is_empty()).ok_or_else(|| {
            Error::new(format!("invalid literal source {literal}, expected key=value")).at_line(args.line)
        })?;
        out.push((key.to_owned(), unquote(value).as_bytes().to_vec()));
    }
    for source in &args.files {
        let (key, path) = file_source(source).map_err(|e| e.at_line(args.line))?;
        let (bytes, _) = files.load(path).context(|| "file sources")?;
        out.push((key.to_owned(), bytes.to_vec()));
    }
    out.sort_by(|a, b| a.0.cmp(&b.0));
    if let Some(pair) = out.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::new(format!("configmap {} illegally repeats the key `{}`", args.name, pair[0].0))
            .at_line(args.line));
    }
    Ok(out)
}

fn env_lines(bytes: &[u8], name: &str, out: &mut Vec<(String, Vec<u8>)>) -> Result<(), Error> {
    let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    if lines.last().is_some_and(|last| last.is_empty()) {
        lines.pop();
    }
    for (at, line) in lines.into_iter().enumerate() {
        if line.len() >= MAX_ENV_LINE {
            break;
        }
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = std::str::from_utf8(line).map_err(|_| {
            Error::new("line has invalid utf8 bytes").at(name, u32::try_from(at + 1).unwrap_or(0))
        })?;
        let text = if at == 0 { text.strip_prefix('\u{feff}').unwrap_or(text) } else { text };
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let (key, value) = text.split_once('=').unwrap_or((text, ""));
        if !key.is_empty() {
            out.push((key.to_owned(), value.as_bytes().to_vec()));
        }
    }
    Ok(())
}

/// One pair of equal quotes around the value is removed.
fn unquote(value: &str) -> &str {
    for quote in ['"', '\''] {
        if value.len() >= 2 && value.starts_with(quote) && value.ends_with(quote) {
            return &value[1..value.len() - 1];
        }
    }
    value
}

/// `[key=]path`.
fn file_source(source: &str) -> Result<(&str, &str), Error> {
    let mut parts = source.split('=');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(path), None, _) => Ok((base_name(path), path)),
        (Some(""), Some(path), None) => {
            Err(Error::new(format!("missing key name for file path \"{path}\" in source \"{source}\"")))
        }
        (Some(key), Some(""), None) => {
            Err(Error::new(format!("missing file path for key name \"{key}\" in source \"{source}\"")))
        }
        (Some(key), Some(path), None) => Ok((key, path)),
        _ => Err(Error::new(format!("source \"{source}\" key name or file path contains '='"))),
    }
}

/// Go's `path.Base`.
fn base_name(path: &str) -> &str {
    if path.is_empty() {
        return ".";
    }
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() { "/" } else { trimmed.rsplit('/').next().unwrap_or(trimmed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    struct One(&'static [u8]);

    impl Files for One {
        fn load(&self, path: &str) -> Result<(Arc<[u8]>, String), Error> {
            Ok((Arc::from(self.0), path.to_owned()))
        }
    }

    fn env(bytes: &'static [u8]) -> Vec<(String, String)> {
        let args = GeneratorArgs { envs: vec!["e".into()], ..GeneratorArgs::default() };
        let pairs = load(&args, &One(bytes)).unwrap();
        pairs.into_iter().map(|(k, v)| (k, String::from_utf8(v).unwrap())).collect()
    }

    #[test]
    fn env_lines_keep_values_verbatim() {
        let got = env(b"\xef\xbb\xbf  a= \"x\" \r\n# no\n\nb\nc=1=2");
        let want = [("a", " \"x\" "), ("b", ""), ("c", "1=2")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        assert_eq!(got, want);
    }

    #[test]
    fn a_key_may_come_once() {
        let args = GeneratorArgs { literals: vec!["a=1".into(), "a=2".into()], ..GeneratorArgs::default() };
        assert!(load(&args, &One(b"")).unwrap_err().message().contains("repeats the key `a`"));
    }

    #[test]
    fn file_sources_have_at_most_one_equals_sign() {
        assert_eq!(file_source("a/b.txt").unwrap(), ("b.txt", "a/b.txt"));
        assert_eq!(file_source("k=a/b.txt").unwrap(), ("k", "a/b.txt"));
        for bad in ["=a", "k=", "a=b=c"] {
            assert!(file_source(bad).is_err(), "{bad}");
        }
    }
}
