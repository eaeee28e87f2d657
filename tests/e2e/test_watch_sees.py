"""What operators see: undelivered, overdue and silent, in JSON and metrics, and nothing more."""

import plain
from e2e.asking import eventually
from e2e.invented import KEMPEN, OFFICER, POLICE, WILLICH, WORKER
from meldeweg.kernel.schemas import examples


def metric(district, name, **labels):
    """Return a sample of watch's metrics, or None."""
    url = district.described.services["watch"].url
    text = plain.get(f"{url}/metrics").text
    wanted = f"meldeweg_{name}" + (
        "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else ""
    )
    found = [line.rsplit(" ", 1) for line in text.splitlines() if line.startswith(wanted + " ")]
    return float(found[0][1]) if found else None


def listed(district, state):
    found = district.ask("watch", f"/v1/messages?state={state}").json()["items"]
    return {item["digest"]: item for item in found}


def test_what_is_not_delivered_is_seen_and_alarms_if_it_is_immediate(district):
    with district.frozen(f"gateway-{WILLICH}"):
        accepted = district.report(to=WILLICH, urgency="immediate")
        digest = district.police.sent(accepted.id).digest
        item = eventually(lambda: listed(district, "undelivered").get(digest))
        assert (item["from"], item["to"], item["urgency"]) == (POLICE, WILLICH, "immediate")
        assert set(item) == {
            *("digest", "from", "to", "urgency", "exercise", "since", "ack_by", "delivered"),
            "overdue",
        }
        eventually(lambda: (metric(district, "messages_undelivered", urgency="immediate") or 0) > 0)
        (told,) = eventually(
            lambda: [e for e in district.events(POLICE, "alarm") if e.message == digest]
        )
        assert told.code == "not-delivered"
    district.becomes(accepted.id, "delivered")
    eventually(lambda: digest not in listed(district, "undelivered"))


def test_what_nobody_took_in_time_is_overdue_at_watch_and_at_both_ends(district):
    """The sender's clock was two hours behind, so its deadline has passed already."""
    process = f"gateway-{KEMPEN}"
    district.bend(process, clock_offset=-7200.0)
    content = district.content(examples.IMMEDIATE_ACTION)
    accepted = district[KEMPEN].send(
        "request.immediate-action", {"agency": POLICE}, content, acting_person=WORKER
    )
    district.arrived(POLICE, accepted.id)
    district.kill(process)  # its clock is right again
    seen = district.becomes(accepted.id, "overdue", sender=KEMPEN)
    assert seen.call
    assert seen.call.phone == "030 23125 100"
    assert eventually(lambda: district.inbox(POLICE)[accepted.id].overdue)
    item = eventually(lambda: listed(district, "overdue").get(seen.digest))
    assert item["delivered"]
    eventually(lambda: (metric(district, "messages_overdue", urgency="immediate") or 0) > 0)
    for agency in (KEMPEN, POLICE):
        eventually(
            lambda agency=agency: [
                e for e in district.events(agency, "overdue") if e.message == seen.digest
            ]
        )
    district.police.open(accepted.id, acting_person=OFFICER, sender=KEMPEN)
    district.police.acknowledge(accepted.id, by=OFFICER, sender=KEMPEN)
    district.becomes(accepted.id, "acknowledged", sender=KEMPEN)
    eventually(lambda: seen.digest not in listed(district, "overdue"))


def test_a_gateway_that_is_not_heard_is_silent_and_no_other(district):
    """Watch's clock is ahead by nearly the three minutes after which a gateway counts as silent."""
    district.bend("watch", clock_offset=165.0)
    try:
        with district.frozen(f"gateway-{WILLICH}"):
            eventually(
                lambda: district.ask("watch", "/v1/overview").json()["silent"] == [WILLICH],
                shown=lambda: district.ask("watch", "/v1/overview").json()["silent"],
            )
            eventually(lambda: metric(district, "gateway_silent", agency=WILLICH) == 1)
        eventually(lambda: district.ask("watch", "/v1/overview").json()["silent"] == [])
        eventually(lambda: metric(district, "gateway_silent", agency=WILLICH) == 0)
    finally:
        district.kill("watch")


def test_the_registrys_dry_run_finds_broker_and_agreements_to_agree(district):
    with district.desk() as desk:
        assert not any(desk.plan().values())


def test_without_the_operators_token_watch_says_nothing(district):
    url = district.described.services["watch"].url
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        for path in ("/v1/overview", "/v1/messages"):
            answer = plain.get(url + path, headers=headers)
            assert answer.status_code == 401
