//! Patterns of selectors: the whole text must match; plain text is compared without a machine.

use regex::Regex;

use crate::goregex::compile;

/// A pattern that must match from end to end; plain text is compared without a machine.
#[derive(Debug, Clone)]
pub enum Anchored {
    /// Matches everything.
    Any,
    /// Matches one text.
    Text(String),
    /// Anything else.
    Pattern(Box<Regex>),
}

impl Anchored {
    /// From a selector's field; empty matches everything.
    ///
    /// # Errors
    /// As [`compile`].
    pub fn new(pattern: &str) -> Result<Self, String> {
        if pattern.is_empty() {
            Ok(Self::Any)
        } else if is_plain(pattern) {
            Ok(Self::Text(pattern.to_owned()))
        } else {
            Ok(Self::Pattern(Box::new(compile(&format!("^(?:{pattern})$"))?)))
        }
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Text(own) => own == text,
            Self::Pattern(regex) => regex.is_match(text),
        }
    }
}

/// Whether a pattern has no character with a meaning.
#[must_use]
pub fn is_plain(pattern: &str) -> bool {
    !pattern.contains(['\\', '.', '+', '*', '?', '(', ')', '|', '[', ']', '{', '}', '^', '$'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_pattern_is_anchored_around_all_its_alternatives() {
        let p = Anchored::new("a|b").unwrap();
        assert!(p.matches("a") && p.matches("b") && !p.matches("ab"));
        assert!(Anchored::new("").unwrap().matches("anything"));
    }
}
