//! The task that owns a cloud: its state and its loop.
//!
//! Everything that happens arrives here as a message (a job's report, a watch's notice, a revision, a change of the
//! `CloudSync`, a timer), changes the state, and then `Engine::pump` starts what may start. No other task writes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::fight::Fights;
use super::follow::{Desired, Follow, Order as FollowOrder};
use super::holds::Holds;
use super::index::Index;
use super::memory::{Memory, ShardWrite};
use super::report::Report;
use crate::apply::job::{Done, Target};
use crate::apply::run::Run;
use crate::cloud::ObjectId;
use crate::cluster::crd::CloudSync;
use crate::cluster::discovery::Discovery;
use crate::cluster::error::{ApiError, Backoff};
use crate::cluster::lease::Leadership;
use crate::cluster::watch::Notice;
use crate::health;
use crate::ledger::Ledger;
use crate::plan::Plan;

/// How long the watches of a single sync may take to tell what is ready.
pub(super) const WATCHES_TELL: Duration = Duration::from_secs(15);
/// How many writes of managed objects are in flight at most.
pub const SLOTS: usize = 16;

/// Why the engine ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It was told to; writes in flight were finished.
    Stopped,
    /// Another process holds the Lease now.
    LeadershipLost,
    /// The `CloudSync` names another source or profile: to be begun anew.
    Respecified,
    /// Somebody deleted the `CloudSync`: nothing of the cloud is touched.
    CloudSyncGone,
    /// A single sync (`retune sync` without a syncer) came to its end; `true` when all is applied and ready.
    Once(bool),
}

/// What a job of the engine reports.
#[derive(Debug)]
pub(super) enum Message {
    /// A request for a managed object.
    Object(Done),
    /// An inventory write, and the app whose additions waited for it.
    Inventory(Vec<(ShardWrite, Result<(), ApiError>)>),
    /// A status write.
    Status(Result<(), ApiError>),
    /// An Event was written, or not.
    Event(Result<(), ApiError>),
    /// Discovery.
    Discovered(Result<Discovery, ApiError>),
    /// What exists of a first sync's objects, and what is ours by label and annotation.
    Scanned(Result<super::scan::Scan, ApiError>),
    /// An approval was recorded as used.
    Consumed(Result<(), ApiError>),
    /// Whether CRDs have instances.
    Counted(super::definitions::Counted),
    /// What updates would make smaller.
    Sized(super::sizes::Answer),
    /// Something about an app that is to be adopted.
    Adoption(super::adopt::AdoptionNews),
    /// Something about a hook that is being run.
    Hook(super::hooks::HookNews),
    /// An object that is fought over.
    Rival(Done),
    /// What a DaemonSet's pods say of it.
    Daemons(super::nodes::Daemons),
    /// How a generated Secret was found, or that it was made.
    Secret(Arc<crate::cloud::GeneratedSecret>, Result<super::secrets::job::Outcome, ApiError>),
    /// A rotation is over.
    Rotated(super::secrets::Rotated),
    /// Labels and annotations of a node were applied, or not.
    Node(crate::plan::nodes::NodeChange, Result<u64, ApiError>),
    /// The audit's lists.
    Audited(Result<Vec<(ObjectId, crate::cluster::meta::Meta)>, ApiError>),
}

/// What wakes the engine by itself.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Try an object again.
    Retry(ObjectId),
    /// Write what the inventory has dirty.
    Flush,
    /// Write the status.
    Status,
    /// The brake may be off.
    Pump,
    /// Ask discovery again.
    Discover,
    /// List everything once.
    Audit,
    /// Fights may be settled by silence.
    Fights,
    /// An app's time is over.
    AppTimeout(Arc<str>),
    /// Write Events that were coalesced.
    Events,
    /// A hold's time or notice may be over.
    Holds,
    /// Try a failed app again.
    RetryApp(Arc<str>),
    /// A hook's time is over: the run's app and number, and its object.
    HookTimeout(Arc<str>, u64, ObjectId),
    /// Look again at generated Secrets that are not there.
    Secrets,
    /// Certificates may near their end.
    Certificates,
    /// Look at a node again.
    Node(String),
    /// Make the plan anew.
    Replan,
    /// Try an adoption, or its undoing, again.
    Adopt(Arc<str>),
}

