//! `fixtures/kustomize-remote/`: builds whose bases are remote, answered by the real kustomize through
//! `tests/oracle/kustomize_remote.py`, which says how a case is laid out. Here `retune` reaches the same repositories over
//! `git http-backend`.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use retune::kustomize::repospec::RepoSpec;
use retune::kustomize::{Error, Remote as _, error::Kind};
use retune::source::remote::RemoteBases;

use super::git;
use super::server::{Behaviour, GitServer, self_signed};

/// Commits by repository and tag.
type Commits = BTreeMap<(String, String), String>;

/// A case's repositories, files and input in a folder of their own, behind a server.
struct Case {
    root: tempfile::TempDir,
    server: GitServer,
    commits: Commits,
    source: PathBuf,
}

impl Case {
    fn new(source: &Path, behaviour: Behaviour) -> Self {
        let root = tempfile::tempdir().unwrap();
        let server = GitServer::start(root.path(), behaviour);
        let mut case = Self { root, server, commits: Commits::new(), source: source.to_path_buf() };
        for name in names(&source.join("repos")) {
            case.repository(&name);
        }
        for part in ["www", "input"] {
            case.copy(&source.join(part), &case.root.path().join(part));
        }
        case
    }

    fn file_url(&self) -> String {
        format!("file://{}", self.root.path().display())
    }

    fn fill(&self, text: &str) -> String {
        let mut text = text.replace("@HTTP@", &self.server.url).replace("@FILE@", &self.file_url());
        for ((name, tag), commit) in &self.commits {
            text = text.replace(&format!("@SHA:{name}:{tag}@"), commit);
        }
        text
    }

    /// The text as the answer has it: without what differs from run to run.
    fn plain(&self, text: &[u8]) -> String {
        let text = String::from_utf8_lossy(text);
        text.replace(&self.server.url, "@HTTP@").replace(&self.file_url(), "@FILE@")
    }

    fn copy(&self, from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for name in names(from) {
            let (from, to) = (from.join(&name), to.join(&name));
            if from.is_dir() {
                self.copy(&from, &to);
            } else {
                fs::write(to, self.fill(&fs::read_to_string(from).unwrap())).unwrap();
            }
        }
    }

    /// One commit for each folder in `repos/NAME`, in order.
    fn repository(&mut self, name: &str) {
        let bare = self.root.path().join(format!("{name}.git"));
        let bare_text = bare.display().to_string();
        git(self.root.path(), &["init", "-q", "--bare", "-b", "main", &bare_text]);
        let work = tempfile::tempdir().unwrap();
        git(work.path(), &["init", "-q", "-b", "main"]);
        for step in names(&self.source.join("repos").join(name)) {
            let tag = step.split_once('-').unwrap().1;
            git(work.path(), &["rm", "-r", "-q", "-f", "--ignore-unmatch", "."]);
            self.copy(&self.source.join("repos").join(name).join(&step), work.path());
            let mut links = Vec::new();
            find_links(work.path(), &mut links);
            for link in &links {
                let text = fs::read_to_string(link).unwrap();
                fs::remove_file(link).unwrap();
                let (sub, at) = text.trim().split_once(':').unwrap();
                let commit = &self.commits[&(sub.to_owned(), at.to_owned())];
                let path = link.strip_prefix(work.path()).unwrap().with_extension("");
                let entry = format!("160000,{commit},{}", path.display());
                git(work.path(), &["update-index", "--add", "--cacheinfo", &entry]);
                fs::create_dir_all(work.path().join(path)).unwrap();
            }
            git(work.path(), &["add", "."]);
            git(work.path(), &["commit", "-q", "-m", &step]);
            git(work.path(), &["tag", tag]);
            git(work.path(), &["push", "-q", &bare_text, "HEAD:main", tag]);
            let commit = git(work.path(), &["rev-parse", "HEAD"]);
            self.commits.insert((name.to_owned(), tag.to_owned()), commit);
        }
    }

    /// What `retune kustomize build` says to the case.
    fn build(&self, arguments: &[&str], ca_file: Option<&Path>) -> Output {
        let target = fs::read_to_string(self.source.join("target"));
        let target = match &target {
            Ok(text) => self.fill(text.trim()),
            Err(_) => self.root.path().join("input").display().to_string(),
        };
        let mut command = Command::new(env!("CARGO_BIN_EXE_retune"));
        command.args(["kustomize", "build", &target]).args(arguments);
        if let Some(ca) = ca_file {
            command.env("SSL_CERT_FILE", ca);
        }
        command.output().unwrap()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != ".git")
        .collect();
    names.sort();
    names
}

