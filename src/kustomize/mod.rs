//! kustomize v5.8.1: kustomizations in, resources out, byte for byte.
//!
//! [`build`] is a pure function over a [`FileTree`]: it reads files through the tree, asks [`Remote`] and [`Helm`] for
//! what is not in it, and gives the resources in output order. docs/kustomize.md lists what is supported.
//!
//! The way of a build, module by module: [`loader`] and [`kustomization`] read a folder; `accumulate` runs a layer on
//! top of those below it; [`read`], [`generator`], [`helm`] and [`plugin`] bring resources into the [`resmap`];
//! `pipeline` puts the transformers in order ([`patch`], [`namespace`], [`name`], [`labels`], [`replicas`], [`image`],
//! [`replacement`]); at the end of the root [`hash`], [`nameref`] and [`vars`] settle names, [`sort`] the order and
//! [`output`] the text. It follows `api/krusty` and `api/internal/target` of the original.

use crate::files::FileTree;

mod accumulate;
pub mod config;
pub mod crds;
pub mod decode;
pub mod defaults;
pub mod error;
pub mod fieldpath;
pub mod fieldspec;
pub mod generator;
pub mod gvk;
pub mod hash;
pub mod helm;
pub mod iam;
pub mod image;
pub mod json6902;
pub mod kustomization;
pub mod kv;
pub mod labels;
pub mod labelselector;
pub mod loader;
pub mod memory;
pub mod merge;
pub(crate) mod merge_list;
pub mod name;
pub mod nameref;
pub mod namespace;
pub mod origin;
pub mod output;
pub mod patch;
pub mod pattern;
mod pipeline;
pub mod plugin;
pub mod read;
pub mod replacement;
pub mod replicas;
pub mod repospec;
pub mod resmap;
pub mod resource;
pub mod scalar;
pub mod schema;
pub mod scope;
pub mod select;
mod session;
pub mod share;
pub mod sort;
pub(crate) mod tables;
pub mod transform;
pub mod types;
pub mod valueadd;
pub mod variables;
pub mod vars;
pub(crate) mod yamltext;

pub use error::Error;
pub use helm::{Helm, HelmOptions};
pub use loader::Remote;
pub use resmap::ResMap;
pub use resource::Resource;

use accumulate::{Accumulator, Target};
use loader::Loader;
use session::Session;
use transform::{Ctx, Transformer as _};
use types::{FieldSpec, SortOptions, StringMap};

/// The version whose output is reproduced, as the managed-by label names it.
pub const VERSION: &str = "v5.8.1";

/// The annotation that keeps a resource out of the output.
const LOCAL_CONFIG: &str = "config.kubernetes.io/local-config";

/// What the caller decides about a build.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Files must be in or below the folder of the kustomization that names them.
    pub restricted: bool,
    /// `--enable-alpha-plugins`.
    pub alpha_plugins: bool,
    /// `--enable-managedby-label`.
    pub managed_by_label: bool,
    /// What charts are rendered with.
    pub helm: HelmOptions<'a>,
    /// What reaches remotes.
    pub remote: Option<&'a dyn Remote>,
    /// What stands before tree paths in messages: `/` for a tree that starts at the file system's root.
    pub shown_root: &'a str,
    /// Keep the accumulated order if the kustomization does not say (`--reorder none`).
    pub fifo: bool,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            restricted: true,
            alpha_plugins: false,
            managed_by_label: false,
            helm: HelmOptions::default(),
            remote: None,
            shown_root: "",
            fifo: false,
        }
    }
}

/// A finished build.
#[derive(Debug, Clone)]
pub struct Build {
    /// The resources in output order.
    pub resources: ResMap,
    /// What the original prints to stderr, one line each.
    pub warnings: Vec<String>,
}

impl Build {
    /// The bytes that `kustomize build` prints.
    pub fn to_yaml(&self) -> Result<String, Error> {
        output::stream(&self.resources)
    }
}

/// Builds the kustomization in the folder `path` of `tree`.
///
/// # Errors
/// Whatever the original refuses, with file, line and a hint; and what is unsupported, named.
pub fn build(tree: &dyn FileTree, path: &str, options: &Options<'_>) -> Result<Build, Error> {
    let mut warnings = Vec::new();
    let resources = build_noting(tree, path, options, &mut warnings)?;
    Ok(Build { resources, warnings })
}

/// [`build`] for a caller that wants the warnings of a build that fails, too.
///
/// # Errors
/// As [`build`].
pub fn build_noting(
    tree: &dyn FileTree,
    path: &str,
    options: &Options<'_>,
    warnings: &mut Vec<String>,
) -> Result<ResMap, Error> {
    let mut session = Session::new(options);
    let built = run(tree, path, &mut session);
    *warnings = session.warnings;
    built
}

fn run(tree: &dyn FileTree, path: &str, session: &mut Session<'_>) -> Result<ResMap, Error> {
    let options = session.options;
    if repospec::RepoSpec::is_forced(path) {
        session.warnings.push(accumulate::FORCED_GIT.to_owned());
    }
    let loader = Loader::new(tree, path, options.restricted, options.remote, options.shown_root)?;
    let mut target = Target::load(loader, session)?;
    session.set_schema(&target, true)?;
    let metadata = target.kust.build_metadata.clone();
    let wants = |option: &str| metadata.iter().any(|m| m == option);
    if !metadata.is_empty() {
        target.origin = Some(origin::Origin::default());
    }
    let mut acc = target.accumulate(Accumulator::default(), session)?;
    hash::add_to_names(&mut acc.map)?;
    nameref::fix(&mut acc.map, &acc.config.name_reference)?;
    resolve_vars(&mut acc, session).map_err(|e| e.at(target.file(), 0))?;
    let mut map = drop_local(acc.map)?;
    let fifo = SortOptions { order: "fifo".to_owned(), legacy: None };
    let order = target.kust.sort_options.as_ref().or(options.fifo.then_some(&fifo));
    sort::sort(&mut map, order).map_err(|e| e.at(target.file(), 0))?;
    if options.managed_by_label || wants("managedByLabel") {
        let label = ("app.kubernetes.io/managed-by".to_owned(), format!("kustomize-{VERSION}"));
        let field = FieldSpec { path: "metadata/labels".to_owned(), create: true, ..FieldSpec::default() };
        let labels = labels::Labels { labels: StringMap::from([label]), field_specs: vec![field] };
        labels.transform(&mut map, &Ctx { files: &target.loader, schema: &session.schema })?;
    }
    output::clean(&mut map, wants("originAnnotations"), wants("transformerAnnotations"));
    Ok(map)
}

fn resolve_vars(acc: &mut Accumulator, session: &mut Session<'_>) -> Result<(), Error> {
    if acc.vars.is_empty() {
        return Ok(());
    }
    let values = acc.vars.values(&acc.map)?;
    let unused = vars::substitute(&mut acc.map, &values, &acc.config.var_reference)?;
    if !unused.is_empty() {
        session.warnings.push(format!("well-defined vars that were never replaced: {}", unused.join(",")));
    }
    Ok(())
}

/// Drops resources that are for the build only. Identities must be settled by now: equal ones are refused here.
fn drop_local(map: ResMap) -> Result<ResMap, Error> {
    let mut out = ResMap::new();
    for res in map.into_list() {
        if res.is_empty() {
            continue;
        }
        read::check_identity(&res.node).map_err(|e| e.at(&res.file, 0))?;
        if res.annotation(LOCAL_CONFIG).is_none_or(|value| value == "false") {
            out.append(res)?;
        }
    }
    Ok(out)
}
