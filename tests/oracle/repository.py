#!/usr/bin/env python3
"""Writes fixtures/repository: packages of fixtures/charts/demo, the index that the real `helm repo index` makes of them, and in
versions.json which version the real Helm takes for which text (`helm template --repo ... --version ...`), or null if none.

Run it with helm v4.3.1 in PATH; commit the result. `cargo test` needs no Helm.
"""
import functools, glob, http.server, json, os, re, subprocess, tempfile, threading

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
OUT = os.path.join(ROOT, "fixtures", "repository")
VERSIONS = ["1.0.0", "1.2.0", "1.2.1", "1.10.0", "2.0.0-rc.1", "0.9.0", "1.3.0+build.5", "v1.4.0"]
ASKED = ["", "1.0.0", "v1.0.0", "1.0", "1", "^1", "~1.2", "~1.2.0", ">=1.2.0 <1.10.0", "1.x", "*", ">=2.0.0-0", "^2", "2.0.0-rc.1", "0.x",
         "1.3.0", "1.3.0+build.5", "1.3.0+build.6", "1.4.0", "v1.4.0", "1.2 - 1.4", "^1 || ^2", "!=1.10.0", ">1.10.0", "9.9.9", "latest", "=1.2.1"]


def helm(*args, env=None):
    return subprocess.run(["helm", *args], capture_output=True, text=True, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL)


def main():
    if helm("version", "--template", "{{.Version}}").stdout != "v4.3.1":
        raise SystemExit("repository.py: helm v4.3.1 is the reference")
    # Packages are made once: their bytes hold the time of packing.
    if not glob.glob(os.path.join(OUT, "*.tgz")):
        for version in VERSIONS:
            helm("package", os.path.join(ROOT, "fixtures/charts/demo"), "--version", version, "-d", OUT).check_returncode()
        helm("repo", "index", OUT).check_returncode()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=OUT)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    answers = {}
    with tempfile.TemporaryDirectory() as home:
        env = {f"HELM_{k}_HOME": os.path.join(home, k) for k in ("CACHE", "CONFIG", "DATA")}
        for asked in ASKED:
            version = ["--version", asked] if asked else []
            r = helm("template", "x", "demo", "--repo", f"http://127.0.0.1:{server.server_port}", *version, env=env)
            found = re.search(r'version: "(.*)"', r.stdout)
            answers[asked] = found.group(1) if r.returncode == 0 and found else None
    with open(os.path.join(OUT, "versions.json"), "w") as f:
        json.dump(answers, f, indent=1)
        f.write("\n")
    print(len(answers), "answers")


if __name__ == "__main__":
    main()
