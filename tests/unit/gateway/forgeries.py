"""Records that are wrong on purpose, and what becomes of each: the table of docs/poison.md.

Each is as right as its forger could make it: only what its name says is wrong. Written out by
`PYTHONPATH=services:tests python -m unit.gateway.forgeries > docs/poison.md`.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from enum import StrEnum
from typing import Any

from meldeweg.gateway.refusals import explained
from meldeweg.kernel import signing, strictjson, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.ids import AgencyId, Digest, new_message_id
from meldeweg.kernel.jwk import OpenKey, SigningKey
from meldeweg.kernel.schemas import examples
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.statement import ReceiptFor, ReceiptKind
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgencyStatus, KeyUse
from unit.gateway.test_verification import raw_token, with_header, with_token
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE, SETUP, World

MARKER = "Kleeblattgasse"  # stands in every content; nobody may ever see it
STRANGER = SigningKey.generate()


class End(StrEnum):
    """What becomes of a record."""

    QUARANTINED = "quarantined"
    REFUSED = "quarantined, and the sender is told"
    PARKED = "parked, then quarantined"
    PARKED_REFUSED = "parked, then quarantined, and the sender is told"
    PARKED_FOR_GOOD = "parked until the anchor decides"
    AGAIN = "nothing new: the same receipt once more"


@dataclass(frozen=True)
class Case:
    """A forged record among what came before. `more`, `without`: of the topics of trust."""

    record: Record
    before: tuple[Record, ...] = ()
    sent: tuple[Record, ...] = ()  # by the agency that receives
    more: tuple[tuple[str, bytes], ...] = ()
    without: tuple[bytes, ...] = ()
    me: AgencyId = KREIS
    later: timedelta = timedelta(0)
    opens: tuple[OpenKey, ...] = ()  # private keys that the recipient has besides its own


@dataclass(frozen=True)
class Forgery:
    """`alone`: what is wrong is wrong of every message of this sender."""

    name: str
    what: str
    code: str
    end: End
    make: Callable[[World], Case] = field(repr=False)
    alone: bool = False


FORGERIES: dict[str, Forgery] = {}


def _forged(what: str, code: str, end: End, *, alone: bool = False) -> Callable[[Any], Any]:
    def entered(make: Any) -> Any:
        name = make.__name__.removeprefix("_").replace("_", "-")
        FORGERIES[name] = Forgery(name, what, code, end, make, alone)
        return make

    return entered


def message(world: World, **changes: Any) -> Record:
    """Return a good message of the police to the Kreis with the marker in it."""
    content = examples.NOTIFICATION | {
        "facts": [examples.NOTIFICATION["facts"][0] | {"what": f"Erfunden: {MARKER}."}]
    }
    return world.message(**({"content": content} | changes))


def _headed(world: World, **changes: Any) -> Case:
    good = message(world)
    told = statements.parse(good.header("statement"))
    token = raw_token(world, dict(told.jws.header) | changes, told.context_bytes)
    return Case(with_token(good, token))


# -- 1 parse strictly ------------------------------------------------------------------------


@_forged("no `statement` at all", "header-malformed", End.QUARANTINED)
def _statement_absent(world):
    good = message(world)
    return Case(replace(good, headers=good.headers[1:]))


@_forged("two statements, both good", "header-malformed", End.QUARANTINED)
def _statement_twice(world):
    good = message(world)
    return Case(replace(good, headers=(good.headers[0], *message(world).headers)))


@_forged("a statement of 17 KiB", "jws-too-large", End.QUARANTINED)
def _statement_oversize(world):
    return Case(with_token(message(world), b"a" * 17_000))


@_forged("bytes that are no token", "jws-malformed", End.QUARANTINED)
def _statement_garbage(world):
    return Case(with_token(message(world), b"\xff\xfe\x00"))


@_forged("`alg` none, without a signature", "jws-alg-refused", End.QUARANTINED)
def _alg_none(world):
    good = message(world)
    told = statements.parse(good.header("statement"))
    head = strictjson.dumps(dict(told.jws.header) | {"alg": "none"})
    parts = (strictjson.b64u_encode(each) for each in (head, told.context_bytes, b""))
    return Case(with_token(good, ".".join(parts).encode()))


@_forged("`alg` another (HS256), with a good Ed25519 signature", "jws-alg-refused", End.QUARANTINED)
def _alg_another(world):
    return _headed(world, alg="HS256")


@_forged("a good signature over another kind of object", "jws-typ-wrong", End.QUARANTINED)
def _typ_of_another_object(world):
    return _headed(world, typ=Typ.EVENT.value)


@_forged("a key of the forger's own in the header (`jwk`)", "jws-malformed", End.QUARANTINED)
def _key_brought_along(world):
    return _headed(world, jwk="x")


@_forged("made at the end of the calendar", "context-malformed", End.QUARANTINED)
def _end_of_the_calendar(world):
    good = message(world)
    told = statements.parse(good.header("statement"))
    text = told.context_bytes.replace(b'"created":"2026-11-22', b'"created":"9999-12-31')
    token = statements.sign(text, good.value, world.offices[POLICE].signing)
    return Case(with_token(good, token))


# -- 2 signature -----------------------------------------------------------------------------


@_forged("signed as the police by a stranger, under his own key id", "signer-unknown", End.PARKED)
def _strangers_key(world):
    return Case(message(world, key=STRANGER))


@_forged("signed by a stranger under the police's key id", "signature-invalid", End.QUARANTINED)
def _strangers_signature(world):
    good = message(world)
    told = statements.parse(good.header("statement"))
    token = raw_token(world, dict(told.jws.header), told.context_bytes, STRANGER)
    return Case(with_token(good, token))


@_forged("signed as the police by another agency", "signer-unknown", End.PARKED)
def _another_agencys_key(world):
    return Case(message(world, key=world.offices[NETTETAL].signing))


@_forged("signed with a key that was certified for sealing", "key-use-wrong", End.QUARANTINED)
def _key_for_sealing(world):
    return _headed(world, kid=world.offices[POLICE].seal.kid)


@_forged("signed with a key that has expired", "key-expired", End.QUARANTINED)
def _key_expired(world):
    old = NOW - issue.KEY_LIFE - issue.LONGEST_STAY - timedelta(days=3)
    more = world.certificate(POLICE, STRANGER.public, KeyUse.SIGN, at=old)
    return Case(message(world, key=STRANGER), more=(more,))


@_forged("signed with a key that is not valid yet", "key-not-yet-valid", End.PARKED)
def _key_not_yet_valid(world):
    later = world.certificate(POLICE, STRANGER.public, KeyUse.SIGN, at=NOW + timedelta(days=9))
    return Case(message(world, key=STRANGER), more=(later,))


@_forged("signed with a revoked key, before or after", "key-revoked", End.QUARANTINED)
def _key_revoked(world):
    identity = world.offices[POLICE].identity
    revoked = issue.revoke_key(identity, POLICE, STRANGER.kid, "verloren", NOW)
    more = (world.certificate(POLICE, STRANGER.public, KeyUse.SIGN), (topics.keys(POLICE), revoked))
    return Case(message(world, key=STRANGER), more=more)


@_forged(
    "signed with a key that the agency certified with a stranger's identity",
    "signer-unknown",
    End.PARKED,
)
def _certificate_of_a_stranger(world):
    token = issue.certify(SigningKey.generate(), POLICE, STRANGER.public, KeyUse.SIGN, SETUP)
    return Case(message(world, key=STRANGER), more=((topics.keys(POLICE), token),))


# -- 3 place, 4 value ------------------------------------------------------------------------


@_forged("another sender's record in this sender's topic", "topic-contradicts", End.QUARANTINED)
def _another_senders_topic(world):
    return Case(replace(message(world), topic=topics.inbox(KREIS, NETTETAL)))


@_forged("a message for another agency in my topic", "not-addressed-to-me", End.QUARANTINED)
def _for_another_agency(world):
    return Case(replace(message(world, recipient=NETTETAL), topic=topics.inbox(KREIS, POLICE)))


@_forged("another id as the record's key", "record-key-contradicts", End.QUARANTINED)
def _another_key(world):
    return Case(replace(message(world), key=new_message_id().encode()))


@_forged(
    "a CloudEvents attribute that says other than the statement",
    "header-contradicts",
    End.QUARANTINED,
)
def _cloudevents_differ(world):
    return Case(with_header(message(world), "ce_source", b"urn:meldeweg:agency:jugendamt-kempen"))


@_forged("a header more, its name not UTF-8", "header-contradicts", End.QUARANTINED)
def _header_more(world):
    good = message(world)
    return Case(replace(good, headers=(*good.headers, ("\udcff", b"x"))))


@_forged(
    "the statement of one message with the value of another", "value-mismatch", End.QUARANTINED
)
def _value_of_another(world):
    return Case(replace(message(world), value=message(world).value))


@_forged("no value (a tombstone)", "value-mismatch", End.QUARANTINED)
def _value_null(world):
    return Case(replace(message(world), value=None))


# -- standing, 5 term, 6 unique --------------------------------------------------------------


def _status(world, status):
    told = issue.change_status(world.anchor, POLICE, status, 1, "Probe", NOW)
    return ((topics.REGISTRY_AGENCIES, told),)


@_forged("from a suspended agency", "sender-suspended", End.PARKED_FOR_GOOD, alone=True)
def _sender_suspended(world):
    return Case(message(world), more=_status(world, AgencyStatus.SUSPENDED))


@_forged("from a revoked agency", "sender-revoked", End.QUARANTINED, alone=True)
def _sender_revoked(world):
    return Case(message(world), more=_status(world, AgencyStatus.REVOKED))


@_forged("past the day on which it had to be deleted", "past-delete-after", End.REFUSED)
def _past_its_term(world):
    return Case(message(world, context_changes={"delete_after": "2026-11-01"}))


@_forged("the same id with another content", "duplicate-differs", End.QUARANTINED)
def _same_id_other_content(world):
    one = new_message_id()
    return Case(message(world, id=one), before=(message(world, id=one),))


@_forged("replayed after a day, byte for byte", "-", End.AGAIN)
def _replayed_after_a_day(world):
    good = message(world)
    return Case(good, before=(good,), later=timedelta(days=1))


# -- 7 open, 8 record ------------------------------------------------------------------------


def _resigned(world, value):
    good = message(world)
    told = statements.parse(good.header("statement"))
    key = world.offices[POLICE].signing
    return Case(world.signed(told.context_bytes, value(good.value), key, told.context))


@_forged("a value that is no JSON", "value-malformed", End.REFUSED)
def _value_malformed(world):
    return _resigned(world, lambda value: b"{not json")


@_forged("a value nested ten thousand deep", "envelope-malformed", End.REFUSED)
def _value_nested(world):
    deep = b'{"content":{"x":' + b"[" * 10_000 + b"]" * 10_000 + b'},"record":{}}'
    return _resigned(world, lambda value: deep)


@_forged("an envelope of more than 2 MiB", "envelope-too-large", End.REFUSED)
def _envelope_oversize(world):
    large = b'{"content":{"x":"' + b"x" * (2 * 1024 * 1024 + 1) + b'"},"record":{}}'
    return _resigned(world, lambda value: large)


@_forged("an officers' copy that is longer than the audit keeps", "envelope-too-large", End.REFUSED)
def _officers_copy_oversize(world):
    return _resigned(world, lambda value: value[:-2] + b" " * (256 * 1024) + b"}}")


@_forged("sealed to the key of another agency", "envelope-not-for-this-key", End.REFUSED)
def _key_of_another_agency(world):
    return Case(message(world, seal_to=(world.offices[NETTETAL].seal.public,)))


def _sealed_to_own(world, use=KeyUse.SEAL, *, certified=True, **changes):
    """Sealed to another key of the recipient's, of which it has the private part."""
    key = OpenKey.generate()
    more = (world.certificate(KREIS, key.public, use, **changes),) if certified else ()
    return Case(message(world, seal_to=(key.public,)), more=more, opens=(key,))


