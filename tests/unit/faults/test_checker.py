"""The campaign's checker: finds each violation that is planted, and accuses no legal run."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faults.checker import judge
from faults.evidence import (
    Aside,
    Entry,
    Expired,
    Finding,
    Kind,
    OutRow,
    Phase,
    Seen,
    StoreDump,
    since,
)
from unit.faults.legal import (
    AGENCIES,
    ANSWERS,
    BACK,
    EAST,
    END,
    FATES,
    GONE,
    POLICE,
    WEST,
    Run,
    Said,
)
from unit.faults.planting import (
    changed,
    heard_at,
    kinds,
    not_logged,
    only,
    put_back,
    shown_reversed,
    with_store,
    without,
)


@pytest.fixture
def run():
    """Six messages, five in one thread; one urgent, one the other way."""
    return Run(
        [
            Said(),
            Said(answer="late"),
            Said(urgency="immediate", fate="delivered"),
            Said(fate="refused"),
            Said(fate="erased"),
            Said(sender=WEST, to=POLICE, thread="back"),
        ]
    )


@pytest.fixture
def legal(run):
    evidence = run.evidence()
    assert judge(evidence) == []
    return evidence


# -- each violation, planted --------------------------------------------------------------------


def test_lost_at_the_sender_what_was_answered_201(legal):
    planted = with_store(legal, POLICE, sent=without(0))
    (finding,) = [f for f in judge(planted) if f.kind is Kind.LOST]
    assert finding.about == "id-0"


def test_lost_on_the_way_what_the_sender_was_told_is_delivered(legal):
    planted = with_store(legal, WEST, received=without(2))
    (finding,) = only(planted, Kind.LOST)
    assert "id-2" in finding.about


def test_lost_what_is_stored_and_no_pull_ever_showed(legal):
    history = tuple(
        replace(e, items=tuple(i for i in e.items if i[1] != "id-1")) for e in legal.history
    )
    assert only(replace(legal, history=history), Kind.LOST)


def test_lost_what_a_gateway_refused_by_itself_however_loudly():
    for to in (WEST, EAST):
        planted = Run([Said(to=to, fate="turned-away"), Said()]).evidence()
        (finding,) = only(planted, Kind.LOST)
        assert "refused by the gateway" in finding.why
    (finding,) = only(Run([Said(fate="undeliverable")]).evidence(), Kind.LOST)
    assert "given up" in finding.why
    back = Run([Said(fate="turned-away")]).evidence()  # it stays lost when it is taken back
    retracted = with_store(back, POLICE, sent=changed(0, state="retracted", steps=("refused",)))
    assert only(retracted, Kind.LOST)


def test_a_reader_may_refuse_unheard_and_a_call_that_surely_failed_refused_nothing(legal):
    refused = next(e for e in legal.history if e.call == "refuse" and e.phase is Phase.OK)

    def ended(phase):
        history = tuple(replace(e, phase=phase) if e is refused else e for e in legal.history)
        return replace(legal, history=history)

    assert judge(ended(Phase.UNKNOWN)) == []
    cut = tuple(e for e in legal.history if e is not refused)  # the run ended before its answer
    assert judge(replace(legal, history=cut)) == []
    assert only(ended(Phase.FAIL), Kind.LOST)


def test_lost_what_a_gateway_put_into_quarantine_also_if_it_arrived(legal):
    def planted(digest, agency=WEST):
        aside = Aside(f"inbox.{agency}.{POLICE}", 3, "schema-invalid", digest)
        return with_store(legal, agency, quarantined=lambda rows: [*rows, aside])

    (finding,) = only(planted(legal.stores[WEST].received[0].digest), Kind.LOST)
    assert "schema-invalid" in finding.why
    assert judge(planted("d" * 64)) == []  # what nobody sent may be called unsound
    assert judge(planted(None)) == []
    gone = Run([Said(to=GONE, fate="turned-away")]).evidence()
    aside = Aside(f"inbox.{GONE}.{POLICE}", 0, "signer-revoked", gone.stores[POLICE].sent[0].digest)
    assert judge(with_store(gone, GONE, quarantined=lambda rows: [aside])) == []


def test_a_quarantined_message_that_its_senders_older_copy_lacks_is_lost_all_the_same(legal):
    digest = legal.stores[POLICE].sent[0].digest
    lacks = with_store(legal, POLICE, sent=without(0), outbox=without(0))
    lacks = put_back(lacks, POLICE, 95, 105)
    aside = Aside(f"inbox.{WEST}.{POLICE}", 0, "schema-invalid", digest)
    planted = with_store(lacks, WEST, quarantined=lambda rows: [aside])
    assert Kind.LOST not in kinds(lacks)
    assert Kind.LOST in kinds(planted)


def test_lost_a_persons_word_that_was_answered(legal):
    back = with_store(legal, WEST, received=changed(0, state="opened"))
    both = with_store(back, POLICE, sent=changed(0, state="delivered"))
    (finding,) = only(both, Kind.LOST)
    assert "acknowledge" in finding.why


def test_lost_what_a_person_took_and_is_gone_at_either_end(legal):
    there = with_store(legal, WEST, received=without(0))
    gone = with_store(there, POLICE, sent=without(0), outbox=without(0))
    assert any("the message is gone" in f.why for f in judge(gone) if f.kind is Kind.LOST)


def test_duplicated_two_messages_under_one_key(legal):
    first = next(e for e in legal.history if e.call == "send")
    again = [
        replace(first, op=9000),
        Entry(at=END, op=9000, phase=Phase.OK, call="send", agency=POLICE, id="id-1"),
    ]
    found = only(replace(legal, history=(*legal.history, *again)), Kind.DUPLICATED)
    assert any("key-0" in f.about for f in found)


def test_duplicated_one_try_without_an_answer_kept_twice(legal):
    gone = Said(to=GONE, answer="unheard", fate="undeliverable")
    legal = Run([Said(answer="unheard"), gone]).evidence()
    assert judge(legal) == []
    twin = replace(legal.stores[POLICE].sent[1], id="id-8")
    planted = with_store(legal, POLICE, sent=lambda rows: [*rows, twin])
    assert only(planted, Kind.DUPLICATED)


def test_duplicated_one_content_in_two_messages_at_the_recipient(legal):
    one, other = [e for e in legal.history if e.call == "open" and e.phase is Phase.OK][:2]
    history = tuple(replace(e, content=one.content) if e is other else e for e in legal.history)
    assert Kind.DUPLICATED in kinds(replace(legal, history=history))


def test_duplicated_shown_twice_to_one_who_pulls_with_a_cursor(legal):
    page = next(e for e in legal.history if e.call == "pull" and e.items)
    again = [replace(page, op=9000, phase=Phase.INVOKED, items=()), replace(page, op=9000)]
    assert only(replace(legal, history=(*legal.history, *again)), Kind.DUPLICATED)


def test_duplicated_a_person_acknowledged_once_and_two_receipts_went_out(legal):
    receipt = next(s for s in legal.log if s.what == "acknowledged")
    twin = replace(receipt, digest="other", offset=900)
    assert only(replace(legal, log=(*legal.log, twin)), Kind.DUPLICATED)


def test_out_of_order_within_a_thread(legal):
    rows = legal.stores[WEST].received
    swapped = {rows[0].seq: rows[1].seq, rows[1].seq: rows[0].seq}
    planted = with_store(
        legal,
        WEST,
        received=lambda rows: [replace(r, seq=swapped.get(r.seq, r.seq)) for r in rows],
    )
    (finding,) = only(planted, Kind.DISORDERED)
    assert "id-0" in finding.about


def test_out_of_order_is_not_excused_by_another_messages_parking(legal):
    run = Run([Said(), Said(), Said(parked=1), Said()])
    assert judge(run.evidence()) == []
    swapped = {1: 2, 2: 1}
    planted = with_store(
        run.evidence(),
        WEST,
        received=lambda rows: [replace(r, seq=swapped.get(r.seq, r.seq)) for r in rows],
    )
    assert only(planted, Kind.DISORDERED)


def test_out_of_order_is_not_excused_by_a_broker_that_was_lost_before_it_was_sent():
    run = Run([Said(), Said(), Said()], broker_lost=1)
    planted = with_store(
        run.evidence(),
        WEST,
        received=lambda rows: [replace(r, seq={2: 3, 3: 2}.get(r.seq, r.seq)) for r in rows],
    )
    # Both of them were answered after the new topic had its first record.
    late = tuple(replace(s, at=1.0) for s in planted.topics)
    assert only(replace(planted, topics=late), Kind.DISORDERED)


def test_out_of_order_in_what_the_inbox_showed(legal):
    def backwards(evidence):
        history = tuple(replace(e, items=e.items[::-1]) for e in evidence.history)
        return replace(evidence, history=history)

    found = only(backwards(legal), Kind.DISORDERED)
    assert all("shown after" in f.why for f in found)
    # What was parked may be shown late, as it came; what lies in the page behind it may not.
    parked = Run([Said(parked=1), Said(), Said(), Said()]).evidence()
    assert judge(parked) == []
    (page, *_) = [e for e in parked.history if e.call == "pull" and e.items]
    assert [id_ for _, id_ in page.items] == ["id-1", "id-0"]
    found = only(backwards(parked), Kind.DISORDERED)
    assert {f.about.split()[0] for f in found} == {"id-2"}


def test_misdelivered_to_another_than_the_named_recipient(legal):
    row = legal.stores[WEST].received[0]
    planted = with_store(legal, EAST, received=lambda rows: [row])
    assert Kind.MISDELIVERED in kinds(planted)


def test_misdelivered_kept_for_another_than_the_order_named(legal):
    planted = with_store(legal, POLICE, sent=changed(2, recipient=EAST))
    assert Kind.MISDELIVERED in kinds(planted)


def test_misdelivered_opened_by_another(legal):
    opened = next(e for e in legal.history if e.call == "open" and e.phase is Phase.OK)
    asked = next(e for e in legal.history if e.op == opened.op)
    more = (replace(asked, op=9000, agency=EAST), replace(opened, op=9000, agency=EAST))
    assert Kind.MISDELIVERED in kinds(replace(legal, history=(*legal.history, *more)))


def test_invented_what_nobody_sent(legal):
    row = replace(legal.stores[WEST].received[0], id="id-77", digest="d77", seq=77)
    planted = with_store(legal, WEST, received=lambda rows: [*rows, row])
    assert Kind.INVENTED in kinds(planted)


def test_invented_other_bytes_under_a_known_id(legal):
    planted = with_store(legal, WEST, received=changed(2, digest="other"))
    assert Kind.INVENTED in kinds(planted)


def test_what_a_person_took_may_be_taken_back_and_the_word_stays(legal):
    def back(*steps):
        there = with_store(legal, WEST, received=changed(0, state="retracted", steps=steps))
        return with_store(there, POLICE, sent=changed(0, state="retracted"))

    assert judge(back("opened", "acknowledged", "retracted")) == []
    assert only(back("opened", "retracted"), Kind.LOST)
    retracted_there_alone = with_store(
        legal, WEST, received=changed(0, state="retracted", steps=("acknowledged", "retracted"))
    )
    assert only(retracted_there_alone, Kind.STUCK)


def test_unaudited_a_message_a_receipt_a_look_and_a_record(legal):
    def gone(**having):
        return lambda seen: all(getattr(seen, name) == value for name, value in having.items())

    a_message = legal.stores[WEST].received[0].digest
    for having in (
        {"kind": "message", "digest": a_message},
        {"kind": "receipt", "of": a_message, "what": "acknowledged"},
        {"kind": "event", "digest": a_message, "what": "opened"},
    ):
        for topics in (legal.topics, ()):  # the broker may have dropped it, and it counts still
            planted = replace(not_logged(legal, gone(**having)), topics=topics)
            assert only(planted, Kind.UNAUDITED), having
    heartbeat = replace(legal.topics[0], offset=500, leaf="x", kind="heartbeat", digest=None)
    assert only(replace(legal, topics=(*legal.topics, heartbeat)), Kind.UNAUDITED)


def test_unaudited_the_log_has_other_bytes_than_the_topic(legal):
    log = (replace(legal.log[0], leaf="other"), *legal.log[1:])
    assert only(replace(legal, log=log), Kind.UNAUDITED)


@pytest.mark.parametrize("code", ["log-differs", "log-forked"])
def test_unaudited_a_gateway_says_that_the_log_is_another(legal, code):
    event = replace(legal.log[-1], kind="event", what="alarm", code=code, digest=None)
    report = replace(event, topic=f"events.{WEST}", sender=WEST, offset=10_000)
    found = judge(replace(legal, log=(*legal.log, report)))
    assert [one.kind for one in found if code in one.why] == [Kind.UNAUDITED]


def test_unaudited_the_log_does_not_verify(legal):
    assert only(replace(legal, log_problems=("root-differs",)), Kind.UNAUDITED)


def test_unaudited_what_the_broker_took_and_nobody_received():
    legal = Run([Said(to=GONE, fate="undeliverable")]).evidence()
    gone = not_logged(legal, lambda seen: seen.kind == "message")
    assert only(replace(gone, topics=()), Kind.UNAUDITED)


def test_unreadable_by_its_recipient(legal):
    message = legal.stores[WEST].received[0].id
    asked = {
        e.op
        for e in legal.history
        if e.call == "open" and e.phase is Phase.INVOKED and e.id == message
    }
    history = tuple(
        replace(e, phase=Phase.FAIL, code="message-unopenable", content=None)
        if e.op in asked and e.phase is Phase.OK
        else e
        for e in legal.history
    )
    (finding,) = only(replace(legal, history=history), Kind.UNREADABLE)
    assert "message-unopenable" in finding.why


def test_unreadable_opened_and_not_what_was_sent(legal):
    opened = next(e for e in legal.history if e.call == "open" and e.phase is Phase.OK)
    history = tuple(replace(e, content="f" * 64) if e is opened else e for e in legal.history)
    assert only(replace(legal, history=history), Kind.UNREADABLE)


def test_stuck_at_the_sender(legal):
    back = with_store(legal, POLICE, sent=changed(0, state="sent"))
    assert only(back, Kind.STUCK)


def test_stuck_a_persons_word_that_never_came_back(legal):
    assert only(with_store(legal, POLICE, sent=changed(0, state="delivered")), Kind.STUCK)


def test_stuck_in_the_outbox_or_parked(legal):
    row = OutRow(99, f"events.{WEST}", "event", None, produced=False, settled=False)
    assert only(with_store(legal, WEST, outbox=lambda rows: [*rows, row]), Kind.STUCK)
    aside = Aside(f"inbox.{WEST}.{POLICE}", 3, "signer-unknown")
    assert only(with_store(legal, WEST, parked=lambda rows: [aside]), Kind.STUCK)


def test_stuck_in_the_outbox_though_delivered_and_in_the_log(legal):
    def planted(**more):
        return with_store(legal, POLICE, outbox=changed(0, **more))

    (finding,) = only(planted(included=True), Kind.STUCK)
    assert "kept" in finding.why
    assert judge(planted(included=True, kind="receipt")) == []  # may have to be repeated
    assert judge(planted(included=True, settled=False)) == []  # nobody said `delivered` yet


def test_stuck_what_the_broker_had_and_its_gateway_never_finds_in_the_log(legal):
    def planted(**more):
        return with_store(legal, POLICE, outbox=changed(0, **more))

    (finding,) = only(planted(appended=END - 60), Kind.STUCK)
    assert "not found" in finding.why
    assert judge(planted(appended=END - 5)) == []  # the log may be that far behind
    assert judge(planted(appended=END - 60, produced=False)) != []


def test_unaudited_what_an_outbox_let_go_or_takes_for_logged(legal):
    run = Run([Said(to=GONE, fate="undeliverable")])
    kept = not_logged(run.evidence(), lambda s: s.kind == "message")
    bare = replace(with_store(kept, POLICE, outbox=without(0)), topics=())
    assert any("let go" in f.why for f in only(bare, Kind.UNAUDITED))
    row = OutRow(
        9,
        f"inbox.{WEST}.{POLICE}",
        "receipt",
        "0" * 64,
        produced=True,
        settled=False,
        included=True,
    )
    (finding,) = only(with_store(legal, POLICE, outbox=lambda rows: [*rows, row]), Kind.UNAUDITED)
    assert "takes it for logged" in finding.why


@pytest.mark.parametrize(
    ("fate", "agency", "what"),
    [
        ("turned-away", GONE, "alarm"),
        ("turned-away", POLICE, "alarm"),
        ("refused", POLICE, "alarm"),
        ("undeliverable", POLICE, "undeliverable"),
    ],
)
def test_silent_an_immediate_message_that_ended_untold(fate, agency, what):
    legal = Run([Said(to=GONE, urgency="immediate", fate=fate)]).evidence()
    assert judge(legal) == []
    kept = not_logged(legal, lambda s: s.kind == "event" and (s.sender, s.what) == (agency, what))
    assert only(replace(kept, topics=()), Kind.SILENT)


def test_silent_an_immediate_message_parked_without_an_alarm():
    legal = Run([Said(urgency="immediate", parked=1)]).evidence()
    kept = not_logged(legal, lambda s: s.kind == "event" and s.what == "alarm")
    assert only(replace(kept, topics=()), Kind.SILENT)


def test_silent_a_deadline_that_passed_unnoticed_at_either_end():
    legal = Run([Said(urgency="immediate", fate="delivered", overdue=True)]).evidence()
    assert judge(legal) == []
    assert only(with_store(legal, POLICE, sent=changed(0, state="delivered")), Kind.SILENT)
    assert only(with_store(legal, WEST, received=changed(0, overdue=False)), Kind.SILENT)


@pytest.mark.parametrize("state", ["queued", "sent"])
def test_silent_is_what_waits_at_its_sender_and_what_waits_for_its_deadline_alike(state):
    legal = Run([Said(urgency="immediate", fate="delivered", overdue=True)]).evidence()
    waits = with_store(legal, POLICE, sent=changed(0, state=state, steps=("sent",)))
    assert kinds(waits) == {Kind.STUCK, Kind.SILENT}
    alarmed = alarm(waits, 0, code="parked")  # people know, and not of the deadline
    assert any("not overdue at the sender" in f.why for f in judge(alarmed))
    soon = waits.stores[POLICE].sent[0].ack_by + 30
    assert kinds(replace(alarmed, at=soon)) == {Kind.STUCK}
    assert kinds(replace(waits, at=soon)) == {Kind.STUCK, Kind.SILENT}


def test_silent_is_what_was_opened_and_taken_by_nobody():
    legal = Run([Said(urgency="immediate", fate="delivered", overdue=True)]).evidence()
    opened = with_store(legal, WEST, received=changed(0, state="opened"))
    assert judge(opened) == []
    assert only(with_store(opened, WEST, received=changed(0, overdue=False)), Kind.SILENT)


def test_plaintext_in_any_file(legal):
    planted = replace(legal, marked=("logs/gateway.jsonl",))
    assert judge(planted) == [
        Finding(Kind.PLAINTEXT, "logs/gateway.jsonl", "holds a word of a content")
    ]


# -- excuses: as far as they go, and no further ---------------------------------------------------


def test_a_restored_store_excuses_its_own_agency_alone(legal):
    planted = with_store(legal, POLICE, sent=without(0))
    assert Kind.LOST not in kinds(put_back(planted, POLICE, 95, 105))
    assert Kind.LOST in kinds(put_back(planted, WEST, 95, 105))


def test_a_restored_recipient_may_show_again_and_may_hide_nothing(legal):
    page = next(e for e in legal.history if e.call == "pull" and e.items)
    again = (replace(page, op=9000, phase=Phase.INVOKED, items=()), replace(page, op=9000))
    twice = replace(legal, history=(*legal.history, *again))
    restored = put_back(legal, page.agency, END - 700, END - 650)
    # Shown, then forgotten: `delivered` went out meanwhile. Not what was there before, or came
    # after; and not a third time.
    assert judge(put_back(heard_at(twice, END - 660), page.agency, END - 700, END - 650)) == []
    for heard in (END - 800, END - 600):
        found = put_back(heard_at(twice, heard), page.agency, END - 700, END - 650)
        assert only(found, Kind.DUPLICATED)
    third = tuple(replace(e, op=9001) for e in again)
    thrice = heard_at(replace(twice, history=(*twice.history, *third)), END - 660)
    assert only(put_back(thrice, page.agency, END - 700, END - 650), Kind.DUPLICATED)
    hidden = tuple(
        replace(e, items=tuple(i for i in e.items if i[1] != "id-1")) for e in legal.history
    )
    assert only(replace(restored, history=hidden), Kind.LOST)


def test_a_restored_recipient_may_lack_a_persons_word_and_never_the_message(legal):
    back = with_store(legal, WEST, received=changed(0, state="received"))
    assert kinds(back) == {Kind.LOST, Kind.STUCK}
    assert judge(put_back(back, WEST, END - 450, END - 350)) == []
    for copied, back_at in ((END - 350, END - 300), (END - 470, END - 450)):  # after; before
        assert kinds(put_back(back, WEST, copied, back_at)) == {Kind.LOST, Kind.STUCK}
    gone = put_back(with_store(legal, WEST, received=without(0)), WEST, END - 450, END - 350)
    assert only(gone, Kind.LOST)
    waits = with_store(back, POLICE, sent=changed(0, state="sent"))
    assert only(put_back(waits, WEST, END - 450, END - 350), Kind.STUCK)


def test_a_restored_sender_may_lack_the_retraction_if_it_lacks_what_arrived(legal):
    taken_back = with_store(
        legal, WEST, received=changed(0, state="retracted", steps=("acknowledged", "retracted"))
    )
    restored = put_back(taken_back, POLICE, 105, 115)
    assert only(restored, Kind.STUCK)  # everything that arrived is in its copy
    lacking = with_store(restored, POLICE, sent=without(1), outbox=without(1))
    assert judge(lacking) == []
    assert only(with_store(lacking, POLICE, sent=changed(2, state="sent")), Kind.STUCK)
    assert Kind.STUCK in kinds(replace(lacking, restored=frozenset()))
    assert Kind.STUCK in kinds(put_back(lacking, POLICE, 300, 400))


@pytest.mark.parametrize(("copied", "back"), [(50, 90), (110, 500)])
def test_a_restore_excuses_nothing_that_its_copy_has_or_that_came_after(legal, copied, back):
    planted = put_back(with_store(legal, POLICE, sent=without(0)), POLICE, copied, back)
    (finding,) = [f for f in judge(planted) if f.kind is Kind.LOST]
    assert finding.about == "id-0"


def test_a_restored_sender_that_knows_a_message_no_more_has_sent_it_all_the_same():
    unheard = Run([Said(answer="unheard")]).evidence()
    lacks = with_store(unheard, POLICE, sent=without(0), outbox=without(0))
    assert judge(put_back(lacks, POLICE, 99, 105)) == []
    assert only(put_back(lacks, POLICE, 50, 99), Kind.INVENTED)  # the try came afterwards
    row = replace(lacks.stores[WEST].received[0], id="id-9")  # more than there were tries
    more = with_store(lacks, WEST, received=lambda rows: [*rows, row])
    assert Kind.INVENTED in kinds(put_back(more, POLICE, 99, 105))


def test_a_restored_sender_explains_no_further_message_in_its_own_store():
    evidence = Run([Said(answer="unheard")]).evidence()
    twin = replace(evidence.stores[POLICE].sent[0], id="id-8")
    planted = with_store(evidence, POLICE, sent=lambda rows: [*rows, twin])
    assert Kind.DUPLICATED in kinds(put_back(planted, POLICE, 0, END))


def test_a_restored_recipients_word_goes_out_once_more_if_the_first_was_forgotten(legal):
    receipt = next(s for s in legal.topics if s.what == "acknowledged")
    first, twin = replace(receipt, at=END - 380), replace(receipt, digest="other", offset=900)
    topics = (*(first if s == receipt else s for s in legal.topics), twin)
    twice = replace(legal, topics=topics, log=(*legal.log, twin))
    assert judge(put_back(twice, receipt.sender, END - 450, END - 350)) == []
    for copied, back in ((END - 370, END - 350), (END - 500, END - 450)):
        assert only(put_back(twice, receipt.sender, copied, back), Kind.DUPLICATED)


def test_a_look_may_be_forgotten_only_if_it_was_in_what_the_copy_lacks(legal):
    digest = legal.stores[WEST].received[0].digest
    planted = replace(not_logged(legal, lambda s: (s.what, s.digest) == ("opened", digest)))
    planted = replace(planted, topics=())
    assert judge(put_back(planted, WEST, END - 510, END - 450)) == []
    assert only(put_back(planted, WEST, END - 450, END - 350), Kind.UNAUDITED)


def test_one_content_twice_is_excused_by_a_forgotten_try_of_its_own_alone():
    def planted(evidence):
        """Return it with the first message once more at the recipient; its sender forgot one."""
        row = evidence.stores[WEST].received[0]
        twin = replace(row, id="id-9", digest="d9", seq=99)
        opens = [e for e in evidence.history if e.call == "open" and e.phase is Phase.OK]
        asked = next(e for e in evidence.history if e.op == opens[0].op)
        look = replace(asked, op=9000, id="id-9"), replace(opens[0], op=9000)
        page = next(e for e in evidence.history if e.call == "pull" and e.phase is Phase.OK)
        shown = replace(page, op=9001, phase=Phase.INVOKED, items=())
        shown = shown, replace(page, op=9001, items=((POLICE, "id-9"),))
        sent = next(s for s in evidence.log if s.kind == "message")
        event = next(s for s in evidence.log if s.what == "opened")
        word = next(s for s in evidence.log if s.what == "acknowledged")
        log = (
            replace(sent, offset=90, id="id-9", digest="d9"),
            replace(event, offset=91, digest="d9"),
            replace(word, offset=92, of="d9", digest="w9"),
        )
        evidence = replace(
            evidence, history=(*evidence.history, *look, *shown), log=(*evidence.log, *log)
        )
        return with_store(evidence, WEST, received=lambda rows: [*rows, twin])

    tried = planted(Run([Said(answer="late")]).evidence())
    assert judge(put_back(tried, POLICE, 95, 103)) == []
    assert Kind.DUPLICATED in kinds(put_back(tried, POLICE, 200, 300))
    heard = planted(Run([Said(answer="ok")]).evidence())  # no try of it went unheard
    assert Kind.DUPLICATED in kinds(put_back(heard, POLICE, 95, 103))


def test_the_order_shown_is_judged_of_what_a_restored_store_never_forgot():
    shown = heard_at(shown_reversed(), END - 900)
    assert only(shown, Kind.DISORDERED)
    assert judge(put_back(shown, WEST, END - 950, END - 850)) == []
    for copied, back in ((END - 890, END - 850), (END - 990, END - 950)):
        assert only(put_back(shown, WEST, copied, back), Kind.DISORDERED)


def test_out_of_order_is_excused_by_a_lost_broker_for_what_was_received_from_the_new_one_alone():
    def swapped(evidence):
        return with_store(
            evidence,
            WEST,
            received=lambda rows: [replace(r, seq={1: 2, 2: 1}.get(r.seq, r.seq)) for r in rows],
        )

    before = Run([Said(), Said(), Said()], broker_lost=2).evidence()
    # Both were received from the topic that is no more, long before.
    assert only(swapped(before), Kind.DISORDERED)
    again = Run([Said(lost=True), Said(), Said()], broker_lost=2).evidence()
    assert judge(again) == []


def test_out_of_order_is_excused_by_what_a_fault_deleted_from_a_topic_that_is_gone_by_now(legal):
    rows = legal.stores[WEST].received
    swapped = {rows[0].seq: rows[1].seq, rows[1].seq: rows[0].seq}
    planted = with_store(
        legal,
        WEST,
        received=lambda rows: [replace(r, seq=swapped.get(r.seq, r.seq)) for r in rows],
    )
    first = next(seen for seen in legal.log if seen.id == "id-0" and seen.kind == "message")
    before = replace(first, topic="gone", topic_id="gone", offset=77, leaf="gone")
    twice = replace(planted, log=(*legal.log, before))
    for deleted in (set(), {Expired("gone", 77)}, {Expired("another", 90)}):
        assert only(replace(twice, expired=frozenset(deleted)), Kind.DISORDERED)
    assert judge(replace(twice, expired=frozenset({Expired("gone", 78)}))) == []


# -- linked copies --------------------------------------------------------------------------------


@pytest.fixture
def copied():
    evidence = Run([Said(), Said(copy=EAST), Said()]).evidence()
    assert judge(evidence) == []
    assert evidence.stores[EAST].received
    return evidence


def place_of(evidence):
    return next(n for n, row in enumerate(evidence.stores[POLICE].sent) if row.linked_to)


def test_a_linked_copy_that_was_lost_is_found_at_either_end(copied):
    kept = with_store(copied, POLICE, sent=without(place_of(copied)))
    assert any("not kept" in f.why for f in judge(kept) if f.kind is Kind.LOST)
    assert only(with_store(copied, EAST, received=without(0)), Kind.LOST)
    excused = with_store(copied, POLICE, sent=lambda rows: [rows[0], rows[3]])
    assert judge(put_back(excused, POLICE, 105, 115)) == []
    assert Kind.LOST in kinds(put_back(kept, POLICE, 200, 300))


def test_a_linked_copy_for_another_than_was_named_is_found(copied):
    n = place_of(copied)
    other = with_store(copied, POLICE, sent=changed(n, recipient=GONE))
    assert any("kept for another" in f.why for f in judge(other) if f.kind is Kind.MISDELIVERED)
    row = copied.stores[EAST].received[0]
    strayed = with_store(copied, GONE, received=lambda rows: [*rows, row])
    assert any("received by" in f.why for f in judge(strayed) if f.kind is Kind.MISDELIVERED)
    same = Run([Said(copy=WEST)]).evidence()
    assert any("itself" in f.why for f in judge(same) if f.kind is Kind.MISDELIVERED)


def test_a_linked_copy_that_is_there_twice_or_that_nobody_was_told_of_is_found(copied):
    n = place_of(copied)
    twin = replace(copied.stores[POLICE].sent[n], id="id-9")
    assert any(
        "beyond" in f.why
        for f in judge(with_store(copied, POLICE, sent=lambda rows: [*rows, twin]))
        if f.kind is Kind.DUPLICATED
    )
    history = tuple(replace(e, linked=()) if e.linked else e for e in copied.history)
    untold = judge(replace(copied, history=history))
    assert any("beyond" in f.why for f in untold if f.kind is Kind.DUPLICATED)
    unheard = Run([Said(answer="unheard", copy=EAST)]).evidence()
    assert judge(unheard) == []
    twin = replace(next(r for r in unheard.stores[POLICE].sent if r.linked_to), id="id-9")
    twice = with_store(unheard, POLICE, sent=lambda rows: [*rows, twin])
    assert any("beyond" in f.why for f in judge(twice) if f.kind is Kind.DUPLICATED)


def test_a_linked_copy_of_nothing_or_of_another_message_is_found(copied):
    n = place_of(copied)
    for of in ("id-77", "id-0", None):
        planted = judge(with_store(copied, POLICE, sent=changed(n, linked_to=of)))
        assert {Kind.INVENTED} <= {f.kind for f in planted}, of


def test_a_linked_copy_whose_message_is_not_kept_is_invented():
    unheard = Run([Said(answer="unheard", copy=EAST)]).evidence()
    alone = with_store(unheard, POLICE, sent=without(0))
    assert any("not in the sender" in f.why for f in judge(alone) if f.kind is Kind.INVENTED)


def test_a_copys_content_is_misdelivered_where_nobody_named_its_reader(copied):
    opened = next(
        e for e in copied.history if e.call == "open" and e.agency == EAST and e.phase is Phase.OK
    )
    asked = next(e for e in copied.history if e.op == opened.op)
    for name in ("id-1", asked.id):  # the message's own, and its copy's
        more = replace(asked, op=9000, agency=GONE, id=name), replace(opened, op=9000, agency=GONE)
        assert Kind.MISDELIVERED in kinds(replace(copied, history=(*copied.history, *more)))
    wrong = tuple(replace(e, content="f" * 64) if e is opened else e for e in copied.history)
    assert only(replace(copied, history=wrong), Kind.UNREADABLE)


# -- the log and its alarms -----------------------------------------------------------------------


def test_duplicated_one_record_in_two_entries_of_the_log(legal):
    (finding,) = only(replace(legal, log=(*legal.log, legal.log[0])), Kind.DUPLICATED)
    assert "2 entries" in finding.why


def alarm(evidence, n, at=END, **more):
    """Return the evidence with `not-delivered` told of the police's n-th message."""
    told = Seen(
        topic=f"events.{POLICE}",
        topic_id=f"events.{POLICE}#1",
        offset=800,
        leaf="a" * 64,
        at=at,
        kind="event",
        sender=POLICE,
        what="alarm",
        code="not-delivered",
        digest=evidence.stores[POLICE].sent[n].digest,
    )
    told = replace(told, **more)
    return replace(evidence, log=(*evidence.log, told), topics=(*evidence.topics, told))


