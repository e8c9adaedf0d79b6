//! Source and render: a thread of its own that follows the repository and gives rendered revisions.
//!
//! Git and the renderers block and compute; the engine's task does neither. Whatever goes wrong here (an unreachable
//! remote, a force push, a broken commit) is told, retried with backoff, and never stops enforcement of the last good
//! revision.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::inputs::Shared;
use crate::apply::job::Others;
use crate::cloud::app_pins::{PinnedApp, with_pinned};
use crate::cloud::inputs::InputSource;
use crate::cloud::layers::SubTree;
use crate::cloud::spec::DriftMode;
use crate::cloud::{
    Cache, Charts, Object, ObjectId, Options, Problem, ProblemKind, RenderedApp, RenderedCloud, Scopes,
    render, scope, upstream_of,
};
use crate::cluster::discovery::Discovery;
use crate::cluster::error::{Backoff, jitter};
use crate::files::FileTree;
pub use crate::ledger::RevisionInfo;
use crate::plan::operators::{self, Contested};
use crate::plan::yields::{self, Scalers, Yielded};
use crate::source::charts;
use crate::source::git::{CommitId, GitSource, GitTree, Location, RefWatch, Reference, Settings};
use crate::source::remote::RemoteBases;

/// A rendered revision.
#[derive(Debug)]
pub struct Desired {
    /// Which commit.
    pub revision: RevisionInfo,
    /// Its objects, without what is yielded.
    pub cloud: Arc<RenderedCloud>,
    /// Apps that are taken from another commit, with that commit.
    pub pins: BTreeMap<Arc<str>, RevisionInfo>,
    /// When it was seen at the source.
    pub seen: Instant,
    /// As it was rendered.
    whole: Arc<RenderedCloud>,
    by_id: HashMap<ObjectId, (u32, u32)>,
    by_name: HashMap<Arc<str>, u32>,
    yielded: HashMap<ObjectId, Arc<Yielded>>,
}

impl Desired {
    /// Indexes a render by identity.
    #[must_use]
    pub fn new(revision: RevisionInfo, whole: Arc<RenderedCloud>, seen: Instant) -> Self {
        Self::made(revision, whole, seen, &Scalers::new())
    }

    /// The same revision beside the cluster's autoscalers; `None` when that changes nothing.
    #[must_use]
    pub fn beside(&self, scalers: &Scalers) -> Option<Self> {
        let mut other = Self::made(self.revision.clone(), Arc::clone(&self.whole), self.seen, scalers);
        other.pins = self.pins.clone();
        let same = |a: &Self, b: &Self| {
            a.yielded.len() == b.yielded.len()
                && a.yielded.iter().all(|(id, y)| b.yielded.get(id).is_some_and(|o| o.to == y.to))
        };
        (!same(self, &other)).then_some(other)
    }

    fn made(revision: RevisionInfo, whole: Arc<RenderedCloud>, seen: Instant, scalers: &Scalers) -> Self {
        let (cloud, yielded) = yields::split(&whole, scalers);
        let mut by_id = HashMap::new();
        let mut by_name = HashMap::new();
        for (a, app) in cloud.apps.iter().enumerate() {
            by_name.extend(u32::try_from(a).map(|a| (Arc::clone(&app.name), a)));
            for (o, object) in app.objects.iter().enumerate() {
                if let (Ok(a), Ok(o)) = (u32::try_from(a), u32::try_from(o)) {
                    by_id.insert(object.id.clone(), (a, o));
                }
            }
        }
        Self { revision, cloud, pins: BTreeMap::new(), seen, whole, by_id, by_name, yielded }
    }

    /// An app by its name.
    #[must_use]
    pub fn app(&self, name: &str) -> Option<&Arc<RenderedApp>> {
        self.cloud.apps.get(*self.by_name.get(name)? as usize)
    }

    /// What of an object is left to others.
    #[must_use]
    pub fn yielded(&self, id: &ObjectId) -> Option<&Arc<Yielded>> {
        self.yielded.get(id)
    }

