//! Deletion: renamed apps, order, delete hooks, finalizers, orphans, and a `CloudSync` that takes its cloud with it.

use serde_json::json;

use crate::engine::{SOON, TestCloud, app_file, config_map, deployment};
use crate::support::{control_plane, eventually};

fn approve_when_withheld(cloud: &TestCloud) {
    let digest = eventually("something waits for an approval", SOON, || {
        let found = cloud.cloudsync()?;
        Some(found.pointer("/status/withheld/digest")?.as_str()?.to_owned())
    });
    let (code, out, err) = cloud.retune("approve", &[&digest]);
    assert_eq!(code, 0, "{out}{err}");
}

fn uid(cloud: &TestCloud, kind: &str, name: &str) -> String {
    let found = cloud.get(kind, name).expect("it is there");
    found["metadata"]["uid"].as_str().expect("a uid").to_owned()
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_renamed_app_keeps_its_objects() {
    let objects = config_map("a", "1") + &deployment("web", 1);
    let cloud = TestCloud::new("rename", &[("before", &[], &objects)]);
    let _retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let was = (uid(&cloud, "configmap", "a"), uid(&cloud, "deployment", "web"));
    let log = control_plane().audit();
    cloud.repo.git(&["rm", "-q", "apps/before.yaml"]);
    cloud.repo.git(&["mv", "manifests/before", "manifests/after"]);
    let revision = cloud.repo.commit("Rename", &[("apps/after.yaml", &app_file(&cloud.name, "after", &[]))]);
    cloud.await_ready(&revision);
    assert_eq!((uid(&cloud, "configmap", "a"), uid(&cloud, "deployment", "web")), was);
    let deleted: Vec<_> =
        log.writes_to_managed(&cloud.user).into_iter().filter(|r| r.verb == "delete").collect();
    assert!(deleted.is_empty(), "{deleted:?}");
    eventually("the old app's inventory is gone", SOON, || {
        let name = format!("{}.before.0", cloud.name);
        control_plane().get(&["inventory", &name, "-n", "retune-system"]).is_none().then_some(())
    });
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_app_is_deleted_backwards_and_a_finalizer_that_hangs_is_told_with_its_holder() {
    let held = format!(
        "---\n{}\n",
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "held"}, "spec": {"ports": [{"port": 80}]}})
    );
    let objects = config_map("a", "1") + &deployment("web", 1) + &held;
    let cloud =
        TestCloud::new("backwards", &[("gone", &[], &objects), ("stays", &[], &config_map("b", "1"))]);
    let _retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let hold = json!({"metadata": {"finalizers": ["example.org/hold"]}}).to_string();
    let args = [
        "patch",
        "service",
        "held",
        "-n",
        &cloud.name,
        "--type=merge",
        "--field-manager=holder",
        "-p",
        &hold,
    ];
    control_plane().kubectl(&args);
    let log = control_plane().audit();
    cloud.repo.remove("Drop", &["apps/gone.yaml"]);
    approve_when_withheld(&cloud);
    let told = eventually("the finalizer is told", SOON, || {
        let found = cloud.cloudsync()?;
        Some(found.pointer("/status/deleting/0/message")?.as_str()?.to_owned())
    });
    assert!(told.contains("example.org/hold (set by holder)"), "{told}");
    assert!(cloud.get("configmap", "a").is_some(), "what it may refer to waits");
    let free = json!({"metadata": {"finalizers": null}}).to_string();
    control_plane().kubectl(&["patch", "service", "held", "-n", &cloud.name, "--type=merge", "-p", &free]);
    eventually("everything is gone", SOON, || cloud.get("configmap", "a").is_none().then_some(()));
    let deleted: Vec<String> = log
        .writes_to_managed(&cloud.user)
        .into_iter()
        .filter(|r| r.verb == "delete" && r.code < 300)
        .map(|r| r.name)
        .collect();
    assert_eq!(deleted.last().map(String::as_str), Some("a"), "{deleted:?}");
    assert_eq!(deleted.len(), 3);
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn what_is_kept_is_listed_as_an_orphan_and_left_alone_by_the_next_syncer() {
    let kept = format!(
        "---\n{}\n",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept",
            "annotations": {"helm.sh/resource-policy": "keep"}}, "data": {"a": "b"}})
    );
    let cloud = TestCloud::new("orphan", &[("gone", &[], &kept), ("stays", &[], &config_map("b", "1"))]);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.await_ready(&cloud.repo.remove("Drop", &["apps/gone.yaml"]));
    let orphan = format!("/ConfigMap/{}/kept", cloud.name);
    let listed = || {
        eventually("it is listed", SOON, || {
            let found = cloud.cloudsync()?;
            (found.pointer("/status/orphans/0/object")?.as_str() == Some(&orphan)).then_some(())
        });
    };
    listed();
    cloud.settled();
    retune.signal("TERM");
    assert!(retune.wait().success());
    let retune = cloud.start();
    cloud.await_ready(&cloud.commit_and_wait("manifests/stays/objects.yaml", &config_map("b", "2")));
    listed();
    assert!(cloud.get("configmap", "kept").is_some());
    assert!(!retune.output().contains("pruning is frozen"), "{}", retune.output());
    // Once Git has it again it is managed again.
    cloud.repo.write("apps/gone.yaml", &app_file(&cloud.name, "gone", &[]));
    cloud.await_ready(&cloud.repo.commit("Back", &[]));
    eventually("it is no orphan", SOON, || {
        let found = cloud.cloudsync()?;
        found.pointer("/status/orphans").is_none().then_some(())
    });
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn deleting_the_cloudsync_leaves_the_cloud_unless_it_asks_otherwise() {
    let cloud = TestCloud::new(
        "end",
        &[("one", &[], &config_map("a", "1")), ("two", &["one"], &config_map("b", "1"))],
    );
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let args = ["cloudsync", &cloud.name, "-n", "retune-system"];
    let patch = json!({"spec": {"onDelete": "delete"}}).to_string();
    let mut patching = vec!["patch"];
    patching.extend(args);
    patching.extend(["--type=merge", "-p", &patch]);
    control_plane().kubectl(&patching);
    eventually("it has the finalizer", SOON, || {
        let found = cloud.cloudsync()?;
        (found.pointer("/metadata/finalizers/0")?.as_str() == Some("retune.dev/cloud")).then_some(())
    });
    let log = control_plane().audit();
    let mut deleting = vec!["delete", "--wait=false"];
    deleting.extend(args);
    control_plane().kubectl(&deleting);
    approve_when_withheld(&cloud);
    eventually("the CloudSync is gone", SOON, || cloud.cloudsync().is_none().then_some(()));
    assert!(cloud.get("configmap", "a").is_none() && cloud.get("configmap", "b").is_none());
    let deleted: Vec<String> = log
        .writes_to_managed(&cloud.user)
        .into_iter()
        .filter(|r| r.verb == "delete" && r.code < 300)
        .map(|r| r.name)
        .collect();
    assert_eq!(deleted, ["b", "a"], "dependants go first");
    assert!(retune.wait().code().is_some(), "the syncer ends");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_app_that_is_removed_after_its_inventory_was_lost_says_that_its_delete_hooks_are_not_known() {
    let cloud =
        TestCloud::new("lost", &[("one", &[], &config_map("a", "1")), ("two", &[], &config_map("b", "1"))]);
    let plane = control_plane();
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    cloud.settled();
    retune.signal("TERM");
    assert!(retune.wait().success());
    let label = format!("retune.dev/inventory-of={}", cloud.name);
    plane.kubectl(&["delete", "inventory", "-n", "retune-system", "-l", &label]);
    cloud.repo.remove("Remove one", &["apps/one.yaml", "manifests/one/objects.yaml"]);
    let _retune = cloud.start();
    approve_when_withheld(&cloud);
    let told = eventually("it is told", SOON, || {
        let found = cloud.cloudsync()?;
        let notes = found.pointer("/status/hooks")?.as_array()?.clone();
        let note = notes.iter().find(|n| n["app"] == "one")?;
        note["message"].as_str().map(str::to_owned)
    });
    assert!(told.contains("removed without delete hooks"), "{told}");
    eventually("its object goes", SOON, || cloud.get("configmap", "a").is_none().then_some(()));
    assert!(cloud.get("configmap", "b").is_some());
}