@_forged("sealed to a key that has expired", "key-expired", End.REFUSED)
def _sealed_to_an_old_key(world):
    old = NOW - issue.KEY_LIFE - issue.LONGEST_STAY - timedelta(days=3)
    return _sealed_to_own(world, at=old)


@_forged("sealed to a key that is not valid yet", "key-not-yet-valid", End.PARKED_REFUSED)
def _sealed_to_a_future_key(world):
    return _sealed_to_own(world, at=NOW + timedelta(days=9))


@_forged("sealed to a key that nobody certified", "key-not-yet-valid", End.PARKED_REFUSED)
def _sealed_to_no_key(world):
    return _sealed_to_own(world, certified=False)


@_forged("sealed to a key that was certified for oversight", "key-use-wrong", End.REFUSED)
def _sealed_to_an_officers_key(world):
    return _sealed_to_own(world, KeyUse.OVERSIGHT)


@_forged("sealed together with another context", "envelope-aad-mismatch", End.REFUSED)
def _sealed_with_another_context(world):
    return Case(message(world, aad=bytes(32)))


@_forged(
    "somebody else's sealed content, signed as one's own", "envelope-aad-mismatch", End.REFUSED
)
def _content_of_somebody_else(world):
    stolen = message(world)
    return _resigned(world, lambda value: stolen.value)


