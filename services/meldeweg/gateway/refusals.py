"""Why a record was not accepted: the stable codes of receiving, with what they mean.

One table for the quarantine's page, the sender's timeline and docs/refusals.md; a test holds it to
the code: whatever a step can raise stands in it.
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


BY_PERSONS = frozenset(catalogue()["persons"])
"""The codes with which a person may refuse a message."""
