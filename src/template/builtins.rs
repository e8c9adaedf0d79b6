//! The functions of the language itself: `and`, `or`, `not`, `len`, `index`, `slice`, `call`, printing, comparison, escaping.

use super::compare::{equal, less};
use super::error::FuncError;
use super::escape;
use super::eval::Slot;
use super::exec::Exec;
use super::fmt;
use super::func::Signature;
use super::types::{Type, UintKind};
use super::value::Value;

macro_rules! builtins {
    ($($variant:ident $name:literal $signature:expr, $doc:literal;)*) => {
        /// A function of the language.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Builtin { $(#[doc = $doc] $variant,)* }

        impl Builtin {
            /// The function of that name.
            #[must_use]
            pub fn by_name(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$variant),)* _ => None }
            }

            /// Its name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its parameters.
            pub(super) fn signature(self) -> &'static Signature {
                match self { $(Self::$variant => &$signature,)* }
            }
        }
    };
}

/// `(reflect.Value, ...reflect.Value)`
const SOME: Signature = Signature::variadic(&[Type::Reflect, Type::Reflect], Type::Reflect);
/// `(reflect.Value)`
const ONE: Signature = Signature::fixed(&[Type::Reflect], Type::Reflect);
/// `(reflect.Value, reflect.Value)`
const TWO: Signature = Signature::fixed(&[Type::Reflect, Type::Reflect], Type::Bool);
/// `(...interface {})`
const ANY: Signature = Signature::variadic(&[Type::Any], Type::String);
/// `(string, ...interface {})`
const FORMAT: Signature = Signature::variadic(&[Type::String, Type::Any], Type::String);

builtins! {
    And "and" SOME, "The first false argument, or the last; the rest is not evaluated.";
    Call "call" SOME, "Calls a function value.";
    Html "html" ANY, "Escapes for HTML.";
    Index "index" SOME, "An element of a list, map or string.";
    Slice "slice" SOME, "A part of a list or string.";
    Js "js" ANY, "Escapes for JavaScript.";
    Len "len" ONE, "The length of a list, map or string.";
    Not "not" ONE, "The negation of the truth.";
    Or "or" SOME, "The first true argument, or the last; the rest is not evaluated.";
    Print "print" ANY, "`fmt.Sprint`.";
    Printf "printf" FORMAT, "`fmt.Sprintf`.";
    Println "println" ANY, "`fmt.Sprintln`.";
    UrlQuery "urlquery" ANY, "Escapes for a URL's query.";
    Eq "eq" SOME, "Equal to any of the others.";
    Ge "ge" TWO, "Greater or equal.";
    Gt "gt" TWO, "Greater.";
    Le "le" TWO, "Less or equal.";
    Lt "lt" TWO, "Less.";
    Ne "ne" TWO, "Not equal.";
}

impl Builtin {
    /// Runs it. `interface` is whether the static type of the first argument is `interface {}`; `callee` is what `call`'s
    /// first argument is called in messages.
    pub(super) fn run(
        self,
        exec: &mut Exec,
        args: &[Value],
        interface: bool,
        callee: &str,
    ) -> Result<Slot, FuncError> {
        let limit = exec.limits().text;
        let value = match self {
            Self::And | Self::Or => args.last().cloned().unwrap_or_default(),
            Self::Call => return call(exec, args, callee),
            Self::Index => return index(args, interface),
            Self::Slice => slice(args)?,
            Self::Len => length(&args[0], interface)?,
            Self::Not => Value::Bool(!args[0].truth()),
            Self::Print => Value::from(fmt::sprint(args, limit)?),
            Self::Println => Value::from(fmt::sprintln(args, limit)?),
            Self::Printf => {
                Value::from(fmt::sprintf(args[0].bytes().unwrap_or_default(), &args[1..], limit)?)
            }
            Self::Html => Value::from(escape::html(&escape::text_of(args, limit)?)),
            Self::Js => Value::from(escape::js(&escape::text_of(args, limit)?)),
            Self::UrlQuery => Value::from(escape::url_query(&escape::text_of(args, limit)?)),
            Self::Eq => {
                let (first, rest) = args.split_first().ok_or("missing argument for comparison")?;
                Value::Bool(equal(first, rest.iter())?)
            }
            Self::Ne => Value::Bool(!equal(&args[0], [&args[1]].into_iter())?),
            Self::Lt => Value::Bool(less(&args[0], &args[1])?),
            Self::Ge => Value::Bool(!less(&args[0], &args[1])?),
            Self::Le => Value::Bool(less_or_equal(&args[0], &args[1])?),
            Self::Gt => Value::Bool(!less_or_equal(&args[0], &args[1])?),
        };
        Ok(Slot::plain(value))
    }
}

fn less_or_equal(a: &Value, b: &Value) -> Result<bool, FuncError> {
    Ok(less(a, b)? || equal(a, [b].into_iter())?)
}

/// Go's `indexArg`: an index into something of length `cap`, which itself is still allowed.
fn index_argument(index: &Value, cap: usize) -> Result<usize, FuncError> {
    let n = match &*index.bare() {
        Value::Int(_, n) => *n,
        Value::Uint(_, n) => n.cast_signed(),
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => {
            return Err(format!("cannot index slice/array with type {}", other.type_name()).into());
        }
    };
    match usize::try_from(n) {
        Ok(n) if n <= cap => Ok(n),
        _ => Err(format!("index out of range: {n}").into()),
    }
}

/// The name of a type behind a pointer.
fn pointee(value: &Value) -> String {
    value.type_name().trim_start_matches('*').to_owned()
}

