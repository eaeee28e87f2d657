"""Nothing enters the register that the trust anchor's chain does not vouch for."""

import json
from contextlib import suppress
from datetime import timedelta

import pytest

from meldeweg.ceremony import services
from meldeweg.kernel import keyfile, signing, strictjson, topics
from meldeweg.kernel.clock import from_rfc3339
from meldeweg.kernel.errors import Early, Refused, Unavailable
from meldeweg.kernel.ids import AgencyId, Digest
from meldeweg.kernel.jwk import OpenKey, SealKey, SigningKey
from meldeweg.kernel.signing import Typ
from meldeweg.kernel.trust import issue
from meldeweg.kernel.trust import register as trust_register
from meldeweg.kernel.trust.chain import Chains
from meldeweg.kernel.trust.objects import (
    AgencyKind,
    AgencyStatus,
    AgreementSignature,
    Enrolment,
    KeyRevoked,
    KeyUse,
    Reads,
    Snapshot,
    Status,
)
from meldeweg.kernel.trust.register import Register

NOW = from_rfc3339("2026-11-22T18:00:00.000Z")
POLICE = AgencyId("polizei-viersen")
KEMPEN = AgencyId("jugendamt-kempen")


def identity(places, agency):
    return keyfile.read_signing_key(places.offline(f"identity-{agency}.jwk"))


def code(excinfo):
    return excinfo.value.code


def test_records_in_the_worst_order_fill_the_register(register):
    # The fixture applies keys first and enrolments last.
    assert register.pending() == 0
    assert len(register.agencies()) == 6
    for agency in register.agencies():
        for use in (KeyUse.SEAL, KeyUse.OVERSIGHT):
            assert isinstance(register.key_for(agency, use, NOW), SealKey)
    (agreement,) = register.agreements()
    assert agreement.signed_by == set(register.agencies())


def test_the_same_record_twice_changes_nothing(register, places):
    before = register.agencies()
    for path in places.issued().iterdir():
        if path.name.startswith(("1", "2")):
            register.apply(topics.REGISTRY_AGENCIES, path.read_bytes())
    assert register.agencies() == before


def test_an_enrolment_that_the_anchor_did_not_sign_is_refused(register):
    forger = SigningKey.generate()
    body = Enrolment(
        v=1,
        agency=AgencyId("jugendamt-falsch"),
        name="Erfunden",
        kind=AgencyKind.YOUTH_OFFICE,
        municipalities=(),
        identity=forger.public_jwk(),
        principal="gw-jugendamt-falsch",
        at=NOW,
    )
    with pytest.raises(Refused) as caught:
        register.apply(topics.REGISTRY_AGENCIES, issue.signed(body, forger))
    assert code(caught) == "signature-key-mismatch"
    assert body.agency not in register.agencies()


def test_another_registers_anchor_vouches_for_nobody(places):
    stranger = Register(SigningKey.generate().public)
    for path in sorted(places.issued().iterdir()):
        if path.name.startswith(("1", "2")):
            with pytest.raises(Refused):
                stranger.apply(topics.REGISTRY_AGENCIES, path.read_bytes())
    assert not stranger.agencies()


def test_a_key_that_another_agencys_identity_certified_is_refused(register, places):
    key = SigningKey.generate()
    token = issue.certify(identity(places, KEMPEN), POLICE, key.public, KeyUse.SIGN, NOW)
    with pytest.raises(Refused) as caught:
        register.apply(topics.keys(POLICE), token)
    assert code(caught) == "signature-key-mismatch"


def test_a_key_on_another_agencys_topic_is_refused(register, places):
    key = SigningKey.generate()
    token = issue.certify(identity(places, KEMPEN), KEMPEN, key.public, KeyUse.SIGN, NOW)
    with pytest.raises(Refused) as caught:
        register.apply(topics.keys(POLICE), token)
    assert code(caught) == "trust-record-misplaced"


