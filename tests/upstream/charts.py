"""Charts of fetched public repositories, laid out as `spec.chartSources` wants them: <out>/<source>/<chart>/.

A source is what an App's spec.chart.repository names. The chart is taken at its pin where the repository has it (a tag, or for
OpenStack-Helm the commit in the version), else at the newest commit, and its Chart.yaml gets the version that a release would have.
"""

import io
import re
import shutil
import subprocess
import tarfile
from pathlib import Path

# repository URL (and chart, where one repository's charts come from several) -> (fetched repository, the chart's folder, tags or commits
# to try); {name} and {version} are the chart's.
SOURCES = {
    "https://tarballs.opendev.org/openstack/openstack-helm": ("openstack+openstack-helm", "{name}", []),
    "oci://quay.io/jetstack/charts": ("cert-manager+cert-manager", "deploy/charts/{name}", ["{version}"]),
    "https://charts.jetstack.io": ("cert-manager+cert-manager", "deploy/charts/{name}", ["{version}", "v{version}"]),
    "https://helm.mariadb.com/mariadb-operator": (
        "mariadb-operator+mariadb-operator", "deploy/charts/{name}", ["{name}-{version}"]),
    "https://metallb.github.io/metallb": ("metallb+metallb", "charts/{name}", ["v{version}", "metallb-chart-{version}"]),
    "https://kubeovn.github.io/kube-ovn": ("kubeovn+kube-ovn", "charts/{name}", ["{version}"]),
    "https://kubernetes.github.io/ingress-nginx": ("kubernetes+ingress-nginx", "charts/{name}", ["helm-chart-{version}"]),
    "https://kubernetes-sigs.github.io/metrics-server": (
        "kubernetes-sigs+metrics-server", "charts/{name}", ["metrics-server-helm-chart-{version}"]),
    "https://kubernetes.github.io/dashboard": (
        "kubernetes+dashboard", "charts/{name}", ["kubernetes-dashboard-{version}"]),
    "https://charts.konghq.com": ("Kong+charts", "charts/{name}", ["{name}-{version}"]),
    "https://coredns.github.io/helm": ("coredns+helm", "charts/{name}", ["{name}-{version}"]),
    "https://charts.rook.io/release": ("rook+rook", "deploy/charts/{name}", ["{version}"]),
    "https://prometheus-community.github.io/helm-charts": (
        "prometheus-community+helm-charts", "charts/{name}", ["{name}-{version}"]),
    "https://grafana.github.io/helm-charts": (
        "grafana+helm-charts", "charts/{name}", ["{name}-{version}"]),
    "https://grafana-community.github.io/helm-charts": (
        "grafana-community+helm-charts", "charts/{name}", ["{name}-{version}"]),
    ("https://grafana.github.io/helm-charts", "grafana-agent-operator"): (
        "grafana+helm-charts", "charts/agent-operator", ["grafana-agent-operator-{version}"]),
    ("https://grafana.github.io/helm-charts", "loki"): ("grafana+loki", "production/helm/loki", ["helm-loki-{version}"]),
    "https://charts.longhorn.io": ("longhorn+longhorn", "chart", ["v{version}"]),
    "https://topolvm.github.io/topolvm": ("topolvm+topolvm", "charts/{name}", ["topolvm-chart-v{version}"]),
    "https://open-telemetry.github.io/opentelemetry-helm-charts": (
        "open-telemetry+opentelemetry-helm-charts", "charts/{name}", ["{name}-{version}"]),
    "https://opensource.zalando.com/postgres-operator/charts/postgres-operator": (
        "zalando+postgres-operator", "charts/{name}", ["v{version}"]),
    ("https://ot-container-kit.github.io/helm-charts", "redis-operator"): (
        "OT-CONTAINER-KIT+redis-operator", "charts/{name}", ["6864c099"]),
    ("https://ot-container-kit.github.io/helm-charts", "redis-replication"): (
        "OT-CONTAINER-KIT+redis-operator", "charts/{name}", ["8cce9629"]),
    "https://ot-container-kit.github.io/helm-charts": ("OT-CONTAINER-KIT+redis-operator", "charts/{name}", []),
    "https://rackerlabs.github.io/genestack-barbician-exporter-helm-chart": (
        "rackerlabs+genestack-barbician-exporter-helm-chart", "{name}", []),
    "oci://docker.io/envoyproxy": ("envoyproxy+gateway", "charts/{name}", ["{version}", "v{version}"]),
    "https://charts.min.io": ("minio+minio", "helm/minio", ["helm-{version}"]),
    "https://ceph.github.io/ceph-csi-operator": ("ceph+ceph-csi-operator", "deploy/charts/{name}", ["v{version}", "{version}"]),
}


def git(repo, *args):
    return subprocess.run(["git", "-C", str(repo), *args], capture_output=True, check=True).stdout


def source_of(source, name):
    return SOURCES.get((source, name)) or SOURCES[source]