def test_false_an_alarm_for_what_was_delivered_in_time(legal):
    (finding,) = only(alarm(legal, 2), Kind.FALSE_ALARM)
    assert "in time" in finding.why
    late = with_store(legal, POLICE, sent=changed(2, delivered=400.0))
    assert judge(alarm(late, 2)) == []
    never = with_store(late, POLICE, sent=changed(2, delivered=None))
    assert judge(alarm(never, 2)) == []
    created = legal.stores[POLICE].sent[2].created
    for after, found in ((4.9, {Kind.FALSE_ALARM}), (5, set())):
        heard = with_store(legal, POLICE, sent=changed(2, delivered=created + after))
        assert kinds(alarm(heard, 2)) == found
    assert judge(alarm(legal, 2, at=END - 1)) == []  # before anybody said `delivered`
    for more in ({"code": "quarantined"}, {"what": "overdue"}, {"sender": WEST}):
        assert judge(alarm(legal, 2, **more)) == []


def test_false_is_excused_by_the_first_alarm_and_the_first_delivered_alone(legal):
    digest = legal.stores[POLICE].sent[2].digest
    first = next(s for s in legal.topics if (s.what, s.of) == ("delivered", digest))
    again = replace(first, offset=first.offset + 700, leaf="again", at=END + 9)
    twice = replace(legal, topics=(*legal.topics, again), log=(*legal.log, again))
    assert only(alarm(twice, 2, at=END + 5), Kind.FALSE_ALARM)
    assert judge(alarm(alarm(legal, 2, at=END + 5), 2, at=END - 5, offset=801)) == []


