//! Base64, base32, JSON and YAML as templates write and read them.
//!
//! `toJson` and `toYaml` go through Go's `encoding/json`: keys sorted, floats without fraction as integers, `<>&` escaped.
//! Helm's `to*` swallow errors, its `from*` put them under the key `Error`; the `must*` forms fail.

use super::args::{A, D, Entry, FuncResult, S, bytes, fixed, text};
use super::dicts::deep_copy;
use super::json::{from_json, from_json_with_fault, go_kind, to_json};
use super::toml::{from_toml, to_toml};
use crate::template::error::FuncError;
use crate::template::types::Type;
use crate::template::value::{Entries, Map, Value};
use crate::yaml::emit::{Writer, natural_cmp_v3, natural_sort_by};
use crate::yaml::{self, Limits, Node, Tag};
use base64::Engine as _;
use std::rc::Rc;

fn b64enc(data: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(data)
}

/// `base64.StdEncoding.DecodeString`: line breaks are skipped; the error names the byte.
pub(super) fn b64dec(src: &[u8]) -> Result<Vec<u8>, String> {
    let corrupt = |at: usize| format!("illegal base64 data at input byte {at}");
    let is_break = |b: &u8| *b == b'\n' || *b == b'\r';
    let skip_breaks = |mut i: usize| {
        while src.get(i).is_some_and(is_break) {
            i += 1;
        }
        i
    };
    let (mut out, mut i) = (Vec::with_capacity(src.len() / 4 * 3), 0);
    let (mut bits, mut j) = (0_u32, 0);
    loop {
        let Some(&b) = src.get(i) else {
            return if j == 0 { Ok(out) } else { Err(corrupt(i - j)) };
        };
        i += 1;
        let digit = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'\n' | b'\r' => continue,
            b'=' => {
                if j < 2 {
                    return Err(corrupt(i - 1));
                }
                if j == 2 {
                    i = skip_breaks(i);
                    match src.get(i) {
                        None => return Err(corrupt(src.len())),
                        Some(b'=') => i += 1,
                        Some(_) => return Err(corrupt(i - 1)),
                    }
                }
                i = skip_breaks(i);
                if i < src.len() {
                    return Err(corrupt(i));
                }
                bits <<= 6 * (4 - j);
                out.extend(&bits.to_be_bytes()[1..j]);
                return Ok(out);
            }
            _ => return Err(corrupt(i - 1)),
        };
        bits = bits << 6 | u32::from(digit);
        j += 1;
        if j == 4 {
            out.extend(&bits.to_be_bytes()[1..]);
            (bits, j) = (0, 0);
        }
    }
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

