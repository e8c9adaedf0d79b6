//! A cloud made for a measurement: a Git repository of generated apps, a namespace, and `retune` as a user of its own.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{AuditLog, Repo, Request, Retune, control_plane, eventually, unique};

/// How many objects of which kind.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) apps: usize,
    /// ConfigMaps in each app.
    pub(crate) maps: usize,
    /// Deployments without replicas in each app.
    pub(crate) deployments: usize,
}

impl Shape {
    /// ConfigMaps and Deployments together.
    pub(crate) fn objects(self) -> usize {
        self.apps * (self.maps + self.deployments)
    }
}

/// The cloud; its repository goes with it, its objects stay until the control plane ends.
pub(crate) struct Cloud {
    pub(crate) name: String,
    pub(crate) namespace: String,
    /// The user that retune runs as.
    pub(crate) user: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) repo: Repo,
    state: tempfile::TempDir,
}

/// The name of a ConfigMap.
pub(crate) fn map_name(app: usize, index: usize) -> String {
    format!("map-{app:02}-{index:04}")
}

/// A small ConfigMap.
pub(crate) fn config_map(app: usize, index: usize, value: &str) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": map_name(app, index)},
        "data": {"value": value, "text": format!("the configuration of service {index} of app {app}, some lines long\n").repeat(2)},
    })
}

/// A Deployment that asks for no pods.
pub(crate) fn deployment(app: usize, index: usize) -> Value {
    let name = format!("deployment-{app:02}-{index:04}");
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"name": name}},
            "template": {
                "metadata": {"labels": {"name": name}},
                "spec": {"containers": [{
                    "name": "main",
                    "image": "example.org/service:1.0",
                    "ports": [{"name": "http", "containerPort": 8080, "protocol": "TCP"}],
                    "env": [{"name": "LEVEL", "value": "info"}],
                    "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}},
                }]},
            },
        },
    })
}

/// The name of an app.
pub(crate) fn app_name(app: usize) -> String {
    format!("app-{app:02}")
}

/// Where an app's objects are in the repository.
pub(crate) fn objects_path(app: usize) -> String {
    format!("kustomize/{}/base/objects.yaml", app_name(app))
}

/// JSON documents are YAML documents.
pub(crate) fn documents(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("---\n{object}\n")).collect()
}

impl Cloud {
    /// Makes the namespace, the user and a repository of that shape with one commit.
    pub(crate) fn new(prefix: &str, shape: Shape) -> Self {
        let apps = (0..shape.apps).map(|app| (app_name(app), Vec::new(), app_objects(app, shape, "0")));
        Self::of_apps(prefix, &apps.collect::<Vec<_>>())
    }

    /// A cloud of these apps: name, `dependsOn`, objects.
    pub(crate) fn of_apps(prefix: &str, apps: &[(String, Vec<String>, Vec<Value>)]) -> Self {
        let plane = control_plane();
        let namespace = plane.namespace(prefix);
        let user = format!("retune-{namespace}");
        let kubeconfig = plane.kubeconfig_of(&user);
        let repo = Repo::new();
        repo.write(
            "retune.yaml",
            &format!(
                "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata:\n  name: {namespace}\nspec:\n  profiles: [base]\n"
            ),
        );
        for (name, depends_on, objects) in apps {
            let depends_on = depends_on.join(", ");
            repo.write(
                &format!("apps/{name}.yaml"),
                &format!(
                    "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata:\n  name: {name}\nspec:\n  namespace: {namespace}\n  dependsOn: [{depends_on}]\n"
                ),
            );
            repo.write(
                &format!("kustomize/{name}/base/kustomization.yaml"),
                "resources:\n  - objects.yaml\n",
            );
            repo.write(&format!("kustomize/{name}/base/objects.yaml"), &documents(objects));
        }
        repo.commit("Begin", &[]);
        let state = tempfile::tempdir().expect("a scratch folder");
        Self { name: namespace.clone(), namespace, user, kubeconfig, repo, state }
    }

