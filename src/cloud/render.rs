//! One revision's render: every app of a profile, or every error found.
//!
//! 1. read the configuration ([`mod@super::load`]), choose the profile's apps, order them;
//! 2. render each app from its manifests, kustomization or chart, or take it from the [`Cache`];
//! 3. learn the scopes of custom kinds from the CRDs of all apps, settle namespaces and identities;
//! 4. refuse identities that two apps share, and sum up.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::cache::{AppRender, Cache, ScopeAnswers};
use super::inputs::{self, Inputs, NoInputs, Placeholders, Resolved};
use super::load::{Composed, Layers, LoadedApp, Repository, load};
use super::normal::Head;
use super::object::{Digest, Interner, Object, ObjectId, Origin, split_api_version};
use super::problem::{Problem, ProblemKind, RenderError, Severity};
use super::record::{LayerReads, Recorder, Trees};
use super::remote::{ChartReads, Charts, Remotes};
use super::rendered::{AppState, HookMeta, Policy, RenderedApp, RenderedCloud, app_digest, cloud_digest};
use super::scope::{CrdScopes, Scopes, built_in};
use super::secrets::{self, GeneratedSecret};
use super::sources::{self, Rendered};
use super::spec::{CloudSpec, Seconds};
use crate::files::FileTree;
use crate::kustomize;

/// The most objects that one cloud may have.
const MAX_OBJECTS: usize = 200_000;
/// The largest object in bytes of JSON: what the API server accepts in one request.
const MAX_OBJECT_BYTES: usize = 3 << 20;

/// How to render.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// Who knows the scopes of kinds that neither Kubernetes nor the revision itself defines.
    pub scopes: &'a dyn Scopes,
    /// Renders of earlier revisions.
    pub cache: Option<&'a Cache>,
    /// The tree of the upstream repository that `retune.yaml` names.
    pub upstream: Option<&'a dyn FileTree>,
    /// How many apps are rendered at the same time.
    pub threads: usize,
    /// The commit's time in seconds since 1970: what charts are told when they ask for the time.
    pub time: i64,
    /// The per-cloud secret that charts' random text is derived from. Without it a chart that may draw random text is refused: it could
    /// be guessed. Any value will do where nothing is applied.
    pub seed: Option<[u8; 32]>,
    /// What reaches remote bases of kustomizations; they have to be pinned to a commit. Without it they are refused.
    pub remote: Option<&'a dyn kustomize::Remote>,
    /// Who gets charts of repositories. Without it such a chart is refused.
    pub charts: Option<&'a dyn Charts>,
    /// Who knows the live inputs.
    pub inputs: &'a dyn Inputs,
    /// Whether pending apps are outlined ([`RenderedApp::outline`]).
    pub outlines: bool,
}

impl<'a> Options<'a> {
    /// One app at a time, without cache and upstream.
    #[must_use]
    pub fn new(scopes: &'a dyn Scopes) -> Self {
        Self {
            scopes,
            cache: None,
            upstream: None,
            threads: 1,
            time: 0,
            seed: None,
            remote: None,
            charts: None,
            inputs: &NoInputs,
            outlines: false,
        }
    }
}

/// Renders a revision for a profile; an empty name stands for the one that `retune.yaml` says, else base. Atomic: everything
/// or nothing.
///
/// # Errors
/// Everything that is wrong, sorted by file and line.
pub fn render(
    tree: &dyn FileTree,
    profile: &str,
    options: &Options<'_>,
) -> Result<RenderedCloud, Vec<RenderError>> {
    let composed = Composed::new(Layers { site: tree, upstream: options.upstream })?;
    let repository = load(&composed)?;
    let own = repository.cloud.spec.profile.as_deref().unwrap_or("base");
    let profile = if profile.is_empty() { own } else { profile };
    render_loaded(&composed, &repository, profile, options)
}

