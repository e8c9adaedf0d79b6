//! Plain templates, read in one pass over their bytes: vouched for without building anything, or built at once.
//!
//! A chart brings a library of templates and runs a fraction of them; a `define`'s body that was vouched for ([`mod@skim`]) is
//! built when it is first executed ([`build`]). So that errors stay Go's, in Go's words and order, both know only plain
//! syntax and give up (`None`) on everything else, be it wrong or merely rare: the parser then reads the text as ever. What
//! is read here is accepted by the parser, with the same end and the same tree
//! (`what_is_read_as_plain_is_what_the_parser_makes_of_it`; the fuzz target `template_parse`).

use super::ast::{Body, Define};
use super::func::Registry;

mod build;
mod pipeline;
mod scan;
mod scope;
mod skim;
#[cfg(test)]
mod tests;

use build::Reader;
use skim::Skimmer;

/// How deep blocks and parentheses may be nested.
pub(super) const MAX_NESTING: usize = 50;

/// A body that was vouched for.
pub(super) struct Skimmed {
    /// The offset after its `{{end}}`, and after the white space that this trims.
    pub(super) after: usize,
    /// Whether it is nothing but white space and comments.
    pub(super) blank: bool,
}

/// What reading takes, kept from text to text.
#[derive(Default)]
pub(super) struct Workspace {
    build: build::Stacks,
    skim: skim::State,
}

impl Workspace {
    /// To be told when functions are added.
    pub(super) fn forget_functions(&mut self) {
        self.skim.known = scan::Known::default();
    }
}

/// What a block is opened by.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Opener {
    If,
    With,
    Range,
}

/// Vouches for the body that starts at an offset.
pub(super) fn skim(source: &str, from: usize, funcs: &Registry) -> Option<Skimmed> {
    let state = &mut funcs.workspace.borrow_mut().skim;
    Skimmer { source, text: source.as_bytes(), funcs, state }.skim(from)
}

/// A body that was built.
pub(super) struct Built {
    pub(super) body: Body,
    /// Whether it may read the name of the file: `.Template.Name`.
    pub(super) names_file: bool,
}

/// Builds a body that ends with its `{{end}}`; it stands at an offset in its text.
pub(super) fn body(source: &str, offset: usize, funcs: &Registry) -> Option<Built> {
    let stacks = &mut funcs.workspace.borrow_mut().build;
    let mut reader = Reader::new(source, offset, funcs, stacks);
    loop {
        reader.text_node(reader.to_left_delim()?)?;
        if reader.opens_comment() {
            reader.comment()?;
        } else if reader.action()? {
            let names_file = reader.names_file;
            return Some(Built { body: reader.finish(), names_file });
        }
    }
}

/// Builds a whole text: what is outside of its `define`s, and these, vouched for.
pub(super) fn whole(source: &str, funcs: &Registry) -> Option<(Body, Vec<Define>)> {
    let workspace = &mut *funcs.workspace.borrow_mut();
    let mut reader = Reader::new(source, 0, funcs, &mut workspace.build);
    let mut skimmer = Skimmer { source, text: source.as_bytes(), funcs, state: &mut workspace.skim };
    let mut defines: Vec<Define> = Vec::new();
    while let Some(delim) = reader.to_left_delim() {
        reader.text_node(delim)?;
        if reader.opens_comment() {
            reader.comment()?;
        } else if let Some(name) = reader.define()? {
            let skimmed = skimmer.skim(reader.at)?;
            if defines.iter().any(|d| d.name == name) {
                return None;
            }
            let span = (reader.offset(reader.at)?, reader.offset(skimmed.after)?);
            defines.push(Define::skimmed(name, span, skimmed.blank));
            reader.at = skimmed.after;
        } else if reader.action()? {
            return None;
        }
    }
    if reader.is_open() {
        return None;
    }
    reader.push_text(source.len())?;
    Some((reader.finish(), defines))
}
