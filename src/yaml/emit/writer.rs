//! The push emitter: go-yaml v2's emitter for what `sigs.k8s.io/yaml` can give it (no anchors, tags or flow style).

use super::scalar::{Emitter, Kinds, analyze, is_break, is_printable, style_of};
use crate::yaml::{Error, Style, num};

mod styles;

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
        let kinds = Kinds::of(key);
        if key.len() <= SIMPLE_KEY_BYTES && kinds.is_word(key) {
            self.simple_key = true;
            return self.word(key);
        }
        if self.emitter == Emitter::V2 && (key.len() > 128 || key.contains('\u{85}')) {
            self.check_json_key(key);
        }
        let through_json;
        let (mut key, mut kinds) = (key, kinds);
        if let Some(changed) = self.json_round_trip(key, kinds) {
            through_json = changed;
            (key, kinds) = (&through_json, Kinds::of(&through_json));
        }
        let analysis = analyze(key, kinds, self.emitter);
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
        let kinds = Kinds::of(text);
        if kinds.is_word(text) {
            return self.word(text);
        }
        if let Some(changed) = self.json_round_trip(text, kinds) {
            return self.string_as_is(&changed, Kinds::of(&changed));
        }
        self.string_as_is(text, kinds);
    }

    fn string_as_is(&mut self, text: &str, kinds: Kinds) {
        let analysis = analyze(text, kinds, self.emitter);
        let style = style_of(text, &analysis, false, self.emitter);
        self.scalar(text, style, false);
    }

    /// A signed integer.
    pub fn int(&mut self, n: i64) {
        if (0..10).contains(&n) {
            return self.token(&"0123456789"[n as usize..=n as usize]);
        }
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
        if let Some(n) = exact_integer(x) {
            return self.int(n);
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
        self.word(text);
    }

    /// ASCII without blanks that is written as it is.
    fn word(&mut self, text: &str) {
        self.space_before();
        self.out.push_str(text);
        self.column += text.len();
        self.whitespace = false;
        self.indention = false;
    }

    /// The original's strings pass through JSON, and go-yaml reads that JSON by YAML's rules: NEL is a line break
    /// there, DEL and the C1 controls are refused.
    fn json_round_trip(&mut self, text: &str, kinds: Kinds) -> Option<String> {
        if self.emitter == Emitter::V3 || kinds.is_ascii() || !text.chars().any(json_misread) {
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

    fn blanks(&mut self, mut count: usize) {
        const BLANKS: &str = "                                                                ";
        while count > 0 {
            let n = count.min(BLANKS.len());
            self.out.push_str(&BLANKS[..n]);
            count -= n;
        }
    }

    fn write_indent(&mut self) {
        let indent = usize::try_from(self.indent).unwrap_or(0);
        if !self.indention || self.column > indent || self.column == indent && !self.whitespace {
            self.line_break();
        }
        if self.column < indent {
            self.blanks(indent - self.column);
            self.column = indent;
        }
        self.whitespace = true;
        self.indention = true;
    }
}

/// Characters that Go's JSON writes as they are and go-yaml does not read back as they are.
fn json_misread(c: char) -> bool {
    matches!(c, '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}')
}

/// The integer that a float64 is, if all of its digits count and it has a sign only if it is negative.
fn exact_integer(x: f64) -> Option<i64> {
    const EXACT: f64 = 1e15;
    (x.abs() < EXACT && x.fract() == 0.0 && x.to_bits() != (-0.0_f64).to_bits()).then_some(x as i64)
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
