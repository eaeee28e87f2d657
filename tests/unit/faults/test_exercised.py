"""A stack on which nothing was taken back, or nobody had a linked copy, is no pass."""

from types import SimpleNamespace

from faults import campaign, exercised
from unit.faults.legal import EAST, POLICE, WEST, Run, Said
from unit.faults.planting import taken_back, with_store


def test_a_stack_without_retraction_or_copy_lacks_it():
    both = taken_back(Run([Said(copy=EAST), Said()]).evidence(), "id-0", by="key-2")
    assert exercised.lacking(both) is None
    assert exercised.lacking(Run([Said(copy=EAST), Said()]).evidence()) == "nothing was taken back"
    alone = taken_back(Run([Said(), Said()]).evidence(), "id-0", by="key-1")
    assert exercised.lacking(alone) == "nobody had a linked copy"
    gone = with_store(both, WEST, received=lambda rows: rows[:1])
    assert exercised.lacking(gone) == "nothing was taken back"
    assert exercised.lacking(with_store(both, EAST, received=lambda _: [])) is not None
    # A sender whose store was put back may have forgotten both; they were there.
    assert exercised.lacking(with_store(both, POLICE, sent=lambda _: [])) is None


def test_a_stack_that_lacks_something_is_no_pass(monkeypatch):
    said = [Said(urgency="immediate", fate="delivered", overdue=True), Said()]
    evidence = Run(said).evidence()
    here = SimpleNamespace(judged=evidence)
    last = campaign.Round(faults=("a",))
    run = campaign.Campaign(campaign.Orders(directory=None, seed=1, seconds=1.0), (), {}, str)
    run._wait_for_deadlines(here, [last])
    assert last.broken == "nothing was taken back"
    assert not last.ok
