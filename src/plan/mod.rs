//! Desired and live in, ordered actions out. Pure: no I/O, no clock.
//!
//! [`fn@make`] compares a [`RenderedCloud`](crate::cloud::RenderedCloud) with what the inventory remembers and the live
//! index knows ([`Facts`]) and gives a [`Plan`]: per app, in phases, only the objects that cost a request. What `diff`
//! prints and what `sync` executes is this one value. Guarded deletions are part of it, withheld until their digest
//! is approved ([`guard`]).
//!
//! | module | subject |
//! |---|---|
//! | [`adopt`] | apps whose objects exist already: withheld until they are adopted |
//! | [`facts`] | what is remembered and seen of each object |
//! | [`order`] | the order of kinds inside an app |
//! | [`finalizers`] | who takes which finalizer off |
//! | [`guard`], [`shrinking`] | what waits for an approval: deletions; updates that make data smaller |
//! | [`hold`] | what is kept from being done by a hold |
//! | [`hooks`] | which Helm hooks are due |
//! | [`nodes`] | labels and annotations of nodes |
//! | [`operation`] | install, upgrade, rollback, delete, and what is remembered of one under way |
//! | [`mod@make`] | the comparison |
//! | [`secrets`] | generated Secrets: what is made, what is lost, rotations |
//! | [`yields`], [`operators`] | fields left to others; fields that operators move |
//! | [`display`], [`mask`] | a plan and an object's change for people, secrets masked; texts without secrets |
//! | [`references`] | the ConfigMaps, Secrets and claims that pods refer to |

pub mod adopt;
pub mod display;
pub mod facts;
pub mod finalizers;
pub mod guard;
pub mod hold;
pub mod hooks;
pub mod make;
pub mod mask;
pub mod nodes;
pub mod operation;
pub mod operators;
pub mod order;
pub mod references;
pub mod secrets;
pub mod shrinking;
pub mod yields;

pub use facts::{AppMemory, Facts, Live, Remembered, Uid};
pub use make::make;
pub use order::Phase;

use std::sync::Arc;

use serde::Serialize;

use crate::cloud::{Digest, ObjectId};

/// What is to be done with one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// It was never applied.
    Create,
    /// Its rendered text changed.
    Update,
    /// Its text is the applied one, the live object is not: a field was taken, or it is gone.
    Correct,
    /// It moved here from another app, unchanged or not; it is applied, never deleted.
    Adopt,
    /// Git has it no more: delete it.
    Prune,
    /// Git has it no more and policy keeps it: leave it, and manage it no more.
    Release,
}

impl Verb {
    /// The word shown to people.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Update => "update",
            Self::Correct => "correct",
            Self::Adopt => "adopt",
            Self::Prune => "prune",
            Self::Release => "release",
        }
    }
}

/// One thing to do with one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Action {
    /// The object.
    pub id: ObjectId,
    /// What.
    pub verb: Verb,
    /// When, inside its app.
    pub phase: Phase,
    /// Why, for people: `rendered text changed`, `spec.replicas taken by kubectl (Update, scale)`.
    pub reason: String,
    /// The digest to be applied; `None` for deletions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// The uid of the object to delete, a precondition.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<Uid>,
}

/// One app's part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AppPlan {
    /// The app.
    pub app: Arc<str>,
    /// The apps that must be ready first; of an app that Git has no more: the apps that must be gone first.
    pub depends_on: Vec<Arc<str>>,
    /// Applies, ordered by phase and then as rendered.
    pub applies: Vec<Action>,
    /// What happens to the app as a whole, if more than drift is corrected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<operation::Operation>,
    /// Helm hooks that are due, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hooks: Vec<hooks::DueHook>,
    /// Deletions and releases, in the order of their phases reversed; they come after the app is ready.
    pub prunes: Vec<Action>,
    /// Whether Git has the app no more.
    pub removed: bool,
    /// Whether changes of the app are held: those that depend on it wait.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub incomplete: bool,
    /// Whether its objects exist and are still others': it is neither applied nor waited for.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unadopted: bool,
    /// The app's live inputs that do not exist yet; its last render stays enforced.
    pub pending: Vec<String>,
}

