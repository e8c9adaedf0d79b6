//! Generated Secrets against the real control plane: made once, kept, never shown, lost ones named, rotated by approval; and the
//! per-cloud key out and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::engine::{SOON, TestCloud, config_map};
use crate::support::{Retune, control_plane, eventually};

/// An app of plain manifests that declares Secrets.
fn app(namespace: &str, name: &str, depends_on: &[&str], secrets: &str) -> String {
    let mut text = crate::engine::app_file(namespace, name, depends_on);
    text.push_str("  secrets:\n");
    text.extend(secrets.lines().map(|l| format!("    {l}\n")));
    text
}

/// A password and what is composed of it.
const DB: &str = "db:
  keys:
    user: {text: nova}
    password: {random: {length: 24}}
    url: {template: \"mysql+pymysql://{{ user }}:{{ password | urlencode }}@db/nova\"}
";

/// A workload that reads a key of a Secret, and a bystander.
fn reader(name: &str, secret: &str) -> String {
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"name": name}},
        "template": {"metadata": {"labels": {"name": name}}, "spec": {"containers": [{"name": "main", "image": "example.org/x:1",
            "env": [{"name": "URL", "valueFrom": {"secretKeyRef": {"name": secret, "key": "url"}}}]}]}}}});
    format!("---\n{body}\n{}", config_map("bystander", "1"))
}

fn with_secrets(prefix: &str, secrets: &str) -> TestCloud {
    let cloud = TestCloud::new(
        prefix,
        &[("one", &[], &reader("api", "db")), ("other", &[], &config_map("other", "1"))],
    );
    let text = app(&cloud.name, "one", &[], secrets);
    cloud.repo.commit("Declare Secrets", &[("apps/one.yaml", &text)]);
    cloud
}

fn value(secret: &Value, key: &str) -> String {
    let text = secret["data"][key].as_str().unwrap_or_default();
    String::from_utf8(STANDARD.decode(text).expect("base64")).expect("text")
}

fn secret(cloud: &TestCloud, name: &str) -> Value {
    eventually(&format!("Secret {name} is there"), SOON, || cloud.get("secret", name))
}

fn secrets_status(cloud: &TestCloud) -> Vec<Value> {
    let found = cloud.cloudsync().unwrap_or_default();
    found.pointer("/status/secrets").and_then(Value::as_array).cloned().unwrap_or_default()
}

fn await_lost(cloud: &TestCloud) -> String {
    eventually("the Secret is named as lost", SOON, || {
        let lost = secrets_status(cloud).into_iter().find(|s| s["state"] == "lost")?;
        lost["message"].as_str().map(str::to_owned)
    })
}

