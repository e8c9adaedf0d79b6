//! Go's `encoding/json` on template values, in both directions, with its error texts.

use crate::template::value::Value;
use crate::yaml::{json::quote, num};

/// How deep values may be nested that are written; a map that contains itself ends here.
pub(super) const DEEPEST: usize = 1_000;
/// How deep JSON may be nested that is read: Go's own limit.
const DEEPEST_TEXT: usize = 10_000;

pub(super) fn too_deep() -> String {
    format!("json: unsupported value: encountered a cycle or more than {DEEPEST} levels")
}

/// The JSON word for a decoded value.
pub(super) fn go_kind(v: &Value) -> &'static str {
    match v {
        Value::Nil => "null",
        Value::Bool(_) => "bool",
        Value::Float(_) => "number",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "string",
    }
}

/// `json.Marshal`, or `json.MarshalIndent` with that indent.
///
/// # Errors
/// What JSON cannot hold.
pub(super) fn to_json(v: &Value, escape_html: bool, indent: Option<&str>) -> Result<String, String> {
    let mut out = String::new();
    Encoder { out: &mut out, escape_html, indent }.value(v, 0)?;
    Ok(out)
}

struct Encoder<'a> {
    out: &'a mut String,
    escape_html: bool,
    indent: Option<&'a str>,
}

impl Encoder<'_> {
    fn line(&mut self, depth: usize) {
        if let Some(indent) = self.indent {
            self.out.push('\n');
            for _ in 0..depth {
                self.out.push_str(indent);
            }
        }
    }

    fn string(&mut self, s: &str) {
        self.out.push_str(&quote(s, self.escape_html));
    }

    /// A text that is not UTF-8: what does not decode is written as an escaped U+FFFD.
    fn raw_string(&mut self, bytes: &[u8]) {
        self.out.push('"');
        for chunk in bytes.utf8_chunks() {
            let quoted = quote(chunk.valid(), self.escape_html);
            self.out.push_str(&quoted[1..quoted.len() - 1]);
            for _ in chunk.invalid() {
                self.out.push_str("\\ufffd");
            }
        }
        self.out.push('"');
    }

    fn list(&mut self, items: &[Value], depth: usize) -> Result<(), String> {
        self.out.push('[');
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            self.line(depth + 1);
            self.value(item, depth + 1)?;
        }
        if !items.is_empty() {
            self.line(depth);
        }
        self.out.push(']');
        Ok(())
    }

    fn object<'v>(
        &mut self,
        entries: impl Iterator<Item = (&'v str, &'v Value)>,
        depth: usize,
    ) -> Result<(), String> {
        self.out.push('{');
        let mut empty = true;
        for (key, value) in entries {
            if !empty {
                self.out.push(',');
            }
            empty = false;
            self.line(depth + 1);
            self.string(key);
            self.out.push_str(if self.indent.is_some() { ": " } else { ":" });
            self.value(value, depth + 1)?;
        }
        if !empty {
            self.line(depth);
        }
        self.out.push('}');
        Ok(())
    }

    fn value(&mut self, v: &Value, depth: usize) -> Result<(), String> {
        if depth > DEEPEST {
            return Err(too_deep());
        }
        match v {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(b) => self.out.push_str(if *b { "true" } else { "false" }),
            Value::Int(_, n) => self.out.push_str(&n.to_string()),
            Value::Uint(_, n) => self.out.push_str(&n.to_string()),
            Value::Float(f) => match num::format_json(*f) {
                Some(text) => self.out.push_str(&text),
                None => return Err(format!("json: unsupported value: {}", num::format_g(*f))),
            },
            Value::Str(s) => self.string(s),
            Value::Raw(bytes) => self.raw_string(bytes),
            Value::Bytes(b) => {
                use base64::Engine as _;
                self.string(&base64::engine::general_purpose::STANDARD.encode(b));
            }
            Value::List(l) if l.is_nil() => self.out.push_str("null"),
            Value::List(l) => self.list(l.items(), depth)?,
            Value::Map(m) if m.is_nil() => self.out.push_str("null"),
            Value::Map(m) => self.object(m.entries().iter().map(|(k, v)| (&**k, v)), depth)?,
            Value::Object(o) => match (o.json(), o.underlying()) {
                (Some(v), _) | (None, Some(v)) => self.value(&v, depth + 1)?,
                (None, None) => {
                    let fields = o.fields();
                    self.object(fields.iter().map(|(k, v)| (*k, v)), depth)?;
                }
            },
            Value::Float32(_) | Value::Complex(..) | Value::Func(_) => {
                return Err(format!("json: unsupported type: {}", v.type_name()));
            }
        }
        Ok(())
    }
}

/// `json.Unmarshal` into an `interface{}`.
///
/// # Errors
/// Go's text of the first fault.
pub(super) fn from_json(source: &str) -> Result<Value, String> {
    match from_json_with_fault(source)? {
        (_, Some(fault)) => Err(fault),
        (v, None) => Ok(v),
    }
}

/// As [`from_json`]; a number that is too large is null in the value, and the first of them a fault beside it.
///
/// # Errors
/// Go's text of the first fault in the syntax.
pub(super) fn from_json_with_fault(source: &str) -> Result<(Value, Option<String>), String> {
    let mut d = Decoder { source, at: 0, fault: None };
    d.blanks();
    let v = d.value(0)?;
    d.blanks();
    match d.peek() {
        None => Ok((v, d.fault)),
        Some(c) => Err(invalid(c, "after top-level value")),
    }
}

struct Decoder<'a> {
    source: &'a str,
    at: usize,
    /// What Go goes on after: the first number that no float64 holds.
    fault: Option<String>,
}

const END: &str = "unexpected end of JSON input";

