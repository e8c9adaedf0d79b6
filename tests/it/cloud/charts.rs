//! Apps with charts: value layers, hooks, CRDs, pins, the kustomization over `all.yaml`, and what makes a chart render again.

use retune::cloud::{
    Cache, ChartError, ChartRequest, Charts, Digest, FetchedChart, HookDeletePolicy, HookEvent, Object,
    Offline, Options, RenderedCloud, render,
};
use retune::files::{FileTree as _, MemTree};
use retune::helm::Chart;

use super::{edit, lines, tree};

/// A cloud with one app whose chart shows its values.
fn cloud() -> MemTree {
    tree(&[
        (
            "retune.yaml",
            "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {name: x}\nspec: {profiles: [base]}\n",
        ),
        (
            "apps/show.yaml",
            "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {name: show}\nspec:\n  namespace: ns\n  chart: {path: charts/show}\n  values:\n    files: [more.yaml]\n    inline: {e: inline, port: 8080}\n",
        ),
        ("charts/show/Chart.yaml", "apiVersion: v2\nname: show\nversion: 1.2.3\n"),
        ("charts/show/values.yaml", "a: chart\nb: chart\nc: chart\nd: chart\ne: chart\ngone: chart\n"),
        (
            "charts/show/templates/cm.yaml",
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\ndata:\n  v: {{ printf \"%s %s %s %s %s %v\" .Values.a .Values.b .Values.c .Values.d .Values.e (hasKey .Values \"gone\") | quote }}\n  port: {{ .Values.port | toString | quote }}\n",
        ),
        (
            "charts/show/templates/job.yaml",
            "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: sync\n  annotations:\n    helm.sh/hook: post-install,post-upgrade\n    helm.sh/hook-weight: \"-4\"\n    helm.sh/hook-delete-policy: hook-succeeded\nspec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: \"a:1\"}]}}}\n",
        ),
        (
            "charts/show/crds/crd.yaml",
            "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: shows.example.org}\nspec: {group: example.org, scope: Cluster, names: {kind: Show, plural: shows}}\n",
        ),
        ("helm-configs/show/1.yaml", "b: own\nc: own\nd: own\n"),
        ("helm-configs/show/2.yaml", "c: own2\nd: own2\ngone: null\n"),
        ("helm-configs/global_overrides/g.yaml", "d: global\n"),
        ("more.yaml", "e: file\n"),
    ])
}

fn rendered(tree: &MemTree, options: &Options<'_>) -> RenderedCloud {
    render(tree, "base", options).unwrap_or_else(|p| panic!("{}", lines(&p)))
}

fn refused(tree: &MemTree) -> String {
    render(tree, "base", &Options::new(&Offline)).map(|_| ()).map_err(|p| lines(&p)).unwrap_err()
}

fn data(cloud: &RenderedCloud, key: &str) -> String {
    let object = cloud.objects().find(|o| &*o.id.kind == "ConfigMap").unwrap();
    object.json()["data"][key].as_str().unwrap_or_default().to_owned()
}

#[test]
fn values_are_layered_from_the_chart_up_to_the_app() {
    let tree = cloud();
    let cloud = rendered(&tree, &Options::new(&Offline));
    assert_eq!(data(&cloud, "v"), "chart own own2 global inline false");
    assert_eq!(data(&cloud, "port"), "8080");
    let object = cloud.objects().find(|o| &*o.id.kind == "ConfigMap").unwrap();
    assert_eq!(object.id.to_string(), "ConfigMap ns/show");
    assert_eq!(object.origin.to_string(), "show/templates/cm.yaml");
}

#[test]
fn a_sites_own_values_win_over_global_ones() {
    let upstream = cloud();
    let site = tree(&[
        (
            "retune.yaml",
            "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {name: site}\nspec:\n  profiles: [base]\n  upstream: {url: \"https://git.example.org/up.git\", commit: a123456789012345678901234567890123456789}\n",
        ),
        ("helm-configs/show/1.yaml", "d: site\n"),
        ("helm-configs/global_overrides/s.yaml", "b: site-global\n"),
    ]);
    let options = Options { upstream: Some(&upstream), ..Options::new(&Offline) };
    assert_eq!(data(&rendered(&site, &options), "v"), "chart site-global own2 site inline false");
}

#[test]
fn hooks_stand_apart_and_crds_are_kept() {
    let cloud = rendered(&cloud(), &Options::new(&Offline));
    let app = cloud.app("show").unwrap();
    assert_eq!(app.hooks.len(), 1);
    let hook = &app.hooks[0];
    assert_eq!(hook.events, [HookEvent::PostInstall, HookEvent::PostUpgrade]);
    assert_eq!((hook.weight, hook.delete_policies.as_slice()), (-4, &[HookDeletePolicy::HookSucceeded][..]));
    assert_eq!(hook.object.id.to_string(), "Job.batch ns/sync");
    let crd = app.objects.iter().find(|o| &*o.id.kind == "CustomResourceDefinition").unwrap();
    assert!(crd.body.contains(r#""helm.sh/resource-policy":"keep""#), "{}", crd.body);
    assert!(!app.objects.iter().any(|o| &*o.id.kind == "Job"));
}

#[test]
fn a_kustomization_completes_the_charts_output() {
    let mut tree = cloud();
    tree.insert(
        "kustomize/show/base/kustomization.yaml",
        b"resources: [all.yaml, extra.yaml]\nnameSuffix: -x\n".to_vec(),
    );
    tree.insert(
        "kustomize/show/base/extra.yaml",
        b"apiVersion: v1\nkind: Secret\nmetadata: {name: extra}\n".to_vec(),
    );
    let result = rendered(&tree, &Options::new(&Offline));
    let app = result.app("show").unwrap();
    let names: Vec<String> = app.objects.iter().map(|o: &Object| o.id.to_string()).collect();
    assert!(names.contains(&"ConfigMap ns/show-x".to_owned()), "{names:?}");
    assert!(names.contains(&"Secret ns/extra-x".to_owned()), "{names:?}");
    let object = app.objects.iter().find(|o| &*o.id.kind == "ConfigMap").unwrap();
    assert_eq!(object.origin.to_string(), "show/templates/cm.yaml");
    assert_eq!(app.hooks.len(), 1, "hooks are not kustomized, as in Helm 3's post-renderer");
    edit(&mut tree, "kustomize/show/base/kustomization.yaml", "all.yaml, ", "");
    assert!(refused(&tree).contains("no kustomization lists all.yaml"), "{}", refused(&tree));
}

#[test]
fn a_pinned_version_that_is_not_there_is_refused() {
    let mut tree = cloud();
    tree.insert("helm-chart-versions.yaml", b"charts:\n  show: 1.2.4\n".to_vec());
    let words = refused(&tree);
    assert!(words.starts_with("apps/show.yaml:6:3: app show: version 1.2.4 is pinned, but the chart at charts/show has version 1.2.3"), "{words}");
    tree.insert("helm-chart-versions.yaml", b"charts:\n  show: 1.2.3\n".to_vec());
    rendered(&tree, &Options::new(&Offline));
}

#[test]
fn a_chart_repository_is_replaced_by_a_folder() {
    let mut tree = cloud();
    edit(&mut tree, "apps/show.yaml", "{path: charts/show}", "{repository: \"https://charts.example.org\"}");
    assert!(refused(&tree).contains("no version of the chart show is pinned"), "{}", refused(&tree));
    tree.insert("helm-chart-versions.yaml", b"charts:\n  show: 1.2.3\n".to_vec());
    let words = refused(&tree);
    assert!(
        words.contains("this command fetches no charts") && words.contains("spec.chartSources"),
        "{words}"
    );
    edit(
        &mut tree,
        "retune.yaml",
        "spec: {",
        "spec: {chartSources: {\"https://charts.example.org\": charts}, ",
    );
    assert_eq!(data(&rendered(&tree, &Options::new(&Offline)), "port"), "8080");
}

/// Gives the chart of the tree under the digest that the lock says.
struct Locked(MemTree);

impl Charts for Locked {
    fn fetch(&self, request: &ChartRequest<'_>) -> Result<FetchedChart, ChartError> {
        let locked = request.locked.ok_or_else(|| ChartError::not_locked(request.chart))?;
        let chart = Chart::load(&self.0, "charts/show").unwrap();
        Ok(FetchedChart { chart: chart.into(), digest: locked.digest })
    }

    fn identity(&self, request: &ChartRequest<'_>) -> Option<Digest> {
        request.locked.map(|locked| locked.digest)
    }

    fn replaces(&self, _: &ChartRequest<'_>) -> bool {
        false
    }
}

#[test]
fn another_digest_in_the_lock_renders_the_app_again_and_nothing_else_does() {
    let mut tree = cloud();
    edit(&mut tree, "apps/show.yaml", "{path: charts/show}", "{repository: ours, version: ^1}");
    edit(
        &mut tree,
        "retune.yaml",
        "spec: {",
        "spec: {chartRepositories: {ours: {url: \"https://charts.example.org/\"}}, ",
    );
    let charts = Locked(cloud());
    let cache = Cache::default();
    let options = Options { charts: Some(&charts), cache: Some(&cache), ..Options::new(&Offline) };
    let words = render(&tree, "base", &options).map(|_| ()).map_err(|p| lines(&p)).unwrap_err();
    assert!(words.contains("chart show ^1 of https://charts.example.org is not in retune.lock"), "{words}");
    let lock = |tree: &mut MemTree, text: &str| {
        let digest = Digest::of(text.as_bytes());
        let file = format!(
            "apiVersion: retune.dev/v1alpha1\nkind: ChartLock\ncharts:\n- {{repository: 'https://charts.example.org', name: show, wanted: ^1, version: 1.2.3, digest: '{digest}'}}\n"
        );
        tree.insert("retune.lock", file.into_bytes());
    };
    lock(&mut tree, "one");
    assert_eq!(rendered(&tree, &options).rendered, 1);
    assert_eq!(rendered(&tree, &options).rendered, 0);
    tree.insert("unrelated", b"x".to_vec());
    assert_eq!(rendered(&tree, &options).rendered, 0);
    lock(&mut tree, "two");
    assert_eq!(rendered(&tree, &options).rendered, 1, "the key holds the digest");
    lock(&mut tree, "one");
    assert_eq!(rendered(&tree, &options).rendered, 0, "the render before it is still known");
}

#[test]
fn a_template_that_fails_is_named_with_its_line() {
    let mut tree = cloud();
    edit(
        &mut tree,
        "charts/show/templates/cm.yaml",
        "{{ .Release.Name }}",
        "{{ required \"no name\" .Values.name }}",
    );
    let words = refused(&tree);
    assert!(words.contains("show/templates/cm.yaml:4:") && words.contains("no name"), "{words}");
    let mut tree = cloud();
    edit(&mut tree, "helm-configs/show/2.yaml", "gone: null", "gone: [");
    let words = refused(&tree);
    assert!(words.starts_with("helm-configs/show/2.yaml:3: app show: did not find"), "{words}");
}

#[test]
fn a_chart_is_rendered_again_only_for_what_it_reads() {
    let cache = Cache::default();
    let count = |tree: &MemTree, time: i64| {
        rendered(tree, &Options { cache: Some(&cache), time, ..Options::new(&Offline) }).rendered
    };
    let mut tree = cloud();
    assert_eq!(count(&tree, 1), 1);
    assert_eq!(count(&tree, 2), 0, "nothing in this chart asks for the time");
    tree.insert("helm-configs/other/1.yaml", b"a: b\n".to_vec());
    assert_eq!(count(&tree, 3), 0);
    tree.insert("helm-configs/show/3.yaml", b"a: new\n".to_vec());
    assert_eq!(count(&tree, 4), 1);
    edit(&mut tree, "charts/show/values.yaml", "a: chart", "a: other");
    assert_eq!(count(&tree, 5), 1);
    edit(
        &mut tree,
        "charts/show/templates/cm.yaml",
        "data:\n",
        "data:\n  {{ if .Values.timed }}at: {{ now | unixEpoch | quote }}{{ end }}\n",
    );
    assert_eq!(count(&tree, 5), 1);
    assert_eq!(count(&tree, 6), 0, "it can ask for the time, but has not");
    tree.insert("helm-configs/show/4.yaml", b"timed: true\n".to_vec());
    assert_eq!(count(&tree, 6), 1);
    assert_eq!(count(&tree, 6), 0);
    assert_eq!(count(&tree, 7), 1, "the commit's time is an input of this chart");
    let last = rendered(&tree, &Options { time: 7, ..Options::new(&Offline) });
    assert_eq!(data(&last, "at"), "7");
}

#[test]
fn random_text_comes_from_the_clouds_secret_and_stays() {
    let mut tree = cloud();
    edit(&mut tree, "charts/show/templates/cm.yaml", "data:\n", "data:\n  secret: {{ randAlphaNum 20 }}\n");
    let secret = |seed: u8, time: i64| {
        data(&rendered(&tree, &Options { seed: Some([seed; 32]), time, ..Options::new(&Offline) }), "secret")
    };
    assert_eq!(secret(1, 1).len(), 20);
    assert_eq!(secret(1, 1), secret(1, 2));
    assert_ne!(secret(1, 1), secret(2, 1));
    assert!(refused(&tree).contains("needs the cloud's key"), "{}", refused(&tree));
}

#[test]
fn a_kustomization_inflates_a_chart_of_the_repository() {
    let mut tree = cloud();
    edit(
        &mut tree,
        "apps/show.yaml",
        "  chart: {path: charts/show}\n  values:\n    files: [more.yaml]\n    inline: {e: inline, port: 8080}\n",
        "",
    );
    let text = "helmCharts:\n- {name: show, releaseName: inflated, valuesInline: {port: 1}}\n";
    tree.insert("kustomize/show/base/kustomization.yaml", text.as_bytes().to_vec());
    for file in ["Chart.yaml", "values.yaml", "templates/cm.yaml"] {
        let bytes = tree.read(&format!("charts/show/{file}")).unwrap();
        tree.insert(&format!("kustomize/show/base/charts/show/{file}"), bytes);
    }
    let cache = Cache::default();
    let options = |time| Options { cache: Some(&cache), time, ..Options::new(&Offline) };
    let result = rendered(&tree, &options(1));
    assert!(result.objects().any(|o| &*o.id.name == "inflated"));
    assert_eq!(rendered(&tree, &options(2)).rendered, 0);
    edit(
        &mut tree,
        "kustomize/show/base/charts/show/templates/cm.yaml",
        "data:\n",
        "data:\n  at: {{ now | unixEpoch | quote }}\n",
    );
    assert_eq!(rendered(&tree, &options(3)).rendered, 1);
    assert_eq!(rendered(&tree, &options(4)).rendered, 1);
}

#[test]
fn a_packed_chart_that_names_the_folder_of_its_library_uses_the_packed_one() {
    let mut tree = cloud();
    let chart = "apiVersion: v2\nname: show\nversion: 1.2.3\ndependencies:\n  - {name: lib, version: \">= 0.1.0\", repository: \"file://../lib\"}\n";
    tree.insert("charts/show/Chart.yaml", chart.as_bytes().to_vec());
    assert!(refused(&tree).contains("charts/lib\" not found"), "{}", refused(&tree));
    let library = b"apiVersion: v2\nname: lib\nversion: 0.1.0\ntype: library\n".to_vec();
    tree.insert("charts/show/charts/lib/Chart.yaml", library);
    assert_eq!(data(&rendered(&tree, &Options::new(&Offline)), "port"), "8080");
}
