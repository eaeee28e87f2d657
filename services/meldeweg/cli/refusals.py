"""What every code means that a person or a program can get, from all catalogues; docs/refusals.md.

Guarantees: a code that a test does not name as one that stays inside a service is in a catalogue
(tests/check/test_words.py). The page is made by `python -m meldeweg.cli.refusals`.
"""

import sys
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources

from meldeweg.gateway import refusals as receiving
from meldeweg.gateway.refusals import UNKNOWN, Refusal

_HEAD = """# What each code means

A code is stable; the words beside it may change. Made by
`python -m meldeweg.cli.refusals > docs/refusals.md`.

"""
_API = """
# What a gateway's API answers

`code` of problem+json; the gateway shows each with what to do at `/problems/<code>`. With `refused`
and `unavailable`, `reason` says why.

| code | status | Bedeutung | meaning |
|---|---|---|---|
"""
_OTHERS = """
# What the command line, the registry and the audit say

`error` of `meldeweg … --json`, and `code` of problem+json of the registry's and the audit's API; a
finding of `meldeweg audit verify` may carry one too. What stops or delays a service by itself
stands in its log.
"""
_TITLES = {
    "called": "What was asked for, and what the answer needs",
    "settings": "Settings and districts",
    "files": "Files that were named",
    "store": "A gateway's store and its tokens",
    "answers": "Who did not answer, or said no",
    "asked": "The request",
    "trust": "What the registry takes",
    "broker": "The broker",
    "audit": "What the audit service answers",
    "log": "A log that does not verify",
    "evidence": "What `meldeweg audit open` does not show, and why",
    "envelope": "Sealing and opening",
    "local": "`meldeweg local` and `meldeweg demo`",
}


@cache
def catalogue() -> Mapping[str, Mapping[str, Refusal]]:
    """Return group → code → meaning of what stands in `words.toml`."""
    text = resources.files(__package__).joinpath("words.toml").read_text(encoding="utf-8")
    return {
        group: {code: Refusal(code, *words) for code, words in entries.items()}
        for group, entries in tomllib.loads(text).items()
    }


def german(code: str) -> str:
    """Return what a code of the command line's means, or "" if no catalogue has it."""
    for entries in catalogue().values():
        if code in entries:
            return entries[code].german
    known = receiving.explained(code)
    if known is not UNKNOWN:
        return known.german
    from meldeweg.gateway.api import problems  # noqa: PLC0415 - the last resort loads the web's

    found = problems.catalogue().get(code)
    return f"{found.title}." if found else ""


def document() -> str:
    """Return docs/refusals.md."""
    from meldeweg.gateway.api import problems  # noqa: PLC0415 - see above

    lines = [_HEAD, receiving.document(), _API]
    for code, found in problems.catalogue().items():
        lines.append(f"| `{code}` | {found.status} | {found.title}. | {found.title_en}. |\n")
    lines.append(_OTHERS)
    for group, entries in catalogue().items():
        lines.append(f"\n## {_TITLES[group]}\n\n| code | Bedeutung | meaning |\n|---|---|---|\n")
        lines += [f"| `{code}` | {one.german} | {one.english} |\n" for code, one in entries.items()]
    return "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(document())
