//! `retune helm template` against what the real Helm answered (`fixtures/helm`, written by `tests/oracle/helm.py`).

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use retune::files::MemTree;
use retune::helm::{self, Chart, HookEvent, Randomness, ReleaseOptions};
use retune::source::disk::DiskTree;
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    name: String,
    args: Vec<String>,
    /// So many times with `--output-dir`; the files follow what the last run prints.
    #[serde(default)]
    runs: usize,
    /// Fragments of the error where the wording may differ from Helm's.
    #[serde(default)]
    error: Vec<String>,
    /// Helm tells the violations of a schema in random order.
    #[serde(default)]
    order: bool,
}

fn fixtures(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// Every file below `root` with its path and text, in byte order of the paths.
fn files(root: &Path) -> String {
    let mut all = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { all.push(path) }
        }
    }
    all.sort_by_key(|path| path.display().to_string());
    all.iter().fold(String::new(), |mut text, path| {
        let name = path.strip_prefix(root).unwrap().display();
        let _ = write!(text, "==> {name}\n{}", String::from_utf8_lossy(&fs::read(path).unwrap()));
        text
    })
}

/// Lines as a tree by their indentation, siblings sorted; what begins without a dash keeps its place.
fn blocks(lines: &[&str]) -> Vec<String> {
    let depth = |line: &str| {
        let rest = line.trim_start_matches(' ');
        if rest.starts_with("- ") { (line.len() - rest.len()) / 2 + 1 } else { 0 }
    };
    let mut siblings: Vec<Vec<String>> = Vec::new();
    let mut rest = lines;
    while let Some((first, after)) = rest.split_first() {
        let inner = after.iter().take_while(|line| depth(line) > depth(first)).count();
        siblings.push([vec![(*first).to_owned()], blocks(&after[..inner])].concat());
        rest = &after[inner..];
    }
    if siblings.iter().all(|block| depth(&block[0]) > 0) {
        siblings.sort();
    }
    siblings.concat()
}

fn sorted(text: &str) -> String {
    blocks(&text.lines().collect::<Vec<_>>()).join("\n")
}

/// What is wrong with a case, if anything.
fn check(case: &Case) -> Option<String> {
    let out = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_retune"));
    command.args(["helm", "template"]).args(&case.args).current_dir(fixtures("charts"));
    if case.runs > 0 {
        command.arg("--output-dir").arg(out.path());
    }
    for _ in 1..case.runs {
        command.output().unwrap();
    }
    let run = command.output().unwrap();
    let stdout = String::from_utf8_lossy(&run.stdout).replace(&out.path().display().to_string(), "<out>");
    let stdout = stdout + &files(out.path());
    let stderr = String::from_utf8_lossy(&run.stderr);
    if let Ok(expected) = fs::read_to_string(fixtures("helm").join(format!("{}.out", case.name))) {
        if !run.status.success() {
            return Some(format!("helm succeeds, retune fails:\n{stderr}"));
        }
        if stdout == expected {
            return None;
        }
        let diff = similar::TextDiff::from_lines(&expected, &stdout);
        return Some(diff.unified_diff().context_radius(1).header("helm", "retune").to_string());
    }
    let expected = fs::read_to_string(fixtures("helm").join(format!("{}.err", case.name))).unwrap();
    if run.status.code() != Some(1) {
        return Some(format!("helm fails, retune ends with {:?}; helm says:\n{expected}", run.status.code()));
    }
    let stderr = if case.order { sorted(&stderr) } else { stderr.into_owned() };
    let exact = vec![if case.order { sorted(expected.trim_end()) } else { expected.trim_end().to_owned() }];
    let wanted = if case.error.is_empty() { &exact } else { &case.error };
    let missing: Vec<&String> = wanted.iter().filter(|w| !stderr.contains(w.as_str())).collect();
    (!missing.is_empty()).then(|| format!("the error lacks {missing:#?}\nretune says:\n{stderr}"))
}

#[test]
fn every_case_prints_what_helm_prints_or_fails_with_helms_words() {
    let text = fs::read_to_string(fixtures("helm/cases.json")).unwrap();
    let cases: Vec<Case> = serde_json::from_str(&text).unwrap();
    assert!(cases.len() >= 40);
    let mut report = String::new();
    let mut failed = 0;
    for case in &cases {
        if let Some(problem) = check(case) {
            failed += 1;
            let _ = writeln!(report, "== {} ({})\n{problem}", case.name, case.args.join(" "));
        }
    }
    assert!(failed == 0, "{failed} of {} cases:\n{report}", cases.len());
}

