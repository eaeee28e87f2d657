"""Rights follow from agreements and status alone."""

import contextlib
from dataclasses import replace
from datetime import timedelta

import pytest

from meldeweg.ceremony.district import Places
from meldeweg.kernel import keyfile, topics
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.bus.rights import Acl, Operation, Pattern, Resource
from meldeweg.kernel.clock import from_rfc3339
from meldeweg.kernel.errors import Refused
from meldeweg.kernel.ids import AgencyId
from meldeweg.kernel.trust.issue import change_status
from meldeweg.kernel.trust.objects import AgencyStatus
from meldeweg.registry.api import shown
from meldeweg.registry.provisioning import Provision, desired, difference, trust_group

NOW = from_rfc3339("2026-11-22T18:00:00.000Z")
POLICE = AgencyId("polizei-viersen")
KREIS = AgencyId("jugendamt-kreis-viersen")
KEMPEN = AgencyId("jugendamt-kempen")
NOTHING = Provision(frozenset(), frozenset())


def named(acl, topic):
    """As the broker compares: `*` is everything."""
    if acl.pattern is Pattern.PREFIX:
        return topic.startswith(acl.name)
    return acl.name in (topic, "*")


def may(provision, agency, operation, topic):
    principal = f"gw-{agency}"
    return any(
        acl.principal == principal
        and acl.resource is Resource.TOPIC
        and acl.operation is operation
        and named(acl, topic)
        for acl in provision.acls
    )


def set_status(register, places: Places, agency, status, n, signer):
    key = keyfile.read_signing_key(signer)
    token = change_status(key, agency, status, n, "Übung", NOW)
    register.apply(topics.REGISTRY_AGENCIES, token)


def test_a_partner_may_write_to_the_other_and_nobody_else_may(register):
    plan = desired(register, NOW)
    inbox = topics.inbox(KREIS, POLICE)
    assert inbox in plan.topics
    assert may(plan, POLICE, Operation.WRITE, inbox)
    writers = {
        acl.principal
        for acl in plan.acls
        if acl.resource is Resource.TOPIC and acl.operation is Operation.WRITE and named(acl, inbox)
    }
    assert writers == {"gw-polizei-viersen"}


def test_audit_and_watch_read_and_only_audit_writes_its_own_topic(register):
    rights = {
        (acl.principal, acl.operation, acl.pattern, acl.name)
        for acl in desired(register, NOW).acls
        if not acl.principal.startswith("gw-") and acl.resource is Resource.TOPIC
    }
    read, literal, prefix = Operation.READ, Pattern.LITERAL, Pattern.PREFIX
    audit, watch = "service-audit", "service-watch"
    assert rights == {
        (audit, Operation.WRITE, literal, topics.AUDIT_CHECKPOINTS),
        (audit, read, literal, topics.AUDIT_CHECKPOINTS),
        (audit, read, literal, topics.AUDIT_COSIGNATURES),
        (audit, read, literal, topics.REGISTRY_AGENCIES),
        (audit, read, prefix, "inbox."),
        (audit, read, prefix, "events."),
        (watch, read, literal, topics.AUDIT_CHECKPOINTS),
        *((watch, read, prefix, each) for each in ("inbox.", "events.", "keys.", "registry.")),
    }


def test_an_agency_reads_its_own_inbox_and_no_other(register):
    plan = desired(register, NOW)
    assert may(plan, KREIS, Operation.READ, topics.inbox(KREIS, POLICE))
    for agency in register.agencies():
        if agency != KREIS:
            assert not may(plan, agency, Operation.READ, topics.inbox(KREIS, POLICE))


def test_no_gateway_gets_transactions_topics_or_the_cluster(register):
    for acl in desired(register, NOW).acls:
        assert acl.resource in (Resource.TOPIC, Resource.GROUP)
        assert acl.operation in (Operation.READ, Operation.WRITE)


def test_prefixes_of_one_agency_never_cover_another(register):
    for acl in desired(register, NOW).acls:
        if acl.pattern is Pattern.PREFIX:
            assert acl.name.endswith("."), "a prefix without its dot would cover longer names"


def test_every_topic_is_configured(register):
    for name in desired(register, NOW).topics:
        config = topics.described(name).config
        assert config["compression.type"] == "uncompressed"
        assert config["retention.bytes"] == "-1"


def test_an_unsigned_agreement_gives_nothing(places, register):
    fresh = type(register)(keyfile.read_public_key(places.anchor))
    for path in sorted(places.issued().iterdir()):
        if not path.name.startswith("4-jugendamt-kempen"):
            value = path.read_bytes()
            agreements = path.name.startswith(("3", "4"))
            topic = topics.REGISTRY_AGREEMENTS if agreements else topics.REGISTRY_AGENCIES
            fresh.apply(topic, value)
    plan = desired(fresh, NOW)
    assert not [name for name in plan.topics if name.startswith("inbox.")]
    assert not may(plan, POLICE, Operation.WRITE, topics.inbox(KREIS, POLICE))


