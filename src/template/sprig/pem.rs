//! PEM blocks as Go's `encoding/pem` writes and finds them.

use super::encoding::b64dec;
use base64::Engine as _;

/// A block with 64 characters a line.
pub(super) fn encode(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().map(|b| char::from(*b)));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

/// The first block: its label and bytes. Headers (`Proc-Type: ...`) are stepped over.
pub(super) fn decode(text: &str) -> Option<(String, Vec<u8>)> {
    let start = text.find("-----BEGIN ")?;
    if start > 0 && !text[..start].ends_with('\n') {
        return None;
    }
    let (label, rest) = text[start + 11..].split_once("-----")?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let body = match body.trim_start().split_once("\n\n") {
        Some((headers, body)) if headers.contains(": ") => body,
        _ => body,
    };
    let compact: Vec<u8> = body.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    Some((label.to_owned(), b64dec(&compact).ok()?))
}
