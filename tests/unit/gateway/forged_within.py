"""Forged within: steps 7 to 10, what is sealed, committed to and agreed; and receipts."""

from datetime import timedelta

from meldeweg.kernel import signing, strictjson, topics
from meldeweg.kernel import statement as statements
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.jwk import OpenKey
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.statement import ReceiptFor, ReceiptKind
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import KeyUse
from unit.gateway.forging import AGREED, MARKER, Case, End, forgery, message
from unit.gateway.world import KREIS, NETTETAL, NOW, POLICE, STRANGER

# -- 7 open, 8 record ------------------------------------------------------------------------


def _resigned(world, value):
    good = message(world)
    told = statements.parse(good.header("statement"))
    key = world.offices[POLICE].signing
    return Case(world.signed(told.context_bytes, value(good.value), key, told.context))


@forgery("a value that is no JSON", "value-malformed", End.REFUSED)
def _value_malformed(world):
    return _resigned(world, lambda value: b"{not json")


@forgery("a value nested ten thousand deep", "envelope-malformed", End.REFUSED)
def _value_nested(world):
    deep = b'{"content":{"x":' + b"[" * 10_000 + b"]" * 10_000 + b'},"record":{}}'
    return _resigned(world, lambda value: deep)


@forgery("an envelope of more than 2 MiB", "envelope-too-large", End.REFUSED)
def _envelope_oversize(world):
    large = b'{"content":{"x":"' + b"x" * (2 * 1024 * 1024 + 1) + b'"},"record":{}}'
    return _resigned(world, lambda value: large)


@forgery("an officers' copy that is longer than the audit keeps", "envelope-too-large", End.REFUSED)
def _officers_copy_oversize(world):
    return _resigned(world, lambda value: value[:-2] + b" " * (256 * 1024) + b"}}")


@forgery("sealed to the key of another agency", "envelope-not-for-this-key", End.REFUSED)
def _key_of_another_agency(world):
    return Case(message(world, seal_to=(world.offices[NETTETAL].seal.public,)))


def _sealed_to_own(world, use=KeyUse.SEAL, *, certified=True, **changes):
    """Sealed to another key of the recipient's, of which it has the private part."""
    key = OpenKey.generate()
    more = (world.certificate(KREIS, key.public, use, **changes),) if certified else ()
    return Case(message(world, seal_to=(key.public,)), more=more, opens=(key,))


@forgery("sealed to a key that has expired", "key-expired", End.REFUSED)
def _sealed_to_an_old_key(world):
    old = NOW - issue.KEY_LIFE - issue.LONGEST_STAY - timedelta(days=3)
    return _sealed_to_own(world, at=old)


@forgery("sealed to a key that is not valid yet", "key-not-yet-valid", End.PARKED_REFUSED)
def _sealed_to_a_future_key(world):
    return _sealed_to_own(world, at=NOW + timedelta(days=9))


@forgery("sealed to a key that nobody certified", "key-not-yet-valid", End.PARKED_REFUSED)
def _sealed_to_no_key(world):
    return _sealed_to_own(world, certified=False)


@forgery("sealed to a key that was certified for oversight", "key-use-wrong", End.REFUSED)
def _sealed_to_an_officers_key(world):
    return _sealed_to_own(world, KeyUse.OVERSIGHT)


@forgery("a third agency reads the content too", "readers-contradict", End.PARKED_REFUSED)
def _reader_too_many(world):
    keys = [world.offices[each].seal.public for each in (KREIS, NETTETAL)]
    return Case(message(world, seal_to=tuple(keys)))


@forgery(
    "somebody whom nobody certified reads the content too", "readers-contradict", End.PARKED_REFUSED
)
def _reader_unknown(world):
    keys = (OpenKey.generate().public, world.offices[KREIS].seal.public)
    return Case(message(world, seal_to=keys))


@forgery("the recipient's officer reads the content too", "readers-contradict", End.PARKED_REFUSED)
def _reader_the_officer(world):
    office = world.offices[KREIS]
    return Case(message(world, seal_to=(office.seal.public, office.oversight.public)))


@forgery("sealed together with another context", "envelope-aad-mismatch", End.REFUSED)
def _sealed_with_another_context(world):
    return Case(message(world, aad=bytes(32)))


@forgery(
    "somebody else's sealed content, signed as one's own", "envelope-aad-mismatch", End.REFUSED
)
def _content_of_somebody_else(world):
    stolen = message(world)
    return _resigned(world, lambda value: stolen.value)


@forgery("the officers' copy of another message", "envelope-aad-mismatch", End.REFUSED)
def _officers_copy_of_another(world):
    other, middle = message(world).value, b',"record":'
    return _resigned(
        world, lambda value: value[: value.index(middle)] + other[other.index(middle) :]
    )


@forgery("a ciphertext in which one character was changed", "envelope-unreadable", End.REFUSED)
def _ciphertext_changed(world):
    def change(value):
        at = value.index(b'"ciphertext":"') + 20
        return value[:at] + (b"A" if value[at : at + 1] != b"A" else b"B") + value[at + 1 :]

    return _resigned(world, change)


