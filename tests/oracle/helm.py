#!/usr/bin/env python3
"""Writes what the real Helm answers to fixtures/helm/cases.json: NAME.out (its output) or NAME.err (its error).

Run it with helm v4.3.1 in PATH after changing a chart or a case; commit the result. `cargo test` needs no Helm.
With arguments only cases whose names begin with one of them are asked again.
A case: {"name", "args": what follows `helm template`, "error": fragments to find if the wording may differ,
"runs": so many times with --output-dir; the files are put behind what the last run prints,
"order": Helm tells violations of a schema in random order; they are sorted, here and in the test, and of names within
a line the least of many answers is kept}.
"""
import glob, json, os, subprocess, sys, tempfile

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
CHARTS, OUT = os.path.join(ROOT, "fixtures", "charts"), os.path.join(ROOT, "fixtures", "helm")


def helm(*args):
    env = {**os.environ, "HELM_CACHE_HOME": "/nonexistent", "HELM_CONFIG_HOME": "/nonexistent", "HELM_DATA_HOME": "/nonexistent"}
    return subprocess.run(["helm", *args], cwd=CHARTS, capture_output=True, env=env, stdin=subprocess.DEVNULL)


def blocks(lines):
    """Lines as a tree by their indentation, siblings sorted; what begins without a dash keeps its place."""
    out, depth = [], lambda line: (len(line) - len(line.lstrip(" "))) // 2 + 1 if line.lstrip(" ").startswith("- ") else 0
    for line in lines:
        if out and depth(line) > depth(out[-1][0]):
            out[-1].append(line)
        else:
            out.append([line])
    out = [[block[0], *blocks(block[1:])] for block in out]
    if all(depth(block[0]) for block in out):
        out.sort()
    return [line for block in out for line in block]


def run(case):
    """The answer, and the files that were written, as text."""
    if "runs" not in case:
        answers = [helm("template", *case["args"]) for _ in range(20 if "order" in case else 1)]
        if "order" in case:
            for r in answers:
                r.stderr = "\n".join(blocks(r.stderr.decode().split("\n"))).encode()
        return min(answers, key=lambda r: (r.stdout, r.stderr)), b""
    with tempfile.TemporaryDirectory() as out:
        for _ in range(case["runs"]):
            r = helm("template", *case["args"], "--output-dir", out)
        r.stdout = r.stdout.replace(out.encode(), b"<out>")
        files = sorted(os.path.join(d, f) for d, _, names in os.walk(out) for f in names)
        return r, b"".join(b"==> %s\n%s" % (os.path.relpath(f, out).encode(), open(f, "rb").read()) for f in files)


def pack():
    """Packaged charts are made once: their bytes hold the time of packing."""
    for source, folder in (("umbrella/charts/db", "packed/charts"), ("docs", "archive")):
        if not glob.glob(os.path.join(CHARTS, folder, "*.tgz")):
            os.makedirs(os.path.join(CHARTS, folder), exist_ok=True)
            helm("package", source, "-d", folder).check_returncode()


def main():
    version = helm("version", "--template", "{{.Version}}").stdout.decode()
    if version != "v4.3.1":
        sys.exit("helm.py: helm v4.3.1 is the reference, found " + (version or "none"))
    pack()
    cases = json.load(open(os.path.join(OUT, "cases.json")))
    names = tuple(sys.argv[1:]) or ("",)
    cases = [case for case in cases if case["name"].startswith(names)]
    for old in glob.glob(os.path.join(OUT, "*.out")) + glob.glob(os.path.join(OUT, "*.err")):
        if os.path.basename(old).startswith(names):
            os.remove(old)
    for case in cases:
        r, files = run(case)
        if r.returncode == 0:
            if "error" in case:
                sys.exit(case["name"] + ": an error is expected, helm succeeds")
            open(os.path.join(OUT, case["name"] + ".out"), "wb").write(r.stdout + files)
            continue
        text = r.stderr.decode()
        text = text[text.index("Error: ") + len("Error: "):]
        text = text.removesuffix("\n\nUse --debug flag to render out invalid YAML\n").rstrip("\n") + "\n"
        for fragment in case.get("error", []):
            if fragment not in text:
                sys.exit("%s: helm's own error lacks %r:\n%s" % (case["name"], fragment, text))
        open(os.path.join(OUT, case["name"] + ".err"), "w").write(text)
    print("%d cases" % len(cases))


if __name__ == "__main__":
    main()
