"""What the verifier's command shows steers no terminal, whatever the log holds."""

import json
import sys

import pytest

from meldeweg.cli import __main__ as command_line
from meldeweg.cli import audit as command
from meldeweg.cli import commands
from unit.audit.offline import check, flip
from unit.audit.synthetic import EVENTS, Log, heartbeat


@pytest.mark.parametrize("partner", ["\ud800", "\x1b[2J", "x\u202e", "", "A"])
@pytest.mark.parametrize("outbox", ["0123456789abcdef", "\x1b[2J\x1b[2J\x1b[2J\x1b[2J"])
def test_a_heartbeats_words_reach_no_report_and_no_terminal(tmp_path, capsys, partner, outbox):
    """Whoever may send heartbeats could else steer, or end, the screen of who verifies the log."""
    log = Log()
    for _ in range(3):
        log.add(EVENTS, heartbeat([(partner, 9)], [(partner, 9)], outbox=outbox))
    report = check(log.write(tmp_path / "log"))
    command._show(report.as_json(), 0.0)
    shown = capsys.readouterr().out
    assert all(one.isprintable() or one == "\n" for one in shown)
    assert report.ok


def test_a_topics_name_in_a_forged_export_cannot_steer_the_terminal(tmp_path, capsys):
    log = Log()
    log.messages(2)
    out = log.write(tmp_path / "log")
    lines = (out / "leaves.jsonl").read_bytes()
    (out / "leaves.jsonl").write_bytes(
        lines.replace(b'"topic":"inbox', b'"topic":"\\ud800\\u001b[2J', 1)
    )
    report = check(out)
    assert not report.ok
    command._show(report.as_json(), 0.0)
    shown = capsys.readouterr().out
    assert "topic-renamed" in shown
    assert all(one.isprintable() or one == "\n" for one in shown)


def test_the_command_tells_a_strange_file_in_both_forms_and_ends_as_the_log_is(
    out, monkeypatch, capsys
):
    monkeypatch.setattr(commands, "quieten", lambda: None)  # it is for a process of its own
    (out / "strange\x1b[2J").touch()

    def run(*more):
        monkeypatch.setattr(sys, "argv", ["meldeweg", "audit", "verify", str(out), *more])
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        return ended.value.code or 0, capsys.readouterr().out

    code, said = run()
    assert code == 0
    assert "notices: file-unknown strange" in said
    assert "\x1b" not in said
    code, said = run("--json")
    (told,) = [one for one in json.loads(said)["notices"] if one["code"] == "file-unknown"]
    assert (code, told["where"]) == (0, "strange\x1b[2J")
    flip(out / "tile/0/000", 5)
    code, said = run("--json")
    assert (code, "file-unknown" in said) == (1, True)
