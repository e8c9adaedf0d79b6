//! kustomize v5.8.1: kustomizations in, resources out, byte for byte.

pub mod defaults;
pub mod error;
pub mod fieldspec;
pub mod goregex;
pub mod gvk;
pub mod labelselector;
pub mod merge;
pub(crate) mod merge_list;
pub mod origin;
pub mod resmap;
pub mod resource;
pub mod scalar;
pub mod schema;
pub mod scope;
pub mod share;
pub(crate) mod tables;
pub mod transform;
pub mod types;
