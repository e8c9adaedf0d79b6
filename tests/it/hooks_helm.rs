//! A chart with every hook event, weight and delete policy, lived through by the real helm in one namespace and by
//! retune in another: the same objects are left, and the audit log has the same order.
//!
//! What differs on purpose: an upgrade on which hooks are unchanged runs them with helm and not with retune; objects that
//! an upgrade drops go after readiness with retune; objects of one phase are applied side by side.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::engine::TestCloud;
use crate::support::{AuditLog, Request, control_plane, eventually, root};

const LONG: std::time::Duration = std::time::Duration::from_secs(240);

/// The real helm as one user.
pub(crate) struct Helm {
    binary: PathBuf,
    kubeconfig: PathBuf,
    user: String,
    namespace: String,
    home: tempfile::TempDir,
}

impl Helm {
    fn new() -> Self {
        Self::in_namespace(&control_plane().namespace("helm"))
    }

    /// In a namespace that is there.
    pub(crate) fn in_namespace(namespace: &str) -> Self {
        let built =
            Command::new(root().join("tests/controlplane/build")).arg("helm").output().expect("build runs");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        let binary = Path::new(String::from_utf8_lossy(&built.stdout).trim()).join("helm");
        let namespace = namespace.to_owned();
        let user = format!("helm-{namespace}");
        let kubeconfig = control_plane().kubeconfig_of(&user);
        Self { binary, kubeconfig, user, namespace, home: tempfile::tempdir().expect("a scratch folder") }
    }