fn invalid(c: char, context: &str) -> String {
    // Go quotes the byte, not the character.
    let mut bytes = [0; 4];
    let first = c.encode_utf8(&mut bytes).as_bytes()[0];
    let shown = match first {
        b'\'' => r"'\''".to_owned(),
        b'"' => "'\"'".to_owned(),
        0x80.. => format!("'{}'", char::from(first)),
        b => format!("'{}'", char::from(b).escape_debug()),
    };
    format!("invalid character {shown} {context}")
}

impl Decoder<'_> {
    fn peek(&self) -> Option<char> {
        self.source[self.at..].chars().next()
    }

    fn next(&mut self) -> Result<char, String> {
        let c = self.peek().ok_or(END)?;
        self.at += c.len_utf8();
        Ok(c)
    }

    fn blanks(&mut self) {
        let rest = &self.source[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEEPEST_TEXT {
            return Err("exceeded max depth".to_owned());
        }
        match self.peek().ok_or(END)? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => self.string().map(Value::from),
            '-' | '0'..='9' => self.number(),
            't' => self.word("true").map(|()| true.into()),
            'f' => self.word("false").map(|()| false.into()),
            'n' => self.word("null").map(|()| Value::Nil),
            c => Err(invalid(c, "looking for beginning of value")),
        }
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        for want in word.chars() {
            // At the end Go's scanner sees a blank.
            let c = self.next().unwrap_or(' ');
            if c != want {
                return Err(invalid(c, &format!("in literal {word} (expecting {want:?})")));
            }
        }
        Ok(())
    }

    fn object(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut entries = crate::template::value::Entries::new();
        self.blanks();
        if self.peek() == Some('}') {
            self.at += 1;
            return Ok(Value::typed_map(crate::template::types::Type::DICT, entries));
        }
        loop {
            self.blanks();
            let key = match self.peek().ok_or(END)? {
                '"' => self.string()?,
                c => return Err(invalid(c, "looking for beginning of object key string")),
            };
            self.blanks();
            match self.next()? {
                ':' => {}
                c => return Err(invalid(c, "after object key")),
            }
            self.blanks();
            entries.insert(key.into(), self.value(depth + 1)?);
            self.blanks();
            match self.next()? {
                ',' => {}
                '}' => return Ok(Value::typed_map(crate::template::types::Type::DICT, entries)),
                c => return Err(invalid(c, "after object key:value pair")),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut items = Vec::new();
        self.blanks();
        if self.peek() == Some(']') {
            self.at += 1;
            return Ok(Value::list(items));
        }
        loop {
            self.blanks();
            items.push(self.value(depth + 1)?);
            self.blanks();
            match self.next()? {
                ',' => {}
                ']' => return Ok(Value::list(items)),
                c => return Err(invalid(c, "after array element")),
            }
        }
    }

    fn number(&mut self) -> Result<Value, String> {
        let start = self.at;
        let digits = |d: &mut Self| {
            let from = d.at;
            while d.peek().is_some_and(|c| c.is_ascii_digit()) {
                d.at += 1;
            }
            d.at - from
        };
        if self.peek() == Some('-') {
            self.at += 1;
        }
        if self.peek() == Some('0') {
            self.at += 1;
        } else if digits(self) == 0 {
            return Err(invalid(self.peek().unwrap_or(' '), "in numeric literal"));
        }
        if self.peek() == Some('.') {
            self.at += 1;
            if digits(self) == 0 {
                let context = "after decimal point in numeric literal";
                return Err(invalid(self.peek().unwrap_or(' '), context));
            }
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            self.at += 1;
            if matches!(self.peek(), Some('+' | '-')) {
                self.at += 1;
            }
            if digits(self) == 0 {
                let context = "in exponent of numeric literal";
                return Err(invalid(self.peek().unwrap_or(' '), context));
            }
        }
        let text = &self.source[start..self.at];
        match text.parse::<f64>() {
            Ok(f) if f.is_finite() => Ok(f.into()),
            _ => {
                let fault = || format!("json: cannot unmarshal number {text} into Go value of type float64");
                self.fault.get_or_insert_with(fault);
                Ok(Value::Nil)
            }
        }
    }

    fn string(&mut self) -> Result<String, String> {
        self.at += 1;
        let mut out = String::new();
        loop {
            match self.next()? {
                '"' => return Ok(out),
                '\\' => match self.next().unwrap_or(' ') {
                    'u' => out.push(self.unicode()?),
                    'b' => out.push('\u{8}'),
                    'f' => out.push('\u{c}'),
                    'n' => out.push('\n'),
                    'r' => out.push('\r'),
                    't' => out.push('\t'),
                    c @ ('"' | '\\' | '/') => out.push(c),
                    c => return Err(invalid(c, "in string escape code")),
                },
                c if c < ' ' => return Err(invalid(c, "in string literal")),
                c => out.push(c),
            }
        }
    }

    fn unicode(&mut self) -> Result<char, String> {
        let high = self.hex()?;
        if !(0xd800..0xe000).contains(&high) {
            return Ok(char::from_u32(high).unwrap_or('\u{fffd}'));
        }
        if high < 0xdc00 && self.source[self.at..].starts_with("\\u") {
            let back = self.at;
            self.at += 2;
            let low = self.hex()?;
            if (0xdc00..0xe000).contains(&low) {
                let c = 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                return Ok(char::from_u32(c).unwrap_or('\u{fffd}'));
            }
            self.at = back;
        }
        Ok('\u{fffd}')
    }

    fn hex(&mut self) -> Result<u32, String> {
        let mut n = 0;
        for _ in 0..4 {
            let c = self.next().unwrap_or(' ');
            let d = c.to_digit(16).ok_or_else(|| invalid(c, "in \\u hexadecimal character escape"))?;
            n = n * 16 + d;
        }
        Ok(n)
    }
}
