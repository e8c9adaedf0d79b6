//! Go's `fmt` for template values: `print`, `println`, `printf` with every verb, and how an action prints its result.
//!
//! Everything is bounded: a text may not grow beyond the limit that the caller gives, nor a value be nested deeper than
//! [`MAX_DEPTH`] (a map that was set into itself never ends; Go crashes there).

mod format;
mod verbs;

use super::error::FuncError;
use super::strconv::{chars::decode_rune, format_float};
use super::value::Value;

/// How deep a value that is printed may be nested.
pub const MAX_DEPTH: usize = 2000;

/// A printer at work: Go's `pp` and `fmt` in one.
struct Printer<'a> {
    out: &'a mut Vec<u8>,
    /// No more is written once `out` would be longer than this.
    end: usize,
    failed: Option<String>,
    flags: Flags,
    /// Inside `%!verb(...)`: methods are not consulted.
    erroring: bool,
}

/// The flags, width and precision of one verb.
#[derive(Default, Clone, Copy)]
struct Flags {
    width: Option<usize>,
    precision: Option<usize>,
    minus: bool,
    plus: bool,
    sharp: bool,
    space: bool,
    zero: bool,
    /// `%+v`
    plus_v: bool,
    /// `%#v`
    sharp_v: bool,
}

impl<'a> Printer<'a> {
    fn new(out: &'a mut Vec<u8>, limit: usize) -> Self {
        let end = out.len().saturating_add(limit);
        Self { out, end, failed: None, flags: Flags::default(), erroring: false }
    }

    fn write(&mut self, bytes: &[u8]) {
        if self.out.len() + bytes.len() > self.end {
            self.fail("the printed text is larger than the limit allows");
        }
        if self.failed.is_none() {
            self.out.extend_from_slice(bytes);
        }
    }

    fn fail(&mut self, why: &str) {
        self.failed.get_or_insert_with(|| why.to_owned());
    }

    fn done(self) -> Result<(), FuncError> {
        self.failed.map_or(Ok(()), |why| Err(FuncError::Message(why)))
    }
}

/// Appends a value as `%v` prints it (and as an action `{{ value }}` does, except for nil).
///
/// # Errors
/// The text would be longer than `limit` bytes, or the value is nested too deeply.
pub fn append(out: &mut Vec<u8>, value: &Value, limit: usize) -> Result<(), FuncError> {
    match value {
        Value::Str(s) if s.len() <= limit => {
            out.extend_from_slice(s.as_bytes());
            Ok(())
        }
        Value::Bool(b) => {
            out.extend_from_slice(if *b { b"true" } else { b"false" });
            Ok(())
        }
        Value::Int(_, n) => {
            out.extend_from_slice(n.to_string().as_bytes());
            Ok(())
        }
        Value::Float(f) if f.is_finite() => {
            out.extend_from_slice(format_float(*f, 'g', None, 64).as_bytes());
            Ok(())
        }
        _ => {
            let mut p = Printer::new(out, limit);
            p.argument(value, 'v');
            p.done()
        }
    }
}

/// As [`append`], but what a pointer points to is printed without the `&`: how an action prints its value.
///
/// # Errors
/// As [`append`].
pub fn append_printable(out: &mut Vec<u8>, value: &Value, limit: usize) -> Result<(), FuncError> {
    let at = out.len();
    append(out, value, limit)?;
    if let Value::Object(object) = value {
        if object.string().is_none() && out.get(at) == Some(&b'&') {
            out.remove(at);
        }
    }
    Ok(())
}

/// `fmt.Sprint`: a blank between two arguments if neither is a string.
///
/// # Errors
/// As [`append`].
pub fn sprint(args: &[Value], limit: usize) -> Result<Vec<u8>, FuncError> {
    let mut out = Vec::new();
    let mut p = Printer::new(&mut out, limit);
    let mut string_before = true;
    for arg in args {
        let is_string = arg.kind() == super::types::Kind::String;
        if !is_string && !string_before {
            p.write(b" ");
        }
        p.argument(arg, 'v');
        string_before = is_string;
    }
    p.done()?;
    Ok(out)
}

/// `fmt.Sprintln`: always a blank between arguments, a newline at the end.
///
/// # Errors
/// As [`append`].
pub fn sprintln(args: &[Value], limit: usize) -> Result<Vec<u8>, FuncError> {
    let mut out = Vec::new();
    let mut p = Printer::new(&mut out, limit);
    for (i, arg) in args.iter().enumerate() {
        if i > 0 {
            p.write(b" ");
        }
        p.argument(arg, 'v');
    }
    p.write(b"\n");
    p.done()?;
    Ok(out)
}

/// `fmt.Sprintf`. Mistakes in the format show in the text (`%!d(string=x)`), as in Go.
///
/// # Errors
/// As [`append`].
pub fn sprintf(format: &[u8], args: &[Value], limit: usize) -> Result<Vec<u8>, FuncError> {
    let mut out = Vec::with_capacity(format.len() + 16 * args.len());
    let mut p = Printer::new(&mut out, limit);
    Directives { format, at: 0, args, next: 0, reordered: false, good_index: true }.run(&mut p);
    p.done()?;
    Ok(out)
}

/// A value as `%v`, for messages; never fails: what is too large is cut.
#[must_use]
pub fn to_text(value: &Value) -> String {
    let mut out = Vec::new();
    let _ = append(&mut out, value, 1 << 24);
    match String::from_utf8(out) {
        Ok(text) => text,
        Err(e) => String::from_utf8_lossy(e.as_bytes()).into_owned(),
    }
}

/// Numbers in a format larger than this are refused, as in Go.
const TOO_LARGE: i64 = 1_000_000;