def test_false_is_not_excused_where_the_broker_has_no_more_of_one_of_the_two(legal):
    planted = alarm(legal, 2, at=END - 1)
    neither = replace(planted, topics=())
    assert only(neither, Kind.FALSE_ALARM)
    for gone in ("alarm", "delivered"):
        some = tuple(seen for seen in planted.topics if seen.what != gone)
        assert only(replace(planted, topics=some), Kind.FALSE_ALARM)


def test_silence_is_asked_of_what_is_immediate_and_of_no_revoked_agency():
    late = Run([Said(fate="delivered", overdue=True)]).evidence()
    assert judge(with_store(late, POLICE, sent=changed(0, state="delivered"))) == []
    gone = Run([Said(sender=GONE, urgency="immediate", fate="delivered", overdue=True)]).evidence()
    assert judge(with_store(gone, GONE, sent=changed(0, state="delivered"))) == []


def test_what_is_delivered_and_overdue_needs_no_alarm_and_what_a_person_took_no_mark():
    late = Run([Said(urgency="immediate", fate="delivered", overdue=True)]).evidence()
    assert judge(late) == []
    taken = Run([Said(urgency="immediate", overdue=True)]).evidence()
    assert judge(with_store(taken, WEST, received=changed(0, overdue=False))) == []
    waiting = with_store(late, POLICE, sent=changed(0, state="delivered"))
    assert only(waiting, Kind.SILENT)


