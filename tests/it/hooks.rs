//! Helm hooks and yielded fields against the real control plane, on the engine itself: the revisions are made here, not
//! rendered.

use std::sync::Arc;
use std::time::{Duration, Instant};

use retune::apply::job::Target;
use retune::cloud::{
    AppState, Digest, Hook, HookEvent, Interner, Object, Origin, Policy, RenderedApp, RenderedCloud, rendered,
};
use retune::cluster::client::{Client, ConnectOptions};
use retune::cluster::crd::CloudSyncSpec;
use retune::cluster::discovery::Discovery;
use retune::cluster::{install, lease, state};
use retune::ledger::{Ledger, RevisionInfo};
use retune::sync::engine::{Ended, Engine, Start};
use retune::sync::follow::{Desired, Follow, News};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};

use crate::support::{control_plane, eventually};

const SOON: Duration = Duration::from_secs(60);

fn object(manifest: Value, namespace: &str) -> Object {
    let origin = Origin { file: "test".into(), line: 1 };
    Object::build(manifest, Some(namespace), origin, &mut Interner::default()).expect("a good manifest")
}

fn job(name: &str, namespace: &str, argument: &str) -> Object {
    let pod = json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.org/x:1", "args": [argument]}]});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {"spec": pod}}});
    object(job, namespace)
}

fn hook(events: &[HookEvent], weight: i64, object: Object) -> Hook {
    Hook { events: events.to_vec(), weight, delete_policies: Vec::new(), object }
}

fn revision(id: &str, name: &str, objects: Vec<Object>, hooks: Vec<Hook>) -> News {
    let policy = Policy {
        timeout: serde_json::from_value(json!("5m")).expect("a duration"),
        prune: Default::default(),
        drift: Default::default(),
        health: Default::default(),
        hooks: Default::default(),
        recreate: Default::default(),
        rollback: Default::default(),
        backup: None,
        force_conflicts: true,
    };
    let digest = rendered::app_digest(&objects, &hooks);
    let app = RenderedApp {
        name: "app".into(),
        namespace: Some(name.into()),
        depends_on: Vec::new(),
        policy,
        objects,
        hooks,
        digest,
        generated: std::sync::Arc::default(),
        state: AppState::Ready,
        outline: None,
        inputs: [].into(),
        secrets: Default::default(),
    };
    let cloud = RenderedCloud {
        name: name.into(),
        profile: "base".into(),
        apps: vec![Arc::new(app)],
        digest: Digest::of_parts([id]),
        rendered: 1,
        nodes: [].into(),
        unknown: Default::default(),
    };
    let info = RevisionInfo { id: id.into(), author: "test".into(), subject: "test".into(), time: 0 };
    News::Desired(Arc::new(Desired::new(info, Arc::new(cloud), Instant::now())))
}

/// An engine on its own runtime, fed by hand.
struct Running {
    runtime: tokio::runtime::Runtime,
    news: mpsc::Sender<News>,
    stop: watch::Sender<bool>,
    engine: tokio::task::JoinHandle<Ended>,
    lease: lease::LeaseTask,
    name: String,
}

impl Running {
    fn start(name: &str) -> Self {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let (news, inbox) = mpsc::channel(4);
        let (stop, stopped) = watch::channel(false);
        let connect =
            ConnectOptions { kubeconfig: Some(control_plane().kubeconfig().to_owned()), context: None };
        let (engine, lease) = runtime.block_on(async {
            let client = Client::connect(&connect).await.expect("a client");
            install::install(&client, None).await.expect("installed");
            let cloudsync = match state::get_cloudsync(&client, name).await.expect("an answer") {
                Some(found) => found,
                None => {
                    state::create_cloudsync(&client, name, &CloudSyncSpec::default()).await.expect("created")
                }
            };
            let (mut leadership, lease) =
                lease::campaign(client.clone(), format!("retune-{name}"), "test".into(), 0);
            leadership.acquired().await;
            let target = Target {
                client: client.clone(),
                discovery: Arc::new(Discovery::fetch(&client).await.expect("discovery")),
                cloud: name.into(),
                cloud_id: "0123456789abcdef".into(),
            };
            let inventory = state::list_inventory(&client, name).await.expect("an inventory");
            let (_changes, control) = mpsc::channel(4);
            let start = Start {
                name: name.into(),
                target,
                leadership,
                cloudsync,
                inventory,
                follow: Follow::given(inbox),
                ledger: Ledger::none(),
                key: [7; 32],
                once: false,
                restored: false,
            };
            (tokio::spawn(Engine::new(start).run(stopped, control)), lease)
        });
        Self { runtime, news, stop, engine, lease, name: name.to_owned() }
    }

