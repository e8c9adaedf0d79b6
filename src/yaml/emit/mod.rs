//! Writing YAML as `sigs.k8s.io/yaml.Marshal` writes it: Go's JSON, read by go-yaml v2, written by go-yaml v2.

mod order;
mod scalar;
mod tree;
mod writer;

pub use order::{natural_cmp, natural_cmp_v3, natural_sort_by, natural_sort_by_v3};
pub use tree::{append_yaml, to_yaml, to_yaml_v3_indented};
pub(crate) use tree::{decode_binary, quoted_in_flow, rewritten};
pub use writer::Writer;
