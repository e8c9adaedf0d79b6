//! `fixtures/kustomize/`: builds whose answers come from the real kustomize through `tests/oracle/kustomize.py`.
//!
//! A case that the original builds must give the same bytes and the same warnings; one that it refuses must be refused,
//! with a place or a file of the case in the message.

use std::fs;
use std::path::{Path, PathBuf};

use retune::files::{FileTree, MemTree};
use retune::kustomize::{self, Options};

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kustomize");
    let mut cases: Vec<PathBuf> = fs::read_dir(root)
        .expect("fixtures")
        .map(|e| e.expect("entry").path())
        .filter(|p| p.is_dir())
        .collect();
    cases.sort();
    cases
}

fn tree(dir: &Path) -> MemTree {
    fn add(tree: &mut MemTree, dir: &Path, at: &str) {
        for entry in fs::read_dir(dir).expect("folder") {
            let entry = entry.expect("entry");
            let name = entry.file_name().into_string().expect("a UTF-8 name");
            let path = if at.is_empty() { name } else { format!("{at}/{name}") };
            if entry.path().is_dir() {
                add(tree, &entry.path(), &path);
            } else {
                tree.insert(&path, fs::read(entry.path()).expect("file"));
            }
        }
    }
    let mut out = MemTree::new();
    add(&mut out, dir, "");
    out
}

fn line(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default().trim().to_owned()
}

/// What is wrong with the answer to a case, if anything.
fn fault(case: &Path) -> Option<String> {
    let flags = line(&case.join("flags"));
    let options = Options {
        restricted: !flags.contains("LoadRestrictionsNone"),
        managed_by_label: flags.contains("--enable-managedby-label"),
        ..Options::default()
    };
    let tree = tree(&case.join("input"));
    let built = kustomize::build(&tree, &line(&case.join("target")), &options)
        .and_then(|build| Ok((build.to_yaml()?, build.warnings)));
    match (built, fs::read_to_string(case.join("expected.yaml"))) {
        (Ok((yaml, _)), Ok(want)) if yaml != want => {
            let differs = yaml.lines().zip(want.lines()).position(|(a, b)| a != b);
            let at = differs.unwrap_or_else(|| yaml.lines().count().min(want.lines().count()));
            let show = |text: &str| text.lines().nth(at).unwrap_or("(end)").to_owned();
            Some(format!("line {}: got `{}`, want `{}`", at + 1, show(&yaml), show(&want)))
        }
        (Ok((_, warnings)), Ok(_)) => {
            let want = line(&case.join("expected_stderr.txt"));
            // What the original says about its flags is the command line's business.
            let want: Vec<&str> = want.lines().filter(|l| !l.starts_with("Flag --")).collect();
            let want = want.join("\n");
            let got = warnings.join("\n");
            (got.trim() != want).then(|| format!("warnings: got `{got}`, want `{want}`"))
        }
        (Err(e), Ok(_)) => Some(format!("refused: {e}")),
        (Ok(_), Err(_)) => {
            Some(format!("built, but the original says: {}", line(&case.join("expected_error.txt"))))
        }
        (Err(e), Err(_)) => {
            let text = e.to_string();
            let is_placed = e.place().is_some() || tree.paths().any(|path| text.contains(path));
            (!is_placed && tree.list("").is_ok()).then(|| format!("the error names no file: {text}"))
        }
    }
}

#[test]
fn the_command_says_what_the_original_says_about_its_flags() {
    let with_flags = cases().into_iter().filter(|case| case.join("flags").exists());
    for case in with_flags.filter(|case| case.join("expected.yaml").exists()) {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_retune"))
            .args(["kustomize", "build"])
            .arg(case.join("input").join(line(&case.join("target"))))
            .args(line(&case.join("flags")).split(' '))
            .output()
            .expect("retune");
        let stderr = String::from_utf8_lossy(&out.stderr);
        assert_eq!(stderr.trim(), line(&case.join("expected_stderr.txt")), "{}", case.display());
    }
    for bad in [&["--nonsense"][..], &["--load-restrictor", "none"], &["--reorder", "x"], &["a", "b"]] {
        let out = std::process::Command::new(env!("CARGO_BIN_EXE_retune"))
            .args(["kustomize", "build"])
            .args(bad)
            .output()
            .expect("retune");
        assert_eq!(out.status.code(), Some(1), "{bad:?}");
    }
}

#[test]
fn every_case_is_answered_as_the_original_answers_it() {
    let cases = cases();
    assert!(cases.len() >= 150, "only {} cases", cases.len());
    let faults: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let name = case.file_name().unwrap_or_default().to_string_lossy().into_owned();
            fault(case).map(|fault| format!("{name}: {fault}"))
        })
        .collect();
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
}
