//! What retune asks of the server when nothing changes, and when one object does.

use std::time::Duration;

use serde_json::json;

use crate::Finding;
use crate::cloud::{Cloud, Shape, app_objects, config_map, documents, objects_path, tally};
use crate::support::control_plane;

const SHAPE: Shape = Shape { apps: 10, maps: 100, deployments: 20 };
const LONG: Duration = Duration::from_secs(300);
const QUIET: Duration = Duration::from_secs(5);

pub(crate) fn run() -> Vec<Finding> {
    let plane = control_plane();
    let cloud = Cloud::new("rest", SHAPE);
    let retune = cloud.start();
    cloud.synced(&cloud.repo.head(), LONG);
    cloud.settled(QUIET, LONG);
    let mut findings = Vec::new();

    let log = plane.audit();
    cloud.sync_now(LONG);
    cloud.settled(QUIET, LONG);
    let writes = log.writes_to_managed(&cloud.user);
    findings.push(Finding {
        subject: "no-op sync",
        bar: "0 writes to managed objects",
        met: writes.is_empty(),
        numbers: json!({"writes_to_managed": writes.len(), "requests": tally(&cloud.requests(&log))}),
    });

    eprintln!("   at rest for two minutes");
    let log = plane.audit();
    std::thread::sleep(Duration::from_secs(120));
    let requests = cloud.requests(&log);
    let leases = log.by_user(&cloud.user).iter().filter(|r| r.resource == "leases").count();
    let watches =
        log.by_user(&cloud.user).iter().filter(|r| r.is_watch() && r.stage == "ResponseStarted").count();
    findings.push(Finding {
        subject: "at rest",
        bar: "0 requests in two minutes, watch streams and the Lease excepted",
        met: requests.is_empty(),
        numbers: json!({
            "requests": requests.len(), "by_kind": tally(&requests), "lease_requests": leases, "watches_opened": watches,
        }),
    });

    let log = plane.audit();
    let mut objects = app_objects(3, SHAPE, "0");
    objects[41] = config_map(3, 41, "changed");
    let revision = cloud.repo.commit("Change one object", &[(&objects_path(3), &documents(&objects))]);
    cloud.synced(&revision, LONG);
    cloud.settled(QUIET, LONG);
    let writes = log.writes_to_managed(&cloud.user);
    let requests = cloud.requests(&log);
    let own: Vec<_> = requests.iter().filter(|r| r.is_write() && r.is_own_bookkeeping()).collect();
    findings.push(Finding {
        subject: "one-object commit",
        bar: "exactly 1 PATCH to a managed object; at most 3 writes of Inventory, status and Events",
        met: writes.len() == 1 && writes[0].verb == "patch" && own.len() <= 3,
        numbers: json!({
            "writes_to_managed": tally(&writes), "own_writes": own.len(), "own": tally(own.iter().copied()), "all": tally(&requests),
        }),
    });

    let mut retune = retune;
    retune.signal("TERM");
    let status = retune.wait();
    drop(retune);
    let log = plane.audit();
    let retune = cloud.start();
    // It has said everything that it has to say once it is at rest again.
    cloud.settled(Duration::from_secs(15), LONG);
    let writes = log.writes_to_managed(&cloud.user);
    let requests = cloud.requests(&log);
    findings.push(Finding {
        subject: "restart",
        bar: "0 writes to managed objects",
        met: writes.is_empty() && !requests.is_empty() && status.success(),
        numbers: json!({
            "writes_to_managed": writes.len(), "requests": tally(&requests), "exit_after_sigterm": status.code(),
        }),
    });
    drop(retune);
    findings
}
