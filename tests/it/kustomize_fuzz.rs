//! Mutated kustomizations: no build may panic or hang, whatever stands in its files.
//!
//! The cases of `fixtures/kustomize/` are the seeds. Without a limit in time it does some thousand mutations; for a long
//! run set `RETUNE_FUZZ_SECONDS` (and `RETUNE_FUZZ_SEED`) and use an optimised build:
//!
//! ```text
//! RETUNE_FUZZ_SECONDS=600 cargo test --profile quick --test it kustomize_fuzz -- --ignored --nocapture
//! ```

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::time::{Duration, Instant};

use retune::files::MemTree;
use retune::kustomize::{self, Options};

/// A build of these small trees takes under a millisecond; a second means that something grows without bound.
const HANG: Duration = Duration::from_secs(2);

struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

type Files = BTreeMap<String, Vec<u8>>;

fn read(dir: &Path, at: &str, out: &mut Files) {
    for entry in std::fs::read_dir(dir).expect("folder") {
        let entry = entry.expect("entry");
        let name = entry.file_name().into_string().expect("a UTF-8 name");
        let path = if at.is_empty() { name } else { format!("{at}/{name}") };
        if entry.path().is_dir() {
            read(&entry.path(), &path, out);
        } else {
            out.insert(path, std::fs::read(entry.path()).expect("file"));
        }
    }
}

fn seeds() -> Vec<(String, Files)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/kustomize");
    let mut dirs: Vec<_> =
        std::fs::read_dir(root).expect("fixtures").map(|e| e.expect("entry").path()).collect();
    dirs.sort();
    dirs.into_iter()
        .map(|dir| {
            let target = std::fs::read_to_string(dir.join("target")).unwrap_or_default().trim().to_owned();
            let mut files = Files::new();
            read(&dir.join("input"), "", &mut files);
            (target, files)
        })
        .collect()
}

const TOKENS: [&str; 40] = [
    "null",
    "~",
    "[]",
    "{}",
    "- ",
    "&a ",
    "*a",
    "<<: *a",
    "$patch: delete",
    "$patch: replace",
    "- $patch: merge",
    "0x1F",
    "1e400",
    "-0",
    ".nan",
    "!!binary ",
    "!!int ",
    "!x ",
    "|\n",
    ">-\n",
    "'",
    "\"",
    "\u{0}",
    "\u{feff}",
    "\r\n",
    "---\n",
    "...",
    "? ",
    "(",
    "[name=",
    "*",
    "\\",
    "../",
    "/",
    "$(X)",
    "$$",
    "99999999999999999999",
    "-1",
    "metadata: null",
    "kind: List\nitems:\n",
];

fn mutate(bytes: &mut Vec<u8>, other: &[u8], rng: &mut Rng) {
    let at = rng.below(bytes.len() + 1);
    match rng.below(9) {
        0 if !bytes.is_empty() => {
            let at = rng.below(bytes.len());
            bytes[at] = rng.next() as u8;
        }
        1 if !bytes.is_empty() => {
            let at = rng.below(bytes.len());
            let end = (at + 1 + rng.below(12)).min(bytes.len());
            bytes.drain(at..end);
        }
        2 | 3 => {
            let token = TOKENS[rng.below(TOKENS.len())];
            bytes.splice(at..at, token.bytes());
        }
        4 => {
            // A value becomes something else.
            let text = String::from_utf8_lossy(bytes).into_owned();
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            if let Some(at) = (!lines.is_empty()).then(|| rng.below(lines.len()))
                && let Some(colon) = lines[at].find(':')
            {
                lines[at].truncate(colon + 1);
                lines[at].push(' ');
                lines[at].push_str(TOKENS[rng.below(TOKENS.len())]);
            }
            *bytes = lines.join("\n").into_bytes();
        }
        5 | 6 => {
            let text = String::from_utf8_lossy(bytes).into_owned();
            let mut lines: Vec<&str> = text.lines().collect();
            if lines.is_empty() {
                return;
            }
            let (a, b) = (rng.below(lines.len()), rng.below(lines.len()));
            match rng.below(3) {
                0 => lines.swap(a, b),
                1 => lines.insert(a, lines[b]),
                _ => {
                    lines.remove(a);
                }
            }
            *bytes = lines.join("\n").into_bytes();
        }
        7 => {
            let start = rng.below(other.len() + 1);
            let end = (start + rng.below(200)).min(other.len());
            bytes.splice(at..at, other[start..end].iter().copied());
        }
        _ => {
            let depth = rng.below(400);
            let open = if rng.below(2) == 0 { "[" } else { "{a: " };
            bytes.splice(at..at, open.repeat(depth).into_bytes());
        }
    }
}

#[test]
#[ignore = "long: see the head of this file"]
fn mutated_kustomizations_neither_panic_nor_hang() {
    let env = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let seconds = env("RETUNE_FUZZ_SECONDS");
    let rounds = if seconds.is_some() { u64::MAX } else { 3_000 };
    let mut rng = Rng(env("RETUNE_FUZZ_SEED").unwrap_or(0x5eed) | 1);
    let seeds = seeds();
    let start = Instant::now();
    let (mut done, mut built) = (0_u64, 0_u64);
    while done < rounds && seconds.is_none_or(|s| start.elapsed() < Duration::from_secs(s)) {
        let (target, mut files) = seeds[rng.below(seeds.len())].clone();
        let (_, others) = &seeds[rng.below(seeds.len())];
        for _ in 0..=rng.below(3) {
            let name = files.keys().nth(rng.below(files.len())).cloned().unwrap_or_default();
            let other = others.values().nth(rng.below(others.len())).cloned().unwrap_or_default();
            if let Some(bytes) = files.get_mut(&name) {
                mutate(bytes, &other, &mut rng);
            }
        }
        let tree: MemTree = files.iter().map(|(path, bytes)| (path.as_str(), bytes.clone())).collect();
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            kustomize::build(&tree, &target, &Options::default()).and_then(|b| b.to_yaml())
        }));
        let show = || {
            files
                .iter()
                .map(|(p, b)| format!("--- {p}\n{}\n", String::from_utf8_lossy(b)))
                .collect::<String>()
        };
        assert!(began.elapsed() < HANG, "{:?} for\n{}", began.elapsed(), show());
        match outcome {
            Ok(result) => built += u64::from(result.is_ok()),
            Err(_) => panic!("a build panicked for target '{target}'\n{}", show()),
        }
        done += 1;
    }
    println!("{done} mutated builds in {:?}, {built} of them succeeded", start.elapsed());
    assert!(built > 0 && built < done, "the mutations reach neither builds nor refusals: {built} of {done}");
}
