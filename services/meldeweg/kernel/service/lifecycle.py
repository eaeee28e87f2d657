"""The life of a service: parts start in order, tasks are supervised, SIGTERM drains, a crash stops.

Guarantees: `run` ends within DRAIN seconds of a signal, whatever hangs; a task that ends or raises
ends the process with a code that is not 0 (the supervisor starts it again); nothing fails silently.

    def wire() -> Service:
        settings = load(GatewaySettings)
        service = Service("gateway", settings, app=api.build(...))
        store = service.part("store", Store(settings.store))
        producer = service.part("producer", Producer(connection))
        service.check("broker", producer.missing)
        service.consumer("inbound", Consumer(connection, inbound.subscription()))
        service.task("outbox", Outbox(store, producer).run)
        return service

    if __name__ == "__main__":
        run("gateway", wire)
"""

import asyncio
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NoReturn, Protocol, TypeVar

import uvloop
from fastapi import FastAPI

from meldeweg import __version__
from meldeweg.kernel import failpoints, logs, metrics
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Fatal, Unavailable, WrongSetting
from meldeweg.kernel.service.http import Check, Readiness, Server, build
from meldeweg.kernel.service.watchdog import Watched, watch
from meldeweg.kernel.settings import Mode, Settings

DRAIN = 20.0  # seconds from the signal to the end of the process (I7)
EXIT_FATAL = 10
EXIT_SETTING = 2
_TASKS = 4.0  # seconds for cancelled tasks to end

log = logs.get()
_build = metrics.gauge("build_info", "Always 1", "version")


def run(name: str, wire: "Callable[[], Service]") -> NoReturn:
    """Wire a service and run it; a Fatal while wiring exits as a wrong setting does.

    Wiring reads settings and the files that they name, and reaches for nothing else.
    """
    logs.configure(service=name, strict=False)
    logs.catch_uncaught()
    try:
        service = wire()
    except Fatal as exc:
        log.critical("service_refused", exc_info=exc)
        sys.exit(EXIT_SETTING)
    # What wiring made stays until the end: a look of the collector at all of it (107,000 objects of
    # a gateway) held the loop for 67 ms; it saves no CPU that could be measured.
    gc.collect()
    gc.freeze()
    service.run()


def _exit_code(failure: BaseException | None) -> int:
    match failure:
        case None:
            return 0
        case WrongSetting():
            return EXIT_SETTING
        case Fatal(code=code) if code.startswith("setting-"):
            return EXIT_SETTING
        case _:
            return EXIT_FATAL


class Part(Protocol):
    """Something with a beginning and an end: a store, a producer, a consumer."""

    async def start(self) -> None:
        """Start; Unavailable is tried again with backoff, anything else stops the service."""
        ...

    async def stop(self) -> None:
        """Stop; safe to call when the start failed halfway."""
        ...


class Consuming(Part, Protocol):
    """A part that reads from the bus in the background: `bus.consume.Consumer`."""

    def age(self) -> float:
        """Return seconds since its last sign of life."""
        ...

    def missing(self) -> str | None:
        """Return the code of what hinders it, or None."""
        ...

    async def restart(self) -> None:
        """Begin anew."""
        ...

    async def failed(self) -> None:
        """Wait for ever, or raise what ended it for good."""
        ...


P = TypeVar("P", bound=Part)
C = TypeVar("C", bound=Consuming)


