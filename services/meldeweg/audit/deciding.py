"""What a person decides about the log: a stopped topic goes on, an alarm is closed.

Guarantees: who (the token's name, and the person it says), when, what and why are kept in the same
transaction as the effect, and shown to every auditor; nothing that is in the log is changed, and
what a decision leaves out stays a hole that every verification names. Trusts: the token's holder.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, FastAPI, Path, Request
from pydantic import AfterValidator, Field

from meldeweg.audit.ledger import Ledger, Stream
from meldeweg.kernel import logs
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.model import Frozen
from meldeweg.kernel.schemas.values import TEXT_PATTERN, Line, readable
from meldeweg.kernel.service.operators import document

T = TypeVar("T")
log = logs.get()
STATUS = {
    "body-malformed": 400,
    "body-too-large": 413,
    "alarm-unknown": 404,
    "alarm-resolved": 409,
    "stream-unknown": 404,
    "stream-halted": 409,
    "stream-not-halted": 409,
    "offset-behind": 409,
    "offset-beyond": 409,
}

# Whatever a person may write that PostgreSQL keeps: a NUL would end the service, not the request.
_Text = Annotated[str, Field(max_length=500, pattern=TEXT_PATTERN), AfterValidator(readable)]


class Judged(Frozen):
    """Body of `POST /v1/alarms/{id}/resolve`. `by`: the person who judged it."""

    by: Annotated[Line, AfterValidator(readable)]
    reason: _Text


class Resumption(Judged):
    """Body of `POST /v1/streams/{topic}/resume`. `at`: the first offset to be audited again."""

    at: Annotated[int, Field(ge=0, lt=2**53)]


class Between(Protocol):
    """Runs a job on the ledger while nothing else writes it (`ingest`)."""

    def __call__(self, job: Callable[[], T], /) -> Awaitable[T]: ...


@dataclass(frozen=True, slots=True)
class Deciding:
    """Carries a person's decision out through the log's one writer."""

    ledger: Ledger
    between: Between
    end_of: Callable[[str], Awaitable[int]]
    """Returns the offset to come of a topic, as the broker says; or raises `Unavailable`."""

    async def resume(self, topic: str, order: Resumption, token: str) -> dict[str, Any]:
        """Let a stopped topic go on at an offset. Raises `Refused`, `Unavailable`.

        Not beyond the topic's end: what comes until then would never be audited, and no decision
        goes back (`offset-behind`).
        """
        if self.ledger.newest(topic) is not None and order.at > (end := await self.end_of(topic)):
            raise Refused("offset-beyond", f"the topic ends at {end}")
        stream = await self.between(lambda: self._resume(topic, order, token))
        log.warning("audit_decision", topic=topic, offset=order.at, action="resume")
        return {"topic": topic, "next": stream.next, "halted": stream.halted}

    async def resolve(self, alarm: int, order: Judged, token: str) -> dict[str, Any]:
        """Close one alarm; `Refused("stream-halted")` while its topic stands still."""
        code, subject = await self.between(
            lambda: self.ledger.resolve(alarm, _who(order, token), order.reason)
        )
        log.warning("audit_decision", topic=subject, code=code, action="resolve")
        return {"id": alarm, "code": code, "subject": subject}

    def _resume(self, topic: str, order: Resumption, token: str) -> Stream:
        stream = self.ledger.newest(topic)
        if stream is None:
            raise Refused("stream-unknown", topic)
        self.ledger.resume(stream, order.at, _who(order, token), order.reason)
        return stream


def _who(order: Judged, token: str) -> str:
    return f"{order.by} ({token})"


def routes(app: FastAPI, deciding: Deciding, who: Callable[..., str]) -> None:
    """Add the two calls by which an auditor decides."""
    Who = Annotated[str, Depends(who)]  # noqa: N806 - a type
    known = [Depends(who)]

    @app.post(
        "/v1/streams/{topic}/resume",
        tags=["state"],
        dependencies=known,
        openapi_extra=_body(Resumption),
    )
    async def resume(topic: str, request: Request, token: Who) -> dict[str, Any]:
        """Go on with a stopped topic at an offset, once a person has judged it."""
        order = await document(request, Resumption)
        return await deciding.resume(topic, order, token)

    @app.post(
        "/v1/alarms/{alarm}/resolve",
        tags=["state"],
        dependencies=known,
        openapi_extra=_body(Judged),
    )
    async def resolve(
        alarm: Annotated[int, Path(ge=0, lt=2**53)], request: Request, token: Who
    ) -> dict[str, Any]:
        """Close an alarm that a person has looked at; who and why stay with it."""
        order = await document(request, Judged)
        return await deciding.resolve(alarm, order, token)


def _body(model: type[Frozen]) -> dict[str, Any]:
    schema = model.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
