"""HTTP/1.1 of every service, with bounds that uvicorn lacks.

Guarantees: a head of more than HEAD_MAX bytes or FIELDS_MAX fields, trailers or framing of a body
beyond the same, and a client that takes longer than HEAD_SECONDS for the head or BODY_SECONDS for
the body, hold nothing for longer; a body comes in chunks or with its length, in no other coding;
what goes wrong below the application is answered once, as problem+json too, without a byte of the
request.
Trusts: httptools (llhttp) for framing; it refuses what two readers could frame differently.
"""

import asyncio
from asyncio import Transport
from typing import Any

from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from meldeweg.kernel.service import problem
from meldeweg.kernel.service.problem import Problem

_LINGER = 1.0  # seconds in which a refused client may still send, so that it gets to read why
_FRAMING = 8  # bytes around each byte of a body that comes in the smallest chunks, and some more
_DISCARD_MAX = 16 * 1024 * 1024  # bytes of a body that was answered already


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    HEAD_MAX = 16 * 1024  # bytes of request line and fields
    FIELDS_MAX = 100
    HEAD_SECONDS = 10.0
    BODY_SECONDS = 60.0  # the last resort; an application's own limit is shorter and answers 408
    CONNECTIONS = 1000  # at once; beyond that 503 (I7)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._head_bytes = 0
        self._body_bytes = 0
        self._framing_bytes = 0  # what came since the head and is no body: sizes, trailers
        self._trailers = 0
        self._refusal = problem.REQUEST_MALFORMED
        self._deadline: asyncio.TimerHandle | None = None
        self._lingers = False

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn
        super().connection_made(transport)
        self._within(self.HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._within(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            return
        if self._in_head:
            self._head_bytes += len(data)
            if self._deadline is None:  # also against blank lines without end
                self._within(self.HEAD_SECONDS)
        else:
            self._framing_bytes += len(data)
        super().data_received(data)
        # The parser reports a field only once it is whole: an endless one shows here.
        if self._in_head and self._head_bytes > self.HEAD_MAX and not self._lingers:
            self._refuse(problem.HEADERS_TOO_LARGE)
        bound = self.HEAD_MAX + _FRAMING * self._body_bytes
        if not self._in_head and self._framing_bytes > bound and not self._lingers:
            self._refuse(problem.HEADERS_TOO_LARGE)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._within(self.HEAD_SECONDS)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:
            super().on_header(name, value)
            return
        self._trailers += 1  # a trailer, which nobody here reads
        if self._trailers > self.FIELDS_MAX:
            self._refusal = problem.HEADERS_TOO_LARGE
            raise ValueError("too many trailers")  # ends in `send_400_response`

    def on_headers_complete(self) -> None:
        size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if size > self.HEAD_MAX or len(self.headers) > self.FIELDS_MAX:
            self._refusal = problem.HEADERS_TOO_LARGE
            raise ValueError("head too large")  # ends in `send_400_response`
        codings = [value for name, value in self.headers if name == b"transfer-encoding"]
        if codings and (self.parser.get_http_version(), codings) != ("1.1", [b"chunked"]):
            raise ValueError("another coding than chunked")  # RFC 9112, 6.1
        self._in_head = False
        self._framing_bytes = self._trailers = 0
        self._within(self.BODY_SECONDS)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._body_bytes += len(body)
        self._framing_bytes -= len(body)
        if self.cycle.response_complete and self._body_bytes > _DISCARD_MAX:
            self.transport.close()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._within(None)
        self._in_head, self._head_bytes, self._body_bytes = True, 0, 0

    def send_400_response(self, msg: str) -> None:
        """Answer instead of uvicorn's plain text, which would quote nothing either."""
        self._refuse(self._refusal)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        full = len(self.connections) > self.CONNECTIONS
        super()._start_asgi_task(cycle, _overloaded if full else app)

    def _within(self, seconds: float | None) -> None:
        """Close the connection unless the next step comes within `seconds`; None: no limit."""
        if self._deadline:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._too_slow) if seconds else None

    def _too_slow(self) -> None:
        if self._in_head and self._head_bytes:
            self._refuse(problem.REQUEST_TOO_SLOW)
        else:
            self.transport.close()

    def _refuse(self, found: Problem) -> None:
        if self.transport.is_closing():
            return
        self._within(None)
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and cycle.response_complete and not self._in_head:
            self._linger()  # it was answered before its body was read
            return
        if cycle is not None and not cycle.response_complete:
            if self._in_head or self.pipeline or cycle.response_started:
                self.transport.close()  # another answer is under way, or this one: not into it
                return
            cycle.disconnected = True  # a body that breaks off: nobody else answers it
            cycle.message_event.set()
        self.transport.write(_raw(found))
        self._linger()

    def _linger(self) -> None:
        # Closing at once, with input unread, would reset the connection and lose the answer.
        self._lingers = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(_LINGER, self.transport.close)


def _raw(found: Problem) -> bytes:
    body = problem.body(found)
    head = (
        f"HTTP/1.1 {found.status} \r\ncontent-type: {problem.MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body


async def _overloaded(scope: Any, receive: Any, send: Any) -> None:
    body = problem.body(problem.OVERLOADED)
    headers = [
        (b"content-type", problem.MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", b"5"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
