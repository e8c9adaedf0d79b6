//! Memory with ten thousand objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::Finding;
use crate::cloud::{Cloud, Shape};
use crate::statistics::rounded;

const SHAPE: Shape = Shape { apps: 20, maps: 500, deployments: 0 };

pub(crate) fn run() -> Vec<Finding> {
    let cloud = Cloud::new("mem", SHAPE);
    let retune = cloud.start();
    let pid = retune.id();
    let peak = Arc::new(AtomicU64::new(0));
    let done = Arc::new(AtomicBool::new(false));
    let sampler = {
        let (peak, done) = (Arc::clone(&peak), Arc::clone(&done));
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(anonymous_kib(pid), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(50));
            }
        })
    };
    cloud.synced(&cloud.repo.head(), Duration::from_secs(600));
    std::thread::sleep(Duration::from_secs(60));
    let after = anonymous_kib(pid);
    done.store(true, Ordering::Relaxed);
    sampler.join().expect("the sampler does not panic");
    let mib = |kib: u64| rounded(kib as f64 / 1024.0);
    vec![Finding {
        subject: "memory",
        bar: "anonymous memory a minute after the sync <= 120 MiB",
        met: after > 0 && after <= 120 * 1024,
        numbers: json!({
            "objects": SHAPE.objects(),
            "anonymous_mib": mib(after),
            "peak_anonymous_mib": mib(peak.load(Ordering::Relaxed)),
            "peak_resident_mib": mib(status_kib(pid, "VmHWM:")),
            "bytes_per_object": after * 1024 / SHAPE.objects() as u64,
        }),
    }]
}

/// Anonymous memory of a process: heap and stacks, without the mapped binary.
fn anonymous_kib(pid: u32) -> u64 {
    field(&std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default(), "Anonymous:")
}

fn status_kib(pid: u32, name: &str) -> u64 {
    field(&std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default(), name)
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).unwrap_or_default()
}