/// One kind's watch.
#[derive(Debug)]
pub(super) struct WatchState {
    pub(super) handle: AbortHandle,
    pub(super) synced: bool,
    /// It fails and goes on trying.
    pub(super) failing: bool,
    pub(super) round: u32,
}

/// A plan under way.
#[derive(Debug)]
pub(super) struct ActiveRun {
    pub(super) run: Run,
    pub(super) plan: Arc<Plan>,
    /// When the revision was seen at the source.
    pub(super) seen: Instant,
    pub(super) app_started: HashMap<Arc<str>, Instant>,
    pub(super) applied_told: bool,
    pub(super) first_write: Option<Instant>,
    pub(super) writes: u64,
    pub(super) conflicts: Vec<String>,
    /// Apps whose additions were put into memory ahead of their turn.
    pub(super) ahead: HashSet<Arc<str>>,
    /// Nothing moves without help, and that was told.
    pub(super) stalled: bool,
}

/// What the spec of the `CloudSync` says, as far as the engine acts on it.
#[derive(Debug, Clone, Default)]
pub(super) struct Steering {
    pub(super) suspend: bool,
    pub(super) pin: Option<String>,
    /// For every object, whatever Git says.
    pub(super) drift: Option<crate::cloud::spec::DriftMode>,
    pub(super) force: bool,
    pub(super) request: Option<crate::cluster::crd::SyncRequest>,
    pub(super) generation: i64,
    pub(super) audit: Duration,
}

/// One cloud's owner.
pub struct Engine {
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    pub(super) leadership: Leadership,
    pub(super) cloudsync: CloudSync,
    pub(super) steering: Steering,
    pub(super) index: Index,
    pub(super) memory: Memory,
    pub(super) fights: Fights,
    pub(super) follow: Follow,
    pub(super) desired: Option<Arc<Desired>>,
    pub(super) active: Option<ActiveRun>,
    /// Whether the desired revision has been planned (and started).
    pub(super) planned: bool,
    /// A plan that waits for its approval to be recorded as used.
    pub(super) consuming: Option<(Arc<Desired>, Plan)>,
    /// Apps whose hooks are being run.
    pub(super) hooks: super::hooks::HookRuns,
    /// The last number given to a run of hooks.
    pub(super) hook_serial: u64,
    /// Objects that finished hooks left.
    pub(super) leftovers: super::hooks::Leftovers,
    /// Objects that stay although Git has them no more.
    pub(super) orphans: super::teardown::Orphans,
    /// What `retune test` asked for and what came of it.
    pub(super) testing: super::testing::Testing,
    /// Whether the `CloudSync` is being deleted and asked for the cloud to go with it.
    pub(super) tearing_down: bool,
    /// The per-cloud key.
    pub(super) key: [u8; 32],
    /// Objects of each app that are not ready.
    pub(super) unready: BTreeMap<Arc<str>, HashSet<ObjectId>>,
    pub(super) watches: HashMap<(Arc<str>, Arc<str>), WatchState>,
    pub(super) urgent: VecDeque<ObjectId>,
    pub(super) queue: VecDeque<ObjectId>,
    /// Whose turn it is: a run's, or drift's.
    pub(super) run_first: bool,
    pub(super) deletions: VecDeque<crate::plan::Action>,
    pub(super) in_flight: usize,
    pub(super) brake: Option<Instant>,
    pub(super) brake_backoff: Backoff,
    pub(super) retries: HashMap<ObjectId, Backoff>,
    /// Failed apps that are tried again by themselves.
    pub(super) app_retries: HashMap<Arc<str>, Backoff>,
    pub(super) holds: Holds,
    /// Apps some of whose changes are held.
    pub(super) incomplete: HashSet<Arc<str>>,
    /// Writes that wait until it is known whether their object is held by an annotation.
    pub(super) parked: Vec<ObjectId>,
    pub(super) begun: Instant,
    /// Objects that were noted, never seen, and taken out of the inventory: the write of a killed syncer may still come.
    pub(super) gone_unseen: HashSet<ObjectId>,
    pub(super) inventory_busy: HashSet<Arc<str>>,
    pub(super) recording: HashSet<Arc<str>>,
    /// Additions to write when there is time, of apps whose turn has not come; in the plan's order.
    pub(super) ahead: VecDeque<Arc<str>>,
    pub(super) inventory_backoff: Backoff,
    pub(super) flush_at: Option<Instant>,
    /// The inventory holds something that must not wait for the end of an apply (a completed hook).
    pub(super) flush_urgent: bool,
    pub(super) discovering: bool,
    pub(super) scanned: bool,
    pub(super) scanning: bool,
    pub(super) adoption: super::adopt::Adoption,
    pub(super) prune_frozen: bool,
    /// CRDs that have left Git.
    pub(super) definitions: super::definitions::Definitions,
    /// Updates that would make something smaller that holds data.
    pub(super) sizes: super::sizes::Sizes,
    /// How many looks are in flight at most.
    pub(super) looks: Arc<tokio::sync::Semaphore>,
    pub(super) jobs: JoinSet<Message>,
    pub(super) timers: BinaryHeap<Reverse<(Instant, Timer)>>,
    pub(super) notices: mpsc::Sender<Notice<health::Verdict>>,
    notices_in: mpsc::Receiver<Notice<health::Verdict>>,
    pub(super) report: Report,
    /// What decides something about the cloud without being part of it.
    pub(super) surroundings: super::surroundings::Surroundings,
    /// Nodes that do not count for DaemonSets.
    pub(super) nodes: super::nodes::Nodes,
    /// The apps' own health rules.
    pub(super) own_rules: super::verdicts::SharedRules,
    pub(super) secrets: super::secrets::Secrets,
    /// Labels and annotations of nodes.
    pub(super) labels: super::node_labels::NodeLabels,
    /// The live inputs of apps.
    pub(super) inputs: super::inputs::watches::LiveInputs,
    pub(super) ledger: Ledger,
    /// A request of the `CloudSync` that is being carried out.
    pub(super) requested: Option<crate::cluster::crd::SyncRequest>,
    /// The source has answered it: what it asks for was begun.
    pub(super) carried_out: bool,
    pub(super) stopping: bool,
    pub(super) once: bool,
    pub(super) ended: Option<Ended>,
}

