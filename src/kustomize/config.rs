//! The transformer configuration of a layer: default field specs, `configurations:` files, what `crds:` add.
//!
//! Layers share one default configuration behind an [`Arc`]; only a layer with own configuration pays for merging.

use std::sync::{Arc, OnceLock};

use super::decode::{Decode, Mode, decodes};
use super::defaults;
use super::error::{Context as _, Error};
use super::gvk::Gvk;
use super::kustomization::from_yaml;
use super::transform::Files;
use super::types::{FieldSpec, FsSlice};
use crate::yaml::{self, Node, Value};

/// Objects of a kind and the fields that refer to them by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NameReference {
    /// The kind that is referred to.
    pub target: Gvk,
    /// The fields that refer to it.
    pub referrers: FsSlice,
}

decodes!(NameReference, "a name reference", {
    "group" => target.group, "version" => target.version, "kind" => target.kind, "fieldSpecs" => referrers,
});

/// Which fields the transformers work on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// Fields that `namePrefix` changes.
    pub name_prefix: FsSlice,
    /// Fields that `nameSuffix` changes.
    pub name_suffix: FsSlice,
    /// Fields that `namespace` changes.
    pub namespace: FsSlice,
    /// Fields that `commonLabels` changes.
    pub common_labels: FsSlice,
    /// Further fields that every `labels` entry changes.
    pub labels: FsSlice,
    /// Fields that `labels` with `includeTemplates` changes.
    pub template_labels: FsSlice,
    /// Fields that `commonAnnotations` changes.
    pub common_annotations: FsSlice,
    /// Who refers to whom by name.
    pub name_reference: Vec<NameReference>,
    /// Fields in which `$(VAR)` is replaced.
    pub var_reference: FsSlice,
    /// Fields that `images` changes.
    pub images: FsSlice,
    /// Fields that `replicas` changes.
    pub replicas: FsSlice,
}

decodes!(Config, "the configuration", {
    "namePrefix" => name_prefix, "nameSuffix" => name_suffix, "namespace" => namespace,
    "commonLabels" => common_labels, "labels" => labels, "templateLabels" => template_labels,
    "commonAnnotations" => common_annotations, "nameReference" => name_reference, "varReference" => var_reference,
    "images" => images, "replicas" => replicas,
});

impl Config {
    /// The default configuration as it stands after the original's first merge.
    #[must_use]
    pub fn default_config() -> Arc<Self> {
        static DEFAULT: OnceLock<Arc<Config>> = OnceLock::new();
        let make = || {
            let references = defaults::name_reference();
            let mut config = Self {
                name_prefix: defaults::name_prefix(),
                name_suffix: defaults::name_suffix(),
                namespace: defaults::namespace(),
                common_labels: defaults::common_labels(),
                labels: defaults::labels(),
                template_labels: defaults::template_labels(),
                common_annotations: defaults::common_annotations(),
                name_reference: references
                    .into_iter()
                    .map(|(target, referrers)| NameReference { target, referrers })
                    .collect(),
                var_reference: defaults::var_reference(),
                images: defaults::images(),
                replicas: defaults::replicas(),
            };
            config.sort();
            Arc::new(Self::default().merge(&config).expect("the default configuration agrees with itself"))
        };
        Arc::clone(DEFAULT.get_or_init(make))
    }

    /// The configuration of a layer: the default and the layer's `configurations:` files.
    pub fn load(files: &dyn Files, paths: &[String]) -> Result<Arc<Self>, Error> {
        if paths.is_empty() {
            return Ok(Self::default_config());
        }
        let mut own = Self::default();
        for path in paths {
            let (bytes, name) = files.load(path)?;
            let text = String::from_utf8_lossy(&bytes);
            let node = strict(&text).map_err(|e| e.at(&name, 0).context("reading configurations"))?;
            let mut config = Self::decode(&node, Mode::CONFIGURATION, "configuration")
                .map_err(|e| e.at(&name, 0).context("reading configurations"))?;
            config.sort();
            own = own.merge(&config).map_err(|e| e.at(&name, 0))?;
        }
        let merged = Self::default_config().merge(&own);
        merged.map(Arc::new).context(|| format!("merging configurations {}", paths.join(", ")))
    }

    fn lists(&mut self) -> [&mut FsSlice; 10] {
        [
            &mut self.name_prefix,
            &mut self.name_suffix,
            &mut self.namespace,
            &mut self.common_labels,
            &mut self.labels,
            &mut self.template_labels,
            &mut self.common_annotations,
            &mut self.var_reference,
            &mut self.images,
            &mut self.replicas,
        ]
    }

