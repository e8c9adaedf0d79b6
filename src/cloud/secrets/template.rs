//! Composed text: `mysql+pymysql://nova:{{ password | urlencode }}@db/nova`.
//!
//! Text, and places between `{{` and `}}` that name a key: `KEY` of the same Secret, `SECRET/KEY`, `NAMESPACE/SECRET/KEY`; then perhaps
//! `| urlencode` or `| base64`. There is nothing else: no conditions, no loops, no nesting.

use std::fmt;

use base64::Engine as _;

use super::{KeyAt, MAX_VALUE};

/// The longest template.
const MAX_TEMPLATE: usize = 16 << 10;

/// A template that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Key(KeyAt, Filter),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filter {
    None,
    UrlEncode,
    Base64,
}

/// What is wrong with a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadTemplate(String);

impl fmt::Display for BadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Template {
    /// Reads a template of a Secret.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str, namespace: &str, secret: &str) -> Result<Self, BadTemplate> {
        let bad = |message: String| Err(BadTemplate(message));
        if text.len() > MAX_TEMPLATE {
            return bad(format!("the template is longer than {MAX_TEMPLATE} bytes"));
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let Some((inside, after)) = after.split_once("}}") else {
                return bad("\"{{\" is not closed by \"}}\"".to_owned());
            };
            let (path, filter) = match inside.split_once('|') {
                None => (inside.trim(), Filter::None),
                Some((path, filter)) => match filter.trim() {
                    "urlencode" => (path.trim(), Filter::UrlEncode),
                    "base64" => (path.trim(), Filter::Base64),
                    other => return bad(format!("{other:?} is no filter; there are urlencode and base64")),
                },
            };
            let names: Vec<&str> = path.split('/').collect();
            if names.iter().any(|n| !super::is_key(n)) {
                return bad(format!("{path:?} names no key; write KEY, SECRET/KEY or NAMESPACE/SECRET/KEY"));
            }
            parts.push(match names.as_slice() {
                [key] => Part::Key(KeyAt::new(namespace, secret, key), filter),
                [other, key] => Part::Key(KeyAt::new(namespace, other, key), filter),
                [space, other, key] => Part::Key(KeyAt::new(space, other, key), filter),
                _ => return bad(format!("{path:?} has more than three parts")),
            });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        if !parts.iter().any(|p| matches!(p, Part::Key(..))) {
            return bad("the template names no key; text that is no secret is written with text:".to_owned());
        }
        Ok(Self(parts))
    }

    /// The keys it names.
    pub fn keys(&self) -> impl Iterator<Item = &KeyAt> {
        self.0.iter().filter_map(|p| match p {
            Part::Key(at, _) => Some(at),
            Part::Text(_) => None,
        })
    }

    /// The text. `value` gives the keys' values.
    ///
    /// # Errors
    /// The key that has none, or that the result is too long.
    pub fn fill<'v>(
        &self,
        value: &dyn Fn(&KeyAt) -> Option<&'v [u8]>,
    ) -> Result<Vec<u8>, super::GenerateError> {
        let mut out = Vec::new();
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend(text.as_bytes()),
                Part::Key(at, filter) => {
                    let bytes = value(at).ok_or_else(|| super::GenerateError::Missing(at.clone()))?;
                    match filter {
                        Filter::None => out.extend(bytes),
                        Filter::UrlEncode => out.extend(url_encoded(bytes).bytes()),
                        Filter::Base64 => {
                            out.extend(base64::engine::general_purpose::STANDARD.encode(bytes).bytes());
                        }
                    }
                }
            }
            if out.len() > MAX_VALUE {
                return Err(super::GenerateError::TooLong);
            }
        }
        Ok(out)
    }
}

/// Percent-encoding of everything but the unreserved characters of RFC 3986.
fn url_encoded(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(byte) {
            out.push(char::from(*byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Result<String, String> {
        let template = Template::parse(text, "ns", "own").map_err(|e| e.to_string())?;
        let value = |at: &KeyAt| -> Option<&'static [u8]> {
            match (&*at.namespace, &*at.secret, &*at.key) {
                ("ns", "own", "password") => Some(b"a/b@c"),
                ("ns", "other", "user") => Some(b"nova"),
                ("far", "other", "user") => Some(b"glance"),
                _ => None,
            }
        };
        template.fill(&value).map(|b| String::from_utf8(b).unwrap()).map_err(|e| e.to_string())
    }

    #[test]
    fn keys_of_this_secret_and_of_others_are_filled_in() {
        assert_eq!(
            filled("mysql+pymysql://{{other/user}}:{{ password | urlencode }}@db/x").unwrap(),
            "mysql+pymysql://nova:a%2Fb%40c@db/x"
        );
        assert_eq!(filled("{{ far/other/user }}-{{password|base64}}").unwrap(), "glance-YS9iQGM=");
    }

    #[test]
    fn what_a_template_cannot_say_is_refused_with_the_reason() {
        let wrong = |text: &str| filled(text).unwrap_err();
        assert!(wrong("{{ password").contains("not closed"));
        assert!(wrong("{{ password | upper }}").contains("is no filter"));
        assert!(wrong("{{ a/b/c/d }}").contains("more than three parts"));
        assert!(wrong("{{ if x }}").contains("names no key"));
        assert!(wrong("{{}}").contains("names no key"));
        assert!(wrong("plain").contains("names no key"));
        assert!(wrong("{{ nothing }}").contains("Secret ns/own has no key nothing"));
        assert!(wrong(&"x".repeat(MAX_TEMPLATE + 1)).contains("longer than"));
    }
}
