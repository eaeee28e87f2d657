"""The campaign's checker finds each violation that is planted: what it is, and where."""

from dataclasses import replace

from faults.checker import judge
from faults.evidence import Aside, Barred, Entry, Finding, Kind, OutRow, Phase, StoreDump, since
from unit.faults.legal import EAST, END, GONE, POLICE, WEST, Run, Said
from unit.faults.planting import (
    changed,
    kinds,
    only,
    put_back,
    taken_back,
    with_store,
    without,
)


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
    back = Run([Said(fate="turned-away"), Said()]).evidence()  # taken back, it stays lost
    back = taken_back(back, "id-0", by="key-1")
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
        aside = Aside(f"inbox.{agency}.{POLICE}", 300, "schema-invalid", digest)
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
    legal = taken_back(legal, "id-0", by="key-1")

    def back(*steps):
        there = with_store(legal, WEST, received=changed(0, state="retracted", steps=steps))
        return with_store(there, POLICE, sent=changed(0, state="retracted"))

    assert judge(back("opened", "acknowledged", "retracted")) == []
    assert only(back("opened", "retracted"), Kind.LOST)
    retracted_there_alone = with_store(
        legal, WEST, received=changed(0, state="retracted", steps=("acknowledged", "retracted"))
    )
    assert only(retracted_there_alone, Kind.STUCK)


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


def test_plaintext_in_any_file(legal):
    planted = replace(legal, marked=("logs/gateway.jsonl",))
    assert judge(planted) == [
        Finding(Kind.PLAINTEXT, "logs/gateway.jsonl", "holds a word of a content")
    ]


def test_a_revoked_agency_excuses_no_message_between_others(legal):
    planted = with_store(legal, POLICE, sent=changed(0, state="sent"))
    assert kinds(replace(planted, revoked=frozenset({Barred(EAST, 0)}))) == {Kind.STUCK}
    assert kinds(replace(planted, revoked=frozenset({Barred(POLICE, 0)}))) == set()


def test_a_message_to_a_revoked_agency_must_still_end(legal):
    run = Run([Said(to=EAST, fate="undeliverable")]).evidence()
    revoked = replace(run, revoked=frozenset({Barred(EAST, 0)}))
    assert judge(revoked) == []
    assert only(with_store(revoked, POLICE, sent=changed(0, state="queued")), Kind.STUCK)


def test_what_lay_in_quarantine_before_a_run_is_not_its_doing(legal):
    """Tests share a district: another one's poison stays where it was put."""
    digest = next(row.digest for row in legal.stores[POLICE].sent)
    aside = Aside("inbox.x", 3, "value-mismatch", digest)
    planted = with_store(legal, WEST, quarantined=lambda rows: (*rows, aside))
    assert only(planted, Kind.LOST)
    before = {WEST: StoreDump(quarantined=(aside,))}
    assert judge(since(planted, before)) == []
