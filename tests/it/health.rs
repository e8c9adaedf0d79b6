//! Verdicts on example objects: every file under `fixtures/health/` is a list of objects with the verdict each must get.

use retune::health::{Health, judge};
use serde::Deserialize;

#[derive(Deserialize)]
struct Example {
    case: String,
    health: Health,
    /// A part of the message; empty when there must be none.
    message: String,
    object: serde_json::Value,
}

#[test]
fn every_example_gets_its_verdict() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/health");
    let mut examples = 0;
    let mut wrong = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let list: Vec<Example> =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for example in list {
            examples += 1;
            let verdict = judge(&example.object);
            let says = if example.message.is_empty() {
                verdict.message.is_empty()
            } else {
                verdict.message.contains(&example.message)
            };
            if verdict.health != example.health || !says {
                wrong.push(format!("{}: {}: {verdict:?}", path.display(), example.case));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(examples >= 55, "only {examples} examples were found");
}
