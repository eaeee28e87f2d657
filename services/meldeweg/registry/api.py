"""The registry over HTTP, for operators and ceremonies: hand in, look, pull the brake.

Guarantees: every call needs the operators' token; what is handed in is judged by its own
signatures, so the token opens no door to forgery, only to the desk. Errors carry no content.
"""

import hmac
from hashlib import sha256
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Header, Request
from fastapi.responses import JSONResponse
from pydantic import Field

from meldeweg.kernel.agreement import standing
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Early, MeldewegError, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.model import Frozen
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.kernel.trust.view import View
from meldeweg.registry.apply import Provisioner
from meldeweg.registry.provisioning import Difference
from meldeweg.registry.submit import Desk

_BODY_MAX = 512 * 1024  # bytes; the largest is an agreement


class Forbidden(Refused):
    """No token, or not the right one."""


class StatusChange(Frozen):
    """Body of `POST /v1/agencies/{agency}/status`."""

    status: AgencyStatus
    reason: Annotated[str, Field(min_length=1, max_length=500)]


def build(desk: Desk, view: View, provisioner: Provisioner, clock: Clock, token: str) -> FastAPI:
    """Return the application; `token`: the operators' bearer token."""
    app = FastAPI(title="Meldeweg registry", docs_url=None, redoc_url=None)
    expected = sha256(f"Bearer {token}".encode()).digest()

    def operator(authorization: Annotated[str, Header()] = "") -> None:
        given = sha256(authorization.encode("utf-8", "surrogateescape")).digest()
        if not hmac.compare_digest(given, expected):
            raise Forbidden("token-refused", "the operators' token is needed")

    # Not on the whole app: the endpoints of operation (`kernel.service.http`) are open.
    guarded = [Depends(operator)]
    app.add_exception_handler(MeldewegError, _problem)

    @app.post("/v1/records", status_code=201, dependencies=guarded)
    async def submit(request: Request) -> dict[str, str]:
        return {"digest": await desk.submit(await _body(request))}

    @app.post("/v1/agencies/{agency}/status", status_code=201, dependencies=guarded)
    async def set_status(agency: str, request: Request) -> dict[str, str]:
        change = StatusChange.read(await _body(request), "body-malformed")
        digest = await desk.set_status(AgencyId(agency), change.status, change.reason, clock.now())
        return {"digest": digest, "status": change.status}

    @app.get("/v1/agencies", dependencies=guarded)
    async def agencies() -> list[dict[str, Any]]:
        return [_agency(view, agency) for agency in sorted(view.agencies())]

    @app.get("/v1/agreements", dependencies=guarded)
    async def agreements() -> list[dict[str, Any]]:
        worth = {each.digest: each.status for each in standing(view.agreements(), clock.now())}
        return [
            {
                "agreement": known.digest,
                "title": known.document.title,
                "status": worth[known.digest],
                "signed_by": sorted(known.signed_by),
                "parties": [party.agency for party in known.document.parties],
            }
            for known in view.agreements()
        ]

    @app.get("/v1/plan", dependencies=guarded)
    async def plan() -> dict[str, list[str]]:
        return shown(await provisioner.plan())

    return app


def shown(difference: Difference) -> dict[str, list[str]]:
    """Write a difference for people: one line for each topic or right."""

    def right(acl: Any) -> str:
        star = "*" if acl.pattern == "prefix" else ""
        return f"{acl.principal} {acl.operation} {acl.resource} {acl.name}{star}"

    return {
        "create_topics": [topic.name for topic in difference.create_topics],
        "create_acls": [right(acl) for acl in difference.create_acls],
        "delete_acls": [right(acl) for acl in difference.delete_acls],
    }


def _agency(view: View, agency: AgencyId) -> dict[str, Any]:
    enrolment = view.agency(agency)
    return {
        "agency": agency,
        "name": enrolment.name,
        "kind": enrolment.kind,
        "municipalities": list(enrolment.municipalities),
        "principal": enrolment.principal,
        "identity": view.identity_kid(agency),
        "status": view.status(agency),
        "status_number": view.status_number(agency),
        "reads": dict(view.reads(agency)),
        "keys": [
            {
                "kid": certified.key.kid,
                "use": certified.certificate.use,
                "use_until": certified.certificate.use_until,
                "valid_until": certified.certificate.valid_until,
                "revoked": view.is_revoked(agency, certified.key.kid),
            }
            for certified in view.certified(agency)
        ],
    }


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_MAX:
            raise Refused("body-too-large", f"more than {_BODY_MAX} bytes")
    return bytes(body)


async def _problem(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, MeldewegError)
    match exc:
        case Forbidden():
            status = 401
        case Refused(code="body-too-large"):
            status = 413
        case Early() | Refused(code="agency-revoked"):
            status = 409
        case Unavailable():
            status = 503
        case _:
            status = 400
    body = {"type": f"/problems/{exc.code}", "title": exc.code, "status": status, "code": exc.code}
    if exc.detail:
        body["detail"] = exc.detail
    return JSONResponse(body, status_code=status, media_type="application/problem+json")
