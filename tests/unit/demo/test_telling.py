"""What the demonstration says is enough to go on from."""

import io
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from meldeweg.cli.showing import zone
from meldeweg.client.types import Step
from meldeweg.demo.story import _shown
from meldeweg.demo.telling import Teller


def test_who_watched_learns_where_it_lies_and_what_to_type_next():
    said = io.StringIO()
    tell = Teller(Console(file=said, width=40, highlight=False, soft_wrap=True))
    place = Path("/tmp/meldeweg-demo-" + "x" * 60)
    tell.where(place)
    tell.look(place, "jugendamt-kreis-viersen")
    lines = said.getvalue().splitlines()
    assert lines[0].endswith(f": {place}")
    assert f"  meldeweg inbox --dir {place} --agency jugendamt-kreis-viersen" in lines
    assert f"  meldeweg doctor --dir {place}" in lines


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
