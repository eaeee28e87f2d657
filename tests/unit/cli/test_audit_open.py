"""Opening a sealed record: the right one for the right officer, or a refusal."""

import base64
from datetime import UTC, datetime

import pytest

from meldeweg.audit.project import project
from meldeweg.cli.audit_open import open_entry, prove_entry
from meldeweg.envelope.sealing import seal
from meldeweg.kernel import note
from meldeweg.kernel.bus.records import Record
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId, Digest, new_message_id
from meldeweg.kernel.jwk import OpenKey, SigningKey
from meldeweg.kernel.merkle import inclusion_proof, leaf_hash, root_of
from meldeweg.kernel.statement import Context, Seq, Urgency, sign

OFFICER, OTHER = OpenKey(b"o" * 32), OpenKey(b"x" * 32)
SENDER = SigningKey(b"s" * 32)
LOG = SigningKey(b"l" * 32)
ORIGIN = "audit.example/2026"
RECORD = b'{"type":"notification","purpose":"an invented reason"}'
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def b64(data):
    return base64.b64encode(data).decode()


def entry_of(record=RECORD, signed_for=RECORD, aad=None):
    context = Context(
        v=1, id=new_message_id(), kind="message", sender=AgencyId("polizei-musterstadt"),
        to=AgencyId("jugendamt-musterstadt"), created=NOW, urgency=Urgency.TODAY, ack_by=NOW,
        exercise=True, agreement=Digest.of(b"agreement"), seq=Seq(outbox="0" * 16, n=1),
        record_sha256=Digest.of(signed_for), delete_after="2027-06-01",
    ).bytes()  # fmt: skip
    aad = aad or Digest.of(context).raw()
    value = b'{"content":%b,"record":%b}' % (
        seal(b"content", [OTHER.public], aad),
        seal(record, [OFFICER.public], aad),
    )
    headers = (("statement", sign(context, value, SENDER)),)
    made = project(bytes(16), Record("inbox.a.b", 0, 0, 1, b"k", value, headers))
    return {
        "index": 1,
        "leaf": b64(made.leaf),
        "canonical": b64(made.canonical),
        "record": made.sealed.decode(),
    }


KEYS = {OFFICER.kid: OFFICER}


def test_the_officer_reads_why_it_was_sent():
    opened = open_entry(entry_of(), KEYS)
    assert opened.record == RECORD
    assert opened.context.to == "jugendamt-musterstadt"


def test_nobody_else_does():
    with pytest.raises(Refused, match="envelope"):
        open_entry(entry_of(), {OTHER.kid: OTHER})


def test_a_record_that_the_sender_did_not_sign_for_is_refused():
    with pytest.raises(Refused, match="record-differs"):
        open_entry(entry_of(signed_for=b"something else"), KEYS)


def test_a_record_of_another_message_is_refused():
    with pytest.raises(Refused, match="envelope"):
        open_entry(entry_of() | {"record": entry_of()["record"]}, KEYS)


@pytest.mark.parametrize("name", ["leaf", "canonical"])
def test_an_entry_that_is_not_what_its_leaf_commits_to_is_refused(name):
    with pytest.raises(Refused, match="entry-differs-from-leaf"):
        open_entry(entry_of() | {name: entry_of()[name]}, KEYS)


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"record": None}, "record-absent"), ({"leaf": "?"}, "entry-malformed"),
     ({"leaf": None}, "entry-malformed"), ({"canonical": "AA=="}, "canonical-malformed")],
)  # fmt: skip
def test_what_is_no_entry_is_refused(changes, code):
    with pytest.raises(Refused, match=code):
        open_entry(entry_of() | changes, KEYS)


def proof_of(entry, signer):
    hashes = [leaf_hash(b"genesis"), leaf_hash(base64.b64decode(entry["leaf"]))]
    head = note.Checkpoint(ORIGIN, 2, root_of(hashes))
    steps = inclusion_proof(1, 2, lambda level, index: hashes[index])
    return {"proof": [b64(s) for s in steps], "checkpoint": note.sign(head.text(), signer).decode()}


def test_the_entry_is_proven_to_be_in_the_log_that_its_key_signed():
    signer = note.Signer(ORIGIN, LOG.public.public, LOG.sign)
    entry = entry_of()
    keys = [signer.verifier()]
    assert prove_entry(entry, proof_of(entry, signer), ORIGIN, keys).size == 2
    with pytest.raises(Refused, match="inclusion-unproven"):
        prove_entry(entry_of(), proof_of(entry, signer), ORIGIN, keys)
    with pytest.raises(Refused, match="note-unsigned"):
        prove_entry(entry, proof_of(entry, signer), ORIGIN, [note.Verifier(ORIGIN, b"p" * 32)])
    for broken in ({"proof": None}, {"proof": ["?"]}, {"checkpoint": None}):
        with pytest.raises(Refused, match="entry-malformed"):
            prove_entry(entry, proof_of(entry, signer) | broken, ORIGIN, keys)
