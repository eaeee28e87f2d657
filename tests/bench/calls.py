"""The case system's side of the measurement: HTTP/1.1 kept alive, and as little else as can be.

The machine that measures is the machine that is measured: a client that costs as much as the
gateway would be in every figure of time. Nothing of an answer is parsed but what is asked for.
"""

import asyncio
import contextlib
import copy
import json
import time
import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from e2e.invented import LABELS, OFFICER, PLACES
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.schemas import examples

_TAKER = "Erika Beispiel"


class Answered(Exception):
    """An answer that is not the one a measurement counts."""


def report(to: AgencyId) -> bytes:
    """Return the body of an invented notification to an office, as large as a real one."""
    content = copy.deepcopy(examples.NOTIFICATION)
    content.pop("handover")
    order = {
        "type": "notification",
        "to": {"place": PLACES[to]},
        "acting_person": OFFICER,
        "labels": LABELS,
        "content": content,
    }
    return json.dumps(order, ensure_ascii=False).encode()


class Line:
    """One connection, kept open."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes
    ) -> None:
        self._reader, self._writer, self._head = reader, writer, head

    async def post(self, body: bytes, path: str = "/v1/messages") -> bytes:
        """Send one message; return the answer's body. Raises Answered unless it is 201."""
        head = b"POST %s HTTP/1.1\r\n%sContent-Type: application/json\r\n"
        head %= path.encode(), self._head
        key = uuid.uuid4().hex.encode()
        more = b"Idempotency-Key: %s\r\nContent-Length: %d\r\n\r\n" % (key, len(body))
        self._writer.write(head + more + body)
        status, answer = await self._answer()
        if status != 201:
            raise Answered(f"{status} {answer[:300].decode(errors='replace')}")
        return answer

    async def take(self, message: str) -> None:
        """Open a message as a person, and acknowledge it."""
        await self.get(f"/v1/inbox/{message}", b"Acting-Person: %s\r\n" % _TAKER.encode())
        said = {"kind": "acknowledged", "by": _TAKER}
        await self.post(json.dumps(said).encode(), f"/v1/inbox/{message}/receipts")

    async def get(self, path: str, more: bytes = b"") -> bytes:
        """Return the body of a 200."""
        self._writer.write(b"GET %s HTTP/1.1\r\n%s%s\r\n" % (path.encode(), self._head, more))
        status, answer = await self._answer()
        if status != 200:
            raise Answered(f"{status} {path}")
        return answer

    async def _answer(self) -> tuple[int, bytes]:
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        _, _, rest = head.partition(b"\r\ncontent-length:")
        body = await self._reader.readexactly(int(rest.partition(b"\r\n")[0]))
        return int(head.split(b" ", 2)[1]), body

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@contextlib.asynccontextmanager
async def lines(url: str, token: str, count: int) -> AsyncIterator[list[Line]]:
    """Open `count` connections to a gateway."""
    place = urlsplit(url)
    head = f"Host: {place.netloc}\r\nAuthorization: Bearer {token}\r\n".encode()
    opened = [
        Line(*await asyncio.open_connection(place.hostname, place.port), head) for _ in range(count)
    ]
    try:
        yield opened
    finally:
        for each in opened:
            await each.close()


async def send_for(opened: list[Line], body: bytes, seconds: float) -> tuple[int, float]:
    """Let every line send one message after another; return (accepted, seconds it took)."""
    until = time.monotonic() + seconds

    async def work(line: Line) -> int:
        count = 0
        while time.monotonic() < until:
            await line.post(body)
            count += 1
        return count

    started = time.monotonic()
    counts = await asyncio.gather(*map(work, opened))
    return sum(counts), time.monotonic() - started


async def send_all(opened: list[Line], body: bytes, count: int) -> None:
    """Send `count` messages over all lines; a full outbox is waited for."""
    left = iter(range(count))

    async def work(line: Line) -> None:
        for _ in left:
            while True:
                try:
                    await line.post(body)
                except Answered as exc:
                    if not str(exc).startswith("503"):
                        raise
                    await asyncio.sleep(0.5)
                else:
                    break

    await asyncio.gather(*map(work, opened))


async def take_all(opened: list[Line], messages: list[str]) -> None:
    """Let a person take all these messages, over all lines."""
    left = iter(messages)

    async def work(line: Line) -> None:
        for each in left:
            await line.take(each)

    await asyncio.gather(*map(work, opened))
