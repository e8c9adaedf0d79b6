//! The grammar of `--set` and its relatives: `a.b[0].c=v,d={x,y}`.
//!
//! Upstream: `pkg/strvals`. Values are written into a JSON object: an integer there is Go's `int64`, every other number
//! `float64`, which templates can tell apart.

use std::iter::Peekable;
use std::str::CharIndices;

use serde_json::{Map, Value};

/// The largest index that may be set.
const MAX_INDEX: usize = 65_536;
/// The most dots in a name.
const MAX_LEVEL: usize = 30;

/// How the text after `=` becomes a value.
pub enum Mode<'a> {
    /// `--set`: true, false, null, integers; the rest is text.
    Typed,
    /// `--set-string`: always text.
    Text,
    /// `--set-file`: the text is a path; the function gives the file's text.
    File(&'a dyn Fn(&str) -> Result<String, String>),
    /// `--set-json`: a JSON value.
    Json,
    /// `--set-literal`: everything after the first `=`, without escapes or commas.
    Literal,
}

/// Why a key was not set, or that the text has ended.
enum Stop {
    End,
    Error(String),
}

impl From<String> for Stop {
    fn from(message: String) -> Self {
        Self::Error(message)
    }
}

/// Reads one flag's text into `values`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_into(text: &str, mode: &Mode<'_>, values: &mut Map<String, Value>) -> Result<(), String> {
    let mut parser = Parser { text, chars: text.char_indices().peekable(), mode };
    loop {
        match parser.key(values, 0) {
            Ok(()) => {}
            Err(Stop::End) => return Ok(()),
            Err(Stop::Error(message)) => return Err(message),
        }
    }
}

struct Parser<'t, 'm> {
    text: &'t str,
    chars: Peekable<CharIndices<'t>>,
    mode: &'m Mode<'m>,
}

impl Parser<'_, '_> {
    fn literal(&self) -> bool {
        matches!(self.mode, Mode::Literal)
    }

    /// Text up to one of the stop characters (taken too) or the end.
    fn until(&mut self, stops: &[char]) -> (String, Option<char>) {
        let mut out = String::new();
        while let Some((_, c)) = self.chars.next() {
            if stops.contains(&c) {
                return (out, Some(c));
            }
            if c == '\\' && !self.literal() {
                match self.chars.next() {
                    Some((_, next)) => out.push(next),
                    None => return (out, None),
                }
            } else {
                out.push(c);
            }
        }
        (out, None)
    }

    fn key(&mut self, data: &mut Map<String, Value>, mut level: usize) -> Result<(), Stop> {
        let stops: &[char] = if self.literal() { &['=', '[', '.'] } else { &['=', '[', ',', '.'] };
        let (key, last) = self.until(stops);
        match last {
            None if key.is_empty() => Err(Stop::End),
            None => Err(format!("key {key:?} has no value").into()),
            Some('[') => {
                let index = self.index()?;
                let mut list = match data.get(&key) {
                    None => Vec::new(),
                    Some(Value::Array(items)) => items.clone(),
                    Some(other) => return Err(mistyped(other, "[]interface {}").into()),
                };
                let done = self.item(&mut list, index, level);
                set(data, key, Value::Array(list));
                done
            }
            Some('=') => {
                let (value, end) = self.value()?;
                set(data, key, value);
                if end { Err(Stop::End) } else { Ok(()) }
            }
            Some(',') => Err(format!("key {key:?} has no value (cannot end with ,)").into()),
            Some(_) => {
                level += 1;
                if level > MAX_LEVEL {
                    return Err(format!(
                        "value name nested level is greater than maximum supported nested level of {MAX_LEVEL}"
                    )
                    .into());
                }
                let mut inner = match data.get(&key) {
                    None => Map::new(),
                    Some(Value::Object(map)) => map.clone(),
                    Some(other) => return Err(mistyped(other, "map[string]interface {}").into()),
                };
                let done = self.key(&mut inner, level);
                if done.is_ok() && inner.is_empty() {
                    return Err(format!("key map {key:?} has no value").into());
                }
                if !inner.is_empty() {
                    set(data, key, Value::Object(inner));
                }
                done
            }
        }
    }

    fn index(&mut self) -> Result<usize, Stop> {
        let (text, last) = self.until(&[']']);
        if last.is_none() {
            return Err("error parsing index: EOF".to_owned().into());
        }
        let index: i64 = text
            .parse()
            .map_err(|_| format!("error parsing index: strconv.Atoi: parsing {text:?}: invalid syntax"))?;
        usize::try_from(index).map_err(|_| format!("negative {index} index not allowed").into())
    }

