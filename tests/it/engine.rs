//! The main job against the real control plane: apply, no-op, one-object commits, phases, prune, guards, pins, restarts.

use std::time::Duration;

use serde_json::json;

use crate::support::{AuditLog, ControlPlane, Repo, Request, Retune, control_plane, eventually};

/// How long anything may take on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A cloud of its own: namespace, user, repository, state folder.
pub(crate) struct TestCloud {
    plane: &'static ControlPlane,
    pub(crate) name: String,
    pub(crate) user: String,
    kubeconfig: std::path::PathBuf,
    pub(crate) repo: Repo,
    state: tempfile::TempDir,
}

impl TestCloud {
    /// A cloud whose apps are folders of plain manifests: name, `dependsOn`, manifests.
    pub(crate) fn new(prefix: &str, apps: &[(&str, &[&str], &str)]) -> Self {
        Self::on(control_plane(), prefix, apps)
    }

    /// As [`Self::new`], on a control plane of its own.
    pub(crate) fn on(plane: &'static ControlPlane, prefix: &str, apps: &[(&str, &[&str], &str)]) -> Self {
        let name = plane.namespace(prefix);
        let user = format!("retune-{name}");
        let kubeconfig = plane.kubeconfig_of(&user);
        let repo = Repo::new();
        repo.write(
            "retune.yaml",
            &format!("apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata:\n  name: {name}\nspec:\n  profiles: [base]\n"),
        );
        for (app, depends_on, manifests) in apps {
            repo.write(&format!("apps/{app}.yaml"), &app_file(&name, app, depends_on));
            repo.write(&format!("manifests/{app}/objects.yaml"), manifests);
        }
        repo.commit("Begin", &[]);
        Self { plane, name, user, kubeconfig, repo, state: tempfile::tempdir().expect("a scratch folder") }
    }

    pub(crate) fn args<'a>(&'a self, command: &'a str) -> Vec<&'a str> {
        vec![command, "--cloud", &self.name]
    }

    pub(crate) fn start(&self) -> Retune {
        self.start_as(&self.user, self.state.path())
    }

    /// Starts a syncer of another user with another state folder.
    pub(crate) fn start_as(&self, user: &str, state: &std::path::Path) -> Retune {
        let (repo, state) = (self.repo.path().to_string_lossy(), state.to_string_lossy());
        let mut args = self.args("run");
        args.extend(["--repo", &repo, "--branch", "main", "--profile", "base", "--state-dir", &state]);
        Retune::start(&self.plane.kubeconfig_of(user), &args)
    }

