"""Where a year's log ended, and whether the next one goes on from there.

Guarantees: nothing of a log is carried over into the next one's verification unless leaf 0 of the
next commits to its last checkpoint. Pure. Trusts: that the log that ended was walked to its end;
what was wrong in it is in its own report.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from meldeweg.audit.numbering import Numbering
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.leaf import NO_STATEMENT, Leaf


def digest_of(checkpoint: str) -> bytes:
    """Return what a genesis commits to of a checkpoint's text (docs/spec/audit-log.md, § 2)."""
    return sha256(checkpoint.encode()).digest()


@dataclass(frozen=True, slots=True)
class Ended:
    """A log that was read to its end.

    `following`: topic id -> the offset that comes next; `topics`: their names by id; `complete`:
    no log went before it that is not known here, so a topic that is new begins at 0.
    """

    year: int
    size: int
    checkpoint: str
    following: Mapping[bytes, int]
    topics: Mapping[bytes, str]
    numbering: Numbering
    complete: bool

    def continued_by(self, genesis: Leaf) -> None:
        """Step 9. Refuses `genesis-commits-to-another`, `year-not-before`."""
        if genesis.statement != digest_of(self.checkpoint):
            other = "none" if genesis.statement == NO_STATEMENT else genesis.statement.hex()
            raise Refused(
                "genesis-commits-to-another",
                f"{other}, where the log before ends at {self.size} entries with "
                f"{digest_of(self.checkpoint).hex()}",
            )
        if genesis.offset != self.year + 1:
            raise Refused("year-not-before", f"{self.year} before {genesis.offset}")