def test_rights_end_once_nothing_that_was_sent_may_be_held_any_more(register):
    held = load_district("kreis-viersen")
    assert held.term.until is not None
    last = from_rfc3339(f"{held.term.until.isoformat()}T12:00:00.000Z")
    last += timedelta(days=held.term.run_off_days)
    gone = last + timedelta(days=(held.keep_months + 1) * 31)
    inbox = topics.inbox(KREIS, POLICE)
    for day in (last, last + timedelta(days=2), gone):
        assert may(desired(register, day), POLICE, Operation.WRITE, inbox), day
    ended = desired(register, gone + timedelta(days=2))
    assert not may(ended, POLICE, Operation.WRITE, inbox)
    assert inbox in ended.topics, "names are never used twice, so topics stay"


def test_suspension_stops_both_directions_and_leaves_the_register_readable(register, places):
    set_status(register, places, KREIS, AgencyStatus.SUSPENDED, 1, places.service_key("registry"))
    plan = desired(register, NOW)
    assert not may(plan, KREIS, Operation.READ, topics.inbox(KREIS, POLICE))
    assert not may(plan, KREIS, Operation.WRITE, topics.inbox(POLICE, KREIS))
    assert not may(plan, POLICE, Operation.WRITE, topics.inbox(KREIS, POLICE))
    assert may(plan, POLICE, Operation.WRITE, topics.inbox(KEMPEN, POLICE))
    assert may(plan, KREIS, Operation.READ, topics.REGISTRY_AGENCIES)
    groups = {
        acl.name
        for acl in plan.acls
        if acl.principal == f"gw-{KREIS}" and acl.resource is Resource.GROUP
    }
    assert groups == {trust_group(KREIS)}
    set_status(register, places, KREIS, AgencyStatus.ACTIVE, 2, places.service_key("registry"))
    assert may(desired(register, NOW), POLICE, Operation.WRITE, topics.inbox(KREIS, POLICE))


def test_revocation_leaves_only_what_its_own_gateway_learns_it_from_and_is_for_good(
    register, places
):
    set_status(register, places, KREIS, AgencyStatus.REVOKED, 1, places.offline("anchor.jwk"))
    left = {acl for acl in desired(register, NOW).acls if acl.principal == f"gw-{KREIS}"}
    literal, read = Pattern.LITERAL, Operation.READ
    assert left == {
        Acl(Resource.TOPIC, literal, topics.REGISTRY_AGENCIES, f"gw-{KREIS}", read),
        Acl(Resource.GROUP, literal, trust_group(KREIS), f"gw-{KREIS}", read),
    }
    set_status(register, places, KREIS, AgencyStatus.ACTIVE, 2, places.service_key("registry"))
    assert register.status(KREIS) is AgencyStatus.REVOKED


def test_the_difference_is_empty_once_applied_and_touches_nothing_unmanaged(register):
    want = desired(register, NOW)
    own = Acl(
        Resource.CLUSTER, Pattern.LITERAL, "kafka-cluster", "service-registry", Operation.ALTER
    )
    foreign = Acl(Resource.TOPIC, Pattern.LITERAL, "inbox.x.y", "gw-gone", Operation.WRITE)
    first = difference(want, NOTHING)
    assert {topic.name for topic in first.create_topics} == want.topics
    given = next(iter(want.acls))
    others = {
        foreign,
        replace(given, host="192.0.2.1"),
        replace(given, denies=True),
        replace(given, principal="*"),
    }
    have = Provision(want.topics | {"other"}, want.acls | {own} | others)
    again = difference(want, have)
    assert set(again.delete_acls) == others
    lines = shown(again)["delete_acls"]
    assert "gw-gone write topic inbox.x.y" in lines
    assert any(line.startswith("* ") for line in lines)
    assert any(" host 192.0.2.1 " in line for line in lines)
    assert any(" deny " in line for line in lines)
    assert not again.create_topics
    assert not again.create_acls
    assert not difference(want, Provision(want.topics, want.acls | {own}))


def test_a_topics_configuration_that_drifted_is_repaired_and_what_is_not_ours_left_alone(register):
    want = desired(register, NOW)
    inbox, keys = topics.inbox(KREIS, POLICE), topics.keys(POLICE)
    right = {name: topics.described(name).config for name in want.topics}
    have = Provision(want.topics, want.acls, right | {"other": {"retention.ms": "1"}})
    assert not difference(want, have)
    drifted = right | {
        inbox: right[inbox] | {"retention.ms": "1000", "segment.ms": "5"},
        keys: {key: value for key, value in right[keys].items() if key != "cleanup.policy"},
    }
    todo = difference(want, Provision(want.topics, want.acls, drifted))
    assert {topic.name: topic.config for topic in todo.alter_topics} == {
        inbox: {"retention.ms": right[inbox]["retention.ms"]},
        keys: {"cleanup.policy": "delete"},
    }
    assert todo
    assert shown(todo)["alter_topics"] == [
        f"{inbox} retention.ms={right[inbox]['retention.ms']}",
        f"{keys} cleanup.policy=delete",
    ]


@pytest.mark.parametrize("status", [AgencyStatus.SUSPENDED, AgencyStatus.REVOKED])
def test_a_stranger_pulls_no_brake(register, places, status):
    # An unknown signer may only be early, so it waits; another agency's identity key is refused.
    with contextlib.suppress(Refused):
        set_status(register, places, KREIS, status, 1, places.offline(f"identity-{KEMPEN}.jwk"))
    assert register.status(KREIS) is AgencyStatus.ACTIVE
