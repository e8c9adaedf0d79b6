//! Plain templates, read in one pass over their bytes: vouched for without building anything, or built at once.
//!
//! A chart brings a library of templates and runs a fraction of them; a `define`'s body that was vouched for is built when
//! it is first executed. So that errors stay Go's, in Go's words and order, this reader knows only plain syntax and gives
//! up (`None`) on everything else, be it wrong or merely rare: the parser then reads the text as ever. What is read here is
//! accepted by the parser, with the same end and the same tree (`what_is_read_as_plain_is_what_the_parser_makes_of_it`;
//! the fuzz target `template_parse`).

use std::rc::Rc;

use memchr::memmem;

use super::ast::{Body, Branch, Command, Define, Expr, Invoke, Node, Pipe, Pos};
use super::func::Registry;
use super::lexer::find_left_delim;
use super::strconv::unquote;

mod pipeline;
#[cfg(test)]
mod tests;

/// How deep blocks and parentheses may be nested.
pub(super) const MAX_NESTING: usize = 50;

/// A body that was vouched for.
pub(super) struct Skimmed {
    /// The offset after its `{{end}}`, and after the white space that this trims.
    pub(super) after: usize,
    /// Whether it is nothing but white space and comments.
    pub(super) blank: bool,
}

/// Vouches for the body that starts at an offset.
pub(super) fn skim(text: &str, from: usize, funcs: &Registry) -> Option<Skimmed> {
    let mut reader = Reader::<false>::new(text, from, funcs);
    let mut blank = true;
    loop {
        let length = find_left_delim(reader.rest())?;
        if blank && let Some(b) = reader.rest()[..length].iter().find(|b| !is_space(**b)) {
            // White space that is rare.
            if !b.is_ascii_graphic() {
                return None;
            }
            blank = false;
        }
        reader.at += length + 2;
        if reader.opens_comment() {
            reader.comment()?;
            continue;
        }
        if reader.action()? {
            return Some(Skimmed { after: reader.at, blank });
        }
        blank = false;
    }
}

/// Builds the body that starts at an offset, up to its `{{end}}`.
pub(super) fn body(text: &str, from: usize, funcs: &Registry) -> Option<Body> {
    let mut reader = Reader::<true>::new(text, from, funcs);
    loop {
        reader.text_node(find_left_delim(reader.rest())?)?;
        if reader.opens_comment() {
            reader.comment()?;
        } else if reader.action()? {
            return Some(Body { nodes: reader.nodes.into_boxed_slice() });
        }
    }
}

/// Builds a whole text: what is outside of its `define`s, and these, vouched for.
pub(super) fn whole(text: &str, funcs: &Registry) -> Option<(Body, Vec<Define>)> {
    let mut reader = Reader::<true>::new(text, 0, funcs);
    let mut defines: Vec<Define> = Vec::new();
    while let Some(length) = find_left_delim(reader.rest()) {
        reader.text_node(length)?;
        if reader.opens_comment() {
            reader.comment()?;
        } else if reader.blocks.is_empty() && reader.opens_define() {
            let name = reader.template_name()??;
            reader.spaces();
            reader.right_delim()?;
            let skimmed = skim(text, reader.at, funcs)?;
            if defines.iter().any(|d| d.name == name) {
                return None;
            }
            defines.push(Define::skimmed(name, offset(reader.at)?, skimmed.blank));
            reader.at = skimmed.after;
        } else if reader.action()? {
            return None;
        }
    }
    if !reader.blocks.is_empty() {
        return None;
    }
    reader.push_text(text.len())?;
    Some((Body { nodes: reader.nodes.into_boxed_slice() }, defines))
}

fn offset(at: usize) -> Option<Pos> {
    Pos::try_from(at).ok()
}

/// What a block is opened by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opener {
    If,
    With,
    Range,
}

