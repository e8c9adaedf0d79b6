//! `crds:`: which fields of custom resources are references, annotations, selectors or names.
//!
//! The files are OpenAPI definitions in the form of kube-openapi's Go types: type name to `{Schema: {properties: ...}}`.

use super::config::{Config, NameReference, merge_one, merge_reference};
use super::error::{Context as _, Error};
use super::gvk::Gvk;
use super::kustomization::from_yaml;
use super::transform::Files;
use super::types::FieldSpec;
use crate::yaml::{self, Node};

/// How deep definitions may refer to each other.
const MAX_DEPTH: usize = 64;

/// The configuration that the files give; `None` without files.
pub fn load(files: &dyn Files, paths: &[String]) -> Result<Option<Config>, Error> {
    if paths.is_empty() {
        return Ok(None);
    }
    let mut out = Config::default();
    for path in paths {
        let (bytes, name) = files.load(path)?;
        let text = String::from_utf8_lossy(&bytes);
        let node = yaml::read_v2_json(&text, &yaml::Limits::default()).map_err(|e| {
            from_yaml(&e).at(&name, 0).context(format!("unable to parse open API definition from '{path}'"))
        })?;
        let Some(definitions) = node.as_map() else {
            return Err(Error::new("an OpenAPI definition file must be an object").at(&name, node.pos.line));
        };
        for entry in &definitions.entries {
            let type_name = entry.key.text().unwrap_or_default();
            let is_object = |f: &str| properties(&entry.value).is_some_and(|p| p.get(f).is_some());
            if !["kind", "apiVersion", "metadata"].into_iter().all(is_object) {
                continue;
            }
            let mut config = Config::default();
            let kind = type_name.rsplit('.').next().unwrap_or(type_name);
            let walk = Walk { definitions: &node, gvk: Gvk::new("", "", kind) };
            walk.collect(&mut config, type_name, &mut Vec::new()).map_err(|e| e.at(&name, 0))?;
            out = out.merge(&config).context(|| format!("merging CRDs of '{name}'"))?;
        }
    }
    Ok(Some(out))
}

fn field<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let map = node.as_map()?;
    map.entries.iter().find(|e| e.key.text().is_some_and(|k| k.eq_ignore_ascii_case(name))).map(|e| &e.value)
}

fn properties(definition: &Node) -> Option<&Node> {
    field(field(definition, "Schema")?, "properties")
}

struct Walk<'a> {
    definitions: &'a Node,
    gvk: Gvk,
}

impl Walk<'_> {
    fn spec(&self, path: &[String]) -> FieldSpec {
        FieldSpec { gvk: self.gvk.clone(), path: path.join("/"), create: false }
    }

    fn collect(&self, config: &mut Config, type_name: &str, path: &mut Vec<String>) -> Result<(), Error> {
        if path.len() > MAX_DEPTH {
            return Err(Error::new(format!("definition '{type_name}' refers to itself"))
                .hint("remove the circle of '$ref' from the file"));
        }
        let Some(properties) = self.definitions.get(type_name).and_then(properties).and_then(Node::as_map)
        else {
            return Ok(());
        };
        for entry in &properties.entries {
            let property = &entry.value;
            path.push(entry.key.text().unwrap_or_default().to_owned());
            let text = |name: &str| field(property, name).and_then(Node::as_str);
            if text("x-kubernetes-annotation").is_some() {
                merge_one(&mut config.common_annotations, &self.spec(path))?;
            }
            if text("x-kubernetes-label-selector").is_some() {
                merge_one(&mut config.common_labels, &self.spec(path))?;
            }
            if text("x-kubernetes-identity").is_some() {
                merge_one(&mut config.name_prefix, &self.spec(path))?;
            }
            if let (Some(version), Some(kind)) =
                (text("x-kubernetes-object-ref-api-version"), text("x-kubernetes-object-ref-kind"))
            {
                path.push(text("x-kubernetes-object-ref-name-key").unwrap_or("name").to_owned());
                let reference =
                    NameReference { target: Gvk::new("", version, kind), referrers: vec![self.spec(path)] };
                merge_reference(&mut config.name_reference, &reference)?;
                path.pop();
            }
            if let Some(next) = property.get("$ref").and_then(Node::as_str) {
                self.collect(config, next, path)?;
            }
            path.pop();
        }
        Ok(())
    }
}
