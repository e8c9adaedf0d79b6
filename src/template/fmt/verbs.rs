//! What each verb does with each kind of value: Go's `fmt/print.go`.

use super::{MAX_DEPTH, Printer};
use crate::template::stack::roomy;
use crate::template::types::Kind;
use crate::template::value::{Map, Object, Value};

/// Addresses differ from run to run in Go; here every pointer has this one.
const ADDRESS: u64 = 0xc000_0000_0000;

impl Printer<'_> {
    /// Prints an argument by a verb.
    pub(super) fn argument(&mut self, arg: &Value, verb: char) {
        match (arg, verb) {
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (_, 'T') => self.text(arg.type_name().as_bytes()),
            (_, 'p') => self.pointer(arg, 'p'),
            (_, 'w') => self.bad_verb(arg, 'w'),
            (Value::Bytes(bytes), _) => self.bytes(arg, bytes, verb, "[]byte"),
            _ => self.value(arg, verb, 0),
        }
    }

    /// `%!verb(type=value)`
    fn bad_verb(&mut self, value: &Value, verb: char) {
        let outer = std::mem::replace(&mut self.erroring, true);
        self.write(b"%!");
        self.write(verb.encode_utf8(&mut [0; 4]).as_bytes());
        self.write(b"(");
        self.write(value.type_name().as_bytes());
        if !matches!(value, Value::Nil) {
            self.write(b"=");
            self.argument(value, 'v');
        }
        self.write(b")");
        self.erroring = outer;
    }

    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        self.shown_as(value, value, verb, depth);
    }

    /// Prints `bare`; `value` is what it is of a defined type over (or the same), for its type's name.
    fn shown_as(&mut self, value: &Value, bare: &Value, verb: char, depth: usize) {
        if depth > MAX_DEPTH {
            return self.fail("the printed value is nested too deeply, or contains itself");
        }
        if self.failed.is_some() {
            return;
        }
        match bare {
            Value::Nil if depth == 0 => self.bad_verb(value, verb),
            Value::Nil => self.write(if self.flags.sharp_v { b"interface {}(nil)" } else { b"<nil>" }),
            Value::Bool(b) => match verb {
                't' | 'v' => self.pad(if *b { b"true" } else { b"false" }),
                _ => self.bad_verb(value, verb),
            },
            Value::Int(_, n) => self.number(value, n.unsigned_abs(), *n < 0, true, verb),
            Value::Uint(_, n) => self.number(value, *n, false, false, verb),
            Value::Float(f) => self.real(value, *f, 64, verb),
            Value::Float32(f) => self.real(value, f64::from(*f), 32, verb),
            Value::Complex(re, im) => self.complex(value, *re, *im, verb),
            Value::Str(_) | Value::Raw(_) => self.string(value, bare.bytes().unwrap_or_default(), verb),
            Value::Bytes(bytes) => match verb {
                's' | 'q' | 'x' | 'X' => self.bytes(value, bytes, verb, "[]uint8"),
                _ => self.elements(
                    value,
                    bytes.iter().map(|&b| Value::Uint(crate::template::UintKind::U8, b.into())),
                    verb,
                    depth,
                ),
            },
            Value::List(list) => {
                if list.is_nil() && self.flags.sharp_v {
                    self.write(value.type_name().as_bytes());
                    return self.write(b"(nil)");
                }
                self.elements(value, list.items().iter().cloned(), verb, depth);
            }
            Value::Map(map) => self.map(map, value, verb, depth),
            Value::Func(_) => self.pointer(value, verb),
            Value::Object(object) => self.object(value, &**object, verb, depth),
        }
    }

    fn elements(&mut self, value: &Value, items: impl Iterator<Item = Value>, verb: char, depth: usize) {
        let go_syntax = self.flags.sharp_v;
        if go_syntax {
            self.write(value.type_name().as_bytes());
        }
        self.write(if go_syntax { b"{" } else { b"[" });
        for (i, item) in items.enumerate() {
            if i > 0 {
                self.write(if go_syntax { b", " } else { b" " });
            }
            roomy(|| self.value(&item, verb, depth + 1));
            if self.failed.is_some() {
                return;
            }
        }
        self.write(if go_syntax { b"}" } else { b"]" });
    }

    fn map(&mut self, map: &Map, value: &Value, verb: char, depth: usize) {
        let go_syntax = self.flags.sharp_v;
        if go_syntax {
            self.write(value.type_name().as_bytes());
            if map.is_nil() {
                return self.write(b"(nil)");
            }
        }
        self.write(if go_syntax { b"{" } else { b"map[" });
        for (i, (key, item)) in map.entries().iter().enumerate() {
            if i > 0 {
                self.write(if go_syntax { b", " } else { b" " });
            }
            self.value(&Value::Str(key.clone()), verb, depth + 1);
            self.write(b":");
            roomy(|| self.value(item, verb, depth + 1));
            if self.failed.is_some() {
                return;
            }
        }
        self.write(if go_syntax { b"}" } else { b"]" });
    }

    fn object(&mut self, value: &Value, object: &dyn Object, verb: char, depth: usize) {
        if !self.erroring && !self.flags.sharp_v && matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
            if let Some(text) = object.string() {
                return self.string(value, text.as_bytes(), verb);
            }
        }
        if let Some(bare) = object.underlying() {
            return self.shown_as(value, &bare, verb, depth);
        }
        if object.go_type().kind() == Kind::Ptr {
            if depth > 0 {
                return self.pointer(value, verb);
            }
            self.write(b"&");
        }
        let go_syntax = self.flags.sharp_v;
        if go_syntax {
            let name = value.type_name();
            self.write(name.trim_start_matches('*').as_bytes());
        }
        self.write(b"{");
        for (i, (name, field)) in object.fields().iter().enumerate() {
            if i > 0 {
                self.write(if go_syntax { b", " } else { b" " });
            }
            if self.flags.plus_v || go_syntax {
                self.write(name.as_bytes());
                self.write(b":");
            }
            self.value(field, verb, depth + 1);
        }
        self.write(b"}");
    }

    fn number(&mut self, value: &Value, magnitude: u64, negative: bool, signed: bool, verb: char) {
        // What Go's conversion of a negative number to an unsigned one makes of it.
        let code = if negative { magnitude.wrapping_neg() } else { magnitude };
        match verb {
            'v' if self.flags.sharp_v && !signed => self.address(magnitude, true),
            'v' | 'd' => self.integer(magnitude, negative, 10, verb, false),
            'b' => self.integer(magnitude, negative, 2, verb, false),
            'o' | 'O' => self.integer(magnitude, negative, 8, verb, false),
            'x' => self.integer(magnitude, negative, 16, verb, false),
            'X' => self.integer(magnitude, negative, 16, verb, true),
            'c' => self.character(code),
            'q' => self.quoted_character(code),
            'U' => self.unicode(code),
            _ => self.bad_verb(value, verb),
        }
    }

    fn address(&mut self, n: u64, prefix: bool) {
        let sharp = std::mem::replace(&mut self.flags.sharp, prefix);
        self.integer(n, false, 16, 'v', false);
        self.flags.sharp = sharp;
    }

    fn real(&mut self, value: &Value, f: f64, bits: u32, verb: char) {
        match verb {
            'v' => self.float(f, bits, 'g', None),
            'b' | 'g' | 'G' | 'x' | 'X' => self.float(f, bits, verb, None),
            'f' | 'e' | 'E' => self.float(f, bits, verb, Some(6)),
            'F' => self.float(f, bits, 'f', Some(6)),
            _ => self.bad_verb(value, verb),
        }
    }

    fn complex(&mut self, value: &Value, re: f64, im: f64, verb: char) {
        if !matches!(verb, 'v' | 'b' | 'g' | 'G' | 'x' | 'X' | 'f' | 'F' | 'e' | 'E') {
            return self.bad_verb(value, verb);
        }
        self.write(b"(");
        self.real(value, re, 64, verb);
        let plus = std::mem::replace(&mut self.flags.plus, true);
        self.real(value, im, 64, verb);
        self.flags.plus = plus;
        self.write(b"i)");
    }

    fn string(&mut self, value: &Value, text: &[u8], verb: char) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.text(text),
            'x' => self.hex_bytes(text, false),
            'X' => self.hex_bytes(text, true),
            'q' => self.quoted(text),
            _ => self.bad_verb(value, verb),
        }
    }

    fn bytes(&mut self, value: &Value, bytes: &[u8], verb: char, type_name: &str) {
        match verb {
            'v' | 'd' => {
                let go_syntax = self.flags.sharp_v;
                if go_syntax {
                    self.write(type_name.as_bytes());
                }
                self.write(if go_syntax { b"{" } else { b"[" });
                for (i, &b) in bytes.iter().enumerate() {
                    if i > 0 {
                        self.write(if go_syntax { b", " } else { b" " });
                    }
                    if go_syntax {
                        self.address(b.into(), true);
                    } else {
                        self.integer(b.into(), false, 10, verb, false);
                    }
                }
                self.write(if go_syntax { b"}" } else { b"]" });
            }
            's' => self.text(bytes),
            'x' => self.hex_bytes(bytes, false),
            'X' => self.hex_bytes(bytes, true),
            'q' => self.quoted(bytes),
            _ => self.value(value, verb, 0),
        }
    }

    fn pointer(&mut self, value: &Value, verb: char) {
        if !matches!(value.kind(), Kind::Func | Kind::Map | Kind::Ptr | Kind::Slice) {
            return self.bad_verb(value, verb);
        }
        let address = if value.is_nil() { 0 } else { ADDRESS };
        match verb {
            'v' if self.flags.sharp_v => {
                self.write(b"(");
                self.write(value.type_name().as_bytes());
                self.write(b")(");
                self.address(address, true);
                self.write(b")");
            }
            'v' | 'p' => {
                let prefix = !self.flags.sharp;
                self.address(address, prefix);
            }
            'b' | 'o' | 'd' | 'x' | 'X' => self.number(value, address, false, false, verb),
            _ => self.bad_verb(value, verb),
        }
    }
}
