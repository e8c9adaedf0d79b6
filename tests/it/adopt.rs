//! Adoption against the real server: charts that the real helm installed and objects that the real kubectl applied become retune's
//! without a change, what Git drops afterwards goes, and an adoption can be undone.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::engine::{SOON, TestCloud, config_map, deployment};
use crate::hooks_helm::Helm;
use crate::ownership::History;
use crate::support::{Retune, control_plane, eventually};

/// A chart of ours: its values decide whether `old` is part of the ConfigMap and `OLD` of the pods' environment.
fn chart(cloud: &TestCloud, name: &str, templates: &[(&str, &str)]) {
    cloud.repo.write(
        &format!("charts/{name}/Chart.yaml"),
        &format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n"),
    );
    cloud.repo.write(&format!("charts/{name}/values.yaml"), "old: true\nextra: false\n");
    for (file, text) in templates {
        cloud.repo.write(&format!("charts/{name}/templates/{file}.yaml"), &text.replace("NAME", name));
    }
}

const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: NAME-settings\n  labels: {app.kubernetes.io/managed-by: {{ .Release.Service }}}\n\
data:\n  a: one\n  {{- if .Values.old }}\n  old: two\n  {{- end }}\n  {{- if .Values.extra }}\n  extra: three\n  {{- end }}\n";

const WORKLOAD: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: NAME\nspec:\n  replicas: 1\n  selector: {matchLabels: {app: NAME}}\n  template:\n    \
metadata: {labels: {app: NAME}}\n    spec:\n      containers:\n      - name: main\n        image: example.org/x:1\n        resources: {requests: {cpu: 1000m}}\n        env:\n        \
- {name: KEPT, value: kept}\n        {{- if .Values.old }}\n        - {name: OLD, value: gone}\n        {{- end }}\n";

/// `db` is a StatefulSet, all others are Deployments.
fn kind(name: &str) -> &'static str {
    if name == "db" { "statefulset" } else { "deployment" }
}

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: NAME}\nspec:\n  selector: {app: NAME}\n  ports: [{port: 80, targetPort: 8080}]\n";

const SETUP: &str = "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: NAME-setup\n  annotations: {helm.sh/hook: 'post-install,post-upgrade', test.retune.dev/outcome: succeed}\nspec:\n  \
template:\n    spec:\n      restartPolicy: Never\n      containers: [{name: main, image: example.org/hook:1}]\n";

fn chart_app(cloud: &TestCloud, name: &str, values: &str) -> String {
    let namespace = &cloud.name;
    format!(
        "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata:\n  name: {name}\nspec:\n  namespace: {namespace}\n  chart:\n    path: charts/{name}\n  \
         values:\n    inline: {{{values}}}\n"
    )
}

/// A cloud with these charts, each an app of its own besides `made`, of plain manifests; helm has installed them.
fn installed(prefix: &str, charts: &[&str], made: &str) -> (TestCloud, Helm) {
    let cloud = TestCloud::new(prefix, &[("made", &[], made)]);
    let helm = Helm::in_namespace(&cloud.name);
    let stateful = WORKLOAD
        .replace("Deployment", "StatefulSet")
        .replace("  replicas: 1", "  serviceName: NAME\n  replicas: 1");
    for name in charts {
        let workload = if kind(name) == "statefulset" { stateful.as_str() } else { WORKLOAD };
        chart(
            &cloud,
            name,
            &[("settings", SETTINGS), ("workload", workload), ("service", SERVICE), ("setup", SETUP)],
        );
        cloud.repo.write(&format!("apps/{name}.yaml"), &chart_app(&cloud, name, ""));
        let path = cloud.repo.file(&format!("charts/{name}"));
        helm.run(&["upgrade", "--install", name, &path.to_string_lossy()]);
    }
    cloud.repo.commit("Charts", &[]);
    (cloud, helm)
}

