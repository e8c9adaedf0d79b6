//! Plain templates, read in one pass over their bytes: vouched for without building anything, or built at once.
//!
//! A chart brings a library of templates and runs a fraction of them; a `define`'s body that was vouched for is built when
//! it is first executed. So that errors stay Go's, in Go's words and order, this reader knows only plain syntax and gives
//! up (`None`) on everything else, be it wrong or merely rare: the parser then reads the text as ever. What is read here is
//! accepted by the parser, with the same end and the same tree (`what_is_read_as_plain_is_what_the_parser_makes_of_it`;
//! the fuzz target `template_parse`).

use std::rc::Rc;

use super::ast::{Body, Branch, Command, Define, Expr, Invoke, Node, Pipe, Pos};
use super::func::Registry;
use super::lexer::find_left_delim;
use super::strconv::unquote;
use crate::yaml::eight::eight;

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
    Reader::<false>::new(text, from, funcs).skim()
}

/// Builds the body that starts at an offset, up to its `{{end}}`.
pub(super) fn body(text: &str, from: usize, funcs: &Registry) -> Option<Body> {
    let mut reader = Reader::<true>::new(text, from, funcs);
    loop {
        reader.text_node(reader.to_left_delim()?)?;
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
    let mut skimmer = Reader::<false>::new(text, 0, funcs);
    let mut defines: Vec<Define> = Vec::new();
    while let Some(length) = reader.to_left_delim() {
        reader.text_node(length)?;
        if reader.opens_comment() {
            reader.comment()?;
        } else if reader.blocks.is_empty() && reader.opens_define() {
            let name = reader.template_name()??;
            reader.spaces();
            reader.right_delim()?;
            skimmer.at = reader.at;
            skimmer.variables.clear();
            let skimmed = skimmer.skim()?;
            if defines.iter().any(|d| d.name == name) {
                return None;
            }
            let span = (offset(reader.at)?, offset(skimmed.after)?);
            defines.push(Define::skimmed(name, span, skimmed.blank));
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
}

/// Reads; builds only if `BUILD`.
struct Reader<'t, const BUILD: bool> {
    source: &'t str,
    text: &'t [u8],
    at: usize,
    funcs: &'t Registry,
    /// The variables that can be seen.
    variables: Vec<Word<'t>>,
    /// All variables, their numbers being their places.
    names: Vec<(Word<'t>, Rc<str>)>,
    blocks: Vec<Block>,
    parens: usize,
    /// What the open blocks test, and what of them stands before an `else`.
    pipes: Vec<Pipe>,
    thens: Vec<Option<Body>>,
    /// Nodes, commands, operands and names of fields of the lists that are open: each list takes its own from the end.
    nodes: Vec<Node>,
    cmds: Vec<Command>,
    args: Vec<Expr>,
    fields: Vec<Rc<str>>,
}

/// The name of a variable without its `$`.
#[derive(Clone, Copy)]
struct Word<'t> {
    text: &'t [u8],
    /// Its first eight bytes; all of a shorter one.
    head: u64,
}

impl PartialEq for Word<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head && (self.text.len() < 8 || self.text == other.text)
    }
}

/// The end of a list as a list of its own.
fn take<T>(list: &mut Vec<T>, from: usize) -> Box<[T]> {
    if list.len() == from + 1
        && let Some(one) = list.pop()
    {
        return Box::new([one]);
    }
    list.split_off(from).into_boxed_slice()
}

/// What a byte may be, as bits.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        class[byte] = match byte as u8 {
            b' ' | b'\t' | b'\r' | b'\n' => SPACE | ENDS_CONSTANT | ENDS_WORD,
            b'|' | b')' => ENDS_CONSTANT | ENDS_WORD,
            b'}' => ENDS_CONSTANT,
            b'.' => ENDS_WORD,
            b'0'..=b'9' => WORD,
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => WORD | WORD_START,
            _ => 0,
        };
        byte += 1;
    }
    class
};
const SPACE: u8 = 1;
const WORD: u8 = 2;
const WORD_START: u8 = 4;
/// It may follow a word (as two closing braces may).
const ENDS_WORD: u8 = 8;
/// It may follow a string, a number and the like.
const ENDS_CONSTANT: u8 = 16;

fn is(byte: u8, class: u8) -> bool {
    CLASS[usize::from(byte)] & class != 0
}

