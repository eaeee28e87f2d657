"""What the demonstration says is enough to go on from."""

import io
from pathlib import Path

from rich.console import Console

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
