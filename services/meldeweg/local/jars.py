"""Apache Kafka's own jars, resolved once, checked on every start.

Guarantees: what Java is given is byte for byte what `deploy/broker/jars.sha256` lists, no jar more
and no jar less; otherwise `Fatal(broker-jar-changed)`. After the first resolution no network is
needed. Trusts that list alone: not the repository, not the cache.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from meldeweg.kernel.errors import Fatal, Unavailable
from meldeweg.local.deploy import deployed

KAFKA = "4.3.1"
# The `!` keeps jgo from applying the version management of log4j's parent to everything: with it
# the broker would silently run on kafka-clients 3.9.1 (docs/decisions/0010-jars-of-the-broker.md).
ENDPOINT = f"org.apache.kafka:kafka_2.13:{KAFKA}!+org.apache.logging.log4j:log4j-slf4j-impl:2.25.4!"


def cache_directory() -> Path:
    """Where downloads are kept between stacks: `MELDEWEG_CACHE`, else `~/.cache/meldeweg`."""
    configured = os.environ.get("MELDEWEG_CACHE")
    return Path(configured).resolve() if configured else Path.home() / ".cache" / "meldeweg"


def broker_jars(cache: Path | None = None, manifest: Path | None = None) -> list[Path]:
    """Return the class path of the broker, resolved if need be and checked against the list.

    Raises `Unavailable(broker-jars-unreachable)` when they must be resolved and can't be, and
    `Fatal(broker-jar-changed)` when what is there is not what the list says.
    """
    expected = read_manifest(manifest or deployed("broker", "jars.sha256"))
    directory = (cache or cache_directory()) / f"kafka-{KAFKA}"
    if not directory.is_dir():
        with locked(directory.with_suffix(".lock")):
            if not directory.is_dir():
                _resolve_into(directory, expected)
    return _checked(directory, expected)


def jars_again(cache: Path | None = None, manifest: Path | None = None) -> list[Path]:
    """Return the same for a broker that is started again: checked anew, and never resolved.

    Raises `Fatal(broker-jar-changed)`.
    """
    expected = read_manifest(manifest or deployed("broker", "jars.sha256"))
    return _checked((cache or cache_directory()) / f"kafka-{KAFKA}", expected)


def _checked(directory: Path, expected: dict[str, str]) -> list[Path]:
    if wrong := differing(directory, expected):
        raise Fatal(
            "broker-jar-changed",
            f"{', '.join(wrong)} in {directory}: changed, missing or not on the list; remove "
            "the directory to have the jars fetched again",
        )
    return [directory / name for name in sorted(expected)]


def read_manifest(path: Path) -> dict[str, str]:
    """Read lines of `sha256sum`: file name → SHA-256 in hexadecimal."""
    entries: dict[str, str] = {}
    for line in path.read_text(encoding="ascii").splitlines():
        digest, name = line.split("  ", 1)
        entries[name] = digest
    return entries


def differing(directory: Path, expected: dict[str, str]) -> list[str]:
    """Return the names of what is there but not on the list, on it but not there, or changed."""
    found = {path.name: path for path in directory.iterdir()} if directory.is_dir() else {}
    changed = [
        name
        for name in found.keys() & expected.keys()
        # a directory of that name, or a link to nowhere, is not what the list says either
        if not found[name].is_file() or sha256(found[name]) != expected[name]
    ]
    return sorted({*changed, *(found.keys() ^ expected.keys())})


def sha256(path: Path) -> str:
    """Return the digest of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _resolve_into(directory: Path, expected: dict[str, str]) -> None:
    """Fetch with jgo, check, and only then give the directory its name."""
    import jgo  # noqa: PLC0415 - the first start alone needs it, and it is slow to import

    with tempfile.TemporaryDirectory(dir=directory.parent, prefix="resolving-") as scratch:
        try:
            environment = jgo.build(endpoint=ENDPOINT, cache_dir=Path(scratch) / "jgo")
        except (OSError, RuntimeError, ValueError) as exc:  # jgo wraps nothing of its own
            raise Unavailable("broker-jars-unreachable", str(exc)) from exc
        flat = Path(scratch) / "jars"
        flat.mkdir()
        for jar in environment.all_jars:
            # Copies: jgo links into the user's Maven cache, which others write.
            shutil.copyfile(jar, flat / jar.name)
        if wrong := differing(flat, expected):
            raise _wrong_at_its_origin(wrong, expected, jgo.config.GlobalSettings.load().repo_cache)
        flat.rename(directory)


def _wrong_at_its_origin(wrong: list[str], expected: dict[str, str], repository: Path) -> Fatal:
    """Name the files of the Maven cache that jgo took: our own copies are gone when this is read.

    `repository`: where jgo looks before it fetches, `~/.m2/repository` unless it is told otherwise.
    """
    there = [
        str(path)
        for name in wrong
        for path in sorted(repository.rglob(name))
        if path.is_file() and sha256(path) != expected.get(name)
    ]
    advice = (
        f"they lie in the Maven cache; remove {', '.join(there)} to have them fetched again"
        if there
        else f"in the Maven cache {repository} none of them lies changed: so the repository gave it"
    )
    what = f"{', '.join(wrong)}: changed, missing or not on the list"
    return Fatal("broker-jar-changed", f"{what}; {advice}")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let two stacks that start at once make only once what both need."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
