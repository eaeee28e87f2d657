"""What can go wrong, as exceptions. Their text never holds content of a message.

`GatewayError`
├── `Unreachable`         no connection, or it broke; with a key, sending again is safe
├── `UnexpectedAnswer`    what answered is not a Meldeweg gateway, or a broken one
└── `Problem`             the gateway said no (RFC 9457); see `code`, and the page at `type`
    ├── `Unauthorized`    401: the token
    ├── `Forbidden`       403: its scope
    │   └── `NotCovered`  403: no clause of the agreement covers it: see `rule` and `call`
    ├── `NotFound`        404, 410
    ├── `Conflict`        409: not possible in this state
    ├── `NotAvailable`    503: nothing was kept; try again later, with the same key
    └── `Invalid`         every other 4xx: the request must change; see `errors`
"""

from collections.abc import Mapping
from typing import Any

from meldeweg.client.types import Call

_MEMBERS = (
    "type", "title", "status", "detail", "errors", "rule", "rule_text", "reason", "scope",
    "responsible", "call",
)  # fmt: skip


class GatewayError(Exception):
    """Base of everything that this package raises on purpose."""


class Unreachable(GatewayError):
    """There was no answer. Whether the request was processed is unknown."""


class UnexpectedAnswer(GatewayError):
    """The answer could not be understood."""


class Problem(GatewayError):
    """The gateway refused. `title` and `detail` are German, for the person at work.

    `members`: what the problem document says, as it is, for programs.
    """

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(document.get("code", "unknown"))
        self.title = str(document.get("title", ""))
        self.detail = str(document.get("detail", ""))
        self.type = str(document.get("type", ""))
        self.errors = tuple(
            (str(error.get("pointer", "")), str(error.get("code", "")))
            for error in document.get("errors", ())
        )
        self.rule: str | None = document.get("rule")
        self.rule_text: str | None = document.get("rule_text")
        self.reason: str | None = document.get("reason")
        self.scope: str | None = document.get("scope")
        self.responsible: str | None = document.get("responsible")
        self.members = {name: document[name] for name in _MEMBERS if name in document}
        call = document.get("call")
        self.call = (
            Call(call.get("agency"), call["office"], call.get("phone"), call.get("note"))
            if isinstance(call, Mapping)
            else None
        )
        super().__init__(f"{self.code} ({status}): {self.title}")


class Unauthorized(Problem):
    """The token is missing, unknown or revoked."""


class Forbidden(Problem):
    """Not allowed."""


class NotCovered(Forbidden):
    """The agreement does not cover it. `rule` and `rule_text` say why, `call` whom to phone."""


class NotFound(Problem):
    """There is no such thing, or not any more."""


class Conflict(Problem):
    """Not possible in this state."""


class NotAvailable(Problem):
    """Not now. Nothing was kept."""


class Invalid(Problem):
    """The request itself is wrong. `errors`: (JSON pointer, rule), never values."""


_BY_STATUS: dict[int, type[Problem]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: NotFound,
    503: NotAvailable,
}


def of(status: int, document: Mapping[str, Any]) -> Problem:
    """Return the exception for a problem document."""
    if document.get("code") == "not-covered":
        return NotCovered(status, document)
    other = Invalid if 400 <= status < 500 else Problem
    return _BY_STATUS.get(status, other)(status, document)
