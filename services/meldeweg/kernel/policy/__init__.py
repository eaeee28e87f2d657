"""May this be sent, to whom, under which clause, until when: the law as one pure function.

Guarantees: `decide` permits only between two parties of an agreement that all parties signed, only
what a clause covers, and never against § 65 SGB VIII; it says by which rule it refuses and whom to
phone. Both gateways run it: the sender on what it is about to send, the recipient on what context
and record say, with `at` = the context's `created`, so that both come to the same answer.
Trusts: that the agreements were verified (`kernel.trust`); nothing of the transfer.

An *override* (a named person, with a reason, in an `immediate` message) passes the administrative
rules alone: the term ran out (and the run-off lasts), a § 22b label is missing. It never makes a
party of a stranger, an agreement of a draft, or a clause where none is.
An exercise obeys the same rules. It is an input for one of them alone: an exercise answers,
corrects and takes back exercises only, and only an exercise does so with them.
"""

from meldeweg.kernel.policy.covering import precedence
from meldeweg.kernel.policy.deciding import decide, permit_receipt
from meldeweg.kernel.policy.notcovered import (
    ADMINISTRATIVE,
    NotCovered,
    NotCoveredYet,
    Phone,
    Rule,
    phone,
)
from meldeweg.kernel.policy.responsibility import Responsibility, responsible
from meldeweg.kernel.policy.routing import may_tell, route
from meldeweg.kernel.policy.transfer import (
    AMENDMENTS,
    Original,
    Permit,
    Transfer,
    confirm,
    transfer_of,
)

__all__ = [
    "ADMINISTRATIVE",
    "AMENDMENTS",
    "NotCovered",
    "NotCoveredYet",
    "Original",
    "Permit",
    "Phone",
    "Responsibility",
    "Rule",
    "Transfer",
    "confirm",
    "decide",
    "may_tell",
    "permit_receipt",
    "phone",
    "precedence",
    "responsible",
    "route",
    "transfer_of",
]