    pub(crate) fn run(&self, args: &[&str]) {
        let output = Command::new(&self.binary)
            .args(["--kubeconfig"])
            .arg(&self.kubeconfig)
            .args(["--namespace", &self.namespace])
            .args(args)
            .env("HOME", self.home.path())
            .env_remove("KUBECONFIG")
            .output()
            .expect("helm can be run");
        assert!(output.status.success(), "helm {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Objects of a namespace: `kind name` to what the chart put in.
fn objects(namespace: &str) -> BTreeMap<String, String> {
    let list =
        control_plane().get(&["configmaps,secrets,jobs,pods,deployments", "-n", namespace]).expect("a list");
    let items = list["items"].as_array().cloned().unwrap_or_default();
    items
        .iter()
        .filter(|o| {
            o["metadata"]["ownerReferences"].is_null() && o["metadata"]["deletionTimestamp"].is_null()
        })
        .filter(|o| !["kube-root-ca.crt", "bystander"].iter().any(|n| o["metadata"]["name"] == **n))
        .filter(|o| o["type"] != "helm.sh/release.v1")
        .map(|o| {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            let pod = if o["kind"] == "Pod" { &o["spec"] } else { &o["spec"]["template"]["spec"] };
            let body = format!("{} {}", o["data"], pod["containers"][0]["args"]);
            (format!("{} {}", text(&o["kind"]), text(&o["metadata"]["name"])), body)
        })
        .collect()
}

/// What one user did to the namespace's objects, in order. Objects of the release itself that are applied together are
/// sorted; `old` is left out, and so is `kept` where it is not created.
fn order(log: &AuditLog, user: &str, namespace: &str) -> Vec<String> {
    let line = |r: &Request| {
        let done = if r.verb == "delete" { "delete" } else { "apply" };
        format!("{done} {} {}", r.resource, r.name)
    };
    let all: Vec<String> = log
        .by_user(user)
        .iter()
        .filter(|r| r.is_write() && r.namespace == namespace && r.code < 300 && r.subresource.is_empty())
        .filter(|r| {
            !r.is_own_bookkeeping()
                && !r.name.starts_with("sh.helm.release")
                && !r.uri.contains("retune-marks")
        })
        // A POST has no name in the log: helm's release records.
        .filter(|r| !["", "old", "bystander"].contains(&r.name.as_str()))
        .filter(|r| r.name != "kept" || r.code == 201)
        .map(line)
        .collect();
    let own = |l: &String| ["kept", "settings"].iter().any(|n| l.ends_with(n));
    let mut out: Vec<String> = Vec::new();
    for line in all {
        match out.last() {
            Some(last) if own(last) && own(&line) && *last > line => {
                let at = out.len() - 1;
                out.insert(at, line);
            }
            _ => out.push(line),
        }
    }
    out
}

fn await_ready(cloud: &TestCloud, revision: &str) {
    eventually(&format!("{revision} is ready"), LONG, || {
        let found = cloud.cloudsync()?;
        (found.pointer("/status/readyRevision")?.as_str() == Some(revision)).then_some(())
    });
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn hooks_leave_the_objects_and_the_order_that_helm_leaves() {
    let helm = Helm::new();
    let bystander = crate::engine::config_map("bystander", "1");
    let cloud = TestCloud::new("hooked", &[("other", &[], &bystander)]);
    let chart = root().join("fixtures/hooks/chart");
    for file in
        ["Chart.yaml", "values.yaml", "templates/_hook.tpl", "templates/hooks.yaml", "templates/objects.yaml"]
    {
        let text = std::fs::read_to_string(chart.join(file)).expect("the chart is there");
        cloud.repo.write(&format!("charts/hooks/{file}"), &text);
    }
    let app = |argument: &str, setting: &str, old: bool| {
        format!(
            "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata:\n  name: hooked\nspec:\n  namespace: {}\n  chart:\n    \
             path: charts/hooks\n  values:\n    inline:\n      argument: {argument}\n      setting: {setting}\n      old: {old}\n",
            cloud.name
        )
    };
    let chart = chart.to_string_lossy().into_owned();
    let first = app("one", "plain", true);
    let commit = |text: &str| cloud.repo.commit("Change", &[("apps/hooked.yaml", text)]);
    let same = |what: &str| {
        let want = objects(&helm.namespace);
        let mut last = BTreeMap::new();
        let deadline = std::time::Instant::now() + LONG;
        while std::time::Instant::now() < deadline {
            last = objects(&cloud.name);
            if last == want {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        assert_eq!(last, want, "objects after {what}");
    };
    let orders =
        |log: &AuditLog| (order(log, &cloud.user, &cloud.name), order(log, &helm.user, &helm.namespace));

    let log = control_plane().audit();
    helm.run(&["install", "hooked", &chart, "--set", "argument=one"]);
    let revision = commit(&first);
    let _retune = cloud.start();
    await_ready(&cloud, &revision);
    same("install");
    let (ours, helms) = orders(&log);
    assert!(helms.len() > 20, "{helms:?}");
    assert_eq!(ours, helms, "install");

    let log = control_plane().audit();
    helm.run(&["upgrade", "hooked", &chart, "--set", "argument=two,old=false"]);
    await_ready(&cloud, &commit(&app("two", "plain", false)));
    same("an upgrade");
    let (ours, helms) = orders(&log);
    assert_eq!(ours, helms, "upgrade");

    // Unchanged hooks run again with helm only; what is left is the same.
    let log = control_plane().audit();
    helm.run(&["upgrade", "hooked", &chart, "--set", "argument=two,setting=other,old=false"]);
    await_ready(&cloud, &commit(&app("two", "other", false)));
    same("an upgrade that changes no hook");
    assert_eq!(order(&log, &cloud.user, &cloud.name), ["apply configmaps settings", "apply deployments web"]);

    let log = control_plane().audit();
    helm.run(&["rollback", "hooked", "1"]);
    await_ready(&cloud, &commit(&first));
    same("a rollback");
    let (ours, helms) = orders(&log);
    // Helm compares with the release before it: only what differs is written by either.
    assert_eq!(ours, helms, "rollback");

    let log = control_plane().audit();
    helm.run(&["test", "hooked"]);
    let (code, out, err) = cloud.retune("test", &["hooked"]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(out.matches("passed").count(), 9, "{out}");
    same("a test");
    let (ours, helms) = orders(&log);
    assert_eq!(ours, helms, "test");

    let log = control_plane().audit();
    helm.run(&["uninstall", "hooked"]);
    cloud.repo.remove("Drop the app", &["apps/hooked.yaml"]);
    let digest = eventually("the deletion waits for an approval", LONG, || {
        let found = cloud.cloudsync()?;
        Some(found.pointer("/status/withheld/digest")?.as_str()?.to_owned())
    });
    let (code, out, err) = cloud.retune("approve", &[&digest]);
    assert_eq!(code, 0, "{out}{err}");
    same("a deletion");
    // The last hooks' objects are deleted after the last one was created: the order is whole once retune rests.
    cloud.settled();
    let (ours, helms) = orders(&log);
    assert_eq!(ours, helms, "delete");
    let found = cloud.cloudsync().expect("it is there");
    assert_eq!(found["status"]["orphans"][0]["object"], format!("/Secret/{}/kept", cloud.name));
}
