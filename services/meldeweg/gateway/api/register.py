"""Look-ups in the verified register: agencies, contacts, places, and who may tell whom what."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from meldeweg.gateway.api import describe
from meldeweg.gateway.api.messages import Limit, json
from meldeweg.gateway.api.ports import Ports
from meldeweg.gateway.api.registered import Agencies, Contacts, Municipalities, Permissions


def router(ports: Ports) -> APIRouter:
    """Return the routes over the view as it is at this moment."""
    api = APIRouter(tags=["Verzeichnis"])

    @api.get(
        "/v1/agencies",
        response_model=Agencies,
        summary="The enrolled agencies",
        responses=describe.problems("GET /v1/agencies"),
    )
    async def agencies() -> Response:
        return json(Agencies(items=ports.directory.agencies()).bytes())

    @api.get(
        "/v1/contacts",
        response_model=Contacts,
        summary="Whom to reach at each partner",
        responses=describe.problems("GET /v1/contacts"),
    )
    async def contacts() -> Response:
        return json(Contacts(items=ports.directory.contacts()).bytes())

    @api.get(
        "/v1/municipalities",
        response_model=Municipalities,
        summary="Place name or key → municipality → who is responsible",
        responses=describe.problems("GET /v1/municipalities"),
    )
    async def municipalities(
        q: Annotated[str, Query(max_length=100, description="part of a name, or of an AGS")] = "",
        limit: Limit = 50,
    ) -> Response:
        return json(Municipalities(items=ports.directory.municipalities(q, limit)).bytes())

    @api.get(
        "/v1/permissions",
        response_model=Permissions,
        summary="Whom this agency may tell what, under which clause",
        responses=describe.problems("GET /v1/permissions"),
    )
    async def permissions() -> Response:
        return json(Permissions(items=ports.directory.permissions()).bytes())

    return api
