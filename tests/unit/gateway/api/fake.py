"""Flows that answer what a test tells them to, and remember what they were asked."""

import base64
from datetime import UTC, datetime

import httpx2

from meldeweg.gateway.api import arrived, auth, registered, shapes
from meldeweg.gateway.api.app import build
from meldeweg.gateway.api.ports import Accepted, Ports, Scope, Token
from meldeweg.gateway.states import ReceivedState, SentState
from meldeweg.kernel.ids import AgencyId, Ags, Digest, Kennzeichen, MessageId
from meldeweg.kernel.service import http
from meldeweg.kernel.statement import ReceiptKind, Urgency

NOW = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
ME = AgencyId("polizei-viersen")
OFFICE = AgencyId("jugendamt-kreis-viersen")
ID = MessageId("01936f2a-0000-7000-8000-000000000001")
OTHER_ID = MessageId("01936f2a-0000-7000-8000-000000000002")
SECRETS = {
    name: auth.PREFIX + base64.urlsafe_b64encode(name.encode().ljust(32, b"-")).decode()[:43]
    for name in ("send", "read", "act", "admin", "revoked", "all")
}
CALL = shapes.Call(agency=OFFICE, office="Bereitschaft (erfunden)", phone="030 23125 100")

CONTACT = registered.ContactEntry(
    agency=OFFICE,
    office="Kreisjugendamt Viersen",
    role="Bereitschaft",
    phone="030 23125 100",
    hours="rund um die Uhr",
)

ANSWER = shapes.Answer(
    id=ID,
    kennzeichen=Kennzeichen.of(ID),
    state=SentState.QUEUED,
    recipient=OFFICE,
    clause="VIE-3",
    legal_basis="§ 26 PolG NRW",
    urgency=Urgency.IMMEDIATE,
    created=NOW,
    ack_by=NOW,
)
PREVIEW = shapes.Preview(
    recipient=OFFICE,
    clause="VIE-3",
    legal_basis="§ 26 PolG NRW",
    urgency=Urgency.IMMEDIATE,
    ack_by=NOW,
)
SENT = {
    "id": ID,
    "kennzeichen": Kennzeichen.of(ID),
    "recipient": OFFICE,
    "type": "notification",
    "urgency": Urgency.IMMEDIATE,
    "created": NOW,
    "ack_by": NOW,
    "exercise": False,
    "state": SentState.OVERDUE,
    "call": CALL,
}
ITEM = {
    "id": ID,
    "sender": ME,
    "kennzeichen": Kennzeichen.of(ID),
    "urgency": Urgency.IMMEDIATE,
    "created": NOW,
    "received_at": NOW,
    "ack_by": NOW,
    "exercise": False,
    "state": ReceivedState.RECEIVED,
    "overdue": False,
    "delete_after": "2027-03-01",
}
QUARANTINED = {
    "id": "1",
    "at": NOW,
    "topic": "inbox.a.b",
    "offset": 3,
    "code": "jws-malformed",
    "explanation": "unlesbar",
    "explanation_en": "unreadable",
    "verified": False,
}


