//! `tests/controlplane/build`: a cache that a broken or concurrent build cannot spoil. A stand-in for `go` builds in no time.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A cache of its own, and a `go` that writes one line for each build and then the binary.
struct Bench {
    scratch: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let bench = Self { scratch: tempfile::tempdir().expect("a scratch folder") };
        std::fs::create_dir(bench.path("bin")).expect("a folder");
        bench.go("echo whole >\"$out\"");
        bench
    }

    /// What the stand-in does for `go build -o $out`.
    fn go(&self, build: &str) {
        let text = format!(
            "#!/bin/sh\n[ \"$1\" = build ] || exit 0\nwhile [ \"$1\" != -o ]; do shift; done\nout=$2\n\
             echo built >>\"$(dirname \"$0\")/../builds\"\n{build}\nchmod 755 \"$out\"\n"
        );
        let file = self.path("bin/go");
        std::fs::write(&file, text).expect("a script");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    fn builds(&self) -> usize {
        std::fs::read_to_string(self.path("builds")).unwrap_or_default().lines().count()
    }

    fn command(&self) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/controlplane/build");
        let mut command = Command::new(script);
        let path = std::env::var("PATH").expect("a PATH");
        command
            .arg("etcd")
            .env("PATH", format!("{}:{path}", self.path("bin").display()))
            .env("RETUNE_TOOLS_CACHE", self.path("cache"))
            .env_remove("KUBEBUILDER_ASSETS")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self) -> Output {
        self.command().output().expect("build can be run")
    }
}

/// The binary that a successful run points to.
fn binary(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    std::fs::read_to_string(folder.join("etcd")).expect("the binary is there")
}

#[test]
fn a_second_run_builds_nothing() {
    let bench = Bench::new();
    assert_eq!(binary(&bench.run()), "whole\n");
    assert_eq!(binary(&bench.run()), "whole\n");
    assert_eq!(bench.builds(), 1);
}

#[test]
fn two_runs_at_once_build_once() {
    let bench = Bench::new();
    let runs = [bench.command().spawn(), bench.command().spawn()];
    for run in runs {
        let output = run.expect("build can be run").wait_with_output().expect("it ends");
        assert_eq!(binary(&output), "whole\n");
    }
    assert_eq!(bench.builds(), 1);
}

#[test]
fn a_failed_build_leaves_nothing_that_looks_whole() {
    let bench = Bench::new();
    bench.go("echo half >\"$out\"; echo 'no space left' >&2; exit 1");
    let failed = bench.run();
    assert!(!failed.status.success());
    let message = String::from_utf8_lossy(&failed.stderr).into_owned();
    assert!(message.contains("building etcd failed") && message.contains("no space left"), "{message}");
    bench.go("echo whole >\"$out\"");
    assert_eq!(binary(&bench.run()), "whole\n");
    assert_eq!(bench.builds(), 2);
}

#[test]
fn a_build_that_was_killed_is_begun_anew() {
    let bench = Bench::new();
    // Its parent is the script's subshell, and that one's parent the script: both end as the binary is half written.
    bench.go("echo half >\"$out\"; kill -KILL $(cut -d' ' -f4 /proc/$PPID/stat) $PPID; exit 1");
    assert!(!bench.run().status.success());
    bench.go("echo whole >\"$out\"");
    assert_eq!(binary(&bench.run()), "whole\n");
}

#[test]
fn a_damaged_binary_is_built_again() {
    let bench = Bench::new();
    let first = bench.run();
    assert_eq!(binary(&first), "whole\n");
    let folder = PathBuf::from(String::from_utf8_lossy(&first.stdout).trim());
    let file = std::fs::canonicalize(folder.join("etcd")).expect("a link to the binary");
    std::fs::write(file, "wh").expect("it can be damaged");
    assert_eq!(binary(&bench.run()), "whole\n");
    assert_eq!(bench.builds(), 2);
}
