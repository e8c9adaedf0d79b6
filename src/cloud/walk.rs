//! Checks a YAML tree against one of the published schemas, with the line and column of everything that is wrong.
//!
//! Because the schema is generated from the types, the loader and an editor that uses the published schema refuse the
//! same files. Only the keywords that `schemars` writes for [`super::spec`] are known here; a test fails on any other.

use serde_json::Value;

use super::problem::{Problem, ProblemKind, nearest};
use crate::yaml::{Node, Tag, Value as Yaml};

/// Collects what is wrong with `node`.
pub(super) fn check(node: &Node, root: &Value, file: &str, problems: &mut Vec<Problem>) {
    Walk { root, file, problems }.node(node, root, &mut Vec::new());
}

struct Walk<'a> {
    root: &'a Value,
    file: &'a str,
    problems: &'a mut Vec<Problem>,
}

impl<'a> Walk<'a> {
    fn report(&mut self, kind: ProblemKind, node: &Node, path: &[String], message: &str) -> &mut Problem {
        let place = if path.is_empty() { String::new() } else { format!("{}: ", dotted(path)) };
        self.problems.push(Problem::new(kind, self.file, format!("{place}{message}")).at(node.pos));
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    fn resolve(&self, mut schema: &'a Value) -> &'a Value {
        // One step is enough for `$ref` to a definition; definitions of definitions are bounded by the schema's size.
        for _ in 0..16 {
            match schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#')) {
                Some(pointer) => schema = self.root.pointer(pointer).unwrap_or(&Value::Null),
                None => break,
            }
        }
        schema
    }

    fn node(&mut self, node: &Node, schema: &'a Value, path: &mut Vec<String>) {
        let schema = self.resolve(schema);
        if let Some(options) = schema.get("anyOf").and_then(Value::as_array) {
            // `anyOf: [X, null]`: an optional field.
            let null = |s: &&Value| s.get("type").and_then(Value::as_str) == Some("null");
            if node.is_null() && options.iter().any(|s| null(&s)) {
                return;
            }
            if let Some(option) = options.iter().find(|s| !null(s)) {
                self.node(node, option, path);
            }
            return;
        }
        if let Some(words) = words(schema) {
            self.word(node, &words, path);
            return;
        }
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(many)) => many.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let is = type_of(node);
        if !types.is_empty() && !types.contains(&is) {
            let want =
                types.iter().filter(|t| **t != "null").map(|t| plain(t)).collect::<Vec<_>>().join(" or ");
            let have = match node.text() {
                // YAML 1.1, which Go's readers follow, has surprising booleans: y, n, yes, no, on, off.
                Some(text) if is == "boolean" => format!("the boolean {text}"),
                Some(text) if is == "string" => format!("the text {text:?}"),
                Some(text) if is != "null" => format!("the number {text}"),
                _ => plain(is).to_owned(),
            };
            let quotes = want == "text" && node.text().is_some() && is != "null";
            let problem =
                self.report(ProblemKind::WrongType, node, path, &format!("expected {want}, found {have}"));
            if quotes {
                problem.hint = Some("put it in quotes".to_owned());
            }
            return;
        }
        match &node.value {
            Yaml::Scalar(scalar) => self.text(node, &scalar.text, schema, path),
            Yaml::Sequence(items) => {
                let least = schema.get("minItems").and_then(Value::as_u64).unwrap_or(0);
                if (items.len() as u64) < least {
                    self.report(ProblemKind::BadValue, node, path, &format!("needs at least {least} entry"));
                }
                if let Some(inner) = schema.get("items") {
                    for (i, item) in items.iter().enumerate() {
                        path.push(format!("[{i}]"));
                        self.node(item, inner, path);
                        path.pop();
                    }
                }
            }
            Yaml::Mapping(_) => self.mapping(node, schema, path),
        }
    }

