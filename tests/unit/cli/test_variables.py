"""A misspelt variable is refused by name; what a service or the command line has passes."""

import json

import pytest

from meldeweg.cli.variables import Service, settings_of
from meldeweg.kernel.settings import COMMAND_LINE, CONFIG, describe

SECRET = "hunter2-must-not-appear"
COMMANDS = [
    ("inbox", "show", "0197-none"),
    ("token", "list"),
    ("local", "down"),
    ("local", "status"),
    ("doctor",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_misspelt_variable_is_refused_with_what_was_probably_meant(run, monkeypatch, command):
    monkeypatch.setenv("MELDEWEG_TOKN_FILE", SECRET)
    code, out, err = run(*command, at=None)
    assert (code, out) == (2, "")
    assert err.startswith("setting-unknown: MELDEWEG_TOKN_FILE; did you mean MELDEWEG_TOKEN_FILE?")
    assert SECRET not in err


def test_all_that_are_misspelt_are_named_and_programs_can_read_it(run, monkeypatch):
    for name in ("MELDEWEG_DIRR", "MELDEWEG_OUTBOX__BYTE_MAX"):
        monkeypatch.setenv(name, SECRET)
    code, _, err = run("local", "status", "--json", at=None)
    found = json.loads(err)
    assert (code, found["error"], found["exit"]) == (2, "setting-unknown", 2)
    for said in ("_DIRR; did you mean MELDEWEG_DIR?", "did you mean MELDEWEG_OUTBOX__BYTES_MAX?"):
        assert said in found["text"]
    assert SECRET not in err


@pytest.mark.parametrize("service", Service)
def test_settings_of_a_service_beside_which_a_command_runs_are_not_refused(
    run, monkeypatch, tmp_path, service
):
    names = {one.variable for one in describe(settings_of(service))} | {CONFIG}
    for name in (names | COMMAND_LINE) - {"MELDEWEG_DIR"}:
        monkeypatch.setenv(name, "x")
    code, _, err = run("local", "down", "--dir", str(tmp_path), at=None)
    assert (code, "setting-unknown" in err) == (0, False)


@pytest.mark.parametrize(
    "command",
    [("version",), ("settings", "watch"), ("token", "--help"), ("token", "create", "-h")],
    ids=" ".join,
)
def test_help_and_what_reads_no_variable_are_there_all_the_same(run, monkeypatch, command):
    monkeypatch.setenv("MELDEWEG_DIRR", "x")
    code, out, err = run(*command, at=None)
    assert (code, err) == (0, "")
    assert out


def test_completion_is_not_disturbed(run, monkeypatch):
    monkeypatch.setenv("MELDEWEG_DIRR", "x")
    monkeypatch.setenv("_MELDEWEG_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "meldeweg token ")
    monkeypatch.setenv("COMP_CWORD", "2")
    code, out, err = run(at=None)
    assert (code, err) == (0, "")
    assert "create" in out.split()