def test_false_an_alarm_for_what_is_not_urgent(legal):
    (finding,) = only(
        alarm(with_store(legal, POLICE, sent=changed(0, delivered=None)), 0), Kind.FALSE_ALARM
    )
    assert "not urgent" in finding.why


def test_silent_an_immediate_message_that_was_never_delivered_and_is_merely_overdue():
    legal = Run([Said(urgency="immediate", fate="delivered", overdue=True)]).evidence()
    never = with_store(
        legal, POLICE, sent=changed(0, state="overdue", steps=("sent", "overdue"), delivered=None)
    )
    never = with_store(never, WEST, received=without(0))
    assert kinds(never) == {Kind.STUCK, Kind.SILENT}
    assert kinds(alarm(never, 0)) == {Kind.STUCK}


def test_what_a_person_took_is_loud_enough_though_nobody_heard_that_it_was_delivered():
    legal = Run([Said(urgency="immediate")]).evidence()
    taken = changed(0, steps=("sent", "acknowledged"), delivered=None)
    assert judge(with_store(legal, POLICE, sent=taken)) == []


def test_a_revoked_agency_excuses_no_message_between_others(legal):
    planted = with_store(legal, POLICE, sent=changed(0, state="sent"))
    assert kinds(replace(planted, revoked=frozenset({EAST}))) == {Kind.STUCK}
    assert kinds(replace(planted, revoked=frozenset({POLICE}))) == set()


