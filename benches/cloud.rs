//! What a syncer's render of a whole cloud costs, from a commit in Git to the objects that have to be there.
//!
//! `cargo bench --bench cloud -- FOLDER [--cloud-profile P] [--app APP] [--rounds N] [--strict]`: a repository is made of a folder with a
//! `retune.yaml` (the `cloud/` of `tests/upstream/run`'s scratch, or what `examples/offline` makes), and then
//!
//! - `cold`: CPU time of the first render in this process, on one thread, charts and templates unknown;
//! - `warm`: one value in `helm-configs/APP/` changes (default keystone, the replicas of its API), is committed, and the commit is read and rendered
//!   as a running syncer does it: the time that passes, the median and the worst of N rounds.
//!
//! Random text is derived, live inputs have placeholders. Bars: issue 6's. Prints one JSON document; `--strict` fails above a bar.

#![allow(clippy::print_stderr, reason = "a benchmark reports to whoever runs it")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use retune::cloud::inputs::Placeholders;
use retune::cloud::{Cache, Offline, Options, RenderedCloud, render};
use retune::source::git::{GitSource, Settings};
use serde_json::{Value, json};

/// As the binary has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seconds of CPU for the first render of a whole cloud.
const COLD_BAR: f64 = 1.5;
/// Milliseconds from a commit to the whole cloud's objects.
const WARM_BAR: f64 = 50.0;

/// Seconds of CPU that this thread has used, as the kernel counts them.
fn cpu() -> Result<f64, String> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").map_err(|e| e.to_string())?;
    let first = text.split_whitespace().next().ok_or("an empty schedstat")?;
    Ok(first.parse::<f64>().map_err(|e| format!("schedstat: {e}"))? / 1e9)
}

struct Repository {
    dir: PathBuf,
    source: GitSource,
}

impl Repository {
    /// A copy of the folder as a repository with one commit.
    fn of(folder: &Path, app: &str) -> Result<Self, String> {
        let dir = std::env::temp_dir().join(format!("retune-bench-cloud-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        run(Command::new("cp").arg("-r").arg(folder).arg(&dir))?;
        write(&dir, app, 2)?;
        git(&dir, &["init", "--quiet", "--initial-branch=main"])?;
        git(&dir, &["add", "--all"])?;
        git(&dir, &["commit", "--quiet", "--message", "Begin"])?;
        let settings = Settings { location: dir.display().to_string(), ..Settings::default() };
        Ok(Self { source: GitSource::open(settings).map_err(|e| e.to_string())?, dir })
    }

    /// What the newest commit means.
    fn newest(&self, profile: &str, cache: &Cache, threads: usize) -> Result<RenderedCloud, String> {
        let revision = self.source.poll().map_err(|e| e.to_string())?;
        let tree = self.source.tree(&revision.commit).map_err(|e| e.to_string())?;
        let options = Options {
            inputs: &Placeholders,
            cache: Some(cache),
            seed: Some([7; 32]),
            threads,
            time: revision.time,
            ..Options::new(&Offline)
        };
        render(&tree, profile, &options)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

fn git(dir: &Path, args: &[&str]) -> Result<(), String> {
    let own = [
        "-c",
        "user.name=Ada",
        "-c",
        "user.email=ada@example.com",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "gc.auto=0",
    ];
    run(Command::new("git").arg("-C").arg(dir).args(own).args(args))
}

fn run(command: &mut Command) -> Result<(), String> {
    let done = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    if done.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&done.stderr)))
}

/// One value of the app's, in a file of its own.
fn write(dir: &Path, app: &str, replicas: usize) -> Result<(), String> {
    let file = dir.join("helm-configs").join(app).join("zz-bench.yaml");
    std::fs::write(&file, format!("pod:\n  replicas:\n    api: {replicas}\n"))
        .map_err(|e| format!("{}: {e}", file.display()))
}

struct Asked {
    app: String,
    rounds: usize,
}

fn measure(folder: &Path, profile: &str, asked: &Asked) -> Result<Value, String> {
    let repository = Repository::of(folder, &asked.app)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let cache = Cache::default();
    let before = cpu()?;
    let first = repository.newest(profile, &cache, 1)?;
    let cold = cpu()? - before;
    let mut rendered = 0;
    let mut millis = Vec::with_capacity(asked.rounds);
    for round in 0..asked.rounds {
        write(&repository.dir, &asked.app, 3 + round)?;
        git(&repository.dir, &["commit", "--quiet", "--all", "--message", "One value"])?;
        let start = Instant::now();
        let cloud = repository.newest(profile, &cache, threads)?;
        millis.push(start.elapsed().as_secs_f64() * 1e3);
        rendered = cloud.rendered;
    }
    millis.sort_by(f64::total_cmp);
    let median = millis.get(millis.len() / 2).copied().unwrap_or_default();
    let objects: usize = first.apps.iter().map(|a| a.objects.len() + a.hooks.len()).sum();
    Ok(json!({
        "profile": profile, "apps": first.apps.len(), "objects_and_hooks": objects,
        "cold": {"cpu_seconds": cold, "bar": COLD_BAR, "reached": cold <= COLD_BAR},
        "warm": {"app": asked.app, "rounds": asked.rounds, "apps_rendered": rendered, "median_ms": median, "worst_ms": millis.last(), "bar_ms": WARM_BAR,
                 "reached": median <= WARM_BAR},
    }))
}

fn all() -> Result<bool, String> {
    let (mut folder, mut profile, mut strict) = (None, "aio".to_owned(), false);
    let mut asked = Asked { app: "keystone".to_owned(), rounds: 20 };
    let mut args = std::env::args().skip(1);
    while let Some(arg) = args.next() {
        match &*arg {
            "--cloud-profile" => profile = args.next().ok_or("--cloud-profile needs a name")?,
            "--app" => asked.app = args.next().ok_or("--app needs a name")?,
            "--rounds" => {
                asked.rounds = args.next().and_then(|n| n.parse().ok()).ok_or("--rounds needs a number")?
            }
            "--strict" => strict = true,
            _ if arg.starts_with("--") => {}
            _ => folder = Some(PathBuf::from(arg)),
        }
    }
    let folder = folder.ok_or("name the folder of a cloud, for instance one that examples/offline made")?;
    let result = measure(&folder, &profile, &asked)?;
    println!("{result:#}");
    let reached = |part: &str| result[part]["reached"] == true;
    Ok((reached("cold") && reached("warm")) || !strict)
}

fn main() -> ExitCode {
    match all() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("cloud bench: above a bar");
            ExitCode::FAILURE
        }
        Err(why) => {
            eprintln!("cloud bench: {why}");
            ExitCode::FAILURE
        }
    }
}
