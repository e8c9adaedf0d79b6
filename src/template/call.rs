//! Calls: arguments are counted, evaluated and fitted to the parameter types, with Go's messages when they do not fit.

use std::rc::Rc;

use smallvec::SmallVec;

use super::ast::{Callee, Expr, Number, Place};
use super::builtins::Builtin;
use super::error::FuncError;
use super::eval::{Frame, Raise, Slot};
use super::exec::Exec;
use super::func::{Func, Signature};
use super::stack::roomy;
use super::types::{Kind, Type};
use super::value::Value;

/// Arguments of a call: most have few.
type Arguments = SmallVec<[Value; 8]>;

impl<'t> Frame<'t, '_> {
    /// Calls a registered function or a method. `args` are those after the function's name; errors of the function itself
    /// speak of `place`.
    pub(super) fn call(
        &mut self,
        dot: &Slot,
        func: &Rc<Func>,
        place: Place<'t>,
        args: &'t [Expr],
        last: Option<Slot>,
    ) -> Result<Slot, Raise> {
        let signature = &func.signature;
        let result = self.with_arguments(dot, &func.name, signature, args, last, |exec, argv, _| {
            let value = func.call(exec, argv)?;
            exec.charge_result(&value)?;
            Ok(value)
        })?;
        match result {
            Ok(value) => Ok(Slot::of(signature.result, value)),
            Err(e) => self.call_failed(place, &func.name, e),
        }
    }

    fn call_failed<T>(&mut self, place: Place<'t>, name: &str, e: FuncError) -> Result<T, Raise> {
        self.place = place;
        Err(self.raise(format!("error calling {name}"), Some(Box::new(e))))
    }

    /// Calls one of the language's own functions. `args` starts with the function's name if it stands as a command.
    pub(super) fn call_builtin(
        &mut self,
        dot: &Slot,
        builtin: Builtin,
        place: Place<'t>,
        args: &'t [Expr],
        last: Option<Slot>,
    ) -> Result<Slot, Raise> {
        let args = args.get(1..).unwrap_or_default();
        let signature = builtin.signature();
        if matches!(builtin, Builtin::And | Builtin::Or) {
            self.check_count(builtin.name(), signature, args.len(), last.is_some())?;
            let mut value = Slot::plain(Value::Nil);
            for arg in args {
                value = self.argument(dot, Type::Reflect, arg)?;
                if value.value.truth() == (builtin == Builtin::Or) {
                    return Ok(value);
                }
            }
            return Ok(last.unwrap_or(value));
        }
        let callee = || match (args.first(), &last) {
            (Some(arg), _) => Place::Expr(arg).print(&self.template.parsed.text),
            (None, Some(last)) => match last.value.text() {
                Some(text) => text.into_owned(),
                None => format!("<{} Value>", last.type_name()),
            },
            (None, None) => String::new(),
        };
        let callee = if builtin == Builtin::Call { callee() } else { String::new() };
        let result =
            self.with_arguments(dot, builtin.name(), signature, args, last, |exec, argv, interface| {
                let slot = builtin.run(exec, argv, interface, &callee)?;
                exec.charge_result(&slot.value)?;
                Ok(slot)
            })?;
        result.or_else(|e| self.call_failed(place, builtin.name(), e))
    }

    #[inline]
    fn check_count(&self, name: &str, sig: &Signature, args: usize, last: bool) -> Result<(), Raise> {
        let (given, wanted) = (args + usize::from(last), sig.params.len());
        let fits = if sig.variadic { given + 1 >= wanted } else { given == wanted };
        if fits { Ok(()) } else { self.wrong_count(name, sig, args, given) }
    }

    #[cold]
    fn wrong_count(&self, name: &str, sig: &Signature, args: usize, given: usize) -> Result<(), Raise> {
        let wanted = sig.params.len();
        self.error(if sig.variadic {
            format!("wrong number of args for {name}: want at least {} got {args}", wanted - 1)
        } else {
            format!("wrong number of args for {name}: want {wanted} got {given}")
        })
    }

    /// Evaluates the arguments, fits them to the parameters and calls with them, and with whether the static type of the
    /// first is `interface {}`.
    #[inline]
    fn with_arguments<R>(
        &mut self,
        dot: &Slot,
        name: &str,
        signature: &Signature,
        args: &'t [Expr],
        last: Option<Slot>,
        call: impl FnOnce(&mut Exec, &[Value], bool) -> R,
    ) -> Result<R, Raise> {
        self.check_count(name, signature, args.len(), last.is_some())?;
        // Most calls have one or two.
        let (first, second) = match (args, last) {
            ([one], None) => (self.argument(dot, signature.param(0), one)?, None),
            ([], Some(last)) => (self.fit(last, signature.param(0))?, None),
            ([one, two], None) => {
                let one = self.argument(dot, signature.param(0), one)?;
                (one, Some(self.argument(dot, signature.param(1), two)?))
            }
            ([one], Some(last)) => {
                let one = self.argument(dot, signature.param(0), one)?;
                (one, Some(self.fit(last, signature.param(1))?))
            }
            (args, last) => {
                let mut argv = Arguments::new();
                let interface = self.arguments(dot, signature, args, last, &mut argv)?;
                return Ok(call(self.exec, &argv, interface));
            }
        };
        let interface = first.interface();
        Ok(match second {
            None => call(self.exec, &[first.value], interface),
            Some(second) => call(self.exec, &[first.value, second.value], interface),
        })
    }

    /// Evaluates any number of arguments. Gives whether the static type of the first is `interface {}`.
    fn arguments(
        &mut self,
        dot: &Slot,
        signature: &Signature,
        args: &'t [Expr],
        last: Option<Slot>,
        argv: &mut Arguments,
    ) -> Result<bool, Raise> {
        let mut interface = false;
        for (i, arg) in args.iter().enumerate() {
            let slot = self.argument(dot, signature.param(i), arg)?;
            interface |= i == 0 && slot.interface();
            argv.push(slot.value);
        }
        if let Some(last) = last {
            let slot = self.fit(last, signature.param(argv.len()))?;
            interface |= argv.is_empty() && slot.interface();
            argv.push(slot.value);
        }
        Ok(interface)
    }

    /// Go's `validateType`: a value for a place of type `ty`.
    fn fit(&self, slot: Slot, ty: Type) -> Result<Slot, Raise> {
        if fits(&slot, ty) {
            return Ok(taken(slot, ty));
        }
        if slot.is_invalid() {
            if ty.nillable() {
                return Ok(Slot::of(ty, Value::zero(ty)));
            }
            return self.error(format!("invalid value; expected {ty}"));
        }
        if matches!(ty, Type::Any | Type::Reflect) {
            return Ok(slot);
        }
        match slot.value.go_type() {
            Some(given) if given.assignable_to(ty) => {
                // A defined type given for its bare type (`common.Values` for a map) becomes the bare one.
                let bare = match (&slot.value, ty) {
                    (Value::Object(object), Type::Map(_) | Type::List(_)) => object.underlying(),
                    _ => None,
                };
                Ok(Slot::plain(bare.unwrap_or(slot.value)))
            }
            Some(given) => self.error(format!("wrong type for value; expected {ty}; got {given}")),
            None => self.error(format!("wrong type for value; expected {ty}; got interface {{}}")),
        }
    }

    /// The operand of a chain: evaluated without a wanted type.
    pub(super) fn untyped_argument(&mut self, dot: &Slot, expr: &'t Expr) -> Result<Slot, Raise> {
        self.place = Place::Expr(expr);
        match expr {
            Expr::Pipe(pipe) => Ok(Slot::plain(self.pipeline(dot, pipe)?)),
            _ => self.operand(dot, expr),
        }
    }

    /// An operand that needs no type to be evaluated.
    #[inline]
    pub(super) fn operand(&mut self, dot: &Slot, expr: &'t Expr) -> Result<Slot, Raise> {
        match expr {
            Expr::Dot(_) => Ok(dot.clone()),
            Expr::Field(_, names) => self.fields(dot, dot, expr, names, &[], None),
            Expr::Variable(v) => match self.slot(v) {
                Some(slot) if v.fields.is_empty() => Ok(slot.clone()),
                _ => self.variable(dot, expr, v, &[], None),
            },
            Expr::Pipe(pipe) => Ok(Slot::plain(roomy(|| self.pipeline(dot, pipe))?)),
            Expr::Function(_, callee) => match callee {
                Callee::Builtin(b) => self.call_builtin(dot, *b, Place::Expr(expr), &[], None),
                Callee::Registered(f) => self.call(dot, f, Place::Expr(expr), &[], None),
            },
            Expr::Chain(chain) => self.chain(dot, expr, chain, &[], None),
            Expr::Bool(_, b) => Ok(Slot::plain(Value::Bool(*b))),
            Expr::Number(n) => self.constant(expr, n),
            Expr::String(_, text) => Ok(Slot::plain(Value::Str(Rc::clone(text)))),
            Expr::Bytes(_, bytes) => Ok(Slot::plain(Value::Raw(Rc::clone(bytes)))),
            Expr::Nil(_) => Ok(Slot::plain(Value::Nil)),
        }
    }

    /// An argument for a parameter of type `ty`.
    fn argument(&mut self, dot: &Slot, ty: Type, expr: &'t Expr) -> Result<Slot, Raise> {
        self.place = Place::Expr(expr);
        match expr {
            Expr::Dot(_)
            | Expr::Field(..)
            | Expr::Variable(_)
            | Expr::Pipe(_)
            | Expr::Function(..)
            | Expr::Chain(_) => {
                let slot = self.operand(dot, expr)?;
                if fits(&slot, ty) { Ok(taken(slot, ty)) } else { self.fit(slot, ty) }
            }
            Expr::String(_, text) if matches!(ty, Type::String | Type::Any | Type::Reflect) => {
                Ok(Slot::plain(Value::Str(Rc::clone(text))))
            }
            Expr::Bytes(..) if matches!(ty, Type::String | Type::Any | Type::Reflect) => {
                self.operand(dot, expr)
            }
            Expr::Nil(_) if ty.nillable() => Ok(Slot::of(ty, Value::zero(ty))),
            Expr::Nil(_) => self.error(format!("cannot assign nil to {ty}")),
            Expr::Bool(..) | Expr::Number(_) if matches!(ty, Type::Any | Type::Reflect) => {
                self.operand(dot, expr)
            }
            Expr::Bool(_, b) if ty == Type::Bool => Ok(Slot::plain(Value::Bool(*b))),
            Expr::Number(n) => match typed_number(n, ty) {
                Some(value) => Ok(Slot::plain(value)),
                None => self.unfitting_constant(expr, ty),
            },
            Expr::Bool(..) | Expr::String(..) | Expr::Bytes(..) => self.unfitting_constant(expr, ty),
        }
    }

    fn unfitting_constant<T>(&self, expr: &Expr, ty: Type) -> Result<T, Raise> {
        let shown = Place::Expr(expr).print(&self.template.parsed.text);
        let wanted = match ty.kind() {
            Kind::Bool => "bool",
            Kind::String => "string",
            Kind::Int(_) => "integer",
            Kind::Uint(_) => "unsigned integer",
            Kind::Float32 | Kind::Float64 => "float",
            Kind::Complex128 => "complex",
            _ => return self.error(format!("can't handle {shown} for arg of type {ty}")),
        };
        self.error(format!("expected {wanted}; found {shown}"))
    }
}

