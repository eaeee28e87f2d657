"""`--json` is everywhere, and what it gives is one document, whatever happens."""

import json

import pytest

from meldeweg import local
from meldeweg.cli import commands
from meldeweg.gateway.api.ports import Rejected
from meldeweg.gateway.states import SentState
from meldeweg.kernel.errors import Refused
from unit.cli.calling import sending
from unit.gateway.api import fake
from unit.gateway.api.fake import CALL, ID

# They stay in the foreground and tell; a program reads `stack.json`, which is there when all is.
TELL = {"local up", "demo"}


def _all(name, command):
    """(words, command) of a command and of all below it that do something themselves."""
    below = getattr(command, "commands", {})
    if not below or command.invoke_without_command:
        yield name, command
    for word, each in below.items():
        yield from _all(f"{name} {word}", each)


def test_every_command_has_it_but_those_that_stay():
    every = [one for name in commands.available() for one in _all(name, commands.load(name))]
    without = {
        name
        for name, command in every
        if not any("--json" in param.opts for param in command.params)
    }
    assert len(every) > 30
    assert without == TELL


def test_a_refusal_has_the_problems_members(run, content, flows):
    flows.raises = Rejected("not-covered", rule="VIE-3 verlangt einen Anlass", call=CALL)
    code, out, err = run(*sending(content, "--json"))
    said = json.loads(err)
    assert (code, out, said["error"]) == (1, "", "not-covered")
    assert said["problem"]["status"] == 403
    assert said["problem"]["rule"] == "VIE-3 verlangt einen Anlass"
    assert said["problem"]["call"]["office"] == "Bereitschaft (erfunden)"
    assert said["problem"]["call"]["phone"] == "030 23125 100"


@pytest.mark.parametrize(
    "arguments",
    [
        ("inbox", "--limit", "many"),
        ("nonsense",),
        ("send",),
        ("inbox", "open", ID),
        ("send", "x.json", "--person", "P", "--place", "y", "--label", "nothing"),
        ("audit",),
        ("inbox",),
    ],
)
def test_a_wrong_call_is_a_document_too(run, arguments):
    code, out, err = run(*arguments, "--json", at=None)
    assert (code, out, json.loads(err)["exit"]) == (2, "", 2)


def test_nobody_is_asked_when_a_program_reads(run, tmp_path):
    token = tmp_path / "operators"
    token.write_text("x")
    named = ("--url", "http://127.0.0.1:1", "--token-file", str(token), "--key", str(token))
    order = ("registry", "revoke", "polizei-viersen", "--reason", "Übung", *named, "--json")
    code, out, err = run(*order, at=None)
    assert (code, out) == (2, "")
    assert "--yes" in json.loads(err)["text"]


def test_what_was_accepted_and_what_became_of_it_is_one_document(run, content, monkeypatch):
    answered = fake.Sent.get

    async def taken(self, message):
        return (await answered(self, message)).model_copy(update={"state": SentState.ACKNOWLEDGED})

    monkeypatch.setattr(fake.Sent, "get", taken)
    code, out, _ = run(*sending(content, "--json", "--wait", "5"))
    said = json.loads(out)
    assert (code, said["accepted"]["id"], said["settled"]["state"]) == (0, ID, "acknowledged")


def test_what_was_accepted_is_told_when_asking_fails(
    run,
    content,
    flows,
    monkeypatch,
):
    async def gone(self, message):
        raise Refused("message-unknown")

    monkeypatch.setattr(fake.Sent, "get", gone)
    code, out, err = run(*sending(content, "--json", "--wait", "5"))
    assert code == 1
    assert json.loads(out)["accepted"]["id"] == ID
    assert json.loads(err)["exit"] == 1


def test_the_end_of_a_stack_is_told(run, tmp_path, monkeypatch):
    for code, ended in ((0, True), (10, False)):
        monkeypatch.setattr(local, "down", lambda _, code=code: code)
        found, out, _ = run("local", "down", "--dir", str(tmp_path), "--json", at=None)
        assert (found, json.loads(out)["ended"]) == (code, ended)


def test_that_nothing_ran_is_told(run, tmp_path, monkeypatch):
    found, out, err = run("local", "down", "--dir", str(tmp_path), at=None)
    assert (found, out, "läuft nicht / not running" in err) == (0, "", True)
    monkeypatch.setattr(local, "is_running", lambda _: True)
    monkeypatch.setattr(local, "down", lambda _: 0)
    found, out, err = run("local", "down", "--dir", str(tmp_path), at=None)
    assert (found, out, "beendet / ended" in err) == (0, "", True)