def commit(repo, name, version, tags):
    """The commit of a pin, and whether it is the pin's or the newest."""
    tries = [t.format(name=name, version=version) for t in tags]
    sha = re.fullmatch(r"[^+]*\+([0-9a-f]{7,40})", version)
    if sha:
        tries.insert(0, sha.group(1))
    for ref in tries:
        found = subprocess.run(
            ["git", "-C", str(repo), "rev-parse", "-q", "--verify", ref + "^{commit}"], capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.strip(), True
    return git(repo, "rev-parse", "HEAD").decode().strip(), False


def export(repo, sha, folder, into):
    """The folder at the commit, as files."""
    into.mkdir(parents=True, exist_ok=True)
    data = git(repo, "archive", sha, *([folder] if folder else []))
    depth = len(Path(folder).parts)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = []  # links (rook's library) are vendored by `finish`
        for m in tar.getmembers():
            parts = Path(m.name).parts
            if len(parts) > depth and not m.issym():
                m.name = str(Path(*parts[depth:]))
                members.append(m)
        tar.extractall(into, members, filter="data")


def chart(mirror, out, source, name, version):
    """Puts the chart at out/<source>/<name>/ and returns (folder, "pin" or "newest", commit)."""
    where, path, tags = source_of(source, name)
    repo = mirror / where / "repo"
    if not repo.is_dir():
        raise FileNotFoundError(f"{where} is not among the fetched repositories")
    sha, pinned = commit(repo, name, version, tags)
    folder = out / re.sub(r"[^a-z0-9]+", "-", source.lower()) / name
    if not folder.is_dir():
        try:
            export(repo, sha, path.format(name=name), folder)
            finish(mirror, repo, sha, path, folder, version)
        except subprocess.CalledProcessError as error:
            shutil.rmtree(folder, ignore_errors=True)
            raise FileNotFoundError(f"{where}: {error.stderr.decode(errors='replace').strip()}") from error
    return folder, "pin" if pinned else "newest", sha[:9]


def finish(mirror, repo, sha, path, folder, version):
    """What a chart's release does: the version written in, local dependencies vendored."""
    for template in ("Chart.template.yaml", "Chart.yaml.tmpl"):
        if (folder / template).is_file():
            (folder / template).rename(folder / "Chart.yaml")
    blank = folder / "values.tmpl.yaml"
    if blank.is_file():  # Envoy Gateway's `make helm-package` fills it with its release's image
        filled = {"${GatewayImage}": f"docker.io/envoyproxy/gateway:{version}", "${GatewayImagePullPolicy}": "IfNotPresent"}
        text = blank.read_text()
        for name, value in filled.items():
            text = text.replace(name, value)
        blank.with_name("values.yaml").write_text(text)
        blank.unlink()
    file = folder / "Chart.yaml"
    text = file.read_text()
    text = re.sub(r"(?m)^version:.*$", f"version: {version}", text)
    file.write_text(text)
    for name, wanted, where in dependencies(text + requirements(folder)):
        vendored = folder / "charts" / name
        if vendored.exists() or list((folder / "charts").glob(f"{name}-*.tgz")):
            continue
        if where.startswith("file://"):
            source = (Path(path.format(name=folder.name)) / where[len("file://"):]).as_posix()
            export(repo, sha, normal(source), vendored)
            finish(mirror, repo, sha, normal(source).rsplit("/", 1)[0] + "/{name}", vendored, first(vendored))
        elif where.rstrip("/") in SOURCES:
            other, folder_of, tags = source_of(where.rstrip("/"), name)
            other = mirror / other / "repo"
            exact = newest_tag(other, name, wanted, tags)
            at, _ = commit(other, name, exact, tags)
            export(other, at, folder_of.format(name=name), vendored)
            finish(mirror, other, at, folder_of, vendored, exact)


def package(folder, into, name, version):
    """The chart as the archive that a repository serves."""
    into.mkdir(parents=True, exist_ok=True)
    file = into / f"{name}-{version}.tgz"
    with tarfile.open(file, "w:gz") as tar:
        tar.add(folder, arcname=name)
    return file


def requirements(folder):
    file = folder / "requirements.yaml"
    return "\n" + file.read_text() if file.is_file() else ""


def dependencies(text):
    """(name, version, repository) of each dependency: the three keys are on lines of their own."""
    at = re.search(r"(?m)^dependencies:\s*$", text)
    if not at:
        return []
    out = []
    for entry in re.split(r"(?m)^\s*-\s", text[at.end():])[1:]:
        get = lambda key: (re.search(rf"(?m)^\s*{key}:\s*[\"']?([^\"'\n]+?)[\"']?\s*$", "  " + entry) or [None, ""])[1]
        if get("repository"):
            out.append((get("name"), get("version"), get("repository")))
    return out


def newest_tag(repo, name, wanted, tags):
    """The newest version that a range such as 6.3.* names, by the repository's tags."""
    if re.fullmatch(r"v?[0-9][0-9A-Za-z.+-]*", wanted) and not wanted.endswith((".x", ".*")):
        return wanted
    prefix = re.sub(r"[~^>=<\sv]|\.[x*]", "", wanted)
    for tag in tags:
        pattern = tag.format(name=name, version=prefix + ".*")
        found = git(repo, "tag", "--sort=-version:refname", "--list", pattern).decode().split()
        if found:
            head = tag.format(name=name, version="")
            return found[0][len(head):]
    return wanted


def normal(path):
    parts = []
    for p in path.split("/"):
        if p == "..":
            parts.pop()
        elif p not in ("", "."):
            parts.append(p)
    return "/".join(parts)


def first(folder):
    found = re.search(r"(?m)^version:\s*[\"']?([^\"'\n]+)", (folder / "Chart.yaml").read_text())
    return found.group(1) if found else "0.1.0"
