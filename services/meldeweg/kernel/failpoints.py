"""Named points at which a fault campaign can kill, delay or fail a service.

Guarantees: costs one truth test when off; cannot be armed in production (settings refuse it); a
name that no module declared is refused, so that a misspelt fault never passes for one survived.
"""

import asyncio
import os
import re
import signal
import time
from dataclasses import dataclass

from meldeweg.kernel import logs
from meldeweg.kernel.errors import Fatal, Unavailable

_SPEC = re.compile(
    r"(?P<name>[a-z0-9_.]+)=(?P<action>kill|error|sleep:(?P<seconds>[0-9]{1,6}(\.[0-9]{1,6})?))(@(?P<nth>[0-9]{1,9}))?",
)
log = logs.get()


@dataclass(slots=True)
class _Armed:
    action: str
    seconds: float
    nth: int | None  # fires only the nth time it is reached; each time if None
    reached: int = 0

    def due(self) -> bool:
        self.reached += 1
        return self.nth is None or self.reached == self.nth


_declared: set[str] = set()
_armed: dict[str, _Armed] = {}


def declare(*names: str) -> None:
    """Announce the points of a module, at import, so that campaigns can list them."""
    _declared.update(names)


def declared() -> list[str]:
    """Return the points of every module imported so far."""
    return sorted(_declared)


def arm(spec: str) -> None:
    """Read `name=kill|sleep:SECONDS|error[@n]`, separated by commas; replaces what was armed.

    `@n` (from 1) fires once, the nth time. Raises Fatal `setting-failpoints`.
    """
    armed = {}
    for part in filter(None, spec.split(",")):
        found = _SPEC.fullmatch(part.strip())
        if not found:
            raise Fatal("setting-failpoints", "expected name=kill|sleep:SECONDS|error[@n]")
        if found["name"] not in _declared:
            raise Fatal("setting-failpoints", f"no such point; there are: {', '.join(declared())}")
        nth = int(found["nth"]) if found["nth"] else None
        action = found["action"].partition(":")[0]
        armed[found["name"]] = _Armed(action, float(found["seconds"] or 0), nth)
    _armed.clear()
    _armed.update(armed)


async def reach(name: str) -> None:
    """Pass the point `name`; `error` raises Unavailable `failpoint`."""
    if not _armed:
        return
    if (fault := _fire(name)) and fault.action == "sleep":
        await asyncio.sleep(fault.seconds)


def reach_sync(name: str) -> None:
    """Pass the point `name` in a thread; `sleep` blocks it."""
    if not _armed:
        return
    if (fault := _fire(name)) and fault.action == "sleep":
        time.sleep(fault.seconds)


def _fire(name: str) -> _Armed | None:
    if name not in _declared:
        raise Fatal("failpoint-undeclared", name)
    fault = _armed.get(name)
    if fault is None or not fault.due():
        return None
    log.warning("failpoint_fired", failpoint=name, action=fault.action)
    if fault.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if fault.action == "error":
        raise Unavailable("failpoint", name)
    return fault
