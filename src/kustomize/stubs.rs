//! Transformers that land next, named so that the pipeline can be built.
#![allow(missing_docs, dead_code, unreachable_pub, reason = "replaced by the real ones")]

use super::error::Error;
use super::resmap::ResMap;
use super::transform::{Ctx, Files, Transformer};
use super::types::{FsSlice, Image, Patch, ReplacementField, Replica, Selector, StringMap};
use crate::yaml::Node;

macro_rules! stub {
    ($name:ident { $($f:ident: $t:ty),* $(,)? }) => {
        pub struct $name { $(pub $f: $t),* }
        impl Transformer for $name {
            fn transform(&self, _: &mut ResMap, _: &Ctx<'_>) -> Result<(), Error> {
                Err(Error::unsupported(concat!(stringify!($name), " is not built yet")))
            }
        }
    };
}

stub!(StrategicMerges { paths: Vec<String>, patches: String });
stub!(Patches { patches: Vec<Patch> });
stub!(Json6902 { target: Option<Selector>, path: String, json_op: String, line: u32 });
stub!(Namespace { namespace: String, field_specs: FsSlice, unset_only: bool, subjects: String });
stub!(Labels { labels: StringMap, field_specs: FsSlice });
stub!(Annotations { annotations: StringMap, field_specs: FsSlice });
stub!(Images { image: Image, field_specs: FsSlice });
stub!(Replicas { replica: Replica, field_specs: FsSlice });
stub!(Replacements { replacements: Vec<ReplacementField> });
stub!(ValueAdd {});

impl ValueAdd {
    pub fn configure(_: &Node, _: &str, _: &dyn Files) -> Result<Self, Error> {
        Err(Error::unsupported("ValueAddTransformer is not built yet"))
    }
}

pub fn substitute(
    _: &mut ResMap,
    _: &std::collections::BTreeMap<String, Node>,
    _: &FsSlice,
) -> Result<Vec<String>, Error> {
    Err(Error::unsupported("vars are not built yet"))
}
