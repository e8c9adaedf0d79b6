//! Pipelines, commands and operands of plain templates.

use std::rc::Rc;

use smallvec::SmallVec;

use super::super::ast::{Callee, Chain, Command, Expr, Function, Pipe, Pos, Variable};
use super::super::builtins::Builtin;
use super::super::lexer::keyword;
use super::super::number::number;
use super::super::strconv::unquote;
use super::super::value::Value;
use super::{MAX_NESTING, Reader, is_word, offset};

/// How many variables may be declared: they are looked up one by one.
const MAX_VARIABLES: usize = 200;
/// Strings up to this length are shared by those who write the same.
const MAX_SHARED: usize = 48;

/// What an operand is, as far as the parser's rules ask.
#[derive(PartialEq, Eq)]
enum Operand {
    /// A string, number, `true`, `nil` or dot: no later stage of a pipeline.
    Constant,
    /// Anything that may have fields.
    Other,
}

impl<'t, const BUILD: bool> Reader<'t, BUILD> {
    /// A pipeline up to, not including, its delimiter or closing parenthesis.
    #[allow(clippy::option_option, reason = "outside: whether it is plain; inside: whether it is built")]
    pub(super) fn pipeline(&mut self, is_range: bool) -> Option<Option<Pipe>> {
        let pos = offset(self.at)?;
        let (decl, assign) = self.declarations(is_range)?;
        let start = self.cmds.len();
        let mut first = true;
        loop {
            let (pos, start) = (offset(self.at)?, self.args.len());
            let operand = self.operand()?;
            if operand == Operand::Constant && !first {
                return None;
            }
            loop {
                let space = self.spaces();
                match self.peek()? {
                    b'|' | b')' | b'}' => break,
                    b'-' if self.rest().starts_with(b"-}}") => break,
                    _ if space => {
                        self.operand()?;
                    }
                    _ => return None,
                }
            }
            if BUILD {
                let args = self.args.drain(start..).collect();
                self.cmds.push(Command { pos, args });
            }
            if self.peek() != Some(b'|') {
                break;
            }
            self.at += 1;
            self.spaces();
            first = false;
        }
        Some(BUILD.then(|| {
            let cmds = self.cmds.drain(start..).collect();
            Pipe { pos, assign, decl: decl.into(), cmds, by_folder: false }
        }))
    }

    /// `$x :=`, `$x =` and, in a range, `$i, $x :=`; whether they are assigned.
    fn declarations(&mut self, is_range: bool) -> Option<(Vec<Variable>, bool)> {
        let start = self.at;
        let mut decl = Vec::new();
        let mut declared = 0;
        while self.peek() == Some(b'$') {
            let pos = offset(self.at)?;
            self.at += 1;
            let name = self.word();
            let empty = name.is_empty();
            let space = self.spaces();
            declared += 1;
            let (assign, more) = match self.rest() {
                [b':', b'=', ..] if !empty => (false, false),
                [b'=', ..] if !empty && space => (true, false),
                [b',', ..] if !empty && is_range && declared == 1 => (false, true),
                _ if declared == 1 => {
                    self.at = start;
                    return Some((decl, false));
                }
                _ => return None,
            };
            self.at += if assign || more { 1 } else { 2 };
            self.spaces();
            if self.variables.len() >= MAX_VARIABLES {
                return None;
            }
            self.variables.push(name);
            if BUILD {
                let (id, name) = self.number_of(name)?;
                decl.push(Variable { pos, id, name, fields: Box::default() });
            }
            if !more {
                return Some((decl, assign));
            }
        }
        (declared == 0).then_some((decl, false))
    }

    /// What is built, if anything is.
    #[allow(clippy::option_option, reason = "outside: whether it is plain; inside: whether it is built")]
    fn built(expr: impl FnOnce() -> Option<Expr>) -> Option<Option<Expr>> {
        if BUILD { expr().map(Some) } else { Some(None) }
    }

