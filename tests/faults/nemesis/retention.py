"""A recipient that is off until its topics have forgotten what they held."""

import asyncio
import random
from dataclasses import dataclass

from confluent_kafka import TopicPartition  # noqa: TID251 - a fault, by the super user
from confluent_kafka.admin import AdminClient  # noqa: TID251 - a fault, by the super user

from faults.evidence import Expired
from faults.fault import Field, Told, Turn
from faults.nemesis.effect import demand
from faults.nemesis.traffic import agency_of, partner_of, send
from meldeweg.kernel.bus.admin import Admin
from meldeweg.kernel.bus.connection import Connection
from meldeweg.kernel.bus.records import Place

_READ_BY_AUDIT = 5.0  # seconds; expiry takes thirty days, the audit far less


@dataclass(frozen=True, slots=True)
class OffPastRetention:
    """One gateway is away; everything that was written to it meanwhile expires."""

    hold: float = 15.0
    name: str = "recipient-off-past-retention"
    needs: frozenset[str] = frozenset()
    turn: Turn = "alone"
    invariant: str = "what was not delivered is produced again, and arrives"

    def run(self, field: Field, rng: random.Random) -> Told:
        process = rng.choice(field.gateways())
        agency = agency_of(process)
        connection = field.district.super_user()
        with field.away(process):
            before = asyncio.run(_inboxes(connection, f"inbox.{agency}."))
            for _ in range(3):
                send(field, partner_of(agency), agency)
            field.settle(self.hold)
            ends = asyncio.run(_inboxes(connection, f"inbox.{agency}."))
            field.settle(_READ_BY_AUDIT)
            unread = sum(end - before[place][1] for place, (_, end) in ends.items())
            field.say("expire", agency=agency, unread=unread)
            demand(unread > 0, "something was written to it while it was away")
            _expire(connection, {place: end for place, (_, end) in ends.items()})
            ids = asyncio.run(_ids(connection, {topic for topic, _ in ends}))
            now = asyncio.run(_inboxes(connection, f"inbox.{agency}."))
            demand(all(now[place][0] >= end for place, (_, end) in ends.items()), "it expired")
        return Told(
            what=f"{process} away, {unread} records that it had not read expired",
            expired=frozenset(Expired(ids[topic], end) for (topic, _), (_, end) in ends.items()),
        )


async def _inboxes(connection: Connection, prefix: str) -> dict[Place, tuple[int, int]]:
    admin = Admin(connection)
    try:
        names = [name for name in await admin.topics() if name.startswith(prefix)]
        return await admin.offsets(names)
    finally:
        await admin.close()


async def _ids(connection: Connection, names: set[str]) -> dict[str, str]:
    admin = Admin(connection)
    try:
        return {name: str(each) for name, each in (await admin.topic_ids(names)).items()}
    finally:
        await admin.close()


def _expire(connection: Connection, ends: dict[Place, int]) -> None:
    admin = AdminClient(connection.admin_options())
    wanted = [TopicPartition(*place, end) for place, end in ends.items()]
    for future in admin.delete_records(wanted).values():
        future.result(30)


FAULTS = (OffPastRetention(),)
