//! Vouches for the bodies of `define`s: one pass over the bytes, nothing is built.
//!
//! Between an operand and the next nothing has to be remembered but how many parentheses are open: after a closing one comes
//! what may come after any operand. So pipelines within pipelines are read in one loop.

use super::super::func::Registry;
use super::scan::{self, Known, WORD, WORD_START, Word, byte, head, is, spaces};
use super::scope::Scope;
use super::{MAX_NESTING, Opener, Skimmed};

/// What the vouching for a text needs.
pub(super) struct Skimmer<'t, 'w> {
    pub(super) source: &'t str,
    pub(super) text: &'t [u8],
    pub(super) funcs: &'t Registry,
    pub(super) state: &'w mut State,
}

/// What can be used again for other texts.
#[derive(Default)]
pub(super) struct State {
    blocks: Vec<Block>,
    scope: Scope,
    pub(super) known: Known,
}

/// An open `if`, `with` or `range`.
struct Block {
    opener: Opener,
    /// Whether an `else` may follow.
    may_else: bool,
    /// Whether it stands after an `else`, as in `{{else if}}`: it ends with the block around it.
    chained: bool,
    /// How many declarations were open before it.
    declared: usize,
}

impl Skimmer<'_, '_> {
    /// Vouches for the body that starts at an offset.
    pub(super) fn skim(&mut self, mut at: usize) -> Option<Skimmed> {
        let text = self.text;
        self.state.blocks.clear();
        self.state.scope.start();
        let mut blank = true;
        loop {
            at = spaces(text, at);
            let delim = scan::left_delim(text, at)?;
            if blank && delim > at {
                // White space that is rare.
                if !text[at].is_ascii_graphic() {
                    return None;
                }
                blank = false;
            }
            at = scan::after_left_delim(text, delim);
            if scan::opens_comment(text, at) {
                at = scan::comment(text, at)?;
                continue;
            }
            at = spaces(text, at);
            if !is(byte(text, at), WORD_START) {
                at = self.pipeline(at, false)?;
            } else {
                let word = scan::word(text, at);
                let end = at + word.length;
                // No other word means more here than in a pipeline.
                match word.head {
                    _ if word.length > 8 => at = self.call(at, word)?,
                    IF => at = self.open(end, Opener::If, false)?,
                    WITH => at = self.open(end, Opener::With, false)?,
                    RANGE => at = self.open(end, Opener::Range, false)?,
                    ELSE => at = self.otherwise(end)?,
                    END => {
                        at = scan::right_delim(text, spaces(text, end))?;
                        if self.close() {
                            return Some(Skimmed { after: at, blank });
                        }
                        continue;
                    }
                    TEMPLATE => at = self.template(end)?,
                    _ => at = self.call(at, word)?,
                }
            }
            at = scan::right_delim(text, at)?;
            blank = false;
        }
    }

    /// What follows `if`, `with` or `range`.
    fn open(&mut self, after: usize, opener: Opener, chained: bool) -> Option<usize> {
        let at = spaces(self.text, after);
        if self.state.blocks.len() >= MAX_NESTING || at == after {
            return None;
        }
        let declared = self.state.scope.declared();
        let end = self.pipeline(at, opener == Opener::Range)?;
        self.state.blocks.push(Block { opener, may_else: true, chained, declared });
        Some(end)
    }

    /// What follows `else`.
    fn otherwise(&mut self, after: usize) -> Option<usize> {
        let block = self.state.blocks.last_mut()?;
        if !block.may_else {
            return None;
        }
        block.may_else = false;
        let opener = block.opener;
        let at = spaces(self.text, after);
        if !is(byte(self.text, at), WORD) {
            return Some(at);
        }
        let word = scan::word(self.text, at);
        match (word.head, opener) {
            (IF, Opener::If) | (WITH, Opener::With) if at > after && word.length <= 8 => {
                self.open(at + word.length, opener, true)
            }
            _ => None,
        }
    }

    /// Closes the innermost block and those that end with it; true if there is none.
    fn close(&mut self) -> bool {
        loop {
            let Some(block) = self.state.blocks.pop() else { return true };
            self.state.scope.close(block.declared);
            if !block.chained {
                return false;
            }
        }
    }

    /// What follows `template`.
    fn template(&mut self, after: usize) -> Option<usize> {
        let at = spaces(self.text, after);
        if at == after || !matches!(byte(self.text, at), b'"' | b'`') {
            return None;
        }
        let (_, end) = scan::string(self.text, at)?;
        let at = spaces(self.text, end);
        if scan::right_delim(self.text, at).is_some() {
            return Some(at);
        }
        if at == end { None } else { self.pipeline(at, false) }
    }

    /// A pipeline up to, not including, its delimiter; the blanks before that are passed.
    fn pipeline(&mut self, at: usize, is_range: bool) -> Option<usize> {
        let (at, is_operand) = self.opening(at, is_range)?;
        self.commands(at, is_operand)
    }

    /// A pipeline that starts with a word.
    fn call(&mut self, at: usize, word: Word) -> Option<usize> {
        let end = at + word.length;
        if !self.is_function(at, word) {
            return self.commands(at, false);
        }
        if !scan::ends_word(self.text, end) {
            return None;
        }
        let end = self.fields(end)?;
        self.commands(end, true)
    }

