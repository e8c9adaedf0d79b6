//! CPU time of the Helm engine in one process: every chart of a folder, loaded and rendered with its default values.
//!
//! `cargo bench --bench helm -- FOLDER` (default: our own charts). Prints one JSON document. `first` is a cold process,
//! `again` the same charts once more in it, when the parsed templates are remembered: what a syncer's later renders cost.

#![allow(clippy::print_stderr, reason = "a benchmark reports to whoever runs it")]

use std::path::Path;
use std::process::ExitCode;

use retune::helm::{self, Chart, ReleaseOptions};
use retune::source::disk::DiskTree;
use serde_json::{Map, json};

/// Nanoseconds of CPU that this thread has used, as the kernel counts them.
fn cpu_nanos() -> Result<u64, String> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").map_err(|e| e.to_string())?;
    let first = text.split_whitespace().next().ok_or("an empty schedstat")?;
    first.parse().map_err(|e| format!("schedstat: {e}"))
}

struct Pass {
    load: u64,
    render: u64,
    charts: usize,
    refused: Vec<String>,
    bytes: usize,
}

fn pass(folder: &Path) -> Result<Pass, String> {
    let tree = DiskTree::open(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .map_err(|e| e.to_string())?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| folder.join(name).join("Chart.yaml").is_file())
        .collect();
    names.sort();
    let mut out = Pass { load: 0, render: 0, charts: 0, refused: Vec::new(), bytes: 0 };
    for name in names {
        let start = cpu_nanos()?;
        let chart = Chart::load(&tree, &name);
        let loaded = cpu_nanos()?;
        let release =
            chart.and_then(|c| helm::render(&c, &ReleaseOptions::new("bench", "bench"), &Map::new()));
        let done = cpu_nanos()?;
        match release {
            Ok(release) => {
                out.charts += 1;
                out.load += loaded - start;
                out.render += done - loaded;
                out.bytes += release.manifest_without_hooks().len();
            }
            Err(_) => out.refused.push(name),
        }
    }
    Ok(out)
}

fn run() -> Result<(), String> {
    let folder = std::env::args().skip(1).find(|a| !a.starts_with("--"));
    let folder = folder.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/charts").to_owned());
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let report = |p: &Pass| {
        json!({"charts": p.charts, "refused": p.refused, "load_cpu_seconds": seconds(p.load),
               "render_cpu_seconds": seconds(p.render), "manifest_bytes": p.bytes})
    };
    let (first, again) = (pass(Path::new(&folder))?, pass(Path::new(&folder))?);
    println!("{:#}", json!({"folder": folder, "first": report(&first), "again": report(&again)}));
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("helm bench: {why}");
            ExitCode::FAILURE
        }
    }
}
