"""From the push of the whole cloud to all apps ready, against the longest chain of `dependsOn`.

What a link of the chain costs at the least is measured on the same control plane, before retune runs: a Job alone until it is complete, a Deployment
alone until it is available; an operator's answer costs the delay. Hooks of an app run one after the other, pre-install ones
before its objects, the others while its pods start; an app costs the longer of the two. What retune, the API server and the
controllers need for everything at once is not in it.
"""

import json
import pathlib
import re
import shutil
import sys
import tempfile
import time

from cluster import Cloud

PODS = ("Deployment", "StatefulSet", "DaemonSet")
ALONE = """
{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "alone", "namespace": "default"},
 "spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "c"}]}}}}
---
{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "alone", "namespace": "default"},
 "spec": {"selector": {"matchLabels": {"a": "b"}},
  "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "c"}]}}}}
"""


def alone(cloud):
    """Seconds that a Job, and a Deployment, take by themselves: the least of three."""
    best = {}
    for _ in range(3):
        for manifest, condition in zip(ALONE.split("---"), ("complete", "Available")):
            kind = json.loads(manifest)["kind"]
            file = cloud.home / "alone.json"
            file.write_text(manifest)
            began = time.time()
            cloud.kubectl("create", "-f", file)
            cloud.kubectl("wait", f"--for=condition={condition}", f"{kind}/alone", "-n", "default", "--timeout=60s")
            best[kind] = min(best.get(kind, 60), time.time() - began)
            cloud.kubectl("delete", "-f", file)
    return best["Job"], best["Deployment"]


def longest(cloud, job, pods, delay):
    """(seconds, chain) of the longest chain, by the hooks that ran."""
    before, after, answered = {}, {}, {}
    for line in (cloud.home / "retune.log").read_text().splitlines():
        found = re.search(r"hook begins app=(\S+) hook=Job\S* \S+ event=(\w+)", line)
        if found:
            where = before if found[2].startswith("Pre") else after
            where[found[1]] = where.get(found[1], 0) + 1
    for kind in PODS:
        for item in cloud.listed(kind.lower()):
            answered[item["metadata"]["labels"]["retune.dev/app"]] = pods
    for app in cloud.apps:
        answered.setdefault(app, delay if app in played(cloud) else 0)
    needs, best = {}, {}
    for app in cloud.apps:
        listed = re.search(r"^  dependsOn:\n((?:    - .*\n)+)", (cloud.repo / "apps" / f"{app}.yaml").read_text(), re.M)
        needs[app] = [n for n in re.findall(r"- (\S+)", listed[1] if listed else "") if n in cloud.apps]

    def walk(app):
        if app not in best:
            seconds, chain = max([walk(n) for n in needs[app]] + [(0, [])], key=lambda x: x[0])
            own = before.get(app, 0) * job + max(answered[app], after.get(app, 0) * job)
            best[app] = (seconds + own, chain + [f"{app} {own:.1f}"])
        return best[app]

    return max((walk(app) for app in cloud.apps), key=lambda x: x[0]), sum(before.values()) + sum(after.values())


def played(cloud):
    """The apps that have an object which the played operators answer."""
    kinds = ("mariadb.k8s.mariadb.com", "rabbitmqcluster.rabbitmq.com", "issuer.cert-manager.io", "database.k8s.mariadb.com", "cephcluster.ceph.rook.io")
    if not hasattr(cloud, "played"):
        cloud.played = {item["metadata"]["labels"]["retune.dev/app"] for kind in kinds for item in cloud.listed(kind)}
    return cloud.played


def main(args, compose):
    for profile in args.profile or ["aio"]:
        home = pathlib.Path(tempfile.mkdtemp(prefix="retune-path."))
        cloud = Cloud(profile, args.retune, home, compose, delay=args.path)
        try:
            job, pods = alone(cloud)
            cloud.start()
            cloud.commit("Begin")
            applied, status, seconds = cloud.ready()
            (path, chain), hooks = longest(cloud, job, pods, args.path / 1000)
            print(json.dumps({
                "profile": profile, "apps": len(cloud.apps), "ready": len(applied), "objects": status["objects"], "hook_jobs": hooks, "job_alone_s": round(job, 2),
                "deployment_alone_s": round(pods, 2), "push_to_ready_s": seconds, "critical_path_s": round(path, 1), "ratio": round(seconds / path, 2), "chain": chain,
            }))
        finally:
            cloud.end()
        if args.keep:
            print(f"kept: {home}", file=sys.stderr)
        else:
            shutil.rmtree(home)
