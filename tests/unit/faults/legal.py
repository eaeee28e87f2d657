"""Runs as they may be: a small model of the path that makes evidence in which nothing is wrong."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from hashlib import sha256

from faults.evidence import (
    Barred,
    Entry,
    Evidence,
    OutRow,
    Phase,
    ReceivedRow,
    Seen,
    SentRow,
    StoreDump,
    Watched,
)
from meldeweg.kernel.ids import AgencyId

POLICE, WEST, EAST = map(AgencyId, ("polizei-probe", "jugendamt-west", "jugendamt-ost"))
GONE = AgencyId("jugendamt-fort")  # revoked in every run: the one that messages may come back from
AGENCIES = (POLICE, WEST, EAST, GONE)
END = 10_000  # when the evidence is read
REVOKED = END - 50  # `GONE`
ERASED = END - 30  # when what is due was erased
WORK = 1000  # from then on heartbeats are told, and what is late is late
FATES = ("delivered", "acknowledged", "refused", "turned-away", "undeliverable", "erased")
BACK = ("turned-away", "undeliverable")  # by a gateway: legal for what is from or to `GONE` alone
ANSWERS = ("ok", "again", "late", "unheard", "failed", "never")


def _hex(*parts):
    return sha256("/".join(map(str, parts)).encode()).hexdigest()


@dataclass(kw_only=True)
class Said:
    """One message: how its sender's call went, and what became of it."""

    sender: AgencyId = POLICE
    to: AgencyId = WEST
    thread: str = "t"
    urgency: str = "today"
    answer: str = "ok"  # of ANSWERS
    fate: str = "acknowledged"  # of FATES
    parked: int = 0  # for how many later messages it waits
    lost: bool = False  # with the broker, and produced again
    twice: bool = False  # on the topic
    overdue: bool = False
    late: bool = False  # delivered and taken long after its deadline
    foreign: bool = False  # a fault's own: its content is unknown
    copy: AgencyId | None = None  # who gets a linked copy
    main: "Said | None" = None  # of a linked copy: the message
    n: int = 0
    sent_at: float = 0.0
    id: str = field(default="", init=False)

    @property
    def kept(self):
        return self.answer not in ("failed", "never")

    @property
    def arrives(self):
        return self.kept and self.fate not in ("turned-away", "undeliverable")

    @property
    def digest(self):
        return _hex("digest", self.id)

    @property
    def content(self):
        return _hex("content", self.main.n if self.main else self.n)

    @property
    def members(self):
        """What it is besides its content; a copy has some of its own."""
        first = self.main or self
        return {
            "type": "notification",
            "exercise": "False",
            "thread": first.thread or "",
            "in_reply_to": f"id-before-{self.n}" if self.main else "",
            "labels": _hex("labels", first.n),
        }

    @property
    def answered(self):
        return {"kennzeichen": f"K-{self.n}", "clause": f"clause-{self.n}", "exercise": "False"}

    @property
    def topic(self):
        return f"inbox.{self.to}.{self.sender}"


