"""`/v1/messages`: what this agency sends. The hot path: raw bytes in, the flow's bytes out."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from meldeweg.gateway.api import describe, reading
from meldeweg.gateway.api.ports import Ports
from meldeweg.gateway.api.routes import MESSAGE_MAX
from meldeweg.gateway.api.shapes import Answer, SentMessage, SentPage
from meldeweg.gateway.states import SentState
from meldeweg.kernel.ids import MessageId

LIMIT = 200  # entries of one page

After = Annotated[str | None, Query(max_length=64, description="`next` of the page before")]
Limit = Annotated[int, Query(ge=1, le=LIMIT, description="entries of one page at most")]
Id = Annotated[MessageId, Field(description="UUIDv7")]


def router(ports: Ports) -> APIRouter:
    """Return the routes over these flows."""
    api = APIRouter(tags=["Senden"])

    @api.post(
        "/v1/messages",
        status_code=201,
        response_model=Answer,
        summary="Send a message, or ask what would happen (`dry_run`)",
        **describe.accepting(describe.SEND),
    )
    async def send(
        request: Request,
        dry_run: Annotated[
            Literal["true", "false"], Query(description="the same checks; nothing is kept")
        ] = "false",
    ) -> Response:
        """201 means durable: from the answer on a crash loses nothing.

        The same key and body again give the same answer; the same key with another body is 422.
        """
        if dry_run == "true":
            preview = await ports.intake.check(await reading.body(request, MESSAGE_MAX))
            return json(preview.bytes())
        return await accept(ports, request)

    @api.get(
        "/v1/messages",
        response_model=SentPage,
        summary="What this agency sent, newest first",
        responses=describe.problems("GET /v1/messages"),
    )
    async def listing(
        after: After = None,
        limit: Limit = 50,
        state: Annotated[SentState | None, Query(description="only those in this state")] = None,
    ) -> Response:
        return json((await ports.sent.list(after, limit, state)).bytes())

    @api.get(
        "/v1/messages/{id}",
        response_model=SentMessage,
        summary="One sent message: state and timeline of receipts",
        responses=describe.problems("GET /v1/messages/{id}"),
    )
    async def one(id: Id) -> Response:  # noqa: A002 - the name in the path
        return json((await ports.sent.get(id)).bytes())

    return api


async def accept(ports: Ports, request: Request) -> Response:
    """Take a message for sending: behind the route, and before it (`direct`)."""
    key = reading.idempotency_key(request)
    accepted = await ports.intake.accept(await reading.body(request, MESSAGE_MAX), key)
    location = {"Location": f"/v1/messages/{accepted.id}"}
    return json(accepted.answer, status=201, headers=location)


def json(data: bytes, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return bytes that are JSON already: nothing is parsed or serialised twice."""
    return Response(data, status_code=status, headers=headers, media_type="application/json")
