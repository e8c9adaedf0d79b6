//! Time and memory of `kustomize build`, ours and the original's, on trees that this program makes.
//!
//! `cargo bench --bench kustomize` (or `cargo run --profile quick` through the bench target) prints one JSON document:
//! for each tree the in-process time per resource, and for the binaries CPU seconds and peak memory. The original is
//! `$RETUNE_KUSTOMIZE` or `kustomize` on the PATH; without it only ours is measured.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use retune::files::MemTree;
use retune::kustomize::{self, Options};

/// A tree of files in memory, to build in process and to write to disk.
struct Tree {
    name: &'static str,
    resources: usize,
    files: Vec<(String, String)>,
}

const GROUP: usize = 3;

/// A base of Deployments with Services and ConfigMaps, and an overlay that touches all of them.
fn tree(name: &'static str, resources: usize) -> Tree {
    let groups = resources / GROUP;
    let mut files = Vec::new();
    let mut base = String::from("resources:\n");
    for group in 0..groups {
        writeln!(base, "- app-{group}.yaml").expect("writes to memory");
        files.push((format!("base/app-{group}.yaml"), app(group)));
    }
    base.push_str("configMapGenerator:\n");
    for group in (0..groups).step_by(5) {
        writeln!(base, "- name: settings-{group}\n  literals: [\"level={group}\", \"mode=fast\"]")
            .expect("writes to memory");
    }
    files.push(("base/kustomization.yaml".into(), base));
    files.push(("overlay/kustomization.yaml".into(), overlay(groups)));
    Tree { name, resources, files }
}

fn app(group: usize) -> String {
    let settings = group - group % 5;
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: app-{group}\n  labels: {{tier: web}}\nspec:\n  \
         replicas: 1\n  selector: {{matchLabels: {{app: app-{group}}}}}\n  template:\n    metadata: {{labels: {{app: \
         app-{group}}}}}\n    spec:\n      serviceAccountName: default\n      initContainers:\n      - name: init\n        \
         image: registry.example.com/tools/init:1.0\n      containers:\n      - name: main\n        image: \
         registry.example.com/web/app-{}:1.2.3\n        ports: [{{containerPort: 8080}}]\n        env:\n        - name: \
         LEVEL\n          valueFrom: {{configMapKeyRef: {{name: settings-{settings}, key: level}}}}\n        - name: \
         PLAIN\n          value: \"{group}\"\n        resources: {{requests: {{cpu: 100m, memory: 64Mi}}}}\n      - name: \
         side\n        image: registry.example.com/tools/side\n      volumes:\n      - name: own\n        configMap: \
         {{name: own-{group}}}\n---\napiVersion: v1\nkind: Service\nmetadata:\n  name: app-{group}\nspec:\n  selector: \
         {{app: app-{group}}}\n  ports: [{{port: 80, targetPort: 8080}}]\n---\napiVersion: v1\nkind: \
         ConfigMap\nmetadata:\n  name: own-{group}\ndata:\n  settings.ini: |\n    [main]\n    number = {group}\n    url = \
         http://app-{group}\n",
        group % 10
    )
}

fn overlay(groups: usize) -> String {
    let mut out = String::from(
        "resources: [../base]\nnamespace: production\nnamePrefix: prod-\nlabels:\n- pairs: {env: prod}\n  \
         includeSelectors: true\ncommonAnnotations: {owner: platform}\nimages:\n",
    );
    for image in 0..10 {
        writeln!(out, "- name: registry.example.com/web/app-{image}\n  newTag: \"2.{image}\"")
            .expect("writes to memory");
    }
    out.push_str("replicas:\n- name: app-0\n  count: 3\npatches:\n");
    for group in (0..groups).step_by(4) {
        writeln!(
            out,
            "- patch: |-\n    apiVersion: apps/v1\n    kind: Deployment\n    metadata: {{name: app-{group}}}\n    spec:\n      \
             template:\n        spec:\n          containers:\n          - name: main\n            resources: {{limits: \
             {{cpu: \"1\"}}}}"
        )
        .expect("writes to memory");
    }
    out.push_str(
        "- target: {kind: Service}\n  patch: |-\n    - op: add\n      path: /spec/type\n      value: ClusterIP\n",
    );
    out
}

/// Best of several in-process builds, text included.
fn in_process(tree: &Tree, runs: usize) -> Duration {
    let mem: MemTree = tree.files.iter().map(|(p, t)| (p, t.as_bytes().to_vec())).collect();
    let one = || {
        let start = Instant::now();
        let built = kustomize::build(&mem, "overlay", &Options::default()).expect("the tree builds");
        let text = built.to_yaml().expect("the result prints");
        assert!(text.len() > tree.resources * 100, "the output holds the resources");
        start.elapsed()
    };
    (0..runs).map(|_| one()).min().expect("at least one run")
}

/// CPU seconds of finished children so far, from the kernel's count for this process.
fn children_cpu() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(13) + ticks(14)) / 100.0
}

fn peak_kib(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Mean CPU seconds and highest peak memory in KiB over some runs of a command.
fn binary(command: &[&str], folder: &Path, runs: u32) -> (f64, u64) {
    let before = children_cpu();
    let mut peak = 0;
    for _ in 0..runs {
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .arg(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let status = loop {
            peak = peak.max(peak_kib(child.id()).unwrap_or(0));
            if let Some(status) = child.try_wait().expect("the child can be awaited") {
                break status;
            }
            std::thread::yield_now();
        };
        assert!(status.success(), "{command:?} failed");
    }
    ((children_cpu() - before) / f64::from(runs), peak)
}

fn original() -> Option<PathBuf> {
    let named = std::env::var_os("RETUNE_KUSTOMIZE").map(PathBuf::from);
    let on_path = || {
        let path = std::env::var_os("PATH")?;
        std::env::split_paths(&path).map(|dir| dir.join("kustomize")).find(|p| p.is_file())
    };
    named.or_else(on_path)
}

fn main() {
    let trees = [tree("300", 300), tree("1000", 999), tree("10000", 9_999)];
    let original = original();
    let mut rows = Vec::new();
    for tree in &trees {
        let best = in_process(tree, if tree.resources > 5_000 { 3 } else { 10 });
        let mut row = serde_json::json!({
            "tree": tree.name,
            "resources": tree.resources,
            "in_process_ms": best.as_secs_f64() * 1e3,
            "in_process_us_per_resource": best.as_secs_f64() * 1e6 / tree.resources as f64,
        });
        let dir = tempfile::tempdir().expect("a scratch folder");
        for (path, text) in &tree.files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().expect("files are in folders")).expect("folders can be made");
            fs::write(path, text).expect("files can be written");
        }
        let folder = dir.path().join("overlay");
        let runs = if tree.resources > 500 { 3 } else { 20 };
        let (cpu, peak) = binary(&[env!("CARGO_BIN_EXE_retune"), "kustomize", "build"], &folder, runs);
        row["retune"] = serde_json::json!({ "cpu_s": cpu, "peak_kib": peak });
        if let Some(original) = original.as_ref().filter(|_| tree.resources <= 5_000) {
            let original = original.to_string_lossy();
            let (theirs, their_peak) = binary(&[&original, "build"], &folder, runs.min(5));
            row["original"] = serde_json::json!({ "cpu_s": theirs, "peak_kib": their_peak });
            row["cpu_ratio"] = serde_json::json!(theirs / cpu.max(0.001));
            row["memory_ratio"] = serde_json::json!(their_peak as f64 / peak.max(1) as f64);
        }
        rows.push(row);
    }
    println!("{}", serde_json::to_string_pretty(&rows).expect("plain data"));
}
