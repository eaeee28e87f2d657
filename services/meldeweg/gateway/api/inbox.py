"""`/v1/inbox`: what arrived, opened only for a named person, and that person's receipts."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from meldeweg.gateway.api import describe, reading
from meldeweg.gateway.api.arrived import InboxPage, Opened, ReceiptAnswer, ReceiptOrder
from meldeweg.gateway.api.messages import After, Id, Limit, json
from meldeweg.gateway.api.ports import Ports
from meldeweg.gateway.api.routes import RECEIPT_MAX
from meldeweg.kernel.ids import AgencyId

Sender = Annotated[
    AgencyId | None, Query(description="needed only where two senders used the same id")
]


def router(ports: Ports) -> APIRouter:
    """Return the routes over these flows."""
    api = APIRouter(tags=["Empfangen"])

    @api.get(
        "/v1/inbox",
        response_model=InboxPage,
        summary="What arrived, in order of arrival; metadata only",
        responses=describe.problems("GET /v1/inbox"),
    )
    async def listing(after: After = None, limit: Limit = 50) -> Response:
        """The caller keeps `next`; asking again with the same `after` is always safe."""
        return json((await ports.inbox.list(after, limit)).bytes())

    @api.get(
        "/v1/inbox/{id}",
        response_model=Opened,
        summary="The opened message; the look is an event",
        **describe.opening(),
    )
    async def opened(request: Request, id: Id, sender: Sender = None) -> Response:  # noqa: A002 - path
        """Nothing decrypted is stored: each look decrypts anew and is on the record."""
        person = reading.acting_person(request)
        return json((await ports.inbox.open(id, person, sender)).bytes())

    @api.post(
        "/v1/inbox/{id}/receipts",
        status_code=201,
        response_model=ReceiptAnswer,
        summary="Acknowledge, refuse, or confirm the erasure",
        **describe.accepting(describe.RECEIPT),
    )
    async def receipt(request: Request, id: Id, sender: Sender = None) -> Response:  # noqa: A002 - path
        """`acknowledged` stops the deadline; only a named person who opened it before can give it.

        The same receipt again is 200.
        """
        order = reading.document(await reading.body(request, RECEIPT_MAX), ReceiptOrder)
        answer, new = await ports.inbox.receipt(id, order, sender)
        return json(answer.bytes(), status=201 if new else 200)

    return api