@forgery(
    "the data protection officer of the recipient left out",
    "oversight-contradicts",
    End.PARKED_REFUSED,
)
def _officer_left_out(world):
    return Case(message(world, oversight=(world.offices[POLICE].oversight.public,)))


@forgery("a third agency reads the reasons too", "oversight-contradicts", End.PARKED_REFUSED)
def _officer_too_many(world):
    keys = [world.offices[each].oversight.public for each in (POLICE, KREIS, NETTETAL)]
    return Case(message(world, oversight=tuple(keys)))


@forgery("a content with a member more", "content-malformed", End.REFUSED)
def _content_malformed(world):
    return Case(message(world, inside={"surprise": MARKER}))


@forgery("attachments, which this version does not read", "attachments-unknown", End.REFUSED)
def _attachments(world):
    return Case(message(world, inside={"attachments": [{"name": MARKER}]}))


@forgery("a record other than the one committed to", "record-mismatch", End.REFUSED)
def _record_differs(world):
    return Case(message(world, committed=world.draft().record_body().bytes()))


@forgery("a record that is none", "record-malformed", End.REFUSED)
def _record_malformed(world):
    return Case(message(world, committed=b'{"v":1}', inside={"record": '{"v":1}'}))


# -- 9 agreement, 10 schema ------------------------------------------------------------------


@forgery("under an agreement that nobody knows", "agreement-unknown", End.PARKED_REFUSED)
def _agreement_unknown(world):
    return Case(message(world, context_changes={"agreement": Digest.of(b"nothing")}))


def _under_another(world):
    """Return (what the register reads, two good messages): of a second one, signed by all."""
    document = strictjson.dumps(strictjson.loads(world.agreement) | {"id": "probe-2"})
    other = Digest.of(document)
    signatures = [world.signature(office, other) for office in world.offices.values()]
    more = tuple((topics.REGISTRY_AGREEMENTS, each) for each in (document, *signatures))
    changes = {"agreement": other}
    return more, tuple(message(world, n=n, context_changes=changes) for n in (1, 2))


@forgery(
    "under an agreement from which one signature was removed",
    "agreement-unsigned",
    End.PARKED_REFUSED,
    beside=AGREED,
)
def _signature_removed(world):
    missing = world.signature(world.offices[NETTETAL], world.agreement_digest)
    more, good = _under_another(world)
    return Case(message(world), without=(missing,), more=more, good=good)


@forgery(
    "under an agreement one signature of which is a stranger's",
    "agreement-unsigned",
    End.PARKED_REFUSED,
    beside=AGREED,
)
def _signature_forged(world):
    good = world.signature(world.offices[NETTETAL], world.agreement_digest)
    body = signing.parse(good, Typ.AGREEMENT_SIGNATURE).payload
    forged = signing.sign(STRANGER, Typ.AGREEMENT_SIGNATURE, body).encode()
    more, around = _under_another(world)
    more = (*more, (topics.REGISTRY_AGREEMENTS, forged))
    return Case(message(world), without=(good,), more=more, good=around)


@forgery("made long before its agreement was signed", "agreement-unsigned", End.PARKED_REFUSED)
def _before_it_was_signed(world):
    return Case(message(world, context_changes={"created": NOW.replace(year=2021)}))


@forgery("for a ground that the agreement does not have for it", "record-contradicts", End.REFUSED)
def _another_purpose(world):
    return Case(message(world, record_changes={"purpose": "Neugier"}))


@forgery("police data without their labels (§ 22b PolG NRW)", "labels-missing", End.REFUSED)
def _labels_missing(world):
    return Case(message(world, record_changes={"labels": None}))


@forgery("for a place of another office", "responsibility-contradicts", End.REFUSED)
def _place_of_another_office(world):
    return Case(message(world, record_changes={"places": {"place": "05166016"}}))


@forgery("a content that fails its schema", "schema-invalid", End.REFUSED)
def _schema_failed(world):
    return Case(message(world, inside={"payload": {MARKER: MARKER}}))


@forgery("a version that this gateway does not read", "schema-unknown", End.PARKED_REFUSED)
def _schema_unknown(world):
    return Case(message(world, record_changes={"version": 2}))


# -- receipts --------------------------------------------------------------------------------


@forgery("a receipt for a message never sent", "receipt-unmatched", End.QUARANTINED)
def _receipt_for_nothing(world):
    return Case(world.receipt(message(world), "delivered"), sent=(message(world),), me=POLICE)


@forgery("a receipt by a third party", "receipt-foreign", End.QUARANTINED)
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


@forgery("acknowledged, and by no person", "receipt-contradicts", End.QUARANTINED)
def _acknowledged_by_nobody(world):
    sent = message(world)
    return Case(world.receipt(sent, "acknowledged"), sent=(sent,), me=POLICE)
