"""What no person asked for nobody did: no gateway acknowledges, takes back or looks by itself."""

import random
import threading
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest

from e2e.invented import KREIS
from e2e.invented import POLICE as INVENTED_POLICE
from faults.checker import judge
from faults.evidence import Kind, Phase, StoreDump, since
from faults.facts import Facts
from faults.field import StackField
from faults.history import History, read
from faults.nemesis import traffic
from faults.workload import _Writer
from unit.faults.legal import EAST, POLICE, WEST, Run, Said
from unit.faults.planting import asked, changed, kinds, only, taken_back, with_store

NAME = (POLICE, "id-0")


def without_calls(evidence, call, phase=None):
    """Return the evidence in which nobody called it, or in which each such call ended so."""
    if phase is None:
        kept = tuple(e for e in evidence.history if e.call != call)
    else:
        kept = tuple(
            replace(e, phase=phase) if (e.call, e.phase) == (call, Phase.OK) else e
            for e in evidence.history
        )
    return replace(evidence, history=kept)


@pytest.mark.parametrize("urgency", ["immediate", "today"])
def test_invented_what_is_acknowledged_and_nobody_there_said_so(urgency):
    run = Run([Said(urgency=urgency), Said(fate="refused")]).evidence()
    assert judge(run) == []
    for planted in (
        without_calls(run, "acknowledge"),
        without_calls(run, "acknowledge", Phase.FAIL),
    ):
        (finding,) = only(planted, Kind.INVENTED)
        assert (finding.about, "by nobody there" in finding.why) == ("id-0", True)
    assert judge(without_calls(run, "acknowledge", Phase.UNKNOWN)) == []


def test_anothers_call_or_one_for_another_message_explains_nothing():
    run = without_calls(Run([Said(), Said(fate="delivered")]).evidence(), "acknowledge")
    assert judge(asked(run, "acknowledge", WEST, NAME)) == []
    for agency, name in ((EAST, NAME), (WEST, (POLICE, "id-1")), (WEST, (EAST, "id-0"))):
        assert only(asked(run, "acknowledge", agency, name), Kind.INVENTED)
    assert only(asked(run, "refuse", WEST, NAME), Kind.INVENTED)


@pytest.mark.parametrize("where", ["sender", "recipient", "log", "topics"])
def test_one_place_that_calls_it_acknowledged_is_enough(where):
    run = Run([Said(fate="delivered"), Said()]).evidence()
    word = next(s for s in run.log if s.what == "acknowledged")
    digest = run.stores[POLICE].sent[0].digest
    word = replace(word, of=digest, digest="ab" * 32, offset=90, leaf="w", id="w")
    planted = {
        "sender": lambda: with_store(run, POLICE, sent=changed(0, state="acknowledged")),
        "recipient": lambda: with_store(run, WEST, received=changed(0, steps=("acknowledged",))),
        "log": lambda: replace(run, log=(*run.log, word)),
        "topics": lambda: replace(run, topics=(*run.topics, word)),
    }[where]()
    assert any("by nobody there" in f.why for f in judge(planted))
    there = asked(planted, "acknowledge", WEST, NAME)
    assert not any("by nobody there" in f.why for f in judge(there))


def retracted(evidence, n=0):
    """Return the evidence in which both ends call the message taken back."""
    steps = ("opened", "acknowledged", "retracted")
    there = with_store(evidence, WEST, received=changed(n, state="retracted", steps=steps))
    return with_store(there, POLICE, sent=changed(n, state="retracted"))


def test_invented_what_is_taken_back_and_its_sender_sent_no_retraction():
    run = retracted(Run([Said(), Said(), Said(sender=WEST, to=POLICE)]).evidence())
    (finding,) = only(run, Kind.INVENTED)
    assert finding.why == f"retracted, and not by {POLICE}"
    assert judge(taken_back(run, "id-0", by="key-1")) == []
    other = judge(taken_back(run, "id-1", by="key-1"))  # which has no effect there
    assert [f.about for f in other if f.kind is Kind.INVENTED] == ["id-0"]
    assert only(taken_back(run, "id-0", by="key-2"), Kind.INVENTED)  # another agency's


@pytest.mark.parametrize(("answer", "explains"), [("unheard", True), ("failed", False)])
def test_a_retraction_that_surely_failed_takes_nothing_back(answer, explains):
    run = retracted(Run([Said(), Said(answer=answer)]).evidence())
    assert (judge(taken_back(run, "id-0", by="key-1")) == []) is explains


