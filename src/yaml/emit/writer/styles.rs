//! The styles of scalars: plain, in quotes, literal.

use super::{Emitter, INDENT, Style, WIDTH, Writer, is_break, is_printable};

impl Writer<'_> {
    pub(super) fn scalar(&mut self, text: &str, style: Style, simple_key: bool) {
        let outer = self.indent;
        self.indent = if self.indent < 0 { INDENT } else { self.indent + INDENT };
        match style {
            Style::Plain => self.plain(text, !simple_key),
            Style::SingleQuoted => self.single_quoted(text, !simple_key),
            Style::DoubleQuoted => self.double_quoted(text, !simple_key),
            Style::Literal | Style::Folded => self.literal(text),
        }
        self.indent = outer;
    }

    fn width(&self) -> usize {
        if self.emitter == Emitter::V3 { usize::MAX } else { WIDTH }
    }

    /// Whether a text of this many bytes certainly needs no folding here.
    fn fits(&self, text: &str, fold: bool) -> bool {
        !fold || self.emitter == Emitter::V3 || self.column + text.len() <= WIDTH || !text.contains(' ')
    }

    fn plain(&mut self, text: &str, fold: bool) {
        self.space_before();
        if self.fits(text, fold) {
            // No break can stand in a plain scalar: it would have been written in another style.
            self.out.push_str(text);
            self.column += if text.is_ascii() { text.len() } else { text.chars().count() };
        } else {
            self.folded_words(text, usize::MAX, 0);
        }
        self.whitespace = false;
        self.indention = false;
    }

    /// Copies text, breaking lines at single blanks beyond the width. Blanks at byte offsets `first_byte..` before
    /// `last` only.
    fn folded_words(&mut self, text: &str, last: usize, first_byte: usize) {
        let (mut spaces, mut breaks) = (false, false);
        let bytes = text.as_bytes();
        for (i, c) in text.char_indices() {
            if c == ' ' {
                let may_fold = i >= first_byte && i < last;
                if !spaces && self.column > self.width() && may_fold && bytes.get(i + 1) != Some(&b' ') {
                    self.write_indent();
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else if is_break(c) {
                if !breaks && c == '\n' {
                    self.line_break();
                }
                self.put_break(c);
                self.indention = true;
                breaks = true;
            } else {
                if breaks {
                    self.write_indent();
                }
                if c == '\'' && first_byte == 1 {
                    self.put('\'');
                }
                self.put(c);
                self.indention = false;
                spaces = false;
                breaks = false;
            }
        }
    }

    fn single_quoted(&mut self, text: &str, fold: bool) {
        self.indicator("'", true, false, false);
        let last = if fold { text.len().saturating_sub(1) } else { 0 };
        self.folded_words(text, last, 1);
        self.indicator("'", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn double_quoted(&mut self, text: &str, fold: bool) {
        self.indicator("\"", true, false, false);
        let bytes = text.as_bytes();
        let last = text.len().saturating_sub(1);
        // The original asks whether the text, not the character, starts with a byte order mark.
        let escape_all = text.starts_with('\u{FEFF}');
        let mut spaces = false;
        for (i, c) in text.char_indices() {
            if escape_all || !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                self.escape(c);
                spaces = false;
            } else if c == ' ' {
                if fold && !spaces && self.column > self.width() && i > 0 && i < last {
                    self.write_indent();
                    if bytes.get(i + 1) == Some(&b' ') {
                        self.put('\\');
                    }
                } else {
                    self.put(' ');
                }
                spaces = true;
            } else {
                self.put(c);
                spaces = false;
            }
        }
        self.indicator("\"", false, false, false);
        self.whitespace = false;
        self.indention = false;
    }

    fn escape(&mut self, c: char) {
        self.put('\\');
        let short = match c {
            '\0' => '0',
            '\u{7}' => 'a',
            '\u{8}' => 'b',
            '\t' => 't',
            '\n' => 'n',
            '\u{b}' => 'v',
            '\u{c}' => 'f',
            '\r' => 'r',
            '\u{1b}' => 'e',
            '"' => '"',
            '\\' => '\\',
            '\u{85}' => 'N',
            '\u{a0}' => '_',
            '\u{2028}' => 'L',
            '\u{2029}' => 'P',
            _ => {
                let n = c as u32;
                let hex = match n {
                    0..=0xFF => format!("x{n:02X}"),
                    0x100..=0xFFFF => format!("u{n:04X}"),
                    _ => format!("U{n:08X}"),
                };
                self.out.push_str(&hex);
                self.column += hex.len();
                return;
            }
        };
        self.put(short);
    }

    fn literal(&mut self, text: &str) {
        self.indicator("|", true, false, false);
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.indicator("2", false, false, false);
        }
        let mut from_end = text.chars().rev();
        match (from_end.next(), from_end.next()) {
            (Some(last), before) if is_break(last) => {
                if before.is_none_or(is_break) {
                    self.indicator("+", false, false, false);
                }
            }
            _ => self.indicator("-", false, false, false),
        }
        self.line_break();
        self.indention = true;
        self.whitespace = true;
        if text.is_ascii() && !text.contains('\r') {
            return self.ascii_lines(text);
        }
        let mut breaks = true;
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if is_break(c) {
                self.put_break(c);
                self.indention = true;
                breaks = true;
                rest = &rest[c.len_utf8()..];
                continue;
            }
            if breaks {
                self.write_indent();
            }
            let end = rest.find(is_break).unwrap_or(rest.len());
            self.out.push_str(&rest[..end]);
            // Only "beyond the indentation or not" matters from here to the next break.
            self.column += end;
            self.indention = false;
            breaks = false;
            rest = &rest[end..];
        }
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    /// A line break character as it is: `\n` is written as a break, the others are copied.
    fn put_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
    }

    /// The lines of a block scalar whose only line breaks are line feeds.
    fn ascii_lines(&mut self, text: &str) {
        let indent = usize::try_from(self.indent).unwrap_or(0);
        let ends = || memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1);
        self.out.reserve(text.len() + (ends().count() + 1) * indent);
        let ended = text.ends_with('\n');
        let mut start = 0;
        for end in ends().chain((!ended).then_some(text.len())) {
            let line = &text[start..end];
            if line != "\n" {
                self.blanks(indent);
            }
            self.out.push_str(line);
            self.column = if ended { 0 } else { indent + line.len() };
            start = end;
        }
        self.indention = ended;
    }
}
