"""Facts that only the bus has: the rights that hold, the registry's newest word, others' clocks.

A right to read is tried by a fetch; a right to write by the broker's metadata (WRITE lets a
principal see a topic, nothing else of a gateway's does for these), so that nothing is written.
"""

import asyncio
from collections.abc import Iterable

from meldeweg.doctor.facts import ClockFacts, RightsFacts, SnapshotFacts
from meldeweg.doctor.gather_net import at
from meldeweg.kernel import event, signing, topics
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.probe import newest, read_is_allowed
from meldeweg.kernel.bus.replay import read_all
from meldeweg.kernel.bus.rights import Acl, Operation, Pattern, Resource
from meldeweg.kernel.clock import Clock
from meldeweg.kernel.errors import Refused, Unavailable
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.jwk import SignatureKey
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.trust.objects import Snapshot
from meldeweg.kernel.trust.register import Register
from meldeweg.registry.provisioning import desired

_AT_ONCE = 4  # probes side by side


async def snapshot(connection: Connection, clock: Clock) -> tuple[SnapshotFacts, ClockFacts | None]:
    """Read the newest snapshot; the time the broker gave it is one that has been."""
    try:
        record = await newest(connection, topics.REGISTRY_SNAPSHOTS)
    except Refused:
        return SnapshotFacts(None), None
    if record is None or record.value is None:
        return SnapshotFacts(None), None
    passed = ClockFacts("broker", clock.now(), at(record.timestamp), at_least=True)
    try:
        parsed = signing.parse(record.value, Typ.SNAPSHOT)
        found = Snapshot.read_signed(parsed.payload, "snapshot-malformed")
    except Refused:
        return SnapshotFacts(None), passed
    return SnapshotFacts(found.at), passed


async def rights(
    connection: Connection, agency: AgencyId, anchor: SignatureKey, clock: Clock
) -> RightsFacts:
    """Try every right that the register, as far as it can be read, gives this agency."""
    register = Register(anchor)
    trust = (topics.REGISTRY_AGENCIES, topics.REGISTRY_AGREEMENTS)
    blind = [topic for topic in trust if not await _may_read(connection, topic)]
    for record in await read_all(connection, trust):
        _take(register, record.topic, record.value)
    if agency not in register.agencies():
        return RightsFacts("", tuple(blind))
    plan = desired(register, clock.now())
    mine = [
        acl
        for acl in plan.acls
        if acl.principal == f"gw-{agency}" and acl.resource is Resource.TOPIC
    ]
    seen = await Admin(connection).topics()
    reads = sorted(set(_named(mine, Operation.READ, plan.topics)))
    writes = sorted(set(_named(mine, Operation.WRITE, plan.topics)) - set(reads))
    return RightsFacts(
        register.status(agency).value,
        tuple(await _refused(connection, reads, seen)),
        tuple(topic for topic in writes if topic not in seen),
    )


async def clock_of(connection: Connection, agency: AgencyId) -> ClockFacts | None:
    """Compare a gateway's clock with the broker's, by its newest event or heartbeat."""
    try:
        record = await newest(connection, topics.events(agency))
        if record is None:
            return None
        told = event.judge(record.topic, record.key, record.headers, record.value)
    except Refused:
        return None
    return ClockFacts("broker", told.body.at, at(record.timestamp))


def _take(register: Register, topic: str, value: bytes | None) -> None:
    try:
        register.apply(topic, value)
    except Refused:
        return  # nonsense on a topic of trust counts for nobody


def _named(acls: Iterable[Acl], operation: Operation, names: Iterable[str]) -> Iterable[str]:
    """Yield the topics that rights of one kind name, prefixes unfolded."""
    for acl in acls:
        if acl.operation is operation and acl.pattern is Pattern.LITERAL:
            yield acl.name
        elif acl.operation is operation:
            yield from (name for name in names if name.startswith(acl.name))


async def _refused(connection: Connection, reads: list[str], seen: set[str]) -> list[str]:
    turn = asyncio.Semaphore(_AT_ONCE)

    async def refused(topic: str) -> bool:
        async with turn:
            return topic not in seen or not await _may_read(connection, topic)

    found = await asyncio.gather(*map(refused, reads))
    return [topic for topic, no in zip(reads, found, strict=True) if no]


async def _may_read(connection: Connection, topic: str) -> bool:
    try:
        await read_is_allowed(connection, topic)
    except (Refused, Unavailable):
        return False
    return True
