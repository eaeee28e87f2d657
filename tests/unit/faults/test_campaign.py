"""The campaign's order of things: what fails it, what is left out and told, what is kept."""

import contextlib
import re
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest

from faults import __main__ as command
from faults import campaign, deadlines, grounds, history, table
from faults.campaign import Campaign, Orders
from faults.checker import SLACK
from faults.evidence import Entry, Finding, Kind, Phase, PutBack
from faults.fault import Told
from faults.history import History, digest_of
from meldeweg.kernel.agreement import load_district
from meldeweg.kernel.ids import AgencyId
from unit.faults.legal import END, GONE, Run, Said

POLICE = AgencyId("polizei-probe")


class Fault:
    invariant = "nothing is lost"

    def __init__(
        self, name, needs=(), does=lambda field, rng: Told(what="broke something"), turn="alone"
    ):
        self.name, self.needs, self.run, self.turn = name, frozenset(needs), does, turn


class Site:
    """A stack that is none; the workload sends one message for each `sending`."""

    def __init__(self, directory):
        (directory / "stack").mkdir(parents=True)
        self.directory, self.history = directory, History(directory / "history.jsonl")
        self.district = SimpleNamespace(directory=directory / "stack", stop=lambda: None)
        self.workload = SimpleNamespace(sending=self._sending, stop=lambda: None)
        self.revoked = self.restored = self.expired = self.bent = frozenset()
        self.judged = None

    @contextlib.contextmanager
    def _sending(self):
        op = self.history.invoke("send", POLICE, key="k", content="c", to=POLICE)
        self.history.end(op, Phase.OK, "send", POLICE, id=f"id-{op}")
        yield

    def field(self, name):
        return SimpleNamespace(settle=lambda seconds: None, say=lambda what: None, name=name)


@pytest.fixture
def stack():
    with contextlib.ExitStack() as open_:
        yield open_


@pytest.fixture
def stage(monkeypatch, tmp_path):
    """Run a campaign of given faults on stacks that are none; returns it and what was started."""
    stacks, found = [], {}

    @contextlib.contextmanager
    def site(directory, needs, *_):
        stacks.append(needs)
        here = Site(directory)
        with contextlib.closing(here.history):
            yield here

    monkeypatch.setattr(campaign, "site", site)
    monkeypatch.setattr(campaign, "verdict", lambda here, _: found.get(len(stacks), []))
    monkeypatch.setattr(campaign.exercised, "lacking", lambda judged: None)
    monkeypatch.setattr(
        campaign, "missing", lambda needs: "netns: none here" if "netns" in needs else None
    )

    def run(*faults, seed=1, seconds=600.0, only=("a", "b", "c", "d")):
        orders = Orders(directory=tmp_path, seed=seed, seconds=seconds, only=frozenset(only))
        return Campaign(orders, faults, {}, lambda text: None).run()

    return SimpleNamespace(run=run, stacks=stacks, found=found, directory=tmp_path)


def test_each_fault_is_injected_and_a_sound_campaign_keeps_nothing(stage):
    result = stage.run(Fault("a"), Fault("b"))
    assert result.ok
    assert {each.faults for each in result.rounds} == {("a",), ("b",)}
    assert [each.messages for each in result.rounds] == [1, 1]
    assert len(stage.stacks) == 1
    assert list(stage.directory.iterdir()) == []


def test_a_finding_fails_it_keeps_the_stack_and_the_next_fault_has_a_fresh_one(stage):
    stage.found[1] = [Finding(Kind.LOST, "id-1", "gone")]
    result = stage.run(Fault("a"), Fault("b"))
    assert not result.ok
    assert [each.ok for each in result.rounds] == [False, True]
    assert len(stage.stacks) == 2
    assert result.rounds[0].kept == stage.directory / "1"
    assert (stage.directory / "1" / "history.jsonl").exists()
    assert not (stage.directory / "2").exists()


def test_a_fault_that_had_no_effect_fails_it(stage):
    def nothing(field, rng):
        raise AssertionError("a reply was met")

    result = stage.run(Fault("a", does=nothing), Fault("b"))
    assert not result.ok
    (failed,) = [each for each in result.rounds if not each.ok]
    assert failed.faults == ("a",)
    assert "a reply was met" in failed.broken
    assert "a reply was met" in (failed.kept / "trace.txt").read_text()


