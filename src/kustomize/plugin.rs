//! `generators:`, `transformers:`, `validators:`: the built-in plugins configured as resources.
//!
//! A plugin's configuration is an object with `apiVersion: builtin`. Anything else would be an external program or
//! container, which retune does not run.

use super::decode::{Decode, Mode, decodes};
use super::error::Error;
use super::generator::{self, Generated};
use super::hash;
use super::helm::Inflation;
use super::iam::IamPolicy;
use super::image::Images;
use super::kustomization::ObjectMeta;
use super::labels::{Annotations, Labels};
use super::loader::Loader;
use super::name::{Affix, End};
use super::namespace::Namespace;
use super::patch::{Json6902, Patches, StrategicMerges};
use super::replacement::Replacements;
use super::replicas::Replicas;
use super::resmap::ResMap;
use super::resource::Resource;
use super::transform::{Ctx, Transformer};
use super::types::{
    FsSlice, GeneratorArgs, HelmChart, HelmGlobals, Image, Patch, PatchArgs, ReplacementField, Replica,
    Selector, StringMap,
};
use super::valueadd::ValueAdd;
use crate::yaml::{self, Node};

/// A plugin ready to run.
pub enum Plugin<'t> {
    /// Makes a ConfigMap or Secret.
    Generator(Generated, Box<GeneratorArgs>),
    /// Makes a service account for a cloud provider.
    Iam(Box<IamPolicy>),
    /// Renders a chart.
    Helm(Box<Inflation<'t>>),
    /// Changes resources.
    Transformer(Box<dyn Transformer>),
}

/// Adds hashes to names in the middle of the build.
struct Hashes;

impl Transformer for Hashes {
    fn transform(&self, m: &mut ResMap, _: &Ctx<'_>) -> Result<(), Error> {
        hash::add_to_names(m)
    }
}

/// Several transformers as one.
struct Chain(Vec<Box<dyn Transformer>>);

impl Transformer for Chain {
    fn transform(&self, m: &mut ResMap, ctx: &Ctx<'_>) -> Result<(), Error> {
        self.0.iter().try_for_each(|t| t.transform(m, ctx))
    }
}

#[derive(Debug, Default)]
struct Fields {
    meta: ObjectMeta,
    text: String,
    suffix: String,
    map: StringMap,
    specs: Option<FsSlice>,
    image: Image,
    replica: Replica,
    unset_only: bool,
    subjects: String,
    target: Option<Selector>,
    path: String,
    patch: String,
    paths: Vec<String>,
    options: PatchArgs,
    replacements: Vec<ReplacementField>,
}

/// Reads only the fields that a plugin names.
macro_rules! config {
    ($name:ident { $($key:literal => $($f:ident).+),* $(,)? }) => {{
        #[derive(Debug, Default)]
        struct $name { f: Fields }
        decodes!($name, "a plugin configuration", { $($key => f.$($f).+),* });
        |node: &Node| $name::decode(node, Mode::LENIENT, "plugin").map(|c| c.f)
    }};
}

/// Makes the plugin that a resource configures.
pub fn configure<'t>(
    res: &Resource,
    loader: &Loader<'t>,
    alpha_plugins: bool,
    helm: &super::helm::HelmOptions<'_>,
) -> Result<Plugin<'t>, Error> {
    let gvk = res.gvk();
    let at = |e: Error| {
        e.at_line(res.node.pos.line)
            .at(&res.file, 0)
            .context(format!("plugin {} fails configuration", res.org_id()))
    };
    if gvk.group.is_empty() && gvk.version == "builtin" {
        let json = yaml::json::to_json(&res.node, false).and_then(|text| yaml::json::from_json(&text));
        let node = json.map_err(|e| at(super::kustomization::from_yaml(&e)))?;
        return builtin(gvk.kind, &node, loader, helm).map_err(at);
    }
    let e = if alpha_plugins {
        Error::unsupported(format!(
            "{} is an external plugin or function: retune runs no programs or containers",
            res.org_id()
        ))
        .hint("use a built-in transformer ('apiVersion: builtin'), or render it beforehand")
    } else {
        Error::new(format!(
            "external plugins disabled; unable to load external plugin '{}'",
            res.org_id().gvk.kind
        ))
        .hint("only 'apiVersion: builtin' is allowed here")
    };
    Err(e.at(&res.file, res.node.pos.line))
}

fn builtin<'t>(
    kind: &str,
    node: &Node,
    loader: &Loader<'t>,
    helm: &super::helm::HelmOptions<'_>,
) -> Result<Plugin<'t>, Error> {
    Ok(match kind {
        "ConfigMapGenerator" => generator(Generated::ConfigMap, node)?,
        "SecretGenerator" => generator(Generated::Secret, node)?,
        "IAMPolicyGenerator" => Plugin::Iam(Box::new(IamPolicy::decode(node, Mode::LENIENT, "plugin")?)),
        "HelmChartInflationGenerator" => {
            let chart = HelmChart::decode(node, Mode::LENIENT, "plugin")?;
            let globals = HelmGlobals::decode(node, Mode::LENIENT, "plugin")?;
            Plugin::Helm(Box::new(Inflation::configure(chart, &globals, helm, loader)?))
        }
        _ => Plugin::Transformer(transformer(kind, node, loader)?),
    })
}