    /// An operand, which is added to the arguments.
    fn operand(&mut self) -> Option<Operand> {
        let start = self.at;
        let pos = offset(start)?;
        let (kind, mut built) = match self.peek()? {
            b'(' => {
                self.at += 1;
                let pipe = self.parenthesised()?;
                (Operand::Other, pipe.map(|pipe| Expr::Pipe(Box::new(pipe))))
            }
            b'"' | b'`' => {
                self.string()?;
                (Operand::Constant, Self::built(|| self.text_constant(start))?)
            }
            b'$' => {
                self.at += 1;
                let name = self.word();
                if !name.is_empty() && !self.variables.contains(&name) {
                    return None;
                }
                self.terminated()?;
                let pos = if self.peek() == Some(b'.') { offset(self.at)? } else { pos };
                let (fields, _) = self.fields()?;
                if BUILD {
                    let (id, name) = self.number_of(name)?;
                    self.args.push(Expr::Variable(Box::new(Variable { pos, id, name, fields })));
                }
                return Some(Operand::Other);
            }
            b'.' if self.text.get(self.at + 1).is_some_and(|b| is_word(*b) && !b.is_ascii_digit()) => {
                let (fields, pos) = self.fields()?;
                self.args.extend(Self::built(|| Some(Expr::Field(pos, fields)))?);
                return Some(Operand::Other);
            }
            b'.' => {
                self.at += 1;
                (Operand::Constant, Self::built(|| Some(Expr::Dot(pos)))?)
            }
            b'0'..=b'9' => {
                let digits = self.word();
                let plain = digits.iter().all(u8::is_ascii_digit) && digits.len() <= 18;
                if !plain || (digits.len() > 1 && digits[0] == b'0') {
                    return None;
                }
                let span = (pos, offset(self.at)?);
                let number = || number(span, &self.source[start..self.at], false, false).ok();
                (Operand::Constant, Self::built(|| Some(Expr::Number(Box::new(number()?))))?)
            }
            b if is_word(b) => {
                let word = self.word();
                self.terminated()?;
                match word {
                    b"true" | b"false" => {
                        (Operand::Constant, Self::built(|| Some(Expr::Bool(pos, word == b"true")))?)
                    }
                    b"nil" => (Operand::Constant, Self::built(|| Some(Expr::Nil(pos)))?),
                    _ => (Operand::Other, self.function(pos, &self.source[start..self.at])?),
                }
            }
            _ => return None,
        };
        if kind == Operand::Other {
            let pos = offset(self.at)?;
            if self.peek() == Some(b'.') {
                let (fields, _) = self.fields()?;
                built = built.map(|node| Expr::Chain(Box::new(Chain { pos, node, fields })));
            }
        } else if !matches!(self.peek()?, b' ' | b'\t' | b'\r' | b'\n' | b'|' | b')' | b'}') {
            return None;
        }
        self.args.extend(built);
        Some(kind)
    }

    #[allow(clippy::option_option, reason = "outside: whether it is plain; inside: whether it is built")]
    fn function(&self, pos: Pos, word: &str) -> Option<Option<Expr>> {
        let (func, builtin) = match self.funcs.get(word) {
            Some(func) => (Some(func), None),
            None => (None, Some(Builtin::by_name(word)?)),
        };
        if keyword(word).is_some() {
            return None;
        }
        Self::built(|| {
            let callee = func.map_or_else(
                || builtin.map(Callee::Builtin),
                |func| Some(Callee::Registered(Rc::clone(func))),
            );
            Some(Expr::Function(Box::new(Function { pos, callee: callee? })))
        })
    }

    /// The string that starts at an offset and ends here.
    fn text_constant(&self, start: usize) -> Option<Expr> {
        let span = (offset(start)?, offset(self.at)?);
        let written = &self.source[start..self.at];
        let inner = &written[1..written.len() - 1];
        let value = if memchr::memchr2(b'\\', b'\r', inner.as_bytes()).is_some() {
            Value::from(unquote(written)?)
        } else if inner.len() <= MAX_SHARED {
            Value::Str(self.funcs.word(inner))
        } else {
            Value::str(inner)
        };
        Some(Expr::String(span, value))
    }

    #[allow(clippy::option_option, reason = "outside: whether it is plain; inside: whether it is built")]
    fn parenthesised(&mut self) -> Option<Option<Pipe>> {
        if self.blocks.len() + self.parens >= MAX_NESTING {
            return None;
        }
        self.parens += 1;
        self.spaces();
        let pipe = self.pipeline(false)?;
        if self.peek() != Some(b')') {
            return None;
        }
        self.at += 1;
        self.parens -= 1;
        Some(pipe)
    }

    /// `.a.b` after an operand, or nothing; and where the second of them stands, or else the first.
    fn fields(&mut self) -> Option<(Box<[Rc<str>]>, Pos)> {
        let mut names = SmallVec::<[Rc<str>; 4]>::new();
        let (mut count, mut pos) = (0, 0);
        while self.peek() == Some(b'.') {
            count += 1;
            if count <= 2 {
                pos = offset(self.at)?;
            }
            self.at += 1;
            let start = self.at;
            if self.word().first().is_none_or(u8::is_ascii_digit) {
                return None;
            }
            self.terminated()?;
            if BUILD {
                names.push(self.funcs.word(&self.source[start..self.at]));
            }
        }
        let names = if BUILD { names.drain(..).collect() } else { Box::default() };
        Some((names, pos))
    }

    /// Letters, digits and underscores.
    pub(super) fn word(&mut self) -> &'t [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|b| !is_word(*b)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// Whether what follows may end a word (a delimiter with one brace is left to the parser).
    fn terminated(&self) -> Option<()> {
        match self.rest() {
            [b'}', b'}', ..] | [b' ' | b'\t' | b'\r' | b'\n' | b'.' | b'|' | b')', ..] => Some(()),
            _ => None,
        }
    }

    /// A string in quotes of either kind.
    pub(super) fn string(&mut self) -> Option<()> {
        let mark = self.peek()?;
        self.at += 1;
        if mark == b'`' {
            self.at += memchr::memchr(b'`', self.rest())? + 1;
            return Some(());
        }
        loop {
            match self.peek()? {
                b'"' => break,
                b'\n' => return None,
                b'\\' => {
                    self.at += 1;
                    if !matches!(self.peek()?, b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' | b'"')
                    {
                        return None;
                    }
                }
                _ => {}
            }
            self.at += 1;
        }
        self.at += 1;
        Some(())
    }
}