    /// What of an object is others'.
    #[must_use]
    pub fn others(&self, id: &ObjectId) -> Others {
        Others {
            yielded: self.yielded.get(id).cloned(),
            contested: self.contested(id).into(),
            ..Others::default()
        }
    }

    /// The fields of an object that are left to an operator once it has taken them.
    #[must_use]
    pub fn contested(&self, id: &ObjectId) -> Vec<Contested> {
        let app = self.object(id).and_then(|(app, _)| self.app(app));
        app.map(|app| operators::contested(id, &app.policy.drift)).unwrap_or_default()
    }

    /// What is left out of every object.
    #[must_use]
    pub fn all_yielded(&self) -> &HashMap<ObjectId, Arc<Yielded>> {
        &self.yielded
    }

    /// What happens to an object's drift, as Git says.
    #[must_use]
    pub fn drift_mode(&self, id: &ObjectId) -> DriftMode {
        let Some(app) = self.object(id).and_then(|(app, _)| self.app(app)) else {
            return DriftMode::Correct;
        };
        let drift = &app.policy.drift;
        let rule = drift.rules.iter().find(|r| r.objects.matches(id)).map(|r| r.mode);
        rule.or(drift.mode).unwrap_or_default()
    }

    /// An object and its app.
    #[must_use]
    pub fn object(&self, id: &ObjectId) -> Option<(&Arc<str>, &Object)> {
        let (a, o) = self.by_id.get(id)?;
        let app = self.cloud.apps.get(*a as usize)?;
        Some((&app.name, app.objects.get(*o as usize)?))
    }

    /// Whether nothing but the objects could differ: graph and policies are the same.
    #[must_use]
    pub fn policies_equal(&self, other: &Self) -> bool {
        self.cloud.apps.len() == other.cloud.apps.len()
            && self.cloud.apps.iter().zip(&other.cloud.apps).all(|(a, b)| {
                a.name == b.name
                    && a.policy == b.policy
                    && a.depends_on == b.depends_on
                    && a.state == b.state
                    && a.generated == b.generated
            })
    }
}

/// What the source tells.
#[derive(Debug)]
pub enum News {
    /// A revision to enforce.
    Desired(Arc<Desired>),
    /// There is none, or it cannot be rendered; the last good one stays.
    Failing {
        /// The commit, if it got so far.
        revision: Option<String>,
        /// What is wrong and where.
        message: String,
    },
    /// A revision is rendered once these live inputs have been looked up.
    Inputs(BTreeSet<InputSource>),
    /// The source was asked and has nothing new.
    Checked,
}

/// What the source is told.
#[derive(Debug)]
pub enum Order {
    /// Follow the reference, or hold this revision.
    Pin(Option<String>),
    /// Take these apps from these revisions.
    Pins(BTreeMap<String, String>),
    /// Live inputs have been looked up or have changed: render again.
    Inputs,
    /// Ask now.
    Now,
    /// Ask this often.
    Interval(Duration),
    /// End.
    Stop,
}

/// What is followed.
#[derive(Debug, Clone)]
pub struct FollowOptions {
    /// A path or URL.
    pub repo: String,
    /// A branch, tag or commit.
    pub branch: String,
    /// The folder in the repository that holds `retune.yaml`; empty or `.` for its root.
    pub path: String,
    /// The profile; empty: the one that `retune.yaml` says.
    pub profile: String,
    /// Held revision.
    pub pin: Option<String>,
    /// Apps held at a revision of their own.
    pub pins: BTreeMap<String, String>,
    /// How often a remote is asked.
    pub interval: Duration,
    /// Where mirrors are kept.
    pub state_dir: PathBuf,
    /// A PEM file of certificates to trust besides the system's.
    pub ca_file: Option<PathBuf>,
    /// What charts' random text is derived from ([`crate::cluster::state::render_seed`]); without it, charts that draw
    /// random text are refused.
    pub seed: Option<RenderSeed>,
    /// How charts of repositories are got.
    pub charts: charts::Settings,
    /// What is known of live inputs.
    pub inputs: Shared,
}

