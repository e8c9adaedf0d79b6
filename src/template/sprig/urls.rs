//! `urlParse` and `urlJoin`: Go's `net/url` as far as sprig shows it.

mod resolve;

pub(crate) use resolve::{Checked, check, resolve};

use super::args::{D, Entry, FuncResult, S, fixed, map, text};
use crate::template::exec::Exec;
use crate::template::strconv::quote;
use crate::template::value::{Map, Value};

/// Which part of a URL a text stands in: they allow different characters unescaped.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Path,
    Host,
    User,
    Fragment,
}

fn allowed(b: u8, part: Part) -> bool {
    if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') {
        return true;
    }
    match part {
        Part::Path => matches!(b, b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'@'),
        Part::Host => b"!$&'()*+,;=:[]<>\"".contains(&b),
        Part::User => matches!(b, b'$' | b'&' | b'+' | b',' | b';' | b'='),
        Part::Fragment => b"$&+,/:;=?@!()*".contains(&b),
    }
}

fn escape(s: &[u8], part: Part) -> String {
    let mut out = String::with_capacity(s.len());
    for b in s {
        if allowed(*b, part) {
            out.push(char::from(*b));
        } else {
            out.push_str(&format!("%{b:02X}"));
        }
    }
    out
}

fn unescape(s: &str, part: Part) -> Result<Vec<u8>, String> {
    let bytes = s.as_bytes();
    let (mut out, mut i) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&b) = bytes.get(i) {
        if b == b'%' {
            let hex = bytes.get(i + 1..i + 3).filter(|h| h.iter().all(u8::is_ascii_hexdigit));
            let Some(hex) = hex.and_then(|h| std::str::from_utf8(h).ok()) else {
                let shown = &bytes[i..bytes.len().min(i + 3)];
                return Err(format!("invalid URL escape {}", quote(shown)));
            };
            let decoded = u8::from_str_radix(hex, 16).map_err(|e| e.to_string())?;
            if part == Part::Host && decoded < 0x80 && hex != "25" {
                return Err(format!("invalid URL escape {}", quote(&bytes[i..i + 3])));
            }
            out.push(decoded);
            i += 3;
            continue;
        }
        if part == Part::Host && b < 0x80 && !allowed(b, part) {
            return Err(format!("invalid character {} in host name", quote(&[b])));
        }
        out.push(b);
        i += 1;
    }
    Ok(out)
}

#[derive(Default)]
struct Url {
    scheme: String,
    opaque: String,
    /// User and, if there was a colon, password; unescaped.
    user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    host: Vec<u8>,
    path: Vec<u8>,
    /// The path as it was written, if escaping the path would give something else.
    raw_path: Option<String>,
    force_query: bool,
    query: String,
    fragment: Vec<u8>,
}

/// The scheme and the rest.
fn split_scheme(s: &str) -> Result<(&str, &str), String> {
    for (i, b) in s.bytes().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => return Ok((&s[..i], &s[i + 1..])),
            _ => break,
        }
    }
    Ok(("", s))
}

fn parse_user(s: &str) -> Result<(Vec<u8>, Option<Vec<u8>>), String> {
    let valid = |c: char| c.is_ascii_alphanumeric() || "-._:~!$&'()*+,;=%@".contains(c);
    if !s.chars().all(valid) {
        return Err("net/url: invalid userinfo".to_owned());
    }
    match s.split_once(':') {
        None => Ok((unescape(s, Part::User)?, None)),
        Some((user, password)) => Ok((unescape(user, Part::User)?, Some(unescape(password, Part::User)?))),
    }
}

fn valid_port(port: &str) -> bool {
    port.is_empty() || port.strip_prefix(':').is_some_and(|p| p.bytes().all(|b| b.is_ascii_digit()))
}

fn parse_host(s: &str) -> Result<Vec<u8>, String> {
    let port = if s.starts_with('[') {
        let end = s.rfind(']').ok_or("missing ']' in host")?;
        &s[end + 1..]
    } else {
        s.rfind(':').map_or("", |at| &s[at..])
    };
    if !valid_port(port) {
        return Err(format!("invalid port {} after host", quote(port.as_bytes())));
    }
    unescape(s, Part::Host)
}

impl Url {
    fn parse(source: &str) -> Result<Self, String> {
        let fail = |why: String| format!("parse {}: {why}", quote(source.as_bytes()));
        let (front, fragment) = source.split_once('#').unwrap_or((source, ""));
        let mut url = Self::parse_front(front).map_err(fail)?;
        url.fragment = unescape(fragment, Part::Fragment).map_err(fail)?;
        Ok(url)
    }

