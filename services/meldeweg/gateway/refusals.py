"""Why a record was not accepted: the stable codes of receiving, with what they mean.

One table for the quarantine's page, the sender's timeline and docs/refusals.md, which
`meldeweg.cli.refusals` makes; tests hold it to the code: whatever a step can raise stands in it,
and nothing else.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Refusal:
    """A code as people read it: German first."""

    code: str
    german: str
    english: str


UNKNOWN = Refusal(
    "unknown",
    "Diesen Grund kennt diese Fassung der Software nicht.",
    "This version of the software does not know this reason.",
)


@cache
def catalogue() -> Mapping[str, Mapping[str, Refusal]]:
    """Return group → code → meaning, in the order of the steps."""
    text = resources.files(__package__).joinpath("refusals.toml").read_text(encoding="utf-8")
    return {
        group: {code: Refusal(code, *words) for code, words in entries.items()}
        for group, entries in tomllib.loads(text).items()
    }


def explained(code: str) -> Refusal:
    """Return the meaning of a code; a partner's newer software may know more of them."""
    for entries in catalogue().values():
        if code in entries:
            return entries[code]
    return UNKNOWN


_HEAD = """# Why a record was not accepted

The codes of receiving, in the order of its steps ([specification](spec/message.md), § 9). They show
in the quarantine (`GET /v1/quarantine`), in events, and, where the sender is told, in the `refused`
receipt. A code is stable. *Early* ones are parked first: 15 minutes if the message is `immediate`,
else a day; a suspended sender's until it is resumed or revoked.
"""
_TITLES = {
    "parse": "1 Parse strictly",
    "signature": "2 Signature",
    "place": "3 Place and headers",
    "value": "4 Value",
    "standing": "The sender's standing",
    "term": "5 Term",
    "unique": "6 Unique",
    "open": "7 Open",
    "commitment": "8 Record",
    "agreement": "9 Agreement",
    "schema": "10 Content",
    "receipts": "Receipts",
    "gateway": "The gateway itself",
    "persons": "By a person",
}
_EARLY = frozenset(
    {"agency-unknown", "signer-unknown", "key-not-yet-valid", "sender-suspended"}
    | {"oversight-contradicts", "agreement-unknown", "agreement-unsigned", "original-unknown"}
    | {"readers-contradict", "schema-unknown"}
)


def document() -> str:
    """Return the part of docs/refusals.md about records."""
    lines = [_HEAD]
    for group, entries in catalogue().items():
        lines.append(
            f"\n## {_TITLES[group]}\n\n| code | | Bedeutung | meaning |\n|---|---|---|---|\n"
        )
        for code, entry in entries.items():
            early = "early" if code in _EARLY else ""
            lines.append(f"| `{code}` | {early} | {entry.german} | {entry.english} |\n")
    return "".join(lines)


BY_PERSONS = frozenset(catalogue()["persons"])
"""The codes with which a person may refuse a message."""
