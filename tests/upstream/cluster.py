"""Brings up a cloud on the real control plane and proves each of its apps; `standins` and `apply` say with which charts.

Per profile: the commit with the cloud is pushed to a retune that follows an empty repository, until every app is ready; a commit that
changes nothing is synced and the writes are counted; an annotation of one object of each app is changed by hand, and one
ConfigMap, ServiceAccount or Service of each app that has one deleted, and both come back; a commit that touches every app
is applied, and its revert rolls all of them back. kwok plays the kubelet, the example `operators` the operators.
"""

import argparse
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CLOUD = "proof"
KINDS = "configmap,serviceaccount,service,cronjob,poddisruptionbudget,issuer.cert-manager.io,mariadb.k8s.mariadb.com,rabbitmqcluster.rabbitmq.com,backup.k8s.mariadb.com,daemonset,deployment,servicemonitor.monitoring.coreos.com,cephcluster.ceph.rook.io,cephblockpool.ceph.rook.io,storageclass,namespace,customresourcedefinition"
DELETED = ("configmap", "serviceaccount", "service")
COLUMNS = "applied, drift corrected, rolled back"


def run(*args, check=True, **more):
    done = subprocess.run([str(a) for a in args], capture_output=True, text=True, **more)
    if check and done.returncode:
        sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {' '.join(map(str, args))}: {done.stderr}{done.stdout}")
    return done.stdout


class Cloud:
    """`compose(repo, profile)` writes the repository and gives its apps; `patches(app)` is text for each kustomization."""

    def __init__(self, profile, retune, home, compose, patches=lambda app: "", delay=0):
        self.profile, self.retune, self.home, self.patches = profile, retune, home, patches
        self.repo, self.plane = home / "cloud", home / "controlplane"
        self.apps = compose(self.repo, profile)
        config = self.repo / "retune.yaml"
        config.write_text(re.sub(r"^    - aio .*", r"\g<0>\n    - proof", config.read_text(), flags=re.M))
        self.mark("one")
        self.git("init", "--quiet", "--initial-branch=main")
        whole = config.read_text()
        config.write_text(re.sub(r"(?m)^  (enable|disable): .*$", r"  \1: []", whole))
        self.git("add", "retune.yaml")
        self.git("commit", "--quiet", "--message", "Nothing yet")
        config.write_text(whole)
        answers = ["--answer-after", delay] if delay else []
        run(ROOT / "tests/controlplane/up", "--dir", self.plane, "--owner", os.getpid(), *answers, "--detach")
        self.env = dict(os.environ, KUBECONFIG=str(self.plane / "users/admin.kubeconfig"), KUBECACHEDIR=str(self.plane / "cache"), NO_COLOR="1")
        players = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug/examples/operators"
        self.log = open(home / "retune.log", "w")
        self.children = [subprocess.Popen([players, "--delay", str(delay)], env=self.env, stderr=open(home / "operators.log", "w"))]

    def git(self, *args):
        return run("git", "-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "commit.gpgsign=false", "-c", "gc.auto=0", "-C", self.repo, *args).strip()

    def commit(self, message):
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def mark(self, text):
        for app in self.apps:
            folder = self.repo / "kustomize" / app / "proof"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "kustomization.yaml").write_text(f"resources: [../{self.profile}]\ncommonAnnotations: {{proof: {text}}}\n{self.patches(app)}")

    def kubectl(self, *args, check=True):
        return run(self.plane / "bin/kubectl", *args, env=self.env, check=check)

    def listed(self, kind):
        found = self.kubectl("get", kind, "-A", "-l", f"retune.dev/cloud={CLOUD}", "-o", "json", check=False)
        return json.loads(found or '{"items": []}')["items"]

    def start(self):
        """retune on the empty cloud, under a user of its own: the audit log tells its writes from all others."""
        args = [self.retune, "run", "--cloud", CLOUD, "--repo", self.repo, "--branch", "main", "--profile", "proof", "--state-dir", self.home / "state"]
        env = dict(self.env, KUBECONFIG=str(self.plane / "users/retune.kubeconfig"))
        self.children.append(subprocess.Popen([str(a) for a in args], env=env, stdout=self.log, stderr=self.log))
        self.kubectl("wait", "--for=create", "crd/cloudsyncs.retune.dev", "--timeout=60s")
        self.kubectl("wait", "--for=condition=Established", "crd/cloudsyncs.retune.dev", "--timeout=60s")
        self.kubectl("wait", "--for=create", "-n", "retune-system", f"cloudsync/{CLOUD}", "--timeout=60s")
        self.ready(60)

    def ready(self, limit=600):
        """(apps that are ready, the status, seconds) once the newest commit is in force, or after `limit` seconds."""
        head, began = self.git("rev-parse", "HEAD"), time.time()
        self.kubectl("wait", "-n", "retune-system", f"cloudsync/{CLOUD}", f"--for=jsonpath={{.status.readyRevision}}={head}", f"--timeout={limit}s", check=False)
        seconds = round(time.time() - began, 1)
        status = json.loads(self.kubectl("get", "-n", "retune-system", f"cloudsync/{CLOUD}", "-o", "json"))["status"]
        if status.get("readyRevision") != head:
            print(f"{self.profile}: not ready: {json.dumps(status.get('notReady'))} {json.dumps(status.get('conditions'))}", file=sys.stderr)
            print(self.log_end(), file=sys.stderr)
        lagging = {app["name"] for app in status.get("notReady", [])}
        return {app for app in self.apps if app not in lagging and status.get("syncedRevision") == head}, status, seconds

    def log_end(self):
        return "\n".join((self.home / "retune.log").read_text().splitlines()[-15:])

    def writes(self):
        """What retune wrote so far; its own objects, leases and events aside."""
        count = 0
        for line in (self.plane / "audit.log").read_text().splitlines():
            event = json.loads(line) if '"username":"retune"' in line else {}
            about = event.get("objectRef") or {}
            own = about.get("apiGroup") == "retune.dev" or about.get("resource") in ("leases", "events")
            count += event.get("verb") in ("create", "update", "patch", "delete") and not own and "subjectaccessreviews" not in str(about)
        return count

    def specimens(self):
        """One object of each app."""
        out = {}
        for kind in KINDS.split(","):
            for item in self.listed(kind):
                meta = item["metadata"]
                if meta.get("annotations", {}).get("proof"):
                    out.setdefault(meta["labels"].get("retune.dev/app"), (kind, meta["name"], meta.get("namespace", "")))
        return out

    def deletable(self):
        """A ConfigMap, ServiceAccount or Service of each app that has one, with its uid."""
        out = {}
        for kind in DELETED:
            for item in self.listed(kind):
                meta = item["metadata"]
                out.setdefault(meta["labels"].get("retune.dev/app"), (kind, meta["name"], meta["namespace"], meta["uid"]))
        return out

    def field(self, object_, path):
        kind, name, namespace = object_[:3]
        where = ["-n", namespace] if namespace else []
        return self.kubectl("get", kind, name, *where, "-o", f"jsonpath={{{path}}}", check=False)

    def until(self, objects, good, seconds=60):
        """The apps whose object is good, waited for."""
        left, end = dict(objects), time.time() + seconds
        while left and time.time() < end:
            left = {app: o for app, o in left.items() if not good(o)}
            if left:
                time.sleep(0.3)
        return set(objects) - set(left)

    def became(self, specimens, text):
        return self.until(specimens, lambda o: self.field(o, ".metadata.annotations.proof") == text)

    def end(self):
        for child in reversed(self.children):
            child.terminate()
            child.wait()
        run(ROOT / "tests/controlplane/down", self.plane, check=False)


