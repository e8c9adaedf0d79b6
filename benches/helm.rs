//! CPU time of the Helm engine in one process: every chart of a folder, loaded and rendered with its default values.
//!
//! `cargo bench --bench helm -- FOLDER [--helm PROGRAM] [--strict]` (default: our own charts). Prints one JSON document.
//! `first` is a cold process, `again` the same charts once more in it, when the parsed templates are remembered: what a
//! syncer's later renders cost. With `--helm` each chart is also rendered by a process of its own on both sides, ours and
//! Helm's. Each figure stands beside its bar, which is meant for the OpenStack-Helm set; `--strict` fails below a bar.

#![allow(clippy::print_stderr, reason = "a benchmark reports to whoever runs it")]

use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use retune::helm::{self, Chart, ReleaseOptions};
use retune::source::disk::DiskTree;
use serde_json::{Map, json};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Nanoseconds of CPU that this thread has used, as the kernel counts them.
fn cpu_nanos() -> Result<u64, String> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").map_err(|e| e.to_string())?;
    let first = text.split_whitespace().next().ok_or("an empty schedstat")?;
    first.parse().map_err(|e| format!("schedstat: {e}"))
}

/// Seconds of CPU for all charts in one process.
const ONE_PROCESS_BAR: f64 = 0.2;
/// How many times less CPU than Helm, a process per chart on both sides.
const RATIO_BAR: f64 = 20.0;

/// Seconds of CPU that ended children have used, in steps of a hundredth.
fn children_cpu() -> Result<f64, String> {
    let text = std::fs::read_to_string("/proc/self/stat").map_err(|e| e.to_string())?;
    let (_, fields) = text.rsplit_once(") ").ok_or("an odd stat")?;
    let ticks = |n: usize| fields.split(' ').nth(n).and_then(|f| f.parse::<f64>().ok()).ok_or("an odd stat");
    Ok((ticks(13)? + ticks(14)?) / 100.0)
}

/// CPU seconds of `PROGRAM ARGS bench CHART` over all charts, each in its own process.
fn per_process(program: &str, args: &[&str], folder: &Path, charts: &[String]) -> Result<f64, String> {
    let before = children_cpu()?;
    for chart in charts {
        Command::new(program)
            .args(args)
            .arg("bench")
            .arg(folder.join(chart))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .map_err(|e| format!("{program}: {e}"))?;
    }
    Ok(children_cpu()? - before)
}

struct Pass {
    load: u64,
    render: u64,
    charts: Vec<String>,
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
    let mut out = Pass { load: 0, render: 0, charts: Vec::new(), refused: Vec::new(), bytes: 0 };
    for name in names {
        let start = cpu_nanos()?;
        let chart = Chart::load(&tree, &name);
        let loaded = cpu_nanos()?;
        let release =
            chart.and_then(|c| helm::render(&c, &ReleaseOptions::new("bench", "bench"), &Map::new()));
        let done = cpu_nanos()?;
        match release {
            Ok(release) => {
                out.charts.push(name);
                out.load += loaded - start;
                out.render += done - loaded;
                out.bytes += release.manifest_without_hooks().len();
            }
            Err(_) => out.refused.push(name),
        }
    }
    Ok(out)
}

fn run() -> Result<bool, String> {
    let (mut folder, mut helm, mut strict) = (None, None, false);
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--helm" => helm = args.next(),
            "--strict" => strict = true,
            _ if arg.starts_with("--") => {}
            _ => folder = Some(arg),
        }
    }
    let folder = folder.unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/charts").to_owned());
    let folder = Path::new(&folder);
    let seconds = |nanos: u64| nanos as f64 / 1e9;
    let total = |p: &Pass| seconds(p.load + p.render);
    let report = |p: &Pass| {
        json!({"charts": p.charts.len(), "refused": p.refused, "load_cpu_seconds": seconds(p.load),
               "render_cpu_seconds": seconds(p.render), "manifest_bytes": p.bytes,
               "bar_cpu_seconds": ONE_PROCESS_BAR, "reached": total(p) <= ONE_PROCESS_BAR})
    };
    let (first, again) = (pass(folder)?, pass(folder)?);
    let mut reached = total(&first) <= ONE_PROCESS_BAR;
    let mut out = json!({"folder": folder, "first": report(&first), "again": report(&again)});
    if let Some(helm) = helm {
        let ours = per_process(env!("CARGO_BIN_EXE_retune"), &["helm", "template"], folder, &first.charts)?;
        let theirs = per_process(&helm, &["template"], folder, &first.charts)?;
        let ratio = theirs / ours.max(0.01);
        reached &= ratio >= RATIO_BAR;
        out["process_per_chart"] = json!({"retune_cpu_seconds": ours, "helm_cpu_seconds": theirs,
            "ratio": ratio, "bar_ratio": RATIO_BAR, "reached": ratio >= RATIO_BAR});
    }
    println!("{out:#}");
    Ok(reached || !strict)
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("helm bench: below a bar");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("helm bench: {why}");
            ExitCode::FAILURE
        }
    }
}
