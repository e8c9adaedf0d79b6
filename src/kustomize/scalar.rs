//! Scalars made without a tag: their type is what their text reads as.

use crate::yaml::Tag;

/// The type that a plain scalar with this text has.
#[must_use]
pub fn resolve(text: &str) -> Tag {
    crate::yaml::plain_tag_v3(text)
}