@_forged("the officers' copy of another message", "envelope-aad-mismatch", End.REFUSED)
def _officers_copy_of_another(world):
    other, middle = message(world).value, b',"record":'
    return _resigned(
        world, lambda value: value[: value.index(middle)] + other[other.index(middle) :]
    )


@_forged("a ciphertext in which one character was changed", "envelope-unreadable", End.REFUSED)
def _ciphertext_changed(world):
    def change(value):
        at = value.index(b'"ciphertext":"') + 20
        return value[:at] + (b"A" if value[at : at + 1] != b"A" else b"B") + value[at + 1 :]

    return _resigned(world, change)


@_forged(
    "the data protection officer of the recipient left out",
    "oversight-contradicts",
    End.PARKED_REFUSED,
)
def _officer_left_out(world):
    return Case(message(world, oversight=(world.offices[POLICE].oversight.public,)))


@_forged("a third agency reads the reasons too", "oversight-contradicts", End.PARKED_REFUSED)
def _officer_too_many(world):
    keys = [world.offices[each].oversight.public for each in (POLICE, KREIS, NETTETAL)]
    return Case(message(world, oversight=tuple(keys)))


@_forged("a content with a member more", "content-malformed", End.REFUSED)
def _content_malformed(world):
    return Case(message(world, inside={"surprise": MARKER}))


