//! `namePrefix` and `nameSuffix`: new names, with the old ones remembered for references.

use super::error::Error;
use super::fieldspec::{self, Create};
use super::gvk::GvkView;
use super::resmap::ResMap;
use super::resource::Resource;
use super::share::Shares;
use super::transform::{Ctx, Transformer};
use super::types::FsSlice;

/// Which end of the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// `namePrefix`.
    Prefix,
    /// `nameSuffix`.
    Suffix,
}

/// Adds a text to names.
#[derive(Debug, Clone)]
pub struct Affix {
    /// Where.
    pub end: End,
    /// What.
    pub text: String,
    /// Which fields.
    pub field_specs: FsSlice,
}

/// CustomResourceDefinition, APIService and Namespace keep their names.
fn keeps_name(gvk: GvkView<'_>) -> bool {
    gvk.kind == "CustomResourceDefinition"
        || gvk.kind == "Namespace"
        || (gvk.kind == "APIService" && gvk.group == "apiregistration.k8s.io")
}

impl Affix {
    fn apply(&self, res: &mut Resource) -> Result<(), Error> {
        let id = res.org_id().to_id();
        if keeps_name(id.gvk.view()) {
            return Ok(());
        }
        for spec in self.field_specs.iter().filter(|spec| id.gvk.view().is_selected(&spec.gvk)) {
            if spec.path == "metadata/name" {
                match self.end {
                    End::Prefix => res.add_name_prefix(&self.text),
                    End::Suffix => res.add_name_suffix(&self.text),
                }
                if !self.text.is_empty() {
                    res.store_previous_id();
                }
            }
            let gvk = res.gvk().to_gvk();
            let mut shares = Shares::default();
            fieldspec::apply(&mut res.node, gvk.view(), spec, Create::Scalar, &mut |node| {
                let old = node.text().unwrap_or_default();
                let new = match self.end {
                    End::Prefix => format!("{}{old}", self.text),
                    End::Suffix => format!("{old}{}", self.text),
                };
                fieldspec::set_scalar_untyped(node, &new, &mut shares)
            })
            .map_err(|e| e.at(&res.file, 0))?;
            shares.settle(&mut res.node);
        }
        Ok(())
    }
}

impl Transformer for Affix {
    fn transform(&self, m: &mut ResMap, _: &Ctx<'_>) -> Result<(), Error> {
        m.iter_mut().try_for_each(|res| self.apply(res))
    }
}
