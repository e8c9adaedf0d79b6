//! The control plane that all other tests stand on: it is real, it is ours, and it sees who does what.

use std::process::{Command, Stdio};
use std::time::Duration;

use crate::support::{ControlPlane, Repo, control_plane, eventually, root};

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn workloads_become_ready_on_simulated_nodes() {
    let plane = control_plane();
    let ns = plane.namespace("workloads");
    plane.kubectl_with(&["apply", "-n", &ns, "-f", "-"], include_str!("support/workloads.yaml"));
    for (object, state) in [
        ("deployment/runs", "jsonpath={.status.readyReplicas}=2"),
        ("statefulset/stores", "jsonpath={.status.readyReplicas}=2"),
        ("daemonset/everywhere", "jsonpath={.status.numberReady}=3"),
        ("job/succeeds", "condition=Complete"),
        ("job/fails", "condition=Failed"),
    ] {
        plane.kubectl(&["wait", "-n", &ns, object, &format!("--for={state}"), "--timeout=30s"]);
    }
    let crash = plane.get(&["deployment", "crashes", "-n", &ns]).expect("it was applied");
    assert_eq!(crash.pointer("/status/readyReplicas"), None, "a pod annotated to fail must not turn ready");
    let hangs = plane.get(&["job", "hangs", "-n", &ns]).expect("it was applied");
    assert_eq!(hangs.pointer("/status/succeeded"), None, "a job annotated to hang must not complete");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn the_audit_log_tells_users_and_verbs_apart() {
    let plane = control_plane();
    let ns = plane.namespace("audit");
    let someone = crate::support::unique("someone");
    let kubeconfig = plane.kubeconfig_of(&someone);
    let log = plane.audit();
    plane.kubectl(&["create", "configmap", "by-admin", "-n", &ns]);
    let output = Command::new(plane.dir().expect("ours").join("bin/kubectl"))
        .args(["create", "configmap", "by-someone", "-n", &ns, "--kubeconfig"])
        .arg(kubeconfig)
        .output()
        .expect("kubectl can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let writes = log.writes_to_managed(&someone);
    assert_eq!(writes.len(), 1, "{writes:?}");
    assert_eq!((writes[0].verb.as_str(), writes[0].resource.as_str()), ("create", "configmaps"));
    assert_eq!(
        (writes[0].namespace.as_str(), writes[0].name.as_str(), writes[0].code),
        (ns.as_str(), "by-someone", 201)
    );
    assert!(writes[0].user_agent.starts_with("kubectl"));
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn nothing_is_left_when_the_owner_is_killed() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let dir = scratch.path().join("plane");
    // The owner is a shell that starts the control plane and is then killed without a chance to clean up.
    let mut owner = Command::new("bash")
        .arg("-c")
        .arg("\"$0\" --dir \"$1\" --owner $$ </dev/null 2>/dev/null & wait")
        .arg(root().join("tests/controlplane/up"))
        .arg(&dir)
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash can be run");
    let mut line = String::new();
    let stdout = owner.stdout.take().expect("piped");
    std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut line).expect("up speaks");
    assert!(line.starts_with("ready "), "{line}");
    let components = || {
        let processes = std::fs::read_dir("/proc").expect("this is Linux").flatten();
        let lines = processes.filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok());
        lines.filter(|line| String::from_utf8_lossy(line).contains(&*dir.to_string_lossy())).count()
    };
    assert!(components() >= 5, "etcd, three of Kubernetes and kwok");
    owner.kill().expect("it runs");
    owner.wait().expect("it was ours");
    eventually("every component ends with its owner", Duration::from_secs(10), || {
        let etcd_gone = !dir.join("etcd").exists() && !dir.join("pki").exists();
        (components() == 0 && etcd_gone).then_some(())
    });
    assert!(dir.join("logs/kube-apiserver.log").exists(), "logs are kept");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_cluster_that_does_not_say_it_is_disposable_is_refused() {
    let plane = control_plane();
    let Err(reason) = ControlPlane::disposable_for_test(plane.kubeconfig()) else {
        panic!("a cluster without the marker namespace was accepted");
    };
    assert!(reason.contains("retune-disposable"), "{reason}");
}

#[test]
fn a_test_repository_has_its_own_identity_and_branch() {
    let repo = Repo::with(&[("a/b.yaml", "x: 1\n")]);
    let first = repo.head();
    let second = repo.commit("Change", &[("a/b.yaml", "x: 2\n")]);
    assert_ne!(first, second);
    assert_eq!(repo.git(&["log", "-1", "--format=%an %D"]), "Ada Tester HEAD -> main");
}
