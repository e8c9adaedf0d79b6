//! Builds texts and bodies: blocks and what stands between them. What actions consist of is in `pipeline`.

use std::rc::Rc;

use super::super::ast::{Body, Branch, Command, Expr, Invoke, Name, Node, Pipe, Pos};
use super::super::func::Registry;
use super::super::list::take;
use super::super::strconv::unquote;
use super::scan::{self, SPACE, WORD, byte, is, spaces};
use super::scope::Scope;
use super::{MAX_NESTING, Opener};

/// An open `if`, `with` or `range`.
struct Block {
    opener: Opener,
    /// Whether an `else` may follow.
    may_else: bool,
    /// Whether it stands after an `else`, as in `{{else if}}`: it ends with the block around it.
    chained: bool,
    /// How many declarations were open before it.
    declared: usize,
    /// Where its nodes start.
    nodes: usize,
}

/// What is being read; the lists can be used again for other texts.
#[derive(Default)]
pub(super) struct Stacks {
    pub(super) scope: Scope,
    /// The variables' names by their numbers.
    pub(super) names: Vec<Rc<str>>,
    blocks: Vec<Block>,
    /// What the open blocks test, and what of them stands before an `else`.
    pipes: Vec<Pipe>,
    thens: Vec<Option<Body>>,
    /// Nodes, commands, operands and names of fields of the lists that are open: each list takes its own from the end.
    nodes: Vec<Node>,
    pub(super) cmds: Vec<Command>,
    pub(super) args: Vec<Expr>,
    pub(super) fields: Vec<Name>,
}

/// Reads and builds.
pub(super) struct Reader<'t, 'w> {
    pub(super) source: &'t str,
    pub(super) text: &'t [u8],
    pub(super) at: usize,
    /// Where the source starts in the text that places are counted in.
    base: usize,
    pub(super) funcs: &'t Registry,
    pub(super) stacks: &'w mut Stacks,
    pub(super) parens: usize,
    /// Whether `.Template.Name` was met.
    pub(super) names_file: bool,
}

impl<'t, 'w> Reader<'t, 'w> {
    pub(super) fn new(source: &'t str, base: usize, funcs: &'t Registry, stacks: &'w mut Stacks) -> Self {
        // What was given up has left something there.
        stacks.scope.start();
        stacks.names.clear();
        stacks.blocks.clear();
        stacks.pipes.clear();
        stacks.thens.clear();
        stacks.nodes.clear();
        stacks.cmds.clear();
        stacks.args.clear();
        stacks.fields.clear();
        Self { source, text: source.as_bytes(), at: 0, base, funcs, stacks, parens: 0, names_file: false }
    }

    /// The body that was read.
    pub(super) fn finish(self) -> Body {
        Body { nodes: take(&mut self.stacks.nodes, 0) }
    }

    /// Whether a block is open.
    pub(super) fn is_open(&self) -> bool {
        !self.stacks.blocks.is_empty()
    }

    /// How deep this is.
    pub(super) fn depth(&self) -> usize {
        self.stacks.blocks.len() + self.parens
    }

    /// An offset as it is built with.
    #[inline]
    pub(super) fn offset(&self, at: usize) -> Option<Pos> {
        Pos::try_from(self.base + at).ok()
    }

    /// Where the next delimiter is.
    pub(super) fn to_left_delim(&self) -> Option<usize> {
        scan::left_delim(self.text, self.at)
    }

    /// The text before a delimiter; passes both, and the trim marker.
    pub(super) fn text_node(&mut self, delim: usize) -> Option<()> {
        let after = scan::after_left_delim(self.text, delim);
        let mut end = delim;
        if after > delim + 2 {
            while end > self.at && is(self.text[end - 1], SPACE) {
                end -= 1;
            }
        }
        self.push_text(end)?;
        self.at = after;
        Some(())
    }

    pub(super) fn push_text(&mut self, end: usize) -> Option<()> {
        if end > self.at {
            let span = (self.offset(self.at)?, self.offset(end)?);
            self.stacks.nodes.push(Node::Text(span));
        }
        Some(())
    }

    #[inline]
    pub(super) fn byte(&self) -> u8 {
        byte(self.text, self.at)
    }

    #[inline]
    pub(super) fn spaces(&mut self) -> bool {
        let start = self.at;
        self.at = spaces(self.text, start);
        self.at > start
    }

