//! kustomize v5.8.1: kustomizations in, resources out, byte for byte.

pub mod error;
pub mod gvk;
pub mod origin;
pub mod resmap;
pub mod resource;
pub mod scalar;
pub mod schema;
pub mod scope;
pub mod transform;
pub mod types;
