//! YAML exactly as the Go tools read and write it.
//!
//! Takes text, gives [`Node`] trees with source positions; takes trees, gives the text that `sigs.k8s.io/yaml` prints.
//! Two readers, because the originals use two: go-yaml v3 ([`read_v3`], kustomize resources and patches) and go-yaml
//! v2 ([`read_v2`], kustomization.yaml, Helm values, Chart.yaml, what kubectl reads). They disagree on `yes`, dates,
//! duplicate keys and more.
//!
//! From text to tree: `scan` (tokens), `parse` (events), `compose` (anchors, merge keys, types), `read` (what callers
//! ask for; `plain` spares all of them where a text is plain). [`emit`] prints, [`json`] is Go's JSON, [`num`] Go's numbers.
//! `docs/yaml.md` says what is verified and where we knowingly differ.

mod compose;
mod cursor;
pub(crate) mod eight;
pub mod emit;
mod error;
mod event;
pub mod json;
mod node;
pub mod num;
mod parse;
mod plain;
mod read;
mod resolve;
mod scan;
mod scan_scalar;
mod scan_tag;
mod time;

pub use error::{Error, Limits};
pub use node::{Entry, Mapping, Node, Pos, Scalar, Style, Tag, Value};
pub use plain::{
    Make, Meaning, Scalar as PlainScalar, Sink, build_plain, read_plain, read_plain_json, read_plain_v2_json,
};
pub use read::{
    decode_bytes, read_table, read_v2, read_v2_json, read_v2_json_all, read_v2_json_fields, read_v3,
    read_v3_stream,
};

/// The type of a plain scalar with this text, as go-yaml v3 reads it.
#[must_use]
pub fn plain_tag_v3(text: &str) -> Tag {
    resolve::resolve(text, resolve::Dialect::V3).tag()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(text: &str) -> String {
        let nodes = read_v3(text, &Limits::default()).expect("readable");
        let mut out = String::new();
        for node in &nodes {
            out.push_str(&emit::to_yaml(node).expect("printable"));
        }
        out
    }

    #[test]
    fn a_resource_is_printed_with_sorted_keys_and_normalised_scalars() {
        let text = "b: [1, 0755, 1.0, 1e21]\na10: yes\na9: {}\nx: 2020-01-01\nl: |\n  a\n   b\n";
        let want = "a9: {}\na10: \"yes\"\nb:\n- 1\n- 493\n- 1\n- 1e+21\nl: |\n  a\n   b\nx: \"2020-01-01T00:00:00Z\"\n";
        assert_eq!(print(text), want);
    }

    #[test]
    fn merge_keys_and_aliases_are_expanded() {
        let text = "base: &b {x: 1, y: 2}\nv:\n  <<: *b\n  x: 3\nw: *b\n";
        assert_eq!(
            print(text),
            "base:\n  x: 1\n  \"y\": 2\nv:\n  x: 3\n  \"y\": 2\nw:\n  x: 1\n  \"y\": 2\n"
        );
    }

    #[test]
    fn a_name_given_again_inside_its_node_is_the_inner_ones() {
        let text = "a: &n\n  b: &n\n    c: d\n  e: *n\nx: *n\n";
        assert_eq!(print(text), "a:\n  b:\n    c: d\n  e:\n    c: d\nx:\n  c: d\n");
        let node = read_v2_json(text, &Limits::default()).expect("readable");
        assert_eq!(
            json::to_json(&node, false).expect("JSON"),
            r#"{"a":{"b":{"c":"d"},"e":{"c":"d"}},"x":{"c":"d"}}"#
        );
    }

    #[test]
    fn billion_laughs_is_refused() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for i in 1..12 {
            let p = i - 1;
            text.push_str(&format!(
                "a{i}: &a{i} [*a{p}, *a{p}, *a{p}, *a{p}, *a{p}, *a{p}, *a{p}, *a{p}, *a{p}]\n"
            ));
        }
        let error = read_v3(&text, &Limits::default()).expect_err("excessive");
        assert!(error.to_string().contains("excessive aliasing"), "{error}");
        assert!(error.pos.line > 1);
    }

    #[test]
    fn errors_read_as_go_yaml_words_them_and_know_the_true_place() {
        let error = read_v3("a: 1\nb: c: d\n", &Limits::default()).expect_err("not YAML");
        assert_eq!(error.to_string(), "yaml: line 2: mapping values are not allowed in this context");
        assert_eq!(error.pos, Pos { line: 2, column: 5 });
        let error = read_v3("a: 1\n---\nb: 'x\n", &Limits::default()).expect_err("not YAML");
        assert_eq!(error.to_string(), "yaml: line 4: found unexpected end of stream");
    }

    #[test]
    fn a_separator_with_text_behind_it_is_refused_with_its_line() {
        let error = read_v3("a: 1\n--- b\nc: 2\n", &Limits::default()).expect_err("kyaml refuses it");
        assert_eq!(error.to_string(), "yaml: line 2: invalid document separator: --- b");
    }

    #[test]
    fn windows_line_ends_and_byte_order_marks_do_not_show() {
        let nodes = read_v3("\u{FEFF}a: |\r\n  x\r\n---\r\n# nothing\r\n---\r\nb: 2\r\n", &Limits::default())
            .expect("readable");
        let texts: Vec<_> = nodes.iter().map(|n| emit::to_yaml(n).expect("printable")).collect();
        assert_eq!(texts, ["a: |\n  x\n", "b: 2\n"]);
        assert_eq!(nodes[1].pos.line, 6);
    }

    #[test]
    fn utf_16_is_decoded_and_broken_utf_8_is_refused_with_its_line() {
        let little: Vec<u8> = "\u{FEFF}a: é\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "\u{FEFF}a: é\n".encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(decode_bytes(&little).expect("UTF-16LE"), "a: é\n");
        assert_eq!(decode_bytes(&big).expect("UTF-16BE"), "a: é\n");
        let error = decode_bytes(b"a: 1\nb: \xFF\n").expect_err("not UTF-8");
        assert_eq!((error.to_string().as_str(), error.pos.line), ("yaml: invalid leading UTF-8 octet", 2));
    }

    #[test]
    fn values_are_read_with_yaml_1_1_booleans_and_the_last_of_repeated_keys() {
        let node = read_v2_json("b: yes\na: 0o17\nb: off\n1: 1.50\nd: 2020-01-01\n", &Limits::default())
            .expect("readable");
        let json = json::to_json(&node, false).expect("JSON");
        assert_eq!(json, r#"{"1":1.5,"a":15,"b":false,"d":"2020-01-01"}"#);
    }

    #[test]
    fn texts_beyond_the_size_limit_are_refused() {
        let limits = Limits { bytes: 10, ..Limits::default() };
        let error = read_v2("a: 123456789\n", &limits).expect_err("too large");
        assert_eq!(error.to_string(), "yaml: document of 13 bytes exceeds the limit of 10 bytes");
    }

    #[test]
    fn folded_text_grows_empty_lines_as_it_does_in_kustomize() {
        assert_eq!(print("a: >\n  x\n    y\n  z\n"), "a: |\n  x\n\n    y\n  z\n");
    }
}
