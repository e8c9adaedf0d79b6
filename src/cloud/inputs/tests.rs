//! Rendering with live inputs, in memory.

use super::*;
use crate::cloud::{AppState, Cache, Offline, Options, RenderedCloud, render};
use crate::files::MemTree;
use std::collections::HashMap;

/// By `app/name`.
#[derive(Default)]
struct Known(HashMap<String, Lookup>);

impl Known {
    fn with(mut self, name: &str, value: &str) -> Self {
        self.0.insert(name.into(), Lookup::Value(Hidden(value.into())));
        self
    }
}

impl Inputs for Known {
    fn get(&self, app: &str, name: &str, _: &InputSource) -> Lookup {
        let missing = || Lookup::Missing("does not exist".into());
        self.0.get(&format!("{app}/{name}")).cloned().unwrap_or_else(missing)
    }
}

const CHART: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  conf: {{ .Values.conf | toJson | quote }}\n";

fn tree(inputs: &str) -> MemTree {
    let app = |name: &str, more: &str| {
        format!(
            "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {{name: {name}}}\nspec:\n  namespace: ns\n{more}"
        )
    };
    [
        ("retune.yaml", "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {name: c}\n".to_owned()),
        (
            "apps/web.yaml",
            app(
                "web",
                &format!("  chart: {{path: chart}}\n  values: {{inline: {{conf: {{a: 1}}}}}}\n{inputs}"),
            ),
        ),
        ("apps/other.yaml", app("other", "  manifests: m.yaml\n")),
        ("m.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n".to_owned()),
        ("chart/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n".to_owned()),
        ("chart/values.yaml", "conf: {}\n".to_owned()),
        ("chart/templates/x.yaml", CHART.to_owned()),
    ]
    .into_iter()
    .map(|(path, text)| (path, text.into_bytes()))
    .collect()
}

const TWO: &str = "  inputs:\n    pw: {secret: {name: s, key: p}, values: [conf.pw]}\n    addr: {service: {namespace: k, name: ovn, value: address}, \
                   text: 'tcp:$(value)', values: [conf.nb, 'conf.list[0].nb']}\n";

fn built(inputs: &str, known: &Known, cache: Option<&Cache>) -> Result<RenderedCloud, Vec<Problem>> {
    render(&tree(inputs), "base", &Options { inputs: known, cache, ..Options::new(&Offline) })
}

#[test]
fn values_are_put_where_the_chart_takes_them_as_text_and_win() {
    let known = Known::default().with("web/pw", "12,3{\\").with("web/addr", "10.0.0.1:6641");
    let cloud = built(TWO, &known, None).unwrap();
    let web = cloud.app("web").unwrap();
    let conf: Value = serde_json::from_str(&web.objects[0].body).unwrap();
    let conf: Value = serde_json::from_str(conf["data"]["conf"].as_str().unwrap()).unwrap();
    assert_eq!(
        conf,
        json!({"a": 1, "pw": "12,3{\\", "nb": "tcp:10.0.0.1:6641", "list": [{"nb": "tcp:10.0.0.1:6641"}]})
    );
    let records: Vec<_> =
        web.inputs.iter().map(|i| (i.source.to_string(), i.record.clone().unwrap())).collect();
    assert_eq!(records[0], ("Service k/ovn address".to_owned(), "10.0.0.1:6641".to_owned()));
    assert!(records[1].0 == "Secret ns/s key p" && records[1].1.starts_with("digest "), "{records:?}");
    assert!(!format!("{cloud:?}").contains("12,3{\\\\\\\\\"}"), "Debug shows no secret besides the objects");
}

#[test]
fn a_missing_input_makes_its_app_pending_and_no_other() {
    let cloud = built(TWO, &Known::default().with("web/pw", "x"), None).unwrap();
    let web = cloud.app("web").unwrap();
    let missing = "Service k/ovn address does not exist (input addr)".to_owned();
    assert_eq!(web.state, AppState::Pending(vec![missing]));
    assert!(web.objects.is_empty() && cloud.app("other").unwrap().objects.len() == 1);
}

#[test]
fn a_changed_value_renders_the_app_that_uses_it_and_no_other() {
    let cache = Cache::default();
    let first = Known::default().with("web/pw", "one1").with("web/addr", "a:1");
    assert_eq!(built(TWO, &first, Some(&cache)).unwrap().rendered, 2);
    assert_eq!(built(TWO, &first, Some(&cache)).unwrap().rendered, 0);
    let second = Known::default().with("web/pw", "two2").with("web/addr", "a:1");
    let cloud = built(TWO, &second, Some(&cache)).unwrap();
    assert_eq!(cloud.rendered, 1);
    assert!(cloud.app("web").unwrap().objects[0].body.contains("two2"));
    // And back: the render before is still known.
    assert_eq!(built(TWO, &first, Some(&cache)).unwrap().rendered, 0);
}

#[test]
fn an_error_of_a_chart_does_not_quote_a_secret() {
    let mut tree = tree(TWO);
    let text = "{{ fail (printf \"bad %s\" .Values.conf.pw) }}";
    tree = tree_with(tree, "chart/templates/x.yaml", text);
    let known = Known::default().with("web/pw", "hunter22").with("web/addr", "a:1");
    let problems = render(&tree, "base", &Options { inputs: &known, ..Options::new(&Offline) }).unwrap_err();
    let text = problems[0].to_string();
    assert!(text.contains("bad <masked>") && !text.contains("hunter22"), "{text}");
}

