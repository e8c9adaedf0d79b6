//! Pipelines, commands and operands of plain templates.

use super::super::ast::{Chain, Command, Expr, Function, Number, Pipe, Variable};
use super::super::strconv::unquote;
use super::super::value::Value;
use super::{ENDS_CONSTANT, ENDS_WORD, MAX_NESTING, Reader, WORD_START, Word, is, offset, take};
use crate::yaml::eight::{equal, find};

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
        let pos = Self::pos(self.at)?;
        let (mut decl, mut assign, mut operand) = (Box::default(), false, None);
        if self.byte() == b'$' {
            match self.declarations(is_range)? {
                Ok(declared) => (decl, assign) = declared,
                Err(name) => operand = Some(name),
            }
        }
        let start = self.cmds.len();
        let mut first = true;
        loop {
            let start = self.args.len();
            let command = match operand.take() {
                Some((at, name)) => {
                    self.variable(at, name)?;
                    at
                }
                None => {
                    let at = self.at;
                    if self.operand()? == Operand::Constant && !first {
                        return None;
                    }
                    at
                }
            };
            loop {
                let space = self.spaces();
                match self.byte() {
                    b'|' | b')' | b'}' => break,
                    b'-' if self.rest().starts_with(b"-}}") => break,
                    _ if space => {
                        self.operand()?;
                    }
                    _ => return None,
                }
            }
            if BUILD {
                let args = take(&mut self.args, start);
                self.cmds.push(Command { pos: offset(command)?, args });
            }
            if self.byte() != b'|' {
                break;
            }
            self.at += 1;
            self.spaces();
            first = false;
        }
        Some(BUILD.then(|| {
            let cmds = take(&mut self.cmds, start);
            Pipe { pos, assign, decl, cmds, by_folder: false }
        }))
    }

    /// `$x :=`, `$x =` and, in a range, `$i, $x :=`; whether they are assigned. `Err` is a variable that is an operand:
    /// where it stands, and its name, which is passed.
    fn declarations(&mut self, is_range: bool) -> Option<Result<(Box<[Variable]>, bool), (usize, Word<'t>)>> {
        let start = self.at;
        let mut index = None;
        while self.byte() == b'$' {
            let at = self.at;
            self.at += 1;
            let name = self.variable_name();
            let (empty, end) = (name.text.is_empty(), self.at);
            let space = self.spaces();
            let is_first = at == start;
            let (assign, more) = match self.rest() {
                [b':', b'=', ..] if !empty => (false, false),
                [b'=', ..] if !empty && space => (true, false),
                [b',', ..] if !empty && is_range && is_first => (false, true),
                _ if is_first => {
                    self.at = end;
                    return Some(Err((start, name)));
                }
                _ => return None,
            };
            self.at += if assign || more { 1 } else { 2 };
            self.spaces();
            if self.variables.len() >= MAX_VARIABLES {
                return None;
            }
            self.variables.push(name);
            let mut variable = None;
            if BUILD {
                let (id, name) = self.number_of(name, at)?;
                variable = Some(Variable { pos: offset(at)?, id, name, fields: Box::default() });
            }
            if more {
                index = variable;
                continue;
            }
            let decl: Box<[Variable]> = match (index, variable) {
                (_, None) => Box::default(),
                (None, Some(one)) => Box::new([one]),
                (Some(index), Some(item)) => Box::new([index, item]),
            };
            return Some(Ok((decl, assign)));
        }
        None
    }

    /// An operand, which is added to the arguments.
    fn operand(&mut self) -> Option<Operand> {
        let start = self.at;
        match self.byte() {
            b'(' => {
                self.at += 1;
                if let Some(pipe) = self.parenthesised()? {
                    self.args.push(Expr::Pipe(Box::new(pipe)));
                }
                self.chained()
            }
            b'"' | b'`' => {
                let escaped = self.string()?;
                if BUILD {
                    let constant = self.text_constant(start, escaped)?;
                    self.args.push(constant);
                }
                self.constant()
            }
            b'$' => {
                self.at += 1;
                let name = self.variable_name();
                self.variable(start, name)?;
                Some(Operand::Other)
            }
            b'.' if self.text.get(start + 1).is_some_and(|b| is(*b, WORD_START)) => {
                let at = self.fields()?;
                if BUILD {
                    let fields = take(&mut self.fields, 0);
                    self.args.push(Expr::Field(offset(at)?, fields));
                }
                Some(Operand::Other)
            }
            b'.' => {
                self.at += 1;
                if BUILD {
                    self.args.push(Expr::Dot(offset(start)?));
                }
                self.constant()
            }
            b'0'..=b'9' => {
                let digits = self.word();
                let plain = digits.iter().all(u8::is_ascii_digit) && digits.len() <= 18;
                if !plain || (digits.len() > 1 && digits[0] == b'0') {
                    return None;
                }
                if BUILD {
                    let span = (offset(start)?, offset(self.at)?);
                    let int: i64 = self.source[start..self.at].parse().ok()?;
                    let (uint, float) = (u64::try_from(int).ok(), Some(int as f64));
                    let number = Number { span, int: Some(int), uint, float, complex: None };
                    self.args.push(Expr::Number(Box::new(number)));
                }
                self.constant()
            }
            b if is(b, WORD_START) => {
                let word = self.word();
                self.terminated()?;
                let pos = Self::pos(start)?;
                let constant = match word {
                    b"true" | b"false" => Some(Expr::Bool(pos, word == b"true")),
                    b"nil" => Some(Expr::Nil(pos)),
                    _ => None,
                };
                if let Some(constant) = constant {
                    if BUILD {
                        self.args.push(constant);
                    }
                    return self.constant();
                }
                let name = &self.source[start..self.at];
                if BUILD {
                    let callee = self.funcs.callee(name)?;
                    self.args.push(Expr::Function(Function { pos, callee }));
                } else if !self.funcs.calls(name) {
                    return None;
                }
                self.chained()
            }
            _ => None,
        }
    }

    /// A variable, whose name was passed, with its fields, which is added to the arguments.
    fn variable(&mut self, start: usize, name: Word<'t>) -> Option<()> {
        if !name.text.is_empty() && !self.variables.contains(&name) {
            return None;
        }
        self.terminated()?;
        let at = if self.byte() == b'.' { self.at } else { start };
        self.fields()?;
        if BUILD {
            let fields = take(&mut self.fields, 0);
            let (id, name) = self.number_of(name, start)?;
            self.args.push(Expr::Variable(Box::new(Variable { pos: offset(at)?, id, name, fields })));
        }
        Some(())
    }

    /// A constant, if it ends here.
    fn constant(&self) -> Option<Operand> {
        is(self.byte(), ENDS_CONSTANT).then_some(Operand::Constant)
    }

    /// The fields of the operand that was added last.
    fn chained(&mut self) -> Option<Operand> {
        if self.byte() == b'.' {
            let at = self.at;
            self.fields()?;
            if BUILD {
                let fields = take(&mut self.fields, 0);
                let node = self.args.pop()?;
                self.args.push(Expr::Chain(Box::new(Chain { pos: offset(at)?, node, fields })));
            }
        }
        Some(Operand::Other)
    }

    /// The string that starts at an offset and ends here.
    fn text_constant(&self, start: usize, escaped: bool) -> Option<Expr> {
        let span = (offset(start)?, offset(self.at)?);
        let written = &self.source[start..self.at];
        let inner = &written[1..written.len() - 1];
        let value = if escaped {
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
        if self.byte() != b')' {
            return None;
        }
        self.at += 1;
        self.parens -= 1;
        Some(pipe)
    }

    /// `.a.b` after an operand, or nothing; where the second of them stands, or else the first.
    fn fields(&mut self) -> Option<usize> {
        let (mut count, mut at) = (0, 0);
        while self.byte() == b'.' {
            count += 1;
            if count <= 2 {
                at = self.at;
            }
            self.at += 1;
            let start = self.at;
            if !is(self.byte(), WORD_START) {
                return None;
            }
            self.word();
            self.terminated()?;
            if BUILD {
                self.fields.push(self.funcs.word(&self.source[start..self.at]));
            }
        }
        Some(at)
    }

    /// Whether what follows may end a word (a delimiter with one brace is left to the parser).
    fn terminated(&self) -> Option<()> {
        let byte = self.byte();
        let ends = is(byte, ENDS_WORD) || byte == b'}' && self.text.get(self.at + 1) == Some(&b'}');
        ends.then_some(())
    }

    /// A string in quotes of either kind; whether it means something else than what is written in it.
    pub(super) fn string(&mut self) -> Option<bool> {
        let mark = self.byte();
        self.at += 1;
        if mark == b'`' {
            let inner = &self.rest()[..memchr::memchr(b'`', self.rest())?];
            self.at += inner.len() + 1;
            return Some(inner.contains(&b'\r'));
        }
        let mut escaped = false;
        loop {
            let ends = |b| equal(b, b'"') | equal(b, b'\\') | equal(b, b'\n');
            self.at = find(self.text, self.at, ends);
            match self.byte() {
                b'"' => break,
                b'\\' => {
                    let known = [b'a', b'b', b'f', b'n', b'r', b't', b'v', b'\\', b'"'];
                    if !known.contains(self.text.get(self.at + 1)?) {
                        return None;
                    }
                    escaped = true;
                    self.at += 2;
                }
                _ => return None,
            }
        }
        self.at += 1;
        Some(escaped)
    }
}
