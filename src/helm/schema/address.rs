//! Where schemas are: URLs, fragments and JSON pointers, as Go's library writes and reads them.

use std::fmt::Write as _;

use crate::template::{sprig, strconv};

use super::json::Json;

/// What stands behind `#`: a pointer, or the name of an anchor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fragment {
    Pointer(String),
    Anchor(String),
}

impl Fragment {
    fn new(text: String) -> Self {
        if text.is_empty() || text.starts_with('/') { Self::Pointer(text) } else { Self::Anchor(text) }
    }

    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Pointer(text) | Self::Anchor(text) => text,
        }
    }
}

pub(super) fn split(text: &str) -> (&str, &str) {
    text.split_once('#').unwrap_or((text, ""))
}

/// A URL and its decoded fragment.
///
/// # Errors
/// A `%` without its two digits.
pub(super) fn split_fragment(text: &str) -> Result<(&str, Fragment), String> {
    let (url, fragment) = split(text);
    let decoded = decode(fragment).map_err(|e| unparsed(text, &e))?;
    Ok((url, Fragment::new(decoded)))
}

/// A reference against the URL of the schema it stands in.
///
/// # Errors
/// Go's text, if it is no URL.
pub(super) fn join(base: &str, reference: &str) -> Result<(String, Fragment), String> {
    let (front, fragment) = split_fragment(reference)?;
    if front.is_empty() {
        return Ok((base.to_owned(), fragment));
    }
    let url = sprig::resolve_url(base, front).map_err(|e| unparsed(front, &e))?;
    Ok((url, fragment))
}

fn unparsed(url: &str, why: &str) -> String {
    format!("error in parsing {}: {why}", strconv::quote(url.as_bytes()))
}

/// `%2F` becomes `/`.
pub(super) fn decode(text: &str) -> Result<String, String> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let bytes = text.as_bytes();
    let (mut out, mut i) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(&b) = bytes.get(i) {
        if b != b'%' {
            out.push(b);
            i += 1;
            continue;
        }
        let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        let (Some(high), Some(low)) = (digit(i + 1), digit(i + 2)) else {
            let shown = &bytes[i..bytes.len().min(i + 3)];
            return Err(format!("invalid URL escape {}", strconv::quote(shown)));
        };
        out.extend(u8::try_from(high * 16 + low));
        i += 3;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// A fragment as a URL shows it; slashes stay.
pub(super) fn encode(fragment: &str) -> String {
    let mut out = String::with_capacity(fragment.len());
    for b in fragment.bytes() {
        if b.is_ascii_alphanumeric() || b"-_.~$&+=:@/".contains(&b) {
            out.push(char::from(b));
        } else {
            let _ = write!(out, "%{b:02X}");
        }
    }
    out
}

/// One token of a pointer.
pub(super) fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

fn unescape(token: &str) -> Option<String> {
    let mut out = String::with_capacity(token.len());
    let mut chars = token.chars();
    while let Some(c) = chars.next() {
        match (c, if c == '~' { chars.next() } else { None }) {
            ('~', Some('0')) => out.push('~'),
            ('~', Some('1')) => out.push('/'),
            ('~', _) => return None,
            (c, _) => out.push(c),
        }
    }
    Some(out)
}

/// The address of a value in a document, as messages name it.
pub(super) fn location(url: &str, pointer: &str) -> String {
    format!("{url}#{}", encode(pointer))
}

/// What a pointer leads to.
///
/// # Errors
/// Go's text, with the whole address.
pub(super) fn look_up<'j>(document: &'j Json, url: &str, pointer: &str) -> Result<&'j Json, String> {
    let whole = || strconv::quote(location(url, pointer).as_bytes());
    let mut value = document;
    for token in pointer.split('/').skip(1) {
        let token = unescape(token).ok_or_else(|| format!("invalid json-pointer {}", whole()))?;
        let inner = match value {
            Json::Object(members) => members.get(&token),
            Json::Array(items) => token.parse::<usize>().ok().and_then(|i| items.get(i)),
            _ => None,
        };
        value = inner.ok_or_else(|| format!("json-pointer in {} not found", whole()))?;
    }
    Ok(value)
}
