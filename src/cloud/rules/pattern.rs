//! Paths with wildcards into JSON, and names with `*`.

use regex::Regex;
use serde_json::Value;

/// A JSON pointer in which `*` is any one key or index and `**` any number of them, none included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Key(String),
    Any,
    Deep,
}

/// A value that a path leads to, with the map or list that holds it.
#[derive(Debug, Clone, Copy)]
pub struct Found<'a> {
    /// The value.
    pub value: &'a Value,
    /// What holds it.
    pub parent: Option<&'a Value>,
}

impl Path {
    /// Reads `/spec/template/**/containers/*/image`.
    ///
    /// # Errors
    /// If it does not begin with a slash.
    pub fn parse(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(format!("path {text:?} does not begin with a slash"));
        };
        let part = |p: &str| match p {
            "*" => Part::Any,
            "**" => Part::Deep,
            key => Part::Key(key.replace("~1", "/").replace("~0", "~")),
        };
        Ok(Self(rest.split('/').map(part).collect()))
    }

    /// Whether it leads to one place at most.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.0.iter().all(|p| matches!(p, Part::Key(_)))
    }

    /// Everything it leads to, in the order of the document.
    #[must_use]
    pub fn find<'a>(&self, value: &'a Value) -> Vec<Found<'a>> {
        let mut out = Vec::new();
        walk(&self.0, value, None, &mut out);
        out
    }

    /// The texts it leads to.
    pub fn texts<'a>(&self, value: &'a Value) -> impl Iterator<Item = &'a str> + use<'a> {
        self.find(value).into_iter().filter_map(|f| f.value.as_str())
    }
}

fn walk<'a>(parts: &[Part], value: &'a Value, parent: Option<&'a Value>, out: &mut Vec<Found<'a>>) {
    let Some((first, rest)) = parts.split_first() else {
        out.push(Found { value, parent });
        return;
    };
    let each = |parts: &[Part], out: &mut Vec<Found<'a>>| match value {
        Value::Object(map) => map.values().for_each(|v| walk(parts, v, Some(value), out)),
        Value::Array(list) => list.iter().for_each(|v| walk(parts, v, Some(value), out)),
        _ => {}
    };
    match first {
        Part::Key(key) => {
            let found = match value {
                Value::Object(map) => map.get(key),
                Value::Array(list) => key.parse::<usize>().ok().and_then(|i| list.get(i)),
                _ => None,
            };
            if let Some(found) = found {
                walk(rest, found, Some(value), out);
            }
        }
        Part::Any => each(rest, out),
        Part::Deep => {
            walk(rest, value, parent, out);
            each(parts, out);
        }
    }
}

/// A text in which `*` is any text, as a regular expression for the whole of it.
///
/// # Errors
/// If it is too large to be one.
pub fn glob(text: &str) -> Result<Regex, String> {
    let inner: Vec<String> = text.split('*').map(regex::escape).collect();
    Regex::new(&format!("(?s)^{}$", inner.join(".*"))).map_err(|e| format!("{text:?}: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(path: &str, value: &Value) -> Vec<String> {
        Path::parse(path).unwrap().find(value).iter().map(|f| f.value.to_string()).collect()
    }

    #[test]
    fn wildcards_lead_to_every_place() {
        let value = json!({"spec": {"containers": [{"image": "a"}, {"image": "b"}], "t": {"containers": [{"image": "c"}]}}});
        assert_eq!(found("/spec/containers/*/image", &value), ["\"a\"", "\"b\""]);
        assert_eq!(found("/**/containers/*/image", &value), ["\"a\"", "\"b\"", "\"c\""]);
        assert_eq!(found("/spec/containers/1/image", &value), ["\"b\""]);
        assert_eq!(found("/spec/none", &value), Vec::<String>::new());
        assert!(Path::parse("spec").is_err());
    }

    #[test]
    fn keys_with_slashes_are_escaped_as_in_json_pointers() {
        let value = json!({"annotations": {"cert-manager.io/issuer": "x"}});
        assert_eq!(found("/annotations/cert-manager.io~1issuer", &value), ["\"x\""]);
    }

    #[test]
    fn a_star_in_a_name_is_any_text_and_a_dot_is_a_dot() {
        let pattern = glob("openstack/*-db.password").unwrap();
        assert!(pattern.is_match("openstack/nova-db.password"));
        assert!(!pattern.is_match("openstack/nova-db-password"));
        assert!(!pattern.is_match("x openstack/nova-db.password"));
    }
}
