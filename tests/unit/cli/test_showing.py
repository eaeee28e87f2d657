"""What is shown: no foreign text steers a terminal, states and times are a person's."""

import sys
import time
from datetime import UTC, datetime

from meldeweg.cli import showing


def test_times_are_german_time_whatever_the_machines_zone_is(monkeypatch):
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        assert showing.local(datetime(2026, 11, 22, 18, 43, tzinfo=UTC)) == "22.11.2026 19:43"
        assert showing.local(datetime(2026, 7, 1, 18, 43, tzinfo=UTC)) == "01.07.2026 20:43"
    finally:
        monkeypatch.undo()
        time.tzset()


def test_foreign_text_cannot_steer_the_terminal():
    assert showing.safe("a\x1b[31mb\r\u202ec\x9bd") == "a\ufffd[31mb\ufffd\ufffdc\ufffdd"
    assert showing.safe("a\nb") == "a\ufffdb"
    assert showing.pretty({"x": "\x9b\u202e\x1b"}).count("\x1b") == 0
    assert "\x9b" not in showing.pretty({"x": "\x9b"})


def test_a_terminal_gets_a_table_in_which_markup_is_text(monkeypatch, capsys):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    showing.table(("Kopf",), [("[red]wert[/red]",)])
    assert "[red]wert[/red]" in capsys.readouterr().out


def test_a_state_of_a_newer_gateway_is_shown_as_it_is():
    assert showing.word(showing.STATES, "brand-new") == "brand-new"