/// As [`render`], for a repository whose configuration has been read.
///
/// # Errors
/// As [`render`].
pub fn render_loaded(
    composed: &Composed<'_>,
    repository: &Repository,
    profile: &str,
    options: &Options<'_>,
) -> Result<RenderedCloud, Vec<RenderError>> {
    let tree = composed.tree();
    let selected = repository.select(profile)?;
    let mut problems = Vec::new();
    let mut secrets: BTreeMap<&str, Vec<GeneratedSecret>> = BTreeMap::new();
    for (app, _) in &selected {
        unsupported(app, &mut problems);
        match secrets::check::declared(app) {
            Ok(declared) => {
                secrets.insert(&app.app.metadata.name, declared);
            }
            Err(found) => problems.extend(found),
        }
    }
    let declared: Vec<&GeneratedSecret> = secrets.values().flatten().collect();
    problems.extend(secrets::check::across(&declared));
    let resolved: BTreeMap<&str, Resolved> = selected
        .iter()
        .map(|(app, _)| (app.app.metadata.name.as_str(), inputs::resolve(app, options.inputs, options.seed)))
        .collect();
    let job = Job { composed, tree: &*tree, repository, profile, options, resolved: &resolved };
    let stages = parallel(options.threads, &selected, |(app, _)| job.first_stage(app));

    let mut crds = CrdScopes::default();
    for stage in stages.iter().flatten() {
        crds.merge(stage.crds());
    }
    let scopes = Layered { crds: &crds, more: options.scopes };
    let renders = parallel(
        options.threads,
        &stages.into_iter().zip(&selected).collect::<Vec<_>>(),
        |(stage, (app, _))| match stage {
            Ok(stage) => job.second_stage(app, stage, &scopes),
            Err(problems) => Err(problems.clone()),
        },
    );
    // What nobody has looked up yet is rendered again anyway.
    let outlines = if options.outlines && resolved.values().all(|r| r.unknown.is_empty()) {
        outlines(&job, &selected, &scopes)
    } else {
        BTreeMap::new()
    };

    let mut apps = Vec::with_capacity(selected.len());
    let mut rendered = 0;
    let mut generated: Vec<(ObjectId, &str, Origin)> = Vec::new();
    let mut seen: HashMap<ObjectId, (&str, Origin)> = HashMap::new();
    for (result, (app, needs)) in renders.into_iter().zip(&selected) {
        match result {
            Err(found) => problems.extend(found),
            Ok(None) => {
                // Its Secrets are made all the same: its inputs may be among them.
                let name = app.app.metadata.name.as_str();
                let secrets = secrets.remove(name).unwrap_or_default();
                generated.extend(secrets.iter().map(|secret| {
                    let id = ObjectId::new("", "Secret", Some(&secret.at.namespace), &secret.at.name);
                    (id, name, secret.origin.clone())
                }));
                let missing =
                    assemble(app, needs, &repository.cloud.spec, secrets.into(), None, job.resolved(app));
                apps.push(Arc::new(RenderedApp { outline: outlines.get(name).cloned(), ..missing }));
            }
            Ok(Some((render, fresh))) => {
                rendered += usize::from(fresh);
                let name = app.app.metadata.name.as_str();
                for secret in secrets.get(name).into_iter().flatten() {
                    let id = ObjectId::new("", "Secret", Some(&secret.at.namespace), &secret.at.name);
                    generated.push((id, name, secret.origin.clone()));
                }
                for object in render.objects.iter().chain(render.hooks.iter().map(|h| &h.object)) {
                    if let Some((other, origin)) =
                        seen.insert(object.id.clone(), (name, object.origin.clone()))
                    {
                        problems.push(twice(object, name, other, &origin));
                    }
                }
                super::ownership::check_places(repository, app, &render.objects, &mut problems);
                let secrets = secrets.remove(name).unwrap_or_default().into();
                let (spec, inputs) = (&repository.cloud.spec, job.resolved(app));
                apps.push(Arc::new(assemble(app, needs, spec, secrets, Some(&render), inputs)));
            }
        }
    }
    for (id, name, origin) in generated {
        if let Some((other, place)) = seen.get(&id) {
            let message = format!("{id} is generated here and rendered by {place} (app {other})");
            let problem = Problem::new(ProblemKind::Duplicate, &origin.file, message).at_line(origin.line);
            problems.push(problem.of_app(name).hint("keep one: the manifest, or the entry of spec.secrets"));
        }
    }
    if seen.len() > MAX_OBJECTS {
        let message = format!("{} objects; a cloud may have {MAX_OBJECTS}", seen.len());
        problems.push(Problem::new(ProblemKind::Limit, super::load::CLOUD_FILE, message));
    }
    if problems.iter().any(|p| p.severity == Severity::Error) {
        problems.sort();
        problems.dedup();
        return Err(problems);
    }
    if let Some(cache) = options.cache {
        cache.retain(profile, |name| apps.iter().any(|a| &*a.name == name));
    }
    let name: Arc<str> = repository.cloud.metadata.name.as_str().into();
    let digest = cloud_digest(&name, profile, &apps);
    let nodes = repository.cloud.spec.nodes.as_slice().into();
    let unknown = resolved.into_values().flat_map(|r| r.unknown).collect();
    Ok(RenderedCloud { name, profile: profile.into(), apps, digest, rendered, nodes, unknown })
}