fn b32enc(data: &[u8]) -> String {
    let mut out = String::new();
    for chunk in data.chunks(5) {
        let mut block = [0_u8; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        let used = (chunk.len() * 8).div_ceil(5);
        out.extend((0..8).map(|i| match i < used {
            true => char::from(BASE32[(bits >> (35 - 5 * i) & 31) as usize]),
            false => '=',
        }));
    }
    out
}

/// `base32.StdEncoding.DecodeString`.
fn b32dec(src: &[u8]) -> Result<Vec<u8>, String> {
    let corrupt = |at: usize| format!("illegal base32 data at input byte {at}");
    let src: Vec<u8> = src.iter().copied().filter(|b| *b != b'\n' && *b != b'\r').collect();
    let (mut out, mut i) = (Vec::new(), 0);
    while i < src.len() {
        let (mut bits, mut j, mut ended) = (0_u64, 0, false);
        while j < 8 {
            let Some(&b) = src.get(i) else { return Err(corrupt(i - j)) };
            i += 1;
            let left = &src[i..];
            if b == b'=' && j >= 2 && left.len() < 8 {
                if left.len() + j < 7 {
                    return Err(corrupt(src.len()));
                }
                if let Some(k) = (0..7 - j).find(|k| left.get(*k).is_some_and(|b| *b != b'=')) {
                    return Err(corrupt(i + k - 1));
                }
                if matches!(j, 1 | 3 | 6) {
                    return Err(corrupt(i - 1));
                }
                ended = true;
                break;
            }
            let digit = BASE32.iter().position(|d| *d == b).ok_or_else(|| corrupt(i - 1))?;
            bits |= (digit as u64) << (35 - 5 * j);
            j += 1;
        }
        out.extend(&bits.to_be_bytes()[3..3 + j * 5 / 8]);
        if ended {
            break;
        }
    }
    Ok(out)
}

/// What go-yaml v3 writes with an indent of two: lists in maps are indented, long texts are not folded.
fn to_yaml_pretty(v: &Value) -> Result<String, String> {
    let mut out = String::new();
    let mut w = Writer::new_v3_indented(&mut out);
    push_yaml(v, &mut w, true, 0)?;
    w.finish().map_err(|e| e.to_string())?;
    if out.ends_with('\n') {
        out.pop();
    }
    Ok(out)
}

/// A value into the YAML emitter, as it looks after `encoding/json`.
fn push_yaml(v: &Value, w: &mut Writer<'_>, pretty: bool, depth: usize) -> Result<(), String> {
    if depth > super::json::DEEPEST {
        return Err(super::json::too_deep());
    }
    match v {
        Value::Nil => w.null(),
        Value::Bool(b) => w.bool(*b),
        Value::Int(_, n) => w.int(*n),
        Value::Uint(_, n) => w.uint(*n),
        Value::Float(f) => w.float(*f),
        Value::Str(s) => w.string(s),
        Value::Raw(_) => w.string(&text(v)),
        Value::Bytes(b) => w.string(&b64enc(b)),
        Value::List(l) if l.is_nil() => w.null(),
        Value::List(l) => {
            w.begin_seq();
            for item in l.items() {
                push_yaml(item, w, pretty, depth + 1)?;
            }
            w.end();
        }
        Value::Map(m) if m.is_nil() => w.null(),
        Value::Map(m) => {
            let entries = m.entries();
            let mut sorted: Vec<(&str, &Value)> = entries.iter().map(|(k, v)| (&**k, v)).collect();
            if pretty {
                sorted.sort_by(|(a, _), (b, _)| natural_cmp_v3(a, b));
            } else {
                natural_sort_by(&mut sorted, |(k, _)| k);
            }
            w.begin_map();
            for (key, value) in sorted {
                w.key(key);
                push_yaml(value, w, pretty, depth + 1)?;
            }
            w.end();
        }
        Value::Object(o) => match (o.json(), o.underlying()) {
            (Some(v), _) | (None, Some(v)) => push_yaml(&v, w, pretty, depth + 1)?,
            (None, None) => {
                let fields = o.fields().into_iter().map(|(k, v)| (k.into(), v)).collect();
                push_yaml(&Value::typed_map(Type::DICT, fields), w, pretty, depth + 1)?;
            }
        },
        Value::Float32(_) | Value::Complex(..) | Value::Func(_) => {
            return Err(format!("json: unsupported type: {}", v.type_name()));
        }
    }
    Ok(())
}

/// `sigs.k8s.io/yaml.Marshal`, without its last line break.
///
/// # Errors
/// What JSON cannot hold: functions, NaN.
pub fn to_yaml(v: &Value) -> Result<String, String> {
    let mut out = String::with_capacity(256);
    let mut w = Writer::new(&mut out);
    push_yaml(v, &mut w, false, 0)?;
    w.finish().map_err(|e| e.to_string())?;
    if out.ends_with('\n') {
        out.pop();
    }
    Ok(out)
}

/// A JSON-like node as `encoding/json` decodes it: numbers are float64.
pub fn from_node(node: &Node) -> Value {
    match &node.value {
        yaml::Value::Scalar(s) => match s.tag {
            Tag::Null => Value::Nil,
            Tag::Bool => Value::Bool(&*s.text == "true"),
            Tag::Int | Tag::Float => Value::Float(yaml::num::parse_float(&s.text).unwrap_or(f64::NAN)),
            _ => Value::str(&*s.text),
        },
        yaml::Value::Sequence(items) => Value::list(items.iter().map(from_node).collect()),
        yaml::Value::Mapping(m) => {
            Value::dict(m.entries.iter().map(|e| (e.key.text().unwrap_or_default(), from_node(&e.value))))
        }
    }
}

/// A plain document, straight from its lines: as `fromYaml` gives it.
pub(crate) fn read_plain(source: &str) -> Option<Value> {
    yaml::build_plain(source, &Limits::default(), Values { keys: Vec::new(), many: source.len() > MANY_KEYS })
}

/// In longer texts keys are repeated.
const MANY_KEYS: usize = 1 << 10;
/// How many keys are kept at hand.
const KEPT_KEYS: usize = 128;

/// Makes values of what is plain.
struct Values {
    /// Some of the keys that there were, by what they look like: most are there again.
    keys: Vec<Option<Rc<str>>>,
    many: bool,
}

impl yaml::Make for Values {
    type Key = Rc<str>;
    type Node = Value;

    fn key(&mut self, key: &str) -> Rc<str> {
        let [first, .., last] = key.as_bytes() else { return key.into() };
        if !self.many {
            return key.into();
        }
        if self.keys.is_empty() {
            self.keys.resize(KEPT_KEYS, None);
        }
        let middle = key.as_bytes()[key.len() / 2];
        let looks = [*first, middle, *last].into_iter().zip([5, 3, 17]);
        let looks = looks.fold(key.len() * 31, |sum, (byte, weight)| sum + usize::from(byte) * weight);
        let kept = &mut self.keys[looks % KEPT_KEYS];
        match kept {
            Some(kept) if **kept == *key => Rc::clone(kept),
            _ => Rc::clone(kept.insert(key.into())),
        }
    }

    fn scalar(&mut self, scalar: &yaml::PlainScalar<'_>) -> Option<Value> {
        Some(match scalar.meaning()? {
            yaml::Meaning::Null => Value::Nil,
            yaml::Meaning::Bool(b) => Value::Bool(b),
            yaml::Meaning::Number(n) => Value::Float(n),
            yaml::Meaning::Text(text) => Value::str(&*text),
        })
    }

    fn mapping(&mut self, entries: impl ExactSizeIterator<Item = (Rc<str>, Value)>) -> Value {
        Value::typed_map(Type::DICT, entries.collect())
    }

    fn sequence(&mut self, items: impl ExactSizeIterator<Item = Value>) -> Value {
        Value::list(items.collect())
    }

    fn copy(&mut self, node: &Value) -> Option<Value> {
        deep_copy(node, 0).ok()
    }

    fn entries(&mut self, node: &Value) -> Option<Vec<(Rc<str>, Value)>> {
        let copy = deep_copy(node, 0).ok()?;
        let entries = copy.as_map()?.entries();
        Some(entries.iter().map(|(key, value)| (Rc::clone(key), value.clone())).collect())
    }
}

/// `sigs.k8s.io/yaml.Unmarshal` into a value of a given kind; null leaves the target as it is.
fn from_yaml(source: &str, want: &str, target: &str) -> Result<Option<Value>, String> {
    let value = match source {
        // What empty values look like.
        "{}" => Some(Value::typed_map(Type::DICT, Entries::new())),
        "null" => Some(Value::Nil),
        _ => read_plain(source),
    };
    let value = match value {
        Some(value) => value,
        None => from_node(
            &yaml::read_v2_json(source, &Limits::default())
                .map_err(|e| format!("error converting YAML to JSON: {e}"))?,
        ),
    };
    match value {
        Value::Nil => Ok(None),
        v if go_kind(&v) == want => Ok(Some(v)),
        v => Err(format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type {target}",
            go_kind(&v)
        )),
    }
}

