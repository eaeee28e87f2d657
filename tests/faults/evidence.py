"""What a run left behind, as values: all that the checker looks at, and nothing that it could ask.

Times are seconds since 1970 by the machine's own clock, which no fault bends.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from meldeweg.kernel.ids import AgencyId


class Phase(StrEnum):
    """How a call stands. `unknown`: it may have happened, and nobody was told."""

    INVOKED = "invoked"
    OK = "ok"
    FAIL = "fail"  # surely nothing was kept
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the history: one of two for each call of an API."""

    at: float
    op: int  # joins the two
    phase: Phase
    call: str  # send | pull | open | acknowledge | refuse
    agency: AgencyId  # whose gateway was called
    key: str | None = None  # send: the idempotency key, the same for each further try
    content: str | None = None  # SHA-256 as sent or opened; unique; a fault's own message has none
    to: AgencyId | None = None  # send: whom the order names
    thread: str | None = None  # send: with `n` the order within it; n+1 follows the answer to n
    n: int | None = None
    urgency: str | None = None
    retracts: str | None = None  # send: the message that this takes back
    also: AgencyId | None = None  # send: the office of the second place, which must have a copy
    impossible: bool = False  # send, answered: with the warning that a copy is impossible
    id: str | None = None  # the message
    sender: AgencyId | None = None  # open, acknowledge, refuse: whose message
    code: str | None = None  # fail, unknown: why; refuse, invoked: the reason that is given
    items: tuple[tuple[AgencyId, str], ...] = ()  # pull: (sender, id), in the order shown
    # send, answered: (recipient, id) of each linked copy; None: who noted it did not look
    linked: tuple[tuple[AgencyId, str], ...] | None = None
    members: Mapping[str, str] | None = None  # send, open: what it is besides its content


@dataclass(frozen=True, slots=True, kw_only=True)
class SentRow:
    """A row of the sender's store; `steps` are the kinds of its timeline."""

    id: str
    recipient: AgencyId
    digest: str
    urgency: str
    ack_by: float
    state: str
    # When it may be due, by what the district agreed for `urgency` and `created`; empty: not known.
    due: frozenset[float] = frozenset()
    exercise: bool | None = None  # None: nobody looked
    linked_to: str | None = None
    created: float = 0.0  # by its gateway's clock, as is the next
    delivered: float | None = None  # when it first heard so
    ended: float | None = None  # when nobody had to wait any more: taken, or given or taken back
    delete_after: float | None = None  # when that day begins
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRow:
    """A row of the recipient's store; `seq`: order of arrival; `steps`: its timeline.

    `came`, `ended`, `erased` are of its gateway's clock, `ack_by` of its sender's.
    `delete_after`: when that day begins; nothing of it may go before.
    """

    seq: int
    id: str
    sender: AgencyId
    digest: str
    urgency: str
    ack_by: float
    state: str
    topic: str
    offset: int
    delete_after: float
    overdue: bool = False
    came: float = 0.0
    ended: float | None = None
    erased: float | None = None
    retracted_by: str | None = None  # as its readers are shown
    steps: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OutRow:
    """A row of the outbox; `ref`: the record's own message digest."""

    seq: int
    topic: str
    kind: str
    ref: str | None
    produced: bool
    settled: bool
    included: bool = False  # its gateway says that the log has it
    appended: float | None = None  # the broker's time, when it last got it


@dataclass(frozen=True, slots=True)
class Aside:
    """A record that is parked or in quarantine; `digest`: of its statement, if it has one."""

    topic: str
    offset: int
    code: str
    digest: str | None = None


@dataclass(frozen=True, slots=True)
class StoreDump:
    """One gateway's store."""

    sent: tuple[SentRow, ...] = ()
    received: tuple[ReceivedRow, ...] = ()
    outbox: tuple[OutRow, ...] = ()
    parked: tuple[Aside, ...] = ()
    quarantined: tuple[Aside, ...] = ()
    counts: tuple[tuple[str, str], ...] = ()  # what a heartbeat would say (`counts`)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A record as a topic or the log shows it. Without `kind` it could not be read."""

    topic: str
    topic_id: str
    offset: int
    leaf: str  # hex; commits to the record's very bytes
    at: float = 0.0  # the broker's time; the log has none
    said: float | None = None  # an event's or heartbeat's own time, by its gateway's clock
    kind: str | None = None  # message | receipt | event | heartbeat
    sender: AgencyId | None = None
    to: AgencyId | None = None
    id: str | None = None
    digest: str | None = None  # its own; of an event: the message that it tells of
    of: str | None = None  # a receipt: the digest that it answers
    what: str | None = None  # kind of the receipt or event
    code: str | None = None
    partner: AgencyId | None = None  # an event: about whom
    urgency: str | None = None  # an event: of the message that it tells of, as is the next
    exercise: bool | None = None
    by: str | None = None  # an event: the reference of who did it
    counts: tuple[tuple[str, str], ...] = ()  # a heartbeat: what it says (`counts`)