/// What an engine starts from.
pub struct Start {
    /// The cloud's name, on labels.
    pub name: Arc<str>,
    /// The server and the cloud's marks.
    pub target: Target,
    /// The Lease.
    pub leadership: Leadership,
    /// The `CloudSync` as it is.
    pub cloudsync: CloudSync,
    /// The inventory as it was read.
    pub inventory: Vec<crate::cluster::crd::Inventory>,
    /// The source.
    pub follow: Follow,
    /// The ledger.
    pub ledger: Ledger,
    /// The per-cloud key.
    pub key: [u8; 32],
    /// End after one sync.
    pub once: bool,
    /// The cluster is older than what was seen of it before: nothing is pruned until all is compared.
    pub restored: bool,
}

impl Engine {
    /// An engine that has not begun.
    #[must_use]
    pub fn new(start: Start) -> Self {
        let (notices, notices_in) = mpsc::channel(1_024);
        let mut index = Index::default();
        let memory = Memory::load(&start.inventory, &mut index);
        let report = Report::new(&start.cloudsync.status);
        let inputs = super::inputs::watches::LiveInputs::new(Arc::clone(&start.follow.inputs));
        let mut engine = Self {
            inputs,
            labels: super::node_labels::NodeLabels::default(),
            name: start.name,
            target: start.target,
            leadership: start.leadership,
            cloudsync: start.cloudsync.clone(),
            steering: Steering::default(),
            index,
            memory,
            fights: Fights::default(),
            follow: start.follow,
            desired: None,
            active: None,
            planned: false,
            consuming: None,
            hooks: super::hooks::HookRuns::new(),
            hook_serial: 0,
            leftovers: super::hooks::Leftovers::default(),
            orphans: super::teardown::Orphans::load(&start.cloudsync.status),
            testing: super::testing::Testing::default(),
            tearing_down: false,
            key: start.key,
            unready: BTreeMap::new(),
            watches: HashMap::new(),
            urgent: VecDeque::new(),
            queue: VecDeque::new(),
            run_first: false,
            deletions: VecDeque::new(),
            in_flight: 0,
            brake: None,
            brake_backoff: Backoff::new(Duration::from_millis(60), Duration::from_secs(10)),
            retries: HashMap::new(),
            app_retries: HashMap::new(),
            holds: Holds::new(&start.cloudsync.status.holds),
            incomplete: HashSet::new(),
            parked: Vec::new(),
            begun: Instant::now(),
            gone_unseen: HashSet::new(),
            inventory_busy: HashSet::new(),
            recording: HashSet::new(),
            ahead: VecDeque::new(),
            inventory_backoff: Backoff::new(Duration::from_millis(100), Duration::from_secs(10)),
            flush_at: None,
            flush_urgent: false,
            discovering: false,
            scanned: false,
            scanning: false,
            adoption: super::adopt::Adoption::load(&start.cloudsync.status),
            prune_frozen: start.restored,
            definitions: super::definitions::Definitions::default(),
            sizes: super::sizes::Sizes::default(),
            looks: Arc::new(tokio::sync::Semaphore::new(SLOTS)),
            jobs: JoinSet::new(),
            timers: BinaryHeap::new(),
            notices,
            notices_in,
            report,
            surroundings: super::surroundings::Surroundings::default(),
            nodes: super::nodes::Nodes::default(),
            own_rules: super::verdicts::SharedRules::default(),
            secrets: super::secrets::Secrets::default(),
            ledger: start.ledger,
            requested: None,
            carried_out: false,
            stopping: false,
            once: start.once,
            ended: None,
        };
        engine.open_kept_hooks();
        engine.steer(start.cloudsync);
        engine
    }