def test_a_message_to_a_revoked_agency_must_still_end(legal):
    run = Run([Said(to=EAST, fate="undeliverable")]).evidence()
    revoked = replace(run, revoked=frozenset({EAST}))
    assert judge(revoked) == []
    assert only(with_store(revoked, POLICE, sent=changed(0, state="queued")), Kind.STUCK)


# -- legal runs -----------------------------------------------------------------------------------

_pairs = st.sampled_from([(a, b) for a in AGENCIES for b in AGENCIES if a != b])


@st.composite
def messages(draw):
    sender, to = draw(_pairs)
    fate = draw(st.sampled_from(FATES))
    if fate in BACK and GONE not in (sender, to):
        to = GONE
    return Said(
        sender=sender,
        to=to,
        thread=draw(st.sampled_from("ab")),
        urgency=draw(st.sampled_from(("immediate", "today", "routine"))),
        answer=draw(st.sampled_from(ANSWERS)),
        fate=fate,
        parked=draw(st.sampled_from((0, 0, 1, 3))),
        lost=draw(st.booleans()),
        twice=draw(st.booleans()),
        overdue=draw(st.booleans()) and fate == "delivered",
        late=fate not in BACK and draw(st.booleans()),
        foreign=(foreign := draw(st.booleans())),
        copy=None if foreign or fate in BACK else draw(st.none() | _others(sender, to)),
    )


