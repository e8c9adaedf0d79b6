//! The head of a manifest: what sorting needs to know of a document, and how it is found in plain ones without reading the
//! rest.

use std::collections::BTreeMap;

use crate::yaml::{Limits, Meaning, PlainScalar, Sink, read_plain};

/// What sorting needs of a document.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Head {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: String,
    pub(super) annotations: BTreeMap<String, String>,
}

/// The head of a plain document whose fields are what they should be: texts, each once, spelled as Kubernetes spells them.
/// All else is left to the decoder.
pub(super) fn plain_head(text: &str, limits: &Limits) -> Option<Head> {
    let mut reader = Reader::default();
    read_plain(text, limits, &mut reader)?;
    Some(reader.head)
}

/// A field that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Field {
    #[default]
    Other,
    ApiVersion,
    Kind,
    Metadata,
    Name,
    Annotations,
}

#[derive(Default)]
struct Reader {
    head: Head,
    /// How many collections are open.
    depth: usize,
    /// The last key of the document, and of its metadata.
    outer: Field,
    inner: Field,
    /// The last key of the annotations.
    annotation: String,
    /// The fields that were there, as bits.
    seen: u8,
}

impl Reader {
    /// Which of the fields a key is.
    fn field(&mut self, key: &str, fields: &[(&str, Field)]) -> Option<Field> {
        let Some((name, field)) = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)) else {
            return Some(Field::Other);
        };
        let bit = 1 << *field as u8;
        if *name != key || self.seen & bit != 0 {
            return None;
        }
        self.seen |= bit;
        Some(*field)
    }
}

impl Sink for Reader {
    fn key(&mut self, key: &str) -> Option<()> {
        use Field::{Annotations, ApiVersion, Kind, Metadata, Name};
        match (self.depth, self.outer, self.inner) {
            (1, _, _) => {
                let fields = [("apiVersion", ApiVersion), ("kind", Kind), ("metadata", Metadata)];
                self.outer = self.field(key, &fields)?;
            }
            (2, Metadata, _) => {
                self.inner = self.field(key, &[("name", Name), ("annotations", Annotations)])?;
            }
            (3, Metadata, Annotations) => key.clone_into(&mut self.annotation),
            _ => {}
        }
        Some(())
    }

    fn scalar(&mut self, scalar: &PlainScalar<'_>) -> Option<()> {
        // What is null is as if it were not there.
        let text = || match scalar.meaning()? {
            Meaning::Text(text) => Some(text.into_owned()),
            Meaning::Null => Some(String::new()),
            _ => None,
        };
        let head = &mut self.head;
        match (self.depth, self.outer, self.inner) {
            (1, Field::ApiVersion, _) => head.api_version = text()?,
            (1, Field::Kind, _) => head.kind = text()?,
            (1, Field::Metadata, _) | (2, Field::Metadata, Field::Annotations)
                if !matches!(scalar.meaning()?, Meaning::Null) =>
            {
                return None;
            }
            (2, Field::Metadata, Field::Name) => head.name = text()?,
            (3, Field::Metadata, Field::Annotations) => {
                head.annotations.insert(std::mem::take(&mut self.annotation), text()?);
            }
            _ => {}
        }
        Some(())
    }

    fn open(&mut self, is_mapping: bool) -> Option<()> {
        let odd = match (self.depth, self.outer, self.inner) {
            (1, Field::ApiVersion | Field::Kind, _)
            | (2, Field::Metadata, Field::Name)
            | (3, Field::Metadata, Field::Annotations) => true,
            (1, Field::Metadata, _) | (2, Field::Metadata, Field::Annotations) => !is_mapping,
            _ => false,
        };
        self.depth += 1;
        (!odd).then_some(())
    }

    fn close(&mut self) -> Option<()> {
        self.depth -= 1;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_of_a_plain_document_is_found_and_an_odd_one_is_left_alone() {
        let text = "kind: Job\napiVersion: v1\nmetadata:\n  labels:\n    name: other\n    annotations: x\n  name: j\n  annotations:\n    \"a/b\": \"1\"\n    c: |\n      d\nspec:\n  kind: no\n  metadata:\n    name: no\n    annotations: 1\n";
        let head = plain_head(text, &Limits::default()).unwrap();
        assert_eq!((&*head.kind, &*head.api_version, &*head.name), ("Job", "v1", "j"));
        let annotations: Vec<(&str, &str)> = head.annotations.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(annotations, [("a/b", "1"), ("c", "d\n")]);
        for odd in [
            "kind: 1\n",
            "kind:\n  a: b\n",
            "Kind: Job\n",
            "kind: A\nkind: B\n",
            "metadata: {}\nmetadata: {}\n",
            "metadata:\n- name: a\n",
            "metadata: text\n",
            "metadata:\n  annotations: 1\n",
            "metadata:\n  annotations:\n    a: true\n",
            "metadata:\n  annotations:\n    a:\n    - b\n",
        ] {
            assert_eq!(plain_head(odd, &Limits::default()), None, "{odd}");
        }
        for empty in
            ["metadata:\n  annotations: {}\n", "metadata:\n  name:\n  annotations:\nkind: ~\n", "# a\n"]
        {
            assert_eq!(plain_head(empty, &Limits::default()), Some(Head::default()), "{empty}");
        }
    }
}
