//! The evaluator: walks a tree, evaluates pipelines and fields. Follows Go's `text/template/exec.go` node by node, also in
//! which node an error speaks of.

use std::rc::Rc;

use super::ast::{
    Body, Branch, Callee, Chain, Command, Expr, Invoke, Name, Node, Number, Pipe, Place, Variable, written,
};
use super::error::{At, ExecError, FuncError};
use super::exec::Exec;
use super::fmt;
use super::set::{MissingKey, Template};
use super::stack::roomy;
use super::strconv::quote;
use super::types::Type;
use super::value::{Map, Value};
use super::watch;

/// An execution error on its way out.
pub(super) type Raise = Box<ExecError>;

/// A value and whether its static type is `interface {}`, as what comes out of a `map[string]interface {}` is: Go's
/// messages and its treatment of nil differ for these until a pipeline ends.
#[derive(Clone)]
pub(super) struct Slot {
    pub(super) value: Value,
    place: Static,
}

/// A static type, as far as it counts. It is as wide as a word so that a slot is moved in whole words.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
enum Static {
    Own,
    Interface,
}

impl Slot {
    /// A value of its own type.
    #[inline]
    pub(super) fn plain(value: Value) -> Self {
        Self { value, place: Static::Own }
    }

    /// A value that stands in a place of type `ty`.
    #[inline]
    pub(super) fn of(ty: Type, value: Value) -> Self {
        Self::new(value, matches!(ty, Type::Any))
    }

    /// A value of its own type or in an interface.
    #[inline]
    pub(super) fn new(value: Value, interface: bool) -> Self {
        Self { value, place: if interface { Static::Interface } else { Static::Own } }
    }

    /// Whether its static type is `interface {}`.
    #[inline]
    pub(super) fn interface(&self) -> bool {
        self.place == Static::Interface
    }

    /// Go's zero `reflect.Value`.
    pub(super) fn is_invalid(&self) -> bool {
        !self.interface() && matches!(self.value, Value::Nil)
    }

    /// The static type's name.
    pub(super) fn type_name(&self) -> String {
        if self.interface() { "interface {}".to_owned() } else { self.value.type_name().into_owned() }
    }
}

/// How a walk ended.
#[derive(PartialEq, Eq)]
enum Flow {
    Next,
    Break,
    Continue,
}

/// One template being executed.
pub(super) struct Frame<'t, 'e> {
    pub(super) exec: &'e mut Exec,
    pub(super) template: &'t Template,
    out: &'e mut Vec<u8>,
    /// From where on the render's variables are this template's.
    base: usize,
    pub(super) place: Place<'t>,
}

impl<'t, 'e> Frame<'t, 'e> {
    /// Executes a template to its end.
    pub(super) fn run(
        exec: &'e mut Exec,
        template: &'t Template,
        dot: &Slot,
        out: &'e mut Vec<u8>,
    ) -> Result<(), Raise> {
        let base = exec.vars.len();
        exec.vars.push((0, dot.clone()));
        let body = template.body(exec.set().funcs());
        let mut frame = Self { exec, template, out, base, place: Place::Nowhere };
        let done = match body {
            Ok(body) => frame.walk(dot, body).map(|_| ()),
            Err(e) => frame.error(e.to_string()),
        };
        frame.exec.vars.truncate(base);
        done
    }

    /// An error at the current place.
    pub(super) fn error<T>(&self, message: impl Into<String>) -> Result<T, Raise> {
        Err(self.raise(message.into(), None))
    }

    pub(super) fn raise(&self, message: String, cause: Option<Box<FuncError>>) -> Raise {
        let text = &self.template.parsed.text;
        let at = self.place.pos().map(|pos| {
            let before = &text[..pos as usize];
            let line_start = before.iter().rposition(|&b| b == b'\n').map_or(0, |i| i + 1);
            Box::new(At {
                file: Rc::clone(&self.template.file),
                line: 1 + before.iter().filter(|&&b| b == b'\n').count(),
                column: before.len() - line_start,
                expression: self.place.print(text),
            })
        });
        Box::new(ExecError { template: Rc::clone(&self.template.name), at, message, cause })
    }