def test_what_heals_at_once_shares_a_round_and_what_cannot_be_undone_comes_last(stage):
    told = Told(what="revoked", revoked=frozenset({POLICE}))
    last = Fault("a", does=lambda field, rng: told, turn="last")
    result = stage.run(last, Fault("b"), Fault("c", turn="row"), Fault("d", turn="row"))
    first, second, third = [each.faults for each in result.rounds]
    assert (set(first), second, third) == ({"c", "d"}, ("b",), ("a",))
    assert [len(each.told) for each in result.rounds] == [2, 1, 1]
    assert len(stage.stacks) == 1


def test_a_row_is_no_longer_than_a_finding_is_worth(stage):
    names = [f"r{n}" for n in range(10)]
    result = stage.run(*(Fault(name, turn="row") for name in names), only=names)
    assert sorted(len(each.faults) for each in result.rounds) == [3, 7]


def test_behind_one_without_effect_the_rest_of_its_row_is_tried_on_a_fresh_stack(stage):
    def nothing(field, rng):
        raise AssertionError("a reply was met")

    row = [Fault(name, turn="row") for name in "abc"] + [Fault("d", does=nothing, turn="row")]
    result = stage.run(*row)
    assert [each.broken is None for each in result.rounds].count(False) == 1
    (failed,) = [each for each in result.rounds if not each.ok]
    assert failed.faults[-1] == "d"
    tried = [name for each in result.rounds for name in each.faults]
    assert sorted(tried) == ["a", "b", "c", "d"]
    assert result.skipped == {}


def test_without_a_given_time_every_fault_is_tried_however_long_it_takes(stage):
    orders = Orders(directory=stage.directory, seed=1, seconds=0.0, whole=True)
    result = Campaign(orders, [Fault("a"), Fault("b")], {}, lambda text: None).run()
    single = {each.faults for each in result.rounds if not each.mixed}
    assert single == {("a",), ("b",)}
    assert result.ok


def test_every_default_run_has_a_mix_and_what_cannot_be_undone_only_ends_it(stage):
    kinds = [Fault("a"), Fault("b", turn="row"), Fault("c", turn="last"), Fault("d", turn="last")]
    for seed in range(20):
        orders = Orders(directory=stage.directory, seed=seed, seconds=0.0, whole=True)
        result = Campaign(orders, kinds, {}, lambda text: None).run()
        (mix,) = [each.faults for each in result.rounds if each.mixed]
        assert len(mix) in (2, 3)
        assert not {"c", "d"} & set(mix[:-1])
        assert "at random" in table.head(result)


def late(at, **more):
    """What was judged at that time: a message that nobody took, due at `END - 100`."""
    said = Said(urgency="immediate", fate="delivered", overdue=True, **more)
    return replace(Run([said]).evidence(), at=at)


def test_no_stack_ends_before_a_deadline_has_passed_on_it(stage, monkeypatch):
    verdicts, waited, judged = [], [], iter((late(END - 90), late(END)))

    def verdict(here, patience):
        here.judged = next(judged)
        verdicts.append(here.judged.at)
        return [] if len(verdicts) == 1 else [Finding(Kind.SILENT, "id-0", "nobody was told")]

    monkeypatch.setattr(campaign, "verdict", verdict)
    settle = SimpleNamespace(settle=waited.append, say=lambda what: None)
    monkeypatch.setattr(Site, "field", lambda here, name: settle)
    result = stage.run(Fault("a"))
    assert verdicts == [END - 90, END]
    assert not result.ok
    assert len(waited) == 3  # before, after, and for the deadline


def test_where_a_verdict_saw_a_deadline_pass_there_is_no_second(stage, monkeypatch):
    verdicts = []

    def verdict(here, patience):
        here.judged = late(END)
        verdicts.append(here)
        return []

    monkeypatch.setattr(campaign, "verdict", verdict)
    assert stage.run(Fault("a")).ok
    assert len(verdicts) == 1


