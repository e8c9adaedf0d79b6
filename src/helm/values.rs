//! Values: reading files, merging layers, and the flags of `helm template`.
//!
//! A values tree is a JSON object in which a number read from a file is a `float64` and one from `--set` an `int64`
//! (serde_json keeps the two apart): templates can tell the difference. `null` deletes a chart's default later on.

use std::cell::Cell;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};

use crate::template::{self, sprig};
use crate::yaml::{self, Limits, Node, Tag};

use super::coalesce::{Table, table_from_json};
use super::decode::json_kind;
use super::error::Error;
use super::manifest::separators;
use super::strvals::{self, Mode};

/// Reads a values file: one or more YAML documents, merged in order.
///
/// # Errors
/// What the YAML reader says; the caller adds the file's name.
pub fn read_values(text: &str) -> Result<Map<String, Value>, String> {
    let mut out = Map::new();
    for (document, first_line) in documents(text)? {
        match yaml::read_plain_json(document, &Limits::default()) {
            Some(Value::Object(map)) if out.is_empty() => {
                out = map;
                continue;
            }
            Some(Value::Object(map)) => {
                merge(&mut out, map);
                continue;
            }
            Some(Value::Null) => continue,
            _ => {}
        }
        let node = yaml::read_v2_json(document, &Limits::default()).map_err(|mut e| {
            if e.pos.line > 0 {
                e.pos.line += first_line;
            }
            format!("cannot unmarshal yaml document: error converting YAML to JSON: {e}")
        })?;
        match to_json(&node) {
            Value::Null => {}
            Value::Object(map) => merge(&mut out, map),
            _ => {
                return Err(format!(
                    "cannot unmarshal yaml document: line {}: error unmarshaling JSON: while decoding JSON: json: \
                     cannot unmarshal {} into Go value of type map[string]interface {{}}",
                    first_line + 1,
                    json_kind(&node)
                ));
            }
        }
    }
    Ok(out)
}

/// A chart's default values: the file's text if it is plain YAML, which each render reads straight into a table of its
/// own, or else what it says.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// One plain document.
    plain: Option<Arc<[u8]>>,
    json: OnceLock<Map<String, Value>>,
}

thread_local! {
    /// The table that was made last to see that a text is plain, for the render that may follow.
    static LAST: Cell<Option<(Arc<[u8]>, Table)>> = const { Cell::new(None) };
}

impl Defaults {
    /// Reads a values.yaml.
    ///
    /// # Errors
    /// It is not UTF-8, or what [`read_values`] says.
    pub(super) fn read(bytes: Arc<[u8]>) -> Result<Self, String> {
        let text = simdutf8::compat::from_utf8(&bytes)
            .map_err(|e| format!("it is not UTF-8 (byte {})", e.valid_up_to()))?;
        let plain = if separators(text).count() <= 1 { sprig::read_plain(text) } else { None };
        Ok(match plain {
            Some(template::Value::Map(table)) => {
                LAST.set(Some((Arc::clone(&bytes), table)));
                Self { plain: Some(bytes), json: OnceLock::new() }
            }
            // Nothing but comments.
            Some(_) => Self { plain: None, json: Map::new().into() },
            None => Self { plain: None, json: read_values(text)?.into() },
        })
    }

    /// As JSON, the numbers `float64`. What is plain can be read: nothing is lost on the way.
    pub fn json(&self) -> &Map<String, Value> {
        self.json.get_or_init(|| self.text().and_then(|text| read_values(text).ok()).unwrap_or_default())
    }

    /// A new table.
    pub(super) fn table(&self) -> Table {
        if let Some((bytes, table)) = LAST.take() {
            if self.plain.as_ref().is_some_and(|plain| Arc::ptr_eq(plain, &bytes)) {
                return table;
            }
            LAST.set(Some((bytes, table)));
        }
        match self.text().and_then(sprig::read_plain) {
            Some(template::Value::Map(table)) => table,
            _ => table_from_json(self.json()),
        }
    }

    fn text(&self) -> Option<&str> {
        self.plain.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }
}

/// Cuts a stream at lines that start with `---`, each piece with the number of lines before it.
fn documents(text: &str) -> Result<Vec<(&str, u32)>, String> {
    if !text.is_empty() && separators(text).next().is_none() {
        return Ok(vec![(text, 0)]);
    }
    let mut out = Vec::new();
    let (mut start, mut first_line) = (0, 0);
    let mut at = 0;
    for (n, line) in (0_u32..).zip(text.split_inclusive('\n')) {
        if let Some(rest) = line.strip_prefix("---") {
            let rest = rest.trim();
            if !rest.is_empty() && !rest.starts_with('#') {
                return Err(format!(
                    "error reading yaml document: line {}: invalid Yaml document separator: {rest}",
                    n + 1
                ));
            }
            if start < at {
                out.push((&text[start..at], first_line));
                (start, first_line) = (at, n);
            }
        }
        at += line.len();
    }
    if start < text.len() {
        out.push((&text[start..], first_line));
    }
    Ok(out)
}

/// A YAML tree, normalised as JSON, as values: every number is a `float64`.
#[must_use]
pub fn to_json(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Sequence(items) => items.iter().map(to_json).collect(),
        yaml::Value::Mapping(map) => map
            .entries
            .iter()
            .filter_map(|e| Some((e.key.text()?.to_owned(), to_json(&e.value))))
            .collect::<Map<_, _>>()
            .into(),
        yaml::Value::Scalar(s) => match s.tag {
            Tag::Null => Value::Null,
            Tag::Bool => Value::Bool(&*s.text == "true"),
            Tag::Int | Tag::Float => s.text.parse::<f64>().map_or(Value::Null, Value::from),
            _ => Value::String(s.text.to_string()),
        },
    }
}