def corrected(cloud, specimens):
    """The apps whose changed annotation was put back, and whose deleted object came back."""
    deleted = cloud.deletable()
    for kind, name, namespace in specimens.values():
        where = ["-n", namespace] if namespace else []
        cloud.kubectl("annotate", kind, name, *where, "--overwrite", "--field-manager=night-shift", "proof=by-hand")
    for kind, name, namespace, _ in deleted.values():
        cloud.kubectl("delete", kind, name, "-n", namespace, "--wait=false")
    put_back = cloud.became(specimens, "one")
    came_back = cloud.until(deleted, lambda o: cloud.field(o, ".metadata.uid") not in ("", o[3]))
    return put_back - (set(deleted) - came_back), len(deleted), len(came_back)


def prove(cloud):
    cloud.start()
    cloud.commit("Begin")
    applied, status, seconds = cloud.ready()
    before = cloud.writes()
    (cloud.repo / "README.md").open("a").write("\nnothing\n")
    cloud.commit("Touch nothing")
    cloud.ready()
    second = cloud.writes() - before
    specimens = cloud.specimens()
    back_again, deleted, came_back = corrected(cloud, specimens)
    cloud.mark("two")
    cloud.commit("Touch every app")
    _, _, touched = cloud.ready()
    changed = cloud.became(specimens, "two")
    cloud.git("revert", "--no-edit", "HEAD")
    back_ready, _, reverted = cloud.ready()
    back = cloud.became(specimens, "one") & changed & back_ready
    hooks = len(re.findall("hook begins", (cloud.home / "retune.log").read_text()))
    figures = {
        "profile": cloud.profile, "apps": len(cloud.apps), "objects": status["objects"], "hooks_in_all": hooks, "ready_s": seconds,
        "writes_of_second_sync": second, "deleted": deleted, "came_back": came_back, "touch_every_app_s": touched, "revert_s": reverted,
    }
    return applied, back_again, back, figures


def arguments(doc):
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", action="append", help="aio, base; both by default")
    parser.add_argument("--retune", default=str(ROOT / "target/debug/retune"))
    parser.add_argument("--keep", action="store_true", help="keep the folder with the logs")
    return parser


def main(args, compose, patches=lambda profile: lambda app: ""):
    """Proves each profile, prints the table and the figures, and ends with 1 if a cell is no `yes`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started is ended
    tool, rows, figures, good = pathlib.Path(sys.argv[0]).name, {}, [], True
    profiles = args.profile or ["aio", "base"]
    for profile in profiles:
        home = pathlib.Path(tempfile.mkdtemp(prefix=f"retune-{tool}."))
        cloud = Cloud(profile, args.retune, home, compose, patches(profile))
        try:
            *sets, numbers = prove(cloud)
            figures.append(numbers)
            good = good and numbers["writes_of_second_sync"] == 0
            for app in cloud.apps:
                rows.setdefault(app, []).append([app in s for s in sets])
        finally:
            cloud.end()
        if args.keep:
            print(f"kept: {home}", file=sys.stderr)
        else:
            shutil.rmtree(home)
    print(f"Proven {datetime.date.today()} by `tests/upstream/{tool}`.\n")
    print("| app | " + " | ".join(f"{p}: {COLUMNS}" for p in profiles) + " |")
    print("|---|" + "---|" * len(profiles))
    for app, cells in sorted(rows.items()):
        good = good and all(all(cell) for cell in cells)
        print(f"| {app} | " + " | ".join(", ".join("yes" if ok else "NO" for ok in cell) for cell in cells) + " |")
    print("\n" + json.dumps(figures))
    sys.exit(0 if good else 1)