def test_a_stack_on_which_nobody_could_be_late_is_no_pass(stage, monkeypatch):
    def verdict(here, patience):
        here.judged = Run([Said(urgency="immediate"), Said(fate="delivered")]).evidence()
        return []

    monkeypatch.setattr(campaign, "verdict", verdict)
    (failed,) = stage.run(Fault("a")).rounds
    assert "left to its deadline" in failed.broken


def test_who_is_late_counts_neither_at_the_revoked_nor_before_the_slack_is_over():
    assert deadlines.judged_after(late(END)) == END - 100 + SLACK
    assert deadlines.judged_after(late(END, to=GONE)) is None
    assert deadlines.judged_after(late(END, sender=GONE)) is None


def test_the_districts_immediate_deadlines_are_a_minute_here_and_nothing_else_differs(tmp_path):
    real, hurried = load_district("kreis-viersen"), load_district(grounds.hurried(tmp_path))
    assert {c.deadlines.immediate.minutes for c in hurried.clauses if c.deadlines.immediate} == {1}
    assert hurried.parties == real.parties
    assert [c.id for c in hurried.clauses] == [c.id for c in real.clauses]
    assert [c.deadlines.today for c in hurried.clauses] == [c.deadlines.today for c in real.clauses]


def test_a_stack_that_does_not_start_is_no_pass(stage, monkeypatch):
    @contextlib.contextmanager
    def broken(*_):
        raise OSError("no port")
        yield

    monkeypatch.setattr(campaign, "site", broken)
    result = stage.run(Fault("a"))
    assert not result.ok
    assert "no port" in result.rounds[0].broken


def test_a_word_of_a_content_in_a_file_of_the_stack_fails_it(stage, monkeypatch):
    leak = stage.directory / "1" / "stack" / "x.log"
    monkeypatch.setattr(campaign, "found_in", lambda root, words: [(leak, "word")])
    (finding,) = stage.run(Fault("a")).rounds[0].findings
    assert (finding.kind, finding.about) == (Kind.PLAINTEXT, "x.log")


def test_what_this_machine_lacks_is_skipped_and_said(stage):
    result = stage.run(Fault("a", needs={"netns"}), Fault("b"))
    assert result.skipped == {"a": "netns: none here"}
    assert [each.faults for each in result.rounds] == [("b",)]


def test_a_given_time_has_one_round_however_short_and_what_there_was_no_time_for_is_said(stage):
    result = stage.run(Fault("a"), Fault("b", needs={"proxy"}), seconds=0.0)
    (tried,) = [each.faults for each in result.rounds]
    (skipped,) = result.skipped.items()
    assert {*tried, skipped[0]} == {"a", "b"}
    assert skipped[1] == "the time was over"


def test_what_was_ended_before_its_first_round_proved_nothing(stage):
    ending = threading.Event()
    ending.set()
    orders = Orders(directory=stage.directory, seed=1, seconds=600.0)
    result = Campaign(orders, [Fault("a")], {}, lambda text: None, ending).run()
    assert result.skipped == {"a": "the time was over"}
    assert not result.ok


