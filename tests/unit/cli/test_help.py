"""What `--help` says is German first, English behind a slash: agencies' people read it."""

import re
from importlib.util import find_spec

import pytest

from meldeweg.cli import commands

# Words that stand in nearly every English help, and in no German one.
ENGLISH = re.compile(
    r"\b(a|and|are|by|for|from|if|is|no|not|of|one|only|or|that|the|this|to|when|which|with)\b",
    re.IGNORECASE,
)
# Commands, codes and options keep their names.
NAMES = re.compile(r"`[^`]*`|\b[a-z]+(-[a-z]+)+\b|--[a-z-]+")


def helps(command, path):
    """Yield path → help of a command, its parameters and what lies below it."""
    yield " ".join(path), command.help or ""
    for each in command.params:
        if each.name != "help":  # Typer's own
            yield f"{' '.join(path)} {each.name}", getattr(each, "help", None) or ""
    for name, below in getattr(command, "commands", {}).items():
        yield from helps(below, (*path, name))


@pytest.fixture(autouse=True)
def _loud(monkeypatch):
    monkeypatch.setattr(commands, "quieten", lambda: None)  # it is for a process of its own


@pytest.mark.parametrize("name", commands.COMMANDS)
def test_every_help_is_german_first(name):
    found = dict(helps(commands.load(name), (name,)))
    assert [where for where, text in found.items() if not text.strip()] == []
    german = {where: NAMES.sub("", text.split(" / ")[0]) for where, text in found.items()}
    assert {where: text for where, text in german.items() if ENGLISH.search(text)} == {}


def test_the_list_of_commands_is_german_first():
    for text in commands.COMMANDS.values():
        assert not ENGLISH.search(text.split(" / ")[0])


def test_what_needs_an_extra_that_is_not_installed_is_not_listed(monkeypatch):
    def without(name):
        return None if name == "psutil" else find_spec(name)

    assert {"local", "demo"} <= set(commands.available())
    monkeypatch.setattr(commands, "find_spec", without)
    assert set(commands.COMMANDS) - set(commands.available()) == {"local", "demo"}