    /// When the branch last moved, as `throughput::seconds` has it: before `git commit` ends.
    pub(crate) fn branch_moved(&self) -> f64 {
        let file = std::fs::metadata(self.repo.file(".git/refs/heads/main")).expect("the branch has a file");
        crate::throughput::of_day(file.modified().expect("a time"))
    }

    /// Starts `retune run` for this cloud.
    pub(crate) fn start(&self) -> Retune {
        self.start_with(&self.kubeconfig)
    }

    /// Starts `retune run` with another way to the API server.
    pub(crate) fn start_with(&self, kubeconfig: &Path) -> Retune {
        let repo = self.repo.path().to_string_lossy();
        let state = self.state.path().to_string_lossy();
        Retune::start(
            kubeconfig,
            &[
                "run",
                "--name",
                &self.name,
                "--repo",
                &repo,
                "--branch",
                "main",
                "--profile",
                "base",
                "--state-dir",
                &state,
            ],
        )
    }

    /// Waits until the CloudSync says that this revision is applied whole.
    pub(crate) fn synced(&self, revision: &str, deadline: Duration) {
        let plane = control_plane();
        let object = format!("cloudsync/{}", self.name);
        eventually("the CloudSync exists", deadline, || {
            plane.try_kubectl(&["get", "-n", "retune-system", &object], None).status.success().then_some(())
        });
        plane.kubectl(&[
            "wait",
            "-n",
            "retune-system",
            &object,
            &format!("--for=jsonpath={{.status.syncedRevision}}={revision}"),
            &format!("--timeout={}s", deadline.as_secs()),
        ]);
    }

    /// Asks the running syncer for a sync and waits until it says that it was done.
    pub(crate) fn sync_now(&self, deadline: Duration) {
        let plane = control_plane();
        let id = unique("bench");
        let object = format!("cloudsync/{}", self.name);
        let patch = json!({"spec": {"request": {"id": id, "by": "bench"}}}).to_string();
        plane.kubectl(&["patch", "-n", "retune-system", &object, "--type=merge", "-p", &patch]);
        plane.kubectl(&[
            "wait",
            "-n",
            "retune-system",
            &object,
            &format!("--for=jsonpath={{.status.handledRequest}}={id}"),
            &format!("--timeout={}s", deadline.as_secs()),
        ]);
    }

    /// Waits until this cloud's retune has asked for nothing (watches and its Lease apart) for `quiet`.
    pub(crate) fn settled(&self, quiet: Duration, deadline: Duration) {
        let log = control_plane().audit();
        let mut last = (0, std::time::Instant::now());
        eventually("retune is at rest", deadline, || {
            let count = self.requests(&log).len();
            if count != last.0 {
                last = (count, std::time::Instant::now());
            }
            (last.1.elapsed() >= quiet).then_some(())
        });
    }

    /// Its retune's requests that are neither watch streams nor Lease renewals.
    pub(crate) fn requests(&self, log: &AuditLog) -> Vec<Request> {
        log.by_user(&self.user).into_iter().filter(|r| !r.is_watch() && r.resource != "leases").collect()
    }
}

/// The objects of one app, all ConfigMaps with one value.
pub(crate) fn app_objects(app: usize, shape: Shape, value: &str) -> Vec<Value> {
    let maps = (0..shape.maps).map(|index| config_map(app, index, value));
    maps.chain((0..shape.deployments).map(|index| deployment(app, index))).collect()
}

/// Counts by verb and resource, for printing.
pub(crate) fn tally<'a>(requests: impl IntoIterator<Item = &'a Request>) -> Value {
    let mut counts = std::collections::BTreeMap::<String, u64>::new();
    for request in requests {
        let what = if request.resource.is_empty() { request.uri.as_str() } else { request.resource.as_str() };
        let sub =
            if request.subresource.is_empty() { String::new() } else { format!("/{}", request.subresource) };
        *counts.entry(format!("{} {what}{sub}", request.verb)).or_default() += 1;
    }
    json!(counts)
}