/// A seed that no log shows.
#[derive(Clone, Copy)]
pub struct RenderSeed(pub [u8; 32]);

impl std::fmt::Debug for RenderSeed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RenderSeed(masked)")
    }
}

/// What a single look at the source gives.
pub enum Once {
    /// The revision.
    Desired(Box<Desired>),
    /// It takes live inputs that are not known: look them up and ask again.
    Inputs(BTreeSet<InputSource>),
}

/// Asks the source once and renders what it has (or the pinned revision), for `diff`.
///
/// # Errors
/// What is wrong and where.
pub fn render_once(options: FollowOptions, discovery: Arc<Discovery>) -> Result<Once, String> {
    let (wake, inbox) = channel();
    let (outbox, mut news) = mpsc::channel(4);
    options.inputs.outline();
    let mut follower = Follower {
        inbox,
        wake,
        outbox,
        discovery: Arc::new(RwLock::new(discovery)),
        cache: Cache::default(),
        last: None,
        charts: None,
        pin: options.pin.clone(),
        remotes: remotes(&options),
        pinned: HashMap::new(),
        options,
    };
    let (source, _watch) = follower.open()?;
    follower.look(&source).map_err(|trouble| trouble.message)?;
    match news.try_recv() {
        Ok(News::Desired(desired)) => {
            let desired = Arc::try_unwrap(desired).map_err(|_| "the render is shared".to_owned())?;
            Ok(Once::Desired(Box::new(desired)))
        }
        Ok(News::Inputs(sources)) => Ok(Once::Inputs(sources)),
        Ok(News::Failing { message, .. }) => Err(message),
        _ => Err("the source gave nothing".to_owned()),
    }
}

/// What reaches the remote bases of kustomizations; commits stay beside the mirrors.
fn remotes(options: &FollowOptions) -> RemoteBases {
    let bases = RemoteBases::kept(options.state_dir.join("remote-bases"), options.ca_file.clone());
    match Location::parse(&options.repo) {
        Ok((location, credentials)) => bases.with_credentials(&location.to_string(), credentials),
        Err(_) => bases,
    }
}

/// The handle on the source's thread.
pub struct Follow {
    orders: Sender<Order>,
    news: mpsc::Receiver<News>,
    /// What is known of live inputs.
    pub inputs: Shared,
    discovery: Arc<RwLock<Arc<Discovery>>>,
}

impl Follow {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the location cannot be a repository, or the system gives no thread.
    pub fn start(options: FollowOptions, discovery: Arc<Discovery>) -> Result<Self, String> {
        let (orders, inbox) = channel();
        let (outbox, news) = mpsc::channel(4);
        let discovery = Arc::new(RwLock::new(discovery));
        let inputs = Arc::clone(&options.inputs);
        let follower = Follower {
            inbox,
            wake: orders.clone(),
            outbox,
            discovery: Arc::clone(&discovery),
            cache: Cache::default(),
            last: None,
            charts: None,
            pin: options.pin.clone(),
            remotes: remotes(&options),
            pinned: HashMap::new(),
            options,
        };
        std::thread::Builder::new()
            .name("follow".into())
            .spawn(move || follower.run())
            .map_err(|e| format!("the source's thread cannot be started: {e}"))?;
        Ok(Self { orders, news, inputs, discovery })
    }

    /// A source that tells what it is given: for tests and for callers that render themselves.
    #[must_use]
    pub fn given(news: mpsc::Receiver<News>) -> Self {
        let (orders, _) = channel();
        Self { orders, news, inputs: Arc::default(), discovery: Arc::default() }
    }

    /// The next news; never returns once the thread has ended.
    pub async fn next(&mut self) -> Option<News> {
        match self.news.recv().await {
            Some(news) => Some(news),
            None => std::future::pending().await,
        }
    }

    /// Tells the thread.
    pub fn order(&self, order: Order) {
        // A thread that has ended has nothing to do.
        let _ = self.orders.send(order);
    }

