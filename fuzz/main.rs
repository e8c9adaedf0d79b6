//! A fuzzer that runs on stable Rust: `cargo run --profile quick --example fuzz -- TARGET SECONDS [SEED]`. See README.md.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

mod targets;

/// One thing to feed with bytes.
pub(crate) struct Target {
    /// How the command line calls it.
    pub(crate) name: &'static str,
    /// What mutations start from.
    pub(crate) corpus: fn() -> Vec<Vec<u8>>,
    /// Takes any bytes. Must not panic, recurse without bound or take seconds.
    pub(crate) run: fn(&[u8]),
}

/// An input that takes more of the processor's time is a hang: on a loaded machine the clock says nothing.
const HANG: Duration = Duration::from_secs(10);
/// An input that takes more of it is reported.
const SLOW: Duration = Duration::from_millis(500);
/// Inputs grow no further.
const LONGEST: usize = 8192;

/// xorshift64*: the same seed gives the same inputs.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }
}

/// What the grammars care about.
const TOKENS: &[&[u8]] = &[
    b"{{",
    b"}}",
    b"{{- ",
    b" -}}",
    b" | ",
    b"(",
    b")",
    b"$x",
    b" := ",
    b".m.b",
    b"{{end}}",
    b"{{range .l}}",
    b"{{if .t}}",
    b"{{else}}",
    b"{{define \"t\"}}",
    b"include \"t\" .",
    b"list 1 2",
    b"dict \"k\" 1",
    b"printf \"%v\" ",
    b"toYaml ",
    b" -1 ",
    b" 9223372036854775807 ",
    b": ",
    b"- ",
    b"? ",
    b"\n",
    b"\r\n",
    b"  ",
    b"\t",
    b"#",
    b" #",
    b"'",
    b"\"",
    b"|",
    b">",
    b"|2-\n",
    b">+\n",
    b"&a ",
    b"*a",
    b"&x\n",
    b"*x\n",
    b"<<: *x\n",
    b"? \"k\"\n",
    b"!!int ",
    b"!",
    b"<<: ",
    b"[",
    b"]",
    b"{",
    b"}",
    b",",
    b"---\n",
    b"...\n",
    b"%YAML 1.1\n",
    b"\\",
    b"\\x41",
    b"\\u",
    b"{{",
    b"}}",
    b"{{-",
    b"-}}",
    b"{{ if .x }}",
    b"{{ end }}",
    b"{{ range $k, $v := .x }}",
    b"|",
    b"(",
    b")",
    b":=",
    b"$x",
    b".Values",
    b"`",
    b"\xC2\x85",
    b"\xE2\x80\xA8",
    b"\xF0\x9F\x98\x80",
    b"\xEF\xBB\xBF",
    b"\x00",
    b"\x7F",
    b"\xFF",
    b"0x",
    b"1e999",
    b"-0",
    b"~",
    b"null",
    b"yes",
    b"2020-01-01T00:00:00Z",
    b"patches:",
    b"resources:",
    b"$patch: delete",
    b"name",
    b"metadata:\n  name: a\n",
    b"kind: ConfigMap\n",
];

fn mutate(random: &mut Random, corpus: &[Vec<u8>]) -> Vec<u8> {
    let mut input = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(input.len() + 1);
        match random.below(8) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => {
                input.remove(at);
            }
            2 if at < input.len() => input[at] = random.next() as u8,
            3 => {
                let token = TOKENS[random.below(TOKENS.len())];
                input.splice(at..at, token.iter().copied());
            }
            4 => {
                let end = (at + random.below(40)).min(input.len());
                input.drain(at..end);
            }
            5 => {
                let end = (at + random.below(60)).min(input.len());
                let piece: Vec<u8> = input[at..end].to_vec();
                for _ in 0..=random.below(3) {
                    input.splice(at..at, piece.iter().copied());
                }
            }
            6 => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let end = (from + random.below(200)).min(other.len());
                input.splice(at..at, other[from..end].iter().copied());
            }
            _ => {
                let token = TOKENS[random.below(TOKENS.len())];
                let times = 1 + random.below(50);
                input.splice(at..at, token.repeat(times));
            }
        }
        input.truncate(LONGEST);
    }
    input
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let target = args.first().and_then(|name| targets::ALL.iter().find(|t| t.name == name));
    let (Some(target), Some(seconds)) = (target, args.get(1).and_then(|s| s.parse::<u64>().ok())) else {
        let names: Vec<_> = targets::ALL.iter().map(|t| t.name).collect();
        println!("usage: fuzz TARGET SECONDS [SEED]\ntargets: {}", names.join(" "));
        std::process::exit(2);
    };
    let seed = args.get(2).and_then(|s| s.parse().ok()).unwrap_or(20_261_122);
    let current = Arc::new(Mutex::new(Vec::new()));
    let started = Arc::new(AtomicU64::new(0));
    let clock = Arc::new(OnceLock::new());
    let begin = Instant::now();
    {
        let (current, started, clock) = (Arc::clone(&current), Arc::clone(&started), Arc::clone(&clock));
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let used = clock
                    .get()
                    .map_or(0, |path: &PathBuf| cpu_nanos(path))
                    .saturating_sub(started.load(Ordering::Relaxed));
                if Duration::from_nanos(used) > HANG {
                    keep("hang", &current.lock().expect("the worker does not panic while it holds this"));
                    std::process::exit(1);
                }
            }
        });
    }
    std::panic::set_hook(Box::new(|_| {}));
    let worker = std::thread::Builder::new().stack_size(2 << 20).spawn(move || {
        let thread = std::fs::read_link("/proc/thread-self").unwrap_or_default();
        let clock = clock.get_or_init(|| Path::new("/proc").join(thread).join("schedstat"));
        let corpus = (target.corpus)();
        let mut random = Random(seed);
        let (mut runs, mut panics, mut slow) = (0u64, 0u64, 0u64);
        while begin.elapsed().as_secs() < seconds {
            let input = mutate(&mut random, &corpus);
            *current.lock().expect("nobody panics while holding this") = input.clone();
            let start = cpu_nanos(clock);
            started.store(start, Ordering::Relaxed);
            if std::panic::catch_unwind(|| (target.run)(&input)).is_err() {
                panics += 1;
                keep("panic", &input);
            }
            if Duration::from_nanos(cpu_nanos(clock).saturating_sub(start)) > SLOW {
                slow += 1;
                keep("slow", &input);
            }
            runs += 1;
        }
        println!(
            "{{\"target\":\"{}\",\"seed\":{seed},\"seconds\":{seconds},\"corpus\":{},\"runs\":{runs},\"panics\":{panics},\"slow\":{slow},\"hangs\":0}}",
            target.name,
            corpus.len()
        );
        panics + slow == 0
    });
    let fine = worker.is_ok_and(|handle| handle.join().unwrap_or(false));
    std::process::exit(i32::from(!fine));
}

/// The processor's time that a thread has used, from its `schedstat`; 0 where there is none.
fn cpu_nanos(schedstat: &Path) -> u64 {
    let text = std::fs::read_to_string(schedstat).unwrap_or_default();
    text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Keeps an input for a closer look and says where.
fn keep(what: &str, input: &[u8]) {
    let path = std::env::temp_dir().join(format!(
        "retune-fuzz-{what}-{:x}",
        input
            .iter()
            .fold(14_695_981_039_346_656_037u64, |h, &b| (h ^ u64::from(b)).wrapping_mul(1_099_511_628_211))
    ));
    match std::fs::write(&path, input) {
        Ok(()) => println!("{what}: {}", path.display()),
        Err(e) => println!("{what}: {input:?} (not written: {e})"),
    }
}
