"""The command line itself: settings, version, help and completion, quickly and without services."""

import json
import subprocess
import sys

import pytest

from meldeweg.cli import __main__ as command_line
from meldeweg.cli import commands


def test_settings_are_shown_with_variable_default_and_meaning(run):
    code, out, _ = run("settings", "gateway", "--json", at=None)
    assert code == 0
    shown = {one["name"]: one for one in json.loads(out)}
    assert shown["outbox.bytes_max"]["variable"] == "MELDEWEG_OUTBOX__BYTES_MAX"
    assert shown["agency"]["default"] == "required"
    assert run("settings", "nonsense", at=None)[0] == 2


@pytest.mark.parametrize("service", ["gateway", "registry", "audit", "watch"])
def test_every_service_says_its_settings(run, service):
    code, out, _ = run("settings", service, "--json", at=None)
    assert code == 0
    assert all(one["meaning"] for one in json.loads(out))


def test_the_version_is_said_quickly_and_without_the_services():
    script = (
        "import sys; sys.argv = ['meldeweg', 'version']\n"
        "from meldeweg.cli.__main__ import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'httpx2', 'structlog', 'fastapi', 'sqlite3', 'asyncio', 'rich.table'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
        "print(open('/proc/self/status').read().split('VmHWM:')[1].split()[0])\n"
        "import time; print(time.process_time())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        text=True,
        env={"PYTHONPATH": "services"},
    )
    said, heavy, kilobytes, seconds = done.stdout.splitlines()
    assert said.startswith("meldeweg ")
    assert heavy == "[]"
    assert int(kilobytes) < 45_000
    # Of computing time, whatever else the machine does: 0.15 s where it does nothing else.
    assert float(seconds) < 0.6


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_failure(closed):
    asked = f'exec "$0" -m meldeweg.cli version --json {closed}'
    done = subprocess.run(["sh", "-c", asked, sys.executable], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("name", commands.available())
def test_every_command_loads_and_helps(run, name):
    code, out, _ = run(name, "--help", at=None)
    assert code == 0
    assert f"meldeweg {name}" in out


def test_help_lists_commands_without_loading_them(run):
    loaded = set(sys.modules)
    code, out, _ = run("--help", at=None)
    assert code == 0
    assert all(name in out for name in commands.available())
    assert not {name for name in set(sys.modules) - loaded if name.startswith("meldeweg.")}


@pytest.mark.parametrize(
    ("words", "offered"),
    [("in", "inbox"), ("inbox ack", "acknowledge"), ("token create x --scope s", "send")],
)
def test_the_shell_completes_commands_and_choices(words, offered, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["meldeweg"])
    monkeypatch.setenv("_MELDEWEG_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", f"meldeweg {words}")
    monkeypatch.setenv("COMP_CWORD", str(len(words.split())))
    with pytest.raises(SystemExit):
        command_line.main()
    assert offered in capsys.readouterr().out.split()


def test_a_module_may_register_itself(monkeypatch):
    class Module:
        @staticmethod
        def register(app):
            app.command("demo")(lambda: None)

    monkeypatch.setattr(commands, "import_module", lambda _: Module)
    assert commands.load("demo").name == "demo"
