//! What is fuzzed. A room adds its targets here: a name, a corpus, a function that takes any bytes.

use std::rc::Rc;

use retune::template::{self, Exec, Func, MissingKey, Registry, Set, Signature, Type, Value, sprig};
use retune::yaml::{self, Limits, emit, json};

use crate::Target;

/// All targets.
pub(crate) const ALL: &[Target] = &[
    Target { name: "read_v3", corpus: yaml_corpus, run: |input| read(input, yaml::read_v3) },
    Target { name: "read_v2", corpus: yaml_corpus, run: |input| read(input, yaml::read_v2_json_all) },
    Target { name: "plain", corpus: manifest_corpus, run: plain },
    Target { name: "emit", corpus: yaml_corpus, run: emit },
    Target { name: "template_parse", corpus: template_corpus, run: parse_template },
    Target { name: "template", corpus: template_corpus, run: render_template },
];

/// The cases of the template room's baselines.
fn template_corpus() -> Vec<Vec<u8>> {
    let mut corpus = vec![b"{{ .a }}".to_vec()];
    for folder in ["language", "fmt", "helm"] {
        let Ok(files) = std::fs::read_dir(format!("fixtures/template/{folder}")) else { continue };
        for file in files.flatten().filter(|f| f.path().extension().is_some_and(|e| e == "cases")) {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            corpus.extend(text.lines().filter(|l| l.contains("{{")).map(|l| l.as_bytes().to_vec()));
        }
    }
    corpus
}

/// sprig without what is slow on purpose: keys, password hashes.
fn template_funcs() -> Rc<Registry> {
    let mut funcs = Registry::new();
    sprig::register(&mut funcs);
    for name in [
        "genPrivateKey",
        "genCA",
        "genCAWithKey",
        "genSelfSignedCert",
        "genSelfSignedCertWithKey",
        "genSignedCert",
        "genSignedCertWithKey",
        "bcrypt",
        "htpasswd",
        "derivePassword",
    ] {
        let signature = Signature::variadic(&[Type::Any], Type::String);
        funcs.add(Func::new(name, signature, |_, _| Ok(Value::str("slow"))));
    }
    let signature = Signature::fixed(&[Type::String, Type::Any], Type::String);
    funcs.add(Func::new("include", signature, |exec, args| {
        let mut out = Vec::new();
        exec.run(&args[0].text().unwrap_or_default(), args[1].clone(), &mut out)?;
        Ok(Value::from(out))
    }));
    funcs.add(Func::new("tpl", signature, |exec, args| {
        let mut set = exec.set().clone();
        let template = set.parse("tpl", &args[0].text().unwrap_or_default())?;
        let mut out = Vec::new();
        exec.run_in(set, &template, args[1].clone(), &mut out)?;
        Ok(Value::from(out))
    }));
    Rc::new(funcs)
}

thread_local! {
    static FUNCS: Rc<Registry> = template_funcs();
}

/// The end of a text that `template::plain` leaves to the parser: what comes before it must be the same with it.
const NOT_PLAIN: &str = "x{{ 1.5 }}";

fn parse_template(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let parses =
        |text: &str| Set::new(FUNCS.with(Rc::clone)).parse("fuzz", text).map_err(|e| e.to_string()).is_ok();
    if parses(&text) {
        assert!(parses(&format!("{text}{NOT_PLAIN}")));
    }
}

fn render_template(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Some((out, done)) = render(&text) else { return };
    let (longer, also) = render(&format!("{text}{NOT_PLAIN}")).expect("it is parsed without its end");
    match (done, also) {
        (Ok(()), Ok(())) => assert!(longer.strip_suffix(b"x1.5") == Some(&out), "{text}"),
        (Err(one), Err(other)) => assert_eq!(one, other),
        // A limit may be reached by what is longer.
        (_, Err(error)) => assert!(error.contains("limit") || error.contains("stopped after"), "{error}"),
        (Err(error), Ok(())) => panic!("{error}"),
    }
}

/// What a text gives, if it parses.
fn render(text: &str) -> Option<(Vec<u8>, Result<(), String>)> {
    let mut set = Set::new(FUNCS.with(Rc::clone)).with_missing_key(MissingKey::Zero);
    let template = set.parse("fuzz", text).ok()?;
    let data = serde_json::json!({
        "s": "text", "i": 3, "f": 2.5, "t": true, "n": null, "l": [1, "a", null, [2]], "m": {"a": 1, "b": {"c": "x"}},
        "strs": ["b", "a"], "nums": [3, 1, 2], "e": "", "el": [], "em": {}, "a": 1, "u": "h\u{e9}llo"
    });
    let randomness = sprig::Randomness::Random { entropy: [1; 32] };
    let host = sprig::Host::new(randomness, (1_700_000_000, 0), Rc::new(()));
    let limits = template::Limits { depth: 200, steps: 50_000, text: 1 << 18 };
    let mut out = Vec::new();
    let done =
        Exec::new(set, limits, Rc::new(host)).run_template(&template, Value::from_json(&data), &mut out);
    assert!(out.len() <= 1 << 19, "the output is bounded");
    Some((out, done.map_err(|e| e.to_string())))
}