/// Merges a layer over another: maps merge, everything else (`null` too) replaces.
pub fn merge(base: &mut Map<String, Value>, over: Map<String, Value>) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Object(below)), Value::Object(above)) => merge(below, above),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

/// The value flags of a command line. Each kind is applied in its order of flags, the kinds in the order of the fields.
#[derive(Debug, Clone, Default)]
pub struct ValueFlags {
    /// `-f`: name and text of each file.
    pub files: Vec<(String, String)>,
    /// `--set-json`
    pub json: Vec<String>,
    /// `--set`
    pub set: Vec<String>,
    /// `--set-string`
    pub set_string: Vec<String>,
    /// `--set-file`; the paths in it are read through the function given to [`ValueFlags::merge`].
    pub set_file: Vec<String>,
    /// `--set-literal`
    pub set_literal: Vec<String>,
}

impl ValueFlags {
    /// All flags as one values tree.
    ///
    /// # Errors
    /// A file or flag that cannot be read, in Helm's words.
    pub fn merge(
        &self,
        read_file: &dyn Fn(&str) -> Result<String, String>,
    ) -> Result<Map<String, Value>, Error> {
        let mut out = Map::new();
        for (name, text) in &self.files {
            let layer =
                read_values(text).map_err(|e| Error::Values(format!("failed to parse {name}: {e}")))?;
            merge(&mut out, layer);
        }
        for flag in &self.json {
            let trimmed = flag.trim();
            if trimmed.starts_with('{') {
                match serde_json::from_str(trimmed) {
                    Ok(Value::Object(map)) => {
                        let Value::Object(map) = strvals::floats(Value::Object(map)) else { continue };
                        merge(&mut out, map);
                    }
                    _ => return Err(Error::Values(format!("failed parsing --set-json data JSON: {flag}"))),
                }
            } else {
                strvals::parse_into(flag, &Mode::Json, &mut out)
                    .map_err(|_| Error::Values(format!("failed parsing --set-json data {flag}")))?;
            }
        }
        let flags: [(&str, &[String], Mode<'_>); 4] = [
            ("--set", &self.set, Mode::Typed),
            ("--set-string", &self.set_string, Mode::Text),
            ("--set-file", &self.set_file, Mode::File(read_file)),
            ("--set-literal", &self.set_literal, Mode::Literal),
        ];
        for (name, texts, mode) in flags {
            for text in texts {
                strvals::parse_into(text, &mode, &mut out)
                    .map_err(|e| Error::Values(format!("failed parsing {name} data: {e}")))?;
            }
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn documents_of_a_values_file_are_merged_and_numbers_are_floats() {
        let values = read_values("a: {b: 1, c: y}\n---\na: {c: 2}\n--- # note\n---\nd: [0x10]\n").unwrap();
        assert_eq!(Value::Object(values), json!({"a": {"b": 1.0, "c": 2.0}, "d": [16.0]}));
        assert!(read_values("").unwrap().is_empty());
        assert!(read_values("# only a comment\n").unwrap().is_empty());
    }

    #[test]
    fn plain_defaults_give_the_table_that_their_json_gives() {
        for text in [
            "# only a comment\n",
            "# first\n---\na: 1\nb: {}\nc:\n- x: y\n  z: \"1\"\n",
            "a: 1\n---\na: 2\nb: 3\n",
            "a: [1, 2]\n",
            "a: ~\nb:\nc: |\n  text\n",
            "a: 1\na: 2\n",
        ] {
            let defaults = Defaults::read(Arc::from(text.as_bytes())).unwrap();
            let table = template::Value::Map(defaults.table());
            let json = template::Value::Map(table_from_json(&read_values(text).unwrap()));
            assert!(table.deep_equal(&json), "{text}");
            assert_eq!(defaults.json(), &read_values(text).unwrap());
        }
        assert!(Defaults::read(Arc::from(&b"# first\n---\na: 1\n"[..])).unwrap().plain.is_some());
        assert!(Defaults::read(Arc::from(&b"\xff"[..])).unwrap_err().contains("not UTF-8"));
        assert!(Defaults::read(Arc::from(&b"a: b: c\n"[..])).is_err());
    }

    #[test]
    fn what_is_no_map_is_refused_with_its_line() {
        assert!(read_values("a: 1\n---\n- x\n").unwrap_err().contains("line 2: error unmarshaling JSON"));
        assert!(
            read_values("a: 1\n--- x\n").unwrap_err().contains("line 2: invalid Yaml document separator: x")
        );
    }

    #[test]
    fn kinds_of_flags_have_a_fixed_precedence() {
        let flags = ValueFlags {
            files: vec![("f".into(), "a: 0\nb: 0\nc: 0\nd: 0\ne: 0\nf: 0\n".into())],
            json: vec!["{\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1}".into()],
            set: vec!["c=2,d=2,e=2,f=2".into()],
            set_string: vec!["d=3,e=3,f=3".into()],
            set_file: vec!["e=path,f=path".into()],
            set_literal: vec!["f=5".into()],
        };
        let merged = flags.merge(&|_| Ok("4".to_owned())).unwrap();
        assert_eq!(Value::Object(merged), json!({"a": 0.0, "b": 1.0, "c": 2, "d": "3", "e": "4", "f": "5"}));
    }
}