fn tree_with(base: MemTree, path: &str, text: &str) -> MemTree {
    use crate::files::FileTree as _;
    let paths = [
        "retune.yaml",
        "apps/web.yaml",
        "apps/other.yaml",
        "m.yaml",
        "chart/Chart.yaml",
        "chart/values.yaml",
    ];
    let kept = paths.iter().map(|p| (*p, base.read(p).unwrap().to_vec()));
    kept.chain([(path, text.as_bytes().to_vec())]).collect()
}

#[test]
fn a_kustomization_gets_the_values_from_inputs_yaml() {
    let app = "apiVersion: retune.dev/v1alpha1\nkind: App\nmetadata: {name: k}\nspec:\n  namespace: ns\n  inputs:\n    \
               ip: {service: {name: s}}\n";
    let kustomization = "resources: [inputs.yaml, m.yaml]\nreplacements:\n- source: {kind: ConfigMap, name: inputs, fieldPath: data.ip}\n  \
                         targets:\n  - select: {name: m}\n    fieldPaths: [data.ip]\n";
    let tree = |kustomization: &str| -> MemTree {
        [
            ("retune.yaml", "apiVersion: retune.dev/v1alpha1\nkind: Cloud\nmetadata: {name: c}\n"),
            ("apps/k.yaml", app),
            ("kustomize/k/base/kustomization.yaml", kustomization),
            (
                "kustomize/k/base/m.yaml",
                "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\ndata: {ip: ''}\n",
            ),
        ]
        .into_iter()
        .map(|(path, text)| (path, text.as_bytes().to_vec()))
        .collect()
    };
    let known = Known::default().with("k/ip", "10.0.0.7");
    let options = Options { inputs: &known, ..Options::new(&Offline) };
    let cloud = render(&tree(kustomization), "base", &options).unwrap();
    let objects = &cloud.app("k").unwrap().objects;
    assert_eq!(objects.len(), 1, "inputs.yaml is no object of the app");
    assert!(objects[0].body.contains("\"ip\":\"10.0.0.7\""), "{}", objects[0].body);
    let problems = render(&tree("resources: [m.yaml]\n"), "base", &options).unwrap_err();
    assert!(
        problems[0].to_string().starts_with("apps/k.yaml:7:5: app k: spec.inputs.ip: nothing uses it"),
        "{}",
        problems[0]
    );
}

#[test]
fn what_is_wrong_with_an_input_is_told_with_its_place() {
    let told = |inputs: &str| {
        built(&format!("  inputs:\n{inputs}"), &Known::default(), None).unwrap_err()[0].to_string()
    };
    let both = told("    a: {secret: {name: s, key: k}, service: {name: x}, values: [a]}\n");
    assert!(
        both.starts_with("apps/web.yaml:9:5: app web: spec.inputs.a: more than one of secret,"),
        "{both}"
    );
    let none = told("    a: {values: [a]}\n");
    assert!(none.contains("one of secret, configMap, service and nodes is needed"), "{none}");
    let path = told("    a: {service: {name: x}, values: ['a[']}\n");
    assert!(path.contains("spec.inputs.a: a[:"), "{path}");
    let text = told("    a: {service: {name: x}, text: tcp, values: [a]}\n");
    assert!(text.contains("text does not contain $(value)"), "{text}");
    let selector = told("    a: {nodes: {selector: 'a in'}, values: [a]}\n");
    assert!(selector.contains("spec.inputs.a: selector:"), "{selector}");
}

#[test]
fn a_pending_app_is_outlined_with_placeholders_if_that_is_asked_for_and_known_from_then_on() {
    let (cache, known) = (Cache::default(), Known::default());
    let outline = |outlines: bool, known: &Known| {
        let options = Options { inputs: known, cache: Some(&cache), outlines, ..Options::new(&Offline) };
        let cloud = render(&tree(TWO), "base", &options).unwrap();
        let web = cloud.app("web").unwrap();
        assert!(web.objects.is_empty() && matches!(web.state, AppState::Pending(_)));
        web.outline.as_ref().map(|ids| ids.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(outline(false, &known), None);
    assert_eq!(outline(true, &known), Some(vec!["ConfigMap ns/x".to_owned()]));
    // One value more changes nothing.
    assert_eq!(outline(true, &known.with("web/pw", "1")), Some(vec!["ConfigMap ns/x".to_owned()]));
    // A chart that refuses placeholders cannot be outlined.
    let mut tree = tree(TWO);
    let picky =
        format!("{{{{ if ne .Values.conf.pw \"right\" }}}}{{{{ fail \"no\" }}}}{{{{ end }}}}\n{CHART}");
    tree.insert("chart/templates/x.yaml", picky.into_bytes());
    let known = Known::default();
    let options = Options { inputs: &known, outlines: true, ..Options::new(&Offline) };
    assert_eq!(render(&tree, "base", &options).unwrap().app("web").unwrap().outline, None);
}
