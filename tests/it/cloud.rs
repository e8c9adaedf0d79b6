//! Loading, checking and rendering whole repositories.
//!
//! `fixtures/cloud/bad/*.yaml` are files that the loader refuses, `fixtures/cloud/repos/*/` repositories that `retune check` refuses;
//! beside each stands the text that is expected. `RETUNE_BLESS=1 cargo test` writes those texts anew: read the diff.

#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests fail the test that calls them")]

mod charts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;

use retune::cloud::{
    Cache, Composed, Layers, Object, Offline, Options, Problem, RenderedCloud, Scopes, load, render, schema,
};
use retune::files::{FileTree, MemTree};
use retune::source::disk::DiskTree;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// A folder as a tree in memory that a test can change.
fn mem(dir: &Path) -> MemTree {
    fn walk(disk: &DiskTree, dir: &str, out: &mut MemTree) {
        for (name, kind) in disk.list(dir).unwrap() {
            let path = if dir.is_empty() { name } else { format!("{dir}/{name}") };
            match kind {
                retune::files::EntryKind::Dir => walk(disk, &path, out),
                retune::files::EntryKind::File => out.insert(&path, disk.read(&path).unwrap()),
            }
        }
    }
    let mut out = MemTree::new();
    walk(&DiskTree::open(dir).unwrap(), "", &mut out);
    out
}

fn layout() -> MemTree {
    mem(&root().join("fixtures/cloud/small"))
}

/// `repo-layout/` with the stand-in charts in place of all chart repositories, and these optional apps.
fn offline(enable: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let script = root().join("examples/offline");
    let out = Command::new(script).arg(dir.path()).args(enable).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    dir
}

/// The apps of `repo-layout/` that retune.yaml has to enable.
fn optional_apps() -> Vec<String> {
    let is_optional =
        |path: &&PathBuf| std::fs::read_to_string(path).unwrap().contains("\n  optional: true\n");
    sorted(&root().join("repo-layout/apps"))
        .iter()
        .filter(is_optional)
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect()
}

fn tree(files: &[(&str, &str)]) -> MemTree {
    files.iter().map(|(path, text)| (*path, text.as_bytes().to_vec())).collect()
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(|p| format!("{p}\n")).collect()
}

fn edit(tree: &mut MemTree, path: &str, from: &str, to: &str) {
    let text = String::from_utf8(tree.read(path).unwrap().to_vec()).unwrap();
    assert!(text.contains(from), "{path} has {from}");
    tree.insert(path, text.replace(from, to).into_bytes());
}

