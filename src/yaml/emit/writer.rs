//! The push emitter: go-yaml v2's emitter for what `sigs.k8s.io/yaml` can give it (no anchors, tags or flow style).

use super::scalar::{Emitter, analyze, is_break, is_printable, style_of};
use crate::yaml::{Error, Style, num};

/// Lines are folded at the first blank after this column.
const WIDTH: usize = 80;
/// Indentation step.
const INDENT: i32 = 2;
/// Keys above this many bytes take the explicit `? ` form.
const SIMPLE_KEY_BYTES: usize = 128;

/// Writes one document into a `String`, as `sigs.k8s.io/yaml.Marshal` prints it.
///
/// The caller pushes values in order; map keys in the order in which they are to appear
/// (see [`natural_cmp`](super::natural_cmp)). Numbers and strings pass through JSON in the original, which
/// [`Writer::float`] and [`Writer::string`] reproduce. Errors are kept and come out of [`Writer::finish`].
///
/// ```
/// let mut text = String::new();
/// let mut w = retune::yaml::emit::Writer::new(&mut text);
/// w.begin_map();
/// w.key("ports");
/// w.begin_seq();
/// w.int(80);
/// w.end();
/// w.key("on");
/// w.string("yes");
/// w.end();
/// w.finish().expect("nothing here that YAML cannot hold");
/// assert_eq!(text, "ports:\n- 80\n\"on\": \"yes\"\n");
/// ```
#[derive(Debug)]
pub struct Writer<'o> {
    out: &'o mut String,
    frames: Vec<Frame>,
    indent: i32,
    column: usize,
    /// The last character written was blank (or nothing was written yet).
    whitespace: bool,
    /// Only indentation and `-`, `?`, `:` stand in this line so far.
    indention: bool,
    /// Whether the key just written was simple, for the `:` to come.
    simple_key: bool,
    emitter: Emitter,
    error: Option<Error>,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    map: bool,
    /// The block is indented once its first child comes; until then it may turn out to be empty.
    opened: bool,
    /// It is itself the value or key of a mapping.
    in_mapping: bool,
    /// The indentation to return to.
    outer: i32,
}

impl<'o> Writer<'o> {
    /// Appends one document to `out`. The document starts a line of its own: `out` must be empty or end in `\n`.
    pub fn new(out: &'o mut String) -> Self {
        Self::with(out, Emitter::V2)
    }

    /// As go-yaml v3's encoder with `SetIndent(2)` prints (Helm's `toYamlPretty`): values as they are, not through
    /// JSON, sequences indented under their keys, no folding. Keys go by [`natural_cmp_v3`](super::natural_cmp_v3).
    pub fn new_v3_indented(out: &'o mut String) -> Self {
        Self::with(out, Emitter::V3)
    }

    fn with(out: &'o mut String, emitter: Emitter) -> Self {
        Self {
            out,
            frames: Vec::with_capacity(16),
            indent: -1,
            column: 0,
            whitespace: true,
            indention: true,
            simple_key: false,
            emitter,
            error: None,
        }
    }

    /// Opens a mapping.
    pub fn begin_map(&mut self) {
        self.open(true);
    }

    /// Opens a sequence.
    pub fn begin_seq(&mut self) {
        self.open(false);
    }

    fn open(&mut self, map: bool) {
        let in_mapping = self.before_value();
        self.frames.push(Frame { map, opened: false, in_mapping, outer: self.indent });
    }

    /// Closes the innermost mapping or sequence.
    pub fn end(&mut self) {
        let Some(frame) = self.frames.pop() else { return };
        if !frame.opened {
            self.indicator(if frame.map { "{" } else { "[" }, true, true, false);
            self.indicator(if frame.map { "}" } else { "]" }, false, false, false);
        }
        self.indent = frame.outer;
    }

    /// A key; its value must follow.
    pub fn key(&mut self, key: &str) {
        self.enter();
        self.write_indent();
        if self.emitter == Emitter::V2 && (key.len() > 128 || key.contains('\u{85}')) {
            self.check_json_key(key);
        }
        let through_json;
        let mut key = key;
        if let Some(changed) = self.json_round_trip(key) {
            through_json = changed;
            key = &through_json;
        }
        let analysis = analyze(key, self.emitter);
        self.simple_key = !analysis.multiline && key.len() <= SIMPLE_KEY_BYTES;
        if !self.simple_key {
            self.indicator("?", true, false, true);
        }
        let style = style_of(key, &analysis, self.simple_key, self.emitter);
        self.scalar(key, style, self.simple_key);
    }

    /// A string.
    pub fn string(&mut self, text: &str) {
        self.before_value();
        if let Some(changed) = self.json_round_trip(text) {
            return self.string_as_is(&changed);
        }
        self.string_as_is(text);
    }

    fn string_as_is(&mut self, text: &str) {
        let analysis = analyze(text, self.emitter);
        let style = style_of(text, &analysis, false, self.emitter);
        self.scalar(text, style, false);
    }

