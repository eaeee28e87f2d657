"""Open the sealed record of a logged transfer: the data protection officer's step, with their key.

Guarantees: what is shown is one whole: the entry's leaf commits to the record's bytes, the
statement in it to the sealed part's context, and the context to SHA-256 of what was opened.
Does not guarantee that the sender signed it, nor that it is in the log: anyone can seal to an
oversight key. `audit_evidence` proves both. The key is the officer's own.
"""

from dataclasses import dataclass, field
from typing import Any

from meldeweg.cli.audit_entry import Entry
from meldeweg.envelope import open_sealed
from meldeweg.kernel import statement, strictjson
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.leaf import GENESIS, parse_canonical, parse_leaf, statement_of
from meldeweg.kernel.statement import Statement


@dataclass(frozen=True, slots=True)
class OpenedEntry:
    """A transfer as oversight sees it: the signed context, and why it was sent.

    `canonical`: the bytes that the leaf commits to.
    """

    canonical: bytes
    statement: Statement
    record: dict[str, Any] = field(repr=False)


def open_entry(entry: Entry, key: OpenKey) -> OpenedEntry:
    """Open one entry of the log.

    Raises `Refused`: `entry-erased`, `entry-without-record`, `entry-contradicts`,
    `record-mismatch`, and what `envelope` says of a wrong key.
    """
    leaf = parse_leaf(entry.leaf)
    if leaf.kind == GENESIS:
        raise Refused("entry-without-record", "the genesis: a log begins with it")
    if entry.canonical is None:
        raise Refused("entry-erased", "its bytes were deleted; the leaf and all proofs remain")
    if leaf.record != Digest.of(entry.canonical).raw():
        raise Refused("entry-contradicts", "the leaf commits to other bytes")
    token = statement_of(parse_canonical(entry.canonical).headers)
    if token is None or entry.sealed is None:
        raise Refused("entry-without-record", "nothing was sealed for oversight in this entry")
    parsed = statement.parse(token)
    plain = open_sealed(entry.sealed, key, parsed.aad)
    if Digest.of(plain) != parsed.context.record_sha256:
        raise Refused("record-mismatch", "the sender signed another record")
    record = strictjson.loads(plain, code="record-malformed")
    if not isinstance(record, dict):
        raise Refused("record-malformed", "not an object")
    return OpenedEntry(entry.canonical, parsed, record)