def test_a_kind_of_record_on_the_wrong_topic_is_refused(register, places):
    token = issue.certify(
        identity(places, POLICE), POLICE, SigningKey.generate().public, KeyUse.SIGN, NOW
    )
    with pytest.raises(Refused) as caught:
        register.apply(topics.REGISTRY_AGENCIES, token)
    assert code(caught) == "trust-record-misplaced"


@pytest.mark.parametrize("value", [None, b"", b"{", b"a.b.c", b"\xff\xfe", b"{}" * 10])
def test_nonsense_is_refused_with_a_code(register, value):
    for topic in (topics.REGISTRY_AGENCIES, topics.REGISTRY_AGREEMENTS, topics.keys(POLICE)):
        with pytest.raises(Refused) as caught:
            register.apply(topic, value)
        assert code(caught)


def test_a_name_and_reasons_that_are_not_one_line_are_read_and_not_signed(register, places):
    anchor, own = keyfile.read_signing_key(places.offline("anchor.jwk")), identity(places, KEMPEN)
    key = register.key_for(KEMPEN, KeyUse.SEAL, NOW).kid
    enrolment = register.agency(KEMPEN).model_copy(update={"name": "Alt\0", "at": NOW})
    why = {"v": 1, "agency": KEMPEN, "reason": "\x1b[2J", "at": NOW}
    stop = Status(status=AgencyStatus.SUSPENDED, n=1, **why)
    lost = KeyRevoked(kid=key, **why)
    for topic, typ, body, signer in (
        (topics.REGISTRY_AGENCIES, Typ.ENROLMENT, enrolment, anchor),
        (topics.REGISTRY_AGENCIES, Typ.STATUS, stop, anchor),
        (topics.keys(KEMPEN), Typ.KEY_REVOKED, lost, own),
    ):
        register.apply(topic, signing.sign(signer, typ, body.bytes()).encode())
        with pytest.raises(Refused, match=r"(enrolment|reason)-malformed"):
            issue.signed(body, signer)
    assert register.agency(KEMPEN).name == "Alt\0"
    assert register.status(KEMPEN) is AgencyStatus.SUSPENDED
    assert register.is_revoked(KEMPEN, key)


def test_a_revoked_key_verifies_nothing_any_more(register, places):
    (key,) = (
        each.key.kid for each in register.certified(POLICE) if each.certificate.use is KeyUse.SIGN
    )
    register.signature_key(POLICE, key, NOW)
    token = issue.revoke_key(identity(places, POLICE), POLICE, key, "verloren", NOW)
    register.apply(topics.keys(POLICE), token)
    with pytest.raises(Refused) as caught:
        register.signature_key(POLICE, key, NOW)
    assert code(caught) == "key-revoked"


def test_keys_count_within_their_time_and_a_clock_a_day_off(register, places):
    signer = identity(places, POLICE)
    key = SigningKey.generate()
    later = NOW + timedelta(days=20)
    token = issue.certify(signer, POLICE, key.public, KeyUse.SIGN, later, timedelta(days=10))
    register.apply(topics.keys(POLICE), token)
    with pytest.raises(Early) as early:
        register.signature_key(POLICE, key.kid, NOW)
    assert code(early) == "key-not-yet-valid"
    register.signature_key(POLICE, key.kid, later - timedelta(days=1))
    (certified,) = (each for each in register.certified(POLICE) if each.key.kid == key.kid)
    end, use_end = certified.certificate.valid_until, certified.certificate.use_until
    register.signature_key(POLICE, key.kid, end + timedelta(days=1))
    with pytest.raises(Refused) as late:
        register.signature_key(POLICE, key.kid, end + timedelta(days=1, hours=3))
    assert code(late) == "key-expired"
    assert register.is_usable(certified, use_end), "for what is new one's own clock counts"
    assert not register.is_usable(certified, use_end + timedelta(seconds=1))


