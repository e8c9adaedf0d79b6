//! Strings: trimming, cutting, searching, quoting, joining, digests of text.

use sha2::{Digest as _, Sha256, Sha512};

use super::args::{
    A, B, Entry, FuncResult, I, S, bytes, display, fixed, int, strings, strval, text, variadic,
};
use crate::template::error::FuncError;
use crate::template::exec::Exec;
use crate::template::types::Type;
use crate::template::value::{Entries, Value};

/// Go's bounds panic for `s[low:high]`.
fn out_of_range(low: i64, high: i64, len: usize) -> String {
    let len = i64::try_from(len).unwrap_or(i64::MAX);
    if high < 0 {
        format!("runtime error: slice bounds out of range [:{high}]")
    } else if high > len {
        format!("runtime error: slice bounds out of range [:{high}] with length {len}")
    } else if low < 0 {
        format!("runtime error: slice bounds out of range [{low}:]")
    } else if low > len && high == len {
        format!("runtime error: slice bounds out of range [{low}:{len}]")
    } else {
        format!("runtime error: slice bounds out of range [{low}:{high}]")
    }
}

fn cut(s: &[u8], low: i64, high: i64) -> FuncResult {
    let range = usize::try_from(low).ok().zip(usize::try_from(high).ok());
    match range.and_then(|(l, h)| s.get(l..h)) {
        Some(part) => Ok(Value::from_bytes(part)),
        None => Err(out_of_range(low, high, s.len()).into()),
    }
}

fn length(s: &[u8]) -> i64 {
    i64::try_from(s.len()).unwrap_or(i64::MAX)
}

fn trunc(_: &mut Exec, a: &[Value]) -> FuncResult {
    let (c, s) = (int(&a[0]), bytes(&a[1]));
    let len = length(s);
    if c < 0 && len + c > 0 {
        return cut(s, len + c, len);
    }
    if c >= 0 && len > c {
        return cut(s, 0, c);
    }
    Ok(a[1].clone())
}

fn substr(_: &mut Exec, a: &[Value]) -> FuncResult {
    let (start, end, s) = (int(&a[0]), int(&a[1]), bytes(&a[2]));
    let len = length(s);
    if start < 0 {
        return cut(s, 0, end);
    }
    if end < 0 || end > len {
        return cut(s, start, len);
    }
    cut(s, start, end)
}

fn repeat(exec: &mut Exec, a: &[Value]) -> FuncResult {
    let (count, s) = (int(&a[0]), bytes(&a[1]));
    let Ok(count) = usize::try_from(count) else { return Err("strings: negative Repeat count".into()) };
    let size = s.len().checked_mul(count).ok_or("strings: Repeat output length overflow")?;
    exec.check_text(size)?;
    exec.charge(size as u64 / 8)?;
    Ok(s.repeat(count).into())
}

/// `unicode.IsSpace`: Rust's White_Space is the same set.
pub(super) fn is_space(c: char) -> bool {
    c.is_whitespace()
}

fn trim_all(a: &[Value]) -> Value {
    let cutset = text(&a[0]);
    text(&a[1]).trim_matches(|c| cutset.contains(c)).into()
}

fn quote(_: &mut Exec, a: &[Value]) -> FuncResult {
    let quoted = a.iter().filter(|v| !matches!(v, Value::Nil));
    let quoted = quoted.map(|v| Ok(crate::template::strconv::quote(bytes(&strval(v)?))));
    Ok(quoted.collect::<Result<Vec<String>, FuncError>>()?.join(" ").into())
}

fn squote(_: &mut Exec, a: &[Value]) -> FuncResult {
    let mut out = Vec::new();
    for v in a.iter().filter(|v| !matches!(v, Value::Nil)) {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.push(b'\'');
        out.extend(display(v)?);
        out.push(b'\'');
    }
    Ok(out.into())
}

fn cat(_: &mut Exec, a: &[Value]) -> FuncResult {
    let parts = a.iter().filter(|v| !matches!(v, Value::Nil)).map(display);
    Ok(parts.collect::<Result<Vec<_>, _>>()?.join(&b' ').into())
}

fn indented(exec: &mut Exec, spaces: i64, s: &Value, lead: &str) -> FuncResult {
    let Ok(spaces) = usize::try_from(spaces) else { return Err("strings: negative Repeat count".into()) };
    let source = bytes(s);
    let lines = 1 + memchr::memchr_iter(b'\n', source).count();
    let size = lines.saturating_mul(spaces).saturating_add(source.len() + lead.len());
    exec.check_text(size)?;
    exec.charge(size as u64 / 8)?;
    let mut out = vec![b' '; size];
    out[..lead.len()].copy_from_slice(lead.as_bytes());
    let (mut start, mut at) = (0, lead.len());
    for end in memchr::memchr_iter(b'\n', source).map(|at| at + 1).chain([source.len()]) {
        let line = &source[start..end];
        at += spaces;
        out[at..at + line.len()].copy_from_slice(line);
        at += line.len();
        start = end;
    }
    Ok(out.into())
}

fn replace(exec: &mut Exec, a: &[Value]) -> FuncResult {
    let (old, new, src) = (text(&a[0]), text(&a[1]), text(&a[2]));
    let count = if old.is_empty() { src.chars().count() + 1 } else { src.matches(&*old).count() };
    exec.check_text(src.len().saturating_add(count.saturating_mul(new.len())))?;
    Ok(src.replace(&*old, &new).into())
}

