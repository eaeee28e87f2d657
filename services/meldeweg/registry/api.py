"""The registry over HTTP, for operators and ceremonies: hand in, look, pull the brake.

Guarantees: every call needs the operators' token; what is handed in is judged by its own
signatures, so the token opens no door to forgery, only to the desk. Errors carry no content.
"""

from base64 import b64encode
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from pydantic import Field

from meldeweg.kernel.agreement import standing
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.model import Frozen
from meldeweg.kernel.service.operators import Operator, answer_problems, body, document
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.kernel.trust.view import View
from meldeweg.registry.apply import Provisioner
from meldeweg.registry.provisioning import Difference
from meldeweg.registry.submit import Desk

_STATUS = {
    "agency-unknown": 404,
    "agency-revoked": 409,
    "record-superseded": 409,
    "status-superseded": 409,
}


class StatusChange(Frozen):
    """Body of `POST /v1/agencies/{agency}/status`."""

    status: AgencyStatus
    reason: Annotated[str, Field(min_length=1, max_length=500)]


def build(desk: Desk, view: View, provisioner: Provisioner, clock: Clock, token: str) -> FastAPI:
    """Return the application; `token`: the operators' bearer token."""
    app = FastAPI(title="Meldeweg registry", docs_url=None, redoc_url=None)
    # Not on the whole app: the endpoints of operation (`kernel.service.http`) are open.
    guarded = [Depends(Operator(token))]
    answer_problems(app, _STATUS)

    @app.post("/v1/records", status_code=201, dependencies=guarded)
    async def submit(request: Request) -> dict[str, str]:
        return {"digest": await desk.submit(await body(request))}

    @app.get("/v1/records", dependencies=guarded)
    async def records() -> list[dict[str, str]]:
        """Every record of trust, for whoever verifies the chain without a broker."""
        found = await desk.records()
        return [{"topic": topic, "value": b64encode(value).decode()} for topic, value in found]

    @app.post("/v1/agencies/{agency}/status", status_code=201, dependencies=guarded)
    async def set_status(agency: str, request: Request) -> dict[str, str]:
        change = await document(request, StatusChange)
        digest = await desk.set_status(_known(agency), change.status, change.reason, clock.now())
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


def _known(agency: str) -> AgencyId:
    """A name that no agency can have is one that is not enrolled."""
    try:
        return AgencyId(agency)
    except Refused as exc:
        raise Refused("agency-unknown", "not enrolled") from exc


def shown(difference: Difference) -> dict[str, list[str]]:
    """Write a difference for people: one line for each topic or right."""

    def right(acl: Any) -> str:
        star = "*" if acl.pattern == "prefix" else ""
        what = f"{acl.operation} {acl.resource} {acl.name}{star}"
        host = "" if acl.host == "*" else f" host {acl.host}"
        return f"{acl.principal}{host} {'deny ' if acl.denies else ''}{what}"

    return {
        "create_topics": [topic.name for topic in difference.create_topics],
        "create_acls": [right(acl) for acl in difference.create_acls],
        "delete_acls": [right(acl) for acl in difference.delete_acls],
        "alter_topics": [
            f"{topic.name} {key}={value}"
            for topic in difference.alter_topics
            for key, value in topic.config.items()
        ],
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
