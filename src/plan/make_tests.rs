use super::super::Remembered;
use super::*;
use crate::cloud::{Digest, Interner, Object, Origin, Policy, RenderedApp};
use crate::plan::operation::Operation;
use serde_json::json;

fn object(kind: &str, group: &str, namespace: Option<&str>, name: &str, text: &str) -> Object {
    let api = if group.is_empty() { "v1".to_owned() } else { format!("{group}/v1") };
    let manifest = json!({"apiVersion": api, "kind": kind, "metadata": {"name": name}, "data": {"x": text}});
    let origin = Origin { file: "a.yaml".into(), line: 1 };
    Object::build(manifest, namespace, origin, &mut Interner::default()).unwrap()
}

fn map(name: &str, text: &str) -> Object {
    object("ConfigMap", "", Some("n"), name, text)
}

fn app(name: &str, objects: Vec<Object>) -> Arc<RenderedApp> {
    let policy = Policy {
        timeout: serde_json::from_value(json!("5m")).unwrap(),
        prune: Default::default(),
        drift: Default::default(),
        health: Default::default(),
        hooks: Default::default(),
        recreate: Default::default(),
        rollback: Default::default(),
        backup: None,
        force_conflicts: true,
    };
    Arc::new(RenderedApp {
        name: name.into(),
        namespace: None,
        depends_on: Vec::new(),
        policy,
        objects,
        hooks: Vec::new(),
        digest: Digest::of(name.as_bytes()),
        generated: std::sync::Arc::default(),
        state: AppState::Ready,
        outline: None,
        inputs: [].into(),
        secrets: Default::default(),
    })
}

fn cloud(apps: Vec<Arc<RenderedApp>>) -> RenderedCloud {
    let rendered = apps.len();
    RenderedCloud {
        name: "c".into(),
        profile: "aio".into(),
        apps,
        digest: Digest::of(b"c"),
        rendered,
        nodes: [].into(),
        unknown: Default::default(),
    }
}

fn remember(facts: &mut Facts, app: &str, object: &Object, live: Live) {
    let known = Remembered {
        app: app.into(),
        digest: Some(object.digest),
        uid: Some(crate::plan::Uid(7)),
        keep: false,
        live,
    };
    facts.objects.insert(object.id.clone(), known);
}

fn words(plan: &Plan) -> Vec<String> {
    plan.actions().map(|(app, a)| format!("{app}: {} {}", a.verb.as_str(), a.id.name)).collect()
}

#[test]
fn only_what_changed_or_drifted_costs_an_action() {
    let mut facts = Facts::default();
    remember(&mut facts, "a", &map("same", "1"), Live::InSync);
    remember(&mut facts, "a", &map("changed", "1"), Live::InSync);
    remember(&mut facts, "a", &map("drifted", "1"), Live::Drifted("data.x taken".into()));
    remember(&mut facts, "a", &map("deleted", "1"), Live::Absent);
    let desired = cloud(vec![app(
        "a",
        vec![
            map("same", "1"),
            map("changed", "2"),
            map("drifted", "1"),
            map("deleted", "1"),
            map("new", "1"),
        ],
    )]);
    let plan = make(&desired, &facts);
    assert_eq!(
        words(&plan),
        ["a: update changed", "a: correct drifted", "a: correct deleted", "a: create new"]
    );
    assert_eq!(plan.unchanged, 1);
    assert_eq!(plan.summary(), "1 create, 1 update, 2 correct");
}

#[test]
fn an_object_that_moved_between_apps_is_adopted_not_deleted() {
    let mut facts = Facts::default();
    remember(&mut facts, "old", &map("x", "1"), Live::InSync);
    remember(&mut facts, "old", &map("y", "1"), Live::InSync);
    let desired = cloud(vec![app("new", vec![map("x", "1")]), app("old", vec![map("y", "1")])]);
    let plan = make(&desired, &facts);
    assert_eq!(words(&plan), ["new: adopt x"]);
    assert!(plan.withheld.is_empty());
}

#[test]
fn a_removed_object_is_pruned_and_a_kept_one_released() {
    let mut facts = Facts::default();
    remember(&mut facts, "a", &map("stays", "1"), Live::InSync);
    remember(&mut facts, "a", &map("goes", "1"), Live::InSync);
    remember(&mut facts, "a", &map("kept", "1"), Live::InSync);
    facts.objects.get_mut(&map("kept", "1").id).unwrap().keep = true;
    let plan = make(&cloud(vec![app("a", vec![map("stays", "1")])]), &facts);
    assert_eq!(words(&plan), ["a: prune goes", "a: release kept"]);
}

