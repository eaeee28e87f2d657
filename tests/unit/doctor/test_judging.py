"""Facts in, findings out: what is well finds nothing, each wrong thing its own code."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meldeweg.doctor import judging
from meldeweg.doctor.catalogue import Finding, catalogue
from meldeweg.doctor.facts import (
    BrokerFacts,
    CertificateFacts,
    ClockFacts,
    KeyFacts,
    KeyringFacts,
    PortFacts,
    RightsFacts,
    ServiceFacts,
    SnapshotFacts,
    StoreFacts,
)
from meldeweg.kernel.trust.objects import KeyUse

NOW = datetime(2026, 11, 22, 18, tzinfo=UTC)
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
WHO = "gateway-polizei-viersen"
CERTIFICATE = CertificateFacts(
    Path("x.crt"), NOW - DAY, NOW + 180 * DAY, "gw-polizei-viersen", True, True
)
KEYS = tuple(
    KeyFacts(f"kid-{use}", use, NOW - DAY, NOW - DAY, NOW + 300 * DAY, True, False)
    for use in KeyUse
)


def codes(found):
    return [each.code for each in found]


def test_a_revoked_agency_is_not_blamed_for_the_snapshots_it_may_not_read():
    lacking = list(judging.snapshot(WHO, SnapshotFacts(None), NOW))
    others = [Finding(WHO, "acl-missing", "READ x"), Finding("other", "snapshot-missing")]
    for status, found in (("revoked", others), ("suspended", [*lacking, *others])):
        facts = RightsFacts(status, (), ())
        assert judging.unexplained(WHO, [*lacking, *others], facts) == found


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, None),
        ({"not_after": NOW - MINUTE}, "certificate-expired"),
        ({"not_after": NOW + 20 * DAY}, "certificate-near-end"),
        ({"not_before": NOW + MINUTE}, "certificate-not-yet-valid"),
        ({"of_our_ca": False}, "certificate-wrong-ca"),
        ({"has_its_key": False}, "certificate-key-mismatch"),
        ({"principal": "gw-jugendamt-kempen"}, "certificate-wrong-name"),
        ({"trouble": "x.crt: No such file or directory"}, "certificate-unreadable"),
    ],
)
def test_each_fault_of_a_certificate_has_its_code(change, code):
    facts = replace(CERTIFICATE, **change)
    found = codes(judging.certificate(WHO, facts, "gw-polizei-viersen", NOW))
    assert found == ([code] if code else [])


def with_key(use, **change):
    return KeyringFacts(
        Path("keys"), tuple(replace(each, **change) if each.use is use else each for each in KEYS)
    )


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (KeyringFacts(Path("keys"), KEYS), None),
        (with_key(KeyUse.SIGN, use_until=NOW - MINUTE), "key-expired"),
        (with_key(KeyUse.OVERSIGHT, use_until=NOW - MINUTE), "key-expired"),
        (with_key(KeyUse.SEAL, use_until=NOW + 29 * DAY), "key-near-end"),
        (with_key(KeyUse.SIGN, revoked=True), "key-missing"),
        (with_key(KeyUse.SIGN, private_here=False), "key-private-missing"),
        (with_key(KeyUse.OVERSIGHT, private_here=False), None),
        (KeyringFacts(Path("keys"), KEYS, ("lost.jwk",)), "key-uncertified"),
        (KeyringFacts(Path("keys"), trouble="key-file-open"), "keys-unreadable"),
    ],
)
def test_each_fault_of_the_keys_has_its_code(facts, code):
    assert codes(judging.keyring(WHO, facts, NOW)) == ([code] if code else [])


def test_an_ended_key_beside_its_successor_is_no_finding():
    old = replace(KEYS[0], kid="old", made=NOW - 400 * DAY, use_until=NOW - DAY)
    assert codes(judging.keyring(WHO, KeyringFacts(Path("keys"), (*KEYS, old)), NOW)) == []


@pytest.mark.parametrize(
    ("ours", "at_least", "wrong"),
    [
        (NOW, False, False),
        (NOW + 4 * MINUTE, False, False),
        (NOW + 6 * MINUTE, False, True),
        (NOW - 6 * MINUTE, False, True),
        (NOW + 60 * MINUTE, True, False),  # that time is simply long past
        (NOW - 6 * MINUTE, True, True),
    ],
)
def test_clocks_may_differ_by_five_minutes(ours, at_least, wrong):
    found = codes(judging.clock(WHO, ClockFacts("broker", ours, NOW, at_least)))
    assert found == (["clock-differs"] if wrong else [])


def test_a_time_that_is_only_known_to_be_past_disagrees_with_nobody():
    past = ClockFacts("broker", NOW, NOW - 60 * MINUTE, at_least=True)
    assert codes(judging.disagreeing(WHO, [past, ClockFacts("watch", NOW, NOW)])) == []
    assert codes(judging.disagreeing(WHO, [past])) == []


@pytest.mark.parametrize(
    ("found", "code"),
    [
        (judging.store(WHO, StoreFacts(Path("s"), "", 0.5)), None),
        (judging.store(WHO, StoreFacts(Path("s"), "", 0.05)), "disk-nearly-full"),
        (judging.store(WHO, StoreFacts(Path("s"), "ENOSPC", 0.0)), "disk-full"),
        (judging.store(WHO, StoreFacts(Path("s"), "EROFS", 0.5)), "store-not-writable"),
        (judging.snapshot(WHO, SnapshotFacts(NOW - MINUTE), NOW), None),
        (judging.snapshot(WHO, SnapshotFacts(NOW - 6 * MINUTE), NOW), "snapshot-stale"),
        (judging.snapshot(WHO, SnapshotFacts(None), NOW), "snapshot-missing"),
        (judging.rights(WHO, RightsFacts("active")), None),
        (judging.rights(WHO, RightsFacts("active", ("inbox.a.b",))), "acl-missing"),
        (judging.rights(WHO, RightsFacts("active", (), ("inbox.a.b",))), "acl-missing"),
        (judging.rights(WHO, RightsFacts("suspended")), "agency-suspended"),
        (judging.rights(WHO, RightsFacts("revoked")), "agency-revoked"),
        (judging.rights(WHO, RightsFacts("")), "agency-not-enrolled"),
        (judging.service(WHO, ServiceFacts("http://x", True)), None),
        (judging.audit(WHO, ServiceFacts("http://x", True, (), "audit")), None),
        (judging.audit(WHO, ServiceFacts("http://x", False)), "audit-unreachable"),
        (judging.audit(WHO, ServiceFacts("http://x", True, (), "watch")), "audit-unreachable"),
        (
            judging.audit(WHO, ServiceFacts("http://x", True, (("broker", "x"),), "audit")),
            "audit-unreachable",
        ),
        (
            judging.service(WHO, ServiceFacts("http://x", True, (("broker", "x"),))),
            "service-not-ready",
        ),
        (judging.port(WHO, PortFacts("127.0.0.1:1", "itself")), None),
        (judging.port(WHO, PortFacts("127.0.0.1:1", "another")), "port-taken"),
        (judging.port(WHO, PortFacts("192.0.2.1:1", "", "EADDRNOTAVAIL")), "address-unusable"),
        (judging.broker(WHO, BrokerFacts("x:1")), None),
        (
            judging.broker(WHO, BrokerFacts("x:1", "certificate-refused", "y")),
            "certificate-refused",
        ),
    ],
)
def test_each_fact_has_its_finding(found, code):
    assert codes(found) == ([code] if code else [])


def test_every_code_is_explained_in_both_languages():
    for code, entry in catalogue().items():
        assert all((entry.meaning, entry.fix, entry.meaning_en, entry.fix_en)), code


def test_a_finding_nobody_explains_cannot_be_made():
    with pytest.raises(TypeError):
        Finding(WHO, "something-else")