/// `strings.SplitN`: `n` < 0 is all, 0 none; an empty separator splits into characters.
pub(super) fn split_n(s: &str, sep: &str, n: i64) -> Vec<String> {
    let Ok(limit) = usize::try_from(n) else {
        return match sep {
            "" => s.chars().map(String::from).collect(),
            _ => s.split(sep).map(str::to_owned).collect(),
        };
    };
    if limit == 0 {
        return Vec::new();
    }
    if !sep.is_empty() {
        return s.splitn(limit, sep).map(str::to_owned).collect();
    }
    let mut out: Vec<String> = Vec::new();
    let mut rest = s.chars();
    while out.len() + 1 < limit {
        match rest.next() {
            Some(c) => out.push(c.to_string()),
            None => return out,
        }
    }
    if !rest.as_str().is_empty() {
        out.push(rest.as_str().to_owned());
    }
    out
}

fn numbered(parts: Vec<String>) -> Value {
    let entries: Entries =
        parts.into_iter().enumerate().map(|(i, p)| (format!("_{i}").into(), p.into())).collect();
    Value::typed_map(Type::STRING_MAP, entries)
}

fn join(exec: &mut Exec, a: &[Value]) -> FuncResult {
    let parts = strings(&a[1])?;
    let size: usize = parts.iter().map(|p| bytes(p).len() + bytes(&a[0]).len()).sum();
    exec.check_text(size)?;
    let parts: Vec<&[u8]> = parts.iter().map(bytes).collect();
    Ok(parts.join(bytes(&a[0])).into())
}

/// Lower-case hexadecimal.
pub(super) fn hex(digest: &[u8]) -> Value {
    let digit = |n: u8| char::from(b"0123456789abcdef"[usize::from(n)]);
    digest.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect::<String>().into()
}

fn adler32(data: &[u8]) -> u32 {
    let (mut a, mut b) = (1_u32, 0_u32);
    for byte in data {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    b << 16 | a
}

const STRINGS: Type = Type::STRINGS;

pub(super) const TABLE: &[Entry] = &[
    ("hello", fixed(&[], S), |_, _| Ok("Hello!".into())),
    ("trunc", fixed(&[I, S], S), trunc),
    ("substr", fixed(&[I, I, S], S), substr),
    ("repeat", fixed(&[I, S], S), repeat),
    ("trim", fixed(&[S], S), |_, a| Ok(text(&a[0]).trim_matches(is_space).into())),
    ("trimall", fixed(&[S, S], S), |_, a| Ok(trim_all(a))),
    ("trimAll", fixed(&[S, S], S), |_, a| Ok(trim_all(a))),
    ("trimSuffix", fixed(&[S, S], S), |_, a| {
        Ok(bytes(&a[1]).strip_suffix(bytes(&a[0])).map_or_else(|| a[1].clone(), Value::from_bytes))
    }),
    ("trimPrefix", fixed(&[S, S], S), |_, a| {
        Ok(bytes(&a[1]).strip_prefix(bytes(&a[0])).map_or_else(|| a[1].clone(), Value::from_bytes))
    }),
    ("nospace", fixed(&[S], S), |_, a| {
        // goutils goes byte by byte and takes each for a character: what is not ASCII comes out mangled.
        let chars = bytes(&a[0]).iter().map(|&b| char::from(b));
        Ok(chars.filter(|c| !is_space(*c)).collect::<String>().into())
    }),
    ("upper", fixed(&[S], S), |_, a| {
        Ok(text(&a[0]).chars().map(super::words::upper).collect::<String>().into())
    }),
    ("lower", fixed(&[S], S), |_, a| {
        Ok(text(&a[0]).chars().map(super::words::lower).collect::<String>().into())
    }),
    ("contains", fixed(&[S, S], B), |_, a| Ok(text(&a[1]).contains(&*text(&a[0])).into())),
    ("hasPrefix", fixed(&[S, S], B), |_, a| Ok(bytes(&a[1]).starts_with(bytes(&a[0])).into())),
    ("hasSuffix", fixed(&[S, S], B), |_, a| Ok(bytes(&a[1]).ends_with(bytes(&a[0])).into())),
    ("quote", variadic(&[A], S), quote),
    ("squote", variadic(&[A], S), squote),
    ("cat", variadic(&[A], S), cat),
    ("indent", fixed(&[I, S], S), |x, a| indented(x, int(&a[0]), &a[1], "")),
    ("nindent", fixed(&[I, S], S), |x, a| indented(x, int(&a[0]), &a[1], "\n")),
    ("replace", fixed(&[S, S, S], S), replace),
    ("plural", fixed(&[S, S, I], S), |_, a| Ok(a[usize::from(int(&a[2]) != 1)].clone())),
    ("toString", fixed(&[A], S), |_, a| strval(&a[0])),
    ("toStrings", fixed(&[A], STRINGS), |_, a| Ok(Value::typed_list(STRINGS, strings(&a[0])?))),
    ("split", fixed(&[S, S], Type::STRING_MAP), |_, a| Ok(numbered(split_n(&text(&a[1]), &text(&a[0]), -1)))),
    ("splitn", fixed(&[S, I, S], Type::STRING_MAP), |_, a| {
        Ok(numbered(split_n(&text(&a[2]), &text(&a[0]), int(&a[1]))))
    }),
    ("splitList", fixed(&[S, S], STRINGS), |_, a| {
        Ok(Value::strings(split_n(&text(&a[1]), &text(&a[0]), -1)))
    }),
    ("join", fixed(&[S, A], S), join),
    ("sha256sum", fixed(&[S], S), |_, a| Ok(hex(&Sha256::digest(bytes(&a[0]))))),
    ("sha512sum", fixed(&[S], S), |_, a| Ok(hex(&Sha512::digest(bytes(&a[0]))))),
    ("adler32sum", fixed(&[S], S), |_, a| Ok(adler32(bytes(&a[0])).to_string().into())),
];
