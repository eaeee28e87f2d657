"""The line between services and the broker: replies lost, late, connections cut, packets lost.

All of it in the proxy, so that it needs no right on the machine. Packets are really lost there, by
the kernel, below TCP: where a machine has network emulation in namespaces the same would happen.
"""

import random
from dataclasses import dataclass
from typing import Literal

from faults.fault import Field, Told, Turn
from faults.nemesis.effect import demand
from faults.nemesis.frames import FETCH, PRODUCE
from faults.nemesis.proxy import Order, Proxy
from faults.nemesis.traffic import send

_NEEDS = frozenset({"proxy"})
_PATIENCE = 30.0  # seconds until a reply that is meant must have come


@dataclass(frozen=True, slots=True)
class Replies:
    """Replies of the broker are lost or late: what was asked has been done all the same."""

    action: Literal["lose", "silence", "delay"]
    count: int
    seconds: float = 0.0
    hold: float = 15.0
    needs: frozenset[str] = _NEEDS
    turn: Turn = "row"
    invariant: str = "one effect per id"

    @property
    def name(self) -> str:
        said = {"lose": "dropped", "silence": "never-come", "delay": "delayed"}
        return f"replies-{said[self.action]}"

    def run(self, field: Field, rng: random.Random) -> Told:
        apis = frozenset({PRODUCE}) if rng.random() < 0.7 else frozenset({PRODUCE, FETCH})
        proxy: Proxy = field.ground["proxy"]
        order = Order(apis, self.action, self.count, self.seconds)
        field.say("order", action=self.action, apis=sorted(apis), count=self.count)
        with proxy.ordered(order):
            waited = 0.0
            while not order.done and waited < _PATIENCE:
                send(field, rng.choice(field.agencies))
                field.settle(1.0)
                waited += 1.0
            field.settle(self.hold)
        demand(order.done, "a reply was met")
        late = f" by {self.seconds:.0f} s" if self.seconds else ""
        return Told(
            what=f"{order.done} replies {self.name.partition('-')[2]}{late}", times=order.done
        )


@dataclass(frozen=True, slots=True)
class Cut:
    """Every connection to the broker is reset, several times."""

    times: int = 5
    name: str = "connections-cut"
    needs: frozenset[str] = _NEEDS
    turn: Turn = "row"
    invariant: str = "no accepted message is lost; duplicates are removed; order per thread"

    def run(self, field: Field, rng: random.Random) -> Told:
        proxy: Proxy = field.ground["proxy"]
        cut = 0
        for _ in range(self.times):
            found = proxy.cut()
            field.say("cut", connections=found)
            cut += found
            field.settle(rng.uniform(0.5, 3.0))
        demand(cut, "there were connections to cut")
        return Told(what=f"{cut} connections cut in {self.times} strokes", times=cut)


@dataclass(frozen=True, slots=True)
class Lossy:
    """A share of all packets is lost, or all of them: a partition."""

    share: float
    hold: float
    needs: frozenset[str] = _NEEDS
    turn: Turn = "alone"
    invariant: str = "progress after healing; nothing lost, nothing twice"

    @property
    def name(self) -> str:
        return "partition" if self.share >= 1 else "packets-lost"

    def run(self, field: Field, rng: random.Random) -> Told:
        proxy: Proxy = field.ground["proxy"]
        before = proxy.lost
        field.say("lose-packets", share=self.share, seconds=self.hold)
        with proxy.losing(self.share):
            send(field, rng.choice(field.agencies))
            field.settle(self.hold)
            lost = proxy.lost - before
        demand(lost > 0, "the kernel dropped packets")
        said = f"{self.share:.0%} of packets" if self.share < 1 else "every packet"
        return Told(what=f"{said} lost for {self.hold:.0f} s ({lost} dropped)", times=lost)


FAULTS = (
    Replies("lose", count=5),
    Replies("silence", count=3, hold=25.0),
    Replies("delay", count=10, seconds=12.0, hold=20.0),  # longer than a request's 10 s
    Cut(),
    Lossy(0.3, hold=30.0),
    Lossy(1.0, hold=30.0),
)