#[test]
fn a_whole_app_and_data_are_withheld_until_their_digest_is_approved() {
    let mut facts = Facts::default();
    let volume = object("PersistentVolumeClaim", "", Some("n"), "data", "1");
    remember(&mut facts, "a", &map("x", "1"), Live::InSync);
    remember(&mut facts, "a", &volume, Live::InSync);
    remember(&mut facts, "gone", &map("z", "1"), Live::InSync);
    let desired = cloud(vec![app("a", vec![map("x", "1")])]);
    let plan = make(&desired, &facts);
    assert!(words(&plan).is_empty());
    let guards: Vec<_> = plan.withheld.iter().map(|w| (&*w.action.id.name, w.guard.clone())).collect();
    assert_eq!(guards, [("data", Guard::Volume), ("z", Guard::WholeApp)]);

    facts.approved.push(plan.approval.unwrap());
    let approved = make(&desired, &facts);
    assert_eq!(words(&approved), ["a: prune data", "gone: prune z"]);
    assert_eq!(approved.approval, plan.approval, "the plan says which approval it used");
    assert!(approved.withheld.is_empty());
}

#[test]
fn what_is_in_a_withheld_namespace_is_withheld_with_it() {
    let mut facts = Facts::default();
    remember(&mut facts, "a", &object("Namespace", "", None, "n", "1"), Live::InSync);
    remember(&mut facts, "a", &map("inside", "1"), Live::InSync);
    remember(&mut facts, "a", &object("ConfigMap", "", Some("other"), "outside", "1"), Live::InSync);
    let plan = make(&cloud(vec![app("a", vec![])]), &facts);
    assert_eq!(words(&plan), ["a: prune outside"]);
    assert_eq!(plan.withheld.len(), 2);
}

#[test]
fn more_than_a_tenth_of_the_cloud_is_withheld() {
    let mut facts = Facts::default();
    for i in 0..30 {
        remember(&mut facts, "a", &map(&format!("m{i}"), "1"), Live::InSync);
    }
    let kept = |n: usize| cloud(vec![app("a", (0..n).map(|i| map(&format!("m{i}"), "1")).collect())]);
    assert_eq!(make(&kept(20), &facts).count(Verb::Prune), 10);
    let plan = make(&kept(19), &facts);
    assert_eq!((plan.count(Verb::Prune), plan.withheld.len()), (0, 11));
}

#[test]
fn nothing_is_pruned_while_pruning_is_frozen_even_if_approved() {
    let mut facts = Facts { prune_frozen: true, ..Facts::default() };
    remember(&mut facts, "a", &map("x", "1"), Live::InSync);
    let desired = cloud(vec![app("a", vec![])]);
    let plan = make(&desired, &facts);
    assert_eq!(plan.withheld[0].guard, Guard::Frozen);
    facts.approved.push(plan.approval.unwrap());
    assert!(words(&make(&desired, &facts)).is_empty());
}

/// Facts of a first sync on which these objects exist, with their owners.
fn found(objects: &[(&str, Option<&str>)]) -> Facts {
    let existing =
        objects.iter().map(|(name, owner)| (map(name, "1").id, owner.map(str::to_owned))).collect();
    Facts { existing, first: true, ..Facts::default() }
}

#[test]
fn the_first_sync_on_existing_objects_only_reports() {
    let mut facts = found(&[("x", None)]);
    let desired = cloud(vec![app("a", vec![map("x", "1"), map("y", "1")])]);
    let plan = make(&desired, &facts);
    assert!(words(&plan).is_empty());
    assert!(plan.apps[0].operation.is_none() && plan.apps[0].unadopted);
    assert_eq!(plan.withheld.len(), 2);
    facts.approved.push(plan.approval.unwrap());
    let plan = make(&desired, &facts);
    assert_eq!(words(&plan), ["a: create x", "a: create y"]);
    assert_eq!(plan.apps[0].operation, Some(Operation::Upgrade), "it was installed by somebody");
}

#[test]
fn apps_are_adopted_one_at_a_time_and_nothing_else_is_created_by_that() {
    let mut facts = found(&[("x", None), ("z", None)]);
    let desired = cloud(vec![
        app("a", vec![map("x", "1")]),
        app("b", vec![map("z", "1")]),
        app("c", vec![map("n", "1")]),
    ]);
    facts.adopting.insert("a".into());
    let plan = make(&desired, &facts);
    assert_eq!(words(&plan), ["a: create x"]);
    assert_eq!(plan.withheld.len(), 2);
    facts.adopting.insert("c".into());
    let plan = make(&desired, &facts);
    assert_eq!(words(&plan), ["a: create x", "c: create n"]);
    assert_eq!(plan.apps[2].operation, Some(Operation::Install), "a new app is installed");
    // Later new apps wait for nobody.
    facts = Facts { first: false, ..facts };
    facts.adopting.clear();
    remember(&mut facts, "a", &map("x", "1"), Live::InSync);
    assert_eq!(words(&make(&desired, &facts)), ["c: create n"]);
}

