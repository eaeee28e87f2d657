"""Shows a data protection officer why something was sent: opens the sealed record of an entry.

Guarantees: what is shown is the record that the sender signed for, in the entry that the log
commits to. Trusts: the log's key that is given, and the officer's machine. The audit service can
open nothing; this runs where the oversight key is, and nowhere else.

    1 the entry's leaf is in the tree of a checkpoint that the log signed
    2 statement and canonical record are those of the leaf
    3 the sealed record opens with the oversight key, bound to the statement's context
    4 what it says is what the context commits to (`record_sha256`)
"""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meldeweg.envelope.sealing import open_with
from meldeweg.kernel import note
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import Digest, KeyId
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.leaf import leaf_of, parse_canonical, parse_leaf, statement_of
from meldeweg.kernel.merkle import leaf_hash, verify_inclusion
from meldeweg.kernel.statement import Context, parse


@dataclass(frozen=True, slots=True)
class Opened:
    """Who wrote to whom and when, and why (`record`: JSON, to be shown and not to be kept)."""

    context: Context
    record: bytes


def open_entry(entry: Mapping[str, Any], keys: Mapping[KeyId, OpenKey]) -> Opened:
    """Steps 2 to 4 for an answer of `/v1/entries/{index}`.

    Raises `Refused`: `entry-malformed`, `entry-differs-from-leaf`, `record-absent`,
    `record-differs`, and what parsing a statement or opening an envelope refuses.
    """
    leaf, canonical = _b64(entry, "leaf"), _b64(entry, "canonical")
    committed, parsed = parse_canonical(canonical), parse_leaf(leaf)
    if leaf_of(parsed.topic_id, parsed.offset, canonical, committed.headers) != parsed:
        raise Refused("entry-differs-from-leaf")
    header, sealed = statement_of(committed.headers), entry.get("record")
    if header is None or not isinstance(sealed, str):
        raise Refused("record-absent", "an event, garbage, or erased")
    statement = parse(header)
    record = open_with(sealed.encode(), keys, statement.aad)
    if statement.context.record_sha256 != Digest.of(record):
        raise Refused("record-differs", "the sender signed for another record")
    return Opened(statement.context, record)


def prove_entry(
    entry: Mapping[str, Any], proof: Mapping[str, Any], origin: str, keys: Sequence[note.Verifier]
) -> note.Checkpoint:
    """Step 1, with an answer of `/v1/proofs/inclusion`; returns the checkpoint that proves it."""
    try:
        index, steps = int(entry["index"]), [_raw(each) for each in proof["proof"]]
        signed = proof["checkpoint"].encode()
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as exc:
        raise Refused("entry-malformed") from exc
    head = note.open_checkpoint(signed, origin, keys)
    verify_inclusion(index, head.size, leaf_hash(_b64(entry, "leaf")), steps, head.root)
    return head


def _b64(entry: Mapping[str, Any], name: str) -> bytes:
    try:
        return _raw(entry[name])
    except (KeyError, TypeError, binascii.Error) as exc:
        raise Refused("entry-malformed", name) from exc


def _raw(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