@_forged("attachments, which this version does not read", "attachments-unknown", End.REFUSED)
def _attachments(world):
    return Case(message(world, inside={"attachments": [{"name": MARKER}]}))


@_forged("a record other than the one committed to", "record-mismatch", End.REFUSED)
def _record_differs(world):
    return Case(message(world, committed=world.draft().record_body().bytes()))


@_forged("a record that is none", "record-malformed", End.REFUSED)
def _record_malformed(world):
    return Case(message(world, committed=b'{"v":1}', inside={"record": '{"v":1}'}))


# -- 9 agreement, 10 schema ------------------------------------------------------------------


@_forged("under an agreement that nobody knows", "agreement-unknown", End.PARKED_REFUSED)
def _agreement_unknown(world):
    return Case(message(world, context_changes={"agreement": Digest.of(b"nothing")}))


@_forged(
    "under an agreement from which one signature was removed",
    "agreement-unsigned",
    End.PARKED_REFUSED,
    alone=True,
)
def _signature_removed(world):
    missing = world.signature(world.offices[NETTETAL], world.agreement_digest)
    return Case(message(world), without=(missing,))


@_forged(
    "under an agreement one signature of which is a stranger's",
    "agreement-unsigned",
    End.PARKED_REFUSED,
    alone=True,
)
def _signature_forged(world):
    good = world.signature(world.offices[NETTETAL], world.agreement_digest)
    body = signing.parse(good, Typ.AGREEMENT_SIGNATURE).payload
    forged = signing.sign(STRANGER, Typ.AGREEMENT_SIGNATURE, body).encode()
    return Case(message(world), without=(good,), more=((topics.REGISTRY_AGREEMENTS, forged),))


