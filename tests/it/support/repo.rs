//! Git repositories made for a test, with the `git` command and nothing of the user's configuration.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A repository with a work tree in a scratch folder that goes with it; its branch is `main`.
pub(crate) struct Repo {
    scratch: tempfile::TempDir,
}

impl Repo {
    /// An empty repository.
    pub(crate) fn new() -> Self {
        let repo = Self { scratch: tempfile::tempdir().expect("a scratch folder") };
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        // For retune itself: a machine's user may have told git nothing.
        repo.git(&["config", "user.name", "Ada Tester"]);
        repo.git(&["config", "user.email", "ada@example.com"]);
        repo
    }

    /// A repository whose first commit holds these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let repo = Self::new();
        repo.commit("Begin", files);
        repo
    }

    /// The work tree, which is also what `--repo` takes.
    pub(crate) fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// A file of the work tree.
    pub(crate) fn file(&self, path: &str) -> PathBuf {
        self.path().join(path)
    }

    /// Writes a file without committing it.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let file = self.file(path);
        std::fs::create_dir_all(file.parent().expect("inside the repository")).expect("folders can be made");
        std::fs::write(file, text).expect("files can be written");
    }

    /// Writes the files, commits everything that changed and gives the commit's id.
    pub(crate) fn commit(&self, message: &str, files: &[(&str, &str)]) -> String {
        for (path, text) in files {
            self.write(path, text);
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", message]);
        self.head()
    }

    /// Removes files, commits and gives the commit's id.
    pub(crate) fn remove(&self, message: &str, paths: &[&str]) -> String {
        let mut args = vec!["rm", "-r", "--quiet", "--"];
        args.extend(paths);
        self.git(&args);
        self.commit(message, &[])
    }

    /// The id of the commit that is checked out.
    pub(crate) fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"])
    }

    /// Runs git in the work tree and gives its stdout, trimmed.
    ///
    /// # Panics
    /// If git fails; the message has its stderr.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = Command::new("git")
            .current_dir(self.path())
            .args(["-c", "gc.auto=0", "-c", "core.fsync=none", "-c", "maintenance.auto=false"])
            .args(args)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_SYSTEM", "/dev/null")
            .env("GIT_AUTHOR_NAME", "Ada Tester")
            .env("GIT_AUTHOR_EMAIL", "ada@example.com")
            .env("GIT_COMMITTER_NAME", "Ada Tester")
            .env("GIT_COMMITTER_EMAIL", "ada@example.com")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .output()
            .expect("git can be run");
        assert!(
            output.status.success(),
            "git {}: {}",
            args.join(" "),
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_string()
    }
}
