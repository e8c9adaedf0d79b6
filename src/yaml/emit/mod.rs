//! Writing YAML as `sigs.k8s.io/yaml.Marshal` writes it: Go's JSON, read by go-yaml v2, written by go-yaml v2.

mod order;
mod scalar;
mod tree;
mod writer;

pub use order::{natural_cmp, natural_sort_by};
pub use tree::{append_yaml, to_yaml};
pub(crate) use tree::{decode_binary, rewritten};
pub use writer::Writer;
