"""A small service as the supervisor knows them: JSON lines, `/readyz`, SIGTERM.

python child.py PORT [stubborn] [family PIDFILE] [crash] [late SECONDS]
"""

import json
import os
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

SLEEPER = "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
# -3 is DEVNULL: it must not hold the pipe its parent is read from.
ORPHANING = f"""
import subprocess, sys
print(subprocess.Popen(
    [sys.executable, "-c", {SLEEPER!r}], start_new_session=True, stdout=-3, stderr=-3
).pid)
"""
started = time.monotonic()
words = sys.argv[2:]


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        late = float(words[words.index("late") + 1]) if "late" in words else 0.0
        self.send_response(200 if time.monotonic() - started >= late else 503)
        self.end_headers()

    def log_message(self, *args):
        pass


def log(event):
    sys.stderr.write(json.dumps({"event": event, "pid": os.getpid()}) + "\n")
    sys.stderr.flush()


def end(number, frame):
    log("stopping")
    time.sleep(0.2)  # draining takes a moment
    if "stubborn" not in words:
        sys.exit(0)


if "crash" in words:
    sys.stderr.write("Traceback: not a line of JSON\n")
    sys.exit(3)
signal.signal(signal.SIGTERM, end)
if "family" in words:
    # One that ignores SIGTERM, and one that left the session and lost its parent.
    plain = subprocess.Popen([sys.executable, "-c", SLEEPER])
    orphan = subprocess.run(
        [sys.executable, "-c", ORPHANING], capture_output=True, text=True, check=True
    ).stdout
    family = Path(words[words.index("family") + 1])
    family.write_text(f"{os.getpid()} {plain.pid} {orphan.strip()}")
log("started")
HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
