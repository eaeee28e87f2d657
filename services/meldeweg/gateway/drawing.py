"""docs/states.md, drawn from the tables of `states`: `python -m meldeweg.gateway.drawing`.

Guarantees: the drawing shows every move that changes a state and no other; the tables under it show
the moves that leave a state as it is. A test keeps the committed file in step.
"""

import sys
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from meldeweg.gateway import states

_HEAD = """# States of a message

Drawn from the two tables in `services/meldeweg/gateway/states.py` by
`python -m meldeweg.gateway.drawing > docs/states.md`. A move that is not here is refused.
"""
_SENT = """
## As its sender sees it

Sent (`GET /v1/messages/{id}`). `overdue` means: nobody took it in time, `call` says whom to phone.
It stays so until a person there acknowledges or refuses it; a late `delivered` does not end it.
"""
_RECEIVED = """
## At the recipient

Received (`GET /v1/inbox`). Only a named person who opened a message before can acknowledge it.
`expired` is the gateway's own move, at `delete_after`. `retracted` is the sender's: the deadline
ends, and the content stays readable until `delete_after` or `erased`, so that a person sees what
must not be used any more.
"""


def document() -> str:
    """Return the whole file."""
    return "".join(
        [
            _HEAD,
            _SENT,
            *_drawn("queued", states.SENT),
            _RECEIVED,
            *_drawn("received", states.RECEIVED),
        ]
    )


def _drawn(first: str, table: Mapping[Any, Mapping[Any, StrEnum]]) -> Iterator[str]:
    yield f"\n```mermaid\nstateDiagram-v2\n    [*] --> {first}\n"
    for state, moves in table.items():
        for move, after in moves.items():
            if after is not state:
                yield f"    {state} --> {after}: {move}\n"
        if all(after is state for after in moves.values()):
            yield f"    {state} --> [*]\n"
    yield "```\n\n| state | stays so on |\n|---|---|\n"
    for state, moves in table.items():
        kept = ", ".join(f"`{move}`" for move, after in moves.items() if after is state)
        yield f"| `{state}` | {kept or 'nothing'} |\n"


if __name__ == "__main__":
    sys.stdout.write(document())
