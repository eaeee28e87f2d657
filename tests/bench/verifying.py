"""(f) Offline verification of a large exported log, by the command that anybody would use.

The log is synthetic, made from the specification (`unit/audit/synthetic.py`), in a process of its
own, so that nothing of it is in memory while it is verified. It holds what a district writes:
messages to five offices in turn, each delivered, opened and acknowledged, and heartbeats. Run as
`python -m bench.verifying DIR ENTRIES` it makes one.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.figures import Aim, Figures
from bench.orders import AIMED, Orders

_TIMEOUT = 900  # seconds


def measure(orders: Orders, figures: Figures) -> None:
    with tempfile.TemporaryDirectory(prefix="meldeweg-bench-log-") as directory:
        out = Path(directory) / "log"
        out.mkdir()
        _run("-m", "bench.verifying", out, orders.entries)
        vkey = (out / "vkey").read_text().strip()
        started = time.monotonic()
        _run("-m", "meldeweg.cli", "audit", "verify", out, "--vkey", vkey)
        took = time.monotonic() - started
    note = (
        f"{orders.entries:,} entries, {orders.entries / took:,.0f}/s, the command's start included"
    )
    judged = orders.entries >= AIMED
    figures.add("f", "audit: offline verification", took, "s", Aim(15), note, judged=judged)


def _run(*args: object) -> None:
    subprocess.run(
        [sys.executable, *map(str, args)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=_TIMEOUT,
    )


def make(out: Path, entries: int) -> None:
    """Write an export with so many entries into an empty directory."""
    from unit.audit.synthetic import Log  # heavy, and only here

    log = Log()
    log.district(entries - 1)
    log.write(out, every=2_000)


if __name__ == "__main__":
    make(Path(sys.argv[1]), int(sys.argv[2]))
