//! The drafts of JSON Schema: their metaschemas, and where a schema holds other schemas.

/// A version of JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Draft {
    D4,
    D6,
    D7,
    D2019,
    D2020,
}

use Draft::{D4, D6, D7, D2019, D2020};

/// What a schema without `$schema` is taken for.
pub(super) const LATEST: Draft = D2020;

/// How a keyword holds schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    One,
    List,
    Members,
    OneOrList,
}

/// Keywords with schemas, and the draft that brought them.
pub(super) const SUBSCHEMAS: &[(&str, Holds, Draft)] = &[
    ("definitions", Holds::Members, D4),
    ("not", Holds::One, D4),
    ("allOf", Holds::List, D4),
    ("anyOf", Holds::List, D4),
    ("oneOf", Holds::List, D4),
    ("properties", Holds::Members, D4),
    ("additionalProperties", Holds::One, D4),
    ("patternProperties", Holds::Members, D4),
    ("items", Holds::OneOrList, D4),
    ("additionalItems", Holds::One, D4),
    ("dependencies", Holds::Members, D4),
    ("propertyNames", Holds::One, D6),
    ("contains", Holds::One, D6),
    ("if", Holds::One, D7),
    ("then", Holds::One, D7),
    ("else", Holds::One, D7),
    ("$defs", Holds::Members, D2019),
    ("dependentSchemas", Holds::Members, D2019),
    ("unevaluatedProperties", Holds::One, D2019),
    ("unevaluatedItems", Holds::One, D2019),
    ("contentSchema", Holds::One, D2019),
    ("prefixItems", Holds::List, D2020),
];

impl Draft {
    /// The draft of a `$schema`.
    pub(super) fn of_url(url: &str) -> Option<Self> {
        let (url, fragment) = super::address::split(url);
        if !fragment.is_empty() {
            return None;
        }
        let bare = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://")).unwrap_or(url);
        match bare {
            "json-schema.org/schema" => Some(LATEST),
            "json-schema.org/draft/2020-12/schema" => Some(D2020),
            "json-schema.org/draft/2019-09/schema" => Some(D2019),
            "json-schema.org/draft-07/schema" => Some(D7),
            "json-schema.org/draft-06/schema" => Some(D6),
            "json-schema.org/draft-04/schema" => Some(D4),
            _ => None,
        }
    }

    pub(super) fn url(self) -> &'static str {
        match self {
            D4 => "http://json-schema.org/draft-04/schema",
            D6 => "http://json-schema.org/draft-06/schema",
            D7 => "http://json-schema.org/draft-07/schema",
            D2019 => "https://json-schema.org/draft/2019-09/schema",
            D2020 => "https://json-schema.org/draft/2020-12/schema",
        }
    }

    /// The keyword that names a schema.
    pub(super) fn id_keyword(self) -> &'static str {
        if self == D4 { "id" } else { "$id" }
    }

    /// The groups of keywords that hold without being asked for.
    pub(super) fn default_vocabularies(self) -> &'static [&'static str] {
        match self {
            D2019 => &["core", "applicator", "validation"],
            D2020 => &["core", "applicator", "unevaluated", "validation"],
            _ => &[],
        }
    }

    /// The name of a vocabulary that this draft has.
    pub(super) fn vocabulary(self, url: &str) -> Option<&str> {
        let (prefix, names): (_, &[&str]) = match self {
            D2019 => (
                "https://json-schema.org/draft/2019-09/vocab/",
                &["core", "applicator", "validation", "meta-data", "format", "content"],
            ),
            D2020 => (
                "https://json-schema.org/draft/2020-12/vocab/",
                &[
                    "core",
                    "applicator",
                    "unevaluated",
                    "validation",
                    "meta-data",
                    "format-annotation",
                    "format-assertion",
                    "content",
                ],
            ),
            _ => return None,
        };
        url.strip_prefix(prefix).filter(|name| names.contains(name))
    }
}

/// A metaschema's text. They are the documents of json-schema.org, without blanks.
pub(super) fn metaschema(url: &str) -> Option<&'static str> {
    let path = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"))?;
    Some(match path.strip_prefix("json-schema.org/")? {
        "draft-04/schema" => include_str!("meta/draft-04.json"),
        "draft-06/schema" => include_str!("meta/draft-06.json"),
        "draft-07/schema" => include_str!("meta/draft-07.json"),
        "draft/2019-09/schema" => include_str!("meta/2019-09.json"),
        "draft/2019-09/meta/core" => include_str!("meta/2019-09-core.json"),
        "draft/2019-09/meta/applicator" => include_str!("meta/2019-09-applicator.json"),
        "draft/2019-09/meta/validation" => include_str!("meta/2019-09-validation.json"),
        "draft/2019-09/meta/meta-data" => include_str!("meta/2019-09-meta-data.json"),
        "draft/2019-09/meta/format" => include_str!("meta/2019-09-format.json"),
        "draft/2019-09/meta/content" => include_str!("meta/2019-09-content.json"),
        "draft/2020-12/schema" | "schema" => include_str!("meta/2020-12.json"),
        "draft/2020-12/meta/core" => include_str!("meta/2020-12-core.json"),
        "draft/2020-12/meta/applicator" => include_str!("meta/2020-12-applicator.json"),
        "draft/2020-12/meta/unevaluated" => include_str!("meta/2020-12-unevaluated.json"),
        "draft/2020-12/meta/validation" => include_str!("meta/2020-12-validation.json"),
        "draft/2020-12/meta/meta-data" => include_str!("meta/2020-12-meta-data.json"),
        "draft/2020-12/meta/format-annotation" => include_str!("meta/2020-12-format-annotation.json"),
        "draft/2020-12/meta/format-assertion" => include_str!("meta/2020-12-format-assertion.json"),
        "draft/2020-12/meta/content" => include_str!("meta/2020-12-content.json"),
        _ => return None,
    })
}