fn chart(files: &[(&str, &str)]) -> Chart {
    let tree: MemTree = files.iter().map(|(p, b)| (*p, b.as_bytes().to_vec())).collect();
    Chart::load(&tree, "").unwrap()
}

fn stable(seed: u8) -> ReleaseOptions {
    ReleaseOptions {
        randomness: Randomness::Stable { seed: [seed; 32], scope: "cloud".into() },
        now: (1_700_000_000, 0),
        ..ReleaseOptions::new("rel", "ns")
    }
}

fn rendered(chart: &Chart, options: &ReleaseOptions) -> String {
    helm::render(chart, options, &serde_json::Map::new()).unwrap().manifest_without_hooks()
}

const META: (&str, &str) = ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n");
const DRAWS: &str =
    "a: {{ randAlphaNum 20 }}\nb: {{ uuidv4 }}\nc: {{ randAlphaNum 20 }}\nt: {{ now | unixEpoch }}\n";

#[test]
fn a_stable_render_gives_the_same_bytes_again_and_other_bytes_for_another_seed() {
    let chart = chart(&[META, ("templates/a.yaml", DRAWS)]);
    let first = rendered(&chart, &stable(1));
    assert_eq!(first, rendered(&chart, &stable(1)));
    let other = rendered(&chart, &stable(2));
    assert_ne!(first, other);
    assert!(first.contains("t: 1700000000\n"), "{first}");
    // Two equal calls in one place differ by their occurrence.
    let value = |key: &str| first.lines().find_map(|l| l.strip_prefix(key)).unwrap().to_owned();
    assert_ne!(value("a: "), value("c: "));
    let elsewhere = ReleaseOptions { name: "other".into(), ..stable(1) };
    assert_ne!(first, rendered(&chart, &elsewhere));
}

#[test]
fn a_draw_in_another_template_changes_nothing_elsewhere() {
    let one = chart(&[META, ("templates/a.yaml", DRAWS)]);
    let two = chart(&[META, ("templates/a.yaml", DRAWS), ("templates/b.yaml", "x: {{ randAlphaNum 20 }}\n")]);
    let (first, second) = (rendered(&one, &stable(1)), rendered(&two, &stable(1)));
    assert_ne!(first, second);
    assert!(second.contains(first.trim()), "{first}\n{second}");
}

#[test]
fn random_renders_differ() {
    let chart = chart(&[META, ("templates/a.yaml", DRAWS)]);
    let with = |entropy: u8| ReleaseOptions {
        randomness: Randomness::Random { entropy: [entropy; 32] },
        ..ReleaseOptions::new("rel", "ns")
    };
    assert_ne!(rendered(&chart, &with(1)), rendered(&chart, &with(2)));
}

#[test]
fn hooks_are_data_and_stay_out_of_the_manifest() {
    let tree = DiskTree::open(fixtures("charts")).unwrap();
    let chart = Chart::load(&tree, "service").unwrap();
    let release = helm::render(&chart, &ReleaseOptions::new("svc", "ns"), &serde_json::Map::new()).unwrap();
    let job = release.hooks.iter().find(|h| h.name == "service-bootstrap").unwrap();
    assert_eq!(job.events, [HookEvent::PostInstall, HookEvent::PostUpgrade]);
    assert_eq!(job.weight, 5);
    assert_eq!(job.delete_policies, ["before-hook-creation", "hook-succeeded"]);
    assert!(!release.manifest_without_hooks().contains("service-bootstrap"));
    assert_eq!(release.notes, "Installed svc at http://identity-internal.ns.svc.cluster.test:5000/v3\n");
}

#[test]
fn file_dependencies_are_taken_from_the_tree_when_asked_for() {
    let tree = DiskTree::open(fixtures("charts")).unwrap();
    let options = ReleaseOptions::new("v", "ns");
    let bare = Chart::load(&tree, "vendoring").unwrap();
    let error = helm::render(&bare, &options, &serde_json::Map::new()).unwrap_err();
    assert!(matches!(&error, helm::Error::MissingDependencies(names) if names == &["toolkit"]), "{error}");
    let vendored = Chart::load_and_vendor(&tree, "vendoring").unwrap();
    let release = helm::render(&vendored, &options, &serde_json::Map::new()).unwrap();
    assert!(release.manifests[0].text.starts_with("hash: "));
}

#[test]
fn a_template_that_never_ends_is_stopped() {
    let chart = chart(&[
        META,
        ("templates/a.yaml", "{{ define \"x\" }}{{ template \"x\" . }}{{ end }}{{ template \"x\" . }}"),
    ]);
    let error = helm::render(&chart, &ReleaseOptions::new("r", "n"), &serde_json::Map::new()).unwrap_err();
    assert!(error.to_string().contains("exceeded maximum template depth"), "{error}");
}