def test_who_takes_a_message_back_takes_its_linked_copy_back():
    run = Run([Said(copy=EAST), Said()]).evidence()
    steps = ("opened", "acknowledged", "retracted")
    both = with_store(run, EAST, received=changed(0, state="retracted", steps=steps))
    both = with_store(both, POLICE, sent=changed(1, state="retracted"))
    both = retracted(both)
    assert only(both, Kind.INVENTED)
    assert judge(taken_back(both, "id-0", by="key-2")) == []


def test_invented_a_retraction_that_only_its_senders_gateway_tells_of():
    run = Run([Said()]).evidence()
    told = next(s for s in run.log if s.what == "opened")
    told = replace(told, what="retracted", sender=POLICE, offset=90, leaf="r")
    assert Kind.INVENTED in kinds(replace(run, log=(*run.log, told)))


def test_invented_a_look_that_nobody_asked_for():
    run = Run([Said()]).evidence()
    look = next(s for s in run.log if s.what == "opened")
    more = replace(look, id="another", offset=90, leaf="l")
    planted = replace(run, log=(*run.log, more), topics=(*run.topics, more))
    (finding,) = only(planted, Kind.INVENTED)
    assert "3 looks told" in finding.why
    assert judge(asked(planted, "open", WEST, NAME)) == []


def test_a_look_that_is_told_again_is_one():
    run = Run([Said()]).evidence()
    named = {s: replace(s, id=f"look-{n}") for n, s in enumerate(run.log) if s.what == "opened"}
    log = tuple(named.get(s, s) for s in run.log)
    again = replace(next(iter(named.values())), topic_id="again", offset=0, leaf="l")
    assert judge(replace(run, log=(*log, again), topics=())) == []


def test_what_was_there_before_the_run_may_have_been_said_before_it():
    run = Run([Said(), Said()]).evidence()
    before = {
        POLICE: StoreDump(sent=run.stores[POLICE].sent[:1]),
        WEST: StoreDump(received=run.stores[WEST].received[:1]),
    }
    ops = {e.op for e in run.history if e.id == "id-0" or e.key == "key-0"}
    history = tuple(
        replace(e, items=tuple(i for i in e.items if i != NAME))
        for e in run.history
        if e.op not in ops
    )
    assert judge(since(replace(run, history=history), before)) == []


def test_what_a_fault_asks_for_at_a_recipient_is_in_the_history_before_it_is_asked(tmp_path):
    (tmp_path / "logs").mkdir()
    district = MagicMock(directory=tmp_path)
    district.described.agencies = {POLICE: None, WEST: None}
    history = History(tmp_path / "history.jsonl")
    field = StackField(district, history, tmp_path / "scratch", journal=tmp_path / "faults.jsonl")
    for what in ("own-open", "own-acknowledge"):
        field.say(what, agency=WEST, id="id-0", sender=POLICE)
    history.close()
    facts = Facts(replace(Run([]).evidence(), history=read(tmp_path / "history.jsonl")))
    assert facts.acknowledged == {(WEST, NAME)}
    assert facts.asked["open", WEST, NAME] == 1
    assert not facts.calls  # nobody knows how it ended


def test_a_fault_says_what_it_asks_for_before_it_asks(monkeypatch):
    done = []
    gateway = MagicMock()
    gateway.open.side_effect = lambda *_, **__: done.append("open")
    gateway.acknowledge.side_effect = lambda *_, **__: done.append("acknowledge")
    monkeypatch.setattr(traffic, "Gateway", lambda *_, **__: nullcontext(gateway))
    monkeypatch.setattr(traffic, "send", lambda *_: SimpleNamespace(id="id-0"))
    field = MagicMock()
    field.say.side_effect = lambda what, **_: done.append(what)
    traffic.take(field, KREIS)
    assert done == ["own-open", "open", "own-acknowledge", "acknowledge"]
    about = {"agency": KREIS, "id": "id-0", "sender": INVENTED_POLICE}
    assert [call.kwargs for call in field.say.call_args_list] == [about, about]


def test_the_workload_notes_what_a_retraction_takes_back():
    noted = []
    caller = MagicMock()
    caller.do.side_effect = lambda *_, **facts: noted.append(facts) or SimpleNamespace(id="id-0")
    district = MagicMock()
    district.content.return_value = {}
    writer = _Writer(caller, district, INVENTED_POLICE, KREIS, "t", random.Random(3), (0.0, 0.0))
    for kind, of in (("notification", None), ("retraction", "id-0"), ("correction", "id-0")):
        more = {"in_reply_to": of} if of else {}
        order = {"to": {"agency": KREIS}, "content": {}, "thread": "t", **more}
        writer._order = lambda kind=kind, order=order: (kind, order)
        writer.turn(threading.Event())
    assert [facts["retracts"] for facts in noted] == [None, "id-0", None]
