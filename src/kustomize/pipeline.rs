//! The built-in transformers of a kustomization in their fixed order.

use super::accumulate::Target;
use super::config::{Config, merge_all, merge_one};
use super::error::Error;
use super::image::{Images, Series};
use super::labels::{Annotations, Labels};
use super::name::{Affix, End};
use super::namespace::Namespace;
use super::origin::Origin;
use super::patch::{Json6902, Patches, StrategicMerges};
use super::replacement::Replacements;
use super::replicas::Replicas;
use super::transform::Transformer;
use super::types::{FieldSpec, FsSlice, Label};

/// A transformer with what is noted about it.
pub(super) struct Step {
    pub(super) transformer: Box<dyn Transformer>,
    pub(super) origin: Option<Origin>,
    /// Line of its entry in the kustomization, 0 if there is none.
    pub(super) line: u32,
}

/// The transformers that the kustomization's fields ask for.
pub(super) fn builtins(target: &Target<'_>, config: &Config) -> Result<Vec<Step>, Error> {
    let k = &target.kust;
    let mut steps = Vec::new();
    let mut add = |kind: &str, line: u32, transformer: Box<dyn Transformer>| {
        steps.push(Step { transformer, origin: target.builtin_origin(kind), line });
    };
    if !k.patches_strategic_merge.is_empty() {
        let paths = k.patches_strategic_merge.clone();
        let merges = StrategicMerges { paths, patches: String::new() };
        add("PatchStrategicMergeTransformer", 0, Box::new(merges));
    }
    for patch in &k.patches {
        add("PatchTransformer", patch.line, Box::new(Patches { patches: vec![patch.clone()] }));
    }
    if !k.namespace.is_empty() {
        let namespace = Namespace {
            namespace: k.namespace.clone(),
            field_specs: config.namespace.clone(),
            unset_only: false,
            subjects: String::new(),
        };
        add("NamespaceTransformer", 0, Box::new(namespace));
    }
    for (kind, end, text, specs) in [
        ("PrefixTransformer", End::Prefix, &k.name_prefix, &config.name_prefix),
        ("SuffixTransformer", End::Suffix, &k.name_suffix, &config.name_suffix),
    ] {
        if !text.is_empty() {
            add(kind, 0, Box::new(Affix { end, text: text.clone(), field_specs: specs.clone() }));
        }
    }
    if !k.labels.is_empty() || !k.common_labels.is_empty() {
        for label in &k.labels {
            let field_specs = label_fields(label, config).map_err(|e| e.at(target.file(), 0))?;
            add("LabelTransformer", 0, Box::new(Labels { labels: label.pairs.clone(), field_specs }));
        }
        let common = Labels { labels: k.common_labels.clone(), field_specs: config.common_labels.clone() };
        add("LabelTransformer", 0, Box::new(common));
    }
    if !k.common_annotations.is_empty() {
        let annotations = Annotations {
            annotations: k.common_annotations.clone(),
            field_specs: config.common_annotations.clone(),
        };
        add("AnnotationsTransformer", 0, Box::new(annotations));
    }
    for patch in &k.patches_json6902 {
        let json = Json6902 {
            target: patch.target.clone(),
            path: patch.path.clone(),
            json_op: patch.patch.clone(),
            line: patch.line,
        };
        add("PatchJson6902Transformer", patch.line, Box::new(json));
    }
    for replica in &k.replicas {
        let replicas = Replicas { replica: replica.clone(), field_specs: config.replicas.clone() };
        add("ReplicaCountTransformer", 0, Box::new(replicas));
    }
    let mut images = Vec::new();
    for image in &k.images {
        images.push(Images { image: image.clone(), field_specs: config.images.clone() });
    }
    if target.origin.is_none() && !images.is_empty() {
        add("ImageTagTransformer", 0, Box::new(Series(images)));
    } else {
        // Every entry is noted on the resources as a transformation of its own.
        images.into_iter().for_each(|entry| add("ImageTagTransformer", 0, Box::new(entry)));
    }
    if !k.replacements.is_empty() {
        let replacements = Replacements { replacements: k.replacements.clone() };
        add("ReplacementTransformer", 0, Box::new(replacements));
    }
    Ok(steps)
}

/// The fields that an entry of `labels` sets.
fn label_fields(label: &Label, config: &Config) -> Result<FsSlice, Error> {
    let mut specs = label.fields.clone();
    merge_all(&mut specs, &config.labels)?;
    if label.include_selectors {
        merge_all(&mut specs, &config.common_labels)?;
    } else {
        if label.include_templates {
            merge_all(&mut specs, &config.template_labels)?;
        }
        let metadata = FieldSpec { path: "metadata/labels".to_owned(), create: true, ..FieldSpec::default() };
        merge_one(&mut specs, &metadata)?;
    }
    Ok(specs)
}