/// Compares with the expected text beside a fixture, or writes it.
fn expect(path: &Path, actual: &str) {
    if std::env::var_os("RETUNE_BLESS").is_some() {
        std::fs::write(path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(actual, expected, "{}", path.display());
}

fn sorted(dir: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    all
}

/// Like the cached renders of a running syncer.
struct Syncer {
    cache: Cache,
}

impl Syncer {
    fn render(&self, tree: &MemTree, profile: &str) -> RenderedCloud {
        let options = Options { cache: Some(&self.cache), threads: 2, ..Options::new(&Offline) };
        render(tree, profile, &options).unwrap_or_else(|p| panic!("{}", lines(&p)))
    }
}

#[test]
fn a_cloud_renders_in_both_profiles_and_aio_is_smaller() {
    let tree = layout();
    let objects = |profile: &str| {
        let cloud =
            render(&tree, profile, &Options::new(&Offline)).unwrap_or_else(|p| panic!("{}", lines(&p)));
        assert!(cloud.apps.len() >= 8);
        cloud
    };
    let (base, aio) = (objects("base"), objects("aio"));
    let replicas = |cloud: &RenderedCloud, kind: &str, pointer: &str| -> Vec<i64> {
        cloud
            .objects()
            .filter(|o| &*o.id.kind == kind)
            .map(|o| o.json().pointer(pointer).and_then(serde_json::Value::as_i64).unwrap_or(0))
            .collect()
    };
    for (kind, pointer) in [("HorizontalPodAutoscaler", "/spec/minReplicas"), ("MariaDB", "/spec/replicas")] {
        let (large, small) = (replicas(&base, kind, pointer), replicas(&aio, kind, pointer));
        assert!(!large.is_empty() && large.iter().zip(&small).all(|(l, s)| l > s && *s == 1), "{kind}");
    }
    let order: Vec<&str> = base.apps.iter().map(|a| &*a.name).collect();
    let at = |name: &str| order.iter().position(|n| *n == name).unwrap();
    assert!(at("cert-manager") < at("openstack") && at("mariadb-cluster") < at("keystone"));
    // The same name and kind in two groups are two objects.
    let users = base.objects().filter(|o| &*o.id.kind == "User" && &*o.id.name == "keystone");
    assert_eq!(users.count(), 2);
    // A ClusterIssuer's scope is known from the CRD of another app.
    let issuer = base.objects().find(|o| &*o.id.kind == "ClusterIssuer").unwrap();
    assert_eq!(issuer.id.namespace, None);
}

#[test]
fn every_object_knows_its_file_and_line() {
    let tree = layout();
    let cloud = render(&tree, "aio", &Options::new(&Offline)).unwrap();
    for object in cloud.objects() {
        let text = String::from_utf8(tree.read(&object.origin.file).map(|b| b.to_vec()).unwrap_or_default())
            .unwrap();
        if object.origin.line == 0 {
            continue; // generated
        }
        let line = text.lines().nth(object.origin.line as usize - 1).unwrap_or_default();
        assert!(line.contains(':'), "{} at {} is {line:?}", object.id, object.origin);
    }
}

#[test]
fn a_commit_that_touches_one_app_renders_one_app() {
    let syncer = Syncer { cache: Cache::default() };
    let mut tree = layout();
    let first = syncer.render(&tree, "aio");
    assert_eq!(first.rendered, first.apps.len());
    assert_eq!(syncer.render(&tree, "aio").rendered, 0);

    edit(&mut tree, "kustomize/memcached/base/statefulset.yaml", "1.6.39", "1.6.40");
    let second = syncer.render(&tree, "aio");
    assert_eq!(second.rendered, 1);
    let changed: Vec<&str> = first
        .apps
        .iter()
        .zip(&second.apps)
        .filter(|(a, b)| a.digest != b.digest)
        .map(|(a, _)| &*a.name)
        .collect();
    assert_eq!(changed, ["memcached"]);

    // Back again: the render before the last one is still known.
    edit(&mut tree, "kustomize/memcached/base/statefulset.yaml", "1.6.40", "1.6.39");
    let third = syncer.render(&tree, "aio");
    assert_eq!((third.rendered, third.digest), (0, first.digest));

    // A file that no app reads, a policy, an ordering: nothing is rendered.
    tree.insert("docs/notes.md", b"hello".to_vec());
    edit(
        &mut tree,
        "apps/memcached.yaml",
        "  namespace: openstack\n",
        "  namespace: openstack\n  timeout: 5m\n",
    );
    let fourth = syncer.render(&tree, "aio");
    assert_eq!(fourth.rendered, 0);
    assert_eq!(fourth.app("memcached").unwrap().policy.timeout.0, 300);

    // The other profile is another render.
    assert_eq!(syncer.render(&tree, "base").rendered, first.apps.len());
    assert_eq!(syncer.render(&tree, "aio").rendered, 0);
}

#[test]
fn a_file_that_appears_where_a_render_looked_is_noticed() {
    let syncer = Syncer { cache: Cache::default() };
    let mut tree = layout();
    edit(
        &mut tree,
        "apps/openstack.yaml",
        "  namespace: openstack\n",
        "  namespace: openstack\n  manifests: plain\n",
    );
    tree.insert("plain/a.yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n".to_vec());
    let first = syncer.render(&tree, "aio");
    tree.insert("plain/sub/b.yaml", b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n".to_vec());
    let second = syncer.render(&tree, "aio");
    assert_eq!(second.rendered, 1);
    let count = |cloud: &RenderedCloud| cloud.app("openstack").unwrap().objects.len();
    assert_eq!((count(&first), count(&second)), (1, 2));
}

#[test]
fn a_changed_crd_scope_renders_the_apps_that_asked_for_it_again() {
    let syncer = Syncer { cache: Cache::default() };
    let mut tree = layout();
    syncer.render(&tree, "aio");
    let path = "kustomize/cert-manager/base/crds.yaml";
    edit(&mut tree, path, "scope: Cluster", "scope: Namespaced");
    let cloud = syncer.render(&tree, "aio");
    assert_eq!(
        cloud.rendered, 2,
        "cert-manager, whose file changed, and openstack, which has a ClusterIssuer"
    );
    let issuer = cloud.objects().find(|o| &*o.id.kind == "ClusterIssuer").unwrap();
    assert_eq!(issuer.id.namespace.as_deref(), Some("openstack"));
}

#[test]
fn discovery_settles_kinds_that_the_revision_does_not_define() {
    struct Discovery;
    impl Scopes for Discovery {
        fn namespaced(&self, _: &str, kind: &str) -> Option<bool> {
            (kind == "CephCluster").then_some(false)
        }
    }
    let tree = tree(&[
        ("retune.yaml", "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {name: x}\n"),
        (
            "apps/a.yaml",
            "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {name: a}\nspec: {namespace: ns, manifests: m}\n",
        ),
        ("m/a.yaml", "apiVersion: ceph.rook.io/v1\nkind: CephCluster\nmetadata: {name: c}\n"),
    ]);
    let namespace = |scopes: &dyn Scopes| {
        let cloud = render(&tree, "base", &Options::new(scopes)).unwrap();
        cloud.objects().next().unwrap().id.namespace.clone()
    };
    assert_eq!(namespace(&Discovery), None);
    assert_eq!(namespace(&Offline).as_deref(), Some("ns"));
}

#[test]
fn one_broken_app_fails_the_whole_revision_and_is_named() {
    let mut tree = layout();
    edit(&mut tree, "kustomize/keystone/base/service.yaml", "kind: Service", "kindd: Service");
    let problems = render(&tree, "base", &Options::new(&Offline)).unwrap_err();
    assert!(problems.iter().all(|p| p.app.as_deref() == Some("keystone")), "{}", lines(&problems));
    assert!(problems[0].file.starts_with("kustomize/keystone/"), "{}", lines(&problems));
}

#[test]
fn a_site_repository_completes_its_upstream() {
    let upstream = layout();
    let site = tree(&[
        (
            "retune.yaml",
            "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {name: site}\nspec:\n  upstream:\n    url: https://git.example.org/up.git\n    commit: a123456789012345678901234567890123456789\n  disable: [placement]\n",
        ),
        (
            "apps/extra.yaml",
            "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {name: extra}\nspec: {namespace: openstack, dependsOn: [openstack]}\n",
        ),
        ("kustomize/extra/aio/kustomization.yaml", "resources: [cm.yaml]\n"),
        ("kustomize/extra/aio/cm.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n"),
        ("kustomize/memcached/aio/kustomization.yaml", "resources: [../base]\nnamePrefix: site-\n"),
    ]);
    let mut options = Options { upstream: Some(&upstream), ..Options::new(&Offline) };
    let cloud = render(&site, "aio", &options).unwrap_or_else(|p| panic!("{}", lines(&p)));
    assert_eq!(&*cloud.name, "site");
    assert!(cloud.app("extra").is_some() && cloud.app("placement").is_none());
    let memcached: Vec<&Object> = cloud.app("memcached").unwrap().objects.iter().collect();
    assert!(memcached.iter().all(|o| o.id.name.starts_with("site-")));
    options.upstream = None;
    let problems = render(&site, "aio", &options).unwrap_err();
    assert!(problems[0].message.contains("has not been fetched"), "{}", lines(&problems));
    // The same upstream as a folder of the site's own repository, a submodule for instance.
    let mut all = MemTree::new();
    for path in upstream.paths() {
        all.insert(&format!("vendor/up/{path}"), upstream.read(path).unwrap());
    }
    let spec = "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {name: site}\nspec: {upstream: {path: vendor/up}}\n";
    all.insert("retune.yaml", spec.as_bytes().to_vec());
    let vendored = render(&all, "aio", &Options::new(&Offline)).unwrap_or_else(|p| panic!("{}", lines(&p)));
    assert_eq!(vendored.apps.len(), 11);
}

#[test]
fn optional_apps_are_switched_in_one_place() {
    let mut tree = layout();
    edit(&mut tree, "apps/placement.yaml", "spec:\n", "spec:\n  optional: true\n");
    edit(&mut tree, "apps/exporters.yaml", "spec:\n", "spec:\n  profiles: [base]\n");
    let has = |tree: &MemTree, profile: &str, app: &str| {
        render(tree, profile, &Options::new(&Offline))
            .unwrap_or_else(|p| panic!("{}", lines(&p)))
            .app(app)
            .is_some()
    };
    assert!(!has(&tree, "base", "placement"));
    assert!(has(&tree, "base", "exporters") && !has(&tree, "aio", "exporters"));
    edit(&mut tree, "retune.yaml", "spec:\n", "spec:\n  enable: [placement]\n  disable: [metallb]\n");
    assert!(has(&tree, "base", "placement") && !has(&tree, "base", "metallb"));
}

#[test]
fn bodies_are_compact_sorted_json_whatever_features_the_json_library_has() {
    let tree = layout();
    let cloud = render(&tree, "base", &Options::new(&Offline)).unwrap();
    let body = &cloud.objects().find(|o| &*o.id.kind == "Service").unwrap().body;
    assert!(body.starts_with(r#"{"apiVersion":"v1","kind":"Service","metadata":{"#), "{body}");
}

/// The loader's words about one file, as `retune.yaml` or as an app.
fn refuse(path: &Path) -> String {
    let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
    let text = std::fs::read(path).unwrap();
    let mut repo =
        tree(&[("retune.yaml", "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {name: x}\n")]);
    let file = if name.starts_with("cloud-") { "retune.yaml" } else { "apps/bad.yaml" };
    repo.insert(file, text);
    repo.insert(
        "apps/other.yaml",
        b"apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {name: other}\n".to_vec(),
    );
    let composed = match Composed::new(Layers { site: &repo, upstream: None }) {
        Ok(composed) => composed,
        Err(problems) => return lines(&problems),
    };
    let problems = load(&composed).err().unwrap_or_else(|| panic!("{name} is accepted"));
    assert!(problems.iter().all(|p| p.file == file), "{name}: {}", lines(&problems));
    lines(&problems)
}

#[test]
fn bad_files_are_refused_with_place_and_nearest_name() {
    for path in sorted(&root().join("fixtures/cloud/bad")) {
        if path.extension().is_some_and(|e| e == "yaml") {
            expect(&path.with_extension("txt"), &refuse(&path));
        }
    }
}

/// YAML as JSON, the way an editor sees it.
fn json(text: &str) -> serde_json::Value {
    let limits = retune::yaml::Limits::default();
    let node = retune::yaml::read_v2_json(text, &limits).unwrap();
    serde_json::from_str(&retune::yaml::json::to_json(&node, false).unwrap()).unwrap()
}

#[test]
fn the_published_schemas_refuse_the_same_files_as_the_loader() {
    let (app, cloud) = (
        jsonschema::validator_for(schema::app()).unwrap(),
        jsonschema::validator_for(schema::cloud()).unwrap(),
    );
    let mut refused = 0;
    for path in sorted(&root().join("fixtures/cloud/bad")) {
        let name = path.file_name().unwrap().to_str().unwrap();
        // What JSON cannot say (keys twice, several documents) no schema can refuse.
        if !name.ends_with(".yaml") || name.starts_with("loader-") {
            continue;
        }
        let value = json(&std::fs::read_to_string(&path).unwrap());
        let validator = if name.starts_with("cloud-") { &cloud } else { &app };
        assert!(!validator.is_valid(&value), "{name} is accepted by the schema");
        refused += 1;
    }
    assert!(refused >= 15);
}

#[test]
fn the_published_schemas_accept_repo_layout() {
    let dir = root().join("repo-layout");
    let read = |path: &Path| json(&std::fs::read_to_string(path).unwrap());
    let cloud = jsonschema::validator_for(schema::cloud()).unwrap();
    assert!(cloud.is_valid(&read(&dir.join("retune.yaml"))));
    let app = jsonschema::validator_for(schema::app()).unwrap();
    for path in sorted(&dir.join("apps")) {
        assert!(app.is_valid(&read(&path)), "{}", path.display());
    }
}

#[test]
fn the_published_schemas_are_those_of_the_types() {
    for (name, schema) in [
        ("cloud", schema::cloud()),
        ("app", schema::app()),
        ("chart-versions", schema::chart_versions()),
        ("rules", schema::rules()),
        ("chart-lock", schema::chart_lock()),
    ] {
        let text = retune::cloud::normal::pretty(schema) + "\n";
        expect(&root().join(format!("docs/schema/{name}.json")), &text);
    }
}

fn retune(args: &[&str], dir: &Path) -> (i32, String, String) {
    let out = Command::new(env!("CARGO_BIN_EXE_retune")).args(args).current_dir(dir).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.code().unwrap_or(-1), text(&out.stdout), text(&out.stderr))
}

#[test]
fn check_reports_what_is_wrong_with_each_repository() {
    for dir in sorted(&root().join("fixtures/cloud/repos")) {
        // Rules in CEL are read where they are built in.
        let left_out = !cfg!(feature = "cel") && dir.ends_with("health-rules");
        if dir.is_dir() && !left_out {
            let (code, out, err) = retune(&["check", "."], &dir);
            assert_eq!((code, err.as_str()), (1, ""), "{}", dir.display());
            expect(&dir.with_extension("txt"), &out);
        }
    }
}

#[test]
fn a_password_of_repo_layout_gets_into_the_charts_secrets_and_a_placeholder_is_a_finding() {
    let dir = offline(&optional_apps().iter().map(String::as_str).collect::<Vec<_>>());
    let args = [
        "render",
        "--placeholders",
        "--app",
        "nova",
        "-o",
        "json",
        "--input",
        "nova/db-password=drawn1",
        ".",
    ];
    let (code, out, err) = retune(&args, dir.path());
    assert_eq!(code, 0, "{err}");
    let rendered: serde_json::Value = serde_json::from_str(&out).unwrap();
    let texts: BTreeMap<String, String> = rendered["apps"][0]["objects"]
        .as_array()
        .unwrap()
        .iter()
        .map(|o| &o["manifest"])
        .filter(|o| o["kind"] == "Secret")
        .flat_map(|o| o["data"].as_object().unwrap().iter().map(move |(k, v)| (o, k, v)))
        .map(|(o, key, value)| {
            let bytes = base64::engine::general_purpose::STANDARD.decode(value.as_str().unwrap()).unwrap();
            (format!("{}/{key}", o["metadata"]["name"].as_str().unwrap()), String::from_utf8(bytes).unwrap())
        })
        .collect();
    for place in ["nova-etc/nova.conf", "nova-db-user/DB_CONNECTION", "nova-db-cell0-user/DB_CONNECTION"] {
        assert!(
            texts[place].contains("://nova:drawn1@mariadb-cluster-primary."),
            "{place}: {}",
            texts[place]
        );
    }
    assert_eq!(texts["nova-keystone-cinder/OS_PASSWORD"], "input-cinder-password");
    assert!(texts["nova-etc/nova.conf"].contains("metadata_proxy_shared_secret = input-metadata-secret"));

    // Every app is without placeholders; one that forgets an input is told.
    let (code, out, err) = retune(&["check", "."], dir.path());
    assert_eq!(code, 0, "{out}{err}");
    let app = dir.path().join("apps/zaqar.yaml");
    let text = std::fs::read_to_string(&app).unwrap();
    let path = "endpoints.identity.auth.zaqar.password";
    assert!(text.contains(path));
    std::fs::write(&app, text.replace(path, "endpoints.identity.auth.forgotten.password")).unwrap();
    let (code, out, err) = retune(&["check", "."], dir.path());
    assert_eq!(code, 1, "{out}{err}");
    let told = "app zaqar: Secret openstack/zaqar-keystone-user: \"password\" must not be here (rule no login has a chart's placeholder";
    assert!(out.contains(told), "{out}");
}

#[test]
fn check_is_clean_on_repo_layout_in_both_profiles() {
    let dir = offline(&[]);
    let (code, out, err) = retune(&["check", "."], dir.path());
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.starts_with("aio: 25 apps, ") && out.contains("\nbase: 25 apps, "), "{out}");
    let (code, out, _) = retune(&["check", "-o", "json", "."], dir.path());
    let report: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, report["problems"].as_array().unwrap().len()), (0, 0));
    let (code, _, err) = retune(&["check", "none"], &root());
    assert_eq!(code, 2, "{err}");
    assert!(err.contains("none: No such file"), "{err}");
}

#[test]
fn check_is_clean_on_repo_layout_with_every_optional_app() {
    let optional = optional_apps();
    assert!(optional.len() >= 20, "{optional:?}");
    let dir = offline(&optional.iter().map(String::as_str).collect::<Vec<_>>());
    let (code, out, err) = retune(&["check", "."], dir.path());
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let apps = std::fs::read_dir(dir.path().join("apps")).unwrap().count();
    assert!(out.contains(&format!("base: {apps} apps, ")), "{out}");
}

/// What the profiles promise: three to nine of everything that scales in base, one in aio; and nothing but sizes differs.
#[test]
fn the_profiles_of_repo_layout_differ_in_sizes_only() {
    let optional = optional_apps();
    let dir = offline(&optional.iter().map(String::as_str).collect::<Vec<_>>());
    let tree = mem(dir.path());
    let options = Options { inputs: &retune::cloud::inputs::Placeholders, ..Options::new(&Offline) };
    let at = |profile| render(&tree, profile, &options).unwrap_or_else(|p| panic!("{}", lines(&p)));
    let (base, aio) = (at("base"), at("aio"));
    let field = |o: &Object, pointer: &str| o.json().pointer(pointer).cloned().unwrap_or_default();
    let mut scaled = 0;
    for large in base.objects() {
        let small = aio.objects().find(|o| o.id == large.id);
        let small = small.unwrap_or_else(|| panic!("{} is not in aio", large.id));
        if &*large.id.kind == "HorizontalPodAutoscaler" {
            let sizes = |o| (field(o, "/spec/minReplicas"), field(o, "/spec/maxReplicas"));
            assert_eq!(sizes(large), (3.into(), 9.into()), "{}", large.id);
            assert_eq!(sizes(small), (1.into(), 1.into()), "{}", small.id);
            scaled += 1;
        }
        let image = "/spec/template/spec/containers/0/image";
        assert_eq!(field(large, image), field(small, image), "{}", large.id);
    }
    assert!(scaled >= 30, "{scaled} autoscalers");
    let extra: Vec<String> =
        aio.objects().filter(|o| !base.objects().any(|b| b.id == o.id)).map(|o| o.id.to_string()).collect();
    assert!(extra.iter().all(|id| id.contains("mariadb-cluster-")), "{extra:?}");
}

#[test]
fn render_prints_one_app_or_says_which_there_are() {
    let (code, out, _) =
        retune(&["render", "--app", "memcached", "--profile", "aio", "fixtures/cloud/small"], &root());
    assert_eq!(code, 0);
    assert!(
        out.starts_with("---\n# memcached: kustomize/memcached/base/configmap.yaml:1\napiVersion: v1\n"),
        "{out}"
    );
    assert!(out.contains("  replicas: 1\n") && !out.contains("keystone"));
    let (code, _, err) = retune(&["render", "--app", "memcache", "fixtures/cloud/small"], &root());
    assert_eq!(code, 2);
    assert!(err.contains("hint: did you mean \"memcached\"?"), "{err}");
    let (code, out, _) = retune(&["render", "-o", "json", "fixtures/cloud/small"], &root());
    let cloud: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, cloud["apps"].as_array().unwrap().len()), (0, 11));
    let (code, _, err) = retune(&["render", "--profile", "prod", "fixtures/cloud/small"], &root());
    assert_eq!(code, 2);
    assert!(err.contains("this cloud has no profile \"prod\"; it has base, aio"), "{err}");
}