def test_the_newest_seal_key_is_used_and_none_after_its_time(register, places):
    newer = OpenKey.generate()
    token = issue.certify(
        identity(places, KEMPEN), KEMPEN, newer.public, KeyUse.SEAL, NOW + timedelta(hours=1)
    )
    register.apply(topics.keys(KEMPEN), token)
    assert register.key_for(KEMPEN, KeyUse.SEAL, NOW + timedelta(hours=2)).kid == newer.kid
    with pytest.raises(Unavailable) as caught:
        register.key_for(KEMPEN, KeyUse.SEAL, NOW + timedelta(days=400))
    assert code(caught) == "no-key"


def test_a_sealing_key_signs_nothing(register):
    (kid,) = (
        each.key.kid for each in register.certified(POLICE) if each.certificate.use is KeyUse.SEAL
    )
    with pytest.raises(Refused) as caught:
        register.signature_key(POLICE, kid, NOW)
    assert code(caught) == "key-use-wrong"


def test_an_agreement_counts_only_signatures_of_the_pinned_keys(register, places):
    (agreement,) = register.agreements()
    fresh = Register(keyfile.read_public_key(places.anchor))
    for path in sorted(places.issued().iterdir()):
        if not path.name.startswith("4"):
            topic = topics.REGISTRY_AGREEMENTS if path.name[0] == "3" else topics.REGISTRY_AGENCIES
            fresh.apply(topic, path.read_bytes())
    body = AgreementSignature(v=1, agreement=agreement.digest, agency=POLICE, at=NOW)
    with pytest.raises(Refused):
        fresh.apply(topics.REGISTRY_AGREEMENTS, issue.signed(body, identity(places, KEMPEN)))
    assert fresh.agreement(agreement.digest).signed_by == frozenset()
    fresh.apply(topics.REGISTRY_AGREEMENTS, issue.signed(body, identity(places, POLICE)))
    assert fresh.agreement(agreement.digest).signed_by == {POLICE}


def test_what_an_agency_reads_is_signed_by_its_signing_key(register, places):
    body = Reads(v=1, agency=POLICE, types={"reply": (1,)}, at=NOW)
    register.apply(topics.keys(POLICE), issue.signed(body, SigningKey.generate()))
    assert register.pending() == 1  # an unknown signer may only be early
    assert register.reads(POLICE) == {}


def test_who_floods_with_early_records_pushes_out_only_their_own(places, monkeypatch):
    monkeypatch.setattr(trust_register, "_PENDING_MAX", 10)
    register = Register(keyfile.read_public_key(places.anchor))
    key = SigningKey.generate()
    certificate = issue.certify(identity(places, KEMPEN), KEMPEN, key, KeyUse.SIGN, NOW)
    register.apply(topics.keys(KEMPEN), certificate)  # read before the enrolment
    for number in range(20):
        body = Reads(v=1, agency=POLICE, types={"reply": (1 + number,)}, at=NOW)
        register.apply(topics.keys(POLICE), issue.signed(body, key))
    assert register.pending() == 11
    for path in sorted(places.issued().iterdir()):
        if path.name[0] in "12":
            register.apply(topics.REGISTRY_AGENCIES, path.read_bytes())
    assert [each.key.kid for each in register.certified(KEMPEN)] == [key.kid]


def test_a_snapshot_needs_the_registrys_certified_key(register, places):
    body = Snapshot(v=1, n=1, at=NOW, topics={})
    register.apply(topics.REGISTRY_SNAPSHOTS, issue.signed(body, SigningKey.generate()))
    assert register.snapshot is None
    key = keyfile.read_signing_key(places.service_key("registry"))
    register.apply(topics.REGISTRY_SNAPSHOTS, issue.signed(body, key))
    assert register.snapshot == body
    audit = keyfile.read_signing_key(places.service_key("audit"))
    later = body.model_copy(update={"n": 2, "at": NOW + timedelta(minutes=1)})
    register.apply(topics.REGISTRY_SNAPSHOTS, issue.signed(later, audit))
    assert register.snapshot == body


