//! What a transformer is, and what it may ask the build for.
//!
//! The transformers, each a plain struct of public fields with [`Transformer`] implemented (kustomization fields and
//! plugins in `transformers:` fill the same structs):
//!
//! | struct | fields |
//! |---|---|
//! | `patch::StrategicMerges` | `paths: Vec<String>` (each a path or the patch itself), `patches: String` |
//! | `patch::Patches` | `patches: Vec<types::Patch>` |
//! | `patch::Json6902` | `target: Option<Selector>`, `path: String`, `json_op: String`, `line: u32` |
//! | `namespace::Namespace` | `namespace: String`, `field_specs: FsSlice`, `unset_only: bool`, `subjects: String` |
//! | `labels::Labels` | `labels: StringMap`, `field_specs: FsSlice` |
//! | `labels::Annotations` | `annotations: StringMap`, `field_specs: FsSlice` |
//! | `image::Images` | `image: types::Image`, `field_specs: FsSlice` |
//! | `replicas::Replicas` | `replica: types::Replica`, `field_specs: FsSlice` |
//! | `replacement::Replacements` | `replacements: Vec<types::ReplacementField>` (files are loaded through [`Files`]) |
//! | `valueadd::ValueAdd` | `value`, `targets` as the original's plugin |
//! | `iam` | `IAMPolicyGenerator` (a generator: gives a `Vec<Node>`) |
//!
//! Functions: `vars::substitute(m, &BTreeMap<String, Node>, &FsSlice) -> Result<Vec<String>, Error>` gives the names of
//! the variables it never met; `fieldspec::apply(&mut Node, GvkView, &FieldSpec, create, &mut dyn FnMut(&mut Node))`
//! walks one field spec; `defaults` has the field-spec tables and the name-reference rows.

use std::sync::Arc;

use super::error::Error;
use super::resmap::ResMap;

/// Something that changes the resources of one layer.
pub trait Transformer {
    /// Changes `m` in place. Resources whose node became null or an empty map are dropped by the caller afterwards.
    fn transform(&self, m: &mut ResMap, ctx: &Ctx<'_>) -> Result<(), Error>;
}

/// Reads files for a kustomization: paths as written there, with the load restrictions applied.
pub trait Files {
    /// The bytes of a file, and the name to use for it in messages.
    fn load(&self, path: &str) -> Result<(Arc<[u8]>, String), Error>;
}

/// What a transformer may ask for.
pub struct Ctx<'a> {
    /// Files of the kustomization that the transformer is configured in.
    pub files: &'a dyn Files,
    /// Merge keys and patch strategies in force.
    pub schema: &'a super::schema::Schema,
}
