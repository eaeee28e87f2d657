"""The field: what a fault may touch of a running district, each thing done written down.

Guarantees: what a context manager broke is healed when its block ends, whatever happened in it.
Trusts `e2e.stage.District` for the stack itself.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from e2e.asking import eventually
from e2e.invented import POLICE
from e2e.stage import District
from faults.evidence import Phase
from faults.history import History
from meldeweg.kernel.clock import SystemClock, to_rfc3339
from meldeweg.kernel.ids import AgencyId
from meldeweg.local.output import log_path

_STOP = 30.0  # seconds for a SIGTERM; services have 20
_START = 180.0  # seconds for a process to be back, on a machine that has much else to do


class Ended(Exception):
    """The campaign is being ended from outside."""


class StackField:
    """One injection's view of the stack; implements `faults.fault.Field`."""

    def __init__(
        self,
        district: District,
        history: History,
        scratch: Path,
        *,
        journal: Path,
        ground: Mapping[str, Any] | None = None,
        ending: threading.Event | None = None,
    ) -> None:
        self.district, self.scratch = district, scratch
        self.directory: Path = district.directory
        known = district.described.agencies
        self.agencies: tuple[AgencyId, ...] = (POLICE, *(a for a in known if a != POLICE))
        self.ground = ground or {}
        self._history, self._journal = history, journal
        self._ending = ending or threading.Event()
        self._logs = {p.name: p.stat().st_size for p in (self.directory / "logs").iterdir()}
        scratch.mkdir(parents=True, exist_ok=True)

    # -- the run -----------------------------------------------------------------------------

    def say(self, what: str, **facts: object) -> None:
        line = {"at": to_rfc3339(SystemClock().now()), "what": what, **facts}
        with self._journal.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=str) + "\n")
        if what in ("own-message", "own-message-failed"):
            self._note_own(what, facts)
        if what in ("own-open", "own-acknowledge"):
            self._note_own_look(what.removeprefix("own-"), facts)

    def _note_own(self, what: str, facts: Mapping[str, Any]) -> None:
        """A fault's own message is in the history, too: its content alone is not known."""
        agency = AgencyId(facts["agency"])
        named = AgencyId(facts["to"]) if "to" in facts else None
        key = str(facts["key"])
        op = self._history.invoke("send", agency, key=key, to=named)
        if what == "own-message":
            self._history.end(op, Phase.OK, "send", agency, id=facts["id"])
        else:
            self._history.end(op, Phase.UNKNOWN, "send", agency, code="own")

    def _note_own_look(self, call: str, facts: Mapping[str, Any]) -> None:
        """So is what it asks for at a recipient; nobody notes how it ended: it may have been done.

        Said before it is asked for.
        """
        agency, sender = AgencyId(facts["agency"]), AgencyId(facts["sender"])
        self._history.invoke(call, agency, id=facts["id"], sender=sender)

    def settle(self, seconds: float) -> None:
        if self._ending.wait(max(seconds, 0.0)):
            raise Ended

    # -- processes ---------------------------------------------------------------------------

    def pid(self, process: str) -> int:
        found: int = self.district.pid(process)
        return found

    def gateways(self) -> list[str]:
        return [f"gateway-{agency}" for agency in self.agencies]

    def ready(self, process: str, seconds: float = _START) -> None:
        eventually(lambda: self.district.is_ready(process), seconds, shown=lambda: process)

    def kill(self, process: str) -> None:
        self.say("kill", process=process)
        before = self.pid(process)
        os.kill(before, signal.SIGKILL)
        self._back(process, before)

    def _back(self, process: str, before: int) -> None:
        """Wait until the supervisor has another one up and ready."""
        self._replaced(process, before)
        self.ready(process)

    def _replaced(self, process: str, before: int) -> None:
        eventually(lambda: self.pid(process) != before, _START, shown=lambda: process)

    def terminate(self, process: str) -> float:
        self.say("terminate", process=process)
        before, begun = self.pid(process), time.monotonic()
        os.kill(before, signal.SIGTERM)
        eventually(lambda: _is_gone(before), _STOP, every=0.02, shown=lambda: process)
        took = time.monotonic() - begun
        self._back(process, before)
        return took

    @contextmanager
    def frozen(self, process: str) -> Iterator[None]:
        self.say("freeze", process=process)
        with self.district.frozen(process):
            yield
        self.say("thaw", process=process)

    @contextmanager
    def away(self, process: str) -> Iterator[None]:
        self.ready(process)
        before = self.pid(process)
        charge = self.district.stack._supervisor._charges[process]
        charge.left_alone = True  # what ends now, the supervisor takes for not its own business
        time.sleep(0.5)  # it may be looking at it just now
        self.say("stop", process=process)
        try:
            charge.child.stop()
            yield
        finally:
            charge.left_alone = False
            self._back(process, before)
            self.say("back", process=process)

    def bend(self, process: str, **settings: object) -> None:
        """Returns as soon as it has read them: under load it may die of them at any moment."""
        self.say("bend", process=process, **settings)
        before = self.pid(process)
        self.district.set(process, **settings)
        try:
            os.kill(before, signal.SIGKILL)
            path = log_path(self.directory / "logs", process)
            size = path.stat().st_size
            self._replaced(process, before)
            # Who says anything has read its settings.
            eventually(lambda: path.stat().st_size != size, _START, every=0.02)
        finally:
            self.district.set(process)

    @contextmanager
    def bent(self, process: str, **settings: object) -> Iterator[None]:
        self.say("bend", process=process, **settings)
        self.district.set(process, **settings)
        try:
            self.kill(process)
            yield
        finally:
            self.district.set(process)
            self.kill(process)
            self.say("straight", process=process)

    def fired(self, process: str, failpoint: str) -> int:
        path = log_path(self.directory / "logs", process)
        start = self._logs.get(path.name, 0)
        if path.stat().st_size < start:  # set aside meanwhile
            start = 0
        with path.open("rb") as file:
            file.seek(start)
            lines = [line for line in file if b"failpoint_fired" in line]
        return sum(json.loads(line).get("failpoint") == failpoint for line in lines)


def _is_gone(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
