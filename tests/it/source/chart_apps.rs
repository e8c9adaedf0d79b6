//! Apps whose charts come from an HTTP repository and an OCI registry, on the control plane: applied; synced from the cache when the
//! repositories are gone; refused when bytes change under a locked version, with the old revision enforced.

use std::time::Duration;

use super::chart_server::{ChartServer, package};
use super::registry::Registry;
use crate::support::{Repo, Retune, control_plane, eventually};

const SOON: Duration = Duration::from_secs(90);

fn app(name: &str, namespace: &str, repository: &str, version: &str) -> String {
    format!(
        "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {{name: {name}}}\nspec:\n  namespace: {namespace}\n  chart: {{repository: {repository}, version: {version}}}\n"
    )
}

#[test]
#[ignore = "needs the control plane: ./tests/run"]
fn charts_of_repositories_are_applied_kept_and_never_replaced_behind_ones_back() {
    let plane = control_plane();
    let cloud = plane.namespace("chart-apps");
    let kubeconfig = plane.kubeconfig_of(&format!("retune-{cloud}"));
    let http = ChartServer::start(None);
    http.publish(&[("web", "1.0.0", package("web", "1.0.0", "first"))]);
    let registry = Registry::start("token", true);
    registry.push("db", "2.0.0", &package("db", "2.0.0", "first"));
    let (state, scratch) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let config = scratch.path().join("config.json");
    std::fs::write(&config, format!(r#"{{"auths":{{"{}":{{"auth":"bWU6cHc="}}}}}}"#, registry.host)).unwrap();

    let repo = Repo::new();
    repo.write(
        "retune.yaml",
        &format!(
            "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {{name: {cloud}}}\nspec:\n  profiles: [base]\n  chartRepositories:\n    web: {{url: '{}'}}\n    db: {{url: '{}'}}\n",
            http.url,
            registry.repository()
        ),
    );
    repo.write("apps/web.yaml", &app("web", &cloud, "web", "1.0.0"));
    repo.write("apps/db.yaml", &app("db", &cloud, "db", "^2"));
    let lock = |more: &[&str]| {
        let cache = scratch.path().join("lock-cache");
        let output = Retune::command(&kubeconfig)
            .args(["lock", "--ca-file"])
            .arg(registry.ca())
            .arg("--registry-config")
            .arg(&config)
            .arg("--chart-cache")
            .arg(cache)
            .args(more)
            .arg(repo.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    lock(&[]);
    let first = repo.commit("Begin", &[]);
    let mut command = Retune::command(&kubeconfig);
    command
        .args([
            "run",
            "--cloud",
            &cloud,
            "--branch",
            "main",
            "--profile",
            "base",
            "--interval",
            "1s",
            "--repo",
        ])
        .arg(repo.path())
        .arg("--state-dir")
        .arg(state.path())
        .arg("--ca-file")
        .arg(registry.ca())
        .arg("--registry-config")
        .arg(&config);
    let syncer = Retune::spawn(command);
    let status = |path: &str| {
        let found =
            plane.try_kubectl(&["get", "cloudsync", &cloud, "-n", "retune-system", "-o", "json"], None);
        let found: serde_json::Value = serde_json::from_slice(&found.stdout).ok()?;
        Some(found.pointer(path)?.as_str()?.to_owned())
    };
    let await_ready = |revision: &str| {
        eventually("the revision is ready", SOON, || {
            (status("/status/readyRevision")? == revision).then_some(())
        });
    };
    let data = |name: &str, key: &str| {
        let found = plane.get(&["configmap", name, "-n", &cloud]).unwrap();
        found["data"][key].as_str().unwrap_or_default().to_owned()
    };
    await_ready(&first);
    assert_eq!((data("web", "version"), data("db", "version")), ("1.0.0".into(), "2.0.0".into()));

    // Both repositories go away: a commit with other values needs neither.
    let address = http.address();
    drop((http, registry));
    let second = repo.commit("Greet", &[("helm-configs/web/a.yaml", "greeting: hi\n")]);
    await_ready(&second);
    assert_eq!(data("web", "greeting"), "hi");

    // A version that is locked and not in the cache waits for its repository; the last good revision stays enforced meanwhile.
    let mark = syncer.mark();
    let lock = std::fs::read_to_string(repo.file("retune.lock")).unwrap();
    let new = package("web", "1.1.0", "second");
    let digest = retune::cloud::Digest::of(&new).to_string();
    let old = retune::cloud::Digest::of(&package("web", "1.0.0", "first")).to_string();
    let locked = lock.replace(&old, &digest).replace("version: 1.0.0", "version: 1.1.0");
    assert_ne!(lock, locked);
    let third = repo.commit(
        "Upgrade",
        &[("apps/web.yaml", &app("web", &cloud, "web", "1.1.0")), ("retune.lock", &locked)],
    );
    syncer
        .wait_for(mark, SOON, |line| line.contains("chart web 1.1.0") && line.contains("cannot be reached"));
    plane.kubectl(&["patch", "configmap", "web", "-n", &cloud, "-p", r#"{"data":{"greeting":"drift"}}"#]);
    eventually("drift of the last good revision is corrected", SOON, || {
        (data("web", "greeting") == "hi").then_some(())
    });
    // Its repository comes back with other bytes under that version: refused, nothing is applied.
    let mark = syncer.mark();
    let http = ChartServer::start_at(&address, None);
    http.publish(&[("web", "1.1.0", package("web", "1.1.0", "replaced"))]);
    let line = eventually("the status says that the bytes have changed", SOON, || {
        let found = plane.get(&["cloudsync", &cloud, "-n", "retune-system"])?;
        let text = found["status"].to_string();
        text.contains("the bytes have changed").then_some(text)
    });
    assert!(line.contains("app web") && line.contains(&digest), "{line}");
    assert_eq!(data("web", "version"), "1.0.0");
    assert!(
        syncer.output().lines().skip(mark).any(|l| l.contains("the bytes have changed")),
        "told in the log, too"
    );
    // With the right bytes it goes on by itself.
    http.publish(&[("web", "1.1.0", new)]);
    await_ready(&third);
    assert_eq!((data("web", "version"), data("web", "note")), ("1.1.0".into(), "second".into()));
}
