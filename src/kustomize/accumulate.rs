//! One kustomization and everything below it: what is read, made and changed, and in which order.
//!
//! Resources, configurations, CRDs, generators, components, transformers, validators, variables: the original's order,
//! whatever the order in the file. A component works on what its parent has accumulated so far.

use std::sync::Arc;

use super::config::Config;
use super::crds;
use super::error::{Error, Kind};
use super::generator::Generated;
use super::helm::Inflation;
use super::kustomization::{self, COMPONENT, FILE_NAMES, Kustomization};
use super::loader::{Loader, Target as Found, is_remote_file};
use super::origin::{self, ORIGIN_KEY, Origin};
use super::pipeline;
use super::plugin::{self, Plugin};
use super::read;
use super::repospec::RepoSpec;
use super::resmap::ResMap;
use super::session::Session;
use super::transform::{Ctx, Files as _};
use super::variables::VarSet;

/// How deep kustomizations may include each other.
const MAX_DEPTH: usize = 200;

/// What the original says about the prefix `git::`.
pub(super) const FORCED_GIT: &str = "Warning: Forcing the git protocol using the 'git::' URL prefix is not supported. \
     Kustomize currently strips this invalid prefix, but will stop doing so in a future release. \
     Please remove the 'git::' prefix from your configuration.";

/// Label that validators may set.
const VALIDATED_BY: &str = "validated-by";

/// What a layer and those below it have given so far.
#[derive(Default)]
pub(super) struct Accumulator {
    pub(super) map: ResMap,
    pub(super) config: Arc<Config>,
    pub(super) vars: VarSet,
}

impl Accumulator {
    fn merge(&mut self, other: Self) -> Result<(), Error> {
        self.map.append_all(other.map)?;
        self.config = Config::merge_shared(&self.config, &other.config)?;
        self.vars.merge(other.vars)
    }
}

/// A kustomization with its folder.
pub(super) struct Target<'t> {
    pub(super) kust: Kustomization,
    pub(super) loader: Loader<'t>,
    /// `kustomization.yaml` or another of its names.
    file_name: &'static str,
    /// That file's path for messages.
    file: String,
    pub(super) origin: Option<Origin>,
    /// Namespace of the layers above, for charts.
    helm_namespace: String,
    depth: usize,
}

impl<'t> Target<'t> {
    /// Reads the kustomization in the loader's folder.
    pub(super) fn load(loader: Loader<'t>, session: &mut Session<'_>) -> Result<Self, Error> {
        let mut found = None;
        for name in FILE_NAMES {
            match loader.load(name) {
                Ok(file) => {
                    if found.replace((name, file)).is_some() {
                        return Err(Error::new(format!(
                            "Found multiple kustomization files under: {}",
                            loader.shown_root()
                        ))
                        .at(&loader.join(name).unwrap_or_else(|_| name.to_string()), 0)
                        .hint(format!("keep one of {}", FILE_NAMES.join(", "))));
                    }
                }
                Err(e) if matches!(e.kind(), Kind::NotFound | Kind::Restricted) => {}
                Err(e) => return Err(e),
            }
        }
        let Some((file_name, (bytes, file))) = found else {
            return Err(Error::of(
                Kind::NotFound,
                format!(
                    "unable to find one of 'kustomization.yaml', 'kustomization.yml' or 'Kustomization' in \
                     directory '{}'",
                    loader.shown_root()
                ),
            ));
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| {
            Error::of(Kind::MalformedYaml, "not valid UTF-8").at(&file, 0).hint("save the file as UTF-8")
        })?;
        let (kust, warnings) = kustomization::read(text, &file, &loader.shown_root())?;
        session.warnings.extend(warnings);
        Ok(Self { kust, loader, file_name, file, origin: None, helm_namespace: String::new(), depth: 0 })
    }

    /// Where an entry of a list stands, for messages.
    fn place(&self, entry: &str) -> String {
        match self.kust.lines.get(entry) {
            Some(line) if !entry.contains('\n') => format!("{}:{line}: '{entry}'", self.file),
            _ => self.file.clone(),
        }
    }

    /// An error about an entry of a list. What is wrong with the entry itself, a remote that cannot be had, is at its line.
    fn placed(&self, e: Error, entry: &str) -> Error {
        match self.kust.lines.get(entry) {
            Some(line) if e.place().is_none() && e.is_of_remote() => e.at(&self.file, *line),
            _ => e.context(self.place(entry)),
        }
    }

    /// Notes what the original says about a URL.
    fn note_url(path: &str, session: &mut Session<'_>) {
        if RepoSpec::is_forced(path) {
            session.warnings.push(FORCED_GIT.to_owned());
        }
    }