fn find_links(folder: &Path, links: &mut Vec<PathBuf>) {
    for name in names(folder) {
        let path = folder.join(name);
        if path.is_dir() {
            find_links(&path, links);
        } else if path.extension().is_some_and(|e| e == "gitlink") {
            links.push(path);
        }
    }
}

fn cases() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kustomize-remote")
}

/// What is wrong with the answer to a case, if anything.
fn fault(name: &str, behaviour: Behaviour, ca_file: Option<&Path>) -> Option<String> {
    let source = cases().join(name);
    let case = Case::new(&source, behaviour);
    let out = case.build(&[], ca_file);
    let (stdout, stderr) = (case.plain(&out.stdout), case.plain(&out.stderr));
    match fs::read_to_string(source.join("expected.yaml")) {
        Ok(want) if !out.status.success() => Some(format!("refused: {stderr}; expected {want}")),
        Ok(want) if stdout != want => Some(format!("got {stdout}\nwant {want}")),
        Ok(_) => {
            let want = fs::read_to_string(source.join("expected_stderr.txt")).unwrap_or_default();
            (stderr != want).then(|| format!("stderr {stderr:?}, want {want:?}"))
        }
        Err(_) if out.status.code() != Some(1) => {
            Some(format!("ended with {:?}: {stdout}{stderr}", out.status))
        }
        // The place: the kustomization that names the remote, or one in it.
        Err(_) => (!stderr.contains("kustomization.yaml")).then(|| format!("names no file: {stderr}")),
    }
}

#[test]
fn remote_bases_are_answered_as_the_original_answers_them() {
    let names = names(&cases());
    assert!(names.len() >= 35, "only {} cases", names.len());
    let faults: Vec<String> = names
        .iter()
        .filter_map(|name| fault(name, Behaviour::default(), None).map(|fault| format!("{name}: {fault}")))
        .collect();
    assert!(faults.is_empty(), "{} of {}:\n{}", faults.len(), names.len(), faults.join("\n"));
}

#[test]
fn remote_bases_come_over_tls_only_from_servers_that_are_trusted() {
    let (tls, pem) = self_signed();
    let behaviour = Behaviour { tls: Some(tls), ..Behaviour::default() };
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    fs::write(&ca, pem).unwrap();
    for name in ["base-at-a-tag", "base-at-a-full-commit", "submodule-at-its-commit", "file-over-http"] {
        assert_eq!(fault(name, behaviour.clone(), Some(&ca)), None, "{name}");
    }
    let case = Case::new(&cases().join("base-at-a-tag"), behaviour);
    let out = case.build(&[], None);
    let stderr = case.plain(&out.stderr);
    assert!(!out.status.success() && stderr.contains("kustomization.yaml:2: @HTTP@/base.git"), "{stderr}");
    assert!(stderr.contains("ertificate"), "{stderr}");
}

#[test]
fn offline_a_remote_base_is_refused_with_its_line_and_nothing_is_asked() {
    let case = Case::new(&cases().join("base-at-a-tag"), Behaviour::default());
    let out = case.build(&["--offline"], None);
    let stderr = case.plain(&out.stderr);
    assert_eq!(out.status.code(), Some(1));
    assert!(stderr.contains("kustomization.yaml:2: '@HTTP@/base.git//app?ref=v1' is remote"), "{stderr}");
    assert_eq!(case.server.requests.load(Ordering::SeqCst), 0);
}

#[test]
fn what_was_fetched_once_is_not_fetched_again() {
    let case = Case::new(&cases().join("base-at-a-full-commit"), Behaviour::default());
    let remotes = RemoteBases::scratch(None);
    let get =
        |url: &str| -> Result<_, Error> { remotes.repository(&RepoSpec::parse(&case.fill(url)).unwrap()) };
    let tree = get("@HTTP@/base.git//app?ref=v1").unwrap();
    assert!(tree.read("app/cm.yaml").is_ok());
    let asked = case.server.requests.load(Ordering::SeqCst);
    assert!(get("@HTTP@/base.git//?ref=v1").is_ok() && get("@HTTP@/base.git//other?ref=v1").is_ok());
    assert_eq!(case.server.requests.load(Ordering::SeqCst), asked);
    let e = get("@HTTP@/base.git?ref=v9").err().unwrap();
    assert_eq!(e.kind(), Kind::Remote);
    assert!(e.to_string().contains("there is no branch or tag \"v9\""), "{e}");
}