    /// Letters, digits and underscores.
    fn word(&mut self) -> &'t [u8] {
        let start = self.at;
        self.at = scan::word_end(self.text, start);
        &self.text[start..self.at]
    }

    pub(super) fn opens_comment(&self) -> bool {
        scan::opens_comment(self.text, self.at)
    }

    pub(super) fn comment(&mut self) -> Option<()> {
        self.at = scan::comment(self.text, self.at)?;
        Some(())
    }

    /// The name of a `define` outside of any block, if one starts here; it is passed.
    #[allow(clippy::option_option, reason = "outside: whether it is plain; inside: whether it is there")]
    pub(super) fn define(&mut self) -> Option<Option<Rc<str>>> {
        let start = self.at;
        if self.is_open() {
            return Some(None);
        }
        self.spaces();
        if self.byte() != b'd' || self.word() != b"define" || !self.spaces() {
            self.at = start;
            return Some(None);
        }
        let name = self.template_name()?;
        self.spaces();
        self.right_delim()?;
        Some(Some(name))
    }

    /// The name of a template, in quotes.
    fn template_name(&mut self) -> Option<Rc<str>> {
        let start = self.at;
        if !matches!(self.byte(), b'"' | b'`') {
            return None;
        }
        let (escaped, end) = scan::string(self.text, start)?;
        self.at = end;
        let written = &self.source[start..end];
        if escaped {
            let name = unquote(written)?;
            return Some(self.funcs.word(&String::from_utf8_lossy(&name)));
        }
        Some(self.funcs.word(&written[1..written.len() - 1]))
    }

    /// `}}` or `-}}`, with the white space that this trims. The blanks before it were passed.
    fn right_delim(&mut self) -> Option<()> {
        self.at = scan::right_delim(self.text, self.at)?;
        Some(())
    }

    /// An action, from after its delimiter; true if it ends the body.
    pub(super) fn action(&mut self) -> Option<bool> {
        self.spaces();
        let start = self.at;
        // No other word means more here than in a pipeline.
        let word = if matches!(self.byte(), b'i' | b'w' | b'r' | b'e' | b't') { self.word() } else { b"" };
        match word {
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
                let pos = self.offset(self.at)?;
                let name = self.template_name()?;
                let space = self.spaces();
                let mut pipe = None;
                if self.right_delim().is_none() {
                    if !space {
                        return None;
                    }
                    pipe = Some(self.pipeline(false)?);
                    self.right_delim()?;
                }
                self.stacks.nodes.push(Node::Template(Box::new(Invoke { pos, name, pipe })));
            }
            _ => {
                self.at = start;
                let pipe = Box::new(self.pipeline(false)?);
                self.right_delim()?;
                self.stacks.nodes.push(Node::Action(pipe));
            }
        }
        Some(false)
    }

    fn open(&mut self, opener: Opener, chained: bool) -> Option<()> {
        if self.depth() >= MAX_NESTING || !self.spaces() {
            return None;
        }
        let (declared, nodes) = (self.stacks.scope.declared(), self.stacks.nodes.len());
        let pipe = self.pipeline(opener == Opener::Range)?;
        self.right_delim()?;
        self.stacks.blocks.push(Block { opener, may_else: true, chained, declared, nodes });
        self.stacks.pipes.push(pipe);
        self.stacks.thens.push(None);
        Some(())
    }

    /// What follows `else`.
    fn otherwise(&mut self) -> Option<()> {
        let space = self.spaces();
        let block = self.stacks.blocks.last_mut()?;
        if !block.may_else {
            return None;
        }
        block.may_else = false;
        *self.stacks.thens.last_mut()? = Some(Body { nodes: take(&mut self.stacks.nodes, block.nodes) });
        let opener = block.opener;
        if !is(self.byte(), WORD) {
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
            let Some(block) = self.stacks.blocks.pop() else { return Some(true) };
            self.stacks.scope.close(block.declared);
            let last = Body { nodes: take(&mut self.stacks.nodes, block.nodes) };
            let (then, otherwise) = match self.stacks.thens.pop()? {
                Some(then) => (then, Some(last)),
                None => (last, None),
            };
            let branch = Box::new(Branch { pipe: self.stacks.pipes.pop()?, then, otherwise });
            self.stacks.nodes.push(match block.opener {
                Opener::If => Node::If(branch),
                Opener::With => Node::With(branch),
                Opener::Range => Node::Range(branch),
            });
            if !block.chained {
                return Some(false);
            }
        }
    }
}
