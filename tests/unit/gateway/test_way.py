"""tests/vectors/way.json is what our code writes, and what our gateways accept."""

import importlib.util
import json
from pathlib import Path

import pytest

from meldeweg.envelope import open_sealed
from meldeweg.gateway.judging import Judge, Message, Receipt
from meldeweg.gateway.opening import parts
from meldeweg.gateway.verification import Proven, Rejected
from meldeweg.kernel import statement as statements
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.clock import from_rfc3339
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.jwk import OpenKey, SignatureKey
from meldeweg.kernel.statement import ReceiptKind
from meldeweg.kernel.trust.register import Register

VECTORS = Path(__file__).parents[2] / "vectors"
WAY = json.loads((VECTORS / "way.json").read_text())
NOW = from_rfc3339("2026-11-22T18:20:00.000Z")
POLICE, OFFICE = AgencyId("polizei-viersen"), AgencyId("jugendamt-kreis-viersen")


@pytest.fixture(scope="module")
def view():
    register = Register(SignatureKey.from_jwk(WAY["anchor"]))
    for record in WAY["records"]:
        if record["topic"].startswith(("registry.", "keys.")):
            register.apply(record["topic"], record["value"].encode())
    assert register.pending() == 0
    return register


def generator():
    spec = importlib.util.spec_from_file_location("make_way", VECTORS / "make_way.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def as_record(each):
    return Record(
        topic=each["topic"],
        partition=0,
        offset=each["offset"],
        timestamp=0,
        key=each["key"].encode(),
        value=each["value"].encode(),
        headers=tuple((name, value.encode()) for name, value in each["headers"]),
    )


def records(topic):
    return [as_record(each) for each in WAY["records"] if each["topic"] == topic]


def judge(view, agency):
    key = OpenKey.from_jwk(WAY["private"]["seal"][agency])
    return Judge(agency, view, {key.kid: key}, lambda *_: None, NOW)


def test_the_recipient_accepts_the_message_of_the_vector(view):
    (record,) = records(f"inbox.{OFFICE}.{POLICE}")
    proven = judge(view, OFFICE).prove(record)
    assert isinstance(proven, Proven)
    assert proven.digest == WAY["expected"]["message"]
    assert isinstance(judge(view, OFFICE).open(proven), Message)


def test_the_sender_accepts_the_receipts_of_the_vector(view):
    said = []
    for record in records(f"inbox.{POLICE}.{OFFICE}"):
        proven = judge(view, POLICE).prove(record)
        assert isinstance(proven, Proven)
        receipt = judge(view, POLICE).open(proven)
        assert isinstance(receipt, Receipt)
        assert receipt.receipt.of == WAY["expected"]["message"]
        said.append((receipt.receipt.kind, receipt.word.by if receipt.word else None))
    assert said == [
        (ReceiptKind.DELIVERED, None),
        (ReceiptKind.ACKNOWLEDGED, "Max Muster (erfunden)"),
    ]


def test_the_revoked_key_of_the_vector_signs_nothing(view):
    (revoked,) = [each for each in view.certified(POLICE) if view.is_revoked(POLICE, each.key.kid)]
    with pytest.raises(Refused, match="key-revoked"):
        view.signature_key(POLICE, revoked.key.kid, NOW)


def test_a_record_that_could_be_read_in_two_ways_is_refused(view):
    """An officer's tool could take the first of two names, and see another reason than we do."""
    way = generator()
    (record,) = records(f"inbox.{OFFICE}.{POLICE}")
    original = statements.parse(record.header("statement"))
    why = open_sealed(parts(record.value)[1], way.OVERSIGHT[OFFICE], original.aad)
    twice = why.replace(b'"grounds":', b'"grounds":["neglect"],"grounds":')
    assert json.loads(twice) == json.loads(why)
    for text, expected in ((why, Message), (twice, Rejected)):
        context = original.context.model_copy(update={"record_sha256": Digest.of(text)})
        collected = way.Way({})
        payload = WAY["expected"]["payload"]
        value = collected.sealed("message", context, payload, text)
        collected.exchange(context, value)
        (made,) = collected.records
        proven = judge(view, OFFICE).prove(as_record(made))
        found = judge(view, OFFICE).open(proven)
        assert isinstance(found, expected)
    assert found.code == "record-malformed"


def test_the_committed_file_is_what_its_generator_derives():
    assert generator().build(dict(WAY["pinned"])) == WAY