    fn parse_front(source: &str) -> Result<Self, String> {
        if source.bytes().any(|b| b < b' ' || b == 0x7f) {
            return Err("net/url: invalid control character in URL".to_owned());
        }
        let mut url = Self::default();
        if source == "*" {
            url.path = b"*".to_vec();
            return Ok(url);
        }
        let (scheme, mut rest) = split_scheme(source)?;
        url.scheme = scheme.to_ascii_lowercase();
        if rest.ends_with('?') && rest.matches('?').count() == 1 {
            url.force_query = true;
            rest = &rest[..rest.len() - 1];
        } else if let Some((before, query)) = rest.split_once('?') {
            url.query = query.to_owned();
            rest = before;
        }
        if !rest.starts_with('/') {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_owned();
                return Ok(url);
            }
            if rest.split('/').next().is_some_and(|first| first.contains(':')) {
                return Err("first path segment in URL cannot contain colon".to_owned());
            }
        }
        let has_authority = !url.scheme.is_empty() || !rest.starts_with("///");
        if let Some(after) = rest.strip_prefix("//").filter(|_| has_authority) {
            let (authority, path) = after.split_at(after.find('/').unwrap_or(after.len()));
            rest = path;
            let host = match authority.rsplit_once('@') {
                None => authority,
                Some((user, host)) => {
                    url.user = Some(parse_user(user)?);
                    host
                }
            };
            url.host = parse_host(host)?;
        }
        url.path = unescape(rest, Part::Path)?;
        if escape(&url.path, Part::Path) != rest {
            url.raw_path = Some(rest.to_owned());
        }
        Ok(url)
    }

    fn userinfo(&self) -> String {
        match &self.user {
            None => String::new(),
            Some((user, None)) => escape(user, Part::User),
            Some((user, Some(password))) => {
                format!("{}:{}", escape(user, Part::User), escape(password, Part::User))
            }
        }
    }

    /// The host without its port and brackets.
    fn hostname(&self) -> String {
        let host = String::from_utf8_lossy(&self.host).into_owned();
        let bare = match host.rfind(':') {
            Some(at) if valid_port(&host[at..]) => &host[..at],
            _ => &host,
        };
        let inner = bare.strip_prefix('[').and_then(|b| b.strip_suffix(']'));
        inner.unwrap_or(bare).to_owned()
    }

    /// `URL.String`.
    fn text(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            out.push_str(&self.scheme);
            out.push(':');
        }
        if self.opaque.is_empty() {
            let authority = !self.host.is_empty() || self.user.is_some();
            if !self.scheme.is_empty() || authority {
                if authority || !self.path.is_empty() {
                    out.push_str("//");
                }
                if self.user.is_some() {
                    out.push_str(&self.userinfo());
                    out.push('@');
                }
                out.push_str(&escape(&self.host, Part::Host));
            }
            let path = self.raw_path.clone().unwrap_or_else(|| match &self.path[..] {
                b"*" => "*".to_owned(),
                path => escape(path, Part::Path),
            });
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push('/');
            }
            if out.is_empty() && path.split('/').next().is_some_and(|first| first.contains(':')) {
                out.push_str("./");
            }
            out.push_str(&path);
        } else {
            out.push_str(&self.opaque);
        }
        if self.force_query || !self.query.is_empty() {
            out.push('?');
            out.push_str(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push('#');
            out.push_str(&escape(&self.fragment, Part::Fragment));
        }
        out
    }
}

fn url_parse(_: &mut Exec, a: &[Value]) -> FuncResult {
    let url = Url::parse(&text(&a[0])).map_err(|e| format!("unable to parse url: {e}"))?;
    Ok(Value::dict([
        ("scheme", url.scheme.as_str().into()),
        ("host", Value::from_bytes(&url.host)),
        ("hostname", url.hostname().into()),
        ("path", Value::from_bytes(&url.path)),
        ("query", url.query.as_str().into()),
        ("opaque", url.opaque.as_str().into()),
        ("fragment", Value::from_bytes(&url.fragment)),
        ("userinfo", url.userinfo().into()),
    ]))
}

fn part(d: &Map, key: &str) -> Result<String, String> {
    match d.get(key) {
        None => Ok(String::new()),
        Some(v) if v.is_string() => Ok(text(&v).into_owned()),
        Some(Value::Nil) => Err(super::args::NIL_POINTER.to_owned()),
        Some(v) => Err(format!("unable to parse {key} key, must be of type string, but {} found", v.kind())),
    }
}

fn url_join(_: &mut Exec, a: &[Value]) -> FuncResult {
    let d = map(&a[0])?;
    let mut url = Url {
        scheme: part(d, "scheme")?,
        host: part(d, "host")?.into_bytes(),
        path: part(d, "path")?.into_bytes(),
        query: part(d, "query")?,
        opaque: part(d, "opaque")?,
        fragment: part(d, "fragment")?.into_bytes(),
        ..Url::default()
    };
    let userinfo = part(d, "userinfo")?;
    if !userinfo.is_empty() {
        let carrier = Url::parse(&format!("proto://{userinfo}@host"));
        url.user = carrier.map_err(|e| format!("unable to parse userinfo in dict: {e}"))?.user;
    }
    Ok(url.text().into())
}

pub(super) const TABLE: &[Entry] =
    &[("urlParse", fixed(&[S], D), url_parse), ("urlJoin", fixed(&[D], S), url_join)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_come_apart_and_together_as_in_go() {
        for url in [
            "http://user:pa%20ss@host:80/a%2Fb?q=1#frag",
            "mailto:a@b.c",
            "/just/path",
            "//host/x",
            "https://[::1]:8/",
        ] {
            assert_eq!(Url::parse(url).unwrap().text(), url);
        }
        let url = Url::parse("HTTP://[::1]:8080/x?").unwrap();
        assert_eq!((url.scheme.as_str(), url.hostname().as_str(), url.force_query), ("http", "::1", true));
        assert_eq!(
            Url::parse("http://a b").err().unwrap(),
            "parse \"http://a b\": invalid character \" \" in host name"
        );
        assert_eq!(Url::parse(":x").err().unwrap(), "parse \":x\": missing protocol scheme");
    }
}
