"""`make fuzz SECONDS=… [TARGET=…]`: every parser of foreign bytes in turn, guided by coverage.

SECONDS is for each target. First it proves that it can find something: a mistake that is planted
must be found. What is new and reaches new code goes to the kept corpus, the smallest inputs that
reach it all; an input that shows a defect is kept as it is and for good, and so `make test` fails
until it is mended. Ends with 1 if there was one.
"""

import argparse
import re
import shlex
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parents[1] / "services")]

from fuzz.coverage import covering, features  # noqa: E402
from fuzz.harness import keep, keep_defects, kept  # noqa: E402 - the path above
from fuzz.targets import TARGETS  # noqa: E402

_PLANTED = "base64url"
_PLANTED_SECONDS = 60
_INPUT_MAX = 4096  # bytes; a target whose seeds are larger takes twice the largest
_KEPT_MAX = 40  # inputs of one target: the corpus is read by every `make test`
_UNITS = re.compile(rb"stat::number_of_executed_units:\s+(\d+)")


@dataclass(frozen=True)
class Found:
    """What a target's time brought. `crashes`: inputs that showed a defect."""

    executions: int
    seconds: float
    crashes: tuple[bytes, ...]
    said: str


def fuzz(name: str, seconds: int, directory: Path, *, planted: bool = False) -> Found:
    """Run libFuzzer on one target; `directory` has the inputs, and those that reach further."""
    target = TARGETS[name]
    seeds = {*target.seeds(), *kept(name), b""}
    for each in seeds:
        (directory / sha256(each).hexdigest()[:20]).write_bytes(each)
    longest = max(_INPUT_MAX, 2 * max(map(len, seeds)))
    with tempfile.TemporaryDirectory() as crashed:
        started = time.monotonic()
        done = _libfuzzer(
            name,
            *(["--planted"] if planted else []),
            f"-max_total_time={seconds}",
            f"-max_len={longest}",
            f"-artifact_prefix={crashed}/",
            "-timeout=20",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
            str(directory),
        )
        took = time.monotonic() - started
        crashes = tuple(path.read_bytes() for path in sorted(Path(crashed).iterdir()))
    units = _UNITS.search(done.stderr)
    said = done.stderr.decode("utf-8", "replace") + done.stdout.decode("utf-8", "replace")
    if done.returncode != 0 and not crashes:
        raise SystemExit(f"{name}: the fuzzer failed, {done.returncode}\n{said[-3000:]}")
    return Found(int(units[1]) if units else 0, took, crashes, said)


def smallest(name: str, directory: Path) -> set[bytes]:
    """Return the fewest inputs that reach what the directory's inputs reach, seeds left out.

    Where that is more than a target may keep, those that add the most are kept (`covering`).
    """
    with tempfile.TemporaryDirectory() as scratch:
        merged, control = Path(scratch) / "merged", Path(scratch) / "control"
        merged.mkdir()
        done = _libfuzzer(
            name,
            "-set_cover_merge=1",
            "-max_len=65536",
            f"-merge_control_file={control}",
            str(merged),
            str(directory),
        )
        if done.returncode != 0:
            said = done.stderr.decode("utf-8", "replace")
            raise SystemExit(f"{name}: the corpus could not be merged\n{said[-3000:]}")
        reached = features(control.read_text())
    inputs = {Path(path).read_bytes(): found for path, found in reached.items()}
    seeds = set(TARGETS[name].seeds())
    known = frozenset[int]().union(*(inputs.get(seed, frozenset()) for seed in seeds))
    found = {each: reaches for each, reaches in inputs.items() if each not in seeds}
    return set(covering(found, known, _KEPT_MAX))


def _libfuzzer(name: str, *options: str) -> subprocess.CompletedProcess[bytes]:
    """Run it as one executable file: to merge, libFuzzer starts itself again by its name."""
    with tempfile.TemporaryDirectory() as directory:
        itself = Path(directory) / "fuzz"
        command = shlex.join([sys.executable, str(HERE / "run.py"), str(itself), name])
        itself.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        itself.chmod(0o700)
        return subprocess.run([str(itself), *options], capture_output=True, check=False)


def proves_itself() -> None:
    """End the campaign unless the planted mistake is found."""
    with tempfile.TemporaryDirectory() as directory:
        found = fuzz(_PLANTED, _PLANTED_SECONDS, Path(directory), planted=True)
    if not found.crashes:
        raise SystemExit(f"blind: the mistake planted for {_PLANTED} was not found")
    print(f"planted mistake found in {found.seconds:.0f} s: {found.crashes[0]!r}", flush=True)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--seconds", type=int, default=60, help="for each target")
    asked.add_argument("--target", action="append", choices=sorted(TARGETS))
    given = asked.parse_args()
    proves_itself()
    bad = 0
    for name in given.target or sorted(TARGETS):
        with tempfile.TemporaryDirectory() as directory:
            found = fuzz(name, given.seconds, Path(directory))
            inputs = smallest(name, Path(directory))
        keep(name, inputs)
        keep_defects(name, set(found.crashes))
        bad += len(found.crashes)
        print(
            f"{name:<18} {found.executions:>9} executions {found.seconds:>6.0f} s "
            f"{len(inputs):>3} kept {len(found.crashes)} defects",
            flush=True,
        )
        if found.crashes:
            print(_why(found.said), flush=True)
    raise SystemExit(1 if bad else 0)


def _why(said: str) -> str:
    lines = said.splitlines()
    start = next((n for n, line in enumerate(lines) if "Uncaught Python exception" in line), 0)
    return "\n".join(lines[start : start + 40])


if __name__ == "__main__":
    main()
