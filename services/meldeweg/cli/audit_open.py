"""Open the sealed record of a logged transfer: the data protection officer's step, with their key.

Guarantees: what is shown is one whole: the entry's leaf commits to the record's bytes, the
statement in it to the sealed part's context, and the context to SHA-256 of what was opened.
Trusts whoever gave the entry that it is in the log, and that the sender signed its statement:
neither is checked here, and anyone can seal to an oversight key. The key is the officer's own.
"""

import base64
from dataclasses import dataclass
from typing import Any

from meldeweg.envelope import open_sealed
from meldeweg.kernel import statement, strictjson
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.leaf import parse_canonical, parse_leaf, statement_of
from meldeweg.kernel.statement import Statement


@dataclass(frozen=True, slots=True)
class OpenedEntry:
    """A transfer as oversight sees it: the signed context, and why it was sent."""

    index: int
    statement: Statement
    record: dict[str, Any]


def has_digest(entry: dict[str, Any], digest: str | None) -> bool:
    """Say whether an entry is the transfer with this message digest; nonsense has none."""
    token = entry["statement"]
    try:
        return token is not None and statement.parse(token.encode()).digest == digest
    except Refused:
        return False


def open_entry(entry: dict[str, Any], key: OpenKey) -> OpenedEntry:
    """Open one entry of `GET /v1/entries`.

    Raises `Refused`: `entry-erased`, `entry-without-record`, `entry-contradicts`,
    `record-mismatch`, and what `envelope` says of a wrong key.
    """
    if entry["canonical"] is None:
        raise Refused("entry-erased", "its bytes were deleted; the leaf and all proofs remain")
    canonical = base64.b64decode(entry["canonical"], validate=True)
    if (
        parse_leaf(base64.b64decode(entry["leaf"], validate=True)).record
        != Digest.of(canonical).raw()
    ):
        raise Refused("entry-contradicts", "the leaf commits to other bytes")
    token = statement_of(parse_canonical(canonical).headers)
    if token is None or entry["record"] is None:
        raise Refused("entry-without-record", "nothing was sealed for oversight in this entry")
    parsed = statement.parse(token)
    plain = open_sealed(entry["record"].encode(), key, parsed.aad)
    if Digest.of(plain) != parsed.context.record_sha256:
        raise Refused("record-mismatch", "the sender signed another record")
    record = strictjson.loads(plain, code="record-malformed")
    if not isinstance(record, dict):
        raise Refused("record-malformed", "not an object")
    return OpenedEntry(int(entry["index"]), parsed, record)
