//! Generated Secrets: made before their app's objects, once; watched, so that one that vanishes is named at once.
//!
//! Neither applied nor corrected nor pruned. What exists is kept, whoever made it; a key that is missing and never was there is
//! added; what was there and is gone is told (status, condition, Event, `retune why`) and not made again until somebody approves a
//! rotation. A certificate that nears its end is told, never replaced by itself. The record of what was there is part of the inventory, without values. An app whose Secret is not there waits before
//! its objects, the others go on.
//!
//! | module | subject |
//! |---|---|
//! | [`job`] | the requests |
//! | [`rotation`] | `retune rotate`: plan, approval, execution |
//! | [`certificates`] | when certificates end |

mod certificates;
pub(super) mod job;
mod rotation;

pub(super) use self::rotation::Rotated;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use self::job::{Outcome, ensure};
use super::engine::{Engine, Message, Timer};
use super::feed::{Feed, Watching};
use super::follow::Desired;
use super::memory::Memory;
use crate::cloud::ObjectId;
use crate::cloud::secrets::expiry::CertificateEnd;
use crate::cloud::secrets::{GeneratedSecret, SecretAt};
use crate::cluster::client::Client;
use crate::cluster::crd::SecretStatus;
use crate::cluster::error::{ApiError, Backoff, jitter};
use crate::cluster::secrets::{ANNOTATION_FOR, LABEL_GENERATED, read, resource};
use crate::cluster::watch::{self, Event, Notice, WatchSpec};
use crate::plan::secrets::{SecretAction, SecretRecord, lost_message, need};

/// The first pause before what waits is looked at again, and the longest.
const RETRY: Duration = Duration::from_millis(500);
const RETRY_CAP: Duration = Duration::from_secs(30);

/// How a declared Secret stands.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// Not looked at yet.
    Unknown,
    /// There, with its keys.
    Present,
    /// It (or these keys) was there and is gone.
    Lost(Vec<String>),
    /// Cannot be made yet.
    Waits(String),
    /// Cannot be made.
    Refused(String),
}

#[derive(Debug)]
struct Known {
    secret: Arc<GeneratedSecret>,
    standing: Standing,
    busy: bool,
    /// Something happened while a look was under way.
    again: bool,
    version: u64,
    /// When its certificates end.
    ends: Vec<CertificateEnd>,
    /// Waits for a lost one to be restored: that may be without our label.
    return_watch: Option<Watching>,
}

/// The generated Secrets of a cloud.
#[derive(Debug)]
pub(super) struct Secrets {
    pub(super) feed: Feed<()>,
    declared: BTreeMap<SecretAt, Known>,
    /// Marked ones that nobody declares (any more), with the app they were made for.
    orphans: BTreeMap<SecretAt, String>,
    /// Those named since the watch began to tell its whole state again.
    named: Option<BTreeSet<SecretAt>>,
    backoff: Backoff,
    timer: bool,
    /// When ends of certificates are looked at again, seconds since 1970.
    certificates_at: Option<i64>,
    /// What was made since the newest entry of the ledger, without values, for the next one.
    pub(super) told: Vec<String>,
    pub(super) rotating: bool,
}

impl Default for Secrets {
    fn default() -> Self {
        Self {
            feed: Feed::default(),
            declared: BTreeMap::new(),
            orphans: BTreeMap::new(),
            named: None,
            backoff: Backoff::new(RETRY, RETRY_CAP),
            timer: false,
            certificates_at: None,
            told: Vec::new(),
            rotating: false,
        }
    }
}

impl Secrets {
    /// Whether no look or rotation is under way.
    pub(super) fn is_idle(&self) -> bool {
        !self.rotating && !self.declared.values().any(|k| k.busy)
    }

    /// Whether every declared Secret is there.
    pub(super) fn all_present(&self) -> bool {
        self.declared.values().all(|k| k.standing == Standing::Present)
    }

