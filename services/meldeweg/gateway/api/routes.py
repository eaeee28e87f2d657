"""Every address of the API with what it needs: the one table that the guard goes by.

Guarantees: what is not in here cannot be reached (`guard` answers 404 before the application sees
it), so that no route can be forgotten when it comes to scopes, parameters or sizes. Pure.
"""

import re
from dataclasses import dataclass
from functools import cached_property

from meldeweg.gateway.api.ports import Scope

MESSAGE_MAX = 1024 * 1024  # bytes of a request body (ARCHITECTURE, defaults)
RECEIPT_MAX = 16 * 1024

SEND = frozenset({Scope.SEND})
READ = frozenset({Scope.READ})
ACT = frozenset({Scope.ACT})
ADMIN = frozenset({Scope.ADMIN})
ANY = frozenset(Scope)  # whoever has a token may look things up
OPEN: frozenset[Scope] = frozenset()  # without a token; nothing there says anything of a message


@dataclass(frozen=True)
class Route:
    """One method of one address. `scopes`: any one of them suffices; empty means no token."""

    method: str
    path: str
    scopes: frozenset[Scope]
    query: frozenset[str] = frozenset()
    body_max: int = 0  # bytes; 0: takes no body

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(re.sub(r"\\\{[a-z]+\\\}", "[^/]+", re.escape(self.path)))


_PAGE = frozenset({"after", "limit"})

ROUTES = (
    Route("POST", "/v1/messages", SEND, frozenset({"dry_run"}), MESSAGE_MAX),
    Route("GET", "/v1/messages", READ, _PAGE | {"state"}),
    Route("GET", "/v1/messages/{id}", READ),
    Route("GET", "/v1/inbox", READ, _PAGE),
    Route("GET", "/v1/inbox/{id}", READ, frozenset({"sender"})),
    Route("POST", "/v1/inbox/{id}/receipts", ACT, frozenset({"sender"}), RECEIPT_MAX),
    Route("GET", "/v1/agencies", ANY),
    Route("GET", "/v1/contacts", ANY),
    Route("GET", "/v1/municipalities", ANY, frozenset({"q", "limit"})),
    Route("GET", "/v1/permissions", ANY),
    Route("GET", "/v1/quarantine", ADMIN, _PAGE),
    Route("GET", "/v1/quarantine/{id}", ADMIN),
    Route("GET", "/problems", OPEN),
    Route("GET", "/problems/{code}", OPEN),
    Route("GET", "/openapi.json", OPEN),
    Route("GET", "/docs", OPEN),
    Route("GET", "/healthz", OPEN),
    Route("GET", "/readyz", OPEN),
    Route("GET", "/metrics", OPEN),
    Route("GET", "/version", OPEN),
)

_EXACT = {(route.method, route.path): route for route in ROUTES if "{" not in route.path}
_PATTERNS = tuple(route for route in ROUTES if "{" in route.path)


def find(method: str, path: str) -> Route | None:
    """Return the route of a request, or None."""
    if exact := _EXACT.get((method, path)):
        return exact
    for route in _PATTERNS:
        if route.method == method and route.pattern.fullmatch(path):
            return route
    return None


def allowed(path: str) -> tuple[str, ...]:
    """Return the methods that an address has; none: there is no such address."""
    return tuple(
        sorted({route.method for route in ROUTES if route.pattern.fullmatch(path)}),
    )