/// Waits until the status tells a state of an app; the message. (An app that was given back is told as undone and as one that exists.)
fn await_state(cloud: &TestCloud, app: &str, state: &str) -> String {
    eventually(&format!("{app} {state}"), SOON, || {
        let found = cloud.cloudsync()?;
        let all = found.pointer("/status/adoption")?.as_array()?.clone();
        let one = all.iter().find(|a| a["app"] == app && a["state"] == state)?;
        Some(one["message"].as_str().unwrap_or_default().to_owned())
    })
}

/// The managers of an object's own fields.
fn managers(object: &Value) -> Vec<String> {
    let entries = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let mut out: Vec<String> = entries
        .iter()
        .filter(|e| e["subresource"].is_null())
        .map(|e| format!("{} {}", e["manager"].as_str().unwrap_or(""), e["operation"].as_str().unwrap_or("")))
        .filter(|m| !m.starts_with("kube-"))
        .collect();
    out.sort();
    out
}

fn get(cloud: &TestCloud, kind: &str, name: &str) -> Value {
    control_plane().get(&[kind, name, "-n", &cloud.name, "--show-managed-fields"]).expect("it is there")
}

/// Everything but metadata and status.
fn content(object: &Value) -> Value {
    json!({"spec": object["spec"], "data": object["data"]})
}

