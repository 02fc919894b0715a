"""A small web app, the main process of the demo's pods: it imports from its venv, lists its custom nodes and saves workflows."""

import importlib
import json
import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

pod, port_file, *modules = sys.argv[1:]
imported = {name: importlib.import_module(name) for name in modules}


def facts():
    nodes = os.path.join(pod, "ComfyUI", "custom_nodes")
    return {
        "runtime": f"Python {sys.version.split()[0]}",
        "prefix": sys.prefix,
        "modules": {name: [module.__version__, module.__file__] for name, module in imported.items()},
        "nodes": sorted(name for name in os.listdir(nodes) if os.path.isdir(os.path.join(nodes, name))),
        "workflows": sorted(os.listdir(os.path.join(pod, ".comfyui", "workflows"))),
    }


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.answer(facts())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        with open(os.path.join(pod, ".comfyui", "workflows", os.path.basename(self.path)), "wb") as file:
            file.write(body)
        self.answer({"bytes": len(body)})

    def answer(self, value):
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


# A code of its own, so that one can see whose exit code the pod ends with.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(42))
server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
with open(port_file + ".new", "w") as file:
    file.write(str(server.server_port))
os.rename(port_file + ".new", port_file)
server.serve_forever()
