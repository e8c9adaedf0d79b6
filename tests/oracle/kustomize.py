#!/usr/bin/env python3
"""Writes what the real kustomize answers to every case in fixtures/kustomize/.

    tests/oracle/kustomize.py [NAME...]

Run it with kustomize v5.8.1 in PATH after changing a case; commit the result. `cargo test` needs no kustomize.
A case is a folder: input/ (the tree), target (optional: the folder to build, in input/), flags (optional, one line).
Written beside them: expected.yaml (output), or expected_error.txt (its error, paths shortened to <input>);
expected_stderr.txt if a successful build warns. A case whose name ends in -refused must fail.
"""
import os, re, shlex, subprocess, sys

CASES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "fixtures", "kustomize")


def read(path):
    return open(path).read().strip() if os.path.exists(path) else ""


def write(path, data):
    if data:
        open(path, "wb").write(data)
    elif os.path.exists(path):
        os.remove(path)


def main():
    version = subprocess.run(["kustomize", "version"], capture_output=True).stdout.decode().strip()
    if version != "v5.8.1":
        sys.exit("kustomize.py: kustomize v5.8.1 is the reference, found " + (version or "none"))
    wrong = []
    for name in sys.argv[1:] or sorted(os.listdir(CASES)):
        case = os.path.join(CASES, name)
        tree = os.path.realpath(os.path.join(case, "input"))
        cmd = ["kustomize", "build", os.path.join(tree, read(os.path.join(case, "target")))]
        r = subprocess.run(cmd + shlex.split(read(os.path.join(case, "flags"))), capture_output=True)
        stderr = re.sub(r"(?m)^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", "", r.stderr.decode().replace(tree, "<input>"))
        ok = r.returncode == 0
        write(os.path.join(case, "expected.yaml"), r.stdout if ok else b"")
        write(os.path.join(case, "expected_error.txt"), b"" if ok else stderr.encode())
        write(os.path.join(case, "expected_stderr.txt"), stderr.encode() if ok else b"")
        if ok == name.endswith("-refused"):
            wrong.append(name + ": " + ("is built" if ok else stderr.strip()))
    print("\n".join(wrong) or "all as named")


main()