    /// Whether an app waits for a Secret that does not come by itself.
    pub(super) fn is_stuck(&self, app: &str) -> bool {
        let stuck = |k: &Known| matches!(k.standing, Standing::Lost(_) | Standing::Refused(_));
        self.declared.values().any(|k| *k.secret.app == *app && stuck(k))
    }

    /// Why an app is not complete: its state and the reason.
    pub(super) fn trouble(&self, app: &str) -> Option<(&'static str, String)> {
        let of_app = || self.declared.values().filter(|k| *k.secret.app == *app);
        let failed = of_app().find(|k| matches!(k.standing, Standing::Lost(_) | Standing::Refused(_)));
        let known = failed.or_else(|| of_app().find(|k| matches!(k.standing, Standing::Waits(_))))?;
        let state = if failed.is_some() { "failed" } else { "pending" };
        Some((state, message(known)?))
    }

    /// For the status: all that is not as it should be.
    pub(super) fn status(&self, most: usize) -> Vec<SecretStatus> {
        let one = |k: &Known| {
            let state = match k.standing {
                Standing::Lost(_) => "lost",
                Standing::Waits(_) => "waiting",
                Standing::Refused(_) => "refused",
                Standing::Unknown | Standing::Present => return None,
            };
            Some(SecretStatus {
                secret: k.secret.at.to_string(),
                app: k.secret.app.to_string(),
                state: state.to_owned(),
                message: message(k)?,
            })
        };
        let orphan = |(at, app): (&SecretAt, &String)| {
            SecretStatus {
            secret: at.to_string(),
            app: app.clone(),
            state: "orphan".to_owned(),
            message: "no app declares it any more; it is kept, because it is data: delete it by hand once nothing needs it".to_owned(),
        }
        };
        let all = self.declared.values().filter_map(one).chain(self.certificate_status());
        all.chain(self.orphans.iter().map(orphan)).take(most).collect()
    }

    /// The condition `SecretsPresent`, if there is anything to say: whether, one word, for people.
    pub(super) fn condition(&self) -> Option<(bool, &'static str, String)> {
        if self.declared.is_empty() {
            return None;
        }
        let lost: Vec<String> = self
            .declared
            .values()
            .filter(|k| matches!(k.standing, Standing::Lost(_)))
            .filter_map(message)
            .collect();
        if !lost.is_empty() {
            return Some((false, "Lost", lost.join("; ")));
        }
        let waits: Vec<String> = self.declared.values().filter_map(message).collect();
        if waits.is_empty() {
            let count = self.declared.len();
            Some((true, "Present", format!("all {count} generated Secrets are there")))
        } else {
            Some((false, "Waiting", waits.join("; ")))
        }
    }

    fn declarations(&self) -> BTreeMap<SecretAt, Arc<GeneratedSecret>> {
        self.declared.iter().map(|(at, k)| (at.clone(), Arc::clone(&k.secret))).collect()
    }
}

fn message(known: &Known) -> Option<String> {
    let secret = &known.secret;
    match &known.standing {
        Standing::Unknown | Standing::Present => None,
        Standing::Lost(keys) => Some(lost_message(&secret.at, &secret.app, keys)),
        Standing::Waits(why) => Some(format!("Secret {} {why}", secret.at)),
        Standing::Refused(why) => Some(format!("Secret {} ({}) {why}", secret.at, secret.origin)),
    }
}

/// What a sync would do about generated Secrets, for `diff`.
///
/// # Errors
/// The API server.
pub(super) async fn preview(
    client: &Client,
    desired: &Desired,
    memory: &Memory,
) -> Result<Vec<SecretAction>, ApiError> {
    let mut out = Vec::new();
    for secret in desired.cloud.apps.iter().flat_map(|a| a.generated.iter()) {
        let name = secret.at.to_string();
        let record = memory.apps.values().find_map(|r| r.secrets().get(&name));
        let found = read(client, &secret.at).await?;
        out.extend(SecretAction::of(secret, &need(secret, found.as_ref().map(|f| &f.values), record)));
    }
    Ok(out)
}