/// One guarded action that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Withheld {
    /// The app.
    pub app: Arc<str>,
    /// What is not done.
    pub action: Action,
    /// Which guard holds it.
    pub guard: guard::Guard,
}

/// An object that is not pruned for a pending app's sake.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// The app that had it, and has its record.
    pub app: Arc<str>,
    /// The object.
    pub id: ObjectId,
    /// The pending app.
    pub to: Arc<str>,
    /// Whether it will be there: a render with placeholders has it.
    pub certain: bool,
}

impl Left {
    /// `moves to app web once that is not pending any more`
    #[must_use]
    pub fn why(&self) -> String {
        let Self { to, .. } = self;
        if self.certain {
            format!("it moves to app {to} once that is not pending any more")
        } else {
            format!("not in Git any more, or it moves to app {to}: known once that is not pending any more")
        }
    }
}

/// Everything that turns live into desired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// Per app, dependencies first; apps with nothing to do are listed with empty actions.
    pub apps: Vec<AppPlan>,
    /// What waits for an approval.
    pub withheld: Vec<Withheld>,
    /// Generated Secrets that would be made, and those that are lost.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<secrets::SecretAction>,
    /// What a hold keeps from being done.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub held: Vec<hold::Held>,
    /// Objects that no rendered app has, left because a pending app may: they move there once it is applied.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<Left>,
    /// The digest that an approval must name; `None` when nothing is withheld.
    pub approval: Option<Digest>,
    /// Objects that are as Git says.
    pub unchanged: usize,
}

impl Plan {
    /// Every action that will be executed.
    pub fn actions(&self) -> impl Iterator<Item = (&Arc<str>, &Action)> {
        self.apps.iter().flat_map(|a| a.applies.iter().chain(&a.prunes).map(move |action| (&a.app, action)))
    }

    /// Whether there is nothing to do and nothing withheld or held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.withheld.is_empty()
            && self.held.is_empty()
            && self.secrets.is_empty()
            && self.actions().next().is_none()
            && self.apps.iter().flat_map(|a| &a.hooks).all(|h| h.unless.is_some())
    }

    /// How many actions of a kind there are.
    #[must_use]
    pub fn count(&self, verb: Verb) -> usize {
        self.actions().filter(|(_, a)| a.verb == verb).count()
    }

    /// The digest of everything in the plan.
    #[must_use]
    pub fn digest(&self) -> Digest {
        Digest::of(serde_json::to_string(self).unwrap_or_default().as_bytes())
    }

    /// `2 create, 1 update, 1 withheld`, or `nothing to do`.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut parts: Vec<String> =
            [Verb::Create, Verb::Update, Verb::Correct, Verb::Adopt, Verb::Prune, Verb::Release]
                .into_iter()
                .map(|verb| (self.count(verb), verb.as_str()))
                .filter(|(n, _)| *n > 0)
                .map(|(n, word)| format!("{n} {word}"))
                .collect();
        let hooks = self.apps.iter().flat_map(|a| &a.hooks).filter(|h| h.unless.is_none()).count();
        if hooks > 0 {
            parts.push(format!("{hooks} hooks"));
        }
        let lost = self.secrets.iter().filter(|s| s.verb == "lost").count();
        for (n, what) in [(self.secrets.len() - lost, "secrets to generate"), (lost, "secrets lost")] {
            if n > 0 {
                parts.push(format!("{n} {what}"));
            }
        }
        if !self.withheld.is_empty() {
            parts.push(format!("{} withheld", self.withheld.len()));
        }
        if !self.held.is_empty() {
            parts.push(format!("{} held", self.held.len()));
        }
        if parts.is_empty() { "nothing to do".to_owned() } else { parts.join(", ") }
    }
}