/// What an app asks for and retune does not do yet: never ignored.
fn unsupported(app: &LoadedApp, problems: &mut Vec<Problem>) {
    let spec = &app.app.spec;
    let mut refuse = |field: &str, what: &str| {
        let message = format!("spec.{field}: {what} is not supported by this version of retune");
        problems.push(app.problem(ProblemKind::Unsupported, &["spec", field], message).hint("remove it"));
    };
    if spec.backup.is_some() {
        refuse("backup", "a backup before an upgrade");
    }
    if spec.rollback.as_ref().is_some_and(|r| r.automatic) {
        refuse("rollback", "automatic rollback");
    }
}

fn twice(object: &Object, app: &str, other: &str, origin: &Origin) -> Problem {
    let owner = if other == app { String::new() } else { format!(" (app {other})") };
    let message = format!("{} is defined twice: here and in {origin}{owner}", object.id);
    let mut problem = Problem::new(ProblemKind::Duplicate, &object.origin.file, message)
        .of_app(app)
        .hint("keep one; an object belongs to one app");
    problem.line = object.origin.line;
    problem
}

/// The app as it is told; one without a render waits for its inputs.
fn assemble(
    app: &LoadedApp,
    needs: &[String],
    cloud: &CloudSpec,
    generated: Arc<[GeneratedSecret]>,
    render: Option<&AppRender>,
    resolved: &Resolved,
) -> RenderedApp {
    let spec = &app.app.spec;
    let defaults = &cloud.defaults;
    let policy = Policy {
        timeout: spec.timeout.or(defaults.timeout).unwrap_or(Seconds(30 * 60)),
        prune: spec.prune.clone().or_else(|| defaults.prune.clone()).unwrap_or_default(),
        drift: super::ownership::merged(spec.drift.as_ref(), defaults.drift.as_ref()),
        health: spec.health.clone(),
        hooks: spec.hooks.clone(),
        recreate: spec.recreate.clone(),
        rollback: spec.rollback.clone().or_else(|| defaults.rollback.clone()).unwrap_or_default(),
        backup: spec.backup.clone(),
        force_conflicts: spec.force_conflicts.or(defaults.force_conflicts).unwrap_or(true),
    };
    RenderedApp {
        name: app.app.metadata.name.as_str().into(),
        namespace: spec.namespace.as_deref().map(Into::into),
        depends_on: needs.iter().map(|n| n.as_str().into()).collect(),
        policy,
        objects: render.map(|r| r.objects.clone()).unwrap_or_default(),
        hooks: render.map(|r| r.hooks.clone()).unwrap_or_default(),
        generated,
        digest: render.map_or_else(|| app_digest(&[], &[]), |r| r.digest),
        state: match render {
            Some(_) => AppState::Ready,
            None => AppState::Pending(resolved.missing.clone()),
        },
        outline: None,
        inputs: resolved.used.as_slice().into(),
        secrets: resolved.secrets.clone(),
    }
}