    /// The server serves other kinds now.
    pub fn discovered(&self, discovery: Arc<Discovery>) {
        *self.discovery.write().unwrap_or_else(PoisonError::into_inner) = discovery;
    }
}

struct Follower {
    inbox: Receiver<Order>,
    wake: Sender<Order>,
    outbox: mpsc::Sender<News>,
    discovery: Arc<RwLock<Arc<Discovery>>>,
    cache: Cache,
    /// The revision last told, and what was wrong with it.
    last: Option<(String, Option<String>)>,
    /// Who gets charts; made with the first look.
    charts: Option<charts::Store>,
    pin: Option<String>,
    remotes: RemoteBases,
    /// Pinned apps by name and commit, as they were rendered.
    pinned: HashMap<(String, String), PinnedApp>,
    options: FollowOptions,
}

/// Why there is nothing new to enforce.
struct Trouble {
    /// The commit, if it got so far.
    revision: Option<String>,
    message: String,
    /// Whether the same has been told before: asked again, but not told.
    told: bool,
}

impl Trouble {
    fn at_source(message: String) -> Self {
        Self { revision: None, message, told: false }
    }
}

/// Why a commit cannot be rendered.
struct Broken {
    message: String,
    /// Whether a chart repository did not answer: the same commit may render later.
    transient: bool,
}

impl From<String> for Broken {
    fn from(message: String) -> Self {
        Self { message, transient: false }
    }
}

impl From<Vec<Problem>> for Broken {
    fn from(problems: Vec<Problem>) -> Self {
        let transient = problems.iter().any(|p| p.kind == ProblemKind::Unreachable);
        Self { message: lines(problems), transient }
    }
}

