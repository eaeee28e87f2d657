"""How the API describes itself: what each route takes by hand and which problems it can answer.

Guarantees: `PROBLEMS` is the list that the tests go through, one by one; the OpenAPI document is
made of it. Pure.
"""

from http import HTTPStatus
from itertools import groupby
from typing import Any

from meldeweg.gateway.api.arrived import ReceiptAnswer
from meldeweg.gateway.api.problems import catalogue
from meldeweg.gateway.api.routes import OPEN, ROUTES
from meldeweg.gateway.api.shapes import Preview
from meldeweg.kernel.service.problem import MEDIA_TYPE

SEND = "POST /v1/messages"
OPENING = "GET /v1/inbox/{id}"
RECEIPT = "POST /v1/inbox/{id}/receipts"

# What the guard and the life of the service can answer to any route that needs a token.
_ANY = (
    "token-missing",
    "token-invalid",
    "scope-missing",
    "parameter-invalid",
    "parameter-unknown",
    "body-too-large",
    "unavailable",
    "starting",
    "draining",
    "overloaded",
    "internal",
)
_BODY = ("json-malformed", "content-type-unsupported", "request-too-slow", "schema-violated")

PROBLEMS: dict[str, tuple[str, ...]] = {
    "GET /problems/{code}": ("not-found",),
    SEND: (
        *_BODY,
        "idempotency-key-missing",
        "idempotency-key-malformed",
        "idempotency-key-reused",
        "type-unknown",
        "type-unread",
        "agency-unknown",
        "agency-revoked",
        "sender-revoked",
        "recipient-is-sender",
        "place-unknown",
        "place-ambiguous",
        "responsibility-contradicts",
        "not-covered",
        "in-reply-to-unknown",
        "refused",
        "store-full",
        "store-busy",
        "outbox-full",
        "no-key",
        "no-signing-key",
        "register-contradicts",
    ),
    "GET /v1/messages": ("cursor-malformed",),
    "GET /v1/messages/{id}": ("message-unknown",),
    "GET /v1/inbox": ("cursor-malformed",),
    OPENING: (
        "acting-person-missing",
        "acting-person-malformed",
        "message-unknown",
        "message-ambiguous",
        "message-erased",
        "message-unopenable",
        "store-full",
        "store-busy",
        "no-signing-key",
    ),
    RECEIPT: (
        *_BODY,
        "message-unknown",
        "message-ambiguous",
        "message-erased",
        "not-opened",
        "receipt-out-of-order",
        "receipt-not-allowed",
        "receipt-incomplete",
        "agency-unknown",
        "sender-revoked",
        "refused",
        "store-full",
        "store-busy",
        "no-key",
        "no-signing-key",
    ),
    "GET /v1/agencies": (),
    "GET /v1/contacts": (),
    "GET /v1/municipalities": (),
    "GET /v1/permissions": (),
    "GET /v1/quarantine": ("cursor-malformed",),
    "GET /v1/quarantine/{id}": ("quarantine-unknown",),
}

_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "required unless `dry_run`: 8 to 128 visible ASCII characters, one per message, "
    "kept by the sender before it sends; remembered for seven days",
    "schema": {"type": "string", "minLength": 8, "maxLength": 128, "pattern": "^[!-~]*$"},
}
_PERSON = {
    "name": "Acting-Person",
    "in": "header",
    "required": True,
    "description": "who looks: name or service number, UTF-8",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200},
}
_LOCATION = {"Location": {"description": "the sent message", "schema": {"type": "string"}}}
_EXTRAS: dict[str, dict[str, Any]] = {
    SEND: {"parameters": [_KEY], "requestBody": "MessageOrder"},
    RECEIPT: {"requestBody": "ReceiptOrder"},
}
_SUCCESSES: dict[str, dict[int | str, dict[str, Any]]] = {
    SEND: {
        200: {"model": Preview, "description": "`dry_run`: what would happen; nothing was kept"},
        201: {"description": "accepted and durable", "headers": _LOCATION},
    },
    RECEIPT: {
        200: {"model": ReceiptAnswer, "description": "this receipt was given before"},
        201: {"description": "the receipt is durable and will be sent"},
    },
}


def codes(name: str) -> tuple[str, ...]:
    """Return every code that the route can answer."""
    needs_token = next(route for route in ROUTES if route.name == name).scopes != OPEN
    return (*PROBLEMS.get(name, ()), *(_ANY if needs_token else ()))


def problems(name: str) -> dict[int | str, dict[str, Any]]:
    """Return the `responses` of a route for its problems, grouped by status."""

    def status(code: str) -> int:
        return catalogue()[code].status

    grouped = groupby(sorted(codes(name), key=lambda code: (status(code), code)), key=status)
    return {number: _response(number, tuple(group)) for number, group in grouped}


def _response(status: int, members: tuple[str, ...]) -> dict[str, Any]:
    listed = "\n".join(f"- `{code}`: {catalogue()[code].title_en}" for code in members)
    return {
        "description": f"{HTTPStatus(status).phrase}\n\n{listed}",
        "content": {MEDIA_TYPE: {"schema": ref("ProblemDocument")}},
    }


def accepting(name: str) -> dict[str, Any]:
    """Return the keywords of a route whose raw body the route reads itself."""
    extra = dict(_EXTRAS[name])
    body = {"application/json": {"schema": ref(extra["requestBody"])}}
    extra["requestBody"] = {"required": True, "content": body}
    return {"responses": _SUCCESSES[name] | problems(name), "openapi_extra": extra}


def opening() -> dict[str, Any]:
    """Return the keywords of the route that opens a message."""
    return {"responses": problems(OPENING), "openapi_extra": {"parameters": [_PERSON]}}


def ref(schema: str) -> dict[str, str]:
    """Return a reference to a schema of the document's components."""
    return {"$ref": f"#/components/schemas/{schema}"}