@pytest.mark.parametrize(
    ("given", "whole"),
    [({}, True), ({"MINUTES": "1"}, False), ({"ONLY": "x", "MINUTES": "1"}, True)],
)
def test_what_only_names_is_tried_however_short_the_time(given, whole, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "FAULTS", [Fault("x")])
    monkeypatch.setattr(command.tempfile, "mkdtemp", lambda prefix: str(tmp_path))
    for name in ("MINUTES", "HOURS", "ONLY", "SEED"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    assert command._orders().whole is whole


def test_faults_with_other_needs_get_a_stack_of_their_own(stage):
    stage.run(Fault("a"), Fault("b", needs={"proxy"}), Fault("c"), Fault("d", needs={"root"}))
    assert set(stage.stacks) == {frozenset(), frozenset({"proxy"})}
    assert len(stage.stacks) == 2


def test_after_a_revocation_or_a_restored_store_the_next_fault_has_a_fresh_stack(stage):
    revoked = Told(what="revoked", revoked=frozenset({POLICE}))
    restored = Told(what="restored", restored=frozenset({PutBack(POLICE, 1.0, 2.0)}))
    for n, told in enumerate((revoked, restored), 1):
        first = Fault("a", does=lambda field, rng, told=told: told)
        stage.run(first, Fault("b", does=first.run))
        assert len(stage.stacks) == 2 * n


def test_a_stack_that_carried_many_messages_is_followed_by_a_fresh_one(stage, monkeypatch):
    monkeypatch.setattr(campaign, "_WORN", 2)
    result = stage.run(*map(Fault, "abcd"))
    assert result.ok
    assert len(stage.stacks) == 2


def test_the_same_seed_gives_each_fault_the_same_dice(stage):
    thrown = []
    for _ in range(2):
        stage.run(Fault("a", does=lambda f, rng: thrown.append(rng.random()) or Told(what="x")))
    assert thrown[0] == thrown[1]


def test_mixes_fill_the_time_until_it_is_ended(stage):
    ending, counted = threading.Event(), []

    def count(field, rng):
        counted.append(field.name)
        if len(counted) > 20:
            ending.set()
        return Told(what="x")

    orders = Orders(directory=stage.directory, seed=1, seconds=600.0)
    faults = [Fault("a", does=count), Fault("b", does=count)]
    result = Campaign(orders, faults, {}, lambda text: None, ending).run()
    assert {len(each.faults) for each in result.rounds} == {1, 2, 3}


def test_the_table_tells_seed_versions_findings_and_what_was_left_out(stage):
    stage.found[1] = [Finding(Kind.LOST, "id-1", "gone")]
    faults = (Fault("a"), Fault("b"), Fault("c", needs={"netns"}))
    page = table.page(stage.run(*faults, seed=4711), faults)
    assert "| seed | 4711 |" in page
    assert "| findings | **1** |" in page
    assert "| nothing is lost | 1 | 1 | 1 lost |" in page
    assert "| nothing is lost | 1 | 1 | 0 |" in page
    assert "| c | netns: none here |" in page
    assert "Apache Kafka 4" in page
    assert "at random" not in page  # there was no mix, and no row
    assert "in rows of" not in page
    assert str(stage.directory) not in page
    assert re.search(
        r"^\| code \| (commit [0-9a-f]{12}( and changes)?|no commit known) \|$", page, re.MULTILINE
    )


def test_the_table_of_a_few_faults_says_that_the_others_were_not_asked_for(stage):
    faults = [Fault("a"), Fault("b"), Fault("c")]
    orders = Orders(directory=stage.directory, seed=1, seconds=0.0, only=frozenset({"a"}))
    page = table.page(Campaign(orders, faults, {}, lambda text: None).run(), faults)
    assert "2 of 3 faults: only the others were asked for" in page
    assert "Nothing." not in page


def test_a_call_stands_in_the_history_before_it_is_made_and_is_read_back_equal(tmp_path, stack):
    written = stack.enter_context(contextlib.closing(History(tmp_path / "h.jsonl")))
    op = written.invoke("pull", POLICE)
    assert [e.phase for e in history.read(tmp_path / "h.jsonl")] == [Phase.INVOKED]
    items = ((POLICE, "id-1"), (POLICE, "id-2"))
    written.end(op, Phase.OK, "pull", POLICE, items=items)
    written.invoke("send", POLICE, key="k", content=digest_of({"a": 1}), to=POLICE, n=3)
    read = history.read(tmp_path / "h.jsonl")
    assert read == written.entries()
    assert read[1] == Entry(
        at=read[1].at, op=op, phase=Phase.OK, call="pull", agency=POLICE, items=items
    )


def test_a_line_of_the_history_that_was_cut_short_is_none(tmp_path, stack):
    written = stack.enter_context(contextlib.closing(History(tmp_path / "h.jsonl")))
    written.invoke("pull", POLICE)
    with (tmp_path / "h.jsonl").open("a") as file:
        file.write('{"at": 1, "op"')
    assert len(history.read(tmp_path / "h.jsonl")) == 1


def test_no_content_is_in_its_digest_and_members_in_another_order_give_the_same():
    words = {"a": "Erfunden", "b": [1, 2]}
    assert digest_of(words) == digest_of(dict(reversed(words.items())))
    assert digest_of(words) != digest_of(words | {"b": [2, 1]})
    assert "Erfunden" not in digest_of(words)