    /// Runs the layer on top of what `acc` holds.
    pub(super) fn accumulate(
        &self,
        mut acc: Accumulator,
        session: &mut Session<'_>,
    ) -> Result<Accumulator, Error> {
        self.resources(&mut acc, &self.kust.resources, session)?;
        let own = Config::load(&self.loader, &self.kust.configurations)?;
        acc.config = Config::merge_shared(&acc.config, &own)?;
        if let Some(more) = crds::load(&self.loader, &self.kust.crds)? {
            acc.config = Arc::new(acc.config.merge(&more)?);
        }
        self.generate(&mut acc, session)?;
        for path in &self.kust.components {
            acc = self.component(acc, path, session)?;
        }
        self.transform(&mut acc, session)?;
        self.validate(&mut acc, session)?;
        acc.vars
            .declare(&self.kust.vars, &mut acc.map)
            .map_err(|e| e.at(&self.file, 0).context("merging vars"))?;
        Ok(acc)
    }

    fn resources(
        &self,
        acc: &mut Accumulator,
        paths: &[String],
        session: &mut Session<'_>,
    ) -> Result<(), Error> {
        for path in paths {
            self.resource(acc, path, session).map_err(|e| self.placed(e, path))?;
        }
        Ok(())
    }

    fn resource(&self, acc: &mut Accumulator, path: &str, session: &mut Session<'_>) -> Result<(), Error> {
        match self.loader.target(path)? {
            Found::File(bytes, name) => {
                let origin = self.origin.as_ref().map(|o| o.append(path).to_text());
                let found = match read::resources(&bytes, &name) {
                    Ok(found) => found,
                    // What a server shows to people where a repository is.
                    Err(e) if is_remote_file(path) && RepoSpec::parse(path).is_ok() => {
                        return match self.loader.folder(path) {
                            Ok(loader) => self.folder(acc, loader, path, session),
                            Err(_) if e.kind() == Kind::MalformedYaml => Err(e),
                            Err(other) => Err(other),
                        };
                    }
                    Err(e) => return Err(e),
                };
                for mut res in found {
                    session.note_kind(&res);
                    if origin.is_some() {
                        res.set_annotation(ORIGIN_KEY, origin.as_deref());
                    }
                    acc.map.append(res)?;
                }
                Ok(())
            }
            Found::Dir(loader) => self.folder(acc, *loader, path, session),
        }
    }

    fn folder(
        &self,
        acc: &mut Accumulator,
        loader: Loader<'t>,
        path: &str,
        session: &mut Session<'_>,
    ) -> Result<(), Error> {
        Self::note_url(path, session);
        let below = self.below(loader, path, false, session)?;
        acc.merge(below.accumulate(Accumulator::default(), session)?)
    }

    fn component(
        &self,
        acc: Accumulator,
        path: &str,
        session: &mut Session<'_>,
    ) -> Result<Accumulator, Error> {
        let run = || {
            let loader = self.loader.folder(path)?;
            Self::note_url(path, session);
            let below = self.below(loader, path, true, session)?;
            let done = below.accumulate(acc, session)?;
            let mut out = Accumulator::default();
            out.merge(done)?;
            Ok(out)
        };
        run().map_err(|e: Error| self.placed(e, path))
    }

    /// The kustomization in another folder, seen from this one.
    fn below(
        &self,
        loader: Loader<'t>,
        path: &str,
        component: bool,
        session: &mut Session<'_>,
    ) -> Result<Self, Error> {
        if self.depth >= MAX_DEPTH {
            return Err(Error::new(format!("more than {MAX_DEPTH} kustomizations include each other")));
        }
        let mut below = Self::load(loader, session)?;
        below.kust.build_metadata.clone_from(&self.kust.build_metadata);
        below.origin = self.origin.as_ref().map(|o| o.append(path));
        below.depth = self.depth + 1;
        below.helm_namespace = if self.kust.namespace.is_empty() {
            self.helm_namespace.clone()
        } else {
            self.kust.namespace.clone()
        };
        session.set_schema(&below, false)?;
        let root = below.loader.shown_root();
        match (component, below.kust.kind == COMPONENT) {
            (true, false) => Err(Error::new(format!(
                "expected kind '{COMPONENT}' for path '{root}' but got '{}'",
                below.kust.kind
            ))
            .at(&below.file, 0)
            .hint("list it under 'resources', or make it 'kind: Component'")),
            (false, true) => Err(Error::new(format!("expected kind != '{COMPONENT}' for path '{root}'"))
                .at(&below.file, 0)
                .hint("list it under 'components'")),
            _ => Ok(below),
        }
    }

    pub(super) fn builtin_origin(&self, kind: &str) -> Option<Origin> {
        self.origin.as_ref().map(|o| o.of_builtin(self.file_name, kind))
    }

