//! Holds: what is kept from being done for an app or an object, and until when. Pure; the clock is the caller's.
//!
//! A hold is "hands off" in the sense of a runbook: nothing of its target is written, corrected or pruned, its hooks do
//! not run, and what would have been done is part of the plan ([`Held`]) so that everybody can see it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::hooks::DueHook;
use super::{Action, AppPlan, Verb, Withheld};
use crate::cloud::ObjectId;

/// What is held: `keystone`, or `Deployment.apps openstack/keystone-api`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// A whole app.
    App(Arc<str>),
    /// One object.
    Object(ObjectId),
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(app) => f.write_str(app),
            Self::Object(id) => write!(f, "{id}"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A target that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names neither an app (`keystone`) nor an object (`Deployment.apps openstack/keystone-api`, `Namespace openstack`)"
)]
pub struct BadTarget(String);

impl FromStr for Target {
    type Err = BadTarget;

    fn from_str(text: &str) -> Result<Self, BadTarget> {
        let bad = || BadTarget(text.to_owned());
        let Some((kind, name)) = text.split_once(' ') else {
            let app = !text.is_empty() && !text.contains('/');
            return if app { Ok(Self::App(text.into())) } else { Err(bad()) };
        };
        let (kind, group) = kind.split_once('.').unwrap_or((kind, ""));
        let (namespace, name) = match name.split_once('/') {
            Some((namespace, name)) => (Some(namespace), name),
            None => (None, name),
        };
        if kind.is_empty() || name.is_empty() || namespace == Some("") || name.contains([' ', '/']) {
            return Err(bad());
        }
        Ok(Self::Object(ObjectId::new(group, kind, namespace, name)))
    }
}

/// A hold in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hold {
    /// What is held.
    pub target: Target,
    /// RFC 3339 time at which it ends.
    pub until: String,
    /// Why and by whom.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

impl Hold {
    /// Whether an object of an app is held by it.
    #[must_use]
    pub fn covers(&self, app: &str, id: &ObjectId) -> bool {
        match &self.target {
            Target::App(name) => **name == *app,
            Target::Object(object) => object == id,
        }
    }
}

/// `held until 2026-11-22T18:00:00Z: database moves (ada@bastion)`
impl fmt::Display for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "held until {}", self.until)?;
        if self.reason.is_empty() { Ok(()) } else { write!(f, ": {}", self.reason) }
    }
}

/// Something that is not done because of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Held {
    /// The app.
    pub app: Arc<str>,
    /// What is not done.
    #[serde(flatten)]
    pub what: What,
    /// The hold.
    pub hold: Hold,
}

/// What a hold keeps from being done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A write or a deletion.
    Action(Action),
    /// A hook.
    Hook(DueHook),
}

/// `update   Deployment.apps openstack/keystone-api  (rendered text changed)`
impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Action(action) => f.write_str(&super::display::line(action)),
            Self::Hook(hook) => write!(f, "hook     {}  (weight {})", hook.id, hook.weight),
        }
    }
}

/// Takes what is held out of the apps' plans and out of what waits for an approval.
pub(super) fn take(apps: &mut [AppPlan], withheld: &mut Vec<Withheld>, holds: &[Hold]) -> Vec<Held> {
    let mut held = Vec::new();
    if holds.is_empty() {
        return held;
    }
    let find = |app: &str, id: &ObjectId| holds.iter().find(|h| h.covers(app, id)).cloned();
    for plan in apps {
        let app = Arc::clone(&plan.app);
        let mut keep = |actions: &mut Vec<Action>, incomplete: &mut bool| {
            for action in std::mem::take(actions) {
                match find(&app, &action.id) {
                    None => actions.push(action),
                    Some(hold) => {
                        // A held correction leaves the app as it was applied: those that depend on it need not wait.
                        *incomplete |= matches!(action.verb, Verb::Create | Verb::Update | Verb::Adopt);
                        held.push(Held { app: Arc::clone(&app), what: What::Action(action), hold });
                    }
                }
            }
        };
        keep(&mut plan.applies, &mut plan.incomplete);
        keep(&mut plan.prunes, &mut plan.incomplete);
        for hook in std::mem::take(&mut plan.hooks) {
            match find(&app, &hook.id) {
                None => plan.hooks.push(hook),
                Some(hold) => {
                    plan.incomplete = true;
                    held.push(Held { app: Arc::clone(&app), what: What::Hook(hook), hold });
                }
            }
        }
    }
    for item in std::mem::take(withheld) {
        match find(&item.app, &item.action.id) {
            None => withheld.push(item),
            Some(hold) => held.push(Held { app: item.app, what: What::Action(item.action), hold }),
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Phase;

    fn action(name: &str, verb: Verb) -> Action {
        let id = ObjectId::new("", "ConfigMap", Some("n"), name);
        Action { id, verb, phase: Phase::Prerequisite, reason: String::new(), digest: None, uid: None }
    }

    fn plan(app: &str, applies: Vec<Action>, prunes: Vec<Action>) -> AppPlan {
        AppPlan {
            app: app.into(),
            depends_on: Vec::new(),
            applies,
            operation: None,
            hooks: Vec::new(),
            prunes,
            removed: false,
            incomplete: false,
            unadopted: false,
            pending: Vec::new(),
        }
    }

    fn hold(target: &str) -> Hold {
        Hold { target: target.parse().unwrap(), until: "2026-11-22T18:00:00Z".into(), reason: "why".into() }
    }

    #[test]
    fn targets_are_read_as_they_are_written() {
        for text in [
            "keystone",
            "Deployment.apps openstack/keystone-api",
            "Namespace openstack",
            "Subnet.kubeovn.io ovn-default",
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), text);
        }
        for bad in ["", "a/b", "Deployment ", "Deployment /x", "Deployment n/", " x", "Deployment n/x y"] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_held_app_keeps_everything_and_a_held_object_only_itself() {
        let mut apps = [
            plan("a", vec![action("x", Verb::Update)], vec![action("old", Verb::Prune)]),
            plan("b", vec![action("y", Verb::Correct), action("z", Verb::Update)], vec![]),
        ];
        let mut withheld = Vec::new();
        let held = take(&mut apps, &mut withheld, &[hold("a"), hold("ConfigMap n/y")]);
        assert_eq!(held.len(), 3);
        assert!(apps[0].applies.is_empty() && apps[0].prunes.is_empty() && apps[0].incomplete);
        assert_eq!(apps[1].applies.len(), 1);
        assert!(!apps[1].incomplete, "a held correction leaves what was applied");
        assert!(held[0].hold.to_string().starts_with("held until 2026-11-22T18:00:00Z: why"));
    }

    #[test]
    fn what_waits_for_an_approval_is_held_too() {
        let item = Withheld {
            app: "a".into(),
            action: action("x", Verb::Prune),
            guard: crate::plan::guard::Guard::Volume,
        };
        let mut withheld = vec![item];
        assert_eq!(take(&mut [], &mut withheld, &[hold("a")]).len(), 1);
        assert!(withheld.is_empty());
    }
}
