"""Whatever is killed, at the worst moment: nothing is lost, and what arrives has one effect."""

import os
import random
import signal
import threading
import time
import uuid

import pytest

from e2e.asking import PATIENCE, eventually
from e2e.invented import KREIS, NETTETAL, OFFICER, POLICE, STADT, WILLICH, WORKER
from faults import history
from faults.evidence import Phase
from faults.grounds import Site
from faults.verdict import verdict
from faults.workload import Pace
from meldeweg.client import NotAvailable, Unreachable
from meldeweg.kernel.schemas import examples


def _inquiry(district, sender, key, content):
    """Send with a key, again and again until there is an answer, as a case system would."""

    def answer():
        try:
            return district[sender].send(
                "inquiry", {"agency": POLICE}, content, acting_person=WORKER, key=key
            )
        except (Unreachable, NotAvailable):
            return None  # it is away, or starting

    return eventually(answer)


def test_the_senders_gateway_killed_right_after_its_commit_sends_once(district):
    process = f"gateway-{WILLICH}"
    district.bend(process, failpoints="intake.after_commit=kill@1")
    before, key = district.pid(process), str(uuid.uuid4())
    content = district.content(examples.INQUIRY)
    with pytest.raises(Unreachable):  # committed, killed, never answered
        district.raw_send(WILLICH, content, key)
    district.back(process, before)
    accepted = _inquiry(district, WILLICH, key, content)
    district.becomes(accepted.id, "delivered", sender=WILLICH)
    mine = [i for i in district.inbox(POLICE).values() if i.sender == WILLICH]
    assert [item.id for item in mine].count(accepted.id) == 1
    assert [m.id for m in district[WILLICH].sent_messages().items] == [accepted.id]
    assert district.police.open(accepted.id, OFFICER, sender=WILLICH).content == content


def test_the_recipients_gateway_killed_before_its_commit_loses_nothing_and_repeats_nothing(
    district,
):
    process = f"gateway-{NETTETAL}"
    district.bend(process, failpoints="inbound.before_commit=kill@1")
    before = district.pid(process)
    sent = [district.report(to=NETTETAL).id for _ in range(5)]
    district.back(process, before)
    for message in sent:
        district.becomes(message, "delivered")
    assert [each for each in district.inbox(NETTETAL) if each in sent] == sent
    kinds = [step.kind for step in district.police.sent(sent[0]).timeline]
    assert kinds == ["sent", "delivered"]


def test_gateways_killed_at_random_under_load_break_no_promise(district, tmp_path):
    """The campaign of `make faults` in small: its workload, its checker, one kind of fault."""
    seed = random.randrange(1 << 32)
    dice = random.Random(seed)
    site = Site(tmp_path, district, {}, dice, threading.Event(), Pace(pause=(0.3, 1.0)))
    field = site.field("killed")
    site.workload.start()
    try:
        with site.workload.sending():
            for process in dice.sample(field.gateways(), 3):
                time.sleep(dice.uniform(0.3, 1.5))
                field.kill(process)
        found = verdict(site, PATIENCE)
    finally:
        site.workload.stop()
        site.history.close()
    assert found == [], seed
    calls = [entry for entry in history.read(tmp_path / "history.jsonl") if entry.phase is Phase.OK]
    assert {each.call for each in calls} >= {"send", "pull", "open", "acknowledge"}


def test_right_after_201_the_gateway_is_killed_and_the_message_arrives(district):
    accepted = district.report(to=STADT)
    os.kill(district.pid(f"gateway-{POLICE}"), signal.SIGKILL)
    district.arrived(STADT, accepted.id)
    district.becomes(accepted.id, "delivered")


@pytest.mark.parametrize("process", ["audit", "registry", "watch", "postgres", "broker-1"])
def test_what_stands_in_the_middle_is_killed_and_delivery_and_log_go_on(district, process):
    before = district.pid(process)
    os.kill(before, signal.SIGKILL)
    accepted = district.report(urgency="immediate")  # 201 whatever is missing
    if process == "broker-1":  # the exchange itself: messages wait for it, and for nothing else
        district.back(process, before)
    district.becomes(accepted.id, "delivered")
    district.back(process, before)
    after = district.report()
    district.becomes(after.id, "delivered")
    district.logged(*(district.police.sent(each.id).digest for each in (accepted, after)))
    assert district.gaps() == {}
    assert district.ask("audit", "/v1/alarms").json() == []


def test_an_audit_that_stands_still_delays_no_message_and_then_has_them_all(district):
    with district.frozen("audit"):
        sent = [district.report(to=to) for to in (KREIS, STADT, KREIS)]
        for accepted in sent:
            district.becomes(accepted.id, "delivered")
            district.arrived(accepted.recipient, accepted.id)
        message = sent[0].id
        district.kreis.open(message, acting_person=WORKER)
        district.kreis.acknowledge(message, by=WORKER)
        district.becomes(message, "acknowledged")
    digests = [district.police.sent(each.id).digest for each in sent]
    district.logged(*digests)
    taken = [
        parsed.context.receipt.kind
        for _, parsed in district.statements()
        if parsed.context.receipt and parsed.context.receipt.of == digests[0]
    ]
    assert taken == ["delivered", "acknowledged"]
    assert district.gaps() == {}


def test_what_is_sent_while_the_broker_stands_still_is_accepted_and_arrives(district):
    with district.frozen("broker-1"):
        sent = [district.report().id for _ in range(3)]
        assert {district.police.sent(each).state for each in sent} == {"queued"}
    for message in sent:
        district.becomes(message, "delivered")
    assert [each for each in district.inbox(KREIS) if each in sent] == sent
