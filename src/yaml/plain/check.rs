//! Whether a text is plain, and nothing else of it.

use super::{Limits, Scalar, Sink, read_plain};

/// Whether a text is what [`read_plain`] takes and whose scalars all have a meaning.
#[must_use]
pub fn is_plain(text: &str, limits: &Limits) -> bool {
    read_plain(text, limits, &mut Check).is_some()
}

struct Check;

impl Sink for Check {
    fn key(&mut self, _: &str) -> Option<()> {
        Some(())
    }

    fn scalar(&mut self, scalar: &Scalar<'_>) -> Option<()> {
        match scalar {
            Scalar::Block(block) => block.has_meaning().then_some(()),
            _ => Some(()),
        }
    }

    fn open(&mut self, _: bool) -> Option<()> {
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::read_plain_json;

    #[test]
    fn a_text_is_plain_just_when_it_can_be_read_so() {
        for text in [
            "a: 1\nb:\n- x\n- y: |\n    text\n",
            "a: >\n  folded\n",
            "a: |\n  no line break at the end",
            "a: [1]\n",
            "a: &x 1\n",
            "- a\n",
            "",
            "# only a comment\n",
            "a: \"x\\ty\"\nb: 'c'\nc: 0x1F\nd: ~\n",
        ] {
            let limits = Limits::default();
            assert_eq!(is_plain(text, &limits), read_plain_json(text, &limits).is_some(), "{text:?}");
        }
    }
}
