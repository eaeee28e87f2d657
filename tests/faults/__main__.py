"""`make faults`: MINUTES or HOURS, SEED, ONLY (fault names, separated by commas), from environment.

Without MINUTES or HOURS every fault is tried once, and one mix of them, however long the machine
takes for it; if less than half an hour is over by then, mixes fill it. What ONLY names is tried
once however short the time; without it a given time has at least one round.
Exit code 0: no finding, and every fault had its effect. 1: something was found. 2: usage.
"""

import os
import secrets
import signal
import sys
import tempfile
import threading
from pathlib import Path

from faults import table
from faults.campaign import Campaign, Orders
from faults.nemesis import FAULTS, GROUNDS

_MINUTES = 30.0  # how long mixes go on, once every fault was tried, and one mix
_PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def main() -> int:
    """Run one campaign as the environment says; returns the exit code."""
    try:
        orders = _orders()
    except ValueError as exc:
        _say(f"usage: {exc}")
        return 2
    ending = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: ending.set())
    least = "at least " if orders.whole else ""
    _say(f"seed {orders.seed}, {least}{orders.seconds / 60:.0f} min, in {orders.directory}")
    result = Campaign(orders, FAULTS, GROUNDS, _say, ending).run()
    if orders.only or ending.is_set():
        _say(table.page(result, FAULTS))
    else:
        table.write(_PAGE, result, FAULTS)
    failed = [each for each in result.rounds if not each.ok]
    for each in failed:
        _say(f"FAILED {' + '.join(each.faults)}: kept in {each.kept or orders.directory}")
    _say(f"seed {orders.seed}: {len(result.rounds)} rounds, {len(failed)} failed")
    return 0 if result.ok else 1


def _orders() -> Orders:
    given = os.environ
    seed = int(given.get("SEED") or secrets.randbelow(1 << 32))
    hours, minutes = given.get("HOURS"), given.get("MINUTES")
    seconds = float(hours) * 3600 if hours else float(minutes or _MINUTES) * 60
    only = frozenset(filter(None, (given.get("ONLY") or "").replace(" ", "").split(",")))
    unknown = only - {fault.name for fault in FAULTS}
    if unknown:
        names = ", ".join(fault.name for fault in FAULTS)
        raise ValueError(f"no such fault: {', '.join(sorted(unknown))}; there are: {names}")
    directory = Path(tempfile.mkdtemp(prefix="meldeweg-faults-"))
    whole = bool(only) or (not hours and not minutes)
    return Orders(directory=directory, seed=seed, seconds=seconds, whole=whole, only=only)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
