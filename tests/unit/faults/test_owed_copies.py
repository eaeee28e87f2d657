"""Who must have a linked copy, as the order says and not the gateway; the workload owes some."""

import random
import threading
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from e2e.invented import KEMPEN, KREIS, NETTETAL, PLACES
from e2e.invented import POLICE as INVENTED_POLICE
from faults.calling import Missed
from faults.checker import judge
from faults.evidence import Kind, Phase
from faults.history import History, read
from faults.workload import Workload, _accepted, _Writer
from unit.faults.legal import EAST, GONE, POLICE, Run, Said
from unit.faults.planting import only, with_store


def never_made(run, copy="id-1"):
    """Return the evidence of a gateway that never made the copy, and named none."""
    evidence = run.evidence()
    row = next(r for r in evidence.stores[POLICE].sent if r.id == copy)
    ops = {e.op for e in evidence.history if e.id == copy}
    history = tuple(
        replace(
            e,
            linked=() if e.linked and e.linked[0][1] == copy else e.linked,
            items=tuple(i for i in e.items if i[1] != copy),
        )
        for e in evidence.history
        if e.op not in ops
    )

    def left(seen):
        return tuple(s for s in seen if row.digest not in (s.digest, s.of))

    evidence = replace(
        evidence, history=history, log=left(evidence.log), topics=left(evidence.topics)
    )
    for agency in evidence.stores:
        evidence = with_store(
            evidence,
            agency,
            sent=lambda rows: [r for r in rows if r.id != copy],
            outbox=lambda rows: [r for r in rows if r.ref != row.digest],
            received=lambda rows: [r for r in rows if r.id != copy],
        )
    return evidence


def test_lost_a_copy_that_its_order_owes_and_nobody_made():
    run = Run([Said(copy=EAST), Said()])
    assert judge(run.evidence()) == []
    (finding,) = only(never_made(run), Kind.LOST)
    assert (finding.about, finding.why) == ("id-0", f"a copy for {EAST}, never made")


def test_a_copy_for_another_office_than_the_order_names_is_none():
    evidence = Run([Said(copy=EAST)]).evidence()
    history = tuple(replace(e, also=GONE) if e.also else e for e in evidence.history)
    assert only(replace(evidence, history=history), Kind.LOST)


def warned(evidence):
    history = tuple(
        replace(e, impossible=True) if e.call == "send" and e.phase is Phase.OK else e
        for e in evidence.history
    )
    return replace(evidence, history=history)


def test_that_it_is_impossible_excuses_it_for_an_office_that_was_revoked_alone():
    revoked = never_made(Run([Said(copy=GONE), Said()]))
    assert only(revoked, Kind.LOST)
    assert judge(warned(revoked)) == []
    assert only(warned(never_made(Run([Said(copy=EAST), Said()]))), Kind.LOST)


@pytest.mark.parametrize("kind", ["correction", "retraction", "notification"])
def test_what_amends_a_message_goes_to_who_has_its_copy(kind):
    def amending(run, copy):
        evidence = never_made(run, copy) if copy else run.evidence()
        more = {"type": kind, "in_reply_to": "id-0"}
        history = tuple(
            replace(e, also=None, members=more) if e.key == "key-2" else replace(e, members=None)
            for e in evidence.history
        )
        return replace(evidence, history=history)

    two = [Said(copy=EAST), Said(copy=EAST)]
    assert judge(amending(Run(two), None)) == []
    planted = amending(Run(two), "id-3")
    if kind == "notification":  # what only continues a case is no matter of the copy's office
        assert judge(planted) == []
    else:
        (finding,) = only(planted, Kind.LOST)
        assert (finding.about, finding.why) == ("id-2", f"a copy for {EAST}, never made")


def test_an_answer_that_nobody_heard_owes_nothing_that_could_be_known():
    assert judge(never_made(Run([Said(copy=EAST, answer="unheard")]))) == []


# -- the workload ----------------------------------------------------------------------------------


def writer(answers, seed, owes=True, to=KREIS):
    """Return one, what it noted of each order, and the orders themselves."""
    noted = []

    def do(name, call, told, **facts):
        noted.append(facts)
        answer = answers.pop(0) if answers else f"id-{len(noted)}"
        if answer is None:
            raise Missed("not-covered", again=False)
        return SimpleNamespace(id=answer)

    caller, district = MagicMock(), MagicMock()
    caller.do.side_effect = do
    district.content.side_effect = lambda *_: {"n": len(noted)}
    district.described.agencies = dict.fromkeys((KREIS, KEMPEN, NETTETAL, INVENTED_POLICE))
    dice = random.Random(seed)
    return _Writer(caller, district, INVENTED_POLICE, to, "t", dice, (0.0, 0.0), owes), noted


@pytest.mark.parametrize("seed", range(12))
def test_who_owes_it_sends_first_what_has_a_copy_and_takes_it_back(seed):
    sends, noted = writer([], seed)
    for _ in range(2):
        sends.turn(threading.Event())
    first, second = noted
    assert first["also"] in (KEMPEN, NETTETAL)
    assert first["urgency"] is None  # what is left to its deadline stays so
    assert (second["retracts"], second["also"]) == ("id-1", None)
    assert second["members"]["exercise"] == first["members"]["exercise"]
    assert not sends._owes


@pytest.mark.parametrize("answers", [[None, "a"], ["a", None, "b"]])
def test_it_is_owed_until_it_is_taken(answers):
    sends, noted = writer(list(answers), 3)
    while sends._owes:
        sends.turn(threading.Event())
    taken = [facts for facts in noted if facts["retracts"]]
    assert noted[-1] is taken[-1]
    assert len(noted) == len(answers) + 1


def test_a_home_in_the_same_district_owes_no_copy():
    sends, noted = writer([], 1, owes=False)
    for _ in range(300):
        sends.turn(threading.Event())
    two = [facts["also"] for facts in noted if facts["also"]]
    assert set(two) == {KEMPEN, NETTETAL}
    assert KREIS not in two
    assert len(PLACES) > 3


def test_writers_to_two_offices_owe_it():
    district = MagicMock()
    agencies = dict.fromkeys((INVENTED_POLICE, KREIS, KEMPEN, NETTETAL))
    district.described.agencies = agencies
    load = Workload(district, MagicMock(), random.Random(1))
    load._caller = MagicMock()
    owing = [pair for pair in load._pairs() if load._writer(*pair)._owes]
    assert owing == [(INVENTED_POLICE, KREIS), (INVENTED_POLICE, KEMPEN)]


def test_what_is_owed_and_that_it_is_impossible_is_in_the_history(tmp_path):
    history = History(tmp_path / "h.jsonl")
    op = history.invoke("send", POLICE, key="k", also=EAST)
    answer = MagicMock(linked=(), warnings=(SimpleNamespace(code="linked-copy-impossible"),))
    told = _accepted(answer) | {"id": "id-0", "members": {}}
    history.end(op, Phase.OK, "send", POLICE, **told)
    history.close()
    first, second = read(tmp_path / "h.jsonl")
    assert (first.also, second.impossible) == (EAST, True)
    assert _accepted(MagicMock(linked=(), warnings=()))["impossible"] is False