    /// The start of a pipeline, if it is a variable: its declaration, or else an operand (then true) with its fields.
    #[inline]
    fn opening(&mut self, start: usize, is_range: bool) -> Option<(usize, bool)> {
        if byte(self.text, start) != b'$' {
            return Some((start, false));
        }
        let name = scan::word(self.text, start + 1);
        let end = start + 1 + name.length;
        let next = spaces(self.text, end);
        if matches!(byte(self.text, next), b':' | b'=' | b',') {
            return Some((self.declaration(start, name, is_range)?, false));
        }
        Some((self.variable(start, name)?, true))
    }

    /// `$x :=`, `$x =` and, in a range, `$i, $x :=`, with the blanks after it.
    fn declaration(&mut self, mut start: usize, mut name: Word, is_range: bool) -> Option<usize> {
        let text = self.text;
        let mut may_more = is_range;
        loop {
            let end = start + 1 + name.length;
            let at = spaces(text, end);
            if name.length == 0 {
                return None;
            }
            self.state.scope.declare(text, name, start + 1)?;
            match byte(text, at) {
                b':' if byte(text, at + 1) == b'=' => return Some(spaces(text, at + 2)),
                b'=' if at > end => return Some(spaces(text, at + 1)),
                b',' if may_more => start = spaces(text, at + 1),
                _ => return None,
            }
            if byte(text, start) != b'$' {
                return None;
            }
            may_more = false;
            name = scan::word(text, start + 1);
        }
    }

    /// A variable with its fields.
    #[inline]
    fn variable(&mut self, start: usize, name: Word) -> Option<usize> {
        let end = start + 1 + name.length;
        if name.length > 0 {
            self.state.scope.seen(self.text, name, start + 1)?;
        }
        if !scan::ends_word(self.text, end) {
            return None;
        }
        self.fields(end)
    }

    /// `.a.b` after an operand, or nothing.
    #[inline(always)]
    fn fields(&self, at: usize) -> Option<usize> {
        if byte(self.text, at) == b'.' { self.some_fields(at) } else { Some(at) }
    }

    fn some_fields(&self, mut at: usize) -> Option<usize> {
        while byte(self.text, at) == b'.' {
            if !is(byte(self.text, at + 1), WORD_START) {
                return None;
            }
            at = scan::word_end(self.text, at + 1);
            if !scan::ends_word(self.text, at) {
                return None;
            }
        }
        Some(at)
    }

    #[inline]
    fn is_function(&mut self, at: usize, word: Word) -> bool {
        let (source, funcs) = (self.source, self.funcs);
        self.state.known.has(word, || funcs.calls(&source[at..at + word.length]))
    }

    /// The rest of a pipeline, from an operand or from the end of one.
    fn commands(&mut self, mut at: usize, mut after_operand: bool) -> Option<usize> {
        let text = self.text;
        let mut parens = 0;
        // Whether a constant may stand here: none is a later stage of a pipeline.
        let mut constants = true;
        loop {
            if !after_operand {
                let mut constant = false;
                match byte(text, at) {
                    b'$' => at = self.variable(at, scan::word(text, at + 1))?,
                    b'.' if is(byte(text, at + 1), WORD_START) => at = self.fields(at)?,
                    b'.' => (at, constant) = (at + 1, true),
                    b'"' | b'`' => (at, constant) = (scan::string(text, at)?.1, true),
                    b'0'..=b'9' => (at, constant) = (scan::number(text, at)?, true),
                    b'(' => {
                        if self.state.blocks.len() + parens >= MAX_NESTING {
                            return None;
                        }
                        parens += 1;
                        constants = true;
                        (at, after_operand) = self.opening(spaces(text, at + 1), false)?;
                        continue;
                    }
                    b if is(b, WORD_START) => {
                        let word = scan::word(text, at);
                        let end = at + word.length;
                        if !scan::ends_word(text, end) {
                            return None;
                        }
                        if self.is_function(at, word) {
                            at = self.fields(end)?;
                        } else if word.length <= 8 && matches!(word.head, TRUE | FALSE | NIL) {
                            (at, constant) = (end, true);
                        } else {
                            return None;
                        }
                    }
                    _ => return None,
                }
                if constant && !(constants && scan::ends_constant(text, at)) {
                    return None;
                }
            }
            loop {
                let next = spaces(text, at);
                match byte(text, next) {
                    b'|' => {
                        at = spaces(text, next + 1);
                        constants = false;
                        break;
                    }
                    b')' if parens > 0 => {
                        parens -= 1;
                        at = self.fields(next + 1)?;
                    }
                    b'}' => return (parens == 0).then_some(next),
                    b'-' if text[next..].starts_with(b"-}}") => return (parens == 0).then_some(next),
                    _ if next > at => {
                        at = next;
                        constants = true;
                        break;
                    }
                    _ => return None,
                }
            }
            after_operand = false;
        }
    }
}

const IF: u64 = head("if");
const WITH: u64 = head("with");
const RANGE: u64 = head("range");
const ELSE: u64 = head("else");
const END: u64 = head("end");
const TEMPLATE: u64 = head("template");
const TRUE: u64 = head("true");
const FALSE: u64 = head("false");
const NIL: u64 = head("nil");