/// What pending apps would have: rendered with placeholders for all their inputs, so that the cache knows it until a file changes.
fn outlines<'a>(
    job: &Job<'a>,
    selected: &[(&'a LoadedApp, Vec<String>)],
    scopes: &dyn Scopes,
) -> BTreeMap<&'a str, Arc<[ObjectId]>> {
    let is_pending = |app: &LoadedApp| !job.resolved(app).missing.is_empty();
    let pending: Vec<&LoadedApp> = selected.iter().map(|(app, _)| *app).filter(|a| is_pending(a)).collect();
    let resolved = pending
        .iter()
        .map(|app| (app.app.metadata.name.as_str(), inputs::resolve(app, &Placeholders, None)))
        .collect();
    let job = Job { resolved: &resolved, ..*job };
    let outline = |app: &&LoadedApp| {
        let stage = job.first_stage(app).ok()?;
        let (render, _) = job.second_stage(app, &stage, scopes).ok()??;
        Some(render.objects.iter().map(|o| o.id.clone()).collect())
    };
    let found = parallel(job.options.threads, &pending, outline);
    let names = pending.iter().map(|app| app.app.metadata.name.as_str());
    names.zip(found).filter_map(|(name, ids)| Some((name, ids?))).collect()
}

/// The revision's own CRDs first, then who else knows.
struct Layered<'a> {
    crds: &'a CrdScopes,
    more: &'a dyn Scopes,
}

impl Scopes for Layered<'_> {
    fn namespaced(&self, group: &str, kind: &str) -> Option<bool> {
        built_in(group, kind)
            .or_else(|| self.crds.namespaced(group, kind))
            .or_else(|| self.more.namespaced(group, kind))
    }
}

/// A document on its way: settled at once if its kind is built in, else when all CRDs are known.
enum Slot {
    Settled(Object),
    Open(Value, Origin),
}

/// An app after its renderer ran: documents whose namespaces may not be settled.
struct Raw {
    inputs: Digest,
    reads: LayerReads,
    charts: ChartReads,
    /// The commit's time, if it may have been used.
    time: Option<i64>,
    crds: CrdScopes,
    slots: Vec<(Slot, Option<HookMeta>)>,
}

enum Stage {
    /// From the cache, if the scopes still hold.
    Known(Arc<AppRender>),
    /// Not rendered: a live input is missing.
    Pending(CrdScopes),
    /// Rendered now; the second stage takes it out. The scopes are a copy for everybody.
    Fresh(Box<Mutex<Option<Raw>>>, CrdScopes),
}

impl Stage {
    fn crds(&self) -> &CrdScopes {
        match self {
            Self::Known(render) => &render.crds,
            Self::Pending(crds) | Self::Fresh(_, crds) => crds,
        }
    }
}

struct Job<'a> {
    composed: &'a Composed<'a>,
    tree: &'a dyn FileTree,
    repository: &'a Repository,
    profile: &'a str,
    options: &'a Options<'a>,
    resolved: &'a BTreeMap<&'a str, Resolved>,
}

