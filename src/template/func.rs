//! Functions that templates can call: their Go signature, their body, and the registry of them by name.
//!
//! The evaluator checks the number of arguments and converts them to the declared parameter types before it calls the
//! body, with Go's error texts. So a body may rely on what it declared: a parameter of type `string` is
//! [`Value::Str`] or [`Value::Raw`], of type `int` [`Value::Int`] of that kind, of a map type a [`Value::Map`] (the nil
//! map if nil was given); `interface {}` is anything. Variadic arguments follow the fixed ones in the slice.

use std::cell::{OnceCell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use super::ast::{Callee, Name, Parsed};
use super::builtins::Builtin;
use super::error::{FuncError, ParseError};
use super::exec::Exec;
use super::hash::{QuickMap, hash, mix};
use super::lexer::keyword;
use super::parser::{Build, parse};
use super::plain;
use super::types::Type;
use super::value::Value;
use super::watch::Key;
use super::words::Words;

/// What every function body looks like.
pub type Body = fn(&mut Exec, &[Value]) -> Result<Value, FuncError>;

/// What a body with captured state (a bound method) looks like.
pub type Closure = dyn Fn(&mut Exec, &[Value]) -> Result<Value, FuncError>;

/// A Go function signature.
#[derive(Debug, Clone, Copy)]
pub struct Signature {
    /// Parameter types. If `variadic`, the last is the **element** type of the variadic parameter.
    pub params: &'static [Type],
    /// Whether the last parameter takes any number of arguments.
    pub variadic: bool,
    /// The type of the result: [`Type::Any`] for `interface {}`.
    pub result: Type,
}

/// A function value.
pub struct Func {
    /// The name in templates.
    pub name: Rc<str>,
    /// The signature that calls are checked against.
    pub signature: Signature,
    code: Code,
}

enum Code {
    Plain(Body),
    Closure(Box<Closure>),
}

impl Func {
    /// A function from a plain Rust function.
    #[must_use]
    pub fn new(name: &str, signature: Signature, body: Body) -> Self {
        Self { name: name.into(), signature, code: Code::Plain(body) }
    }

    /// A function that captures what it needs, such as a method bound to its receiver.
    pub fn closure(
        name: &str,
        signature: Signature,
        body: impl Fn(&mut Exec, &[Value]) -> Result<Value, FuncError> + 'static,
    ) -> Self {
        Self { name: name.into(), signature, code: Code::Closure(Box::new(body)) }
    }

    /// Runs the body. `args` must fit the signature; the evaluator sees to that.
    ///
    /// # Errors
    /// Whatever the body fails with.
    pub fn call(&self, exec: &mut Exec, args: &[Value]) -> Result<Value, FuncError> {
        match &self.code {
            Code::Plain(f) => f(exec, args),
            Code::Closure(f) => f(exec, args),
        }
    }

    /// The type of the function value. Its text is that of the signature: see [`Value::type_name`].
    #[must_use]
    pub fn go_type(&self) -> Type {
        Type::Func(&"func")
    }
}

impl Signature {
    /// The type of a parameter, of which the last one stands for all that follow.
    #[inline]
    pub(super) fn param(&self, number: usize) -> Type {
        self.params.get(number).or(self.params.last()).copied().unwrap_or(Type::Any)
    }

    /// A signature with fixed parameters.
    #[must_use]
    pub const fn fixed(params: &'static [Type], result: Type) -> Self {
        Self { params, variadic: false, result }
    }

    /// A signature whose last parameter (element type given) takes any number of arguments.
    #[must_use]
    pub const fn variadic(params: &'static [Type], result: Type) -> Self {
        Self { params, variadic: true, result }
    }
}

/// The functions that templates may name, besides the language's own (`and`, `printf`, `eq`, ...), which are always there
/// and give way to a registered function of the same name.
///
/// It also remembers what it has parsed: the same text (a library chart used by eighty charts, a constant given to `tpl`)
/// is parsed once. Share one registry between renders of a thread for that.
pub struct Registry {
    funcs: Words<Callable>,
    parsed: RefCell<ParseCache>,
    /// Names of fields and variables: texts have them in common.
    words: RefCell<Words<Rc<str>>>,
    /// What reading plain templates takes.
    pub(super) workspace: RefCell<plain::Workspace>,
}

/// How many names are kept.
const MAX_WORDS: usize = 1 << 16;
/// How many functions there is room for from the start: sprig's and Helm's.
const FUNCS: usize = 320;

/// A row of a table of functions: name, signature, body.
pub type Row = (&'static str, Signature, Body);

/// A function that was registered.
enum Callable {
    /// One of a table: made when it is first asked for.
    Row(&'static Row, OnceCell<Rc<Func>>),
    Made(Rc<Func>),
}

impl Callable {
    fn func(&self) -> &Rc<Func> {
        match self {
            Self::Row((name, signature, body), made) => {
                made.get_or_init(|| Rc::new(Func::new(name, *signature, *body)))
            }
            Self::Made(func) => func,
        }
    }
}

impl AsRef<str> for Callable {
    fn as_ref(&self) -> &str {
        match self {
            Self::Row((name, ..), _) => name,
            Self::Made(func) => &func.name,
        }
    }
}

impl Default for Registry {
    fn default() -> Self {
        Self {
            funcs: Words::with_capacity(FUNCS),
            parsed: RefCell::default(),
            words: RefCell::new(Words::with_capacity(FUNCS)),
            workspace: RefCell::default(),
        }
    }
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function, or replaces the one of the same name.
    pub fn add(&mut self, func: Func) {
        self.put(Callable::Made(Rc::new(func)));
    }

    /// Adds several plain functions at once: name, signature, body.
    pub fn add_all(&mut self, table: &'static [Row]) {
        for row in table {
            self.put(Callable::Row(row, OnceCell::new()));
        }
    }

    fn put(&mut self, callable: Callable) {
        if self.parsed.get_mut().bytes > 0 {
            *self.parsed.get_mut() = ParseCache::default();
            self.workspace.get_mut().forget_functions();
        }
        self.funcs.put(callable);
    }

    /// A function by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Rc<Func>> {
        self.funcs.get(name.as_bytes()).map(Callable::func)
    }

    /// What a name calls in plain templates: a registered function, or else one of the language's own, and no keyword.
    pub(super) fn callee(&self, name: &str) -> Option<Callee> {
        if keyword(name).is_some() {
            return None;
        }
        match self.get(name) {
            Some(func) => Some(Callee::Registered(Rc::clone(func))),
            None => Builtin::by_name(name).map(Callee::Builtin),
        }
    }

    /// Whether there is such a [`callee`](Self::callee).
    #[inline]
    pub(super) fn calls(&self, name: &str) -> bool {
        keyword(name).is_none()
            && (self.funcs.get(name.as_bytes()).is_some() || Builtin::by_name(name).is_some())
    }

    /// A name in a template, shared with others of its text.
    pub(super) fn word(&self, text: &str) -> Rc<str> {
        self.hashed_word(text).0
    }

    /// The name of a field in a template.
    pub(super) fn name(&self, text: &str) -> Name {
        let (text, hash) = self.hashed_word(text);
        Name::new(text, Key::of_hash(hash))
    }

    #[inline]
    fn hashed_word(&self, text: &str) -> (Rc<str>, u64) {
        let mut words = self.words.borrow_mut();
        if words.len() >= MAX_WORDS {
            *words = Words::default();
        }
        let (word, hash) = words.get_or_insert(text.as_bytes(), || text.into());
        (Rc::clone(word), hash)
    }

    /// All names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.funcs.iter().map(AsRef::as_ref)
    }

    /// Parses a text, or takes it from memory. `shared` gives the text as the result keeps it.
    pub(super) fn parse(
        &self,
        name: &str,
        text: &str,
        shared: &dyn Fn() -> Arc<[u8]>,
    ) -> Result<Rc<Parsed>, ParseError> {
        let key = ParseCache::key(text.as_bytes());
        if let Some(found) = self.parsed.borrow().get(key, text) {
            return Ok(found);
        }
        let parsed = Rc::new(parse(name, text, shared(), self, Build::NoDefines)?);
        self.parsed.borrow_mut().add(key, Rc::clone(&parsed));
        Ok(parsed)
    }
}

/// Parsed texts by a hash of the text. Emptied when it holds more than about [`ParseCache::MAX_BYTES`].
#[derive(Default)]
struct ParseCache {
    by_hash: QuickMap<u64, Rc<Parsed>>,
    bytes: usize,
}

impl ParseCache {
    const MAX_BYTES: usize = 64 << 20;
    /// How much of a long text is looked at in each place.
    const PART: usize = 256;

    /// What a text and its tree take, roughly: many small texts take more than they are long.
    fn size(parsed: &Parsed) -> usize {
        1024 + 4 * parsed.text.len()
    }

    /// A hash of a text: of a long one, of its start, its middle and its end.
    fn key(text: &[u8]) -> u64 {
        let part = |from: usize| text.get(from..).and_then(|rest| rest.get(..Self::PART)).map_or(0, hash);
        if text.len() <= 4 * Self::PART {
            return hash(text);
        }
        [0, text.len() / 2, text.len() - Self::PART]
            .into_iter()
            .fold(text.len() as u64, |key, from| mix(key, part(from)))
    }

    fn get(&self, key: u64, text: &str) -> Option<Rc<Parsed>> {
        self.by_hash.get(&key).filter(|p| *p.text == *text.as_bytes()).cloned()
    }

    fn add(&mut self, key: u64, parsed: Rc<Parsed>) {
        self.bytes += Self::size(&parsed);
        if self.bytes > Self::MAX_BYTES {
            self.by_hash.clear();
            self.bytes = Self::size(&parsed);
        }
        self.by_hash.insert(key, parsed);
    }
}

impl fmt::Display for Signature {
    /// As Go prints the type, but for a second result of type `error`, which is not recorded.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("func(")?;
        for (i, param) in self.params.iter().enumerate() {
            let rest = if self.variadic && i + 1 == self.params.len() { "..." } else { "" };
            write!(f, "{}{rest}{param}", if i > 0 { ", " } else { "" })?;
        }
        write!(f, ") {}", self.result)
    }
}

impl fmt::Debug for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "func {}", self.name)
    }
}