class Flows:
    """All ports in one. `raises`: what the next call raises; `asked`: every call so far."""

    def __init__(self):
        self.raises = None
        self.asked = []
        self.new_receipt = True
        self.stored = tuple(
            Token(
                name=name,
                hash=auth.digest(secret),
                scopes=frozenset(Scope) if name in ("all", "revoked") else frozenset({Scope(name)}),
                created=NOW,
                revoked_at=NOW if name == "revoked" else None,
            )
            for name, secret in SECRETS.items()
        )

    def ports(self):
        return Ports(
            me=ME,
            intake=self,
            sent=Sent(self),
            inbox=Inbox(self),
            quarantine=Quarantine(self),
            directory=self,
            tokens=self,
        )

    def heard(self, *call):
        self.asked.append(call)
        if self.raises is not None:
            raise self.raises

    async def accept(self, body, idempotency_key):
        self.heard("accept", body, idempotency_key)
        return Accepted(id=ID, answer=ANSWER.bytes(), again=False)

    async def check(self, body):
        self.heard("check", body)
        return PREVIEW

    def agencies(self):
        self.heard("agencies")
        entry = registered.AgencyEntry(
            id=OFFICE,
            name="Kreisjugendamt Viersen",
            kind="youth-office",
            status="active",
            me=False,
            municipalities=(Ags("05166008"),),
            reads={"notification": (1,)},
        )
        return (entry,)

    def contacts(self):
        self.heard("contacts")
        return (CONTACT,)

    def municipalities(self, query, limit):
        self.heard("municipalities", query, limit)
        entry = registered.MunicipalityEntry(
            ags=Ags("05166008"),
            name="Grefrath",
            youth_office=OFFICE,
            youth_office_name="Kreisjugendamt Viersen",
            police=ME,
            police_name="Kreispolizeibehörde Viersen",
        )
        return (entry,)

    def permissions(self):
        self.heard("permissions")
        return ()

    async def all(self):
        self.heard("tokens")
        return self.stored


class Sent:
    def __init__(self, flows):
        self.flows = flows

    async def list(self, after, limit, state):
        self.flows.heard("sent.list", after, limit, state)
        return shapes.SentPage(items=(shapes.SentSummary(**SENT),), next="older")

    async def get(self, message):
        self.flows.heard("sent.get", message)
        more = {
            "clause": "VIE-3",
            "legal_basis": "§ 26 PolG NRW",
            "digest": Digest("0" * 64),
            "delete_after": "2027-03-01",
        }
        step = shapes.SentStep(kind="delivered", at=NOW)
        return shapes.SentMessage(**SENT, **more, timeline=(step,))


class Inbox:
    def __init__(self, flows):
        self.flows = flows

    async def list(self, after, limit):
        self.flows.heard("inbox.list", after, limit)
        return arrived.InboxPage(items=(arrived.InboxItem(**ITEM),), next="1")

    async def open(self, message, person, sender):
        self.flows.heard("inbox.open", message, person, sender)
        more = {
            "digest": Digest("0" * 64),
            "type": "notification",
            "clause": "VIE-3",
            "legal_basis": "§ 26 PolG NRW",
            "record": {},
            "content": {"narrative": "erfunden"},
        }
        return arrived.Opened(**ITEM, **more)

    async def receipt(self, message, order, sender):
        self.flows.heard("inbox.receipt", message, order, sender)
        answer = arrived.ReceiptAnswer(
            id=OTHER_ID, kind=ReceiptKind(order.kind), at=NOW, state=ReceivedState.ACKNOWLEDGED
        )
        return answer, self.flows.new_receipt


class Quarantine:
    def __init__(self, flows):
        self.flows = flows

    async def list(self, after, limit):
        self.flows.heard("quarantine.list", after, limit)
        return arrived.QuarantinePage(items=(arrived.QuarantineItem(**QUARANTINED),), next="1")

    async def get(self, record):
        self.flows.heard("quarantine.get", record)
        more = {"key_size": 1, "value_size": 2, "value_sha256": Digest("0" * 64), "headers": ()}
        return arrived.QuarantineRecord(**QUARANTINED, **more)


def application(flows, *, phase=None):
    """The ASGI application as `kernel.service` serves it, with its gate."""
    readiness = http.Readiness()
    readiness.phase = phase
    return http.build("gateway", build(flows.ports()), readiness)


def client(flows, *, phase=None):
    """An HTTP client in this process; errors of the application are answers, not exceptions."""
    transport = httpx2.ASGITransport(application(flows, phase=phase), raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url="http://gateway")


def bearer(name="all"):
    return {"Authorization": f"Bearer {SECRETS[name]}"}


class Selective(Flows):
    """Tokens work even where the flow of a test raises."""

    async def all(self):
        return self.stored