    fn walk(&mut self, dot: &Slot, body: &'t Body) -> Result<Flow, Raise> {
        for node in &body.nodes {
            if !self.exec.step() {
                let message = self.exec.out_of_steps();
                return self.error(message);
            }
            match node {
                Node::Text((from, to)) => {
                    let text = &self.template.parsed.text[*from as usize..*to as usize];
                    self.out.extend_from_slice(text);
                    self.check_output()?;
                }
                Node::Action(pipe) => {
                    self.place = Place::Action(pipe);
                    let value = if pipe.by_folder {
                        watch::by_folder(|| self.pipeline(dot, pipe))?
                    } else {
                        self.pipeline(dot, pipe)?
                    };
                    if pipe.decl.is_empty() {
                        self.place = Place::Action(pipe);
                        self.print(pipe, &value)?;
                    }
                }
                Node::If(branch) => match roomy(|| self.branch(dot, branch, false))? {
                    Flow::Next => {}
                    flow => return Ok(flow),
                },
                Node::With(branch) => match roomy(|| self.branch(dot, branch, true))? {
                    Flow::Next => {}
                    flow => return Ok(flow),
                },
                Node::Range(branch) => match roomy(|| self.range(dot, branch))? {
                    Flow::Next => {}
                    flow => return Ok(flow),
                },
                Node::Template(invoke) => self.invoke(dot, invoke)?,
                Node::Break => return Ok(Flow::Break),
                Node::Continue => return Ok(Flow::Continue),
            }
        }
        Ok(Flow::Next)
    }

    fn check_output(&self) -> Result<(), Raise> {
        match self.exec.check_text(self.out.len()) {
            Ok(()) => Ok(()),
            Err(e) => self.error(e.to_string()),
        }
    }

    /// What an action prints of its value.
    fn print(&mut self, pipe: &'t Pipe, value: &Value) -> Result<(), Raise> {
        match value {
            Value::Nil => self.out.extend_from_slice(b"<no value>"),
            Value::Func(_) => {
                let (shown, ty) = (Place::Action(pipe).print(&self.template.parsed.text), value.type_name());
                return self.error(format!("can't print {shown} of type {ty}"));
            }
            value => {
                let limit = self.exec.limits().text.saturating_sub(self.out.len());
                if let Err(e) = fmt::append_printable(self.out, value, limit) {
                    return self.error(e.to_string());
                }
            }
        }
        self.check_output()
    }

    fn branch(&mut self, dot: &Slot, branch: &'t Branch, with: bool) -> Result<Flow, Raise> {
        let mark = self.exec.vars.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let flow = if value.truth() {
            if with { self.walk(&Slot::plain(value), &branch.then) } else { self.walk(dot, &branch.then) }
        } else if let Some(body) = &branch.otherwise {
            self.walk(dot, body)
        } else {
            Ok(Flow::Next)
        };
        self.exec.vars.truncate(mark);
        flow
    }

    fn range(&mut self, dot: &Slot, branch: &'t Branch) -> Result<Flow, Raise> {
        let outer = self.exec.vars.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let value = value.bare();
        let flow = match &*value {
            Value::Nil => None,
            Value::Int(kind, n) => {
                self.one_variable(branch, &value)?;
                let items = (0..*n).map(|i| (Slot::plain(Value::Nil), Slot::plain(Value::Int(*kind, i))));
                self.iterate(branch, items)?
            }
            Value::Uint(kind, n) => {
                self.one_variable(branch, &value)?;
                let items = (0..*n).map(|i| (Slot::plain(Value::Nil), Slot::plain(Value::Uint(*kind, i))));
                self.iterate(branch, items)?
            }
            Value::List(list) => {
                let ty = list.go_type().elem();
                let items = list.items().iter().enumerate();
                self.iterate(branch, items.map(|(i, v)| (index_slot(i), Slot::of(ty, v.clone()))))?
            }
            Value::Bytes(bytes) => {
                let items = bytes.iter().enumerate();
                let byte = |b: &u8| Value::Uint(super::types::UintKind::U8, (*b).into());
                self.iterate(branch, items.map(|(i, b)| (index_slot(i), Slot::plain(byte(b)))))?
            }
            Value::Map(map) => {
                let ty = map.go_type().elem();
                // Go takes the entries before the first iteration; a `set` in the body does not show.
                let entries: Vec<_> = map.entries().iter().map(|(k, v)| (Rc::clone(k), v.clone())).collect();
                let items = entries.into_iter();
                self.iterate(branch, items.map(|(k, v)| (Slot::plain(Value::Str(k)), Slot::of(ty, v))))?
            }
            other => {
                // Go looks behind a pointer here.
                let mut shown = Vec::new();
                let _ = fmt::append_printable(&mut shown, other, 1 << 20);
                let shown = String::from_utf8_lossy(&shown);
                return self.error(format!("range can't iterate over {shown}"));
            }
        };
        let flow = match (flow, &branch.otherwise) {
            (Some(flow), _) => flow,
            (None, Some(body)) => self.walk(dot, body)?,
            (None, None) => Flow::Next,
        };
        self.exec.vars.truncate(outer);
        Ok(flow)
    }

