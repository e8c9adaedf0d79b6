//! JSON as Go's decoder leaves it when it keeps numbers as text: `1.50` stays `1.50`, and arithmetic on it is exact.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt::Write as _;

use num_bigint::BigInt;

use crate::template::stack::roomy;
use crate::template::{Value, sprig};

/// How deep a document may be nested. Go takes 10 000 levels; a schema that deep has no honest reader.
const DEEPEST: usize = 500;
/// Beyond this difference of exponents nobody multiplies exactly.
const WIDEST: i64 = 5_000;

/// A JSON value. Objects are sorted by key: Go's maps have no order, and a message must have one.
#[derive(Debug, Clone)]
pub(super) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Json>),
    Object(BTreeMap<String, Json>),
}

impl Json {
    pub(super) fn as_object(&self) -> Option<&BTreeMap<String, Json>> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// The text of a member that is a string.
    pub(super) fn text(&self, key: &str) -> Option<&str> {
        match self.as_object()?.get(key)? {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// Equal as JSON Schema has it: `1` and `1.0` are one number.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a.compare(b) == Ordering::Equal,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(x, y)| roomy(|| x.same(y)))
            }
            (Self::Object(a), Self::Object(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|((k, x), (l, y))| k == l && roomy(|| x.same(y)))
            }
            _ => false,
        }
    }

    /// A text that is equal exactly for values that are the same.
    pub(super) fn write_key(&self, out: &mut String) {
        match self {
            Self::Null => out.push('n'),
            Self::Bool(b) => out.push(if *b { 't' } else { 'f' }),
            Self::Number(n) => {
                let d = n.decimal();
                let _ = write!(out, "{}{}e{};", if d.negative { "-" } else { "+" }, d.digits, d.exponent);
            }
            Self::String(s) => {
                let _ = write!(out, "{}:{s}", s.len());
            }
            Self::Array(items) => {
                out.push('[');
                items.iter().for_each(|item| roomy(|| item.write_key(out)));
                out.push(']');
            }
            Self::Object(members) => {
                out.push('{');
                for (key, value) in members {
                    let _ = write!(out, "{}:{key}", key.len());
                    roomy(|| value.write_key(out));
                }
                out.push('}');
            }
        }
    }
}

/// Template values as JSON.
impl From<&Value> for Json {
    fn from(value: &Value) -> Self {
        match value {
            Value::Bool(b) => Self::Bool(*b),
            Value::Int(_, n) => Self::Number(Number::new(n.to_string())),
            Value::Float(f) => Self::Number(Number::new(format!("{f:e}"))),
            Value::List(list) => Self::Array(list.items().iter().map(|v| roomy(|| v.into())).collect()),
            Value::Map(map) => {
                Self::Object(map.entries().iter().map(|(k, v)| (k.to_string(), roomy(|| v.into()))).collect())
            }
            other => other.text().map_or(Self::Null, |t| Self::String(t.into_owned())),
        }
    }
}

/// A number by its text.
#[derive(Debug, Clone)]
pub(super) struct Number {
    pub(super) text: String,
    /// The number, if it is a short whole one: nearly all are.
    small: Option<i64>,
}

/// Sign, digits without zeros at either end, and the power of ten of the last digit.
struct Decimal {
    negative: bool,
    digits: String,
    exponent: i64,
}

impl Number {
    pub(super) fn new(text: String) -> Self {
        let small = text.parse().ok();
        Self { text, small }
    }

    fn decimal(&self) -> Decimal {
        let (negative, rest) = match self.text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, self.text.as_str()),
        };
        let (mantissa, power) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let digits = all.trim_start_matches('0');
        let bare = digits.trim_end_matches('0');
        if bare.is_empty() {
            return Decimal { negative: false, digits: String::new(), exponent: 0 };
        }
        let far = if power.starts_with('-') { i64::MIN / 4 } else { i64::MAX / 4 };
        let power =
            power.trim_start_matches('+').parse::<i64>().unwrap_or(far).clamp(i64::MIN / 4, i64::MAX / 4);
        let exponent = power - fraction.len() as i64 + (digits.len() - bare.len()) as i64;
        Decimal { negative, digits: bare.to_owned(), exponent }
    }

    pub(super) fn is_integer(&self) -> bool {
        self.small.is_some() || self.decimal().exponent >= 0
    }

    /// The nearest float64, which is what messages show.
    pub(super) fn float(&self) -> f64 {
        self.text.parse().unwrap_or(0.0)
    }

    /// A whole number as a length; one that is too large is the largest.
    pub(super) fn length(&self) -> Option<usize> {
        match self.small {
            Some(n) => Some(usize::try_from(n).unwrap_or(0)),
            None => self.is_integer().then(|| self.float() as usize),
        }
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        if let (Some(a), Some(b)) = (self.small, other.small) {
            return a.cmp(&b);
        }
        let (a, b) = (self.decimal(), other.decimal());
        let sign = |d: &Decimal| match (d.digits.is_empty(), d.negative) {
            (true, _) => 0,
            (_, negative) => 1 - 2 * i32::from(negative),
        };
        let by_sign = sign(&a).cmp(&sign(&b));
        if by_sign != Ordering::Equal || a.digits.is_empty() {
            return by_sign;
        }
        let head = |d: &Decimal| d.exponent + d.digits.len() as i64;
        let size = head(&a).cmp(&head(&b)).then_with(|| a.digits.cmp(&b.digits));
        if a.negative { size.reverse() } else { size }
    }

    /// Whether this is a whole number of times `step`, exactly: 0.3 is three times 0.1.
    pub(super) fn is_multiple_of(&self, step: &Self) -> bool {
        if let (Some(a), Some(b)) = (self.small, step.small) {
            return b != 0 && a.checked_rem(b).unwrap_or(0) == 0;
        }
        let (a, b) = (self.decimal(), step.decimal());
        if a.digits.is_empty() || b.digits.is_empty() {
            return a.digits.is_empty();
        }
        let apart = a.exponent - b.exponent;
        if apart.abs() > WIDEST || a.digits.len().max(b.digits.len()) > WIDEST as usize {
            return (self.float() / step.float()).fract() == 0.0;
        }
        let whole = |d: &Decimal, shift: i64| {
            let zeros = "0".repeat(usize::try_from(shift).unwrap_or(0));
            format!("{}{zeros}", d.digits).parse::<BigInt>().unwrap_or_default()
        };
        whole(&a, apart) % whole(&b, -apart) == BigInt::ZERO
    }
}