    /// Runs a command of retune for this cloud; its exit code, stdout and stderr.
    pub(crate) fn retune(&self, command: &str, more: &[&str]) -> (i32, String, String) {
        let mut args = self.args(command);
        args.extend(more);
        let state = self.state.path().to_string_lossy().into_owned();
        if matches!(command, "history" | "rollback" | "diff" | "drift" | "sync" | "adopt" | "rotate") {
            args.extend(["--state-dir", &state]);
        }
        let output = Retune::run(&self.kubeconfig, &args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    }

    /// Waits until a field of the CloudSync's status has a value.
    pub(crate) fn await_status(&self, path: &str, value: &str) {
        eventually(&format!("status.{path} is {value}"), SOON, || {
            let found = self.cloudsync()?;
            let have = found.pointer(&format!("/status/{path}"))?.clone();
            let shown = have.to_string();
            (have.as_str() == Some(value) || shown == value).then_some(())
        });
    }

    /// The CloudSync, once there is one (its kind may not be served yet).
    pub(crate) fn cloudsync(&self) -> Option<serde_json::Value> {
        let output = self
            .plane
            .try_kubectl(&["get", "cloudsync", &self.name, "-n", "retune-system", "-o", "json"], None);
        output.status.success().then(|| serde_json::from_slice(&output.stdout).expect("kubectl prints JSON"))
    }

    /// Waits until a revision is applied whole and everything is ready.
    pub(crate) fn await_ready(&self, revision: &str) {
        self.await_status("readyRevision", revision);
    }

    /// Commits a file and waits until that is live.
    pub(crate) fn commit_and_wait(&self, file: &str, text: &str) -> String {
        let revision = self.repo.commit("Change", &[(file, text)]);
        self.await_status("syncedRevision", &revision);
        revision
    }

    /// Waits until retune has asked for nothing (watches and Lease apart) for a second.
    pub(crate) fn settled(&self) {
        let log = self.plane.audit();
        let mut last = (0, std::time::Instant::now());
        eventually("retune is at rest", SOON, || {
            let count = self.requests(&log).len();
            if count != last.0 {
                last = (count, std::time::Instant::now());
            }
            (last.1.elapsed() >= Duration::from_millis(2_500)).then_some(())
        });
    }

    pub(crate) fn requests(&self, log: &AuditLog) -> Vec<Request> {
        log.by_user(&self.user).into_iter().filter(|r| !r.is_watch() && r.resource != "leases").collect()
    }

    /// Requests about managed objects: reads and writes.
    pub(crate) fn about_managed(&self, log: &AuditLog) -> Vec<String> {
        self.requests(log)
            .into_iter()
            .filter(|r| !r.is_own_bookkeeping())
            .map(|r| format!("{} {} {}", r.verb, r.resource, r.name))
            .collect()
    }

    pub(crate) fn get(&self, kind: &str, name: &str) -> Option<serde_json::Value> {
        self.plane.get(&[kind, name, "-n", &self.name])
    }
}

pub(crate) fn app_file(namespace: &str, app: &str, depends_on: &[&str]) -> String {
    format!(
        "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata:\n  name: {app}\nspec:\n  namespace: {namespace}\n  \
         dependsOn: [{}]\n  manifests: manifests/{app}\n",
        depends_on.join(", ")
    )
}

pub(crate) fn config_map(name: &str, value: &str) -> String {
    format!(
        "---\n{}\n",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": value}})
    )
}

pub(crate) fn deployment(name: &str, replicas: u32) -> String {
    let object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": replicas, "selector": {"matchLabels": {"name": name}},
        "template": {"metadata": {"labels": {"name": name}}, "spec": {"containers": [{"name": "main", "image": "example.org/x:1",
            "resources": {"requests": {"cpu": "1000m"}}}]}}}});
    format!("---\n{object}\n")
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_commit_is_applied_and_a_one_object_commit_costs_exactly_one_patch() {
    let maps: String = (0..20).map(|i| config_map(&format!("map-{i}"), "1")).collect();
    let cloud = TestCloud::new("commit", &[("one", &[], &maps), ("two", &["one"], &deployment("web", 1))]);
    let _retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    assert_eq!(cloud.get("configmap", "map-7").expect("it was applied")["data"]["a"], "1");
    cloud.settled();

    let log = control_plane().audit();
    let changed = maps.replace("\"map-7\"", "\"map-7\",\"labels\":{\"x\":\"y\"}");
    cloud.commit_and_wait("manifests/one/objects.yaml", &changed);
    cloud.settled();
    assert_eq!(cloud.about_managed(&log), ["patch configmaps map-7"]);
    let own = cloud.requests(&log).len() - 1;
    assert!(own <= 4, "{own} requests for inventory, status and Events");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_restart_and_a_requested_sync_write_no_managed_object() {
    let cloud = TestCloud::new("restart", &[("one", &[], &(config_map("a", "1") + &deployment("web", 1)))]);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.settled();
    retune.signal("TERM");
    assert!(retune.wait().success(), "SIGTERM ends in order");

    let log = control_plane().audit();
    let retune = cloud.start();
    retune.wait_for(0, SOON, |line| line.contains("leading"));
    let (code, out, err) = cloud.retune("sync", &[]);
    assert_eq!(code, 0, "{out}{err}");
    cloud.settled();
    let writes: Vec<String> =
        log.writes_to_managed(&cloud.user).iter().map(|r| format!("{} {}", r.verb, r.uri)).collect();
    assert!(writes.is_empty(), "{writes:?}");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn crds_come_before_their_instances_in_one_revision() {
    let name = crate::support::unique("things");
    let group = format!("{name}.example.org");
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("things.{group}")},
        "spec": {"group": group, "scope": "Namespaced", "names": {"kind": "Thing", "plural": "things"},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
    let thing = json!({"apiVersion": format!("{group}/v1"), "kind": "Thing", "metadata": {"name": "x"}, "spec": {"a": 1}});
    let text = format!("---\n{thing}\n---\n{crd}\n");
    let cloud = TestCloud::new("crds", &[("one", &[], &text)]);
    let _retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    assert!(cloud.get(&format!("things.{group}"), "x").is_some());
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_broken_commit_leaves_the_last_good_revision_enforced() {
    let cloud = TestCloud::new("broken", &[("one", &[], &config_map("a", "1"))]);
    let retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.repo.commit("Break", &[("manifests/one/objects.yaml", "a: [")]);
    retune.wait_for(0, SOON, |line| line.contains("the last good revision stays enforced"));
    control_plane().kubectl(&["delete", "configmap", "a", "-n", &cloud.name]);
    eventually("the deleted object is back", SOON, || cloud.get("configmap", "a"));
    cloud.commit_and_wait("manifests/one/objects.yaml", &config_map("a", "2"));
    assert_eq!(cloud.get("configmap", "a").expect("there")["data"]["a"], "2");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_object_that_leaves_git_is_pruned_and_a_whole_app_waits_for_approval() {
    let cloud = TestCloud::new(
        "prune",
        &[("one", &[], &(config_map("a", "1") + &config_map("b", "1"))), ("two", &[], &config_map("c", "1"))],
    );
    let _retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.commit_and_wait("manifests/one/objects.yaml", &config_map("a", "1"));
    eventually("b is pruned", SOON, || cloud.get("configmap", "b").is_none().then_some(()));

    cloud.repo.remove("Drop an app", &["apps/two.yaml", "manifests/two/objects.yaml"]);
    eventually("the deletion is withheld", SOON, || {
        let found = cloud.cloudsync()?;
        found.pointer("/status/withheld/digest").map(|d| d.to_string())
    });
    assert!(cloud.get("configmap", "c").is_some(), "nothing is deleted without approval");
    let (_, json, _) = cloud.retune("status", &["-o", "json"]);
    let status: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let digest = status["status"]["withheld"]["digest"].as_str().expect("a digest").to_owned();
    let (code, _, err) = cloud.retune("approve", &["sha256:000000000000"]);
    assert_eq!(code, 3, "another digest is refused: {err}");
    let (code, out, err) = cloud.retune("approve", &[&digest]);
    assert_eq!(code, 0, "{out}{err}");
    eventually("c is pruned once approved", SOON, || cloud.get("configmap", "c").is_none().then_some(()));
    eventually("the approval is consumed", SOON, || {
        let found = cloud.cloudsync()?;
        let empty = found.pointer("/spec/approvals").and_then(|a| a.as_array()).is_none_or(Vec::is_empty);
        let used = found.pointer("/status/usedApprovals/0").and_then(|d| d.as_str()) == Some(digest.as_str());
        (empty && used).then_some(())
    });
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_pin_makes_any_commit_live_and_resume_follows_the_branch_again() {
    let cloud = TestCloud::new("pin", &[("one", &[], &config_map("a", "1"))]);
    let mut retune = cloud.start();
    let first = cloud.repo.head();
    cloud.await_ready(&first);
    let second = cloud.commit_and_wait("manifests/one/objects.yaml", &config_map("a", "2"));
    let (code, out, err) = cloud.retune("rollback", &["HEAD~1", "--pin", "--reason", "test"]);
    assert_eq!(code, 0, "{out}{err}");
    cloud.await_status("syncedRevision", &first);
    assert_eq!(cloud.get("configmap", "a").expect("there")["data"]["a"], "1");
    // A pin survives a restart, and a new commit does not end it.
    retune.signal("TERM");
    retune.wait();
    let third = cloud.repo.commit("Third", &[("manifests/one/objects.yaml", &config_map("a", "3"))]);
    let retune = cloud.start();
    retune.wait_for(0, SOON, |line| {
        line.contains("nothing to do") || line.contains("sync is over") || line.contains("synced")
    });
    assert_eq!(cloud.get("configmap", "a").expect("there")["data"]["a"], "1");
    let (code, out, err) = cloud.retune("resume", &[]);
    assert_eq!(code, 0, "{out}{err}");
    cloud.await_status("syncedRevision", &third);
    assert_eq!(cloud.get("configmap", "a").expect("there")["data"]["a"], "3");
    assert_ne!(second, third);
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn diff_shows_the_plan_masks_secrets_and_ends_with_one_until_all_is_in_sync() {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "hunter2"}});
    let text = format!("{}---\n{secret}\n", config_map("a", "1"));
    let cloud = TestCloud::new("diff", &[("one", &[], &text)]);
    let repo = cloud.repo.path().to_string_lossy().into_owned();
    let more = ["--repo", &repo, "--branch", "main", "--profile", "base"];
    let (code, out, err) = cloud.retune("diff", &more);
    assert_eq!(code, 1, "{out}{err}");
    assert!(out.contains("+kind: ConfigMap") && out.contains("2 create"), "{out}");
    assert!(!out.contains("hunter2") && !out.contains("aHVudGVyMg"), "{out}");
    let _retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.settled();
    let (code, out, err) = cloud.retune("diff", &[]);
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_first_sync_on_existing_objects_only_reports_until_approved() {
    let cloud = TestCloud::new("existing", &[("one", &[], &(config_map("a", "1") + &config_map("b", "1")))]);
    let plane = control_plane();
    plane.kubectl(&["create", "configmap", "a", "--from-literal=a=mine", "-n", &cloud.name]);
    let _retune = cloud.start();
    let digest = eventually("the take-over is withheld", SOON, || {
        let found = cloud.cloudsync()?;
        Some(found.pointer("/status/withheld/digest")?.as_str()?.to_owned())
    });
    assert_eq!(cloud.get("configmap", "a").expect("there")["data"]["a"], "mine");
    assert!(cloud.get("configmap", "b").is_none());
    let (code, out, err) = cloud.retune("approve", &[&digest]);
    assert_eq!(code, 0, "{out}{err}");
    cloud.await_ready(&cloud.repo.head());
    assert_eq!(cloud.get("configmap", "a").expect("there")["data"]["a"], "1");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_lost_inventory_is_rebuilt_and_deleting_the_cloudsync_deletes_nothing() {
    let cloud = TestCloud::new("rebuild", &[("one", &[], &(config_map("a", "1") + &config_map("b", "1")))]);
    let plane = control_plane();
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.settled();
    plane.kubectl(&["delete", "cloudsync", &cloud.name, "-n", "retune-system"]);
    assert_eq!(retune.wait().code(), Some(3), "without its CloudSync a syncer ends");
    let label = format!("retune.dev/inventory-of={}", cloud.name);
    plane.kubectl(&["delete", "inventory", "-n", "retune-system", "-l", &label]);
    assert!(cloud.get("configmap", "a").is_some() && cloud.get("configmap", "b").is_some());

    // b leaves Git while the inventory is lost: it is found again by its label and pruned in the end.
    let revision = cloud.repo.commit("Drop b", &[("manifests/one/objects.yaml", &config_map("a", "1"))]);
    let retune = cloud.start();
    retune.wait_for(0, SOON, |line| line.contains("rebuilt from labels"));
    cloud.await_status("syncedRevision", &revision);
    eventually("b is pruned after the comparison", SOON, || {
        cloud.get("configmap", "b").is_none().then_some(())
    });
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn the_late_write_of_a_killed_syncer_is_found_by_its_marks_and_pruned() {
    let cloud = TestCloud::new("late", &[("one", &[], &config_map("a", "1"))]);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.settled();
    retune.signal("KILL");
    retune.wait();
    // As the killed one would have written it, noted in no inventory and in Git no more.
    let mut late = cloud.get("configmap", "a").expect("there");
    late["metadata"]["name"] = "late".into();
    for field in ["uid", "resourceVersion", "managedFields", "creationTimestamp"] {
        late["metadata"].as_object_mut().expect("an object").remove(field);
    }
    let owner = &mut late["metadata"]["annotations"]["retune.dev/owner"];
    *owner = owner.as_str().expect("retune's mark").replace("/a", "/late").into();
    let apply = ["apply", "--server-side", "--field-manager=retune", "-n", &cloud.name, "-f", "-"];
    control_plane().kubectl_with(&apply, &late.to_string());
    let _retune = cloud.start();
    eventually("the late one is pruned", SOON, || cloud.get("configmap", "late").is_none().then_some(()));
    cloud.await_ready(&cloud.repo.head());
    assert!(cloud.get("configmap", "a").is_some());
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn dependants_wait_for_readiness_and_a_newer_commit_takes_over() {
    let cloud = TestCloud::new(
        "order",
        &[("db", &[], &deployment("db", 1)), ("api", &["db"], &config_map("api", "1"))],
    );
    // A pod that never turns ready.
    let hang = deployment("db", 1).replace(
        "\"labels\":{\"name\":\"db\"}",
        "\"annotations\":{\"retune.dev/test\":\"fail\"},\"labels\":{\"name\":\"db\"}",
    );
    let unschedulable = hang.replace("\"containers\"", "\"nodeSelector\":{\"no\":\"such\"},\"containers\"");
    cloud.repo.commit("Hang", &[("manifests/db/objects.yaml", &unschedulable)]);
    let _retune = cloud.start();
    eventually("the dependant says what it waits for", SOON, || {
        let found = cloud.cloudsync()?;
        let apps = found.pointer("/status/notReady")?.as_array()?.clone();
        apps.iter()
            .any(|a| {
                a["name"] == "api" && a["message"].as_str().is_some_and(|m| m.starts_with("waits for db ("))
            })
            .then_some(())
    });
    assert!(cloud.get("configmap", "api").is_none());
    let fixed = cloud.repo.commit("Fix", &[("manifests/db/objects.yaml", &deployment("db", 1))]);
    cloud.await_ready(&fixed);
    assert!(cloud.get("configmap", "api").is_some());
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_crd_goes_freely_without_instances_and_waits_for_approval_with_one() {
    let name = crate::support::unique("gone");
    let group = format!("{name}.example.org");
    let crd = |plural: &str| {
        let kind = plural.to_uppercase();
        format!(
            "---\n{}\n",
            json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.{group}")},
            "spec": {"group": group, "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
                "versions": [{"name": "v1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
        )
    };
    let cloud = TestCloud::new(
        "definitions",
        &[("one", &[], &(config_map("a", "1") + &crd("used") + &crd("empty")))],
    );
    let _retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let plane = control_plane();
    let thing = json!({"apiVersion": format!("{group}/v1"), "kind": "USED", "metadata": {"name": "x", "namespace": cloud.name}});
    plane.kubectl_with(&["create", "-f", "-"], &thing.to_string());
    cloud.repo.commit("Drop both", &[("manifests/one/objects.yaml", &config_map("a", "2"))]);
    let there = |plural: &str| plane.get(&["crd", &format!("{plural}.{group}")]).is_some();
    eventually("the empty one is pruned", SOON, || (!there("empty")).then_some(()));
    let withheld = eventually("the other is withheld", SOON, || {
        Some(cloud.cloudsync()?.pointer("/status/withheld")?.clone())
    });
    assert!(there("used"));
    let shown = withheld.to_string();
    assert!(
        shown.contains(&format!("used.{group}")) && !shown.contains(&format!("empty.{group}")),
        "{shown}"
    );
    let digest = withheld["digest"].as_str().expect("a digest");
    let (code, out, err) = cloud.retune("approve", &[digest]);
    assert_eq!(code, 0, "{out}{err}");
    eventually("the used one goes once approved", SOON, || (!there("used")).then_some(()));
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn random_text_of_a_chart_is_the_same_after_a_restart_and_a_commit() {
    let cloud = TestCloud::new("random", &[("one", &[], &config_map("a", "1"))]);
    cloud.repo.write("charts/keyed/Chart.yaml", "apiVersion: v2\nname: keyed\nversion: 1.0.0\n");
    let template = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: keyed\ndata:\n  key: {{ randAlphaNum 32 | b64enc }}\n";
    cloud.repo.write("charts/keyed/templates/secret.yaml", template);
    let app = app_file(&cloud.name, "keyed", &[])
        .replace("manifests: manifests/keyed", "chart: {path: charts/keyed}");
    cloud.repo.commit("A chart", &[("apps/keyed.yaml", &app)]);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let key =
        || cloud.get("secret", "keyed").expect("there")["data"]["key"].as_str().expect("a key").to_owned();
    let first = key();
    retune.signal("TERM");
    assert!(retune.wait().success());
    let log = control_plane().audit();
    let _retune = cloud.start();
    cloud.commit_and_wait("charts/keyed/values.yaml", "unrelated: 1\n");
    cloud.settled();
    assert_eq!(key(), first);
    assert!(log.writes_to_managed(&cloud.user).is_empty(), "{:?}", cloud.about_managed(&log));
    // `diff` knows the key, too.
    let (code, out, err) = cloud.retune("diff", &[]);
    assert_eq!(code, 0, "{out}{err}");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_rollback_is_a_commit_that_the_syncer_follows() {
    let cloud = TestCloud::new("rollback", &[("one", &[], &config_map("a", "1"))]);
    let first = cloud.repo.head();
    let _retune = cloud.start();
    cloud.await_ready(&first);
    cloud.commit_and_wait("manifests/one/objects.yaml", &(config_map("a", "2") + &config_map("b", "1")));
    let last =
        cloud.commit_and_wait("manifests/one/objects.yaml", &(config_map("a", "3") + &config_map("b", "1")));
    let (code, _, err) = cloud.retune("rollback", &["HEAD~2"]);
    assert!(
        code == 2 && err.contains("is checked out there"),
        "a work tree is not left behind its branch: {err}"
    );
    cloud.repo.git(&["checkout", "-q", "--detach"]);
    let (code, out, err) = cloud.retune("rollback", &["HEAD~2", "--reason", "b is wrong"]);
    assert_eq!(code, 0, "{out}{err}");
    let head = cloud.repo.git(&["rev-parse", "main"]).trim().to_owned();
    cloud.await_ready(&head);
    assert_eq!(cloud.get("configmap", "a").expect("there")["data"]["a"], "1");
    eventually("what the old revision did not have is pruned", SOON, || {
        cloud.get("configmap", "b").is_none().then_some(())
    });
    assert_eq!(cloud.repo.git(&["rev-parse", "main^"]).trim(), last, "history only grows");
    assert!(cloud.repo.git(&["log", "-1", "--format=%B", "main"]).contains("b is wrong"));
    // The ledger is read while the syncer has it open.
    let history = || {
        let (code, out, err) = cloud.retune("history", &["-o", "json"]);
        assert_eq!(code, 0, "{out}{err}");
        serde_json::from_str::<Vec<serde_json::Value>>(&out).expect("JSON")
    };
    let syncs = eventually("the rollback is in the ledger", SOON, || {
        let syncs: Vec<_> = history().into_iter().filter(|e| e["kind"] == "sync").collect();
        (syncs.first()?["revision"]["id"] == head.as_str()).then_some(syncs)
    });
    assert_eq!(syncs.last().expect("the first sync")["revision"]["id"], first.as_str());
    assert_eq!(syncs[0]["ready"], true);
    assert!(
        syncs[0]["revision"]["subject"].as_str().expect("text").starts_with("Roll back to"),
        "{}",
        syncs[0]
    );
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_suspended_cloud_is_left_alone_and_put_right_when_it_is_resumed() {
    let cloud = TestCloud::new("suspend", &[("one", &[], &config_map("a", "1"))]);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let (code, out, err) = cloud.retune("suspend", &[]);
    assert_eq!(code, 0, "{out}{err}");
    eventually("the condition says it", SOON, || {
        let found = cloud.cloudsync()?;
        let conditions = found.pointer("/status/conditions")?.as_array()?.clone();
        conditions.iter().any(|c| c["reason"] == "Suspended").then_some(())
    });
    // It survives a restart.
    retune.signal("TERM");
    assert!(retune.wait().success());
    let retune = cloud.start();
    retune.wait_for(0, SOON, |line| line.contains("leading"));
    let log = control_plane().audit();
    let patch = r#"{"data":{"a":"changed"}}"#;
    control_plane().kubectl(&["patch", "configmap", "a", "-n", &cloud.name, "-p", patch]);
    cloud
        .repo
        .commit("Change", &[("manifests/one/objects.yaml", &(config_map("a", "2") + &config_map("b", "1")))]);
    eventually("the drift is told", SOON, || {
        let (_, out, _) = cloud.retune("status", &[]);
        out.contains("data.a").then_some(())
    });
    cloud.settled();
    assert!(log.writes_to_managed(&cloud.user).is_empty(), "{:?}", cloud.about_managed(&log));
    let (code, out, err) = cloud.retune("resume", &[]);
    assert_eq!(code, 0, "{out}{err}");
    cloud.await_ready(&cloud.repo.head());
    assert_eq!(cloud.get("configmap", "a").expect("there")["data"]["a"], "2");
    assert!(cloud.get("configmap", "b").is_some());
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_cloud_that_loses_its_last_app_is_empty_and_asks_before_it_deletes() {
    let cloud = TestCloud::new("empty", &[("one", &[], &config_map("a", "1"))]);
    let _retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let head = cloud.repo.remove("Remove the last app", &["apps", "manifests"]);
    cloud.await_status("revision", &head);
    let withheld = cloud.cloudsync().and_then(|c| c.pointer("/status/withheld").cloned()).expect("withheld");
    assert!(withheld["actions"].to_string().contains("deletes a whole app"), "{withheld}");
    assert!(cloud.get("configmap", "a").is_some());
    let (code, out, err) = cloud.retune("approve", &[withheld["digest"].as_str().expect("a digest")]);
    assert_eq!(code, 0, "{out}{err}");
    cloud.await_status("syncedRevision", &head);
    eventually("the object is gone", SOON, || cloud.get("configmap", "a").is_none().then_some(()));
}
