//! `retune` as a process: started with arguments, its lines awaited, ended with the test.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The lines that a process has written so far, and a bell for each new one.
#[derive(Default)]
struct Lines {
    seen: Mutex<(Vec<String>, usize)>,
    bell: Condvar,
}

/// A running `retune`; killed when dropped.
pub(crate) struct Retune {
    child: Child,
    lines: Arc<Lines>,
}

impl Retune {
    /// The built binary with nothing of the user's cluster in its environment.
    pub(crate) fn command(kubeconfig: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_retune"));
        command.env("KUBECONFIG", kubeconfig).env("NO_COLOR", "1").env_remove("RUST_LOG");
        command
    }

    /// Starts it; stdout and stderr are read into one list of lines.
    pub(crate) fn start(kubeconfig: &Path, args: &[&str]) -> Self {
        let mut command = Self::command(kubeconfig);
        command.args(args);
        Self::spawn(command)
    }

    /// Starts a command that the caller has prepared (see [`Self::command`]).
    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("retune can be run");
        let lines = Arc::new(Lines { seen: Mutex::new((Vec::new(), 2)), ..Lines::default() });
        read_into(child.stdout.take().expect("piped"), &lines);
        read_into(child.stderr.take().expect("piped"), &lines);
        Self { child, lines }
    }

    /// Runs it to its end.
    pub(crate) fn run(kubeconfig: &Path, args: &[&str]) -> Output {
        Self::command(kubeconfig).args(args).stdin(Stdio::null()).output().expect("retune can be run")
    }

    /// Process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Everything written so far.
    pub(crate) fn output(&self) -> String {
        self.lines.seen.lock().expect("readers do not panic").0.join("\n")
    }

    /// How many lines were written so far: a place to wait from.
    pub(crate) fn mark(&self) -> usize {
        self.lines.seen.lock().expect("readers do not panic").0.len()
    }

    /// Waits for a line that `wanted` accepts, from line `from` on; gives the line.
    ///
    /// # Panics
    /// If it does not come within `deadline`, or the process ends before; the message has all that was written.
    pub(crate) fn wait_for(&self, from: usize, deadline: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + deadline;
        let mut seen = self.lines.seen.lock().expect("readers do not panic");
        let mut next = from;
        loop {
            while next < seen.0.len() {
                if wanted(&seen.0[next]) {
                    return seen.0[next].clone();
                }
                next += 1;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(seen.1 > 0, "retune ended before the awaited line; it wrote:\n{}", seen.0.join("\n"));
            assert!(
                !left.is_zero(),
                "the awaited line did not come in {deadline:?}; written:\n{}",
                seen.0.join("\n")
            );
            seen = self.lines.bell.wait_timeout(seen, left).expect("readers do not panic").0;
        }
    }

    /// Sends a signal by name (`TERM`, `INT`, `KILL`, `STOP`, `CONT`).
    pub(crate) fn signal(&self, name: &str) {
        let command = format!("kill -{name} {}", self.id());
        let status = Command::new("bash").arg("-c").arg(&command).status();
        assert!(status.expect("bash can be run").success(), "{command}");
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().expect("retune can be waited for")
    }
}

impl Drop for Retune {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "the test harness shows it with the failure")]
            {
                eprintln!("--- what retune wrote\n{}", self.output());
            }
        }
    }
}

fn read_into(stream: impl std::io::Read + Send + 'static, lines: &Arc<Lines>) {
    let lines = Arc::clone(lines);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            let Ok(line) = line else { break };
            lines.seen.lock().expect("waiters do not panic while they hold it").0.push(line);
            lines.bell.notify_all();
        }
        lines.seen.lock().expect("waiters do not panic while they hold it").1 -= 1;
        lines.bell.notify_all();
    });
}
