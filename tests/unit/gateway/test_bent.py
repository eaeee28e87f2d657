"""Every header and every field of a record, bent in every way: refused with a code, or harmless.

The sender itself signs and seals what is bent here, so that each bend reaches the step that must
see it; what nobody signed does not get past step 4, which `test_malleability` shows.
"""

import json
from dataclasses import replace
from functools import cache

import jsonschema

from meldeweg.envelope import seal
from meldeweg.gateway.judging import Judge, Message, Receipt
from meldeweg.gateway.refusals import catalogue
from meldeweg.gateway.verification import Proven, Rejected
from meldeweg.kernel import schemas, strictjson
from meldeweg.kernel import statement as statements
from meldeweg.kernel.ids import Digest
from meldeweg.kernel.schemas.vocabulary import MessageType
from meldeweg.kernel.statement import Context, ReceiptKind, Statement
from unit.gateway.bending import HEADERS, bends, bent_records
from unit.gateway.taking import person_receipt
from unit.gateway.test_malleability import flip, parts
from unit.gateway.test_verification import raw_token, with_token
from unit.gateway.world import KREIS, NOW, POLICE, World

CODES = frozenset(code for codes in catalogue().values() for code in codes)
MARKER = "Kleeblattgasse"  # stands in the content; in no refusal


@cache
def setup():
    """Return (world, view, one good message, its content's plaintext, its record's text)."""
    world = World()
    draft = world.draft()
    draft.content = draft.content_given()
    draft.content["facts"][0]["what"] = f"Erfunden: {MARKER}."
    good = draft.record()
    return world, world.register(), good, draft


@cache
def opened():
    """Return (payload, record text) as they lie in the good message."""
    world, _, good, _ = setup()
    from meldeweg.envelope import open_sealed

    told = statements.parse(good.header("statement"))
    content = good.value[len(b'{"content":') : good.value.index(b',"record":')]
    plain = strictjson.loads(open_sealed(content, world.offices[KREIS].seal, told.aad))
    return strictjson.dumps(plain["payload"]), plain["record"].encode()


def judged(record, me=KREIS):
    """Judge a record, or what steps 1 to 6 have passed already."""
    world, register, _, _ = setup()
    key = world.offices[me].seal
    judge = Judge(me, register, {key.kid: key}, lambda *_: None, NOW)
    found = record if isinstance(record, Proven) else judge.prove(record)
    return judge.open(found) if isinstance(found, Proven) else found


def refused(record, me=KREIS):
    """Return the code of the refusal, or None if it was accepted; anything else fails."""
    found = judged(record, me)
    if isinstance(found, Message | Receipt):
        return None
    assert isinstance(found, Rejected)
    assert found.code in CODES
    assert found.code != "record-unprocessable"
    assert MARKER not in found.detail + repr(found)
    return found.code


def taken(cases, me=KREIS):
    """Judge every (place, how, record); return those that were accepted."""
    accepted, count = [], 0
    for place, how, record in cases:
        count += 1
        try:
            if refused(record, me) is None:
                accepted.append((place, how))
        except AssertionError as exc:
            raise AssertionError(f"{place} {how}") from exc
    assert count > 20
    return accepted


def resigned(context, value, about, sender=POLICE):
    return setup()[0].signed(context, value, setup()[0].offices[sender].signing, about)


def proven(record, value, context=None):
    """Return a record with another value as its sender would have signed it: after step 6."""
    told = statements.parse(record.header("statement"))
    context = context or told.context
    text = context.bytes()
    statement = Statement(context, text, Digest.of(value), len(value), told.jws)
    return Proven(replace(record, value=value), statement, statement.digest)


def sealed(plaintext, record):
    """Return a message that commits to `record` and whose content is `plaintext`."""
    world, _, good, _ = setup()
    told = statements.parse(good.header("statement")).context
    context = Context(**(told.model_dump() | {"record_sha256": Digest.of(record)}))
    aad = Digest.of(context.bytes()).raw()
    inside = seal(plaintext, [world.offices[KREIS].seal.public], aad)
    return proven(good, b'{"content":%b,"record":%b}' % (inside, _for_officers(aad)), context)


@cache
def _for_officers(aad):
    """The recipient can't open it: what is bent here is the record that he reads."""
    world = setup()[0]
    officers = [world.offices[agency].oversight.public for agency in (POLICE, KREIS)]
    return seal(b"{}", officers, aad)


def content(payload, record):
    text = json.dumps(record.decode("utf-8", "surrogateescape"), ensure_ascii=False)
    text = text.encode("utf-8", "surrogateescape")
    return b'{"attachments":[],"payload":%b,"record":%b}' % (payload, text)


def test_what_is_not_bent_is_accepted():
    _, _, good, _ = setup()
    payload, record = opened()
    assert refused(good) is None
    assert refused(sealed(content(payload, record), record)) is None


def test_every_header_key_and_value_of_a_record_bent_is_refused():
    good = setup()[2]
    assert {name for name, _ in good.headers} == set(HEADERS)
    assert taken(bent_records(good)) == []


def test_every_member_of_the_protected_header_bent_is_refused():
    world, _, good, _ = setup()
    told = statements.parse(good.header("statement"))
    key = world.offices[POLICE].signing

    def cases():
        for place, how, text in bends(strictjson.dumps(dict(told.jws.header))):
            signed = f"{strictjson.b64u_encode(text)}.{strictjson.b64u_encode(told.context_bytes)}"
            signature = strictjson.b64u_encode(key.sign(signed.encode()))
            yield place, how, with_token(good, f"{signed}.{signature}".encode())

    # A header has no one written form that a reader must insist on (spec § 3); its meaning has.
    assert {how for _, how in taken(cases())} == {"its value and a blank"}
    assert (
        refused(with_token(good, raw_token(world, dict(told.jws.header), told.context_bytes)))
        is None
    )