@dataclass(frozen=True, slots=True, order=True)
class Barred:
    """An agency that was revoked for good; what was so before the moment, that does not excuse."""

    agency: AgencyId
    at: float  # before the order was given: nothing earlier is its doing


@dataclass(frozen=True, slots=True, order=True)
class PutBack:
    """A gateway's store that became its older copy again: from then to then its work is undone."""

    agency: AgencyId
    copied: float  # all that was committed before is in the copy
    back: float  # nothing was committed any more when it was put back


@dataclass(frozen=True, slots=True, order=True)
class Expired:
    """What a topic lost before its recipient read it: everything below an offset."""

    topic_id: str
    end: int


@dataclass(frozen=True, slots=True, order=True)
class Bent:
    """A clock that was off while its gateway and a partner had messages of each other."""

    agency: AgencyId
    partner: AgencyId
    at: float  # when it was bent: each time is one of its own


@dataclass(frozen=True, slots=True)
class Watched:
    """A list of watch's: of which messages; `whole`: it gave no longer one by its first page."""

    digests: frozenset[str]
    whole: bool = True


@dataclass(frozen=True, slots=True, order=True)
class Disturbed:
    """A gateway that a fault touched, by its own words, and the time until it was healed."""

    agency: AgencyId
    since: float
    until: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything, read after the last fault was healed and patience was had."""

    history: tuple[Entry, ...]
    stores: Mapping[AgencyId, StoreDump]
    topics: tuple[Seen, ...]  # what the broker still has
    log: tuple[Seen, ...]  # in its order
    log_problems: tuple[str, ...] = ()  # what the offline verifier found
    marked: tuple[str, ...] = ()  # files that hold a word of a content
    at: float = 0.0
    revoked: frozenset[Barred] = field(default_factory=frozenset)  # see fault.Told
    restored: frozenset[PutBack] = field(default_factory=frozenset)
    expired: frozenset[Expired] = field(default_factory=frozenset)
    bent: frozenset[Bent] = field(default_factory=frozenset)
    disturbed: frozenset[Disturbed] = field(default_factory=frozenset)
    watch: Mapping[str, Watched] = field(default_factory=dict)  # open | undelivered | overdue
    earlier: frozenset[str] = field(default_factory=frozenset)  # messages of before the run
    lying: frozenset[tuple[str, int]] = field(default_factory=frozenset)  # records of before it


def since(evidence: Evidence, before: Mapping[AgencyId, StoreDump]) -> Evidence:
    """Leave out what was taken, or put aside, before a run began; the log stays whole."""
    old = {(agency, row.id) for agency, store in before.items() for row in store.sent}
    aside = {agency: frozenset(store.quarantined) for agency, store in before.items()}
    stores = {
        agency: replace(
            store,
            sent=tuple(row for row in store.sent if (agency, row.id) not in old),
            received=tuple(row for row in store.received if (row.sender, row.id) not in old),
            quarantined=tuple(
                row for row in store.quarantined if row not in aside.get(agency, frozenset())
            ),
        )
        for agency, store in evidence.stores.items()
    }
    rows = (row for store in before.values() for row in (*store.sent, *store.received))
    began = min((entry.at for entry in evidence.history), default=0.0)
    return replace(
        evidence,
        stores=stores,
        earlier=frozenset(row.digest for row in rows),
        lying=frozenset((s.topic_id, s.offset) for s in evidence.topics if s.at < began),
    )


class Kind(StrEnum):
    """What must never be."""

    LOST = "lost"
    DUPLICATED = "duplicated"
    DISORDERED = "out of order"
    MISDELIVERED = "misdelivered"
    CHANGED = "changed"  # other than it was ordered, or sent
    INVENTED = "invented"  # an effect that nobody's call explains
    UNAUDITED = "unaudited"
    UNREADABLE = "unreadable"
    STUCK = "stuck"
    SILENT = "immediate and silent"
    FALSE_ALARM = "false alarm"
    PLAINTEXT = "plaintext"


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One violation; `about` names a message, a key, a place or a file."""

    kind: Kind
    about: str
    why: str
