"""What happens to the exchange itself: killed, emptied, and nodes of a cluster that are gone."""

import random
import shutil
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import dataclass

from e2e.asking import eventually
from faults.fault import Field, Told, Turn
from faults.nemesis.effect import demand
from faults.nemesis.traffic import partner_of, send, taken
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.local.bootstrap import bootstrap
from meldeweg.local.broker import Broker
from meldeweg.local.ports import is_free

_BROKER = "broker-1"
_EMPTY = 120.0  # seconds until an empty broker takes its first rights
_WOULD_BE_THERE = 3.0  # seconds in which a message would be delivered if it could
_ON_ITS_WAY = 60.0  # seconds until a message must be where it is lost from


@dataclass(frozen=True, slots=True)
class Killed:
    """The one broker dies and comes back with what it had on disk."""

    name: str = "broker-killed"
    needs: frozenset[str] = frozenset()
    turn: Turn = "row"
    invariant: str = "no accepted message is lost; duplicates are removed; order per thread"

    def run(self, field: Field, rng: random.Random) -> Told:
        del rng
        before = field.pid(_BROKER)
        field.say("kill", process=_BROKER)
        field.kill(_BROKER)
        demand(field.pid(_BROKER) != before, "the broker has another pid")
        return Told(what="kill -9 of the broker, started again")


@dataclass(frozen=True, slots=True)
class DataLost:
    """The broker's disk is lost: it comes back empty, knows no topic and gives no right."""

    hold: float = 10.0
    name: str = "broker-data-lost"
    needs: frozenset[str] = frozenset()
    turn: Turn = "alone"
    invariant: str = (
        "owners publish keys and agreements again; what was not delivered or not audited is "
        "produced again"
    )

    def run(self, field: Field, rng: random.Random) -> Told:
        agency = rng.choice(field.agencies)
        topics = lose_unread(field, agency, self.hold)
        said = f"({topics} inboxes; the audit and {agency} had not read all)"
        return Told(what=f"the broker's data deleted {said}, started again empty")


def lose_unread(field: Field, agency: AgencyId, hold: float = 0.0) -> int:
    """Lose the broker's data while it holds what the audit has not read, nor one gateway.

    Both are frozen meanwhile: what `agency` sent was delivered and is in no log, what was sent to
    it is at the broker alone. Returns how many inboxes were lost.
    """
    partner = partner_of(agency)
    with field.frozen("audit"):
        _sent(field, agency, partner, ("queued", "sent"))
        with field.frozen(f"gateway-{agency}"):
            _sent(field, partner, agency, ("queued",))
            with field.away(_BROKER):
                field.settle(hold)
                lost = _emptied(field)
    # The first rights of an empty broker are the super user's to give; the rest is not.
    eventually(lambda: _given_rights(field), _EMPTY)
    field.ready("registry", 120.0)
    return lost


def _sent(field: Field, sender: AgencyId, to: AgencyId, before: Collection[str]) -> None:
    """Send some, and wait until they are beyond these states: at the broker, or delivered."""
    tried = [send(field, sender, to) for _ in range(3)]
    sent = [each.id for each in tried if each is not None]
    demand(sent, f"{sender} took a message")
    gateway = field.district[sender]
    eventually(
        lambda: not any(gateway.sent(each).state in before for each in sent),
        _ON_ITS_WAY,
        shown=lambda: f"{sender} → {to} beyond {before}",
    )


def _waits(field: Field, sender: AgencyId, to: AgencyId) -> None:
    """Send one; too few have a copy of it, so that nobody may say that it is at the broker."""
    tried = taken(field, sender, to)
    field.settle(_WOULD_BE_THERE)
    state = field.district[sender].sent(tried.id).state
    demand(state == "queued", f"the message waits, and is not {state}")


def _emptied(field: Field) -> int:
    """Delete all that the broker has; returns how many inboxes it had."""
    storage = field.directory / "broker" / "1" / "data"
    topics = sum(1 for each in storage.iterdir() if each.name.startswith("inbox."))
    field.say("lose-data", process=_BROKER, inboxes=topics)
    demand(topics, "there was something to lose")
    shutil.rmtree(storage)
    Broker(field.directory, pki=field.district.stack.pki).prepare()  # formats, as operators would
    left = [each.name for each in storage.iterdir() if each.name.startswith("inbox.")]
    demand(not left, "nothing of it was left")
    return topics


def _given_rights(field: Field) -> bool:
    stack, described = field.district.stack, field.district.described
    try:
        bootstrap(described.broker.bootstrap, stack.super_user, stack.pki.service("registry"))
    except Unavailable as exc:  # it answers, and is not quite there yet
        field.say("rights-not-given-yet", code=exc.code)
        return False
    return True


@dataclass(frozen=True, slots=True)
class NodesDown:
    """Of three nodes some are gone for a while."""

    count: int
    hold: float = 20.0
    needs: frozenset[str] = frozenset({"three-brokers"})
    turn: Turn = "alone"

    @property
    def name(self) -> str:
        return {1: "one-of-three-brokers-down", 2: "two-of-three-brokers-down"}[self.count]

    @property
    def invariant(self) -> str:
        if self.count == 1:
            return "progress goes on"
        return "a clean refusal or the outbox, never a false success; then progress"

    def run(self, field: Field, rng: random.Random) -> Told:
        nodes = field.district.described.broker.nodes
        chosen = rng.sample(range(1, len(nodes) + 1), self.count)
        field.say("nodes-away", nodes=chosen)
        with ExitStack() as away:
            for number in chosen:
                away.enter_context(field.away(f"broker-{number}"))
            for number in chosen:
                port = int(nodes[number - 1].address.rsplit(":", 1)[1])
                demand(is_free(port), f"nobody listens at broker-{number}")
            field.settle(self.hold)
            agency = rng.choice(field.agencies)
            if self.count == 1:
                _sent(field, agency, partner_of(agency), ("queued", "sent"))
            else:
                _waits(field, agency, partner_of(agency))
        what = "went on" if self.count == 1 else "waited"
        said = (
            f"{self.count} of {len(nodes)} brokers away for {self.hold:.0f} s, and messages {what}"
        )
        return Told(what=said)


FAULTS = (Killed(), DataLost(), NodesDown(1), NodesDown(2))