#[test]
fn a_closed_pipe_ends_the_program_without_a_word() {
    let script = format!("{} render fixtures/cloud/small | head -1", env!("CARGO_BIN_EXE_retune"));
    let out = Command::new("sh").args(["-c", &script]).current_dir(root()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stderr), "");
    assert_eq!(out.stdout, b"---\n");
}

#[test]
fn renders_on_several_threads_give_the_same_digest() {
    let tree = layout();
    let digest =
        |threads| render(&tree, "base", &Options { threads, ..Options::new(&Offline) }).unwrap().digest;
    assert_eq!(digest(1), digest(4));
}

#[test]
#[cfg(feature = "syncer")]
fn check_is_clean_on_repo_layout_itself_when_a_folder_stands_for_every_chart_repository() {
    let (code, out, err) = retune(
        &["check", "--offline", "repo-layout", "--chart-source", "*=fixtures/charts/stand-ins"],
        &root(),
    );
    assert_eq!(code, 0, "{out}{err}");
    assert!(out.contains("aio: 25 apps") && out.contains("base: 25 apps"), "{out}");
}

#[test]
fn a_site_repository_changes_values_patches_pins_and_apps_of_the_reference_cloud() {
    let dir = tempfile::tempdir().unwrap();
    let below = offline(&[]);
    let upstream = below.path();
    let site = dir.path().join("site");
    let put = |path: &str, text: &str| {
        let file = site.join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    };
    let cloud = std::fs::read_to_string(upstream.join("retune.yaml")).unwrap();
    let below_it = format!("  upstream: {{url: https://example.org/cloud, commit: {}}}\n", "a1".repeat(20));
    put("retune.yaml", &(cloud.replace("profile: base", "profile: aio") + &below_it));
    put("helm-configs/keystone/site.yaml", "images:\n  tags:\n    service: site.invalid/keystone:1\n");
    put(
        "kustomize/memcached/aio/kustomization.yaml",
        "resources: [../base]\npatches:\n  - target: {kind: StatefulSet}\n    patch: |-\n      - {op: replace, path: /spec/replicas, value: 2}\n",
    );
    put("charts/placement/Chart.yaml", &{
        let chart = std::fs::read_to_string(upstream.join("charts/placement/Chart.yaml")).unwrap();
        chart.replace("version: 2026.1.8+50c697fc3", "version: 2026.1.9+0a0a0a0a0")
    });
    put("helm-chart-versions.yaml", "charts: {placement: 2026.1.9+0a0a0a0a0}\n");
    put(
        "apps/motd.yaml",
        "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {name: motd}\nspec: {namespace: openstack, dependsOn: [openstack], manifests: manifests/motd}\n",
    );
    put(
        "manifests/motd/motd.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: motd}\ndata: {text: hello}\n",
    );
    let of = |dir: &Path, more: &[&str], app: &str| {
        let dir = dir.to_string_lossy();
        let mut args = vec!["render", "--placeholders", "--profile", "aio", "--app", app];
        args.extend(more);
        args.push(&dir);
        let (code, out, err) = retune(&args, &root());
        assert_eq!(code, 0, "{app}: {err}");
        out
    };
    let upstream_path = upstream.to_string_lossy().into_owned();
    let lower = ["--upstream", upstream_path.as_str()];
    assert!(
        of(&site, &lower, "keystone").contains("site.invalid/keystone:1")
            && !of(upstream, &[], "keystone").contains("site.invalid")
    );
    assert!(of(&site, &lower, "memcached").contains("replicas: 2"));
    assert!(of(upstream, &[], "memcached").contains("replicas: 1"));
    assert!(of(&site, &lower, "motd").contains("text: hello"));
    // What the site does not speak of is the upstream's, byte for byte.
    for app in ["glance", "nova", "mariadb-cluster", "kube-ovn", "placement"] {
        assert_eq!(of(&site, &lower, app), of(upstream, &[], app), "{app}");
    }
    put("helm-chart-versions.yaml", "charts: {placement: 2026.1.7}\n");
    let (code, out, err) = retune(&["check", "--upstream", lower[1], &site.to_string_lossy()], &root());
    assert!(code == 1 && (out.clone() + &err).contains("placement"), "a site's pin counts: {out}{err}");
}
