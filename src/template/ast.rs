//! A parsed template: compact, immutable, shared by every set that has it.
//!
//! A node knows its byte offset; what Go prints of a node in an error message is rebuilt by `print`.

use std::cell::OnceCell;
use std::fmt::{self, Write as _};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use super::error::ParseError;
use super::func::{Func, Registry};
use super::list::List;
use super::parser::parse_skimmed;
use super::plain;
use super::relative;
use super::strconv::quote;
use super::watch::Key;

/// A byte offset in the text.
pub type Pos = u32;

/// A stretch of the text: from, to.
pub type Span = (u32, u32);

/// One parsed text: its own body and those of its `define`s and `block`s.
pub struct Parsed {
    /// The text, UTF-8, perhaps shared with the file it came from; nodes refer to it.
    pub text: Arc<[u8]>,
    /// What is outside of any `define`.
    pub root: Body,
    /// The named bodies in order of their ends. Of one name there is one (an empty one may have been replaced).
    pub defines: Vec<Define>,
    /// The line of the end of the text, if it was counted.
    pub(super) last_line: Option<usize>,
    /// How deep it is nested: freeing it takes that much recursion.
    pub depth: usize,
}

/// A `define` or `block`. The body of one that was only skimmed is built when it is first asked for.
pub struct Define {
    /// The name.
    pub name: Rc<str>,
    /// Whether it is nothing but white space and comments.
    pub blank: bool,
    /// Where a skimmed body starts and ends.
    span: Span,
    body: OnceCell<Body>,
}

impl Define {
    /// One whose body is there.
    #[must_use]
    pub fn built(name: Rc<str>, body: Body, blank: bool) -> Self {
        Self { name, blank, span: (0, 0), body: body.into() }
    }

    /// One whose body stands there and is sure to parse.
    #[must_use]
    pub fn skimmed(name: Rc<str>, span: Span, blank: bool) -> Self {
        Self { name, blank, span, body: OnceCell::new() }
    }

    /// The body. `file` and `text` are those it was skimmed in.
    ///
    /// # Errors
    /// The body does not parse, which skimming should have seen.
    pub fn body(&self, file: &str, text: &[u8], funcs: &Registry) -> Result<&Body, ParseError> {
        if let Some(body) = self.body.get() {
            return Ok(body);
        }
        let plain = plain::body(written(text, self.span), self.span.0 as usize, funcs);
        let mut built = match plain {
            Some(built) => built,
            None => {
                let text = written(text, (0, self.span.1));
                plain::Built { body: parse_skimmed(file, text, self.span.0, funcs)?, names_file: true }
            }
        };
        if built.names_file {
            relative::mark(&mut built.body);
        }
        Ok(self.body.get_or_init(|| built.body))
    }
}

/// The name of a field.
#[derive(Clone)]
pub struct Name {
    text: Rc<str>,
    /// As [`watch`](super::watch) knows it.
    pub(super) key: Key,
}

impl Name {
    /// A name and its key.
    pub(super) fn new(text: Rc<str>, key: Key) -> Self {
        Self { text, key }
    }
}

impl Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

/// A sequence of nodes.
#[derive(Default)]
pub struct Body {
    /// The nodes.
    pub nodes: Box<[Node]>,
}

/// What a template is made of.
pub enum Node {
    /// Text, as it stands.
    Text(Span),
    /// `{{ pipeline }}`
    Action(Box<Pipe>),
    /// `{{ if }}`
    If(Box<Branch>),
    /// `{{ with }}`
    With(Box<Branch>),
    /// `{{ range }}`
    Range(Box<Branch>),
    /// `{{ template "name" pipeline }}`
    Template(Box<Invoke>),
    /// `{{ break }}`
    Break,
    /// `{{ continue }}`
    Continue,
}

/// A condition or loop with its two bodies.
pub struct Branch {
    /// What is tested or ranged over.
    pub pipe: Pipe,
    /// The body if it is not empty.
    pub then: Body,
    /// The body if it is.
    pub otherwise: Option<Body>,
}

/// The call of a template by an action.
pub struct Invoke {
    /// Its place.
    pub pos: Pos,
    /// The template's name.
    pub name: Rc<str>,
    /// The dot to give it.
    pub pipe: Option<Pipe>,
}

/// Commands joined by `|`, perhaps declaring or assigning variables.
pub struct Pipe {
    /// Its place.
    pub pos: Pos,
    /// The variables are assigned, not declared.
    pub assign: bool,
    /// The variables: none, one, or two in a range.
    pub decl: Box<[Variable]>,
    /// The commands: at least one.
    pub cmds: List<Command>,
    /// Of the file's name it shows no more than the folder: see `relative`.
    pub by_folder: bool,
}

