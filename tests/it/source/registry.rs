//! Charts of OCI registries: the CNCF's distribution (built from its Go module), charts pushed by the real `helm push`; with and without
//! TLS of our own authority, without authentication, with passwords, and with tokens.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use retune::cloud::Digest;
use retune::source::charts::{Settings, Store};
use retune::source::git::Credentials;

use super::chart_server::package;
use super::charts::quick;
use crate::support::root;

/// A running registry; ends with the value.
pub(crate) struct Registry {
    child: Child,
    dir: tempfile::TempDir,
    /// `localhost:PORT`
    pub(crate) host: String,
    plain: bool,
}

/// The folder with `registry` and `helm`, built once.
fn tools() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let built = Command::new(root().join("tests/controlplane/build"))
            .args(["registry", "helm"])
            .stderr(Stdio::inherit())
            .output()
            .expect("tests/controlplane/build can be run");
        assert!(built.status.success(), "the tools cannot be built: see above");
        PathBuf::from(String::from_utf8_lossy(&built.stdout).trim())
    })
}

impl Registry {
    pub(crate) fn start(auth: &str, tls: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        let mut command = Command::new(tools().join("registry"));
        command.arg("--dir").arg(&data).args(["--auth", auth, "--user", "me", "--password", "pw"]);
        if tls {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
            std::fs::write(dir.path().join("ca.pem"), made.cert.pem()).unwrap();
            std::fs::write(dir.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
            command.arg("--cert").arg(dir.path().join("ca.pem"));
            command.arg("--key").arg(dir.path().join("key.pem"));
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap();
        let host = format!("localhost:{port}");
        assert!(line.starts_with("ready "), "{line}");
        Self { child, dir, host, plain: !tls }
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// Where the chart `NAME` is: `<this>/NAME`.
    pub(crate) fn repository(&self) -> String {
        format!("oci://{}/charts/ours", self.host)
    }

    /// Pushes with the real helm.
    pub(crate) fn push(&self, name: &str, version: &str, bytes: &[u8]) {
        let file = self.dir.path().join(format!("{name}-{version}.tgz"));
        std::fs::write(&file, bytes).unwrap();
        let mut command = Command::new(tools().join("helm"));
        command.arg("push").arg(&file).arg(self.repository()).args(["--username", "me", "--password", "pw"]);
        if self.plain {
            command.arg("--plain-http");
        } else {
            command.arg("--ca-file").arg(self.ca());
        }
        for home in ["CACHE", "CONFIG", "DATA"] {
            command.env(format!("HELM_{home}_HOME"), self.dir.path().join(home));
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "helm push: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn store(&self, cache: &Path) -> Store {
        let ca_file = (!self.plain).then(|| self.ca());
        Store::new(Settings {
            cache_dir: cache.to_path_buf(),
            ca_file,
            retry: quick(),
            ..Settings::default()
        })
        .unwrap()
    }

    fn pull(
        &self,
        reference: &str,
        version: &str,
        password: Option<&str>,
    ) -> Result<(String, Digest), String> {
        let cache = tempfile::tempdir().unwrap();
        let credentials = password.map(|p| Credentials::basic("me", p));
        let package = self.store(cache.path()).pull(None, reference, version, credentials, self.plain, false);
        package.map(|p| (p.version, p.digest)).map_err(|e| e.to_string())
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        // It ends with its stdin, too.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "needs the registry and helm: ./tests/run"]
fn versions_ranges_tags_and_digests_are_pulled_from_an_open_registry() {
    let registry = Registry::start("none", true);
    let packages: Vec<(&'static str, Vec<u8>)> = ["1.0.0", "1.2.0", "1.10.0", "2.0.0-rc.1", "1.3.0+build.5"]
        .map(|v| (v, package("demo", v, "oci")))
        .to_vec();
    for (version, bytes) in &packages {
        registry.push("demo", version, bytes);
    }
    let digest = |version: &str| Digest::of(&packages.iter().find(|(v, _)| *v == version).unwrap().1);
    let reference = format!("{}/demo", registry.repository());
    for (asked, want) in [
        ("", "1.10.0"),
        ("1.2.0", "1.2.0"),
        ("~1.2", "1.2.0"),
        ("1.3.0+build.5", "1.3.0+build.5"),
        (">=1.3.0 <1.4", "1.3.0+build.5"),
        (">=2.0.0-0", "2.0.0-rc.1"),
    ] {
        let got = registry.pull(&reference, asked, None).unwrap_or_else(|e| panic!("{asked:?}: {e}"));
        assert_eq!(got, (want.to_owned(), digest(want)), "{asked:?}");
    }
    assert_eq!(registry.pull(&format!("{reference}:1.2.0"), "", None).unwrap().0, "1.2.0");
    let error = registry.pull(&format!("{reference}:1.2.0"), "1.0.0", None).unwrap_err();
    assert!(error.contains("chart reference and version mismatch: 1.0.0 is not 1.2.0"), "{error}");
    let error = registry.pull(&reference, "3.0.0", None).unwrap_err();
    assert!(
        error.contains("manifests/3.0.0: not found (HTTP 404)") && error.contains("check the chart's name"),
        "{error}"
    );
    let error = registry.pull(&reference, "^3", None).unwrap_err();
    assert!(error.contains("the chart \"demo\" has no version \"^3\"; it has 2.0.0-rc.1, 1.10.0"), "{error}");
    let other =
        Store::new(Settings { cache_dir: "unused".into(), retry: quick(), ..Settings::default() }).unwrap();
    let error = other.pull(None, &reference, "1.0.0", None, false, false).unwrap_err().to_string();
    assert!(error.contains("certificate is not accepted"), "{error}");
}

#[test]
#[ignore = "needs the registry and helm: ./tests/run"]
fn passwords_and_tokens_are_given_where_the_registry_asks_for_them() {
    for auth in ["basic", "token"] {
        let registry = Registry::start(auth, true);
        registry.push("demo", "1.0.0", &package("demo", "1.0.0", auth));
        let reference = format!("{}/demo", registry.repository());
        assert_eq!(registry.pull(&reference, "1.0.0", Some("pw")).unwrap().0, "1.0.0", "{auth}");
        assert_eq!(registry.pull(&reference, "^1", Some("pw")).unwrap().0, "1.0.0", "{auth}");
        let error = registry.pull(&reference, "1.0.0", None).unwrap_err();
        assert!(
            error.contains("access denied (HTTP 401)") && error.contains("give credentials"),
            "{auth}: {error}"
        );
        let error = registry.pull(&reference, "1.0.0", Some("hunter2")).unwrap_err();
        assert!(error.contains("not accepted") && !error.contains("hunter2"), "{auth}: {error}");
    }
}

#[test]
#[ignore = "needs the registry and helm: ./tests/run"]
fn plain_http_must_be_asked_for() {
    let registry = Registry::start("none", false);
    registry.push("demo", "1.0.0", &package("demo", "1.0.0", "x"));
    let reference = format!("{}/demo", registry.repository());
    assert_eq!(registry.pull(&reference, "1.0.0", None).unwrap().0, "1.0.0");
    let cache = tempfile::tempdir().unwrap();
    assert!(registry.store(cache.path()).pull(None, &reference, "1.0.0", None, false, false).is_err());
}
