"""Running the originals, and comparing objects with theirs."""

import base64
import subprocess

import yaml


def sh(*args, stdin=None, cwd=None, codes=(0,)):
    done = subprocess.run([str(a) for a in args], input=stdin, capture_output=True, text=True, cwd=cwd)
    if done.returncode not in codes:
        raise RuntimeError(f"{' '.join(str(a) for a in args[:4])} ...: {done.stderr.strip()[:600]}")
    return done.stdout


class Loader(yaml.CSafeLoader):
    """YAML 1.1 without its dates and its `=`: what Kubernetes' own reader has."""


Loader.yaml_implicit_resolvers = {
    k: [(tag, r) for tag, r in v if tag not in ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:value")]
    for k, v in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def documents(text):
    return [d for d in yaml.load_all(text, Loader=Loader) if d]


def normal(value):
    """retune's normal form: no nulls, 1.0 is 1."""
    if isinstance(value, dict):
        return {str(k): normal(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [normal(v) for v in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def clean(obj, namespace, namespaced):
    obj = normal(obj)
    meta = obj.setdefault("metadata", {})
    for field in ("labels", "annotations"):
        if not meta.get(field):
            meta.pop(field, None)
    meta.pop("creationTimestamp", None)
    obj.pop("status", None)
    if namespaced:
        meta.setdefault("namespace", namespace)
    else:
        meta.pop("namespace", None)
    if obj["kind"] == "Secret":
        for key, text in (obj.pop("stringData", None) or {}).items():
            obj.setdefault("data", {})[key] = base64.b64encode(str(text).encode()).decode()
    return obj


def key(obj):
    group = obj["apiVersion"].rpartition("/")[0]
    return (group, obj["kind"], obj["metadata"]["name"])


def compare(ours, theirs, again, namespace):
    """(verdict, details): ours and theirs as lists of objects; `again` is the original's second run."""
    scope = {key(o): "namespace" in o["metadata"] for o in ours}
    index = lambda objs: {key(o): clean(o, namespace, scope.get(key(o), True)) for o in objs}
    a, b, c = index(ours), index(theirs), index(again)
    details = [f"only in retune: {k}" for k in a.keys() - b.keys()] + [f"only in the original: {k}" for k in b.keys() - a.keys()]
    random = []
    for k in a.keys() & b.keys():
        if a[k] != b[k]:
            if b[k] != c.get(k):
                random.append(k)
            else:
                details.append(f"differs: {k}: {first_difference(a[k], b[k])}")
    return ("differs" if details else "random" if random else "same"), details


def first_difference(a, b, path=""):
    if isinstance(a, dict) and isinstance(b, dict):
        for k in sorted(set(a) | set(b)):
            if a.get(k) != b.get(k):
                return first_difference(a.get(k), b.get(k), f"{path}/{k}")
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            if x != y:
                return first_difference(x, y, f"{path}/{i}")
    return f"{path}: {str(a)[:80]!r} against {str(b)[:80]!r}"