    /// After `key[i]`.
    fn item(&mut self, list: &mut Vec<Value>, index: usize, level: usize) -> Result<(), Stop> {
        let (text, last) = self.until(&['[', '.', '=']);
        if !text.is_empty() {
            return Err(format!("unexpected data at end of array index: {text:?}").into());
        }
        match last {
            None => Err(Stop::End),
            Some('=') => {
                let (value, _) = self.value()?;
                put(list, index, value)
            }
            Some('[') => {
                let next = self.index()?;
                let mut inner = match list.get(index) {
                    None | Some(Value::Null) => Vec::new(),
                    Some(Value::Array(items)) => items.clone(),
                    Some(other) => return Err(mistyped(other, "[]interface {}").into()),
                };
                self.item(&mut inner, next, level)?;
                put(list, index, Value::Array(inner))
            }
            Some(_) => {
                let mut inner = match list.get(index) {
                    Some(Value::Object(map)) => map.clone(),
                    _ => Map::new(),
                };
                let done = self.key(&mut inner, level);
                // `l[0].a=` sets its empty text only in a map that is there already: a quirk of the original.
                if done.is_ok() {
                    return put(list, index, Value::Object(inner));
                }
                if let Some(slot) = list.get_mut(index) {
                    *slot = Value::Object(inner);
                }
                done
            }
        }
    }

    /// After `=`: the value, and whether the text ended where a value was expected.
    fn value(&mut self) -> Result<(Value, bool), Stop> {
        match self.mode {
            Mode::Literal => Ok((Value::String(self.until(&[]).0), false)),
            Mode::Json => self.json(),
            _ => {
                match self.chars.peek() {
                    None => return Ok((Value::String(String::new()), true)),
                    Some((_, '{')) => {
                        self.chars.next();
                        return Ok((self.list()?, false));
                    }
                    Some(_) => {}
                }
                let (text, _) = self.until(&[',']);
                Ok((self.typed(text)?, false))
            }
        }
    }

    fn list(&mut self) -> Result<Value, Stop> {
        let mut items = Vec::new();
        loop {
            let (text, last) = self.until(&[',', '}']);
            match last {
                None => return Err("list must terminate with '}'".to_owned().into()),
                Some(end) => {
                    if end == '}' {
                        self.chars.next_if(|(_, c)| *c == ',');
                    }
                    items.push(self.typed(text)?);
                    if end == '}' {
                        return Ok(Value::Array(items));
                    }
                }
            }
        }
    }

    fn json(&mut self) -> Result<(Value, bool), Stop> {
        if self.blank_value() {
            return Ok((Value::Null, false));
        }
        let at = self.chars.peek().map_or(self.text.len(), |(at, _)| *at);
        let mut stream = serde_json::Deserializer::from_str(&self.text[at..]).into_iter::<Value>();
        let value = match stream.next() {
            Some(Ok(value)) => value,
            Some(Err(e)) => return Err(e.to_string().into()),
            None => Value::Null,
        };
        let end = at + stream.byte_offset();
        while self.chars.next_if(|(i, _)| *i < end).is_some() {}
        self.blank_value();
        Ok((floats(value), false))
    }

    /// Skips blanks up to a comma (taken too) or the end; false at any other character.
    fn blank_value(&mut self) -> bool {
        loop {
            match self.chars.next_if(|(_, c)| *c == ',' || c.is_whitespace()) {
                Some((_, ',')) => return true,
                Some(_) => {}
                None => return self.chars.peek().is_none(),
            }
        }
    }

    fn typed(&self, text: String) -> Result<Value, Stop> {
        match self.mode {
            Mode::File(read) => Ok(Value::String(read(&text)?)),
            Mode::Typed => Ok(typed(text)),
            _ => Ok(Value::String(text)),
        }
    }
}

fn typed(text: String) -> Value {
    if text.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if text.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    if text.eq_ignore_ascii_case("null") {
        return Value::Null;
    }
    if text == "0" {
        return Value::from(0_i64);
    }
    if !text.starts_with('0')
        && let Ok(n) = text.parse::<i64>()
    {
        return Value::from(n);
    }
    Value::String(text)
}

