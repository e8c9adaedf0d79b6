//! `replicas`: the count of every object that has or had the given name and is of a kind with replicas.

use super::error::{Context, Error};
use super::fieldspec::{self, Create};
use super::resmap::ResMap;
use super::share::Shares;
use super::transform::{Ctx, Transformer};
use super::types::{FsSlice, Replica};
use crate::yaml::Tag;

/// The transformer.
#[derive(Debug, Clone, Default)]
pub struct Replicas {
    /// Name and count.
    pub replica: Replica,
    /// Kinds with their fields.
    pub field_specs: FsSlice,
}

impl Transformer for Replicas {
    fn transform(&self, m: &mut ResMap, _: &Ctx<'_>) -> Result<(), Error> {
        let name = &self.replica.name;
        let count = self.replica.count.to_string();
        let named: Vec<usize> = m
            .iter()
            .enumerate()
            .filter(|(_, r)| r.any_ids().any(|id| id.name == name))
            .map(|(at, _)| at)
            .collect();
        let mut found = false;
        for spec in &self.field_specs {
            for at in &named {
                let res = m.get(*at);
                if !res.any_ids().any(|id| id.name == name && id.gvk.is_selected(&spec.gvk)) {
                    continue;
                }
                found = true;
                m.edit_at(*at, |res| {
                    let gvk = res.gvk().to_gvk();
                    let mut shares = Shares::default();
                    fieldspec::apply(&mut res.node, gvk.view(), spec, Create::Scalar, &mut |node| {
                        fieldspec::set_scalar(node, &count, Tag::Int, &mut shares)
                    })
                    .map_err(|e| e.at(&res.file, 0))
                })
                .context(|| format!("replicas of {name}"))?;
            }
        }
        if found {
            return Ok(());
        }
        let kinds: Vec<String> = self.field_specs.iter().map(|spec| spec.gvk.to_string()).collect();
        Err(Error::new(format!(
            "resource with name {name} does not match a config with the following GVK [{}]",
            kinds.join(" ")
        ))
        .hint("'replicas' is for Deployments, StatefulSets, ReplicaSets and ReplicationControllers; name one of this build"))
    }
}
