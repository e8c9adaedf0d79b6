//! `namespace`: into every namespaced object, Namespace objects' names, and the fields of the configuration.
//!
//! Follows `NamespaceTransformer`. Subjects of (Cluster)RoleBindings get the namespace only if they are named
//! `default`, unless the plugin's `setRoleBindingSubjects` says otherwise.

use super::error::{Context, Error};
use super::fieldspec::{self, Create};
use super::resmap::ResMap;
use super::resource::Resource;
use super::share::Shares;
use super::transform::{Ctx, Transformer};
use super::types::{FieldSpec, FsSlice};
use crate::yaml::{Entry, Node, Tag, Value};

/// The transformer.
#[derive(Debug, Clone, Default)]
pub struct Namespace {
    /// The namespace; empty: nothing is done.
    pub namespace: String,
    /// Fields besides `metadata.namespace`.
    pub field_specs: FsSlice,
    /// Only where there is none yet.
    pub unset_only: bool,
    /// `defaultOnly` (also empty), `allServiceAccounts` or `none`.
    pub subjects: String,
}

impl Transformer for Namespace {
    fn transform(&self, m: &mut ResMap, _: &Ctx<'_>) -> Result<(), Error> {
        if self.namespace.is_empty() {
            return Ok(());
        }
        for at in 0..m.len() {
            let res = m.get(at);
            if res.is_empty() || res.build.helm_generated {
                continue;
            }
            m.edit_at(at, |res| {
                res.store_previous_id();
                self.apply(res)
            })?;
            let id = m.get(at).cur_id().to_id();
            let twins = m.matching_current(&id.view());
            if twins.len() != 1 {
                let files: Vec<String> = twins
                    .iter()
                    .map(|at| m.get(*at))
                    .map(|r| format!("{} ({}:{})", r.org_id(), r.file, r.node.pos.line))
                    .collect();
                return Err(Error::new(format!(
                    "namespace transformation produces ID conflict: {}",
                    files.join(", ")
                ))
                .hint(format!("both would be {id}; give one of them another name")));
            }
        }
        Ok(())
    }
}

impl Namespace {
    /// Sets the namespace in one object.
    ///
    /// # Errors
    /// If a field is no scalar.
    pub fn apply(&self, res: &mut Resource) -> Result<(), Error> {
        let gvk = res.gvk().to_gvk();
        let gvk = gvk.view();
        let is_core = res.api_version() == "v1";
        let mut shares = Shares::default();
        if !gvk.is_cluster_scoped() {
            let spec =
                FieldSpec { path: "metadata/namespace".to_owned(), create: true, ..FieldSpec::default() };
            fieldspec::apply_unchecked(&mut res.node, &spec, Create::Scalar, &mut |n| {
                self.set(n, &mut shares)
            })?;
        }
        let is_binding = matches!(gvk.kind, "RoleBinding" | "ClusterRoleBinding");
        if is_binding {
            self.apply_to_subjects(&mut res.node, &mut shares).context(|| {
                format!("setting namespace on (cluster)role binding subjects of {}", res.org_id())
            })?;
        }
        for spec in &self.field_specs {
            let is_done_above = spec.path == "metadata/namespace"
                || (spec.path == "metadata/name" && !is_core)
                || (is_binding
                    && spec.path == "subjects/namespace"
                    && matches!(spec.gvk.kind.as_str(), "RoleBinding" | "ClusterRoleBinding"));
            if !is_done_above {
                fieldspec::apply(&mut res.node, gvk, spec, Create::Scalar, &mut |n| self.set(n, &mut shares))
                    .context(|| "namespace transformation failed".to_owned())?;
            }
        }
        shares.settle(&mut res.node);
        Ok(())
    }

    fn set(&self, node: &mut Node, shares: &mut Shares) -> Result<(), Error> {
        if self.unset_only && !node.is_null() && node.text().is_some_and(|t| !t.is_empty()) {
            return Ok(());
        }
        fieldspec::set_scalar(node, &self.namespace, Tag::Str, shares)
    }

    fn apply_to_subjects(&self, root: &mut Node, shares: &mut Shares) -> Result<(), Error> {
        let (field, wanted) = match self.subjects.as_str() {
            "none" => return Ok(()),
            "allServiceAccounts" => ("kind", "ServiceAccount"),
            _ => ("name", "default"),
        };
        let Some(subjects) = root.get_mut("subjects") else { return Ok(()) };
        if subjects.is_null() {
            return Ok(());
        }
        let Value::Sequence(list) = &mut subjects.value else {
            return Err(fieldspec::wrong_kind("SequenceNode", subjects));
        };
        for subject in list.iter_mut().filter(|s| !s.is_null()) {
            let Value::Mapping(map) = &mut subject.value else {
                return Err(fieldspec::wrong_kind("MappingNode", subject));
            };
            match map.get(field) {
                Some(value) if value.text().is_none() => {
                    return Err(fieldspec::wrong_kind("ScalarNode", value));
                }
                Some(value) if !value.is_null() && value.text() == Some(wanted) => {}
                _ => continue,
            }
            if map.get("namespace").is_none() {
                map.entries.push(Entry { key: Node::str("namespace"), value: Node::str("") });
            }
            if let Some(slot) = map.get_mut("namespace") {
                self.set(slot, shares)?;
            }
        }
        Ok(())
    }
}