@_forged("made long before its agreement was signed", "agreement-unsigned", End.PARKED_REFUSED)
def _before_it_was_signed(world):
    return Case(message(world, context_changes={"created": NOW.replace(year=2021)}))


@_forged("for a ground that the agreement does not have for it", "record-contradicts", End.REFUSED)
def _another_purpose(world):
    return Case(message(world, record_changes={"purpose": "Neugier"}))


@_forged("police data without their labels (§ 22b PolG NRW)", "labels-missing", End.REFUSED)
def _labels_missing(world):
    return Case(message(world, record_changes={"labels": None}))


@_forged("for a place of another office", "responsibility-contradicts", End.REFUSED)
def _place_of_another_office(world):
    return Case(message(world, record_changes={"places": {"place": "05166016"}}))


@_forged("a content that fails its schema", "schema-invalid", End.REFUSED)
def _schema_failed(world):
    return Case(message(world, inside={"payload": {MARKER: MARKER}}))


@_forged("a version that this gateway does not read", "schema-unknown", End.PARKED_REFUSED)
def _schema_unknown(world):
    return Case(message(world, record_changes={"version": 2}))


# -- receipts --------------------------------------------------------------------------------


@_forged("a receipt for a message never sent", "receipt-unmatched", End.QUARANTINED)
def _receipt_for_nothing(world):
    return Case(world.receipt(message(world), "delivered"), me=POLICE)


@_forged("a receipt by a third party", "receipt-foreign", End.QUARANTINED)
def _receipt_by_a_third_party(world):
    sent = message(world)
    about = ReceiptFor(
        of=statements.parse(sent.header("statement")).digest,
        kind=ReceiptKind.DELIVERED,
        topic=topics.inbox(NETTETAL, POLICE),
        offset=0,
    )
    forged = world.receipt(sent, "delivered", signer=NETTETAL, receipt=about)
    return Case(forged, sent=(sent,), me=POLICE)


@_forged("acknowledged, and by no person", "receipt-contradicts", End.QUARANTINED)
def _acknowledged_by_nobody(world):
    sent = message(world)
    return Case(world.receipt(sent, "acknowledged"), sent=(sent,), me=POLICE)


HEAD = """# Records that are wrong on purpose

What becomes of each, at the gateway that receives it. Every record of this page is as right as its
forger could make it: only what the first column says is wrong. A test makes each of them, puts it
between two good ones and looks: `tests/unit/gateway/test_forgeries.py`; the same test holds this
page to what it saw, and `tests/e2e/test_forged.py` writes some of them to a real broker with a
gateway's own certificate. What the codes mean: [refusals](refusals.md).

*The sender is told* (a `refused` receipt) only where the record is surely his own. *Parked*: what
may only be early waits sealed, 15 minutes if it is `immediate`, else a day. In each case the good
records around it arrive, the topic's offset moves on, no byte of a content is in a log, and the
record is a leaf of the audit log like every other.
"""


def document() -> str:
    """Return docs/poison.md."""
    lines = [HEAD, "\n| the record | code | Bedeutung | what becomes of it |\n|---|---|---|---|\n"]
    for each in FORGERIES.values():
        code, german = ("", "")
        if each.end is not End.AGAIN:
            code, german = f"`{each.code}`", explained(each.code).german
        lines.append(f"| {each.what} | {code} | {german} | {each.end} |\n")
    return "".join(lines)


if __name__ == "__main__":
    sys.stdout.write(document())
