"""What every request passes before the application sees it.

1 the address is in the table, 2 the token counts and has the scope, 3 no unknown parameter,
4 the body is JSON by its media type and not too large by its own account. Then the application;
whatever it answers gets the headers that keep browsers and caches from doing anything with it.

Guarantees: nothing of a body is read before these hold. Trusts: nothing of the request.
"""

from urllib.parse import parse_qsl

from fastapi import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meldeweg.gateway.api import problems
from meldeweg.gateway.api.auth import TokenBook, bearer
from meldeweg.gateway.api.routes import Route, allowed, find
from meldeweg.kernel import logs
from meldeweg.kernel.errors import MeldewegError
from meldeweg.kernel.metrics import counter

_HEADERS = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'",
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
}
_PARAMETERS_MAX = 8
log = logs.get()
_answers = counter("api_requests", "Requests that the API answered", "kind", "code")


class Guard:
    """ASGI middleware; one instance per application."""

    def __init__(self, app: ASGIApp, book: TokenBook) -> None:
        self._app, self._book = app, book

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        route = find(scope["method"], scope["path"])
        headed = _Headed(send, route.name if route else "other")
        refusal = await self._refusal(scope, route)
        if refusal is not None:
            await refusal(scope, receive, headed)
            return
        try:
            await self._app(scope, receive, headed)
        except Exception:
            # The last resort: what no handler expected must neither reach the client in its own
            # words nor end the connection without an answer. It is logged by type and place.
            log.exception("request_failed")
            if headed.started:
                raise
            await problems.answer("internal")(scope, receive, headed)

    async def _refusal(self, scope: Scope, route: Route | None) -> Response | None:
        """Return the answer for what does not pass, or None."""
        if route is None:
            return _nowhere(scope["path"])
        return (
            await self._stranger(scope, route)
            or _strange_query(scope, route)
            or _body(scope, route)
        )

    async def _stranger(self, scope: Scope, route: Route) -> Response | None:
        if not route.scopes:
            return None
        secret = bearer(fields(scope, b"authorization"))
        if secret is None:
            return problems.answer("token-missing")
        try:
            token = await self._book.find(secret)
        except MeldewegError as exc:
            return problems.of_outcome(exc)
        if token is None:
            return problems.answer("token-invalid")
        if not token.scopes & route.scopes:
            return problems.answer("scope-missing", scope=" ".join(sorted(route.scopes)))
        return None


def fields(scope: Scope, name: bytes) -> list[bytes]:
    """Return the values of all header fields of a name (lower case)."""
    return [value for key, value in scope["headers"] if key == name]


def _nowhere(path: str) -> Response:
    methods = allowed(path)
    if not methods:
        return problems.answer("not-found")
    response = problems.answer("method-not-allowed")
    response.headers["Allow"] = ", ".join(methods)
    return response


def _strange_query(scope: Scope, route: Route) -> Response | None:
    if not scope["query_string"]:
        return None
    try:
        pairs = parse_qsl(
            scope["query_string"].decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=_PARAMETERS_MAX,
        )
    except ValueError:  # also UnicodeDecodeError
        return problems.answer("parameter-invalid")
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names) or not route.query.issuperset(names):
        return problems.answer("parameter-unknown")
    return None


def _body(scope: Scope, route: Route) -> Response | None:
    sizes = fields(scope, b"content-length")
    if any(not size.isdigit() or len(size) > 12 or int(size) > route.body_max for size in sizes):
        return problems.answer("body-too-large")
    if not route.body_max:
        chunked = fields(scope, b"transfer-encoding")
        return problems.answer("body-too-large") if chunked else None
    encodings = fields(scope, b"content-encoding")
    if encodings not in ([], [b"identity"]) or not _is_json(fields(scope, b"content-type")):
        return problems.answer("content-type-unsupported")
    return None


def _is_json(types: list[bytes]) -> bool:
    if len(types) != 1:
        return False
    media, *parameters = (part.strip().lower() for part in types[0].split(b";"))
    return media == b"application/json" and all(
        parameter.replace(b'"', b"") in (b"", b"charset=utf-8") for parameter in parameters
    )


class _Headed:
    """`send` that adds the headers and counts the answer."""

    def __init__(self, send: Send, kind: str) -> None:
        self._send, self._kind = send, kind
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            _answers.labels(self._kind, str(message["status"])).inc()
            headers = list(message.get("headers", ()))
            there = {name.lower() for name, _ in headers}
            headers += [pair for pair in _HEADERS.items() if pair[0] not in there]
            message = {**message, "headers": headers}
        await self._send(message)
