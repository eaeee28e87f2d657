"""Write the published schemas: `python -m meldeweg.kernel.schemas.generate [--check | --release]`.

Guarantees: a released schema is never overwritten; the examples that lie beside a schema follow
what they are made of (an agreement's: the district file), and are not pinned. `--check` writes
nothing and ends with 1 when a file is missing, stale, or differs from its released hash;
`--release` pins what is not yet pinned.
"""

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from meldeweg.kernel import strictjson
from meldeweg.kernel.agreement import Agreement, build, load_district
from meldeweg.kernel.ids import KeyId
from meldeweg.kernel.schemas import TYPES, examples
from meldeweg.kernel.schemas.published import schema_bytes, schema_of
from meldeweg.kernel.schemas.record import RecordBody

ROOT = Path(__file__).parents[4] / "schemas"
RELEASED = "released.json"
EXAMPLE = "agreement.kreis-viersen.json"
OF_RECORD = "record.example.json"


def files() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of every schema: the message types, the record, the agreement."""
    for kind, versions in TYPES.items():
        for version, model in versions.items():
            schema = schema_of(model, str(kind), version)
            yield f"{kind}.v{version}.json", schema_bytes(schema)
    yield "record.v1.json", schema_bytes(schema_of(RecordBody, "record", 1))
    yield "agreement.v1.json", schema_bytes(schema_of(Agreement, "agreement", 1))


def example() -> bytes:
    """Return the agreement of Kreis Viersen, indented, its identity keys invented."""
    district = load_district("kreis-viersen")
    keys = {
        party.agency: KeyId(strictjson.b64u_encode(hashlib.sha256(party.agency.encode()).digest()))
        for party in district.parties
    }
    return schema_bytes(strictjson.loads(build(district, keys)))


def beside() -> Iterator[tuple[str, bytes]]:
    """Yield name and bytes of the examples of those schemas that have none in them."""
    yield EXAMPLE, example()
    yield OF_RECORD, schema_bytes(examples.RECORD)


def released(root: Path) -> dict[str, str]:
    """Return file name → SHA-256 of every released schema."""
    path = root / RELEASED
    if not path.exists():
        return {}
    entries: dict[str, str] = json.loads(path.read_text())
    return entries


def findings(root: Path) -> list[str]:
    """Return what is wrong with the published files, in words; empty when all is well."""
    found, made, pinned = [], dict(files()), released(root)
    for name, data in made.items():
        path = root / name
        if not path.exists():
            found.append(f"{name} is missing")
        elif path.read_bytes() != data:
            found.append(f"{name} differs from the code")
        if name not in pinned:
            found.append(f"{name} is not in {RELEASED}")
    for name, data in beside():
        path = root / name
        if not path.exists() or path.read_bytes() != data:
            found.append(f"{name} differs from what it is made of")
    for name, sha256 in pinned.items():
        path = root / name
        if not path.exists():
            found.append(f"{name} was released and is gone")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
            found.append(f"{name} was released and has changed: make a new version")
    return found


def write(root: Path, *, release: bool) -> list[str]:
    """Write what is not released; return the released ones that the code would change."""
    pinned, refused = released(root), []
    for name, data in files():
        sha256 = hashlib.sha256(data).hexdigest()
        if pinned.get(name, sha256) != sha256:
            refused.append(f"{name} is released: make a new version")
            continue
        (root / name).write_bytes(data)
        if release:
            pinned[name] = sha256
    for name, data in beside():
        (root / name).write_bytes(data)
    if release and not refused:
        (root / RELEASED).write_text(json.dumps(dict(sorted(pinned.items())), indent=2) + "\n")
    return refused


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m meldeweg.kernel.schemas.generate")
    parser.add_argument("--dir", type=Path, default=ROOT, help="where the schemas are")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--check", action="store_true", help="write nothing, compare")
    what.add_argument("--release", action="store_true", help="pin the hashes of new schemas")
    given = parser.parse_args(arguments)
    wrong = findings(given.dir) if given.check else write(given.dir, release=given.release)
    for line in wrong:
        sys.stderr.write(f"{line}\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
