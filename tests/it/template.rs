//! Every template under `fixtures/template/` gives what Go's text/template gives, output or error text, byte for byte.
//!
//! The cases are files that a person can extend; `tests/tools/template` (Go) writes the answers. See its head for the format.

#[path = "template/functions.rs"]
mod functions;
#[path = "template/limits.rs"]
mod limits;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use retune::template::strconv::{quote, unquote};
use retune::template::{Exec, Limits, MissingKey, Registry, Set, Value};

/// What holds for the cases that follow.
struct Context {
    helm: bool,
    data: serde_json::Value,
    missing_key: MissingKey,
}

/// A template and where it stands.
struct Case {
    line: usize,
    text: String,
    helm: bool,
    data: serde_json::Value,
    missing_key: MissingKey,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/template")
}

fn case_files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).expect("fixtures are there").map(|e| e.expect("readable").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            case_files(&path, found);
        } else if path.extension().is_some_and(|e| e == "cases") {
            found.push(path);
        }
    }
}

fn cases(text: &str) -> Vec<Case> {
    let mut context =
        Context { helm: false, data: serde_json::Value::Null, missing_key: MissingKey::Default };
    let (mut cases, mut block): (Vec<Case>, Option<String>) = (Vec::new(), None);
    let mut push = |context: &Context, line: usize, text: String| {
        let Context { helm, data, missing_key } = context;
        cases.push(Case { line, text, helm: *helm, data: data.clone(), missing_key: *missing_key });
    };
    for (i, line) in text.split('\n').enumerate() {
        if let Some(mut text) = block.take() {
            if line == ">>>" {
                text.pop();
                push(&context, i + 1, text);
            } else {
                text += line;
                text.push('\n');
                block = Some(text);
            }
        } else if line == "<<<" {
            block = Some(String::new());
        } else if let Some(mode) = line.strip_prefix("mode: ") {
            context.helm = mode == "helm";
        } else if let Some(data) = line.strip_prefix("data: ") {
            context.data = serde_json::from_str(data).expect("data is JSON");
        } else if let Some(options) = line.strip_prefix("options:") {
            context.missing_key = match options.trim() {
                "missingkey=zero" => MissingKey::Zero,
                "missingkey=error" => MissingKey::Error,
                _ => MissingKey::Default,
            };
        } else if !line.is_empty() && !line.starts_with('#') {
            push(&context, i + 1, line.to_owned());
        }
    }
    cases
}

/// The answer to a case as the oracle writes it.
fn answer(case: &Case, funcs: &Rc<Registry>) -> String {
    let mut set = Set::new(Rc::clone(funcs)).with_name("case").with_missing_key(case.missing_key);
    let template = match set.parse("case", &case.text) {
        Ok(template) => template,
        Err(e) => return format!("! {}", quote(e.to_string().as_bytes())),
    };
    let mut exec = Exec::new(set, Limits::default(), functions::host());
    let mut out = Vec::new();
    match exec.run_template(&template, Value::from_json(&case.data), &mut out) {
        Ok(()) => format!("= {}", quote(&out)),
        Err(e) => format!("! {}", quote(e.to_string().as_bytes())),
    }
}

#[test]
fn every_template_gives_what_go_gives() {
    let (language, helm) = (Rc::new(functions::language()), Rc::new(functions::helm()));
    let mut files = Vec::new();
    case_files(&fixtures(), &mut files);
    // RETUNE_SHOW=1000 shows more of what differs.
    let shown = std::env::var("RETUNE_SHOW").ok().and_then(|n| n.parse().ok()).unwrap_or(40);
    let (mut total, mut wrong, mut report) = (0, 0, String::new());
    for path in files {
        let name = path.strip_prefix(fixtures()).expect("below fixtures").display().to_string();
        let read = |path: &Path| std::fs::read_to_string(path).expect("readable");
        let wants = read(&path.with_extension("want"));
        let mut wants = wants.lines();
        for case in cases(&read(&path)) {
            let (text, want) = (wants.next().unwrap_or_default(), wants.next().unwrap_or_default());
            let line = case.line;
            assert_eq!(
                unquote(text).as_deref(),
                Some(case.text.as_bytes()),
                "{name}:{line}: the answers are of other cases: run tests/tools/template"
            );
            total += 1;
            let got = answer(&case, if case.helm { &helm } else { &language });
            if got != want {
                wrong += 1;
                if wrong <= shown {
                    let _ = writeln!(report, "{name}:{line}: {}\n  want {want}\n  got  {got}", case.text);
                }
            }
        }
        assert_eq!(wants.next(), None, "{name}: more answers than cases: run tests/tools/template");
    }
    assert!(total > 0, "there are cases");
    assert_eq!(wrong, 0, "of {total} templates {wrong} differ:\n{report}");
}