    fn send(&self, news: News) {
        self.runtime.block_on(self.news.send(news)).expect("the engine runs");
    }

    fn await_ready(&self, revision: &str) {
        eventually(&format!("{revision} is ready"), SOON, || {
            let found = control_plane().get(&["cloudsync", &self.name, "-n", "retune-system"])?;
            (found.pointer("/status/readyRevision")?.as_str() == Some(revision)).then_some(())
        });
    }

    fn end(self) {
        self.stop.send(true).expect("the engine runs");
        let Self { runtime, engine, lease, .. } = self;
        assert_eq!(runtime.block_on(engine).expect("no panic"), Ended::Stopped);
        runtime.block_on(lease.release());
    }
}

fn uid(kind: &str, name: &str, namespace: &str) -> String {
    let found = control_plane().get(&[kind, name, "-n", namespace]).expect("it is there");
    found["metadata"]["uid"].as_str().expect("a uid").to_owned()
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn hooks_run_once_per_change_in_order_and_not_again_after_a_restart() {
    use HookEvent::{PostInstall, PostUpgrade, PreInstall};
    let ns = control_plane().namespace("hooks");
    let map = |value: &str| {
        object(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"a": value}}),
            &ns,
        )
    };
    let hooks = |argument: &str| {
        vec![
            hook(&[PostInstall, PostUpgrade], 5, job("sync-b", &ns, argument)),
            hook(&[PostInstall, PostUpgrade], -1, job("sync-a", &ns, "always the same")),
            hook(&[PreInstall], 0, job("before", &ns, "x")),
        ]
    };
    let log = control_plane().audit();
    let running = Running::start(&ns);
    running.send(revision("r1", &ns, vec![map("1")], hooks("one")));
    running.await_ready("r1");
    let order: Vec<String> = log
        .writes_to_managed("admin")
        .iter()
        .filter(|r| r.namespace == ns && r.verb == "patch" && r.user_agent.starts_with("retune"))
        .map(|r| r.name.clone())
        .collect();
    assert_eq!(order, ["before", "conf", "sync-a", "sync-b"], "by event, then by weight");
    let (a, b, before) = (uid("job", "sync-a", &ns), uid("job", "sync-b", &ns), uid("job", "before", &ns));

    // An upgrade that changes one hook runs that one.
    running.send(revision("r2", &ns, vec![map("2")], hooks("two")));
    running.await_ready("r2");
    assert_eq!(uid("job", "sync-a", &ns), a, "an unchanged hook is not run again");
    assert_ne!(uid("job", "sync-b", &ns), b, "a changed hook is");
    assert_eq!(uid("job", "before", &ns), before, "pre-install is over");
    let b = uid("job", "sync-b", &ns);
    running.end();

    // A restart runs nothing again.
    let running = Running::start(&ns);
    running.send(revision("r3", &ns, vec![map("3")], hooks("two")));
    running.await_ready("r3");
    assert_eq!((uid("job", "sync-a", &ns), uid("job", "sync-b", &ns)), (a, b));
    running.end();
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_failed_hook_is_told_and_runs_again_only_with_a_new_revision() {
    let ns = control_plane().namespace("failing");
    let failing = |argument: &str, outcome: &str| {
        let pod = json!({"metadata": {"annotations": {"test.retune.dev/outcome": outcome}}, "spec": {"restartPolicy": "Never",
            "containers": [{"name": "main", "image": "example.org/x:1", "args": [argument]}]}});
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"},
            "spec": {"backoffLimit": 0, "template": pod}});
        hook(&[HookEvent::PostInstall], 0, object(job, &ns))
    };
    let failed = || {
        eventually("the failure is told", SOON, || {
            let found = control_plane().get(&["cloudsync", &ns, "-n", "retune-system"])?;
            let note = found.pointer("/status/hooks/0/message")?.as_str()?.to_owned();
            note.contains("migrate").then_some(note)
        })
    };
    let running = Running::start(&ns);
    running.send(revision("r1", &ns, Vec::new(), vec![failing("one", "fail")]));
    let note = failed();
    // kwok's nodes have no logs: that is said, and nothing breaks.
    assert!(note.contains("log of pod") && note.contains("events:"), "{note}");
    let first = uid("job", "migrate", &ns);
    running.end();

    let running = Running::start(&ns);
    running.send(revision("r1", &ns, Vec::new(), vec![failing("one", "fail")]));
    assert!(failed().contains("failed"));
    let log = control_plane().audit();
    running.send(revision("r2", &ns, Vec::new(), vec![failing("two", "")]));
    running.await_ready("r2");
    assert_ne!(uid("job", "migrate", &ns), first, "the new revision's hook ran");
    let writes = log.writes_to_managed("admin");
    let deleted: Vec<_> = writes.iter().filter(|r| r.namespace == ns && r.verb == "delete").collect();
    assert_eq!(deleted.len(), 1, "the restart ran nothing: the failed Job went once, for the new revision");
    running.end();
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_finished_hooks_job_that_vanishes_stays_done_and_is_told_or_restored() {
    let ns = control_plane().namespace("vanish");
    let map = |value: &str| {
        object(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"a": value}}),
            &ns,
        )
    };
    let hooks = || vec![hook(&[HookEvent::PostInstall, HookEvent::PostUpgrade], 0, job("sync", &ns, "x"))];
    let running = Running::start(&ns);
    running.send(revision("r1", &ns, vec![map("1")], hooks()));
    running.await_ready("r1");
    control_plane().kubectl(&["delete", "job", "sync", "-n", &ns]);
    eventually("the loss is told", SOON, || {
        let found = control_plane().get(&["cloudsync", &ns, "-n", "retune-system"])?;
        found.pointer("/status/hooks/0/message")?.as_str()?.contains("is gone").then_some(())
    });
    running.send(revision("r2", &ns, vec![map("2")], hooks()));
    running.await_ready("r2");
    assert!(control_plane().get(&["job", "sync", "-n", &ns]).is_none(), "it counts as done");
    running.end();

    // With spec.hooks.restore the object is created again, also when it went while no syncer ran.
    let running = Running::start(&ns);
    let News::Desired(desired) = revision("r3", &ns, vec![map("3")], hooks()) else { unreachable!() };
    let mut cloud = (*desired.cloud).clone();
    let mut app = (*cloud.apps[0]).clone();
    app.policy.hooks.restore = true;
    cloud.apps = vec![Arc::new(app)];
    running.send(News::Desired(Arc::new(Desired::new(
        desired.revision.clone(),
        Arc::new(cloud),
        Instant::now(),
    ))));
    eventually("it is restored", SOON, || control_plane().get(&["job", "sync", "-n", &ns]));
    running.end();
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_secret_that_git_does_not_have_runs_its_hook_again_with_the_next_upgrade_once_it_changes() {
    let ns = control_plane().namespace("rotate");
    let map = |value: &str| {
        object(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"a": value}}),
            &ns,
        )
    };
    let hooks = || {
        let pod = json!({"restartPolicy": "Never", "containers": [{"name": "main", "image": "example.org/x:1",
            "envFrom": [{"secretRef": {"name": "password"}}]}]});
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "sync"}, "spec": {"template": {"spec": pod}}});
        vec![hook(&[HookEvent::PostInstall, HookEvent::PostUpgrade], 0, object(job, &ns))]
    };
    control_plane().kubectl(&["create", "secret", "generic", "password", "-n", &ns, "--from-literal=a=one"]);
    let running = Running::start(&ns);
    running.send(revision("r1", &ns, vec![map("1")], hooks()));
    running.await_ready("r1");
    let first = uid("job", "sync", &ns);
    running.send(revision("r2", &ns, vec![map("2")], hooks()));
    running.await_ready("r2");
    assert_eq!(uid("job", "sync", &ns), first, "nothing it refers to has changed");
    let patch = "{\"stringData\": {\"a\": \"two\"}}";
    control_plane().kubectl(&["patch", "secret", "password", "-n", &ns, "--type=merge", "-p", patch]);
    running.send(revision("r3", &ns, vec![map("3")], hooks()));
    running.await_ready("r3");
    assert_ne!(uid("job", "sync", &ns), first, "a rotated password runs it again");
    running.end();
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn replicas_under_an_autoscaler_are_left_alone_and_never_fall_to_one() {
    let ns = control_plane().namespace("scaled");
    let deployment = |image: &str| {
        let pod = json!({"metadata": {"labels": {"x": "y"}}, "spec": {"containers": [{"name": "main", "image": image}]}});
        let spec = json!({"replicas": 2, "selector": {"matchLabels": {"x": "y"}}, "template": pod});
        object(
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}),
            &ns,
        )
    };
    let reference = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"});
    let spec = json!({"scaleTargetRef": reference, "minReplicas": 1, "maxReplicas": 9});
    let scaler = object(
        json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec}),
        &ns,
    );
    let replicas = || {
        let found = control_plane().get(&["deployment", "web", "-n", &ns]).expect("it is there");
        found.pointer("/spec/replicas").and_then(Value::as_i64).expect("a number")
    };
    let running = Running::start(&ns);
    running.send(revision("r1", &ns, vec![deployment("example.org/x:1")], Vec::new()));
    running.await_ready("r1");
    assert_eq!(replicas(), 2, "without an autoscaler Git's number counts");

    // The autoscaler appears: the number is handed over as it is.
    running.send(revision("r2", &ns, vec![deployment("example.org/x:1"), scaler.clone()], Vec::new()));
    running.await_ready("r2");
    assert_eq!(replicas(), 2);
    control_plane().kubectl(&["scale", "deployment", "web", "-n", &ns, "--replicas=4"]);
    running.send(revision("r3", &ns, vec![deployment("example.org/x:2"), scaler], Vec::new()));
    running.await_ready("r3");
    assert_eq!(replicas(), 4, "an upgrade leaves the autoscaler's number");

    // It is removed: Git's number counts again.
    running.send(revision("r4", &ns, vec![deployment("example.org/x:2")], Vec::new()));
    running.await_ready("r4");
    assert_eq!(replicas(), 2);
    running.end();
}