fn index(args: &[Value], interface: bool) -> Result<Slot, FuncError> {
    if matches!(args[0], Value::Nil) {
        return Err("index of untyped nil".into());
    }
    let [_, first, rest @ ..] = args else { return Ok(Slot::new(args[0].clone(), interface)) };
    let mut item = element(&args[0], first)?;
    for key in rest {
        item = element(&item.value, key)?;
    }
    Ok(item)
}

fn element(item: &Value, key: &Value) -> Result<Slot, FuncError> {
    if matches!(item, Value::Nil) {
        return Err("index of nil pointer".into());
    }
    Ok(match &*item.bare() {
        Value::List(list) => {
            let i = index_argument(key, list.items().len())?;
            let found = list.items().get(i).ok_or("reflect: slice index out of range")?;
            Slot::of(list.go_type().elem(), found.clone())
        }
        Value::Bytes(bytes) => {
            let i = index_argument(key, bytes.len())?;
            byte(bytes.get(i).ok_or("reflect: slice index out of range")?)
        }
        text @ (Value::Str(_) | Value::Raw(_)) => {
            let bytes = text.bytes().unwrap_or_default();
            let i = index_argument(key, bytes.len())?;
            byte(bytes.get(i).ok_or("reflect: string index out of range")?)
        }
        Value::Map(map) => {
            let Some(name) = key.text() else {
                return Err(match key {
                    Value::Nil => "value is nil; should be of type string".into(),
                    other => format!("value has type {}; should be string", other.type_name()).into(),
                });
            };
            let ty = map.go_type().elem();
            Slot::of(ty, map.get(&name).unwrap_or_else(|| Value::zero(ty)))
        }
        _ => return Err(format!("can't index item of type {}", pointee(item)).into()),
    })
}

fn byte(b: &u8) -> Slot {
    Slot::plain(Value::Uint(UintKind::U8, (*b).into()))
}

fn slice(args: &[Value]) -> Result<Value, FuncError> {
    let item = args[0].bare();
    let indexes = &args[1..];
    if matches!(*item, Value::Nil) {
        return Err("slice of untyped nil".into());
    }
    if indexes.len() > 3 {
        return Err(format!("too many slice indexes: {}", indexes.len()).into());
    }
    let length = match &*item {
        Value::Str(_) | Value::Raw(_) if indexes.len() == 3 => {
            return Err("cannot 3-index slice a string".into());
        }
        Value::List(list) => list.items().len(),
        other => match other.bytes() {
            Some(bytes) => bytes.len(),
            None => return Err(format!("can't slice item of type {}", pointee(other)).into()),
        },
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = index_argument(index, length)?;
    }
    let [from, to, cap] = bounds;
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}").into());
    }
    if indexes.len() == 3 && to > cap {
        return Err(format!("invalid slice index: {to} > {cap}").into());
    }
    Ok(match &*item {
        Value::List(list) => Value::typed_list(list.go_type(), list.items()[from..to].to_vec()),
        Value::Bytes(bytes) => Value::Bytes(bytes[from..to].into()),
        other => Value::from_bytes(&other.bytes().unwrap_or_default()[from..to]),
    })
}

fn length(item: &Value, interface: bool) -> Result<Value, FuncError> {
    let n = match &*item.bare() {
        Value::Nil if interface => return Err("len of nil pointer".into()),
        // Go panics here; the panic's text is the error.
        Value::Nil => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        Value::List(list) => list.items().len(),
        Value::Map(map) => map.len(),
        other => match other.bytes() {
            Some(bytes) => bytes.len(),
            None => return Err(format!("len of type {}", pointee(item)).into()),
        },
    };
    Ok(Value::int(i64::try_from(n).unwrap_or(i64::MAX)))
}

/// `call fn args`: arguments are converted a little more freely than in a direct call.
fn call(exec: &mut Exec, args: &[Value], callee: &str) -> Result<Slot, FuncError> {
    let func = match &args[0] {
        Value::Nil => return Err("call of nil".into()),
        Value::Func(func) => func.clone(),
        other => return Err(format!("non-function {callee} of type {}", other.type_name()).into()),
    };
    let (args, sig) = (&args[1..], &func.signature);
    let (given, wanted) = (args.len(), sig.params.len());
    if sig.variadic && given < wanted - 1 {
        let least = wanted - 1;
        return Err(format!("wrong number of args for {callee}: got {given} want at least {least}").into());
    }
    if !sig.variadic && given != wanted {
        return Err(format!("wrong number of args for {callee}: got {given} want {wanted}").into());
    }
    let mut argv = Vec::with_capacity(given);
    for (i, arg) in args.iter().enumerate() {
        let ty = if sig.variadic { sig.params[i.min(wanted - 1)] } else { sig.params[i] };
        argv.push(prepare(arg, ty).map_err(|e| format!("arg {i}: {e}"))?);
    }
    Ok(Slot::of(sig.result, func.call(exec, &argv)?))
}

/// Go's `prepareArg`: also converts between integer types.
fn prepare(value: &Value, ty: Type) -> Result<Value, String> {
    let Some(given) = value.go_type() else {
        return if ty.nillable() {
            Ok(Value::zero(ty))
        } else {
            Err(format!("value is nil; should be of type {ty}"))
        };
    };
    if given.assignable_to(ty) {
        return Ok(value.clone());
    }
    match (value, ty) {
        (Value::Int(_, n), Type::Int(k)) => Ok(Value::Int(k, k.wrap(*n))),
        (Value::Int(_, n), Type::Uint(k)) => Ok(Value::Uint(k, k.wrap(n.cast_unsigned()))),
        (Value::Uint(_, n), Type::Int(k)) => Ok(Value::Int(k, k.wrap(n.cast_signed()))),
        (Value::Uint(_, n), Type::Uint(k)) => Ok(Value::Uint(k, k.wrap(*n))),
        _ => Err(format!("value has type {given}; should be {ty}")),
    }
}
