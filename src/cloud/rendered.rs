//! What rendering a revision gives: the desired state of the whole cloud. `plan` compares it with the live one.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::inputs::{InputSource, Secrets, UsedInput};
use super::nodes::NodeRule;
use super::object::{Digest, Object, ObjectId};
use super::spec::{Backup, Drift, Health, Hooks, Prune, Recreate, Rollback, Seconds};

/// One revision's desired state for one profile. Complete: if any app had failed, there would be none.
#[derive(Debug, Clone)]
pub struct RenderedCloud {
    /// `metadata.name` of `retune.yaml`.
    pub name: Arc<str>,
    /// The profile it was rendered for.
    pub profile: Arc<str>,
    /// The apps: an app stands after everything it depends on, else by name.
    pub apps: Vec<Arc<RenderedApp>>,
    /// Over the name, the profile and every app's digest.
    pub digest: Digest,
    /// How many apps were rendered anew; the rest came from the cache.
    pub rendered: usize,
    /// Labels and annotations of nodes.
    pub nodes: Arc<[NodeRule]>,
    /// Live inputs that nobody has looked up yet. The apps that use them are not rendered: look them up, and render again.
    pub unknown: BTreeSet<InputSource>,
}

impl RenderedCloud {
    /// The app of that name.
    #[must_use]
    pub fn app(&self, name: &str) -> Option<&Arc<RenderedApp>> {
        self.apps.iter().find(|app| &*app.name == name)
    }

    /// Every object of every app (hooks excluded), in graph order.
    pub fn objects(&self) -> impl Iterator<Item = &Object> {
        self.apps.iter().flat_map(|app| app.objects.iter())
    }
}

/// The digest of a cloud: over its name, its profile and every app's digest.
#[must_use]
pub fn cloud_digest(name: &str, profile: &str, apps: &[Arc<RenderedApp>]) -> Digest {
    let mut parts = vec![name.to_owned(), profile.to_owned()];
    parts.extend(apps.iter().map(|a| format!("{} {}", a.name, a.digest)));
    Digest::of_parts(parts)
}

/// One app's desired state.
#[derive(Debug, Clone)]
pub struct RenderedApp {
    /// The app's name.
    pub name: Arc<str>,
    /// Where its objects go when they do not say; also the chart's release namespace.
    pub namespace: Option<Arc<str>>,
    /// The apps that must be ready first; all are part of this cloud and profile.
    pub depends_on: Vec<Arc<str>>,
    /// The app's policies, defaults of `retune.yaml` filled in.
    pub policy: Policy,
    /// The objects in the renderer's order; the apply order is `plan`'s business.
    pub objects: Vec<Object>,
    /// The chart's hooks; never pruned or corrected.
    pub hooks: Vec<Hook>,
    /// The Secrets it declares; their values are nowhere in a render.
    pub generated: Arc<[super::GeneratedSecret]>,
    /// Over the objects and hooks, whatever their order; not over policies. Equal digests mean: nothing to apply.
    pub digest: Digest,
    /// Whether everything it needs exists.
    pub state: AppState,
    /// Of a pending app: the objects that it would have, as a render with placeholders tells. `None` where nobody asked for that, or where
    /// placeholders do not render.
    pub outline: Option<Arc<[ObjectId]>>,
    /// Its live inputs, for the record.
    pub inputs: Arc<[UsedInput]>,
    /// Values of Secrets that are part of its render: to be masked wherever text leaves.
    pub secrets: Secrets,
}

/// Whether an app can be applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AppState {
    /// Yes.
    Ready,
    /// A live input does not exist yet: nothing of the app is in `objects`; the last applied render stays enforced.
    Pending(Vec<String>),
}

/// The policies of one app, complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// How long the app may take to become ready.
    pub timeout: Seconds,
    /// What happens to objects that the app no longer has.
    pub prune: Prune,
    /// What happens when owned fields change.
    pub drift: Drift,
    /// What counts as ready.
    pub health: Health,
    /// How hooks are run.
    pub hooks: Hooks,
    /// What may be deleted and created again.
    pub recreate: Recreate,
    /// What happens when a revision does not become ready.
    pub rollback: Rollback,
    /// Objects to back up before an upgrade.
    pub backup: Option<Backup>,
    /// Whether fields that another manager owns are taken over.
    pub force_conflicts: bool,
}

/// A chart's hook.
#[derive(Debug, Clone)]
pub struct Hook {
    /// When it runs; never empty.
    pub events: Vec<HookEvent>,
    /// Lower weights run first; equal weights by name, then by kind in Helm's install order.
    pub weight: i64,
    /// When its object is deleted; Helm's default is before the next creation.
    pub delete_policies: Vec<HookDeletePolicy>,
    /// The object to create.
    pub object: Object,
}

/// What makes a hook of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookMeta {
    /// When it runs.
    pub events: Vec<HookEvent>,
    /// Its place among the hooks of an event.
    pub weight: i64,
    /// When its object is deleted.
    pub delete_policies: Vec<HookDeletePolicy>,
}

impl HookMeta {
    /// The hook that creates an object.
    #[must_use]
    pub fn hook(self, object: Object) -> Hook {
        Hook { events: self.events, weight: self.weight, delete_policies: self.delete_policies, object }
    }
}

/// `helm.sh/hook`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "Helm's own words")]
pub enum HookEvent {
    PreInstall,
    PostInstall,
    PreUpgrade,
    PostUpgrade,
    PreRollback,
    PostRollback,
    PreDelete,
    PostDelete,
    Test,
}

/// `helm.sh/hook-delete-policy`
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "Helm's own words")]
pub enum HookDeletePolicy {
    BeforeHookCreation,
    HookSucceeded,
    HookFailed,
}

/// The digest of an app: over its objects and hooks in the order of their identities.
#[must_use]
pub fn app_digest(objects: &[Object], hooks: &[Hook]) -> Digest {
    let mut lines: Vec<String> = objects.iter().map(|o| format!("{} {}", o.id, o.digest)).collect();
    lines.extend(hooks.iter().map(|h| {
        let (events, policies) = (&h.events, &h.delete_policies);
        format!("hook {} {} {events:?} {} {policies:?}", h.object.id, h.object.digest, h.weight)
    }));
    lines.sort();
    Digest::of_parts(lines)
}
