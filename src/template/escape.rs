//! `html`, `js` and `urlquery`.

use super::error::FuncError;
use super::fmt;
use super::strconv::chars::{decode_rune, is_print};
use super::value::Value;

/// Go's `evalArgs`: a single string as it is, everything else as `print` does it; nil is `<no value>`.
pub(super) fn text_of(args: &[Value], limit: usize) -> Result<Vec<u8>, FuncError> {
    if let [text @ (Value::Str(_) | Value::Raw(_))] = args {
        return Ok(text.bytes().unwrap_or_default().to_vec());
    }
    let args: Vec<Value> = args
        .iter()
        .map(|arg| if matches!(arg, Value::Nil) { Value::str("<no value>") } else { arg.clone() })
        .collect();
    fmt::sprint(&args, limit)
}

/// Escapes for HTML.
pub(super) fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &b in text {
        match b {
            0 => out.extend_from_slice("\u{FFFD}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b => out.push(b),
        }
    }
    out
}

/// Escapes for JavaScript.
pub(super) fn js(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(&b) = rest.first() {
        let mut width = 1;
        match b {
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\'' => out.extend_from_slice(b"\\'"),
            b'"' => out.extend_from_slice(b"\\\""),
            b'<' => out.extend_from_slice(b"\\u003C"),
            b'>' => out.extend_from_slice(b"\\u003E"),
            b'&' => out.extend_from_slice(b"\\u0026"),
            b'=' => out.extend_from_slice(b"\\u003D"),
            0..b' ' => out.extend_from_slice(format!("\\u00{b:02X}").as_bytes()),
            b' '..0x80 => out.push(b),
            0x80.. => {
                let (c, size) = decode_rune(rest);
                width = size;
                // A byte that is not UTF-8 counts as U+FFFD, which is printable: the byte itself is kept.
                match c {
                    Some(c) if !is_print(c) => {
                        out.extend_from_slice(format!("\\u{:04X}", u32::from(c)).as_bytes());
                    }
                    _ => out.extend_from_slice(&rest[..size]),
                }
            }
        }
        rest = &rest[width..];
    }
    out
}

/// Escapes for a URL's query: `url.QueryEscape`.
pub(super) fn url_query(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &b in text {
        match b {
            b' ' => out.push(b'+'),
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(b),
            b => out.extend_from_slice(format!("%{b:02X}").as_bytes()),
        }
    }
    out
}