/// Reads a document.
///
/// # Errors
/// What Go's streaming decoder says of it.
pub(super) fn parse(bytes: &[u8]) -> Result<Json, String> {
    let source = String::from_utf8_lossy(bytes);
    let mut reader = Reader { source: &source, at: 0, too_deep: false };
    let Some(value) = reader.value(0) else {
        if reader.too_deep {
            return Err("exceeded max depth".to_owned());
        }
        if source.trim().is_empty() {
            return Err("EOF".to_owned());
        }
        let fault = sprig::json_fault(&source).unwrap_or_default();
        return Err(fault.replace("unexpected end of JSON input", "unexpected EOF"));
    };
    reader.blanks();
    if reader.at < source.len() {
        return Err("invalid character after top-level value".to_owned());
    }
    Ok(value)
}

/// A strict reader that only knows right from wrong; the words for what is wrong are found afterwards.
struct Reader<'a> {
    source: &'a str,
    at: usize,
    too_deep: bool,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        let rest = &self.source[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len();
    }

    fn peek(&self) -> Option<u8> {
        self.source.as_bytes().get(self.at).copied()
    }

    /// Steps over blanks and that byte, if it comes next.
    fn takes(&mut self, byte: u8) -> bool {
        self.blanks();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    fn value(&mut self, depth: usize) -> Option<Json> {
        self.blanks();
        if depth > DEEPEST {
            self.too_deep = true;
            return None;
        }
        match self.peek()? {
            b'{' => roomy(|| self.object(depth)),
            b'[' => roomy(|| self.array(depth)),
            b'"' => self.string().map(Json::String),
            b't' => self.word("true", Json::Bool(true)),
            b'f' => self.word("false", Json::Bool(false)),
            b'n' => self.word("null", Json::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, value: Json) -> Option<Json> {
        let there = self.source[self.at..].starts_with(word);
        self.at += word.len();
        there.then_some(value)
    }

    fn object(&mut self, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut members = BTreeMap::new();
        if self.takes(b'}') {
            return Some(Json::Object(members));
        }
        loop {
            self.blanks();
            let key = self.string()?;
            if !self.takes(b':') {
                return None;
            }
            members.insert(key, self.value(depth + 1)?);
            if self.takes(b'}') {
                return Some(Json::Object(members));
            }
            if !self.takes(b',') {
                return None;
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Json> {
        self.at += 1;
        let mut items = Vec::new();
        if self.takes(b']') {
            return Some(Json::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.takes(b']') {
                return Some(Json::Array(items));
            }
            if !self.takes(b',') {
                return None;
            }
        }
    }

    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }

    fn number(&mut self) -> Option<Json> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Some(Json::Number(Number::new(self.source[start..self.at].to_owned())))
    }

    fn string(&mut self) -> Option<String> {
        let rest = self.source.get(self.at..)?.strip_prefix('"')?;
        let mut escaped = false;
        let end = rest.bytes().position(|b| {
            let ends = b == b'"' && !escaped;
            escaped = b == b'\\' && !escaped;
            ends
        })?;
        let quoted = &self.source[self.at..self.at + end + 2];
        self.at += quoted.len();
        if !quoted.contains('\\') && !quoted.bytes().any(|b| b < b' ') {
            return Some(rest[..end].to_owned());
        }
        sprig::json_text(quoted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        Number::new(text.to_owned())
    }

    #[test]
    fn numbers_are_compared_and_divided_exactly() {
        assert!(number("0.3").is_multiple_of(&number("0.1")));
        assert!(!number("0.35").is_multiple_of(&number("0.1")));
        assert!(number("1e3").is_multiple_of(&number("7.8125")));
        assert!(number("1.0").is_integer() && number("1.5e1").is_integer() && !number("1.5").is_integer());
        assert_eq!(number("1e2").compare(&number("100.0")), Ordering::Equal);
        assert_eq!(number("-1.5").compare(&number("-1.25")), Ordering::Less);
        assert_eq!(number("9007199254740993").compare(&number("9007199254740992.0")), Ordering::Greater);
        assert_eq!(number("1e999999999999999999999").compare(&number("1")), Ordering::Greater);
    }

    #[test]
    fn what_is_not_json_is_told_as_go_does() {
        let fault = |text: &str| parse(text.as_bytes()).unwrap_err();
        assert_eq!(fault(""), "EOF");
        assert_eq!(fault("{\"a\": "), "unexpected EOF");
        assert_eq!(fault("{} {}"), "invalid character after top-level value");
        assert_eq!(fault("{a}"), "invalid character 'a' looking for beginning of object key string");
        assert!(parse(&b"[".repeat(100_000)).is_err());
        assert!(matches!(parse(br#""a\u0041""#), Ok(Json::String(s)) if s == "aA"));
    }
}
