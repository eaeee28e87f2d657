"""What the demonstration says is enough to go on from."""

import io
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

from rich.console import Console

from meldeweg.cli.showing import zone
from meldeweg.client.types import Step
from meldeweg.demo.story import _shown
from meldeweg.demo.telling import Teller
from meldeweg.local.timings import Timings


def test_who_watched_learns_where_it_lies_and_what_to_type_next():
    said = io.StringIO()
    tell = Teller(Console(file=said, width=40, highlight=False, soft_wrap=True))
    place = Path("/tmp/meldeweg-demo-" + "x" * 60)
    tell.where(place, passing=False)
    tell.look(place, "jugendamt-kreis-viersen")
    lines = said.getvalue().splitlines()
    assert lines[0].endswith(f": {place}")
    assert f"  meldeweg inbox --dir {place} --agency jugendamt-kreis-viersen" in lines
    assert f"  meldeweg doctor --dir {place}" in lines


def test_a_directory_that_goes_with_the_end_is_not_named_as_if_it_stayed():
    said = io.StringIO()
    tell = Teller(Console(file=said, highlight=False, soft_wrap=True))
    tell.where(Path("/somewhere/made-for-this-run"), passing=True)
    assert "/somewhere" not in said.getvalue()
    assert said.getvalue().startswith("Alles lag in ")


def test_ready_after_is_the_whole_time_and_not_the_sum_of_what_has_a_name():
    said = io.StringIO()
    tell = Teller(Console(file=said, highlight=False, soft_wrap=True))
    stack = SimpleNamespace(agencies={}, services={}, broker=SimpleNamespace(bootstrap="b:1"))
    tell.table(stack, Timings({"A": 2.0, "B": 3.0}, memory={"b": 3 << 20}, total=7.5))
    assert "ready after 7.5 s: A 2.0 s, B 3.0 s" in said.getvalue()
    assert "3 MiB" in said.getvalue()


def test_who_watched_learns_at_the_end_that_all_of_it_held():
    said = io.StringIO()
    tell = Teller(Console(file=said, highlight=False, soft_wrap=True))
    for each in ("eins", "zwei"):
        with tell.step(each):
            pass
    tell.held()
    assert said.getvalue().splitlines()[-1].startswith("Alle 2 Schritte hielten")


def test_times_are_told_in_german_time_and_its_name():
    step = Step("sent", datetime(2026, 11, 22, 18, 20, 5, tzinfo=UTC))
    assert _shown(step) == "gesendet 19:20:05"
    assert zone(step.at) == "MEZ"
    assert zone(datetime(2026, 7, 1, tzinfo=UTC)) == "MESZ"
