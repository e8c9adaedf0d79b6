//! Skimming: vouches line by line that a document in plain block style is one that the readers take, without reading it.
//!
//! A rendered chart is YAML of which Helm wants the head of each document, and to know that the rest is in order. Most
//! of it is plain: `key: value`, `- item`, block scalars, in ASCII. That is all skimming knows; on everything else, be it
//! wrong or merely rare, it gives up (`None`), and the readers judge the document as ever.
//! `what_is_skimmed_is_what_the_reader_takes`.

use super::resolve::{Dialect, Resolved, resolve};

/// How deep collections may be nested to be skimmed.
const MAX_DEPTH: usize = 60;
/// The longest key: far below what a simple key may have.
const MAX_KEY: usize = 200;

/// The entries of a block mapping whose keys are wanted, as text of their own. What is not wanted is vouched for; what
/// is wanted is not.
pub(super) fn entries(text: &str, wanted: impl Fn(&str) -> bool) -> Option<String> {
    if !text.bytes().all(|b| matches!(b, b'\n' | b'\t' | b' '..=b'~')) {
        return None;
    }
    let mut lines = Lines { text, at: 0 };
    let mut out = String::new();
    let mut blocks = Blocks::new();
    let mut taking = false;
    let mut any = false;
    while let Some(line) = lines.next() {
        let content = line.trim_start_matches(' ');
        if content.is_empty() || content.starts_with('#') {
            if taking {
                out.push_str(line);
                out.push('\n');
            }
            continue;
        }
        if content.len() == line.len() && !content.starts_with('-') {
            let (key, _) = plain_key(content)?;
            taking = wanted(key);
            any = true;
        }
        if taking {
            out.push_str(line);
            out.push('\n');
            if ends_in_header(content) {
                // What it holds may look like anything.
                let start = lines.at;
                lines.block_scalar(line.len() - content.len())?;
                out.push_str(&text[start..lines.at]);
            }
        } else if any {
            blocks.line(line.len() - content.len(), content, &mut lines)?;
        } else {
            return None;
        }
        if taking {
            blocks = Blocks::new();
        }
    }
    any.then_some(out)
}

/// The lines of a text.
struct Lines<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Lines<'t> {
    fn peek(&self) -> Option<(&'t str, usize)> {
        let rest = &self.text[self.at..];
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest.as_bytes());
        Some((&rest[..end.unwrap_or(rest.len())], self.at + end.map_or(rest.len(), |end| end + 1)))
    }

    fn next(&mut self) -> Option<&'t str> {
        let (line, after) = self.peek()?;
        self.at = after;
        Some(line)
    }

    /// Passes over what a block scalar holds, whose header stands in a collection at that column.
    fn block_scalar(&mut self, parent: usize) -> Option<()> {
        let mut indent = None;
        let mut blank = 0;
        while let Some((line, after)) = self.peek() {
            let spaces = line.bytes().take_while(|b| *b == b' ').count();
            // A tab where the indentation would be.
            if line.as_bytes().get(spaces) == Some(&b'\t') && indent.is_none_or(|i| spaces < i) {
                return None;
            }
            if spaces == line.len() {
                blank = blank.max(spaces);
            } else if let Some(indent) = indent {
                if spaces < indent {
                    break;
                }
            } else {
                if spaces <= parent || blank > spaces {
                    return None;
                }
                indent = Some(spaces);
            }
            self.at = after;
        }
        indent.map(|_| ())
    }
}

/// Whether a line ends in what may be the header of a block scalar.
fn ends_in_header(line: &str) -> bool {
    let line = line.trim_end_matches(' ');
    let line = line.strip_suffix(['-', '+']).unwrap_or(line);
    line.strip_suffix(['|', '>']).is_some_and(|before| before.ends_with(' '))
}