/// An open `if`, `with` or `range`.
struct Block {
    opener: Opener,
    /// Whether an `else` may follow.
    may_else: bool,
    /// Whether it stands after an `else`, as in `{{else if}}`: it ends with the block around it.
    chained: bool,
    /// How many variables were there before it.
    variables: usize,
    /// Where its nodes start.
    nodes: usize,
    pipe: Option<Pipe>,
    then: Option<Body>,
}

/// Reads; builds only if `BUILD`.
struct Reader<'t, const BUILD: bool> {
    source: &'t str,
    text: &'t [u8],
    at: usize,
    funcs: &'t Registry,
    /// The variables that can be seen.
    variables: Vec<&'t [u8]>,
    /// All variables, their numbers being their places.
    names: Vec<(&'t [u8], Rc<str>)>,
    blocks: Vec<Block>,
    parens: usize,
    /// Nodes, commands and operands of the lists that are open: each list takes its own from the end.
    nodes: Vec<Node>,
    cmds: Vec<Command>,
    args: Vec<Expr>,
}

fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

fn is_word(b: u8) -> bool {
    b == b'_' || b.is_ascii_alphanumeric()
}

impl<'t, const BUILD: bool> Reader<'t, BUILD> {
    fn new(source: &'t str, at: usize, funcs: &'t Registry) -> Self {
        let mut reader = Self {
            source,
            text: source.as_bytes(),
            at,
            funcs,
            variables: Vec::new(),
            names: Vec::new(),
            blocks: Vec::new(),
            parens: 0,
            nodes: Vec::new(),
            cmds: Vec::new(),
            args: Vec::new(),
        };
        if BUILD {
            reader.names.push((b"", funcs.word("$")));
        }
        reader
    }

    /// The number of a variable, named without its `$`.
    fn number_of(&mut self, name: &'t [u8]) -> Option<(u32, Rc<str>)> {
        let known = self.names.iter().position(|(known, _)| *known == name);
        let place = known.unwrap_or(self.names.len());
        if known.is_none() {
            let written = format!("${}", str::from_utf8(name).ok()?);
            self.names.push((name, self.funcs.word(&written)));
        }
        Some((u32::try_from(place).ok()?, Rc::clone(&self.names[place].1)))
    }

    /// A text of that length before a delimiter; passes both.
    fn text_node(&mut self, length: usize) -> Option<()> {
        let end = self.at + length;
        let mut last = end;
        if let [b'-', space, ..] = &self.text[end + 2..]
            && is_space(*space)
        {
            while last > self.at && is_space(self.text[last - 1]) {
                last -= 1;
            }
        }
        self.push_text(last)?;
        self.at = end + 2;
        Some(())
    }

    fn push_text(&mut self, end: usize) -> Option<()> {
        if end > self.at {
            self.nodes.push(Node::Text((offset(self.at)?, offset(end)?)));
        }
        Some(())
    }

