//! Apps of other revisions in a revision: what a pin of one app means. Pure.
//!
//! The app is taken as its own revision has it: objects, hooks, policies, dependencies. A dependency that the cloud's
//! revision has no more is left out, because there is nothing to wait for; a circle and an object that two apps would have
//! are errors, which keep the last good revision enforced.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::graph::{self, GraphError};
use super::object::ObjectId;
use super::rendered::{RenderedApp, RenderedCloud, cloud_digest};

/// An app as another revision has it.
#[derive(Debug, Clone)]
pub struct PinnedApp {
    /// The commit.
    pub revision: String,
    /// The app.
    pub app: Arc<RenderedApp>,
}

/// The cloud with these apps instead of its own of the same names.
///
/// # Errors
/// Each circle of dependencies and each object that two apps would have, one a line.
pub fn with_pinned(cloud: RenderedCloud, pinned: &[PinnedApp]) -> Result<RenderedCloud, String> {
    if pinned.is_empty() {
        return Ok(cloud);
    }
    let mut apps: BTreeMap<String, Arc<RenderedApp>> =
        cloud.apps.iter().map(|a| (a.name.to_string(), Arc::clone(a))).collect();
    for pin in pinned {
        apps.insert(pin.app.name.to_string(), Arc::clone(&pin.app));
    }
    for pin in pinned {
        let known: Vec<Arc<str>> =
            pin.app.depends_on.iter().filter(|d| apps.contains_key(&***d)).cloned().collect();
        if known.len() != pin.app.depends_on.len() {
            let app = RenderedApp { depends_on: known, ..(*pin.app).clone() };
            apps.insert(pin.app.name.to_string(), Arc::new(app));
        }
    }
    let at = |app: &str| {
        let pin = pinned.iter().find(|p| *p.app.name == *app);
        pin.map_or_else(|| format!("app {app}"), |p| format!("app {app} (pinned to {})", short(&p.revision)))
    };
    let mut problems = Vec::new();
    let mut owners: HashMap<&ObjectId, &str> = HashMap::new();
    for (name, app) in &apps {
        for object in app.objects.iter().chain(app.hooks.iter().map(|h| &h.object)) {
            if let Some(other) = owners.insert(&object.id, name)
                && other != name
            {
                problems.push(format!(
                    "{} is in {} and in {}: pin both, or neither",
                    object.id,
                    at(other),
                    at(name)
                ));
            }
        }
    }
    let edges: BTreeMap<String, Vec<String>> = apps
        .iter()
        .map(|(name, app)| (name.clone(), app.depends_on.iter().map(ToString::to_string).collect()))
        .collect();
    let order = match graph::order(&edges) {
        Ok(order) => order,
        Err(errors) => {
            problems.extend(errors.into_iter().map(|error| match error {
                GraphError::Unknown { app, name } => {
                    format!("{} depends on {name}, which is not there", at(&app))
                }
                GraphError::Cycle(cycle) => {
                    let way: Vec<String> = cycle.iter().map(|a| at(a)).collect();
                    format!("with the pins the apps depend on each other in a circle: {}", way.join(" -> "))
                }
            }));
            Vec::new()
        }
    };
    if !problems.is_empty() {
        problems.sort();
        return Err(problems.join("\n"));
    }
    let apps: Vec<Arc<RenderedApp>> = order.iter().filter_map(|name| apps.get(name).cloned()).collect();
    let digest = cloud_digest(&cloud.name, &cloud.profile, &apps);
    Ok(RenderedCloud { apps, digest, ..cloud })
}

fn short(revision: &str) -> &str {
    revision.get(..10).unwrap_or(revision)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud::{AppState, Interner, Object, Origin, Policy, rendered};
    use serde_json::json;

    fn app(name: &str, depends_on: &[&str], value: &str) -> Arc<RenderedApp> {
        let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": value}});
        let origin = Origin { file: "test".into(), line: 1 };
        let objects = vec![Object::build(manifest, Some("n"), origin, &mut Interner::default()).unwrap()];
        let policy = Policy {
            timeout: crate::cloud::spec::Seconds(60),
            prune: Default::default(),
            drift: Default::default(),
            health: Default::default(),
            hooks: Default::default(),
            rollback: Default::default(),
            backup: None,
            force_conflicts: true,
            recreate: Default::default(),
        };
        Arc::new(RenderedApp {
            name: name.into(),
            namespace: Some("n".into()),
            depends_on: depends_on.iter().map(|d| (*d).into()).collect(),
            policy,
            digest: rendered::app_digest(&objects, &[]),
            objects,
            hooks: Vec::new(),
            generated: std::sync::Arc::default(),
            state: AppState::Ready,
            outline: None,
            inputs: [].into(),
            secrets: Default::default(),
        })
    }

    fn cloud(apps: Vec<Arc<RenderedApp>>) -> RenderedCloud {
        let digest = cloud_digest("c", "base", &apps);
        RenderedCloud {
            name: "c".into(),
            profile: "base".into(),
            apps,
            digest,
            rendered: 0,
            nodes: [].into(),
            unknown: Default::default(),
        }
    }

    fn pin(app: Arc<RenderedApp>) -> PinnedApp {
        PinnedApp { revision: "0123456789abcdef".into(), app }
    }

    #[test]
    fn a_pinned_app_replaces_its_own_and_changes_the_digest() {
        let now = cloud(vec![app("db", &[], "new"), app("web", &["db"], "x")]);
        let before = now.digest;
        let with = with_pinned(now, &[pin(app("db", &["gone"], "old"))]).unwrap();
        assert_ne!(with.digest, before);
        assert!(with.app("db").unwrap().objects[0].body.contains("old"));
        assert!(with.app("db").unwrap().depends_on.is_empty(), "nothing to wait for");
        assert_eq!(with.apps.len(), 2);
    }

    #[test]
    fn a_circle_and_an_object_of_two_apps_are_errors() {
        let now = || cloud(vec![app("db", &[], "new"), app("web", &["db"], "x")]);
        let error = with_pinned(now(), &[pin(app("db", &["web"], "old"))]).unwrap_err();
        assert!(error.contains("circle") && error.contains("pinned to 0123456789"), "{error}");
        let moved = Arc::new(RenderedApp { name: "old".into(), ..(*app("web", &[], "y")).clone() });
        let error = with_pinned(now(), &[pin(moved)]).unwrap_err();
        assert!(error.contains("ConfigMap n/web is in app old"), "{error}");
    }
}