    /// Runs until told to stop, or until leadership or the `CloudSync` is gone.
    pub async fn run(
        mut self,
        mut stop: watch::Receiver<bool>,
        mut control: mpsc::Receiver<super::control::Change>,
    ) -> Ended {
        let audit = self.steering.audit;
        self.after(audit, Timer::Audit);
        self.watch_surroundings();
        let mut lost = self.leadership.clone();
        loop {
            self.pump();
            if let Some(ended) = self.ended
                && self.in_flight == 0
                && self.secrets.is_idle()
                && self.inventory_busy.is_empty()
                // A status that is still on its way would put back what the last one says.
                && (!self.report.in_flight || ended == Ended::LeadershipLost)
                && (!matches!(ended, Ended::Once(_)) || self.labels.at_rest() && self.watches_told())
            {
                self.finish().await;
                // Looks that were under way at the sync's end are over now, and what was ready before it is known to be.
                return match ended {
                    Ended::Once(done) => {
                        let ready = self.unready.values().all(HashSet::is_empty);
                        Ended::Once(done && ready && self.secrets.all_present())
                    }
                    other => other,
                };
            }
            let next = self.timers.peek().map(|Reverse((at, _))| *at);
            let sleep = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop), if !self.stopping => self.stop(Ended::Stopped),
                () = lost.lost(), if !self.stopping => self.stop(Ended::LeadershipLost),
                Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => match done {
                    Ok(message) => self.on_message(message),
                    Err(error) => tracing::error!(%error, "a job ended in a panic; this is a defect in retune"),
                },
                // Before the objects' own events: what an autoscaler does follows its creation.
                Some(notice) = self.surroundings.feed.recv() => self.on_surroundings(notice),
                Some(notice) = self.nodes.feed.recv() => self.on_node(notice),
                Some(notice) = self.secrets.feed.recv() => self.on_secret_notice(notice),
                Some(notice) = self.inputs.notices.recv() => self.on_input(notice),
                Some(notice) = self.labels.feed.recv() => self.on_labels(notice),
                Some(notice) = self.notices_in.recv() => {
                    self.on_notice(notice);
                    // What else is there already is taken in one go.
                    for _ in 0..256 {
                        match self.notices_in.try_recv() {
                            Ok(notice) => self.on_notice(notice),
                            Err(_) => break,
                        }
                    }
                }
                Some(change) = control.recv() => self.on_control(change),
                Some(news) = self.follow.next() => self.on_news(news),
                () = sleep => self.on_timers(),
            }
        }
    }

    fn stop(&mut self, ended: Ended) {
        self.stopping = true;
        self.ended.get_or_insert(ended);
        tracing::info!(in_flight = self.in_flight, "stopping: the writes in flight are finished");
    }

    /// Ends everything that writes nothing, and writes what the inventory and the status still have.
    /// Whether every kind's watch has told its objects, or had time to.
    fn watches_told(&self) -> bool {
        self.begun.elapsed() > WATCHES_TELL || self.watches.values().all(|w| w.synced || w.failing)
    }

    async fn finish(&mut self) {
        for watch in self.watches.values() {
            watch.handle.abort();
        }
        self.surroundings.feed.stop();
        self.nodes.feed.stop();
        self.secrets.feed.stop();
        self.inputs.stop();
        self.labels.feed.stop();
        self.follow.order(FollowOrder::Stop);
        if self.ended == Some(Ended::LeadershipLost) {
            return;
        }
        self.report.status.adoption = self.adoption_status();
        let writes = self.memory.take_writes(&self.name, None, &self.index);
        let client = self.target.client.clone();
        let (results, _) = tokio::join!(
            super::shards::write_shards(client.clone(), Arc::clone(&self.name), writes),
            self.write_status_now(),
        );
        for (write, result) in results {
            if let Err(error) = result {
                tracing::warn!(inventory = %write.name, %error, "the inventory could not be written before the end; it is rebuilt at the next start");
            }
        }
    }

    fn on_timers(&mut self) {
        let now = Instant::now();
        while let Some(Reverse((at, _))) = self.timers.peek() {
            if *at > now {
                break;
            }
            let Some(Reverse((_, timer))) = self.timers.pop() else { break };
            match timer {
                Timer::Retry(id) => self.want(&id, true),
                Timer::Status => self.report.due = true,
                Timer::Flush | Timer::Pump => {}
                Timer::Discover => self.discover(),
                Timer::Audit => self.audit(),
                Timer::Fights => self.sweep_fights(),
                Timer::AppTimeout(app) => self.app_timeout(&app),
                Timer::Events => self.write_events(),
                Timer::Holds => self.tick_holds(),
                Timer::RetryApp(app) => self.retry_app(&app),
                Timer::HookTimeout(app, serial, id) => self.hook_timeout(&app, serial, &id),
                Timer::Secrets => self.secrets_again(),
                Timer::Certificates => self.certificates_again(),
                Timer::Node(name) => self.node_again(name),
                Timer::Replan => self.plan_again(),
                Timer::Adopt(app) => self.adoption_again(&app),
            }
        }
    }

    fn on_message(&mut self, message: Message) {
        match message {
            Message::Object(done) => self.on_done(done),
            Message::Inventory(results) => self.on_inventory(results),
            Message::Status(result) => self.on_status(result),
            Message::Event(result) => {
                if let Err(error) = result {
                    tracing::warn!(%error, "an Event (or the end of a hook or hold) could not be written");
                }
            }
            Message::Discovered(result) => self.on_discovered(result),
            Message::Scanned(result) => self.on_scanned(result),
            Message::Consumed(result) => self.on_consumed(result),
            Message::Counted(counted) => self.on_counted(counted),
            Message::Sized(answer) => self.on_sized(answer),
            Message::Adoption(news) => self.on_adoption(news),
            Message::Hook(news) => self.on_hook_news(news),
            Message::Secret(secret, result) => self.on_secret(&secret, result),
            Message::Rotated(result) => self.on_rotated(result),
            Message::Rival(done) => self.on_rival(done),
            Message::Node(change, result) => self.on_node_applied(change, result),
            Message::Audited(result) => self.on_audited(result),
            Message::Daemons(daemons) => self.on_daemons(daemons),
        }
    }

    /// Wakes the engine after a while.
    pub(super) fn after(&mut self, wait: Duration, timer: Timer) {
        self.timers.push(Reverse((Instant::now() + wait, timer)));
    }
}