fn write(cloud: &TestCloud, name: &str, text: &str) -> PathBuf {
    let path = cloud.repo.file(name);
    std::fs::write(&path, text).expect("a scratch file");
    path
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn what_helm_and_kubectl_made_is_adopted_without_a_change_and_what_git_drops_goes() {
    let two = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "client"}, "data": {"a": "1", "b": "2"}});
    let made = format!(
        "---\n{two}\n{}{}{}",
        deployment("by-hand", 1),
        config_map("server", "1"),
        config_map("dropped", "1")
    );
    let (cloud, helm) = installed("adopt", &["web", "api", "db"], &made);
    let n = cloud.name.as_str();
    let plane = control_plane();
    let by_client = write(
        &cloud,
        "client.yaml",
        &format!("---\n{two}\n{}{}", deployment("by-hand", 1), config_map("dropped", "1")),
    );
    plane.kubectl(&["apply", "-n", n, "-f", &by_client.to_string_lossy()]);
    let by_server = write(&cloud, "server.yaml", &config_map("server", "1"));
    plane.kubectl(&["apply", "--server-side", "-n", n, "-f", &by_server.to_string_lossy()]);

    let watched = ["web", "api", "db", "by-hand"];
    let before: Vec<Value> = watched.iter().map(|name| get(&cloud, kind(name), name)).collect();
    let job = get(&cloud, "job", "web-setup")["metadata"]["uid"].clone();
    let history = History::of(&format!("/apis/apps/v1/namespaces/{n}/deployments"));
    let stored = History::of(&format!("/apis/apps/v1/namespaces/{n}/statefulsets"));
    let pods = || -> Vec<String> {
        let list = plane.get(&["pods,replicasets", "-n", n]).expect("a list");
        let uid = |o: &Value| o["metadata"]["uid"].as_str().unwrap_or_default().to_owned();
        let mut out: Vec<String> = list["items"].as_array().into_iter().flatten().map(uid).collect();
        out.sort();
        out
    };
    let ran = eventually("all pods are there", SOON, || Some(pods()).filter(|p| p.len() >= 10));
    let log = plane.audit();
    let _retune = cloud.start();
    for app in ["web", "api", "db", "made"] {
        await_state(&cloud, app, "exists");
    }
    cloud.settled();
    let touched: Vec<String> = log
        .writes_to_managed(&cloud.user)
        .iter()
        .filter(|r| r.namespace == n)
        .map(|r| format!("{} {}", r.verb, r.uri))
        .collect();
    assert!(touched.is_empty(), "nothing is touched before somebody says so: {touched:?}");

    let (code, out, err) = cloud.retune("adopt", &[]);
    assert_eq!(code, 1, "{out}{err}");
    assert_eq!(out.matches("no field changes, no pod restarts").count(), 4, "{out}");
    assert!(out.contains(&format!("{n}/web revision 1 (web-1.0.0, deployed)")), "{out}");
    assert!(out.contains("web-setup is done: Helm's release says so"), "{out}");
    assert!(out.contains("kubectl-client-side-apply (Update) on 3"), "{out}");

    // One app at a time.
    let (code, out, err) = cloud.retune("adopt", &["web", "--yes"]);
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("web: adopted: 3 objects adopted"), "{out}");
    assert_eq!(managers(&get(&cloud, "deployment", "web")), ["retune Apply"]);
    assert_eq!(managers(&get(&cloud, "deployment", "api")), ["helm Apply"]);
    let (code, out, err) = cloud.retune("adopt", &["--yes"]);
    assert_eq!(code, 0, "{out}{err}");
    cloud.await_ready(&cloud.repo.head());
    cloud.settled();

    for (name, before) in watched.iter().zip(&before) {
        for (part, what) in [("/spec", "spec"), ("/metadata/generation", "generation")] {
            let seen = history.values(name, part).len() + stored.values(name, part).len();
            assert_eq!(seen, 1, "{name}: its {what} moved");
        }
        let now = get(&cloud, kind(name), name);
        assert_eq!(content(&now), content(before), "{name}");
        // A client-side apply owns the defaults that the server filled in, too: nobody states these.
        let (_, kept): (Vec<Value>, Vec<Value>) =
            now["metadata"]["managedFields"].as_array().into_iter().flatten().cloned().partition(|e| {
                e["manager"] == "retune" || !e["subresource"].is_null() || e["operation"] == "Apply"
            });
        let kept = Value::from(kept).to_string();
        assert!(!kept.contains("f:image\"") && !kept.contains("f:replicas"), "{name}: {kept}");
        assert!(!managers(&now).iter().any(|m| m.starts_with("helm")), "{name}");
        let annotations = now["metadata"]["annotations"].to_string();
        assert!(
            !annotations.contains("meta.helm.sh") && !annotations.contains("last-applied"),
            "{annotations}"
        );
    }
    assert_eq!(pods(), ran, "no pod and no ReplicaSet came or went");
    assert_eq!(
        get(&cloud, "configmap", "web-settings")["metadata"]["labels"]["app.kubernetes.io/managed-by"],
        "Helm"
    );
    for name in ["client", "server", "dropped"] {
        assert_eq!(managers(&get(&cloud, "configmap", name)), ["retune Apply"], "{name}");
    }
    assert_eq!(get(&cloud, "job", "web-setup")["metadata"]["uid"], job, "the hook did not run again");
    helm.run(&["status", "web"]);

    // What Git drops now goes: a key, an environment variable, an object.
    let one =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "client"}, "data": {"a": "1"}});
    let made = format!("---\n{one}\n{}{}", deployment("by-hand", 1), config_map("server", "1"));
    cloud.repo.write("manifests/made/objects.yaml", &made);
    let revision = cloud.repo.commit("Drop", &[("apps/web.yaml", &chart_app(&cloud, "web", "old: false"))]);
    cloud.await_ready(&revision);
    assert_eq!(get(&cloud, "configmap", "web-settings")["data"], json!({"a": "one"}));
    assert_eq!(get(&cloud, "configmap", "client")["data"], json!({"a": "1"}));
    let env = get(&cloud, "deployment", "web")["spec"]["template"]["spec"]["containers"][0]["env"].clone();
    assert_eq!(env.as_array().map(Vec::len), Some(1), "{env}");
    eventually("the object goes", SOON, || cloud.get("configmap", "dropped").is_none().then_some(()));
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_adoption_is_undone_and_helm_goes_on() {
    let (cloud, helm) = installed("unadopt", &["web"], &config_map("made", "1"));
    let _retune = cloud.start();
    await_state(&cloud, "web", "exists");
    let before = get(&cloud, "deployment", "web");
    let (code, out, err) = cloud.retune("adopt", &["web", "--yes"]);
    assert_eq!(code, 0, "{out}{err}");
    let revision = cloud.repo.commit("Add", &[("apps/web.yaml", &chart_app(&cloud, "web", "extra: true"))]);
    eventually("the addition is applied", SOON, || {
        (get(&cloud, "configmap", "web-settings")["data"]["extra"] == "three").then_some(())
    });
    let (code, out, err) = cloud.retune("adopt", &["web", "--undo", "--yes"]);
    assert_eq!(code, 0, "{revision}: {out}{err}");
    let now = get(&cloud, "deployment", "web");
    assert_eq!(content(&now), content(&before));
    for part in ["labels", "annotations", "generation"] {
        assert_eq!(now["metadata"][part], before["metadata"][part], "{part}");
    }
    assert_eq!(managers(&now), managers(&before));
    await_state(&cloud, "web", "exists");
    // What helm has no more goes, also what came while the app was retune's.
    let path = cloud.repo.file("charts/web");
    helm.run(&["upgrade", "web", &path.to_string_lossy(), "--set", "old=false"]);
    assert_eq!(get(&cloud, "configmap", "web-settings")["data"], json!({"a": "one"}));
    cloud.settled();
    assert!(get(&cloud, "deployment", "web")["metadata"]["labels"].get("retune.dev/cloud").is_none());
    // And it can be adopted again: Git has other values by now, which the plan says.
    let (code, out, err) = cloud.retune("adopt", &["web"]);
    assert_eq!(code, 1, "{err}");
    assert!(out.contains("1 restart their pods") && out.contains("its pods are restarted"), "{out}");
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn helms_record_goes_only_when_asked_for_and_hooks_are_taken_as_done_when_said() {
    let (cloud, helm) = installed("release", &["web", "api"], &config_map("made", "1"));
    let n = cloud.name.as_str();
    let plane = control_plane();
    let releases = || -> Vec<String> {
        let found = plane.get(&["secrets", "-n", n, "-l", "owner=helm"]).expect("a list");
        let name = |o: &Value| o["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        found["items"].as_array().into_iter().flatten().map(name).collect()
    };
    assert_eq!(releases().len(), 2);
    // Git has another hook than the release, and api lacks an object that its release has.
    cloud
        .repo
        .write("charts/web/templates/setup.yaml", &SETUP.replace("hook:1", "hook:2").replace("NAME", "web"));
    cloud.repo.remove("Without the Service", &["charts/api/templates/service.yaml"]);
    let ran = plane.get(&["job", "web-setup", "-n", n]).expect("helm ran it")["metadata"]["uid"].clone();
    let _retune = cloud.start();
    await_state(&cloud, "web", "exists");
    let (code, out, err) = cloud.retune("adopt", &["web"]);
    assert!(code == 1 && out.contains("runs       Job.batch"), "{out}{err}");
    let (code, out, err) = cloud.retune("adopt", &["web", "--hooks-done", "--remove-releases", "--yes"]);
    assert!(code == 0 && out.contains("Helm's record of them is deleted"), "{out}{err}");
    assert_eq!(releases(), ["sh.helm.release.v1.api.v1"]);
    cloud.settled();
    assert_eq!(
        plane.get(&["job", "web-setup", "-n", n]).expect("it stays")["metadata"]["uid"],
        ran,
        "it ran again"
    );

    let (code, out, err) = cloud.retune("adopt", &["api", "--remove-releases", "--yes"]);
    assert!(code == 0 && out.contains("stays: it has objects that Git does not have"), "{out}{err}");
    assert_eq!(releases(), ["sh.helm.release.v1.api.v1"]);
    assert!(cloud.get("service", "api").is_some(), "it is nobody's business");
    helm.run(&["status", "api"]);
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn objects_of_other_owners_are_refused_by_name() {
    let made = config_map("flux", "1") + &config_map("plain", "1");
    let cloud = TestCloud::new("foreign", &[("made", &[], &made), ("own", &[], &config_map("first", "1"))]);
    let n = cloud.name.as_str();
    let plane = control_plane();
    plane.kubectl(&["create", "configmap", "flux", "-n", n]);
    let flux = ["kustomize.toolkit.fluxcd.io/name=apps", "kustomize.toolkit.fluxcd.io/namespace=flux-system"];
    plane.kubectl(&["label", "configmap", "flux", "-n", n, flux[0], flux[1]]);
    let _retune = cloud.start();
    let why = await_state(&cloud, "made", "refused");
    assert!(why.contains("Flux Kustomization flux-system/apps"), "{why}");
    let (code, out, err) = cloud.retune("adopt", &["made", "--yes"]);
    assert_eq!(code, 3, "{out}{err}");
    assert!(
        err.contains("ConfigMap") && err.contains("belongs to Flux Kustomization flux-system/apps"),
        "{err}"
    );
    let (_, out, _) = cloud.retune("diff", &[]);
    assert!(out.contains("belongs to Flux Kustomization flux-system/apps"), "{out}");
    assert!(cloud.get("configmap", "plain").is_none(), "the app as a whole is refused");
    eventually("the other app is applied", SOON, || cloud.get("configmap", "first"));

    // An object that a managed app wants: that one alone. First Argo CD's, then another cloud's of retune.
    plane.kubectl(&["create", "configmap", "argo", "-n", n]);
    let tracking = format!("argocd.argoproj.io/tracking-id=shop:/ConfigMap:{n}/argo");
    plane.kubectl(&["annotate", "configmap", "argo", "-n", n, &tracking]);
    let other = TestCloud::new("foreign-other", &[("theirs", &[], "")]);
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs", "namespace": n}, "data": {"a": "1"}});
    other.repo.commit("Theirs", &[("manifests/theirs/objects.yaml", &theirs.to_string())]);
    let _second = other.start();
    eventually("the other cloud has applied it", SOON, || cloud.get("configmap", "theirs"));
    let more: String = ["first", "second", "argo", "theirs"].iter().map(|m| config_map(m, "2")).collect();
    cloud.repo.commit("More", &[("manifests/own/objects.yaml", &more)]);
    eventually("what is nobody else's is applied", SOON, || cloud.get("configmap", "second"));
    let told = eventually("both are refused by name", SOON, || {
        let text = cloud.cloudsync()?.pointer("/status/withheld/actions")?.to_string();
        (text.contains("Argo CD application shop") && text.contains("app theirs of retune's cloud"))
            .then_some(text)
    });
    assert!(told.contains(&other.name), "{told}");
    assert_eq!(cloud.get("configmap", "theirs").expect("there")["data"]["a"], "1");
    assert!(cloud.get("configmap", "argo").expect("there").get("data").is_none());
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_adoption_and_its_undoing_that_are_killed_go_on() {
    let made: String = (0..150).map(|i| config_map(&format!("map-{i}"), "1")).collect();
    let cloud = TestCloud::new("killed", &[("made", &[], &made)]);
    let n = cloud.name.as_str();
    let plane = control_plane();
    let file = write(&cloud, "all.yaml", &made);
    plane.kubectl(&["apply", "--server-side", "-n", n, "-f", &file.to_string_lossy()]);
    let mut retune: Option<Retune> = None;
    let count = |manager: &str| {
        let list = plane.get(&["configmaps", "-n", n, "--show-managed-fields"]).expect("a list");
        let items = list["items"].as_array().cloned().unwrap_or_default();
        items.iter().filter(|o| managers(o) == [manager]).count()
    };
    for (from, to, request) in [
        ("kubectl Apply", "retune Apply", json!({"id": "go"})),
        ("retune Apply", "kubectl Apply", json!({"id": "back", "undo": true})),
    ] {
        if retune.is_none() {
            retune = Some(cloud.start());
            await_state(&cloud, "made", "exists");
        }
        let patch = json!({"spec": {"adopt": {"made": request}}}).to_string();
        plane.kubectl(&["patch", "cloudsync", n, "-n", "retune-system", "--type=merge", "-p", &patch]);
        for part in [1, 60] {
            eventually("it is under way", SOON, || (count(to) >= part).then_some(()));
            let mut running = retune.take().expect("it runs");
            running.signal("KILL");
            running.wait();
            retune = Some(cloud.start());
        }
        await_state(&cloud, "made", if to == "retune Apply" { "adopted" } else { "undone" });
        assert_eq!((count(from), count(to)), (0, 150));
    }
}