    fn one_variable(&mut self, branch: &Branch, value: &Value) -> Result<(), Raise> {
        if branch.pipe.decl.len() > 1 {
            let shown = fmt::to_text(value);
            return self.error(format!("can't use {shown} to iterate over more than one variable"));
        }
        Ok(())
    }

    /// The iterations. `None` if there were none.
    fn iterate(
        &mut self,
        branch: &'t Branch,
        items: impl Iterator<Item = (Slot, Slot)>,
    ) -> Result<Option<Flow>, Raise> {
        let mark = self.exec.vars.len();
        let decl = &branch.pipe.decl;
        let mut any = false;
        for (index, item) in items {
            any = true;
            if !self.exec.step() {
                let message = self.exec.out_of_steps();
                return self.error(message);
            }
            // With two variables the index comes first; with one it is the element.
            match (decl.len(), branch.pipe.assign) {
                (0, _) => {}
                (1, true) => self.assign(&decl[0], item.clone())?,
                (1, false) => self.exec.vars[mark - 1].1 = item.clone(),
                (_, true) => {
                    self.assign(&decl[0], index)?;
                    self.assign(&decl[1], item.clone())?;
                }
                (_, false) => {
                    self.exec.vars[mark - 1].1 = item.clone();
                    self.exec.vars[mark - 2].1 = index;
                }
            }
            let flow = self.walk(&item, &branch.then)?;
            self.exec.vars.truncate(mark);
            if flow == Flow::Break {
                break;
            }
        }
        Ok(any.then_some(Flow::Next))
    }

    fn invoke(&mut self, dot: &Slot, invoke: &'t Invoke) -> Result<(), Raise> {
        self.place = Place::Invoke(invoke);
        let Some(template) = self.exec.set().get(&invoke.name) else {
            return self.error(format!("template {} not defined", quote(invoke.name.as_bytes())));
        };
        if let Err(e) = self.exec.enter(&template) {
            return self.error(e);
        }
        if *invoke.name == **self.exec.set().name() {
            // The text of a `tpl`, which only its own templates see.
            watch::host_used();
        }
        // Variables declared by the pipeline persist.
        let dot = match &invoke.pipe {
            Some(pipe) => Slot::plain(self.pipeline(dot, pipe)?),
            None => Slot::plain(Value::Nil),
        };
        let done = roomy(|| Frame::run(self.exec, &template, &dot, self.out));
        self.exec.leave();
        done
    }

    fn assign(&mut self, variable: &Variable, value: Slot) -> Result<(), Raise> {
        match self.exec.vars[self.base..].iter_mut().rev().find(|(id, _)| *id == variable.id) {
            Some((_, slot)) => {
                *slot = value;
                Ok(())
            }
            None => self.error(format!("undefined variable: {}", variable.name)),
        }
    }

    /// The value of a pipeline; its variables are declared.
    pub(super) fn pipeline(&mut self, dot: &Slot, pipe: &'t Pipe) -> Result<Value, Raise> {
        self.place = Place::Pipe(pipe);
        let mut cmds = pipe.cmds.iter();
        let mut value = match cmds.next() {
            Some(cmd) => self.command(dot, cmd, None)?.value,
            None => Value::Nil,
        };
        for cmd in cmds {
            // What is in an interface is taken out of it between commands.
            value = self.command(dot, cmd, Some(Slot::plain(value)))?.value;
        }
        for variable in &pipe.decl {
            let slot = Slot::plain(value.clone());
            if pipe.assign {
                self.assign(variable, slot)?;
            } else {
                self.exec.vars.push((variable.id, slot));
            }
        }
        Ok(value)
    }

