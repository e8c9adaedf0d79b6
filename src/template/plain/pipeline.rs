//! Pipelines, commands and operands of plain templates, built.

use super::super::ast::{Chain, Command, Expr, Number, Pipe, Variable};
use super::super::list::{List, take};
use super::super::strconv::unquote;
use super::MAX_NESTING;
use super::build::Reader;
use super::scan::{self, WORD_START, Word, head, is, spaces};

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

impl Reader<'_, '_> {
    /// A pipeline up to, not including, its delimiter or closing parenthesis; the blanks before that are passed.
    pub(super) fn pipeline(&mut self, is_range: bool) -> Option<Pipe> {
        let pos = self.offset(self.at)?;
        let (mut decl, mut assign, mut operand) = (Box::default(), false, None);
        if self.byte() == b'$' {
            match self.declarations(is_range)? {
                Ok(declared) => (decl, assign) = declared,
                Err(name) => operand = Some(name),
            }
        }
        let start = self.stacks.cmds.len();
        let mut first = true;
        loop {
            let start = self.stacks.args.len();
            let command = self.offset(self.at)?;
            match operand.take() {
                Some(name) => self.variable(self.at, name)?,
                None => {
                    if self.operand()? == Operand::Constant && !first {
                        return None;
                    }
                }
            }
            loop {
                let space = self.spaces();
                match self.byte() {
                    b'|' | b')' | b'}' => break,
                    b'-' if self.text[self.at..].starts_with(b"-}}") => break,
                    _ if space => {
                        self.operand()?;
                    }
                    _ => return None,
                }
            }
            let args = List::take(&mut self.stacks.args, start);
            self.stacks.cmds.push(Command { pos: command, args });
            if self.byte() != b'|' {
                break;
            }
            self.at = spaces(self.text, self.at + 1);
            first = false;
        }
        let cmds = List::take(&mut self.stacks.cmds, start);
        Some(Pipe { pos, assign, decl, cmds, by_folder: false })
    }

    /// `$x :=`, `$x =` and, in a range, `$i, $x :=`; whether they are assigned. `Err` is the name of a variable that is an
    /// operand; it is not passed.
    fn declarations(&mut self, is_range: bool) -> Option<Result<(Box<[Variable]>, bool), Word>> {
        let start = self.at;
        let mut index = None;
        while self.byte() == b'$' {
            let at = self.at;
            let name = scan::word(self.text, at + 1);
            let end = at + 1 + name.length;
            let next = spaces(self.text, end);
            let (empty, is_first) = (name.length == 0, at == start);
            let (assign, more) = match &self.text[next..] {
                [b':', b'=', ..] if !empty => (false, false),
                [b'=', ..] if !empty && next > end => (true, false),
                [b',', ..] if !empty && is_range && is_first => (false, true),
                _ if is_first => return Some(Err(name)),
                _ => return None,
            };
            self.at = spaces(self.text, next + if assign || more { 1 } else { 2 });
            let number = self.stacks.scope.declare(self.text, name, at + 1)?;
            let variable = self.named(number, at, end, at)?;
            if more {
                index = Some(variable);
                continue;
            }
            let decl: Box<[Variable]> = match index {
                None => Box::new([variable]),
                Some(index) => Box::new([index, variable]),
            };
            return Some(Ok((decl, assign)));
        }
        None
    }

    /// The variable of that number, whose name stands there, with the fields that were read.
    fn named(&mut self, number: usize, start: usize, end: usize, pos: usize) -> Option<Variable> {
        let names = &mut self.stacks.names;
        if names.is_empty() {
            names.push(self.funcs.word("$"));
        }
        if names.len() == number {
            names.push(self.funcs.word(&self.source[start..end]));
        }
        let name = names.get(number)?.clone();
        let fields = List::take(&mut self.stacks.fields, 0);
        Some(Variable { pos: self.offset(pos)?, id: u32::try_from(number).ok()?, name, fields })
    }

