"""`AsyncGateway`: the API of an agency's gateway, for asyncio. The same methods as `Gateway`.

Every method raises `GatewayError`: `Problem` and its kinds when the gateway says no, `Unreachable`
when nothing answered after all tries. What may be repeated safely is repeated (see `calls.Again`).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx2

from meldeweg.client import calls, connection
from meldeweg.client.calls import SETTLED
from meldeweg.client.errors import UnexpectedAnswer, Unreachable
from meldeweg.client.types import (
    Accepted,
    Agency,
    Contact,
    InboxPage,
    Municipality,
    Opened,
    Permission,
    Preview,
    QuarantinePage,
    QuarantineRecord,
    Receipt,
    SentMessage,
    SentPage,
)

T = TypeVar("T")


class AsyncGateway:
    """A connection to one gateway; for one event loop. Use it as `async with`, or `close` it."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        ca: Path | str | None = None,
        retries: int = connection.RETRIES,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        """`ca`: file with the CA certificates of the gateway, if not those of the system."""
        self._base = connection.base(url)
        self._retries = retries
        self._http = httpx2.AsyncClient(**connection.options(url, token, ca, transport))

    def __repr__(self) -> str:
        return f"AsyncGateway({self._base!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def send(
        self,
        message_type: str,
        to: Mapping[str, str],
        content: Mapping[str, Any],
        *,
        acting_person: str,
        key: str | None = None,
        **more: Any,
    ) -> Accepted:
        """Send a message. When this returns it is durable, and nothing of it gets lost.

        `to`: `{"agency": id}`, or `{"place": …, "residence": …}`. `key`: make one per message,
        store it before sending, and send with it again after a crash: the message stays one.
        `more`: thread, in_reply_to, addressee, urgency, labels, exercise, override.
        Raises `NotCovered` with `rule` and `call`, `Invalid` with `errors`, `NotAvailable`.
        """
        call = calls.send(message_type, to, content, acting_person=acting_person, key=key, **more)
        accepted: Accepted = await self._do(call)
        return accepted

    async def check(
        self,
        message_type: str,
        to: Mapping[str, str],
        content: Mapping[str, Any],
        *,
        acting_person: str,
        **more: Any,
    ) -> Preview:
        """Say what `send` would do; nothing is kept."""
        call = calls.send(
            message_type, to, content, acting_person=acting_person, dry_run=True, **more
        )
        preview: Preview = await self._do(call)
        return preview

    async def sent(self, message: str) -> SentMessage:
        """Return a sent message: its state and the timeline of receipts."""
        return await self._do(calls.sent_one(message))

    async def sent_messages(
        self, *, after: str | None = None, limit: int = 50, state: str | None = None
    ) -> SentPage:
        """Return what was sent, newest first."""
        return await self._do(calls.sent_list(after, limit, state))

    async def wait(
        self,
        message: str,
        *,
        until: Collection[str] = SETTLED,
        seconds: float = 60.0,
        every: float = 0.5,
    ) -> SentMessage:
        """Ask every `every` seconds until the state is one of `until`; TimeoutError after it."""
        end = time.monotonic() + seconds
        while (found := await self.sent(message)).state not in until:
            if time.monotonic() > end:
                raise TimeoutError(f"still {found.state}")
            await asyncio.sleep(every)
        return found

    async def inbox(self, *, after: str | None = None, limit: int = 50) -> InboxPage:
        """Return what arrived after the cursor, in order of arrival."""
        return await self._do(calls.inbox(after, limit))

    async def inbox_pages(
        self, *, after: str | None = None, limit: int = 200
    ) -> AsyncIterator[InboxPage]:
        """Yield page after page until nothing is left. Store `page.next` once a page is done."""
        while (page := await self.inbox(after=after, limit=limit)).items:
            yield page
            after = page.next

    async def open(
        self,
        message: str,
        acting_person: str,
        *,
        sender: str | None = None,
    ) -> Opened:
        """Open a message for a named person. The look is an event of the audit."""
        return await self._do(calls.opened(message, acting_person, sender))

    async def acknowledge(
        self,
        message: str,
        by: str,
        *,
        sender: str | None = None,
    ) -> Receipt:
        """Say that `by`, who opened the message before, took it. Stops the deadline."""
        return await self._do(calls.receipt(message, sender, kind="acknowledged", by=by))

    async def refuse(
        self,
        message: str,
        by: str,
        code: str,
        *,
        responsible: str | None = None,
        reason: str | None = None,
        sender: str | None = None,
    ) -> Receipt:
        """Refuse a message. `not-responsible` names who is; `reason` is sealed for the sender."""
        order = {"code": code, "responsible": responsible, "reason": reason}
        return await self._do(calls.receipt(message, sender, kind="refused", by=by, **order))

    async def confirm_erasure(
        self,
        message: str,
        by: str,
        *,
        sender: str | None = None,
    ) -> Receipt:
        """Erase the content here and tell the sender so."""
        return await self._do(calls.receipt(message, sender, kind="erased", by=by))

    async def agencies(self) -> tuple[Agency, ...]:
        """Return the enrolled agencies."""
        return await self._do(calls.agencies())

    async def contacts(self) -> tuple[Contact, ...]:
        """Return whom to reach at each partner."""
        return await self._do(calls.contacts())

    async def municipalities(self, q: str = "", *, limit: int = 50) -> tuple[Municipality, ...]:
        """Return places by part of a name or key, and who is responsible."""
        return await self._do(calls.municipalities(q, limit))

    async def permissions(self) -> tuple[Permission, ...]:
        """Return whom this agency may tell what."""
        return await self._do(calls.permissions())

    async def quarantine(self, *, after: str | None = None, limit: int = 50) -> QuarantinePage:
        """Return records that could not be processed."""
        return await self._do(calls.quarantine(after, limit))

    async def quarantined(self, record: str) -> QuarantineRecord:
        """Return one such record."""
        return await self._do(calls.quarantined(record))

    async def version(self) -> str:
        """Return the gateway's version."""
        return await self._do(calls.version())

    async def _do(self, call: calls.Call[T]) -> T:
        attempt = 0
        while True:
            retry_after = None
            try:
                answer = await self._http.request(
                    call.method,
                    call.url(self._base),
                    headers=connection.encoded(call.headers),
                    content=call.body,
                )
            except httpx2.LocalProtocolError:
                raise ValueError("token or name: characters that a header cannot hold") from None
            except httpx2.DecodingError:
                raise UnexpectedAnswer("not in the encoding that it names") from None
            except httpx2.TransportError as exc:
                if attempt >= self._retries or not calls.unsent_or_safe(call, exc):
                    raise Unreachable(f"{self._base}: {type(exc).__name__}") from None
            else:
                if attempt >= self._retries or not call.may_repeat(answer.status_code):
                    kind = answer.headers.get("content-type", "")
                    return call.answer(answer.status_code, kind, answer.content)
                retry_after = answer.headers.get("retry-after")
            await asyncio.sleep(calls.pause(attempt, retry_after))
            attempt += 1
