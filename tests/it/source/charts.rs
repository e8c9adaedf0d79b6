//! Charts of HTTP repositories: versions as the real Helm chooses them, digests, credentials, retries, the lock, the cache, replacements.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use retune::source::charts::{Retry, Settings, Store};

use super::chart_server::{Behaviour, ChartServer, package};
use super::server::self_signed;
use crate::support::Repo;

/// Requests are repeated at once.
pub(crate) fn quick() -> Retry {
    Retry { attempts: 4, base: Duration::from_millis(1), cap: Duration::from_millis(4) }
}

fn store(cache: &Path) -> Store {
    Store::new(Settings { cache_dir: cache.to_path_buf(), retry: quick(), ..Settings::default() }).unwrap()
}

fn fixtures(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
}

/// A cloud with one app per chart: name, repository, version.
pub(crate) fn cloud(spec: &str, apps: &[(&str, &str, &str)]) -> Repo {
    let repo = Repo::new();
    repo.write(
        "retune.yaml",
        &format!("apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {{name: x}}\nspec:\n  profiles: [base]\n{spec}"),
    );
    for (name, repository, version) in apps {
        repo.write(
            &format!("apps/{name}.yaml"),
            &format!(
                "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {{name: {name}}}\nspec:\n  namespace: ns\n  chart:\n    repository: {repository}\n    version: \"{version}\"\n"
            ),
        );
    }
    repo
}

