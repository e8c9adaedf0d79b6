//! The end of a build: what the build added for itself goes, the rest is written.

use super::error::Error;
use super::gvk::NOT_A_NAMESPACE;
use super::kustomization::from_yaml;
use super::origin;
use super::resmap::ResMap;
use super::resource::Resource;
use super::share;
use crate::yaml;

/// Annotations that never leave a build.
const INTERNAL: [&str; 19] = [
    "internal.config.kubernetes.io/previousKinds",
    "internal.config.kubernetes.io/previousNames",
    "internal.config.kubernetes.io/prefixes",
    "internal.config.kubernetes.io/suffixes",
    "internal.config.kubernetes.io/previousNamespaces",
    "internal.config.kubernetes.io/allowNameChange",
    "internal.config.kubernetes.io/allowKindChange",
    "internal.config.kubernetes.io/refBy",
    "internal.config.kubernetes.io/generatorBehavior",
    "internal.config.kubernetes.io/needsHashSuffix",
    "internal.config.kubernetes.io/path",
    "internal.config.kubernetes.io/index",
    "internal.config.kubernetes.io/seqindent",
    "internal.config.kubernetes.io/id",
    "internal.config.kubernetes.io/annotations-migration-resource-id",
    "config.kubernetes.io/path",
    "config.kubernetes.io/index",
    "config.k8s.io/id",
    "internal.config.kubernetes.io/helm-generated",
];

/// Takes out what only the build needed. Annotations become strings; an empty map of them disappears.
pub fn clean(m: &mut ResMap, keep_origins: bool, keep_transformations: bool) {
    for res in m.iter_mut() {
        if keep_origins && keep_transformations && res.annotations().is_empty() {
            continue;
        }
        let mut all = res.annotations();
        for key in INTERNAL {
            all.remove(key);
        }
        if !keep_origins {
            all.remove(origin::ORIGIN_KEY);
        }
        if !keep_transformations {
            all.remove(origin::TRANSFORMATIONS_KEY);
        }
        if !all.is_empty() || res.node.get("metadata").is_some_and(|m| m.get("annotations").is_some()) {
            res.set_annotations(&all);
        }
        share::unshare(&mut res.node);
    }
}

/// All resources as one stream.
pub fn stream(m: &ResMap) -> Result<String, Error> {
    let mut out = String::new();
    for (at, res) in m.iter().enumerate() {
        if at > 0 {
            out.push_str("---\n");
        }
        append(res, &mut out)?;
    }
    Ok(out)
}

fn append(res: &Resource, out: &mut String) -> Result<(), Error> {
    yaml::emit::append_yaml(&res.node, out)
        .map_err(|e| from_yaml(&e).at(&res.file, res.node.pos.line).context(res.cur_id().to_string()))
}

/// One file for each resource, as `-o DIR` writes them: name and text.
pub fn files(m: &ResMap) -> Result<Vec<(String, String)>, Error> {
    let namespaces: std::collections::BTreeSet<&str> =
        m.iter().map(|r| r.cur_id().effective_namespace()).filter(|ns| *ns != NOT_A_NAMESPACE).collect();
    let mut out = Vec::with_capacity(m.len());
    for res in m {
        let id = res.cur_id();
        let mut name = format!("{}_{}.yaml", id.gvk.joined().to_lowercase(), id.name.to_lowercase());
        if namespaces.len() > 1 && id.effective_namespace() != NOT_A_NAMESPACE {
            name = format!("{}_{name}", id.effective_namespace().to_lowercase());
        }
        let mut text = String::new();
        append(res, &mut text)?;
        out.push((name, text));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::MemTree;
    use crate::kustomize::{Options, build};

    fn built(resources: &str) -> ResMap {
        let files = [("kustomization.yaml", "resources: [r.yaml]\n"), ("r.yaml", resources)];
        let tree: MemTree = files.into_iter().map(|(p, t)| (p, t.as_bytes().to_vec())).collect();
        build(&tree, "", &Options::default()).unwrap().resources
    }

    #[test]
    fn file_names_have_the_namespace_only_if_there_are_several() {
        let object = |namespace: &str| {
            format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: A, namespace: {namespace}}}\n")
        };
        let namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n";
        let names = |text: &str| files(&built(text)).unwrap().into_iter().map(|f| f.0).collect::<Vec<_>>();
        assert_eq!(
            names(&format!("{}---\n{namespace}", object("x"))),
            ["v1_namespace_x.yaml", "apps_v1_deployment_a.yaml"]
        );
        assert_eq!(
            names(&format!("{}---\n{}", object("x"), object("y"))),
            ["x_apps_v1_deployment_a.yaml", "y_apps_v1_deployment_a.yaml"]
        );
    }

    #[test]
    fn annotations_become_strings_and_internal_ones_go() {
        let map = built(
            "kind: A\nmetadata:\n  name: x\n  annotations: {k: 1, config.kubernetes.io/path: a.yaml, \
             config.kubernetes.io/origin: b}\n",
        );
        assert_eq!(stream(&map).unwrap(), "kind: A\nmetadata:\n  annotations:\n    k: \"1\"\n  name: x\n");
    }
}