#[test]
fn what_another_engine_owns_is_refused_by_name_approved_or_not() {
    let mut facts = found(&[("x", Some("Argo CD application web"))]);
    let desired = cloud(vec![app("a", vec![map("x", "1"), map("y", "1")])]);
    let plan = make(&desired, &facts);
    assert_eq!(plan.withheld[0].guard, Guard::Foreign("Argo CD application web".into()));
    assert_eq!(plan.withheld.len(), 2);
    assert_eq!(plan.approval, None, "the app as a whole waits for its owner");
    facts.adopting.insert("a".into());
    assert!(words(&make(&desired, &facts)).is_empty());
    // Of an app that retune manages, the one object.
    facts.adopting.clear();
    remember(&mut facts, "a", &map("y", "1"), Live::InSync);
    let more = cloud(vec![app("a", vec![map("x", "1"), map("y", "1"), map("z", "1")])]);
    let plan = make(&more, &facts);
    assert_eq!(words(&plan), ["a: create z"]);
    assert!(plan.withheld[0].guard.is_final() && plan.approval.is_none());
}

#[test]
fn a_pending_app_keeps_what_it_has() {
    let mut facts = Facts::default();
    remember(&mut facts, "a", &map("x", "1"), Live::InSync);
    let mut pending = (*app("a", vec![])).clone();
    pending.state = AppState::Pending(vec!["Secret n/db".into()]);
    let plan = make(&cloud(vec![Arc::new(pending)]), &facts);
    assert!(words(&plan).is_empty() && plan.withheld.is_empty());
    assert_eq!(plan.apps[0].pending, ["Secret n/db"]);
}

#[test]
fn an_object_that_moves_into_a_pending_app_is_left_until_that_is_applied() {
    let mut facts = Facts::default();
    for (owner, name) in [("old", "moved"), ("old", "dropped"), ("gone", "renamed")] {
        remember(&mut facts, owner, &map(name, "1"), Live::InSync);
        facts.apps.entry(owner.into()).or_default();
    }
    facts.approved = Vec::new();
    let old = app("old", vec![]);
    let mut new = (*app("new", vec![])).clone();
    new.state = AppState::Pending(vec!["Secret n/db".into()]);
    new.outline = Some([map("moved", "").id, map("renamed", "").id].into());
    let plan = make(&cloud(vec![Arc::clone(&old), Arc::new(new.clone())]), &facts);
    assert_eq!(words(&plan), ["old: prune dropped"], "what it does not have goes as ever");
    let left = |plan: &Plan| -> Vec<String> {
        plan.left.iter().map(|l| format!("{} {} {}", l.app, l.id.name, l.certain)).collect()
    };
    assert_eq!(left(&plan), ["old moved true", "gone renamed true"]);
    assert!(!plan.apps.iter().any(|a| a.removed), "its record stays: it has an object");
    assert!(plan.withheld.is_empty());

    // What it will have cannot be told: everything is left.
    new.outline = None;
    let plan = make(&cloud(vec![Arc::clone(&old), Arc::new(new)]), &facts);
    assert!(words(&plan).is_empty() && plan.withheld.is_empty());
    assert_eq!(left(&plan), ["old dropped false", "old moved false", "gone renamed false"]);

    // Applied: they move.
    let new = app("new", vec![map("moved", "1"), map("renamed", "1")]);
    let plan = make(&cloud(vec![old, new]), &facts);
    assert_eq!(words(&plan), ["old: prune dropped", "new: adopt moved", "new: adopt renamed"]);
    assert!(plan.left.is_empty());
}

#[test]
fn an_update_that_makes_data_smaller_waits_for_an_approval_of_just_that_and_the_rest_goes_on() {
    let database = |text: &str| object("MariaDB", "k8s.mariadb.com", Some("n"), "db", text);
    let mut facts = Facts::default();
    remember(&mut facts, "db", &database("three"), Live::InSync);
    remember(&mut facts, "db", &map("x", "1"), Live::InSync);
    facts.shrinks.insert(database("").id, "spec.replicas 3 -> 1 (why)".into());
    let desired = cloud(vec![app("db", vec![database("one"), map("x", "2")])]);
    let plan = make(&desired, &facts);
    assert_eq!(words(&plan), ["db: update x"]);
    assert_eq!(plan.withheld.len(), 1);
    assert!(plan.withheld[0].guard.to_string().ends_with("spec.replicas 3 -> 1 (why)"));

    facts.shrinks.insert(database("").id, "spec.replicas 3 -> 2 (why)".into());
    assert_ne!(make(&desired, &facts).approval, plan.approval, "another step is another consent");
    facts.shrinks.insert(database("").id, "spec.replicas 3 -> 1 (why)".into());
    facts.approved.push(plan.approval.unwrap());
    assert_eq!(words(&make(&desired, &facts)).len(), 2);
}
