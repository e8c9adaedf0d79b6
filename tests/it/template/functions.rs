//! The functions of the cases: those of `tests/tools/template/functions.go`, and Helm's.

use std::any::Any;
use std::rc::Rc;

use retune::template::types::Named;
use retune::template::{
    Exec, Func, FuncError, IntKind, Kind, List, Map, Object, Registry, Signature, Type, UintKind, Value, fmt,
    sprig, strconv,
};

type Entry = (&'static str, Signature, fn(&mut Exec, &[Value]) -> Result<Value, FuncError>);

/// What sprig's functions share. Cases use none that is random or knows the time.
pub(super) fn host() -> Rc<dyn Any> {
    let randomness = sprig::Randomness::Random { entropy: [7; 32] };
    Rc::new(sprig::Host::new(randomness, (1_700_000_000, 0), Rc::new(())))
}

/// sprig with Helm's `include`, `tpl`, `required` and `fail`.
pub(super) fn helm() -> Registry {
    let mut funcs = Registry::new();
    sprig::register(&mut funcs);
    funcs.add_all(
        const {
            &[
                ("include", Signature::fixed(&[Type::String, Type::Any], Type::String), include),
                ("tpl", Signature::fixed(&[Type::String, Type::Any], Type::String), tpl),
                ("required", Signature::fixed(&[Type::String, Type::Any], Type::Any), |_, a| match &a[1] {
                    Value::Nil => Err(text(&a[0]).into()),
                    Value::Str(s) if s.is_empty() => Err(text(&a[0]).into()),
                    v => Ok(v.clone()),
                }),
                ("fail", Signature::fixed(&[Type::String], Type::String), |_, a| Err(text(&a[0]).into())),
                (
                    "lookup",
                    Signature::fixed(&[Type::String, Type::String, Type::String, Type::String], Type::DICT),
                    |_, _| Ok(Value::dict::<&str>([])),
                ),
            ]
        },
    );
    funcs
}

fn text(v: &Value) -> String {
    v.text().unwrap_or_default().into_owned()
}

fn include(exec: &mut Exec, a: &[Value]) -> Result<Value, FuncError> {
    let mut out = Vec::new();
    exec.run(&text(&a[0]), a[1].clone(), &mut out)?;
    Ok(Value::from(out))
}

fn tpl(exec: &mut Exec, a: &[Value]) -> Result<Value, FuncError> {
    let source = text(&a[0]);
    let quoted = strconv::quote(source.as_bytes());
    let mut set = exec.set().clone();
    let template = set
        .parse("case", &source)
        .map_err(|e| FuncError::Wrapped(format!("cannot parse template {quoted}"), Box::new(e.into())))?;
    let mut out = Vec::new();
    exec.run_in(set, &template, a[1].clone(), &mut out).map_err(|e| {
        FuncError::Wrapped(format!("error during tpl function execution for {quoted}"), Box::new(e.into()))
    })?;
    Ok(Value::str(String::from_utf8_lossy(&out).replace("<no value>", "")))
}

const A: Type = Type::Any;
const S: Type = Type::String;

fn int(v: &Value) -> i64 {
    match v {
        Value::Int(_, n) => *n,
        _ => 0,
    }
}

fn shown(v: &Value) -> String {
    fmt::to_text(v)
}

fn print(format: &str, args: &[Value]) -> Result<Value, FuncError> {
    fmt::sprintf(format.as_bytes(), args, 1 << 20).map(Value::from)
}

macro_rules! takes {
    ($name:literal, $ty:expr, $format:literal) => {
        ($name, Signature::fixed(&[$ty], S), |_, a| print($format, a))
    };
}

macro_rules! takes_container {
    ($name:literal, $ty:expr, $format:literal) => {
        ($name, Signature::fixed(&[$ty], S), |_, a| print($format, &[a[0].is_nil().into(), a[0].clone()]))
    };
}

const TABLE: &[Entry] = &[
    ("typed", Signature::fixed(&[S, Type::Float64], A), typed),
    ("list", Signature::variadic(&[A], Type::LIST), |_, a| Ok(Value::list(a.to_vec()))),
    ("strs", Signature::variadic(&[S], Type::STRINGS), |_, a| {
        Ok(Value::typed_list(Type::STRINGS, a.to_vec()))
    }),
    ("ints", Signature::variadic(&[Type::INT], Type::INTS), |_, a| {
        Ok(Value::typed_list(Type::INTS, a.to_vec()))
    }),
    ("bytes", Signature::fixed(&[S], Type::BYTES), |_, a| {
        Ok(Value::Bytes(a[0].bytes().unwrap_or_default().into()))
    }),
    ("raw", Signature::variadic(&[Type::INT], S), |_, a| {
        let bytes: Vec<u8> = a.iter().map(|v| u8::try_from(int(v)).unwrap_or(0)).collect();
        Ok(Value::from(bytes))
    }),
    ("dict", Signature::variadic(&[A], Type::DICT), |_, a| {
        Ok(Value::dict(a.chunks_exact(2).map(|pair| (text(&pair[0]), pair[1].clone()))))
    }),
    ("smap", Signature::fixed(&[S, S], Type::STRING_MAP), |_, a| {
        Ok(Value::typed_map(Type::STRING_MAP, [(text(&a[0]).into(), a[1].clone())].into()))
    }),
    ("nilmap", Signature::fixed(&[], Type::DICT), |_, _| Ok(Value::Map(Rc::new(Map::nil(Type::DICT))))),
    ("nillist", Signature::fixed(&[], Type::LIST), |_, _| Ok(Value::List(Rc::new(List::nil(Type::LIST))))),
    ("nilstrs", Signature::fixed(&[], Type::STRINGS), |_, _| {
        Ok(Value::List(Rc::new(List::nil(Type::STRINGS))))
    }),
    ("nothing", Signature::fixed(&[], A), |_, _| Ok(Value::Nil)),
    ("self", Signature::fixed(&[A], A), |_, a| Ok(a[0].clone())),
    ("set", Signature::fixed(&[Type::DICT, S, A], Type::DICT), |_, a| {
        if let Value::Map(m) = &a[0] {
            m.set(text(&a[1]), a[2].clone())?;
        }
        Ok(a[0].clone())
    }),
    ("fails", Signature::fixed(&[S], S), |_, a| Err(text(&a[0]).into())),
    ("panics", Signature::fixed(&[S], S), |_, a| Err(text(&a[0]).into())),
    takes!("takesInt", Type::INT, "int %d"),
    takes!("takesInt8", Type::Int(IntKind::I8), "int8 %d"),
    takes!("takesInt64", Type::INT64, "int64 %d"),
    takes!("takesUint8", Type::BYTE, "uint8 %d"),
    takes!("takesUint", Type::Uint(UintKind::Uint), "uint %d"),
    takes!("takesFloat", Type::Float64, "float64 %v"),
    takes!("takesBool", Type::Bool, "bool %v"),
    takes!("takesText", S, "string %q"),
    takes_container!("takesMap", Type::DICT, "map %v %v"),
    takes_container!("takesList", Type::LIST, "list %v %v"),
    takes_container!("takesStrs", Type::STRINGS, "strs %v %v"),
    ("takesTwo", Signature::fixed(&[S, Type::INT], S), |_, a| print("%q %d", a)),
    ("takesMany", Signature::variadic(&[S, Type::INT], S), |_, a| {
        print("%q %v", &[a[0].clone(), Value::typed_list(Type::INTS, a[1..].to_vec())])
    }),
    takes!("takesAny", A, "any %v"),
    ("zero", Signature::fixed(&[], S), |_, _| Ok("0 args".into())),
    ("typeOf", Signature::fixed(&[A], S), |_, a| Ok(Value::str(&*a[0].type_name()))),
    ("kindOf", Signature::fixed(&[A], S), |_, a| Ok(a[0].kind().name().into())),
    ("thing", Signature::fixed(&[], Type::Named(&THING)), |_, _| Ok(Value::Object(Rc::new(Thing)))),
    ("names", Signature::variadic(&[S], Type::Named(&NAMES)), |_, a| {
        Ok(Value::Object(Rc::new(Names(a.to_vec()))))
    }),
    ("celsius", Signature::fixed(&[Type::INT], Type::Named(&CELSIUS)), |_, a| {
        Ok(Value::Object(Rc::new(Celsius(int(&a[0])))))
    }),
    ("adder", Signature::fixed(&[], Type::Func(&"func(int, int) int")), |_, _| {
        let signature = Signature::fixed(&[Type::INT, Type::INT], Type::INT);
        Ok(Value::Func(Rc::new(Func::new("adder", signature, |_, a| {
            Ok(Value::int(int(&a[0]) + int(&a[1])))
        }))))
    }),
    ("joiner", Signature::fixed(&[], Type::Func(&"func(string, ...string) string")), |_, _| {
        let signature = Signature::variadic(&[S, S], S);
        Ok(Value::Func(Rc::new(Func::new("joiner", signature, |_, a| {
            Ok(Value::str(a[1..].iter().map(text).collect::<Vec<_>>().join(&text(&a[0]))))
        }))))
    }),
    ("include", Signature::fixed(&[S, A], S), include),
];

/// The functions of the language cases.
pub(super) fn language() -> Registry {
    let mut funcs = Registry::new();
    funcs.add_all(TABLE);
    funcs
}

fn typed(_: &mut Exec, a: &[Value]) -> Result<Value, FuncError> {
    let Value::Float(f) = a[1] else { return Err("not a number".into()) };
    let signed = |kind: IntKind| Ok(Value::Int(kind, kind.wrap(f as i64)));
    let unsigned = |kind: UintKind| Ok(Value::Uint(kind, kind.wrap(f as u64)));
    match text(&a[0]).as_str() {
        "int" => signed(IntKind::Int),
        "int8" => signed(IntKind::I8),
        "int16" => signed(IntKind::I16),
        "int32" => signed(IntKind::I32),
        "int64" => signed(IntKind::I64),
        "uint" => unsigned(UintKind::Uint),
        "uint8" => unsigned(UintKind::U8),
        "uint16" => unsigned(UintKind::U16),
        "uint32" => unsigned(UintKind::U32),
        "uint64" => unsigned(UintKind::U64),
        "float32" => Ok(Value::Float32(f as f32)),
        "float64" => Ok(Value::Float(f)),
        other => Err(format!("no type {other}").into()),
    }
}

static THING: Named = Named { name: "*main.thing", kind: Kind::Ptr, underlying: None };
static NAMES: Named = Named { name: "main.names", kind: Kind::Slice, underlying: Some(Type::STRINGS) };
static CELSIUS: Named =
    Named { name: "main.celsius", kind: Kind::Int(IntKind::Int), underlying: Some(Type::INT) };

/// Go's `thing`: a struct behind a pointer, with methods.
struct Thing;

impl Object for Thing {
    fn go_type(&self) -> Type {
        Type::Named(&THING)
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("Name", "box".into()), ("Size", Value::int(3)), ("Tags", Value::strings(["a", "b"]))]
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields().into_iter().find(|(n, _)| *n == name).map(|(_, v)| v)
    }

    fn method(&self, name: &str) -> Option<Rc<Func>> {
        let signature = |params, result| Signature::fixed(params, result);
        Some(Rc::new(match name {
            "Greet" => {
                Func::new(name, signature(&[S], S), |_, a| Ok(format!("box greets {}", shown(&a[0])).into()))
            }
            "Hello" => Func::new(name, signature(&[], S), |_, _| Ok("hello from box".into())),
            "Fail" => Func::new(name, signature(&[], S), |_, _| Err("thing fails".into())),
            "Sum" => Func::new(name, Signature::variadic(&[Type::INT, Type::INT], Type::INT), |_, a| {
                Ok(Value::int(a.iter().map(int).sum()))
            }),
            _ => return None,
        }))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Go's `names`: a defined type over a slice.
struct Names(Vec<Value>);

impl Object for Names {
    fn go_type(&self) -> Type {
        Type::Named(&NAMES)
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::typed_list(Type::STRINGS, self.0.clone()))
    }

    fn method(&self, name: &str) -> Option<Rc<Func>> {
        let items: Vec<String> = self.0.iter().map(text).collect();
        (name == "Has").then(|| {
            Rc::new(Func::closure("Has", Signature::fixed(&[S], Type::Bool), move |_, a| {
                Ok(items.contains(&text(&a[0])).into())
            }))
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Go's `celsius`: a defined type over an integer with a `String` method.
struct Celsius(i64);

impl Object for Celsius {
    fn go_type(&self) -> Type {
        Type::Named(&CELSIUS)
    }

    fn underlying(&self) -> Option<Value> {
        Some(Value::int(self.0))
    }

    fn string(&self) -> Option<String> {
        Some(format!("{} degrees", self.0))
    }

    fn method(&self, name: &str) -> Option<Rc<Func>> {
        let shown = format!("{} degrees", self.0);
        (name == "String").then(|| {
            Rc::new(Func::closure("String", Signature::fixed(&[], S), move |_, _| Ok(shown.clone().into())))
        })
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
