"""The register as a file: every record of trust, for whoever verifies without a broker.

Guarantees: what is read back is what the trust anchor's chain proves; records that it does not
prove count as if they were not there. Trusts: the anchor's file. Whoever made the file can have
left records out, the revocation of a key too: get it from more than one side if that matters.

    {"topic":"registry.agencies","value":"<base64>"}
"""

import base64
import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from meldeweg.ceremony.desk import desk_of
from meldeweg.ceremony.district import Places
from meldeweg.cli import files
from meldeweg.kernel import strictjson
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.jwk import SignatureKey
from meldeweg.kernel.keyfile import read_public_key
from meldeweg.kernel.trust.register import Register

Records = Iterable[tuple[str, bytes]]
"""(topic, value), in any order."""


def write(path: Path, records: Records) -> int:
    """Create the file; returns how many records it holds. `file-exists`, `file-not-writable`."""
    lines = [
        json.dumps(
            {"topic": topic, "value": base64.b64encode(value).decode()}, separators=(",", ":")
        )
        for topic, value in records
    ]
    files.create(path, "".join(f"{line}\n" for line in lines).encode())
    return len(lines)


def read(path: Path, anchor: Path) -> Register:
    """Return the register that the file proves; `register-malformed` names the line."""
    return proven(_records(files.read(path)), read_public_key(anchor))


def of_stack(directory: Path) -> Register:
    """Return the register of a local stack, by the anchor that lies beside it."""
    with desk_of(directory, None, None) as desk:
        records = desk.records()
    return proven(records, read_public_key(Places(directory / "trust").anchor))


def proven(records: Records, anchor: SignatureKey) -> Register:
    """Take in what the anchor's chain proves, and nothing else."""
    register = Register(anchor)
    for topic, value in records:
        with suppress(Refused):  # the same answer as every gateway's: it does not count
            register.apply(topic, value)
    return register


def _records(data: bytes) -> Records:
    for number, line in enumerate(data.splitlines(), 1):
        found = strictjson.loads(line, max_depth=1, code="register-malformed")
        try:
            yield str(found["topic"]), base64.b64decode(found["value"], validate=True)
        except (KeyError, TypeError, ValueError) as exc:
            raise Refused("register-malformed", f"line {number}") from exc