/// Whether a value is of the very type that is wanted, as most are.
#[inline]
fn fits(slot: &Slot, ty: Type) -> bool {
    match (&slot.value, ty) {
        (Value::Nil, _) => false,
        (_, Type::Any | Type::Reflect)
        | (Value::Str(_) | Value::Raw(_), Type::String)
        | (Value::Bool(_), Type::Bool) => true,
        (Value::Int(given, _), Type::Int(wanted)) => *given == wanted,
        (Value::Map(map), Type::Map(Type::Any)) => matches!(map.go_type(), Type::Map(Type::Any)),
        _ => false,
    }
}

/// A value that fits, in a place of type `ty`.
#[inline]
fn taken(slot: Slot, ty: Type) -> Slot {
    if matches!(ty, Type::Any | Type::Reflect) { slot } else { Slot::plain(slot.value) }
}

fn typed_number(n: &Number, ty: Type) -> Option<Value> {
    match ty {
        Type::Int(kind) => n.int.map(|i| Value::Int(kind, kind.wrap(i))),
        Type::Uint(kind) => n.uint.map(|u| Value::Uint(kind, kind.wrap(u))),
        Type::Float64 => n.float.map(Value::Float),
        Type::Float32 => n.float.map(|f| Value::Float32(f as f32)),
        Type::Complex128 => n.complex.map(|(re, im)| Value::Complex(re, im)),
        _ => None,
    }
}