    /// An operand, which is added to the arguments.
    fn operand(&mut self) -> Option<Operand> {
        let start = self.at;
        let expr = match self.byte() {
            b'(' => {
                let pipe = self.parenthesised()?;
                return self.chained(Expr::Pipe(Box::new(pipe)));
            }
            b'"' | b'`' => {
                let (escaped, end) = scan::string(self.text, start)?;
                self.at = end;
                self.text_constant(start, escaped)?
            }
            b'$' => {
                self.variable(start, scan::word(self.text, start + 1))?;
                return Some(Operand::Other);
            }
            b'.' if self.text.get(start + 1).is_some_and(|b| is(*b, WORD_START)) => {
                let pos = self.fields()?;
                let fields = take(&mut self.stacks.fields, 0);
                let expr = Expr::Field(self.offset(pos)?, fields);
                self.stacks.args.push(expr);
                return Some(Operand::Other);
            }
            b'.' => {
                self.at += 1;
                Expr::Dot(self.offset(start)?)
            }
            b'0'..=b'9' => {
                self.at = scan::number(self.text, start)?;
                let span = (self.offset(start)?, self.offset(self.at)?);
                let int: i64 = self.source[start..self.at].parse().ok()?;
                let (uint, float) = (u64::try_from(int).ok(), Some(int as f64));
                Expr::Number(Box::new(Number { span, int: Some(int), uint, float, complex: None }))
            }
            b if is(b, WORD_START) => {
                let word = scan::word(self.text, start);
                self.at = start + word.length;
                if !scan::ends_word(self.text, self.at) {
                    return None;
                }
                let pos = self.offset(start)?;
                match word.head {
                    TRUE | FALSE if word.length <= 8 => Expr::Bool(pos, word.head == TRUE),
                    NIL if word.length <= 8 => Expr::Nil(pos),
                    _ => {
                        let callee = self.funcs.callee(&self.source[start..self.at])?;
                        return self.chained(Expr::Function(pos, callee));
                    }
                }
            }
            _ => return None,
        };
        if !scan::ends_constant(self.text, self.at) {
            return None;
        }
        self.stacks.args.push(expr);
        Some(Operand::Constant)
    }

    /// A variable with its fields, which is added to the arguments.
    fn variable(&mut self, start: usize, name: Word) -> Option<()> {
        let number = self.stacks.scope.seen(self.text, name, start + 1)?;
        let end = start + 1 + name.length;
        if !scan::ends_word(self.text, end) {
            return None;
        }
        self.at = end;
        let pos = if self.byte() == b'.' { end } else { start };
        self.fields()?;
        let variable = Box::new(self.named(number, start, end, pos)?);
        self.stacks.args.push(Expr::Variable(variable));
        Some(())
    }

    /// An operand with the fields that follow it, which is added to the arguments.
    #[inline]
    fn chained(&mut self, node: Expr) -> Option<Operand> {
        let expr = if self.byte() == b'.' {
            let pos = self.offset(self.at)?;
            self.fields()?;
            Expr::Chain(Box::new(Chain { pos, node, fields: List::take(&mut self.stacks.fields, 0) }))
        } else {
            node
        };
        self.stacks.args.push(expr);
        Some(Operand::Other)
    }

    /// The string that starts at an offset and ends here.
    fn text_constant(&self, start: usize, escaped: bool) -> Option<Expr> {
        let pos = self.offset(start)?;
        let written = &self.source[start..self.at];
        let inner = &written[1..written.len() - 1];
        if escaped {
            return Some(Expr::string(pos, unquote(written)?));
        }
        let text = if inner.len() <= MAX_SHARED { self.funcs.word(inner) } else { inner.into() };
        Some(Expr::String(pos, text))
    }

    fn parenthesised(&mut self) -> Option<Pipe> {
        if self.depth() >= MAX_NESTING {
            return None;
        }
        self.parens += 1;
        self.at = spaces(self.text, self.at + 1);
        let pipe = self.pipeline(false)?;
        if self.byte() != b')' {
            return None;
        }
        self.at += 1;
        self.parens -= 1;
        Some(pipe)
    }

    /// `.a.b` after an operand; where the second of them stands, or else the first.
    fn fields(&mut self) -> Option<usize> {
        let (mut count, mut pos, mut last) = (0, 0, 0);
        while self.byte() == b'.' {
            count += 1;
            if count <= 2 {
                pos = self.at;
            }
            let start = self.at + 1;
            if !self.text.get(start).is_some_and(|b| is(*b, WORD_START)) {
                return None;
            }
            let word = scan::word(self.text, start);
            self.at = start + word.length;
            if !scan::ends_word(self.text, self.at) {
                return None;
            }
            self.names_file |= word.head == NAME && last == TEMPLATE;
            last = word.head;
            let field = self.funcs.name(&self.source[start..self.at]);
            self.stacks.fields.push(field);
        }
        Some(pos)
    }
}

const TRUE: u64 = head("true");
const FALSE: u64 = head("false");
const NIL: u64 = head("nil");
const NAME: u64 = head("Name");
const TEMPLATE: u64 = head("Template");