impl Engine {
    fn recorded_secret(&self, at: &SecretAt) -> Option<SecretRecord> {
        let name = at.to_string();
        self.memory.apps.values().find_map(|r| r.secrets().get(&name).cloned())
    }

    /// Takes in what a revision declares, and looks at what is new or not there.
    pub(super) fn declare_secrets(&mut self, desired: &Desired) {
        let wanted: BTreeMap<&SecretAt, &GeneratedSecret> =
            desired.cloud.apps.iter().flat_map(|a| a.generated.iter()).map(|s| (&s.at, s)).collect();
        let orphans = &mut self.secrets.orphans;
        self.secrets.declared.retain(|at, known| {
            let stays = wanted.contains_key(at);
            if !stays && known.standing == Standing::Present {
                orphans.insert(at.clone(), known.secret.app.to_string());
            }
            stays
        });
        for (at, secret) in &wanted {
            match self.secrets.declared.get_mut(*at) {
                Some(known) if *known.secret == **secret => {}
                Some(known) => {
                    known.secret = Arc::new((*secret).clone());
                    known.again |= known.busy;
                    known.standing = Standing::Unknown;
                }
                None => {
                    let secret = Arc::new((*secret).clone());
                    let known = Known {
                        secret,
                        standing: Standing::Unknown,
                        busy: false,
                        again: false,
                        version: 0,
                        ends: Vec::new(),
                        return_watch: None,
                    };
                    self.secrets.declared.insert((*at).clone(), known);
                }
            }
            self.secrets.orphans.remove(*at);
        }
        let keep = |name: &str| SecretAt::parse(name).is_some_and(|at| wanted.contains_key(&at));
        let mut forgotten = false;
        for record in self.memory.apps.values_mut() {
            forgotten |= record.forget_secrets(&keep);
        }
        if forgotten {
            self.dirty();
        }
        self.watch_secrets();
        self.look_at_secrets(&|_| true);
        self.report.due = true;
    }

    /// Looks again at what is not known to be there.
    pub(super) fn look_at_secrets(&mut self, which: &dyn Fn(&SecretAt) -> bool) {
        let open: Vec<SecretAt> = self
            .secrets
            .declared
            .iter()
            .filter(|(at, k)| k.standing != Standing::Present && !k.busy && which(at))
            .map(|(at, _)| at.clone())
            .collect();
        for at in open {
            self.look_at_secret(&at);
        }
    }

    fn look_at_secret(&mut self, at: &SecretAt) {
        // Of an app that is to be adopted nothing is made before it is.
        let app = self.secrets.declared.get(at).map(|k| Arc::clone(&k.secret.app));
        let only_reports = app.as_ref().is_some_and(|app| self.adoption.unadopted.contains_key(app));
        if self.steering.suspend || self.stopping {
            // The plan that a resumption makes looks again.
            return;
        }
        let id = ObjectId::new("", "Secret", Some(&at.namespace), &at.name);
        let held = app.and_then(|app| self.holds.of(&app, &id)).map(ToString::to_string);
        let record = self.recorded_secret(at);
        let Some(known) = self.secrets.declared.get_mut(at) else { return };
        if known.busy {
            known.again = true;
            return;
        }
        if only_reports || !self.leadership.holds() {
            let why = if only_reports { "until its app is adopted" } else { "for the Lease" };
            known.standing = Standing::Waits(format!("waits {why}"));
            self.wait_for_secrets();
            return;
        }
        known.busy = true;
        let secret = Arc::clone(&known.secret);
        let (client, cloud) = (self.target.client.clone(), Arc::clone(&self.name));
        let looks = Arc::clone(&self.looks);
        self.jobs.spawn(async move {
            let _turn = looks.acquire_owned().await;
            let result = ensure(&client, &cloud, &secret, record.as_ref(), held.as_deref()).await;
            Message::Secret(secret, result)
        });
    }

