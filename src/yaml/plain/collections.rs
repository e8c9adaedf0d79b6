//! Which collections are open, and what each line does to them.

use super::line::{self, after_blanks, indented, is_end, is_gap, next_line};
use super::{Block, Scalar, Sink};

/// How deep collections may be nested.
const MAX_DEPTH: usize = 60;
/// How a mapping begins to take over the entries of another.
const MERGE: &str = "<<: ";

/// An open block collection.
struct Open {
    column: usize,
    is_mapping: bool,
    /// Whether its last entry has no value yet.
    awaits: bool,
}

/// A text that is read.
struct Reader<'t, 's, S> {
    text: &'t str,
    /// Where the next line starts, and its content.
    at: usize,
    content: usize,
    /// The open collections, the document's own mapping first.
    open: Vec<Open>,
    /// The name of the collection that is awaited.
    anchor: Option<&'t str>,
    sink: &'s mut S,
}

/// Tells what stands in a text.
pub(super) fn read(text: &str, sink: &mut impl Sink) -> Option<()> {
    let mut reader = Reader { text, at: 0, content: 0, open: Vec::with_capacity(16), anchor: None, sink };
    reader.go_to(0);
    reader.document()
}

impl<'t, S: Sink> Reader<'t, '_, S> {
    fn go_to(&mut self, line: usize) {
        self.at = line;
        self.content = indented(self.text, line);
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    /// Goes to the next line that holds more than a comment; its column.
    fn next_line(&mut self) -> Option<usize> {
        loop {
            match self.byte(self.content)? {
                b'\n' => self.go_to(self.content + 1),
                b'#' => self.go_to(next_line(self.text, self.content)),
                _ => return Some(self.content - self.at),
            }
        }
    }

    /// Whether this is all that stands in a line of the first column.
    fn is_marker(&self, marker: &str) -> bool {
        self.text[self.at..].starts_with(marker) && is_end(self.text, self.at + marker.len())
    }

    fn document(&mut self) -> Option<()> {
        let mut marked = false;
        while let Some(column) = self.next_line() {
            if self.open.is_empty() {
                if column > 0 {
                    return None;
                }
                if !marked && self.is_marker("---") {
                    marked = true;
                    self.go_to(next_line(self.text, self.at));
                    continue;
                }
                line::key(self.text, self.at)?;
                self.push(0, true)?;
            } else if column == 0 && self.byte(self.at) == Some(b'.') && self.is_marker("...") {
                self.go_to(next_line(self.text, self.at));
                if self.next_line().is_some() {
                    return None;
                }
                break;
            }
            self.line(column)?;
        }
        if self.open.is_empty() {
            return self.sink.scalar(&Scalar::Empty);
        }
        self.close_to(None)
    }

    fn push(&mut self, column: usize, is_mapping: bool) -> Option<()> {
        self.open.push(Open { column, is_mapping, awaits: false });
        self.sink.open(is_mapping)
    }

    /// Opens a collection where a value is awaited.
    fn nest(&mut self, column: usize, is_mapping: bool) -> Option<()> {
        let deep = self.open.len() >= MAX_DEPTH;
        let top = self.open.last_mut()?;
        if !top.awaits || deep {
            return None;
        }
        top.awaits = false;
        if let Some(name) = self.anchor.take() {
            self.sink.anchor(name)?;
        }
        self.push(column, is_mapping)
    }

    /// The innermost collection goes on: an entry without a value has none.
    fn next_entry(&mut self) -> Option<&mut Open> {
        if self.open.last()?.awaits {
            if self.anchor.is_some() {
                return None;
            }
            self.sink.scalar(&Scalar::Empty)?;
        }
        self.open.last_mut()
    }

    fn close(&mut self) -> Option<()> {
        self.next_entry()?;
        self.open.pop();
        self.sink.close()
    }

    /// Closes the collections that stand further right; all of them for `None`.
    fn close_to(&mut self, column: Option<usize>) -> Option<()> {
        while self.open.last().is_some_and(|top| column.is_none_or(|column| top.column > column)) {
            self.close()?;
        }
        Some(())
    }

    /// An entry of a mapping begins.
    #[inline]
    fn entry(&mut self, column: usize) -> Option<()> {
        let top = self.open.last()?;
        let goes_on = top.column == column && top.is_mapping && !top.awaits;
        if goes_on { Some(()) } else { self.other_entry(column) }
    }

    /// An entry of another mapping than the innermost, or one after an entry without a value.
    fn other_entry(&mut self, column: usize) -> Option<()> {
        let top = self.open.last()?;
        if top.column == column && !top.is_mapping {
            self.close()?;
        }
        let top = self.open.last()?;
        if top.column < column {
            self.nest(column, true)?;
        } else if !top.is_mapping || top.column != column {
            return None;
        }
        self.next_entry()?;
        Some(())
    }

    /// A line whose content stands at that column.
    fn line(&mut self, mut column: usize) -> Option<()> {
        self.close_to(Some(column))?;
        let mut at = self.content;
        while self.byte(at) == Some(b'-') && is_gap(self.text, at + 1) {
            let top = self.open.last()?;
            if top.column < column || top.is_mapping {
                self.nest(column, false)?;
            }
            self.next_entry()?.awaits = true;
            let item = at + 1 + indented(&self.text[at + 1..], 0);
            if is_end(self.text, item) {
                self.go_to((item + 1).min(self.text.len()));
                return Some(());
            }
            column += item - at;
            at = item;
        }
        if let Some((key, after)) = line::key(self.text, at) {
            self.entry(column)?;
            self.sink.key(key)?;
            return self.value(after, true);
        }
        match self.byte(at)? {
            b'?' if is_gap(self.text, at + 1) => {
                let after = self.explicit_key(column, at)?;
                return self.value(after, true);
            }
            b'<' if self.text[at..].starts_with(MERGE) => {
                self.entry(column)?;
                return self.merge(at + MERGE.len());
            }
            _ => {}
        }
        let top = self.open.last()?;
        // An item of a sequence, or a value on a line of its own.
        let own = top.awaits && top.column < column && self.anchor.is_none();
        if own { self.value(at, false) } else { None }
    }

    /// The entries of one mapping, `*name`, or of several, `[*name, *other]`, of which the first has the last word.
    fn merge(&mut self, at: usize) -> Option<()> {
        let (names, next) = match self.text.as_bytes()[at..] {
            [b'*', ..] => {
                let (name, next) = line::name(self.text, at + 1)?;
                (vec![name], next)
            }
            [b'[', ..] => line::names(self.text, at + 1)?,
            _ => return None,
        };
        self.go_to(next);
        names.into_iter().rev().try_for_each(|name| self.sink.merge(name).ok_or(())).ok()
    }

    /// The key of `? "key"`, whose value follows in the next line after a colon: where it goes on there.
    fn explicit_key(&mut self, column: usize, at: usize) -> Option<usize> {
        self.entry(column)?;
        if !matches!(self.byte(at + 2)?, b'"' | b'\'') {
            return None;
        }
        let (key, end) = line::quoted_key(self.text, at + 2)?;
        if self.byte(end) != Some(b'\n') {
            return None;
        }
        self.go_to(end + 1);
        let is_value = self.content - self.at == column
            && self.byte(self.content) == Some(b':')
            && is_gap(self.text, self.content + 1);
        if !is_value {
            return None;
        }
        self.sink.key(key)?;
        Some(self.content + 1)
    }

    /// What stands at an offset for the innermost collection, after a key or by itself.
    fn value(&mut self, at: usize, has_key: bool) -> Option<()> {
        let at = after_blanks(self.text, at);
        let top = self.open.last_mut()?;
        let column = top.column;
        top.awaits = false;
        match self.text.as_bytes()[at..] {
            [] | [b'\n', ..] => {
                top.awaits = true;
                self.go_to((at + 1).min(self.text.len()));
                Some(())
            }
            [b'#', ..] => {
                top.awaits = true;
                self.go_to(next_line(self.text, at));
                Some(())
            }
            [quote @ (b'"' | b'\''), ..] => {
                if let Some((scalar, end)) = line::quoted(self.text, at, quote) {
                    self.go_to(line::ends(self.text, end)?);
                    return self.sink.scalar(&scalar);
                }
                let (inner, end) = line::quoted_lines(self.text, at, quote)?;
                self.go_to(line::ends(self.text, end)?);
                let is_double = quote == b'"';
                self.sink.scalar(&if is_double { Scalar::Double(&inner) } else { Scalar::Single(&inner) })
            }
            [folded @ (b'|' | b'>'), ..] => {
                let (chomp, next) = line::block_header(self.text, at + 1)?;
                self.go_to(next);
                let (lines, indent) = self.block_scalar(column)?;
                self.sink.scalar(&Scalar::Block(Block { lines, indent, folded: folded == b'>', chomp }))
            }
            [b'{', ..] => {
                self.go_to(line::empty(self.text, at + 1)?);
                self.sink.open(true)?;
                self.sink.close()
            }
            [b'[', ..] => {
                self.sink.open(false)?;
                let next = line::flow(self.text, at + 1, self.sink)?;
                self.go_to(next);
                self.sink.close()
            }
            [b'*', ..] => {
                let (name, next) = line::name(self.text, at + 1)?;
                self.go_to(next);
                self.sink.alias(name)
            }
            [b'&', ..] if has_key => {
                let (name, next) = line::name(self.text, at + 1)?;
                top.awaits = true;
                self.anchor = Some(name);
                self.go_to(next);
                Some(())
            }
            _ => self.plain(at, column),
        }
    }

    /// A plain scalar in a collection at that column.
    fn plain(&mut self, at: usize, column: usize) -> Option<()> {
        let (end, stop) = line::plain(self.text, at)?;
        let text = &self.text[at..end];
        if self.byte(stop) == Some(b'#') {
            self.go_to(next_line(self.text, stop));
            return self.sink.scalar(&Scalar::Plain(text));
        }
        self.go_to((stop + 1).min(self.text.len()));
        if self.is_further_right(column) {
            let text = self.continued(text, column)?;
            return self.sink.scalar(&Scalar::Plain(&text));
        }
        self.sink.scalar(&Scalar::Plain(text))
    }

    /// Whether text stands in the next line beyond a column.
    fn is_further_right(&self, column: usize) -> bool {
        self.content - self.at > column && !matches!(self.byte(self.content), None | Some(b'\n' | b'#'))
    }

    /// A plain scalar with the lines in which it goes on: each line break is a blank.
    fn continued(&mut self, first: &str, column: usize) -> Option<String> {
        let mut out = first.to_owned();
        let mut goes_on = true;
        while goes_on && self.is_further_right(column) {
            let (end, stop) = line::rest_of_plain(self.text, self.content)?;
            out.push(' ');
            out.push_str(&self.text[self.content..end]);
            goes_on = self.byte(stop) != Some(b'#');
            self.go_to(next_line(self.text, stop));
        }
        Some(out)
    }

    /// What a block scalar holds, whose header stands in a collection at that column: its lines and their indentation.
    fn block_scalar(&mut self, parent: usize) -> Option<(&'t str, usize)> {
        let start = self.at;
        let mut indent = None;
        let mut blank = 0;
        while self.at < self.text.len() {
            let spaces = self.content - self.at;
            match (self.byte(self.content), indent) {
                // A tab where the indentation would be.
                (Some(b'\t'), indent) if indent.is_none_or(|indent| spaces < indent) => return None,
                (None | Some(b'\n'), _) => blank = blank.max(spaces),
                (_, Some(indent)) if spaces < indent => break,
                (_, Some(_)) => {}
                (_, None) if spaces <= parent || blank > spaces => return None,
                (_, None) => indent = Some(spaces),
            }
            self.go_to(next_line(self.text, self.content));
        }
        indent.map(|indent| (&self.text[start..self.at], indent))
    }
}