impl Job<'_> {
    /// The app's inputs.
    fn resolved(&self, app: &LoadedApp) -> &Resolved {
        self.resolved.get(app.app.metadata.name.as_str()).expect("every selected app's inputs were looked up")
    }

    fn trees(&self) -> Trees<'_> {
        Trees { tree: self.tree, lower: self.composed.lower(), upper: self.composed.upper() }
    }

    fn first_stage(&self, app: &LoadedApp) -> Result<Stage, Vec<Problem>> {
        if !self.resolved(app).missing.is_empty() {
            return Ok(Stage::Pending(CrdScopes::default()));
        }
        let inputs = self.inputs(app);
        let name = &app.app.metadata.name;
        let charts_hold = |reads: &ChartReads| Remotes::hold(self.options.charts, self.repository, reads);
        let time = self.options.time;
        if let Some(known) = self
            .options
            .cache
            .and_then(|c| c.find(name, self.profile, &inputs, &self.trees(), time, charts_hold))
        {
            return Ok(Stage::Known(known));
        }
        let raw = self.run(app, inputs)?;
        let crds = raw.crds.clone();
        Ok(Stage::Fresh(Box::new(Mutex::new(Some(raw))), crds))
    }

    /// Everything that decides the render besides the files it reads.
    fn inputs(&self, app: &LoadedApp) -> Digest {
        let spec = &app.app.spec;
        let cloud = &self.repository.cloud.spec;
        let described = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "namespace": spec.namespace, "chart": spec.chart, "kustomize": spec.kustomize,
            "manifests": spec.manifests, "values": spec.values,
            "inputs": spec.inputs, "live": self.resolved(app).digest(),
            "chartSources": cloud.chart_sources, "chartRepositories": cloud.chart_repositories, "capabilities": cloud.capabilities,
            "chartVersions": spec.chart.as_ref().map(|_| &self.repository.chart_versions),
            "upstream": cloud.upstream,
            "seed": self.options.seed.map(|seed| Digest::of(&seed)),
        });
        Digest::of_parts([app.app.metadata.name.as_str(), self.profile, &described.to_string()])
    }

    fn run(&self, app: &LoadedApp, inputs: Digest) -> Result<Raw, Vec<Problem>> {
        let name = &app.app.metadata.name;
        let trees = self.trees();
        let (tree, lower) = (Recorder::new(trees.tree), Recorder::new(trees.lower));
        let upper = trees.upper.map(Recorder::new);
        let remotes = Remotes::new(self.options.charts, self.repository);
        let source = sources::Context {
            tree: &tree,
            lower: &lower,
            upper: upper.as_ref().map(|u| u as &dyn FileTree),
            time: self.options.time,
            seed: self.options.seed,
            remote: self.options.remote,
            repository: self.repository,
            profile: self.profile,
            app,
            remotes: &remotes,
            inputs: self.resolved(app),
        };
        // A chart may quote its values in an error.
        let masked = |mut p: Problem| {
            p.message = source.inputs.secrets.mask(&p.message);
            p.of_app(name)
        };
        let Rendered { documents, asks_time } =
            sources::render(&source).map_err(|found| found.into_iter().map(masked).collect::<Vec<_>>())?;
        let mut raw = Raw {
            inputs,
            reads: LayerReads {
                tree: tree.finish(),
                lower: lower.finish(),
                upper: upper.map(Recorder::finish),
            },
            charts: remotes.finish(),
            time: asks_time.then_some(self.options.time),
            crds: CrdScopes::default(),
            slots: Vec::with_capacity(documents.len()),
        };
        let (mut names, mut problems) = (Interner::default(), Vec::new());
        for (value, origin, hook) in documents {
            raw.crds.learn(&value);
            match early(&value) {
                Some(namespaced) => match settle(app, (value, origin), Some(namespaced), &mut names) {
                    Ok(object) => raw.slots.push((Slot::Settled(object), hook)),
                    Err(problem) => problems.push(problem),
                },
                None => raw.slots.push((Slot::Open(value, origin), hook)),
            }
        }
        if problems.is_empty() { Ok(raw) } else { Err(problems) }
    }

    fn second_stage(
        &self,
        app: &LoadedApp,
        stage: &Stage,
        scopes: &dyn Scopes,
    ) -> Result<Option<(Arc<AppRender>, bool)>, Vec<Problem>> {
        let raw = match stage {
            Stage::Pending(_) => return Ok(None),
            Stage::Known(known) if known.scopes_hold(scopes) => return Ok(Some((Arc::clone(known), false))),
            Stage::Known(known) => self.run(app, known.inputs)?,
            Stage::Fresh(raw, _) => {
                let raw = raw.lock().unwrap_or_else(PoisonError::into_inner).take();
                raw.expect("each stage is taken once")
            }
        };
        let Raw { inputs, reads, charts, time, crds, slots } = raw;
        let (mut names, mut problems) = (Interner::default(), Vec::new());
        let mut asked = ScopeAnswers::new();
        let (mut objects, mut hooks) = (Vec::with_capacity(slots.len()), Vec::new());
        for (slot, hook) in slots {
            let object = match slot {
                Slot::Settled(object) => Ok(object),
                Slot::Open(value, origin) => {
                    let answer = Head::of(&value).ok().and_then(|head| {
                        let group = split_api_version(&head.api_version).0.to_owned();
                        let answer = scopes.namespaced(&group, &head.kind);
                        asked.insert((group, head.kind), answer);
                        answer
                    });
                    settle(app, (value, origin), answer, &mut names)
                }
            };
            match (object, hook) {
                (Err(problem), _) => problems.push(problem),
                (Ok(object), None) => objects.push(object),
                (Ok(object), Some(meta)) => hooks.push(meta.hook(object)),
            }
        }
        // Memory: many thousands of these stay.
        objects.shrink_to_fit();
        if !problems.is_empty() {
            return Err(problems);
        }
        let digest = app_digest(&objects, &hooks);
        let render = Arc::new(AppRender { inputs, reads, charts, time, asked, crds, objects, hooks, digest });
        if let Some(cache) = self.options.cache {
            cache.put(&app.app.metadata.name, self.profile, &render);
        }
        Ok(Some((render, true)))
    }
}

