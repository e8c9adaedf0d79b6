#!/usr/bin/env python3
"""Writes what the real kustomize answers to every case in fixtures/kustomize-remote/, whose bases are remote.

    tests/oracle/kustomize_remote.py [NAME...]

Run it with kustomize v5.8.1 and git in PATH after changing a case; commit the result. `cargo test` needs no kustomize.
A case is a folder:
  repos/NAME/N-TAG/...  the files of commit N of the repository NAME.git, which is tagged TAG; the last one is `main`
  www/...               files that the server gives as they are, at @HTTP@/www/...
  input/...             the tree that is built; target (optional): what is built instead of input/
In its texts @HTTP@ is the server's URL (git http-backend behind it), @FILE@ the file:// URL of the same folder, @SHA:NAME:TAG@ a
commit. A file NAME.gitlink with the text NAME:TAG becomes a submodule. Written: expected.yaml or expected_error.txt,
expected_stderr.txt. A case whose name ends in -refused must fail.
"""
import http.server, os, re, shutil, subprocess, sys, tempfile, threading

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = os.path.join(HERE, "..", "..", "fixtures", "kustomize-remote")
ENV = dict(os.environ, GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0",
           GIT_AUTHOR_NAME="Ada", GIT_AUTHOR_EMAIL="ada@example.org", GIT_AUTHOR_DATE="1700000000 +0000",
           GIT_COMMITTER_NAME="Ada", GIT_COMMITTER_EMAIL="ada@example.org", GIT_COMMITTER_DATE="1700000000 +0000")


def git(cwd, *args):
    r = subprocess.run(["git", *args], cwd=cwd, env=ENV, capture_output=True)
    if r.returncode:
        sys.exit("git %s: %s" % (args, r.stderr.decode()))
    return r.stdout.decode().strip()


class Server(http.server.ThreadingHTTPServer):
    root = ""


class Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def serve(self):
        path, _, query = self.path.partition("?")
        static = os.path.realpath(self.server.root + path)
        if path.startswith("/www/") and os.path.isfile(static):
            body, status, head = open(static, "rb").read(), 200, []
        else:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            program = os.path.join(git(".", "--exec-path"), "git-http-backend")
            if self.headers.get("Content-Encoding") == "gzip":
                import gzip
                data = gzip.decompress(data)
            env = dict(ENV, GIT_PROJECT_ROOT=self.server.root, GIT_HTTP_EXPORT_ALL="1", REQUEST_METHOD=self.command,
                       PATH_INFO=path, QUERY_STRING=query, CONTENT_TYPE=self.headers.get("Content-Type", ""),
                       CONTENT_LENGTH=str(len(data)), REMOTE_ADDR="127.0.0.1",
                       GIT_PROTOCOL=self.headers.get("Git-Protocol", ""),
                       GIT_CONFIG_COUNT="1", GIT_CONFIG_KEY_0="safe.directory", GIT_CONFIG_VALUE_0="*")
            out = subprocess.run([program], input=data, env=env, capture_output=True).stdout
            top, _, body = out.partition(b"\r\n\r\n")
            head = [line.split(": ", 1) for line in top.decode().split("\r\n") if ": " in line]
            status = int(dict(head).get("Status", "200").split()[0])
            head = [h for h in head if h[0] != "Status"]
        self.send_response(status)
        for name, value in head:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = serve


def fill(text, case, shas):
    for place, value in case.items():
        text = text.replace(place, value)
    return re.sub(r"@SHA:([^:@]+):([^@]+)@", lambda m: shas[m.group(1), m.group(2)], text)


def copy(source, target, places, shas):
    for folder, _, files in os.walk(source):
        into = os.path.join(target, os.path.relpath(folder, source))
        os.makedirs(into, exist_ok=True)
        for name in files:
            text = open(os.path.join(folder, name)).read()
            open(os.path.join(into, name), "w").write(fill(text, places, shas))


