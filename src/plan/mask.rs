//! What must not be in a text that leaves the process: log lines, Events, errors, explanations. Pure.
//!
//! Known values are replaced wherever they stand; credentials in URLs and what follows words such as `password` are
//! replaced by their looks, because a log may hold secrets that no Secret of the cloud has.

use base64::Engine as _;
use serde_json::Value;

/// What stands for a secret.
const MASKED: &str = "<masked>";
/// Shorter values are no secrets, and would blot out half of a log.
const SHORTEST: usize = 4;

/// The values that must not be shown.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    /// Longest first: a longer value may contain a shorter one.
    values: Vec<String>,
}

impl Mask {
    /// Takes a value; of one with several lines also each line.
    pub fn learn(&mut self, value: &str) {
        let parts = std::iter::once(value).chain(value.lines()).map(str::trim);
        self.values.extend(parts.filter(|p| p.len() >= SHORTEST).map(str::to_owned));
        self.values.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        self.values.dedup();
    }

    /// Takes the values of a Secret, as they are and in base64; not that of `username`: it is no secret, and often a word of every text (the
    /// service's own name).
    pub fn learn_secret(&mut self, secret: &Value) {
        let strings = |field: &str| {
            let all = secret[field].as_object().into_iter().flatten();
            all.filter(|(key, _)| *key != "username").filter_map(|(_, value)| value.as_str())
        };
        for value in strings("data") {
            self.learn(value);
            if let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(value) {
                self.learn(&String::from_utf8_lossy(&bytes));
            }
        }
        strings("stringData").for_each(|value| self.learn(value));
    }

    /// The text without known values, credentials in URLs, and what follows words such as `password` or `token`.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for value in self.values.iter().filter(|v| text.contains(v.as_str())) {
            out = out.replace(value.as_str(), MASKED);
        }
        mask_urls(&mask_words(&out))
    }
}

/// `password=x`, `"token": "x"`, `--secret-key x`.
fn mask_words(text: &str) -> String {
    const WORDS: [&str; 7] = ["password", "passwd", "passphrase", "secret", "token", "api_key", "apikey"];
    let mut out = Vec::new();
    let mut hide = false;
    for word in text.split(' ') {
        let lower = word.to_ascii_lowercase();
        let named = WORDS.iter().any(|w| lower.contains(w));
        let cut = word.find(['=', ':']).filter(|n| word.len() > n + 1 && !word[*n..].starts_with("://"));
        if hide && !word.is_empty() {
            out.push(MASKED.to_owned());
            hide = named && word.ends_with([':', '=']);
        } else if let Some(n) = cut.filter(|_| named) {
            out.push(format!("{}{MASKED}", &word[..=n]));
        } else {
            hide = named && (word.ends_with([':', '=']) || word.starts_with("--"));
            out.push(word.to_owned());
        }
    }
    out.join(" ")
}

/// `mysql://user:password@host`
fn mask_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        out.push_str(before);
        let end = after.find(|c: char| c.is_whitespace() || "/\"'|,;".contains(c)).unwrap_or(after.len());
        match after[..end].rfind('@') {
            Some(at) => {
                out.push_str(MASKED);
                rest = &after[at..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_text_is_shown_without_passwords_known_or_guessed() {
        let mut mask = Mask::default();
        mask.learn("s3cret-value");
        mask.learn("abc");
        let shown =
            mask.text("connect mysql://nova:hunter2@db/nova as s3cret-value abc password=x token: y ok");
        assert_eq!(
            shown,
            "connect mysql://<masked>@db/nova as <masked> abc password=<masked> token: <masked> ok"
        );
        assert_eq!(
            mask.text("nothing to hide: http://example.org:80/x a:b"),
            "nothing to hide: http://example.org:80/x a:b"
        );
    }

    #[test]
    fn the_values_of_a_secret_do_not_leave_in_clear_or_in_base64() {
        let mut mask = Mask::default();
        mask.learn_secret(&json!({"data": {"password": "aHVudGVyMg==", "short": "YQ=="}, "stringData": {"x": "plain-text"}}));
        assert_eq!(
            mask.text("login with hunter2 a (aHVudGVyMg==) plain-text"),
            "login with <masked> a (<masked>) <masked>"
        );
    }
}