    /// The file's path for messages.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    fn generate(&self, acc: &mut Accumulator, session: &mut Session<'_>) -> Result<(), Error> {
        let k = &self.kust;
        let mut plugins: Vec<(Plugin<'t>, Option<Origin>)> = Vec::new();
        for (what, kind, list) in [
            (Generated::ConfigMap, "ConfigMapGenerator", &k.config_maps),
            (Generated::Secret, "SecretGenerator", &k.secrets),
        ] {
            for args in list {
                let mut args = args.clone();
                args.options =
                    super::generator::merge_options(args.options.as_ref(), k.generator_options.as_ref());
                plugins.push((Plugin::Generator(what, Box::new(args)), self.builtin_origin(kind)));
            }
        }
        let globals = k.helm_globals.clone().unwrap_or_default();
        for chart in &k.helm_charts {
            let mut chart = chart.clone();
            if chart.namespace.is_empty() {
                let from = if k.namespace.is_empty() { &self.helm_namespace } else { &k.namespace };
                chart.namespace.clone_from(from);
            }
            let inflation = Inflation::configure(chart, &globals, &session.options.helm, &self.loader)
                .map_err(|e| e.at(&self.file, 0))?;
            plugins.push((
                Plugin::Helm(Box::new(inflation)),
                self.builtin_origin("HelmChartInflationGenerator"),
            ));
        }
        plugins.extend(self.plugins(&k.generators, session)?);
        for (plugin, origin) in plugins {
            let made = plugin.generate(&self.loader, &session.options.helm).unwrap_or_else(|| {
                Err(Error::new("a transformer is listed under 'generators'")
                    .hint("list it under 'transformers'"))
            });
            let mut made = made.map_err(|e| e.at(&self.file, 0))?;
            made.iter().for_each(|res| session.note_kind(res));
            if let Some(origin) = origin {
                origin::note_generator(&mut made, &origin);
            }
            acc.map.absorb_all(made).map_err(|e| e.at(&self.file, 0).context("merging from generator"))?;
        }
        Ok(())
    }

    /// The plugins that a list of inline documents, files and folders configures.
    fn plugins(
        &self,
        list: &[String],
        session: &mut Session<'_>,
    ) -> Result<Vec<(Plugin<'t>, Option<Origin>)>, Error> {
        let mut acc = Accumulator::default();
        let mut paths = Vec::new();
        for entry in list {
            match read::resources(entry.as_bytes(), &self.file) {
                Ok(all) => {
                    for mut res in all {
                        if let Some(origin) = &self.origin {
                            res.set_annotation(ORIGIN_KEY, Some(&origin.append(self.file_name).to_text()));
                        }
                        acc.map.append(res)?;
                    }
                }
                // Text of several lines is no path: its own error says more.
                Err(e) if entry.trim_end().contains('\n') => return Err(e.context("an inline plugin")),
                Err(_) => paths.push(entry.clone()),
            }
        }
        self.resources(&mut acc, &paths, session)?;
        let options = session.options;
        acc.map
            .into_list()
            .into_iter()
            .map(|res| {
                let plugin = plugin::configure(&res, &self.loader, options.alpha_plugins, &options.helm)?;
                Ok((plugin, Origin::of_plugin(&res)))
            })
            .collect()
    }

    fn transform(&self, acc: &mut Accumulator, session: &mut Session<'_>) -> Result<(), Error> {
        let mut all = pipeline::builtins(self, &acc.config)?;
        all.extend(self.transformers(&self.kust.transformers, session)?);
        if self.kust.patches.len() + self.kust.patches_strategic_merge.len() > 0 {
            session.schema_used = true;
        }
        for step in all {
            let ctx = Ctx { files: &self.loader, schema: &session.schema };
            step.transformer.transform(&mut acc.map, &ctx).map_err(|e| e.at(&self.file, step.line))?;
            if let Some(origin) = &step.origin {
                origin::note_transformer(&mut acc.map, origin);
            }
            acc.map.drop_empties();
        }
        Ok(())
    }

    fn transformers(&self, list: &[String], session: &mut Session<'_>) -> Result<Vec<pipeline::Step>, Error> {
        let plugins = self.plugins(list, session)?;
        plugins
            .into_iter()
            .map(|(plugin, origin)| match plugin {
                Plugin::Transformer(transformer) => Ok(pipeline::Step { transformer, origin, line: 0 }),
                _ => Err(Error::new("a generator is listed under 'transformers' or 'validators'")
                    .at(&self.file, 0)
                    .hint("list it under 'generators'")),
            })
            .collect()
    }

    fn validate(&self, acc: &mut Accumulator, session: &mut Session<'_>) -> Result<(), Error> {
        for step in self.transformers(&self.kust.validators, session)? {
            let before = acc.map.clone();
            let ctx = Ctx { files: &self.loader, schema: &session.schema };
            step.transformer.transform(&mut acc.map, &ctx).map_err(|e| e.at(&self.file, 0))?;
            let same = before.len() == acc.map.len()
                && before.iter().zip(&acc.map).all(|(old, new)| {
                    let mut new = new.clone();
                    let mut labels = new.labels();
                    if labels.remove(VALIDATED_BY).is_some() {
                        new.set_labels(&labels);
                    }
                    old.node == new.node && old.build == new.build
                });
            if !same {
                return Err(Error::new("validator shouldn't modify the resource map")
                    .at(&self.file, 0)
                    .hint("list it under 'transformers' if it is meant to change resources"));
            }
        }
        Ok(())
    }
}
