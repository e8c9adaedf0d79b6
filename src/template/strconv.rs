//! Go's `strconv` where templates show it: quoting, unquoting, numbers as text.

/// `strconv.Quote`.
#[must_use]
pub fn quote(text: &[u8]) -> String {
    format!("{:?}", String::from_utf8_lossy(text))
}