class Run:
    """All messages of a run, in the order sent; `broker_lost` before the message of that number."""

    def __init__(self, said, broker_lost=None):
        self.said, self._broker_lost = [], broker_lost
        for each in said:
            self.said.append(each)
            if each.copy is not None:
                copy = replace(each, to=each.copy, copy=None, main=each, parked=0)
                self.said.append(copy)
        self._history, self._op = [], 0
        self._log, self._topics, self._next = [], [], defaultdict(int)
        self._newest = 1 if broker_lost is None else 2  # generation of the topics
        for n, each in enumerate(self.said):
            each.n, each.sent_at, each.id = n, 100.0 + 10 * n, f"id-{n}"
        self._produce()
        for each in self.said:
            if each.main is None:
                self._call(each)
        self._receive()
        if any(each.late for each in self.said):
            self._work(range(WORK, WORK + 230, 5))
        self._work(range(END - 12, END, 5))

    def evidence(self):
        stores = {
            agency: StoreDump(
                sent=tuple(self._sent(m) for m in self.said if m.kept and m.sender == agency),
                received=tuple(self._received[agency]),
                outbox=tuple(
                    OutRow(m.n, m.topic, "message", m.digest, produced=True, settled=True)
                    for m in self.said
                    if m.kept and m.sender == agency
                ),
                counts=self._counts(agency, END),
            )
            for agency in AGENCIES
        }
        return Evidence(
            history=tuple(self._history),
            stores=stores,
            topics=tuple(self._topics),
            log=tuple(self._log),
            at=END,
            watch=self._watch(),
            revoked=frozenset({Barred(GONE, REVOKED)}),
        )

    def _watch(self):
        """Show what nobody took; what came back by its sender's word as well, and what is due."""
        open_ = [m for m in self.said if m.kept and m.fate in ("delivered", "undeliverable")]
        chosen = {
            "open": open_,
            "undelivered": [m for m in open_ if not m.arrives],
            "overdue": [m for m in open_ if self._ack_by(m) < END],
        }
        return {
            state: Watched(frozenset(m.digest for m in found)) for state, found in chosen.items()
        }

    # -- calls -------------------------------------------------------------------------------

    def _invoke(self, at, call, agency, ends, **asked):
        for phase, told in ends:
            self._op += 1
            first = {"op": self._op, "call": call, "agency": agency}
            self._history.append(Entry(at=at, phase=Phase.INVOKED, **first, **asked))
            if phase is not None:
                self._history.append(Entry(at=at + 1, phase=phase, **first, **told))
            at += 2

    def _call(self, m):
        linked = tuple((each.to, each.id) for each in self.said if each.main is m)
        told = {"id": m.id} | ({} if m.foreign else {"linked": linked, "members": m.answered})
        ok, unknown = (Phase.OK, told), (Phase.UNKNOWN, {"code": "unreachable"})
        ends = {
            "ok": [ok],
            "again": [ok, ok],
            "late": [unknown, unknown, ok],
            "unheard": [unknown],
            "failed": [(Phase.FAIL, {"code": "store-busy"})],
            "never": [(None, {})],
        }[m.answer]
        asked = {"key": f"key-{m.n}", "content": m.content, "to": m.to, "urgency": m.urgency}
        asked |= {"thread": m.thread, "n": m.n, "members": m.members, "also": m.copy}
        if m.foreign:
            asked = {"key": f"key-{m.n}", "to": m.to if m.answer == "ok" else None}
        self._invoke(m.sent_at, "send", m.sender, ends, **asked)

    def _looks(self, m, row, pages):
        pages.append((m.sender, m.id))
        opened = {"id": m.id, "sender": m.sender}
        look = [(Phase.UNKNOWN, {"code": "unreachable"}), (Phase.OK, {"content": m.content})]
        look[1][1]["members"] = m.members | m.answered
        if m.fate == "delivered":
            return
        self._invoke(END - 500, "open", m.to, look, **opened)
        for _ in range(2):  # the unheard one happened, too
            self._event(m.to, "opened", m)
        word = "refused" if m.fate == "refused" else "acknowledged"  # what is erased was taken
        call = {"acknowledged": "acknowledge", "refused": "refuse"}[word]
        given = {"code": "not-permitted"} if call == "refuse" else {}
        self._invoke(END - 400, call, m.to, [(Phase.OK, {})], **opened, **given)
        self._receipt(m, word, "not-permitted" if word == "refused" else None)

    # -- the bus -----------------------------------------------------------------------------

    def _record(self, topic, generation, at, there, **told):
        topic_id = f"{topic}#{generation}"
        offset = self._next[topic_id]
        self._next[topic_id] += 1
        seen = Seen(
            topic=topic,
            topic_id=topic_id,
            offset=offset,
            leaf=_hex(topic_id, offset),
            at=at,
            **told,
        )
        self._log.append(seen)
        if there:
            self._topics.append(seen)
        return seen

    def _message(self, m, generation, at, there):
        told = {"kind": "message", "sender": m.sender, "to": m.to, "id": m.id, "digest": m.digest}
        return self._record(m.topic, generation, at, there, **told)

    def _event(self, agency, what, m, code=None, said=None):
        told = {"kind": "event", "sender": agency, "digest": m.digest, "what": what, "code": code}
        told |= {"said": said, "id": f"{what}-{len(self._log)}", "exercise": False}
        told |= {"urgency": m.urgency, "by": "0" * 32 if what == "opened" else None}
        self._record(f"events.{agency}", 1, END, True, **told)

    def _receipt(self, m, what, code=None):
        told = {"kind": "receipt", "sender": m.to, "to": m.sender, "of": m.digest, "what": what}
        digest = _hex("receipt", what, m.id)
        told |= {"id": f"{what}-{m.id}", "code": code}
        self._record(f"inbox.{m.sender}.{m.to}", self._newest, END, True, digest=digest, **told)

    def _produce(self):
        self._places, again = {}, []
        for m in (m for m in self.said if m.kept):
            before = self._broker_lost is not None and m.n < self._broker_lost
            m.lost = m.lost and before
            generation = 1 if before else self._newest
            at = END - 5000 + m.n
            self._places[m.n] = self._message(m, generation, at, not before)
            if m.twice:
                self._message(m, generation, at, not before)
            if m.lost:
                again.append(m)
        for m in again:
            self._places[m.n] = self._message(m, 2, END - 4000 + m.n, True)

    # -- both ends ---------------------------------------------------------------------------

    def _receive(self):
        self._received, pages = defaultdict(list), defaultdict(list)

        def turn(m):
            return (m.lost, m.n + m.parked + (0.5 if m.parked else 0.0))

        for m in sorted((m for m in self.said if m.kept), key=turn):
            self._apart(m)
            if not m.arrives:
                continue
            self._receipt(m, "delivered")
            state = "received" if m.fate == "delivered" else m.fate
            gone = m.fate == "erased"  # it was taken before
            self._calls_out(m)
            row = ReceivedRow(
                seq=len(self._received[m.to]) + 1,
                id=m.id,
                sender=m.sender,
                digest=m.digest,
                urgency=m.urgency,
                ack_by=self._ack_by(m),
                state=state,
                topic=m.topic,
                offset=self._places[m.n].offset,
                delete_after=ERASED - 1 if gone else END + 1000,
                erased=ERASED if gone else None,
                steps=("opened", "acknowledged", "expired") if gone else (),
                overdue=m.overdue or m.late,
                came=self._heard(m) - 1,
                ended=None if m.fate == "delivered" else self._ended(m),
            )
            self._received[m.to].append(row)
            self._looks(m, row, pages[m.to])
        for agency, shown in pages.items():
            half = len(shown) // 2
            for part in (shown[:half], shown[half:], []):
                self._invoke(END - 600, "pull", agency, [(Phase.OK, {"items": tuple(part)})])

    def _apart(self, m):
        if m.parked and m.fate != "undeliverable":
            self._event(m.to, "parked", m, "signer-unknown")
            self._event(m.to, "alarm", m, "signer-unknown")
            self._event(m.to, "released", m, "signer-unknown")
        if m.fate == "turned-away":
            self._event(m.to, "quarantined", m, "content-invalid")
            self._event(m.to, "alarm", m, "content-invalid")
            self._receipt(m, "refused", "content-invalid")
        if m.fate == "turned-away":
            self._event(m.sender, "alarm", m, "content-invalid")
        if m.fate == "refused":
            self._event(m.sender, "alarm", m, "not-permitted")
        if m.fate == "undeliverable":
            self._event(m.sender, "undeliverable", m, "key-expired")

    def _calls_out(self, m):
        """Both ends tell of a deadline that passes, and the sender of a `delivered` that lacks."""
        if m.overdue or m.late:
            for agency in (m.sender, m.to):
                self._event(agency, "overdue", m, said=self._ack_by(m) + 2)
        if m.late and m.urgency == "immediate":
            self._event(m.sender, "alarm", m, "not-delivered")

    def _work(self, times):
        """Every gateway makes its heartbeats while somebody is late, and at the end."""
        for agency in AGENCIES:
            about = {"kind": "heartbeat", "sender": agency}
            for at in times:
                about |= {"said": at, "counts": self._counts(agency, at)}
                self._record(f"events.{agency}", 1, END, True, **about)

    def _counts(self, agency, at):
        """What it says of itself then, without its numbers."""
        own = (m for m in self.said if m.kept and m.sender == agency)
        waiting = sum(m.sent_at < at < min(self._waits_until(m), self._ack_by(m)) for m in own)
        return (("parked", "0"), ("quarantined", "0"), ("waiting", str(waiting)))

    def _waits_until(self, m):
        return self._heard(m) if m.arrives else self._ended(m)

    def _ack_by(self, m):
        if m.late:
            return WORK + m.n
        return END - 100 if m.overdue else END + 100

    def _heard(self, m):
        return WORK + 100.0 + m.n if m.late else m.sent_at + 2

    def _ended(self, m):
        if m.overdue and not m.late:
            return END - 40
        return WORK + 200.0 + m.n if m.late else m.sent_at + 4

    def _sent(self, m):
        state = {"turned-away": "refused", "erased": "acknowledged"}.get(m.fate, m.fate)
        if (m.overdue or m.late) and state == "delivered":
            state = "overdue"
        steps = ("sent", "delivered", state) if m.arrives else ("sent", state)
        if m.late:
            steps = ("sent", "overdue", *steps[1:])
        return SentRow(
            id=m.id,
            recipient=m.to,
            digest=m.digest,
            urgency=m.urgency,
            exercise=False,
            ack_by=self._ack_by(m),
            state=state,
            linked_to=m.main.id if m.main else None,
            created=m.sent_at,
            delivered=self._heard(m) if m.arrives else None,
            ended=None if state in ("delivered", "overdue") else self._ended(m),
            delete_after=ERASED - 1 if m.fate == "erased" else END + 1000,
            steps=steps,
        )
