"""What the registry does to a broker, in which order, and when it must not."""

import pytest

from meldeweg.kernel import keyfile, logs, topics
from meldeweg.kernel.bus.rights import Acl, Operation, Pattern, Resource
from meldeweg.kernel.clock import FixedClock, from_rfc3339
from meldeweg.kernel.errors import Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.trust.register import Register
from meldeweg.registry import apply
from meldeweg.registry.apply import Provisioner

NOW = from_rfc3339("2026-11-22T18:00:00.000Z")
INBOX = topics.inbox(AgencyId("jugendamt-kreis-viersen"), AgencyId("polizei-viersen"))
STRAY = Acl(Resource.TOPIC, Pattern.LITERAL, INBOX, "gw-jugendamt-kempen", Operation.READ)


class Broker:
    """What `Admin` asks and tells a broker; its authorizer is `late` by so many looks."""

    def __init__(self, *, late=0, full=False):
        self.there, self.given, self.seen = {}, set(), set()
        self._late, self._full = late, full
        self._behind = 0

    async def topics(self):
        return set(self.there)

    async def configs(self, names):
        return {name: self.there[name] for name in names}

    async def acls(self):
        if self._behind:
            self._behind -= 1
        else:
            self.seen = set(self.given)
        return set(self.seen)

    async def create_topics(self, wanted, *, replication):
        if self._full:
            raise Unavailable("broker-unreachable")
        self.there |= {topic.name: topic.config for topic in wanted}

    async def alter_configs(self, wanted):
        for topic in wanted:
            self.there[topic.name] |= topic.config

    async def create_acls(self, acls):
        self._change(self.given | set(acls))

    async def delete_acls(self, acls):
        self._change(self.given - set(acls))

    def _change(self, given):
        if given != self.given:
            self.given, self._behind = given, self._late


@pytest.fixture(autouse=True)
def _logs():
    logs.configure(service="test", strict=True)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(apply, "_LOOK", 0)


def provisioner(register, broker):
    return Provisioner(register, broker, FixedClock(NOW), replication=1, period=60)


async def test_a_register_that_knows_nobody_takes_no_right_away(places):
    """Database and topics of trust may be lost together; the rights are in the broker's own log."""
    broker = Broker()
    broker.given = {STRAY}
    empty = Register(keyfile.read_public_key(places.anchor))
    with pytest.raises(Unavailable, match="register-empty"):
        await provisioner(empty, broker).reconcile()
    assert (broker.given, broker.there) == ({STRAY}, {})


async def test_a_right_is_taken_at_once_and_none_given_before_its_topic_is_there(register):
    broker = Broker(full=True)
    broker.given = {STRAY}
    with pytest.raises(Unavailable, match="broker-unreachable"):
        await provisioner(register, broker).reconcile()
    assert broker.given == set()


@pytest.mark.parametrize("late", [0, 3])
async def test_it_is_settled_once_the_broker_itself_says_so(register, late):
    broker = Broker(late=late)
    broker.given = {STRAY}
    await provisioner(register, broker).settle()
    assert broker.seen == broker.given
    assert STRAY not in broker.seen
    assert INBOX in broker.there


async def test_a_broker_that_never_says_so_is_not_waited_for_for_ever(register, monkeypatch):
    monkeypatch.setattr(apply, "_SETTLED", 0.2)
    with pytest.raises(Unavailable, match="provisioning-not-settled"):
        await provisioner(register, Broker(late=1_000_000)).settle()