    pub(super) fn on_secret(&mut self, secret: &Arc<GeneratedSecret>, result: Result<Outcome, ApiError>) {
        let at = &secret.at;
        let Some(known) = self.secrets.declared.get_mut(at) else { return };
        known.busy = false;
        let again = std::mem::take(&mut known.again) || known.secret != *secret;
        let before = known.standing.clone();
        let (mut record, mut fresh) = (None, false);
        known.standing = match result {
            Ok(Outcome::Present(found, told, ends)) => {
                fresh = known.ends != ends;
                known.ends = ends;
                if let Some(told) = told {
                    tracing::info!(secret = %at, app = %secret.app, "{told}");
                    self.report.note(false, "Secret", format!("Secret {at} of app {}: {told}", secret.app));
                    self.secrets.told.push(format!("generate Secret {at}  ({told}) [{}]", secret.app));
                }
                record = Some(found);
                Standing::Present
            }
            Ok(Outcome::Lost(keys)) => Standing::Lost(keys),
            Ok(Outcome::Waits(why)) => Standing::Waits(why),
            Ok(Outcome::Refused(why)) => Standing::Refused(why),
            Err(error) => Standing::Waits(format!("waits: {error}")),
        };
        let now = known.standing.clone();
        let lost = matches!(now, Standing::Lost(_));
        if !lost {
            known.return_watch = None;
        }
        if lost && known.return_watch.is_none() {
            let watching = self.watch_for_return(at);
            if let Some(known) = self.secrets.declared.get_mut(at) {
                known.return_watch = watching;
            }
        }
        if before != now {
            self.report.due = true;
            self.after(Duration::ZERO, Timer::Events);
            let told = self.secrets.declared.get(at).and_then(message);
            match &now {
                Standing::Lost(_) | Standing::Refused(_) => {
                    let told = told.unwrap_or_default();
                    tracing::error!(secret = %at, app = %secret.app, "{told}");
                    self.report.note(true, "SecretLost", told);
                }
                Standing::Waits(why) => tracing::info!(secret = %at, app = %secret.app, "{why}"),
                Standing::Present if before == Standing::Unknown => {}
                Standing::Present => tracing::info!(secret = %at, app = %secret.app, "the Secret is there"),
                Standing::Unknown => {}
            }
        }
        if let Some(record) = record {
            self.record_secret(at, &Arc::clone(&secret.app), record);
            if before != Standing::Present {
                // What is composed of it may be made now.
                self.secrets.backoff.reset();
                let needs: Vec<SecretAt> = self.waiting_for(at);
                needs.iter().for_each(|at| self.look_at_secret(at));
            }
        }
        self.look_at_certificates(fresh);
        if again {
            self.look_at_secret(at);
        } else if matches!(now, Standing::Waits(_)) {
            self.wait_for_secrets();
        }
        self.ask_rotation();
    }

    fn waiting_for(&self, at: &SecretAt) -> Vec<SecretAt> {
        let needs = |k: &Known| {
            k.secret.needs(k.secret.keys.keys().map(String::as_str)).iter().any(|n| n.at() == *at)
        };
        let waits = |k: &Known| matches!(k.standing, Standing::Waits(_));
        self.secrets.declared.iter().filter(|(_, k)| waits(k) && needs(k)).map(|(at, _)| at.clone()).collect()
    }

    fn record_secret(&mut self, at: &SecretAt, app: &Arc<str>, record: SecretRecord) {
        let name = at.to_string();
        let here = self.memory.apps.get(app).and_then(|r| r.secrets().get(&name));
        if here == Some(&record) {
            return;
        }
        for (other, known) in &mut self.memory.apps {
            if other != app {
                known.forget_secrets(&|n| n != name);
            }
        }
        self.memory.app(app).set_secret(name, record);
        self.flush_urgent = true;
        self.dirty();
    }

    fn wait_for_secrets(&mut self) {
        if !self.secrets.timer {
            self.secrets.timer = true;
            let wait = self.secrets.backoff.next(jitter());
            self.after(wait, Timer::Secrets);
        }
    }

    /// Time to look again at what waits.
    pub(super) fn secrets_again(&mut self) {
        self.secrets.timer = false;
        let waits: BTreeSet<SecretAt> = self
            .secrets
            .declared
            .iter()
            .filter(|(_, k)| matches!(k.standing, Standing::Waits(_)))
            .map(|(at, _)| at.clone())
            .collect();
        self.look_at_secrets(&|at| waits.contains(at));
    }