impl<'t> Reader<'t, false> {
    /// Vouches for the body that starts here.
    fn skim(&mut self) -> Option<Skimmed> {
        let mut blank = true;
        loop {
            self.spaces();
            let length = self.to_left_delim()?;
            if blank && length > 0 {
                // White space that is rare.
                if !self.byte().is_ascii_graphic() {
                    return None;
                }
                blank = false;
            }
            self.at += length + 2;
            if self.opens_comment() {
                self.comment()?;
                continue;
            }
            if self.action()? {
                return Some(Skimmed { after: self.at, blank });
            }
            blank = false;
        }
    }
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
            pipes: Vec::new(),
            thens: Vec::new(),
            nodes: Vec::new(),
            cmds: Vec::new(),
            args: Vec::new(),
            fields: Vec::new(),
        };
        if BUILD {
            reader.names.push((Word { text: b"", head: 0 }, funcs.word("$")));
        }
        reader
    }

    /// The number of a variable whose `$` stands at an offset.
    fn number_of(&mut self, name: Word<'t>, at: usize) -> Option<(u32, Rc<str>)> {
        let known = self.names.iter().position(|(known, _)| *known == name);
        let place = known.unwrap_or(self.names.len());
        if known.is_none() {
            self.names.push((name, self.funcs.word(&self.source[at..=at + name.text.len()])));
        }
        Some((u32::try_from(place).ok()?, Rc::clone(&self.names[place].1)))
    }

    /// How far the next delimiter is.
    fn to_left_delim(&self) -> Option<usize> {
        let rest = &self.text[self.at..];
        if rest.starts_with(b"{{") { Some(0) } else { find_left_delim(rest) }
    }

    /// An offset, if it is built with.
    fn pos(at: usize) -> Option<Pos> {
        if BUILD { offset(at) } else { Some(0) }
    }

    /// A text of that length before a delimiter; passes both.
    fn text_node(&mut self, length: usize) -> Option<()> {
        let end = self.at + length;
        let mut last = end;
        if let [b'-', space, ..] = &self.text[end + 2..]
            && is(*space, SPACE)
        {
            while last > self.at && is(self.text[last - 1], SPACE) {
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

    /// What follows.
    fn rest(&self) -> &'t [u8] {
        &self.text[self.at..]
    }

    /// The next byte; 0, which nothing plain starts with, at the end.
    fn byte(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(0)
    }

    fn spaces(&mut self) -> bool {
        let start = self.at;
        let mut at = start;
        while self.text.get(at).is_some_and(|b| is(*b, SPACE)) {
            at += 1;
        }
        self.at = at;
        at > start
    }

    /// Letters, digits and underscores.
    fn word(&mut self) -> &'t [u8] {
        let rest = self.rest();
        let length = rest.iter().position(|b| !is(*b, WORD)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// The name after a `$`.
    fn variable_name(&mut self) -> Word<'t> {
        let start = self.at;
        let text = self.word();
        let head = match eight(self.text, start) {
            Some(bytes) if text.len() >= 8 => bytes,
            Some(bytes) => bytes & !(u64::MAX << (8 * text.len())),
            None => text.iter().rev().fold(0, |head, byte| head << 8 | u64::from(*byte)),
        };
        Word { text, head }
    }

    /// Passes the trim marker after `{{`; whether a comment follows.
    fn opens_comment(&mut self) -> bool {
        if let [b'-', space, ..] = self.rest()
            && is(*space, SPACE)
        {
            self.at += 2;
        }
        self.rest().starts_with(b"/*")
    }

    fn comment(&mut self) -> Option<()> {
        let inner = &self.rest()[2..];
        let length = memchr::memchr_iter(b'*', inner).find(|star| inner.get(star + 1) == Some(&b'/'))?;
        self.at += length + 4;
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
        if !matches!(self.byte(), b'"' | b'`') {
            return None;
        }
        let escaped = self.string()?;
        if !BUILD {
            return Some(None);
        }
        let written = &self.source[start..self.at];
        if escaped {
            let name = unquote(written)?;
            return Some(Some(self.funcs.word(&String::from_utf8_lossy(&name))));
        }
        Some(Some(self.funcs.word(&written[1..written.len() - 1])))
    }

    /// `}}` or ` -}}`, with the white space that this trims. The blanks before it may have been passed.
    fn right_delim(&mut self) -> Option<()> {
        let length = match self.rest() {
            [b'}', b'}', ..] => {
                self.at += 2;
                return Some(());
            }
            [space, b'-', b'}', b'}', ..] if is(*space, SPACE) => 4,
            [b'-', b'}', b'}', ..] if is(self.text[self.at - 1], SPACE) => 3,
            _ => return None,
        };
        self.at += length;
        self.spaces();
        Some(())
    }

    /// An action, from after its delimiter; true if it ends the body.
    fn action(&mut self) -> Option<bool> {
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
                let pos = Self::pos(self.at)?;
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
        self.blocks.push(Block { opener, may_else: true, chained, variables, nodes });
        if let Some(pipe) = pipe {
            self.pipes.push(pipe);
            self.thens.push(None);
        }
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
            *self.thens.last_mut()? = Some(Body { nodes: take(&mut self.nodes, block.nodes) });
        }
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
            let Some(block) = self.blocks.pop() else { return Some(true) };
            self.variables.truncate(block.variables);
            if BUILD {
                let last = Body { nodes: take(&mut self.nodes, block.nodes) };
                let (then, otherwise) = match self.thens.pop()? {
                    Some(then) => (then, Some(last)),
                    None => (last, None),
                };
                let branch = Box::new(Branch { pipe: self.pipes.pop()?, then, otherwise });
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
