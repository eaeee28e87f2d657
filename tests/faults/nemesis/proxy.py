"""A man in the middle of every service and the broker: to lose, hold back and cut what he likes.

Guarantees: without an order everything passes unchanged but for the addresses that brokers name, so
that no client finds a way round. Ends TLS on both sides: towards services as the broker, towards
the broker as whoever called, with certificates of the demo PKI; the broker's ACLs hold as ever. A
test tool, which can be built in a demo alone, where all keys lie in one directory.
"""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self, cast

from e2e.stage import District
from faults.nemesis import filters
from faults.nemesis.frames import Exchange, Frames, NoKafka, redirected
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.ids import AgencyId
from meldeweg.local.pki import Credential, DemoPki, ServiceName
from meldeweg.local.ports import LOOPBACK, Ports

_CHUNK = 256 * 1024
_SERVICES: tuple[ServiceName, ...] = ("registry", "audit", "watch")
_NODES = 3  # ports are kept for as many; those without a node are never called


@dataclass(slots=True)
class Order:
    """What is done to the next replies to requests with one of these api keys."""

    apis: frozenset[int]
    # lose: this reply and its connection. silence: it and all that follow on that connection.
    action: Literal["lose", "silence", "delay"]
    left: int  # how many replies it is still for
    seconds: float = 0.0
    done: int = 0

    def meets(self, api: int) -> bool:
        """Say whether this reply is meant, and count it."""
        if api not in self.apis or self.left <= 0:
            return False
        self.left -= 1
        self.done += 1
        return True


@dataclass(eq=False, slots=True)
class _Line:
    """One connection: both halves."""

    near: asyncio.StreamWriter
    far: asyncio.StreamWriter
    exchange: Exchange = field(default_factory=Exchange)
    silent: bool = False

    def sockets(self) -> list[filters.Socket]:
        found = (each.get_extra_info("socket") for each in (self.near, self.far))
        return [cast("filters.Socket", each) for each in found if each is not None]

    def cut(self) -> None:
        """Both ends see a reset, and nothing of what was still to be written."""
        for writer in (self.near, self.far):
            writer.transport.abort()