/// The key of `key:` or `key: value`, if it is a plain word and surely a text or stands in double quotes, and what follows
/// the colon.
fn plain_key(content: &str) -> Option<(&str, &str)> {
    if let Some(quoted) = content.strip_prefix('"') {
        let (key, rest) = quoted.split_once('"')?;
        let rest = rest.strip_prefix(':').filter(|r| r.is_empty() || r.starts_with(' '))?;
        return (key.len() <= MAX_KEY && !key.contains(['\\', '\t'])).then_some((key, rest));
    }
    let word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'/' | b'-');
    let length = content.bytes().take_while(|b| word(b)).count();
    let key = &content[..length];
    let mut after = content.bytes().skip(length);
    let ends = after.next() == Some(b':') && matches!(after.next(), None | Some(b' '));
    let plain = ends && length <= MAX_KEY && key.starts_with(|c: char| c.is_ascii_alphabetic());
    (plain && matches!(resolve(key, Dialect::V2), Resolved::Str)).then(|| (key, &content[length + 1..]))
}

/// What a value on one line is.
enum Value {
    /// Nothing: it may follow on the next lines.
    None,
    /// A scalar, or an empty collection.
    Whole,
    /// The header of a block scalar.
    Block,
}

fn value(text: &str) -> Option<Value> {
    let text = text.trim_matches(' ');
    let bytes = text.as_bytes();
    Some(match bytes {
        [] => Value::None,
        b"{}" | b"[]" | b"\"\"" | b"''" => Value::Whole,
        [b'|' | b'>', rest @ ..] => match rest {
            [] | [b'-' | b'+'] => Value::Block,
            _ => return None,
        },
        [b'"', inner @ .., b'"'] => {
            let mut escaped = false;
            for b in inner {
                match b {
                    b'n' | b't' | b'"' | b'\\' if escaped => escaped = false,
                    _ if escaped => return None,
                    b'\\' => escaped = true,
                    b'"' | b'\t' => return None,
                    _ => {}
                }
            }
            if escaped {
                return None;
            }
            Value::Whole
        }
        [b'\'', inner @ .., b'\''] if !inner.iter().any(|b| matches!(b, b'\'' | b'\t')) => Value::Whole,
        _ => plain(text)?,
    })
}

/// A plain scalar: any text that is not an infinite number.
fn plain(text: &str) -> Option<Value> {
    let bytes = text.as_bytes();
    let first = match bytes {
        [b'-', second, ..] => second,
        [b'-'] | [] => return None,
        [first, ..] => first,
    };
    let starts =
        first.is_ascii_alphanumeric() || matches!(first, b'/' | b'_' | b'.' | b'-' | b'(' | b'$' | b'+');
    let colon = |i: usize| bytes[i] == b':' && matches!(bytes.get(i + 1), None | Some(b' '));
    if !starts || bytes.iter().any(|b| matches!(b, b'#' | b'\t')) || (0..bytes.len()).any(colon) {
        return None;
    }
    // Only these can begin a number.
    if !first.is_ascii_alphabetic()
        && matches!(resolve(text, Dialect::V2), Resolved::Float(x) if !x.is_finite())
    {
        return None;
    }
    Some(Value::Whole)
}

/// An open block collection.
struct Open {
    column: usize,
    is_mapping: bool,
    /// Whether its last entry has no value yet.
    awaits: bool,
}

/// The open collections.
struct Blocks(Vec<Open>);

impl Blocks {
    /// Those before the next key of the document's own mapping.
    fn new() -> Self {
        Self(vec![Open { column: 0, is_mapping: true, awaits: false }])
    }

    /// Opens a collection where a value is awaited.
    fn open(&mut self, column: usize, is_mapping: bool) -> Option<()> {
        let top = self.0.last_mut()?;
        if !top.awaits || self.0.len() >= MAX_DEPTH {
            return None;
        }
        self.0.last_mut()?.awaits = false;
        self.0.push(Open { column, is_mapping, awaits: false });
        Some(())
    }

