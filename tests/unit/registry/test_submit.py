"""What the registry's desk publishes for good, and what it refuses before that."""

from collections import defaultdict
from datetime import timedelta

import pytest

from meldeweg.kernel import keyfile, signing, topics
from meldeweg.kernel.clock import from_rfc3339
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.trust.issue import signed
from meldeweg.kernel.trust.objects import AgencyStatus, Enrolment, ServiceKey, Status
from meldeweg.kernel.trust.register import Register
from meldeweg.registry.submit import Desk, topic_of

NOW = from_rfc3339("2026-11-22T18:00:00.000Z")
LATER = NOW + timedelta(hours=1)
OFFICE = AgencyId("jugendamt-kempen")


class Book:
    """The registry's copy, in memory."""

    def __init__(self):
        self.kept = []

    async def keep(self, records):
        self.kept += [each for each in records if each not in self.kept]

    async def of(self, topic):
        return [value for each, value in self.kept if each == topic]


class Provisioner:
    """There is no broker here."""

    def wake(self):
        pass

    async def settle(self):
        pass


class Feed:
    """What was read from the topics."""

    def __init__(self):
        self.seen = defaultdict(set)


@pytest.fixture
def anchor(places):
    return keyfile.read_signing_key(places.offline("anchor.jwk"))


@pytest.fixture
async def desk(places, anchor):
    key = keyfile.read_signing_key(places.service_key("registry"))
    desk = Desk(Register(anchor.public), Book(), Feed(), None, Provisioner(), key)
    for path in sorted(places.issued().iterdir()):
        await desk.submit(path.read_bytes())
    return desk


@pytest.fixture
def enrolment(places):
    value = places.issued(f"2-{OFFICE}").read_bytes()
    return Enrolment.read_signed(signing.parse(value, Typ.ENROLMENT).payload, "made-here")


def foreign(body, typ, key):
    """Sign as software does that asks nothing of a name or a reason."""
    return signing.sign(key, typ, body.bytes()).encode()


def suspended(reason):
    return Status(v=1, agency=OFFICE, status=AgencyStatus.SUSPENDED, n=1, reason=reason, at=LATER)


async def refused(desk, value):
    before = list(desk._book.kept)
    with pytest.raises(Refused) as caught:
        await desk.submit(value)
    assert desk._book.kept == before
    return caught.value.code


@pytest.mark.parametrize(
    "text", ["a\0b", "\x1b[2J", "a\nb", "a\u202eb", "\x9b2J", "   ", "\u200b", "- -"]
)
async def test_a_name_or_a_reason_that_steers_a_terminal_is_not_published(
    desk, anchor, enrolment, text
):
    renamed = enrolment.model_copy(update={"name": text, "at": LATER})
    assert await refused(desk, foreign(renamed, Typ.ENROLMENT, anchor)) == "enrolment-malformed"
    assert desk._register.agency(OFFICE).name == enrolment.name
    stop = foreign(suspended(text), Typ.STATUS, anchor)
    assert await refused(desk, stop) == "reason-malformed"
    with pytest.raises(Refused, match="reason-malformed"):
        await desk.set_status(OFFICE, AgencyStatus.SUSPENDED, text, LATER)
    assert desk._register.status(OFFICE) is AgencyStatus.ACTIVE


async def test_what_was_published_before_that_was_asked_is_known(desk, anchor, enrolment):
    renamed = enrolment.model_copy(update={"name": "Alt\0", "at": LATER})
    old = [
        foreign(renamed, Typ.ENROLMENT, anchor),
        foreign(suspended("alt\x1b[2J"), Typ.STATUS, anchor),
    ]
    for value in old:
        desk._register.apply(topic_of(value), value)
        desk._feed.seen[topics.REGISTRY_AGENCIES].add(Digest.of(value))
    for value in old:
        assert await desk.submit(value) == Digest.of(value)


async def test_an_enrolment_older_than_what_counts_is_refused(desk, anchor, enrolment):
    newer = signed(enrolment.model_copy(update={"name": "Neu", "at": LATER}), anchor)
    older = signed(enrolment.model_copy(update={"name": "Alt"}), anchor)
    await desk.submit(newer)
    kept = list(desk._book.kept)
    assert await refused(desk, older) == "record-superseded"
    assert await desk.submit(newer) == Digest.of(newer)
    await desk.submit(signed(enrolment, anchor))  # superseded, and known: nothing is asked of it
    assert desk._book.kept == kept
    assert desk._register.agency(OFFICE).name == "Neu"


async def test_a_services_key_older_than_what_counts_is_refused(desk, anchor, places):
    value = places.issued("1-audit").read_bytes()
    known = ServiceKey.read_signed(signing.parse(value, Typ.SERVICE_KEY).payload, "made-here")
    longer = known.verify_until + timedelta(days=9)
    before = known.model_copy(
        update={"verify_until": longer, "at": known.at - timedelta(milliseconds=1)}
    )
    assert await refused(desk, signed(before, anchor)) == "record-superseded"
    after = known.model_copy(update={"verify_until": longer, "at": LATER})
    assert await desk.submit(signed(after, anchor))
    # What withdraws a key for good counts however old it says that it is.
    withdrawn = before.model_copy(update={"verify_until": known.at - timedelta(days=1)})
    assert await desk.submit(signed(withdrawn, anchor))
