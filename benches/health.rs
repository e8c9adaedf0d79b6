//! What users' readiness rules in CEL cost: reading them, and a verdict by them against a verdict of the shipped rules on the same
//! objects (`fixtures/health/own/conditions.json`).
//!
//! `cargo bench --profile quick --bench health` prints one JSON object; times in microseconds, the least of five rounds.

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use retune::cloud::spec::{Health as Policy, HealthRules};
use retune::health::judge_with;
use retune::health::own::OwnRules;
use serde::Deserialize;
use serde_json::{Value, json};

const ROUNDS: usize = 5;
const REPEATS: u32 = 2_000;

#[derive(Deserialize)]
struct Own {
    rules: Vec<HealthRules>,
    examples: Vec<Example>,
}

#[derive(Deserialize)]
struct Example {
    object: Value,
}

fn main() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/health/own/conditions.json");
    let text = std::fs::read_to_string(file).expect("the examples are there");
    let own: Own = serde_json::from_str(&text).expect("they can be read");
    let (group, kind) = (own.rules[0].group.clone(), own.rules[0].kinds[0].clone());
    let policy = Policy { rules: own.rules, ..Policy::default() };
    let app = Arc::from("a");
    let rules = OwnRules::of(std::iter::once((&app, &policy)));
    let cases = rules.cases("a", &group, &kind);
    let objects: Vec<&Value> =
        own.examples.iter().map(|e| &e.object).filter(|o| o["kind"] == kind.as_str()).collect();
    assert!(cases.is_some() && !objects.is_empty(), "{kind} has rules and examples");

    let read = least(|| {
        for _ in 0..REPEATS {
            black_box(OwnRules::of(std::iter::once((&app, &policy))));
        }
    });
    let verdict = |cases| {
        least(|| {
            for _ in 0..REPEATS {
                for object in &objects {
                    black_box(judge_with(object, cases));
                }
            }
        })
    };
    let each = |took: Duration, of: usize| took.as_secs_f64() * 1e6 / f64::from(REPEATS) / of as f64;
    println!(
        "{}",
        json!({"read_rules_us": each(read, 1), "verdict_us": each(verdict(cases), objects.len()),
            "shipped_rules_verdict_us": each(verdict(None), objects.len()), "objects": objects.len()})
    );
}

fn least(mut work: impl FnMut()) -> Duration {
    let one = |work: &mut dyn FnMut()| {
        let begun = Instant::now();
        work();
        begun.elapsed()
    };
    (0..ROUNDS).map(|_| one(&mut work)).min().unwrap_or_default()
}