    fn sort(&mut self) {
        for list in self.lists() {
            list.sort_by(|a, b| a.gvk.view().order(&b.gvk.view()));
        }
        self.name_reference.sort_by(|a, b| a.target.view().order(&b.target.view()));
    }

    /// Both together; the same field with different `create` is an error.
    pub fn merge(&self, other: &Self) -> Result<Self, Error> {
        let mut out = self.clone();
        let mut other = other.clone();
        for (list, more) in out.lists().into_iter().zip(other.lists()) {
            merge_all(list, more)?;
        }
        for reference in &other.name_reference {
            merge_reference(&mut out.name_reference, reference)?;
        }
        out.sort();
        Ok(out)
    }

    /// [`Config::merge`] for shared configurations, which usually are one and the same.
    pub fn merge_shared(own: &Arc<Self>, other: &Arc<Self>) -> Result<Arc<Self>, Error> {
        let default = Self::default_config();
        if Arc::ptr_eq(own, other)
            || Arc::ptr_eq(other, &default) && own.name_reference.len() >= default.name_reference.len()
        {
            return Ok(Arc::clone(own));
        }
        if **own == Self::default() && Arc::ptr_eq(other, &default)
            || Arc::ptr_eq(own, &default) && own == other
        {
            return Ok(Arc::clone(other));
        }
        own.merge(other).map(Arc::new)
    }
}

/// Reads a file in which no key may come twice.
fn strict(text: &str) -> Result<Node, Error> {
    let limits = yaml::Limits::default();
    for document in yaml::read_v2(text, &limits).map_err(|e| from_yaml(&e))?.iter().take(1) {
        refuse_repeated_keys(document)?;
    }
    yaml::read_v2_json(text, &limits).map_err(|e| from_yaml(&e))
}

fn refuse_repeated_keys(node: &Node) -> Result<(), Error> {
    match &node.value {
        Value::Scalar(_) => Ok(()),
        Value::Sequence(items) => items.iter().try_for_each(refuse_repeated_keys),
        Value::Mapping(map) => {
            let mut seen = std::collections::HashSet::new();
            for entry in &map.entries {
                if let Some(key) = entry.key.text().filter(|key| !seen.insert(*key)) {
                    return Err(Error::new(format!("key \"{key}\" already set in map"))
                        .at_line(entry.key.pos.line)
                        .hint("remove one of the two"));
                }
                refuse_repeated_keys(&entry.value)?;
            }
            Ok(())
        }
    }
}

/// Adds field specs that are not there yet.
pub fn merge_all(list: &mut FsSlice, more: &[FieldSpec]) -> Result<(), Error> {
    more.iter().try_for_each(|spec| merge_one(list, spec))
}

/// Adds a field spec unless one for the same field is there.
pub fn merge_one(list: &mut FsSlice, spec: &FieldSpec) -> Result<(), Error> {
    match list.iter().find(|own| own.path == spec.path && own.gvk.view().is_selected(&spec.gvk)) {
        Some(own) if own.create != spec.create => {
            Err(Error::new(format!("conflicting fieldspecs for '{}' of {}", spec.path, spec.gvk))
                .hint("the same field is listed with 'create: true' and without; give both the same value"))
        }
        Some(_) => Ok(()),
        None => {
            list.push(spec.clone());
            Ok(())
        }
    }
}

/// Adds a name reference, merging the fields of equal targets.
pub fn merge_reference(list: &mut Vec<NameReference>, reference: &NameReference) -> Result<(), Error> {
    let mut found = false;
    for own in list.iter_mut().filter(|own| own.target == reference.target) {
        merge_all(&mut own.referrers, &reference.referrers)?;
        found = true;
    }
    if !found {
        list.push(reference.clone());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(kind: &str, path: &str, create: bool) -> FieldSpec {
        FieldSpec { gvk: Gvk::new("", "", kind), path: path.into(), create }
    }

    #[test]
    fn a_field_that_a_more_special_spec_has_is_not_added_again() {
        let mut list = vec![spec("A", "x/y", true)];
        merge_one(&mut list, &spec("", "x/y", true)).unwrap();
        assert_eq!(list.len(), 1);
        assert!(merge_one(&mut list, &spec("", "x/y", false)).is_err());
    }

    #[test]
    fn merging_the_default_with_itself_changes_nothing() {
        let default = Config::default_config();
        assert_eq!(default.merge(&default).unwrap(), *default);
    }
}
