"""The main process of the pods in these tests: a web server that runs in the pod's venv and imports from it.

usage: app.py POD PORT_FILE [deaf]

At SIGTERM it ends with 7; a deaf one goes on.
"""

import glob
import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import from_the_venv

pod, port_file, *flags = sys.argv[1:]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/orphans":
            return self.answer(json.dumps(leave_orphans()).encode())
        if self.path == "/":
            return self.answer(json.dumps({"prefix": sys.prefix, "module": from_the_venv.VALUE}).encode())
        with open(pod + self.path, "rb") as file:
            self.answer(file.read())

    def do_PUT(self):
        with open(pod + self.path, "wb") as file:
            file.write(self.rfile.read(int(self.headers["content-length"])))
        self.answer(b"{}")

    def answer(self, body):
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def leave_orphans():
    """Ten grandchildren whose parent ends before them: whose they become, and how many zombies they leave."""
    orphans = [
        int(subprocess.run(["sh", "-c", "sleep 60 >/dev/null & echo $!"], check=True, stdout=subprocess.PIPE).stdout)
        for _ in range(10)
    ]
    adopted = statuses("PPid:\t1\n")
    for orphan in orphans:
        os.kill(orphan, signal.SIGKILL)
    limit = time.monotonic() + 5
    while any(os.path.exists(f"/proc/{orphan}") for orphan in orphans) and time.monotonic() < limit:
        time.sleep(0.05)
    with open("/proc/1/comm") as file:
        return {"init": file.read().strip(), "adopted": adopted, "zombies": statuses("State:\tZ")}


def statuses(line):
    count = 0
    for name in glob.glob("/proc/[0-9]*/status"):
        try:
            with open(name) as file:
                text = file.read()
        except OSError:
            continue
        count += ("Name:\tsleep\n" in text or "Z (zombie)" in text) and line in text
    return count


signal.signal(signal.SIGTERM, signal.SIG_IGN if "deaf" in flags else lambda *_: sys.exit(7))
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
with open(port_file + ".new", "w") as file:
    file.write(str(server.server_port))
os.rename(port_file + ".new", port_file)
server.serve_forever()
