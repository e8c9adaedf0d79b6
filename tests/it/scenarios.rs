//! The scenarios of `docs/scenarios.md`: the whole reference cloud on stand-in charts, on a control plane of its own, with its
//! operators played, through a day of an operator's commits and mistakes. One cloud serves all scenarios, in their order.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{AuditLog, ControlPlane, Operators, Repo, Retune, eventually, root};

/// How long anything may take, on a machine that does other things too.
const LONG: &str = "300s";
const SOON: Duration = Duration::from_secs(300);
const USER: &str = "retune-scenarios";

struct Stand {
    retune: Retune,
    _operators: Operators,
    plane: ControlPlane,
    kubeconfig: PathBuf,
    repo: Repo,
    state: tempfile::TempDir,
}

impl Stand {
    /// A control plane, the repository that `examples/offline` makes, a syncer that follows it.
    fn new(optional: &[&str]) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("scenarios-{}", std::process::id()));
        let plane = ControlPlane::start_own(&dir).expect("a control plane");
        let operators = Operators::start(plane.kubeconfig(), Duration::ZERO);
        let scratch = tempfile::tempdir().expect("a scratch folder");
        let made = Command::new(root().join("examples/offline"))
            .arg(scratch.path().join("cloud"))
            .args(optional)
            .status();
        assert!(made.expect("examples/offline runs").success());
        let repo = Repo::new();
        let copied =
            Command::new("cp").arg("-r").arg(scratch.path().join("cloud/.")).arg(repo.path()).status();
        assert!(copied.expect("cp runs").success());
        let kubeconfig = plane.kubeconfig_of(USER);
        let state = tempfile::tempdir().expect("a scratch folder");
        set(&repo, "retune.yaml", "profile: base", "profile: aio");
        repo.commit("Begin", &[]);
        let retune = Retune::start(
            &kubeconfig,
            &[
                "run",
                "--cloud",
                "lab",
                "--repo",
                &repo.path().to_string_lossy(),
                "--branch",
                "main",
                "--state-dir",
                &state.path().to_string_lossy(),
            ],
        );
        retune.wait_for(0, SOON, |line| line.contains("creating the CloudSync"));
        plane.kubectl(&["wait", "--for=create", "-n", "retune-system", "cloudsync/lab", "--timeout=60s"]);
        Self { retune, _operators: operators, plane, kubeconfig, repo, state }
    }

    /// Waits for a field of the CloudSync, with a watch.
    fn await_status(&self, path: &str, value: &str) {
        let condition = format!("--for=jsonpath={{.status.{path}}}={value}");
        let timeout = format!("--timeout={LONG}");
        let args = ["wait", "-n", "retune-system", "cloudsync/lab", &condition, &timeout];
        let output = self.plane.try_kubectl(&args, None);
        assert!(
            output.status.success(),
            "status.{path} is not {value}: {}\n{}\n{}",
            String::from_utf8_lossy(&output.stderr),
            self.plane.kubectl(&[
                "get",
                "-n",
                "retune-system",
                "cloudsync",
                "lab",
                "-o",
                "jsonpath={.status}"
            ]),
            tail(&self.retune.output()),
        );
    }

    /// Waits until the commit that is checked out is applied whole and every app is ready.
    fn await_ready(&self) {
        let head = self.repo.head();
        self.await_status("readyRevision", &head);
    }

    /// A command about this cloud: exit code, stdout and stderr.
    fn run(&self, command: &str, more: &[&str]) -> (i32, String) {
        let state = self.state.path().to_string_lossy().into_owned();
        let mut args = vec![command, "--cloud", "lab"];
        args.extend(more);
        if matches!(command, "diff" | "history") {
            args.extend(["--state-dir", &state]);
        }
        let output = Retune::run(&self.kubeconfig, &args);
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        if !more.contains(&"json") {
            // What docs/scenarios.md quotes.
            println!("$ retune {}\n{text}", args.join(" "));
        }
        (output.status.code().unwrap_or(-1), text)
    }

    /// What `retune diff` says of a branch, before it is merged.
    fn diff(&self, branch: &str, more: &[&str]) -> String {
        let repo = self.repo.path().to_string_lossy().into_owned();
        let mut args = vec!["--repo", &repo, "--branch", branch];
        args.extend(more);
        let (code, text) = self.run("diff", &args);
        assert_eq!(code, 1, "there are changes: {text}");
        text
    }

    fn diff_json(&self, branch: &str) -> Value {
        serde_json::from_str(&self.diff(branch, &["-o", "json"])).expect("diff prints JSON")
    }

    /// Commits what `change` does on a branch of that name, and goes back to main.
    fn propose(&self, branch: &str, change: impl FnOnce(&Repo)) {
        self.repo.git(&["checkout", "--quiet", "-b", branch]);
        change(&self.repo);
        self.repo.commit(branch, &[]);
        self.repo.git(&["checkout", "--quiet", "main"]);
    }

    fn merge(&self, branch: &str) {
        self.repo.git(&["merge", "--quiet", "--ff-only", branch]);
    }

    fn revert(&self) {
        self.repo.git(&["revert", "--no-edit", "HEAD"]);
    }

    fn get(&self, kind: &str, name: &str) -> Option<Value> {
        self.plane.get(&[kind, name, "-n", "openstack"])
    }

    fn field(&self, kind: &str, name: &str, path: &str) -> Value {
        let object = self.get(kind, name).unwrap_or_else(|| panic!("{kind} {name} is there"));
        object.pointer(path).cloned().unwrap_or(Value::Null)
    }

    fn status(&self, path: &str) -> Value {
        let object =
            self.plane.get(&["cloudsync", "lab", "-n", "retune-system"]).expect("the CloudSync is there");
        object.pointer(&format!("/status{path}")).cloned().unwrap_or(Value::Null)
    }

    /// Managed objects that retune wrote: `patch deployments keystone-api`.
    fn writes(&self, log: &AuditLog) -> Vec<String> {
        log.writes_to_managed(USER).iter().map(|r| format!("{} {} {}", r.verb, r.resource, r.name)).collect()
    }
}

fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

/// Replaces text in a file of the repository.
fn set(repo: &Repo, path: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(repo.file(path)).expect("the file is there");
    assert!(text.contains(from), "{path} has no {from:?}");
    repo.write(path, &text.replace(from, to));
}

/// Every action of a plan: app, verb, object.
fn actions(plan: &Value) -> Vec<(String, String, String)> {
    let mut out = Vec::new();
    for app in plan["plan"]["apps"].as_array().expect("apps") {
        for list in ["applies", "prunes"] {
            for action in app[list].as_array().expect("a list") {
                let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
                let id = &action["id"];
                out.push((
                    text(&app["app"]),
                    text(&action["verb"]),
                    format!("{} {}", text(&id["kind"]), text(&id["name"])),
                ));
            }
        }
    }
    out
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_cloud_lives_through_the_scenarios_that_the_docs_tell() {
    let began = Instant::now();
    let stand = Stand::new(&["barbican"]);
    let scenarios: [(&str, fn(&Stand)); 7] = [
        ("aio comes up from nothing", aio_comes_up_from_nothing),
        ("aio becomes base by one commit, and what cannot shrink stays", aio_becomes_base_and_back),
        ("a chart's bump touches its app alone", a_bump_touches_keystone_alone),
        ("one broken service stops a change of ten", one_broken_service_stops_ten),
        ("what is changed by hand is put back, what an autoscaler changes is not", hands_and_autoscalers),
        ("an app is renamed and another removed", renamed_and_removed),
        ("a secret is deleted by mistake", a_secret_is_deleted_by_mistake),
    ];
    for (name, scenario) in scenarios {
        println!("{:>4} s  {name}", began.elapsed().as_secs());
        scenario(&stand);
    }
    println!("{:>4} s  over", began.elapsed().as_secs());
}

fn aio_comes_up_from_nothing(stand: &Stand) {
    stand.await_ready();
    let (code, said) = stand.run("status", &[]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(stand.field("rabbitmqclusters.rabbitmq.com", "rabbitmq", "/spec/replicas"), 1);
    let empty = stand.run("diff", &["--summary"]);
    assert_eq!(empty.0, 0, "nothing is left to do: {}", empty.1);
}

fn aio_becomes_base_and_back(stand: &Stand) {
    stand.propose("base", |repo| set(repo, "retune.yaml", "profile: aio", "profile: base"));
    // Only sizes, HPAs, disruption budgets, anti-affinity; and the two Services that stand in for the operator's in aio.
    let plan = stand.diff_json("base");
    for (app, verb, object) in actions(&plan) {
        let services = ["Service mariadb-cluster-primary", "Service mariadb-cluster-secondary"];
        let known = match verb.as_str() {
            "update" => true,
            "prune" => services.contains(&object.as_str()),
            _ => false,
        };
        assert!(known, "{verb} {object} of {app}");
    }
    let allowed: BTreeSet<&str> = [
        "replicas",
        "minReplicas",
        "maxReplicas",
        "minAvailable",
        "target-group-size",
        "memory",
        "antiAffinityEnabled",
        "enabled",
    ]
    .into();
    let mut seen = BTreeSet::new();
    for line in stand.diff("base", &[]).lines() {
        if let Some(changed) = line.strip_prefix(['+', '-']).filter(|_| !line.starts_with("---")) {
            let field =
                changed.trim_start_matches([' ', '-']).split(':').next().unwrap_or_default().to_owned();
            assert!(allowed.contains(field.as_str()), "the diff also changes {line:?}");
            seen.insert(field);
        }
    }
    assert!(seen.contains("replicas") && seen.contains("minReplicas"), "{seen:?}");
    stand.merge("base");
    stand.await_ready();
    assert_eq!(stand.field("rabbitmqclusters.rabbitmq.com", "rabbitmq", "/spec/replicas"), 3);
    assert_eq!(stand.field("hpa", "keystone-api", "/spec/minReplicas"), 3);

    stand.revert();
    stand.await_status("revision", &stand.repo.head());
    stand.await_status("ready", "24/26");
    let withheld = stand.status("/withheld/actions").to_string();
    for named in [
        "RabbitmqCluster.rabbitmq.com openstack/rabbitmq",
        "MariaDB.k8s.mariadb.com openstack/mariadb-cluster",
    ] {
        assert!(withheld.contains(named) && withheld.contains("spec.replicas 3 -> 1"), "{withheld}");
    }
    assert_eq!(stand.status("/withheld/actions").as_array().map(Vec::len), Some(2), "{withheld}");
    assert_eq!(stand.field("hpa", "keystone-api", "/spec/minReplicas"), 1, "the rest goes through");
    assert_eq!(stand.field("statefulset", "memcached-memcached", "/spec/replicas"), 1);
    assert_eq!(stand.field("rabbitmqclusters.rabbitmq.com", "rabbitmq", "/spec/replicas"), 3);
    assert_eq!(stand.field("mariadbs.k8s.mariadb.com", "mariadb-cluster", "/spec/replicas"), 3);
    let (_, told) = stand.run("diff", &["--summary"]);
    assert!(told.contains("makes smaller what does not simply shrink: spec.replicas 3 -> 1"), "{told}");

    stand.run("status", &[]);
    let digest = stand.status("/withheld/digest");
    let (code, said) = stand.run("approve", &[digest.as_str().expect("a digest")]);
    assert_eq!(code, 0, "{said}");
    stand.await_ready();
    assert_eq!(stand.field("rabbitmqclusters.rabbitmq.com", "rabbitmq", "/spec/replicas"), 1);
}

fn a_bump_touches_keystone_alone(stand: &Stand) {
    let before = stand.field("deployment", "keystone-api", "/spec/template");
    stand.propose("bump", |repo| {
        let version = "2026.1.8+db238e7c3";
        set(repo, "charts/keystone/Chart.yaml", version, "2026.1.9+db238e7c3");
        set(repo, "charts/keystone/values.yaml", "keystone:2026.1.8", "keystone:2026.1.9");
        set(
            repo,
            "helm-chart-versions.yaml",
            &format!("keystone: {version}"),
            "keystone: 2026.1.9+db238e7c3",
        );
        set(
            repo,
            "helm-configs/keystone/keystone.yaml",
            "rabbit_ha_queues: false",
            "rabbit_ha_queues: false\n    token:\n      expiration: 7200",
        );
    });
    stand.diff("bump", &["--summary"]);
    let plan = stand.diff_json("bump");
    assert!(actions(&plan).iter().all(|(app, verb, _)| app == "keystone" && verb == "update"), "{plan:#}");
    let restarts: Vec<&str> =
        plan["restarts"].as_array().expect("a list").iter().filter_map(|r| r["object"].as_str()).collect();
    assert_eq!(restarts, ["Deployment.apps openstack/keystone-api"]);
    let log = stand.plane.audit();
    stand.merge("bump");
    stand.await_ready();
    assert_ne!(stand.field("deployment", "keystone-api", "/spec/template"), before);
    let writes = stand.writes(&log);
    assert!(!writes.is_empty() && writes.iter().all(|w| w.contains("keystone")), "{writes:?}");
    stand.revert();
    stand.await_ready();
    assert_eq!(stand.field("deployment", "keystone-api", "/spec/template"), before);
}

const TEN: [&str; 10] = [
    "keystone",
    "glance",
    "cinder",
    "heat",
    "placement",
    "nova",
    "neutron",
    "octavia",
    "horizon",
    "barbican",
];

fn one_broken_service_stops_ten(stand: &Stand) {
    for app in TEN {
        let file = format!("helm-configs/{app}/{app}.yaml");
        set(&stand.repo, &file, "mariadb-cluster-primary", "mariadb-cluster-writer");
    }
    let nova = std::fs::read_to_string(stand.repo.file("helm-configs/nova/nova.yaml")).expect("it is there");
    let line = nova.lines().count() + 1;
    stand.repo.write("helm-configs/nova/nova.yaml", &format!("{nova}conf: [\n"));
    let (log, mark) = (stand.plane.audit(), stand.retune.mark());
    stand.repo.commit("Move the database", &[]);
    let said = stand.retune.wait_for(mark, SOON, |l| l.contains("the last good revision stays enforced"));
    let place = format!("helm-configs/nova/nova.yaml:{line}:");
    assert!(said.contains(&place), "{said} does not name {place}");
    stand.run("status", &[]);
    assert_eq!(stand.writes(&log), Vec::<String>::new());

    stand.repo.commit("Repair nova's values", &[("helm-configs/nova/nova.yaml", &nova)]);
    stand.await_ready();
    let writes = stand.writes(&log);
    for app in TEN {
        assert!(writes.iter().any(|w| w.contains(app)), "{app} in {writes:?}");
    }
}

fn hands_and_autoscalers(stand: &Stand) {
    let plane = &stand.plane;
    let log = plane.audit();
    plane.kubectl(&[
        "patch",
        "deployment",
        "cinder-volume",
        "-n",
        "openstack",
        "--field-manager=night-shift",
        "--type=merge",
        "-p",
        r#"{"spec":{"replicas":4}}"#,
    ]);
    eventually("the count is put back", SOON, || {
        (stand.field("deployment", "cinder-volume", "/spec/replicas") == 1).then_some(())
    });
    plane.kubectl(&[
        "patch",
        "configmap",
        "mariadb-config",
        "-n",
        "openstack",
        "--field-manager=night-shift",
        "--type=merge",
        "-p",
        r#"{"data":{"my.cnf":"max_connections=1"}}"#,
    ]);
    eventually("the file is put back", SOON, || {
        stand.field("configmap", "mariadb-config", "/data/my.cnf").to_string().contains("10240").then_some(())
    });
    eventually("both are blamed", SOON, || {
        let drift = stand.status("/drift").to_string();
        let both = drift.contains("cinder-volume") && drift.contains("mariadb-config");
        (both && drift.contains("night-shift")).then_some(())
    });
    stand.run("status", &[]);
    assert_eq!(stand.writes(&log).len(), 2, "{:?}", stand.writes(&log));

    plane.kubectl(&[
        "autoscale",
        "deployment",
        "cinder-volume",
        "-n",
        "openstack",
        "--min=2",
        "--max=4",
        "--cpu=80%",
    ]);
    eventually("the autoscaler has scaled", SOON, || {
        (stand.field("deployment", "cinder-volume", "/spec/replicas") == 2).then_some(())
    });
    // A commit that touches the same Deployment's app, and its end: had retune wanted the count back, it would have it by then.
    let log = plane.audit();
    set(&stand.repo, "helm-configs/cinder/cinder.yaml", "mariadb-cluster-writer", "mariadb-cluster-primary");
    stand.repo.commit("Cinder goes back to the primary", &[]);
    stand.await_ready();
    assert!(stand.writes(&log).iter().any(|w| w.contains("cinder")));
    assert_eq!(stand.field("deployment", "cinder-volume", "/spec/replicas"), 2);
}

fn renamed_and_removed(stand: &Stand) {
    let log = stand.plane.audit();
    let uid = stand.field("deployment", "placement-api", "/metadata/uid");
    let repo = &stand.repo;
    for (from, to) in [
        ("apps/placement.yaml", "apps/inventory.yaml"),
        ("kustomize/placement", "kustomize/inventory"),
        ("helm-configs/placement", "helm-configs/inventory"),
    ] {
        repo.git(&["mv", from, to]);
    }
    set(repo, "apps/inventory.yaml", "  name: placement", "  name: inventory");
    set(
        repo,
        "apps/inventory.yaml",
        "  chart:\n",
        "  chart:\n    name: placement\n    releaseName: placement\n",
    );
    for app in ["nova", "skyline"] {
        set(repo, &format!("apps/{app}.yaml"), "- placement", "- inventory");
    }
    repo.commit("Call placement inventory", &[]);
    stand.await_ready();
    assert_eq!(
        stand.field("deployment", "placement-api", "/metadata/uid"),
        uid,
        "it was adopted, not made anew"
    );
    let deleted = |log: &AuditLog| -> Vec<String> {
        stand.writes(log).into_iter().filter(|w| w.starts_with("delete")).collect()
    };
    assert_eq!(deleted(&log), Vec::<String>::new());

    set(repo, "retune.yaml", "enable: [barbican]", "enable: []");
    repo.remove("Remove barbican", &["apps/barbican.yaml", "kustomize/barbican", "helm-configs/barbican"]);
    stand.await_status("revision", &repo.head());
    stand.await_status("ready", "25/25");
    let withheld = stand.status("/withheld/actions").to_string();
    assert!(withheld.contains("barbican-api") && withheld.contains("deletes a whole app"), "{withheld}");
    assert_eq!(deleted(&log), Vec::<String>::new(), "nothing goes without an approval");
    assert!(!withheld.contains("Database.k8s.mariadb.com"), "data is not even asked about: {withheld}");

    stand.run("status", &[]);
    let digest = stand.status("/withheld/digest");
    let (code, said) = stand.run("approve", &[digest.as_str().expect("a digest")]);
    assert_eq!(code, 0, "{said}");
    stand.await_ready();
    eventually("barbican is gone", SOON, || stand.get("deployment", "barbican-api").is_none().then_some(()));
    for kind in ["databases.k8s.mariadb.com", "users.k8s.mariadb.com", "vhosts.rabbitmq.com"] {
        let name = if kind.starts_with("vhosts") { "barbican-vhost" } else { "barbican" };
        assert!(stand.get(kind, name).is_some(), "{kind} {name} stays");
    }
    assert!(deleted(&log).iter().all(|w| w.contains("barbican")), "{:?}", deleted(&log));
}

fn a_secret_is_deleted_by_mistake(stand: &Stand) {
    const LOST: &str = "keystone-db-password";
    let kubectl = |args: &[&str]| stand.plane.kubectl(&[&["-n", "openstack"], args].concat());
    let before = stand.field("secret", LOST, "/data/password");
    let connection = stand.field("secret", "keystone-db-user", "/data/DB_CONNECTION");
    let pods = stand.field("deployment", "keystone-api", "/spec/template");
    kubectl(&["delete", "secret", LOST]);
    let told = eventually("it is named as lost", SOON, || {
        let secrets = stand.status("/secrets").as_array()?.clone();
        secrets.into_iter().find(|s| s["state"] == "lost")?["message"].as_str().map(str::to_owned)
    });
    assert!(
        told.contains("openstack/keystone-db-password of app keystone was generated and is gone"),
        "{told}"
    );
    assert!(told.contains("Restore it from a backup") && told.contains("retune rotate"), "{told}");
    stand.run("status", &[]);
    let (code, why) = stand.run("why", &["keystone"]);
    assert!(code == 1 && why.contains("of app keystone was generated and is gone"), "{why}");

    // The database, and Keystone's configuration, have the password still; other apps' commits go through.
    set(&stand.repo, "helm-configs/glance/glance.yaml", "mariadb-cluster-writer", "mariadb-cluster-primary");
    let glance = || stand.field("secret", "glance-db-user", "/data/DB_CONNECTION");
    let old = glance();
    stand.repo.commit("Glance goes back to the primary", &[]);
    eventually("glance goes on", SOON, || (glance() != old).then_some(()));
    assert_eq!(stand.get("secret", LOST), None, "nobody made it anew");
    assert_eq!(stand.field("secret", "keystone-db-user", "/data/DB_CONNECTION"), connection);
    assert_eq!(stand.field("deployment", "keystone-api", "/spec/template"), pods);

    // There is no backup: a new one is made, and whoever has the old one is told first.
    let (code, plan) = stand.run("rotate", &["openstack/keystone-db-password"]);
    assert_eq!(code, 0, "{plan}");
    assert!(plan.contains("uses it  User.k8s.mariadb.com openstack/keystone [keystone]"), "{plan}");
    assert!(plan.contains("render   app keystone  (takes it as an input"), "{plan}");
    assert_eq!(stand.get("secret", LOST), None, "a plan changes nothing");
    let digest = stand.status("/rotation/digest");
    let (code, said) = stand.run("approve", &[digest.as_str().expect("a digest")]);
    assert_eq!(code, 0, "{said}");
    eventually("Keystone has the new one", SOON, || {
        (stand.field("secret", "keystone-db-user", "/data/DB_CONNECTION") != connection).then_some(())
    });
    stand.await_ready();
    let after = stand.field("secret", LOST, "/data/password");
    assert!(after.is_string() && after != before);
    assert_ne!(stand.field("deployment", "keystone-api", "/spec/template"), pods, "its pods restart");
    eventually("nothing is lost any more", SOON, || {
        (!stand.status("/secrets").to_string().contains("lost")).then_some(())
    });
}