class Proxy:
    """The ground "proxy". Orders are given from any thread; lines live in one of its own."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._pki = DemoPki(directory / "pki")
        known = Ports(directory / "ports.json")
        nodes = range(1, _NODES + 1)
        self._ports = {known.of(f"broker-{n}"): known.of(f"proxy-{n}") for n in nodes}
        self._lines: set[_Line] = set()
        self._loss = 0.0
        self._lost = 0  # segments, of lines that are gone
        self._loop = asyncio.new_event_loop()
        self._servers: list[asyncio.Server] = []
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self.order: Order | None = None
        self.passed = 0  # replies

    # -- the ground --------------------------------------------------------------------------

    @classmethod
    @contextlib.contextmanager
    def laid(cls, directory: Path) -> Iterator[Self]:
        """Choose the ports that the stack will find, and listen before it starts."""
        proxy = cls(directory)
        proxy._thread.start()
        try:
            proxy._do(proxy._listen())
            yield proxy
        finally:
            proxy._do(proxy._end())
            proxy._loop.call_soon_threadsafe(proxy._loop.stop)
            proxy._thread.join()
            proxy._loop.close()

    @property
    def extra(self) -> Mapping[str, Mapping[str, str]]:
        """Send every service here; further ways it learns from us."""
        first = next(iter(self._ports.values()))
        here = {"MELDEWEG_KAFKA__BOOTSTRAP": f"{LOOPBACK}:{first}"}
        parties = load_district("kreis-viersen").parties
        names = [*(f"gateway-{each.agency}" for each in parties), *_SERVICES]
        return dict.fromkeys(names, here)

    def started(self, district: District) -> None:
        """Demand that the stack really comes through here."""
        del district
        if not self._lines or not self.passed:
            raise AssertionError("no service came through the proxy")

    # -- what a fault may order --------------------------------------------------------------

    @contextlib.contextmanager
    def ordered(self, order: Order) -> Iterator[Order]:
        """Do this to replies until the end of the block."""
        self.order = order
        try:
            yield order
        finally:
            self.order = None
            self._do(self._cut(silent_only=True))

    def cut(self) -> int:
        """Cut every connection now; returns how many."""
        return self._do(self._cut(silent_only=False))

    @contextlib.contextmanager
    def losing(self, share: float) -> Iterator[None]:
        """Lose this share of all packets, in both directions, on all lines, old and new."""
        self._do(self._lose(share))
        try:
            yield
        finally:
            self._do(self._lose(0.0))

    @property
    def lost(self) -> int:
        """Packets that the kernel dropped by our orders, ever."""
        return self._do(self._count())

    @property
    def lines(self) -> int:
        """Connections of now."""
        return len(self._lines)

    # -- inside its own thread ---------------------------------------------------------------

    def _do(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self) -> None:
        context = _context(ssl.PROTOCOL_TLS_SERVER, self._pki.broker(1))
        context.verify_mode = ssl.CERT_REQUIRED
        for theirs, ours in self._ports.items():

            async def serve(
                reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int = theirs
            ) -> None:
                # asyncio asks a handler that ended for its exception, and a cancelled one has none.
                with contextlib.suppress(asyncio.CancelledError):
                    await self._serve(reader, writer, port)

            server = await asyncio.start_server(
                serve, LOOPBACK, ours, ssl=context, ssl_handshake_timeout=30, limit=_CHUNK
            )
            self._servers.append(server)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        await self._cut(silent_only=False)
        await asyncio.sleep(0)
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _cut(self, *, silent_only: bool) -> int:
        chosen = [line for line in self._lines if line.silent or not silent_only]
        for line in chosen:
            line.cut()
        return len(chosen)

    async def _lose(self, share: float) -> None:
        self._loss = share
        for line in self._lines:
            for each in line.sockets():
                _lose(each, share)

    async def _count(self) -> int:
        return self._lost + sum(_drops(line) for line in self._lines)

    async def _serve(
        self, reader: asyncio.StreamReader, near: asyncio.StreamWriter, port: int
    ) -> None:
        """Carry one connection, in the caller's name, until either side ends it."""
        try:
            context = _context(ssl.PROTOCOL_TLS_CLIENT, self._caller(near))
            answers, far = await asyncio.open_connection(
                LOOPBACK, port, ssl=context, ssl_handshake_timeout=30, limit=_CHUNK
            )
        except OSError:  # the broker is away: so are we
            near.transport.abort()
            return
        line = _Line(near, far)
        self._lines.add(line)
        for each in line.sockets():
            _lose(each, self._loss)
        ways = [
            asyncio.ensure_future(self._there(reader, line)),
            asyncio.ensure_future(self._back(answers, line)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._lost += _drops(line)
            self._lines.discard(line)
            line.cut()
            for way in ways:
                way.cancel()
            ended = await asyncio.gather(*ways, return_exceptions=True)
        for error in ended:
            if isinstance(error, NoKafka):
                raise error

    async def _there(self, reader: asyncio.StreamReader, line: _Line) -> None:
        frames = Frames()
        while chunk := await reader.read(_CHUNK):
            for frame in frames.feed(chunk):
                line.exchange.asked(frame)
                line.far.write(frame)
            await line.far.drain()

    async def _back(self, reader: asyncio.StreamReader, line: _Line) -> None:
        frames = Frames()
        while chunk := await reader.read(_CHUNK):
            for frame in frames.feed(chunk):
                if not await self._pass(frame, line):
                    return
            await line.near.drain()

    async def _pass(self, frame: bytes, line: _Line) -> bool:
        """Pass one reply, or what was ordered; says whether the line goes on."""
        api = line.exchange.answered(frame)
        order = self.order
        if order is not None and order.meets(api):
            if order.action == "lose":
                return False
            if order.action == "silence":
                line.silent = True
            else:
                await asyncio.sleep(order.seconds)
        if not line.silent:
            line.near.write(redirected(frame, api, LOOPBACK, self._ports))
            self.passed += 1
        return True

    def _caller(self, near: asyncio.StreamWriter) -> Credential:
        """Return the certificate of whoever called; TLS has proved that he has it himself."""
        shown = near.get_extra_info("peercert")
        names = {key: value for part in shown["subject"] for key, value in part}
        name = names["commonName"]
        match names["organizationalUnitName"]:
            case "gateway":
                return self._pki.gateway(AgencyId(name))
            case "service":
                return self._pki.service(cast("ServiceName", name))
            case unit:
                raise ssl.SSLError(f"nobody of {unit} comes this way")


def _context(protocol: int, credential: Credential) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(credential.ca)
    context.load_cert_chain(credential.cert, credential.key)
    return context


def _lose(of: filters.Socket, share: float) -> None:
    with contextlib.suppress(OSError):  # closed meanwhile
        filters.lose(of, share)


def _drops(line: _Line) -> int:
    total = 0
    for each in line.sockets():
        with contextlib.suppress(OSError):  # closed meanwhile
            total += filters.lost(each)
    return total