    /// A line whose content stands at that column.
    fn line(&mut self, mut column: usize, mut content: &str, lines: &mut Lines<'_>) -> Option<()> {
        while self.0.last().is_some_and(|top| top.column > column) {
            self.0.pop();
        }
        while let Some(rest) = content.strip_prefix('-').filter(|r| r.is_empty() || r.starts_with(' ')) {
            let top = self.0.last()?;
            if top.column < column || top.is_mapping {
                self.open(column, false)?;
            }
            self.0.last_mut()?.awaits = true;
            content = rest.trim_start_matches(' ');
            column += 1 + rest.len() - content.len();
            if content.is_empty() {
                return Some(());
            }
        }
        let top = self.0.last()?;
        let rest = match plain_key(content) {
            Some((_, rest)) => {
                if top.column == column && !top.is_mapping {
                    self.0.pop();
                }
                let top = self.0.last()?;
                if top.column < column {
                    self.open(column, true)?;
                } else if !top.is_mapping || top.column != column {
                    return None;
                }
                rest
            }
            // An item of a sequence, or a value on a line of its own.
            None if top.awaits && top.column < column => content,
            None => return None,
        };
        let top = self.0.last_mut()?;
        match value(rest)? {
            Value::None => top.awaits = true,
            Value::Whole => top.awaits = false,
            Value::Block => {
                top.awaits = false;
                lines.block_scalar(top.column)?;
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Limits, read_v2_json};
    use super::*;

    fn skims(text: &str) -> bool {
        entries(text, |key| key == "kind").is_some()
    }

    #[test]
    fn what_is_skimmed_is_what_the_reader_takes() {
        // Lines put together in every way: what is taken must be taken by the reader, too.
        let pieces = [
            "kind: A\n",
            "a: 1\n",
            "a:\n",
            "  b: x y\n",
            "  b:\n",
            "  - c\n",
            "- c\n",
            "- d: 1\n",
            "  e: |\n",
            "    f\n",
            "   g\n",
            "  - - h\n",
            "    i: \"j\\n\"\n",
            "-\n",
            "# k\n",
            "\n",
            "    \n",
            "  l: 'm'\n",
            "a: >-\n",
            "  : n\n",
            "a: .inf\n",
            "  - o: {}\n",
            "      p: -1\n",
            "    -\tq\n",
            "a: 1:\n",
            " r: s\n",
            "<<: t\n",
            "a: b #c\n",
        ];
        let mut taken = 0;
        let n = pieces.len();
        for number in 0..2 * n * n * n {
            let first = if number < n * n * n { "a:\n" } else { "a:\n  b:\n" };
            let text: String = first.to_owned() + &[0, 1, 2].map(|i| pieces[number / n.pow(i) % n]).concat();
            if entries(&text, |_| false).is_some() {
                taken += 1;
                let read = read_v2_json(&text, &Limits::default());
                assert!(read.is_ok(), "{text}: {read:?}");
            }
        }
        assert!(taken > 1_000, "{taken}");
    }

    #[test]
    fn what_is_wanted_is_given_as_it_stands() {
        let text = "# note\napiVersion: v1\nkind: A\nmetadata:\n  name: x\n  note: |\n    a\n   \n    b: c\nspec:\n- a: 1\n  b:\n  - |-\n    text: {{\n\n  - c\n";
        let wanted = |key: &str| key != "spec";
        let taken = entries(text, wanted).unwrap();
        assert_eq!(taken, "apiVersion: v1\nkind: A\nmetadata:\n  name: x\n  note: |\n    a\n   \n    b: c\n");
        for refused in [
            "a: {b: c}\n",
            "a: b: c\n",
            "a: &b c\n",
            "a: *b\n",
            "a: !t b\n",
            "a: \u{e9}\n",
            "a:\n\tb: c\n",
            "text\n",
            "- a\n",
            "a: 'b\n",
            "%x\n",
        ] {
            assert!(!skims(refused), "{refused}");
        }
    }
}
