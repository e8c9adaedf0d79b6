//! Verdicts on example objects: every file under `fixtures/health/examples/` is a list of objects with the verdict each must
//! get. kstatus' own verdicts on the same objects (`fixtures/health/kstatus.json`, written by `tests/tools/kstatus`) must be the
//! same but for `fixtures/health/deviations.json`, which gives the reason of each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

#[cfg(feature = "cel")]
use retune::health::judge_with;
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

#[derive(Deserialize)]
struct Deviation {
    file: String,
    case: String,
    kstatus: Health,
    retune: Health,
    why: String,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/health"))
}

fn examples() -> Vec<(String, Example)> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder().join("examples")).unwrap().map(|f| f.unwrap().path()).collect();
    files.sort();
    let mut out = Vec::new();
    for path in files {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let list: Vec<Example> =
            serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        out.extend(list.into_iter().map(|e| (name.clone(), e)));
    }
    out
}

#[test]
fn every_example_gets_its_verdict() {
    let examples = examples();
    let mut wrong = Vec::new();
    for (file, example) in &examples {
        let verdict = judge(&example.object);
        let says = if example.message.is_empty() {
            verdict.message.is_empty()
        } else {
            verdict.message.contains(&example.message)
        };
        if verdict.health != example.health || !says {
            wrong.push(format!("{file}: {}: {verdict:?}", example.case));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(examples.len() >= 250, "only {} examples were found", examples.len());
    let cases: BTreeSet<_> = examples.iter().map(|(file, e)| (file, &e.case)).collect();
    assert_eq!(cases.len(), examples.len(), "a case has a name of its own");
}

#[test]
fn verdicts_are_those_of_kstatus_but_for_the_deviations_that_are_listed_with_their_reason() {
    let read = |name: &str| std::fs::read_to_string(folder().join(name)).unwrap();
    let oracle: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(&read("kstatus.json")).unwrap();
    let deviations: Vec<Deviation> = serde_json::from_str(&read("deviations.json")).unwrap();
    let listed: BTreeMap<(&str, &str), &Deviation> =
        deviations.iter().map(|d| ((d.file.as_str(), d.case.as_str()), d)).collect();
    let mut wrong = Vec::new();
    let mut same = 0;
    for (file, example) in examples() {
        let verdict = match oracle[&file][&example.case].as_str() {
            "Current" => Health::Ready,
            "InProgress" | "Terminating" => Health::Progressing,
            "Failed" => Health::Failed,
            other => panic!("{file}: {}: kstatus says {other}", example.case),
        };
        let ours = judge(&example.object).health;
        match listed.get(&(file.as_str(), example.case.as_str())) {
            None if ours == verdict => same += 1,
            None => wrong.push(format!("{file}: {}: kstatus {verdict:?}, retune {ours:?}", example.case)),
            Some(d) if d.kstatus == verdict && d.retune == ours && ours != verdict && !d.why.is_empty() => {}
            Some(_) => wrong.push(format!("{file}: {}: the list of deviations is out of date", example.case)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(same >= 170, "only {same} are the same");
}

#[cfg(feature = "cel")]
#[derive(Deserialize)]
struct Own {
    rules: Vec<retune::cloud::spec::HealthRules>,
    examples: Vec<Example>,
}

#[cfg(feature = "cel")]
#[test]
fn rules_of_users_give_their_verdicts_and_leave_the_rest_to_the_shipped_ones() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for entry in std::fs::read_dir(folder().join("own")).unwrap() {
        let path = entry.unwrap().path();
        let own: Own = serde_json::from_str(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let policy = retune::cloud::spec::Health { rules: own.rules, ..Default::default() };
        let app = std::sync::Arc::from("a");
        let rules = retune::health::own::OwnRules::of(std::iter::once((&app, &policy)));
        for example in own.examples {
            count += 1;
            let api_version = example.object["apiVersion"].as_str().unwrap();
            let group = api_version.split_once('/').map_or("", |(group, _)| group);
            let kind = example.object["kind"].as_str().unwrap();
            assert!(rules.cases("b", group, kind).is_none(), "another app has no rules");
            let cases = rules.cases("a", group, kind);
            assert!(cases.is_some() && rules.speak_of(group, kind), "{}: {}", path.display(), example.case);
            let verdict = judge_with(&example.object, cases);
            let says = example.message.is_empty() == verdict.message.is_empty()
                && verdict.message.contains(&example.message);
            if verdict.health != example.health || !says {
                wrong.push(format!("{}: {}: {verdict:?}", path.display(), example.case));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 20, "only {count} examples were found");
}