def test_every_member_of_the_context_bent_is_refused():
    good = setup()[2]
    told = statements.parse(good.header("statement"))

    def cases():
        for place, how, text in bends(told.context_bytes):
            yield place, how, resigned(text, good.value, told.context)

    assert taken(cases()) == []


def test_every_member_of_a_receipts_context_bent_is_refused():
    world, _, good, _ = setup()
    receipt = world.receipt(good, "refused", code="key-expired")
    told = statements.parse(receipt.header("statement"))

    def cases():
        for place, how, text in bends(told.context_bytes):
            yield place, how, resigned(text, receipt.value, told.context, KREIS)

    assert refused(receipt, POLICE) is None
    # What its sender may say as he likes, and what the store alone can judge (step 6).
    assert {place for place, _ in taken(cases(), POLICE)} <= {
        "exercise",
        "receipt/offset",
        "seq/n",
        "receipt/topic",
        "receipt/code",
        "delete_after",
    }


def test_every_member_of_a_persons_receipt_bent_is_refused():
    world, _, good, _ = setup()
    receipt = person_receipt(world, good, ReceiptKind.ACKNOWLEDGED)

    def cases():
        for place, how, text in bends(receipt.value):
            yield place, how, proven(receipt, text)

    assert refused(receipt, POLICE) is None
    assert {place for place, how in taken(cases(), POLICE) if not inside(place, how)} <= UNSEEN


# The copy for the officers is theirs to open: the recipient sees whom it is for and that it has its
# form (docs/threat-model.md, "One gateway").
UNSEEN = frozenset({"record/ciphertext"})
BLANK = "its value and a blank"


def inside(place, how):
    """A blank between the members of an envelope, which any JSON library may have written (§ 7)."""
    return how == BLANK and "/" in place


def test_every_member_of_the_sealed_value_bent_is_refused():
    good = setup()[2]

    def cases():
        for place, how, text in bends(good.value):
            yield place, how, proven(good, text)

    found = taken(cases())
    assert {place for place, how in found if not inside(place, how)} <= UNSEEN
    # Around the two envelopes there is none (spec § 6).
    assert not {("content", BLANK), ("record", BLANK)} & set(found)


def test_every_member_of_the_opened_content_bent_is_refused_or_has_its_schemas_form():
    payload, record = opened()
    schema = jsonschema.Draft202012Validator(schemas.json_schema(MessageType.NOTIFICATION, 1))
    texts = {(place, how): text for place, how, text in bends(payload)}

    def cases():
        for (place, how), text in texts.items():
            yield place, how, sealed(content(text, record), record)

    accepted = taken(cases())
    for each in accepted:
        schema.validate(strictjson.loads(texts[each]))
    assert len(accepted) > 10  # what a person may well have written
    assert refused(sealed(content(payload, record)[:-1], record)) == "content-malformed"


def test_every_member_around_payload_and_record_bent_is_refused():
    payload, record = opened()
    whole = content(payload, record)
    inside = json.loads(whole) | {"payload": 1}

    def cases():
        for place, how, text in bends(json.dumps(inside, separators=(",", ":"))):
            whole = text.replace(b'"payload":1', b'"payload":' + payload, 1)
            yield place, how, sealed(whole, record)

    assert taken(cases()) == [("attachments", "empty list")]  # as it was


# What the sender alone knows, and may say as he likes; the rest is held to agreement and content.
FREE = frozenset(
    {"actor_ref", "addressee", "nonce", "thread", "labels/collected_by", "labels/means"}
)
FREE |= {"labels/category_of_person", "labels/offence", "places", "places/place", "override"}


def test_every_member_of_the_record_bent_is_refused_unless_it_is_the_senders_to_say():
    payload, record = opened()

    def cases():
        for place, how, text in bends(record):
            try:
                inside = content(payload, text)
            except ValueError:
                continue
            yield place, how, sealed(inside, text)

    assert {place for place, _ in taken(cases())} <= FREE


def test_every_bit_of_every_header_is_refused():
    good = setup()[2]
    found = list(parts(good))
    names = 3 + 2 * len(good.headers)
    assert len(found) == names
    for data, put in found[3:]:
        if len(data) > 100:
            continue  # the statement: test_malleability
        for bit in range(len(data) * 8):
            assert refused(put(flip(data, bit))) is not None, (data, bit)


def test_every_bit_of_the_sealed_values_structure_is_refused_although_the_sender_signed_it():
    """Names, marks, and whatever is short; of ciphertexts and keys each 97th bit."""
    good = setup()[2]
    value = good.value
    middle = value.index(b',"record":')
    accepted = set()
    for bit in _structure(value):
        if refused(proven(good, flip(value, bit))) is None:
            accepted.add(_member(value, bit // 8, middle))
    # The officers' part again: only they can open it.
    assert accepted <= {
        ("record", each) for each in ("ciphertext", "encrypted_key", "ek", "iv", "tag")
    }


def _structure(value):
    """Yield the bits of everything that is no long run of base64url, and each 97th of those."""
    start = 0
    for run in value.split(b'"'):
        every = 97 if len(run) > 120 else 1
        yield from range(start * 8, (start + len(run) + 1) * 8, every)
        start += len(run) + 1
        if start >= len(value):
            return


def _member(value, at, middle):
    """Return (which part, the name of the member) that a place of the value lies in."""
    part = "record" if at > middle else "content"
    before = reversed(value[:at].split(b'"')[:-1])
    return part, next((name.decode() for name in before if name in _NAMES), "")


_NAMES = {b"aad", b"ciphertext", b"iv", b"protected", b"tag", b"encrypted_key", b"ek", b"kid"}