/// The walk over a format: Go's `doPrintf`.
struct Directives<'a> {
    format: &'a [u8],
    at: usize,
    args: &'a [Value],
    /// The next argument.
    next: usize,
    /// An explicit index was used: surplus arguments are not reported.
    reordered: bool,
    good_index: bool,
}

impl Directives<'_> {
    fn run(&mut self, p: &mut Printer<'_>) {
        while self.at < self.format.len() && p.failed.is_none() {
            let rest = &self.format[self.at..];
            let plain = rest.iter().position(|&b| b == b'%').unwrap_or(rest.len());
            p.write(&rest[..plain]);
            self.at += plain + 1;
            if plain == rest.len() {
                break;
            }
            self.good_index = true;
            p.flags = Flags::default();
            if !self.directive(p) {
                break;
            }
        }
        if !self.reordered && self.next < self.args.len() {
            self.surplus(p);
        }
    }

    fn surplus(&self, p: &mut Printer<'_>) {
        p.flags = Flags::default();
        p.write(b"%!(EXTRA ");
        for (i, arg) in self.args[self.next..].iter().enumerate() {
            if i > 0 {
                p.write(b", ");
            }
            p.write(arg.type_name().as_bytes());
            if !matches!(arg, Value::Nil) {
                p.write(b"=");
                p.argument(arg, 'v');
            }
        }
        p.write(b")");
    }

    /// One directive after its `%`. False if the format ended inside it.
    fn directive(&mut self, p: &mut Printer<'_>) -> bool {
        while let Some(&c) = self.format.get(self.at) {
            match c {
                b'#' => p.flags.sharp = true,
                b'0' => p.flags.zero = true,
                b'+' => p.flags.plus = true,
                b'-' => p.flags.minus = true,
                b' ' => p.flags.space = true,
                _ => break,
            }
            self.at += 1;
        }
        let mut after_index = self.argument_index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.integer_argument() {
                Some(width) => {
                    p.flags.width = usize::try_from(width.unsigned_abs()).ok();
                    if width < 0 {
                        p.flags.minus = true;
                        p.flags.zero = false;
                    }
                }
                None => p.write(b"%!(BADWIDTH)"),
            }
            after_index = false;
        } else {
            p.flags.width = self.number();
            if after_index && p.flags.width.is_some() {
                self.good_index = false;
            }
        }
        if self.peek() == Some(b'.') && self.at + 1 < self.format.len() {
            self.at += 1;
            if after_index {
                self.good_index = false;
            }
            after_index = self.argument_index();
            if self.peek() == Some(b'*') {
                self.at += 1;
                p.flags.precision = match self.integer_argument() {
                    Some(n) if n >= 0 => usize::try_from(n).ok(),
                    _ => None,
                };
                if p.flags.precision.is_none() {
                    p.write(b"%!(BADPREC)");
                }
                after_index = false;
            } else {
                p.flags.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !after_index {
            self.argument_index();
        }
        if self.at >= self.format.len() {
            p.write(b"%!(NOVERB)");
            return false;
        }
        let (verb, width) = decode_rune(&self.format[self.at..]);
        let verb = verb.unwrap_or('\u{FFFD}');
        self.at += width;
        self.print(p, verb);
        true
    }

    fn print(&mut self, p: &mut Printer<'_>, verb: char) {
        let complaint = |p: &mut Printer<'_>, what: &str| {
            p.write(b"%!");
            p.write(verb.encode_utf8(&mut [0; 4]).as_bytes());
            p.write(what.as_bytes());
        };
        if verb == '%' {
            p.write(b"%");
        } else if !self.good_index {
            complaint(p, "(BADINDEX)");
        } else if self.next >= self.args.len() {
            complaint(p, "(MISSING)");
        } else {
            if matches!(verb, 'v' | 'w') {
                p.flags.sharp_v = std::mem::take(&mut p.flags.sharp);
                p.flags.plus_v = std::mem::take(&mut p.flags.plus);
            }
            p.argument(&self.args[self.next], verb);
            self.next += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    /// A width or precision in digits. One that is too large swallows the rest of the format, as in Go.
    fn number(&mut self) -> Option<usize> {
        let mut n: Option<i64> = None;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if n.is_some_and(|n| n > TOO_LARGE) {
                self.at = self.format.len();
                return None;
            }
            n = Some(n.unwrap_or(0) * 10 + i64::from(digit - b'0'));
            self.at += 1;
        }
        n.and_then(|n| usize::try_from(n).ok())
    }

    /// The argument of a `*`.
    fn integer_argument(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        let n = match &*arg.bare() {
            Value::Int(_, n) => *n,
            Value::Uint(_, n) => i64::try_from(*n).ok()?,
            _ => return None,
        };
        (n.unsigned_abs() <= TOO_LARGE.unsigned_abs()).then_some(n)
    }

    /// An explicit argument index `[n]`, if one stands here.
    fn argument_index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let close = if rest.len() < 3 { None } else { rest.iter().skip(1).position(|&b| b == b']') };
        let Some(digits) = close.map(|n| &rest[1..=n]) else {
            self.good_index = false;
            self.at += 1;
            return false;
        };
        self.at += digits.len() + 2;
        let well_formed = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(digits).ok().and_then(|d| d.parse::<i64>().ok());
        let Some(number) = number.filter(|&n| well_formed && n / 10 <= TOO_LARGE) else {
            self.good_index = false;
            return false;
        };
        match usize::try_from(number - 1).ok().filter(|&i| i < self.args.len()) {
            Some(index) => self.next = index,
            None => self.good_index = false,
        }
        true
    }
}
