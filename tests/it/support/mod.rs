//! What tests and benchmarks share: the control plane, its audit log, Git repositories, and `retune` as a process.
//!
//! Tests that need the control plane carry `#[ignore = "needs the control plane: ./tests/run"]`, so that plain
//! `cargo test` names what it left out; `./tests/run` runs them too, and there a control plane that does not start is
//! a failure of every test that needs it.
#![allow(dead_code, unused_imports, reason = "each target that includes this module uses another part of it")]

pub(crate) mod audit;
pub(crate) mod operators;
pub(crate) mod process;
pub(crate) mod repo;

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

pub(crate) use audit::{AuditLog, Request};
pub(crate) use operators::Operators;
pub(crate) use process::Retune;
pub(crate) use repo::Repo;

/// A running control plane (see `tests/controlplane/up`), or the disposable cluster that `RETUNE_TEST_KUBECONFIG` names.
pub(crate) struct ControlPlane {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    /// The folder of a control plane of ours; none for another cluster.
    dir: Option<PathBuf>,
    /// `up` ends when this closes, which the kernel sees to however this process ends.
    _stdin: Option<ChildStdin>,
    _child: Option<Child>,
}

/// The control plane of this test run: started by whoever asks first, ended with the process.
///
/// # Panics
/// If it does not start; the message says why.
pub(crate) fn control_plane() -> &'static ControlPlane {
    static ONCE: OnceLock<Result<ControlPlane, String>> = OnceLock::new();
    match ONCE.get_or_init(ControlPlane::start) {
        Ok(plane) => plane,
        Err(reason) => panic!("the control plane is not there: {reason}"),
    }
}

/// A name that no other test of this or an earlier run has: `prefix-<process>-<count>`.
pub(crate) fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Asks `condition` again and again until it gives something.
///
/// For what can only be asked for; where there is an event (a watch, a line of output), wait for that instead.
///
/// # Panics
/// If nothing came within `deadline`; the message names `what`.
pub(crate) fn eventually<T>(what: &str, deadline: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + deadline;
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(Instant::now() < end, "not within {deadline:?}: {what}");
        std::thread::sleep(Duration::from_millis(25));
    }
}

impl ControlPlane {
    fn start() -> Result<Self, String> {
        match std::env::var_os("RETUNE_TEST_KUBECONFIG") {
            Some(kubeconfig) => Self::disposable(PathBuf::from(kubeconfig)),
            None => Self::start_own(&Self::own_dir()),
        }
    }

    /// Starts one of its own, apart from the shared one: for tests and benchmarks that stop or slow the server.
    pub(crate) fn start_own(dir: &Path) -> Result<Self, String> {
        Self::start_with(dir, &[])
    }

    /// Starts one of its own whose etcd and kube-apiserver come back when they are killed.
    pub(crate) fn start_restartable(dir: &Path) -> Result<Self, String> {
        Self::start_with(dir, &["--restart"])
    }