fn error_map(message: String) -> Value {
    Value::dict([("Error", Value::from(message))])
}

fn error_list(message: String) -> Value {
    Value::list(vec![message.into()])
}

const DICT_NAME: &str = "map[string]interface {}";
const LIST_NAME: &str = "[]interface {}";

fn from_json_as(source: &str, want: &str, target: &str) -> Result<Value, String> {
    let wrong = |kind: &str| Err(format!("json: cannot unmarshal {kind} into Go value of type {target}"));
    match from_json_with_fault(source)? {
        (Value::Nil, Some(_)) => wrong("number"),
        (v, Some(fault)) if go_kind(&v) == want => Err(fault),
        // null makes the target nil.
        (Value::Nil, None) if want == "object" => Ok(Value::Map(Rc::new(Map::nil(Type::DICT)))),
        (Value::Nil, None) => Ok(Value::zero(Type::LIST)),
        (v, _) if go_kind(&v) == want => Ok(v),
        (v, _) => wrong(go_kind(&v)),
    }
}

/// `fromJson`: what could be read stays beside the error.
fn from_json_object(source: &str) -> Value {
    match from_json_with_fault(source) {
        Ok((Value::Map(read), Some(fault))) => {
            let mut entries = read.entries().clone();
            entries.insert("Error".into(), fault.into());
            Value::typed_map(Type::DICT, entries)
        }
        _ => from_json_as(source, "object", DICT_NAME).unwrap_or_else(error_map),
    }
}