/// The revision with another policy of its app.
fn with_policy(news: News, change: impl FnOnce(&mut Policy)) -> News {
    let News::Desired(desired) = news else { unreachable!("a revision was made") };
    let mut cloud = (*desired.cloud).clone();
    let mut app = (*cloud.apps[0]).clone();
    change(&mut app.policy);
    cloud.apps = vec![Arc::new(app)];
    News::Desired(Arc::new(Desired::new(desired.revision.clone(), Arc::new(cloud), Instant::now())))
}

fn config_map(ns: &str, value: &str) -> Object {
    object(
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"a": value}}),
        ns,
    )
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn rerun_always_runs_unchanged_hooks_at_each_upgrade_as_helm_does_and_a_restart_runs_none() {
    let ns = control_plane().namespace("rerun");
    let revision = |id: &str, value: &str| {
        let hooks = vec![hook(&[HookEvent::PostInstall, HookEvent::PostUpgrade], 0, job("sync", &ns, "x"))];
        with_policy(revision(id, &ns, vec![config_map(&ns, value)], hooks), |policy| {
            policy.hooks.rerun = retune::cloud::spec::Rerun::Always;
        })
    };
    let running = Running::start(&ns);
    running.send(revision("r1", "1"));
    running.await_ready("r1");
    let first = uid("job", "sync", &ns);
    running.send(revision("r2", "2"));
    running.await_ready("r2");
    let second = uid("job", "sync", &ns);
    assert_ne!(first, second, "an upgrade runs it again, although nothing of it changed");
    running.end();
    let running = Running::start(&ns);
    running.send(revision("r2", "2"));
    running.await_ready("r2");
    assert_eq!(uid("job", "sync", &ns), second, "a restart is no upgrade");
    running.end();
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_hook_that_hangs_fails_at_its_deadline_and_a_newer_revision_goes_on() {
    let ns = control_plane().namespace("hanging");
    let hooks = |outcome: &str| {
        let pod = json!({"metadata": {"annotations": {"test.retune.dev/outcome": outcome}}, "spec": {"restartPolicy": "Never",
            "containers": [{"name": "main", "image": "example.org/x:1"}]}});
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "migrate"}, "spec": {"template": pod}});
        vec![hook(&[HookEvent::PreInstall], 0, object(job, &ns))]
    };
    let running = Running::start(&ns);
    let hung = revision("r1", &ns, vec![config_map(&ns, "1")], hooks("hang"));
    running
        .send(with_policy(hung, |policy| policy.hooks.timeout = Some(retune::cloud::duration::Seconds(1))));
    let note = eventually("the deadline is told", SOON, || {
        let found = control_plane().get(&["cloudsync", &ns, "-n", "retune-system"])?;
        found.pointer("/status/hooks/0/message")?.as_str().map(str::to_owned)
    });
    assert!(note.contains("migrate") && note.contains("did not finish within 1s"), "{note}");
    assert!(control_plane().get(&["configmap", "conf", "-n", &ns]).is_none(), "nothing is applied after it");
    running.send(revision("r2", &ns, vec![config_map(&ns, "2")], hooks("")));
    running.await_ready("r2");
    running.end();
}
