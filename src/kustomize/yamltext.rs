//! Text of a tree as go-yaml v3 writes it for kyaml: two blanks of indentation, lists not indented, no folding, quoting
//! kept where the source had it.
//!
//! Needed where the original writes YAML back into a string (replacements into structured data). Comments and flow
//! style are not in the tree; [`super::replacement`] refuses strings that have them.

use crate::yaml::{Mapping, Node, Scalar, Style, Tag, Value};

/// The text, with a final line break.
#[must_use]
pub(crate) fn to_text(node: &Node) -> String {
    let mut out = String::new();
    match &node.value {
        Value::Mapping(map) if !map.entries.is_empty() => mapping(&mut out, map, 0),
        Value::Sequence(list) if !list.is_empty() => sequence(&mut out, list, 0),
        _ => {
            inline(&mut out, node, 0);
            out.push('\n');
        }
    }
    out
}

fn indent(out: &mut String, by: usize) {
    out.extend(std::iter::repeat_n(' ', by));
}

fn mapping(out: &mut String, map: &Mapping, by: usize) {
    for (at, e) in map.entries.iter().enumerate() {
        if at > 0 {
            indent(out, by);
        }
        inline(out, &e.key, by);
        out.push(':');
        match &e.value.value {
            Value::Mapping(map) if !map.entries.is_empty() => {
                out.push('\n');
                indent(out, by + 2);
                mapping(out, map, by + 2);
            }
            Value::Sequence(list) if !list.is_empty() => {
                out.push('\n');
                indent(out, by);
                sequence(out, list, by);
            }
            _ => {
                if !is_bare(&e.value) {
                    out.push(' ');
                }
                inline(out, &e.value, by + 2);
                out.push('\n');
            }
        }
    }
}

fn sequence(out: &mut String, list: &[Node], by: usize) {
    for (at, node) in list.iter().enumerate() {
        if at > 0 {
            indent(out, by);
        }
        out.push('-');
        if !is_bare(node) {
            out.push(' ');
        }
        match &node.value {
            Value::Mapping(map) if !map.entries.is_empty() => mapping(out, map, by + 2),
            Value::Sequence(list) if !list.is_empty() => sequence(out, list, by + 2),
            _ => {
                inline(out, node, by + 2);
                out.push('\n');
            }
        }
    }
}

/// A null without text prints as nothing.
fn is_bare(node: &Node) -> bool {
    node.is_null() && node.text() == Some("")
}

fn inline(out: &mut String, node: &Node, by: usize) {
    match &node.value {
        Value::Mapping(_) => out.push_str("{}"),
        Value::Sequence(_) => out.push_str("[]"),
        Value::Scalar(scalar) => self::scalar(out, scalar, by),
    }
}

fn scalar(out: &mut String, scalar: &Scalar, by: usize) {
    let text = &*scalar.text;
    // A text that is not what its type says gets the type in front.
    let resolved = super::scalar::resolve(text);
    let mark = match scalar.tag {
        Tag::Int if resolved != Tag::Int => "!!int ",
        Tag::Float if resolved != Tag::Float => "!!float ",
        Tag::Bool if resolved != Tag::Bool => "!!bool ",
        Tag::Null if resolved != Tag::Null => "!!null ",
        Tag::Timestamp if resolved != Tag::Timestamp => "!!timestamp ",
        Tag::Binary => "!!binary ",
        _ => "",
    };
    out.push_str(mark);
    match style_of(scalar) {
        Style::Plain => out.push_str(text),
        Style::SingleQuoted => {
            out.push('\'');
            out.push_str(&text.replace('\'', "''"));
            out.push('\'');
        }
        Style::DoubleQuoted => out.push_str(&double_quoted(text)),
        style @ (Style::Literal | Style::Folded) => block(out, text, style, by),
    }
}

/// The style that the emitter chooses: the wanted one where the text allows it.
fn style_of(scalar: &Scalar) -> Style {
    let text = &*scalar.text;
    let has_special = text.chars().any(|c| c.is_control() && c != '\n' || c == '\u{feff}');
    if has_special {
        return Style::DoubleQuoted;
    }
    let is_multiline = text.contains('\n');
    let ends_blank = text.lines().any(|l| l.ends_with(' '));
    match scalar.style {
        Style::Plain => {
            if scalar.tag == Tag::Str && super::scalar::resolve(text) != Tag::Str {
                return Style::DoubleQuoted;
            }
            if is_multiline {
                return if ends_blank { Style::DoubleQuoted } else { Style::Literal };
            }
            if is_plain_safe(text) { Style::Plain } else { Style::SingleQuoted }
        }
        Style::SingleQuoted if is_multiline || text.starts_with(' ') && text.trim().is_empty() => {
            Style::DoubleQuoted
        }
        Style::Literal | Style::Folded if ends_blank || text.is_empty() => Style::DoubleQuoted,
        other => other,
    }
}

fn is_plain_safe(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(first) = bytes.first() else { return true };
    if text.starts_with(' ') || text.ends_with(' ') || text.starts_with("---") || text.starts_with("...") {
        return false;
    }
    let is_second_blank = bytes.get(1).is_none_or(|c| *c == b' ');
    match first {
        b'#' | b',' | b'[' | b']' | b'{' | b'}' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%'
        | b'@' | b'`' => return false,
        b'-' | b'?' | b':' if is_second_blank => return false,
        _ => {}
    }
    !text.contains(": ") && !text.contains(" #") && !text.ends_with(':')
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\u{1b}' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{feff}' => out.push_str("\\uFEFF"),
            c if c.is_control() => out.push_str(&format!("\\x{:02X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

fn block(out: &mut String, text: &str, style: Style, by: usize) {
    out.push(if style == Style::Literal { '|' } else { '>' });
    if text.starts_with([' ', '\n']) {
        out.push('2');
    }
    if !text.ends_with('\n') {
        out.push('-');
    } else if text.ends_with("\n\n") || text == "\n" {
        out.push('+');
    }
    let by = by.max(2);
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            indent(out, by);
            out.push_str(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Limits, read_v3};

    #[test]
    fn styles_are_kept_and_indentation_is_two() {
        let text = "a:\n    b: 'x'\n    c:   \"y\"\nl:\n  - p: 1\n    q: |\n      t\n  - z\ne: {}\n";
        let node = read_v3(text, &Limits::default()).unwrap().remove(0);
        assert_eq!(to_text(&node), "a:\n  b: 'x'\n  c: \"y\"\nl:\n- p: 1\n  q: |\n    t\n- z\ne: {}\n");
    }
}