/// The documents and scalars of the YAML room's baselines.
pub(crate) fn yaml_corpus() -> Vec<Vec<u8>> {
    let field = |file: &str, name: &str| -> Vec<Vec<u8>> {
        let text = std::fs::read_to_string(format!("fixtures/yaml/{file}")).unwrap_or_default();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        lines.filter_map(|case| case[name].as_str().map(|s| s.as_bytes().to_vec())).collect()
    };
    let mut corpus = field("documents.jsonl", "d");
    corpus.extend(field("scalars.jsonl", "s"));
    corpus.push(b"a: 1\n".to_vec());
    corpus
}

/// Manifests in block style besides.
fn manifest_corpus() -> Vec<Vec<u8>> {
    let mut corpus = yaml_corpus();
    for text in [
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels:\n    b: c\ndata:\n  d: |\n    e: f\n\n     g\n  h: \"i\\n\"\n",
        "kind: Job\nmetadata:\n  annotations:\n    \"helm.sh/hook\": post-install\nspec:\n  l:\n  - m: 1\n    n:\n      - o\n      - - p\n        - q: 'r'\n  -\n    s: {}\n",
        "a: &x\n  b: 1\n  c:\n  - d\nm:\n  b: 2\n  <<: *x\n  e: f\nk: &y\n- *x\nl: *y\nt:\n- set -x;\n  run \"it\" - now\n  :x # c\n",
        "a:\n  ? \"!=\"\n  :\n    b: 1\n  ? 'c'\n  : d\ne: {\n  }\n0: ^x\nf: >-\n  g\n  h\n00-i: [j, \"k\"]\nl: >\n  m\n\n",
        "# a\nmetadata: {name: b}\n---\nkind: >-\n  c\n  d\nspec:\n  e: f g\n  h: http://i:80/j\n  k: -1.5\n",
    ] {
        corpus.extend([text.as_bytes().to_vec(), text.as_bytes().to_vec()]);
    }
    corpus
}

/// What is read as plain must be what the reader takes, and mean the same.
fn plain(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let limits = Limits::default();
    let Some(plain) = yaml::read_plain_json(&text, &limits) else { return };
    let read = yaml::read_v2_json(&text, &limits).expect("what is plain can be read");
    assert_eq!(plain, retune::helm::values::to_json(&read), "{text:?}");
    if let Some(node) = yaml::read_plain_v2_json(&text, &limits) {
        assert_eq!(node, read, "{text:?}");
    }
}

fn read(input: &[u8], reader: fn(&str, &Limits) -> Result<Vec<yaml::Node>, yaml::Error>) {
    let text = match yaml::decode_bytes(input) {
        Ok(text) => text.into_owned(),
        Err(_) => String::from_utf8_lossy(input).into_owned(),
    };
    match reader(&text, &Limits::default()) {
        Ok(nodes) => {
            for node in &nodes {
                let _ = emit::to_yaml(node);
                let _ = json::to_json(node, true);
            }
        }
        Err(error) => drop(error.to_string()),
    }
}

/// What is printed must read as what it was.
fn emit(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let clean: String =
        text.chars().filter(|c| !matches!(c, '\u{7F}'..='\u{9F}' | '\u{FFFE}' | '\u{FFFF}')).collect();
    let entries = clean
        .split('\u{1}')
        .enumerate()
        .map(|(i, piece)| yaml::Entry {
            key: yaml::Node::str(format!("{i}{}", &piece.get(..3).unwrap_or(""))),
            value: yaml::Node::str(piece),
        })
        .collect();
    let node = yaml::Node::from(yaml::Value::Mapping(yaml::Mapping { entries }));
    let plain: Vec<String> = node
        .as_map()
        .map(|m| m.entries.iter().filter_map(|e| e.value.text().map(str::to_owned)).collect())
        .unwrap_or_default();
    // The tree was made by the program in plain style: only a leading tab with line breaks is refused.
    let Ok(printed) = emit::to_yaml(&node) else {
        assert!(plain.iter().any(|p| p.starts_with('\t')), "refused: {clean:?}");
        return;
    };
    let again = yaml::read_v2_json(&printed, &Limits::default()).expect("what was printed can be read");
    assert_eq!(json::to_json(&again, false), json::to_json(&node, false), "{printed:?}");
}