impl Follower {
    fn run(mut self) {
        let mut source: Option<(GitSource, Option<RefWatch>)> = None;
        let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(60));
        loop {
            let result = match &source {
                Some((source, _)) => self.look(source),
                None => match self.open() {
                    Ok(opened) => {
                        let result = self.look(&opened.0);
                        source = Some(opened);
                        result
                    }
                    Err(message) => Err(Trouble::at_source(message)),
                },
            };
            let wait = match result {
                Ok(()) => {
                    backoff.reset();
                    self.options.interval
                }
                Err(Trouble { revision, message, told }) => {
                    let news = News::Failing { revision, message };
                    if !told && self.outbox.blocking_send(news).is_err() {
                        return;
                    }
                    backoff.next(jitter()).min(self.options.interval)
                }
            };
            if !self.wait(wait) {
                return;
            }
        }
    }

    /// Waits for an order or the time; false to end. Several orders at once are one look.
    fn wait(&mut self, wait: Duration) -> bool {
        let mut order = match self.inbox.recv_timeout(wait) {
            Ok(order) => Some(order),
            Err(RecvTimeoutError::Timeout) => return !self.outbox.is_closed(),
            Err(RecvTimeoutError::Disconnected) => return false,
        };
        while let Some(now) = order {
            match now {
                Order::Pin(pin) => {
                    if self.pin != pin {
                        self.pin = pin;
                        self.last = None;
                    }
                }
                Order::Pins(pins) => {
                    if self.options.pins != pins {
                        self.options.pins = pins;
                        self.pinned.retain(|(app, _), _| self.options.pins.contains_key(app));
                        self.last = None;
                    }
                }
                Order::Inputs => {
                    self.pinned.clear();
                    if self.last.as_ref().is_some_and(|(_, wrong)| wrong.is_none()) {
                        self.last = None;
                    }
                }
                Order::Now => {}
                Order::Interval(interval) => self.options.interval = interval,
                Order::Stop => return false,
            }
            order = self.inbox.try_recv().ok();
        }
        true
    }

    fn open(&self) -> Result<(GitSource, Option<RefWatch>), String> {
        let settings = Settings {
            location: self.options.repo.clone(),
            reference: reference(&self.options.branch),
            state_dir: self.options.state_dir.clone(),
            ca_file: self.options.ca_file.clone(),
            ..Settings::default()
        };
        let source = GitSource::open(settings).map_err(|e| e.to_string())?;
        let wake = self.wake.clone();
        let watch = source
            .watch(move || {
                let _ = wake.send(Order::Now);
            })
            .map_err(|e| e.to_string())?;
        Ok((source, watch))
    }

    /// Asks the source and renders what is new.
    fn look(&mut self, source: &GitSource) -> Result<(), Trouble> {
        let seen = Instant::now();
        let revision = match &self.pin {
            None => source.poll().map_err(|e| Trouble::at_source(e.to_string()))?,
            Some(pin) => match source.revision(pin) {
                Ok(revision) => revision,
                Err(_) => {
                    // Not here yet: the remote may have it.
                    source.poll().map_err(|e| Trouble::at_source(e.to_string()))?;
                    source.revision(pin).map_err(|e| Trouble::at_source(format!("pin {pin}: {e}")))?
                }
            },
        };
        let id = revision.commit.as_str().to_owned();
        if self.last.as_ref().is_some_and(|(last, wrong)| *last == id && wrong.is_none()) {
            let _ = self.outbox.blocking_send(News::Checked);
            return Ok(());
        }
        let info = RevisionInfo {
            id: id.clone(),
            author: revision.author.clone(),
            subject: revision.subject.clone(),
            time: revision.time,
        };
        let rendered = self
            .render(source, &revision.commit, revision.time)
            .and_then(|cloud| self.with_pins(source, cloud));
        match rendered {
            Ok((cloud, _)) if !cloud.unknown.is_empty() => {
                let _ = self.outbox.blocking_send(News::Inputs(cloud.unknown));
                Ok(())
            }
            Ok((cloud, pins)) => {
                self.last = Some((id, None));
                let desired = Desired { pins, ..Desired::new(info, Arc::new(cloud), seen) };
                let _ = self.outbox.blocking_send(News::Desired(Arc::new(desired)));
                Ok(())
            }
            Err(Broken { message, transient }) => {
                let now = (id.clone(), Some(message.clone()));
                let told = self.last.as_ref() == Some(&now);
                self.last = Some(now);
                if told && !transient {
                    // The same commit is broken in the same way: once is enough.
                    return Ok(());
                }
                Err(Trouble { revision: Some(id), message, told })
            }
        }
    }

    /// Who gets charts; what repositories said at the last look is forgotten.
    fn refreshed_charts(&mut self) -> Result<(), String> {
        match &self.charts {
            Some(charts) => charts.refresh(),
            None => {
                let store = charts::Store::new(self.options.charts.clone()).map_err(|e| e.to_string())?;
                self.charts = Some(store);
            }
        }
        Ok(())
    }

    /// Puts the pinned apps in the place of the revision's own.
    fn with_pins(
        &mut self,
        source: &GitSource,
        cloud: RenderedCloud,
    ) -> Result<(RenderedCloud, BTreeMap<Arc<str>, RevisionInfo>), Broken> {
        let (mut apps, mut infos) = (Vec::new(), BTreeMap::new());
        let mut unknown = BTreeSet::new();
        for (app, pin) in self.options.pins.clone() {
            let of = |e: &dyn std::fmt::Display| {
                format!("app {app} is pinned to {pin}: {e}; `retune resume {app}` ends the pin")
            };
            let revision = match source.revision(&pin) {
                Ok(revision) => revision,
                Err(_) => {
                    source.poll().map_err(|e| of(&e))?;
                    source.revision(&pin).map_err(|e| of(&e))?
                }
            };
            let id = revision.commit.as_str().to_owned();
            let place = (app.clone(), id.clone());
            if !self.pinned.contains_key(&place) {
                let whole = self
                    .render(source, &revision.commit, revision.time)
                    .map_err(|e| Broken { message: of(&e.message), ..e })?;
                let found = whole.app(&app).ok_or_else(|| {
                    of(&format!("that revision has no such app for profile {}", self.options.profile))
                })?;
                let own = found.inputs.iter().map(|i| &i.source);
                unknown.extend(own.filter(|s| whole.unknown.contains(*s)).cloned());
                let pinned = PinnedApp { revision: id.clone(), app: Arc::clone(found) };
                self.pinned.insert(place.clone(), pinned);
            }
            apps.extend(self.pinned.get(&place).cloned());
            let info =
                RevisionInfo { id, author: revision.author, subject: revision.subject, time: revision.time };
            infos.insert(app.as_str().into(), info);
        }
        let mut cloud = with_pinned(cloud, &apps)?;
        if !unknown.is_empty() {
            self.pinned.clear();
        }
        cloud.unknown.extend(unknown);
        Ok((cloud, infos))
    }

    fn render(&mut self, source: &GitSource, commit: &CommitId, time: i64) -> Result<RenderedCloud, Broken> {
        self.refreshed_charts()?;
        let whole = source.tree(commit).map_err(|e| e.to_string())?;
        let path = self.options.path.trim_matches('/');
        let path = if path == "." { "" } else { path };
        let part;
        let tree: &dyn FileTree = if path.is_empty() {
            &whole
        } else {
            part = SubTree::new(&whole, path);
            &part
        };
        let spec = upstream_of(tree)?;
        let (fetched, inside);
        let upstream: Option<&dyn FileTree> = match &spec {
            None => None,
            Some(spec) => match (&spec.path, &spec.url, &spec.commit) {
                (Some(path), _, _) => {
                    inside = SubTree::new(tree, path);
                    Some(&inside)
                }
                (None, Some(url), Some(commit)) => {
                    fetched = upstream_tree(source, url, commit)?;
                    Some(&fetched)
                }
                _ => {
                    return Err("retune.yaml: spec.upstream: needs a path, or url and commit"
                        .to_owned()
                        .into());
                }
            },
        };
        let discovery = Arc::clone(&self.discovery.read().unwrap_or_else(PoisonError::into_inner));
        let scopes = ServedScopes(discovery);
        let charts = self.charts.as_ref().map(|c| c as &dyn Charts);
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let options = Options {
            cache: Some(&self.cache),
            upstream,
            threads,
            time,
            seed: self.options.seed.map(|seed| seed.0),
            remote: Some(&self.remotes),
            charts,
            inputs: &*self.options.inputs,
            outlines: self.options.inputs.outlines(),
            ..Options::new(&scopes)
        };
        Ok(render(tree, &self.options.profile, &options)?)
    }
}