    fn not_a_function(&self, args: &'t [Expr], last: Option<&Slot>) -> Result<(), Raise> {
        if args.len() > 1 || last.is_some() {
            let shown = Place::Expr(&args[0]).print(&self.template.parsed.text);
            return self.error(format!("can't give argument to non-function {shown}"));
        }
        Ok(())
    }

    /// A command; `last` is the value piped into it.
    fn command(&mut self, dot: &Slot, cmd: &'t Command, last: Option<Slot>) -> Result<Slot, Raise> {
        let (first, args) = (&cmd.args[0], &*cmd.args);
        match first {
            Expr::Field(_, names) => {
                self.place = Place::Expr(first);
                return self.fields(dot, dot, first, names, args, last);
            }
            Expr::Chain(chain) => return self.chain(dot, first, chain, args, last),
            Expr::Function(_, callee) => {
                self.place = Place::Expr(first);
                return match callee {
                    Callee::Builtin(b) => self.call_builtin(dot, *b, Place::Command(cmd), args, last),
                    Callee::Registered(f) => self.call(dot, f, Place::Command(cmd), &args[1..], last),
                };
            }
            Expr::Pipe(pipe) => {
                self.not_a_function(args, last.as_ref())?;
                return Ok(Slot::plain(roomy(|| self.pipeline(dot, pipe))?));
            }
            Expr::Variable(v) => return self.variable(dot, first, v, args, last),
            _ => {}
        }
        self.place = Place::Expr(first);
        self.not_a_function(args, last.as_ref())?;
        match first {
            Expr::Nil(_) => self.error("nil is not a command"),
            _ => self.operand(dot, first),
        }
    }

    /// A number where no type is wanted: its syntax tells the type.
    pub(super) fn constant(&mut self, expr: &'t Expr, n: &Number) -> Result<Slot, Raise> {
        self.place = Place::Expr(expr);
        let (from, to) = n.span;
        let digits = &self.template.parsed.text[from as usize..to as usize];
        if let (Some(i), true) = (n.int, digits.iter().all(u8::is_ascii_digit)) {
            return Ok(Slot::plain(Value::int(i)));
        }
        let text = written(&self.template.parsed.text, n.span);
        if let Some((re, im)) = n.complex {
            return Ok(Slot::plain(Value::Complex(re, im)));
        }
        let hex = text.starts_with("0x") || text.starts_with("0X");
        let hex_int = text.len() > 2 && hex && !text.contains(['p', 'P']);
        let floating = !hex_int && !text.starts_with('\'') && text.contains(['.', 'e', 'E', 'p', 'P']);
        match (n.float, n.int) {
            (Some(f), _) if floating => Ok(Slot::plain(Value::Float(f))),
            (_, Some(i)) => Ok(Slot::plain(Value::int(i))),
            _ => self.error(format!("{text} overflows int")),
        }
    }

    pub(super) fn variable(
        &mut self,
        dot: &Slot,
        expr: &'t Expr,
        v: &'t Variable,
        args: &'t [Expr],
        last: Option<Slot>,
    ) -> Result<Slot, Raise> {
        self.place = Place::Expr(expr);
        let Some(slot) = self.slot(v) else {
            return self.error(format!("undefined variable: {}", v.name));
        };
        let has_args = args.len() > 1 || last.is_some();
        if v.fields.is_empty() {
            let slot = slot.clone();
            if has_args {
                self.not_a_function(args, last.as_ref())?;
            }
            return Ok(slot);
        }
        if !has_args && let Some(found) = reach(slot, &v.fields) {
            return Ok(found);
        }
        let slot = slot.clone();
        self.go_along(dot, slot, expr, &v.fields, args, last)
    }

    /// What a variable holds, without its fields.
    #[inline]
    pub(super) fn slot(&self, v: &Variable) -> Option<&Slot> {
        let mut seen = self.exec.vars[self.base..].iter().rev();
        seen.find(|(id, _)| *id == v.id).map(|(_, slot)| slot)
    }

