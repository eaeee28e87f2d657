"""What the APIs for operators have in common: one bearer token, a bounded body, problem+json.

Guarantees: every answer that is not a success is problem+json with a stable code, whoever raised
it (the application, FastAPI, Starlette); nothing of the request is in it but declared names of
parameters; the token is compared in constant time.
"""

import hmac
import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Annotated, Any, TypeVar

from fastapi import FastAPI, Header, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from meldeweg.kernel import strictjson
from meldeweg.kernel.errors import Early, MeldewegError, Refused, Unavailable
from meldeweg.kernel.model import Frozen
from meldeweg.kernel.service import problem
from meldeweg.kernel.service.problem import MEDIA_TYPE, Problem

F = TypeVar("F", bound=Frozen)
_RETRY_AFTER = "5"  # seconds
_MALFORMED = "body-malformed"
_BODY_MAX = 512 * 1024  # bytes; the largest that is handed in is an agreement

TOKEN_REFUSED = Problem(
    "token-refused",
    401,
    "Zugangszeichen fehlt oder gilt nicht",
    "Diese Adresse verlangt das Zugangszeichen des Betriebs (Authorization: Bearer …).",
    "Nehmen Sie das Zeichen aus der Datei, die die Einstellung operator_token nennt.",
    "Token missing or not valid",
    "This address needs the operators' token (Authorization: Bearer …).",
    "Take it from the file that the setting operator_token names.",
)
PARAMETER_MALFORMED = Problem(
    "parameter-malformed",
    400,
    "Eine Angabe der Anfrage ist ungültig",
    "Ein Parameter fehlt oder hat einen Wert, den es hier nicht gibt.",
    "Vergleichen Sie ihn mit /openapi.json; welcher es ist, steht unter parameters.",
    "A parameter of the request is not valid",
    "A parameter is missing or has a value that does not exist here.",
    "Compare it with /openapi.json; `parameters` says which it is.",
)
BODY_TOO_LARGE = Problem(
    "body-too-large",
    413,
    "Die Anfrage ist zu groß",
    "Der Rumpf darf höchstens 512 KiB haben; es wurde nichts verarbeitet.",
    "Reichen Sie jedes signierte Objekt für sich ein.",
    "The request is too large",
    "The body may have at most 512 KiB; nothing was processed.",
    "Hand in each signed object by itself.",
)
_OWN = {each.code: each for each in (TOKEN_REFUSED, PARAMETER_MALFORMED, BODY_TOO_LARGE)}


class Operator:
    """A dependency that lets nobody through but who has the operators' token."""

    def __init__(self, token: str) -> None:
        self._expected = sha256(f"Bearer {token}".encode()).digest()

    def __call__(self, authorization: Annotated[str, Header()] = "") -> None:
        given = sha256(authorization.encode("utf-8", "surrogateescape")).digest()
        if not hmac.compare_digest(given, self._expected):
            raise Refused("token-refused", "the operators' token is needed")


class Malformed(Refused):
    """A parameter has a value that does not exist. `name`: a declared one."""

    def __init__(self, name: str) -> None:
        super().__init__("parameter-malformed", name)


async def body(request: Request) -> bytes:
    """Return the body, or `Refused("body-too-large")` as soon as it is one."""
    found = bytearray()
    async for chunk in request.stream():
        found += chunk
        if len(found) > _BODY_MAX:
            raise Refused("body-too-large", f"more than {_BODY_MAX} bytes")
    return bytes(found)


async def document(request: Request, kind: type[F]) -> F:
    """Return the body as one of `kind`. Raises `Refused`: `body-too-large`, `body-malformed`.

    What two readers could understand differently is malformed too: whoever looked at an order on
    its way must have seen the one that is carried out (a name that stands there twice).
    """
    return order_of(await body(request), kind)


def order_of(data: bytes, kind: type[F]) -> F:
    """Read what `document` was sent; `Refused("body-malformed")`."""
    strictjson.loads(data, code=_MALFORMED)
    return kind.read(data, _MALFORMED)


def answer_problems(app: FastAPI, status: Mapping[str, int] | None = None) -> None:
    """Make every failure of `app` problem+json. `status`: code → HTTP status where not 400."""
    own = dict(status or {})

    async def outcome(request: Request, exc: Exception) -> Response:
        assert isinstance(exc, MeldewegError)
        return _outcome(exc, own)

    app.add_exception_handler(MeldewegError, outcome)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _parameters)
    app.add_exception_handler(Exception, _internal)


def _outcome(exc: MeldewegError, own: Mapping[str, int]) -> Response:
    if isinstance(exc, Malformed):
        return _answer(PARAMETER_MALFORMED, parameters=[exc.detail])
    if exc.code in _OWN:
        return _answer(_OWN[exc.code])
    match exc:
        case Refused():
            return _coded(exc, own.get(exc.code, 409 if isinstance(exc, Early) else 400))
        case Unavailable():
            return _coded(exc, 503)
        case _:
            return _answer(problem.INTERNAL)


async def _http(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, HTTPException)
    known = {404: problem.NOT_FOUND, 405: problem.METHOD_NOT_ALLOWED}
    answer = _answer(known.get(exc.status_code, problem.REQUEST_MALFORMED))
    answer.headers.update(exc.headers or {})  # Allow
    return answer


async def _parameters(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, RequestValidationError)
    names = {str(error["loc"][1]) for error in exc.errors() if len(error["loc"]) > 1}
    return _answer(PARAMETER_MALFORMED, parameters=sorted(names))


async def _internal(request: Request, exc: Exception) -> Response:
    return _answer(problem.INTERNAL)


def _answer(found: Problem, **members: Any) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if found.status == 401 else None
    return Response(
        problem.body(found, **members),
        status_code=found.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def _coded(exc: MeldewegError, status: int) -> Response:
    """Answer a code of the flows; its detail is free of content by contract (`errors`)."""
    document = {
        "type": f"/problems/{exc.code}",
        "title": exc.code,
        "status": status,
        "code": exc.code,
        "detail": exc.detail or None,
    }
    kept = {name: value for name, value in document.items() if value is not None}
    return Response(
        json.dumps(kept, ensure_ascii=False),
        status_code=status,
        headers={"Retry-After": _RETRY_AFTER} if status == 503 else None,
        media_type=MEDIA_TYPE,
    )