fn generator<'t>(what: Generated, node: &Node) -> Result<Plugin<'t>, Error> {
    let mut args = super::decode::SecretArgs::decode(node, Mode::LENIENT, "plugin")?.0;
    let meta = config!(Meta { "metadata" => meta })(node)?.meta;
    if args.name.is_empty() {
        args.name = meta.name;
    }
    if args.namespace.is_empty() {
        args.namespace = meta.namespace;
    }
    Ok(Plugin::Generator(what, Box::new(args)))
}

fn affix(end: End, text: String, specs: Option<FsSlice>) -> Result<Box<dyn Transformer>, Error> {
    let field_specs = specs.ok_or_else(|| {
        Error::new("fieldSpecs is not expected to be nil")
            .hint("list the fields: fieldSpecs: [{path: metadata/name}]")
    })?;
    Ok(Box::new(Affix { end, text, field_specs }))
}

fn transformer(kind: &str, node: &Node, loader: &Loader<'_>) -> Result<Box<dyn Transformer>, Error> {
    Ok(match kind {
        "AnnotationsTransformer" => {
            let f = config!(C { "annotations" => map, "fieldSpecs" => specs })(node)?;
            Box::new(Annotations { annotations: f.map, field_specs: f.specs.unwrap_or_default() })
        }
        "LabelTransformer" => {
            let f = config!(C { "labels" => map, "fieldSpecs" => specs })(node)?;
            Box::new(Labels { labels: f.map, field_specs: f.specs.unwrap_or_default() })
        }
        "HashTransformer" => Box::new(Hashes),
        "ImageTagTransformer" => {
            let f = config!(C { "imageTag" => image, "fieldSpecs" => specs })(node)?;
            Box::new(Images { image: f.image, field_specs: f.specs.unwrap_or_default() })
        }
        "NamespaceTransformer" => {
            let f = config!(C {
                "metadata" => meta, "fieldSpecs" => specs, "unsetOnly" => unset_only,
                "setRoleBindingSubjects" => subjects,
            })(node)?;
            if !matches!(f.subjects.as_str(), "" | "defaultOnly" | "allServiceAccounts" | "none") {
                return Err(Error::new(format!(
                    "invalid value \"{}\" for setRoleBindingSubjects: must be one of \"defaultOnly\", \"none\" or \
                     \"allServiceAccounts\"",
                    f.subjects
                )));
            }
            Box::new(Namespace {
                namespace: f.meta.namespace,
                field_specs: f.specs.unwrap_or_default(),
                unset_only: f.unset_only,
                subjects: f.subjects,
            })
        }
        "PatchJson6902Transformer" => {
            let f = config!(C { "target" => target, "path" => path, "jsonOp" => patch })(node)?;
            Box::new(Json6902 { target: f.target, path: f.path, json_op: f.patch, line: 0 })
        }
        "PatchStrategicMergeTransformer" => {
            let f = config!(C { "paths" => paths, "patches" => patch })(node)?;
            Box::new(StrategicMerges { paths: f.paths, patches: f.patch })
        }
        "PatchTransformer" => {
            let f = config!(C {
                "path" => path, "patch" => patch, "target" => target, "options" => options,
            })(node)?;
            let patch = Patch { path: f.path, patch: f.patch, target: f.target, options: f.options, line: 0 };
            Box::new(Patches { patches: vec![patch] })
        }
        "PrefixTransformer" => {
            let f = config!(C { "prefix" => text, "fieldSpecs" => specs })(node)?;
            affix(End::Prefix, f.text, f.specs)?
        }
        "SuffixTransformer" => {
            let f = config!(C { "suffix" => suffix, "fieldSpecs" => specs })(node)?;
            affix(End::Suffix, f.suffix, f.specs)?
        }
        "PrefixSuffixTransformer" => {
            let f = config!(C { "prefix" => text, "suffix" => suffix, "fieldSpecs" => specs })(node)?;
            Box::new(Chain(vec![
                affix(End::Prefix, f.text, f.specs.clone())?,
                affix(End::Suffix, f.suffix, f.specs)?,
            ]))
        }
        "ReplacementTransformer" => {
            let f = config!(C { "replacements" => replacements })(node)?;
            Box::new(Replacements { replacements: f.replacements })
        }
        "ReplicaCountTransformer" => {
            let f = config!(C { "replica" => replica, "fieldSpecs" => specs })(node)?;
            Box::new(Replicas { replica: f.replica, field_specs: f.specs.unwrap_or_default() })
        }
        "ValueAddTransformer" => Box::new(ValueAdd::configure(node, loader.root(), loader)?),
        _ => {
            return Err(Error::new(format!("unable to load builtin {kind}"))
                .hint("docs/kustomize.md lists the built-in plugins"));
        }
    })
}

impl Plugin<'_> {
    /// The resources that a generator makes; `None` if this is a transformer.
    pub fn generate(
        &self,
        loader: &Loader<'_>,
        helm: &super::helm::HelmOptions<'_>,
    ) -> Option<Result<ResMap, Error>> {
        let one = |res: Resource| {
            let mut m = ResMap::new();
            m.push(res);
            m
        };
        match self {
            Self::Generator(what, args) => Some(generator::generate(*what, args, loader).map(one)),
            Self::Iam(policy) => Some(policy.generate().map(|nodes| {
                let mut m = ResMap::new();
                nodes.into_iter().for_each(|node| m.push(Resource::new(node)));
                m
            })),
            Self::Helm(inflation) => Some(inflation.generate(helm)),
            Self::Transformer(_) => None,
        }
    }
}
