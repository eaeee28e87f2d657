"""A spinner where somebody looks, plain lines elsewhere: in the same words."""

import io
import sys

from meldeweg.local import progress


def test_where_there_is_no_terminal_each_phase_is_one_plain_line():
    out = io.StringIO()
    shown = progress.Lines(out)
    with shown.phase("Broker"):
        assert out.getvalue() == ""
    shown.say("Bereit")
    first, second = out.getvalue().splitlines()
    assert first.startswith("Broker: ")
    assert first.endswith(" s")
    assert second == "Bereit"
    assert "\x1b" not in out.getvalue()


class _Console(io.StringIO):
    def __init__(self, *, looked_at):
        super().__init__()
        self._looked_at = looked_at

    def isatty(self):
        return self._looked_at


def test_who_looks_gets_a_spinner_and_a_file_gets_lines(monkeypatch):
    for looked_at, kind in ((True, progress.Terminal), (False, progress.Lines)):
        monkeypatch.setattr(sys, "stderr", _Console(looked_at=looked_at))
        assert type(progress.for_this_terminal()) is kind


def test_a_terminal_shows_the_same_words(monkeypatch):
    monkeypatch.setattr(sys, "stderr", console := _Console(looked_at=True))
    shown = progress.for_this_terminal()
    with shown.phase("Broker [1]"):
        pass
    shown.say("Bereit [nach] 3 s")
    assert "Broker" in console.getvalue()
    assert "Bereit [nach] 3 s" in console.getvalue()
