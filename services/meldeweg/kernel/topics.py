"""Topics and their configuration as data. Names are never used twice; nothing creates them but
the registry, from what this module says."""

from dataclasses import dataclass

from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId

REGISTRY_AGENCIES = "registry.agencies"
REGISTRY_AGREEMENTS = "registry.agreements"
REGISTRY_SNAPSHOTS = "registry.snapshots"
AUDIT_CHECKPOINTS = "audit.checkpoints"
AUDIT_COSIGNATURES = "audit.cosignatures"
CENTRAL = (
    REGISTRY_AGENCIES,
    REGISTRY_AGREEMENTS,
    REGISTRY_SNAPSHOTS,
    AUDIT_CHECKPOINTS,
    AUDIT_COSIGNATURES,
)

RECORD_MAX = 2 * 1024 * 1024  # bytes; a request body is at most half of it (ARCHITECTURE, defaults)
# The part of a value that the audit keeps, sealed: some kB. A longer one is not kept, so that no
# recipient may take it: an officer could not see why it was sent.
SEALED_RECORD_MAX = 256 * 1024
_DAY_MS = 24 * 60 * 60 * 1000
EXCHANGE_DAYS = 30  # how long inboxes and events are kept


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic as it must exist: always one partition, so that offsets are dense and ordered."""

    name: str
    config: dict[str, str]
    partitions: int = 1


def inbox(recipient: AgencyId, sender: AgencyId) -> str:
    """Messages and receipts from `sender` to `recipient`; only `sender` may write it."""
    return f"inbox.{recipient}.{sender}"


def inbox_prefix(recipient: AgencyId) -> str:
    return f"inbox.{recipient}."


def keys(agency: AgencyId) -> str:
    """Certified keys of an agency, append-only."""
    return f"keys.{agency}"


def keys_prefix() -> str:
    return "keys."


def contacts(agency: AgencyId) -> str:
    """Contacts and duty rota of an agency, compacted."""
    return f"contacts.{agency}"


def events(agency: AgencyId) -> str:
    """What the agency's gateway did on its own, and its heartbeats."""
    return f"events.{agency}"


def parse_inbox(topic: str) -> tuple[AgencyId, AgencyId]:
    """Return (recipient, sender) of an inbox topic, or refuse `topic-malformed`."""
    parts = topic.split(".")
    if len(parts) != 3 or parts[0] != "inbox":
        raise Refused("topic-malformed", "not an inbox topic")
    try:
        return AgencyId(parts[1]), AgencyId(parts[2])
    except Refused as exc:
        raise Refused("topic-malformed", "not two agencies") from exc


def of_agency(agency: AgencyId) -> tuple[Topic, ...]:
    """Return the topics an enrolled agency owns, apart from its inboxes."""
    return (described(keys(agency)), described(contacts(agency)), described(events(agency)))


def described(name: str) -> Topic:
    """Give a topic its configuration by the first part of its name.

    `compression.type=uncompressed`: a compressed batch could block a consumer that lacks the codec.
    Retention is by time alone, never by size: a flood must not push out what is not yet read.
    """
    kind = name.split(".", 1)[0]
    common = {
        "compression.type": "uncompressed",
        "message.timestamp.type": "LogAppendTime",
        "max.message.bytes": str(RECORD_MAX + 64 * 1024),
        "retention.bytes": "-1",
    }
    match kind:
        case "inbox" | "events":
            own = {"cleanup.policy": "delete", "retention.ms": str(EXCHANGE_DAYS * _DAY_MS)}
        case "keys":
            own = {"cleanup.policy": "delete", "retention.ms": "-1"}
        case "registry" if name == REGISTRY_SNAPSHOTS:
            own = {"cleanup.policy": "delete", "retention.ms": str(30 * _DAY_MS)}
        case "registry" | "audit":
            own = {"cleanup.policy": "delete", "retention.ms": "-1"}
        case "contacts":
            own = {"cleanup.policy": "compact"}
        case _:
            raise Refused("topic-malformed", f"no configuration for {kind}")
    return Topic(name, common | own)
