//! Paths into objects, as `spec.drift` writes them: JSON pointers (RFC 6901) whose steps into a list may also name an
//! element by one of its fields.
//!
//! | step | means |
//! |---|---|
//! | `replicas` | the field of that name (`~1` for `/`, `~0` for `~`) |
//! | `0` | in a list: the element at that place in the rendered object |
//! | `[name=api]`, or `containers[name=api]` | in a list: the elements whose field has that value |
//! | `*` | in a list: every element; in a map: every field |
//!
//! A path is resolved against the rendered object. An element is then known by its content, so that it is found again
//! in the live object wherever it stands there.

use serde_json::Value;

/// How long a path may be.
const MAX_TEXT: usize = 1_024;
/// How many steps it may have.
const MAX_STEPS: usize = 32;
/// How many places one path may resolve to in one object.
const MAX_PLACES: usize = 1_000;

/// A path as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldPath {
    text: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Key(String),
    Select { field: String, value: String },
    Every,
}

/// One step of a path in one object.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// A field of a map.
    Field(String),
    /// An element of a list: its place in the rendered object, and the element itself.
    Item(usize, Value),
}

/// A path in one object.
pub type Place = Vec<Step>;

impl std::fmt::Display for FieldPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl FieldPath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it, without a place: the caller knows the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_TEXT {
            return Err(format!("the path is longer than {MAX_TEXT} bytes"));
        }
        let rest = text.strip_prefix('/').ok_or_else(|| {
            format!("{text:?} is not a path: it begins with /, for instance /spec/replicas")
        })?;
        let mut parts = Vec::new();
        for segment in segments(rest) {
            let (key, selectors) = match segment.find('[') {
                Some(at) => segment.split_at(at),
                None => (segment, ""),
            };
            match key {
                "" if selectors.is_empty() => {
                    return Err(format!("{text:?} has an empty step; name a field between the slashes"));
                }
                "" => {}
                "*" => parts.push(Part::Every),
                key => parts.push(Part::Key(unescape(key).ok_or_else(|| {
                    format!("{text:?}: in {key:?} a ~ is not followed by 0 or 1 (~0 is ~, ~1 is /)")
                })?)),
            }
            select(selectors, text, &mut parts)?;
        }
        if parts.len() > MAX_STEPS {
            return Err(format!("{text:?} has more than {MAX_STEPS} steps"));
        }
        let key = |at: usize| match parts.get(at) {
            Some(Part::Key(key)) => key.as_str(),
            _ => "",
        };
        let identity = matches!(
            (key(0), key(1), parts.len()),
            ("apiVersion" | "kind", ..)
                | ("metadata", _, 1)
                | ("metadata", "name" | "namespace" | "uid" | "managedFields", _)
        );
        if identity || matches!(parts.first(), Some(Part::Every)) {
            return Err(format!("{text:?} is a part of what the object is; it cannot be left to others"));
        }
        Ok(Self { text: text.to_owned(), parts })
    }

    /// The places that the path means in a rendered object; none where a field on the way is not set.
    ///
    /// # Errors
    /// When the object is built otherwise: a field of a list or of a plain value.
    pub fn places(&self, object: &Value) -> Result<Vec<Place>, String> {
        let mut found: Vec<(Place, &Value)> = vec![(Vec::new(), object)];
        for (depth, part) in self.parts.iter().enumerate() {
            let mut next = Vec::new();
            for (place, node) in found {
                self.step(depth, part, &place, node, &mut next)?;
                if next.len() > MAX_PLACES {
                    return Err(format!("{} means more than {MAX_PLACES} places", self.text));
                }
            }
            found = next;
        }
        Ok(found.into_iter().map(|(place, _)| place).collect())
    }

    /// Whether an element of a list is named, by a selector or by its number.
    #[must_use]
    pub fn names_an_element(&self) -> bool {
        self.parts.iter().any(|part| match part {
            Part::Key(key) => key.bytes().all(|b| b.is_ascii_digit()),
            Part::Select { .. } => true,
            Part::Every => false,
        })
    }

    /// Where the path ends in an object that does not have it: the field that is missing, and those that are there.
    #[must_use]
    pub fn ends_at<'v>(&self, object: &'v Value) -> Option<(&str, Vec<&'v str>)> {
        let mut nodes: Vec<&'v Value> = vec![object];
        for part in &self.parts {
            let mut next: Vec<&'v Value> = Vec::new();
            for node in nodes.iter().copied() {
                match (part, node) {
                    (Part::Key(key), Value::Object(map)) => next.extend(map.get(key)),
                    (Part::Key(key), Value::Array(items)) => {
                        next.extend(key.parse::<usize>().ok().and_then(|at| items.get(at)));
                    }
                    (Part::Every, Value::Object(map)) => next.extend(map.values()),
                    (Part::Select { .. } | Part::Every, Value::Array(items)) => next.extend(items),
                    _ => {}
                }
                next.truncate(MAX_PLACES);
            }
            if next.is_empty() {
                let Part::Key(key) = part else { return None };
                let keys =
                    nodes.iter().filter_map(|n| n.as_object()).flat_map(|m| m.keys()).map(String::as_str);
                return Some((key, keys.collect()));
            }
            nodes = next;
        }
        None
    }

    fn step<'v>(
        &self,
        depth: usize,
        part: &Part,
        place: &Place,
        node: &'v Value,
        out: &mut Vec<(Place, &'v Value)>,
    ) -> Result<(), String> {
        let mut push = |step: Step, node: &'v Value| {
            let mut place = place.clone();
            place.push(step);
            out.push((place, node));
        };
        let wrong = |what: &str| Err(format!("{}: {} {what}", self.text, show(&self.parts[..depth])));
        match (part, node) {
            (Part::Key(key), Value::Object(map)) => {
                if let Some(value) = map.get(key) {
                    push(Step::Field(key.clone()), value);
                }
            }
            (Part::Key(key), Value::Array(items)) => match key.parse::<usize>() {
                Ok(at) => {
                    if let Some(item) = items.get(at) {
                        push(Step::Item(at, item.clone()), item);
                    }
                }
                Err(_) => {
                    return wrong("is a list; name an element by [name=...] or by its number from 0");
                }
            },
            (Part::Select { field, value }, Value::Array(items)) => {
                for (at, item) in items.iter().enumerate() {
                    let same = match item.get(field) {
                        Some(Value::String(text)) => text == value,
                        Some(other) => {
                            let text = other.to_string();
                            text == *value
                        }
                        None => false,
                    };
                    if same {
                        push(Step::Item(at, item.clone()), item);
                    }
                }
            }
            (Part::Select { .. }, Value::Object(_)) => {
                return wrong("is a map, not a list; name a field of it");
            }
            (Part::Every, Value::Array(items)) => {
                for (at, item) in items.iter().enumerate() {
                    push(Step::Item(at, item.clone()), item);
                }
            }
            (Part::Every, Value::Object(map)) => {
                for (key, value) in map {
                    push(Step::Field(key.clone()), value);
                }
            }
            (_, Value::Null) => {}
            _ => return wrong("is a plain value; nothing is inside of it"),
        }
        Ok(())
    }
}

