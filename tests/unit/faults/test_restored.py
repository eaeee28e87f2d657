"""What a store that was put back excuses: so much, and no more."""

from dataclasses import replace

import pytest

from faults.checker import judge
from faults.evidence import Kind, Phase
from unit.faults.legal import END, POLICE, WEST, Run, Said
from unit.faults.planting import (
    asked,
    changed,
    heard_at,
    kinds,
    not_logged,
    only,
    put_back,
    shown_reversed,
    taken_back,
    with_store,
    without,
)


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
    legal = taken_back(legal, "id-0", by="key-1")
    back = with_store(
        legal, WEST, received=changed(0, state="retracted", steps=("acknowledged", "retracted"))
    )
    restored = put_back(back, POLICE, 105, 115)
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
        call = next(e for e in evidence.history if e.op == opens[0].op)
        look = replace(call, op=9000, id="id-9"), replace(opens[0], op=9000)
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
            replace(word, offset=93, of="d9", digest="w8", what="delivered"),
        )
        evidence = replace(
            evidence, history=(*evidence.history, *look, *shown), log=(*evidence.log, *log)
        )
        evidence = asked(evidence, "acknowledge", WEST, (POLICE, "id-9"))
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