/// Everything that retune says and remembers about a cloud.
fn everything_told(cloud: &TestCloud, retune: &Retune) -> String {
    let mut told = retune.output();
    for (command, more) in [
        ("status", &["-o", "json"][..]),
        ("status", &[]),
        ("history", &[]),
        ("diff", &[]),
        ("diff", &["-o", "json"]),
        ("why", &["one"]),
    ] {
        let (_, out, err) = cloud.retune(command, more);
        told.push_str(&out);
        told.push_str(&err);
    }
    told.push_str(&cloud.cloudsync().unwrap_or_default().to_string());
    for kind in ["inventories", "events"] {
        let list = control_plane().get(&[kind, "-n", "retune-system"]).unwrap_or_default();
        told.push_str(&list.to_string());
    }
    told
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_secret_is_made_once_before_the_objects_that_name_it_and_no_output_shows_a_value() {
    let cloud = with_secrets("secret-once", DB);
    let repo = cloud.repo.path().to_string_lossy().into_owned();
    let (code, out, err) =
        cloud.retune("diff", &["--repo", &repo, "--branch", "main", "--profile", "base", "--summary"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.contains("would be generated: password (random text), url (composed text), user (fixed text)"),
        "{out}"
    );
    assert!(cloud.get("secret", "db").is_none(), "a diff makes nothing");

    let log = control_plane().audit();
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let made = secret(&cloud, "db");
    let password = value(&made, "password");
    assert_eq!(password.len(), 24);
    assert_eq!(value(&made, "url"), format!("mysql+pymysql://nova:{password}@db/nova"));
    let order: Vec<String> = cloud
        .requests(&log)
        .iter()
        .filter(|r| {
            r.is_write()
                && (r.resource == "secrets" && r.namespace == cloud.name || r.resource == "deployments")
        })
        .map(|r| r.resource.clone())
        .collect();
    assert_eq!(order, ["secrets", "deployments"], "first the Secret, once");
    let (code, out, _) = cloud.retune("diff", &["--summary"]);
    assert_eq!(code, 0, "nothing is left to generate: {out}");

    retune.signal("TERM");
    assert!(retune.wait().success());
    let told_before = retune.output();
    let log = control_plane().audit();
    let retune = cloud.start();
    retune.wait_for(0, SOON, |line| line.contains("leading"));
    let (code, out, err) = cloud.retune("sync", &[]);
    assert_eq!(code, 0, "{out}{err}");
    cloud.settled();
    let writes = log.writes_to_managed(&cloud.user);
    assert!(writes.is_empty(), "{writes:?}");
    assert_eq!(
        cloud.get("secret", "db").expect("there")["metadata"]["resourceVersion"],
        made["metadata"]["resourceVersion"]
    );

    let told = told_before + &everything_told(&cloud, &retune);
    for hidden in
        [password.clone(), STANDARD.encode(&password), made["data"]["url"].as_str().expect("text").to_owned()]
    {
        assert!(!told.contains(&hidden), "a value is shown");
    }

    // Nobody declares it any more: it is data, so it stays, and is named.
    cloud.commit_and_wait("apps/one.yaml", &crate::engine::app_file(&cloud.name, "one", &[]));
    eventually("it is an orphan", SOON, || {
        secrets_status(&cloud).iter().any(|s| s["state"] == "orphan" && s["app"] == "one").then_some(())
    });
    assert_eq!(value(&secret(&cloud, "db"), "password"), password);
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_secret_that_exists_is_kept_and_only_missing_keys_are_added() {
    let cloud = with_secrets("secret-kept", DB);
    let own = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db", "labels": {"mine": "yes"}},
        "stringData": {"password": "chosen-by-hand", "extra": "kept"}});
    control_plane().kubectl_with(&["create", "-n", &cloud.name, "-f", "-"], &own.to_string());
    let retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let kept = secret(&cloud, "db");
    assert_eq!(value(&kept, "password"), "chosen-by-hand");
    assert_eq!(value(&kept, "extra"), "kept");
    assert_eq!(
        value(&kept, "url"),
        "mysql+pymysql://nova:chosen-by-hand@db/nova",
        "the missing key is made of what is there"
    );
    assert_eq!(kept["metadata"]["labels"]["mine"], "yes");
    assert!(retune.output().contains("the missing keys url, user are generated"), "{}", retune.output());

    // A value changed by hand is the operator's.
    let patch = json!({"stringData": {"password": "changed-by-hand"}}).to_string();
    control_plane().kubectl(&["patch", "secret", "db", "-n", &cloud.name, "--type=merge", "-p", &patch]);
    cloud.settled();
    assert_eq!(value(&secret(&cloud, "db"), "password"), "changed-by-hand");
    let patch = json!({"data": {"password": null}}).to_string();
    control_plane().kubectl(&["patch", "secret", "db", "-n", &cloud.name, "--type=merge", "-p", &patch]);
    let message = await_lost(&cloud);
    assert!(message.contains("has lost its generated keys password"), "{message}");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_secret_that_vanished_is_not_made_again_but_named_while_the_rest_goes_on() {
    let cloud = with_secrets("secret-lost", DB);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let backup = secret(&cloud, "db");
    control_plane().kubectl(&["delete", "secret", "db", "-n", &cloud.name]);
    let message = await_lost(&cloud);
    assert!(message.contains("Restore it from a backup"), "{message}");
    assert!(message.contains(&format!("retune rotate {}/db", cloud.name)), "{message}");

    // A change of another app goes through; one of this app waits, its corrections do not.
    let files = [("manifests/other/objects.yaml", config_map("other", "2"))];
    cloud.repo.commit(
        "Change both",
        &[(files[0].0, &files[0].1), ("manifests/one/objects.yaml", &reader("api2", "db"))],
    );
    eventually("the other app goes on", SOON, || {
        cloud.get("configmap", "other").filter(|m| m["data"]["a"] == "2")
    });
    control_plane().kubectl(&["delete", "configmap", "bystander", "-n", &cloud.name]);
    eventually("drift is corrected", SOON, || cloud.get("configmap", "bystander"));
    assert!(cloud.get("deployment", "api2").is_none(), "nothing new of the app is applied");
    let (code, out, _) = cloud.retune("why", &["one"]);
    assert_eq!(code, 1);
    assert!(out.contains("was generated and is gone") && out.contains("retune rotate"), "{out}");
    let (_, out, _) = cloud.retune("status", &[]);
    assert!(out.contains("secretspresent False (Lost)"), "{out}");
    let (code, out, err) = cloud.retune("sync", &[]);
    assert_eq!(code, 3, "a sync says that not all is well: {out}{err}");
    let (_, out, _) = cloud.retune("diff", &["--summary"]);
    assert!(out.contains("lost     Secret"), "{out}");

    // A restart knows it still.
    retune.signal("TERM");
    assert!(retune.wait().success());
    let _retune = cloud.start();
    eventually("it is told again", SOON, || {
        let found = cloud.cloudsync()?;
        let conditions = found.pointer("/status/conditions")?.as_array()?.clone();
        conditions.into_iter().find(|c| c["type"] == "SecretsPresent" && c["reason"] == "Lost")
    });
    assert!(cloud.get("secret", "db").is_none(), "nobody made it again");

    let mut restored = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db"}});
    restored["data"] = backup["data"].clone();
    control_plane().kubectl_with(&["create", "-n", &cloud.name, "-f", "-"], &restored.to_string());
    let (_, _, _) = cloud.retune("sync", &["--timeout", "5s"]);
    eventually("the app goes on", SOON, || cloud.get("deployment", "api2"));
    eventually("nothing is lost any more", SOON, || secrets_status(&cloud).is_empty().then_some(()));
    assert_eq!(secret(&cloud, "db")["data"], backup["data"]);
}

/// The digest of the rotation that waits.
fn rotation(cloud: &TestCloud, state: &str) -> Value {
    eventually(&format!("the rotation is {state}"), SOON, || {
        let found = cloud.cloudsync()?;
        found.pointer("/status/rotation").filter(|r| r["state"] == state).cloned()
    })
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_rotation_is_a_plan_until_it_is_approved_and_takes_what_is_composed_along() {
    let more = format!("{DB}\nfollower:\n  keys:\n    copy: {{copy: {{secret: db, key: password}}}}\n");
    let cloud = with_secrets("secret-rotate", &more);
    let retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let before = secret(&cloud, "db");
    let (code, out, err) = cloud.retune("rotate", &["db"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(
        out.contains(&format!("change   Secret {}/db  (new values: password, url)", cloud.name)),
        "{out}"
    );
    assert!(out.contains(&format!("change   Secret {}/follower  (follows: copy)", cloud.name)), "{out}");
    assert!(out.contains("restart  Deployment.apps") && !out.contains("bystander"), "{out}");
    let digest = rotation(&cloud, "planned")["digest"].as_str().expect("text").to_owned();
    cloud.settled();
    assert_eq!(secret(&cloud, "db")["data"], before["data"], "a plan changes nothing");
    let (code, _, _) = cloud.retune("approve", &["sha256:000000000000"]);
    assert_eq!(code, 3, "another digest is refused");

    let (code, out, err) = cloud.retune("approve", &[&digest]);
    assert_eq!(code, 0, "{out}{err}");
    rotation(&cloud, "done");
    let after = secret(&cloud, "db");
    let password = value(&after, "password");
    assert_ne!(after["data"]["password"], before["data"]["password"]);
    assert_eq!(after["data"]["user"], before["data"]["user"], "fixed text stays");
    assert_eq!(value(&after, "url"), format!("mysql+pymysql://nova:{password}@db/nova"));
    assert_eq!(value(&secret(&cloud, "follower"), "copy"), password);
    let api = cloud.get("deployment", "api").expect("there");
    assert!(
        api["spec"]["template"]["metadata"]["annotations"]["retune.dev/secret-rotated"].is_string(),
        "its pods restart"
    );
    cloud.settled();
    assert_eq!(secret(&cloud, "db")["data"], after["data"], "once");
    let told = everything_told(&cloud, &retune);
    assert!(!told.contains(&password) && !told.contains(after["data"]["password"].as_str().expect("text")));

    // What is lost is made again the same way.
    control_plane().kubectl(&["delete", "secret", "db", "-n", &cloud.name]);
    await_lost(&cloud);
    let (code, out, err) = cloud.retune("rotate", &[&format!("{}/db", cloud.name)]);
    assert_eq!(code, 0, "{out}{err}");
    let digest = rotation(&cloud, "planned")["digest"].as_str().expect("text").to_owned();
    let (code, _, err) = cloud.retune("approve", &[&digest]);
    assert_eq!(code, 0, "{err}");
    rotation(&cloud, "done");
    let again = secret(&cloud, "db");
    assert_ne!(again["data"]["password"], after["data"]["password"]);
    assert_eq!(value(&again, "user"), "nova");
    eventually("nothing is lost any more", SOON, || secrets_status(&cloud).is_empty().then_some(()));
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn without_a_syncer_a_rotation_is_planned_and_carried_out_by_a_sync_of_ones_own() {
    let cloud = with_secrets("secret-alone", DB);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    retune.signal("TERM");
    assert!(retune.wait().success());
    let before = secret(&cloud, "db");
    let (code, out, err) = cloud.retune("rotate", &["db", "--wait", "10s"]);
    assert!(code != 0 && err.contains("no syncer runs"), "{out}{err}");
    let (code, out, err) = cloud.retune("rotate", &["db"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("(new values: password, url)") && out.contains(", then: retune sync"), "{out}");
    assert_eq!(secret(&cloud, "db")["data"], before["data"], "a plan changes nothing");
    let digest = rotation(&cloud, "planned")["digest"].as_str().expect("text").to_owned();
    let (code, out, err) = cloud.retune("approve", &[&digest]);
    assert_eq!(code, 0, "{out}{err}");
    assert_eq!(secret(&cloud, "db")["data"], before["data"], "nobody is there to do it");
    // It ends before the pods that it restarted are ready, and says so.
    let (code, out, err) = cloud.retune("sync", &[]);
    assert!(code == 0 || code == 3, "{out}{err}");
    let state = cloud.cloudsync().and_then(|c| c.pointer("/status/rotation").cloned());
    assert_eq!(state.as_ref().map(|r| &r["state"]), Some(&json!("done")), "{state:?} {code} {out}{err}");
    let after = secret(&cloud, "db");
    assert_ne!(after["data"]["password"], before["data"]["password"]);
    eventually("a later sync finds all ready", SOON, || (cloud.retune("sync", &[]).0 == 0).then_some(()));
    let (_, history, _) = cloud.retune("history", &["-o", "json"]);
    assert!(
        history
            .contains(&format!("generate Secret {}/db  (generated: password, url, user) [one]", cloud.name)),
        "{history}"
    );
    assert_eq!(secret(&cloud, "db")["data"], after["data"], "once");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_held_app_gets_no_secret_until_it_is_released() {
    let cloud = with_secrets("secret-held", DB);
    let _retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let (code, out, err) = cloud.retune("hold", &["one", "--for", "2h", "--reason", "by the runbook"]);
    assert_eq!(code, 0, "{out}{err}");
    let more = format!("{DB}more:\n  keys:\n    key: {{uuid: {{}}}}\n");
    let other = config_map("other", "2");
    cloud.repo.commit(
        "Declare another Secret",
        &[("apps/one.yaml", &app(&cloud.name, "one", &[], &more)), ("manifests/other/objects.yaml", &other)],
    );
    let waits = eventually("it is told that the Secret waits", SOON, || {
        secrets_status(&cloud).into_iter().find(|s| s["state"] == "waiting")
    });
    let message = waits["message"].as_str().expect("a message");
    assert!(
        message.contains("waits: app one is held until ") && message.contains("by the runbook"),
        "{message}"
    );
    let is_two = || cloud.get("configmap", "other").filter(|m| m["data"]["a"] == "2");
    eventually("the other app goes on", SOON, is_two);
    cloud.settled();
    assert!(cloud.get("secret", "more").is_none(), "hands off");
    let (code, out, err) = cloud.retune("release", &["one"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(!value(&secret(&cloud, "more"), "key").is_empty());
    cloud.await_ready(&cloud.repo.head());
}

/// A certificate of the first of January of one year to that of another, for a Secret.
fn certificate(years: std::ops::Range<i32>) -> Value {
    let mut params = rcgen::CertificateParams::new(vec!["api.example.org".to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(years.start, 1, 1);
    params.not_after = rcgen::date_time_ymd(years.end, 1, 1);
    let key = rcgen::KeyPair::generate().expect("a key");
    let made = params.self_signed(&key).expect("a certificate");
    json!({"tls.key": key.serialize_pem(), "tls.crt": made.pem()})
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_certificate_that_nears_its_end_is_told_with_what_to_do_and_a_rotation_renews_it() {
    let declared = |name: &str| {
        format!(
            "{name}:\n  keys:\n    tls.key: {{privateKey: {{algorithm: ecdsa}}}}\n    tls.crt: {{certificate: \
             {{privateKey: tls.key, commonName: api.example.org, dnsNames: [api.example.org]}}}}\n"
        )
    };
    let all = ["old", "older", "fresh"].map(declared).concat() + DB;
    let cloud = with_secrets("secret-ends", &all);
    // Kept as they are: of one two thirds are over, the other has ended.
    for (name, years) in [("old", 2000..2035), ("older", 2000..2020)] {
        let object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": certificate(years)});
        control_plane().kubectl_with(&["create", "-n", &cloud.name, "-f", "-"], &object.to_string());
    }
    let retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    let of = |name: &str| {
        let name = format!("{}/{name}", cloud.name);
        secrets_status(&cloud).into_iter().find(|s| s["secret"] == name)
    };
    let old = eventually("the end is told", SOON, || of("old"));
    let told = format!(
        "certificate tls.crt of Secret {0}/old ends 2035-01-01T00:00:00Z: `retune rotate {0}/old --key tls.crt` makes",
        cloud.name
    );
    assert!(
        old["state"] == "expiring" && old["message"].as_str().is_some_and(|m| m.starts_with(&told)),
        "{old}"
    );
    assert_eq!(of("older").map(|s| s["state"].clone()), Some(json!("expired")));
    assert_eq!(of("fresh"), None);
    retune.wait_for(0, SOON, |l| l.contains(&told));
    let condition = || {
        let conditions = cloud.cloudsync()?.pointer("/status/conditions")?.as_array()?.clone();
        let found = conditions.into_iter().find(|c| c["type"] == "CertificatesValid")?;
        Some(format!("{} {}", found["status"].as_str()?, found["reason"].as_str()?))
    };
    assert_eq!(condition().as_deref(), Some("False Expired"));
    let before = secret(&cloud, "old");
    assert_eq!(secret(&cloud, "older")["metadata"]["annotations"]["retune.dev/rotation"], Value::Null);

    for name in ["old", "older"] {
        let (code, out, err) = cloud.retune("rotate", &[name, "--key", "tls.crt"]);
        assert_eq!(code, 0, "{out}{err}");
        let digest = eventually("the rotation is planned", SOON, || {
            let found = cloud.cloudsync()?.pointer("/status/rotation")?.clone();
            let is_it = found["state"] == "planned" && found["secret"] == format!("{}/{name}", cloud.name);
            is_it.then(|| found["digest"].as_str().unwrap_or_default().to_owned())
        });
        let (code, out, err) = cloud.retune("approve", &[&digest]);
        assert_eq!(code, 0, "{out}{err}");
        eventually("it is told no more", SOON, || of(name).is_none().then_some(()));
    }
    eventually("all are valid", SOON, || condition().filter(|c| c == "True Valid"));
    let after = secret(&cloud, "old");
    assert_eq!(after["data"]["tls.key"], before["data"]["tls.key"], "the key stays");
    assert_ne!(after["data"]["tls.crt"], before["data"]["tls.crt"]);
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_secret_waits_for_its_namespace_and_for_what_it_is_made_of() {
    let cloud = TestCloud::new("secret-waits", &[]);
    let space = format!("{}-made", cloud.name);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space}});
    let secrets = format!(
        "late:\n  keys:\n    token: {{copy: {{namespace: {}, secret: by-hand, key: token}}}}\nown:\n  keys:\n    id: {{uuid: {{}}}}\n",
        cloud.name
    );
    cloud.repo.commit(
        "Begin",
        &[
            ("apps/base.yaml", &crate::engine::app_file(&space, "base", &[])),
            ("manifests/base/objects.yaml", &format!("---\n{namespace}\n")),
            ("apps/user.yaml", &app(&space, "user", &["base"], &secrets)),
            ("manifests/user/objects.yaml", &config_map("user", "1")),
        ],
    );
    let _retune = cloud.start();
    eventually("it names what it waits for", SOON, || {
        let waits = secrets_status(&cloud).into_iter().find(|s| s["state"] == "waiting")?;
        waits["message"].as_str().filter(|m| m.contains("by-hand has no key token")).map(str::to_owned)
    });
    assert!(
        control_plane().get(&["configmap", "user", "-n", &space]).is_none(),
        "its app waits before its objects"
    );
    control_plane().kubectl(&[
        "create",
        "secret",
        "generic",
        "by-hand",
        "-n",
        &cloud.name,
        "--from-literal=token=t0ken-t0ken",
    ]);
    cloud.await_ready(&cloud.repo.head());
    let late = control_plane().get(&["secret", "late", "-n", &space]).expect("made");
    assert_eq!(value(&late, "token"), "t0ken-t0ken");
    control_plane().kubectl(&["delete", "namespace", &space, "--wait=false"]);
}

/// A cloud whose syncer has ended, and the Secret with its key.
fn ended(prefix: &str) -> (TestCloud, String, Value) {
    let cloud = TestCloud::new(prefix, &[("one", &[], &config_map("a", "1"))]);
    let mut retune = cloud.start();
    cloud.await_ready(&cloud.repo.head());
    retune.signal("TERM");
    assert!(retune.wait().success());
    let name = format!("retune-key-{}", cloud.name);
    let key = control_plane().get(&["secret", &name, "-n", "retune-system"]).expect("the key is there");
    (cloud, name, key)
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn a_cloud_that_lost_its_key_gets_no_other_one() {
    let (cloud, name, key) = ended("key-lost");
    control_plane().kubectl(&["delete", "secret", &name, "-n", "retune-system"]);
    let mut refused = cloud.start();
    assert!(!refused.wait().success());
    refused.wait_for(0, SOON, |line| line.contains("retune key import"));
    assert!(control_plane().get(&["secret", &name, "-n", "retune-system"]).is_none(), "no other key is made");
    let back = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "data": key["data"]});
    control_plane().kubectl_with(&["create", "-n", "retune-system", "-f", "-"], &back.to_string());
    let retune = cloud.start();
    retune.wait_for(0, SOON, |line| line.contains("leading"));
}

#[cfg(feature = "age")]
#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn the_cloud_key_is_exported_encrypted_and_put_back() {
    let (cloud, name, key) = ended("key-export");
    let (scratch, kubeconfig) = (tempfile::tempdir().unwrap(), control_plane().kubeconfig_of(&cloud.user));
    let path = |name: &str| scratch.path().join(name).to_string_lossy().into_owned();
    std::fs::write(path("pass"), "correct horse battery\n").unwrap();
    std::fs::write(path("wrong"), "another one\n").unwrap();
    let run = |args: &[&str]| {
        let output = Retune::run(&kubeconfig, args);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
    };
    let (file, pass, wrong) = (path("key.age"), path("pass"), path("wrong"));
    let (code, out, err) =
        run(&["key", "export", "--cloud", &cloud.name, "--passphrase-file", &pass, "-o", &file]);
    assert_eq!(code, 0, "{out}{err}");
    let sealed = std::fs::read_to_string(&file).unwrap();
    assert!(sealed.starts_with("-----BEGIN AGE ENCRYPTED FILE-----"));
    assert!(!sealed.contains(key["data"]["key"].as_str().expect("text")));
    let import =
        |pass: &str| run(&["key", "import", "--cloud", &cloud.name, "--passphrase-file", pass, &file]);
    let (code, out, _) = import(&pass);
    assert!(code == 0 && out.contains("has this key already"), "{out}");
    control_plane().kubectl(&["delete", "secret", &name, "-n", "retune-system"]);
    let (code, _, err) = import(&wrong);
    assert!(code != 0 && err.contains("passphrase is another one"), "{err}");
    let (code, out, err) = import(&pass);
    assert_eq!(code, 0, "{out}{err}");
    let back = control_plane().get(&["secret", &name, "-n", "retune-system"]).expect("it is back");
    assert_eq!(back["data"], key["data"]);
    let retune = cloud.start();
    retune.wait_for(0, SOON, |line| line.contains("leading"));
}
