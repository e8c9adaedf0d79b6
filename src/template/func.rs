//! Functions that templates can call: their Go signature, their body, and the registry of them by name.
//!
//! The evaluator checks the number of arguments and converts them to the declared parameter types before it calls the
//! body, with Go's error texts. So a body may rely on what it declared: a parameter of type `string` is
//! [`Value::Str`] or [`Value::Raw`], of type `int` [`Value::Int`] of that kind, of a map type a [`Value::Map`] (the nil
//! map if nil was given); `interface {}` is anything. Variadic arguments follow the fixed ones in the slice.

use std::collections::HashMap;
use std::fmt;
use std::rc::Rc;

use super::error::FuncError;
use super::exec::Exec;
use super::types::Type;
use super::value::Value;

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

    /// The type of the function value. Its text is not spelt out: no template prints it.
    #[must_use]
    pub fn go_type(&self) -> Type {
        Type::Func("func(...) interface {}")
    }
}

impl Signature {
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
#[derive(Default)]
pub struct Registry {
    funcs: Vec<Rc<Func>>,
    by_name: HashMap<Rc<str>, u32>,
}

impl Registry {
    /// An empty registry.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function, or replaces the one of the same name.
    pub fn add(&mut self, func: Func) {
        let name = Rc::clone(&func.name);
        let func = Rc::new(func);
        if let Some(&at) = self.by_name.get(&name) {
            self.funcs[at as usize] = func;
        } else {
            let at = u32::try_from(self.funcs.len()).expect("fewer than 2^32 functions");
            self.funcs.push(func);
            self.by_name.insert(name, at);
        }
    }

    /// Adds several plain functions at once: name, signature, body.
    pub fn add_all(&mut self, table: &[(&str, Signature, Body)]) {
        for &(name, signature, body) in table {
            self.add(Func::new(name, signature, body));
        }
    }

    /// A function by name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Rc<Func>> {
        self.by_name.get(name).map(|&at| &self.funcs[at as usize])
    }

    /// All names, in no order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(|k| &**k)
    }
}

impl fmt::Debug for Func {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "func {}", self.name)
    }
}