/// Every number of a JSON value as `float64`, as Go decodes it.
#[must_use]
pub fn floats(value: Value) -> Value {
    match value {
        Value::Number(n) => n.as_f64().map_or(Value::Null, Value::from),
        Value::Array(items) => items.into_iter().map(floats).collect(),
        Value::Object(map) => map.into_iter().map(|(k, v)| (k, floats(v))).collect(),
        other => other,
    }
}

fn set(data: &mut Map<String, Value>, key: String, value: Value) {
    if !key.is_empty() {
        data.insert(key, value);
    }
}

fn put(list: &mut Vec<Value>, index: usize, value: Value) -> Result<(), Stop> {
    if index > MAX_INDEX {
        return Err(format!("index of {index} is greater than maximum supported index of {MAX_INDEX}").into());
    }
    if list.len() <= index {
        list.resize(index + 1, Value::Null);
    }
    list[index] = value;
    Ok(())
}

fn mistyped(found: &Value, want: &str) -> String {
    let found = match found {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(n) if n.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    format!("unable to parse key: interface conversion: interface {{}} is {found}, not {want}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn set_all(mode: &Mode<'_>, flags: &[&str]) -> Result<Value, String> {
        let mut out = Map::new();
        for flag in flags {
            parse_into(flag, mode, &mut out)?;
        }
        Ok(Value::Object(out))
    }

    #[test]
    fn set_types_its_values() {
        for (flag, expected) in [
            ("a=1,b=true,c=NULL,d=x", json!({"a": 1, "b": true, "c": null, "d": "x"})),
            ("a=1.5", json!({"a": "1.5"})),
            ("a=0123,b=0,c=-7", json!({"a": "0123", "b": 0, "c": -7})),
            ("a=", json!({"a": ""})),
            ("a={x,2,}", json!({"a": ["x", 2, ""]})),
            ("a={}", json!({"a": [""]})),
            ("a.b.c=1,a.b.d=2", json!({"a": {"b": {"c": 1, "d": 2}}})),
            ("l[1].n=v", json!({"l": [null, {"n": "v"}]})),
            ("l[0][1]=v", json!({"l": [[null, "v"]]})),
            ("a\\.b=c\\,d", json!({"a.b": "c,d"})),
            ("a={x},b=1", json!({"a": ["x"], "b": 1})),
            ("", json!({})),
        ] {
            assert_eq!(set_all(&Mode::Typed, &[flag]).unwrap(), expected, "{flag}");
        }
    }

    #[test]
    fn later_flags_build_on_earlier_ones() {
        let values = set_all(&Mode::Typed, &["l[0].a=1,l[0].b=2", "l[1].a=3", "m.x=1", "m.y=2"]).unwrap();
        assert_eq!(values, json!({"l": [{"a": 1, "b": 2}, {"a": 3}], "m": {"x": 1, "y": 2}}));
    }

    #[test]
    fn the_other_modes_read_text_files_json_and_literals() {
        assert_eq!(set_all(&Mode::Text, &["a=1,b=true"]).unwrap(), json!({"a": "1", "b": "true"}));
        assert_eq!(set_all(&Mode::Literal, &["a.b=x,y=\\z"]).unwrap(), json!({"a": {"b": "x,y=\\z"}}));
        let read = |path: &str| Ok(format!("<{path}>"));
        assert_eq!(set_all(&Mode::File(&read), &["a=p/q"]).unwrap(), json!({"a": "<p/q>"}));
        assert_eq!(
            set_all(&Mode::Json, &["a={\"b\":[1,null]} ,c=\"x\",d="]).unwrap(),
            json!({"a": {"b": [1.0, null]}, "c": "x", "d": null})
        );
    }

    #[test]
    fn what_is_malformed_is_refused() {
        for (flag, expected) in [
            ("a", "key \"a\" has no value"),
            ("a,b=1", "key \"a\" has no value (cannot end with ,)"),
            ("a={1,2", "list must terminate with '}'"),
            ("a[70000]=1", "index of 70000 is greater than maximum supported index of 65536"),
            ("a[-1]=1", "negative -1 index not allowed"),
            ("a[0]x=1", "unexpected data at end of array index: \"x\""),
            ("a.=1", "key map \"a\" has no value"),
            ("a=1,a.b=2", "interface {} is int64, not map[string]interface {}"),
        ] {
            let error = set_all(&Mode::Typed, &[flag]).unwrap_err();
            assert!(error.contains(expected), "{flag}: {error}");
        }
        let deep = vec!["a"; 40].join(".") + "=1";
        assert!(set_all(&Mode::Typed, &[&deep]).unwrap_err().contains("nested level"));
    }
}