def test_what_a_withdrawn_key_signed_before_stays_and_no_more_comes(register, places):
    anchor = keyfile.read_signing_key(places.offline("anchor.jwk"))
    key = keyfile.read_signing_key(places.service_key("registry"))
    stop = issue.change_status(key, KEMPEN, AgencyStatus.SUSPENDED, 1, "Übung", NOW)
    register.apply(topics.REGISTRY_AGENCIES, stop)
    certificate = services.read(places.issued("1-registry").read_bytes())
    withdrawn = services.withdraw(anchor, certificate, NOW + timedelta(days=1))
    register.apply(topics.REGISTRY_AGENCIES, withdrawn)
    backdated = issue.change_status(key, POLICE, AgencyStatus.SUSPENDED, 1, "gestohlen", NOW)
    snapshot = issue.signed(Snapshot(v=1, n=1, at=NOW, topics={}), key)
    for topic, late in (
        (topics.REGISTRY_AGENCIES, backdated),
        (topics.REGISTRY_SNAPSHOTS, snapshot),
    ):
        with pytest.raises(Refused, match="key-revoked"):
            register.apply(topic, late)
    assert register.snapshot is None
    states = {agency: register.status(agency) for agency in (KEMPEN, POLICE)}
    assert states == {KEMPEN: AgencyStatus.SUSPENDED, POLICE: AgencyStatus.ACTIVE}
    free = issue.change_status(anchor, KEMPEN, AgencyStatus.ACTIVE, 2, "Übung", NOW)
    register.apply(topics.REGISTRY_AGENCIES, free)
    assert register.status(KEMPEN) is AgencyStatus.ACTIVE


def test_a_snapshot_of_a_wrong_clock_is_outdone_by_the_next(register, places):
    key = keyfile.read_signing_key(places.service_key("registry"))
    days = timedelta(days=300)
    for n, at in ((1, NOW), (2, NOW + days), (3, NOW + timedelta(minutes=1)), (2, NOW + days)):
        body = Snapshot(v=1, n=n, at=at, topics={})
        register.apply(topics.REGISTRY_SNAPSHOTS, issue.signed(body, key))
    assert (register.snapshot.n, register.snapshot.at) == (3, NOW + timedelta(minutes=1))


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0)])
def test_the_newest_certificate_of_a_key_counts_in_whatever_order_they_come(
    register, places, order
):
    key, day = SigningKey.generate(), timedelta(days=1)
    tokens = [
        issue.certify(identity(places, POLICE), POLICE, key.public, KeyUse.SIGN, at, life)
        for at, life in ((NOW, 365 * day), (NOW + day, 2 * day))
    ]
    for n in order:
        register.apply(topics.keys(POLICE), tokens[n])
    (held,) = [each for each in register.certified(POLICE) if each.key.kid == key.kid]
    assert held.certificate.at == NOW + day


def test_of_two_revocations_the_earlier_counts_for_who_counts_what_lay_there(register, places):
    """And whoever says no time is refused, whenever that was signed."""
    (key,) = [k.key.kid for k in register.certified(POLICE) if k.certificate.use is KeyUse.SIGN]
    hour = timedelta(hours=1)
    for at in (NOW, NOW + 2 * hour):
        token = issue.revoke_key(identity(places, POLICE), POLICE, key, "Übung", at)
        register.apply(topics.keys(POLICE), token)
    assert register.signature_key(POLICE, key, NOW + hour, there_at=NOW - hour).kid == key
    for there_at in (NOW, NOW + hour, None):
        with pytest.raises(Refused, match="key-revoked"):
            register.signature_key(POLICE, key, NOW, there_at=there_at)


@pytest.mark.parametrize("revoked_first", [True, False])
def test_what_a_stolen_key_announced_ends_with_its_revocation(register, places, revoked_first):
    signer, key, tokens = identity(places, POLICE), SigningKey.generate(), []
    register.apply(topics.keys(POLICE), issue.certify(signer, POLICE, key.public, KeyUse.SIGN, NOW))
    ahead = Reads(v=1, agency=POLICE, types={}, at=NOW + timedelta(days=300))
    tokens = [issue.signed(ahead, key), issue.revoke_key(signer, POLICE, key.kid, "Übung", NOW)]
    for token in reversed(tokens) if revoked_first else tokens:
        with suppress(Refused):
            register.apply(topics.keys(POLICE), token)
    other = SigningKey.generate()
    register.apply(
        topics.keys(POLICE), issue.certify(signer, POLICE, other.public, KeyUse.SIGN, NOW)
    )
    anew = Reads(v=1, agency=POLICE, types={"notification": (1,)}, at=NOW)
    register.apply(topics.keys(POLICE), issue.signed(anew, other))
    assert register.reads(POLICE) == {"notification": (1,)}


