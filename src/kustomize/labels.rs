//! Labels and annotations: strings in the mappings that a list of field specs leads to.
//!
//! Follows `LabelTransformer` and `AnnotationsTransformer`. The fields that one pass creates for a key share one node,
//! see [`super::share`].

use super::error::Error;
use super::fieldspec::{self, Create};
use super::resmap::ResMap;
use super::resource::Resource;
use super::share::{Shares, next_group};
use super::transform::{Ctx, Transformer};
use super::types::{FieldSpec, FsSlice, StringMap};

/// The transformer of `labels` and `commonLabels`.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    /// The labels.
    pub labels: StringMap,
    /// Where they go.
    pub field_specs: FsSlice,
}

/// The transformer of `commonAnnotations`.
#[derive(Debug, Clone, Default)]
pub struct Annotations {
    /// The annotations.
    pub annotations: StringMap,
    /// Where they go.
    pub field_specs: FsSlice,
}

impl Transformer for Labels {
    fn transform(&self, m: &mut ResMap, _: &Ctx<'_>) -> Result<(), Error> {
        set_all(m, &self.labels, &self.field_specs)
    }
}

impl Transformer for Annotations {
    fn transform(&self, m: &mut ResMap, _: &Ctx<'_>) -> Result<(), Error> {
        set_all(m, &self.annotations, &self.field_specs)
    }
}

fn set_all(m: &mut ResMap, entries: &StringMap, specs: &FsSlice) -> Result<(), Error> {
    if entries.is_empty() {
        return Ok(());
    }
    // A field spec may name the annotations, which the original has wherever the build noted something.
    let touches_notes = specs.iter().any(|s| s.path == "metadata/annotations" && !s.create);
    for at in 0..m.len() {
        if touches_notes {
            m.edit_at(at, |res| res.edit(|res| set(res, entries, specs)))?;
        } else {
            m.edit_fields_at(at, specs, |res| set(res, entries, specs))?;
        }
    }
    Ok(())
}

fn set(res: &mut Resource, entries: &StringMap, specs: &FsSlice) -> Result<(), Error> {
    let gvk = res.gvk();
    let specs: Vec<&FieldSpec> = specs.iter().filter(|spec| fieldspec::is_for(spec, gvk)).collect();
    let mut shares = Shares::default();
    for (key, text) in entries {
        let group = next_group();
        for spec in &specs {
            fieldspec::apply_unchecked(&mut res.node, spec, Create::Mapping, &mut |node| {
                fieldspec::set_entry(node, key, text, group, &mut shares)
            })
            .map_err(|e| e.at(&res.file, 0))?;
        }
    }
    shares.settle(&mut res.node);
    Ok(())
}
