"""`/v1/quarantine`: records that could not be processed, and why."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from meldeweg.gateway.api import describe
from meldeweg.gateway.api.arrived import QuarantinePage, QuarantineRecord
from meldeweg.gateway.api.messages import After, Limit, json
from meldeweg.gateway.api.ports import Ports

Number = Annotated[str, Path(pattern=r"^[1-9][0-9]{0,17}$", description="number of the entry")]


def router(ports: Ports) -> APIRouter:
    """Return the routes over the store's quarantine."""
    api = APIRouter(tags=["Quarantäne"])

    @api.get(
        "/v1/quarantine",
        response_model=QuarantinePage,
        summary="Records that could not be processed, in order of arrival",
        responses=describe.problems("GET /v1/quarantine"),
    )
    async def listing(after: After = None, limit: Limit = 50) -> Response:
        return json((await ports.quarantine.list(after, limit)).bytes())

    @api.get(
        "/v1/quarantine/{id}",
        response_model=QuarantineRecord,
        summary="One such record: reason, sizes, raw headers; its value stays sealed",
        responses=describe.problems("GET /v1/quarantine/{id}"),
    )
    async def one(id: Number) -> Response:  # noqa: A002 - the name in the path
        return json((await ports.quarantine.get(id)).bytes())

    return api
