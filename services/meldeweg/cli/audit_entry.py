"""One entry of the log and its proof, as the audit service gives them: read once, strictly.

Guarantees: what is not of this form is `entry-malformed`. Trusts nothing of it: that is for
`audit_open` and `audit_evidence`.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from meldeweg.kernel.errors import Refused

_CODE = "entry-malformed"


@dataclass(frozen=True, slots=True)
class Entry:
    """`canonical` None: erased, or the genesis. `sealed`: the envelope for oversight."""

    year: int
    index: int
    topic_id: bytes
    offset: int
    leaf: bytes
    canonical: bytes | None
    sealed: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """A part of one year's log as (index, statement), and where the next one starts.

    `year`: None where nothing is in it.
    """

    statements: tuple[tuple[int, bytes | None], ...]
    next: int | None
    year: int | None


@dataclass(frozen=True, slots=True)
class Proof:
    """That an index lies under a checkpoint (a signed note)."""

    checkpoint: bytes
    steps: tuple[bytes, ...]


def read_entry(said: Any) -> Entry:
    """Read an answer of `GET /v1/entries/{index}`."""
    try:
        return Entry(
            year=_count(said["year"]),
            index=_count(said["index"]),
            topic_id=bytes.fromhex(said["topic_id"] or ""),
            offset=_count(said["offset"] or 0),
            leaf=_bytes(said["leaf"]),
            canonical=_optional(said, "canonical"),
            sealed=None if said["record"] is None else str(said["record"]).encode(),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise Refused(_CODE, type(exc).__name__) from exc


def read_page(said: Any, start: int) -> Page:
    """Read an answer of `GET /v1/entries?start=…`; one that leads nowhere further is refused."""
    try:
        found = tuple((_count(each["index"]), _token(each["statement"])) for each in said["items"])
        years = {_count(each["year"]) for each in said["items"]}
        following = None if said["next"] is None else _count(said["next"])
    except (KeyError, TypeError, ValueError) as exc:
        raise Refused(_CODE, type(exc).__name__) from exc
    if following is not None and following <= start:
        raise Refused(_CODE, "its pages have no end")
    if len(years) > 1:
        raise Refused(_CODE, "of several years")
    return Page(found, following, min(years, default=None))


def read_proof(said: Any) -> Proof:
    """Read an answer of `GET /v1/proofs/inclusion`."""
    try:
        steps = tuple(_bytes(step) for step in said["proof"])
        return Proof(str(said["checkpoint"]).encode(), steps)
    except (KeyError, TypeError, ValueError) as exc:
        raise Refused(_CODE, type(exc).__name__) from exc


def _optional(said: Mapping[str, Any], name: str) -> bytes | None:
    return None if said[name] is None else _bytes(said[name])


def _token(text: Any) -> bytes | None:
    return None if text is None else str(text).encode()


def _count(value: Any) -> int:
    """Return what fits into a leaf's eight bytes."""
    if type(value) is not int or not 0 <= value < 1 << 64:
        raise ValueError
    return value


def _bytes(text: Any) -> bytes:
    return base64.b64decode(text, validate=True)