/// The scope of a built-in kind, which no CRD can change.
fn early(value: &Value) -> Option<bool> {
    let text = |field: &str| value.get(field).and_then(Value::as_str);
    built_in(split_api_version(text("apiVersion")?).0, text("kind")?)
}

/// Gives a document its namespace and makes the object of it.
fn settle(
    app: &LoadedApp,
    (value, origin): (Value, Origin),
    namespaced: Option<bool>,
    names: &mut Interner,
) -> Result<Object, Problem> {
    let name = &app.app.metadata.name;
    let wrong = |kind: ProblemKind, message: String, origin: &Origin| {
        let mut problem = Problem::new(kind, &origin.file, message).of_app(name);
        problem.line = origin.line;
        problem
    };
    let head = Head::of(&value).map_err(|e| wrong(ProblemKind::Object, e.to_string(), &origin))?;
    let namespace = match namespaced {
        Some(false) => None,
        _ => head.namespace.clone().or_else(|| app.app.spec.namespace.clone()),
    };
    if namespaced == Some(true) && namespace.is_none() {
        let message = format!("{} {} has no namespace", head.kind, head.name);
        let hint = format!("set metadata.namespace, or spec.namespace in {}", app.file);
        return Err(wrong(ProblemKind::Object, message, &origin).hint(hint));
    }
    let place = origin.clone();
    let object = Object::build(value, namespace.as_deref(), origin, names)
        .map_err(|e| wrong(ProblemKind::Object, format!("{} {}: {e}", head.kind, head.name), &place))?;
    if object.body.len() > MAX_OBJECT_BYTES {
        let message = format!(
            "{} is {} bytes long; the API server accepts {MAX_OBJECT_BYTES}",
            object.id,
            object.body.len()
        );
        return Err(wrong(ProblemKind::Limit, message, &place));
    }
    Ok(object)
}

/// Maps a list on several threads; the results keep the list's order.
fn parallel<T: Sync, R: Send>(threads: usize, items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let threads = threads.min(items.len());
    if threads <= 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let done: Mutex<BTreeMap<usize, R>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { break };
                    let result = work(item);
                    done.lock().unwrap_or_else(PoisonError::into_inner).insert(at, result);
                }
            });
        }
    });
    done.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}