/// An operand and its arguments.
pub struct Command {
    /// Its place.
    pub pos: Pos,
    /// The operand, then its arguments.
    pub args: List<Expr>,
}

/// An operand.
pub enum Expr {
    /// `.`
    Dot(Pos),
    /// `nil`
    Nil(Pos),
    /// `true`, `false`
    Bool(Pos, bool),
    /// A number or character constant.
    Number(Box<Number>),
    /// A string and its place.
    String(Pos, Rc<str>),
    /// A string that is not UTF-8 (`"\xff"`) and its place.
    Bytes(Pos, Rc<[u8]>),
    /// `.a.b`: place (of the second field if there are several, as in Go) and names.
    Field(Pos, Box<[Name]>),
    /// `$x.a`
    Variable(Box<Variable>),
    /// A function's name: its place, and what it is.
    Function(Pos, Callee),
    /// `(...).a`
    Chain(Box<Chain>),
    /// `(...)`
    Pipe(Box<Pipe>),
}

/// A variable with fields after it.
pub struct Variable {
    /// Its place.
    pub pos: Pos,
    /// Which variable, by number within the text; 0 is `$`.
    pub id: u32,
    /// Its name with the `$`.
    pub name: Rc<str>,
    /// The fields.
    pub fields: List<Name>,
}

/// A function of the language or of the registry.
pub enum Callee {
    /// One of the language's own.
    Builtin(super::builtins::Builtin),
    /// A registered one.
    Registered(Rc<Func>),
}

/// Fields of a parenthesised pipeline (or of a function's result).
pub struct Chain {
    /// The place of the first field.
    pub pos: Pos,
    /// What has the fields.
    pub node: Expr,
    /// Their names.
    pub fields: List<Name>,
}

/// A number with everything it can be taken for.
#[derive(Debug, Clone)]
pub struct Number {
    /// As written.
    pub span: Span,
    /// As a signed integer.
    pub int: Option<i64>,
    /// As an unsigned integer.
    pub uint: Option<u64>,
    /// As a float.
    pub float: Option<f64>,
    /// As a complex number.
    pub complex: Option<(f64, f64)>,
}

/// A place in the tree that an error message speaks of.
#[derive(Clone, Copy)]
pub enum Place<'t> {
    /// Nothing yet.
    Nowhere,
    /// An action, printed with its braces.
    Action(&'t Pipe),
    /// A template call.
    Invoke(&'t Invoke),
    /// A pipeline.
    Pipe(&'t Pipe),
    /// A command.
    Command(&'t Command),
    /// An operand.
    Expr(&'t Expr),
}

impl Parsed {
    /// The line of the end of the text.
    #[must_use]
    pub fn last_line(&self) -> usize {
        self.last_line.unwrap_or_else(|| 1 + memchr::memchr_iter(b'\n', &self.text).count())
    }
}

impl Drop for Parsed {
    fn drop(&mut self) {
        if self.depth > 200 {
            let (root, defines) = (std::mem::take(&mut self.root), std::mem::take(&mut self.defines));
            stacker::grow((1 << 20) + self.depth * 4096, move || drop((root, defines)));
        }
    }
}

impl Body {
    /// `parse.IsEmptyTree`: nothing but white space (comments are not in the tree).
    #[must_use]
    pub fn is_empty(&self, text: &[u8]) -> bool {
        self.nodes.iter().all(|n| match n {
            Node::Text(span) => go_blank(written(text, *span)),
            _ => false,
        })
    }
}

/// Whether `bytes.TrimSpace` leaves nothing.
fn go_blank(text: &str) -> bool {
    text.chars().all(char::is_whitespace)
}

/// A stretch of a text.
pub(super) fn written(text: &[u8], (from, to): Span) -> &str {
    std::str::from_utf8(&text[from as usize..to as usize])
        .expect("spans of a UTF-8 text end between characters")
}

/// Where the string that starts there ends, quotes included.
fn string_end(text: &[u8], start: Pos) -> Pos {
    let from = start as usize;
    let mut escaped = false;
    let length = text[from + 1..].iter().position(|byte| {
        let ends = *byte == text[from] && !escaped;
        escaped = *byte == b'\\' && !escaped && text[from] == b'"';
        ends
    });
    length.map_or(text.len() as Pos, |length| start + length as Pos + 2)
}

impl Expr {
    /// A string of that value.
    pub(super) fn string(pos: Pos, bytes: Vec<u8>) -> Self {
        match String::from_utf8(bytes) {
            Ok(text) => Self::String(pos, text.into()),
            Err(e) => Self::Bytes(pos, e.into_bytes().into()),
        }
    }

    /// Whether it is a constant or the dot: it has no fields, and is no later stage of a pipeline.
    pub(super) fn is_constant(&self) -> bool {
        match self {
            Self::Bool(..)
            | Self::Bytes(..)
            | Self::Dot(_)
            | Self::Nil(_)
            | Self::Number(_)
            | Self::String(..) => true,
            Self::Chain(_) | Self::Field(..) | Self::Function(..) | Self::Pipe(_) | Self::Variable(_) => {
                false
            }
        }
    }

    /// Its place.
    #[must_use]
    pub fn pos(&self) -> Pos {
        match self {
            Self::Dot(pos)
            | Self::Nil(pos)
            | Self::Bool(pos, _)
            | Self::String(pos, _)
            | Self::Bytes(pos, _)
            | Self::Function(pos, _)
            | Self::Field(pos, _) => *pos,
            Self::Number(n) => n.span.0,
            Self::Variable(v) => v.pos,
            Self::Chain(c) => c.pos,
            Self::Pipe(p) => p.pos,
        }
    }
}

impl Callee {
    /// The name in templates.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Builtin(b) => b.name(),
            Self::Registered(f) => &f.name,
        }
    }
}

impl Place<'_> {
    /// Its byte offset.
    #[must_use]
    pub fn pos(&self) -> Option<Pos> {
        Some(match self {
            Self::Nowhere => return None,
            Self::Action(p) | Self::Pipe(p) => p.pos,
            Self::Invoke(i) => i.pos,
            Self::Command(c) => c.pos,
            Self::Expr(e) => e.pos(),
        })
    }

    /// What Go prints of the node, from the text it was parsed from.
    #[must_use]
    pub fn print(&self, text: &[u8]) -> String {
        let mut out = String::new();
        match self {
            Self::Nowhere => {}
            Self::Action(p) => {
                out.push_str("{{");
                print_pipe(&mut out, p, text);
                out.push_str("}}");
            }
            Self::Invoke(i) => {
                let _ = write!(out, "{{{{template {}", quote(i.name.as_bytes()));
                if let Some(p) = &i.pipe {
                    out.push(' ');
                    print_pipe(&mut out, p, text);
                }
                out.push_str("}}");
            }
            Self::Pipe(p) => print_pipe(&mut out, p, text),
            Self::Command(c) => print_command(&mut out, c, text),
            Self::Expr(e) => print_expr(&mut out, e, text),
        }
        out
    }
}

fn print_pipe(out: &mut String, pipe: &Pipe, text: &[u8]) {
    for (i, v) in pipe.decl.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        print_variable(out, v);
    }
    if !pipe.decl.is_empty() {
        out.push_str(if pipe.assign { " = " } else { " := " });
    }
    for (i, c) in pipe.cmds.iter().enumerate() {
        if i > 0 {
            out.push_str(" | ");
        }
        print_command(out, c, text);
    }
}

