//! From a tree to the configuration types, as `encoding/json` fills Go structs after `sigs.k8s.io/yaml` read them.
//!
//! Field names match without regard to case; `null` leaves the default; in strict mode an unknown field is an error
//! (kustomization.yaml, `configurations:`). Text fields take a number or a boolean only where the original converts
//! them ([`Mode::coerce`]: plugin configurations, not kustomization.yaml).

use std::collections::BTreeMap;

use super::error::Error;
use super::types::{
    FieldOptions, FieldSpec, GeneratorArgs, GeneratorOptions, HelmChart, HelmGlobals, Image, Label,
    LegacySortOptions, Patch, PatchArgs, Replacement, ReplacementField, Replica, Selector, SortOptions,
    SourceSelector, TargetSelector, Var, VarTarget,
};
use crate::yaml::{Node, Tag, Value};

/// How strictly to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// Unknown fields are errors.
    pub strict: bool,
    /// Numbers and booleans become text where text is wanted.
    pub coerce: bool,
}

impl Mode {
    /// kustomization.yaml.
    pub const KUSTOMIZATION: Self = Self { strict: true, coerce: false };
    /// `configurations:` files.
    pub const CONFIGURATION: Self = Self { strict: true, coerce: true };
    /// Plugin configurations and other files.
    pub const LENIENT: Self = Self { strict: false, coerce: true };
}

/// A type that can be filled from a tree.
pub trait Decode: Sized {
    /// Reads a value. `name` is the field's name for messages.
    fn decode(node: &Node, mode: Mode, name: &str) -> Result<Self, Error>;
}

/// What a node is, for messages.
fn what(node: &Node) -> &'static str {
    match &node.value {
        Value::Mapping(_) => "an object",
        Value::Sequence(_) => "a list",
        Value::Scalar(s) => match s.tag {
            Tag::Null => "null",
            Tag::Bool => "a boolean",
            Tag::Int | Tag::Float => "a number",
            _ => "text",
        },
    }
}

fn wrong(node: &Node, name: &str, wanted: &str) -> Error {
    Error::new(format!("field '{name}' must be {wanted}, but it is {}", what(node))).at_line(node.pos.line)
}

impl Decode for String {
    fn decode(node: &Node, mode: Mode, name: &str) -> Result<Self, Error> {
        let Value::Scalar(s) = &node.value else { return Err(wrong(node, name, "text")) };
        match s.tag {
            Tag::Null => Ok(Self::new()),
            Tag::Bool | Tag::Int | Tag::Float if mode.coerce => Ok(scalar_text(&s.tag, &s.text)),
            Tag::Bool | Tag::Int | Tag::Float => {
                Err(wrong(node, name, "text").hint(format!("quote it: \"{}\"", s.text)))
            }
            _ => Ok(s.text.to_string()),
        }
    }
}

/// A number or boolean as Go prints it.
fn scalar_text(tag: &Tag, text: &str) -> String {
    match tag {
        Tag::Bool => is_true(text).to_string(),
        _ => text.to_owned(),
    }
}

fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on" | "y")
}

impl Decode for bool {
    fn decode(node: &Node, _: Mode, name: &str) -> Result<Self, Error> {
        match &node.value {
            Value::Scalar(s) if s.tag == Tag::Null => Ok(false),
            Value::Scalar(s) if s.tag == Tag::Bool => Ok(is_true(&s.text)),
            _ => Err(wrong(node, name, "true or false")),
        }
    }
}

impl Decode for i64 {
    fn decode(node: &Node, _: Mode, name: &str) -> Result<Self, Error> {
        match &node.value {
            Value::Scalar(s) if s.tag == Tag::Null => Ok(0),
            Value::Scalar(s) if matches!(s.tag, Tag::Int | Tag::Float) => {
                s.text.parse().map_err(|_| wrong(node, name, "a whole number"))
            }
            _ => Err(wrong(node, name, "a whole number")),
        }
    }
}

impl Decode for Node {
    fn decode(node: &Node, _: Mode, _: &str) -> Result<Self, Error> {
        Ok(node.clone())
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node, mode: Mode, name: &str) -> Result<Self, Error> {
        if node.is_null() { Ok(None) } else { T::decode(node, mode, name).map(Some) }
    }
}

impl<T: Decode + Default> Decode for Vec<T> {
    fn decode(node: &Node, mode: Mode, name: &str) -> Result<Self, Error> {
        match &node.value {
            Value::Sequence(items) => items
                .iter()
                .map(|item| if item.is_null() { Ok(T::default()) } else { T::decode(item, mode, name) })
                .collect(),
            _ if node.is_null() => Ok(Self::new()),
            _ => Err(wrong(node, name, "a list")),
        }
    }
}

impl<T: Decode + Default> Decode for BTreeMap<String, T> {
    fn decode(node: &Node, mode: Mode, name: &str) -> Result<Self, Error> {
        match &node.value {
            Value::Mapping(m) => m
                .entries
                .iter()
                .map(|e| {
                    let key = e.key.text().unwrap_or_default();
                    let value = if e.value.is_null() {
                        T::default()
                    } else {
                        T::decode(&e.value, mode, &format!("{name}.{key}"))?
                    };
                    Ok((key.to_owned(), value))
                })
                .collect(),
            _ if node.is_null() => Ok(Self::new()),
            _ => Err(wrong(node, name, "an object")),
        }
    }
}

