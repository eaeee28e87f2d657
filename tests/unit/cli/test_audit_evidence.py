"""What an officer is shown was signed by its sender and is in the log, or it is not shown."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest

from meldeweg.audit.project import project
from meldeweg.ceremony import services
from meldeweg.cli import register_file
from meldeweg.cli.audit_entry import Entry, Proof, read_entry, read_proof
from meldeweg.cli.audit_evidence import AGENCY_REVOKED, KEY_REVOKED, LOG_KEY_ENDED, weigh
from meldeweg.cli.audit_open import open_entry
from meldeweg.kernel import note, strictjson, topics
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.jwk import SigningKey
from meldeweg.kernel.leaf import genesis
from meldeweg.kernel.merkle import inclusion_proof, leaf_hash, root_of
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust.objects import AgencyStatus, KeyRevoked
from unit.gateway.world import KREIS, NOW, POLICE, SETUP, World

ORIGIN, INDEX, TOPIC_ID = "audit.example/kreis-musterstadt/2026", 5, UUID(int=7).bytes


@pytest.fixture(scope="module")
def world():
    return World()


@pytest.fixture(scope="module")
def audit_key():
    return SigningKey.generate()


@pytest.fixture
def certified(world, audit_key):
    """The anchor's word for the audit's key, as a record of the register."""
    token = services.certify(world.anchor, "audit", audit_key.public, SETUP)
    return (topics.REGISTRY_AGENCIES, token)


@pytest.fixture
def entry(world):
    return _entry(world.message())


def _entry(record):
    made = project(TOPIC_ID, record)
    return Entry(2026, INDEX, TOPIC_ID, made.offset, made.leaf, made.canonical, made.sealed)


def _proof(entry, key, origin=ORIGIN):
    """A log of nine leaves with the entry at its index, under a signed head."""
    hashes = [leaf_hash(b"%d" % n) for n in range(9)]
    hashes[INDEX] = leaf_hash(entry.leaf)
    head = note.Checkpoint(origin, len(hashes), root_of(hashes))
    signer = note.Signer(origin, key.public.public, key.sign)

    def read(level, index):
        return root_of(hashes[index << level : (index + 1) << level])

    steps = inclusion_proof(INDEX, len(hashes), read)
    return Proof(note.sign(head.text(), signer), tuple(steps))


def _weighed(world, entry, proof, register, now=NOW):
    opened = open_entry(entry, world.offices[KREIS].oversight)
    return weigh(opened, entry, proof, register, now)


def test_what_was_signed_and_logged_is_proven(world, audit_key, certified, entry):
    evidence = _weighed(world, entry, _proof(entry, audit_key), world.register(certified))
    assert (evidence.head.origin, evidence.head.size) == (ORIGIN, 9)
    assert evidence.signer == world.offices[POLICE].signing.kid
    assert evidence.notices == ()


def test_an_entry_that_somebody_else_signed_is_not_shown(world, audit_key, certified):
    forger = SigningKey.generate()
    entry = _entry(world.message(key=forger))
    with pytest.raises(Refused) as refused:
        _weighed(world, entry, _proof(entry, audit_key), world.register(certified))
    assert refused.value.code == "signer-unknown"


def test_the_genesis_is_no_entry_whose_bytes_were_deleted(world):
    leaf = genesis(ORIGIN, 2026).encode()
    first = Entry(2026, 0, bytes(16), 2026, leaf, canonical=None, sealed=None)
    with pytest.raises(Refused) as refused:
        open_entry(first, world.offices[KREIS].oversight)
    assert refused.value.code == "entry-without-record"


def test_a_partners_key_is_not_the_senders(world, audit_key, certified):
    entry = _entry(world.message(key=world.offices[KREIS].signing))
    with pytest.raises(Refused) as refused:
        _weighed(world, entry, _proof(entry, audit_key), world.register(certified))
    assert refused.value.code == "signer-unknown"


def test_a_statement_for_another_value_is_not_shown(world, audit_key, certified):
    record = world.message()
    other = replace(record, value=record.value.replace(b'{"content":', b'{"content": ', 1))
    entry = _entry(other)
    with pytest.raises(Refused) as refused:
        _weighed(world, entry, _proof(entry, audit_key), world.register(certified))
    assert refused.value.code == "value-mismatch"


def test_what_lies_elsewhere_in_the_log_or_in_none_is_not_shown(world, audit_key, certified, entry):
    proof, register = _proof(entry, audit_key), world.register(certified)
    stranger = _entry(world.message())
    for bent in (
        (stranger, proof),
        (replace(entry, index=INDEX + 1), proof),
        (entry, replace(proof, steps=proof.steps[1:])),
        (entry, replace(proof, steps=(bytes(32), *proof.steps[1:]))),
    ):
        with pytest.raises(Refused) as refused:
            _weighed(world, *bent, register)
        assert refused.value.code == "inclusion-unproven"


def test_a_leaf_of_another_place_is_not_shown(world, audit_key, certified, entry):
    proof, register = _proof(entry, audit_key), world.register(certified)
    for bent in (replace(entry, offset=entry.offset + 1), replace(entry, topic_id=bytes(16))):
        with pytest.raises(Refused) as refused:
            _weighed(world, bent, proof, register)
        assert refused.value.code == "entry-contradicts"


def test_a_head_that_the_anchor_knows_nothing_of_is_not_believed(
    world, audit_key, certified, entry
):
    register = world.register(certified)
    with pytest.raises(Refused) as refused:
        _weighed(world, entry, _proof(entry, SigningKey.generate()), register)
    assert refused.value.code == "note-unsigned"
    with pytest.raises(Refused) as refused:
        _weighed(world, entry, _proof(entry, audit_key), world.register())
    assert refused.value.code == "note-unsigned"


def test_a_key_that_was_revoked_since_is_told_and_the_record_shown(
    world, audit_key, certified, entry
):
    office = world.offices[POLICE]
    body = KeyRevoked(v=1, agency=POLICE, kid=office.signing.kid, reason="Übung", at=NOW)
    revoked = (topics.keys(POLICE), issue.signed(body, office.identity))
    register = world.register(certified, revoked)
    assert _weighed(world, entry, _proof(entry, audit_key), register).notices == (KEY_REVOKED,)


def test_a_sender_that_was_revoked_since_is_told_and_the_record_shown(
    world, audit_key, certified, entry
):
    token = issue.change_status(world.anchor, POLICE, AgencyStatus.REVOKED, 1, "Übung", NOW)
    register = world.register(certified, (topics.REGISTRY_AGENCIES, token))
    proof = _proof(entry, audit_key)
    assert _weighed(world, entry, proof, register).notices == (AGENCY_REVOKED,)


def test_a_revoked_key_counts_in_its_time_alone_too(world, audit_key, certified):
    office = world.offices[POLICE]
    body = KeyRevoked(v=1, agency=POLICE, kid=office.signing.kid, reason="Übung", at=NOW)
    revoked = (topics.keys(POLICE), issue.signed(body, office.identity))
    entry = _entry(world.message(context_changes={"created": NOW + timedelta(days=4000)}))
    with pytest.raises(Refused) as refused:
        _weighed(world, entry, _proof(entry, audit_key), world.register(certified, revoked))
    assert refused.value.code == "key-expired"


def test_the_log_of_another_year_is_not_shown(world, audit_key, certified, entry):
    proof = _proof(entry, audit_key, ORIGIN.replace("2026", "2025"))
    with pytest.raises(Refused) as refused:
        _weighed(world, entry, proof, world.register(certified))
    assert refused.value.code == "entry-contradicts"


def test_a_key_counts_in_its_time_alone(world, audit_key, certified):
    entry = _entry(world.message(context_changes={"created": NOW + timedelta(days=4000)}))
    with pytest.raises(Refused) as refused:
        _weighed(world, entry, _proof(entry, audit_key), world.register(certified))
    assert refused.value.code == "key-expired"


def test_a_log_key_that_has_ended_is_told(world, audit_key, certified, entry):
    later = NOW + timedelta(days=4000)
    proof, register = _proof(entry, audit_key), world.register(certified)
    assert _weighed(world, entry, proof, register, later).notices == (LOG_KEY_ENDED,)


@pytest.mark.parametrize(
    "bent",
    [
        *(None, [], {}, {"year": "x"}, {"leaf": "?"}, {"topic_id": "zz"}, {"canonical": 7}),
        *({"offset": 1 << 64}, {"offset": -1}, {"index": True}, {"index": 1.5}),
    ],
)
def test_an_answer_of_another_form_is_refused(bent):
    said = {"year": 2026, "index": 1, "topic_id": None, "offset": None, "leaf": "AA=="}
    said |= {"canonical": None, "record": None}
    assert read_entry(said).canonical is None
    with pytest.raises(Refused) as refused:
        read_entry(said | bent if isinstance(bent, dict) and bent else bent)
    assert refused.value.code == "entry-malformed"
    with pytest.raises(Refused):
        read_proof(bent)


def test_a_register_in_a_file_is_what_the_anchor_proves(world, certified, tmp_path):
    file, anchor = tmp_path / "register", tmp_path / "anchor"
    stranger = World()
    forged = [(topic, value) for topic, value in stranger.records if topic.startswith("keys.")]
    count = register_file.write(file, [*forged, *world.records, certified])
    assert count == len(forged) + len(world.records) + 1
    anchor.write_bytes(strictjson.dumps(world.anchor.public.public_jwk()))
    register = register_file.read(file, anchor)
    keys = {each.key.kid for each in register.certified(POLICE)}
    assert keys == {each.key.kid for each in world.register().certified(POLICE)}
    assert register.service_keys("audit")
    with pytest.raises(Refused) as refused:
        register_file.write(file, [])
    assert refused.value.code == "file-exists"
    other = tmp_path / "other"
    other.write_bytes(strictjson.dumps(stranger.anchor.public.public_jwk()))
    assert not register_file.read(file, other).agencies()
    for line in (b"[]\n", b'{"topic":"x"}\n', b'{"topic":"x","value":"?"}\n', b"x\n"):
        broken = tmp_path / "broken"
        broken.write_bytes(line)
        with pytest.raises(Refused) as refused:
            register_file.read(broken, anchor)
        assert refused.value.code == "register-malformed"