    fn rest(&self) -> &'t [u8] {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn spaces(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(is_space) {
            self.at += 1;
        }
        self.at > start
    }

    /// Passes the trim marker after `{{`; whether a comment follows.
    fn opens_comment(&mut self) -> bool {
        if let [b'-', space, ..] = self.rest()
            && is_space(*space)
        {
            self.at += 2;
        }
        self.rest().starts_with(b"/*")
    }

    fn comment(&mut self) -> Option<()> {
        self.at += 2;
        self.at += memmem::find(self.rest(), b"*/")? + 2;
        self.right_delim()
    }

    /// Passes `define` and the blanks around it, if that is what stands here.
    fn opens_define(&mut self) -> bool {
        let start = self.at;
        self.spaces();
        if self.word() == b"define" && self.spaces() {
            return true;
        }
        self.at = start;
        false
    }

    /// The name of a template, in quotes.
    #[allow(clippy::option_option, reason = "outside: whether it is plain; inside: whether it is built")]
    fn template_name(&mut self) -> Option<Option<Rc<str>>> {
        let start = self.at;
        if !matches!(self.peek()?, b'"' | b'`') {
            return None;
        }
        self.string()?;
        if !BUILD {
            return Some(None);
        }
        let name = unquote(&self.source[start..self.at])?;
        Some(Some(self.funcs.word(&String::from_utf8_lossy(&name))))
    }

    /// `}}` or ` -}}`, with the white space that this trims. The blanks before it may have been passed.
    fn right_delim(&mut self) -> Option<()> {
        match self.rest() {
            [b'}', b'}', ..] => self.at += 2,
            [space, b'-', b'}', b'}', ..] if is_space(*space) => {
                self.at += 4;
                self.spaces();
            }
            [b'-', b'}', b'}', ..] if is_space(self.text[self.at - 1]) => {
                self.at += 3;
                self.spaces();
            }
            _ => return None,
        }
        Some(())
    }

    /// An action, from after its delimiter; true if it ends the body.
    fn action(&mut self) -> Option<bool> {
        self.spaces();
        let start = self.at;
        match self.word() {
            b"if" => self.open(Opener::If, false)?,
            b"with" => self.open(Opener::With, false)?,
            b"range" => self.open(Opener::Range, false)?,
            b"else" => self.otherwise()?,
            b"end" => {
                self.spaces();
                self.right_delim()?;
                return self.close();
            }
            b"template" if self.spaces() => {
                let pos = offset(self.at)?;
                let name = self.template_name()?;
                let space = self.spaces();
                let mut pipe = None;
                if self.right_delim().is_none() {
                    if !space {
                        return None;
                    }
                    pipe = self.pipeline(false)?;
                    self.right_delim()?;
                }
                if let Some(name) = name {
                    self.nodes.push(Node::Template(Box::new(Invoke { pos, name, pipe })));
                }
            }
            _ => {
                self.at = start;
                let pipe = self.pipeline(false)?;
                self.right_delim()?;
                if let Some(pipe) = pipe {
                    self.nodes.push(Node::Action(Box::new(pipe)));
                }
            }
        }
        Some(false)
    }

    fn open(&mut self, opener: Opener, chained: bool) -> Option<()> {
        if self.blocks.len() + self.parens >= MAX_NESTING || !self.spaces() {
            return None;
        }
        let (variables, nodes) = (self.variables.len(), self.nodes.len());
        let pipe = self.pipeline(opener == Opener::Range)?;
        self.right_delim()?;
        self.blocks.push(Block { opener, may_else: true, chained, variables, nodes, pipe, then: None });
        Some(())
    }

    /// What follows `else`.
    fn otherwise(&mut self) -> Option<()> {
        let space = self.spaces();
        let block = self.blocks.last_mut()?;
        if !block.may_else {
            return None;
        }
        block.may_else = false;
        if BUILD {
            block.then = Some(Body { nodes: self.nodes.drain(block.nodes..).collect() });
        }
        let opener = block.opener;
        if !self.peek().is_some_and(is_word) {
            return self.right_delim();
        }
        match (self.word(), opener) {
            (b"if", Opener::If) | (b"with", Opener::With) if space => self.open(opener, true),
            _ => None,
        }
    }

    /// Closes the innermost block and those that end with it; true if there is none.
    fn close(&mut self) -> Option<bool> {
        loop {
            let Some(block) = self.blocks.pop() else { return Some(true) };
            self.variables.truncate(block.variables);
            if BUILD {
                let last = Body { nodes: self.nodes.drain(block.nodes..).collect() };
                let (then, otherwise) = match block.then {
                    Some(then) => (then, Some(last)),
                    None => (last, None),
                };
                let branch = Box::new(Branch { pipe: block.pipe?, then, otherwise });
                self.nodes.push(match block.opener {
                    Opener::If => Node::If(branch),
                    Opener::With => Node::With(branch),
                    Opener::Range => Node::Range(branch),
                });
            }
            if !block.chained {
                return Some(false);
            }
        }
    }
}