fn upstream_tree(source: &GitSource, url: &str, commit: &str) -> Result<GitTree, String> {
    let commit = CommitId::parse(commit).map_err(|e| e.to_string())?;
    let other = source.dependency(url, &commit).map_err(|e| e.to_string())?;
    other.tree(&commit).map_err(|e| e.to_string())
}

/// `main`, `refs/tags/v1`, `tags/v1` or a full commit id.
pub(crate) fn reference(text: &str) -> Reference {
    let text = text.trim();
    if text.is_empty() || text == "HEAD" {
        return Reference::Head;
    }
    if let Ok(commit) = CommitId::parse(text) {
        return Reference::Commit(commit);
    }
    if let Some(tag) = text.strip_prefix("refs/tags/").or_else(|| text.strip_prefix("tags/")) {
        return Reference::Tag(tag.to_owned());
    }
    Reference::Branch(text.strip_prefix("refs/heads/").unwrap_or(text).to_owned())
}

fn lines<E: std::fmt::Display>(problems: Vec<E>) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Scopes from the server's discovery, built-in kinds where it does not say.
pub struct ServedScopes(pub Arc<Discovery>);

impl Scopes for ServedScopes {
    fn namespaced(&self, group: &str, kind: &str) -> Option<bool> {
        self.0.preferred(group, kind).map(|r| r.namespaced).or_else(|| scope::built_in(group, kind))
    }
}