/// The entries of an object in the order in which Go's decoder meets them, or `None` for null.
pub(super) fn entries<'a>(node: &'a Node, name: &str) -> Result<Option<Vec<(&'a str, &'a Node)>>, Error> {
    match &node.value {
        Value::Mapping(m) => {
            let mut all: Vec<_> =
                m.entries.iter().map(|e| (e.key.text().unwrap_or_default(), &e.value)).collect();
            all.sort_by_key(|(key, _)| *key);
            Ok(Some(all))
        }
        _ if node.is_null() => Ok(None),
        _ => Err(wrong(node, name, "an object")),
    }
}

/// An unknown field in strict mode.
pub(super) fn unknown(name: &str, key: &str, node: &Node, known: &[&str]) -> Error {
    let line = match &node.value {
        Value::Mapping(m) => {
            m.entries.iter().find(|e| e.key.text() == Some(key)).map_or(0, |e| e.key.pos.line)
        }
        _ => node.pos.line,
    };
    let e = Error::new(format!("unknown field \"{key}\" in {name}")).at_line(line);
    match nearest(key, known) {
        Some(near) => e.hint(format!("did you mean '{near}'?")),
        None => e,
    }
}

/// The known name that differs in the fewest letters, if it is close.
fn nearest<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|k| (distance(&key.to_lowercase(), &k.to_lowercase()), *k))
        .filter(|(d, k)| *d <= 1 + k.len() / 5)
        .min()
        .map(|(_, k)| k)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut left = i + 1;
        let mut diagonal = i;
        for (j, y) in b.iter().enumerate() {
            let up = row[j + 1];
            let next = (diagonal + usize::from(x != *y)).min(up + 1).min(left + 1);
            diagonal = up;
            left = next;
            row[j + 1] = next;
        }
        row[0] = i + 1;
    }
    row[b.len()]
}

/// `decodes!(Type, "name in messages", { "field" => place.in.type, ... })`.
macro_rules! decodes {
    ($ty:ty, $what:literal, { $($key:literal => $($f:ident).+),* $(,)? } $(line $line:ident)?) => {
        impl $crate::kustomize::decode::Decode for $ty {
            fn decode(
                node: &$crate::yaml::Node,
                mode: $crate::kustomize::decode::Mode,
                name: &str,
            ) -> Result<Self, $crate::kustomize::error::Error> {
                let mut out = Self::default();
                $(out.$line = node.pos.line;)?
                let Some(entries) = $crate::kustomize::decode::entries(node, name)? else { return Ok(out) };
                for (key, value) in entries {
                    match key {
                        $(_ if key.eq_ignore_ascii_case($key) => {
                            if !value.is_null() {
                                out.$($f).+ = $crate::kustomize::decode::Decode::decode(value, mode, key)?;
                            }
                        })*
                        _ if mode.strict => {
                            return Err($crate::kustomize::decode::unknown($what, key, node, &[$($key),*]));
                        }
                        _ => {}
                    }
                }
                Ok(out)
            }
        }
    };
}
pub(super) use decodes;

decodes!(FieldSpec, "a field spec", {
    "group" => gvk.group, "version" => gvk.version, "kind" => gvk.kind, "path" => path, "create" => create,
});
decodes!(Selector, "a selector", {
    "group" => id.gvk.group, "version" => id.gvk.version, "kind" => id.gvk.kind, "name" => id.name,
    "namespace" => id.namespace, "annotationSelector" => annotation_selector, "labelSelector" => label_selector,
});
decodes!(PatchArgs, "patch options", {
    "allowNameChange" => allow_name_change, "allowKindChange" => allow_kind_change,
});
decodes!(Patch, "a patch", {
    "path" => path, "patch" => patch, "target" => target, "options" => options,
} line line);
decodes!(Image, "an image", {
    "name" => name, "newName" => new_name, "tagSuffix" => tag_suffix, "newTag" => new_tag, "digest" => digest,
});
decodes!(Replica, "replicas", { "name" => name, "count" => count });
decodes!(Label, "labels", {
    "pairs" => pairs, "includeSelectors" => include_selectors, "includeTemplates" => include_templates,
    "fields" => fields,
});
decodes!(FieldOptions, "field options", {
    "delimiter" => delimiter, "index" => index, "encoding" => encoding, "create" => create,
});
decodes!(SourceSelector, "a replacement source", {
    "group" => id.gvk.group, "version" => id.gvk.version, "kind" => id.gvk.kind, "name" => id.name,
    "namespace" => id.namespace, "fieldPath" => field_path, "options" => options,
});
decodes!(TargetSelector, "a replacement target", {
    "select" => select, "reject" => reject, "fieldPaths" => field_paths, "options" => options,
});
decodes!(Replacement, "a replacement", {
    "source" => source, "targets" => targets, "sourceValue" => source_value,
});
decodes!(ReplacementField, "a replacement", {
    "source" => replacement.source, "targets" => replacement.targets, "sourceValue" => replacement.source_value,
    "path" => path,
});
decodes!(GeneratorOptions, "generator options", {
    "labels" => labels, "annotations" => annotations, "disableNameSuffixHash" => disable_name_suffix_hash,
    "immutable" => immutable,
});
decodes!(SortOptions, "sort options", { "order" => order, "legacySortOptions" => legacy });
decodes!(LegacySortOptions, "legacy sort options", { "orderFirst" => order_first, "orderLast" => order_last });
decodes!(HelmGlobals, "helm globals", { "chartHome" => chart_home, "configHome" => config_home });
decodes!(HelmChart, "a helm chart", {
    "name" => name, "version" => version, "repo" => repo, "releaseName" => release_name, "namespace" => namespace,
    "additionalValuesFiles" => additional_values_files, "valuesFile" => values_file,
    "valuesInline" => values_inline, "valuesMerge" => values_merge, "includeCRDs" => include_crds,
    "skipHooks" => skip_hooks, "apiVersions" => api_versions, "kubeVersion" => kube_version,
    "nameTemplate" => name_template, "skipTests" => skip_tests, "debug" => debug, "devel" => devel,
} line line);