class Service:
    """One process. Declare parts, tasks, checks and watchdogs, then `run`."""

    def __init__(self, name: str, settings: Settings, app: FastAPI | None = None) -> None:
        self.clock: Clock = settings.clock()
        logs.configure(service=name, strict=settings.mode is Mode.DEMO, clock=self.clock)
        failpoints.arm(settings.failpoints)
        _build.labels(__version__).set(1)
        self._name = name
        self._settings = settings
        self._readiness = Readiness()
        self._asgi = build(name, app, self._readiness, getattr(settings, "agency", ""))
        self._parts: dict[str, Part] = {}
        self._started: list[str] = []
        self._tasks: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None

    def part(self, name: str, part: P) -> P:
        """Start `part` after those declared before, stop it before them."""
        self._parts[name] = part
        return part

    def task(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run for ever once all parts have started; its end or exception stops the service."""
        self._tasks[name] = run

    def check(self, name: str, check: Check) -> None:
        """Let `/readyz` ask `check` for a stable code of what is missing, or None."""
        self._readiness.checks[name] = check

    def watchdog(
        self,
        name: str,
        *,
        age: Callable[[], float],
        limit: float,
        restart: Callable[[], Awaitable[None]],
    ) -> None:
        """Restart a part whose last sign of life is older than `limit` seconds; then give up."""
        self.task(f"watchdog-{name}", lambda: watch(Watched(name, age, limit, restart)))

    def consumer(self, name: str, consumer: C, *, limit: float = 60.0) -> C:
        """Add a consumer as a part, with its check, its watchdog and its end."""
        self.part(name, consumer)
        self.check(name, consumer.missing)
        self.watchdog(name, age=consumer.age, limit=limit, restart=consumer.restart)
        self.task(f"{name}-failed", consumer.failed)
        return consumer

    def run(self) -> NoReturn:
        """Run until SIGTERM, SIGINT or a failure, and exit: 0 drained, 2 setting, 10 fatal."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve_and_exit())
        raise AssertionError("the process has ended")

    async def _serve_and_exit(self) -> None:
        await self.serve()
        # From here on nothing is left to do. A runner would wait for worker threads, and one of
        # them may hang in a foreign library.
        logs.flush()
        os._exit(_exit_code(self._failure))

    async def serve(self) -> None:
        """Live once: start, wait for a signal or a failure, drain."""
        loop = asyncio.get_running_loop()
        for sig in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(sig, self._signalled, sig)
        loop.set_exception_handler(_unhandled)
        try:
            server = Server(self._asgi, self._settings.http)
        except Fatal as exc:
            self._fail("http", exc)
            return
        http = self._spawn("http", server.run_until_stopped)
        starting = self._spawn("start", self._start, ends=True)
        log.info("service_listening", url=server.url, version=__version__)
        if self._settings.mode is Mode.DEMO:
            log.warning("demo_mode", mode="demo")
        if not server.url.startswith("https:"):
            log.warning("http_without_tls", url=server.url)
        await self._stop.wait()
        await self._drain(server, http, starting)

    async def _start(self) -> None:
        for name, part in self._parts.items():
            await self._start_part(name, part)
        for name, run in self._tasks.items():
            self._spawn(name, run)
        self._readiness.phase = None
        log.info("service_ready")

    async def _start_part(self, name: str, part: Part) -> None:
        pause = 0.2
        self._started.append(name)  # before: a start that fails halfway is stopped too
        while True:
            try:
                await part.start()
            except Unavailable as exc:
                self._readiness.waiting[name] = exc.code
                log.warning("part_waiting", part=name, code=exc.code)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 5.0)
            else:
                self._readiness.waiting.pop(name, None)
                return

    def _spawn(
        self, name: str, run: Callable[[], Coroutine[Any, Any, None]], *, ends: bool = False
    ) -> asyncio.Task[None]:
        task = asyncio.create_task(run(), name=name)
        self._running.add(task)
        task.add_done_callback(lambda done: self._ended(done, ends=ends))
        return task

    def _ended(self, task: asyncio.Task[None], *, ends: bool) -> None:
        self._running.discard(task)
        if task.cancelled():
            return
        if exc := task.exception():
            self._fail(task.get_name(), exc)
        elif not (ends or self._stop.is_set()):
            self._fail(task.get_name(), Fatal("task-ended", task.get_name()))

    def _fail(self, name: str, exc: BaseException) -> None:
        self._failure = self._failure or exc
        log.critical("service_failed", part=name, exc_info=exc)
        self._stop.set()

    def _signalled(self, sig: signal.Signals) -> None:
        log.info("service_signalled", signal=sig.name)
        self._stop.set()

    async def _drain(
        self, server: Server, http: asyncio.Task[None], starting: asyncio.Task[None]
    ) -> None:
        began = time.monotonic()
        limit = threading.Timer(DRAIN - 0.5, self._overran)  # also when the loop itself hangs
        limit.daemon = True
        limit.start()
        self._readiness.phase = "draining"
        server.stop()
        starting.cancel()
        await asyncio.wait([starting, http], timeout=_TASKS + 1)
        left = [task for task in self._running if task is not http]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=_TASKS)
        for name in reversed(self._started):
            await self._stop_part(name, self._parts[name], DRAIN - (time.monotonic() - began))
        limit.cancel()
        log.info("service_drained", seconds=round(time.monotonic() - began, 2))

    async def _stop_part(self, name: str, part: Part, left: float) -> None:
        try:
            async with asyncio.timeout(max(left, 0.5)):
                await part.stop()
        except Exception:
            # The next part must be stopped too; this one is named, with its frames.
            log.exception("part_stop_failed", part=name)

    def _overran(self) -> None:
        log.error("drain_overran", seconds=DRAIN)
        logs.flush()
        os._exit(EXIT_FATAL)


def _unhandled(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    # asyncio's own words may hold an exception's message or a task's arguments.
    log.error("loop_unhandled", exc_info=context.get("exception"))
