//! YAML exactly as the Go tools read and write it.
//!
//! Takes text, gives [`Node`] trees with source positions; takes trees, gives the text that `sigs.k8s.io/yaml` prints.
//! Two readers, because the originals use two: go-yaml v3 ([`read_v3`], kustomize resources and patches) and go-yaml
//! v2 ([`read_v2`], kustomization.yaml, Helm values, Chart.yaml, what kubectl reads). They disagree on `yes`, dates,
//! duplicate keys and more.

mod node;

pub use node::{Entry, Mapping, Node, Pos, Scalar, Style, Tag, Value};
