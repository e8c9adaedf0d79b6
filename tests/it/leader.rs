//! One writer, and what it remembers of the cluster: the Lease's take-over, and a cluster that was restored to the past.

use std::path::Path;
use std::process::Command;

use crate::engine::{SOON, TestCloud, config_map};
use crate::support::{ControlPlane, control_plane, eventually, unique};

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_second_syncer_only_waits_takes_over_a_dead_lease_and_the_first_writes_nothing_more() {
    let cloud = TestCloud::new("lease", &[("one", &[], &config_map("a", "1"))]);
    let first = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.settled();

    let plane = control_plane();
    let (user, state) = (unique("second"), tempfile::tempdir().expect("a scratch folder"));
    let log = plane.audit();
    let mut second = cloud.start_as(&user, state.path());
    second.wait_for(0, SOON, |line| line.contains("another syncer leads this cloud"));
    cloud.commit_and_wait("manifests/one/objects.yaml", &config_map("a", "2"));
    assert!(log.writes_to_managed(&user).is_empty(), "the second one wrote while the first one led");

    // Alive, but not running: as a machine that hangs.
    first.signal("STOP");
    let log = plane.audit();
    let from = first.mark();
    second.wait_for(0, SOON, |line| line.contains("leading"));
    cloud.commit_and_wait("manifests/one/objects.yaml", &config_map("a", "3"));
    plane.kubectl(&["patch", "configmap", "a", "-n", &cloud.name, "-p", r#"{"data":{"a":"changed"}}"#]);
    first.signal("CONT");
    first.wait_for(from, SOON, |line| line.contains("leadership was lost"));
    eventually("the second one corrects drift", SOON, || {
        (cloud.get("configmap", "a")?["data"]["a"] == "3").then_some(())
    });
    let late: Vec<String> =
        log.writes_to_managed(&cloud.user).iter().map(|r| format!("{} {}", r.verb, r.uri)).collect();
    assert!(late.is_empty(), "written without the lease: {late:?}");

    // In order this time: the lease is given up, and the first one need not wait for it to run out.
    let from = first.mark();
    second.signal("TERM");
    assert!(second.wait().success(), "{}", second.output());
    first.wait_for(from, SOON, |line| line.contains("leading"));
    cloud.commit_and_wait("manifests/one/objects.yaml", &config_map("a", "4"));
}

/// A control plane whose etcd can be put back to an old copy.
struct Restorable(&'static ControlPlane);

impl Restorable {
    fn start(name: &str) -> Self {
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("controlplane-{}", unique(name)));
        let plane = ControlPlane::start_restartable(&dir).expect("the control plane starts");
        // Until the end of the process, as the shared one.
        Self(Box::leak(Box::new(plane)))
    }

    fn dir(&self) -> &Path {
        self.0.dir().expect("our own")
    }

    fn kill(&self, names: &[&str]) {
        std::fs::write(self.dir().join("hold"), "").expect("written");
        for name in names {
            let file = self.dir().join(format!("{name}.pid"));
            let pid = std::fs::read_to_string(&file).expect("a process id");
            let killed = Command::new("kill").args(["-KILL", pid.trim()]).status().expect("kill runs");
            assert!(killed.success());
            eventually("it has ended", SOON, || {
                (!Path::new("/proc").join(pid.trim()).exists()).then_some(())
            });
        }
    }

    fn go_on(&self) {
        std::fs::remove_file(self.dir().join("hold")).expect("removed");
        eventually("the server answers again", SOON, || {
            self.0.try_kubectl(&["get", "--raw", "/readyz"], None).status.success().then_some(())
        });
    }

    fn copy(from: &Path, to: &Path) {
        let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().expect("cp runs");
        assert!(copied.success());
    }

    fn back_up(&self) {
        self.kill(&["etcd"]);
        Self::copy(&self.dir().join("etcd"), &self.dir().join("cache/etcd"));
        self.go_on();
    }

    fn restore(&self) {
        self.kill(&["kube-apiserver", "etcd"]);
        std::fs::remove_dir_all(self.dir().join("etcd")).expect("removed");
        Self::copy(&self.dir().join("cache/etcd"), &self.dir().join("etcd"));
        self.go_on();
    }

    fn lease(&self, cloud: &str) -> String {
        let lease = self.0.get(&["lease", &format!("retune-{cloud}"), "-n", "retune-system"]);
        lease.expect("a lease")["metadata"]["resourceVersion"].as_str().expect("a version").to_owned()
    }

    /// Waits until the syncer has seen the cluster as it is now.
    fn renewed(&self, cloud: &str) {
        let now = self.lease(cloud);
        eventually("the lease is renewed", SOON, || (self.lease(cloud) != now).then_some(()));
    }
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_cluster_restored_to_the_past_is_noticed_and_nothing_is_pruned_until_all_is_compared() {
    let plane = Restorable::start("restored");
    let both = config_map("a", "1") + &config_map("b", "1");
    let cloud = TestCloud::on(plane.0, "restored", &[("one", &[], &both)]);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.settled();
    plane.back_up();
    plane.renewed(&cloud.name);
    let text = config_map("a", "2") + &config_map("c", "1");
    let revision = cloud.commit_and_wait("manifests/one/objects.yaml", &text);
    eventually("b is pruned", SOON, || cloud.get("configmap", "b").is_none().then_some(()));
    plane.renewed(&cloud.name);

    // While the syncer runs.
    let order = |log: &crate::support::AuditLog| {
        let writes = log.writes_to_managed(&cloud.user);
        let place = |verb: &str, name: &str| writes.iter().position(|r| r.verb == verb && r.name == name);
        (place("patch", "a"), place("patch", "c"), place("delete", "b"))
    };
    let restored = |retune: &crate::support::Retune, from: usize| {
        retune.wait_for(from, SOON, |line| line.contains("restored to the past"));
        retune.wait_for(from, SOON, |line| line.contains("pruning is free again"));
        cloud.await_ready(&revision);
        eventually("b is pruned again", SOON, || cloud.get("configmap", "b").is_none().then_some(()));
        assert_eq!(cloud.get("configmap", "a").expect("there")["data"]["a"], "2");
        assert!(cloud.get("configmap", "c").is_some());
    };
    let (log, from) = (plane.0.audit(), retune.mark());
    plane.restore();
    assert!(cloud.get("configmap", "b").is_some(), "the restored cluster has what was deleted since");
    restored(&retune, from);
    let (a, c, b) = order(&log);
    assert!(
        a.is_some() && a < b && c.is_some() && c < b,
        "pruned before all was compared: {:?}",
        order(&log)
    );

    // While no syncer runs: the ledger knows how far the cluster had come.
    plane.renewed(&cloud.name);
    retune.signal("TERM");
    assert!(retune.wait().success());
    let log = plane.0.audit();
    plane.restore();
    let retune = cloud.start();
    restored(&retune, 0);
    let (a, c, b) = order(&log);
    assert!(
        a.is_some() && a < b && c.is_some() && c < b,
        "pruned before all was compared: {:?}",
        order(&log)
    );
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn deleting_retunes_own_definitions_deletes_nothing_and_the_next_start_takes_all_up_unchanged() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("controlplane-{}", unique("definitions")));
    // Its own: the definitions are there once for a whole cluster. It ends with the process, as the shared one.
    let plane: &'static ControlPlane =
        Box::leak(Box::new(ControlPlane::start_own(&dir).expect("the control plane starts")));
    let objects = config_map("a", "1") + &config_map("b", "1");
    let cloud = TestCloud::on(plane, "definitions", &[("one", &[], &objects)]);
    let mut retune = cloud.start();
    let revision = cloud.repo.head();
    cloud.await_ready(&revision);
    cloud.settled();
    let versions = || {
        ["a", "b"].map(|name| {
            let object = cloud.get("configmap", name).expect("still there");
            (object["metadata"]["uid"].to_string(), object["metadata"]["resourceVersion"].to_string())
        })
    };
    let before = versions();

    plane.kubectl(&["delete", "crd", "cloudsyncs.retune.dev", "inventories.retune.dev"]);
    assert_eq!(retune.wait().code(), Some(3), "without its CloudSync a syncer ends: {}", retune.output());
    assert_eq!(versions(), before);

    // What was applied before is compared by applying it: a server-side apply that changes nothing leaves no trace.
    let retune = cloud.start();
    retune.wait_for(0, SOON, |line| line.contains("rebuilt from labels"));
    retune.wait_for(0, SOON, |line| line.contains("pruning is free again"));
    cloud.await_ready(&revision);
    cloud.settled();
    assert_eq!(versions(), before);
}