    /// A namespace is there: what waits for it is made.
    pub(super) fn namespace_is_there(&mut self, name: &str) {
        self.look_at_secrets(&|at| *at.namespace == *name);
    }

    /// The apps that wait before their objects, because a Secret of theirs is not there.
    pub(super) fn apps_without_secrets(&self) -> HashSet<Arc<str>> {
        let open = self.secrets.declared.values().filter(|k| k.standing != Standing::Present);
        open.map(|k| Arc::clone(&k.secret.app)).collect()
    }

    /// Watches for one Secret, whatever its labels.
    fn watch_for_return(&self, at: &SecretAt) -> Option<Watching> {
        let spec = WatchSpec {
            resource: resource(&self.target.discovery)?,
            namespace: at.namespace.to_string(),
            selector: String::new(),
            field_selector: format!("metadata.name={}", at.name),
            digest: None,
        };
        let (sender, mut inbox) = mpsc::channel::<Notice<()>>(8);
        let (client, out) = (self.target.client.clone(), self.secrets.feed.sender());
        let task = tokio::spawn(async move {
            let watching = watch::run(client, spec, sender);
            let forward = async {
                while let Some(notice) = inbox.recv().await {
                    // The others speak of this watch alone.
                    if matches!(notice.event, Event::Applied(..)) && out.send(notice).await.is_err() {
                        break;
                    }
                }
            };
            tokio::join!(watching, forward);
        });
        Some(Watching(task.abort_handle()))
    }

    fn watch_secrets(&mut self) {
        if self.secrets.feed.runs() {
            return;
        }
        let Some(resource) = resource(&self.target.discovery) else { return };
        let ours = format!("{LABEL_GENERATED}={}", self.name);
        self.secrets.feed.begin(&self.target.client, WatchSpec::all(resource, &ours));
    }

    pub(super) fn on_secret_notice(&mut self, notice: Notice<()>) {
        match notice.event {
            Event::Restarted => self.secrets.named = Some(BTreeSet::new()),
            Event::Applied(meta, _) => {
                let at = SecretAt::new(&meta.namespace, &meta.name);
                if let Some(named) = &mut self.secrets.named {
                    named.insert(at.clone());
                }
                match self.secrets.declared.get_mut(&at) {
                    Some(known) => {
                        let other = known.version != 0 && known.version != meta.rv;
                        known.version = meta.rv;
                        // Keys may be gone, or what was lost is back.
                        if other || matches!(known.standing, Standing::Lost(_)) {
                            self.look_at_secret(&at);
                        }
                    }
                    None => {
                        let app = meta.own_annotations.get(ANNOTATION_FOR).cloned().unwrap_or_default();
                        self.secrets.orphans.insert(at, app);
                        self.report.due = true;
                    }
                }
            }
            Event::Deleted(meta) => self.secret_is_gone(&SecretAt::new(&meta.namespace, &meta.name)),
            Event::Synced => {
                let Some(named) = self.secrets.named.take() else { return };
                let unseen = |at: &&SecretAt| !named.contains(*at);
                let gone: Vec<SecretAt> = self
                    .secrets
                    .declared
                    .iter()
                    .filter(|(_, k)| k.standing == Standing::Present)
                    .map(|(at, _)| at)
                    .chain(self.secrets.orphans.keys())
                    .filter(unseen)
                    .cloned()
                    .collect();
                gone.iter().for_each(|at| self.secret_is_gone(at));
            }
            Event::Failing(error) => {
                tracing::warn!(%error, "generated Secrets are not watched now; it goes on trying");
            }
            Event::Recovered => {}
        }
    }

    fn secret_is_gone(&mut self, at: &SecretAt) {
        self.report.due |= self.secrets.orphans.remove(at).is_some();
        if self.secrets.declared.contains_key(at) {
            self.look_at_secret(at);
        }
    }
}
