"""What one poll of the bus brought, as entries that wait for the ledger.

Guarantees: records keep their order within a topic; a topic made anew is another one. Trusts: the
reader for topic ids and order.
"""

from collections.abc import Mapping

from meldeweg.audit.project import Entry, project
from meldeweg.kernel.bus.positions import Reset
from meldeweg.kernel.bus.read import Found
from meldeweg.kernel.bus.records import Place
from meldeweg.kernel.errors import Fatal

Projected = dict[tuple[str, bytes], list[Entry]]
"""(topic, topic id) -> entries"""


def projected(found: Mapping[Place, Found]) -> Projected:
    """The entries of one poll (in a thread: hashing takes its time)."""
    made: Projected = {}
    for (topic, partition), records in found.items():
        if isinstance(records, Reset) or not records:
            continue
        if partition != 0:
            raise Fatal("topic-partitions", f"{topic} has more than one partition")
        topic_id = records[0].topic_id.bytes
        made[topic, topic_id] = [project(topic_id, record) for record in records]
    return made


def size(held: Projected) -> int:
    """Bytes that these entries keep in memory, nearly."""
    return sum(
        len(each.canonical) + len(each.sealed or b"")
        for entries in held.values()
        for each in entries
    )