    /// A signed integer.
    pub fn int(&mut self, n: i64) {
        self.token(&n.to_string());
    }

    /// An unsigned integer.
    pub fn uint(&mut self, n: u64) {
        self.token(&n.to_string());
    }

    /// A float64 that went through JSON: `1.0` is `1`, 1e20 is `1e+20`. Infinities and NaN are an error.
    /// (The v3 form prints floats as they are, `.inf` and `.nan` included.)
    pub fn float(&mut self, x: f64) {
        if self.emitter == Emitter::V3 {
            return self.token(&num::format_yaml(x));
        }
        match float_through_json(x) {
            Ok(text) => self.token(&text),
            Err(error) => {
                self.token("null");
                self.error.get_or_insert(error);
            }
        }
    }

    /// `true` or `false`.
    pub fn bool(&mut self, b: bool) {
        self.token(if b { "true" } else { "false" });
    }

    /// `null`.
    pub fn null(&mut self) {
        self.token("null");
    }

    /// Ends the document with a line break.
    ///
    /// # Errors
    /// The first value that JSON or YAML cannot hold (NaN, control characters that Go's JSON leaves unescaped).
    pub fn finish(mut self) -> Result<(), Error> {
        while !self.frames.is_empty() {
            self.end();
        }
        self.write_indent();
        self.error.map_or(Ok(()), Err)
    }

    /// A scalar without quotes that cannot be mistaken for anything else.
    fn token(&mut self, text: &str) {
        self.before_value();
        self.space_before();
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = false;
        self.indention = false;
    }

    /// The original's strings pass through JSON, and go-yaml reads that JSON by YAML's rules: NEL is a line break
    /// there, DEL and the C1 controls are refused.
    fn json_round_trip(&mut self, text: &str) -> Option<String> {
        if self.emitter == Emitter::V3 || text.bytes().all(|b| b < 0x7F) || !text.chars().any(json_misread) {
            return None;
        }
        match crate::yaml::json::read_back(text) {
            Ok(changed) => Some(changed),
            Err(error) => {
                self.error.get_or_insert(error);
                None
            }
        }
    }

    /// go-yaml reads the JSON in between by YAML's rules for keys: one line, 1024 characters at most.
    fn check_json_key(&mut self, key: &str) {
        let quoted = crate::yaml::json::quote(key, true);
        if key.contains('\u{85}') || quoted.chars().count() > 1024 {
            self.error.get_or_insert(Error::new("did not find expected ',' or '}'"));
        }
    }

    /// Opens the innermost block at its first child.
    fn enter(&mut self) {
        let Some(frame) = self.frames.last_mut() else { return };
        if frame.opened {
            return;
        }
        frame.opened = true;
        let indentless = self.emitter == Emitter::V2 && !frame.map && frame.in_mapping && !self.indention;
        if self.indent < 0 {
            self.indent = 0;
        } else if !indentless {
            self.indent += INDENT;
        }
    }

    /// Writes what stands before a value here; says whether the place is in a mapping.
    fn before_value(&mut self) -> bool {
        let Some(frame) = self.frames.last() else { return false };
        if frame.map {
            if self.simple_key {
                self.indicator(":", false, false, false);
            } else {
                self.write_indent();
                self.indicator(":", true, false, true);
            }
            return true;
        }
        self.enter();
        self.write_indent();
        self.indicator("-", true, false, true);
        false
    }

    fn space_before(&mut self) {
        if !self.whitespace {
            self.out.push(' ');
            self.column += 1;
        }
    }

    fn indicator(&mut self, text: &str, need_space: bool, whitespace: bool, indention: bool) {
        if need_space {
            self.space_before();
        }
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = whitespace;
        self.indention = self.indention && indention;
    }

    fn line_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }

    fn write_indent(&mut self) {
        const BLANKS: &str = "                                                                ";
        let indent = usize::try_from(self.indent).unwrap_or(0);
        if !self.indention || self.column > indent || self.column == indent && !self.whitespace {
            self.line_break();
        }
        while self.column < indent {
            let n = (indent - self.column).min(BLANKS.len());
            self.out.push_str(&BLANKS[..n]);
            self.column += n;
        }
        self.whitespace = true;
        self.indention = true;
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

    fn scalar(&mut self, text: &str, style: Style, simple_key: bool) {
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
}

/// Characters that Go's JSON writes as they are and go-yaml does not read back as they are.
fn json_misread(c: char) -> bool {
    matches!(c, '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}')
}

/// The text of a float64 after JSON and go-yaml v2: integral values become integers while they fit.
pub(crate) fn float_through_json(x: f64) -> Result<String, Error> {
    let text = num::format_json(x)
        .ok_or_else(|| Error::new(format!("json: unsupported value: {}", num::format_g(x))))?;
    if text.contains(['.', 'e']) {
        return Ok(num::format_g(x));
    }
    if let Some(n) = num::parse_int(&text, 10) {
        return Ok(n.to_string());
    }
    Ok(num::parse_uint(&text, 10).map_or_else(|| num::format_g(x), |n| n.to_string()))
}
