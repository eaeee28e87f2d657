"""Records that are wrong on purpose, and what becomes of each: the table of docs/poison.md.

Written out by `PYTHONPATH=services:tests python -m unit.gateway.forgeries > docs/poison.md`.
"""

import sys

from meldeweg.gateway.refusals import explained
from unit.gateway import forged_outside, forged_within
from unit.gateway.forging import FORGERIES, End

PARTS = (forged_outside, forged_within)  # their import fills the table, in this order

HEAD = """# Records that are wrong on purpose

What becomes of each, at the gateway that receives it. Every record of this page is as right as its
forger could make it: only what the first column says is wrong. A test makes each of them, puts it
between two good ones and looks: `tests/unit/gateway/test_forgeries.py`; the same test holds this
page to what it saw, and `tests/e2e/test_forged.py` writes some of them to a real broker with a
gateway's own certificate. What the codes mean: [refusals](refusals.md).

*The sender is told* (a `refused` receipt) only where the record is surely his own. *Parked*: what
may only be early waits sealed, 15 minutes if it is `immediate`, else a day. In each case the good
records around it arrive, the topics' offsets move on, and no byte of a content is in a log. The
record is a leaf of the audit log like every other, which the test on the broker shows of those that
it writes.

The two good ones are messages of the police to the district's office, or receipts the other way
where the wrong one is a receipt. For these records no such message is good any more, so that the
good ones are others:

"""


def _others() -> str:
    """Say beside which records stand others than those of the same way, and which."""
    return "".join(f"- {each.what}: {each.beside}\n" for each in FORGERIES.values() if each.beside)


def document() -> str:
    """Return docs/poison.md."""
    lines = [
        HEAD,
        _others(),
        "\n| the record | code | Bedeutung | what becomes of it |\n|---|---|---|---|\n",
    ]
    for each in FORGERIES.values():
        code, german = ("", "")
        if each.end is not End.AGAIN:
            code, german = f"`{each.code}`", explained(each.code).german
        lines.append(f"| {each.what} | {code} | {german} | {each.end} |\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(document())