def test_a_snapshot_judges_nothing_again_that_waits(register, places, monkeypatch):
    stranger = issue.signed(Reads(v=1, agency=POLICE, types={}, at=NOW), SigningKey.generate())
    register.apply(topics.keys(POLICE), stranger)
    assert register.pending() == 1
    monkeypatch.setattr(register, "_retry_pending", None)  # called, it would end here
    key = keyfile.read_signing_key(places.service_key("registry"))
    snapshot = Snapshot(v=1, n=1, at=NOW, topics={})
    register.apply(topics.REGISTRY_SNAPSHOTS, issue.signed(snapshot, key))
    assert register.snapshot == snapshot


def test_what_waits_is_bounded_in_bytes_too(register):
    versions = tuple(range(900, 1000))
    types = {f"{n:060}": versions for n in range(100)}
    for _ in range(50):
        token = issue.signed(Reads(v=1, agency=POLICE, types=types, at=NOW), SigningKey.generate())
        register.apply(topics.keys(POLICE), token)
    assert 20 < register.pending() < 50
    assert sum(map(len, register._pending[topics.keys(POLICE)])) <= 2 * 1024 * 1024


@pytest.mark.parametrize("status", [AgencyStatus.SUSPENDED, AgencyStatus.REVOKED])
def test_the_anchors_name_without_its_signature_changes_no_status(register, places, status):
    anchor = keyfile.read_signing_key(places.offline("anchor.jwk"))
    forged = issue.change_status(SigningKey.generate(), POLICE, status, 1, "Übung", NOW)
    header, payload, signature = forged.split(b".")
    members = json.loads(strictjson.b64u_decode(header.decode())) | {"kid": anchor.kid}
    header = strictjson.b64u_encode(json.dumps(members, separators=(",", ":")).encode()).encode()
    with pytest.raises(Refused, match="signature"):
        register.apply(topics.REGISTRY_AGENCIES, b".".join((header, payload, signature)))
    assert register.status(POLICE) is AgencyStatus.ACTIVE


def test_a_revocation_counts_whatever_its_number(register, places):
    key = keyfile.read_signing_key(places.service_key("registry"))
    for n in (1, 2, 3):
        suspended = issue.change_status(key, POLICE, AgencyStatus.SUSPENDED, n, "Übung", NOW)
        register.apply(topics.REGISTRY_AGENCIES, suspended)
    own = identity(places, POLICE)
    revoked = issue.change_status(own, POLICE, AgencyStatus.REVOKED, 1, "Übung", NOW)
    register.apply(topics.REGISTRY_AGENCIES, revoked)
    assert register.status(POLICE) is AgencyStatus.REVOKED


def test_chains_tell_a_withheld_a_swapped_and_an_added_record():
    ours, theirs = Chains(), Chains()
    for value in (b"a", b"b", b"c"):
        ours.extend("keys.x", value)
    for value in (b"a", b"c"):
        theirs.extend("keys.x", value)
    end, digest = theirs.end("keys.x")
    assert ours.contradicts("keys.x", end, digest)
    assert not ours.contradicts("keys.x", *ours.end("keys.x"))
    assert not theirs.contradicts("keys.x", *ours.end("keys.x"))  # not come so far
    assert not ours.contradicts("keys.x", 0, Digest("0" * 64))
    assert ours.contradicts("keys.x", 0, Digest("1" * 64))
    assert ours.contradicts("keys.y", 0, Digest("1" * 64))  # d(0) is known to everybody
    ours.restart("keys.x")
    assert ours.end("keys.x")[0] == 0
