"""The cooperation agreement as data: clauses, parties, standing, district files, German text."""

from meldeweg.kernel.agreement.clause import (
    RANK,
    Clause,
    Deadline,
    Deadlines,
    Direction,
    Lead,
    Obligation,
)
from meldeweg.kernel.agreement.district import DistrictConfig, build, districts, load_district
from meldeweg.kernel.agreement.document import (
    Agreement,
    Calendar,
    Contact,
    Party,
    Term,
    digest,
    parse,
)
from meldeweg.kernel.agreement.german import deadline_in_german, render_german
from meldeweg.kernel.agreement.standing import (
    BERLIN,
    AgreementStatus,
    Known,
    Standing,
    standing,
    status,
)

__all__ = [
    "BERLIN",
    "RANK",
    "Agreement",
    "AgreementStatus",
    "Calendar",
    "Clause",
    "Contact",
    "Deadline",
    "Deadlines",
    "Direction",
    "DistrictConfig",
    "Known",
    "Lead",
    "Obligation",
    "Party",
    "Standing",
    "Term",
    "build",
    "deadline_in_german",
    "digest",
    "districts",
    "load_district",
    "parse",
    "render_german",
    "standing",
    "status",
]