    pub(super) fn chain(
        &mut self,
        dot: &Slot,
        expr: &'t Expr,
        chain: &'t Chain,
        args: &'t [Expr],
        last: Option<Slot>,
    ) -> Result<Slot, Raise> {
        self.place = Place::Expr(expr);
        let receiver = roomy(|| self.untyped_argument(dot, &chain.node))?;
        self.fields(dot, &receiver, expr, &chain.fields, args, last)
    }

    /// `.x.y.z args`: only the last one gets the arguments. `args` starts with the operand itself.
    pub(super) fn fields(
        &mut self,
        dot: &Slot,
        receiver: &Slot,
        expr: &'t Expr,
        names: &'t [Name],
        args: &'t [Expr],
        last: Option<Slot>,
    ) -> Result<Slot, Raise> {
        if args.len() <= 1
            && last.is_none()
            && let Some(found) = reach(receiver, names)
        {
            return Ok(found);
        }
        self.go_along(dot, receiver.clone(), expr, names, args, last)
    }

    /// The same, name by name.
    fn go_along(
        &mut self,
        dot: &Slot,
        mut receiver: Slot,
        expr: &'t Expr,
        names: &'t [Name],
        args: &'t [Expr],
        last: Option<Slot>,
    ) -> Result<Slot, Raise> {
        let Some((end, path)) = names.split_last() else { return Ok(receiver) };
        for name in path {
            receiver = self.field(dot, &receiver, name, expr, &[], None)?;
        }
        self.field(dot, &receiver, end, expr, args, last)
    }

    fn field(
        &mut self,
        dot: &Slot,
        receiver: &Slot,
        name: &str,
        expr: &'t Expr,
        args: &'t [Expr],
        last: Option<Slot>,
    ) -> Result<Slot, Raise> {
        let has_args = args.len() > 1 || last.is_some();
        if let Value::Map(map) = &receiver.value {
            return self.entry(map, name, has_args);
        }
        if receiver.is_invalid() {
            if self.exec.set().missing_key() == MissingKey::Error {
                return self.error(format!("nil data; no entry for key {}", quote(name.as_bytes())));
            }
            return Ok(Slot::plain(Value::Nil));
        }
        match &receiver.value {
            Value::Nil => return self.error(format!("nil pointer evaluating interface {{}}.{name}")),
            Value::Object(object) => {
                if let Some(method) = object.method(name) {
                    let args = args.get(1..).unwrap_or_default();
                    return self.call(dot, &method, Place::Expr(expr), args, last);
                }
                if let Some(value) = object.field(name) {
                    if has_args {
                        return self.error(format!("{name} has arguments but cannot be invoked as function"));
                    }
                    return Ok(Slot::plain(value));
                }
                if let Some(Value::Map(map)) = object.underlying() {
                    return self.entry(&map, name, has_args);
                }
            }
            _ => {}
        }
        self.error(format!("can't evaluate field {name} in type {}", receiver.type_name()))
    }

    fn entry(&self, map: &Map, name: &str, has_args: bool) -> Result<Slot, Raise> {
        if has_args {
            return self.error(format!("{name} is not a method but has arguments"));
        }
        let ty = map.go_type().elem();
        if let Some(value) = map.get(name) {
            return Ok(Slot::of(ty, value));
        }
        match self.exec.set().missing_key() {
            MissingKey::Default => Ok(Slot::plain(Value::Nil)),
            MissingKey::Zero => Ok(Slot::of(ty, Value::zero(ty))),
            MissingKey::Error => self.error(format!("map has no entry for key {}", quote(name.as_bytes()))),
        }
    }
}

/// How many names are gone along at once, map within map.
const MAX_REACH: usize = 16;

/// What names lead to, if all of them lead from map to map, as most do.
#[inline]
fn reach(receiver: &Slot, names: &[Name]) -> Option<Slot> {
    if names.len() > MAX_REACH {
        return None;
    }
    let (value, interface) = receiver.value.table(names.first()?)?.reach(names)?;
    Some(Slot::new(value, interface))
}

fn index_slot(i: usize) -> Slot {
    Slot::plain(Value::int(i64::try_from(i).unwrap_or(i64::MAX)))
}
