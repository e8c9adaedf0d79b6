//! The Git source against real repositories made by `git`, and against the real `git http-backend`, with TLS and without.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail the test that calls them")]

mod chart_apps;
mod chart_server;
mod charts;
mod registry;
mod remotes;
mod server;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use retune::files::{EntryKind, FileTree as _};
use retune::source::git::rollback::Author;
use retune::source::git::{
    CommitId, Credentials, GitError, GitSource, Reference, Revision, Rollback, Settings,
};
use server::{Behaviour, GitServer, self_signed};

/// A bare repository `cloud.git` and a clone `work` of it, with one commit.
struct Repo {
    dir: tempfile::TempDir,
}

impl Repo {
    fn new() -> Self {
        let repo = Self { dir: tempfile::tempdir().unwrap() };
        git(repo.path(), &["init", "-q", "--bare", "-b", "main", "cloud.git"]);
        git(repo.path(), &["init", "-q", "-b", "main", "work"]);
        git(&repo.work(), &["remote", "add", "origin", "../cloud.git"]);
        repo.commit("a.yaml", "a: 1\n", "Begin");
        repo
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn work(&self) -> PathBuf {
        self.path().join("work")
    }

    fn bare(&self) -> PathBuf {
        self.path().join("cloud.git")
    }

    /// Commits a file and pushes it; gives the commit.
    fn commit(&self, file: &str, text: &str, message: &str) -> CommitId {
        let path = self.work().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self.commit_all(message)
    }

    fn commit_all(&self, message: &str) -> CommitId {
        git(&self.work(), &["add", "-A"]);
        git(&self.work(), &["commit", "-q", "-m", message]);
        git(&self.work(), &["push", "-q", "-f", "origin", "HEAD:main"]);
        CommitId::parse(&git(&self.work(), &["rev-parse", "HEAD"])).unwrap()
    }

    fn settings(&self, location: impl Into<String>) -> Settings {
        Settings {
            location: location.into(),
            reference: Reference::Branch("main".into()),
            state_dir: self.path().join("state"),
            ..Settings::default()
        }
    }

    fn local(&self) -> GitSource {
        GitSource::open(self.settings(format!("file://{}", self.bare().display()))).unwrap()
    }

    fn serve(&self, behaviour: Behaviour) -> GitServer {
        GitServer::start(self.path(), behaviour)
    }

    fn remote(&self, server: &GitServer) -> GitSource {
        GitSource::open(self.settings(format!("{}/cloud.git", server.url))).unwrap()
    }
}

fn git(dir: &Path, args: &[&str]) -> String {
    let out = Command::new("git")
        .current_dir(dir)
        .env("HOME", dir)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_AUTHOR_NAME", "Ada")
        .env("GIT_AUTHOR_EMAIL", "ada@example.org")
        .env("GIT_COMMITTER_NAME", "Ada")
        .env("GIT_COMMITTER_EMAIL", "ada@example.org")
        .args(["-c", "protocol.file.allow=always"])
        .args(args)
        .output()
        .unwrap();
    assert!(out.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8_lossy(&out.stdout).trim().to_owned()
}

fn text(source: &GitSource, revision: &Revision, path: &str) -> String {
    let tree = source.tree(&revision.commit).unwrap();
    String::from_utf8(tree.read(path).unwrap().to_vec()).unwrap()
}

fn ada(time: i64) -> Author {
    Author { name: "Ada".into(), email: "ada@example.org".into(), time }
}

#[test]
fn a_local_branch_is_read_in_place_with_its_author_and_subject() {
    let repo = Repo::new();
    let source = repo.local();
    let first = source.poll().unwrap();
    assert_eq!(first.author, "Ada <ada@example.org>");
    assert_eq!(first.subject, "Begin");
    assert_eq!(text(&source, &first, "a.yaml"), "a: 1\n");
    let commit = repo.commit("a.yaml", "a: 2\n", "Change\n\nBecause.");
    let second = source.poll().unwrap();
    assert_eq!(second.commit, commit);
    assert_eq!((second.subject.as_str(), second.parents.as_slice()), ("Change", &[first.commit.clone()][..]));
    assert_eq!(text(&source, &second, "a.yaml"), "a: 2\n");
    assert_eq!(text(&source, &first, "a.yaml"), "a: 1\n");
    assert_eq!(source.history(&commit, 10).unwrap().len(), 2);
    assert!(source.is_ancestor(&first.commit, &commit).unwrap());
    assert!(!source.is_ancestor(&commit, &first.commit).unwrap());
    assert!(!repo.path().join("state").exists(), "nothing is copied");
}

#[test]
fn branches_tags_commits_and_head_are_followed() {
    let repo = Repo::new();
    let first = repo.local().poll().unwrap().commit;
    git(&repo.work(), &["tag", "-a", "v1", "-m", "one"]);
    git(&repo.work(), &["push", "-q", "origin", "v1"]);
    let second = repo.commit("b.yaml", "b: 1\n", "More");
    let server = repo.serve(Behaviour::default());
    for location in [repo.bare().display().to_string(), format!("{}/cloud.git", server.url)] {
        let poll = |reference| {
            let settings = Settings { reference, ..repo.settings(location.clone()) };
            GitSource::open(settings).unwrap().poll().unwrap().commit
        };
        assert_eq!(poll(Reference::Tag("v1".into())), first);
        assert_eq!(poll(Reference::Head), second);
        assert_eq!(poll(Reference::Commit(first.clone())), first);
        assert_eq!(poll(Reference::Branch("main".into())), second);
    }
    assert_eq!(repo.local().revision("v1").unwrap().commit, first);
    assert_eq!(repo.local().revision(second.short()).unwrap().commit, second);
    assert!(matches!(repo.local().revision("none"), Err(GitError::NoSuchRevision { .. })));
}

#[test]
fn a_moved_ref_of_a_local_repository_is_noticed_at_once() {
    let repo = Repo::new();
    let source = repo.local();
    let (send, changes) = mpsc::channel();
    let watch = source.watch(move || send.send(Instant::now()).unwrap_or(())).unwrap();
    assert!(watch.is_some());
    let commit = repo.commit("a.yaml", "a: 2\n", "Change");
    let deadline = Instant::now() + Duration::from_secs(20);
    while source.poll().unwrap().commit != commit {
        assert!(Instant::now() < deadline);
    }
    changes.recv_timeout(Duration::from_secs(20)).expect("a change of refs/heads/main is noticed");
    // Packed refs are another file.
    while changes.try_recv().is_ok() {}
    git(&repo.bare(), &["pack-refs", "--all"]);
    changes.recv_timeout(Duration::from_secs(20)).expect("a change of packed-refs is noticed");
    assert_eq!(source.poll().unwrap().commit, commit);
}

#[test]
fn a_remote_is_fetched_once_and_then_only_asked() {
    let repo = Repo::new();
    let server = repo.serve(Behaviour::default());
    let source = repo.remote(&server);
    assert!(matches!(source.current(), Err(GitError::NoSuchRevision { .. })));
    let first = source.poll().unwrap();
    assert_eq!(text(&source, &first, "a.yaml"), "a: 1\n");
    let before = server.requests.load(Ordering::SeqCst);
    assert_eq!(source.poll().unwrap(), first);
    assert_eq!(server.requests.load(Ordering::SeqCst) - before, 1, "an unchanged remote costs one request");
    for n in 2..6 {
        let commit = repo.commit("a.yaml", &format!("a: {n}\n"), "Change");
        assert_eq!(source.poll().unwrap().commit, commit);
    }
    let last = source.poll().unwrap();
    assert_eq!(text(&source, &last, "a.yaml"), "a: 5\n");
    assert_eq!(source.history(&last.commit, 10).unwrap().len(), 5);
    // A restart finds the mirror.
    assert_eq!(repo.remote(&server).current().unwrap(), last);
}

#[test]
fn a_failed_poll_leaves_the_last_revision_readable() {
    let repo = Repo::new();
    let server = repo.serve(Behaviour::default());
    let source = repo.remote(&server);
    let first = source.poll().unwrap();
    git(&repo.bare(), &["branch", "-m", "main", "other"]);
    let error = source.poll().unwrap_err();
    assert!(matches!(error, GitError::NoSuchRevision { .. }), "{error}");
    assert!(error.to_string().contains("there is no branch \"main\""), "{error}");
    assert_eq!(source.current().unwrap(), first);
    git(&repo.bare(), &["branch", "-m", "other", "main"]);
    drop(server);
    let error = source.poll().unwrap_err();
    assert!(matches!(error, GitError::Unreachable { .. }) && error.is_transient(), "{error}");
    assert_eq!(text(&source, &first, "a.yaml"), "a: 1\n");
}

#[test]
fn a_fetch_that_breaks_off_changes_nothing_and_the_next_one_succeeds() {
    let repo = Repo::new();
    let server = repo.serve(Behaviour { cut_after: Some(60), ..Behaviour::default() });
    let source = repo.remote(&server);
    let error = source.poll().unwrap_err();
    assert!(error.is_transient(), "{error}");
    drop(server);
    let server = repo.serve(Behaviour::default());
    assert_eq!(text(&repo.remote(&server), &repo.remote(&server).poll().unwrap(), "a.yaml"), "a: 1\n");
}

#[test]
fn a_force_push_is_followed_and_the_old_revision_stays_readable() {
    let repo = Repo::new();
    let server = repo.serve(Behaviour::default());
    let source = repo.remote(&server);
    repo.commit("a.yaml", "a: 2\n", "Change");
    let old = source.poll().unwrap();
    git(&repo.work(), &["reset", "-q", "--hard", "HEAD~1"]);
    let new = repo.commit("a.yaml", "a: 3\n", "Otherwise");
    assert_eq!(source.poll().unwrap().commit, new);
    assert_eq!(text(&source, &old, "a.yaml"), "a: 2\n");
    assert!(!source.is_ancestor(&old.commit, &new).unwrap());
}

#[test]
fn tls_is_verified_and_a_ca_file_is_trusted() {
    let repo = Repo::new();
    let (tls, pem) = self_signed();
    let server = repo.serve(Behaviour { tls: Some(tls), ..Behaviour::default() });
    let error = repo.remote(&server).poll().unwrap_err();
    assert!(matches!(error, GitError::Certificate { .. }), "{error:?}");
    let ca_file = repo.path().join("ca.pem");
    std::fs::write(&ca_file, pem).unwrap();
    let settings = repo.settings(format!("{}/cloud.git", server.url));
    let source = GitSource::open(Settings { ca_file: Some(ca_file.clone()), ..settings.clone() }).unwrap();
    assert_eq!(source.poll().unwrap().subject, "Begin");
    std::fs::write(&ca_file, "nonsense").unwrap();
    let source = GitSource::open(Settings { ca_file: Some(ca_file), ..settings }).unwrap();
    assert!(source.poll().unwrap_err().to_string().contains("holds no certificate"));
}

#[test]
fn credentials_are_asked_for_accepted_and_never_shown() {
    let repo = Repo::new();
    // base64 of me:s3cret
    let authorization = Some("Basic bWU6czNjcmV0".to_owned());
    let server = repo.serve(Behaviour { authorization, ..Behaviour::default() });
    let error = repo.remote(&server).poll().unwrap_err();
    assert!(matches!(error, GitError::Denied { status: 401, .. }), "{error}");
    let settings = repo.settings(format!("{}/cloud.git", server.url));
    let with = |text: &str| {
        let credentials = Some(Credentials::parse(text, "test").unwrap());
        GitSource::open(Settings { credentials, ..settings.clone() }).unwrap().poll()
    };
    let error = with("me:wrong").unwrap_err();
    assert!(matches!(error, GitError::Denied { status: 401, .. }), "{error}");
    assert!(!format!("{error:?}").contains("wrong"));
    assert_eq!(with("me:s3cret").unwrap().subject, "Begin");
    let in_url = settings.location.replace("http://", "http://me:s3cret@");
    let source = GitSource::open(repo.settings(in_url)).unwrap();
    assert_eq!(source.poll().unwrap().subject, "Begin");
    assert!(!source.location().to_string().contains("s3cret"));
}

#[test]
fn what_is_no_repository_is_told_apart() {
    let repo = Repo::new();
    let server = repo.serve(Behaviour::default());
    let open =
        |location: String| GitSource::open(repo.settings(location)).and_then(|s| s.poll()).unwrap_err();
    let error = open(format!("{}/none.git", server.url));
    assert!(matches!(error, GitError::NotARepository { .. }), "{error}");
    let error = open(repo.path().join("none").display().to_string());
    assert!(matches!(error, GitError::NotARepository { .. }), "{error}");
    git(repo.path(), &["init", "-q", "--bare", "--object-format=sha256", "new.git"]);
    let error = open(repo.path().join("new.git").display().to_string());
    assert!(error.to_string().contains("a SHA-256 repository"), "{error}");
    let error = open(format!("{}/new.git", server.url));
    assert!(matches!(error, GitError::NoSuchRevision { .. } | GitError::Unsupported { .. }), "{error}");
    git(repo.path(), &["init", "-q", "--bare", "ref.git"]);
    git(&repo.path().join("ref.git"), &["config", "extensions.refstorage", "reftable"]);
    git(&repo.path().join("ref.git"), &["config", "core.repositoryformatversion", "1"]);
    let error = open(repo.path().join("ref.git").display().to_string());
    assert!(error.to_string().contains("a reftable repository"), "{error}");
    git(repo.path(), &["init", "-q", "--bare", "-b", "main", "empty.git"]);
    let error = open(repo.path().join("empty.git").display().to_string());
    assert!(matches!(error, GitError::NoSuchRevision { .. }), "{error}");
    let error = open(format!("{}/empty.git", server.url));
    assert!(matches!(error, GitError::NoSuchRevision { .. }), "{error}");
}

#[test]
fn links_lfs_pointers_and_folders_read_as_on_disk() {
    let repo = Repo::new();
    let link = |target: &str, name: &str| std::os::unix::fs::symlink(target, repo.work().join(name)).unwrap();
    std::fs::create_dir_all(repo.work().join("d/e")).unwrap();
    std::fs::write(repo.work().join("d/e/x"), "x").unwrap();
    link("d/e", "l");
    link("../a.yaml", "d/up");
    link("../../etc/passwd", "out");
    link("/etc/passwd", "abs");
    link("loop", "loop");
    std::fs::write(
        repo.work().join("big.bin"),
        "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n",
    )
    .unwrap();
    let commit = repo.commit_all("Links");
    let source = repo.local();
    let tree = source.tree(&commit).unwrap();
    assert_eq!(tree.resolve("l/x").unwrap(), Some(("d/e/x".into(), EntryKind::File)));
    assert_eq!(&*tree.read("d/up").unwrap(), b"a: 1\n");
    assert_eq!(tree.list("l").unwrap(), [("x".to_owned(), EntryKind::File)]);
    assert_eq!(tree.resolve("a.yaml/x").unwrap(), None);
    for path in ["out", "abs", "loop"] {
        let error = tree.resolve(path).unwrap_err().to_string();
        assert!(error.contains("link"), "{error}");
    }
    assert!(tree.read("big.bin").unwrap_err().to_string().contains("Git LFS"));
    let disk = retune::source::disk::DiskTree::open(repo.work()).unwrap();
    let visible: Vec<_> = disk.list("").unwrap().into_iter().filter(|(n, _)| n != ".git").collect();
    assert_eq!(tree.list("").unwrap(), visible);
}

#[test]
fn a_submodule_is_read_at_its_pinned_commit() {
    let charts = Repo::new();
    let pinned = charts.commit("chart.yaml", "pinned\n", "Pin me");
    let repo = Repo::new();
    git(&repo.work(), &["submodule", "--quiet", "add", &charts.bare().display().to_string(), "sub/charts"]);
    let commit = repo.commit_all("Add a submodule");
    charts.commit("chart.yaml", "later\n", "Later");
    let source = repo.local();
    let tree = source.tree(&commit).unwrap();
    assert_eq!(tree.submodules().unwrap()[0].commit, pinned.as_str());
    assert_eq!(&*tree.read("sub/charts/chart.yaml").unwrap(), b"pinned\n");
    assert_eq!(
        tree.resolve("sub/charts/chart.yaml").unwrap(),
        Some(("sub/charts/chart.yaml".into(), EntryKind::File))
    );
    assert!(tree.list("sub/charts").unwrap().iter().any(|(n, _)| n == "a.yaml"));
    // A remote repository cannot make us read a path of this machine.
    let server = repo.serve(Behaviour::default());
    let source = repo.remote(&server);
    let revision = source.poll().unwrap();
    let error = source.tree(&revision.commit).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("may only name URLs"), "{error}");
}

#[test]
fn a_damaged_object_is_named_and_earlier_revisions_stay() {
    let repo = Repo::new();
    let first = repo.local().poll().unwrap();
    let commit = repo.commit("a.yaml", "a: 2\n", "Change");
    let blob = git(&repo.bare(), &["rev-parse", "main:a.yaml"]);
    let path = repo.bare().join("objects").join(&blob[..2]).join(&blob[2..]);
    std::fs::remove_file(path).unwrap();
    let source = repo.local();
    let tree = source.tree(&commit).unwrap();
    let error = tree.read("a.yaml").unwrap_err().to_string();
    assert!(error.contains("damaged repository") && error.contains("git fsck"), "{error}");
    assert_eq!(text(&source, &first, "a.yaml"), "a: 1\n");
    let root = commit.as_str();
    std::fs::remove_file(repo.bare().join("objects").join(&root[..2]).join(&root[2..])).unwrap();
    let error = repo.local().poll().unwrap_err();
    assert!(matches!(error, GitError::Corrupt { .. }), "{error:?}");
}

fn back(
    source: &GitSource,
    target: &CommitId,
    folder: &str,
    branch: Option<&str>,
) -> Result<Revision, GitError> {
    let author = ada(1_700_000_000);
    source.roll_back(&Rollback { target, folder, message: "Roll back", author: &author, branch })
}

#[test]
fn rolling_back_makes_one_commit_with_the_old_files() {
    let repo = Repo::new();
    let first = repo.local().poll().unwrap();
    repo.commit("b.yaml", "b: 1\n", "Add");
    let tip = repo.commit("a.yaml", "a: 2\n", "Change");
    let server = repo.serve(Behaviour::default());
    let source = repo.remote(&server);
    source.poll().unwrap();
    let made = back(&source, &first.commit, "", None).unwrap();
    assert_eq!(made.parents, std::slice::from_ref(&tip));
    assert_eq!(git(&repo.bare(), &["rev-parse", "main"]), made.commit.as_str());
    assert_eq!(
        git(&repo.bare(), &["rev-parse", "main^{tree}"]),
        git(&repo.bare(), &["rev-parse", &format!("{}^{{tree}}", first.commit)])
    );
    git(&repo.bare(), &["fsck", "--strict"]);
    let error = back(&source, &first.commit, "", None).unwrap_err().to_string();
    assert!(error.contains("already has the files"), "{error}");
    // The same in place, forward again.
    let made = back(&repo.local(), &tip, "", None).unwrap();
    assert_eq!(source.poll().unwrap(), made);
}

#[test]
fn rolling_back_one_folder_leaves_the_others_and_may_go_to_a_new_branch() {
    let repo = Repo::new();
    repo.commit("cloud/a.yaml", "a: 1\n", "Cloud");
    let first = repo.local().poll().unwrap();
    repo.commit("cloud/a.yaml", "a: 2\n", "Change");
    let tip = repo.commit("other/b.yaml", "b: 1\n", "Somebody else's");
    let server = repo.serve(Behaviour::default());
    let source = repo.remote(&server);
    let made = back(&source, &first.commit, "cloud", Some("back")).unwrap();
    assert_eq!(made.parents, std::slice::from_ref(&tip));
    git(&repo.bare(), &["fsck", "--strict"]);
    assert_eq!(git(&repo.bare(), &["rev-parse", "back"]), made.commit.as_str());
    assert_eq!(git(&repo.bare(), &["rev-parse", "main"]), tip.as_str(), "the followed branch stays");
    assert_eq!(git(&repo.bare(), &["show", "back:cloud/a.yaml"]), "a: 1");
    assert_eq!(git(&repo.bare(), &["show", "back:other/b.yaml"]), "b: 1");
    let error = back(&source, &first.commit, "cloud", Some("back")).unwrap_err().to_string();
    assert!(error.contains("refs/heads/back is there already"), "{error}");
    let error = back(&repo.local(), &first.commit, "cloud", Some("back")).unwrap_err().to_string();
    assert!(error.contains("refs/heads/back is there already"), "{error}");
    let error = back(&source, &first.commit, "cloud", Some("no name..")).unwrap_err().to_string();
    assert!(error.contains("is no name for a branch"), "{error}");
}

#[test]
fn a_checked_out_branch_is_not_moved_under_its_work_tree() {
    let repo = Repo::new();
    let first = repo.local().poll().unwrap();
    repo.commit("a.yaml", "a: 2\n", "Change");
    let source = GitSource::open(repo.settings(repo.work().display().to_string())).unwrap();
    let error = back(&source, &first.commit, "", None).unwrap_err();
    assert!(matches!(&error, GitError::PushRefused { .. }), "{error}");
    assert!(error.to_string().contains("git merge --ff-only"), "{error}");
}