#[test]
fn a_commit_that_a_process_keeps_needs_no_server_any_more() {
    let case = Case::new(&cases().join("base-at-a-full-commit"), Behaviour::default());
    let kept = tempfile::tempdir().unwrap();
    let spec =
        RepoSpec::parse(&case.fill("@HTTP@/base.git//app?ref=@SHA:base:v1@&submodules=false")).unwrap();
    let first = RemoteBases::kept(kept.path().to_path_buf(), None).repository(&spec).unwrap();
    assert!(first.read("app/cm.yaml").is_ok());
    let asked = case.server.requests.load(Ordering::SeqCst);
    let again = RemoteBases::kept(kept.path().to_path_buf(), None).repository(&spec).unwrap();
    assert!(again.read("app/cm.yaml").is_ok());
    assert_eq!(case.server.requests.load(Ordering::SeqCst), asked, "the server was asked again");
}

#[test]
fn a_server_that_never_answers_is_given_up_after_the_timeout() {
    // Connections wait in the listener's queue; nobody takes them.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/a/b.git//c?timeout=1", listener.local_addr().unwrap());
    let begun = Instant::now();
    let e = RemoteBases::scratch(None).repository(&RepoSpec::parse(&url).unwrap()).err().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert!(e.to_string().contains("timeout"), "{e}");
}

#[test]
fn a_base_from_the_network_may_not_name_repositories_of_this_machine() {
    let case = Case::new(&cases().join("remote-of-a-remote"), Behaviour::default());
    let work = case.root.path().join("evil");
    git(
        case.root.path(),
        &["clone", "-q", &case.root.path().join("upper.git").display().to_string(), "evil"],
    );
    let inner = format!("resources:\n- {}/base.git//app\n", case.file_url());
    fs::write(work.join("o/kustomization.yaml"), inner).unwrap();
    git(&work, &["commit", "-q", "-a", "-m", "evil"]);
    git(&work, &["push", "-q", "origin", "HEAD:main"]);
    let input = format!("resources:\n- {}/upper.git//o?ref=main\n", case.server.url);
    fs::write(case.root.path().join("input/kustomization.yaml"), input).unwrap();
    let out = case.build(&[], None);
    let stderr = case.plain(&out.stderr);
    assert!(stderr.contains("may not name files of this machine"), "{stderr}");
    assert_eq!(out.status.code(), Some(1));
}

#[test]
fn a_cloud_takes_a_remote_base_only_at_a_commit() {
    let case = Case::new(&cases().join("base-at-a-full-commit"), Behaviour::default());
    let cloud = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = cloud.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, case.fill(text)).unwrap();
    };
    write(
        "retune.yaml",
        "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata:\n  name: lab\nspec:\n  profiles: [base]\n",
    );
    write(
        "apps/web.yaml",
        "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata:\n  name: web\nspec:\n  namespace: web\n",
    );
    let render = |base: &str, arguments: &[&str]| {
        write("kustomize/web/base/kustomization.yaml", &format!("resources:\n- {base}\n"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_retune"));
        command.arg("check").arg(cloud.path()).args(arguments);
        let out = command.output().unwrap();
        (out.status.code(), case.plain(&out.stdout) + &case.plain(&out.stderr))
    };
    let (code, text) = render("@HTTP@/base.git//app?ref=@SHA:base:v1@", &[]);
    assert_eq!((code, text.contains("1 apps, 1 objects")), (Some(0), true), "{text}");
    let (code, text) = render("@HTTP@/base.git//app?ref=@SHA:base:v1@", &["--offline"]);
    assert!(
        code == Some(1) && text.contains("kustomization.yaml:2") && text.contains("not fetched"),
        "{text}"
    );
    for (base, why) in [
        ("@HTTP@/base.git//app?ref=v1", "can change without a commit"),
        ("github.com/a/b//app?ref=v1", "\"v1\" can move"),
        ("@HTTP@/www/x.yaml", "can change without a commit"),
        ("@FILE@/base.git//app?ref=@SHA:base:v1@", "a folder of one machine"),
    ] {
        let (code, text) = render(base, &[]);
        assert!(
            code == Some(1) && text.contains("kustomization.yaml:2") && text.contains(why),
            "{base}: {text}"
        );
    }
}