fn show(parts: &[Part]) -> String {
    if parts.is_empty() {
        return "the object".to_owned();
    }
    parts
        .iter()
        .map(|part| match part {
            Part::Key(key) => format!("/{key}"),
            Part::Select { field, value } => format!("[{field}={value}]"),
            Part::Every => "/*".to_owned(),
        })
        .collect()
}

/// Splits at slashes outside of brackets.
fn segments(text: &str) -> Vec<&str> {
    let (mut out, mut start, mut inside) = (Vec::new(), 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            '/' if !inside => {
                out.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    out.push(&text[start..]);
    out
}

fn unescape(key: &str) -> Option<String> {
    let mut out = String::with_capacity(key.len());
    let mut chars = key.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '~' => match chars.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(out)
}

fn select(mut text: &str, whole: &str, parts: &mut Vec<Part>) -> Result<(), String> {
    while !text.is_empty() {
        let inner = text.strip_prefix('[').and_then(|t| t.split_once(']'));
        let Some(((field, value), rest)) = inner
            .and_then(|(inner, rest)| Some((inner.split_once('=')?, rest)))
            .filter(|((f, _), _)| !f.is_empty())
        else {
            return Err(format!(
                "{whole:?}: {text:?} is not a selector; write [field=value], for instance [name=api]"
            ));
        };
        parts.push(Part::Select {
            field: field.to_owned(),
            value: value.trim_matches(['"', '\'']).to_owned(),
        });
        text = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn places(path: &str, object: &Value) -> Vec<String> {
        let found = FieldPath::parse(path).unwrap().places(object).unwrap();
        let step = |s: &Step| match s {
            Step::Field(name) => name.clone(),
            Step::Item(at, _) => at.to_string(),
        };
        found.iter().map(|p| p.iter().map(step).collect::<Vec<_>>().join(".")).collect()
    }

    #[test]
    fn pointers_indices_selectors_and_stars_find_their_places() {
        let object = json!({"spec": {"a/b": 1, "replicas": 2, "containers": [
            {"name": "one", "ports": [{"port": 80}, {"port": 443}]}, {"name": "two"}]}});
        assert_eq!(places("/spec/replicas", &object), ["spec.replicas"]);
        assert_eq!(places("/spec/a~1b", &object), ["spec.a/b"]);
        assert_eq!(places("/spec/containers/1/name", &object), ["spec.containers.1.name"]);
        assert_eq!(places("/spec/containers/[name=one]", &object), ["spec.containers.0"]);
        assert_eq!(
            places("/spec/containers[name=one]/ports[port=443]", &object),
            ["spec.containers.0.ports.1"]
        );
        assert_eq!(
            places("/spec/containers/*/name", &object),
            ["spec.containers.0.name", "spec.containers.1.name"]
        );
        assert_eq!(places("/spec/missing/field", &object), Vec::<String>::new());
        assert_eq!(places("/spec/containers/[name=three]/image", &object), Vec::<String>::new());
    }

    #[test]
    fn a_malformed_path_says_what_is_wrong() {
        for (path, says) in [
            ("spec/replicas", "begins with /"),
            ("/", "empty step"),
            ("/spec//x", "empty step"),
            ("/spec/a~2b", "not followed by 0 or 1"),
            ("/spec/containers[api]/image", "not a selector"),
            ("/spec/containers[name=api/image", "not a selector"),
            ("/metadata", "a part of what the object is"),
            ("/metadata/name", "a part of what the object is"),
            ("/kind", "a part of what the object is"),
            ("/*", "a part of what the object is"),
        ] {
            let error = FieldPath::parse(path).unwrap_err();
            assert!(error.contains(says), "{path}: {error}");
        }
        assert!(FieldPath::parse(&"/a".repeat(33)).unwrap_err().contains("steps"));
        assert!(FieldPath::parse(&format!("/{}", "a".repeat(1_100))).unwrap_err().contains("longer"));
    }

    #[test]
    fn a_path_that_cannot_match_says_why() {
        let object = json!({"spec": {"replicas": 2, "containers": [{"name": "one"}], "map": {"a": 1}}});
        for (path, says) in [
            ("/spec/containers/name", "/spec/containers is a list"),
            ("/spec/replicas/x", "/spec/replicas is a plain value"),
            ("/spec/map[name=x]", "/spec/map is a map, not a list"),
        ] {
            let error = FieldPath::parse(path).unwrap().places(&object).unwrap_err();
            assert!(error.contains(says), "{path}: {error}");
        }
    }
}