    fn mapping(&mut self, node: &Node, schema: &'a Value, path: &mut Vec<String>) {
        let Some(map) = node.as_map() else { return };
        let properties = schema.get("properties").and_then(Value::as_object);
        let more = schema.get("additionalProperties");
        let mut seen: Vec<(&str, u32)> = Vec::new();
        for entry in &map.entries {
            let Some(key) = entry.key.text() else {
                self.report(ProblemKind::WrongType, &entry.key, path, "a key must be text");
                continue;
            };
            if let Some((_, line)) = seen.iter().find(|(other, _)| *other == key) {
                let message = format!("{key:?} is set twice, first in line {line}");
                self.report(ProblemKind::Duplicate, &entry.key, path, &message).hint =
                    Some("remove one of them".to_owned());
                continue;
            }
            seen.push((key, entry.key.pos.line));
            path.push(key.to_owned());
            match (properties.and_then(|p| p.get(key)), more) {
                (Some(inner), _) => self.node(&entry.value, inner, path),
                (None, Some(Value::Bool(false))) => {
                    path.pop();
                    let known: Vec<&str> =
                        properties.map(|p| p.keys().map(String::as_str).collect()).unwrap_or_default();
                    let hint = match nearest(key, known.iter().copied()) {
                        Some(word) => format!("did you mean {word:?}?"),
                        None => format!("known here: {}", known.join(", ")),
                    };
                    self.report(
                        ProblemKind::UnknownField,
                        &entry.key,
                        path,
                        &format!("unknown field {key:?}"),
                    )
                    .hint = Some(hint);
                    continue;
                }
                (None, Some(inner @ Value::Object(_))) => self.node(&entry.value, inner, path),
                (None, _) => {}
            }
            path.pop();
        }
        for name in schema.get("required").and_then(Value::as_array).into_iter().flatten() {
            let name = name.as_str().unwrap_or_default();
            if !seen.iter().any(|(key, _)| *key == name) {
                self.report(ProblemKind::MissingField, node, path, &format!("the field {name:?} is missing"));
            }
        }
    }

    fn text(&mut self, node: &Node, text: &str, schema: &Value, path: &[String]) {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        if let (Ok(number), true) = (text.parse::<f64>(), type_of(node) == "integer") {
            let (least, most) = (bound("minimum"), bound("maximum"));
            if least.is_some_and(|n| number < n) || most.is_some_and(|n| number > n) {
                let range = match (least, most) {
                    (Some(least), Some(most)) => format!("between {least} and {most}"),
                    (Some(least), None) => format!("at least {least}"),
                    (None, most) => format!("at most {}", most.unwrap_or_default()),
                };
                self.report(ProblemKind::BadValue, node, path, &format!("{text} is not {range}"));
            }
        }
        let Some(pattern) = schema.get("pattern").and_then(Value::as_str) else { return };
        if node.is_null() {
            return;
        }
        if regex::Regex::new(pattern).is_ok_and(|regex| !regex.is_match(text)) {
            let expected = match pattern {
                super::spec::NAME_PATTERN => {
                    "is not a name (lower-case letters, digits and dashes, at most 63, a letter or digit at both ends)"
                }
                super::duration::PATTERN => "is not a duration such as 90s, 30m or 1h30m",
                super::spec::COMMIT_PATTERN => "is not a full commit id (40 lower-case hexadecimal digits)",
                super::spec::POINTER_PATTERN => {
                    "is not a JSON pointer; it starts with /, for instance /spec/replicas"
                }
                _ => "is not of the expected form",
            };
            self.report(ProblemKind::BadValue, node, path, &format!("{text:?} {expected}"));
        }
    }

    fn word(&mut self, node: &Node, words: &[&str], path: &[String]) {
        let Some(text) = node.text() else {
            let message = format!("expected one of {}, found {}", words.join(", "), plain(type_of(node)));
            self.report(ProblemKind::WrongType, node, path, &message);
            return;
        };
        if words.contains(&text) {
            return;
        }
        let hint = match nearest(text, words.iter().copied()) {
            Some(word) => format!("did you mean {word:?}?"),
            None => format!("expected {}", words.join(" or ")),
        };
        self.report(ProblemKind::BadValue, node, path, &format!("{text:?} is not known here")).hint =
            Some(hint);
    }
}

/// The words of a `oneOf` of constants, an `enum` or a `const`.
fn words(schema: &Value) -> Option<Vec<&str>> {
    if let Some(one) = schema.get("const").and_then(Value::as_str) {
        return Some(vec![one]);
    }
    if let Some(list) = schema.get("enum").and_then(Value::as_array) {
        return Some(list.iter().filter_map(Value::as_str).collect());
    }
    let options = schema.get("oneOf")?.as_array()?;
    options.iter().map(words).collect::<Option<Vec<_>>>().map(|all| all.concat())
}

/// JSON Schema's name of a node's type. Dates are text, as they are in JSON.
fn type_of(node: &Node) -> &'static str {
    match &node.value {
        Yaml::Sequence(_) => "array",
        Yaml::Mapping(_) => "object",
        Yaml::Scalar(scalar) => match scalar.tag {
            Tag::Null => "null",
            Tag::Bool => "boolean",
            Tag::Int => "integer",
            Tag::Float => "number",
            Tag::Str | Tag::Timestamp | Tag::Binary | Tag::Other(_) => "string",
        },
    }
}

/// A type in words.
fn plain(name: &str) -> &str {
    match name {
        "string" => "text",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a map",
        "null" => "nothing",
        "integer" => "a whole number",
        "number" => "a number",
        other => other,
    }
}

fn dotted(path: &[String]) -> String {
    let mut out = String::new();
    for part in path {
        if !out.is_empty() && !part.starts_with('[') {
            out.push('.');
        }
        out.push_str(part);
    }
    out
}
