//! `retune why` against the real control plane: from the app down to what an init container waits for.

use serde_json::{Value, json};

use crate::engine::{SOON, TestCloud, config_map};
use crate::order::{app_status, deployment_of_outcome};
use crate::support::{control_plane, eventually};

/// A Deployment as OpenStack-Helm makes them: an init container that waits for a Job and a Service.
fn waiting_deployment(namespace: &str) -> String {
    let labels = json!({"name": "api"});
    let env = json!([{"name": "DEPENDENCY_JOBS", "value": "db-sync,absent"}, {"name": "DEPENDENCY_SERVICE", "value": format!("{namespace}:db")}]);
    let template = json!({"metadata": {"labels": labels, "annotations": {"test.retune.dev/outcome": "pending"}},
        "spec": {"initContainers": [{"name": "init", "image": "example.org/entrypoint:1", "env": env}],
            "containers": [{"name": "main", "image": "example.org/x:1",
                "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db-password", "key": "password"}}}]}]}});
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "api"},
        "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template}});
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db"},
        "spec": {"selector": {"name": "db"}, "ports": [{"port": 3306}]}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db-password"}, "stringData": {"password": "hunter2hunter2"}});
    let pod = json!({"metadata": {"annotations": {"test.retune.dev/outcome": "hang"}},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "sync", "image": "example.org/x:1"}]}});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "db-sync"}, "spec": {"template": pod}});
    format!("---\n{body}\n---\n{service}\n---\n{secret}\n---\n{job}\n{}", deployment_of_outcome("db", "hang"))
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn an_app_is_followed_down_to_the_job_and_the_service_that_an_init_container_waits_for() {
    let cloud = TestCloud::new("why", &[]);
    let name = cloud.name.clone();
    for (app, depends_on, manifests) in
        [("api", &[][..], waiting_deployment(&name)), ("front", &["api"][..], config_map("front", "1"))]
    {
        cloud.repo.write(&format!("apps/{app}.yaml"), &crate::engine::app_file(&name, app, depends_on));
        cloud.repo.write(&format!("manifests/{app}/objects.yaml"), &manifests);
    }
    cloud.repo.commit("Add apps", &[]);
    let _retune = cloud.start();
    eventually("front waits", SOON, || app_status(&cloud, "front").filter(|(state, _)| state == "waiting"));
    // What a log or an Event may say is masked.
    let pods = eventually("a pod of api is there", SOON, || {
        let list = control_plane().get(&["pods", "-n", &name, "-l", "name=api"])?;
        list["items"].get(0).cloned()
    });
    let event = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"name": "told", "namespace": name},
        "involvedObject": {"kind": "Pod", "namespace": name, "name": pods["metadata"]["name"], "uid": pods["metadata"]["uid"]},
        "type": "Warning", "reason": "Leaky", "message": "cannot log in with hunter2hunter2"});
    control_plane().kubectl_with(&["create", "-f", "-"], &event.to_string());

    let (code, told, stderr) = cloud.retune("why", &["front"]);
    assert_eq!(code, 1, "{told}{stderr}");
    let at = |what: &str| {
        let line = told.lines().position(|l| l.trim_start().starts_with(what));
        line.unwrap_or_else(|| panic!("{what:?} is missing:\n{told}"))
    };
    let way = [
        "app front: waiting: waits for api",
        "app api: ",
        &format!("Deployment.apps {name}/api: "),
        &format!("pod {name}/api-"),
        "init container init: ",
    ];
    let lines: Vec<usize> = way.iter().map(|w| at(w)).collect();
    assert!(lines.windows(2).all(|w| w[0] < w[1]), "{told}");
    at(&format!("Job.batch {name}/db-sync: "));
    at("container sync: runs");
    at(&format!("Job.batch {name}/absent: is not there, and is waited for"));
    at(&format!("Service {name}/db: has no endpoint that is ready"));
    assert!(told.contains("(its log cannot be read: "), "kwok's pods have no log, and that is told:\n{told}");
    assert!(
        told.contains("Warning Leaky: cannot log in with <masked>") && !told.contains("hunter2"),
        "{told}"
    );

    let (code, json, _) = cloud.retune("why", &["front", "-o", "json"]);
    let json: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((code, &json["reason"]["because"][0]["what"]), (1, &json!("app api")));
    let (code, _, stderr) = cloud.retune("why", &["nobody"]);
    assert!(code == 2 && stderr.contains("its apps: api"), "{stderr}");
}