def _others(*taken):
    return st.sampled_from([agency for agency in AGENCIES if agency not in taken])


@given(
    said=st.lists(messages(), max_size=12),
    broker_lost=st.none() | st.integers(0, 12),
)
@settings(max_examples=150, deadline=None)
def test_a_legal_run_is_never_accused(said, broker_lost):
    evidence = Run(said, broker_lost).evidence()
    assert judge(evidence) == []


@given(said=st.lists(messages(), min_size=1, max_size=8), data=st.data())
@settings(max_examples=80, deadline=None)
def test_whatever_delivered_message_is_taken_away_it_is_missed(said, data):
    run = Run(said)
    arrived = [m for m in run.said if m.arrives and m.sender != GONE]
    if not arrived:
        return
    gone = data.draw(st.sampled_from(arrived))
    planted = with_store(
        run.evidence(), gone.to, received=lambda rows: [r for r in rows if r.id != gone.id]
    )
    assert Kind.LOST in kinds(planted)


def test_an_empty_run_is_legal():
    evidence = replace(Run([]).evidence(), stores=dict.fromkeys(AGENCIES, StoreDump()))
    assert judge(evidence) == []


def test_what_lay_in_quarantine_before_a_run_is_not_its_doing(legal):
    """Tests share a district: another one's poison stays where it was put."""
    digest = next(row.digest for row in legal.stores[POLICE].sent)
    aside = Aside("inbox.x", 3, "value-mismatch", digest)
    planted = with_store(legal, WEST, quarantined=lambda rows: (*rows, aside))
    assert only(planted, Kind.LOST)
    before = {WEST: StoreDump(quarantined=(aside,))}
    assert judge(since(planted, before)) == []