fn ok_or_text(r: Result<Vec<u8>, String>) -> FuncResult {
    Ok(r.map_or_else(Value::from, Value::from))
}

fn swallow(r: Result<String, String>) -> FuncResult {
    Ok(r.unwrap_or_default().into())
}

fn or_fail(r: Result<String, String>) -> FuncResult {
    r.map(Value::from).map_err(FuncError::from)
}

pub(super) const TABLE: &[Entry] = &[
    ("b64enc", fixed(&[S], S), |_, a| Ok(b64enc(bytes(&a[0])).into())),
    ("b64dec", fixed(&[S], S), |_, a| ok_or_text(b64dec(bytes(&a[0])))),
    ("b32enc", fixed(&[S], S), |_, a| Ok(b32enc(bytes(&a[0])).into())),
    ("b32dec", fixed(&[S], S), |_, a| ok_or_text(b32dec(bytes(&a[0])))),
    ("toYaml", fixed(&[A], S), |_, a| swallow(to_yaml(&a[0]))),
    ("mustToYaml", fixed(&[A], S), |_, a| {
        or_fail(to_yaml(&a[0]).map_err(|e| {
            let of_yaml = e.starts_with("yaml: ");
            if of_yaml { e } else { format!("error marshaling into JSON: {e}") }
        }))
    }),
    ("toYamlPretty", fixed(&[A], S), |_, a| swallow(to_yaml_pretty(&a[0]))),
    ("toToml", fixed(&[A], S), |_, a| match &a[0] {
        Value::Nil => or_fail(to_toml(&a[0])),
        v => Ok(to_toml(v).unwrap_or_else(|e| e).into()),
    }),
    ("mustToToml", fixed(&[A], S), |_, a| or_fail(to_toml(&a[0]))),
    ("fromToml", fixed(&[S], D), |_, a| Ok(from_toml(&text(&a[0])).unwrap_or_else(error_map))),
    ("fromYaml", fixed(&[S], D), |_, a| {
        let empty = || Value::typed_map(Type::DICT, Default::default());
        Ok(from_yaml(&text(&a[0]), "object", DICT_NAME).map_or_else(error_map, |v| v.unwrap_or_else(empty)))
    }),
    ("fromYamlArray", fixed(&[S], Type::LIST), |_, a| {
        let empty = || Value::list(Vec::new());
        Ok(from_yaml(&text(&a[0]), "array", LIST_NAME).map_or_else(error_list, |v| v.unwrap_or_else(empty)))
    }),
    ("toJson", fixed(&[A], S), |_, a| swallow(to_json(&a[0], true, None))),
    ("mustToJson", fixed(&[A], S), |_, a| or_fail(to_json(&a[0], true, None))),
    ("toPrettyJson", fixed(&[A], S), |_, a| swallow(to_json(&a[0], true, Some("  ")))),
    ("mustToPrettyJson", fixed(&[A], S), |_, a| or_fail(to_json(&a[0], true, Some("  ")))),
    ("toRawJson", fixed(&[A], S), |_, a| or_fail(to_json(&a[0], false, None))),
    ("mustToRawJson", fixed(&[A], S), |_, a| or_fail(to_json(&a[0], false, None))),
    ("fromJson", fixed(&[S], D), |_, a| Ok(from_json_object(&text(&a[0])))),
    ("fromJsonArray", fixed(&[S], Type::LIST), |_, a| {
        Ok(from_json_as(&text(&a[0]), "array", LIST_NAME).unwrap_or_else(error_list))
    }),
    ("mustFromJson", fixed(&[S], A), |_, a| Ok(from_json(&text(&a[0]))?)),
];