def prepare(case, root, places):
    """Makes the case's repositories and trees under `root`; gives the commits."""
    shas = {}
    repos = os.path.join(case, "repos")
    # Names in order: a repository may name commits of those before it.
    for name in sorted(os.listdir(repos)) if os.path.isdir(repos) else []:
        bare = os.path.join(root, name + ".git")
        git(root, "init", "-q", "--bare", "-b", "main", bare)
        for step in sorted(os.listdir(os.path.join(repos, name))):
            work = tempfile.mkdtemp()
            copy(os.path.join(repos, name, step), work, places, shas)
            git(work, "init", "-q", "-b", "main")
            parent = git(bare, "rev-parse", "main") if (name, "any") in shas else ""
            if parent:
                git(work, "fetch", "-q", bare, "main")
                git(work, "update-ref", "refs/heads/main", parent)
            links = []
            for folder, _, files in os.walk(work):
                links += [os.path.join(folder, f) for f in files if f.endswith(".gitlink")]
            for link in links:
                sub, tag = open(link).read().strip().split(":")
                os.remove(link)
                path = os.path.relpath(link, work)[: -len(".gitlink")]
                git(work, "update-index", "--add", "--cacheinfo", "160000,%s,%s" % (shas[sub, tag], path))
                os.makedirs(os.path.join(work, path), exist_ok=True)
            git(work, "add", "--all", "--", ":/", *[":!" + os.path.relpath(l, work)[: -len(".gitlink")] for l in links])
            git(work, "commit", "-q", "-m", step)
            tag = step.split("-", 1)[1]
            git(work, "tag", tag)
            git(work, "push", "-q", bare, "HEAD:main", tag)
            shas[name, tag] = shas[name, "any"] = git(work, "rev-parse", "HEAD")
            shutil.rmtree(work)
    for part in ("www", "input"):
        source = os.path.join(case, part)
        os.makedirs(os.path.join(root, part), exist_ok=True)
        if os.path.isdir(source):
            copy(source, os.path.join(root, part), places, shas)
    return shas


def main():
    version = subprocess.run(["kustomize", "version"], capture_output=True).stdout.decode().strip()
    if version != "v5.8.1":
        sys.exit("kustomize_remote.py: kustomize v5.8.1 is the reference, found " + (version or "none"))
    wrong = []
    for name in sys.argv[1:] or sorted(os.listdir(CASES)):
        case = os.path.join(CASES, name)
        root = os.path.realpath(tempfile.mkdtemp())
        server = Server(("127.0.0.1", 0), Handler)
        server.root = root
        threading.Thread(target=server.serve_forever, daemon=True).start()
        places = {"@HTTP@": "http://localhost:%d" % server.server_port, "@FILE@": "file://" + root}
        shas = prepare(case, root, places)
        target = os.path.join(root, "input")
        if os.path.exists(os.path.join(case, "target")):
            target = fill(open(os.path.join(case, "target")).read().strip(), places, shas)
        r = subprocess.run(["kustomize", "build", target], capture_output=True, env=ENV)
        server.shutdown()

        def plain(data):
            text = re.sub(r"(?m)^\d{4}/\d\d/\d\d \d\d:\d\d:\d\d ", "", data.decode())
            for place, value in places.items():
                text = text.replace(value, place)
            text = text.replace(root, "<root>")
            return re.sub(r"/tmp/kustomize-\d+", "<clone>", text)

        ok = r.returncode == 0
        for file, text in (("expected.yaml", plain(r.stdout) if ok else ""),
                           ("expected_error.txt", "" if ok else plain(r.stderr)),
                           ("expected_stderr.txt", plain(r.stderr) if ok else "")):
            path = os.path.join(case, file)
            if text:
                open(path, "w").write(text)
            elif os.path.exists(path):
                os.remove(path)
        if ok == name.endswith("-refused"):
            wrong.append(name + ": " + ("is built" if ok else plain(r.stderr).strip()))
        shutil.rmtree(root)
    print("\n".join(wrong) or "all as named")


main()
