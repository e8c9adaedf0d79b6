//! Measures the engine on a real control plane and prints one JSON object per subject.
//!
//! ```text
//! cargo bench --bench engine -- [SUBJECT...]
//! ```
//!
//! | subject | what is measured |
//! |---|---|
//! | `throughput` | first PATCH to last response of 1,200 objects, against a bare PATCH loop, five alternating pairs |
//! | `rest` | writes of a no-op sync and of a restart, requests at rest in two minutes, requests of a one-object commit |
//! | `commit` | a branch moves in a local repository → an independent watch sees the change |
//! | `drift` | another writer's response → an independent watch sees the corrected value |
//! | `kill` | SIGKILL at random moments of syncs: what is left behind, lost or made twice |
//! | `hookkill` | SIGKILL at random moments of installs, upgrades, hooks, rollbacks and deletions: hooks that ran again (`RETUNE_BENCH_KILLS`, 200) |
//! | `memory` | anonymous memory with 10,000 objects, a minute after the sync and at its peak |
//! | `graph` | 200 apps of four objects in chains of ten, empty namespace to all ready, against a bare client that applies the same waves |
//! | `dependency` | a dependency turns ready → the dependant's first write, 500 pairs |
//! | `preempt` | a newer commit during a wait or a hook that hangs → its first write |
//! | `storm` | 1,000 of 5,000 objects are changed by others within seconds, and a commit comes in the middle |
//! | `faults` | the API server goes away, answers 429 and 500, cuts connections |
//!
//! Without a subject all of them run. Each starts `retune` (the binary of the same profile) as a user of its own, so that
//! its requests can be told apart in the API server's audit log. The exit status is 1 if a bar was missed.

#![allow(
    clippy::print_stderr,
    missing_docs,
    reason = "a program of its own; progress goes to stderr, results to stdout"
)]

#[path = "../../tests/it/support/mod.rs"]
mod support;

mod api;
mod cloud;
mod faults;
mod graph;
mod hookkill;
mod kill;
mod latency;
mod memory;
mod preempt;
mod proxy;
mod rest;
mod statistics;
mod storm;
mod throughput;

use std::process::ExitCode;
use std::time::Instant;

use serde_json::{Value, json};

/// What a subject found: numbers, and whether the bar was met.
pub(crate) struct Finding {
    pub(crate) subject: &'static str,
    pub(crate) bar: &'static str,
    pub(crate) met: bool,
    pub(crate) numbers: Value,
}

type Subject = (&'static str, fn() -> Vec<Finding>);

const SUBJECTS: [Subject; 12] = [
    ("throughput", throughput::run),
    ("rest", rest::run),
    ("commit", latency::commit),
    ("drift", latency::drift),
    ("kill", kill::run),
    ("hookkill", hookkill::run),
    ("graph", graph::run),
    ("dependency", graph::dependency),
    ("preempt", preempt::run),
    ("storm", storm::run),
    ("memory", memory::run),
    ("faults", faults::run),
];

fn main() -> ExitCode {
    // Cargo passes --bench; everything else that is no option names a subject.
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    if let Some(unknown) = wanted.iter().find(|w| SUBJECTS.iter().all(|(name, _)| name != w)) {
        let names: Vec<&str> = SUBJECTS.iter().map(|(name, _)| *name).collect();
        eprintln!("no subject {unknown:?}; there are {}", names.join(", "));
        return ExitCode::from(2);
    }
    let mut all_met = true;
    for (name, run) in SUBJECTS {
        if !wanted.is_empty() && !wanted.iter().any(|w| w == name) {
            continue;
        }
        eprintln!("== {name}");
        let started = Instant::now();
        for finding in run() {
            all_met &= finding.met;
            let line = json!({
                "subject": finding.subject,
                "bar": finding.bar,
                "met": finding.met,
                "numbers": finding.numbers,
            });
            println!("{line}");
        }
        eprintln!("   {:.0} s", started.elapsed().as_secs_f64());
    }
    if all_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
