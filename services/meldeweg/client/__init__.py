"""The SDK for an agency's own systems: HTTP to the agency's gateway, nothing else.

No Kafka, no cryptography, nothing else of Meldeweg: an integrator can read all of it.

    from meldeweg.client import Gateway

    with Gateway("https://gateway.intern", token) as gateway:
        gateway.send("notification", {"place": "05166008"}, content, acting_person="P-4711")
"""

from meldeweg.client.asynchronous import AsyncGateway
from meldeweg.client.errors import (
    Conflict,
    Forbidden,
    GatewayError,
    Invalid,
    NotAvailable,
    NotCovered,
    NotFound,
    Problem,
    Unauthorized,
    UnexpectedAnswer,
    Unreachable,
)
from meldeweg.client.gateway import Gateway
from meldeweg.client.types import (
    Accepted,
    Agency,
    Call,
    Contact,
    InboxItem,
    InboxPage,
    Linked,
    Municipality,
    Opened,
    Permission,
    Preview,
    QuarantinePage,
    QuarantineRecord,
    Receipt,
    SentMessage,
    SentPage,
    SentSummary,
    Step,
    Warn,
)

__all__ = [
    "Accepted",
    "Agency",
    "AsyncGateway",
    "Call",
    "Conflict",
    "Contact",
    "Forbidden",
    "Gateway",
    "GatewayError",
    "InboxItem",
    "InboxPage",
    "Invalid",
    "Linked",
    "Municipality",
    "NotAvailable",
    "NotCovered",
    "NotFound",
    "Opened",
    "Permission",
    "Preview",
    "Problem",
    "QuarantinePage",
    "QuarantineRecord",
    "Receipt",
    "SentMessage",
    "SentPage",
    "SentSummary",
    "Step",
    "Unauthorized",
    "UnexpectedAnswer",
    "Unreachable",
    "Warn",
]