fn print_command(out: &mut String, cmd: &Command, text: &[u8]) {
    for (i, arg) in cmd.args.iter().enumerate() {
        if i > 0 {
            out.push(' ');
        }
        print_parenthesised(out, arg, text);
    }
}

fn print_parenthesised(out: &mut String, expr: &Expr, text: &[u8]) {
    if let Expr::Pipe(p) = expr {
        out.push('(');
        super::stack::roomy(|| print_pipe(out, p, text));
        out.push(')');
    } else {
        print_expr(out, expr, text);
    }
}

fn print_variable(out: &mut String, v: &Variable) {
    out.push_str(&v.name);
    print_fields(out, &v.fields);
}

fn print_fields(out: &mut String, fields: &[Name]) {
    for field in fields {
        out.push('.');
        out.push_str(field);
    }
}

fn print_expr(out: &mut String, expr: &Expr, text: &[u8]) {
    match expr {
        Expr::Dot(_) => out.push('.'),
        Expr::Nil(_) => out.push_str("nil"),
        Expr::Bool(_, b) => out.push_str(if *b { "true" } else { "false" }),
        Expr::Number(n) => out.push_str(written(text, n.span)),
        Expr::String(pos, _) | Expr::Bytes(pos, _) => {
            out.push_str(written(text, (*pos, string_end(text, *pos))));
        }
        Expr::Field(_, names) => print_fields(out, names),
        Expr::Variable(v) => print_variable(out, v),
        Expr::Function(_, callee) => out.push_str(callee.name()),
        Expr::Chain(c) => {
            print_parenthesised(out, &c.node, text);
            print_fields(out, &c.fields);
        }
        Expr::Pipe(p) => print_pipe(out, p, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_ends_at_its_own_quote() {
        for string in [r#""""#, r#""a""#, r#""a\"b\\""#, r#""`""#, "``", r#"`a"b\`"#, "`a\nb`"] {
            let text = format!(r#"{{{{ {string} "and" `more` }}}}"#);
            let end = string_end(text.as_bytes(), 3);
            assert_eq!(&text[3..end as usize], string);
        }
    }
}