    fn start_with(dir: &Path, more: &[&str]) -> Result<Self, String> {
        let script = root().join("tests/controlplane/up");
        let mut child = Command::new(&script)
            .args(more)
            .args(["--until-stdin-closes", "--dir"])
            .arg(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("{} cannot be run: {e}", script.display()))?;
        let stdin = child.stdin.take();
        let stdout = child.stdout.take().ok_or("up has no stdout")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line).map_err(|e| format!("up says nothing: {e}"))?;
        if !line.starts_with("ready ") {
            return Err(format!(
                "{} failed; it says why on stderr, and in {}/logs",
                script.display(),
                dir.display()
            ));
        }
        Ok(Self {
            kubeconfig: dir.join("admin.kubeconfig"),
            kubectl: dir.join("bin/kubectl"),
            dir: Some(dir.to_path_buf()),
            _stdin: stdin,
            _child: Some(child),
        })
    }

    /// `target/tmp/controlplane-<process>`; logs of the last few runs are kept there.
    fn own_dir() -> PathBuf {
        let parent = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let mut old: Vec<_> = std::fs::read_dir(parent)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().starts_with("controlplane-"))
            .filter(|e| !e.path().join("pid").exists())
            .map(|e| (e.metadata().and_then(|m| m.modified()).ok(), e.path()))
            .collect();
        old.sort();
        for (_, path) in old.iter().rev().skip(3) {
            // Only old logs: failing to remove them changes no result.
            let _ = std::fs::remove_dir_all(path);
        }
        parent.join(format!("controlplane-{}", std::process::id()))
    }

    /// Another cluster: only if it says itself that it may be thrown away.
    fn disposable(kubeconfig: PathBuf) -> Result<Self, String> {
        let built = Command::new(root().join("tests/controlplane/build")).stderr(Stdio::inherit()).output();
        let built = built.map_err(|e| format!("tests/controlplane/build cannot be run: {e}"))?;
        let kubectl = PathBuf::from(String::from_utf8_lossy(&built.stdout).trim()).join("kubectl");
        let plane = Self { kubeconfig, kubectl, dir: None, _stdin: None, _child: None };
        let answer = plane.try_kubectl(&["get", "namespace", "retune-disposable"], None);
        if answer.status.success() {
            return Ok(plane);
        }
        Err(format!(
            "RETUNE_TEST_KUBECONFIG={} names a cluster without the namespace `retune-disposable`: create it there if \
             everything in that cluster may be destroyed ({})",
            plane.kubeconfig.display(),
            String::from_utf8_lossy(&answer.stderr).trim()
        ))
    }

    /// What [`control_plane`] does with `RETUNE_TEST_KUBECONFIG`.
    pub(crate) fn disposable_for_test(kubeconfig: &Path) -> Result<Self, String> {
        Self::disposable(kubeconfig.to_path_buf())
    }

    /// The administrator's kubeconfig.
    pub(crate) fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The folder with logs, `audit.log` and the tools, if the control plane is ours.
    pub(crate) fn dir(&self) -> Option<&Path> {
        self.dir.as_deref()
    }

    /// The URL of the API server.
    pub(crate) fn server(&self) -> String {
        self.kubectl(&["config", "view", "--minify", "-o", "jsonpath={.clusters[0].cluster.server}"])
    }

    /// A kubeconfig of a user of that name, in `system:masters`; the audit log tells who did what by it.
    ///
    /// # Panics
    /// On another cluster than our own: there we cannot make users.
    pub(crate) fn kubeconfig_of(&self, user: &str) -> PathBuf {
        let dir = self.dir.as_ref().expect("users can only be made on a control plane of our own");
        let output = Command::new(root().join("tests/controlplane/user"))
            .arg(dir)
            .arg(user)
            .output()
            .expect("user runs");
        assert!(
            output.status.success(),
            "tests/controlplane/user: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
    }

    /// Runs kubectl as the administrator and gives its stdout.
    ///
    /// # Panics
    /// If kubectl fails; the message has its arguments and stderr.
    pub(crate) fn kubectl(&self, args: &[&str]) -> String {
        checked(args, self.try_kubectl(args, None))
    }

    /// As [`Self::kubectl`], with text on stdin (`-f -`).
    pub(crate) fn kubectl_with(&self, args: &[&str], stdin: &str) -> String {
        checked(args, self.try_kubectl(args, Some(stdin)))
    }

    /// Runs kubectl and gives whatever came of it.
    pub(crate) fn try_kubectl(&self, args: &[&str], stdin: Option<&str>) -> Output {
        let mut child = self
            .kubectl_command()
            .args(args)
            .stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("kubectl can be run");
        if let Some(text) = stdin {
            child.stdin.take().expect("piped").write_all(text.as_bytes()).expect("kubectl reads its stdin");
        }
        child.wait_with_output().expect("kubectl ends")
    }

    /// A kubectl command bound to this control plane, to be completed and run by the caller.
    pub(crate) fn kubectl_command(&self) -> Command {
        let mut command = Command::new(&self.kubectl);
        command.env_remove("KUBECONFIG").arg("--kubeconfig").arg(&self.kubeconfig);
        if let Some(dir) = &self.dir {
            command.env("KUBECACHEDIR", dir.join("cache"));
        }
        command
    }

    /// The object as JSON, or none if it is not there. `args` as for `kubectl get`: `["cm", "x", "-n", "y"]`.
    pub(crate) fn get(&self, args: &[&str]) -> Option<serde_json::Value> {
        let mut all = vec!["get", "--ignore-not-found", "--show-managed-fields", "-o", "json"];
        all.extend(args);
        let text = self.kubectl(&all);
        if text.trim().is_empty() {
            None
        } else {
            Some(serde_json::from_str(&text).expect("kubectl prints JSON"))
        }
    }

    /// A new namespace of a unique name.
    pub(crate) fn namespace(&self, prefix: &str) -> String {
        let name = unique(prefix);
        self.kubectl(&["create", "namespace", &name]);
        name
    }

    /// The audit log from here on.
    ///
    /// # Panics
    /// On another cluster than our own, whose audit log we cannot read.
    pub(crate) fn audit(&self) -> AuditLog {
        let dir = self.dir.as_ref().expect("the audit log can only be read on a control plane of our own");
        AuditLog::from_now(dir.join("audit.log"))
    }
}

fn checked(args: &[&str], output: Output) -> String {
    assert!(
        output.status.success(),
        "kubectl {}: {}{}",
        args.join(" "),
        String::from_utf8_lossy(&output.stderr),
        String::from_utf8_lossy(&output.stdout)
    );
    String::from_utf8(output.stdout).expect("kubectl prints UTF-8")
}
