//! YAML exactly as the Go tools read and write it.
//!
//! Takes text, gives [`Node`] trees with source positions; takes trees, gives the text that `sigs.k8s.io/yaml` prints.
//! Two readers, because the originals use two: go-yaml v3 ([`read_v3`], kustomize resources and patches) and go-yaml
//! v2 ([`read_v2`], kustomization.yaml, Helm values, Chart.yaml, what kubectl reads). They disagree on `yes`, dates,
//! duplicate keys and more.

mod compose;
mod cursor;
pub mod emit;
mod error;
mod event;
pub mod json;
mod node;
pub mod num;
mod parse;
mod read;
mod resolve;
mod scan;
mod scan_scalar;
mod scan_tag;
mod time;

pub use error::{Error, Limits};
pub use node::{Entry, Mapping, Node, Pos, Scalar, Style, Tag, Value};
pub use read::{decode_bytes, read_v2, read_v2_json, read_v2_json_all, read_v3, read_v3_stream};

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
}