/// `retune` in a repository, with a cache of its own beside it.
fn retune(repo: &Repo, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_retune"))
        .args(args)
        .current_dir(repo.path())
        .env("XDG_CACHE_HOME", repo.path().join(".git/cache"))
        .env("NO_COLOR", "1")
        .env_remove("HELM_REPOSITORY_CONFIG")
        .env_remove("HELM_REGISTRY_CONFIG")
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Stdout of a command that succeeds.
fn good(repo: &Repo, args: &[&str]) -> String {
    let output = retune(repo, args);
    assert!(output.status.success(), "{args:?}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

/// Status and all words of a command that does not.
fn bad(repo: &Repo, args: &[&str]) -> (i32, String) {
    let output = retune(repo, args);
    assert!(!output.status.success(), "{args:?}: {}", text(&output.stdout));
    (output.status.code().unwrap_or(-1), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn versions_are_chosen_as_the_real_helm_chooses_them_from_the_index_that_it_wrote() {
    let server = ChartServer::start(None);
    server.publish_folder(&fixtures("repository"));
    let cache = tempfile::tempdir().unwrap();
    let store = store(cache.path());
    let answers: BTreeMap<String, Option<String>> =
        serde_json::from_slice(&std::fs::read(fixtures("repository/versions.json")).unwrap()).unwrap();
    assert!(answers.len() >= 25);
    for (asked, want) in answers {
        let got = store.pull(Some(&server.url), "demo", &asked, None, false, false);
        assert_eq!(got.as_ref().ok().map(|p| p.version.clone()), want, "{asked:?}: {got:?}");
    }
    let indexes = server.requests().iter().filter(|(path, _)| path == "/index.yaml").count();
    assert_eq!(indexes, 1, "one index serves all questions until it is refreshed");
}

#[test]
fn helm_template_takes_a_chart_of_a_repository_with_credentials_and_an_authority_of_its_own() {
    let (tls, ca) = self_signed();
    let server = ChartServer::start(Some(tls));
    server.publish_folder(&fixtures("repository"));
    server.behave(Behaviour { authorization: Some("Basic bWU6cHc=".into()), ..Behaviour::default() });
    let repo = Repo::new();
    repo.write("ca.pem", &ca);
    let base = ["helm", "template", "r", "demo", "--repo", &server.url, "--version", "~1.2.0"];
    let with =
        |more: &[&'static str]| -> Vec<&str> { base.iter().copied().chain(more.iter().copied()).collect() };
    let printed = good(&repo, &with(&["--ca-file", "ca.pem", "--username", "me", "--password", "pw"]));
    assert!(printed.contains("name: r-demo") && printed.contains("version: \"1.2.1\""), "{printed}");
    let (code, words) = bad(&repo, &base);
    assert!(
        code == 1 && words.contains("certificate is not accepted") && words.contains("--ca-file"),
        "{words}"
    );
    let (_, words) = bad(&repo, &with(&["--ca-file", "ca.pem"]));
    assert!(
        words.contains("index.yaml: access denied (HTTP 401)") && words.contains("give credentials"),
        "{words}"
    );
    let (_, words) = bad(&repo, &with(&["--ca-file", "ca.pem", "--username", "me", "--password", "hunter2"]));
    assert!(words.contains("not accepted") && !words.contains("hunter2"), "{words}");
    // Direct addresses of packages work too, and a missing version says what there is.
    let url = format!("{}/demo-1.0.0.tgz", server.url);
    let auth = ["--ca-file", "ca.pem", "--username", "me", "--password", "pw"];
    assert!(good(&repo, &[&["helm", "template", &url], &auth[..]].concat()).contains("version: \"1.0.0\""));
    let (_, words) = bad(
        &repo,
        &[&["helm", "template", "demo", "--repo", &server.url, "--version", "7.7"], &auth[..]].concat(),
    );
    assert!(
        words.contains("the chart \"demo\" has no version \"7.7\"; it has 2.0.0-rc.1, 1.10.0, v1.4.0"),
        "{words}"
    );
}

#[test]
fn credentials_stay_with_their_host_unless_the_operator_says_otherwise() {
    let (index, other) = (ChartServer::start(None), ChartServer::start(None));
    let bytes = package("c", "1.0.0", "x");
    index.put(
        "/index.yaml",
        format!("apiVersion: v1\nentries:\n  c:\n  - {{version: 1.0.0, urls: ['{}/c.tgz']}}\n", other.url),
    );
    other.put("/c.tgz", bytes);
    let repo = Repo::new();
    let config = |more: &str| {
        repo.write(
            "repositories.yaml",
            &format!("repositories:\n- url: {}/\n  username: me\n  password: pw\n{more}", index.url),
        );
    };
    let args = ["helm", "template", "c", "--repo", &index.url, "--repository-config", "repositories.yaml"];
    config("");
    good(&repo, &args);
    assert_eq!(index.requests(), [("/index.yaml".to_owned(), Some("Basic bWU6cHc=".to_owned()))]);
    assert_eq!(other.requests(), [("/c.tgz".to_owned(), None)]);
    config("  pass_credentials_all: true\n");
    good(&repo, &args);
    assert_eq!(other.requests(), [("/c.tgz".to_owned(), Some("Basic bWU6cHc=".to_owned()))]);
    repo.write("repositories.yaml", &format!("repositories: [{{url: '{}', token: tok}}]\n", index.url));
    good(&repo, &args);
    assert_eq!(index.requests().last().unwrap().1.as_deref(), Some("Bearer tok"));
}

#[test]
fn a_server_in_trouble_is_asked_again_and_a_denial_is_not() {
    let server = ChartServer::start(None);
    server.publish(&[("c", "1.0.0", package("c", "1.0.0", "x"))]);
    let cache = tempfile::tempdir().unwrap();
    let pull = || store(cache.path()).pull(Some(&server.url), "c", "1.0.0", None, false, false);
    server.behave(Behaviour { troubles: vec![503, 429, 500], ..Behaviour::default() });
    pull().unwrap();
    assert_eq!(server.requests().len(), 5, "four for the index, one for the package");
    server.behave(Behaviour { cuts: 1, ..Behaviour::default() });
    pull().unwrap();
    assert_eq!(
        server.requests().iter().filter(|(p, _)| p == "/index.yaml").count(),
        2,
        "a cut answer is asked for again"
    );
    server.behave(Behaviour { troubles: vec![502; 9], ..Behaviour::default() });
    let error = pull().unwrap_err().to_string();
    assert!(error.contains("/index.yaml: HTTP 502"), "{error}");
    assert_eq!(server.requests().len(), 4, "four attempts, then the truth");
    server.behave(Behaviour { troubles: vec![403], ..Behaviour::default() });
    assert!(pull().unwrap_err().to_string().contains("access denied (HTTP 403)"));
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_package_that_is_not_what_the_index_says_is_refused() {
    let server = ChartServer::start(None);
    server.publish(&[("c", "1.0.0", package("c", "1.0.0", "one"))]);
    server.put("/packages/c-1.0.0.tgz", package("c", "1.0.0", "another"));
    let cache = tempfile::tempdir().unwrap();
    let error =
        store(cache.path()).pull(Some(&server.url), "c", "", None, false, false).unwrap_err().to_string();
    assert!(
        error.contains("c-1.0.0.tgz: the package has the digest sha256:") && error.contains("says sha256:"),
        "{error}"
    );
    server.put("/index.yaml", "<html>not here</html>");
    let error =
        store(cache.path()).pull(Some(&server.url), "c", "", None, false, false).unwrap_err().to_string();
    assert!(error.contains("/index.yaml: "), "{error}");
}

#[test]
fn a_chart_must_be_locked_and_the_lock_says_what_changes() {
    let server = ChartServer::start(None);
    let one = package("one", "1.0.0", "x");
    server.publish(&[("one", "1.0.0", one.clone()), ("two", "1.2.0", package("two", "1.2.0", "x"))]);
    let spec = format!("  chartRepositories:\n    ours: {{url: '{}/'}}\n", server.url);
    let repo = cloud(&spec, &[("one", "ours", "1.0.0"), ("two", "ours", "^1")]);
    let (code, words) = bad(&repo, &["check"]);
    assert!(
        code == 1
            && words.starts_with("retune.lock: error: there is none")
            && words.contains("(one, two)")
            && words.contains("run `retune lock .` where the network reaches"),
        "one finding for all: {words}"
    );
    let (code, words) = bad(&repo, &["lock", "--check"]);
    assert!(code == 1 && words.contains("is not in retune.lock"), "{words}");
    assert!(server.requests().is_empty(), "nobody is asked for what is not locked");

    let printed = good(&repo, &["lock"]);
    assert!(
        printed.contains("+ one 1.0.0 (http://") && printed.contains("+ two 1.2.0 (http://"),
        "{printed}"
    );
    assert!(
        printed.contains("asked for as \"^1\"") && printed.contains("retune.lock: 2 charts, 2 changed"),
        "{printed}"
    );
    let lock = std::fs::read_to_string(repo.file("retune.lock")).unwrap();
    assert!(lock.contains("wanted: ^1") && !lock.contains("ours"), "{lock}");
    good(&repo, &["lock", "--check"]);
    good(&repo, &["check"]);
    assert!(good(&repo, &["lock"]).contains("nothing changes"));
    assert_eq!(std::fs::read_to_string(repo.file("retune.lock")).unwrap(), lock, "deterministic");
    // With a lock, each chart that is not in it is told by its app's place.
    std::fs::write(repo.file("retune.lock"), lock.replace("name: one", "name: other")).unwrap();
    let (code, words) = bad(&repo, &["check"]);
    assert!(
        code == 1
            && words.contains("apps/one.yaml:")
            && words.contains("app one: chart one 1.0.0 of http://"),
        "{words}"
    );
    assert!(words.contains("is not in retune.lock; run `retune lock` and commit retune.lock"), "{words}");
    std::fs::write(repo.file("retune.lock"), &lock).unwrap();

    // A newer version of a range is taken when it is asked for, and not before.
    server.publish(&[
        ("one", "1.0.0", one),
        ("two", "1.2.0", package("two", "1.2.0", "x")),
        ("two", "1.3.0", package("two", "1.3.0", "x")),
    ]);
    assert!(good(&repo, &["lock"]).contains("nothing changes"));
    assert!(good(&repo, &["lock", "--update", "two"]).contains("~ two 1.2.0 -> 1.3.0"));
    assert!(good(&repo, &["render", "--app", "two"]).contains("version: 1.3.0"));
    std::fs::remove_file(repo.file("apps/one.yaml")).unwrap();
    assert!(bad(&repo, &["lock", "--check"]).1.contains("- one 1.0.0"));
    assert!(good(&repo, &["lock"]).contains("- one 1.0.0"));
}

#[test]
fn other_bytes_under_a_locked_version_are_refused_with_both_digests() {
    let server = ChartServer::start(None);
    server.publish(&[("one", "1.0.0", package("one", "1.0.0", "first"))]);
    let repo = cloud("", &[("one", &server.url, "1.0.0")]);
    good(&repo, &["lock"]);
    let lock = std::fs::read_to_string(repo.file("retune.lock")).unwrap();
    let digest = lock.lines().find_map(|l| l.split("digest: ").nth(1)).unwrap().to_owned();
    server.publish(&[("one", "1.0.0", package("one", "1.0.0", "second"))]);
    good(&repo, &["check"]);
    let (code, words) = bad(&repo, &["check", "--chart-cache", "empty"]);
    assert_eq!(code, 1);
    assert!(
        words.contains("app one: chart one 1.0.0 of http://") && words.contains("the bytes have changed"),
        "{words}"
    );
    assert!(words.contains(&digest) && words.matches("sha256:").count() == 2, "{words}");
    let printed = good(&repo, &["lock", "--update"]);
    assert!(printed.contains("other bytes under the same version") && printed.contains(&digest), "{printed}");
    assert!(good(&repo, &["render", "--chart-cache", "empty"]).contains("note: second"));
}

#[test]
fn the_cache_answers_when_the_repository_is_gone_and_offline_says_what_to_do() {
    let server = ChartServer::start(None);
    server.publish(&[("one", "1.0.0", package("one", "1.0.0", "x"))]);
    let url = server.url.clone();
    let repo = cloud("", &[("one", &url, "1.0.0")]);
    good(&repo, &["lock"]);
    drop(server);
    assert!(good(&repo, &["render"]).contains("greeting: hello"));
    good(&repo, &["check", "--offline"]);
    let (_, words) = bad(&repo, &["render", "--offline", "--chart-cache", "empty"]);
    assert!(words.contains("is not in the cache, and --offline forbids to ask http://"), "{words}");
    assert!(
        words.contains(&format!("--chart-source {url}=PATH")) && words.contains("or fill empty"),
        "{words}"
    );
    // A damaged package is no answer, and a repository that is gone is told as such.
    let cached = repo.path().join(".git/cache/retune/charts/sha256");
    for entry in std::fs::read_dir(cached).unwrap().flatten() {
        std::fs::write(entry.path(), "damaged").unwrap();
    }
    let (_, words) = bad(&repo, &["render"]);
    assert!(
        words.contains("app one: chart one 1.0.0: http://") && words.contains("cannot be reached"),
        "{words}"
    );
}

#[test]
fn a_folder_or_a_mirror_stands_for_a_repository() {
    let repo = cloud("", &[("one", "https://charts.example.invalid/x", "1.0.0")]);
    let folder = repo.path().join("../").canonicalize().unwrap().join(crate::support::unique("charts"));
    std::fs::create_dir_all(folder.join("one/templates")).unwrap();
    std::fs::write(folder.join("one/Chart.yaml"), "apiVersion: v2\nname: one\nversion: 1.0.0\n").unwrap();
    std::fs::write(
        folder.join("one/templates/a.yaml"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: unpacked}\n",
    )
    .unwrap();
    let source = format!("https://charts.example.invalid/x={}", folder.display());
    // Unpacked: no lock is needed, none can be written.
    assert!(good(&repo, &["render", "--chart-source", &source]).contains("name: unpacked"));
    let (_, words) = bad(&repo, &["lock", "--chart-source", &source]);
    assert!(words.contains("an unpacked folder has no digest"), "{words}");
    // Packaged: the same file that a repository would give, so the lock holds for both.
    std::fs::remove_dir_all(folder.join("one")).unwrap();
    std::fs::write(folder.join("one-1.0.0.tgz"), package("one", "1.0.0", "packed")).unwrap();
    good(&repo, &["lock", "--chart-source", &source]);
    let mirror = ChartServer::start(None);
    mirror.publish(&[("one", "1.0.0", package("one", "1.0.0", "packed"))]);
    let mirrored = format!("https://charts.example.invalid/x={}", mirror.url);
    assert!(
        good(&repo, &["render", "--chart-cache", "empty", "--chart-source", &mirrored])
            .contains("note: packed")
    );
    repo.write(
        "retune.yaml",
        &format!(
            "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {{name: x}}\nspec:\n  profiles: [base]\n  chartSources:\n    https://charts.example.invalid/x: {}\n",
            mirror.url
        ),
    );
    assert!(good(&repo, &["render", "--chart-cache", "empty2"]).contains("note: packed"));
    std::fs::write(folder.join("one-1.0.0.tgz"), package("one", "1.0.0", "other")).unwrap();
    let (_, words) = bad(&repo, &["check", "--chart-source", &source]);
    assert!(words.contains("the bytes have changed"), "{words}");
    let (_, words) = bad(&repo, &["check", "--chart-source", "https://charts.example.invalid/x=/nowhere"]);
    assert!(words.contains("chart source /nowhere"), "{words}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn dependencies_of_a_chart_in_the_repository_are_taken_from_their_repositories() {
    let server = ChartServer::start(None);
    server.publish(&[
        ("db", "1.0.0", package("db", "1.0.0", "x")),
        ("db", "1.4.0", package("db", "1.4.0", "x")),
    ]);
    let repo = Repo::new();
    repo.write(
        "retune.yaml",
        "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {name: x}\nspec: {profiles: [base]}\n",
    );
    repo.write("apps/a.yaml", "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {name: a}\nspec:\n  namespace: ns\n  chart: {path: charts/a}\n");
    let chart = format!(
        "apiVersion: v2\nname: a\nversion: 1.0.0\ndependencies:\n- {{name: db, version: ^1, repository: '{}'}}\n",
        server.url
    );
    repo.write("charts/a/Chart.yaml", &chart);
    let (_, words) = bad(&repo, &["check"]);
    assert!(
        words.contains("dependency of charts/a: chart db ^1 of http://")
            && words.contains("run `retune lock`"),
        "{words}"
    );
    good(&repo, &["lock"]);
    assert!(good(&repo, &["render"]).contains("version: 1.4.0"));
    let lock = format!("dependencies:\n- {{name: db, version: 1.0.0, repository: '{}'}}\n", server.url);
    repo.write("charts/a/Chart.lock", &lock);
    good(&repo, &["lock"]);
    assert!(
        good(&repo, &["render"]).contains("version: 1.0.0"),
        "Chart.lock decides, as with `helm dependency build`"
    );
    repo.write("charts/a/Chart.lock", "dependencies: []\n");
    let (_, words) = bad(&repo, &["check"]);
    assert!(
        words.contains("charts/a/Chart.lock") && words.contains("out of sync with Chart.yaml"),
        "{words}"
    );
}

#[test]
fn what_is_written_wrong_is_told_with_its_place() {
    let repo = cloud("", &[("one", "nobody", "1.0.0")]);
    let (_, words) = bad(&repo, &["check"]);
    assert!(
        words.contains("apps/one.yaml:7:5: error: app one: there is no chart repository \"nobody\""),
        "{words}"
    );
    let repo = cloud("", &[("one", "ftp://h/x", "1.0.0")]);
    assert!(bad(&repo, &["check"]).1.contains("http://, https:// or oci:// is expected"));
    let repo = cloud("", &[("one", "https://me:secret@h/x", "1.0.0")]);
    let (_, words) = bad(&repo, &["check"]);
    assert!(
        words.contains("credentials do not belong into a repository's URL") && !words.contains("secret"),
        "{words}"
    );
    let repo = cloud("", &[("one", "https://h/x", "")]);
    repo.write("apps/one.yaml", "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {name: one}\nspec:\n  namespace: ns\n  chart: {repository: 'https://h/x'}\n");
    let (_, words) = bad(&repo, &["check"]);
    assert!(
        words.contains("no version of the chart one is pinned")
            && words.contains("charts.one in helm-chart-versions.yaml"),
        "{words}"
    );
    repo.write("retune.lock", "apiVersion: retune.dev/v1alpha1\nkind: ChartLock\ncharts:\n- {repository: 'https://h/x', name: one, version: 1.0.0, digest: 'sha256:12'}\n");
    let (_, words) = bad(&repo, &["check"]);
    assert!(words.contains("retune.lock:4:"), "{words}");
}