/// `configMapGenerator` entries have no `type`; both have the deprecated `env`.
#[derive(Debug, Default)]
pub(super) struct ConfigMapArgs(pub(super) GeneratorArgs);
/// `secretGenerator` entries.
#[derive(Debug, Default)]
pub(super) struct SecretArgs(pub(super) GeneratorArgs);

#[derive(Debug, Default)]
struct RawArgs {
    args: GeneratorArgs,
    env: String,
}

decodes!(RawArgs, "a generator", {
    "namespace" => args.namespace, "name" => args.name, "behavior" => args.behavior, "literals" => args.literals,
    "files" => args.files, "envs" => args.envs, "env" => env, "options" => args.options, "type" => args.secret_type,
});

fn generator(node: &Node, mode: Mode, name: &str) -> Result<GeneratorArgs, Error> {
    // The original converts numbers to text only where it finds the text field, which it does not in embedded structs.
    let mode = Mode { coerce: false, ..mode };
    let RawArgs { mut args, env } = RawArgs::decode(node, mode, name)?;
    if !env.is_empty() {
        args.envs.push(env);
    }
    args.line = node.pos.line;
    Ok(args)
}

impl Decode for ConfigMapArgs {
    fn decode(node: &Node, mode: Mode, name: &str) -> Result<Self, Error> {
        if mode.strict
            && let Some(m) = node.as_map()
            && let Some(e) =
                m.entries.iter().find(|e| e.key.text().is_some_and(|k| k.eq_ignore_ascii_case("type")))
        {
            return Err(Error::new("unknown field \"type\" in a ConfigMap generator")
                .at_line(e.key.pos.line)
                .hint("only secretGenerator entries have a type"));
        }
        generator(node, mode, name).map(Self)
    }
}

impl Decode for SecretArgs {
    fn decode(node: &Node, mode: Mode, name: &str) -> Result<Self, Error> {
        generator(node, mode, name).map(Self)
    }
}

#[derive(Debug, Default)]
struct RawTarget {
    api_version: String,
    target: VarTarget,
}

decodes!(RawTarget, "a variable's objref", {
    "apiVersion" => api_version, "group" => target.gvk.group, "version" => target.gvk.version,
    "kind" => target.gvk.kind, "name" => target.name, "namespace" => target.namespace,
});

impl Decode for VarTarget {
    fn decode(node: &Node, mode: Mode, name: &str) -> Result<Self, Error> {
        let RawTarget { api_version, mut target } = RawTarget::decode(node, mode, name)?;
        match api_version.split('/').collect::<Vec<_>>().as_slice() {
            [group, version] => {
                target.gvk.group = (*group).to_owned();
                target.gvk.version = (*version).to_owned();
            }
            [version] if !version.is_empty() => target.gvk.version = (*version).to_owned(),
            _ => {}
        }
        Ok(target)
    }
}

#[derive(Debug, Default)]
struct FieldRef {
    field_path: String,
}

decodes!(FieldRef, "a variable's fieldref", { "fieldPath" => field_path });

#[derive(Debug, Default)]
struct RawVar {
    name: String,
    obj_ref: VarTarget,
    field_ref: FieldRef,
}

decodes!(RawVar, "a variable", { "name" => name, "objref" => obj_ref, "fieldref" => field_ref });

impl Decode for Var {
    fn decode(node: &Node, mode: Mode, name: &str) -> Result<Self, Error> {
        let raw = RawVar::decode(node, mode, name)?;
        let mut field_path = raw.field_ref.field_path;
        if field_path.is_empty() {
            field_path = "metadata.name".to_owned();
        }
        Ok(Self { name: raw.name, obj_ref: raw.obj_ref, field_path })
    }
}
