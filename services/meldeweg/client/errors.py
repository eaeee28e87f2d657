"""What can go wrong, as exceptions with a `code`. Their text never holds content of a message.

Whatever answered, and however broken, ends in one of them. Trusts nothing of an answer: what has
not the form that the API promises counts as if it were not there.

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

import re
from collections.abc import Mapping
from typing import Any

from meldeweg.client.types import Call

_CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_CODE_MAX = 60  # characters, as docs/spec/message.md has it

_MEMBERS = (
    "type", "title", "status", "detail", "errors", "rule", "rule_text", "reason", "scope",
    "responsible", "call",
)  # fmt: skip


class GatewayError(Exception):
    """Base of everything that this package raises on purpose. `code` is stable, for programs."""

    code = "gateway-error"


class Unreachable(GatewayError):
    """There was no answer. Whether the request was processed is unknown."""

    code = "unreachable"


class UnexpectedAnswer(GatewayError):
    """The answer could not be understood."""

    code = "unexpected-answer"


class Problem(GatewayError):
    """The gateway refused. `title` and `detail` are German, for the person at work.

    `code`: the gateway's, or `unknown` for one that can be none. `members`: what the problem
    document says, as it is, for programs.
    """

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        self.code = _code(document.get("code"))
        self.title = _text(document, "title") or ""
        self.detail = _text(document, "detail") or ""
        self.type = _text(document, "type") or ""
        self.errors = _pointers(document.get("errors"))
        self.rule = _text(document, "rule")
        self.rule_text = _text(document, "rule_text")
        self.reason = _text(document, "reason")
        self.scope = _text(document, "scope")
        self.responsible = _text(document, "responsible")
        self.members = {name: document[name] for name in _MEMBERS if name in document}
        self.call = _call(document.get("call"))
        super().__init__(f"{self.code} ({status}): {self.title}")


def _code(said: Any) -> str:
    fits = isinstance(said, str) and len(said) <= _CODE_MAX and _CODE.fullmatch(said)
    return said if fits else "unknown"


def _text(document: Mapping[str, Any], name: str) -> str | None:
    said = document.get(name)
    return said if isinstance(said, str) else None


def _pointers(said: Any) -> tuple[tuple[str, str], ...]:
    found = said if isinstance(said, list) else ()
    return tuple(
        (_text(error, "pointer") or "", _text(error, "code") or "")
        for error in found
        if isinstance(error, Mapping)
    )


def _call(said: Any) -> Call | None:
    """Return whom to phone; nobody where the document names no office."""
    office = _text(said, "office") if isinstance(said, Mapping) else None
    if office is None:
        return None
    return Call(_text(said, "agency"), office, _text(said, "phone"), _text(said, "note"))


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
